"""What a device does with theory and simulation: speed against its own peak, and float32 against float64.

The tables in ``docs/devices.md``: ``python docs/evidence/devices.py``, some minutes on a processor. On a GPU
the same line measures the GPU; ``--large`` is for accelerators.
"""

import argparse
import json
import math
import os
import platform
import time
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy
from jax.extend.core import jaxprs_in_params

import freeridge as fr
from freeridge.solvers.cores import one_blas_thread
from freeridge.solvers.devices import device_count, over_devices, rounded_up
from freeridge.solvers.kernels import JaxDraws, Matrix, NumpyDraws, jax_kernels
from freeridge.solvers.ridge_modes import Sample, draw_sample, narrow_mixing, ridge_modes
from freeridge.solvers.ridge_path import LabelSource, RidgeExperiment, _cast, simulate_ridge_path
from freeridge.solvers.ridge_risks import risk_paths

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_default_matmul_precision", "highest")

Row = dict[str, Any]
PRECISIONS = ("float64", "float32")
PARTS = ("risk", "bias", "variance", "mismatch")
REPEATS = 5
PROCESSOR = jax.default_backend() == "cpu"
PEAK_SIZE = 3072 if PROCESSOR else 8192
# Other programs on the same processor lengthen time by the clock, and processor time hardly.
CLOCK = time.process_time if PROCESSOR else time.perf_counter


def fastest(call: Callable[[], Any], repeats: int = REPEATS) -> float:
    """Seconds of the fastest call, after one that compiles; on a processor, of all its cores together."""
    jax.block_until_ready(call())
    times = []
    for _ in range(repeats):
        began = CLOCK()
        jax.block_until_ready(call())
        times.append(CLOCK() - began)
    return min(times)


def peak(size: int, precision: str) -> float:
    """Arithmetic per second of a square matrix product on one device."""
    matrix = jax.random.normal(jax.random.key(0), (size, size), np.dtype(precision))
    product = jax.jit(lambda left, right: left @ right)
    return 2.0 * size**3 / fastest(lambda: product(matrix, matrix))


