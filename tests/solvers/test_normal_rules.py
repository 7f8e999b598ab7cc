"""Quadratures along a normal with turns: exact moments, accuracy at any spread, and derivatives."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate
from scipy.special import expit, ndtr

from freeridge.solvers.logistic_prox import prox
from freeridge.solvers.normal_rules import proximal_rule, turning_rule

# Means, spreads and strengths of margins, from those of a row by itself to those of a tiny penalty.
MEANS, SPREADS, STRENGTHS = (
    np.array(values)
    for values in zip(
        (0.0, 1.0, 0.0), (-3.0, 5.0, 2.0), (40.0, 20.0, 30.0), (0.0, 1e4, 1e3), (-500.0, 300.0, 1e4),
        (7.0, 1e-9, 5.0), (2.0, 0.3, 1e6), (1e4, 3e3, 2e4),
        strict=True,
    )
)  # fmt: skip


@partial(jax.jit, static_argnums=0)
def rule(points: int) -> Any:
    """Nodes, weights, and the force on them, one row per case."""
    mean, spread, strength = (jnp.asarray(v)[:, None] for v in (MEANS, SPREADS, STRENGTHS))
    z, weight = proximal_rule(mean, spread, strength, points)
    return z, weight, jax.nn.sigmoid(-prox(mean + spread * z, strength))


def test_moments_of_the_normal_law() -> None:
    z, weight, _ = map(np.asarray, rule(161))
    for power, moment in enumerate((1.0, 0.0, 1.0, 0.0, 3.0)):
        np.testing.assert_allclose(np.sum(weight * z**power, axis=1), moment, rtol=1e-11, atol=1e-11)


def test_few_points_do_at_every_spread() -> None:
    """The mean of the force, and of its square, against ten times as many points."""

    def means(points: int) -> np.ndarray:
        _, weight, force = map(np.asarray, rule(points))
        return np.stack([np.sum(weight * part, axis=1) for part in (force, force**2)])

    exact = means(1601)
    np.testing.assert_allclose(means(161), exact, rtol=1e-11)
    assert np.abs(means(49) - exact).max() < 1e-5


def test_against_adaptive_quadrature() -> None:
    _, weight, forces = map(np.asarray, rule(161))
    found = np.sum(weight * forces, axis=1)
    for k in (0, 1, 2):
        mean, spread, g = MEANS[k], SPREADS[k], STRENGTHS[k]

        def force(p: float, mean: float = mean, spread: float = spread, g: float = g) -> float:
            """Over the proximal point instead of the margin: dt = (1 + g l'') dp."""
            z = (p - g * expit(-p) - mean) / spread
            density = np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi) / spread
            return float(expit(-p) * density * (1.0 + g * expit(p) * expit(-p)))

        reach = float(np.abs(mean) + 9 * spread + g)
        expected = integrate.quad(force, -reach, reach, epsabs=1e-13, epsrel=1e-12, limit=400)[0]
        assert float(found[k]) == pytest.approx(expected, rel=1e-10)


@jax.jit
def around(left: Any, right: Any, width: Any) -> Any:
    """The rule along one standard normal."""
    one = jnp.ones((1, 1))
    return turning_rule(0.0 * one, one, (left * one, right * one), width, 161)


def test_turns_out_of_reach_play_no_part() -> None:
    z, weight = around(-1e9, 1e9, 0.1)
    assert np.all(np.isfinite(z)) and float(jnp.sum(weight * z**2)) == pytest.approx(1.0, abs=1e-9)


def test_a_function_with_a_sharp_turn() -> None:
    """A ramp smoothed over a thousandth of the spread, whose mean is known; equal steps are lost in it."""
    width, turn = 1e-3, 0.7
    z, weight = around(turn, turn, width)

    def ramp(x: Any) -> Any:
        return (x - turn) * ndtr((x - turn) / width) + width * np.exp(
            -0.5 * ((x - turn) / width) ** 2
        ) / np.sqrt(2 * np.pi)

    spread = np.hypot(1.0, width)  # a ramp at a place that is itself normal
    exact = spread * np.exp(-0.5 * (turn / spread) ** 2) / np.sqrt(2 * np.pi) - turn * ndtr(-turn / spread)
    assert float(np.sum(weight * ramp(np.asarray(z)))) == pytest.approx(exact, rel=1e-10)
    equal = np.linspace(-8.5, 8.5, 161)
    plain = np.exp(-0.5 * equal**2)
    assert abs(plain @ ramp(equal) / plain.sum() - exact) > 1e-6


def test_nodes_are_held_fixed_in_derivatives() -> None:
    """The derivative of a mean in the spread is the mean of the derivative, by Stein's lemma s E f''."""

    one = jnp.ones((1, 1))

    @jax.jit
    @jax.value_and_grad
    def mean_of(spread: jax.Array) -> jax.Array:
        z, weight = proximal_rule(0.3 * one, spread * one, 4.0 * one, 161)
        return jnp.sum(weight * jnp.log(jnp.cosh(0.3 + spread * z)))

    def curvature(z: float) -> float:
        return float(2.0 * np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi) / np.cosh(0.3 + 2.0 * z) ** 2)

    expected = integrate.quad(curvature, -9, 9, epsabs=1e-13)[0]
    assert float(mean_of(jnp.array(2.0))[1]) == pytest.approx(expected, rel=1e-9)
