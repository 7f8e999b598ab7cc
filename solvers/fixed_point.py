r"""The fixed point of ridge regression on a mixture of populations, certified.

With the notation of ``docs/theory/mixture.md`` the unknowns are $x_s$ (one per population, $\sum_s p_s x_s =
1$), $\theta$ and the two slacks $\bar e = 1 - \phi \eta$ (samples) and $\nu = \gamma - \eta$ (features,
absent for plain ridge):

$$ x_s \big( \bar e + \phi\, \overline{\mathrm{tr}}\, \Sigma_s R \big) = 1, \qquad R = (C + \theta)^{-1},
   \quad C = \sum_s p_s x_s \Sigma_s,
   \qquad \lambda = \nu\, \theta\, \bar e , $$

$\eta = \overline{\mathrm{tr}}\, C R$ and, for plain ridge, $\lambda = \theta\, \bar e$. They are the
stationarity conditions of a function that is convex in $\log y_s$, $y_s = x_s / \theta$, and in the
logarithm of the effective ridge: the solution is unique, and Newton's method with a line search on that
function finds it from anywhere. The Newton matrix is a grounded network (:mod:`freeridge.solvers.network`),
so nothing cancels near interpolation.
"""

import functools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero
from jaxtyping import Array, Float, Int

from freeridge.solvers.network import solve_pivoting
from freeridge.solvers.newton import Solution, newton
from freeridge.solvers.problem import VANISHING
from freeridge.solvers.problem import MixtureProblem as MixtureProblem
from freeridge.solvers.results import Code

# Rounding alone leaves up to 3e-12 when covariances differ by a factor 1e12 or a population of share 1e-5
# interpolates by itself.
_CERTIFIED = 1e-11
# Two sizes this close, relatively, are the same size.
_MEETS = 1e-9


class FixedPoint(eqx.Module):
    """The solution, with its certificate."""

    x: Float[Array, " G"]
    theta: Float[Array, ""]
    sample_slack: Float[Array, ""]
    feature_slack: Float[Array, ""]
    residual: Float[Array, ""]
    code: Int[Array, ""]
    steps: Int[Array, ""]


def solve_fixed_point(problem: MixtureProblem) -> FixedPoint:
    r"""Solve the fixed point and certify it.

    ``residual`` is the largest relative residual of all equations, the balance of slacks taken in the form
    with the smallest terms; a point is certified when it is at most 1e-11 and Newton's next correction is
    negligible. Differentiable in every numeric field by the implicit function theorem, and safe under
    :func:`jax.vmap`: a lane that fails is NaN with a code.

    Examples
    --------
    Isotropic covariance: $\theta$ is the effective ridge of Marchenko and Pastur over $\bar e$.

    >>> import jax.numpy as jnp
    >>> from freeridge.solvers.spectra import Atoms
    >>> spectrum = Atoms(jnp.ones((1, 1)), jnp.array([100.0]), dimension=100)
    >>> point = solve_fixed_point(MixtureProblem(spectrum, jnp.ones(1), jnp.array(50.0), jnp.array(0.0)))
    >>> float(point.theta), float(point.sample_slack) < 1e-30, bool(point.residual < 1e-12)
    (1.0, True, True)
    """
    valid = _is_valid(problem)
    safe = _usable(problem, valid)
    # The equations are homogeneous in (covariances, ridge, theta): solve them in units of the mean
    # eigenvalue.
    unit = jax.lax.stop_gradient(safe.shares @ safe.spectrum.mean_eigenvalues)
    scaled = eqx.tree_at(
        lambda p: (p.spectrum, p.ridge), safe, (safe.spectrum.in_units(unit), safe.ridge / unit)
    )
    x, theta, sample_slack, feature_slack, residual, steps = _solution(scaled)
    diverges = _at_threshold(scaled) & (sample_slack < _MEETS) & (jnp.minimum(theta, feature_slack) < _MEETS)
    code = jnp.where(residual <= _CERTIFIED, Code.OK, Code.NOT_CERTIFIED)
    code = jnp.where(diverges & (code == Code.OK), Code.DIVERGES, code)
    code = jnp.where(valid, code, Code.INVALID)
    usable = (code == Code.OK) | (code == Code.DIVERGES)

    def only_if_usable(value: Array) -> Array:
        return jnp.where(usable, value, jnp.nan)

    return FixedPoint(
        x=only_if_usable(x),
        theta=only_if_usable(theta * unit),
        sample_slack=only_if_usable(sample_slack),
        feature_slack=only_if_usable(feature_slack),
        residual=jnp.where(valid, residual, jnp.nan),
        code=code.astype(jnp.int32),
        steps=steps,
    )


