r"""Sums over any number of ranks of a heavy tail, $\sum_{i=a}^{b} i^{-\alpha} h(i)$; knows no theory.

The first ranks are summed term by term. From there on the summand is smooth on the scale of the rank, and
Gregory's formula turns the sum into an integral with end corrections made of values of the summand alone,

$$ \sum_{i=a}^{b} f(i) = \int_a^b f(x)\,dx + \sum_{j=0}^{m} g_j \big( f(a + j) + f(b - j) \big), \qquad
   \sum_j g_j E^j = \frac{1}{\log(1 + \Delta)} - \frac1\Delta . $$

The integral over $\log x$ is Gauss's rule on panels: a cutoff such as $(1 - p_i)^T$ has the same width on
that scale whatever its place is. Beyond a rank where $h = 1$ to rounding the integral is explicit. Cost and
precision do not depend on the number of ranks: :math:`10^{15}` or infinity cost what a thousand do.
"""

from collections.abc import Callable
from fractions import Fraction
from math import comb
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

Ranks = Float[Array, " ranks"]

_HEAD = 160  # ranks summed term by term
_SHORT_HEAD = 40  # of a pure power
_ORDER = 10  # differences in the end corrections
_PANELS = 48
_NODES, _COARSE = 14, 9  # of Gauss's rule on a panel; the coarser rule only shows the error of the finer


class RankSum(NamedTuple):
    """A sum, and an estimate of its absolute error.

    Attributes
    ----------
    value, error : float
    """

    value: Float[Array, ""]
    error: Float[Array, ""]


def _gregory(order: int) -> np.ndarray:
    """Weights of f(a), f(a + 1), ... in the correction at one end, exact up to polynomials of this degree."""
    # Coefficients of 1 / log(1 + x) - 1 / x: the inverse of the series log(1 + x) / x = sum (-x)^k / (k + 1).
    series = [Fraction(1)]
    for k in range(1, order + 2):
        series.append(
            -sum((Fraction((-1) ** j, j + 1) * series[k - j] for j in range(1, k + 1)), Fraction(0))
        )
    weights = [Fraction(0)] * (order + 1)
    for difference, coefficient in enumerate(series[1:]):
        for j in range(difference + 1):
            weights[j] += coefficient * comb(difference, j) * (-1) ** (difference - j)
    return np.array([float(weight) for weight in weights])


_ENDS, _FEWER_ENDS = _gregory(_ORDER), np.append(_gregory(_ORDER - 2), [0.0, 0.0])
_RULES = [
    tuple(np.concatenate(parts) for parts in zip(*(
        ((panel + (nodes + 1.0) / 2.0) / _PANELS, weights / 2.0 / _PANELS) for panel in range(_PANELS)
    ), strict=True))
    for nodes, weights in (np.polynomial.legendre.leggauss(count) for count in (_NODES, _COARSE))
]  # fmt: skip


