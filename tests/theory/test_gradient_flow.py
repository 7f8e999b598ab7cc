"""Training time: limits, closed forms, explicit training on drawn data, simulation, gradients, bad input."""

import dataclasses
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad, solve_ivp

import freeridge as fr
from freeridge.solvers.ridge_path import LabelSource, RidgeExperiment, exact_risks
from freeridge.theory.covariance import PowerLaw

D = 40
PARTS = ("risk", "bias", "variance", "mismatch")
TIMES = np.geomspace(0.05, 500.0, 20)
# One length for the tests below: a window of times and a shape compile once.
LIMITS = np.array([0.0, 1e-5, 1e9])


def mixture_of(
    features: float | None = None, ridge: Any = 0.0, d: int = D, n: float = 2.0 * D, **changes: Any
) -> fr.RidgeMixture:
    """Three populations with correlated labelers, spectra with a limit as d grows."""
    truth = fr.RandomVector(fr.Isotropic(d, 1 / d))
    other = 0.5 * truth + fr.RandomVector(fr.TwoAtoms(d, (2.0 / d, 0.5 / d), 0.5))
    noise, exponent = changes.get("noise", 0.3), changes.get("exponent", 0.5)
    populations = [
        fr.Population(PowerLaw(d, exponent, trace=d), truth, noise, 0.5),
        fr.Population(fr.TwoAtoms(d, (3.0, 0.5), 0.25), other, 0.1, 0.25),
        fr.Population(fr.Isotropic(d, 0.7), truth + other, 0.5, 0.25),
    ]
    return fr.RidgeMixture(populations, n, ridge, features)


def values(prediction: Any, name: str = "risk") -> Any:
    return np.asarray(prediction.quantities[name])


@pytest.mark.slow
@pytest.mark.parametrize("features", [None, 60.0, 20.0])
@pytest.mark.parametrize("ridge", [0.0, 0.1])
def test_both_ends_of_time(features: float | None, ridge: float) -> None:
    mixture = mixture_of(features, ridge)
    found = fr.GradientFlow(mixture, LIMITS).predict()
    assert found.ok
    trained = mixture.predict()
    for name in PARTS:
        # Parts that vanish, vanish to rounding of the risk of zero, which is 1.
        np.testing.assert_allclose(values(found, name)[-1], trained.quantities[name], rtol=1e-9, atol=1e-13)
    # The risk of zero: w' Sigma w.
    assert float(found.risk[0]) == pytest.approx(1.0, rel=1e-12)
    assert [float(values(found, name)[0]) for name in PARTS[1:]] == [pytest.approx(1.0), 0.0, 0.0]
    # At first w = t S S' sum_s M_s w_s: the risk falls by 2 t tr Sigma (S S') sum_s p_s Sigma_s w_s w'.
    sigma = np.array([np.asarray(p.covariance.coordinates()) for p in mixture.populations])  # type: ignore[attr-defined]
    agreement = np.array([0.5, 0.25 * 0.5, 0.25 * 1.5])
    fall = 2.0 * np.mean(sigma[0] * (agreement @ sigma)) * (1.0 if features is None else features / D)
    assert (1.0 - values(found)[1]) / LIMITS[1] == pytest.approx(fall, rel=1e-3)


@cache
def marchenko_pastur(phi: float) -> Any:
    low, high = (1 - np.sqrt(phi)) ** 2, (1 + np.sqrt(phi)) ** 2

    def mean(function: Any) -> float:
        """Over the eigenvalues of X'X/n, on an angle that smooths both ends; zeros where phi > 1."""

        def density(angle: float) -> float:
            s = 0.5 * (low + high) - 0.5 * (high - low) * np.cos(angle)
            return float(((high - low) * np.sin(angle)) ** 2 / (8.0 * np.pi * phi * s) * function(s))

        inside = quad(density, 0.0, np.pi, epsabs=1e-14, epsrel=1e-13, limit=400)[0]
        return float(inside + max(0.0, 1.0 - 1.0 / phi) * function(0.0))

    return mean


