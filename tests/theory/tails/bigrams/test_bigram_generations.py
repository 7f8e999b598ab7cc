"""Generations of Hutter++: draws against enumeration and exact risks, sharpening by hand, bad input."""

from typing import Any

import numpy as np
import pytest
from scipy import special, stats

from freeridge.solvers.errors import InvalidSetting
from freeridge.theory.tails.bigrams.bigram_tail import BigramTail
from freeridge.theory.tails.bigrams.generations import BigramGenerations
from freeridge.theory.tails.bigrams.sampling import Bigrams, draw_bigrams, merged


def counts_of(*rows: tuple[float, float, float]) -> Bigrams:
    return Bigrams(*np.array(rows, np.float64).T)


def test_contexts_and_tokens_are_independent_zipf_draws() -> None:
    """Both ways of drawing tokens: of contexts with a draw of their own, and of those that share one."""
    found = draw_bigrams(np.random.default_rng(5), 20_000, 1.5)
    p = np.arange(1.0, 4.0) ** -1.5 / special.zeta(1.5)
    for context in (1.0, 2.0, 60.0):
        here = found.contexts == context
        total = found.counts[here].sum()
        seen = [found.counts[here & (found.tokens == token)].sum() for token in (1.0, 2.0, 3.0)]
        assert (total >= 256) == (context < 3)
        assert stats.chisquare([*seen, total - sum(seen)], total * np.append(p, 1 - p.sum())).pvalue > 1e-3
    assert found.counts.sum() == 20_000
    assert np.all(np.diff(found.contexts) >= 0) and len(found.starts()) == len(np.unique(found.contexts))


def test_risk_by_the_definition() -> None:
    found = draw_bigrams(np.random.default_rng(6), 50, 2.0)
    ranks = np.arange(1.0, 200_001.0)
    p = ranks**-2.0 / special.zeta(2.0)
    total = 1.0
    for context in np.unique(found.contexts):
        here = found.contexts == context
        q = np.zeros(len(ranks))
        q[found.tokens[here].astype(int) - 1] = found.counts[here] / found.counts[here].sum()
        missing = special.zeta(2.0, 200_001.0) / special.zeta(2.0)
        total += p[int(context) - 1] * (np.abs(q - p).sum() + missing - 1.0)
    assert found.risk(2.0) == pytest.approx(total, rel=1e-12)
    assert draw_bigrams(np.random.default_rng(0), 0, 2.0).risk(2.0) == 1.0


def test_a_cut_leaves_no_token_beyond() -> None:
    assert draw_bigrams(np.random.default_rng(7), 10_000, 1.2, 3.0).tokens.max() == 3.0


def test_sharpening_by_hand() -> None:
    rng = np.random.default_rng(0)
    model = counts_of((1, 1, 5), (1, 2, 3), (1, 9, 2), (4, 2, 6))
    nucleus = model.as_generator(rng, top_p=0.8, temperature=1.0)
    assert nucleus.tokens.tolist() == [1.0, 2.0, 2.0]
    assert np.allclose(nucleus.counts, [6.25, 3.75, 6.0])  # contexts keep their weight
    cold = model.as_generator(rng, top_p=1.0, temperature=0.5)
    assert np.allclose(cold.counts, [*(10.0 * np.array([25, 9, 4]) / 38), 6.0])
    both = model.as_generator(rng, top_p=0.6, temperature=0.5)  # 25/38 alone are more than 0.6
    assert np.allclose(both.counts, [10.0, 6.0])
    assert model.as_generator(rng, 1.0, 1.0) is model
    ties = {tuple(counts_of((1, 1, 1), (1, 2, 1)).as_generator(rng, 0.5, 1.0).tokens) for _ in range(40)}
    assert ties == {(1.0,), (2.0,)}


def test_merging_adds_equal_pairs() -> None:
    found = merged([counts_of((1, 2, 3), (2, 1, 1)), counts_of((2, 1, 4), (1, 1, 1))])
    assert found.contexts.tolist() == [1.0, 1.0, 2.0] and found.tokens.tolist() == [1.0, 2.0, 1.0]
    assert found.counts.tolist() == [1.0, 3.0, 5.0]


def test_generation_zero_has_the_exact_risk() -> None:
    sizes = [0, 10, 1000]
    for change in ({}, {"generator_samples": 50}):
        found = BigramGenerations(1.5, sizes, 1, **change).simulate((1, len(change)), 80)
        exact = np.array([float(BigramTail(1.5, size).predict().risk) for size in sizes])
        error = found.standard_error["risk"][0]
        assert found.risk[0, 0] == exact[0] == 1.0 and error[0] == 0.0
        z = (found.risk[0, 1:] - exact[1:]) / error[1:]
        print("z", z.round(2))
        assert np.all(np.abs(z) < 3.0)
        assert found.risk[1, 2] > found.risk[0, 2]  # at T = 10 the two are nearly the same


def test_one_pair_is_copied_for_ever() -> None:
    """Trained on one pair a model repeats it: every generation is that of one pair."""
    found = BigramGenerations(1.5, [1, 5], 3, generator_samples=1).simulate(2, 150)
    values = found.values["risk"]
    assert np.array_equal(values[:, 1:, 0], values[:, 1:, 1])
    exact = float(BigramTail(1.5, 1).predict().risk)
    assert abs(found.risk[1, 0] - exact) < 3.0 * found.standard_error["risk"][1, 0]


def test_real_data_alone_make_no_generations() -> None:
    found = BigramGenerations(1.5, 300, 3, real_share=1.0).simulate(3, 100)
    z = (found.risk - float(BigramTail(1.5, 300).predict().risk)) / found.standard_error["risk"]
    assert np.all(np.abs(z) < 3.5)


def test_a_small_generator_leaves_its_own_distance() -> None:
    """Students with far more pairs than their generator end where it is."""
    found = BigramGenerations(1.5, 10**6, 1, generator_samples=1000).simulate(4, 12)
    exact = float(BigramTail(1.5, 1000).predict().risk)
    assert abs(found.risk[1] - exact) < 3.0 * found.standard_error["risk"][1] + 0.01 * exact


def test_the_strongest_teacher_is_better_than_an_equal_one() -> None:
    weak = BigramGenerations(1.5, 10_000, 3, generator_samples=1000).simulate(5, 20)
    strong = BigramGenerations(1.5, 10_000, 3, generator_samples=1000, strongest=100_000).simulate(5, 20)
    assert np.all(strong.risk[2:] < weak.risk[2:])
    assert abs(strong.risk[1] - weak.risk[1]) < 4.0 * weak.standard_error["risk"][1]


BAD: list[dict[str, Any]] = [
    {"beta": 1.0}, {"T": 1.5}, {"T": [10, -1]}, {"T": [[1]]}, {"generations": -1}, {"generations": True},
    {"generator_samples": 0}, {"strongest": 100}, {"top_p": 0.0}, {"top_p": 1.1}, {"temperature": 0.0},
    {"temperature": -1.0}, {"real_share": 1.5},
]  # fmt: skip


@pytest.mark.parametrize("change", BAD, ids=str)
def test_bad_input_is_refused_with_its_name(change: dict[str, Any]) -> None:
    with pytest.raises(InvalidSetting) as refused:
        BigramGenerations(**{"beta": 1.5, "T": 100, "generations": 1, **change})
    assert refused.value.field == next(iter(change))
