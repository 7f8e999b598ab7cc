"""The limit of penalised logistic regression: against its saddle point by scipy and NumPy alone.

The settings are those of a spurious feature, whose program other tests have compiled.
"""

from typing import Any

import numpy as np
import pytest
from scipy import optimize
from scipy.special import expit

from freeridge.theory.memorization.spurious_logistic import SpuriousLogistic

SETTINGS = {
    "published": SpuriousLogistic(1.8, 0.01, 0.9, 5.0, 0.5),
    "shifted": SpuriousLogistic(1.8, 0.01, 0.9, 5.0, 0.5, training="memorisation-aware"),
    "weighted, own shifts": SpuriousLogistic(0.4, 0.1, 0.7, 2.0, 1.5, (0.5, 1.0), 0.7, "balanced"),
    "no penalty": SpuriousLogistic(0.1, 0.0, 0.8, 3.0, 1.0, feature_std=1.0),
    "small penalty": SpuriousLogistic(3.0, 1e-4, 0.6, 2.0, 1.0, (0.0, 0.3), 0.3, "balanced"),
}


def proximal(t: np.ndarray, g: float) -> np.ndarray:
    """By bisection, sixty times."""
    low, high = t.copy(), t + g
    for _ in range(60):
        middle = 0.5 * (low + high)
        below = middle - g * expit(-middle) < t
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return 0.5 * (low + high)


def saddle(x: np.ndarray, setting: SpuriousLogistic, steps: int = 4001) -> float:
    """The potential at (u, log r, log g), by the trapezoidal rule with equal steps."""
    u, r, g = x[:2], float(np.exp(x[2])), float(np.exp(x[3]))
    rows, noise = setting.learned(), float(setting.noise)
    law, aspect = rows.law, float(setting.phi / rows.used)
    z = np.linspace(-9.0, 9.0, steps)
    density = np.exp(-0.5 * z**2)
    density /= density.sum()
    spread = np.sqrt(u @ np.asarray(law.covariance) @ u + (noise * r) ** 2)
    total = 0.5 * float(setting.penalty) * (u @ u + r * r) - (noise * r) ** 2 * aspect / (2 * g)
    columns = (law.weights, law.means, law.loss_shifts(), law.loss_weights())
    for weight, mean, shift, alpha in zip(*map(np.asarray, columns), strict=True):
        t = mean @ u + spread * z + shift
        p = proximal(t, alpha * g)
        total += weight * float(density @ (alpha * np.logaddexp(0.0, -p) + (p - t) ** 2 / (2 * g)))
    return float(total)


def solution(setting: SpuriousLogistic) -> tuple[np.ndarray, Any]:
    """Where the limit says that the saddle is, and the rest of what it says."""
    order = setting.limit().order
    assert float(order.residual) < 1e-10
    return np.array([*order.informative, np.log(order.noise), np.log(order.strength)]), order


@pytest.mark.parametrize("name", SETTINGS)
def test_it_is_the_saddle_point(name: str) -> None:
    """There the potential is stationary and highest in g; its value is that of the objective in training."""
    setting = SETTINGS[name]
    x, order = solution(setting)
    value = saddle(x, setting)
    size = x[:2] @ x[:2] + np.exp(2 * x[2])
    assert value == pytest.approx(float(order.train_loss + 0.5 * setting.penalty * size), rel=1e-6)
    h = 1e-3 * np.array([*np.maximum(np.abs(x[:2]), 0.1), 1.0, 1.0])
    up, down = (np.array([saddle(x + s * move, setting) for move in np.diag(h)]) for s in (1, -1))
    slopes, bends = 0.5 * (up - down), up + down - 2 * value
    assert bends[3] < 0
    # Newton's step along each coordinate is a thousandth of h.
    np.testing.assert_allclose(slopes / bends, 0.0, atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("name", SETTINGS)
def test_no_other_point_is_the_saddle(name: str) -> None:
    """Minimised over u and r from elsewhere, with g maximised inside."""
    setting = SETTINGS[name]
    x, _ = solution(setting)

    def outer(y: np.ndarray) -> float:
        inner = optimize.minimize_scalar(
            lambda log_g: -saddle(np.append(y, log_g), setting, 401), bounds=(-8.0, 16.0), method="bounded",
            options={"xatol": 1e-9},
        )  # fmt: skip
        return -float(inner.fun)

    start = x[:3] * 0.7 + np.array([0.1, 0.05, 0.2])
    best = optimize.minimize(
        outer, start, method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-13, "maxiter": 2000}
    )
    assert best.success
    np.testing.assert_allclose(best.x, x[:3], rtol=1e-4, atol=2e-5)


def test_equal_steps_are_not_enough() -> None:
    """What the nodes at the turns are for: margins that spread over tens, close to the threshold."""
    setting = SpuriousLogistic(0.207, 0.0, 0.9, 5.0, 0.5, feature_std=1.0)
    x, order = solution(setting)
    equal, fine = (abs(saddle(x, setting, steps) / float(order.train_loss) - 1.0) for steps in (161, 40_001))
    assert fine < 1e-7 < 1e-6 < equal, (equal, fine)
