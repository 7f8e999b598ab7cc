"""The joint basis of a problem: covariances and labelers brought to joint eigenvalues, or to matrices when
they do not commute.

Two representations with the same few operations; which one a problem gets is decided here and nowhere else.
"""

import functools
from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Inexact

from freeridge.solvers.common_basis import common_eigenvectors, equal_columns, merged_ends, summed
from freeridge.solvers.fields import known
from freeridge.solvers.spectra import Atoms, Matrices, Spectrum
from freeridge.theory.covariance import Covariance, Dense, Diagonal, Isotropic
from freeridge.theory.labeler import Labeler, RandomVector

Square = tuple[Array, Array, Sequence[Array]]
"""A price, a covariance $B$, and for each labeler an operator: $E |\\sum_a S_a w_a|_B^2$ times the price."""


class AtomicLabels(eqx.Module):
    """Second moments of the labelers on joint atoms: sums over the coordinates of each atom."""

    moments: Inexact[Array, "L L J"]

    def product(
        self, covariance: Inexact[Array, " J"], left: Inexact[Array, "L J"], right: Inexact[Array, "L J"]
    ) -> Array:
        r"""$E (\sum_a S_a w_a)^\top B (\sum_a T_a w_a)$ in the metric of a covariance $B$."""
        return jnp.sum(covariance * left * jnp.sum(self.moments * right, axis=1))

    def strength(self, covariance: Inexact[Array, " J"], label: int) -> Array:
        """The product of one labeler with itself."""
        return jnp.sum(covariance * self.moments[label, label])

    def parts(self, squares: Sequence[Square]) -> tuple[Array, Array]:
        """Squares added up, as what they are in the last labeler alone and what the others add to it.

        The second is expanded by hand: taken as a difference of totals, a small one would lose its digits.
        """
        last, own, others = len(self.moments) - 1, [], []
        for _, covariance, row in squares:
            own.append(jnp.sum(covariance * self.moments[last, last] * row[last] * row[last]))
            sides = [
                functools.reduce(jnp.add, [self.moments[a, b] * row[b] for b in range(last)])
                + 2.0 * self.moments[a, last] * row[last]
                for a in range(last)
            ]
            met = functools.reduce(jnp.add, [row[a] * side for a, side in enumerate(sides)])
            # A product, and prices after it: in a batch nothing else is done once for each atom.
            others.append(covariance @ met)
        prices = jnp.stack([price for price, _, _ in squares])
        return jnp.sum(prices * jnp.stack(own)), jnp.sum(prices * jnp.stack(others))

    def products(
        self, covariance: Inexact[Array, " J"], left: Inexact[Array, "K L J"], right: Inexact[Array, "R L J"]
    ) -> Inexact[Array, "K R"]:
        """The product of every operator on the left with every one on the right."""
        met = jnp.einsum("abj,rbj->raj", self.moments, right) * covariance
        return jnp.einsum("kaj,raj->kr", left, met)


class MatrixLabels(eqx.Module):
    """Labelers as linear combinations of independent vectors with second moments, plus fixed vectors."""

    coefficients: Inexact[Array, "C L"]
    moments: Inexact[Array, "C d d"]
    fixed: Inexact[Array, "L d"]

    def product(
        self, covariance: Inexact[Array, "d d"], left: Inexact[Array, "L d d"], right: Inexact[Array, "L d d"]
    ) -> Array:
        """As for atoms, for matrices."""
        operators, others = (jnp.tensordot(self.coefficients, side, 1) for side in (left, right))
        vector, other = (jnp.einsum("lij,lj->i", side, self.fixed) for side in (left, right))
        return jnp.sum((covariance @ operators @ self.moments) * others) + vector @ covariance @ other

    def strength(self, covariance: Inexact[Array, "d d"], label: int) -> Array:
        """As for atoms, for matrices."""
        seen = jnp.sum(covariance * self.moments, axis=(1, 2)) @ self.coefficients[:, label] ** 2
        return seen + self.fixed[label] @ covariance @ self.fixed[label]

    def parts(self, squares: Sequence[Square]) -> tuple[Array, Array]:
        """As for atoms, for matrices."""
        own, others = jnp.zeros(()), jnp.zeros(())
        for price, covariance, rows in squares:
            nothing = jnp.zeros_like(covariance)
            common = jnp.stack([*(nothing for _ in rows[:-1]), rows[-1]])
            apart = jnp.stack([*rows[:-1], nothing])
            own = own + price * self.product(covariance, common, common)
            others = others + price * self.product(covariance, apart, apart + 2.0 * common)
        return own, others

    def products(
        self,
        covariance: Inexact[Array, "d d"],
        left: Inexact[Array, "K L d d"],
        right: Inexact[Array, "R L d d"],
    ) -> Inexact[Array, "K R"]:
        """As for atoms, for matrices."""
        operators, others = (jnp.einsum("cl,klij->kcij", self.coefficients, side) for side in (left, right))
        vectors, other = (jnp.einsum("klij,lj->ki", side, self.fixed) for side in (left, right))
        met = jnp.einsum("ij,rcjm,cmn->rcin", covariance, others, self.moments)
        return jnp.einsum("kcin,rcin->kr", operators, met) + vectors @ covariance @ other.T


