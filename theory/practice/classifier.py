"""The learner: a small multilayer perceptron, trained with AdamW under a warm-up, stable, decay schedule.

Networks are in single precision throughout, as in :mod:`freeridge.theory.arithmetic.learning`: a network that
names a class gains nothing from more.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.fields import require_count
from freeridge.solvers.perceptron import Perceptron

PIECE = 4096  # examples that go through the network at a time when it is tested


class Course(eqx.Module):
    r"""How a classifier is trained.

    The rate of step $s$ of $S$ grows linearly over the warm-up share, stays, and falls to zero along half a
    cosine over the cool-down share: while it stays, examples can be added without a schedule to restart.

    Parameters
    ----------
    steps, batch : int
        $S$, and the examples of a step, drawn uniformly from the pool.
    rate : float
        Step size of AdamW while it stays.
    warmup, cooldown : float
        Shares of the steps; the paper has 0.1 and 0.2.
    decay : float
        Weight decay of AdamW.
    smoothing : float
        Of the labels: each class has this share of the label, divided by the number of classes, and the
        right one the rest besides; the paper has 0.11. Without it a learner soon answers all it has seen
        with an entropy of zero, of which the gradient says nothing.
    width, layers : int
        Of the classifier: hidden layers and their width.

    Examples
    --------
    >>> course = Course(steps=1000, batch=64, rate=1e-3)
    >>> [round(float(course.rate_at(step)), 6) for step in (0, 50, 500, 900, 1000)]
    [0.0, 0.0005, 0.001, 0.0005, 0.0]

    References
    ----------
    Improving the Scaling Laws of Synthetic Data with Deliberate Practice, appendix on training details.
    """

    steps: int = eqx.field(static=True)
    batch: int = eqx.field(static=True)
    rate: float = eqx.field(static=True)
    warmup: float = eqx.field(static=True, default=0.1)
    cooldown: float = eqx.field(static=True, default=0.2)
    decay: float = eqx.field(static=True, default=0.01)
    smoothing: float = eqx.field(static=True, default=0.0)
    width: int = eqx.field(static=True, default=128)
    layers: int = eqx.field(static=True, default=2)

    def __check_init__(self) -> None:
        for name in ("steps", "batch", "width", "layers"):
            require_count(name, getattr(self, name))
        require_share("rate", self.rate, "a step size between 0 and 1", positive=True)
        require_share("decay", self.decay, "a weight decay in [0, 1)")
        require_share("smoothing", self.smoothing, "a share of the labels in [0, 1)")
        for name in ("warmup", "cooldown"):
            require_share(name, getattr(self, name), "a share of the steps in [0, 1)")
        if self.warmup + self.cooldown > 1:
            raise InvalidSetting("warmup", self.warmup, f"at most 1 - cooldown = {1 - self.cooldown:g}")

    @property
    def stable_end(self) -> int:
        """The step at which the cool-down begins."""
        return self.steps - round(self.cooldown * self.steps)

    def rate_at(self, step: Any) -> Float[Array, ""]:
        """Step size at a step, in single precision."""
        now = jnp.asarray(step).astype(jnp.float32)
        warm = max(round(self.warmup * self.steps), 1)
        cool = max(self.steps - self.stable_end, 1)
        grown = jnp.minimum(now / warm, 1.0)
        fallen = jnp.clip((now - self.stable_end) / cool, 0.0, 1.0)
        return self.rate * grown * 0.5 * (1.0 + jnp.cos(np.float32(np.pi) * fallen))


class Learner(eqx.Module):
    """A network in training.

    Parameters
    ----------
    network : equinox module
    memory : pytree
        What the optimiser keeps.
    step : int array
        Steps done.
    """

    network: Any
    memory: Any
    step: Int[Array, ""]


def adamw(course: Course) -> Any:
    """The optimiser.

    Raises
    ------
    ImportError
        When optax is not there.
    """
    try:
        import optax
    except ImportError:
        raise ImportError("networks are trained with optax: pip install 'freeridge[train]'") from None
    return optax.adamw(course.rate_at, weight_decay=course.decay)


def beginner(course: Course, network: Any) -> Learner:
    """A network before its first step."""
    return Learner(network, adamw(course).init(network), jnp.zeros((), jnp.int32))


def update(learner: Learner, optimiser: Any, slope: Any) -> Learner:
    """One step of the optimiser along the gradient of the loss."""
    with jax.numpy_dtype_promotion("standard"):  # optax multiplies its int32 counter by floats
        change, memory = optimiser.update(slope, learner.memory, learner.network)
    return Learner(jax.tree.map(jnp.add, learner.network, change), memory, learner.step + jnp.int32(1))


@eqx.filter_jit
def train(
    learner: Learner,
    course: Course,
    inputs: Float[Any, "steps batch d"],
    labels: Int[Any, "steps batch"],
) -> tuple[Learner, Float[Array, ""]]:
    """One step on each of the batches, and the mean cross entropy over them."""
    optimiser = adamw(course)

    def step(now: Learner, batch: tuple[Array, Array]) -> tuple[Learner, Array]:
        loss, slope = jax.value_and_grad(_loss)(now.network, *batch, course.smoothing)
        return update(now, optimiser, slope), loss

    learner, losses = jax.lax.scan(step, learner, (inputs, labels))
    return learner, jnp.mean(losses)


def _loss(
    network: Perceptron, inputs: Float[Array, "batch d"], labels: Int[Array, " batch"], smoothing: float
) -> Float[Array, ""]:
    """Mean cross entropy with smoothed labels."""
    logs = jax.nn.log_softmax(jax.vmap(network)(inputs), axis=1)
    right = jnp.mean(jnp.take_along_axis(logs, labels[:, None], axis=1))
    return -(1 - smoothing) * right - smoothing * jnp.mean(logs)


def accuracy(network: Perceptron, inputs: Float[np.ndarray, "n d"], labels: Int[np.ndarray, " n"]) -> float:
    """Share of the examples whose most likely class is their label."""
    return float(np.mean(np.argmax(_in_pieces(_logits, network, inputs), axis=1) == labels))


def entropies(network: Perceptron, inputs: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " n"]:
    """Entropy of the answer to each example, in nats."""
    logs = np.asarray(jax.nn.log_softmax(_in_pieces(_logits, network, inputs), axis=1))
    return -np.sum(np.exp(logs) * logs, axis=1)


def _in_pieces(of: Any, network: Perceptron, inputs: Float[np.ndarray, "n d"]) -> np.ndarray:
    pieces = [inputs[start : start + PIECE] for start in range(0, len(inputs), PIECE)]
    return np.concatenate([np.asarray(of(network, piece)) for piece in pieces])


@jax.jit
def _logits(network: Perceptron, inputs: Float[Any, "n d"]) -> Float[Array, "n classes"]:
    return jax.vmap(network)(inputs)


def require_share(name: str, value: Any, expected: str, *, positive: bool = False) -> None:
    """Refuse what is no number in [0, 1), or in (0, 1)."""
    good = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1
    if not good or (positive and value == 0):
        raise InvalidSetting(name, value, expected)
