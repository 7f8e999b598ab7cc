"""Pencils that come as SymPy block matrices."""

import jax.numpy as jnp
import numpy as np
import pytest
import sympy

import freeridge as fr
from freeridge.solvers.errors import InvalidSetting

n, d = fr.dims("n d")
lam = fr.scalar("lambda")
Z, T = sympy.MatrixSymbol("Z", n, d), sympy.MatrixSymbol("T", d, d)
In, Id = sympy.Identity(n), sympy.Identity(d)
VALUES = {"n": 30.0, "lam": 0.2, "T": jnp.array([1.0, 2.0, 3.0, 4.0])}


def test_an_unreduced_block_matrix_gives_the_numbers_of_the_expression() -> None:
    r"""A chain with unit pivots, its rows in another order than its columns: tr (T Z'Z T + lambda)^-1."""
    blocks = sympy.BlockMatrix(
        [
            [sympy.ZeroMatrix(n, d), -Z, In, sympy.ZeroMatrix(n, d)],
            [lam * Id, sympy.ZeroMatrix(d, d), sympy.ZeroMatrix(d, n), T],
            [-T, Id, sympy.ZeroMatrix(d, n), sympy.ZeroMatrix(d, d)],
            [sympy.ZeroMatrix(d, d), sympy.ZeroMatrix(d, d), -Z.T, Id],
        ]
    )
    given = fr.pencil(blocks, gaussians={Z: 1 / n}, traces={"value": (0, 1)})
    ours, theta = fr.gaussian("Z", n, d, variance=1 / n), fr.deterministic("T", d)
    expected = fr.derive(fr.normalized_trace((theta @ ours.T @ ours @ theta + lam).inv()))
    point, same = fr.derive(given).evaluate(**VALUES), expected.evaluate(**VALUES)
    assert point.ok and same.ok
    np.testing.assert_allclose(point.value, same.value, rtol=1e-12)


def test_powers_sums_and_vectors() -> None:
    w = sympy.MatrixSymbol("w", d, 1)
    blocks = sympy.BlockMatrix([[(T + 2 * Id).I * T + Id, w], [w.T, sympy.Identity(1)]])
    eq = fr.derive(fr.pencil(blocks, gaussians={}, traces={"value": (1, 1)}))
    spectrum, labeler = np.array([1.0, 2.0]), np.array([0.3, 0.4])
    expected = 1 / (1 - np.sum(labeler**2 / (spectrum / (spectrum + 2) + 1)))
    np.testing.assert_allclose(eq.evaluate(T=spectrum, w=labeler).value, expected, rtol=1e-13)


@pytest.mark.parametrize(
    ("blocks", "gaussians", "traces", "words"),
    [
        ([[lam * Id + Z.T * Z]], {Z: 1 / n}, {"a": (0, 0)}, ["blocks[0, 0]", "linear"]),
        ([[lam * Id, Z.T], [-Z, In]], {}, {"a": (0, 0)}, ["Z", "variance"]),
        ([[lam * Id, Z.T], [-Z, In]], {Z: 1 / n}, {"a": (0, 1)}, ["traces['a']", "square"]),
        ([[lam * Id, Z.T]], {Z: 1}, {"a": (0, 0)}, ["rows of the same dimensions"]),
        ([[sympy.HadamardProduct(T, T)]], {}, {"a": (0, 0)}, ["blocks[0, 0]", "sums and products"]),
    ],
)
def test_what_is_no_linear_pencil_is_refused(blocks, gaussians, traces, words) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InvalidSetting) as refusal:
        fr.pencil(sympy.BlockMatrix(blocks), gaussians, traces)
    for word in words:
        assert word in str(refusal.value)
