"""Numbers behind the section on deliberate practice of docs/errata.md: printed formulas beside the corrected
one and a seeded simulation.

``python -m tests.theory.pruning.pruned_errata`` prints the table of the page.
"""

from typing import NamedTuple

import numpy as np
from scipy.stats import norm

import freeridge as fr
from freeridge.theory.pruning.pruned_formulas import Constants, lemma_1, lemma_2, theorem_1


class Case(NamedTuple):
    """Theorem 1 of one setting: as in the main text, as in the appendix, corrected, and simulated."""

    name: str
    main_text: float
    appendix: float
    corrected: float
    simulated: float
    standard_error: float


# Rule, threshold, rho_star, phi, ridge.
SETTINGS = [
    ("keep hard", 1.0, 0.7, 350 / 1500, 0.01), ("keep easy", 0.5, 0.8, 350 / 1500, 0.01),
    ("keep hard", 0.5, 0.9, 0.1, 0.1), ("keep easy", 1.0, 0.6, 1.5, 0.3),
]  # fmt: skip


def printed(constants: Constants, phi: float, ridge: float, rho: float) -> tuple[float, float]:
    """The test error by the main text's Theorem 1, and by its proof with the main text's last step."""
    p, gamma, beta, tilde = constants
    omega, omega_tilde = np.sqrt(1.0 - rho**2) * beta, rho * tilde
    gap = p - phi + ridge
    m = (np.sqrt(gap**2 + 4.0 * phi * ridge) - gap) / (2.0 * phi * ridge)
    slope = 1.0 / (1.0 / m**2 - p * phi / (1.0 + phi * m) ** 2)
    m_tilde = 1.0 / (gamma / (1.0 + phi * m) + ridge)
    slope_tilde = (1.0 + gamma * phi * slope / (1.0 + phi * m) ** 2) * m_tilde**2

    def error(m_0: float, square: float, other: float) -> float:
        r, slope_r = square * m + other * m_tilde, square * slope + other * slope_tilde
        nu_0 = p * phi * slope + slope_r - 2.0 * phi * slope / (1.0 + phi * m) * r
        with np.errstate(invalid="ignore"):  # the root of the main text can be that of a negative number
            return float(norm.cdf(-m_0 / np.sqrt(nu_0 - m_0**2)))

    scale = np.sqrt(2.0 / np.pi)
    main = error(scale * (omega**2 * m + omega_tilde**2 * m_tilde), omega**2, omega_tilde**2)
    return main, error(scale * (omega * m + omega_tilde * m_tilde), beta**2, tilde**2)


def cases(d: int, replicates: int, key: int) -> list[Case]:
    """All of them, simulated at one dimension."""
    found = []
    for kind, threshold, rho, phi, ridge in SETTINGS:
        lemma, rule = (lemma_1, fr.KeepHard) if kind == "keep hard" else (lemma_2, fr.KeepEasy)
        constants = lemma(rho, threshold)
        setting = fr.PrunedClassifier(phi, ridge, rho_star=rho, keep=rule(threshold=threshold), d=d)
        estimate = setting.simulate(key, replicates)
        right = theorem_1(constants, phi, ridge, 1.0, rho, rho)
        name = f"{kind}, threshold {threshold:g}, rho {rho:g}, phi {phi:.3g}, ridge {ridge:g}"
        simulated, error = float(estimate.error), float(estimate.standard_error["error"])
        found.append(Case(name, *printed(constants, phi, ridge, rho), right, simulated, error))
    return found


if __name__ == "__main__":
    import jax

    jax.config.update("jax_enable_x64", True)
    print("| setting | main text | appendix | corrected | simulated | standard error |")
    for case in cases(700, 40, 0):
        print(f"| {case.name} | " + " | ".join(f"{value:.4f}" for value in case[1:]) + " |")
