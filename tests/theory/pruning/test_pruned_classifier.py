"""The theory of pruned data: against the paper's closed forms, limits, gradients, and seeded simulation."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import freeridge as fr
from freeridge.solvers.census import Census
from freeridge.solvers.results import Code
from freeridge.theory.pruning.pruned_formulas import corollary_1, lemma_1, lemma_2, theorem_1
from freeridge.theory.pruning.pruned_suite import RULES, pruned_cases, run_pruned_suite

# Threshold, phi, ridge, rho, rho_star: rows few and many, ridges small and large.
POINTS = [
    (1.0, 0.23, 0.05, 0.8, 0.9), (0.3, 0.1, 1e-6, 0.99, 0.5), (2.0, 3.0, 0.3, 0.4, 0.7),
    (0.7, 0.5, 2.0, 0.9, 0.2), (1.5, 0.9, 1e-3, 0.6, 0.95), (0.1, 0.05, 1e-4, 1.0, 0.8),
]  # fmt: skip


def error_of(*fields: float, **named: object) -> float:
    found = fr.PrunedClassifier(*fields, **named).predict()  # type: ignore[arg-type]
    assert found.ok
    return float(found.error)


@pytest.mark.parametrize("point", POINTS, ids=str)
def test_closed_forms_of_the_paper(point: tuple[float, ...]) -> None:
    """Lemmas 1 and 2, Theorem 1 and Corollary 1, corrected, to 1e-10."""
    threshold, phi, ridge, rho, rho_star = point
    rho_g = rho * rho_star
    for lemma, rule in ((lemma_1, fr.KeepHard), (lemma_2, fr.KeepEasy)):
        constants, keep = lemma(rho_g, threshold), rule(threshold=threshold)
        found = keep.moments(jnp.asarray(rho_g), jnp.zeros(()))
        mine = [found.share, found.second[0, 0], found.labelled[1], found.labelled[0]]
        np.testing.assert_allclose(mine, constants, rtol=0, atol=1e-12)
        expected = theorem_1(constants, phi, ridge, rho, rho_star, rho_g)
        assert error_of(phi, ridge, rho, rho_star, keep=keep) == pytest.approx(expected, abs=1e-10)
        expected = corollary_1(lemma(rho_star, threshold), phi, rho_star)
        assert error_of(phi, 0.0, 1.0, rho_star, keep=keep) == pytest.approx(expected, abs=1e-10)


def test_all_rows_with_a_perfect_generator_are_ridge_regression() -> None:
    """Signs are a linear labeler, sqrt(2 / pi) x'w, with noise of variance 1 - 2 / pi."""
    d, phi, ridge = 100, 0.4, 0.2
    labeler = fr.RandomVector(fr.Isotropic(d, 2 / np.pi / d))
    rows = fr.Population(fr.Isotropic(d), labeler, 1 - 2 / np.pi, share=1.0)
    risk = float(fr.RidgeMixture([rows], n=d / phi, ridge=ridge).predict().risk)
    found = fr.PrunedClassifier(phi, ridge).predict()
    gap = 1.0 - phi - ridge
    e = 0.5 * (gap + np.sqrt(gap**2 + 4.0 * ridge))
    along = np.sqrt(2.0 / np.pi) * e / (e + ridge)
    across = along * np.tan(np.pi * float(found.error))
    assert (along - np.sqrt(2.0 / np.pi)) ** 2 + across**2 == pytest.approx(risk, rel=1e-12)
    assert float(found.signal_error) == 0.0


@pytest.mark.parametrize("rule", ["easy", "own"])
def test_an_isotropic_covariance_is_no_covariance(rule: str) -> None:
    fields = (0.4, 0.1, 0.8, 0.9)
    plain = error_of(*fields, keep=RULES[rule]())
    assert error_of(*fields, keep=RULES[rule](), covariance=fr.Isotropic(50)) == pytest.approx(plain, 1e-13)


def test_given_directions_are_their_correlations() -> None:
    """With isotropic inputs only the angles count, in any basis and at any length."""
    rng = np.random.default_rng(0)
    directions = rng.standard_normal((3, 40)) * np.array([[1.0], [3.0], [0.2]])
    directions[1] += 4 * directions[0]
    setting = fr.PrunedClassifier(
        0.4, 0.1, keep=fr.KeepHard(0.4), covariance=fr.Isotropic(40), directions=directions
    )
    cosines = [float(value) for value in setting.correlations]
    expected = error_of(0.4, 0.1, *cosines, keep=fr.KeepHard(0.4))
    assert float(setting.predict().error) == pytest.approx(expected, rel=1e-12)
    unit = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    assert cosines == pytest.approx([unit[0] @ unit[1], unit[0] @ unit[2], unit[1] @ unit[2]])


def test_directions_with_more_variance_are_learned_better() -> None:
    values = np.concatenate([np.full(20, 4.0), np.full(60, 0.25)])

    def error_along(coordinate: int) -> float:
        directions = np.tile(np.eye(80)[coordinate], (3, 1))
        return error_of(0.4, 0.1, covariance=fr.Eigenvalues(values), directions=directions)

    random = error_of(0.4, 0.1, covariance=fr.Eigenvalues(values))
    assert error_along(0) < random < error_along(50)


def test_ends_of_the_parameters() -> None:
    assert error_of(1e-12, 0.0) < 1e-6  # more rows than can be counted
    assert error_of(1e9, 0.1) == pytest.approx(0.5, abs=1e-4)
    assert error_of(0.5, 1e12) == pytest.approx(error_of(0.5, 1e10), abs=1e-8)
    assert error_of(0.4, 0.1, 0.0) == pytest.approx(0.5)
    assert error_of(0.4, 0.1, -0.7) == pytest.approx(1.0 - error_of(0.4, 0.1, 0.7))
    assert error_of(1.0, 0.0) == pytest.approx(0.5, abs=1e-8)  # interpolation: the noise is infinite
    assert error_of(0.4, 0.1, label_noise=0.5) == pytest.approx(0.5)
    assert error_of(0.4, 0.1, label_noise=1.0) == pytest.approx(1.0 - error_of(0.4, 0.1))


