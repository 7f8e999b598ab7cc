"""Files that are whole or absent: atomic writing, and datasets with their provenance.

A reader never sees half a file, whatever ends the writer: the bytes go to a temporary file in the same
folder, are flushed to the disk, and only then take the name. NetCDF is built in memory first, so that a full
disk is met by an ordinary write, where the system names the reason, and not inside the HDF5 library.
"""

import dataclasses
import hashlib
import importlib
import io
import json
import os
import platform
import sys
import uuid
from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from freeridge.solvers.callables import describe_callable, describe_class
from freeridge.solvers.errors import InvalidSetting

_LONGEST = 32  # entries of an array that are written out; longer ones are named by their shape and hash


class StorageError(OSError):
    """A file could not be written or read; the message is one line with the path and the reason.

    Examples
    --------
    >>> from freeridge.solvers.storage import load_dataset
    >>> load_dataset("no/such/file.nc")
    Traceback (most recent call last):
        ...
    freeridge.solvers.storage.StorageError: cannot read no/such/file.nc: No such file or directory
    """


def write_atomically(path: str | os.PathLike[str], writer: Callable[[Path], object]) -> Path:
    """Write a file so that it is there in full or not at all; an older file of that name stays until then.

    Parameters
    ----------
    path : path
        Where the file shall be; missing folders are made.
    writer : callable
        Gets a temporary path in the same folder, with the same suffix, and writes the file there.

    Returns
    -------
    Path
        The path, for the message to the user.

    Raises
    ------
    StorageError
        When the system refuses (full disk, folder that cannot be written to). No temporary file is left, then
        or after any other error of `writer`, which is passed on.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "new" / "note.txt"
    >>> write_atomically(path, lambda temporary: temporary.write_text("done")).read_text()
    'done'
    """
    target = Path(path)
    temporary = target.with_name(f".{target.stem}-{uuid.uuid4().hex}{target.suffix}")
    try:
        _make_folder(target.parent)
        writer(temporary)
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except OSError as error:
        _discard(temporary)
        raise refused("write", target, error) from error
    except BaseException:
        _discard(temporary)
        raise
    return target


def save_dataset(dataset: Any, path: str | os.PathLike[str]) -> Path:
    """Write an xarray Dataset as NetCDF, with the versions that made it.

    Parameters
    ----------
    dataset : xarray.Dataset
        Put ``provenance(setting, seed)`` in ``attrs["parameters"]`` to say what it holds;
        ``attrs["versions"]`` is added. Attributes that NetCDF does not have are written as JSON.
    path : path
        Usually with the suffix ``.nc``.

    Returns
    -------
    Path
        The file, which is there in full.

    Examples
    --------
    >>> import tempfile, xarray
    >>> path = tempfile.mkdtemp() + "/risk.nc"
    >>> data = xarray.Dataset({"risk": ("n", [0.5, 0.25])}, attrs={"parameters": {"ridge": 0.1}})
    >>> load_dataset(save_dataset(data, path)).attrs["parameters"]
    '{"ridge": 0.1}'
    """
    attributes = {"versions": versions(), **dataset.attrs}
    plain = dataset.assign_attrs({name: _attribute(value) for name, value in attributes.items()})
    content = bytes(plain.to_netcdf(engine="h5netcdf"))
    return write_atomically(path, lambda temporary: temporary.write_bytes(content))


def load_dataset(path: str | os.PathLike[str]) -> Any:
    """Read a NetCDF file into memory, and close it.

    Returns
    -------
    xarray.Dataset

    Raises
    ------
    StorageError
        When there is no such file or it is not NetCDF.
    """
    import xarray as xr

    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise refused("read", path, error) from error
    try:
        return xr.load_dataset(io.BytesIO(content), engine="h5netcdf")
    except (OSError, ValueError) as error:
        raise StorageError(f"cannot read {path}: not a NetCDF file") from error


