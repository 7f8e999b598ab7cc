"""Groups of equal weight: by the weight of their rows, or by leaving rows out."""

from typing import Any

import numpy as np
from jaxtyping import Float, Int

from freeridge.solvers.fields import require_count


def balanced_weights(groups: Any) -> Float[np.ndarray, " n"]:
    r"""Weights $n / (G n_g)$ of the rows, $n_g$ of them in a group and $G$ groups that have any: mean 1.

    Parameters
    ----------
    groups : array, shape (n,)

    Examples
    --------
    >>> balanced_weights([0, 0, 0, 5]).round(3)
    array([0.667, 0.667, 0.667, 2.   ])
    """
    _, places, counts = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)
    return len(places) / (len(counts) * counts[places])


def balanced_rows(groups: Any, rng: np.random.Generator, count: int) -> Int[np.ndarray, " count"]:
    """Rows of a training set in which every group has as many rows as the smallest that has any.

    They are drawn without replacement, and then repeated in a fixed random order until there are ``count`` of
    them: an epoch takes as many steps as one over all rows, and all sets have one shape.

    Parameters
    ----------
    groups : array, shape (n,)
    rng : numpy.random.Generator
    count : int

    Examples
    --------
    >>> rows = balanced_rows([0, 0, 0, 1, 1, 0], np.random.default_rng(0), count=8)
    >>> len(np.unique(rows)), sorted(set(rows.tolist()) & {3, 4}), np.unique(rows, return_counts=True)[1]
    (4, [3, 4], array([2, 2, 2, 2]))
    """
    require_count("count", count)
    names = np.asarray(groups)
    found, counts = np.unique(names, return_counts=True)
    kept = [rng.permutation(np.flatnonzero(names == name))[: counts.min()] for name in found]
    return np.resize(rng.permutation(np.concatenate(kept)), count)
