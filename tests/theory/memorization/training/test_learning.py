"""The trainer: its optimisers, what it records, which network it keeps, and objectives with a state."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.perceptron import Perceptron, uniform_perceptron
from freeridge.theory.memorization.training.course import Course
from freeridge.theory.memorization.training.learning import Trained, train
from freeridge.theory.memorization.training.measures import GroupAccuracy, label_groups
from freeridge.theory.memorization.training.objectives import cross_entropies
from freeridge.theory.memorization.training.rows import shifted_rows


def data(n: int = 24, d: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = np.arange(n) % 2
    return (rng.standard_normal((n, d)) + labels[:, None]).astype(np.float32), labels


def linear(d: int = 3) -> Perceptron:
    return uniform_perceptron(np.random.default_rng(1), [d, 2], offsets=False)


def transcribed(
    x: Any, y: Any, epochs: int, rate: float, shift: Any = 0.0, weights: Any = 1.0, **more: float
) -> tuple[list[np.ndarray], list[float]]:
    """Weights before every epoch and in the end, and the losses, of gradient descent in NumPy."""
    w = [np.asarray(linear().weights[0], np.float64)]
    velocity, losses, n = np.zeros_like(w[0]), [], len(y)
    for _ in range(epochs):
        p = np.exp(x @ w[-1] + shift)
        p = p / p.sum(axis=1, keepdims=True)
        losses.append(float(np.mean(-weights * np.log(p[np.arange(n), y]))))
        slope = x.T @ (np.broadcast_to(weights, n)[:, None] * (p - np.eye(2)[y])) / n
        velocity = more.get("momentum", 0) * velocity + slope + more.get("decay", 0) * w[-1]
        w.append(w[-1] - rate * velocity)
    return w, losses


def test_descent_is_its_formula_with_shift_weights_momentum_and_decay() -> None:
    (x, y), rng = data(), np.random.default_rng(2)
    shift, weights = rng.standard_normal((24, 2)), rng.random(24)
    course = Course(epochs=30, rate=0.2, momentum=0.8, decay=0.05)
    found = train(linear(), x, shifted_rows(y, 2, shift=shift, weights=weights), course)
    w, losses = transcribed(x, y, 30, 0.2, shift, weights, momentum=0.8, decay=0.05)
    assert np.allclose(found.network.weights[0], w[-1], atol=1e-5)
    assert np.allclose(found.losses, losses, atol=1e-5)


def test_adamw_is_its_formula() -> None:
    x, y = data()
    found = train(linear(), x, shifted_rows(y, 2), Course(2, 0.01, optimiser="adamw", decay=0.1))
    w = np.asarray(linear().weights[0], np.float64)
    first, second = np.zeros_like(w), np.zeros_like(w)
    for step in (1, 2):
        p = np.exp(x @ w) / np.exp(x @ w).sum(axis=1, keepdims=True)
        slope = x.T @ (p - np.eye(2)[y]) / 24
        first, second = 0.9 * first + 0.1 * slope, 0.999 * second + 0.001 * slope**2
        scaled = first / (1 - 0.9**step) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
        w = w - 0.01 * (scaled + 0.1 * w)
    assert np.allclose(found.network.weights[0], w, atol=1e-6)


def test_descent_does_without_optax_and_adamw_says_what_to_install(no_optax: None) -> None:
    x, y = data()
    train(linear(), x, shifted_rows(y, 2), Course(2, 0.1))
    with pytest.raises(ImportError, match=r"pip install 'freeridge\[train\]'"):
        train(linear(), x, shifted_rows(y, 2), Course(1, 0.1, optimiser="adamw"))


def test_batches_are_whole_passes_seeded_by_the_key() -> None:
    x, y = data()
    course = Course(epochs=3, rate=0.5, batch=10)  # two batches of ten, and four examples wait
    order = np.asarray(course.batches(jax.random.key(0), 24))
    assert order.shape == (2, 10) and len(np.unique(order)) == 20
    one, same, other = (train(linear(), x, shifted_rows(y, 2), course, key) for key in (0, 0, 1))
    assert np.array_equal(one.network.weights[0], same.network.weights[0])
    assert not np.array_equal(one.network.weights[0], other.network.weights[0])
    assert [Course(1, 0.1, batch=batch).is_whole(24) for batch in (None, 99, 24, 23)] == [True] * 3 + [False]


def test_the_record_is_that_of_the_networks_at_the_checkpoints() -> None:
    x, y = data()
    measures = {"train": GroupAccuracy(x, y, y)}
    found = train(linear(), x, shifted_rows(y, 2), Course(9, 0.3), measures=measures, every=4)
    assert found.epochs.tolist() == [0, 4, 8, 9] and found.chosen == 9
    w, _ = transcribed(x, y, 9, 0.3)
    for row, epochs in enumerate(found.epochs):
        right = np.argmax(x @ w[epochs], axis=1) == y
        assert found.record["train_accuracy"][row] == pytest.approx(right.mean())
        shares = [right[y == 0].mean(), right[y == 1].mean()]
        assert np.allclose(found.record["train_group_accuracies"][row], shares)
        assert found.record["train_worst_group_accuracy"][row] == pytest.approx(min(shares))


class Peak(eqx.Module):
    """A number that is largest where the first weight is nearest to a place; one that is 1 before it."""

    place: Array

    def __call__(self, network: Perceptron) -> dict[str, Array]:
        beyond = network.weights[0][0, 0] - self.place
        return {
            "nearness": -jnp.abs(beyond),
            "before": jnp.where(beyond > 0, jnp.float32(1), jnp.float32(jnp.nan)),
        }


def test_the_best_checkpoint_is_kept() -> None:
    (x, y), course = data(), Course(9, 0.1)
    w, _ = transcribed(x, y, 9, 0.1)
    first = [part[0, 0] for part in w]
    assert np.all(np.diff(first) < 0)

    def kept(name: str, place: float, every: int = 1) -> Trained:
        measures = {"peak": Peak(jnp.float32(place))}
        rows = shifted_rows(y, 2)
        return train(linear(), x, rows, course, measures=measures, every=every, select=f"peak_{name}")

    found = kept("nearness", first[3])
    assert found.chosen == 3 and np.allclose(found.network.weights[0], w[3], atol=1e-5)
    assert np.allclose(found.last.weights[0], w[9], atol=1e-5)
    assert kept("nearness", first[3], every=4).chosen == 4
    assert kept("nearness", first[0]).chosen == 1  # the network before training is no candidate
    # Of equal ones the latest, of those with NaN none, and the last when there is nothing to choose.
    assert kept("before", (first[5] + first[6]) / 2).chosen == 5
    assert kept("before", first[0] + 1).chosen == 9


class Labelled(NamedTuple):
    labels: Any
    groups: Any


class GroupDRO(eqx.Module):
    """As in the docstring of the objectives."""

    groups: int = eqx.field(static=True)
    eta: Array

    def begin(self) -> Array:
        return jnp.full(self.groups, 1 / self.groups, jnp.float32)

    def __call__(self, logits: Any, rows: Labelled, q: Array) -> tuple[Array, Array]:
        losses = cross_entropies(logits, rows.labels)
        members = jax.nn.one_hot(rows.groups, self.groups, dtype=jnp.float32)
        of_group = losses @ members / jnp.maximum(members.sum(0), 1)
        q = jax.nn.softmax(jnp.log(q) + self.eta * jax.lax.stop_gradient(of_group))
        return q @ of_group, q


def test_an_objective_may_have_a_state() -> None:
    (x, y), groups = data(), np.arange(24) // 18
    rows = Labelled(y.astype(np.int32), groups.astype(np.int32))
    found = train(linear(), x, rows, Course(40, 0.3), objective=GroupDRO(2, jnp.float32(0.1)))
    w, q = np.asarray(linear().weights[0], np.float64), np.full(2, 0.5)
    for _ in range(40):
        p = np.exp(x @ w) / np.exp(x @ w).sum(axis=1, keepdims=True)
        losses = -np.log(p[np.arange(24), y])
        q = q * np.exp(0.1 * np.array([losses[groups == g].mean() for g in range(2)]))
        q = q / q.sum()
        share = (q / np.bincount(groups))[groups]
        w = w - 0.3 * x.T @ (share[:, None] * (p - np.eye(2)[y]))
    assert np.allclose(found.state, q, atol=1e-5) and np.allclose(found.network.weights[0], w, atol=1e-4)


def test_groups_of_label_and_attribute() -> None:
    assert label_groups([1, 0, 1], [2, 0, 1]).tolist() == [5, 0, 4]
    measure = GroupAccuracy([[1.0]] * 2, [0, 1], [0, 2], count=4)
    found = measure(Perceptron((jnp.ones((1, 2), jnp.float32) * jnp.array([1, 0], jnp.float32),), None))
    assert np.array_equal(found["group_accuracies"], [1, np.nan, 0, np.nan], equal_nan=True)
    assert float(found["worst_group_accuracy"]) == 0


@pytest.mark.parametrize(
    ("field", "make"),
    [
        ("epochs", lambda: Course(0, 0.1)),
        ("rate", lambda: Course(1, -0.1)),
        ("rate", lambda: Course(1, "fast")),
        ("batch", lambda: Course(1, 0.1, batch=0)),
        ("optimiser", lambda: Course(1, 0.1, optimiser="lion")),
        ("momentum", lambda: Course(1, 0.1, momentum=1.0)),
        ("momentum", lambda: Course(1, 0.1, momentum=0.9, optimiser="adamw")),
        ("decay", lambda: Course(1, 0.1, decay=-1.0)),
        ("shift", lambda: shifted_rows([0, 1], 2, shift=[[0.0, -np.inf]] * 2)),
        ("weights", lambda: shifted_rows([0, 1], 2, weights=[-1.0, 1.0])),
        ("labels", lambda: shifted_rows([0, 2], 2)),
        ("inputs", lambda: train(linear(), [[np.inf] * 3], shifted_rows([0], 2), Course(1, 0.1))),
        ("rows", lambda: train(linear(), [[0.0] * 3], shifted_rows([0, 1], 2), Course(1, 0.1))),
        (
            "select",
            lambda: train(linear(), [[0.0] * 3], shifted_rows([0], 2), Course(1, 0.1), select="accuracy"),
        ),
        ("every", lambda: train(linear(), [[0.0] * 3], shifted_rows([0], 2), Course(1, 0.1), every=0)),
        ("groups", lambda: GroupAccuracy([[0.0]], [0], [3], count=2)),
        ("groups", lambda: GroupAccuracy([[0.0]], [0], [0, 1])),
        ("groups", lambda: GroupAccuracy([[0.0]], [0], ["a"])),
    ],
)
def test_bad_input_is_refused_by_name(field: str, make: Any) -> None:
    with pytest.raises(InvalidSetting) as caught:
        make()
    assert caught.value.field == field
