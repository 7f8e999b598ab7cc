"""Where one rule takes over from another: every vertex and crossing is a root of the two predictions."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import freeridge as fr
from freeridge.theory.pruning.boundary import curation_boundary, curation_crossings
from freeridge.theory.pruning.phases import curation_phases, phase_lines

HARD, EASY, EVERY = (
    fr.PrunedClassifier(0.1, 1e-3, keep=rule)
    for rule in (fr.KeepHard(0.3), fr.KeepEasy(0.3), fr.KeepRandom())
)
GRID = {"rho": np.linspace(0.5, 1.0, 6), "rho_star": np.linspace(0.5, 1.0, 6)}


def test_every_vertex_is_a_root() -> None:
    lines = curation_boundary(HARD, EVERY, GRID)
    assert lines
    for line in lines:
        assert line.error <= 1e-10
        for rho, rho_star in line.points[:: max(1, len(line.points) // 2)]:
            errors = [replace(one, rho=rho, rho_star=rho_star).predict().error for one in (HARD, EVERY)]
            assert float(errors[0]) == pytest.approx(float(errors[1]), rel=1e-9)


@pytest.mark.slow
def test_a_field_of_one_setting_alone() -> None:
    # Against keeping all, at which share of hard rows is nothing gained?
    found = curation_crossings(HARD, EVERY, "first.keep.fraction", np.linspace(0.02, 0.98, 9))
    for fraction in found.points:
        assert float(replace(HARD, keep=fr.KeepHard(fraction)).predict().error) == pytest.approx(
            float(EVERY.predict().error), rel=1e-9
        )
    assert len(found.points) == 1


def test_useless_oracles_and_equal_rules_bound_nothing() -> None:
    # Without an oracle hard and easy rows are alike: a line of ties is no boundary.
    lines = curation_boundary(HARD, EASY, {"rho": np.linspace(0.2, 0.6, 3), "rho_star": [0.0, 0.05]})
    assert all(line.points[:, 1].min() > 0.0 for line in lines)
    assert curation_boundary(HARD, HARD, GRID) == []


@pytest.mark.slow
def test_phases_agree_with_their_lines() -> None:
    settings = {"all": EVERY, "hard": HARD, "easy": EASY}
    side = np.linspace(0.5, 1.0, 41)
    phases = curation_phases(settings, {"rho": side, "rho_star": side}, chunk=512)
    assert np.all(phases.code == 0) and set(np.unique(phases.best)) == {0, 1, 2}
    assert np.all(phases.gain >= 1.0)
    names, best = list(settings), phases.best.values
    lines = phase_lines(settings, {"rho": side[::4], "rho_star": side[::4]})
    assert lines
    for line in lines:
        for rho, rho_star in line.boundary.points:
            i, j = (min(int((v - 0.5) / 0.0125), 39) for v in (rho, rho_star))
            around = {names[k] for k in best[max(i - 1, 0) : i + 3, max(j - 1, 0) : j + 3].ravel()}
            assert {line.first, line.second} & around


@pytest.mark.parametrize(
    ("axes", "name"),
    [
        ({"phi": [0.1, 1.0]}, "axes"),
        ({"phi": [0.1, 1.0], "rho": [1.0]}, "rho"),
        ({"phi": [1.0, 0.1], "rho": [0.5, 1.0]}, "phi"),
        ({"phi": [0.1, 1.0], "quality": [0.5, 1.0]}, "quality"),
    ],
)
def test_refused(axes: Any, name: str) -> None:
    with pytest.raises(fr.InvalidSetting) as caught:
        curation_boundary(HARD, EASY, axes)
    assert caught.value.field == name


def test_settings_are_refused_by_name() -> None:
    with pytest.raises(fr.InvalidSetting, match="second"):
        curation_crossings(HARD, fr.KeepHard(0.3), "phi", [0.1, 1.0])
    with pytest.raises(fr.InvalidSetting, match="settings"):
        curation_phases({"hard": HARD}, GRID)
