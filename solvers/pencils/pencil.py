r"""Linear pencils: block matrices linear in the Gaussians, whose inverse holds the expression.

$L = A + X$ has square blocks on the diagonal, each of a named dimension; $A$ is deterministic, $X$ linear in
the Gaussian matrices. What is wanted is a sum of terms $c\, \mathrm{tr}\, (L^{-1})_{kl} W$.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import sympy

from freeridge.solvers.pencils.expressions import Dimension
from freeridge.solvers.pencils.words import Polynomial, Word, show, show_polynomial


@dataclass(frozen=True)
class Readout:
    r"""$c\, \mathrm{tr}\, (L^{-1})_{kl} W$, or $c\, \mathrm{tr}\, W$ where no block is named."""

    coefficient: sympy.Expr
    word: Word
    dimension: Dimension
    column: int | None = None
    """$k$: a row of the inverse is a column of the pencil."""
    row: int | None = None


@dataclass(frozen=True)
class Pencil:
    """A square block matrix linear in Gaussians, and the traces of its inverse that are asked for.

    Attributes
    ----------
    dimensions : tuple of dimension
        Of the blocks. Row i and column i have the same one.
    entries : mapping from (row, column) to polynomial
        A polynomial is a sum of words with scalar coefficients; each word holds at most one Gaussian.
    readouts : mapping from name to tuple of Readout

    Examples
    --------
    >>> import freeridge as fr
    >>> n, d = fr.dims("n d")
    >>> X, lam = fr.gaussian("X", n, d, variance=1 / n), fr.scalar("lambda")
    >>> print(fr.derive(fr.normalized_trace((X.T @ X + lam).inv())).pencil)
    2 blocks: d n
    d | lambda I  X.T
    n |       -X    I
    value = 1/d tr L^-1[1, 1]
    """

    dimensions: tuple[Dimension, ...]
    entries: Mapping[tuple[int, int], Polynomial]
    readouts: Mapping[str, tuple[Readout, ...]]

    def __str__(self) -> str:
        size = len(self.dimensions)
        cells = [
            [
                show_polynomial(self.entries[i, j].items()) if (i, j) in self.entries else "."
                for j in range(size)
            ]
            for i in range(size)
        ]
        widths = [max(len(row[j]) for row in cells) for j in range(size)]
        margin = max(len(str(dimension)) for dimension in self.dimensions)
        lines = [f"{size} blocks: {' '.join(map(str, self.dimensions))}"]
        for dimension, row in zip(self.dimensions, cells, strict=True):
            shown = "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
            lines.append(f"{str(dimension).ljust(margin)} | {shown}")
        for name, terms in self.readouts.items():
            lines.append(f"{name} = {' + '.join(map(_show, terms)) or 0}")
        return "\n".join(lines)


def _show(term: Readout) -> str:
    factor = "" if term.coefficient == 1 else f"{term.coefficient} "
    if term.column is None or term.row is None:
        return f"{factor}tr {show(term.word)}"
    word = f" {show(term.word)}" if term.word else ""
    return f"{factor}tr L^-1[{term.column + 1}, {term.row + 1}]{word}"
