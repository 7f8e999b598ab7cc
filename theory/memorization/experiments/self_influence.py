r"""Self-influence: how much worse the loss of a training row would be, had it been left out.

With $w$ the minimiser of

$$ \frac1n \sum_i \ell(x_i^\top w + s_i) + \frac\lambda2 |w|^2, \qquad \ell(m) = \log(1 + e^{-m}), $$

$H$ the Hessian there, $g_i = \ell' x_i$ the gradient of the loss of row $i$, and $w_{-i}$ the minimiser
without row $i$ (its term is dropped, $1 / n$ stays), the self-influence of a row is

$$ \ell(x_i^\top w_{-i} + s_i) - \ell(x_i^\top w + s_i) \approx \frac1n\, g_i^\top H^{-1} g_i , $$

exactly on the left and to first order on the right. Minimisers have the form $w = X^\top c / n$, so that
everything is computed from $K = X X^\top / n$, of rows and not of inputs:
$x_i^\top H^{-1} x_i / n = \big[ (\lambda I + K D)^{-1} K \big]_{ii}$ with $D$ the second derivatives.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import expit

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.logistic_fit import fit_logistic

_TOLERANCE = 1e-9  # of the equations of all minimisers; the terms in them are at most 1
_MOST_STEPS = 40


class SelfInfluence(NamedTuple):
    r"""Of every training row.

    Attributes
    ----------
    margins, left_out_margins : array, shape (n,)
        $x_i^\top w$ and $x_i^\top w_{-i}$, without shift.
    predicted, exact : array, shape (n,)
        Self-influence on the loss that is trained, to first order and exactly.
    plain : array, shape (n,)
        $\ell(x_i^\top w_{-i}) - \ell(x_i^\top w)$: exactly, on the loss without shift, which is that of the
        predictions.
    """

    margins: Float[np.ndarray, " n"]
    left_out_margins: Float[np.ndarray, " n"]
    predicted: Float[np.ndarray, " n"]
    exact: Float[np.ndarray, " n"]
    plain: Float[np.ndarray, " n"]


def self_influence(
    rows: Float[np.ndarray, "n d"],
    shifts: Float[np.ndarray, " n"],
    penalty: float,
    weights: Float[np.ndarray, " d"],
) -> SelfInfluence:
    r"""Self-influence of every row on a penalised logistic regression, all of the rows left out at a time.

    The minimisers without a row are found by Newton's method with the curvature of the one with all rows, for
    all of them at once: products of n x n matrices. Where a row matters so much that this does not arrive,
    the rest is fitted anew.

    Parameters
    ----------
    rows : array, shape (n, d)
        Inputs, each signed by its label.
    shifts : array, shape (n,)
        $s$, of the margins inside the loss.
    penalty : float
        $\lambda > 0$.
    weights : array, shape (d,)
        The minimiser $w$.

    Raises
    ------
    InvalidSetting
        When the weights are no minimiser.

    Examples
    --------
    >>> rows = np.random.default_rng(0).standard_normal((50, 3)) + 0.5
    >>> found = self_influence(rows, np.zeros(50), 0.1, fit_logistic(rows, 0.1))
    >>> without = fit_logistic(rows[1:], 0.1 * 50 / 49)  # the mean over 50 rows, not 49
    >>> bool(abs(found.left_out_margins[0] - rows[0] @ without) < 1e-7)
    True
    >>> bool(np.all(abs(found.predicted / found.exact - 1) < 0.2))
    True
    """
    n = len(rows)
    kernel = rows @ rows.T / n
    margins = rows @ weights
    miss = expit(-margins - shifts)
    off = np.max(np.abs(penalty * weights - miss @ rows / n))
    if not off <= 1e-6 * np.max(np.abs(rows)):
        raise InvalidSetting("weights", weights, f"the minimiser; the gradient there is {off:.2g}")
    curvature = miss * (1.0 - miss)
    response = np.linalg.solve(penalty * np.eye(n) + kernel * curvature, kernel)
    left_out = _left_out_margins(rows, kernel, shifts, penalty, miss)
    return SelfInfluence(
        margins,
        left_out,
        miss**2 * np.diag(response),
        _loss(left_out + shifts) - _loss(margins + shifts),
        _loss(left_out) - _loss(margins),
    )


def _left_out_margins(
    rows: Float[np.ndarray, "n d"],
    kernel: Float[np.ndarray, "n n"],
    shifts: Float[np.ndarray, " n"],
    penalty: float,
    miss: Float[np.ndarray, " n"],
) -> Float[np.ndarray, " n"]:
    r"""$K c$ at row $i$ for $c$ that solves $\lambda c_j = \ell$-miss of row $j \ne i$, and $c_i = 0$.

    Column i of the arrays is the problem without row i.
    """
    n = len(kernel)
    others = ~np.eye(n, dtype=bool)
    inverse = np.linalg.inv(penalty * np.eye(n) + (miss * (1.0 - miss))[:, None] * kernel)
    own = np.diag(inverse)
    coefficients = np.where(others, miss[:, None] / penalty, 0.0)
    with np.errstate(over="ignore", invalid="ignore"):  # of a column that runs away
        for _ in range(_MOST_STEPS):
            margins = kernel @ coefficients
            gap = np.where(others, penalty * coefficients - expit(-margins - shifts[:, None]), 0.0)
            arrived = np.max(np.abs(gap), axis=0) <= _TOLERANCE
            if np.all(arrived):
                break
            step = inverse @ gap
            # The multiple of column i of the inverse that keeps the coefficient of row i at zero.
            coefficients = np.where(others, coefficients - step + inverse * (np.diag(step) / own), 0.0)
    found = np.diag(margins).copy()
    for i in np.flatnonzero(~arrived):
        kept = np.arange(n) != i
        # The mean is over all n rows, that of a fit over those it has.
        found[i] = rows[i] @ fit_logistic(rows[kept], penalty * n / (n - 1), shifts[kept])
    return found


def _loss(margins: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    return np.logaddexp(0.0, -margins)
