"""The exact error of Hutter++: against enumeration, all counts, limits, sweeps and simulation."""

from itertools import product
from typing import Any

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

import freeridge.theory.tails.bigrams.exact_risk as summed
from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.results import Code
from freeridge.solvers.sweeps import sweep
from freeridge.theory.tails.bigrams.bigram_tail import BigramTail
from freeridge.theory.tails.bigrams.deviation import NextToken, binomial_pmf, distances, tail_sum
from freeridge.theory.tails.bigrams.exact_risk import bigram_risk


def enumerated_distance(beta: float, n: int, k: int | None) -> float:
    """D(n) from the definition with 30 digits; beyond rank 60 each token is rare, in zeta functions."""
    with mp.workdps(30):
        scale, last = mp.zeta(beta), 60 if k is None else min(k, 60)
        kept = mp.mpf(1) if k is None else 1 - mp.zeta(beta, k + 1) / scale
        total = mp.mpf(0)
        for j in range(1, last + 1):
            p = mp.mpf(j) ** -beta / scale
            q = p / kept
            total += mp.fsum(
                mp.binomial(n, x) * q**x * (1 - q) ** (n - x) * abs(mp.mpf(x) / n - p) for x in range(n + 1)
            )
        if k is not None:
            return float(total + mp.zeta(beta, k + 1) / scale)
        rare = (
            (-1) ** r * mp.binomial(n, r) * mp.zeta(beta * (r + 1), last + 1) / scale ** (r + 1)
            for r in range(n + 1)
        )
        return float(total + 2 * mp.fsum(rare))


@pytest.mark.parametrize(
    ("beta", "n", "k"),
    [(1.5, 1, None), (1.5, 5, None), (2.5, 7, None), (1.1, 12, None), (1.5, 9, 5), (1.5, 9, 1), (3.0, 6, 2)]
    + [(20.0, 5, None)],
)
def test_the_distance_of_one_context_is_that_of_its_definition(beta: float, n: int, k: int | None) -> None:
    found = distances(NextToken(beta, np.inf if k is None else float(k)), 20)[n]
    assert found == pytest.approx(enumerated_distance(beta, n, k), rel=1e-13)


