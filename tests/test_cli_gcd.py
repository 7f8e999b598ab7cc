"""What the command on the GCD experiment answers."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from freeridge.arithmetic import outcomes, run_experiment
from freeridge.plotting import as_json
from freeridge.solvers.errors import InvalidSetting
from freeridge.theory.arithmetic.experiment import GCDExperiment
from freeridge.theory.arithmetic.record import Columns, assemble
from freeridge.theory.arithmetic.skills import rule


@pytest.fixture
def finished(monkeypatch: pytest.MonkeyPatch) -> GCDExperiment:
    """Runs without training: the record of a hand-made history."""
    experiment = GCDExperiment("quick")

    def run(self: GCDExperiment, folder: Path, key: Any = 0, *, progress: bool = False) -> Any:
        history = Columns.empty(20)
        for time, known in enumerate(([1], [1, 2], [1, 2, 3, 6]), start=1):
            accuracy = np.isin(np.arange(1, 21), known).astype(np.float64)
            history = history.with_row(3200 * time, 1.0 / time, accuracy, rule(known, 20))
        return assemble(self, {"clean": history}, {"clean": np.full(21, 1 / 21)})

    monkeypatch.setattr(GCDExperiment, "run", run)
    return experiment


def test_record_and_table(finished: GCDExperiment, tmp_path: Path) -> None:
    answer = run_experiment("quick", tmp_path, key=3)
    record = json.loads(as_json(answer.record))
    law = finished.pairs.law()
    found = record["result"]["clean"]
    assert found["learned"] == [1, 2, 3, 6] and found["examples"] == 9600
    assert found["first learned"] == {"2": 6400, "3": 9600}
    assert found["accuracy"] == pytest.approx(law[[0, 1, 2, 5]].sum())
    assert list(record["result"]) == ["clean"]  # the other runs have not begun
    assert record["seed"] == 3 and record["parameters"]["fields"]["base"] == 6
    assert record["file"] == str(tmp_path / "record.nc")
    console = Console(width=200)
    with console.capture() as text:
        console.print(answer.table)
    assert "{1,2}{1,3}" in text.get() and "2: 0.0064 M, 3: 0.0096 M" in text.get()


def test_the_base_can_be_chosen(finished: GCDExperiment, tmp_path: Path) -> None:
    answer = run_experiment("quick", tmp_path, base=15)
    assert answer.record["parameters"]["fields"]["base"] == 15


def test_nothing_learned_yet(finished: GCDExperiment) -> None:
    assert list(outcomes(assemble(finished, {}, {}))) == []


@pytest.mark.parametrize(
    ("words", "field"),
    [
        ({"preset": "huge"}, "preset"),
        ({"base": 1}, "base"),
        ({"base": 1000}, "largest"),
        ({"key": -1}, "key"),
    ],
)
def test_bad_words_are_refused(words: dict[str, Any], field: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidSetting) as caught:
        run_experiment(**{"preset": "quick", "out": tmp_path / "new", **words})
    assert caught.value.field == field and not (tmp_path / "new").exists()
