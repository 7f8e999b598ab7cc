"""Second moments by blocks: the numbers of the rows that were drawn, and the law of simulate."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from freeridge.solvers import row_blocks
from freeridge.solvers.cores import one_blas_thread
from freeridge.solvers.ridge_path import LabelSource, RidgeExperiment, simulate_ridge_path
from freeridge.solvers.row_blocks import product_peak, replicate_in_blocks, white_moment

D = 24
EXPERIMENT = RidgeExperiment(
    factors=(np.linspace(0.5, 1.5, D), np.ones(D)),
    counts=(30, 18),
    noise_variances=np.array([0.3, 0.8]),
    ridges=np.array([0.1, 1.0]),
    test=np.linspace(0.5, 1.5, D) ** 2,
    sources=(
        LabelSource(np.ones(2), 1.0, np.full(D, 1 / D)),
        LabelSource(np.array([0.0, 1.0]), 0.0, np.full(D, 0.5 / D)),
    ),
)


def strips(rows: int, d: int, entropy: tuple[int, ...], path: tuple[int, ...]) -> np.ndarray:
    """The matrix that is never there as a whole."""
    parts = []
    for strip, start in enumerate(range(0, rows, 64)):
        seed = np.random.SeedSequence(entropy, spawn_key=(*path, strip))
        parts.append(np.random.default_rng(seed).standard_normal((min(64, rows - start), d)))
    return np.concatenate(parts)


@pytest.mark.parametrize("rows", [1, 64, 200, 500])
def test_blocks_add_up(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    z = strips(rows, 7, (5, 1), (2, 0))
    for size in (2**27, 128 * 7 * 8, 1):  # all rows at once, two strips at a time, one at a time
        monkeypatch.setattr(row_blocks, "_BLOCK", size)
        moment = white_moment(rows, 7, (5, 1), (2, 0))
        np.testing.assert_allclose(moment, z.T @ z, rtol=1e-12, atol=1e-12)
        np.testing.assert_array_equal(moment, moment.T)
    assert not np.any(white_moment(0, 7, (5, 1), (2, 0)))


def test_equal_keys_give_equal_numbers() -> None:
    one, two, other = (replicate_in_blocks(EXPERIMENT, key, 3) for key in (4, 4, 5))
    for name in ("risk", "bias", "variance", "mismatch"):
        np.testing.assert_array_equal(one[name], two[name])
        assert np.all(one[name] != other[name])
        assert np.all(one[name] != replicate_in_blocks(EXPERIMENT, 4, 2)[name])
    assert one["risk"].shape == (2,) and one["rate"] > 0


def test_rows_are_not_all_there_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_blocks, "_BLOCK", 2**17)
    d, rows = 64, 40_000  # 20 MB of rows
    tracemalloc.start()
    try:
        white_moment(rows, d, (0,), (0,))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2e6


def test_peak_is_a_speed() -> None:
    assert 1e7 < product_peak(64) < 1e14


VARIANTS = {
    "plain": EXPERIMENT,
    "dense": replace(EXPERIMENT, factors=(np.diag(np.linspace(0.5, 1.5, D)), np.eye(D)[::-1])),
    "few features": replace(EXPERIMENT, features=16),
    "many features": replace(EXPERIMENT, features=40),
    "few rows": replace(EXPERIMENT, counts=(8, 6)),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", VARIANTS)
def test_the_law_of_simulate(name: str) -> None:
    experiment, replicates = VARIANTS[name], 1000
    with one_blas_thread:  # set once, and not a thousand times
        found = [replicate_in_blocks(experiment, 11, index) for index in range(replicates)]
    mean, error, values = simulate_ridge_path(experiment, 12, replicates)
    for part in ("bias", "variance", "mismatch"):
        ours = np.array([one[part] for one in found])
        z = (ours.mean(0) - mean[part]) / np.hypot(error[part], ours.std(0, ddof=1) / replicates**0.5)
        assert np.all(np.abs(z) < 4.5), part
        spread = ours.std(0) / values[part].std(0)
        np.testing.assert_allclose(spread, 1.0, atol=0.2, err_msg=part)
