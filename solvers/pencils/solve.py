"""A Dyson equation solved: continuation for its core, linear equations for the rest, a residual for all."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Inexact, Int

from freeridge.solvers.network import solve_pivoting
from freeridge.solvers.pencils.continuation import follow, newton_step
from freeridge.solvers.pencils.system import System
from freeridge.solvers.results import Code

# As for the ridge theories: rounding leaves less, a wrong solution more.
_CERTIFIED = 1e-11


class Solved(NamedTuple):
    """Unknowns of the merged equation, with the certificate."""

    unknowns: Inexact[Array, " unknowns"]
    residual: Float[Array, ""]
    code: Int[Array, ""]


def solve(system: System) -> Solved:
    """Solve the equation of one point.

    The derivative is that of the implicit function, to any order.
    """
    merged = system.merged
    count = len(merged.representatives)
    if not count:
        return Solved(jnp.zeros(0), jnp.zeros(()), jnp.full((), Code.OK, jnp.int32))
    dtype = jnp.result_type(*map(jnp.asarray, system.numbers.values()))
    unknowns = jnp.zeros(count, dtype)
    variance = jnp.ones(())
    if merged.core:
        core = tuple(range(merged.core))

        def equation(q: Array, variance: Array) -> Array:
            return system.image(jnp.concatenate([q, unknowns[merged.core :]]), variance, core)

        solution, variance = _implicit(equation, unknowns[: merged.core])
        unknowns = unknowns.at[: merged.core].set(solution)
    for stage in merged.stages:
        unknowns = _linear(system, unknowns, stage)
    every = tuple(range(count))
    gap = jnp.abs(system.image(unknowns, 1.0, every) - unknowns)
    residual = jnp.max(gap / jnp.abs(system.scales(unknowns, every)))
    residual = jnp.where((variance == 1.0) & jnp.isfinite(residual), residual, jnp.inf)
    code = jnp.where(residual <= _CERTIFIED, Code.OK, Code.NOT_CERTIFIED).astype(jnp.int32)
    return Solved(unknowns, jax.lax.stop_gradient(residual), code)


def _implicit(equation, start):  # type: ignore[no-untyped-def]
    """The fixed point with the derivative of an implicit function."""
    one = jnp.ones(())

    def gap(q: Array) -> Array:
        return equation(q, one) - q

    def walk(_: object, q: Array) -> tuple[Array, Array]:
        return follow(equation, q)

    def tangent(linear, source):  # type: ignore[no-untyped-def]
        return solve_pivoting(jax.vmap(linear, out_axes=1)(jnp.eye(len(source), dtype=source.dtype)), source)

    return jax.lax.custom_root(gap, start, walk, tangent, has_aux=True)


def _linear(system: System, unknowns: Array, stage: tuple[int, ...]) -> Array:
    """Solve a stage that is linear in its own unknowns; a second step takes away the rounding of the first."""
    places = jnp.array(stage)

    def image(q: Array) -> Array:
        return system.image(unknowns.at[places].set(q), 1.0, stage)

    found = jnp.zeros(len(stage), unknowns.dtype)
    for _ in range(2):
        found = found + newton_step(image, found)
    return unknowns.at[places].set(found)
