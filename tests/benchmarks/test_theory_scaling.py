"""How the price of theory grows: in atoms, populations and points, and what a million points take.

Prices are processor seconds of all cores, compiled, of points with random ratios and ridges as in
``test_theory_speed``. Run by itself with the name of a model this file sweeps a million of its points and
prints as JSON what they took, compilation included:

    python tests/benchmarks/test_theory_scaling.py "64 atoms"
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

SIZES = (64, 512, 4096)
IN_A_LOOP, ROUNDS = 60, 3
ATOMS = (1, 8, 64, 512, 4096)
POPULATIONS = (1, 2, 3, 4, 6, 8)
POINTS = (10_000, 100_000, 1_000_000)
BYTES = 2**22  # of one number per atom and lane, in a batch
MODELS = ("isotropic", "64 atoms")


def spectra(populations: int, atoms: int) -> Any:
    return np.exp(np.random.default_rng(0).normal(size=(populations, atoms)))


def random_points(count: int, populations: int, dimension: int) -> dict[str, Any]:
    rng = np.random.default_rng(1)
    phi = 10 ** rng.uniform(-2, 2, count)
    psi = phi * 10 ** rng.uniform(-2, 2, count)
    shares = rng.dirichlet(np.full(populations, 2.0), count)
    n = dimension / phi
    return {"n": n, "ridge": 10 ** rng.uniform(-12, 1, count), "features": psi * n, "shares": shares}


def mixture(populations: int, atoms: int) -> Any:
    """A template of a mixture, its numbers to be put in: the truth, and labelers that differ from it."""
    import freeridge as fr

    counts = np.full(atoms, 4096 // atoms)
    truth = fr.RandomVector(fr.Eigenvalues(np.full(atoms, 1 / 4096), counts))
    shift = fr.RandomVector(fr.Eigenvalues(np.full(atoms, 0.5 / 4096), counts))
    labelers = [truth, *[truth + shift] * (populations - 1)]
    return fr.RidgeMixture(
        [
            fr.Population(fr.Eigenvalues(row, counts), labeler, 0.1, share=1 / populations)
            for row, labeler in zip(spectra(populations, atoms), labelers, strict=True)
        ],
        n=1.0, ridge=1.0, features=1.0,
    )  # fmt: skip


def priced(populations: int, atoms: int, least: float = 0.5) -> dict[str, Any]:
    """Processor microseconds of a whole risk, and of the fixed point alone with what it found."""
    import equinox as eqx
    import jax
    import jax.numpy as jnp

    from freeridge.solvers.fixed_point import solve_fixed_point

    lanes = int(np.clip(BYTES // (8 * atoms), 128, 2048))
    points = random_points(lanes, populations, 4096)
    template = mixture(populations, atoms)

    def put(n: Any, ridge: Any, features: Any, shares: Any) -> Any:
        numbers = (n, ridge, features, *shares)
        return eqx.tree_at(
            lambda m: (m.n, m.ridge, m.features, *(p.share for p in m.populations)), template, numbers
        )

    def best(function: Any) -> tuple[float, Any]:
        compiled, rows = jax.jit(jax.vmap(function)), [jnp.asarray(row) for row in points.values()]
        found = jax.block_until_ready(compiled(*rows))
        prices = []
        for _ in range(ROUNDS):
            start, calls = time.process_time(), 0
            while time.process_time() - start < least / ROUNDS:
                jax.block_until_ready(compiled(*rows))
                calls += 1
            prices.append((time.process_time() - start) / calls / lanes * 1e6)
        return min(prices), found

    risk, prediction = best(lambda *row: put(*row).predict())
    alone, point = best(lambda *row: solve_fixed_point(put(*row).limit()[0]))
    assert np.all(prediction.code == 0) and np.max(prediction.residual) <= 1e-11
    e = np.asarray(point.x * point.sample_slack[:, None])
    return {"points": points, "risk": risk, "fixed point": alone, "e": e}


def by_scipy(ours: dict[str, Any], populations: int, atoms: int, count: int) -> tuple[float, int, float]:
    """Its microseconds per point, how many it solves of so many, and the largest difference in e of those."""
    from tests.benchmarks.test_theory_speed import unknowns_by_root

    points, values = ours["points"], spectra(populations, atoms)

    def solve(k: int) -> tuple[bool, float, Any]:
        n, features = points["n"][k], points["features"][k]
        return unknowns_by_root(values, points["shares"][k], 4096 / n, features / 4096, points["ridge"][k])

    solve(0)  # imports
    apart, busy = [], time.process_time()
    for k in range(count):
        good, _, found = solve(k)
        if good:
            apart.append(np.max(np.abs(found[:populations] / ours["e"][k] - 1.0)))
    return (time.process_time() - busy) / count * 1e6, len(apart), float(np.max(apart))


def fitted(sizes: Sequence[float], prices: Sequence[float]) -> tuple[float, float]:
    """Exponent of a power law through prices, and its standard error."""
    x, y = np.log(sizes), np.log(prices)
    slope, level = np.polyfit(x, y, 1)
    left = np.sum((y - level - slope * x) ** 2) / (len(x) - 2)
    return float(slope), float(np.sqrt(left / np.sum((x - x.mean()) ** 2)))


def table(rows: Sequence[Sequence[Any]]) -> str:
    lines = ["| " + " | ".join(map(str, row)) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])


def load() -> str:
    return f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"


def test_against_scipy(benchmark: Any) -> None:
    """Prices are printed, never asserted; the certificates and that both find the same e are."""

    def measure() -> list[list[Any]]:
        rows = []
        for atoms in SIZES:
            ours = priced(2, atoms)
            theirs, solved, apart = by_scipy(ours, 2, atoms, IN_A_LOOP)
            assert apart < 1e-6, atoms
            ratio = theirs / ours["fixed point"]
            rows.append([
                atoms, f"{ours['fixed point']:.3g}", f"{ours['risk']:.3g}", f"{theirs:.3g}",
                f"{solved} of {IN_A_LOOP}", f"{ratio:.0f}",
            ])  # fmt: skip
        return rows

    rows = benchmark.pedantic(measure, rounds=1)
    head = ["atoms", "fixed point, µs", "whole risk, µs", "scipy.optimize.root, µs", "solves", "ratio"]
    report(benchmark, "scipy", [head, *rows])


def test_growth(benchmark: Any) -> None:
    """Exponents of atoms and populations are printed, never asserted; the certificates are."""

    def measure() -> list[list[Any]]:
        rows = []
        many = [size for size in ATOMS if size >= SIZES[0]]
        by_atoms = {size: priced(2, size) for size in ATOMS}
        by_populations = {size: priced(size, 64) for size in POPULATIONS}
        for what, found, kept in (
            ("atoms, 2 populations", by_atoms, many),
            ("populations, 64 atoms", by_populations, list(POPULATIONS)),
        ):
            for name in ("risk", "fixed point"):
                slope, error = fitted(kept, [found[size][name] for size in kept])
                prices = ", ".join(f"{one[name]:.3g}" for one in found.values())
                span = f"{slope:.2f} ± {error:.2f} from {kept[0]} on"
                rows.append([f"{name}: {what}", ", ".join(map(str, found)), prices, span])
        return rows

    rows = benchmark.pedantic(measure, rounds=1)
    report(benchmark, "growth", [["price of", "sizes", "processor µs per point", "exponent"], *rows])


def a_million(model: str, count: int) -> dict[str, Any]:
    """About so many points of two populations and random projections, on a grid of four axes."""
    import resource

    import jax

    jax.config.update("jax_enable_x64", True)
    import freeridge as fr

    d = 64
    real, synthetic = (
        (fr.Isotropic(d), fr.Isotropic(d, 0.5))
        if model == "isotropic"
        else (fr.PowerLaw(d, 1.0, trace=d), fr.PowerLaw(d, 0.5, trace=d))
    )
    collapse = fr.ModelCollapse(
        real, n=1, real_share=0.5, quality=0.2, noise_variance=0.1, ridge=0.0, features=1,
        synthetic_covariance=synthetic,
    )  # fmt: skip
    side = round(count**0.25)
    axes = {
        "phi": np.logspace(-2, 2, 2 * (side // 2)),  # an even number: not on the threshold itself
        "psi": np.logspace(-2, 2, 2 * (side // 2)),
        "setting.real_share": np.linspace(0.01, 0.99, side),
        "setting.ridge": np.append(0.0, np.logspace(-9, 1, side - 1)),
    }
    began, busy = time.perf_counter(), time.process_time()
    found = fr.sweep(fr.AtRatios(collapse, phi=1.0, psi=1.0), axes)
    return {
        "points": found["code"].size,
        "seconds": time.perf_counter() - began,
        "processor seconds": time.process_time() - busy,
        "certified": int(np.sum(found["code"].values == 0)),
        "NaN": int(np.sum(np.isnan(found["risk"].values))),
        "largest residual": float(found["residual"].max()),
        "peak memory, MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10,
    }


def in_a_process(model: str, count: int) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, str(Path(__file__)), model, str(count)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_a_million_points(benchmark: Any) -> None:
    """Seconds, memory and exponents are printed, never asserted; that every point is certified is."""

    def measure() -> dict[str, list[dict[str, Any]]]:
        return {model: [in_a_process(model, count) for count in POINTS] for model in MODELS}

    rows = []
    for model, found in benchmark.pedantic(measure, rounds=1).items():
        for one in found:
            assert one["certified"] == one["points"] and one["NaN"] == 0
            assert one["largest residual"] <= 1e-11
            rows.append([
                model, one["points"], f"{one['seconds']:.1f}", f"{one['processor seconds']:.1f}",
                f"{one['largest residual']:.1e}", f"{one['peak memory, MB']:.0f}", "",
            ])  # fmt: skip
        slope, error = fitted([one["points"] for one in found], [one["processor seconds"] for one in found])
        rows[-1][-1] = f"{slope:.2f} ± {error:.2f}"
    head = ["model", "points", "seconds", "processor seconds", "largest residual", "peak, MB", "exponent"]
    report(benchmark, "points", [head, *rows])


def report(benchmark: Any, name: str, rows: Sequence[Sequence[Any]]) -> None:
    benchmark.extra_info.update({name: rows, "load": load()})
    print(f"\n{table(rows)}\n\n{load()}")


if __name__ == "__main__":
    print(json.dumps(a_million(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else POINTS[-1])))
