r"""Pencils made smaller without a change in what is read off.

A block row $i$ with a number $c$ in column $j$ can be solved for block $j$; putting it into the other rows is
the Schur complement, which leaves all other blocks of the inverse as they are. It is done where the result
is still linear in the Gaussians.
"""

from freeridge.solvers.pencils.dyson import Pair
from freeridge.solvers.pencils.pencil import Pencil, Readout
from freeridge.solvers.pencils.words import EMPTY, Polynomial, collect, has_vector, is_random, join

_Entries = dict[Pair, Polynomial]


def reduced(pencil: Pencil) -> Pencil:
    """The pencil without the rows and columns that are unit pivots.

    Examples
    --------
    >>> import freeridge as fr, sympy
    >>> from freeridge.solvers.pencils.words import polynomial
    >>> d, one = fr.dims("d"), sympy.Integer(1)
    >>> root = polynomial(fr.sqrt(fr.deterministic("Sigma", d)))
    >>> entries = {(0, 0): {(): one}, (0, 1): root, (1, 0): root, (1, 1): {(): -one}}
    >>> print(reduced(Pencil((d, d), entries, {"value": (Readout(one, (), d, 0, 0),)})))
    1 blocks: d
    d | I + Sigma
    value = tr L^-1[1, 1]
    """
    entries = {place: dict(found) for place, found in pencil.entries.items()}
    read = [r for found in pencil.readouts.values() for r in found if r.column is not None]
    rows = set(range(len(pencil.dimensions))) - {r.row for r in read}
    columns = set(range(len(pencil.dimensions))) - {r.column for r in read}
    while True:
        pivots = [
            (i, j)
            for (i, j), found in entries.items()
            if i in rows
            and j in columns
            and set(found) == {EMPTY}
            and found[EMPTY].is_number
            and _stays_linear(entries, i, j)
        ]
        if not pivots:
            return _renumbered(pencil, entries)
        i, j = min(pivots, key=lambda pivot: (_fill(entries, *pivot), pivot))
        entries = _eliminated(entries, i, j)
        rows.remove(i)
        columns.remove(j)


def _others(entries: _Entries, i: int, j: int) -> tuple[dict[int, Polynomial], dict[int, Polynomial]]:
    """The rest of row i by column, and of column j by row."""
    row = {b: found for (a, b), found in entries.items() if a == i and b != j}
    column = {a: found for (a, b), found in entries.items() if b == j and a != i}
    return row, column


def _stays_linear(entries: _Entries, i: int, j: int) -> bool:
    row, column = _others(entries, i, j)
    right = [word for found in row.values() for word in found]
    left = [word for found in column.values() for word in found]
    both = any(map(is_random, left)) and any(map(is_random, right))
    return not both and not any(map(has_vector, left + right))


def _fill(entries: _Entries, i: int, j: int) -> int:
    row, column = _others(entries, i, j)
    return len(row) * len(column) - len(row) - len(column)


def _eliminated(entries: _Entries, i: int, j: int) -> _Entries:
    row, column = _others(entries, i, j)
    pivot = entries[i, j][EMPTY]
    kept = {(a, b): found for (a, b), found in entries.items() if a != i and b != j}
    for a, left in column.items():
        for b, right in row.items():
            change = [(join(u, v), -x * y / pivot) for u, x in left.items() for v, y in right.items()]
            total = collect([*kept.pop((a, b), {}).items(), *change])
            if total:
                kept[a, b] = total
    return kept


def _renumbered(pencil: Pencil, entries: _Entries) -> Pencil:
    """Rows and columns that are left, numbered anew; row and column of one number keep one dimension."""
    columns = sorted({j for _, j in entries})
    place = {j: at for at, j in enumerate(columns)}
    rows = sorted({i for i, _ in entries})
    order = {i: place[i] for i in rows if i in place}
    free = [j for j in columns if j not in order]
    for i in rows:
        if i not in order:
            j = next(j for j in free if pencil.dimensions[j] == pencil.dimensions[i])
            order[i] = place[j]
            free.remove(j)
    return Pencil(
        tuple(pencil.dimensions[j] for j in columns),
        {(order[i], place[j]): found for (i, j), found in sorted(entries.items())},
        {
            name: tuple(
                r
                if r.column is None or r.row is None
                else Readout(r.coefficient, r.word, r.dimension, place[r.column], order[r.row])
                for r in found
            )
            for name, found in pencil.readouts.items()
        },
    )
