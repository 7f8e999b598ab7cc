"""Routines on triangles against NumPy on whole matrices: every layout, both precisions, blocks that halve."""

from typing import Any

import numpy as np
import pytest

from freeridge.solvers import lapack

CASES = [(dtype, d) for dtype in (np.float64, np.float32) for d in (1, 65, 130)]


def triangle(d: int, dtype: Any, seed: int = 0) -> tuple[Any, Any]:
    """A well-conditioned lower triangle, and the same with rubbish above its diagonal."""
    rng = np.random.default_rng(seed)
    lower = np.tril(rng.standard_normal((d, d))) / max(d, 1) + np.eye(d)
    return lower.astype(dtype), (lower + np.triu(rng.standard_normal((d, d)), 1)).astype(dtype)


@pytest.mark.parametrize(("dtype", "d"), CASES)
def test_products_and_solves(dtype: Any, d: int) -> None:
    lower, rubbish = triangle(d, dtype)
    tolerance = 1e3 * np.finfo(dtype).eps
    for columns in (1, 7):
        wide = np.random.default_rng(1).standard_normal((d, columns + 3)).astype(dtype)
        for tall in (wide[:, 3:].copy(), np.asfortranarray(wide[:, 3:]), wide[:, 3:]):
            for transposed in (False, True):
                matrix, result = lower.T if transposed else lower, tall.copy("K")
                lapack.triangular_times(rubbish, result, transposed)
                np.testing.assert_allclose(result, matrix @ tall, atol=tolerance)
                lapack.triangular_solve(rubbish, result, transposed)
                np.testing.assert_allclose(result, tall, atol=tolerance)


@pytest.mark.parametrize(("dtype", "d"), CASES)
def test_functions_of_triangles(dtype: Any, d: int) -> None:
    (lower, rubbish), (other, third) = triangle(d, dtype), triangle(d, dtype, seed=5)
    tolerance = 1e3 * np.finfo(dtype).eps
    gram, inverse = rubbish.copy(), rubbish.copy()
    lapack.triangular_gram(gram)
    lapack.mirror(gram)
    np.testing.assert_allclose(gram, lower.T @ lower, atol=tolerance)
    lapack.triangular_inverse(inverse)
    np.testing.assert_allclose(np.tril(inverse), np.linalg.inv(lower), atol=tolerance)
    lapack.triangular_product(rubbish, third)
    np.testing.assert_allclose(np.tril(third), lower @ other, atol=tolerance)


@pytest.mark.parametrize(("dtype", "d"), CASES)
def test_functions_of_symmetric_matrices(dtype: Any, d: int) -> None:
    lower, _ = triangle(d, dtype)
    matrix = lower @ lower.T
    tolerance = 1e3 * np.finfo(dtype).eps
    inverse = matrix.copy()
    assert lapack.positive_inverse(inverse)
    lapack.mirror(inverse)
    np.testing.assert_allclose(inverse @ matrix, np.eye(d), atol=tolerance)
    assert not lapack.positive_inverse(-matrix)
    values, vectors = lapack.eigh(matrix.copy())
    assert np.all(np.diff(values) >= 0)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(d), atol=tolerance)
    np.testing.assert_allclose((vectors * values) @ vectors.T, matrix, atol=tolerance)


def test_eigenvalues_of_what_is_no_number() -> None:
    with pytest.raises(np.linalg.LinAlgError):
        lapack.eigh(np.full((3, 3), np.nan))
