"""The twins: equal to a transcription in NumPy step by step, and what is inferred from them."""

import math
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from freeridge.solvers.checkpoints import stream
from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.perceptron import Perceptron, uniform_perceptron
from freeridge.theory.memorization.training.course import Course
from freeridge.theory.memorization.training.learning import train
from freeridge.theory.memorization.training.rows import shifted_rows
from freeridge.theory.memorization.training.shift import calibrated_shift
from freeridge.theory.memorization.training.twins import best_twins, flip_probability, train_twins

KEY = 5


def softmax(logits: np.ndarray) -> np.ndarray:
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def problem(seed: int, n: int = 40, d: int = 6, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, n)
    return (rng.standard_normal((n, d)) + 2 * np.eye(classes, d)[labels]).astype(np.float32), labels


class Starts:
    """Remembers the networks that were drawn."""

    def __init__(self, *sizes: int) -> None:
        self.sizes, self.made = sizes, list[Perceptron]()

    def __call__(self, rng: np.random.Generator) -> Perceptron:
        self.made.append(uniform_perceptron(rng, self.sizes, offsets=False))
        return self.made[-1]


@pytest.mark.parametrize(
    ("batch", "balanced"),
    [
        (None, False),
        (16, True),
        pytest.param(None, True, marks=pytest.mark.slow),
        pytest.param(16, False, marks=pytest.mark.slow),
    ],
)
def test_the_algorithm_is_its_transcription_step_by_step(batch: int | None, balanced: bool) -> None:
    (x, y), epochs, rate, temperature = problem(0), 60, 0.3, 0.2
    n, classes, starts = len(y), 3, Starts(6, 3)
    course = Course(epochs=epochs, rate=rate, batch=batch)
    twins = train_twins(starts, x, y, course, KEY, balanced=balanced)

    # The same random draws.
    coins = np.asarray(jax.random.bernoulli(stream(KEY, 1), 0.5, (n,)))
    a, b = (np.asarray(network.weights[0], np.float64) for network in starts.made)
    dynamic, held_out = y.copy(), np.zeros((n, classes))
    for epoch in range(epochs):
        steps, size = (1, n) if batch is None else (n // batch, batch)
        orders = np.arange(n)[None]
        if batch is not None:
            key = jax.random.fold_in(stream(KEY, 2), epoch)
            orders = np.asarray(jax.random.permutation(key, n))[: steps * size].reshape(steps, size)
        shape = (n,) if batch is None else (steps, size)
        key = jax.random.fold_in(stream(KEY, 3), epoch)
        uniforms = np.asarray(jax.random.uniform(key, shape, jnp.float32)).reshape(steps, size)
        for rows, uniform in zip(orders, uniforms, strict=True):
            ind = coins[rows][:, None].astype(float)
            out_a, out_b = x[rows] @ a, x[rows] @ b
            hi, ho = out_a * ind + out_b * (1 - ind), out_a * (1 - ind) + out_b * ind
            slope = softmax(hi) - np.eye(classes)[dynamic[rows]]
            if balanced:  # the sum over the classes of class means
                slope = slope / np.array([np.sum(dynamic[rows] == label) for label in dynamic[rows]])[:, None]
            else:
                slope = slope / size
            a, b = a - rate * x[rows].T @ (slope * ind), b - rate * x[rows].T @ (slope * (1 - ind))
            p = softmax(ho)
            y_ho, p_ho = p.argmax(axis=1), p.max(axis=1)
            flip = uniform < np.clip((p_ho - 1 / classes) * classes / (classes - 1), 0, 1)
            dynamic[rows] = np.where(flip, y_ho, dynamic[rows])
            held_out[rows] = ho
    if batch is not None:
        held_out = np.where(coins[:, None], x @ b, x @ a)

    assert np.array_equal(twins.first, coins) and 0 < coins.sum() < n
    assert np.array_equal(twins.dynamic_labels, dynamic)
    assert 0.05 < twins.flip_rate < 0.5  # something happened
    assert np.allclose(twins.held_out, held_out, atol=2e-4)
    assert np.array_equal(twins.mistaken, held_out.argmax(axis=1) != y)
    assert twins.flip_rate == pytest.approx(np.mean(dynamic != y))

    # The shift, once, from the original labels; then a network of its own.
    p = softmax(held_out / temperature)
    joint = np.stack([p[y == label].sum(axis=0) / n for label in range(classes)], axis=1)
    shift = np.log(p @ (joint / joint.sum(axis=1, keepdims=True)) + 1e-6)
    assert np.allclose(calibrated_shift(twins.held_out, y, temperature), shift, atol=2e-3)
    start = uniform_perceptron(np.random.default_rng(9), [6, 3], offsets=False)
    c = np.asarray(start.weights[0], np.float64)
    for _ in range(epochs):
        c = c - rate * x.T @ (softmax(x @ c + shift) - np.eye(classes)[y]) / n
    found = train(start, x, shifted_rows(y, classes, shift=shift), Course(epochs=epochs, rate=rate))
    assert np.allclose(found.network.weights[0], c, atol=1e-4)


def test_deep_twins_learn_and_flip_back_wrong_labels() -> None:
    rng = np.random.default_rng(1)
    y = np.arange(120) % 2
    x = 0.3 * rng.standard_normal((120, 4)) + (2 * y - 1)[:, None]
    wrong = np.where(np.arange(120) < 12, 1 - y, y)
    start = partial(uniform_perceptron, sizes=[4, 8, 2])
    twins = train_twins(start, x, wrong, Course(epochs=60, rate=1.0), key=1, balanced=True)
    assert np.array_equal(twins.mistaken, wrong != y) and np.array_equal(twins.dynamic_labels, y)
    assert twins.flip_rate == pytest.approx(0.1) and twins.sound
    assert [part.shape[0] for part in jax.tree.leaves(twins.networks)] == [2, 2, 2, 2]


def test_groups_of_examples_that_no_twin_has_seen_are_the_mistakes_of_either() -> None:
    x, y = problem(2, n=60)
    twins = train_twins(Starts(6, 3), x[:40], y[:40], Course(60, 0.3), key=0)
    named = twins.predictions(x[40:])
    parts = [jax.tree.map(lambda part, one=one: part[one], twins.networks) for one in range(2)]
    assert np.array_equal(named, [np.argmax(part(x[40:]), axis=1) for part in parts])
    assert np.array_equal(twins.either_mistaken(x[40:], y[40:]), (named[0] != y[40:]) | (named[1] != y[40:]))


def test_the_run_with_the_most_flips_is_chosen() -> None:
    x, y = problem(3)
    start, course = Starts(6, 3), Course(epochs=60, rate=1.0)
    runs = [train_twins(start, x, y, course, (7, run)) for run in range(6)]
    best = best_twins(start, x, y, course, 7, runs=6)
    rates = np.array([run.flip_rate if run.sound else -1 for run in runs])
    assert len(set(rates)) > 2 and best.sound and best.flip_rate == max(rates)
    assert np.array_equal(best.held_out, runs[int(np.argmax(rates))].held_out)


def test_twins_that_ran_away_are_known_by_a_class_that_lost_its_labels() -> None:
    twins = train_twins(Starts(6, 3), *problem(3), Course(60, 0.3), key=0)
    y = twins.labels
    assert twins._replace(dynamic_labels=y).sound
    assert not twins._replace(dynamic_labels=np.where(y == 1, 0, y)).sound
    assert not twins._replace(dynamic_labels=(y + 1) % 3).sound
    assert not twins._replace(dynamic_labels=y, held_out=np.full((40, 3), np.nan, np.float32)).sound


def test_equal_keys_give_equal_twins() -> None:
    x, y = problem(4)
    start, course = Starts(6, 3), Course(epochs=60, rate=0.1, batch=16)
    one, same, other = (train_twins(start, x, y, course, key, balanced=True) for key in (1, [1], 2))
    assert np.array_equal(one.held_out, same.held_out) and not np.array_equal(one.held_out, other.held_out)


def test_probabilities_of_a_flip_stay_within_0_and_1() -> None:
    logits = jnp.asarray([[0.0, 0.0, 0.0], [1e30, 0.0, 0.0], [1.0, 0.0, 0.0]], jnp.float32)
    found = np.asarray(flip_probability(logits))
    assert found[0] == 0 and found[1] == pytest.approx(1, abs=1e-6) and found.max() <= 1
    assert found[2] == pytest.approx((math.e / (math.e + 2) - 1 / 3) * 1.5, rel=1e-5)


@pytest.mark.parametrize(
    ("field", "inputs", "labels"),
    [
        ("inputs", [[np.nan], [0.0]], [0, 1]),
        ("inputs", [[1e39], [0.0]], [0, 1]),
        ("labels", [[1.0], [0.0]], [0, 2]),
        ("labels", [[1.0], [0.0]], [0, 1, 1]),
    ],
)
def test_bad_data_are_refused_by_name(field: str, inputs: Any, labels: Any) -> None:
    with pytest.raises(InvalidSetting) as caught:
        train_twins(partial(uniform_perceptron, sizes=[1, 2]), inputs, labels, Course(1, 0.1))
    assert caught.value.field == field


def test_one_output_is_no_twin() -> None:
    with pytest.raises(InvalidSetting, match="two or more classes"):
        train_twins(partial(uniform_perceptron, sizes=[1, 1]), [[1.0]], [0], Course(1, 0.1))
