"""The figures of the loop, from hand-made records and, slowly, from training."""

from typing import Any

import numpy as np
import pytest
import xarray as xr

from freeridge.figures import deliberate_practice_loop as figure
from freeridge.figures.record import Plan
from freeridge.theory.practice.experiment import PracticeExperiment
from freeridge.theory.practice.strategies import STRATEGIES


@pytest.fixture
def data(monkeypatch: pytest.MonkeyPatch) -> xr.Dataset:
    """Two sizes of each strategy, three seeds; practice needs half the examples."""

    def run(
        self: PracticeExperiment, folder: Any = None, key: Any = 0, *, progress: bool = False
    ) -> xr.Dataset:
        strategies = [name for name in STRATEGIES for _ in range(2)]
        samples = np.repeat([[100.0], [400.0]] * 3 + [[100.0], [200.0]], 3, axis=1)
        shown = np.where(np.array(strategies)[:, None] == "practised", 2 * samples, samples)
        spread = 0.01 * np.array([-1.0, 0.0, 1.0])
        return xr.Dataset(
            {
                "test_accuracy": (("run", "seed"), 0.5 + 0.05 * np.log(shown) + spread),
                "samples": (("run", "seed"), samples),
                "work": (("run", "seed"), 5e9 * samples),
            },
            coords={"strategy": ("run", strategies), "size": ("run", samples[:, 0].astype(np.int64))},
        )

    monkeypatch.setattr(PracticeExperiment, "run", run)
    return figure.loop(Plan())


def test_curves_are_those_of_the_record(data: xr.Dataset) -> None:
    left, right = figure.draw_loop(data).axes
    static, _, _, practised = (bars.lines[0] for bars in left.containers)  # type: ignore[attr-defined]
    assert np.asarray(static.get_xdata()).tolist() == [100.0, 400.0]
    assert np.allclose(np.asarray(static.get_ydata()), 0.5 + 0.05 * np.log([100, 400]))
    assert np.asarray(practised.get_xdata()).tolist() == [100.0, 200.0]
    assert np.allclose(np.asarray(practised.get_ydata()), 0.5 + 0.05 * np.log([200, 400]))
    work = right.containers[0].lines[0]  # type: ignore[attr-defined]
    assert np.asarray(work.get_xdata()).tolist() == [500.0, 2000.0]
    error = left.containers[0].lines[2][0].get_segments()[0]  # type: ignore[attr-defined]
    assert np.ptp(error[:, 1]) == pytest.approx(2 * 0.01 / 3**0.5)
    assert left.get_title(loc="right").startswith("practice: 2 times fewer")
    assert "PracticeExperiment" in str(data.attrs["parameters"])


def test_digits_have_their_entropy_above_them() -> None:
    labels = np.array([0, 1])
    data = xr.Dataset(
        {
            "examples": (("strength", "example", "coordinate"), np.zeros((3, 2, 64), np.float32)),
            "entropy": (("strength", "example"), [[0.0, 0.1], [0.2, 0.3], [1.5, 0.4]]),
            "agrees": (("strength", "example"), [[True, True], [True, True], [False, True]]),
        },
        coords={"strength": [0.0, 1.0, 2.0], "label": ("example", labels)},
    )
    panels = figure.draw_guided_digits(data).axes
    titles = [panel.title for panel in panels]
    assert [title.get_text() for title in titles] == ["0.00", "0.10", "0.20", "0.30", "1.50", "0.40"]
    assert titles[4].get_color() not in [title.get_color() for title in titles[:4]]
    assert [panel.get_ylabel() for panel in panels[::2]] == [rf"$\omega$ = {w}" for w in (0, 1, 2)]


@pytest.mark.slow
def test_from_training() -> None:
    found = figure.loop(Plan())
    assert found.sizes["seed"] == 3 and len(figure.draw_loop(found).axes) == 2
    shown = figure.guided_digits(Plan())
    assert shown["entropy"].mean("example").diff("strength").values[-1] > 0
