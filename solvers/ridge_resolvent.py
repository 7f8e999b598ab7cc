r"""Exact test risk of ridge regression from second moments of the rows: one Cholesky factor, no eigenvectors.

The setting is that of `freeridge.solvers.ridge_path`. With M_s = X_s'X_s/n, M = sum_s M_s and

.. math:: Q = S (S'MS + \lambda)^{-1} S', \qquad E = I - QM,

the error of the estimator is :math:`-E w_t + Q \sum_s M_s (w_s - w_t) + Q X'\epsilon/n`. For a random source
u of labelers with E u = 0 and E uu' = Gamma, w_t = t u, w_s - w_t = c_s u and C = sum_s c_s Q M_s,

.. math::
    \mathrm{bias} &= t^2\, \mathrm{tr}\, B E \Gamma E' \\
    \mathrm{mismatch} &= \mathrm{tr}\, B C \Gamma C' - 2 t\, \mathrm{tr}\, B C \Gamma E' \\
    \mathrm{variance} &= \tfrac1n \sum_s \sigma_s^2\, \mathrm{tr}\, B Q M_s Q .

For diagonal B and Gamma these are entrywise sums. Rows enter through M_s alone, which is summed over blocks
of rows in `freeridge.solvers.row_blocks`. Everything is a factorisation or a product of matrices, of order
d^3 per ridge: a route for one ridge or a few. For a path of many take `freeridge.solvers.ridge_modes`.

Digits. With c the largest eigenvalue of S'MS over the ridge, bias and mismatch have a relative error of about
1e-16 c. The variance is the difference QMQ = Q - EQ: where S'MS is singular its error is about 1e-16 c^2. At
a ridge of 1e-5 of the largest diagonal entry of S'MS, and d = 12 to 200 with n, m = d/2 to 2d, errors up to
2e-11 and 2e-7 were measured; at 1e-3, 1e-12 and 5e-12. Below 1e-5, zero included, a ridge is refused.
"""

from collections.abc import Callable, Sequence
from functools import cache, reduce
from operator import add
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from scipy.linalg import blas, lapack

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.kernels import NUMPY
from freeridge.solvers.ridge_modes import narrow_mixing
from freeridge.solvers.ridge_risks import Mixture, RiskTerms, Weight, trace_of_product

if TYPE_CHECKING:
    from freeridge.solvers.ridge_path import RidgeExperiment

Square = Float[np.ndarray, "d d"]
Solve = Callable[[np.ndarray, np.ndarray | None], np.ndarray]

_SMALLEST = 1e-5  # of the largest diagonal entry; see "Digits" above
_STRIP = 256  # rows at a time in entrywise sums, so that none of them needs a matrix of its own


def second_moment_risks(
    experiment: "RidgeExperiment", moments: Sequence[Square], mixing: Float[np.ndarray, "d m"] | None = None
) -> dict[str, Float[np.ndarray, "L"]]:
    """Risks of an experiment for given second moments and features, averaged over labels.

    Parameters
    ----------
    experiment : RidgeExperiment
        What is averaged: labelers, noise, test population.
    moments : sequence of array, shape (d, d)
        M_s = X_s'X_s/n of each population, symmetric; n is the total number of rows.
    mixing : array, shape (d, m), optional
        S, if the experiment has features.

    Returns
    -------
    dict of array, shape (L,)
        risk = bias + variance + mismatch at every ridge, as from `exact_risks`.

    Examples
    --------
    >>> import numpy as np
    >>> from freeridge.solvers.ridge_path import RidgeExperiment, exact_risks
    >>> x, w = np.array([[3.0, 0.0], [0.0, 1.0]]), np.array([[1.0, 1.0], [1.0, 1.0]])
    >>> experiment = RidgeExperiment((np.ones(2),), (2,), np.zeros(1), np.array([0.5]), np.ones(2), fixed=w)
    >>> second_moment_risks(experiment, [x.T @ x / 2])["bias"], exact_risks(experiment, (x,))["bias"]
    (array([0.26]), array([0.26]))
    """
    d = experiment.dimension
    shapes = [np.shape(moment) for moment in moments]
    if shapes != [(d, d)] * len(experiment.counts):
        raise InvalidSetting("moments", shapes, f"{len(experiment.counts)} of shape {(d, d)}")
    experiment.require_mixing(mixing)
    narrow = None if mixing is None else narrow_mixing(mixing, NUMPY).entries
    return resolvent_risks(moments, narrow, experiment.terms, experiment.mixture)


