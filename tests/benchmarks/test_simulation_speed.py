"""Price of one replicate of the Monte Carlo: n = 2000, d = 1000, m = 1500, two populations, 50 ridges.

Compared in one run, on the same cores: scikit-learn's Ridge over the same path, given its features for free,
and a route written by hand for this one experiment straight on BLAS and LAPACK, in one process per core. The
latter draws the same triangular factors, so that only the linear algebra differs. Run by itself, this file is
one such process: it prints the seconds per replicate of the route named on its command line.
"""

import os
import statistics
import subprocess
import sys
import time
from typing import Any

import numpy as np

N, D, M = 2000, 1000, 1500
RIDGES = np.geomspace(1e-6, 10.0, 50)
SPREAD = np.linspace(0.5, 1.5, D)  # second population; the first is isotropic, and so is the test population
NOISE = (0.25, 0.5)
ROUNDS = 3
REPLICATES = 4  # of each worker in each round


def ours(key: int, replicates: int, workers: int) -> dict[str, Any]:
    from freeridge.solvers.ridge_path import LabelSource, RidgeExperiment, simulate_ridge_path

    one = np.ones(D)
    real = LabelSource(np.ones(2), 1.0, one / D)
    shift = LabelSource(np.array([0.0, 1.0]), 0.0, 0.1 * one / D)
    experiment = RidgeExperiment(
        (one, SPREAD), (N // 2, N // 2), np.array(NOISE), RIDGES, one, (real, shift), features=M
    )
    return simulate_ridge_path(experiment, key, replicates, workers=workers, backend="numpy").mean


def by_hand(key: int) -> dict[str, Any]:
    """The same experiment for exactly this case: n_s >= d, m >= d, isotropic labelers and test population."""
    from scipy.linalg import blas, lapack

    rng = np.random.default_rng(key)
    above = ~np.tri(D, dtype=bool)
    diagonal = np.arange(D)

    def lower(freedom: Any) -> Any:
        matrix = np.zeros((D, D), order="F")
        matrix.T[above] = rng.standard_normal(D * (D - 1) // 2)
        matrix[diagonal, diagonal] = np.sqrt(rng.chisquare(freedom))
        return matrix

    first, second = lower(N // 2 - diagonal[::-1]), lower(N // 2 - diagonal[::-1])
    second *= SPREAD[None, :]
    mixing = lower(M - diagonal)
    mixing /= D**0.5
    moment = lapack.dlauum(first, lower=1, overwrite_c=1)[0]
    moment += lapack.dlauum(second, lower=1)[0]
    moment /= N
    kernel = lapack.dsygst(moment, mixing, itype=2, lower=1, overwrite_a=1)[0]
    values, vectors, _ = lapack.dsyevd(kernel, lower=1, overwrite_a=1)
    primal = blas.dtrmm(1.0, mixing, vectors, lower=1)
    dual = blas.dtrsm(1.0, mixing, vectors, lower=1, trans_a=1, overwrite_b=1)
    scores = blas.dtrmm(1.0, second, primal, lower=1)
    noise = blas.dsyrk((NOISE[1] - NOISE[0]) / N, scores, trans=1, lower=1)
    noise[diagonal, diagonal] += NOISE[0] * values
    moved = blas.dtrmm(1.0 / N, second, scores, lower=1, trans_a=1, overwrite_b=1)
    metric = blas.dsyrk(1.0, primal, trans=1, lower=1)
    inverse = 1.0 / (values[None, :] + RIDGES[:, None])

    def form(vectors: Any, entries: Any) -> Any:  # only the lower triangle is filled
        entries *= metric
        return 2 * ((vectors @ entries) * vectors).sum(1) - vectors**2 @ entries[diagonal, diagonal]

    parts = {
        "bias": form(RIDGES[:, None] * inverse, blas.dsyrk(1.0 / D, dual, trans=1, lower=1)),
        "variance": form(inverse, noise) / N,
        "mismatch": form(inverse, blas.dsyrk(0.1 / D, moved, trans=1, lower=1)),
    }
    return {"risk": sum(parts.values()), **parts}


def scikit_learn(ridges: Any) -> float:
    """Seconds for the fits alone, features, labels and test risk given for free."""
    from sklearn.linear_model import Ridge

    rng = np.random.default_rng(0)
    features, labels = rng.standard_normal((N, M)), rng.standard_normal(N)
    start = time.perf_counter()
    for ridge in ridges:
        Ridge(alpha=N * ridge, fit_intercept=False).fit(features, labels)
    return time.perf_counter() - start


def in_processes(route: str, count: int) -> float:
    """Seconds per replicate with `count` processes of one BLAS thread each, started together."""
    limits = {name: "1" for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")}
    settings = os.environ | limits | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, __file__, route]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=settings)
        for _ in range(count)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    seconds = [float(process.communicate()[0]) for process in processes]
    return statistics.mean(seconds) / count


def test_replicate_against_scikit_learn_and_hand_written_lapack(benchmark: Any) -> None:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    mean, hand = ours(0, 8, cores), [by_hand(key) for key in range(8)]
    for part in ("risk", "bias", "variance", "mismatch"):  # the routes compute the same thing
        np.testing.assert_allclose(mean[part], np.mean([one[part] for one in hand], axis=0), rtol=0.1)

    replicates = REPLICATES * cores
    threads, by_processes, lapack, learn = [], [], [], []
    chosen = RIDGES[[0, 25, 49]]  # every fit costs the same: three stand for fifty
    for _ in range(ROUNDS):
        start = time.perf_counter()
        ours(1, replicates, cores)
        threads.append((time.perf_counter() - start) / replicates)
        by_processes.append(in_processes("ours", cores))
        lapack.append(in_processes("hand", cores))
        learn.append(scikit_learn(chosen) * len(RIDGES) / len(chosen))
    benchmark.pedantic(ours, args=(2, replicates, cores), rounds=1, iterations=1)

    seconds = {
        "freeridge, threads": statistics.median(threads),
        "freeridge, processes": statistics.median(by_processes),
        "hand-written LAPACK, processes": statistics.median(lapack),
        "scikit-learn Ridge, 3 fits x 50/3": statistics.median(learn),
    }
    base = seconds["freeridge, threads"]
    print(f"\nseconds per replicate, n = {N}, d = {D}, m = {M}, {len(RIDGES)} ridges, {cores} cores")
    for name, value in seconds.items():
        print(f"  {name:35} {value:8.3f}   {value / base:7.2f} x freeridge")
        benchmark.extra_info[name] = value


def main(route: str) -> None:
    def run(replicates: int) -> None:
        if route == "ours":
            ours(1, replicates, workers=1)
        else:
            for key in range(replicates):
                by_hand(key)

    run(2)
    print("ready", flush=True)
    sys.stdin.readline()
    start = time.perf_counter()
    run(REPLICATES)
    print((time.perf_counter() - start) / REPLICATES)


if __name__ == "__main__":
    main(sys.argv[1])
