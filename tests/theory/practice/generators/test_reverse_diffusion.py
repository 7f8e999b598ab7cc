"""Reverse diffusion: exact without guidance; the prediction against quadrature; the sign of the guidance."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import kstest

from freeridge.solvers.errors import InvalidSetting
from freeridge.theory.practice.generator import Guidance
from freeridge.theory.practice.generators.gaussian_mixture import GaussianMixture
from freeridge.theory.practice.generators.importance import importance_sample
from freeridge.theory.practice.generators.langevin import Langevin
from freeridge.theory.practice.generators.mixture_law import MixtureLaw
from freeridge.theory.practice.generators.reverse_diffusion import ReverseDiffusion

COUNT = 4000
DIRECTION = jnp.array([1.0, 0.5])  # the learner's logits are +- this product
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(60)
MIXTURE = GaussianMixture(
    [[[-1.0, 0.0], [-2.0, 1.0]], [[1.0, 0.0], [0.5, 2.0]]], [[0.5, 0.2], [1.0, 0.7]], [[0.5, 0.5], [0.7, 0.3]]
)


def linear(x: Any) -> Any:
    return jnp.stack([-x @ DIRECTION, x @ DIRECTION])


def repeated(law: MixtureLaw, count: int) -> MixtureLaw:
    return jax.tree.map(lambda a: jnp.broadcast_to(a, (count, *a.shape)), law)


def entropy_of(guidance: Guidance, x: Any) -> tuple[float, float]:
    """Mean over examples, and its standard error."""
    values = np.asarray(jax.vmap(guidance.entropy)(x))
    return float(values.mean()), float(values.std() / np.sqrt(len(values)))


def plug_in(posterior: MixtureLaw, guidance: Guidance) -> Any:
    mean = posterior.mean()
    return mean + guidance.strength * posterior.covariance_times(jax.grad(guidance.entropy)(mean))


def exact(posterior: MixtureLaw, guidance: Guidance) -> Any:
    """E[x exp(omega H)] / E[exp(omega H)]: H depends on one projection, Gaussian in each component."""
    spread = posterior.spectra * DIRECTION  # isotropic components
    scale = jnp.sqrt(spread @ DIRECTION)
    projections = (posterior.means @ DIRECTION)[:, None] + scale[:, None] * NODES
    along = projections[..., None] * DIRECTION / (DIRECTION @ DIRECTION)  # points with these projections
    tilt = jnp.exp(guidance.strength * jax.vmap(jax.vmap(guidance.entropy))(along)) * WEIGHTS
    masses = jnp.exp(posterior.log_weights) * jnp.sum(tilt, axis=1)
    shifts = (tilt @ NODES / jnp.sum(tilt, axis=1) / scale)[:, None] * spread
    return masses @ (posterior.means + shifts) / jnp.sum(masses)


def reverse(
    law: MixtureLaw,
    guidance: Guidance,
    predict: Callable[[MixtureLaw, Guidance], Any],
    steps: int,
    noise_of: Callable[..., Any] | None = None,
) -> Any:
    """Reverse diffusion written plainly; `noise_of` changes the predicted noise as the paper prints it."""
    angles = np.linspace(np.pi / 2, 0, steps + 1)

    def one(x: Any) -> Any:
        def step(x: Any, ends: Any) -> tuple[Any, None]:
            now, then = ends
            posterior = law.posterior(x, jnp.cos(now) ** 2)
            clean = predict(posterior, guidance)
            noise = (x - jnp.cos(now) * clean) / jnp.sin(now)
            if noise_of is not None:
                noise = noise_of(x, now, noise)
                clean = (x - jnp.sin(now) * noise) / jnp.cos(now)
            return jnp.cos(then) * clean + jnp.sin(then) * noise, None

        return jax.lax.scan(step, x, (jnp.asarray(angles[:-1]), jnp.asarray(angles[1:])))[0]

    return jax.jit(jax.vmap(one))(jax.random.normal(jax.random.key(9), (COUNT, 2)))


def test_without_guidance_the_law_comes_back() -> None:
    """Both coordinates; 500 steps leave a spread that is too small by pi^2 / 4000, a quarter of a percent."""
    laws = repeated(MIXTURE.law(0), COUNT)
    x = np.asarray(ReverseDiffusion(500, None).draw(laws, jax.random.key(0), Guidance(linear, 0.0)).examples)
    plain = np.asarray(MIXTURE.sample(jax.random.key(1), jnp.zeros(COUNT, int)))
    for column in (0, 1):
        assert kstest(x[:, column], plain[:, column]).pvalue > 0.01


def test_spread_of_one_gaussian_after_few_steps() -> None:
    """Each step of DDIM shortens a standard normal by the cosine of its angle: exactly cos(pi / 2N)^N."""
    law = repeated(GaussianMixture([[0.0]], 1.0).law(0), COUNT)
    ends = [
        np.asarray(
            ReverseDiffusion(steps, None).draw(law, jax.random.key(0), Guidance(linear_1d, 0.0)).examples
        )
        for steps in (1, 50)
    ]
    np.testing.assert_allclose(ends[0], 0.0, atol=1e-12)
    start = jax.random.normal(jax.random.split(jax.random.key(0))[0], (COUNT, 1))
    np.testing.assert_allclose(ends[1], start * np.cos(np.pi / 100) ** 50, rtol=1e-10)


def linear_1d(x: Any) -> Any:
    return jnp.stack([-x[0], x[0]])


def test_sampler_is_the_plain_recursion() -> None:
    guidance = Guidance(linear, 2.0)
    laws = repeated(MIXTURE.law(1), COUNT)
    found = entropy_of(guidance, ReverseDiffusion(50, None).draw(laws, jax.random.key(0), guidance).examples)
    plain = entropy_of(guidance, reverse(MIXTURE.law(1), guidance, plug_in, 50))
    assert abs(found[0] - plain[0]) < 4 * np.hypot(found[1], plain[1])


def test_push_is_the_gradient_through_the_prediction() -> None:
    """omega Cov grad H equals (sin^2 / cos) omega times the gradient with respect to x_t, and goes up it."""
    guidance, law, angle = Guidance(linear, 2.0), MIXTURE.law(1), 0.7
    x = jnp.array([0.4, -1.0])
    signal = jnp.cos(angle) ** 2
    outer = jax.jit(jax.grad(lambda x: guidance.entropy(law.posterior(x, signal).mean())))(x)
    posterior = jax.jit(lambda x: law.posterior(x, signal))(x)
    push = eqx.filter_jit(plug_in)(posterior, guidance) - posterior.mean()
    assert float(outer @ push) > 0
    np.testing.assert_allclose(push, 2.0 * np.sin(angle) ** 2 / np.cos(angle) * outer, rtol=1e-10)


@pytest.mark.slow
@pytest.mark.parametrize("strength", [1.0, 5.0])
def test_sign_and_size_of_the_guidance(strength: float) -> None:
    """The tilted posterior mean gives the tilted law; the plug-in overshoots or falls short; the printed
    sign lowers the entropy.
    """
    law, guidance = MIXTURE.law(1), Guidance(linear, strength)
    truth = importance_sample(MIXTURE, jax.random.key(1), 1, 200_000, guidance)

    def printed(x: Any, angle: Any, noise: Any) -> Any:
        """The plus of the paper, without the factor that is the standard deviation of the noise."""
        signal = jnp.cos(angle) ** 2
        through = jax.grad(lambda x: guidance.entropy(law.posterior(x, signal).mean()))(x)
        return noise + guidance.strength * jnp.where(angle < 1.57, through, 0.0)

    none = eqx.tree_at(lambda g: g.strength, guidance, jnp.zeros(()))
    found = {
        "truth": truth.mean(truth.entropies),
        "exact": entropy_of(guidance, reverse(law, guidance, exact, 400)),
        "unguided": entropy_of(guidance, reverse(law, none, plug_in, 400)),
        "plug-in": entropy_of(guidance, reverse(law, guidance, plug_in, 400)),
        "printed": entropy_of(guidance, reverse(law, none, plug_in, 400, printed)),
        "corrected": entropy_of(
            guidance, ReverseDiffusion().draw(repeated(law, COUNT), jax.random.key(2), guidance).examples
        ),
    }
    print(f"strength {strength}: " + ", ".join(f"{k} {m:.4f}({s:.4f})" for k, (m, s) in found.items()))

    def apart(first: str, second: str) -> float:
        (a, da), (b, db) = found[first], found[second]
        return float((a - b) / np.hypot(da, db))

    assert abs(apart("exact", "truth")) < 3.5
    assert abs(apart("corrected", "truth")) < 3.5
    assert abs(apart("plug-in", "truth")) > 6
    assert apart("printed", "unguided") < -6 < 6 < apart("exact", "unguided")


def test_cost_counts_what_is_evaluated() -> None:
    assert GaussianMixture([[0.0]], 1.0, sampler=ReverseDiffusion(7, Langevin(3))).cost(True) == 7 + 7
    assert GaussianMixture([[0.0]], 1.0, sampler=ReverseDiffusion(7, None)).cost(True) == 7


def test_learner_that_answers_nan_is_refused() -> None:
    def undefined(x: Any) -> Any:
        return jnp.stack([jnp.log(x[0] - 50), x[0]])

    mixture = GaussianMixture([[-1.0], [1.0]], 1.0, sampler=ReverseDiffusion(2, None))
    with pytest.raises(InvalidSetting, match="guidance.logits"):
        mixture.sample(jax.random.key(0), jnp.zeros(5, int), Guidance(undefined, 1.0))


def test_bad_steps() -> None:
    with pytest.raises(InvalidSetting, match="steps"):
        ReverseDiffusion(0)
