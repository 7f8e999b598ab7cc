r"""Separable rows in high dimension: from which aspect ratio on, and the direction of the largest margin.

The rows are those of :mod:`freeridge.solvers.logistic_limit`: informative coordinates $a$, signed by the
label, and $\phi n$ coordinates of normal noise $\sigma z$. Write $v = u / (\sigma r)$ for the weights on
$a$ over those on the noise, $G$ for a standard normal variable, $(\cdot)_+$ for the positive part, and

$$ h(v, \kappa) = E \big( \kappa - a^\top v - G \big)_+^2 . $$

By Gordon's inequality weights with all margins at least $\kappa \sigma r$ exist when $h(v, \kappa) < \phi$
for some $v$, and do not when $h > \phi$ for all of them. So rows are separable from

$$ \phi_* = \min_v h(v, 0) $$

on, and the largest margin of weights of norm one is

$$ \max_{v, \kappa} \frac{\sigma \kappa}{\sqrt{1 + \sigma^2 |v|^2}} \quad \text{where} \quad
   h(v, \kappa) = \phi : \qquad
   -(1 + \sigma^2 |v|^2)\, \partial_v h = \sigma^2 \kappa\, v\, \partial_\kappa h . $$

Where $a$ is normal in each of several clusters, $h$ and its derivatives are normal probabilities. Weights and
shifts of the loss play no part.

References
----------
A. Montanari, F. Ruan, Y. Sohn, J. Yan, The generalization error of max-margin linear classifiers, 2019,
arXiv 1911.01544, for one Gaussian cluster; E. J. Candès, P. Sur, The phase transition for the existence of
the maximum likelihood estimate in high-dimensional logistic regression, Annals of Statistics 48 (2020)."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.special import ndtr
from jaxtyping import Array, Float

from freeridge.solvers.adaptive_path import Newton, newton
from freeridge.solvers.logistic_limit import Clusters
from freeridge.solvers.network import solve_pivoting

_STEPS = 400  # of Newton, at most: towards a threshold of 1e-15 each lowers it by a factor of e
_LAST_STEP = 1e-9
_LOWERINGS = 30
_LONGEST_STEP = 0.5  # of the margin problem, relative


class MaxMargin(NamedTuple):
    """Weights of the smallest norm with all margins at least one."""

    informative: Float[Array, " k"]
    """$u$."""
    noise: Float[Array, ""]
    """$r$, the norm of all other weights."""
    residual: Float[Array, ""]
    """The last correction, relative; NaN where there are no such weights."""


class Separability(NamedTuple):
    """From which aspect ratio on rows are separable, and how; no noise level enters."""

    threshold: Float[Array, ""]
    r"""$\phi_*$."""
    ratio: Float[Array, " k"]
    """$v$, of the weights that separate the rows there."""


def separability(law: Clusters) -> Separability:
    r"""$\phi_*$: with more noise coordinates per row than this the rows are separable.

    Examples
    --------
    Labels that the inputs know nothing of are separable with one coordinate for every two rows, which is
    Cover's theorem.

    >>> nothing = Clusters(jnp.ones(1), jnp.zeros((1, 1)), jnp.ones((1, 1)))
    >>> float(separability(nothing).threshold)
    0.5
    """
    v = _lowest(jax.lax.stop_gradient(law))
    # At a minimum: the derivative of the threshold needs no other term.
    return Separability(_shortfall(v, jnp.zeros(()), law).square, v)


def max_margin(
    starts: Float[Array, "starts k"],
    law: Clusters,
    aspect: Float[Array, ""],
    noise_variance: Float[Array, ""],
) -> MaxMargin:
    r"""The weights that ridge-penalised logistic regression tends to, divided by their smallest margin.

    Parameters
    ----------
    starts : array, shape (starts, k)
        Candidates for $v$, of which the one with the largest margin is gone on from: that of the threshold is
        good near it, that of logistic regression with a tiny ridge elsewhere.
    law : Clusters
        A law of few clusters.
    aspect : scalar array
        $\phi$, above the threshold.
    noise_variance : scalar array
        $\sigma^2 > 0$.

    Examples
    --------
    Twice as many noise coordinates as rows: $E (\kappa - G)_+^2 = 2$.

    >>> nothing = Clusters(jnp.ones(1), jnp.zeros((1, 1)), jnp.ones((1, 1)))
    >>> found = max_margin(jnp.zeros((1, 1)), nothing, jnp.array(2.0), jnp.array(1.0))
    >>> kappa = 1.0 / found.noise
    >>> round(float((kappa**2 + 1) * ndtr(kappa) + kappa * jnp.exp(-(kappa**2) / 2) / (2 * jnp.pi) ** 0.5), 9)
    2.0
    """
    x, jacobian = _widest(*jax.lax.stop_gradient((starts, law, aspect, noise_variance)))
    step = solve_pivoting(jacobian, _stationarity(x, law, aspect, noise_variance))
    residual = jnp.max(jnp.abs(step)) / jnp.max(jnp.abs(x))
    x = x - step
    v, kappa = x[:-1], x[-1]
    residual = jnp.where(kappa > 0.0, residual, jnp.nan)
    return MaxMargin(v / kappa, 1.0 / (jnp.sqrt(noise_variance) * kappa), jax.lax.stop_gradient(residual))


class _Shortfall(NamedTuple):
    """$h$ and half its derivatives."""

    square: Float[Array, ""]
    along_margin: Float[Array, ""]
    along_weights: Float[Array, " k"]


def _shortfall(v: Float[Array, " k"], kappa: Float[Array, ""], law: Clusters) -> _Shortfall:
    spread = jnp.sqrt(1.0 + v @ law.covariance @ v)
    missing = kappa - law.means @ v
    score = missing / spread
    below = ndtr(score)
    density = jnp.exp(-0.5 * score**2) / jnp.sqrt(2.0 * jnp.pi)
    part = missing * below + spread * density  # E (.)_+ by cluster
    square = law.weights @ (missing * part + spread**2 * below)
    along = -(law.weights * part) @ law.means + (law.weights @ below) * (law.covariance @ v)
    return _Shortfall(square, law.weights @ part, along)


def _lowest(law: Clusters) -> Float[Array, " k"]:
    """Where $h(v, 0)$, which is convex, is smallest; Newton's method descends its tail without
    overshooting."""

    def slope(v: Array) -> Array:
        return jnp.where(law.idle(), v, _shortfall(v, jnp.zeros(()), law).along_weights)

    return newton(slope, jnp.zeros(law.means.shape[1]), _DESCENT).x


def _widest(
    starts: Float[Array, "starts k"], law: Clusters, aspect: Array, noise_variance: Array
) -> tuple[Float[Array, " unknowns"], Float[Array, "unknowns unknowns"]]:
    kappas = jax.vmap(lambda v: _margin(v, law, aspect))(starts)
    widths = kappas / jnp.sqrt(1.0 + noise_variance * jnp.sum(starts**2, axis=1))
    better = jnp.argmax(jnp.where(jnp.isnan(widths), -jnp.inf, widths))

    def equations(x: Array) -> Array:
        return _stationarity(x, law, aspect, noise_variance)

    end = newton(equations, jnp.append(starts[better], kappas[better]), _WIDENING)
    return end.x, end.jacobian


def _margin(v: Float[Array, " k"], law: Clusters, aspect: Array) -> Float[Array, ""]:
    r"""The $\kappa$ with $h(v, \kappa) = \phi$. $h$ grows and is convex in it, and above $(\kappa - E
    a^\top v)^2$ where this is positive: Newton's method comes down from there."""

    def lower(_: Any, kappa: Array) -> Array:
        found = _shortfall(v, kappa, law)
        return kappa - 0.5 * (found.square - aspect) / found.along_margin

    return jax.lax.fori_loop(0, _LOWERINGS, lower, law.weights @ law.means @ v + jnp.sqrt(aspect))


def _stationarity(
    x: Float[Array, " unknowns"], law: Clusters, aspect: Array, noise_variance: Array
) -> Float[Array, " unknowns"]:
    v, kappa = x[:-1], x[-1]
    found = _shortfall(v, kappa, law)
    length = 1.0 + noise_variance * v @ v
    turn = found.along_weights * length + noise_variance * kappa * v * found.along_margin
    return jnp.concatenate([turn / length, (found.square - aspect)[None]])


def _scale(x: Float[Array, " unknowns"]) -> Float[Array, " unknowns"]:
    """What a change of the unknowns is measured by: all of them together."""
    return jnp.ones(len(x)) * (1.0 + jnp.max(jnp.abs(x)))


_DESCENT = Newton(_scale, last_step=_LAST_STEP, longest_step=jnp.inf, steps=_STEPS)
_WIDENING = Newton(_scale, last_step=_LAST_STEP, longest_step=_LONGEST_STEP, steps=_STEPS)
