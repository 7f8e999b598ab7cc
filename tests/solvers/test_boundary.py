"""Lines and points at which two functions are equal, with answers known in closed form."""

import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array

from freeridge.solvers.boundary import trace_boundary, trace_crossings


def test_poles_ties_and_gaps_bound_nothing() -> None:
    side = np.linspace(-1.0, 1.0, 8)

    def pole(x: np.ndarray) -> np.ndarray:
        return np.stack([2.0 + np.sign(x[:, 0]), np.full(len(x), 2.0)], 1)

    def tie(x: np.ndarray) -> np.ndarray:
        noise = 1e-15 * np.sin(1e3 * x[:, 0] + 77 * x[:, 1])
        return np.stack([1.0 + noise, np.ones(len(x))], 1)

    assert trace_boundary(pole, [side, side]) == [] and trace_boundary(tie, [side, side]) == []

    def half(x: np.ndarray) -> np.ndarray:
        # The line x = 0.1, known above y = 0 alone.
        return np.where(x[:, 1:] > 0, np.stack([1.0 + x[:, 0], np.full(len(x), 1.1)], 1), np.nan)

    (line,) = trace_boundary(half, [side, side])
    np.testing.assert_allclose(line.points[:, 0], 0.1, atol=1e-10)
    assert line.points[:, 1].min() > 0 and line.points[:, 1].max() == 1.0


def test_all_roots_of_a_polynomial_also_two_in_one_cell() -> None:
    roots = np.array([0.11, 0.12, 0.5, 0.93])

    def pair(x: Array) -> Array:
        return jnp.stack([2.0 + jnp.prod(x - roots), 2.0 * jnp.ones(())])

    found = trace_crossings(pair, np.linspace(0.0, 1.0, 9))
    np.testing.assert_allclose(found.points, roots, atol=1e-7)
    assert np.all(found.errors <= 1e-10)


@pytest.mark.parametrize("power", [2, 4])
def test_touching_is_no_crossing(power: int) -> None:
    found = trace_crossings(lambda x: jnp.stack([1.0 + x**power, jnp.ones(())]), np.linspace(-1.0, 1.3, 6))
    assert len(found.points) == 0
