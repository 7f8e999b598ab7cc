"""Worst-group accuracy on coloured digits with noise to memorise (compare Table 1 of the paper)."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from freeridge.figures.record import Plan, record
from freeridge.figures.style import CATEGORIES, panels
from freeridge.theory.memorization.subpopulations.comparison import QUANTITIES
from freeridge.theory.memorization.subpopulations.experiment import SubpopulationBenchmark

_WORDS = {
    "erm": "ERM",
    "mat": "memorisation-\naware",
    "group-dro": "group DRO",
    "weighted": "balanced\nweights",
    "subsampled": "balanced\nsubset",
}
_COLORS = {"digits": "colours far apart", "digits-faint": "colours much alike"}
_SELECTED = {"true": "true groups", "inferred": "inferred groups"}
_MARKERS = dict(zip(QUANTITIES, ("o", "D"), strict=True))
_APART = 0.2  # of the two selections, in places of algorithms


def subpopulations(plan: Plan) -> xr.Dataset:
    """Test accuracies of all algorithms over the seeds: fewer seeds and hyperparameters, or the presets."""
    few: dict[str, Any] = {"seeds": 3, "draws": 4}
    settings = {name: SubpopulationBenchmark(name, **plan.choose(few, {})) for name in _COLORS}
    parts: dict[str, list[xr.Dataset]] = {}
    for done, (name, setting) in enumerate(settings.items()):
        plan.report(done, len(settings))
        parts[_prefix(name)] = [setting.run(key=plan.seed)[list(QUANTITIES)].drop_attrs()]
    return record(parts, settings, plan)


def draw_subpopulations(data: xr.Dataset) -> Figure:
    """Mean and standard error over the seeds: of the worst group, and of all rows above it."""
    figure, axes = panels(1, 2, width=3.9, height=3.3, sharey=True)
    for panel, (name, words) in zip(axes[0], _COLORS.items(), strict=True):
        for quantity in QUANTITIES:
            _points(panel, data[f"{_prefix(name)}_{quantity}"], _MARKERS[quantity])
        names = data["algorithm"].values.tolist()
        panel.set_xticks(range(len(names)), [_WORDS[one] for one in names], fontsize=7)
        panel.set_title(words)
        panel.set(xlim=(-0.5, len(names) - 0.5), ylim=(0, 1))
        panel.grid(False, axis="x")
    axes[0, 0].set_ylabel("test accuracy")
    shapes = (("worst group", "o", "0.35"), ("all rows", "D", "white"))
    handles = [
        *(Line2D([], [], marker=m, color="0.35", mfc=c, ls="none", label=t) for t, m, c in shapes),
        *(
            Line2D([], [], marker="s", color=color, ls="none", label=f"selected with {words}")
            for color, words in zip(CATEGORIES, _SELECTED.values(), strict=False)
        ),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=4, handletextpad=0.2)
    return figure


def _prefix(name: str) -> str:
    """Of the quantities of a preset."""
    return name.replace("-", "_")


def _points(panel: Axes, scores: xr.DataArray, marker: str) -> None:
    """The two selections side by side."""
    count = scores.sizes["seed"]
    error = scores.std("seed", ddof=1) / count**0.5 if count > 1 else scores.mean("seed") * np.nan
    for number, (selection, color) in enumerate(zip(_SELECTED, CATEGORIES, strict=False)):
        here = {"selection": selection}
        panel.errorbar(
            np.arange(scores.sizes["algorithm"]) + (number - 0.5) * _APART,
            scores.sel(here).mean("seed"),
            error.sel(here),
            fmt=marker,
            color=color,
            markerfacecolor=color if marker == "o" else "white",
            markersize=4.5,
            elinewidth=1.0,
            capsize=2.0,
        )
