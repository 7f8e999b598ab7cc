"""What the figures of deliberate practice are made of."""

from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

import freeridge as fr
from freeridge.figures import deliberate_practice as practice
from freeridge.figures import deliberate_practice_phase as phase
from freeridge.figures.record import Plan
from freeridge.figures.style import look


def test_the_settings_are_those_of_the_captions() -> None:
    assert practice.ROWS[0] > 350 and practice.RIDGES == (1e-6, 1e-2)  # every p = phi is in sight
    assert practice.FRACTIONS[0] == 1.0 and list(practice.AMOUNTS) == [100, 5000]
    assert list(phase.KINDS["verified"])[:3] == list(phase.BLIND)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("compute", "draw", "field", "tolerance"),
    [
        (practice.scaling, practice.draw_scaling, "n", 0.05),
        (practice.over_share, practice.draw_over_share, "fraction", 0.05),
        (practice.more_or_less, practice.draw_more_or_less, "fraction", 0.05),
    ],
    ids=["scaling", "over_share", "more_or_less"],
)
def test_theory_passes_through_the_simulation(
    compute: Callable[[Plan], xr.Dataset], draw: Callable[[xr.Dataset], Figure], field: str, tolerance: float
) -> None:
    data = compute(Plan())
    with look():
        assert draw(data).axes
    assert np.all(data.code == 0)
    at = data.error.interp({field: data[f"{field}_simulated"].values}).transpose(*data.error.dims)
    measured = data.error_simulated.transpose(
        *(f"{d}_simulated" if d == field else d for d in data.error.dims)
    )
    spread = data.error_standard_error.transpose(*measured.dims)
    # A guard against curves and points of different problems, no measure of agreement.
    assert np.nanmax(np.abs(measured.values - at.values) / (4 * spread.values + tolerance * at.values)) < 1


@pytest.mark.slow
def test_pixels_and_lines_of_the_phase_diagram() -> None:
    data = phase.phase(Plan())
    with look():
        assert len(phase.draw_phase(data).axes) == 4
    for kind in phase.KINDS:
        assert set(np.unique(data[f"{kind}_best"])) <= set(range(len(phase.KINDS[kind])))
        for amount in phase.PHIS:
            assert data.sizes[f"vertex_{kind}_{amount}"] > 0


@pytest.mark.slow
def test_the_best_rules_meet_their_conditions() -> None:
    data = phase.optimum(Plan())
    with look():
        assert len(phase.draw_optimum(data).axes) == 3
    assert np.all(data.residual <= 1e-8) and np.all(data.error <= data["all"])
    few, many = data.chance.sel(case="perfect").isel(phi=[-1, 0])
    assert few[0] == 0.0 and few[-1] == 1.0  # few rows: easy ones
    assert many[-1] == 0.0  # many rows: none of the easiest
    assert isinstance(fr.KeepTable(data.edge.values, data.chance.values[0, 0]), fr.KeepRule)
