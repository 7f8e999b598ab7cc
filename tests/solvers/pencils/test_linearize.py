"""Pencils: as few blocks as the expression takes, and the same numbers as the expression on any draw."""

import numpy as np
import pytest
import sympy

import freeridge as fr
from freeridge.solvers.pencils.dyson import dyson_equation
from freeridge.solvers.pencils.expressions import Gaussian, Matrix, Vector
from freeridge.solvers.pencils.linearize import linearize
from freeridge.solvers.pencils.merging import merge
from freeridge.solvers.pencils.pencil import Pencil
from freeridge.solvers.pencils.schur import reduced
from freeridge.solvers.pencils.traces import Traces
from freeridge.solvers.pencils.words import EMPTY, Polynomial, Word

n, d, m = fr.dims("n d m")
lam = fr.scalar("lambda")
Sigma, Theta = fr.deterministic("Sigma", d), fr.deterministic("Theta", d)
X = fr.gaussian("Z", n, d, variance=1 / n, column_covariance=Sigma)
S = fr.gaussian("S", d, m, variance=1 / d)
w = fr.vector("w", d)
M = X.T @ X
R = (M + lam).inv()
Q = S @ (S.T @ M @ S + lam).inv() @ S.T

ASKED = {
    "resolvent": {"a": fr.trace(R)},
    "ridge": {"bias": fr.quadratic_form(w, R @ Sigma @ R), "variance": fr.trace(R @ Sigma @ R @ M)},
    "projections": {"variance": fr.trace(Q @ Sigma @ Q @ M)},
    "bias": {"bias": fr.quadratic_form(w, (1 - Q @ M).T @ Sigma @ (1 - Q @ M))},
    "rank one": {"a": fr.quadratic_form(w, (M + 2 * w @ w.T + lam).inv()), "b": fr.trace(R @ Theta)},
    "nested": {"a": fr.trace((M + (S @ S.T + lam).inv() + lam).inv() @ Theta)},
    "deterministic inverses": {"a": fr.trace((M + (Theta + w @ w.T).inv() + lam).inv()) + 3 * lam},
    "polynomial": {"a": fr.trace(M @ M @ Theta + 2 * M) - fr.trace(Theta)},
}


@pytest.mark.parametrize(
    ("name", "blocks", "unknowns"),
    [("resolvent", 2, 2), ("ridge", 9, 4), ("projections", 9, 8)],
)
def test_pencils_are_small(name: str, blocks: int, unknowns: int) -> None:
    pencil = linearize(ASKED[name])
    merged = merge(dyson_equation(pencil))
    assert len([x for x in pencil.dimensions if x != 1]) <= blocks
    assert len(merged.representatives) <= unknowns


@pytest.mark.parametrize("name", ASKED)
def test_the_inverse_of_the_pencil_holds_the_expression(name: str) -> None:
    """On a draw of small matrices both are the same, to rounding: no limit is taken here."""
    draw = _Draw(5, {n: 7, d: 4, m: 3}, {lam: 0.7})
    for pencil in (linearize(ASKED[name]), reduced(linearize(ASKED[name]))):
        for asked, traces in ASKED[name].items():
            np.testing.assert_allclose(draw.read(pencil, asked), draw.traces(traces), rtol=1e-11)


def test_reduction_eliminates_unit_pivots_and_changes_nothing() -> None:
    """The textbook linearisation of (M + lambda)^-1 M with its chains of unit pivots."""
    blocks = linearize({"a": fr.trace(R @ Theta)})
    one: Polynomial = {EMPTY: sympy.Integer(1)}
    size = len(blocks.dimensions)
    padded = Pencil(
        (*blocks.dimensions, d, n),
        {
            **blocks.entries,
            (size, size): one,
            (size + 1, size + 1): {EMPTY: sympy.Integer(-2)},
            (0, size): one,
            (size, 0): one,
            (1, size + 1): one,
            (size + 1, 1): one,
        },
        blocks.readouts,
    )
    small = reduced(padded)
    assert len(small.dimensions) == size
    draw = _Draw(3, {n: 6, d: 3, m: 2}, {lam: 2.5})
    np.testing.assert_allclose(draw.read(small, "a"), draw.read(padded, "a"), rtol=1e-12)


