"""Pieces here, in threads and in processes: the same numbers, whatever dies, and nothing computed twice."""

import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, CancelledError, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from tests.solvers.cluster import (
    Notes,
    Watched,
    assert_same,
    kept,
    killed_while_it_asks,
    meanwhile,
    sweep,
)

import freeridge as fr
from freeridge.solvers import workers as module
from freeridge.solvers.cores import available_cores
from freeridge.solvers.parts import Columns, Parts
from freeridge.solvers.replicates import run_replicates
from freeridge.solvers.workers import Piece, Pool, WorkersLost, compute_pieces, place

# What a sweep sends ahead to two processes.
IN_FLIGHT = 4


def _square(x: int) -> Columns:
    return {"square": np.array(x**2), "cores": np.array(available_cores()), "apart": np.array(place().apart)}


def _refuse(x: int) -> Columns:
    raise fr.InvalidSetting("x", x, "another one")


def _pieces(count: int) -> list[Piece]:
    return [Piece(f"piece-{x}", _square, (x,), x) for x in range(count)]


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as executor:
        yield executor


def test_pieces_of_a_pool_are_those_of_this_process(threads: ThreadPoolExecutor) -> None:
    pool, nothing = Pool(threads, lambda: 3), Parts(None, "")
    found = {piece.about: columns for piece, columns in compute_pieces(_pieces(10), nothing, pool)}
    assert sorted(found) == list(range(10))
    for x, columns in found.items():
        assert isinstance(columns, dict) and columns["square"] == x**2
        assert columns["cores"] == 1 and not columns["apart"]  # a piece is whole, and there are others


def test_no_more_pieces_are_taken_than_there_is_room_for(threads: ThreadPoolExecutor) -> None:
    """There may be very many: what is done is handed over before the next ones are made."""
    taken, done = [], 0

    def pieces() -> Iterator[Piece]:
        for piece in _pieces(20):
            taken.append(piece)
            assert len(taken) - done <= 3
            yield piece

    for _ in compute_pieces(pieces(), Parts(None, ""), Pool(threads, lambda: 3)):
        done += 1
    assert done == 20


@pytest.mark.parametrize("there", [False, True])
def test_what_is_kept_is_not_computed_again(tmp_path: Path, threads: ThreadPoolExecutor, there: bool) -> None:
    pool = Pool(threads, lambda: 3) if there else None
    first: Any = compute_pieces(_pieces(6), Parts(tmp_path, "plan"), pool)
    for _ in range(4):
        next(first)
    first.close()
    again = [Piece(piece.name, _refuse, piece.arguments, piece.about) for piece in _pieces(6)]
    answers = list(compute_pieces(again, Parts(tmp_path, "plan"), pool, fr.InvalidSetting))
    assert len(answers) == 6
    # A refusal is an answer, and the rest is still there to be had.
    assert sum(isinstance(columns, dict) for _, columns in answers) == 4
    assert len(list(tmp_path.iterdir())) == 4


@pytest.mark.parametrize("there", [False, True])
def test_an_error_that_is_no_answer_ends_the_computation(threads: ThreadPoolExecutor, there: bool) -> None:
    pool, piece = Pool(threads, lambda: 3) if there else None, Piece("piece", _refuse, (1,))
    with pytest.raises(fr.InvalidSetting, match="x = 1: expected another one"):
        list(compute_pieces([piece], Parts(None, ""), pool, ZeroDivisionError))


def test_other_software_is_told_and_is_no_answer(
    monkeypatch: pytest.MonkeyPatch, threads: ThreadPoolExecutor
) -> None:
    """Not even where a refusal is one."""
    name, *rest = module._software()
    monkeypatch.setattr(module, "_software", lambda: (f"{name}.1", *rest))
    real, asked = module.compute_there, (name, *rest, module.own_device())
    monkeypatch.setattr(module, "compute_there", lambda environment, payload: real(asked, payload))
    expected = f"client = .a worker with other software \\({name}.1, not {name}\\).: expected the same"
    with pytest.raises(fr.InvalidSetting, match=expected):
        list(compute_pieces(_pieces(3), Parts(None, ""), Pool(threads, lambda: 3), fr.InvalidSetting))


class Doomed(ThreadPoolExecutor):
    """Loses what it is given, as often as it is told to."""

    left = 0

    def submit(self, *arguments: Any, **options: Any) -> "Future[Any]":
        if type(self).left == 0:
            return super().submit(*arguments, **options)
        type(self).left -= 1
        lost: Future[Any] = Future()
        lost.set_exception(BrokenExecutor("a process is gone"))
        return lost


