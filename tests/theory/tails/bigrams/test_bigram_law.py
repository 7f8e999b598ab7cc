"""The law of Hutter++: exponent and prefactors recovered from the exact curve, and the case left out."""

import numpy as np
import pytest
from scipy import integrate

from freeridge.solvers.errors import InvalidSetting
from freeridge.theory.tails.bigrams.bigram_law import bigram_law, deviation_integral
from freeridge.theory.tails.bigrams.bigram_tail import BigramTail
from freeridge.theory.tails.bigrams.deviation import NextToken, distances
from freeridge.theory.tails.bigrams.exact_risk import bigram_risk


@pytest.mark.parametrize("beta", [1.2, 1.5, 1.8])
def test_the_integral_against_quadrature(beta: float) -> None:
    """Directly up to 400, and beyond it by sqrt(2 mu / pi), whose next order vanishes on average."""
    found = 0.0
    for m in range(1, 401):

        def deviation(mu: float, m: int = m) -> float:
            logarithm = -mu + m * np.log(mu) - np.sum(np.log(np.arange(1, m)))
            return float(2.0 * np.exp(logarithm) * mu ** (-1.0 / beta - 1.0))

        found += integrate.quad(deviation, m - 1.0, m, epsabs=1e-13, epsrel=1e-11)[0]
    power = 0.5 - 1.0 / beta
    beyond = (2.0 / np.pi) ** 0.5 * 400.0**power / -power
    assert deviation_integral(beta) == pytest.approx(found + beyond, rel=1e-8)


@pytest.mark.parametrize("beta", [1.2, 1.5, 1.8])
def test_the_prefactor_of_one_context(beta: float) -> None:
    """C is the distance times n^c after the next order, 1/sqrt(n), is taken off; averaged over jitter."""
    law, n = bigram_law(beta), np.arange(2048.0, 4097.0)
    design = np.stack([n**-law.c, n**-0.5], axis=1)
    exact = distances(NextToken(beta), 4096)[2048:]
    fitted, *_ = np.linalg.lstsq(design / exact[:, None], np.ones(len(n)))
    assert fitted[0] == pytest.approx(law.context, rel=2e-3)


@pytest.mark.parametrize(("beta", "near"), [(1.2, 2e-5), (1.5, 1e-4), (1.8, 1e-4), (2.2, 5e-4), (3.0, 1e-3)])
def test_the_law_is_the_exact_risk_at_many_samples(beta: float, near: float) -> None:
    law = bigram_law(beta)
    for samples in (10_000.0, 100_000.0):
        assert law(samples) == pytest.approx(bigram_risk(beta, samples)[0], rel=near)


@pytest.mark.parametrize("beta", [1.4, 1.7, 3.0])
def test_exponent_and_prefactors_are_recovered_from_the_curve(beta: float) -> None:
    """T^c E is a line in log T with a T^(c - 1/2) correction: three numbers from three sizes."""
    law, samples = bigram_law(beta), np.array([2e4, 1e5, 5e5])
    exact = np.array([bigram_risk(beta, size)[0] for size in samples])
    columns = [samples**-law.c * np.log(samples), samples**-law.c, samples**-0.5]
    a, b, h = np.linalg.solve(np.stack(columns, axis=1), exact)
    leading = (a, law.logarithmic) if beta < 2.0 else (h, law.half)
    assert leading[0] == pytest.approx(leading[1], rel=1e-2)
    # With the other two terms taken off, what is left has the exponent of the theorem.
    if beta < 2.0:
        left = (exact - law.constant * columns[1] - law.half * columns[2]) / np.log(samples)
    else:
        left = exact - law.logarithmic * columns[0] - law.constant * columns[1]
    slope = np.log(left[-1] / left[0]) / np.log(samples[-1] / samples[0])
    assert slope == pytest.approx(-law.exponent, abs=1e-3)


def test_the_rate_has_a_logarithm() -> None:
    """T^c E grows by the same amount with every factor of T: a power alone would keep it."""
    samples = np.array([3e3, 3e4, 3e5])
    exact = np.array([bigram_risk(1.3, size)[0] for size in samples])
    law = bigram_law(1.3)
    scaled = samples**law.c * exact - law.half * samples ** (law.c - 0.5)
    steps = np.diff(scaled)
    assert np.allclose(steps, law.logarithmic * np.log(10.0), rtol=2e-3)


@pytest.mark.parametrize(("beta", "k"), [(1.4, 20), (3.0, 4)])
def test_the_plateau_of_a_cut(beta: float, k: int) -> None:
    setting = BigramTail(beta, 1_000_000 if beta > 2 else 300_000, k)
    plateau, risk = setting.law().plateau, float(setting.predict().risk)
    bare = bigram_risk(beta, float(setting.T))[0]
    assert plateau < risk < plateau + bare
    # Theorem 4.2 prints k^(-beta c), for beta > 2 k^(-beta / 2): an upper bound of the plateau, no more.
    far = [BigramTail(beta, 1, one).law().plateau for one in (10**4, 10**5)]
    assert np.log10(far[0] / far[1]) == pytest.approx(beta - 1.0, rel=1e-4)


def test_beta_two_is_left_out_of_the_law_and_not_of_the_risk() -> None:
    with pytest.raises(InvalidSetting, match="Theorem 4.1 leaves out"):
        BigramTail(2.0, 100).law()
    around = [float(BigramTail(beta, 10_000).predict().risk) for beta in (1.9999, 2.0, 2.0001)]
    assert around[1] == pytest.approx(0.5 * (around[0] + around[2]), rel=1e-6)
    # What the message says: the square of log T in sqrt(T) E has this prefactor.
    samples = np.array([1e4, 1e5, 1e6])
    scaled = [bigram_risk(2.0, size)[0] * size**0.5 for size in samples]
    square = np.polyfit(np.log(samples), scaled, 2)[0]
    assert square == pytest.approx((2.0 / np.pi) ** 0.5 / (8.0 * np.pi**2 / 6.0), rel=3e-3)
