"""The exact generator: densities, scores, noised laws and posteriors against independent formulas."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import multivariate_normal

from freeridge.solvers.errors import InvalidSetting
from freeridge.theory.practice.generator import Generator, Guidance
from freeridge.theory.practice.generators import gaussian_mixture
from freeridge.theory.practice.generators.gaussian_mixture import GaussianMixture
from freeridge.theory.practice.generators.langevin import Langevin
from freeridge.theory.practice.generators.reverse_diffusion import ReverseDiffusion

rng = np.random.default_rng(0)
MEANS = rng.standard_normal((2, 3, 4))
FACTORS = rng.standard_normal((2, 3, 4, 4))
COVARIANCES = FACTORS @ FACTORS.swapaxes(-1, -2) + 0.1 * np.eye(4)
WEIGHTS = np.array([[0.2, 0.3, 0.5], [0.6, 0.4, 0.0]])
DENSE = GaussianMixture(MEANS, COVARIANCES, WEIGHTS)
ISOTROPIC = GaussianMixture(MEANS, rng.uniform(0.2, 2, (2, 3)), WEIGHTS)
LEARNER = lambda x: jnp.stack([-x[0], x[0]])  # noqa: E731


def test_density_is_that_of_scipy() -> None:
    x = rng.standard_normal((20, 4))
    for label in (0, 1):
        parts = [
            w * multivariate_normal(m, c).pdf(x)
            for w, m, c in zip(WEIGHTS[label], MEANS[label], COVARIANCES[label], strict=True)
        ]
        found = jax.vmap(DENSE.law(label).log_density)(jnp.asarray(x))
        np.testing.assert_allclose(found, np.log(np.sum(parts, axis=0)), rtol=1e-11)


@pytest.mark.parametrize("mixture", [DENSE, ISOTROPIC])
def test_score_is_the_gradient_at_every_time(mixture: GaussianMixture) -> None:
    def both(signal: Any, x: Any) -> tuple[Any, Any]:
        law = mixture.law(1).noised(signal)
        return law.score(x), jax.grad(law.log_density)(x)

    signals = jnp.array([1.0, 0.9, 0.3, 0.0])
    score, gradient = jax.jit(jax.vmap(both))(signals, jnp.asarray(rng.standard_normal((4, 4))))
    np.testing.assert_allclose(score, gradient, rtol=1e-10, atol=1e-12)


def test_noised_law_is_that_of_noised_covariances() -> None:
    signal = 0.4
    noised = GaussianMixture(
        np.sqrt(signal) * MEANS, signal * COVARIANCES + (1 - signal) * np.eye(4), WEIGHTS
    )
    x = jnp.asarray(rng.standard_normal(4))
    for label in (0, 1):
        found = DENSE.law(label).noised(signal).log_density(x)
        np.testing.assert_allclose(found, noised.law(label).log_density(x), rtol=1e-12)


@pytest.mark.parametrize("mixture", [DENSE, ISOTROPIC])
def test_posterior_is_prior_times_likelihood(mixture: GaussianMixture) -> None:
    signal, law = 0.3, mixture.law(0)
    x, clean = jnp.asarray(rng.standard_normal(4)), jnp.asarray(rng.standard_normal(4))
    likelihood = multivariate_normal(np.sqrt(signal) * clean, 1 - signal).logpdf(x)
    bayes = law.log_density(clean) + likelihood - law.noised(signal).log_density(x)
    np.testing.assert_allclose(law.posterior(x, signal).log_density(clean), bayes, rtol=1e-10)


@pytest.mark.parametrize("mixture", [DENSE, ISOTROPIC])
def test_tweedie_and_its_derivative(mixture: GaussianMixture) -> None:
    """The mean given x_t is that of Tweedie's formula, its derivative the covariance over the noise."""
    signal, law = 0.3, mixture.law(0)
    x, v = jnp.asarray(rng.standard_normal(4)), jnp.asarray(rng.standard_normal(4))
    tweedie = (x + (1 - signal) * law.noised(signal).score(x)) / np.sqrt(signal)
    np.testing.assert_allclose(law.posterior(x, signal).mean(), tweedie, rtol=1e-10)
    _, slope = jax.jit(lambda x, v: jax.jvp(lambda x: law.posterior(x, signal).mean(), (x,), (v,)))(x, v)
    covariance = law.posterior(x, signal).covariance_times(v)
    np.testing.assert_allclose(slope, np.sqrt(signal) / (1 - signal) * covariance, rtol=1e-10)


def test_posterior_without_signal_is_the_prior() -> None:
    law = DENSE.law(0)
    same = law.posterior(jnp.ones(4), 0.0)
    np.testing.assert_allclose(same.means, law.means, rtol=1e-15)
    np.testing.assert_allclose(same.spectra, law.spectra, rtol=1e-15)
    np.testing.assert_allclose(same.log_weights, law.log_weights, rtol=1e-14)


