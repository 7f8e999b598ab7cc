r"""The logistic loss and its proximal point; knows no theory.

With $\ell(t) = \log(1 + e^{-t})$ the proximal point $p$ of $t$ at strength $g \ge 0$ is where
$x \mapsto \ell(x) + (x - t)^2 / (2 g)$ is smallest, the root of

$$ f(p) = p - g\, \sigma(-p) - t , \qquad \sigma(p) = 1 / (1 + e^{-p}) . $$

$f$ increases, is convex for $p < 0$ and concave for $p > 0$. Newton's method from zero, or from whichever of
$t$ and $t + g$ is a better bound on the side of the root, therefore never passes the root: it needs no
bracket, at any strength.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

# From zero to the root at strength g takes about log g steps, and then four or five.
_MAX_STEPS = 100
# Newton has converged quadratically once a step is this small: the next is below rounding.
_LAST_STEP = 1e-9


def loss(margin: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    r"""$\ell(t) = \log(1 + e^{-t})$ without overflow.

    Examples
    --------
    >>> [round(float(value), 6) for value in loss(jnp.array([-1000.0, 0.0]))]
    [1000.0, 0.693147]
    """
    return jax.nn.softplus(-margin)


@jax.custom_jvp
def prox(point: Float[Array, "*shape"], strength: Float[Array, ""]) -> Float[Array, "*shape"]:
    """Proximal point of the logistic loss, to rounding.

    Parameters
    ----------
    point : array
        $t$.
    strength : scalar array
        $g >= 0$; at 0 the proximal point is the point itself.

    Examples
    --------
    >>> p = prox(jnp.array([-3.0, 0.5]), jnp.array(2.0))
    >>> float(jnp.max(jnp.abs(p - 2.0 * jax.nn.sigmoid(-p) - jnp.array([-3.0, 0.5])))) < 1e-15
    True
    """
    positive = point + 0.5 * strength >= 0.0  # f(0) <= 0: the root is on the right of zero
    start = jnp.where(positive, jnp.maximum(point, 0.0), jnp.minimum(point + strength, 0.0))

    def newton(p: Array) -> Array:
        slope = jax.nn.sigmoid(-p)
        return (p - strength * slope - point) / (1.0 + strength * slope * jax.nn.sigmoid(p))

    def going(state: tuple[Array, Array, Array]) -> Array:
        p, step, count = state
        # NaN compares as false: a point without a number is not waited for.
        return jnp.any(jnp.abs(step) > _LAST_STEP * (1.0 + jnp.abs(p))) & (count < _MAX_STEPS)

    def advance(state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        p, _, count = state
        step = newton(p)
        return p - step, step, count + 1

    p, _, _ = jax.lax.while_loop(going, advance, advance((start, start, jnp.zeros((), jnp.int32))))
    return p - newton(p)


@prox.defjvp
def _prox_jvp(primals: tuple[Any, Any], tangents: tuple[Any, Any]) -> tuple[Array, Array]:
    """By the implicit function theorem; the Newton steps are never differentiated."""
    p = prox(*primals)
    slope = jax.nn.sigmoid(-p)
    moved = tangents[0] + slope * tangents[1]
    return p, moved / (1.0 + primals[1] * slope * jax.nn.sigmoid(p))
