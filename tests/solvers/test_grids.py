"""A grid in a file holds what it would hold in memory, in pieces, and is met with room or not at all."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import equinox as eqx
import h5netcdf
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from tests.solvers.cluster import ROOT, assert_same

import freeridge as fr
from freeridge.solvers.grids import InFile, InMemory, open_grid
from freeridge.solvers.parts import Columns
from freeridge.solvers.results import Code, Estimate, Prediction
from freeridge.solvers.storage import StorageError

BOXES: list[tuple[tuple[slice, ...], Columns]] = [
    ((slice(0, 2), slice(0, 2)), {"risk": np.arange(4.0).reshape(2, 2), "code": np.zeros((2, 2), np.int32)}),
    ((slice(2, 3), slice(1, 3)), {"group": np.ones((1, 2, 3)), "risk": np.full((1, 2), np.inf)}),
    ((slice(0, 1), slice(2, 3)), {"group": np.full((1, 1, 2), 2.0), "other": np.ones((1, 1, 4), np.float32)}),
]


class Varied(eqx.Module):
    """Refuses some points, diverges at others, and has answers of another length on another axis."""

    x: Any = eqx.field(converter=jnp.asarray)
    ridge: Any = eqx.field(converter=jnp.asarray)
    groups: int = eqx.field(static=True, default=2)
    scale: jax.Array | None = None

    def __check_init__(self) -> None:
        if self.groups < 1:
            raise fr.InvalidSetting("groups", self.groups, "a number > 0")
        if not isinstance(self.x, jax.core.Tracer) and self.x < 0:
            raise fr.InvalidSetting("x", float(self.x), "a number >= 0")

    def predict(self) -> Prediction:
        risk = self.x / self.ridge + (0.0 if self.scale is None else self.scale)
        code = jnp.where(jnp.isfinite(risk), 0, int(Code.DIVERGES)).astype(jnp.int32)
        group = risk[..., None] * jnp.arange(1.0, self.groups + 1)
        return Prediction({"risk": risk, "group": group}, jnp.zeros_like(risk), code)

    def simulate(self, key: Any, replicates: int = 2) -> Estimate:
        if self.x == 3:
            raise fr.InvalidSetting("x", 3.0, "anything else")
        shape = (*np.shape(self.ridge), self.groups)
        draws = np.random.default_rng(key).standard_normal((replicates, *shape))
        return Estimate({"group": draws.mean(0)}, {"group": draws.std(0)}, replicates, {})


AXES: dict[str, dict[str, Any]] = {
    "inner": {"x": np.linspace(0.0, 9.0, 10), "ridge": [0.0, 0.5, 1.0]},
    "outer": {"groups": [1, 3, 2], "scale": [None, 1.0]},
    "all, some refused": {"ridge": [0.0, 0.5, -1.0], "groups": [2, 0, 4], "x": [1.0, -1.0, 3.0, 2.0]},
    "one point": {"x": [2.0]},
}


@pytest.mark.parametrize("axes", list(AXES.values()), ids=list(AXES))
def test_a_sweep_in_a_file_is_the_one_in_memory(tmp_path: Path, axes: dict[str, Any]) -> None:
    request: dict[str, Any] = {"chunk": 4, "replicates": 2, "key": 3}
    here = fr.sweep(Varied(1.0, 0.5), axes, **request)
    there = fr.sweep(Varied(1.0, 0.5), axes, out=tmp_path / "risk.nc", **request)
    assert {"risk", "group", "group_simulated", "code"} <= set(there.data_vars)
    for name in here.variables:
        assert here[name].dtype == there[name].dtype and here[name].dims == there[name].dims
        assert set(here[name].attrs) == set(there[name].attrs)
    assert_same(there, here)
    assert_same(xr.load_dataset(tmp_path / "risk.nc", engine="h5netcdf"), here)


PEAK = """
import resource, sys
import jax, numpy as np
jax.config.update("jax_enable_x64", True)
import freeridge as fr
from tests.solvers.cluster import Watched
axes = {"x": np.linspace(0.0, 1.0, int(sys.argv[1])), "ridge": np.linspace(0.1, 1.0, 1000)}
found = fr.sweep(Watched(1.0, 0.5), axes, out=sys.argv[2], chunk=10_000)
assert float(found.risk[-1, -1]) == 2.0
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, found.nbytes // 2**20)
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_grid(tmp_path: Path) -> None:
    def run(length: int) -> list[int]:
        command = [sys.executable, "-c", PEAK, str(length), str(tmp_path / f"{length}.nc")]
        return list(
            map(int, subprocess.run(command, stdout=subprocess.PIPE, cwd=ROOT, check=True).stdout.split())
        )

    (small, _), (large, size) = run(100), run(3000)
    assert size > 55  # MB that are not in memory
    assert large < small + 20


