r"""Theory and simulation at growing size: the gap between them, and how it closes.

The gap of most traces closes as $1/d$. With gaps $\delta(d)$ and $\delta(rd)$ at two sizes,
$(r\,\delta(rd) - \delta(d))/(r - 1)$ is free of that part: a theory that is right leaves it within noise.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from freeridge.solvers.agreement import Agreement, Values, numbers, signed
from freeridge.solvers.tables import aligned, jsonable

# The logarithm of a gap is known when the gap is this many standard errors.
_SEEN = 3.0


class Rate(NamedTuple):
    """The gap falls as size to the power of minus `exponent`; NaN where noise hides it."""

    exponent: float
    standard_error: float


@dataclass(frozen=True, eq=False)
class Convergence:
    """Theory and simulation at growing size; made by
    :func:`freeridge.solvers.pencils.draws.finite_size.validate`.

    Real and imaginary parts of complex traces are quantities of their own, ``value.real`` and ``value.imag``.

    Attributes
    ----------
    points : tuple of Agreement
        From the smallest size to the largest.
    scales : tuple of int
        What the dimensions given are multiplied by in each.
    growth : dict of array
        By how much theory has grown since the smallest size: 1 for normalised traces and quadratic forms.
    """

    points: tuple[Agreement, ...]
    scales: tuple[int, ...]
    growth: Values

    @property
    def ok(self) -> bool:
        """Whether theory is certified at every size."""
        return all(point.ok for point in self.points)

    @property
    def worst(self) -> float:
        r"""Largest $|z|$ of the extrapolated simulation."""
        return self.extrapolated.worst

    @property
    def gaps(self) -> dict[str, np.ndarray]:
        """Simulation - theory at each size, over the growth of theory."""
        return self._over_growth([{q: p.simulation[q] - p.theory[q] for q in p.theory} for p in self.points])

    @property
    def rates(self) -> dict[str, Rate]:
        r"""How fast the gaps close: $a\, d^{-r}$ fitted to them, weighted by their errors.

        NaN where a gap is less than three standard errors at some size, or changes sign.
        """
        gaps, errors = self.gaps, self._errors
        return {q: fitted_rate(np.array(self.scales, float), gap, errors[q]) for q, gap in gaps.items()}

    @property
    def extrapolated(self) -> Agreement:
        """The two largest sizes together: the part of the gap of order 1/d taken out.

        Its degrees of freedom are those of Welch and Satterthwaite for a combination of two estimated
        variances.
        """
        before, last = self.points[-2:]
        ratio = self.scales[-1] / self.scales[-2]
        weights = np.array([-1.0, ratio]) / (ratio - 1.0)
        simulation, error, freedom = {}, {}, {}
        for q, gap in self.gaps.items():
            parts = (weights * self._errors[q][-2:]) ** 2
            simulation[q] = np.asarray(last.theory[q] + self.growth[q][-1] * (weights @ gap[-2:]))
            error[q] = np.asarray(self.growth[q][-1] * np.sum(parts) ** 0.5)
            spread = np.sum(parts**2 / [before.freedom[q], last.freedom[q]])
            freedom[q] = np.asarray(np.sum(parts) ** 2 / spread if spread > 0 else np.inf)
        return Agreement(
            last.theory,
            simulation,
            error,
            last.replicates,
            last.sizes,
            freedom,
            max(float(p.residual) for p in self.points),
            self.ok,
            next((p.message for p in self.points if not p.ok), last.message),
        )

    def __str__(self) -> str:
        names = list(self.points[0].sizes)
        head = [*names, "theory", "simulation", "std error", "z"]
        rates, extrapolated = self.rates, self.extrapolated
        rows, ends = [], []
        for q in self.points[0].theory:
            for point in self.points:
                sizes = [str(point.sizes[name]) for name in names]
                rows.append([q, *sizes, *numbers(point, q, ()), signed(point.z[q])])
            exponent, error = rates[q]
            seen = "within noise" if np.isnan(exponent) else f"size^-{exponent:.2f} +- {error:.2f}"
            ends.append([q, seen, *numbers(extrapolated, q, ())[1:], signed(extrapolated.z[q])])
        replicates = ", ".join(map(str, sorted({point.replicates for point in self.points})))
        lines = [
            aligned(["quantity", *head], rows),
            f"{replicates} replicates at each size; without the part of order 1/size:",
            aligned(["quantity", "gap", "extrapolated", "std error", "z"], ends),
            f"largest |z| {self.worst:.2f}",
        ]
        return "\n".join([*lines, *([] if self.ok else [f"theory: {extrapolated.message}"])])

    def to_dict(self) -> dict[str, Any]:
        """Everything for JSON: numbers, lists, and strings for what is infinite or NaN."""
        rates = {q: {name: jsonable(x) for name, x in r._asdict().items()} for q, r in self.rates.items()}
        return {
            "points": [point.to_dict() for point in self.points],
            "scales": list(self.scales),
            "gaps": {q: jsonable(gap) for q, gap in self.gaps.items()},
            "rates": rates,
            "extrapolated": self.extrapolated.to_dict(),
            "ok": self.ok,
        }

    @property
    def _errors(self) -> dict[str, np.ndarray]:
        return self._over_growth([p.standard_error for p in self.points])

    def _over_growth(self, found: Sequence[Mapping[str, Any]]) -> dict[str, np.ndarray]:
        return {q: np.array([one[q] for one in found]) / self.growth[q] for q in self.growth}


def fitted_rate(scales: np.ndarray, gaps: np.ndarray, errors: np.ndarray) -> Rate:
    """A line through the logarithms of the gaps, weighted by their errors.

    Examples
    --------
    >>> found = fitted_rate(np.array([1.0, 2.0]), np.array([0.4, 0.1]), np.array([0.01, 0.01]))
    >>> round(found.exponent, 12)
    2.0
    """
    seen = np.all(np.abs(gaps) >= _SEEN * errors) and np.all(errors > 0)
    if not seen or len(set(np.sign(gaps))) > 1:
        return Rate(float("nan"), float("nan"))
    weights = (gaps / errors) ** 2
    x = np.log(scales) - np.average(np.log(scales), weights=weights)
    information = np.sum(weights * x**2)
    return Rate(float(-np.sum(weights * x * np.log(np.abs(gaps))) / information), float(information**-0.5))
