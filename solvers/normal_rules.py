r"""Quadratures for functions of a normal variable that turn within a short distance; knows no theory."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

_REACH = 8.5  # standard deviations: beyond is 1e-17 of the mass
_FAR = 34.0  # standard deviations from which a turn is not felt
_LEAST_SPREAD = 1e-3  # in units of the distance within which functions turn: less is resolved by any rule


def turning_rule(
    mean: Float[Array, "*rows 1"],
    spread: Float[Array, "*#rows 1"],
    turns: tuple[Float[Array, "*#rows 1"], Float[Array, "*#rows 1"]],
    width: Float[Array, ""] | float,
    points: int,
) -> tuple[Float[Array, "*rows points"], Float[Array, "*rows points"]]:
    r"""Nodes and weights for functions of $t \sim N(m, s^2)$ that turn near two places, one rule per row.

    A function is analytic but for points that lie some widths above the turns. With $h$ half the distance
    between the two and $y$ the distance of $t$ from their middle, in widths, steps are equal in

    $$ x = \tfrac12 \big( \sinh^{-1}(y - h) + \sinh^{-1}(y + h) \big) , \qquad
       y = \tanh(x) \sqrt{\cosh^2 x + h^2} , $$

    so that a node's distance to the next is one step, or one step's share of the distance to the nearer turn:
    as many nodes do for a spread of $10^4$ widths as for one, and the rule is exponentially accurate.

    Parameters
    ----------
    mean, spread : array, shape (..., 1)
    turns : two arrays, shape (..., 1)
        In order; one that is far from all margins plays no part.
    width : scalar array
    points : int

    Returns
    -------
    nodes, weights : array, shape (..., points)
        Nodes of $z = (t - m) / s$. They are held fixed in derivatives.

    Examples
    --------
    >>> zero = jnp.zeros((1, 1))
    >>> z, weight = turning_rule(zero, zero + 1e4, (zero - 2e3, zero + 5.0), 1.0, 161)
    >>> [round(float(weight[0] @ z[0] ** k), 9) + 0.0 for k in (0, 1, 2)]
    [1.0, 0.0, 1.0]
    """
    mean, spread, (left, right), width = jax.lax.stop_gradient((mean, spread, turns, jnp.asarray(width)))
    center, scale = mean / width, jnp.maximum(spread / width, _LEAST_SPREAD)
    low, high = center - _REACH * scale, center + _REACH * scale
    # A turn further away needs no nodes of its own; without a bound the differences below would lose digits.
    bounds = center - _FAR * scale, center + _FAR * scale
    left, right = jnp.clip(left / width, *bounds), jnp.clip(right / width, *bounds)
    middle, half = 0.5 * (left + right), 0.5 * (right - left)

    def inverse(t: Array) -> Array:
        y = t - middle
        return 0.5 * (jnp.arcsinh(y - half) + jnp.arcsinh(y + half))

    x = inverse(low) + (inverse(high) - inverse(low)) * jnp.linspace(0.0, 1.0, points)
    root = jnp.sqrt(jnp.cosh(x) ** 2 + half**2)
    nodes = (middle + jnp.tanh(x) * root - center) / scale
    growth = root / jnp.cosh(x) ** 2 + jnp.sinh(x) ** 2 / root  # dy / dx
    weights = jnp.exp(-0.5 * nodes**2) * growth
    return nodes, weights / jnp.sum(weights, axis=-1, keepdims=True)


def proximal_rule(
    mean: Float[Array, "*rows 1"],
    spread: Float[Array, "*#rows 1"],
    strength: Float[Array, "*#rows 1"],
    points: int,
) -> tuple[Float[Array, "*rows points"], Float[Array, "*rows points"]]:
    r"""The rule for functions of the proximal point of the logistic loss, at a strength $g$.

    As a function of the margin it is analytic but for branch points at a distance of $\pi$ from the real
    line, above $T = \log(2 + g) + g / (1 + g)$ and $-g - T$, where one straight line turns into another.

    Examples
    --------
    >>> from freeridge.solvers.logistic_prox import prox
    >>> one = jnp.ones((1, 1))
    >>> z, weight = proximal_rule(0 * one, 20 * one, 30 * one, 97)
    >>> finer, weights = proximal_rule(0 * one, 20 * one, 30 * one, 400)
    >>> gap = jnp.sum(weight * prox(20 * z, 30 * one)) - jnp.sum(weights * prox(20 * finer, 30 * one))
    >>> bool(jnp.abs(gap) < 1e-13)
    True
    """
    turn = jnp.log(2.0 + strength) + strength / (1.0 + strength)
    return turning_rule(mean, spread, (-strength - turn, turn), 1.0, points)
