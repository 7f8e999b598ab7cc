"""The fixed point: closed forms, independent oracles, hard spectra, thresholds, batches."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import elementwise
from tests.helpers import (
    ATOMS,
    MULTIPLICITIES,
    D,
    original_equations,
    random_points,
    relative,
    row,
    solve_many,
)

from freeridge.solvers.fixed_point import FixedPoint, MixtureProblem, solve_fixed_point
from freeridge.solvers.results import Code
from freeridge.solvers.spectra import Atoms

WEIGHTS = np.asarray(MULTIPLICITIES) / D
WIDE = (10.0,) * 64  # the multiplicities of the hard spectra


def gaps(point: FixedPoint, values: Any, shares: Any, n: Any, features: Any, weights: Any) -> dict[str, Any]:
    """Residuals of the equations at a solution, in extended precision and in code that shares nothing
    with the solver.
    """
    wide = np.longdouble
    values, shares, x = values.astype(wide), shares.astype(wide), point.x.astype(wide)
    dimension = 640.0 if len(weights) == 64 else float(D)
    phi = (wide(dimension) / n)[:, None]
    r = 1.0 / (np.einsum("ns,nsj->nj", shares * x, values) + point.theta.astype(wide)[:, None])
    traces = np.einsum("nsj,nj,j->ns", values, r, weights.astype(wide))
    eta = np.sum(shares * x * traces, axis=1)
    slack = point.sample_slack.astype(wide)
    found = {
        "populations": np.max(np.abs(x * (slack[:, None] + phi * traces) - 1.0), axis=1),
        "normalisation": np.abs(np.sum(shares * x, axis=1) - 1.0),
        "samples": np.abs(slack + phi[:, 0] * eta - 1.0),
    }
    if features is not None:
        gamma = features / dimension
        found["features"] = np.abs(point.feature_slack + eta - gamma) / gamma
    return found


@pytest.mark.parametrize("ridge", [0.0, 1e-12, 1e-6, 1e-2, 1.0, 1e3])
def test_isotropic_is_marchenko_pastur(ridge: float) -> None:
    phi = np.geomspace(1e-3, 1e3, 64)
    point = solve_many(np.ones((64, 1, ATOMS)), 1.0, D / phi, ridge)
    b = 1.0 - phi - ridge
    root = np.sqrt(b**2 + 4.0 * ridge)
    theta = np.where(b >= 0, 2.0 * ridge / (np.abs(b) + root), 0.5 * (np.abs(b) + root))
    assert np.all(point.code == Code.OK)
    if ridge == 0.0:
        np.testing.assert_allclose(point.theta, theta, rtol=1e-13, atol=1e-35)
        np.testing.assert_allclose(point.sample_slack, np.maximum(1.0 - phi, 0.0), rtol=1e-12, atol=1e-35)
    else:
        np.testing.assert_allclose(point.theta, theta, rtol=2e-13)
        np.testing.assert_allclose(point.sample_slack, ridge / theta, rtol=2e-13)


@pytest.mark.parametrize("plain", [True, False])
def test_one_population_against_a_bracketing_solver(plain: bool) -> None:
    points = random_points(np.random.default_rng(0), 256)
    values, phi, gamma = points.test, D / points.n, points.features / D

    def excess(log_theta: Any, k: Any) -> Any:  # k: the rows that are not done yet
        eta = np.sum(WEIGHTS * values[k] / (values[k] + np.exp(log_theta)[:, None]), axis=1)
        nu = np.ones(len(k)) if plain else gamma[k] - eta
        slack = 1.0 - phi[k] * eta
        inside = (nu > 0) & (slack > 0)
        logs = np.log(np.where(inside, nu * slack, 1.0)) + log_theta - np.log(points.ridge[k])
        return np.where(inside, logs, -1e3)

    low, high = np.full(256, -60.0), np.full(256, 60.0)
    tolerances = {"xatol": 0.0, "xrtol": 0.0, "fatol": 0.0, "frtol": 0.0}
    oracle = elementwise.find_root(excess, (low, high), args=(np.arange(256),), tolerances=tolerances)
    point = solve_many(values[:, None], 1.0, points.n, points.ridge, None if plain else points.features)
    assert np.all(point.code == Code.OK)
    # The oracle works with differences: what they lose next to a threshold is not the solver's.
    eta = np.sum(WEIGHTS * values / (values + np.exp(oracle.x)[:, None]), axis=1)
    lost = np.minimum(1.0 - phi * eta, 1.0 if plain else (gamma - eta) / gamma)
    assert np.all(np.abs(np.log(point.theta) - oracle.x) <= 1e-14 / lost + 1e-13 * (1.0 + np.abs(oracle.x)))


def test_ridgeless_projections_fill_whatever_is_scarcest() -> None:
    points = random_points(np.random.default_rng(1), 256)
    values = points.test
    point = solve_many(values[:, None], 1.0, points.n, 0.0, points.features)
    assert np.all(point.code == Code.OK)
    scarce = np.minimum(np.minimum(points.features, points.n) / D, 1.0)
    eta = np.sum(WEIGHTS * values / (values + point.theta[:, None]), axis=1)
    np.testing.assert_allclose(eta, scarce, rtol=1e-12)
    np.testing.assert_allclose(
        point.sample_slack, np.maximum(1.0 - D / points.n * scarce, 0.0), rtol=1e-9, atol=1e-12
    )
    np.testing.assert_allclose(
        point.feature_slack, np.maximum(points.features / D - scarce, 0.0), rtol=1e-9, atol=1e-12
    )


@pytest.mark.parametrize("plain", [True, False])
def test_two_populations_against_the_equations_in_e_and_tau(plain: bool) -> None:
    points = random_points(np.random.default_rng(2), 48)
    sigma = points.covariances * points.weights[:, :, None]
    point = solve_many(sigma, points.shares, points.n, points.ridge, None if plain else points.features)
    assert np.all(point.code == Code.OK)
    for k in range(len(points.n)):
        oracle = original_equations(row(points, k), plain)
        assert relative(point.x[k] * point.sample_slack[k], oracle.e) < 1e-9
        kappa = points.ridge[k] if oracle.gamma is None else points.ridge[k] / (oracle.gamma * oracle.tau)
        assert relative(point.theta[k] * point.sample_slack[k], kappa) < 1e-9


def spectra(name: str, rng: np.random.Generator, count: int) -> Any:
    atoms = len(WIDE)
    values = np.exp(rng.normal(size=(count, 2, atoms)))
    index = np.arange(1.0, atoms + 1.0)
    if name == "power laws":
        exponents = rng.uniform(0.0, 6.0, (count, 2, 1))
        values = index**-exponents * np.exp(3.0 * rng.normal(size=(count, 2, 1)))
    elif name == "lognormal":
        values = values**4
    elif name == "scales":
        values *= np.array([1e-6, 1e6])[:, None]
    elif name == "rank deficient":
        values[:, 0, :20], values[:, 1, 10:], values[:, :, 40:50] = 0.0, 0.0, 0.0
    elif name == "disjoint":
        values[:, 0, ::2], values[:, 1, 1::2] = 0.0, 0.0
    return values


@pytest.mark.parametrize("plain", [True, False])
@pytest.mark.parametrize("name", ["power laws", "lognormal", "scales", "rank deficient", "disjoint"])
def test_every_point_of_hard_problems_is_certified(name: str, plain: bool) -> None:
    rng = np.random.default_rng(3)
    count, dimension = 1000, 640
    values = spectra(name, rng, count)
    share = rng.uniform(0.0, 1.0, count)
    share[:200], share[200:300] = 1e-4, 0.0
    shares = np.stack([share, 1.0 - share], axis=1)
    shares[::2] = shares[::2, ::-1]
    phi = 10 ** rng.uniform(-2, 2, count)
    n, features = dimension / phi, dimension / phi * 10 ** rng.uniform(-2, 2, count)
    ridge = np.where(rng.random(count) < 0.2, 0.0, 10 ** rng.uniform(-12, 1, count))
    point = solve_many(values, shares, n, ridge, None if plain else features, WIDE, size=250)
    assert np.all(point.code == Code.OK)
    assert np.all(point.residual <= 1e-11)
    assert np.mean(point.residual <= 1e-12) > 0.99
    if name in ("lognormal", "power laws"):
        assert np.all(point.residual <= 1e-12)
    for leaf in (point.x, point.theta, point.sample_slack, point.feature_slack):
        assert np.all(leaf > 0) and np.all(np.isfinite(leaf))
    used = point.sample_slack * point.theta * (1.0 if plain else point.feature_slack)
    np.testing.assert_allclose(used[ridge > 0], ridge[ridge > 0], rtol=1e-11)
    assert np.all(used[ridge == 0] < 1e-30)
    found = gaps(point, values, shares, n, None if plain else features, np.full(64, 1.0 / 64))
    for equation, gap in found.items():
        assert np.max(gap) < 2e-11, equation


def at_sizes(sizes: list[tuple[float, float]], ridge: float, plain: bool, rank: int = D) -> FixedPoint:
    values = np.exp(np.random.default_rng(4).normal(size=(1, 2, ATOMS)))
    if rank < D:
        values[:, :, :2] = 0.0  # 15 coordinates that nobody sees
    n, features = np.array(sizes).T
    return solve_many(
        np.broadcast_to(values, (len(sizes), 2, ATOMS)), [0.3, 0.7], n, ridge, None if plain else features
    )


@pytest.mark.parametrize(
    ("plain", "sizes", "rank"),
    [
        pytest.param(True, (D, D), D, id="phi = 1"),
        pytest.param(True, (D - 15, D), D - 15, id="n = rank"),
        pytest.param(False, (60, 60), D, id="psi = 1 below d"),
        pytest.param(False, (D, D), D, id="psi = 1 and phi = 1"),
        pytest.param(False, (D, 500), D, id="phi = 1, more features"),
    ],
)
def test_thresholds_at_ridge_zero_are_named(plain: bool, sizes: tuple[float, float], rank: int) -> None:
    n, m = sizes
    neighbours = [(n, m), (n + 1, m), (n - 1, m)]
    exact = at_sizes(neighbours, 0.0, plain, rank)
    np.testing.assert_array_equal(exact.code, [Code.DIVERGES, Code.OK, Code.OK])
    assert np.all(np.isfinite(exact.theta))
    # A positive ridge is an ordinary point, however small.
    for ridge in (1e-12, 1e-3):
        np.testing.assert_array_equal(at_sizes(neighbours, ridge, plain, rank).code, 0)


def test_equal_sizes_above_the_rank_do_not_diverge() -> None:
    """psi = 1 with n = m > d: the directions run out before samples or features do."""
    point = at_sizes([(300, 300), (D, 60), (60, D)], 0.0, plain=False)
    np.testing.assert_array_equal(point.code, 0)


def test_bad_lanes_are_nan_with_a_code_and_leave_the_others_alone() -> None:
    points = random_points(np.random.default_rng(5), 8)
    clean = solve_many(points.covariances, points.shares, points.n, points.ridge, points.features)
    values, shares, n = points.covariances.copy(), points.shares.copy(), points.n.copy()
    ridge, features = points.ridge.copy(), points.features.copy()
    values[1, 0, 0], shares[2], n[3], ridge[4], features[5] = np.nan, 0.7, 0.0, -1.0, np.inf
    values[6] = 0.0
    found = solve_many(values, shares, n, ridge, features)
    np.testing.assert_array_equal(found.code, [0, 2, 2, 2, 2, 2, 2, 0])
    for before, after in zip(jax.tree.leaves(clean), jax.tree.leaves(found), strict=True):
        np.testing.assert_array_equal(before[[0, 7]], after[[0, 7]])
    for leaf in (found.x, found.theta, found.sample_slack, found.residual):
        assert np.all(np.isnan(leaf[1:7]))


def test_batches_equal_loops_and_repeat_exactly() -> None:
    points = random_points(np.random.default_rng(6), 64)
    args = (points.covariances, points.shares, points.n, points.ridge, points.features)
    first, second = solve_many(*args), solve_many(*args)
    backwards = solve_many(*(v[::-1] for v in args))
    for one, two, three in zip(*map(jax.tree.leaves, (first, second, backwards)), strict=True):
        np.testing.assert_array_equal(one, two)
        np.testing.assert_array_equal(one, three[::-1])
    counts = jnp.asarray(MULTIPLICITIES)

    @jax.jit
    def alone(values: Any, shares: Any, n: Any, ridge: Any, features: Any) -> FixedPoint:
        return solve_fixed_point(MixtureProblem(Atoms(values, counts, D), shares, n, ridge, features))

    for k in range(0, 64, 8):
        single = alone(*(jnp.asarray(v[k]) for v in args))
        for name in ("x", "theta", "sample_slack", "feature_slack"):
            np.testing.assert_allclose(getattr(first, name)[k], getattr(single, name), rtol=1e-11)


@pytest.mark.parametrize("factor", [1e-8, 1e8])
def test_units_do_not_matter(factor: float) -> None:
    points = random_points(np.random.default_rng(7), 64, ridge_low=1e-9)
    one = solve_many(points.covariances, points.shares, points.n, points.ridge, points.features)
    two = solve_many(
        points.covariances * factor, points.shares, points.n, points.ridge * factor, points.features
    )
    np.testing.assert_allclose(two.x, one.x, rtol=1e-11)
    np.testing.assert_allclose(two.theta, one.theta * factor, rtol=1e-11)
    np.testing.assert_allclose(two.sample_slack, one.sample_slack, rtol=1e-11)
