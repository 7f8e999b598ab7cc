"""Twins as published against a perfect held-out signal."""

import numpy as np
import pytest

from freeridge.theory.memorization.experiments.published_twins import published_twins
from freeridge.theory.memorization.twins.twin_logistic import TwinLogistic


@pytest.mark.slow
def test_flips_make_the_minority_known_and_the_shift_nearly_perfect() -> None:
    """Also where twins without flips would have learned the minority."""
    for phi in (0.5, 1.8):
        setting = TwinLogistic(phi, 0.01, 0.9, 5.0, 0.5, temperature=0.1)
        found = published_twins(setting, (3, round(10 * phi)), 6)
        assert found.flipped[0] < 0.005 and found.flipped[1] > 0.99
        np.testing.assert_allclose(found.shifts, np.log(9.0) * np.array([1.0, -1.0]), rtol=0.02)
        perfect = setting.perfect_signal().predict()
        gap = np.abs(found.mean["group_errors"] - np.asarray(perfect.group_errors))
        assert np.all(gap < 4 * found.standard_error["group_errors"] + 1e-4)


def test_the_same_key_gives_the_same_twins() -> None:
    setting = TwinLogistic(1.0, 0.01, 0.9, 5.0, 0.5, n=100)
    one, other = (published_twins(setting, 5, 2, epochs=50) for _ in range(2))
    assert one.mean["shifts"].tolist() == other.mean["shifts"].tolist()
