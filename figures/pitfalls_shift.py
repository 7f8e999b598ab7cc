"""How close the estimated shift comes to a perfect held-out signal: over noise, rows and temperature.
Not in the paper, which has no such theory.
"""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from freeridge.figures.record import Plan, record, simulation, theory
from freeridge.figures.style import categories, legend, line_and_points, panels, plain_ticks
from freeridge.theory.memorization.experiments.published_twins import published_twins
from freeridge.theory.memorization.spurious_logistic import SpuriousLogistic
from freeridge.theory.memorization.twins.twin_logistic import TwinLogistic

USUAL: dict[str, Any] = {"phi": 1.8, "penalty": 0.01, "majority": 0.9, "spurious_scale": 5.0, "noise": 0.5}
TEMPERATURE = 0.1
# Field, range of the curve, points.
PANELS: dict[str, tuple[tuple[float, float], list[float], list[float]]] = {
    "noise": ((0.25, 1.6), [0.35, 0.5, 0.7, 1.0, 1.4], [0.3, 0.35, 0.42, 0.5, 0.6, 0.7, 0.85, 1.0, 1.2, 1.4]),
    "phi": ((0.4, 5.0), [0.5, 1.0, 1.8, 4.0], [0.5, 0.7, 1.0, 1.35, 1.8, 2.5, 4.0]),
    "temperature": ((0.01, 10.0), [0.03, 0.3, 1.0, 3.0], [0.01, 0.03, 0.1, 0.3, 0.6, 1.0, 1.8, 3.0, 6.0]),
}
_ASIDE = {"noise": 1.04, "phi": 1.05, "temperature": 1.15}  # of the points that are drawn beside others
_LABELS = {
    "noise": r"noise level $\sigma$",
    "phi": "rows per noise coordinate $n / d$",
    "temperature": r"temperature $\tau$",
}


def shift(plan: Plan) -> xr.Dataset:
    """Limits of ERM, of a perfect signal and of twins; simulated twins, and twins as published."""
    twins = TwinLogistic(**USUAL, temperature=TEMPERATURE, n=plan.choose(500, 1000))
    plain = {"erm": SpuriousLogistic(**USUAL), "perfect": twins.perfect_signal()}
    parts: dict[str, list[xr.Dataset]] = {}
    for place, (field, (ends, few, many)) in enumerate(PANELS.items()):
        axis = {field: np.geomspace(*ends, plan.choose(25, 60))}
        points = {field: plan.choose(few, many)}
        parts[f"{field}_twins"] = [
            theory(twins, axis)[["worst_group_error", "code", "residual"]],
            simulation(twins, points, plan, plan.choose(6, 20), place)[
                ["worst_group_error_simulated", "worst_group_error_standard_error"]
            ],
        ]
        parts[f"{field}_published"] = [_published(twins, field, points[field], plan, place)]
        for name, setting in plain.items():
            here = setting if field == "temperature" else theory(setting, axis)
            if isinstance(here, SpuriousLogistic):  # no temperature: one number
                worst = np.full(len(axis[field]), float(setting.predict().worst_group_error))
                here = xr.Dataset({"worst_group_error": (field, worst)}, coords=axis)
            parts[f"{field}_{name}"] = [here[["worst_group_error"]]]
    return record(parts, {"twins": twins}, plan, chosen=["penalty", "temperature of panels a and b"])


def _published(setting: TwinLogistic, field: str, values: list[float], plan: Plan, stream: int) -> xr.Dataset:
    fields = {name: getattr(setting, name) for name in setting.__dataclass_fields__}
    found = [
        published_twins(
            TwinLogistic(**fields | {field: value}), (plan.seed, stream, place), plan.choose(6, 20)
        )
        for place, value in enumerate(values)
    ]
    columns = {
        "worst_group_error_simulated": [float(one.mean["worst_group_error"]) for one in found],
        "worst_group_error_standard_error": [float(one.standard_error["worst_group_error"]) for one in found],
    }
    at = f"{field}_simulated"
    return xr.Dataset({name: (at, column) for name, column in columns.items()}, coords={at: values})


def draw_shift(data: xr.Dataset) -> Figure:
    """One panel per field."""
    figure, axes = panels(1, len(PANELS), width=3.3, height=3.0, sharey=True)
    for panel, field in zip(axes.flat, PANELS, strict=True):
        _draw(panel, data, field)
    axes[0, 0].set_ylabel("error of the worst group")
    colors = categories(4)
    published = Line2D([], [], color=colors[3], marker="D", linestyle="none", markersize=5)
    legend(
        figure,
        ["ERM", "perfect signal", "twins"],
        colors[:3],
        ["", "", "o"],
        lines=["-", "--", "-"],
        extra=[("twins as published, with flips", published)],
    )
    return figure


def _draw(panel: Axes, data: xr.Dataset, field: str) -> None:
    x, points = _place(data[field], field), _place(data[f"{field}_simulated"], field)
    names = ("erm", "perfect", "twins")
    for name, color, line in zip(names, categories(3), ("-", "--", "-"), strict=True):
        panel.plot(x, data[f"{field}_{name}_worst_group_error"], line, color=color, zorder=2)
    for name, color, marker in (("twins", 2, "o"), ("published", 3, "D")):
        mean, error = (
            data[f"{field}_{name}_worst_group_error_{part}"] for part in ("simulated", "standard_error")
        )
        # Side by side where they agree.
        at = points * (1.0 if name == "twins" else _ASIDE[field])
        line_and_points(panel, ([], []), (at, mean, error), color=categories(4)[color], marker=marker)
    panel.set(xscale="log", xlabel=_LABELS[field], ylim=(-0.03, 1.0))
    plain_ticks(panel.xaxis, (1.0,) if field == "temperature" else (1.0, 2.0, 5.0))


def _place(values: xr.DataArray, field: str) -> np.ndarray:
    """On the horizontal axis: of the aspect ratio its inverse."""
    return 1.0 / values.values if field == "phi" else values.values
