"""What is recorded of a network in training."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from freeridge.solvers.errors import InvalidSetting
from freeridge.theory.memorization.training.rows import class_numbers, single_inputs


class GroupAccuracy(eqx.Module):
    """Accuracy on data in groups.

    Parameters
    ----------
    inputs : array, shape (n, d)
    labels : array, shape (n,)
        Classes, from 0.
    groups : array, shape (n,)
        Whole numbers from 0.
    count : int, optional
        Number of groups; without it, as many as are named.

    Examples
    --------
    A linear network that names the class by the sign of one number:

    >>> import numpy as np, jax.numpy as jnp
    >>> from freeridge.solvers.perceptron import Perceptron
    >>> sign = Perceptron((jnp.array([[-1.0, 1.0]], jnp.float32),), None)
    >>> measure = GroupAccuracy([[1.0], [2.0], [-1.0], [3.0]], [1, 1, 0, 0], [0, 0, 1, 1], count=3)
    >>> {name: np.asarray(value).tolist() for name, value in measure(sign).items()}
    {'accuracy': 0.75, 'worst_group_accuracy': 0.5, 'group_accuracies': [1.0, 0.5, nan]}
    """

    inputs: Float[Array, "n d"]
    labels: Int[Array, " n"]
    members: Float[Array, "n groups"]

    def __init__(self, inputs: Any, labels: Any, groups: Any, count: int | None = None) -> None:
        given = np.asarray(groups)
        if given.ndim != 1 or given.size == 0 or given.dtype.kind not in "biu":
            raise InvalidSetting("groups", groups, "whole numbers from 0, one per example")
        count = int(given.max()) + 1 if count is None else count
        if given.min() < 0 or given.max() >= count:
            raise InvalidSetting("groups", groups, f"whole numbers from 0 to {count - 1}")
        self.inputs = jnp.asarray(single_inputs(inputs))
        self.labels = jnp.asarray(class_numbers(labels))
        if not len(self.inputs) == len(self.labels) == len(given):
            raise InvalidSetting("groups", groups, "one for each label and each row of the inputs")
        self.members = jnp.asarray(np.eye(count, dtype=np.float32)[given.astype(np.int64)])

    def __call__(self, network: Any) -> dict[str, Array]:
        """Share of right answers: of all, of each group (NaN of an empty one), and of the worst group."""
        right = (named_classes(network(self.inputs)) == self.labels).astype(jnp.float32)
        sizes = self.members.sum(axis=0)
        shares = jnp.where(sizes > 0, right @ self.members / jnp.maximum(sizes, 1), jnp.nan)
        return {
            "accuracy": jnp.mean(right),
            "worst_group_accuracy": jnp.nanmin(shares),
            "group_accuracies": shares,
        }


def named_classes(logits: Float[Array, "*rows classes"]) -> Int[Array, "*rows"]:
    """The most likely classes, as int32 like all labels here."""
    return jax.lax.argmax(logits, logits.ndim - 1, jnp.int32)


def label_groups(labels: Any, attribute: Any) -> Int[np.ndarray, " n"]:
    """Groups of label and a second property, numbered from 0: label times the number of properties and it.

    Examples
    --------
    >>> label_groups([0, 0, 1, 1], [False, True, False, True])
    array([0, 1, 2, 3])
    """
    second = np.asarray(attribute).astype(np.int64)
    return np.asarray(labels, np.int64) * (int(second.max(initial=0)) + 1) + second
