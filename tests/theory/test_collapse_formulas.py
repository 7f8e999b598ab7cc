"""Closed forms of Strong Model Collapse against the general solver: equal where exact, of the right order
where asymptotic."""

from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tests.helpers import in_chunks, relative

import freeridge as fr
from freeridge.theory import collapse_formulas as closed
from freeridge.theory import collapse_mixing_formulas as mixing

D = 30
POINTS = 192


def covariance_of(row: Any, family: str) -> Any:
    if family == "power law":
        return fr.PowerLaw(D, row["exponent"], trace=D)
    if family == "deficient":
        return fr.Eigenvalues(np.where(np.arange(D) < 18, 2.0, 0.0))
    if family == "two atoms":
        return fr.TwoAtoms(D, row["atoms"], fraction=0.4)
    return fr.Isotropic(D)


def setting_of(row: Any, family: str, plain: bool, moments: bool) -> fr.ModelCollapse:
    options = (
        {"signal": fr.Eigenvalues(row["signal"]), "shift": fr.Eigenvalues(row["shift"])}
        if moments
        else {"signal": None, "shift": None}
    )
    return fr.ModelCollapse(
        covariance_of(row, family),
        n=row["n"],
        real_share=row["real_share"],
        quality=row["quality"],
        noise_variance=row["noise"][0],
        ridge=row["ridge"],
        features=None if plain else row["features"],
        synthetic_noise_variance=row["noise"][1],
        **options,
    )


@cache
def predictor(family: str, plain: bool, moments: bool) -> Any:
    return jax.jit(jax.vmap(lambda row: setting_of(row, family, plain, moments).predict()))


def random_rows(rng: np.random.Generator, count: int) -> dict[str, np.ndarray]:
    """Both sides of every threshold, a third of the points at ridge 0."""
    ridge = 10 ** rng.uniform(-8.0, 1.0, count)
    ridge[::3] = 0.0
    n = D / 10 ** rng.uniform(-1.5, 1.5, count)
    features = n * 10 ** rng.uniform(-1.5, 1.5, count)
    return {
        "n": n,
        "features": features,
        "ridge": ridge,
        "real_share": rng.uniform(0.0, 1.0, count),
        "quality": rng.uniform(0.01, 2.0, count),
        "noise": rng.uniform(0.01, 1.0, (count, 2)),
        "exponent": rng.uniform(0.0, 2.0, count),
        "atoms": np.exp(rng.normal(size=(count, 2))),
        "signal": np.exp(rng.normal(size=(count, D))) / D,
        "shift": np.exp(rng.normal(size=(count, D))) / D,
    }


def closed_form(row: dict[str, Any], family: str, plain: bool, moments: bool) -> closed.Parts:
    eigenvalues = np.asarray(covariance_of({k: np.asarray(v) for k, v in row.items()}, family).coordinates())
    p1 = float(row["real_share"])
    noise = float(p1 * row["noise"][0] + (1 - p1) * row["noise"][1])
    signal = row["signal"] if moments else np.full(D, 1 / D)
    seen = eigenvalues > 0
    inverse = np.where(seen, 1 / np.where(seen, eigenvalues, 1.0), 0.0) / seen.sum()
    shift = row["quality"] * (row["shift"] if moments else inverse)
    n, ridge = float(row["n"]), float(row["ridge"])
    if plain:
        return closed.theorem_1(eigenvalues, n, p1, ridge, noise, signal, shift)
    return closed.theorem_2(eigenvalues, n, float(row["features"]), p1, ridge, noise, signal, shift)


@pytest.mark.parametrize(
    ("family", "moments"),
    [("isotropic", False), ("power law", False), ("power law", True), ("two atoms", True)],
)
@pytest.mark.parametrize("plain", [True, False], ids=["theorem 1", "theorem 2"])
def test_theorems_are_the_solver(family: str, plain: bool, moments: bool) -> None:
    rows = random_rows(np.random.default_rng([len(family), plain, moments]), POINTS)
    prediction = in_chunks(predictor(family, plain, moments), rows)
    assert prediction.ok
    expected = [
        closed_form({k: v[i] for k, v in rows.items()}, family, plain, moments) for i in range(POINTS)
    ]
    bias, variance, collapse = np.array(expected).T
    assert relative(prediction.variance, variance) < 1e-10
    assert relative(prediction.collapse, collapse) < 1e-10
    np.testing.assert_allclose(prediction.bias, bias, rtol=1e-10, atol=1e-30)
    assert relative(prediction.risk, bias + variance + collapse) < 1e-10