@pytest.fixture
def in_file(tmp_path: Path) -> Callable[[], tuple[InFile, xr.Dataset]]:
    """A grid of boxes that were kept, and its coordinates."""

    def make() -> tuple[InFile, xr.Dataset]:
        grid = InFile(tmp_path / "grid.nc", (3, 3), (2, 2), lambda: iter(BOXES))
        for region, columns in BOXES:
            grid.place(region, columns)
        return grid, xr.Dataset(coords={"n": [1.0, 2.0, 3.0], "m": ["a", "b", "c"]}, attrs={"seed": 1})

    return make


def test_boxes_of_different_columns_are_put_together(
    in_file: Callable[[], tuple[InFile, xr.Dataset]],
) -> None:
    there, frame = in_file()
    here = InMemory((3, 3))
    for region, columns in BOXES:
        here.place(region, columns)
    assert set(there.names) == set(here.names) == {"risk", "code", "group", "other"}
    attributes = {"code": {"meanings": "of codes"}}
    written, expected = there.dataset(frame, attributes), here.dataset(frame, attributes)
    xr.testing.assert_identical(written.load(), expected)
    assert expected.group.dims == ("n", "m", "index_0") and expected.other.dims == ("n", "m", "other_index_0")
    assert np.isnan(expected.risk[0, 2]) and expected.code[2, 2] == Code.INVALID


def test_the_file_is_cut_in_boxes_and_read_when_asked(
    in_file: Callable[[], tuple[InFile, xr.Dataset]], tmp_path: Path
) -> None:
    grid, frame = in_file()
    opened = grid.dataset(frame, {})
    assert not opened.risk.variable._in_memory and opened.n.variable._in_memory
    assert float(opened.risk[1, 1]) == 3.0 and not opened.risk.variable._in_memory
    with h5netcdf.File(tmp_path / "grid.nc", "r") as file:
        assert file["risk"].chunks == (2, 2) and file["group"].chunks == (2, 2, 3)


def test_a_number_that_is_the_filling_of_others_is_one(tmp_path: Path) -> None:
    box = ((slice(0, 1),), {"code": np.array([int(Code.INVALID)], np.int32), "risk": np.array([np.nan])})
    grid = InFile(tmp_path / "grid.nc", (2,), (1,), lambda: iter([box]))
    grid.place(*box)
    found = grid.dataset(xr.Dataset(coords={"n": [1.0, 2.0]}), {})
    assert found.code.dtype == np.int32 and found.code.values.tolist() == [int(Code.INVALID)] * 2


def test_too_little_room_is_told_before_writing(
    in_file: Callable[[], tuple[InFile, xr.Dataset]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=10_000))
    grid, frame = in_file()
    with pytest.raises(StorageError, match=r"cannot write .*grid.nc: it takes .* bytes, and 10,000 are free"):
        grid.dataset(frame, {})
    assert not list(tmp_path.iterdir())


def test_a_writer_that_fails_leaves_no_file(
    in_file: Callable[[], tuple[InFile, xr.Dataset]], tmp_path: Path
) -> None:
    def breaks() -> Iterator[tuple[tuple[slice, ...], Columns]]:
        yield BOXES[0]
        raise RuntimeError("the disk is full after all")

    grid, frame = in_file()
    grid.kept = breaks
    with pytest.raises(StorageError, match="full after all"):
        grid.dataset(frame, {})
    assert not list(tmp_path.iterdir())


def test_what_is_no_grid_is_named(tmp_path: Path) -> None:
    (tmp_path / "grid.nc").write_text("no")
    with pytest.raises(StorageError, match=r"cannot read .*grid.nc: not a NetCDF file"):
        open_grid(tmp_path / "grid.nc")