class Joint(eqx.Module):
    """A problem in its joint basis."""

    spectrum: Spectrum
    test: Inexact[Array, "..."]
    labels: AtomicLabels | MatrixLabels

    @property
    def identity(self) -> Array:
        """The identity, as a covariance of this representation."""
        if isinstance(self.spectrum, Atoms):
            return jnp.ones_like(self.test)
        return jnp.eye(len(self.test), dtype=self.test.dtype)

    def covariance(self, s: int) -> Array:
        """Covariance of population s on the whole space."""
        return (
            self.spectrum.values[s]
            if isinstance(self.spectrum, Atoms)
            else self._padded(self.spectrum.values[s])
        )

    def errors(self, c: Inexact[Array, " G"], theta: Inexact[Array, ""]) -> Array:
        r"""Operators that make the mean error $\bar w - w$ from the labelers (differences to the test
        labeler, test labeler).

        $c_s R \Sigma_s$ for each population and $-\theta R$ for the test labeler, stacked.
        """
        return self.errors_through(self.spectrum.resolvent(c, theta), c, theta)

    def errors_through(
        self, resolvent: Inexact[Array, "..."], c: Inexact[Array, " G"], theta: Inexact[Array, ""]
    ) -> Array:
        """The same with the resolvent at hand."""
        if isinstance(self.spectrum, Atoms):
            parts = c[:, None] * self.spectrum.values * resolvent
            return jnp.concatenate([parts, -theta * resolvent[None]])
        parts = c[:, None, None] * (resolvent @ self.spectrum.values)
        outside = jnp.where(jnp.arange(len(self.test)) < len(resolvent), 0.0, 1.0)
        missed = self._padded(-theta * resolvent) - jnp.diag(outside)
        return jnp.concatenate([jnp.stack([self._padded(part) for part in parts]), missed[None]])

    def _padded(self, matrix: Inexact[Array, "k k"]) -> Inexact[Array, "d d"]:
        return jnp.pad(matrix, (0, len(self.test) - len(matrix)))


def join(covariances: Sequence[Covariance], test: Covariance, labelers: Sequence[Labeler]) -> Joint:
    """Bring populations, test covariance and labelers (the test labeler last) to their joint basis."""
    everything = [*covariances, test]
    if all(isinstance(c, Diagonal) for c in everything) and not _has_dense_moment(labelers):
        return _join_diagonal(everything, labelers)  # type: ignore[arg-type]
    dense = [_matrix(c) for c in everything]
    shaped = [m for c, m in zip(everything, dense, strict=True) if not isinstance(c, Isotropic)]
    basis = common_eigenvectors(shaped) if shaped else jnp.eye(test.d)
    if basis is None:
        return _join_matrices(dense, labelers)
    values = jnp.stack([jnp.maximum(jnp.diag(basis.T @ m @ basis), 0.0) for m in dense])
    values = jnp.where(values > _rounding(test.d) * jnp.max(values, axis=1, keepdims=True), values, 0.0)
    moments = [jnp.diag(basis.T @ m @ basis) for m in _moment_matrices(labelers)]
    fixed = [None if w.fixed is None else basis.T @ w.fixed for w in labelers]
    return _atomic(values, np.ones(len(basis)), known(values), test.d, moments, fixed, labelers)


def _rounding(dimension: int) -> float:
    """Eigenvalues of a matrix below this, relative to the largest, are rounding."""
    return dimension * float(np.finfo(np.float64).eps)


def _has_dense_moment(labelers: Sequence[Labeler]) -> bool:
    return any(isinstance(source.covariance, Dense) for source in _sources(labelers))


def _sources(labelers: Sequence[Labeler]) -> list[RandomVector]:
    return list(dict.fromkeys(source for labeler in labelers for source in labeler.terms()))


