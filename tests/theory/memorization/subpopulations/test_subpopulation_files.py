"""The published layouts of the metadata, written small, read, and refused."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.storage import StorageError
from freeridge.theory.memorization.subpopulations.files import (
    IDENTITIES,
    load_celeba,
    load_civilcomments,
    load_multinli,
    load_subpopulations,
    load_waterbirds,
)

ROWS = 18
FEATURES = np.random.default_rng(0).standard_normal((ROWS, 4)).astype(np.float32)
LABELS, ATTRIBUTES, SPLIT = np.arange(ROWS) % 2, np.arange(ROWS) // 2 % 2, np.arange(ROWS) // 6


@pytest.fixture
def features(tmp_path: Path) -> Path:
    np.save(tmp_path / "features.npy", FEATURES)
    return tmp_path / "features.npy"


def table(path: Path, **columns: Any) -> Path:
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return path


def birds(path: Path, **changes: Any) -> Path:
    columns = {
        "img_id": range(ROWS),
        "img_filename": [f"{row}.jpg" for row in range(ROWS)],
        "y": LABELS,
        "split": SPLIT,
        "place": ATTRIBUTES,
        "place_filename": ["/a/b.jpg"] * ROWS,
    }
    return table(path / "metadata.csv", **{**columns, **changes})


def test_waterbirds(tmp_path: Path, features: Path) -> None:
    data = load_waterbirds(birds(tmp_path), features)
    assert data.group_names[1] == "landbird, water" and data.group_names[2] == "waterbird, land"
    assert np.array_equal(data.validation.inputs, FEATURES[6:12])
    assert np.array_equal(data.train.groups, (2 * LABELS + ATTRIBUTES)[:6])


def test_celeba_joins_its_two_files_by_the_name_of_the_image(tmp_path: Path, features: Path) -> None:
    names = [f"{row:06d}.jpg" for row in range(ROWS)]
    attributes = table(
        tmp_path / "list_attr_celeba.csv",
        image_id=names,
        Arched_Eyebrows=[1] * ROWS,
        Blond_Hair=2 * LABELS - 1,
        Male=2 * ATTRIBUTES - 1,
    )
    partition = table(
        tmp_path / "list_eval_partition.csv", image_id=names[::-1], partition=SPLIT[::-1].tolist()
    )
    data = load_celeba(attributes, partition, features)
    assert data.group_names[3] == "blond, male"
    assert np.array_equal(data.test.inputs, FEATURES[12:])
    assert np.array_equal(data.test.groups, (2 * LABELS + ATTRIBUTES)[12:])
    table(partition, image_id=names[1:], partition=SPLIT[1:])
    with pytest.raises(StorageError, match=r"no partition of the image 000000\.jpg"):
        load_celeba(attributes, partition, features)


@pytest.mark.parametrize("words", [False, True])
def test_multinli(tmp_path: Path, words: bool) -> None:
    names = ("contradiction", "entailment", "neutral")
    rows = np.arange(36)
    labels = [names[row % 3] if words else row % 3 for row in rows]
    metadata = table(
        tmp_path / "metadata_random.csv",
        **{"": rows, "gold_label": labels, "sentence2_has_negation": rows // 3 % 2, "split": rows // 12},
    )
    np.save(tmp_path / "bert.npy", np.ones((36, 2), np.float16))
    data = load_multinli(metadata, tmp_path / "bert.npy")
    assert data.label_names == names and data.test.labels.tolist() == [0, 1, 2] * 4
    assert data.counts("train").tolist() == [[2, 2]] * 3 and data.train.inputs.dtype == np.float32


def test_civilcomments_have_thresholds_and_comments_of_several_lines(tmp_path: Path, features: Path) -> None:
    shares: dict[str, Any] = {name: np.zeros(ROWS) for name in IDENTITIES}
    for row in np.flatnonzero(ATTRIBUTES):
        shares[IDENTITIES[row % 8]][row] = 0.5
    shares["black"][ATTRIBUTES == 0] = 0.49
    metadata = table(
        tmp_path / "all_data_with_identities.csv",
        **{"": range(ROWS), "comment_text": ['two\nlines, "quoted"'] * ROWS},
        split=[("train", "val", "test")[part] for part in SPLIT],
        toxicity=np.where(LABELS == 1, 0.5, 0.4999),
        **shares,
    )
    data = load_civilcomments(metadata, features)
    assert data.group_names[-1] == "toxic, identity"
    assert np.array_equal(data.test.groups, (2 * LABELS + ATTRIBUTES)[12:])


def test_arrays_in_one_file_with_or_without_names(tmp_path: Path) -> None:
    arrays: dict[str, Any] = {
        "features": FEATURES,
        "labels": LABELS,
        "attributes": ATTRIBUTES,
        "split": SPLIT,
    }
    np.savez(tmp_path / "plain.npz", **arrays)
    assert load_subpopulations(tmp_path / "plain.npz").group_names[1] == "0, 1"
    np.savez(tmp_path / "named.npz", **arrays, label_names=["no", "yes"], attribute_names=["a", "b"])
    data = load_subpopulations(tmp_path / "named.npz")
    assert data.group_names[1] == "no, b" and np.array_equal(data.train.inputs, FEATURES[:6])


def test_files_that_are_missing_or_something_else(tmp_path: Path, features: Path) -> None:
    with pytest.raises(StorageError, match=r"cannot read .*none\.npz: No such file"):
        load_subpopulations(tmp_path / "none.npz")
    with pytest.raises(StorageError, match=r"cannot read .*none\.csv: No such file"):
        load_waterbirds(tmp_path / "none.csv", features)
    with pytest.raises(StorageError, match=r"cannot read .*none\.npy: No such file"):
        load_waterbirds(birds(tmp_path), tmp_path / "none.npy")
    np.savez(tmp_path / "short.npz", features=FEATURES, labels=LABELS, split=SPLIT)
    with pytest.raises(StorageError, match="no array attributes in it"):
        load_subpopulations(tmp_path / "short.npz")
    np.savez(tmp_path / "pickled.npz", features=np.array([{}], dtype=object))
    with pytest.raises(StorageError, match=r"cannot read .*pickled\.npz"):
        load_subpopulations(tmp_path / "pickled.npz")
    (tmp_path / "text.npy").write_text("no array")
    with pytest.raises(StorageError, match=r"text\.npy.*expected a \.npy file"):
        load_waterbirds(birds(tmp_path), tmp_path / "text.npy")


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"y": np.where(LABELS == 1, 2, 0)}, InvalidSetting, "^labels = 2: .*landbird, waterbird"),
        ({"y": ["bird"] * ROWS}, StorageError, "column y: could not convert"),
        ({"y": [""] * ROWS}, StorageError, "column y: could not convert"),
        ({"place": LABELS + 0.5}, StorageError, "column place has entries that are no whole numbers"),
        ({"place": ["nan"] * ROWS}, StorageError, "column place has entries that are missing"),
        ({"split": [0] * ROWS}, InvalidSetting, r"^split = .*rows of validation \(1\)"),
        ({"split": [3] * ROWS}, InvalidSetting, "^split = 3"),
        ({"place": [0] * ROWS}, InvalidSetting, "^groups = 'landbird, water'"),
    ],
)
def test_metadata_that_make_no_sense(
    tmp_path: Path, features: Path, changes: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        load_waterbirds(birds(tmp_path, **changes), features)


def test_metadata_of_other_columns_or_cut_short(tmp_path: Path, features: Path) -> None:
    with pytest.raises(StorageError, match="no column place"):
        load_waterbirds(table(tmp_path / "a.csv", y=LABELS, split=SPLIT), features)
    (tmp_path / "b.csv").write_text("y,place,split\n0,1,0\n0,1")
    with pytest.raises(StorageError, match="row 1 has 2 entries, the heading 3"):
        load_waterbirds(tmp_path / "b.csv", features)
    np.save(features, FEATURES[1:])
    with pytest.raises(InvalidSetting, match=r"^features = .*shape \(18, d\)"):
        load_waterbirds(birds(tmp_path), features)
