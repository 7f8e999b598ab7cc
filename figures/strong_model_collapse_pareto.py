"""Figure 1 of Strong Model Collapse (arXiv 2410.04840): a width without and with synthetic data."""

from dataclasses import replace

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from freeridge.figures.record import Axes, Plan, record, simulation, theory
from freeridge.figures.strong_model_collapse import DIMENSION, QUALITIES, ROWS, RUNS, quality_labels
from freeridge.figures.style import legend, panels
from freeridge.theory.collapse import ModelCollapse
from freeridge.theory.covariance import Isotropic

SYNTHETIC = (50, 200, 400)
RIDGES = (1e-8, 1e-2, 1e-1)
MARKS = "sD^*"  # of the qualities, as in the paper


def pareto(plan: Plan) -> xr.Dataset:
    """Data of Figure 1: risk without and with synthetic data, for each width and ridge."""
    mixed = ModelCollapse(
        Isotropic(DIMENSION),
        ROWS,
        real_share=0.5,
        quality=0.5,
        noise_variance=0.01,
        ridge=RIDGES,
        features=ROWS,
    )
    alone = replace(mixed, real_share=1.0, quality=0.0)
    axes: Axes = {"quality": QUALITIES, "real_share": 1.0 - np.array(SYNTHETIC) / ROWS}
    dense = np.geomspace(200.0, 2000.0, 121)
    points = np.round(np.geomspace(200.0, 2000.0, plan.choose(9, 25)))
    runs = plan.choose(3, RUNS)
    return record(
        {
            "": [
                theory(mixed, {**axes, "features": dense}),
                simulation(mixed, {**axes, "features": points}, plan, runs),
            ],
            "alone": [
                theory(alone, {"features": dense}),
                simulation(alone, {"features": points}, plan, runs, stream=1),
            ],
        },
        {"mixed": mixed, "alone": alone},
        plan,
        inferred=["noise_variance = 0.01", "ridges = 1e-8, 0.01, 0.1", "log psi to base 10"],
    )


def draw_pareto(data: xr.Dataset) -> Figure:
    """Figure 1: one panel per number of synthetic rows; nothing beats the frontier in both."""
    figure, axes = panels(1, 3, width=3.3, height=3.4, sharex=True, sharey=True)
    data = data.transpose("quality", "real_share", "ridge", ...)
    colors = np.tile(np.log10(data["features_simulated"].values / ROWS), len(RIDGES))
    alone = data["alone_risk"].values
    shown = None
    for index, panel in enumerate(axes.flat):
        for quality, marker in enumerate(MARKS):
            here = data.isel(real_share=index, quality=quality)
            for x, y in zip(alone, here["risk"].values, strict=True):
                panel.plot(x, y, color="0.75", linewidth=0.8, zorder=1.5)
            panel.plot(*frontier(alone, here["risk"].values), color="black", linewidth=1.6, zorder=2)
            names = (
                "alone_risk_simulated",
                "risk_simulated",
                "risk_standard_error",
                "alone_risk_standard_error",
            )
            x, y, y_error, x_error = (here[name].values.ravel() for name in names)
            panel.errorbar(x, y, y_error, x_error, fmt="none", ecolor="0.2", elinewidth=0.8, zorder=3)
            shown = panel.scatter(
                x, y, s=42 if marker == "*" else 18, c=colors, cmap="viridis", vmin=-0.4, vmax=0.6,
                marker=marker, edgecolor="0.2", linewidth=0.4, zorder=4,
            )  # fmt: skip
        panel.set(xlim=(0.2, 0.6), ylim=(0.2, 1.2), title=f"$n_2 = {SYNTHETIC[index]}$")
        panel.set(xlabel=f"test risk, {ROWS} real rows")
    axes[0, 0].set_ylabel(f"test risk, ${ROWS} - n_2$ real\nand $n_2$ synthetic rows")
    assert shown is not None
    figure.colorbar(shown, ax=list(axes[0]), label=r"$\log_{10} \psi = \log_{10}(m / n)$", pad=0.02)
    line = ("Pareto frontier (theory)", Line2D([], [], color="black"))
    legend(figure, quality_labels(QUALITIES), ["0.4"] * 4, MARKS, lines=["none"] * 4, extra=[line])
    return figure


def frontier(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points that no other point beats in both coordinates, from left to right.

    Examples
    --------
    >>> frontier(np.array([1.0, 2.0, 3.0]), np.array([2.0, 3.0, 1.0]))
    (array([1., 3.]), array([2., 1.]))
    """
    order = np.lexsort((y.ravel(), x.ravel()))
    x, y = x.ravel()[order], y.ravel()[order]
    best = y < np.concatenate([[np.inf], np.minimum.accumulate(y)[:-1]])
    return x[best], y[best]
