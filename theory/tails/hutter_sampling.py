r"""Samples of Zipf's law with all its infinitely many ranks, and what a learner misses that has seen them.

T samples are held as counts: one multinomial draw for the first ranks, as many as are seen more than once or
so, and the rest drawn one by one from the tail beyond them. That is exact, and takes of the order of
$T^{1/\beta}$ numbers, not T. A rank is a float: those beyond $2^{53}$ are told apart to rounding.
"""

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy import special

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.replicates import run_replicates
from freeridge.solvers.results import Estimate
from freeridge.theory.experiment import whole

if TYPE_CHECKING:
    from freeridge.theory.tails.zipf_tail import ZipfTail

_MOST = 5e7  # different ranks that a replicate may hold
_LEAST = 64  # ranks drawn by counts


class Counts(NamedTuple):
    """Ranks that occur, sorted, and how often.

    Attributes
    ----------
    ranks : array of float
    counts : array of int
    """

    ranks: np.ndarray
    counts: np.ndarray


def draw_counts(
    rng: np.random.Generator, samples: int, exponent: float, first: float = 1.0, last: float = np.inf
) -> Counts:
    r"""Counts of the ranks in samples of $q_i \propto i^{-\alpha}$, $a \le i \le b$.

    Parameters
    ----------
    rng : numpy.random.Generator
    samples : int
    exponent : float
        $\alpha > 1$.
    first, last : float
        $a$ and $b$, whole numbers; $b$ may be infinite.

    Examples
    --------
    >>> import numpy as np
    >>> ranks, counts = draw_counts(np.random.default_rng(0), 10**9, 2.0)
    >>> int(counts.sum()), bool(abs(counts[0] / 1e9 - 6 / np.pi**2) < 1e-4), len(ranks) < 200_000
    (1000000000, True, True)
    """
    total = _mass(exponent, first, last)
    head = _head(samples, exponent, first, last)
    ranks = first + np.arange(head)
    chances = ranks**-exponent / total
    beyond = _mass(exponent, first + head, last) / total
    drawn = rng.multinomial(samples, np.append(chances, beyond) / (chances.sum() + beyond))
    tail, repeats = np.unique(
        _draw_tail(rng, int(drawn[-1]), exponent, first + head, last), return_counts=True
    )
    seen = drawn[:-1] > 0
    return Counts(np.append(ranks[seen], tail), np.append(drawn[:-1][seen], repeats))


def draw_again(rng: np.random.Generator, samples: int, counts: Counts) -> Counts:
    """Samples of the empirical law of others: the next generation."""
    drawn = rng.multinomial(samples, counts.counts / counts.counts.sum())
    return Counts(counts.ranks[drawn > 0], drawn[drawn > 0])


def simulate_hutter(setting: "ZipfTail", key: Any, replicates: int, *, progress: bool = False) -> Estimate:
    """Monte Carlo of :class:`freeridge.theory.tails.zipf_tail.ZipfTail`, at most 5e7 different ranks held."""
    beta, exponent = float(setting.beta), float(setting.generator_exponent)
    samples, beside = whole("T", setting.T), whole("real_samples", setting.real_samples)
    cut, real_share = float(setting.cut), float(setting.real_share)
    bought_from = None if setting.bought_from is None else float(setting.bought_from)
    bought_share = 0.0 if bought_from is None else float(setting.bought_share)
    pool = (
        None if setting.generator_samples is None else whole("generator_samples", setting.generator_samples)
    )
    for number in (samples, beside, pool or 0):
        if _head(number, min(beta, exponent), 1.0, np.inf) > _MOST:
            expected = f"samples with at most {_MOST:.0e} different ranks, about T^(1/beta)"
            raise InvalidSetting("T", number, f"{expected}, to simulate; theory takes any")

    def generated(rng: np.random.Generator, number: int) -> np.ndarray:
        if pool is None:
            return draw_counts(rng, number, exponent, 1.0, cut).ranks
        pooled = draw_counts(rng, pool, exponent, 1.0, cut)
        for _ in range(setting.generations - 1):
            pooled = draw_again(rng, pool, pooled)
        return draw_again(rng, number, pooled).ranks

    def replicate(rng: np.random.Generator) -> dict[str, float]:
        bought = rng.binomial(samples, bought_share)
        real = rng.binomial(samples - bought, real_share)
        parts = [
            generated(rng, samples - bought - real),
            draw_counts(rng, real + beside, beta).ranks,
            draw_counts(rng, bought, beta, 1.0 if bought_from is None else bought_from).ranks,
        ]
        seen = np.unique(np.concatenate(parts))
        known = seen**-beta / special.zeta(beta)
        tail = _mass(beta, cut + 1.0, np.inf) / special.zeta(beta) if np.isfinite(cut) else 0.0
        return {"risk": 1.0 - known.sum(), "tail_risk": tail - known[seen > cut].sum()}

    mean, error, values = run_replicates(replicate, key, replicates, progress=progress)
    sizes = {"T": samples} | ({} if pool is None else {"generator_samples": pool})
    return Estimate(mean, error, len(values["risk"]), sizes, values)


def _mass(exponent: float, first: float, last: float) -> float:
    r"""$\sum_{i=a}^b i^{-\alpha}$ by Hurwitz's zeta function."""
    whole_tail = special.zeta(exponent, first)
    return float(whole_tail if np.isinf(last) else whole_tail - special.zeta(exponent, last + 1.0))


def _head(samples: int, exponent: float, first: float, last: float) -> int:
    """Ranks to draw by counts: as many as samples are expected beyond them."""
    balance = (samples / (exponent - 1.0) / _mass(exponent, first, np.inf)) ** (1.0 / exponent)
    return int(min(max(balance - first + 1.0, _LEAST), last - first + 1.0))


def _draw_tail(
    rng: np.random.Generator, samples: int, exponent: float, first: float, last: float
) -> np.ndarray:
    """Single samples beyond the head: a continuous power law, rounded, and kept with the probability that
    makes the ranks exact.
    """
    lower, upper = first - 0.5, last + 0.5
    found = [np.empty(0)]
    missing = samples
    while missing > 0:
        # Inverse of the distribution function, in a form that keeps the digits of a far tail.
        below = rng.random(missing + missing // 100 + 8)
        rest = 0.0 if np.isinf(upper) else (upper / lower) ** (1.0 - exponent)
        ranks = np.round(lower * (1.0 - below * (1.0 - rest)) ** (-1.0 / (exponent - 1.0)))
        # i^-a over the integral of x^-a from i - 1/2 to i + 1/2, which is never smaller.
        half = 0.5 / ranks
        step = np.exp((1.0 - exponent) * np.log1p(-half)) - np.exp((1.0 - exponent) * np.log1p(half))
        near = ranks < 1e5
        kept = np.where(
            near, (exponent - 1.0) * 2.0 * half / np.where(near, step, 1.0),
            1.0 - exponent * (exponent + 1.0) / 6.0 * half**2,
        )  # fmt: skip
        found.append(ranks[rng.random(len(ranks)) < kept][:missing])
        missing -= len(found[-1])
    return np.concatenate(found)
