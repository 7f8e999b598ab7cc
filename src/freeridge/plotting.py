"""Answers as people and machines read them: a grid of named quantities as a table, a file, and curves."""

import csv
import io
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.storage import save_dataset, write_atomically
from freeridge.solvers.tables import jsonable

if TYPE_CHECKING:
    import xarray
    from matplotlib.axes import Axes
    from rich.table import Table

_SIMULATED, _ERROR = "_simulated", "_standard_error"
# Fields of a setting that may be a path, which the answer then has as an axis.
_PATHS = ("ridge", "time")
_MOST_LINES = 10  # values of a second axis that a reader can tell apart


@dataclass(frozen=True)
class Grid:
    """Quantities on the product of some axes; no axes for a single point.

    Parameters
    ----------
    axes : dict of array
        One-dimensional values of each swept field, in the order of the dimensions.
    values : dict of array
        Theory; every array can be broadcast to the shape of the axes.
    simulated, errors : dict of array
        Mean and standard error of the simulation, where there is one.
    facts : dict of array
        What is reported and not drawn: residual and code.

    Examples
    --------
    >>> grid = Grid({"n": np.array([1.0, 2.0])}, {"risk": np.array([0.5, 0.25])})
    >>> print(grid.as_csv(), end="")
    n,risk
    1.0,0.5
    2.0,0.25
    """

    axes: Mapping[str, np.ndarray]
    values: Mapping[str, np.ndarray] = field(default_factory=dict)
    simulated: Mapping[str, np.ndarray] = field(default_factory=dict)
    errors: Mapping[str, np.ndarray] = field(default_factory=dict)
    facts: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        return tuple(len(axis) for axis in self.axes.values())

    def columns(self) -> dict[str, np.ndarray]:
        """Every quantity under one name: simulated ones end in ``_simulated`` and ``_standard_error``."""
        columns = dict(self.values)
        for name in self.simulated:
            columns[name + _SIMULATED] = self.simulated[name]
            columns[name + _ERROR] = self.errors[name]
        columns |= self.facts
        return {name: np.broadcast_to(column, self.shape) for name, column in columns.items()}

    def rows(self) -> Iterator[list[Any]]:
        """One row per point of the grid: axes first, then the columns."""
        columns = self.columns().values()
        for index in np.ndindex(self.shape):
            place = [axis[i].item() for axis, i in zip(self.axes.values(), index, strict=True)]
            yield place + [column[index].item() for column in columns]

    def as_csv(self) -> str:
        """Comma-separated values with a header; numbers keep all their digits."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([*self.axes, *self.columns()])
        writer.writerows(self.rows())
        return text.getvalue()

    def as_dataset(self, record: Mapping[str, Any]) -> "xarray.Dataset":
        """The grid with its axes as coordinates; what the record says beside the numbers, as attributes."""
        import xarray

        columns = {name: (tuple(self.axes), column) for name, column in self.columns().items()}
        attributes = {name: plain(value) for name, value in record.items() if name not in {"result", "axes"}}
        return xarray.Dataset(columns, coords=dict(self.axes), attrs=attributes)

    def as_table(self, title: str) -> "Table":
        """A table for the terminal: a line per quantity for one setting, a line per point for a grid."""
        from rich.table import Table

        if self.axes:
            table = Table(title=title, title_justify="left")
            for name in [*self.axes, *self.columns()]:
                table.add_column(name.replace(_ERROR, " +-").replace(_SIMULATED, " (sim.)"), justify="right")
            for row in self.rows():
                table.add_row(*(_number(value) for value in row))
            return table
        table = Table("quantity", title=title, title_justify="left")
        parts = {
            "theory": {**self.values, **self.facts},
            "simulation": self.simulated,
            "standard error": self.errors,
        }
        parts = {name: part for name, part in parts.items() if part}
        for name in parts:
            table.add_column(name, justify="right")
        for quantity in dict.fromkeys(itertools.chain(*parts.values())):
            cells = [
                _number(np.asarray(part[quantity]).item()) if quantity in part else ""
                for part in parts.values()
            ]
            table.add_row(quantity, *cells)
        return table

    def draw(self, path: Path, title: str) -> None:
        """Curves over the first axis, one panel per quantity when a second axis gives the lines.

        Raises
        ------
        InvalidSetting
            When there is nothing to draw a curve over, or too many lines to tell apart.
        """
        import matplotlib

        matplotlib.use("Agg")
        import matplotlib.pyplot as plt

        names = list({**self.values, **self.simulated})
        self._check_drawable()
        panels = names if len(self.axes) == 2 else names[:1]
        columns = min(len(panels), 2 if len(panels) <= 8 else 4)
        rows = -(-len(panels) // columns)
        figure, axes = plt.subplots(
            rows, columns, figsize=(5.0 * columns, 3.6 * rows), squeeze=False, layout="constrained"
        )
        try:
            for panel, name in zip(axes.flat, panels, strict=False):
                if len(self.axes) == 2:
                    self._draw_lines(panel, name)
                else:
                    self._draw_quantities(panel, names)
            for panel in axes.flat[len(panels) :]:
                panel.set_visible(False)
            # The panels share their lines: one legend, where it covers none of them.
            lines = axes.flat[0].get_legend_handles_labels()
            figure.legend(*lines, loc="outside lower center", ncols=4, fontsize="small")
            figure.suptitle(title, fontsize="medium")
            figure.savefig(path, dpi=150, format=path.suffix[1:])
        finally:
            plt.close(figure)

    def _check_drawable(self) -> None:
        if not 1 <= len(self.axes) <= 2:
            raise InvalidSetting("plot", list(self.axes), "one or two axes; a ridge path or a sweep has them")
        if len(self.axes) == 2 and self.shape[1] > _MOST_LINES:
            raise InvalidSetting(
                "plot",
                list(self.axes),
                f"at most {_MOST_LINES} values of the second axis, one line each, not {self.shape[1]}",
            )

    def _draw_quantities(self, panel: "Axes", names: list[str]) -> None:
        for color, name in enumerate(names):
            self._curve(panel, name, (slice(None),), f"C{color % 10}", name)
        self._dress(panel, names)

    def _draw_lines(self, panel: "Axes", name: str) -> None:
        second, levels = list(self.axes.items())[1]
        for color, level in enumerate(levels):
            self._curve(panel, name, (slice(None), color), f"C{color}", f"{second} = {_number(level.item())}")
        self._dress(panel, [name])
        panel.set_ylabel(name)

    def _curve(self, panel: "Axes", name: str, index: tuple[Any, ...], color: str, label: str) -> None:
        first = next(iter(self.axes.values()))
        if name in self.values:
            curve = np.broadcast_to(self.values[name], self.shape)[index]
            panel.plot(first, np.where(np.isfinite(curve), curve, np.nan), color=color, label=label)
        if name in self.simulated:
            points, bars = self.simulated[name][index], self.errors[name][index]
            shown = None if name in self.values else label
            panel.errorbar(first, points, bars, fmt="o", markersize=3, capsize=2, color=color, label=shown)

    def _dress(self, panel: "Axes", names: list[str]) -> None:
        name, first = next(iter(self.axes.items()))
        panel.set_xlabel(name)
        panel.set_xscale("log" if _spans_decades(first) else "linear")
        drawn = [np.ravel(part[n]) for part in (self.values, self.simulated) for n in names if n in part]
        panel.set_yscale("log" if _spans_decades(np.concatenate(drawn)) else "linear")


def grid_of(setting: Any, **parts: Mapping[str, Any]) -> Grid:
    """The answer for one setting as a grid: over its ridge path, its rounds, or a single point."""
    fewest = min(np.ndim(v) for name, part in parts.items() if name != "facts" for v in part.values())
    parts = {name: _risk_first(apart(part, fewest)) for name, part in parts.items()}
    shape = max((np.shape(value) for part in parts.values() for value in part.values()), key=len)
    return Grid(
        {axis: _axis_values(setting, axis, length) for axis, length in _own_axes(setting, shape).items()},
        **parts,
    )


def grid_of_dataset(dataset: "xarray.Dataset", setting: Any) -> Grid:
    """The answer of a sweep as a grid."""
    columns = {str(name): part.values for name, part in dataset.items()}
    fewest = min(column.ndim for name, column in columns.items() if name not in ("residual", "code"))
    wide = [name for name, column in columns.items() if column.ndim > fewest]
    for name in wide:
        dims = dataset[name].dims[:-1]
        split = apart({name: columns[name]}, fewest)
        dataset = dataset.drop_vars(name).assign({one: (dims, part) for one, part in split.items()})
    extra = [dimension for dimension in dataset.sizes if dimension not in dataset.coords]
    own = _own_axes(setting, tuple(dataset.sizes[dimension] for dimension in extra), swept=True)
    dataset = dataset.rename(dict(zip(extra, own, strict=True)))
    dataset = dataset.assign_coords(
        {name: _axis_values(setting, name, length) for name, length in own.items()}
    )
    names = [str(name) for name in dataset.sizes]
    spread = {
        str(name): part.values for name, part in dataset.broadcast_like(dataset).transpose(*names).items()
    }
    simulated = [name.removesuffix(_SIMULATED) for name in spread if name.endswith(_SIMULATED)]
    theory = [
        name
        for name in spread
        if not name.endswith((_SIMULATED, _ERROR)) and name not in ("residual", "code")
    ]
    return Grid(
        {name: np.asarray(dataset[name]) for name in names},
        _risk_first({name: spread[name] for name in theory}),
        _risk_first({name: spread[name + _SIMULATED] for name in simulated}),
        {name: spread[name + _ERROR] for name in simulated},
        {name: spread[name] for name in ("residual", "code")},
    )


def save(path: Path, record: Mapping[str, Any], grid: Grid | None = None) -> None:
    """Write an answer by the suffix of the file, in full or not at all."""
    if path.suffix == ".nc" and grid is not None:
        save_dataset(grid.as_dataset(record), path)
    else:
        text = grid.as_csv() if path.suffix == ".csv" and grid is not None else as_json(record) + "\n"
        write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def as_json(record: Any) -> str:
    """JSON text; infinite numbers and NaN are strings.

    Examples
    --------
    >>> print(as_json({"risk": np.array([0.5, np.inf])}))
    {
      "risk": [
        0.5,
        "inf"
      ]
    }
    """
    return json.dumps(plain(record), indent=2)


def plain(value: Any) -> Any:
    """The value in terms of JSON."""
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if value is None or isinstance(value, Path):
        return None if value is None else str(value)
    return jsonable(value)


def print_table(table: "Table") -> None:
    """Print for people: as wide as the terminal, and as wide as it takes into a file or a pipe."""
    from rich.console import Console

    console = Console()
    console = console if console.is_terminal else Console(width=240)
    with console.capture() as text:
        console.print(table)
    print(text.get(), end="")  # rich would end the program when a pipe is closed


def text_table(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> "Table":
    """A table of texts."""
    from rich.table import Table

    table = Table(*columns)
    for row in rows:
        table.add_row(*(str(row[column]) for column in columns))
    return table


def _risk_first(quantities: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The sum before its parts, whatever order compiled code returns them in; as NumPy arrays."""
    return {
        name: np.asarray(quantities[name]) for name in sorted(quantities, key=lambda name: name != "risk")
    }


