"""Limits and symmetries of the risk as properties, and problems written in two ways."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.helpers import MULTIPLICITIES, REAL_AND_SYNTHETIC, D, Points, predict_many, random_points, relative

import freeridge as fr
from freeridge.theory.covariance import Covariance

QUANTITIES = ("risk", "bias", "variance", "mismatch")
few = settings(max_examples=10)
seeds = st.integers(0, 2**32 - 1)


def tr(eigenvalues: Any) -> Any:
    return np.sum(np.asarray(MULTIPLICITIES) * eigenvalues, axis=-1)


def test_many_features_are_plain_ridge() -> None:
    points = random_points(np.random.default_rng(4), 64)
    many = predict_many(points._replace(features=np.full(64, D * 1e9), ridge=points.ridge * 1e9))
    plain = predict_many(points, plain=True)
    for name in QUANTITIES:
        np.testing.assert_allclose(many.quantities[name], plain.quantities[name], rtol=1e-6, atol=1e-9)


def compare(one: fr.Prediction, two: fr.Prediction, rtol: float, factor: Any = 1.0) -> None:
    assert np.all(one.code == 0) and np.all(two.code == 0)
    scale = np.abs(one.quantities["risk"]) * factor
    for name in QUANTITIES:
        gap = np.abs(two.quantities[name] - factor * one.quantities[name])
        assert np.all(gap <= rtol * scale), (name, float(np.max(gap / scale)))


def mixed(seed: int) -> Points:
    rng = np.random.default_rng(seed)
    points = random_points(rng, 16, ridge_low=1e-9)
    return points._replace(ridge=np.where(rng.random(16) < 0.25, 0.0, points.ridge))


@few
@given(seed=seeds, plain=st.booleans())
def test_equal_groups_are_one_group(seed: int, plain: bool) -> None:
    points = mixed(seed)
    twice = {
        name: np.repeat(getattr(points, name)[:, :1], 2, axis=1)
        for name in ("covariances", "noise", "weights")
    }
    coefficients = points.coefficients.copy()
    coefficients[:, 1] = coefficients[:, 0]
    equal = points._replace(coefficients=coefficients, **twice)
    alone = points._replace(shares=np.broadcast_to([1.0, 0.0], (16, 2)))
    compare(predict_many(alone, plain), predict_many(equal, plain), 1e-10)


@few
@given(seed=seeds, plain=st.booleans())
def test_a_vanishing_share_vanishes(seed: int, plain: bool) -> None:
    points = mixed(seed)
    none = predict_many(points._replace(shares=np.broadcast_to([1.0, 0.0], (16, 2))), plain)
    little = predict_many(points._replace(shares=np.broadcast_to([1.0 - 1e-12, 1e-12], (16, 2))), plain)
    far = np.abs(points.n - D) > 5
    far &= plain | (np.abs(points.n - points.features) > 5)
    for name in QUANTITIES:
        gap = np.abs(little.quantities[name] - none.quantities[name]) / none.quantities["risk"]
        assert np.all(gap[far] < 1e-6)


@few
@given(seed=seeds, plain=st.booleans())
def test_risks_are_sums_of_squares(seed: int, plain: bool) -> None:
    points = mixed(seed)
    found = predict_many(points, plain)
    assert np.all(found.code == 0)
    for name in ("risk", "bias", "variance"):
        assert np.all(found.quantities[name] >= 0)
    independent = predict_many(
        points._replace(coefficients=np.broadcast_to(REAL_AND_SYNTHETIC, (16, 3, 2))), plain
    )
    assert np.all(independent.quantities["mismatch"] >= -1e-14 * independent.quantities["risk"])


@few
@given(seed=seeds, plain=st.booleans(), log_scale=st.floats(-6.0, 6.0))
def test_units_of_inputs_do_not_matter(seed: int, plain: bool, log_scale: float) -> None:
    points, s = mixed(seed), 10.0**log_scale
    scaled = points._replace(
        covariances=points.covariances * s,
        test=points.test * s,
        truth=points.truth / s,
        shift=points.shift / s,
        ridge=points.ridge * s,
    )
    compare(predict_many(points, plain), predict_many(scaled, plain), 1e-9)


@few
@given(seed=seeds, plain=st.booleans(), log_scale=st.floats(-6.0, 6.0))
def test_units_of_labels_do_not_matter(seed: int, plain: bool, log_scale: float) -> None:
    points, s = mixed(seed), 10.0**log_scale
    scaled = points._replace(coefficients=points.coefficients * np.sqrt(s), noise=points.noise * s)
    compare(predict_many(points, plain), predict_many(scaled, plain), 1e-12, s)


@few
@given(seed=seeds, plain=st.booleans())
def test_order_of_populations_does_not_matter(seed: int, plain: bool) -> None:
    points = mixed(seed)
    swapped = points._replace(
        **{name: getattr(points, name)[:, ::-1] for name in ("covariances", "noise", "weights", "shares")},
        coefficients=points.coefficients[:, [1, 0, 2]],
    )
    compare(predict_many(points, plain), predict_many(swapped, plain), 1e-9)


@few
@given(seed=seeds, plain=st.booleans())
def test_an_endless_ridge_predicts_nothing(seed: int, plain: bool) -> None:
    points = random_points(np.random.default_rng(seed), 16)
    found = predict_many(points._replace(ridge=np.full(16, 1e14)), plain)
    a, b = points.coefficients[:, 2].T
    signal = tr(points.test * (a[:, None] ** 2 * points.truth + b[:, None] ** 2 * points.shift))
    assert relative(found.quantities["risk"], signal) < 1e-9


def test_weights_scale_training_only() -> None:
    """A weight is a factor on the covariance and noise that the loss sees."""
    points = random_points(np.random.default_rng(5), 32)
    absorbed = points._replace(
        covariances=points.covariances * points.weights[:, :, None],
        noise=points.noise * points.weights,
        weights=np.ones((32, 2)),
    )
    compare(predict_many(points), predict_many(absorbed), 1e-12)


def population(covariance: Covariance, labeler: Any, share: float, noise: float = 0.1) -> fr.Population:
    return fr.Population(covariance, labeler, noise, share)


def test_multiplicities_are_repeated_coordinates() -> None:
    values, second, counts = [3.0, 0.5, 1.0], [0.2, 2.0, 1.0], [2, 5, 3]
    gamma, delta = [0.1, 0.3, 0.2], [0.02, 0.1, 0.05]

    def mixture(make: Any) -> fr.RidgeMixture:
        w = fr.RandomVector(make(gamma))
        return fr.RidgeMixture(
            [
                population(make(values), w, 0.4),
                population(make(second), w + fr.RandomVector(make(delta)), 0.6),
            ],
            n=7,
            ridge=0.01,
        )

    short = mixture(lambda v: fr.Eigenvalues(v, counts)).predict()
    long = mixture(lambda v: fr.Eigenvalues(np.repeat(v, counts))).predict()
    for name in QUANTITIES:
        np.testing.assert_allclose(short.quantities[name], long.quantities[name], rtol=1e-12)


def test_rotated_problems_have_the_same_risk_on_atoms_and_on_matrices() -> None:
    rng = np.random.default_rng(7)
    d = 10
    basis = np.linalg.qr(rng.normal(size=(d, d)))[0]
    values = np.exp(rng.normal(size=(2, d)))
    gamma, delta, fixed = np.exp(rng.normal(size=d)), np.exp(rng.normal(size=d)), rng.normal(size=d)

    def mixture(covariances: Any, make: Any, turn: Any) -> fr.RidgeMixture:
        w = fr.RandomVector(make(gamma))
        labelers = [w + turn(fixed), 0.5 * w + fr.RandomVector(make(delta))]
        return fr.RidgeMixture(
            [population(covariances[0], labelers[0], 0.4), population(covariances[1], labelers[1], 0.6, 0.3)],
            n=8,
            ridge=np.array([0.0, 1e-6, 0.1]),
            features=13,
        )

    def rotated(v: Any) -> fr.Dense:
        matrix = (basis * v) @ basis.T
        return fr.Dense(0.5 * (matrix + matrix.T))

    straight = mixture([fr.Eigenvalues(v) for v in values], fr.Eigenvalues, lambda w: w).predict()
    turned = mixture([rotated(v) for v in values], rotated, lambda w: basis @ w).predict()
    matrices = jnp.stack([rotated(v).matrix for v in values])

    @jax.jit
    def traced(matrices: Any) -> Any:
        return mixture([fr.Dense(m) for m in matrices], rotated, lambda w: basis @ w).predict().quantities

    for name in QUANTITIES:
        np.testing.assert_allclose(turned.quantities[name], straight.quantities[name], rtol=1e-9)
        np.testing.assert_allclose(traced(matrices)[name], straight.quantities[name], rtol=1e-9)


def test_a_fixed_labeler_is_a_random_one_of_rank_one() -> None:
    rng = np.random.default_rng(8)
    d = 6
    w, v = rng.normal(size=(2, d))
    root = rng.normal(size=(d, d))
    skew = fr.Dense(root @ root.T)
    one, two = fr.RandomVector(fr.Dense(np.outer(w, w))), fr.RandomVector(fr.Dense(np.outer(v, v)))

    def risk(first: Any, second: Any) -> Any:
        populations = [population(skew, first, 0.5), population(fr.Isotropic(d), second, 0.5)]
        return fr.RidgeMixture(populations, n=9, ridge=0.1).predict(1).risk

    # The same random vector on both sides: correlations as for the fixed one.
    np.testing.assert_allclose(risk(w, 0.3 * w), risk(one, 0.3 * one), rtol=1e-11)
    # Two fixed vectors have a scalar product, which independent ones have not on average.
    opposite = 0.5 * (risk(w, v) + risk(w, -v))
    np.testing.assert_allclose(opposite, risk(one, two), rtol=1e-11)
