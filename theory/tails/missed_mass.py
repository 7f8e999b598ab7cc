"""The probability mass that no training sample has: the sums behind :class:`ZipfTail`."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from freeridge.solvers.rank_sums import RankSum, power_sum, rank_sum
from freeridge.theory.tails.resampling import Lineage, trace_back
from freeridge.theory.tails.small_pool import Chances, SmallPool, trace_small_pool

if TYPE_CHECKING:
    from freeridge.theory.tails.zipf_tail import ZipfTail

Number = Float[Array, ""]
Ranks = Float[Array, " ranks"]

_NEVER = 1e-17  # a rank that is drawn this rarely is missed, to rounding
_ROUNDING = 4e-16
_OUT_OF_SIGHT = 1e280  # as a rank


def missed_mass(
    setting: "ZipfTail", samples: Number, chances: Chances | None
) -> tuple[Number, Number, Number]:
    """Error, its part beyond the cut, and an estimate of its absolute error.

    Parameters
    ----------
    setting : ZipfTail
    samples : float
        T, apart from the setting for the sake of its derivative.
    chances : Chances, optional
        For the samples of a generation, where they are known and few.
    """
    missed = _missed(setting, samples, chances)
    edges = [jnp.asarray(1.0)]
    if setting.k is not None or setting.top_p is not None:
        edges.append(setting.cut + 1.0)
    if setting.bought_from is not None:
        edges.append(setting.bought_from)
    # Ranges in which what ranks are drawn from is the same for all; an infinite rank is one out of sight.
    firsts = jnp.sort(jnp.minimum(jnp.stack(edges), _OUT_OF_SIGHT))
    lasts = jnp.append(firsts[1:] - 1.0, jnp.inf)
    scale = power_sum(setting.beta, jnp.asarray(1.0), jnp.asarray(jnp.inf))
    risk = tail = error = jnp.asarray(0.0)
    for first, last in zip(firsts, lasts, strict=True):
        part = missed(first, last)
        risk, error = risk + part.value, error + part.error
        tail = tail + jnp.where(first > setting.cut, part.value, 0.0)
    # What rounding leaves of a sum of positive terms.
    return risk / scale, tail / scale, error / scale + _ROUNDING * risk / scale


def _missed(
    setting: "ZipfTail", samples: Number, chances: Chances | None
) -> Callable[[Number, Number], RankSum]:
    r"""Sums of $i^{-\beta}$ times the probability that rank i is in no sample, over ranges of ranks."""
    one, end = jnp.asarray(1.0), jnp.asarray(jnp.inf)
    scale, narrow = power_sum(setting.beta, one, end), setting.generator_exponent
    generated_scale = power_sum(narrow, one, setting.cut)
    share = 1.0 - setting.real_share
    # What the expected number of copies of rank x is: sums of rate * x^-exponent.
    rates = [(setting.real_share * samples + setting.real_samples) / scale]
    if setting.bought_from is not None:
        share = 1.0 - setting.bought_share
        bought_scale = power_sum(setting.beta, setting.bought_from, end)
        rates.append(setting.bought_share * samples / bought_scale)
    lineage: Lineage | SmallPool | None = None
    if chances is not None:
        lineage = trace_small_pool(samples, chances, setting.generations)
    elif setting.generator_samples is not None:
        lineage = trace_back(samples, setting.generator_samples, setting.generations)
    reaches = [(rate / _NEVER) ** (1.0 / setting.beta) for rate in rates]
    reaches.append((share * samples / generated_scale / _NEVER) ** (1.0 / narrow))
    reach = jnp.max(jax.lax.stop_gradient(jnp.stack(reaches)))

    def over(first: Number, last: Number) -> RankSum:
        def generated(u: Ranks) -> Ranks:
            return jnp.where(first <= setting.cut, jnp.exp(-narrow * u) / generated_scale, 0.0)

        def missing(u: Ranks) -> Ranks:
            power = jnp.exp(-setting.beta * u)
            beside = jnp.exp(setting.real_samples * _log_complement(power / scale))
            if lineage is not None:
                return beside * lineage.absence(generated(u))
            drawn = share * generated(u) + setting.real_share / scale * power
            if setting.bought_from is not None:
                rate = setting.bought_share / bought_scale
                drawn = drawn + jnp.where(first >= setting.bought_from, rate * power, 0.0)
            return beside * jnp.exp(samples * _log_complement(drawn))

        found = rank_sum(missing, setting.beta, first, last, reach)
        if lineage is None:
            return found
        return RankSum(found.value, found.error + lineage.error * found.value)

    return over


def rank_of_mass(exponent: Number, mass: Number) -> Number:
    r"""The smallest rank $k$ with $\sum_{i \le k} q_i \ge$ `mass` for $q_i \propto i^{-\beta'}$.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> [float(rank_of_mass(jnp.asarray(1.5), jnp.asarray(mass))) for mass in (0.3, 0.9, 1.0)]
    [1.0, 59.0, inf]
    """
    one, end = jnp.asarray(1.0), jnp.asarray(jnp.inf)
    left = (1.0 - mass) * power_sum(exponent, one, end)
    # The mass beyond k is close to an integral from k + 1/2, which leaves a few ranks to choose from.
    near = jnp.floor((left * (exponent - 1.0)) ** (-1.0 / (exponent - 1.0)) - 0.5)
    found = jnp.asarray(jnp.inf)
    for step in (2.0, 1.0, 0.0, -1.0, -2.0):
        rank = jnp.maximum(near + step, 1.0)
        beyond = power_sum(exponent, jnp.minimum(rank + 1.0, _OUT_OF_SIGHT), end)
        found = jnp.where(beyond <= left * (1.0 + 1e-14), rank, found)
    return jax.lax.stop_gradient(found)


def _log_complement(probability: Ranks) -> Ranks:
    """log(1 - p); finite for p = 1, which no sample misses."""
    return jnp.log1p(-jnp.minimum(probability, 1.0 - 2.0**-53))
