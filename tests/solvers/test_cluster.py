"""Two real workers of dask over TCP: the numbers are those of this process, whoever is killed on the way."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import xarray as xr
from tests.solvers.cluster import (
    POINTS,
    ROOT,
    Cluster,
    Notes,
    assert_same,
    kept,
    kill,
    killed_while_it_asks,
    meanwhile,
    sweep,
)

import freeridge as fr
from freeridge.solvers.workers import WorkersLost

# What a sweep sends ahead to two workers of one thread.
IN_FLIGHT = 8


@pytest.fixture
def cluster(tmp_path: Path, notes: Notes) -> Iterator[Cluster]:
    found = Cluster(tmp_path)
    try:
        yield found
    finally:
        found.stop()


def test_two_workers_give_the_numbers_of_this_process(cluster: Cluster, notes: Notes) -> None:
    for _ in range(2):
        cluster.start_worker()
    with meanwhile(lambda: None, notes):
        there = sweep(client=cluster.address)
    assert len(notes.processes()) == 2 and os.getpid() not in notes.processes()
    assert set(notes.begun().values()) == {1}
    assert there.identical(sweep())


@pytest.mark.slow
def test_a_killed_worker_is_done_without(
    cluster: Cluster, notes: Notes, undisturbed: xr.Dataset, tmp_path: Path
) -> None:
    first, _ = cluster.start_worker(), cluster.start_worker()
    with meanwhile(lambda: kill(first), notes):
        there = sweep(client=cluster.address, out=tmp_path / "risk.nc")
    assert_same(there, undisturbed)
    assert 1 <= sum(times - 1 for times in notes.begun().values()) <= IN_FLIGHT


@pytest.mark.slow
def test_a_new_worker_takes_over_from_all_others(
    cluster: Cluster, notes: Notes, undisturbed: xr.Dataset
) -> None:
    first, second = cluster.start_worker(), cluster.start_worker()

    def exchange() -> None:
        kill(first)
        kill(second)
        cluster.start_worker()

    with meanwhile(exchange, notes):
        there = sweep(client=cluster.address)
    assert_same(there, undisturbed)
    assert len(notes.processes()) == 3


@pytest.mark.slow
def test_after_a_killed_scheduler_it_goes_on(
    cluster: Cluster, notes: Notes, undisturbed: xr.Dataset, tmp_path: Path
) -> None:
    out = tmp_path / "risk.nc"
    for _ in range(2):
        cluster.start_worker()
    with meanwhile(lambda: kill(cluster.scheduler), notes), pytest.raises(WorkersLost) as lost:
        sweep(client=cluster.address, out=out)
    message = str(lost.value)
    assert "the scheduler is gone" in message and f"{out}.parts" in message and "\n" not in message
    done = len(kept(out))
    assert done >= 1 and not out.exists() and notes.begun().total() - done <= IN_FLIGHT

    cluster.stop()
    notes.forget()
    again = Cluster(tmp_path)
    try:
        again.start_worker()
        assert_same(sweep(client=again.address, out=out), undisturbed)
    finally:
        again.stop()
    assert notes.begun().total() == POINTS - done


@pytest.mark.slow
def test_after_the_one_who_asks_is_killed_it_goes_on(
    cluster: Cluster, notes: Notes, undisturbed: xr.Dataset, tmp_path: Path
) -> None:
    out = tmp_path / "risk.nc"
    for _ in range(2):
        cluster.start_worker()
    script = killed_while_it_asks(f"client={cluster.address!r}", out, notes)
    assert subprocess.run([sys.executable, script]).returncode == 0
    assert_same(xr.load_dataset(out), undisturbed)
    assert sum(times - 1 for times in notes.begun().values()) <= IN_FLIGHT
    assert not Path(f"{out}.parts").exists()


@pytest.mark.slow
def test_a_point_that_kills_every_worker_ends_the_sweep(
    tmp_path: Path, notes: Notes, undisturbed: xr.Dataset
) -> None:
    out = tmp_path / "risk.nc"
    notes.open.touch()
    (notes.folder / "always-11").touch()
    cluster = Cluster(tmp_path)
    try:
        for _ in range(2):
            cluster.start_worker(nanny="--nanny")  # who starts another one
        with pytest.raises(WorkersLost, match="kept in .*risk.nc.parts; run the same again"):
            sweep(client=cluster.address, out=out)
        assert kept(out) and notes.begun()[11] == 4
        (notes.folder / "always-11").unlink()
        assert_same(sweep(client=cluster.address, out=out), undisturbed)
    finally:
        cluster.stop()


@pytest.mark.slow
def test_a_worker_with_other_software_is_refused(
    cluster: Cluster, notes: Notes, undisturbed: xr.Dataset, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(ROOT / "src" / "freeridge", other / "freeridge")  # the links become folders
    with open(other / "freeridge" / "solvers" / "tables.py", "a") as file:
        file.write("\n\ndef other() -> None: ...\n")
    notes.open.touch()
    cluster.start_worker(PYTHONPATH=os.pathsep.join([str(other), str(ROOT)]))
    with pytest.raises(fr.InvalidSetting, match="other software .source .{12}, not source .{12}.*: expected"):
        sweep(client=cluster.address)
    # One of two is as bad: what it has answered is no part of a result.
    cluster.start_worker()
    try:
        assert_same(sweep(client=cluster.address), undisturbed)
    except fr.InvalidSetting as error:
        assert "other software" in str(error)


@pytest.mark.slow
def test_a_worker_that_is_told_otherwise_computes_in_float64(
    cluster: Cluster, notes: Notes, undisturbed: xr.Dataset
) -> None:
    notes.open.touch()
    cluster.start_worker(JAX_ENABLE_X64="0")
    assert_same(sweep(client=cluster.address), undisturbed)
