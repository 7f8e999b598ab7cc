r"""What is minimised: cross entropy of shifted logits, and how to put something else in its place.

An objective is any pytree with two methods:

- ``begin()``, the state before the first step, ``()`` for none;
- ``__call__(logits, rows, state)``, the loss of the examples of a step, and the state after it. ``rows`` is
  whatever the trainer was given, cut down to these examples: any pytree of arrays with an entry per example.

Group distributionally robust optimisation, with :math:`q_g \propto q_g e^{\eta \ell_g}` and the loss
:math:`\sum_g q_g \ell_g`, is, for example::

    class LabelsAndGroups(NamedTuple):
        labels: Any  # int32
        groups: Any  # int32

    class GroupDRO(eqx.Module):
        groups: int = eqx.field(static=True)
        eta: Float[Array, ""]

        def begin(self):
            return jnp.full(self.groups, 1 / self.groups, jnp.float32)

        def __call__(self, logits, rows, q):
            losses = cross_entropies(logits, rows.labels)
            members = jax.nn.one_hot(rows.groups, self.groups, dtype=jnp.float32)
            of_group = losses @ members / jnp.maximum(members.sum(0), 1)
            q = jax.nn.softmax(jnp.log(q) + self.eta * jax.lax.stop_gradient(of_group))
            return q @ of_group, q

    train(network, inputs, LabelsAndGroups(labels, groups), course, key, objective=GroupDRO(4, eta))
"""

from typing import Any, Protocol, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from freeridge.theory.memorization.training.rows import Rows


@runtime_checkable
class Objective(Protocol):
    """What :func:`freeridge.theory.memorization.training.learning.train` minimises."""

    def begin(self) -> Any:
        """The state before the first step."""

    def __call__(self, logits: Any, rows: Any, state: Any, /) -> tuple[Any, Any]:
        """Loss of a step, and the state after it."""


class ShiftedCrossEntropy(eqx.Module):
    r"""Mean over the examples of $-w_i \log \mathrm{softmax}(f(x_i) + s_i)_{y_i}$.

    Without a shift and weights this is empirical risk minimisation, with a calibrated shift it is
    memorisation-aware training. The rows are :class:`freeridge.theory.memorization.training.rows.Rows`.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> logits, labels = jnp.zeros((1, 2), jnp.float32), jnp.array([0], jnp.int32)
    >>> shift = jnp.log(jnp.array([[0.9, 0.1]], jnp.float32))
    >>> loss, _ = ShiftedCrossEntropy()(logits, Rows(labels, shift), ())
    >>> round(float(loss), 4), round(-float(jnp.log(0.9)), 4)
    (0.1054, 0.1054)
    """

    def begin(self) -> tuple[()]:
        """Nothing."""
        return ()

    def __call__(
        self, logits: Float[Array, "batch classes"], rows: Rows, state: tuple[()]
    ) -> tuple[Float[Array, ""], tuple[()]]:
        """Loss of a step."""
        losses = cross_entropies(logits if rows.shift is None else logits + rows.shift, rows.labels)
        return jnp.mean(losses if rows.weights is None else rows.weights * losses), state


def cross_entropies(
    logits: Float[Array, "batch classes"], labels: Int[Array, " batch"]
) -> Float[Array, " batch"]:
    """Cross entropy of every example."""
    return -jnp.take_along_axis(jax.nn.log_softmax(logits, axis=1), labels[:, None], axis=1)[:, 0]
