"""The axes of a sweep: values that make sense for a field, and how they are named in the result."""

import dataclasses
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from freeridge.solvers.errors import InvalidSetting, shorten
from freeridge.solvers.field_places import Located, Place, children_of, locate, with_leaves


class Axis(NamedTuple):
    """A field with its values: numbers for one compiled call, or a loop; labels are the coordinate."""

    name: str
    place: Place
    values: list[Any]
    vectorised: bool
    labels: np.ndarray


def make_grid(tree: Any, axes: Mapping[str, Any]) -> list[Axis]:
    """The axes of the request, each checked against the field it is for."""
    if not axes:
        raise InvalidSetting("axes", dict(axes), "at least one field with its values")
    entries = {str(name): _entries(str(name), values) for name, values in axes.items()}
    # Numbers may go to a field that only the values of another axis have: look there.
    example, found = tree, {}
    for name, values in sorted(entries.items(), key=lambda item: all(map(_is_real, item[1]))):
        found[name] = locate(example, name, values)
        if not all(map(_is_real, values)) and not found[name].static:
            example = with_leaves(example, [found[name].place], [values[0]])
    return [_axis(name, values, found[name]) for name, values in entries.items()]


def _entries(name: str, values: Any) -> list[Any]:
    if isinstance(values, str | bytes | Mapping) or not np.iterable(values):
        raise InvalidSetting(name, values, "a list of values")
    entries = list(np.asarray(values) if hasattr(values, "dtype") else values)
    if not entries:
        raise InvalidSetting(name, values, "at least one value")
    for value in entries:
        kind = np.asarray(value).dtype if _is_real(value) or hasattr(value, "dtype") else np.dtype(bool)
        if kind.kind == "f" and kind.itemsize < 8:
            raise InvalidSetting(name, values, "float64: thresholds and small ridges are lost in less")
        if kind.kind == "f" and np.any(np.isnan(np.asarray(value))):
            raise InvalidSetting(name, values, "numbers, none of them NaN")
    return entries


def _is_real(value: Any) -> bool:
    if isinstance(value, float | int | np.integer | np.floating):
        return not isinstance(value, bool)
    return getattr(value, "ndim", 1) == 0 and np.asarray(value).dtype.kind in "fiu"


def _axis(name: str, entries: list[Any], field: Located) -> Axis:
    def require(holds: Callable[[Any], bool], expected: str) -> None:
        for value in entries:
            if not (holds(value) or (value is None and field.optional)):
                raise InvalidSetting(name, value, expected)

    current = field.current
    reals = all(_is_real(value) for value in entries)
    if field.static and isinstance(current, int) and not isinstance(current, bool):
        require(lambda v: _is_real(v) and float(v).is_integer(), "whole numbers")
        entries = [value if value is None else int(value) for value in entries]
    elif field.static and isinstance(current, bool | str):
        require(
            lambda v: isinstance(v, type(current)),
            f"values of type {type(current).__name__}, like {current!r}",
        )
    elif _is_real(current) or hasattr(current, "dtype"):
        require(lambda v: _is_real(v) or hasattr(v, "dtype") or isinstance(v, list | tuple), "real numbers")
    elif dataclasses.is_dataclass(current):
        kind = type(current).__name__
        require(
            lambda v: not _is_real(v) and not isinstance(v, str | bool), f"values that can stand for a {kind}"
        )
    if reals and not field.static:
        numbers = [float(value) for value in entries]
        return Axis(name, field.place, numbers, True, np.array(numbers))
    return Axis(name, field.place, entries, False, _labels(entries))


def _labels(entries: list[Any]) -> np.ndarray:
    """Coordinates of values that are no numbers: texts, no two of them the same."""
    for kind in (bool, int, str):
        if all(type(value) is kind for value in entries):
            return np.array(entries)
    texts = [_label(value) for value in entries]
    repeated = {text for text, times in Counter(texts).items() if times > 1}
    return np.array([f"{text} #{k}" if text in repeated else text for k, text in enumerate(texts)])


def _label(value: Any) -> str:
    if dataclasses.is_dataclass(value):
        fields = ", ".join(f"{name}={_label(child)}" for name, child in children_of(value).items())
        return f"{type(value).__name__}({fields})"
    return f"{float(value):.12g}" if _is_real(value) else shorten(value)
