r"""The Dyson equation of a pencil as mathematics: its right-hand side and its outputs in SymPy.

The same elimination that computes blocks of the inverse from numbers runs on functions of matrices here.
Unknowns are written so that they read well: in units of their value without randomness where that is a
simple factor, so that they begin at one, and otherwise with the sign that makes them positive.
"""

import numpy as np
import sympy

from freeridge.solvers.pencils.dyson import Pair
from freeridge.solvers.pencils.elimination import Inverse
from freeridge.solvers.pencils.equations.matrix_functions import (
    MatrixSymbol,
    NormalizedTrace,
    QuadraticForm,
    SymbolicAlgebra,
    VectorSymbol,
    tidy,
)
from freeridge.solvers.pencils.equations.ratios import in_ratios
from freeridge.solvers.pencils.expressions import ONE, Deterministic, Dimension, Vector
from freeridge.solvers.pencils.merging import MergedEquation, Sample
from freeridge.solvers.pencils.pencil import Readout
from freeridge.solvers.pencils.words import FrozenPolynomial, Polynomial, Word, has_vector, is_random

ZERO = sympy.Integer(0)
# Iterations, at a small variance, that show the sign of an unknown.
_WARM_UP = 30
_SMALL = 0.1


class SymbolicSystem:
    """A merged equation written out.

    Parameters
    ----------
    merged : MergedEquation
    ratios : dict from SymPy expression to symbol
        What ratios of dimensions are called.
    matrices : tuple of Deterministic
        All deterministic matrices.

    Attributes
    ----------
    unknowns : list of SymPy symbols
        One for each merged unknown, in units that read well.
    images : list of SymPy expressions
        What each unknown equals.
    starts : list of SymPy expressions
        The unknowns without randomness.
    outputs : dict from name to SymPy expression
    """

    def __init__(
        self,
        merged: MergedEquation,
        ratios: dict[sympy.Expr, sympy.Symbol],
        matrices: tuple[Deterministic, ...],
    ) -> None:
        self.merged, self.ratios = merged, ratios
        self.dimensions = merged.equation.pencil.dimensions
        sizes = [m.shape[0] for m in matrices]
        self.symbols = {m: MatrixSymbol(m.name, commutative=sizes.count(m.shape[0]) == 1) for m in matrices}
        self.unknowns = [sympy.Dummy(f"q{at}") for at in range(len(merged.representatives))]
        self._coefficients: dict[sympy.Expr, sympy.Expr] = {}
        self._units = [sympy.Integer(sign) for sign in _signs(merged)]
        still = self._inverses([ZERO] * len(self.unknowns))
        values = [self._image(still, at) for at in range(len(self.unknowns))]
        self._units = self._read_well(values)
        self.starts = [self._image(still, at) for at in range(len(self.unknowns))]
        inverses = self._inverses([x * unit for x, unit in zip(self.unknowns, self._units, strict=True)])
        self.images = [self._image(inverses, at) for at in range(len(self.unknowns))]
        self.outputs = self._read_all(inverses)

    def _read_well(self, values: list[sympy.Expr]) -> list[sympy.Expr]:
        """Units from the values without randomness; a response has that of what responds."""
        units = [_unit(value) * sign for value, sign in zip(values, self._units, strict=True)]
        place = self.merged.equation.unknowns
        dimensions = [place[u].dimension for u in self.merged.representatives]
        for at, value in enumerate(values):
            if self.merged.orders[at] > 1 and value == 0:
                same = {
                    units[b]
                    for b in range(self.merged.core)
                    if dimensions[b] == dimensions[at] and units[b] not in (1, -1)
                }
                units[at] *= same.pop() if len(same) == 1 else 1
        return units

    def _inverses(self, values: list[sympy.Expr]) -> dict[Dimension, Inverse]:
        """$G$ by sectors, and last what is left on the blocks of dimension 1."""
        equation, place = self.merged.equation, self.merged.place
        algebra = SymbolicAlgebra()
        entries: dict[Dimension, dict[Pair, sympy.Expr]] = {d: {} for d in equation.dimensions}
        thin: dict[Pair, sympy.Expr] = {}
        for (i, j), found in equation.deterministic.items():
            entries[self.dimensions[i]][i, j] = self._polynomial(found)
        for (i, j), terms in equation.feedback.items():
            held = thin if self.dimensions[i] == ONE else entries[self.dimensions[i]]
            for term in terms:
                at, sign = place[term.unknown]
                if sign:
                    change = -sign * self._coefficient(term.coefficient) * values[at] * self._word(term.word)
                    held[i, j] = algebra.plus(held.get((i, j), ZERO), change)
        inverses = {d: Inverse(found, algebra, equation.constant) for d, found in entries.items()}
        if ONE in self.dimensions:
            inverses[ONE] = Inverse(self._thin(thin, inverses), algebra, set())
        return inverses

    def _thin(
        self, entries: dict[Pair, sympy.Expr], inverses: dict[Dimension, Inverse]
    ) -> dict[Pair, sympy.Expr]:
        """The matrix of numbers on the blocks of dimension 1, all other blocks eliminated."""
        pencil = self.merged.equation.pencil
        places = self.merged.equation.sector(ONE)
        rows: dict[int, list[tuple[int, Word, sympy.Expr]]] = {}
        columns: dict[int, list[tuple[int, Word, sympy.Expr]]] = {}
        for (i, j), found in pencil.entries.items():
            for word, c in found.items():
                if is_random(word) or ONE not in (self.dimensions[i], self.dimensions[j]):
                    continue
                if self.dimensions[i] == self.dimensions[j]:
                    form = self._form(word, sympy.Integer(1), ())
                    entries[i, j] = entries.get((i, j), ZERO) + self._coefficient(c) * form
                elif i in places:
                    rows.setdefault(i, []).append((j, word, c))
                else:
                    columns.setdefault(j, []).append((i, word, c))
        for i, lefts in rows.items():
            for j, rights in columns.items():
                for k, left, a in lefts:
                    for row, right, b in rights:
                        if self.dimensions[k] == self.dimensions[row]:
                            block = inverses[self.dimensions[k]].block(k, row)
                            if block is not None:
                                factor = self._coefficient(a) * self._coefficient(b)
                                change = factor * self._form(left, block, right)
                                entries[i, j] = entries.get((i, j), ZERO) - change
        return {place: entry for place, entry in entries.items() if entry != 0}

    def _image(self, inverses: dict[Dimension, Inverse], at: int) -> sympy.Expr:
        unknown = self.merged.equation.unknowns[self.merged.representatives[at]]
        block = inverses[unknown.dimension].block(unknown.column, unknown.row)
        product = tidy(block * self._word(unknown.word) / self._units[at])
        return tidy(NormalizedTrace(product, unknown.dimension))

    def _read_all(self, inverses: dict[Dimension, Inverse]) -> dict[str, sympy.Expr]:
        return {
            name: sympy.Add(*(self._read(term, inverses) for term in terms))
            for name, terms in self.merged.equation.pencil.readouts.items()
        }

    def _read(self, term: Readout, inverses: dict[Dimension, Inverse]) -> sympy.Expr:
        if term.column is None or term.row is None:
            if has_vector(term.word):
                return self._coefficient(term.coefficient) * self._form(term.word, sympy.Integer(1), ())
            matrix = self._word(term.word)
        else:
            block = inverses[term.dimension].block(term.column, term.row)
            if block is None:
                return ZERO
            matrix = tidy(block * self._word(term.word))
        return self._coefficient(term.coefficient * term.dimension) * NormalizedTrace(matrix, term.dimension)

    def _coefficient(self, scalar: sympy.Expr) -> sympy.Expr:
        if scalar not in self._coefficients:
            self._coefficients[scalar] = in_ratios(scalar, self.ratios)
        return self._coefficients[scalar]

    def _polynomial(self, items: Polynomial | FrozenPolynomial) -> sympy.Expr:
        terms = items.items() if isinstance(items, dict) else items
        return sympy.Add(*(self._coefficient(c) * self._word(word) for word, c in terms))

    def _word(self, word: Word) -> sympy.Expr:
        factors = []
        for letter in word:
            if isinstance(letter.base, frozenset):
                base = self._polynomial(letter.base)
            else:
                assert isinstance(letter.base, Deterministic)
                base = self.symbols[letter.base]
            factors.append(base**letter.power)
        return sympy.Mul(*factors)

    def _form(self, left: Word, middle: sympy.Expr, right: Word) -> sympy.Expr:
        """The quadratic form of a word that begins with a row vector and one that ends with a column."""
        whole = left + right
        if not whole:
            return middle
        first, last = whole[0].base, whole[-1].base
        assert isinstance(first, Vector) and isinstance(last, Vector)
        before, after = (left[1:], right[:-1]) if right else (left[1:-1], ())
        matrix = tidy(self._word(before) * middle * self._word(after))
        return QuadraticForm(VectorSymbol(first.name), matrix, VectorSymbol(last.name))


def _signs(merged: MergedEquation) -> list[int]:
    """The signs of the unknowns where all symbols are positive."""
    sample = Sample(merged.equation, 0)
    values = np.zeros(len(merged.equation.unknowns))
    for _ in range(_WARM_UP):
        values = sample(values, _SMALL)
    return [-1 if values[at] < 0 else 1 for at in merged.representatives]


def _unit(value: sympy.Expr) -> sympy.Expr:
    """The value of an unknown without randomness where that is a simple factor, and otherwise 1."""
    factors = sympy.Mul.make_args(value)
    simple = all(f.is_number or f.is_Symbol or (f.is_Pow and f.base.is_Symbol) for f in factors)
    return value if simple and value != 0 else sympy.Integer(1)
