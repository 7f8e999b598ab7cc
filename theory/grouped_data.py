"""Data in groups: inputs, labels and group of every row, checked once at the door."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from freeridge.solvers.errors import InvalidSetting


class GroupedData(NamedTuple):
    """A data set with groups; ``*data`` are the first three arguments of every function on such data.

    Attributes
    ----------
    inputs : array, shape (N, d)
    labels : array, shape (N,)
    groups : array, shape (N,)
        Name or number of the group of each row.
    """

    inputs: Any
    labels: Any
    groups: Any


class GroupRows(NamedTuple):
    """The rows of one group, in float64.

    Attributes
    ----------
    name : object
        As the user wrote it.
    inputs : array, shape (N_s, d)
    labels : array, shape (N_s,)
    share : float
        N_s / N.
    """

    name: Any
    inputs: Float[np.ndarray, "N d"]
    labels: Float[np.ndarray, " N"]
    share: float


def rows_by_group(inputs: Any, labels: Any, groups: Any) -> tuple[GroupRows, ...]:
    """Check a data set and take it apart by group, groups in sorted order.

    Inputs may be integers, booleans (0 and 1) or float32: data carry their own error, and float64 holds them
    exactly. (Parameters in float32 are refused elsewhere, because a threshold between them is lost.)

    Parameters
    ----------
    inputs : array or pandas.DataFrame, shape (N, d)
        Columns of a DataFrame are named in errors, those of an array numbered from 0.
    labels : array, shape (N,)
        Real numbers. Booleans are refused: 0 and 1 or -1 and 1 are different regressions without an
        intercept.
    groups : array, shape (N,)
        Numbers or strings.

    Raises
    ------
    InvalidSetting
        Naming the column, row and group of what is missing, infinite or no number; for shapes that do not
        match; for a group of one row.

    Examples
    --------
    >>> import numpy as np
    >>> rows = rows_by_group(np.eye(4), [1, 2, 3, 4], ["b", "a", "b", "a"])
    >>> [(group.name, group.labels.tolist()) for group in rows]
    [('a', [2.0, 4.0]), ('b', [1.0, 3.0])]
    >>> rows_by_group([[1.0], [None]], [1, 2], [0, 0])
    Traceback (most recent call last):
        ...
    freeridge.solvers.errors.InvalidSetting: inputs = nan: expected a finite number in column 0; row 1, of
    group 0, has a missing value
    """
    matrix, names = _inputs(inputs)
    membership = _groups(groups, len(matrix))
    values = _labels(labels, len(matrix), membership)
    broken = np.argwhere(~np.isfinite(matrix))
    if len(broken):
        row, column = broken[0]
        kind = "a missing value" if np.isnan(matrix[row, column]) else "an infinite one"
        where = f"row {row}, of group {_plain(membership[row])!r}, has {kind}"
        more = "" if len(broken) == 1 else f" ({len(broken)} such entries in all)"
        raise InvalidSetting(
            "inputs", matrix[row, column], f"a finite number in column {names[column]!r}; {where}{more}"
        )
    found = []
    for name in np.unique(membership):
        mine = membership == name
        if mine.sum() < 2:
            raise InvalidSetting(
                "groups", _plain(name), "at least two rows in every group: one has no covariance and no noise"
            )
        found.append(GroupRows(_plain(name), matrix[mine], values[mine], float(mine.mean())))
    return tuple(found)


def _plain(name: Any) -> Any:
    return name.item() if isinstance(name, np.generic) else name


def _inputs(inputs: Any) -> tuple[np.ndarray, Sequence[Any]]:
    """Matrix in float64 with NaN where something is missing, and the names of its columns."""
    names: list[Any]
    if hasattr(inputs, "iloc") and hasattr(inputs, "columns"):
        names = [str(name) for name in inputs.columns]
        columns = [np.asarray(inputs.iloc[:, j]) for j in range(len(names))]
    else:
        array = _array("inputs", inputs)
        if array.ndim != 2 or 0 in array.shape:
            raise InvalidSetting("inputs", array, "a dense matrix with one example per row, not empty")
        if array.dtype.kind in "fiub":
            return array.astype(np.float64), range(array.shape[1])
        names, columns = list(range(array.shape[1])), list(array.T)
    converted = [_column(name, column) for name, column in zip(names, columns, strict=True)]
    if not converted or not len(converted[0]):
        raise InvalidSetting("inputs", inputs, "a matrix with one example per row, not empty")
    return np.stack(converted, axis=1), names


def _array(field: str, value: Any) -> np.ndarray:
    if isinstance(value, np.ma.MaskedArray):  # asarray would take what is under the mask for a number
        value = np.ma.filled(value.astype(np.float64), np.nan)
    try:
        return np.asarray(value)
    except (TypeError, ValueError):  # rows of unequal lengths
        raise InvalidSetting(field, value, "an array: rows of one length") from None


def _column(name: Any, column: np.ndarray) -> np.ndarray:
    if column.dtype.kind in "fiub":
        return column.astype(np.float64)
    if column.dtype.kind == "O":
        # None and the missing values of other libraries: whatever is not equal to itself or refuses to say.
        column = np.array([np.nan if _is_missing(entry) else entry for entry in column], dtype=object)
    real = column.dtype.kind == "O" and not any(isinstance(entry, str | complex) for entry in column)
    try:
        if real:
            return column.astype(np.float64)
    except (TypeError, ValueError):
        real = False
    raise InvalidSetting("inputs", column, f"real numbers in column {name!r}")


def _is_missing(entry: Any) -> bool:
    try:
        return entry is None or bool(entry != entry)
    except (TypeError, ValueError):
        return True


def _labels(labels: Any, rows: int, membership: np.ndarray) -> np.ndarray:
    array = _array("labels", labels)
    if array.dtype.kind not in "fiu":
        raise InvalidSetting("labels", array, "real numbers, such as -1.0 and 1.0 for two classes")
    if array.shape != (rows,):
        raise InvalidSetting("labels", array, f"one number per row of the inputs, shape ({rows},)")
    broken = np.flatnonzero(~np.isfinite(array))
    if len(broken):
        row = int(broken[0])
        raise InvalidSetting(
            "labels",
            array[row],
            f"a finite number in every row; row {row}, of group {_plain(membership[row])!r}, has none",
        )
    return array.astype(np.float64)


def _groups(groups: Any, rows: int) -> np.ndarray:
    array = _array("groups", groups)
    if array.shape != (rows,):
        raise InvalidSetting("groups", array, f"the group of every row of the inputs, shape ({rows},)")
    missing = np.flatnonzero([_is_missing(entry) for entry in array.tolist()])
    if len(missing):
        raise InvalidSetting("groups", array, f"a group in every row; row {missing[0]} has none")
    try:
        np.unique(array)
    except TypeError:
        raise InvalidSetting("groups", array, "numbers or strings, not a mixture of both") from None
    return array
