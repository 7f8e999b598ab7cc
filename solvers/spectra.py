"""Traces of the resolvent of a mixture of covariances, on joint eigenvalues or on dense matrices.

Everything the theory needs from the covariances are a few traces of

$$ R = \\Big( \\sum_s c_s \\Sigma_s + \\theta I \\Big)^{-1} , $$

for non-negative weights $c$ and $\\theta$. Covariances that commute are held as joint eigenvalues ("atoms"),
any others as matrices; the solvers see only the methods the two classes share. Traces are normalised,
$\\overline{\\mathrm{tr}} = \\mathrm{tr}/d$. Weights and $\\theta$ are real, or complex when training stops
early (:mod:`freeridge.solvers.contours`).
"""

from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Inexact

from freeridge.solvers.inverses import inverse_symmetric


class ResolventTraces(NamedTuple):
    r"""The traces of one resolvent: all of the same sign, none computed as a difference."""

    single: Inexact[Array, " G"]
    r"""$\overline{\mathrm{tr}}\, \Sigma_s R$."""
    free: Inexact[Array, ""]
    r"""$\theta\, \overline{\mathrm{tr}}\, R$ on the joint range of the covariances: rank fraction minus
    degrees of freedom.
    """
    pair: Inexact[Array, "G G"]
    r"""$\overline{\mathrm{tr}}\, \Sigma_s R \Sigma_r R$."""
    squared: Inexact[Array, " G"]
    r"""$\overline{\mathrm{tr}}\, \Sigma_s R^2$."""


class CrossTraces(NamedTuple):
    r"""Traces of pairs of resolvents, $R$ from one batch and $R'$ from another."""

    pair: Inexact[Array, "G G left right"]
    r"""$\overline{\mathrm{tr}}\, \Sigma_s R \Sigma_r R'$."""
    squared: Inexact[Array, "G left right"]
    r"""$\overline{\mathrm{tr}}\, \Sigma_s R R'$."""
    through_penalty: Inexact[Array, "left right"]
    r"""$\overline{\mathrm{tr}}\, R B R'$."""
    through_samples: Inexact[Array, "G left right"]
    r"""$\overline{\mathrm{tr}}\, \Sigma_s R B R'$."""


class Atoms(eqx.Module):
    """Commuting covariances: their eigenvalues on joint atoms, each atom with the number of dimensions it
    stands for.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> spectrum = Atoms(values=jnp.array([[1.0, 3.0]]), multiplicities=jnp.array([2.0, 2.0]), dimension=4)
    >>> float(spectrum.traces(jnp.array([1.0]), jnp.array(1.0)).single[0])
    0.625
    """

    values: Inexact[Array, "G J"]
    multiplicities: Inexact[Array, " J"]
    dimension: int = eqx.field(static=True)

    @property
    def rank(self) -> Inexact[Array, ""]:
        """Number of dimensions on which at least one covariance does not vanish."""
        return jnp.sum(jnp.where(self._seen, self.multiplicities, 0.0))

    @property
    def weights(self) -> Inexact[Array, " J"]:
        return self.multiplicities / self.dimension

    @property
    def mean_eigenvalues(self) -> Inexact[Array, " G"]:
        return self.values @ self.weights

    @property
    def _seen(self) -> Array:
        return jnp.any(self.values > 0, axis=0)

    def resolvent(self, c: Inexact[Array, " G"], theta: Inexact[Array, ""]) -> Inexact[Array, " J"]:
        """Eigenvalues of $R$ on the atoms."""
        return 1.0 / (c @ self.values + theta)

    def traces(self, c: Inexact[Array, " G"], theta: Inexact[Array, ""]) -> ResolventTraces:
        r = self.resolvent(c, theta)
        weights = self.weights
        first = weights * r
        weighted = self.values * (first * r)
        return ResolventTraces(
            single=self.values @ first,
            free=theta * jnp.sum(jnp.where(self._seen, first, 0.0)),
            pair=weighted @ self.values.T,
            squared=jnp.sum(weighted, axis=1),
        )

    def responses(
        self, c: Inexact[Array, " G"], theta: Inexact[Array, ""], test: Inexact[Array, " J"]
    ) -> tuple[Inexact[Array, ""], Inexact[Array, " G"]]:
        r"""$\overline{\mathrm{tr}}\, R B R$ and $\overline{\mathrm{tr}}\, \Sigma_s R B R$ for a test
        covariance $B$.
        """
        r = self.resolvent(c, theta)
        seen_by_test = self.weights * r * r * test
        return jnp.sum(seen_by_test), self.values @ seen_by_test

    def cross_traces(
        self, left: Inexact[Array, "left J"], right: Inexact[Array, "right J"], test: Inexact[Array, " J"]
    ) -> CrossTraces:
        """Traces of every resolvent on the left with every one on the right."""
        ours, theirs = left * self.weights, right
        seen, met = self.values[:, None] * ours, self.values[:, None] * theirs
        return CrossTraces(
            pair=jnp.einsum("skj,rlj->srkl", seen, met),
            squared=seen @ theirs.T,
            through_penalty=(ours * test) @ theirs.T,
            through_samples=(seen * test) @ theirs.T,
        )

    def rescaled(self, factors: Inexact[Array, " G"]) -> "Atoms":
        """The same spectrum with each covariance multiplied by its factor."""
        return Atoms(self.values * factors[:, None], self.multiplicities, self.dimension)


