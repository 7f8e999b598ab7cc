r"""How two estimators trained on the same data fluctuate together: amplifications between two ridges.

For estimators at ridges $\lambda$ and $\lambda'$, real or complex, the covariance of $\hat w$ and $\hat w'$
in the metric of a test covariance $B$ is (``docs/theory/gradient-flow.md``)

$$ \kappa'' \langle \bar w, \bar w' \rangle + \sum_s p_s e_s'' \big( \langle \bar w - w_s, \bar w' - w_s
   \rangle_{\Sigma_s} + \sigma_s^2 \big), $$

which for equal ridges is the expansion of the risk. With $R = (1 + \sum_s p_s y_s \Sigma_s)^{-1}$ at the
first ridge, $R'$ at the second, $K_{sr} = \overline{\mathrm{tr}}\, \Sigma_s R \Sigma_r R'$, $k_s =
\overline{\mathrm{tr}}\, \Sigma_s R R'$ and $e_s'' = y_s' a_s$, the same network as in
:mod:`freeridge.solvers.response` gives them:

$$ \kappa\, a_s + \phi\, k_s (a_s - \kappa'') + \phi \sum_r p_r y_r' K_{sr} (a_s - a_r) = \phi\,
   \overline{\mathrm{tr}}\, \Sigma_s R B R' , $$
$$ \nu'\, \kappa'' + \sum_r p_r y_r' k_r (\kappa'' - a_r) = \overline{\mathrm{tr}}\, R B R' . $$
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

from freeridge.solvers.complex_point import ComplexPoints
from freeridge.solvers.network import solve_grounded
from freeridge.solvers.problem import MixtureProblem
from freeridge.solvers.spectra import CrossTraces


class CrossAmplification(NamedTuple):
    """What the covariances of all pairs of estimators are made of: at the ridges on the left, and at the same
    ridges and then their conjugates on the right.
    """

    samples: Complex[Array, "G nodes both"]
    """$e_s''$."""
    features: Complex[Array, "nodes both"]
    """$\\kappa''$; 0 for plain ridge."""


def cross_amplification(
    problem: MixtureProblem,
    points: ComplexPoints,
    resolvents: Complex[Array, "nodes ..."],
    test: Float[Array, "..."],
) -> CrossAmplification:
    """Solve the networks of all pairs for one test covariance.

    Parameters
    ----------
    problem : MixtureProblem
    points : ComplexPoints
        Its solutions at a list of ridges.
    resolvents : array
        $R$ there, from :func:`resolvents_at`.
    test : array
        Test covariance: eigenvalues on the joint atoms or a matrix.

    Examples
    --------
    One isotropic population, plain ridge, twice the same small ridge: the variance of least squares.

    >>> import jax.numpy as jnp
    >>> from freeridge.solvers.complex_point import solve_complex_points
    >>> from freeridge.solvers.spectra import Atoms
    >>> spectrum = Atoms(jnp.ones((1, 1)), jnp.array([100.0]), dimension=100)
    >>> problem = MixtureProblem(spectrum, jnp.ones(1), n=jnp.array(400.0), ridge=jnp.array(1e-12))
    >>> points = solve_complex_points(problem, jnp.array([0j]))
    >>> found = cross_amplification(problem, points, resolvents_at(problem, points), jnp.ones(1))
    >>> round(float(found.samples[0, 0, 0].real), 9)
    0.333333333
    """
    stacked = parts_of(resolvents)
    traces = jax.tree.map(with_both, problem.spectrum.cross_traces(stacked, stacked, test))
    # From the population axis in front to the pair in front, one pair a lane.
    by_pair = CrossTraces(
        jnp.moveaxis(traces.pair, (0, 1), (-2, -1)),
        jnp.moveaxis(traces.squared, 0, -1),
        traces.through_penalty,
        jnp.moveaxis(traces.through_samples, 0, -1),
    )
    aspect, shares = problem.aspect.astype(complex), problem.shares.astype(complex)
    right = jax.tree.map(lambda *halves: jnp.concatenate(halves), points, points.conjugate())

    def pair(traces: CrossTraces, kappa: Array, weights: Array, slack: Array) -> tuple[Array, Array]:
        between = aspect * traces.pair * weights
        to_penalty = aspect * traces.squared
        ground = jnp.full_like(weights, kappa)
        source = aspect * traces.through_samples
        if problem.features is None:
            return solve_grounded(between, ground + to_penalty, source), jnp.zeros_like(slack)
        from_penalty = jnp.concatenate([jnp.zeros_like(weights[:1]), weights * traces.squared])
        conductance = jnp.concatenate(
            [from_penalty[None], jnp.concatenate([to_penalty[:, None], between], axis=1)]
        )
        ground = jnp.concatenate([slack[None], ground])
        source = jnp.concatenate([traces.through_penalty[None], source])
        potential = solve_grounded(conductance, ground, source)
        return potential[1:], potential[0]

    along_right = jax.vmap(pair, in_axes=(0, None, 0, 0))
    all_pairs = jax.vmap(along_right, in_axes=(0, 0, None, None))
    potentials, features = all_pairs(by_pair, points.kappa, shares * right.y, right.feature_slack)
    return CrossAmplification(jnp.moveaxis(potentials * right.y, -1, 0), features)


def resolvents_at(problem: MixtureProblem, points: ComplexPoints) -> Complex[Array, "nodes ..."]:
    """$R$ at every solution."""
    spectrum, shares = jax.tree.map(lambda leaf: leaf.astype(complex), (problem.spectrum, problem.shares))
    return jax.vmap(lambda y: spectrum.resolvent(shares * y, jnp.ones((), complex)))(points.y)


def parts_of(values: Complex[Array, "nodes ..."]) -> Float[Array, "parts ..."]:
    """Real parts, then imaginary parts: products of real arrays serve a node and its conjugate at once."""
    return jnp.concatenate([jnp.real(values), jnp.imag(values)])


def with_both(products: Float[Array, "... parts parts"]) -> Complex[Array, "... nodes both"]:
    """From bilinear products of such parts those of every node with every node, then every conjugate."""
    half = products.shape[-1] // 2
    rr, ri = products[..., :half, :half], products[..., :half, half:]
    ir, ii = products[..., half:, :half], products[..., half:, half:]
    return jnp.concatenate([jax.lax.complex(rr - ii, ri + ir), jax.lax.complex(rr + ii, ir - ri)], axis=-1)
