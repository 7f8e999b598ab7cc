"""A path to a problem from an easier one, by Newton's method, with steps that adapt to how it fares."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from freeridge.solvers.network import solve_pivoting

_LONGER, _SHORTER = 1.5, 0.3  # the next step, after one that went well and one that did not

Equations = Callable[[Float[Array, " unknowns"], Float[Array, ""]], Float[Array, " unknowns"]]
Scale = Callable[[Float[Array, " unknowns"]], Float[Array, " unknowns"]]


class Newton(NamedTuple):
    """How Newton's method is run.

    Parameters
    ----------
    scale : callable
        What a change of each unknown is measured by.
    last_step : float
        In these units: a shorter step ends the search.
    longest_step : float
        Longer ones are cut to this.
    steps : int
        At most.
    """

    scale: Scale
    last_step: float
    longest_step: float
    steps: int


class Found(NamedTuple):
    """Where a search ended."""

    x: Float[Array, " unknowns"]
    jacobian: Float[Array, "unknowns unknowns"]
    """Of the equations, before the last step."""
    length: Float[Array, ""]
    """Of the last step."""


class _Search(NamedTuple):
    found: Found
    steps: Int[Array, ""]


class _Walk(NamedTuple):
    found: Found
    place: Float[Array, ""]
    step: Float[Array, ""]
    tries: Int[Array, ""]


def newton(
    equations: Callable[[Float[Array, " unknowns"]], Float[Array, " unknowns"]],
    start: Float[Array, " unknowns"],
    how: Newton,
) -> Found:
    """Newton's method, with forward derivatives and an unrolled elimination.

    Examples
    --------
    >>> how = Newton(jnp.ones_like, last_step=1e-8, longest_step=0.5, steps=50)
    >>> newton(lambda x: x**2 - 2.0, jnp.array([5.0]), how).x.round(12)
    Array([1.41421356], dtype=float64)
    """

    def both(x: Array) -> tuple[Array, Array]:
        values = equations(x)
        return values, values

    def advance(state: _Search) -> _Search:
        jacobian, values = jax.jacfwd(both, has_aux=True)(state.found.x)
        step = solve_pivoting(jacobian, values)
        length = jnp.max(jnp.abs(step) / how.scale(state.found.x))
        step = step * jnp.minimum(1.0, how.longest_step / length)
        return _Search(Found(state.found.x - step, jacobian, length), state.steps + 1)

    def going(state: _Search) -> Array:
        return (state.found.length > how.last_step) & (state.steps < how.steps)

    return jax.lax.while_loop(going, advance, _Search(_nowhere(start), jnp.zeros((), jnp.int32))).found


def follow(
    equations: Equations, start: Float[Array, " unknowns"], how: Newton, *, steps: int, tries: int
) -> Found:
    """The solution at place 1, from a start that is near the one at place 0.

    Parameters
    ----------
    equations : callable
        Of the unknowns and the place on the path, in [0, 1].
    start : array, shape (unknowns,)
    how : Newton
        Run at every place; the path goes on from there if it has ended by itself.
    steps : int
        Of the path, if all goes well.
    tries : int
        At most. With none left the length of the last step tells that nothing was found.

    Examples
    --------
    >>> how = Newton(jnp.ones_like, last_step=1e-8, longest_step=0.5, steps=10)
    >>> end = follow(lambda x, t: x**3 - 8.0 * t - 1e-9, jnp.array([1.0]), how, steps=4, tries=20)
    >>> end.x.round(9), bool(end.length < 1e-8)
    (Array([2.], dtype=float64), True)
    """

    def advance(walk: _Walk) -> _Walk:
        place = jnp.minimum(walk.place + walk.step, 1.0)
        trial = newton(lambda x: equations(x, place), walk.found.x, how)
        good = trial.length <= how.last_step
        return _Walk(
            Found(jnp.where(good, trial.x, walk.found.x), trial.jacobian, trial.length),
            jnp.where(good, place, walk.place),
            walk.step * jnp.where(good, _LONGER, _SHORTER),
            walk.tries + 1,
        )

    def going(walk: _Walk) -> Array:
        return (walk.place < 1.0) & (walk.tries < tries)

    zero, first = jnp.zeros(()), jnp.full((), 1.0 / steps)
    end = jax.lax.while_loop(going, advance, _Walk(_nowhere(start), zero, first, jnp.zeros((), jnp.int32)))
    return end.found._replace(length=jnp.where(end.place < 1.0, jnp.inf, end.found.length))


def _nowhere(start: Float[Array, " unknowns"]) -> Found:
    return Found(start, jnp.zeros((len(start), len(start))), jnp.full((), jnp.inf))
