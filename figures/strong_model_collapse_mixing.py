"""Figures 9 and 10 of Strong Model Collapse (arXiv 2410.04840): weighted training, and rounds of training."""

from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from freeridge.figures.record import Plan, record, simulation, theory
from freeridge.figures.strong_model_collapse import RISK, RUNS
from freeridge.figures.style import MARKERS, categories, legend, line_and_points, panels
from freeridge.theory.collapse import ModelCollapse
from freeridge.theory.covariance import Isotropic
from freeridge.theory.generations import IterativeMixing

# panel -> real rows, dimension, numbers of synthetic rows
WEIGHTED = {"a": (1000, 500, (1000, 2000, 4000)), "b": (10_000, 100, (200, 1000, 10_000))}


def weighted(plan: Plan) -> xr.Dataset:
    """Data of Figure 9: risk over the weight of the synthetic data, and the best weight."""
    # Denser at the ends, where few effective rows bend the curves.
    alphas = 0.5 - 0.5 * np.cos(np.linspace(0.0, np.pi, 121))
    points = np.linspace(0.0, 1.0, plan.choose(9, 26))
    parts: dict[str, list[xr.Dataset]] = {}
    settings: dict[str, ModelCollapse] = {}
    for stream, (letter, (real, dimension, amounts)) in enumerate(WEIGHTED.items()):
        own = [
            ModelCollapse(
                Isotropic(dimension),
                real + amount,
                real_share=real / (real + amount),
                quality=0.25,
                noise_variance=0.25,
                ridge=1e-8,
                synthetic_noise_variance=0.01,
                mixing=0.5,
            )
            for amount in amounts
        ]
        settings |= {f"{letter}, n_2 = {amount}": one for amount, one in zip(amounts, own, strict=True)}
        rows = xr.Variable(f"synthetic_rows_{letter}", np.array(amounts))
        # The number of rows and the share go together: of their product the diagonal.
        sizes = {"n": [float(one.n) for one in own], "real_share": [float(one.real_share) for one in own]}
        diagonal = xr.DataArray(np.arange(len(amounts)), dims=rows.dims)
        lines = theory(own[0], {**sizes, "mixing": alphas}).isel(n=diagonal, real_share=diagonal)
        lines = lines.drop_vars(["n", "real_share"]).assign_coords({rows.dims[0]: rows})
        dots = [simulation(one, {"mixing": points}, plan, plan.choose(3, RUNS), stream) for one in own]
        best = [_best(one) for one in own]
        parts[letter] = [lines, xr.concat(dots, dim=rows), xr.concat(best, dim=rows)]
    inferred = [
        "covariance = identity",
        "quality = 0.25",
        "noise_variance = 0.25",
        "synthetic_noise_variance = 0.01",
        "ridge = 1e-8",
    ]
    return record(parts, settings, plan, inferred=inferred)


def draw_weighted(data: xr.Dataset) -> Figure:
    """Figure 9: one panel per problem; stars mark the best weights."""
    figure, axes = panels(1, 2, width=3.7, height=3.2)
    colors = categories(3)
    for panel, (letter, (real, dimension, amounts)) in zip(axes.flat, WEIGHTED.items(), strict=True):
        for index, amount in enumerate(amounts):
            here = data.isel({f"synthetic_rows_{letter}": index})
            curve, mean, error, best_mixing, best_risk = (
                here[f"{letter}_{name}"]
                for name in ("risk", "risk_simulated", "risk_standard_error", "best_mixing", "best_risk")
            )
            look = {"color": colors[index], "marker": MARKERS[index]}
            line_and_points(panel, (here.mixing, curve), (here.mixing_simulated, mean, error), **look)
            panel.plot(
                best_mixing, best_risk, "*", color=colors[index], markersize=11, markeredgecolor="black",
                markeredgewidth=0.6, zorder=4, clip_on=False,
            )  # fmt: skip
            panel.plot([], [], markersize=4.2, label=f"$n_2 = {amount}$", **look)
        panel.set(xlabel=r"weight of the synthetic data $\alpha$", xlim=(-0.02, 1.02))
        panel.set_title(f"$n_1 = {real},\\ d = {dimension}$")
        panel.set_ylim(bottom=0.0)
        panel.legend(loc="upper left" if letter == "b" else "lower right")
    axes[0, 0].set_ylabel(RISK)
    legend(figure, [r"best weight $\alpha^*$ (theory)"], ["0.4"], ["*"], lines=["none"])
    return figure


