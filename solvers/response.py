r"""How the fixed point answers to a test population: the amplifications that multiply every second-order
quantity.

Add $t B$ to the training second moment, $B$ the covariance of the test population. The derivatives at $t =
0$ of the fixed point, $e_s' = d e_s / dt$ per population and $\kappa' = d \kappa / dt$ for the penalty, are
all that the risk on that population needs besides the mean of the estimator (``docs/theory/mixture.md``).
They are potentials in a grounded network with non-negative sources, hence non-negative and exact to rounding.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from freeridge.solvers.fixed_point import FixedPoint, MixtureProblem
from freeridge.solvers.network import solve_grounded


class Amplification(NamedTuple):
    """Derivatives of the fixed point towards a test covariance."""

    samples: Float[Array, " G"]
    r"""$e_s'$: what one unit of error on population $s$ costs in test risk, per unit of its share."""
    features: Float[Array, ""]
    r"""$\kappa'$: what one unit of squared norm of the mean estimator costs; 0 for plain ridge."""


def amplification(problem: MixtureProblem, point: FixedPoint, test: Float[Array, "..."]) -> Amplification:
    r"""Solve the network of a fixed point for one test covariance.

    With $c_s = p_s x_s$, $R = (\sum_s c_s \Sigma_s + \theta)^{-1}$, $a_s = e_s'/x_s$ and $a_0 =
    \kappa'/\theta$:

    $$ \bar e\, a_s + \phi\, \theta\, k_s (a_s - a_0) + \phi \sum_r c_r K_{sr} (a_s - a_r) = \phi\,
       \overline{\mathrm{tr}}\, \Sigma_s R B R , $$
    $$ \frac{\phi \nu}{\theta}\, a_0 + \phi \sum_r c_r k_r (a_0 - a_r) = \phi\, \overline{\mathrm{tr}}\, R B
       R , $$

    $K_{sr} = \overline{\mathrm{tr}}\, \Sigma_s R \Sigma_r R$, $k_s = \overline{\mathrm{tr}}\, \Sigma_s R^2$;
    plain ridge has $a_0 = 0$.

    Parameters
    ----------
    problem, point : the problem and its solution
    test : array
        Test covariance: eigenvalues on the joint atoms (shape ``(J,)``) or a matrix (shape ``(d, d)``).

    Examples
    --------
    One isotropic population without ridge: $e' = \phi / (1 - \phi)$, the variance of least squares.

    >>> import jax.numpy as jnp
    >>> from freeridge.solvers.fixed_point import MixtureProblem, solve_fixed_point
    >>> from freeridge.solvers.spectra import Atoms
    >>> spectrum = Atoms(jnp.ones((1, 1)), jnp.array([100.0]), dimension=100)
    >>> problem = MixtureProblem(spectrum, jnp.ones(1), n=jnp.array(400.0), ridge=jnp.array(0.0))
    >>> round(float(amplification(problem, solve_fixed_point(problem), jnp.ones(1)).samples[0]), 12)
    0.333333333333
    """
    phi = problem.aspect
    c = problem.shares * point.x
    traces = problem.spectrum.traces(c, point.theta)
    through_penalty, through_samples = problem.spectrum.responses(c, point.theta, test)
    between = phi * traces.pair * c
    to_penalty = phi * traces.squared * point.theta
    ground = jnp.full_like(c, 1.0) * point.sample_slack
    if problem.features is None:
        potential = solve_grounded(between, ground + to_penalty, phi * through_samples)
        return Amplification(point.x * potential, jnp.zeros(()))
    from_penalty = jnp.concatenate([jnp.zeros(1), phi * c * traces.squared])
    conductance = jnp.concatenate(
        [from_penalty[None], jnp.concatenate([to_penalty[:, None], between], axis=1)]
    )
    ground = jnp.concatenate([phi * point.feature_slack[None] / point.theta, ground])
    source = phi * jnp.concatenate([through_penalty[None], through_samples])
    potential = solve_grounded(conductance, ground, source)
    return Amplification(point.x * potential[1:], point.theta * potential[0])
