"""Many agreements at once: lines for each setting, and whether their scores look standard normal."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from freeridge.solvers.agreement import Agreement, FiniteSize, numbers, signed, validate
from freeridge.solvers.agreements import compute_agreements
from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.replicates import Key, key_entropy
from freeridge.solvers.tables import aligned, jsonable

# A suite on a correct theory is to be called off in one run of this many.
_FALSE_ALARMS = 1e-4


class Summary(NamedTuple):
    """Distribution of many scores: they should look like draws from the standard normal law."""

    number: int
    mean: float
    variance: float
    largest: float
    p_value: float


@dataclass(frozen=True, eq=False)
class Census:
    """Agreements of many settings: their lines, and the distribution of all z below.

    The z shown and counted are ``Agreement.scores``. Those of one number are independent between settings;
    the quantities of one setting are not, nor are the entries of one quantity, so that a p-value over several
    is only indicative. The bound on the largest needs no independence.

    Parameters
    ----------
    agreements : dict of Agreement
        By name of the setting.
    shown : tuple of str
        The quantities in the table; the summary has all of them.

    Examples
    --------
    >>> import numpy as np
    >>> from freeridge.solvers.agreement import Agreement
    >>> from freeridge.solvers.census import Census
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
    shown: tuple[str, ...] = ("risk",)

    @property
    def ok(self) -> bool:
        """Whether every point of the theory is certified."""
        return all(agreement.ok for agreement in self.agreements.values())

    @property
    def bound(self) -> float:
        """What the largest |score| stays below, where theory is right, in all but one run of 10,000: the
        bound of Bonferroni on all scores there are.
        """
        from scipy import stats

        return float(stats.norm.isf(_FALSE_ALARMS / 2 / max(self.summary(None).number, 1)))

    @property
    def agrees(self) -> bool:
        """Whether theory is certified everywhere and no score is beyond the bound."""
        return self.ok and not self.summary(None).largest > self.bound

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
        largest = float(np.abs(z).max()) if len(z) else float("nan")
        if len(z) < 2:
            return Summary(len(z), float("nan"), float("nan"), largest, float("nan"))
        with np.errstate(invalid="ignore"):  # an infinite score leaves no mean
            mean, variance = float(z.mean()), float(z.var(ddof=1))
        return Summary(len(z), mean, variance, largest, float(stats.kstest(z, "norm").pvalue))

    def finite_size_ratios(self) -> dict[str, tuple[float, float]]:
        """Largest bias left / standard error of the quantities shown, and the error of this ratio."""
        ratios = {}
        for name, one in self.agreements.items():
            if one.finite_size is None:
                continue
            parts = one.finite_size.left, one.finite_size.left_error, one.standard_error
            left, noise, error = (
                np.concatenate([np.ravel(part[q]) for q in self.shown if q in part]) for part in parts
            )
            error = np.where(error > 0, error, np.inf)  # what does not fluctuate has no bias either
            worst = int(np.argmax(np.abs(left / error)))
            ratios[name] = (float(left[worst] / error[worst]), float(noise[worst] / error[worst]))
        return ratios

    def table(self) -> str:
        """One line per setting, quantity shown, and point."""
        biased = any(agreement.finite_size is not None for agreement in self.agreements.values())
        several = len(self.shown) > 1
        rows = []
        for name, one in self.agreements.items():
            for quantity in self.shown:
                scores = one.scores.get(quantity, np.empty(0))
                for point in np.ndindex(np.shape(scores)):
                    place = f" [{','.join(map(str, point))}]" if point else ""
                    label = [name, quantity + place] if several else [name + place]
                    bias = _bias(one.finite_size, quantity, point) if biased else []
                    found = [*numbers(one, quantity, point), signed(scores[point])]
                    rows.append([*label, str(one.sizes.get("d", "")), *found, *bias])
        head = ["setting", *(["quantity"] if several else []), "d", "theory", "simulation", "std error", "z"]
        return aligned([*head, *(["size bias", "bias left", "its error"] if biased else [])], rows)

    def __str__(self) -> str:
        head = ["z of", "number", "mean", "variance", "largest |z|", "KS p-value"]
        rows = []
        for name, (number, *others, p_value) in self._summaries().items():
            rows.append([name, str(number), *(f"{value:.2f}" for value in others), f"{p_value:.3f}"])
        lines = [self.table(), "", aligned(head, rows)]
        lines.append(f"largest |z| of correct theory, in all but one run of 10,000: below {self.bound:.2f}")
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
        return {
            "shown": list(self.shown),
            "agrees": self.agrees,
            "bound": jsonable(self.bound),
            "summary": {
                title: {name: jsonable(value) for name, value in summary._asdict().items()}
                for title, summary in self._summaries().items()
            },
            "settings": {
                name: {
                    **agreement.to_dict(),
                    "score": {q: jsonable(z) for q, z in agreement.scores.items()},
                }
                for name, agreement in self.agreements.items()
            },
        }

    def _summaries(self) -> dict[str, Summary]:
        names = dict.fromkeys(q for agreement in self.agreements.values() for q in agreement.theory)
        return {**{q: self.summary(q) for q in names}, "all quantities": self.summary(None)}


def _bias(finite_size: FiniteSize | None, name: str, point: tuple[int, ...]) -> list[str]:
    if finite_size is None:
        return ["", "", ""]
    removed, left, error = (finite_size[k][name][point] for k in (0, 2, 3))
    return [f"{removed:+.1e}", f"{left:+.1e}", f"{error:.1e}"]


def validate_all(
    settings: Mapping[str, Any],
    replicates: int,
    key: Key,
    *,
    shown: tuple[str, ...] = ("risk",),
    progress: bool = False,
) -> Census:
    """Theory against simulation in every setting, each with a stream of draws of its own.

    Parameters
    ----------
    settings : dict
        By name; anything that answers ``predict`` and ``simulate``.
    replicates : int
        At least 2.
    key : int or JAX key
        Seed.
    shown : tuple of str
        Quantities in the table of the census.
    progress : bool
        Show a progress bar on standard error.
    """
    entropy = key_entropy(key)
    comparisons = {
        name: (validate, (setting, replicates, [*entropy, number]))
        for number, (name, setting) in enumerate(settings.items())
    }
    return Census(compute_agreements(comparisons, progress=progress), shown)


def require_size(size: str, sizes: Mapping[str, Any]) -> None:
    """Refuse a size that a suite does not have.

    Examples
    --------
    >>> require_size("huge", {"full": 200, "quick": 20})
    Traceback (most recent call last):
        ...
    freeridge.solvers.errors.InvalidSetting: size = 'huge': expected one of 'full', 'quick'
    """
    if size not in sizes:
        raise InvalidSetting("size", size, f"one of {', '.join(map(repr, sizes))}")
