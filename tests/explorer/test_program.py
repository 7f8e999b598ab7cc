"""Programs: predictions over many values of the knobs are those of the setting, one by one."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.explorer.own import SQUARES

from freeridge.explorer import program
from freeridge.explorer.knobs import knobs_of, moved
from freeridge.explorer.program import evaluate, seconds_per_point
from freeridge.explorer.state import start
from freeridge.language import Description
from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.results import Code

PLAIN = SQUARES.description
ROUNDS = Description(
    "IterativeMixing",
    fields={"covariance": "Isotropic(10)", "n": "1000", "real_share": "0.5", "quality": "1.0",
            "noise_variance": "1.0", "ridge": "0.0", "rounds": "3"},
)  # fmt: skip


def _one_by_one(description: Description, axes: Mapping[str, Sequence[float]]) -> list[Any]:
    """A loop of setting.predict, without any of the machinery."""
    predictions = []
    knobs = {knob.name: knob for knob in knobs_of(description)}
    for point in zip(*axes.values(), strict=True):
        texts = {
            knobs[name]: str(int(value)) if knobs[name].whole else repr(float(value))
            for name, value in zip(axes, point, strict=True)
        }
        changed = moved(description, texts)
        predictions.append(changed.build(changed.values(changed.names())).predict())
    return predictions


def _agrees(description: Description, axes: Mapping[str, Sequence[float]]) -> None:
    found, expected = evaluate(description, axes), _one_by_one(description, axes)
    for name in expected[0].quantities:
        values = np.array([one.quantities[name] for one in expected])
        np.testing.assert_allclose(found[name], values, rtol=1e-10, err_msg=name)
    np.testing.assert_array_equal(found["code"], [one.code for one in expected])


@pytest.mark.parametrize(
    "axes",
    [
        {"n": [30.0, 300.0]},
        {"n": [25.0, 250.0], "noise_variance": [0.0, 1.0]},
        {"covariance.scale": [0.5, 1.5], "n": [40.0, 400.0]},  # inside an expression
        {"covariance.d": [6.0, 12.0, 6.0], "n": [40.0, 40.0, 400.0]},  # one program for each dimension
        {"covariance.d": [6.0, 12.0]},
    ],
)
def test_curves_are_a_loop_of_predict(axes: dict[str, list[float]]) -> None:
    _agrees(PLAIN, axes)


def test_no_axis_is_one_point() -> None:
    found = evaluate(PLAIN, {})
    assert len(found["code"]) == 1 and found["risk"][0] == evaluate(PLAIN, {"n": [40.0]})["risk"][0]


@pytest.mark.slow
@pytest.mark.parametrize(
    "axes", [{"covariance.exponent": [0.5, 1.5], "n": [10.0, 100.0]}, {"covariance.d": [20.0, 40.0]}]
)
def test_curves_of_an_equation_are_a_loop_of_predict(axes: dict[str, list[float]]) -> None:
    _agrees(start("ModelCollapse").description, axes)


def test_a_position_that_was_not_there_before_needs_no_new_program() -> None:
    evaluate(PLAIN, {"n": [50.0]})
    before = program._program.cache_info().misses
    moved_on = replace(PLAIN, fields={**PLAIN.fields, "n": "70", "noise_variance": "0.125"})
    evaluate(moved_on, {"covariance.scale": [0.2] * 15})
    assert program._program.cache_info().misses == before


def test_what_is_refused_or_not_certified_is_nan_with_its_code() -> None:
    found = evaluate(PLAIN, {"n": [-1.0, 10.0, 20.0, 40.0]})
    assert found["code"].tolist() == [Code.INVALID, Code.NOT_CERTIFIED, Code.DIVERGES, Code.OK]
    assert np.isnan(found["risk"]).tolist() == [True, True, False, False]
    assert np.isinf(found["risk"]).tolist() == [False, False, True, False]
    assert np.isnan(found["residual"]).tolist()[0]


def test_a_dimension_that_is_refused_leaves_the_others() -> None:
    found = evaluate(PLAIN, {"covariance.d": [-3.0, 20.0]})
    assert found["code"].tolist() == [Code.INVALID, Code.OK]
    assert np.isnan(found["risk"][0]) and found["risk"][1] == evaluate(PLAIN, {})["risk"][0]


@pytest.mark.slow
def test_rounds_that_are_not_reached_are_missing() -> None:
    found = evaluate(ROUNDS, {"rounds": [1.0, 3.0]})
    longer = evaluate(ROUNDS, {})
    np.testing.assert_allclose(found["risk"][1], longer["risk"][0], rtol=1e-12)
    assert found["risk"].shape[0] == 2 and not found["code"].any()
    assert np.isnan(found["risk"][0]).sum() == 2


def test_no_value_that_is_accepted() -> None:
    with pytest.raises(InvalidSetting, match=r"covariance\.d"):
        evaluate(PLAIN, {"covariance.d": [-3.0, -2.0]})


def test_errors_name_what_is_wrong() -> None:
    with pytest.raises(InvalidSetting, match=r"lam.*covariance\.d, covariance\.scale, n, noise_variance"):
        evaluate(PLAIN, {"lam": [1.0]})
    with pytest.raises(InvalidSetting, match="noise_variance"):
        evaluate(replace(PLAIN, fields={**PLAIN.fields, "noise_variance": "-2.0"}), {"n": [1e3]})


def test_a_point_takes_time() -> None:
    assert 0 < seconds_per_point(PLAIN, {"n": [30.0, 300.0]}) < 10
