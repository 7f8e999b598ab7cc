"""Scaling curves of pruned data (arXiv 2502.15588, Figures 3 and 7; arXiv 2511.03492, the 2 x 2 grid): theory
as lines, simulated classifiers as points.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from freeridge.figures.record import Plan, record, simulation, theory
from freeridge.figures.style import MARKERS, categories, legend, line_and_points, panels, shades
from freeridge.theory.pruning.pruned_classifier import PrunedClassifier
from freeridge.theory.pruning.rules import KeepEasy, KeepHard, KeepRandom
from freeridge.theory.pruning.scaling import curation_curve

Grid = Mapping[str, Sequence[float] | np.ndarray]
FRACTIONS = (1.0, 0.5, 0.2, 0.1, 0.05)
THRESHOLD: dict[str, Any] = {"color": "0.45", "linewidth": 0.9, "linestyle": ":"}
ALL = 1.0 - 1e-12  # everything, for a rule whose threshold is then as good as infinite


def scaling(plan: Plan) -> xr.Dataset:
    """Data of Figure 3: the error against the rows generated, for several shares of hard ones."""
    setting = PrunedClassifier(1.0, 1e-2, keep=KeepHard(ALL), d=512)
    rows = np.geomspace(256.0, 1e6, 121)
    points = 2.0 ** np.arange(9, plan.choose(15, 18))
    parts = []
    for fraction in FRACTIONS:
        there = PrunedClassifier(1.0, 1e-2, keep=KeepHard(min(fraction, ALL)), d=512)
        parts.append(curation_curve(there, rows)[["error", "kept", "exponent", "code"]])
    lines = xr.concat(parts, "fraction").assign_coords(fraction=list(FRACTIONS))
    axes: Grid = {"keep.fraction": [min(fraction, ALL) for fraction in FRACTIONS], "phi": 512.0 / points}
    measured = simulation(setting, axes, plan, plan.choose(6, 20)).rename({"keep.fraction": "fraction"})
    measured = measured.assign_coords(fraction=list(FRACTIONS), n_simulated=("phi_simulated", points))
    measured = measured.swap_dims(phi_simulated="n_simulated").drop_vars("phi_simulated")
    chosen = ["rows and shares: not in the text", "ridge = 1e-2", "rho = rho_star = 1"]
    return record({"": [lines, measured]}, {"setting": setting}, plan, chosen=chosen)


def draw_scaling(data: xr.Dataset) -> Figure:
    """Accuracy against rows, error against rows generated and kept, and the local exponent."""
    figure, axes = panels(1, 3, width=3.5, height=3.2)
    share = data.share_simulated
    for color, marker, fraction in zip(shades(len(FRACTIONS)), MARKERS, FRACTIONS, strict=False):
        here = data.sel(fraction=fraction)
        mean, error = here.error_simulated, here.error_standard_error
        line_and_points(
            axes[0, 0],
            (data.n, 1 - here.error),
            (data.n_simulated, 1 - mean, error),
            color=color,
            marker=marker,
        )
        kept = data.n_simulated * share.sel(fraction=fraction)
        line_and_points(axes[0, 1], (here.kept, here.error), (kept, mean, error), color=color, marker=marker)
        line_and_points(axes[0, 2], (data.n, here.exponent), None, color=color)
    axes[0, 0].set(xscale="log", xlabel="rows generated $n$", ylabel="test accuracy")
    axes[0, 1].set(xscale="log", yscale="log", xlabel="rows kept $pn$", ylabel="test error $E$")
    axes[0, 1].set_xlim(left=12)
    axes[0, 2].set(xscale="log", xlabel="rows generated $n$", ylabel=r"$-d \log E / d \log n$")
    axes[0, 2].axhline(0.5, **THRESHOLD)
    labels = ["all" if fraction == 1.0 else f"hardest {fraction:.0%}" for fraction in FRACTIONS]
    legend(figure, labels, shades(len(FRACTIONS)))
    return figure


ROWS = (500.0, 1000.0, 2000.0, 5000.0, 20000.0)
RIDGES = (1e-6, 1e-2)


def over_share(plan: Plan) -> xr.Dataset:
    """Data of Figure 7: the error against the share kept, for several numbers of rows and two ridges."""
    setting = PrunedClassifier(1.0, 1e-2, keep=KeepHard(0.5), d=350)
    phis = 350.0 / np.array(ROWS)
    ends = np.geomspace(0.005, 0.4, 80), 1.0 - np.geomspace(1e-3, 1e-2, 4)
    shares = np.unique(np.concatenate([np.linspace(0.01, 0.99, 99), phis, *ends]))
    points = np.linspace(0.1, 0.9, plan.choose(5, 17))
    both: Grid = {"ridge": list(RIDGES), "phi": phis}
    lines = theory(setting, {**both, "keep.fraction": shares})[["error", "residual", "code"]]
    measured = simulation(setting, {**both, "keep.fraction": points}, plan, plan.choose(8, 20))
    names = {"keep.fraction": "fraction", "keep.fraction_simulated": "fraction_simulated"}
    parts = [part.rename({k: v for k, v in names.items() if k in part.dims}) for part in (lines, measured)]
    parts = [part.assign_coords(n=("phi", list(ROWS))) for part in parts]
    chosen = ["n: in the image of the paper alone", "rho = rho_star = 1"]
    return record({"": parts}, {"setting": setting}, plan, chosen=chosen)


def draw_over_share(data: xr.Dataset) -> Figure:
    """One panel per ridge, one curve per number of rows, and a vertical line where it interpolates."""
    figure, axes = panels(1, len(RIDGES), width=4.1, height=3.4, sharex=True, sharey=True)
    colors = shades(len(ROWS))
    for panel, ridge in zip(axes.flat, RIDGES, strict=True):
        for k, color in enumerate(colors):
            here = data.sel(ridge=ridge).isel(phi=k)
            points = (data.fraction_simulated, here.error_simulated, here.error_standard_error)
            line_and_points(panel, (data.fraction, here.error), points, color=color, marker=MARKERS[k])
            panel.axvline(float(here.phi), **THRESHOLD | {"color": color})
        panel.set(
            xlabel="share of hard rows kept $p$",
            title=rf"$\lambda = 10^{{{np.log10(ridge):.0f}}}$",
            yscale="log",
            xlim=(0, 1),
        )
    axes[0, 0].set_ylabel("test error $E$")
    extra = [(r"$p = \phi$", Line2D([], [], **THRESHOLD))]
    legend(figure, [f"$n = {n:g}$" for n in ROWS], colors, extra=extra)
    return figure


RULES = {"hard": KeepHard, "random": KeepRandom, "easy": KeepEasy}
QUALITIES = (1.0, 0.9)
AMOUNTS = {100: "few", 5000: "many"}


def more_or_less(plan: Plan) -> xr.Dataset:
    """Data of the companion's grid: few and many rows, a generator that is right and one that errs."""
    shares = np.concatenate([np.geomspace(0.04, 1.0, 65)[:-1], [ALL]])
    points = np.array(
        [0.1, 0.2, 0.4, 0.6, 0.8, 0.95] if plan.size == "quick" else np.linspace(0.05, 0.95, 19)
    )
    grid: Grid = {"rho": list(QUALITIES), "phi": 200.0 / np.array(list(AMOUNTS))}
    parts, settings = [], {}
    for name, rule in RULES.items():
        settings[name] = PrunedClassifier(1.0, 1e-2, keep=rule(0.5), d=200)
        line = theory(settings[name], {**grid, "keep.fraction": shares})[["error", "code"]]
        measured = simulation(settings[name], {**grid, "keep.fraction": points}, plan, plan.choose(10, 40))
        parts.append(xr.merge([line, measured]))
    data = xr.concat(parts, "rule").assign_coords(rule=list(RULES))
    data = data.rename({"keep.fraction": "fraction", "keep.fraction_simulated": "fraction_simulated"})
    data = data.assign_coords(n=("phi", list(AMOUNTS)))
    chosen = ["d = 200", "rho = 0.9 where it errs", "rho_star = 1", "ridge = 1e-2"]
    return record({"": [data]}, settings, plan, chosen=chosen)


def draw_more_or_less(data: xr.Dataset) -> Figure:
    """Few rows above, many below; a perfect generator on the left."""
    figure, axes = panels(2, 2, width=3.6, height=2.7, sharex=True)
    colors = categories(len(RULES))
    for i, n in enumerate(AMOUNTS):
        for j, rho in enumerate(QUALITIES):
            panel: Axes = axes[i, j]
            for color, marker, rule in zip(colors, MARKERS, RULES, strict=False):
                here = data.sel(rule=rule, rho=rho).isel(phi=i)
                points = (data.fraction_simulated, here.error_simulated, here.error_standard_error)
                line_and_points(panel, (data.fraction, here.error), points, color=color, marker=marker)
            panel.set_title(rf"$n = {n}$, $\rho = {rho:g}$")
            panel.set_ylabel("test error $E$" if j == 0 else "")
            panel.set_xlabel("share of rows kept $p$" if i == 1 else "")
    legend(figure, [f"keep {name}" for name in RULES], colors)
    return figure
