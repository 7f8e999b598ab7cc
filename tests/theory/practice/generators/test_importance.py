"""Guided examples against importance-weighted truth: an exact test, with power, that the samplers pass."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array, Float
from scipy.stats import binom, energy_distance, kstest, norm

from freeridge.solvers.errors import InvalidSetting
from freeridge.theory.practice.generator import Guidance
from freeridge.theory.practice.generators.gaussian_mixture import GaussianMixture
from freeridge.theory.practice.generators.importance import (
    TwoSample,
    energy_test,
    guided_test,
    importance_sample,
)
from freeridge.theory.practice.generators.langevin import Langevin
from freeridge.theory.practice.generators.reverse_diffusion import ReverseDiffusion

SAMPLERS: dict[str, Langevin | ReverseDiffusion] = {"Langevin": Langevin(), "diffusion": ReverseDiffusion()}


class Linear(eqx.Module):
    weights: Float[Array, "classes d"]

    def __call__(self, x: Float[Array, " d"]) -> Float[Array, " classes"]:
        return self.weights @ x


class Case(NamedTuple):
    law: tuple[Any, Any]
    learner: Any

    def generator(self, sampler: Langevin | ReverseDiffusion) -> GaussianMixture:
        return GaussianMixture(*self.law, sampler=sampler)


def covariances(rng: np.random.Generator, *shape: int, least: float) -> Any:
    """Random axes, eigenvalues between the least and 1."""
    axes = np.linalg.qr(rng.standard_normal((*shape, shape[-1])))[0]
    spectra = np.exp(rng.uniform(np.log(least), 0, shape))
    found = (axes * spectra[..., None, :]) @ axes.swapaxes(-1, -2)
    return (found + found.swapaxes(-1, -2)) / 2


def network(d: int, classes: int, seed: int) -> Any:
    """Two hidden layers, and logits large enough to be sure of many examples."""
    found = eqx.nn.MLP(d, classes, 16, 2, activation=jnp.tanh, key=jax.random.key(seed))
    return eqx.tree_at(lambda m: m.layers[-1].weight, found, replace_fn=lambda w: 6 * w)


def cases() -> dict[str, Case]:
    rng = np.random.default_rng(0)
    ten = rng.standard_normal((2, 10)) / 2
    return {
        "1-D, linear": Case(([[-1.0], [1.0]], 1.0), Linear(jnp.array([[-1.0], [1.0]]))),
        "1-D, components apart": Case(
            ([[[-5.0], [-0.5]], [[5.0], [0.5]]], 0.3), Linear(jnp.array([[-1.5], [1.5]]))
        ),
        "2-D, steep": Case(([[-1.0, 0.0], [1.0, 0.0]], 0.5), Linear(jnp.array([[-3.0, 0.0], [3.0, 1.0]]))),
        "10-D, dense": Case((ten, covariances(rng, 2, 10, least=0.1)), Linear(jnp.asarray(4 * ten))),
        "10-D, condition 1000": Case(
            (ten, covariances(rng, 2, 10, least=1e-3)), Linear(jnp.asarray(4 * ten))
        ),
        "3-D, 3 classes, dense, network": Case(
            (rng.standard_normal((3, 2, 3)), covariances(rng, 3, 2, 3, least=0.1)), network(3, 3, 5)
        ),
        "10-D, 3 classes, network": Case(
            (rng.standard_normal((3, 2, 10)), [[0.5, 1.0]] * 3), network(10, 3, 6)
        ),
    }


def test_weighted_mean_is_the_integral() -> None:
    """Self-normalised weights and thinned draws against quadrature, within 4 standard errors."""
    case, strength = cases()["1-D, linear"], 3.0
    guidance = Guidance(case.learner, strength)
    truth = importance_sample(case.generator(Langevin()), jax.random.key(0), 1, 50_000, guidance)

    grid = np.linspace(-8.0, 10.0, 20_001)
    tilt = norm.pdf(grid, 1) * np.exp(strength * jax.vmap(guidance.entropy)(jnp.asarray(grid)[:, None]))
    mass, first = (float(np.sum(grid**k * tilt)) * (grid[1] - grid[0]) for k in (0, 1))
    mean, error = truth.mean(truth.examples[:, 0])
    assert abs(mean - first / mass) < 4 * error
    x, entropies = truth.thinned(0)
    assert abs(x.mean() - first / mass) < 4 * x.std() / np.sqrt(len(x))
    assert abs(len(x) / 50_000 - mass / 2**strength) < 4 / np.sqrt(4 * 50_000)
    np.testing.assert_allclose(entropies, jax.vmap(guidance.entropy)(jnp.asarray(x)), rtol=1e-12)
    assert 1 < truth.effective_size < 50_000
    np.testing.assert_array_equal(x, truth.thinned(0)[0])


def test_without_tilt_all_weights_are_equal() -> None:
    case, count = cases()["2-D, steep"], 20_000
    guidance = Guidance(case.learner, 0.0)
    truth = importance_sample(case.generator(Langevin()), jax.random.key(0), 0, count, guidance)
    assert truth.effective_size == pytest.approx(count, rel=1e-12)
    assert len(truth.thinned(1)[0]) == count


def test_energy_distance_is_that_of_scipy() -> None:
    """In one dimension SciPy has the root of half of it."""
    x, y = np.random.default_rng(0).standard_normal((2, 50, 1))
    y = y[:30] + 0.3
    spread = np.concatenate([x, y]).std()
    expected = 2 * energy_distance(x[:, 0] / spread, y[:, 0] / spread) ** 2 / 2
    assert energy_test(0, x, y, 9).distance == pytest.approx(expected, rel=1e-10)


def test_p_values_of_equal_laws_are_uniform() -> None:
    rng = np.random.default_rng(1)
    found = [
        energy_test(i, rng.standard_normal((40, 2)), rng.standard_normal((30, 2)), 99).p_value
        for i in range(300)
    ]
    assert kstest(np.array(found) - rng.uniform(0, 0.01, 300), "uniform").pvalue > 0.01


@pytest.mark.parametrize("name", [pytest.param("Langevin", marks=pytest.mark.slow), "diffusion"])
def test_guided_examples_pass(name: str) -> None:
    case = cases()["2-D, steep"]
    found = guided_test(case.generator(SAMPLERS[name]), jax.random.key(0), 1, Guidance(case.learner, 3.0))
    print(name, found)
    assert found.p_value > 0.01


class Unguided(eqx.Module):
    """A generator that does not listen."""

    mixture: GaussianMixture
    dimension: int = 2
    classes: int = 2

    def cost(self, guided: bool) -> int:
        return 0

    def sample(self, key: Any, labels: Any, guidance: Guidance | None = None) -> Any:
        return self.mixture.sample(key, labels)


def test_examples_of_another_law_fail() -> None:
    """Unguided ones, those of the plug-in alone, and those of a tilt a third too weak."""
    case = cases()["2-D, steep"]
    guidance = Guidance(case.learner, 3.0)
    mixture = case.generator(ReverseDiffusion(corrector=None))
    assert guided_test(Unguided(mixture), jax.random.key(0), 1, guidance).p_value == 0.001
    assert guided_test(mixture, jax.random.key(1), 1, guidance).p_value == 0.001
    strong, weak = (
        importance_sample(mixture, jax.random.key(k), 1, 20_000, Guidance(case.learner, s)).thinned(k)[0][
            :1000
        ]
        for k, s in ((2, 3.0), (3, 2.0))
    )
    assert energy_test(4, strong, weak).p_value < 0.01


@pytest.mark.slow
@pytest.mark.parametrize("name", SAMPLERS)
def test_guided_examples_pass_everywhere(name: str) -> None:
    """7 laws, 3 strengths, 2 seeds: p values as they would be for exact draws, each printed."""
    found: list[float] = []
    for title, case in cases().items():
        for strength in (0.5, 2.0, 5.0):
            for seed in (0, 1):
                key = jax.random.fold_in(jax.random.key(seed), len(found))
                generator, guidance = case.generator(SAMPLERS[name]), Guidance(case.learner, strength)
                found.append(guided_test(generator, key, 1, guidance).p_value)
                print(f"{name}; {title}; strength {strength}; seed {seed}: p = {found[-1]:.3f}")
    print(f"{name}: uniform with p = {kstest(found, 'uniform').pvalue:.3f}, least {min(found):.3f}")
    assert kstest(found, "uniform").pvalue > 0.01
    assert np.sum(np.array(found) <= 0.05) <= binom(len(found), 0.05).ppf(0.999)


@pytest.mark.slow
def test_power_everywhere() -> None:
    """At strength 5 unguided draws fail with every learner, the plug-in alone with every linear one."""
    plug_in = ReverseDiffusion(corrector=None)
    for title, case in cases().items():
        guidance, generator = Guidance(case.learner, 5.0), case.generator(plug_in)
        results: dict[str, TwoSample] = {
            "plug-in": guided_test(generator, jax.random.key(0), 1, guidance),
            "unguided": guided_test(Unguided(generator), jax.random.key(1), 1, guidance),
        }
        print(title, {name: (round(r.distance, 4), r.p_value) for name, r in results.items()})
        assert results["unguided"].p_value <= 0.005
        assert results["plug-in"].p_value <= 0.005 or not isinstance(case.learner, Linear)


def test_bad_input_is_refused() -> None:
    case = cases()["1-D, linear"]
    mixture, key = case.generator(Langevin(2)), jax.random.key(0)
    with pytest.raises(InvalidSetting, match="pool"):
        guided_test(Unguided(mixture), key, 1, Guidance(case.learner, 1.0), count=21, pool=21)
    with pytest.raises(InvalidSetting, match="count"):
        importance_sample(mixture, key, 1, 0, Guidance(case.learner, 1.0))
    with pytest.raises(InvalidSetting, match="second"):
        energy_test(0, np.zeros((30, 1)), np.zeros((5, 1)))
    with pytest.raises(InvalidSetting, match="first"):
        energy_test(0, np.full((30, 1), np.nan), np.zeros((30, 1)))
    with pytest.raises(InvalidSetting, match="guidance.logits"):
        importance_sample(mixture, key, 1, 21, Guidance(lambda x: jnp.stack([jnp.log(x[0]), x[0]]), 1.0))
