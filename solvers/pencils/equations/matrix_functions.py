r"""Functions of deterministic matrices as SymPy expressions: their products, traces and quadratic forms.

A sector with one deterministic matrix needs no order of factors, since all its functions commute; the
matrices of a sector with several are symbols that do not commute. A number added to a matrix stands for that
multiple of the identity.
"""

from collections.abc import Iterable
from functools import cache
from typing import Any

import sympy

Split = tuple[sympy.Expr, sympy.Expr]

# An expression that is factored has at most so many operations, and symbols.
_LONGEST, _MOST_SYMBOLS = 200, 9


class MatrixSymbol(sympy.Symbol):  # type: ignore[misc]
    """A deterministic symmetric matrix."""

    __slots__ = ()


class VectorSymbol(sympy.Symbol):  # type: ignore[misc]
    """A deterministic vector."""

    __slots__ = ()


class _Scalar(sympy.Function):  # type: ignore[misc]
    """A number made from matrices: commutes, whatever its arguments do."""

    is_commutative = True


class NormalizedTrace(_Scalar):
    r"""$\overline{\mathrm{tr}}\, A = \mathrm{tr}\, A / d$, linear, and the number itself for a
    multiple of the identity.

    Examples
    --------
    >>> Sigma, a, d = MatrixSymbol("Sigma"), sympy.Symbol("a"), sympy.Symbol("d")
    >>> NormalizedTrace(2 * a * Sigma + a, d)
    2*a*(tr(Sigma)/d) + a
    """

    def _sympystr(self, printer: Any) -> str:
        matrix, dimension = self.args
        return f"(tr({printer._print(matrix)})/{printer._print(dimension)})"

    @classmethod
    def eval(cls, matrix: sympy.Expr, dimension: sympy.Expr) -> sympy.Expr | None:
        if _is_pure(matrix):
            factors = sympy.Mul.make_args(matrix)
            if matrix.is_commutative or not _is_power(factors[-1]) or _is_power(factors[0]):
                return None
            # A trace does not change when factors go round: it begins with a matrix and not with an inverse.
            return cls(sympy.Mul(factors[-1], *factors[:-1]), dimension)
        parts = [split(term) for term in sympy.Add.make_args(matrix)]
        return sympy.Add(*(c if m == 1 else c * cls(m, dimension) for c, m in parts))


class QuadraticForm(_Scalar):
    r"""$v^\top A w$, linear in $A$.

    Examples
    --------
    >>> v, Sigma, a = VectorSymbol("v"), MatrixSymbol("Sigma"), sympy.Symbol("a")
    >>> QuadraticForm(v, a * Sigma + 1, v)
    a*(v.T (Sigma) v) + (v.T (1) v)
    """

    def _sympystr(self, printer: Any) -> str:
        left, matrix, right = map(printer._print, self.args)
        return f"({left}.T ({matrix}) {right})"

    @classmethod
    def eval(cls, left: sympy.Expr, matrix: sympy.Expr, right: sympy.Expr) -> sympy.Expr | None:
        if matrix == 1 or _is_pure(matrix):
            return None
        parts = [split(term) for term in sympy.Add.make_args(matrix)]
        return sympy.Add(*(c * cls(left, m, right) for c, m in parts))


def _is_pure(matrix: sympy.Expr) -> bool:
    """One product without scalar factors."""
    return is_matrix(matrix) and not isinstance(matrix, sympy.Add) and split(matrix)[0] == 1


def _is_power(factor: sympy.Expr) -> bool:
    return isinstance(factor.as_base_exp()[0], MatrixSymbol)


@cache
def is_matrix(expression: sympy.Basic) -> bool:
    """Whether it is a function of a matrix, and not a number."""
    if isinstance(expression, MatrixSymbol):
        return True
    return not isinstance(expression, _Scalar) and any(map(is_matrix, expression.args))


def split(term: sympy.Expr) -> Split:
    """A product as a scalar factor and a product of matrices."""
    factors = sympy.Mul.make_args(term)
    scalars = [f for f in factors if not is_matrix(f)]
    matrices = [f for f in factors if is_matrix(f)]
    return sympy.Mul(*scalars), sympy.Mul(*matrices)


