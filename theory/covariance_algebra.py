"""Multiples, inverses and direct sums of covariances, as covariances."""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.fields import Scalar, as_real, known, real_field, require
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


def _as_parts(parts: Any) -> tuple[Any, ...]:
    if isinstance(parts, Covariance) or not isinstance(parts, Sequence) or isinstance(parts, str):
        raise InvalidSetting("parts", parts, "a list of covariances, [Isotropic(10), PowerLaw(20, 1.0), ...]")
    return tuple(parts)


class DirectSum(Diagonal):
    r"""Block-diagonal sum: the first part on the first coordinates, the next part on the next ones.

    Parameters
    ----------
    parts : sequence of Diagonal
        At least one. A block on which the inputs vanish is ``Isotropic(d, 0.0)``.

    Raises
    ------
    InvalidSetting
        When there is no part, or one that is not diagonal in the coordinate basis, such as ``Dense``.

    Examples
    --------
    >>> import freeridge as fr
    >>> both = fr.DirectSum([fr.TwoAtoms(2, (3.0, 0.5), 0.5), fr.Isotropic(2, 0.0)])
    >>> both.d, both.coordinates()
    (4, Array([3. , 0.5, 0. , 0. ], dtype=float64))
    """

    parts: Sequence[Diagonal] = eqx.field(converter=_as_parts)

    def __check_init__(self) -> None:
        if not self.parts:
            raise InvalidSetting("parts", self.parts, "at least one covariance")
        for k, part in enumerate(self.parts):
            if not isinstance(part, Diagonal):
                raise InvalidSetting(
                    f"parts.{k}", part, "a covariance diagonal in the coordinate basis, such as Isotropic(d)"
                )

    @property
    def d(self) -> int:
        """Dimension: the sum of those of the parts."""
        return sum(part.d for part in self.parts)

    def blocks(self) -> tuple[Array, Array | np.ndarray]:
        found = [part.blocks() for part in self.parts]
        starts = np.cumsum([0, *(part.d for part in self.parts)]).astype(np.float64)
        ends = [start + end for start, (_, end) in zip(starts, found, strict=False)]
        static = all(isinstance(end, np.ndarray) for end in ends)
        return jnp.concatenate([values for values, _ in found]), (np if static else jnp).concatenate(ends)

    def coordinates(self) -> Float[Array, " d"]:
        """One eigenvalue per coordinate; refused where a block is known to end inside a coordinate."""
        ends = known(self.blocks()[1])
        if ends is not None:
            inside = ends[np.abs(ends - np.round(ends)) > 1e-6 * np.maximum(ends, 1.0)]
            if inside.size:
                raise InvalidSetting(
                    "fraction * d", float(inside[0]), "a block that ends at a whole coordinate"
                )
        return super().coordinates()


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
