"""Iterative mixing: closed forms, limits, and simulation."""

import jax.numpy as jnp
import numpy as np
import pytest

import freeridge as fr
from freeridge.solvers.errors import InvalidSetting


def _setting(**changes: object) -> fr.IterativeMixing:
    fields = dict(
        covariance=fr.Isotropic(100),
        n=2000,
        real_share=0.5,
        quality=1.0,
        noise_variance=1.0,
        ridge=0.0,
        rounds=5,
    )
    return fr.IterativeMixing(**{**fields, **changes})  # type: ignore[arg-type]


@pytest.mark.slow
def test_without_ridge_the_recursion_of_one_number() -> None:
    share, phi, quality = 0.7, 100 / 2000, 1.0
    expected = []
    for _ in range(5):
        kept = (1 - share) ** 2 + share * (1 - share) * phi / (1 - phi)
        quality = phi / (1 - phi) + kept * quality
        expected.append(quality)
    for covariance in (fr.Isotropic(100), fr.PowerLaw(100, 1.5)):
        risk = _setting(covariance=covariance, real_share=share).predict().risk
        np.testing.assert_allclose(risk, expected, rtol=1e-12)


@pytest.mark.parametrize("features", [None, pytest.param(80, marks=pytest.mark.slow)])
def test_the_first_round_is_model_collapse(features: int | None) -> None:
    setting = _setting(covariance=fr.PowerLaw(120, 1.0, trace=120.0), n=300, ridge=0.1, features=features)
    once = setting.first_round().predict()
    np.testing.assert_allclose(setting.predict().risk[0], once.risk, rtol=1e-11)


def test_reusing_changes_nothing_in_the_first_round_and_everything_later() -> None:
    fresh, reused = _setting().predict().risk, _setting(reuse=True).predict().risk
    np.testing.assert_allclose(fresh[0], reused[0], rtol=1e-10)
    assert float(reused[-1]) > 1.5 * float(fresh[-1])


def test_reused_real_data_alone_returns_least_squares_on_them() -> None:
    # With almost no synthetic rows every round is the same fit to the same real rows.
    risk = _setting(real_share=1 - 1e-9, reuse=True).predict().risk
    np.testing.assert_allclose(risk, 0.05 / 0.95, rtol=1e-6)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"ridge": 0.1, "reuse": True}, "ridge"),
        ({"features": 50, "reuse": True}, "features"),
        ({"n": 150, "reuse": True}, "real_share"),
    ],
)
def test_reuse_says_where_it_has_no_theory(changes: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidSetting, match=field):
        _setting(**changes).predict()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"reuse": True},
        {"covariance": fr.PowerLaw(100, 1.0, trace=100.0), "n": 400, "ridge": 0.05, "noise_variance": 0.1},
        {"covariance": fr.PowerLaw(100, 1.0, trace=100.0), "n": 400, "ridge": 0.05, "features": 80},
    ],
    ids=["fresh", "reused", "ridge", "projections"],
)
def test_agrees_with_simulation(changes: dict[str, object]) -> None:
    setting = _setting(rounds=3, **changes)
    estimate, theory = setting.simulate(0, replicates=6), np.asarray(setting.predict().risk)
    error = estimate.standard_error["risk"]
    # Four standard errors, and the finite-size correction, which is of order 1/d.
    assert np.all(np.abs(estimate.risk - theory) < 4 * error + theory / 100)
    assert np.all(error < 0.05 * theory)


def test_seeded() -> None:
    one, same, other = (_setting(rounds=2).simulate(key, replicates=2).risk for key in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


@pytest.mark.slow
def test_differentiable() -> None:
    import jax

    def last(quality: jax.Array) -> jax.Array:
        return _setting(quality=quality, ridge=0.02).predict().risk[-1]

    step = 1e-4
    difference = (last(jnp.asarray(0.5 + step)) - last(jnp.asarray(0.5 - step))) / (2 * step)
    np.testing.assert_allclose(jax.grad(last)(jnp.asarray(0.5)), difference, rtol=1e-6)
