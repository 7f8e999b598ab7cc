"""Which law a loss curve follows: all of them fitted, and ranked by an information criterion."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, overload

import numpy as np

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.tables import aligned, jsonable
from freeridge.theory.tails.curves.curve_fit import CurveFit, fit_law
from freeridge.theory.tails.curves.laws import laws_of
from freeridge.theory.tails.curves.loss_curve import LossCurve

_RIVAL = 2.0  # of AICc: laws as near as this to the best are not told apart from it
_MISSED = 1e-3  # probability of the errors below which a law is said to miss the data


@dataclass(frozen=True, eq=False)
class CurveComparison:
    """Laws on one curve, ranked by AICc.

    Parameters
    ----------
    fits : dict of CurveFit
        By name, best first.
    left_out : tuple of str
        Laws with too many parameters for the rows.
    """

    fits: Mapping[str, CurveFit]
    left_out: tuple[str, ...]

    @property
    def best(self) -> CurveFit:
        """The law with the least AICc."""
        return next(iter(self.fits.values()))

    @property
    def rivals(self) -> tuple[str, ...]:
        """Other laws whose AICc is within 2 of the best."""
        return tuple(name for name, excess in self.excess.items() if excess < _RIVAL)[1:]

    @property
    def excess(self) -> dict[str, float]:
        """AICc above that of the best law."""
        return {name: fit.aicc - self.best.aicc for name, fit in self.fits.items()}

    @property
    def weights(self) -> dict[str, float]:
        """Akaike weights: how probable each law is to be the nearest of those compared."""
        relative = np.exp([-excess / 2 for excess in self.excess.values()])
        return dict(zip(self.fits, (relative / relative.sum()).tolist(), strict=True))

    @property
    def parameters(self) -> Any:
        """Those of the best law."""
        return self.best.parameters

    @property
    def regime(self) -> str:
        """That of the best law; undecided when laws that are not told apart from it have another."""
        regimes = dict.fromkeys(self.fits[name].regime for name in (self.best.law.name, *self.rivals))
        return self.best.regime if len(regimes) == 1 else f"undecided: {' or '.join(regimes)}"

    @property
    def sentences(self) -> tuple[str, ...]:
        """Regime of the best law, and what else these data allow."""
        best, words = self.best, list(self.best.sentences)
        if self.rivals:
            rivals = [
                f"{name} ({self.fits[name].regime}, AICc + {self.excess[name]:.1f})" for name in self.rivals
            ]
            words.append(f"As good a law: {', '.join(rivals)}.")
        if best.law.name == "clean" and "cut" in self.fits and self.fits["cut"].parameters["T_k"].low > 0:
            bound = self.fits["cut"].parameters["T_k"].low
            words.append(
                f"If a tail is cut all the same, then at T_k > {bound:.3g} ({100 * best.confidence:g} %)."
            )
        if best.probability is not None and best.probability < _MISSED:
            words.append(
                "Even the best law misses the points by more than their standard errors allow: the intervals "
                "are too short. Without the column of standard errors the scatter is estimated."
            )
        if self.left_out:
            words.append(f"Too few rows for: {', '.join(self.left_out)}.")
        return tuple(words)

    def predict(self, T: Any, d: Any = None, k: Any = None) -> Any:
        """E by the best law."""
        return self.best.predict(T, d, k)

    def to_dict(self) -> dict[str, Any]:
        """Everything for JSON."""
        weights, excess = self.weights, self.excess
        return {
            "best": self.best.law.name,
            "regime": self.regime,
            "rivals": list(self.rivals),
            "sentences": list(self.sentences),
            "fits": {
                name: {**fit.to_dict(), "aicc_excess": jsonable(excess[name]), "weight": weights[name]}
                for name, fit in self.fits.items()
            },
            "left_out": list(self.left_out),
        }

    def __str__(self) -> str:
        rows = [
            [
                name,
                str(len(fit.parameters)),
                f"{fit.scatter:.3g}",
                *(f"{value:.2f}" for value in (fit.aicc, self.excess[name])),
                f"{self.weights[name]:.3f}",
                f"{fit.bic:.2f}",
                fit.regime,
            ]
            for name, fit in self.fits.items()
        ]
        table = aligned(["law", "parameters", "scatter", "AICc", "excess", "weight", "BIC", "regime"], rows)
        best = str(self.best).removesuffix("\n".join(self.best.sentences)).rstrip()
        return "\n".join([table, "", best, *self.sentences])


@overload
def fit_curve(
    T: Any, E: Any, law: None = None, standard_error: Any = None, d: Any = None, k: Any = None,
    confidence: float = 0.95, generations: int | None = None,
) -> CurveComparison: ...  # fmt: skip
@overload
def fit_curve(
    T: Any, E: Any, law: str, standard_error: Any = None, d: Any = None, k: Any = None,
    confidence: float = 0.95, generations: int | None = None,
) -> CurveFit: ...  # fmt: skip
def fit_curve(
    T: Any,
    E: Any,
    law: str | None = None,
    standard_error: Any = None,
    d: Any = None,
    k: Any = None,
    confidence: float = 0.95,
    generations: int | None = None,
) -> CurveComparison | CurveFit:
    r"""Fit scaling laws to a measured loss curve, and say in which regime it is.

    Parameters
    ----------
    T, E : array of shape (n,)
        Sample sizes and errors, in any order; several rows may have one T.
    law : {"clean", "floor", "cut", "generations", "mixing", "triplet"}, optional
        Only this law. Without it all are compared, triplet among them where d or k is given.
    standard_error : array of shape (n,), optional
        Of E. Without it the errors of log E are taken to be equal, and are estimated.
    d, k : array of shape (n,), optional
        Capacity and tail cut of each row.
    confidence : float
        Of the intervals, between 0 and 1.
    generations : int, optional
        How many generations of resampling lie behind the data, if that is known: the law generations is then
        the exact recursion, with the sample size $T_0$ between generations as its parameter.

    Returns
    -------
    CurveComparison or CurveFit
        ``.best`` (of a comparison), ``.parameters``, ``.plateau``, ``.regime``, ``.sentences``,
        ``.predict(T)``, ``.aicc``, ``.bic``, ``.to_dict()``; print it for a table.

    Raises
    ------
    InvalidSetting
        For errors that are not positive and finite, too few rows, and unknown laws.

    Examples
    --------
    >>> import numpy as np
    >>> T = np.geomspace(10, 1e6, 30)
    >>> noise = 0.03 * np.random.default_rng(0).standard_normal(30)
    >>> found = fit_curve(T, (T**-0.5 + 0.02) * np.exp(noise))
    >>> found.best.law.name, found.regime
    ('floor', 'on a plateau')
    >>> level = found.best.plateau.level
    >>> level.low < 0.02 < level.high
    True
    """
    if not (isinstance(confidence, float) and 0 < confidence < 1):
        raise InvalidSetting("confidence", confidence, "a number between 0 and 1, such as 0.95")
    curve = LossCurve(T, E, standard_error, d, k)
    if curve.rows < 3:
        raise InvalidSetting("E", curve.E, "at least 3 rows: a power law has two parameters")
    laws = laws_of(curve, generations)
    if law is not None:
        if law not in laws:
            wanted = f"one of {', '.join(laws)}" + (
                "" if "triplet" in laws else ", or columns d or k for triplet"
            )
            raise InvalidSetting("law", law, wanted)
        return fit_law(curve, laws[law], confidence)
    # AICc wants one row more than parameters and scatter, and one more to be defined.
    spare = 1 if curve.log_scale is not None else 3
    enough = [one for one in laws.values() if curve.rows >= len(one.parameters) + spare]
    if not enough:
        raise InvalidSetting(
            "E", curve.E, f"at least {2 + spare} rows to compare laws; with law='clean' 3 will do"
        )
    fits = sorted((fit_law(curve, one, confidence) for one in enough), key=lambda fit: fit.aicc)
    left_out = tuple(name for name, one in laws.items() if one not in enough)
    return CurveComparison({fit.law.name: fit for fit in fits}, left_out)
