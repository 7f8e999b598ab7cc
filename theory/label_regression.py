r"""Labeler and noise of a linear model from rows, few or many: Bayesian ridge regression by its evidence.

Least squares is no honest labeler for a prediction. Its error adds to every square that a risk is made of:
on average $\hat w^\top A \hat w$ exceeds $w^\top A w$ by $\sigma^2\, \mathrm{tr}\, A (X^\top X)^{-1}$; and
with fewer rows than columns it fits the noise. The posterior under $w \sim N(0, \tau^2 I)$ has a mean that is
too small and a covariance that says by how much: together they give such squares without that bias.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

# Range of the precision of the prior over that of the noise, in units of the mean squared singular value: at
# the lower end the posterior is least squares in all digits, at the upper end it is the prior.
_WEAKEST, _STRONGEST = 1e-20, 1e8


class Regression(NamedTuple):
    r"""Posterior of a labeler, $w \sim N(\texttt{mean}, \texttt{covariance})$, and the noise.

    Attributes
    ----------
    mean : array, shape (d,)
        Ridge regression with the penalty that the evidence chooses.
    covariance : array, shape (d, d)
        $\sigma^2 (X^\top X + \sigma^2 / \tau^2)^{-1}$.
    noise_variance : float
        $\sigma^2$, the residual sum of squares over N - ``freedom``.
    freedom : float
        Effective number of parameters, $\mathrm{tr}\, X^\top X (X^\top X + \sigma^2 / \tau^2)^{-1}$; close
        to the rank of X when there are many rows.
    """

    mean: Float[np.ndarray, " d"]
    covariance: Float[np.ndarray, "d d"]
    noise_variance: float
    freedom: float


def regress(inputs: Float[np.ndarray, "N d"], labels: Float[np.ndarray, " N"]) -> Regression:
    r"""Posterior of $w$ in $y = X w + N(0, \sigma^2)$ with $w \sim N(0, \tau^2 I)$.

    Both variances maximise the evidence, $y \sim N(0, \sigma^2 I + \tau^2 X X^\top)$: given their ratio,
    $\sigma^2$ has a closed form, and the ratio is found on a line. At the maximum the residual sum of squares
    is $\sigma^2 (N - \mathrm{freedom})$ and $|\hat w|^2 = \tau^2\, \mathrm{freedom}$.

    There is no intercept: a column of ones is one, penalised like the rest.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> x = rng.standard_normal((4000, 3))
    >>> found = regress(x, x @ [1.0, 0.0, -1.0] + 0.5 * rng.standard_normal(4000))
    >>> found.mean.round(1), round(found.noise_variance, 2)
    (array([ 1., -0., -1.]), 0.25)

    References
    ----------
    D. J. C. MacKay, Bayesian interpolation, Neural Computation 4 (1992), sections 3 and 4.
    """
    from scipy.optimize import minimize_scalar  # here: half a second that no prediction needs

    rows, d = inputs.shape
    left, singular, right = np.linalg.svd(inputs, full_matrices=False)
    seen = singular > max(rows, d) * np.finfo(float).eps * singular[0]
    squares, turned, right = singular[seen] ** 2, left.T[seen] @ labels, right[seen]
    total = float(labels @ labels)
    if not seen.any() or total == 0.0:  # no inputs to explain labels with, or no labels to explain
        return Regression(np.zeros(d), np.zeros((d, d)), total / rows, 0.0)
    outside = max(total - float(turned @ turned), 0.0)  # part of the labels that no w explains
    unit = float(squares.mean())
    # Labels that are an exact function of the inputs: rounding is what is left as noise.
    floor = rows * (np.finfo(float).eps * np.sqrt(total)) ** 2

    def quadratic(precision: float) -> float:
        return max(outside + float(np.sum(turned**2 * precision / (squares + precision))), floor)

    def cost(log_precision: float) -> float:
        precision = np.exp(log_precision)
        return float(rows * np.log(quadratic(precision)) + np.sum(np.log1p(squares / precision)))

    grid = np.linspace(np.log(_WEAKEST * unit), np.log(_STRONGEST * unit), 113)
    best = int(np.argmin([cost(point) for point in grid]))
    bounds = (grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)])
    precision = float(np.exp(minimize_scalar(cost, bounds=bounds, method="bounded").x))
    noise = quadratic(precision) / rows
    mean = right.T @ (np.sqrt(squares) * turned / (squares + precision))
    covariance = (right.T * (noise / (squares + precision))) @ right
    if len(right) < d:  # the prior where X says nothing; nothing, not rounding, where there is no such place
        covariance += noise / precision * (np.eye(d) - right.T @ right)
    freedom = float(np.sum(squares / (squares + precision)))
    return Regression(mean, 0.5 * (covariance + covariance.T), noise, freedom)
