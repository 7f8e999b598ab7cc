"""Covariances: coordinates, blocks, normalisations and derivatives."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import freeridge as fr


@pytest.mark.parametrize(
    ("covariance", "coordinates"),
    [
        pytest.param(fr.Isotropic(3), [1.0, 1.0, 1.0], id="isotropic"),
        pytest.param(fr.Isotropic(2, 0), [0.0, 0.0], id="none"),
        pytest.param(fr.TwoAtoms(5, (2, 0.5), 0.4), [2.0, 2.0, 0.5, 0.5, 0.5], id="two atoms"),
        pytest.param(fr.TwoAtoms(2, (2, 0.5), 1), [2.0, 2.0], id="one of two atoms"),
        pytest.param(fr.TwoAtoms(2, (2, 0.5), 0.0), [0.5, 0.5], id="the other"),
        pytest.param(fr.PowerLaw(4, 1), [1.0, 1 / 2, 1 / 3, 1 / 4], id="power law"),
        pytest.param(fr.PowerLaw(4, 0, trace=2), [0.5, 0.5, 0.5, 0.5], id="power law of exponent 0"),
        pytest.param(fr.Eigenvalues([3, 0, 1]), [3.0, 0.0, 1.0], id="eigenvalues"),
        pytest.param(fr.Eigenvalues([3, 1], [1, 2]), [3.0, 1.0, 1.0], id="repeated eigenvalues"),
        pytest.param(fr.Eigenvalues([3.0, 1.0], (0.5, 1.5)), [3.0, 1.0], id="shares of a coordinate"),
    ],
)
def test_coordinates(covariance: Any, coordinates: list[float]) -> None:
    assert covariance.d == len(coordinates)
    np.testing.assert_allclose(covariance.coordinates(), coordinates, rtol=1e-15)


def test_trace_is_the_normalisation() -> None:
    for exponent in (0.0, 1.0, 3.5):
        total = np.sum(fr.PowerLaw(300, exponent, trace=7.0).coordinates())
        np.testing.assert_allclose(total, 7.0, rtol=1e-14)


def test_a_million_dimensions_cost_their_distinct_eigenvalues() -> None:
    values, ends = fr.Eigenvalues([4.0, 1.0], [10, 999_990]).blocks()
    assert len(values) == 2
    np.testing.assert_array_equal(ends, [10.0, 1e6])


def test_blocks_end_at_the_dimension() -> None:
    for covariance in (
        fr.Isotropic(7),
        fr.TwoAtoms(7, (1, 2), 0.3),
        fr.PowerLaw(7, 2.0),
        fr.Eigenvalues([1, 2], [3, 4]),
    ):
        values, ends = covariance.blocks()
        assert len(values) == len(ends)
        assert ends[-1] == covariance.d == 7


def test_sample_covariance() -> None:
    rows = np.random.default_rng(0).normal(size=(50, 4)) + 3.0
    covariance = fr.from_data(rows)
    np.testing.assert_allclose(covariance.matrix, np.cov(rows.T, bias=True), rtol=1e-12)
    # Fewer rows than dimensions: rank-deficient, and still positive semi-definite to rounding.
    assert fr.from_data(rows[:3]).d == 4


def test_dense_takes_what_rounding_leaves() -> None:
    root = np.random.default_rng(1).normal(size=(30, 5))
    covariance = fr.Dense(root @ root.T)  # smallest eigenvalues around -1e-15
    assert covariance.d == 30
    np.testing.assert_array_equal(fr.Dense(np.zeros((2, 2))).matrix, np.zeros((2, 2)))


def test_eigenvalues_differentiate() -> None:
    by_exponent = jax.grad(lambda a: fr.PowerLaw(3, a).coordinates()[2])(jnp.asarray(2.0))
    np.testing.assert_allclose(by_exponent, -np.log(3.0) / 9.0, rtol=1e-14)
    by_trace = jax.grad(lambda t: fr.PowerLaw(2, 1.0, t).coordinates()[0])(jnp.asarray(3.0))
    np.testing.assert_allclose(by_trace, 2.0 / 3.0, rtol=1e-14)
    ends = jax.jacfwd(lambda f: fr.TwoAtoms(10, (1.0, 2.0), f).blocks()[1])(jnp.asarray(0.3))
    np.testing.assert_array_equal(ends, [10.0, 0.0])
