r"""Generations of few samples, up to 2,048 each: the chain of Wright and Fisher as it is.

The probability that T samples miss an item, given its counts in the last generation, is a vector
$(1 - n / N)^T$, $n = 0, \dots, N$. Every generation but the first applies the matrix of binomial
probabilities $\mathrm{Bin}(n'; N, n / N)$ to it; the first draws from the law of the data, and makes of the
vector a polynomial in the probability of the item.
"""

from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy import special, stats

SMALL = 2048  # samples of a generation up to which this is done
_SIZES = (256, SMALL)  # tables are filled up to these: a computation is compiled once for each


class Chances(NamedTuple):
    """Binomial probabilities of N draws, in tables filled up with zeros.

    Attributes
    ----------
    pool : float
        N.
    step : array, shape (S, S)
        Of every count in one generation, given that in the generation before.
    ways : array, shape (S,)
        Logarithms of the binomial coefficients.
    """

    pool: Float[np.ndarray | Array, ""]
    step: Float[np.ndarray | Array, "counts counts"]
    ways: Float[np.ndarray | Array, " counts"]


class SmallPool(NamedTuple):
    """Samples of the last of many generations, for any item; see :class:`Lineage` for large generations.

    Attributes
    ----------
    missed : array, shape (S,)
        Probability of missing an item that the first generation holds 0, 1, ..., N times.
    chances : Chances
    """

    missed: Float[Array, " counts"]
    chances: Chances

    def absence(self, x: Float[Array, " items"]) -> Float[Array, " items"]:
        """Probability that an item of probability x under the original law is in none of the samples."""
        inside = jnp.clip(x, 1e-300, 1.0 - 2.0**-53)
        seen, unseen = jnp.log(inside), jnp.log1p(-inside)

        def add(total: Array, one: tuple[Array, Array, Array]) -> tuple[Array, None]:
            count, ways, missed = one
            chance = jnp.exp(ways + count * seen + (self.chances.pool - count) * unseen)
            return total + missed * chance, None

        steps = (jnp.arange(len(self.missed), dtype=jnp.float64), jnp.asarray(self.chances.ways), self.missed)
        return jax.lax.scan(add, jnp.zeros_like(x), steps)[0]

    @property
    def error(self) -> Float[Array, ""]:
        """Nothing is neglected; the logarithm of N! is good to its last digit."""
        return 1e-14 + 2.3e-16 * jax.scipy.special.gammaln(jnp.asarray(self.chances.pool) + 1.0)


def trace_small_pool(samples: Float[Array, ""], chances: Chances, generations: int) -> SmallPool:
    """T samples, any real number, of the last of some generations of N samples each.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> traced = trace_small_pool(jnp.asarray(2.0), chances_of(10), generations=1)
    >>> bool(abs(traced.absence(jnp.array([0.3]))[0] - (0.1 * 0.7 + 0.9 * 0.49)) < 1e-14)
    True
    """
    held = jnp.minimum(np.arange(float(len(chances.ways))) / chances.pool, 1.0 - 2.0**-53)
    start = jnp.exp(samples * jnp.log1p(-held))
    step = jnp.asarray(chances.step)
    again: Any = jax.lax.fori_loop(0, generations - 1, lambda _, missed: step @ missed, start)
    return SmallPool(again, chances)


@lru_cache(maxsize=4)
def chances_of(pool: int) -> Chances:
    """The tables for N draws, N at most 2,048."""
    size = next(size for size in _SIZES if pool <= size) + 1
    counts = np.arange(pool + 1)
    step, ways = np.zeros((size, size)), np.full(size, -np.inf)
    step[: pool + 1, : pool + 1] = stats.binom.pmf(counts, pool, (counts / pool)[:, None])
    ways[: pool + 1] = (
        special.gammaln(pool + 1) - special.gammaln(counts + 1) - special.gammaln(pool - counts + 1)
    )
    return Chances(np.asarray(float(pool)), step, ways)
