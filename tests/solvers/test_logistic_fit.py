"""Fits on real rows: against scikit-learn, scipy's minimisers, and the conditions of an optimum."""

import numpy as np
import pytest
from scipy import optimize
from scipy.special import expit

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.logistic_fit import fit_hard_margin, fit_logistic


def draw(n: int, d: int, key: int = 0) -> np.ndarray:
    """Rows signed by their label, with a mean along the first coordinate."""
    rows = np.random.default_rng(key).standard_normal((n, d))
    rows[:, 0] += 1.0
    return rows


@pytest.mark.parametrize("shape", [(60, 20), (30, 50)])
def test_logistic_regression_is_that_of_sklearn(shape: tuple[int, int]) -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    (n, d), penalty = shape, 0.03
    rows = draw(n, d)
    labels = np.where(np.random.default_rng(1).random(n) < 0.5, 1.0, -1.0)
    theirs = linear_model.LogisticRegression(
        C=1.0 / (n * penalty), fit_intercept=False, tol=1e-12, max_iter=10_000
    ).fit(labels[:, None] * rows, labels)
    np.testing.assert_allclose(fit_logistic(rows, penalty), theirs.coef_[0], rtol=0, atol=1e-6)


@pytest.mark.parametrize("shape", [(60, 20), (30, 50)])
def test_shifts_and_weights_are_in_the_loss(shape: tuple[int, int]) -> None:
    """By a general minimiser, and its gradient is zero."""
    (n, d), penalty = shape, 0.02
    rows, rng = draw(n, d), np.random.default_rng(2)
    shifts, importances = rng.normal(0.0, 2.0, n), rng.uniform(0.1, 4.0, n)

    def loss(w: np.ndarray) -> tuple[float, np.ndarray]:
        margins = rows @ w + shifts
        value = np.mean(importances * np.logaddexp(0.0, -margins)) + 0.5 * penalty * w @ w
        return float(value), penalty * w - (importances * expit(-margins)) @ rows / n

    found = fit_logistic(rows, penalty, shifts, importances)
    theirs = optimize.minimize(loss, np.zeros(d), jac=True, method="BFGS", options={"gtol": 1e-9}).x
    np.testing.assert_allclose(found, theirs, rtol=0, atol=1e-6)
    assert np.abs(loss(found)[1]).max() < 1e-8


def test_more_columns_than_rows_are_no_other_problem() -> None:
    """Columns of zeros change the way of solution, and not the weights."""
    rows, shifts = draw(30, 20), np.linspace(-1.0, 1.0, 30)
    padded = np.concatenate([rows, np.zeros((30, 20))], axis=1)
    found = fit_logistic(padded, 1e-3, shifts)
    np.testing.assert_allclose(found[:20], fit_logistic(rows, 1e-3, shifts), rtol=1e-6, atol=1e-8)
    assert np.all(found[20:] == 0.0)


@pytest.mark.parametrize("shape", [(40, 60), (60, 12)])
def test_hard_margin_is_the_support_vector_machine(shape: tuple[int, int]) -> None:
    svm = pytest.importorskip("sklearn.svm")
    n, d = shape
    rows = draw(n, d)
    if n > d:
        rows[:, 0] = np.abs(rows[:, 0]) + 0.2  # separable
    labels = np.where(np.arange(n) % 2, 1.0, -1.0)
    both = np.concatenate([labels, -labels])  # every row once more with the other label: no intercept
    inputs = both[:, None] * np.concatenate([rows, rows])
    model = svm.SVC(C=1e8, kernel="linear", tol=1e-10).fit(inputs, both)
    found = fit_hard_margin(rows)
    assert abs(float(model.intercept_[0])) < 1e-6
    np.testing.assert_allclose(found, model.coef_[0], rtol=0, atol=1e-5 * np.abs(found).max())


@pytest.mark.parametrize("shape", [(25, 30), (40, 6)])
def test_hard_margin_solves_its_programme(shape: tuple[int, int]) -> None:
    """By sequential quadratic programming, and by the conditions of Karush, Kuhn and Tucker."""
    n, d = shape
    rows = draw(n, d, key=4)
    rows[:, 0] = np.abs(rows[:, 0]) + 0.3
    found = fit_hard_margin(rows)
    constraint = {"type": "ineq", "fun": lambda w: rows @ w - 1.0, "jac": lambda w: rows}
    theirs = optimize.minimize(
        lambda w: 0.5 * w @ w,
        np.zeros(d),
        jac=lambda w: w,
        constraints=constraint,
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 1000},
    )
    assert theirs.success
    np.testing.assert_allclose(found, theirs.x, rtol=0, atol=1e-6)
    margins = rows @ found
    held = margins < 1.0 + 1e-9
    assert margins.min() > 1.0 - 1e-9
    multipliers, left = optimize.nnls(rows[held].T, found)
    assert left < 1e-9 and np.all(multipliers >= 0)


def test_a_vanishing_penalty_leads_to_the_hard_margin() -> None:
    """By its direction, and slowly: the gap falls with the logarithm of the penalty."""
    rows = draw(30, 50)
    wide = fit_hard_margin(rows)
    wide = wide / np.linalg.norm(wide)
    gaps = []
    for penalty in (1e-3, 1e-5, 1e-7):
        w = fit_logistic(rows, penalty)
        gaps.append(1.0 - float(w @ wide) / np.linalg.norm(w))
    assert gaps[0] > 2.5 * gaps[1] and gaps[1] > 1.5 * gaps[2] and gaps[2] < 3e-3


def test_rows_that_cannot_be_fitted_are_said_so() -> None:
    with pytest.raises(InvalidSetting, match="separable rows, or a penalty"):
        fit_hard_margin(np.array([[1.0, 0.0], [-1.0, 0.0]]))
    rows = draw(5, 2)
    rows[2, 1] = np.nan
    with pytest.raises(InvalidSetting, match="rows"):
        fit_logistic(rows, 0.1)


@pytest.mark.parametrize("shape", [(20, 40), (60, 12)])
def test_separable_rows_without_a_ridge_have_no_minimiser(shape: tuple[int, int]) -> None:
    rows = draw(*shape)
    rows[:, 0] = 1.0
    with pytest.raises(InvalidSetting, match="separable"):
        fit_logistic(rows, 0.0)


def test_without_a_ridge_the_gradient_of_the_loss_is_zero() -> None:
    rows = draw(200, 3)
    found = fit_logistic(rows, 0.0)
    assert np.any(rows @ found < 0.0)
    assert np.abs(expit(-rows @ found) @ rows).max() < 1e-7
