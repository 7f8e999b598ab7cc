"""The learner: its schedule, what it reports, and that it learns."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.perceptron import Perceptron, normal_perceptron
from freeridge.theory.practice.classifier import PIECE, Course, accuracy, beginner, entropies, train
from freeridge.theory.practice.generator import Guidance


def test_the_rate_grows_stays_and_falls_to_zero() -> None:
    course = Course(steps=200, batch=4, rate=0.5, warmup=0.1, cooldown=0.2)
    rates = np.asarray(jax.vmap(course.rate_at)(jnp.arange(201)))
    assert course.stable_end == 160
    assert np.allclose(np.diff(rates[:21]), 0.5 / 20) and np.all(rates[20:161] == 0.5)
    assert np.all(np.diff(rates[160:]) < 0) and abs(rates[200]) < 1e-7
    # Half a cosine is odd about the middle of the cool-down.
    assert np.allclose(rates[160:] + rates[160:][::-1], 0.5)


def test_no_warm_up_and_no_cool_down() -> None:
    course = Course(steps=10, batch=4, rate=0.5, warmup=0.0, cooldown=0.0)
    assert [float(course.rate_at(step)) for step in (1, 5, 10)] == [0.5, 0.5, 0.5]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("steps", 0),
        ("batch", -1),
        ("rate", 0.0),
        ("rate", 1.0),
        ("warmup", -0.1),
        ("warmup", 0.9),
        ("decay", 1.0),
        ("smoothing", 1.0),
    ],
)
def test_bad_fields_are_refused(field: str, value: Any) -> None:
    with pytest.raises(InvalidSetting) as caught:
        Course(**{"steps": 10, "batch": 4, "rate": 0.1, field: value})
    assert caught.value.field == field


def test_a_network_written_by_hand() -> None:
    # No hidden layer: logits (x, -x), so the probability of the first class is that of a logistic at 2x.
    network = Perceptron((jnp.array([[1.0, -1.0]], jnp.float32),), (jnp.zeros(2, jnp.float32),))
    x = np.array([[0.3], [-0.2], [1.0]], np.float32)
    p = 1 / (1 + np.exp(-2 * x[:, 0].astype(np.float64)))
    assert np.allclose(entropies(network, x), -p * np.log(p) - (1 - p) * np.log(1 - p), atol=1e-6)
    assert accuracy(network, x, np.array([0, 1, 1])) == pytest.approx(2 / 3)


def test_entropy_is_that_of_the_guidance_and_pieces_change_nothing() -> None:
    network = normal_perceptron(np.random.default_rng(1), [3, 8, 8, 4])
    x = np.random.default_rng(2).standard_normal((PIECE + 3, 3)).astype(np.float32)
    found, guidance = entropies(network, x), Guidance(network, 1.0)
    assert np.all((found >= 0) & (found <= np.log(4) + 1e-6))
    for row in (0, PIECE, PIECE + 2):
        assert float(guidance.entropy(jnp.asarray(x[row]))) == pytest.approx(found[row], abs=1e-5)


def test_two_classes_are_learned_and_steps_are_the_same_in_parts() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, (60, 32)).astype(np.int32)
    inputs = (rng.standard_normal((60, 32, 2)) * 0.3 + labels[..., None]).astype(np.float32)
    course = Course(steps=60, batch=32, rate=1e-2, width=8, layers=1)
    start = beginner(course, normal_perceptron(rng, [2, 8, 2]))
    whole, loss = train(start, course, inputs, labels)
    assert float(loss) < 0.5 and accuracy(whole.network, inputs[0], labels[0]) > 0.9
    half, _ = train(start, course, inputs[:30], labels[:30])
    again, _ = train(half, course, inputs[30:], labels[30:])
    pairs = zip(jax.tree.leaves(whole), jax.tree.leaves(again), strict=True)
    assert int(again.step) == 60 and all(np.array_equal(a, b) for a, b in pairs)


def test_smoothed_labels_are_answered_with_their_own_probabilities() -> None:
    course = Course(steps=200, batch=8, rate=0.1, layers=1, width=2, decay=0.0, smoothing=0.4)
    # No hidden layer and no inputs but zero: the offsets learn the shares 0.6 + 0.4 / 4 and 0.4 / 4.
    start = Perceptron((jnp.zeros((1, 4), jnp.float32),), (jnp.zeros(4, jnp.float32),))
    inputs, labels = np.zeros((200, 8, 1), np.float32), np.full((200, 8), 2, np.int32)
    found, _ = train(beginner(course, start), course, inputs, labels)
    shares = jax.nn.softmax(found.network(jnp.zeros(1, jnp.float32)))
    assert np.allclose(shares, [0.1, 0.1, 0.7, 0.1], atol=1e-3)


def test_training_without_optax_says_what_to_install(no_optax: None) -> None:
    network = normal_perceptron(np.random.default_rng(0), [2, 2, 2])
    with pytest.raises(ImportError, match=r"pip install 'freeridge\[train\]'"):
        beginner(Course(steps=10, batch=2, rate=0.1), network)