def test_draws_have_the_moments_of_the_law() -> None:
    """Moments of 40,000 draws within 4.5 standard errors (20 of them)."""
    n = 40_000
    x = np.asarray(DENSE.sample(jax.random.key(0), jnp.zeros(n, int)))
    law = DENSE.law(0)
    covariance = jax.vmap(law.covariance_times)(jnp.eye(4))
    centred = x - np.asarray(law.mean())
    squares = centred[:, :, None] * centred[:, None, :]
    for found, exact in ((x, law.mean()), (squares, covariance)):
        z = (found.mean(0) - np.asarray(exact)) / (found.std(0) / np.sqrt(n))
        assert np.abs(z).max() < 4.5


def test_forms_of_the_same_mixture() -> None:
    """One component with or without its axis, isotropic covariances as numbers or as matrices."""
    means = [[0.0, 1.0], [2.0, 3.0]]
    forms = [
        GaussianMixture(means, 0.5),
        GaussianMixture(means, [0.5, 0.5]),
        GaussianMixture(means, [0.5 * np.eye(2)] * 2),
        GaussianMixture([[m] for m in means], [[0.5], [0.5]], [[1], [1]]),
        GaussianMixture([[m, m] for m in means], 0.5),
    ]
    x = jnp.array([0.3, -0.2])
    found = [form.law(1).log_density(x) for form in forms]
    np.testing.assert_allclose(found, multivariate_normal([2, 3], 0.5).logpdf(x), rtol=1e-13)
    assert all(isinstance(form, Generator) and (form.dimension, form.classes) == (2, 2) for form in forms)


def test_a_component_without_weight_has_no_part() -> None:
    plain = GaussianMixture(MEANS[1:, :2], COVARIANCES[1:, :2], WEIGHTS[1:, :2]).law(0)
    x = jnp.asarray(rng.standard_normal(4))
    np.testing.assert_allclose(DENSE.law(1).score(x), plain.score(x), rtol=1e-12)
    np.testing.assert_allclose(jax.grad(DENSE.law(1).log_density)(x), plain.score(x), rtol=1e-10)


@pytest.mark.parametrize("sampler", [Langevin(2), ReverseDiffusion(2)])
def test_strength_zero_is_the_generator_itself(sampler: Langevin | ReverseDiffusion) -> None:
    mixture = GaussianMixture(MEANS, COVARIANCES, WEIGHTS, sampler)
    labels, key = jnp.array([0, 1, 1]), jax.random.key(3)
    same = mixture.sample(key, labels, Guidance(LEARNER, 0.0))
    np.testing.assert_array_equal(same, mixture.sample(key, labels))
    assert mixture.cost(False) == 0


@pytest.mark.slow
def test_small_pieces_are_draws_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces of a large order come in order, each for its labels."""
    monkeypatch.setattr(gaussian_mixture, "ROOM", 200)
    apart = GaussianMixture([[-50.0], [50.0]], 1.0, sampler=Langevin(2))
    labels = jnp.arange(132) % 2
    x = np.asarray(apart.sample(jax.random.key(0), labels))
    np.testing.assert_array_equal(x[:, 0] > 0, labels == 1)
    assert len(np.unique(x)) == 132
    draws = apart.guided(jax.random.key(0), labels, Guidance(LEARNER, 1.0))
    np.testing.assert_array_equal(draws.examples[:, 0] > 0, labels == 1)
    assert draws.acceptance is not None and draws.acceptance.shape == (132,)


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (([[np.nan], [1.0]], 1.0), "means"),
        (([1.0, 2.0], 1.0), "means"),
        ((np.zeros((2, 0)), 1.0), "means"),
        (([[0.0], [1.0]], 0.0), "covariances"),
        (([[0.0], [1.0]], [1.0, 1.0, 1.0]), "covariances"),
        (([[0.0], [1.0]], [1.0, np.inf]), "covariances"),
        (([[0.0, 0.0]], [[[1.0, 0.5], [0.4, 1.0]]]), "covariances"),
        (([[0.0, 0.0]], [[[1.0, 2.0], [2.0, 1.0]]]), "covariances"),
        (([[0.0, 0.0]], [[[1.0, 1.0], [1.0, 1.0]]]), "covariances"),
        (([[[0.0], [1.0]]], 1.0, [[0.5, 0.6]]), "weights"),
        (([[[0.0], [1.0]]], 1.0, [[1.5, -0.5]]), "weights"),
        (([[[0.0], [1.0]]], 1.0, [0.5, 0.5]), "weights"),
    ],
)
def test_bad_input_is_refused(arguments: tuple[object, ...], field: str) -> None:
    with pytest.raises(InvalidSetting) as error:
        GaussianMixture(*arguments)  # type: ignore[arg-type]
    assert error.value.field == field


@pytest.mark.parametrize("labels", [[], [2], [-1, 0]])
@pytest.mark.parametrize("guidance", [None, Guidance(LEARNER, 1.0)])
def test_labels_that_are_no_classes(labels: list[int], guidance: Guidance | None) -> None:
    with pytest.raises(InvalidSetting, match="labels"):
        DENSE.sample(jax.random.key(0), jnp.asarray(labels, int), guidance)
