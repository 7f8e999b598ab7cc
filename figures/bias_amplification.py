"""ODD, EDD and ADD over the number of features (An Effective Theory of Bias Amplification, arXiv 2410.17263).

The parameters of the paper are not known to us: all figures of the family that speak of isotropic groups
share those of :func:`isotropic_groups`, which are ours.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from freeridge.figures.record import Plan, record, simulation, theory
from freeridge.figures.style import MARKERS, legend, line_and_points, panels, shades
from freeridge.theory.bias import BiasAmplification
from freeridge.theory.bias_boundary import amplification_boundary
from freeridge.theory.covariance import Isotropic
from freeridge.theory.labeler import RandomVector
from freeridge.theory.population import Population
from freeridge.theory.ratios import AtRatios

DIMENSION = 400  # of the simulation: in the limit only ratios count
CHOSEN = [
    "d = 400 in simulations",
    "shares 1/2 and 1/2",
    "covariances I and I/2",
    "w_1 ~ N(0, I/d), w_2 = w_1 + delta, delta ~ N(0, 0.2 I/d)",
    "noise variances 0.2 and 0.5",
]
NAMES = {
    "odd": "ODD",
    "edd": "EDD",
    "add": "ADD = ODD / EDD",
    "worst_group_risk": "worst-group risk",
}


def isotropic_groups(ridge: Any, time: Any = None) -> AtRatios:
    """Two groups of equal size; the second has smaller inputs, noisier labels and another labeler."""
    first = RandomVector(Isotropic(DIMENSION, 1.0 / DIMENSION))
    second = first + RandomVector(Isotropic(DIMENSION, 0.2 / DIMENSION))
    groups = [
        Population(Isotropic(DIMENSION), first, noise_variance=0.2, share=0.5),
        Population(Isotropic(DIMENSION, 0.5), second, noise_variance=0.5, share=0.5),
    ]
    rows = float(DIMENSION)
    return AtRatios(BiasAmplification(groups, rows, ridge, features=rows, time=time), phi=1.0, psi=1.0)


PHIS = (0.1, 0.4, 2.0)


def over_psi(plan: Plan) -> xr.Dataset:
    """Data of the curves over psi: theory, simulation, and where ADD = 1."""
    setting = isotropic_groups(ridge=1e-6)
    quick = [0.04, 0.1, 0.2, 0.32, 0.72, 1.4, 4.0]
    simulated = plan.choose(quick, sorted([*quick, 0.06, 0.14, 0.26, 0.4, 0.64, 0.82, 1.8, 3.6, 12.0]))
    smooth = np.geomspace(0.02, 20.0, 161)
    near = np.geomspace(0.001, 0.3, 20)
    thresholds = [at * np.exp([near, -near]).ravel() for at in (0.5, 1.0)]
    # Curves bend at m = d, psi = phi: theory at every simulated point, not between two of its own.
    dense = np.unique(np.concatenate([smooth, [0.5, 1.0], *thresholds, PHIS, simulated]))
    marks = crossings(setting, PHIS, dense)
    points = simulation(setting, {"phi": PHIS, "psi": simulated}, plan, plan.choose(10, 40))
    curves = theory(setting, {"phi": PHIS, "psi": np.unique(np.concatenate([dense, *marks]))})
    longest = max(map(len, marks))
    padded = np.array([[*line, *[np.nan] * (longest - len(line))] for line in marks])
    table = xr.Dataset({"psi": (("phi", "crossing"), padded)}, coords={"phi": np.array(PHIS)})
    return record(
        {"": [curves, points], "crossing": [table]},
        {"setting": setting},
        plan,
        chosen=[*CHOSEN, "ridge = 1e-6"],
    )


def crossings(setting: AtRatios, phis: Sequence[float], grid: np.ndarray) -> list[np.ndarray]:
    """Where ADD = 1 along each phi, found as roots in psi.

    The boundary in the plane of both ratios has a vertex on every edge of its grid that it crosses: on the
    edges at a given phi these are the values of psi that are wanted. Neighbours of phi make it a line.
    """
    near = np.array([0.99, 1.0, 1.01])
    lines = amplification_boundary(setting, {"phi": np.outer(phis, near).ravel(), "psi": grid})
    vertices = np.concatenate([line.points for line in lines])
    return [np.unique(vertices[np.isclose(vertices[:, 0], phi, rtol=1e-12), 1]) for phi in phis]


def draw_over_psi(data: xr.Dataset) -> Figure:
    """ODD, EDD and ADD over psi, one colour per phi; rings are where ADD = 1."""
    figure, axes = panels(1, 3, width=3.4, height=3.3, sharex=True)
    colors = shades(len(data.phi))
    for panel, name in zip(axes.flat, ("odd", "edd", "add"), strict=True):
        for index, color in enumerate(colors):
            here = data.isel(phi=index)
            points = (here.psi_simulated, here[f"{name}_simulated"], here[f"{name}_standard_error"])
            line_and_points(panel, (here.psi, here[name]), points, color=color, marker=MARKERS[index])
            marks = here.crossing_psi.dropna("crossing").values
            panel.plot(marks, here[name].sel(psi=marks), **RING, markeredgecolor=color)
        for threshold in (0.5, 1.0):
            panel.axvline(threshold, color="0.6", linewidth=0.8, linestyle=":", zorder=1)
        panel.set(xscale="log", yscale="log", xlabel=PSI, ylabel=NAMES[name])
    axes[0, 0].set_ylim(1e-3, 1e2)
    axes[0, 1].set_ylim(1e-3, 1e2)
    axes[0, 2].set_ylim(3e-2, 1e3)
    axes[0, 2].axhline(1.0, color="0.25", linewidth=0.8, zorder=1)
    mark_one = ("ADD = 1 (root)", Line2D([], [], markeredgecolor="0.35", **RING))
    legend(figure, [rf"$\phi = {phi:g}$" for phi in data.phi.values], colors, extra=[mark_one])
    return figure


PHI = r"$\phi = d / n$"
PSI = r"$\psi = m / n$"
RING: dict[str, Any] = {
    "marker": "o",
    "linestyle": "none",
    "markersize": 9,
    "markerfacecolor": "none",
    "markeredgewidth": 1.4,
    "zorder": 4,
}