@pytest.mark.parametrize(("beta", "k"), [(1.3, np.inf), (2.0, np.inf), (1.5, 3000.0), (1.5, 150.0)])
def test_distances_do_not_depend_on_where_the_rare_ranks_begin(
    beta: float, k: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    law, n = NextToken(beta, k), np.array([[3.0], [700.0], [4096.0]])
    found = distances(law, 4096)[[3, 700, 4096]]
    head = 4000.0
    ranks = np.arange(1.0, min(head, k + 1.0))
    direct = law.deviation(ranks, n).sum(axis=1) + law.rare(head, lambda q: np.exp(n * np.log1p(-q)))
    assert np.allclose(found, direct, rtol=1e-13, atol=0.0)


def test_binomial_probabilities_keep_their_digits() -> None:
    for n, p in ((7, 0.3), (1000, 0.01), (10**7, 0.37), (10**9, 1e-8)):
        mean, sigma = n * p, (n * p * (1 - p)) ** 0.5
        for x in {0, 1, n, round(mean), min(round(mean + 7 * sigma), n), max(round(mean - 7 * sigma), 0)}:
            found = binomial_pmf(
                np.asarray(float(x)), np.asarray(float(n)), np.asarray(p), np.asarray(1.0 - p)
            )
            with mp.workdps(30):
                logarithm = mp.loggamma(n + 1) - mp.loggamma(x + 1) - mp.loggamma(n - x + 1)
                exact = mp.exp(logarithm + x * mp.log(mp.mpf(p)) + (n - x) * mp.log1p(-mp.mpf(p)))
            if exact > 1e-250:
                assert float(found) == pytest.approx(float(exact), rel=1e-11), (n, p, x)


def test_tail_sums_against_mpmath() -> None:
    found = tail_sum(lambda p: np.exp(-(20_000.0 * p)), beta=1.5, first=500.0)
    with mp.workdps(25):
        scale = mp.zeta(1.5)
        exact = mp.nsum(
            lambda i: i**-1.5 / scale * mp.exp(-20_000 * i**-1.5 / scale), [500, mp.inf], method="e"
        )
    assert float(found) == pytest.approx(float(exact), rel=1e-12)


@pytest.mark.parametrize(("beta", "T", "k"), [(1.5, 1, None), (1.5, 5, None), (2.5, 20, None), (1.5, 30, 5)])
def test_the_risk_is_the_sum_over_all_contexts(beta: float, T: int, k: int | None) -> None:
    """sum_i p_i^(n+1) (1 - p_i)^(T-n) expanded: a finite sum of zeta functions."""
    table = distances(NextToken(beta, np.inf if k is None else float(k)), T)
    with mp.workdps(40):
        scale, total = mp.zeta(beta), mp.mpf(0)
        for n in range(T + 1):
            weight = mp.fsum(
                (-1) ** r * mp.binomial(T - n, r) * mp.zeta(beta * (n + 1 + r)) / scale ** (n + 1 + r)
                for r in range(T - n + 1)
            )
            total += mp.binomial(T, n) * mp.mpf(float(table[n])) * weight
    risk, error = bigram_risk(beta, float(T), np.inf if k is None else float(k))
    assert risk == pytest.approx(float(total), rel=1e-12) and error < 1e-11


def test_by_hand() -> None:
    assert float(BigramTail(1.5, 0).predict().risk) == 1.0
    assert float(BigramTail(1.5, 0, k=3).predict().risk) == 1.0
    scale = float(mp.zeta(1.5))
    square = float(mp.zeta(3.0)) / scale**2
    # One pair: at its context one token is at 1 - p_j, and the others at their own p.
    expected = 1.0 + square * (1.0 - 2.0 * square)
    assert float(BigramTail(1.5, 1).predict().risk) == pytest.approx(expected, rel=1e-13)
    # Only the first token is left: a context that has been seen is at 2 (1 - p_1), the others at 1.
    cut = BigramTail(1.5, 1, k=1).predict().risk
    assert float(cut) == pytest.approx(1.0 + square * (1.0 - 2.0 / scale), rel=1e-13)


@pytest.mark.parametrize("beta", [1.2, 1.5, 3.0])
def test_strides_change_less_than_the_residual_says(beta: float, monkeypatch: pytest.MonkeyPatch) -> None:
    found, error = bigram_risk(beta, 30_000.0)
    monkeypatch.setattr(summed, "_PERIOD", np.inf)
    monkeypatch.setattr(summed, "_STEPS", np.inf)
    every, none = bigram_risk(beta, 30_000.0)
    assert none == pytest.approx(1e-12 * every)
    assert abs(found - every) <= error < 5e-8 * every


def test_the_table_and_the_strides_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    """At T = 4096 all counts are tabled; with a smaller table the frequent contexts are not."""
    for cut in (np.inf, 40.0):
        whole, _ = bigram_risk(1.5, 4096.0, cut)
        monkeypatch.setattr(summed, "TABLE", 1024)
        part, error = bigram_risk(1.5, 4096.0, cut)
        monkeypatch.undo()
        assert error < 2e-7 * part and abs(part - whole) <= error + 1e-13


def test_a_distant_cut_is_none() -> None:
    none = float(BigramTail(1.5, 20_000).predict().risk)
    for k, near in ((1e6, 1e-2), (1e10, 1e-4), (1e15, 1e-6)):
        assert float(BigramTail(1.5, 20_000, k).predict().risk) == pytest.approx(none, rel=near)
    assert float(BigramTail(1.5, 20_000, jnp.inf).predict().risk) == pytest.approx(none, rel=1e-8)


def test_sweeps_and_transformations() -> None:
    found = sweep(BigramTail(1.5, 1, k=1), {"beta": [1.3, 2.0], "T": [0.0, 10.0, 300.0], "k": [1.0, 7.0]})
    for (i, beta), (j, T), (m, k) in product(
        enumerate([1.3, 2.0]), enumerate([0, 10, 300]), enumerate([1, 7])
    ):
        assert float(found.risk[i, j, m]) == float(BigramTail(beta, T, k).predict().risk)
    lanes = jax.jit(jax.vmap(lambda T: BigramTail(1.5, T).predict()))(jnp.array([5.0, 5.5, -1.0]))
    assert lanes.code.tolist() == [int(Code.OK), int(Code.INVALID), int(Code.INVALID)]
    assert np.isnan(lanes.risk).tolist() == [False, True, True]


BAD: list[dict[str, Any]] = [
    {"beta": 1.0}, {"beta": 0.5}, {"beta": np.nan}, {"T": -1}, {"T": 2.5}, {"T": np.inf},
    {"k": 0}, {"k": 1.5}, {"k": -3},
]  # fmt: skip


@pytest.mark.parametrize("change", BAD, ids=str)
def test_bad_input_is_refused_with_its_name(change: dict[str, Any]) -> None:
    with pytest.raises(InvalidSetting) as refused:
        BigramTail(**{"beta": 1.5, "T": 100, **change})
    assert refused.value.field == next(iter(change))


QUICK = [
    (1.5, 1, None),
    (1.5, 100, None),
    (2.0, 3000, None),
    (3.0, 10_000, None),
    (1.4, 3000, 1),
    (1.4, 5000, 20),
]
GRID = [
    (beta, T, k)
    for beta in (1.2, 1.5, 2.0, 2.5, 4.0)
    for T in (10, 1000, 100_000, 1_000_000)
    for k in (None, 10)
]


def score(beta: float, T: int, k: int | None, replicates: int) -> float:
    setting = BigramTail(beta, T, k)
    exact, found = setting.predict(), setting.simulate((2402, T, k or 0), replicates)
    z = float((found.risk - exact.risk) / found.standard_error["risk"])
    print(f"{beta=} {T=} {k=}: exact {float(exact.risk):.6f}, simulated {float(found.risk):.6f}, z {z:+.2f}")
    return z


@pytest.mark.parametrize(("beta", "T", "k"), QUICK)
def test_simulation_agrees(beta: float, T: int, k: int | None) -> None:
    assert abs(score(beta, T, k, 60)) < 3.0


@pytest.mark.slow
def test_simulation_agrees_over_a_grid() -> None:
    """40 settings: none beyond 3.7 standard errors (1 % of such grids would), and the spread is right."""
    scores = np.array(
        [score(beta, T, k, 400 if T < 10**5 else 60 if T < 10**6 else 16) for beta, T, k in GRID]
    )
    assert np.max(np.abs(scores)) < 3.7 and 0.6 < np.mean(scores**2) < 1.6
