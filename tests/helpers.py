"""Shared by the tests of the theory: mixtures of two populations in batches, random problems, an oracle.

JAX compiles once per shape and that costs seconds, a point microseconds: every test that needs a prediction
describes it as a row of `Points` and asks for all of its rows at once.
"""

from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import root

import freeridge as fr
from freeridge.solvers.fixed_point import FixedPoint, MixtureProblem, solve_fixed_point
from freeridge.solvers.spectra import Atoms

# Joint atoms of the mixtures below, with unequal numbers of coordinates.
MULTIPLICITIES = (5.0, 10.0, 25.0, 20.0, 20.0, 25.0, 10.0, 5.0)
ATOMS = len(MULTIPLICITIES)
D = 120
CHUNK = 64


class Points(NamedTuple):
    """Mixtures of two populations, one per row; labelers are combinations of an independent truth and
    shift.
    """

    covariances: Any  # (N, 2, ATOMS)
    test: Any  # (N, ATOMS)
    truth: Any  # (N, ATOMS), eigenvalues of the second moment
    shift: Any  # (N, ATOMS)
    coefficients: Any  # (N, 3, 2): of truth and shift in population 1, population 2, the test population
    noise: Any  # (N, 2)
    shares: Any  # (N, 2)
    weights: Any  # (N, 2)
    n: Any  # (N,)
    ridge: Any
    features: Any


# How papers write two populations: the second labeler is the truth plus a shift, tested on the first.
REAL_AND_SYNTHETIC = np.array([[1.0, 0.0], [1.0, 1.0], [1.0, 0.0]])


def setting_of(p: Any, plain: bool) -> tuple[fr.RidgeMixture, fr.Population]:
    """One row of Points (of numbers or of traced arrays) as a setting and its test population."""
    truth = fr.RandomVector(fr.Eigenvalues(p.truth, MULTIPLICITIES))
    shift = fr.RandomVector(fr.Eigenvalues(p.shift, MULTIPLICITIES))
    labelers = [p.coefficients[s, 0] * truth + p.coefficients[s, 1] * shift for s in range(3)]
    populations = [
        fr.Population(
            fr.Eigenvalues(p.covariances[s], MULTIPLICITIES),
            labelers[s],
            p.noise[s],
            p.shares[s],
            p.weights[s],
        )
        for s in range(2)
    ]
    setting = fr.RidgeMixture(populations, p.n, p.ridge, None if plain else p.features)
    return setting, fr.Population(fr.Eigenvalues(p.test, MULTIPLICITIES), labelers[2])


def predict_one(p: Any, plain: bool) -> fr.Prediction:
    """Prediction for one row, traceable."""
    setting, test = setting_of(p, plain)
    return setting.predict(test)


@cache
def _compiled(plain: bool) -> Any:
    return jax.jit(jax.vmap(lambda p: predict_one(p, plain)))


def in_chunks(function: Any, tree: Any, size: int = CHUNK) -> Any:
    """Apply a compiled batch function to rows in chunks of one size, the last one filled up; NumPy arrays
    come back.
    """
    rows = jax.tree.map(np.asarray, tree)
    count = len(jax.tree.leaves(rows)[0])
    results = []
    for start in range(0, count, size):
        index = np.minimum(np.arange(start, start + size), count - 1)
        chunk = jax.tree.map(lambda v, index=index: jnp.asarray(v[index]), rows)
        results.append(function(chunk))
    return jax.tree.map(lambda *parts: np.concatenate([np.asarray(p) for p in parts])[:count], *results)


def predict_many(points: Points, plain: bool = False) -> fr.Prediction:
    """Predictions of all rows; `features` is ignored for plain ridge."""
    prediction: fr.Prediction = in_chunks(_compiled(plain), points)
    return prediction


def random_points(
    rng: np.random.Generator, count: int, ridge_low: float = 1e-3, commuting_test: bool = False
) -> Points:
    """Generic mixtures: everything differs from everything, sizes on both sides of every threshold."""
    covariances = np.exp(rng.normal(size=(count, 2, ATOMS)))
    share = rng.uniform(0.05, 0.95, count)
    return Points(
        covariances=covariances,
        test=covariances[:, 0] if commuting_test else np.exp(rng.normal(size=(count, ATOMS))),
        truth=np.exp(rng.normal(size=(count, ATOMS))) / D,
        shift=np.exp(rng.normal(size=(count, ATOMS))) / D,
        coefficients=rng.normal(size=(count, 3, 2)),
        noise=rng.uniform(0.0, 1.0, (count, 2)),
        shares=np.stack([share, 1.0 - share], axis=1),
        weights=rng.uniform(0.5, 2.0, (count, 2)),
        n=D / 10 ** rng.uniform(-1.0, 1.0, count),
        ridge=10 ** rng.uniform(np.log10(ridge_low), 1.0, count),
        features=D * 10 ** rng.uniform(-1.0, 1.0, count),
    )


