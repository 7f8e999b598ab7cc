"""Expressions evaluated in NumPy for one draw of their Gaussian matrices.

A value is an array: of one dimension where the matrix is diagonal, of two otherwise. Each sub-expression is
computed once in a draw, and what is deterministic once for all of them.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import sympy

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.pencils.expressions import (
    ONE,
    Deterministic,
    Dimension,
    Gaussian,
    Identity,
    Inverse,
    Matrix,
    Product,
    Root,
    Scaled,
    Sum,
    Vector,
)

Value = np.ndarray
Number = int | float | complex


class WholeNumbers(NamedTuple):
    """The numbers of one point on whole coordinates."""

    scalars: Mapping[sympy.Symbol, Number]
    """Dimensions too."""
    sizes: Mapping[Dimension, int]
    leaves: Mapping[Matrix, Value]
    """Deterministic matrices and column vectors."""


class Draws:
    """Draws of all Gaussian matrices in some expressions.

    Parameters
    ----------
    expressions : iterable of Matrix
        Whatever values or traces will be asked for.
    coefficients : iterable of SymPy expression
        Scalars that will be asked for besides those in the expressions.
    numbers : WholeNumbers

    Raises
    ------
    InvalidSetting
        When a variance is not positive, or an expression holds a symbol that has no number.
    """

    def __init__(
        self, expressions: Iterable[Matrix], coefficients: Iterable[sympy.Expr], numbers: WholeNumbers
    ) -> None:
        self.sizes = {**numbers.sizes, ONE: 1}
        uses = _uses(expressions)
        self.repeated = {node for node, count in uses.items() if isinstance(node, Inverse) and count > 1}
        gaussians = {
            Gaussian(node.name, node.T.shape if node.transposed else node.shape, node.variance)
            for node in uses
            if isinstance(node, Gaussian)
        }
        scalars = {node.factor for node in uses if isinstance(node, Scaled)} | set(coefficients)
        self.numbers = _evaluated(scalars | {g.variance for g in gaussians}, numbers)
        # In the order of their names: how an expression is written does not change what is drawn.
        self.gaussians = {g: self._deviation(g) for g in sorted(gaussians, key=lambda g: g.name)}
        for node in uses:
            if isinstance(node, Deterministic | Vector) and not {node, node.T} & numbers.leaves.keys():
                raise _cancelled(node.name)
            for dimension in node.shape:
                if dimension not in self.sizes:
                    raise _cancelled(str(dimension))
        # Deterministic parts of random expressions, and all that they are made of.
        fixed = Draw(self, dict(numbers.leaves))
        for node in uses:
            if not node.is_random:
                fixed.value(node)
        self.fixed = fixed.known

    def draw(self, rng: np.random.Generator) -> "Draw":
        """All Gaussian matrices drawn once."""
        known = dict(self.fixed)
        for gaussian, deviation in self.gaussians.items():
            rows, columns = (self.sizes[dimension] for dimension in gaussian.shape)
            known[gaussian] = deviation * rng.standard_normal((rows, columns))
        return Draw(self, known)

    def _deviation(self, gaussian: Gaussian) -> float:
        variance = self.numbers[gaussian.variance]
        if variance.imag or not variance.real > 0:
            raise InvalidSetting(f"variance of {gaussian.name}", variance, "a number > 0")
        return float(variance.real**0.5)


class Draw:
    """Values of expressions for one draw; made by :meth:`Draws.draw`."""

    def __init__(self, draws: Draws, known: dict[Any, Value]) -> None:
        self.draws, self.known = draws, known

    def value(self, matrix: Matrix) -> Value:
        """The expression as an array."""
        return self._once(matrix, lambda: self._compute(matrix))

    def trace(self, matrix: Matrix) -> Any:
        """Its trace; the last product is not formed."""
        match matrix:
            case Sum():
                return sum(self.trace(term) for term in matrix.terms)
            case Scaled():
                return self.draws.numbers[matrix.factor] * self.trace(matrix.inner)
            case Product():
                # Factors may go round in a trace: with a row vector first there are only vectors.
                thin = (i for i, factor in enumerate(matrix.factors) if factor.shape[0] == ONE)
                start = next(thin, 0)
                first, *others = matrix.factors[start:] + matrix.factors[:start]
                return trace_of_product(self.value(first), self._chain(tuple(others)))
        value = self.value(matrix)
        return np.sum(value) if value.ndim == 1 else np.trace(value)

    def _compute(self, matrix: Matrix) -> Value:
        match matrix:
            case Gaussian() | Vector():
                return self.value(matrix.T).T
            case Identity():
                return np.ones(self.draws.sizes[matrix.shape[0]])
            case Scaled():
                return self.draws.numbers[matrix.factor] * self.value(matrix.inner)
            case Sum():
                return total([self.value(term) for term in matrix.terms])
            case Product():
                return self._chain(matrix.factors)
            case Inverse():
                inner = self.value(matrix.inner)
                return 1 / inner if inner.ndim == 1 else np.linalg.inv(inner)
            case Root():
                return _power(self.value(matrix.inner), matrix.exponent)
        raise AssertionError(f"{type(matrix).__name__} has no value")

    def _chain(self, factors: tuple[Matrix, ...]) -> Value:
        """A product from the right, where the vectors are; an inverse that is met once is not formed."""
        first, *others = factors
        if not others:
            return self.value(first)

        def multiply() -> Value:
            right = self._chain(tuple(others))
            if isinstance(first, Inverse) and first not in self.draws.repeated and right.ndim == 2:
                inner = self.value(first.inner)
                return right / inner[:, None] if inner.ndim == 1 else np.linalg.solve(inner, right)
            return times(self.value(first), right)

        return self._once(factors, multiply)

    def _once(self, key: Any, compute: Callable[[], Value]) -> Value:
        found = self.known.get(key)
        if found is None:
            found = self.known[key] = compute()
        return found


def total(values: list[Value]) -> Value:
    """The sum of diagonal and other matrices."""
    diagonals = [value for value in values if value.ndim == 1]
    others = [value for value in values if value.ndim == 2]
    diagonal = sum(diagonals[1:], diagonals[0]) if diagonals else None
    if not others:
        assert diagonal is not None
        return diagonal
    found = sum(others[1:], others[0])
    return found if diagonal is None else found + np.diag(diagonal)


def times(left: Value, right: Value) -> Value:
    """The product of diagonal and other matrices."""
    if left.ndim == 2:
        return left @ right if right.ndim == 2 else left * right
    return left * right if right.ndim == 1 else left[:, None] * right


def trace_of_product(left: Value, right: Value) -> Any:
    """The trace of the product, which is not formed.

    Examples
    --------
    >>> left, right = np.array([1.0, 2.0]), np.array([[3.0, 1.0], [1.0, 4.0]])
    >>> float(trace_of_product(left, right)), float(trace_of_product(right, right))
    (11.0, 27.0)
    """
    if left.ndim == right.ndim == 2:
        return np.sum(left * right.T)
    return np.sum(
        (left if left.ndim == 1 else np.diag(left)) * (right if right.ndim == 1 else np.diag(right))
    )


def _power(value: Value, exponent: sympy.Rational) -> Value:
    if value.ndim == 1:
        return value ** (int(exponent) if exponent.is_Integer else float(exponent))
    if exponent.is_Integer:
        return np.linalg.matrix_power(value, int(exponent))
    eigenvalues, vectors = np.linalg.eigh(value)
    return (vectors * np.maximum(eigenvalues, 0.0) ** float(exponent)) @ vectors.conj().T


def _uses(expressions: Iterable[Matrix]) -> Counter[Matrix]:
    """Every node, with the number of places it is used in."""
    found: Counter[Matrix] = Counter()
    pending = list(expressions)
    while pending:
        node = pending.pop()
        found[node] += 1
        if found[node] == 1:
            pending += node.operands
    return found


def _evaluated(scalars: Iterable[sympy.Expr], numbers: WholeNumbers) -> dict[sympy.Expr, Number]:
    """SymPy expressions as numbers; real where the imaginary part is zero."""
    asked, symbols = list(scalars), list(numbers.scalars)
    for scalar in asked:
        if unknown := scalar.free_symbols - set(symbols):
            raise _cancelled(str(min(unknown, key=str)))
    found = sympy.lambdify(symbols, asked, modules="numpy")(*numbers.scalars.values())
    return {scalar: real_if_real(np.asarray(v)).item() for scalar, v in zip(asked, found, strict=True)}


def real_if_real(value: Value) -> Value:
    """The real part, where the imaginary part is zero."""
    return value if np.any(np.imag(value)) else np.real(value)


def _cancelled(name: str) -> InvalidSetting:
    return InvalidSetting(
        "expression", name, "no symbol that cancels: the limit does not depend on it, a draw does"
    )
