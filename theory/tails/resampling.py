r"""Generations: how often an item of probability x survives being sampled again and again.

Each generation is the empirical law of $N$ samples from the one before. The counts of one item form the chain
of Wright and Fisher, $n_{g+1} \sim \mathrm{Bin}(N, n_g / N)$, which starts from $\mathrm{Bin}(N, x)$ and has
lost the item when it is 0. What a learner needs from it is $E (1 - n_g / N)^T$, the probability that $T$
samples of generation $g$ miss the item.

**Ancestors.** $T$ samples of generation $g$ descend from $A$ distinct samples of generation 0, where $A$ is
the number of distinct parents, grandparents and so on: $T$ balls thrown into $N$ boxes occupy $A_1$ of them,
$A_1$ balls into $N$ boxes occupy $A_2$. The ancestors are independent draws of the original law, so that

$$ E (1 - n_g / N)^T = E (1 - x)^{A_g} \qquad \text{exactly}: $$

generations cost a learner nothing but sample size. As $E A_{g+1} \approx N (1 - e^{-A_g / N})$, the size that
is left is $N c_g$ with $c_0 = T / N$ and $c_{g+1} = 1 - e^{-c_g}$, close to $1 / (1/T + g / (2N))$.

Below 256 samples the law of $A_g$ is computed as it is. For more, the operator
$F(x) \mapsto E F(\mathrm{Bin}(N, x) / N)$, Bernstein's, is applied to $e^{-c n} \sum_m N^{-m} P_m(n)$ with
$n = N x$, a form that it keeps: polynomials $P_m$ of degree $2 m$, exact up to $N^{-6}$.
"""

from fractions import Fraction
from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

_EXACT = 256  # samples below which ancestors are counted
_ORDER = 6  # of the expansion in 1 / N
_DEGREE = 2 * _ORDER
_ITEMS = np.geomspace(0.01, 40.0, 60)  # expected copies of an item, at which the error is looked at

Series = dict[tuple[int, int], Fraction]  # (power of 1 / N, power of n): coefficient


class Lineage(NamedTuple):
    """Samples traced back through generations, for any item.

    Attributes
    ----------
    samples, pool : float
        T of the learner, and N of every generation.
    decay : float
        c after all generations: N c samples of the original law are left.
    series : array, shape (7, 13)
        Coefficients of 1 / N and of n, for 256 samples and more.
    ancestors : array, shape (257,)
        Law of the number of ancestors, for fewer than 256 samples.
    """

    samples: Float[Array, ""]
    pool: Float[Array, ""]
    decay: Float[Array, ""]
    series: Float[Array, "orders powers"]
    ancestors: Float[Array, " numbers"]

    def absence(self, x: Float[Array, " items"]) -> Float[Array, " items"]:
        """Probability that an item of probability x under the original law is in none of the samples."""
        counted = jnp.polyval(self.ancestors[::-1], 1.0 - x)
        return jnp.where(self.samples < _EXACT, counted, jnp.sum(self._terms(x), axis=0))

    @property
    def error(self) -> Float[Array, ""]:
        """The largest part of any probability that the last order kept makes up: more than those left out."""
        last = self._terms(jnp.asarray(_ITEMS) / (self.pool * self._decay))[-1]
        return jnp.where(self.samples < _EXACT, 0.0, jnp.max(jnp.abs(last)))

    @property
    def _decay(self) -> Float[Array, ""]:
        """A positive number also where the series is not used."""
        return jnp.where(self.samples < _EXACT, 1.0, self.decay)

    def _terms(self, x: Float[Array, " items"]) -> Float[Array, "orders items"]:
        # Far inside, where nothing is ever missed, powers would overflow before the exponential is zero.
        count = jnp.minimum(self.pool * x, 1e3 / self._decay)
        scale = self.pool ** -np.arange(_ORDER + 1.0)
        return scale[:, None] * (self.series @ _powers(count)) * jnp.exp(-self._decay * count)


def trace_back(samples: Float[Array, ""], pool: Float[Array, ""], generations: int) -> Lineage:
    """The lineage of T samples through some generations of N samples each.

    Parameters
    ----------
    samples : float
        T; below 256 it is rounded at random to a whole number.
    pool : float
        N, a whole number.
    generations : int

    Examples
    --------
    One sample has one ancestor; two have one with probability 1 / N:

    >>> import jax.numpy as jnp
    >>> x, pool = jnp.array([0.3]), jnp.asarray(10.0)
    >>> trace_back(jnp.asarray(1.0), pool, 4).absence(x).round(12)
    Array([0.7], dtype=float64)
    >>> bool(abs(trace_back(jnp.asarray(2.0), pool, 1).absence(x)[0] - (0.1 * 0.7 + 0.9 * 0.49)) < 1e-15)
    True
    """
    stirling, growth = _tables()
    meet = _occupancy(pool)
    degrees = np.arange(_DEGREE + 1)

    def generation(_: Any, state: tuple[Any, Any, Any]) -> tuple[Any, Any, Any]:
        decay, series, ancestors = state
        kept, lost = jnp.exp(-decay), -jnp.expm1(-decay)
        # In falling factorials of n, whose mean under a binomial law is a polynomial.
        falling = (series @ stirling) * _powers(kept)
        excess = _powers(lost)[np.maximum(degrees - degrees[:, None], 0)]
        return lost, jnp.einsum("ml,mlop,lp->op", falling, growth, excess), ancestors @ meet

    decay = samples / pool
    start = (decay, _start(decay), _rounded(jnp.minimum(samples, float(_EXACT))))
    decay, series, ancestors = jax.lax.fori_loop(0, generations, generation, start)
    return Lineage(samples, pool, decay, series, ancestors)


