"""A spectrum to look at: the density with its edges, point masses and outliers."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from freeridge.solvers.pencils.densities.edges import Support, nodes
from freeridge.solvers.pencils.densities.outliers import Outliers

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class Spectrum:
    """The limiting eigenvalue distribution at one point.

    Attributes
    ----------
    label : str
    x, density : array, shape (intervals, points)
        The curve on each interval of the support, at the points of :func:`nodes`.
    support : Support
    outliers : Outliers
    """

    label: str
    x: np.ndarray
    density: np.ndarray
    support: Support
    outliers: Outliers

    def cumulative(self, x: np.ndarray) -> np.ndarray:
        """The part of the eigenvalues up to x, outliers not counted."""
        total = np.zeros(np.shape(x))
        for at, mass in zip(self.support.atoms, self.support.atom_masses, strict=True):
            total = total + mass * (x >= at)
        for (a, b), x_here, density in zip(self.support.intervals, self.x, self.density, strict=True):
            pieces = nodes(a, b, len(density))[1] * np.nan_to_num(density)
            middle = np.cumsum(pieces) - 0.5 * pieces
            total = total + np.interp(x, [a, *x_here, b], [0.0, *middle, np.sum(pieces)])
        return total

    def plot(self, ax: "Axes | None" = None, **options: object) -> "Axes":
        """Draw the density, its edges (solid where hard), point masses with their mass, and outliers.

        Where the density diverges the axis ends at what all but 3 percent of the interval needs.
        """
        if ax is None:
            from matplotlib.figure import Figure

            ax = Figure(layout="constrained").subplots()
        style = {"color": "#D55E00", "linewidth": 1.5, **options}
        for x, density in zip(self.x, self.density, strict=True):
            ax.plot(x, density, zorder=3, **style)  # type: ignore[arg-type]
        for (a, b), (left, right) in zip(self.support.intervals, self.support.hard, strict=True):
            for end, hard in ((a, left), (b, right)):
                ax.axvline(end, color="0.5", linewidth=0.8, linestyle="-" if hard else ":", zorder=1)
        for at, mass in zip(self.support.atoms, self.support.atom_masses, strict=True):
            ax.plot(
                [at, at], [0.0, 0.1], color=style["color"], linewidth=4.0, transform=ax.get_xaxis_transform()
            )
            ax.text(at, 0.12, f"{mass:.3g}", ha="center", transform=ax.get_xaxis_transform())
        if len(self.outliers.locations):
            ax.plot(
                self.outliers.locations, np.zeros(len(self.outliers.locations)), "o", markersize=5,
                color=style["color"], markeredgecolor="white", markeredgewidth=0.5, clip_on=False, zorder=4,
            )  # fmt: skip
        shown = [
            density[np.abs(2.0 * x - a - b) < (0.94 if np.any(hard) else 1.0) * (b - a)]
            for x, density, (a, b), hard in zip(
                self.x, self.density, self.support.intervals, self.support.hard, strict=True
            )
        ]
        ax.set_ylim(0.0, 1.1 * max((float(np.nanmax(density)) for density in shown), default=1.0))
        ax.set(xlabel="eigenvalue", ylabel="density")
        return ax
