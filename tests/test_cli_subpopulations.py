"""What the command on the benchmark of subpopulations answers."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from rich.console import Console

from freeridge import experiments
from freeridge.plotting import as_json
from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.storage import StorageError
from freeridge.subpopulations import COLUMNS, outcomes, run_experiment
from freeridge.theory.memorization.subpopulations.algorithms import ALGORITHMS
from freeridge.theory.memorization.subpopulations.experiment import SubpopulationBenchmark


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[SubpopulationBenchmark]:
    """Benchmarks that were asked for, answered without training by two seeds made by hand."""
    asked: list[SubpopulationBenchmark] = []

    def run(
        self: SubpopulationBenchmark, folder: Path, key: Any = 0, *, progress: bool = False
    ) -> xr.Dataset:
        asked.append(self)
        scores = 0.2 + 0.1 * np.arange(5)[:, None, None] + np.array([[-0.02, 0.02]] * 2)
        dims = ("algorithm", "selection", "seed")
        return xr.Dataset(
            {"worst_group_accuracy": (dims, scores), "mean_accuracy": (dims, scores + 0.3)},
            coords={"algorithm": list(ALGORITHMS), "selection": ["true", "inferred"]},
        )

    monkeypatch.setattr(SubpopulationBenchmark, "run", run)
    return asked


def test_record_and_table(shown: list[SubpopulationBenchmark], tmp_path: Path) -> None:
    answer = run_experiment("digits", tmp_path, key=3, seeds=2)
    record = json.loads(as_json(answer.record))
    assert record["seed"] == 3 and record["parameters"]["fields"]["seeds"] == 2
    assert record["file"] == str(tmp_path / "record.nc") and len(record["result"]) == 10
    row = record["result"][1]
    assert (row["algorithm"], row["selection"], row["told_groups"]) == ("mat", "true", False)
    assert row["worst_group_accuracy"] == pytest.approx(0.3)
    assert row["worst_group_accuracy_standard_error"] == pytest.approx(0.02)
    assert row["worst_group_accuracy_difference"] == pytest.approx(0.1)
    assert row["mean_accuracy_low"] == pytest.approx(row["mean_accuracy_high"]) == pytest.approx(0.1)
    assert answer.table.row_count == 10 and len(answer.table.columns) == len(COLUMNS)
    console = Console(width=200)
    with console.capture() as text:
        console.print(answer.table)
    assert "60.0 \N{PLUS-MINUS SIGN} 2.0" in text.get() and "+10.0 (+10.0 to +10.0)" in text.get()
    assert "inferred groups" in text.get()


def test_features_from_a_file(shown: list[SubpopulationBenchmark], tmp_path: Path) -> None:
    rows = np.arange(12)
    np.savez(
        tmp_path / "own.npz", features=np.eye(12), labels=rows % 2, attributes=rows // 2 % 2, split=rows // 4
    )
    run_experiment("digits", tmp_path / "out", data=tmp_path / "own.npz")
    assert shown[0].data is not None and shown[0].data.train.inputs.shape == (4, 12)
    with pytest.raises(StorageError, match="No such file"):
        run_experiment("digits", tmp_path / "out", data=tmp_path / "none.npz")


def test_the_verb_prints_a_table_or_json(
    shown: list[SubpopulationBenchmark],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("freeridge.tasks.prepare_jax", lambda: None)
    assert experiments.subpopulations(preset="quick", out=tmp_path, json=True) == 0
    assert len(json.loads(capsys.readouterr().out)["result"]) == 10
    assert experiments.subpopulations(preset="quick", out=tmp_path) == 0
    assert "subsampled" in capsys.readouterr().out


def test_of_one_seed_there_is_no_interval(shown: list[SubpopulationBenchmark], tmp_path: Path) -> None:
    data = SubpopulationBenchmark("quick").run(tmp_path).isel(seed=slice(1))
    rows = list(outcomes(data))
    assert all(np.isnan(row["worst_group_accuracy_standard_error"]) for row in rows)


@pytest.mark.parametrize(
    ("words", "field"), [({"preset": "huge"}, "preset"), ({"seeds": 0}, "seeds"), ({"key": -1}, "key")]
)
def test_bad_words_are_refused(words: dict[str, Any], field: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidSetting) as caught:
        run_experiment(**{"preset": "quick", "out": tmp_path / "new", **words})
    assert caught.value.field == field and not (tmp_path / "new").exists()
