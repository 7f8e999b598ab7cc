"""The regimes of the suite span the theory, and a handful of them agree with simulation."""

from functools import cache

import numpy as np
import pytest

import freeridge as fr
from freeridge.solvers.census import Census
from freeridge.solvers.errors import InvalidSetting
from freeridge.theory.experiment import moment
from freeridge.theory.suite import LABELERS, QUICK, SIZES, SPECTRA, Case, regimes, run_suite

CASES = regimes().values()


@cache
def quick() -> Census:
    return run_suite(key=1, size="quick")


def test_regimes_span_the_theory() -> None:
    assert len(CASES) >= 40 and len(set(CASES)) == len(CASES)
    plain, projected = [c for c in CASES if c.gamma is None], [c for c in CASES if c.gamma is not None]
    for cases in (plain, projected):
        assert {np.sign(c.phi - 1) for c in cases} == {-1, 0, 1}
        assert {len(c.spectra) for c in cases} == {1, 2, 3}
        assert {c.commuting for c in cases} == {True, False}
        assert {c.labelers for c in cases} >= {"fixed", "random", "shifted", "correlated", "independent"}
        assert {type(c.test) for c in cases} == {int, str} and any(c.test not in (0, "other") for c in cases)
        assert any(len(set(c.weights)) > 1 for c in cases)
        assert any(min(c.shares) == 0.01 for c in cases)
        assert {0.0, 10.0} <= {c.ridge for c in cases}
    assert {np.sign(c.psi - 1) for c in projected if c.psi is not None} == {-1, 0, 1}
    assert {np.sign(c.gamma - 1) for c in projected if c.gamma is not None} == {-1, 0, 1}
    assert {name for c in CASES for name in c.spectra} == set(SPECTRA)
    assert {c.labelers for c in CASES} == set(LABELERS)


def test_no_ridgeless_case_at_a_threshold() -> None:
    for case in CASES:
        if case.ridge == 0 and "half rank" not in case.spectra:
            assert case.phi != 1 and case.psi != 1


@pytest.mark.parametrize("d", [size // part for size, _ in SIZES.values() for part in (1, 2, 4)])
def test_sizes_keep_their_ratios(d: int) -> None:
    # Rounding differently at d and d / 2 would leave a bias of order 1/d in the extrapolation.
    for case in CASES:
        for exact in [d / case.phi * share for share in case.shares] + [(case.gamma or 1) * d]:
            assert d < 100 or exact == pytest.approx(round(exact), abs=1e-9)


def test_cases_are_what_they_say() -> None:
    case = regimes()["rotated mix projected"]
    setting, test = case.build(20)
    assert test == 1 and setting.features == 16 and setting.n == 20
    first, second = (moment(p.covariance) for p in setting.populations)
    assert np.max(np.abs(first @ second - second @ first)) > 0.01
    np.testing.assert_allclose(np.trace(first), 20.0)
    # The same case is the same setting each time, fixed labelers included.
    fixed = regimes()["mix fixed"]
    one, two = (fixed.build(20)[0].populations[1].labeler.fixed for _ in range(2))
    np.testing.assert_array_equal(np.asarray(one), np.asarray(two))
    weighted = regimes()["mix weighted"].build(20)[0]
    assert [float(p.weight) for p in weighted.populations] == [1.0, 3.0]


def test_a_population_tested_elsewhere_is_not_in_training() -> None:
    setting, test = regimes()["mix tested elsewhere"].build(20)
    assert isinstance(test, fr.Population)
    assert all(test.labeler is not p.labeler for p in setting.populations)


def test_bad_names_are_refused() -> None:
    with pytest.raises(InvalidSetting, match="labelers = 'nobody'"):
        Case(0.5, 0.1, labelers="nobody").build(20)
    with pytest.raises(InvalidSetting, match="size = 'huge'"):
        run_suite(size="huge")


@pytest.mark.slow
def test_quick_suite_agrees() -> None:
    census = quick()
    assert list(census.agreements) == list(QUICK)
    assert census.agrees, str(census)
    for agreement in census.agreements.values():
        assert np.max(agreement.residual) <= 1e-12
        assert all(np.all(np.isfinite(z)) for z in agreement.z.values())
    ratios = census.finite_size_ratios()
    assert list(ratios) == list(QUICK)
    # The bias left is measured with an error of its own, a third of the standard error at these sizes.
    assert all(abs(ratio) < 1 + 3 * noise for ratio, noise in ratios.values())


@pytest.mark.parametrize("name", ["plain phi 2 ridgeless", "projected mix psi 1", "rotated mix"])
def test_a_regime_agrees(name: str) -> None:
    setting, test = regimes()[name].build(100)
    found = fr.validate(setting, replicates=4, key=0, test=test)
    assert found.ok and all(np.isfinite(z) for z in found.z.values())
    assert not any(abs(score) > 4.5 for score in found.scores.values()), str(found)
