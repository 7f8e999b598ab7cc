"""The best share and the best rule: first-order conditions, closed limits, and a theorem that has bounds."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.special import ndtri

import freeridge as fr
from freeridge.theory.pruning.optimum import best_fraction, best_rule


def band(low: float, high: float) -> fr.KeepTable:
    """Rows between two quantiles of the size of the score."""
    a, b = ndtri(0.5 + 0.5 * np.array([low, high]))
    return fr.KeepTable([-b, -a, a, b], [0, 1, 0, 1, 0])


def error(phi: float, ridge: float, rule: Any, rho: float = 1.0, rho_star: float = 1.0) -> float:
    return float(fr.PrunedClassifier(phi, ridge, rho, rho_star, keep=rule).predict().error)


@pytest.mark.slow
def test_the_best_share_beats_a_fine_grid() -> None:
    setting = fr.PrunedClassifier(0.05, 1e-3, keep=fr.KeepHard(0.5))
    found = best_fraction(setting)
    grid = fr.sweep(setting, {"keep.fraction": np.linspace(0.01, 1.0, 400)})
    assert found.error <= float(grid.error.min()) and abs(found.slope) < 1e-8
    assert found.setting.keep.fraction == pytest.approx(found.fraction, rel=1e-14)


@pytest.mark.slow
def test_all_are_kept_where_rows_are_dropped_at_random() -> None:
    found = best_fraction(fr.PrunedClassifier(2.0, 0.1, keep=fr.KeepRandom(0.5)), least=0.05)
    assert found.fraction == 1.0 and found.slope <= 0.0


@pytest.mark.slow
@pytest.mark.parametrize(("labels", "share"), [(False, None), (False, 0.3), (True, None), (True, 0.3)])
def test_first_order_conditions_and_no_simple_rule_is_better(labels: bool, share: float | None) -> None:
    setting = fr.PrunedClassifier(0.1, 1e-3, 0.8, 0.95)
    found = best_rule(setting, 10, share=share, labels=labels)
    assert found.residual <= 1e-8 and found.error <= np.min(found.errors) * (1 + 1e-12)
    kept = float(found.setting.predict().share)
    assert found.error == pytest.approx(float(found.setting.predict().error), rel=1e-12)
    if share is not None:
        assert kept == pytest.approx(share, abs=1e-12)
    for rule in (fr.KeepHard(kept), fr.KeepEasy(kept), fr.KeepRandom(kept)):
        # Without labels the best of ten bands is one of them, up to rounding.
        assert found.error <= error(0.1, 1e-3, rule, 0.8, 0.95) * (1 + 1e-12)
    between = (found.right > 1e-9) & (found.right < 1 - 1e-9)
    assert np.sum(between) <= 3  # all or nothing, but for thresholds


@pytest.mark.slow
def test_a_perfect_oracle_keeps_one_distance_and_not_the_hardest() -> None:
    # phi -> 0, ridge -> 0, fixed share: hard rows are better than random and easy ones, but a band is better.
    hard = error(1e-3, 1e-8, fr.KeepHard(0.3))
    assert hard < error(1e-3, 1e-8, fr.KeepEasy(0.3)) < error(1e-3, 1e-8, fr.KeepRandom(0.3))
    found = best_rule(fr.PrunedClassifier(1e-3, 1e-8), 20, share=0.3)
    assert found.error < 0.96 * hard and found.right[0] < 1e-14
    assert found.error <= error(1e-3, 1e-8, band(0.1, 0.4)) * (1 + 1e-12)


@pytest.mark.slow
def test_a_generator_that_errs_keeps_the_easiest() -> None:
    found = best_rule(fr.PrunedClassifier(1e-3, 1e-8, 0.9), 20, share=0.3)
    np.testing.assert_allclose(found.right, np.repeat([0.0, 1.0], [14, 6]), rtol=0, atol=1e-14)


def test_the_leading_coefficient_of_a_perfect_oracle() -> None:
    # E -> sqrt(phi (p s / c^2 - 1) s) / (pi p), with s = E q t^2 and c = E q |t|.
    t = np.linspace(0.0, 9.0, 1_800_001)
    density = np.sqrt(2 / np.pi) * np.exp(-t * t / 2) * (t[1] - t[0])
    for rule, kept in ((fr.KeepHard(threshold=0.4), t <= 0.4), (fr.KeepEasy(threshold=1.0), t > 1.0)):
        p, c, s = (float(np.sum(density * kept * t**k)) for k in range(3))
        expected = np.sqrt(1e-8 * (p * s / c**2 - 1) * s) / (np.pi * p)
        assert error(1e-8, 0.0, rule) == pytest.approx(expected, rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("rule", [fr.KeepHard(0.3), band(0.1, 0.4)])
def test_simulated_classifiers_agree_on_the_band(rule: fr.KeepRule) -> None:
    setting = fr.PrunedClassifier(0.05, 1e-6, keep=rule, d=400)
    theory, measured = setting.predict(), setting.simulate(7, 24)
    assert abs(measured.error - float(theory.error)) < 4 * measured.standard_error["error"]


@pytest.mark.parametrize(
    ("options", "name"),
    [({"bands": 1}, "bands"), ({"bands": [1.0, 0.5]}, "bands"), ({"share": 1.5}, "share")],
)
def test_refused(options: dict[str, Any], name: str) -> None:
    setting = fr.PrunedClassifier(0.1, 1e-3)
    with pytest.raises(fr.InvalidSetting) as caught:
        best_rule(setting, **options)
    assert caught.value.field == name
    with pytest.raises(fr.InvalidSetting, match="fraction"):
        best_fraction(replace(setting, keep=fr.KeepSoft(1.0)))
