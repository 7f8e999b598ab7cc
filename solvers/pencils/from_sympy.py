"""Pencils given as block matrices of SymPy, as people have them from other tools."""

from collections.abc import Mapping
from typing import Any

import sympy
from sympy.matrices.expressions import (
    BlockMatrix,
    Identity,
    MatAdd,
    MatMul,
    MatPow,
    MatrixSymbol,
    Transpose,
    ZeroMatrix,
)

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.pencils.expressions import ONE, Deterministic, Gaussian, Matrix, Vector, as_scalar
from freeridge.solvers.pencils.pencil import Pencil, Readout
from freeridge.solvers.pencils.words import (
    EMPTY,
    Letter,
    Polynomial,
    collect,
    has_vector,
    is_random,
    join,
    raised,
)


def pencil(
    blocks: BlockMatrix, gaussians: Mapping[MatrixSymbol, Any], traces: Mapping[str, tuple[int, int]]
) -> Pencil:
    r"""A linear pencil from a SymPy block matrix, for :func:`freeridge.derive`.

    Parameters
    ----------
    blocks : sympy.BlockMatrix
        Square, of matrix symbols, identities, zeros, scalars times these, sums, transposes, and products
        with at most one Gaussian. Dimensions are symbols of :func:`freeridge.dims`.
    gaussians : mapping from MatrixSymbol to variance
        The symbols with independent entries $N(0, v)$. All others are deterministic: square ones symmetric
        matrices, those with one column vectors.
    traces : mapping from name to (row, column)
        Blocks of the inverse whose normalised trace is wanted, counted from 0 (for a block of size 1, its
        entry).

    Raises
    ------
    InvalidSetting
        When an entry is not linear in the Gaussians, or a block does not exist or is not square.

    Examples
    --------
    >>> import freeridge as fr, sympy
    >>> n, d = fr.dims("n d")
    >>> X, lam = sympy.MatrixSymbol("X", n, d), fr.scalar("lambda")
    >>> L = sympy.BlockMatrix([[lam * sympy.Identity(d), X.T], [-X, sympy.Identity(n)]])
    >>> eq = fr.derive(fr.pencil(L, gaussians={X: 1 / n}, traces={"value": (0, 0)}))
    >>> round(float(eq.evaluate(n=200, d=100, lam=0.5).value), 12)
    0.828427124746
    """
    rows, columns = [list(map(_dimension, sizes)) for sizes in (blocks.rowblocksizes, blocks.colblocksizes)]
    if sorted(rows, key=str) != sorted(columns, key=str):
        raise InvalidSetting("blocks", rows, f"rows of the same dimensions as columns, which are {columns}")
    place = _places(rows, columns)
    symbols = {
        symbol.name: Gaussian(
            symbol.name, tuple(map(_dimension, symbol.shape)), as_scalar(variance, "variance")
        )
        for symbol, variance in gaussians.items()
    }
    entries: dict[tuple[int, int], Polynomial] = {}
    for i in range(len(rows)):
        for j in range(len(columns)):
            found = _polynomial(blocks.blocks[i, j], symbols, f"blocks[{i}, {j}]")
            if found:
                entries[place[i], j] = found
    readouts = {}
    for name, (k, row) in traces.items():
        if not (0 <= k < len(columns) and 0 <= row < len(rows)) or columns[k] != rows[row]:
            raise InvalidSetting(
                f"traces[{name!r}]", (k, row), "a square block of the inverse, counted from 0"
            )
        readouts[name] = (Readout(1 / columns[k], EMPTY, columns[k], k, place[row]),)
    return Pencil(tuple(columns), entries, readouts)


def _places(rows: list[Any], columns: list[Any]) -> dict[int, int]:
    """Where rows go so that each has the dimension of the column of its number."""
    free, place = list(range(len(columns))), {}
    for i, dimension in enumerate(rows):
        same = [j for j in free if columns[j] == dimension]
        place[i] = i if i in same else same[0]
        free.remove(place[i])
    return place


def _dimension(value: Any) -> Any:
    if value == 1 or (isinstance(value, sympy.Symbol) and value.is_positive):
        return value
    raise InvalidSetting("dimension", value, "a symbol of fr.dims, or 1")


def _polynomial(entry: Any, gaussians: Mapping[str, Gaussian], where: str) -> Polynomial:
    """An entry as a sum of words."""

    def visit(node: Any) -> Polynomial:
        match node:
            case ZeroMatrix():
                return {}
            case Identity():
                return {EMPTY: ONE}
            case MatrixSymbol():
                return {(Letter(_symbol(node)),): ONE}
            case Transpose(arg=MatrixSymbol() as symbol):
                return {(Letter(_symbol(symbol).T),): ONE}
            case Transpose():
                return visit(node.arg.T.doit())
            case MatAdd():
                return collect(item for term in node.args for item in visit(term).items())
            case MatMul():
                scalar, factors = node.as_coeff_matrices()
                found: Polynomial = {EMPTY: scalar}
                for factor in factors:
                    right = visit(factor)
                    found = collect((join(u, v), a * b) for u, a in found.items() for v, b in right.items())
                return found
            case MatPow():
                return raised(visit(node.base), node.exp, node)
            case sympy.Expr() if not isinstance(node, sympy.MatrixExpr):
                return {EMPTY: node}
        raise InvalidSetting(where, node, "sums and products of matrix symbols, identities and scalars")

    def _symbol(symbol: MatrixSymbol) -> Matrix:
        shape = tuple(map(_dimension, symbol.shape))
        if symbol.name in gaussians:
            return gaussians[symbol.name]
        if shape[1] == ONE:
            return Vector(symbol.name, shape)
        if shape[0] != shape[1]:
            raise InvalidSetting(
                where, symbol, "a variance for it in gaussians: deterministic matrices are square"
            )
        return Deterministic(symbol.name, shape)

    found = visit(entry)
    for word in found:
        if sum(letter.is_random for letter in word) > 1 or (is_random(word) and has_vector(word)):
            raise InvalidSetting(
                where, entry, "an entry linear in the Gaussians: introduce a block for one of the factors"
            )
    return found
