"""The blocks of a pencil while an expression acts on a vector, step by step.

Each intermediate vector that a Gaussian or an inverse needs becomes a block of the pencil, with one equation;
all else stays a linear combination of the blocks at hand. So $(X^\\top X + \\lambda)^{-1}$ takes two blocks,
$v$ with $X^\\top u + \\lambda v = b$ and $u = X v$, and an intermediate vector met twice is the same block.
"""

from collections.abc import Iterable
from typing import Any

import sympy

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.pencils.expressions import (
    ONE,
    Dimension,
    Gaussian,
    Identity,
    Inverse,
    Matrix,
    Product,
    Scaled,
    Sum,
    Vector,
)
from freeridge.solvers.pencils.pencil import Readout
from freeridge.solvers.pencils.words import (
    EMPTY,
    Letter,
    Polynomial,
    Word,
    collect,
    has_vector,
    is_random,
    is_zero,
    join,
    polynomial,
)

# Blocks are numbered; the vector that the pencil acts on, one for each dimension, goes by the dimension.
Port = Any
Form = dict[tuple[Port, Word], sympy.Expr]


class Flow:
    """Blocks and equations."""

    def __init__(self) -> None:
        self.dimensions: list[Dimension] = []
        self.rows: list[Form] = []
        """Equation of each block: a combination of blocks that equals..."""
        self.sources: list[Form] = []
        """... a combination of sources."""
        self.known: dict[object, int] = {}
        self.inverses: dict[int, Inverse] = {}
        """What the blocks that solve for something solve with."""

    def __copy__(self) -> "Flow":
        other = Flow()
        other.dimensions, other.rows = list(self.dimensions), list(self.rows)
        other.sources, other.known = list(self.sources), dict(self.known)
        other.inverses = dict(self.inverses)
        return other

    def entries(self) -> dict[tuple[int, int], Polynomial]:
        """The equations as the entries of a block matrix."""
        found: dict[tuple[int, int], list[tuple[Word, sympy.Expr]]] = {}
        for row, form in enumerate(self.rows):
            for (column, word), coefficient in form.items():
                found.setdefault((row, column), []).append((word, coefficient))
        return {place: collect(items) for place, items in found.items()}

    def apply_all(self, factors: tuple[Matrix, ...], form: Form) -> Form:
        """A product of expressions times a combination of blocks and of sources."""
        for factor in reversed(factors):
            form = self.apply(factor, form)
        return form

    def apply(self, matrix: Matrix, form: Form) -> Form:
        """The expression times a combination of blocks and of sources."""
        match matrix:
            case Gaussian() | Vector():
                return self._prepend(matrix, form)
            case Identity():
                return form
            case Scaled():
                return {place: c * matrix.factor for place, c in self.apply(matrix.inner, form).items()}
            case Sum():
                return _collected(item for t in matrix.terms for item in self.apply(t, form).items())
            case Product():
                return self.apply_all(matrix.factors, form)
            case Inverse() if matrix.is_random or not _is_plain(matrix):
                return self._solve(matrix, form)
        left = polynomial(matrix)
        return _collected(
            ((port, join(u, v)), a * b) for u, a in left.items() for (port, v), b in form.items()
        )

    def _prepend(self, matrix: Gaussian | Vector, form: Form) -> Form:
        """A Gaussian multiplies no second Gaussian, no vector and no source: those become blocks first."""
        row_vector = isinstance(matrix, Vector) and matrix.transposed
        column_vector = isinstance(matrix, Vector) and not matrix.transposed
        crowded = column_vector or any(
            is_random(word) or (not row_vector and (has_vector(word) or not isinstance(port, int)))
            for port, word in form
        )
        if crowded:
            prefix = _common_prefix([word for _, word in form])
            bare = {(port, word[len(prefix) :]): c for (port, word), c in form.items()}
            form = {(p, prefix): c for (p, _), c in self._block(bare, matrix.shape[1]).items()}
        return {(port, join((Letter(matrix),), word)): c for (port, word), c in form.items()}

    def _block(self, form: Form, dimension: Dimension) -> Form:
        """The same vector as a block of its own."""
        if len(form) == 1:
            (((port, word), coefficient),) = form.items()
            if isinstance(port, int) and not word and coefficient == 1:
                return form
        key = ("block", frozenset(form.items()), dimension)
        if key not in self.known:
            index = self._new(key, dimension)
            self._equation(index, {(index, EMPTY): ONE}, form)
        return {(self.known[key], EMPTY): ONE}

    def _solve(self, matrix: Inverse, form: Form) -> Form:
        if not form:
            return {}
        key = ("inverse", matrix.inner, frozenset(form.items()))
        if key not in self.known:
            index = self._new(key, matrix.shape[0])
            self.inverses[index] = matrix
            image = self.apply(matrix.inner, {(index, EMPTY): ONE})
            if not image:
                raise InvalidSetting("inv", matrix, "an expression that is not zero")
            self._equation(index, image, form)
        return {(self.known[key], EMPTY): ONE}

    def _new(self, key: object, dimension: Dimension) -> int:
        self.known[key] = len(self.dimensions)
        self.dimensions.append(dimension)
        self.rows.append({})
        self.sources.append({})
        return self.known[key]

    def _equation(self, index: int, left: Form, right: Form) -> None:
        """Blocks to the left of the equality sign, sources to the right."""
        moved = [(place, -c) for place, c in right.items() if isinstance(place[0], int)]
        self.rows[index] = _collected([*left.items(), *moved])
        self.sources[index] = {place: c for place, c in right.items() if not isinstance(place[0], int)}

    def readable(self, form: Form, dimension: Dimension) -> Form:
        """What is read off is deterministic in the blocks; a number is a block."""
        if dimension == ONE or any(is_random(word) for _, word in form):
            return self._block(form, dimension)
        return form

    def readouts(self, factor: sympy.Expr, start: Dimension, form: Form) -> list[Readout]:
        """The trace of what takes the source to a combination of blocks, times a factor."""
        found = []
        for (port, word), coefficient in form.items():
            if not isinstance(port, int):
                found.append(Readout(factor * coefficient, word, start))
                continue
            for row, sources in enumerate(self.sources):
                found += [
                    Readout(factor * coefficient * c, join(inner, word), start, port, row)
                    for (source, inner), c in sources.items()
                    if source == start
                ]
        return found


def _is_plain(matrix: Inverse) -> bool:
    """Whether a deterministic inverse is a letter: symmetric, and nothing of rank one in it."""
    return matrix.inner == matrix.inner.T and not any(isinstance(leaf, Vector) for leaf in matrix.leaves())


def _common_prefix(words: list[Word]) -> Word:
    """Deterministic letters that all words begin with: a block without them serves more often."""
    shared = 0
    while all(len(word) > shared and word[shared] == words[0][shared] for word in words):
        letter = words[0][shared]
        if letter.is_random or letter.is_vector:
            break
        shared += 1
    return words[0][:shared] if words else EMPTY


def _collected(items: Iterable[tuple[tuple[Port, Word], sympy.Expr]]) -> Form:
    found: Form = {}
    for place, coefficient in items:
        found[place] = found.get(place, sympy.Integer(0)) + coefficient
    return {place: c for place, c in found.items() if not is_zero(c)}
