"""Hutter++, the learner of next-token frequencies on Zipf data: *A Tale of Tails*, Section 4."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.fields import Scalar, known, real_field, require
from freeridge.solvers.replicates import run_replicates
from freeridge.solvers.results import Code, Estimate
from freeridge.theory.experiment import whole
from freeridge.theory.tails.bigrams.bigram_law import BigramLaw, bigram_law
from freeridge.theory.tails.bigrams.exact_risk import bigram_risk
from freeridge.theory.tails.bigrams.sampling import draw_bigrams
from freeridge.theory.tails.prediction import TailPrediction

_CERTIFIED = 1e-6  # relative error up to which a risk is given


class BigramTail(eqx.Module):
    r"""Test error of next-token frequencies learned from $T$ pairs of Zipf data, with or without a tail cut.

    A pair is a context $i = 1, 2, \dots$ of probability $p_i = i^{-\beta} / \zeta(\beta)$ and a next token of
    probability $p(j | i) = \pi_i(j)^{-\beta} / \zeta(\beta)$, $\pi_i$ a permutation of the tokens. Hutter++
    answers with frequencies, $q_T(j | i) = n_T(i, j) / n_T(i)$, and with nothing, $q_T = 0$, in a context
    that it has never seen. Its test error is the distance to the truth,

    $$ E = \sum_i p_i\, E \sum_j |q_T(j | i) - p(j | i)| , $$

    the sum without the factor 1/2 of total variation: a context never seen counts 1. With a cut training data
    hold the next tokens of rank $\pi_i(j) \le k$ only, with probabilities that sum to one again.

    The risk is exact for every $T$, a sum of binomial expectations over infinitely many contexts and tokens
    (:mod:`freeridge.theory.tails.bigrams.exact_risk`); permutations do not change it. The residual is an
    estimate of its relative error: rounding up to $T = 4096$, of the order of 1e-8 above. It is computed by
    NumPy, under ``jit`` and ``vmap`` too, but has no derivative: counts have kinks.

    Parameters
    ----------
    beta : float
        $\beta > 1$. Any, 2 included, for the risk; 2 is left out of the rates.
    T : float
        Training pairs, a whole number $\ge 0$. The cost grows as $T^{1/2 + 1/(2\beta)}$ or so: 4 s at $10^7$.
    k : int, optional
        Tail cut: the largest rank of a next token in the training data. None or infinite is no cut.

    Examples
    --------
    >>> import freeridge as fr
    >>> prediction = fr.BigramTail(beta=1.5, T=10_000).predict()
    >>> round(float(prediction.risk), 6), prediction.ok
    (0.417352, True)
    >>> round(float(fr.BigramTail(beta=1.5, T=10_000, k=20).predict().risk), 6)
    0.474468

    Notes
    -----
    Theorem 4.1 has $E \lesssim T^{-c}$, $c = \min(1 - 1/\beta, 1/2)$, where $\sum_i p_i^{1 - c}$ converges.
    For contexts of the same exponent $\beta < 2$ that sum is the harmonic series, and the rate is
    $T^{-c} \log T$: see :meth:`law`.

    References
    ----------
    E. Dohmatob, Y. Feng, P. Yang, F. Charton, J. Kempe, A Tale of Tails: Model Collapse as a Change of
    Scaling Laws, arXiv 2402.07043, equations 16 and 17, Theorems 4.1 and 4.2.
    """

    beta: Scalar = real_field("beta")
    T: Scalar = real_field("T")
    k: Scalar | None = real_field("k", default=None, optional=True)

    def __check_init__(self) -> None:
        require("beta", self.beta, lambda v: v > 1, "an exponent > 1: no other makes a distribution")
        require("T", self.T, lambda v: (v >= 0) & (v == np.round(v)), "a whole number of pairs >= 0")
        if self.k is not None:
            finite = jnp.where(self.k == jnp.inf, 1.0, self.k)
            require(
                "k", finite, lambda v: (v >= 1) & (v == np.round(v)), "a rank: a whole number >= 1, or none"
            )

    def predict(self) -> TailPrediction:
        """The expected test error ``risk``."""
        shape = jax.ShapeDtypeStruct((2,), jnp.float64)
        cut = jnp.inf if self.k is None else self.k
        risk, error = jax.pure_callback(
            _risk, shape, self.beta, self.T, jnp.asarray(cut, jnp.float64), vmap_method="sequential"
        )
        doubtful = jnp.where(error <= _CERTIFIED, int(Code.OK), int(Code.NOT_CERTIFIED))
        code = jnp.where(jnp.isnan(risk), int(Code.INVALID), doubtful).astype(jnp.int32)
        return TailPrediction({"risk": jnp.where(code == int(Code.OK), risk, jnp.nan)}, error, code)

    def law(self) -> BigramLaw:
        """Rate, prefactors and plateau of the risk for many pairs; it can be called at any T.

        Raises
        ------
        InvalidSetting
            At beta = 2, and for values that JAX is tracing.
        """
        values = [known(self.beta), np.asarray(np.inf) if self.k is None else known(self.k)]
        if values[0] is None or values[1] is None:
            raise InvalidSetting("beta", self.beta, "a number: the law is not for tracing")
        return bigram_law(float(values[0]), float(values[1]))

    def simulate(self, key: Any, replicates: int = 20, *, progress: bool = False) -> Estimate:
        """Draw the pairs from all infinitely many contexts and tokens, and measure the distance."""
        pairs, beta = whole("T", self.T), float(self.beta)
        cut = np.inf if self.k is None else float(self.k)
        mean, error, values = run_replicates(
            lambda rng: {"risk": draw_bigrams(rng, pairs, beta, cut).risk(beta)},
            key,
            replicates,
            progress=progress,
        )
        return Estimate(mean, error, len(values["risk"]), {"T": pairs}, values)


def _risk(beta: Any, samples: Any, cut: Any) -> Float[np.ndarray, "2"]:
    """Risk and relative error; NaN where a value that was traced makes no sense."""
    one = (float(beta), float(samples), float(cut))
    if not (one[0] > 1.0 and one[1] >= 0.0 and one[1] == np.round(one[1]) and one[2] >= 1.0):
        return np.array([np.nan, np.inf])
    risk, error = bigram_risk(*one)
    return np.array([risk, error / risk])
