"""Price of a phase diagram: ADD over 512 x 512 ratios phi and psi in 1e-2 to 1e2, and SciPy on some pixels.

Two groups with power-law spectra of 64 atoms, random projections, ridge 1e-3: four risks a pixel, each with
its certificate. Run by itself with a number of points per axis, this file draws one such diagram and prints
what it cost as JSON: peak memory is that of a process of its own.
"""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

ATOMS, RIDGE, SHARES, CHUNK = 64, 1e-3, (0.8, 0.2), 2048
SIDES = (128, 512)
IN_A_LOOP = 30


def axes(side: int) -> dict[str, Any]:
    return {"phi": np.logspace(-2, 2, side), "psi": np.logspace(-2, 2, side)}


def diagram(side: int) -> dict[str, Any]:
    import resource

    import jax

    jax.config.update("jax_enable_x64", True)
    import freeridge as fr

    truth = fr.RandomVector(fr.PowerLaw(ATOMS, 0.5, trace=1.0))
    shifted = truth + fr.RandomVector(fr.PowerLaw(ATOMS, 0.5, trace=0.5))
    groups = [
        fr.Population(fr.PowerLaw(ATOMS, 1.0, trace=ATOMS), truth, 0.1, SHARES[0]),
        fr.Population(fr.PowerLaw(ATOMS, 0.5, trace=ATOMS), shifted, 0.2, SHARES[1]),
    ]
    amplification = fr.BiasAmplification(groups, n=ATOMS, ridge=RIDGE, features=ATOMS)
    setting = fr.AtRatios(amplification, phi=1.0, psi=1.0)

    def timed(axes: dict[str, Any]) -> tuple[float, Any]:
        start = time.perf_counter()
        found = fr.sweep(setting, axes, chunk=CHUNK, progress=True)
        return time.perf_counter() - start, found

    busy = time.process_time()
    whole, found = timed(axes(side))
    busy = time.process_time() - busy
    pixels = found["code"].size
    # One chunk costs a compilation too: what is left of it after the price of a chunk.
    one, _ = timed({**axes(CHUNK // 32), "psi": np.logspace(-2, 2, 32)})
    chunks = -(-pixels // CHUNK)
    each = max(whole - one, 0.0) / (chunks - 1)
    return {
        "pixels": pixels,
        "seconds": whole,
        "seconds of all cores": busy,
        "seconds without compilation": chunks * each,
        "microseconds per pixel": each / CHUNK * 1e6,
        "microseconds of all cores per pixel, with compilation": busy / pixels * 1e6,
        "certified": int(np.sum(found["code"].values == 0)),
        "NaN": int(np.sum(np.isnan(found["add"].values))),
        "largest residual": float(found["residual"].max()),
        "size of the result, MB": found.nbytes / 2**20,
        "peak memory, MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10,
        "ADD > 1": float(np.mean(found["add"].values > 1)),
    }


def in_a_process(side: int) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, str(Path(__file__)), str(side)], stdout=subprocess.PIPE, text=True, check=True
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def scipy_in_a_loop() -> dict[str, Any]:
    """Four fixed points a pixel, and no risk: the equations in e and tau in logarithms."""
    from tests.benchmarks.test_theory_speed import solve_by_root

    ranks = np.arange(1, ATOMS + 1.0)
    values = np.stack([ranks**-exponent / np.mean(ranks**-exponent) for exponent in (1.0, 0.5)])
    rng = np.random.default_rng(0)
    grid = axes(SIDES[1])
    solved, seconds, busy = 0, 0.0, time.process_time()
    for _ in range(IN_A_LOOP):
        phi, psi = rng.choice(grid["phi"]), rng.choice(grid["psi"])
        gamma, one = psi / phi, np.ones(1)
        models = [(values, np.array(SHARES), phi)] * 2  # tested on each group
        models += [(values[s : s + 1], one, phi / SHARES[s]) for s in range(2)]
        done = [solve_by_root(*model, gamma, RIDGE) for model in models]
        solved, seconds = solved + all(good for good, _ in done), seconds + sum(taken for _, taken in done)
    return {
        "microseconds per pixel": seconds / IN_A_LOOP * 1e6,
        "microseconds of all cores per pixel": (time.process_time() - busy) / IN_A_LOOP * 1e6,
        "solved": solved,
        "of": IN_A_LOOP,
    }


def test_phase_diagram(benchmark: Any) -> None:
    """Times, memory and ratio are printed, never asserted; that every pixel is certified is."""
    small = in_a_process(SIDES[0])
    large = benchmark.pedantic(in_a_process, args=(SIDES[1],), rounds=1)
    theirs = scipy_in_a_loop()
    report = {
        "small": small,
        "large": large,
        "growth of the peak, MB": large["peak memory, MB"] - small["peak memory, MB"],
        "scipy.optimize.root in a loop": theirs,
        "ratio": theirs["microseconds per pixel"] / large["microseconds per pixel"],
    }
    benchmark.extra_info.update(report)
    print(json.dumps(report, indent=2))
    for found in (small, large):
        assert found["certified"] == found["pixels"] and found["NaN"] == 0
        assert found["largest residual"] <= 1e-11


if __name__ == "__main__":
    print(json.dumps(diagram(int(sys.argv[1]))))
