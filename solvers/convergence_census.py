"""Many rates of convergence at once: their table, and whether theory and simulation agree."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from freeridge.solvers.convergence import Convergence
from freeridge.solvers.tables import aligned, jsonable

# Correct theories are called off in one run of this many, as by the other census.
_FALSE_ALARMS = 1e-4


@dataclass(frozen=True, eq=False)
class ConvergenceCensus:
    """Rates of all regimes, and whether they agree with theory.

    Two numbers of every quantity are standard normal where theory is right: (exponent - 1) / error, and the
    mean distance at infinite size over its error. The largest of them all stays below ``bound`` in all but
    one run of 10,000, whatever the dependence between quantities (Bonferroni).

    Parameters
    ----------
    convergences : dict of dict of Convergence
        By regime and quantity; those that theory sets to zero are left out.
    speed : dict of array
        By dimension, share of the product peak that adding up rows has reached, one per replicate.
    peak : float
        Operations per second of a product of matrices.
    uncertified : tuple of str
        Regimes of which theory is not certified at some dimension.
    """

    convergences: Mapping[str, Mapping[str, Convergence]]
    speed: Mapping[int, np.ndarray]
    peak: float
    uncertified: tuple[str, ...] = ()

    @cached_property
    def scores(self) -> np.ndarray:
        """All of them, two per quantity."""
        return np.array(
            [one.scores for regime in self.convergences.values() for one in regime.values()]
        ).ravel()

    @property
    def bound(self) -> float:
        """What the largest |score| stays below where theory is right, in all but one run of 10,000."""
        from scipy import stats

        return float(stats.norm.isf(_FALSE_ALARMS / 2 / len(self.scores)))

    @property
    def agrees(self) -> bool:
        """Whether theory is certified everywhere and no score is beyond the bound."""
        return not self.uncertified and bool(np.all(np.abs(self.scores) <= self.bound))

    def table(self) -> str:
        """One line per regime and quantity."""
        head = [
            "regime",
            "quantity",
            "exponent",
            "error",
            "95 % interval",
            "fit p",
            "z",
            "left at infinity",
            "error",
            "z",
        ]
        rows = []
        for name, regime in self.convergences.items():
            for quantity, one in regime.items():
                rate, limit = one.rate, one.limit
                low, high = rate.interval()
                power = [
                    f"{rate.exponent:.3f}",
                    f"{rate.error:.3f}",
                    f"{low:.3f} to {high:.3f}",
                    f"{rate.fit:.3f}",
                ]
                left = [f"{limit.value:+.1e}", f"{limit.error:.1e}"]
                z = [f"{score:+.2f}" for score in one.scores]
                rows.append([name, quantity, *power, z[0], *left, z[1]])
        return aligned(head, rows)

    def __str__(self) -> str:
        largest = float(np.max(np.abs(self.scores)))
        speed = [[str(d), str(len(share)), f"{np.median(share):.0%}"] for d, share in self.speed.items()]
        lines = [
            self.table(),
            f"largest |z| of {len(self.scores)}: {largest:.2f}",
            f"largest |z| of correct theory, in all but one run of 10,000: below {self.bound:.2f}",
            *([f"theory not certified: {', '.join(self.uncertified)}"] if self.uncertified else []),
            "",
            "drawing rows and adding up their products, against the speed of a product of large matrices,",
            f"{self.peak / 1e9:.1f} Gflop/s:",
            aligned(["d", "replicates", "median share"], speed),
        ]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Everything for JSON."""
        return {
            "agrees": self.agrees,
            "bound": jsonable(self.bound),
            "uncertified": list(self.uncertified),
            "regimes": {
                name: {quantity: one.to_dict() for quantity, one in regime.items()}
                for name, regime in self.convergences.items()
            },
            "peak": self.peak,
            "share_of_peak": {str(d): jsonable(share) for d, share in self.speed.items()},
        }
