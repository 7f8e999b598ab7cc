r"""Newton's method for the fixed point of a ridge mixture: from anywhere to rounding, in a handful of steps.

The unknowns are $y_s = x_s / \theta = e_s / \kappa$. With the slacks eliminated
(:mod:`freeridge.solvers.problem`) the equations

$$ y_s \big( \kappa + \phi\, \overline{\mathrm{tr}}\, \Sigma_s (1 + \textstyle\sum_r p_r y_r \Sigma_r)^{-1}
   \big) = 1 $$

are the stationarity of a function convex in $\log y$. The step is that of Newton on the logarithms of the
equations, in a network that cancels nothing (:mod:`freeridge.solvers.network`); the line search is on the
slope of the convex function. ``docs/solver.md`` has the derivation and what was measured.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from freeridge.solvers.network import solve_grounded
from freeridge.solvers.problem import VANISHING, MixtureProblem, Slacks, slacks_of
from freeridge.solvers.spectra import ResolventTraces, Traces

# Newton has converged quadratically once a step is this small: the step after it is below rounding.
_LAST_STEP = 1e-9
_MAX_STEPS = 80
# A step in the logarithm of y is at most this long: longer ones come from flat stretches and land anywhere.
_LONGEST_STEP = 20.0


class Solution(NamedTuple):
    """Unknowns with the certificate."""

    x: Float[Array, " G"]
    theta: Float[Array, ""]
    sample_slack: Float[Array, ""]
    feature_slack: Float[Array, ""]
    residual: Float[Array, ""]
    steps: Int[Array, ""]


class _Search(NamedTuple):
    y: Float[Array, " G"]
    step: Float[Array, " G"]
    """The step to try from ``y``, already shortened."""
    slope_along: Float[Array, ""]
    last: Array
    """Whether the step is the last: after it the equations are evaluated once more, as the certificate."""
    residual: Float[Array, ""]
    evaluations: Int[Array, ""]
    done: Array


def newton(p: MixtureProblem) -> Solution:
    """Solve the equations of a problem in units of its mean eigenvalue."""
    traces_at = p.spectrum.prepared_traces()

    def advance(s: _Search) -> _Search:
        trial = s.y * jnp.exp(s.step)
        here = _evaluate(p, traces_at, trial)
        # On a convex function a trial that lands uphill and not much flatter than it left went too far:
        # halve. Once the equations hold to rounding slopes mean nothing, and Newton may finish.
        near = _slope_along(p, here, s.step) <= 0.25 * jnp.abs(s.slope_along)
        accept = near | (_largest(here.slope) <= 1e-12) | s.last
        size = _largest(here.step)
        step = jnp.where(accept, here.step * jnp.minimum(1.0, _LONGEST_STEP / size), 0.5 * s.step)
        slope_along = jnp.where(accept, _slope_along(p, here, step), s.slope_along)
        evaluations = s.evaluations + 1
        # A last correction that is not small means that the residual cannot vouch for the solution.
        residual = jnp.where((size <= 1e-6) & jnp.isfinite(here.residual), here.residual, jnp.inf)
        last = (accept & (size <= _LAST_STEP)) | (evaluations > _MAX_STEPS)
        return _Search(jnp.where(accept, trial, s.y), step, slope_along, last, residual, evaluations, s.last)

    y = jnp.full_like(p.shares, 1.0) / _start(p)
    no, infinite = jnp.zeros((), bool), jnp.asarray(jnp.inf)
    search = _Search(y, jnp.zeros_like(y), infinite, no, infinite, jnp.zeros((), jnp.int32), no)
    # One body for the start, the steps and the certificate: it is compiled once.
    found = jax.lax.while_loop(lambda s: ~s.done, advance, search)
    total = p.shares @ found.y
    slacks, theta = slacks_of(p, total), 1.0 / total
    product = slacks.sample * theta * (1.0 if p.features is None else slacks.feature)
    residual = jnp.maximum(found.residual, jnp.abs(product / slacks.ridge - 1.0))
    residual = jnp.where(jnp.isfinite(residual), residual, jnp.inf)
    steps = found.evaluations - 2
    return Solution(found.y / total, theta, slacks.sample, slacks.feature, residual, steps)


class _Evaluation(NamedTuple):
    """The equations at one $y$."""

    slope: Float[Array, " G"]
    """Gradient of the convex function in $\\log y$."""
    step: Float[Array, " G"]
    """Newton step in $\\log y$."""
    balance: Float[Array, ""]
    """$\\bar e + \\phi \\eta - 1$, the sum of the slopes, without cancellation."""
    residual: Float[Array, ""]
    """The largest residual, each equation relative to its terms."""


def _evaluate(p: MixtureProblem, traces_at: Traces, y: Float[Array, " G"]) -> _Evaluation:
    weights = p.shares * y
    total = jnp.sum(weights)
    slacks = slacks_of(p, total)
    kappa = slacks.sample / total
    traces = traces_at(weights, jnp.ones(()))
    level = kappa + p.aspect * traces.single
    # y_s level_s = 1 is the equation; its logarithm is nearly linear in log y wherever one term dominates.
    ratio = y * level
    conductance = (p.aspect * traces.pair + kappa * (1.0 - slacks.follow) / total) * weights
    ground = p.aspect * traces.squared + kappa * slacks.follow
    # The sum of the equations is a balance of slacks that keeps its digits at interpolation, where the
    # equations one by one have lost them: the network is driven without its common part, and all populations
    # move together by what the balance says.
    balance, size, drift = _balance(p, slacks, traces, weights)
    drive = -level * jnp.log(ratio)
    pull = weights * ground
    apart = solve_grounded(conductance, ground, drive - ground * (weights @ drive) / jnp.sum(pull))
    step = drift + (apart - pull @ apart / jnp.sum(pull))
    residual = jnp.maximum(_largest(ratio - 1.0), jnp.abs(balance) / size)
    here = _Evaluation(p.shares * (ratio - 1.0), step, balance, residual)
    # Far away, the logarithms can point uphill; Newton's own step never does.
    uphill = (_slope_along(p, here, step) > 0) & (_largest(here.slope) > 1e-6)
    return here._replace(step=jnp.where(uphill, solve_grounded(conductance, ground, (1.0 - ratio) / y), step))


def _balance(
    p: MixtureProblem, slacks: Slacks, traces: ResolventTraces, weights: Float[Array, " G"]
) -> tuple[Float[Array, ""], Float[Array, ""], Float[Array, ""]]:
    r"""$\bar e + \phi \eta - 1$ in whichever of its equal forms has the smallest terms, their size, and
    Newton's step on its logarithm.

    A form is a sum of non-negative terms that should equal another; both move with the common logarithm of
    $y$ at known rates.
    """
    phi, rank = p.aspect, p.spectrum.rank
    used, free, turnover = (
        phi * (weights @ traces.single),
        phi * traces.free,
        phi * (weights @ traces.squared),
    )
    opening = slacks.sample * slacks.follow
    still = jnp.zeros(())

    def spread(gap: Float[Array, ""]) -> tuple[Float[Array, ""], Float[Array, ""]]:
        return jnp.maximum(gap, 0.0), jnp.maximum(-gap, 0.0)

    up, down = spread((rank - p.n) / p.n)
    forms = [
        (slacks.sample + used, jnp.ones(()), opening + turnover, still),
        (slacks.sample + up, free + down, opening, turnover),
    ]
    if p.features is not None:
        feature = phi * slacks.feature
        up, down = spread((rank - p.features) / p.n)
        forms += [
            (feature + used, p.features / p.n, opening + turnover, still),
            (feature + up, free + down, opening, turnover),
        ]
    left, right, rise, fall = (jnp.stack(column) for column in zip(*forms, strict=True))
    best = jnp.argmin(left + right)
    left, right, rise, fall = left[best], right[best], rise[best], fall[best]
    drift = -jnp.log(left / right) / (rise / left + fall / right)
    return left - right, left + right, drift


def _start(p: MixtureProblem) -> Float[Array, ""]:
    """theta of one isotropic population with the mixture's mean eigenvalue and rank, to about a factor of
    two.
    """
    rank = p.spectrum.rank / p.spectrum.dimension
    sigma = (p.shares @ p.spectrum.mean_eigenvalues) / rank
    level = jnp.maximum(p.ridge, VANISHING) / p.aspect
    if p.features is None:
        return _positive_root(1.0 / p.aspect, rank * sigma, sigma, level)
    gamma = p.features / p.spectrum.dimension
    scarce, ample = jnp.minimum(1.0 / p.aspect, gamma), jnp.maximum(1.0 / p.aspect, gamma)
    eta = jnp.minimum(scarce, rank)
    theta = sigma
    for _ in range(3):
        # (scarce - eta)(ample - eta) theta = level with the middle factor frozen.
        theta = _positive_root(scarce, rank * sigma, sigma, level / jnp.maximum(ample - eta, 1e-3 * ample))
        eta = rank * sigma / (sigma + theta)
    return theta


def _positive_root(a: Array, b: Array, sigma: Array, level: Array) -> Array:
    """theta > 0 with (a - b / (sigma + theta)) theta = level: a quadratic, its root without cancellation."""
    lead = b - a * sigma + level
    root = jnp.sqrt(lead**2 + 4.0 * a * level * sigma)
    return jnp.where(lead >= 0, (lead + root) / (2.0 * a), 2.0 * level * sigma / (root + jnp.abs(lead)))


def _slope_along(p: MixtureProblem, here: _Evaluation, step: Float[Array, " G"]) -> Float[Array, ""]:
    """Slope along a step, its common part by the balance, which keeps its sign where the slopes are
    rounding.
    """
    common = p.shares @ step
    return here.slope @ (step - common) + here.balance * common


def _largest(values: Array) -> Array:
    return jnp.max(jnp.abs(values))
