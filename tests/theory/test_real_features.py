"""Populations estimated from data: right on average, and clear about what cannot be estimated."""

from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import BayesianRidge
from threadpoolctl import threadpool_limits

import freeridge as fr
from freeridge.theory.label_regression import regress
from freeridge.theory.real_features import estimate_groups, groups_from_data

D = 12


def drawn(rows: int, d: int = D, noise: float = 0.5, seed: int = 0) -> tuple[Any, Any, Any]:
    """Labels that are linear in inputs of decaying variance."""
    rng = np.random.default_rng(seed)
    inputs = rng.standard_normal((rows, d)) / np.sqrt(np.arange(1.0, d + 1.0))
    labeler = rng.standard_normal(d)
    return inputs, inputs @ labeler + noise * rng.standard_normal(rows), labeler


def risks(groups: Any, ridge: float) -> Any:
    """Of the joint model of 8 rows, on every group."""
    mixture = fr.RidgeMixture(groups, n=8, ridge=ridge)
    predictions = [mixture.predict(test=s) for s in range(len(groups))]
    assert all(prediction.ok for prediction in predictions)
    return np.array([float(prediction.risk) for prediction in predictions])


@pytest.mark.parametrize("rows", [8, 12, 30, 400])
def test_the_evidence_is_that_of_an_independent_implementation(rows: int) -> None:
    inputs, labels, _ = drawn(rows, seed=rows)
    found = regress(inputs, labels)
    oracle = BayesianRidge(fit_intercept=False, max_iter=100_000, tol=1e-12, alpha_1=0, alpha_2=0)
    oracle.set_params(lambda_1=0, lambda_2=0).fit(inputs, labels)
    np.testing.assert_allclose(found.noise_variance, 1 / oracle.alpha_, rtol=1e-5)
    np.testing.assert_allclose(found.mean, oracle.coef_, atol=1e-5)
    np.testing.assert_allclose(found.covariance, oracle.sigma_, atol=1e-5)


def test_with_many_rows_it_is_least_squares_with_its_degrees_of_freedom() -> None:
    inputs, labels, _ = drawn(20_000)
    found = regress(inputs, labels)
    squares = np.linalg.lstsq(inputs, labels)
    error = np.sqrt(found.noise_variance * np.diag(np.linalg.inv(inputs.T @ inputs)))
    assert np.max(np.abs(found.mean - squares[0]) / error) < 0.02
    np.testing.assert_allclose(np.sqrt(np.diag(found.covariance)), error, rtol=1e-3)
    np.testing.assert_allclose(found.noise_variance, squares[1][0] / (20_000 - D), rtol=1e-5)
    assert found.freedom == pytest.approx(D, rel=1e-2)
    # Residuals and degrees of freedom that belong to the ridge it has chosen.
    residual = np.sum((labels - inputs @ found.mean) ** 2)
    np.testing.assert_allclose(residual / (20_000 - found.freedom), found.noise_variance, rtol=1e-6)


@pytest.mark.parametrize("rows", [40, *(pytest.param(n, marks=pytest.mark.slow) for n in (80, 120))])
def test_squares_of_the_labeler_are_right_on_average(rows: int) -> None:
    # w ~ N(0, I), as many different problems as data sets: the squares of the posterior match those of the
    # truth within the error of the average, where least squares exceeds them by sigma^2 d / (rows - d).
    d, trials = 60, 60
    difference, noise = np.empty(trials), np.empty(trials)
    for trial in range(trials):
        inputs, labels, labeler = drawn(rows, d, noise=1.0, seed=1000 * rows + trial)
        with threadpool_limits(1):
            found = regress(inputs, labels)
        variances = 1.0 / np.arange(1.0, d + 1.0)
        square = variances @ (found.mean**2 + np.diag(found.covariance))
        difference[trial], noise[trial] = square - variances @ labeler**2, found.noise_variance
    for values, wanted in ((difference, 0.0), (noise, 1.0)):
        error = values.std(ddof=1) / np.sqrt(trials)
        assert abs(values.mean() - wanted) < 3.5 * error
    if rows > d:
        assert difference.mean() < 0.25 * d / (rows - d)


def test_degenerate_regressions() -> None:
    inputs, _, labeler = drawn(30)
    exact = regress(inputs, inputs @ labeler)
    np.testing.assert_allclose(exact.mean, labeler, atol=1e-6)
    assert exact.noise_variance < 1e-12
    nothing = regress(inputs, np.zeros(30))
    assert nothing.noise_variance == 0.0
    assert not nothing.mean.any()
    blind = regress(np.zeros((4, 3)), np.array([1.0, -1.0, 1.0, -1.0]))
    assert blind.noise_variance == 1.0
    assert not blind.mean.any()


def test_the_mean_is_a_direction_of_the_second_moment() -> None:
    inputs, labels, _ = drawn(400)
    shifted = inputs + np.arange(D)
    (one,) = estimate_groups(shifted, labels, np.zeros(400, int))
    np.testing.assert_allclose(one.mean, shifted.mean(axis=0))
    np.testing.assert_allclose(one.second_moment, shifted.T @ shifted / 400, rtol=1e-12)
    (shrunk,) = estimate_groups(shifted, labels, np.zeros(400, int), shrink=True)
    assert 0 < shrunk.shrinkage < 0.1
    # Shrinking acts on the covariance and leaves the mean alone, however large it is.
    (centred,) = estimate_groups(inputs, labels, np.zeros(400, int), shrink=True)
    assert shrunk.shrinkage == pytest.approx(centred.shrinkage, rel=1e-9)
    np.testing.assert_allclose(
        shrunk.second_moment - np.outer(shrunk.mean, shrunk.mean),
        centred.second_moment - np.outer(centred.mean, centred.mean),
        atol=1e-10,
    )


