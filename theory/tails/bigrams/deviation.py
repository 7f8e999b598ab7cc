r"""How far the next-token frequencies of one context are from their law, in expectation and exactly.

A context that has been seen $n$ times has the frequencies $X_j / n$, $X_j$ binomial. The expected distance of
one frequency to its probability is a mean absolute deviation, which De Moivre gave in closed form:

$$ E |X - n p| = 2 m (1 - p) \binom{n}{m} p^m (1 - p)^{n - m}, \qquad X \sim \mathrm{Bin}(n, p),\;
   m = \lfloor n p \rfloor + 1 . $$

Everything here is NumPy: counts have kinks, and nothing is to be differentiated.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float
from scipy import special

Numbers = Float[np.ndarray, "..."]

# Weights on h(a), h(a + 1), ... that are left of a sum from a to infinity when the integral is taken off
# (Gregory): the k-th coefficient belongs to the k-th forward difference.
_GREGORY = np.array(
    [1 / 2, -1 / 12, 1 / 24, -19 / 720, 3 / 160, -863 / 60480, 275 / 24192, -33953 / 3628800, 8183 / 1036800]
)
_DIFFERENCES = np.array([[special.comb(k, r) * (-1.0) ** (k - r) for r in range(9)] for k in range(9)])
_END_WEIGHTS = _GREGORY @ _DIFFERENCES

_STIRLING_FROM = 16
_SMALL = np.arange(1.0, _STIRLING_FROM)
_STIRLING_TABLE = np.concatenate(
    [
        [0.0],
        special.gammaln(_SMALL + 1.0)
        - ((_SMALL + 0.5) * np.log(_SMALL) - _SMALL + 0.5 * np.log(2.0 * np.pi)),
    ]
)


@dataclass(frozen=True)
class NextToken:
    r"""The law of the next token's rank, $p_j = j^{-\beta} / \zeta(\beta)$, and its head of $k$ ranks.

    Parameters
    ----------
    beta : float
        Exponent, above 1.
    cut : float
        $k$: training data hold the ranks up to it only, with probabilities $q_j = p_j / (p_1 + \dots + p_k)$.
        Infinity for all of them.
    """

    beta: float
    cut: float = np.inf

    def probability(self, rank: Numbers) -> Numbers:
        """$p_j$."""
        return np.asarray(rank**-self.beta / special.zeta(self.beta))

    @property
    def missing(self) -> float:
        """Mass of the ranks beyond the cut."""
        return self.mass_from(self.cut + 1.0)

    def mass_from(self, rank: float) -> float:
        """Mass of a rank and all after it."""
        if np.isinf(rank):
            return 0.0
        return float(special.zeta(self.beta, rank) / special.zeta(self.beta))

    def rank_of(self, probability: float) -> float:
        """The real rank that has a probability."""
        return float((probability * special.zeta(self.beta)) ** (-1.0 / self.beta))

    def deviation(self, rank: Numbers, n: Numbers) -> Numbers:
        """$E |X / n - p_j|$ for ranks up to the cut, X counting the rank in n training pairs."""
        p, kept = self.probability(rank), 1.0 - self.missing
        # The complement of the first probability loses its digits as a difference when beta is large.
        first = (self.mass_from(2.0) - self.missing) / kept
        q, rest = p / kept, np.where(rank == 1.0, first, 1.0 - p / kept)
        above = np.minimum(np.floor(n * p) + 1.0, n)
        found = 2.0 * above / n * rest * binomial_pmf(above, n, q, rest)
        if self.cut < np.inf:
            below = special.betainc(n - above + 1.0, above, rest)  # P(X < above)
            found = found + (q - p) * (1.0 - 2.0 * below)
        return np.asarray(found)

    def rare(self, first: float, survival: Callable[[Numbers], Numbers]) -> Numbers:
        r"""Deviations of all ranks from `first` to infinity, each of them expected less than once.

        There $E|X/n - p| = q - p + 2 p (1 - q)^n$ up to the cut and $p$ beyond it.

        Parameters
        ----------
        first : float
            A rank with $n p_j \le 1$.
        survival : callable
            $(1 - q)^n$ as a function of $q$, which is its last axis; other axes are kept.
        """
        if first > self.cut:
            return np.asarray(self.missing)
        kept = 1.0 - self.missing
        found = tail_sum(lambda p: survival(p / kept), self.beta, first)
        if self.cut < np.inf:
            found = found - tail_sum(lambda p: survival(p / kept), self.beta, self.cut + 1.0)
        within = self.mass_from(first) - self.missing
        return np.asarray(2.0 * found + within * self.missing / kept + self.missing)


def binomial_pmf(x: Numbers, n: Numbers, p: Numbers, rest: Numbers) -> Numbers:
    """P(X = x), X ~ Bin(n, p), to nearly full precision for any n (Loader's saddle-point form).

    Logarithms of factorials would lose eight digits at n = 1e7; here only what is left of them beyond
    Stirling's formula is summed, and the exponent is written in the distance to the mean.

    Parameters
    ----------
    x, n : array
        Whole numbers, 0 <= x <= n, n > 0.
    p, rest : array
        Probability and its complement.
    """
    inside = np.clip(x, 1.0, np.maximum(n - 1.0, 1.0))
    others = np.maximum(n - inside, 1.0)
    rest = np.maximum(rest, 1e-200)
    away = inside - n * p
    with np.errstate(divide="ignore", invalid="ignore"):  # at n = 1, where only the ends count
        deviance = inside * np.log1p(away / (n * p)) + others * np.log1p(-away / (n * rest))
    exponent = _beyond_stirling(n) - _beyond_stirling(inside) - _beyond_stirling(others) - deviance
    found = np.sqrt(n / (2.0 * np.pi * inside * others)) * np.exp(exponent)
    none = np.where(p < 0.5, np.log1p(-np.minimum(p, 0.5)), np.log(rest))
    found = np.where(x == 0.0, np.exp(n * none), found)
    return np.asarray(np.where(x == n, np.exp(n * np.log(p)), found))


def tail_sum(function: Callable[[Numbers], Numbers], beta: float, first: float, nodes: int = 32) -> Numbers:
    r"""$\sum_{i \ge a} p_i g(p_i)$ over infinitely many ranks of a Zipf law.

    The integral $\int p\, g\, di = (a p_a / \beta) \int_0^1 t^{-1/\beta} g(p_a t)\, dt$ is a Gauss rule for a
    smooth $g$; Gregory's weights on nine ranks lead from the integral to the sum.

    Parameters
    ----------
    function : callable
        $g$, of an array of probabilities that is its last axis.
    beta, first : float
        Exponent, and the first rank $a$, large against the ranks over which $p\, g$ changes.
    nodes : int
        Of the quadrature.

    Examples
    --------
    >>> whole = tail_sum(lambda p: np.ones_like(p), beta=1.5, first=64.0)
    >>> bool(abs(whole - special.zeta(1.5, 64.0) / special.zeta(1.5)) < 1e-15)
    True
    """
    x, weights = _power_weights(nodes, beta)
    top = first**-beta / special.zeta(beta)
    # The weights are least exact at zero, where the function is flat: its value there is taken off.
    value = function(np.full(1, 1e-300))
    above = (function(top * x) - value) @ weights + value[..., 0] / (1.0 - 1.0 / beta)
    integral = top * first / beta * above
    ranks = first + np.arange(9.0)
    probabilities = ranks**-beta / special.zeta(beta)
    return np.asarray(integral + (probabilities * function(probabilities)) @ _END_WEIGHTS)


@lru_cache(maxsize=64)
def distances(law: NextToken, size: int) -> Float[np.ndarray, " n"]:
    r"""$D(n) = \sum_j E |X_j / n - p_j|$ for $n = 0, \dots, N$; $D(0) = 1$, the distance of no answer.

    Examples
    --------
    >>> [round(float(d), 9) for d in distances(NextToken(2.0), 2)]  # D(1) = 2 - 2 sum p^2
    [1.0, 1.2, 0.960041308]
    """
    found, start = [np.ones(1)], 1
    while start <= size:
        stop = min(2 * start, size + 1)
        n = np.arange(float(start), stop)[:, None]
        head = first_rare(law, stop - 1.0)
        ranks = np.arange(1.0, min(head, law.cut + 1.0))
        rare = law.rare(head, lambda q, n=n: np.exp(n * np.log1p(-q)))  # type: ignore[misc]
        found.append(law.deviation(ranks, n).sum(axis=1) + rare)
        start = stop
    table = np.concatenate(found)
    table.flags.writeable = False  # it is shared by all who ask
    return table


def first_rare(law: NextToken, n: float) -> float:
    """The rank from which on all are expected less than once in n, large enough to sum from it smoothly."""
    return max(128.0, float(np.ceil(law.rank_of(1.0 / n))) + 1.0)


@lru_cache(maxsize=64)
def _power_weights(nodes: int, beta: float) -> tuple[Numbers, Numbers]:
    r"""Nodes and weights for $\int_0^1 t^{-1/\beta} g(t) dt$, exact for polynomials.

    Legendre's nodes with weights from the moments of his polynomials, which are products: Gauss and Jacobi's
    own weights lose digits as beta goes to 1.
    """
    x, weights = np.polynomial.legendre.leggauss(nodes)
    k = np.arange(1.0, nodes)
    moments = np.cumprod(np.append(1.0 / (1.0 - 1.0 / beta), (1.0 - 1.0 / beta - k) / (1.0 - 1.0 / beta + k)))
    scaled = (2.0 * np.arange(nodes) + 1.0) * moments
    return 0.5 * (1.0 + x), 0.5 * weights * (np.polynomial.legendre.legvander(x, nodes - 1) @ scaled)


def _beyond_stirling(x: Numbers | float) -> Numbers:
    """log x! minus Stirling's formula for it."""
    z = 1.0 / (x * x)
    series = (1 / 12 - z * (1 / 360 - z * (1 / 1260 - z * (1 / 1680 - z / 1188)))) / x
    small = _STIRLING_TABLE[np.minimum(x, _STIRLING_FROM - 1.0).astype(np.intp)]
    return np.asarray(np.where(x < _STIRLING_FROM, small, series))
