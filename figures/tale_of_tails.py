"""The figures of *A Tale of Tails* (arXiv 2402.07043) on learners with infinite memory: exact error as lines,
simulation as points, scaling laws dashed.

The curves of the paper are of items up to some largest rank; these are of all ranks and have no floor.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from freeridge.figures.record import Plan, record, simulation, theory
from freeridge.figures.style import MARKERS, legend, line_and_points, panels, plain_ticks, shades
from freeridge.solvers.field_places import locate, rebuilt
from freeridge.theory.tails.scaling_law import scaling_law
from freeridge.theory.tails.zipf_tail import ZipfTail

Grid = Mapping[str, Sequence[float] | np.ndarray]
SAMPLES, ERROR = "training samples $T$", "test error $E$"
GENERATIONS = range(6)
LEAST = 200.0  # samples in the figures of generations


def tail_cut(plan: Plan) -> xr.Dataset:
    """Data of Figure 3: a cut tail, generations, and a cut tail with some real data."""
    samples, points = np.geomspace(10.0, 1e6, 101).round(), _points(plan, 10.0, 1e6)
    cut, mixed = ZipfTail(1.5, 10.0, k=10), ZipfTail(2.0, 10.0, k=5, real_share=0.0)
    parts = {
        "cut": over(cut, {"k": [10.0, 100.0, 1000.0, 1e4], "T": samples}, points, plan),
        "chain": chain(None, samples[samples >= LEAST], points[points >= LEAST], plan),
        "mixed": over(mixed, {"real_share": [0.0, 1e-3, 1e-2, 1e-1, 1.0], "T": samples}, points, plan),
    }
    # The chain has a range of its own.
    parts["chain"] = [_renamed(part, "T", "chain_T") for part in parts["chain"]]
    inferred = "right panel: beta = 2, k = 5, from its last level and slope"
    return record(parts, {"cut": cut, "mixed": mixed}, plan, inferred=inferred)


def draw_tail_cut(data: xr.Dataset) -> Figure:
    """Three panels: cuts, generations, shares of real data."""
    figure, axes = panels(1, 3, width=3.4, height=3.1)
    for panel, part, name, x, label in (
        (axes[0, 0], "cut", "k", "T", "$k = {:g}$"),
        (axes[0, 1], "chain", "generation", "chain_T", "generation {:g}"),
        (axes[0, 2], "mixed", "real_share", "T", r"$\pi = {:g}$"),
    ):
        curves(panel, data, name, x, label, part=f"{part}_")
    axes[0, 0].set(xlim=(8, 1.2e5), ylim=(1e-2, 1.0))
    axes[0, 1].set(ylim=(5e-3, 1.0))
    axes[0, 2].set(ylim=(5e-4, 1.0))
    return finished(figure, axes)


def real_beside(plan: Plan) -> xr.Dataset:
    """Data of Figure 5: generated samples added to a fixed number of real ones."""
    setting = ZipfTail(1.5, 100.0, k=1000, real_samples=100)
    grid: Grid = {"real_samples": [100.0, 1000.0, 1e4], "T": np.geomspace(100.0, 1e6, 81)}
    return record({"": over(setting, grid, _points(plan, 100.0, 1e6), plan)}, {"setting": setting}, plan)


def draw_real_beside(data: xr.Dataset) -> Figure:
    """Error over generated samples, for three amounts of real ones."""
    return one_panel(
        data, "real_samples", "T", r"$T_{{\mathrm{{real}}}} = {:g}$", r"generated samples $T_{\mathrm{AI}}$"
    )


def over_cuts(plan: Plan) -> xr.Dataset:
    """Data of Figure 8: the cut as the horizontal axis."""
    setting = ZipfTail(1.5, 10.0, k=1)
    grid: Grid = {"T": 10.0 ** np.arange(1, 6), "k": np.unique(np.geomspace(1.0, 1e4, 81).round())}
    return record({"": over(setting, grid, _points(plan, 1.0, 1e4), plan)}, {"setting": setting}, plan)


def draw_over_cuts(data: xr.Dataset) -> Figure:
    """Error over the cut, for several numbers of samples."""
    return one_panel(data, "T", "k", "$T = {:g}$", "largest rank generated $k$")


def finite_generator(plan: Plan) -> xr.Dataset:
    """Data of Figure 9: a generator that has seen some samples alone."""
    setting = ZipfTail(1.5, 10.0, generator_samples=200)
    grid: Grid = {
        "generator_samples": [200.0, 400.0, 1000.0, 2000.0, 5000.0],
        "T": np.geomspace(10.0, 1e5, 81),
    }
    found = over(setting, grid, _points(plan, 10.0, 1e5), plan)
    return record({"": found}, {"setting": setting}, plan, chosen="beta = 3/2, not stated in the paper")


def draw_finite_generator(data: xr.Dataset) -> Figure:
    """Error over samples, for generators of different upbringing."""
    return one_panel(data, "generator_samples", "T", "$T_0 = {:g}$", SAMPLES)


def mixing(plan: Plan) -> xr.Dataset:
    """Data of Figure 10: shares of real data for several cuts."""
    setting = ZipfTail(2.0, 10.0, k=1, real_share=0.0)
    grid: Grid = {
        "real_share": [0.0, 1e-3, 1e-1],
        "k": [1.0, 10.0, 100.0, 1000.0],
        "T": np.geomspace(10.0, 1e6, 81),
    }
    return record({"": over(setting, grid, _points(plan, 10.0, 1e6), plan)}, {"setting": setting}, plan)


def draw_mixing(data: xr.Dataset) -> Figure:
    """One panel per share of real data, one curve per cut."""
    figure, axes = panels(1, 3, width=3.2, height=3.1, sharey=True)
    for index, panel in enumerate(axes.flat):
        here = data.isel(real_share=index)
        curves(panel, here, "k", "T", "$k = {:g}$")
        panel.set_title(rf"$\pi = {float(here.real_share):g}$")
        panel.set_ylim(5e-4, 1.0)
    return finished(figure, axes)


def regenerated(plan: Plan) -> xr.Dataset:
    """Data of Figure 13: generations of 100,000 samples each."""
    samples, points = np.geomspace(1e3, 1e6, 61), _points(plan, 1e3, 1e6)
    return record({"": chain(1e5, samples, points, plan)}, {"clean": ZipfTail(1.5, 1e3)}, plan, pool=1e5)


def draw_regenerated(data: xr.Dataset) -> Figure:
    """Error over samples of the last generation."""
    return one_panel(data, "generation", "T", "generation {:g}", SAMPLES)


AMOUNTS = {
    "real": r"$T$ real",
    "beside_generated": r"$T$ real, $10^4$ generated",
    "generated": r"$T$ generated",
    "beside_real": r"$T$ generated, $10^4$ real",
}


def amounts(plan: Plan) -> xr.Dataset:
    """Data of Figure 20: real samples, generated ones, and either beside 10,000 of the other."""
    settings = {
        "real": (ZipfTail(2.0, 10.0), "T"),
        "beside_generated": (ZipfTail(2.0, 1e4, k=10, real_samples=10.0), "real_samples"),
        "generated": (ZipfTail(2.0, 10.0, k=10), "T"),
        "beside_real": (ZipfTail(2.0, 10.0, k=10, real_samples=1e4), "T"),
    }
    samples, points = np.geomspace(10.0, 1e6, 81), _points(plan, 10.0, 1e6)
    parts = {
        part: [_renamed(found, axis, "T") for found in over(setting, {axis: samples}, points, plan)]
        for part, (setting, axis) in settings.items()
    }
    return record(parts, {part: setting for part, (setting, _) in settings.items()}, plan)


def draw_amounts(data: xr.Dataset) -> Figure:
    """The four curves."""
    figure, axes = panels(1, 1, width=4.6, height=3.6)
    for index, ((part, label), color) in enumerate(zip(AMOUNTS.items(), shades(4), strict=True)):
        curve(axes[0, 0], data, "T", label, part=f"{part}_", color=color, marker=MARKERS[index])
    return finished(figure, axes, "samples $T$")


def over(setting: ZipfTail, grid: Grid, points: np.ndarray, plan: Plan) -> list[xr.Dataset]:
    """Theory and law on a grid, simulation at some points of its last axis; ten runs, as in the paper."""
    simulated = {**grid, list(grid)[-1]: points}
    return [theory(setting, grid), _laws(setting, grid), simulation(setting, simulated, plan, _runs(plan))]


def chain(pool: float | None, samples: np.ndarray, points: np.ndarray, plan: Plan) -> list[xr.Dataset]:
    """The same over the generations, each of T_0 samples; None is as many as the last one has, T."""

    def setting(number: int, T: float) -> ZipfTail:
        if number == 0:
            return ZipfTail(1.5, T)
        return ZipfTail(1.5, T, generator_samples=T if pool is None else pool, generations=number)

    lines: dict[str, list[list[Any]]] = {"risk": [], "code": [], "law": []}
    measured: dict[str, list[list[Any]]] = {"risk_simulated": [], "risk_standard_error": []}
    for number in GENERATIONS:
        plan.report(number, len(GENERATIONS))
        settings = [setting(number, T) for T in samples]
        found = [one.predict() for one in settings]
        lines["risk"].append([float(one.risk) for one in found])
        lines["code"].append([int(one.code) for one in found])
        lines["law"].append([scaling_law(one)(float(one.T)) for one in settings])
        runs = [
            setting(number, T).simulate((plan.seed, number, i), _runs(plan)) for i, T in enumerate(points)
        ]
        measured["risk_simulated"].append([one.risk for one in runs])
        measured["risk_standard_error"].append([one.standard_error["risk"] for one in runs])
    return [
        xr.Dataset(
            {name: (["generation", axis], np.array(values)) for name, values in columns.items()},
            coords={"generation": list(GENERATIONS), axis: where},
        )
        for columns, axis, where in ((lines, "T", samples), (measured, "T_simulated", points))
    ]


def curves(panel: Axes, data: xr.Dataset, name: str, x: str, label: str, part: str = "") -> None:
    """One curve per value of a coordinate, and what they are, in the panel."""
    values = data[name].values
    for index, (value, color) in enumerate(zip(values, shades(len(values)), strict=True)):
        here = data.isel({name: index})
        curve(panel, here, x, label.format(value), part=part, color=color, marker=MARKERS[index])


def curve(panel: Axes, data: xr.Dataset, x: str, label: str, *, part: str, color: Any, marker: str) -> None:
    """Exact error, simulation and scaling law."""
    names = [f"{part}risk_simulated", f"{part}risk_standard_error"]
    points = (data[f"{x}_simulated"], data[names[0]], data[names[1]])
    line_and_points(panel, (data[x], data[f"{part}risk"]), points, color=color, marker=marker)
    panel.plot(data[x], data[f"{part}law"], "--", color=color, linewidth=0.9, alpha=0.8, zorder=1)
    panel.plot([], [], marker=marker, color=color, markersize=4.2, label=label)
    panel.set(xscale="log", yscale="log")


def one_panel(data: xr.Dataset, name: str, x: str, label: str, axis: str) -> Figure:
    """A figure of one family of curves."""
    figure, axes = panels(1, 1, width=4.6, height=3.6)
    curves(axes[0, 0], data, name, x, label)
    return finished(figure, axes, axis)


def finished(figure: Figure, axes: np.ndarray, axis: str = SAMPLES) -> Figure:
    """Labels of the axes, legends in the panels, and what kinds of lines there are."""
    for panel in axes.flat:
        panel.set_xlabel(axis)
        low, high = panel.get_ylim()
        if high < 100.0 * low:
            plain_ticks(panel.yaxis)
        panel.legend(fontsize=7.0, loc="lower left", handlelength=1.6)
    axes[0, 0].set_ylabel(ERROR)
    law = ("scaling law", Line2D([], [], color="0.35", linestyle="--", linewidth=0.9))
    legend(figure, [], [], extra=[law])
    return figure


def _laws(setting: ZipfTail, grid: Grid) -> xr.Dataset:
    values = [np.asarray(axis, np.float64) for axis in grid.values()]
    shape = tuple(len(axis) for axis in values)
    law = np.empty(shape)
    for place in np.ndindex(*shape):
        here = {name: axis[i] for name, axis, i in zip(grid, values, place, strict=True)}
        changes = {locate((setting,), name, value).place: value for name, value in here.items()}
        (there,) = rebuilt((setting,), changes)
        law[place] = scaling_law(there)(float(there.T))
    return xr.Dataset({"law": (list(grid), law)}, coords=dict(zip(grid, values, strict=True)))


def _renamed(part: xr.Dataset, old: str, new: str) -> xr.Dataset:
    names = {old: new, f"{old}_simulated": f"{new}_simulated"}
    return part.rename({one: other for one, other in names.items() if one in part.dims and one != other})


def _points(plan: Plan, first: float, last: float) -> np.ndarray:
    """Half a decade apart, or a quarter."""
    return np.unique(np.geomspace(first, last, 1 + round(np.log10(last / first)) * plan.choose(2, 4)).round())


def _runs(plan: Plan) -> int:
    return plan.choose(10, 40)
