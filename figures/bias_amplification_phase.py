"""Phase diagrams of bias amplification (arXiv 2410.17263): over the ratios (phi, psi), and over the ridge.

The line ADD = 1 is not read off the pixels: its vertices are roots, certified like every pixel.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from freeridge.figures.bias_amplification import CHOSEN, NAMES, PHI, PSI, isotropic_groups
from freeridge.figures.record import Plan, record, theory
from freeridge.figures.style import heat_map, panels
from freeridge.solvers.results import Code
from freeridge.theory.bias_boundary import amplification_boundary

# colours of what is positive, and of what is above or below one
SIZES, RATIOS = "viridis", "RdBu_r"
LINE: dict[str, Any] = {"color": "black", "linewidth": 1.4}
THRESHOLD: dict[str, Any] = {"color": "white", "linewidth": 1.2, "linestyle": "--"}


def phase(plan: Plan) -> xr.Dataset:
    """Data of the phase diagram: all quantities over (phi, psi), and the boundary."""
    setting = isotropic_groups(ridge=1e-6)
    ratios = np.geomspace(0.01, 10.0, plan.choose(128, 512))
    coarse = np.geomspace(0.01, 10.0, 80)
    # EDD diverges at m = n / 2, the rows of a group: the boundary comes close on both sides.
    both = np.unique(np.concatenate([coarse, 0.5 * np.exp(np.linspace(-0.2, 0.2, 41))]))
    pixels = theory(setting, {"phi": ratios, "psi": ratios})
    return record(
        {
            "": [pixels[["odd", "edd", "add", "signed_odd", "signed_edd", "residual", "code"]]],
            "boundary": [boundary(setting, {"phi": coarse, "psi": both}, "boundary")],
        },
        {"setting": setting},
        plan,
        chosen=[*CHOSEN, "ridge = 1e-6", f"boundary traced on a grid of {len(coarse)} x {len(both)}"],
        **certificate(pixels),
    )


def draw_phase(data: xr.Dataset) -> Figure:
    """Figure 1: one panel each for ODD, EDD and ADD."""
    figure, axes = panels(1, 3, width=3.7, height=3.3, sharex=True, sharey=True)
    for panel, name in zip(axes.flat, ("odd", "edd", "add"), strict=True):
        ratio = name == "add"
        heat_map(
            panel, data.phi, data.psi, data[name].transpose("phi", "psi"),
            limits=(1.0 / 30.0, 30.0) if ratio else (1e-3, 10.0), colors=RATIOS if ratio else SIZES, label="",
        )  # fmt: skip
        _draw_lines(panel, data, "boundary", "phi", "psi")
        panel.axhline(1.0, **(THRESHOLD | {"color": "0.3"} if ratio else THRESHOLD))
        panel.set(xlabel=PHI, title=NAMES[name])
    axes[0, 0].set_ylabel(PSI)
    _legend(figure)
    return figure


PHIS = {"few": 2.0, "many": 0.25}  # rows per dimension


def phase_of_ridge(plan: Plan) -> xr.Dataset:
    """Data of the phase diagram over the ridge and psi, for few and for many rows."""
    setting = isotropic_groups(ridge=1e-6)
    size = plan.choose(96, 256)
    ridges, psis = np.geomspace(1e-6, 1e2, size), np.geomspace(0.02, 20.0, size)
    coarse = {"setting.ridge": np.geomspace(1e-6, 1e2, 48), "psi": np.geomspace(0.02, 20.0, 48)}
    pixels = theory(setting, {"phi": list(PHIS.values()), "setting.ridge": ridges, "psi": psis})
    pixels = pixels.rename({"setting.ridge": "ridge"})
    lines = {name: [boundary(replace(setting, phi=phi), coarse, name)] for name, phi in PHIS.items()}
    return record(
        {"": [pixels[["odd", "edd", "add", "residual", "code"]]], **lines},
        {"setting": setting},
        plan,
        chosen=[*CHOSEN, "boundary traced on a grid of 48 x 48"],
        **certificate(pixels),
    )


def draw_phase_of_ridge(data: xr.Dataset) -> Figure:
    """ADD over ridge and psi, one panel per number of rows."""
    figure, axes = panels(1, 2, width=4.0, height=3.5, sharex=True, sharey=True)
    for panel, (name, phi) in zip(axes.flat, PHIS.items(), strict=True):
        here = data.add.sel(phi=phi).transpose("ridge", "psi")
        heat_map(panel, data.ridge, data.psi, here, limits=(1.0 / 30.0, 30.0), colors=RATIOS, label="")
        _draw_lines(panel, data, name, "ridge", "psi")
        panel.axhline(1.0, **THRESHOLD | {"color": "0.3"})
        panel.set(xlabel=r"ridge $\lambda$", title=rf"{NAMES['add']} at $\phi = {phi:g}$")
    axes[0, 0].set_ylabel(PSI)
    _legend(figure)
    return figure


def boundary(setting: Any, axes: Mapping[str, Any], part: str) -> xr.Dataset:
    """Vertices of the lines ADD = 1, the number of the line of each, and its distance from one.

    Fields are named by the last part of their name.
    """
    lines = amplification_boundary(setting, axes)
    points = np.concatenate([np.empty((0, 2)), *(line.points for line in lines)])
    number = np.repeat(np.arange(len(lines)), [len(line.points) for line in lines])
    columns = {str(name).rsplit(".", 1)[-1]: points[:, k] for k, name in enumerate(axes)}
    columns |= {"line": number, "error": np.array([line.error for line in lines])[number]}
    return xr.Dataset({name: (f"vertex_{part}", column) for name, column in columns.items()})


def certificate(pixels: xr.Dataset) -> dict[str, Any]:
    """How many of the pixels are certified, and with what residual at most."""
    return {
        "pixels": int(pixels.code.size),
        "certified_pixels": int((pixels.code == Code.OK).sum()),
        "largest_residual": float(pixels.residual.max()),
    }


def _draw_lines(panel: Any, data: xr.Dataset, part: str, x: str, y: str) -> None:
    number = data[f"{part}_line"].values
    for line in np.unique(number):
        on = number == line
        panel.plot(data[f"{part}_{x}"].values[on], data[f"{part}_{y}"].values[on], **LINE)


def _legend(figure: Figure) -> None:
    handles = [Line2D([], [], **LINE), Line2D([], [], **THRESHOLD | {"color": "0.3"})]
    texts = ["ADD = 1, by root finding", r"$\psi = 1$, as many features as rows"]
    figure.legend(handles, texts, loc="outside lower center", ncols=2)
