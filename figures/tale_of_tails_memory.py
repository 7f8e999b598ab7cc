"""The triplet law of associative memories in *A Tale of Tails* (arXiv 2402.07043), Figure 21."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from freeridge.figures.record import Plan, record, simulation, theory
from freeridge.figures.style import MARKERS, legend, line_and_points, panels, shades
from freeridge.theory.tails.memory.associative_memory import AssociativeMemory

DIMENSIONS = (10.0, 100.0, 1000.0, 10_000.0)
CUTS = (10.0, 20.0, 50.0, 100.0, 1000.0)
ABOVE, BELOW = (10.0, 100.0, 1000.0), (10.0, 20.0, 50.0, 100.0)  # the cuts of the two rows of panels
BETA, ITEMS, CLASSES = 1.5, 1000, 10  # not stated in the paper


def memory() -> AssociativeMemory:
    """Counting weights; the largest cut keeps all items."""
    return AssociativeMemory(BETA, T=100.0, d=100.0, k=10.0, items=ITEMS, classes=CLASSES)


def triplet(plan: Plan) -> xr.Dataset:
    """Data of both rows of panels: risk over samples for every dimension and cut."""
    setting = memory()
    grid = {"d": DIMENSIONS, "k": CUTS}
    points = np.geomspace(10.0, 1e4, plan.choose(4, 7)).round()
    found = [
        theory(setting, grid | {"T": np.geomspace(10.0, 1e4, plan.choose(13, 31))}),
        simulation(setting, grid | {"T": points}, plan, plan.choose(4, 10)),
    ]
    return record(
        {"": found},
        {"setting": setting},
        plan,
        chosen=[f"beta = {BETA}", f"N = {ITEMS} items", f"m = {CLASSES} classes", "counting weights"],
    )


def draw_triplet(data: xr.Dataset) -> Figure:
    """Risk over samples: above for some cuts at every dimension, below the other way round."""
    figure, axes = panels(2, 4, width=2.6, height=2.5, sharex=True, sharey=True)
    colors = shades(4)
    for panel, d in zip(axes[0], DIMENSIONS, strict=True):
        _curves(panel, data.sel(d=d), "k", ABOVE, colors)
        panel.set_title(f"$d = {d:g}$")
    for panel, k in zip(axes[1], BELOW, strict=True):
        _curves(panel, data.sel(k=k), "d", DIMENSIONS, colors)
        panel.set(title=f"$k = {k:g}$", xlabel="training samples $T$")
    for row in axes:
        row[0].set_ylabel("risk $E$")
    axes[0, 0].set(xscale="log", yscale="log", ylim=(0.03, 1.0))
    for panel in axes[:, 0]:
        panel.legend(fontsize=7.0, loc="lower left", handlelength=1.6)
    dashed = ("items never seen", Line2D([], [], color="0.35", linestyle="--", linewidth=1.0))
    legend(figure, [], [], extra=[dashed])
    return figure


def _curves(panel: Axes, data: xr.Dataset, name: str, values: Sequence[float], colors: Sequence[Any]) -> None:
    for value, color, marker in zip(values, colors, MARKERS, strict=False):
        here = data.sel({name: value})
        points = (here.T_simulated, here.risk_simulated, here.risk_standard_error)
        line_and_points(panel, (here["T"], here.risk), points, color=color, marker=marker)
        panel.plot([], [], marker=marker, color=color, markersize=4.2, label=f"${name} = {value:g}$")
        # What is never seen does not depend on the dimension: one line in grey.
        shade = color if name == "k" else "0.35"
        panel.plot(here["T"], here.memory_free_risk, "--", color=shade, linewidth=1.0, zorder=1)
