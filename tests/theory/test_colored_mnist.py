"""MNIST from files of its two formats, and what is said when there is none."""

import gzip
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.error import URLError

import numpy as np
import pytest
import sklearn.datasets

import freeridge as fr
from freeridge.solvers.storage import StorageError
from freeridge.theory.colored_mnist import colored_mnist, download_mnist

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (30, 28, 28), dtype=np.uint8)
DIGITS = RNG.integers(0, 10, 30).astype(np.uint8)


def idx(array: np.ndarray) -> bytes:
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()


def folder_of(path: Path, zipped: bool = False) -> Path:
    for part, rows in (("train", slice(0, 20)), ("t10k", slice(20, 30))):
        for name, content in (("images-idx3", IMAGES[rows]), ("labels-idx1", DIGITS[rows])):
            raw = idx(content)
            if zipped:
                (path / f"{part}-{name}-ubyte.gz").write_bytes(gzip.compress(raw))
            else:
                (path / f"{part}-{name}-ubyte").write_bytes(raw)
    return path


def npz_of(path: Path) -> Path:
    file = path / "mnist.npz"
    np.savez(file, x_train=IMAGES[:20], y_train=DIGITS[:20], x_test=IMAGES[20:], y_test=DIGITS[20:])
    return file


@pytest.mark.parametrize("kind", ["npz", "folder", "zipped"])
def test_all_formats_hold_the_same(tmp_path: Path, kind: str) -> None:
    path = npz_of(tmp_path) if kind == "npz" else folder_of(tmp_path, kind == "zipped")
    data = colored_mnist(0, path, minority=0.3)
    assert data.inputs.shape == (30, 3 * 784)
    assert (data.groups == "conflicting").sum() == 9
    np.testing.assert_array_equal(data.labels, np.where(DIGITS >= 5, 1.0, -1.0))
    np.testing.assert_allclose(data.inputs.reshape(30, 3, 784).sum(axis=1), IMAGES.reshape(30, -1) / 255.0)


def test_training_images_alone_are_enough(tmp_path: Path) -> None:
    folder_of(tmp_path)
    for file in tmp_path.glob("t10k*"):
        file.unlink()
    assert len(colored_mnist(0, tmp_path).labels) == 20


def test_some_rows(tmp_path: Path) -> None:
    path = npz_of(tmp_path)
    one, same, other = (colored_mnist(key, path, rows=12) for key in (1, 1, 2))
    assert one.inputs.shape == (12, 2352)
    np.testing.assert_array_equal(one.inputs, same.inputs)
    assert np.any(one.inputs != other.inputs)
    whole = {image.tobytes() for image in IMAGES.reshape(30, -1) / 255.0}
    drawn = {image.tobytes() for image in one.inputs.reshape(12, 3, 784).sum(axis=1)}
    assert len(drawn) == 12
    assert drawn <= whole
    for rows in (0, 31, True):
        with pytest.raises(fr.InvalidSetting, match="a whole number from 1 to 30"):
            colored_mnist(0, path, rows=rows)


def cut(path: Path) -> Path:
    folder_of(path, zipped=True)
    file = path / "train-images-idx3-ubyte.gz"
    file.write_bytes(file.read_bytes()[:-40])
    return path


def swapped(path: Path) -> Path:
    folder_of(path)
    (path / "train-images-idx3-ubyte").rename(path / "train-labels-idx1-ubyte")
    return path


def short(path: Path) -> Path:
    folder_of(path)
    (path / "train-labels-idx1-ubyte").write_bytes(idx(DIGITS[:20])[:-1])
    return path


def unequal(path: Path) -> Path:
    folder_of(path)
    (path / "train-labels-idx1-ubyte").write_bytes(idx(DIGITS[:19]))
    return path


def letters(path: Path) -> Path:
    folder_of(path)
    (path / "train-labels-idx1-ubyte").write_bytes(idx(DIGITS[:20] + np.uint8(1)))
    return path


def missing_labels(path: Path) -> Path:
    folder_of(path)
    (path / "t10k-labels-idx1-ubyte").unlink()
    return path


def text(path: Path) -> Path:
    (path / "mnist.npz").write_text("an error page")
    return path / "mnist.npz"


def other_arrays(path: Path) -> Path:
    np.savez(path / "mnist.npz", images=IMAGES)
    return path / "mnist.npz"


def reals(path: Path) -> Path:
    half = IMAGES / 255.0
    np.savez(path / "mnist.npz", x_train=half, y_train=DIGITS, x_test=half, y_test=DIGITS)
    return path / "mnist.npz"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        pytest.param(cut, "expected mnist.npz with", id="file cut short"),
        pytest.param(swapped, "No such file|no idx file", id="swapped"),
        pytest.param(short, "has 19 entries, not the 20 it announces", id="entries missing"),
        pytest.param(unequal, r"labels of shape", id="fewer labels than images"),
        pytest.param(letters, "digits from 0 to 9", id="other labels"),
        pytest.param(missing_labels, "t10k-labels-idx1-ubyte: No such file", id="file missing"),
        pytest.param(text, "expected mnist.npz with", id="not an archive"),
        pytest.param(other_arrays, "x_train", id="other arrays"),
        pytest.param(reals, "expected mnist.npz with", id="not bytes"),
        pytest.param(lambda path: path, "train-images-idx3-ubyte: No such file", id="empty folder"),
        pytest.param(lambda path: path / "no.npz", "no.npz: No such file", id="no file"),
    ],
)
def test_a_broken_file_is_named_with_what_is_expected(tmp_path: Path, make: Any, message: str) -> None:
    with pytest.raises(StorageError, match=message) as refused:
        colored_mnist(0, make(tmp_path))
    assert str(tmp_path) in str(refused.value)


def test_without_a_network_a_file_is_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def unreachable(**options: Any) -> Any:
        raise URLError("Name or service not known")

    monkeypatch.setattr(sklearn.datasets, "fetch_openml", unreachable)
    with pytest.raises(StorageError, match=r"Name or service not known.*give a file: path=mnist.npz"):
        colored_mnist(0)
    with pytest.raises(StorageError, match="cannot fetch MNIST"):
        download_mnist(tmp_path / "mnist.npz")
    assert not list(tmp_path.iterdir())


def test_what_is_downloaded_can_be_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked = []

    def fetch(**options: Any) -> Any:
        asked.append(options)
        return SimpleNamespace(
            data=IMAGES.reshape(30, -1).astype(float), target=DIGITS.astype(str).astype(object)
        )

    monkeypatch.setattr(sklearn.datasets, "fetch_openml", fetch)
    direct = colored_mnist(0)
    assert asked == [{"data_id": 554, "as_frame": False, "parser": "liac-arff"}]
    path = download_mnist(tmp_path / "new" / "mnist.npz")
    read = colored_mnist(0, path)
    np.testing.assert_array_equal(read.inputs, direct.inputs)
    np.testing.assert_array_equal(read.groups, direct.groups)
