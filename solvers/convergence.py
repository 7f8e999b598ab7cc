r"""How fast a simulation comes to its limit: powers of the size, with errors, and what is left at infinity.

Given are R_k independent replicates at sizes d_k, each as its relative distance from the theory of its size,
:math:`\delta = (\text{simulation} - \text{theory}) / \text{theory}`. For a smooth function of a large random
matrix both the bias of :math:`\delta` and its fluctuation are a multiple of 1/d, so that

.. math:: \mathrm{rms}_k = \big(\tfrac{1}{R_k} \sum_r \delta_{kr}^2\big)^{1/2} \approx C\, d_k^{-\alpha},
    \qquad \alpha = 1 .

A theory that is off by a constant makes the root mean square level off, and :math:`\alpha` smaller.

The fit. :math:`R\, \mathrm{rms}^2 / E \delta^2` follows the law of chi square with R degrees of freedom: the
logarithm of the root mean square has bias :math:`(\psi(R/2) - \log(R/2)) / 2` and variance
:math:`\psi'(R/2) / 4`, known without looking at the data. A straight line by least squares with these
variances gives :math:`\alpha` with a known, and hence normal, error. A bias of b times the fluctuation makes
the variance smaller by :math:`1 - b^4 / (1 + b^2)^2`: the error given is then too large, never too small.

What is left. A rate says nothing of a constant that is small against the fluctuations seen; their mean does.
Bias and fluctuation are told apart by

.. math:: E \delta_k = c + a / d_k, \qquad \mathrm{sd}\, \delta_k = \sigma / d_k,

with :math:`\sigma` estimated from all sizes: c is the distance of the theory from the limit, with an error
that follows Student's law with :math:`\sum_k (R_k - 1)` degrees of freedom.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from freeridge.solvers.agreement import normal_score
from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.tables import aligned, jsonable

Numbers = Float[np.ndarray, "K"]


class Rate(NamedTuple):
    """A power law :math:`C d^{-\\alpha}` fitted to root mean squares.

    Attributes
    ----------
    exponent, error : float
        :math:`\\alpha` and its standard error, normal.
    prefactor : float
        C.
    fit : float
        p-value of chi square: how often a true power law lies this far from a straight line, or farther.
    """

    exponent: float
    error: float
    prefactor: float
    fit: float

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Confidence interval of the exponent, from the normal law."""
        from scipy import stats

        half = float(stats.norm.isf((1.0 - confidence) / 2)) * self.error
        return self.exponent - half, self.exponent + half


class Limit(NamedTuple):
    """What the mean of the relative distances goes to as d grows, c + a / d.

    Attributes
    ----------
    value, error : float
        c and its standard error.
    bias, bias_error : float
        a and its standard error.
    score : float
        c / error as a normal quantile.
    """

    value: float
    error: float
    bias: float
    bias_error: float
    score: float


