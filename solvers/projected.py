"""The smallest value of a function of chances, by projected gradients; knows no theory.

Minimised are functions of $u \\in [0, 1]^K$, of which each entry has a mass, with or without a fixed total
mass $\\sum_k m_k u_k$. Lengths and slopes are those of the masses, $|u|^2 = \\sum_k m_k u_k^2$ and
$g_k = m_k^{-1} \\partial f / \\partial u_k$: finer entries change nothing. At a minimum the first-order
conditions of Karush, Kuhn and Tucker hold, which is the same as

$$ u = \\Pi(u - g) , $$

$\\Pi$ the nearest point that is allowed. The largest difference of both sides is the residual.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

_FIRST, _MOST = 200, 3000  # steps of all starts, and of the best
_LANES = 64  # points of one compiled call
_BETTER = 1e-12  # of the value, from which on an exchange counts
_SMALL = 1e-9  # residual at which a start has arrived
_HALVINGS = 100  # of the interval that holds the multiplier of the total: to rounding
_REMEMBERED = 8  # values of which a step must be below the largest
_DECREASE = 1e-4  # of what the slope promises, at least
_SHORTEST, _LONGEST = 1e-6, 1e8  # steps, in units of the slope

Starts = Float[np.ndarray, "S K"]


class Minimum(NamedTuple):
    """The best point found, its value and residual, and the values of all starts, increasing."""

    point: Float[np.ndarray, " K"]
    value: float
    residual: float
    values: Float[np.ndarray, " S"]


def minimise_chances(
    function: Callable[[Any], Array],
    starts: Starts,
    masses: Float[np.ndarray, " K"],
    total: float | None = None,
) -> Minimum:
    r"""The best of the local minima of a function of chances that several starts lead to.

    Spectral projected gradients: steps of the length of Barzilai and Borwein, halved until the value falls
    below the largest of the last eight. A function that is concave in the chances has many minima, at which
    all are 0 or 1: from the best of them every change of one or of two entries to the other side is tried,
    until none helps.

    Parameters
    ----------
    function : callable
        From an array of K chances to one number, traceable and differentiable.
    starts : array, shape (S, K)
        Projected first.
    masses : array, shape (K,)
        Positive.
    total : float, optional
        $\sum_k m_k u_k$; free when left out.

    Examples
    --------
    >>> start, masses = np.zeros((1, 2)), np.ones(2)
    >>> found = minimise_chances(lambda u: jnp.sum((u - jnp.array([2.0, 0.3])) ** 2), start, masses)
    >>> found.point.round(12), found.residual < 1e-9
    (array([1. , 0.3]), True)

    References
    ----------
    E. Birgin, J. Martinez, M. Raydan, Nonmonotone spectral projected gradient methods on convex sets, SIAM
    Journal on Optimization 10 (2000).
    """
    compiled = jax.jit(jax.vmap(jax.value_and_grad(function)))

    def at(points: Starts) -> tuple[np.ndarray, Starts]:
        """Always as many points at a time, so that there is one compilation."""
        wanted = np.resize(np.arange(len(points)), -(-len(points) // _LANES) * _LANES)
        parts = [compiled(jnp.asarray(points[part])) for part in wanted.reshape(-1, _LANES)]
        value, slope = (np.concatenate(column)[: len(points)] for column in zip(*parts, strict=True))
        return value, slope / masses

    def project(points: Starts) -> Starts:
        return nearest(points, masses, total)

    points, values, _ = _descended(at, project, masses, project(np.asarray(starts, np.float64)), _FIRST)
    best = points[np.nanargmin(values)]
    while True:
        (best,), (value,), (residual,) = _descended(at, project, masses, best[None], _MOST)
        others = project(_exchanged(best))
        others_values, _ = at(others)
        first = np.nanargmin(others_values)
        if not others_values[first] < value - _BETTER * max(1.0, abs(value)):
            return Minimum(best, float(value), float(residual), np.sort(values))
        best = others[first]


def _descended(
    at: Callable[[Starts], tuple[np.ndarray, Starts]],
    project: Callable[[Starts], Starts],
    masses: Float[np.ndarray, " K"],
    points: Starts,
    most: int,
) -> tuple[Starts, np.ndarray, np.ndarray]:
    """Points, values and residuals after so many steps, or before if all have arrived."""
    values, slopes = at(points)
    recent = np.repeat(values[:, None], _REMEMBERED, axis=1)
    lengths = np.ones(len(points))
    for step in range(most):
        residuals = np.abs(project(points - slopes) - points).max(axis=1)
        if np.all(residuals <= _SMALL):
            break
        direction = project(points - lengths[:, None] * slopes) - points
        promised = np.sum(masses * slopes * direction, axis=1)
        part = np.ones(len(points))
        while True:
            there = points + part[:, None] * direction
            new_values, new_slopes = at(there)
            enough = new_values <= recent.max(axis=1) + _DECREASE * part * promised
            if np.all(enough | (part <= _SHORTEST)):
                break
            part[~enough] *= 0.5
        moved, turned = there - points, new_slopes - slopes
        bend, square = np.sum(masses * moved * turned, axis=1), np.sum(masses * moved**2, axis=1)
        bent = bend > _SHORTEST * square / _LONGEST
        lengths = np.where(bent, np.clip(square / np.where(bent, bend, 1.0), _SHORTEST, _LONGEST), _LONGEST)
        points, values, slopes = there, new_values, new_slopes
        recent[:, step % _REMEMBERED] = values
    # Long steps leave the total with a rounding of their own size.
    points = project(points)
    values, slopes = at(points)
    return points, values, np.abs(project(points - slopes) - points).max(axis=1)


def _exchanged(point: Float[np.ndarray, " K"]) -> Starts:
    """All points with one or two entries on the other side."""
    flipped = np.eye(len(point), dtype=bool)
    first, second = np.triu_indices(len(point))
    return np.where(flipped[first] | flipped[second], 1.0 - point, point)


def nearest(points: Starts, masses: Float[np.ndarray, " K"], total: float | None) -> Starts:
    """The nearest chances, of a total mass if one is given.

    Examples
    --------
    >>> nearest(np.array([[2.0, 0.2, 0.1]]), np.ones(3), 1.5).round(12)
    array([[1. , 0.3, 0.2]])
    """
    if total is None:
        return np.clip(points, 0.0, 1.0)
    # The mass falls as one number is taken from all of them.
    low, high = points.min(axis=1) - 1.0, points.max(axis=1)
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        more = np.clip(points - middle[:, None], 0.0, 1.0) @ masses > total
        low, high = np.where(more, middle, low), np.where(more, high, middle)
    return np.clip(points - high[:, None], 0.0, 1.0)
