"""The limit of verified logistic regression: closed forms, limits, derivatives, batches, and bad input."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import optimize
from scipy.special import expit, ndtr

from freeridge.solvers import logistic_fit
from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.logistic_fit import fit_logistic
from freeridge.solvers.logistic_prox import prox
from freeridge.theory.pruning.verification.label_errors import LinearErrors, RandomErrors
from freeridge.theory.pruning.verification.retrained_logistic import RetrainedLogistic
from freeridge.theory.pruning.verification.training import _agreement
from freeridge.theory.pruning.verification.verified_logistic import VerifiedLogistic, agreement

D, S = 107, 1.5


def test_the_proximal_point_at_every_strength() -> None:
    points = jnp.concatenate([jnp.linspace(-40.0, 40.0, 81), jnp.array([-1e7, -1e3, 1e3, 1e7])])
    for strength in (0.0, 1e-8, 1.0, 30.0, 1e4, 1e9):
        p = prox(points, jnp.array(strength))
        gap = p - strength * jax.nn.sigmoid(-p) - points
        assert float(jnp.max(jnp.abs(gap) / (1.0 + jnp.abs(points) + strength))) < 1e-14
    slope = jax.grad(lambda g: prox(jnp.array([-2.0]), g)[0])(jnp.array(3.0))
    step = (
        prox(jnp.array([-2.0]), jnp.array(3.0 + 1e-6)) - prox(jnp.array([-2.0]), jnp.array(3.0 - 1e-6))
    ) / 2e-6
    assert float(slope) == pytest.approx(float(step[0]), rel=1e-8)


def test_the_fit_is_a_minimum_far_from_its_start(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.random.default_rng(1).standard_normal((40, 60)) * 5.0
    w = fit_logistic(rows, 1e-6)
    gradient = 1e-6 * w - expit(-rows @ w) @ rows / 40
    assert np.abs(gradient).max() < 1e-8
    with pytest.raises(InvalidSetting, match="rows"):
        fit_logistic(np.full((3, 2), np.nan), 0.1)
    monkeypatch.setattr(logistic_fit, "_MAX_STEPS", 2)
    with pytest.raises(InvalidSetting, match="2 Newton steps"):
        fit_logistic(rows, 1e-6)


@pytest.mark.slow
def test_infinitely_many_rows_agree_with_the_best_classifier_or_nowhere() -> None:
    """Theorem 4.2, on both sides of its breakdown point, 3/4 here."""
    for rate, expected in ((0.0, 1.0), (0.749, 1.0), (0.75, 0.5), (0.751, 0.0), (1.0, 0.0)):
        found = VerifiedLogistic(D, np.inf, S, 0.1, RandomErrors(rate, 0.9, 0.3)).predict()
        assert found.ok and float(found.agreement) == pytest.approx(expected, abs=1e-12)
        assert float(found.accuracy) == pytest.approx(ndtr(S * (2 * expected - 1)), rel=1e-12)


def test_true_labels_and_no_ridge_give_the_weights_of_the_classes() -> None:
    found = VerifiedLogistic(D, np.inf, S, 1e-10, RandomErrors(0.0)).predict()
    assert float(found.norm) == pytest.approx(2 * S, rel=1e-8)  # the log-odds of the classes are 2 s x'w


@pytest.mark.slow
def test_infinitely_many_rows_minimise_the_population_loss() -> None:
    """By an independent minimisation over a fine grid of the plane, oracle-verified."""
    generator, ridge = 0.9, 0.05
    found = VerifiedLogistic(D, np.inf, S, ridge, LinearErrors(generator, 0.0)).predict()
    x, y = np.meshgrid(np.linspace(0.0, 10.0, 1001)[1:] - 0.005, np.linspace(-10.0, 10.0, 2001))
    inside = x * np.cos(generator) + y * np.sin(generator) > 0
    x, y = x[inside], y[inside]
    weight = np.exp(-((x - S) ** 2 + y**2) / 2) + np.exp(-((x + S) ** 2 + y**2) / 2)
    weight /= weight.sum()

    def loss(u: np.ndarray) -> float:
        return float(weight @ np.logaddexp(0.0, -(x * u[0] + y * u[1])) + 0.5 * ridge * u @ u)

    u = optimize.minimize(loss, [1.0, 0.3], tol=1e-10).x
    assert float(found.cosine) == pytest.approx(u[0] / np.hypot(*u), abs=1e-4)
    assert float(found.norm) == pytest.approx(np.hypot(*u), rel=1e-4)


@pytest.mark.slow
def test_without_a_ridge_the_learner_stands_between_generator_and_verifier() -> None:
    """The bisector of the two, reached like the square root of the ridge."""
    generator, verifier = 0.9, 0.3
    between = np.arccos(np.cos(generator) * np.cos(verifier))
    limit = (np.cos(generator) + np.cos(verifier)) / (2 * np.cos(between / 2))
    ridges = np.array([1e-3, 3e-4, 1e-4, 3e-5])
    gaps = np.array(
        [
            float(VerifiedLogistic(D, np.inf, S, ridge, LinearErrors(generator, verifier)).predict().cosine)
            - limit
            for ridge in ridges
        ]
    )
    slopes = np.diff(np.log(gaps)) / np.diff(np.log(ridges))
    assert np.all(np.diff(slopes) > 0) and slopes[0] > 0.3 and slopes[-1] < 0.5
    # Richardson's step for a square root removes more and more of what is left.
    root = np.sqrt(ridges[1:] / ridges[:-1])
    left = (gaps[1:] - root * gaps[:-1]) / (1 - root)
    assert np.all(np.diff(left) < 0) and 0 < left[-1] < 0.2 * gaps[-1]


def test_agreement_by_two_formulas() -> None:
    for signal in (0.0, 0.7, 3.0):
        for cosine in (-1.0, -0.9, -0.2, 0.0, 0.4, 0.99, 1.0):
            found = float(agreement(jnp.array(signal), jnp.array(cosine)))
            assert found == pytest.approx(_agreement(signal, cosine), abs=1e-13)


def by_chance(v: Any) -> Any:
    """Every number of a setting with random errors."""
    return VerifiedLogistic(
        D, 300.0 * v[0], S * v[1], 0.05 * v[2], RandomErrors(0.3 * v[3], 0.9 * v[4], 0.4 * v[5])
    )


def by_classifiers(v: Any) -> Any:
    return VerifiedLogistic(
        D, 300.0 * v[0], S * v[1], 0.05 * v[2], LinearErrors(0.9 * v[3], 0.3 * v[4], 0.5 * v[5])
    )


@pytest.mark.parametrize("build", [by_chance, pytest.param(by_classifiers, marks=pytest.mark.slow)])
def test_derivatives_in_every_number(build: Any) -> None:
    ones, h = jnp.ones(6), 1e-5
    found = np.asarray(jax.grad(lambda v: build(v).predict().accuracy)(ones))
    for k in range(6):
        above, below = (float(build(ones.at[k].add(step)).predict().accuracy) for step in (h, -h))
        assert found[k] == pytest.approx((above - below) / (2 * h), rel=1e-6, abs=1e-9)
    assert np.all(np.abs(found) > 1e-5)


@pytest.mark.slow
def test_a_batch_is_a_loop_and_a_bad_lane_spoils_no_other() -> None:
    def accuracy(rate: Any, ridge: Any) -> Any:
        return VerifiedLogistic(D, 300.0, S, ridge, RandomErrors(rate, 1.0, 0.3)).predict().accuracy

    rates, ridges = jnp.array([0.1, 0.7, jnp.nan, 0.9]), jnp.array([0.1, 1e-4, 0.1, 10.0])
    found = jax.vmap(accuracy)(rates, ridges)
    assert np.isnan(found[2])
    for i in (0, 1, 3):
        assert float(found[i]) == pytest.approx(float(accuracy(rates[i], ridges[i])), rel=1e-12)


@pytest.mark.slow
def test_a_ridge_too_small_for_the_quadrature_is_said_so() -> None:
    found = VerifiedLogistic(D, np.inf, S, 1e-9, LinearErrors(0.9, 0.3)).predict()
    assert not found.ok and np.isnan(found.accuracy) and "larger ridge" in found.message


def test_bad_input() -> None:
    good = RandomErrors(0.1)
    cases: list[tuple[dict[str, Any], str]] = [
        ({"d": 0}, "d"),
        ({"d": 2, "errors": LinearErrors(0.3)}, "at least 3"),
        ({"n": 0}, "n"),
        ({"n": np.nan}, "n"),
        ({"signal": -1.0}, "signal"),
        ({"ridge": 0.0}, "ridge"),
        ({"ridge": np.inf}, "ridge"),
    ]
    for change, said in cases:
        with pytest.raises(InvalidSetting, match=said):
            VerifiedLogistic(**({"d": D, "n": 100, "signal": S, "ridge": 0.1, "errors": good} | change))
    for change in ({"real_rows": 0}, {"real_ridge": 0.0}, {"verifier": 4.0}, {"n": -1}):
        with pytest.raises(InvalidSetting, match=next(iter(change))):
            fields = {"d": D, "real_rows": 50, "n": 100, "signal": S, "ridge": 0.1, "real_ridge": 0.1}
            RetrainedLogistic(**(fields | change))
    for n in (10.5, np.inf):
        with pytest.raises(InvalidSetting, match="n = "):
            VerifiedLogistic(D, n, S, 0.1, good).simulate(0, 2)
    hardly = VerifiedLogistic(D, 1e6, S, 0.1, RandomErrors(0.5, 1e-7, 0.0))
    with pytest.raises(InvalidSetting, match="keeps more"):
        hardly.simulate(0, 2)
