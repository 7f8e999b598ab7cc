"""The screen: curves with pins and simulated points, diagrams, and the same as CSV, PNG and SVG."""

import csv
import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.explorer.own import ALLOWED, SQUARES

from freeridge.explorer import screen as module
from freeridge.explorer.pictures import figure, image
from freeridge.explorer.program import evaluate
from freeridge.explorer.screen import Points, Screen, compute, difference
from freeridge.explorer.state import LINEAR, LOGARITHMIC, State, turned, with_axis
from freeridge.solvers.errors import InvalidSetting

MEASURED = Points([50.0, 80.0], {"risk": [0.25, 0.125]}, {"risk": [0.01, 0.02]})


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POINTS", 12)
    monkeypatch.setattr(module, "SIDE", 10)
    module._curve.cache_clear()


def _screen(state: State, **simulated: Points) -> Screen:
    return compute(state, simulated, ALLOWED)


def test_a_curve_is_the_prediction_along_its_axis() -> None:
    found = _screen(SQUARES)
    (curve,) = found.curves
    expected = evaluate(SQUARES.description, {"n": curve.x.tolist()})
    np.testing.assert_array_equal(curve.values["risk"], expected["risk"])
    assert (len(curve.x), found.points, found.shown) == (12, (12,), ["risk"])
    assert found.logarithmic == (True, False) and "NOT_CERTIFIED" in found.message


def test_pins_are_curves_of_their_own() -> None:
    pinned = turned(SQUARES, {"noise_variance": "2.0"}).query()
    found = _screen(replace(SQUARES, pins=(pinned, "setting=SpuriousRidge", SQUARES.query())))
    assert [curve.label for curve in found.curves] == [
        "current", "pin 1: noise_variance = 2.0", "pin 2: setting = SpuriousRidge", "pin 3: the same",
    ]  # fmt: skip
    expected = evaluate(
        turned(SQUARES, {"noise_variance": "2.0"}).description, {"n": found.curves[1].x.tolist()}
    )
    np.testing.assert_array_equal(found.curves[1].values["risk"], expected["risk"])
    np.testing.assert_array_equal(found.curves[3].values["risk"], found.curves[0].values["risk"])


def test_a_pin_must_be_of_a_setting_that_is_allowed() -> None:
    with pytest.raises(InvalidSetting, match=r"elsewhere\.py"):
        _screen(replace(SQUARES, pins=("setting=elsewhere.py",)))


@pytest.mark.parametrize(
    "pin, here, words",
    [
        ("setting=A&x=1", "setting=A&x=1", "the same"),
        ("setting=A&x=1&view.low=3", "setting=A&x=2", "x = 1"),
        ("setting=A", "setting=A&x=2", "x as at the start"),
        ("setting=A&x=1", "setting=B", "setting = A, x = 1"),
    ],
)
def test_what_differs(pin: str, here: str, words: str) -> None:
    assert difference(pin, here) == words


def test_unknown_quantities_are_left_out() -> None:
    assert _screen(replace(SQUARES, shown=("lam", "risk"))).shown == ["risk"]
    assert _screen(replace(SQUARES, shown=("lam",))).shown == ["risk"]


def test_a_diagram_is_the_prediction_at_each_pixel() -> None:
    found = _screen(replace(SQUARES, y="noise_variance"))
    assert found.z.shape == (10, 10) == found.points
    for i, j in ((0, 0), (3, 7), (9, 2)):
        point = evaluate(SQUARES.description, {"n": [found.x[i]], "noise_variance": [found.y[j]]})
        np.testing.assert_allclose(found.z[j, i], point["risk"][0], rtol=1e-12)


def test_the_second_axis_stays_while_its_number_moves() -> None:
    here, there = (
        _screen(replace(one, y="noise_variance"))
        for one in (SQUARES, turned(SQUARES, {"noise_variance": "4.0"}))
    )
    np.testing.assert_array_equal(here.y, there.y)
    np.testing.assert_array_equal(here.z, there.z)


def test_a_diagram_over_a_dimension_has_few_sizes() -> None:
    found = _screen(replace(SQUARES, y="covariance.d", low=100.0, high=400.0))
    assert found.points == (10, 9) and found.z.shape == (9, 10) and np.isfinite(found.z).all()


