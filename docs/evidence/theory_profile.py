"""Where the time of a theory point goes: ``python docs/evidence/theory_profile.py``, some minutes.

Random points in compiled batches, as in a sweep: processor microseconds per point of what a prediction is
made of, each measured as what it adds to the ones before it, and the steps of Newton's method, of which a
batch takes as many as its slowest lane. Prints a Markdown table.
"""

import os
import platform
import time
from collections.abc import Callable, Iterator
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import freeridge as fr
from freeridge.solvers.fixed_point import solve_fixed_point
from freeridge.solvers.response import amplification

jax.config.update("jax_enable_x64", True)

SEED, BATCH, BATCHES, ROUNDS = 0, 2048, 4, 3
KINDS = ("anywhere", "ridge 0", "ridge 1e-12", "ridge 0.1", "near thresholds")
HEAD = [
    "points", "G", "projections", "atoms", "steps 50/90/99/100 %", "joint basis", "fixed point", "response",
    "risk", "all", "cores busy", "compilation, s",
]  # fmt: skip


def mixture(populations: int, atoms: int, features: bool) -> fr.RidgeMixture:
    """Isotropic or power-law populations, the labelers of all but the first off by an error."""

    def spectrum(exponent: float, trace: float) -> fr.Eigenvalues:
        values = np.arange(1.0, atoms + 1.0) ** -exponent
        return fr.Eigenvalues(trace * values / values.sum() * atoms / 512, np.full(atoms, 512 // atoms))

    truth = fr.RandomVector(spectrum(0.5, 1.0))
    error = fr.RandomVector(spectrum(0.5, 0.5))
    return fr.RidgeMixture(
        [
            fr.Population(
                spectrum(0.5 + s / 2, 512.0), truth + error if s else truth, 0.1, share=1 / populations
            )
            for s in range(populations)
        ],
        n=1.0,
        ridge=1.0,
        features=1.0 if features else None,
    )


def points(kind: str, populations: int) -> list[np.ndarray]:
    """Rows, ridges, features and shares."""
    rng, count = np.random.default_rng(SEED), BATCH * BATCHES
    phi, ratio = 10 ** rng.uniform(-2, 2, (2, count))
    ridge = np.where(rng.random(count) < 0.1, 0.0, 10 ** rng.uniform(-12, 1, count))
    if kind.startswith("ridge"):
        ridge = np.full(count, float(kind.split()[1]))
    n = 512 / phi
    features = ratio * 512
    if kind == "near thresholds":  # of the rank in one half, of the features in the other
        apart = 1.0 + 10 ** rng.uniform(-12, -4, count) * rng.choice([-1.0, 1.0], count)
        odd = np.arange(count) % 2 == 1
        n, features = np.where(odd, 512 * apart, n), np.where(odd, features, n * apart)
    return [n, ridge, features, rng.dirichlet(np.full(populations, 2.0), count)]


def stages(template: fr.RidgeMixture) -> dict[str, Callable[..., Any]]:
    """What a prediction is made of, each with all before it."""

    def put(n: Any, ridge: Any, features: Any, shares: Any) -> fr.RidgeMixture:
        plain = template.features is None
        return eqx.tree_at(
            lambda m: (m.n, m.ridge, *(() if plain else (m.features,)), *(p.share for p in m.populations)),
            template,
            (n, ridge, *(() if plain else (features,)), *shares),
        )

    def response(*row: Any) -> Any:
        problem, joint, _ = put(*row).limit()
        point = solve_fixed_point(problem)
        return point, amplification(problem, point, joint.test)

    return {
        "joint basis": lambda *row: put(*row).limit()[::2],
        "fixed point": lambda *row: solve_fixed_point(put(*row).limit()[0]),
        "response": response,
        "risk": lambda *row: put(*row).predict(),
    }


def measured(function: Callable[..., Any], rows: list[np.ndarray]) -> tuple[float, float, float, Any]:
    """Processor microseconds per point, cores busy, processor seconds of compilation, and the results."""
    compiled = jax.jit(jax.vmap(function))
    chunks = [[jnp.asarray(row[k : k + BATCH]) for row in rows] for k in range(0, len(rows[0]), BATCH)]
    began = time.process_time()
    jax.block_until_ready(compiled(*chunks[0]))
    compilation, taken = time.process_time() - began, []
    for _ in range(ROUNDS):
        clock, began = time.perf_counter(), time.process_time()
        found = [jax.block_until_ready(compiled(*chunk)) for chunk in chunks]
        busy = time.process_time() - began
        taken.append((busy / len(rows[0]) * 1e6, busy / (time.perf_counter() - clock)))
    return *min(taken), compilation, jax.tree.map(lambda *parts: np.concatenate(parts), *found)


def row(kind: str, populations: int, features: bool, atoms: int) -> list[str]:
    """One line of the table."""
    whole, before = [], 0.0
    for name, function in stages(mixture(populations, atoms, features)).items():
        price, cores, compilation, found = measured(function, points(kind, populations))
        whole.append(f"{max(price - before, 0.0):.2f}")
        before = price
        if name == "fixed point":
            steps = " / ".join(f"{q:.0f}" for q in np.quantile(found.steps, [0.5, 0.9, 0.99, 1.0]))
    assert np.all(found.code <= 1) and np.nanmax(found.residual) <= 1e-11
    setting = [kind, str(populations), "yes" if features else "no", str(atoms)]
    return [*setting, steps, *whole, f"{price:.2f}", f"{cores:.1f}", f"{compilation:.1f}"]


def rows() -> Iterator[list[str]]:
    """Sizes at random points, then kinds of points at one size."""
    for populations in (1, 2, 3):
        for features in (False, True):
            for atoms in (1, 8, 64, 512):
                yield row(KINDS[0], populations, features, atoms)
    for kind in KINDS[1:]:
        yield row(kind, 2, True, 64)


def main() -> None:
    """Print the table, and what it was measured with."""
    for number, line in enumerate([HEAD, ["---"] * len(HEAD)]):
        print("| " + " | ".join(line) + " |", flush=bool(number))
    for line in rows():
        print("| " + " | ".join(line) + " |", flush=True)
    print(
        f"\nProcessor microseconds per point, batches of {BATCH}, seed {SEED}; JAX {jax.__version__}, Python "
        f"{platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the end."
    )


if __name__ == "__main__":
    main()
