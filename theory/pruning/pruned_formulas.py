r"""Closed forms of the deliberate-practice paper as plain NumPy functions, for isotropic inputs.

They are written from the paper, with its misprints corrected (``docs/errata.md``), and share nothing with the
general solver but the mathematics: an independent check of
:class:`freeridge.theory.pruning.pruned_classifier.PrunedClassifier`. Labels are those of the generator
$w_g$; rules look at the score of the oracle $w_o$ alone, symmetrically; $\Phi$ and $\varphi$ are the normal
distribution and density, $\tau = \rho_g / \sqrt{1 - \rho_g^2}$ with $\rho_g$ the cosine of $w_o$ and $w_g$.
"""

from typing import NamedTuple

import numpy as np
from scipy.stats import norm

Real = float | int


class Constants(NamedTuple):
    """What Theorem 1 asks of a symmetric rule."""

    p: float
    r"""$E\, q(G)$"""
    gamma: float
    r"""$E\, q(G) G^2$"""
    beta: float
    r"""$2 E\, q(G) \varphi(\tau G)$"""
    beta_tilde: float
    r"""$2 E\, q(G) \Phi(\tau G) G$"""


def lemma_1(rho_g: Real, threshold: Real) -> Constants:
    r"""Keep hard, $|G| \le \alpha$.

    With $\epsilon_1 = 2 \Phi(\alpha / \sqrt{1 - \rho_g^2}) - 1$ and $\epsilon_2 = 2 \Phi(\tau \alpha) - 1$,

    $$ \beta = 2 \varphi(0) \sqrt{1 - \rho_g^2}\, \epsilon_1, \qquad
       \tilde\beta = 2 \big( \rho_g \varphi(0) \epsilon_1 - \varphi(\alpha) \epsilon_2 \big) . $$

    Correct as printed.

    Examples
    --------
    >>> [round(value, 6) for value in lemma_1(0.6, 1.0)]
    [0.682689, 0.198748, 0.503434, 0.112982]
    """
    rest = np.sqrt(1.0 - rho_g**2)
    one = 2.0 * norm.cdf(threshold / rest) - 1.0
    two = 2.0 * norm.cdf(rho_g / rest * threshold) - 1.0
    share = 2.0 * norm.cdf(threshold) - 1.0
    return Constants(
        float(share),
        float(share - 2.0 * threshold * norm.pdf(threshold)),
        float(2.0 * norm.pdf(0.0) * rest * one),
        float(2.0 * (rho_g * norm.pdf(0.0) * one - norm.pdf(threshold) * two)),
    )


def lemma_2(rho_g: Real, threshold: Real) -> Constants:
    r"""Keep easy, $|G| > \alpha$.

    The same $\beta$ with $\epsilon_1 = 2 \Phi(-\alpha / \sqrt{1 - \rho_g^2})$, and $\tilde\beta = 2 (\rho_g
    \varphi(0) \epsilon_1 + \varphi(\alpha) \epsilon_2)$.

    Correct as printed.

    Examples
    --------
    Hard and easy rows together are all rows:

    >>> hard, easy = lemma_1(0.6, 1.0), lemma_2(0.6, 1.0)
    >>> [round(one + other, 6) for one, other in zip(hard, easy)]
    [1.0, 1.0, 0.638308, 0.478731]
    """
    rest = np.sqrt(1.0 - rho_g**2)
    one = 2.0 * norm.cdf(-threshold / rest)
    two = 2.0 * norm.cdf(rho_g / rest * threshold) - 1.0
    share = 2.0 * norm.cdf(-threshold)
    return Constants(
        float(share),
        float(share + 2.0 * threshold * norm.pdf(threshold)),
        float(2.0 * norm.pdf(0.0) * rest * one),
        float(2.0 * (rho_g * norm.pdf(0.0) * one + norm.pdf(threshold) * two)),
    )


