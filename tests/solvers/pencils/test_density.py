"""Spectral densities: closed forms, simulation, the branch, gradients, and what is refused."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import freeridge as fr
from freeridge.solvers.pencils.densities.density import SpectralDensity, spectral_density

n, d, m = fr.dims("n d m")
X, Y = fr.gaussian("X", n, d, variance=1 / n), fr.gaussian("Y", m, d, variance=1 / m)
Z = fr.gaussian("Z", d, d, variance=1 / (2 * d))
w, theta, Sigma = fr.vector("w", d), fr.scalar("theta"), fr.deterministic("Sigma", d)


@pytest.fixture(scope="module")
def marchenko_pastur() -> SpectralDensity:
    return spectral_density(X.T @ X)


@pytest.fixture(scope="module")
def spiked() -> SpectralDensity:
    return spectral_density(Z + Z.T + theta * w @ w.T)


def closed_form(x: np.ndarray, phi: float) -> np.ndarray:
    low, high = (1 - phi**0.5) ** 2, (1 + phi**0.5) ** 2
    return np.sqrt(np.maximum((x - low) * (high - x), 0.0)) / (2 * np.pi * phi * x)


@pytest.mark.parametrize("phi", [0.01, 0.5, 1.0, 2.0, 50.0])
def test_marchenko_pastur(marchenko_pastur: SpectralDensity, phi: float) -> None:
    x = np.linspace(0.001, 1.2, 400) * (1 + phi**0.5) ** 2
    found = marchenko_pastur.density(x, n=100.0, d=100.0 * phi)
    exact = closed_form(x, phi)
    assert found.ok, found.message
    np.testing.assert_allclose(found.density, exact, rtol=0, atol=1e-11 * np.max(exact))
    # Outside of the bulk nothing is left of it.
    assert np.all(np.asarray(found.density)[exact == 0.0] == 0.0)


def test_resolvent_off_the_real_axis(marchenko_pastur: SpectralDensity) -> None:
    z = np.array([0.3 + 0.1j, -2.0 + 1e-6j, 1.0 - 0.2j, 30.0 + 20.0j])
    found = marchenko_pastur.resolvent(z, n=200.0, d=100.0).trace
    # z phi m^2 + (z + phi - 1) m + 1 = 0
    np.testing.assert_allclose(z * 0.5 * found**2 + (z - 0.5) * found + 1.0, 0.0, atol=1e-12)
    assert np.all(np.sign(np.imag(found)) == np.sign(z.imag))


def test_smoothed_density_counts_point_masses(marchenko_pastur: SpectralDensity) -> None:
    eta = 1e-4
    found = marchenko_pastur.density(0.0, eta=eta, n=100.0, d=200.0)
    assert float(found.density) == pytest.approx(0.5 / (np.pi * eta), rel=1e-6)


def test_semicircle(spiked: SpectralDensity) -> None:
    x = np.linspace(-2.5, 2.5, 100)
    found = spiked.density(x, theta=0.3, w=np.full(16, 0.25))
    exact = np.sqrt(np.maximum(4 - x**2, 0.0)) / (2 * np.pi)
    assert found.ok
    np.testing.assert_allclose(found.density, exact, rtol=0, atol=1e-12)


@pytest.mark.parametrize("strength", [1.2, 2.0, 10.0])
def test_spike_beyond_the_transition(spiked: SpectralDensity, strength: float) -> None:
    found = spiked.outliers(theta=strength, w=np.full(16, 0.25))
    np.testing.assert_allclose(found.locations, [strength + 1 / strength], rtol=1e-12)
    np.testing.assert_allclose(found.overlaps["w"], [1 - strength**-2], rtol=1e-8)


@pytest.mark.parametrize("strength", [0.0, 0.5, 0.95, -0.5])
def test_spike_below_the_transition(spiked: SpectralDensity, strength: float) -> None:
    assert len(spiked.outliers(theta=strength, w=np.full(16, 0.25)).locations) == 0


def test_negative_spike_on_the_left(spiked: SpectralDensity) -> None:
    found = spiked.outliers(theta=-2.0, w=np.full(16, 0.25))
    np.testing.assert_allclose(found.locations, [-2.5], rtol=1e-12)


@pytest.mark.slow
def test_gradient_is_the_finite_difference(marchenko_pastur: SpectralDensity) -> None:
    def density(phi: Any) -> Any:
        return marchenko_pastur.density(jnp.array([0.4, 1.7]), n=100.0, d=100.0 * phi).density

    found = jax.jacfwd(density)(0.5)
    x, step = np.array([0.4, 1.7]), 1e-6
    difference = (closed_form(x, 0.5 + step) - closed_form(x, 0.5 - step)) / (2 * step)
    np.testing.assert_allclose(found, difference, rtol=1e-7)


def test_histogram_of_a_sum_of_two_wisharts() -> None:
    size, rng = 1000, np.random.default_rng(0)
    x = rng.standard_normal((2000, size)) / 2000**0.5
    y = rng.standard_normal((700, size)) / 700**0.5
    eigenvalues = np.linalg.eigvalsh(x.T @ x + 3 * y.T @ y)
    spectrum = spectral_density(X.T @ X + 3 * Y.T @ Y).spectrum(n=2000, m=700, d=size)
    assert abs(spectrum.support.missing) < 1e-9
    # Eigenvalues repel: the distributions differ by a few over d, those of independent ones by 1/sqrt(d).
    ranks = (np.arange(size) + 0.5) / size
    assert np.max(np.abs(spectrum.cumulative(eigenvalues) - ranks)) * size < 6.0
    # Counts in twenty bins of equal mass: each is 50 with a standard deviation below one.
    counts = np.histogram(spectrum.cumulative(eigenvalues), np.linspace(0, 1, 21))[0]
    assert np.max(np.abs(counts - 50)) <= 4


def test_plot_has_curve_edges_and_outliers(spiked: SpectralDensity) -> None:
    axes = spiked.spectrum(points=100, theta=3.0, w=np.full(16, 0.25)).plot()
    curve, *edges, outlier = (np.asarray(line.get_xdata(), np.float64) for line in axes.lines)
    assert len(curve) == 100
    np.testing.assert_allclose([x[0] for x in edges], [-2.0, 2.0], atol=1e-10)
    np.testing.assert_allclose(outlier, [10 / 3])


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        (X, "square"),
        (Z, "self-adjoint"),
        (Z @ X.T @ X, "self-adjoint"),
        (Sigma, "Gaussian"),
        (X.T @ X + fr.scalar("z"), "spectral parameter"),
    ],
)
def test_refused(expression: Any, said: str) -> None:
    with pytest.raises(fr.InvalidSetting, match=said):
        spectral_density(expression)


@pytest.mark.parametrize(
    "expression",
    [
        Sigma @ X.T @ X + X.T @ X @ Sigma,
        (X.T @ X @ Sigma + 1).inv() + (Sigma @ X.T @ X + 1).inv(),
        (X.T @ X @ w) @ (X.T @ X @ w).T,
    ],
)
def test_self_adjoint_in_another_order(expression: Any) -> None:
    assert spectral_density(expression).expression == expression


def test_the_spectral_parameter_takes_no_value(marchenko_pastur: SpectralDensity) -> None:
    with pytest.raises(fr.InvalidSetting, match="spectral parameter"):
        marchenko_pastur.density(1.0, n=1.0, d=1.0, z=2.0)
