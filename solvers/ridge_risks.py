r"""Bias, variance and mismatch along a ridge path, as traces of the modes.

The error of the estimator is (module `freeridge.solvers.ridge_path`)

.. math:: -(I - PN')\,w_t - P\,\lambda D\,N'w_t + P D \sum_s P'M_s (w_s - w_t) + P D P'X'\epsilon/n .

For a zero-mean random source u of labelers with second moment Gamma, w_t = t u and w_s - w_t = c_s u; with
W = sum_s c_s M_s P and H = P'BP,

.. math::
    \mathrm{bias} &= t^2\,[\mathrm{tr}\,B(I-PN')\Gamma(I-NP') + 2\lambda\,\mathrm{tr}\,D\,N'\Gamma(I-NP')BP
                     + \lambda^2 d'(H * N'\Gamma N)d] \\
    \mathrm{mismatch} &= d'(H * W'\Gamma W)d - 2t\,[\mathrm{tr}\,D\,W'\Gamma(I-NP')BP
                         + \lambda d'(H * W'\Gamma N)d] \\
    \mathrm{variance} &= \tfrac1n \sum_s \sigma_s^2\, d'(H * P'M_sP)d .

Terms with I - NP' vanish when r = d. Matrices of size r x r are only formed when both factors of an entrywise
product need them: an isotropic B with plain ridge leaves sums of r terms.

Stopped early, training replaces D by a filter of the same modes (:class:`Training`): D becomes :math:`(1 -
\delta) / (l + \lambda)` and :math:`\lambda D` becomes :math:`(\lambda + l \delta) / (l + \lambda)`, with
:math:`\delta` the part of a mode that is still to be learned; everything else stays.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from operator import add
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.kernels import Array, Kernels
from freeridge.solvers.ridge_modes import RidgeModes


class Weight(NamedTuple):
    """A positive semi-definite d x d matrix and its square root, in the smallest form.

    A number stands for a multiple of the identity, a vector for a diagonal matrix.
    """

    matrix: Array
    root: Array


class Training(NamedTuple):
    r"""Training stopped at times: gradient flow from zero, or gradient descent with a step size.

    What is left to learn of a mode with eigenvalue :math:`l` is :math:`\delta = e^{-t (l + \lambda)}`, or
    :math:`(1 - \alpha (l + \lambda))^{t / \alpha}`.

    Attributes
    ----------
    times : array, shape (L,)
        For step sizes, whole multiples of it.
    step_size : array, shape (), or None
        None is gradient flow.
    """

    times: Array
    step_size: Array | None

    def learned(self, curvature: Float[Any, "L r"], xp: Any) -> tuple[Array, Array]:
        """1 - delta and delta at eigenvalues of the Hessian, one row per time."""
        times = self.times[:, None]
        if self.step_size is None:
            return -xp.expm1(-times * curvature), xp.exp(-times * curvature)
        steps, factor = times / self.step_size, 1.0 - self.step_size * curvature
        slow = factor > 0.5
        # log1p keeps the digits of slow modes; fast ones may change sign at every step.
        log = xp.where(slow, xp.log1p(-self.step_size * xp.where(slow, curvature, 0.0)), 0.0)
        power = xp.where(factor < 0, xp.cos(np.pi * xp.round(steps)), 1.0) * xp.abs(factor) ** steps
        left = xp.where(slow, xp.exp(steps * log), power)
        return xp.where(slow, -xp.expm1(steps * log), 1.0 - power), left


class RiskTerms(NamedTuple):
    """The numbers of an experiment that meet the modes; a pytree, so that JAX takes them as arguments.

    Attributes
    ----------
    ridges : array, shape (L,)
        Penalties.
    test : Weight
        B.
    bias : Weight or None
        Second moment of the random part of the test labeler, sum_k t_k^2 Gamma_k; None if it has none.
    bias_trace : float
        tr of B times that moment.
    moments : tuple of Weight
        Gamma_k.
    fixed : array, shape (d, G + 1), or None
        Fixed labelers, the test labeler last.
    training : Training or None
        Times at which training stops, as many as ridges; None trains to convergence.
    """

    ridges: Array
    test: Weight
    bias: Weight | None
    bias_trace: Array
    moments: tuple[Weight, ...]
    fixed: Array | None
    training: Training | None = None


class Mixture(NamedTuple):
    """What decides which products are needed; plain numbers, constant under `jit`.

    Attributes
    ----------
    counts : tuple of int
        n_s.
    noise : tuple of float
        sigma_s^2.
    train : tuple of tuple of float
        Coefficient of source k in the labeler of population s.
    test : tuple of float
        Coefficient of source k in the test labeler.
    """

    counts: tuple[int, ...]
    noise: tuple[float, ...]
    train: tuple[tuple[float, ...], ...]
    test: tuple[float, ...]


def weight(values: Float[np.ndarray, "d"] | Float[np.ndarray, "d d"], name: str) -> Weight:
    """Smallest form of a positive semi-definite matrix given by its diagonal or in full.

    Examples
    --------
    >>> import numpy as np
    >>> from freeridge.solvers.ridge_risks import weight
    >>> weight(np.full(5, 4.0), "test").root.item()
    2.0
    """
    if values.ndim == 1:
        if np.any(values < 0):
            raise InvalidSetting(name, values, "a diagonal with entries >= 0")
        smallest = values[:1].reshape(()) if np.all(values == values[0]) else values
        return Weight(smallest, np.sqrt(smallest))
    eigenvalues, vectors = np.linalg.eigh(values)
    if not np.allclose(values, values.T, rtol=1e-10, atol=1e-12 * float(np.max(np.abs(values)))):
        raise InvalidSetting(name, values, "a symmetric matrix")
    if eigenvalues[0] < -1e-10 * max(float(eigenvalues[-1]), 0.0):
        raise InvalidSetting(name, values, "a positive semi-definite matrix")
    return Weight(values, (vectors * np.sqrt(np.maximum(eigenvalues, 0.0))) @ vectors.T)


def trace_of_product(left: Weight, right: Weight, d: int) -> float:
    """Trace of the product of two d x d weights."""
    a, b = left.matrix, right.matrix
    if a.ndim == 2 and b.ndim == 2:
        return float(np.sum(a * b))
    a, b = (np.diagonal(m) if m.ndim == 2 else np.broadcast_to(m, (d,)) for m in (a, b))
    return float(a @ b)


def risk_paths(modes: RidgeModes, terms: RiskTerms, mixture: Mixture) -> dict[str, Float[Any, "L"]]:
    """Risk and its three parts at every ridge, given X and S.

    Parameters
    ----------
    modes : RidgeModes
        Eigenvalues, P and N of one draw.
    terms : RiskTerms
        Ridges, test covariance, labelers.
    mixture : Mixture
        Counts, noise variances, coefficients.

    Returns
    -------
    dict of array, shape (L,)
        risk, bias, variance, mismatch; the first is the sum of the others.
    """
    xp = modes.kernels.xp
    ridges = terms.ridges[:, None]
    curvature = modes.values[None, :] + ridges
    inverse, shrinkage = 1.0 / curvature, ridges / curvature
    if terms.training is not None:
        learned, left = terms.training.learned(curvature, xp)
        inverse, shrinkage = learned / curvature, (ridges + modes.values[None, :] * left) / curvature
    path = _Path(
        kernels=modes.kernels,
        inverse=inverse,
        shrinkage=shrinkage,
        metric=_gram(terms.test, modes.primal, modes.orthonormal),
        weighted=None if modes.complete else weighted(terms.test.matrix, modes.primal),
    )
    parts = {
        "bias": _random_bias(path, modes, terms),
        "variance": _variance(path, modes, mixture),
        "mismatch": _random_mismatch(path, modes, terms, mixture),
    }
    if terms.fixed is not None:
        bias, mismatch = _fixed_labelers(path, modes, terms, mixture)
        parts["bias"] = parts["bias"] + bias
        parts["mismatch"] = parts["mismatch"] + mismatch
    zero = xp.zeros_like(terms.ridges)
    parts = {name: zero + part for name, part in parts.items()}
    return {"risk": parts["bias"] + parts["variance"] + parts["mismatch"], **parts}


@dataclass(eq=False)
class _Form:
    """The r x r matrix scale * left' right, not formed unless it is asked for."""

    left: Float[Any, "d r"]
    right: Float[Any, "d r"]
    scale: Array | None = None
    diagonal_only: bool = False

    def full(self, kernels: Kernels) -> Float[Any, "r r"]:
        product = self.left.T @ self.right
        return product if self.scale is None else kernels.scale(product, self.scale)

    def diagonal(self) -> Float[Any, "r"]:
        sums = (self.left * self.right).sum(0)
        return sums if self.scale is None else self.scale * sums