def _is_valid(p: MixtureProblem) -> Array:
    finite = jnp.array(True)
    for leaf in jax.tree.leaves(p):
        finite &= jnp.all(jnp.isfinite(leaf))
    positive = (p.n > 0) & (p.ridge >= 0) & (p.shares @ p.spectrum.mean_eigenvalues > 0)
    positive &= jnp.all(p.shares >= 0) & (jnp.abs(jnp.sum(p.shares) - 1.0) < 1e-8)
    return finite & positive if p.features is None else finite & positive & (p.features > 0)


def _usable(p: MixtureProblem, valid: Array) -> MixtureProblem:
    """Where a problem is not valid one that has a solution: its lane does not run on, and has no NaN in its
    gradient.
    """
    numbers = (p.shares, p.n, p.ridge, p.features)
    shares, n, ridge, features = jax.tree.map(lambda v: jnp.where(valid, v, jnp.ones_like(v)), numbers)
    return MixtureProblem(p.spectrum.where(valid), shares, n, ridge, features)


def _at_threshold(p: MixtureProblem) -> Array:
    """Whether ridge 0 meets n = rank or n = features; the answer is infinite there unless a slack says
    otherwise.
    """
    meets = jnp.abs(p.n - p.spectrum.rank) <= _MEETS * p.n
    if p.features is not None:
        meets |= jnp.abs(p.n - p.features) <= _MEETS * p.n
    return meets & (p.ridge < VANISHING)


@jax.custom_jvp
def _solution(p: MixtureProblem) -> Solution:
    return newton(p)


@functools.partial(_solution.defjvp, symbolic_zeros=True)
def _implicit(primals, tangents):  # type: ignore[no-untyped-def]
    r"""Implicit function theorem on the equations in $(x, \theta, \bar e, \nu)$, regular at ridge 0 on both
    sides of interpolation.
    """
    p = primals[0]
    solution = _solution(p)
    x, theta, sample, feature = solution[:4]
    change_of_ridge = tangents[0].ridge
    tangent = jax.tree.map(_instantiated, tangents[0], is_leaf=_is_leaf)
    if not isinstance(change_of_ridge, SymbolicZero):
        # At ridge 0 with some populations interpolated and others not, x and theta vanish together: their
        # ratio is right, its derivative in the ridge is lost.
        lost = (p.ridge < VANISHING) & (jnp.min(x) < 1e-15 * jnp.max(x))
        tangent = eqx.tree_at(lambda t: t.ridge, tangent, tangent.ridge * jnp.where(lost, jnp.nan, 1.0))

    def equations(q: MixtureProblem) -> Array:
        single = q.spectrum.traces(q.shares * x, theta).single
        rows = [
            x * (sample + q.aspect * single) - 1.0,
            q.shares @ x - 1.0,
            theta * sample * feature - q.ridge,
        ]
        rows.append(
            feature - 1.0 if q.features is None else sample - q.aspect * feature - (q.n - q.features) / q.n
        )
        return jnp.concatenate([jnp.atleast_1d(row) for row in rows])

    _, forcing = jax.jvp(equations, (p,), (tangent,))
    traces = p.spectrum.traces(p.shares * x, theta)
    count = len(x)
    zero, one = jnp.zeros(()), jnp.ones(())
    populations = jnp.concatenate(
        [
            jnp.diag(sample + p.aspect * traces.single) - p.aspect * x[:, None] * traces.pair * p.shares,
            jnp.stack([-p.aspect * x * traces.squared, x, jnp.zeros(count)], axis=1),
        ],
        axis=1,
    )
    normalisation = jnp.concatenate([p.shares, jnp.zeros(3)])
    product = jnp.stack([sample * feature, theta * feature, theta * sample])
    balance = jnp.stack([zero, zero, one] if p.features is None else [zero, one, -p.aspect])
    tail = [jnp.concatenate([jnp.zeros(count), row]) for row in (product, balance)]
    change = -solve_pivoting(jnp.concatenate([populations, jnp.stack([normalisation, *tail])]), forcing)
    still = jnp.zeros(solution.steps.shape, jax.dtypes.float0)
    moved = Solution(change[:count], change[count], change[count + 1], change[count + 2], zero, still)
    return solution, moved


def _is_leaf(value: Any) -> bool:
    return isinstance(value, SymbolicZero)


def _instantiated(tangent: Any) -> Array:
    return jnp.zeros(tangent.shape, tangent.dtype) if isinstance(tangent, SymbolicZero) else tangent
