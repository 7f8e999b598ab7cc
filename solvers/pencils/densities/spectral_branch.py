r"""A Dyson equation on and above the real axis of a spectral parameter.

In the upper half plane the solution that belongs to the resolvent is analytic in $z$. High above the
spectrum it is followed in the variance, as everywhere; from there down a straight line to $z$, in steps that
shrink with the distance that is left; and on the real axis Newton's method ends on the boundary value
$z = x + i0$, complex in the bulk and real outside.
"""

from collections.abc import Callable
from functools import cached_property
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import sympy
from jaxtyping import Array, Bool, Complex, Float, Inexact, Int

from freeridge.solvers.network import solve_pivoting
from freeridge.solvers.pencils.continuation import follow, newton_step
from freeridge.solvers.pencils.derive import Equations
from freeridge.solvers.pencils.solve import Solved, solve
from freeridge.solvers.pencils.system import System
from freeridge.solvers.pencils.values import Numbers
from freeridge.solvers.results import Code

# Points are solved in batches of this size, so that one compilation serves them all.
_BATCH = 64
# The last step of a descent begins at this part of its length.
_NEAR = 1e-12
_FIRST_RATIO, _MAX_STEPS, _NEWTON_STEPS = 0.3, 300, 4
# A step is good when Newton's method corrects the prediction by no more than this part of the change, or this
# part of the unknowns where they turn round...
_PART_OF_CHANGE, _PART_OF_SIZE = 0.25, 1e-3
# ... and in the end leaves them alone to this part.
_SETTLED = 1e-7
# Beside an edge there is a second solution at twice the distance that the first has left, which goes like a
# square root: down to ratios of 0.08 the tangent is nearer to the first.
_SMALLEST_RATIO = 0.1
# Below this part of the modulus an imaginary part is taken for rounding. Where Newton's method ends on a real
# solution, imaginary parts vanish quadratically, down to far less.
_REAL = 1e-10


class BranchPoints(NamedTuple):
    """Solutions at many z."""

    values: dict[str, Complex[Array, "*points"]]
    unknowns: Complex[Array, "*points unknowns"]
    residual: Float[Array, "*points"]
    code: Int[Array, "*points"]


