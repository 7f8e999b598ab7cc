"""The benchmark in its quick size: record, selection, folders, own data; the digits in full (slow)."""

import time
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
import xarray as xr
from scipy.stats import ttest_rel

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.perceptron import uniform_perceptron
from freeridge.solvers.storage import load_dataset
from freeridge.theory.memorization.subpopulations import trials
from freeridge.theory.memorization.subpopulations.algorithms import ALGORITHMS, random_draws
from freeridge.theory.memorization.subpopulations.comparison import compared
from freeridge.theory.memorization.subpopulations.data import assemble
from freeridge.theory.memorization.subpopulations.experiment import PRESETS, SubpopulationBenchmark
from freeridge.theory.memorization.subpopulations.trials import Trial
from freeridge.theory.memorization.training.twins import Twins

QUICK = SubpopulationBenchmark("quick")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("benchmark") / "quick"
    QUICK.run(place, key=1)
    return place


@pytest.fixture(scope="module")
def data(folder: Path) -> xr.Dataset:
    found: xr.Dataset = load_dataset(folder / "record.nc")
    return found


def test_the_record_is_whole(data: xr.Dataset) -> None:
    assert dict(data.sizes) == {
        "seed": 2, "algorithm": 5, "selection": 2, "draw": 2, "epoch": 2, "group": 4, "inferred_group": 4,
    }  # fmt: skip
    assert data["algorithm"].values.tolist() == list(ALGORITHMS)
    assert data["epoch"].values.tolist() == [2, 4]
    assert data["group"].values[0] == "0 to 4, first channel"
    for name in ("train", "validation", "test"):
        here = data[f"{name}_accuracy"]
        assert here.dims == ("seed", "algorithm", "draw", "epoch", "group") and bool(np.all(here <= 1))
    assert np.all(data["test_rows"].sum("group") == 597)
    assert "SubpopulationBenchmark" in data.attrs["parameters"] and data.attrs["precision"] == "float32"


def test_selection_takes_the_best_worst_group_of_the_validation_data(data: xr.Dataset) -> None:
    for selection, name in (("true", "validation"), ("inferred", "inferred")):
        for algorithm in ALGORITHMS:
            for seed in range(2):
                here = data.sel(selection=selection, algorithm=algorithm, seed=seed)
                group = "group" if selection == "true" else "inferred_group"
                worst = here[f"{name}_accuracy"].min(group)  # skips the NaN of groups without rows
                place = {"draw": here["chosen_draw"].item(), "epoch": here["chosen_epoch"].item()}
                assert worst.sel(place).item() == worst.max().item()
                test = here["test_accuracy"].sel(place)
                assert here["worst_group_accuracy"].item() == test.min().item()
                rows = here["test_rows"]
                assert here["mean_accuracy"].item() == pytest.approx((test * rows).sum().item() / 597)


def test_the_twins_follow_the_colour(data: xr.Dataset) -> None:
    # The minority has the first channel with the first label, or the second with the second.
    assert np.all(data["held_out_error"].isel(group=[0, 3]) > 0.9)
    assert np.all(data["held_out_error"].isel(group=[1, 2]) < 0.1)


