"""Risks of a mixture: closed forms, the papers' formulas, thresholds, and a seeded simulation."""

from typing import Any

import numpy as np
import pytest
from scipy.optimize import elementwise
from tests.helpers import (
    ATOMS,
    MULTIPLICITIES,
    REAL_AND_SYNTHETIC,
    D,
    Points,
    original_equations,
    papers_points,
    predict_many,
    random_points,
    relative,
    row,
    second_order,
)

import freeridge as fr
from freeridge.theory.covariance import Covariance

COUNTS = np.asarray(MULTIPLICITIES)
QUANTITIES = ("risk", "bias", "variance", "mismatch")


def tr(eigenvalues: Any) -> Any:
    return np.sum(COUNTS * eigenvalues, axis=-1)


def theta_of(points: Points, plain: bool) -> Any:
    """Root of ridge = (1 - phi eta) (gamma - eta) theta, bracketed; plain ridge without the middle factor."""
    sigma, phi, gamma = points.test, D / points.n, points.features / D
    top = np.minimum(1.0 / phi, 1.0 if plain else gamma)

    def excess(log_theta: Any, k: Any) -> Any:
        eta = tr(sigma[k] / (sigma[k] + np.exp(log_theta)[:, None])) / D
        slack = np.where(eta < top[k], (1.0 - phi[k] * eta) * (1.0 if plain else gamma[k] - eta), 1e-300)
        return np.log(np.maximum(slack, 1e-300)) + log_theta - np.log(points.ridge[k])

    count = len(points.n)
    exact = {"xatol": 0.0, "xrtol": 0.0, "fatol": 0.0, "frtol": 0.0}
    args = (np.arange(count),)
    found = elementwise.find_root(
        excess, (np.full(count, -60.0), np.full(count, 60.0)), args=args, tolerances=exact
    )
    return np.exp(found.x)


def assert_parts(points: Points, plain: bool, wanted: dict[str, Any], rtol: float) -> None:
    found = predict_many(points, plain)
    assert np.all(found.code == 0)
    assert np.all(found.residual <= 1e-12)
    for name, value in wanted.items():
        assert relative(found.quantities[name], value) < rtol, name
    total = found.quantities["bias"] + found.quantities["variance"] + found.quantities["mismatch"]
    assert relative(found.quantities["risk"], total) < 1e-13


def theorem_1(points: Points, kappa: Any) -> dict[str, Any]:
    sigma, t = points.test, kappa[:, None]
    p1, p2 = points.shares.T
    noise = np.sum(points.shares * points.noise, axis=1)
    df2 = tr(sigma**2 / (sigma + t) ** 2) / points.n
    u = df2 / (1.0 - df2)
    far = points.shift * sigma * (p1[:, None] * sigma + t) ** 2 / (sigma + t) ** 2
    return {
        "variance": noise * u,
        "bias": kappa**2 * tr(points.truth * sigma / (sigma + t) ** 2) / (1.0 - df2),
        "mismatch": p2**2 * (1.0 + p1 * u) * tr(points.shift * sigma**3 / (sigma + t) ** 2)
        + p2 * u * tr(far),
    }


def test_theorem_1_of_strong_model_collapse() -> None:
    points = papers_points(np.random.default_rng(0), 128)
    assert_parts(points, True, theorem_1(points, theta_of(points, True)), 1e-10)


def test_theorem_2_of_strong_model_collapse_corrected() -> None:
    points = papers_points(np.random.default_rng(1), 128)
    theta, phi, gamma, sigma = theta_of(points, False), D / points.n, points.features / D, points.test
    p1, p2 = points.shares.T
    t = theta[:, None]

    def i(a: int, b: int) -> Any:
        return tr(sigma**a / (sigma + t) ** b) / D

    z = i(2, 2) * (gamma - i(2, 2)) + theta**2 * i(1, 2) ** 2
    below = gamma - phi * z - i(2, 2)
    u, omega = phi * z / below, theta**2 * i(1, 2) / below
    noise = np.sum(points.shares * points.noise, axis=1)
    e = 1.0 - phi * i(1, 1)
    square, o = (sigma + t) ** 2, omega[:, None]
    part = (p1[:, None] * sigma + t) ** 2 / square
    wanted = {
        "bias": (1.0 + u) * theta**2 * tr(points.truth * sigma / square)
        + tr(o * points.truth * sigma**2 / square),
        "variance": noise
        / (points.n * e)
        * (tr(sigma**2 / square) + (omega - theta * u) * tr(sigma / square)),
        "mismatch": p2**2 * (1.0 + p1 * u) * tr(points.shift * sigma**3 / square)
        + p2**2 * omega * tr(points.shift * sigma**2 / square)
        + p2 * u * tr(points.shift * sigma * part),
    }
    assert_parts(points, False, wanted, 1e-10)


