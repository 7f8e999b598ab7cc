"""The interpretable experiment ("The Pitfalls of Memorization", Figure 1)."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from freeridge.figures.record import Plan, record
from freeridge.figures.style import MARKERS, categories
from freeridge.theory.memorization.experiments.interpretable import InterpretableExperiment

TITLES = {
    "ERM, no noise": r"ERM, $\sigma_\epsilon = 0$",
    "ERM": r"ERM, $\sigma_\epsilon = 0.5$",
    "MAT": r"MAT, $\sigma_\epsilon = 0.5$",
}
LINES: dict[str, Any] = {"majority": "-", "minority": "--"}
WIDTHS = (1.0, 2.0)  # the curves on training rows lie on those on test rows, where both are at 1


def interpretable(plan: Plan) -> xr.Dataset:
    """Data of Figure 1: the three runs with each of some seeds, of which the first is drawn."""
    setting = InterpretableExperiment()
    found = setting.run(plan.seed, plan.choose(4, 20), plan.report)
    return record({"": [found.drop_attrs()]}, {"setting": setting}, plan, precision="float32")


def draw_interpretable(data: xr.Dataset) -> Figure:
    """A column for each run: accuracy over the epochs, and below what the network decides without noise."""
    runs = [str(run) for run in data["run"].values]
    figure = Figure(figsize=(3.2 * len(runs), 5.4), layout="constrained")
    axes = np.asarray(figure.subplots(2, len(runs), squeeze=False, sharey="row"))
    figure.get_layout_engine().set(wspace=0.06)  # type: ignore[union-attr, call-arg]
    for column, run in enumerate(runs):
        _curves(axes[0, column], data, run)
        _decisions(axes[1, column], data, run)
    axes[0, 0].set_ylabel("accuracy")
    axes[1, 0].set_ylabel("spurious feature $x_a$")
    handles = [
        *(
            Line2D([], [], color=color, linestyle=line, linewidth=width)
            for color, width in zip(_colors(), WIDTHS, strict=True)
            for line in LINES.values()
        ),
        *(
            Line2D([], [], color=color, marker=MARKERS[label], linestyle="none", markersize=5)
            for label, color in enumerate(categories(2))
        ),
    ]
    names = [f"{split}, {group}" for split in ("train", "test") for group in LINES]
    names += ["$y = 0$", "$y = 1$"]
    figure.legend(handles, names, loc="outside lower center", ncols=len(names), columnspacing=1.2)
    return figure


def _curves(panel: Axes, data: xr.Dataset, run: str) -> None:
    here = data["accuracy"].sel(run=run)
    for split, color, width in reversed(list(zip(("train", "test"), _colors(), WIDTHS, strict=True))):
        for group, line in LINES.items():
            shown = here.isel(seed=0).sel(split=split, group=group)
            panel.plot(data["epoch"], shown, line, color=color, linewidth=width)
    last = here.isel(epoch=-1).sel(split="test", group="minority")
    mean, error = float(last.mean()), float(last.std(ddof=1)) / data.sizes["seed"] ** 0.5
    panel.set_title(f"{TITLES[run]}\nminority, test: {mean:.3f} ± {error:.3f}")
    panel.set(xlabel="epoch", ylim=(-0.03, 1.03), xlim=(0, float(data["epoch"][-1])))


def _decisions(panel: Axes, data: xr.Dataset, run: str) -> None:
    core, spurious = data["core"].values, data["spurious"].values
    blue, orange = categories(2)
    panel.pcolormesh(
        core, spurious, data["decision"].sel(run=run).values.T, vmin=0.0, vmax=1.0, alpha=0.35,
        cmap=LinearSegmentedColormap.from_list("classes", [blue, "white", orange]), shading="nearest",
        rasterized=True,
    )  # fmt: skip
    panel.grid(False)
    for label, color in enumerate((blue, orange)):
        points = data["features"].values[data["label"].values == label]
        panel.plot(*points.T, MARKERS[label], color=color, markersize=3.0, markeredgecolor="white",
                   markeredgewidth=0.3)  # fmt: skip
    panel.set(xlabel="core feature $x_y$", xlim=(-2, 2), ylim=(-10, 10))


def _colors() -> tuple[str, str]:
    """Of the curves on training and on test rows: black and the red of the palette."""
    return "black", categories(2)[1]
