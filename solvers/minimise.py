"""The smallest value of a function of one number, by its derivative; knows no theory."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

# Points of one compiled call: those of the first grid, and of every finer one.
_POINTS = 65
# Each finer grid divides the interval by 64: eight of them reach rounding.
_ROUNDS = 8
# Values this close, relative to the largest of the first grid, are equal.
_EQUAL = 1e-13


def minimise(function: Callable[[Any], Any], low: float, high: float, ends: tuple[float, ...]) -> float:
    r"""Point with the smallest value of a function.

    The derivative on a grid shows the basins: it turns from negative to positive. In each basin the sign
    change is enclosed by finer and finer grids, down to rounding. A kink, where the derivative jumps, is
    found like a smooth minimum. The smallest value of all basins and of the ends wins; of equal ones the
    smallest point. Points where value or derivative are not finite are no basins.

    Parameters
    ----------
    function : callable
        From one number to one number, traceable and differentiable.
    low, high : float
        Ends of the first grid, of 65 points.
    ends : tuple of float
        More points to compare with, such as an end that the grid does not reach.

    Examples
    --------
    >>> round(minimise(lambda x: abs(x - 0.3) + x**4, -1.0, 1.0, ends=(-1.0, 1.0)), 12)  # a kink
    0.3
    """

    @jax.jit
    @jax.vmap
    def compiled(point: Any) -> tuple[Any, Any]:
        return jax.jvp(function, (point,), (jnp.ones(()),))

    def at(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Always as many points, so that there is one compilation."""
        filled = np.concatenate([points, np.repeat(points[-1:], _POINTS - len(points))])
        value, slope = compiled(jnp.asarray(filled))
        return np.asarray(value)[: len(points)], np.asarray(slope)[: len(points)]

    grid = np.linspace(low, high, _POINTS)
    values, slopes = at(grid)
    usable = np.isfinite(values) & np.isfinite(slopes)
    found = list(ends)
    for k in np.flatnonzero(usable[:-1] & usable[1:] & (slopes[:-1] < 0) & (slopes[1:] >= 0)):
        left, right = grid[k], grid[k + 1]
        for _ in range(_ROUNDS):
            finer = np.linspace(left, right, _POINTS)
            turned = np.flatnonzero(at(finer)[1] >= 0)
            first = max(int(turned[0]), 1) if len(turned) else _POINTS - 1
            left, right = finer[first - 1], finer[first]
        found.append(right)
    candidates = np.sort(np.array(found))
    values_there, _ = at(candidates)
    tolerance = _EQUAL * np.max(np.abs(values[usable]), initial=0.0)
    return float(candidates[values_there <= np.nanmin(values_there) + tolerance][0])
