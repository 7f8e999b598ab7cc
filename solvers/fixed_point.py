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

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from freeridge.solvers.network import solve_grounded, solve_pivoting
from freeridge.solvers.results import Code
from freeridge.solvers.spectra import ResolventTraces, Spectrum

# Newton has converged quadratically once a step is this small: the step after it is below rounding.
_LAST_STEP = 1e-9
_MAX_STEPS = 80
# A step in the logarithm of y is at most this long: longer ones come from flat stretches and land anywhere.
_LONGEST_STEP = 20.0
# Ridge 0 means the limit from above; relative to the mean eigenvalue this ridge is below rounding in every
# term.
_VANISHING = 1e-40
# Rounding alone leaves up to 3e-12 when covariances differ by a factor 1e12 or a population of share 1e-5
# interpolates by itself.
_CERTIFIED = 1e-11
# Two sizes this close, relatively, are the same size.
_MEETS = 1e-9


class MixtureProblem(eqx.Module):
    """What the fixed point depends on: covariances, shares, sizes and ridge (all numeric fields may be
    traced).
    """

    spectrum: Spectrum
    shares: Float[Array, " G"]
    n: Float[Array, ""]
    ridge: Float[Array, ""]
    features: Float[Array, ""] | None = None

    @property
    def aspect(self) -> Float[Array, ""]:
        r"""$\phi = d/n$."""
        return self.spectrum.dimension / self.n


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
    with the smallest terms; a point is certified when it is at most 1e-12 and Newton's next correction is
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
    safe = jax.tree.map(lambda v: jnp.where(valid, v, jnp.ones_like(v)), problem)
    # The equations are homogeneous in (covariances, ridge, theta): solve them in units of the mean
    # eigenvalue.
    unit = jax.lax.stop_gradient(safe.shares @ safe.spectrum.mean_eigenvalues)
    scaled = eqx.tree_at(
        lambda p: (p.spectrum, p.ridge),
        safe,
        (safe.spectrum.rescaled(jnp.full_like(safe.shares, 1.0) / unit), safe.ridge / unit),
    )
    unknowns, residual, steps = _newton(scaled)
    x, theta, sample_slack, feature_slack = unknowns
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


def _at_threshold(p: MixtureProblem) -> Array:
    """Whether ridge 0 meets n = rank or n = features; the answer is infinite there unless a slack says
    otherwise.
    """
    meets = jnp.abs(p.n - p.spectrum.rank) <= _MEETS * p.n
    if p.features is not None:
        meets |= jnp.abs(p.n - p.features) <= _MEETS * p.n
    return meets & (p.ridge < _VANISHING)


class _Slacks(NamedTuple):
    """What the ridge, the sizes and $S = \\sum p_s y_s$ determine in closed form (a quadratic)."""

    ridge: Float[Array, ""]
    sample: Float[Array, ""]
    feature: Float[Array, ""]
    follow: Float[Array, ""]
    """$d \\log \\bar e / d \\log S$, between 0 and 1."""


def _slacks(p: MixtureProblem, total: Float[Array, ""]) -> _Slacks:
    ridge = jnp.maximum(p.ridge, _VANISHING)
    if p.features is None:
        return _Slacks(ridge, ridge * total, jnp.ones_like(total), jnp.ones_like(total))
    # e^2 + (psi - 1) e = ridge phi S and e - phi nu = 1 - psi: of each pair of roots take the one that adds.
    gap = (p.n - p.features) / p.n
    product = ridge * p.aspect * total
    large = 0.5 * (jnp.abs(gap) + jnp.sqrt(gap**2 + 4.0 * product))
    small = product / large
    sample, scaled_feature = jnp.where(gap >= 0, large, small), jnp.where(gap >= 0, small, large)
    return _Slacks(ridge, sample, scaled_feature / p.aspect, scaled_feature / (sample + scaled_feature))


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


def _evaluate(p: MixtureProblem, y: Float[Array, " G"]) -> _Evaluation:
    weights = p.shares * y
    total = jnp.sum(weights)
    slacks = _slacks(p, total)
    kappa = slacks.sample / total
    traces = p.spectrum.traces(weights, jnp.ones(()))
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
    return _Evaluation(p.shares * (ratio - 1.0), step, balance, residual)


