r"""Ridge-penalised logistic regression in high dimension: its order parameters, solved and certified.

Each of $n$ rows has $k$ coordinates $a$ that carry information, signed by the row's label, and $\phi n$ more
that are independent normal noise $\sigma z$. Rows of a kind $c$ have a weight $\alpha_c$ in the loss and a
shift $s_c$ of their margin. With $w = (u, w_\perp)$ the minimiser of

$$ \frac1n \sum_i \alpha_{c(i)}\, \ell\big( a_i^\top u + \sigma z_i^\top w_\perp + s_{c(i)} \big)
   + \frac\lambda2 |w|^2 $$

and $n \to \infty$ at fixed $\phi$, convex Gaussian min-max theory has $u$ and $r = |w_\perp|$ at the
saddle point of

$$ \min_{u, r} \max_g\; E\, M_c\big( a^\top u + \sigma r G;\, g \big) - \frac{\sigma^2 r^2 \phi}{2 g}
   + \frac\lambda2 \big( |u|^2 + r^2 \big), \qquad
   M_c(t; g) = \min_x \alpha_c \ell(x + s_c) + \frac{(x - t)^2}{2 g} , $$

$G$ standard normal. In the variables $\gamma = g / (\sigma^2 \phi)$, $\rho = r / (\sigma \sqrt\phi)$, which
have limits as $\phi$ or $\sigma \to 0$, and with $t = a^\top u + \sigma r G$, $p$ its proximal point, $M_c'
= \alpha_c \ell'(p + s_c)$, $M_c'' = \alpha_c \ell'' / (1 + g \alpha_c \ell'')$ there, it is where

$$ E[a\, M_c'] + \lambda u = 0, \qquad \gamma\, (\sigma^2 E M_c'' + \lambda) = 1, \qquad
   \rho^2 = \gamma^2 E\, M_c'^2 . $$

$\phi = 0$ is regression with infinitely many rows. Here $a$ is a mixture of normal clusters that share a
covariance, so that $t$ is one given the cluster; $E[a\, M']$ follows by Stein's lemma. Where $g$ and the
spread of $t$ are large, $M'$ as a function of $t$ is a straight line that turns within a few units near $t
= \log g$; the quadrature has its nodes closest there (:mod:`freeridge.solvers.normal_rules`)."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from freeridge.solvers.adaptive_path import Newton, follow, newton
from freeridge.solvers.logistic_prox import loss, prox
from freeridge.solvers.network import solve_pivoting
from freeridge.solvers.normal_rules import proximal_rule

_WIDEST_RIDGE = 10.0  # where the path begins, over the square of the means: there a loss is nearly linear
_NARROWEST_RIDGE = 1e-100  # where the path to no ridge at all ends
_PATH = 12  # steps to the last ridge, equal in its logarithm, if all goes well
_TRIES = 80
# Points of a rule along one normal, for few clusters and for many.
_MOST_POINTS, _LEAST_POINTS, _BUDGET = 161, 49, 2**15


class Clusters(NamedTuple):
    """Law of the informative coordinates, signed by the label: a mixture of normal laws."""

    weights: Float[Array, " clusters"]
    """They sum to one."""
    means: Float[Array, "clusters k"]
    covariance: Float[Array, "k k"]
    """Of every cluster; may be singular."""
    shifts: Float[Array, " clusters"] | None = None
    """Of the margin inside the loss, $s_c$; none when left out."""
    importances: Float[Array, " clusters"] | None = None
    """Weights in the loss, $\\alpha_c > 0$; one when left out."""

    def loss_shifts(self) -> Float[Array, " clusters"]:
        """$s_c$, also where they were left out."""
        return jnp.zeros_like(self.weights) if self.shifts is None else self.shifts

    def loss_weights(self) -> Float[Array, " clusters"]:
        """$\\alpha_c$, also where they were left out."""
        return jnp.ones_like(self.weights) if self.importances is None else self.importances

    def idle(self) -> Bool[Array, " k"]:
        """Coordinates that are zero in all rows: without a ridge nothing says what their weights are."""
        return jnp.all(self.means == 0.0, axis=0) & (jnp.diagonal(self.covariance) == 0.0)


class OrderParameters(NamedTuple):
    """What the limit says of the weights that are learned."""

    informative: Float[Array, " k"]
    """$u$."""
    noise: Float[Array, ""]
    """$r$, the norm of all other weights."""
    strength: Float[Array, ""]
    """$g$: a margin is the proximal point, at this strength, of the margin on a row not trained on."""
    train_loss: Float[Array, ""]
    """Mean of the weighted and shifted loss over training rows, without the penalty."""
    residual: Float[Array, ""]
    """The last correction, from a finer quadrature: relative error of the parameters before it."""


def order_parameters(
    laws: tuple[Clusters, Clusters, Clusters],
    aspect: Float[Array, ""],
    ridge: Float[Array, ""],
    noise_variance: Float[Array, ""] | float = 1.0,
) -> OrderParameters:
    r"""Solve the equations above.

    A path of ridges leads from a large one, where everything is nearly explicit, to the one asked for, by
    Newton's method with the first law, and Newton's method with the second one finishes. One more step, with
    the third and with more points along the normal, certifies, and carries the derivatives, by the implicit
    function theorem.

    Parameters
    ----------
    laws : three Clusters
        The same law, one object; where it is itself a quadrature, with more and more nodes.
    aspect : scalar array
        $\phi \ge 0$.
    ridge : scalar array
        $\lambda \ge 0$. Without a ridge there is no solution where the rows are separable
        (:mod:`freeridge.solvers.max_margin`): the residual is then large, or NaN.
    noise_variance : scalar array
        $\sigma^2 \ge 0$.

    Examples
    --------
    Two normal classes with infinitely many rows: twice the mean over the variance.

    >>> one = Clusters(jnp.ones(1), jnp.array([[1.5]]), jnp.ones((1, 1)))
    >>> found = order_parameters((one, one, one), jnp.array(0.0), jnp.array(1e-12))
    >>> float(found.informative[0]).__round__(9), float(found.residual) < 1e-10
    (3.0, True)
    """
    problem = _Problem(laws, aspect, ridge, jnp.asarray(noise_variance))
    x, jacobian = _solve(jax.lax.stop_gradient(problem))
    values, _ = _equations(x, problem, 2)
    step = solve_pivoting(jacobian, values)
    residual = jnp.max(jnp.abs(step) / _scale(x))
    x = x - step
    _, train_loss = _equations(x, problem, 2)
    k = len(x) - 2
    u, gamma, rho = x[:k], jnp.exp(x[k]), jnp.exp(x[k + 1])
    around = aspect * noise_variance
    noise = jnp.sqrt(jnp.where(around > 0.0, around, 1.0)) * jnp.where(around > 0.0, rho, 0.0)
    return OrderParameters(u, noise, around * gamma, train_loss, jax.lax.stop_gradient(residual))


class _Problem(NamedTuple):
    laws: tuple[Clusters, Clusters, Clusters]
    aspect: Float[Array, ""]
    ridge: Float[Array, ""]
    noise_variance: Float[Array, ""]


def _equations(
    x: Float[Array, " unknowns"], problem: _Problem, level: int
) -> tuple[Float[Array, " unknowns"], Float[Array, ""]]:
    r"""The three equations at $(u, \log\gamma, \log\rho)$, each relative to its terms; the training loss."""
    law, ridge, variance_of_noise = problem.laws[level], problem.ridge, problem.noise_variance
    k = law.means.shape[1]
    u, gamma, rho = x[:k], jnp.exp(x[k]), jnp.exp(x[k + 1])
    around = problem.aspect * variance_of_noise
    variance = u @ law.covariance @ u + around * variance_of_noise * rho**2
    # The derivative of the root at zero is never wanted: it multiplies that of the variance, zero there.
    spread = jnp.where(variance > 0.0, jnp.sqrt(jnp.where(variance > 0.0, variance, 1.0)), 0.0)
    shifts, importances = law.loss_shifts()[:, None], law.loss_weights()[:, None]
    mean, strength = (law.means @ u)[:, None] + shifts, around * gamma * importances
    normal, weight = proximal_rule(mean, spread[None, None], strength, _points(len(law.weights), level + 1))
    weight = law.weights[:, None] * weight
    p = prox(mean + spread * normal, strength)  # with the shift in it
    miss = jax.nn.sigmoid(-p)  # minus the slope of the loss
    curvature = importances * miss * jax.nn.sigmoid(p)
    forces = jnp.sum(weight * importances * miss, axis=1)  # per cluster
    bend = jnp.sum(weight * curvature / (1.0 + around * gamma * curvature))
    pull = forces @ law.means - (bend * law.covariance @ u + ridge * u)
    pull = jnp.where(law.idle() & (ridge == 0.0), -u, pull)
    energy = jnp.sum(weight * (importances * miss) ** 2)
    values = [
        -pull / jnp.sum(forces),
        x[k : k + 1] + jnp.log(variance_of_noise * bend + ridge),
        x[k + 1 :] - x[k] - 0.5 * jnp.log(energy),
    ]
    return jnp.concatenate(values), jnp.sum(weight * importances * loss(p))


def _points(clusters: int, refinement: int) -> int:
    return refinement * max(_LEAST_POINTS, min(_MOST_POINTS, _BUDGET // clusters))


def _solve(problem: _Problem) -> tuple[Float[Array, " unknowns"], Float[Array, "unknowns unknowns"]]:
    """Unknowns, and the derivative of the equations in them."""
    law, ridge = problem.laws[0], problem.ridge
    widest = _WIDEST_RIDGE * jnp.maximum(1.0, law.weights @ jnp.sum(law.means**2, axis=1))
    first = jnp.maximum(ridge, widest)
    forces = law.loss_weights() * jax.nn.sigmoid(-law.loss_shifts())  # of weights that are still zero
    u = (law.weights * forces) @ law.means / first
    size = jnp.sqrt(law.weights @ forces**2) / first
    start = jnp.concatenate([u, jnp.log(jnp.stack([1.0 / first, size]))])
    narrowest = jnp.maximum(ridge, _NARROWEST_RIDGE)

    def equations(x: Array, place: Array) -> Array:
        # In the end the ridge exactly, or none.
        level = jnp.where(place < 1.0, first * (narrowest / first) ** place, ridge)
        return _equations(x, problem._replace(ridge=level), 0)[0]

    end = follow(equations, start, _NEWTON, steps=_PATH, tries=_TRIES)
    if problem.laws[0] is not problem.laws[1]:  # itself a quadrature, and a coarse one
        end = newton(lambda x: _equations(x, problem, 1)[0], end.x, _NEWTON)
    return end.x, end.jacobian


def _scale(x: Float[Array, " unknowns"]) -> Float[Array, " unknowns"]:
    """What a change of the unknowns is measured by: the weights together, the logarithms as they are."""
    size = jnp.sqrt(jnp.sum(x[:-2] ** 2) + jnp.exp(2.0 * x[-1]))
    return jnp.concatenate([jnp.ones(len(x) - 2) * size, jnp.ones(2)])


_NEWTON = Newton(_scale, last_step=1e-7, longest_step=1.5, steps=25)
