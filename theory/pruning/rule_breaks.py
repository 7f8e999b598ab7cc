"""Where a rule that nobody knows is not smooth: bisection until two quadratures agree."""

from collections.abc import Callable

import numpy as np

from freeridge.theory.pruning.moments import PANELS

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(20)
_PARTS = 8  # of a panel, for comparison
_NARROW = 1e-14  # panels are not divided below
_MOST = 20_000  # panels

Chance = Callable[[np.ndarray, float], np.ndarray]


def find_breaks(chance: Chance) -> tuple[float, ...]:
    """Scores between which Gauss's rule integrates a function of score and label.

    Parameters
    ----------
    chance : callable
        From an array of scores and a label to chances.

    Examples
    --------
    >>> import numpy as np
    >>> find_breaks(lambda t, y: (np.abs(t) < 0.1) * 1.0)
    (-0.1, 0.1)
    """
    # A jump leaves the same relative difference in panels of any size: it is enclosed until they are points.
    _, narrow = _refined(lambda low, high: _difference(chance, low, high) > 1e-4 * (high - low), PANELS)
    jumps = np.round(narrow, 14)
    # What is left are kinks and features too narrow for the first panels, seen by the moments themselves.
    edges, _ = _refined(
        lambda low, high: _difference(chance, low, high, weighted=True) > 1e-14, np.union1d(PANELS, jumps)
    )
    return tuple(float(edge) for edge in np.setdiff1d(edges, PANELS))


def _refined(
    too_coarse: Callable[[np.ndarray, np.ndarray], np.ndarray], edges: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Edges of panels that are fine enough, and the places of those that never are."""
    low, high = edges[:-1], edges[1:]
    done, narrow = [edges], np.empty(0)
    while len(low) and sum(map(len, done)) < _MOST:
        coarse = too_coarse(low, high)
        low, high = low[coarse], high[coarse]
        middle = 0.5 * (low + high)
        point = high - low < _NARROW * np.maximum(1.0, np.abs(low))
        narrow = np.append(narrow, middle[point])
        low, high, middle = low[~point], high[~point], middle[~point]
        done.append(middle)
        low, high = np.concatenate([low, middle]), np.concatenate([middle, high])
    return np.unique(np.concatenate(done)), np.unique(narrow)


def _difference(chance: Chance, low: np.ndarray, high: np.ndarray, *, weighted: bool = False) -> np.ndarray:
    """Between Gauss's rule on each panel and on its parts, the largest over labels and, with the density as a
    weight, over powers of the score.
    """
    worst = np.zeros(len(low))
    for label in (1.0, -1.0):
        whole = _sums(chance, low, high, label, weighted)
        steps = low[:, None] + (high - low)[:, None] * np.linspace(0.0, 1.0, _PARTS + 1)
        parts = _sums(chance, steps[:, :-1].ravel(), steps[:, 1:].ravel(), label, weighted)
        apart = np.abs(whole - parts.reshape(len(whole), -1, _PARTS).sum(axis=2))
        worst = np.maximum(worst, apart.max(axis=0))
    return worst


def _sums(chance: Chance, low: np.ndarray, high: np.ndarray, label: float, weighted: bool) -> np.ndarray:
    """The integral over each panel, or those of the first powers of the score with its density."""
    half = 0.5 * (high - low)[:, None]
    t = 0.5 * (high + low)[:, None] + half * _NODES
    mass = half * _WEIGHTS * chance(t.ravel(), label).reshape(t.shape)
    if not weighted:
        return mass.sum(axis=1)[None]
    mass = mass * np.exp(-0.5 * t * t)
    return np.stack([mass.sum(axis=1), (mass * t).sum(axis=1), (mass * t * t).sum(axis=1)])
