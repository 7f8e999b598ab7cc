"""What the loop asks of a generator: examples of given classes, on request those a learner is unsure of."""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from freeridge.solvers.fields import Scalar, real_field, require


class Guidance(eqx.Module):
    r"""A tilt of the generator's law towards examples of which a learner is unsure.

    With $f(x)$ the learner's probabilities and $H$ their entropy in nats, examples are asked for from

    $$ q(x \mid y) \propto p(x \mid y)\, e^{\omega H(f(x))} . $$

    Parameters
    ----------
    logits : callable
        The learner: from one example, shape (d,), to the logits of the classes, shape (classes,); traceable
        by JAX, such as an equinox module.
    strength : float
        $\omega \ge 0$; 0 is the generator as it is.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> unsure = Guidance(lambda x: jnp.stack([x[0], -x[0]]), strength=2.0)
    >>> round(float(unsure.entropy(jnp.zeros(1))), 6)  # log 2
    0.693147
    """

    logits: Callable[[Float[Array, " d"]], Float[Array, " classes"]]
    strength: Scalar = real_field("strength")

    def __check_init__(self) -> None:
        require("strength", self.strength, lambda v: v >= 0, "a strength >= 0")

    def entropy(self, x: Float[Array, " d"]) -> Float[Array, ""]:
        """Entropy of the learner's answer to one example, in nats."""
        logs = jax.nn.log_softmax(self.logits(x))
        return -jnp.sum(jnp.exp(logs) * logs)


@runtime_checkable
class Generator(Protocol):
    """Anything that makes examples of given classes.

    Attributes
    ----------
    dimension, classes : int
    """

    @property
    def dimension(self) -> int: ...

    @property
    def classes(self) -> int: ...

    def cost(self, guided: bool) -> int:
        """Evaluations of the score, or of the network in its place, for one example."""

    def sample(
        self, key: Array, labels: Int[Array, " n"], guidance: Guidance | None = None
    ) -> Float[Array, "n d"]:
        """One example for each label, tilted by the guidance.

        Parameters
        ----------
        key : JAX key
            The same key gives the same examples.
        labels : int array
            Classes, from 0.
        guidance : Guidance, optional
            None is the generator as it is.
        """