def provenance(setting: Any, seed: Any = None) -> dict[str, Any]:
    """What a setting is, as plain dictionaries, lists and numbers that go into a JSON text.

    Parameters
    ----------
    setting : object
        Any setting, nested as it may be.
    seed : int, sequence of int or JAX key, optional
        What the simulation beside it was seeded with.

    Returns
    -------
    dict
        Name of the class and its fields. Long arrays are given by shape and hash. Independent random vectors
        are numbered in order of appearance: equal numbers, the same vector.

    Examples
    --------
    >>> import freeridge as fr
    >>> provenance(fr.PowerLaw(100, exponent=1.5), seed=3)
    {'class': 'PowerLaw', 'fields': {'d': 100, 'exponent': 1.5, 'trace': None}, 'seed': 3}
    """
    described: dict[str, Any] = _describe(setting, {})
    return described if seed is None else {**described, "seed": _describe(seed, {})}


def fingerprint(*parts: Any) -> str:
    """Hash of the content of settings, arrays, numbers and texts: the same in another process.

    Examples
    --------
    >>> import freeridge as fr
    >>> one, same, other = (fingerprint(fr.Isotropic(3, scale)) for scale in (1.0, 1, 2.0))
    >>> one == same, one == other
    (True, False)
    """
    text = json.dumps(_describe(list(parts), {}), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def versions() -> dict[str, str]:
    """Versions of what the numbers depend on.

    Examples
    --------
    >>> list(versions())
    ['freeridge', 'jax', 'numpy', 'python']
    """
    found = {name: importlib.import_module(name).__version__ for name in ("freeridge", "jax", "numpy")}
    return {**found, "python": platform.python_version()}


def _make_folder(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)


def _discard(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return  # the reason that brought us here is the one to report


def refused(verb: str, path: str | os.PathLike[str], error: OSError) -> StorageError:
    """The error for a file that the system does not let us write or read."""
    reason = error.strerror or str(error) or type(error).__name__
    # The name that the system complains about may be a folder above the file.
    named = f" ({error.filename})" if isinstance(error, FileExistsError | NotADirectoryError) else ""
    return StorageError(" ".join(f"cannot {verb} {os.fspath(path)}: {reason}{named}".split()))


def _attribute(value: Any) -> Any:
    if isinstance(value, str | np.ndarray | np.generic) or (
        isinstance(value, int | float) and not isinstance(value, bool)
    ):
        return value
    return json.dumps(_describe(value, {}))


def _describe(value: Any, seen: dict[Any, int]) -> Any:
    """The value in terms of JSON; `seen` numbers random vectors and functions."""
    if isinstance(value, Enum):
        return f"{type(value).__name__}.{value.name}"
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if np.isfinite(value) else repr(float(value))
    if isinstance(value, Mapping):
        return {str(name): _describe(one, seen) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_describe(one, seen) for one in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {}
        for field in dataclasses.fields(value):
            entry = getattr(value, field.name)
            # A counter that tells objects of one process apart: what it means is which of them are the same.
            fields[field.name] = (
                seen.setdefault(entry, len(seen)) if field.name == "identity" else _describe(entry, seen)
            )
        own = describe_class(type(value), lambda inner: _describe(inner, seen))
        return {"class": type(value).__name__, "fields": fields, **own}
    if isinstance(value, ModuleType | np.dtype):
        return str(getattr(value, "__name__", value))
    if callable(value):
        return describe_callable(value, lambda inner: _describe(inner, seen), seen)
    return _describe_array(value, seen)


def _describe_array(value: Any, seen: dict[Any, int]) -> Any:
    dtype = getattr(value, "dtype", None)
    if dtype is None:
        raise InvalidSetting(
            "value", value, "a setting, numbers, texts, or arrays: only these can be recorded"
        )
    if not isinstance(dtype, np.dtype):  # a JAX key of the new style
        value = sys.modules["jax"].random.key_data(value)
    array = np.asarray(value)
    if array.size <= _LONGEST:
        return _describe(array.tolist(), seen)
    content = np.ascontiguousarray(array).tobytes()
    return {
        "shape": list(array.shape),
        "dtype": str(array.dtype),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
