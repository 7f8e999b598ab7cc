"""One law on one curve: against closed forms, by the definition of the profile, in other units."""

from typing import Any

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import minimize
from tests.theory.tails.curves.curve_cases import CASES, NOISE, SAMPLES, prefactor, zipf_error

from freeridge.solvers.errors import InvalidSetting
from freeridge.theory.tails.curves.comparison import fit_curve
from freeridge.theory.tails.curves.curve_fit import CurveFit
from freeridge.theory.tails.curves.shapes import cut_shape

T = SAMPLES


def one(name: str, key: int = 1, **options: Any) -> CurveFit:
    case = CASES[name]
    E = next(case.draws(key, 1))
    return fit_curve(E=E, law=case.law, generations=case.generations, **case.columns, **options)


def test_a_clean_power_law_is_linear_regression() -> None:
    E = next(CASES["clean"].draws(1, 1))
    fit, line = fit_curve(T, E, "clean"), stats.linregress(np.log(T), np.log(E))
    t = stats.t.ppf(0.975, len(T) - 2)
    ends = [-line.slope - t * line.stderr, -line.slope + t * line.stderr]
    assert fit.parameters["c"].value == pytest.approx(-line.slope, rel=1e-7)
    assert fit.parameters["c"][1:] == pytest.approx(ends, rel=1e-5)
    assert np.log(fit.parameters["A"]) == pytest.approx(
        [line.intercept + x * line.intercept_stderr for x in (0, -t, t)], abs=1e-5
    )
    rest = np.log(E) - line.intercept - line.slope * np.log(T)
    assert fit.scatter == pytest.approx(np.sqrt(np.sum(rest**2) / (len(T) - 2)))
    likelihood = stats.norm.logpdf(rest, scale=np.sqrt(np.mean(rest**2))).sum()
    assert fit.deviance == pytest.approx(-2 * likelihood)
    assert fit.aicc == pytest.approx(-2 * likelihood + 6 + 24 / 26)
    assert fit.bic == pytest.approx(-2 * likelihood + 3 * np.log(30))
    assert fit.probability is None and fit.plateau is None and fit.regime == "power law"


def test_given_standard_errors_weigh_the_points() -> None:
    rng = np.random.default_rng(4)
    relative = np.geomspace(0.01, 0.1, len(T))
    E = 2 * T**-0.35 * np.exp(relative * rng.standard_normal(len(T)))
    fit = fit_curve(T, E, "clean", standard_error=relative * E)
    design = np.column_stack([np.ones_like(T), -np.log(T)]) / relative[:, None]
    values, squares, *_ = np.linalg.lstsq(design, np.log(E) / relative)
    error = np.sqrt(np.linalg.inv(design.T @ design)[1, 1])
    ends = values[1] + stats.norm.ppf([0.5, 0.025, 0.975]) * error
    assert fit.parameters["c"] == pytest.approx(ends, rel=1e-5)
    assert fit.probability == pytest.approx(stats.chi2.sf(squares[0], len(T) - 2), rel=1e-6)
    # The variance is not estimated: no correction for few rows.
    likelihood = -0.5 * squares[0] - np.log(relative).sum() - 0.5 * len(T) * np.log(2 * np.pi)
    assert fit.aicc == pytest.approx(-2 * likelihood + 4)
    assert "chi^2" in str(fit)


@pytest.mark.parametrize("name", ["c", "T_k", "level"])
def test_ends_of_an_interval_are_where_the_profile_says(name: str) -> None:
    fit = one("cut")
    log_E = np.log(fit.curve.E)
    interval = {**fit.parameters, **fit.derived}[name]

    def squares(values: np.ndarray) -> float:
        A, c, T_k = np.exp(values)
        return float(np.sum((np.log(A) + cut_shape(T, c, T_k) - log_E) ** 2))

    def profile(end: float) -> float:
        """Least squares at this value of the quantity, by another method on other variables."""

        def inside(free: np.ndarray) -> float:
            if name == "c":
                return squares(np.array([free[0], np.log(end), free[1]]))
            if name == "T_k":
                return squares(np.array([free[0], free[1], np.log(end)]))
            height = np.log(end) - cut_shape(1e30, np.exp(free[0]), np.exp(free[1]))
            return squares(np.array([height, *free]))

        places = {"c": (0, 2), "T_k": (0, 1), "level": (1, 2)}[name]
        start = np.log([interval_of.value for interval_of in fit.parameters.values()])[list(places)]
        return minimize(inside, start, method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-13}).fun

    allowed = fit.minimum.squares * (1 + stats.f.ppf(0.95, 1, len(T) - 3) / (len(T) - 3))
    for end in (interval.low, interval.high):
        assert profile(end) == pytest.approx(allowed, rel=2e-3)


@pytest.mark.parametrize("name", CASES)
def test_exact_curves_give_their_parameters_back(name: str) -> None:
    case = CASES[name]
    log_E, truth = case.exact()
    fit = fit_curve(E=np.exp(log_E), law=case.law, generations=case.generations, **case.columns)
    for quantity, interval in {**fit.parameters, **fit.derived}.items():
        assert interval.value == pytest.approx(truth[quantity], rel=1e-6), quantity
    assert fit.scatter < 1e-8