@pytest.mark.parametrize("phi", [pytest.param(0.4, marks=pytest.mark.slow), 2.5])
def test_isotropic_inputs_are_an_integral_over_marchenko_and_pastur(phi: float) -> None:
    truth, ridge, noise = fr.RandomVector(fr.Isotropic(D, 1 / D)), 0.2, 0.3
    population = fr.Population(fr.Isotropic(D), truth, noise, 1.0)
    times = np.geomspace(0.01, 100.0, 9)
    found = fr.GradientFlow(fr.RidgeMixture([population], D / phi, ridge), times).predict()
    mean = marchenko_pastur(phi)
    for k, t in enumerate(times):

        def learned(s: float, t: float = t) -> float:
            return -np.expm1(-t * (s + ridge)) / (s + ridge)

        assert values(found, "bias")[k] == pytest.approx(mean(lambda s: (1 - s * learned(s)) ** 2), abs=1e-9)
        variance = noise * phi * mean(lambda s: s * learned(s) ** 2)
        assert values(found, "variance")[k] == pytest.approx(variance, abs=1e-9)


@pytest.mark.slow
def test_one_step_of_descent() -> None:
    """w_1 = a X'Y / n: E |w_1 - w|^2 for isotropic inputs from E M = 1, E M^2 = 1 + phi + O(1 / n)."""
    phi, noise, size = 0.5, 0.3, 0.4
    truth = fr.RandomVector(fr.Isotropic(D, 1 / D))
    mixture = fr.RidgeMixture([fr.Population(fr.Isotropic(D), truth, noise, 1.0)], D / phi, 0.0)
    found = fr.GradientFlow(mixture, size, size).predict()
    assert float(found.bias) == pytest.approx(1 - 2 * size + size**2 * (1 + phi), rel=1e-10)
    assert float(found.variance) == pytest.approx(size**2 * phi * noise, rel=1e-10)
    # Through features: S S' counts like one more such matrix, of aspect 1 / gamma, times gamma.
    gamma = 0.5
    projected = dataclasses.replace(mixture, features=jnp.array(gamma * D))
    found = fr.GradientFlow(projected, size, size).predict()
    second = gamma * (1 + gamma) * (1 + phi)
    assert float(found.bias) == pytest.approx(1 - 2 * size * gamma + size**2 * second, rel=1e-10)
    assert float(found.variance) == pytest.approx(size**2 * noise * phi * gamma * (1 + gamma), rel=1e-10)


@pytest.mark.slow
@pytest.mark.parametrize("features", [None, pytest.param(20.0, marks=pytest.mark.slow)])
def test_descent_becomes_flow_and_diverges_beyond_the_edge(features: float | None) -> None:
    mixture = mixture_of(features, 0.05)
    times = np.array([0.8, 4.0])
    flow = values(fr.GradientFlow(mixture, times).predict())
    misses = [values(fr.GradientFlow(mixture, times, size).predict()) - flow for size in (0.02, 0.01)]
    # Linear in the step size, so that twice the finer minus the coarser is better by an order.
    np.testing.assert_allclose(misses[0], 2.0 * misses[1], rtol=0.1)
    assert np.all(np.abs(2.0 * misses[1] - misses[0]) < 0.1 * np.abs(misses[1]))
    unstable = fr.GradientFlow(mixture, times, 0.8).predict()
    assert not unstable.ok and np.all(np.asarray(unstable.code) == 2)
    assert all(np.all(np.isnan(values(unstable, name))) for name in PARTS)


@pytest.mark.parametrize("features", [None, 5, 20])
@pytest.mark.parametrize("ridge", [0.0, 0.1])
def test_filters_of_the_simulation_are_explicit_training(features: int | None, ridge: float) -> None:
    """The same draw trained step by step, and by an integrator, once for each label source."""
    rng, d, n = np.random.default_rng(0), 8, 12
    sigma, steps, size = np.linspace(0.3, 2.0, d), np.array([0, 1, 3, 33, 200]), 0.15
    x = rng.normal(size=(n, d)) * np.sqrt(sigma)
    s = np.eye(d) if features is None else rng.normal(size=(d, features)) / np.sqrt(d)
    base = RidgeExperiment(
        (np.sqrt(sigma),),
        (n,),
        np.array([0.4]),
        np.array([ridge]),
        sigma,
        (LabelSource(np.array([1.0]), 0.5, np.linspace(1.0, 2.0, d)),),
        None,
        features,
        times=size * steps,
    )
    h = s.T @ x.T @ x @ s / n + ridge * np.eye(s.shape[1])
    # Columns: what every label, and every coordinate of the labeler, adds to the right side.
    b = np.concatenate([s.T @ x.T / n, s.T @ x.T @ x / n], axis=1)

    def risk(eta: Any) -> float:
        w = s @ eta
        noise, error = w[:, :n], w[:, n:] - 0.5 * np.eye(d)
        scatter = np.sum(error**2 * sigma[:, None] * np.linspace(1.0, 2.0, d))
        return float(0.4 * np.sum(noise**2 * sigma[:, None]) + scatter)

    eta, descent = np.zeros_like(b), []
    for step in range(int(steps[-1]) + 1):
        if step in steps:
            descent.append(risk(eta))
        eta = eta + size * (b - h @ eta)
    mixing = None if features is None else s
    trained = exact_risks(dataclasses.replace(base, step_size=size), (x,), mixing)["risk"]
    np.testing.assert_allclose(trained, descent, rtol=1e-10)
    solved = solve_ivp(
        lambda t, v: (b - h @ v.reshape(b.shape)).ravel(),
        (0.0, size * 200),
        np.zeros(b.size),
        method="DOP853",
        t_eval=size * steps,
        rtol=1e-12,
        atol=1e-13,
    )
    flow = [risk(column.reshape(b.shape)) for column in solved.y.T]
    np.testing.assert_allclose(exact_risks(base, (x,), mixing)["risk"], flow, rtol=1e-8)


