"""The figures of verified labels: what they are made of, and that each can be drawn."""

from typing import Any

import numpy as np
import pytest
from scipy.special import ndtr

from freeridge.figures import deliberate_practice_verification as figure
from freeridge.figures.record import Plan
from freeridge.figures.style import look


def test_the_best_accuracy_is_the_papers() -> None:
    best = float(ndtr(figure.SIGNAL))
    neighbours = [float(ndtr(0.15 * d**0.5)) for d in (figure.D - 1, figure.D + 1)]
    assert abs(best - 0.94) < min(abs(other - 0.94) for other in neighbours)


@pytest.mark.slow
def test_breakdown_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figure, "ROWS", (100.0, np.inf))
    data = figure.breakdown(Plan())
    assert np.all(data.code == 0)
    at = data.accuracy.sel(n=100.0).interp({"errors.rate": data["errors.rate_simulated"].values}).values
    away = data.accuracy_simulated.sel(n=100.0).values - at
    assert np.all(np.abs(away) < 4 * data.accuracy_standard_error.sel(n=100.0).values + 2e-3)
    with look():
        drawn = figure.draw_breakdown(data)
    assert [len(panel.get_lines()) for panel in drawn.axes] == [len(drawn.axes[0].get_lines())] * 3


@pytest.mark.slow
def test_verification_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figure, "REAL_ROWS", (100,))
    monkeypatch.setattr(figure, "QUICK_ROWS", [30.0, 100.0])
    told: list[Any] = []
    data = figure.verification(Plan(report=lambda done, total: told.append((done, total))))
    assert told == [(i, 4) for i in range(4)]
    at_100 = data.isel(real_rows=0).sel(n=100.0)
    measured = data.isel(n_simulated=1, real_rows=0)
    away = (measured.accuracy_simulated - at_100.accuracy) / measured.accuracy_standard_error
    assert np.all(np.abs(away.values) < 4)  # Student's law with seven degrees of freedom
    with look():
        drawn = figure.draw_verification(data)
    assert len(drawn.axes) == 2 and len(drawn.axes[0].containers) == len(figure.NAMES)
