"""Closed forms of label-aware bands against quadrature, at all correlations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array

from freeridge.theory.pruning.label_moments import moments_of_label_bands, owens_t
from freeridge.theory.pruning.moments import Moments, moments_by_quadrature, root_of_rest

EDGES = jnp.array([-1.4, -0.3, 0.0, 0.2, 0.9, 3.1])
RIGHT = jnp.array([0.1, 0.9, 0.3, 1.0, 0.0, 0.4, 0.7])
WRONG = jnp.array([0.6, 0.0, 0.2, 0.5, 0.8, 0.1, 1.0])


@jax.jit
def both(rho: Array) -> tuple[Moments, Moments]:
    def rule(score: Array, label: float) -> Array:
        return (RIGHT if label > 0 else WRONG)[jnp.searchsorted(EDGES, score)]

    flips = jnp.array(0.15)
    closed = moments_of_label_bands(EDGES, RIGHT, WRONG, rho, flips)
    return closed, moments_by_quadrature(rule, EDGES, rho, flips)


@jax.jit
def share(rho: Array) -> Array:
    return moments_of_label_bands(EDGES, RIGHT, WRONG, rho, jnp.array(0.0)).share


@pytest.mark.parametrize("rho", [-1.0, -0.8, 0.0, 0.3, np.sqrt(0.5), 0.99, 0.99999, 1.0])
def test_closed_form_is_the_quadrature(rho: float) -> None:
    closed, summed = both(jnp.array(rho))
    for one, two in zip(jax.tree.leaves(closed)[:3], jax.tree.leaves(summed)[:3], strict=True):
        np.testing.assert_allclose(one, two, atol=4e-16)


@pytest.mark.parametrize("rho", [-0.6, 0.0, 0.3, 0.9])
def test_derivative_in_the_correlation(rho: float) -> None:
    step = 1e-5
    difference = (share(jnp.array(rho + step)) - share(jnp.array(rho - step))) / (2 * step)
    assert float(jax.grad(share)(jnp.array(rho))) == pytest.approx(float(difference), abs=1e-9)


def test_owens_function_at_its_ends() -> None:
    heights = jnp.array([0.0, 0.5, 20.0, 1e300])
    for rho in (1.0, -1.0):
        rest = root_of_rest(jnp.array(rho))
        expected = rho * 0.5 * jax.scipy.special.ndtr(-heights)
        np.testing.assert_allclose(owens_t(heights, jnp.array(rho), rest), expected, atol=1e-16)
    assert float(owens_t(jnp.zeros(1), jnp.array(0.5), root_of_rest(jnp.array(0.5)))[0]) == pytest.approx(
        1 / 12
    )
