r"""The exact test error of Hutter++, summed over infinitely many contexts of a Zipf law.

$E = \sum_i p_i\, E D(n_i)$, $n_i \sim \mathrm{Bin}(T, p_i)$, with the distance $D(n)$ of one context from
:mod:`freeridge.theory.tails.bigrams.deviation`. There are three kinds of contexts:

- seen at most a few thousand times: the law of $n_i$ against a table of $D$;
- seen more often: $D$ is not tabled. The law of $n_i$ is summed in strides, for each rank $j$ as wide as its
  deviation, which oscillates in $n$ with the period $1 / p_j$, allows;
- all from a rank on at which neighbours are hardly told apart by their counts: an integral, with the few
  terms that lead from it to the sum.
"""

import numpy as np
from jaxtyping import Float

from freeridge.theory.tails.bigrams.deviation import (
    NextToken,
    Numbers,
    binomial_pmf,
    distances,
    first_rare,
    tail_sum,
)

TABLE = 4096  # counts of one context up to which its distance is tabled
_WIDTH = 8.5  # standard deviations of a count that are kept on either side: what is beyond is below 1e-16
_SMOOTH = 16.0  # contexts over which a count must stay the same, in standard deviations, to be integrated
_NODES = 256  # of that integral
_PERIOD = 64.0  # counts summed per oscillation of a deviation
_STEPS = 16.0  # counts summed per standard deviation
_LARGEST = 1_000_000  # entries of one array


def bigram_risk(beta: float, samples: float, cut: float = np.inf) -> tuple[float, float]:
    """Expected test error and a bound on its numerical error.

    Parameters
    ----------
    beta : float
        Exponent of the contexts and of the next tokens, above 1.
    samples : float
        T, a whole number.
    cut : float
        Ranks of the next token in the training data; infinity for all.

    Examples
    --------
    >>> bigram_risk(2.0, 0.0)
    (1.0, 0.0)
    >>> risk, error = bigram_risk(2.0, 1.0)  # p_i of D(1) = 1.2, else 1, with sum p_i^2 = 0.4
    >>> round(risk, 14), error < 1e-11
    (1.08, True)
    """
    if samples == 0.0:
        return 1.0, 0.0
    law = NextToken(beta, cut)
    table = distances(law, int(min(samples, TABLE)))
    joint = _first_joint(law, samples)
    contexts = np.arange(1.0, joint)
    probabilities = law.probability(contexts)
    tabled = _upper(samples * probabilities) <= TABLE if samples > TABLE else np.ones(len(contexts), bool)
    found = float(probabilities[tabled] @ _against_table(probabilities[tabled], samples, table))
    found += float(tail_sum(lambda p: _against_table(p, samples, table), beta, joint, _NODES))
    error = 1e-12 * found
    for context, p in zip(contexts[~tabled], probabilities[~tabled], strict=True):
        rest = law.mass_from(2.0) if context == 1.0 else 1.0 - p
        distance, doubt = _in_strides(law, samples, float(p), float(rest))
        found, error = found + float(p) * distance, error + float(p) * doubt
    return found, error


def _upper(mean: Numbers) -> Numbers:
    """A count that is not exceeded."""
    return np.asarray(np.ceil(mean + _WIDTH * np.sqrt(mean) + 40.0))


def _first_joint(law: NextToken, samples: float) -> float:
    """The context from which on all are summed by an integral."""
    first, last = 256.0, 256.0 + law.rank_of(1.0 / samples)

    def rough(context: float) -> bool:
        mean = samples * float(law.probability(np.asarray(context)))
        often = float(_upper(np.asarray(mean))) > TABLE and samples > TABLE
        return bool(often or context < _SMOOTH * law.beta * mean**0.5)

    if not rough(first):
        return first
    while last - first > 1.0:  # rough up to a context and not after it
        middle = np.floor(0.5 * (first + last))
        first, last = (middle, last) if rough(middle) else (first, middle)
    return float(np.ceil(last))


def _against_table(
    probabilities: Float[np.ndarray, " i"], samples: float, table: Float[np.ndarray, " n"]
) -> Float[np.ndarray, " i"]:
    """E D(n) of contexts by the law of their counts, windows of similar width at a time."""
    mean = samples * probabilities
    low = np.floor(np.maximum(mean - _WIDTH * np.sqrt(mean), 0.0))
    width = np.minimum(_upper(mean), len(table) - 1.0) - low + 1.0
    order, found, start = np.argsort(width), np.empty(len(mean)), 0
    while start < len(order):
        longest = 1.5 * width[order[start]] + 32.0
        stop = int(np.searchsorted(width[order], longest, side="right"))
        stop = min(stop, start + 1 + int(_LARGEST / longest))
        some = order[start:stop]
        counts = low[some, None] + np.arange(width[some].max())
        known = counts < len(table)
        counts, p = np.where(known, counts, 0.0), probabilities[some, None]
        weights = np.where(known, binomial_pmf(counts, np.asarray(samples), p, 1.0 - p), 0.0)
        found[some] = np.sum(weights * table[counts.astype(np.intp)], axis=1)
        start = stop
    return found


def _in_strides(law: NextToken, samples: float, p: float, rest: float) -> tuple[float, float]:
    """E D(n) of one context that is seen often, and what halving the number of summed counts changes."""
    sigma = (samples * p * rest) ** 0.5
    low = max(np.floor(samples * p - _WIDTH * sigma), 1.0)
    high = min(np.ceil(samples * p + _WIDTH * sigma), samples)
    head = first_rare(law, high)
    rare = law.rare(head, lambda q: np.exp(samples * np.log1p(-p * q)))
    found, error = float(rare), 0.0
    ranks = np.arange(1.0, min(head, law.cut + 1.0))
    widest = max(np.floor(sigma / _STEPS), 1.0)
    strides = np.clip(np.floor(1.0 / (_PERIOD * law.probability(ranks))), 1.0, widest)
    strides = 2.0 ** np.floor(np.log2(strides))
    for stride in np.unique(strides):
        counts = np.arange(low, high + 1.0, stride)
        weights = binomial_pmf(counts, np.asarray(samples), np.asarray(p), np.asarray(rest))
        some, each = ranks[strides == stride], int(_LARGEST / len(counts)) + 1
        distance = sum(
            law.deviation(some[at : at + each, None], counts).sum(axis=0) for at in range(0, len(some), each)
        )
        mean = float(weights @ distance) / float(weights.sum())
        found += mean
        if stride > 1.0:
            error += abs(mean - float(weights[::2] @ distance[::2]) / float(weights[::2].sum()))
    return found, error
