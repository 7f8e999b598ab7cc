"""The loop of deliberate practice on digits (compare Figures 1, 4, 5 and 9 of the paper)."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from freeridge.figures.record import Plan, record
from freeridge.figures.style import MARKERS, categories, panels, plain_ticks
from freeridge.theory.practice.classifier import Course
from freeridge.theory.practice.efficiency import saving
from freeridge.theory.practice.experiment import PracticeExperiment, guided_examples
from freeridge.theory.practice.sources import DigitsSource

_WORDS = {
    "static": "static",
    "unguided": "in rounds, unguided",
    "pruned": "generate, then prune",
    "practised": "deliberate practice",
}
# A generator that is trained in seconds, and fewer repetitions.
_SOURCE = DigitsSource(Course(1500, 128, 1e-3, warmup=0.05, cooldown=0.5, width=128, layers=2))
_QUICK: dict[str, Any] = {"source": _SOURCE, "sizes": (100, 400, 1600), "rounds": (1, 7), "seeds": 3}


def loop(plan: Plan) -> xr.Dataset:
    """Accuracy and cost of all strategies: seconds, or in size paper the minutes of the preset ``digits``."""
    setting = PracticeExperiment("digits", **plan.choose(_QUICK, {}))
    found = setting.run(key=plan.seed, progress=plan.size == "paper")
    return record({"": [found.drop_attrs()]}, {"setting": setting}, plan)


def draw_loop(data: xr.Dataset) -> Figure:
    """Accuracy against examples, and against the work of generator and learner together."""
    figure, axes = panels(1, 2, width=3.9, height=3.4, sharey=True)
    _curves(axes[0, 0], data, "samples")
    _curves(axes[0, 1], data, "work", 1e9)
    axes[0, 0].set(xlabel="examples trained on", ylabel="test accuracy, real digits")
    axes[0, 1].set(xlabel="billion multiplications, generator and learner")
    found = saving(data)
    axes[0, 0].set_title(
        f"practice: {found.overall:.2g} times fewer\n({found.overall_low:.2g} to {found.overall_high:.2g})",
        loc="right",
    )
    handles, labels = axes[0, 0].get_legend_handles_labels()
    title = "mean \N{PLUS-MINUS SIGN} s.e. over the seeds"
    figure.legend(handles, labels, loc="outside lower center", ncols=4, title=title)
    return figure


def guided_digits(plan: Plan) -> xr.Dataset:
    """Digits from the same noise, with guidance of several strengths."""
    setting = PracticeExperiment("digits", **plan.choose(_QUICK, {}))
    found = guided_examples(setting, (0.0, 1.0, 4.0, 16.0), each=2, key=plan.seed)
    return record({"": [found]}, {"setting": setting}, plan)


def draw_guided_digits(data: xr.Dataset) -> Figure:
    """One row for each strength, the entropy above each digit; red where the learner names another class."""
    count = data.sizes["example"]
    figure = Figure(figsize=(0.55 * count, 0.75 * data.sizes["strength"] + 0.1), layout="constrained")
    axes = np.asarray(figure.subplots(data.sizes["strength"], count, squeeze=False))
    for (row, place), panel in np.ndenumerate(axes):
        here = data.isel(strength=row, example=place)
        panel.imshow(here["examples"].values.reshape(8, 8), cmap="gray_r", vmin=-1, vmax=1)
        color = "0.25" if bool(here["agrees"]) else categories(2)[1]
        panel.set_title(f"{float(here['entropy']):.2f}", fontsize=7.5, color=color, pad=2)
        panel.set(xticks=[], yticks=[])
        panel.spines[:].set(visible=True, color="0.75")
    for row, strength in enumerate(data["strength"].values):
        axes[row, 0].set_ylabel(rf"$\omega$ = {strength:g}", rotation=0, ha="right", va="center")
    return figure


def _curves(panel: Axes, data: xr.Dataset, cost: str, unit: float = 1.0) -> None:
    """Mean and standard error over the seeds."""
    for name, color, marker in zip(_WORDS, categories(4), MARKERS, strict=False):
        here = data.isel(run=data["strategy"].values == name)
        scores, spent = here["test_accuracy"], here[cost].mean("seed") / unit
        error = scores.std("seed", ddof=1) / scores.sizes["seed"] ** 0.5
        panel.errorbar(
            spent, scores.mean("seed"), error, fmt=f"{marker}-", color=color, capsize=2, elinewidth=1.0,
            markersize=4.5, markeredgecolor="white", markeredgewidth=0.5, label=_WORDS[name],
        )  # fmt: skip
    panel.set_xscale("log")
    plain_ticks(panel.xaxis)
