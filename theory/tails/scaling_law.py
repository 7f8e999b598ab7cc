r"""Rates with their prefactors: the regimes that the exact error passes through as the training set grows.

Where a range of ranks is drawn at the rate $r\,i^{-\beta'}$ per sample, what T samples miss of it is

$$ \sum_i p_i e^{-T r i^{-\beta'}} \to \frac{\Gamma(c')}{\beta' \zeta(\beta)} (r T)^{-c'}, \qquad
   c' = \frac{\beta - 1}{\beta'} , $$

and what is not drawn at all is missed for good. The error is then close to

$$ \min\big( E_{\mathrm{real}},\; E_\pi(T),\; \max( E_q(T), P ) \big) : $$

$E_q$ of the generator's samples, the plateau $P$ of what the generator lacks, $E_\pi$ of the real samples
among them, and $E_{\mathrm{real}}$ of those beside them. Each is a power of T, and regimes change where two
of them cross. Near a crossing the exact error is above or below by a factor of order one.
"""

from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from freeridge.solvers.tables import aligned

if TYPE_CHECKING:
    from freeridge.theory.tails.zipf_tail import ZipfTail

_FAR = 600.0  # logarithm of a T beyond which it does not matter where regimes cross


@dataclass(frozen=True)
class Regime:
    r"""A range of T in which $E \approx$ `prefactor` $T^{-\mathrm{exponent}}$; a plateau has the exponent 0.

    Examples
    --------
    >>> Regime(10.0, 1e4, 0.5, 0.25)(16.0)
    0.25
    """

    begins: float
    ends: float
    prefactor: float
    exponent: float

    def __call__(self, samples: float) -> float:
        """The power law, inside its range or not."""
        return float(self.prefactor * samples**-self.exponent)


@dataclass(frozen=True)
class ScalingLaw:
    """Regimes in the order of T.

    Examples
    --------
    >>> import freeridge as fr
    >>> print(scaling_law(fr.ZipfTail(beta=1.5, T=1, k=1000, real_share=0.01)))
    begins      ends  prefactor  exponent
    0        5.7e+04      0.934    0.3333
    5.7e+04  5.9e+06     0.0242         0
    5.9e+06      inf       4.37    0.3333
    """

    regimes: tuple[Regime, ...]

    def __call__(self, samples: float) -> float:
        """The law at T; compare with the exact error of the setting."""
        return next(regime for regime in self.regimes if samples <= regime.ends)(samples)

    @property
    def plateaus(self) -> tuple[Regime, ...]:
        """Regimes in which more samples do not help."""
        return tuple(regime for regime in self.regimes if regime.exponent == 0.0)

    def __str__(self) -> str:
        rows = [
            [f"{r.begins:.2g}", f"{r.ends:.2g}", f"{r.prefactor:.4g}", f"{r.exponent:.4g}"]
            for r in self.regimes
        ]
        return aligned(["begins", "ends", "prefactor", "exponent"], rows)


