"""Broken data are refused with the column, the row and the group of what is broken."""

from typing import Any

import numpy as np
import pytest

import freeridge as fr
from freeridge.theory.grouped_data import rows_by_group

GROUPS = ["b", "a", "b", "a"]
LABELS = [1.0, 2.0, 3.0, 4.0]


def inputs(**changes: Any) -> np.ndarray:
    values = np.arange(12.0).reshape(4, 3)
    for value in changes.values():
        values[2, 1] = value
    return values


def test_rows_come_by_group_in_sorted_order() -> None:
    first, second = rows_by_group(inputs(), LABELS, GROUPS)
    assert (first.name, second.name, first.share) == ("a", "b", 0.5)
    np.testing.assert_array_equal(first.inputs, inputs()[[1, 3]])
    np.testing.assert_array_equal(second.labels, [1.0, 3.0])
    assert rows_by_group(inputs(), [1, 2, 3, 4], [True, False, True, False])[0].name is False


@pytest.mark.parametrize("kind", [np.float32, np.int8, np.uint16, bool, object])
def test_numbers_of_any_kind_become_float64(kind: Any) -> None:
    rows = rows_by_group((inputs() > 4).astype(kind), LABELS, np.zeros(4, int))[0]
    assert rows.inputs.dtype == np.float64
    np.testing.assert_array_equal(rows.inputs, inputs() > 4)


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        pytest.param(inputs(x=np.nan), "column 1; row 2, of group 'b', has a missing value", id="nan"),
        pytest.param(inputs(x=-np.inf), "column 1; row 2, of group 'b', has an infinite one", id="infinite"),
        pytest.param(np.full((4, 2), np.nan), "8 such entries in all", id="all missing"),
        pytest.param(
            np.ma.masked_greater(inputs(), 10.5), "column 2; row 3, of group 'a'", id="under a mask"
        ),
        pytest.param([[1, 2], [3, None], [5, 6], [7, 8]], "column 1; row 1, of group 'a'", id="None"),
        pytest.param([["1", "2"]] * 4, "real numbers in column 0", id="strings"),
        pytest.param([[1.0, "x"]] * 4, "real numbers in column 0", id="mixed become strings"),
        pytest.param(inputs() + 1j, "real numbers in column 0", id="complex"),
        pytest.param(np.array([[1, {}]] * 4, dtype=object), "real numbers in column 1", id="objects"),
        pytest.param(np.array([[1, "3"]] * 4, dtype=object), "real numbers in column 1", id="text objects"),
        pytest.param([[1, 2], [3], [5, 6], [7, 8]], "rows of one length", id="ragged"),
        pytest.param(np.zeros((4, 0)), "not empty", id="no columns"),
        pytest.param(np.zeros(4), "a dense matrix with one example per row", id="vector"),
        pytest.param(np.zeros((4, 2), "M8[s]"), "real numbers in column 0", id="dates"),
    ],
)
def test_broken_inputs(broken: Any, message: str) -> None:
    with pytest.raises(fr.InvalidSetting, match=message) as refused:
        rows_by_group(broken, LABELS, GROUPS)
    assert refused.value.field == "inputs"


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        pytest.param(["yes", "no", "yes", "no"], "real numbers, such as -1.0 and 1.0", id="strings"),
        pytest.param([True, False, True, False], "real numbers, such as -1.0 and 1.0", id="booleans"),
        pytest.param(np.array([1, None, 2, 3]), "real numbers", id="objects"),
        pytest.param(np.array(LABELS) + 1j, "real numbers", id="complex"),
        pytest.param([1.0, 2.0], r"shape \(4,\)", id="too few"),
        pytest.param([1.0] * 5, r"shape \(4,\)", id="too many"),
        pytest.param(np.ones((4, 1)), r"shape \(4,\)", id="a column"),
        pytest.param([[1.0], [1.0, 2.0]], "rows of one length", id="ragged"),
        pytest.param([1.0, np.nan, 2.0, 3.0], "row 1, of group 'a', has none", id="missing"),
        pytest.param([1.0, 1.0, np.inf, 3.0], "row 2, of group 'b', has none", id="infinite"),
    ],
)
def test_broken_labels(broken: Any, message: str) -> None:
    with pytest.raises(fr.InvalidSetting, match=message) as refused:
        rows_by_group(inputs(), broken, GROUPS)
    assert refused.value.field == "labels"


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        pytest.param(["a", "b"], r"shape \(4,\)", id="too few"),
        pytest.param([[0], [1], [0], [1]], r"shape \(4,\)", id="a column"),
        pytest.param(["a", "a", "a", "b"], "groups = 'b': expected at least two rows", id="one row"),
        pytest.param([0.0, np.nan, 0.0, 1.0], "row 1 has none", id="missing"),
        pytest.param(np.array(["a", None, "a", "b"], dtype=object), "row 1 has none", id="None"),
        pytest.param(np.array(["a", 1, "a", 1], dtype=object), "not a mixture of both", id="mixed"),
    ],
)
def test_broken_groups(broken: Any, message: str) -> None:
    with pytest.raises(fr.InvalidSetting, match=message) as refused:
        rows_by_group(inputs(), LABELS, broken)
    assert refused.value.field == "groups"


class Frame:
    """What is used of a DataFrame: named columns of different kinds."""

    def __init__(self, **columns: Any) -> None:
        self.columns = list(columns)
        self._values = list(columns.values())

    @property
    def iloc(self) -> "Frame":
        return self

    def __getitem__(self, place: tuple[slice, int]) -> Any:
        return self._values[place[1]]


def test_columns_are_named_as_in_the_frame() -> None:
    age, size = np.array([1, 2, 3, 4]), np.array([0.5, 1.0, 2.0, 3.0], np.float32)
    frame = Frame(age=age, size=size)
    np.testing.assert_array_equal(
        rows_by_group(frame, LABELS, np.zeros(4, int))[0].inputs, np.stack([age, size], 1)
    )
    for column, message in (
        (np.array([1.0, 2.0, np.nan, 3.0]), "column 'income'; row 2, of group 'b', has a missing value"),
        (np.array([1, None, 2, 3], dtype=object), "column 'income'; row 1, of group 'a', has a missing"),
        (np.array(["x", "y", "z", "w"], dtype=object), "real numbers in column 'income'"),
    ):
        with pytest.raises(fr.InvalidSetting, match=message):
            rows_by_group(Frame(age=age, income=column), LABELS, GROUPS)
    with pytest.raises(fr.InvalidSetting, match="not empty"):
        rows_by_group(Frame(), [], [])
