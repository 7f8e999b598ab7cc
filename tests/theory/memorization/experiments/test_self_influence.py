"""Self-influence against refits by SciPy, and its first order against the exact change."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit

from freeridge.solvers.errors import InvalidSetting
from freeridge.theory.memorization.experiments.self_influence import self_influence


def minimiser(rows: np.ndarray, shifts: np.ndarray, penalty: float, count: int) -> np.ndarray:
    """Of the sum of the losses over the count, and the penalty."""

    def value(w: np.ndarray) -> tuple[float, np.ndarray]:
        m = rows @ w + shifts
        slope = penalty * w - expit(-m) @ rows / count
        return float(np.logaddexp(0, -m).sum() / count + penalty / 2 * w @ w), slope

    def hessian(w: np.ndarray) -> np.ndarray:
        q = expit(rows @ w + shifts)
        return (rows.T * (q * (1 - q))) @ rows / count + penalty * np.eye(rows.shape[1])

    start = np.zeros(rows.shape[1])
    return minimize(value, start, jac=True, hess=hessian, method="trust-exact", tol=1e-13).x


@pytest.mark.parametrize(("n", "d", "penalty"), [(24, 40, 0.01), (40, 6, 0.1), (40, 6, 1e-3), (30, 30, 1.0)])
def test_against_refits(n: int, d: int, penalty: float) -> None:
    rng = np.random.default_rng(n)
    rows, shifts = rng.standard_normal((n, d)) + 0.2, 2 * rng.standard_normal(n)
    weights = minimiser(rows, shifts, penalty, n)
    found = self_influence(rows, shifts, penalty, weights)
    assert np.allclose(found.margins, rows @ weights, atol=1e-12)
    for i in range(0, n, 5):
        kept = np.arange(n) != i
        margin = rows[i] @ minimiser(rows[kept], shifts[kept], penalty, n)
        assert found.left_out_margins[i] == pytest.approx(margin, abs=1e-6)
        change = np.logaddexp(0, -margin - shifts[i]) - np.logaddexp(0, -rows[i] @ weights - shifts[i])
        assert found.exact[i] == pytest.approx(change, abs=1e-6)
        plain = np.logaddexp(0, -margin) - np.logaddexp(0, -rows[i] @ weights)
        assert found.plain[i] == pytest.approx(plain, abs=1e-6)
        q = expit(-rows @ weights - shifts)
        hessian = (rows.T * (q * (1 - q))) @ rows / n + penalty * np.eye(d)
        slope = -q[i] * rows[i]
        assert found.predicted[i] == pytest.approx(slope @ np.linalg.solve(hessian, slope) / n, rel=1e-6)


def test_the_first_order_is_that_of_the_exact_change() -> None:
    """With a large penalty a row changes little, and what is neglected less."""
    rng = np.random.default_rng(0)
    rows, shifts = rng.standard_normal((30, 4)), rng.standard_normal(30)
    worst = []
    for penalty in (1.0, 10.0):
        found = self_influence(rows, shifts, penalty, minimiser(rows, shifts, penalty, 30))
        worst.append(np.max(np.abs(found.predicted / found.exact - 1)))
    assert worst[1] < worst[0] / 5 < 0.05


def test_what_is_no_minimiser_is_refused() -> None:
    rows = np.random.default_rng(0).standard_normal((10, 3)) + 1
    with pytest.raises(InvalidSetting, match="minimiser"):
        self_influence(rows, np.zeros(10), 0.1, np.zeros(3))
    with pytest.raises(InvalidSetting, match="minimiser"):
        self_influence(rows, np.full(10, np.nan), 0.1, np.zeros(3))
