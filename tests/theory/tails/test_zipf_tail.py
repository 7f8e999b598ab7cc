"""The exact error: against sums term by term, its limits, derivatives, batches, and bad input."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special

import freeridge as fr
from freeridge.solvers.results import Code
from freeridge.theory.tails.missed_mass import rank_of_mass


def brute(beta: float, samples: float, **fields: Any) -> float:
    """The definition, on the first 200,000 ranks, and all that is beyond them as never drawn."""
    ranks = np.arange(1.0, 200_001.0)
    real = ranks**-beta / special.zeta(beta)
    narrow, cut = fields.get("exponent", beta), fields.get("k", np.inf)
    mass = special.zeta(narrow) - (special.zeta(narrow, cut + 1) if cut < np.inf else 0.0)
    generated = np.where(ranks <= cut, ranks**-narrow / mass, 0.0)
    share, drawn = fields.get("real_share", 0.0), generated
    if "bought_from" in fields:
        start = fields["bought_from"]
        bought = np.where(ranks >= start, ranks**-beta / special.zeta(beta, start), 0.0)
        share, real_part = fields.get("bought_share", 0.5), bought
    else:
        real_part = real
    drawn = share * real_part + (1.0 - share) * generated
    beside = (1.0 - real) ** fields.get("real_samples", 0.0)
    return float(
        np.sum(real * beside * (1.0 - drawn) ** samples) + special.zeta(beta, 200_001) / special.zeta(beta)
    )


# beta is 4, so that what is beyond the ranks of the brute sum is 1e-17.
@pytest.mark.parametrize(
    "fields",
    [
        {}, {"k": 7}, {"k": 1}, {"k": 5000}, {"exponent": 6.0}, {"exponent": 2.0, "k": 300},
        {"k": 20, "real_share": 0.05}, {"exponent": 5.0, "real_share": 0.5}, {"k": 30, "real_samples": 500.0},
        {"k": 20, "bought_from": 21}, {"k": 20, "bought_from": 50, "bought_share": 0.1},
        {"k": 300, "bought_from": 40}, {"bought_from": 10},
    ],
    ids=str,
)  # fmt: skip
def test_every_kind_of_data_is_its_definition(fields: dict[str, Any]) -> None:
    for samples in (0.0, 1.0, 300.0, 1e5):
        found = fr.ZipfTail(4.0, samples, **fields).predict()
        assert int(found.code) == Code.OK
        assert float(found.risk) == pytest.approx(brute(4.0, samples, **fields), rel=1e-10)


def test_no_sample_and_every_sample() -> None:
    assert float(fr.ZipfTail(1.5, 0).predict().risk) == pytest.approx(1.0, rel=1e-15)
    cut = fr.ZipfTail(1.5, 1e15, k=10**6).predict()
    mass = special.zeta(1.5, 10**6 + 1) / special.zeta(1.5)
    assert float(cut.risk) == float(cut.tail_risk) == pytest.approx(mass, rel=1e-13)


SAME: list[Any] = [
    {"k": np.inf},
    {"exponent": 1.5},
    {"k": 10, "real_share": 1.0},
    pytest.param({"temperature": 1.0}, marks=pytest.mark.slow),
    pytest.param({"top_p": 1.0}, marks=pytest.mark.slow),
    pytest.param({"k": 3, "bought_from": 1, "bought_share": 1.0}, marks=pytest.mark.slow),
]


@pytest.mark.parametrize("fields", SAME, ids=str)
def test_kinds_that_are_the_same(fields: dict[str, Any]) -> None:
    clean = float(fr.ZipfTail(1.5, 1e6).predict().risk)
    assert float(fr.ZipfTail(1.5, 1e6, **fields).predict().risk) == pytest.approx(clean, rel=1e-13)


def test_samples_beside_count_and_a_huge_pool_loses_nothing() -> None:
    clean = float(fr.ZipfTail(1.5, 1e6).predict().risk)
    assert float(fr.ZipfTail(1.5, 6e5, real_samples=4e5).predict().risk) == pytest.approx(clean, rel=1e-13)
    pool = fr.ZipfTail(1.5, 1e6, generator_samples=1e15, generations=10).predict()
    assert float(pool.risk) == pytest.approx(clean, rel=1e-8) and pool.ok


def test_the_rank_that_a_mass_reaches() -> None:
    ranks = np.arange(1.0, 1e6)
    for exponent in (1.3, 1.5, 2.0, 5.0):
        below = np.cumsum(ranks**-exponent) / special.zeta(exponent)
        for mass in (0.01, 0.5, 0.9, 0.97):
            if mass < below[-1]:
                first = int(np.searchsorted(below, mass)) + 1
                assert int(rank_of_mass(jnp.asarray(exponent), jnp.asarray(mass))) == first


def test_the_local_exponent_is_the_slope_of_the_curve() -> None:
    choices: list[dict[str, Any]] = [{}, {"k": 100, "real_share": 0.01}, {"exponent": 2.0}]
    for fields in choices:
        low, middle, high = (fr.ZipfTail(1.5, t, **fields).predict() for t in (9.99e3, 1e4, 1.001e4))
        slope = -np.log(float(high.risk / low.risk)) / np.log(1.001e4 / 9.99e3)
        assert float(middle.local_exponent) == pytest.approx(slope, rel=1e-5)


def test_derivatives_in_the_numbers_of_a_setting() -> None:
    start = {"beta": 1.5, "T": 1e4, "exponent": 1.8, "real_share": 0.01, "real_samples": 50.0}

    @jax.jit
    def risk(fields: dict[str, Any]) -> jax.Array:
        return fr.ZipfTail(k=500, **fields).predict().risk

    slopes = jax.jit(jax.grad(risk))({name: jnp.asarray(value) for name, value in start.items()})
    for name, slope in slopes.items():
        step = 1e-5 * start[name]
        up, down = (risk(start | {name: start[name] + sign * step}) for sign in (1, -1))
        assert float(slope) == pytest.approx(float(up - down) / (2 * step), rel=1e-6), name


def test_generations_only_cost_sample_size() -> None:
    """An exact statement of the theory: T samples of a late generation are worth their ancestors."""
    clean = fr.ZipfTail(1.5, 1.0).predict().risk
    assert float(fr.ZipfTail(1.5, 1, generator_samples=10, generations=10).predict().risk) == pytest.approx(
        float(clean), rel=1e-14
    )
    late = fr.ZipfTail(1.5, 1e6, generator_samples=1e6, generations=10).predict()
    left = 1.0
    for _ in range(10):
        left = -np.expm1(-left)
    assert float(late.risk) == pytest.approx(float(fr.ZipfTail(1.5, left * 1e6).predict().risk), rel=1e-4)


def test_small_generations_are_exact_and_where_they_are_swept_not_given_a_wrong_number() -> None:
    few = fr.ZipfTail(1.5, 1e4, generator_samples=20, generations=10)
    swept = fr.sweep(few, {"generator_samples": [20.0, 5000.0]})
    assert list(swept.code.values) == [Code.NOT_CERTIFIED, Code.OK]
    assert np.isnan(swept.risk.values[0]) and swept.residual.values[0] > 1e-10
    assert few.predict().ok and float(few.predict().risk) < 1
    uncertain = few.predict().advice[Code.NOT_CERTIFIED]
    assert "generator_samples" in uncertain


def test_a_grid_of_samples_and_cuts_in_one_sweep() -> None:
    cuts = [1.0, 30.0, 1e4, 1e12, np.inf]
    grid = fr.sweep(fr.ZipfTail(1.5, 1, k=1), {"T": np.logspace(0, 12, 7), "k": cuts})
    assert (grid.code == 0).all() and float(grid.residual.max()) < 1e-12
    assert float(grid.risk.sel(T=1e6, k=30.0)) == pytest.approx(
        float(fr.ZipfTail(1.5, 1e6, k=30).predict().risk), rel=1e-13
    )


BAD: list[tuple[dict[str, Any], str]] = [
    ({"beta": 1.0}, "above 1"),
    ({"beta": 0.5}, "above 1"),
    ({"beta": float("nan")}, "above 1"),
    ({"T": -1}, ">= 0"),
    ({"T": float("inf")}, ">= 0"),
    ({"k": 0.5}, "whole number >= 1"),
    ({"k": 10.5}, "whole number >= 1"),
    ({"k": 10, "real_share": 1.5}, "share in"),
    ({"real_share": -0.1}, "share in"),
    ({"top_p": 0.0}, "mass in"),
    ({"top_p": 0.5, "k": 10}, "no top_p beside k"),
    ({"temperature": 1.6}, "below beta"),
    ({"temperature": 0.9, "exponent": 2.0}, "no temperature beside exponent"),
    ({"exponent": 1.0}, "above 1"),
    ({"generations": 3}, "generator_samples"),
    ({"generations": 0, "generator_samples": 10}, "positive whole"),
    ({"generator_samples": 10, "real_share": 0.5}, "real_samples"),
    ({"generator_samples": 0}, "whole number >= 1"),
    ({"bought_from": 5, "real_share": 0.5}, "bought_share"),
    ({"T": np.float32(3.0)}, "float64"),
]


@pytest.mark.parametrize(("fields", "expected"), BAD, ids=str)
def test_bad_input_is_refused_with_what_would_be_right(fields: dict[str, Any], expected: str) -> None:
    with pytest.raises(fr.InvalidSetting, match=expected):
        fr.ZipfTail(**({"beta": 1.5, "T": 100} | fields))
