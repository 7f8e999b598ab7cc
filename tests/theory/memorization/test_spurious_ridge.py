"""The squared-loss sibling: its closed form against mixtures, simulation, limits and differences."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from freeridge.solvers.agreement import validate
from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.results import Code
from freeridge.theory.memorization.spurious_ridge import SpuriousRidge


@pytest.mark.slow
@pytest.mark.parametrize("ridge", [0.1, 0.0])
@pytest.mark.parametrize("phi", [0.5, 2.0])
def test_it_is_the_limit_of_a_mixture(phi: float, ridge: float) -> None:
    """The difference is a multiple of 1 / d, and more goes with each power that is extrapolated away."""
    setting = SpuriousRidge(phi, ridge, 0.8, 2.0, 1.0, 0.3)
    expected = np.asarray(setting.predict().group_losses)
    losses = []
    for d in (40, 80, 160):
        mixture = setting.mixture(d)
        noise = [float(population.noise_variance) for population in mixture.populations]
        losses.append([float(mixture.predict(group).risk) + noise[group] for group in (0, 1)])
    gaps = np.array(losses) - expected
    first = 2 * gaps[1:] - gaps[:-1]
    second = (4 * first[1] - first[0]) / 3
    sizes = [float(np.max(np.abs(part))) for part in (gaps[2], first[1], second)]
    assert sizes[1] < 0.05 * sizes[0] and sizes[2] < 0.1 * sizes[1], sizes


SLOW = [pytest.param(fields, marks=pytest.mark.slow) for fields in ((1.8, 0.0), (0.4, 0.0))]


@pytest.mark.parametrize("fields", [(1.2, 0.05), (0.4, 0.3), *SLOW])
def test_simulation_agrees(fields: tuple[float, float]) -> None:
    setting = SpuriousRidge(*fields, 0.9, 5.0, 1.5, 0.3, n=500)
    found = validate(setting, 16, 1)
    z = np.concatenate([np.ravel(part) for part in found.scores.values()])
    assert np.nanmax(np.abs(z)) < 4, found


def test_the_equations() -> None:
    """With NumPy's solver, from the definition of the fixed point."""
    phi, ridge, p, scale, noise, std = 0.7, 0.2, 0.8, 2.0, 1.3, 0.4
    found = SpuriousRidge(phi, ridge, p, scale, noise, std).predict()
    e = 1.0
    for _ in range(500):
        e = 1.0 / (1.0 + phi * noise**2 / (e * noise**2 + ridge))
    means = np.array([[1.0, scale], [1.0, -scale]])
    spread = np.diag([std**2, (scale * std) ** 2])
    shares = np.array([p, 1 - p])
    second = (means.T * shares) @ means + spread
    u = np.linalg.solve(e * second + ridge * np.eye(2), e * shares @ means)
    np.testing.assert_allclose([found.core, found.spurious], u, rtol=1e-12)
    resolvent = noise**2 / (e * noise**2 + ridge)
    amplified = e**2 * phi * resolvent**2
    missed = shares @ (1 - means @ u) ** 2 + u @ spread @ u
    assert float(found.noise_norm) * noise == pytest.approx(np.sqrt(amplified / (1 - amplified) * missed))
    assert float(found.data_loss) == pytest.approx(e**2 * float(shares @ np.asarray(found.group_losses)))


def at(*fields: Any, **options: Any) -> dict[str, np.ndarray]:
    found = SpuriousRidge(*fields, **options).predict()
    assert found.ok, found.message
    return {name: np.asarray(value) for name, value in found.quantities.items()}


