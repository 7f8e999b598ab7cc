"""Models trained on splits of data: as the theory says where the data are Gaussian."""

from functools import cache
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import Ridge

import freeridge as fr
from freeridge.theory.grouped_data import GroupedData
from freeridge.theory.real_comparison import ErrorPair, GroupComparison, compare_groups
from freeridge.theory.real_training import measure_group_risks

D = 40


@cache
def gaussian_pool() -> tuple[GroupedData, tuple[fr.Population, ...]]:
    """Two groups with means and covariances that do not commute, and the populations they are drawn from.

    The theory is that of centred inputs: that a mean counts as a direction of the second moment is put to the
    test here.
    """
    rng = np.random.default_rng(5)
    turn = np.linalg.qr(rng.standard_normal((D, D)))[0]
    spectrum = 1.0 / np.arange(1.0, D + 1.0)
    covariances = [np.diag(spectrum), 2.0 * (turn * spectrum) @ turn.T]
    labelers, means = rng.standard_normal((2, D)), np.array([[0.5], [-0.3]]) * np.ones(D)
    noise, counts = (0.3, 0.6), (9000, 3000)
    inputs = [
        mean + rng.standard_normal((count, D)) @ np.linalg.cholesky(covariance).T
        for count, mean, covariance in zip(counts, means, covariances, strict=True)
    ]
    labels = [
        x @ w + np.sqrt(v) * rng.standard_normal(len(x))
        for x, w, v in zip(inputs, labelers, noise, strict=True)
    ]
    order = rng.permutation(sum(counts))
    data = GroupedData(
        np.concatenate(inputs)[order], np.concatenate(labels)[order], np.repeat(["a", "b"], counts)[order]
    )
    # Estimated labelers have a random part; one of size zero lets both kinds share a compilation.
    nothing = fr.RandomVector(fr.Dense(np.zeros((D, D))))
    truth = [
        fr.Population(fr.Dense(0.5 * (c + c.T) + np.outer(mean, mean)), w + nothing, v, count / sum(counts))
        for c, mean, w, v, count in zip(covariances, means, labelers, noise, counts, strict=True)
    ]
    return data, tuple(truth)


def agree(table: GroupComparison) -> bool:
    """Within the error of the splits, and the bias of order 1/d that a finite size has."""
    return all(
        abs(row.predicted - row.measured) < 3.5 * row.standard_error + 0.5 / D * row.measured
        for row in table.rows
    )


RIDGES = [0.02, 0.3]


@pytest.mark.slow
def test_gaussian_data_do_what_is_predicted() -> None:
    data, truth = gaussian_pool()
    found = compare_groups(*data, 120, RIDGES, replicates=150, key=3)
    from_truth = compare_groups(*data, 120, RIDGES, populations=truth, replicates=150, key=3)
    assert len(found.rows) == len(from_truth.rows) == 8
    assert agree(from_truth)
    assert agree(found)
    for row, other in zip(found.rows, from_truth.rows, strict=True):
        assert row.measured == other.measured
        # What the estimation of the populations from 9000 and 3000 rows costs.
        assert row.predicted == pytest.approx(other.predicted, rel=0.05)


@pytest.mark.slow
def test_gaussian_data_in_projections_do_what_is_predicted() -> None:
    data, _ = gaussian_pool()
    found = compare_groups(*data, [80, 120], RIDGES, [20, 30], replicates=150, key=4)
    assert agree(found)
    # All combinations of sizes, each with two ridges, two models and two groups.
    assert [(row.n, row.features) for row in found.rows[::8]] == [(80, 20), (80, 30), (120, 20), (120, 30)]
    assert [(row.ridge, row.model, row.group) for row in found.rows[:8]] == [
        (ridge, model, group) for model in ("joint", "own") for ridge in RIDGES for group in ("a", "b")
    ]


def test_training_is_that_of_a_library() -> None:
    # All rows but one train: there are as many splits as rows, and their average can be had exactly.
    data, _ = gaussian_pool()
    inputs, labels = data.inputs[:41], data.labels[:41]
    found = measure_group_risks(inputs, labels, np.zeros(41, int), 40, [0.0, 0.1], replicates=60, key=1)
    errors = []
    for left_out in range(41):
        kept = np.arange(41) != left_out
        model = Ridge(alpha=40 * 0.1, fit_intercept=False).fit(inputs[kept], labels[kept])
        errors.append((model.predict(inputs[left_out : left_out + 1]) - labels[left_out])[0] ** 2)
    assert abs(found.group_errors[1, 0] - np.mean(errors)) < 3.5 * found.standard_error["group_errors"][1, 0]
    np.testing.assert_allclose(found.own_errors, found.group_errors, rtol=1e-12)


