"""Generations: ancestors against the chain of Wright and Fisher itself, few samples and many."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import binom

from freeridge.theory.tails.resampling import Lineage, trace_back
from freeridge.theory.tails.small_pool import chances_of, trace_small_pool


@partial(jax.jit, static_argnums=2)
def traced_back(samples: jax.Array, pool: jax.Array, generations: int) -> Lineage:
    return trace_back(samples, pool, generations)


def lineage(samples: float, pool: float, generations: int) -> Lineage:
    return traced_back(jnp.asarray(float(samples)), jnp.asarray(float(pool)), generations)


def chain(x: np.ndarray, samples: int, pool: int, generations: int) -> np.ndarray:
    """E (1 - n / N)^T by the transition matrix of the counts."""
    counts = np.arange(pool + 1)
    missed = (1.0 - counts / pool) ** samples
    step = binom.pmf(counts, pool, (counts / pool)[:, None])
    for _ in range(generations - 1):
        missed = step @ missed
    return np.asarray(binom.pmf(counts, pool, x[:, None]) @ missed)


ITEMS = np.array([1e-6, 1e-4, 1e-3, 0.01, 0.1, 0.4, 0.9])


@pytest.mark.parametrize("generations", [1, 10])
@pytest.mark.parametrize(("samples", "pool"), [(0, 20), (1, 5), (7, 5), (100, 30), (255, 1000), (255, 20)])
def test_ancestors_of_few_samples_are_exact(samples: int, pool: int, generations: int) -> None:
    found = lineage(samples, pool, generations).absence(jnp.asarray(ITEMS))
    np.testing.assert_allclose(found, chain(ITEMS, samples, pool, generations), rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("generations", [1, 10])
@pytest.mark.parametrize(("samples", "pool"), [(256, 1000), (1000, 1000), (10_000, 1000), (256, 500)])
def test_the_series_for_many_samples(samples: int, pool: int, generations: int) -> None:
    traced = lineage(samples, pool, generations)
    missed = np.abs(np.asarray(traced.absence(jnp.asarray(ITEMS))) - chain(ITEMS, samples, pool, generations))
    assert missed.max() <= float(traced.error) + 1e-13
    assert float(traced.error) < (1e-9 if pool == 500 and generations == 10 else 2e-11)


def test_its_error_says_where_a_series_is_no_good() -> None:
    traced = lineage(1000, 20, 10)
    missed = np.abs(np.asarray(traced.absence(jnp.asarray(ITEMS))) - chain(ITEMS, 1000, 20, 10)).max()
    assert 1e-8 < missed < float(traced.error)


def test_both_ways_meet_where_one_takes_over() -> None:
    """At T = 256 the series answers; the law of the ancestors is there too."""
    traced = lineage(255.999999, 3000, 10), lineage(256, 3000, 10)
    one, other = (np.asarray(t.absence(jnp.asarray(ITEMS))) for t in traced)
    np.testing.assert_allclose(one, other, atol=1e-8)


def test_the_size_that_is_left_is_close_to_harmonic() -> None:
    for generations in (1, 10):
        left = float(lineage(1e6, 1e6, generations).decay) * 1e6
        assert left == pytest.approx(1 / (1e-6 + generations / 2e6), rel=0.1)


def test_an_item_is_surely_missed_or_surely_not() -> None:
    for samples, pool in ((1e15, 1e12), (300, 1e15), (1e15, 300), (1e4, 1e4)):
        ends = lineage(samples, pool, 10).absence(jnp.array([0.0, 1.0]))
        np.testing.assert_allclose(ends, [1.0, 0.0], atol=1e-12)


@pytest.mark.slow
def test_derivatives_in_samples_and_pool() -> None:
    @jax.jit
    def absence(samples: jax.Array, pool: jax.Array) -> jax.Array:
        return trace_back(samples, pool, 3).absence(jnp.array([1e-3]))[0]

    gradient = jax.jit(jax.grad(absence, (0, 1)))
    for at in ((1e3, 1e3), (1e5, 1e3), (5e2, 1e4)):
        start = tuple(map(jnp.asarray, at))
        slopes = gradient(*start)
        for place, slope in enumerate(slopes):
            step = 1e-4 * at[place]
            up, down = (
                absence(*(x + (sign * step if i == place else 0.0) for i, x in enumerate(start)))
                for sign in (1, -1)
            )
            assert float(slope) == pytest.approx(float(up - down) / (2 * step), rel=1e-4, abs=1e-13)
    assert np.isfinite(float(gradient(jnp.asarray(0.0), jnp.asarray(50.0))[0]))


@pytest.mark.parametrize("generations", [1, 10])
@pytest.mark.parametrize(("samples", "pool"), [(0, 1), (7, 5), (100_000, 20), (300, 300)])
def test_small_generations_are_the_chain_itself(samples: int, pool: int, generations: int) -> None:
    found = trace_small_pool(jnp.asarray(float(samples)), chances_of(pool), generations)
    missed = np.asarray(found.absence(jnp.asarray(ITEMS)))
    true = chain(ITEMS, samples, pool, generations)
    assert np.abs(missed - true).max() <= float(found.error)
    ends = found.absence(jnp.array([0.0, 1.0]))
    np.testing.assert_allclose(ends, [1.0, float(samples == 0)], atol=1e-12)


def test_small_and_large_generations_agree() -> None:
    small = trace_small_pool(jnp.asarray(3e3), chances_of(1000), 10).absence(jnp.asarray(ITEMS))
    np.testing.assert_allclose(lineage(3000, 1000, 10).absence(jnp.asarray(ITEMS)), small, atol=1e-13)
