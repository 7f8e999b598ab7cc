"""The interpretable experiment: against a plain loop at a small size, and slowly what the paper shows."""

from typing import Any

import numpy as np
import pytest
import xarray as xr

from freeridge.solvers.errors import InvalidSetting
from freeridge.theory.memorization.experiments.interpretable import (
    LESSONS,
    InterpretableExperiment,
    Lesson,
    decision_map,
)

SMALL = InterpretableExperiment(rows=80, dimension=30, epochs=25)


@pytest.fixture(scope="module")
def found() -> xr.Dataset:
    done: list[tuple[int, int]] = []
    data = SMALL.run(key=[1, 2], seeds=2, report=lambda *now: done.append(now))
    assert done == [(k, 6) for k in range(6)]
    return data


def test_descent_is_that_of_a_plain_loop(found: xr.Dataset) -> None:
    """Softmax regression in double precision, written out; accuracies before each step and in the end."""
    lesson, key = LESSONS[1], (1, 2, 1)
    train, test = SMALL.draw(key, lesson.noise)
    start = np.random.default_rng(np.random.SeedSequence(key, spawn_key=(2,)))
    w = np.asarray(SMALL.beginner(start).weights[0], np.float64)
    x, y = train.inputs.astype(np.float64), np.eye(2)[train.labels]
    for epoch in range(26):
        shown = found.accuracy.sel(run="ERM", epoch=epoch).isel(seed=1)
        for rows, split in ((train, "train"), (test, "test")):
            right = np.argmax(rows.inputs @ w, axis=1) == rows.labels
            assert shown.sel(split=split, group="majority") == pytest.approx(right[rows.majority].mean())
            assert shown.sel(split=split, group="minority") == pytest.approx(right[~rows.majority].mean())
        last = w
        chances = np.exp(x @ w)
        w = w - lesson.rate * x.T @ (chances / chances.sum(axis=1, keepdims=True) - y) / len(x)
    difference = last[:, 1] - last[:, 0]
    here = found.sel(run="ERM").isel(seed=1)
    assert np.allclose(here.weights, difference[:2], rtol=1e-4)
    assert float(here.noise_norm) == pytest.approx(np.linalg.norm(difference[2:]), rel=1e-4)


def test_runs_of_a_seed_share_their_draws_and_seeds_do_not(found: xr.Dataset) -> None:
    first = found.accuracy.isel(epoch=0)
    assert np.array_equal(first.sel(run="ERM"), first.sel(run="MAT"))
    assert not np.array_equal(first.isel(seed=0), first.isel(seed=1))
    again = InterpretableExperiment(rows=80, dimension=30, epochs=25, lessons=LESSONS[1:2]).run([1, 2])
    assert np.array_equal(again.accuracy.sel(run="ERM"), found.accuracy.sel(run="ERM").isel(seed=[0]))


def test_the_shift_is_that_of_memorisation_aware_training_alone(found: xr.Dataset) -> None:
    assert found["shift"].sel(run=["ERM, no noise", "ERM"]).isnull().all()
    majority, minority = found["shift"].sel(run="MAT").mean("seed").values
    assert majority > 0.5 and minority < -0.5


def test_what_is_drawn(found: xr.Dataset) -> None:
    assert found.features.shape == (80, 2) and int((~found.is_majority).sum()) == 7
    for run in found.run.values:
        weights = found.weights.sel(run=run).isel(seed=0).values
        assert np.array_equal(
            found.decision.sel(run=run), decision_map(weights, found.core.values, found.spurious.values)
        )
    assert found.decision.shape == (3, 100, 100)
    assert found.core.values[[0, -1]].tolist() == [-2, 2]
    assert found.spurious.values[[0, -1]].tolist() == [-10, 10]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("rows", 10),
        ("dimension", 1),
        ("epochs", 0),
        ("lessons", ()),
        ("lessons", (LESSONS[0], LESSONS[0])),
        ("noise", (Lesson("a", -1.0, 0.1),)),
        ("rate", (Lesson("a", 0.1, 0.0),)),
        ("temperature", (Lesson("a", 0.1, 0.1, 0.0),)),
    ],
)
def test_bad_input(field: str, value: Any) -> None:
    name = field if field in ("rows", "dimension", "epochs") else "lessons"
    with pytest.raises(InvalidSetting, match=field):
        InterpretableExperiment(**{name: value})


@pytest.mark.slow
def test_what_the_paper_shows() -> None:
    """With noise test accuracy of the minority collapses while train accuracy is perfect; MAT restores it."""
    last = InterpretableExperiment().run(key=0, seeds=3).accuracy.isel(epoch=-1)
    assert (last.sel(run=["ERM, no noise", "ERM"], split="train") == 1.0).all()
    assert (last.sel(run="MAT", split="train") > 0.99).all()
    minority = last.sel(split="test", group="minority")
    assert (minority.sel(run="ERM, no noise") == 1.0).all()
    assert (minority.sel(run="ERM") < 0.25).all()
    assert (minority.sel(run="MAT") > 0.85).all()
    assert (last.sel(run="MAT", split="test", group="majority") > 0.95).all()