@pytest.mark.parametrize(("times", "ends"), [(3, False), (4, True)])
def test_a_broken_executor_is_replaced_a_few_times(
    monkeypatch: pytest.MonkeyPatch, times: int, ends: bool
) -> None:
    monkeypatch.setattr(Doomed, "left", times)
    pool = Pool(Doomed(1), lambda: 1, renew=lambda: Doomed(1))
    computed = compute_pieces(_pieces(3), Parts(None, ""), pool)
    if ends:
        with pytest.raises(WorkersLost, match="process is gone. Of the finished pieces nothing is kept; run"):
            list(computed)
    else:
        assert len(list(computed)) == 3


def test_what_cannot_be_replaced_is_told(tmp_path: Path) -> None:
    class Gone(ThreadPoolExecutor):
        def submit(self, *arguments: Any, **options: Any) -> "Future[Any]":
            lost: Future[Any] = Future()
            lost.set_exception(CancelledError())
            return lost

    list(compute_pieces(_pieces(2), Parts(tmp_path, "plan"), None))
    with pytest.raises(WorkersLost) as lost:
        list(compute_pieces(_pieces(3), Parts(tmp_path, "plan"), Pool(Gone(1), lambda: 2)))
    assert str(lost.value) == (
        "workers are lost: the scheduler is gone. Of the finished pieces 2 are kept in "
        f"{tmp_path}; run the same again to go on"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"workers": 0}, "workers = 0: expected a whole number >= 1"),
        ({"workers": True}, "workers = True"),
        ({"workers": 2, "client": ThreadPoolExecutor(1)}, "workers = 2: expected no client beside it"),
        ({"client": 8786}, "client = 8786: expected the address of a dask scheduler"),
        ({"client": "host:8786:1"}, "scheduler = 'host:8786:1': expected the address of a dask scheduler"),
    ],
)
def test_what_takes_no_pieces_is_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(fr.InvalidSetting, match=message), fr.on_workers(**options):
        pass


def test_without_dask_its_name_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ImportError, match="freeridge.distributed"), fr.on_workers("tcp://127.0.0.1:8786"):
        pass


def _draw(rng: np.random.Generator) -> dict[str, Any]:
    return {"normal": rng.standard_normal(3), "cores": available_cores()}


@pytest.mark.parametrize("replicates", [5, 70])
def test_replicates_in_batches_are_those_of_this_process(
    tmp_path: Path, threads: ThreadPoolExecutor, replicates: int
) -> None:
    here = run_replicates(_draw, 3, replicates)
    with fr.on_workers(threads):
        there = run_replicates(_draw, 3, replicates)
    with fr.on_workers(keep=tmp_path / "parts"):
        kept_here = run_replicates(_draw, 3, replicates)
        assert 5 <= len(list((tmp_path / "parts").iterdir())) <= 32
    for other in (there, kept_here):
        np.testing.assert_array_equal(other.values["normal"], here.values["normal"])
        np.testing.assert_array_equal(other.standard_error["normal"], here.standard_error["normal"])
    assert bool((there.values["cores"] == 1).all())
    assert not (tmp_path / "parts").exists()


def test_replicates_that_cannot_travel_are_drawn_here(threads: ThreadPoolExecutor) -> None:
    lock = threading.Lock()

    def draw(rng: np.random.Generator) -> dict[str, Any]:
        with lock:
            return _draw(rng)

    with pytest.raises(TypeError):
        pickle.dumps(lock)
    with fr.on_workers(threads):
        there = run_replicates(draw, 3, 6)
    np.testing.assert_array_equal(there.values["normal"], run_replicates(_draw, 3, 6).values["normal"])


def test_interrupted_replicates_go_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(tmp_path)

    def draw(rng: np.random.Generator) -> dict[str, Any]:
        number = len(list(Path(folder).glob("drawn-*")))
        if number == 4 and not Path(folder, "go-on").exists():
            raise KeyboardInterrupt
        Path(folder, f"drawn-{number}").touch()
        return _draw(rng)

    undisturbed = run_replicates(_draw, 3, 6)
    with pytest.raises(KeyboardInterrupt), fr.on_workers(keep=tmp_path / "parts"):
        run_replicates(draw, 3, 6, workers=1)
    said = capsys.readouterr().err
    assert said == f"interrupted: 4 pieces are kept in {tmp_path / 'parts'}; run the same again to go on\n"

    (tmp_path / "go-on").touch()
    with fr.on_workers(keep=tmp_path / "parts"):
        resumed = run_replicates(draw, 3, 6)
    np.testing.assert_array_equal(resumed.values["normal"], undisturbed.values["normal"])
    assert len(list(tmp_path.glob("drawn-*"))) == 6 and not (tmp_path / "parts").exists()


