"""Pairs of context and next token: drawn from Zipf's law without a largest rank, learned, and drawn again.

Pairs are held as counts. Contexts are drawn as counts; a context that is seen often has its tokens drawn as
counts too, all others share one draw. That is exact and takes of the order of $T^{1/\\beta} \\log T$ numbers.
"""

from typing import NamedTuple

import numpy as np
from scipy import special

from freeridge.theory.tails.hutter_sampling import draw_counts

_OFTEN = 256  # pairs of a context from which on it has a draw of its own


class Bigrams(NamedTuple):
    """Different pairs, sorted by context and token, and how often each occurs.

    A token is named by its rank in its context: the permutations of the contexts do not change any distance.

    Attributes
    ----------
    contexts, tokens : array of float
    counts : array of float
        Positive; weights of a law need not be whole.
    """

    contexts: np.ndarray
    tokens: np.ndarray
    counts: np.ndarray

    def starts(self) -> np.ndarray:
        """Where each context begins."""
        return np.flatnonzero(np.diff(self.contexts, prepend=np.nan) != 0)

    def frequencies(self) -> np.ndarray:
        """q(j | i) of every pair."""
        starts = self.starts()
        sizes = np.diff(starts, append=len(self.contexts))
        return np.asarray(self.counts / np.repeat(np.add.reduceat(self.counts, starts), sizes))

    def risk(self, beta: float) -> float:
        """Distance to the truth; a context or a token that does not occur has frequency 0.

        Examples
        --------
        >>> one = Bigrams(np.ones(1), np.ones(1), np.ones(1))  # p = 6 / pi^2; 2 (1 - p) there, 1 elsewhere
        >>> round(one.risk(2.0), 9), round(1 + (1 - 2 * 6 / np.pi**2) * 6 / np.pi**2, 9)
        (0.86877638, 0.86877638)
        """
        if not len(self.contexts):
            return 1.0
        context, token = (ranks**-beta / special.zeta(beta) for ranks in (self.contexts, self.tokens))
        # Unseen tokens weigh what the seen ones leave of their sum, and unseen contexts likewise.
        return float(1.0 + context @ (np.abs(self.frequencies() - token) - token))

    def as_generator(self, rng: np.random.Generator, top_p: float, temperature: float) -> "Bigrams":
        r"""The law that a model generates by: its contexts as they are, its tokens sharpened.

        Parameters
        ----------
        rng : numpy.random.Generator
            Breaks ties at the border of the nucleus: by rank the truth would leak in.
        top_p : float
            Kept are the likeliest tokens of a context until their frequencies reach it.
        temperature : float
            Frequencies are taken to the power $1 / \tau$ before.
        """
        if not len(self.contexts) or (top_p == 1.0 and temperature == 1.0):
            return self
        starts, frequencies = self.starts(), self.frequencies()
        sizes = np.diff(starts, append=len(self.contexts))
        totals = np.add.reduceat(self.counts, starts)
        order = np.lexsort((rng.random(len(self.contexts)), -frequencies, self.contexts))
        largest = np.repeat(frequencies[order][starts], sizes)
        weights = (frequencies[order] / largest) ** (1.0 / temperature)
        weights = weights / np.repeat(np.add.reduceat(weights, starts), sizes)
        before = np.cumsum(weights) - weights
        before = before - np.repeat(before[starts], sizes)
        # Sums of frequencies are rounded: a nucleus that is full but for rounding takes no further token.
        weights = np.where(before < top_p - 1e-9, weights, 0.0)
        weights = weights * np.repeat(totals / np.add.reduceat(weights, starts), sizes)
        kept = weights > 0
        return merged([Bigrams(self.contexts[order][kept], self.tokens[order][kept], weights[kept])])

    def draw(self, rng: np.random.Generator, pairs: int) -> "Bigrams":
        """Pairs drawn from the counts as a law; none from a law that is empty."""
        if not len(self.counts):
            return self
        drawn = rng.multinomial(pairs, self.counts / self.counts.sum())
        seen = drawn > 0
        return Bigrams(self.contexts[seen], self.tokens[seen], drawn[seen].astype(np.float64))


def draw_bigrams(rng: np.random.Generator, pairs: int, beta: float, cut: float = np.inf) -> Bigrams:
    """Real pairs.

    Parameters
    ----------
    rng : numpy.random.Generator
    pairs : int
    beta : float
    cut : float
        Largest rank of a token.

    Examples
    --------
    >>> found = draw_bigrams(np.random.default_rng(0), 10**8, 2.0)
    >>> int(found.counts.sum()), len(found.counts) < 300_000
    (100000000, True)
    """
    contexts, sizes = draw_counts(rng, pairs, beta)
    often = sizes >= _OFTEN
    parts = []
    for context, size in zip(contexts[often], sizes[often], strict=True):
        tokens, counts = draw_counts(rng, int(size), beta, 1.0, cut)
        parts.append(Bigrams(np.full(len(tokens), context), tokens, counts.astype(np.float64)))
    rare = np.repeat(contexts[~often], sizes[~often])
    tokens, counts = draw_counts(rng, len(rare), beta, 1.0, cut)
    # Independent tokens in order of rank: shuffled, they are independent of the contexts.
    parts.append(Bigrams(rare, rng.permutation(np.repeat(tokens, counts)), np.ones(len(rare))))
    return merged(parts)


def merged(parts: list[Bigrams]) -> Bigrams:
    """All pairs of several sets, the counts of equal ones added."""
    contexts, tokens, counts = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.lexsort((tokens, contexts))
    contexts, tokens, counts = contexts[order], tokens[order], counts[order]
    new = np.ones(len(order), bool)
    new[1:] = (contexts[1:] != contexts[:-1]) | (tokens[1:] != tokens[:-1])
    starts = np.flatnonzero(new)
    total = np.add.reduceat(counts, starts) if len(starts) else counts
    return Bigrams(contexts[starts], tokens[starts], total)
