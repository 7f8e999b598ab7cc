"""Direct sums: blocks in order, in theory, simulation, sweeps and derivatives like any other covariance."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import freeridge as fr
from freeridge.theory.covariance import Diagonal
from freeridge.theory.covariance_algebra import rank_of, reciprocal, scaled

PARTS = (
    fr.TwoAtoms(4, (3.0, 0.5), 0.25),
    fr.Isotropic(2, 0.0),
    fr.PowerLaw(3, 1.0),
    fr.Eigenvalues([2.0], [3]),
)


def test_coordinates_follow_each_other() -> None:
    both = fr.DirectSum(PARTS)
    expected = np.concatenate([part.coordinates() for part in PARTS])
    assert both.d == 12
    np.testing.assert_array_equal(both.coordinates(), expected)
    nested = fr.DirectSum([fr.DirectSum(PARTS[:2]), fr.DirectSum(PARTS[2:])])
    np.testing.assert_array_equal(nested.coordinates(), expected)


def test_ends_are_known_while_jax_traces_what_can_be() -> None:
    def ends(scale: Any) -> Any:
        found = fr.DirectSum([fr.Isotropic(3, scale), fr.PowerLaw(2, 1.0)]).blocks()[1]
        assert isinstance(found, np.ndarray)
        return scale * found[0]

    assert jax.jit(ends)(2.0) == 6.0
    atoms = jax.jit(lambda f: fr.DirectSum([fr.Isotropic(3), fr.TwoAtoms(4, (3.0, 0.5), f)]).blocks()[1])(
        0.25
    )
    np.testing.assert_array_equal(atoms, [3.0, 4.0, 7.0])


def test_multiples_inverses_and_rank() -> None:
    both = fr.DirectSum(PARTS)
    values = np.asarray(both.coordinates())
    double = scaled(both, 2.0)
    inverse = reciprocal(both)
    assert isinstance(double, Diagonal) and isinstance(inverse, Diagonal)
    np.testing.assert_allclose(double.coordinates(), 2.0 * values)
    np.testing.assert_allclose(
        inverse.coordinates(), np.where(values > 0, 1.0 / np.maximum(values, 0.1), 0.0)
    )
    assert float(rank_of(both)) == 10.0


def mixture(covariance: Any, signal: Any, **fields: Any) -> fr.RidgeMixture:
    population = fr.Population(covariance, fr.RandomVector(signal), 0.2, share=1.0)
    return fr.RidgeMixture([population], **{"n": 20, "ridge": 0.05, **fields})


def test_a_sum_is_the_spectrum_of_its_parts() -> None:
    both = fr.DirectSum(PARTS)
    listed = fr.Eigenvalues(both.coordinates())
    signal = fr.DirectSum([fr.Isotropic(4, 0.25), fr.Isotropic(8, 0.1)])
    expected = mixture(listed, fr.Eigenvalues(signal.coordinates()), features=9).predict()
    found = mixture(both, signal, features=9).predict()
    assert found.ok
    np.testing.assert_allclose(found.risk, expected.risk, rtol=1e-13)
    # The same rows are drawn, so that simulations agree to rounding.
    drawn = mixture(both, signal, features=9).simulate(0, 3)
    again = mixture(listed, fr.Eigenvalues(signal.coordinates()), features=9).simulate(0, 3)
    np.testing.assert_allclose(drawn.risk, again.risk, rtol=1e-10)


@pytest.mark.slow
def test_parts_are_swept_and_differentiated() -> None:
    setting = mixture(
        fr.DirectSum([fr.Isotropic(4), fr.TwoAtoms(4, (3.0, 0.5), 0.25)]), fr.Isotropic(8, 0.125)
    )
    grid = fr.sweep(
        setting,
        {
            "populations.0.covariance.parts.0.scale": [1.0, 2.0],
            "populations.0.covariance.parts.1.fraction": [0.25, 0.5],
        },
    )
    assert np.all(grid.code == 0)
    np.testing.assert_allclose(grid.risk[0, 0], setting.predict().risk, rtol=1e-12)

    def risk(scale: Any, fraction: Any) -> Any:
        parts = [fr.Isotropic(4, scale), fr.TwoAtoms(4, (3.0, 0.5), fraction)]
        return mixture(fr.DirectSum(parts), fr.Isotropic(8, 0.125)).predict().risk

    point, step = (jnp.asarray(1.5), jnp.asarray(0.3)), 1e-5
    slopes = jax.grad(risk, argnums=(0, 1))(*point)
    for k in range(2):
        up, down = ([v + sign * step * (i == k) for i, v in enumerate(point)] for sign in (1.0, -1.0))
        np.testing.assert_allclose(slopes[k], (risk(*up) - risk(*down)) / (2 * step), rtol=1e-7)


def test_simulation_asks_for_whole_blocks_and_theory_does_not() -> None:
    half = fr.DirectSum([fr.Isotropic(2), fr.TwoAtoms(5, (3.0, 0.5), 0.5)])
    setting = mixture(half, fr.Isotropic(7, 1 / 7))
    assert setting.predict().ok
    with pytest.raises(
        fr.InvalidSetting, match=r"fraction \* d = 4.5: expected a block that ends at a whole"
    ):
        setting.simulate(0, 2)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([], "parts = .*at least one covariance"),
        (fr.Isotropic(2), "parts = .*a list of covariances"),
        ("Isotropic(2)", "parts = 'Isotropic.*a list of covariances"),
        (3.0, "parts = 3.0: expected a list of covariances"),
        ([fr.Isotropic(2), 1.0], r"parts\.1 = 1.0: expected a covariance diagonal"),
        ([fr.Dense(np.eye(2))], r"parts\.0 = .*a covariance diagonal"),
    ],
)
def test_bad_parts_are_named(parts: Any, message: str) -> None:
    with pytest.raises(fr.InvalidSetting, match=f"(?s){message}"):
        fr.DirectSum(parts)
