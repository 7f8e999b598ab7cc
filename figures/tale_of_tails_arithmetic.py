"""Divisors learned from true labels, AI data and mixtures of both (arXiv 2402.07043, Figures 2, 4, 30)."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from freeridge.figures.record import Plan, record
from freeridge.figures.style import categories, panels
from freeridge.theory.arithmetic.experiment import GCDExperiment
from freeridge.theory.arithmetic.record import first_learned
from freeridge.theory.arithmetic.skills import factors

UNIT, SEEN = 1e3, "examples seen (thousands)"
_FROZEN: dict[str, Any] = {"color": "0.25", "linewidth": 0.8, "linestyle": "--"}


def arithmetic(plan: Plan) -> xr.Dataset:
    """The experiment from its beginning to its end: seconds, or in size paper minutes, of training."""
    setting = GCDExperiment(plan.choose("quick", "small"))
    with tempfile.TemporaryDirectory() as folder:
        found = setting.run(Path(folder) / "gcd", plan.seed, progress=plan.size == "paper")
    facts = {"teacher_examples": setting.generator}
    return record({"": [found.drop_attrs()]}, {"setting": setting}, plan, **facts)


def draw_arithmetic(data: xr.Dataset) -> Figure:
    """Divisors learned, the first skill that the teacher lacks, and what the teacher answers."""
    figure, axes = panels(1, 3, width=3.3, height=3.4)
    _staircases(axes[0, 0], data)
    _late_skill(axes[0, 1], data)
    _histogram(axes[0, 2], data)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    more = axes[0, 2].get_legend_handles_labels()
    figure.legend(handles + more[0], labels + more[1], loc="outside lower center", ncols=4)
    return figure


def late_skill(data: xr.Dataset) -> int:
    """The prime power that the clean run learns first after the teacher is frozen, or else the last one."""
    powers = {k: t for k, t in first_learned(data, "clean").items() if len(factors(k)) == 1}
    late = [k for k, t in powers.items() if t > data.attrs["teacher_examples"]]
    return late[0] if late else [1, *powers][-1]


def _staircases(panel: Axes, data: xr.Dataset) -> None:
    """Number of divisors learned; on the clean curve the prime powers as they come."""
    for name, x, look in _curves(data):
        label = f"{float(data['share'].sel(run=name)):.0%} true labels"
        label = {"clean": "clean", "AI": "AI data", "unlearning": "clean, then AI data"}.get(name, label)
        y = data["learned"].sel(run=name)[: len(x)]
        panel.plot(x, y, drawstyle="steps-post", label=label, **look)
    arrivals: dict[int, list[int]] = {}
    for divisor, examples in first_learned(data, "clean").items():
        if len(factors(divisor)) == 1:
            arrivals.setdefault(examples, []).append(divisor)
    for examples, powers in arrivals.items():
        height = float(data["learned"].sel(run="clean", examples=examples))
        panel.annotate(
            ", ".join(map(str, powers)), (examples / UNIT, height), (-2, 3),
            textcoords="offset points", ha="right", fontsize=7.5,
        )  # fmt: skip
    panel.axvline(data.attrs["teacher_examples"] / UNIT, **_FROZEN, label="teacher frozen")
    panel.set(xlabel=SEEN, ylabel="divisors learned")
    panel.yaxis.set_major_locator(MaxNLocator(integer=True))
    panel.set_ylim(bottom=0)
    panel.set_xlim(left=-0.1 * panel.get_xlim()[1])  # room for the first of them


def _late_skill(panel: Axes, data: xr.Dataset) -> None:
    """Accuracy on pairs with that divisor."""
    skill = late_skill(data)
    for name, x, look in _curves(data):
        panel.plot(x, data["accuracy"].sel(run=name, divisor=skill)[: len(x)], **look)
    panel.axvline(data.attrs["teacher_examples"] / UNIT, **_FROZEN)
    panel.set(xlabel=SEEN, ylabel=f"accuracy where the divisor is {skill}")
    panel.set_ylim(-0.03, 1.03)


def _curves(data: xr.Dataset) -> list[tuple[str, np.ndarray, dict[str, Any]]]:
    """Name, examples and look of each run; unlearning begins where clean ends.

    Runs that learn the same lie on one another: later ones are thinner.
    """
    names = data["run"].values.tolist()
    colors = [*categories(len(names) - 1), categories(1)[0]]
    curves = []
    for name, color, width in zip(names, colors, np.linspace(4.4, 1.2, len(names)), strict=True):
        count = int(data["loss"].sel(run=name).notnull().sum())
        x = data["examples"].values[:count] / UNIT
        if name == "unlearning":
            x = x + data["examples"].values[-1] / UNIT
        line = ":" if name == "unlearning" else "-"
        curves.append((name, x, {"color": color, "linestyle": line, "linewidth": width}))
    return curves


def _histogram(panel: Axes, data: xr.Dataset) -> None:
    """The law of the divisor, and how often the teacher gives each answer."""
    named = data.sel(label=slice(1, None))
    panel.plot(named["label"], named["law"], color="0.35", label="law of the divisor")
    told = named["generator_histogram"].where(named["generator_histogram"] > 0)
    color = categories(2)[1]
    panel.plot(named["label"], told, "o", color=color, markersize=4.5, label="answers of the teacher")
    panel.set(xscale="log", yscale="log", xlabel="divisor $k$", ylabel="share of uniform pairs")