def test_groups_are_sorted_by_name_with_the_shares_of_their_rows() -> None:
    inputs, labels, _ = drawn(100)
    names = np.where(np.arange(100) < 70, "b", "a")
    first, second = estimate_groups(inputs, labels, names)
    assert (first.name, first.rows, second.name, second.rows) == ("a", 30, "b", 70)
    populations = groups_from_data(inputs, labels, names)
    np.testing.assert_allclose([float(p.share) for p in populations], [0.3, 0.7])
    assert all(isinstance(p, fr.Population) for p in populations)


@pytest.mark.slow
def test_fewer_rows_than_features_are_shrunk_and_predicted() -> None:
    inputs, labels, _ = drawn(60)
    groups = np.where(np.arange(60) < 50, 0, 1)
    large, small = estimate_groups(inputs, labels, groups)
    assert large.shrinkage == 0.0
    assert 0.0 < small.shrinkage < 1.0
    assert np.linalg.eigvalsh(small.second_moment)[0] > 0.0
    (_, plain) = estimate_groups(inputs, labels, groups, shrink=False)
    assert np.linalg.matrix_rank(plain.second_moment) == 10
    assert np.all(risks([large.population(), small.population()], 0.1) > 0)


def test_two_rows_are_a_group() -> None:
    inputs, labels, _ = drawn(40)
    groups = np.arange(40) < 2
    assert np.all(risks(groups_from_data(inputs, labels, groups), 0.1) > 0)


def test_constant_and_repeated_columns_keep_what_they_are() -> None:
    inputs, labels, _ = drawn(10)
    wide = np.concatenate([inputs, np.full((10, 1), 3.0), inputs[:, :2], np.zeros((10, 1))], axis=1)
    (found,) = estimate_groups(wide, labels, np.zeros(10, int))
    assert found.shrinkage > 0
    (alone,) = estimate_groups(inputs, labels, np.zeros(10, int))
    covariance = found.second_moment - np.outer(found.mean, found.mean)
    np.testing.assert_allclose(covariance[D], 0.0, atol=1e-12)
    np.testing.assert_allclose(found.second_moment[-1], 0.0)
    np.testing.assert_allclose(found.second_moment[:D, :D], alone.second_moment)
    np.testing.assert_allclose(found.second_moment[0], found.second_moment[D + 1])


@pytest.mark.slow
def test_a_repeated_column_predicts_as_one_of_twice_the_variance() -> None:
    # The rotation (x, x) -> (sqrt 2 x, 0) changes no ridge regression; the labels do not either.
    inputs, labels, _ = drawn(2000)
    groups = np.arange(2000) % 2
    inputs[groups == 1] *= np.linspace(0.5, 1.5, D)
    inputs[groups == 1, 1] += inputs[groups == 1, 2]  # covariances that do not commute
    repeated, rotated = inputs.copy(), inputs.copy()
    repeated[:, -1] = inputs[:, 0]
    rotated[:, 0] *= np.sqrt(2)
    rotated[:, -1] = 0.0
    one, other = (groups_from_data(x, labels, groups) for x in (repeated, rotated))
    np.testing.assert_allclose(risks(one, 0.05), risks(other, 0.05), rtol=1e-9)
    # Also at ridge 0: a direction that no group varies in leaves the problem.
    np.testing.assert_allclose(risks(one, 0.0), risks(other, 0.0), rtol=1e-9)


def test_a_column_that_only_one_group_has() -> None:
    inputs, labels, _ = drawn(2000)
    groups = np.arange(2000) % 2
    inputs[groups == 0, :3] = 0.0
    inputs[groups == 1, -3:] = 0.0
    inputs[:, 4] += inputs[:, 5] * groups  # covariances that do not commute
    populations = groups_from_data(inputs, labels, groups)
    np.testing.assert_allclose(risks(populations, 0.0), risks(populations, 1e-9), rtol=1e-6)


def test_lower_precision_is_taken_as_it_is() -> None:
    inputs, labels, _ = drawn(100)
    single = inputs.astype(np.float32)
    one, two = (estimate_groups(x, labels, np.zeros(100, int))[0] for x in (single, single.astype(float)))
    np.testing.assert_array_equal(one.second_moment, two.second_moment)
    whole = np.round(10 * inputs).astype(np.int16)
    one, two = (estimate_groups(x, labels, np.zeros(100, int))[0] for x in (whole, whole.astype(float)))
    np.testing.assert_array_equal(one.second_moment, two.second_moment)


@pytest.mark.usefixtures("no_sklearn")
def test_shrinking_says_what_to_install() -> None:
    inputs, labels, _ = drawn(8)
    with pytest.raises(ImportError, match=r"pip install freeridge\[data\]"):
        groups_from_data(inputs, labels, np.zeros(8, int))
    (found,) = groups_from_data(inputs, labels, np.zeros(8, int), shrink=False)
    assert found.d == D
