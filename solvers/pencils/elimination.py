r"""Blocks of the inverse of a sector, computed only where they are asked for.

The entries may be numbers for all atoms at once, dense matrices, or SymPy expressions: anything with the
operations of :class:`Algebra`, whose product need not commute. Blocks that depend on each other are
inverted together by elimination; the rest follows by substitution, block triangular as a pencil is.
"""

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from freeridge.solvers.pencils.dyson import Pair, reachable


@runtime_checkable
class Algebra(Protocol):
    """Sums, products, inverses and traces of the entries of a sector."""

    def plus(self, left: Any, right: Any) -> Any: ...
    def times(self, left: Any, right: Any) -> Any: ...
    def inverse(self, entry: Any) -> Any: ...


class Inverse:
    """The inverse of a sparse block matrix.

    Parameters
    ----------
    entries : mapping from (row, column) to entry
        With a full diagonal.
    algebra : Algebra
    constant : set of int
        Diagonal entries that are known multiples of the identity: elimination begins with those.
    """

    def __init__(self, entries: Mapping[Pair, Any], algebra: Algebra, constant: set[int]) -> None:
        self.entries, self.algebra, self.constant = entries, algebra, constant
        blocks = sorted({i for i, _ in entries})
        place = {block: at for at, block in enumerate(blocks)}
        edges: list[set[int]] = [set() for _ in blocks]
        for i, j in entries:
            edges[place[i]].add(place[j])
        reach = [{blocks[at] for at in found} for found in reachable(edges)]
        self.reach = dict(zip(blocks, reach, strict=True))
        self.component = {b: tuple(c for c in sorted(self.reach[b]) if b in self.reach[c]) for b in blocks}
        self.found: dict[Pair, Any] = {}

    def block(self, row: int, column: int) -> Any:
        """One block of the inverse, or None where it is zero."""
        if column not in self.reach[row]:
            return None
        if (row, column) not in self.found:
            if column in self.component[row]:
                self._invert(self.component[row])
            else:
                self._substitute(row, column)
        return self.found[row, column]

    def _substitute(self, row: int, column: int) -> None:
        """$G_{rc} = -\\sum G_{ri} M_{ij} G_{jc}$ over i in the component of r and j outside it."""
        total = None
        component = self.component[row]
        for (i, j), entry in self.entries.items():
            if i in component and j not in component:
                inner, outer = self.block(row, i), self.block(j, column)
                if inner is not None and outer is not None:
                    term = self.algebra.times(self.algebra.times(inner, entry), outer)
                    total = term if total is None else self.algebra.plus(total, term)
        self.found[row, column] = None if total is None else self.algebra.times(-1, total)

    def _invert(self, component: tuple[int, ...]) -> None:
        """Gauss-Jordan in place; the order of products is kept."""
        plus, times = self.algebra.plus, self.algebra.times
        m = {(i, j): self.entries[i, j] for i in component for j in component if (i, j) in self.entries}
        for p in sorted(component, key=lambda b: b not in self.constant):
            pivot = self.algebra.inverse(m[p, p])
            row = {j: times(pivot, m[p, j]) for j in component if j != p and (p, j) in m}
            column = {i: m[i, p] for i in component if i != p and (i, p) in m}
            for i, factor in column.items():
                for j, entry in row.items():
                    change = times(-1, times(factor, entry))
                    m[i, j] = plus(m[i, j], change) if (i, j) in m else change
                m[i, p] = times(-1, times(factor, pivot))
            m.update({(p, j): entry for j, entry in row.items()})
            m[p, p] = pivot
        self.found.update({(i, j): m.get((i, j)) for i in component for j in component})
