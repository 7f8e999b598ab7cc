"""Theory of estimated shifts: limits, simulation, derivatives, batches, bad input."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from freeridge.solvers.agreement import validate
from freeridge.solvers.errors import InvalidSetting
from freeridge.theory.memorization.spurious_logistic import SpuriousLogistic
from freeridge.theory.memorization.twins.twin_logistic import TwinLogistic

PUBLISHED: dict[str, Any] = {
    "phi": 1.8,
    "penalty": 0.01,
    "majority": 0.9,
    "spurious_scale": 5.0,
    "noise": 0.5,
}
SETTINGS = {
    "published": TwinLogistic(**PUBLISHED, temperature=0.1),
    "warm": TwinLogistic(**PUBLISHED, temperature=1.0),
    "hot": TwinLogistic(**PUBLISHED, temperature=10.0),
    "cold": TwinLogistic(**PUBLISHED, temperature=0.01),
    "weak twins": TwinLogistic(**PUBLISHED, temperature=0.3, twin_penalty=1.0),
    "overfitted twins": TwinLogistic(**PUBLISHED, temperature=0.3, twin_penalty=1e-4),
    "many rows": TwinLogistic(0.2, 0.003, 0.8, 2.0, 1.0, 0.5, feature_std=0.5),
    "loud": TwinLogistic(0.5, 0.01, 0.8, 3.0, 1.0, 0.5, 0.05, 0.3),
    "mild": TwinLogistic(0.6, 0.003, 0.7, 1.0, 0.8, 2.0, 0.1, 0.5),
    "few rows": TwinLogistic(4.0, 0.05, 0.9, 4.0, 0.3, 0.3),
    "high floor": TwinLogistic(1.8, 0.01, 0.9, 5.0, 0.5, 0.1, floor=0.05),
    "balanced": TwinLogistic(1.0, 0.01, 0.5, 2.0, 0.7, 0.5),
}


def test_twins_that_know_nothing_give_no_shift() -> None:
    """A high temperature: every calibrated probability is one half, and the final model is that of ERM."""
    found = TwinLogistic(**PUBLISHED, temperature=1e8).predict()
    plain = SpuriousLogistic(**PUBLISHED).predict()
    assert found.ok and float(found.reliability) == pytest.approx(0.5, abs=1e-7)
    for name in ("group_errors", "core", "spurious", "noise_norm"):
        np.testing.assert_allclose(found.quantities[name], plain.quantities[name], rtol=1e-6, atol=1e-9)


def test_twins_are_logistic_regression_on_half_of_the_rows() -> None:
    found = SETTINGS["published"].predict()
    half = SpuriousLogistic(**PUBLISHED | {"phi": 3.6}).predict()
    np.testing.assert_allclose(found.twin_errors, half.group_errors, rtol=1e-10)


def test_held_out_answers_that_name_the_group_are_a_perfect_signal() -> None:
    """Twins of a large penalty follow the spurious feature alone, far from its boundary: cold, their shift is
    that of a perfect signal, and hardly depends on noise."""
    setting = TwinLogistic(0.5, 0.02, 0.9, 5.0, 0.2, temperature=1e-3, twin_penalty=1.0, floor=1e-12)
    found, perfect = setting.predict(), setting.perfect_signal().predict()
    np.testing.assert_allclose(found.twin_errors, [0.0, 1.0], atol=1e-9)
    np.testing.assert_allclose(found.group_errors, perfect.group_errors, rtol=1e-6)
    assert float(found.reliability) == pytest.approx(0.9, abs=1e-9)


@pytest.mark.slow
def test_derivatives_in_every_number() -> None:
    def worst(v: Any) -> Any:
        return TwinLogistic(
            1.0 * v[0], 0.02 * v[1], 0.8 * v[2], 3.0 * v[3], 0.6 * v[4], 0.5 * v[5], 0.05 * v[6], 0.3 * v[7]
        ).predict().worst_group_error  # fmt: skip

    compiled = jax.jit(worst)
    ones, h = jnp.ones(8), 1e-4
    found = np.asarray(jax.grad(worst)(ones))
    for k in range(8):
        above, below = (float(compiled(ones.at[k].add(step))) for step in (h, -h))
        assert found[k] == pytest.approx((above - below) / (2 * h), rel=1e-4, abs=1e-7)


@pytest.mark.slow
def test_a_batch_is_a_loop_and_a_bad_lane_spoils_no_other() -> None:
    def core(temperature: Any) -> Any:
        return TwinLogistic(**PUBLISHED, temperature=temperature).predict().core

    temperatures = jnp.array([0.1, jnp.nan, 1.0])
    found = jax.vmap(core)(temperatures)
    assert np.isnan(found[1])
    for place in (0, 2):
        assert float(found[place]) == pytest.approx(float(core(temperatures[place])), rel=1e-9)


def agree(name: str, replicates: int, n: int) -> dict[str, float]:
    """Scores; small errors of single replicates are skewed, and are told by the weights they come from."""
    setting = SETTINGS[name]
    there = TwinLogistic(
        **{field: getattr(setting, field) for field in setting.__dataclass_fields__} | {"n": n}
    )
    agreement = validate(there, replicates, (412, list(SETTINGS).index(name)))
    assert agreement.ok and set(agreement.theory) == set(agreement.simulation)
    names = ("core", "spurious", "noise_norm", "overlap", "worst_group_error")
    return {name: float(agreement.scores[name]) for name in names}


@pytest.mark.parametrize("name", ["many rows", "warm"])
def test_theory_is_what_is_measured(name: str) -> None:
    scores = agree(name, 8, 500)
    assert max(map(abs, scores.values())) < 3.5


@pytest.mark.slow
@pytest.mark.parametrize("name", SETTINGS)
def test_theory_is_what_many_replicates_measure(name: str) -> None:
    scores = agree(name, 30, 1000)
    print(f"{name:18s}" + "  ".join(f"{key} {score:+.2f}" for key, score in scores.items()))
    assert max(map(abs, scores.values())) < 3.0


def test_bad_input() -> None:
    changes: list[dict[str, Any]] = [
        {"phi": 0.0},
        {"penalty": 0.0},
        {"noise": 0.0},
        {"majority": 1.1},
        {"spurious_scale": -1.0},
        {"n": 0},
        {"temperature": 0.0},
        {"twin_penalty": 0.0},
        {"floor": -1e-6},
        {"feature_std": np.nan},
    ]
    for change in changes:
        with pytest.raises(InvalidSetting, match=next(iter(change))):
            TwinLogistic(**(PUBLISHED | change))
    with pytest.raises(InvalidSetting, match="one row of each group"):
        TwinLogistic(**PUBLISHED | {"majority": 0.9999}).simulate(0, 2)
