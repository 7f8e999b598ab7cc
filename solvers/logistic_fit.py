"""Logistic regression on real rows, by Newton's method; knows no theory."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.optimize import nnls
from scipy.special import expit

from freeridge.solvers.errors import InvalidSetting

_TOLERANCE = 1e-9  # of the gradient, relative to that at zero
_MAX_STEPS = 100


class _Slopes(NamedTuple):
    """Of the loss: minus its first and its second derivative in the margins, over n."""

    miss: np.ndarray
    curvature: np.ndarray


def fit_logistic(
    rows: Float[np.ndarray, "n d"],
    ridge: float,
    shifts: Float[Any, " n"] | float = 0.0,
    importances: Float[Any, " n"] | float = 1.0,
) -> Float[np.ndarray, " d"]:
    r"""The minimiser of $\frac1n \sum_i \alpha_i \log(1 + e^{-x_i^\top w - s_i}) + \frac\lambda2 |w|^2$.

    With more columns than rows it is found in the span of the rows, at the cost of one factorisation of order
    n a step.

    Parameters
    ----------
    rows : array, shape (n, d)
        Inputs, each signed by its label.
    ridge : float
        $\lambda \ge 0$; 0 where the rows are not separable.
    shifts, importances : array, shape (n,), or float
        $s_i$ and $\alpha_i > 0$.

    Raises
    ------
    InvalidSetting
        For rows that are not finite, separable rows without a ridge, or a ridge so small that Newton's method
        does not arrive.

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

    def slopes(margin: np.ndarray) -> _Slopes:
        miss = expit(-margin - shifts)
        return _Slopes(importances * miss / n, importances * miss * expit(margin + shifts) / n)

    def loss(margin: np.ndarray) -> float:
        return float(np.mean(importances * np.logaddexp(0.0, -margin - shifts)))

    if ridge == 0.0 and d >= n:
        raise InvalidSetting("ridge", ridge, f"a ridge > 0: {n} rows of {d} columns are separable")
    if d > n:
        return _newton(_in_span(rows @ rows.T, slopes, ridge), loss, np.zeros(n), ridge) @ rows
    weights = _newton(_in_space(rows, slopes, ridge), loss, np.zeros(d), ridge)
    if ridge == 0.0 and np.all(rows @ weights > 0.0):  # far out, where the gradient is small everywhere
        raise InvalidSetting("ridge", ridge, "a ridge > 0: the rows are separable")
    return weights


class _Step(NamedTuple):
    """At one point: what measures the gradient, the step that Newton's method takes, its slope, and products
    with the rows and with the metric of the penalty.
    """

    size: float
    step: np.ndarray
    slope: float
    change: np.ndarray


_Local = Callable[[np.ndarray, np.ndarray], _Step]


class _Problem(NamedTuple):
    local: Callable[[np.ndarray, np.ndarray], _Step]
    square: Callable[[np.ndarray], float]
    """$|w|^2$."""
    rows: int


def _in_space(rows: np.ndarray, slopes: Callable[[np.ndarray], _Slopes], ridge: float) -> _Problem:
    """In the weights themselves."""
    n, d = rows.shape

    def local(w: np.ndarray, margin: np.ndarray) -> _Step:
        miss, curvature = slopes(margin)
        gradient = ridge * w - miss @ rows
        hessian = (rows * curvature[:, None]).T @ rows
        hessian[np.diag_indices(d)] += ridge
        step = np.linalg.solve(hessian, gradient)
        return _Step(float(np.max(np.abs(gradient))), step, float(gradient @ step), rows @ step)

    return _Problem(local, lambda w: float(w @ w), n)


def _in_span(gram: np.ndarray, slopes: Callable[[np.ndarray], _Slopes], ridge: float) -> _Problem:
    r"""In $\beta$, where $w = X^\top \beta$: the Hessian is $K (\lambda + D K)$ with $K = X X^\top$, and
    $(\lambda + D K)^{-1}$ comes from a symmetric matrix above the identity,
    $1 + D^{1/2} K D^{1/2} / \lambda$, which is as well conditioned as the problem allows.
    """
    n = len(gram)

    def local(beta: np.ndarray, margin: np.ndarray) -> _Step:
        miss, curvature = slopes(margin)
        gradient = ridge * beta - miss  # of weights: times the rows
        root = np.sqrt(curvature)
        inner = root[:, None] * gram * root / ridge
        inner[np.diag_indices(n)] += 1.0
        through = np.linalg.solve(inner, root * (gram @ gradient) / ridge)
        step = (gradient - root * through) / ridge
        change = gram @ step
        return _Step(float(np.max(np.abs(gradient))), step, float(gradient @ change), change)

    return _Problem(local, lambda beta: float(beta @ (gram @ beta)), n)


def _newton(
    problem: _Problem, loss: Callable[[np.ndarray], float], start: np.ndarray, ridge: float
) -> np.ndarray:
    x, margin, value = start, np.zeros(problem.rows), loss(np.zeros(problem.rows))
    first = None
    for _ in range(_MAX_STEPS):
        here = problem.local(x, margin)
        first = here.size if first is None else first
        if here.size <= _TOLERANCE * first:
            return x
        # Go along the step, halved until the objective falls as it should; rounding is let pass.
        length = 1.0
        while True:
            there, moved = x - length * here.step, margin - length * here.change
            found = loss(moved) + 0.5 * ridge * problem.square(there)
            if found <= value - 1e-4 * length * here.slope + 1e-14 or length < 1e-8:
                break
            length *= 0.5
        x, margin, value = there, moved, found
    raise InvalidSetting("ridge", ridge, f"a ridge with which {_MAX_STEPS} Newton steps reach the minimum")


def fit_hard_margin(rows: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " d"]:
    r"""The shortest $w$ with $x_i^\top w \ge 1$ for all rows, to which :func:`fit_logistic` tends without a
    ridge.

    Least distance programming by non-negative least squares: with $a \ge 0$ closest to $X^\top a = 0$,
    $\sum_i a_i = 1$, the residual is along $(w, -1)$.

    Raises
    ------
    InvalidSetting
        When there are no such weights.

    References
    ----------
    C. L. Lawson, R. J. Hanson, Solving Least Squares Problems, 1974, chapter 23.

    Examples
    --------
    >>> fit_hard_margin(np.array([[2.0, 0.0], [2.0, 1.0]])).round(12) + 0.0
    array([0.5, 0. ])
    """
    n, d = rows.shape
    target = np.append(np.zeros(d), 1.0)
    near, distance = nnls(np.concatenate([rows.T, np.ones((1, n))]), target, maxiter=30 * n)
    if distance < 1e-7:
        raise InvalidSetting("rows", rows, "separable rows, or a penalty")
    residual = target - np.append(near @ rows, near.sum())
    return -residual[:-1] / residual[-1]
