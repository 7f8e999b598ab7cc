"""Figures 2 to 5 of Strong Model Collapse (arXiv 2410.04840): width, share and quality of synthetic data.

Each figure has a function that computes its data and one that draws them. Parameters are those of the paper;
what it leaves open is listed in the attribute ``inferred`` of the data and on the pages of the gallery.
"""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from freeridge.figures.record import Axes, Plan, record, simulation, theory
from freeridge.figures.style import MARKERS, legend, line_and_points, panels, shades
from freeridge.theory.collapse import ModelCollapse
from freeridge.theory.covariance import Isotropic, PowerLaw

QUALITIES = (0.0, 0.1, 0.5, 1.0)
ROWS, DIMENSION = 500, 600
RISK = r"test risk $E_{\mathrm{test}}$"
WIDTH = "width $m$ (random projections)"
RUNS = 5  # of the paper


def setup(real_share: float = 0.6) -> ModelCollapse:
    """Appendix A.1: eigenvalues C/j of trace one, labels of variance 0.01, ridge 1e-8; the width is swept."""
    return ModelCollapse(
        PowerLaw(DIMENSION, exponent=1.0, trace=1.0),
        ROWS,
        real_share=real_share,
        quality=0.5,
        noise_variance=0.01,
        ridge=1e-8,
        features=ROWS,
    )


def widths(largest: float = 1000.0) -> np.ndarray:
    """Widths for a smooth curve, denser towards the interpolation threshold at the number of rows."""
    near = np.geomspace(0.5, 90.0, 28)
    return np.unique(np.concatenate([np.linspace(10.0, largest, 100), [ROWS], ROWS - near, ROWS + near]))


def simulated_widths(plan: Plan) -> np.ndarray:
    """Widths at which the figures over the width are simulated."""
    quick = [50.0, 150.0, 300.0, 400.0, 460.0, 500.0, 540.0, 600.0, 750.0, 1000.0]
    near = [460.0, 480.0, 490.0, 510.0, 520.0, 540.0]
    return np.array(plan.choose(quick, sorted([10.0, *np.arange(25.0, 1001.0, 25.0), *near])))


def over_width(plan: Plan) -> xr.Dataset:
    """Data of Figures 2 and 5: all parts of the risk over the width, for each quality."""
    setting = setup()
    return record(
        {
            "": [
                theory(setting, {"quality": QUALITIES, "features": widths()}),
                simulation(setting, {"quality": QUALITIES, "features": simulated_widths(plan)}, plan, RUNS),
            ]
        },
        {"setting": setting},
        plan,
        inferred=[],
    )


def draw_parts(data: xr.Dataset) -> Figure:
    r"""Figure 2: $B$, $V$, $\zeta$ and their sum over the width."""
    figure, axes = panels(2, 2, width=3.6, height=2.6, sharex=True)
    parts = {"bias": "bias $B$", "variance": "label noise $V$", "collapse": r"collapse $\zeta$", "risk": RISK}
    colors = shades(len(QUALITIES))
    for panel, (name, label) in zip(axes.flat, parts.items(), strict=True):
        # Bias and variance do not know the quality: one curve stands for all.
        for index in range(len(QUALITIES)) if name in ("collapse", "risk") else [None]:
            color, marker = ("0.25", "o") if index is None else (colors[index], MARKERS[index])
            _over(panel, data.isel(quality=index or 0), name, color, marker)
        panel.set(ylabel=label, yscale="log", xlim=(0, 1010))
        if name in ("bias", "variance"):
            _remark(panel, "same for every $c^2$")
        _mark_threshold(panel)
    axes[0, 0].set_ylim(1e-4, 1e-2)
    axes[0, 1].set_ylim(1e-4, 2)
    for panel in axes[1]:
        panel.set(xlabel=WIDTH, ylim=(1e-4, 40))
    figure.align_ylabels()
    legend(figure, quality_labels(QUALITIES), colors)
    return figure


def draw_widths(data: xr.Dataset) -> Figure:
    """Figure 5: test risk over the width, for each quality."""
    figure, axes = panels(1, 1, width=4.6, height=3.6)
    panel, colors = axes[0, 0], shades(len(QUALITIES))
    for index in range(len(QUALITIES)):
        _over(panel, data.isel(quality=index), "risk", colors[index], MARKERS[index])
    panel.set(xlabel=WIDTH, ylabel=RISK, xlim=(0, 1010), ylim=(0, 5))
    _mark_threshold(panel)
    legend(figure, quality_labels(QUALITIES), colors)
    return figure


SHARES = (0.02, 0.1, 0.2, 0.4, 0.6, 0.8)


