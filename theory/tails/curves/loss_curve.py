"""Measured loss curves: pairs (T, E) from arrays or from a CSV file, checked number by number."""

import csv
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from freeridge.solvers.errors import InvalidSetting

# How people call the columns, in lower case; the first name of each is the one the other modules use.
_NAMES = {
    "T": ("t", "tokens", "samples", "examples", "n", "data"),
    "E": ("e", "error", "loss", "risk", "test_error", "test_loss", "test error", "test loss"),
    "standard_error": ("standard_error", "standard error", "std_error", "stderr", "se", "sem"),
    "d": ("d", "capacity", "dimension", "width"),
    "k": ("k", "cut", "tail_cut"),
}
_POSITIVE = "a finite number > 0"


@dataclass(frozen=True, eq=False)
class LossCurve:
    """Measured errors E at sample sizes T, in any order; several rows may have one T.

    Parameters
    ----------
    T, E : array of shape (n,)
        Sample sizes (examples, tokens; whole or not) and errors, all > 0: the laws are laws of log E.
    standard_error : array of shape (n,), optional
        Standard errors of E; without them the errors of log E are taken to be equal, and are estimated.
    d, k : array of shape (n,), optional
        Capacity and tail cut of each row, for the triplet law.

    Raises
    ------
    InvalidSetting
        For what is not finite and positive, arrays of different lengths, and a single value of T, d or k.

    Examples
    --------
    >>> curve = LossCurve([10, 100, 1000], [0.5, 0.25, 0.12])
    >>> curve.rows, sorted(curve.columns)
    (3, ['T'])
    >>> LossCurve([10, 100, 1000], [0.5, 0.25, -0.1])
    Traceback (most recent call last):
        ...
    freeridge.solvers.errors.InvalidSetting: E[2] = -0.1: expected a finite number > 0
    """

    T: Any
    E: Any
    standard_error: Any = None
    d: Any = None
    k: Any = None

    def __post_init__(self) -> None:
        for name in _NAMES:
            given = getattr(self, name)
            if given is not None:
                object.__setattr__(self, name, _positive(name, given))
        for name in (*self.columns, *(["standard_error"] if self.standard_error is not None else [])):
            if len(getattr(self, name)) != self.rows:
                raise InvalidSetting(name, getattr(self, name), f"as many numbers as E has, {self.rows}")
        for name, column in self.columns.items():
            if self.rows and np.all(column == column[0]):
                raise InvalidSetting(
                    name, column, f"at least two values of {name}: a law needs them to differ"
                )

    @property
    def rows(self) -> int:
        """Number of measurements."""
        return len(self.E)

    @property
    def columns(self) -> dict[str, Float[np.ndarray, " n"]]:
        """What E is a function of: T, and d and k where they are given."""
        return {name: getattr(self, name) for name in ("T", "d", "k") if getattr(self, name) is not None}

    @property
    def log_error(self) -> Float[np.ndarray, " n"]:
        """log E."""
        return np.log(self.E)

    @property
    def log_scale(self) -> Float[np.ndarray, " n"] | None:
        """Standard errors of log E, to first order."""
        return None if self.standard_error is None else self.standard_error / self.E


def read_curve(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a loss curve from a CSV file, as the arguments of :func:`fit_curve`.

    Parameters
    ----------
    path : path
        Comma-separated values with a header. ``T`` may be called tokens, samples, examples, n or data; ``E``
        error, loss, risk, test_error or test_loss; ``standard_error`` stderr, se or sem; ``d`` capacity,
        dimension or width; ``k`` cut or tail_cut; in capitals or not. Other columns, empty lines and lines
        that begin with # are passed over.

    Returns
    -------
    dict of array
        ``T``, ``E`` and what else is there of ``standard_error``, ``d``, ``k``.

    Raises
    ------
    InvalidSetting
        With the line and the column of a cell that is missing, no number, infinite, zero or negative; for a
        file without header, without T or E, or with two columns of one meaning.
    OSError
        When the file cannot be read.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "loss.csv"
    >>> _ = path.write_text("tokens,loss\\n100,0.5\\n1000,0.25\\n")
    >>> read_curve(path)
    {'T': array([ 100., 1000.]), 'E': array([0.5 , 0.25])}
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidSetting("FILE", str(path), "text in UTF-8, comma-separated values") from None
    lines = _lines(text)
    first, header = next(lines, (0, []))
    places = _places(path, first, header)
    columns: dict[str, list[float]] = {name: [] for name in places}
    for line, cells in lines:
        if len(cells) > len(header):
            raise InvalidSetting(
                f"{path}, line {line}", ",".join(cells), f"{len(header)} cells as in the header"
            )
        for name, place in places.items():
            cell = cells[place] if place < len(cells) else ""
            columns[name].append(_number(cell, f"{path}, line {line}, column {header[place]}"))
    if not columns["T"]:
        raise InvalidSetting(str(path), "no rows", "a line of numbers for each measurement")
    return {name: np.array(column) for name, column in columns.items()}


def _lines(text: str) -> Iterator[tuple[int, list[str]]]:
    """Lines with something on them, with their numbers."""
    for line, written in enumerate(text.splitlines(), start=1):
        if written.strip() and not written.lstrip().startswith("#"):
            yield line, [cell.strip() for cell in next(csv.reader([written]))]


def _places(path: Path, line: int, header: list[str]) -> dict[str, int]:
    """Where the columns are."""
    expected = "a header such as T,E or tokens,loss,standard_error"
    if not header:
        raise InvalidSetting(str(path), "nothing", expected)
    found: dict[str, int] = {}
    for name, aliases in _NAMES.items():
        places = [place for place, written in enumerate(header) if written.lower() in aliases]
        if len(places) > 1:
            several = " and ".join(header[place] for place in places)
            raise InvalidSetting(f"{path}, line {line}", several, f"one column for {name}")
        if places:
            found[name] = places[0]
    for name in ("T", "E"):
        if name not in found:
            raise InvalidSetting(f"{path}, line {line}", ",".join(header), f"{expected}; {name} is not there")
    return found


def _number(cell: str, where: str) -> float:
    if not cell:
        raise InvalidSetting(where, "missing", _POSITIVE)
    try:
        value = float(cell)
    except ValueError:
        raise InvalidSetting(where, cell, _POSITIVE) from None
    if not (value > 0 and math.isfinite(value)):
        raise InvalidSetting(where, value, _POSITIVE)
    return value


def _positive(name: str, given: Any) -> Float[np.ndarray, " n"]:
    """The numbers as an array; the first one that is not positive is named."""
    try:
        array = np.array(given, np.float64)
    except (TypeError, ValueError):
        raise InvalidSetting(name, given, "a list of numbers > 0") from None
    if array.ndim != 1:
        raise InvalidSetting(name, given, "a list of numbers > 0, one for each measurement")
    wrong = np.flatnonzero(~(np.isfinite(array) & (array > 0)))
    if wrong.size:
        raise InvalidSetting(f"{name}[{wrong[0]}]", array[wrong[0]].item(), _POSITIVE)
    return array
