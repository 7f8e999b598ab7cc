"""Training of the diffusion model, with checkpoints from which it is taken up again to the same bits."""

import os
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from freeridge.solvers.checkpoints import load, save, stream
from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.replicates import key_entropy
from freeridge.solvers.storage import fingerprint
from freeridge.theory.practice.classifier import Course, Learner, adamw, beginner, update
from freeridge.theory.practice.generators.diffusion_model import Denoiser, denoiser, levels

_STEPS = 250  # in one compiled call, and between two checkpoints
_WEIGHTS, _EXAMPLES = 0, 1  # streams of random numbers


def trained(
    inputs: Float[np.ndarray, "n d"],
    labels: Int[np.ndarray, " n"],
    course: Course,
    key: Any,
    folder: str | os.PathLike[str] | None = None,
    *,
    nameless: float = 0.1,
) -> Denoiser:
    """A denoiser of these examples.

    Parameters
    ----------
    inputs, labels : arrays
        Classes are counted from 0 to the largest label.
    course : Course
        Steps, rate, width and layers.
    key : int, sequence of int or JAX key
    folder : path, optional
        For a checkpoint every 250 steps, under a name that stands for all the arguments.
    nameless : float
        Share of the examples shown without their class, for classifier-free guidance.
    """
    if inputs.ndim != 2 or len(inputs) != len(labels) or len(inputs) == 0:
        raise InvalidSetting("inputs", inputs, "one or more rows, and a label for each")
    rng = np.random.default_rng(np.random.SeedSequence(key_entropy(key), spawn_key=(_WEIGHTS,)))
    classes = int(labels.max()) + 1
    network = denoiser(
        rng, dimension=inputs.shape[1], classes=classes, width=course.width, layers=course.layers
    )
    learner, path = beginner(course, network), None
    if folder is not None:
        plan = fingerprint(inputs, labels, course, nameless, key_entropy(key))
        path = Path(folder) / f"diffusion-{plan[:16]}.npz"
        if path.exists():
            learner, _ = load(path, learner)
    data = jnp.asarray(inputs, jnp.float32), jnp.asarray(labels, jnp.int32)
    examples = stream(key, _EXAMPLES)
    while (done := int(learner.step)) < course.steps:
        count = min(_STEPS, course.steps - done)
        learner = _train(learner, course, data, examples, count, nameless)
        if path is not None:
            save(path, learner)
    result: Denoiser = learner.network
    return result


@eqx.filter_jit
def _train(
    learner: Learner, course: Course, data: tuple[Array, Array], key: Array, steps: int, nameless: float
) -> Learner:
    """So many steps; what step s draws depends on the key and s alone."""
    optimiser, (inputs, labels) = adamw(course), data
    none = jnp.int32(learner.network.named.shape[0] - 1)

    def step(now: Learner, _: None) -> tuple[Learner, None]:
        which, when, noise, named = jax.random.split(jax.random.fold_in(key, now.step), 4)
        rows = jax.random.randint(which, (course.batch,), 0, len(inputs))
        time = jax.random.uniform(when, (course.batch,), jnp.float32)
        hidden = jax.random.uniform(named, (course.batch,), jnp.float32) < nameless
        noise = jax.random.normal(noise, (course.batch, inputs.shape[1]), jnp.float32)
        shown = jnp.where(hidden, none, labels[rows])
        slope = jax.grad(_loss)(now.network, inputs[rows], noise, time, shown)
        return update(now, optimiser, slope), None

    return jax.lax.scan(step, learner, None, length=steps)[0]


def _loss(
    network: Denoiser,
    clean: Float[Array, "batch d"],
    noise: Float[Array, "batch d"],
    time: Float[Array, " batch"],
    labels: Int[Array, " batch"],
) -> Float[Array, ""]:
    """Mean square error of the velocity."""
    signal, level = (one[:, None] for one in levels(time))
    error = network(signal * clean + level * noise, time, labels) - (signal * noise - level * clean)
    return jnp.mean(error * error)
