r"""Ridge-penalised logistic regression in high dimension: its order parameters, solved and certified.

Each of $n$ rows has $k$ coordinates $a$ that carry information, signed by the row's label, and $\phi n$ more
that are independent standard normal noise. With $w = (u, w_\perp)$ the minimiser of

$$ \frac1n \sum_i \ell\big( a_i^\top u + z_i^\top w_\perp \big) + \frac\lambda2 |w|^2 $$

and $n \to \infty$ at fixed $\phi$, convex Gaussian min-max theory has $u$ and $r = |w_\perp|$ at the
saddle point of

$$ \min_{u, r} \max_g\; E\, M\big( a^\top u + r G;\, g \big) - \frac{r^2 \phi}{2 g}
   + \frac\lambda2 \big( |u|^2 + r^2 \big), \qquad M(t; g) = \min_x \ell(x) + \frac{(x - t)^2}{2 g} , $$

$G$ standard normal. In the variables $\gamma = g / \phi$, $\rho = r / \sqrt\phi$, which have limits as
$\phi \to 0$, and with $t = a^\top u + r G$, $p$ its proximal point, $M'' = \ell'' / (1 + g \ell'')$ at $p$,
it is where

$$ E[a\, \ell'(p)] + \lambda u = 0, \qquad \gamma\, (E M'' + \lambda) = 1, \qquad
   \rho^2 = \gamma^2 E\, \ell'(p)^2 . $$

$\phi = 0$ is regression with infinitely many rows. Here $a$ is a mixture of normal clusters that share a
covariance, so that $t$ is one given the cluster; $E[a\, \ell'] $ follows by Stein's lemma.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from freeridge.solvers.logistic_prox import loss, prox
from freeridge.solvers.network import solve_pivoting

_REACH = 8.5  # standard deviations: beyond is 1e-17 of the mass
_WIDEST_RIDGE = 10.0  # where the path begins: there the weights are nearly those of a linear loss
_PATH = 12  # ridges on the path, equally spaced in their logarithm
_STEPS = 40  # of Newton, at most, at each ridge
_LAST_STEP = 1e-7
_LONGEST_STEP = 1.5
# Points of a rule along one normal, for few clusters and for many.
_MOST_POINTS, _LEAST_POINTS, _BUDGET = 401, 49, 2**15


class Clusters(NamedTuple):
    """Law of the informative coordinates, signed by the label: a mixture of normal laws."""

    weights: Float[Array, " clusters"]
    """They sum to one."""
    means: Float[Array, "clusters k"]
    covariance: Float[Array, "k k"]
    """Of every cluster; may be singular."""


class OrderParameters(NamedTuple):
    """What the limit says of the weights that are learned."""

    informative: Float[Array, " k"]
    """$u$."""
    noise: Float[Array, ""]
    """$r$, the norm of all other weights."""
    strength: Float[Array, ""]
    """$g$: a margin is the proximal point, at this strength, of the margin on a row not trained on."""
    train_loss: Float[Array, ""]
    """Mean of the loss over training rows, without the penalty."""
    residual: Float[Array, ""]
    """The last correction, from a finer quadrature: relative error of the parameters before it."""


def order_parameters(
    laws: tuple[Clusters, Clusters, Clusters], aspect: Float[Array, ""], ridge: Float[Array, ""]
) -> OrderParameters:
    r"""Solve the equations above.

    A path of ridges leads from 10, where everything is nearly explicit, to the one asked for, by Newton's
    method with the first law, and Newton's method with the second one finishes. One more step, with the
    third, certifies, and carries the derivatives, by the implicit function theorem.

    Parameters
    ----------
    laws : three Clusters
        The same law; where it is itself a quadrature, with more and more nodes.
    aspect : scalar array
        $\phi \ge 0$.
    ridge : scalar array
        $\lambda > 0$.

    Examples
    --------
    Two normal classes with infinitely many rows: twice the mean over the variance.

    >>> one = Clusters(jnp.ones(1), jnp.array([[1.5]]), jnp.ones((1, 1)))
    >>> found = order_parameters((one, one, one), jnp.array(0.0), jnp.array(1e-12))
    >>> float(found.informative[0]).__round__(9), float(found.residual) < 1e-10
    (3.0, True)
    """
    held = jax.lax.stop_gradient((laws, aspect, ridge))
    x, jacobian = _solve(*held)
    values, _ = _equations(x, laws[2], aspect, ridge, 3)
    step = solve_pivoting(jacobian, values)
    residual = jnp.max(jnp.abs(step) / _scale(x))
    x = x - step
    _, train_loss = _equations(x, laws[1], aspect, ridge, 2)
    k = len(x) - 2
    u, gamma, rho = x[:k], jnp.exp(x[k]), jnp.exp(x[k + 1])
    return OrderParameters(
        u, jnp.sqrt(aspect) * rho, aspect * gamma, train_loss, jax.lax.stop_gradient(residual)
    )


def _equations(
    x: Float[Array, " unknowns"], law: Clusters, aspect: Array, ridge: Array, refinement: int
) -> tuple[Float[Array, " unknowns"], Float[Array, ""]]:
    r"""The three equations at $(u, \log\gamma, \log\rho)$, each relative to its terms; the training loss."""
    k = law.means.shape[1]
    u, gamma, rho = x[:k], jnp.exp(x[k]), jnp.exp(x[k + 1])
    variance = u @ law.covariance @ u + aspect * rho**2
    # The derivative of the root at zero is never wanted: it multiplies that of the variance, zero there.
    spread = jnp.where(variance > 0.0, jnp.sqrt(jnp.where(variance > 0.0, variance, 1.0)), 0.0)
    normal, weight = _normal_rule(len(law.weights), refinement)
    p = prox((law.means @ u)[:, None] + spread * normal, aspect * gamma)
    miss = jax.nn.sigmoid(-p)  # minus the slope of the loss
    curvature = miss * jax.nn.sigmoid(p)
    slopes = miss @ weight  # per cluster
    bend = law.weights @ (curvature / (1.0 + aspect * gamma * curvature)) @ weight
    mean_slope = law.weights @ slopes
    pull = (law.weights * slopes) @ law.means - (bend * law.covariance @ u + ridge * u)
    energy = law.weights @ (miss**2 @ weight)
    values = [
        -pull / mean_slope,
        x[k : k + 1] + jnp.log(bend + ridge),
        x[k + 1 :] - x[k] - 0.5 * jnp.log(energy),
    ]
    return jnp.concatenate(values), law.weights @ (loss(p) @ weight)


def _solve(
    laws: tuple[Clusters, ...], aspect: Array, ridge: Array
) -> tuple[Float[Array, " unknowns"], Float[Array, "unknowns unknowns"]]:
    """Unknowns, and the derivative of the equations in them."""
    first = jnp.maximum(ridge, _WIDEST_RIDGE)
    u = laws[0].weights @ laws[0].means / (2.0 * first)
    x = jnp.concatenate([u, jnp.log(jnp.stack([1.0 / first, 0.5 / first]))])
    levels = first * (ridge / first) ** jnp.linspace(0.0, 1.0, _PATH)
    x, _ = jax.lax.scan(lambda x, level: (_newton(x, laws[0], aspect, level, 1)[0], None), x, levels)
    return _newton(x, laws[1], aspect, ridge, 2)


def _newton(
    x: Float[Array, " unknowns"], law: Clusters, aspect: Array, ridge: Array, refinement: int
) -> tuple[Float[Array, " unknowns"], Float[Array, "unknowns unknowns"]]:
    def both(at: Array) -> tuple[Array, Array]:
        values, _ = _equations(at, law, aspect, ridge, refinement)
        return values, values

    def advance(state: _Search) -> _Search:
        jacobian, values = jax.jacfwd(both, has_aux=True)(state.x)
        step = solve_pivoting(jacobian, values)
        length = jnp.max(jnp.abs(step) / _scale(state.x))
        step = step * jnp.minimum(1.0, _LONGEST_STEP / length)
        return _Search(state.x - step, jacobian, length, state.steps + 1)

    def going(state: _Search) -> Array:
        return (state.length > _LAST_STEP) & (state.steps < _STEPS)

    nothing = jnp.zeros((len(x), len(x)))
    start = _Search(x, nothing, jnp.full((), jnp.inf), jnp.zeros((), jnp.int32))
    end = jax.lax.while_loop(going, advance, start)
    return end.x, end.jacobian


class _Search(NamedTuple):
    x: Float[Array, " unknowns"]
    jacobian: Float[Array, "unknowns unknowns"]
    length: Float[Array, ""]
    steps: Int[Array, ""]


def _scale(x: Float[Array, " unknowns"]) -> Float[Array, " unknowns"]:
    """What a change of the unknowns is measured by: the weights together, the logarithms as they are."""
    size = jnp.sqrt(jnp.sum(x[:-2] ** 2) + jnp.exp(2.0 * x[-1]))
    return jnp.concatenate([jnp.ones(len(x) - 2) * size, jnp.ones(2)])


def _normal_rule(clusters: int, refinement: int) -> tuple[np.ndarray, np.ndarray]:
    """Equal steps on a normal variable: exponentially accurate for what is smooth on the scale of a step."""
    points = refinement * max(_LEAST_POINTS, min(_MOST_POINTS, _BUDGET // clusters))
    nodes = np.linspace(-_REACH, _REACH, points)
    weights = np.exp(-0.5 * nodes**2)
    return nodes, weights / weights.sum()
