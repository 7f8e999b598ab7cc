"""A small encoder-only transformer that reads digits and names a class, in single precision."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int


class Block(eqx.Module):
    """One layer: attention over all positions, then a perceptron, each after a normalisation and added."""

    gain_attention: Float[Array, " width"]
    gain_perceptron: Float[Array, " width"]
    query_key_value: Float[Array, "width three_widths"]
    mix: Float[Array, "width width"]
    up: Float[Array, "width hidden"]
    bias: Float[Array, " hidden"]
    down: Float[Array, "hidden width"]
    heads: int = eqx.field(static=True)

    def __call__(self, x: Float[Array, "rows length width"]) -> Float[Array, "rows length width"]:
        """The stream after this layer."""
        rows, length, width = x.shape
        parts = normalised(x, self.gain_attention) @ self.query_key_value
        query, key, value = (
            part.reshape(rows, length, self.heads, width // self.heads)
            for part in jnp.split(parts, 3, axis=-1)
        )
        scale = np.float32((width // self.heads) ** -0.5)
        scores = jnp.einsum("rqhc,rkhc->rhqk", query * scale, key)
        found = jnp.einsum("rhqk,rkhc->rqhc", jax.nn.softmax(scores, axis=-1), value)
        x = x + found.reshape(rows, length, width) @ self.mix
        inner = jax.nn.gelu(normalised(x, self.gain_perceptron) @ self.up + self.bias)
        return x + inner @ self.down


class Network(eqx.Module):
    """Embedding of digits and positions, layers, mean over positions, one logit per class."""

    digits: Float[Array, "base width"]
    positions: Float[Array, "length width"]
    blocks: tuple[Block, ...]
    gain: Float[Array, " width"]
    out: Float[Array, "width classes"]
    offset: Float[Array, " classes"]

    def __call__(self, digits: Int[Any, "rows length"]) -> Float[Array, "rows classes"]:
        """Logits of the classes for each row of digits."""
        x = self.digits[digits] + self.positions
        for block in self.blocks:
            x = block(x)
        return jnp.mean(normalised(x, self.gain), axis=1) @ self.out + self.offset


def normalised(x: Float[Array, "*rest width"], gain: Float[Array, " width"]) -> Float[Array, "*rest width"]:
    """Each vector divided by its root mean square, times the gain."""
    square = jnp.mean(x * x, axis=-1, keepdims=True)
    return x * jax.lax.rsqrt(square + np.float32(1e-6)) * gain


def initial(
    rng: np.random.Generator,
    *,
    base: int,
    length: int,
    classes: int,
    width: int,
    layers: int,
    heads: int,
    hidden: int,
) -> Network:
    """A network before training: normal weights, what is added to the stream scaled down with the depth."""

    def normal(*shape: int, scale: float) -> Array:
        return jnp.asarray(np.float32(scale) * rng.standard_normal(shape, np.float32))

    def filled(count: int, value: float) -> Array:
        return jnp.full(count, value, jnp.float32)

    step, branch = width**-0.5, (2 * layers) ** -0.5
    embedded = normal(base, width, scale=0.1), normal(length, width, scale=0.1)
    blocks = tuple(
        Block(
            filled(width, 1.0),
            filled(width, 1.0),
            normal(width, 3 * width, scale=step),
            normal(width, width, scale=step * branch),
            normal(width, hidden, scale=step),
            filled(hidden, 0.0),
            normal(hidden, width, scale=hidden**-0.5 * branch),
            heads,
        )
        for _ in range(layers)
    )
    return Network(
        *embedded, blocks, filled(width, 1.0), normal(width, classes, scale=step), filled(classes, 0.0)
    )
