"""Minima over chances against closed forms, an independent optimiser, and all corners of a cube."""

import itertools

import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array
from scipy.optimize import minimize

from freeridge.solvers.projected import minimise_chances, nearest

MASSES = np.array([0.1, 0.4, 0.2, 0.3])


@pytest.mark.parametrize("total", [None, 0.37])
def test_convex_minimum_is_that_of_scipy(total: float | None) -> None:
    matrix = np.random.default_rng(0).normal(size=(6, 4))
    right = np.random.default_rng(1).normal(size=6)

    def value(u: Array) -> Array:
        return jnp.sum((matrix @ u - right) ** 2)

    found = minimise_chances(value, np.random.default_rng(2).random((3, 4)), MASSES, total)
    constraints = [] if total is None else [{"type": "eq", "fun": lambda u: MASSES @ u - total}]
    theirs = minimize(
        lambda u: float(value(jnp.asarray(u))), np.full(4, 0.4), method="SLSQP", bounds=[(0, 1)] * 4,
        constraints=constraints, options={"ftol": 1e-15, "maxiter": 500},
    )  # fmt: skip
    np.testing.assert_allclose(found.point, theirs.x, atol=1e-6)
    assert found.residual <= 1e-9 and found.value <= theirs.fun + 1e-12
    if total is not None:
        assert MASSES @ found.point == pytest.approx(total, abs=1e-13)


def test_a_concave_minimum_is_the_best_corner() -> None:
    matrix = np.random.default_rng(5).normal(size=(4, 4))

    def value(u: Array) -> Array:
        return -jnp.sum((matrix @ (u - 0.45)) ** 2)

    found = minimise_chances(value, np.full((1, 4), 0.5), MASSES)
    corners = [float(value(jnp.array(corner))) for corner in itertools.product((0.0, 1.0), repeat=4)]
    assert set(found.point) <= {0.0, 1.0} and found.residual == 0.0
    # Two flips at a time lead from any of the corners of this one to the best.
    assert found.value == pytest.approx(min(corners), rel=1e-12)


def test_the_nearest_point_has_the_total_and_is_the_nearest() -> None:
    rng = np.random.default_rng(3)
    point = rng.normal(size=(1, 4)) * 2
    (there,) = nearest(point, MASSES, 0.6)
    assert MASSES @ there == pytest.approx(0.6, abs=1e-14)
    others = nearest(rng.random((200, 4)), MASSES, 0.6)
    assert np.all((others - there) @ (MASSES * (point[0] - there)) <= 1e-12)
