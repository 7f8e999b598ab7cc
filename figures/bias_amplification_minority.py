"""Does the gap between majority and minority vanish with width? (arXiv 2410.17263, minority groups)"""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from freeridge.figures.record import Plan, record, simulation, theory
from freeridge.figures.style import MARKERS, legend, line_and_points, panels, shades
from freeridge.theory.covariance import Isotropic
from freeridge.theory.minority import MinorityGroups
from freeridge.theory.minority_formulas import Block, identified, interpolating
from freeridge.theory.ratios import AtRatios

CORE, EXTRANEOUS = 100, 60
DIMENSION = CORE + 2 * EXTRANEOUS
ROWS = {1000: "core identified", 100: "core not identified"}
NOISES = {0.25: "noise", 0.0: "no noise"}
SHARES = (0.5, 0.1, 0.01, 0.001)


def minority(plan: Plan) -> xr.Dataset:
    """Data: the gap over the width for each share of the minority, and its limit in closed form."""
    groups = MinorityGroups(
        Isotropic(CORE),
        Isotropic(EXTRANEOUS),
        n=DIMENSION,
        minority_share=0.1,
        noise_variance=0.25,
        ridge=0.01,
        features=DIMENSION,
    )
    setting = AtRatios(groups, phi=1.0, psi=1.0)
    quick, paper = [0.1, 0.3, 1.0, 3.0, 10.0], [0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0]
    ratios: dict[str, Any] = {
        "phi": DIMENSION / np.array(list(ROWS)),
        "setting.noise_variance": list(NOISES),
        "setting.minority_share": SHARES,
    }
    names = {"phi": "n", "setting.noise_variance": "noise", "setting.minority_share": "share"}
    found = [
        theory(setting, {**ratios, "psi": np.geomspace(0.1, 1000.0, 161)})[["gap", "residual", "code"]],
        simulation(setting, {**ratios, "psi": plan.choose(quick, paper)}, plan, plan.choose(10, 40))[
            ["gap_simulated", "gap_standard_error"]
        ],
    ]
    limits = np.array([[[_limit(n, noise, p) for p in SHARES] for noise in NOISES] for n in ROWS])
    closed = xr.Dataset({"limit": (("n", "noise", "share"), limits)})
    return record(
        {"": [*(part.rename(names).assign_coords(n=list(ROWS)) for part in found), closed]},
        {"setting": setting},
        plan,
        chosen=[
            "core of 100 dimensions, 60 extraneous ones for each group, all of variance 1",
            "ridge = 0.01",
            "labels depend on the core alone",
            "n = 1000 and 100, noise variance 0.25 and 0",
        ],
    )


def _limit(n: int, noise: float, share: float) -> float:
    """The gap at infinite width, in closed form."""
    rows, block = ((1.0 - share) * n, share * n), Block((1.0,), (float(EXTRANEOUS),))
    if sum(max(one - EXTRANEOUS, 0.0) for one in rows) > CORE:
        return identified(CORE, (block, block), rows, (noise, noise)).gap
    return interpolating(Block((1.0,), (float(CORE),)), (block, block), rows, (noise, noise)).gap


def draw_minority(data: xr.Dataset) -> Figure:
    """The gap over the width, one panel per case, one colour per share; dashed is the limit."""
    figure, axes = panels(2, 2, width=3.9, height=2.7, sharex=True)
    colors = shades(len(SHARES))
    cases = [(n, noise) for n in ROWS for noise in NOISES]
    for panel, (n, noise) in zip(axes.flat, cases, strict=True):
        for index, share in enumerate(SHARES):
            here = data.sel(n=n, noise=noise, share=share)
            panel.axhline(float(here.limit), color=colors[index], linestyle="--", linewidth=1.0, zorder=1)
            points = (here.psi_simulated, here.gap_simulated, here.gap_standard_error)
            line_and_points(panel, (here.psi, here.gap), points, color=colors[index], marker=MARKERS[index])
        panel.set(xscale="log", title=f"$n = {n}$: {ROWS[n]}, {NOISES[noise]}")
    for panel in axes[1]:
        panel.set_xlabel("width $m / n$")
    for panel in axes[:, 0]:
        panel.set_ylabel("gap: minority $-$ majority risk")
    limit = ("infinite width (closed form)", Line2D([], [], color="0.35", linestyle="--"))
    legend(figure, [f"minority {100 * share:g} %" for share in SHARES], colors, extra=[limit])
    return figure
