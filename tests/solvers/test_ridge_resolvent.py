"""Risks from second moments against those from modes, on the same draws."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.ridge_path import LabelSource, RidgeExperiment, exact_risks
from freeridge.solvers.ridge_resolvent import cholesky_resolvent, mirrored, second_moment_risks

D = 12
RIDGES = np.array([1e-3, 0.1, 10.0])
REGIMES: list[tuple[tuple[int, ...], int | None]] = [
    ((20, 25), None),
    ((20, 0), None),
    ((5, 4), None),
    ((12,), None),
    ((20, 25), 8),
    ((20, 25), 30),
    ((5, 4), 12),
    ((5, 4), 10),
    ((3, 2, 30), 8),
    ((3, 20, 30), None),
]


def make(name: str, counts: tuple[int, ...], features: int | None) -> RidgeExperiment:
    """Experiments of growing generality: isotropic, diagonal, dense; random and fixed labelers."""
    rng = np.random.default_rng(len(counts) + 7)
    groups = len(counts)
    dense = name == "dense"

    def weight() -> Any:
        if name == "isotropic":
            return np.full(D, 1.5)
        a = rng.standard_normal((D, D))
        return a @ a.T / D if dense else rng.uniform(0, 2, D)

    sources = (
        LabelSource(rng.standard_normal(groups), 0.7, weight()),
        LabelSource(np.arange(groups) * 1.0, 0.0, weight()),
        LabelSource(np.full(groups, 0.6), 0.6, weight()),
    )
    return RidgeExperiment(
        factors=(np.ones(D),) * groups,
        counts=counts,
        noise_variances=np.full(groups, 0.5) if name == "isotropic" else np.array([0.3, 0.0, 0.8])[:groups],
        ridges=RIDGES,
        test=weight(),
        sources=sources,
        fixed=rng.standard_normal((D, groups + 1)) if dense else None,
        features=features,
    )


def draw(experiment: RidgeExperiment) -> tuple[tuple[Any, ...], list[Any], Any]:
    rng = np.random.default_rng(0)
    rows = tuple(rng.standard_normal((count, D)) for count in experiment.counts)
    m = experiment.features
    mixing = None if m is None else rng.standard_normal((D, m)) / np.sqrt(D)
    return rows, [x.T @ x / experiment.samples for x in rows], mixing


@pytest.mark.parametrize("name", ["isotropic", "diagonal", "dense"])
@pytest.mark.parametrize(("counts", "features"), REGIMES)
def test_equal_to_the_modes(name: str, counts: tuple[int, ...], features: int | None) -> None:
    experiment = make(name, counts, features)
    rows, moments, mixing = draw(experiment)
    before = [moment.copy() for moment in moments]
    ours, modes = second_moment_risks(experiment, moments, mixing), exact_risks(experiment, rows, mixing)
    for part, expected in modes.items():
        np.testing.assert_allclose(ours[part], expected, rtol=1e-9, err_msg=part)
    for moment, untouched in zip(moments, before, strict=True):
        np.testing.assert_array_equal(moment, untouched)


def test_a_small_bias_keeps_its_digits() -> None:
    experiment = replace(make("diagonal", (40,), None), ridges=np.array([1e-4]))
    rows, moments, _ = draw(experiment)
    ours, modes = second_moment_risks(experiment, moments), exact_risks(experiment, rows)
    assert modes["bias"][0] < 1e-5
    np.testing.assert_allclose(ours["bias"], modes["bias"], rtol=1e-12)


def test_what_has_no_digits_is_refused() -> None:
    experiment = make("diagonal", (20,), None)
    _, moments, _ = draw(experiment)
    for ridge in (0.0, 1e-6):
        with pytest.raises(InvalidSetting, match="ridge = "):
            second_moment_risks(replace(experiment, ridges=np.array([0.1, ridge])), moments)
    stopped = replace(experiment, ridges=np.array([0.1]), times=np.array([1.0]))
    with pytest.raises(InvalidSetting, match="times"):
        second_moment_risks(stopped, moments)
    with pytest.raises(InvalidSetting, match="positive definite"):
        second_moment_risks(experiment, [-m for m in moments])


def test_what_does_not_fit_is_refused() -> None:
    experiment = make("diagonal", (20, 25), 8)
    _, moments, mixing = draw(experiment)
    with pytest.raises(InvalidSetting, match="moments"):
        second_moment_risks(experiment, moments[:1], mixing)
    with pytest.raises(InvalidSetting, match="mixing"):
        second_moment_risks(experiment, moments, mixing[:, :7])
    with pytest.raises(InvalidSetting, match="mixing"):
        second_moment_risks(experiment, moments)


@pytest.mark.parametrize("d", [1, 255, 600])
def test_pieces_of_a_matrix_beyond_one_strip(d: int) -> None:
    rng = np.random.default_rng(d)
    x, s = rng.standard_normal((d + 3, d)), rng.standard_normal((d, 7))
    a = x.T @ x + np.eye(d)
    np.testing.assert_array_equal(
        mirrored(np.tril(a) + np.triu(np.ones((d, d)), 1)), np.tril(a) + np.tril(a, -1).T
    )
    np.testing.assert_allclose(cholesky_resolvent(a.copy(), None) @ a, np.eye(d), atol=1e-9)
    b = s.T @ s + np.eye(7)
    np.testing.assert_allclose(cholesky_resolvent(b.copy(), s), s @ np.linalg.solve(b, s.T), atol=1e-12)
