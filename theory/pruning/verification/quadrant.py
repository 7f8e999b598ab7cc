r"""The plane integrals of verification: a unit normal vector where two linear rules agree.

$a \sim N(m, I_2)$ and two unit vectors at the angle $\theta$; the region where both have positive scores is
the sector of directions $\alpha \in (\theta - \pi/2, \pi/2)$, counted from the first vector. In polar
coordinates the radius integrates in closed form, and what is left is smooth in $\alpha$ at any $\theta$: the
bivariate normal distribution function $\Phi_2$ to rounding, without its singularity at correlation $\pm 1$.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr
from jaxtyping import Array, Float

_ANGLES = 96  # of the rule for probabilities: exact to rounding for |m| up to 8
_REACH = 8.5  # standard deviations: beyond is 1e-17 of the mass


class PolarRule(NamedTuple):
    """Nodes in a sector of the plane, with the normal density in their weights."""

    points: Float[Array, "nodes 2"]
    weights: Float[Array, " nodes"]


def sector_probability(mean: Float[Array, " 2"], angle: Float[Array, ""]) -> Float[Array, ""]:
    r"""Probability that $a \sim N(m, I_2)$ has positive scores under two unit vectors.

    Parameters
    ----------
    mean : array, shape (2,)
        $m$, in the basis of the first vector and the direction from it to the second.
    angle : scalar array
        $\theta \in [0, \pi]$ between the two.

    Examples
    --------
    Centred, and the same vector twice:

    >>> from scipy.special import ndtr
    >>> float(sector_probability(jnp.zeros(2), jnp.array(np.pi / 2))).__round__(12)
    0.25
    >>> abs(float(sector_probability(jnp.array([1.5, 0.3]), jnp.array(0.0)) - ndtr(1.5))) < 1e-14
    True
    """
    direction, weight = _directions(angle, _ANGLES)
    forward = direction @ mean
    # exp(-|m|^2 / 2) is split so that no factor overflows.
    across = 0.5 * (mean @ mean - forward**2)
    radial = jnp.exp(-0.5 * mean @ mean) + jnp.sqrt(2.0 * jnp.pi) * forward * jnp.exp(-across) * ndtr(forward)
    return weight @ radial / (2.0 * jnp.pi)


def polar_rule(mean: Float[Array, " 2"], angle: Float[Array, ""], angles: int, radii: int) -> PolarRule:
    r"""Gauss-Legendre rule for $E[h(a)]$ over the sector; its weights sum to the probability above.

    Examples
    --------
    >>> mean, angle = jnp.array([1.5, 0.3]), jnp.array(0.7)
    >>> rule = polar_rule(mean, angle, 24, 40)
    >>> abs(float(jnp.sum(rule.weights) - sector_probability(mean, angle))) < 1e-13
    True
    """
    direction, weight = _directions(angle, angles)
    node, step = np.polynomial.legendre.leggauss(radii)
    reach = jnp.sqrt(mean @ mean) + _REACH
    radius, radial = 0.5 * reach * (node + 1.0), 0.5 * reach * step
    points = radius[None, :, None] * direction[:, None, :]
    density = jnp.exp(-0.5 * jnp.sum((points - mean) ** 2, axis=-1)) / (2.0 * jnp.pi)
    weights = weight[:, None] * (radial * radius)[None, :] * density
    return PolarRule(points.reshape(-1, 2), weights.reshape(-1))


def half_line_rule(
    mean: Float[Array, ""], count: int
) -> tuple[Float[Array, " nodes"], Float[Array, " nodes"]]:
    r"""Nodes and weights for $E[h(t); t > 0]$ with $t \sim N(m, 1)$.

    Examples
    --------
    >>> from scipy.special import ndtr
    >>> _, weights = half_line_rule(jnp.array(0.8), 60)
    >>> abs(float(jnp.sum(weights) - ndtr(0.8))) < 1e-14
    True
    """
    node, step = np.polynomial.legendre.leggauss(count)
    reach = jnp.abs(mean) + _REACH
    point = 0.5 * reach * (node + 1.0)
    return point, 0.5 * reach * step * jnp.exp(-0.5 * (point - mean) ** 2) / jnp.sqrt(2.0 * jnp.pi)


def _directions(
    angle: Float[Array, ""], count: int
) -> tuple[Float[Array, "angles 2"], Float[Array, " angles"]]:
    node, weight = np.polynomial.legendre.leggauss(count)
    width = jnp.pi - angle
    alpha = 0.5 * (angle + width * node)
    return jnp.stack([jnp.cos(alpha), jnp.sin(alpha)], axis=1), 0.5 * width * weight
