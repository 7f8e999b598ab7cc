"""The screen as a picture: for the page, and as PNG or SVG."""

import io
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from freeridge.explorer.screen import Curve, Screen
from freeridge.explorer.state import AUTOMATIC, LOGARITHMIC

# Okabe and Ito, as in the figures: told apart by every common kind of colour vision.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "triangle-down", "hexagon", "x")
_LINES = {
    "solid": "-",
    "dash": "--",
    "dot": ":",
    "dashdot": "-.",
    "longdash": (0, (8, 3)),
    "longdashdot": (0, (8, 3, 1, 3)),
}
_MARKERS = dict(zip(_SYMBOLS, "osD^vhX", strict=True))
_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', Arial, sans-serif"


class _Line(NamedTuple):
    curve: Curve
    name: str
    label: str
    colour: str
    dash: str
    symbol: str


def figure(screen: Screen) -> dict[str, Any]:
    """The figure of the page."""
    decades_x, decades_y = screen.logarithmic
    knobs = [name for name in (screen.state.x, screen.state.y) if name]
    layout: dict[str, Any] = {
        "font": {"family": _FONT, "size": 14, "color": "#1a1a1a"},
        "margin": {"l": 70, "r": 20, "t": 20, "b": 60},
        "plot_bgcolor": "white",
        "paper_bgcolor": "white",
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        "hovermode": "x unified" if not screen.state.y else "closest",
        "uirevision": screen.state.description.setting + "|".join(knobs),
        "xaxis": _axis(knobs[0], decades_x),
    }
    if screen.state.y:
        logarithmic = _is_logarithmic(screen.state.scale, screen.z)
        with np.errstate(divide="ignore", invalid="ignore"):
            shade = np.log10(screen.z) if logarithmic else screen.z
        title = f"log10 {screen.shown[0]}" if logarithmic else screen.shown[0]
        heat = {
            "type": "heatmap", "x": screen.x, "y": screen.y, "z": _finite(shade), "customdata": screen.z,
            "colorscale": "Cividis", "colorbar": {"title": {"text": title, "side": "right"}},
            "hovertemplate": f"{knobs[0]} %{{x:.4g}}<br>{knobs[1]} %{{y:.4g}}<br>"
            f"{screen.shown[0]} %{{customdata:.6g}}<extra></extra>",
        }  # fmt: skip
        return {"data": [heat], "layout": {**layout, "yaxis": _axis(knobs[1], decades_y)}}
    data: list[dict[str, Any]] = []
    for line in _lines(screen):
        style = {"color": line.colour, "dash": line.dash, "width": 2.5}
        values = _finite(line.curve.values[line.name])
        data.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": line.label,
                "x": line.curve.x,
                "y": values,
                "line": style,
            }
        )
        points = line.curve.simulated
        if points is not None and line.name in points.mean:
            data.append({
                "type": "scatter", "mode": "markers", "name": f"{line.label}, simulated", "x": list(points.x),
                "y": list(points.mean[line.name]),
                "error_y": {"type": "data", "array": list(points.error[line.name]), "thickness": 1.5},
                "marker": {
                    "color": line.colour, "symbol": line.symbol, "size": 8,
                    "line": {"color": "white", "width": 1},
                },
            })  # fmt: skip
    title = screen.shown[0] if len(screen.shown) == 1 else "value"
    logarithmic = _is_logarithmic(
        screen.state.scale, *(line.curve.values[line.name] for line in _lines(screen))
    )
    return {"data": data, "layout": {**layout, "showlegend": True, "yaxis": _axis(title, logarithmic)}}


def image(screen: Screen, kind: str) -> bytes:
    """The same as a file, in the style of the figures of papers.

    Parameters
    ----------
    screen : Screen
    kind : {"png", "svg"}
    """
    from freeridge.figures.style import look, panels

    with look():
        picture, axes = panels(1, 1, width=5.6, height=3.9)
        panel, state = axes[0, 0], screen.state
        decades_x, decades_y = screen.logarithmic
        panel.set(xlabel=state.x, xscale="log" if decades_x else "linear")
        if state.y:
            logarithmic = _is_logarithmic(state.scale, screen.z)
            norm = "log" if logarithmic else "linear"
            mesh = panel.pcolormesh(
                screen.x, screen.y, _masked(screen.z), cmap="cividis", norm=norm, rasterized=True
            )
            panel.set(ylabel=state.y, yscale="log" if decades_y else "linear")
            picture.colorbar(mesh, label=screen.shown[0])
        else:
            for line in _lines(screen):
                values = _masked(line.curve.values[line.name])
                panel.plot(
                    line.curve.x, values, color=line.colour, linestyle=_LINES[line.dash], label=line.label
                )
                points = line.curve.simulated
                if points is not None and line.name in points.mean:
                    panel.errorbar(
                        points.x, points.mean[line.name], points.error[line.name], fmt=_MARKERS[line.symbol],
                        color=line.colour, markersize=4, capsize=2, markeredgecolor="white",
                    )  # fmt: skip
            drawn = [line.curve.values[line.name] for line in _lines(screen)]
            panel.set(
                ylabel=screen.shown[0] if len(screen.shown) == 1 else "value",
                yscale="log" if _is_logarithmic(state.scale, *drawn) else "linear",
            )
            picture.legend(loc="outside lower center", ncols=2)
        panel.set_title(state.description.setting, loc="left")
        written = io.BytesIO()
        picture.savefig(written, format=kind)
    return written.getvalue()


def _lines(screen: Screen) -> Iterator[_Line]:
    """Colours tell curves apart, dashes quantities."""
    for number, curve in enumerate(screen.curves):
        for place, name in enumerate(screen.shown):
            if name in curve.values:
                label = name if len(screen.curves) == 1 else f"{name}, {curve.label}"
                colour, symbol = (kinds[number % len(kinds)] for kinds in (_COLOURS, _SYMBOLS))
                yield _Line(curve, name, label, colour, _DASHES[place % len(_DASHES)], symbol)


def _axis(title: str, logarithmic: bool) -> dict[str, Any]:
    return {
        "title": {"text": title, "standoff": 12}, "automargin": True,
        "type": "log" if logarithmic else "linear", "gridcolor": "#e6e6e6",
        "zeroline": False, "linecolor": "#666", "ticks": "outside", "exponentformat": "power",
    }  # fmt: skip


def _is_logarithmic(scale: str, *parts: np.ndarray) -> bool:
    values = np.concatenate([np.ravel(part) for part in parts]) if parts else np.empty(0)
    finite = values[np.isfinite(values)]
    if scale == AUTOMATIC:
        return bool(finite.size and finite.min() > 0 and finite.max() > 50 * finite.min())
    return scale == LOGARITHMIC


def _finite(values: np.ndarray) -> list[Any]:
    """Lists with gaps where there is no number: JSON has neither NaN nor infinity."""
    return np.where(np.isfinite(values), values, None).tolist()  # type: ignore[call-overload]


def _masked(values: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(values), values, np.nan)
