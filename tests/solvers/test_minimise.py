"""The smallest value of a function of one number: smooth, at a kink, at an end, among several basins."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from freeridge.solvers.minimise import minimise


@pytest.mark.parametrize(
    ("function", "wanted"),
    [
        (lambda x: (x - 0.123) ** 2, 0.123),
        (lambda x: jnp.abs(x - 0.123) - x / 2, 0.123),
        (lambda x: jnp.maximum(x**2, (x - 1.0) ** 2), 0.5),
        (lambda x: x, -2.0),
        (lambda x: -(x**3), 3.0),
        (lambda x: (x**2 - 1.0) ** 2 + 0.1 * x, np.roots([4.0, 0.0, -4.0, 0.1]).real.min()),
        (lambda x: (x**2 - 1.0) ** 2, -1.0),  # of equal ones the smallest
        (lambda x: jnp.where(x < 0.0, jnp.nan, (x - 1.0) ** 2), 1.0),
        (lambda x: jnp.where(x < -1.0, jnp.inf, jnp.abs(x)), 0.0),
        (lambda x: jnp.ones(()) + 0.0 * x, -2.0),
    ],
)
def test_smallest_value(function: Any, wanted: float) -> None:
    assert minimise(function, -2.0, 2.5, (-2.0, 3.0)) == pytest.approx(wanted, abs=1e-12)


def test_an_end_may_be_infinite() -> None:
    assert minimise(jnp.exp, -5.0, 1.0, (-np.inf, 1.0)) == -np.inf
