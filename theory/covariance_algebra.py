"""Multiples and inverses of covariances, as covariances."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from freeridge.solvers.fields import Scalar, as_real, real_field, require
from freeridge.theory.covariance import Covariance, Dense, Diagonal


class Scaled(Diagonal):
    """A diagonal covariance times a non-negative factor."""

    base: Diagonal
    factor: Scalar = real_field("factor")

    def __check_init__(self) -> None:
        require("factor", self.factor, lambda v: v >= 0, "a finite number >= 0")

    @property
    def d(self) -> int:
        """Dimension."""
        return self.base.d

    def blocks(self) -> tuple[Array, Array | np.ndarray]:
        values, ends = self.base.blocks()
        return self.factor * values, ends


class Reciprocal(Diagonal):
    """Inverse of a diagonal covariance on its range, zero off it."""

    base: Diagonal

    @property
    def d(self) -> int:
        """Dimension."""
        return self.base.d

    def blocks(self) -> tuple[Array, Array | np.ndarray]:
        values, ends = self.base.blocks()
        seen = values > 0
        return jnp.where(seen, 1.0 / jnp.where(seen, values, 1.0), 0.0), ends


def scaled(covariance: Covariance, factor: Any) -> Covariance:
    """A covariance times a factor, differentiable in both; the factor may be 0.

    Examples
    --------
    >>> from freeridge.theory.covariance import Isotropic
    >>> scaled(Isotropic(2), 3.0).coordinates()
    Array([3., 3.], dtype=float64)
    """
    if isinstance(covariance, Diagonal):
        return Scaled(covariance, factor)
    assert isinstance(covariance, Dense)
    return Dense(as_real("factor", factor) * covariance.matrix)


def reciprocal(covariance: Covariance) -> Covariance:
    """Inverse of a covariance on its range.

    Examples
    --------
    >>> from freeridge.theory.covariance import Eigenvalues
    >>> reciprocal(Eigenvalues([4.0, 0.0])).coordinates()
    Array([0.25, 0.  ], dtype=float64)
    """
    if isinstance(covariance, Diagonal):
        return Reciprocal(covariance)
    assert isinstance(covariance, Dense)
    inverse = jnp.linalg.pinv(covariance.matrix, hermitian=True)
    return Dense(0.5 * (inverse + inverse.T))


def rank_of(covariance: Covariance) -> Float[Array, ""]:
    """Number of dimensions on which a covariance does not vanish.

    Examples
    --------
    >>> from freeridge.theory.covariance import Eigenvalues
    >>> float(rank_of(Eigenvalues([4.0, 0.0], multiplicities=[3, 5])))
    3.0
    """
    if isinstance(covariance, Diagonal):
        values, ends = covariance.blocks()
        return jnp.sum(jnp.where(values > 0, jnp.diff(jnp.asarray(ends), prepend=0.0), 0.0))
    assert isinstance(covariance, Dense)
    return jnp.asarray(jnp.linalg.matrix_rank(covariance.matrix), jnp.float64)
