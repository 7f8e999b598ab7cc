"""Expressions with numbers: estimators and their risks."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from tests.solvers.pencils import oracles
from tests.solvers.pencils.cases import Case, M, Q, Sigma, X, d, k, lam, m, n, three, trace, unit, w

import freeridge as fr
from freeridge.solvers.pencils.derive import Equations

form = fr.quadratic_form
n1, n2, n12 = fr.dims("n1 n2 n12")
rows = n1 + n2
Sigma1, Sigma2, Theta = (fr.deterministic(name, d) for name in ("Sigma1", "Sigma2", "Theta"))
X1 = fr.gaussian("X1", n1, d, variance=1 / rows, column_covariance=Sigma1)
X2 = fr.gaussian("X2", n2, d, variance=1 / rows, column_covariance=Sigma2)
M1, M2 = X1.T @ X1, X2.T @ X2
S = fr.gaussian("S", d, m, variance=1 / d)
w1, w2 = fr.vector("w1", d), fr.vector("w2", d)
noise = fr.scalar("noise")
PLAIN = (M1 + M2 + lam).inv()
PROJECTED = S @ (S.T @ (M1 + M2) @ S + lam).inv() @ S.T


def ridge_risk() -> Equations:
    A = fr.gaussian("X", n, d, variance=1 / n, column_covariance=Sigma)
    R = (A.T @ A + lam).inv()
    return fr.derive(
        bias=lam**2 * form(w, R @ Sigma @ R), variance=noise * fr.trace(R @ Sigma @ R @ A.T @ A) / n
    )


def shifted_risk() -> Equations:
    A = fr.gaussian("X", n, d, variance=1 / n, column_covariance=Sigma)
    R = (A.T @ A + lam).inv()
    return fr.derive(
        bias=lam**2 * form(w, R @ Theta @ R), variance=noise * fr.trace(R @ Theta @ R @ A.T @ A) / n
    )


def six_traces(R: Any) -> Equations:
    return fr.derive(
        first=trace(R @ M1 @ Theta),
        second=trace(M2 @ R @ M1 @ Theta),
        same=trace(M1 @ R @ M1 @ Theta),
        response=trace(M1 @ R @ Sigma1 @ R),
        across=trace(M2 @ R @ Sigma1 @ R @ M1 @ Theta),
        within=trace(M1 @ R @ Sigma1 @ R @ M1 @ Theta),
    )


def six_plain() -> Equations:
    return six_traces(PLAIN)


def six_projected() -> Equations:
    return six_traces(PROJECTED)


def mixture_risk(R: Any) -> Equations:
    miss = R @ (M1 @ w1 + M2 @ w2) - w1
    return fr.derive(
        systematic=form(miss, Sigma1), variance=noise * fr.trace((M1 + M2) @ R @ Sigma1 @ R) / rows
    )


def mixture_plain() -> Equations:
    return mixture_risk(PLAIN)


def mixture_projected() -> Equations:
    return mixture_risk(PROJECTED)


def random_features() -> Equations:
    """The Gaussian equivalent of a non-linear feature map: a linear part and noise; labels are averaged over
    their direction, here and below, so that a draw fluctuates less.
    """
    a, b = fr.scalar("a"), fr.scalar("b")
    W, N = fr.gaussian("W", d, m, variance=1 / d), fr.gaussian("N", n, m, variance=1 / n)
    F = a * X @ W + b * N
    eta = (F.T @ F + lam).inv() @ F.T @ X
    miss = fr.identity(d) - a * W @ eta
    return fr.derive(
        risk=trace(miss.T @ miss) + b**2 * trace(eta.T @ eta),
        training=trace(X.T @ (F @ F.T + lam).inv() @ X),
    )


def training_error() -> Equations:
    residual = lam * (X @ X.T + lam).inv() @ fr.gaussian("e", n, 1, variance=noise / n)
    return fr.derive(residual.T @ residual)


def ensemble() -> Equations:
    total = n1 + n12
    parts = {
        name: fr.gaussian(name, size, d, variance=1 / total, column_covariance=Sigma)
        for name, size in (("X1", n1), ("X2", n2), ("X12", n12))
    }
    shared = parts["X12"].T @ parts["X12"]
    Q1 = (parts["X1"].T @ parts["X1"] + shared + lam).inv()
    Q2 = (parts["X2"].T @ parts["X2"] + shared + lam).inv()
    return fr.derive(
        bias=lam**2 * trace(Q1 @ Sigma @ Q2), variance=noise * fr.trace(Q1 @ Sigma @ Q2 @ shared) / total
    )


def two_layers() -> Equations:
    S2 = fr.gaussian("S2", m, k, variance=1 / m)
    P = S @ S2
    R = P @ (P.T @ M @ P + lam).inv() @ P.T
    miss = R @ M - fr.identity(d)
    return fr.derive(
        freedom=trace(M @ R), bias=trace(miss.T @ miss), variance=noise * fr.trace(R @ R @ M) / n
    )


def distillation() -> Equations:
    """A student on the predictions of a teacher: on rows of its own, and on the teacher's."""
    Y = fr.gaussian("Y", m, d, variance=1 / m)
    teacher, student = Q @ M, (Y.T @ Y + fr.scalar("mu")).inv() @ Y.T @ Y
    own, same = fr.identity(d) - student @ teacher, fr.identity(d) - teacher @ teacher
    return fr.derive(own=trace(own.T @ own), same=trace(same.T @ same))


