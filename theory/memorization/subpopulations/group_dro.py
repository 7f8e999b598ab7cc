"""Group distributionally robust optimisation: the loss of the worst group, by exponentiated gradient."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from freeridge.solvers.fields import Scalar, require, require_count
from freeridge.theory.memorization.training.objectives import cross_entropies


class LabelsAndGroups(NamedTuple):
    """What the objective knows of the examples.

    Attributes
    ----------
    labels, groups : int32 array, shape (n,)
        From 0.
    """

    labels: Any
    groups: Any


class GroupDRO(eqx.Module):
    r"""Sum over groups of $q_g \ell_g$, with $\ell_g$ the mean cross entropy of a group in the batch and

    $$ q_g \gets \frac{q_g e^{\eta \ell_g}}{\sum_h q_h e^{\eta \ell_h}} $$

    before every step, from $q_g = 1 / G$: an online game of the network against the weights. A group without
    rows in the batch has a loss of zero there, as in the code of the paper.

    An objective for :func:`freeridge.theory.memorization.training.learning.train`, in single precision; its
    rows are :class:`LabelsAndGroups`.

    Parameters
    ----------
    groups : int
        $G$.
    eta : float
        $\eta > 0$, step size of the weights.

    Examples
    --------
    >>> import numpy as np
    >>> objective = GroupDRO(groups=2, eta=np.log(3.0))
    >>> logits = jnp.array([[0.0, 0.0], [0.0, 50.0]], jnp.float32)  # losses log 2 and 0
    >>> rows = LabelsAndGroups(jnp.array([0, 1], jnp.int32), jnp.array([0, 1], jnp.int32))
    >>> loss, weights = objective(logits, rows, objective.begin())
    >>> heavy = float(3 ** np.log(2) / (1 + 3 ** np.log(2)))
    >>> abs(float(weights[0]) - heavy) < 1e-6, abs(float(loss) - heavy * float(np.log(2))) < 1e-6
    (True, True)

    References
    ----------
    Sagawa, Koh, Hashimoto and Liang, Distributionally Robust Neural Networks for Group Shifts, ICLR 2020,
    Algorithm 1.
    """

    groups: int = eqx.field(static=True)
    eta: Scalar = eqx.field(converter=lambda value: jnp.asarray(value, jnp.float32))

    def __check_init__(self) -> None:
        require_count("groups", self.groups)
        require("eta", self.eta, lambda v: v > 0, "a finite number > 0")

    def begin(self) -> Float[Array, " groups"]:
        """Equal weights."""
        return jnp.full(self.groups, 1 / self.groups, jnp.float32)

    def __call__(
        self, logits: Float[Array, "batch classes"], rows: LabelsAndGroups, state: Float[Array, " groups"]
    ) -> tuple[Float[Array, ""], Float[Array, " groups"]]:
        """Loss of a step, and the weights after it."""
        members = jax.nn.one_hot(rows.groups, self.groups, dtype=jnp.float32)
        of_group = cross_entropies(logits, rows.labels) @ members / jnp.maximum(members.sum(axis=0), 1)
        # In logarithms: the factors alone overflow for a loss that is large.
        grown = jax.nn.softmax(jnp.log(state) + self.eta * jax.lax.stop_gradient(of_group))
        return grown @ of_group, grown