@dataclass(eq=False)
class _Path:
    """D and ridge * D along the path, or the filters in their place; H = P'BP as a form, and BP where I - PN'
    is not zero.
    """

    kernels: Kernels
    inverse: Float[Any, "L r"]
    shrinkage: Float[Any, "L r"]
    metric: _Form
    weighted: Float[Any, "d r"] | None

    @cached_property
    def full_metric(self) -> Float[Any, "r r"]:
        return self.metric.full(self.kernels)

    @cached_property
    def metric_diagonal(self) -> Float[Any, "r"]:
        return self.metric.diagonal()

    def entrywise(self, form: _Form) -> Array:
        """H * form; only the diagonal, as a vector, when one of them is diagonal."""
        if self.metric.diagonal_only or form.diagonal_only:
            return self.metric_diagonal * form.diagonal()
        return self.kernels.scale(form.full(self.kernels), self.full_metric)


def weighted(matrix: Array, tall: Float[Any, "d r"]) -> Float[Any, "d r"]:
    """A number, diagonal or matrix times a matrix."""
    if matrix.ndim == 2:
        return matrix @ tall
    return matrix[:, None] * tall if matrix.ndim == 1 else matrix * tall


def _gram(weighting: Weight, tall: Float[Any, "d r"], orthonormal: bool = False) -> _Form:
    """tall' weight tall; the root on both sides lets BLAS use the symmetry."""
    if weighting.matrix.ndim == 0:
        return _Form(tall, tall, weighting.matrix, diagonal_only=orthonormal)
    half = weighted(weighting.root, tall)
    return _Form(half, half)