def apart(quantities: Mapping[str, Any], fewest: int) -> dict[str, Any]:
    """Quantities with an entry per group beside others with a single one: a quantity for each group."""
    parts = {}
    for name, value in quantities.items():
        if np.ndim(value) <= fewest:
            parts[name] = value
            continue
        end = next((end for end in (_SIMULATED, _ERROR) if name.endswith(end)), "")
        for group in range(np.shape(value)[-1]):
            parts[f"{name.removesuffix(end)}_{group + 1}{end}"] = np.asarray(value)[..., group]
    return parts


def _own_axes(setting: Any, shape: tuple[int, ...], swept: bool = False) -> dict[str, int]:
    """Names for the dimensions that an answer has by itself."""
    first = "round" if hasattr(setting, "rounds") else "index"
    paths = [name for name in _PATHS if getattr(getattr(setting, name, None), "ndim", 0) == 1]
    if paths and not swept:
        first = paths[0]
    return {first if place == 0 else f"{first}_{place}": length for place, length in enumerate(shape)}


def _axis_values(setting: Any, name: str, length: int) -> np.ndarray:
    return np.asarray(getattr(setting, name)) if name in _PATHS else np.arange(1, length + 1)


def _spans_decades(values: np.ndarray) -> bool:
    """Whether the values are positive numbers that differ by more than a factor of fifty."""
    if values.dtype.kind not in "fiu":
        return False
    finite = values[np.isfinite(values)]
    return bool(finite.size and finite.min() > 0 and finite.max() > 50 * finite.min())


def _number(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
