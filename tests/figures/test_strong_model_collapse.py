"""What the figures of Strong Model Collapse are made of, and that each can be drawn."""

import numpy as np
import pytest

from freeridge.figures.catalogue import Entry, catalogue
from freeridge.figures.record import Plan
from freeridge.figures.strong_model_collapse import QUALITIES, ROWS, setup, simulated_widths, widths
from freeridge.figures.strong_model_collapse_pareto import frontier
from freeridge.figures.style import look


@pytest.mark.parametrize("size", ["quick", "paper"])
def test_simulated_widths_are_whole_and_on_the_curve(size: str) -> None:
    points, curve = simulated_widths(Plan(size)), widths()
    assert np.all(points == np.round(points)) and np.all(np.diff(points) > 0) and ROWS in points
    assert curve[0] <= points[0] and curve[-1] == points[-1] == 1000.0 and len(curve) > 100
    near = curve[np.abs(curve - ROWS) <= 20.0]
    assert np.max(np.diff(near)) <= 4.0 < np.max(np.diff(curve)) <= 10.0


def test_the_setup_is_that_of_the_appendix() -> None:
    setting = setup()
    eigenvalues = np.asarray(setting.covariance.coordinates())  # type: ignore[attr-defined]
    assert len(eigenvalues) == 600 and np.isclose(eigenvalues.sum(), 1.0)
    assert np.allclose(eigenvalues[0] / eigenvalues, np.arange(1, 601))
    assert float(setting.n) == 500 and np.isclose(float(setting.n * setting.real_share), 300)
    assert QUALITIES == (0.0, 0.1, 0.5, 1.0)


def test_the_frontier_is_what_nothing_beats() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.random((2, 4, 30))
    best = np.stack(frontier(x, y), axis=1)
    points = np.stack([x.ravel(), y.ravel()], axis=1)
    beaten = [any(np.all(other <= one) and np.any(other < one) for other in points) for one in points]
    assert {tuple(one) for one in best} == {
        tuple(one) for one, b in zip(points, beaten, strict=True) if not b
    }
    assert np.all(np.diff(best[:, 0]) > 0) and np.all(np.diff(best[:, 1]) < 0)


@pytest.mark.slow
@pytest.mark.parametrize(
    "entry",
    [entry for entry in catalogue() if entry.name.startswith("strong-model-collapse")],
    ids=lambda entry: str(entry.name),
)
def test_theory_passes_through_the_simulation(entry: Entry) -> None:
    data = entry.compute(Plan())
    with look():
        assert entry.draw(data).axes
    for name in map(str, data.data_vars):
        if name.endswith("code"):
            assert np.all(data[name] == 0), name
        if not name.endswith("risk_simulated"):
            continue
        along = next(str(dim) for dim in data[name].dims if str(dim).endswith("_simulated"))
        curve = data[name.removesuffix("_simulated")]
        at = curve.interp({along.removesuffix("_simulated"): data[along].values})
        at = at.rename({along.removesuffix("_simulated"): along}).transpose(*data[name].dims)
        error = data[name.replace("simulated", "standard_error")]
        # A guard against curves and points of different problems, no measure of agreement: error bars of
        # few replicates are rough, curves share draws, and the curve is interpolated near its peak.
        assert np.nanmax(np.abs(data[name] - at) / (4 * error + 0.06 * at)) < 1, name
