"""Figures of the toy experiments, from records of small runs."""

import numpy as np
import pytest
import xarray as xr
from matplotlib.collections import QuadMesh

from freeridge.figures import pitfalls_good_bad_ugly as fitting
from freeridge.figures import pitfalls_interpretable as interpretable
from freeridge.figures.memorization_entries import memorization_entries
from freeridge.figures.record import Plan
from freeridge.theory.memorization.experiments.good_bad_ugly import FunctionFit
from freeridge.theory.memorization.experiments.interpretable import InterpretableExperiment


def test_interpretable(monkeypatch: pytest.MonkeyPatch) -> None:
    runs, epochs = ["ERM, no noise", "ERM", "MAT"], np.arange(5)
    accuracy = np.random.default_rng(0).uniform(0, 1, (3, 2, 5, 2, 2))
    accuracy[1, :, -1, 1, 1] = [0.1, 0.3]
    small = xr.Dataset(
        {
            "accuracy": (("run", "seed", "epoch", "split", "group"), accuracy),
            "decision": (("run", "core", "spurious"), accuracy[:, 0, :3, 0]),
            "features": (("row", "feature"), [[1.0, 5.0], [-1.0, 5.0], [-1.0, -5.0]]),
            "label": ("row", [0, 1, 1]),
        },
        coords={
            "run": runs,
            "epoch": epochs,
            "split": ["train", "test"],
            "group": ["majority", "minority"],
            "core": [-2.0, 0.0, 2.0],
            "spurious": [-10.0, 10.0],
        },
    )
    monkeypatch.setattr(InterpretableExperiment, "run", lambda self, key, seeds, report: small)
    data = interpretable.interpretable(Plan())
    assert "InterpretableExperiment" in str(data.attrs["parameters"]) and data.attrs["precision"] == "float32"
    figure = interpretable.draw_interpretable(data)
    axes = np.reshape(np.array(figure.axes, dtype=object), (2, 3))
    assert axes[0, 1].get_title().endswith("minority, test: 0.200 ± 0.100")
    drawn = {(line.get_color(), line.get_linestyle()): line for line in axes[0, 2].lines}
    assert len(drawn) == 4
    for (color, line), place in {("black", "-"): (0, 0), ("black", "--"): (0, 1)}.items():
        assert np.array_equal(drawn[color, line].get_ydata(), accuracy[(2, 0, slice(None), *place)])
    assert [len(line.get_xdata()) for line in axes[1, 0].lines] == [1, 2]
    assert axes[1, 0].get_xlim() == (-2, 2) and axes[1, 0].get_ylim() == (-10, 10)
    (mesh,) = (part for part in axes[1, 1].collections if isinstance(part, QuadMesh))
    assert np.array_equal(np.ravel(np.asarray(mesh.get_array())), accuracy[1, 0, :3, 0].T.ravel())


def test_good_bad_ugly(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[int, int]] = []
    x, rng = np.linspace(-1.5, 1.5, 7), np.random.default_rng(0)
    small = xr.Dataset(
        {
            "target": ("x", np.tanh(x)),
            "prediction": (("scale", "seed", "x"), rng.standard_normal((3, 2, 7))),
            "x_row": ("row", x[::3]),
            "y_row": (("seed", "row"), rng.standard_normal((2, 3))),
            "deviation": (("scale", "seed"), [[0.1, 0.3], [0.2, 0.2], [0.0, 0.1]]),
        },
        coords={"scale": [1e-4, 1e-3, 0.0], "x": x},
    )

    def run(self: FunctionFit, key: int, seeds: int, report: object) -> xr.Dataset:
        report(150_000, 900_000)  # type: ignore[operator]
        return small

    monkeypatch.setattr(FunctionFit, "run", run)
    data = fitting.good_bad_ugly(Plan(report=lambda *now: told.append(now)))
    assert told == [(1, 9)]
    figure = fitting.draw_good_bad_ugly(data)
    titles = [panel.get_title() for panel in figure.axes]
    assert [title.split("\n")[0] for title in titles] == ["good", "bad", "ugly"]
    assert titles[1].endswith("$\\sigma_\\epsilon = 10^{-3}$")
    assert figure.axes[0].texts[0].get_text() == "r.m.s. error 0.200 ± 0.100"
    target, network, points = figure.axes[2].lines
    assert target.get_linestyle() == "--" and np.array_equal(network.get_ydata(), small.prediction[2, 0])
    assert np.array_equal(points.get_ydata(), small.y_row[0])
    assert figure.axes[0].get_xlim() == (-1.2, 1.2) and figure.axes[0].get_ylim() == (-0.5, 0.5)


def test_entries() -> None:
    main = {entry.name: entry.main for entry in memorization_entries()}
    names = ["pitfalls-1", "pitfalls-3", "pitfalls-noise", "pitfalls-rows", "pitfalls-influence"]
    assert names == [name for name in main if name in names]
    assert main["pitfalls-1"] and main["pitfalls-3"] and not main["pitfalls-rows"]
