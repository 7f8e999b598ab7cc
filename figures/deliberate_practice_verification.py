"""Verified labels and where they break down (arXiv 2406.07515, Figure 3 and Theorem 4.2)."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax.scipy.special import ndtr
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from freeridge.figures.record import Plan, record, simulation, theory
from freeridge.figures.style import MARKERS, categories, legend, line_and_points, panels, shades
from freeridge.theory.pruning.verification.label_errors import RandomErrors
from freeridge.theory.pruning.verification.rates import breakdown_point
from freeridge.theory.pruning.verification.retrained_logistic import RetrainedLogistic
from freeridge.theory.pruning.verification.verified_logistic import VerifiedLogistic

# The paper has tau = 0.15, a best accuracy of about 94 % and does not give d: Phi(0.15 sqrt(107)) = 0.9396.
D = 107
SIGNAL = 0.15 * D**0.5
VERIFIERS = (0.0, np.pi / 24, np.pi / 12, None)
NAMES = ("oracle", r"$\theta = \pi/24$", r"$\theta = \pi/12$", "no verifier")
REAL_ROWS = (100, 300, 900)
WRONG_KEPT = (1.0, 1 / 3, 0.1)
QUICK_ROWS = [30.0, 300.0, 3000.0]
PAPER_ROWS = [10.0, 30.0, 100.0, 300.0, 1e3, 3e3, 1e4, 3e4, 1e5]
ROWS = (100.0, 1000.0, 10_000.0, np.inf)
RIDGE = 0.1  # of the breakdown figure
_BEST: dict[str, Any] = {"color": "0.25", "linewidth": 0.8, "linestyle": "--"}
_GENERATOR = _BEST | {"linestyle": ":"}


def verification(plan: Plan) -> xr.Dataset:
    """Accuracy against the verified rows, for generators trained on three numbers of real ones."""
    points = np.array(plan.choose(QUICK_ROWS, PAPER_ROWS))
    lines = np.union1d(np.geomspace(10, 1e5, plan.choose(9, 33)), points)
    shape = (len(REAL_ROWS), len(VERIFIERS))
    curve = np.empty((*shape, len(lines)))
    mean, error = np.empty((2, *shape, len(points)))
    generator = np.empty(len(REAL_ROWS))
    for done, (i, j) in enumerate(np.ndindex(*shape)):
        plan.report(done, int(np.prod(shape)))
        for k, n in enumerate(lines):
            found = setting(REAL_ROWS[i], float(n), VERIFIERS[j]).predict()
            curve[i, j, k], generator[i] = float(found.accuracy), float(found.generator_accuracy)
        for k, n in enumerate(points):
            measured = setting(REAL_ROWS[i], float(n), VERIFIERS[j])
            estimate = measured.simulate((plan.seed, i, j, k), plan.choose(8, 20))
            mean[i, j, k] = estimate.mean["accuracy"]
            error[i, j, k] = estimate.standard_error["accuracy"]
    axes = ("real_rows", "verifier")
    data = xr.Dataset(
        {
            "accuracy": ((*axes, "n"), curve),
            "accuracy_simulated": ((*axes, "n_simulated"), mean),
            "accuracy_standard_error": ((*axes, "n_simulated"), error),
            "generator_accuracy": ("real_rows", generator),
        },
        coords={
            "real_rows": list(REAL_ROWS),
            "verifier": list(NAMES),
            "n": lines,
            "n_simulated": points,
        },
    )
    facts = {
        "best_accuracy": float(ndtr(SIGNAL)),
        "inferred": "d = 107 from the best accuracy; penalty 1 on the sum of the losses, that is ridge d / n",
    }
    return record({"": [data]}, {"last": setting(900, 1e5, np.pi / 12)}, plan, **facts)


def setting(real_rows: int, n: float, verifier: float | None) -> RetrainedLogistic:
    """One point: a penalty of one on the sum of the losses, in the paper's units of the inputs."""
    return RetrainedLogistic(
        D, real_rows, n, SIGNAL, ridge=D / n, real_ridge=D / real_rows, verifier=verifier
    )


