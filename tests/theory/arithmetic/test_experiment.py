"""The experiment in its quick size: from end to end, interrupted, on AI data, and refused."""

import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from freeridge.solvers.checkpoints import stream
from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.storage import StorageError, load_dataset
from freeridge.theory.arithmetic import learning, runs
from freeridge.theory.arithmetic.experiment import GCDExperiment
from freeridge.theory.arithmetic.learning import Lesson
from freeridge.theory.arithmetic.presets import PRESETS
from freeridge.theory.arithmetic.record import first_learned, learned_sets
from freeridge.theory.arithmetic.skills import rule

EXPERIMENT = GCDExperiment("quick")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished experiment."""
    place = tmp_path_factory.mktemp("gcd") / "finished"
    EXPERIMENT.run(place, key=1)
    return place


@pytest.fixture(scope="module")
def data(folder: Path) -> xr.Dataset:
    found: xr.Dataset = load_dataset(folder / "record.nc")
    return found


def test_from_end_to_end(data: xr.Dataset, folder: Path) -> None:
    assert data["run"].values.tolist() == ["clean", "AI", "mixed 0.5", "unlearning"]
    assert data["share"].values.tolist() == [1.0, 0.0, 0.5, 0.0]
    assert data["examples"].values.tolist() == [3200, 6400, 9600, 12800]
    whole = data.sel(run=["clean", "AI", "mixed 0.5"])
    assert bool(whole["accuracy"].notnull().all()) and bool((whole["answer"] >= 0).all())
    # The last run is as long as the teacher's training.
    assert data["loss"].sel(run="unlearning").notnull().values.tolist() == [True, True, False, False]
    assert float(data["loss"].sel(run="clean")[-1]) < 0.5 * float(data["loss"].sel(run="clean")[0])
    np.testing.assert_allclose(data["histogram"].sum("label"), 1.0)
    np.testing.assert_allclose(data["law"].sum(), 1.0)
    assert '"base": 6' in data.attrs["parameters"] and '"seed": 1' in data.attrs["parameters"]
    assert "freeridge" in data.attrs["versions"] and data.attrs["precision"] == "float32"
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        [
            *["AI.npz", "clean.npz", "experiment.json", "generator.npz", "mixed-0.5.npz", "record.nc"],
            "unlearning.npz",
        ]
    )


def test_derived_columns_follow_from_accuracy_and_answer(data: xr.Dataset) -> None:
    for name in data["run"].values:
        for place, known in enumerate(learned_sets(data, name)):
            here = data.sel(run=name).isel(examples=place)
            assert int(here["learned"]) == len(known)
            assert float(here["follows_rule"]) == np.mean(here["answer"].values == rule(known, 20))
        for divisor, examples in first_learned(data, name).items():
            answer = data["answer"].sel(run=name, divisor=divisor)
            assert int(answer.sel(examples=examples)) == divisor
            assert bool((answer.sel(examples=slice(0, examples - 1)) != divisor).all())


def test_a_finished_experiment_is_not_made_again(
    folder: Path, data: xr.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(learning, "train")
    xr.testing.assert_identical(EXPERIMENT.run(folder, key=1).drop_attrs(), data.drop_attrs())


def test_taken_up_after_interruptions_to_the_same_bits(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, made = learning.train, []

    def interrupted(*arguments: Any) -> Any:
        made.append(arguments)
        if len(made) in (3, 8):  # in the run "clean", and, as the third call is repeated, in the run "AI"
            raise KeyboardInterrupt
        return original(*arguments)

    monkeypatch.setattr(learning, "train", interrupted)
    for tests in (2, 6):
        with pytest.warns(RuntimeWarning, match="goes on from there"):
            partial = EXPERIMENT.run(tmp_path / "again", key=1)
        assert int(partial["loss"].notnull().sum()) == tests
    EXPERIMENT.run(tmp_path / "again", key=1)
    for path in folder.glob("*.npz"):
        with np.load(path) as first, np.load(tmp_path / "again" / path.name) as second:
            assert first.files == second.files
            assert all(first[name].tobytes() == second[name].tobytes() for name in first.files)


def test_an_interruption_before_the_first_test_is_passed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(learning, "train", interrupted)
    with pytest.raises(KeyboardInterrupt):
        EXPERIMENT.run(tmp_path, key=1)


def test_another_key_gives_other_numbers(folder: Path) -> None:
    first, second = (runs._beginner(EXPERIMENT, key) for key in (1, 2))
    assert not np.array_equal(np.asarray(first.out), np.asarray(second.out))
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(first))
    drawn = [np.asarray(EXPERIMENT.pairs.draw(stream(key, 2), 50)) for key in (1, 2, 1)]
    assert np.any(drawn[0] != drawn[1]) and np.all(drawn[0] == drawn[2])


def test_labels_of_a_mixture(folder: Path) -> None:
    teacher, pairs, count = runs._teacher(EXPERIMENT, folder), EXPERIMENT.pairs, learning.PIECE
    key = stream(0, 9)
    operands = np.asarray(pairs.draw(jax.random.fold_in(key, 0), count))
    true, told = np.asarray(pairs.label(operands)), learning.predictions(teacher, pairs, operands)
    wrong = true != told
    draw = jax.jit(learning.examples)
    labels = {}
    for share in (0.0, 0.3, 1.0):
        digits, found = draw(Lesson(pairs, count, 0.1, 1, jnp.float32(share), teacher), key)
        labels[share] = np.asarray(found)
        np.testing.assert_array_equal(digits, pairs.digits(operands))
        assert np.all((labels[share] == true) | (labels[share] == told))
    np.testing.assert_array_equal(labels[0.0], told)
    np.testing.assert_array_equal(labels[1.0], true)
    assert abs(np.mean((labels[0.3] == true)[wrong]) - 0.3) < 4 * np.sqrt(0.3 * 0.7 / wrong.sum())
    # What the teacher never answers, whatever the pair, is in true data and not in its own.
    square = np.stack(np.meshgrid(*[np.arange(1, 216, dtype=np.int32)] * 2), axis=-1).reshape(-1, 2)
    never = set(range(21)) - set(learning.predictions(teacher, pairs, square).tolist())
    assert {7, 11, 13, 17, 19} <= never & set(true.tolist())
    assert not never & set(labels[0.0].tolist())


def test_a_folder_of_something_else_is_refused(folder: Path, tmp_path: Path) -> None:
    for other, key in ((EXPERIMENT, 2), (GCDExperiment("quick", width=8), 1)):
        with pytest.raises(InvalidSetting, match="holds another experiment"):
            other.run(folder, key=key)
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(InvalidSetting, match="a new or empty folder"):
        EXPERIMENT.run(tmp_path)
    with pytest.raises(InvalidSetting, match="a new or empty folder"):
        EXPERIMENT.run(tmp_path / "letter.txt")


def test_a_harmed_checkpoint_is_named(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "experiment.json").write_bytes((folder / "experiment.json").read_bytes())
    (tmp_path / "clean.npz").write_bytes((folder / "clean.npz").read_bytes()[:1000])
    with pytest.raises(StorageError, match=r"clean\.npz: not a whole checkpoint"):
        EXPERIMENT.run(tmp_path, key=1)
    (tmp_path / "clean.npz").write_bytes((folder / "generator.npz").read_bytes())
    with pytest.raises(StorageError, match=r"clean\.npz: not a"):
        EXPERIMENT.run(tmp_path, key=1)


def test_without_optax_nothing_is_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optax", None)
    with pytest.raises(ImportError, match=r"pip install 'freeridge\[train\]'"):
        EXPERIMENT.run(tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"preset": "large"}, "preset"),
        ({"depth": 3}, "depth"),
        ({"base": 1}, "base"),
        ({"heads": 3}, "heads"),
        ({"width": 0}, "width"),
        ({"batch": 0}, "batch"),
        ({"rate": 0.0}, "rate"),
        ({"rate": float("nan")}, "rate"),
        ({"every": 3201}, "every"),
        ({"examples": 13_000}, "examples"),
        ({"generator": 16_000}, "generator"),
        ({"shares": (0.5, 1.0)}, "shares"),
        ({"shares": (-0.1,)}, "shares"),
        ({"shares": (float("nan"),)}, "shares"),
        ({"shares": (0.5, 0.5)}, "shares"),
        ({"shares": "half"}, "shares"),
    ],
)
def test_bad_settings_are_refused(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidSetting) as caught:
        GCDExperiment(**{"preset": "quick", **fields})
    assert caught.value.field == field


def test_presets_are_sound_and_the_last_is_the_papers() -> None:
    assert all(GCDExperiment(name).runs[0] == "clean" for name in PRESETS)
    for base in (1000, 2023, 4913):
        paper = GCDExperiment("paper", base=base)
        assert (paper.largest, paper.layers, paper.width, paper.heads) == (10**6, 4, 512, 8)
        assert paper.generator == pytest.approx(300e6, rel=2e-3)
        shapes = jax.eval_shape(lambda here=paper: runs._beginner(here, 0))
        count = sum(leaf.size for leaf in jax.tree.leaves(shapes))
        assert 12 * 4 * 512**2 < count < 17.2e6  # the layers alone, and the paper's network
