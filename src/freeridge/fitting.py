"""What the command line answers about a measured loss curve: as a record, as text and as a picture."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from freeridge.figures.style import CATEGORIES, look, panels, shades
from freeridge.theory.tails.curves.comparison import CurveComparison, fit_curve
from freeridge.theory.tails.curves.curve_fit import CurveFit
from freeridge.theory.tails.curves.loss_curve import LossCurve, read_curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_AHEAD = 30.0  # times the last T: as far as the picture follows a plateau that is still to come


def fit_file(
    path: Path, law: str | None = None, confidence: float = 0.95, generations: int | None = None
) -> CurveComparison | CurveFit:
    """Fit the curve in a CSV file: one law, or all of them compared."""
    return fit_curve(**read_curve(path), law=law, confidence=confidence, generations=generations)


def answer(path: Path, found: CurveComparison | CurveFit) -> tuple[dict[str, Any], str]:
    """The fit as a record and as text."""
    return {"file": str(path), "result": found.to_dict()}, str(found)


def draw(found: CurveComparison | CurveFit, path: Path) -> None:
    """The measurements, the best law with the others behind it, and the plateau with its crossovers.

    Measurements of several sizes d, k have a curve each, of the best law alone if it is the triplet law.
    """
    fits = list(found.fits.values()) if isinstance(found, CurveComparison) else [found]
    best = fits[0]
    with look():
        figure, axes = panels(1, 1, width=7.0, height=4.2)
        panel = axes[0, 0]
        if best.law.name == "triplet":
            _draw_sizes(panel, best)
        else:
            _draw_laws(panel, fits)
        _draw_plateau(panel, best)
        panel.set(xscale="log", yscale="log", xlabel="samples T", ylabel="error E")
        panel.set_title(f"{best.law.name}: $E = {best.law.equation}$", loc="left")
        figure.legend(loc="outside right upper")
        figure.savefig(path, format=path.suffix[1:])


def _draw_laws(panel: "Axes", fits: list[CurveFit]) -> None:
    best, T = fits[0], _grid(fits[0])
    for fit, color in zip(fits, CATEGORIES, strict=False):
        style: dict[str, Any] = (
            {"linewidth": 2.0, "zorder": 3} if fit is best else {"linewidth": 1.2, "alpha": 0.45}
        )
        panel.plot(T, fit.predict(T), color=color, label=fit.law.name, **style)
    _draw_points(panel, best.curve, slice(None), "black", "measured")


def _draw_sizes(panel: "Axes", fit: CurveFit) -> None:
    T = _grid(fit)
    groups = list(_groups(fit.curve))
    for (sizes, rows), color in zip(groups, shades(len(groups)), strict=True):
        panel.plot(T, fit.predict(T, **sizes), color=color)
        label = ", ".join(f"{name} = {value:g}" for name, value in sizes.items())
        _draw_points(panel, fit.curve, rows, color, label)


def _groups(curve: LossCurve) -> Iterator[tuple[dict[str, float], np.ndarray]]:
    """Each combination of sizes, with the rows that have it."""
    sizes = {name: column for name, column in curve.columns.items() if name != "T"}
    table = np.column_stack(list(sizes.values()))
    for values in np.unique(table, axis=0):
        yield dict(zip(sizes, values.tolist(), strict=True)), np.all(table == values, axis=1)


def _draw_points(panel: "Axes", curve: LossCurve, rows: Any, color: Any, label: str) -> None:
    error = None if curve.standard_error is None else curve.standard_error[rows]
    panel.errorbar(
        curve.T[rows], curve.E[rows], error, fmt="o", color=color, markersize=3.5, zorder=4, label=label
    )


def _draw_plateau(panel: "Axes", fit: CurveFit) -> None:
    plateau, (low, high) = fit.plateau, _range(fit)
    if plateau is None:
        return
    panel.axhline(plateau.level.value, color="0.3", linestyle=":", linewidth=1.2, label="level")
    for name, crossover, line in (("begin", plateau.begin, "--"), ("end", plateau.end, "-.")):
        if crossover is None or not low < crossover.value < high:
            continue
        panel.axvline(crossover.value, color="0.3", linestyle=line, linewidth=1.0, label=name)
        panel.axvspan(max(crossover.low, low), min(crossover.high, high), color="0.85", alpha=0.5, zorder=0)


def _grid(fit: CurveFit) -> np.ndarray:
    return np.geomspace(*_range(fit), 400)


def _range(fit: CurveFit) -> tuple[float, float]:
    """Samples to draw: those measured, and crossovers not too far ahead."""
    T, plateau = fit.curve.T, fit.plateau
    farthest = float(T.max())
    for crossover in (plateau.begin, plateau.end) if plateau else ():
        if crossover is not None and crossover.value < _AHEAD * T.max():
            farthest = max(farthest, 3 * crossover.value)
    return float(T.min()), farthest
