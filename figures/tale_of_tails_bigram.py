"""Generations of Hutter++, Figures 6, 11 to 16 and 19 of A Tale of Tails (arXiv 2402.07043)."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from freeridge.figures.record import Plan, record, simulation, theory
from freeridge.figures.style import MARKERS, legend, line_and_points, panels, plain_ticks, shades
from freeridge.theory.tails.bigrams.bigram_tail import BigramTail
from freeridge.theory.tails.bigrams.generations import BigramGenerations

BETA = 1.5
T_0 = 100_000
SAMPLES, ERROR = "training pairs $T$", "test error $E$"
# Figure -> first and last T, last generation, and what generates.
CHAINS: Mapping[int, tuple[float, float, int, Mapping[str, float]]] = {
    6: (1e3, 1e6, 4, {"generator_samples": T_0, "strongest": 1_000_000, "top_p": 0.95}),
    12: (1e2, 1e6, 9, {}),
    14: (1e3, 1e6, 4, {"generator_samples": T_0}),
    15: (1e3, 1e6, 4, {"generator_samples": T_0, "top_p": 0.9}),
    16: (1e3, 1e6, 4, {"generator_samples": T_0, "temperature": 0.9}),
}
CUT_BETA, CUTS = 1.4, (20, 30, 50, 100, 200)
POOLS = (10_000, 1_000, 100)  # of Figure 19, lines 1 to 3


def whole_sizes(first: float, last: float, count: int) -> np.ndarray:
    """Whole numbers, about evenly spaced on a logarithmic axis."""
    return np.unique(np.round(np.geomspace(first, last, count)))


def tail_cut(plan: Plan) -> xr.Dataset:
    """Data of Figure 11: the exact error with next tokens cut at k, what it tends to, and without a cut."""
    setting, clean = BigramTail(CUT_BETA, 1, k=1), BigramTail(CUT_BETA, 1)
    cuts = [float(k) for k in CUTS]
    lines, points = whole_sizes(1e2, 1e5, 31), whole_sizes(1e2, 1e5, plan.choose(5, 10))
    law = clean.law()
    plateaus = [BigramTail(CUT_BETA, 1, k).law().plateau for k in CUTS]
    laws = xr.Dataset({"plateau": ("k", plateaus), "law": ("T", law(lines))}, coords={"k": cuts, "T": lines})
    found = [
        theory(setting, {"k": cuts, "T": lines}),
        simulation(setting, {"k": cuts, "T": points}, plan, plan.choose(5, 10)),
        laws,
    ]
    return record(
        {"": found, "clean": [theory(clean, {"T": lines})]},
        {"setting": setting, "clean": clean},
        plan,
        printed=["beta = 7/5", "k = 20, 30, 50, 100, 200"],
    )


def draw_tail_cut(data: xr.Dataset) -> Figure:
    """Figure 11: one colour per cut; dashed the law without a cut, dotted what is left for T without end."""
    figure, axes = panels(1, 1, width=6.4, height=4.2)
    panel, colors = axes[0, 0], shades(len(CUTS))
    for index, color in enumerate(colors):
        here = data.isel(k=index)
        panel.axhline(float(here.plateau), color=color, linestyle=":", linewidth=1.0, zorder=1)
        points = (here.T_simulated, here.risk_simulated, here.risk_standard_error)
        line_and_points(panel, (here["T"], here.risk), points, color=color, marker=MARKERS[index])
    panel.plot(data["T"], data.clean_risk, color="black", zorder=2)
    panel.plot(data["T"], data.law, color="0.5", linestyle="--", zorder=3)
    _label(panel)
    extra = [
        ("no cut", Line2D([], [], color="black")),
        ("its law", Line2D([], [], color="0.5", linestyle="--")),
        ("plateau", Line2D([], [], color="0.35", linestyle=":")),
    ]
    legend(figure, [f"$k = {k}$" for k in CUTS], colors, extra=extra)
    return figure


def chain(number: int, plan: Plan) -> xr.Dataset:
    """Data of Figure 6, 12, 14, 15 or 16: simulated generations, and the exact error of generation 0."""
    first, last, generations, generator = CHAINS[number]
    sizes = whole_sizes(first, last, plan.choose(7, 13))
    setting = BigramGenerations(BETA, sizes, generations, **generator)
    clean = BigramTail(BETA, 1)
    found = [theory(clean, {"T": whole_sizes(first, last, 25)}), _simulated(setting, plan, number)]
    return record({"": found}, {"setting": setting, "clean": clean}, plan, printed=["beta = 3/2"])


def draw_chain(data: xr.Dataset) -> Figure:
    """One colour per generation; dotted lines guide the eye from point to point."""
    shown = [g for g in data.generation.values.tolist() if g < 5 or g == int(data.generation[-1])]
    figure, axes = panels(1, 1, width=6.4, height=4.2)
    colors = shades(len(shown))
    _generations(axes[0, 0], data, shown, colors)
    lines = ["-", *[":"] * (len(shown) - 1)]
    legend(figure, [f"generation {g}" for g in shown], colors, lines=lines)
    return figure


def half_real(plan: Plan) -> xr.Dataset:
    """Data of Figure 19: pairs half real, half from a generator of few pairs; all real, exactly."""
    sizes, clean = whole_sizes(1e2, 1e6, plan.choose(7, 13)), BigramTail(BETA, 1)
    parts: dict[str, Sequence[xr.Dataset]] = {"": [theory(clean, {"T": whole_sizes(1e2, 1e6, 25)})]}
    settings: dict[str, Any] = {"clean": clean}
    for line, pool in enumerate(POOLS, start=1):
        settings[f"line_{line}"] = setting = BigramGenerations(
            BETA, sizes, 1, generator_samples=pool, real_share=0.5
        )
        parts[f"line_{line}"] = [_simulated(setting, plan, 190 + line)]
    return record(parts, settings, plan, printed=["beta = 3/2", "T_0 = 10000, 1000, 100", "half real"])


def draw_half_real(data: xr.Dataset) -> Figure:
    """Figure 19: one colour per generator."""
    figure, axes = panels(1, 1, width=6.4, height=4.2)
    colors = shades(len(POOLS) + 1)
    panel, last = axes[0, 0], data.isel(generation=1)
    points = (data.T_simulated, *(data.line_1_risk_simulated, data.line_1_risk_standard_error))
    clean = [part if part.ndim == 1 else part.isel(generation=0) for part in points]
    line_and_points(panel, (data["T"], data.risk), tuple(clean), color=colors[0])
    for line in range(1, len(POOLS) + 1):
        mean, error = (last[f"line_{line}_risk_{name}"] for name in ("simulated", "standard_error"))
        curve = (last.T_simulated, mean)
        line_and_points(panel, curve, (*curve, error), color=colors[line], marker=MARKERS[line], line=":")
    _label(panel)
    labels = ["all real", *(f"half real, $T_0 = {pool}$" for pool in POOLS)]
    legend(figure, labels, colors, lines=["-", *[":"] * len(POOLS)])
    return figure


def _simulated(setting: BigramGenerations, plan: Plan, stream: int) -> xr.Dataset:
    """All generations at all sizes of the setting."""
    found = setting.simulate((plan.seed, stream), plan.choose(5, 10))
    plan.report(1, 1)
    dims = ["generation", "T_simulated"]
    return xr.Dataset(
        {
            "risk_simulated": (dims, found.risk),
            "risk_standard_error": (dims, found.standard_error["risk"]),
        },
        coords={"generation": np.arange(setting.generations + 1), "T_simulated": np.asarray(setting.T)},
    )


def _generations(panel: Any, data: xr.Dataset, shown: Sequence[int], colors: Sequence[Any]) -> None:
    for index, (generation, color) in enumerate(zip(shown, colors, strict=True)):
        here = data.sel(generation=generation)
        points = (here.T_simulated, here.risk_simulated, here.risk_standard_error)
        clean = generation == 0
        curve = (data["T"], data.risk) if clean else points[:2]
        line = "-" if clean else ":"
        line_and_points(panel, curve, points, color=color, marker=MARKERS[index], line=line)
    _label(panel)


def _label(panel: Any) -> None:
    panel.set(xscale="log", yscale="log", xlabel=SAMPLES, ylabel=ERROR)
    plain_ticks(panel.yaxis, (1.0, 2.0, 3.0, 4.0, 6.0, 8.0))


# One function for each figure of the catalogue.
top_p_from_the_strongest = partial(chain, 6)
many_generations = partial(chain, 12)
resampled = partial(chain, 14)
top_p = partial(chain, 15)
temperature = partial(chain, 16)
