"""Coloured digits with noise: parts without common images, colours, shares, seeds."""

from typing import Any

import numpy as np
import pytest

from freeridge.solvers.errors import InvalidSetting
from freeridge.theory.memorization.subpopulations.data import PARTS
from freeridge.theory.memorization.subpopulations.digits import spurious_digits

DATA = spurious_digits(key=3, majority=0.95, noise_std=0.3, noise_coordinates=40, contrast=0.25)


def pictures(inputs: np.ndarray) -> np.ndarray:
    return np.maximum(inputs[:, :64], inputs[:, 64:128])  # one of the two channels is fainter


def test_no_image_is_in_two_parts_and_none_is_lost() -> None:
    from sklearn.datasets import load_digits

    shown = np.concatenate([pictures(getattr(DATA, part).inputs) for part in PARTS])
    known = np.unique(load_digits().data, axis=0)  # all 1797 of them differ
    assert len(known) == 1797 and np.array_equal(np.unique(16 * shown, axis=0), known)


def test_colour_says_the_label_of_the_majority_in_training_and_nothing_elsewhere() -> None:
    for part, share in (("train", 0.95), ("validation", 0.5), ("test", 0.5)):
        rows = getattr(DATA, part)
        first, other = rows.inputs[:, :64].sum(1), rows.inputs[:, 64:128].sum(1)
        second = other > first
        assert np.allclose(np.minimum(first, other) / np.maximum(first, other), 0.75)
        assert np.array_equal(second, rows.groups % 2 == 1)
        assert np.array_equal(rows.groups // 2, rows.labels)
        # The first channel goes with the second label.
        assert np.sum(second == (rows.labels == 1)) == round((1 - share) * len(second))
        assert DATA.counts(part).sum() == len(second)


def test_noise_is_new_in_every_row_and_has_its_deviation() -> None:
    noise = np.concatenate([getattr(DATA, part).inputs[:, 128:] for part in PARTS])
    assert noise.shape == (1797, 40) and len(np.unique(noise)) > 0.99 * noise.size
    assert np.std(noise) == pytest.approx(0.3, abs=4 * 0.3 / (2 * noise.size) ** 0.5)


def test_seeds() -> None:
    again = spurious_digits(key=3, majority=0.95, noise_std=0.3, noise_coordinates=40, contrast=0.25)
    other = spurious_digits(key=4, majority=0.95, noise_std=0.3, noise_coordinates=40, contrast=0.25)
    assert np.array_equal(again.test.inputs, DATA.test.inputs)
    assert not np.array_equal(pictures(other.test.inputs), pictures(DATA.test.inputs))
    # The amount of noise changes neither split nor colours.
    quiet = spurious_digits(key=3, majority=0.95, noise_std=0.0, noise_coordinates=40, contrast=0.25)
    assert np.array_equal(quiet.test.inputs[:, :128], DATA.test.inputs[:, :128])
    assert not np.any(quiet.test.inputs[:, 128:])


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"majority": 1.0}, "majority"),
        ({"noise_std": -0.1}, "noise_std"),
        ({"noise_coordinates": 0}, "noise_coordinates"),
        ({"contrast": 0.0}, "contrast"),
        ({"contrast": 1.5}, "contrast"),
        ({"train": 1500}, "train"),
        ({"validation": 0}, "validation"),
        ({"key": -1}, "key"),
    ],
)
def test_bad_fields_are_refused(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidSetting) as caught:
        spurious_digits(**{"key": 0, **changes})
    assert caught.value.field == field


def test_without_scikit_learn_it_says_what_to_install(no_sklearn: None) -> None:
    with pytest.raises(ImportError, match=r"pip install 'freeridge\[data\]'"):
        spurious_digits(key=0)
