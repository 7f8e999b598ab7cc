"""Where two functions are equal: lines in a plane and points on an interval, each a certified root.

Both are compared on a coarse grid. It says between which of its points they cross, and each crossing is then
the root between those two, found inside and certified: only the topology is that of the grid. Points at which
a value is NaN, or at which both are equal to rounding, lie on no side. Knows no theory.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

# Points of one compiled call.
_LANES = 512
# A vertex is kept when the ratio of the two is one to this. At a pole they change places without being equal.
_MEETS = 1e-10
# Relative difference up to which neither is the larger.
_TIE = 1e-12

Values = Callable[[np.ndarray], np.ndarray]  # of points, an array, to several numbers at each, NaN for none


class Boundary(NamedTuple):
    """A polyline on which two quantities are equal: vertices, and the largest distance of their ratio from
    one.

    A closed line ends where it begins.
    """

    points: Float[np.ndarray, "V 2"]
    """One row for each vertex."""
    error: float
    """Largest distance from one."""


class Crossings(NamedTuple):
    """Points at which two quantities change places, increasing, and the distance of each ratio from one."""

    points: Float[np.ndarray, " C"]
    """Increasing."""
    errors: Float[np.ndarray, " C"]
    """Distance of each ratio from one."""


def in_batches(compiled: Callable[[Array], Array]) -> Values:
    """A compiled function of many points at once, always called with as many: there is one compilation.

    Examples
    --------
    >>> in_batches(jax.jit(lambda x: 2.0 * x))(np.array([1.0, 2.0]))
    array([2., 4.])
    """

    def values(points: np.ndarray) -> np.ndarray:
        wanted = np.resize(np.arange(len(points)), -(-len(points) // _LANES) * _LANES)
        parts = [np.asarray(compiled(jnp.asarray(points[part]))) for part in wanted.reshape(-1, _LANES)]
        return np.concatenate(parts)[: len(points)]

    return values


def trace_boundary(values: Values, axes: Sequence[np.ndarray]) -> list[Boundary]:
    """Lines in a plane on which two quantities are equal.

    Parameters
    ----------
    values : callable
        From points of the plane, shape (N, 2), to the two quantities at each, shape (N, 2).
    axes : two arrays
        Increasing coordinates of the coarse grid; what is smaller than a cell can be missed.

    Returns
    -------
    list of Boundary
        A line is interrupted where a root is not certified.

    Examples
    --------
    A circle, from a grid of 6 x 6 points:

    >>> side = np.linspace(-1.5, 1.5, 6)
    >>> pair = lambda x: np.stack([(x**2).sum(1) + 1.0, np.full(len(x), 2.0)], 1)
    >>> (circle,) = trace_boundary(pair, [side, side])
    >>> bool(np.allclose(np.hypot(*circle.points.T), 1.0, atol=1e-10)), circle.error < 1e-10
    (True, True)
    """
    mesh = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    gap = _gap(values(mesh.reshape(-1, 2))).reshape(mesh.shape[:2])
    lines = _edges(axes, gap)
    if not lines:
        return []
    edges = np.concatenate(lines)
    start, step = edges[:, 0], edges[:, 1] - edges[:, 0]
    fraction = _roots(lambda f, k: _gap(values(start[k] + f[:, None] * step[k])), len(edges))
    roots = start + fraction[:, None] * step
    errors = _errors(values(roots))
    bounds = np.cumsum([len(line) for line in lines])[:-1]
    pieces = zip(np.split(roots, bounds), np.split(errors, bounds), strict=True)
    return [boundary for points, error in pieces for boundary in _certified(points, error)]


def trace_crossings(pair: Callable[[Any], Array], grid: Float[np.ndarray, " N"]) -> Crossings:
    """Points of an interval at which two quantities change places.

    Where both only come closer inside a cell, their closest point joins the grid: two crossings in one cell
    are found too. Points at which they meet without changing places are none.

    Parameters
    ----------
    pair : callable
        From one coordinate to the two quantities, traceable and differentiable.
    grid : array
        Increasing coordinates.

    Examples
    --------
    Two crossings in one cell of the grid:

    >>> pair = lambda x: jnp.stack([1.0 + (x - 0.5) ** 2, 1.01 + 0.0 * x])
    >>> trace_crossings(pair, np.array([0.0, 1.0])).points.round(9)
    array([0.4, 0.6])
    """

    def gap(point: Any) -> Array:
        first, second = pair(point)
        return (first - second) / (first + second)

    both = in_batches(jax.jit(jax.vmap(lambda point: jnp.stack(jax.jvp(gap, (point,), (jnp.ones(()),))))))

    def gap_and_slope(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        found = both(points)
        return found[:, 0], found[:, 1]

    def between(which: int, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        if not len(low):
            return low
        width = high - low
        fraction = _roots(lambda f, k: gap_and_slope(low[k] + f * width[k])[which], len(low))
        return np.asarray(low + fraction * width)

    size, slope = gap_and_slope(grid)
    same = size[:-1] * size[1:] > 0
    dips = same & (size[:-1] * slope[:-1] < 0) & (size[1:] * slope[1:] > 0)
    finer = np.union1d(grid, between(1, grid[:-1][dips], grid[1:][dips]))
    side, _ = gap_and_slope(finer)
    # A tie is on no side: what is to its left and right decides.
    finer, side = finer[~(np.abs(side) <= _TIE)], side[~(np.abs(side) <= _TIE)]
    change = np.flatnonzero(side[:-1] * side[1:] < 0)
    roots = between(0, finer[change], finer[change + 1])
    if not len(roots):
        return Crossings(roots, roots)
    errors = _errors(in_batches(jax.jit(jax.vmap(pair)))(roots))
    return Crossings(roots[errors <= _MEETS], errors[errors <= _MEETS])


def _gap(values: Float[np.ndarray, "N 2"]) -> Float[np.ndarray, " N"]:
    """The difference relative to the sum: the sign that matters, and never far from one in size."""
    first, second = values.T
    with np.errstate(divide="ignore", invalid="ignore"):
        return (first - second) / (first + second)


def _sides(gap: np.ndarray) -> np.ndarray:
    """The gap where one of the two is the larger, else NaN."""
    return np.where(np.abs(gap) > _TIE, gap, np.nan)


def _errors(values: Float[np.ndarray, "N 2"]) -> Float[np.ndarray, " N"]:
    first, second = values.T
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.abs(first / second - 1.0)


def _edges(axes: Sequence[np.ndarray], gap: Float[np.ndarray, "X Y"]) -> list[Float[np.ndarray, "V 2 2"]]:
    """For each vertex of each line the two ends of its edge of the grid."""
    from contourpy import contour_generator  # here: only boundaries need it

    masked: Any = np.ma.masked_invalid(_sides(gap).T)
    generator = contour_generator(x=axes[0], y=axes[1], z=masked, line_type="Separate")
    lines = []
    for line in map(np.asarray, generator.lines(0.0)):
        index = np.stack([np.interp(line[:, k], axes[k], np.arange(len(axes[k]))) for k in (0, 1)], axis=1)
        nearest = np.rint(index).astype(int)
        first, second = nearest.copy(), nearest.copy()
        rows, moving = np.arange(len(line)), np.argmax(np.abs(index - nearest), axis=1)
        first[rows, moving] = np.floor(index[rows, moving])
        second[rows, moving] = np.ceil(index[rows, moving])
        ends = [np.stack([axes[k][end[:, k]] for k in (0, 1)], axis=1) for end in (first, second)]
        lines.append(np.stack(ends, axis=1))
    return lines


def _roots(gap: Callable[[np.ndarray, np.ndarray], np.ndarray], count: int) -> Float[np.ndarray, " N"]:
    """Where each of so many functions vanishes in [0, 1]; 0 where its sign does not change."""
    from scipy.optimize import elementwise

    number = np.arange(count)
    found = elementwise.find_root(gap, (np.zeros(count), np.ones(count)), args=(number,))
    return np.where(found.success, found.x, 0.0)


def _certified(points: Float[np.ndarray, "V 2"], errors: Float[np.ndarray, " V"]) -> Iterator[Boundary]:
    """The stretches of a line whose vertices are all roots."""
    meets = np.concatenate([[False], errors <= _MEETS, [False]])
    for start, stop in np.flatnonzero(np.diff(meets)).reshape(-1, 2):
        if stop - start > 1:
            yield Boundary(points[start:stop], float(errors[start:stop].max()))
