"""Worst-group error of ERM, memorisation-aware and balanced training: exact limit as lines, trained models as
points. Not in the paper, which has no such theory.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from freeridge.figures.record import Plan, record, simulation, theory
from freeridge.figures.style import MARKERS, categories, legend, line_and_points, panels
from freeridge.theory.memorization.spurious_law import Training
from freeridge.theory.memorization.spurious_logistic import SpuriousLogistic

Grid = Mapping[str, Sequence[float] | np.ndarray]
TRAININGS: dict[Training, str] = {
    "erm": "ERM",
    "memorisation-aware": "MAT, perfect signal",
    "balanced": "balanced groups",
}
PENALTIES = (1e-1, 1e-2, 1e-3)
MAJORITIES = (0.7, 0.9, 0.97)


def over_noise(plan: Plan) -> xr.Dataset:
    """Data over the level of the noise, for several penalties, in the shape of the experiment."""
    levels, points = np.geomspace(0.05, 3.0, 100), np.geomspace(0.1, 2.0, plan.choose(6, 12))
    return _computed({"phi": 1.8}, "penalty", PENALTIES, "noise", levels, points, plan)


def over_rows(plan: Plan) -> xr.Dataset:
    """Data over rows per noise coordinate, for several shares of the majority."""
    ratios, points = np.geomspace(0.1, 20.0, 100), np.geomspace(0.2, 8.0, plan.choose(5, 11))
    data = _computed({}, "majority", MAJORITIES, "phi", 1.0 / ratios, 1.0 / points, plan)
    return data.assign_coords(ratio=("phi", ratios), ratio_simulated=("phi_simulated", points))


def draw_over_noise(data: xr.Dataset) -> Figure:
    """One panel per penalty, one curve per training."""
    return _drawn(data, "penalty", "noise", r"noise level $\sigma$", r"$\lambda$ = {:g}")


def draw_over_rows(data: xr.Dataset) -> Figure:
    """One panel per share of the majority, one curve per training."""
    return _drawn(data, "majority", "ratio", "rows per noise coordinate $n / d$", "majority {:.0%}")


def _computed(
    changes: dict[str, float],
    outer: str,
    values: Sequence[float],
    inner: str,
    grid: np.ndarray,
    points: np.ndarray,
    plan: Plan,
) -> xr.Dataset:
    """Limit and simulation of each training, on the product of two axes."""
    usual = {"phi": 1.0, "penalty": 1e-2, "majority": 0.9, "spurious_scale": 5.0, "noise": 0.5}
    settings: dict[str, SpuriousLogistic] = {
        training: SpuriousLogistic(**usual | changes, training=training, n=plan.choose(500, 1000))
        for training in TRAININGS
    }
    lines: Grid = {outer: list(values), inner: grid}
    at: Grid = {outer: list(values), inner: points}
    parts = [
        xr.merge([theory(setting, lines), simulation(setting, at, plan, plan.choose(6, 20))], join="exact")
        for setting in settings.values()
    ]
    data = xr.concat(parts, "training").assign_coords(training=list(TRAININGS))
    return record({"": [data]}, settings, plan, chosen=["all parameters but those of the experiment"])


def _drawn(data: xr.Dataset, outer: str, inner: str, label: str, title: str) -> Figure:
    figure, axes = panels(1, data.sizes[outer], width=3.3, height=3.0, sharex=True, sharey=True)
    colors = categories(len(TRAININGS))
    for panel, value in zip(axes.flat, data[outer].values, strict=True):
        for training, color, marker in zip(TRAININGS, colors, MARKERS, strict=False):
            here = data.sel({outer: value, "training": training})
            points = (
                data[f"{inner}_simulated"],
                here["worst_group_error_simulated"],
                here["worst_group_error_standard_error"],
            )
            line_and_points(
                panel, (data[inner], here["worst_group_error"]), points, color=color, marker=marker
            )
        panel.set(xscale="log", xlabel=label, title=title.format(value))
    axes[0, 0].set_ylabel("error of the worst group")
    legend(figure, list(TRAININGS.values()), colors)
    return figure
