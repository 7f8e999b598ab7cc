"""A population: conversions and defaults; its refusals are in test_bad_input.py."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import freeridge as fr

FIRST: Any = [1, 0, 0]


def test_numbers_are_converted_and_defaults_are_plain() -> None:
    population = fr.Population(fr.Isotropic(3), FIRST, 1, share=1)
    leaves = jax.tree.leaves(population)
    assert all(leaf.dtype == jnp.float64 for leaf in leaves)
    assert population.d == 3
    assert (float(population.noise_variance), float(population.share), float(population.weight)) == (
        1.0,
        1.0,
        1.0,
    )
    assert float(fr.Population(fr.Isotropic(3), FIRST).noise_variance) == 0.0
    np.testing.assert_array_equal(population.labeler.fixed, [1.0, 0.0, 0.0])


def test_a_population_is_a_tree_of_numbers() -> None:
    truth = fr.RandomVector(fr.Isotropic(3))
    population = fr.Population(fr.PowerLaw(3, 1.0), truth + np.ones(3), 0.1, 0.5)
    doubled = jax.tree.map(lambda v: 2.0 * v, population)
    assert float(doubled.share) == 1.0
    assert float(doubled.covariance.exponent) == 2.0
    assert list(doubled.labeler.terms()) == [truth]
    assert float(doubled.labeler.terms()[truth]) == 2.0
