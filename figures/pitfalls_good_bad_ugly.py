"""Good, bad and ugly memorisation ("The Pitfalls of Memorization", Figure 3)."""

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from freeridge.figures.record import Plan, record
from freeridge.figures.style import categories, panels
from freeridge.theory.memorization.experiments.good_bad_ugly import FunctionFit

NAMES = {1e-4: "good", 1e-3: "bad", 0.0: "ugly"}


def good_bad_ugly(plan: Plan) -> xr.Dataset:
    """Data of Figure 3: the published experiment with each of some seeds, of which the first is drawn."""
    setting = FunctionFit()

    def report(done: int, total: int) -> None:
        plan.report(done // setting.epochs, total // setting.epochs)

    found = setting.run(plan.seed, plan.choose(3, 20), report)
    return record({"": [found.drop_attrs()]}, {"setting": setting}, plan, precision="float32")


def draw_good_bad_ugly(data: xr.Dataset) -> Figure:
    """One panel per scale: target, noisy labels, and what the network says, with spikes at its rows."""
    figure, axes = panels(1, data.sizes["scale"], width=3.3, height=3.0, sharex=True, sharey=True)
    blue, orange = categories(2)
    first = data.isel(seed=0)
    for panel, scale in zip(axes.flat, data["scale"].values, strict=True):
        here = data.sel(scale=scale)
        panel.plot(data["x"], data["target"], color="black", linestyle="--", linewidth=1.2)
        panel.plot(data["x"], first["prediction"].sel(scale=scale), color=blue, linewidth=1.0)
        panel.plot(first["x_row"], first["y_row"], "o", color=orange, markersize=4.2, markeredgecolor="white",
                   markeredgewidth=0.5)  # fmt: skip
        mean = float(here["deviation"].mean())
        error = float(here["deviation"].std(ddof=1)) / data.sizes["seed"] ** 0.5
        panel.set_title(f"{NAMES[float(scale)]}\n{_formula(scale)}")
        words = f"r.m.s. error {mean:.3f} ± {error:.3f}"
        panel.text(0.97, 0.03, words, transform=panel.transAxes, ha="right", fontsize=8.5)
        panel.set(xlim=(-1.2, 1.2), ylim=(-0.5, 0.5), xlabel="input $x$")
    axes[0, 0].set_ylabel("output")
    handles = [
        Line2D([], [], color="black", linestyle="--", linewidth=1.2),
        Line2D([], [], color=orange, marker="o", linestyle="none", markersize=5, markeredgecolor="white"),
        Line2D([], [], color=blue),
    ]
    figure.legend(
        handles, ["target", "labels trained on", "network"], loc="outside lower center", ncols=len(handles)
    )
    return figure


def _formula(scale: float) -> str:
    """The scale of the further inputs, a power of ten or zero."""
    return r"$\sigma_\epsilon = 0$" if scale == 0 else rf"$\sigma_\epsilon = 10^{{{np.log10(scale):.0f}}}$"
