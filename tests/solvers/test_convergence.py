"""Rates of convergence from synthetic replicates whose exponent is known."""

import json
from collections.abc import Sequence

import numpy as np
import pytest
from scipy import stats

from freeridge.solvers.convergence import Convergence, fit_rate
from freeridge.solvers.convergence_census import ConvergenceCensus
from freeridge.solvers.errors import InvalidSetting

SIZES = (300, 600, 1250, 2500, 5000, 10_000)
COUNTS = (48, 32, 24, 12, 6, 3)


def draw(
    rng: np.random.Generator, bias: float = 0.3, exponent: float = 1.0, missed: float = 0.0
) -> Convergence:
    scale = [float(d) ** -exponent for d in SIZES]
    return Convergence(
        SIZES,
        [missed + s * (bias + rng.standard_normal(r)) for s, r in zip(scale, COUNTS, strict=True)],
    )


def test_an_exact_power_law() -> None:
    rate = fit_rate(SIZES, 3.0 * np.array(SIZES, float) ** -0.7, [10**7] * len(SIZES))
    np.testing.assert_allclose((rate.exponent, rate.prefactor), (0.7, 3.0), rtol=1e-6)
    assert rate.fit > 0.99
    low, high = rate.interval(0.9)
    np.testing.assert_allclose(high - low, 2 * 1.6448536 * rate.error, rtol=1e-6)


def test_the_error_of_the_exponent() -> None:
    # Two sizes a factor e apart: the error of a difference of two logarithms of chi.
    rate = fit_rate([1, 2, 4], np.ones(3), [200] * 3)
    np.testing.assert_allclose(rate.error, (1 / 400) ** 0.5 / (2**0.5 * np.log(2)), rtol=0.01)


def test_a_constant_that_theory_misses_shows_in_both_numbers() -> None:
    one = draw(np.random.default_rng(0), missed=2e-3)
    assert one.scores[0] < -5 and one.scores[1] > 10
    assert one.rate.exponent < 0.8 and abs(one.spread.exponent - 1) < 4 * one.spread.error
    assert abs(one.limit.value - 2e-3) < 4 * one.limit.error


def test_another_exponent_shows() -> None:
    half = draw(np.random.default_rng(0), exponent=0.5)
    low, high = half.rate.interval()
    assert low < 0.5 < high < 1
    assert abs(half.scores[0]) > 5


def test_the_line_is_that_of_least_squares() -> None:
    one = draw(np.random.default_rng(3))
    d, counts = np.array(SIZES, float), np.array(COUNTS, float)
    means = np.array([x.mean() for x in one.distances])
    weights = d * counts**0.5
    a = np.stack([weights, weights / d], axis=1)
    expected = np.linalg.lstsq(a, weights * means, rcond=None)[0]
    np.testing.assert_allclose((one.limit.value, one.limit.bias), expected, rtol=1e-8)
    scaled = np.concatenate([s * (x - x.mean()) for s, x in zip(d, one.distances, strict=True)])
    sigma = (np.sum(scaled**2) / (counts.sum() - len(d))) ** 0.5
    errors = sigma * np.diag(np.linalg.inv(a.T @ a)) ** 0.5
    np.testing.assert_allclose((one.limit.error, one.limit.bias_error), errors, rtol=1e-8)
    z = one.limit.value / one.limit.error
    expected_score = stats.norm.isf(stats.t.sf(z, counts.sum() - len(d)))
    np.testing.assert_allclose(one.limit.score, expected_score, rtol=1e-8)


def test_prints_and_goes_to_json() -> None:
    one = draw(np.random.default_rng(0))
    lines = str(one).splitlines()
    assert lines[0].split()[0] == "size" and [line.split()[0] for line in lines[1:7]] == [
        str(d) for d in SIZES
    ]
    assert "exponent" in lines[7] and "infinite" in lines[8]
    record = json.loads(json.dumps(one.to_dict()))
    assert record["rate"]["exponent"] == one.rate.exponent and len(record["distances"][0]) == 48


def test_the_census_decides_by_its_bound() -> None:
    rng = np.random.default_rng(0)
    speed = {d: np.full(count, 0.8) for d, count in zip(SIZES, COUNTS, strict=True)}
    right = ConvergenceCensus({"one": {"risk": draw(rng), "bias": draw(rng)}}, speed, 8e10)
    wrong = ConvergenceCensus({"one": {"risk": draw(rng, missed=2e-3)}}, speed, 8e10)
    assert right.agrees and not wrong.agrees
    assert len(right.scores) == 4 and 4.2 < right.bound < 4.3
    assert not ConvergenceCensus(right.convergences, speed, 8e10, ("one (d = 300)",)).agrees
    assert "not certified: one (d = 300)" in str(
        ConvergenceCensus(right.convergences, speed, 8e10, ("one (d = 300)",))
    )
    assert "80%" in str(right) and "80.0 Gflop/s" in str(right)
    assert json.loads(json.dumps(right.to_dict()))["agrees"] is True


BAD: dict[str, tuple[Sequence[int], list[np.ndarray], str]] = {
    "two sizes": ((1, 2), [np.ones(2)] * 2, "sizes"),
    "not ascending": ((1, 3, 2), [np.ones(2)] * 3, "sizes"),
    "zero": ((0, 1, 2), [np.ones(2)] * 3, "sizes"),
    "one replicate": ((1, 2, 3), [np.ones(2), np.ones(2), np.ones(1)], "distances"),
    "too few": ((1, 2, 3), [np.ones(2)] * 2, "distances"),
    "nan": ((1, 2, 3), [np.ones(2), np.ones(2), np.array([1.0, np.nan])], "distances"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case: str) -> None:
    sizes, distances, field = BAD[case]
    with pytest.raises(InvalidSetting, match=field):
        Convergence(sizes, distances)


@pytest.mark.slow
@pytest.mark.parametrize("bias", [0.0, 0.7])
def test_coverage(bias: float) -> None:
    rng, runs = np.random.default_rng(1), 2000
    found = [draw(rng, bias) for _ in range(runs)]
    exponents = np.array([one.rate.exponent for one in found])
    assert abs(exponents.mean() - 1) < 0.01
    covered = np.mean([low < 1 < high for low, high in (one.rate.interval() for one in found)])
    # Exact without bias, but for the tails of three replicates; too large an error, never too small, with it.
    assert 0.94 < covered < 0.965
    spreads = np.array([(one.spread.exponent - 1) / one.spread.error for one in found])
    limits = np.array([one.limit.score for one in found])
    assert abs(limits.std() - 1) < 0.05 and abs(spreads.std() - 1) < 0.05
    assert stats.kstest(limits, "norm").pvalue > 1e-3
    if bias == 0:
        assert 0.02 < np.mean([one.rate.fit < 0.05 for one in found]) < 0.08
