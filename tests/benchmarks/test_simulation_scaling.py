"""How the price of a replicate grows, against two routes of a user's own, and how far it is from the peak.

Two populations with projections at n = 2d, m = 1.5d, at one ridge and at fifty. The other routes are a loop
of scikit-learn's Ridge over drawn data (three fits stand for fifty: they cost the same), and BLAS and
LAPACK by hand for exactly this experiment. Everything runs in one process with one BLAS thread and is
measured in processor seconds, which other programs disturb least. No time is asserted, only that routes
compute the same.
"""

import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

SIZES = (250, 1000, 4000)
RIDGES = np.geomspace(1e-2, 10.0, 50)
NOISE = (0.25, 0.5)
REPLICATES = {250: 20, 1000: 4, 4000: 2}


def sibling(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def measured(call: Callable[[], Any], rounds: int = 2) -> tuple[float, Any]:
    """Processor seconds, the least of some rounds, and the result."""
    seconds = []
    with threadpool_limits(1):
        for _ in range(rounds):
            start = time.process_time()
            result = call()
            seconds.append(time.process_time() - start)
    return min(seconds), result


def ours(d: int, ridges: Any, replicates: int, n: int | None = None, m: int | None = None) -> dict[str, Any]:
    from freeridge.solvers.ridge_path import LabelSource, RidgeExperiment, simulate_ridge_path

    one, n, m = np.ones(d), n or 2 * d, m or 3 * d // 2
    sources = (LabelSource(np.ones(2), 1.0, one / d), LabelSource(np.array([0.0, 1.0]), 0.0, 0.1 * one / d))
    experiment = RidgeExperiment(
        (one, np.linspace(0.5, 1.5, d)), (n // 2, n // 2), np.array(NOISE), ridges, one, sources, features=m
    )
    return simulate_ridge_path(experiment, 1, replicates, workers=1, backend="numpy").mean


def one_ridge_by_hand(key: int, d: int, ridge: float) -> dict[str, float]:
    """One inverse, straight on LAPACK; lower triangles in columns."""
    from scipy.linalg import blas, lapack

    rng, n, diagonal = np.random.default_rng(key), 2 * d, np.arange(d)
    above = ~np.tri(d, dtype=bool)

    def lower(freedom: Any) -> Any:
        matrix = np.zeros((d, d), order="F")
        matrix.T[above] = rng.standard_normal(d * (d - 1) // 2)
        matrix[diagonal, diagonal] = np.sqrt(rng.chisquare(freedom))
        return matrix

    first, second = lower(n // 2 - diagonal[::-1]), lower(n // 2 - diagonal[::-1])
    second *= np.linspace(0.5, 1.5, d)[None, :]
    inverse = lapack.dtrtri(lower(3 * d // 2 - diagonal), lower=1, overwrite_c=1)[0]
    inverse *= d**0.5
    penalty = lapack.dlauum(inverse, lower=1, overwrite_c=1)[0]
    moment = lapack.dlauum(first, lower=1)[0]
    moment += lapack.dlauum(second, lower=1)[0]
    moment /= n
    moment += ridge * penalty
    resolvent = lapack.dpotri(lapack.dpotrf(moment, lower=1, overwrite_a=1)[0], lower=1, overwrite_c=1)[0]
    resolvent += np.tril(resolvent, -1).T - np.triu(resolvent, 1)
    shrunk = blas.dsymm(ridge, penalty, resolvent, lower=1)
    scores = [blas.dtrmm(1.0, rows, resolvent, lower=1) for rows in (first, second)]
    moved = blas.dtrmm(1.0 / n, second, scores[1], lower=1, trans_a=1)

    def square(matrix: Any) -> float:
        return float(np.vdot(matrix.T, matrix.T))

    bias, mismatch = square(shrunk) / d, 0.1 * square(moved) / d
    variance = sum(v * square(one) for v, one in zip(NOISE, scores, strict=True)) / n**2
    return {"risk": bias + variance + mismatch, "bias": bias, "variance": variance, "mismatch": mismatch}


def scikit_learn(d: int, ridges: Any) -> list[float]:
    """One replicate of a user's loop: draw rows, projections, labelers, labels; fit every ridge; measure."""
    from sklearn.linear_model import Ridge

    rng, n, m = np.random.default_rng(0), 2 * d, 3 * d // 2
    rows = rng.standard_normal((n, d))
    rows[n // 2 :] *= np.linspace(0.5, 1.5, d)
    mixing = rng.standard_normal((d, m)) / d**0.5
    tested = rng.standard_normal(d) / d**0.5
    other = tested + (0.1 / d) ** 0.5 * rng.standard_normal(d)
    labels = np.concatenate([rows[: n // 2] @ tested, rows[n // 2 :] @ other])
    labels += np.repeat(np.sqrt(NOISE), n // 2) * rng.standard_normal(n)
    features, risks = rows @ mixing, []
    for ridge in ridges:
        fit = Ridge(alpha=n * ridge, fit_intercept=False).fit(features, labels)
        error = mixing @ fit.coef_ - tested
        risks.append(float(error @ error))
    return risks


def prices(d: int, hand: Any) -> dict[tuple[str, int], float]:
    """Processor seconds per replicate of every route, which are checked against each other."""
    replicates, rounds = REPLICATES[d], 2 if d < 4000 else 1
    ridge, fitted = RIDGES[25], RIDGES[[25, 0, 49]]
    hand.N, hand.D, hand.M, hand.RIDGES = 2 * d, d, 3 * d // 2, RIDGES
    hand.SPREAD = np.linspace(0.5, 1.5, d)
    single, one = measured(lambda: ours(d, RIDGES[25:26], replicates), rounds)
    several, path = measured(lambda: ours(d, RIDGES, replicates), rounds)
    alone, by_inverse = measured(lambda: one_ridge_by_hand(0, d, float(ridge)), rounds)
    together, by_modes = measured(lambda: hand.by_hand(0), rounds)
    draws, _ = measured(lambda: scikit_learn(d, []), rounds)
    fits, risks = measured(lambda: scikit_learn(d, fitted), rounds)
    for part in ("risk", "bias", "variance", "mismatch"):
        np.testing.assert_allclose(one[part][0], path[part][25], rtol=1e-10, err_msg=part)
        np.testing.assert_allclose(one[part][0], by_inverse[part], rtol=0.1, err_msg=part)
        np.testing.assert_allclose(path[part], by_modes[part], rtol=0.1, err_msg=part)
    # One labeler fluctuates: a sum of d squares by about (2 / d)^(1/2) of itself.
    np.testing.assert_allclose(risks[0], one["risk"][0], rtol=5 * (2 / d) ** 0.5)
    fit = (fits - draws) / len(fitted)
    return {
        ("ours", 1): single / replicates,
        ("ours", 50): several / replicates,
        ("by hand", 1): alone,
        ("by hand", 50): together,
        ("scikit-learn", 1): draws + fit,
        ("scikit-learn", 50): draws + 50 * fit,
    }


def price_table(d: int) -> tuple[list[str], dict[str, Any]]:
    """What a replicate costs at one size."""
    seconds = prices(d, sibling(Path(__file__).with_name("test_simulation_speed.py")))
    lines = ["| n, d, m | ridges | ours, s | by hand / ours | scikit-learn / ours |", "|---|---|---|---|---|"]
    for ridges in (1, 50):
        base = seconds["ours", ridges]
        hand, learn = (seconds[route, ridges] / base for route in ("by hand", "scikit-learn"))
        lines.append(f"| {2 * d}, {d}, {3 * d // 2} | {ridges} | {base:.4g} | {hand:.2f} | {learn:.1f} |")
    return lines, {f"{route}, {ridges} ridges": value for (route, ridges), value in seconds.items()}


GROWTH: dict[str, tuple[list[dict[str, int]], str]] = {
    "d": ([{"d": d} for d in (500, 707, 1000, 1414, 2000)], "n = 2d, m = 1.5d"),
    "n": ([{"d": 500, "n": 1000 * 4**k} for k in range(5)], "d = 500, n from 1000 to 256000"),
    "n below d": ([{"d": 1600, "n": 100 * 2**k, "m": 2400} for k in range(4)], "d = 1600, n from 100 to 800"),
    "m": ([{"d": 500, "m": 750 * 4**k} for k in range(5)], "d = 500, m from 750 to 192000"),
    "m below d": ([{"d": 1600, "m": 100 * 2**k} for k in range(4)], "d = 1600, m from 100 to 800"),
}


def slope(sizes: list[int], seconds: list[float]) -> tuple[float, float]:
    """Exponent of growth by least squares in logarithms, and its standard error."""
    x, y = np.log(sizes), np.log(seconds)
    x = x - x.mean()
    exponent = float(x @ y / (x @ x))
    residual = y - y.mean() - exponent * x
    return exponent, float(np.sqrt(residual @ residual / (len(x) - 2) / (x @ x)))


def growth_table(ridges: int) -> tuple[list[str], dict[str, Any]]:
    """Exponents of the price in one size at a time."""
    penalties = RIDGES[25:26] if ridges == 1 else RIDGES
    lines, info = ["| in | sizes | ridges | exponent | seconds |", "|---|---|---|---|---|"], {}
    for name, (cases, words) in GROWTH.items():
        seconds = [
            measured(partial(ours, ridges=penalties, replicates=2, **case), 3)[0] / 2 for case in cases
        ]
        exponent, error = slope([case[name.split()[0]] for case in cases], seconds)
        span = f"{seconds[0]:.3g} to {seconds[-1]:.3g}"
        lines.append(f"| {name} | {words} | {ridges} | {exponent:.2f} +- {error:.2f} | {span} |")
        info[name] = {"exponent": exponent, "standard error": error, "seconds": seconds}
    return lines, info


def peak_table(d: int) -> tuple[list[str], dict[str, Any]]:
    """Share of the time and fraction of the matrix-product peak of every step, with two workers."""
    module = sibling(Path(__file__).parents[2] / "docs" / "evidence" / "simulation_profile.py")
    profile = module.watched()
    cases = [(g, p, ridges) for g, p in ((1, False), (2, True)) for ridges in (1, 50)]
    rows = [module.row(profile, d, "power law", g, p, ridges, 2) for g, p, ridges in cases]
    return [*module.HEAD, *rows], {"table": rows}


TABLES = {"price": price_table, "growth": growth_table, "peak": peak_table}


def in_a_process(table: str, number: int) -> Any:
    """A table measured in a process of its own, where no annotation is checked while it runs."""
    settings = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, __file__, table, str(number)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, env=settings).stdout)


@pytest.mark.parametrize(
    ("table", "number"),
    [("price", d) for d in SIZES] + [("growth", 1), ("growth", 50)] + [("peak", d) for d in SIZES],
)
def test_scaling(benchmark: Any, table: str, number: int) -> None:
    load = os.getloadavg()[0]
    lines, info = benchmark.pedantic(in_a_process, args=(table, number), rounds=1, iterations=1)
    print(f"\n{table}, load {load:.1f} before, {os.getloadavg()[0]:.1f} after\n" + "\n".join(lines))
    benchmark.extra_info.update(info)


if __name__ == "__main__":
    print(json.dumps(TABLES[sys.argv[1]](int(sys.argv[2]))))