def test_what_one_folder_keeps_is_there_until_all_is_done(tmp_path: Path) -> None:
    """Also the pieces of a sweep that has ended, when the next one is interrupted."""
    axes = {"x": [1.0, 2.0]}
    with fr.on_workers(keep=tmp_path / "parts"):
        fr.sweep(Watched(1.0, 0.5), axes)
        assert len(list((tmp_path / "parts").iterdir())) == 1
        fr.sweep(Watched(1.0, 0.6), axes, workers=1)
        assert len(list((tmp_path / "parts").iterdir())) == 2
    assert not (tmp_path / "parts").exists()


@pytest.mark.slow
def test_processes_give_the_numbers_of_this_one(notes: Notes, undisturbed: xr.Dataset) -> None:
    with meanwhile(lambda: None, notes):
        there = sweep(workers=2)
    assert there.identical(undisturbed)
    assert len(notes.processes()) == 2 and os.getpid() not in notes.processes()
    assert set(notes.begun().values()) == {1}


@pytest.mark.slow
def test_a_killed_process_is_replaced(notes: Notes, undisturbed: xr.Dataset, tmp_path: Path) -> None:
    with meanwhile(lambda: os.kill(min(notes.processes()), signal.SIGKILL), notes):
        there = sweep(workers=2, out=tmp_path / "risk.nc")
    assert_same(there, undisturbed)
    assert len(notes.processes()) > 2
    assert 1 <= sum(times - 1 for times in notes.begun().values()) <= IN_FLIGHT


@pytest.mark.slow
def test_a_point_that_kills_its_process_once_is_computed(notes: Notes, undisturbed: xr.Dataset) -> None:
    notes.open.touch()
    (notes.folder / "once-11").touch()
    assert_same(sweep(workers=2), undisturbed)
    assert notes.begun()[11] == 2


@pytest.mark.slow
def test_a_point_that_kills_every_process_ends_the_sweep(
    notes: Notes, undisturbed: xr.Dataset, tmp_path: Path
) -> None:
    out = tmp_path / "risk.nc"
    notes.open.touch()
    (notes.folder / "always-11").touch()
    with pytest.raises(WorkersLost, match="kept in .*risk.nc.parts; run the same again"):
        sweep(workers=2, out=out)
    assert kept(out) and not out.exists() and 1 < notes.begun()[11] <= 4
    (notes.folder / "always-11").unlink()
    assert_same(sweep(workers=2, out=out), undisturbed)


@pytest.mark.slow
def test_after_the_one_who_asks_is_killed_it_goes_on(
    notes: Notes, undisturbed: xr.Dataset, tmp_path: Path
) -> None:
    out = tmp_path / "risk.nc"
    script = killed_while_it_asks("workers=2", out, notes)
    assert subprocess.run([sys.executable, script]).returncode == 0
    assert_same(xr.load_dataset(out), undisturbed)
    assert sum(times - 1 for times in notes.begun().values()) <= IN_FLIGHT


def _mixture() -> fr.RidgeMixture:
    d = 24
    truth = fr.RandomVector(fr.Isotropic(d, 1 / d))
    other = truth + fr.RandomVector(fr.Isotropic(d, 0.5 / d))
    populations = [
        fr.Population(fr.Isotropic(d), truth, 0.1, share=0.5),
        fr.Population(fr.PowerLaw(d, 1.0), other, 0.2, share=0.5),
    ]
    return fr.RidgeMixture(populations, n=24, ridge=1e-2, features=12)


@pytest.mark.slow
def test_a_real_setting_is_the_same_in_processes(tmp_path: Path) -> None:
    axes = {"n": [12.0, 24.0, 48.0], "features": [8.0, 24.0], "ridge": [1e-3, 1e-1]}
    request: dict[str, Any] = {"chunk": 4, "replicates": 6, "key": 3}
    here, one = fr.sweep(_mixture(), axes, **request), fr.validate(_mixture(), replicates=6, key=1)
    with fr.on_workers(workers=2):
        assert_same(fr.sweep(_mixture(), axes, out=tmp_path / "risk.nc", **request), here)
        two = fr.validate(_mixture(), replicates=6, key=1)
    assert str(one) == str(two) and one.to_dict() == two.to_dict()
