"""Fixed points at complex ridges: the real solver, an iteration, drawn matrices and random problems."""

from functools import cache
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tests.helpers import MULTIPLICITIES, D, Points, in_chunks, random_points, relative

from freeridge.solvers.complex_point import ComplexPoints, solve_complex_points
from freeridge.solvers.contours import descent_contours, flow_contours
from freeridge.solvers.fixed_point import MixtureProblem, solve_fixed_point
from freeridge.solvers.spectra import Atoms, Matrices

# Nearly real, and both kinds of contour: every flow window is this one, scaled.
NEARLY_REAL = np.array([1e-10j, 0.3 + 1e-10j, 5.0 + 1e-10j])
FLOW = np.asarray(flow_contours(jnp.ones(1), np.ones(1)).nodes[0])
LOOPS = np.asarray(descent_contours(np.array([40.0]), jnp.ones(())).nodes[0])
# After 1e8 steps the left loop all but touches the negative axis, beyond the spectrum.
LATE = np.asarray(descent_contours(np.array([1e8]), jnp.ones(())).nodes[0])


def problem_of(p: Any, plain: bool) -> MixtureProblem:
    spectrum = Atoms(p.covariances, jnp.asarray(MULTIPLICITIES), D)
    return MixtureProblem(spectrum, p.shares, p.n, p.ridge, None if plain else p.features)


@cache
def compiled(plain: bool) -> Any:
    return jax.jit(jax.vmap(lambda pair: solve_complex_points(problem_of(pair[0], plain), pair[1])))


def solve_many(points: Points, nodes: Any, plain: bool) -> ComplexPoints:
    """Shape (rows, nodes), as many nodes as the longest contour, the last repeated."""
    nodes = np.broadcast_to(nodes, (len(points.n), np.shape(nodes)[-1]))
    count = nodes.shape[1]
    filled = np.pad(nodes, ((0, 0), (0, len(LOOPS) - count)), mode="edge")
    found = in_chunks(compiled(plain), (points, filled), 32)
    return jax.tree.map(lambda v: v[:, :count], found)


def wild_points(rng: np.random.Generator, count: int) -> Points:
    """Power laws, lost ranks, shares of one percent, sizes apart by a factor thirty."""
    exponents = rng.uniform(0.0, 2.0, (count, 2, 1))
    covariances = np.arange(1.0, len(MULTIPLICITIES) + 1.0) ** -exponents * 10 ** rng.normal(
        size=(count, 2, 1)
    )
    covariances[::4, 0, 5:], covariances[1::4, :, 6:] = 0.0, 0.0
    share = np.where(rng.random(count) < 0.3, 0.01, rng.uniform(0.05, 0.95, count))
    return random_points(rng, count)._replace(
        covariances=covariances,
        shares=np.stack([share, 1.0 - share], axis=1),
        n=D / 10 ** rng.uniform(-1.5, 1.5, count),
        features=D * 10 ** rng.uniform(-1.5, 1.5, count),
        ridge=np.where(rng.random(count) < 0.5, 0.0, 10 ** rng.uniform(-8.0, 0.0, count)),
    )


@pytest.mark.parametrize("plain", [True, False])
def test_nearly_real_ridges_are_those_of_the_real_solver(plain: bool) -> None:
    points = random_points(np.random.default_rng(0), 32)
    found = solve_many(points, NEARLY_REAL, plain)
    real = jax.jit(jax.vmap(lambda p: solve_fixed_point(problem_of(p, plain))))
    for k, node in enumerate(NEARLY_REAL.real):
        wanted = real(jax.tree.map(jnp.asarray, points._replace(ridge=points.ridge + node)))
        y = np.asarray(wanted.x) / np.asarray(wanted.theta)[:, None]
        assert relative(found.y[:, k].real, y) < 1e-8
        assert relative(found.kappa[:, k].real, wanted.theta * wanted.sample_slack) < 1e-8
        if not plain:
            assert relative(found.feature_slack[:, k].real, wanted.feature_slack) < 1e-8


