r"""The support of a spectral density: its intervals to the last digits, and its point masses.

On the real axis the resolvent $m(x + i0)$ is complex in the bulk and real outside, where
$m'(x) = \int (\lambda - x)^{-2} > 0$. So a grid shows the bulk, and where $m$ falls between two points
outside, a narrow band or a point mass lies between them. What changes between neighbours is bisected.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from freeridge.solvers.pencils.densities.spectral_branch import is_real

# Values by name at points on or above the real axis; NaN where no solution is certified.
Resolvent = Callable[[np.ndarray], Mapping[str, np.ndarray]]

_CIRCLE = 64  # points on half a circle around the spectrum
_LOST = 1e-7  # mass outside of the circle that is not noticed
_GRID, _DECADES = 400, 8.0
_PARTS = 8  # that an interval is split into to look closer
_ROUNDS = 16
_FLAT = 0.02  # a minimum of the density this flat has no gap in it
_FINEST = 1e-14  # relative to the radius of the spectrum
_QUADRATURE = 200


@dataclass(frozen=True)
class Support:
    """Where a spectral density is not zero.

    Attributes
    ----------
    intervals : array, shape (intervals, 2)
        Ends of the intervals of the continuous part, from left to right.
    hard : array of bool, shape (intervals, 2)
        Whether the density diverges at that end, as at 0 for a square Gaussian matrix, instead of vanishing
        like a square root.
    error : array, shape (intervals, 2)
        Half the width of the bracket that holds each end.
    masses : array, shape (intervals,)
        Of the continuous part in each interval.
    atoms, atom_masses : array, shape (atoms,)
        Point masses.
    radius : float
        All eigenvalues but a part of 1e-7 lie in [-radius, radius].
    """

    intervals: np.ndarray
    hard: np.ndarray
    error: np.ndarray
    masses: np.ndarray
    atoms: np.ndarray
    atom_masses: np.ndarray
    radius: float

    @property
    def missing(self) -> float:
        """1 minus all masses: what is too narrow to be found has its mass here."""
        return float(1.0 - np.sum(self.masses) - np.sum(self.atom_masses))


def find_support(resolvent: Resolvent, scale: float) -> Support:
    """The support of the measure whose Stieltjes transform is the value ``trace`` of a resolvent.

    The grid has a spacing of 1/200 of the radius, and of 1/10 of the distance from 0 where that is less. A
    narrower gap is found where the density has a minimum on it, a narrower band when its mass is more than
    the slope of m times 1/4 of the spacing squared.

    Examples
    --------
    The semicircle on [-2, 2] beside a point mass:

    >>> def resolvent(z):
    ...     return {"trace": 0.5 * (-z + np.sqrt(z - 2) * np.sqrt(z + 2)) / 2 + 0.5 / (5 - z)}
    >>> support = find_support(resolvent, scale=3.0)
    >>> support.intervals.round(9).tolist(), support.atoms.round(9).tolist(), abs(support.missing) < 1e-9
    ([[-2.0, 2.0]], [5.0], True)
    """
    radius = _radius(resolvent, scale)
    x, m = _explore(resolvent, radius)
    outside = is_real(m)
    ends = np.flatnonzero(outside[1:] != outside[:-1])
    intervals, error = _bisect(resolvent, x[ends], x[ends + 1], radius)
    fall = np.flatnonzero(outside[1:] & outside[:-1] & (np.diff(m.real) < 0.0))
    places = np.where(x[fall] * x[fall + 1] < 0.0, 0.0, 0.5 * (x[fall] + x[fall + 1]))
    places = np.unique(np.append(places, 0.0))
    masses = residues(resolvent, places, scale)["trace"]
    hard = _hard(resolvent, intervals)
    continuous = [_mass(resolvent, *interval) for interval in intervals]
    real = masses > 0.0
    return Support(intervals, hard, error, np.asarray(continuous), places[real], masses[real], radius)


def residues(resolvent: Resolvent, places: np.ndarray, scale: float) -> dict[str, np.ndarray]:
    r"""$\lim_{\eta \to 0} \eta\, \mathrm{Im} f(x + i\eta)$ of every value: the weight of a pole, or 0."""
    heights = scale * np.logspace(-3.0, -11.0, 17)
    found = resolvent(places[:, None] + 1j * heights)
    return {name: np.array([_settled(row) for row in heights * f.imag]) for name, f in found.items()}


def _radius(resolvent: Resolvent, scale: float) -> float:
    """A circle that holds the spectrum: the contour integral over it counts all of the mass."""
    angles = np.pi * (np.arange(_CIRCLE) + 0.5) / _CIRCLE
    for radius in scale * 2.0 ** np.arange(1.0, 40.0):
        z = radius * np.exp(1j * angles)
        if abs(np.mean((z * resolvent(z)["trace"]).real) + 1.0) < _LOST:
            break
    return float(radius)


def _explore(resolvent: Resolvent, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """Points of the real axis and their m, close together wherever something happens."""
    positive = radius * np.logspace(-_DECADES, 0.0, _GRID // 2)
    x = np.unique(np.concatenate([np.linspace(-radius, radius, _GRID), positive, -positive]))
    x, m = _certified(resolvent, x)
    for _ in range(_ROUNDS):
        cells = _worth_a_look(x, m, radius)
        if not len(cells):
            break
        inner = np.arange(1, _PARTS) / _PARTS
        new = (x[cells, None] + inner * (x[cells + 1] - x[cells])[:, None]).ravel()
        more, found = _certified(resolvent, new)
        order = np.argsort(np.concatenate([x, more]), kind="stable")
        x, m = np.concatenate([x, more])[order], np.concatenate([m, found])[order]
    return x, m


def _worth_a_look(x: np.ndarray, m: np.ndarray, radius: float) -> np.ndarray:
    """Cells between neighbours that may hide a band, a point mass or a gap."""
    outside, density = is_real(m), m.imag
    hidden = outside[1:] & outside[:-1] & (np.diff(m.real) < 0.0)
    middle, beside = density[1:-1], np.minimum(density[:-2], density[2:])
    bulk = ~(outside[1:-1] | outside[:-2] | outside[2:])
    low = np.flatnonzero(bulk & (middle <= beside) & (beside - middle > _FLAT * middle))
    hidden[low] = hidden[low + 1] = True
    return np.flatnonzero(hidden & (np.diff(x) > _FINEST * radius))


def _certified(resolvent: Resolvent, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    m = resolvent(x.astype(complex))["trace"]
    return x[np.isfinite(m)], m[np.isfinite(m)]


def _bisect(
    resolvent: Resolvent, left: np.ndarray, right: np.ndarray, radius: float
) -> tuple[np.ndarray, np.ndarray]:
    """The ends of the intervals between points of which every other pair has the bulk on its right."""
    rises = np.arange(len(left)) % 2 == 0
    rows = np.arange(len(left))
    width = np.inf
    while np.max(right - left, initial=0.0) > _FINEST * radius and np.sum(right - left) < width:
        width = float(np.sum(right - left))
        inner = left[:, None] + (right - left)[:, None] * np.arange(_PARTS + 1) / _PARTS
        m = resolvent(inner.astype(complex))["trace"]
        # Both ends are certified; points between where nothing is may be on either side.
        known, outside = np.isfinite(m), is_real(m) == rises[:, None]
        known[:, [0, -1]], outside[:, 0], outside[:, -1] = True, True, False
        after = np.argmax(known & ~outside, axis=1)
        before = known & outside & (np.arange(_PARTS + 1) < after[:, None])
        last = _PARTS - np.argmax(before[:, ::-1], axis=1)
        left, right = inner[rows, last], inner[rows, after]
    ends, error = np.where(left * right <= 0.0, 0.0, 0.5 * (left + right)), 0.5 * (right - left)
    return ends.reshape(-1, 2), error.reshape(-1, 2)


def _hard(resolvent: Resolvent, intervals: np.ndarray) -> np.ndarray:
    """Whether the density grows towards each end."""
    a, b = intervals.T[:, :, None]
    near = (b - a) * np.array([1e-7, 1e-5])
    density = [resolvent(z.astype(complex))["trace"].imag for z in (a + near, b - near)]
    return np.stack([d[:, 0] > d[:, 1] for d in density], axis=1)


def _mass(resolvent: Resolvent, a: float, b: float) -> float:
    x, weights = nodes(a, b, _QUADRATURE)
    return float(np.nansum(weights * resolvent(x.astype(complex))["trace"].imag / np.pi))


def nodes(a: float, b: float, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Points and weights of double exponential quadrature, which minds no singularity at the ends.

    Examples
    --------
    >>> x, weights = nodes(0.0, 4.0, 100)
    >>> round(float(weights @ np.sqrt((4.0 - x) / x)) / np.pi, 6)
    2.0
    """
    t = np.linspace(-3.2, 3.2, count)
    part = 1.0 / (1.0 + np.exp(np.pi * np.sinh(-t)))
    x = np.where(t < 0.0, a + (b - a) * part, b - (b - a) * part[::-1])
    return x, (b - a) * np.pi * np.cosh(t) * part * part[::-1] * (t[1] - t[0])


def _settled(values: np.ndarray) -> float:
    """The value that a sequence rests at, or 0 where it goes on to fall."""
    change = np.abs(np.diff(values)) / np.maximum(np.abs(values[1:]), 1e-300)
    change = np.where(np.isfinite(change), change, np.inf)
    best = int(np.argmin(change))
    return float(values[best + 1]) if change[best] < 1e-4 else 0.0
