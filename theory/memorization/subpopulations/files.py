"""Features of Waterbirds, CelebA, MultiNLI and CivilComments from local files.

Features are what a pretrained network makes of the images or texts, one row each. They come in one file with
labels and attributes (:func:`load_subpopulations`), or as an array beside the metadata that are published
with the data (the other functions): ``features.npy``, of shape (N, d), whose rows are in the order of the
rows of the metadata. Nothing is downloaded, and no pickle is opened.
"""

import csv
import os
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.storage import StorageError
from freeridge.theory.memorization.subpopulations.data import SubpopulationData, assemble

Path_ = str | os.PathLike[str]
_ARRAYS = ("features", "labels", "attributes", "split")
_SPLITS = {"train": 0, "val": 1, "valid": 1, "validation": 1, "test": 2, "0": 0, "1": 1, "2": 2}
IDENTITIES = ("male", "female", "LGBTQ", "christian", "muslim", "other_religions", "black", "white")


def load_subpopulations(path: Path_) -> SubpopulationData:
    """Data of one's own, from one file.

    Parameters
    ----------
    path : path
        An ``.npz`` file with the arrays ``features`` (N, d), ``labels`` (N,), ``attributes`` (N,) and
        ``split`` (N,): 0 for training, 1 for validation, 2 for the test; see
        :func:`freeridge.theory.memorization.subpopulations.data.assemble`. Texts ``label_names`` and
        ``attribute_names`` may be there too.

    Raises
    ------
    StorageError
        When there is no such file, or an array is missing in it.
    InvalidSetting
        When an array is not as it should be.

    Examples
    --------
    >>> import tempfile
    >>> path = tempfile.mkdtemp() + "/birds.npz"
    >>> half = np.arange(12) // 2
    >>> np.savez(path, features=np.eye(12), labels=half % 2, attributes=np.arange(12) % 2, split=half // 2)
    >>> load_subpopulations(path).counts("test").tolist()
    [[1, 1], [1, 1]]
    """

    def read() -> dict[str, np.ndarray]:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}

    found = _reading(path, read, "an .npz file with the arrays " + ", ".join(_ARRAYS))
    missing = [name for name in _ARRAYS if name not in found]
    if missing:
        raise StorageError(f"cannot read {path}: no array {missing[0]} in it; expected {', '.join(_ARRAYS)}")
    names = {
        name: [str(one) for one in found[name]]
        for name in ("label_names", "attribute_names")
        if name in found
    }
    return assemble(*(found[name] for name in _ARRAYS), **names)


def load_waterbirds(metadata: Path_, features: Path_) -> SubpopulationData:
    """Waterbirds (Sagawa et al. 2020): landbirds and waterbirds, on land and on water.

    Parameters
    ----------
    metadata : path
        ``metadata.csv`` with the columns ``y``, ``place`` and ``split``; others are not read. Training rows
        of the published file: 3498, 184 (landbirds on land, on water), 56, 1057 (waterbirds).
    features : path
        ``.npy``, rows in the order of the metadata.

    Raises
    ------
    StorageError, InvalidSetting
        As :func:`load_subpopulations` does, and for a column that is missing.
    """
    table = _table(metadata, ("y", "place", "split"))
    return _assembled(
        features,
        _numbers(metadata, "y", table["y"]),
        _numbers(metadata, "place", table["place"]),
        _split(metadata, table["split"]),
        ("landbird", "waterbird"),
        ("land", "water"),
    )


def load_celeba(attributes: Path_, partition: Path_, features: Path_) -> SubpopulationData:
    """CelebA (Liu et al. 2015): whether hair is blond, and whether the person is male.

    Parameters
    ----------
    attributes : path
        ``list_attr_celeba.csv`` with the columns ``image_id``, ``Blond_Hair`` and ``Male`` of -1 and 1.
    partition : path
        ``list_eval_partition.csv`` with ``image_id`` and ``partition``, in any order. Training rows of the
        published files: 71629, 66874 (not blond, female, male), 22880, 1387 (blond).
    features : path
        ``.npy``, rows in the order of the attributes.

    Raises
    ------
    StorageError, InvalidSetting
        As :func:`load_waterbirds` does, and for an image without a partition.
    """
    table = _table(attributes, ("image_id", "Blond_Hair", "Male"))
    parts = _table(partition, ("image_id", "partition"))
    where = dict(zip(parts["image_id"], parts["partition"], strict=True))
    lost = [name for name in table["image_id"] if name not in where]
    if lost:
        raise StorageError(f"cannot read {partition}: no partition of the image {lost[0]}")
    signs = {"-1": "0", "1": "1"}
    return _assembled(
        features,
        _numbers(attributes, "Blond_Hair", [signs.get(sign, sign) for sign in table["Blond_Hair"]]),
        _numbers(attributes, "Male", [signs.get(sign, sign) for sign in table["Male"]]),
        _split(partition, [where[name] for name in table["image_id"]]),
        ("not blond", "blond"),
        ("female", "male"),
    )