ITERATED_QUALITIES = (1.0, 0.1, 0.01)
ROUNDS = 5
# part -> what it is called, number of its colour, marker, line
KINDS = {
    "reused": (f"iterative, {ROUNDS} rounds, the same real rows", 0, "o", "-"),
    "fresh": (f"iterative, {ROUNDS} rounds, fresh real rows", 2, "D", "--"),
    "single": ("single round", 1, "s", "-"),
    "clean": (r"clean: the $p_1 n$ real rows alone", 6, "^", "-"),
}


def iterative(plan: Plan) -> xr.Dataset:
    """Data of Figure 10: risk over the rows after one and five rounds, and with the real rows alone."""
    reused = IterativeMixing(
        Isotropic(100),
        1000,
        real_share=0.5,
        quality=1.0,
        noise_variance=1.0,
        ridge=0.0,
        rounds=ROUNDS,
        reuse=True,
    )
    single = reused.first_round()
    settings: dict[str, Any] = {
        "reused": reused,
        "fresh": replace(reused, reuse=False),
        "single": single,
        "clean": replace(single, real_share=1.0, quality=0.0),
    }
    rows = np.geomspace(300.0, 1e4, 101)
    quick = [300.0, 600.0, 1000.0, 2000.0, 4000.0, 10_000.0]
    points = np.array(plan.choose(quick, sorted([*quick, 400.0, 500.0, 700.0, 1400.0, 3000.0, 7000.0])))
    parts: dict[str, list[xr.Dataset]] = {}
    for stream, (name, one) in enumerate(settings.items()):
        axes = {} if name == "clean" else {"quality": ITERATED_QUALITIES}
        share = 0.5 if name == "clean" else 1.0  # the real rows alone are half of all
        found = [
            theory(one, {**axes, "n": share * rows}).assign_coords(n=rows),
            simulation(one, {**axes, "n": share * points}, plan, RUNS, stream).assign_coords(
                n_simulated=points
            ),
        ]
        parts[name] = [
            part.rename({"index_0": "round"}) if "index_0" in part.dims else part for part in found
        ]
    inferred = ["d = 100", "covariance = identity", "noise_variance = 1", "ridge = 0", "real rows reused"]
    return record(parts, settings, plan, inferred=inferred)


def draw_iterative(data: xr.Dataset) -> Figure:
    """Figure 10: one panel per quality of the first synthetic data."""
    figure, axes = panels(1, 3, width=3.0, height=3.0, sharex=True, sharey=True)
    colors = categories(7)
    last = data.isel(round=-1)
    for index, panel in enumerate(axes.flat):
        here = last.isel(quality=index)
        for name, (_, color, marker, line) in KINDS.items():
            curve, mean, error = (here[f"{name}_risk{end}"] for end in ("", "_simulated", "_standard_error"))
            points = (here.n_simulated, mean, error)
            line_and_points(panel, (here.n, curve), points, color=colors[color], marker=marker, line=line)
        panel.set(xscale="log", yscale="log", xlabel="training rows per round $n$")
        panel.set_title(f"$c_0^2 = {ITERATED_QUALITIES[index]:g}$")
    axes[0, 0].set_ylabel(RISK)
    labels, places, markers, lines = zip(*KINDS.values(), strict=True)
    legend(figure, labels, [colors[place] for place in places], markers, lines=lines)
    return figure


def _best(setting: ModelCollapse) -> xr.Dataset:
    alpha, found = setting.optimal_mixing()
    return xr.Dataset({"best_mixing": alpha, "best_risk": float(found.risk)})
