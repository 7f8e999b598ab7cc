"""The edge of the spectrum: Marchenko and Pastur, projections, drawn matrices."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from freeridge.solvers.edge import largest_eigenvalue
from freeridge.solvers.fixed_point import MixtureProblem
from freeridge.solvers.spectra import Atoms, Matrices


def edge(values: Any, counts: Any, d: int, shares: Any, n: float, features: float | None = None) -> float:
    spectrum = Atoms(jnp.asarray(values), jnp.asarray(counts), d)
    m = None if features is None else jnp.array(features)
    problem = MixtureProblem(spectrum, jnp.asarray(shares), jnp.array(n), jnp.array(0.0), m)
    return float(largest_eigenvalue(problem))


@pytest.mark.parametrize("phi", [0.01, 0.5, 1.0, 3.0, 50.0])
def test_marchenko_and_pastur(phi: float) -> None:
    found = edge(np.full((1, 1), 2.5), np.array([100.0]), 100, np.ones(1), 100.0 / phi)
    assert found == pytest.approx(2.5 * (1.0 + np.sqrt(phi)) ** 2, rel=2e-7)


@pytest.mark.parametrize("phi", [0.1, 2.0])
def test_one_population_is_the_smallest_value_of_a_function(phi: float) -> None:
    """Silverstein: the edge is the minimum over -1/m > largest eigenvalue of the inverse Stieltjes map."""
    values, counts = np.array([0.5, 1.0, 3.0]), np.array([30.0, 50.0, 20.0])
    z = minimize_scalar(
        lambda u: u * (1.0 + phi * np.sum(counts / 100.0 * values / (u - values))),
        bounds=(3.0 * (1 + 1e-9), 300.0),
        method="bounded",
        options={"xatol": 1e-10},
    ).fun
    assert edge(values[None], counts, 100, np.ones(1), 100.0 / phi) == pytest.approx(z, rel=2e-7)


@pytest.mark.parametrize(("phi", "gamma"), [(0.5, 0.7), (2.0, 0.3), (0.1, 5.0)])
def test_projections_of_isotropic_inputs(phi: float, gamma: float) -> None:
    """A product of two Wishart matrices: the edge is the minimum of the inverse of its S-transform."""
    # z = (1 + u) (gamma + u) (1 + phi u) / u with u = trb A q > 0, the moment generating function.
    z = minimize_scalar(
        lambda log: (1.0 + np.exp(log)) * (gamma + np.exp(log)) * (1.0 + phi * np.exp(log)) / np.exp(log),
        bounds=(-10.0, 10.0),
        method="bounded",
        options={"xatol": 1e-12},
    ).fun
    found = edge(np.ones((1, 1)), np.array([100.0]), 100, np.ones(1), 100.0 / phi, 100.0 * gamma)
    assert found == pytest.approx(z, rel=2e-7)


@pytest.mark.parametrize("features", [None, 500])
def test_largest_eigenvalue_of_a_drawn_matrix(features: int | None) -> None:
    rng, d, rows = np.random.default_rng(0), 800, (600, 200)
    values = np.array([np.repeat([1.0, 2.0], d // 2), np.tile([0.5, 4.0], d // 2)])
    x = np.concatenate(
        [rng.normal(size=(count, d)) * np.sqrt(v) for count, v in zip(rows, values, strict=True)]
    )
    if features is not None:
        x = x @ rng.normal(size=(d, features)) / np.sqrt(d)
    drawn = np.linalg.norm(x, 2) ** 2 / sum(rows)
    m = None if features is None else float(features)
    found = edge(values, np.ones(d), d, np.array(rows) / sum(rows), float(sum(rows)), m)
    assert drawn == pytest.approx(found, rel=4.0 * d ** (-2 / 3))  # fluctuations of Tracy and Widom


def test_matrices_are_rotated_atoms() -> None:
    rng, d = np.random.default_rng(1), 10
    values = np.exp(rng.normal(size=(2, d)))
    basis, _ = np.linalg.qr(rng.normal(size=(d, d)))
    dense = Matrices(jnp.asarray(np.einsum("ij,sj,kj->sik", basis, values, basis)), d)
    shares = jnp.array([0.3, 0.7])
    problem = MixtureProblem(dense, shares, jnp.array(8.0), jnp.array(0.0), jnp.array(6.0))
    wanted = edge(values, np.ones(d), d, np.array([0.3, 0.7]), 8.0, 6.0)
    assert float(largest_eigenvalue(problem)) == pytest.approx(wanted, rel=3e-7)