def test_variance_as_printed_with_its_missing_factor() -> None:
    """(sigma^2 / (n e)) (tr Sigma^2 T^-2 + (omega' - theta u) tr Sigma T^-2) is sigma^2 u."""
    eigenvalues = 1.0 / np.arange(1.0, 41.0)
    for n, features, ridge in ((90.0, 20.0, 0.1), (20.0, 90.0, 0.01), (30.0, 35.0, 1.0)):
        s = closed.scalars(eigenvalues, n, ridge, features)
        t = eigenvalues + s.theta
        long = np.sum((eigenvalues / t) ** 2) + (s.omega - s.theta * s.u) * np.sum(eigenvalues / t**2)
        assert long / (n * s.sample_slack) == pytest.approx(s.u, rel=1e-11)


def test_scalars_solve_their_equations() -> None:
    """The balance of Lemma 2 and both equations of Lemma 1, over many decades of ridge."""
    rng = np.random.default_rng(0)
    for _ in range(100):
        eigenvalues = np.exp(rng.normal(size=25))
        phi, gamma = 10 ** rng.uniform(-1, 1, 2)
        ridge = 10 ** rng.uniform(-3, 1)
        s = closed.scalars(eigenvalues, 25 / phi, ridge, 25 * gamma)
        t = eigenvalues + s.theta
        i11, i12, i22 = np.mean(eigenvalues / t), np.mean(eigenvalues / t**2), np.mean((eigenvalues / t) ** 2)
        assert (gamma - i11) * (1 - phi * i11) * s.theta == pytest.approx(ridge, rel=1e-9)
        assert phi * i22 * (1 + s.u) + phi * i12 * s.omega == pytest.approx(s.u, rel=1e-9)
        assert i22 * s.omega + s.theta**2 * i12 * (1 + s.u) == pytest.approx(gamma * s.omega, rel=1e-9)


@pytest.mark.parametrize("plain", [pytest.param(True, marks=pytest.mark.slow), False])
def test_rank_deficient_covariance(plain: bool) -> None:
    """Rank below, between and above the sizes, with and without ridge."""
    rows = random_rows(np.random.default_rng(3), POINTS)
    prediction = in_chunks(predictor("deficient", plain, False), rows)
    wanted = [
        closed_form({k: v[i] for k, v in rows.items()}, "deficient", plain, False) for i in range(POINTS)
    ]
    for name, values in zip(closed.Parts._fields, np.array(wanted).T, strict=True):
        np.testing.assert_allclose(getattr(prediction, name), values, rtol=1e-10, atol=1e-30)


@pytest.mark.parametrize("plain", [True, False])
def test_thresholds_are_infinite(plain: bool) -> None:
    rows = random_rows(np.random.default_rng(4), POINTS)
    rows["ridge"][:] = 0.0
    rows["n"][:] = D if plain else 20.0
    rows["features"][:] = 20.0
    prediction = in_chunks(predictor("isotropic", plain, False), rows)
    for i in range(3):
        parts = closed_form({k: v[i] for k, v in rows.items()}, "isotropic", plain, False)
        assert parts == (0.0 if plain else np.inf, np.inf, np.inf)
        found = prediction.bias[i], prediction.variance[i], prediction.collapse[i]
        # The solver stands at a ridge of 1e-40 there, theta at the root of it.
        np.testing.assert_allclose(found, parts, atol=1e-18)


def test_isotropic_is_theorem_1() -> None:
    rng = np.random.default_rng(5)
    ones = np.ones(D)
    for k in range(200):
        phi, p1, ridge = (
            10 ** rng.uniform(-2, 2),
            rng.uniform(),
            0.0 if k % 4 == 0 else 10 ** rng.uniform(-8, 1),
        )
        general = closed.theorem_1(ones, D / phi, p1, ridge, 0.3, 2.0 * ones / D, 0.7 * ones / D)
        np.testing.assert_allclose(
            closed.isotropic(phi, ridge, p1, 0.7, 0.3, 2.0), general, rtol=1e-11, atol=1e-30
        )


