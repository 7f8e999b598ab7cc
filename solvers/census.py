"""Many agreements at once: a line for each setting, and whether their scores look standard normal."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from freeridge.solvers.agreement import Agreement, FiniteSize, numbers, signed
from freeridge.solvers.tables import aligned, jsonable


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
                shown = numbers(one, self.quantity, point)
                bias = _bias(one.finite_size, self.quantity, point) if biased else []
                rows.append([label, str(one.sizes.get("d", "")), *shown, signed(scores[point]), *bias])
        head = ["setting", "d", "theory", "simulation", "std error", "z"]
        return aligned([*head, *(["size bias", "bias left", "its error"] if biased else [])], rows)

    def __str__(self) -> str:
        head = ["z of", "number", "mean", "variance", "largest |z|", "KS p-value"]
        rows = []
        for name, quantity in ((self.quantity, self.quantity), ("all quantities", None)):
            number, *others, p_value = self.summary(quantity)
            rows.append([name, str(number), *(f"{value:.2f}" for value in others), f"{p_value:.3f}"])
        lines = [self.table(), "", aligned(head, rows)]
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


def _bias(finite_size: FiniteSize | None, name: str, point: tuple[int, ...]) -> list[str]:
    if finite_size is None:
        return ["", "", ""]
    removed, left, error = (finite_size[k][name][point] for k in (0, 2, 3))
    return [f"{removed:+.1e}", f"{left:+.1e}", f"{error:.1e}"]
