"""The settings of the bias suite span the theory, and a handful of them agree with simulation."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from freeridge.solvers.agreement import Agreement, validate
from freeridge.solvers.errors import InvalidSetting
from freeridge.theory import bias_suite
from freeridge.theory.bias_suite import (
    QUICK,
    SHOWN,
    SIZES,
    Groups,
    Minority,
    disparities,
    run_bias_suite,
)
from freeridge.theory.experiment import moment
from freeridge.theory.suite import Case

NAMED = disparities()
CASES = NAMED.values()
GROUPS = [case for case in CASES if isinstance(case, Groups)]
MINORITIES = [case for case in CASES if isinstance(case, Minority)]


def sides(ratios: list[float]) -> set[float]:
    return {float(np.sign(ratio - 1)) for ratio in ratios}


def test_settings_span_the_theory() -> None:
    assert len(CASES) >= 30 and len(set(CASES)) == len(CASES)
    mixtures = [case.mixture for case in GROUPS if case.time is None]
    plain, projected = [c for c in mixtures if c.gamma is None], [c for c in mixtures if c.gamma is not None]
    for cases in (plain, projected):
        assert {len(c.spectra) for c in cases} == {2, 3}
        assert {c.commuting for c in cases} == {True, False}
        assert {c.labelers for c in cases} >= {"random", "shifted", "correlated", "independent", "fixed"}
        assert any(len(set(c.weights)) > 1 for c in cases)
        assert {0.01, 0.1, 0.2, 0.5} <= {min(c.shares) for c in cases}
        assert {0.0, 1e-3, 10.0} <= {c.ridge for c in cases}
    assert sides([c.phi for c in plain]) == sides([c.phi / p for c in plain for p in c.shares]) == {-1, 0, 1}
    psi = [(c.psi, c.shares) for c in projected if c.psi is not None]
    assert sides([ratio for ratio, _ in psi]) == {-1, 0, 1}
    assert sides([ratio / p for ratio, shares in psi for p in shares]) == {-1, 0, 1}
    assert {case.gamma is None for case in MINORITIES} == {True, False}
    assert {case.signal > 0 for case in MINORITIES} == {True, False}
    stopped = [case for case in GROUPS if case.time is not None]
    assert {case.step_size is None for case in stopped} == {True, False}
    assert {case.mixture.gamma is None for case in stopped} == {True, False}


def test_no_ridgeless_model_at_a_threshold() -> None:
    for case in GROUPS:
        mixture = case.mixture
        if mixture.ridge == 0 and case.time is None:
            for share in (1.0, *mixture.shares):
                assert mixture.phi != share and mixture.psi != share


@pytest.mark.parametrize("d", [size // part for size, _ in SIZES.values() for part in (1, 2, 4)])
def test_sizes_keep_their_ratios(d: int) -> None:
    for name in QUICK if d < 50 else NAMED:
        case = NAMED[name]
        ratios = case.mixture if isinstance(case, Groups) else case
        setting = case.build(d)
        assert setting.d == d and float(setting.n) == pytest.approx(d / ratios.phi)
        if setting.features is not None and ratios.gamma is not None:
            assert float(setting.features) == pytest.approx(d * ratios.gamma)
        for rows in [float(setting.n * group.share) for group in setting.groups]:
            assert rows == pytest.approx(round(rows), abs=1e-9)


def test_cases_are_what_they_say() -> None:
    setting: Any = NAMED["descent projected"].build(100)
    assert (float(setting.time), float(setting.step_size), float(setting.features)) == (10.0, 0.2, 80.0)
    majority, minority = NAMED["minority ten percent"].build(100).groups
    assert float(minority.share) == pytest.approx(0.1) and float(minority.noise_variance) == 0.5
    assert np.sum(moment(majority.covariance) > 0) == 80


def test_what_is_within_the_errors_is_left_out() -> None:
    case = Groups(Case(0.5, 0.1, None, ("isotropic", "isotropic"), (0.5, 0.5), noise=(0.1, 1.0)))
    found = case.compare(40, 4, 0)
    # One covariance and one labeler: the joint model is as good on one group as on the other.
    left_out = {"odd", "add", "worst_group_risk"}
    assert not left_out & set(found.theory) and {"edd", "signed_odd", "signed_add"} <= set(found.theory)
    assert set(found.theory) == set(found.simulation) == set(found.standard_error) == set(found.freedom)
    assert found.z["signed_odd"] == 0.0
    same_noise = Groups(replace(case.mixture, noise=(0.5, 0.5))).compare(40, 4, 0)
    assert not {"edd", "signed_add"} & set(same_noise.theory)
    apart = Groups(replace(case.mixture, spectra=("isotropic", "small"))).compare(40, 16, 0)
    assert {"odd", "edd", "add", "signed_add", "worst_group_risk"} <= set(apart.theory)


def test_bad_size_is_refused() -> None:
    with pytest.raises(InvalidSetting, match="size = 'huge'"):
        run_bias_suite(size="huge")


@pytest.mark.slow
def test_quick_suite_agrees() -> None:
    census = run_bias_suite(key=1, size="quick")
    assert list(census.agreements) == list(QUICK)
    assert census.agrees, str(census)
    for agreement in census.agreements.values():
        assert np.max(agreement.residual) <= 1e-11
        assert set(SHOWN) <= set(agreement.theory)
        assert all(np.all(np.isfinite(z)) for z in agreement.z.values())


@pytest.mark.slow
def test_a_wrong_theory_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def off(setting: Any, replicates: int, key: Any) -> Agreement:
        found = validate(setting, replicates, key)
        return replace(found, theory={name: 1.2 * value for name, value in found.theory.items()})

    monkeypatch.setattr(bias_suite, "validate", off)
    monkeypatch.setattr(bias_suite, "QUICK", ("plain phi 1",))
    monkeypatch.setattr(bias_suite, "SIZES", {"quick": (40, (8, 16, 16))})
    assert not run_bias_suite(size="quick").agrees
