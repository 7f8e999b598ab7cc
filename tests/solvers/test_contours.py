"""Contours against the filters they stand for: every eigenvalue, every time, slow and oscillating modes."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from freeridge.solvers.contours import Contours, descent_contours, flow_contours

EIGENVALUES = np.concatenate([[0.0], np.geomspace(1e-9, 1e9, 73)])
TIMES = np.geomspace(1e-3, 1e8, 45)
STEPS = np.array([0, 1, 2, 3, 5, 10, 20, 32, 33, 34, 35, 60, 100, 1000, 12345, 100_000], float)


def filters(contours: Contours, eigenvalues: Any) -> Any:
    """What the sums make of every eigenvalue, shape (times, eigenvalues)."""
    nodes, weights = np.asarray(contours.nodes)[contours.window], np.asarray(contours.weights)
    return 2.0 * np.real(np.einsum("tk,tkj->tj", weights, 1.0 / (nodes[:, :, None] + eigenvalues)))


def flow(times: Any, eigenvalues: Any) -> Any:
    """(1 - exp(-t h)) / h, and t at h = 0."""
    safe = np.where(eigenvalues > 0, eigenvalues, 1.0)
    return np.where(eigenvalues > 0, -np.expm1(-times[:, None] * safe) / safe, times[:, None])


def descent(steps: Any, size: float, eigenvalues: Any) -> Any:
    """(1 - (1 - a h)^k) / h; through log1p where that keeps digits, by powers where modes oscillate."""
    k, product = steps[:, None], size * eigenvalues
    slow = product < 0.5
    left = np.exp(k * np.log1p(-np.where(slow, product, 0.0)))
    power = np.where(slow, left, (1.0 - product) ** k)
    learned = np.where(slow, -np.expm1(k * np.log1p(-np.where(slow, product, 0.0))), 1.0 - power)
    return np.where(product > 0, learned / np.where(product > 0, eigenvalues, 1.0), k * size)


def test_flow_at_known_times() -> None:
    contours = flow_contours(jnp.asarray(TIMES), TIMES)
    assert len(contours.nodes) <= 11  # windows of a factor ten
    error = np.abs(filters(contours, EIGENVALUES) - flow(TIMES, EIGENVALUES))
    assert np.max(error / TIMES[:, None]) < 2e-11


def test_flow_at_traced_times() -> None:
    contours = flow_contours(jnp.asarray(TIMES), None)
    assert contours.nodes.shape == (45, 16)
    error = np.abs(filters(contours, EIGENVALUES) - flow(TIMES, EIGENVALUES))
    assert np.max(error / TIMES[:, None]) < 2e-11


def test_order_of_times_does_not_matter() -> None:
    shuffled = np.random.default_rng(0).permutation(TIMES)
    found = filters(flow_contours(jnp.asarray(shuffled), shuffled), EIGENVALUES)
    assert np.max(np.abs(found - flow(shuffled, EIGENVALUES)) / shuffled[:, None]) < 2e-11


@pytest.mark.parametrize("times", [np.zeros(1), np.zeros(3), np.array([0.0, 2.0])])
def test_time_zero_has_no_weight(times: Any) -> None:
    for known in (times, None):
        contours = flow_contours(jnp.asarray(times), known)
        assert np.all(np.isfinite(contours.nodes))
        assert np.all(np.asarray(contours.weights)[times == 0] == 0.0)
    assert np.all(np.asarray(descent_contours(np.zeros(2), jnp.array(0.5)).weights) == 0.0)


@pytest.mark.parametrize("size", [1e-4, 0.7, 30.0])
def test_descent(size: float) -> None:
    contours = descent_contours(STEPS, jnp.array(size))
    # Up to just below 2 / eigenvalue: the fastest modes change sign at every step and hardly decay.
    products = np.concatenate([[0.0], np.geomspace(1e-9, 1.0, 60), 2.0 - np.geomspace(1e-6, 1.0, 40)])
    eigenvalues = products / size
    found = filters(contours, eigenvalues)
    wanted = descent(STEPS, size, eigenvalues)
    assert np.all(found[0] == 0.0)
    error = np.abs(found - wanted)[1:] / (size * STEPS[1:, None])
    assert np.max(error) < 2e-11


def test_nodes_keep_off_the_spectrum_and_near_each_other() -> None:
    """What Newton's method along the path relies on."""
    for contours in (
        flow_contours(jnp.asarray(TIMES), TIMES),
        flow_contours(jnp.asarray(TIMES), None),
        descent_contours(STEPS, jnp.array(0.7)),
    ):
        nodes = np.asarray(contours.nodes)
        assert np.all(nodes.imag > 0)
        assert np.all(np.angle(nodes[:, 0]) < 0.4)
        assert np.max(np.abs(np.diff(nodes)) / np.abs(nodes[:, 1:])) < 1.0
