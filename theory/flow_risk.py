"""The risk of a ridge mixture trained for a time: ridge estimators at complex ridges, summed in pairs."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

from freeridge.solvers.complex_point import ComplexPoints, solve_complex_points
from freeridge.solvers.contours import Contours
from freeridge.solvers.cross_response import cross_amplification
from freeridge.solvers.fixed_point import MixtureProblem
from freeridge.solvers.results import Code, Prediction
from freeridge.theory.joint import Joint

# Residual at every node; that of the risk is larger by the size of the weights, about 1e2.
_CERTIFIED = 1e-11


class _Covariances(NamedTuple):
    """Covariance of the estimators at two nodes in the metric of the test covariance, by its parts."""

    bias: Complex[Array, "left right"]
    variance: Complex[Array, "left right"]
    mismatch: Complex[Array, "left right"]


@eqx.filter_jit
def flow_risk_of(
    problem: MixtureProblem, joint: Joint, noise: Float[Array, " G"], contours: Contours
) -> Prediction:
    r"""Risk on the test population of the joint basis at every time of the contours.

    With $\hat w_t = 2\, \mathrm{Re} \sum_k c_k(t)\, \hat w(\lambda + z_k)$ the risk is the square of the mean
    error plus the covariances of all pairs of nodes, those of the lower half plane included.

    Parameters
    ----------
    problem, joint, noise
        As for :func:`freeridge.theory.risk.risk_of`, with one ridge.
    contours : Contours
        Nodes and weights of the times.
    """
    points = jax.vmap(solve_complex_points, in_axes=(None, 0))(problem, contours.nodes)
    complex_problem, complex_joint = jax.tree.map(lambda leaf: leaf.astype(complex), (problem, joint))
    means = jax.vmap(jax.vmap(lambda y: _mean(complex_problem, complex_joint, y)))(points.y)

    def covariances(window: tuple[ComplexPoints, Array]) -> _Covariances:
        return _covariances(complex_problem, complex_joint, noise.astype(complex), *window)

    between = jax.lax.map(covariances, (points, means))

    def at(weights: Array, window: Array) -> Prediction:
        mean = 2.0 * jnp.real(jnp.tensordot(weights, means[window], 1))
        errors = mean.at[-1].add(-joint.identity)
        apart = errors.at[-1].set(0.0)
        common = errors - apart
        product = joint.labels.product
        both = jnp.concatenate([weights, jnp.conj(weights)])

        def paired(covariance: Array) -> Array:
            return 2.0 * jnp.real(weights @ covariance[window] @ both)

        parts = {
            "bias": product(joint.test, common, common) + paired(between.bias),
            "variance": paired(between.variance),
            "mismatch": product(joint.test, apart, apart + 2.0 * common) + paired(between.mismatch),
        }
        residual = jnp.max(points.residual[window])
        certified = residual <= _CERTIFIED
        quantities = {
            name: jnp.where(certified, value, jnp.nan)
            for name, value in {"risk": sum(parts.values()), **parts}.items()
        }
        code = jnp.where(certified, Code.OK, Code.NOT_CERTIFIED).astype(jnp.int32)
        return Prediction(quantities, residual, code)

    return jax.vmap(at)(contours.weights, jnp.asarray(contours.window))


def _mean(problem: MixtureProblem, joint: Joint, y: Complex[Array, " G"]) -> Array:
    """Operators that make the mean of the estimator from the labelers."""
    return joint.errors(problem.shares * y, jnp.ones((), complex)).at[-1].add(joint.identity)


def _covariances(
    problem: MixtureProblem,
    joint: Joint,
    noise: Complex[Array, " G"],
    left: ComplexPoints,
    means: Complex[Array, "nodes ..."],
) -> _Covariances:
    conjugate = left.conjugate()
    right = jax.tree.map(lambda *halves: jnp.concatenate(halves), left, conjugate)
    amplified = cross_amplification(problem, left, right, joint.test)
    paid = problem.shares[:, None, None] * amplified.samples
    one, products = joint.identity, joint.labels.products
    squares = [
        (amplified.features, one, means),
        *(
            (paid[s], joint.covariance(s), means.at[:, s].add(-one).at[:, -1].add(-one))
            for s in range(len(paid))
        ),
    ]
    bias, mismatch = jnp.zeros_like(amplified.features), jnp.zeros_like(amplified.features)
    for price, covariance, operators in squares:
        apart = operators.at[:, -1].set(0.0)
        common = operators - apart
        ours = jnp.concatenate([common, jnp.conj(common)])
        theirs = jnp.concatenate([apart, jnp.conj(apart)])
        bias = bias + price * products(covariance, common, ours)
        # Sums over pairs of nodes: the two cross terms are equal there.
        mismatch = mismatch + price * products(covariance, apart, theirs + 2.0 * ours)
    return _Covariances(bias, jnp.tensordot(noise, paid, 1), mismatch)
