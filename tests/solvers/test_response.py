"""Amplifications: against the linear equations of the papers, as derivatives, and in closed form."""

from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tests.helpers import (
    ATOMS,
    MULTIPLICITIES,
    D,
    Points,
    in_chunks,
    original_equations,
    random_points,
    relative,
    row,
    second_order,
)

from freeridge.solvers.fixed_point import MixtureProblem, solve_fixed_point
from freeridge.solvers.response import Amplification, amplification
from freeridge.solvers.spectra import Atoms


@cache
def compiled(plain: bool) -> Any:
    def respond(p: Points) -> Amplification:
        spectrum = Atoms(p.covariances * p.weights[:, None], jnp.asarray(MULTIPLICITIES), D)
        problem = MixtureProblem(spectrum, p.shares, p.n, p.ridge, None if plain else p.features)
        return amplification(problem, solve_fixed_point(problem), p.test)

    return jax.jit(jax.vmap(respond))


def respond(points: Points, plain: bool) -> Amplification:
    found: Amplification = in_chunks(compiled(plain), points)
    return found


@pytest.mark.parametrize("plain", [True, False])
def test_against_the_linear_equations_in_u_and_omega(plain: bool) -> None:
    points = random_points(np.random.default_rng(0), 48)
    found = respond(points, plain)
    for k in range(len(points.n)):
        p = row(points, k)
        solution = original_equations(p, plain)
        u, omega = second_order(p, solution, p.test)
        assert relative(found.samples[k], u) < 1e-8
        if solution.gamma is None:
            assert found.features[k] == 0.0
        else:
            assert relative(found.features[k], omega / (solution.gamma * solution.tau**2)) < 1e-8


@pytest.mark.parametrize("plain", [True, False])
def test_responses_are_linear_and_positive(plain: bool) -> None:
    """Responses are linear in the test covariance, and positive."""
    points = random_points(np.random.default_rng(1), 32)
    responses = [
        respond(points._replace(test=points.covariances[:, s] * points.weights[:, s, None]), plain)
        for s in (0, 1)
    ]
    for response in responses:
        assert np.all(response.samples > 0)
        assert np.all(response.features >= 0)
    both = respond(
        points._replace(
            test=np.einsum("ns,nsj->nj", points.weights * np.array([2.0, 3.0]), points.covariances)
        ),
        plain,
    )
    wanted = 2.0 * responses[0].samples + 3.0 * responses[1].samples
    np.testing.assert_allclose(both.samples, wanted, rtol=1e-11)


@pytest.mark.parametrize("plain", [True, False])
def test_least_squares(plain: bool) -> None:
    """Ridge 0 with more samples (and features) than dimensions: e' = phi / (1 - phi) whatever the
    covariance.
    """
    n = np.geomspace(D + 1.0, 1e6, 32)
    points = random_points(np.random.default_rng(2), 32)
    same = np.repeat(points.test[:, None], 2, axis=1)
    found = respond(
        points._replace(
            covariances=same, weights=np.ones((32, 2)), n=n, features=n * 3.0, ridge=np.zeros(32)
        ),
        plain,
    )
    phi = D / n
    np.testing.assert_allclose(found.samples, np.repeat((phi / (1 - phi))[:, None], 2, axis=1), rtol=1e-10)


def test_never_negative_and_never_nan_on_the_way_to_a_threshold() -> None:
    rng = np.random.default_rng(3)
    points = random_points(rng, 640, ridge_low=1e-12)
    wild = points.covariances * 10 ** rng.uniform(-6, 6, (640, 2, 1))
    wild[::3, 0, : ATOMS // 2], wild[1::3, :, 5:] = 0.0, 0.0
    points = points._replace(covariances=wild, ridge=np.where(rng.random(640) < 0.3, 0.0, points.ridge))
    near = np.where(np.arange(640) % 2 == 0, D + 1e-6, points.n)
    for plain in (True, False):
        found = respond(points._replace(n=near), plain)
        assert np.all(found.samples >= 0)
        assert np.all(found.features >= 0)
