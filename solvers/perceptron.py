"""Multilayer perceptrons, drawn and trained in single precision: the learners that are networks."""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from freeridge.solvers.errors import InvalidSetting

ACTIVATIONS = {"silu": jax.nn.silu, "relu": jax.nn.relu, "tanh": jnp.tanh}


class Perceptron(eqx.Module):
    r"""Layers with an activation between them,

    $$ f(x) = W_L^T a(\ldots a(W_1^T x + b_1) \ldots) + b_L ; $$

    one layer is a linear model. It computes in the precision of its weights, whatever it is given.

    Parameters
    ----------
    weights : sequence of array, shape (inputs, outputs)
        $W_1, \ldots, W_L$.
    offsets : sequence of array, shape (outputs,), or None
        $b_1, \ldots, b_L$; None of them is a network without offsets.
    activation : {"silu", "relu", "tanh"}
        $a$. SiLU is smooth, so that what is computed from the answer has a gradient everywhere.

    Raises
    ------
    InvalidSetting
        For another activation.

    Examples
    --------
    >>> import numpy as np
    >>> fresh = normal_perceptron(np.random.default_rng(0), [3, 8, 8, 4])
    >>> fresh(np.ones(3)).shape, fresh(np.ones((5, 3), np.float32)).dtype
    ((4,), dtype('float32'))
    """

    weights: tuple[Float[Array, "_ _"], ...]
    offsets: tuple[Float[Array, " _"], ...] | None
    activation: str = eqx.field(static=True, default="silu")

    def __check_init__(self) -> None:
        if self.activation not in ACTIVATIONS:
            raise InvalidSetting("activation", self.activation, "one of " + ", ".join(ACTIVATIONS))

    def __call__(self, x: Float[Any, "*rows d"]) -> Float[Array, "*rows outputs"]:
        """Answers to one example or to rows of them, in the precision these have."""
        given = jnp.asarray(x)
        inner = given.astype(self.weights[0].dtype)
        offsets = (None,) * len(self.weights) if self.offsets is None else self.offsets
        for layer, (weight, offset) in enumerate(zip(self.weights, offsets, strict=True)):
            inner = inner if layer == 0 else ACTIVATIONS[self.activation](inner)
            inner = inner @ weight if offset is None else inner @ weight + offset
        return inner.astype(given.dtype)


def normal_perceptron(
    rng: np.random.Generator, sizes: Sequence[int], *, activation: str = "silu"
) -> Perceptron:
    """Normal weights of variance 1 / inputs, and offsets of zero.

    Parameters
    ----------
    rng : numpy.random.Generator
    sizes : sequence of int
        Inputs, widths of the hidden layers, outputs.
    activation : {"silu", "relu", "tanh"}
    """
    pairs = list(zip(sizes[:-1], sizes[1:], strict=True))
    return Perceptron(
        tuple(jnp.asarray(np.float32(a**-0.5) * rng.standard_normal((a, b), np.float32)) for a, b in pairs),
        tuple(jnp.zeros(b, jnp.float32) for _, b in pairs),
        activation,
    )


def uniform_perceptron(
    rng: np.random.Generator, sizes: Sequence[int], *, activation: str = "relu", offsets: bool = True
) -> Perceptron:
    r"""Weights and offsets uniform between $\pm 1 / \sqrt{\mathrm{inputs}}$, as PyTorch's layers have them.

    Parameters
    ----------
    rng : numpy.random.Generator
    sizes : sequence of int
        Inputs, widths of the hidden layers, outputs.
    activation : {"silu", "relu", "tanh"}
    offsets : bool
        Whether the layers have offsets.

    Examples
    --------
    >>> import numpy as np
    >>> linear = uniform_perceptron(np.random.default_rng(0), [100, 2], offsets=False)
    >>> linear.weights[0].shape, linear.offsets, bool(abs(linear.weights[0]).max() <= 0.1)
    ((100, 2), None, True)
    """

    def uniform(inputs: int, shape: tuple[int, ...]) -> Array:
        return jnp.asarray(np.float32(inputs**-0.5) * (2 * rng.random(shape, np.float32) - 1))

    pairs = list(zip(sizes[:-1], sizes[1:], strict=True))
    drawn = [(uniform(a, (a, b)), uniform(a, (b,)) if offsets else None) for a, b in pairs]
    return Perceptron(
        tuple(weight for weight, _ in drawn),
        tuple(offset for _, offset in drawn if offset is not None) if offsets else None,
        activation,
    )
