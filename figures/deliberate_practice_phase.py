"""Which rule wins (arXiv 2502.15588, 2511.03492): phase diagrams of generator and oracle, and the best rule.

The lines are not read off the pixels: every vertex is a root.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from freeridge.figures.record import Plan, record
from freeridge.figures.style import categories, panels
from freeridge.theory.pruning.label_rules import KeepCorrect
from freeridge.theory.pruning.optimum import best_rule
from freeridge.theory.pruning.phases import curation_phases, phase_lines
from freeridge.theory.pruning.pruned_classifier import PrunedClassifier
from freeridge.theory.pruning.rules import KeepEasy, KeepHard, KeepRandom

SHARE = 0.3
PHIS = {"many": 0.02, "few": 2.0}
BLIND = {"all": KeepRandom(), "hard": KeepHard(SHARE), "easy": KeepEasy(SHARE)}
VERIFIED = {"correct": KeepCorrect(), "correct and hard": KeepCorrect(KeepHard(SHARE))}
KINDS = {"blind": list(BLIND), "verified": [*BLIND, *VERIFIED]}
LINE: dict[str, Any] = {"color": "black", "linewidth": 1.3}


def phase(plan: Plan) -> xr.Dataset:
    """Data of the phase diagrams: the best rule over (rho, rho_star), with many rows and with few."""
    side = np.linspace(0.5, 1.0, plan.choose(64, 256))
    coarse = np.linspace(0.5, 1.0, plan.choose(33, 81))
    settings = {name: PrunedClassifier(1.0, 1e-3, keep=rule) for name, rule in (BLIND | VERIFIED).items()}
    grid = {"phi": list(PHIS.values()), "rho": side, "rho_star": side}
    parts: dict[str, list[xr.Dataset]] = {}
    for kind in KINDS:
        here = {name: settings[name] for name in KINDS[kind]}
        found = curation_phases(here, grid)[["best", "gain"]].drop_attrs()
        parts[kind] = [found]
        for amount, phi in PHIS.items():
            at = {name: replace(setting, phi=phi) for name, setting in here.items()}
            lines = phase_lines(at, {"rho": coarse, "rho_star": coarse})
            points = np.concatenate([np.empty((0, 2)), *(line.boundary.points for line in lines)])
            number = np.repeat(np.arange(len(lines)), [len(line.boundary.points) for line in lines])
            part = f"{kind}_{amount}"
            columns = {"line_rho": points[:, 0], "line_rho_star": points[:, 1], "line": number}
            parts[part] = [xr.Dataset({name: (f"vertex_{part}", column) for name, column in columns.items()})]
    chosen = [f"share of hard and of easy rows {SHARE:g}", "ridge = 1e-3", f"phi = {list(PHIS.values())}"]
    return record(parts, settings, plan, chosen=chosen)


def draw_phase(data: xr.Dataset) -> Figure:
    """Above without a look at the labels, below with verification; from many rows to few."""
    figure, axes = panels(2, len(PHIS), width=3.6, height=3.1, sharex=True, sharey=True)
    names = [*BLIND, *VERIFIED]
    colors = categories(len(names))
    for i, kind in enumerate(KINDS):
        for j, (amount, phi) in enumerate(PHIS.items()):
            panel, part = axes[i, j], f"{kind}_{amount}"
            best = data[f"{kind}_best"].sel(phi=phi).transpose("rho_star", "rho")
            shown = best.where(best >= 0)
            panel.pcolormesh(
                data.rho, data.rho_star, shown, cmap=ListedColormap(colors), vmin=-0.5, vmax=len(names) - 0.5,
                alpha=0.6, shading="nearest", rasterized=True,
            )  # fmt: skip
            number = data[f"{part}_line"].values
            for line in np.unique(number):
                on = number == line
                panel.plot(
                    data[f"{part}_line_rho"].values[on], data[f"{part}_line_rho_star"].values[on], **LINE
                )
            panel.set(title=rf"$\phi = {phi:g}$", xlim=(0.5, 1), ylim=(0.5, 1))
            panel.grid(False)
    for panel in axes[1]:
        panel.set_xlabel(r"quality of the generator $\rho$")
    for panel in axes[:, 0]:
        panel.set_ylabel(r"quality of the oracle $\rho_*$")
    handles: list[Any] = [Patch(color=color, alpha=0.6) for color in colors]
    handles.append(Line2D([], [], **LINE))
    texts = [f"keep {name}" for name in names]
    figure.legend(handles, [*texts, "boundary, by root finding"], loc="outside lower center", ncols=3)
    return figure


CASES = {"perfect": (1.0, 1.0), "generator errs": (0.9, 1.0), "both err": (0.9, 0.9)}


def optimum(plan: Plan) -> xr.Dataset:
    """Data of the best rules: chances of bands of the score, for several ratios phi."""
    phis = np.array(plan.choose((0.01, 0.1, 0.5, 2.0), (0.001, 0.01, 0.03, 0.1, 0.3, 0.5, 1.0, 2.0, 5.0)))
    bands = plan.choose(16, 40)
    rows = []
    for rho, rho_star in CASES.values():
        for phi in phis:
            found = best_rule(PrunedClassifier(phi, 1e-3, rho, rho_star), bands)
            everything = PrunedClassifier(phi, 1e-3, rho, rho_star).predict().error
            columns = {"error": found.error, "residual": found.residual, "all": float(everything)}
            chances = {"chance": ("band", found.right)}
            rows.append(xr.Dataset({**columns, **chances}, coords={"edge": ("inner", found.edges)}))
    flat = xr.concat(rows, "point")
    shape = (len(CASES), len(phis))
    data = xr.Dataset(
        {
            name: (
                ["case", "phi", "band"][: flat[name].ndim + 1],
                flat[name].values.reshape(*shape, *flat[name].shape[1:]),
            )
            for name in ("error", "residual", "all", "chance")
        },
        coords={"case": list(CASES), "phi": phis, "edge": ("inner", rows[0].edge.values)},
    )
    setting = PrunedClassifier(1.0, 1e-3)
    chosen = ["ridge = 1e-3", f"{bands} bands with as many rows each"]
    return record({"": [data]}, {"setting": setting}, plan, chosen=chosen)


def draw_optimum(data: xr.Dataset) -> Figure:
    """Which scores to keep, one bar per ratio, and by what factor that is better than all rows."""
    figure, axes = panels(1, len(CASES), width=3.5, height=3.2, sharex=True, sharey=True)
    shown = np.append(data.edge.values, 3.0)
    ends = np.concatenate([[0.0], shown])
    for panel, (name, (rho, rho_star)) in zip(axes.flat, CASES.items(), strict=True):
        _bars(panel, data.sel(case=name), ends)
        panel.set(title=rf"$\rho = {rho:g}$, $\rho_* = {rho_star:g}$", xlabel="size of the score $|t|$")
    axes[0, 0].set_ylabel(r"$\phi = d / n$")
    axes[0, 0].set_yticks(range(data.sizes["phi"]), [f"{phi:g}" for phi in data.phi.values])
    handles = [Patch(color=categories(1)[0]), Line2D([], [], linestyle="none")]
    texts = ["kept", "right: error, against that of all rows"]
    figure.legend(handles, texts, loc="outside lower center", ncols=2)
    return figure


def _bars(panel: Axes, data: xr.Dataset, ends: np.ndarray) -> None:
    for k in range(data.sizes["phi"]):
        for low, high, chance in zip(ends[:-1], ends[1:], data.chance.values[k], strict=True):
            panel.barh(
                k,
                high - low,
                0.62,
                low,
                color=categories(1)[0],
                alpha=float(np.clip(chance, 0, 1)),
                linewidth=0,
            )
        best, everything = float(data.error[k]), float(data["all"][k])
        panel.text(3.05, k, f"{best:.3f} / {everything:.3f}", va="center", fontsize=7)
    panel.set(xlim=(0, 4.0))
    panel.set_xticks([0, 1, 2, 3])
