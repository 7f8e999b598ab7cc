r"""The logistic loss and its proximal point; knows no theory.

With $\ell(t) = \log(1 + e^{-t})$ the proximal point $p$ of $t$ at strength $g \ge 0$ is where
$x \mapsto \ell(x) + (x - t)^2 / (2 g)$ is smallest, the root of

$$ f(p) = p - g\, \sigma(-p) - t , \qquad \sigma(p) = 1 / (1 + e^{-p}) . $$

$f$ increases, is convex for $p < 0$ and concave for $p > 0$. Newton's method from any bound on the side of
zero, above a negative root or below a positive one, therefore never passes the root: it needs no bracket, at
any strength. Bounds are 0, $t$ and $t + g$, and for positive roots, since $\sigma(-p) \ge e^{-p} / 2$ there,
$\log (g / 2) - \log \max(1, \log(1 + g / 2) - t)$, without which $\log g$ steps would be taken.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

_MAX_STEPS = 30  # from these bounds six do
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
def prox(point: Float[Array, "*shape"], strength: Float[Array, "*#shape"]) -> Float[Array, "*shape"]:
    """Proximal point of the logistic loss, to rounding.

    Parameters
    ----------
    point : array
        $t$.
    strength : array
        $g >= 0$, one for all points or one for each; at 0 the proximal point is the point itself.

    Examples
    --------
    >>> p = prox(jnp.array([-3.0, 0.5]), jnp.array(2.0))
    >>> float(jnp.max(jnp.abs(p - 2.0 * jax.nn.sigmoid(-p) - jnp.array([-3.0, 0.5])))) < 1e-15
    True
    """
    positive = point + 0.5 * strength >= 0.0  # f(0) <= 0: the root is on the right of zero
    far = jnp.log1p(0.5 * strength) - point
    bound = jnp.log(0.5 * strength) - jnp.log(jnp.maximum(far, 1.0))  # minus infinity at strength 0
    below = jnp.maximum(jnp.maximum(point, 0.0), bound)
    start = jnp.where(positive, below, jnp.minimum(point + strength, 0.0))

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
