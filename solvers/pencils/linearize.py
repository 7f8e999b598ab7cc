"""From expressions to one linear pencil.

An expression acts on a vector step by step. Each intermediate vector that a Gaussian or an inverse needs
becomes a block of the pencil, with one equation; all else stays a linear combination of the blocks at hand.
So $(X^\\top X + \\lambda)^{-1}$ takes two blocks, $v$ with $X^\\top u + \\lambda v = b$ and $u = X v$, and an
intermediate vector met twice is the same block.
"""

import copy
from collections.abc import Iterable, Mapping
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
from freeridge.solvers.pencils.pencil import Pencil, Readout
from freeridge.solvers.pencils.traces import Traces
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
_Port = Any
_Form = dict[tuple[_Port, Word], sympy.Expr]


def linearize(wanted: Mapping[str, Traces]) -> Pencil:
    """One pencil for all traces, with blocks shared among them.

    Raises
    ------
    InvalidSetting
        When an inverse does not exist without the Gaussians.
    """
    flow = _Flow()
    outputs: dict[str, list[tuple[sympy.Expr, Dimension, _Form]]] = {}
    for name, traces in wanted.items():
        outputs[name] = []
        for factor, matrix in _expanded(traces):
            start, form, flow = _cheapest(flow, matrix)
            outputs[name].append((factor, start, form))
    readouts = {name: [r for one in found for r in flow.readouts(*one)] for name, found in outputs.items()}
    for name, traces in wanted.items():
        if traces.constant != 0:
            readouts[name].append(Readout(traces.constant, EMPTY, ONE))
    return Pencil(
        tuple(flow.dimensions),
        {(i, j): found for i, row in enumerate(flow.rows) for j, found in _by_column(row).items()},
        {name: tuple(found) for name, found in readouts.items()},
    )


def _expanded(traces: Traces) -> list[tuple[sympy.Expr, Matrix]]:
    """Traces of sums as sums of traces, scalar factors outside."""
    found = []
    pending = [(coefficient, matrix) for matrix, coefficient in traces.terms]
    while pending:
        factor, matrix = pending.pop(0)
        match matrix:
            case Sum():
                pending = [(factor, term) for term in matrix.terms] + pending
            case Scaled():
                pending = [(factor * matrix.factor, matrix.inner), *pending]
            case _:
                found.append((factor, matrix))
    return found


def _cheapest(flow: "_Flow", matrix: Matrix) -> tuple[Dimension, _Form, "_Flow"]:
    """The trace cut open where it takes fewest blocks: a trace does not change when factors go round.

    A factor of rank one is cut first, since what is left is then a number and not a trace of small rank.
    """
    factors = matrix.factors if isinstance(matrix, Product) else (matrix,)
    cuts = [factors[i:] + factors[:i] for i in range(len(factors))]
    thin = [cut for cut in cuts if cut[0].shape[0] == ONE]
    trials = []
    for cut in thin or cuts:
        trial = copy.copy(flow)
        start = cut[-1].shape[1]
        form = trial.apply_all(cut, {(start, EMPTY): ONE})
        trial.finish(form, start)
        trials.append((len(trial.dimensions), sum(map(len, trial.rows)), start, form, trial))
    *_, start, form, trial = min(trials, key=lambda found: found[:2])
    return start, form, trial


class _Flow:
    """The blocks of a pencil while it grows."""

    def __init__(self) -> None:
        self.dimensions: list[Dimension] = []
        self.rows: list[_Form] = []
        """Equation of each block: a combination of blocks that equals..."""
        self.sources: list[_Form] = []
        """... a combination of sources."""
        self.known: dict[object, int] = {}

    def __copy__(self) -> "_Flow":
        other = _Flow()
        other.dimensions, other.rows = list(self.dimensions), list(self.rows)
        other.sources, other.known = list(self.sources), dict(self.known)
        return other

    def apply_all(self, factors: tuple[Matrix, ...], form: _Form) -> _Form:
        for factor in reversed(factors):
            form = self.apply(factor, form)
        return form

    def apply(self, matrix: Matrix, form: _Form) -> _Form:
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

    def _prepend(self, matrix: Gaussian | Vector, form: _Form) -> _Form:
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

    def _block(self, form: _Form, dimension: Dimension) -> _Form:
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

    def _solve(self, matrix: Inverse, form: _Form) -> _Form:
        if not form:
            return {}
        key = ("inverse", matrix.inner, frozenset(form.items()))
        if key not in self.known:
            index = self._new(key, matrix.shape[0])
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

    def _equation(self, index: int, left: _Form, right: _Form) -> None:
        """Blocks to the left of the equality sign, sources to the right."""
        moved = [(place, -c) for place, c in right.items() if isinstance(place[0], int)]
        self.rows[index] = _collected([*left.items(), *moved])
        self.sources[index] = {place: c for place, c in right.items() if not isinstance(place[0], int)}

    def finish(self, form: _Form, start: Dimension) -> None:
        """What is read off is deterministic in the blocks; a number is a block."""
        if start == ONE or any(is_random(word) for _, word in form):
            whole = self._block(form, start)
            form.clear()
            form.update(whole)

    def readouts(self, factor: sympy.Expr, start: Dimension, form: _Form) -> list[Readout]:
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


def _collected(items: Iterable[tuple[tuple[_Port, Word], sympy.Expr]]) -> _Form:
    found: _Form = {}
    for place, coefficient in items:
        found[place] = found.get(place, sympy.Integer(0)) + coefficient
    return {place: c for place, c in found.items() if not is_zero(c)}


def _by_column(row: _Form) -> dict[int, Polynomial]:
    columns: dict[int, list[tuple[Word, sympy.Expr]]] = {}
    for (column, word), coefficient in row.items():
        columns.setdefault(column, []).append((word, coefficient))
    return {column: collect(items) for column, items in columns.items()}
