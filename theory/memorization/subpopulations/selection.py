"""Model selection by the worst group, whichever groups are known."""

from typing import Any

import numpy as np
from jaxtyping import Float


def worst_group(accuracies: Any) -> Float[np.ndarray, "*points"]:
    """The lowest accuracy along the last axis, over groups that have rows (the others are NaN).

    Examples
    --------
    >>> worst_group([[0.9, np.nan, 0.7], [0.8, 1.0, 0.9]]).tolist()
    [0.7, 0.8]
    """
    return np.asarray(np.nanmin(np.asarray(accuracies, np.float64), axis=-1))


def mean_accuracy(accuracies: Any, rows: Any) -> Float[np.ndarray, "*points"]:
    """Share of right answers of all rows, from the shares in each group.

    Parameters
    ----------
    accuracies : array, shape (..., groups)
        NaN where there are no rows.
    rows : array, shape (groups,)
        Rows of each group.

    Examples
    --------
    >>> mean_accuracy([0.5, 1.0, np.nan], [30, 10, 0]).item()
    0.625
    """
    sizes = np.asarray(rows, np.float64)
    right = np.where(sizes > 0, np.asarray(accuracies, np.float64), 0.0) @ sizes
    return np.asarray(right / sizes.sum())


def best_checkpoint(accuracies: Any) -> tuple[int, int]:
    """Draw of the hyperparameters and checkpoint of the highest worst-group accuracy; the first of equals.

    Parameters
    ----------
    accuracies : array, shape (draws, checkpoints, groups)
        On the validation data.

    Examples
    --------
    >>> best_checkpoint([[[0.9, 0.1], [0.5, 0.4]], [[0.6, 0.6], [0.9, 0.5]]])
    (1, 0)
    """
    worst = worst_group(accuracies)
    draw, checkpoint = np.unravel_index(int(np.argmax(worst)), worst.shape)
    return int(draw), int(checkpoint)