def cholesky_resolvent(
    matrix: Float[np.ndarray, "m m"], mixing: Float[np.ndarray, "d m"] | None
) -> np.ndarray:
    """S A^-1 S' for a positive definite matrix A, which is overwritten; A^-1 where S is None.

    By LAPACK and BLAS through SciPy, in place: no copy of the matrix is made. They keep Python's global lock.

    Examples
    --------
    >>> cholesky_resolvent(np.array([[2.0, 1.0], [1.0, 1.0]]), None)
    array([[ 1., -1.],
           [-1.,  2.]])
    """
    lower, failed = lapack.dpotrf(matrix.T, lower=1, clean=0, overwrite_a=1)
    if failed:
        raise InvalidSetting("moments", "S'MS + ridge", "a positive definite matrix: moments must be")
    if mixing is None:
        return mirrored(lapack.dpotri(lower, lower=1, overwrite_c=1)[0]).T
    # Columns of S' are whitened: Y = L^-1 S', and Q = Y'Y.
    white = blas.dtrsm(1.0, lower, mixing.T, lower=1)
    return mirrored(blas.dsyrk(1.0, white, trans=1, lower=1)).T


def mirrored(lower: Square) -> Square:
    """The symmetric matrix whose lower triangle is given, in place.

    Examples
    --------
    >>> mirrored(np.array([[1.0, 0.0], [5.0, 2.0]]))
    array([[1., 5.],
           [5., 2.]])
    """
    d = len(lower)
    for start in range(0, d, _STRIP):
        stop = min(start + _STRIP, d)
        block = np.tril(lower[start:stop, start:stop])
        lower[start:stop, start:stop] = block + np.tril(block, -1).T
        lower[start:stop, stop:] = lower[stop:, start:stop].T
    return lower


def resolvent_risks(
    moments: Sequence[Square],
    mixing: Float[np.ndarray, "d m"] | None,
    terms: RiskTerms,
    mixture: Mixture,
    solve: Solve = cholesky_resolvent,
) -> dict[str, Float[np.ndarray, "L"]]:
    """Risk and its three parts at every ridge, from M_s and S.

    Parameters
    ----------
    moments : sequence of array, shape (d, d)
        M_s, symmetric.
    mixing : array, shape (d, m), or None
        S; for m > d a Cholesky factor of SS' saves time.
    terms : RiskTerms
        Ridges > 0, test covariance, labelers; no training that stops early.
    mixture : Mixture
        Counts, noise variances, coefficients.
    solve : callable
        S A^-1 S' from A, which it may overwrite, and S or None.

    Returns
    -------
    dict of array, shape (L,)
        risk, bias, variance, mismatch; the first is the sum of the others.
    """
    if terms.training is not None:
        raise InvalidSetting("times", terms.training.times, "None: training to convergence")
    total = reduce(add, moments)
    second = total if mixing is None else mixing.T @ (total @ mixing)
    del total
    scale = float(np.max(np.diagonal(second)))
    for ridge in terms.ridges:
        if not ridge > _SMALLEST * scale:
            raise InvalidSetting(
                "ridge", float(ridge), f"above {_SMALLEST:g} of the largest entry, {scale:g}"
            )
    paths = [_at_one_ridge(float(r), second, moments, mixing, terms, mixture, solve) for r in terms.ridges]
    parts = {name: np.array([path[name] for path in paths]) for name in ("bias", "variance", "mismatch")}
    return {"risk": parts["bias"] + parts["variance"] + parts["mismatch"], **parts}