@pytest.mark.slow
@pytest.mark.parametrize("features", [pytest.param(None, marks=pytest.mark.slow), 60.0])
def test_gradients_are_differences(features: float | None) -> None:
    names = ("time", "ridge", "n", "noise", "exponent")
    start = jnp.array([3.0, 0.05, 70.0, 0.3, 0.6])

    @jax.jit
    @jax.vmap
    def risk_and_gradient(v: Any) -> Any:
        def risk(v: Any) -> Any:
            mixture = mixture_of(features, v[1], n=v[2], noise=v[3], exponent=v[4])
            return fr.GradientFlow(mixture, v[0]).predict().risk

        return risk(v), jax.jvp(risk, (v,), (jnp.ones(5),))[1], jax.jacfwd(risk)(v)

    steps = 1e-5 * np.asarray(start)[:, None] * np.eye(5)
    rows = np.concatenate([np.asarray(start)[None], np.asarray(start) + steps, np.asarray(start) - steps])
    risks, slopes, gradients = (np.asarray(v) for v in risk_and_gradient(jnp.asarray(rows)))
    differences = (risks[1:6] - risks[6:]) / (2.0 * np.diag(steps))
    assert len(names) == len(differences)
    np.testing.assert_allclose(gradients[0], differences, rtol=2e-6, atol=1e-9)
    assert slopes[0] == pytest.approx(np.sum(gradients[0]), rel=1e-10)


@pytest.mark.slow
def test_a_sweep_over_time_is_a_path_and_a_loop() -> None:
    mixture = mixture_of(None, 0.05)
    times = np.array([0.0, 0.3, 3.0, 30.0])
    swept = fr.sweep(fr.GradientFlow(mixture, 1.0), {"time": times})
    path = fr.GradientFlow(mixture, times).predict()
    for name in PARTS:
        np.testing.assert_allclose(swept[name], values(path, name), rtol=1e-9, atol=1e-11)
        alone = fr.GradientFlow(mixture, 3.0).predict().quantities[name]
        np.testing.assert_allclose(alone, values(path, name)[2], rtol=1e-9)


@pytest.mark.slow
def test_axes_of_their_own_and_rotated_axes() -> None:
    """Three covariances, no two of which commute, a fixed labeler: the same problem in two bases."""
    rng, d = np.random.default_rng(3), 6
    first, second, test = (a @ a.T / d + 0.2 * np.eye(d) for a in rng.normal(size=(3, d, d)))
    basis, _ = np.linalg.qr(rng.normal(size=(d, d)))

    def risks(turn: Any, features: float | None) -> Any:
        turned = [fr.Dense(jnp.asarray(turn @ c @ turn.T)) for c in (first, second, test)]
        w = jnp.asarray(turn @ np.arange(1.0, d + 1.0))
        truth = fr.RandomVector(fr.Isotropic(d, 1 / d))
        populations = [
            fr.Population(turned[0], truth, 0.1, 0.5),
            fr.Population(turned[1], truth + w, 0.1, 0.5),
        ]
        mixture = fr.RidgeMixture(populations, 10.0, 0.01, features)
        return fr.GradientFlow(mixture, 2.0).predict(test=fr.Population(turned[2], truth, 0.0, 1.0))

    for features in (None, 5.0):
        here, there = risks(np.eye(d), features), risks(basis, features)
        assert here.ok and there.ok
        for name in PARTS:
            assert float(here.quantities[name]) == pytest.approx(float(there.quantities[name]), rel=1e-9)