def _powers(base: Float[Array, "*shape"]) -> Float[Array, "powers *shape"]:
    """1, x, x^2, ..., with derivatives at 0 as well."""
    factors = jnp.broadcast_to(base, (_DEGREE, *base.shape))
    return jnp.cumprod(jnp.concatenate([jnp.ones((1, *base.shape)), factors]), axis=0)


def _start(decay: Float[Array, ""]) -> Float[Array, "orders powers"]:
    r"""$(1 - n / N)^T$ over $e^{-c n}$: the exponential of $-c \sum_{r \ge 2} n^r / (r N^{r-1})$."""
    exponential = _exponential({(r - 1, r): Fraction(-1, r) for r in range(2, _ORDER + 2)})
    # The power of c is that of the exponent: n^j / N^m comes from products of j - m factors.
    places = [(m, j, j - m, float(v)) for (m, j), v in exponential.items()]
    rows, columns, powers, values = (np.array(column) for column in zip(*places, strict=True))
    entries = values * _powers(decay)[powers]
    return jnp.zeros((_ORDER + 1, _DEGREE + 1)).at[rows, columns].add(entries)


def _rounded(samples: Float[Array, ""]) -> Float[Array, " numbers"]:
    """All mass at T, or shared by its neighbours."""
    below = jnp.floor(samples)
    numbers = np.arange(_EXACT + 1.0)
    return jnp.where(numbers == below, 1.0 - (samples - below), 0.0) + jnp.where(
        numbers == below + 1.0, samples - below, 0.0
    )


def _occupancy(pool: Float[Array, ""]) -> Float[Array, "balls boxes"]:
    """Law of the number of boxes, of N, that are occupied by 0, 1, ..., 256 balls."""
    taken = jnp.arange(_EXACT + 1.0) / pool

    def throw(law: Float[Array, " boxes"], _: None) -> tuple[Float[Array, " boxes"], Float[Array, " boxes"]]:
        new = jnp.maximum(1.0 - taken, 0.0) * law
        return law * taken + jnp.concatenate([jnp.zeros(1), new[:-1]]), law

    empty = jnp.zeros(_EXACT + 1).at[0].set(1.0)
    return jax.lax.scan(throw, empty, None, length=_EXACT + 1)[1]


@cache
def _tables() -> tuple[np.ndarray, np.ndarray]:
    r"""Stirling's numbers of the second kind, [j, l], and the growth of a series in one generation.

    The mean of $(n')_l z^{n'}$ under Bin(N, n / N) is $z^l e^{-n y} n^l$ times a series of terms
    $N^{-s} (n y)^r$, $y = 1 - z$. Entry [m, l, o, p] is its coefficient at $s = o - m$, $r = p - l$.
    """
    stirling = np.zeros((_DEGREE + 1, _DEGREE + 1))
    stirling[0, 0] = 1.0
    growth = np.zeros((_ORDER + 1, _DEGREE + 1, _ORDER + 1, _DEGREE + 1))
    for power in range(_DEGREE + 1):
        for j in range(1, _DEGREE + 1):
            before = stirling[j - 1, power - 1] if power else 0.0
            stirling[j, power] = power * stirling[j - 1, power] + before
        # (1 - n y / N)^(N - l) and (1 - 1/N) ... (1 - (l - 1)/N) at l = power
        exponent: Series = {(r - 1, r): Fraction(-1, r) for r in range(2, _ORDER + 2)}
        exponent |= {(r, r): Fraction(power, r) for r in range(1, _ORDER + 1)}
        mean = _exponential(exponent)
        for r in range(1, power):
            mean = _product(mean, {(0, 0): Fraction(1), (1, 0): Fraction(-r)})
        for (s, r), value in mean.items():
            for m in range(_ORDER + 1 - s):
                if power + r <= _DEGREE:
                    growth[m, power, m + s, power + r] = float(value)
    return stirling, growth


def _exponential(series: Series) -> Series:
    total: Series = {(0, 0): Fraction(1)}
    term = dict(total)
    for k in range(1, _ORDER + 1):
        term = _product(term, {place: value / k for place, value in series.items()})
        total = {
            place: total.get(place, Fraction(0)) + term.get(place, Fraction(0)) for place in total | term
        }
    return total


def _product(left: Series, right: Series) -> Series:
    total: Series = {}
    for (m, j), one in left.items():
        for (s, r), other in right.items():
            if m + s <= _ORDER:
                total[m + s, j + r] = total.get((m + s, j + r), Fraction(0)) + one * other
    return total