def _at_one_ridge(
    ridge: float,
    second: np.ndarray,
    moments: Sequence[Square],
    mixing: np.ndarray | None,
    terms: RiskTerms,
    mixture: Mixture,
    solve: Solve,
) -> dict[str, float]:
    q = solve(_plus(second.copy(), ridge), mixing)
    error = ridge * q if mixing is None else _plus(q @ -reduce(add, moments), 1.0)
    test, active = terms.test, [s for s, count in enumerate(mixture.counts) if count > 0]

    @cache
    def response(population: int) -> Square:
        return q @ moments[population]

    bias = 0.0 if terms.bias is None else _trace(test, error, error, terms.bias)
    mismatch = 0.0
    for moment, train, tested in zip(terms.moments, mixture.train, mixture.test, strict=True):
        contrasts = {s: train[s] - tested for s in active if train[s] != tested}
        if contrasts:
            pulled = _combined(contrasts, active, error, response)
            mismatch += _trace(test, pulled, pulled, moment)
            mismatch -= 2.0 * tested * _trace(test, pulled, error, moment) if tested else 0.0

    # The smallest noise is shared by all rows, and QMQ = Q - EQ: only the excesses cost a product.
    shared = min(mixture.noise[s] for s in active)
    variance = 0.0
    if shared > 0.0:
        variance = shared * (trace_of_product(test, Weight(q, q), len(q)) - _trace(test, error, q))
    for s in active:
        if mixture.noise[s] > shared:
            variance += (mixture.noise[s] - shared) * _trace(test, response(s), q)

    if terms.fixed is not None:
        tested = terms.fixed[:, -1]
        pulled = q @ sum(moments[s] @ (terms.fixed[:, s] - tested) for s in active)
        shrunk = -(error @ tested)
        bias += shrunk @ _weighted(test.matrix, shrunk)
        mismatch += pulled @ _weighted(test.matrix, pulled + 2.0 * shrunk)
    return {
        "bias": float(bias),
        "variance": float(variance / sum(mixture.counts)),
        "mismatch": float(mismatch),
    }


def _plus(matrix: np.ndarray, number: float) -> np.ndarray:
    """The matrix plus a multiple of the identity, in place."""
    matrix[np.diag_indices(len(matrix))] += number
    return matrix


def _combined(
    coefficients: dict[int, float], active: Sequence[int], error: Square, response: Callable[[int], Square]
) -> Square:
    """sum_s c_s Q M_s; where it takes every population, the first is known from sum_s Q M_s = I - E."""
    if len(coefficients) < len(active):
        return reduce(add, [c * response(s) for s, c in coefficients.items()])
    first = coefficients[active[0]]
    rest = [(c - first) * response(s) for s, c in coefficients.items() if c != first]
    return reduce(add, rest, _plus(-first * error, first))


def _weighted(matrix: np.ndarray, other: np.ndarray) -> np.ndarray:
    """A weight times a matrix or a vector."""
    return matrix @ other if matrix.ndim == 2 else (matrix * other.T).T


def _trace(test: Weight, left: Square, right: Square, moment: Weight | None = None) -> float:
    """tr B L Gamma R' (Gamma = I when left out): sums of entries once dense weights are multiplied in."""
    b = test.matrix
    gamma = np.ones(()) if moment is None else moment.matrix
    if b.ndim == 2:
        left, b = b @ left, np.ones(())
    if gamma.ndim == 2:
        right, gamma = right @ gamma, np.ones(())
    gamma = np.broadcast_to(gamma, (len(left),))
    strips = [slice(start, start + _STRIP) for start in range(0, len(left), _STRIP)]
    rows = np.concatenate([(left[strip] * right[strip]) @ gamma for strip in strips])
    return float(np.sum(b * rows))
