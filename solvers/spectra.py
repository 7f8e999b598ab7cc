"""Traces of the resolvent of a mixture of covariances, on joint eigenvalues or on dense matrices.

Everything the theory needs from the covariances are a few traces of

$$ R = \\Big( \\sum_s c_s \\Sigma_s + \\theta I \\Big)^{-1} , $$

for non-negative weights $c$ and $\\theta$. Covariances that commute are held as joint eigenvalues ("atoms"),
any others as matrices; the solvers see only the methods the two classes share. Traces are normalised,
$\\overline{\\mathrm{tr}} = \\mathrm{tr}/d$.
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.scipy.linalg as jsl
from jaxtyping import Array, Float


class ResolventTraces(NamedTuple):
    r"""The traces of one resolvent: all of the same sign, none computed as a difference."""

    single: Float[Array, " G"]
    r"""$\overline{\mathrm{tr}}\, \Sigma_s R$."""
    free: Float[Array, ""]
    r"""$\theta\, \overline{\mathrm{tr}}\, R$ on the joint range of the covariances: rank fraction minus
    degrees of freedom.
    """
    pair: Float[Array, "G G"]
    r"""$\overline{\mathrm{tr}}\, \Sigma_s R \Sigma_r R$."""
    squared: Float[Array, " G"]
    r"""$\overline{\mathrm{tr}}\, \Sigma_s R^2$."""


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

    values: Float[Array, "G J"]
    multiplicities: Float[Array, " J"]
    dimension: int = eqx.field(static=True)

    @property
    def rank(self) -> Float[Array, ""]:
        """Number of dimensions on which at least one covariance does not vanish."""
        return jnp.sum(jnp.where(self._seen, self.multiplicities, 0.0))

    @property
    def weights(self) -> Float[Array, " J"]:
        return self.multiplicities / self.dimension

    @property
    def mean_eigenvalues(self) -> Float[Array, " G"]:
        return self.values @ self.weights

    @property
    def _seen(self) -> Array:
        return jnp.any(self.values > 0, axis=0)

    def resolvent(self, c: Float[Array, " G"], theta: Float[Array, ""]) -> Float[Array, " J"]:
        """Eigenvalues of $R$ on the atoms."""
        return 1.0 / (c @ self.values + theta)

    def traces(self, c: Float[Array, " G"], theta: Float[Array, ""]) -> ResolventTraces:
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
        self, c: Float[Array, " G"], theta: Float[Array, ""], test: Float[Array, " J"]
    ) -> tuple[Float[Array, ""], Float[Array, " G"]]:
        r"""$\overline{\mathrm{tr}}\, R B R$ and $\overline{\mathrm{tr}}\, \Sigma_s R B R$ for a test
        covariance $B$.
        """
        r = self.resolvent(c, theta)
        seen_by_test = self.weights * r * r * test
        return jnp.sum(seen_by_test), self.values @ seen_by_test

    def rescaled(self, factors: Float[Array, " G"]) -> "Atoms":
        """The same spectrum with each covariance multiplied by its factor."""
        return Atoms(self.values * factors[:, None], self.multiplicities, self.dimension)


class Matrices(eqx.Module):
    """Covariances that do not commute, as dense matrices on their joint range.

    ``dimension`` is that of the whole space; directions on which every covariance vanishes are left out of
    ``values`` and enter only through ``dimension``.
    """

    values: Float[Array, "G k k"]
    dimension: int = eqx.field(static=True)

    @property
    def rank(self) -> Float[Array, ""]:
        return jnp.asarray(float(self.values.shape[-1]))

    @property
    def mean_eigenvalues(self) -> Float[Array, " G"]:
        return jnp.trace(self.values, axis1=1, axis2=2) / self.dimension

    def resolvent(self, c: Float[Array, " G"], theta: Float[Array, ""]) -> Float[Array, "k k"]:
        """$R$ on the joint range."""
        eye = jnp.eye(self.values.shape[-1])
        return _inverse(jnp.tensordot(c, self.values, 1) + theta * eye)

    def traces(self, c: Float[Array, " G"], theta: Float[Array, ""]) -> ResolventTraces:
        r = self.resolvent(c, theta)
        products = self.values @ r
        return ResolventTraces(
            single=jnp.trace(products, axis1=1, axis2=2) / self.dimension,
            free=theta * jnp.trace(r) / self.dimension,
            pair=jnp.einsum("sij,rji->sr", products, products) / self.dimension,
            squared=jnp.einsum("sij,ji->s", products, r) / self.dimension,
        )

    def responses(
        self, c: Float[Array, " G"], theta: Float[Array, ""], test: Float[Array, "d d"]
    ) -> tuple[Float[Array, ""], Float[Array, " G"]]:
        """As for atoms; ``test`` is given on the whole space, the joint range first."""
        k = self.values.shape[-1]
        r = self.resolvent(c, theta)
        rbr = r @ test[:k, :k] @ r
        outside = jnp.trace(test[k:, k:]) / theta**2 if k < self.dimension else 0.0
        within = jnp.einsum("sij,ji->s", self.values, rbr) / self.dimension
        return (jnp.trace(rbr) + outside) / self.dimension, within

    def rescaled(self, factors: Float[Array, " G"]) -> "Matrices":
        """The same spectrum with each covariance multiplied by its factor."""
        return Matrices(self.values * factors[:, None, None], self.dimension)


Spectrum = Atoms | Matrices


@jax.custom_jvp
def _inverse(matrix: Float[Array, "k k"]) -> Float[Array, "k k"]:
    return _one_by_one(matrix)


@_inverse.defjvp
def _inverse_jvp(primals, tangents):  # type: ignore[no-untyped-def]
    inverse = _inverse(primals[0])
    return inverse, -inverse @ tangents[0] @ inverse


@jax.custom_batching.sequential_vmap  # type: ignore[untyped-decorator]
def _one_by_one(matrix: Float[Array, "k k"]) -> Float[Array, "k k"]:
    """One factorisation at a time, also under vmap: batched Cholesky can hang JAX 0.10 on two cores, and
    gains nothing at these sizes.
    """
    eye = jnp.eye(len(matrix))
    return jsl.cho_solve(jsl.cho_factor(matrix), eye)
