"""Covariance of two estimators: equal ridges, two real ridges against drawn matrices, polarisation."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tests.helpers import MULTIPLICITIES, D, Points, random_points

from freeridge.solvers.complex_point import solve_complex_points
from freeridge.solvers.cross_response import CrossAmplification, cross_amplification, resolvents_at
from freeridge.solvers.fixed_point import MixtureProblem, solve_fixed_point
from freeridge.solvers.response import amplification
from freeridge.solvers.spectra import Atoms, Matrices


def problem_of(p: Any, plain: bool) -> MixtureProblem:
    spectrum = Atoms(p.covariances, jnp.asarray(MULTIPLICITIES), D)
    return MixtureProblem(spectrum, p.shares, p.n, p.ridge, None if plain else p.features)


def amplified(problem: MixtureProblem, nodes: Any, test: Any) -> CrossAmplification:
    points = solve_complex_points(problem, nodes)
    return cross_amplification(problem, points, resolvents_at(problem, points), test)


@pytest.mark.parametrize("plain", [True, False])
def test_equal_ridges_are_the_response_of_the_risk(plain: bool) -> None:
    points = jax.tree.map(jnp.asarray, random_points(np.random.default_rng(0), 24))
    real_nodes = jnp.array([0j, 0.7 + 0j])

    @jax.jit
    @jax.vmap
    def both(p: Points) -> Any:
        problem = problem_of(p, plain)
        found = amplified(problem, real_nodes, p.test)
        wanted = []
        for node in (0.0, 0.7):
            at = eqx.tree_at(lambda q: q.ridge, problem, problem.ridge + node)
            wanted.append(amplification(at, solve_fixed_point(at), p.test))
        return found, wanted

    found, wanted = both(points)
    for k in range(2):
        np.testing.assert_allclose(found.samples[:, :, k, k].real, wanted[k].samples, rtol=1e-9)
        np.testing.assert_allclose(
            found.features[:, k, k].real, wanted[k].features, rtol=1e-9, atol=1e-300 if plain else 0.0
        )
    # Which of the two comes first does not matter.
    np.testing.assert_allclose(found.samples[..., 0, 1], found.samples[..., 1, 0], rtol=1e-9)


def covariance_of(dense: bool, d: int) -> Any:
    rng = np.random.default_rng(1)
    values = np.array([np.linspace(0.3, 2.0, d), np.linspace(2.5, 0.5, d) ** 2])
    if not dense:
        return values
    bases = [np.linalg.qr(rng.normal(size=(d, d)))[0] for _ in values]
    return np.array([(basis * v) @ basis.T for basis, v in zip(bases, values, strict=True)])


@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("plain", [True, False])
def test_two_real_ridges_against_drawn_matrices(plain: bool, dense: bool) -> None:
    """Variance of label noise, covariance of the estimators of two ridges in a third metric: phi tr M_s Q B
    Q', and that of the sum of the estimators by polarisation.
    """
    d, counts, m, ridges, replicates = 60, (54, 36), 50, np.array([0.05, 0.8]), 200
    n, rng = sum(counts), np.random.default_rng(2)
    covariances, test = covariance_of(dense, d), np.linspace(1.5, 0.5, d)
    spectrum: Any = (
        Matrices(jnp.asarray(covariances), d) if dense else Atoms(jnp.asarray(covariances), jnp.ones(d), d)
    )
    shares = jnp.asarray(np.array(counts) / n)
    problem = MixtureProblem(
        spectrum, shares, jnp.array(float(n)), jnp.array(0.0), None if plain else jnp.array(float(m))
    )
    metric = jnp.asarray(np.diag(test) if dense else test)
    found = eqx.filter_jit(amplified)(problem, jnp.asarray(ridges + 1e-12j), metric)
    theory = np.asarray(shares)[:, None, None] * np.real(found.samples)[..., :2]
    roots = [np.diag(np.sqrt(c)) if c.ndim == 1 else np.linalg.cholesky(c) for c in covariances]
    drawn = []
    for _ in range(replicates):
        rows = [rng.normal(size=(count, d)) @ root.T for count, root in zip(counts, roots, strict=True)]
        moments = np.array([x.T @ x / n for x in rows])
        s = np.eye(d) if plain else rng.normal(size=(d, m)) / np.sqrt(d)
        h = s.T @ moments.sum(0) @ s
        q = [s @ np.linalg.solve(h + ridge * np.eye(len(h)), s.T) for ridge in ridges]
        drawn.append(
            [[[np.sum((m_s @ a) * (test[:, None] * b).T) / n for b in q] for a in q] for m_s in moments]
        )
    mean, error = np.mean(drawn, axis=0), np.std(drawn, axis=0, ddof=1) / np.sqrt(replicates)
    # The limit misses by order 1 / d; a few times d replicates see no more than that.
    assert np.all(np.abs(mean - theory) < 4.0 * error + 1.5 / d * np.abs(theory))
    assert np.all(theory[:, 0, 1] < np.sqrt(theory[:, 0, 0] * theory[:, 1, 1]))
    together = np.sum(drawn, axis=(2, 3))
    spread = np.std(together, axis=0, ddof=1) / np.sqrt(replicates)
    total = theory[:, 0, 0] + theory[:, 1, 1] + 2.0 * theory[:, 0, 1]
    assert np.all(np.abs(np.mean(together, axis=0) - total) < 4.0 * spread + 1.5 / d * total)
