r"""The branch of a fixed point $q = F(q, s)$ that starts at $s = 0$, where $F$ does not depend on $q$.

At variance 0 the solution is known, and the one wanted is on the branch through it: the step in $s$ is
controlled so that Newton's method converges fast and moves little, which keeps it from any other branch.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Inexact, Int

from freeridge.solvers.network import solve_pivoting

Point = Inexact[Array, " unknowns"]
Map = Callable[[Point, Float[Array, ""]], Point]

# Divided by instead of zero.
_TINY = 1e-300
_FIRST_STEP = 0.25
_SHORTEST_STEP = 1e-16
_MAX_STEPS = 400
_NEWTON_STEPS = 4
# A trial is good when the first Newton step corrects no unknown by more than this part of it...
_LARGEST_CORRECTION = 0.1
# ... and the last of them leaves it alone to this part.
_SETTLED = 1e-4
# An unknown changes by less than its larger value, and so keeps its sign...
_LARGEST_CHANGE = 0.9
# ... unless it is near zero: below this part of the largest it has been, which all is compared to then.
_FLOOR = 1e-3


class _Walk(NamedTuple):
    point: Point
    largest: Float[Array, " unknowns"]
    """The largest absolute value of each unknown so far."""
    variance: Float[Array, ""]
    step: Float[Array, ""]
    steps: Int[Array, ""]


def follow(f: Map, start: Point) -> tuple[Point, Float[Array, ""]]:
    """The solution at s = 1, and the s that the walk got to."""

    def advance(walk: _Walk) -> _Walk:
        variance = jnp.minimum(walk.variance + walk.step, 1.0)
        trial, good = _newton(f, walk, variance)
        return _Walk(
            jnp.where(good, trial, walk.point),
            jnp.where(good, jnp.maximum(walk.largest, jnp.abs(trial)), walk.largest),
            jnp.where(good, variance, walk.variance),
            jnp.where(good, 4.0, 0.125) * walk.step,
            walk.steps + 1,
        )

    def unfinished(walk: _Walk) -> Array:
        return (walk.variance < 1.0) & (walk.step > _SHORTEST_STEP) & (walk.steps < _MAX_STEPS)

    zero = jnp.zeros(())
    first = f(start, zero)
    begin = _Walk(first, jnp.abs(first), zero, jnp.full((), _FIRST_STEP), jnp.zeros((), jnp.int32))
    walk = jax.lax.while_loop(unfinished, advance, begin)
    return polish(f, walk.point), walk.variance


def polish(f: Map, point: Point) -> Point:
    """Newton's method at s = 1 from a point near the solution."""
    full = at_full_variance(f)
    # A loop, though of three steps: JAX compiles the body once.
    return jax.lax.fori_loop(0, 3, lambda _, q: q + newton_step(full, q), point)


def at_full_variance(f: Map) -> Callable[[Point], Point]:
    """The map at s = 1."""
    return lambda q: f(q, jnp.ones(()))


def newton_step(f: Callable[[Point], Point], point: Point) -> Point:
    """Towards the solution of $q = f(q)$."""
    return solve_pivoting(newton_matrix(f, point), f(point) - point)


def newton_matrix(f: Callable[[Point], Point], point: Point) -> Inexact[Array, "unknowns unknowns"]:
    """$1 - f'$, the matrix of Newton's step."""
    slope = jax.jacfwd(f, holomorphic=jnp.iscomplexobj(point))(point)
    return jnp.eye(len(point), dtype=point.dtype) - slope


def _newton(f: Map, walk: _Walk, variance: Float[Array, ""]) -> tuple[Point, Bool[Array, ""]]:
    """Newton's method at a new variance from a prediction, and whether it converged from close by."""

    def at(q: Point) -> Point:
        return f(q, variance)

    trial = _predict(f, walk, variance)
    first = newton_step(at, trial)

    def again(_: Array, state: tuple[Point, Point]) -> tuple[Point, Point]:
        step = newton_step(at, state[0])
        return state[0] + step, step

    trial, last = jax.lax.fori_loop(1, _NEWTON_STEPS, again, (trial + first, first))
    # An unknown that is 0 without randomness has no size yet.
    new = walk.largest == 0.0
    before, after = jnp.where(new, jnp.abs(trial), jnp.abs(walk.point)), jnp.abs(trial)
    floor = _FLOOR * walk.largest
    close = _largest(jnp.where(new, 0.0, first), jnp.minimum(before, after) + floor) <= _LARGEST_CORRECTION
    settled = _largest(last, jnp.minimum(before, after) + floor) <= _SETTLED
    change = _largest(jnp.where(new, 0.0, trial - walk.point), jnp.maximum(before, after) + floor)
    return trial, close & settled & (change <= _LARGEST_CHANGE)


def _predict(f: Map, walk: _Walk, variance: Float[Array, ""]) -> Point:
    """Along the tangent in logarithms, since unknowns are powers of the variance over long stretches; along
    the tangent itself from variance 0, or where an unknown is about to change its sign.
    """
    point = walk.point
    _, drift = jax.jvp(lambda s: f(point, s), (walk.variance,), (variance - walk.variance,))
    move = solve_pivoting(newton_matrix(lambda q: f(q, walk.variance), point), drift)
    growth = variance / walk.variance - 1.0
    exponent = move / point * (jnp.log1p(growth) / growth).astype(point.dtype)
    smooth = jnp.isfinite(exponent) & (jnp.abs(exponent) < 3.0)
    return jnp.where(smooth, point * jnp.exp(jnp.where(smooth, exponent, 0.0)), point + move)


def _largest(step: Point, size: Float[Array, " unknowns"]) -> Float[Array, ""]:
    """The largest change relative to the size of its unknown; infinite where it is not a number."""
    change = jnp.max(jnp.abs(step) / jnp.maximum(size, _TINY))
    return jnp.where(jnp.isfinite(change), change, jnp.inf)