@pytest.mark.parametrize("plain", [True, False])
def test_every_node_of_random_problems_is_certified(plain: bool) -> None:
    rng = np.random.default_rng(1)
    points = wild_points(rng, 96)
    # Times from long before the first eigenvalue is learned to long after the last; small and smaller steps.
    for contour, low, high in ((FLOW, -8.0, 3.0), (LOOPS, 0.0, 3.0), (LATE, 4.0, 5.0)):
        scales = 10 ** rng.uniform(low, high, (96, 1))
        ridges = contour * scales + points.ridge[:, None]
        found = solve_many(points, contour * scales, plain)
        assert np.max(found.residual) < 1e-11
        # A Stieltjes transform maps the upper half plane to itself.
        for value in (
            found.y * found.kappa[..., None],
            found.kappa[..., None],
            found.feature_slack[..., None],
        ):
            angle = np.angle(value)
            assert np.all(angle > -1e-9) and np.all(angle < np.angle(ridges)[..., None] + 1e-9)


@pytest.mark.parametrize("plain", [True, False])
def test_against_damped_iteration(plain: bool) -> None:
    points, nodes = random_points(np.random.default_rng(2), 32), np.array([0.5 + 0.5j, -0.5 + 1.5j])
    found = solve_many(points, nodes, plain)
    weights = np.asarray(MULTIPLICITIES) / D
    for k in range(6):
        sigma, shares, phi = points.covariances[k], points.shares[k], D / points.n[k]
        gamma = points.features[k] / D
        for j, node in enumerate(nodes):
            ridge, e, kappa = points.ridge[k] + node, np.ones(2, complex), points.ridge[k] + node
            for _ in range(3000):
                a = (shares * e) @ sigma
                e = 0.5 * e + 0.5 / (1.0 + phi * (sigma / (a + kappa)) @ weights)
                if not plain:
                    kappa = 0.5 * kappa + 0.5 * (ridge + kappa * (a / (a + kappa)) @ weights) / gamma
            assert relative(found.kappa[k, j], kappa) < 1e-10
            assert relative(found.y[k, j] * found.kappa[k, j], e) < 1e-10


