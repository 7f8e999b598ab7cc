"""A Dyson equation solved: continuation for its core, linear equations for the rest, a residual for all."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Inexact, Int

from freeridge.solvers.network import solve_pivoting
from freeridge.solvers.pencils.continuation import Map, Point, at_full_variance, follow, newton_matrix
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
    matrices: tuple[Inexact[Array, "_ _"], ...]
    """Of Newton's step, for each stage."""


def solve(system: System, walk: Walk = follow) -> Solved:
    """Solve the equation of one point.

    ``walk`` leads to the solution of the core: the solution, and 1 where it got there.
    The derivative is that of the implicit function, to any order.
    """
    merged = system.merged
    count = len(merged.representatives)
    if not count:
        return Solved(jnp.zeros(0), jnp.zeros(()), jnp.full((), Code.OK, jnp.int32), ())
    unknowns = jnp.zeros(count, jnp.result_type(*map(jnp.asarray, system.numbers.values())))
    arrived = jnp.ones(())
    corrections, matrices = [], []
    for stage in merged.all_stages:
        places = jnp.array(stage)
        equation, start, is_core = system.stage(unknowns, stage), unknowns[places], stage[0] < merged.core
        solution, reached = _implicit(equation, start, walk if is_core else _linear)
        arrived = jnp.minimum(arrived, reached)
        unknowns = unknowns.at[places].set(solution)
        f = at_full_variance(equation)
        # The same everywhere for a linear stage: JAX compiles it once when it is asked for at one place.
        matrices.append(newton_matrix(f, solution if is_core else start))
        corrections.append(solve_pivoting(matrices[-1], f(solution) - solution))
    sizes = jnp.abs(system.scales(unknowns, tuple(range(count))))
    residual = jnp.max(jnp.abs(jnp.concatenate(corrections)) / sizes)
    residual = jnp.where((arrived == 1.0) & jnp.isfinite(residual), residual, jnp.inf)
    code = jnp.where(residual <= CERTIFIED, Code.OK, Code.NOT_CERTIFIED).astype(jnp.int32)
    return Solved(unknowns, jax.lax.stop_gradient(residual), code, tuple(matrices))


def _implicit(equation: Map, start: Point, walk: Walk) -> tuple[Point, Float[Array, ""]]:
    """The fixed point with the derivative of an implicit function."""
    full = at_full_variance(equation)

    def gap(q: Point) -> Point:
        return full(q) - q

    def arrive(_: object, q: Point) -> tuple[Point, Float[Array, ""]]:
        return walk(equation, q)

    def tangent(linear: Callable[[Point], Point], source: Point) -> Point:
        return solve_pivoting(jax.vmap(linear, out_axes=1)(jnp.eye(len(source), dtype=source.dtype)), source)

    return jax.lax.custom_root(gap, start, arrive, tangent, has_aux=True)


def _linear(equation: Map, start: Point) -> tuple[Point, Float[Array, ""]]:
    """The solution of a linear stage: one Newton step arrives, and a second one takes away rounding."""
    f, point = at_full_variance(equation), start
    matrix = newton_matrix(f, start)
    for _ in range(2):
        point = point + solve_pivoting(matrix, f(point) - point)
    return point, jnp.ones(())
