"""What is on the screen, as numbers: curves with their pins, or a phase diagram, and simulated points."""

import csv
import io
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from math import isqrt
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import numpy as np

from freeridge.explorer.program import evaluate, seconds_per_point
from freeridge.explorer.recipe import POINTS, SIDE, axis_values, ends, in_decades
from freeridge.explorer.state import State, read_query
from freeridge.plotting import apart
from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.results import tally

# Redrawn within a second or so, also where a point takes long: with fewer points.
_PATIENCE, _FEWEST = 1.0, 9
_KEPT = 256  # curves: those of pins are not computed again at every step of a slider


class Points(NamedTuple):
    """Simulated means with standard errors, by quantity."""

    x: Sequence[float]
    mean: Mapping[str, Sequence[float]]
    error: Mapping[str, Sequence[float]]


@dataclass(frozen=True)
class Curve:
    """Quantities along the axis of one state."""

    label: str
    x: np.ndarray
    values: Mapping[str, np.ndarray]
    code: np.ndarray
    seconds: float
    points: int  # asked for; of whole numbers there may be fewer
    simulated: Points | None = None


@dataclass(frozen=True)
class Screen:
    """Everything that is drawn.

    Parameters
    ----------
    state : State
    names : list of str
        Quantities there are.
    shown : list of str
        Quantities drawn.
    curves : list of Curve
        The current one first, then the pins; none in a phase diagram.
    x, y, z : array
        Of a phase diagram.
    message : str
        How the points ended.
    seconds : float
        What the computation took.
    points : tuple of int
        Asked for along each axis; of whole numbers there may be fewer.
    """

    state: State
    names: list[str]
    shown: list[str]
    curves: list[Curve] = field(default_factory=list)
    x: np.ndarray = field(default_factory=lambda: np.empty(0))
    y: np.ndarray = field(default_factory=lambda: np.empty(0))
    z: np.ndarray = field(default_factory=lambda: np.empty((0, 0)))
    message: str = ""
    seconds: float = 0.0
    points: tuple[int, ...] = ()

    @property
    def logarithmic(self) -> tuple[bool, bool]:
        """Whether the axes, x and y of a diagram, are in decades."""
        knobs = [self.state.knob(name) for name in (self.state.x, self.state.y) if name]
        scales = [in_decades(self.state, knob) for knob in knobs]
        return scales[0], len(scales) > 1 and scales[1]

    def as_csv(self) -> str:
        """A line per point: curve, axis, quantities, code; then the simulated points."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        if self.state.y:
            writer.writerow([self.state.x, self.state.y, self.shown[0]])
            writer.writerows([x, y, self.z[j, i]] for j, y in enumerate(self.y) for i, x in enumerate(self.x))
            return text.getvalue()
        writer.writerow(["curve", "kind", self.state.x, *self.names, "code"])
        for curve in self.curves:
            rows = zip(curve.x, *(curve.values[name] for name in self.names), curve.code, strict=True)
            writer.writerows([curve.label, "theory", *row] for row in rows)
            for kind in ("mean", "error") if curve.simulated else ():
                part = getattr(curve.simulated, kind)
                columns = [part.get(name, [""] * len(curve.simulated.x)) for name in self.names]  # type: ignore[union-attr]
                label = "simulated" if kind == "mean" else "standard error"
                rows = zip(curve.simulated.x, *columns, strict=True)  # type: ignore[union-attr]
                writer.writerows([curve.label, label, *row, ""] for row in rows)
        return text.getvalue()


def compute(state: State, simulated: Mapping[str, Points], allowed: Mapping[str, str]) -> Screen:
    """All numbers of a state.

    Parameters
    ----------
    state : State
    simulated : mapping of str to Points
        By the name of the curve that they belong to.
    allowed : mapping of str to str
        Settings that pins may be of.

    Raises
    ------
    InvalidSetting
        When the setting cannot be built.

    Examples
    --------
    >>> from freeridge.explorer.state import start
    >>> found = compute(start("ZipfTail"), {}, {"ZipfTail": ""})
    >>> found.message, found.names[0], len(found.curves[0].x)
    ('certified', 'risk', 200)
    """
    if state.y:
        return _diagram(state)
    here = state.query(pins=False)
    curve = _curve(here, tuple(allowed))
    names = list(curve.values)
    shown = [name for name in state.shown if name in names] or names[:1]
    curves = [replace(curve, label="current", simulated=simulated.get(state.curve()))]
    for number, pin in enumerate(state.pins, 1):
        label = f"pin {number}: {difference(pin, here)}"
        points = simulated.get(read_query(pin, allowed).curve())
        curves.append(replace(_curve(pin, tuple(allowed)), label=label, simulated=points))
    message = tally(curve.code)[1]
    return Screen(state, names, shown, curves, message=message, seconds=curve.seconds, points=(curve.points,))


def points_of(state: State) -> tuple[int, ...]:
    """How many points each axis has: fewer where a point takes long, or a program for each."""
    knobs = [state.knob(name) for name in (state.x, state.y) if name]
    seconds = seconds_per_point(state.description, {knob.name: ends(state, knob) for knob in knobs})
    affordable = int(_PATIENCE / max(seconds, 1e-9))
    # A diagram may take ten times as long as a curve.
    along, most = (isqrt(10 * affordable), SIDE) if state.y else (affordable, POINTS)
    return tuple(min(max(along, _FEWEST), most) if knob.live else _FEWEST for knob in knobs)


def difference(pin: str, here: str) -> str:
    """What a pinned state has other than the current one, in words."""
    one, other = dict(parse_qsl(pin)), dict(parse_qsl(here))
    words = [
        f"{name} = {value}" for name, value in one.items() if other.get(name) != value and "view." not in name
    ]
    missing = [name for name in other if name not in one and "view." not in name]
    return ", ".join([*words, *(f"{name} as at the start" for name in missing)]) or "the same"


@lru_cache(maxsize=_KEPT)
def _curve(query: str, allowed: tuple[str, ...]) -> Curve:
    state = read_query(query, dict.fromkeys(allowed, ""))
    (points,) = points_of(state)
    x = axis_values(state, state.knob(state.x), points)
    begun = time.perf_counter()
    columns = evaluate(state.description, {state.x: list(x)})
    seconds = time.perf_counter() - begun
    return Curve("", x, _flat(columns), columns["code"].reshape(len(x), -1).max(axis=1), seconds, points)


def _flat(columns: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Quantities as columns: one for each group, round or class; the risk first."""
    quantities = {name: part for name, part in columns.items() if name not in ("code", "residual")}
    while any(np.ndim(part) > 1 for part in quantities.values()):
        quantities = apart(quantities, 1)
    # What one looks for comes before its parts and what is derived from it.
    return dict(sorted(quantities.items(), key=lambda item: _rank(item[0])))


def _rank(name: str) -> tuple[bool, bool]:
    return not name.startswith("risk"), "risk" not in name and "error" not in name


def _diagram(state: State) -> Screen:
    knobs = state.knob(state.x), state.knob(state.y)
    if state.x == state.y:
        raise InvalidSetting("second axis", state.y, "another number than that of the first")
    points = points_of(state)
    x, y = (axis_values(state, knob, count) for knob, count in zip(knobs, points, strict=True))
    inner, outer = np.meshgrid(x, y)
    begun = time.perf_counter()
    columns = evaluate(state.description, {state.x: inner.ravel().tolist(), state.y: outer.ravel().tolist()})
    quantities = _flat(columns)
    names = list(quantities)
    shown = [name for name in state.shown if name in names][:1] or names[:1]
    z = quantities[shown[0]].reshape(len(y), len(x))
    seconds = time.perf_counter() - begun
    message = tally(columns["code"])[1]
    return Screen(state, names, shown, x=x, y=y, z=z, message=message, seconds=seconds, points=points)
