"""Moves: what sliders and boxes of the browser say against the last state; which request is the latest."""

from dataclasses import replace
from typing import Any

import pytest

from freeridge.explorer.moves import Control, Latest, Moves, moves_of, pick
from freeridge.explorer.state import ranges_for, start
from freeridge.solvers.errors import InvalidSetting

STATE = start("ModelCollapse")
RANGES = ranges_for(STATE)


def _controls(**changes: Any) -> dict[str, Control]:
    """What the browser holds after the start, but for some."""
    controls = {}
    for name, found in RANGES.items():
        knob = STATE.knob(name)
        place = found.position(knob.value)
        controls[name] = Control(place, place, knob.text(knob.value))._replace(**changes.pop(name, {}))
    return controls


def _moved(**changes: Any) -> Moves:
    return moves_of(STATE, RANGES, _controls(**changes))


def test_nothing_moved() -> None:
    assert _moved() == Moves({}, {}, {})
    assert _moved().apply(STATE) == STATE


def test_a_slider_under_the_hand_writes_its_box() -> None:
    moves = _moved(ridge={"dragged": -1.0})
    assert moves == Moves({"ridge": "0.1"}, {"ridge": "0.1"}, {})
    assert moves.apply(STATE).description.fields["ridge"] == "0.1"


def test_a_slider_that_was_never_touched_is_where_it_was_put() -> None:
    assert _moved(ridge={"dragged": None}) == Moves({}, {}, {})
    assert _moved(ridge={"dragged": None, "place": -1.0}).values == {"ridge": "0.1"}


def test_a_dimension_moves_when_it_is_let_go() -> None:
    slow = {"covariance.d": {"dragged": 300.0}}
    assert _moved(**slow) == Moves({}, {}, {})
    slow["covariance.d"]["place"] = 300.0
    assert _moved(**slow).boxes == {"covariance.d": "300"}


def test_two_sliders_at_once() -> None:
    moves = _moved(ridge={"dragged": -1.0}, n={"dragged": 2.0})
    assert moves.values == {"ridge": "0.1", "n": "100"}


def test_less_than_half_a_step_is_no_move() -> None:
    place = RANGES["ridge"].position(0.001)
    assert not _moved(ridge={"dragged": place + 0.4 * RANGES["ridge"].step}).values
    assert _moved(ridge={"dragged": place + 0.6 * RANGES["ridge"].step}).values


def test_a_box_moves_its_slider() -> None:
    moves = _moved(ridge={"number": "0.01"})
    assert (moves.values, moves.boxes) == ({"ridge": "0.01"}, {})
    assert moves.places == {"ridge": pytest.approx(-2.0)}


def test_a_box_beyond_the_range_leaves_its_slider_at_the_end() -> None:
    moves = _moved(ridge={"number": "20.0"})
    assert moves.places == {"ridge": RANGES["ridge"].ends[1]}
    state = moves.apply(STATE)
    assert state.description.fields["ridge"] == "20.0"
    # and there it stays with the next request
    end = RANGES["ridge"].ends[1]
    held = _controls(ridge={"dragged": end, "place": end, "number": "20.0"})
    assert moves_of(state, RANGES, held) == Moves({}, {}, {})


def test_arithmetic_in_a_box_moves_its_slider_too() -> None:
    moves = _moved(quality={"number": " 1 / 3 "})
    assert moves.places == {"quality": pytest.approx(RANGES["quality"].position(1 / 3))}
    assert moves.apply(STATE).description.fields["quality"] == repr(1 / 3)


def test_a_slider_goes_before_its_box() -> None:
    moves = _moved(ridge={"dragged": -1.0, "number": "0.5"})
    assert moves.values == moves.boxes == {"ridge": "0.1"}


@pytest.mark.parametrize(
    "text", ["abc", "", "1,5", "[1]", "True", "nan", "1 / 0", "10 ** 400", "Isotropic(3)"]
)
def test_no_number_is_named(text: str) -> None:
    moves = _moved(ridge={"number": text})
    assert not moves.places
    with pytest.raises(InvalidSetting, match="ridge"):
        moves.apply(STATE)


@pytest.mark.parametrize(
    "name, number, text",
    [
        ("ridge", "1", "1.0"),
        ("ridge", "1e-3", "0.001"),
        ("n", "1e3", "1000"),
        ("n", "50", "50"),
        ("n", "50.5", "50.5"),
    ],
)
def test_what_is_typed_keeps_the_kind_of_the_number(name: str, number: str, text: str) -> None:
    assert _moved(**{name: {"number": number}}).apply(STATE).description.fields[name] == text


def test_the_kind_is_that_of_the_start() -> None:
    """An expression with 1 for 1.0 does not make the slider move in whole steps."""
    fields = {**STATE.description.fields, "covariance": "PowerLaw(200, exponent=1)"}
    state = replace(STATE, description=replace(STATE.description, fields=fields))
    moves = moves_of(state, RANGES, _controls(**{"covariance.exponent": {"dragged": 0.1}}))
    assert moves.values == {"covariance.exponent": "1.25893"}


def test_a_slider_without_a_number_of_the_state_is_left_alone() -> None:
    """As long as the page still shows the sliders of another expression."""
    fields = {**STATE.description.fields, "covariance": "Isotropic(200)"}
    state = replace(STATE, description=replace(STATE.description, fields=fields))
    controls = _controls(**{"covariance.exponent": {"dragged": 0.1}})
    assert moves_of(state, RANGES, controls) == Moves({}, {}, {})


def test_only_the_latest_request_of_a_window_counts() -> None:
    latest = Latest()
    first, other, second = latest.begin("one"), latest.begin("two"), latest.begin("one")
    assert latest.is_stale("one", first)
    assert not latest.is_stale("one", second) and not latest.is_stale("two", other)
    with latest.turn("one"), latest.turn("two"):  # windows do not wait for each other
        assert latest.turn("one").locked()


def test_pick() -> None:
    assert pick(["a", "b"], {"b": 2}, None) == [None, 2]