def test_a_diagram_needs_two_numbers() -> None:
    with pytest.raises(InvalidSetting, match="second axis"):
        _screen(replace(SQUARES, y="n"))
    with pytest.raises(InvalidSetting, match="lam"):
        _screen(replace(SQUARES, y="lam"))


def test_what_the_setting_refuses_is_a_gap() -> None:
    found = _screen(replace(with_axis(SQUARES, "noise_variance"), low=-1.0, high=1.0))
    refused = found.curves[0].x < 0
    assert refused.any() and np.isnan(found.curves[0].values["risk"]).tolist() == refused.tolist()
    assert "INVALID" in found.message
    drawn = figure(found)["data"][0]["y"]
    assert [value is None for value in drawn] == refused.tolist()


def test_the_table_has_every_number() -> None:
    pinned = turned(SQUARES, {"noise_variance": "2.0"}).query()
    found = _screen(replace(SQUARES, pins=(pinned,)), **{SQUARES.curve(): MEASURED})
    rows = list(csv.DictReader(io.StringIO(found.as_csv())))
    assert list(rows[0]) == ["curve", "kind", "n", *found.names, "code"]
    theory = [row for row in rows if row["kind"] == "theory"]
    for curve in found.curves:
        own = [row for row in theory if row["curve"] == curve.label]
        assert [float(row["n"]) for row in own] == curve.x.tolist()
        np.testing.assert_array_equal([float(row["risk"]) for row in own], curve.values["risk"])
        assert [int(row["code"]) for row in own] == curve.code.tolist()
    measured = {row["kind"]: row for row in rows if row["n"] == "50.0" and row["kind"] != "theory"}
    assert measured["simulated"]["risk"] == "0.25" and measured["standard error"]["risk"] == "0.01"


def test_the_table_of_a_diagram() -> None:
    found = _screen(replace(SQUARES, y="noise_variance"))
    head, *rows = csv.reader(io.StringIO(found.as_csv()))
    assert head == ["n", "noise_variance", "risk"] and len(rows) == 100
    assert [float(one) for one in rows[-2]] == [found.x[-2], found.y[-1], found.z[-1, -2]]


@pytest.mark.parametrize("kind, begin", [("png", b"\x89PNG\r\n\x1a\n"), ("svg", b"<?xml")])
@pytest.mark.parametrize("second", ["", "noise_variance"])
def test_pictures_are_what_they_are_called(kind: str, begin: bytes, second: str) -> None:
    found = _screen(
        replace(SQUARES, y=second, pins=() if second else (SQUARES.query(),)), **{SQUARES.curve(): MEASURED}
    )
    written = image(found, kind)
    assert written.startswith(begin) and len(written) > 3000
    if kind == "svg":
        assert b"<svg" in written[:1000]


def _drawn(found: Screen) -> list[dict[str, Any]]:
    data: list[dict[str, Any]] = figure(found)["data"]
    return data


def test_the_figure_draws_the_numbers() -> None:
    found = _screen(replace(SQUARES, shown=("risk", "weights_error"), pins=(SQUARES.query(),)))
    lines = _drawn(found)
    assert len(lines) == 4
    values = found.curves[0].values["risk"]
    np.testing.assert_array_equal(np.array(lines[0]["y"], float), np.where(np.isinf(values), np.nan, values))
    # colours tell curves apart, dashes quantities
    assert [line["line"]["color"] for line in lines] == ["#0072B2", "#0072B2", "#D55E00", "#D55E00"]
    assert [line["line"]["dash"] for line in lines] == ["solid", "dash"] * 2


def test_the_figure_draws_error_bars() -> None:
    _, points = _drawn(_screen(SQUARES, **{SQUARES.curve(): MEASURED}))
    assert list(points["x"]) == MEASURED.x and list(points["y"]) == MEASURED.mean["risk"]
    assert list(points["error_y"]["array"]) == MEASURED.error["risk"]


@pytest.mark.parametrize("scale, kind", [(LINEAR, "linear"), (LOGARITHMIC, "log")])
def test_the_scale_is_as_it_was_asked_for(scale: str, kind: str) -> None:
    assert figure(_screen(replace(SQUARES, scale=scale)))["layout"]["yaxis"]["type"] == kind


def test_the_axis_of_whole_numbers_has_whole_numbers() -> None:
    (curve,) = _screen(SQUARES).curves
    assert SQUARES.knob("n").whole and (curve.x == np.round(curve.x)).all()
