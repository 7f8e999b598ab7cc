"""Samples of infinitely many ranks, and the simulation of the learner against its theory."""

import equinox as eqx
import numpy as np
import pytest
from scipy import special

import freeridge as fr
from freeridge.theory.tails.hutter_sampling import draw_again, draw_counts
from freeridge.theory.tails.hutter_suite import run_tail_suite, settings


@pytest.mark.parametrize(
    ("exponent", "first", "last"),
    [(1.5, 1.0, np.inf), (3.0, 1.0, np.inf), (1.2, 50.0, np.inf), (1.5, 7.0, 3000.0)],
)
def test_ranks_follow_their_law(exponent: float, first: float, last: float) -> None:
    """Chi-square over ranks and ranges of ranks, on both sides of where the counted head ends."""
    samples = 200_000
    counts = draw_counts(np.random.default_rng(1), samples, exponent, first, last)
    assert counts.counts.sum() == samples and np.all(np.diff(counts.ranks) > 0)
    assert counts.ranks[0] >= first and counts.ranks[-1] <= last
    edges = np.unique(np.append(np.floor(first * np.geomspace(1.0, 300.0, 25)), first + np.arange(4)))
    tails = special.zeta(exponent, np.append(edges, np.inf if np.isinf(last) else last + 1))
    if np.isinf(last):
        tails[-1] = 0.0
    expected = samples * -np.diff(tails) / (tails[0] - tails[-1])
    place = np.searchsorted(edges, counts.ranks, side="right") - 1
    found = np.bincount(place, counts.counts, len(edges))
    kept = expected > 20
    z = (found - expected)[kept] / np.sqrt(expected[kept])
    assert np.sum(z**2) < kept.sum() + 5 * np.sqrt(2 * kept.sum())


def test_a_generation_keeps_the_number_and_loses_ranks() -> None:
    rng = np.random.default_rng(2)
    first = draw_counts(rng, 10_000, 1.5)
    second = draw_again(rng, 10_000, first)
    assert second.counts.sum() == 10_000 and set(second.ranks) < set(first.ranks)


def test_simulation_is_seeded() -> None:
    setting = fr.ZipfTail(1.5, 1000, k=50, real_share=0.1)
    one, same, other = (setting.simulate(key, 3).values["risk"] for key in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert np.all(one != other)


def test_the_suite_spans_the_theory() -> None:
    every = settings().values()
    assert len(every) >= 30 and len({str(eqx.tree_pformat(one, short_arrays=False)) for one in every}) == len(
        every
    )
    assert {float(one.beta) for one in every} >= {1.1, 1.2, 1.5, 2.0, 3.0, 5.0}
    for field in ("k", "exponent", "temperature", "top_p", "bought_from", "generator_samples"):
        assert sum(getattr(one, field) is not None for one in every) >= 2, field


def test_theory_and_simulation_of_a_handful() -> None:
    """z scores of a cut and of a chain of generations; the slow test has all."""
    chosen = ("cut 100", "3 generations")
    for place, name in enumerate(chosen):
        agreement = fr.validate(settings()[name], 40, key=[3, place])
        assert agreement.ok and agreement.worst < 4, f"{name}\n{agreement}"


@pytest.mark.slow
def test_theory_and_simulation_in_every_setting() -> None:
    census = run_tail_suite(5)
    print(census)
    assert census.agrees and census.summary("risk").largest < 4


def test_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(fr.InvalidSetting, match="whole number"):
        fr.ZipfTail(1.5, 10.5).simulate(0, 2)
    with pytest.raises(fr.InvalidSetting, match="different ranks"):
        fr.ZipfTail(1.2, 1e15).simulate(0, 2)
    with pytest.raises(fr.InvalidSetting, match="replicates"):
        fr.ZipfTail(1.5, 10).simulate(0, 1)
    with pytest.raises(fr.InvalidSetting, match="size"):
        run_tail_suite(0, "huge")
