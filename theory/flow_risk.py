"""The risk of a ridge mixture trained for a time: ridge estimators at complex ridges, summed in pairs."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

from freeridge.solvers.complex_point import ComplexPoints, solve_complex_points
from freeridge.solvers.contours import Contours
from freeridge.solvers.cross_response import cross_amplification, parts_of, resolvents_at, with_both
from freeridge.solvers.fixed_point import MixtureProblem
from freeridge.solvers.results import Code, Prediction
from freeridge.theory.joint import Joint

# Residual at every node; that of the risk is larger by the size of the weights, about 1e2.
_CERTIFIED = 1e-11


class _Pairs(NamedTuple):
    """What every pair of nodes adds to the parts of the risk."""

    bias: Complex[Array, "nodes both"]
    variance: Complex[Array, "nodes both"]
    mismatch: Complex[Array, "nodes both"]


@eqx.filter_jit
def flow_risk_of(
    problem: MixtureProblem, joint: Joint, noise: Float[Array, " G"], contours: Contours
) -> Prediction:
    r"""Risk on the test population of the joint basis at every time of the contours.

    With $\hat w_t = 2\, \mathrm{Re} \sum_k c_k(t)\, \hat w(\lambda + z_k)$ and $2\, \mathrm{Re} \sum_k
    c_k(t) = 1$ the error is the same sum of errors, and the risk that of the products of their means, plus
    their covariances, over all pairs of nodes, those of the lower half plane included.

    Parameters
    ----------
    problem, joint, noise
        As for :func:`freeridge.theory.risk.risk_of`, with one ridge.
    contours : Contours
        Nodes and weights of the times.
    """
    points = jax.vmap(solve_complex_points, in_axes=(None, 0))(problem, contours.nodes)
    pairs = jax.lax.map(lambda window: _pairs(problem, joint, noise, window), points)

    nothing = jnp.zeros((len(noise) + 1, *joint.identity.shape)).at[-1].set(joint.identity)
    signal = joint.labels.product(joint.test, nothing, nothing)

    def at(weights: Array, window: Array) -> Prediction:
        both = jnp.concatenate([weights, jnp.conj(weights)])

        def paired(products: Array) -> Array:
            return 2.0 * jnp.real(weights @ products[window] @ both)

        # At time 0 nothing is learned and no weight is left.
        started = jnp.any(weights != 0)
        parts = {
            "bias": jnp.where(started, paired(pairs.bias), signal),
            "variance": paired(pairs.variance),
            "mismatch": paired(pairs.mismatch),
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


def _pairs(problem: MixtureProblem, joint: Joint, noise: Float[Array, " G"], points: ComplexPoints) -> _Pairs:
    resolvents = resolvents_at(problem, points)
    amplified = cross_amplification(problem, points, resolvents, joint.test)
    paid = problem.shares.astype(complex)[:, None, None] * amplified.samples
    turned, shares = jax.tree.map(lambda leaf: leaf.astype(complex), (joint, problem.shares))

    def errors_of(resolvent: Array, y: Array) -> Array:
        return turned.errors_through(resolvent, shares * y, jnp.ones((), complex))

    errors, one = jax.vmap(errors_of)(resolvents, points.y), turned.identity
    squares = [
        (jnp.ones_like(amplified.features), joint.test, errors),
        *((paid[s], joint.covariance(s), errors.at[:, s].add(-one)) for s in range(len(paid))),
    ]
    if problem.features is not None:
        squares.append((amplified.features, joint.identity, errors.at[:, -1].add(one)))
    bias, mismatch = jnp.zeros_like(amplified.features), jnp.zeros_like(amplified.features)
    for price, covariance, operators in squares:
        apart = parts_of(operators.at[:, -1].set(0.0))
        common = parts_of(operators) - apart
        products = joint.labels.products
        bias = bias + price * with_both(products(covariance, common, common))
        # Sums over pairs of nodes: the two cross terms are equal there.
        mismatch = mismatch + price * with_both(products(covariance, apart, apart + 2.0 * common))
    return _Pairs(bias, jnp.tensordot(noise.astype(complex), paid, 1), mismatch)
