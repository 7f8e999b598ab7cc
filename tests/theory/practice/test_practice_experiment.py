"""The shipped experiment: end to end in its quick size, refused, and the digits in full (slow)."""

import time
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
import xarray as xr

from freeridge.practising import COLUMNS, outcomes, run_experiment, savings
from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.storage import load_dataset
from freeridge.theory.practice.classifier import Course
from freeridge.theory.practice.efficiency import saving
from freeridge.theory.practice.experiment import PRESETS, PracticeExperiment, guided_examples
from freeridge.theory.practice.generators.diffusion_model import Denoiser, denoiser
from freeridge.theory.practice.sources import DigitsSource, MixtureSource, digits
from freeridge.theory.practice.strategies import STRATEGIES

QUICK = PracticeExperiment("quick")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("practice") / "quick"
    QUICK.run(place, key=1)
    return place


@pytest.fixture(scope="module")
def data(folder: Path) -> xr.Dataset:
    found: xr.Dataset = load_dataset(folder / "record.nc")
    return found


def test_the_record_is_whole(data: xr.Dataset) -> None:
    assert dict(data.sizes) == {"run": 8, "seed": 2}
    assert list(dict.fromkeys(data["strategy"].values.tolist())) == list(STRATEGIES)
    assert np.all(data["samples"] <= data["size"]) and np.all(data["gradients"] == 100 * 32)
    for name in ("test_accuracy", "validation_accuracy"):
        assert np.all((data[name] > 0.1) & (data[name] < 1))
    static = data["strategy"].values == "static"
    assert np.array_equal(data["samples"][static], data["generated"][static])
    assert "DeliberatePractice" in data.attrs["parameters"]


def test_the_command_answers_from_the_folder(
    folder: Path, data: xr.Dataset, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = run_experiment("quick", folder, key=1, progress=True)
    assert capsys.readouterr().err.count("validation accuracy") == 16
    assert answer.record["result"] == list(outcomes(data)) and answer.table.row_count == 8
    assert len(answer.table.columns) == len(COLUMNS)
    assert set(answer.record["saving"]) == {"unguided", "pruned", "practised"}
    assert answer.record["saving"]["pruned"]["factor"] == saving(data, "pruned").overall
    row = answer.record["result"][0]
    assert row["strategy"] == "static" and row["factor"] is None
    assert row["test_accuracy"] == pytest.approx(float(data["test_accuracy"][0].mean()))


def test_one_seed_has_no_error_bar(data: xr.Dataset) -> None:
    one = data.isel(seed=slice(1))
    assert savings(one) == {} and all(np.isnan(row["standard_error"]) for row in outcomes(one))


def test_folders_of_other_experiments_are_refused(folder: Path) -> None:
    with pytest.raises(InvalidSetting, match="another experiment, or another key's"):
        QUICK.run(folder, key=2)
    with pytest.raises(InvalidSetting, match="another experiment, or another key's"):
        PracticeExperiment("quick", seeds=3).run(folder, key=1)


def test_examples_for_the_eye(folder: Path) -> None:
    found = guided_examples(QUICK, (0.0, 50.0), each=2, key=1, folder=folder)
    assert found["examples"].shape == (2, 20, 64)
    assert found["label"].values.tolist() == sorted([*range(10)] * 2)
    assert found["entropy"].mean("example").diff("strength").item() > 0
    assert found["agrees"].dtype == bool


def test_the_parts_of_the_digits_are_disjoint_and_the_split_is_seeded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown: list[np.ndarray] = []

    def untrained(inputs: np.ndarray, *rest: Any) -> Denoiser:
        shown.append(inputs)
        return denoiser(np.random.default_rng(0), dimension=64, classes=10, width=2, layers=1)

    monkeypatch.setattr("freeridge.theory.practice.sources.trained", untrained)
    source = DigitsSource(Course(10, 4, 0.1), training=700, validation=200)
    _, validation, test = source.make(5)
    again = source.make(5)
    parts = [shown[0], validation.inputs, test.inputs]
    assert [len(part) for part in parts] == [700, 200, 897]
    everything = np.concatenate(parts)
    assert np.array_equal(np.unique(everything, axis=0), np.unique(digits().inputs, axis=0))
    assert np.array_equal(again.test.inputs, test.inputs)
    assert not np.array_equal(source.make(6).test.inputs, test.inputs)


def test_mixtures_are_drawn_from_their_law() -> None:
    generator, validation, test = MixtureSource(validation=800, test=800).make(0)
    assert (generator.dimension, generator.classes) == (6, 4)
    assert validation.inputs.shape == test.inputs.shape == (800, 6)
    assert not np.array_equal(validation.inputs, test.inputs)
    for label in range(4):
        centres = np.asarray(generator.laws.means[label])  # type: ignore[attr-defined]
        here = validation.inputs[validation.labels == label]
        error = here.std(0) / len(here) ** 0.5
        assert np.all(np.abs(here.mean(0) - centres.mean(0)) < 4 * error)


def test_digits_without_scikit_learn_say_what_to_install(no_sklearn: None) -> None:
    with pytest.raises(ImportError, match=r"pip install 'freeridge\[data\]'"):
        digits()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"sizes": [200, 100]}, "sizes"),
        ({"sizes": []}, "sizes"),
        ({"rounds": [0]}, "rounds"),
        ({"ratio": 1}, "ratio"),
        ({"seeds": 0}, "seeds"),
        ({"omega": 1.0}, "omega"),
    ],
)
def test_bad_fields_are_refused(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidSetting) as caught:
        PracticeExperiment("digits", **changes)
    assert caught.value.field == field


def test_bad_presets_and_sources_are_refused() -> None:
    with pytest.raises(InvalidSetting, match="one of quick, digits, digits-plain, mixture"):
        PracticeExperiment("huge")
    with pytest.raises(InvalidSetting, match="^training = 1600"):
        DigitsSource(Course(10, 4, 0.1), training=1600)
    with pytest.raises(InvalidSetting, match="^deviation = 0"):
        MixtureSource(deviation=0.0)


@pytest.mark.slow
def test_practice_on_digits_needs_fewer_examples_within_ten_minutes(tmp_path: Path) -> None:
    began = time.perf_counter()
    found = PracticeExperiment("digits-plain").run(tmp_path / "digits", key=0)
    assert time.perf_counter() - began < 600
    practised, unguided = saving(found), saving(found, "unguided")
    assert practised.overall_low > 1.0
    # Rounds without guidance are static generation.
    assert unguided.overall_low < 1.0 < unguided.overall_high
    assert PRESETS["digits-plain"]["seeds"] == found.sizes["seed"]
    jax.clear_caches()
