"""Where the time of a simulation goes, step by step, against the speed of a product of matrices in the same
run.

The numbers in ``docs/performance.md``: ``python docs/evidence/simulation_profile.py`` for d = 250 and 1000,
and with ``4000`` behind it for that size, each one some minutes of processor time. Printed per replicate:
seconds of processor time, the share of every step, and its speed as a fraction of that of a product of d x
d matrices with as many threads. The arithmetic is nominal: a product with a triangle counts half of a full
one, eigenvectors 14/3 d^3 (4/3 to tridiagonal form, 4/3 for divide and conquer, 2 back), an inverse d^3.
"""

import os
import platform
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import scipy
from threadpoolctl import threadpool_limits

from freeridge.solvers import kernels, lapack, one_ridge, ridge_modes, ridge_path, ridge_risks
from freeridge.solvers.ridge_path import LabelSource, RidgeExperiment, simulate_ridge_path

SEED = 0
REPLICATES = {250: 16, 1000: 4, 4000: 2}
STEPS = ("draws", "Gram matrices", "eigenvectors", "inverse", "products")
HEAD = (
    "| n, d, m | populations | ridges | workers | s | " + " | ".join(STEPS) + " | traces, rest | all |",
    "|---" * (7 + len(STEPS)) + "|",
)


class Profile:
    """Processor seconds and nominal operations of each step; of nested calls the outermost counts."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.operations: dict[str, float] = defaultdict(float)
        self._lock, self._local = threading.Lock(), threading.local()

    def watch(self, owner: Any, name: str, step: str, operations: Callable[..., float]) -> None:
        """Time a function from here on, with the operations that its arguments ask for."""
        function = getattr(owner, name)

        def timed(*arguments: Any, **named: Any) -> Any:
            inner = getattr(self._local, "inner", False)
            # Inputs F z with a dense F are a product inside the draws.
            count = operations(*arguments, **named)
            if inner:
                if self._local.inner == "draws" and step == "products":
                    with self._lock:
                        self.operations["draws"] += count
                return function(*arguments, **named)
            self._local.inner = step
            start = time.thread_time()
            try:
                return function(*arguments, **named)
            finally:
                with self._lock:
                    self.seconds[step] += time.thread_time() - start
                    self.operations[step] += count
                self._local.inner = False

        setattr(owner, name, timed)


def matrix_times(matrix: Any, other: Any, *_: Any) -> float:
    """Operations of X V or X'V."""
    rows, columns = matrix.entries.shape
    width = other.shape[1] if other.ndim == 2 else 1
    return (1.0 if matrix.lower else 2.0) * rows * columns * width


def matrix_product(left: Any, right: Any, *_: Any) -> float:
    """Operations of X S; of two triangles a sixth is left."""
    rows, inner = left.entries.shape
    full = 2.0 * rows * inner * right.entries.shape[1]
    return full / 6 if left.lower and right.lower else full / 2 if left.lower or right.lower else full


def matrix_gram(matrix: Any, *_: Any) -> float:
    """Operations of X'X."""
    rows, columns = matrix.entries.shape
    return rows * columns**2 / (3.0 if matrix.lower else 1.0)


def form(one: Any, *_: Any) -> float:
    """Operations of left'right, half of them for a Gram matrix."""
    return (1.0 if one.left is one.right else 2.0) * one.left.shape[0] * one.left.shape[1] ** 2


def dense(matrix: Any, other: Any) -> float:
    """Operations of a weight times a matrix, none to speak of for a diagonal one."""
    return 2.0 * len(matrix) * other.size if np.ndim(matrix) == 2 else 0.0


def watched() -> Profile:
    """Every step of `simulate_ridge_path` under watch."""
    profile = Profile()
    profile.watch(ridge_path, "draw_sample", "draws", lambda *_: 0.0)
    for name, operations in (("times", matrix_times), ("transposed_times", matrix_times)):
        profile.watch(kernels.Matrix, name, "products", operations)
    profile.watch(kernels.Matrix, "product", "Gram matrices", matrix_product)
    profile.watch(kernels.Matrix, "gram", "Gram matrices", matrix_gram)
    profile.watch(one_ridge, "_penalty", "Gram matrices", lambda mixing: 2 / 3 * len(mixing) ** 3)
    profile.watch(one_ridge, "_inverse", "inverse", lambda moment, *_: len(moment) ** 3)
    profile.watch(ridge_modes, "_top", "eigenvectors", lambda second, *_: 14 / 3 * len(second) ** 3)
    profile.watch(
        lapack, "triangular_solve", "products", lambda lower, tall, *_, **__: len(lower) * tall.size
    )
    profile.watch(ridge_risks._Form, "full", "products", form)
    for module in (one_ridge, ridge_risks):
        profile.watch(module, "weighted", "products", dense)
    profile.watch(one_ridge, "_rooted", "products", lambda resolvent, root: dense(root, resolvent))
    return profile


