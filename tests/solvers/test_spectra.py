"""Traces of the resolvent, against the dense matrices they stand for."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from freeridge.solvers.spectra import Atoms, Matrices, ResolventTraces

VALUES = np.array([[1.0, 3.0, 0.0, 0.2], [0.5, 0.0, 0.0, 2.0]])
COUNTS = np.array([2.0, 1.0, 3.0, 2.0])
C, THETA = np.array([0.3, 1.4]), 0.7
DIMENSION = 8


def expanded() -> Any:
    """The same covariances as matrices, the directions that nobody sees last."""
    order = [0, 1, 3, 2]
    return np.stack([np.diag(np.repeat(row[order], COUNTS[order].astype(int))) for row in VALUES])


def by_inverse(matrices: Any, dimension: int) -> ResolventTraces:
    seen = matrices.shape[-1]
    r = np.linalg.inv(np.tensordot(C, matrices, 1) + THETA * np.eye(seen))
    products = [m @ r for m in matrices]
    return ResolventTraces(
        single=np.array([np.trace(m) for m in products]) / dimension,  # type: ignore[arg-type]
        free=THETA * np.trace(r) / dimension,
        pair=np.array([[np.trace(a @ b) for b in products] for a in products]) / dimension,  # type: ignore[arg-type]
        squared=np.array([np.trace(m @ r) for m in products]) / dimension,  # type: ignore[arg-type]
    )


def random_matrices(seed: int, d: int = 6, count: int = 2) -> Any:
    roots = np.random.default_rng(seed).normal(size=(count, d, d + 1))
    return roots @ roots.swapaxes(1, 2)


def spectra() -> list[Any]:
    atoms = Atoms(jnp.asarray(VALUES), jnp.asarray(COUNTS), DIMENSION)
    seen = expanded()[:, :5, :5]
    dense = random_matrices(0)
    return [
        pytest.param(atoms, seen, DIMENSION, id="atoms"),
        pytest.param(
            Matrices(jnp.asarray(seen), DIMENSION), seen, DIMENSION, id="matrices with unseen directions"
        ),
        pytest.param(Matrices(jnp.asarray(dense), 6), dense, 6, id="matrices that do not commute"),
    ]


@pytest.mark.parametrize(("spectrum", "matrices", "dimension"), spectra())
def test_traces(spectrum: Any, matrices: Any, dimension: int) -> None:
    found = spectrum.traces(jnp.asarray(C), jnp.asarray(THETA))
    for name, value, wanted in zip(
        ResolventTraces._fields, found, by_inverse(matrices, dimension), strict=True
    ):
        np.testing.assert_allclose(value, wanted, rtol=1e-13, err_msg=name)


@pytest.mark.parametrize(("spectrum", "matrices", "dimension"), spectra())
def test_rank_and_mean_eigenvalues(spectrum: Any, matrices: Any, dimension: int) -> None:
    assert float(spectrum.rank) == matrices.shape[-1]
    np.testing.assert_allclose(
        spectrum.mean_eigenvalues, np.trace(matrices, axis1=1, axis2=2) / dimension, rtol=1e-14
    )
    doubled = spectrum.rescaled(jnp.array([2.0, 1.0]))
    np.testing.assert_allclose(
        doubled.mean_eigenvalues, spectrum.mean_eigenvalues * jnp.array([2.0, 1.0]), rtol=1e-15
    )


def test_responses_on_atoms_and_on_matrices_with_unseen_directions() -> None:
    test = np.array([1.5, 0.5, 4.0, 0.0])
    atoms = Atoms(jnp.asarray(VALUES), jnp.asarray(COUNTS), DIMENSION)
    order = [0, 1, 3, 2]
    b = np.diag(np.repeat(test[order], COUNTS[order].astype(int)))
    covariances = expanded()
    r = np.linalg.inv(np.tensordot(C, covariances, 1) + THETA * np.eye(DIMENSION))
    wanted = np.trace(r @ b @ r) / DIMENSION, [np.trace(m @ r @ b @ r) / DIMENSION for m in covariances]
    matrices = Matrices(jnp.asarray(covariances[:, :5, :5]), DIMENSION)
    for spectrum, seen in ((atoms, test), (matrices, b)):
        total, each = spectrum.responses(jnp.asarray(C), jnp.asarray(THETA), jnp.asarray(seen))
        np.testing.assert_allclose(total, wanted[0], rtol=1e-14)
        np.testing.assert_allclose(each, wanted[1], rtol=1e-14)


def test_responses_that_do_not_commute() -> None:
    matrices, b = random_matrices(1), random_matrices(2)[0]
    r = np.linalg.inv(np.tensordot(C, matrices, 1) + THETA * np.eye(6))
    total, each = Matrices(jnp.asarray(matrices), 6).responses(
        jnp.asarray(C), jnp.asarray(THETA), jnp.asarray(b)
    )
    np.testing.assert_allclose(total, np.trace(r @ b @ r) / 6, rtol=1e-12)
    np.testing.assert_allclose(each, [np.trace(m @ r @ b @ r) / 6 for m in matrices], rtol=1e-12)


def test_free_dimensions_keep_their_digits_at_a_small_theta() -> None:
    """The rank minus the degrees of freedom as a difference would be 0 or rounding here."""
    atoms = Atoms(jnp.array([[2.0, 4.0]]), jnp.array([5.0, 5.0]), 10)
    free = atoms.traces(jnp.ones(1), jnp.asarray(1e-30)).free
    np.testing.assert_allclose(free, 1e-30 * (0.5 / 2.0 + 0.5 / 4.0), rtol=1e-14)


def test_matrices_under_vmap_and_derivatives() -> None:
    """The resolvent's own derivative rule, in a batch: one lane at a time inside."""
    matrices = jnp.asarray(random_matrices(3))

    def single(theta: Any, scale: Any) -> Any:
        return Matrices(matrices * scale, 6).traces(jnp.asarray(C), theta).single[0]

    thetas, scales = jnp.array([0.5, 1.0, 2.0]), jnp.array([1.0, 0.5, 2.0])
    by_rule = jax.jit(jax.vmap(jax.grad(single, argnums=(0, 1))))(thetas, scales)
    h = 1e-6
    for k, (theta, scale) in enumerate(zip(thetas, scales, strict=True)):
        slope = (single(theta + h, scale) - single(theta - h, scale)) / (2 * h)
        np.testing.assert_allclose(by_rule[0][k], slope, rtol=1e-7)
        slope = (single(theta, scale + h) - single(theta, scale - h)) / (2 * h)
        np.testing.assert_allclose(by_rule[1][k], slope, rtol=1e-7)
