r"""The Dyson equation with numbers in it: its right-hand side, and what is read off its solution."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import sympy
from jaxtyping import Array, Inexact

from freeridge.solvers.network import solve_pivoting
from freeridge.solvers.pencils.algebra import Entry
from freeridge.solvers.pencils.continuation import Map
from freeridge.solvers.pencils.dyson import Pair
from freeridge.solvers.pencils.elimination import Inverse
from freeridge.solvers.pencils.expressions import ONE, Dimension, Vector
from freeridge.solvers.pencils.merging import MergedEquation
from freeridge.solvers.pencils.pencil import Readout
from freeridge.solvers.pencils.words import FrozenPolynomial, Polynomial, Word, has_vector, is_random

Unknowns = Inexact[Array, " unknowns"]


class System:
    """A merged equation together with the numbers of one point.

    Parameters
    ----------
    merged : MergedEquation
    numbers : mapping from SymPy expression to number
        Of every coefficient, and of every dimension.
    algebras : mapping from dimension to the algebra of its sector
        Of :mod:`freeridge.solvers.pencils.algebra`, or one that stands in for it.
    """

    def __init__(
        self,
        merged: MergedEquation,
        numbers: Mapping[sympy.Expr, Any],
        algebras: Mapping[Dimension, Any],
    ) -> None:
        self.merged, self.numbers, self.algebras = merged, numbers, algebras
        self.dimensions = merged.equation.pencil.dimensions
        # Computed here, outside of every loop that needs them.
        self._words: dict[tuple[Dimension, Word], Entry] = {}
        words = {(unknown.dimension, unknown.word) for unknown in merged.equation.unknowns}
        for (i, _), terms in merged.equation.feedback.items():
            words |= {(self.dimensions[i], term.word) for term in terms if self.dimensions[i] != ONE}
        self._words = {place: self.word(*place) for place in words}
        self._still = {
            place: self._polynomial(self.dimensions[place[0]], found)
            for place, found in merged.equation.deterministic.items()
        }

    def image(self, unknowns: Unknowns, variance: Any, wanted: tuple[int, ...]) -> Inexact[Array, " wanted"]:
        """The right-hand side for some of the unknowns."""
        inverses = self.inverses(unknowns, variance)
        return jnp.stack([self._trace(inverses, u)[0] for u in wanted])

    def stage(self, unknowns: Unknowns, stage: tuple[int, ...]) -> Map:
        """The equations of some unknowns as a function of these and of the variance, the others given."""
        places = jnp.array(stage)
        return lambda q, variance: self.image(unknowns.at[places].set(q), variance, stage)

    def scales(self, unknowns: Unknowns, wanted: tuple[int, ...]) -> Inexact[Array, " wanted"]:
        """What rounding in each unknown is relative to."""
        inverses = self.inverses(unknowns, 1.0)
        return jnp.stack([self._trace(inverses, u)[1] for u in wanted])

    def inverses(self, unknowns: Unknowns, variance: Any) -> dict[Dimension, Inverse]:
        """$G$, its blocks computed when they are asked for."""
        entries: dict[Dimension, dict[Pair, Entry]] = {d: {} for d in self.algebras}
        variance = jnp.asarray(variance).astype(unknowns.dtype)
        for (i, j), entry in self._still.items():
            entries[self.dimensions[i]][i, j] = entry
        for (i, j), terms in self.merged.equation.feedback.items():
            dimension = self.dimensions[i]
            if dimension == ONE:
                continue
            algebra = self.algebras[dimension]
            for term in terms:
                at, sign = self.merged.place[term.unknown]
                if sign == 0:
                    continue
                factor = -sign * variance * self.numbers[term.coefficient] * unknowns[at]
                change = algebra.times(factor, self.word(dimension, term.word))
                place = entries[dimension]
                place[i, j] = algebra.plus(place[i, j], change) if (i, j) in place else change
        constant = self.merged.equation.constant
        return {d: Inverse(found, self.algebras[d], constant) for d, found in entries.items()}

    def readout(self, unknowns: Unknowns) -> dict[str, Array]:
        """What was asked for, from the solution."""
        return {
            name: jnp.asarray(sum((factor * self._trace_of(d, block) for factor, d, block in parts), 0.0))
            for name, parts in self._parts(unknowns).items()
        }

    def sizes(self, unknowns: Unknowns) -> dict[str, Array]:
        """What rounding in it is relative to: traces of absolute values."""
        return {
            name: jnp.asarray(sum((abs(factor) * self._size_of(d, block) for factor, d, block in parts), 0.0))
            for name, parts in self._parts(unknowns).items()
        }

    def _parts(self, unknowns: Unknowns) -> dict[str, list[tuple[Any, Dimension, Entry]]]:
        """Each quantity as a sum of coefficients times normalised traces of entries of sectors."""
        inverses = self.inverses(unknowns, 1.0)
        pencil = self.merged.equation.pencil
        thin = _ThinBlocks(self, inverses, unknowns) if ONE in pencil.dimensions else None
        return {
            name: [part for term in terms if (part := self._part(term, inverses, thin)) is not None]
            for name, terms in pencil.readouts.items()
        }

    def _part(
        self, term: Readout, inverses: dict[Dimension, Inverse], thin: "_ThinBlocks | None"
    ) -> tuple[Any, Dimension, Entry] | None:
        factor, dimension = self.numbers[term.coefficient], term.dimension
        if has_vector(term.word):
            return factor, ONE, self.form(term.word)
        if dimension == ONE:
            number = 1.0 if thin is None or term.column is None else thin.inverse(term.column, term.row)
            return factor, ONE, number
        word = self.word(dimension, term.word)
        if term.column is None or term.row is None:
            return factor * self.numbers[dimension], dimension, word
        block = inverses[dimension].block(term.column, term.row)
        if block is None:
            return None
        return factor * self.numbers[dimension], dimension, self.algebras[dimension].times(block, word)

    def _trace_of(self, dimension: Dimension, entry: Entry) -> Any:
        return entry if dimension == ONE else self.algebras[dimension].trace(entry)

    def _size_of(self, dimension: Dimension, entry: Entry) -> Any:
        return jnp.abs(entry) if dimension == ONE else jnp.abs(self.algebras[dimension].size(entry))

    def _trace(self, inverses: dict[Dimension, Inverse], merged: int) -> tuple[Array, Array]:
        unknown = self.merged.equation.unknowns[self.merged.representatives[merged]]
        algebra = self.algebras[unknown.dimension]
        block = inverses[unknown.dimension].block(unknown.column, unknown.row)
        product = algebra.times(block, self.word(unknown.dimension, unknown.word))
        return algebra.trace(product), algebra.size(product)

    def word(self, dimension: Dimension, word: Word) -> Entry:
        """A deterministic word without vectors."""
        if (dimension, word) in self._words:
            return self._words[dimension, word]
        algebra = self.algebras[dimension]
        found: Entry = 1.0
        for letter in word:
            base = (
                self._polynomial(dimension, letter.base)
                if isinstance(letter.base, frozenset)
                else algebra.matrices[letter.base.name]  # type: ignore[attr-defined]
            )
            found = algebra.times(found, algebra.power(base, float(letter.power)))
        return found

    def _polynomial(self, dimension: Dimension, items: Polynomial | FrozenPolynomial) -> Entry:
        algebra = self.algebras[dimension]
        total: Entry = None
        for word, coefficient in items.items() if isinstance(items, dict) else items:
            term = algebra.times(self.numbers[coefficient], self.word(dimension, word))
            total = term if total is None else algebra.plus(total, term)
        return total

    def form(self, word: Word, middle: Entry = 1.0, after: Word = ()) -> Any:
        """The number $v^\\top D\\, M\\, D' w$ of a word that begins with a row vector, an entry, and a word
        that ends with a column vector.
        """
        if not word and not after:
            return middle
        whole = word + after
        first, last = whole[0].base, whole[-1].base
        assert isinstance(first, Vector) and isinstance(last, Vector)
        dimension = last.shape[0]
        algebra = self.algebras[dimension]
        left = self.word(dimension, word[1:] if after else word[1:-1])
        entry = algebra.times(left, middle)
        if after:
            entry = algebra.times(entry, self.word(dimension, after[:-1]))
        return algebra.form(first.name, entry, last.name)


class _ThinBlocks:
    """The blocks of dimension 1, which come with vectors: a small matrix of numbers once all others have been
    eliminated.
    """

    def __init__(self, system: System, inverses: dict[Dimension, Inverse], unknowns: Unknowns) -> None:
        self.system, self.inverses, self.unknowns = system, inverses, unknowns
        self.places = system.merged.equation.sector(ONE)
        rows = [jnp.stack([jnp.asarray(self._entry(i, j)) for j in self.places]) for i in self.places]
        matrix = jnp.stack(rows)
        units = jnp.eye(len(self.places), dtype=matrix.dtype)
        self.solved = jnp.stack([solve_pivoting(matrix, unit) for unit in units], axis=1)

    def inverse(self, row: Any, column: Any) -> Array:
        """One entry of the inverse."""
        return self.solved[self.places.index(row), self.places.index(column)]

    def _entry(self, i: int, j: int) -> Any:
        system, pencil = self.system, self.system.merged.equation.pencil
        total = sum(
            (system.numbers[c] * system.form(word) for word, c in self._still(i, j)),
            jnp.zeros_like(self.unknowns, shape=()),
        )
        for term in system.merged.equation.feedback.get((i, j), ()):
            at, sign = system.merged.place[term.unknown]
            total = total - sign * system.numbers[term.coefficient] * self.unknowns[at]
        for k, dimension in enumerate(pencil.dimensions):
            if dimension == ONE:
                continue
            for row in system.merged.equation.sector(dimension):
                pairs = [(a, b) for a in self._still(i, k) for b in self._still(row, j)]
                block = self.inverses[dimension].block(k, row) if pairs else None
                if block is not None:
                    for (left, a), (right, b) in pairs:
                        factor = system.numbers[a] * system.numbers[b]
                        total = total - factor * system.form(left, block, right)
        return total

    def _still(self, i: int, j: int) -> list[tuple[Word, sympy.Expr]]:
        found = self.system.merged.equation.pencil.entries.get((i, j), {})
        return [(word, c) for word, c in found.items() if not is_random(word)]
