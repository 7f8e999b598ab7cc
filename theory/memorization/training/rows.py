"""What there is of each training example beside its input, and the checks of both at the door."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from freeridge.solvers.errors import InvalidSetting


class Rows(NamedTuple):
    """Label, shift and weight of every example; what is None is not used.

    Attributes
    ----------
    labels : int32 array, shape (n,)
        Classes, from 0.
    shift : float32 array, shape (n, classes), optional
        Added to the logits in the loss, not in a prediction.
    weights : float32 array, shape (n,), optional
        Factor of each example's loss. The loss is the mean over the examples, not over the weights: their
        mean should be 1.
    """

    labels: Any
    shift: Any = None
    weights: Any = None


def shifted_rows(labels: Any, classes: int, *, shift: Any = None, weights: Any = None) -> Rows:
    """Rows in single precision, checked.

    Raises
    ------
    InvalidSetting
        For labels that are not 0 to classes - 1, a shift or weights of another shape or not finite, negative
        weights.

    Examples
    --------
    >>> shifted_rows([0, 1], 2, weights=[0.5, 1.5]).weights
    array([0.5, 1.5], dtype=float32)
    >>> shifted_rows([0, 1], 2, shift=[[0.0, -float("inf")], [0.0, 0.0]])
    Traceback (most recent call last):
        ...
    freeridge.solvers.errors.InvalidSetting: shift = [[0. -inf] [0. 0.]] (shape (2, 2), float64): expected
    finite numbers, shape (2, 2); the floor of a calibrated shift keeps it so
    """
    numbers = class_numbers(labels, classes)
    count = len(numbers)
    if shift is not None:
        given = np.asarray(shift)
        if given.shape != (count, classes) or given.dtype.kind not in "fiu" or not np.all(np.isfinite(given)):
            raise InvalidSetting(
                "shift",
                given,
                f"finite numbers, shape ({count}, {classes}); the floor of a calibrated shift keeps it so",
            )
        shift = given.astype(np.float32)
    if weights is not None:
        given = np.asarray(weights)
        good = given.shape == (count,) and given.dtype.kind in "fiu"
        if not good or not np.all(np.isfinite(given)) or np.any(given < 0):
            raise InvalidSetting("weights", given, f"finite numbers >= 0, shape ({count},)")
        weights = given.astype(np.float32)
    return Rows(numbers, shift, weights)


def single_inputs(inputs: Any, name: str = "inputs") -> Float[np.ndarray, "n d"]:
    """Inputs in single precision.

    Raises
    ------
    InvalidSetting
        When they are no matrix of numbers that are finite in single precision.
    """
    given = np.asarray(inputs)
    if given.ndim != 2 or 0 in given.shape or given.dtype.kind not in "fiub":
        raise InvalidSetting(name, inputs, "a matrix of numbers with one example per row, not empty")
    with np.errstate(over="ignore"):
        found = given.astype(np.float32)
    if not np.all(np.isfinite(found)):
        row, column = np.argwhere(~np.isfinite(found))[0]
        raise InvalidSetting(
            name, given[row, column], f"numbers that are finite in float32; row {row}, column {column} is not"
        )
    return found


def class_numbers(labels: Any, classes: int | None = None) -> Int[np.ndarray, " n"]:
    """Labels as int32.

    Raises
    ------
    InvalidSetting
        When they are not whole numbers from 0, to classes - 1 if their number is given.
    """
    given = np.asarray(labels)
    good = given.ndim == 1 and given.size > 0 and given.dtype.kind in "iu"
    if not good or given.min() < 0 or (classes is not None and given.max() >= classes):
        most = "" if classes is None else f" to {classes - 1}"
        raise InvalidSetting("labels", labels, f"whole numbers from 0{most}, one per example")
    return given.astype(np.int32)