class Matrices(eqx.Module):
    """Covariances that do not commute, as dense matrices on their joint range.

    ``dimension`` is that of the whole space; directions on which every covariance vanishes are left out of
    ``values`` and enter only through ``dimension``.
    """

    values: Inexact[Array, "G k k"]
    dimension: int = eqx.field(static=True)

    @property
    def rank(self) -> Inexact[Array, ""]:
        return jnp.asarray(float(self.values.shape[-1]))

    @property
    def mean_eigenvalues(self) -> Inexact[Array, " G"]:
        return jnp.trace(self.values, axis1=1, axis2=2) / self.dimension

    def resolvent(self, c: Inexact[Array, " G"], theta: Inexact[Array, ""]) -> Inexact[Array, "k k"]:
        """$R$ on the joint range."""
        eye = jnp.eye(self.values.shape[-1], dtype=theta.dtype)
        return inverse_symmetric(jnp.tensordot(c, self.values, 1) + theta * eye)

    def traces(self, c: Inexact[Array, " G"], theta: Inexact[Array, ""]) -> ResolventTraces:
        r = self.resolvent(c, theta)
        products = self.values @ r
        return ResolventTraces(
            single=jnp.trace(products, axis1=1, axis2=2) / self.dimension,
            free=theta * jnp.trace(r) / self.dimension,
            pair=jnp.einsum("sij,rji->sr", products, products) / self.dimension,
            squared=jnp.einsum("sij,ji->s", products, r) / self.dimension,
        )

    def responses(
        self, c: Inexact[Array, " G"], theta: Inexact[Array, ""], test: Inexact[Array, "d d"]
    ) -> tuple[Inexact[Array, ""], Inexact[Array, " G"]]:
        """As for atoms; ``test`` is given on the whole space, the joint range first."""
        k = self.values.shape[-1]
        r = self.resolvent(c, theta)
        rbr = r @ test[:k, :k] @ r
        outside = jnp.trace(test[k:, k:]) / theta**2 if k < self.dimension else 0.0
        within = jnp.einsum("sij,ji->s", self.values, rbr) / self.dimension
        return (jnp.trace(rbr) + outside) / self.dimension, within

    def cross_traces(
        self,
        left: Inexact[Array, "left k k"],
        right: Inexact[Array, "right k k"],
        test: Inexact[Array, "d d"],
    ) -> CrossTraces:
        """As for atoms; off the joint range both resolvents are the identity, which only the test covariance
        sees.
        """
        k, d = self.values.shape[-1], self.dimension
        ours = jnp.einsum("sij,ajk->saik", self.values, left)
        theirs = jnp.einsum("sij,bjk->sbik", self.values, right)
        tested = jnp.einsum("ij,bjk->bik", test[:k, :k], right)
        return CrossTraces(
            pair=jnp.einsum("saij,rbji->srab", ours, theirs) / d,
            squared=jnp.einsum("saij,bji->sab", ours, right) / d,
            through_penalty=(jnp.einsum("aij,bji->ab", left, tested) + jnp.trace(test[k:, k:])) / d,
            through_samples=jnp.einsum("saij,bji->sab", ours, tested) / d,
        )

    def rescaled(self, factors: Inexact[Array, " G"]) -> "Matrices":
        """The same spectrum with each covariance multiplied by its factor."""
        return Matrices(self.values * factors[:, None, None], self.dimension)


Spectrum = Atoms | Matrices
