"""Pruning keeps the most uncertain, plans hold what they say, and comparisons are taken up again."""

from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from freeridge.solvers.errors import InvalidSetting
from freeridge.theory.practice.classifier import Course
from freeridge.theory.practice.generator import Generator, Guidance
from freeridge.theory.practice.loop import DeliberatePractice
from freeridge.theory.practice.state import Examples
from freeridge.theory.practice.strategies import Oversampling, compare, plan

COURSE = Course(steps=40, batch=8, rate=1e-2, width=4, layers=1)
PRACTICE = DeliberatePractice(COURSE, initial=6, added=4, strength=1.0, every=5, growth=0)
RUNS = plan(PRACTICE, sizes=[6, 14], rounds=[1, 2], ratio=3)


class Line(eqx.Module):
    """Class 0 is uniform on (-1, 0.2), class 1 on (-0.2, 1)."""

    scale: Any = eqx.field(default_factory=lambda: np.ones(5))  # five parameters, for the work

    @property
    def dimension(self) -> int:
        return 1

    @property
    def classes(self) -> int:
        return 2

    def cost(self, guided: bool) -> int:
        return 3 if guided else 1

    def sample(self, key: Any, labels: Any, guidance: Guidance | None = None) -> Any:
        drawn = jax.random.uniform(key, (len(labels), 1), jnp.float32, -1.0, 0.2)
        return drawn * (1 - 2 * np.asarray(labels, np.float32))[:, None]


@pytest.fixture(scope="module")
def data() -> Examples:
    labels = np.arange(20) % 2
    return Examples(np.linspace(0.1, 1, 20)[:, None] * (2.0 * labels - 1)[:, None], labels)


def test_pruning_keeps_the_most_uncertain_of_each_class() -> None:
    pruned, labels = Oversampling(Line(), 5), np.array([0, 1, 1, 0, 1])
    assert isinstance(pruned, Generator)
    guidance = Guidance(lambda x: jnp.concatenate([-3 * x, 3 * x]), 1.0)  # most uncertain at 0
    kept = np.asarray(pruned.sample(jax.random.key(0), labels, guidance))
    drawn = np.asarray(Line().sample(jax.random.key(0), np.repeat(labels, 5)))[:, 0]
    for name in (0, 1):
        mine = drawn[np.repeat(labels, 5) == name]
        count = int(np.sum(labels == name))
        assert np.allclose(np.sort(np.abs(kept[labels == name, 0])), np.sort(np.abs(mine))[:count])
    plain = np.asarray(pruned.sample(jax.random.key(0), labels))
    assert np.array_equal(plain, np.asarray(Line().sample(jax.random.key(0), labels)))
    assert (pruned.cost(False), pruned.cost(True)) == (1, 5)


def test_the_plan() -> None:
    found = [(run.strategy, run.size, run.practice.rounds, run.practice.strength, run.ratio) for run in RUNS]
    assert found == [
        ("static", 6, 0, 1.0, 1),
        ("static", 14, 0, 1.0, 1),
        ("unguided", 10, 1, 0.0, 1),
        ("unguided", 14, 2, 0.0, 1),
        ("pruned", 10, 1, 1.0, 3),
        ("pruned", 14, 1, 1.0, 3),
        ("practised", 10, 1, 1.0, 1),
        ("practised", 14, 2, 1.0, 1),
    ]
    assert all(run.practice.course is COURSE for run in RUNS)  # equal compute of the learner


def test_costs_and_resumption(data: Examples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = compare(RUNS, Line(), data, data, 0, 2)
    # A generator without guidance: rounds with and without strength see the same examples.
    assert np.array_equal(whole["test_accuracy"][2:4], whole["test_accuracy"][6:8])
    assert np.all(whole["gradients"] == 40 * 8)
    samples, strategy = whole["samples"].values, whole["strategy"].values
    more = samples - 6
    ratio = np.where(strategy == "pruned", 3, 1)[:, None]
    per_added = np.select([strategy == "pruned", strategy == "practised"], [3, 3], 1)[:, None]
    static = (strategy == "static")[:, None]
    assert np.array_equal(whole["generated"], np.where(static, samples, 6 + ratio * more))
    evaluations = np.where(static, samples, 6 + per_added * more)
    assert np.array_equal(whole["generator_evaluations"], evaluations)
    learner = 1 * 4 + 4 + 4 * 2 + 2
    assert np.array_equal(whole["work"], 5 * evaluations + 3 * 40 * 8 * learner)
    assert np.array_equal(np.isnan(whole["entropy"]), (more == 0) | static)

    original, calls = DeliberatePractice.run, iter(range(100))

    def interrupted(self: DeliberatePractice, *arguments: Any, **options: Any) -> Any:
        if next(calls) == 11:
            raise KeyboardInterrupt
        return original(self, *arguments, **options)

    monkeypatch.setattr(DeliberatePractice, "run", interrupted)
    with pytest.warns(RuntimeWarning, match="1 of 2 seeds"):
        part = compare(RUNS, Line(), data, data, 0, 2, tmp_path)
    assert part.equals(whole.isel(seed=slice(1)))
    again = compare(RUNS, Line(), data, data, 0, 2, tmp_path)
    assert again.equals(whole) and next(calls) == 12 + 16 - 11  # the finished eleven were not run again


def test_bad_ratios_are_refused() -> None:
    with pytest.raises(InvalidSetting, match="^ratio = 0"):
        Oversampling(Line(), 0)
