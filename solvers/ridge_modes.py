r"""One eigendecomposition that serves a whole ridge path, for given rows X and random features S.

With M_s = X_s'X_s/n and M = sum_s M_s, every quantity of ridge regression on features goes through

.. math:: Q = S (S'MS + \lambda I)^{-1} S',

and Q M_s stays in the range of M: the null directions of S'MS never matter, so a rank r = rank(S'MS) of modes
is enough, also in the ridgeless limit. The modes are two d x r matrices P and N and eigenvalues l > 0 with

.. math:: Q M_s = P\,\mathrm{diag}(l+\lambda)^{-1}\,P'M_s, \qquad
          QM = P\,\mathrm{diag}\frac{l}{l+\lambda}\,N', \qquad N'P = I, \qquad P'MP = \mathrm{diag}(l).

They come from one symmetric eigenproblem on the smallest of three spaces: features (m), inputs (d) or
samples (n). Eigenvalues of such a Gram matrix are known to about 1e-16 of the largest. Where the covariances
span more than that leaves room for, a singular value decomposition of XS, several times slower, keeps the
small ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import add
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from freeridge.solvers.kernels import Array, Draws, Kernels, Matrix

Found = tuple[Array, Array, Array, dict[int, Array]]  # l, P, N, and X_s P of populations where it is at hand


class Sample(NamedTuple):
    """Training inputs and random features, or smaller matrices with the same X_s'X_s and SS'.

    Attributes
    ----------
    rows : tuple of Matrix, shape (r_s, d)
        X_s, one per population.
    mixing : Matrix, shape (d, m), or None
        S, with m <= d; None is the identity (plain ridge).
    """

    rows: tuple[Matrix, ...]
    mixing: Matrix | None


def draw_sample(
    factors: Sequence[Array],
    counts: Sequence[int],
    features: int | None,
    draws: Draws,
    kernels: Kernels,
    direct: bool = False,
) -> Sample:
    """Draw inputs x = F z and, if asked for, random features with N(0, 1/d) entries.

    Ridge regression sees X_s only through X_s'X_s and S only through SS'. Of a tall Gaussian matrix
    Z = (orthonormal) R the triangular factor R is therefore enough, and its entries are independent with
    known laws (Bartlett): normal off the diagonal, chi on it. Drawing R itself is exact and saves the rows,
    the features beyond d and a Cholesky factorisation.

    Parameters
    ----------
    factors : sequence of array, shape (d,) or (d, d)
        F_s, a vector for a diagonal matrix.
    counts : sequence of int
        Rows n_s of each population.
    features : int or None
        m, or None for plain ridge.
    draws : Draws
        Source of random numbers.
    kernels : Kernels
        NumPy or JAX.
    direct : bool
        Draw all n_s x d and d x m entries instead (same law; a check).
    """
    d = factors[0].shape[0]
    rows = []
    for factor, count in zip(factors, counts, strict=True):
        triangular = count >= d and not direct
        # Z = (orthonormal) R with R lower triangular, as in a factorisation that starts at the last column.
        z = draws.lower(count - np.arange(d)[::-1]) if triangular else draws.normal(count, d)
        if factor.ndim == 1:
            rows.append(Matrix(kernels.scale(z, factor[None, :]), triangular))
        else:
            rows.append(Matrix(Matrix(z, triangular).times(factor.T, kernels), False))
    if features is None:
        return Sample(tuple(rows), None)
    triangular = features >= d and not direct
    mixing = draws.lower(features - np.arange(d)) if triangular else draws.normal(d, features)
    mixing = kernels.scale(mixing, d**-0.5)
    return Sample(tuple(rows), Matrix(mixing, True) if triangular else narrow_mixing(mixing, kernels))


def narrow_mixing(mixing: Array, kernels: Kernels) -> Matrix:
    """S, or for m > d the Cholesky factor of SS', which gives the same predictor."""
    if mixing.shape[1] <= mixing.shape[0]:
        return Matrix(mixing, False)
    return Matrix(kernels.xp.linalg.cholesky(mixing @ mixing.T), True)


@dataclass(eq=False)
class RidgeModes:
    """Eigenvalues, P and N of the module's equations, and the products with M_s that risks need.

    Attributes
    ----------
    values : array, shape (r,)
        Eigenvalues l > 0.
    primal, dual : array, shape (d, r)
        P and N.
    orthonormal : bool
        P is N and its columns are orthonormal (plain ridge).
    complete : bool
        r = d, so that P N' = I.
    """

    sample: Sample
    samples: int
    kernels: Kernels
    values: Float[Any, "r"]
    primal: Float[Any, "d r"]
    dual: Float[Any, "d r"]
    orthonormal: bool
    complete: bool
    _scores: dict[int, Array] = field(default_factory=dict)
    _responses: dict[int, Array] = field(default_factory=dict)

    def scores(self, population: int) -> Array:
        """X_s P, whose Gram matrix over n is P'M_sP."""
        if population not in self._scores:
            self._scores[population] = self.sample.rows[population].times(self.primal, self.kernels)
        return self._scores[population]

    def responses(self, population: int) -> Float[Any, "d r"]:
        """M_s P."""
        if population not in self._responses:
            rows, scores = self.sample.rows[population], self.scores(population)
            product = rows.transposed_times(scores, self.kernels)
            self._responses[population] = self.kernels.scale(product, 1.0 / self.samples)
        return self._responses[population]


