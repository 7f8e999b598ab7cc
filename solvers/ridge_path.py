r"""Exact test risk of ridge regression given the inputs, for a whole ridge path at once.

Setting. Population s gives n_s rows x = F_s z with z ~ N(0, I_d), labels y = x'w_s + N(0, sigma_s^2), with a
random or fixed labeler w_s. The test population has second moment B of its inputs and its own labeler w_t.
With n = sum_s n_s and S = I_d (plain ridge) or a d x m matrix of iid N(0, 1/d),

.. math:: \hat w = S \arg\min_\eta \tfrac1n |XS\eta - Y|^2 + \lambda |\eta|^2, \qquad
          \mathrm{risk}(\lambda) = E\,(\hat w - w_t)'B(\hat w - w_t).

Given X and S the average over label noise and random labelers is a sum of traces: nothing but X and S is
sampled. In the modes of `freeridge.solvers.ridge_modes`, with :math:`D = \mathrm{diag}(l+\lambda)^{-1}`,

.. math:: \hat w - w_t = -(I - PN')\,w_t - P\,\lambda D\,N'w_t + P D \sum_s P'M_s (w_s - w_t)
          + P D P' X'\epsilon/n .

The first two terms are the bias, the third the mismatch of labelers, the last the variance. No term is a
difference of larger ones: a ridge of 1e-12 keeps its digits, and I - PN' is left out when P is square. Every
trace becomes d'(H * J)d with H = P'BP, * the entrywise product and d the diagonal of D, so that a further
ridge costs one product of a matrix with a vector.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np
from jaxtyping import Float

from freeridge.solvers.errors import InvalidSetting, require_float64
from freeridge.solvers.kernels import NUMPY, Array, Draws, JaxDraws, Kernels, Matrix, NumpyDraws, jax_kernels
from freeridge.solvers.one_ridge import one_ridge_risks
from freeridge.solvers.replicates import Key, Replicates, pick_backend, run_replicates, run_replicates_jax
from freeridge.solvers.ridge_modes import Sample, draw_sample, narrow_mixing, ridge_modes
from freeridge.solvers.ridge_risks import (
    Mixture,
    RiskTerms,
    Training,
    Weight,
    risk_paths,
    trace_of_product,
    weight,
)

Risks = dict[str, Array]


@dataclass(frozen=True, eq=False)
class LabelSource:
    """An independent zero-mean random vector u that enters the labelers: w_s = sum_k train_k[s] u_k.

    Parameters
    ----------
    train : array, shape (G,)
        Its coefficient in the labeler of each training population.
    test : float
        Its coefficient t in the labeler of the test population.
    moment : array, shape (d,) or (d, d)
        Second moment E[u u'], a vector for a diagonal one.
    """

    train: Float[np.ndarray, "..."]
    test: float
    moment: Float[np.ndarray, "..."]


@dataclass(frozen=True, eq=False)
class RidgeExperiment:
    """A ridge regression on a mixture of Gaussian populations, to be repeated.

    Parameters
    ----------
    factors : tuple of array, shape (d,) or (d, d)
        F_s with inputs x = F_s z, z ~ N(0, I): covariance F_s F_s', a vector f for diag(f). Weighted training
        multiplies F_s by the root of the weight, and the noise variance by the weight.
    counts : tuple of int
        Rows n_s >= 0 of each population; their sum n is the divisor of the loss.
    noise_variances : array, shape (G,)
        sigma_s^2.
    ridges : array, shape (L,)
        Penalties; 0 is the minimum-norm interpolator (the limit).
    test : array, shape (d,) or (d, d)
        Covariance B of the test population, a vector for a diagonal one.
    sources : tuple of LabelSource
        Random parts of the labelers.
    fixed : array, shape (d, G + 1), optional
        Fixed parts of the labelers, that of the test population in the last column.
    features : int, optional
        Number m of random features, columns of S with N(0, 1/d) entries; None is plain ridge.
    times : array, shape (L,), optional
        With one ridge: stop gradient flow, or with a step size gradient descent, at these times.
    step_size : float, optional
        Of gradient descent; times are whole multiples of it.

    Examples
    --------
    One population, an isotropic labeler of unit length, and twice as many rows as inputs:

    >>> import numpy as np
    >>> from freeridge.solvers.ridge_path import LabelSource, RidgeExperiment, simulate_ridge_path
    >>> experiment = RidgeExperiment(
    ...     factors=(np.ones(40),), counts=(80,), noise_variances=np.array([0.25]),
    ...     ridges=np.array([0.0, 0.1]), test=np.ones(40),
    ...     sources=(LabelSource(train=np.ones(1), test=1.0, moment=np.full(40, 1 / 40)),))
    >>> mean, error, values = simulate_ridge_path(experiment, key=1, replicates=50)
    >>> mean["bias"][0], values["risk"].shape  # without ridge there is no bias
    (np.float64(0.0), (50, 2))
    >>> exact = 0.25 * 40 / (80 - 40 - 1)  # mean of an inverse Wishart matrix
    >>> abs(mean["variance"][0] - exact) < 4 * error["variance"][0]
    np.True_
    """

    # Shapes are checked below rather than in the annotations, to name the field that is wrong.
    factors: tuple[Float[np.ndarray, "..."], ...]
    counts: tuple[int, ...]
    noise_variances: Float[np.ndarray, "..."]
    ridges: Float[np.ndarray, "..."]
    test: Float[np.ndarray, "..."]
    sources: tuple[LabelSource, ...] = ()
    fixed: Float[np.ndarray, "..."] | None = None
    features: int | None = None
    times: Float[np.ndarray, "..."] | None = None
    step_size: float | None = None

    def __post_init__(self) -> None:
        groups, d = len(self.factors), self.dimension
        for s, factor in enumerate(self.factors):
            _check_matrix(f"factors[{s}]", factor, d)
        _check_matrix("test", self.test, d)
        whole = all(_is_whole(count) and count >= 0 for count in self.counts)
        if len(self.counts) != groups or not whole or sum(self.counts) < 1:
            raise InvalidSetting("counts", self.counts, f"{groups} whole numbers >= 0, not all zero")
        _check_numbers("noise_variances", self.noise_variances, (groups,))
        _check_numbers("ridges", self.ridges, (max(np.size(self.ridges), 1),))
        if self.times is not None:
            _check_numbers("times", self.times, (max(np.size(self.times), 1),))
            if np.size(self.ridges) != 1:
                raise InvalidSetting("ridges", self.ridges, "one ridge when training stops at times")
        if self.features is not None and (not _is_whole(self.features) or self.features < 1):
            raise InvalidSetting("features", self.features, "a whole number >= 1, or None for plain ridge")
        for k, source in enumerate(self.sources):
            if np.shape(source.train) != (groups,) or not np.all(np.isfinite(source.train)):
                raise InvalidSetting(f"sources[{k}].train", source.train, f"{groups} finite numbers")
            if not np.isfinite(source.test):
                raise InvalidSetting(f"sources[{k}].test", source.test, "a finite number")
            _check_matrix(f"sources[{k}].moment", source.moment, d)
        if self.fixed is not None and (
            self.fixed.shape != (d, groups + 1) or not np.all(np.isfinite(self.fixed))
        ):
            raise InvalidSetting("fixed", self.fixed, f"a finite array of shape {(d, groups + 1)}")

    def require_mixing(self, mixing: np.ndarray | None) -> None:
        """Refuse random features S that are none of this experiment."""
        d, m = self.dimension, self.features
        if (None if mixing is None else mixing.shape) != (None if m is None else (d, m)):
            raise InvalidSetting("mixing", mixing, "None for plain ridge" if m is None else f"shape {(d, m)}")

    @property
    def dimension(self) -> int:
        """Number of inputs, d."""
        return int(np.shape(self.factors[0])[0]) if self.factors else 0

    @property
    def samples(self) -> int:
        """Number of rows, n = sum_s n_s."""
        return int(sum(self.counts))

    @cached_property
    def rank(self) -> int:
        """Rank of S'MS, which holds with probability one.

        That of M is the smallest, over sets A of populations, of dim(sum of the ranges of F_s, s in A) plus
        the rows outside A: rows are generic vectors of their ranges.
        """
        rank = min(self.samples, self.dimension)
        groups = range(len(self.factors))
        if any(len(scales) < self.dimension for scales in self._scales):
            for chosen in (c for size in groups for c in combinations(groups, size + 1)):
                outside = sum(self.counts[s] for s in groups if s not in chosen)
                rank = min(rank, _joint_rank([self.factors[s] for s in chosen]) + outside)
        return rank if self.features is None else min(rank, int(self.features))

    @cached_property
    def graded(self) -> bool:
        """Whether the covariances span more orders of magnitude than eigenvalues of a Gram matrix resolve."""
        scales = [own for own, count in zip(self._scales, self.counts, strict=True) if count and len(own)]
        return bool(scales and max(own[-1] for own in scales) > 1e5 * min(own[0] for own in scales))

    @cached_property
    def one_inverse(self) -> bool:
        """Whether `freeridge.solvers.one_ridge` is tried: one ridge, rank d, not graded, no early stopping.

        Measured at n = 2d, m = 1.5d and d = 60 to 1000, one inverse takes 0.4 to 0.8 of the time of the
        modes, and two about as long as they do.
        """
        single = np.size(self.ridges) == 1 and self.times is None
        return single and self.rank == self.dimension and not self.graded

    @cached_property
    def _scales(self) -> tuple[Float[np.ndarray, "_"], ...]:
        """Singular values of each F_s that are not zero, ascending."""
        return tuple(_singular_values(factor) for factor in self.factors)

    @cached_property
    def mixture(self) -> Mixture:
        """Counts, noise and coefficients as plain numbers."""
        return Mixture(
            tuple(int(count) for count in self.counts),
            tuple(float(noise) for noise in self.noise_variances),
            tuple(tuple(float(c) for c in source.train) for source in self.sources),
            tuple(float(source.test) for source in self.sources),
        )

    @cached_property
    def terms(self) -> RiskTerms:
        """Ridges, covariances and labelers in the form that the traces take, in double precision."""
        d = self.dimension
        test = weight(np.asarray(self.test, float), "test")
        moments = tuple(
            weight(np.asarray(source.moment, float), f"sources[{k}].moment")
            for k, source in enumerate(self.sources)
        )
        pairs = zip(self.sources, moments, strict=True)
        tested = [(source.test, moment) for source, moment in pairs if source.test]
        bias: Weight | None = None
        if len(tested) == 1:
            scale, moment = tested[0]
            bias = Weight(scale**2 * moment.matrix, abs(scale) * moment.root)
        elif tested:
            total = _sum_of_moments([scale**2 * moment.matrix for scale, moment in tested], d)
            bias = weight(total, "sources")
        trace = np.asarray(0.0 if bias is None else trace_of_product(test, bias, d))
        ridges, training = np.asarray(self.ridges, float), None
        if self.times is not None:
            step = None if self.step_size is None else np.asarray(self.step_size, float)
            training = Training(np.asarray(self.times, float), step)
            ridges = np.full(len(self.times), ridges[0])
        return RiskTerms(ridges, test, bias, trace, moments, self.fixed, training)


def exact_risks(
    experiment: RidgeExperiment,
    rows: tuple[Float[np.ndarray, "..."], ...],
    mixing: Float[np.ndarray, "..."] | None = None,
) -> dict[str, Float[np.ndarray, "L"]]:
    """Risks of an experiment for given inputs and features, averaged over labels.

    Parameters
    ----------
    experiment : RidgeExperiment
        What is averaged: labelers, noise, test population. Its factors only say which ranks are generic.
    rows : tuple of array, shape (n_s, d)
        Inputs X_s of each population.
    mixing : array, shape (d, m), optional
        S, if the experiment has features.

    Returns
    -------
    dict of array, shape (L,)
        risk = bias + variance + mismatch at every ridge. bias is the noise-free risk if every training
        labeler were the test labeler, variance is owed to label noise, mismatch to different labelers.

    Examples
    --------
    >>> import numpy as np
    >>> from freeridge.solvers.ridge_path import RidgeExperiment, exact_risks
    >>> x, w = np.array([[3.0, 0.0], [0.0, 1.0]]), np.array([[1.0, 1.0], [1.0, 1.0]])
    >>> experiment = RidgeExperiment((np.ones(2),), (2,), np.zeros(1), np.array([0.5]), np.ones(2), fixed=w)
    >>> exact_risks(experiment, (x,))["bias"]  # (1 - 4.5/5)^2 + (1 - 0.5/1)^2
    array([0.26])
    """
    d = experiment.dimension
    if [np.shape(x) for x in rows] != [(count, d) for count in experiment.counts]:
        raise InvalidSetting("rows", [np.shape(x) for x in rows], f"shapes {experiment.counts} by {d}")
    experiment.require_mixing(mixing)
    narrow = None if mixing is None else narrow_mixing(mixing, NUMPY)
    sample = Sample(tuple(Matrix(x, False) for x in rows), narrow)
    return _risks(experiment, sample, experiment.terms, NUMPY)


def simulate_ridge_path(
    experiment: RidgeExperiment,
    key: Key,
    replicates: int,
    *,
    backend: str | None = None,
    precision: str = "float64",
    workers: int | None = None,
    progress: bool = False,
    direct: bool = False,
) -> Replicates:
    """Mean, standard error and values of the risks of an experiment over random inputs and features.

    Parameters
    ----------
    experiment : RidgeExperiment
        The setting.
    key : int, sequence of int, or JAX key
        Seed.
    replicates : int
        Number of draws of (X, S), at least 2.
    backend : {"numpy", "jax"}, optional
        By default JAX where it runs on an accelerator, else NumPy. The two draw different numbers.
    precision : {"float64", "float32"}
        Arithmetic of the linear algebra. The relative error of single precision is about 1e-7 times the
        condition number of S'MS + ridge on its range: measured about 1e-6 in every part at any ridge for n, d
        and m apart by half, at n = d or m = d 1e-4 at ridge 1e-3 and no digit left at ridge 1e-6.
    workers : int, optional
        Replicates at a time on NumPy; by default the processors this process may use, one below d = 80.
    progress : bool
        Show a progress bar on standard error.
    direct : bool
        Draw every entry of X and S rather than triangular factors with the same law; slower, a check.

    Returns
    -------
    Replicates
        (mean, standard_error, values) with the names risk, bias, variance, mismatch; arrays of shape (L,),
        for values (R, L).
    """
    if precision not in ("float64", "float32"):
        raise InvalidSetting("precision", precision, "'float64' or 'float32'")
    dtype = np.dtype(precision).type
    arrays = _cast((experiment.factors, experiment.terms), dtype)
    counts = experiment.mixture.counts

    def replicate(draws: Draws, kernels: Kernels, factors: tuple[Array, ...], terms: RiskTerms) -> Risks:
        sample = draw_sample(factors, counts, experiment.features, draws, kernels, direct)
        return _risks(experiment, sample, terms, kernels)

    if pick_backend(backend) == "numpy":
        if workers is None and experiment.dimension < 80:
            workers = 1  # measured: below this size threads spend more on Python's lock than they gain
        _keep_freed_memory()
        return run_replicates(
            lambda generator: replicate(NumpyDraws(generator, dtype), NUMPY, *arrays),
            key,
            replicates,
            progress=progress,
            workers=workers,
        )
    if precision == "float64":
        require_float64()
    # Small matrices leave an accelerator idle: as many at a time as make about a million entries.
    batch = min(replicates, max(1, 2**20 // experiment.dimension**2)) if replicates >= 2 else 1
    return run_replicates_jax(
        lambda one, factors, terms: replicate(JaxDraws(one, dtype), jax_kernels(), factors, terms),
        key,
        replicates,
        arguments=arrays,
        batch=batch,
        progress=progress,
    )


def _risks(experiment: RidgeExperiment, sample: Sample, terms: RiskTerms, kernels: Kernels) -> Risks:
    """Risks given X and S: by one inverse at one ridge, where that is as accurate; else by the modes."""
    mixture, samples = experiment.mixture, experiment.samples
    if kernels is NUMPY and experiment.one_inverse and (sample.mixing is None or sample.mixing.lower):
        found = one_ridge_risks(sample, samples, terms, mixture)
        if found is not None:
            return found
    modes = ridge_modes(sample, samples, experiment.rank, kernels, experiment.graded)
    return risk_paths(modes, terms, mixture)


def _keep_freed_memory() -> None:
    """Let the C library of Linux hand freed arrays out again, up to the size of the one freed here.

    By default it returns them to the system, which clears every page of the next one: measured, 10 to 17 % of
    the processor time of a replicate at d = 250. The pages of this one are never touched.
    """
    np.empty(2**25 - 2**14, np.uint8)


def _is_whole(value: object) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _check_matrix(name: str, values: np.ndarray, d: int) -> None:
    if np.shape(values) not in ((d,), (d, d)) or d == 0 or not np.all(np.isfinite(values)):
        raise InvalidSetting(name, values, f"a finite array of shape {(d,)} or {(d, d)}")


def _check_numbers(name: str, values: np.ndarray, shape: tuple[int, ...]) -> None:
    finite = np.shape(values) == shape and bool(np.all(np.isfinite(values)))
    if not finite or np.any(np.asarray(values) < 0):
        raise InvalidSetting(name, values, f"an array of shape {shape}, finite and >= 0")


def _singular_values(factor: Float[np.ndarray, "..."]) -> Float[np.ndarray, "_"]:
    if factor.ndim == 1:
        values, smallest = np.sort(np.abs(factor)), 0.0
    else:
        values = np.linalg.svd(factor, compute_uv=False)[::-1]
        smallest = values[-1] * len(factor) * np.finfo(values.dtype).eps
    return np.asarray(values[values > smallest])


def _joint_rank(factors: list[Float[np.ndarray, "..."]]) -> int:
    """Dimension of the sum of the ranges."""
    if all(factor.ndim == 1 for factor in factors):
        return int(np.count_nonzero(np.any([factor != 0.0 for factor in factors], axis=0)))
    dense = [np.diag(factor) if factor.ndim == 1 else factor for factor in factors]
    # A factor may be tiny as a whole: only the directions of its columns matter.
    return int(np.linalg.matrix_rank(np.hstack([one / (np.max(np.abs(one)) or 1.0) for one in dense])))


def _sum_of_moments(moments: list[Array], d: int) -> Array:
    """Sum of numbers (multiples of the identity), vectors (diagonals) and matrices."""
    if all(moment.ndim < 2 for moment in moments):
        return np.asarray(sum(np.broadcast_to(moment, (d,)) for moment in moments))
    return np.asarray(sum(m if m.ndim == 2 else np.diag(np.broadcast_to(m, (d,))) for m in moments))


def _cast(tree: Any, dtype: type[np.floating[Any]]) -> Any:
    """Every array of nested tuples in the given precision."""
    if tree is None:
        return None
    if isinstance(tree, tuple):
        parts = [_cast(part, dtype) for part in tree]
        return type(tree)(*parts) if hasattr(tree, "_fields") else tuple(parts)
    return np.asarray(tree, dtype)
