"""A file is whole or absent, errors name the path, fingerprints see content and nothing else."""

import errno
import json
import os
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
import xarray as xr

import freeridge as fr
from freeridge.solvers.parts import Parts
from freeridge.solvers.storage import (
    StorageError,
    fingerprint,
    load_dataset,
    provenance,
    save_dataset,
    write_atomically,
)


def _mixture(noise: float = 0.1, shared: bool = True) -> fr.RidgeMixture:
    truth = fr.RandomVector(fr.Isotropic(10, 0.1))
    other = truth if shared else fr.RandomVector(fr.Isotropic(10, 0.1))
    return fr.RidgeMixture(
        [fr.Population(fr.Isotropic(10), w, noise, share=0.5) for w in (truth, other)], n=20, ridge=0.1
    )


def _full_disk(*_: Any, **__: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_an_existing_file_is_replaced_only_by_a_whole_one(tmp_path: Path) -> None:
    path = tmp_path / "note.txt"
    path.write_text("old")

    def fails_half_way(temporary: Path) -> None:
        temporary.write_text("ne")
        raise RuntimeError("half-way")

    with pytest.raises(RuntimeError, match="half-way"):
        write_atomically(path, fails_half_way)
    assert path.read_text() == "old"
    assert write_atomically(path, lambda temporary: temporary.write_text("new")) == path
    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == ["note.txt"]


@pytest.mark.parametrize("function", ["replace", "fsync"])
def test_a_full_disk_leaves_nothing_and_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str
) -> None:
    monkeypatch.setattr(os, function, _full_disk)
    path = tmp_path / "risk.nc"
    with pytest.raises(StorageError) as caught:
        save_dataset(xr.Dataset({"risk": ("n", [1.0])}), path)
    assert str(caught.value) == f"cannot write {path}: No space left on device"
    assert os.listdir(tmp_path) == []


def test_a_full_disk_while_writing_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def writes_a_little(path: Path, content: bytes) -> None:
        with open(path, "wb") as file:
            file.write(content[:10])
        _full_disk()

    monkeypatch.setattr(Path, "write_bytes", writes_a_little)
    with pytest.raises(StorageError, match="No space left on device"):
        save_dataset(xr.Dataset({"risk": ("n", [1.0])}), tmp_path / "risk.nc")
    with pytest.raises(StorageError, match="No space left on device"):
        Parts(tmp_path, "plan").get("one", lambda: {"risk": np.ones(2)})
    assert os.listdir(tmp_path) == []


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for write in (lambda path: write_atomically(path, Path.touch), lambda path: Parts(path, "plan")):
        with pytest.raises(StorageError) as caught:
            write(tmp_path / "file" / "out")
        assert str(tmp_path / "file") in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_target_that_is_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "risk.nc").mkdir()
    with pytest.raises(StorageError, match=r"cannot write .*risk\.nc: "):
        save_dataset(xr.Dataset(), tmp_path / "risk.nc")
    assert os.listdir(tmp_path) == ["risk.nc"]


def test_dataset_comes_back_the_same(tmp_path: Path) -> None:
    data = xr.Dataset(
        {"risk": (("features", "covariance.d"), np.array([[0.1, np.nan], [np.inf, 1e-300]]))},
        coords={"features": ["None", "100"], "covariance.d": [10, 20]},
        attrs={"versions": "{}", "parameters": {"ridge": np.array([0.5]), "test": None}},
    )
    back = load_dataset(save_dataset(data, tmp_path / "risk.nc"))
    assert json.loads(back.attrs.pop("parameters")) == {"ridge": [0.5], "test": None}
    del data.attrs["parameters"]
    xr.testing.assert_identical(back, data)


def test_what_is_not_netcdf_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "risk.nc"
    path.write_text("not at all")
    with pytest.raises(StorageError, match="not a NetCDF file"):
        load_dataset(path)


def test_provenance_is_plain_json() -> None:
    described = provenance(_mixture(), seed=jax.random.key(3))
    assert json.loads(json.dumps(described)) == described
    assert described["class"] == "RidgeMixture"
    assert described["seed"] == [0, 3]
    populations = described["fields"]["populations"]
    assert populations[1]["fields"]["noise_variance"] == 0.1
    assert [p["fields"]["labeler"]["fields"]["identity"] for p in populations] == [0, 0]
    long = provenance(fr.Eigenvalues(np.arange(1.0, 101.0)))["fields"]["values"]
    assert long["shape"] == [100]


def test_fingerprint_sees_content_and_which_vectors_are_the_same() -> None:
    assert fingerprint(_mixture()) == fingerprint(_mixture())
    different = [fingerprint(s) for s in (_mixture(), _mixture(noise=0.2), _mixture(shared=False))]
    assert len(set(different)) == 3
    values = np.arange(100.0)
    assert fingerprint(values) != fingerprint(np.where(values == 50.0, np.nextafter(50.0, 51.0), values))
    assert fingerprint(lambda score: score > 0.5) != fingerprint(lambda score: score > 0.6)


def test_a_harmed_part_is_computed_again(tmp_path: Path) -> None:
    Parts(tmp_path, "plan").get("one", lambda: {"risk": np.ones(2)})
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:20])
    parts = Parts(tmp_path, "plan")
    assert parts.get("one", lambda: {"risk": np.zeros(2)})["risk"].tolist() == [0.0, 0.0]
    assert Parts(tmp_path, "other").get("one", lambda: {"risk": np.ones(1)})["risk"].tolist() == [1.0]
    parts.remove()
    assert len(os.listdir(tmp_path)) == 1
