"""Speed of the exact tails: a grid of samples and cuts, against sums by SciPy in a loop; and simulation.

A user without this would add the terms of a long head in NumPy and an integral after them, point by point.
"""

import time
from typing import Any

import numpy as np
import pytest

SIDE, IN_A_LOOP, HEAD = 100, 20, 1_000_000


def in_a_loop(beta: float, samples: float, cut: float) -> float:
    """One point: a million terms, and SciPy's adaptive integral of the rest."""
    from scipy import integrate, special

    zeta = special.zeta(beta)
    mass = 1.0 - special.zeta(beta, cut + 1.0) / zeta

    def term(i: Any) -> Any:
        p = i**-beta / zeta
        return p * np.exp(samples * np.log1p(-np.minimum(p / mass, 1 - 1e-16)))

    ranks = np.arange(1.0, min(cut, HEAD) + 1.0)
    total = np.sum(term(ranks)) + special.zeta(beta, cut + 1.0) / zeta
    if cut > HEAD:
        ends = np.log([HEAD + 0.5, cut + 0.5])
        total += integrate.quad(lambda u: np.exp(u) * term(np.exp(u)), *ends, limit=500, epsrel=1e-12)[0]
    return float(total)


@pytest.mark.benchmark(group="tails")
def test_a_grid_of_samples_and_cuts(benchmark: Any) -> None:
    import jax
    import jax.numpy as jnp

    import freeridge as fr

    samples, cuts = jnp.logspace(0, 12, SIDE), jnp.round(jnp.logspace(0, 12, SIDE))

    def risk(t: Any, k: Any) -> Any:
        return fr.ZipfTail(beta=1.5, T=t, k=k).predict()

    grid = jax.jit(jax.vmap(jax.vmap(risk, (None, 0)), (0, None)))
    found = jax.block_until_ready(grid(samples, cuts))
    assert bool(np.all(found.code == 0)) and float(found.residual.max()) < 1e-12
    start = time.perf_counter(), time.process_time()
    benchmark.pedantic(lambda: jax.block_until_ready(grid(samples, cuts)), rounds=5)
    ours = (time.perf_counter() - start[0]) / 5 / SIDE**2
    benchmark.extra_info["processor_seconds_a_grid"] = (time.process_time() - start[1]) / 5
    rng = np.random.default_rng(0)
    places = rng.integers(0, SIDE, (IN_A_LOOP, 2))
    start_loop = time.perf_counter()
    for i, j in places:
        true = in_a_loop(1.5, float(samples[i]), float(cuts[j]))
        assert abs(float(found.risk[i, j]) / true - 1) < 1e-8
    benchmark.extra_info["ratio_to_scipy"] = (time.perf_counter() - start_loop) / IN_A_LOOP / ours


@pytest.mark.benchmark(group="tails")
def test_drawing_a_hundred_million_samples(benchmark: Any) -> None:
    import freeridge as fr

    setting = fr.ZipfTail(beta=1.5, T=10**8)
    found = benchmark.pedantic(lambda: setting.simulate(key=0, replicates=4), rounds=2)
    assert abs(float(found.risk) - float(setting.predict().risk)) < 5 * float(found.standard_error["risk"])
    # What a user would do instead, for a thousandth of the samples: hold them.
    from scipy import special

    ranks = np.arange(1.0, 1_000_001.0)
    chances = np.cumsum(ranks**-1.5 / special.zeta(1.5))
    start = time.perf_counter()
    np.unique(np.searchsorted(chances, np.random.default_rng(0).random(10**5)))
    held = (time.perf_counter() - start) * 1000
    benchmark.extra_info["ratio_to_holding_the_samples"] = held / (benchmark.stats.stats.mean / 4)