def _balance(
    p: MixtureProblem, slacks: _Slacks, traces: ResolventTraces, weights: Float[Array, " G"]
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
    ridge = jnp.maximum(p.ridge, _VANISHING)
    rank = p.spectrum.rank / p.spectrum.dimension
    sigma = (p.shares @ p.spectrum.mean_eigenvalues) / rank
    per_sample = 1.0 / p.aspect
    features = jnp.full_like(per_sample, jnp.inf) if p.features is None else p.features / p.spectrum.dimension
    scarce, ample = jnp.minimum(per_sample, features), jnp.maximum(per_sample, features)
    eta = jnp.minimum(scarce, rank)
    theta = ridge
    for _ in range(3):
        # (scarce - eta) theta = ridge / (phi (ample - eta)), the last factor frozen: a quadratic in theta.
        other = p.aspect if p.features is None else None
        level = (
            ridge * per_sample / (jnp.maximum(ample - eta, 1e-3 * ample))
            if other is None
            else ridge * per_sample
        )
        lead = (rank - scarce) * sigma + level
        root = jnp.sqrt(lead**2 + 4.0 * scarce * level * sigma)
        theta = jnp.where(
            lead >= 0, (lead + root) / (2.0 * scarce), 2.0 * level * sigma / (root + jnp.abs(lead))
        )
        eta = rank * sigma / (sigma + theta)
    return theta


def _slope_along(p: MixtureProblem, here: _Evaluation, step: Float[Array, " G"]) -> Float[Array, ""]:
    """Slope along a step, its common part by the balance, which keeps its sign where the slopes are
    rounding.
    """
    common = p.shares @ step
    return here.slope @ (step - common) + here.balance * common


def _largest(values: Array) -> Array:
    return jnp.max(jnp.abs(values))


class _Search(NamedTuple):
    y: Float[Array, " G"]
    step: Float[Array, " G"]
    """The step to try from ``y``, already shortened."""
    slope_along: Float[Array, ""]
    done: Array
    steps: Int[Array, ""]


@jax.custom_jvp
def _newton(
    p: MixtureProblem,
) -> tuple[
    tuple[Float[Array, " G"], Float[Array, ""], Float[Array, ""], Float[Array, ""]],
    Float[Array, ""],
    Int[Array, ""],
]:
    def bounded(step: Array) -> Array:
        return step * jnp.minimum(1.0, _LONGEST_STEP / _largest(step))

    def body(s: _Search) -> _Search:
        trial = s.y * jnp.exp(s.step)
        here = _evaluate(p, trial)
        # On a convex function a trial that lands as steep as it left, uphill, went too far: halve.
        # Once the equations hold to rounding slopes mean nothing, and Newton may finish.
        downhill = _slope_along(p, here, s.step) <= 0.25 * jnp.abs(s.slope_along)
        accept = downhill | (_largest(here.slope) <= 1e-12)
        step = jnp.where(accept, bounded(here.step), 0.5 * s.step)
        slope_along = jnp.where(accept, _slope_along(p, here, step), s.slope_along)
        done = accept & (_largest(here.step) <= _LAST_STEP)
        return _Search(jnp.where(accept, trial, s.y), step, slope_along, done, s.steps + 1)

    y = jnp.full_like(p.shares, 1.0) / _start(p)
    first = _evaluate(p, y)
    step = bounded(first.step)
    small = _largest(first.step) <= _LAST_STEP
    search = _Search(y, step, _slope_along(p, first, step), small, jnp.zeros((), jnp.int32))
    search = jax.lax.while_loop(lambda s: ~s.done & (s.steps < _MAX_STEPS), body, search)
    y = search.y * jnp.exp(search.step)
    last = _evaluate(p, y)
    total = p.shares @ y
    slacks = _slacks(p, total)
    theta = 1.0 / total
    factors = slacks.sample * theta * (1.0 if p.features is None else slacks.feature)
    residual = jnp.maximum(last.residual, jnp.abs(factors / slacks.ridge - 1.0))
    # A last correction that is not small means that the residual cannot vouch for the solution.
    settled = _largest(last.step) <= 1e-6
    residual = jnp.where(settled & jnp.isfinite(residual), residual, jnp.inf)
    return (y / total, theta, slacks.sample, slacks.feature), residual, search.steps


@_newton.defjvp
def _implicit(primals, tangents):  # type: ignore[no-untyped-def]
    """Implicit function theorem on the equations in $(x, \\theta, \\bar e, \\nu)$, regular at ridge 0 on
    both sides of interpolation.
    """
    (p,), (dp,) = primals, tangents
    unknowns, residual, steps = _newton(p)
    x, theta, sample, feature = unknowns

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

    _, forcing = jax.jvp(equations, (p,), (dp,))
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
    moved = (change[:count], change[count], change[count + 1], change[count + 2])
    return (unknowns, residual, steps), (
        moved,
        jnp.zeros_like(residual),
        jnp.zeros(steps.shape, jax.dtypes.float0),
    )
