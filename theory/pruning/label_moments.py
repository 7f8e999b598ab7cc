r"""Closed form of the moments of a rule that keeps bands of the score, those of either label by themselves.

All moments but one kind integrate by parts to the normal density and distribution function. What is left is

$$ \int_{-\infty}^h \varphi(t)\, \Phi(\tau t)\, dt = \tfrac12 \Phi(h) - T(h, \tau) , $$

T Owen's function: with $\tau = \tan\theta$ a smooth integral over an angle,

$$ T(h, \tan\theta) = \frac1{2 \pi} \int_0^\theta e^{-h^2 / (2 \cos^2 \alpha)}\, d\alpha , $$

and for $\tau > 1$ the mirror image of it.
"""

import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr
from jaxtyping import Array, Float

from freeridge.theory.pruning.moments import Moments, density, root_of_rest

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(20)  # exact to rounding for angles up to 45 degrees
_FAR = 40.0  # no density beyond
_TINY = 1e-300


def moments_of_label_bands(
    edges: Float[Array, " m"],
    right: Float[Array, " m1"],
    wrong: Float[Array, " m1"],
    rho_oracle: Float[Array, ""],
    flips: Array,
) -> Moments:
    r"""Moments of a rule that keeps each band of the score with one chance for each label.

    Parameters
    ----------
    edges : array, shape (m,)
        Scores between which both chances are constant, not decreasing.
    right, wrong : array, shape (m + 1,)
        From the lowest band to the highest: chances of rows with a label of +1, and of those with -1.
    rho_oracle, flips : array
        As in :func:`freeridge.theory.pruning.moments.moments_of_bands`.

    Examples
    --------
    Only rows with the oracle's label:

    >>> found = moments_of_label_bands(
    ...     jnp.zeros(1), jnp.array([0.0, 1.0]), jnp.array([1.0, 0.0]), jnp.array(0.6), jnp.array(0.0)
    ... )
    >>> float(found.share + jnp.arccos(0.6) / jnp.pi)
    1.0
    """
    ends = jnp.concatenate([jnp.array([-_FAR]), jnp.clip(edges, -_FAR, _FAR), jnp.array([_FAR])])
    rest = root_of_rest(rho_oracle)
    along = ends / jnp.maximum(rest, _TINY)
    bell = density(ends)
    low, high = ends[:-1], ends[1:]
    # Upper tails from above, where they keep their digits.
    mass = jnp.where(low > 0, ndtr(-low) - ndtr(-high), ndtr(high) - ndtr(low))
    above = ndtr(rho_oracle * along)
    # Integrals over each band with the generator's label +1. Those of t phi(t) phi(tau t) and of
    # phi(t) phi(tau t) vanish like the rest, which is taken out of them.
    narrow = -rest / np.sqrt(2.0 * np.pi) * jnp.diff(density(along))
    plus = 0.5 * mass - jnp.diff(owens_t(ends, rho_oracle, rest))
    across = jnp.diff(ndtr(along)) / np.sqrt(2.0 * np.pi)
    first = rho_oracle * across - jnp.diff(bell * above)
    square = plus - jnp.diff(ends * bell * above) + rho_oracle * narrow
    other = plus - rho_oracle * narrow
    # Chances by the generator's label, before it is flipped, and the same times the label.
    stays, turns = 1.0 - flips, flips
    up, down = stays * right + turns * wrong, stays * wrong + turns * right
    up_label, down_label = stays * right - turns * wrong, turns * right - stays * wrong
    share = up @ plus + down @ (mass - plus)
    s11 = up @ square + down @ (mass - jnp.diff(ends * bell) - square)
    s12 = rest * ((up - down) @ narrow)
    s22 = up @ other + down @ (mass - other)
    c1 = up_label @ first - down_label @ (first + jnp.diff(bell))
    c2 = rest * ((up_label - down_label) @ across)
    second = jnp.stack([jnp.stack([s11, s12]), jnp.stack([s12, s22])])
    return Moments(share, second, jnp.stack([c1, c2]), jnp.zeros(()))


def owens_t(h: Array, rho: Float[Array, ""], rest: Float[Array, ""]) -> Array:
    r"""$T(h, \rho / \sqrt{1 - \rho^2})$ for $-1 \le \rho \le 1$, elementwise in h.

    Parameters
    ----------
    h : array
    rho, rest : array
        Cosine and sine: $\rho$ and $\sqrt{1 - \rho^2}$.

    Examples
    --------
    >>> from scipy.special import owens_t as scipys
    >>> h, rho = jnp.array([-2.0, 0.0, 0.3]), jnp.array(0.9)
    >>> bool(jnp.allclose(owens_t(h, rho, root_of_rest(rho)), scipys(h, 0.9 / 0.19**0.5), rtol=1e-14))
    True
    """
    size, cosine = jnp.abs(h), jnp.abs(rho)
    steep = cosine > rest
    turned = size * cosine / jnp.maximum(rest, _TINY)
    angle = jnp.where(steep, jnp.arctan2(rest, cosine), jnp.arctan2(rho, rest))
    height = jnp.where(steep, turned, size)
    alpha = 0.5 * angle * (_NODES + 1.0)
    # Beyond 40 the integrand is 0: no square overflows.
    exponent = -0.5 * (jnp.minimum(height, _FAR)[..., None] / jnp.cos(alpha)) ** 2
    integral = (jnp.exp(exponent) @ _WEIGHTS) * angle / (4.0 * np.pi)
    one, two = ndtr(-size), ndtr(-turned)
    return jnp.where(steep, jnp.sign(rho) * (0.5 * (one + two) - one * two - integral), integral)