def draw_verification(data: xr.Dataset) -> Figure:
    """One column per number of real rows: accuracy, and what is missing to the best one."""
    figure, axes = panels(2, len(REAL_ROWS), sharex=True, sharey="row")
    colors = categories(len(NAMES))
    best = data.attrs["best_accuracy"]
    for (top, bottom), rows in zip(axes.T, data["real_rows"].values, strict=True):
        one = data.sel(real_rows=rows)
        for name, color, marker in zip(NAMES, colors, MARKERS, strict=False):
            at, look = one.sel(verifier=name), {"color": color, "marker": marker}
            x, mean, error = at["n_simulated"], at["accuracy_simulated"], at["accuracy_standard_error"]
            line_and_points(top, (at["n"], at["accuracy"]), (x, mean, error), **look)
            line_and_points(bottom, (at["n"], best - at["accuracy"]), (x, best - mean, error), **look)
        generator = float(one["generator_accuracy"])
        top.axhline(best, **_BEST)
        top.axhline(generator, **_GENERATOR)
        bottom.axhline(best - generator, **_GENERATOR)
        top.set(xscale="log", title=f"{rows} real rows")
        bottom.set(yscale="log", xlabel="verified rows $n$")
    axes[0, 0].set(ylabel="accuracy", ylim=(0.78, 0.95))
    axes[1, 0].set(ylabel="best accuracy $-$ accuracy", ylim=(1e-3, 0.25))
    extra = [("best classifier", Line2D([], [], **_BEST)), ("generator", Line2D([], [], **_GENERATOR))]
    legend(figure, NAMES, colors, extra=extra)
    return figure


def breakdown(plan: Plan) -> xr.Dataset:
    """Accuracy against the share of wrong labels, for three verifiers and up to infinitely many rows."""
    base = VerifiedLogistic(D, 100.0, SIGNAL, RIDGE, RandomErrors(0.5))
    axes = {"errors.keep_wrong": WRONG_KEPT, "n": ROWS}
    marks = np.asarray(breakdown_point(1.0, jnp.asarray(WRONG_KEPT)))
    # With infinitely many rows the curve jumps at the breakdown point: both sides of it are on the grid.
    dense = np.union1d(np.linspace(0.0, 1.0, plan.choose(41, 201)), [*(marks - 1e-6), *(marks + 1e-6)])
    lines = theory(base, axes | {"errors.rate": dense})
    rates = np.linspace(0.05, 0.95, plan.choose(7, 19))
    points = simulation(base, axes | {"errors.rate": rates}, plan, plan.choose(6, 20))
    breakdowns = xr.Dataset({"breakdown": ("errors.keep_wrong", marks)})
    return record({"": [lines, points, breakdowns]}, {"base": base}, plan, best_accuracy=float(ndtr(SIGNAL)))


def draw_breakdown(data: xr.Dataset) -> Figure:
    """One panel per verifier; the breakdown point is dashed."""
    figure, axes = panels(1, len(WRONG_KEPT), sharey=True)
    sizes = data["n"].values
    colors = shades(len(sizes))
    for panel, psi, mark in zip(axes[0], WRONG_KEPT, data["breakdown"].values, strict=True):
        for n, color, marker in zip(sizes, colors, MARKERS, strict=False):
            at = data.sel({"errors.keep_wrong": psi, "n": n})
            points = (
                at["errors.rate_simulated"], at["accuracy_simulated"], at["accuracy_standard_error"]
            )  # fmt: skip
            line_and_points(panel, (at["errors.rate"], at["accuracy"]), points, color=color, marker=marker)
        panel.axvline(mark, **_BEST)
        panel.set(xlabel="share of wrong labels $p$", title=rf"$\psi/\phi = {psi:.3g}$, $p_* = {mark:.3g}$")
    axes[0, 0].set_ylabel("accuracy")
    labels = ["$n$ infinite" if np.isinf(n) else f"$n = {n:.0f}$" for n in sizes]
    # Infinitely many rows are not simulated.
    markers = ["" if np.isinf(n) else marker for n, marker in zip(sizes, MARKERS, strict=False)]
    legend(figure, labels, colors, markers, extra=[("breakdown point", Line2D([], [], **_BEST))])
    return figure
