r"""Monte Carlo of ridge regression where the rows do not fit into memory: second moments summed over blocks.

Rows are drawn in blocks of at most 128 MiB and forgotten when Z_s'Z_s has been added up; what is kept is a
few d x d matrices, from which `freeridge.solvers.ridge_resolvent` has the risks. Every row is really drawn,
where `simulate_ridge_path` draws triangular factors with the same law: the two check each other.

A strip of 64 rows has a stream of its own, SeedSequence(entropy=key, spawn_key=(replicate, population,
strip)): strips are drawn side by side, and how many threads draw changes no number, nor does the size of a
block, but for the rounding of the sum.

Time and memory. Adding up takes n d^2 operations. The risks take d^3 in plain ridge, 8 d^3 with as many
features as inputs, and 2 d^3 for each population that needs a product of its own. From three matrices of
d x d (one population, plain) to eight (two, features) are alive at a time: measured in docs/large.md.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext

import numpy as np

# Here and not where it is used: a limit on threads holds for the BLAS that is loaded when it is set.
from scipy.linalg import blas

from freeridge.solvers.cores import available_cores, one_blas_thread
from freeridge.solvers.kernels import NumpyDraws
from freeridge.solvers.replicates import Key, key_entropy
from freeridge.solvers.ridge_path import RidgeExperiment
from freeridge.solvers.ridge_resolvent import Square, mirrored, resolvent_risks

Entropy = tuple[int, ...]

_BLOCK = 2**27  # bytes
_STRIP = 64  # rows
_SMALL = (
    1000  # dimension below which a second thread of BLAS costs more than it gives, on a busy machine far more
)
_MIXING = 2**32 - 1  # in the place of a population in the stream of the random features


def replicate_in_blocks(experiment: RidgeExperiment, key: Key, index: int) -> dict[str, np.ndarray]:
    """Risks of an experiment for one draw of inputs and features, with all cores.

    Parameters
    ----------
    experiment : RidgeExperiment
        Its ridges are those that `resolvent_risks` takes.
    key : int, sequence of int, or JAX key
        Seed: the same key gives the same numbers.
    index : int
        Number of the replicate.

    Returns
    -------
    dict of array
        risk, bias, variance and mismatch, shape (L,); and rate, the operations per second while rows were
        drawn and their products added up, where a multiplication and an addition are two.

    Examples
    --------
    >>> from freeridge.solvers.ridge_path import LabelSource, RidgeExperiment, simulate_ridge_path
    >>> experiment = RidgeExperiment(
    ...     factors=(np.ones(40),), counts=(80,), noise_variances=np.array([0.25]), ridges=np.array([0.1]),
    ...     test=np.ones(40), sources=(LabelSource(np.ones(1), 1.0, np.full(40, 1 / 40)),))
    >>> by_blocks = [replicate_in_blocks(experiment, 1, index)["risk"][0] for index in range(50)]
    >>> mean, error, _ = simulate_ridge_path(experiment, key=1, replicates=50)
    >>> abs(np.mean(by_blocks) - mean["risk"][0]) < 4 * 2**0.5 * error["risk"][0]
    np.True_
    """
    entropy = key_entropy(key)
    with one_blas_thread if experiment.dimension < _SMALL else nullcontext():
        return _replicate(experiment, entropy, index)


def white_moment(rows: int, d: int, entropy: Entropy, path: tuple[int, ...]) -> Square:
    """Z'Z of a matrix of independent standard normal entries that is never there as a whole.

    Parameters
    ----------
    rows, d : int
        Shape of Z.
    entropy, path : tuple of int
        Seed: strip k draws from SeedSequence(entropy, spawn_key=(*path, k)).

    Examples
    --------
    >>> moment = white_moment(400, 3, entropy=(1,), path=(0,)) / 400
    >>> bool(np.all(moment == moment.T)), bool(np.max(np.abs(moment - np.eye(3))) < 0.3)
    (True, True)
    """
    height = max(1, _BLOCK // (8 * d * _STRIP)) * _STRIP
    block = np.empty((min(height, rows), d))
    total = np.zeros((d, d), order="F")

    def draw(strip: int) -> None:
        seed = np.random.SeedSequence(entropy, spawn_key=(*path, strip))
        first, number = strip * _STRIP % height, min(_STRIP, rows - strip * _STRIP)
        np.random.default_rng(seed).standard_normal(out=block[first : first + number])

    with ThreadPoolExecutor(available_cores()) as pool:
        for start in range(0, rows, height):
            stop = min(start + height, rows)
            list(pool.map(draw, range(start // _STRIP, -(-stop // _STRIP))))
            # The transpose of an array by rows is one by columns, which BLAS takes without a copy.
            blas.dsyrk(1.0, block[: stop - start].T, beta=1.0, c=total, lower=1, overwrite_c=1)
    return mirrored(total).T


def product_peak(size: int = 4096) -> float:
    """Operations per second of a product of square matrices, best of three: what this machine can do now."""
    left = np.random.default_rng(0).standard_normal((size, size))
    product, times = np.empty_like(left), []
    for _ in range(3):
        start = time.perf_counter()
        np.matmul(left, left, out=product)
        times.append(time.perf_counter() - start)
    return 2.0 * size**3 / min(times)


def _replicate(experiment: RidgeExperiment, entropy: Entropy, index: int) -> dict[str, np.ndarray]:
    d, n, features = experiment.dimension, experiment.samples, experiment.features
    start = time.perf_counter()
    moments = [white_moment(count, d, entropy, (index, s)) for s, count in enumerate(experiment.counts)]
    rate = n * d * d / (time.perf_counter() - start)
    for moment, factor in zip(moments, experiment.factors, strict=True):
        _shape(moment, factor / n**0.5)
    mixing = None
    if features is not None:
        seed = np.random.SeedSequence(entropy, spawn_key=(index, _MIXING))
        draws = NumpyDraws(np.random.default_rng(seed), np.float64)
        # Ridge sees S through SS' alone: of d columns or more, a triangle with that product is enough.
        mixing = draws.normal(d, features) if features < d else draws.lower(features - np.arange(d))
        mixing *= d**-0.5
    risks = resolvent_risks(moments, mixing, experiment.terms, experiment.mixture)
    return {**risks, "rate": np.array(rate)}


def _shape(moment: Square, factor: np.ndarray) -> None:
    """F M F' in place."""
    if factor.ndim == 1:
        moment *= factor
        moment *= factor[:, None]
    else:
        moment[:] = factor @ (moment @ factor.T)
