"""Derivatives of the risk in every numeric field, against central differences."""

from functools import cache
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tests.helpers import CHUNK, Points, in_chunks, predict_many, predict_one, random_points

import freeridge as fr

STEP = 1e-5  # relative; truncation about 1e-10 and rounding about 1e-10 of the risk


def with_first_share(p: Points) -> Points:
    """Rows whose shares are one free number, the first population's."""
    return p._replace(shares=jnp.stack([p.shares, 1.0 - p.shares], axis=-1))


def risk(p: Points, plain: bool) -> Any:
    return predict_one(with_first_share(p), plain).risk


@cache
def reverse(plain: bool) -> Any:
    return jax.jit(jax.vmap(jax.grad(lambda p: risk(p, plain))))


@cache
def forward() -> Any:
    """Forward over reverse: derivatives along a direction of the risk and of its slope in the ridge."""

    def along(rows: tuple[Points, Points]) -> Any:
        def risk_and_slope(p: Points) -> Any:
            return jax.value_and_grad(lambda ridge: risk(p._replace(ridge=ridge), False))(p.ridge)

        return jax.jvp(risk_and_slope, rows[:1], rows[1:])[1]

    return jax.jit(jax.vmap(along))


def free(points: Points) -> Points:
    return points._replace(shares=points.shares[:, 0])


def values_of(points: Points, plain: bool) -> Any:
    shares = np.stack([points.shares, 1.0 - points.shares], axis=1)
    found = predict_many(points._replace(shares=shares), plain)
    assert np.all(found.code == 0)
    return found.quantities["risk"]


def by_differences(points: Points, name: str, plain: bool) -> Any:
    """x * d risk / dx for every entry of a field, all rows and entries in one batch of points."""
    field = np.asarray(getattr(points, name))
    count, entries = len(field), int(np.prod(field.shape[1:]))
    zero = field.reshape(count, entries) == 0.0
    size = np.where(zero, 1.0, field.reshape(count, entries))
    index = np.repeat(np.arange(count), entries)
    moves = (0.0, 1.0, 2.0) if np.any(zero) else (-1.0, 1.0)  # a ridge of 0 only moves up
    results = []
    for move in moves:
        moved = field.reshape(count, entries)[index].copy()
        each = np.arange(len(index))
        moved[each, np.tile(np.arange(entries), count)] += move * STEP * size.reshape(-1)
        rows = Points(*(np.asarray(v)[index] for v in points))
        results.append(
            values_of(rows._replace(**{name: moved.reshape((len(index), *field.shape[1:]))}), plain)
        )
    difference = 0.5 * (results[1] - results[0])
    if len(moves) == 3:
        difference = -1.5 * results[0] + 2.0 * results[1] - 0.5 * results[2]
    return (difference / STEP).reshape(field.shape), size.reshape(field.shape)


def examples(plain: bool, ridge: float | None) -> Points:
    points = free(random_points(np.random.default_rng(0), 4, ridge_low=1e-2))
    n, m = np.array([[50.0, 200.0], [300.0, 70.0], [400.0, 600.0], [80.0, 40.0]]).T
    points = points._replace(n=n, features=m)
    return points if ridge is None else points._replace(ridge=np.full(4, ridge))


