"""What workers are worth, what a piece costs on its way to them, and the memory of a sweep into a file.

64 equal pieces, of simulation and of theory, on one worker against two, of a real dask cluster on this
machine and as processes of it; all have one thread and have compiled before. Run by itself with a number of
points per axis, this file sweeps the square of it into a file and prints as JSON what it took:

    python tests/benchmarks/test_sweep_scaling.py 1000
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

PIECES, ROUNDS = 64, 2
D, ROWS, REPLICATES = 300, 600, 40  # of a simulated point
CHUNK = 16384  # points in a piece of theory
EMPTY = 1000  # pieces that do nothing
SIDES = (1000, 3162)
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "NPROC": "1", "JAX_ENABLE_X64": "1"}
KEPT = {"LOKY_MAX_MEMORY_LEAK_SIZE": "1e18"}  # compiled programs are no leak


def setting(d: int, n: float) -> Any:
    """Two populations through random projections, isotropic as those of the sweep of 1e8 points."""
    import freeridge as fr

    truth = fr.RandomVector(fr.Isotropic(d, 1 / d))
    other = truth + fr.RandomVector(fr.Isotropic(d, 0.5 / d))
    populations = [
        fr.Population(fr.Isotropic(d), truth, 0.1, share=0.75),
        fr.Population(fr.Isotropic(d, 2.0), other, 0.2, share=0.25),
    ]
    return fr.RidgeMixture(populations, n=n, ridge=1e-3, features=n)


def simulation(seed: int, **where: Any) -> None:
    """64 points, each drawn many times."""
    import freeridge as fr

    axes = {"populations.0.noise_variance": np.linspace(0.1, 0.2, PIECES)}
    fr.sweep(setting(D, ROWS), axes, replicates=REPLICATES, key=seed, chunk=PIECES, **where)


def theory(seed: int, **where: Any) -> None:
    """64 boxes of 16384 points."""
    import freeridge as fr

    axes = {"ridge": np.logspace(-6, -1 + seed / 10, PIECES), "features": np.logspace(0.5, 3.5, CHUNK)}
    fr.sweep(setting(64, 64.0), axes, chunk=CHUNK, **where)


def nothing() -> dict[str, np.ndarray]:
    return {}


@contextmanager
def dask_workers(folder: Path, count: int) -> Iterator[dict[str, Any]]:
    """A cluster with so many."""
    from tests.solvers.cluster import Cluster

    cluster = Cluster(folder, **ONE_THREAD)
    try:
        for _ in range(count):
            cluster.start_worker()
        yield {"client": cluster.address}
    finally:
        cluster.stop()


@contextmanager
def processes(count: int) -> Iterator[dict[str, Any]]:
    """So many of this machine; `workers=1` would be this one."""
    from loky import ProcessPoolExecutor

    executor = ProcessPoolExecutor(count, env=ONE_THREAD | KEPT)
    try:
        yield {"client": executor}
    finally:
        executor.shutdown(kill_workers=True)


def seconds(run: Any, *places: dict[str, Any]) -> list[float]:
    """The best of some rounds at each place, taken in turns; the first round compiles and is not counted."""
    taken: list[list[float]] = [[] for _ in places]
    for round_ in range(ROUNDS + 1):
        for where, times in zip(places, taken, strict=True):
            start = time.perf_counter()
            run(round_, **where)
            times.append(time.perf_counter() - start)
    return [min(times[1:]) for times in taken]


def per_piece(**where: Any) -> float:
    """Milliseconds of a piece that does nothing."""
    import freeridge as fr
    from freeridge.solvers.parts import Parts
    from freeridge.solvers.workers import Piece, compute_pieces, place

    with fr.on_workers(**where):
        pieces = [Piece(f"{k}", nothing, ()) for k in range(EMPTY)]
        for _ in range(2):  # the first time workers import everything
            start = time.perf_counter()
            assert sum(1 for _ in compute_pieces(pieces, Parts(None, ""), place().pool)) == EMPTY
            taken = time.perf_counter() - start
    return taken / EMPTY * 1e3


def report(benchmark: Any, found: dict[str, Any]) -> None:
    benchmark.extra_info.update(found)
    print(json.dumps(found, indent=2))


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers import this file to find the piece that does nothing."""
    root = str(Path(__file__).parents[2])
    monkeypatch.syspath_prepend(root)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([root, os.environ["PYTHONPATH"]]))


def test_two_dask_workers_against_one(benchmark: Any, tmp_path: Path) -> None:
    """Times are printed, never asserted."""
    with dask_workers(tmp_path, 1) as one, dask_workers(tmp_path, 2) as two:
        drawn = seconds(simulation, one, two)
        predicted = benchmark.pedantic(lambda: seconds(theory, one, two), rounds=1)
        found = {
            "simulation, seconds on one and two": drawn,
            "simulation, ratio": drawn[0] / drawn[1],
            "theory, seconds on one and two": predicted,
            "theory, ratio": predicted[0] / predicted[1],
            "milliseconds of an empty piece on one": per_piece(**one),
            "milliseconds of an empty piece on two": per_piece(**two),
        }
    report(benchmark, found | {"load": os.getloadavg()[0]})


def test_two_processes_against_one(benchmark: Any) -> None:
    """The process that asks takes part when it has no workers, with as many threads as there are cores."""
    with processes(1) as one, processes(2) as two:
        places = (one, two, {"workers": 1})
        drawn = seconds(simulation, *places)
        predicted = benchmark.pedantic(lambda: seconds(theory, *places), rounds=1)
        found = {
            "simulation, seconds on one, two and here": drawn,
            "simulation, ratio of one and two": drawn[0] / drawn[1],
            "theory, seconds on one, two and here": predicted,
            "theory, ratio of one and two": predicted[0] / predicted[1],
            "milliseconds of an empty piece on one": per_piece(**one),
            "milliseconds of an empty piece on two": per_piece(**two),
        }
    report(benchmark, found | {"load": os.getloadavg()[0]})


def into_a_file(side: int) -> dict[str, Any]:
    """A square of points, and the most memory that this process has had."""
    import resource

    import jax

    jax.config.update("jax_enable_x64", True)
    import freeridge as fr

    axes = {"n": np.logspace(0.5, 3.5, side), "features": np.logspace(0.5, 3.5, side)}
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        out, start = Path(folder) / "diagram.nc", time.perf_counter()
        found = fr.sweep(setting(64, 64.0), axes, out=out, progress=sys.stderr.isatty())
        taken = time.perf_counter() - start
        return {
            "points": side**2,
            "seconds": taken,
            "peak memory, MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10,
            "size of the file, MB": out.stat().st_size / 2**20,
            "first risks": found.risk[0, :2].values.tolist(),
        }


def test_memory_does_not_grow_with_points(benchmark: Any) -> None:
    def once() -> list[dict[str, Any]]:
        done = [
            subprocess.run([sys.executable, __file__, str(side)], stdout=subprocess.PIPE, check=True)
            for side in SIDES
        ]
        return [json.loads(one.stdout.splitlines()[-1]) for one in done]

    small, large = benchmark.pedantic(once, rounds=1)
    report(benchmark, {"one": small, "ten times as many": large})
    assert large["peak memory, MB"] < 1.1 * small["peak memory, MB"]


if __name__ == "__main__":
    print(json.dumps(into_a_file(int(sys.argv[1]))))