@pytest.mark.parametrize("beta", [1.5, 2.0])
@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_exponents_of_zipf_data(beta: float, noise: float) -> None:
    T, c, k = np.geomspace(1e4, 1e10, 40), 1 - 1 / beta, 1000
    scatter = np.exp(noise * np.random.default_rng(3).standard_normal(40))
    curves = {
        "clean": zipf_error(T, beta),
        "cut": zipf_error(T, beta, k, 0.0),
        "mixing": zipf_error(T, beta, k, 0.01),
        "generations": zipf_error(T, beta, lineage=(3, 1e6)),
    }
    for law, E in curves.items():
        fit = fit_curve(T, E * scatter, law, generations=3)
        found = fit.parameters
        if noise:
            assert found["c"].low < c < found["c"].high and found["A"].low < prefactor(beta) < found["A"].high
        else:
            assert found["c"].value == pytest.approx(c, rel=1e-3)
            assert found["A"].value == pytest.approx(prefactor(beta), rel=1e-3)


def test_units_do_not_matter() -> None:
    E, rng = next(CASES["mixing"].draws(5, 1)), np.random.default_rng(0)
    order = rng.permutation(len(T))
    fit, other = fit_curve(T, E, "mixing"), fit_curve(1e6 * T[order], 100 * E[order], "mixing")
    c, factor = fit.parameters["c"].value, {"A": 100.0, "c": 1.0, "T_k": 1e6, "pi": 1.0}
    factor["A"] *= 1e6**c
    for name, interval in fit.parameters.items():
        assert other.parameters[name].value == pytest.approx(factor[name] * interval.value, rel=1e-5)
        if name != "A":  # whose unit depends on c
            assert other.parameters[name] == pytest.approx(np.multiply(factor[name], interval), rel=5e-3)
    assert other.aicc == pytest.approx(fit.aicc, abs=1e-6)


def test_more_confidence_is_wider() -> None:
    narrow, wide = (
        one("cut", confidence=0.68).parameters["T_k"],
        one("cut", confidence=0.99).parameters["T_k"],
    )
    assert wide.low < narrow.low < narrow.value < narrow.high < wide.high


def test_several_rows_may_have_one_sample_size() -> None:
    rng = np.random.default_rng(6)
    many = np.repeat(np.geomspace(10, 1e6, 8), 5)
    E = np.exp(np.log(2.0) + cut_shape(many, 0.35, 1e3) + NOISE * rng.standard_normal(40))
    fit = fit_curve(many, E, "cut")
    assert fit.parameters["T_k"].low < 1e3 < fit.parameters["T_k"].high


def test_what_the_data_do_not_bound_is_left_open() -> None:
    fit = one("clean", key=2)
    cut = fit_curve(T, fit.curve.E, "cut")
    assert cut.parameters["T_k"].high == np.inf and cut.parameters["T_k"].low > 1e6
    assert cut.parameters["c"].high < 0.4
    assert "Not bounded at 95 % by these data: T_k (above)" in " ".join(cut.sentences)
    # On the plateau alone nothing tells where the power law before it was.
    flat = fit_curve(T, np.exp(0.01 * np.random.default_rng(1).standard_normal(30)), "cut")
    assert flat.parameters["T_k"].low == 0 and flat.parameters["c"].high == np.inf
    assert flat.derived["level"].low < 1 < flat.derived["level"].high < 1.02


def test_predictions() -> None:
    fit = one("triplet")
    sizes = {name: fit.curve.columns[name] for name in ("d", "k")}
    again = fit.predict(fit.curve.T, **sizes)
    assert np.std(np.log(again / fit.curve.E)) < 1.3 * NOISE
    assert fit.predict([[10.0], [100.0]], d=[10.0, 20.0, 40.0], k=5.0).shape == (2, 3)
    assert one("cut").predict(1e3).shape == ()
    for wrong in ({"T": 0.0}, {"T": [1.0, np.nan]}, {"T": 1.0, "d": -1.0, "k": 1.0}):
        with pytest.raises(InvalidSetting, match="expected finite numbers > 0"):
            fit.predict(**{"d": 1.0, "k": 1.0, **wrong})
    with pytest.raises(InvalidSetting, match="d = None"):
        fit.predict(1.0)


def test_too_few_rows() -> None:
    with pytest.raises(InvalidSetting, match="at least 4 rows for the 3 parameters of cut"):
        fit_curve([1, 10, 100], [1, 0.5, 0.2], "cut")
    with pytest.raises(InvalidSetting, match="at least 3 rows"):
        fit_curve([1, 10], [1, 0.5], "clean")
    assert fit_curve([1, 10, 100], [1, 0.5, 0.2], "clean").aicc == np.inf


def test_extreme_curves() -> None:
    """Rising errors, huge and tiny units, whole numbers: an answer, and no warning."""
    rising = fit_curve([1, 10, 100, 1000, 10000], [1, 2, 3, 4, 6], "clean")
    assert rising.parameters["c"].low == 0
    tiny = fit_curve(np.geomspace(1e12, 1e18, 9), 1e-30 * np.geomspace(1, 1e-3, 9), "floor")
    assert tiny.parameters["c"].value == pytest.approx(0.5, rel=1e-3)
