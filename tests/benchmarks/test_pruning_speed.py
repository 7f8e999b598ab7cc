"""Price of a phase diagram of curation: four rules at 512 x 512 qualities of generator and oracle.

Against what there is without the library: moments by ``scipy.integrate.quad``, the fixed point by
``scipy.optimize.brentq``, one pixel after the other. Run by itself with a number of points per axis,
this file draws one diagram and prints what it cost as JSON: peak memory is that of a process of its own.
"""

import itertools
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

PHI, RIDGE, SHARE, SIDE, PIXELS = 0.05, 1e-3, 0.3, 512, 8


def diagram(side: int) -> dict[str, Any]:
    import resource

    import jax

    jax.config.update("jax_enable_x64", True)
    import freeridge as fr
    from freeridge.theory.pruning.phases import curation_phases

    rules = {
        "all": fr.KeepRandom(),
        "hard": fr.KeepHard(SHARE),
        "easy": fr.KeepEasy(SHARE),
        "correct and hard": fr.KeepCorrect(fr.KeepHard(SHARE)),
    }
    settings = {name: fr.PrunedClassifier(PHI, RIDGE, keep=rule) for name, rule in rules.items()}
    axis = np.linspace(0.0, 1.0, side)
    start, busy = time.perf_counter(), time.process_time()
    found = curation_phases(settings, {"rho": axis, "rho_star": axis})
    seconds = time.perf_counter() - start
    rng = np.random.default_rng(0)
    places = rng.integers(side, size=(PIXELS, 2))
    return {
        "pixels": side * side,
        "seconds": seconds,
        "seconds of all cores": time.process_time() - busy,
        "microseconds per pixel": seconds / side**2 * 1e6,
        "certified": int(np.sum(found.best.values >= 0)),
        "largest residual": float(found.residual.max()),
        "peak memory, MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10,
        "sample": [[axis[i], axis[j], *map(float, found.error.values[:, i, j])] for i, j in places],
    }


def scipy_error(rho: float, rho_star: float, right: Any, wrong: Any) -> float:
    """Test error of one rule, from chances of a row with the oracle's label and of another one."""
    from scipy.integrate import quad
    from scipy.optimize import brentq
    from scipy.special import ndtr, ndtri
    from scipy.stats import norm

    rho_oracle = rho * rho_star
    rest = np.sqrt(1.0 - rho_oracle**2)
    tau = rho_oracle / rest if rest > 0 else np.inf
    ends = [0.0, *ndtri([0.5 + 0.5 * SHARE, 1.0 - 0.5 * SHARE]), 9.0]  # the rules jump between them

    def integral(of: Any) -> float:
        def both(t: float) -> float:
            up, bell = (ndtr(tau * t), norm.pdf(tau * t)) if np.isfinite(tau) else (1.0, 0.0)
            turn = tau * t * bell if bell > 0 else 0.0
            kept, other = right(t), wrong(t)
            return float(norm.pdf(t) * of(t, up, bell, turn, kept, other))

        # By symmetry scores > 0 alone, twice.
        parts = [quad(both, low, high, epsabs=1e-13)[0] for low, high in itertools.pairwise(ends)]
        return 2.0 * sum(parts)

    p = integral(lambda t, up, bell, turn, k, o: k * up + o * (1 - up))
    s11 = integral(lambda t, up, bell, turn, k, o: t * t * (k * up + o * (1 - up)))
    s12 = integral(lambda t, up, bell, turn, k, o: t * (k - o) * bell)
    s22 = integral(lambda t, up, bell, turn, k, o: k * (up - turn) + o * (1 - up + turn))
    c1 = integral(lambda t, up, bell, turn, k, o: t * (k * up - o * (1 - up)))
    c2 = integral(lambda t, up, bell, turn, k, o: (k + o) * bell)
    e = brentq(lambda e: e * (1 + PHI / (p * e + RIDGE)) - 1, 1e-12, 1.0, xtol=1e-15)
    second, c = np.array([[s11, s12], [s12, s22]]), np.array([c1, c2])
    w = np.linalg.solve(e * second + RIDGE * np.eye(2), e * c)
    r2, big = p - 2 * c @ w + w @ second @ w, 1 / (p * e + RIDGE)
    slope = e**2 * PHI * big**2 / (1 - p * PHI * e**2 * big**2)
    noise = PHI * r2 / p * (big - RIDGE * (1 + p * slope) * big**2)
    truth = np.array([rho_star, (rho - rho_oracle * rho_star) / rest if rest > 0 else 0.0])
    return float(np.arccos(truth @ w / np.sqrt(w @ w + noise)) / np.pi)


def scipy_in_a_loop(sample: list[list[float]]) -> dict[str, Any]:
    from scipy.special import ndtri

    cut = ndtri(0.5 + 0.5 * SHARE)

    def every(t: float) -> float:
        return 1.0

    def hard(t: float) -> float:
        return float(t <= cut)

    def easy(t: float) -> float:
        return float(t > -ndtri(0.5 * SHARE))

    def none(t: float) -> float:
        return 0.0

    start, worst = time.perf_counter(), 0.0
    for rho, rho_star, *ours in sample:
        theirs = [
            scipy_error(rho, rho_star, right, wrong)
            for right, wrong in ((every, every), (hard, hard), (easy, easy), (hard, none))
        ]
        worst = max(worst, float(np.max(np.abs(np.array(theirs) - np.array(ours)))))
    seconds = time.perf_counter() - start
    return {"microseconds per pixel": seconds / len(sample) * 1e6, "largest difference": worst}


def test_phase_diagram_of_curation(benchmark: Any) -> None:
    """Times, memory and ratio are printed, never asserted; that every pixel is certified and right is."""

    def large() -> dict[str, Any]:
        words = [sys.executable, str(Path(__file__)), str(SIDE)]
        done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return found

    ours = benchmark.pedantic(large, rounds=1)
    theirs = scipy_in_a_loop(ours.pop("sample"))
    ratio = theirs["microseconds per pixel"] / ours["microseconds per pixel"]
    report = {"512 x 512": ours, "scipy in a loop": theirs, "ratio": ratio}
    benchmark.extra_info.update(report)
    print(json.dumps(report, indent=2))
    assert ours["certified"] == ours["pixels"] and ours["largest residual"] <= 1e-10
    assert theirs["largest difference"] <= 1e-7


if __name__ == "__main__":
    print(json.dumps(diagram(int(sys.argv[1]))))