def isotropic(count: int, r2: float, c2: float, **fields: Any) -> Points:
    return papers_points(
        np.random.default_rng(2),
        count,
        covariances=1.0,
        test=1.0,
        truth=r2 / D,
        shift=c2 / D,
        noise=0.3,
        **fields,
    )


@pytest.mark.parametrize("ridge", [1e-9, 1e-3, 1.0, 100.0])
def test_isotropic_closed_form(ridge: float) -> None:
    points = isotropic(64, 1.7, 0.6, ridge=ridge)
    phi, (p1, p2) = D / points.n, points.shares.T
    b = 1.0 - phi - ridge
    root = np.sqrt(b**2 + 4.0 * ridge)
    theta = np.where(b >= 0, 2.0 * ridge / (np.abs(b) + root), 0.5 * (np.abs(b) + root))
    kappa = theta  # of the plain equation kappa - ridge = kappa phi / (1 + kappa)
    below = (1.0 + kappa) ** 2 - phi
    u = phi / below
    wanted = {
        "variance": 0.3 * u,
        "bias": kappa**2 * 1.7 / below,
        "mismatch": (p2 * (1.0 + p1 * u) + (p1 + kappa) ** 2 * u) * p2 * 0.6 / (1.0 + kappa) ** 2,
    }
    assert_parts(points, True, wanted, 1e-10 if ridge > 1e-6 else 1e-8)


def test_a_small_mismatch_keeps_its_digits() -> None:
    """Synthetic data of high quality and small share: the mismatch is many orders below the bias."""
    points = papers_points(np.random.default_rng(12), 64)
    points = points._replace(shift=points.shift * 1e-10)
    assert_parts(points, True, theorem_1(points, theta_of(points, True)), 1e-10)


def test_ridgeless_isotropic_on_both_sides_of_the_threshold() -> None:
    points = isotropic(64, 1.7, 0.6, ridge=0.0, n=np.geomspace(D / 30.0, D * 30.0, 64))
    phi, (p1, p2) = D / points.n, points.shares.T
    over = phi > 1
    corrected = p2 * 0.6 / phi**2 * (p2 * (phi - p2) + (phi - p2) ** 2) / (phi - 1.0)
    found = predict_many(points, True)
    assert np.all(found.code == 0)
    odds = phi / (1.0 - phi)
    variance = np.where(over, 0.3 / (phi - 1.0), 0.3 * odds)
    mismatch = np.where(over, corrected, (p2**2 + p2 * p1 * odds) * 0.6)
    assert relative(found.quantities["variance"], variance) < 1e-10
    assert relative(found.quantities["mismatch"], mismatch) < 1e-10
    np.testing.assert_allclose(
        found.quantities["bias"], np.where(over, 1.7 * (1.0 - 1.0 / phi), 0.0), rtol=1e-10, atol=1e-20
    )


