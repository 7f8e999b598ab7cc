"""Rows with a core and a spurious feature: their law, and what equal generators share."""

import numpy as np
import pytest

from freeridge.theory.memorization.experiments.spurious_rows import draw_rows


def test_law() -> None:
    inputs, labels, majority = draw_rows(np.random.default_rng(0), 4000, 40, majority=0.9, noise=0.5)
    assert labels.mean() == pytest.approx(0.5, abs=4 * 0.5 / 4000**0.5)
    assert int((~majority).sum()) == 399  # int((1 - 0.9) * 4000) in double precision
    sign = 2.0 * labels - 1.0
    core, spurious = inputs[:, 0] * sign, inputs[:, 1] * sign * np.where(majority, 1, -1)
    for feature, scale in ((core, 1.0), (spurious, 5.0)):
        assert feature.mean() == pytest.approx(-scale, abs=4 * 0.12 * scale / 4000**0.5)
        assert feature.std() == pytest.approx(0.12 * scale, rel=0.05)
    noise = inputs[:, 2:]
    assert noise.std() == pytest.approx(0.5, rel=0.01) and abs(noise.mean()) < 4 * 0.5 / noise.size**0.5
    assert abs(np.corrcoef(core, spurious)[0, 1]) < 4 / 4000**0.5


def test_the_minority_of_the_paper() -> None:
    for share, size in ((0.9, 99), (0.5, 500), (1.0, 0), (0.0, 1000)):
        assert int((~draw_rows(np.random.default_rng(1), 1000, 2, share, 0.0).majority).sum()) == size


def test_the_level_of_noise_changes_nothing_else() -> None:
    quiet, loud = (draw_rows(np.random.default_rng(3), 50, 6, 0.5, noise) for noise in (0.0, 2.0))
    assert np.array_equal(quiet.labels, loud.labels) and np.array_equal(quiet.majority, loud.majority)
    assert np.array_equal(quiet.inputs[:, :2], loud.inputs[:, :2])
    assert not quiet.inputs[:, 2:].any() and loud.inputs[:, 2:].std() > 1
