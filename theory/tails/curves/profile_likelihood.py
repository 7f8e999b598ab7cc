"""The likelihood of a law on a loss curve: its maximum, and profile-likelihood intervals."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import stats
from scipy.optimize import brentq, least_squares
from scipy.special import expit

from freeridge.solvers.errors import InvalidSetting
from freeridge.theory.tails.curves.laws import CurveLaw
from freeridge.theory.tails.curves.loss_curve import LossCurve

Line = Float[np.ndarray, " p"]  # a point on the line of CurveLaw.to_line
_STEP = 1e-5  # of central differences: errors of 1e-10 from the formula and from rounding
_WEIGHT = 100.0  # of a constraint, in standard errors of what is constrained
_FARTHEST = 60.0  # in logarithms, from the estimate: a quantity that reaches this has no bound
_TOLERANCE = 1e-3  # of the ends of intervals, in standard errors
_BETTER = 1e-4  # by which a sum of squares must fall, in error variances, to be another minimum


class Interval(NamedTuple):
    """An estimate and the ends of its confidence interval; 0 and infinity are ends that are open."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Minimum:
    """The best point of a law on a curve.

    Parameters
    ----------
    line : array of shape (p,)
    squares : float
        Sum of squared errors of log E, in units of their variance where that is given.
    variance : float
        Of one error in these units: 1 when standard errors are given, else estimated.
    freedom : float
        Degrees of freedom of the estimate, infinite when nothing is estimated.
    """

    line: Line
    squares: float
    variance: float
    freedom: float


