"""Colored MNIST, from a file of MNIST or from the network."""

import gzip
import io
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int, UInt8

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.replicates import key_entropy
from freeridge.solvers.storage import StorageError, write_atomically
from freeridge.theory.colored_digits import RED_AND_GREEN, color_images
from freeridge.theory.grouped_data import GroupedData

_ACCEPTED = (
    "mnist.npz with the arrays x_train, y_train, x_test, y_test, or a folder with train-images-idx3-ubyte "
    "and train-labels-idx1-ubyte, gzipped (.gz) or not"
)
Images = tuple[UInt8[np.ndarray, "N h w"], Int[np.ndarray, " N"]]


def colored_mnist(
    key: Any,
    path: str | os.PathLike[str] | None = None,
    *,
    minority: float = 0.2,
    colors: Any = RED_AND_GREEN,
    pixel_noise: float = 0.0,
    rows: int | None = None,
) -> GroupedData:
    """MNIST, 28 x 28 pixels, coloured as :func:`freeridge.theory.colored_digits.colored_digits` are.

    Parameters
    ----------
    key : int or JAX key
        Seed of the choice of rows and of the minority, and of pixel noise.
    path : path, optional
        A file ``mnist.npz`` as Keras keeps it, with the arrays x_train, y_train, x_test, y_test; or a folder
        with the original files ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte`` and, if there are
        any, the same with ``t10k`` for ``train``, each gzipped (``.gz``) or not. Without a path the data set
        ``mnist_784`` of OpenML is fetched by scikit-learn, which checks it and keeps a copy for the next
        time.
    minority, colors, pixel_noise
        As for the digits; by default there are three channels, of which the third is empty but for the noise.
    rows : int, optional
        That many images, drawn without replacement; by default all 70,000, which are 1.3 GB in float64.

    Returns
    -------
    GroupedData
        C * 784 columns.

    Raises
    ------
    StorageError
        When a file is missing or is not MNIST, or there is no network.
    ImportError
        When the network is asked for and scikit-learn is not there.

    Examples
    --------
    >>> from freeridge.theory.colored_mnist import colored_mnist
    >>> colored_mnist(key=0, path="no/such/mnist.npz")
    Traceback (most recent call last):
        ...
    freeridge.solvers.storage.StorageError: cannot read no/such/mnist.npz: No such file or directory
    """
    images, digits = _from_network() if path is None else _from_path(Path(path))
    if rows is not None:
        whole = isinstance(rows, int | np.integer) and not isinstance(rows, bool)
        if not whole or not 0 < rows <= len(digits):
            raise InvalidSetting("rows", rows, f"a whole number from 1 to {len(digits)}, or None for all")
        rng = np.random.default_rng(np.random.SeedSequence(key_entropy(key), spawn_key=(0,)))
        kept = rng.permutation(len(digits))[:rows]
        images, digits = images[kept], digits[kept]
    return color_images(
        images / 255.0, digits, key, minority=minority, colors=colors, pixel_noise=pixel_noise
    )


def download_mnist(path: str | os.PathLike[str]) -> Path:
    """Fetch MNIST from OpenML and keep it as ``mnist.npz``, for a machine without a network.

    Parameters
    ----------
    path : path
        Where the file shall be; it is there in full or not at all.
    """
    images, digits = _from_network()
    content = io.BytesIO()
    # The order of OpenML is that of the original files: 60,000 training images, then the test images.
    np.savez_compressed(
        content,
        allow_pickle=False,
        x_train=images[:60_000],
        y_train=digits[:60_000],
        x_test=images[60_000:],
        y_test=digits[60_000:],
    )
    return write_atomically(path, lambda temporary: temporary.write_bytes(content.getvalue()))


def _from_network() -> Images:
    try:
        from sklearn.datasets import fetch_openml
    except ImportError:
        raise ImportError("MNIST is fetched by scikit-learn: pip install freeridge[data]") from None
    try:
        # Number 554 is mnist_784, version 1; this parser does without pandas.
        found = fetch_openml(data_id=554, as_frame=False, parser="liac-arff")
    except (OSError, ValueError) as error:  # ValueError: what came is not what OpenML has on record
        raise StorageError(
            f"cannot fetch MNIST from OpenML: {error}. Without a network give a file: path={_ACCEPTED}; "
            "download_mnist(path) writes one where there is a network"
        ) from error
    return np.asarray(found.data, np.uint8).reshape(-1, 28, 28), np.asarray(found.target).astype(np.int64)


def _from_path(path: Path) -> Images:
    try:
        return _from_folder(path) if path.is_dir() else _from_npz(path)
    except (gzip.BadGzipFile, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise StorageError(f"cannot read {path}: {error or 'cut short'}; expected {_ACCEPTED}") from error
    except OSError as error:
        raise StorageError(f"cannot read {error.filename or path}: {error.strerror or error}") from error


def _from_npz(path: Path) -> Images:
    with open(path, "rb") as file, np.load(file, allow_pickle=False) as arrays:
        images, digits = (
            np.concatenate([arrays[f"{kind}_train"], arrays[f"{kind}_test"]]) for kind in ("x", "y")
        )
    return _checked(images, digits.astype(np.int64))


def _from_folder(folder: Path) -> Images:
    images, digits = [], []
    for part in ("train", "t10k"):
        if part == "t10k" and not list(folder.glob("t10k-images-idx3-ubyte*")):
            continue
        images.append(_idx(folder / f"{part}-images-idx3-ubyte", 3))
        digits.append(_idx(folder / f"{part}-labels-idx1-ubyte", 1))
    return _checked(np.concatenate(images), np.concatenate(digits).astype(np.int64))


def _idx(path: Path, dimensions: int) -> np.ndarray:
    """An array in the format of the original files: four bytes that say bytes and how many dimensions, the
    sizes as big-endian 32-bit numbers, the entries.
    """
    zipped = path.with_name(f"{path.name}.gz")
    content = gzip.decompress(zipped.read_bytes()) if zipped.exists() else path.read_bytes()
    start = 4 + 4 * dimensions
    if content[:4] != bytes([0, 0, 8, dimensions]) or len(content) < start:
        raise ValueError(f"{path.name} is no idx file of bytes with {dimensions} dimensions")
    shape = np.frombuffer(content[4:start], ">u4").astype(int)
    if len(content) - start != shape.prod():
        raise ValueError(
            f"{path.name} has {len(content) - start} entries, not the {shape.prod()} it announces"
        )
    return np.frombuffer(content[start:], np.uint8).reshape(shape)


def _checked(images: np.ndarray, digits: np.ndarray) -> Images:
    if images.dtype != np.uint8 or images.ndim != 3 or digits.shape != (len(images),):
        raise ValueError(f"images of shape {images.shape} with labels of shape {digits.shape}")
    if len(digits) == 0 or digits.min() < 0 or digits.max() > 9:
        raise ValueError("labels that are not digits from 0 to 9")
    return images, digits