def fine_tuning() -> Equations:
    """Ridge towards what was learned on other data instead of towards zero."""
    mu = fr.scalar("mu")
    start = (M1 + lam).inv() @ M1 @ w1
    found = (M2 + mu).inv() @ (M2 @ w2 + mu * start)
    return fr.derive(form(found - w2, Sigma2))


def _commuting(d: int) -> dict[str, Any]:
    return {
        "Sigma1": fr.Eigenvalues([0.5, 1.0, 3.0], [d // 3] * 3),
        "Sigma2": fr.Eigenvalues([2.0, 0.3, 1.0], [d // 3] * 3),
        "Theta": fr.Eigenvalues([1.0, 2.0], [d // 2] * 2),
    }


def _dense(d: int) -> dict[str, Any]:
    """Covariances that do not commute."""

    def matrix(seed: int) -> np.ndarray:
        basis, _ = np.linalg.qr(np.random.default_rng(seed).standard_normal((d, d)))
        return (basis * np.geomspace(0.4, 2.5, d)) @ basis.T

    return {"Sigma1": matrix(1), "Sigma2": matrix(2), "Theta": matrix(3)}


def _sizes(d: int, **more: Any) -> dict[str, Any]:
    return {"n1": d // 2, "n2": d, "lam": 0.1, **more}


def _labeled(values: Mapping[str, Any], d: int) -> dict[str, Any]:
    risk = {name: value for name, value in values.items() if name != "Theta"}
    return {**risk, "w1": unit(d, 1), "w2": unit(d, 2), "noise": 0.5}


def _covariance(value: Any) -> Any:
    return fr.Dense(value) if isinstance(value, np.ndarray) else value


def _mixture(values: Mapping[str, Any]) -> Callable[[], Mapping[str, Any]]:
    """The risk by the specialised solver."""

    def exact() -> Mapping[str, Any]:
        total = values["n1"] + values["n2"]
        populations = [
            fr.Population(
                _covariance(values[f"Sigma{s}"]), values[f"w{s}"], values["noise"], values[f"n{s}"] / total
            )
            for s in (1, 2)
        ]
        found = fr.RidgeMixture(populations, total, values["lam"], values.get("m")).predict()
        return {"systematic": float(found.risk - found.variance), "variance": float(found.variance)}

    return exact


def _ridge(values: Mapping[str, Any]) -> Callable[[], Mapping[str, Any]]:
    """One population, tested on itself or on another covariance."""

    def exact() -> Mapping[str, Any]:
        train = fr.Population(_covariance(values["Sigma"]), values["w"], values["noise"], 1.0)
        test = fr.Population(_covariance(values.get("Theta", values["Sigma"])), values["w"])
        found = fr.RidgeMixture([train], values["n"], values["lam"]).predict(test)
        return {"bias": float(found.bias), "variance": float(found.variance)}

    return exact


def _six(values: Mapping[str, Any]) -> Callable[[], Mapping[str, Any]]:
    """The traces by the deterministic equivalents of the mixture."""

    def exact() -> Mapping[str, Any]:
        matrices = [_matrix(values[name]) for name in ("Sigma1", "Sigma2", "Theta")]
        total, size = values["n1"] + values["n2"], len(matrices[0])
        return oracles.mixture_traces(
            matrices[:2],
            matrices[2],
            [values["n1"] / total, values["n2"] / total],
            size / total,
            values["m"] / size if "m" in values else None,
            values["lam"],
        )

    return exact


def _matrix(value: Any) -> np.ndarray:
    return value if isinstance(value, np.ndarray) else np.diag(np.asarray(value.coordinates()))


_RIDGE = {"n": 50, "Sigma": three(30), "w": unit(30, 1), "lam": 0.1, "noise": 0.5}
_SHIFTED = {
    "n": 9,
    "Sigma": _dense(6)["Sigma1"],
    "Theta": _dense(6)["Theta"],
    "w": unit(6, 1),
    "lam": 0.1,
    "noise": 0.5,
}
_SIX = _sizes(30, **_commuting(30))
_SIX_DENSE = _sizes(6, **_dense(6))
_PLAIN = _labeled(_SIX, 30)
_PROJECTED = {**_PLAIN, "m": 24}
_DENSE = _labeled(_SIX_DENSE, 6)
_DENSE_PROJECTED = {**_DENSE, "m": 5}


def _two_layers() -> Mapping[str, Any]:
    return {"freedom": oracles.two_layers(0.6, 0.8, 1.5, 0.1)}


def _distillation() -> Mapping[str, Any]:
    """Q M of teacher and student are free of each other: traces of products are products of traces."""

    def moments(phi: float, ridge: float) -> tuple[float, float]:
        first, second = oracles.marchenko_pastur(phi, ridge)
        return 1 - ridge * first, 1 - 2 * ridge * first + ridge**2 * second

    teacher, student = moments(0.6, 0.1), moments(1.0, 0.3)
    return {"own": 1 - 2 * teacher[0] * student[0] + teacher[1] * student[1]}


CASES: dict[str, Case] = {
    "ridge": Case(ridge_risk, _RIDGE, _ridge(_RIDGE), fast=True),
    "ridge under covariate shift": Case(shifted_risk, _SHIFTED, _ridge(_SHIFTED), (6, 12)),
    "six traces": Case(six_plain, _SIX, _six(_SIX)),
    "six traces, not commuting": Case(six_plain, _SIX_DENSE, _six(_SIX_DENSE), (6, 12)),
    "six traces through projections": Case(six_projected, {**_SIX, "m": 24}, _six({**_SIX, "m": 24})),
    "six traces through projections, not commuting": Case(
        six_projected, {**_SIX_DENSE, "m": 5}, _six({**_SIX_DENSE, "m": 5}), (6, 12)
    ),
    "mixture risk": Case(mixture_plain, _PLAIN, _mixture(_PLAIN)),
    "mixture risk, not commuting": Case(mixture_plain, _DENSE, _mixture(_DENSE), (6, 12)),
    "mixture risk through projections": Case(mixture_projected, _PROJECTED, _mixture(_PROJECTED)),
    "mixture risk through projections, not commuting": Case(
        mixture_projected, _DENSE_PROJECTED, _mixture(_DENSE_PROJECTED), (6, 12)
    ),
    "random features": Case(random_features, {"n": 60, "m": 45, "d": 30, "a": 0.8, "b": 0.6, "lam": 0.05}),
    "training error": Case(
        training_error,
        {"n": 40, "d": 60, "lam": 0.2, "noise": 0.5},
        lambda: {"value": 0.5 * (1.5 * 0.2**2 * oracles.marchenko_pastur(1.5, 0.2)[1] + 1 - 1.5)},
        fast=True,
    ),
    "subsampled ensemble": Case(
        ensemble,
        {"n1": 20, "n2": 20, "n12": 30, "Sigma": three(30), "lam": 0.1, "noise": 0.5},
    ),
    "two layers": Case(
        two_layers, {"n": 50, "m": 24, "k": 36, "d": 30, "lam": 0.1, "noise": 0.5}, _two_layers
    ),
    "distillation": Case(distillation, {"n": 50, "m": 30, "d": 30, "lam": 0.1, "mu": 0.3}, _distillation),
    "fine-tuning": Case(
        fine_tuning,
        {**{q: _PLAIN[q] for q in ("Sigma1", "Sigma2", "w1", "w2", "lam", "n1", "n2")}, "mu": 0.4},
        replicates=600,
    ),
}
