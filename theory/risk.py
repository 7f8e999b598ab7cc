"""The risk of a ridge mixture once its fixed point is known: a sum of squares, split by what it is owed
to.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from freeridge.solvers.fixed_point import FixedPoint, MixtureProblem, solve_fixed_point
from freeridge.solvers.response import amplification
from freeridge.solvers.results import Code, Prediction
from freeridge.theory.joint import Joint


@eqx.filter_jit
def risk_of(problem: MixtureProblem, joint: Joint, noise: Float[Array, " G"]) -> Prediction:
    r"""Risk on the test population of the joint basis, for one ridge or each of a path.

    $$ |\bar w - w|_\Sigma^2 + \kappa' |\bar w|^2 + \sum_s p_s e_s' \big( |\bar w - w_s|_{\Sigma_s}^2 +
       \sigma_s^2 \big) $$

    Parameters
    ----------
    problem : MixtureProblem
        With a ridge or a path of ridges.
    joint : Joint
        Spectrum, test covariance and labelers (differences to the test labeler, then the test labeler).
    noise : array, shape (G,)
        Variance of label noise of each population, times its weight.
    """

    def at(ridge: Array) -> Prediction:
        return _risk(eqx.tree_at(lambda p: p.ridge, problem, ridge), joint, noise)

    return at(problem.ridge) if problem.ridge.ndim == 0 else jax.vmap(at)(problem.ridge)


def _risk(problem: MixtureProblem, joint: Joint, noise: Float[Array, " G"]) -> Prediction:
    point = solve_fixed_point(problem)
    amplified = amplification(problem, point, joint.test)
    paid = problem.shares * amplified.samples
    errors, one = list(joint.errors(problem.shares * point.x, point.theta)), joint.identity
    last = len(paid)

    def moved(row: int, by: Array) -> list[Array]:
        return [error + by if k == row else error for k, error in enumerate(errors)]

    squares = [
        (jnp.ones(()), joint.test, errors),
        *((paid[s], joint.covariance(s), moved(s, -one)) for s in range(last)),
    ]
    if problem.features is not None:
        squares.append((amplified.features, one, moved(last, one)))
    bias, mismatch = joint.labels.parts(squares)
    signal, difference = _strengths(problem, joint)
    parts = {
        "bias": _limit(bias, signal, problem, point),
        "variance": _limit(paid @ noise, problem.shares @ noise, problem, point),
        "mismatch": _limit(mismatch, difference + jnp.sqrt(difference * signal), problem, point),
    }
    infinite = jnp.any(jnp.isinf(jnp.stack(list(parts.values()))))
    risk = jnp.where(infinite, jnp.inf, sum(parts.values()))
    return Prediction({"risk": risk, **parts}, point.residual, point.code)


def _strengths(problem: MixtureProblem, joint: Joint) -> tuple[Array, Array]:
    """Risk of predicting zero, and that of the labelers of the training populations: scales to compare
    with.
    """
    strength = joint.labels.strength
    apart = [problem.shares[s] * strength(joint.covariance(s), s) for s in range(len(problem.shares))]
    signal, difference = strength(joint.test, len(apart)), jnp.sum(jnp.stack(apart))
    return jax.lax.stop_gradient(signal), jax.lax.stop_gradient(difference)


def _limit(value: Array, scale: Array, problem: MixtureProblem, point: FixedPoint) -> Array:
    """The vanishing ridge that stands for ridge 0 leaves 1e-80 where the limit is zero, and a large number
    where it is infinite.
    """
    # At a threshold what vanishes does so with the root of the ridge, and 1e-20 is left of it.
    gone = jnp.where(point.code == Code.DIVERGES, 1e-12, 1e-30) * scale
    value = jnp.where((problem.ridge == 0) & (jnp.abs(value) < gone), 0.0, value)
    infinite = (point.code == Code.DIVERGES) & (jnp.abs(value) > 1e8 * scale)
    return jnp.where(infinite, jnp.sign(value) * jnp.inf, value)
