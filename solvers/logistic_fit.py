"""Logistic regression on real rows, by Newton's method; knows no theory."""

import numpy as np
from scipy.special import expit

from freeridge.solvers.errors import InvalidSetting

_TOLERANCE = 1e-9  # of the gradient, relative to that at zero
_MAX_STEPS = 100


def fit_logistic(rows: np.ndarray, ridge: float) -> np.ndarray:
    r"""The minimiser of $\frac1n \sum_i \log(1 + e^{-x_i^\top w}) + \frac\lambda2 |w|^2$.

    Parameters
    ----------
    rows : array, shape (n, d)
        Inputs, each signed by its label.
    ridge : float
        $\lambda > 0$.

    Raises
    ------
    InvalidSetting
        For rows that are not finite, or a ridge so small that Newton's method does not arrive.

    Examples
    --------
    >>> rows = np.random.default_rng(0).standard_normal((50, 3)) + 0.5
    >>> w = fit_logistic(rows, 0.1)
    >>> bool(np.allclose(0.1 * w, expit(-rows @ w) @ rows / 50))
    True
    """
    if not np.all(np.isfinite(rows)):
        raise InvalidSetting("rows", rows, "finite numbers")
    n, d = rows.shape
    w, margin = np.zeros(d), np.zeros(n)
    value = np.log(2.0)
    first = None
    for _ in range(_MAX_STEPS):
        miss = expit(-margin)
        gradient = ridge * w - miss @ rows / n
        size = np.max(np.abs(gradient))
        first = size if first is None else first
        if size <= _TOLERANCE * first:
            return w
        curvature = miss * (1.0 - miss) / n
        hessian = (rows * curvature[:, None]).T @ rows
        hessian[np.diag_indices(d)] += ridge
        step = np.linalg.solve(hessian, gradient)
        w, margin, value = _descend(rows, ridge, w, margin, value, step, float(gradient @ step))
    raise InvalidSetting("ridge", ridge, f"a ridge with which {_MAX_STEPS} Newton steps reach the minimum")


def _descend(
    rows: np.ndarray,
    ridge: float,
    w: np.ndarray,
    margin: np.ndarray,
    value: float,
    step: np.ndarray,
    slope: float,
) -> tuple[np.ndarray, np.ndarray, float]:
    """Go along a Newton step, halved until the loss falls as it should; rounding is let pass."""
    change = rows @ step
    length = 1.0
    while True:
        there, moved = w - length * step, margin - length * change
        loss = np.mean(np.logaddexp(0.0, -moved)) + 0.5 * ridge * there @ there
        if loss <= value - 1e-4 * length * slope + 1e-14 or length < 1e-8:
            return there, moved, float(loss)
        length *= 0.5
