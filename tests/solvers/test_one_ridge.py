"""One inverse against the modes, on the same draws, and where it is not tried or gives no answer."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from freeridge.solvers import lapack, one_ridge
from freeridge.solvers.ridge_path import LabelSource, RidgeExperiment, exact_risks, simulate_ridge_path

D = 70  # above the size below which triangles are not halved
PARTS = ("risk", "bias", "variance", "mismatch")


def experiment(kind: str, features: int | None = None, ridge: float = 0.05) -> RidgeExperiment:
    rng = np.random.default_rng(0)
    first, second = np.ones(D), np.linspace(0.5, 1.5, D)
    test, moment, fixed = np.ones(D), np.full(D, 0.4), None
    if kind == "diagonal":
        test, moment = second**2, first / np.arange(1, D + 1)
    elif kind == "dense":
        first, second = (np.eye(D) + 0.3 * rng.standard_normal((D, D)) / D**0.5 for _ in range(2))
        test, moment, fixed = first @ first.T, second @ second.T, rng.standard_normal((D, 3))
    sources = (LabelSource(np.array([1.0, 0.5]), 1.0, moment), LabelSource(np.array([0.0, 1.0]), 0.0, test))
    noise = np.array([0.2, 0.5])
    return RidgeExperiment(
        (first, second), (90, 40), noise, np.array([ridge]), test, sources, fixed, features
    )


def without_eigenvectors(monkeypatch: pytest.MonkeyPatch, call: Any) -> Any:
    def refuse(*arguments: Any) -> Any:
        raise AssertionError("the modes were asked")

    with monkeypatch.context() as patch:
        patch.setattr(lapack, "eigh", refuse)
        patch.setattr("freeridge.solvers.ridge_path.ridge_modes", refuse)
        return call()


@pytest.mark.parametrize("kind", ["isotropic", "diagonal", "dense"])
@pytest.mark.parametrize("features", [None, 100])
def test_equal_to_the_modes(monkeypatch: pytest.MonkeyPatch, kind: str, features: int | None) -> None:
    one = experiment(kind, features)
    path = replace(one, ridges=np.array([0.05, 1.0]))  # two ridges go through the modes
    by_inverse = without_eigenvectors(monkeypatch, lambda: simulate_ridge_path(one, 3, 3, workers=2))
    by_modes = simulate_ridge_path(path, 3, 3, workers=1)
    for part in PARTS:
        np.testing.assert_allclose(
            by_inverse.values[part][:, 0], by_modes.values[part][:, 0], rtol=1e-11, err_msg=part
        )


@pytest.mark.parametrize("ridge", [0.0, 1e-9, 1e3])
def test_any_ridge_keeps_its_digits(monkeypatch: pytest.MonkeyPatch, ridge: float) -> None:
    one = replace(experiment("diagonal", None, ridge), counts=(200, 100))
    path = replace(one, ridges=np.array([ridge, 1.0]))
    by_inverse = without_eigenvectors(monkeypatch, lambda: simulate_ridge_path(one, 3, 2, workers=1))
    by_modes = simulate_ridge_path(path, 3, 2, workers=1)
    for part in PARTS:
        np.testing.assert_allclose(by_inverse.mean[part][0], by_modes.mean[part][0], rtol=1e-11, err_msg=part)


def test_rows_of_any_shape_take_the_same_route(monkeypatch: pytest.MonkeyPatch) -> None:
    one = experiment("dense")
    rng = np.random.default_rng(1)
    rows = tuple(rng.standard_normal((n, D)) @ f.T for n, f in zip(one.counts, one.factors, strict=True))
    by_inverse = without_eigenvectors(monkeypatch, lambda: exact_risks(one, rows))
    by_modes = exact_risks(replace(one, ridges=np.array([0.05, 1.0])), rows)
    for part in PARTS:
        np.testing.assert_allclose(by_inverse[part][0], by_modes[part][0], rtol=1e-11, err_msg=part)


def test_who_takes_the_inverse() -> None:
    one = experiment("diagonal", 100)
    assert one.one_inverse
    graded = np.where(np.arange(D) < 3, 1e-7, 1.0)
    for change in (
        {"ridges": np.array([0.1, 1.0])},
        {"features": D - 1},
        {"counts": (40, 20)},
        {"times": np.array([1.0])},
        {"factors": (graded, graded)},
        {"factors": (np.where(np.arange(D) < 3, 0.0, 1.0),) * 2},
    ):
        assert not replace(one, **change).one_inverse


def test_ill_conditioned_draws_go_to_the_modes(monkeypatch: pytest.MonkeyPatch) -> None:
    one = replace(experiment("diagonal", None, 1e-9), factors=(np.geomspace(1e-2, 1e2, D),) * 2)
    assert one.one_inverse
    with pytest.raises(AssertionError, match="the modes were asked"):
        without_eigenvectors(monkeypatch, lambda: simulate_ridge_path(one, 3, 2, workers=1))
    exact = simulate_ridge_path(one, 3, 2, workers=1).mean["risk"]
    monkeypatch.setattr(one_ridge, "LARGEST_CONDITION", np.inf)
    rough = without_eigenvectors(monkeypatch, lambda: simulate_ridge_path(one, 3, 2, workers=1))
    np.testing.assert_allclose(rough.mean["risk"], exact, rtol=1e-6)