class Fitting:
    """One law on one curve.

    Examples
    --------
    >>> from freeridge.theory.tails.curves.laws import laws_of
    >>> curve = LossCurve([1, 10, 100, 1000], [1.0, 0.33, 0.099, 0.032])
    >>> fitting = Fitting(curve, laws_of(curve)["clean"])
    >>> minimum = fitting.minimum()
    >>> c = fitting.interval(minimum, lambda line: line[..., 1], 0.95)  # of log c
    >>> bool(c.low < np.log(0.5) < c.high), fitting.law.from_line(minimum.line).round(3)
    (True, array([1.014, 0.501]))
    """

    def __init__(self, curve: LossCurve, law: CurveLaw) -> None:
        self.curve, self.law = curve, law
        self._columns, self._log_error = curve.columns, curve.log_error
        self._scale = 1.0 if curve.log_scale is None else curve.log_scale
        count = len(law.parameters)
        if curve.rows < count + 1:
            raise InvalidSetting(
                "E", curve.E, f"at least {count + 1} rows for the {count} parameters of {law.name}"
            )
        self._freedom = curve.rows - count

    def residuals(self, lines: Float[np.ndarray, "... p"]) -> Float[np.ndarray, "... n"]:
        """Errors of log E, in units of their standard errors where these are given."""
        return (self.law.log_error(self._columns, self.law.from_line(lines)) - self._log_error) / self._scale

    def minimum(self, *starts: Line) -> Minimum:
        """The best of what is reached from these points, or from the starting values of the law."""
        begin = starts or self.law.to_line(self.law.starts)
        ends = [np.clip(_descend(self.residuals, start), *self.law.box) for start in begin]
        squares = [float(np.sum(self.residuals(end) ** 2)) for end in ends]
        best = int(np.argmin(squares))
        if self.curve.log_scale is not None:
            return Minimum(ends[best], squares[best], 1.0, np.inf)
        # What rounding of log E leaves even on an exact curve.
        rounding = np.finfo(float).eps * (1.0 + np.abs(self._log_error).max())
        variance = max(squares[best] / self._freedom, rounding**2)
        return Minimum(ends[best], squares[best], variance, float(self._freedom))

    def intervals(
        self, minimum: Minimum, confidence: float
    ) -> tuple[dict[str, Interval], dict[str, Interval]]:
        """Confidence intervals of the parameters and of the derived quantities.

        Raises
        ------
        Elsewhere
            When a profile meets a better minimum.
        """
        law = self.law
        parameters, derived = {}, {}
        for place, (parameter, limits) in enumerate(zip(law.parameters, law.box.T, strict=True)):
            found = self.interval(minimum, partial(np.take, indices=place, axis=-1), confidence, limits)
            # An estimate at the end of the range stands for what lies beyond it.
            beyond = (
                -np.inf if found.value <= limits[0] else np.inf if found.value >= limits[1] else found.value
            )
            back = expit if parameter.share else np.exp
            parameters[parameter.name] = Interval(*(float(back(x)) for x in found._replace(value=beyond)))
        for name, log in law.derived.items():
            found = self.interval(minimum, partial(_compose, log, law), confidence)
            with np.errstate(over="ignore"):  # infinite is a right name for more than 1e308
                derived[name] = Interval(*(float(np.exp(x)) for x in found))
        return parameters, derived

    def interval(
        self, minimum: Minimum, quantity: Callable[[Any], Any], confidence: float, limits: Any = None
    ) -> Interval:
        r"""Where the profile of the likelihood is high enough, for a quantity as a function of the point.

        With $S(g)$ the least sum of squares among the points where the quantity is g, the interval is

        $$ S(g) - S_{\min} \le \hat\sigma^2 t_{n - p}^2 , $$

        t the quantile of Student's law (the normal one when the errors are given): exact when log E is linear
        in the parameters, and the same whichever parameters describe the law.

        Raises
        ------
        Elsewhere
            When the profile meets a better minimum.
        """
        (low, high), derived = self.law.box, limits is None
        centre = float(quantity(minimum.line))
        jacobian = _differences(self.residuals, minimum.line)
        gradient = _differences(lambda lines: np.asarray(quantity(lines))[..., None], minimum.line)[0]
        covariance = minimum.variance * np.linalg.pinv(jacobian.T @ jacobian, rcond=1e-12, hermitian=True)
        error = float(np.clip(np.sqrt(gradient @ covariance @ gradient), 1e-14, 1.0))
        quantile = float(stats.t.ppf((1 + confidence) / 2, minimum.freedom))
        limits = (centre - _FARTHEST, centre + _FARTHEST) if derived else limits
        weight = _WEIGHT * np.sqrt(minimum.variance) / error
        known = {centre: (-quantile, minimum.line)}

        # A share that the data do not determine may be anywhere in its range along the profile.
        loose = self.law.shares & ~((np.diag(covariance) > 1e-12) & (np.diag(covariance) < 1.0))
        others = [np.where(loose, place, np.nan) for place in (-7.0, -3.0, 2.0)] if loose.any() else []

        def gain_of(line: Line) -> float:
            return (float(np.sum(self.residuals(line) ** 2)) - minimum.squares) / minimum.variance

        def excess(target: float) -> float:
            """Square root of the likelihood ratio at a value of the quantity, less its quantile."""
            if target in known:
                return known[target][0]

            def constrained(lines: Any) -> Any:
                miss = weight * (np.asarray(quantity(lines)) - target)
                return np.concatenate([self.residuals(lines), miss[..., None]], -1)

            nearest = min(known, key=lambda other: abs(other - target))
            # At the very end of its range a parameter would have no slope to leave it by.
            first = np.clip(known[nearest][1], low + 1, high - 1)
            line = _descend(constrained, first)
            if gain_of(line) > quantile**2:
                more = [_descend(constrained, np.where(np.isnan(place), first, place)) for place in others]
                line = min([line, *more], key=gain_of)
            gain = gain_of(line)
            if gain < -_BETTER:
                raise Elsewhere(line)
            known[target] = float(np.sqrt(max(gain, 0.0)) - quantile), line
            return known[target][0]

        ends = []
        for side, limit in zip((-1.0, 1.0), limits, strict=True):
            inside, end, step = centre, side * np.inf, quantile * error
            while side * inside < side * limit:
                outside = float(side * min(side * centre + step, side * limit))
                if excess(outside) >= 0:
                    end = brentq(excess, inside, outside, xtol=_TOLERANCE * error)
                    break
                inside, step = outside, 2 * step
            line = known[min(known, key=lambda target: abs(target - end))][1]
            if derived and np.any(((line <= low) | (line >= high)) & (np.abs(gradient) > _STEP)):
                end = side * np.inf  # what stops it is the range of a parameter, not the data
            ends.append(float(end))
        return Interval(centre, *ends)


class Elsewhere(Exception):
    """A point with a smaller sum of squares than the minimum."""

    def __init__(self, line: Line) -> None:
        super().__init__(line)
        self.line = line


def _compose(log: Callable[[Any], Any], law: CurveLaw, lines: Any) -> Any:
    return log(law.from_line(lines))


def _descend(function: Callable[[Any], Any], start: Line) -> Line:
    """A local minimum of a sum of squares."""
    jacobian = partial(_differences, function)
    found = least_squares(
        function, start, jacobian, method="lm", x_scale="jac", ftol=1e-9, xtol=1e-9, gtol=1e-12, max_nfev=200
    )
    return found.x


def _differences(function: Callable[[Any], Any], line: Line) -> Float[np.ndarray, "n p"]:
    """Central differences of a function that takes many points at a time."""
    steps = _STEP * np.eye(len(line))
    return (function(line + steps) - function(line - steps)).T / (2 * _STEP)
