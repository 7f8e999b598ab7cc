"""All that is on the screen, as the address of the page has it: a refresh, or a friend, sees the same."""

import inspect
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, urlencode

from freeridge.explorer.knobs import FIELD, NAME, Knob, knobs_of, moved
from freeridge.explorer.ranges import Range, ranges_of
from freeridge.language import Description
from freeridge.settings import setting_class, settings
from freeridge.solvers.errors import InvalidSetting, unknown
from freeridge.starts import start_of

AUTOMATIC, LINEAR, LOGARITHMIC = "automatic", "linear", "logarithmic"
SCALES = (AUTOMATIC, LINEAR, LOGARITHMIC)
_FIRST = "ModelCollapse"
_FAVOURITES = ("n", "T", "phi", "ridge")  # axes to begin with, where there are such


@dataclass(frozen=True)
class State:
    """A description and how to look at it.

    Parameters
    ----------
    description : Description
    x : str
        Knob along the axis.
    low, high : float
        Ends of the axis.
    y : str
        A second knob, for a phase diagram; empty for curves.
    shown : tuple of str
        Quantities; empty for the first.
    scale : str
        Of the values: one of :data:`SCALES`.
    pins : tuple of str
        Addresses of the curves that are kept for comparison.
    """

    description: Description
    x: str
    low: float
    high: float
    y: str = ""
    shown: tuple[str, ...] = ()
    scale: str = AUTOMATIC
    pins: tuple[str, ...] = ()

    def knob(self, name: str) -> Knob:
        """A knob by its name.

        Raises
        ------
        InvalidSetting
            When there is none, with those there are.
        """
        knobs = {knob.name: knob for knob in knobs_of(self.description)}
        if name not in knobs:
            raise unknown("axis", name, knobs, "numbers of the setting are")
        return knobs[name]

    def query(self, *, pins: bool = True) -> str:
        """The address, without what is as at the start."""
        begin = start(self.description.setting)
        parts: list[tuple[str, Any]] = [("setting", self.description.setting)]
        for table, prefix in ((NAME, f"{NAME}."), (FIELD, "")):
            texts, before = getattr(self.description, table), getattr(begin.description, table)
            parts += [(prefix + name, text) for name, text in texts.items() if text != before.get(name)]
        for name in ("x", "low", "high", "y", "scale"):
            value, before = getattr(self, name), getattr(begin, name)
            if name in ("low", "high"):
                value, before = written(value), written(before) if self.x == begin.x else ""
            if value != before:
                parts.append((f"view.{name}", value))
        parts += [("view.show", name) for name in self.shown]
        if pins:
            parts += [("view.pin", pin) for pin in self.pins]
        return urlencode(parts)

    def curve(self) -> str:
        """What names the curve, however much of it is shown: simulated points are kept under this."""
        around = moved(self.description, {self.knob(self.x): "*"})
        texts = [*around.let.items(), *around.fields.items()]
        return urlencode([("setting", around.setting), *texts, ("view.x", self.x)])


@lru_cache(maxsize=128)
def start(setting: str) -> State:
    """A setting as its docstring has it, with the defaults of its other fields.

    Examples
    --------
    >>> start("ZipfTail").x
    'T'
    """
    cls = setting_class(setting)
    description = start_of(cls, setting)
    fields: dict[str, str] = {}
    for name, parameter in inspect.signature(cls).parameters.items():
        plain = isinstance(parameter.default, bool | int | float | str | tuple) or parameter.default is None
        if name in description.fields or plain:
            fields[name] = str(description.fields.get(name, repr(parameter.default)))
    state = State(replace(description, fields=fields), "", 0.0, 1.0)
    ranges = ranges_of(state.description)
    live = {knob.name for knob in knobs_of(state.description) if knob.live}
    names = [name for name in ranges if name in live] or list(ranges)
    if not names:
        raise InvalidSetting("setting", setting, "a setting with a number that can move")
    # Its own numbers before those inside an expression.
    inner = {name.rpartition(".")[2]: name for name in reversed(names)}
    wanted = [one for one in _FAVOURITES if one in names] + [
        inner[one] for one in _FAVOURITES if one in inner
    ]
    x = (wanted or names)[0]
    return replace(state, x=x, low=ranges[x].low, high=ranges[x].high)