@pytest.mark.parametrize("ridge", [pytest.param(None, marks=pytest.mark.slow), 0.0])
@pytest.mark.parametrize("plain", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_every_field(plain: bool, ridge: float | None) -> None:
    points = examples(plain, ridge)
    gradient = in_chunks(reverse(plain), points)
    scale = values_of(points, plain)
    for name in Points._fields:
        if plain and name == "features":
            assert np.all(gradient.features == 0.0)
            continue
        wanted, size = by_differences(points, name, plain)
        found = getattr(gradient, name) * size
        room = 1e-6 * np.abs(wanted) + 1e-8 * scale.reshape((4,) + (1,) * (wanted.ndim - 1))
        if name == "ridge" and ridge == 0.0:
            room = room + 1e-4 * np.abs(wanted)  # one-sided: the third derivative in the ridge is large
        assert np.all(np.abs(found - wanted) <= room), (name, float(np.max(np.abs(found - wanted) / room)))


@pytest.mark.slow
def test_forward_mode_and_second_derivatives() -> None:
    """The risk along a direction is the gradient's projection; the slope along it, its own difference."""
    points = free(random_points(np.random.default_rng(1), CHUNK, ridge_low=1e-2))
    rng = np.random.default_rng(2)
    direction = jax.tree.map(lambda v: np.asarray(v) * rng.uniform(-1.0, 1.0, np.shape(v)), points)
    along, second = in_chunks(forward(), (points, direction))
    gradient = in_chunks(reverse(False), points)
    products = jax.tree.map(lambda g, v: np.sum((g * v).reshape(CHUNK, -1), axis=1), gradient, direction)
    size = sum(np.abs(p) for p in products)
    assert np.all(np.abs(along - sum(products)) <= 1e-10 * size)
    up, down = (
        in_chunks(reverse(False), jax.tree.map(lambda v, w, h=h: v + h * w, points, direction))
        for h in (STEP, -STEP)
    )
    wanted = (up.ridge - down.ridge) / (2.0 * STEP)
    assert np.all(np.abs(second - wanted) <= 1e-5 * (np.abs(wanted) + np.abs(gradient.ridge)))


def test_a_bad_lane_leaves_the_gradients_of_the_others_alone() -> None:
    points = free(random_points(np.random.default_rng(3), 6))
    clean = in_chunks(reverse(False), points)
    ridge, n = points.ridge.copy(), points.n.copy()
    ridge[1], ridge[2], n[3] = np.nan, -1.0, 0.0
    found = in_chunks(reverse(False), points._replace(ridge=ridge, n=n))
    for before, after in zip(jax.tree.leaves(clean), jax.tree.leaves(found), strict=True):
        np.testing.assert_array_equal(before[[0, 4, 5]], after[[0, 4, 5]])
        assert np.all(np.isfinite(after[[0, 4, 5]]))


def named_setting() -> fr.RidgeMixture:
    d = 12
    truth = fr.RandomVector(fr.PowerLaw(d, 0.5, trace=1.0))
    shifted = 0.8 * truth + fr.RandomVector(fr.Isotropic(d, 0.02))
    return fr.RidgeMixture(
        [
            fr.Population(fr.Isotropic(d, 1.3), truth, 0.1, 0.2, 1.1),
            fr.Population(fr.TwoAtoms(d, (2.0, 0.4), 0.4), shifted, 0.3, 0.3, 0.9),
            fr.Population(fr.PowerLaw(d, 1.2, trace=8.0), truth + np.linspace(-0.3, 0.4, d), 0.2, 0.5),
        ],
        n=9.0,
        ridge=0.03,
        features=14.0,
    )


def dense_setting() -> fr.RidgeMixture:
    d = 5
    rng = np.random.default_rng(4)
    roots = rng.normal(size=(3, d, d + 2)) / np.sqrt(d)
    one, two, moment = (fr.Dense(root @ root.T) for root in roots)
    truth = fr.RandomVector(moment)
    return fr.RidgeMixture(
        [fr.Population(one, truth, 0.1, 0.4), fr.Population(two, 0.5 * truth + rng.normal(size=d), 0.2, 0.6)],
        n=4.0,
        ridge=0.05,
    )


@pytest.mark.parametrize("make", [named_setting, pytest.param(dense_setting, marks=pytest.mark.slow)])
def test_a_setting_is_a_tree_that_differentiates(make: Any) -> None:
    """Every leaf of the setting: scales, atoms, fractions, exponents, traces, coefficients, matrices."""
    setting = make()

    def of_second(s: fr.RidgeMixture) -> Any:
        return s.predict(1).risk

    value = eqx.filter_jit(of_second)
    gradient = eqx.filter_jit(eqx.filter_grad(of_second))(setting)
    leaves, tree = jax.tree.flatten(setting)
    slopes = jax.tree.leaves(gradient)
    assert len(slopes) == len(leaves)
    paths = [jax.tree_util.keystr(path) for path, _ in jax.tree.flatten_with_path(setting)[0]]
    rng = np.random.default_rng(5)

    def moved(moves: list[tuple[int, Any]], step: float) -> float:
        changed = list(leaves)
        for k, move in moves:
            changed[k] = leaves[k] + step * move
        return float(value(jax.tree.unflatten(tree, changed)))

    base = moved([], 0.0)
    shares = [k for k, path in enumerate(paths) if path.endswith(".share")]
    for k, path in enumerate(paths):
        if k in shares[1:]:
            continue
        direction = rng.normal(size=leaves[k].shape) * np.maximum(np.abs(leaves[k]), 0.1)
        direction = 0.5 * (direction + direction.T) if direction.ndim == 2 else direction
        # One share moves at the cost of another: they sum to one.
        moves = [(k, direction)] if k not in shares else [(k, 1.0), (shares[1], -1.0)]
        wanted = (moved(moves, STEP) - moved(moves, -STEP)) / (2.0 * STEP)
        found = sum(float(np.sum(np.asarray(slopes[j]) * move)) for j, move in moves)
        assert abs(found - wanted) <= 1e-6 * abs(wanted) + 1e-8 * base, path
