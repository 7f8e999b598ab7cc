r"""The fixed-point problem of a ridge mixture, and the part of it that has a closed form.

Given $S = \sum_s p_s y_s$ the ridge and the sizes determine both slacks: a quadratic.
"""

from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Inexact

from freeridge.solvers.spectra import Spectrum

# Ridge 0 means the limit from above; relative to the mean eigenvalue this ridge is below rounding in every
# term.
VANISHING = 1e-40


class MixtureProblem(eqx.Module):
    """What the fixed point depends on: covariances, shares, sizes and ridge. All numeric fields may be
    traced; training stopped early makes them complex.
    """

    spectrum: Spectrum
    shares: Inexact[Array, " G"]
    n: Inexact[Array, ""]
    ridge: Inexact[Array, "*path"]
    features: Inexact[Array, ""] | None = None

    @property
    def aspect(self) -> Inexact[Array, ""]:
        r"""$\phi = d/n$."""
        return self.spectrum.dimension / self.n


class Slacks(NamedTuple):
    """What the ridge, the sizes and $S = \\sum p_s y_s$ determine in closed form (a quadratic)."""

    ridge: Float[Array, ""]
    sample: Float[Array, ""]
    feature: Float[Array, ""]
    follow: Float[Array, ""]
    """$d \\log \\bar e / d \\log S$, between 0 and 1."""


def slacks_of(p: MixtureProblem, total: Float[Array, ""]) -> Slacks:
    r"""Slacks of a problem at $S$: the roots of $\bar e^2 + (\psi - 1) \bar e = \lambda \phi S$, $\bar e -
    \phi \nu = 1 - \psi$.
    """
    ridge = jnp.maximum(p.ridge, VANISHING)
    if p.features is None:
        return Slacks(ridge, ridge * total, jnp.ones_like(total), jnp.ones_like(total))
    # Of each pair of roots take the one that adds, and the other from the product.
    gap = (p.n - p.features) / p.n
    product = ridge * p.aspect * total
    large = 0.5 * (jnp.abs(gap) + jnp.sqrt(gap**2 + 4.0 * product))
    small = product / large
    sample, scaled_feature = jnp.where(gap >= 0, large, small), jnp.where(gap >= 0, small, large)
    return Slacks(ridge, sample, scaled_feature / p.aspect, scaled_feature / (sample + scaled_feature))