@pytest.mark.slow
def test_dense_and_diagonal() -> None:
    d, rng = 6, np.random.default_rng(4)
    covariances = np.exp(rng.normal(size=(2, d)))
    truth = fr.RandomVector(fr.Isotropic(d, 1 / d))
    basis, _ = np.linalg.qr(rng.normal(size=(d, d)))
    # A third population of share zero keeps the axes apart.
    apart = fr.Dense(jnp.asarray(np.diag(covariances[0]) + 0.1))

    def risk(third: Any) -> Any:
        populations = [
            *(fr.Population(fr.Eigenvalues(c), truth, 0.2, 0.5) for c in covariances),
            fr.Population(third, truth, 0.2, 0.0),
        ]
        return fr.GradientFlow(fr.RidgeMixture(populations, 9.0, 0.01, 7.0), 2.0).predict()

    dense, diagonal = risk(apart), risk(fr.Isotropic(d))
    for name in PARTS:
        assert float(dense.quantities[name]) == pytest.approx(float(diagonal.quantities[name]), rel=1e-9)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"time": -1.0}, "time"),
        ({"time": np.nan}, "time"),
        ({"time": 1.0, "step_size": 0.0}, "step_size"),
        ({"time": 1.0, "step_size": 0.3}, "time"),
        ({"time": 1.0, "mixture": mixture_of(None, [0.1, 0.2])}, "ridge"),
    ],
)
def test_refused(arguments: dict[str, Any], name: str) -> None:
    with pytest.raises(fr.InvalidSetting) as caught:
        fr.GradientFlow(**{"mixture": mixture_of(), **arguments})
    assert caught.value.field == name


@pytest.mark.slow
def test_bias_amplification_after_a_long_time_is_without_time() -> None:
    groups = [
        fr.Population(p.covariance, p.labeler, p.noise_variance, share)
        for p, share in zip(mixture_of().populations[:2], (0.7, 0.3), strict=True)
    ]
    trained = fr.BiasAmplification(groups, 300.0, 0.1).predict()
    stopped = fr.BiasAmplification(groups, 300.0, 0.1, time=1e6).predict()
    assert stopped.ok
    for name, value in trained.quantities.items():
        np.testing.assert_allclose(stopped.quantities[name], value, rtol=1e-8, err_msg=name)


def misses(features: float | None, d: int, replicates: int, step: float | None) -> Any:
    """Simulation minus theory and standard error at twenty times, shape (parts, times)."""
    times = TIMES if step is None else step * np.round(TIMES / step)
    mixture = mixture_of(None if features is None else features * d, 0.01, d, 2.0 * d)
    flow = fr.GradientFlow(mixture, times, step)
    theory, estimate = flow.predict(), flow.simulate(d, replicates)
    assert theory.ok
    miss = np.array([np.asarray(estimate.mean[name]) - values(theory, name) for name in PARTS])
    return miss, np.array([np.asarray(estimate.standard_error[name]) for name in PARTS])


def check_against_simulation(features: float | None, d: int, replicates: int, step: float | None) -> None:
    (whole, error), (half, half_error) = (
        misses(features, d, replicates, step),
        misses(features, d // 2, 4 * replicates, step),
    )
    # A simulation at d misses the limit by a / d + ...: free of a, with its own error.
    z = (2.0 * whole - half) / np.sqrt((2.0 * error) ** 2 + half_error**2)
    rms = np.sqrt(np.mean(z**2))
    print(f"features {features}, d {d}, step {step}: |z| up to {np.abs(z).max():.2f}, rms {rms:.2f}")
    print(np.round(z, 1))
    assert np.max(np.abs(z)) < 4.0
    assert np.max(error) < 0.1  # of the risk of zero


@pytest.mark.slow
@pytest.mark.parametrize("features", [pytest.param(None, marks=pytest.mark.slow), 0.75])
def test_twenty_times_against_simulation(features: float | None) -> None:
    check_against_simulation(features, 80, 60, None)


@pytest.mark.slow
@pytest.mark.parametrize("step", [None, 0.05])
@pytest.mark.parametrize("features", [None, 0.75, 1.5])
def test_twenty_times_against_a_larger_simulation(features: float | None, step: float | None) -> None:
    check_against_simulation(features, 320, 100, step)