def over_width_and_share(plan: Plan) -> xr.Dataset:
    """Data of Figure 4: test risk over the width, for each share of synthetic data and each quality."""
    setting, real = setup(), 1.0 - np.array(SHARES)
    axes: Axes = {"quality": QUALITIES, "real_share": real}
    points = plan.choose([150.0, 300.0, 440.0, 500.0, 560.0, 700.0, 1000.0], simulated_widths(plan).tolist())
    return record(
        {
            "": [
                theory(setting, {**axes, "features": widths()}),
                simulation(setting, {**axes, "features": points}, plan, plan.choose(4, RUNS)),
            ]
        },
        {"setting": setting},
        plan,
        inferred=[],
    )


def draw_shares(data: xr.Dataset) -> Figure:
    """Figure 4: one panel per quality."""
    figure, axes = panels(1, 4, width=2.7, height=3.0, sharex=True)
    colors = shades(len(SHARES))
    for index, (panel, top) in enumerate(zip(axes.flat, (2, 2, 5, 5), strict=True)):
        for share in range(len(SHARES)):
            _over(panel, data.isel(quality=index, real_share=share), "risk", colors[share], MARKERS[share])
        panel.set(xlabel="width $m$", ylim=(0, top), xlim=(0, 1010), title=f"$c^2 = {QUALITIES[index]:g}$")
        _mark_threshold(panel)
    _remark(axes[0, 0], "same for\nevery $p_2$")
    axes[0, 0].set_ylabel(RISK)
    legend(figure, [f"$p_2 = {share:g}$" for share in SHARES], colors)
    return figure


CLASSICAL_QUALITIES = (1.0, 0.1, 0.01)
CLASSICAL_SHARES = (0.001, 0.01, 0.1, 0.5, 1.0)


def over_rows(plan: Plan) -> xr.Dataset:
    """Data of Figure 3: plain ridge, test risk over the number of rows, for each share and quality."""
    setting = ModelCollapse(Isotropic(100), 1000, real_share=0.5, quality=0.5, noise_variance=1.0, ridge=1e-8)
    real = 1.0 - np.array(CLASSICAL_SHARES)
    quick = [200.0, 400.0, 1000.0, 3000.0, 10_000.0, 30_000.0, 100_000.0]
    paper = [200.0, 300.0, 400.0, 500.0, 700.0, 1000.0, 2000.0, 3000.0, 5000.0, 7000.0, 10_000.0, 20_000.0,
             30_000.0, 50_000.0, 70_000.0, 100_000.0]  # fmt: skip
    axes: Axes = {"quality": CLASSICAL_QUALITIES, "real_share": real}
    return record(
        {
            "": [
                theory(setting, {**axes, "n": np.geomspace(200.0, 1e5, 120)}),
                simulation(setting, {**axes, "n": plan.choose(quick, paper)}, plan, RUNS),
            ]
        },
        {"setting": setting},
        plan,
        inferred=[
            "d = 100",
            "covariance = identity",
            "labeler of variance 1/d per coordinate",
            "ridge = 1e-8",
        ],
    )


def draw_rows(data: xr.Dataset) -> Figure:
    """Figure 3: one panel per quality; the horizontal parts are what more data do not cure."""
    figure, axes = panels(1, 3, width=3.0, height=3.0, sharex=True, sharey=True)
    colors = shades(len(CLASSICAL_SHARES))
    for index, panel in enumerate(axes.flat):
        for share in range(len(CLASSICAL_SHARES)):
            _over(
                panel, data.isel(quality=index, real_share=share), "risk", colors[share], MARKERS[share], "n"
            )
        quality = CLASSICAL_QUALITIES[index]
        panel.set(xscale="log", yscale="log", xlabel="training rows $n$", title=f"$c^2 = {quality:g}$")
    axes[0, 0].set_ylabel(RISK)
    legend(figure, [f"$p_2 = {share:g}$" for share in CLASSICAL_SHARES], colors)
    return figure


def _over(panel: Any, data: xr.Dataset, name: str, color: Any, marker: str, along: str = "features") -> None:
    points = (data[f"{along}_simulated"], data[f"{name}_simulated"], data[f"{name}_standard_error"])
    line_and_points(panel, (data[along], data[name]), points, color=color, marker=marker)


def _remark(panel: Any, text: str) -> None:
    panel.text(0.97, 0.95, text, transform=panel.transAxes, ha="right", va="top", color="0.25")


def _mark_threshold(panel: Any) -> None:
    panel.axvline(ROWS, color="0.6", linewidth=0.8, linestyle=":", zorder=1)


def quality_labels(qualities: tuple[float, ...]) -> list[str]:
    """How a legend names the qualities."""
    return [f"$c^2 = {quality:g}$" for quality in qualities]