def test_dropping_at_random_is_having_fewer_rows() -> None:
    """With p n rows, and the ridge of n rows on them."""
    kept = error_of(0.3, 0.1, 0.8, keep=fr.KeepRandom(0.25))
    assert kept == pytest.approx(error_of(1.2, 0.4, 0.8), rel=1e-13)


def test_signal_and_noise_make_up_the_error() -> None:
    found = fr.PrunedClassifier(0.4, 0.05, 0.8, 0.9, keep=fr.KeepHard(0.4)).predict()
    assert float(found.signal_error + found.noise_error) == pytest.approx(float(found.error), rel=1e-14)
    many = fr.PrunedClassifier(1e-9, 0.05, 0.8, 0.9, keep=fr.KeepHard(0.4)).predict()
    assert float(many.noise_error) < 1e-6 and 0.1 < float(many.signal_error) < 0.5


@pytest.mark.parametrize("ridge", [0.0, pytest.param(0.05, marks=pytest.mark.slow)])
def test_gradients_are_finite_differences(ridge: float) -> None:
    point = {"phi": 0.3, "ridge": ridge, "rho": 0.8, "rho_star": 0.9, "label_noise": 0.1}

    def error(values: dict[str, Any], fraction: jax.Array) -> jax.Array:
        rule = fr.KeepMixture([fr.KeepHard(fraction), fr.KeepCorrect()], [0.6, 0.4])
        # The covariance doubles the compilation: it is left to the slow case.
        covariance = fr.PowerLaw(30, 0.7) if ridge else None
        setting = fr.PrunedClassifier(**values, keep=rule, covariance=covariance)
        return setting.predict().error

    compiled = jax.jit(error)
    values = {name: jnp.asarray(value) for name, value in point.items()}
    slopes, slope = jax.jit(jax.grad(error, argnums=(0, 1)))(values, jnp.asarray(0.4))
    step = 1e-5
    up, down = (float(compiled(values, jnp.asarray(0.4 + s))) for s in (step, -step))
    assert float(slope) == pytest.approx((up - down) / (2 * step), rel=1e-5)
    for name in point:
        low = point[name] if name == "ridge" else point[name] - step
        ends = [
            float(compiled(values | {name: jnp.asarray(v)}, jnp.asarray(0.4)))
            for v in (low, point[name] + step)
        ]
        found = (ends[1] - ends[0]) / (point[name] + step - low)
        assert float(slopes[name]) == pytest.approx(found, rel=2e-3 if name == "ridge" else 1e-5, abs=1e-8)


def test_a_batch_is_its_points() -> None:
    def one(rho: jax.Array, rho_star: jax.Array) -> jax.Array:
        return (
            fr.PrunedClassifier(0.3, 0.01, rho, rho_star, keep=fr.KeepCorrect(fr.KeepHard(0.5)))
            .predict()
            .error
        )

    rhos, stars = jnp.array([0.3, 0.9, 1.0]), jnp.array([1.0, 0.5, 0.0])
    found = jax.jit(jax.vmap(one))(rhos, stars)
    alone = [float(one(rho, star)) for rho, star in zip(rhos, stars, strict=True)]
    np.testing.assert_allclose(found, alone, rtol=1e-13)


def test_a_generator_that_is_always_wrong_leaves_nothing_to_verify() -> None:
    found = fr.PrunedClassifier(0.3, 0.1, rho=-1.0, rho_star=1.0, keep=fr.KeepCorrect()).predict()
    assert int(found.code) == Code.INVALID and np.isnan(found.error)
    assert "keeps no rows" in found.message


def test_traced_values_that_make_no_sense_have_a_code() -> None:
    def code(**fields: Any) -> jax.Array:
        return fr.PrunedClassifier(**{"phi": 0.3, "ridge": 0.1} | fields).predict().code

    compiled = jax.jit(code)
    for fields in (
        {"phi": -1.0}, {"ridge": -1.0}, {"rho": 1.5}, {"rho": 0.9, "rho_star": 0.9, "rho_oracle": 0.1},
        {"label_noise": 1.2}, {"keep": fr.KeepRandom(0.5)}, {"rho": np.nan},
    ):  # fmt: skip
        arrays = jax.tree.map(jnp.asarray, fields)
        if "keep" in fields:  # a chance of 5, as a sweep could have it
            arrays = {"keep": eqx.tree_at(lambda rule: rule.fraction, fields["keep"], jnp.asarray(5.0))}
        assert int(compiled(**arrays)) == Code.INVALID, fields


def test_simulation_agrees() -> None:
    """A quick run of the suite; every key gives its own numbers, and the same again."""
    cases = pruned_cases()
    assert len(cases) >= 30
    quick: Census = run_pruned_suite(3, "quick")
    assert quick.agrees, quick.table()
    one = cases["many hard"].build(100)
    first, again, other = (one.simulate(key, 3) for key in (1, 1, 2))
    np.testing.assert_array_equal(first.values["error"], again.values["error"])
    assert not np.any(first.values["error"] == other.values["error"])


@pytest.mark.slow
@pytest.mark.parametrize("key", [0, 1])
def test_the_whole_suite_agrees(key: int) -> None:
    found = run_pruned_suite(key)
    assert found.agrees, found.table()
    assert found.summary("error").largest < 3.5
