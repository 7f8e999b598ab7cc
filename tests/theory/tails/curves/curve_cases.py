"""Shared by the tests of fitting: laws with known parameters, exact errors on Zipf data, coverage counts."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from scipy.special import gamma, gammainc, zeta

from freeridge.theory.tails.curves.comparison import fit_curve
from freeridge.theory.tails.curves.laws import laws_of
from freeridge.theory.tails.curves.loss_curve import LossCurve

SAMPLES = np.geomspace(10, 1e7, 30)
_SIZES = np.meshgrid(np.geomspace(10, 1e6, 6), *[np.array([10.0, 100.0, 1e3, 1e4])] * 2)
NOISE = 0.05


class Case(NamedTuple):
    """A law with its true parameters, and where it is measured."""

    law: str
    truth: tuple[float, ...]
    columns: dict[str, Any]
    generations: int | None = None

    def exact(self) -> tuple[np.ndarray, dict[str, float]]:
        """log E, and the true parameters and derived quantities."""
        T = self.columns["T"]
        law = laws_of(LossCurve(E=T**-0.5, **self.columns), self.generations)[self.law]
        values = np.array(self.truth)
        derived = {name: float(np.exp(log(values))) for name, log in law.derived.items()}
        return law.log_error(self.columns, values), {
            **dict(zip(law.names, self.truth, strict=True)),
            **derived,
        }

    def draws(self, key: int, count: int) -> Iterator[np.ndarray]:
        """Measured errors."""
        rng, exact = np.random.default_rng(key), self.exact()[0]
        for _ in range(count):
            yield np.exp(exact + NOISE * rng.standard_normal(len(exact)))


CASES = {
    "clean": Case("clean", (2.0, 0.35), {"T": SAMPLES}),
    "floor": Case("floor", (2.0, 0.35, 1e4), {"T": SAMPLES}),
    "cut": Case("cut", (2.0, 0.35, 1e4), {"T": SAMPLES}),
    "generations": Case("generations", (2.0, 0.35, 1e4), {"T": SAMPLES}),
    "three generations": Case("generations", (2.0, 0.35, 1e4), {"T": SAMPLES}, 3),
    "mixing": Case("mixing", (2.0, 0.4, 1e3, 0.01), {"T": SAMPLES}),
    "triplet": Case(
        "triplet", (1.0, 0.4, 0.5, 0.25, 0.8, 0.5), {n: m.ravel() for n, m in zip("Tdk", _SIZES, strict=True)}
    ),
}


def count_held(case: Case, key: int, trials: int) -> dict[str, int]:
    """In how many trials the 95 % interval of each quantity holds its true value."""
    truth = case.exact()[1]
    held = dict.fromkeys(truth, 0)
    for E in case.draws(key, trials):
        fit = fit_curve(E=E, law=case.law, generations=case.generations, **case.columns)
        for name, interval in {**fit.parameters, **fit.derived}.items():
            held[name] += interval.low <= truth[name] <= interval.high
    return held


def zipf_error(
    T: np.ndarray,
    beta: float,
    k: float = np.inf,
    share: float = 1.0,
    lineage: tuple[int, float] | None = None,
) -> np.ndarray:
    r"""Test error of memorised Zipf data: a sum over the first ranks, and the integral of the others.

    Ranks up to k are drawn with $p_i$, others with share times that. With a lineage (n, T_0) rank i is in the
    last draw with probability $1 - e^{-p_i T_0 c_n}$.
    """
    head, c = 20_000, 1 - 1 / beta
    p = np.arange(1, head + 1.0) ** -beta / zeta(beta)
    seen = np.where(np.arange(1, head + 1) <= k, p, share * p)
    if lineage is not None:
        rate = T / lineage[1]
        for _ in range(lineage[0]):
            rate = 1 - np.exp(-rate)
        T = lineage[1] * rate
        missed = np.exp(-np.multiply.outer(T, seen))
    else:
        missed = np.exp(np.multiply.outer(T, np.log1p(-seen)))
    edge, mass = (head + 0.5) ** -beta / zeta(beta), (head + 0.5) ** (1 - beta) / ((beta - 1) * zeta(beta))
    far = T if k > head else share * T
    rest = prefactor(beta) * far**-c * gammainc(c, far * edge) if np.all(far > 0) else mass
    return missed @ p + rest


def prefactor(beta: float) -> float:
    """A of the clean law."""
    c = 1 - 1 / beta
    return float(zeta(beta) ** (-1 / beta) * gamma(c) / beta)
