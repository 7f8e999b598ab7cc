r"""Arithmetic on the entries of a sector: on joint eigenvalues, or on dense matrices.

An entry is a multiple of the identity, held as a number, as long as it can be; then one number per atom, or
a whole matrix.
"""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Inexact

from freeridge.solvers.inverses import inverse_general

Entry = Any  # a number, or an array of the sector


class AtomAlgebra(eqx.Module):
    """Deterministic matrices that commute, by their eigenvalues on joint atoms.

    Vectors have one coordinate per atom, which then stands for one dimension.
    """

    matrices: dict[str, Inexact[Array, " J"]]
    vectors: dict[str, Inexact[Array, " J"]]
    weights: Float[Array, " J"]

    def plus(self, left: Entry, right: Entry) -> Entry:
        return left + right

    def times(self, left: Entry, right: Entry) -> Entry:
        return left * right

    def inverse(self, entry: Entry) -> Entry:
        return 1.0 / entry

    def power(self, entry: Entry, exponent: float) -> Entry:
        return entry ** (int(exponent) if exponent == int(exponent) else exponent)

    def trace(self, entry: Entry) -> Array:
        """Normalised."""
        return entry if jnp.ndim(entry) == 0 else jnp.sum(self.weights.astype(entry.dtype) * entry)

    def size(self, entry: Entry) -> Array:
        """The scale of a normalised trace, which rounding is relative to."""
        return self.trace(jnp.abs(entry))

    def form(self, left: str, entry: Entry, right: str) -> Array:
        """The quadratic form in two vectors, not normalised."""
        return jnp.sum(self.vectors[left] * self.vectors[right] * entry)


class MatrixAlgebra(eqx.Module):
    """Deterministic matrices that do not commute."""

    matrices: dict[str, Inexact[Array, "D D"]]
    vectors: dict[str, Inexact[Array, " D"]]
    dimension: int = eqx.field(static=True)

    def plus(self, left: Entry, right: Entry) -> Entry:
        if jnp.ndim(left) == jnp.ndim(right):
            return left + right
        number, matrix = (left, right) if jnp.ndim(left) == 0 else (right, left)
        return matrix + number * jnp.eye(self.dimension, dtype=matrix.dtype)

    def times(self, left: Entry, right: Entry) -> Entry:
        return left @ right if jnp.ndim(left) == 2 and jnp.ndim(right) == 2 else left * right

    def inverse(self, entry: Entry) -> Entry:
        return 1.0 / entry if jnp.ndim(entry) == 0 else inverse_general(entry)

    def power(self, entry: Entry, exponent: float) -> Entry:
        if jnp.ndim(entry) == 0 or exponent == 1:
            return entry**exponent
        if exponent == int(exponent):
            base = inverse_general(entry) if exponent < 0 else entry
            return jnp.linalg.matrix_power(base, abs(int(exponent)))
        values, vectors = jnp.linalg.eigh(entry)
        return (vectors * jnp.maximum(values, 0.0) ** exponent) @ vectors.T

    def trace(self, entry: Entry) -> Array:
        """Normalised."""
        return entry if jnp.ndim(entry) == 0 else jnp.trace(entry) / self.dimension

    def size(self, entry: Entry) -> Array:
        """The scale of a normalised trace, which rounding is relative to."""
        return jnp.abs(entry) if jnp.ndim(entry) == 0 else jnp.linalg.norm(entry) / self.dimension**0.5

    def form(self, left: str, entry: Entry, right: str) -> Array:
        """The quadratic form in two vectors, not normalised."""
        matrix = entry * jnp.eye(self.dimension) if jnp.ndim(entry) == 0 else entry
        return self.vectors[left] @ matrix @ self.vectors[right]


SectorAlgebra = AtomAlgebra | MatrixAlgebra
