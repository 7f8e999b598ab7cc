r"""Theory against simulation: one setting (:func:`validate`), and the census of many.

What counts is z = (simulation - theory) / standard error. Two things keep it from being standard normal, and
neither is an error of the theory. The standard error is itself estimated from R replicates, so that z follows
Student's law with R - 1 degrees of freedom; ``Agreement.scores`` translates it into normal quantiles. And the
theory is a limit: at dimension d the mean of a simulation lies off it by a multiple of 1/d. Labels averaged
exactly, a replicate fluctuates by a multiple of 1/d as well: no dimension makes that bias small against the
error of many replicates. :mod:`freeridge.theory.suite` removes it and reports what may be left.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

Values = Mapping[str, np.ndarray]

# Differences and errors below this part of the largest quantity are rounding: both count as zero.
_ROUNDING = 1e-13


class FiniteSize(NamedTuple):
    """Bias of a simulation owed to its finite dimension, estimated from smaller ones; per quantity.

    Attributes
    ----------
    removed, removed_error : dict of array
        Bias at the dimension simulated, of order 1/d, that extrapolation has taken out of the simulation.
    left, left_error : dict of array
        Bias of order 1/d^2 that is left, with the standard error of this estimate.
    """

    removed: Values
    removed_error: Values
    left: Values
    left_error: Values


_NO_BIAS = FiniteSize({}, {}, {}, {})


@dataclass(frozen=True, eq=False)
class Agreement:
    """Theory, simulation and the distance between them, per quantity; every array has the shape of the path.

    Parameters
    ----------
    theory, simulation, standard_error : dict of array
        The standard error is that of the simulation.
    replicates : int
    sizes : dict of int
        Sizes simulated: n, d, features.
    freedom : dict of array
        Degrees of freedom of the standard error.
    residual, ok, message
        Those of the theory.
    finite_size : FiniteSize, optional
        Where it has been estimated.

    Examples
    --------
    >>> import numpy as np
    >>> from freeridge.solvers.agreement import Agreement
    >>> one = lambda x: {"risk": np.array(x)}
    >>> agreement = Agreement(one(0.5), one(0.53), one(0.02), 20, {"n": 200, "d": 100}, one(19.0))
    >>> print(agreement)
    quantity     theory  simulation  std error      z
    risk       0.500000    0.530000    2.0e-02  +1.50
    20 replicates at n = 200, d = 100; largest |z| 1.50
    >>> round(float(agreement.scores["risk"]), 3)  # Student's law has more in its tails
    1.439
    """

    theory: Values
    simulation: Values
    standard_error: Values
    replicates: int
    sizes: Mapping[str, int]
    freedom: Values
    residual: np.ndarray | float = 0.0
    ok: bool = True
    message: str = "certified"
    finite_size: FiniteSize | None = None

    @property
    def z(self) -> dict[str, np.ndarray]:
        """(simulation - theory) / standard error; 0 where both vanish, NaN where theory is not finite."""
        return {name: self._z(name)[0] for name in self.theory}

    @property
    def scores(self) -> dict[str, np.ndarray]:
        """The normal quantile with the probability of z; NaN where nothing fluctuates."""
        pairs = {name: self._z(name) for name in self.theory}
        return {
            name: np.where(still, np.nan, normal_score(z, self.freedom[name]))
            for name, (z, still) in pairs.items()
        }

    @property
    def worst(self) -> float:
        """Largest |z| of all quantities and points; NaN when no z is defined."""
        values = np.abs(np.concatenate([np.ravel(z) for z in self.z.values()]))
        return float(np.nanmax(values)) if np.any(~np.isnan(values)) else float("nan")

    def __str__(self) -> str:
        z, path = self.z, any(np.ndim(value) for value in self.theory.values())
        rows = []
        for name, theory in self.theory.items():
            for point in np.ndindex(np.shape(theory)):
                place = [",".join(map(str, point))] if path else []
                rows.append([name, *place, *_numbers(self, name, point), _signed(z[name][point])])
        head = ["quantity", *(["point"] if path else []), "theory", "simulation", "std error", "z"]
        sizes = ", ".join(f"{name} = {size}" for name, size in self.sizes.items())
        last = f"{self.replicates} replicates at {sizes}; largest |z| {self.worst:.2f}"
        return "\n".join([_table(head, rows), last, *([] if self.ok else [f"theory: {self.message}"])])

    def to_dict(self) -> dict[str, Any]:
        """Everything for JSON: numbers, lists, and strings for what is infinite or NaN."""
        columns = {
            "theory": self.theory,
            "simulation": self.simulation,
            "standard_error": self.standard_error,
            "z": self.z,
            **{
                f"finite_size_{part}": values
                for part, values in (self.finite_size or _NO_BIAS)._asdict().items()
            },
        }
        table = {
            name: {column: jsonable(values[name]) for column, values in columns.items() if name in values}
            for name in self.theory
        }
        return {
            "quantities": table,
            "worst": jsonable(self.worst),
            "replicates": self.replicates,
            "sizes": dict(self.sizes),
            "residual": jsonable(self.residual),
            "ok": self.ok,
            "message": self.message,
        }

    def _z(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """z, and where nothing fluctuates."""
        theory, error = self.theory[name], self.standard_error[name]
        # Quantities of one shape are parts of one risk and share its rounding.
        peers = [value for value in self.theory.values() if np.shape(value) == np.shape(theory)]
        zero = _ROUNDING * np.max([np.where(np.isfinite(peer), np.abs(peer), 0.0) for peer in peers], axis=0)
        still = np.asarray(error <= zero)
        with np.errstate(divide="ignore", invalid="ignore"):
            difference = self.simulation[name] - theory
            z = np.where(still & (np.abs(difference) <= zero), 0.0, difference / error)
        return np.where(np.isfinite(theory), z, np.nan), still


def validate(
    setting: Any, replicates: int = 20, key: Any = 0, *, progress: bool = False, **options: Any
) -> Agreement:
    """Predict and simulate one setting, and compare.

    Parameters
    ----------
    setting : RidgeMixture, ModelCollapse, ...
        Anything that answers ``predict`` and ``simulate``.
    replicates : int
        At least 2.
    key : int or JAX key
        Seed of the simulation.
    progress : bool
        Show a progress bar.
    **options
        Handed to both methods, such as ``test=1``.

    Returns
    -------
    Agreement
        Disagreement raises nothing: read ``z`` or print it.

    Notes
    -----
    Theory is a limit: many replicates show in z the bias of the finite size, which larger sizes make smaller.

    Examples
    --------
    >>> import freeridge as fr
    >>> d = 60
    >>> real = fr.Population(fr.Isotropic(d), fr.RandomVector(fr.Isotropic(d, 1 / d)), 0.1, share=1.0)
    >>> agreement = fr.validate(fr.RidgeMixture([real], n=120, ridge=0.1), replicates=6, key=1)
    >>> sorted(agreement.z), agreement.worst < 5
    (['bias', 'mismatch', 'risk', 'variance'], True)
    """
    prediction = setting.predict(**options)
    estimate = setting.simulate(key, replicates, progress=progress, **options)
    names = [name for name in prediction.quantities if name in estimate.mean]
    return Agreement(
        theory={name: np.asarray(prediction.quantities[name]) for name in names},
        simulation={name: np.asarray(estimate.mean[name]) for name in names},
        standard_error={name: np.asarray(estimate.standard_error[name]) for name in names},
        replicates=estimate.replicates,
        sizes=dict(estimate.sizes),
        freedom={name: np.full(np.shape(estimate.mean[name]), estimate.replicates - 1.0) for name in names},
        residual=np.asarray(prediction.residual),
        ok=prediction.ok,
        message=prediction.message,
    )


class Summary(NamedTuple):
    """Distribution of many scores: they should look like draws from the standard normal law."""

    number: int
    mean: float
    variance: float
    largest: float
    p_value: float


@dataclass(frozen=True, eq=False)
class Census:
    """Agreements of many settings: one line per setting, and the distribution of all z below.

    The z shown and counted are ``Agreement.scores``. Those of one quantity are independent between settings;
    the quantities of one setting are not, so that the p-value over all quantities is only indicative.

    Parameters
    ----------
    agreements : dict of Agreement
        By name of the setting.
    quantity : str
        The quantity shown on each line.

    Examples
    --------
    >>> import numpy as np
    >>> from freeridge.solvers.agreement import Agreement, Census
    >>> one = lambda x: {"risk": np.array(x)}
    >>> agree = lambda x: Agreement(one(0.5), one(x), one(0.02), 20, {"n": 200, "d": 100}, one(19.0))
    >>> census = Census({"first": agree(0.53), "second": agree(0.49)})
    >>> print(census.table())
    setting    d    theory  simulation  std error      z
    first    100  0.500000    0.530000    2.0e-02  +1.44
    second   100  0.500000    0.490000    2.0e-02  -0.49
    >>> census.summary().number
    2
    """

    agreements: Mapping[str, Agreement]
    quantity: str = "risk"

    @property
    def ok(self) -> bool:
        """Whether every point of the theory is certified."""
        return all(agreement.ok for agreement in self.agreements.values())

    def scores(self, quantity: str | None = None) -> dict[str, np.ndarray]:
        """Scores by setting, of one quantity or of all."""
        return {
            name: np.concatenate(
                [np.ravel(z) for part, z in agreement.scores.items() if quantity in (None, part)]
                or [np.empty(0)]
            )
            for name, agreement in self.agreements.items()
        }

    def summary(self, quantity: str | None = "risk") -> Summary:
        """Distribution of the scores of one quantity, or of all (None); NaN are left out.

        The p-value is that of Kolmogorov and Smirnov against the standard normal law.
        """
        from scipy import stats

        z = np.concatenate([np.empty(0), *self.scores(quantity).values()])
        z = z[~np.isnan(z)]
        if len(z) < 2:
            return Summary(len(z), *(float("nan"),) * 4)
        with np.errstate(invalid="ignore"):  # an infinite score leaves no mean
            mean, variance = float(z.mean()), float(z.var(ddof=1))
        return Summary(len(z), mean, variance, float(np.abs(z).max()), float(stats.kstest(z, "norm").pvalue))

    def finite_size_ratios(self) -> dict[str, tuple[float, float]]:
        """Largest bias left / standard error of the quantity shown, and the error of this ratio."""
        ratios = {}
        for name, one in self.agreements.items():
            if one.finite_size is not None:
                parts = one.finite_size.left, one.finite_size.left_error, one.standard_error
                left, noise, error = (np.ravel(part[self.quantity]) for part in parts)
                worst = int(np.argmax(np.abs(left / error)))
                ratios[name] = (float(left[worst] / error[worst]), float(noise[worst] / error[worst]))
        return ratios

    def table(self) -> str:
        """One line per setting and point."""
        biased = any(agreement.finite_size is not None for agreement in self.agreements.values())
        rows = []
        for name, one in self.agreements.items():
            scores = one.scores[self.quantity]
            for point in np.ndindex(np.shape(scores)):
                label = name + (f" [{','.join(map(str, point))}]" if point else "")
                numbers = _numbers(one, self.quantity, point)
                bias = _bias(one.finite_size, self.quantity, point) if biased else []
                rows.append([label, str(one.sizes.get("d", "")), *numbers, _signed(scores[point]), *bias])
        head = ["setting", "d", "theory", "simulation", "std error", "z"]
        return _table([*head, *(["size bias", "bias left", "its error"] if biased else [])], rows)

    def __str__(self) -> str:
        head = ["z of", "number", "mean", "variance", "largest |z|", "KS p-value"]
        rows = []
        for name, quantity in ((self.quantity, self.quantity), ("all quantities", None)):
            number, *others, p_value = self.summary(quantity)
            rows.append([name, str(number), *(f"{value:.2f}" for value in others), f"{p_value:.3f}"])
        lines = [self.table(), "", _table(head, rows)]
        ratios = self.finite_size_ratios()
        if ratios:
            name = max(ratios, key=lambda setting: abs(ratios[setting][0]))
            ratio, noise = ratios[name]
            lines.append(
                f"largest finite-size bias left / standard error: {ratio:+.2f} +- {noise:.2f} ({name})"
            )
        failed = [name for name, agreement in self.agreements.items() if not agreement.ok]
        lines += [f"theory not certified: {', '.join(failed)}"] if failed else []
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Summaries and every agreement, for JSON."""
        scores = self.scores(self.quantity)
        return {
            "quantity": self.quantity,
            **{
                title: {name: jsonable(value) for name, value in self.summary(quantity)._asdict().items()}
                for title, quantity in (("summary", self.quantity), ("summary_all_quantities", None))
            },
            "settings": {
                name: {**agreement.to_dict(), "score": jsonable(scores[name])}
                for name, agreement in self.agreements.items()
            },
        }


