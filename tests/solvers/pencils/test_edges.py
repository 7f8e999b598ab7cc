"""Edges, point masses and gaps against closed forms and an independent oracle."""

from typing import Any

import numpy as np
import pytest
from scipy.optimize import brentq

import freeridge as fr
from freeridge.solvers.pencils.densities.density import SpectralDensity, spectral_density
from freeridge.solvers.pencils.densities.edges import find_support

n, d, m = fr.dims("n d m")
X, Y = fr.gaussian("X", n, d, variance=1 / n), fr.gaussian("Y", m, d, variance=1 / m)
S = fr.gaussian("S", m, n, variance=1 / n)
Sigma = fr.deterministic("Sigma", d)


@pytest.fixture(scope="module")
def covariance() -> SpectralDensity:
    return spectral_density(fr.sqrt(Sigma) @ X.T @ X @ fr.sqrt(Sigma))


@pytest.fixture(scope="module")
def affine() -> SpectralDensity:
    return spectral_density(fr.scalar("shift") + 2 * X.T @ X)


@pytest.mark.parametrize("phi", [0.01, 0.5, 0.99, 1.01, 2.0, 100.0])
def test_marchenko_pastur(affine: SpectralDensity, phi: float) -> None:
    found = affine.edges(n=100.0, d=100.0 * phi, shift=0.0)
    edges = 2 * np.array([[(1 - phi**0.5) ** 2, (1 + phi**0.5) ** 2]])
    np.testing.assert_allclose(found.intervals, edges, rtol=0, atol=1e-11 * edges[0, 1])
    assert np.all(np.abs(found.intervals - edges) <= 2 * found.error + 1e-14 * edges[0, 1])
    assert not np.any(found.hard)
    assert abs(found.missing) < 1e-10
    np.testing.assert_allclose(found.atom_masses, [1 - 1 / phi] if phi > 1 else [], rtol=1e-9)


def test_hard_edge(affine: SpectralDensity) -> None:
    found = affine.edges(n=100.0, d=100.0, shift=0.0)
    np.testing.assert_allclose(found.intervals, [[0.0, 8.0]], atol=1e-11)
    assert found.hard.tolist() == [[True, False]]
    assert len(found.atoms) == 0
    assert abs(found.missing) < 1e-5


def test_point_mass_away_from_zero(affine: SpectralDensity) -> None:
    found = affine.point_masses(n=100.0, d=400.0, shift=-3.0)
    ((place, mass),) = found.items()
    assert place == pytest.approx(-3.0, abs=1e-11)
    assert mass == pytest.approx(0.75, rel=1e-9)


@pytest.mark.parametrize(("values", "phi"), [((1.0, 6.0), 0.1), ((1.0, 2.0), 0.1), ((1.0, 2.0), 0.5)])
def test_two_atoms(covariance: SpectralDensity, values: tuple[float, float], phi: float) -> None:
    # Edges are the extrema of the inverse of the Stieltjes transform of X Sigma X^T.
    atoms = np.array(values)

    def inverse(e: float) -> float:
        return float(-1 / e + phi * np.mean(atoms / (1 + e * atoms)))

    def slope(e: float) -> float:
        return float(1 / e**2 - phi * np.mean((atoms / (1 + e * atoms)) ** 2))

    poles = [-30.0, *(-1 / atoms), 0.0]
    grid = np.concatenate([np.linspace(a, b, 20_002)[1:-1] for a, b in zip(poles, poles[1:], strict=False)])
    signs = np.sign([slope(e) for e in grid])
    folds = [brentq(slope, grid[i], grid[i + 1], xtol=1e-15) for i in np.flatnonzero(np.diff(signs))]
    expected = np.sort([inverse(e) for e in folds if not np.any(np.abs(1 + e * atoms) < 1e-3)])
    found = covariance.edges(n=100 / phi, Sigma=fr.TwoAtoms(100, list(values), 0.5))
    np.testing.assert_allclose(found.intervals.ravel(), expected, rtol=1e-10)
    np.testing.assert_allclose(found.masses, np.full(len(found.masses), 1 / len(found.masses)), rtol=1e-9)


def test_few_large_eigenvalues_are_not_missed(covariance: SpectralDensity) -> None:
    found = covariance.edges(n=2000.0, Sigma=fr.TwoAtoms(1000, [1.0, 300.0], 0.998))
    np.testing.assert_allclose(found.masses, [0.998, 0.002], rtol=1e-6)


@pytest.mark.slow
def test_product_of_square_gaussians() -> None:
    law = spectral_density(X.T @ S.T @ S @ X)
    found = law.edges(n=100.0, d=100.0, m=100.0)
    np.testing.assert_allclose(found.intervals, [[0.0, 27 / 4]], rtol=1e-11, atol=1e-11)
    assert found.hard.tolist() == [[True, False]]
    # Of Fuss and Catalan: m = -t / z with t = 1 + t^3 / z.
    z = np.array([1.0 + 0.5j, 9.0 + 0j, 2.0 + 0j])
    t = -z * np.asarray(law.resolvent(z, n=100.0, d=100.0, m=100.0).trace)
    np.testing.assert_allclose(t, 1 + t**3 / z, rtol=1e-11)
    assert law.point_masses(n=100.0, d=100.0, m=30.0) == pytest.approx({0.0: 0.7})


@pytest.mark.slow
def test_difference_of_wisharts_has_a_gap_around_its_point_mass() -> None:
    found = spectral_density(X.T @ X - Y.T @ Y).edges(n=30.0, m=30.0, d=100.0)
    np.testing.assert_allclose(found.intervals, -found.intervals[::-1, ::-1], atol=1e-10)
    np.testing.assert_allclose(found.masses, [0.3, 0.3], rtol=1e-9)
    assert found.atoms.tolist() == [0.0]
    np.testing.assert_allclose(found.atom_masses, [0.4], rtol=1e-9)


def test_narrow_gap_is_found() -> None:
    # Two semicircles, 1e-4 apart.
    def resolvent(z: np.ndarray) -> dict[str, Any]:
        parts = [-(z - c) + np.sqrt(z - c - 1) * np.sqrt(z - c + 1) for c in (-1.00005, 1.00005)]
        return {"trace": parts[0] + parts[1]}

    found = find_support(resolvent, scale=1.0)
    np.testing.assert_allclose(found.intervals[:, ::-1].ravel()[[0, 3]], [-5e-5, 5e-5], atol=1e-12)
    np.testing.assert_allclose(found.masses, [0.5, 0.5], atol=1e-9)