def drawn_traces(plain: bool, d: int, draws: int) -> tuple[Any, Any, Any]:
    """tr Sigma_s Q / d at one complex ridge: mean over draws minus the limit, standard error, the limit."""
    rng, rows, m, n, ridge = np.random.default_rng(3), (3 * d // 8, d // 8), 2 * d // 3, d // 2, 0.15 + 0.4j
    repeats, values = np.asarray(MULTIPLICITIES, int) * d // D, random_points(rng, 1).covariances[0]
    spectrum = Atoms(jnp.asarray(values), jnp.asarray(repeats, float), d)
    shares, features = np.array(rows) / n, None if plain else jnp.array(float(m))
    problem = MixtureProblem(spectrum, jnp.asarray(shares), jnp.array(float(n)), jnp.array(0.05), features)
    point = eqx.filter_jit(solve_complex_points)(problem, jnp.array([ridge - 0.05]))
    y, kappa = np.asarray(point.y[0]), complex(point.kappa[0])
    limit = values @ (repeats / d / (kappa * (1.0 + (shares * y) @ values)))
    traces = []
    for _ in range(draws):
        x = np.concatenate(
            [
                rng.normal(size=(count, d)) * np.sqrt(np.repeat(v, repeats))
                for count, v in zip(rows, values, strict=True)
            ]
        )
        s = np.eye(d) if plain else rng.normal(size=(d, m)) / np.sqrt(d)
        h = s.T @ x.T @ x @ s / n + ridge * np.eye(s.shape[1])
        diagonal = np.sum(s * np.linalg.solve(h, s.T).T, axis=1)
        traces.append([np.sum(diagonal * np.repeat(v, repeats)) / d for v in values])
    parts = np.stack([np.real(traces), np.imag(traces)], axis=1)
    mean, error = np.mean(parts, axis=0), np.std(parts, axis=0, ddof=1) / np.sqrt(draws)
    return mean - np.stack([limit.real, limit.imag]), error, np.abs(limit)


@pytest.mark.parametrize("plain", [True, False])
def test_against_the_resolvent_of_drawn_matrices(plain: bool) -> None:
    (whole, error, limit), (half, half_error, _) = drawn_traces(plain, 240, 80), drawn_traces(plain, 120, 320)
    # Free of the bias of order 1 / d.
    total = np.sqrt((2.0 * error) ** 2 + half_error**2)
    assert np.all(total < 0.02 * limit)
    assert np.all(np.abs(2.0 * whole - half) < 4.0 * total)


@pytest.mark.parametrize("plain", [True, False])
def test_derivative_is_that_of_differences(plain: bool) -> None:
    points = random_points(np.random.default_rng(4), 1)
    one = jax.tree.map(lambda v: jnp.asarray(v[0]), points)
    way = jax.tree.map(lambda v: 0.3 * v, one._replace(shares=jnp.array([0.0, 0.0])))

    @jax.jit
    def both(step: Any) -> Any:
        def at(t: Any) -> Any:
            moved = jax.tree.map(lambda v, w: v + t * w, one, way)
            found = solve_complex_points(problem_of(moved, plain), jnp.asarray(LOOPS))
            return jnp.concatenate([found.y.ravel(), found.kappa, found.feature_slack])

        return at(step), jax.jvp(at, (jnp.zeros(()),), (jnp.ones(()),))[1]

    step = 1e-5
    (up, slope), (down, _) = both(jnp.array(step)), both(jnp.array(-step))
    difference = (up - down) / (2.0 * step)
    assert np.max(np.abs(slope - difference)) < 1e-8 * np.max(np.abs(slope))


def test_vmap_is_a_loop() -> None:
    points = random_points(np.random.default_rng(5), 3)
    together = solve_many(points, LOOPS, False)
    alone = eqx.filter_jit(solve_complex_points)
    for k in range(3):
        one = jax.tree.map(lambda v, k=k: jnp.asarray(v[k]), points)
        found = alone(problem_of(one, False), jnp.asarray(LOOPS))
        np.testing.assert_allclose(together.y[k], found.y, rtol=1e-12)
        np.testing.assert_allclose(together.kappa[k], found.kappa, rtol=1e-12)


@pytest.mark.slow
def test_matrices_are_rotated_atoms() -> None:
    rng, d = np.random.default_rng(6), 12
    values = np.exp(rng.normal(size=(2, d)))
    basis, _ = np.linalg.qr(rng.normal(size=(d, d)))
    dense = jnp.asarray(np.einsum("ij,sj,kj->sik", basis, values, basis))
    sizes = (jnp.array([0.4, 0.6]), jnp.array(20.0), jnp.array(0.01), jnp.array(15.0))
    solve, nodes = eqx.filter_jit(solve_complex_points), jnp.asarray(FLOW[::4])
    found = solve(MixtureProblem(Matrices(dense, d), *sizes), nodes)
    wanted = solve(MixtureProblem(Atoms(jnp.asarray(values), jnp.ones(d), d), *sizes), nodes)
    assert np.max(found.residual) < 1e-11
    np.testing.assert_allclose(found.y, wanted.y, rtol=1e-12)


def test_the_other_branch_is_not_certified() -> None:
    """From a node below the real axis the path is led to conjugates, which are refused."""
    one = jax.tree.map(lambda v: jnp.asarray(v[0]), random_points(np.random.default_rng(7), 1))
    found = eqx.filter_jit(solve_complex_points)(problem_of(one, False), jnp.conj(jnp.asarray(LOOPS)))
    assert np.all(np.isinf(found.residual))