def test_corollaries_at_ridge_zero() -> None:
    rng = np.random.default_rng(6)
    rows = random_rows(rng, 64) | {"ridge": np.zeros(64)}
    rows["noise"][:, 1] = rows["noise"][:, 0]
    phi = D / rows["n"]
    arguments = list(zip(phi, rows["real_share"], rows["quality"], rows["noise"][:, 0], strict=True))
    isotropic = in_chunks(predictor("isotropic", True, False), rows)
    power = in_chunks(predictor("power law", True, False), rows)
    for i, values in enumerate(arguments):
        for prediction in (isotropic, power) if phi[i] < 1 else (isotropic,):
            wanted = [getattr(prediction, name)[i] for name in closed.Parts._fields]
            formula = closed.corollary_1 if phi[i] < 1 else closed.corollary_4
            np.testing.assert_allclose(formula(*map(float, values)), wanted, rtol=1e-10, atol=1e-30)


@pytest.mark.parametrize("formula", [closed.corollary_1, closed.corollary_4])
def test_corollaries_refuse_the_other_side(formula: Any) -> None:
    with pytest.raises(fr.InvalidSetting, match="phi"):
        formula(2.0 if formula is closed.corollary_1 else 0.5, 0.5, 1.0, 1.0)


def test_mixing_is_right_to_second_order() -> None:
    """Real share 0.3, quality 0.4, noise 1.0 on real and 0.5 on synthetic labels."""

    def risk(phi: Any, alpha: Any) -> Any:
        setting = fr.ModelCollapse(
            fr.Isotropic(D), D / phi, 0.3, 0.4, 1.0, 0.0, synthetic_noise_variance=0.5, mixing=alpha
        )
        return setting.predict().risk

    phi, alpha = (v.ravel() for v in np.meshgrid([2e-3, 1e-3], [0.0, 0.2, 0.7, 1.0], indexing="ij"))
    exact = np.asarray(jax.jit(jax.vmap(risk))(jnp.asarray(phi), jnp.asarray(alpha)))
    formula = [
        mixing.mixing_small_aspect(float(p), 0.3, 0.4, 1.0, 0.5, float(a))
        for p, a in zip(phi, alpha, strict=True)
    ]
    gap = np.abs(exact - formula).reshape(2, 4)
    np.testing.assert_allclose(np.log2(gap[0] / gap[1]), 2.0, atol=0.1)


@pytest.mark.slow
def test_optimal_mixing_is_right_to_second_order() -> None:
    gaps = []
    for phi in (2e-3, 5e-4):
        setting = fr.ModelCollapse(
            fr.Isotropic(D), D / phi, 0.3, 0.4, 1.0, 0.0, synthetic_noise_variance=0.5, mixing=0.5
        )
        gaps.append(
            abs(setting.optimal_mixing()[0] - mixing.optimal_mixing_small_aspect(phi, 0.3, 0.4, 1.0, 0.5))
        )
    assert np.log(gaps[0] / gaps[1]) / np.log(4.0) == pytest.approx(2.0, abs=0.25)


def test_iterative_mixing_is_the_recursion_to_leading_order() -> None:
    """Each round by Corollary 1 exactly; the sum drops p_1 p_2 phi / (1 - phi) against p_2^2, hence first
    order in phi."""
    gaps = []
    for phi in (2e-3, 1e-3):
        quality = 1.0
        for _ in range(4):
            quality = sum(closed.corollary_1(phi, 0.4, quality, 0.5))
        gaps.append(abs(quality - mixing.iterative_mixing(4, 1.0, 0.5 * phi / (1 - phi), 0.4)))
    assert np.log2(gaps[0] / gaps[1]) == pytest.approx(1.0, abs=0.1)
    assert mixing.iterative_mixing(7, 0.3, 0.1, real_share=0.0) == pytest.approx(1.0)


@pytest.mark.slow
def test_self_loops_add_the_variances() -> None:
    aspects, noise = np.array([0.2, 0.5, 0.8]), np.array([1.0, 0.3, 0.1])
    total = 0.0
    for phi, variance in zip(aspects, noise, strict=True):
        truth = fr.RandomVector(fr.Isotropic(D, 1 / D))
        alone = fr.Population(fr.PowerLaw(D, 1.0), truth, variance, share=1.0)
        total += float(fr.RidgeMixture([alone], D / phi, 0.0).predict().risk)
    assert mixing.self_loops(aspects, noise) == pytest.approx(total, rel=1e-12)
    with pytest.raises(fr.InvalidSetting, match="aspects"):
        mixing.self_loops(np.array([1.5]), np.array([0.1]))
