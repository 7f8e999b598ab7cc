"""Which law the data follow, in which regime they are, and how often intervals hold the truth."""

import json
from typing import Any

import numpy as np
import pytest
from scipy import stats
from tests.theory.tails.curves.curve_cases import CASES, NOISE, SAMPLES, count_held

from freeridge.solvers.errors import InvalidSetting
from freeridge.theory.tails.curves.comparison import CurveComparison, fit_curve
from freeridge.theory.tails.curves.shapes import cut_shape, floor_shape, generations_shape, mixing_shape

T = SAMPLES


def compared(shape: Any, *parameters: float, key: int = 1, noise: float = NOISE) -> CurveComparison:
    rng = np.random.default_rng(key)
    return fit_curve(T, 2 * np.exp(shape(T, *parameters) + noise * rng.standard_normal(len(T))))


@pytest.fixture(scope="module")
def past() -> CurveComparison:
    """A curve that has left its plateau."""
    return compared(mixing_shape, 0.4, 1e3, 0.01)


def test_a_plateau_that_is_over(past: CurveComparison) -> None:
    assert past.best.law.name == "mixing" and past.regime == "past a plateau"
    plateau = past.best.plateau
    assert plateau is not None and plateau.end is not None
    assert plateau.begin.low < 1e3 < plateau.begin.high and plateau.end.low < 1e5 < plateau.end.high
    assert list(past.excess.values()) == sorted(past.excess.values()) and past.excess["mixing"] == 0
    assert sum(past.weights.values()) == pytest.approx(1)
    assert past.parameters is past.best.parameters and past.predict(1e5) == past.best.predict(1e5)


@pytest.mark.parametrize(
    ("shape", "parameters", "law", "regime"),
    [
        pytest.param(cut_shape, (0.35, 1e4), "cut", "on a plateau", marks=pytest.mark.slow),
        (cut_shape, (0.35, 2e7), "cut", "before a plateau"),
        (mixing_shape, (0.4, 1e3, 5e-5), "mixing", "on a plateau"),
        pytest.param(generations_shape, (0.35, 1e4), "generations", "on a plateau", marks=pytest.mark.slow),
        pytest.param(floor_shape, (0.35, 1e4), "floor", "on a plateau", marks=pytest.mark.slow),
    ],
)
def test_the_law_that_made_the_data_is_found(
    shape: Any, parameters: tuple[float, ...], law: str, regime: str
) -> None:
    found = compared(shape, *parameters, noise=0.01)
    assert found.best.law.name == law and found.best.regime == regime
    plateau, said = found.best.plateau, " ".join(found.sentences)
    assert plateau is not None and plateau.begin.low < parameters[1] < plateau.begin.high
    assert ("does not end" in said) != ("It is expected to end at T =" in said) == (law == "mixing")


def test_the_triplet_law_is_found() -> None:
    case = CASES["triplet"]
    some = np.isin(case.columns["d"], (10, 1e4)) & np.isin(case.columns["k"], (10, 1e4))
    E = next(case.draws(3, 1))[some]
    columns = {name: column[some] for name, column in case.columns.items()}
    found, other = (fit_curve(E=E, law=law, **columns) for law in ("triplet", "floor"))
    assert found.aicc < other.aicc - 10 and found.regime == "on a plateau"
    assert "The plateau is that of the largest sizes" in " ".join(found.sentences)


@pytest.mark.slow
def test_a_power_law_bounds_the_cut_that_it_does_not_show() -> None:
    case = CASES["clean"]
    found = fit_curve(T, next(case.draws(3, 1)))
    said = " ".join(found.sentences)
    assert "no plateau is seen" in said and "If a tail is cut all the same, then at T_k >" in said
    assert "beta = 1.5" in said
    bound = found.fits["cut"].parameters["T_k"].low
    # A cut ten times below the bound would have been seen.
    E = 2 * np.exp(cut_shape(T, 0.35, bound / 10)) * next(case.draws(3, 1)) / np.exp(case.exact()[0])
    assert fit_curve(T, E, "cut").aicc < fit_curve(T, E, "clean").aicc - 2


