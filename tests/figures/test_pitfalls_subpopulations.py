"""The figure of the benchmark, from a hand-made record and, slowly, from training."""

from typing import Any

import numpy as np
import pytest
import xarray as xr

from freeridge.figures import pitfalls_subpopulations as figure
from freeridge.figures.record import Plan
from freeridge.theory.memorization.subpopulations.algorithms import ALGORITHMS
from freeridge.theory.memorization.subpopulations.experiment import SubpopulationBenchmark

SPREAD = 0.01 * np.array([-1.0, 0.0, 1.0])


@pytest.fixture
def data(monkeypatch: pytest.MonkeyPatch) -> xr.Dataset:
    """Three seeds; the worst group gains a tenth from one algorithm to the next, inferred groups cost .05."""

    def run(
        self: SubpopulationBenchmark, folder: Any = None, key: Any = 0, *, progress: bool = False
    ) -> xr.Dataset:
        shape = np.array([0.0, -0.05])[:, None] + 0.1 * np.arange(5)[:, None, None] + SPREAD
        dims = ("algorithm", "selection", "seed")
        return xr.Dataset(
            {
                "worst_group_accuracy": (dims, 0.3 * self.contrast + shape),
                "mean_accuracy": (dims, 0.5 + shape / 2),
                "flip_rate": ("seed", SPREAD),
            },
            coords={"algorithm": list(ALGORITHMS), "selection": ["true", "inferred"], "seed": range(3)},
        )

    monkeypatch.setattr(SubpopulationBenchmark, "run", run)
    return figure.subpopulations(Plan())


def test_points_are_those_of_the_record(data: xr.Dataset) -> None:
    drawn = figure.draw_subpopulations(data)
    plain, faint = drawn.axes
    for panel, contrast in ((plain, 1.0), (faint, 0.2)):
        worst_true, worst_inferred, mean_true, _ = (bars.lines[0] for bars in panel.containers)  # type: ignore[attr-defined]
        assert np.allclose(worst_true.get_ydata(), 0.3 * contrast + 0.1 * np.arange(5))
        assert np.allclose(worst_inferred.get_ydata(), 0.3 * contrast - 0.05 + 0.1 * np.arange(5))
        assert np.allclose(mean_true.get_ydata(), 0.5 + 0.05 * np.arange(5))
        assert np.all(np.asarray(worst_true.get_xdata()) < np.asarray(worst_inferred.get_xdata()))
    error = plain.containers[0].lines[2][0].get_segments()[0]  # type: ignore[attr-defined]
    assert np.ptp(error[:, 1]) == pytest.approx(2 * 0.01 / 3**0.5)
    assert [text.get_text() for text in plain.get_xticklabels()][:2] == ["ERM", "memorisation-\naware"]
    assert len(drawn.legends[0].get_texts()) == 4


def test_the_record_says_what_it_was_computed_from(data: xr.Dataset) -> None:
    assert {str(name) for name in data} == {
        f"{name}_{quantity}"
        for name in ("digits", "digits_faint")
        for quantity in ("mean_accuracy", "worst_group_accuracy")
    }
    assert "SubpopulationBenchmark" in str(data.attrs["parameters"])


@pytest.mark.slow
def test_from_training() -> None:
    found = figure.subpopulations(Plan())
    assert found.sizes["seed"] == 3 and len(figure.draw_subpopulations(found).axes) == 2
    worst = found["digits_worst_group_accuracy"].sel(selection="true").mean("seed")
    assert worst.sel(algorithm="mat") > worst.sel(algorithm="erm")