def rank_sum(
    factor: Callable[[Ranks], Ranks],
    exponent: Float[Array, ""],
    first: Float[Array, ""],
    last: Float[Array, ""],
    reach: Float[Array, ""],
) -> RankSum:
    r"""$\sum_{i=a}^{b} i^{-\alpha} h(i)$, smooth enough to be summed by an integral after its first ranks.

    Parameters
    ----------
    factor : callable
        $h$ as a function of an array of logarithms of ranks, which need not be whole numbers.
    exponent : float
        $\alpha > 0$, above 1 when `last` is infinite.
    first, last : float
        $a \ge 1$ and $b$, whole numbers; $b$ may be infinite. An empty range sums to 0.
    reach : float
        A rank beyond which $h = 1$ to rounding; further than that costs precision, not correctness.

    Returns
    -------
    RankSum
        The error is what a coarser rule and a shorter end correction would differ by: an upper estimate.

    Examples
    --------
    >>> import jax, jax.numpy as jnp
    >>> number = lambda x: jnp.asarray(float(x))
    >>> odd = rank_sum(lambda u: jnp.exp(-jnp.exp(-u)), number(2), number(1), number(jnp.inf), number(1e17))
    >>> brute = jnp.sum(jnp.exp(-1 / jnp.arange(1.0, 2e6)) / jnp.arange(1.0, 2e6) ** 2) + 1 / (2e6 - 0.5)
    >>> bool(abs(odd.value - brute) < 1e-12 and odd.error < 1e-14)
    True
    """

    def term(log_rank: Ranks) -> Ranks:
        return jnp.exp(-exponent * log_rank) * factor(log_rank)

    ranks = first + np.arange(_HEAD, dtype=np.float64)
    head = jnp.sum(jnp.where(ranks <= last, term(jnp.log(ranks)), 0.0))
    # With an empty tail both limits are the same rank, and what is computed there counts for nothing.
    start = first + _HEAD
    some = last >= start
    stop = jnp.where(some, last, start)
    split = jnp.clip(jax.lax.stop_gradient(reach), start, stop)
    lower, width = jnp.log(start), jnp.log(split / start)

    def integral(rule: tuple[np.ndarray, ...]) -> Float[Array, ""]:
        log_rank = lower + width * rule[0]
        return width * jnp.sum(rule[1] * jnp.exp(log_rank) * term(log_rank))

    ends = _ends(term, start, stop)
    fine, coarse = integral(_RULES[0]), integral(_RULES[1])
    tail = fine + power_integral(exponent, split, stop) + jnp.sum(_ENDS * ends)
    error = jnp.abs(fine - coarse) + jnp.abs(jnp.sum((_ENDS - _FEWER_ENDS) * ends))
    return RankSum(head + jnp.where(some, tail, 0.0), jnp.where(some, error, 0.0))


def power_sum(
    exponent: Float[Array, ""], first: Float[Array, ""], last: Float[Array, ""]
) -> Float[Array, ""]:
    r"""$\sum_{i=a}^{b} i^{-\alpha}$, differentiable in $\alpha$; zeta for $a = 1$, $b = \infty$.

    Examples
    --------
    >>> import jax, jax.numpy as jnp
    >>> number = lambda x: jnp.asarray(float(x))
    >>> round(float(power_sum(number(1.5), number(1), number(jnp.inf))), 13)
    2.6123753486855
    >>> float(power_sum(number(3), number(1), number(2)))
    1.125
    """

    def term(log_rank: Ranks) -> Ranks:
        return jnp.exp(-exponent * log_rank)

    ranks = first + np.arange(_SHORT_HEAD, dtype=np.float64)
    head = jnp.sum(jnp.where(ranks <= last, term(jnp.log(ranks)), 0.0))
    start = first + _SHORT_HEAD
    stop = jnp.maximum(last, start)
    tail = power_integral(exponent, start, stop) + jnp.sum(_ENDS * _ends(term, start, stop))
    return head + jnp.where(last >= start, tail, 0.0)


def _ends(
    term: Callable[[Ranks], Ranks], start: Float[Array, ""], stop: Float[Array, ""]
) -> Float[Array, " ends"]:
    """The summand near both ends of a range, added; nothing at an infinite one."""
    steps = np.arange(_ORDER + 1.0)
    near = jnp.where(jnp.isinf(stop), start, stop)
    far = term(jnp.log(jnp.maximum(near - steps, 1.0)))
    return term(jnp.log(start + steps)) + jnp.where(jnp.isinf(stop), 0.0, far)


def power_integral(
    exponent: Float[Array, ""], first: Float[Array, ""], last: Float[Array, ""]
) -> Float[Array, ""]:
    r"""$\int_a^b x^{-\alpha} dx$, $b$ finite or, for $\alpha > 1$, infinite.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> float(power_integral(jnp.asarray(2.0), jnp.asarray(4.0), jnp.asarray(jnp.inf)))
    0.25
    """
    excess = 1.0 - exponent
    growth = excess * jnp.log(jnp.where(jnp.isinf(last), 1.0, last) / first)
    small = jnp.abs(growth) < 1e-8  # as it is for an exponent of one
    mean = jnp.where(small, 1.0 + growth / 2.0, jnp.expm1(growth) / jnp.where(small, 1.0, growth))
    width = jnp.log(jnp.where(jnp.isinf(last), first, last) / first)
    whole = -1.0 / jnp.where(jnp.isinf(last), excess, 1.0)
    return first**excess * jnp.where(jnp.isinf(last), whole, width * mean)