@pytest.mark.slow
def test_laws_that_are_not_told_apart_are_named() -> None:
    """A clean curve that ends before its plateau: every law is as good, and the regime is left open."""
    found = compared(cut_shape, 0.35, 3e7, key=3)
    assert found.regime.startswith("undecided: ") and found.best.regime in found.regime
    assert len(found.rivals) > 0 and "As good a law:" in " ".join(found.sentences)
    begin = found.fits["cut"].parameters["T_k"]
    assert begin.low < 3e7 < begin.high


def test_the_last_sample_size_within_the_interval_of_a_crossover() -> None:
    rng = np.random.default_rng(0)
    begun = fit_curve(T[:14], np.exp(cut_shape(T[:14], 0.35, 4e3) + NOISE * rng.standard_normal(14)), "cut")
    assert begun.parameters["T_k"].low < T[13] < begun.parameters["T_k"].high
    assert "whether it has begun is not settled" in " ".join(begun.sentences)
    noise = NOISE * np.random.default_rng(0).standard_normal(30)
    ended = fit_curve(T, np.exp(mixing_shape(T, 0.4, 1e2, 1.2e-5) + noise), "mixing")
    assert ended.regime == "past a plateau" and ended.derived["end"].low < 1e7 < ended.derived["end"].high
    assert "whether it has ended is not settled" in " ".join(ended.sentences)


def test_errors_that_no_law_explains() -> None:
    E = next(CASES["clean"].draws(7, 1))[:3]
    assert "misses the points" in " ".join(fit_curve(T[:3], E, None, 1e-3 * E).sentences)
    assert "misses the points" not in " ".join(fit_curve(T[:3], E, None, NOISE * E).sentences)


def test_few_rows_leave_laws_out() -> None:
    E = 2 * T[:6] ** -0.35 * np.exp(0.01 * np.sin(np.arange(6.0)))
    found = fit_curve(T[:5], E[:5])
    assert found.left_out == ("floor", "cut", "generations", "mixing") and list(found.fits) == ["clean"]
    assert "Too few rows for: floor, cut, generations, mixing." in found.sentences
    with pytest.raises(InvalidSetting, match="at least 5 rows to compare laws"):
        fit_curve(T[:4], E[:4])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"law": "quadratic"},
            "law = 'quadratic': expected one of clean, floor, cut, generations, mixing, or",
        ),
        ({"law": "triplet"}, "or columns d or k for triplet"),
        ({"confidence": 95.0}, "confidence = 95.0: expected a number between 0 and 1"),
        ({"confidence": 1.0}, "confidence = 1.0"),
        ({"generations": 0}, "generations = 0: expected a positive whole number"),
    ],
)
def test_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidSetting, match=message):
        fit_curve(T, 2 * T**-0.35, **options)


def test_as_text_and_as_json(past: CurveComparison) -> None:
    text, record = str(past), json.loads(json.dumps(past.to_dict()))
    lines = text.splitlines()
    assert lines[0].split()[:2] == ["law", "parameters"] and lines[1].startswith("mixing")
    assert all(text.count(sentence) == 1 for sentence in past.sentences)
    assert record["best"] == "mixing" and record["regime"] == "past a plateau"
    fit = record["fits"]["mixing"]
    assert fit["parameters"]["T_k"]["low"] == past.parameters["T_k"].low
    assert fit["plateau"]["end"]["value"] == past.best.derived["end"].value and fit["weight"] > 0.99
    assert record["fits"]["clean"]["plateau"] is None
    assert record["fits"]["cut"]["parameters"]["T_k"]["high"] == "inf"


@pytest.mark.parametrize(("name", "trials"), [("clean", 20), ("floor", 8)])
def test_coverage_in_a_few_trials(name: str, trials: int) -> None:
    least = stats.binom.ppf(1e-4, trials, 0.95)
    for quantity, held in count_held(CASES[name], key=11, trials=trials).items():
        assert held >= least, f"{quantity}: {held} of {trials}"


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_coverage_in_a_thousand_trials(name: str) -> None:
    for quantity, held in count_held(CASES[name], key=1, trials=1000).items():
        print(f"{name:18} {quantity:6} {held / 10:.1f} %")
        assert 930 <= held <= 970, f"{quantity}: {held} of 1000"
