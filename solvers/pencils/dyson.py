r"""The matrix Dyson equation of a pencil.

For $L = A + X$ with $X$ linear in Gaussians, the blocks of $L^{-1}$ have the deterministic equivalent

$$ G = (A - H)^{-1}, \qquad H_{ij} = \sum c_{ik} c_{lj}\, v\, D\; L_{ik}\,
   \overline{\mathrm{tr}}\big[ R_{ik} G_{kl} L_{lj} \big]\, R_{lj} , $$

summed over pairs of entries $(i, k)$ and $(l, j)$ that hold one Gaussian of variance $v$, in one of them
transposed, between words $L$ and $R$; $D$ is the dimension of blocks $k$ and $l$. Blocks of different
dimensions do not mix in $G$, so that each dimension is a *sector* of its own. The unknowns are the traces.

Blocks of dimension 1 come with vectors. They change a trace by one part in $D$ and therefore have no share in
the equation; quadratic forms are read off afterwards (:mod:`freeridge.solvers.pencils.system`).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import sympy

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.pencils.expressions import ONE, Dimension, Gaussian
from freeridge.solvers.pencils.pencil import Pencil
from freeridge.solvers.pencils.words import EMPTY, Polynomial, Word, is_random, join, show, split

Pair = tuple[int, int]

INVERTIBLE = (
    "an inverse that exists without the Gaussians, where the solution starts from; add a ridge, as in "
    "(X.T @ X + lam).inv()"
)


class SingularPencil(InvalidSetting):
    """A pencil without an inverse where its Gaussians are zero; ``row`` is one that makes it so."""

    row: int


class Unknown(NamedTuple):
    r"""$\overline{\mathrm{tr}}\, G_{kl} W$."""

    dimension: Dimension
    column: int
    row: int
    word: Word


class Feedback(NamedTuple):
    """One term of $H_{ij}$: a coefficient, a word, and the unknown they multiply."""

    coefficient: sympy.Expr
    word: Word
    unknown: int


@dataclass(frozen=True)
class DysonEquation:
    """The equation of a pencil, with unknowns that are structurally zero left out.

    Attributes
    ----------
    pencil : Pencil
        With its rows in an order that leaves nothing zero on the diagonal of $A$.
    deterministic : dict from (i, j) to polynomial
        $A$, within sectors.
    feedback : dict from (i, j) to tuple of Feedback
        $H$.
    unknowns : tuple of Unknown
    """

    pencil: Pencil
    deterministic: dict[Pair, Polynomial]
    feedback: dict[Pair, tuple[Feedback, ...]]
    unknowns: tuple[Unknown, ...]

    def sector(self, dimension: Dimension) -> tuple[int, ...]:
        """The blocks of a dimension."""
        return tuple(i for i, found in enumerate(self.pencil.dimensions) if found == dimension)

    @cached_property
    def constant(self) -> set[int]:
        """Blocks whose diagonal entry of $A - H$ is a multiple of the identity that no unknown changes."""
        return {
            i
            for (i, j), found in self.deterministic.items()
            if i == j and (i, i) not in self.feedback and set(found) == {EMPTY}
        }

    @property
    def dimensions(self) -> tuple[Dimension, ...]:
        """All but 1, in order of appearance."""
        return tuple(dict.fromkeys(d for d in self.pencil.dimensions if d != ONE))


class _Entry(NamedTuple):
    row: int
    column: int
    left: Word
    gaussian: Gaussian
    right: Word
    coefficient: sympy.Expr


def dyson_equation(pencil: Pencil) -> DysonEquation:
    """The equation of a pencil.

    Raises
    ------
    InvalidSetting
        When the pencil is singular without its Gaussians, whatever the numbers are.
    """
    pencil = _aligned(pencil)
    inside = {
        (i, j): {w: c for w, c in found.items() if not is_random(w)}
        for (i, j), found in pencil.entries.items()
        if pencil.dimensions[i] == pencil.dimensions[j] != ONE
    }
    deterministic = {place: found for place, found in inside.items() if found}
    entries = [
        _Entry(i, j, *split(word), c)
        for (i, j), found in pencil.entries.items()
        for word, c in found.items()
        if is_random(word)
    ]
    pairs = [
        (a, b)
        for a in entries
        for b in entries
        if b.gaussian == a.gaussian.T and pencil.dimensions[a.column] != ONE
    ]
    reach = _reach(pencil, deterministic, pairs)
    unknowns: dict[Unknown, int] = {}
    feedback: dict[Pair, list[Feedback]] = {}
    needed = _needed(pencil, reach, pairs)
    for a, b in pairs:
        if (a.column, b.row) in needed:
            dimension = pencil.dimensions[a.column]
            unknown = Unknown(dimension, a.column, b.row, join(b.left, a.right))
            index = unknowns.setdefault(unknown, len(unknowns))
            coefficient = a.coefficient * b.coefficient * a.gaussian.variance * dimension
            feedback.setdefault((a.row, b.column), []).append(
                Feedback(coefficient, join(a.left, b.right), index)
            )
    return DysonEquation(
        pencil, deterministic, {place: tuple(found) for place, found in feedback.items()}, tuple(unknowns)
    )


def _reach(
    pencil: Pencil, deterministic: Iterable[Pair], pairs: list[tuple[_Entry, _Entry]]
) -> list[set[int]]:
    """For each block k the blocks l with $G_{kl} \\ne 0$: those that k depends on, directly or not."""
    size = len(pencil.dimensions)
    edges = [{j for i, j in deterministic if i == k} | {k} for k in range(size)]
    while True:
        reach = reachable(edges)
        new = [
            (a.row, b.column) for a, b in pairs if b.row in reach[a.column] and b.column not in edges[a.row]
        ]
        if not new:
            return reach
        for i, j in new:
            edges[i].add(j)


def _needed(pencil: Pencil, reach: list[set[int]], pairs: list[tuple[_Entry, _Entry]]) -> set[Pair]:
    """Blocks of G that bear on what is read off."""
    thin = [i for i, dimension in enumerate(pencil.dimensions) if dimension == ONE]
    beside = [k for i, k in pencil.entries if i in thin]
    below = [row for row, j in pencil.entries if j in thin]
    pending = {(k, row) for k in beside for row in below if row in reach[k]}
    pending |= {(a.column, b.row) for a, b in pairs if a.row in thin and b.row in reach[a.column]}
    for readouts in pencil.readouts.values():
        pending |= {(r.column, r.row) for r in readouts if r.column is not None and r.row is not None}
    found: set[Pair] = set()
    while pending:
        start, end = pending.pop()
        found.add((start, end))
        between = {
            (a.column, b.row)
            for a, b in pairs
            if a.row in reach[start] and end in reach[b.column] and b.row in reach[a.column]
        }
        pending |= between - found
    return found


def reachable(edges: list[set[int]]) -> list[set[int]]:
    """For each node all that can be reached along edges, itself included."""
    found = []
    for start in range(len(edges)):
        seen, pending = {start}, [start]
        while pending:
            new = edges[pending.pop()] - seen
            seen |= new
            pending += new
        found.append(seen)
    return found


def _aligned(pencil: Pencil) -> Pencil:
    """The pencil with rows exchanged so that the deterministic part has a full diagonal.

    Without randomness L is block diagonal over the dimensions, and a matching of rows with columns is what it
    takes not to be singular for every choice of numbers.
    """
    size = len(pencil.dimensions)
    usable = [
        [
            j
            for j in (i, *(other for other in range(size) if other != i))
            if pencil.dimensions[i] == pencil.dimensions[j]
            and any(not is_random(w) for w in pencil.entries.get((i, j), {}))
        ]
        for i in range(size)
    ]
    row_of: dict[int, int] = {}

    def place(row: int, tried: set[int]) -> bool:
        for column in usable[row]:
            if column not in tried:
                tried.add(column)
                if column not in row_of or place(row_of[column], tried):
                    row_of[column] = row
                    return True
        return False

    # Rows that fit on their own diagonal stay there: the others go round them.
    for row in sorted(range(size), key=lambda i: i not in usable[i]):
        if not place(row, set()):
            held = [show(w) for j in range(size) for w in pencil.entries.get((row, j), {})]
            error = SingularPencil("expression", " + ".join(held) or "0", INVERTIBLE)
            error.row = row
            raise error
    new = {old: column for column, old in row_of.items()}
    entries = {(new[i], j): found for (i, j), found in pencil.entries.items()}
    readouts = {
        name: tuple(
            r if r.row is None else type(r)(r.coefficient, r.word, r.dimension, r.column, new[r.row])
            for r in found
        )
        for name, found in pencil.readouts.items()
    }
    return Pencil(pencil.dimensions, dict(sorted(entries.items())), readouts)
