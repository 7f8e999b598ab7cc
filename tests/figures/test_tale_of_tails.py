"""What the figures of A Tale of Tails on infinite memory and on associative memories are made of."""

from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

from freeridge.figures import tale_of_tails as tails
from freeridge.figures import tale_of_tails_memory as memory
from freeridge.figures.record import Plan
from freeridge.figures.style import look
from freeridge.theory.tails.zipf_tail import ZipfTail

FIGURES: list[tuple[Callable[[Plan], xr.Dataset], Callable[[xr.Dataset], Figure]]] = [
    (tails.tail_cut, tails.draw_tail_cut),
    (tails.real_beside, tails.draw_real_beside),
    (tails.over_cuts, tails.draw_over_cuts),
    (tails.finite_generator, tails.draw_finite_generator),
    (tails.mixing, tails.draw_mixing),
    (tails.regenerated, tails.draw_regenerated),
    (tails.amounts, tails.draw_amounts),
    (memory.triplet, memory.draw_triplet),
]


def test_curves_are_theory_law_and_simulation_of_one_setting() -> None:
    setting = ZipfTail(1.5, 10.0, k=10)
    grid: tails.Grid = {"k": [10.0, 100.0], "T": np.array([100.0, 1e5])}
    theory, law, measured = tails.over(setting, grid, np.array([100.0]), Plan())
    assert dict(law.sizes) == {"k": 2, "T": 2} and measured.risk_simulated.shape == (2, 1)
    expected = ZipfTail(1.5, 1e5, k=100).predict().risk
    assert float(theory.risk.sel(k=100.0, T=1e5)) == pytest.approx(float(expected), rel=1e-12)
    # Far beyond its cut a learner is at the plateau, before it on the clean law.
    assert float(law.law.sel(k=10.0, T=1e5)) == pytest.approx(float(theory.risk.sel(k=10.0, T=1e5)), rel=1e-9)
    assert float(law.law.sel(k=100.0, T=100.0)) == pytest.approx(0.2, rel=0.1)


@pytest.mark.slow
def test_the_horizontal_axis_may_be_the_cut() -> None:
    data = tails.over_cuts(Plan())
    assert data.risk.dims == ("T", "k") and np.all(data["k"] == np.round(data["k"]))
    assert np.all(data.code == 0) and np.all(np.isfinite(data.law))
    with look():
        figure = tails.draw_over_cuts(data)
    (panel,) = figure.axes
    assert panel.get_xscale() == panel.get_yscale() == "log" and len(panel.containers) == 5


def test_the_memory_has_all_dimensions_and_cuts_of_the_figure() -> None:
    assert set(memory.ABOVE) | set(memory.BELOW) == set(memory.CUTS) and max(memory.CUTS) == memory.ITEMS
    assert memory.memory().weights == "counting"


@pytest.mark.slow
@pytest.mark.parametrize(("compute", "draw"), FIGURES, ids=lambda one: str(one.__name__))
def test_theory_passes_through_the_simulation(
    compute: Callable[[Plan], xr.Dataset], draw: Callable[[xr.Dataset], Figure]
) -> None:
    data = compute(Plan())
    with look():
        assert draw(data).axes
    for name in map(str, data.data_vars):
        if name.endswith("code"):
            assert np.all(data[name] == 0), name
        if not name.endswith("risk_simulated") or "tail_risk" in name or "memory_free" in name:
            continue
        along = str(data[name].dims[-1])
        axis = along.removesuffix("_simulated")
        # Linear in the logarithms, as the curves nearly are.
        curve = data[name.removesuffix("_simulated")]
        curve = curve.copy(data=np.log(curve.values)).assign_coords({axis: np.log(data[axis].values)})
        at = curve.interp({axis: np.log(data[along].values)}).rename({axis: along})
        at = at.copy(data=np.exp(at.values)).assign_coords({along: data[along]}).transpose(*data[name].dims)
        error = data[name.replace("simulated", "standard_error")]
        # A guard against curves and points of different problems, no measure of agreement: error bars of few
        # replicates are rough, and the memory of ten dimensions is 15 % off its limit.
        assert np.nanmax(np.abs(data[name] - at) / (4 * error + 0.15 * at)) < 1, name
