"""The printed form of the equations."""

import pytest
import sympy

import freeridge as fr
from freeridge.solvers.pencils.equations.latex import latex
from freeridge.solvers.pencils.equations.matrix_functions import (
    MatrixSymbol,
    NormalizedTrace,
    QuadraticForm,
    VectorSymbol,
)

d, a, b = fr.dims("d"), fr.scalar("a"), fr.scalar("b")
Sigma = MatrixSymbol("Sigma")
A, B = MatrixSymbol("A_1", commutative=False), MatrixSymbol("B", commutative=False)
v, w = VectorSymbol("v"), VectorSymbol("w_1")


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        (Sigma / (a * Sigma + b), r"\Sigma \left(a \Sigma + b I\right)^{-1}"),
        ((Sigma + 1) ** -2, r"\left(\Sigma + I\right)^{-2}"),
        (a * Sigma + b * Sigma - a - 1, r"\left(a + b\right) \Sigma - \left(1 + a\right) I"),
        (
            B * A * (A + a * B) ** -1,
            r"\mathbf{B} \mathbf{A}_{1} \left(a \mathbf{B} + \mathbf{A}_{1}\right)^{-1}",
        ),
        (NormalizedTrace(Sigma, d) ** 2, r"\left(\overline{\mathrm{tr}} \, \Sigma\right)^{2}"),
        (2 * a * NormalizedTrace(Sigma, d), r"2 a \overline{\mathrm{tr}} \, \Sigma"),
        (QuadraticForm(v, sympy.Integer(1), w), r"v^{\top} w_{1}"),
        (QuadraticForm(v, Sigma + a, v), r"a v^{\top} v + v^{\top} \Sigma v"),
        (sympy.Symbol("e_2''") ** 2, r"e_{2}''^{2}"),
        (sympy.sqrt(Sigma), r"\Sigma^{\frac{1}{2}}"),
    ],
)
def test_prints_as_the_field_writes(expression: sympy.Expr, text: str) -> None:
    assert latex(expression) == text
