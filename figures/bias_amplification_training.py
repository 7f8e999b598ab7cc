"""Bias amplification over the ridge (the family of Figure 11 of arXiv 2410.17263), and over training time.

Both have the same panels: how long to train and how much to regularise are the same question, answered
exactly for each, and the ridge 1/t that is taken for the time t is drawn beside the time.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullFormatter

from freeridge.figures.bias_amplification import CHOSEN, NAMES, isotropic_groups
from freeridge.figures.record import Plan, paths, record, simulation, theory
from freeridge.figures.style import MARKERS, categories, legend, line_and_points, panels
from freeridge.theory.ratios import AtRatios

MARK: dict[str, Any] = {
    "linestyle": "none",
    "marker": "*",
    "markersize": 12,
    "markeredgecolor": "black",
    "markeredgewidth": 0.6,
}
LIMITS = {"odd": (1e-2, 2.0), "edd": (1e-3, 2.0), "add": (0.05, 200.0), "worst_group_risk": (0.1, 3.0)}
RATIOS = (0.25, 2.0), (0.2, 3.0)  # values of phi and of psi, combined


def over_ridge(plan: Plan) -> xr.Dataset:
    """Data over the ridge: theory, simulation, and the ridge of the smallest worst-group risk."""
    smooth = isotropic_groups(ridge=np.geomspace(1e-6, 1e2, 161))
    dots = isotropic_groups(ridge=np.geomspace(1e-6, 1e2, plan.choose(9, 25)))
    return record(
        {
            "": [*_curves(smooth), _points(dots, RATIOS, plan, plan.choose(10, 50))],
            "best": [_best(isotropic_groups(ridge=0.1), RATIOS, "ridge")],
        },
        {"setting": smooth},
        plan,
        chosen=CHOSEN,
    )


def over_time(plan: Plan) -> xr.Dataset:
    """Data over the time: gradient flow, its simulation, ridge 1/t, and the best time to stop."""
    ratios = (RATIOS[0][:1], RATIOS[1])
    times = np.geomspace(1e-2, 1e4, 181)
    flow = isotropic_groups(ridge=0.0, time=times)
    dots = isotropic_groups(ridge=0.0, time=np.geomspace(1e-2, 1e4, plan.choose(13, 20)))
    (ridge,) = _curves(isotropic_groups(ridge=1.0 / times), ratios)
    return record(
        {
            "": [*_curves(flow, ratios), _points(dots, ratios, plan, plan.choose(10, 50))],
            "ridge": [ridge.assign_coords(ridge=times).rename(ridge="time")],
            "best": [_best(isotropic_groups(ridge=0.0, time=1.0), ratios, "time")],
        },
        {"setting": flow},
        plan,
        chosen=[*CHOSEN, "ridge = 0 for gradient flow", "approximation: ridge = 1 / time"],
    )


def draw_over_ridge(data: xr.Dataset) -> Figure:
    """ODD, EDD, ADD and worst-group risk over the ridge; stars are where the worst group is best off."""
    return _draw(data, "ridge", r"ridge $\lambda$", "best ridge for the worst group")


def draw_over_time(data: xr.Dataset) -> Figure:
    """The same over the time; dashed is ridge with 1/t instead of stopping at t."""
    return _draw(data, "time", "training time $t$ (gradient flow)", "best time for the worst group")


Ratios = tuple[Sequence[float], Sequence[float]]


def _curves(setting: AtRatios, ratios: Ratios = RATIOS) -> list[xr.Dataset]:
    """Theory with a path inside; the axes of the path and of the groups get their names."""
    ((name, path),) = paths(setting).items()
    found = theory(setting, {"phi": ratios[0], "psi": ratios[1]})
    return [found.rename(index_0=name, index_1="group").assign_coords({name: path})]


def _points(setting: AtRatios, ratios: Ratios, plan: Plan, replicates: int) -> xr.Dataset:
    """Simulation, the path horizontal."""
    ((name, _),) = paths(setting).items()
    found = simulation(setting, {"phi": ratios[0], "psi": ratios[1]}, plan, replicates)
    return found.rename({"psi_simulated": "psi", name: f"{name}_simulated", "index_0": "group"})


def _best(setting: AtRatios, ratios: Ratios, field: str) -> xr.Dataset:
    """The best value of the field for the worst group, and all quantities there."""
    columns = {name: np.empty((len(ratios[0]), len(ratios[1]))) for name in (field, *NAMES)}
    for place in np.ndindex(*columns[field].shape):
        there = replace(setting, phi=ratios[0][place[0]], psi=ratios[1][place[1]]).resolved()
        columns[field][place], found = there.optimal_ridge() if field == "ridge" else there.optimal_time()
        for name in NAMES:
            columns[name][place] = found.quantities[name]
    coords = {"phi": list(ratios[0]), "psi": list(ratios[1])}
    return xr.Dataset({name: (("phi", "psi"), column) for name, column in columns.items()}, coords=coords)


def _draw(data: xr.Dataset, along: str, label: str, marked: str) -> Figure:
    figure, axes = panels(2, 2, width=3.9, height=2.6, sharex=True)
    cases = [(phi, psi) for phi in data.phi.values for psi in data.psi.values]
    colors = categories(len(cases))
    for panel, (name, text) in zip(axes.flat, NAMES.items(), strict=True):
        for index, (phi, psi) in enumerate(cases):
            here, color = data.sel(phi=phi, psi=psi), colors[index]
            if f"ridge_{name}" in here:
                panel.plot(here[along], here[f"ridge_{name}"], "--", color=color, linewidth=1.1, zorder=2)
            points = (here[f"{along}_simulated"], here[f"{name}_simulated"], here[f"{name}_standard_error"])
            line_and_points(panel, (here[along], here[name]), points, color=color, marker=MARKERS[index])
            panel.plot(here[f"best_{along}"], here[f"best_{name}"], color=color, zorder=5, **MARK)
        panel.set(xscale="log", yscale="log", ylabel=text, ylim=LIMITS[name])
        panel.yaxis.set_minor_formatter(NullFormatter())
    axes[1, 0].axhline(1.0, color="0.25", linewidth=0.8, zorder=1)
    for panel in axes[1]:
        panel.set_xlabel(label)
    figure.align_ylabels()
    extra = [(marked, Line2D([], [], color="0.6", **MARK))]
    if along == "time":
        extra.append((r"ridge $\lambda = 1/t$ (approximation)", Line2D([], [], color="0.35", linestyle="--")))
    labels = [rf"$\phi = {phi:g},\ \psi = {psi:g}$" for phi, psi in cases]
    legend(figure, labels, colors, extra=extra)
    return figure