@dataclass(frozen=True, eq=False)
class Convergence:
    """Relative distances of simulations from theory at several sizes, and what they say.

    Parameters
    ----------
    sizes : sequence of int
        At least 3, ascending.
    distances : sequence of array, shape (R_k,)
        Of every replicate, R_k >= 2.

    Examples
    --------
    >>> import numpy as np
    >>> from freeridge.solvers.convergence import Convergence
    >>> rng = np.random.default_rng(0)
    >>> sizes, counts = (100, 200, 400, 800), (40, 20, 10, 5)
    >>> one = Convergence(sizes, [(1 + rng.standard_normal(r)) / d for d, r in zip(sizes, counts)])
    >>> low, high = one.rate.interval()
    >>> low < 1 < high, abs(one.limit.score) < 3
    (True, True)
    """

    sizes: Sequence[int]
    distances: Sequence[Float[np.ndarray, "_"]]

    def __post_init__(self) -> None:
        ascending = all(a < b for a, b in zip(self.sizes, self.sizes[1:], strict=False))
        if len(self.sizes) < 3 or not ascending or self.sizes[0] < 1:
            raise InvalidSetting("sizes", tuple(self.sizes), "at least three numbers > 0, ascending")
        shapes = [np.shape(one) for one in self.distances]
        if len(shapes) != len(self.sizes) or not all(len(shape) == 1 and shape[0] > 1 for shape in shapes):
            raise InvalidSetting("distances", shapes, f"{len(self.sizes)} vectors of at least 2 replicates")
        if not all(np.all(np.isfinite(one)) for one in self.distances):
            raise InvalidSetting("distances", self.distances, "finite numbers")

    @cached_property
    def rms(self) -> Numbers:
        """Root mean square of the distances at every size."""
        return np.array([np.sqrt(np.mean(one**2)) for one in self.distances])

    @cached_property
    def rate(self) -> Rate:
        """Of the root mean squares: bias and fluctuation together, seen from the theory."""
        return fit_rate(self.sizes, self.rms, [len(one) for one in self.distances])

    @cached_property
    def spread(self) -> Rate:
        """Of the standard deviations: the fluctuation alone, whatever the theory says."""
        deviations = np.array([np.std(one, ddof=1) for one in self.distances])
        return fit_rate(self.sizes, deviations, [len(one) - 1 for one in self.distances])

    @cached_property
    def limit(self) -> Limit:
        """What is left of the mean at infinite size."""
        sizes = np.array(self.sizes, float)
        counts = np.array([len(one) for one in self.distances], float)
        means = np.array([np.mean(one) for one in self.distances])
        freedom = float(np.sum(counts - 1))
        squares = sum(
            d**2 * np.sum((one - np.mean(one)) ** 2) for d, one in zip(sizes, self.distances, strict=True)
        )
        (value, bias), (error, bias_error) = _line(
            1.0 / sizes, means, float(squares) / freedom / sizes**2 / counts
        )
        return Limit(value, error, bias, bias_error, float(normal_score(value / error, freedom)))

    @property
    def scores(self) -> tuple[float, float]:
        """Normal scores of (exponent - 1) and of the limit: standard normal where theory is right."""
        return (self.rate.exponent - 1.0) / self.rate.error, self.limit.score

    def __str__(self) -> str:
        rows = []
        for d, one, rms in zip(self.sizes, self.distances, self.rms, strict=True):
            error = np.std(one, ddof=1) / len(one) ** 0.5
            fitted = self.rate.prefactor * d**-self.rate.exponent
            found = [rms, fitted, np.mean(one), error]
            rows.append([str(d), str(len(one)), *(f"{value:.2e}" for value in found)])
        low, high = self.rate.interval()
        head = ["size", "replicates", "rms", "fitted", "mean", "its error"]
        rate, limit = self.rate, self.limit
        power = f"exponent {rate.exponent:.3f} +- {rate.error:.3f}, 95 % interval {low:.3f} to {high:.3f}"
        left = f"mean at infinite size {limit.value:+.1e} +- {limit.error:.1e}, z {limit.score:+.2f}"
        return "\n".join([aligned(head, rows), f"{power}; chi-square p-value {rate.fit:.2f}", left])

    def to_dict(self) -> dict[str, Any]:
        """Everything for JSON."""

        def with_interval(rate: Rate) -> dict[str, Any]:
            return {**rate._asdict(), "interval_95": list(rate.interval())}

        record = {
            "sizes": list(self.sizes),
            "distances": list(self.distances),
            "rms": self.rms,
            "rate": with_interval(self.rate),
            "spread": with_interval(self.spread),
            "limit": self.limit._asdict(),
        }
        return {name: _plain(value) for name, value in record.items()}


def fit_rate(sizes: Sequence[int], deviations: Numbers, freedom: Sequence[int]) -> Rate:
    """Power law through root mean squares of normal numbers, each of so many degrees of freedom.

    Examples
    --------
    >>> round(fit_rate([10, 100, 1000], np.array([0.2, 0.02, 0.002]), [40, 40, 40]).exponent, 12)
    1.0
    """
    from scipy import special, stats

    half = np.array(freedom, float) / 2
    logs = np.log(deviations) - (special.digamma(half) - np.log(half)) / 2
    x, variances = np.log(np.array(sizes, float)), special.polygamma(1, half) / 4
    (start, slope), (_, error) = _line(x, logs, variances)
    misfit = float(np.sum((logs - start - slope * x) ** 2 / variances))
    return Rate(-slope, error, float(np.exp(start)), float(stats.chi2.sf(misfit, len(x) - 2)))


def _line(x: Numbers, y: Numbers, variances: Numbers) -> tuple[tuple[float, float], tuple[float, float]]:
    """Intercept and slope by weighted least squares, and their standard errors."""
    weights = 1.0 / variances
    centre = np.sum(weights * x) / np.sum(weights)
    width = np.sum(weights * (x - centre) ** 2)
    slope = np.sum(weights * (x - centre) * y) / width
    start = np.sum(weights * y) / np.sum(weights) - slope * centre
    start_error = (1.0 / np.sum(weights) + centre**2 / width) ** 0.5
    return (float(start), float(slope)), (float(start_error), float(width**-0.5))


def _plain(value: Any) -> Any:
    """Numbers for JSON, in dictionaries and lists."""
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list) else jsonable(value)