class _Draw:
    """Small matrices for all symbols."""

    def __init__(self, seed: int, sizes: dict[sympy.Symbol, int], scalars: dict[sympy.Symbol, float]) -> None:
        self.random = np.random.default_rng(seed)
        self.sizes = {**sizes, sympy.Integer(1): 1}
        self.scalars = {**sizes, **scalars}
        self.drawn: dict[object, np.ndarray] = {}

    def number(self, scalar: sympy.Expr) -> float:
        return float(scalar.subs(self.scalars))

    def leaf(self, leaf: Matrix) -> np.ndarray:
        name = str(leaf).removesuffix(".T")
        transposed = isinstance(leaf, Gaussian | Vector) and leaf.transposed
        if name not in self.drawn:
            rows, columns = (self.sizes[s] for s in (leaf.shape[::-1] if transposed else leaf.shape))
            self.drawn[name] = self.random.standard_normal((rows, columns)) / 2
            if not isinstance(leaf, Gaussian | Vector):
                self.drawn[name] = self.drawn[name] @ self.drawn[name].T + np.eye(rows)
        return self.drawn[name].T if transposed else self.drawn[name]

    def matrix(self, expression: Matrix) -> np.ndarray:
        match type(expression).__name__, [self.matrix(e) for e in expression.operands]:
            case "Identity", _:
                return np.eye(self.sizes[expression.shape[0]])
            case "Sum", parts:
                return np.asarray(sum(parts))
            case "Product", parts:
                return np.linalg.multi_dot(parts)
            case "Scaled", [inner]:
                return self.number(expression.factor) * inner  # type: ignore[attr-defined]
            case "Inverse", [inner]:
                return np.linalg.inv(inner)
            case "Root", [inner]:
                return self.power(inner, expression.exponent)  # type: ignore[attr-defined]
        return self.leaf(expression)

    def power(self, matrix: np.ndarray, exponent: sympy.Expr) -> np.ndarray:
        values, vectors = np.linalg.eigh(matrix)
        return (vectors * values ** float(exponent)) @ vectors.T

    def traces(self, traces: Traces) -> float:
        parts = [self.number(c) * np.trace(self.matrix(e)) for e, c in traces.terms]
        return float(sum(parts)) + self.number(traces.constant)

    def word(self, word: Word, size: int) -> np.ndarray:
        found = np.eye(size)
        for letter in reversed(word):
            if isinstance(letter.base, Matrix):
                base = self.leaf(letter.base)
            else:
                base = self.polynomial(dict(letter.base), len(found))
            found = (base if letter.power == 1 else self.power(base, letter.power)) @ found
        return found

    def polynomial(self, found: Polynomial, size: int) -> np.ndarray:
        return np.asarray(sum(self.number(c) * self.word(w, size) for w, c in found.items()))

    def read(self, pencil: Pencil, name: str) -> float:
        ends = np.cumsum([0, *(self.sizes[x] for x in pencil.dimensions)])
        whole = np.zeros((ends[-1], ends[-1]))
        for (i, j), found in pencil.entries.items():
            block = self.polynomial(found, self.sizes[pencil.dimensions[j]])
            whole[ends[i] : ends[i + 1], ends[j] : ends[j + 1]] = block
        inverse = np.linalg.inv(whole)
        total = 0.0
        for r in pencil.readouts[name]:
            block = np.eye(self.sizes[r.dimension])
            if r.column is not None and r.row is not None:
                block = inverse[ends[r.column] : ends[r.column + 1], ends[r.row] : ends[r.row + 1]]
            total += self.number(r.coefficient) * np.trace(block @ self.word(r.word, len(block)))
        return total
