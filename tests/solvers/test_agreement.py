"""Tables, z and JSON of constructed agreements, and the contract of validate on a setting made up for it."""

import json
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from freeridge.solvers.agreement import Agreement, FiniteSize, normal_score, validate
from freeridge.solvers.census import Census
from freeridge.solvers.results import Code, Estimate, Prediction
from freeridge.solvers.tables import jsonable


def agreement(theory: Any, simulation: Any, error: Any, replicates: int = 5, **more: Any) -> Agreement:
    """The same numbers for one quantity, as scalars or as a path, with a mismatch that vanishes in both."""
    numbers = [np.asarray(value, float) for value in (theory, simulation, error)]
    values = [{"risk": value, "mismatch": 0 * numbers[2]} for value in numbers]
    freedom = {name: np.full(numbers[0].shape, replicates - 1.0) for name in values[0]}
    return Agreement(values[0], values[1], values[2], replicates, {"n": 40, "d": 20}, freedom, **more)


class Made:
    """A setting whose theory is given and whose simulation draws normal numbers around it."""

    def __init__(self, risk: Any, code: Any = Code.OK) -> None:
        self.risk, self.code = jnp.asarray(risk), jnp.asarray(code, jnp.int32)

    def predict(self, test: int = 0) -> Prediction:
        quantities = {"risk": self.risk + test, "unseen": self.risk}
        return Prediction(quantities, jnp.zeros_like(self.risk), self.code)

    def simulate(self, key: int, replicates: int, test: int = 0, *, progress: bool = False) -> Estimate:
        draws = np.random.default_rng(key).normal(
            np.asarray(self.risk) + test, 0.1, (replicates, *self.risk.shape)
        )
        error = draws.std(0, ddof=1) / replicates**0.5
        return Estimate({"risk": draws.mean(0)}, {"risk": np.asarray(error)}, replicates, {"n": 10, "d": 5})


def test_z_of_a_path() -> None:
    path = agreement([1.0, 1.0, np.inf, np.nan, 2.0], [1.2, 1.0, 5.0, 5.0, 1.0], [0.1, 0.0, 1.0, 1.0, 0.0])
    np.testing.assert_allclose(path.z["risk"], [2.0, 0.0, np.nan, np.nan, -np.inf])
    np.testing.assert_array_equal(path.z["mismatch"], 0.0)
    assert path.worst == np.inf
    assert agreement([1.0, np.inf], [1.2, 3.0], [0.1, 0.1]).worst == pytest.approx(2.0)
    one = {"risk": np.array(1.0)}
    assert np.isnan(Agreement({"risk": np.array(np.nan)}, one, one, 2, {}, one).worst)


def test_rounding_is_no_disagreement() -> None:
    def one(risk: float, mismatch: float) -> dict[str, np.ndarray]:
        return {"risk": np.array(risk), "mismatch": np.array(mismatch)}

    exact = Agreement(one(3.0, 4e-16), one(3.1, 0.0), one(0.1, 1e-17), 9, {}, one(8.0, 8.0))
    assert exact.z["mismatch"] == 0.0 and np.isnan(exact.scores["mismatch"])
    small = Agreement(one(3.0, 4e-10), one(3.1, 1e-10), one(0.1, 1e-10), 9, {}, one(8.0, 8.0))
    assert small.z["mismatch"] == pytest.approx(-3.0)


def test_quantities_may_differ_in_shape() -> None:
    values = {"group_risks": np.array([1.0, 2.0]), "gap": np.array(1.0)}
    errors = {name: np.full_like(value, 0.5) for name, value in values.items()}
    same = Agreement(values, values, errors, 3, {"d": 4}, errors)
    assert same.worst == 0.0
    assert len(str(same).splitlines()) == 5


def test_scores_have_the_probability_of_student() -> None:
    z = np.array([-60.0, -3.0, -0.1, 0.0, 2.0])
    np.testing.assert_allclose(stats.norm.cdf(normal_score(z, 4)[1:]), stats.t.cdf(z, 4)[1:], rtol=1e-12)
    np.testing.assert_allclose(normal_score(z, np.inf), z, rtol=1e-12)
    assert normal_score(-1e6, 1e9) == -1e6  # beyond the smallest probability
    assert np.isnan(normal_score(np.nan, 3.0))
    one = agreement(1.0, 1.2, 0.1, replicates=5)
    assert one.scores["risk"] == pytest.approx(stats.norm.ppf(stats.t.cdf(2.0, 4)))


def test_scores_of_few_replicates_are_normal() -> None:
    # z of 4 replicates has variance 3; its scores are normal.
    draws = np.random.default_rng(0).standard_normal((4000, 4))
    z = 2 * draws.mean(1) / draws.std(1, ddof=1)
    assert stats.kstest(z, "norm").pvalue < 1e-6
    assert stats.kstest(normal_score(z, 3), "norm").pvalue > 1e-3


def test_table_is_aligned() -> None:
    lines = str(agreement([0.25, 1e7], [0.26, 1.1e7], [0.01, 1e6])).splitlines()
    assert lines[0].split() == ["quantity", "point", "theory", "simulation", "std", "error", "z"]
    assert lines[1].split() == ["risk", "0", "0.250000", "0.260000", "1.0e-02", "+1.00"]
    assert lines[2].split() == ["risk", "1", "1e+07", "1.1e+07", "1.0e+06", "+1.00"]
    assert len({len(line) for line in lines[:5]}) == 1
    assert lines[-1] == "5 replicates at n = 40, d = 20; largest |z| 1.00"
    failed = agreement(np.nan, 0.2, 0.1, ok=False, message="give a positive ridge")
    assert "nan" in str(failed) and str(failed).endswith("theory: give a positive ridge")


