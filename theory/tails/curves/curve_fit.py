"""One law fitted to a loss curve: parameters with confidence intervals, information criteria, predictions."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy import stats

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.tables import aligned, jsonable
from freeridge.theory.tails.curves.laws import CurveLaw
from freeridge.theory.tails.curves.loss_curve import LossCurve
from freeridge.theory.tails.curves.profile_likelihood import Elsewhere, Fitting, Interval, Minimum
from freeridge.theory.tails.curves.regime import Plateau, Regime, regime_of


@dataclass(frozen=True, eq=False)
class CurveFit:
    r"""One law on one curve, by maximum likelihood with normal errors of log E.

    Parameters
    ----------
    curve : LossCurve
    law : CurveLaw
    minimum : Minimum
    confidence : float
        Of every interval.
    parameters : dict of Interval
        In the notation of the equation; an end 0 or infinity is open: the data do not bound it.
    derived : dict of Interval
        What follows from them: level of a plateau, its begin or end, $n / T_0$.

    Examples
    --------
    >>> import numpy as np
    >>> from freeridge.theory.tails.curves.laws import laws_of
    >>> T = np.geomspace(10, 1e6, 25)
    >>> curve = LossCurve(T, 2 * T**-0.3 * np.exp(0.02 * np.sin(7 * np.arange(25))))
    >>> fit = fit_law(curve, laws_of(curve)["clean"], confidence=0.95)
    >>> fit.parameters["c"].low < 0.3 < fit.parameters["c"].high, round(float(fit.predict(1e9)), 4)
    (True, 0.004)
    """

    curve: LossCurve
    law: CurveLaw
    minimum: Minimum
    confidence: float
    parameters: Mapping[str, Interval]
    derived: Mapping[str, Interval]

    @property
    def scatter(self) -> float:
        """Standard error of log E: estimated, or in units of the standard errors given."""
        return float(np.sqrt(self.minimum.squares / (self.curve.rows - len(self.parameters))))

    @property
    def deviance(self) -> float:
        """Twice the negative logarithm of the likelihood of log E."""
        squares, rows = self.minimum.squares, self.curve.rows
        if self.curve.log_scale is not None:
            return float(squares + np.sum(np.log(2 * np.pi * self.curve.log_scale**2)))
        squares = self.minimum.variance * self.minimum.freedom  # not below rounding, unlike the sum itself
        return float(rows * (np.log(2 * np.pi * squares / rows) + 1))

    @property
    def aicc(self) -> float:
        """Akaike's criterion with its correction for few rows; infinite where the correction is not defined.

        The correction is owed to the estimate of the scatter: with given errors there is none, AICc = AIC.
        """
        count = self._count
        if self.curve.log_scale is not None:
            return self.deviance + 2 * count
        left = self.curve.rows - count - 1
        return self.deviance + 2 * count * (1 + (count + 1) / left) if left > 0 else np.inf

    @property
    def bic(self) -> float:
        """The Bayesian information criterion."""
        return float(self.deviance + self._count * np.log(self.curve.rows))

    @property
    def probability(self) -> float | None:
        """Of a sum of squares as large as this if the law holds; None unless standard errors are given."""
        if self.curve.log_scale is None:
            return None
        return float(stats.chi2.sf(self.minimum.squares, self.curve.rows - len(self.parameters)))

    @property
    def plateau(self) -> Plateau | None:
        """Where it begins, its level, and where it ends; None for a law without plateau."""
        if not self.law.plateau:
            return None
        known = {**self.parameters, **self.derived}
        begin, level, *end = (known[name] for name in self.law.plateau)
        return Plateau(begin, level, end[0] if end else None)

    @property
    def regime(self) -> str:
        """Power law, before a plateau, on a plateau, or past a plateau: where the last T is."""
        return self._regime.name

    @property
    def sentences(self) -> tuple[str, ...]:
        """The regime and what is not determined, in words."""
        return self._regime.sentences

    def predict(self, T: Any, d: Any = None, k: Any = None) -> Any:
        """E of the law at its most likely parameters.

        Parameters
        ----------
        T, d, k : float or array
            d and k where the law has them; shapes that can be broadcast.

        Returns
        -------
        array
            Of their common shape.
        """
        given = {"T": T, **({"d": d, "k": k} if self.law.name == "triplet" else {})}
        wanted = {name: np.asarray(given[name], float) for name in self.curve.columns if name in given}
        for name, value in wanted.items():
            if not np.all(np.isfinite(value) & (value > 0)):
                raise InvalidSetting(name, given[name], "finite numbers > 0")
        columns = dict(zip(wanted, np.broadcast_arrays(*wanted.values()), strict=True))
        shape = columns["T"].shape
        flat = {name: column.ravel() for name, column in columns.items()}
        return np.exp(self.law.log_error(flat, self.law.from_line(self.minimum.line))).reshape(shape)

    def to_dict(self) -> dict[str, Any]:
        """Everything for JSON."""
        plateau = self.plateau
        return {
            "law": self.law.name,
            "equation": self.law.equation,
            "parameters": {name: _plain(interval) for name, interval in self.parameters.items()},
            "derived": {name: _plain(interval) for name, interval in self.derived.items()},
            "plateau": plateau and {name: part and _plain(part) for name, part in plateau._asdict().items()},
            "confidence": self.confidence,
            "rows": self.curve.rows,
            "scatter": self.scatter,
            "probability": self.probability,
            "aicc": jsonable(self.aicc),
            "bic": self.bic,
            "regime": self.regime,
            "sentences": list(self.sentences),
        }

    def __str__(self) -> str:
        rows = [
            [name, *(f"{value:.5g}" for value in interval)]
            for name, interval in {**self.parameters, **self.derived}.items()
        ]
        table = aligned([self.law.name, "value", f"{100 * self.confidence:g}% from", "to"], rows)
        fits = f"scatter of log E {self.scatter:.3g}"
        if self.probability is not None:
            fits = f"chi^2 {self.minimum.squares:.4g}, probability {self.probability:.2g}"
        facts = f"{fits}, AICc {self.aicc:.2f}, BIC {self.bic:.2f}, {self.curve.rows} rows"
        return "\n".join([f"E = {self.law.equation}", table, facts, *self.sentences])

    @property
    def _count(self) -> int:
        """Parameters, the scatter among them where it is estimated."""
        return len(self.parameters) + (self.curve.log_scale is None)

    @cached_property
    def _regime(self) -> Regime:
        return regime_of(self.law.name, self.parameters, self.plateau, self.curve, self.confidence)


def fit_law(curve: LossCurve, law: CurveLaw, confidence: float) -> CurveFit:
    """The best point of a law and its intervals.

    Raises
    ------
    InvalidSetting
        When there are not more rows than parameters.
    """
    fitting = Fitting(curve, law)
    minimum = fitting.minimum()
    while True:
        try:
            parameters, derived = fitting.intervals(minimum, confidence)
            return CurveFit(curve, law, minimum, confidence, parameters, derived)
        except Elsewhere as better:  # the sum of squares falls each time, so this ends
            minimum = fitting.minimum(better.line)


def _plain(interval: Interval) -> dict[str, Any]:
    return {name: jsonable(value) for name, value in interval._asdict().items()}