def _row_sums(entries: Array) -> Float[Any, "r"]:
    return entries if entries.ndim == 1 else entries.sum(1)


def _quadratic(left: Float[Any, "L r"], entries: Array, right: Float[Any, "L r"]) -> Float[Any, "L"]:
    """left' entries right at every ridge."""
    return (left * right) @ entries if entries.ndim == 1 else ((left @ entries) * right).sum(1)


def _random_bias(path: _Path, modes: RidgeModes, terms: RiskTerms) -> Any:
    if terms.bias is None:
        return 0.0
    entries = path.entrywise(_gram(terms.bias, modes.dual, modes.orthonormal))
    shrinkage = path.shrinkage
    bias = _quadratic(shrinkage, entries, shrinkage)
    if path.weighted is None:
        return bias
    overlap = (path.weighted * weighted(terms.bias.matrix, modes.dual)).sum(0)
    gap = overlap - _row_sums(entries)
    unseen = terms.bias_trace - overlap.sum() - gap.sum()
    return bias + unseen + 2.0 * shrinkage @ gap


def _contrasts(mixture: Mixture) -> list[tuple[float, dict[int, float]]]:
    """Each source's W = sum_s c_s M_s P as total * MP + sum_s rest_s M_s P, MP being known from the modes.

    Where every population would be needed, the largest is taken from MP minus the others.
    """
    active = [s for s, count in enumerate(mixture.counts) if count > 0]
    tables = [
        {s: train[s] - test for s in active} for train, test in zip(mixture.train, mixture.test, strict=True)
    ]
    if not all(any(table[s] != 0.0 for table in tables) for s in active):
        return [(0.0, {s: c for s, c in table.items() if c != 0.0}) for table in tables]
    largest = max(active, key=lambda s: mixture.counts[s])
    return [
        (table[largest], {s: c - table[largest] for s, c in table.items() if c != table[largest]})
        for table in tables
    ]