@cache
def tidy(expression: sympy.Expr) -> sympy.Expr:
    """The shortest of an expression, its factors, and the polynomial in traces that it is; of functions of
    matrices that do not commute, the same for the scalar factors.
    """
    if not expression.is_commutative:
        parts = []
        for scalar, matrix in map(split, sympy.Add.make_args(expression)):
            factors = [_primitive(factor) for factor in sympy.Mul.make_args(matrix)]
            parts.append((sympy.Mul(scalar, *(c for c, _ in factors)), sympy.Mul(*(m for _, m in factors))))
        return _sum(parts)
    if is_matrix(expression):
        return _factored(expression)
    # Numbers made from matrices are symbols to the algorithms for polynomials.
    functions = {x: x.func(*map(tidy, x.args)) for x in expression.atoms(_Scalar)}
    expression = expression.xreplace(functions)
    names = {x: sympy.Dummy() for x in expression.atoms(_Scalar)}
    plain = expression.xreplace(names)
    forms = [plain, _factored(plain)]
    values = {x: f for f, x in names.items()}
    if names and plain.is_polynomial(*values):
        polynomial = sympy.Poly(plain, *values)
        terms = [
            (_factored(c), [x**k for x, k in zip(values, powers, strict=True)])
            for powers, c in polynomial.terms()
        ]
        forms.append(sympy.Add(*(c * sympy.Mul(*factors) for c, factors in terms)))
        if polynomial.total_degree() == 1:
            forms.append(_together(polynomial, values))
    found = (form.xreplace(values) for form in forms)
    return min(found, key=lambda e: (e.count_ops(), not isinstance(e, sympy.Mul)))


def _factored(expression: sympy.Expr) -> sympy.Expr:
    """The factors, where they can be found in no time; a long sum in many symbols can take hours, or not,
    by the order in which SymPy meets the symbols.
    """
    if expression.count_ops() > _LONGEST or len(expression.free_symbols) > _MOST_SYMBOLS:
        return sympy.factor_terms(expression)
    return sympy.factor(expression)


def _together(polynomial: sympy.Poly, values: dict[sympy.Symbol, sympy.Expr]) -> sympy.Expr:
    """A sum of traces as the trace of a sum, and of quadratic forms likewise."""
    total = polynomial.coeff_monomial(1)
    sums: dict[tuple[Any, ...], sympy.Expr] = {}
    for name, function in values.items():
        at = 1 if isinstance(function, QuadraticForm) else 0
        key = (function.func, at, *(x for i, x in enumerate(function.args) if i != at))
        change = polynomial.coeff_monomial(name) * function.args[at]
        sums[key] = sums.get(key, sympy.Integer(0)) + change
    for (kind, at, *others), matrix in sums.items():
        total += kind(*others[:at], tidy(matrix), *others[at:])
    return sympy.factor_terms(total)


def _sum(parts: Iterable[Split]) -> sympy.Expr:
    collected: dict[sympy.Expr, sympy.Expr] = {}
    for scalar, matrix in parts:
        collected[matrix] = collected.get(matrix, sympy.Integer(0)) + scalar
    return sympy.Add(*(tidy(scalar) * matrix for matrix, scalar in collected.items()))


class SymbolicAlgebra:
    """Sums, products and inverses of functions of matrices, for :class:`elimination.Inverse`.

    Sums are collected and inverses free of fractions, so that they read as on paper.
    """

    def plus(self, left: Any, right: Any) -> sympy.Expr:
        return _sum(map(split, (*sympy.Add.make_args(left), *sympy.Add.make_args(right))))

    def times(self, left: Any, right: Any) -> sympy.Expr:
        return left * right

    def inverse(self, entry: Any) -> sympy.Expr:
        r"""$(c\, A)^{-1} = c^{-1} A^{-1}$ with $c$ the common factor of the coefficients in $A$."""
        entry = tidy(entry)
        scalar, matrix = split(entry)
        if not isinstance(matrix, sympy.Add) and matrix != 1:
            # A product of several matrices, inverted in the opposite order.
            factors = reversed(sympy.Mul.make_args(matrix))
            return sympy.Mul(1 / scalar, *(self._inverse_of_sum(f) for f in factors))
        return self._inverse_of_sum(matrix) / scalar if matrix != 1 else self._inverse_of_sum(scalar)

    def _inverse_of_sum(self, entry: sympy.Expr) -> sympy.Expr:
        scalar, matrix = _primitive(entry)
        return matrix**-1 / scalar


def _primitive(entry: sympy.Expr) -> Split:
    """A sum as a common factor of its coefficients and the rest, free of fractions and with positive signs.

    Dimensions stay where they are: a share of the samples reads best as a fraction.
    """
    if not isinstance(entry, sympy.Add) or not is_matrix(entry):
        return sympy.Integer(1), entry
    parts = [split(term) for term in sympy.Add.make_args(entry)]
    fractions = [sympy.fraction(sympy.together(c)) for c, _ in parts]
    below = sympy.lcm_list([_free(b) for _, b in fractions])
    above = sympy.gcd_list([sympy.cancel(a * below / _free(b)) for a, b in fractions])
    terms = [t for a, _ in fractions for t in sympy.Add.make_args(sympy.expand(a))]
    if all(t.could_extract_minus_sign() for t in terms):
        above = -above
    rest = sympy.Add(*(tidy(sympy.cancel(c * below / above)) * m for c, m in parts))
    return above / below, rest


def _free(product: sympy.Expr) -> sympy.Expr:
    """Without its factors that are positive symbols, as dimensions are."""
    return sympy.Mul(*(f for f in sympy.Mul.make_args(product) if not f.as_base_exp()[0].is_positive))
