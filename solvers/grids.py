"""Columns of boxes put together over a grid: in memory, or in a file that never is in memory as a whole."""

import os
import shutil
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from freeridge.solvers.parts import Columns
from freeridge.solvers.results import Code
from freeridge.solvers.storage import StorageError, write_atomically

Region = tuple[slice, ...]

_ROOM = 2**20  # bytes of a file beside its columns


class InMemory:
    """Columns over a grid as arrays.

    Examples
    --------
    >>> grid = InMemory((2, 3))
    >>> grid.place((slice(0, 1), slice(1, 3)), {"risk": np.ones((1, 2))})
    >>> grid.columns["risk"]
    array([[nan,  1.,  1.],
           [nan, nan, nan]])
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape
        self.columns: Columns = {}

    @property
    def names(self) -> Collection[str]:
        """Columns that there are."""
        return self.columns

    def place(self, region: Region, columns: Columns) -> None:
        """Put the columns of a box where they belong."""
        for name, column in columns.items():
            trailing = column.shape[len(self.shape) :]
            whole = self.columns.get(name)
            if whole is None:
                whole = np.full((*self.shape, *trailing), _fill(name), column.dtype)
            missing = np.maximum(np.subtract(trailing, whole.shape[len(self.shape) :]), 0)
            if missing.any():
                pads = [(0, 0)] * len(self.shape) + [(0, int(more)) for more in missing]
                whole = np.pad(whole, pads, constant_values=_fill(name))
            whole[(*region, *map(slice, trailing))] = column
            self.columns[name] = whole

    def dataset(self, frame: xr.Dataset, attributes: Mapping[str, Any]) -> xr.Dataset:
        """Everything, with coordinates and attributes, and the attributes of some columns."""
        names = [str(name) for name in frame.sizes]
        trailing = {name: column.shape[len(names) :] for name, column in self.columns.items()}
        dims = _dimensions(names, trailing)
        return frame.assign(
            {name: (dims[name], column, attributes.get(name)) for name, column in self.columns.items()}
        )


class InFile:
    """Columns over a grid in a NetCDF file, which is written at the end, one box after the other.

    Parameters
    ----------
    path : Path
    shape : tuple of int
        Of the grid.
    box : tuple of int
        Shape in which the file is cut.
    kept : callable
        The boxes once more, from where they are kept until then.
    """

    def __init__(
        self,
        path: Path,
        shape: tuple[int, ...],
        box: tuple[int, ...],
        kept: Callable[[], Iterable[tuple[Region, Columns]]],
    ) -> None:
        self.path, self.shape, self.box, self.kept = path, shape, box, kept
        self._types: dict[str, np.dtype] = {}
        self._trailing: dict[str, tuple[int, ...]] = {}

    @property
    def names(self) -> Collection[str]:
        """Columns that there are."""
        return self._types

    def place(self, region: Region, columns: Columns) -> None:
        """Note the kinds and lengths of the columns of a box."""
        for name, column in columns.items():
            trailing = column.shape[len(self.shape) :]
            self._types[name] = column.dtype
            known = self._trailing.get(name, trailing)
            self._trailing[name] = tuple(map(max, known, trailing))

    def dataset(self, frame: xr.Dataset, attributes: Mapping[str, Any]) -> xr.Dataset:
        """Everything, written and opened."""
        self._require_room()

        def write(temporary: Path) -> None:
            frame.to_netcdf(temporary, engine="h5netcdf")
            try:
                self._append(temporary, [str(name) for name in frame.sizes], attributes)
            except RuntimeError as error:  # of HDF5, when the disk refuses after all
                raise OSError(str(error)) from error

        return open_grid(write_atomically(self.path, write))

    def _append(self, file: Path, names: list[str], attributes: Mapping[str, Any]) -> None:
        import h5netcdf

        with h5netcdf.File(file, "r+") as target:
            for name, dims in _dimensions(names, self._trailing).items():
                trailing = self._trailing[name]
                for dimension, size in zip(dims[len(names) :], trailing, strict=True):
                    if dimension not in target.dimensions:
                        target.dimensions[dimension] = size
                chunks = (*self.box, *trailing)
                column = target.create_variable(
                    name, dims, self._types[name], chunks=chunks, fillvalue=_fill(name)
                )
                # A number that happens to be the filling is a number.
                del column.attrs["_FillValue"]
                column.attrs.update(attributes.get(name, {}))
            for region, columns in self.kept():
                for name, part in columns.items():
                    rest = map(slice, part.shape[len(names) :])
                    target.variables[name][(*region, *rest)] = part

    def _require_room(self) -> None:
        points = int(np.prod(self.shape, dtype=np.int64))
        needed = _ROOM + sum(
            points * kind.itemsize * int(np.prod(self._trailing[name], dtype=np.int64))
            for name, kind in self._types.items()
        )
        free = shutil.disk_usage(self.path.parent).free
        if free < needed:
            raise StorageError(f"cannot write {self.path}: it takes {needed:,} bytes, and {free:,} are free")


Sink = InMemory | InFile


def open_grid(path: str | os.PathLike[str]) -> xr.Dataset:
    """A grid in a file, read when its numbers are asked for."""
    try:
        return xr.open_dataset(path, engine="h5netcdf")
    except (OSError, ValueError) as error:
        raise StorageError(f"cannot read {os.fspath(path)}: not a NetCDF file") from error


def _fill(name: str) -> Any:
    """What stands where nothing was computed."""
    return int(Code.INVALID) if name == "code" else np.nan


def _dimensions(names: Sequence[str], trailing: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[str, ...]]:
    """Dimensions of every column: those of the grid, then `index_0` and so on."""
    lengths: dict[str, int] = {}
    found = {}
    for column, sizes in trailing.items():
        extra = []
        for k, size in enumerate(sizes):
            shared = f"index_{k}"
            extra.append(shared if lengths.setdefault(shared, size) == size else f"{column}_index_{k}")
        found[column] = (*names, *extra)
    return found
