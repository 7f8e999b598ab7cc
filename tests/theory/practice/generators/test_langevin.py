"""Langevin chains keep the tilted law, find it from anywhere, and say how they fared."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import kstest

from freeridge.solvers.errors import InvalidSetting
from freeridge.theory.practice.generator import Guidance
from freeridge.theory.practice.generators.gaussian_mixture import GaussianMixture
from freeridge.theory.practice.generators.langevin import Draws, Langevin
from freeridge.theory.practice.generators.mixture_law import MixtureLaw

SAMPLER, COUNT = Langevin(100), 4000  # the same everywhere: compiled once


def slope(x: Any) -> Any:
    return jnp.stack([-1.5 * x[0], 1.5 * x[0]])


def two_modes(weight: float) -> MixtureLaw:
    means = jnp.array([[-4.0], [0.5]])
    return MixtureLaw(jnp.log(jnp.array([weight, 1 - weight])), means, jnp.array([[0.3], [0.1]]))


def repeated(law: MixtureLaw, count: int) -> MixtureLaw:
    return jax.tree.map(lambda a: jnp.broadcast_to(a, (count, *a.shape)), law)


def distribution(law: MixtureLaw, guidance: Guidance) -> Any:
    """Distribution function of the tilted law in one dimension, from its density by quadrature."""
    grid = np.linspace(-12.0, 12.0, 20_001)
    log: Any = jax.vmap(lambda x: law.log_density(x) + guidance.strength * guidance.entropy(x))
    density = np.exp(np.asarray(log(jnp.asarray(grid)[:, None])))
    total = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2)])
    return lambda x: np.interp(x, grid, total / total[-1])


@pytest.mark.parametrize("strength", [1.0, 4.0])
@pytest.mark.parametrize("weight", [pytest.param(0.5, marks=pytest.mark.slow), 0.9])
def test_law_in_one_dimension_is_that_of_quadrature(strength: float, weight: float) -> None:
    """Also with two components far apart, whose masses the tilt changes."""
    guidance, law = Guidance(slope, strength), two_modes(weight)
    draws = SAMPLER.draw(repeated(law, COUNT), jax.random.key(0), guidance)
    p_value = kstest(np.asarray(draws.examples)[:, 0], distribution(law, guidance)).pvalue
    print(f"strength {strength}, weight {weight}: p = {p_value:.3f}")
    assert p_value > 0.01


def test_chains_forget_a_start_far_away() -> None:
    guidance, law = Guidance(slope, 2.0), two_modes(0.5)
    start = jnp.full((COUNT, 1), 9.0)
    draws = SAMPLER.continued(repeated(law, COUNT), jax.random.key(1), guidance, start)
    assert kstest(np.asarray(draws.examples)[:, 0], distribution(law, guidance)).pvalue > 0.01


def test_what_the_chains_report() -> None:
    """Acceptance near the wish; the mean tilt of the offers is the integral that bounds the distance."""
    guidance, law = Guidance(slope, 3.0), two_modes(0.5)
    draws = SAMPLER.draw(repeated(law, COUNT), jax.random.key(2), guidance)
    assert draws.acceptance is not None and draws.keep is not None
    assert abs(float(draws.acceptance.mean()) - 0.574) < 0.1

    grid = jnp.linspace(-10.0, 10.0, 20_001)[:, None]
    tilt = jax.vmap(lambda x: law.log_density(x) + 3.0 * (guidance.entropy(x) - np.log(2)))(grid)
    kappa = float(jnp.sum(jnp.exp(tilt))) * 1e-3
    error = float(draws.keep.std()) / np.sqrt(COUNT)
    assert abs(float(draws.keep.mean()) - kappa) < 4 * error


def test_same_key_same_examples_other_key_others() -> None:
    guidance, laws = Guidance(slope, 1.0), repeated(two_modes(0.5), COUNT)
    first, again, other = (SAMPLER.draw(laws, jax.random.key(k), guidance).examples for k in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.any(first == other)


@pytest.mark.slow
def test_learner_in_single_precision() -> None:
    def single(x: Any) -> Any:
        return jnp.stack([-x[0], x[0]]).astype(jnp.float32)

    draws = Langevin(4).draw(repeated(two_modes(0.5), 5), jax.random.key(0), Guidance(single, 1.0))
    assert draws.examples.dtype == jnp.float64


def undefined(x: Any) -> Any:
    return jnp.stack([jnp.log(x[0]), x[0]])


def infinite_slope(x: Any) -> Any:
    return jnp.stack([jnp.sqrt(jnp.maximum(x[0], 0.0)), 0.0 * x[0]])


@pytest.mark.parametrize("learner", [undefined, pytest.param(infinite_slope, marks=pytest.mark.slow)])
def test_learner_that_answers_nan_is_refused(learner: Any) -> None:
    mixture = GaussianMixture([[-1.0], [1.0]], 1.0, sampler=Langevin(4))
    with pytest.raises(InvalidSetting, match="guidance.logits = .*finite"):
        mixture.sample(jax.random.key(0), jnp.zeros(50, int), Guidance(learner, 1.0))


@pytest.mark.slow
def test_under_jit() -> None:
    """No value to look at, the same draws."""
    guidance, laws = Guidance(slope, 1.0), repeated(two_modes(0.5), 5)

    def draw(key: Any) -> Draws:
        return Langevin(4).draw(laws, key, guidance)

    np.testing.assert_allclose(
        jax.jit(draw)(jax.random.key(0)).examples, draw(jax.random.key(0)).examples, rtol=1e-12
    )


@pytest.mark.parametrize("steps", [0, 1, -3])
def test_bad_steps(steps: int) -> None:
    with pytest.raises(InvalidSetting, match="steps"):
        Langevin(steps)
