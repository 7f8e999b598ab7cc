"""Self-influence by group, before and after memorisation-aware training (compare Figure 2 of the paper)."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from freeridge.figures.record import Plan, record
from freeridge.figures.style import categories, panels
from freeridge.theory.memorization.experiments.influence import InfluenceExperiment

# Each with the range of its axis, in powers of ten.
MEASURES = {
    "predicted": ("to first order", (-5.0, 0.0)),
    "exact": ("exact", (-5.0, 1.0)),
    "plain": ("exact, unshifted loss", (-5.0, 1.0)),
}
GROUPS = ("majority", "minority")
BINS_PER_DECADE = 8


def influence(plan: Plan) -> xr.Dataset:
    """Really trained models: self-influence of every row of some draws."""
    setting = InfluenceExperiment()
    found = setting.run(plan.seed, plan.choose(6, 20))
    return record({"": [found.drop_attrs()]}, {"setting": setting}, plan, chosen=["penalty = 0.01"])


def draw_influence(data: xr.Dataset) -> Figure:
    """ERM above, MAT below; per column one way to measure, per panel a histogram for each group."""
    trainings = [str(training) for training in data["training"].values]
    figure, axes = panels(len(trainings), len(MEASURES), width=3.1, height=2.4, sharex="col", sharey="col")
    for row, training in zip(axes, trainings, strict=True):
        for panel, (measure, (words, decades)) in zip(row, MEASURES.items(), strict=True):
            _histograms(panel, data.sel(training=training), measure, decades)
            panel.set_title(f"{training}, {words}", fontsize=8.5)
        row[0].set_ylabel("density per decade")
    for panel in axes[-1]:
        panel.set_xlabel("self-influence")
    handles = [Patch(color=color, alpha=0.5) for color in categories(2)]
    figure.legend(handles, GROUPS, loc="outside lower center", ncols=2)
    return figure


def _histograms(panel: Axes, data: xr.Dataset, measure: str, decades: tuple[float, float]) -> None:
    edges = np.linspace(*decades, round((decades[1] - decades[0]) * BINS_PER_DECADE) + 1)
    majority = data["is_majority"].values
    for members, color in zip((majority, ~majority), categories(2), strict=True):
        # What lies beyond the axis is counted at its end.
        logs = np.clip(np.log10(data[measure].values[members]), *decades)
        heights = np.histogram(logs, edges)[0] * BINS_PER_DECADE / len(logs)
        panel.stairs(heights, 10.0**edges, fill=True, color=color, alpha=0.5)
        panel.stairs(heights, 10.0**edges, color=color, linewidth=0.8)
    panel.set(xscale="log", xlim=tuple(10.0**d for d in decades))
    panel.set_ylim(bottom=0)
