"""Separability and the largest margin: against scipy's quadrature and minimiser, Cover's theorem, limits."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, optimize
from scipy.stats import norm

from freeridge.solvers.logistic_limit import Clusters
from freeridge.solvers.max_margin import max_margin, separability
from freeridge.theory.memorization.spurious_law import learned

# Majority share, spurious scale, deviation of the features.
LAWS = [(0.9, 5.0, 1.0), (0.6, 2.0, 0.7), (0.99, 1.0, 1.5), (0.5, 0.3, 0.5)]


def law_of(p: Any, scale: Any, tau: Any) -> Clusters:
    return learned(jnp.asarray(p), jnp.asarray(scale), jnp.asarray(tau), jnp.zeros(2), "erm").law


def shortfall(v: np.ndarray, kappa: float, law: Clusters) -> float:
    """E (kappa - a'v - G)_+^2, by adaptive quadrature over the one normal that is left."""
    total = 0.0
    spread = float(np.sqrt(1.0 + v @ np.asarray(law.covariance) @ v))
    for weight, mean in zip(np.asarray(law.weights), np.asarray(law.means) @ v, strict=True):
        low, high = (kappa - mean) / spread, 12.0
        total += (
            weight
            * integrate.quad(
                lambda z, mean=mean: (kappa - mean + spread * z) ** 2 * norm.pdf(z), -low, high, epsabs=1e-13
            )[0]
        )
    return float(total)


compiled = jax.jit(jax.vmap(lambda row: separability(law_of(*row))))


@pytest.mark.parametrize("k", [0, *(pytest.param(k, marks=pytest.mark.slow) for k in (1, 2, 3))])
def test_the_threshold_is_a_minimum(k: int) -> None:
    found = compiled(jnp.array(LAWS))
    law = law_of(*LAWS[k])
    lowest = optimize.minimize(
        lambda v: shortfall(v, 0.0, law), np.array([0.5, 0.1]), method="Nelder-Mead",
        options={"xatol": 1e-5, "fatol": 1e-13},
    )  # fmt: skip
    assert float(found.threshold[k]) == pytest.approx(lowest.fun, rel=1e-8)
    np.testing.assert_allclose(found.ratio[k], lowest.x, rtol=0, atol=1e-3)


def test_ends_of_the_threshold() -> None:
    """Cover's half without signal, none where a feature does not vary; a feature that no row has is none."""
    p, scale, tau = jnp.array([[0.9, 2.0, 1e4], [0.9, 2.0, 0.0], [0.9, 0.0, 1.0], [0.5, 1e-3, 1.0]]).T
    found = compiled(jnp.stack([p, scale, tau], axis=1))
    assert float(found.threshold[0]) == pytest.approx(0.5, abs=1e-4)
    assert float(found.threshold[1]) < 1e-100
    assert float(found.threshold[2]) == pytest.approx(float(found.threshold[3]), rel=1e-12)
    assert float(found.ratio[2][1]) == 0.0


def test_rows_become_separable_there() -> None:
    """Linear programmes on drawn rows, 30 % below the threshold and above."""
    rng, n = np.random.default_rng(0), 400
    fields = LAWS[1]
    law, threshold = law_of(*fields), float(compiled(jnp.array(LAWS)).threshold[1])
    for factor, expected in ((0.7, 0), (1.3, 10)):
        d, fits = round(factor * threshold * n), 0
        for _ in range(10):
            groups = rng.choice(2, n, p=np.asarray(law.weights))
            a = np.asarray(law.means)[groups] + rng.standard_normal((n, 2)) * np.sqrt(np.diag(law.covariance))
            rows = np.concatenate([a, rng.standard_normal((n, d))], axis=1)
            free = [(None, None)] * rows.shape[1]
            fits += optimize.linprog(np.zeros(d + 2), -rows, -np.ones(n), bounds=free).status == 0
        assert abs(fits - expected) <= 1


def widest(fields: Any, aspect: Any, variance: Any) -> Any:
    law = law_of(*fields)
    return max_margin(jnp.zeros((1, 2)) + 0.1, law, jnp.asarray(aspect), jnp.asarray(variance))


many = jax.jit(jax.vmap(widest))


ASPECTS, VARIANCES = (0.5, 1.5, 4.0, 2.0), (1.0, 0.25, 4.0, 1e-2)


def width(v: np.ndarray, k: int) -> float:
    """Margin of weights of norm one with these ratios, from the root of the quadrature."""
    law, variance = law_of(*LAWS[k]), VARIANCES[k]
    kappa = optimize.brentq(lambda c: shortfall(v, c, law) - ASPECTS[k], -20.0, 200.0, xtol=1e-13)
    return float(np.sqrt(variance) * kappa / np.sqrt(1.0 + variance * v @ v))


@pytest.mark.parametrize("k", [0, *(pytest.param(k, marks=pytest.mark.slow) for k in (1, 3))])
def test_the_largest_margin_is_a_maximum(k: int) -> None:
    found = many(jnp.array(LAWS), jnp.array(ASPECTS), jnp.array(VARIANCES))
    assert float(jnp.max(found.residual)) < 1e-8
    u, r = np.asarray(found.informative[k]), float(found.noise[k])
    v = u / (np.sqrt(VARIANCES[k]) * r)
    best = width(v, k)
    assert 1.0 / np.sqrt(u @ u + r * r) == pytest.approx(best, rel=1e-10)
    for step in 1e-3 * np.eye(2) * (1.0 + np.abs(v)):
        above, below = width(v + step, k), width(v - step, k)
        assert above < best and below < best
        assert abs(above - below) < 0.01 * (2.0 * best - above - below)


@pytest.mark.slow
@pytest.mark.parametrize("k", [0, 1, 3])
def test_no_other_margin_is_larger(k: int) -> None:
    """Nelder and Mead's minimiser ends at the same weights."""
    found = many(jnp.array(LAWS), jnp.array(ASPECTS), jnp.array(VARIANCES))
    v = np.asarray(found.informative[k]) / (np.sqrt(VARIANCES[k]) * float(found.noise[k]))
    best = optimize.minimize(
        lambda v: -width(v, k), 1.3 * v, method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-14}
    )
    assert -best.fun == pytest.approx(width(v, k), rel=1e-9)
    np.testing.assert_allclose(v, best.x, rtol=1e-4, atol=1e-4)


def test_there_is_no_margin_below_the_threshold() -> None:
    fields = jnp.array(LAWS)
    below = many(fields, 0.9 * compiled(fields).threshold, jnp.ones(4))
    assert not np.any(below.residual < 1e-6)


@pytest.mark.slow
def test_derivatives() -> None:
    def norm_of(v: jax.Array) -> jax.Array:
        found = widest(v[:3], v[3], v[4])
        return found.noise + found.informative[1]

    point, h = jnp.array([0.8, 2.0, 0.7, 1.5, 0.5]), 1e-5
    slopes = np.asarray(jax.jit(jax.grad(norm_of))(point))
    moved = jnp.concatenate([point + h * jnp.eye(5), point - h * jnp.eye(5)])
    values = np.asarray(jax.jit(jax.vmap(norm_of))(moved))
    np.testing.assert_allclose(slopes, (values[:5] - values[5:]) / (2 * h), rtol=1e-6, atol=1e-8)
