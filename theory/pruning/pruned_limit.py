r"""The limit of ridge regression on kept rows: a fixed point of one population, and vectors of its resolvent.

Kept rows are, outside of the plane of oracle and generator, rows like any others: $p n$ of them, with a ridge
$\lambda / p$. Their fixed point is that of :mod:`freeridge.solvers.fixed_point` for a single population, for
isotropic inputs a quadratic. The plane is a perturbation of rank two, solved in closed form. The derivation
is in ``docs/theory/pruning.md``.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from freeridge.solvers.fixed_point import MixtureProblem, solve_fixed_point
from freeridge.solvers.results import Code
from freeridge.solvers.spectra import Atoms
from freeridge.theory.covariance import Covariance, Diagonal
from freeridge.theory.pruning.directions import Plane, eigenbasis
from freeridge.theory.pruning.moments import Moments


class Limit(NamedTuple):
    r"""The classifier against the truth, in a common unit of length.

    Attributes
    ----------
    signal : array
        Its component along the truth.
    clean_miss : array
        Length of its mean orthogonal to the truth.
    miss : array
        The same with the noise.
    residual, code : array
        Of the fixed point.
    """

    signal: Float[Array, ""]
    clean_miss: Float[Array, ""]
    miss: Float[Array, ""]
    residual: Float[Array, ""]
    code: Int[Array, ""]


def limit(
    phi: Float[Array, ""],
    ridge: Float[Array, ""],
    moments: Moments,
    plane: Plane,
    covariance: Covariance | None,
) -> Limit:
    """Solve for given moments; see :class:`freeridge.theory.pruning.pruned_classifier.PrunedClassifier`."""
    values, weights = _spectrum(covariance, plane)
    share = jnp.where(moments.share > 0, moments.share, 1.0)
    kappa, slack, residual, code = (
        _quadratic(phi, ridge, share) if covariance is None else _solved(phi, ridge, share, values, weights)
    )
    # P and P kappa / (values p + kappa) / values: of a zero eigenvalue both are multiplied by zero.
    bottom = share * values + kappa
    bottom = jnp.where(bottom > 0, bottom, 1.0)
    resolved = jnp.where(values > 0, values / bottom, 0.0)
    noise = phi * (weights @ resolved**2)
    # 1 - p noise without a difference.
    room = slack + phi * kappa * (weights @ (values / bottom**2))

    through = _Through(values, weights, resolved, plane)
    inside = through.plane()
    response = _solve2(jnp.eye(2) + (moments.second - share * jnp.eye(2)) @ inside, moments.labelled)
    shown = inside @ response
    signal, clean_miss = through.against_truth(response)
    length = signal**2 + clean_miss**2
    residue = (
        share - 2.0 * (moments.labelled @ shown) + shown @ moments.second @ shown
        + share * (length - shown @ shown)
    )  # fmt: skip
    # All lengths times the root of the room: at ridge 0 and phi = p the noise is infinite, and room is zero.
    scale = jnp.sqrt(room)
    return Limit(
        signal * scale,
        clean_miss * scale,
        jnp.sqrt(clean_miss**2 * room + noise * jnp.maximum(residue, 0.0)),
        residual,
        code,
    )


class _Slacks(NamedTuple):
    r"""$\kappa$ and e, with their certificate."""

    kappa: Float[Array, ""]
    slack: Float[Array, ""]
    residual: Float[Array, ""]
    code: Int[Array, ""]


def _quadratic(phi: Float[Array, ""], ridge: Float[Array, ""], share: Float[Array, ""]) -> _Slacks:
    r"""Isotropic inputs: $p e^2 + (\lambda + \phi - p) e = \lambda$, and $\kappa e = \lambda$."""
    gap = ridge + phi - share
    square = gap**2 + 4.0 * share * ridge
    some = square > 0  # none at ridge 0 and phi = p
    root = jnp.where(some, jnp.sqrt(jnp.where(some, square, 1.0)), 0.0)
    # Of both roots the sum is taken, and the other from the product.
    large = jnp.where(some, 0.5 * (jnp.abs(gap) + root), 1.0)
    small = jnp.where(some, share * ridge / large, 0.0)
    large = jnp.where(some, large, 0.0)
    kappa, slack = jnp.where(gap > 0, large, small), jnp.where(gap > 0, small, large) / share
    residual = jnp.abs(slack + phi / (share + kappa) - 1.0)
    code = jnp.where((phi > 0) & (ridge >= 0), int(Code.OK), int(Code.INVALID)).astype(jnp.int32)
    return _Slacks(kappa, slack, residual, code)


def _solved(
    phi: Float[Array, ""],
    ridge: Float[Array, ""],
    share: Float[Array, ""],
    values: Float[Array, " J"],
    weights: Float[Array, " J"],
) -> _Slacks:
    """Any spectrum."""
    atoms = Atoms(values[None], weights, 1)
    point = solve_fixed_point(MixtureProblem(atoms, jnp.ones(1), share / phi, ridge / share))
    return _Slacks(share * point.theta, point.sample_slack, point.residual, point.code)


class _Through(NamedTuple):
    """Vectors of the plane after P: by their coordinates, or, in random directions, in the mean."""

    values: Float[Array, " J"]
    weights: Float[Array, " J"]
    resolved: Float[Array, " J"]
    directions: Plane

    def plane(self) -> Float[Array, "2 2"]:
        r"""$B^\top P B$."""
        basis = self.directions.basis
        if basis is None:
            return self._mean() * jnp.eye(2)
        return (basis[:2] * self.resolved) @ basis[:2].T

    def against_truth(self, response: Float[Array, "2"]) -> tuple[Array, Array]:
        r"""The component of $P B h$ along the truth, and the length of the rest, none as a difference."""
        basis, truth = self.directions.basis, self.directions.truth
        if basis is not None:
            vector = self.resolved * (response @ basis[:2])
            along = truth @ basis
            signal = along @ vector
            return signal, _length(vector - signal * along)
        mean = self._mean()
        along = truth[:2] @ response
        square = response @ response
        turned = (response[0] * truth[1] - response[1] * truth[0]) ** 2 + truth[2] ** 2 * square
        scatter = self._random() @ (self.resolved - mean) ** 2
        missed = scatter * square + mean**2 * turned
        return mean * along, jnp.where(missed > 0, jnp.sqrt(jnp.where(missed > 0, missed, 1.0)), 0.0)

    def _random(self) -> Float[Array, " J"]:
        """Share of a whitened random direction on each atom."""
        mass = self.weights * self.values
        return mass / jnp.sum(mass)

    def _mean(self) -> Float[Array, ""]:
        return self._random() @ self.resolved


def _spectrum(covariance: Covariance | None, plane: Plane) -> tuple[Float[Array, " J"], Float[Array, " J"]]:
    """Eigenvalues, and the share of the dimensions that each has."""
    if covariance is None:
        return jnp.ones(1), jnp.ones(1)
    if plane.basis is None and isinstance(covariance, Diagonal):
        values, ends = covariance.blocks()
        return values, jnp.diff(jnp.asarray(ends), prepend=0.0) / covariance.d
    values, _ = eigenbasis(covariance)
    return values, jnp.full(covariance.d, 1.0 / covariance.d)


def _solve2(matrix: Float[Array, "2 2"], right: Float[Array, "2"]) -> Float[Array, "2"]:
    """Two equations by Cramer's rule: a batched solver for so few costs more than all the rest."""
    (a, b), (c, d) = matrix
    return jnp.stack([d * right[0] - b * right[1], a * right[1] - c * right[0]]) / (a * d - b * c)


def _length(vector: Float[Array, " d"]) -> Float[Array, ""]:
    """Norm, with derivative 0 and not NaN where it vanishes."""
    square = vector @ vector
    return jnp.where(square > 0, jnp.sqrt(jnp.where(square > 0, square, 1.0)), 0.0)
