r"""The rate of Hutter++ on Zipf data with its prefactors: what the exact error becomes for many samples.

One context that has been seen $n$ times is at the distance

$$ D(n) = C n^{-c} + B n^{-1/2} + \dots, \qquad c = 1 - 1/\beta, $$

the first term from the tail of next tokens, the second from its head. Where neighbouring ranks are alike the
sum over them is an integral of the mean absolute deviation $\varphi$ of Poisson's law, and

$$ C = \frac{\zeta(\beta)^{-1/\beta}}{\beta} \int_0^\infty \varphi(\mu) \mu^{-1/\beta - 1} d\mu, \qquad
   B = \sqrt{2 / \pi} \sum_j \sqrt{p_j (1 - p_j)}, $$

the sum continued to $\beta < 2$ and the integral to $\beta > 2$ by zeta functions. Contexts are summed by a
Mellin transform. It has a double pole at $c$, because $\sum_i p_i^{1 - c}$ is the harmonic series: hence a
logarithm,

$$ E = T^{-c} (a \log T + b) + h\, T^{-1/2} + \dots $$

with $a = C \zeta(\beta)^{-1/\beta} / \beta$ and $h = B \zeta(\beta / 2) \zeta(\beta)^{-1/2}$. For $\beta < 2$
the first term leads, for $\beta > 2$ the last. The derivation is in ``docs/theory/tails-bigram.md``.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from scipy import special

from freeridge.solvers.errors import InvalidSetting
from freeridge.theory.tails.bigrams.deviation import NextToken, distances

_TERMS = 400  # of the series for C before its tail is extrapolated
_ORDERS = 9  # of that extrapolation
_COUNTS = 4096  # of D(n) in the constant b


@dataclass(frozen=True)
class BigramLaw:
    r"""$E(T) \approx T^{-c} (a \log T + b) + h\,T^{-1/2} + P$.

    Parameters
    ----------
    c : float
        $1 - 1/\beta$.
    logarithmic, constant, half : float
        $a$, $b$ and $h$.
    context : float
        $C$, of a single context.
    plateau : float
        $P = 2 \sum_{j > k} p_j$, what is left of a cut at $k$ when there are samples without end; 0 without.
    """

    c: float
    logarithmic: float
    constant: float
    half: float
    context: float
    plateau: float

    @property
    def exponent(self) -> float:
        r"""$\min(c, 1/2)$, of Theorem 4.1."""
        return min(self.c, 0.5)

    def __call__(self, samples: Any) -> Any:
        """The law at one or many T. With a cut it is an upper estimate near the crossover."""
        T = np.asarray(samples, np.float64)
        tail = T**-self.c * (self.logarithmic * np.log(T) + self.constant)
        return tail + self.half * T**-0.5 + self.plateau


def bigram_law(beta: float, cut: float = np.inf) -> BigramLaw:
    """Rate and prefactors.

    Parameters
    ----------
    beta : float
        Above 1 and not 2.
    cut : float
        Of the next token's ranks; infinity for none.

    Raises
    ------
    InvalidSetting
        At beta = 2, which Theorem 4.1 leaves out.

    Examples
    --------
    >>> law = bigram_law(1.5)
    >>> round(law.exponent, 6), round(law.logarithmic, 5), round(law.constant, 5)
    (0.333333, 1.18959, -2.81301)
    >>> bigram_law(3.0).exponent
    0.5
    """
    if beta == 2.0:
        raise InvalidSetting(
            "beta",
            beta,
            "an exponent other than 2, which Theorem 4.1 leaves out: both rates are 1/2 there and the risk "
            "falls as sqrt(2 / pi) (log T)^2 / (8 zeta(2) sqrt(T)) to leading order",
        )
    scale = float(special.zeta(beta))
    outer = scale ** (-1.0 / beta)
    head, context = _head(beta), outer / beta * deviation_integral(beta)
    part = _finite_part(beta, context, head)
    return BigramLaw(
        c=1.0 - 1.0 / beta,
        logarithmic=outer * context / beta,
        constant=outer * (context * (np.euler_gamma - float(np.log(scale)) / beta) + part / beta),
        half=head * float(special.zeta(beta / 2.0)) / scale**0.5,
        context=context,
        plateau=2.0 * NextToken(beta, cut).missing,
    )


@lru_cache(maxsize=64)
def deviation_integral(beta: float) -> float:
    r"""The integral of $\varphi(\mu) \mu^{-1/\beta - 1}$, $\varphi$ the mean deviation of Poisson's law.

    By De Moivre $\varphi(\mu) = 2 e^{-\mu} \mu^m / (m - 1)!$ for $m - 1 \le \mu < m$: a series of incomplete
    gamma functions whose terms are a power series in $1 / m$ times $m^{-1/\beta - 1/2}$.

    For $\beta > 2$ the integral diverges at infinity and stands for its continuation, in which the square
    root that $\varphi$ tends to contributes nothing.
    """
    s = -1.0 / beta
    m = np.arange(1.0, _TERMS + 1.0)
    terms = _term(m, s)
    at = np.geomspace(_TERMS / 16.0, _TERMS, _ORDERS).round()
    powers = s - 0.5 - np.arange(_ORDERS)
    coefficients = np.linalg.solve((at[:, None] / _TERMS) ** powers, _term(at, s)) * _TERMS**-powers
    return float(terms.sum() + coefficients @ [_zeta_after(-power, _TERMS) for power in powers])


def _term(m: np.ndarray, s: float) -> np.ndarray:
    r"""The part of the integral between $m - 1$ and $m$."""
    between = special.gammainc(m + s, m) - special.gammainc(m + s, m - 1.0)
    return np.asarray(2.0 * special.poch(m, s) * between)


def _zeta_after(x: float, last: int) -> float:
    """Sum of n^-x over all n beyond the last, continued to x < 1."""
    if x > 1.0:
        return float(special.zeta(x, last + 1.0))
    return float(special.zeta(x) - np.sum(np.arange(1.0, last + 1.0) ** -x))


@lru_cache(maxsize=64)
def _head(beta: float) -> float:
    """B: the sum of sqrt(p), continued, and what the factors sqrt(1 - p) take from it."""
    law, ranks = NextToken(beta), np.arange(1.0, 1001.0)
    p = law.probability(ranks)
    rest = np.where(ranks == 1.0, law.mass_from(2.0), 1.0 - p)
    less = -p / (1.0 + np.sqrt(rest))
    beyond = -0.5 * special.zeta(1.5 * beta, 1001.0) / special.zeta(beta) ** 1.5
    beyond -= 0.125 * special.zeta(2.5 * beta, 1001.0) / special.zeta(beta) ** 2.5
    whole = special.zeta(beta / 2.0) / special.zeta(beta) ** 0.5
    return float((2.0 / np.pi) ** 0.5 * (whole + np.sqrt(p) @ less + beyond))


@lru_cache(maxsize=64)
def _finite_part(beta: float, context: float, head: float) -> float:
    r"""Of $\sum_n D(n) \Gamma(n + s) / n!$ at its pole $s = c$."""
    c = 1.0 - 1.0 / beta
    n = np.arange(1.0, _COUNTS + 1.0)
    terms = distances(NextToken(beta), _COUNTS)[1:] * special.poch(n, c) / n - context / n
    rest = head * _zeta_after(1.5 - c, _COUNTS)
    rest += context * 0.5 * c * (c - 1.0) * _zeta_after(2.0, _COUNTS)
    return float(special.gamma(c) + terms.sum() + rest + context * np.euler_gamma)