def test_json_round_trip() -> None:
    parts = [{"risk": np.full(3, value), "mismatch": np.zeros(3)} for value in (0.1, 0.2, 0.3, 0.4)]
    one = agreement([0.5, np.inf, np.nan], [0.4, 2.0, 1.0], [0.1, 0.1, 0.1], finite_size=FiniteSize(*parts))
    record = one.to_dict()
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert record["quantities"]["risk"]["theory"] == [0.5, "inf", "nan"]
    assert record["quantities"]["risk"]["finite_size_left"] == [0.3] * 3
    assert record["quantities"]["mismatch"]["z"] == ["nan" if np.isnan(z) else z for z in one.z["mismatch"]]
    census = Census({"one": one, "two": agreement(0.5, 0.4, 0.1)}).to_dict()
    assert json.loads(json.dumps(census, allow_nan=False)) == census
    assert jsonable(np.float64("-inf")) == "-inf" and jsonable(jnp.ones(1)) == [1.0]


def test_validate_runs_both_and_keeps_the_common_quantities() -> None:
    one = validate(Made([1.0, 2.0]), replicates=8, key=3, test=1)
    assert list(one.theory) == ["risk"] and one.replicates == 8 and one.sizes == {"n": 10, "d": 5}
    np.testing.assert_array_equal(one.theory["risk"], [2.0, 3.0])
    np.testing.assert_array_equal(one.freedom["risk"], 7.0)
    assert one.ok and one.worst < 5
    same = validate(Made([1.0, 2.0]), replicates=8, key=3, test=1)
    np.testing.assert_array_equal(one.z["risk"], same.z["risk"])


def test_disagreement_and_divergence_raise_nothing() -> None:
    setting = Made([1.0, np.inf], [Code.OK, Code.DIVERGES])
    with np.errstate(invalid="ignore"):
        found = validate(setting, replicates=4)
    assert not found.ok and "infinite" in found.message
    assert np.isnan(found.z["risk"][1]) and np.isfinite(found.z["risk"][0])


def test_census_of_normal_draws() -> None:
    rng = np.random.default_rng(1)
    draws = {f"setting {k}": rng.normal(1.0, 0.1, 6) for k in range(300)}
    census = Census(
        {name: agreement(1.0, x.mean(), x.std(ddof=1) / 6**0.5, replicates=6) for name, x in draws.items()}
    )
    number, mean, variance, largest, p_value = census.summary()
    assert number == 300 and abs(mean) < 0.25 and 0.7 < variance < 1.4 and largest < 4.5 and p_value > 1e-3
    assert census.summary(None) == census.summary("risk")  # a mismatch of nothing has no score
    lines = str(census).splitlines()
    assert len(lines) == 300 + 7 and lines[-4].split()[:2] == ["risk", "300"]
    assert lines[-1].endswith(f"below {census.bound:.2f}") and census.agrees
    assert census.bound == pytest.approx(stats.norm.isf(1e-4 / 2 / 300))
    shifted = Census({name: agreement(1.1, x.mean(), x.std(ddof=1) / 6**0.5, 6) for name, x in draws.items()})
    assert shifted.summary().p_value < 1e-6


def test_census_of_several_quantities() -> None:
    def two(odd: float, error: float = 0.1) -> Agreement:
        values = {"group_risks": np.array([1.0, 2.0]), "odd": np.array(1.0)}
        errors = {"group_risks": np.full(2, 0.1), "odd": np.array(error)}
        freedom = {name: np.full_like(value, 50.0) for name, value in values.items()}
        return Agreement(values, values | {"odd": np.array(odd)}, errors, 51, {"d": 8}, freedom)

    census = Census({"one": two(1.1), "without": agreement(0.5, 0.6, 0.1)}, ("group_risks", "odd", "risk"))
    rows = [line.split()[:3] for line in census.table().splitlines()]
    assert rows[1:4] == [["one", "group_risks", "[0]"], ["one", "group_risks", "[1]"], ["one", "odd", "8"]]
    assert rows[4] == ["without", "risk", "20"] and len(rows) == 5
    assert census.agrees and census.summary(None).number == 4
    # One score beyond what so many may reach, certain or off where nothing fluctuates, is a disagreement.
    assert not Census({"one": two(1.7)}).agrees and not Census({"one": two(1.1, 0.0)}).agrees
    assert Census({"one": two(1.0, 0.0)}).agrees
    assert not Census({"failed": agreement(1.0, 1.1, 0.1, ok=False)}).agrees


def test_census_names_what_is_left_and_what_failed() -> None:
    def parts(left: float) -> FiniteSize:
        return FiniteSize(*({"risk": np.array(v), "mismatch": np.array(0.0)} for v in (0.3, 0.1, left, 0.02)))

    census = Census(
        {
            "small": agreement(1.0, 1.1, 0.1, finite_size=parts(0.01)),
            "large": agreement(1.0, 1.1, 0.1, finite_size=parts(-0.05)),
            "no estimate": agreement(1.0, 1.1, 0.1, ok=False),
        }
    )
    assert census.finite_size_ratios()["large"] == pytest.approx((-0.5, 0.2))
    assert not census.ok
    *_, ratio, failed = str(census).splitlines()
    assert ratio == "largest finite-size bias left / standard error: -0.50 +- 0.20 (large)"
    assert failed == "theory not certified: no estimate"
    assert np.isnan(Census({"alone": agreement(1.0, 1.1, 0.1)}).summary().p_value)
