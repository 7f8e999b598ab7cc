"""Generations of models of sequences: against enumeration of all sequences, limits, bad input."""

from itertools import product
from typing import Any

import numpy as np
import pytest
from scipy import stats

from freeridge.solvers.errors import InvalidSetting
from freeridge.theory.tails.bigrams.sequence_chain import Chain, Counts, zipf_chain
from freeridge.theory.tails.bigrams.sequences import BigramSequences


def chain_of(first: list[float], matrix: list[list[float]]) -> Chain:
    rows = np.array(matrix)
    tokens = np.argsort(-rows, axis=1)
    return Chain(np.array(first), np.take_along_axis(rows, tokens, axis=1), tokens)


THREE = chain_of([0.5, 0.3, 0.2], [[0.1, 0.6, 0.3], [0.5, 0.2, 0.3], [0.2, 0.2, 0.6]])


def probability(chain: Chain, sequence: tuple[int, ...]) -> float:
    matrix = chain.matrix()
    steps = [matrix[i, j] for i, j in zip(sequence, sequence[1:], strict=False)]
    return float(chain.first[sequence[0]] * np.prod(steps))


def test_counts_have_the_law_of_sequences() -> None:
    """Mean and covariance of the transition counts, over all 81 sequences of four tokens."""
    rng = np.random.default_rng(1)
    drawn = np.array([THREE.draw(rng, 5, 4).transitions.ravel() for _ in range(6_000)])
    counts, chances = [], []
    for sequence in product(range(3), repeat=4):
        one = np.zeros((3, 3))
        for i, j in zip(sequence, sequence[1:], strict=False):
            one[i, j] += 1.0
        counts.append(one.ravel())
        chances.append(probability(THREE, sequence))
    table, p = np.array(counts), np.array(chances)
    mean = p @ table
    covariance = (table - mean).T @ ((table - mean) * p[:, None])
    away = drawn - 5 * mean
    products = away[:, :, None] * away[:, None, :]
    for found, exact in ((away, np.zeros(9)), (products, 5 * covariance)):
        error = found.std(axis=0) / len(drawn) ** 0.5
        assert np.all(np.abs(found.mean(axis=0) - exact) < 4.0 * error)


def test_occupancy_is_that_of_contexts() -> None:
    expected = np.zeros(3)
    for sequence in product(range(3), repeat=4):
        for token in sequence[:-1]:
            expected[token] += probability(THREE, sequence) / 3.0
    assert np.allclose(THREE.occupancy(4), expected, atol=1e-15)


def test_perplexity_and_distance_by_hand() -> None:
    counts = Counts(np.array([2.0, 0.0]), np.array([[1.0, 2.0], [0.0, 0.0]]))
    truth, occupancy = np.array([[0.25, 0.75], [0.4, 0.6]]), np.array([0.9, 0.1])
    # (1 + 1/2) / 4 and (2 + 1/2) / 4; a context never seen is uniform and, unsmoothed, at distance 1.
    logarithm = 0.9 * (0.25 * np.log(0.375) + 0.75 * np.log(0.625)) + 0.1 * np.log(0.5)
    assert counts.perplexity(truth, occupancy) == pytest.approx(np.exp(-logarithm), rel=1e-14)
    assert counts.distance(truth, occupancy) == pytest.approx(0.9 * 2.0 * (1 / 3 - 0.25) + 0.1, rel=1e-14)


def test_writers_by_hand() -> None:
    rng = np.random.default_rng(0)
    counts = Counts(np.array([3.0, 1.0, 0.0]), np.array([[5.0, 3.0, 2.0], [0.0, 0.0, 4.0], [0.0, 0.0, 0.0]]))
    assert np.allclose(counts.generator(rng, 0.8, 1.0).matrix()[0], [0.625, 0.375, 0.0])
    assert np.allclose(counts.generator(rng, 1.0, 0.5).matrix()[0], np.array([25, 9, 4]) / 38)
    writer = counts.generator(rng, 1.0, 1.0)
    assert np.allclose(writer.first, [0.75, 0.25, 0.0]) and not writer.matrix()[2].any()
    written = writer.draw(rng, 1000, 100)  # nobody writes past the third token
    assert written.transitions[2].sum() == 0 and written.transitions[:, 2].sum() == 1000


def test_the_truth_is_zipf_in_a_random_order() -> None:
    chain = zipf_chain(np.random.default_rng(3), 1.5, 40)
    law = np.arange(1.0, 41.0) ** -1.5
    assert np.allclose(np.sort(chain.matrix(), axis=1)[:, ::-1], law / law.sum(), atol=1e-15)
    assert not np.array_equal(chain.tokens[0], chain.tokens[1])


def test_limits() -> None:
    setting = BigramSequences(1.5, [0, 30, 10**7], 2, vocabulary=20, length=50)
    found = setting.simulate(0, 3)
    assert np.allclose(found.perplexity[:, 0], 20.0) and np.all(found.risk[:, 0] == 1.0)
    assert np.allclose(found.perplexity[:, 2], found.best, rtol=1e-3) and np.all(found.risk[:, 2] < 0.01)
    assert np.all(np.diff(found.perplexity[:, 1]) > 0)


def test_two_tokens_are_pairs_over_a_finite_vocabulary() -> None:
    """Sequences of two tokens: the risk of generation 0 is a sum of binomial expectations."""
    setting = BigramSequences(1.5, 12, 0, vocabulary=6, length=2)
    found = setting.simulate(4, 300)
    p = np.arange(1.0, 7.0) ** -1.5
    p /= p.sum()
    distance = [1.0]
    for n in range(1, 13):
        x = np.arange(n + 1.0)[:, None]
        distance.append(float(np.sum(stats.binom.pmf(x, n, p) * np.abs(x / n - p))))
    exact = sum(p[i] * stats.binom.pmf(np.arange(13), 12, p[i]) @ distance for i in range(6))
    assert abs(found.risk[0] - exact) < 3.0 * found.standard_error["risk"][0]


def test_sharpened_writers_lose_the_tail() -> None:
    sizes = [100, 10_000]
    plain = BigramSequences(1.5, sizes, 2, vocabulary=60).simulate(5, 3)
    for change in ({"top_p": 0.9}, {"temperature": 0.9}):
        sharp = BigramSequences(1.5, sizes, 2, vocabulary=60, **change).simulate(5, 3)  # type: ignore[arg-type]
        assert np.all(sharp.risk[1:, 1] > 2.0 * plain.risk[1:, 1])
    pool = BigramSequences(1.5, sizes, 2, vocabulary=60, generator_samples=100, strongest=10_000)
    assert np.all(np.diff(pool.simulate(5, 3).risk[:, 1]) > 0)


BAD: list[dict[str, Any]] = [
    {"beta": 0.0}, {"T": 2.5}, {"T": -1}, {"generations": -1}, {"vocabulary": 1}, {"vocabulary": True},
    {"length": 1}, {"generator_samples": 0}, {"strongest": 10}, {"top_p": 0.0}, {"temperature": 0.0},
]  # fmt: skip


@pytest.mark.parametrize("change", BAD, ids=str)
def test_bad_input_is_refused_with_its_name(change: dict[str, Any]) -> None:
    with pytest.raises(InvalidSetting) as refused:
        BigramSequences(**{"beta": 1.5, "T": 100, "generations": 1, **change})
    assert refused.value.field == next(iter(change))
