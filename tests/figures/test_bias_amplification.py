"""What the figures of bias amplification are made of, and that each can be drawn."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import xarray as xr

from freeridge.figures.bias_amplification import PHIS, crossings, isotropic_groups
from freeridge.figures.bias_amplification_exponents import DIMENSION, power_law_groups
from freeridge.figures.bias_amplification_minority import CORE, EXTRANEOUS, ROWS, SHARES, _limit
from freeridge.figures.bias_amplification_phase import boundary, certificate, draw_phase
from freeridge.figures.bias_amplification_training import RATIOS, _curves, _points, draw_over_time
from freeridge.figures.catalogue import Entry, catalogue
from freeridge.figures.record import Plan, record
from freeridge.figures.style import heat_map, look, panels
from freeridge.solvers.results import Code
from freeridge.theory.covariance import Isotropic
from freeridge.theory.minority import MinorityGroups


def test_the_groups_are_those_that_are_stated() -> None:
    groups = isotropic_groups(ridge=0.1).resolved().groups
    assert [float(group.share) for group in groups] == [0.5, 0.5]
    assert [float(group.noise_variance) for group in groups] == [0.2, 0.5]
    assert [float(group.covariance.scale) for group in groups] == [1.0, 0.5]
    covariances: list[Any] = [group.covariance for group in power_law_groups().groups]
    spectra = [np.asarray(covariance.coordinates()) for covariance in covariances]
    assert all(np.isclose(spectrum.mean(), 1.0) and len(spectrum) == DIMENSION for spectrum in spectra)


def test_simulated_sizes_of_curves_over_a_path_are_whole() -> None:
    for phi in RATIOS[0]:
        for psi in RATIOS[1]:
            setting = replace(isotropic_groups(ridge=0.1), phi=phi, psi=psi).resolved()
            assert float(setting.n) / 2 == round(float(setting.n) / 2)
            assert np.isclose(float(setting.features), round(float(setting.features)), rtol=1e-12)


@pytest.mark.slow
def test_the_limit_is_that_of_the_setting() -> None:
    for n in ROWS:
        for share in SHARES:
            there = MinorityGroups(
                Isotropic(CORE), Isotropic(EXTRANEOUS), n, share, noise_variance=0.25, ridge=0.01, features=n
            )
            assert np.isclose(_limit(n, 0.25, share), there.infinite_width().predict().gap, atol=1e-9)


def test_the_boundary_is_where_odd_is_edd() -> None:
    setting = isotropic_groups(ridge=1e-2)
    lines = boundary(setting, {"phi": np.geomspace(0.1, 4, 9), "psi": np.geomspace(0.1, 4, 9)}, "few")
    assert lines.sizes["vertex_few"] > 8 and float(lines.error.max()) < 1e-10
    assert set(lines.data_vars) == {"phi", "psi", "line", "error"} and int(lines.line[0]) == 0


@pytest.mark.slow
def test_crossings_lie_at_the_given_phi() -> None:
    setting, grid = isotropic_groups(ridge=1e-2), np.geomspace(0.05, 4.0, 30)
    found = crossings(setting, PHIS[1:], grid)
    assert len(found) == 2 and sum(map(len, found)) >= 1
    for phi, roots in zip(PHIS[1:], found, strict=True):
        assert np.all((roots > grid[0]) & (roots < grid[-1])) and np.all(np.diff(roots) > 0)
        for psi in roots:
            assert np.isclose(replace(setting, phi=phi, psi=psi).predict().add, 1.0, rtol=0, atol=1e-9)


def test_pixels_are_counted() -> None:
    codes = np.array([[Code.OK, Code.UNDEFINED], [Code.OK, Code.NOT_CERTIFIED]])
    pixels = xr.Dataset({"code": (("x", "y"), codes), "residual": (("x", "y"), np.full((2, 2), 1e-15))})
    assert certificate(pixels) == {"pixels": 4, "certified_pixels": 2, "largest_residual": 1e-15}


def test_a_heat_map_tells_what_it_cuts_off() -> None:
    _, axes = panels(1, 2)
    inside, beyond = np.ones((2, 2)), np.array([[1e-3, 1.0], [1.0, 1e3]])
    for panel, values in zip(axes.flat, (inside, beyond), strict=True):
        heat_map(panel, [1.0, 2.0], [1.0, 2.0], values, limits=(0.1, 10.0), colors="RdBu_r", label="")
    bars = [panel.collections[0].colorbar for panel in axes.flat]
    assert [bar.extend for bar in bars] == ["neither", "both"]
    assert bars[0].norm(1.0) == 0.5  # one is the middle of a diverging scale


def test_the_phase_diagram_is_drawn_with_its_lines() -> None:
    ratios = np.array([0.1, 1.0, 10.0])
    map_of = {name: (("phi", "psi"), np.full((3, 3), 2.0)) for name in ("odd", "edd", "add")}
    lines = xr.Dataset({
        "phi": ("vertex_boundary", [0.1, 1.0, 0.1, 0.2]), "psi": ("vertex_boundary", [0.1, 1.0, 9.0, 9.0]),
        "line": ("vertex_boundary", [0, 0, 1, 1]),
    })  # fmt: skip
    pixels = xr.Dataset(map_of, coords={"phi": ratios, "psi": ratios})
    with look():
        figure = draw_phase(record({"": [pixels], "boundary": [lines]}, {}, Plan()))
        figure.draw_without_rendering()
    assert [len(panel.lines) for panel in figure.axes[:3]] == [3, 3, 3]  # two lines, and psi = 1


@pytest.mark.slow
def test_the_flow_agrees_with_its_simulation_and_ends_at_ridge_zero() -> None:
    times = np.array([0.1, 1.0, 1e6])
    ratios = ((0.25,), (3.0,))
    setting = isotropic_groups(ridge=0.0, time=times)
    (curve,) = _curves(setting, ratios)
    points = _points(setting, ratios, Plan(), 10)
    for name in ("signed_odd", "signed_edd", "worst_group_risk"):
        difference = points[f"{name}_simulated"].values - curve[name].values
        assert np.all(np.abs(difference) < 4 * points[f"{name}_standard_error"].values + 0.01), name
    end = replace(isotropic_groups(ridge=0.0), phi=0.25, psi=3.0).predict()
    assert np.isclose(curve.odd.values[0, 0, -1], end.odd, rtol=1e-6)
    ridge = curve.rename({name: f"ridge_{name}" for name in map(str, curve.data_vars)})
    best = xr.Dataset({
        f"best_{name}": (("phi", "psi"), np.ones((1, 1)))
        for name in ("time", "odd", "edd", "add", "worst_group_risk")
    })  # fmt: skip
    with look():
        figure = draw_over_time(xr.merge([curve, points, ridge, best]))
        figure.draw_without_rendering()
    assert len(figure.axes) == 4


# what is compared, and the scale of a risk beside it: disparities pass through zero
COMPARED = (
    "signed_odd",
    "signed_edd",
    "worst_group_risk",
    "gap",
    "group_errors",
    "own_errors",
    "own_error_gap",
)


@pytest.mark.slow
@pytest.mark.parametrize(
    "entry",
    [entry for entry in catalogue() if entry.name.startswith("bias-amplification")],
    ids=lambda entry: str(entry.name),
)
def test_theory_passes_through_the_measurements(entry: Entry) -> None:
    data = entry.compute(Plan())
    with look():
        entry.draw(data).draw_without_rendering()
    for name in map(str, data.data_vars):
        if name.endswith("code"):
            # Halves without a difference have EDD = 0 and no ADD, which the figure of minorities leaves out.
            unequal = data.drop_sel(share=0.5) if "share" in data.dims else data
            assert np.all(unequal[name] == Code.OK) and np.all(data[name] <= Code.UNDEFINED), name
        if name.endswith("boundary_error"):
            assert float(data[name].max()) <= 1e-10
    if "certified_pixels" in data.attrs:
        assert data.attrs["certified_pixels"] == data.attrs["pixels"]
        assert data.attrs["largest_residual"] <= 1e-11
        return
    compared = [name for name in COMPARED if f"{name}_simulated" in data]
    assert compared
    for name in compared:
        measured, error = data[f"{name}_simulated"], data[f"{name}_standard_error"]
        along = next(str(dim) for dim in measured.dims if str(dim).endswith("_simulated"))
        base = along.removesuffix("_simulated")
        at = data[name].interp({base: data[along].values}).rename({base: along}).transpose(*measured.dims)
        # A guard against curves and points of different problems, no measure of agreement: error bars of
        # few replicates are rough, means lie off the limit by 1/d, and the curve is interpolated.
        assert np.nanmax(np.abs(measured - at) / (4 * error + 0.06 * np.abs(at) + 0.02)) < 1, name
