"""The figure of the arithmetic experiment, from a hand-made record and, slowly, from training."""

from typing import Any

import numpy as np
import pytest
import xarray as xr

from freeridge.figures import tale_of_tails_arithmetic as figure
from freeridge.figures.record import Plan
from freeridge.theory.arithmetic.experiment import GCDExperiment
from freeridge.theory.arithmetic.record import Columns, assemble
from freeridge.theory.arithmetic.skills import rule


@pytest.fixture
def data(monkeypatch: pytest.MonkeyPatch) -> xr.Dataset:
    """Clean: 2, then 3 and 6 after the teacher (6400 examples); the others stay with what the teacher has."""

    def history(*steps: list[int]) -> Columns:
        found = Columns.empty(20)
        for time, known in enumerate(steps, start=1):
            accuracy = np.isin(np.arange(1, 21), known).astype(np.float64)
            found = found.with_row(3200 * time, 1.0, accuracy, rule(known, 20))
        return found

    def run(self: GCDExperiment, folder: Any, key: Any = 0, *, progress: bool = False) -> xr.Dataset:
        rest = history([1], [1, 2], [1, 2], [1, 2])
        histories = {name: rest for name in self.runs[1:-1]}
        histories["clean"] = history([1], [1, 2], [1, 2, 3, 6], [1, 2, 3, 6])
        histories["unlearning"] = history([1, 2, 3, 6], [1, 2])
        told = np.bincount(rule([1, 2], 20), minlength=21) / 20
        return assemble(self, histories, {"generator": told})

    monkeypatch.setattr(GCDExperiment, "run", run)
    return figure.arithmetic(Plan())


def test_curves_are_those_of_the_record(data: xr.Dataset) -> None:
    assert figure.late_skill(data) == 3
    counts, skill, histogram = figure.draw_arithmetic(data).axes
    clean, ai, mixed, unlearning, frozen = counts.get_lines()
    assert np.asarray(clean.get_ydata()).tolist() == [1, 2, 4, 4]
    assert np.asarray(ai.get_ydata()).tolist() == np.asarray(mixed.get_ydata()).tolist() == [1, 2, 2, 2]
    assert np.asarray(unlearning.get_ydata()).tolist() == [4, 2]
    assert float(np.asarray(unlearning.get_xdata())[0]) > float(np.asarray(clean.get_xdata())[-1])
    assert np.asarray(frozen.get_xdata()).tolist() == [6.4, 6.4]  # thousands
    assert [text.get_text() for text in counts.texts] == ["2", "3"]
    assert np.asarray(skill.get_lines()[0].get_ydata()).tolist() == [0, 0, 1, 1]
    law, told = histogram.get_lines()
    assert np.all(np.asarray(law.get_ydata()) == GCDExperiment("quick").pairs.law())
    assert np.asarray(told.get_ydata())[[0, 1]].tolist() == [0.5, 0.5]
    assert np.isnan(np.asarray(told.get_ydata())[2:]).all()
    assert "GCDExperiment" in str(data.attrs["parameters"])


def test_without_a_late_skill_the_last_is_shown(data: xr.Dataset) -> None:
    late = data.assign_attrs(teacher_examples=12_800)
    assert figure.late_skill(late) == 3
    assert figure.late_skill(late.isel(examples=[0])) == 1


@pytest.mark.slow
def test_from_training() -> None:
    data = figure.arithmetic(Plan())
    assert bool(data["loss"].sel(run="clean").notnull().all())
    assert len(figure.draw_arithmetic(data).axes) == 3
