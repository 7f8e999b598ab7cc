"""Draws of expressions: against arrays written by hand, against the pencil, and what is refused."""

from typing import Any

import numpy as np
import pytest

import freeridge as fr
from freeridge.solvers.pencils.derive import Equations
from freeridge.solvers.pencils.draws.sampling import simulate

n, d = fr.dims("n d")
lam, z = fr.scalar("lambda"), fr.scalar("z")
Sigma, Gamma = fr.deterministic("Sigma", d), fr.deterministic("Gamma", d)
w, v = fr.vector("w", d), fr.vector("v", d)
X = fr.gaussian("X", n, d, variance=1 / n, column_covariance=Sigma)
Q = (X.T @ X + lam).inv()


@pytest.fixture(scope="module")
def ridge() -> Equations:
    return fr.derive(
        risk=lam**2 * fr.quadratic_form(w, Q @ Sigma @ Q),
        variance=fr.trace(Q @ Sigma @ Q @ X.T @ X) / n,
        constant=fr.normalized_trace(Q) * 0 + 3,
    )


VALUES: dict[str, Any] = {
    "n": 12,
    "lam": 0.2,
    "Sigma": fr.Eigenvalues([1.0, 3.0], [4, 4]),
    "w": np.arange(8.0),
}


def test_draws_are_those_of_arrays(ridge: Equations) -> None:
    estimate = simulate(ridge, 5, 3, **VALUES)
    covariance, weights = np.diag(np.repeat([1.0, 3.0], 4)), np.arange(8.0)
    for r in range(3):
        seed = np.random.SeedSequence((5,), spawn_key=(r,))
        rows = np.random.default_rng(seed).standard_normal((12, 8)) / 12**0.5 @ np.sqrt(covariance)
        inverse = np.linalg.inv(rows.T @ rows + 0.2 * np.eye(8))
        product = inverse @ covariance @ inverse
        np.testing.assert_allclose(estimate.values["risk"][r], 0.04 * weights @ product @ weights, rtol=1e-12)
        np.testing.assert_allclose(
            estimate.values["variance"][r], np.trace(product @ rows.T @ rows) / 12, rtol=1e-12
        )
    assert np.all(estimate.values["constant"] == 3.0)
    assert (estimate.replicates, estimate.sizes) == (3, {"d": 8, "n": 12})
    error = estimate.values["risk"].std(ddof=1) / 3**0.5
    np.testing.assert_allclose(estimate.standard_error["risk"], error)


@pytest.mark.parametrize("ridge_value", [0.2, 0.2 + 0.1j])
def test_the_pencil_gives_the_same_draws(ridge: Equations, ridge_value: complex) -> None:
    values: dict[str, Any] = {**VALUES, "lam": ridge_value, "Sigma": _correlated(8)}
    written, bare = (simulate(eq, 1, 4, **values) for eq in (ridge, Equations(ridge.pencil)))
    for name, expected in written.values.items():
        np.testing.assert_allclose(bare.values[name], expected, rtol=1e-10)


def test_a_pencil_with_powers_of_sums() -> None:
    root = fr.sqrt(Sigma + 2 * Gamma)
    Y = fr.gaussian("Y", d, d, variance=1 / d)
    eq = fr.derive(fr.trace((root @ Y.T @ Sigma @ Y @ root + (Gamma + 1).inv()).inv() @ Gamma**2))
    values: dict[str, Any] = {"Sigma": _correlated(6), "Gamma": np.arange(1.0, 7.0)}
    written, bare = (simulate(one, 1, 4, **values) for one in (eq, Equations(eq.pencil)))
    np.testing.assert_allclose(bare.values["value"], written.values["value"], rtol=1e-10)


@pytest.mark.parametrize("dense", [False, True])
def test_deterministic_expressions_are_exact(dense: bool) -> None:
    eq = fr.derive(
        powers=fr.trace(Sigma**3 @ Sigma ** (-1)),
        roots=fr.trace(fr.sqrt(Sigma) @ Gamma @ fr.sqrt(Sigma)),
        sums=fr.normalized_trace((Sigma @ Gamma + Gamma @ Sigma - 2 * fr.identity(d)) / 4),
        solved=fr.quadratic_form(w, (Sigma + Gamma).inv(), v) + 1,
        outer=fr.trace(Gamma @ w @ v.T @ Sigma),
    )
    S = _correlated(5) if dense else np.diag(np.arange(1.0, 6.0))
    G, a, b = np.diag([2.0, 2.0, 1.0, 1.0, 3.0]), np.arange(5.0), np.ones(5)
    values: dict[str, Any] = {"Sigma": S if dense else np.diag(S), "Gamma": np.diag(G), "w": a, "v": b}
    estimate = simulate(eq, 0, 2, **values)
    expected = {
        "powers": np.trace(S @ S),
        "roots": np.trace(S @ G),
        "sums": (2 * np.trace(S @ G) - 10) / 20,
        "solved": a @ np.linalg.inv(S + G) @ b + 1,
        "outer": b @ S @ G @ a,
    }
    for name, value in expected.items():
        np.testing.assert_allclose(estimate.values[name], value, rtol=1e-12)


def test_covariances_and_their_eigenvalues_draw_alike(ridge: Equations) -> None:
    covariance = fr.TwoAtoms(8, values=(1.0, 3.0), fraction=0.5)
    forms = (covariance, np.asarray(covariance.coordinates()))
    first, second = (simulate(ridge, 0, 2, **{**VALUES, "Sigma": form}) for form in forms)
    np.testing.assert_array_equal(first.values["variance"], second.values["variance"])


def test_complex_traces_have_an_error_for_each_part() -> None:
    eq = fr.derive(fr.normalized_trace((X.T @ X - z).inv()))
    estimate = simulate(eq, 0, 10, n=12, Sigma=np.ones(8), z=1 + 0.5j)
    draws = estimate.values["value"]
    error = draws.real.std(ddof=1) + 1j * draws.imag.std(ddof=1)
    np.testing.assert_allclose(estimate.standard_error["value"], error / 10**0.5)
    np.testing.assert_allclose(estimate.value, draws.mean())


@pytest.mark.parametrize(
    ("change", "field"),
    [({"n": 12.5}, "n"), ({"n": 0.5}, "n"), ({"lam": "large"}, "lam"), ({"mu": 1.0}, "mu")],
)
def test_what_cannot_be_drawn_is_refused(ridge: Equations, change: dict[str, Any], field: str) -> None:
    with pytest.raises(fr.InvalidSetting, match=field):
        simulate(ridge, 0, 2, **{**VALUES, **change})


def test_variances_are_positive() -> None:
    Y = fr.gaussian("Y", n, d, variance=fr.scalar("s") / n)
    eq = fr.derive(fr.trace((Y.T @ Y + 1).inv()))
    with pytest.raises(fr.InvalidSetting, match="variance of Y"):
        simulate(eq, 0, 2, n=4, d=3, s=-1.0)


def test_a_symbol_that_cancels_is_named() -> None:
    eq = fr.derive(fr.trace(X.T @ X + Gamma - Gamma))
    with pytest.raises(fr.InvalidSetting, match="Gamma"):
        simulate(eq, 0, 2, n=4, Sigma=np.ones(3))


def _correlated(size: int) -> np.ndarray:
    return 0.5 ** abs(np.subtract.outer(np.arange(float(size)), np.arange(float(size))))
