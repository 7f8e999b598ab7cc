"""The loop on a generator of two Gaussians: patience, failures, interruptions, and what is refused."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from freeridge.solvers.checkpoints import stream
from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.storage import StorageError
from freeridge.theory.practice import loop
from freeridge.theory.practice.classifier import Course, train
from freeridge.theory.practice.generator import Guidance
from freeridge.theory.practice.loop import DeliberatePractice, Outcome
from freeridge.theory.practice.state import Examples, GeneratorFailed

COURSE = Course(steps=80, batch=16, rate=1e-2, width=8, layers=1)
PRACTICE = DeliberatePractice(COURSE, initial=6, added=4, rounds=2, strength=1.0, every=5, growth=0)


class TwoGaussians:
    """Means -1 and 1 in every coordinate; guided examples are drawn between them."""

    dimension, classes = 2, 2

    def __init__(self, failures: dict[int, Any] | None = None) -> None:
        self.failures = failures or {}  # what happens at the call of that number, once
        self.calls = 0

    def cost(self, guided: bool) -> int:
        return 5 if guided else 1

    def sample(self, key: Any, labels: Any, guidance: Guidance | None = None) -> Any:
        self.calls += 1
        failure = self.failures.pop(self.calls, None)
        if isinstance(failure, BaseException):
            raise failure
        noise = jax.random.normal(key, (len(labels), 2), jnp.float64)
        if failure is not None:
            return failure(noise)
        means = (2.0 * np.asarray(labels, np.float64) - 1.0)[:, None]
        return noise + (0.2 * means if guidance is not None else means)


@pytest.fixture(scope="module")
def data() -> Examples:
    labels = np.arange(40) % 2
    noise = np.random.default_rng(0).standard_normal((40, 2))
    return Examples(noise + (2.0 * labels - 1.0)[:, None], labels)


def same(one: Outcome, other: Outcome) -> bool:
    leaves = zip(*map(jax.tree.leaves, (one.classifier, other.classifier)), strict=True)
    pools = zip(one.pool, other.pool, strict=True)
    return one.record.equals(other.record) and all(np.array_equal(a, b) for a, b in [*leaves, *pools])


@pytest.fixture(scope="module")
def undisturbed(data: Examples) -> Outcome:
    return PRACTICE.run(TwoGaussians(), data, data, key=3)


def test_history_pool_and_costs(undisturbed: Outcome) -> None:
    record, classifier, pool = undisturbed
    assert record["samples_after"].values.tolist() == [6, 10, 14]
    assert pool.inputs.shape == (14, 2) and pool.labels.tolist() == [0, 1] * 7
    assert record["step"].values.tolist() == list(range(5, 81, 5))
    asked = record["asked_at"].values
    for step, samples in zip(record["step"].values, record["samples"].values, strict=True):
        assert samples == record["samples_after"].values[np.sum(asked < step) - 1]
    assert (int(record["generated"]), int(record["gradients"])) == (14, 80 * 16)
    assert int(record["generator_evaluations"]) == 6 * 1 + 8 * 5
    right = np.argmax([np.asarray(classifier(x)) for x in pool.inputs], axis=1) == pool.labels
    assert float(record["test_accuracy"]) > 0.8 and right.mean() > 0.6
    assert np.all((record["entropy"].values >= 0) & (record["entropy"].values <= np.log(2) + 1e-6))


@pytest.mark.parametrize("call", [1, 2, 3])
def test_a_generator_that_fails_once_is_resumed_to_the_same_bits(
    call: int, data: Examples, undisturbed: Outcome, tmp_path: Path
) -> None:
    failing = TwoGaussians({call: RuntimeError("out of memory")})
    with pytest.raises(GeneratorFailed, match=rf"round {call - 1} .*: RuntimeError: out of memory") as caught:
        PRACTICE.run(failing, data, data, 3, tmp_path / "run")
    kept = (0, 6, 10)[call - 1]
    assert np.array_equal(caught.value.state.pool.inputs, undisturbed.pool.inputs[:kept])
    assert caught.value.state.step == (0, *undisturbed.record["asked_at"].values[1:])[call - 1]
    resumed = PRACTICE.run(failing, data, data, 3, tmp_path / "run")
    assert same(resumed, undisturbed)
    calls = failing.calls
    assert same(PRACTICE.run(failing, data, data, 3, tmp_path / "run"), undisturbed)
    assert failing.calls == calls  # all of it was on the disk


@pytest.mark.parametrize("bad", [lambda x: x[:-1], lambda x: x.at[0, 0].set(jnp.nan)])
def test_what_is_no_example_is_a_failure(bad: Any, data: Examples) -> None:
    with pytest.raises(GeneratorFailed, match="expected 4 x 2 finite numbers") as caught:
        PRACTICE.run(TwoGaussians({2: bad}), data, data, 3)
    assert len(caught.value.state.pool.labels) == 6


def test_interrupted_runs_leave_what_is_done_and_go_on(
    data: Examples, undisturbed: Outcome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = iter(range(100))

    def interrupted(*arguments: Any) -> Any:
        if next(calls) == 9:
            raise KeyboardInterrupt
        return train(*arguments)

    monkeypatch.setattr(loop, "train", interrupted)
    with pytest.raises(KeyboardInterrupt):
        PRACTICE.run(TwoGaussians(), data, data, 3, tmp_path)
    with np.load(tmp_path / "state.npz") as left:
        assert left["evaluated"].tolist() == list(range(5, 46, 5))
    assert same(PRACTICE.run(TwoGaussians(), data, data, 3, tmp_path), undisturbed)


def scripted(accuracies: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    """Validation accuracies from a list, then the last one for ever."""
    values: Iterator[float] = iter(accuracies)
    monkeypatch.setattr(loop, "accuracy", lambda *_: next(values, accuracies[-1]))


@pytest.mark.parametrize(
    ("patience", "growth", "asked"),
    [
        (1, 0, [0, 15, 20, 25, 30]),  # the second evaluation improves; then every one fails to
        (2, 0, [0, 20, 30, 40, 50]),
        (1, 1, [0, 15, 25, 40, 60]),  # one, two, three, four evaluations
        (4, 2, [0, 30, 60]),  # the next would come after the rate has begun to fall
    ],
)
def test_patience(
    patience: int, growth: int, asked: list[int], data: Examples, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted([0.5, 0.6], monkeypatch)
    setting = DeliberatePractice(
        COURSE, 6, 4, rounds=4, strength=1.0, every=5, patience=patience, growth=growth
    )
    assert setting.run(TwoGaussians(), data, data, 0).record["asked_at"].values.tolist() == asked


def test_without_strength_it_is_static_generation_in_rounds(data: Examples) -> None:
    plain = DeliberatePractice(COURSE, 6, 4, rounds=2, strength=0.0, every=5, growth=0)
    found = plain.run(TwoGaussians(), data, data, key=3)
    draws = [
        TwoGaussians().sample(jax.random.fold_in(stream(3, 2), i), jnp.arange(n) % 2)
        for i, n in enumerate((6, 4, 4))
    ]
    assert np.array_equal(found.pool.inputs, np.concatenate(draws).astype(np.float32))
    assert int(found.record["generator_evaluations"]) == 14


def test_folders_of_other_runs_are_refused(data: Examples, tmp_path: Path) -> None:
    short = DeliberatePractice(Course(steps=5, batch=16, rate=1e-2, width=8, layers=1), 6, every=5)
    short.run(TwoGaussians(), data, data, 3, tmp_path / "run")
    other = Examples(data.inputs[:30], data.labels[:30])
    for arguments in ((data, data, 4), (data, other, 3)):
        with pytest.raises(InvalidSetting, match=r"folder = .* another experiment, or another key's"):
            short.run(TwoGaussians(), *arguments, tmp_path / "run")
    (tmp_path / "strange").mkdir()
    (tmp_path / "strange" / "file").write_text("")
    with pytest.raises(InvalidSetting, match="a new or empty folder"):
        short.run(TwoGaussians(), data, data, 3, tmp_path / "strange")
    (tmp_path / "run" / "state.npz").write_bytes(b"half")
    with pytest.raises(StorageError, match="not a whole checkpoint"):
        short.run(TwoGaussians(), data, data, 3, tmp_path / "run")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("initial", 0),
        ("added", 0),
        ("rounds", -1),
        ("rounds", True),
        ("growth", -1),
        ("patience", 0),
        ("strength", -1.0),
        ("strength", np.inf),
        ("every", 7),
    ],
)
def test_bad_fields_are_refused(field: str, value: Any) -> None:
    with pytest.raises(InvalidSetting) as caught:
        DeliberatePractice(**{"course": COURSE, "initial": 6, "every": 5, field: value})
    assert caught.value.field == field


@pytest.mark.parametrize(
    "bad",
    [
        Examples(np.ones((2, 3)), np.array([0, 1])),
        Examples(np.full((2, 2), np.nan), np.array([0, 1])),
        Examples(np.ones((2, 2)), np.array([0, 2])),
        Examples(np.ones((2, 2)), np.array([0])),
        Examples(np.ones((0, 2)), np.empty(0, np.int64)),
    ],
)
def test_bad_data_are_refused(bad: Examples, data: Examples) -> None:
    with pytest.raises(InvalidSetting, match="^validation = "):
        PRACTICE.run(TwoGaussians(), bad, data, 0)
    with pytest.raises(InvalidSetting, match="^test = "):
        PRACTICE.run(TwoGaussians(), data, bad, 0)


def test_progress_is_told(data: Examples, capsys: pytest.CaptureFixture[str]) -> None:
    PRACTICE.run(TwoGaussians(), data, data, 3, progress=True)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3 and lines[0].startswith("step 0: 6 examples, entropy of the new ones 0.")
