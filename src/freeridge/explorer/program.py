"""One compiled program for every position of the live knobs of a description, kept for the next position."""

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from threading import Lock
from typing import Any, NamedTuple

import jax
import numpy as np

from freeridge.explorer.knobs import FIELD, NAME, Knob, accepts, built, knobs_of, moved
from freeridge.language import Description
from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.parts import Columns
from freeridge.solvers.results import Code, Prediction
from freeridge.solvers.sweep_theory import predict_chunk

_PROGRAMS = 64  # kept at a time; each holds some megabytes
# Points of one call. Settings of training take 0.1 GB and half a second a point: this bounds both.
_CALL = 10
Texts = tuple[tuple[str, str], ...]


class _Shape(NamedTuple):
    """What a compiled program depends on: the texts with placeholders for live numbers, and these."""

    setting: str
    folder: Any
    let: Texts
    fields: Texts
    live: tuple[str, ...]


def evaluate(description: Description, axes: Mapping[str, Sequence[float]]) -> Columns:
    """Predictions of a description over the values of some of its knobs, point by point.

    Parameters
    ----------
    description : Description
    axes : mapping of str to sequence
        Names of knobs, with as many values for each; none for a single point.

    Returns
    -------
    dict of array
        Quantities, ``residual`` and ``code``, a row per point. What is refused or not certified is NaN.

    Raises
    ------
    InvalidSetting
        When the description cannot be built as it stands, or has no such knob.

    Examples
    --------
    >>> plain = Description("ZipfTail", fields={"beta": "1.5", "T": "100.0"})
    >>> evaluate(plain, {"T": [10.0, 100.0]})["code"]
    array([0, 0], dtype=int32)
    """
    knobs = {knob.name: knob for knob in knobs_of(description)}
    for name in axes:
        if name not in knobs:
            raise InvalidSetting("axis", name, f"a number of the setting: {', '.join(knobs)}")
    built(description, {})  # as it stands: errors name what is wrong
    still = [knobs[name] for name in axes if not knobs[name].live]
    if still:
        return _loop(description, knobs, still[0], axes)
    live = [knob for knob in knobs.values() if knob.live]
    points = max(map(len, axes.values()), default=1)
    rows = np.array([np.broadcast_to(axes.get(knob.name, knob.value), points) for knob in live]).T
    return _program(_shape(description, live)).columns(
        rows.reshape(points, len(live)), _valid(description, knobs, axes, points)
    )


def seconds_per_point(description: Description, ends: Mapping[str, Sequence[float]]) -> float:
    """How long a point takes once it is compiled, as measured; at the ends of an axis it may take longest."""
    live = [knob for knob in knobs_of(description) if knob.live]
    program = _program(_shape(description, live))
    while not program.seconds:
        evaluate(description, {knob.name: ends[knob.name] for knob in live if knob.name in ends})
    return sum(program.seconds) / len(program.seconds)


class _Program:
    """Compiled at the first call; a second window waits for that instead of repeating it."""

    def __init__(self, lane: Callable[[Any], Prediction]) -> None:
        self.compiled = jax.jit(jax.vmap(lane))
        self.lock = Lock()
        self.is_compiled = False
        self.seconds: deque[float] = deque(maxlen=20)  # per point, in the latest calls

    def columns(self, rows: np.ndarray, valid: np.ndarray) -> Columns:
        parts = []
        for start in range(0, len(rows), _CALL):
            kept = min(_CALL, len(rows) - start)
            lanes = np.minimum(np.arange(start, start + _CALL), len(rows) - 1)  # the last call is filled up
            with self.lock:
                begun = time.perf_counter()
                part = predict_chunk(self.compiled, rows[lanes], valid[lanes])
                if self.is_compiled:
                    self.seconds.append((time.perf_counter() - begun) / _CALL)
                self.is_compiled = True
            parts.append({name: column[:kept] for name, column in part.items()})
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _shape(description: Description, live: Sequence[Knob]) -> _Shape:
    held = moved(description, {knob: knob.placeholder for knob in live})
    let, fields = (tuple((k, str(v)) for k, v in table.items()) for table in (held.let, held.fields))
    return _Shape(held.setting, held.folder, let, fields, tuple(knob.placeholder for knob in live))


@lru_cache(maxsize=_PROGRAMS)
def _program(shape: _Shape) -> _Program:
    held = Description(
        shape.setting, folder=shape.folder, **{NAME: dict(shape.let), FIELD: dict(shape.fields)}
    )

    def lane(values: Any) -> Prediction:
        numbers = {name: values[place] for place, name in enumerate(shape.live)}
        prediction: Prediction = built(held, numbers).predict()
        return prediction

    return _Program(lane)


def _valid(
    description: Description, knobs: Mapping[str, Knob], axes: Mapping[str, Sequence[float]], points: int
) -> np.ndarray:
    """Which points the setting accepts; what is right for both ends of an axis is right between them."""
    valid = np.ones(points, bool)
    for name, values in axes.items():
        knob = knobs[name]
        if not all(accepts(description, knob, end) for end in (min(values), max(values))):
            distinct = {value: accepts(description, knob, value) for value in set(values)}
            valid &= np.array([distinct[value] for value in values])
    return valid


def _loop(
    description: Description, knobs: Mapping[str, Knob], still: Knob, axes: Mapping[str, Sequence[float]]
) -> Columns:
    """A dimension fixes the shape of a program: one program for each of its values."""
    rest = {name: values for name, values in axes.items() if name != still.name}
    sizes = np.asarray(axes[still.name])
    groups: list[tuple[np.ndarray, Columns]] = []
    for size in np.unique(sizes):
        places = np.flatnonzero(sizes == size)
        points = {name: [values[int(place)] for place in places] for name, values in rest.items()}
        with suppress(InvalidSetting):
            groups.append((places, evaluate(moved(description, {still: still.text(size)}), points)))
    if not groups:
        raise InvalidSetting(still.name, sizes.tolist(), "at least one value that the setting accepts")
    columns = {}
    for name, example in groups[-1][1].items():
        # Where the size is a number of rounds, the later ones are missing in smaller ones.
        shape = np.max([part[name].shape[1:] for _, part in groups], axis=0).astype(int)
        fill = Code.OK if name == "code" else np.nan
        columns[name] = np.full((len(sizes), *shape), fill, example.dtype)
        for places, part in groups:
            where: Any = (places, *map(slice, part[name].shape[1:]))
            columns[name][where] = part[name]
    accepted = np.concatenate([places for places, _ in groups])
    columns["code"][np.setdiff1d(np.arange(len(sizes)), accepted)] = Code.INVALID
    return columns