def normal_score(z: Any, freedom: Any) -> np.ndarray:
    """The normal quantile with the probability of z under Student's law.

    Examples
    --------
    >>> normal_score([0.0, -2.0], [3.0, 3.0]).round(3)
    array([ 0.   , -1.478])
    """
    from scipy import stats

    z = np.asarray(z, float)
    # From the tail, where probabilities keep their digits; beyond the smallest of them z stays what it is.
    tail = stats.t.sf(np.abs(z), freedom)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(tail > 0, np.sign(z) * stats.norm.isf(tail), z))


def jsonable(value: Any) -> Any:
    """Numbers and nested lists of them for JSON, which knows neither infinity nor NaN.

    Examples
    --------
    >>> jsonable(np.array([0.5, np.inf, np.nan])), jsonable(np.float64(2))
    ([0.5, 'inf', 'nan'], 2.0)
    """
    plain = np.asarray(value).tolist()
    if isinstance(plain, list):
        return [jsonable(item) for item in plain]
    return str(plain) if isinstance(plain, float) and not np.isfinite(plain) else plain


def _numbers(one: Agreement, name: str, point: tuple[int, ...]) -> list[str]:
    theory = one.theory[name][point]
    style = ".6f" if 1e-3 < abs(theory) < 1e4 else ".5g"
    return [
        *(format(value, style) for value in (theory, one.simulation[name][point])),
        f"{one.standard_error[name][point]:.1e}",
    ]


def _signed(z: Any) -> str:
    return "nan" if np.isnan(z) else f"{z:+.2f}"


def _bias(finite_size: FiniteSize | None, name: str, point: tuple[int, ...]) -> list[str]:
    if finite_size is None:
        return ["", "", ""]
    removed, left, error = (finite_size[k][name][point] for k in (0, 2, 3))
    return [f"{removed:+.1e}", f"{left:+.1e}", f"{error:.1e}"]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """First column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if k else cell.ljust(width)
            for k, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in [head, *rows]
    )
