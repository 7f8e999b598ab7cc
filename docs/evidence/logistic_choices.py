"""What the choices of the logistic limit are worth: proximal point, path of ridges, quadrature.

The numbers in ``docs/solver.md``: ``python docs/evidence/logistic_choices.py``, some two minutes.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import freeridge as fr
import freeridge.solvers.logistic_limit as module
from freeridge.solvers.logistic_prox import prox

jax.config.update("jax_enable_x64", True)

SETTINGS = 500


def proximal_points() -> None:
    """Newton's method from the point itself, against the start from a bound, in 30 steps."""
    t, g = (np.ravel(a) for a in np.meshgrid(np.linspace(-200, 200, 401), np.logspace(-3, 4, 141)))
    p = t.copy()
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(30):
            slope = 1 / (1 + np.exp(p))
            p = p - (p - g * slope - t) / (1 + g * slope * (1 - slope))
        gap = np.abs(p - g / (1 + np.exp(p)) - t) / (1 + np.abs(t) + g)
    missed = ~(gap < 1e-12)
    q = np.asarray(prox(jnp.asarray(t), jnp.asarray(g)))
    ours = np.abs(q - g * np.asarray(jax.nn.sigmoid(-jnp.asarray(q))) - t) / (1 + np.abs(t) + g)
    misses = int(np.sum(missed)), int(np.sum(~(ours < 1e-12)))
    print(f"proximal points: {len(t)}, missed from the point {misses[0]}, from the bound {misses[1]}")


def settings() -> dict[str, jax.Array]:
    """Random settings of spurious features, with a penalty."""
    rng = np.random.default_rng(0)

    def log_uniform(low: float, high: float) -> jax.Array:
        return jnp.asarray(np.exp(rng.uniform(np.log(low), np.log(high), SETTINGS)))

    return {
        "phi": log_uniform(0.01, 30),
        "penalty": log_uniform(1e-8, 10),
        "majority": jnp.asarray(rng.uniform(0.5, 0.999, SETTINGS)),
        "spurious_scale": log_uniform(0.1, 10),
        "noise": log_uniform(0.05, 5),
        "feature_std": log_uniform(0.03, 2),
    }


def certified(change: Callable[[], Callable[[], None]] | None = None) -> int:
    """How many settings are certified, with something exchanged."""
    back = change() if change else (lambda: None)
    jax.clear_caches()
    try:
        found = jax.vmap(lambda fields: fr.SpuriousLogistic(**fields).limit())(settings())
    finally:
        back()
    return int(np.sum(np.asarray(found.valid & (found.order.residual <= 1e-8))))


def exchanged(name: str, value: Any) -> Callable[[], Callable[[], None]]:
    """A change of the solver that can be taken back."""

    def change() -> Callable[[], None]:
        kept = getattr(module, name)
        setattr(module, name, value)
        return lambda: setattr(module, name, kept)

    return change


def main() -> None:
    """Print all three."""
    proximal_points()
    print(f"path of ridges: {certified()} of {SETTINGS} certified")

    def directly(equations: Any, start: Any, how: Any, *, steps: int, tries: int) -> Any:
        return module.newton(lambda x: equations(x, jnp.ones(())), start, how._replace(steps=limit))

    for limit in (40, 2000):
        found = certified(exchanged("follow", directly))
        print(f"Newton from the explicit start at once, {limit} steps: {found} certified")

    def equal_steps(mean: Any, spread: Any, strength: Any, count: int) -> Any:
        nodes = jnp.linspace(-8.5, 8.5, count)
        weights = jnp.exp(-0.5 * nodes**2)
        shape = jnp.broadcast_shapes(mean.shape, spread.shape, strength.shape)[:-1] + (count,)
        return jnp.broadcast_to(nodes, shape), jnp.broadcast_to(weights / jnp.sum(weights), shape)

    print(f"equal steps along the normal: {certified(exchanged('proximal_rule', equal_steps))} certified")


if __name__ == "__main__":
    main()
