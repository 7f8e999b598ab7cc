"""Training of the network on labels that are true, or given by a frozen earlier network.

Network training is in single precision throughout, unlike all theory here: a network that names a class
gains nothing from more, and loses half the speed.

What step s draws depends on the key and s alone: a training that is stopped and taken up again gives the
very same numbers.
"""

from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from freeridge.theory.arithmetic.network import Network
from freeridge.theory.arithmetic.pairs import Pairs

PIECE = 8192  # rows that go through the network at a time when it is tested


class Learner(eqx.Module):
    """A network in training.

    Parameters
    ----------
    network : Network
    memory : pytree
        What the optimiser keeps.
    step : int array
        Steps done.
    """

    network: Network
    memory: Any
    step: Int[Array, ""]


class Lesson(eqx.Module):
    """What and how a network is taught.

    Parameters
    ----------
    pairs : Pairs
        Where operands come from.
    batch : int
        Examples of a step.
    rate : float
        Step size of Adam.
    warmup : int
        Steps over which it grows from zero.
    share : float
        Share of the examples with their true label; the others have the one the teacher gives.
    teacher : Network
        Not asked when all labels are true.
    """

    pairs: Pairs
    batch: int = eqx.field(static=True)
    rate: float = eqx.field(static=True)
    warmup: int = eqx.field(static=True)
    share: Float[Array, ""]
    teacher: Network


def adam(rate: float, warmup: int) -> Any:
    """The optimiser: Adam with a linear warm-up.

    Raises
    ------
    ImportError
        When optax is not there.
    """
    try:
        import optax
    except ImportError:
        raise ImportError("networks are trained with optax: pip install 'freeridge[train]'") from None
    return optax.adam(optax.schedules.linear_schedule(0.0, rate, warmup), b2=0.98)


def beginner(network: Network, lesson: Lesson) -> Learner:
    """A network before its first step."""
    return Learner(network, adam(lesson.rate, lesson.warmup).init(network), jnp.zeros((), jnp.int32))


@partial(jax.jit, static_argnames="steps")
def train(learner: Learner, lesson: Lesson, key: Array, steps: int) -> tuple[Learner, Float[Array, ""]]:
    """So many steps, and the mean loss over them.

    Parameters
    ----------
    learner : Learner
    lesson : Lesson
    key : JAX key
        Step s draws from the key folded with s.
    steps : int
    """
    optimiser = adam(lesson.rate, lesson.warmup)

    def step(now: Learner, _: None) -> tuple[Learner, Array]:
        digits, labels = examples(lesson, jax.random.fold_in(key, now.step))
        loss, slope = jax.value_and_grad(_loss)(now.network, digits, labels)
        with jax.numpy_dtype_promotion("standard"):  # optax multiplies its int32 counter by floats
            change, memory = optimiser.update(slope, now.memory)
        network = jax.tree.map(jnp.add, now.network, change)
        return Learner(network, memory, now.step + jnp.int32(1)), loss

    learner, losses = jax.lax.scan(step, learner, None, length=steps)
    return learner, jnp.mean(losses)


def examples(lesson: Lesson, key: Array) -> tuple[Int[Array, "batch length"], Int[Array, " batch"]]:
    """Digits and labels of one step."""
    operands = lesson.pairs.draw(jax.random.fold_in(key, 0), lesson.batch)
    digits, labels = lesson.pairs.digits(operands), lesson.pairs.label(operands)

    def mixed() -> Array:
        is_true = jax.random.uniform(jax.random.fold_in(key, 1), labels.shape, jnp.float32) < lesson.share
        return jnp.where(is_true, labels, jnp.argmax(lesson.teacher(digits), axis=1).astype(jnp.int32))

    return digits, jax.lax.cond(lesson.share < 1, mixed, lambda: labels)


def _loss(
    network: Network, digits: Int[Array, "batch length"], labels: Int[Array, " batch"]
) -> Float[Array, ""]:
    """Mean cross entropy."""
    logits = jax.nn.log_softmax(network(digits), axis=1)
    return -jnp.mean(jnp.take_along_axis(logits, labels[:, None], axis=1))


def predictions(
    network: Network, pairs: Pairs, operands: Int[np.ndarray, "rows 2"]
) -> Int[np.ndarray, " rows"]:
    """The most likely label of each pair."""
    pieces = [operands[start : start + PIECE] for start in range(0, len(operands), PIECE)]
    return np.concatenate([np.asarray(_most_likely(network, pairs.digits(piece))) for piece in pieces])


@jax.jit
def _most_likely(network: Network, digits: Int[Any, "rows length"]) -> Int[Array, " rows"]:
    return jnp.argmax(network(digits), axis=1)