def scaling_law(setting: "ZipfTail") -> ScalingLaw:
    r"""The regimes of a setting over T, whatever its own T is.

    Clean data have one,
    $E \approx \zeta(\beta)^{-1/\beta} \beta^{-1} \Gamma(1 - 1/\beta)\, T^{-(1 - 1/\beta)}$. A cut at $k$ adds
    a plateau at $\sum_{i > k} p_i \approx k^{-(\beta - 1)} / ((\beta - 1) \zeta(\beta))$, from
    $T \approx k^\beta$ (Theorem 2.1). Generations of $T_0$ samples add one at the error of $T_0 C_n$ real
    samples, $C_1 = 1$, $C_{n+1} = 1 - e^{-C_n}$, close to $2 T_0 / n$ (Theorem 2.4 has an upper bound; see
    the errata). Narrowing makes the exponent $(\beta - 1) / \beta'$ (Corollary 2.3). A share $\pi$ of real
    data ends the plateau at $T \approx k^\beta / \pi$ (Theorem 3.2), and the narrow regime at the crossing of
    Theorem C.2.

    Parameters
    ----------
    setting : ZipfTail

    Returns
    -------
    ScalingLaw
    """
    beta, narrow = float(setting.beta), float(setting.generator_exponent)
    cut, share = float(setting.cut), float(setting.real_share)
    zeta = float(special.zeta(beta))

    def mass(first: float, last: float = np.inf) -> float:
        """Of the data, on a range of ranks."""
        return _range(beta, first, last) / zeta

    def drawn(rate: float, exponent: float = beta) -> Regime:
        """Ranks that are drawn at the rate r i^-exponent."""
        power = (beta - 1.0) / exponent
        return Regime(0.0, np.inf, float(special.gamma(power)) / exponent / zeta * rate**-power, power)

    # The error does not exceed what real samples leave of it.
    bounds = []
    if share > 0.0 and (narrow != beta or np.isfinite(cut)):
        bounds.append(drawn(share / zeta))
    if setting.real_samples > 0.0:
        bounds.append(_plateau(drawn(1.0 / zeta)(float(setting.real_samples))))

    # Parts of the error, each the least of its list.
    parts = []
    start = np.inf if setting.bought_from is None else float(setting.bought_from)
    bought = 0.0 if np.isinf(start) else float(setting.bought_share)
    rate = (1.0 - share - bought) / _range(narrow, 1.0, cut) + (share / zeta if narrow == beta else 0.0)
    if rate > 0.0:
        generated = drawn(rate, narrow)
        if setting.generator_samples is not None:
            parts.append([_plateau(generated(float(setting.generator_samples) * _left(setting.generations)))])
        # Once all ranks up to the cut are known, or those before the tail that is bought, no others are.
        edge = min(cut, start - 1.0)
        if np.isfinite(edge):
            ends = (generated.prefactor / mass(edge + 1.0)) ** (1.0 / generated.exponent)
            generated = Regime(0.0, ends, generated.prefactor, generated.exponent)
        parts.append([generated])
    elif bounds:
        parts.append([])
    if np.isfinite(start):
        parts.append([_plateau(mass(start)), drawn(bought / _range(beta, start, np.inf))])
    if np.isfinite(cut) and cut + 1.0 < start:
        parts.append([_plateau(mass(cut + 1.0, start - 1.0))])
    return _envelope([[*part, *bounds] for part in parts])


def _left(generations: int) -> float:
    """Part of a generator's samples that the last of many generations is worth: C_n."""
    left = 1.0
    for _ in range(generations - 1):
        left = -float(np.expm1(-left))
    return left


def _range(exponent: float, first: float, last: float) -> float:
    """Sum of i^-exponent."""
    beyond = 0.0 if np.isinf(last) else float(special.zeta(exponent, last + 1.0))
    return float(special.zeta(exponent, first)) - beyond


def _plateau(level: float) -> Regime:
    return Regime(0.0, np.inf, level, 0.0)


def _envelope(parts: list[list[Regime]]) -> ScalingLaw:
    """The largest of the parts, each the least of its powers, as a sequence of powers."""
    powers = [power for part in parts for power in part]

    def active(samples: float) -> Regime:
        # A part is over when one of its powers has ended.
        left = [part for part in parts if all(samples <= power.ends for power in part)]
        return max((min(part, key=lambda p: p(samples)) for part in left), key=lambda p: p(samples))

    crossings = {power.ends for power in powers if np.isfinite(power.ends)}
    for one, other in combinations(powers, 2):
        if one.exponent != other.exponent:
            place = np.log(one.prefactor / other.prefactor) / (one.exponent - other.exponent)
            crossings.add(float(np.exp(np.clip(place, -_FAR, _FAR))))
    edges = [0.0, *sorted(crossings), np.inf]
    regimes: list[Regime] = []
    for begins, ends in pairwise(edges):
        if ends <= begins * (1.0 + 1e-9):  # where more than two cross at once
            continue
        middle = (max(begins, min(1.0, ends) * 1e-6) * min(ends, max(1.0, begins) * 1e6)) ** 0.5
        power = active(middle)
        if regimes and (regimes[-1].prefactor, regimes[-1].exponent) == (power.prefactor, power.exponent):
            begins = regimes.pop().begins
        regimes.append(Regime(begins, ends, power.prefactor, power.exponent))
    return ScalingLaw(tuple(regimes))
