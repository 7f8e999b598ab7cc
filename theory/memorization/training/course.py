"""How a network is trained: epochs, batches and the optimiser."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.fields import Scalar, known, require, require_count

OPTIMISERS = ("sgd", "adamw")


def _number(name: str, **default: Any) -> Any:
    """A field in single precision."""

    def convert(value: Any) -> Array:
        try:
            number = jnp.asarray(value, jnp.float32)
        except (TypeError, ValueError):
            raise InvalidSetting(name, value, "a number") from None
        if number.ndim:
            raise InvalidSetting(name, value, "one number")
        return number

    return eqx.field(converter=convert, **default)


class Course(eqx.Module):
    r"""Epochs, batches and the optimiser.

    An epoch is one pass over the data: one step on all of them, or a step on each of the whole batches of a
    new order, the examples that are left over waiting for another.

    Parameters
    ----------
    epochs : int
    rate : float
        Step size.
    batch : int, optional
        Examples of a step; without it, or when there are no more examples, all of them at every step.
    optimiser : {"sgd", "adamw"}
        Gradient descent, $v \gets \mu v + g + \lambda w$, $w \gets w - \eta v$, or AdamW, which needs optax.
    momentum : float
        $\mu$ of gradient descent.
    decay : float
        Weight decay, $\lambda$.

    Raises
    ------
    InvalidSetting
        For a field that makes no sense.

    Examples
    --------
    >>> Course(epochs=1000, rate=0.01, batch=64).steps(1000), Course(epochs=10, rate=0.01).steps(1000)
    (15, 1)
    """

    epochs: int = eqx.field(static=True)
    # Arrays, not static: one compiled program serves all step sizes.
    rate: Scalar = _number("rate")
    batch: int | None = eqx.field(static=True, default=None)
    optimiser: str = eqx.field(static=True, default="sgd")
    momentum: Scalar = _number("momentum", default=0.0)
    decay: Scalar = _number("decay", default=0.0)

    def __check_init__(self) -> None:
        require_count("epochs", self.epochs)
        if self.batch is not None:
            require_count("batch", self.batch)
        if self.optimiser not in OPTIMISERS:
            raise InvalidSetting("optimiser", self.optimiser, "one of " + ", ".join(OPTIMISERS))
        require("rate", self.rate, lambda v: v > 0, "a finite step size > 0")
        require("momentum", self.momentum, lambda v: (v >= 0) & (v < 1), "a number in [0, 1)")
        require("decay", self.decay, lambda v: v >= 0, "a finite weight decay >= 0")
        if self.optimiser != "sgd" and np.any(known(self.momentum)):
            raise InvalidSetting("momentum", float(self.momentum), "0: only sgd has it")

    def steps(self, count: int) -> int:
        """Steps of an epoch over so many examples."""
        return 1 if self.is_whole(count) else count // (self.batch or count)

    def is_whole(self, count: int) -> bool:
        """Whether every step is on all of so many examples."""
        return self.batch is None or self.batch >= count

    def batches(self, key: Array, count: int) -> Int[Array, "steps batch"]:
        """Which examples the steps of an epoch are on, when they are not on all."""
        steps = self.steps(count)
        return jax.random.permutation(key, count)[: steps * (self.batch or count)].reshape(steps, -1)

    def make_optimiser(self) -> Any:
        """The optimiser, with the ``init`` and ``update`` of optax.

        Raises
        ------
        ImportError
            When it is AdamW and optax is not there.
        """
        if self.optimiser == "sgd":
            return Descent(self.rate, self.momentum, self.decay)
        try:
            import optax
        except ImportError:
            raise ImportError("AdamW is that of optax: pip install 'freeridge[train]'") from None
        return optax.adamw(self.rate, weight_decay=self.decay)


class Descent(eqx.Module):
    """Gradient descent with momentum and weight decay; see :class:`Course`."""

    rate: Float[Array, ""]
    momentum: Float[Array, ""]
    decay: Float[Array, ""]

    def init(self, network: Any) -> Any:
        """Velocities of zero."""
        return jax.tree.map(jnp.zeros_like, network)

    def update(self, slope: Any, memory: Any, network: Any) -> tuple[Any, Any]:
        """Change of the network, and its new velocities."""
        velocity = jax.tree.map(
            lambda v, g, w: self.momentum * v + g + self.decay * w, memory, slope, network
        )
        return jax.tree.map(lambda v: -self.rate * v, velocity), velocity


def stepped(network: Any, memory: Any, optimiser: Any, slope: Any) -> tuple[Any, Any]:
    """Network and memory of the optimiser after a step along a gradient."""
    with jax.numpy_dtype_promotion("standard"):  # optax multiplies its int32 counter by floats
        change, memory = optimiser.update(slope, memory, network)
    return jax.tree.map(jnp.add, network, change), memory