def _coefficients(labelers: Sequence[Labeler]) -> Array:
    rows = [
        [labeler.terms().get(source, jnp.zeros(())) for labeler in labelers] for source in _sources(labelers)
    ]
    return jnp.asarray(rows).reshape(len(rows), len(labelers))


def _matrix(covariance: Covariance) -> Array:
    if isinstance(covariance, Dense):
        return covariance.matrix
    assert isinstance(covariance, Diagonal)
    return jnp.diag(covariance.coordinates())


def _moment_matrices(labelers: Sequence[Labeler]) -> list[Array]:
    return [_matrix(source.covariance) for source in _sources(labelers)]


def _join_diagonal(covariances: Sequence[Diagonal], labelers: Sequence[Labeler]) -> Joint:
    sources = [source.covariance for source in _sources(labelers)]
    spectra = [*covariances, *sources]
    dimension = spectra[0].d
    if any(labeler.fixed is not None for labeler in labelers):
        ends: Any = np.arange(1.0, dimension + 1.0)  # a fixed vector has one entry per coordinate
    else:
        ends = merged_ends([c.blocks()[1] for c in spectra])  # type: ignore[attr-defined]
    xp = np if isinstance(ends, np.ndarray) else jnp
    counts = xp.diff(ends, prepend=0.0)
    middles = ends - 0.5 * counts
    values = [c.at(middles) for c in covariances]
    moments = [c.at(middles) * counts for c in sources]  # type: ignore[attr-defined]
    levels = None
    if isinstance(ends, np.ndarray):
        levels = np.stack([_levels(c, middles, v) for c, v in zip(covariances, values, strict=True)])
    fixed = [labeler.fixed for labeler in labelers]
    return _atomic(jnp.stack(values), counts, levels, dimension, moments, fixed, labelers)


def _levels(covariance: Diagonal, middles: np.ndarray, values: Array) -> np.ndarray:
    """What tells the eigenvalues of a covariance apart: they themselves, or while JAX traces their blocks."""
    found = known(values)
    if found is not None:
        return found
    ends = covariance.blocks()[1]
    if not isinstance(ends, np.ndarray):  # traced too: all of them may differ
        return np.arange(len(middles))
    return np.searchsorted(ends, middles)


def _atomic(
    values: Float[Array, "P J"],
    counts: Any,
    levels: np.ndarray | None,
    dimension: int,
    moments: Sequence[Array],
    fixed: Sequence[Array | None],
    labelers: Sequence[Labeler],
) -> Joint:
    vectors = jnp.stack([jnp.zeros(values.shape[1]) if w is None else w for w in fixed])
    products = None if all(w is None for w in fixed) else vectors[:, None] * vectors[None]
    if levels is not None:
        # Where all covariances are the same there is one atom, whatever the labelers are there.
        first, atom = equal_columns(levels)
        if len(first) < len(atom):
            values, counts = values[:, first], np.bincount(atom, counts)
            moments = [summed(moment, atom, len(first)) for moment in moments]
            products = None if products is None else summed(products, atom, len(first))
    total = jnp.zeros((len(labelers), len(labelers), values.shape[1]))
    for row, moment in zip(_coefficients(labelers), moments, strict=True):
        total = total + row[:, None, None] * row[None, :, None] * moment
    total = total if products is None else total + products
    return Joint(Atoms(values[:-1], jnp.asarray(counts), dimension), values[-1], AtomicLabels(total))


def _join_matrices(dense: Sequence[Array], labelers: Sequence[Labeler]) -> Joint:
    dimension = len(dense[0])
    training = [known(m) for m in dense[:-1]]
    basis, rank = np.eye(dimension), dimension
    if all(m is not None for m in training):
        scaled = sum(
            m / max(float(np.max(np.abs(m))), np.finfo(float).tiny) for m in training if m is not None
        )
        eigenvalues, vectors = np.linalg.eigh(scaled)
        rank = int(np.sum(eigenvalues > _rounding(dimension) * eigenvalues[-1]))
        if rank < dimension:
            basis = vectors[:, ::-1]
    rotated = [basis.T @ m @ basis for m in dense] if rank < dimension else list(dense)
    moments = [basis.T @ m @ basis for m in _moment_matrices(labelers)]
    fixed = [jnp.zeros(dimension) if w.fixed is None else basis.T @ w.fixed for w in labelers]
    return Joint(
        Matrices(jnp.stack(rotated[:-1])[:, :rank, :rank], dimension),
        jnp.asarray(rotated[-1]),
        MatrixLabels(
            _coefficients(labelers), jnp.asarray(moments).reshape(-1, dimension, dimension), jnp.stack(fixed)
        ),
    )