def _random_mismatch(path: _Path, modes: RidgeModes, terms: RiskTerms, mixture: Mixture) -> Any:
    mismatch: Any = 0.0
    crossed: Any = None  # sum_k t_k Gamma_k W_k
    for moment, test, (total, rest) in zip(terms.moments, mixture.test, _contrasts(mixture), strict=True):
        if total == 0.0 and not rest:
            continue
        wides = [modes.responses(s) if c == 1.0 else c * modes.responses(s) for s, c in rest.items()]
        if total != 0.0:
            wides.append(total * modes.values[None, :] * modes.dual)
        wide = reduce(add, wides)
        entries = path.entrywise(_gram(moment, wide))
        mismatch = mismatch + _quadratic(path.inverse, entries, path.inverse)
        if test != 0.0:
            term = test * weighted(moment.matrix, wide)
            crossed = term if crossed is None else crossed + term
    if crossed is None:
        return mismatch
    entries = path.entrywise(_Form(crossed, modes.dual))
    mismatch = mismatch - 2.0 * _quadratic(path.inverse, entries, path.shrinkage)
    if path.weighted is not None:
        gap = (crossed * path.weighted).sum(0) - _row_sums(entries)
        mismatch = mismatch - 2.0 * path.inverse @ gap
    return mismatch


def _variance(path: _Path, modes: RidgeModes, mixture: Mixture) -> Any:
    active = [s for s, count in enumerate(mixture.counts) if count > 0]
    # The smallest noise is shared by all rows, and P'MP is diagonal: only the excesses cost a product.
    shared = min(mixture.noise[s] for s in active)
    variance: Any = 0.0
    if shared > 0.0:
        variance = shared * (path.inverse**2 @ (path.metric_diagonal * modes.values))
    for s in active:
        excess = mixture.noise[s] - shared
        if excess > 0.0:
            scores = modes.scores(s)
            entries = path.entrywise(_Form(scores, scores))
            variance = variance + (excess / modes.samples) * _quadratic(path.inverse, entries, path.inverse)
    return variance / modes.samples


def _fixed_labelers(path: _Path, modes: RidgeModes, terms: RiskTerms, mixture: Mixture) -> tuple[Any, Any]:
    """Bias and mismatch of labelers that are given vectors: the error itself is a few vectors."""
    assert terms.fixed is not None
    labelers: Sequence[Array] = terms.fixed.T
    tested, sample = labelers[-1], modes.sample
    shift = sum(
        rows.transposed_times(rows.times(labelers[s] - tested, modes.kernels), modes.kernels)
        for s, rows in enumerate(sample.rows)
        if mixture.counts[s] > 0
    )
    shrunk = -(path.shrinkage * (modes.dual.T @ tested)[None, :]) @ modes.primal.T
    if not modes.complete:
        shrunk = shrunk - (tested - modes.primal @ (modes.dual.T @ tested))[None, :]
    pulled = (path.inverse * (modes.primal.T @ shift / modes.samples)[None, :]) @ modes.primal.T
    bias = (weighted(terms.test.matrix, shrunk.T).T * shrunk).sum(1)
    return bias, (weighted(terms.test.matrix, pulled.T).T * (pulled + 2.0 * shrunk)).sum(1)
