"""What the hands on a page have done: which numbers moved, and which request is the latest."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import count
from threading import Lock
from typing import Any, NamedTuple

from freeridge.explorer.knobs import knobs_of
from freeridge.explorer.ranges import Range
from freeridge.explorer.state import State, turned
from freeridge.expressions import evaluate
from freeridge.solvers.errors import InvalidSetting


class Control(NamedTuple):
    """A slider and the box beside it, as the browser holds them.

    Parameters
    ----------
    dragged : float or None
        Position of the slider under the hand.
    place : float
        Position where it was let go.
    number : str
        What is in the box.
    """

    dragged: float | None
    place: float
    number: str


class Moves(NamedTuple):
    """The numbers that differ from the last state, and what slider and box are to show.

    Parameters
    ----------
    values, boxes, places : dict of str
        New numbers as they were written; new contents of boxes whose slider moved, and new positions of
        sliders whose box was written to.
    """

    values: dict[str, str]
    boxes: dict[str, str]
    places: dict[str, float]

    def apply(self, state: State) -> State:
        """The state with these numbers.

        Raises
        ------
        InvalidSetting
            When a box holds no number.
        """
        checked = {}
        for name, text in self.values.items():
            number = _number(text)
            if number is None:
                raise InvalidSetting(name, text, "a number, or arithmetic such as 1 / 3")
            # A decimal stays one: written as a whole number it would move in whole steps from then on.
            whole = state.knob(name).whole and number.is_integer()
            checked[name] = text if name in self.boxes else str(int(number)) if whole else repr(number)
        return turned(state, checked)


def moves_of(state: State, ranges: Mapping[str, Range], controls: Mapping[str, Control]) -> Moves:
    """Compare what the browser holds with the last state that was drawn.

    A slider that is elsewhere has been moved, whatever its box says; a box that differs beside a slider that
    does not has been written to. So nothing is lost where two sliders move before an answer arrives.

    Examples
    --------
    >>> from freeridge.explorer.ranges import ranges_of
    >>> from freeridge.explorer.state import start
    >>> tail = start("ZipfTail")
    >>> moves_of(tail, ranges_of(tail.description), {"T": Control(7.0, 8.0, "100000000.0")}).boxes
    {'T': '1e+07'}
    """
    moves = Moves({}, {}, {})
    for knob in knobs_of(state.description):
        if knob.name not in controls:
            continue
        control, found = controls[knob.name], ranges[knob.name]
        knob = replace(knob, whole=found.whole)  # an expression may hold 1 for 1.0
        before = found.position(knob.value)
        # The program of another size is compiled when the hand lets go.
        place = control.place if control.dragged is None or not knob.live else control.dragged
        if abs(place - before) > 0.5 * found.step:
            value = found.value(place)
            moves.values[knob.name] = moves.boxes[knob.name] = knob.text(value)
        elif control.number.strip() != knob.text(knob.value):
            moves.values[knob.name] = control.number
            number = _number(control.number)
            if number is not None:  # said when the state is built
                moves.places[knob.name] = found.position(number)
    return moves


def _number(text: str) -> float | None:
    """What is in a box, if it is a number; arithmetic is welcome."""
    try:
        number = evaluate(text, {})
        if isinstance(number, bool) or not isinstance(number, int | float) or math.isnan(number):
            return None
        return float(number)
    except (InvalidSetting, OverflowError):
        return None


class Latest:
    """Which request of a window is its latest: the others need not be computed any more.

    Examples
    --------
    >>> latest = Latest()
    >>> first, second = latest.begin("window"), latest.begin("window")
    >>> latest.is_stale("window", first), latest.is_stale("window", second)
    (True, False)
    """

    def __init__(self) -> None:
        self._counter = count()
        self._latest: dict[str, int] = {}
        self._turns: dict[str, Lock] = {}

    def begin(self, window: str) -> int:
        """A request has arrived."""
        self._latest[window] = number = next(self._counter)
        return number

    def is_stale(self, window: str, number: int) -> bool:
        """Whether another one has arrived since."""
        return self._latest.get(window) != number

    def turn(self, window: str) -> Any:
        """A lock: one request of a window is computed at a time."""
        return self._turns.setdefault(window, Lock())


def pick(names: Sequence[str], values: Mapping[str, Any], otherwise: Any) -> list[Any]:
    """Values in the order of the components, with a stand-in where there is none."""
    return [values.get(name, otherwise) for name in names]