def formulas_of_two_covariances(p: Points, k: int, plain: bool) -> float:
    """Total risk on population k by the functions r_1 ... r_5 of the papers' appendices (two covariances,
    k = 0 or 1).
    """
    solution = original_equations(p, plain)
    (u, omega), (e, tau, kernel, gamma) = second_order(p, solution, p.covariances[k]), solution
    sigma, b, lam, shares = p.covariances, p.covariances[k], p.ridge, p.shares
    other = [1, 0]

    def trace(a: Any) -> float:
        return float(np.sum(COUNTS * a / kernel**2))

    def c(j: int) -> Any:
        o = other[j]
        spread = b + shares[o] * u[o] * sigma[o]
        rest = shares[o] * e[o] * sigma[o]
        if gamma is None:
            return shares[j] * e[j] ** 2 * spread * sigma[j] + u[j] * (rest + lam) ** 2
        lead = gamma * shares[j] * e[j] ** 2 * (gamma * tau**2 * spread + omega) * sigma[j]
        return lead + u[j] * (gamma * tau * rest + lam) ** 2

    def d(j: int) -> Any:
        o = other[j]
        cross = shares[o] * (e[j] * u[o] - e[o] * u[j]) * sigma[o]
        if gamma is None:
            return e[j] * b - lam * u[j] + cross
        return gamma * (gamma * tau**2 * (e[j] * b + cross) + (e[j] * omega - lam * tau * u[j]))

    def r1(j: int, a: Any) -> float:
        return trace((1.0 if gamma is None else gamma * tau) * shares[j] * e[j] * a * sigma[j] * kernel)

    def r3(j: int, a: Any) -> float:
        return trace(shares[j] * a * sigma[j] * c(j))

    def r4(j: int, a: Any) -> float:
        return trace(shares[j] * a * sigma[j] * d(j))

    variance = sum(p.noise[j] / p.n * r4(j, np.ones(ATOMS)) for j in (0, 1))
    first, shift = p.truth, p.shift
    if gamma is None:
        spread = (shares * u) @ sigma + b  # L'
        if k == 0:
            return float(r3(1, shift) + lam**2 * trace(first * spread) + variance)
        return float(
            r3(0, shift) + lam**2 * trace((first + shift) * spread) + 2 * lam * r4(0, shift) + variance
        )

    def r5(a: Any) -> float:
        lead = gamma * e[0] * e[1] * (gamma * tau**2 * b + omega)
        near = [gamma * tau * shares[j] * e[j] * sigma[j] + lam for j in (0, 1)]
        return trace(
            shares[0]
            * shares[1]
            * a
            * sigma[0]
            * sigma[1]
            * (lead - gamma * tau * (u[0] * e[1] * near[1] + u[1] * e[0] * near[0]))
        )

    def common(a: Any) -> float:
        seen = r3(0, a) + r3(1, a) + 2 * r5(a) - 2 * r1(0, a * b) - 2 * r1(1, a * b)
        return float(np.sum(COUNTS * a * b)) + seen

    if k == 0:
        return common(first) + r3(1, shift) + float(variance)
    crossed = r3(0, shift) + r5(shift) - r1(0, shift * b)
    return common(first + shift) + r3(0, shift) - 2 * crossed + float(variance)


@pytest.mark.parametrize("plain", [True, False])
@pytest.mark.parametrize("k", [0, 1])
def test_the_papers_formulas_for_two_covariances(k: int, plain: bool) -> None:
    count = 40
    points = random_points(np.random.default_rng(3), count, ridge_low=1e-2)
    coefficients = REAL_AND_SYNTHETIC.copy()
    coefficients[2] = coefficients[k]
    points = points._replace(
        test=points.covariances[:, k],
        coefficients=np.broadcast_to(coefficients, (count, 3, 2)),
        weights=np.ones((count, 2)),
    )
    found = predict_many(points, plain)
    wanted = [formulas_of_two_covariances(row(points, j), k, plain) for j in range(count)]
    assert relative(found.quantities["risk"], wanted) < 1e-9


THRESHOLDS = [
    pytest.param(True, D, D, True, id="phi = 1"),
    pytest.param(False, 60, 60, False, id="psi = 1"),
    pytest.param(False, D, 300, True, id="phi = 1 with more features"),
]


@pytest.mark.parametrize(("plain", "n", "m", "biasless"), THRESHOLDS)
def test_thresholds_are_infinite_and_say_so(plain: bool, n: float, m: float, biasless: bool) -> None:
    points = papers_points(np.random.default_rng(6), 6, ridge=0.0)
    sizes = np.array([n, n + 1.0, n - 1.0, n, n, n])
    noise = np.array([0.3, 0.3, 0.3, 0.0, 1e-14, 0.3])[:, None] * np.ones(2)
    ridge = np.array([0.0] * 5 + [1e-12])
    found = predict_many(
        points._replace(n=sizes, features=np.full(6, float(m)), noise=noise, ridge=ridge), plain
    )
    np.testing.assert_array_equal(found.code, [1, 0, 0, 1, 1, 0])
    risk, bias, variance, mismatch = (found.quantities[name] for name in QUANTITIES)
    assert np.all(np.isfinite(risk[[1, 2, 5]]))
    assert np.all(np.isinf(risk[[0, 3, 4]])) and np.all(np.isinf(mismatch[[0, 3, 4]]))
    assert np.isinf(variance[0]) and variance[3] == 0.0
    assert np.isinf(variance[4]), "a little noise is amplified without bound as well"
    assert np.all(bias[[0, 3]] < 1e-12 if biasless else np.isinf(bias[[0, 3]]))