class SpectralBranch:
    """Equations that hold $z$, solved on the branch of the resolvent.

    Parameters
    ----------
    equations : Equations
        One of its traces, named ``trace``, is the normalised trace of $(H - z)^{-1}$.
    z : sympy.Symbol
    """

    def __init__(self, equations: Equations, z: sympy.Symbol) -> None:
        self.equations, self.z = equations, z

    def __call__(self, numbers: Numbers, points: Complex[Array, "*points"]) -> BranchPoints:
        """Solve at points with imaginary part >= 0; 0 stands for the limit from above."""
        flat = points.reshape(-1)
        scale = self.scale(numbers)
        if any(isinstance(x, jax.core.Tracer) for x in jax.tree.leaves((numbers, points))):
            found = self._solve(numbers, flat, jnp.maximum(scale, jnp.abs(flat)))
        else:
            found = self._in_batches(numbers, np.asarray(flat), float(scale))
            # From another height the steps fall elsewhere: few points are lost twice.
            for higher in (1.7, 4.1):
                lost = np.flatnonzero(found.code != Code.OK)
                if len(lost):
                    again = self._in_batches(numbers, np.asarray(flat)[lost], higher * float(scale))
                    found = jax.tree.map(lambda x, y, lost=lost: _replaced(x, lost, y), found, again)
        return jax.tree.map(lambda x: jnp.asarray(x.reshape(points.shape + x.shape[1:])), found)

    def scale(self, numbers: Numbers) -> Float[Array, ""]:
        r"""The height R where the mean of $\lambda^2 / (\lambda^2 + R^2)$ over the spectrum is about 1/4."""
        heights = np.logspace(-15.0, 16.5, _BATCH)
        found = self._solve(numbers, 1j * heights, heights)
        weight = jnp.real(1.0 + 1j * heights * found.values["trace"])
        high = weight >= 0.25 * jnp.nanmax(weight)
        return jnp.max(jnp.where(high, heights, heights[0]))

    def system(self, numbers: Numbers, z: Complex[Array, ""]) -> System:
        """The equation at one z."""
        return self.equations.system(numbers._replace(scalars={**numbers.scalars, self.z.name: z}))

    def _in_batches(self, numbers: Numbers, points: np.ndarray, scale: float) -> BranchPoints:
        # In NumPy: JAX would compile the handling of every number of points anew.
        padded = np.resize(points, max(1, -(-len(points) // _BATCH)) * _BATCH)
        height = np.maximum(scale, np.abs(padded))
        parts = [
            jax.tree.map(np.asarray, self._solve(numbers, padded[at : at + _BATCH], height[at : at + _BATCH]))
            for at in range(0, len(padded), _BATCH)
        ]
        return jax.tree.map(lambda *x: np.concatenate(x)[: len(points)], *parts)

    @cached_property
    def _solve(self) -> Any:
        return jax.jit(jax.vmap(self._point, in_axes=(None, 0, 0)))

    def _point(self, numbers: Numbers, point: Complex[Array, ""], height: Float[Array, ""]) -> BranchPoints:
        core = tuple(range(self.equations.merged.core))
        last = self.equations.merged.representatives[len(core) :]

        def image(
            q: Inexact[Array, " unknowns"], variance: Any, z: Complex[Array, ""]
        ) -> Inexact[Array, " unknowns"]:
            whole = jnp.concatenate([q, jnp.zeros(len(last), q.dtype)])
            return self.system(numbers, z).image(whole, variance, core)

        top = jax.lax.complex(jnp.zeros_like(height), height)

        def walk(_: Any, start: Inexact[Array, " unknowns"]) -> tuple[Array, Array]:
            above, arrived = follow(lambda q, variance: image(q, variance, top), start)
            found, down = descend(lambda q, z: image(q, jnp.ones(()), z), above, top, point)
            return found, jnp.where(down, arrived, 0.0)

        def trace(z: Complex[Array, ""]) -> tuple[Complex[Array, ""], tuple[Solved, dict[str, Array]]]:
            system = self.system(numbers, z)
            solved = solve(system, walk)
            values = system.readout(solved.unknowns)
            return values["trace"], (solved, values)

        m, slope, (solved, values) = jax.jvp(trace, (point,), (jnp.ones_like(point),), has_aux=True)
        # A resolvent maps the upper half plane to itself, and increases on the real axis outside the bulk.
        # The other solutions beside an edge do neither.
        right = jnp.where(is_real(m), jnp.real(slope) > 0.0, jnp.imag(m) > 0.0)
        code = jnp.where((solved.code == Code.OK) & ~right, Code.NOT_CERTIFIED, solved.code).astype(jnp.int32)
        hidden = {name: jnp.where(code == Code.OK, value, jnp.nan) for name, value in values.items()}
        return BranchPoints(hidden, solved.unknowns, solved.residual, code)


class _Descent(NamedTuple):
    point: Complex[Array, " unknowns"]
    left: Float[Array, ""]
    """Of the way, as a part of it."""
    ratio: Float[Array, ""]
    """Of what is left after the next step to what is left before it."""
    steps: Int[Array, ""]


def descend(
    f: Callable[[Array, Array], Array], start: Complex[Array, " unknowns"], top: Any, end: Any
) -> tuple[Complex[Array, " unknowns"], Bool[Array, ""]]:
    """The solution of $q = f(q, z)$ followed from one z straight to another, and whether it got there."""

    def at(left: Float[Array, ""]) -> Complex[Array, ""]:
        return end + left.astype(end.dtype) * (top - end)

    def advance(walk: _Descent) -> _Descent:
        left = jnp.where(walk.left > _NEAR, walk.left * walk.ratio, 0.0)
        trial, good = _step(f, walk.point, at(walk.left), at(left), walk.ratio)
        return _Descent(
            jnp.where(good, trial, walk.point),
            jnp.where(good, left, walk.left),
            jnp.where(good, jnp.maximum(walk.ratio**1.5, _SMALLEST_RATIO), walk.ratio**0.5),
            walk.steps + 1,
        )

    def unfinished(walk: _Descent) -> Bool[Array, ""]:
        return (walk.left > 0.0) & (walk.ratio < 0.999) & (walk.steps < _MAX_STEPS)

    begin = _Descent(start, jnp.ones(()), jnp.full((), _FIRST_RATIO), jnp.zeros((), jnp.int32))
    walk = jax.lax.while_loop(unfinished, advance, begin)
    return _newton(lambda q: f(q, end), walk.point)[0], walk.left == 0.0


def _step(
    f: Callable[[Array, Array], Array], point: Array, before: Array, after: Array, ratio: Float[Array, ""]
) -> tuple[Array, Bool[Array, ""]]:
    """Newton's method at one z from a prediction at another.

    Along the tangent; in logarithms for unknowns that go like a power of the distance from the end of the
    way, as they do near the singularity of a hard edge or of a point mass.
    """
    slope = jax.jacfwd(lambda q: f(q, before), holomorphic=True)(point)
    _, drift = jax.jvp(lambda z: f(point, z), (before,), (after - before,))
    move = solve_pivoting(jnp.eye(len(point), dtype=point.dtype) - slope, drift)
    exponent = move / point / (ratio - 1.0).astype(point.dtype)
    steep = (jnp.abs(exponent) > 0.25) & (jnp.abs(exponent) < 2.0)
    power = jnp.exp(jnp.where(steep, exponent, 0.0) * jnp.log(ratio).astype(point.dtype))
    trial = jnp.where(steep, point * power, point + move)
    found, first, last = _newton(lambda q: f(q, after), trial)
    size = jnp.maximum(jnp.abs(point), jnp.abs(found))
    change, correction, rest = (jnp.max(jnp.abs(x) / size) for x in (found - point, first, last))
    return found, (correction <= _PART_OF_CHANGE * change + _PART_OF_SIZE) & (rest <= _SETTLED)


def _newton(f: Callable[[Array], Array], start: Array) -> tuple[Array, Array, Array]:
    """Where some steps of Newton's method end; the first of them and the last."""

    # A loop, though of a few steps: compilation takes longer than many solutions.
    def step(at: Array, found: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        point, first, _ = found
        change = newton_step(f, point)
        return point + change, jnp.where(at == 0, change, first), change

    return jax.lax.fori_loop(0, _NEWTON_STEPS, step, (start, start, start))


def _replaced(values: np.ndarray, places: np.ndarray, new: np.ndarray) -> np.ndarray:
    values = values.copy()
    values[places] = new
    return values


def is_real(values: Any) -> Any:
    """Whether the imaginary parts are rounding: a point of the real axis outside the bulk."""
    return abs(values.imag) <= _REAL * abs(values)
