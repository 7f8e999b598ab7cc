"""Rows with labels and attributes: numbered, named, taken apart, and refused."""

from typing import Any

import numpy as np
import pytest

from freeridge.solvers.errors import InvalidSetting
from freeridge.theory.memorization.subpopulations.data import PARTS, SubpopulationData, assemble

RNG = np.random.default_rng(0)
ROWS = 24
GOOD: dict[str, Any] = {
    "features": RNG.standard_normal((ROWS, 3)),
    "labels": np.arange(ROWS) % 2,
    "attributes": np.arange(ROWS) // 2 % 2,
    "split": np.arange(ROWS) // 8,
}


def made(**changes: Any) -> SubpopulationData:
    return assemble(**{**GOOD, **changes})


def changed(name: str, rows: Any, value: Any) -> dict[str, Any]:
    array = GOOD[name].copy()
    array[rows] = value
    return {name: array}


def test_parts_keep_rows_in_order_and_single_precision() -> None:
    data = made()
    for number, part in enumerate(PARTS):
        mine = GOOD["split"] == number
        rows = getattr(data, part)
        assert rows.inputs.dtype == np.float32 and rows.labels.dtype == rows.groups.dtype == np.int32
        assert np.array_equal(rows.inputs, GOOD["features"][mine].astype(np.float32))
        assert np.array_equal(rows.labels, GOOD["labels"][mine])
        assert np.array_equal(rows.groups, 2 * GOOD["labels"][mine] + GOOD["attributes"][mine])
        assert data.counts(part).tolist() == [[2, 2], [2, 2]]


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (np.where(GOOD["labels"] == 1, 1, -1), ("-1", "1")),
        (np.where(GOOD["labels"] == 1, 7.0, 2.0), ("2", "7")),
        (np.where(GOOD["labels"] == 1, "dog", "cat"), ("cat", "dog")),
        (GOOD["labels"].astype(bool), ("False", "True")),
    ],
)
def test_labels_need_not_be_0_and_1(labels: np.ndarray, names: tuple[str, str]) -> None:
    data = made(labels=labels)
    assert data.label_names == names
    assert np.array_equal(data.train.labels, GOOD["labels"][:8])


def test_more_labels_than_two_and_an_attribute_that_does_not_vary() -> None:
    data = made(labels=np.arange(ROWS) % 3, attributes=np.zeros(ROWS, int), label_names=["a", "b", "c"])
    assert data.group_names == ("a, 0", "b, 0", "c, 0")
    assert data.counts("test").tolist() == [[2], [3], [3]]


def test_groups_may_be_empty_in_training_and_validation() -> None:
    attributes = GOOD["attributes"].copy()
    attributes[:16] = GOOD["labels"][:16]
    data = made(attributes=attributes)
    assert data.counts("train").tolist() == data.counts("validation").tolist() == [[4, 0], [0, 4]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"features": GOOD["features"][:, 0]}, r"^features = .*shape \(N, d\)"),
        ({"features": np.full((ROWS, 1), "x")}, "^features = .*real numbers"),
        (changed("features", (17, 2), np.nan), "^features = nan: .*row 17, in test, has another in column 2"),
        (changed("features", (9, 0), np.inf), "^features = inf: .*row 9, in validation"),
        (changed("features", (9, 0), 1e200), "^features = inf"),
        ({"labels": GOOD["labels"][1:]}, r"^labels = .*shape \(24,\)"),
        ({"labels": GOOD["labels"] + 0.5}, "^labels = .*whole numbers or texts"),
        ({"labels": np.where(GOOD["labels"] == 1, np.nan, 0)}, "^labels = .*whole numbers or texts"),
        ({"labels": 2 * GOOD["labels"], "label_names": ("a", "b")}, "^labels = 2: .*0 to 1 .a, b.; row 1"),
        ({"labels": np.full(ROWS, "a"), "label_names": ("a", "b")}, "^labels = .*whole numbers from 0"),
        ({"labels": np.zeros(ROWS, int)}, "^labels = .*two labels or more"),
        (changed("labels", slice(0, 8), 0), "^labels = .*two labels or more"),
        (changed("labels", 17, 5), "^labels = '5': .*in the test data too"),
        ({"attributes": -GOOD["attributes"], "attribute_names": ("a", "b")}, "^attributes = -1"),
        ({"split": GOOD["split"] + 1}, "^split = 3: .*train, validation, test"),
        (changed("split", slice(8, 16), 0), r"^split = .*rows of validation \(1\)"),
        (changed("attributes", slice(16, 24), 0), "^groups = '0, 1': .*there are none of these"),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidSetting, match=message):
        made(**changes)


def test_parts_are_asked_for_by_name() -> None:
    with pytest.raises(InvalidSetting, match="one of train, validation, test"):
        made().counts("all")