def ridge_modes(
    sample: Sample, samples: int, rank: int, kernels: Kernels, graded: bool = False
) -> RidgeModes:
    """Modes of one drawn experiment.

    Parameters
    ----------
    sample : Sample
        Inputs and features with m <= d.
    samples : int
        n, the divisor in M = X'X/n.
    rank : int
        rank(S'MS), known with probability one before the draw.
    kernels : Kernels
        NumPy or JAX.
    graded : bool
        Eigenvalues span many orders of magnitude: take the slower and more accurate route.

    Examples
    --------
    >>> import numpy as np
    >>> from freeridge.solvers.kernels import NUMPY, Matrix
    >>> from freeridge.solvers.ridge_modes import Sample, ridge_modes
    >>> x = np.random.default_rng(0).standard_normal((6, 3))
    >>> modes = ridge_modes(Sample((Matrix(x, False),), None), samples=6, rank=3, kernels=NUMPY)
    >>> ridge = 0.5  # (M + ridge)^-1 M, once from the modes and once by a solve
    >>> shrunk = (modes.primal * (modes.values / (modes.values + ridge))) @ modes.dual.T
    >>> m = x.T @ x / 6
    >>> bool(np.allclose(shrunk, np.linalg.solve(m + ridge * np.eye(3), m)))
    True
    """
    d = sample.rows[0].entries.shape[1]
    height = sum(rows.entries.shape[0] for rows in sample.rows)
    width = d if sample.mixing is None else sample.mixing.entries.shape[1]
    if graded:
        route = _from_singular_values
    elif height < width:
        route = _on_samples
    elif sample.mixing is None:
        route = _on_inputs
    else:
        route = _on_features
    values, primal, dual, scores = route(sample, samples, rank, kernels)
    return RidgeModes(
        sample, samples, kernels, values, primal, dual, sample.mixing is None, rank == d, _scores=scores
    )


def _top(symmetric: Array, rank: int, kernels: Kernels) -> tuple[Array, Array]:
    """Largest `rank` eigenvalues and their vectors.

    Eigenvalues come with an error of order eps times the largest: one below that is not resolved, and the
    floor only keeps it positive.
    """
    values, vectors = kernels.eigh(symmetric)
    if rank == 0:
        return values[:0], vectors[:, :0]
    floor = values[-1] * float(np.finfo(values.dtype).eps)
    return kernels.xp.maximum(values[-rank:], floor), vectors[:, -rank:]


def _from_singular_values(sample: Sample, samples: int, rank: int, kernels: Kernels) -> Found:
    """From XS/sqrt(n) = U diag(s) V': l = s^2, P = SV and N = X'U/(sqrt(n) s)."""
    xp, mixing = kernels.xp, sample.mixing
    stacked = xp.concatenate([rows.entries for rows in sample.rows])
    inputs = stacked if mixing is None else stacked @ mixing.entries
    left, singular, right = xp.linalg.svd(inputs / samples**0.5, full_matrices=False)
    floor = singular[:1] * float(np.finfo(singular.dtype).eps)  # as in _top: positive where unresolved
    left, singular, right = left[:, :rank], xp.maximum(singular[:rank], floor), right[:rank].T
    scale = samples**0.5 * singular[None, :]
    primal = right if mixing is None else mixing.times(right, kernels)
    dual = primal if mixing is None else (stacked.T @ left) / scale
    return singular**2, primal, dual, _split(left * scale, sample)


def _on_samples(sample: Sample, samples: int, rank: int, kernels: Kernels) -> Found:
    """From the n x n matrix X S S'X'/n = U l U': N = X'U/sqrt(nl) and P = SS'N."""
    xp, mixing = kernels.xp, sample.mixing
    stacked = Matrix(xp.concatenate([rows.entries for rows in sample.rows]), False)
    inputs = (stacked if mixing is None else stacked.product(mixing, kernels)).entries
    values, vectors = _top(kernels.scale(inputs @ inputs.T, 1.0 / samples), rank, kernels)
    scale = xp.sqrt(samples * values)[None, :]
    dual = kernels.scale(stacked.entries.T @ vectors, 1.0 / scale)
    primal = dual if mixing is None else mixing.times(inputs.T @ vectors / scale, kernels)
    return values, primal, dual, _split(vectors * scale, sample)


def _on_inputs(sample: Sample, samples: int, rank: int, kernels: Kernels) -> Found:
    """From the d x d matrix M = V l V', plain ridge: P = N = V."""
    second = reduce(add, [rows.gram(kernels) for rows in sample.rows])
    values, vectors = _top(kernels.scale(second, 1.0 / samples), rank, kernels)
    return values, vectors, vectors, {}


def _on_features(sample: Sample, samples: int, rank: int, kernels: Kernels) -> Found:
    """From the m x m matrix S'MS = V l V': P = SV and N = MP/l, or S'^-1 V when S is square."""
    mixing = sample.mixing
    assert mixing is not None
    inputs = [rows.product(mixing, kernels) for rows in sample.rows]
    second = kernels.scale(reduce(add, [z.gram(kernels) for z in inputs]), 1.0 / samples)
    values, vectors = _top(second, rank, kernels)
    primal = mixing.times(vectors, kernels)
    if mixing.lower:
        return values, primal, kernels.transposed_solve(mixing.entries, vectors), {}
    if mixing.entries.shape[0] == mixing.entries.shape[1]:
        return values, primal, kernels.xp.linalg.solve(mixing.entries.T, vectors), {}
    scores = {s: z.times(vectors, kernels) for s, z in enumerate(inputs)}
    total = reduce(add, [rows.transposed_times(scores[s], kernels) for s, rows in enumerate(sample.rows)])
    return values, primal, total / (samples * values)[None, :], scores


def _split(stacked: Array, sample: Sample) -> dict[int, Array]:
    """Rows of each population."""
    parts, start = {}, 0
    for population, rows in enumerate(sample.rows):
        stop = start + rows.entries.shape[0]
        parts[population] = stacked[start:stop]
        start = stop
    return parts