def ranges_for(state: State) -> dict[str, Range]:
    """The ranges of the sliders: those of the start, which stay while numbers move, and of what is new."""
    begin = start(state.description.setting).description
    known = {knob.name for knob in knobs_of(begin)}
    if known.issuperset(knob.name for knob in knobs_of(state.description)):
        return ranges_of(begin)  # others would be found anew at every step
    fresh = {name: one for name, one in ranges_of(state.description).items() if name not in known}
    return ranges_of(begin) | fresh


def with_axis(state: State, x: str) -> State:
    """The state with an axis over the whole range of a knob."""
    state.knob(x)
    found = ranges_for(state).get(x)
    low, high = (found.low, found.high) if found else (0.0, 1.0)
    return replace(state, x=x, low=low, high=high)


def written(end: float) -> str:
    """An end of an axis as the address has it, with all its digits."""
    return repr(float(end)).removesuffix(".0")


def read_query(query: str, allowed: Mapping[str, str]) -> State:
    """The state that an address holds.

    Parameters
    ----------
    query : str
        With or without its question mark; empty for the first setting.
    allowed : mapping of str to str
        Settings that may be shown: an address must not run files.

    Raises
    ------
    InvalidSetting
        For a setting, a field or a view that does not exist.
    """
    pairs = parse_qsl(query.removeprefix("?"), keep_blank_values=True)
    first = next((name for name in allowed if name not in settings()), _FIRST)
    # A field may have this name too: what comes first is the setting.
    place = next((place for place, (name, _) in enumerate(pairs) if name == "setting"), None)
    setting = first if place is None else pairs.pop(place)[1]
    if setting not in allowed:
        raise unknown("setting", setting, allowed, "settings are")
    state = start(setting)
    let, fields = dict(state.description.let), dict(state.description.fields)
    known = list(inspect.signature(setting_class(setting)).parameters)
    view: dict[str, list[str]] = {}
    for name, value in pairs:
        prefix, _, rest = name.partition(".")
        if prefix == NAME and rest in let:
            let[rest] = value
        elif prefix == "view" and rest in ("x", "low", "high", "y", "scale", "show", "pin"):
            view.setdefault(rest, []).append(value)
        elif name in known:
            fields[name] = value
        else:
            raise unknown(name, value, known, f"{setting} has the fields")
    fields = {name: fields[name] for name in known if name in fields}
    state = replace(state, description=replace(state.description, let=let, fields=fields))
    x = view.get("x", [state.x])[0]
    if x != state.x:
        state = with_axis(state, x)
    scale = view.get("scale", [AUTOMATIC])[0]
    if scale not in SCALES:
        raise unknown("scale", scale, SCALES, "scales are")
    low, high = (_end(view.get(name, [""])[0], name, getattr(state, name)) for name in ("low", "high"))
    shown, pins = (tuple(view.get(name, ())) for name in ("show", "pin"))
    return replace(state, low=low, high=high, y=view.get("y", [""])[0], shown=shown, scale=scale, pins=pins)


def turned(state: State, texts: Mapping[str, str]) -> State:
    """The state with other numbers in some knobs."""
    places = {state.knob(name): text for name, text in texts.items()}
    return replace(state, description=moved(state.description, places))


def is_whole(state: State, knob: Knob) -> bool:
    """Whether a knob moves in whole steps: as at the start, also where it was written 1 for 1.0 since."""
    known = ranges_of(start(state.description.setting).description).get(knob.name)
    return knob.whole if known is None else known.whole


def _end(text: str, name: str, default: float) -> float:
    return end_of_axis(name, text) if text else default


def end_of_axis(name: str, text: Any) -> float:
    """The number in a box for an end.

    Raises
    ------
    InvalidSetting
        When it is none, or not finite.
    """
    try:
        number = float(text)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise InvalidSetting(name, text, "a finite number, an end of the axis")
    return number
