"""Data whose rows have a label and a spurious attribute, in three parts, checked once at the door."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int

from freeridge.solvers.errors import InvalidSetting
from freeridge.theory.grouped_data import GroupedData

PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class SubpopulationData:
    r"""Training, validation and test rows in groups: a group is a label $y$ and an attribute $a$.

    In every part inputs are float32, shape (n, d), labels int32 from 0 to K - 1, and groups the int32 numbers

    $$ g = A\, y + a, \qquad 0 \le y < K, \quad 0 \le a < A . $$

    Made by :func:`assemble`, by the loaders of :mod:`freeridge.theory.memorization.subpopulations.files`, and
    by :func:`freeridge.theory.memorization.subpopulations.digits.spurious_digits`.

    Parameters
    ----------
    train, validation, test : GroupedData
        Every group has rows in the test.
    label_names, attribute_names : sequence of str
        K and A of them.

    Examples
    --------
    >>> import numpy as np
    >>> data = assemble(np.eye(12), [-1, 1] * 6, [0, 0, 1, 1] * 3, [0] * 4 + [1] * 4 + [2] * 4)
    >>> data.group_names
    ('-1, 0', '-1, 1', '1, 0', '1, 1')
    >>> data.train.groups.tolist(), data.counts("train").tolist()
    ([0, 2, 1, 3], [[1, 1], [1, 1]])
    """

    train: GroupedData
    validation: GroupedData
    test: GroupedData
    label_names: tuple[str, ...]
    attribute_names: tuple[str, ...]

    @property
    def group_names(self) -> tuple[str, ...]:
        """Label and attribute of each group, in the order of their numbers."""
        return tuple(
            f"{label}, {attribute}" for label in self.label_names for attribute in self.attribute_names
        )

    def counts(self, part: str) -> Int[np.ndarray, "labels attributes"]:
        """Rows of each group in a part.

        Parameters
        ----------
        part : {"train", "validation", "test"}
        """
        if part not in PARTS:
            raise InvalidSetting("part", part, "one of " + ", ".join(PARTS))
        shape = (len(self.label_names), len(self.attribute_names))
        return np.bincount(getattr(self, part).groups, minlength=shape[0] * shape[1]).reshape(shape)


def assemble(
    features: Any,
    labels: Any,
    attributes: Any,
    split: Any,
    *,
    label_names: Sequence[str] | None = None,
    attribute_names: Sequence[str] | None = None,
) -> SubpopulationData:
    """Check arrays and take them apart.

    Parameters
    ----------
    features : array, shape (N, d)
        Real numbers; a memory map is read part by part.
    labels, attributes : array, shape (N,)
        Whole numbers from 0 where there are names for them. Without names any whole numbers or texts: what
        occurs is numbered in sorted order and named after itself.
    split : array, shape (N,)
        0 for training, 1 for validation, 2 for the test.
    label_names, attribute_names : sequence of str, optional

    Raises
    ------
    InvalidSetting
        Naming what is wrong: shapes, a feature that is missing or infinite, a label out of range, a part
        without rows, fewer than two labels in training or one that is only elsewhere, and a group without
        rows in the test, on which its accuracy would not be known. Groups may be empty in the other parts.

    Examples
    --------
    >>> import numpy as np
    >>> rows = dict(labels=[0, 1] * 3, attributes=[0] * 6, split=[0, 0, 1, 1, 2, 2])
    >>> assemble(np.ones((6, 3)), **rows).validation.inputs.shape
    (2, 3)
    >>> assemble(np.ones((6, 3)), **{**rows, "attributes": [0, 1, 0, 1, 0, 0]})
    Traceback (most recent call last):
        ...
    freeridge.solvers.errors.InvalidSetting: groups = '0, 1': expected rows of every label and attribute in
    the test; there are none of these
    """
    matrix = _matrix(features)
    rows = len(matrix)
    place = _numbers("split", split, rows, PARTS)
    named_labels, label = _numbered("labels", labels, rows, label_names)
    named_attributes, attribute = _numbered("attributes", attributes, rows, attribute_names)
    group = label * np.int32(len(named_attributes)) + attribute
    parts: dict[str, GroupedData] = {}
    for number, name in enumerate(PARTS):
        (mine,) = np.nonzero(place == number)
        if not len(mine):
            raise InvalidSetting("split", np.unique(place), f"rows of {name} ({number})")
        with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused below
            inputs = np.asarray(matrix[mine], np.float32)
        broken = np.argwhere(~np.isfinite(inputs))
        if len(broken):
            row, column = broken[0]
            raise InvalidSetting(
                "features",
                inputs[row, column],
                f"finite numbers; row {mine[row]}, in {name}, has another in column {column}",
            )
        parts[name] = GroupedData(inputs, label[mine], group[mine])
    data = SubpopulationData(**parts, label_names=named_labels, attribute_names=named_attributes)
    _require_learnable(data)
    return data


def _require_learnable(data: SubpopulationData) -> None:
    seen = data.counts("train").sum(1) > 0
    if seen.sum() < 2:
        raise InvalidSetting("labels", data.train.labels, "two labels or more in the training data")
    for part in PARTS[1:]:
        unknown = np.flatnonzero((data.counts(part).sum(1) > 0) & ~seen)
        if len(unknown):
            name = data.label_names[unknown[0]]
            raise InvalidSetting("labels", name, f"labels of the training data in the {part} data too")
    empty = np.flatnonzero(data.counts("test").ravel() == 0)
    if len(empty):
        raise InvalidSetting(
            "groups",
            data.group_names[empty[0]],
            "rows of every label and attribute in the test; there are none of these",
        )


def _matrix(features: Any) -> np.ndarray:
    matrix = features if isinstance(features, np.ndarray) else np.asarray(features)
    if matrix.ndim != 2 or 0 in matrix.shape or matrix.dtype.kind not in "fiub":
        raise InvalidSetting("features", matrix, "real numbers of shape (N, d), one row per example")
    return matrix


def _numbered(
    field: str, values: Any, rows: int, names: Sequence[str] | None
) -> tuple[tuple[str, ...], Int[np.ndarray, " N"]]:
    """The names, and the number of the name of each row."""
    if names is not None:
        return tuple(names), _numbers(field, values, rows, names)
    array = _column(field, values, rows)
    if array.dtype.kind not in "US" and not _whole(array):
        raise InvalidSetting(field, array, "whole numbers or texts")
    if array.dtype.kind == "f":
        array = array.astype(np.int64)
    found, numbers = np.unique(array, return_inverse=True)
    return tuple(str(name) for name in found), numbers.astype(np.int32)


def _numbers(field: str, values: Any, rows: int, names: Sequence[str]) -> Int[np.ndarray, " N"]:
    array = _column(field, values, rows)
    last = len(names) - 1
    expected = f"whole numbers from 0 to {last} ({', '.join(names)})"
    if array.dtype.kind in "US" or not _whole(array):
        raise InvalidSetting(field, array, expected)
    outside = np.flatnonzero((array < 0) | (array > last))
    if len(outside):
        raise InvalidSetting(field, array[outside[0]], f"{expected}; row {outside[0]} has another")
    return array.astype(np.int32)


def _column(field: str, values: Any, rows: int) -> np.ndarray:
    array = np.asarray(values)
    if array.shape != (rows,):
        raise InvalidSetting(field, array, f"one for each row of the features, shape ({rows},)")
    return array


def _whole(array: np.ndarray) -> bool:
    if array.dtype.kind != "f":
        return array.dtype.kind in "iub"
    return bool(np.all(np.isfinite(array)) and np.all(array == np.round(array)))
