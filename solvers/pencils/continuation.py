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

_FIRST_STEP = 0.25
_SHORTEST_STEP = 1e-7
_MAX_STEPS = 400
_NEWTON_STEPS = 4
# A trial is good when the first Newton step changes no unknown by more than this part of it...
_LARGEST_CHANGE = 0.3
# ... and the last of them leaves it alone to this part.
_SETTLED = 1e-4


class _Walk(NamedTuple):
    point: Point
    variance: Float[Array, ""]
    step: Float[Array, ""]
    steps: Int[Array, ""]


def follow(f: Map, start: Point) -> tuple[Point, Float[Array, ""]]:
    """The solution at s = 1, and the s that the walk got to."""

    def advance(walk: _Walk) -> _Walk:
        variance = jnp.minimum(walk.variance + walk.step, 1.0)
        trial, good = _newton(f, walk.point, walk.variance, variance)
        return _Walk(
            jnp.where(good, trial, walk.point),
            jnp.where(good, variance, walk.variance),
            jnp.where(good, 2.0, 0.25) * walk.step,
            walk.steps + 1,
        )

    def unfinished(walk: _Walk) -> Array:
        return (walk.variance < 1.0) & (walk.step > _SHORTEST_STEP) & (walk.steps < _MAX_STEPS)

    zero = jnp.zeros(())
    begin = _Walk(f(start, zero), zero, jnp.full((), _FIRST_STEP), jnp.zeros((), jnp.int32))
    walk = jax.lax.while_loop(unfinished, advance, begin)
    return polish(f, walk.point), walk.variance


def polish(f: Map, point: Point, steps: int = 3) -> Point:
    """Newton's method at s = 1 from a point near the solution."""
    for _ in range(steps):
        point = point + newton_step(lambda q: f(q, jnp.ones(())), point)
    return point


def newton_step(f: Callable[[Point], Point], point: Point) -> Point:
    """Towards the solution of $q = f(q)$."""
    slope = jax.jacfwd(f, holomorphic=jnp.iscomplexobj(point))(point)
    return solve_pivoting(jnp.eye(len(point), dtype=point.dtype) - slope, f(point) - point)


def _newton(
    f: Map, point: Point, before: Float[Array, ""], variance: Float[Array, ""]
) -> tuple[Point, Bool[Array, ""]]:
    """Newton's method at a new variance from the solution at the one before, carried along its tangent."""

    def at(q: Point) -> Point:
        return f(q, variance)

    slope = jax.jacfwd(lambda q: f(q, before), holomorphic=jnp.iscomplexobj(point))(point)
    _, drift = jax.jvp(lambda s: f(point, s), (before,), (variance - before,))
    trial = point + solve_pivoting(jnp.eye(len(point), dtype=point.dtype) - slope, drift)
    first = newton_step(at, trial)
    small = _largest(first, trial) <= _LARGEST_CHANGE
    trial, last = trial + first, first
    for _ in range(_NEWTON_STEPS - 1):
        last = newton_step(at, trial)
        trial = trial + last
    return trial, small & (_largest(last, trial) <= _SETTLED)


def _largest(step: Point, point: Point) -> Float[Array, ""]:
    """The largest change relative to its unknown; infinite where it is not a number."""
    change = jnp.max(jnp.abs(step) / jnp.maximum(jnp.abs(point), jnp.finfo(jnp.float64).tiny))
    return jnp.where(jnp.isfinite(change), change, jnp.inf)