def experiment(d: int, kind: str, groups: int, projected: bool, ridges: int) -> RidgeExperiment:
    """The example of the tables: test population the first, labeler isotropic, its shift in the second."""
    one, rng = np.ones(d), np.random.default_rng(SEED)
    if kind == "isotropic":
        factors: list[Any] = [one] * groups
    elif kind == "power law":
        factors = [np.arange(1, d + 1.0) ** (-0.25 * (s + 1)) for s in range(groups)]
    else:
        factors = [np.eye(d) + 0.3 * rng.standard_normal((d, d)) / d**0.5 for _ in range(groups)]
    test = factors[0] ** 2 if factors[0].ndim == 1 else factors[0] @ factors[0].T
    sources = [LabelSource(np.ones(groups), 1.0, one / d)]
    if groups == 2:
        sources.append(LabelSource(np.array([0.0, 1.0]), 0.0, 0.1 * one / d))
    return RidgeExperiment(
        tuple(factors),
        (2 * d // groups,) * groups,
        np.array([0.25, 0.5])[:groups],
        np.geomspace(1e-2, 10.0, ridges),
        test,
        tuple(sources),
        features=3 * d // 2 if projected else None,
    )


def peak(d: int, workers: int) -> float:
    """Operations per second of one thread, while as many as there are workers multiply matrices."""
    rng = np.random.default_rng(SEED)

    def one(_: int) -> float:
        a, b, c = rng.standard_normal((d, d)), np.ones((d, d)), np.empty((d, d))
        seconds = []
        for _ in range(3 if d > 2000 else 8):
            start = time.thread_time()
            np.matmul(a, b, out=c)
            seconds.append(time.thread_time() - start)
        return 2.0 * d**3 / min(seconds)

    with threadpool_limits(1), ThreadPoolExecutor(workers) as pool:
        return float(np.mean(list(pool.map(one, range(workers)))))


def row(profile: Profile, d: int, kind: str, groups: int, projected: bool, ridges: int, workers: int) -> str:
    """Line of the table for one setting."""
    setting = experiment(d, kind, groups, projected, ridges)
    replicates = REPLICATES.get(d, 2)
    speed = peak(d, workers)
    simulate_ridge_path(setting, SEED, 2, workers=workers, backend="numpy")
    profile.seconds.clear()
    profile.operations.clear()
    start = time.process_time()
    simulate_ridge_path(setting, SEED, replicates, workers=workers, backend="numpy")
    total = time.process_time() - start
    speed = max(speed, peak(d, workers))
    cells = []
    for step in STEPS:
        seconds = profile.seconds[step]
        rate = profile.operations[step] / seconds / speed if seconds else 0.0
        cells.append(f"{seconds / total:.0%}" + (f" at {rate:.2f}" if rate else "") if seconds else "")
    rest = 1.0 - sum(profile.seconds.values()) / total
    whole = sum(profile.operations.values()) / total / speed
    size = f"{2 * d}, {d}, " + (f"{3 * d // 2}" if projected else "plain")
    name = f"{kind}, {groups}"
    return (
        f"| {size} | {name} | {ridges} | {workers} | {total / replicates:.4g} | "
        + " | ".join(cells)
        + f" | {rest:.0%} | {whole:.2f} |"
    )


def main(sizes: list[int]) -> None:
    """Print the table."""
    versions = f"Python {platform.python_version()}, NumPy {np.__version__}, SciPy {scipy.__version__}"
    print(f"{versions}, seed {SEED}, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n")
    print("\n".join(HEAD))
    profile = watched()
    for d in sizes:
        kinds = ("isotropic", "power law", "dense") if d < 4000 else ("power law",)
        cases = [(k, g, p, r, 1) for k in kinds for g in (1, 2) for p in (False, True) for r in (1, 50)]
        cases += [("power law", 2, True, r, w) for w in (1, 2) for r in (1, 3, 10, 50) if (w, r) != (1, 50)]
        for kind, groups, projected, ridges, workers in dict.fromkeys(cases):
            print(row(profile, d, kind, groups, projected, ridges, workers), flush=True)
    print(f"\nload at the end {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main([int(size) for size in sys.argv[1:]] or [250, 1000])
