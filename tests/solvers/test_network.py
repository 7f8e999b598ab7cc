"""Small linear systems, against exact rational arithmetic and LAPACK."""

from fractions import Fraction
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from freeridge.solvers.network import solve_grounded, solve_pivoting

grounded = jax.jit(jax.vmap(solve_grounded))
pivoting = jax.jit(jax.vmap(solve_pivoting))


def exact_potentials(conductance: Any, ground: Any, source: Any) -> list[Fraction]:
    """Gaussian elimination of the same network in rational numbers: no rounding at all."""
    size = len(ground)
    rows = []
    for a in range(size):
        row = [-Fraction(float(conductance[a, b])) for b in range(size)]
        row[a] = Fraction(float(ground[a])) + sum(
            (Fraction(float(conductance[a, b])) for b in range(size) if b != a), Fraction(0)
        )
        rows.append([*row, Fraction(float(source[a]))])
    for k in range(size):
        pivot = next(a for a in range(k, size) if rows[a][k] != 0)
        rows[k], rows[pivot] = rows[pivot], rows[k]
        for a in range(size):
            if a != k:
                factor = rows[a][k] / rows[k][k]
                rows[a] = [x - factor * y for x, y in zip(rows[a], rows[k], strict=True)]
    return [rows[k][size] / rows[k][k] for k in range(size)]


@pytest.mark.parametrize("nodes", [1, 2, 3, 4])
def test_grounded_network_is_exact_however_close_to_singular(nodes: int) -> None:
    rng = np.random.default_rng(nodes)
    count = 40
    conductance = 10 ** rng.uniform(-12, 12, (count, nodes, nodes))
    ground = 10 ** rng.uniform(-40, 3, (count, nodes))
    source = 10 ** rng.uniform(-8, 8, (count, nodes))
    ground[: count // 2, 1:] = 0.0  # one node alone is grounded
    source[::3, : nodes - 1] = 0.0
    found = np.asarray(grounded(*map(jnp.asarray, (conductance, ground, source))))
    for k in range(count):
        for value, wanted in zip(
            found[k], exact_potentials(conductance[k], ground[k], source[k]), strict=True
        ):
            assert abs(Fraction(float(value)) - wanted) <= 40 * np.finfo(float).eps * wanted


def test_grounded_network_ignores_the_diagonal() -> None:
    conductance = jnp.array([[7.0, 1.0], [2.0, jnp.nan]])
    found = solve_grounded(conductance, jnp.array([1.0, 3.0]), jnp.array([1.0, 2.0]))
    np.testing.assert_allclose(found, np.linalg.solve([[2.0, -1.0], [-2.0, 5.0]], [1.0, 2.0]), rtol=1e-15)


def test_isolated_nodes_follow_their_own_ground() -> None:
    found = solve_grounded(jnp.zeros((2, 2)), jnp.array([2.0, 4.0]), jnp.array([1.0, 1.0]))
    np.testing.assert_array_equal(found, [0.5, 0.25])


@pytest.mark.parametrize("size", [1, 3, 5])
def test_pivoting_against_lapack(size: int) -> None:
    rng = np.random.default_rng(size)
    matrices, sources = rng.normal(size=(64, size, size)), rng.normal(size=(64, size))
    matrices *= 10 ** rng.uniform(-6, 6, (64, size, 1))  # rows of different scale
    found = np.asarray(pivoting(jnp.asarray(matrices), jnp.asarray(sources)))
    for matrix, source, solution in zip(matrices, sources, found, strict=True):
        size_of_terms = np.abs(matrix) @ np.abs(solution) + np.abs(source)
        assert np.all(np.abs(matrix @ solution - source) <= 1e-11 * np.max(size_of_terms))
        np.testing.assert_allclose(solution, np.linalg.solve(matrix, source), rtol=1e-8)


def test_pivoting_takes_permutations() -> None:
    for order in ([1, 0, 2], [2, 0, 1], [1, 2, 0]):
        np.testing.assert_array_equal(
            solve_pivoting(jnp.eye(3)[jnp.array(order)], jnp.array([1.0, 2.0, 3.0])), np.argsort(order) + 1.0
        )


def test_both_differentiate_like_the_inverse() -> None:
    rng = np.random.default_rng(0)
    matrix = np.abs(rng.normal(size=(3, 3)))
    ground, source = np.abs(rng.normal(size=3)), rng.normal(size=3)
    laplacian = np.diag(ground + matrix.sum(1)) - matrix
    by_network = jax.jacrev(solve_grounded, argnums=2)(*map(jnp.asarray, (matrix, ground, source)))
    by_pivoting = jax.jacfwd(solve_pivoting, argnums=1)(jnp.asarray(laplacian), jnp.asarray(source))
    np.testing.assert_allclose(by_network, np.linalg.inv(laplacian), rtol=1e-12)
    np.testing.assert_allclose(by_pivoting, np.linalg.inv(laplacian), rtol=1e-12)
