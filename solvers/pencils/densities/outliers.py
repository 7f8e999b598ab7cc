r"""Eigenvalues outside the bulk that rank-one terms tear off.

With a term $\theta w w^\top$ in H the form $f(x) = w^\top (H - x)^{-1} w$ has a pole at each outlier
$\lambda$, $f \approx |w^\top u|^2 / (\lambda - x)$ with the unit eigenvector u. Between its poles f
increases, so $1/f$ falls through zero at every outlier and nowhere else.
"""

import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from scipy.optimize import elementwise

from freeridge.solvers.pencils.densities.edges import Resolvent, Support, nodes, residues
from freeridge.solvers.pencils.expressions import ONE, Inverse, Matrix, Product, Scaled, Sum

_POINTS = 200  # in each gap
_NEAREST, _FARTHEST = 1e-7, 1e3  # from the outermost edges, relative to the radius of the bulk


@dataclass(frozen=True)
class Outliers:
    """Single eigenvalues outside the bulk.

    Attributes
    ----------
    locations : array, shape (outliers,)
        From left to right.
    overlaps : dict from expression to array, shape (outliers,)
        For each vector of the expression, $(w^\top u)^2 / |w|^2$ with the eigenvector u of the outlier.
    """

    locations: np.ndarray
    overlaps: dict[str, np.ndarray]


def columns(expression: Matrix) -> tuple[Matrix, ...]:
    """Columns that rank-one terms in an expression are made of.

    Examples
    --------
    >>> import freeridge as fr
    >>> n, d = fr.dims("n d")
    >>> X, w, v = fr.gaussian("X", n, d), fr.vector("w", d), fr.vector("v", n)
    >>> columns(X.T @ X + 2 * w @ w.T + X.T @ v @ v.T @ X)
    (w, X.T @ v)
    >>> columns(X.T @ (1 + 2 * v @ v.T) @ X)
    (X.T @ v,)
    """
    return tuple(dict.fromkeys(_columns(expression)))


def _columns(matrix: Matrix) -> Iterator[Matrix]:
    """Columns whose span holds the range of every rank-one part."""
    match matrix:
        case Scaled():
            yield from _columns(matrix.inner)
        case Sum():
            for term in matrix.terms:
                yield from _columns(term)
        case Inverse():
            for column in _columns(matrix.inner):
                yield matrix @ column
        case Product():
            thin = [i for i, factor in enumerate(matrix.factors) if factor.shape[1] == ONE]
            for i, factor in enumerate(matrix.factors[: thin[0] + 1 if thin else None]):
                for column in _columns(factor):
                    yield reduce(operator.matmul, [*matrix.factors[:i], column])
        case _ if matrix.shape[1] == ONE:
            yield matrix


def find_outliers(resolvent: Resolvent, support: Support, names: Sequence[str]) -> Outliers:
    """The poles of the values ``form_0``, ``form_1``, ... outside the bulk.

    ``norm_0``, ... are the squares of the vectors.

    Two outliers in one gap are told apart where they are farther from each other than 1/200 of it, or than
    1/8 of their distance from an outermost edge.
    """
    found = [_zeros(resolvent, support, f"form_{i}") for i in range(len(names))]
    every = np.sort(np.concatenate([*found, np.zeros(0)]))
    distinct = np.diff(every, prepend=-np.inf) > 1e-9 * support.radius
    beside = np.abs(every[:, None] - support.atoms) > 1e-9 * support.radius
    locations = every[distinct & np.all(beside, axis=1)]
    if not len(locations):
        return Outliers(locations, {name: locations for name in names})
    edges = np.append(support.intervals.ravel(), support.atoms)
    distance = np.min(np.abs(locations[:, None] - edges))
    weights = residues(resolvent, locations, float(distance))
    anywhere = resolvent(np.array([1j * support.radius]))
    squares = {name: value[0].real for name, value in anywhere.items() if name.startswith("norm")}
    return Outliers(
        locations, {name: weights[f"form_{i}"] / squares[f"norm_{i}"] for i, name in enumerate(names)}
    )


def _zeros(resolvent: Resolvent, support: Support, name: str) -> np.ndarray:
    def inverse(x: np.ndarray) -> np.ndarray:
        found = resolvent(x.astype(complex))
        # Certified, and yet not a number: the point is the pole.
        pole = np.isfinite(found["trace"]) & ~np.isfinite(found[name])
        return np.where(pole, 0.0, (1.0 / np.where(pole, 1.0, found[name])).real)

    brackets = []
    for x in _gaps(support):
        values = inverse(x)
        fall = np.flatnonzero((values[:-1] > 0.0) & (values[1:] <= 0.0))
        brackets += [(x[i], x[i + 1]) for i in fall]
    if not brackets:
        return np.zeros(0)
    left, right = np.array(brackets).T
    return np.asarray(elementwise.find_root(inverse, (left, right)).x)


def _gaps(support: Support) -> Iterator[np.ndarray]:
    """Points of every interval outside the bulk, close together at its ends."""
    ends = support.intervals.ravel()
    outward = support.radius * np.geomspace(_NEAREST, _FARTHEST, _POINTS)
    yield ends[0] - outward[::-1]
    for a, b in ends[1:-1].reshape(-1, 2):
        yield nodes(a, b, _POINTS)[0]
    yield ends[-1] + outward
