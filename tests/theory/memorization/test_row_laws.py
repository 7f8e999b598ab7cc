"""Laws of single rows: that they are laws, what they imply, and against rows of trained models."""

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.logistic_fit import fit_logistic
from freeridge.theory.memorization.experiments.self_influence import self_influence
from freeridge.theory.memorization.row_laws import Law, RowLaws, row_laws
from freeridge.theory.memorization.spurious_fit import draw
from freeridge.theory.memorization.spurious_logistic import SpuriousLogistic

SHIFTED = SpuriousLogistic(1.0, 0.05, 0.7, 2.0, 1.0, (0.5, 0.0), training="memorisation-aware")


@pytest.fixture(scope="module")
def laws() -> RowLaws:
    return row_laws(SHIFTED)


def chance(law: Law, group: int, values: np.ndarray) -> np.ndarray:
    """Probability of a value no larger."""
    order = np.argsort(np.asarray(law.values[group]))
    at, below = np.asarray(law.values[group])[order], np.asarray(law.cumulative[group])[order]
    return np.interp(values, at, below)


def test_masses_are_one_and_densities_are_slopes(laws: RowLaws) -> None:
    for law in laws:
        for values, density, cumulative in zip(*map(np.asarray, law), strict=True):
            order = np.argsort(values)
            values, density, cumulative = values[order], density[order], cumulative[order]
            assert np.all(np.diff(values) > 0) and np.all(np.diff(cumulative) >= 0)
            assert cumulative[0] < 1e-11 and cumulative[-1] == pytest.approx(1.0, abs=1e-11)
            steps = 0.5 * (density[1:] + density[:-1]) * np.diff(values)
            assert steps.sum() == pytest.approx(1.0, abs=2e-3)
            np.testing.assert_allclose(np.cumsum(steps), cumulative[1:], atol=2e-3)


def test_laws_of_margins_have_the_errors(laws: RowLaws) -> None:
    found = SHIFTED.predict()
    for law, errors in ((laws.held_out, found.group_errors), (laws.train, found.train_errors)):
        wrong = [float(chance(law, group, np.zeros(1))[0]) for group in (0, 1)]
        np.testing.assert_allclose(wrong, errors, rtol=2e-3, atol=1e-6)


def test_a_margin_in_training_is_a_proximal_point(laws: RowLaws) -> None:
    """The equation of the page, by the shift, the weight and the strength of each group."""
    setting = SpuriousLogistic(1.0, 0.05, 0.7, 2.0, 1.0, (0.5, 0.0), training="balanced")
    found, limit = row_laws(setting), setting.limit()
    for group, shift, alpha in ((0, 0.5, 0.5 / 0.7), (1, 0.0, 0.5 / 0.3)):
        t, p = np.asarray(found.held_out.values[group]), np.asarray(found.train.values[group])
        pushed = float(limit.order.strength) * alpha * expit(-(p + shift))
        np.testing.assert_allclose(p - t, pushed, rtol=1e-9, atol=1e-12)
        exact = alpha * (np.logaddexp(0.0, -t - shift) - np.logaddexp(0.0, -p - shift))
        np.testing.assert_allclose(found.exact.values[group], exact, rtol=1e-9, atol=1e-13)
        plain = np.logaddexp(0.0, -t) - np.logaddexp(0.0, -p)
        np.testing.assert_allclose(found.plain.values[group], plain, rtol=1e-9, atol=1e-13)


def compare(n: int, key: int) -> list[float]:
    """p-values of Kolmogorov and Smirnov of rows of one fit under each law, by group."""
    setting = SpuriousLogistic(1.0, 0.05, 0.7, 2.0, 1.0, (0.5, 0.0), training="memorisation-aware", n=n)
    rows, groups = draw(setting, np.random.default_rng(key))
    shifts = np.asarray(setting.learned().law.loss_shifts())[groups]
    weights = fit_logistic(rows, 0.05, shifts)
    measured = self_influence(rows, shifts, 0.05, weights)
    fresh = draw(setting, np.random.default_rng(key + 1))
    samples = (fresh.rows @ weights, measured.margins, measured.exact, measured.predicted, measured.plain)
    found = row_laws(setting)
    return [
        float(stats.kstest(chance(law, group, values[of == group]), "uniform").pvalue)
        for law, values, of in zip(found, samples, (fresh.groups, *[groups] * 4), strict=True)
        for group in (0, 1)
    ]


def test_rows_of_a_trained_model_follow_the_laws() -> None:
    assert min(compare(300, 0)) > 1e-3


@pytest.mark.slow
def test_many_rows_of_a_trained_model_follow_the_laws() -> None:
    for key in (10, 20, 30):
        assert min(compare(1500, key)) > 1e-3


def test_without_a_minimiser_there_are_no_laws() -> None:
    with pytest.raises(InvalidSetting, match="one with a minimiser; the training rows are separable"):
        row_laws(SpuriousLogistic(1.0, 0.0, 0.7, 2.0, 1.0))
