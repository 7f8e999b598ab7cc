"""Colored Digits: predicted errors of real models on real data (stands for Figure 3 of arXiv 2410.17263).

The paper trains networks on Colored MNIST; here ridge regression on random projections is trained on the
digits of scikit-learn, in the same two colours, for which there is a prediction.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from freeridge.figures.record import Plan, record, theory
from freeridge.figures.style import MARKERS, categories, legend, line_and_points, panels
from freeridge.theory.bias import BiasAmplification
from freeridge.theory.colored_digits import colored_digits
from freeridge.theory.grouped_data import GroupedData
from freeridge.theory.real_features import groups_from_data
from freeridge.theory.real_training import measure_group_risks

ROWS, RIDGE = 400, 1e-3
# what is measured, in one name for both kinds of models, and where the prediction has it
ERRORS = {"group_errors": "group_risks", "own_errors": "own_risks"}
GAPS = {"error_gap": "group_errors", "own_error_gap": "own_errors"}


def colored(plan: Plan) -> xr.Dataset:
    """Data over the number of features: errors on each group of the joint and of its own model, and gaps."""
    data = colored_digits(plan.seed, minority=0.2, pixel_noise=0.1, shifts=8)
    quick, paper = [16, 32, 64, 128, 320], [16, 24, 32, 48, 64, 96, 128, 192, 256, 320, 512, 800]
    points, rows = _measured(data, plan.choose(quick, paper), plan)
    populations = [
        replace(population, share=count / ROWS)
        for population, count in zip(groups_from_data(*data), rows, strict=True)
    ]
    setting = BiasAmplification(populations, ROWS, RIDGE, features=128.0)
    curves = theory(setting, {"features": np.geomspace(12.0, 1000.0, plan.choose(16, 48))})
    noise = xr.DataArray([float(population.noise_variance) for population in populations], dims="group")
    lines = curves[["residual", "code", *ERRORS.values()]].rename(index_0="group")
    for name, risk in ERRORS.items():
        lines[name] = lines[risk] + noise
    for name, errors in GAPS.items():
        lines[name] = lines[errors].diff("group").squeeze("group", drop=True)
    return record(
        {"": [lines.drop_vars(list(ERRORS.values())), points]},
        {},
        plan,
        chosen=[
            "8 x 8 digits of scikit-learn and 8 copies of each, moved by one pixel; pixel noise 0.1",
            "label 1 for 5 to 9, else -1; its colour agrees with it in 80 % of the images",
            f"n = {ROWS}, ridge = {RIDGE:g}",
        ],
        rows_of_groups=rows,
    )


def _measured(data: GroupedData, widths: list[int], plan: Plan) -> tuple[xr.Dataset, list[int]]:
    """Errors of models really trained, and how many rows each group gave."""
    found: list[xr.Dataset] = []
    for place, width in enumerate(widths):
        plan.report(place, len(widths))
        key = (plan.seed, place)
        estimate = measure_group_risks(*data, ROWS, RIDGE, width, plan.choose(20, 60), key)
        columns = {
            f"{name}_{ending}": (("group",) if np.ndim(part[name]) else (), part[name])
            for ending, part in (("simulated", estimate.mean), ("standard_error", estimate.standard_error))
            for name in part
        }
        found.append(xr.Dataset(columns, coords={"features_simulated": width}))
    rows = [count for name, count in estimate.sizes.items() if name.startswith("n of group")]
    return xr.concat(found, dim="features_simulated"), rows


LABELS = ("joint model (in c: ODD)", "own model of the group (in c: EDD)")


def draw_colored(data: xr.Dataset) -> Figure:
    """Errors of each group, and the two disparities, over the number of features."""
    figure, axes = panels(1, 3, width=3.4, height=3.2, sharex=True)
    colors = categories(2)
    for s, group in enumerate(("aligned", "conflicting")):
        for index, name in enumerate(ERRORS):
            _over_features(axes[0, s], data.isel(group=s), name, index)
        axes[0, s].set(title=f"{group} group", ylabel="mean squared error")
    for index, name in enumerate(GAPS):
        _over_features(axes[0, 2], abs(data), name, index)
    axes[0, 2].set(title="between the groups", ylabel="difference of errors")
    for panel in axes.flat:
        panel.set(xscale="log", yscale="log", xlabel="features $m$", ylim=(1e-2, 10.0))
        panel.axvline(ROWS, color="0.6", linewidth=0.8, linestyle=":", zorder=1)
    legend(figure, LABELS, colors, measured="trained on the digits")
    return figure


def _over_features(panel: Any, data: xr.Dataset, name: str, index: int) -> None:
    points = (data.features_simulated, data[f"{name}_simulated"], data[f"{name}_standard_error"])
    line_and_points(
        panel, (data.features, data[name]), points, color=categories(2)[index], marker=MARKERS[index]
    )
