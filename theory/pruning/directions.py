"""Truth, generator and oracle: three directions, by their correlations or by themselves."""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.fields import known, require
from freeridge.theory.covariance import Covariance, Dense, Diagonal
from freeridge.theory.pruning.moments import root_of_rest

_ROUNDING = 1e-12


class Plane(NamedTuple):
    r"""The whitened plane of oracle and generator, and the truth.

    Attributes
    ----------
    truth : array, shape (3,)
        The truth, of length one, along the oracle, along the part of the generator that is orthogonal to it,
        and outside of their plane.
    basis : array, shape (3, d), optional
        These three vectors in the eigenbasis of the covariance; None where they are random.
    """

    truth: Float[Array, "3"]
    basis: Float[Array, "3 d"] | None


def are_cosines(rho: Any, rho_star: Any, rho_oracle: Any) -> Any:
    """Whether there are three directions with these cosines."""
    determinant = 1.0 + 2.0 * rho * rho_star * rho_oracle - rho**2 - rho_star**2 - rho_oracle**2
    within = (abs(rho) <= 1.0) & (abs(rho_star) <= 1.0) & (abs(rho_oracle) <= 1.0)
    return within & (determinant >= -_ROUNDING)


def require_gram(rho: Array, rho_star: Array, rho_oracle: Array | None) -> None:
    """Refuse cosines that no three directions have.

    Examples
    --------
    >>> require_gram(jnp.array(0.9), jnp.array(0.9), jnp.array(0.1))
    Traceback (most recent call last):
        ...
    freeridge.solvers.errors.InvalidSetting: rho_oracle = 0.1: expected a cosine with 1 + 2 rho rho_star
    rho_oracle - rho^2 - rho_star^2 - rho_oracle^2 >= 0, from 0.62 to 1 with rho = 0.9 and rho_star = 0.9
    """
    for name, value in (("rho", rho), ("rho_star", rho_star), ("rho_oracle", rho_oracle)):
        if value is not None:
            require(name, value, lambda v: abs(v) <= 1, "a cosine in [-1, 1]")
    cosines = [None if value is None else known(value) for value in (rho, rho_star, rho_oracle)]
    if any(cosine is None for cosine in cosines):
        return
    one, two, third = (float(cosine) for cosine in cosines if cosine is not None)
    room = np.sqrt(max((1.0 - one**2) * (1.0 - two**2), 0.0))
    if not are_cosines(one, two, third):
        raise InvalidSetting(
            "rho_oracle",
            third,
            "a cosine with 1 + 2 rho rho_star rho_oracle - rho^2 - rho_star^2 - rho_oracle^2 >= 0, "
            f"from {one * two - room:.4g} to {one * two + room:.4g} with rho = {one:g} and "
            f"rho_star = {two:g}",
        )


def correlations_of(directions: Float[Array, "3 d"], covariance: Covariance) -> tuple[Array, Array, Array]:
    r"""$\rho$, $\rho_*$ and $\rho_o$ of truth, generator and oracle, in the metric of the covariance."""
    matrix = covariance.matrix if isinstance(covariance, Dense) else None
    if matrix is None:
        assert isinstance(covariance, Diagonal)
        gram = (directions * covariance.coordinates()) @ directions.T
    else:
        gram = directions @ matrix @ directions.T
    lengths = jnp.sqrt(jnp.diag(gram))
    require(
        "directions", lengths, lambda v: v > 0, "finite directions that the covariance does not annihilate"
    )
    gram = gram / jnp.outer(lengths, lengths)
    return gram[0, 1], gram[0, 2], gram[1, 2]


def plane_of(
    correlations: tuple[Array, Array, Array],
    directions: Float[Array, "3 d"] | None,
    covariance: Covariance | None,
) -> Plane:
    """The plane, with its basis where the directions are given."""
    if directions is None or covariance is None:
        rho, rho_star, rho_oracle = correlations
        rest = root_of_rest(rho_oracle)
        # Where generator and oracle are one direction, nothing depends on the second coordinate.
        own = jnp.where(rest > 0, (rho - rho_oracle * rho_star) / jnp.where(rest > 0, rest, 1.0), 0.0)
        outside = jnp.maximum((1.0 - rho_star) * (1.0 + rho_star) - own**2, 0.0)
        away = jnp.where(outside > 0, jnp.sqrt(jnp.where(outside > 0, outside, 1.0)), 0.0)
        return Plane(jnp.stack([rho_star, own, away]), None)
    truth, generator, oracle = whitened(directions, covariance)
    first = oracle / jnp.linalg.norm(oracle)
    second = _orthogonal(generator, [first])
    third = _orthogonal(truth, [first, second])
    basis = jnp.stack([first, second, third])
    return Plane(basis @ (truth / jnp.linalg.norm(truth)), basis)


def whitened(directions: Float[Array, "3 d"], covariance: Covariance) -> Float[Array, "3 d"]:
    r"""$\Sigma^{1/2} w$ in the eigenbasis of the covariance."""
    values, vectors = eigenbasis(covariance)
    turned = directions if vectors is None else directions @ vectors
    return jnp.sqrt(jnp.maximum(values, 0.0)) * turned


def eigenbasis(covariance: Covariance) -> tuple[Float[Array, " d"], Float[Array, "d d"] | None]:
    """Eigenvalues, one per coordinate, and eigenvectors as columns; None for those of the coordinates."""
    if isinstance(covariance, Dense):
        values, vectors = jnp.linalg.eigh(covariance.matrix)
        return jnp.maximum(values, 0.0), vectors
    assert isinstance(covariance, Diagonal)
    return covariance.coordinates(), None


def _orthogonal(vector: Float[Array, " d"], basis: list[Array]) -> Float[Array, " d"]:
    """What is left of a vector, scaled to length one; 0 where it lies in the basis."""
    size = jnp.linalg.norm(vector)
    left = vector
    for _ in range(2):  # the second time removes the rounding of the first
        for one in basis:
            left = left - (one @ left) * one
    length = jnp.linalg.norm(left)
    inside = length <= 1e-14 * size
    return jnp.where(inside, 0.0, left / jnp.where(inside, 1.0, length))
