"""Rates, prefactors and crossings, recovered from the exact curves."""

from typing import Any

import numpy as np
import pytest

import freeridge as fr
from freeridge.theory.tails.scaling_law import scaling_law

FAST: list[dict[str, Any]] = [{}, {"k": 10**9}, {"k": 10**4, "real_share": 1e-12}, {"exponent": 2.5}]
SLOW: list[dict[str, Any]] = [
    {"exponent": 1.2},
    {"exponent": 2.4, "k": 10**7, "real_share": 1e-30},
    {"exponent": 5.0, "real_share": 1e-9},
    {"generator_samples": 1e13, "generations": 4},
    {"k": 10**9, "real_samples": 1e6},
    {"k": 10**5, "bought_from": 10**5 + 1},
    {"k": 10**5, "bought_from": 10**9},
]


@pytest.mark.parametrize("fields", FAST, ids=str)
def test_exponents_and_prefactors_of_every_regime(fields: dict[str, Any]) -> None:
    recover(1.5, fields)


@pytest.mark.slow
@pytest.mark.parametrize("fields", [*FAST, *SLOW], ids=str)
@pytest.mark.parametrize("beta", [1.2, 1.5, 2.2])
def test_exponents_and_prefactors_for_other_tails(beta: float, fields: dict[str, Any]) -> None:
    recover(beta, fields)


def recover(beta: float, fields: dict[str, Any]) -> None:
    """Deep inside each regime the exact curve has the power and the prefactor of the law, to 1e-3."""
    law = scaling_law(fr.ZipfTail(beta, 1, **fields))
    checked = 0
    for regime in law.regimes:
        low = max(regime.begins * 1e3, 1e4)
        high = min(regime.ends / 1e3, max(low, 1.0) * 1e12)
        if not low < high:
            continue
        curve = fr.sweep(fr.ZipfTail(beta, 1, **fields), {"T": np.geomspace(low, high, 61)})
        ratio = curve.risk / [regime(samples) for samples in curve["T"].values]
        close = (abs(ratio - 1) < 1e-3) & (abs(curve.local_exponent - regime.exponent) < 1e-3)
        assert close.any(), regime
        checked += 1
    assert checked >= 1


def test_the_law_is_near_the_exact_curve_everywhere() -> None:
    choices: list[dict[str, Any]] = [{}, {"k": 100, "real_share": 0.01}]
    for fields in choices:
        law = scaling_law(fr.ZipfTail(1.5, 1, **fields))
        curve = fr.sweep(fr.ZipfTail(1.5, 1, **fields), {"T": np.logspace(1, 10, 40)})
        ratios = [float(risk) / law(float(t)) for t, risk in zip(curve["T"], curve.risk, strict=True)]
        assert min(ratios) > 0.6 and max(ratios) < 1.7


def test_where_a_plateau_begins_and_ends() -> None:
    """Theorems 2.1 and 3.2: at k^beta and at k^beta / pi, and it gets longer as 1 / pi."""
    for share in (1e-3, 1e-5):
        (plateau,) = scaling_law(fr.ZipfTail(1.5, 1, k=1000, real_share=share)).plateaus
        # The constant between T and k^beta: Gamma(2 - 1/beta)^(beta/(beta-1)) / zeta, and shares of order pi.
        assert 0.5 < plateau.begins / 1000**1.5 < 5.0
        assert plateau.ends / plateau.begins == pytest.approx(1 / share, rel=0.2)
    assert scaling_law(fr.ZipfTail(1.5, 1)).plateaus == ()
    (endless,) = scaling_law(fr.ZipfTail(1.5, 1, k=1000)).plateaus
    assert np.isinf(endless.ends)


@pytest.mark.slow
def test_the_collapse_of_n_generations_grows_as_a_power_below_one() -> None:
    """The printed law n T^-c is an upper bound: the exact growth is (n / 2)^c (docs/errata.md)."""
    risks = [
        float(fr.ZipfTail(1.5, 1e8, generator_samples=1e8, generations=n).predict().risk) for n in (64, 256)
    ]
    assert np.log(risks[1] / risks[0]) / np.log(4) == pytest.approx(1 / 3, abs=0.01)


def test_the_printed_law() -> None:
    text = str(scaling_law(fr.ZipfTail(1.5, 1, k=1000)))
    assert (
        text.splitlines()[0].split() == ["begins", "ends", "prefactor", "exponent"]
        and len(text.splitlines()) == 3
    )