def test_limits() -> None:
    few, many = at(1.8, 0.0, 0.9, 2.0, 1.0), at(0.4, 0.0, 0.9, 2.0, 1.0)
    assert few["data_loss"] == 0.0 and np.all(few["train_errors"] == 0.0) and many["data_loss"] > 0.0
    for name in few:  # continuous in the ridge, on both sides of interpolation
        np.testing.assert_allclose(at(1.8, 1e-9, 0.9, 2.0, 1.0)[name], few[name], rtol=1e-6, atol=1e-8)
        np.testing.assert_allclose(at(0.4, 1e-9, 0.9, 2.0, 1.0)[name], many[name], rtol=1e-6, atol=1e-8)
    # Without noise, or with infinitely many rows, the best linear predictor of the label.
    best = np.linalg.solve(np.array([[1.25, 1.6], [1.6, 5.0]]), np.array([1.0, 1.6]))
    for fields in ((0.5, 0.0, 0.9, 2.0, 0.0), (0.0, 0.0, 0.9, 2.0, 1.0)):
        found = at(*fields, feature_std=0.5)
        np.testing.assert_allclose([found["core"], found["spurious"]], best, rtol=1e-12)
        assert found["noise_norm"] == 0.0
    equal = at(0.5, 0.1, 0.5, 2.0, 1.0)
    assert equal["spurious"] == 0.0 and equal["group_errors"][0] == equal["group_errors"][1]
    none = at(0.5, 0.0, 0.9, 0.0, 1.0)
    assert none["spurious"] == 0.0 and np.isfinite(none["core"])
    one = at(0.5, 0.0, 1.0, 2.0, 1.0, feature_std=0.0)  # both features the same: the shortest of many
    assert one["core"] == pytest.approx(0.2) and one["spurious"] == pytest.approx(0.4)
    assert np.isnan(one["train_errors"][1])
    tiny = at(1.0, 1e12, 0.9, 2.0, 1.0)
    assert tiny["core"] == pytest.approx(1e-12) and tiny["spurious"] == pytest.approx(1.6e-12)


def test_interpolation_without_a_ridge_diverges() -> None:
    found = SpuriousRidge(1.0, 0.0, 0.9, 2.0, 1.0).predict()
    assert int(found.code) == Code.DIVERGES and np.isinf(found.noise_norm)
    np.testing.assert_array_equal(found.group_errors, [0.5, 0.5])
    near = at(1.0 + 1e-9, 0.0, 0.9, 2.0, 1.0)
    assert near["noise_norm"] > 1e3 and near["worst_group_error"] == pytest.approx(0.5, abs=1e-3)


def test_derivatives_batches_and_bad_lanes() -> None:
    weights = {"group_errors": (1.0, 2.0), "group_losses": (0.3, 0.2), "core": 1.0, "train_loss": 2.0}

    def everything(v: Any) -> Any:
        found = SpuriousRidge(*v).predict()
        return sum(jnp.sum(jnp.array(w) * found.quantities[k]) for k, w in weights.items())

    both = jax.jit(jax.vmap(jax.value_and_grad(everything)))
    points = np.array(
        [[1.8, 0.1, 0.8, 2.0, 1.0, 0.3], [1.8, 0.0, 0.8, 2.0, 1.0, 0.3], [0.4, 0.0, 0.8, 2.0, 1.0, 0.3]]
    )
    h = 1e-6
    moves = np.concatenate([np.zeros((1, 6)), h * np.eye(6), -h * np.eye(6), 2 * h * np.eye(6)[1:2]])
    rows = (points[:, None] + moves).reshape(-1, 6)
    value, slopes = map(np.asarray, both(jnp.asarray(rows)))
    for k, (v, slope) in enumerate(zip(value.reshape(3, -1), slopes.reshape(3, -1, 6)[:, 0], strict=True)):
        wanted = (v[1:7] - v[7:13]) / (2 * h)
        if points[k, 1] == 0.0:
            wanted[1] = (-1.5 * v[0] + 2.0 * v[2] - 0.5 * v[13]) / h
        np.testing.assert_allclose(slope, wanted, rtol=1e-5, atol=1e-7)
    assert value[0] == pytest.approx(float(everything(jnp.asarray(points[0]))), rel=1e-12)
    bad = rows.copy()
    bad[1, 0], bad[2, 1], bad[3, 2] = np.nan, -0.1, 1.2
    again, spoilt = map(np.asarray, both(jnp.asarray(bad)))
    assert np.all(np.isnan(again[1:4]))
    np.testing.assert_array_equal(again[4:28], value[4:28])
    np.testing.assert_array_equal(spoilt[4:28], slopes[4:28])


def test_bad_input() -> None:
    good: dict[str, Any] = {"phi": 1, "ridge": 0.1, "majority": 0.9, "spurious_scale": 2, "noise": 1}
    for change in (
        {"phi": -1}, {"ridge": -0.1}, {"ridge": np.nan}, {"majority": 1.1}, {"spurious_scale": -1},
        {"noise": np.inf}, {"feature_std": -1}, {"n": 0},
    ):  # fmt: skip
        with pytest.raises(InvalidSetting, match=f"{next(iter(change))} = "):
            SpuriousRidge(**(good | change))
    with pytest.raises(InvalidSetting, match="d = 0"):
        SpuriousRidge(**good).mixture(0)
    with pytest.raises(InvalidSetting, match="finitely many rows"):
        SpuriousRidge(**(good | {"phi": 0})).mixture(10)
