"""Curves over the number of rows: a loop of predictions, finite differences, and the law at many rows."""

import numpy as np
import pytest

import freeridge as fr
from freeridge.theory.pruning.scaling import curation_curve

SETTING = fr.PrunedClassifier(1.0, 1e-3, keep=fr.KeepHard(0.2))


def test_a_curve_is_a_loop_and_its_exponent_a_difference() -> None:
    rows = np.array([300.0, 2000.0, 2000.2, 5e4])
    curve = curation_curve(SETTING, rows, d=350)
    for k, n in enumerate(rows):
        found = fr.PrunedClassifier(350 / n, 1e-3, keep=fr.KeepHard(0.2)).predict()
        assert float(curve.error[k]) == pytest.approx(float(found.error), rel=1e-12)
    slope = np.diff(np.log(curve.error.values[1:3]))[0] / np.diff(np.log(rows[1:3]))[0]
    assert float(curve.exponent[1]) == pytest.approx(-slope, rel=1e-3)
    np.testing.assert_allclose(curve.kept, 0.2 * rows)
    assert np.all(curve.code == 0) and curve.residual.max() <= 1e-12


@pytest.mark.slow
def test_pruning_turns_a_curve_into_a_steeper_one_and_back() -> None:
    # Labels are right: 1/2 in the end, whatever the share; on the way pruned curves are steeper and better.
    rows = np.geomspace(1e3, 1e9, 61)
    everything = curation_curve(fr.PrunedClassifier(1.0, 1e-6), rows, d=512)
    pruned = curation_curve(fr.PrunedClassifier(1.0, 1e-6, keep=fr.KeepHard(0.2)), rows, d=512)
    assert float(everything.exponent[-1]) == pytest.approx(0.5, abs=1e-2)
    assert float(pruned.exponent.max()) > 1.5 > 0.8 > float(everything.exponent.max())
    assert float(pruned.error[0]) > float(everything.error[0])
    assert float(pruned.error[30]) < 0.5 * float(everything.error[30])


def test_a_share_that_falls_with_the_rows_doubles_the_exponent() -> None:
    # Twice as many hard rows as dimensions, whatever the number they are chosen from: E = 0.266 phi.
    for phi in (1e-3, 1e-5):
        found = fr.PrunedClassifier(phi, 0.0, keep=fr.KeepHard(1.99 * phi)).predict()
        assert float(found.error) == pytest.approx(0.26597 * phi, rel=1e-4)


def test_what_is_no_row_is_refused() -> None:
    for rows in ([100.0, 50.0], [0.0, 1.0], "many"):
        with pytest.raises(fr.InvalidSetting, match=r"^n = "):
            curation_curve(SETTING, rows, d=100)
    with pytest.raises(fr.InvalidSetting, match="setting"):
        curation_curve(fr.KeepHard(0.1), [100.0])
