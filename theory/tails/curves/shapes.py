r"""Shapes of loss curves on heavy-tailed data: $\log E$ less $\log A$, for every law with one power of T.

On Zipf data, $p_i \propto i^{-\beta}$ with $c = 1 - 1/\beta$, a model that has memorised what it saw errs on
$E = \sum_i p_i (1 - q_i)^T$. With $q = p$ this is $A T^{-c}$ for large T. The laws below are what such sums
become when the tail was cut, drawn again or mixed, for in the continuum

$$ \sum_i p_i f(p_i T) \to \frac{A T^{-c}}{\Gamma(c)} \int_0^\infty x^{c - 1} f(x)\, dx . $$

P and Q are the regularised incomplete gamma functions. Only A and c are left of Zipf data, so the laws
describe any curve whose clean part is a power law.

References
----------
E. Dohmatob, Y. Feng, P. Yang, F. Charton, J. Kempe, A Tale of Tails: Model Collapse as a Change of Scaling
Laws, arXiv 2402.07043: Theorems 2.1 (cut), 2.4 (generations) and 3.2 (mixing), which give the powers of T on
both sides of a crossover; the shapes in between are derived in ``docs/fitting.md``.
"""

from typing import Any

import numpy as np
from scipy.special import gammainc, gammaincc, gammaln


def clean_shape(T: Any, c: Any) -> Any:
    r"""$\log T^{-c}$."""
    return -c * np.log(T)


def floor_shape(T: Any, c: Any, T_b: Any) -> Any:
    r"""$\log\, (T^{-c} + T_b^{-c})$: a constant is added, which is reached at $T_b$."""
    return np.logaddexp(-c * np.log(T), -c * np.log(T_b))


def cut_shape(T: Any, c: Any, T_k: Any) -> Any:
    r"""$\log\, T^{-c} [Q(c, \tau) + \tau^c / \Gamma(c + 1)]$, $\tau = T / T_k$: no rank after k is seen.

    Examples
    --------
    >>> bool(np.isclose(cut_shape(1e9, 0.5, 1e3), cut_shape(1e12, 0.5, 1e3)))
    True
    """
    tau = T / T_k
    return -c * np.log(T) + np.logaddexp(_log(gammaincc(c, tau)), c * np.log(tau) - gammaln(c + 1))


def mixing_shape(T: Any, c: Any, T_k: Any, share: Any) -> Any:
    r"""$\log\, T^{-c} [Q(c, \tau) + \pi^{-c} P(c, \pi \tau)]$: ranks beyond k are seen in a share $\pi$ of T.

    Examples
    --------
    >>> bool(np.isclose(mixing_shape(1e3, 0.5, 1e3, 1e-9), cut_shape(1e3, 0.5, 1e3)))
    True
    """
    tau = T / T_k
    seen = -c * np.log(share) + _log(gammainc(c, share * tau))
    return -c * np.log(T) + np.logaddexp(_log(gammaincc(c, tau)), seen)


def generations_shape(T: Any, c: Any, T_s: Any) -> Any:
    r"""$\log\, (1/T + 1/T_s)^c$: many generations, of which only $T_s = 2 T_0 / n$ is left."""
    return c * np.log(1 / T + 1 / T_s)


def recursion_shape(T: Any, c: Any, T_0: Any, generations: int) -> Any:
    r"""$\log\, (T_0 c_n)^{-c}$ with $c_0 = T / T_0$, $c_{g + 1} = 1 - e^{-c_g}$: exactly n generations.

    Rank i is seen in the last draw when it survived every one before; with Poisson counts the probability of
    that is again exponential, $1 - e^{-p_i T_0 c_n}$ to leading order in $p_i$.

    Examples
    --------
    >>> bool(np.isclose(recursion_shape(1e9, 0.5, 1e3, 1), np.log(1e3**-0.5)))
    True
    """
    seen = T / T_0
    for _ in range(generations):
        seen = -np.expm1(-seen)
    return -c * np.log(T_0 * seen)


def _log(values: Any) -> Any:
    """Logarithm of what may be 0."""
    with np.errstate(divide="ignore"):
        return np.log(values)
