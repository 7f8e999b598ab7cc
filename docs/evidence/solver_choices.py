"""What the choices of the fixed-point solver are worth: each taken away, on random hard points.

The numbers in ``docs/solver.md``: ``python docs/evidence/solver_choices.py``, some minutes of processor time.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import jax
import jax.numpy as jnp
import mpmath
import numpy as np

import freeridge.solvers.newton as module
from freeridge.solvers.fixed_point import MixtureProblem, solve_fixed_point
from freeridge.solvers.network import solve_pivoting
from freeridge.solvers.spectra import Atoms

jax.config.update("jax_enable_x64", True)

ATOMS, GROUPS, POINTS, CHUNK = 64, 3, 5000, 500
FAMILIES = ("lognormal", "power", "scales", "deficient", "blocks", "near")


def spectra(family: str, rng: np.random.Generator) -> np.ndarray:
    """Eigenvalues per point, population and atom."""
    shape = (POINTS, GROUPS, ATOMS)
    if family in ("lognormal", "near"):
        return np.exp(2.0 * rng.normal(size=shape))
    if family == "power":
        exponents = rng.uniform(0.0, 3.0, (POINTS, GROUPS, 1))
        return np.exp(3.0 * rng.normal(size=(POINTS, GROUPS, 1))) * (np.arange(ATOMS) + 1.0) ** -exponents
    values = np.exp(rng.normal(size=shape))
    if family == "scales":
        values[:, 0] *= 1e-6
        values[:, -1] *= 1e6
    elif family == "deficient":
        values *= rng.random(shape) < 0.6
    elif family == "blocks":
        values *= (np.arange(ATOMS) * GROUPS // ATOMS)[None, None] == np.arange(GROUPS)[None, :, None]
    return values


def points(family: str, seed: int) -> list[jax.Array]:
    """Spectra, shares, rows, ridges and features of random problems, in chunks."""
    rng = np.random.default_rng(seed)
    values = spectra(family, rng)
    shares = rng.dirichlet(np.full(GROUPS, 0.3), POINTS)
    phi, ratio = 10 ** rng.uniform(-2, 2, (2, POINTS))
    ridge = np.where(rng.random(POINTS) < 0.2, 0.0, 10 ** rng.uniform(-12, 1, POINTS))
    n = 10 * ATOMS / phi
    features = ratio * phi * n
    if family == "near":  # a threshold: n next to the rank in one half, next to the features in the other
        apart = 1.0 + 10 ** rng.uniform(-12, -4, POINTS) * rng.choice([-1.0, 1.0], POINTS)
        n = np.where(np.arange(POINTS) % 2, 10 * ATOMS * apart, n)
        features = np.where(np.arange(POINTS) % 2, features, n * apart)
    rows = [values, shares, n, ridge, features]
    return [jnp.asarray(row.reshape((-1, CHUNK, *row.shape[1:]))) for row in rows]


def solved(rows: list[jax.Array]) -> tuple[int, float, np.ndarray]:
    """Points that are not certified, the largest residual of the others, and the steps."""

    def one(values: Any, shares: Any, n: Any, ridge: Any, features: Any) -> Any:
        spectrum = Atoms(values, jnp.full(ATOMS, 10.0), 10 * ATOMS)
        found = solve_fixed_point(MixtureProblem(spectrum, shares, n, ridge, features))
        return found.code, found.residual, found.steps

    mapped = jax.jit(lambda *chunks: jax.lax.map(lambda chunk: jax.vmap(one)(*chunk), chunks))
    code, residual, steps = (np.ravel(part) for part in mapped(*rows))
    return int(np.sum(code == 3)), float(np.max(residual[code == 0], initial=0.0)), steps


def by_general_solver(conductance: Any, ground: Any, source: Any) -> Any:
    """The network assembled as a matrix, whose diagonal sums what the elimination keeps apart."""
    off = conductance * (1.0 - jnp.eye(len(ground)))
    return solve_pivoting(jnp.diag(ground + jnp.sum(off, axis=1)) - off, source)


@contextmanager
def without(choice: str) -> Iterator[None]:
    """The solver with one choice taken away."""
    kept: dict[str, Any] = {}

    def put(name: str, value: Any) -> None:
        kept[name] = getattr(module, name)
        setattr(module, name, value)

    if choice == "line search":
        put("_slope_along", lambda p, here, step: jnp.zeros(()))
    elif choice == "elimination without subtractions":
        put("solve_grounded", by_general_solver)
    elif choice == "balance in its best form":
        best = module._balance

        def first_form(p: Any, slacks: Any, traces: Any, weights: Any) -> Any:
            phi = p.aspect
            left = slacks.sample + phi * (weights @ traces.single)
            rise = slacks.sample * slacks.follow + phi * (weights @ traces.squared)
            return left - 1.0, best(p, slacks, traces, weights)[1], -jnp.log(left) * left / rise

        put("_balance", first_form)
    elif choice == "start at the isotropic problem":
        put("_start", lambda p: jnp.ones(()))
    try:
        yield
    finally:
        for name, value in kept.items():
            setattr(module, name, value)


CHOICES = (
    "nothing",
    "line search",
    "elimination without subtractions",
    "balance in its best form",
    "start at the isotropic problem",
)


def slacks() -> None:
    """The sample slack of isotropic inputs, two dimensions per row, against 50 digits."""
    for ridge in (1e-3, 1e-6, 1e-9, 1e-12):
        problem = MixtureProblem(
            Atoms(jnp.ones((1, 1)), jnp.array([100.0]), 100), jnp.ones(1), jnp.array(50.0), jnp.array(ridge)
        )
        found = solve_fixed_point(problem)
        with mpmath.workdps(50):
            # theta (1 - 2 / (1 + theta)) = ridge
            exact = (
                1 + mpmath.mpf(ridge) + mpmath.sqrt((1 + mpmath.mpf(ridge)) ** 2 + 4 * mpmath.mpf(ridge))
            ) / 2
            slack = mpmath.mpf(ridge) / exact
            errors = [
                abs(float(value) / slack - 1) for value in (found.sample_slack, 1 - 2 / (1 + found.theta))
            ]
        ours, difference = map(float, errors)
        print(f"ridge {ridge:.0e}: relative error {ours:.0e}, as a difference {difference:.0e}")


def main() -> None:
    """Print both tables."""
    slacks()
    began = time.perf_counter()
    for family in FAMILIES:
        rows = points(family, 0)
        for choice in CHOICES:
            with without(choice):
                failed, residual, steps = solved(rows)
            quantiles = " / ".join(f"{q:.0f}" for q in np.quantile(steps, [0.5, 0.9, 0.99, 1.0]))
            print(
                f"{family:10} without {choice:34} {failed:5} of {POINTS}  {residual:.1e}  {quantiles}",
                flush=True,
            )
    print(f"{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
