"""Bias amplification of groups with power-law spectra, over the exponents (arXiv 2410.17263)."""

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from freeridge.figures.bias_amplification import NAMES
from freeridge.figures.record import Plan, record, simulation, theory
from freeridge.figures.style import MARKERS, legend, line_and_points, panels, shades
from freeridge.theory.bias import BiasAmplification
from freeridge.theory.covariance import Isotropic, PowerLaw
from freeridge.theory.labeler import RandomVector
from freeridge.theory.population import Population

DIMENSION, ROWS, FEATURES = 128, 512, 256
FIRST, SECOND = "groups.0.covariance.exponent", "groups.1.covariance.exponent"
EXPONENTS = (0.5, 1.0, 1.5)  # of the first group


def power_law_groups() -> BiasAmplification:
    """Groups of equal size and input variance whose spectra decay differently."""
    first = RandomVector(Isotropic(DIMENSION, 1.0 / DIMENSION))
    second = first + RandomVector(Isotropic(DIMENSION, 0.2 / DIMENSION))
    spectrum = PowerLaw(DIMENSION, exponent=1.0, trace=float(DIMENSION))
    groups = [
        Population(spectrum, first, noise_variance=0.2, share=0.5),
        Population(spectrum, second, noise_variance=0.5, share=0.5),
    ]
    return BiasAmplification(groups, ROWS, ridge=1e-3, features=FEATURES)


def exponents(plan: Plan) -> xr.Dataset:
    """Data over the exponent of the second group, for some of the first."""
    setting = power_law_groups()
    # Not where the spectra are equal: ODD is nearly zero there, and the absolute value of a mean is not.
    points = plan.choose(np.linspace(0.25, 2.25, 5), np.linspace(0.15, 2.35, 12))
    found = [
        theory(setting, {FIRST: EXPONENTS, SECOND: np.linspace(0.0, 2.5, 101)}),
        simulation(setting, {FIRST: EXPONENTS, SECOND: points}, plan, plan.choose(10, 40)),
    ]
    names = {FIRST: "first", SECOND: "second", f"{SECOND}_simulated": "second_simulated"}
    return record(
        {"": [part.rename({old: new for old, new in names.items() if old in part.dims}) for part in found]},
        {"setting": setting},
        plan,
        chosen=[
            "d = 128, n = 512, m = 256",
            "ridge = 1e-3",
            "shares 1/2 and 1/2",
            "eigenvalues proportional to 1/j^a, mean 1",
            "w_1 ~ N(0, I/d), w_2 = w_1 + delta, delta ~ N(0, 0.2 I/d)",
            "noise variances 0.2 and 0.5",
        ],
    )


def draw_exponents(data: xr.Dataset) -> Figure:
    """ODD, EDD and ADD, one colour per exponent of the first group."""
    figure, axes = panels(1, 3, width=3.3, height=3.1, sharex=True)
    colors = shades(len(data["first"]))
    for panel, name in zip(axes.flat, ("odd", "edd", "add"), strict=True):
        for index, color in enumerate(colors):
            here = data.isel(first=index)
            points = (here.second_simulated, here[f"{name}_simulated"], here[f"{name}_standard_error"])
            line_and_points(panel, (here.second, here[name]), points, color=color, marker=MARKERS[index])
        panel.set(yscale="log", xlabel="exponent $a_2$ of group 2", ylabel=NAMES[name])
    axes[0, 0].set_ylim(1e-4, 1.0)
    axes[0, 1].set_ylim(1e-3, 1.0)
    axes[0, 2].set_ylim(1e-3, 1e2)
    axes[0, 2].axhline(1.0, color="0.25", linewidth=0.8, zorder=1)
    legend(figure, [f"$a_1 = {value:g}$" for value in data["first"].values], colors)
    return figure
