"""Expressions whose equations are read, printed and solved in several tests, each with a point."""

from functools import cache
from typing import Any, NamedTuple

import numpy as np

import freeridge as fr
from freeridge.solvers.pencils.derive import Equations
from freeridge.solvers.pencils.equations.reduced_equations import ReducedEquations, reduce_equations

n, d, m = fr.dims("n d m")
lam = fr.scalar("lambda")
Sigma, Theta = fr.deterministic("Sigma", d), fr.deterministic("Theta", d)
w, v = fr.vector("w", d), fr.vector("v", d)
SIZE = 20


class Written(NamedTuple):
    equations: Equations
    reduced: ReducedEquations
    values: dict[str, Any]


def _written(values: dict[str, Any], **traces: Any) -> Written:
    equations = fr.derive(**traces)
    return Written(equations, reduce_equations(equations.merged, equations.symbols), values)


def _random(seed: int) -> dict[str, Any]:
    random = np.random.default_rng(seed)
    squares = random.standard_normal((2, SIZE, 2 * SIZE))
    matrices = squares @ squares.transpose(0, 2, 1) / (2 * SIZE)
    return {
        "Sigma": matrices[0],
        "Theta": matrices[1],
        "w": random.standard_normal(SIZE) / SIZE**0.5,
        "v": random.standard_normal(SIZE) / SIZE**0.5,
    }


@cache
def marchenko_pastur() -> Written:
    X = fr.gaussian("X", n, d, variance=1 / n)
    return _written({"n": 200, "d": 100, "lam": 0.5}, value=fr.normalized_trace((X.T @ X + lam).inv()))


@cache
def ridge() -> Written:
    X = fr.gaussian("X", n, d, variance=1 / n, column_covariance=Sigma)
    Q = (X.T @ X + lam).inv()
    return _written(
        {"n": 90, "lam": 0.1, "Sigma": fr.PowerLaw(60, exponent=1), "w": np.ones(60) / 8},
        bias=lam**2 * fr.quadratic_form(w, Q @ Sigma @ Q),
        variance=fr.trace(Q @ Sigma @ Q @ X.T @ X) / n,
    )


@cache
def projections() -> Written:
    S = fr.gaussian("S", d, m, variance=1 / d)
    X = fr.gaussian("Z", n, d, variance=1 / n) @ fr.sqrt(Sigma)
    M = X.T @ X
    Q = S @ (S.T @ M @ S + lam).inv() @ S.T
    R = fr.identity(d) - Q @ M
    return _written(
        {"n": 90, "m": 45, "lam": 0.05, "Sigma": fr.PowerLaw(60, exponent=1), "w": np.ones(60) / 8},
        bias=fr.quadratic_form(w, R.T @ Sigma @ R),
        variance=fr.trace(Q @ Sigma @ Q @ M) / n,
    )


@cache
def two_populations() -> Written:
    n1, n2 = fr.dims("n1 n2")
    X = fr.gaussian("X", n1, d, variance=1 / n, column_covariance=Sigma)
    Y = fr.gaussian("Y", n2, d, variance=1 / n, column_covariance=Theta)
    M = X.T @ X + Y.T @ Y
    Q = (M + lam).inv()
    return _written(
        {"n": 50, "n1": 30, "n2": 20, "lam": 0.1, **_random(1)},
        bias=lam**2 * fr.quadratic_form(w, Q @ Sigma @ Q),
        variance=fr.trace(Q @ Sigma @ Q @ M) / n,
        cross=fr.quadratic_form(w, Q @ Sigma @ Q @ Y.T @ Y, v),
    )


@cache
def nested() -> Written:
    mu = fr.scalar("mu")
    X = fr.gaussian("X", n, d, variance=1 / n, column_covariance=Sigma)
    Y = fr.gaussian("Y", m, d, variance=1 / m, column_covariance=Theta)
    values = {"n": 60, "m": 30, "lam": 0.1, "mu": 0.2, **_random(2)}
    matrix = (X.T @ X + (Y.T @ Y + mu).inv() + lam).inv() @ Sigma
    return _written(
        {name: value for name, value in values.items() if name not in "wv"}, value=fr.normalized_trace(matrix)
    )


@cache
def shifted_root() -> Written:
    """A power of a sum of matrices, and a rank-one term."""
    X = fr.gaussian("X", n, d, variance=1 / n, column_covariance=Sigma + Theta)
    Q = (X.T @ X + w @ w.T + lam).inv()
    values = {"n": 30, "lam": 0.3, **_random(3)}
    return _written(values, value=fr.quadratic_form(v, Q), shrunk=fr.normalized_trace(Q @ Theta))