def load_multinli(metadata: Path_, features: Path_) -> SubpopulationData:
    """MultiNLI (Williams et al. 2018) as Sagawa et al. split it: entailment, and negation as the attribute.

    Parameters
    ----------
    metadata : path
        ``metadata_random.csv`` with the columns ``gold_label`` (0, 1, 2 for contradiction, entailment and
        neutral, or these words), ``sentence2_has_negation`` and ``split``. Training rows of the published
        file: 57498, 11158 (contradiction without and with negation), 67376, 1521 (entailment), 66630, 1992
        (neutral).
    features : path
        ``.npy``, rows in the order of the metadata.

    Raises
    ------
    StorageError, InvalidSetting
        As :func:`load_waterbirds` does.
    """
    names = ("contradiction", "entailment", "neutral")
    table = _table(metadata, ("gold_label", "sentence2_has_negation", "split"))
    numbers = {name: str(number) for number, name in enumerate(names)}
    return _assembled(
        features,
        _numbers(metadata, "gold_label", [numbers.get(label, label) for label in table["gold_label"]]),
        _numbers(metadata, "sentence2_has_negation", table["sentence2_has_negation"]),
        _split(metadata, table["split"]),
        names,
        ("no negation", "negation"),
    )


def load_civilcomments(metadata: Path_, features: Path_) -> SubpopulationData:
    """CivilComments (Borkan et al. 2019) as in WILDS: toxic comments, and whether they name an identity.

    A comment is toxic when at least half of the raters said so, and names an identity when this holds for one
    of :data:`IDENTITIES`: the coarse groups, four that do not overlap. (WILDS has also the fine ones, one for
    each identity, which do.)

    Parameters
    ----------
    metadata : path
        ``all_data_with_identities.csv`` with the columns ``toxicity``, ``split`` (train, val, test) and the
        eight identities, shares between 0 and 1. Training rows of the published file: 148186, 90337 (not
        toxic, without and with an identity), 12731, 17784 (toxic).
    features : path
        ``.npy``, rows in the order of the metadata.

    Raises
    ------
    StorageError, InvalidSetting
        As :func:`load_waterbirds` does.
    """
    table = _table(metadata, ("toxicity", "split", *IDENTITIES))
    named = np.any([_shares(metadata, name, table[name]) >= 0.5 for name in IDENTITIES], axis=0)
    return _assembled(
        features,
        (_shares(metadata, "toxicity", table["toxicity"]) >= 0.5).astype(np.int64),
        named.astype(np.int64),
        _split(metadata, table["split"]),
        ("not toxic", "toxic"),
        ("no identity", "identity"),
    )


def _assembled(
    features: Path_,
    labels: np.ndarray,
    attributes: np.ndarray,
    split: np.ndarray,
    label_names: Sequence[str],
    attribute_names: Sequence[str],
) -> SubpopulationData:
    """With the array of features, which stays on the disk until its rows are taken."""
    matrix = _reading(
        features,
        lambda: np.load(Path(features), mmap_mode="r", allow_pickle=False),
        "a .npy file with one row of features for each row of the metadata",
    )
    if not isinstance(matrix, np.ndarray) or matrix.ndim != 2 or len(matrix) != len(labels):
        raise InvalidSetting(
            "features", matrix, f"shape ({len(labels)}, d): one row for each row of the metadata"
        )
    return assemble(
        matrix, labels, attributes, split, label_names=label_names, attribute_names=attribute_names
    )


def _reading(path: Path_, read: Callable[[], Any], expected: str) -> Any:
    try:
        return read()
    except (ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise StorageError(f"cannot read {path}: {error or 'cut short'}; expected {expected}") from error
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror or error}") from error


def _table(path: Path_, columns: Sequence[str]) -> Mapping[str, list[str]]:
    """Some columns of a file of comma-separated values with a heading."""

    def read() -> dict[str, list[str]]:
        with open(path, newline="", encoding="utf-8") as file:
            rows = csv.reader(file)
            heading = next(rows, [])
            places = {name: heading.index(name) for name in columns if name in heading}
            if len(places) < len(columns):
                raise ValueError(f"no column {next(name for name in columns if name not in places)}")
            found: dict[str, list[str]] = {name: [] for name in columns}
            for number, row in enumerate(rows):
                if len(row) != len(heading):
                    raise ValueError(f"row {number} has {len(row)} entries, the heading {len(heading)}")
                for name, place in places.items():
                    found[name].append(row[place])
            return found

    found: dict[str, list[str]] = _reading(path, read, "a .csv file with the columns " + ", ".join(columns))
    return found


def _split(path: Path_, entries: Sequence[str]) -> Int[np.ndarray, " N"]:
    return _numbers(path, "split", [str(_SPLITS.get(entry.strip(), entry)) for entry in entries])


def _numbers(path: Path_, column: str, entries: Sequence[str]) -> Int[np.ndarray, " N"]:
    """Whole numbers, of which the range is checked with their names."""
    found = _shares(path, column, entries)
    if np.any(found != np.round(found)):
        raise StorageError(f"cannot read {path}: column {column} has entries that are no whole numbers")
    return found.astype(np.int64)


def _shares(path: Path_, column: str, entries: Sequence[str]) -> np.ndarray:
    try:
        found = np.array([float(entry) for entry in entries])
    except ValueError as error:
        raise StorageError(f"cannot read {path}: column {column}: {error}") from error
    if not np.all(np.isfinite(found)):
        raise StorageError(f"cannot read {path}: column {column} has entries that are missing or infinite")
    return found
