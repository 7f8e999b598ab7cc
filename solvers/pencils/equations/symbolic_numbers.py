r"""Printed equations turned back into numbers, by evaluating the SymPy expressions themselves.

A function of matrices is a number, one number per atom, or a dense matrix, whatever its letters are. The
first-order unknowns solve $q = (1 - s) q_0 + s F(q)$ with $s$ from 0 to 1 and $q_0$ their value without
randomness, by Newton's method; those of higher order are linear and follow.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import sympy
from jaxtyping import Inexact

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.pencils.algebra import AtomAlgebra
from freeridge.solvers.pencils.equations.matrix_functions import NormalizedTrace, QuadraticForm
from freeridge.solvers.pencils.values import Numbers, read_numbers

if TYPE_CHECKING:
    from freeridge.solvers.pencils.equations.reduced_equations import ReducedEquations

_STEPS = 12
_NEWTON_STEPS = 30
_SETTLED = 1e-13
_DIFFERENCE = 1e-6

Values = dict[sympy.Symbol, Any]
Point = Inexact[np.ndarray, " unknowns"]


class Solution(NamedTuple):
    """The unknowns by their symbols, and the outputs by their names."""

    unknowns: dict[sympy.Symbol, Any]
    outputs: dict[str, Any]


def solve_equations(equations: "ReducedEquations", given: Mapping[str, Any]) -> Solution:
    """Numbers for reduced equations.

    Examples
    --------
    >>> import freeridge as fr
    >>> n, d = fr.dims("n d")
    >>> X, lam = fr.gaussian("X", n, d, variance=1 / n), fr.scalar("lambda")
    >>> eq = fr.derive(fr.normalized_trace((X.T @ X + lam).inv()))
    >>> round(float(eq.system_of_equations.solve(n=200, d=100, lam=0.5).outputs["value"]), 12)
    0.828427124746
    """
    expressions = Evaluator(read_numbers(equations.symbols, given))
    for name, ratio in equations.definitions.items():
        expressions.values[name] = expressions(ratio)
    starts = [expressions(start) for start in equations.starts]
    for order in sorted(set(equations.orders)):
        places = [at for at, found in enumerate(equations.orders) if found == order]
        names = [equations.unknowns[at] for at in places]
        images = [equations.equations[at].rhs for at in places]

        def image(q: Point, names: Any = names, images: Any = images) -> Point:
            expressions.values.update(zip(names, q, strict=True))
            expressions.forget(names)
            return np.array([expressions(f) for f in images])

        start = np.array([starts[at] for at in places]) * 1.0
        point = follow(image, start) if order == 1 else _newton(image, start)
        if point is None:
            raise InvalidSetting(
                "values", dict(given), "a point where the equations have a solution that can be followed"
            )
        image(point)
    return Solution(
        {name: expressions.values[name] for name in equations.unknowns},
        {name: expressions(value) for name, value in equations.outputs.items()},
    )


class Evaluator:
    """SymPy expressions in numbers; what does not change is computed once."""

    def __init__(self, numbers: Numbers) -> None:
        self.values: Values = {}
        self.matrices: dict[str, Any] = {}
        self.vectors: dict[str, Any] = {}
        self.weights: dict[str, Any] = {}
        self.scalars = {name: np.asarray(value)[()] for name, value in numbers.scalars.items()}
        for dimension, algebra in numbers.algebras.items():
            self.matrices |= {name: np.asarray(value) for name, value in algebra.matrices.items()}
            self.vectors |= {name: np.asarray(value) for name, value in algebra.vectors.items()}
            if isinstance(algebra, AtomAlgebra):
                self.weights[dimension] = np.asarray(algebra.weights)
        self._known: dict[sympy.Basic, Any] = {}

    def forget(self, names: list[sympy.Symbol]) -> None:
        """New values for some symbols."""
        changed = set(names)
        self._known = {e: value for e, value in self._known.items() if not changed & _symbols_in(e)}

    def __call__(self, expression: sympy.Expr) -> Any:
        if expression not in self._known:
            self._known[expression] = self._evaluate(expression)
        return self._known[expression]

    def _evaluate(self, expression: sympy.Expr) -> Any:
        match expression:
            case sympy.Symbol():
                return self._symbol(expression)
            case NormalizedTrace():
                return self._trace(self(expression.args[0]), str(expression.args[1]))
            case QuadraticForm():
                left, matrix, right = expression.args
                return self._form(self._vector(left), self(matrix), self._vector(right))
            case sympy.Add():
                total = self(expression.args[0])
                for term in expression.args[1:]:
                    total = _plus(total, self(term))
                return total
            case sympy.Mul():
                product = self(expression.args[0])
                for factor in expression.args[1:]:
                    product = _times(product, self(factor))
                return product
            case sympy.Pow():
                return _power(self(expression.base), expression.exp)
        number = complex(expression)
        return number if number.imag else number.real

    def _symbol(self, symbol: sympy.Symbol) -> Any:
        if symbol in self.values:
            return self.values[symbol]
        return self.matrices[symbol.name] if symbol.name in self.matrices else self.scalars[symbol.name]

    def _vector(self, symbol: sympy.Symbol) -> Any:
        return self.vectors[symbol.name]

    def _trace(self, matrix: Any, dimension: str) -> Any:
        if np.ndim(matrix) == 2:
            return np.trace(matrix) / len(matrix)
        return np.sum(self.weights[dimension] * matrix) if np.ndim(matrix) else matrix

    def _form(self, left: Any, matrix: Any, right: Any) -> Any:
        return left @ matrix @ right if np.ndim(matrix) == 2 else np.sum(left * matrix * right)


@cache
def _symbols_in(expression: sympy.Basic) -> frozenset[sympy.Basic]:
    """As ``free_symbols``, which SymPy collects anew at every call."""
    if isinstance(expression, sympy.Symbol):
        return frozenset([expression])
    return frozenset().union(*map(_symbols_in, expression.args))


def _plus(left: Any, right: Any) -> Any:
    if np.ndim(left) == 2 and np.ndim(right) == 0:
        return left + right * np.eye(len(left))
    return _plus(right, left) if np.ndim(right) == 2 and np.ndim(left) == 0 else left + right


def _times(left: Any, right: Any) -> Any:
    return left @ right if np.ndim(left) == np.ndim(right) == 2 else left * right


def _power(base: Any, exponent: sympy.Expr) -> Any:
    if np.ndim(base) < 2:
        return base ** (int(exponent) if exponent.is_Integer else float(exponent))
    if exponent.is_Integer:
        return np.linalg.matrix_power(base, int(exponent))
    values, vectors = np.linalg.eigh(base)
    return (vectors * np.maximum(values, 0.0) ** float(exponent)) @ vectors.T


def follow(f: Callable[[Point], Point], start: Point) -> Point | None:
    """The solution of $q = f(q)$ on the branch that begins at a point, or None."""
    point: Point | None = start
    for s in np.linspace(0.0, 1.0, _STEPS + 1)[1:]:

        def between(q: Point, s: float = s) -> Point:
            return np.asarray((1 - s) * start + s * f(q))

        point = None if point is None else _newton(between, point)
    return point


def _newton(f: Callable[[Point], Point], point: Point) -> Point | None:
    """The solution of $q = f(q)$ near a point, or None."""
    for _ in range(_NEWTON_STEPS):
        steps = _DIFFERENCE * np.maximum(np.abs(point), _DIFFERENCE)
        moves = np.diag(steps)
        columns = [(f(point + m) - f(point - m)) / (2 * h) for m, h in zip(moves, steps, strict=True)]
        change = np.linalg.solve(np.eye(len(point)) - np.stack(columns, axis=1), f(point) - point)
        point = point + change
        if not np.all(np.isfinite(point)):
            return None
        if np.max(np.abs(change)) <= _SETTLED * np.max(np.abs(point)):
            return point
    return None
