r"""A small class-conditional diffusion model on an MLP, sampled with entropy guidance.

At time $t \in (0, 1)$ an example $x_0$ has become $x_t = \sqrt{\bar\alpha}\, x_0 + \sqrt{1 - \bar\alpha}\,
\epsilon$ with $\epsilon \sim N(0, I)$ and $\sqrt{\bar\alpha} = \cos(\pi t / 2)$. The network predicts the
velocity $v = \sqrt{\bar\alpha}\, \epsilon - \sqrt{1 - \bar\alpha}\, x_0$, from which

$$ \hat x_0 = \sqrt{\bar\alpha}\, x_t - \sqrt{1 - \bar\alpha}\, v , \qquad
   \epsilon_\theta = \sqrt{1 - \bar\alpha}\, x_t + \sqrt{\bar\alpha}\, v . $$

Guidance differentiates $\hat x_0$; computed from a predicted $\epsilon$ it is a difference divided by
$\sqrt{\bar\alpha}$, whose errors blow up at early times, and computed from $v$ it is not.
"""

from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.fields import require_count
from freeridge.theory.practice.generator import Guidance

_BLOCK = 128  # examples drawn at a time: one compiled program for any number of them
_LATEST = 0.98  # time at which sampling begins: the signal is 3 % there


class Denoiser(eqx.Module):
    """Velocity of noisy examples, given the time and the class; the last class stands for none.

    Each layer adds to the stream what a hidden layer makes of it, shifted by time and class.
    """

    into: Float[Array, "d width"]
    times: Float[Array, "frequencies width"]
    named: Float[Array, "classes_and_none width"]
    up: Float[Array, "layers width hidden"]
    down: Float[Array, "layers hidden width"]
    out: Float[Array, "width d"]

    def __call__(
        self, x: Float[Array, "n d"], time: Float[Array, " n"], labels: Int[Array, " n"]
    ) -> Float[Array, "n d"]:
        """The velocity at each example."""
        frequencies = jnp.arange(1, self.times.shape[0] // 2 + 1, dtype=jnp.float32)
        angles = np.float32(np.pi) * time[:, None] * frequencies
        shift = jnp.concatenate([jnp.cos(angles), jnp.sin(angles)], axis=1) @ self.times + self.named[labels]
        stream = x @ self.into

        def layer(stream: Array, weights: tuple[Array, Array]) -> tuple[Array, None]:
            up, down = weights
            return stream + jax.nn.silu(_normalised(stream + shift) @ up) @ down, None

        stream, _ = jax.lax.scan(layer, stream, (self.up, self.down))
        return _normalised(stream) @ self.out


def denoiser(rng: np.random.Generator, *, dimension: int, classes: int, width: int, layers: int) -> Denoiser:
    """A network before training; it predicts zero velocity."""

    def normal(*shape: int, scale: float) -> Array:
        return jnp.asarray(np.float32(scale) * rng.standard_normal(shape, np.float32))

    return Denoiser(
        into=normal(dimension, width, scale=dimension**-0.5),
        times=normal(16, width, scale=0.25),
        named=normal(classes + 1, width, scale=1.0),
        up=normal(layers, width, 2 * width, scale=width**-0.5),
        down=normal(layers, 2 * width, width, scale=(2 * width * layers) ** -0.5),
        out=jnp.zeros((width, dimension), jnp.float32),
    )


class DiffusionGenerator(eqx.Module):
    r"""Examples by deterministic (DDIM) sampling from a denoiser, guided on request.

    With the scale $c$ of classifier-free guidance, the strength $\omega$, and the learner's entropy $H(f)$,
    each step uses

    $$ \tilde\epsilon = (1 + c)\, \epsilon_\theta(x_t, y) - c\, \epsilon_\theta(x_t)
       - \omega \sqrt{1 - \bar\alpha}\, \nabla_{x_t} H\big(f(\hat x_0(x_t, y))\big) . $$

    The sign is that of a tilt towards high entropy: $\epsilon = -\sqrt{1 - \bar\alpha}\, \nabla \log p_t$,
    and $\nabla \log p_t$ grows by $\omega \nabla H$. The paper prints a plus. The tilt is approximate: the
    law $p(x) e^{\omega H(x)}$ needs $\log E[e^{\omega H(x_0)} \mid x_t]$, where the paper puts $\omega H$ at
    the mean $\hat x_0$.

    Parameters
    ----------
    network : Denoiser
    scale : float
        $c \ge 0$.
    steps : int
        Of the sampler.
    low, high : float
        Range of the data; $\hat x_0$ is kept in it.

    References
    ----------
    Improving the Scaling Laws of Synthetic Data with Deliberate Practice, section on entropy-guided sampling.
    J. Song, C. Meng, S. Ermon, Denoising diffusion implicit models, arXiv 2010.02502.
    T. Salimans, J. Ho, Progressive distillation, arXiv 2202.00512 (prediction of the velocity).
    """

    network: Denoiser
    scale: float = eqx.field(static=True, default=0.0)
    steps: int = eqx.field(static=True, default=25)
    low: float = eqx.field(static=True, default=-1.0)
    high: float = eqx.field(static=True, default=1.0)

    def __check_init__(self) -> None:
        require_count("steps", self.steps)
        if not isinstance(self.scale, int | float) or not self.scale >= 0:
            raise InvalidSetting("scale", self.scale, "a scale >= 0 of classifier-free guidance")
        if not self.low < self.high:
            raise InvalidSetting("low", self.low, f"less than high = {self.high}")

    @property
    def dimension(self) -> int:
        """Numbers of an example."""
        return self.network.into.shape[0]

    @property
    def classes(self) -> int:
        """Classes that can be asked for."""
        return self.network.named.shape[0] - 1

    def cost(self, guided: bool) -> int:
        """Evaluations of the network per example; its gradient counts as two more."""
        return self.steps * ((2 if self.scale else 1) + (2 if guided else 0))

    def sample(
        self, key: Array, labels: Int[Any, " n"], guidance: Guidance | None = None
    ) -> Float[Array, "n d"]:
        """One example for each label; see :class:`freeridge.theory.practice.generator.Generator`.

        Example i depends on the key, on its label and on i alone: more examples do not change the first.
        """
        wanted = np.asarray(labels, np.int32)
        if wanted.size == 0 or wanted.min() < 0 or wanted.max() >= self.classes:
            raise InvalidSetting("labels", labels, f"one or more classes from 0 to {self.classes - 1}")
        pieces = []
        for block, start in enumerate(range(0, len(wanted), _BLOCK)):
            here = wanted[start : start + _BLOCK]
            filled = jnp.asarray(np.resize(here, _BLOCK))
            pieces.append(_sample(self, jax.random.fold_in(key, block), filled, guidance)[: len(here)])
        return jnp.concatenate(pieces)


@eqx.filter_jit
def _sample(
    generator: DiffusionGenerator, key: Array, labels: Int[Array, " n"], guidance: Guidance | None
) -> Float[Array, "n d"]:
    """Noise, and the steps of the sampler."""
    # Quadratic in the step, so that the last is short: it goes to the mean of what is left, and detail finer
    # than the noise at its beginning would be lost.
    times = _LATEST * jnp.linspace(1.0, 0.0, generator.steps + 1, dtype=jnp.float32) ** 2
    x = jax.random.normal(key, (len(labels), generator.dimension), jnp.float32)
    step = partial(_step, generator, labels, guidance)
    x, _ = jax.lax.scan(step, x, (times[:-1], times[1:]))
    return x


def _step(
    generator: DiffusionGenerator,
    labels: Int[Array, " n"],
    guidance: Guidance | None,
    x: Float[Array, "n d"],
    times: tuple[Array, Array],
) -> tuple[Float[Array, "n d"], None]:
    """From one time to the next."""
    now, then = times
    signal, noise = levels(now)
    when = jnp.broadcast_to(now, labels.shape)

    def unsure(x: Float[Array, "n d"]) -> tuple[Float[Array, ""], Float[Array, "n d"]]:
        velocity = generator.network(x, when, labels)
        if guidance is None:
            return jnp.zeros((), jnp.float32), velocity
        return jnp.sum(jax.vmap(guidance.entropy)(signal * x - noise * velocity)), velocity

    if guidance is None:
        velocity, tilt = unsure(x)[1], jnp.zeros((), jnp.float32)
    else:
        slope, velocity = jax.grad(unsure, has_aux=True)(x)
        tilt = guidance.strength.astype(jnp.float32) * noise * slope
    if generator.scale:
        nobody = jnp.full_like(labels, generator.classes)
        without = generator.network(x, when, nobody)
        velocity = velocity + np.float32(generator.scale) * (velocity - without)
    tilted = noise * x + signal * velocity - tilt
    clean = jnp.clip((x - noise * tilted) / signal, generator.low, generator.high)
    direction = (x - signal * clean) / noise
    signal, noise = levels(then)
    return signal * clean + noise * direction, None


def levels(time: Float[Array, "*n"]) -> tuple[Float[Array, "*n"], Float[Array, "*n"]]:
    r"""What is left of the signal, $\sqrt{\bar\alpha}$, and the noise, $\sqrt{1 - \bar\alpha}$."""
    angle = np.float32(np.pi / 2) * time
    return jnp.cos(angle), jnp.sin(angle)


def _normalised(x: Float[Array, "n width"]) -> Float[Array, "n width"]:
    """Each row divided by its root mean square."""
    return x * jax.lax.rsqrt(jnp.mean(x * x, axis=-1, keepdims=True) + np.float32(1e-6))
