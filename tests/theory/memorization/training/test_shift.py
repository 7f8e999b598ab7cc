"""The calibrated shift: its formula, its limits, and that it is finite whatever it is given."""

from typing import Any

import numpy as np
import pytest

from freeridge.solvers.errors import InvalidSetting
from freeridge.theory.memorization.training.shift import calibrated_shift, tempered_probabilities


def test_it_is_its_formula_example_by_example() -> None:
    rng = np.random.default_rng(0)
    logits, labels, temperature, floor = rng.standard_normal((30, 3)), rng.integers(0, 3, 30), 0.4, 1e-4
    found = calibrated_shift(logits, labels, temperature, floor)
    answers = [[np.exp(z / temperature) for z in row] for row in logits]
    answers = [[part / sum(row) for part in row] for row in answers]
    for i in range(30):
        for y in range(3):
            probability = 0.0
            for k in range(3):
                joint = [sum(answers[j][k] for j in range(30) if labels[j] == c) / 30 for c in range(3)]
                probability += answers[i][k] * joint[y] / sum(joint)
            assert found[i, y] == pytest.approx(np.log(probability + floor), rel=1e-12)


def test_probabilities_of_the_labels_sum_to_one() -> None:
    rng = np.random.default_rng(1)
    found = calibrated_shift(rng.standard_normal((50, 4)), rng.integers(0, 4, 50), 0.1, 1e-12)
    assert np.allclose(np.exp(found).sum(axis=1), 1, atol=1e-9)


def test_at_a_small_temperature_only_the_named_class_matters() -> None:
    rng = np.random.default_rng(2)
    logits, labels = rng.standard_normal((200, 2)) * 5, rng.integers(0, 2, 200)
    named = logits.argmax(axis=1)
    share = [[np.mean(labels[named == k] == y) for y in range(2)] for k in range(2)]
    assert np.allclose(np.exp(calibrated_shift(logits, labels, 1e-6)), np.array(share)[named], atol=2e-6)


def test_answers_that_know_nothing_give_the_frequencies_of_the_labels() -> None:
    labels = np.repeat([0, 1], [30, 10])
    found = calibrated_shift(np.zeros((40, 2)), labels, 0.1, 1e-12)
    assert np.allclose(found, np.log([0.75, 0.25]))


@pytest.mark.parametrize("temperature", [1e-300, 1e-3, 1.0, 1e300])
@pytest.mark.parametrize("size", [0.0, 1e-300, 1.0, 1e300])
def test_it_is_finite_at_any_size_and_temperature(temperature: float, size: float) -> None:
    rng = np.random.default_rng(3)
    logits, labels = size * rng.standard_normal((20, 3)), rng.integers(0, 2, 20)  # no label is 2
    logits[:, 2] = -size * 10
    found = calibrated_shift(logits, labels, temperature)
    assert np.all((np.log(1e-6) - 1e-9 <= found) & (found <= np.log(1 + 1e-6) + 1e-9))
    assert np.allclose(found[:, 2], np.log(1e-6))  # probability exactly 0


def test_a_class_that_nothing_is_predicted_to_have_gets_no_say() -> None:
    labels = np.array([0, 1, 2, 2])
    logits = np.array([[9.0, 0, -9], [0, 9, -9], [9, 0, -9], [0, 9, -9]])
    found = np.exp(calibrated_shift(logits, labels, 1e-3))
    assert np.allclose(found, [[0.5, 0, 0.5], [0, 0.5, 0.5], [0.5, 0, 0.5], [0, 0.5, 0.5]], atol=2e-6)


def test_tempered_probabilities_do_not_overflow() -> None:
    assert np.array_equal(tempered_probabilities([[1e308, -1e308]], 1e-308), [[1.0, 0.0]])


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("held_out", {"held_out": [[0.0, np.nan]] * 3}),
        ("held_out", {"held_out": [[0.0, np.inf]] * 3}),
        ("held_out", {"held_out": [0.0, 1.0, 2.0]}),
        ("held_out", {"held_out": [["a", "b"]] * 3}),
        ("labels", {"labels": [0, 1, 2]}),
        ("labels", {"labels": [0, 1]}),
        ("labels", {"labels": [-1, 1, 1]}),
        ("labels", {"labels": [0.0, 1.0, 0.0]}),
        ("temperature", {"temperature": 0.0}),
        ("temperature", {"temperature": np.nan}),
        ("floor", {"floor": 0.0}),
    ],
)
def test_bad_input_is_refused_by_name(field: str, changes: dict[str, Any]) -> None:
    given = {"held_out": np.zeros((3, 2)), "labels": [0, 1, 0], "temperature": 1.0, **changes}
    with pytest.raises(InvalidSetting) as caught:
        calibrated_shift(**given)
    assert caught.value.field == field
