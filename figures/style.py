"""One look for all figures: theory as lines, simulation as points with error bars on top of them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

# Okabe and Ito: told apart by every common kind of colour vision, in grey by the markers.
CATEGORIES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "D", "^", "v", "h", "X")

PARAMETERS: dict[str, Any] = {
    "font.size": 9.0,
    "axes.labelsize": 9.5,
    "axes.titlesize": 9.5,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "lines.linewidth": 1.5,
    "mathtext.fontset": "dejavusans",
    "figure.dpi": 100,
    "savefig.dpi": 200,
    "pdf.fonttype": 42,  # text stays text in the PDF
}


@contextmanager
def look() -> Iterator[None]:
    """The style, for drawing and for saving."""
    with mpl.rc_context(PARAMETERS):  # type: ignore[arg-type, unused-ignore]
        yield


def panels(
    rows: int, columns: int, *, width: float = 3.1, height: float = 2.7, **shared: Any
) -> tuple[Figure, np.ndarray]:
    """A figure that needs no display, its axes as an array, with a letter on each of several."""
    figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
    axes = np.asarray(figure.subplots(rows, columns, squeeze=False, **shared))
    if axes.size > 1:
        for letter, panel in zip("abcdefghijkl", axes.flat, strict=False):
            panel.set_title(f"({letter})", loc="left", fontweight="bold")
    return figure, axes


def shades(count: int) -> list[Any]:
    """Colours for the ordered values of a parameter, from dark to light, without the palest."""
    return [mpl.colormaps["viridis"](place) for place in np.linspace(0.0, 0.87, count)]


def categories(count: int) -> list[Any]:
    """Colours for values without an order."""
    return list(CATEGORIES[:count])


def line_and_points(
    panel: Axes,
    curve: tuple[Any, Any],
    points: tuple[Any, Any, Any] | None,
    *,
    color: Any,
    marker: str = "o",
    line: str = "-",
) -> None:
    """Theory (x, y) as a line; simulation (x, mean, standard error) on top of it.

    Examples
    --------
    >>> figure, axes = panels(1, 1)
    >>> line_and_points(axes[0, 0], ([1, 2], [1, 2]), ([1.5], [1.6], [0.1]), color="k")
    >>> len(axes[0, 0].containers)
    1
    """
    panel.plot(*_finite(*curve), line, color=color, zorder=2)
    if points is not None:
        x, mean, error = _finite(*points)
        panel.errorbar(
            x, mean, error, fmt=marker, color=color, markersize=4.2, markeredgecolor="white",
            markeredgewidth=0.5, elinewidth=1.0, capsize=2.0, zorder=3,
        )  # fmt: skip


def legend(
    figure: Figure,
    labels: Sequence[str],
    colors: Sequence[Any],
    markers: Sequence[str] | None = None,
    *,
    lines: Sequence[Any] | None = None,
    extra: Sequence[tuple[str, Line2D]] = (),
    predicted: str = "theory",
    measured: str = "simulation",
) -> None:
    """A legend under the panels, where it covers no data; last what a line and a point stand for."""
    markers = MARKERS if markers is None else markers
    lines = ["-"] * len(labels) if lines is None else lines
    handles = [
        Line2D(
            [],
            [],
            color=color,
            marker=marker,
            linestyle=line,
            markersize=11 if marker == "*" else 5,
            markeredgecolor="white",
            markeredgewidth=0.5,
        )
        for color, marker, line in zip(colors, markers, lines, strict=False)
    ]
    point = Line2D([], [], color="0.35", marker="o", linestyle="none", markersize=5)
    line = Line2D([], [], color="0.35")
    more = [*extra, (predicted, line), (f"{measured} \N{PLUS-MINUS SIGN} s.e.", point)]
    handles += [handle for _, handle in more]
    texts = [*labels, *(text for text, _ in more)]
    # In one row as long as it is not wider than the panels.
    room = 13.0 * float(figure.get_size_inches()[0])
    needed = sum(len(text.replace("$", "")) + 6 for text in texts)
    columns = len(texts) if needed <= room else -(-len(texts) // 2)
    figure.legend(
        handles, texts, loc="outside lower center", ncols=columns, handlelength=2.0, columnspacing=1.4
    )


def heat_map(
    panel: Axes, x: Any, y: Any, values: Any, *, limits: tuple[float, float], colors: str, label: str
) -> None:
    """Positive values over two logarithmic axes, on a logarithmic scale of colours.

    What lies beyond the limits has the colour of the nearer one, and the colour bar a tip there.

    Examples
    --------
    >>> figure, axes = panels(1, 1)
    >>> ones = np.ones((2, 3))
    >>> heat_map(axes[0, 0], [1, 2], [1, 2, 4], ones, limits=(0.1, 9.0), colors="RdBu_r", label="ADD")
    >>> len(figure.axes)
    2
    """
    shown = np.asarray(values, np.float64)
    mesh = panel.pcolormesh(
        x, y, shown.T, norm=LogNorm(*limits), cmap=colors, shading="nearest", rasterized=True
    )
    panel.set(xscale="log", yscale="log")
    panel.grid(False)
    beyond = (bool(np.nanmin(shown) < limits[0]), bool(np.nanmax(shown) > limits[1]))
    extend = {(False, False): "neither", (True, False): "min", (False, True): "max", (True, True): "both"}
    panel.get_figure(root=True).colorbar(mesh, ax=panel, label=label, extend=extend[beyond], pad=0.02)  # type: ignore[union-attr]


def plain_ticks(axis: Axis, subs: Sequence[float] = (1.0, 2.0, 5.0)) -> None:
    """Plain numbers instead of powers of ten, on a logarithmic axis that spans few of them.

    Examples
    --------
    >>> figure, axes = panels(1, 1)
    >>> axes[0, 0].set(xscale="log", xlim=(1, 30))
    [...]
    >>> plain_ticks(axes[0, 0].xaxis)
    >>> {"1", "2", "5", "10", "20"} <= {label.get_text() for label in axes[0, 0].get_xticklabels()}
    True
    """
    axis.set_major_locator(LogLocator(subs=subs))
    axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.set_minor_formatter(NullFormatter())


def _finite(*columns: Any) -> list[np.ndarray]:
    """The places where all columns are numbers: an infinite limit is not drawn."""
    arrays = [np.asarray(column, np.float64) for column in columns]
    kept = np.all([np.isfinite(array) for array in arrays], axis=0)
    return [array[kept] for array in arrays]
