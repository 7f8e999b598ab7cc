"""Expressions with numbers: spectra, products and sums of random matrices, spikes.

:mod:`tests.solvers.pencils.learning_cases` has the estimators.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from tests.solvers.pencils import oracles

import freeridge as fr
from freeridge.solvers.pencils.derive import Equations

n, m, k, d = fr.dims("n m k d")
lam, mu, z = fr.scalar("lambda"), fr.scalar("mu"), fr.scalar("z")
Sigma, Gamma = fr.deterministic("Sigma", d), fr.deterministic("Gamma", d)
w, v = fr.vector("w", d), fr.vector("v", d)
X = fr.gaussian("X", n, d, variance=1 / n)
M = X.T @ X
Q = (M + lam).inv()
trace = fr.normalized_trace


class Case(NamedTuple):
    """An expression, the numbers of its smallest size, and what is known of its limit."""

    derive: Callable[[], Equations]
    values: Mapping[str, Any]
    exact: Callable[[], Mapping[str, Any]] = dict
    scales: tuple[int, int] = (1, 2)
    replicates: int = 60
    fast: bool = False

    @property
    def equations(self) -> Equations:
        """Compiled once for all cases that share the expression."""
        return _derived(self.derive)


@cache
def _derived(derive: Callable[[], Equations]) -> Equations:
    return derive()


def three(d: int) -> fr.Eigenvalues:
    """Three eigenvalues, each on a third of the coordinates."""
    return fr.Eigenvalues([0.5, 1.0, 3.0], [d // 3] * 3)


def unit(d: int, seed: int) -> Any:
    """A vector of norm 1."""
    found = np.random.default_rng(seed).standard_normal(d)
    return found / np.linalg.norm(found)


def resolvent() -> Equations:
    return fr.derive(trace=trace(Q), square=trace(Q @ Q))


def kernel() -> Equations:
    return fr.derive(trace((X @ X.T + lam).inv()))


def anisotropic() -> Equations:
    A = fr.gaussian("X", n, d, variance=1 / n, column_covariance=Sigma)
    R = (A.T @ A + lam).inv()
    return fr.derive(trace=trace(R), weighted=trace(Sigma @ R))


def separable() -> Equations:
    rows = fr.deterministic("R", n)
    A = fr.gaussian("X", n, d, variance=1 / n, row_covariance=rows, column_covariance=Sigma)
    return fr.derive(trace=trace((A.T @ A + lam).inv()), kernel=trace((A @ A.T + lam).inv()))


def penalised() -> Equations:
    return fr.derive(trace=trace(Gamma @ (M + lam * Gamma).inv()))


def weighted() -> Equations:
    return fr.derive(trace=trace((X.T @ fr.deterministic("A", n) @ X + lam).inv()))


def product_of(count: int) -> Equations:
    factors = [fr.gaussian(f"Z{i}", d, d, variance=1 / d) for i in range(count)]
    P = fr.identity(d)
    for factor in factors:
        P = factor @ P
    return fr.derive(trace((P.T @ P + lam).inv()))


def two_factors() -> Equations:
    return product_of(2)


def three_factors() -> Equations:
    return product_of(3)


def wisharts() -> Equations:
    a, b = fr.scalar("a"), fr.scalar("b")
    Y = fr.gaussian("Y", m, d, variance=1 / m)
    R = (a * M + b * Y.T @ Y + lam).inv()
    return fr.derive(trace=trace(R), share=trace(a * M @ R))


def fisher() -> Equations:
    Y = fr.gaussian("Y", m, d, variance=1 / m)
    return fr.derive(trace((M + mu).inv() @ Y.T @ Y), trace_of_square=trace(((M + mu).inv() @ Y.T @ Y) ** 2))


def semicircle() -> Equations:
    Z = fr.gaussian("Z", d, d, variance=1 / (2 * d))
    return fr.derive(trace((Z + Z.T + Sigma - z).inv()))


def anticommutator() -> Equations:
    Z, Y = fr.gaussian("Z", d, d, variance=1 / (2 * d)), fr.gaussian("Y", d, d, variance=1 / (2 * d))
    A, B = Z + Z.T, Y + Y.T
    return fr.derive(trace((A @ B + B @ A - z).inv()))


def polynomial() -> Equations:
    return fr.derive(trace((M @ M + M + lam).inv()))


def nested() -> Equations:
    Y = fr.gaussian("Y", m, d, variance=1 / m)
    return fr.derive(trace((M + (Y.T @ Y + mu).inv() + lam).inv()))


def noisy_signal() -> Equations:
    Y = Sigma + fr.gaussian("Z", d, d, variance=fr.scalar("sigma2") / d)
    return fr.derive(trace((Y.T @ Y + lam).inv()))


def spiked() -> Equations:
    R = (M + fr.scalar("theta") * w @ w.T - z).inv()
    return fr.derive(
        along=fr.quadratic_form(w, R), across=fr.quadratic_form(v, R), mixed=fr.quadratic_form(v, R, w)
    )


def _marchenko_pastur(phi: float, ridge: Any) -> Callable[[], Mapping[str, Any]]:
    return lambda: dict(zip(("trace", "square"), oracles.marchenko_pastur(phi, ridge), strict=True))


def _spiked(d: int, phi: float, theta: float, z: complex) -> Callable[[], Mapping[str, Any]]:
    def exact() -> Mapping[str, Any]:
        found = oracles.marchenko_pastur(phi, -z)[0]
        overlap = float(unit(d, 1) @ unit(d, 2))
        along = oracles.spiked(found, theta, 1.0, 1.0)
        return {
            "along": along,
            "across": oracles.spiked(found, theta, 1.0, overlap),
            "mixed": along * overlap,
        }

    return exact


def _of_polynomial(phi: float, ridge: float) -> Mapping[str, Any]:
    gap = (1 - 4 * ridge) ** 0.5
    low, high = (1 - gap) / 2, (1 + gap) / 2
    return {"value": (oracles.marchenko_pastur(phi, low)[0] - oracles.marchenko_pastur(phi, high)[0]) / gap}


_INSIDE = 1.0 + 0.3j
_THREE = np.repeat([0.5, 1.0, 3.0], 4)

CASES: dict[str, Case] = {
    "Marchenko-Pastur, more samples": Case(
        resolvent, {"n": 60, "d": 30, "lam": 0.1}, _marchenko_pastur(0.5, 0.1), fast=True
    ),
    "Marchenko-Pastur, more dimensions": Case(
        resolvent, {"n": 30, "d": 60, "lam": 0.1}, _marchenko_pastur(2.0, 0.1), fast=True
    ),
    "Marchenko-Pastur, phi = 0.01": Case(
        resolvent, {"n": 1000, "d": 10, "lam": 0.1}, _marchenko_pastur(0.01, 0.1)
    ),
    "Marchenko-Pastur, phi = 100": Case(
        resolvent, {"n": 5, "d": 500, "lam": 0.1}, _marchenko_pastur(100.0, 0.1), replicates=40
    ),
    "Marchenko-Pastur, ridge 1e-6 near the threshold": Case(
        resolvent, {"n": 100, "d": 80, "lam": 1e-6}, _marchenko_pastur(0.8, 1e-6), replicates=100
    ),
    "Marchenko-Pastur, above the spectrum": Case(
        resolvent, {"n": 60, "d": 30, "lam": -4.0}, _marchenko_pastur(0.5, -4.0), fast=True
    ),
    "Marchenko-Pastur, complex": Case(
        resolvent, {"n": 60, "d": 30, "lam": -_INSIDE}, _marchenko_pastur(0.5, -_INSIDE), fast=True
    ),
    "kernel side": Case(
        kernel,
        {"n": 40, "d": 60, "lam": 0.2},
        lambda: {"value": 1.5 * oracles.marchenko_pastur(1.5, 0.2)[0] - 0.5 / 0.2},
        fast=True,
    ),
    "anisotropic sample covariance": Case(
        anisotropic,
        {"n": 50, "lam": 0.1, "Sigma": three(30)},
        lambda: dict(zip(("trace", "weighted"), oracles.resolvent(0.6, _THREE, 0.1), strict=True)),
        fast=True,
    ),
    "separable covariance": Case(
        separable,
        {"n": 50, "lam": 0.1, "R": fr.Eigenvalues([0.3, 1.7], [25, 25]), "Sigma": three(30)},
        lambda: dict(zip(("trace", "kernel"), oracles.separable(0.6, [0.3, 1.7], _THREE, 0.1), strict=True)),
    ),
    "generalised penalty": Case(
        penalised,
        {"n": 50, "lam": 0.1, "Gamma": three(30)},
        lambda: {"trace": oracles.resolvent(0.6, 1 / _THREE, 0.1)[0]},
    ),
    "weighted rows": Case(
        weighted,
        {"d": 30, "lam": 0.1, "A": fr.Eigenvalues([0.2, 1.0], [20, 40])},
        lambda: {"trace": oracles.wishart_sum([0.2 / 3, 2 / 3], [1.5, 0.75], 0.1)},
    ),
    "product of two": Case(
        two_factors,
        {"d": 40, "lam": 0.3},
        lambda: {"value": oracles.fuss_catalan(2, 0.3)},
        fast=True,
    ),
    "product of three": Case(
        three_factors, {"d": 40, "lam": 0.3}, lambda: {"value": oracles.fuss_catalan(3, 0.3)}
    ),
    "two Wisharts": Case(
        wisharts,
        {"n": 60, "m": 20, "d": 30, "a": 0.5, "b": 2.0, "lam": 0.1},
        lambda: {"trace": oracles.wishart_sum([0.5, 2.0], [0.5, 1.5], 0.1)},
        fast=True,
    ),
    "Fisher matrix": Case(
        fisher,
        {"n": 60, "m": 20, "d": 30, "mu": 0.2},
        lambda: {"value": oracles.marchenko_pastur(0.5, 0.2)[0]},
    ),
    "semicircle": Case(
        semicircle,
        {"d": 40, "Sigma": 0.0, "z": 0.5 + 0.5j},
        lambda: {"value": oracles.wigner([0.0], 1.0, 0.5 + 0.5j)},
    ),
    "semicircle plus deterministic": Case(
        semicircle,
        {"d": 40, "Sigma": np.repeat([-1.5, 1.0], 20), "z": 0.5 + 0.5j},
        lambda: {"value": oracles.wigner([-1.5, 1.0], 1.0, 0.5 + 0.5j)},
        fast=True,
    ),
    "anticommutator": Case(anticommutator, {"d": 40, "z": 0.7 + 0.6j}),
    "polynomial": Case(polynomial, {"n": 60, "d": 30, "lam": 0.1}, lambda: _of_polynomial(0.5, 0.1)),
    "nested inverse": Case(
        nested,
        {"n": 60, "m": 20, "d": 30, "lam": 0.1, "mu": 0.4},
        lambda: {"value": oracles.inside_inverse(0.5, 1.5, 0.4, 0.1)},
        fast=True,
    ),
    "signal plus noise": Case(
        noisy_signal,
        {"sigma2": 0.5, "lam": 0.2, "Sigma": three(30)},
        lambda: {"value": oracles.noisy_signal(_THREE, 0.5, 0.2)},
    ),
    "spike in the bulk": Case(
        spiked,
        {"n": 60, "theta": 0.4, "z": _INSIDE, "w": unit(30, 1), "v": unit(30, 2)},
        _spiked(30, 0.5, 0.4, _INSIDE),
    ),
    "spike out of the bulk": Case(
        spiked,
        {"n": 60, "theta": 6.0, "z": 4.5, "w": unit(30, 1), "v": unit(30, 2)},
        _spiked(30, 0.5, 6.0, 4.5),
        fast=True,
    ),
}
