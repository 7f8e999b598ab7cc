"""Factors on curves whose answer is known."""

import numpy as np
import pytest
import xarray as xr

from freeridge.solvers.errors import InvalidSetting
from freeridge.theory.practice.efficiency import saving


def curves(factor: float, noise: float, seeds: int = 30, key: int = 0) -> xr.Dataset:
    """Static accuracy grows with the logarithm of n; practised examples count for so many of those."""
    rng = np.random.default_rng(key)
    static, own = np.array([100.0, 200.0, 400.0, 800.0, 1600.0]), np.array([100.0, 200.0, 400.0])
    mean = 0.1 * np.log(np.append(static, factor * own))
    return xr.Dataset(
        {
            "test_accuracy": (("run", "seed"), mean[:, None] + noise * rng.standard_normal((8, seeds))),
            "samples": (("run", "seed"), np.repeat(np.append(static, own)[:, None], seeds, 1)),
        },
        coords={"strategy": ("run", ["static"] * 5 + ["practised"] * 3)},
    )


def test_exact_factors() -> None:
    found = saving(curves(3.0, 0.0))
    for value in (found.factors, found.low, found.high, found.overall):
        assert np.allclose(value, 3.0, rtol=1e-12)
    assert not found.beyond.any() and found.samples.tolist() == [100.0, 200.0, 400.0]


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    held = [saving(curves(2.5, 0.05, key=key)) for key in range(10)]
    assert sum(one.overall_low <= 2.5 <= one.overall_high for one in held) >= 8


def test_above_all_static_runs_the_factor_is_a_lower_bound() -> None:
    found = saving(curves(10.0, 0.0))
    assert found.beyond.tolist() == [False, True, True]
    assert np.allclose(found.factors, [10.0, 8.0, 4.0])


def test_where_static_generation_stands_still_the_fewest_examples_count() -> None:
    data = curves(1.0, 0.0)
    accuracy = data["test_accuracy"].values.copy()
    accuracy[2:5] = accuracy[1]  # nothing gained beyond 200
    accuracy[7] = accuracy[1]
    found = saving(data.assign(test_accuracy=(("run", "seed"), accuracy)))
    assert found.factors[2] == pytest.approx(0.5)


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(InvalidSetting, match="^strategy = 'best'"):
        saving(curves(2.0, 0.1), "best")
    with pytest.raises(InvalidSetting, match="two seeds or more"):
        saving(curves(2.0, 0.1).isel(seed=slice(1)))
    with pytest.raises(InvalidSetting, match="and the strategy"):
        saving(curves(2.0, 0.1), "pruned")