def test_minimum_norm_is_the_limit_of_a_small_ridge() -> None:
    data, _ = gaussian_pool()
    few = GroupedData(*(part[:200] for part in data))
    for n, features in ((20, None), (100, None), (60, 25), (60, 90)):
        found = measure_group_risks(*few, n, [0.0, 1e-9], features, replicates=3)
        np.testing.assert_allclose(found.group_errors[0], found.group_errors[1], rtol=1e-5)


def test_one_ridge_is_a_number_and_the_same_key_the_same_numbers() -> None:
    data, _ = gaussian_pool()
    few = GroupedData(*(part[:300] for part in data))
    one = measure_group_risks(*few, 50, 0.1, 20, replicates=3, key=4)
    path = measure_group_risks(*few, 50, [0.1, 1.0], 20, replicates=3, key=4)
    assert one.group_errors.shape == (2,)
    assert np.shape(one.error_gap) == ()
    np.testing.assert_allclose(one.group_errors, path.group_errors[0], rtol=1e-13)
    np.testing.assert_allclose(path.error_gap, path.group_errors[:, 1] - path.group_errors[:, 0])
    np.testing.assert_allclose(path.own_error_gap, path.own_errors[:, 1] - path.own_errors[:, 0])
    assert one.sizes["n"] == one.sizes["n of group a"] + one.sizes["n of group b"] == 50
    assert one.replicates == 3


def test_shares_are_rounded_to_whole_rows() -> None:
    inputs = np.random.default_rng(0).standard_normal((90, 2))
    groups = np.repeat([0, 1, 2], [50, 25, 15])
    sizes = measure_group_risks(inputs, inputs[:, 0], groups, 10, 0.1, replicates=2).sizes
    assert [sizes[f"n of group {name}"] for name in range(3)] == [5, 3, 2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param({"n": 12.5}, "n = 12.5: expected a whole number", id="half a row"),
        pytest.param({"n": 100}, r"of the 80 rows of group 0 it takes 80", id="no row left"),
        pytest.param({"n": 2}, r"of the 20 rows of group 1 it takes 0", id="no row of the minority"),
        pytest.param({"ridge": -0.1}, "ridge = .*: expected finite numbers >= 0", id="negative ridge"),
        pytest.param({"ridge": np.ones((2, 2))}, "a number or a list", id="matrix of ridges"),
        pytest.param({"ridge": []}, "a number or a list", id="no ridge"),
        pytest.param({"features": 0}, "random projections > 0", id="no projections"),
        pytest.param({"replicates": 1}, "a whole number >= 2", id="one split"),
    ],
)
def test_what_cannot_be_trained_is_refused(options: dict[str, Any], message: str) -> None:
    inputs = np.random.default_rng(0).standard_normal((100, 3))
    settings: dict[str, Any] = {"n": 20, "ridge": 0.1, "replicates": 2} | options
    with pytest.raises(fr.InvalidSetting, match=message):
        measure_group_risks(inputs, inputs[:, 0], np.repeat([0, 1], [80, 20]), **settings)


def test_populations_belong_to_the_groups() -> None:
    data, truth = gaussian_pool()
    with pytest.raises(fr.InvalidSetting, match="one per group of the data, 2 in all"):
        compare_groups(*data, 100, 0.1, populations=truth[:1], replicates=2)


def test_the_table_says_what_was_predicted_and_measured() -> None:
    rows = (
        ErrorPair(100, None, 0.1, "joint", "a", 0.9, 1.0, 0.05),
        ErrorPair(100, 64, 0.1, "own", "b", 1.2, 1.0, 0.1),
    )
    assert rows[0].gap == pytest.approx(-0.1)
    assert rows[1].z == pytest.approx(2.0)
    lines = [" ".join(line.split()) for line in str(GroupComparison(rows, 20)).splitlines()]
    assert lines == [
        "model group n features ridge predicted measured std error gap z",
        "joint a 100 plain 0.1 0.9000 1.0000 0.0500 -10.0% -2.0",
        "own b 100 64 0.1 1.2000 1.0000 0.1000 +20.0% +2.0",
        "20 splits of the data",
    ]
