"""Self-influence by group, before and after memorisation-aware training (compare Figure 2 of the paper)."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from freeridge.figures.record import Plan, record
from freeridge.figures.style import categories, panels
from freeridge.theory.memorization.experiments.influence import InfluenceExperiment
from freeridge.theory.memorization.row_laws import row_laws

# Each with the range of its axis, in powers of ten.
MEASURES = {
    "predicted": ("to first order", (-5.0, 0.0)),
    "exact": ("exact", (-5.0, 1.0)),
    "plain": ("exact, unshifted loss", (-5.0, 1.0)),
}
GROUPS = ("majority", "minority")
BINS_PER_DECADE = 12


def influence(plan: Plan) -> xr.Dataset:
    """Self-influence of every row of some draws, and its laws in the limit."""
    setting = InfluenceExperiment()
    found = setting.run(plan.seed, plan.choose(6, 20))
    limits = setting.settings()
    curves = {name: row_laws(limit) for name, limit in limits.items()}
    dims = ("training", "group", "point")
    lines = xr.Dataset(
        {
            f"{measure}_{part}": (dims, [getattr(getattr(law, measure), part) for law in curves.values()])
            for measure in MEASURES
            for part in ("values", "density")
        },
        coords={"training": list(curves), "group": list(GROUPS)},
    )
    settings = {"setting": setting, **limits}
    return record({"": [found.drop_attrs(), lines]}, settings, plan, chosen=["penalty = 0.01"])


def draw_influence(data: xr.Dataset) -> Figure:
    """ERM above, MAT below; per column one way to measure, per panel histogram and law of each group."""
    trainings = [str(training) for training in data["training"].values]
    figure, axes = panels(len(trainings), len(MEASURES), width=3.1, height=2.4, sharex="col", sharey="col")
    for row, training in zip(axes, trainings, strict=True):
        for panel, (measure, (words, decades)) in zip(row, MEASURES.items(), strict=True):
            _histograms(panel, data.sel(training=training), measure, decades)
            panel.set_title(f"{training}, {words}", fontsize=8.5)
        row[0].set_ylabel("density per decade")
    for panel in axes[-1]:
        panel.set_xlabel("self-influence")
        panel.set_ylim(bottom=0)
    bars = [Patch(color=color, alpha=0.5) for color in categories(2)]
    handles = [*bars, Line2D([], [], color="0.35")]
    names = [*(f"{group}, training rows" for group in GROUPS), "theory"]
    figure.legend(handles, names, loc="outside lower center", ncols=len(names))
    return figure


def _histograms(panel: Axes, data: xr.Dataset, measure: str, decades: tuple[float, float]) -> None:
    edges = np.linspace(*decades, round((decades[1] - decades[0]) * BINS_PER_DECADE) + 1)
    majority = data["is_majority"].values
    for group, members, color in zip(GROUPS, (majority, ~majority), categories(2), strict=True):
        # What lies beyond the axis is counted at its end.
        logs = np.clip(np.log10(data[measure].values[members]), *decades)
        heights = np.histogram(logs, edges)[0] * BINS_PER_DECADE / len(logs)
        panel.stairs(heights, 10.0**edges, fill=True, color=color, alpha=0.5)
        law = data.sel(group=group)
        values = law[f"{measure}_values"].values
        panel.plot(values, law[f"{measure}_density"].values * values * np.log(10.0), color=color)
    panel.set(xscale="log", xlim=tuple(10.0**d for d in decades))
