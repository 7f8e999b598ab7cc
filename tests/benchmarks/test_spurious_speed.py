"""Price of a curve of 100 noise levels, all group errors, against one fit per level.

The fits are what there is without the theory: scikit-learn's logistic regression with its default solver, and
this library's own, on 1,000 rows with 1,800 noise coordinates; drawing rows and computing errors included.
A share of the levels is fitted, and their time is scaled to all.
"""

import json
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import freeridge as fr
from freeridge.solvers.logistic_fit import fit_logistic
from freeridge.theory.memorization.spurious_fit import draw, group_errors
from freeridge.theory.memorization.spurious_logistic import SpuriousLogistic

N, PHI, PENALTY, MAJORITY, SCALE, LEVELS, EVERY = 1000, 1.8, 0.01, 0.9, 5.0, 100, 5
NOISE = np.linspace(0.05, 2.0, LEVELS)


def setting(noise: Any) -> SpuriousLogistic:
    return SpuriousLogistic(PHI, PENALTY, MAJORITY, SCALE, noise, n=N)


def curves() -> tuple[dict[str, float], np.ndarray]:
    """Seconds of a curve by vmap, with compilation and without, and by sweep, which compiles; the errors."""
    compiled = jax.jit(jax.vmap(lambda noise: setting(noise).predict()))
    seconds = {}
    for name in ("vmap, with compilation", "vmap"):
        start = time.perf_counter()
        found = jax.block_until_ready(compiled(jnp.asarray(NOISE)))
        seconds[name] = time.perf_counter() - start
    assert found.ok
    start = time.perf_counter()
    swept = fr.sweep(setting(0.5), {"noise": NOISE})
    seconds["sweep, compiled on the way"] = time.perf_counter() - start
    np.testing.assert_allclose(swept.group_errors, found.group_errors, rtol=1e-7, atol=1e-12)
    return seconds, np.asarray(found.group_errors)


def sklearn_fit(rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Rows as a user has them, with both labels."""
    from sklearn.linear_model import LogisticRegression

    labels = rng.choice([-1.0, 1.0], len(rows))
    model = LogisticRegression(C=1.0 / (N * PENALTY), fit_intercept=False, max_iter=10_000)
    return np.asarray(model.fit(labels[:, None] * rows, labels).coef_[0])


def fits(fit: Any) -> tuple[float, np.ndarray]:
    """Seconds for all levels, and the errors at the levels fitted."""
    start, errors = time.perf_counter(), []
    for k in range(0, LEVELS, EVERY):
        rng = np.random.default_rng(k)
        weights = fit(draw(setting(NOISE[k]), rng).rows, rng)
        errors.append(group_errors(weights, SCALE, 0.12, float(NOISE[k])))
    return (time.perf_counter() - start) * EVERY, np.array(errors)


def test_a_curve_of_noise_levels(benchmark: Any) -> None:
    """Times and ratios are printed, never asserted; that all sides say the same is."""
    seconds, theory = benchmark.pedantic(curves, rounds=1)
    theirs, their_errors = fits(sklearn_fit)
    own, own_errors = fits(lambda rows, _: fit_logistic(rows, PENALTY))
    report = {
        **seconds,
        "scikit-learn, one fit per level": theirs,
        "our fit, one per level": own,
        "scikit-learn / vmap": theirs / seconds["vmap"],
        "our fit / vmap": own / seconds["vmap"],
        "largest difference of the fits": float(np.max(np.abs(their_errors - own_errors))),
        "largest difference of theory and one fit": float(np.max(np.abs(theory[::EVERY] - own_errors))),
    }
    benchmark.extra_info.update(report)
    print(json.dumps(report, indent=2))
    assert report["largest difference of the fits"] < 0.01
    assert report["largest difference of theory and one fit"] < 0.2