def population(covariance: Covariance, labeler: Any, share: float, noise: float = 0.1) -> fr.Population:
    return fr.Population(covariance, labeler, noise, share)


def test_a_path_is_its_points_and_a_test_population_its_index() -> None:
    d, ridges = 30, np.array([0.0, 1e-3, 0.1, 1.0])
    truth = fr.RandomVector(fr.Isotropic(d, 1 / d))
    pops = [
        population(fr.PowerLaw(d, 1.0), truth, 0.3),
        population(fr.TwoAtoms(d, (2.0, 0.1), 0.5), 0.5 * truth, 0.7),
    ]
    path = fr.RidgeMixture(pops, 40, ridges, 50)
    found = path.predict(1)
    assert found.ok and found.message == "certified"
    assert found.risk.shape == found.residual.shape == found.code.shape == (4,)
    same = path.predict(pops[1])
    for k, ridge in enumerate(ridges):
        point = fr.RidgeMixture(pops, 40, ridge, 50).predict(1)
        assert point.risk.shape == ()
        for name in QUANTITIES:
            np.testing.assert_allclose(found.quantities[name][k], point.quantities[name], rtol=1e-10)
            assert float(same.quantities[name][k]) == float(found.quantities[name][k])


def commuting(d: int) -> list[fr.Population]:
    truth = fr.RandomVector(fr.Isotropic(d, 1 / d))
    shifted = 0.7 * truth + fr.RandomVector(fr.PowerLaw(d, 1.0, 0.3))
    return [
        population(fr.PowerLaw(d, 0.8, 0.4 * d), truth, 0.25),
        population(fr.TwoAtoms(d, (2.0, 0.2), 0.25), shifted, 0.75, 0.5),
    ]


def noncommuting(d: int) -> list[fr.Population]:
    rng = np.random.default_rng(9)
    truth = fr.RandomVector(fr.Isotropic(d, 1 / d))
    roots = rng.normal(size=(2, d, 2 * d)) / np.sqrt(2 * d)
    fixed = rng.normal(size=d) / np.sqrt(d)
    return [
        population(fr.Dense(roots[0] @ roots[0].T), 0.7 * truth + fixed, 0.5),
        population(fr.Dense(roots[1] @ roots[1].T), truth, 0.5, 0.4),
    ]


# The bias of a finite size is about 1.5 / d of the risk here, and 1 / |n - d| near ridge 0: sizes and
# replicates keep it below the standard error of about half a per cent.
SIMULATED = [
    pytest.param(lambda: fr.RidgeMixture(commuting(400), 600, [0.02, 0.2, 2.0]), 0, id="plain, commuting"),
    pytest.param(lambda: fr.RidgeMixture(commuting(400), 600, [0.02, 0.2, 2.0], 200), 1, id="projections"),
    pytest.param(lambda: fr.RidgeMixture(noncommuting(150), 60, [0.0, 0.2, 2.0], 450), 1, id="not commuting"),
]


@pytest.mark.parametrize(("make", "test"), SIMULATED)
def test_theory_within_standard_errors_of_a_simulation(make: Any, test: int, record_property: Any) -> None:
    setting = make()
    prediction, estimate = setting.predict(test), setting.simulate(0, 8, test)
    assert prediction.ok
    scores = []
    for name in QUANTITIES:
        error = estimate.standard_error[name]
        seen = error > 1e-12 * estimate.mean["risk"]
        scores.append(np.abs(estimate.mean[name] - prediction.quantities[name])[seen] / error[seen])
    largest = float(np.max(np.concatenate(scores)))
    precision = float(np.max(estimate.standard_error["risk"] / estimate.mean["risk"]))
    record_property("largest |z|", largest)
    record_property("relative standard error", precision)
    print(f"largest |z| of 12: {largest:.2f}; relative standard error of the risk {precision:.4f}")
    assert largest < 5.0  # Student's t with 7 degrees of freedom exceeds it once in 600 draws
