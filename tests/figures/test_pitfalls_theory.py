"""Figures on the theory of memorisation: from formulas in place of the limit, and slowly from the limit."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from freeridge.figures import pitfalls_influence as influence
from freeridge.figures import pitfalls_theory as figure
from freeridge.figures.record import Plan
from freeridge.theory.memorization.experiments.influence import InfluenceExperiment
from freeridge.theory.memorization.row_laws import Law, RowLaws
from freeridge.theory.memorization.spurious_logistic import SpuriousLogistic

LEVEL = {"erm": 0.9, "memorisation-aware": 0.3, "balanced": 0.6}


@pytest.fixture
def formulas(monkeypatch: pytest.MonkeyPatch) -> list[SpuriousLogistic]:
    """Errors that tell trainings apart, and grow with the product of the coordinates."""
    asked: list[SpuriousLogistic] = []

    def made(setting: SpuriousLogistic, axes: Any, suffixes: tuple[str, ...], added: str) -> xr.Dataset:
        asked.append(setting)
        (outer, values), (inner, points) = axes.items()
        error = LEVEL[setting.training] * np.outer(values, points)
        names = [f"worst_group_error{suffix}" for suffix in suffixes]
        return xr.Dataset(
            {name: ((outer, inner + added), error * 0.1**k) for k, name in enumerate(names)},
            coords={outer: list(values), inner + added: np.asarray(points)},
        )

    monkeypatch.setattr(figure, "theory", lambda setting, axes: made(setting, axes, ("",), ""))
    monkeypatch.setattr(
        figure,
        "simulation",
        lambda setting, axes, plan, replicates: made(
            setting, axes, ("_simulated", "_standard_error"), "_simulated"
        ),
    )
    return asked


def test_over_noise(formulas: list[SpuriousLogistic]) -> None:
    data = figure.over_noise(Plan())
    assert {(float(one.phi), float(one.majority), one.n) for one in formulas} == {(1.8, 0.9, 500)}
    axes = figure.draw_over_noise(data).axes
    assert [panel.get_title() for panel in axes] == [rf"$\lambda$ = {v}" for v in (0.1, 0.01, 0.001)]
    for panel, penalty in zip(axes, figure.PENALTIES, strict=True):
        lines = [line for line in panel.lines if np.size(line.get_xdata()) == 100]
        for line, level in zip(lines, LEVEL.values(), strict=True):
            assert np.allclose(line.get_ydata(), level * penalty * np.asarray(line.get_xdata()))
        assert len(panel.containers) == 3


def test_over_rows_is_drawn_over_rows_and_not_over_coordinates(formulas: list[SpuriousLogistic]) -> None:
    data = figure.over_rows(Plan("paper"))
    assert {(float(one.noise), float(one.penalty), one.n) for one in formulas} == {(0.5, 0.01, 1000)}
    panel = figure.draw_over_rows(data).axes[1]
    assert panel.get_title() == "majority 90%"
    (line,) = (
        line for line in panel.lines if line.get_color() == "#0072B2" and np.size(line.get_xdata()) == 100
    )
    assert np.allclose(line.get_ydata(), 0.9 * 0.9 / np.asarray(line.get_xdata()))


def test_influence(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    sizes = {"replicate": 2, "training": 2, "row": 50}
    small = xr.Dataset(
        {name: (tuple(sizes), 10.0 ** rng.uniform(-4, 0, (2, 2, 50))) for name in influence.MEASURES}
        | {"is_majority": (("replicate", "row"), rng.random((2, 50)) < 0.7)},
        coords={"training": ["ERM", "MAT"]},
    )
    monkeypatch.setattr(InfluenceExperiment, "run", lambda self, key, replicates: small)
    values = jnp.stack([jnp.geomspace(1e-4, 1e-2, 50), jnp.geomspace(1e-2, 1e-1, 50)])
    uniform = Law(values, 1 / values / jnp.log(values[:, -1:] / values[:, :1]), values)
    monkeypatch.setattr(influence, "row_laws", lambda setting: RowLaws(*[uniform] * 5))
    drawn = influence.draw_influence(influence.influence(Plan()))
    assert len(drawn.axes) == 6
    for panel in drawn.axes:
        for line, level in zip(panel.lines, (0.5, 1.0), strict=True):
            assert np.allclose(line.get_ydata(), level)  # one over the decades it extends over
        for outline in panel.patches:  # densities: both groups have an area of one decade
            heights, edges, _ = outline.get_data()  # type: ignore[attr-defined]
            assert np.sum(heights * np.diff(np.log10(edges))) == pytest.approx(1.0)


@pytest.mark.slow
def test_from_the_limit() -> None:
    data = figure.over_noise(Plan())
    assert (data["code"] == 0).all()
    at = data["worst_group_error"].interp(noise=data["noise_simulated"])
    assert (abs(at - data["worst_group_error_simulated"]) < 0.03).all()
    worst = data["worst_group_error"].sel(penalty=[0.01, 0.001])
    assert (worst.sel(training="memorisation-aware") <= worst.sel(training="erm") + 1e-12).all()