def theorem_1(constants: Constants, phi: Real, ridge: Real, rho: Real, rho_star: Real, rho_g: Real) -> float:
    r"""Test error with ridge $\lambda > 0$. At $z = -\lambda$, with

    $$ m(z) = \frac{p - \phi - z - \sqrt{(p - \phi - z)^2 - 4 \phi z}}{2 \phi z}, \quad
       s(z) = \frac{\gamma}{1 + \phi m}, \quad \tilde m(z) = \frac{1}{s - z}, \quad
       r = \beta^2 m + \tilde\beta^2 \tilde m, $$

    $$ m_0 = \rho_* \tilde\beta \tilde m + \frac{\rho - \rho_g \rho_*}{\sqrt{1 - \rho_g^2}} \beta m, \qquad
       \nu_0 = p \phi m' + r' - \frac{2 \phi m'}{1 + \phi m} r, \qquad
       E = \frac1\pi \arccos \frac{m_0}{\sqrt{\nu_0}} . $$

    The paper has $\rho = 1$ and $\rho_g = \rho_*$; its main text prints another r and $m_0$, and $\Phi$ in
    place of the arccosine.

    Parameters
    ----------
    constants : Constants
    phi, ridge : float
        $\phi = d / n$ and $\lambda > 0$.
    rho, rho_star, rho_g : float
        Cosines of generator and truth, oracle and truth, oracle and generator.

    Examples
    --------
    >>> round(theorem_1(lemma_1(0.7, 1.0), 350 / 1500, 0.05, 0.8, 0.9, 0.7), 4)  # simulated: 0.2583
    0.2584
    """
    p, gamma, beta, tilde = constants
    gap = p - phi + ridge
    root = np.sqrt(gap**2 + 4.0 * phi * ridge)
    # The printed root, 0 / 0 at small ridges, times its conjugate.
    m = 2.0 / (gap + root) if gap > 0 else (root - gap) / (2.0 * phi * ridge)
    # 1 / m = -z + p / (1 + phi m), and s of m, differentiated in z.
    slope = 1.0 / (1.0 / m**2 - p * phi / (1.0 + phi * m) ** 2)
    s = gamma / (1.0 + phi * m)
    m_tilde = 1.0 / (s + ridge)
    slope_tilde = (1.0 + gamma * phi * slope / (1.0 + phi * m) ** 2) * m_tilde**2
    r, slope_r = beta**2 * m + tilde**2 * m_tilde, beta**2 * slope + tilde**2 * slope_tilde
    own = (rho - rho_g * rho_star) / np.sqrt(1.0 - rho_g**2)
    m_0 = rho_star * tilde * m_tilde + own * beta * m
    nu_0 = p * phi * slope + slope_r - 2.0 * phi * slope / (1.0 + phi * m) * r
    return float(np.arccos(m_0 / np.sqrt(nu_0)) / np.pi)


def corollary_1(constants: Constants, phi: Real, rho_star: Real) -> float:
    r"""Test error without ridge, for a perfect generator ($\rho = 1$, $\rho_g = \rho_*$).

    With $\omega = \sqrt{1 - \rho_*^2}\, \beta$, $\tilde\omega = \rho_* \tilde\beta$, for $\phi < p$

    $$ r_0 = \beta^2 + \tilde\beta^2 \frac p\gamma, \quad
       r_0' = p \beta^2 + p \tilde\beta^2 \Big( \frac{(p - \phi) p}{\gamma^2} + \frac\phi\gamma \Big), \quad
       \cos \pi E = \frac{(\omega + \tilde\omega\, p / \gamma) / (p - \phi)}
                         {\sqrt{(p^2 \phi + r_0' - 2 \phi r_0) / (p - \phi)^3}} , $$

    and for $\phi > p$, with $c_0 = 1 - p / \phi$,

    $$ r_0 = \beta^2 + \frac{\tilde\beta^2}{\gamma / \phi + c_0}, \qquad
       \cos \pi E = \frac{c_0 (\omega + \tilde\omega / (\gamma / \phi + c_0))}{\sqrt{c_0 (p \phi - r_0)}} . $$

    Printed are constants of the main text's r in place of $r_0$.

    Parameters
    ----------
    constants : Constants
        Of a rule of the oracle, $\rho_g = \rho_*$.
    phi, rho_star : float

    Examples
    --------
    >>> constants = lemma_1(0.8, 1.0)
    >>> round(corollary_1(constants, 0.3, 0.8), 6) == round(theorem_1(constants, 0.3, 1e-12, 1, 0.8, 0.8), 6)
    True
    """
    p, gamma, beta, tilde = constants
    omega, omega_tilde = np.sqrt(1.0 - rho_star**2) * beta, rho_star * tilde
    if phi < p:
        r = beta**2 + tilde**2 * p / gamma
        slope = p * (beta**2 + tilde**2 * ((p - phi) * p / gamma**2 + phi / gamma))
        signal = (omega + omega_tilde * p / gamma) * np.sqrt(p - phi)
        cosine = signal / np.sqrt(p**2 * phi + slope - 2.0 * phi * r)
    else:
        rest = 1.0 - p / phi
        inner = gamma / phi + rest
        signal = np.sqrt(rest) * (omega + omega_tilde / inner)
        cosine = signal / np.sqrt(p * phi - beta**2 - tilde**2 / inner)
    return float(np.arccos(cosine) / np.pi)
