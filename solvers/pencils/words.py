r"""Words: products of letters, the entries of a pencil.

A letter is a deterministic symmetric matrix to some power, a vector, or a Gaussian matrix. A word is their
product in order; neighbours that are powers of one matrix merge, so that $\Sigma^{1/2} \Sigma^{1/2}$ is
$\Sigma$. A polynomial is a sum of words with scalar coefficients.
"""

from collections.abc import Iterable
from typing import NamedTuple, Union

import sympy

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.pencils.expressions import (
    ONE,
    Deterministic,
    Gaussian,
    Identity,
    Inverse,
    Matrix,
    Product,
    Root,
    Scaled,
    Sum,
    Vector,
    write,
)


class Letter(NamedTuple):
    """A matrix to a power. The base is a symbol, or a polynomial whose power does not expand."""

    base: Union[Matrix, "FrozenPolynomial"]
    power: sympy.Rational = ONE

    @property
    def is_random(self) -> bool:
        return isinstance(self.base, Gaussian)

    @property
    def is_vector(self) -> bool:
        return isinstance(self.base, Vector)


Word = tuple[Letter, ...]
Polynomial = dict[Word, sympy.Expr]
FrozenPolynomial = frozenset[tuple[Word, sympy.Expr]]

EMPTY: Word = ()


def join(left: Word, right: Word) -> Word:
    """The product of two words."""
    if left and right and left[-1].base == right[0].base and not (left[-1].is_random or left[-1].is_vector):
        power = left[-1].power + right[0].power
        return (
            join(left[:-1], right[1:])
            if power == 0
            else (*left[:-1], Letter(left[-1].base, power), *right[1:])
        )
    return left + right


def is_random(word: Word) -> bool:
    """Whether a Gaussian is in it."""
    return any(letter.is_random for letter in word)


def has_vector(word: Word) -> bool:
    """Whether a vector is in it."""
    return any(letter.is_vector for letter in word)


def split(word: Word) -> tuple[Word, Gaussian, Word]:
    """The word as deterministic, Gaussian, deterministic."""
    at = next(i for i, letter in enumerate(word) if letter.is_random)
    gaussian = word[at].base
    assert isinstance(gaussian, Gaussian)
    return word[:at], gaussian, word[at + 1 :]


def collect(items: Iterable[tuple[Word, sympy.Expr]]) -> Polynomial:
    """The sum of words with coefficients, equal ones together, those that cancel left out."""
    found: Polynomial = {}
    for word, coefficient in items:
        found[word] = found.get(word, sympy.Integer(0)) + coefficient
    return {word: c for word, c in found.items() if not is_zero(c)}


def is_zero(coefficient: sympy.Expr) -> bool:
    """Whether terms cancel."""
    return coefficient == 0 or (isinstance(coefficient, sympy.Add) and sympy.expand(coefficient) == 0)


def polynomial(matrix: Matrix) -> Polynomial:
    """A deterministic expression as a sum of words.

    Examples
    --------
    >>> import freeridge as fr
    >>> Sigma = fr.deterministic("Sigma", fr.dims("d"))
    >>> polynomial(fr.sqrt(Sigma) @ (2 * Sigma) @ fr.sqrt(Sigma))
    {(Letter(base=Sigma, power=2),): 2}
    """
    match matrix:
        case Deterministic() | Vector():
            return {(Letter(matrix),): ONE}
        case Identity():
            return {EMPTY: ONE}
        case Scaled():
            return collect((w, c * matrix.factor) for w, c in polynomial(matrix.inner).items())
        case Sum():
            return collect(item for term in matrix.terms for item in polynomial(term).items())
        case Product():
            found: Polynomial = {EMPTY: ONE}
            for factor in matrix.factors:
                right = polynomial(factor)
                found = collect((join(u, v), a * b) for u, a in found.items() for v, b in right.items())
            return found
        case Inverse():
            return _power(matrix.inner, sympy.Integer(-1))
        case Root():
            return _power(matrix.inner, matrix.exponent)
    raise AssertionError(f"{type(matrix).__name__} is not deterministic")


def _power(matrix: Matrix, exponent: sympy.Rational) -> Polynomial:
    if matrix != matrix.T:
        raise InvalidSetting("power", matrix, "a symmetric matrix: give it as one symbol of fr.deterministic")
    return raised(polynomial(matrix), exponent, matrix)


def raised(base: Polynomial, exponent: sympy.Rational, shown: object) -> Polynomial:
    """A power, not expanded, of a symmetric polynomial; ``shown`` stands for it in messages."""
    if not base:
        raise InvalidSetting("power", shown, "an expression that is not zero")
    if any(is_random(word) or has_vector(word) for word in base):
        raise InvalidSetting("power", shown, "a deterministic matrix without rank-one terms")
    if len(base) == 1:
        ((word, coefficient),) = base.items()
        if len(word) <= 1:
            return {tuple(Letter(x.base, x.power * exponent) for x in word): coefficient**exponent}
    return {(Letter(frozenset(base.items()), exponent),): ONE}


def show(word: Word) -> str:
    """The word as text, for messages and for the display of pencils."""
    return " ".join(_show(letter) for letter in word) or "I"


def show_polynomial(items: Iterable[tuple[Word, sympy.Expr]]) -> str:
    """The polynomial as text."""
    parts = []
    for word, coefficient in items:
        factor = f"({coefficient})" if isinstance(coefficient, sympy.Add) else str(coefficient)
        parts.append(
            show(word)
            if coefficient == 1
            else f"{factor} {show(word)}"
            if coefficient != -1
            else f"-{show(word)}"
        )
    return " + ".join(parts).replace("+ -", "- ")


def _show(letter: Letter) -> str:
    base = (
        write(letter.base)
        if isinstance(letter.base, Matrix)
        else f"({show_polynomial(sorted(letter.base, key=str))})"
    )
    return base if letter.power == 1 else f"{base}^{letter.power}"