def papers_points(rng: np.random.Generator, count: int, **fields: Any) -> Points:
    """Real and synthetic data of one covariance, tested on the real data."""
    points = random_points(rng, count)
    first = points.covariances[:, 0]
    same = points._replace(
        covariances=np.stack([first, first], axis=1),
        test=first,
        coefficients=np.broadcast_to(REAL_AND_SYNTHETIC, (count, 3, 2)),
        weights=np.ones((count, 2)),
    )
    return same._replace(
        **{name: np.broadcast_to(v, np.shape(getattr(same, name))) for name, v in fields.items()}
    )


@cache
def _solver(multiplicities: tuple[float, ...], plain: bool) -> Any:
    def solve(row: Any) -> FixedPoint:
        values, shares, n, ridge, features = row
        spectrum = Atoms(values, jnp.asarray(multiplicities), round(sum(multiplicities)))
        return solve_fixed_point(MixtureProblem(spectrum, shares, n, ridge, None if plain else features))

    return jax.jit(jax.vmap(solve))


def solve_many(
    values: Any,
    shares: Any,
    n: Any,
    ridge: Any,
    features: Any = None,
    multiplicities: tuple[float, ...] = MULTIPLICITIES,
    size: int = CHUNK,
) -> FixedPoint:
    """Fixed points of many mixtures of commuting covariances; arguments have the rows first and are
    broadcast to them.
    """
    count, populations = len(values), values.shape[1]
    rows = (
        np.asarray(values, dtype=float),
        np.broadcast_to(np.asarray(shares, dtype=float), (count, populations)),
        *(
            np.broadcast_to(np.asarray(1.0 if v is None else v, dtype=float), (count,))
            for v in (n, ridge, features)
        ),
    )
    point: FixedPoint = in_chunks(_solver(multiplicities, features is None), rows, size)
    return point


def relative(found: Any, wanted: Any) -> float:
    """Largest relative difference."""
    found, wanted = np.asarray(found), np.asarray(wanted)
    return float(np.max(np.abs(found - wanted) / np.abs(wanted)))


class Original(NamedTuple):
    """Solution of the equations as they are usually written, in (e, tau), for one row of two populations;
    NumPy only.
    """

    e: Any  # (2,)
    tau: float
    kernel: Any  # eigenvalues of K = gamma tau K_0 + ridge (plain ridge: K_0 + ridge)
    gamma: float | None


def original_equations(p: Points, plain: bool) -> Original:
    """Solve for log e and log tau with SciPy, following the ridge down from a large one where a direct
    start fails.
    """
    weights = np.asarray(MULTIPLICITIES) / D
    phi, gamma = D / p.n, None if plain else p.features / D
    sigma = p.covariances * p.weights[:, None]

    def kernel(logs: Any, ridge: float) -> tuple[Any, Any]:
        k0 = (p.shares * np.exp(logs[:2])) @ sigma
        return k0, (k0 if gamma is None else gamma * np.exp(logs[2]) * k0) + ridge

    def gaps(logs: Any, ridge: float) -> Any:
        k0, k = kernel(logs, ridge)
        load = phi if gamma is None else phi * gamma * np.exp(logs[2])
        rows = list(logs[:2] + np.log1p(load * (sigma / k) @ weights))
        return np.array(rows if gamma is None else [*rows, logs[2] + np.log1p(weights @ (k0 / k))])

    logs = np.zeros(2 if plain else 3)
    for ridge in p.ridge * 10.0 ** np.arange(6, -1, -1):
        logs = root(gaps, logs, args=(ridge,), tol=1e-15).x
    assert np.max(np.abs(gaps(logs, p.ridge))) < 1e-13
    return Original(
        np.exp(logs[:2]), 1.0 if plain else float(np.exp(logs[2])), kernel(logs, p.ridge)[1], gamma
    )


def second_order(p: Points, solution: Original, test: Any) -> tuple[Any, float]:
    """u_1, u_2 and omega of Strong Model Collapse, appendices C, D and F: a linear system (omega is 0 for
    plain ridge).
    """
    weights, phi = np.asarray(MULTIPLICITIES) / D, D / p.n
    sigma, (e, tau, k, gamma) = p.covariances * p.weights[:, None], solution
    psi = phi if gamma is None else phi * gamma
    lead = 1.0 if gamma is None else gamma * tau**2
    k0 = (p.shares * e) @ sigma

    def images(u: Any, omega: float, source: float) -> Any:
        spread = (p.shares * u) @ sigma + source * test  # L'
        rows = list(psi * e**2 * (sigma @ (weights * (lead * spread + omega) / k**2)))
        if gamma is not None:
            rows.append(tau**2 * weights @ ((gamma * omega * k0**2 + p.ridge**2 * spread) / k**2))
        return np.array(rows)

    size = 2 if gamma is None else 3
    columns = [images(row[:2], row[2] if size == 3 else 0.0, 0.0) for row in np.eye(size)]
    found = np.linalg.solve(np.eye(size) - np.stack(columns, axis=1), images(np.zeros(2), 0.0, 1.0))
    return found[:2], float(found[2]) if size == 3 else 0.0


def row(points: Points, k: int) -> Points:
    """One row as NumPy numbers."""
    return Points(*(np.asarray(v)[k] for v in points))
