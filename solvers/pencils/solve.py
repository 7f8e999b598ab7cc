"""A Dyson equation solved: continuation for its core, linear equations for the rest, a residual for all."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Inexact, Int

from freeridge.solvers.network import solve_pivoting
from freeridge.solvers.pencils.continuation import Map, Point, follow, newton_step
from freeridge.solvers.pencils.system import System
from freeridge.solvers.results import Code

# Relative to the unknowns. A pencil takes differences that the special solvers of the ridge theories avoid:
# at ridge 1e-8 beside an interpolation threshold rounding costs half of the digits, and none are given.
CERTIFIED = 1e-9

Walk = Callable[[Map, Point], tuple[Point, Float[Array, ""]]]


class Solved(NamedTuple):
    """Unknowns of the merged equation, with the certificate."""

    unknowns: Inexact[Array, " unknowns"]
    residual: Float[Array, ""]
    """The largest relative change that one more Newton step would make."""
    code: Int[Array, ""]


def solve(system: System, walk: Walk = follow) -> Solved:
    """Solve the equation of one point.

    ``walk`` leads to the solution of the core: the solution, and 1 where it got there.
    The derivative is that of the implicit function, to any order.
    """
    merged = system.merged
    count = len(merged.representatives)
    if not count:
        return Solved(jnp.zeros(0), jnp.zeros(()), jnp.full((), Code.OK, jnp.int32))
    unknowns = jnp.zeros(count, jnp.result_type(*map(jnp.asarray, system.numbers.values())))
    variance, corrections = jnp.ones(()), []
    if merged.core:
        image = _stage(system, unknowns, tuple(range(merged.core)))
        solution, variance = _implicit(image, unknowns[: merged.core], walk)
        unknowns = unknowns.at[: merged.core].set(solution)
        corrections.append(newton_step(lambda q: image(q, jnp.ones(())), solution))
    for stage in merged.stages:
        solution, correction = _linear(_stage(system, unknowns, stage), len(stage), unknowns.dtype)
        unknowns = unknowns.at[jnp.array(stage)].set(solution)
        corrections.append(correction)
    order = jnp.array([*range(merged.core), *(u for stage in merged.stages for u in stage)])
    sizes = jnp.abs(system.scales(unknowns, tuple(range(count))))
    residual = jnp.max(jnp.abs(jnp.concatenate(corrections)) / sizes[order])
    residual = jnp.where((variance == 1.0) & jnp.isfinite(residual), residual, jnp.inf)
    code = jnp.where(residual <= CERTIFIED, Code.OK, Code.NOT_CERTIFIED).astype(jnp.int32)
    return Solved(unknowns, jax.lax.stop_gradient(residual), code)


def _stage(system: System, unknowns: Point, stage: tuple[int, ...]) -> Map:
    """The equations of some unknowns as a function of these, the others given."""
    places = jnp.array(stage)
    return lambda q, variance: system.image(unknowns.at[places].set(q), variance, stage)


def _implicit(equation: Map, start: Point, walk: Walk) -> tuple[Point, Float[Array, ""]]:
    """The fixed point with the derivative of an implicit function."""
    one = jnp.ones(())

    def gap(q: Array) -> Array:
        return equation(q, one) - q

    def arrive(_: object, q: Point) -> tuple[Point, Float[Array, ""]]:
        return walk(equation, q)

    def tangent(linear: Callable[[Point], Point], source: Point) -> Point:
        return solve_pivoting(jax.vmap(linear, out_axes=1)(jnp.eye(len(source), dtype=source.dtype)), source)

    return jax.lax.custom_root(gap, start, arrive, tangent, has_aux=True)


def _linear(f: Map, size: int, dtype: Any) -> tuple[Point, Point]:
    """The solution of a linear stage, and the step left after a second has taken away rounding."""
    one = jnp.ones(())
    found = jnp.zeros(size, dtype)
    slope = jax.jacfwd(lambda q: f(q, one), holomorphic=jnp.iscomplexobj(found))(found)
    matrix = jnp.eye(size, dtype=dtype) - slope
    for _ in range(2):
        found = found + solve_pivoting(matrix, f(found, one) - found)
    return found, solve_pivoting(matrix, f(found, one) - found)
