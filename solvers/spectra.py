"""Traces of the resolvent of a mixture of covariances, on joint eigenvalues or on dense matrices.

Everything the theory needs from the covariances are a few traces of

$$ R = \\Big( \\sum_s c_s \\Sigma_s + \\theta I \\Big)^{-1} , $$

for non-negative weights $c$ and $\\theta$. Covariances that commute are held as joint eigenvalues ("atoms"),
any others as matrices; the solvers see only the methods the two classes share. Traces are normalised,
$\\overline{\\mathrm{tr}} = \\mathrm{tr}/d$. Weights and $\\theta$ are real, or complex when training stops
early (:mod:`freeridge.solvers.contours`).
"""

from collections.abc import Callable
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


Traces = Callable[[Inexact[Array, " G"], Inexact[Array, ""]], ResolventTraces]


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

    levels: Inexact[Array, "G J"]
    multiplicities: Inexact[Array, " J"]
    dimension: int = eqx.field(static=True)
    factors: Inexact[Array, " G"]
    """What each row of levels is multiplied by. Kept apart: in a batch in which only factors differ, all
    traces are products with the same matrices.
    """
    unit: Inexact[Array, ""]

    def __init__(
        self,
        values: Inexact[Array, "G J"],
        multiplicities: Inexact[Array, " J"],
        dimension: int,
        factors: Inexact[Array, " G"] | None = None,
        unit: Inexact[Array, ""] | None = None,
    ) -> None:
        self.levels, self.multiplicities, self.dimension = values, multiplicities, dimension
        self.factors = jnp.ones(len(values)) if factors is None else factors
        self.unit = jnp.ones(()) if unit is None else unit

    @property
    def values(self) -> Inexact[Array, "G J"]:
        """Eigenvalues of each covariance on the atoms."""
        return self._scales[:, None] * self.levels

    @property
    def rank(self) -> Inexact[Array, ""]:
        """Number of dimensions on which at least one covariance does not vanish."""
        return jnp.sum(jnp.where(self._seen, self.multiplicities, 0.0))

    @property
    def weights(self) -> Inexact[Array, " J"]:
        return self.multiplicities / self.dimension

    @property
    def mean_eigenvalues(self) -> Inexact[Array, " G"]:
        return self._scales * (self.levels @ self.weights)

    @property
    def _scales(self) -> Inexact[Array, " G"]:
        return self.factors / self.unit

    @property
    def _seen(self) -> Array:
        # Not of the values: a unit that differs from lane to lane changes nothing here.
        return jnp.any((self.levels > 0) & (self.factors > 0)[:, None], axis=0)

    def resolvent(self, c: Inexact[Array, " G"], theta: Inexact[Array, ""]) -> Inexact[Array, " J"]:
        """Eigenvalues of $R$ on the atoms."""
        return 1.0 / ((c * self._scales) @ self.levels + theta)

    def traces(self, c: Inexact[Array, " G"], theta: Inexact[Array, ""]) -> ResolventTraces:
        return self.prepared_traces()(c, theta)

    def prepared_traces(self) -> Traces:
        """:meth:`traces` as a function that has the products of levels at hand, for many weights."""
        count, weighted = len(self.levels), self.levels * self.weights
        pairs = (self.levels[:, None] * weighted).reshape(count * count, -1)
        second = jnp.concatenate([weighted, pairs])
        free, scales = jnp.where(self._seen, self.weights, 0.0), self._scales

        def traces(c: Inexact[Array, " G"], theta: Inexact[Array, ""]) -> ResolventTraces:
            r = self.resolvent(c, theta)
            twice = second @ (r * r)
            pair = twice[count:].reshape(count, count)
            return ResolventTraces(
                single=scales * (weighted @ r),
                free=theta * (free @ r),
                pair=scales[:, None] * pair * scales,
                squared=scales * twice[:count],
            )

        return traces

    def responses(
        self, c: Inexact[Array, " G"], theta: Inexact[Array, ""], test: Inexact[Array, " J"]
    ) -> tuple[Inexact[Array, ""], Inexact[Array, " G"]]:
        r"""$\overline{\mathrm{tr}}\, R B R$ and $\overline{\mathrm{tr}}\, \Sigma_s R B R$ for a test
        covariance $B$.
        """
        r, tested = self.resolvent(c, theta), self.weights * test
        found = jnp.concatenate([tested[None], self.levels * tested]) @ (r * r)
        return found[0], self._scales * found[1:]

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
        return Atoms(self.levels, self.multiplicities, self.dimension, self.factors * factors, self.unit)

    def in_units(self, unit: Inexact[Array, ""]) -> "Atoms":
        """The same spectrum with all covariances divided by a positive number."""
        return Atoms(self.levels, self.multiplicities, self.dimension, self.factors, self.unit * unit)

    def where(self, valid: Array) -> "Atoms":
        """The same spectrum if it is valid, or else one that a problem can be solved with."""

        def usable(leaf: Array) -> Array:
            # By what it says itself: what all lanes of a batch share they go on sharing.
            return jnp.where(jnp.all(jnp.isfinite(leaf)) & jnp.any(leaf > 0), leaf, 1.0)

        factors = jnp.where(valid, self.factors, 1.0)
        return Atoms(usable(self.levels), usable(self.multiplicities), self.dimension, factors, self.unit)


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

    def prepared_traces(self) -> Traces:
        """:meth:`traces`: nothing is gained by preparation."""
        return self.traces

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

    def in_units(self, unit: Inexact[Array, ""]) -> "Matrices":
        """The same spectrum with all covariances divided by a positive number."""
        return Matrices(self.values / unit, self.dimension)

    def where(self, valid: Array) -> "Matrices":
        """The same spectrum if it is valid, or else one that a problem can be solved with."""
        return Matrices(jnp.where(valid, self.values, 1.0), self.dimension)


Spectrum = Atoms | Matrices
