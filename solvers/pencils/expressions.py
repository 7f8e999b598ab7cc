"""Expressions in random and deterministic matrices, written as on paper.

An expression is an immutable tree that knows its shape, a pair of named dimensions. Scalars are SymPy
expressions throughout, so that ratios of dimensions, ridges and weights need no algebra of their own. A
scalar added to a square matrix stands for that multiple of the identity.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import sympy

from freeridge.solvers.errors import InvalidSetting

ONE = sympy.Integer(1)
# A SymPy symbol, or the number one for vectors. SymPy has no types.
Dimension: TypeAlias = Any
Shape = tuple[Dimension, Dimension]


def as_scalar(value: Any, name: str = "scalar") -> sympy.Expr:
    """A real number or SymPy expression as SymPy; a decimal number is taken for the decimal it shows.

    Examples
    --------
    >>> as_scalar(0.1), as_scalar(2)
    (1/10, 2)
    """
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, int | float | complex | sympy.Expr):
        raise InvalidSetting(name, value, "a number, a scalar of fr.scalar or a dimension of fr.dims")
    if isinstance(value, complex) or (isinstance(value, sympy.Expr) and value.has(sympy.I)):
        raise InvalidSetting(name, value, "a real number; a scalar of fr.scalar may get a complex value")
    if isinstance(value, float):
        if not np.isfinite(value):
            raise InvalidSetting(name, value, "a finite number")
        return sympy.Rational(repr(value))
    return sympy.sympify(value)


class Matrix:
    """Base of all matrix expressions; made by the functions of :mod:`freeridge.solvers.pencils.symbols`.

    Supports ``+``, ``-``, ``@``, products with and division by scalars, ``**`` with a whole number,
    ``.T`` and ``.inv()``.
    """

    shape: Shape

    @property
    def T(self) -> "Matrix":
        """The transpose."""
        raise AssertionError(f"{type(self).__name__} does not say what its transpose is")

    @property
    def operands(self) -> tuple["Matrix", ...]:
        """The expressions it is made of."""
        found: list[Matrix] = []
        for field in fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            found += (
                [value] if isinstance(value, Matrix) else [v for v in _items(value) if isinstance(v, Matrix)]
            )
        return tuple(found)

    def leaves(self) -> Iterator["Matrix"]:
        """All symbols in it, in order of appearance, each as often as it appears."""
        if not self.operands:
            yield self
        for operand in self.operands:
            yield from operand.leaves()

    @cached_property
    def is_random(self) -> bool:
        """Whether a Gaussian matrix is in it."""
        return any(isinstance(leaf, Gaussian) for leaf in self.leaves())

    @property
    def is_square(self) -> bool:
        """Whether both dimensions are the same."""
        return self.shape[0] == self.shape[1]

    def inv(self) -> "Matrix":
        """The inverse."""
        if not self.is_square:
            raise InvalidSetting("inv", self, f"a square matrix, not {describe(self)}")
        return Inverse(self)

    def __matmul__(self, other: Any) -> "Matrix":
        if not isinstance(other, Matrix):
            raise InvalidSetting("@", other, f"a matrix on the right of {describe(self)}")
        if self.shape[1] != other.shape[0]:
            raise InvalidSetting(
                "@",
                Product((self, other), (self.shape[0], other.shape[1])),
                f"equal inner dimensions; {describe(self)} has {self.shape[1]} columns and {describe(other)} "
                f"has {other.shape[0]} rows",
            )
        scalar: sympy.Expr = ONE
        factors: list[Matrix] = []
        for operand in (self, other):
            if isinstance(operand, Scaled):
                scalar, operand = scalar * operand.factor, operand.inner
            factors += operand.factors if isinstance(operand, Product) else [operand]
        factors = [f for f in factors if not isinstance(f, Identity)] or factors[:1]
        one = len(factors) == 1
        product = factors[0] if one else Product(tuple(factors), (self.shape[0], other.shape[1]))
        return product * scalar

    def __rmatmul__(self, other: Any) -> "Matrix":
        raise InvalidSetting("@", other, f"a matrix on the left of {describe(self)}")

    def __add__(self, other: Any) -> "Matrix":
        return _add(self, other)

    __radd__ = __add__

    def __neg__(self) -> "Matrix":
        return self * -1

    def __sub__(self, other: Any) -> "Matrix":
        return _add(self, -other)

    def __rsub__(self, other: Any) -> "Matrix":
        return _add(-self, other)

    def __mul__(self, other: Any) -> "Matrix":
        if isinstance(other, Matrix):
            raise InvalidSetting("*", other, "a scalar; the product of matrices is written @")
        factor = as_scalar(other, "factor")
        inner, coefficient = (self.inner, self.factor) if isinstance(self, Scaled) else (self, ONE)
        coefficient = coefficient * factor
        return inner if coefficient == 1 else Scaled(coefficient, inner)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> "Matrix":
        if isinstance(other, Matrix):
            raise InvalidSetting("/", other, "a scalar; the inverse of a matrix is written .inv()")
        return self * (1 / as_scalar(other, "divisor"))

    def __pow__(self, exponent: Any) -> "Matrix":
        exponent = as_scalar(exponent, "exponent")
        if not self.is_square:
            raise InvalidSetting("**", self, f"a square matrix, not {describe(self)}")
        if exponent.is_Integer:
            base = self.inv() if exponent < 0 else self
            factors = (base.factors if isinstance(base, Product) else (base,)) * abs(int(exponent))
            return (
                Product(factors, self.shape) if len(factors) > 1 else (factors or (Identity(self.shape),))[0]
            )
        if not exponent.is_Rational or self.is_random or self != self.T:
            raise InvalidSetting(
                "exponent", exponent, "a whole number; roots exist of symmetric deterministic matrices only"
            )
        return Root(self, exponent)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> "Matrix":
        # A NumPy number on the left arrives here; so does np.tanh(Z), which is outside what can be derived.
        left = inputs[0]
        if method == "__call__" and len(inputs) == 2 and np.ndim(left) == 0 and not isinstance(left, Matrix):
            match ufunc.__name__:
                case "multiply":
                    return self * left
                case "add":
                    return self + left
                case "subtract":
                    return left.item() - self
        raise self._not_an_array(f"numpy.{ufunc.__name__}")

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise self._not_an_array("numpy")

    def _not_an_array(self, function: str) -> InvalidSetting:
        return InvalidSetting(
            function,
            self,
            "sums, products, .T and .inv() of expressions: a non-linear function of the entries has no "
            "linear pencil. For random features write its Gaussian equivalent: a linear part plus noise",
        )

    def __str__(self) -> str:
        return write(self)

    __repr__ = __str__


@dataclass(frozen=True, repr=False)
class Gaussian(Matrix):
    """Independent centred Gaussian entries of one variance."""

    name: str
    shape: Shape
    variance: sympy.Expr
    transposed: bool = False

    @property
    def T(self) -> Matrix:
        return Gaussian(self.name, self.shape[::-1], self.variance, not self.transposed)


@dataclass(frozen=True, repr=False)
class Deterministic(Matrix):
    """A symmetric matrix given as numbers later."""

    name: str
    shape: Shape

    @property
    def T(self) -> Matrix:
        return self


@dataclass(frozen=True, repr=False)
class Vector(Matrix):
    """A deterministic column vector, or row when transposed."""

    name: str
    shape: Shape
    transposed: bool = False

    @property
    def T(self) -> Matrix:
        return Vector(self.name, self.shape[::-1], not self.transposed)


@dataclass(frozen=True, repr=False)
class Identity(Matrix):
    """The identity of a dimension."""

    shape: Shape

    @property
    def T(self) -> Matrix:
        return self


@dataclass(frozen=True, repr=False)
class Scaled(Matrix):
    """A scalar times a matrix."""

    factor: sympy.Expr
    inner: Matrix

    @property
    def shape(self) -> Shape:  # type: ignore[override]
        return self.inner.shape

    @property
    def T(self) -> Matrix:
        return Scaled(self.factor, self.inner.T)


@dataclass(frozen=True, repr=False)
class Sum(Matrix):
    """A sum of matrices of one shape."""

    terms: tuple[Matrix, ...]

    @property
    def shape(self) -> Shape:  # type: ignore[override]
        return self.terms[0].shape

    @property
    def T(self) -> Matrix:
        return Sum(tuple(term.T for term in self.terms))


@dataclass(frozen=True, repr=False)
class Product(Matrix):
    """A product of matrices, in order."""

    factors: tuple[Matrix, ...]
    shape: Shape

    @property
    def T(self) -> Matrix:
        return Product(tuple(factor.T for factor in self.factors[::-1]), self.shape[::-1])


@dataclass(frozen=True, repr=False)
class Inverse(Matrix):
    """The inverse of a square matrix."""

    inner: Matrix

    @property
    def shape(self) -> Shape:  # type: ignore[override]
        return self.inner.shape

    @property
    def T(self) -> Matrix:
        return Inverse(self.inner.T)


@dataclass(frozen=True, repr=False)
class Root(Matrix):
    """A rational power of a symmetric deterministic matrix."""

    inner: Matrix
    exponent: sympy.Rational

    @property
    def shape(self) -> Shape:  # type: ignore[override]
        return self.inner.shape

    @property
    def T(self) -> Matrix:
        return self


def describe(matrix: Matrix) -> str:
    """The expression with its shape, for messages."""
    return f"{write(matrix)} ({matrix.shape[0]} x {matrix.shape[1]})"


def write(matrix: Matrix, inside: bool = False) -> str:
    """The expression as Python writes it; in parentheses where it stands inside another."""
    match matrix:
        case Gaussian() | Vector():
            return matrix.name + (".T" if matrix.transposed else "")
        case Deterministic():
            return matrix.name
        case Identity():
            return f"I_{matrix.shape[0]}"
        case Scaled():
            factor = f"({matrix.factor})" if isinstance(matrix.factor, sympy.Add) else matrix.factor
            sign = matrix.factor == -1
            text = f"-{write(matrix.inner, True)}" if sign else f"{factor}*{write(matrix.inner, True)}"
        case Sum():
            text = " + ".join(write(term) for term in matrix.terms).replace("+ -", "- ")
        case Product():
            text = " @ ".join(write(factor, True) for factor in matrix.factors)
        case Inverse():
            return f"{write(matrix.inner, True)}.inv()"
        case Root():
            return f"{write(matrix.inner, True)}**({matrix.exponent})"
    return f"({text})" if inside else text


def _add(left: Matrix, right: Any) -> Matrix:
    if not isinstance(right, Matrix):
        value = as_scalar(right, "summand")
        if value == 0:
            return left
        if not left.is_square:
            raise InvalidSetting(
                "+",
                right,
                "a matrix; a scalar stands for a multiple of the identity, and "
                f"{describe(left)} is not square",
            )
        right = Identity(left.shape) * value
    if left.shape != right.shape:
        raise InvalidSetting(
            "+", Sum((left, right)), f"equal shapes, not {describe(left)} and {describe(right)}"
        )
    terms = [t for e in (left, right) for t in (e.terms if isinstance(e, Sum) else (e,))]
    return Sum(tuple(terms))


def _items(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else ()
