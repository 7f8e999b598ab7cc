r"""The settings in which the theory of pruned data is held against simulation.

The error of one trained classifier fluctuates by a multiple of $1 / \sqrt d$, and its mean lies off the limit
by a multiple of 1 / d: with fewer replicates than dimensions the standard error is the larger of the two, and
nothing is extrapolated.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from freeridge.solvers.census import Census, require_size, validate_all
from freeridge.solvers.replicates import Key
from freeridge.theory.covariance import Dense
from freeridge.theory.pruning.label_rules import KeepCorrect, KeepIf, KeepMixture, KeepSoft
from freeridge.theory.pruning.pruned_classifier import PrunedClassifier
from freeridge.theory.pruning.rules import KeepEasy, KeepHard, KeepRandom, KeepRule, KeepTable
from freeridge.theory.suite import SPECTRA

# Dimension and replicates.
SIZES = {"full": (600, 30), "quick": (200, 20)}

RULES: dict[str, Callable[[], KeepRule]] = {
    "all": KeepRandom,
    "random": lambda: KeepRandom(0.4),
    "hard": lambda: KeepHard(0.4),
    "easy": lambda: KeepEasy(0.4),
    "hardest": lambda: KeepHard(0.1),
    "correct": KeepCorrect,
    "loose": lambda: KeepCorrect(0.9, 0.2),
    "hard and correct": lambda: KeepCorrect(KeepHard(0.4)),
    "hard or wrong": lambda: KeepCorrect(KeepHard(0.3), 1.0),
    "soft": lambda: KeepSoft(2.0, scale=1.5),
    "bands": lambda: KeepTable([-1.2, -0.1, 0.4, 2.0], [0.1, 1.0, 0.3, 0.8, 0.2]),
    "mixed": lambda: KeepMixture([KeepHard(0.2), KeepCorrect(), KeepRandom(0.3)], [0.5, 0.3, 0.2]),
    "own": lambda: KeepIf(lambda score, label: (score < 1.3) & (score * label > -0.2)),
}
QUICK = ("many hard", "few own", "given directions")


@dataclass(frozen=True)
class PrunedCase:
    r"""A setting of pruned data at any dimension.

    Parameters
    ----------
    rule : str
        Of ``RULES``.
    phi, ridge : float
    correlations : tuple of float
        $\rho$ and $\rho_*$, or these and $\rho_o$.
    label_noise : float
    spectrum : str, optional
        Of the spectra of the suite of mixtures; isotropic inputs when left out.
    given : bool
        Draw three directions and a rotated covariance once, and hand them over as they are.

    Examples
    --------
    >>> PrunedCase("hard", 0.5, 0.1, (0.8, 0.9), spectrum="power law").build(100).dimension
    100
    """

    rule: str
    phi: float
    ridge: float
    correlations: tuple[float, ...] = (0.8, 0.9)
    label_noise: float = 0.0
    spectrum: str | None = None
    given: bool = False

    def build(self, d: int) -> PrunedClassifier:
        """The setting at one dimension."""
        common: dict[str, Any] = {"keep": RULES[self.rule](), "label_noise": self.label_noise}
        if not self.given:
            covariance = None if self.spectrum is None else SPECTRA[self.spectrum](d)
            common |= {"d": d} if covariance is None else {"covariance": covariance}
            common |= dict(zip(("rho", "rho_star", "rho_oracle"), self.correlations, strict=False))
            return PrunedClassifier(self.phi, self.ridge, **common)
        diagonal = SPECTRA[self.spectrum or "isotropic"](d)
        rng = np.random.default_rng(d)
        turn = np.linalg.qr(rng.standard_normal((d, d)))[0]
        matrix = (turn * np.asarray(diagonal.coordinates())) @ turn.T
        truth, other, third = rng.standard_normal((3, d))
        directions = np.stack([truth, truth + 0.7 * other, truth + 0.3 * other + 0.5 * third])
        symmetric = Dense((matrix + matrix.T) / 2)
        return PrunedClassifier(self.phi, self.ridge, covariance=symmetric, directions=directions, **common)


def pruned_cases() -> dict[str, PrunedCase]:
    """Named cases: every rule on both sides of interpolation, ridges from 0 to 1, correlations at their ends
    and inside, label noise, spectra and given directions.

    Examples
    --------
    >>> len(pruned_cases())
    42
    """
    few, many = 1.2, 0.15  # d / n, fewer and more rows than dimensions
    cases = {}
    for rule in RULES:
        cases[f"many {rule}"] = PrunedCase(rule, many, 0.01)
        cases[f"few {rule}"] = PrunedCase(rule, few, 0.1)
    return cases | {
        "ridge 0, many rows": PrunedCase("hard", 0.1, 0.0),
        "ridge 0, few rows": PrunedCase("hard", 0.8, 0.0),
        "ridge 0, correct, many": PrunedCase("correct", 0.2, 0.0),
        "ridge 0, correct, few": PrunedCase("correct", 2.0, 0.0),
        "ridge 1e-6": PrunedCase("easy", 0.3, 1e-6),
        "ridge 1": PrunedCase("hard", 0.3, 1.0),
        "perfect generator and oracle": PrunedCase("hard", 0.2, 0.01, (1.0, 1.0)),
        "oracle is the generator": PrunedCase("hard", 0.2, 0.01, (0.7, 0.7, 1.0)),
        "misleading oracle": PrunedCase("correct", 0.2, 0.01, (0.5, -0.3, 0.1)),
        "blind oracle": PrunedCase("hard", 0.2, 0.01, (0.9, 0.0, 0.0)),
        "label noise": PrunedCase("hard", 0.2, 0.01, (1.0, 0.9), 0.2),
        "label noise, verified": PrunedCase("loose", 0.2, 0.01, (1.0, 1.0), 0.3),
        "two atoms": PrunedCase("hard", 0.4, 0.02, spectrum="two atoms"),
        "half rank": PrunedCase("easy", 0.4, 0.02, spectrum="half rank"),
        "power law": PrunedCase("correct", 0.5, 0.05, spectrum="power law"),
        "given directions": PrunedCase("hard", 0.4, 0.05, spectrum="five levels", given=True),
    }


def run_pruned_suite(key: Key = 0, size: str = "full", *, progress: bool = False) -> Census:
    """Theory against simulation in every case.

    Parameters
    ----------
    key : int or JAX key
        Seed.
    size : {"full", "quick"}
        All settings, or a handful at smaller dimension.
    progress : bool
        Show a progress bar on standard error.
    """
    require_size(size, SIZES)
    d, replicates = SIZES[size]
    cases = pruned_cases()
    chosen = list(cases) if size == "full" else QUICK
    settings = {name: cases[name].build(d) for name in chosen}
    return validate_all(settings, replicates, key, shown=("error",), progress=progress)