def test_a_finished_folder_is_read_and_others_are_refused(
    folder: Path, data: xr.Dataset, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def never(self: Trial, *_: Any) -> Any:
        raise AssertionError

    monkeypatch.setattr(Trial, "twins", never)
    monkeypatch.setattr(Trial, "accuracies", never)
    again = QUICK.run(folder, key=1, progress=True)
    assert capsys.readouterr().err.count("worst-group validation accuracy") == 10
    xr.testing.assert_equal(again, data)
    with pytest.raises(InvalidSetting, match="another experiment, or another key's"):
        QUICK.run(folder, key=2)
    with pytest.raises(InvalidSetting, match="another experiment, or another key's"):
        SubpopulationBenchmark("quick", seeds=3).run(folder, key=1)
    with pytest.raises(InvalidSetting, match="a new or empty folder"):
        QUICK.run(folder / "runs", key=1)


def test_interrupted_it_has_the_finished_seeds_and_goes_on(
    data: xr.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Trial.accuracies
    calls: list[str] = []

    def impatient(self: Trial, algorithm: str, twins: Any) -> Any:
        calls.append(algorithm)
        if len(calls) == 8:
            raise KeyboardInterrupt
        return made(self, algorithm, twins)

    monkeypatch.setattr(Trial, "accuracies", impatient)
    with pytest.warns(RuntimeWarning, match="1 of 2 seeds are finished"):
        part = QUICK.run(tmp_path, key=1)
    xr.testing.assert_equal(part, data.isel(seed=slice(1)))
    xr.testing.assert_equal(QUICK.run(tmp_path, key=1), data)
    assert len(calls) == 8 + 3  # the interrupted one again, and the two after it


def test_twins_that_ran_away_or_diverged_are_the_last_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.arange(24)
    own = assemble(np.eye(24), rows % 2, rows // 2 % 2, rows // 8)
    labels = own.train.labels  # 0 and 1 in turn, four of each

    def pair(flipped: list[int], logit: float) -> Twins:
        network = uniform_perceptron(np.random.default_rng(0), [24, 2])
        both = jax.tree.map(lambda part: np.stack([part, part]), network)
        present = labels.copy()
        present[flipped] = 1 - present[flipped]
        return Twins(both, np.ones(8, bool), labels, present, np.full((8, 2), logit, np.float32))

    # One flip; two; all of one label, which is too much; two, but no numbers.
    offered = iter([pair([0], 1.0), pair([0, 1], 2.0), pair([0, 2, 4, 6], 3.0), pair([0, 1], np.nan)])
    monkeypatch.setattr(trials, "train_twins", lambda *_, **__: next(offered))
    draws = random_draws(0, 4, rates=(0.1, 0.2), decays=(0.1, 0.2), temperatures=(1.0,))
    found = Trial(own, draws, width=2, epochs=1, batch=4, every=1, key=(0,)).twins()
    assert found["held_out"][0, 0] == 2.0
    assert found["flip_rate"].tolist() == [0.125, 0.25, 0.5, 0.25]


def test_seeds_differ_and_the_key_decides(data: xr.Dataset) -> None:
    one = SubpopulationBenchmark("quick", seeds=1, algorithms=["erm"])
    found = one.run(key=1)
    # Fewer seeds and fewer algorithms change nothing for those that are left.
    xr.testing.assert_equal(
        found["test_accuracy"], data["test_accuracy"].sel(algorithm=["erm"]).isel(seed=slice(1))
    )
    first, second = data["test_accuracy"].values
    assert not np.array_equal(first, second)
    assert QUICK.draws_of((1, 0)) != QUICK.draws_of((1, 1))


def test_data_of_ones_own_with_three_labels_and_a_group_without_training_rows() -> None:
    rng, rows = np.random.default_rng(0), 180
    labels, attributes, split = np.arange(rows) % 3 - 1, rng.integers(0, 2, rows), np.repeat([0, 1, 2], 60)
    attributes[(labels == 1) & (split < 2)] = 0  # there are such rows in the test alone
    features = rng.standard_normal((rows, 6)) + 2 * np.eye(3)[labels + 1] @ rng.standard_normal((3, 6))
    own = assemble(features, labels, attributes, split)
    benchmark = SubpopulationBenchmark(
        "quick", data=own, seeds=1, draws=1, batch=20, algorithms=["erm", "mat"]
    )
    found = benchmark.run(key=0)
    assert found["group"].values.tolist() == ["-1, 0", "-1, 1", "0, 0", "0, 1", "1, 0", "1, 1"]
    assert np.all(np.isnan(found["train_accuracy"].sel(group="1, 1")))
    assert np.isnan(found["held_out_error"].sel(group="1, 1").item())
    for name in ("worst_group_accuracy", "mean_accuracy"):
        assert np.all((found[name] >= 0) & (found[name] <= 1))


def test_differences_are_paired_and_have_the_interval_of_student() -> None:
    rng = np.random.default_rng(0)
    scores = rng.uniform(0, 1, (3, 2, 7))
    found = xr.Dataset(
        {"mean_accuracy": (("algorithm", "selection", "seed"), scores)},
        coords={"algorithm": ["mat", "erm", "weighted"], "selection": ["true", "inferred"]},
    )
    summary = compared(found, "mean_accuracy")
    oracle = ttest_rel(scores[2, 1], scores[1, 1]).confidence_interval(0.95)
    here = summary.sel(algorithm="weighted", selection="inferred")
    assert (here["low"].item(), here["high"].item()) == pytest.approx((oracle.low, oracle.high))
    assert here["standard_error"].item() == pytest.approx(scores[2, 1].std(ddof=1) / 7**0.5)
    assert np.all(summary["difference"].sel(algorithm="erm") == 0)
    one = compared(found.isel(seed=slice(1)), "mean_accuracy")
    assert np.all(np.isnan(one["standard_error"])) and np.all(np.isnan(one["low"]))
    with pytest.raises(InvalidSetting, match="one of worst_group_accuracy, mean_accuracy"):
        compared(found, "accuracy")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"seeds": 0}, "seeds"),
        ({"draws": 0}, "draws"),
        ({"every": 3}, "every"),
        ({"rates": 0.1}, "rates"),
        ({"rates": (1.0, 0.1)}, "rates"),
        ({"algorithms": ["mat"]}, "algorithms"),
        ({"algorithms": ["erm", "irm"]}, "algorithms"),
        ({"noise_std": -1.0}, "noise_std"),
        ({"contrast": 2.0}, "contrast"),
        ({"temperature": 1.0}, "temperature"),
    ],
)
def test_bad_fields_are_refused(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidSetting) as caught:
        SubpopulationBenchmark("quick", **changes)
    assert caught.value.field == field


def test_unknown_presets_are_refused() -> None:
    with pytest.raises(InvalidSetting, match="one of quick, digits, digits-faint"):
        SubpopulationBenchmark("huge")


@pytest.mark.slow
def test_noise_is_memorised_and_awareness_helps_within_five_minutes(tmp_path: Path) -> None:
    began = time.perf_counter()
    found = SubpopulationBenchmark("digits").run(tmp_path / "digits", key=0)
    assert time.perf_counter() - began < 300
    summary = compared(found)
    assert np.all(summary["low"].sel(algorithm="mat") > 0)
    assert found.sizes["seed"] == PRESETS["digits"]["seeds"] >= 8
    jax.clear_caches()
