"""Chains of tokens over a finite vocabulary: transition laws, and counts drawn without their sequences.

Sequences enter training through their transition counts alone. Given how many sequences stand at each token,
their next tokens are multinomial, row by row: so T sequences cost the same for any T.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

Matrix = Float[np.ndarray, "V V"]
Vector = Float[np.ndarray, " V"]


class Chain(NamedTuple):
    """A law of sequences; rows are sorted, so that drawing few tokens ends early.

    Attributes
    ----------
    first : array, shape (V,)
        Law of the first token.
    rows : array, shape (V, V)
        Transition probabilities of each token in falling order; a row of zeros ends the sequence.
    tokens : array, shape (V, V)
        Where each of them leads.
    """

    first: np.ndarray
    rows: np.ndarray
    tokens: np.ndarray

    def matrix(self) -> Matrix:
        """p(j | i), token by token."""
        found = np.zeros_like(self.rows)
        np.put_along_axis(found, self.tokens, self.rows, axis=1)
        return found

    def occupancy(self, length: int) -> Vector:
        """How often each token is a context, as a share of the transitions of an infinite test set."""
        matrix, state = self.matrix(), self.first
        total = state.copy()
        for _ in range(length - 2):
            state = state @ matrix
            total = total + state
        return np.asarray(total / total.sum())

    def draw(self, rng: np.random.Generator, sequences: int, length: int) -> "Counts":
        """First tokens and transitions of many sequences."""
        first = rng.multinomial(sequences, self.first)
        seen, state = np.zeros(self.rows.shape, np.int64), first
        goes_on = self.rows[:, 0] > 0
        for _ in range(length - 1):
            here = np.flatnonzero((state > 0) & goes_on)
            drawn = rng.multinomial(state[here], self.rows[here])
            seen[here] += drawn
            state = np.bincount(self.tokens[here].ravel(), drawn.ravel(), len(first)).astype(np.int64)
        transitions = np.zeros(self.rows.shape)
        np.put_along_axis(transitions, self.tokens, seen.astype(np.float64), axis=1)
        return Counts(first.astype(np.float64), transitions)


class Counts(NamedTuple):
    """What a model knows: how often each token came first, and each transition at all."""

    first: np.ndarray
    transitions: np.ndarray

    def frequencies(self) -> Matrix:
        """q(j | i), rows of zeros where a token was never a context."""
        total = self.transitions.sum(axis=1, keepdims=True)
        return np.asarray(self.transitions / np.where(total > 0, total, 1.0))

    def generator(self, rng: np.random.Generator, top_p: float, temperature: float) -> Chain:
        """The law that the model writes by: its first tokens, its frequencies sharpened, ties at random."""
        frequencies = self.frequencies()
        tokens = np.lexsort((rng.random(frequencies.shape), -frequencies), axis=1)
        rows = np.take_along_axis(frequencies, tokens, axis=1)
        largest = np.where(rows[:, :1] > 0, rows[:, :1], 1.0)
        rows = _normalised((rows / largest) ** (1.0 / temperature))
        before = np.cumsum(rows, axis=1) - rows
        # Sums of frequencies are rounded: a nucleus that is full but for rounding takes no further token.
        rows = _normalised(np.where(before < top_p - 1e-9, rows, 0.0))
        return Chain(self.first / max(self.first.sum(), 1.0), rows, tokens)

    def distance(self, truth: Matrix, occupancy: Vector) -> float:
        """L1 distance of the frequencies, averaged over the contexts of test sequences."""
        return float(occupancy @ np.abs(self.frequencies() - truth).sum(axis=1))

    def perplexity(self, truth: Matrix, occupancy: Vector) -> float:
        """exp of the cross-entropy per transition of an infinite test set, smoothed by one pseudo-count per
        context that is spread over all tokens.
        """
        smooth = (self.transitions + 1.0 / len(truth)) / (self.transitions.sum(axis=1, keepdims=True) + 1.0)
        return float(np.exp(-(occupancy @ (truth * np.log(smooth)).sum(axis=1))))


def zipf_chain(rng: np.random.Generator, beta: float, vocabulary: int) -> Chain:
    """The truth: Zipf's law of the first token, and of the next one in a random order for each token.

    Examples
    --------
    >>> chain = zipf_chain(np.random.default_rng(0), 1.5, 50)
    >>> counts = chain.draw(np.random.default_rng(1), 10**6, length=100)
    >>> int(counts.first.sum()), int(counts.transitions.sum())
    (1000000, 99000000)
    """
    law = np.arange(1.0, vocabulary + 1.0) ** -beta
    law = law / law.sum()
    tokens = np.argsort(rng.random((vocabulary, vocabulary)), axis=1)
    return Chain(law, np.tile(law, (vocabulary, 1)), tokens)


def _normalised(rows: Matrix) -> Matrix:
    total = rows.sum(axis=1, keepdims=True)
    return np.asarray(rows / np.where(total > 0, total, 1.0))