def experiment(d: int, n: int, features: int | None, ridges: np.ndarray) -> RidgeExperiment:
    """Real and synthetic rows in equal parts, with power-law spectra."""
    spectra = [np.arange(1, d + 1.0) ** -0.5, np.arange(1, d + 1.0) ** -1.0]
    factors = tuple(np.sqrt(values / values.mean()) for values in spectra)
    sources = (
        LabelSource(np.ones(2), 1.0, np.full(d, 1 / d)),
        LabelSource(np.array([0.0, 1.0]), 0.0, np.full(d, 0.5 / d)),
    )
    noise = np.array([0.1, 0.2])
    return RidgeExperiment(
        factors, (n - n // 2, n // 2), noise, ridges, factors[0] ** 2, sources, features=features
    )


def arithmetic(jaxpr: Any) -> float:
    """Multiplications and additions in the matrix products of a program."""
    total = 0.0
    for equation in jaxpr.eqns:
        if equation.primitive.name == "dot_general":
            (contracted, _), _ = equation.params["dimension_numbers"]
            left = equation.invars[0].aval.shape
            total += 2.0 * math.prod(left[k] for k in contracted) * equation.outvars[0].aval.size
        for inner in jaxprs_in_params(equation.params):
            total += arithmetic(inner)
    return total


def simulation(d: int, precision: str, seed: int) -> Row:
    """One replicate on each device, and on one device the parts of it, each by itself."""
    setting = experiment(d, 2 * d, 3 * d // 2, np.logspace(-6, 1, 50))
    dtype, kernels, mixture = np.dtype(precision).type, jax_kernels(), setting.mixture
    factors, terms = jax.device_put(_cast((setting.factors, setting.terms), dtype))

    def drawn(key: Any, factors: Any) -> Sample:
        return draw_sample(factors, mixture.counts, setting.features, JaxDraws(key, dtype), kernels)

    def replicate(keys: Any, factors: Any, terms: Any) -> Any:
        modes = ridge_modes(drawn(keys[0], factors), setting.samples, setting.rank, kernels)
        return jax.tree.map(lambda part: part[None], risk_paths(modes, terms, mixture))

    def entries(key: Any, factors: Any) -> Any:
        sample = drawn(key, factors)
        return [matrix.entries for matrix in (*sample.rows, sample.mixing) if matrix is not None]

    def products(matrices: Any, eigen: Any, terms: Any) -> Any:
        """Everything but draws and eigendecomposition, whose answer is given."""
        grams: list[Any] = []

        def given(gram: Any) -> Any:
            grams.append(gram)
            return eigen

        *rows, mixing = (Matrix(matrix, True) for matrix in matrices)
        known = kernels._replace(eigh=given)
        modes = ridge_modes(Sample(tuple(rows), mixing), setting.samples, setting.rank, known)
        return risk_paths(modes, terms, mixture), grams

    key = jax.random.key(seed)
    keys = jax.random.split(key, device_count())
    gram = jax.random.normal(key, (d, 2 * d), dtype)
    gram = gram @ gram.T / (2 * d)
    whole, draw, rest = over_devices(replicate), jax.jit(entries), jax.jit(products)
    eigh = jax.jit(jnp.linalg.eigh)
    matrices, eigen = draw(key, factors), tuple(eigh(gram))
    work = arithmetic(jax.make_jaxpr(products)(matrices, eigen, terms).jaxpr)
    # The peak right before and after: other programs may be running.
    before = peak(PEAK_SIZE, precision)
    seconds = fastest(lambda: rest(matrices, eigen, terms))
    best = max(before, peak(PEAK_SIZE, precision))
    return {
        "d": d, "precision": precision,
        "replicate": fastest(lambda: whole(keys, factors, terms)) / device_count(),
        "drawing": fastest(lambda: draw(key, factors)),
        "eigendecomposition": fastest(lambda: eigh(gram)),
        "products": seconds, "GF of products": work / 1e9,
        "peak, GF/s": best / 1e9, "products, share of the peak": work / seconds / best,
        "NumPy, replicate": numpy_time(setting, precision, seed),
    }  # fmt: skip


def numpy_time(setting: RidgeExperiment, precision: str, seed: int) -> float:
    """Processor seconds of a replicate with NumPy, on all cores."""
    count = 2 * (os.cpu_count() or 1)
    began = time.process_time()
    simulate_ridge_path(setting, seed, count, backend="numpy", precision=precision)
    return (time.process_time() - began) / count


def theory(points: int, seed: int) -> Row:
    """Predictions of two populations with random features on 64 atoms."""
    rng = np.random.default_rng(seed)
    points = rounded_up(points)
    multiplicities = tuple(np.full(64, 4.0))
    ridge = np.where(rng.random(points) < 0.1, 0.0, 10 ** rng.uniform(-12, 1, points))
    n, features = 256 / 10 ** rng.uniform(-2, 2, (2, points))
    lanes = (np.exp(rng.normal(size=(points, 2, 64))), rng.uniform(0.05, 0.95, points), n, ridge, features)
    truth = fr.RandomVector(fr.Isotropic(256, 1 / 256))

    def predict(values: Any, share: Any, n: Any, ridge: Any, features: Any) -> Any:
        first, second = (fr.Eigenvalues(values[s], multiplicities) for s in range(2))
        synthetic = truth + fr.RandomVector(fr.Isotropic(256, 0.5 / 256))
        populations = [
            fr.Population(first, truth, 0.1, share=share),
            fr.Population(second, synthetic, 0.2, share=1.0 - share),
        ]
        return fr.RidgeMixture(populations, n, ridge, features).predict(test=0)

    compiled = over_devices(lambda batch: jax.vmap(predict)(*batch))
    prediction = compiled(lanes)
    code, residual = np.asarray(prediction.code), np.asarray(prediction.residual)
    return {
        "points": points,
        "points per second": points / fastest(lambda: compiled(lanes)),
        "certified": float(np.mean(code != 3)),
        "largest residual": float(np.max(residual[code != 3])),
    }


def rounding(d: int, seed: int) -> Iterator[Row]:
    """Risks of the same inputs and features in both precisions, near and far from the thresholds."""
    ridges = np.array([1e-6, 1e-3, 1e-1])
    cases = [(ratio, None) for ratio in (0.5, 0.9, 1.0, 1.1, 2.0)]
    cases += [(2.0, ratio) for ratio in (0.5, 1.5)] + [(0.5, ratio) for ratio in (0.9, 1.0, 1.1)]
    for rows, width in cases:
        n = round(rows * d)
        features = None if width is None else round(width * n)
        setting = experiment(d, n, features, ridges)
        draws = NumpyDraws(np.random.default_rng(seed), np.float64)
        sample = draw_sample(setting.factors, setting.counts, None, draws, jax_kernels(), direct=True)
        mixing = None if features is None else draws.normal(d, features) / d**0.5
        found = {precision: risks(setting, sample, mixing, precision) for precision in PRECISIONS}
        for k, ridge in enumerate(ridges):
            worst = {
                part: abs(float(found["float32"][part][k]) / float(found["float64"][part][k]) - 1)
                for part in PARTS
            }
            yield {
                "n/d": rows,
                "m/n": width,
                "m/d": None if width is None else rows * width,
                "ridge": float(ridge),
                **worst,
            }


def risks(setting: RidgeExperiment, sample: Sample, mixing: Any, precision: str) -> Any:
    """From inputs and features that are rounded to the precision, everything in that precision."""
    dtype, kernels, mixture = np.dtype(precision).type, jax_kernels(), setting.mixture

    @jax.jit
    def path(rows: Any, mixing: Any, terms: Any) -> Any:
        narrow = None if mixing is None else narrow_mixing(mixing, kernels)
        cast = Sample(tuple(Matrix(entries, False) for entries in rows), narrow)
        return risk_paths(ridge_modes(cast, setting.samples, setting.rank, kernels), terms, mixture)

    rows = tuple(jnp.asarray(np.asarray(matrix.entries), dtype) for matrix in sample.rows)
    given = None if mixing is None else jnp.asarray(mixing, dtype)
    return path(rows, given, _cast(setting.terms, dtype))


def averages(d: int, replicates: int, seed: int) -> Row:
    """Means of runs of their own in both precisions, in their standard errors."""
    setting = experiment(d, 2 * d, 3 * d // 2, np.logspace(-3, 1, 9))
    with one_blas_thread:
        runs = [
            simulate_ridge_path(setting, [seed, k], replicates, backend="jax", precision=precision)
            for k, precision in enumerate(PRECISIONS)
        ]
    double, single = runs
    errors = {part: np.hypot(double.standard_error[part], single.standard_error[part]) for part in PARTS}
    gaps = {part: np.abs(double.mean[part] - single.mean[part]) for part in PARTS}
    return {
        "d": d, "replicates": replicates,
        "largest |z|": max(float(np.max(gaps[part] / errors[part])) for part in PARTS),
        "standard error, relative": max(float(np.max(errors[p] / double.mean[p])) for p in PARTS),
    }  # fmt: skip


def table(title: str, rows: list[Row]) -> None:
    """Print as Markdown."""

    def text(value: Any) -> str:
        return "-" if value is None else f"{value:.3g}" if isinstance(value, float) else str(value)

    print(f"\n{title}\n\n| {' | '.join(rows[0])} |\n|{'---|' * len(rows[0])}")
    for row in rows:
        print(f"| {' | '.join(map(text, row.values()))} |", flush=True)


def main() -> None:
    """Print the tables, and the same as JSON with versions and device."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", action="store_true", help="d = 8000 as well, for accelerators")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    seed = options.seed
    about = {
        "device": jax.devices()[0].device_kind, "devices": device_count(), "cores": os.cpu_count(),
        "seed": seed, "load": os.getloadavg()[0], "python": platform.python_version(),
        "jax": jax.__version__, "numpy": np.__version__, "scipy": scipy.__version__,
        "freeridge": fr.__version__, "peak of a product of": PEAK_SIZE,
    }  # fmt: skip
    table("Where", [about])
    speed = [
        simulation(d, precision, seed)
        for d in ([1000, 8000] if options.large else [1000])
        for precision in PRECISIONS
    ]
    second = "processor second" if PROCESSOR else "second"
    table(f"Simulation, {second}s (NumPy: processor seconds)", speed)
    predicted = theory(20_000 if PROCESSOR else 500_000, seed)
    table(f"Theory, points per {second}", [predicted])
    errors = list(rounding(400, seed))
    table("Relative error of float32 on the same draws", errors)
    apart = averages(60, 1000, seed)
    table("Averages in float32 and float64, draws of their own", [apart])
    about["load after"] = os.getloadavg()[0]
    print(json.dumps({**about, "simulation": speed, "theory": predicted,
                      "rounding": errors, "averages": apart}))  # fmt: skip


if __name__ == "__main__":
    main()
