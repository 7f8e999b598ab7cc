"""Derived equations as numbers: against independent solvers, under every transformation, at the door."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import freeridge as fr
from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.pencils.derive import Equations
from freeridge.solvers.results import Code

n, d, m = fr.dims("n d m")
lam, z = fr.scalar("lambda"), fr.scalar("z")
Sigma, Theta = fr.deterministic("Sigma", d), fr.deterministic("Theta", d)
X = fr.gaussian("Z", n, d, variance=1 / n, column_covariance=Sigma)
S = fr.gaussian("S", d, m, variance=1 / d)
w = fr.vector("w", d)
M = X.T @ X
R = (M + lam).inv()
Q = S @ (S.T @ M @ S + lam).inv() @ S.T
SPECTRUM = np.array([4.0, 2.0, 1.0, 0.5])
LABELER = np.array([0.5, 1.0, -1.0, 2.0])


@cache
def ridge() -> Equations:
    return fr.derive(
        bias=lam**2 * fr.quadratic_form(w, R @ Sigma @ R), variance=fr.trace(R @ Sigma @ R @ M) / n
    )


@cache
def projections() -> Equations:
    return fr.derive(variance=fr.trace(Q @ Sigma @ Q @ M) / n)


@cache
def pair() -> Equations:
    return fr.derive(fr.normalized_trace(R @ Theta @ R @ Sigma))


def test_vmap_is_a_loop_and_jit_compiles_once() -> None:
    ridges = jnp.array([1e-3, 0.1, 3.0])

    def at(ridge_: jax.Array) -> jax.Array:
        return ridge().evaluate(n=6, lam=ridge_, Sigma=SPECTRUM, w=LABELER).variance

    looped = jnp.stack([at(r) for r in ridges])
    np.testing.assert_allclose(jax.vmap(at)(ridges), looped, rtol=1e-12)
    compiled = ridge().evaluate_numbers
    before = compiled._cache_size()
    ridge().evaluate(n=7, lam=0.2, Sigma=SPECTRUM, w=LABELER)
    assert compiled._cache_size() == before


def _check_gradients(eq: Equations, point: dict[str, jax.Array]) -> None:
    """Against differences, in the first entry of every number."""

    def value(numbers: dict[str, jax.Array]) -> jax.Array:
        return eq.evaluate(**numbers).variance

    slopes = jax.jit(jax.grad(value))(point)
    for name, number in point.items():
        step = 1e-5 * jnp.eye(number.size)[0].reshape(number.shape)
        up, down = (value({**point, name: number + sign * step}) for sign in (1, -1))
        found = jnp.ravel(slopes[name])[0]
        np.testing.assert_allclose(found, (up - down) / 2e-5, rtol=1e-6, atol=1e-9, err_msg=name)


@pytest.mark.slow
def test_gradients_in_every_number() -> None:
    point = {"n": 6.0, "lam": 0.3, "Sigma": SPECTRUM, "w": LABELER}
    _check_gradients(ridge(), {name: jnp.asarray(value) for name, value in point.items()})


@pytest.mark.slow
def test_gradients_through_projections() -> None:
    point = {"n": 6.0, "lam": 0.3, "m": 3.0, "Sigma": SPECTRUM}
    _check_gradients(projections(), {name: jnp.asarray(value) for name, value in point.items()})


@pytest.mark.slow
def test_second_derivatives() -> None:
    def value(number: jax.Array) -> jax.Array:
        return ridge().evaluate(n=6, lam=number, Sigma=SPECTRUM, w=LABELER).variance

    at, step = jnp.asarray(0.3), 1e-4
    expected = (value(at + step) - 2 * value(at) + value(at - step)) / step**2
    np.testing.assert_allclose(jax.grad(jax.grad(value))(at), expected, rtol=1e-5)


def test_matrices_that_commute_are_solved_on_their_eigenvalues() -> None:
    basis, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((4, 4)))
    dense = {"Sigma": basis @ np.diag(SPECTRUM) @ basis.T, "w": basis @ LABELER}
    on_atoms = ridge().evaluate(n=6, lam=0.3, Sigma=SPECTRUM, w=LABELER)
    rotated = ridge().evaluate(n=6, lam=0.3, **dense)
    np.testing.assert_allclose(rotated.bias, on_atoms.bias, rtol=1e-12)


@pytest.mark.slow
def test_matrices_that_do_not_commute_against_a_fixed_point_iteration() -> None:
    random = np.random.default_rng(1)
    first, second = (a @ a.T / 8 for a in random.standard_normal((2, 4, 8)))
    point = pair().evaluate(n=6, lam=0.3, Sigma=first, Theta=second)
    e, slope = 1.0, 0.0
    for _ in range(2000):
        inverse = np.linalg.inv(e * first + 0.3 * np.eye(4))
        e = 1 / (1 + np.trace(first @ inverse) / 6)
    inverse = np.linalg.inv(e * first + 0.3 * np.eye(4))
    for _ in range(2000):  # the derivative of e in t, of (M + lambda + t Theta)^-1
        slope = e**2 * np.trace(first @ inverse @ (slope * first + second) @ inverse) / 6
    expected = np.trace(inverse @ (slope * first + second) @ inverse @ first) / 4
    assert point.ok
    np.testing.assert_allclose(point.value, expected, rtol=1e-10)
    # While JAX traces the matrices nothing is known of them, not even whether they commute.
    traced = jax.jit(lambda values: pair().evaluate(n=6, lam=0.3, Sigma=values, Theta=second).value)(first)
    np.testing.assert_allclose(traced, expected, rtol=1e-10)


@pytest.mark.parametrize("projected", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_the_branch_of_positive_solutions_in_hard_regimes(projected: bool) -> None:
    """Random ridges down to 1e-6, shapes from 1:30 to 30:1 and interpolation, as the special solver."""
    random = np.random.default_rng(2)
    count = 400
    ridges = jnp.asarray(10 ** random.uniform(-6, 1, count))
    rows = jnp.asarray(4 * 30 ** random.uniform(-1, 1, count))
    features = jnp.asarray(4 * 30 ** random.uniform(-1, 1, count))
    features = jnp.where(jnp.arange(count) < 50, rows * 1.001, features)
    rows = jnp.where(jnp.arange(count) < 350, rows, 4.004)

    def ours(ridge_, n_, m_):  # type: ignore[no-untyped-def]
        given = {"m": m_} if projected else {"w": LABELER}
        point = (projections() if projected else ridge()).evaluate(n=n_, lam=ridge_, Sigma=SPECTRUM, **given)
        return point.variance, point.code, point.errors["variance"]

    def known(ridge_, n_, m_):  # type: ignore[no-untyped-def]
        population = fr.Population(fr.Eigenvalues(SPECTRUM), jnp.zeros(4), 1.0, 1.0)
        features = m_ if projected else None
        return fr.RidgeMixture([population], n=n_, ridge=ridge_, features=features).predict().variance

    found, codes, errors = jax.jit(jax.vmap(ours))(ridges, rows, features)
    expected = jax.jit(jax.vmap(known))(ridges, rows, features)
    certified = np.asarray(codes) == Code.OK
    assert np.mean(certified) > 0.97
    np.testing.assert_allclose(found[certified], expected[certified], rtol=1e-6)
    # The estimated error from rounding is of the size of the true one.
    true = np.abs(found - expected)[certified] + 1e-16 * expected[certified]
    assert 0.3 < np.median(errors[certified] / true) < 30
    assert np.mean(errors[certified] > 0.01 * true) > 0.95
    assert np.all(np.isnan(found[~certified]))


def test_a_complex_spectral_parameter() -> None:
    """The Marchenko-Pastur equation phi z m^2 + (z + phi - 1) m + 1 = 0, in the upper half plane."""
    stieltjes = fr.derive(fr.normalized_trace((M - z).inv()))
    for point in (0.5 + 0.1j, 2.0 + 1e-3j, -1.0 + 2.0j):
        found = stieltjes.evaluate(n=8, d=4, z=point, Sigma=1.0)
        phi = 0.5
        roots = np.roots([phi * point, point + phi - 1, 1])
        assert found.ok
        np.testing.assert_allclose(found.value, roots[np.argmax(roots.imag)], rtol=1e-10)


def test_quadratic_forms_take_multiplicities_apart() -> None:
    grouped = ridge().evaluate(n=6, lam=0.3, Sigma=fr.TwoAtoms(4, (3.0, 1.0), 0.5), w=LABELER)
    apart = ridge().evaluate(n=6, lam=0.3, Sigma=[3.0, 3.0, 1.0, 1.0], w=LABELER)
    np.testing.assert_allclose(grouped.bias, apart.bias, rtol=1e-13)


def test_bad_dimensions_found_while_tracing_get_a_code() -> None:
    def at(n_: jax.Array) -> tuple[jax.Array, jax.Array]:
        point = ridge().evaluate(n=n_, lam=0.1, Sigma=SPECTRUM, w=LABELER)
        return point.variance, point.code

    values, codes = jax.vmap(at)(jnp.array([6.0, -1.0, jnp.nan]))
    assert list(codes) == [Code.OK, Code.INVALID, Code.INVALID]
    assert np.isfinite(values[0]) and np.all(np.isnan(values[1:]))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"lam": None}, ["lam", "real number"]),
        ({"ridge": 1.0}, ["ridge", "one of the symbols", "lam", "Sigma"]),
        ({"n": -3}, ["n = -3", "> 0"]),
        ({"n": [1.0, 2.0]}, ["n = ", "one number"]),
        ({"lam": np.nan}, ["lam = nan", "finite"]),
        ({"lam": np.float32(1)}, ["float64"]),
        ({"Sigma": np.ones((2, 3))}, ["Sigma", "square matrix"]),
        ({"Sigma": np.array([[1.0, 2.0], [0.0, 1.0]])}, ["Sigma", "symmetric"]),
        ({"Sigma": -SPECTRUM}, ["Sigma", "positive semi-definite", "-4"]),
        ({"Sigma": np.eye(4) - 2.0}, ["Sigma", "positive semi-definite"]),
        ({"Sigma": np.ones(3)}, ["w = ", "dimension d = 3", "Sigma"]),
        ({"w": np.ones((4, 1))}, ["w = ", "vector"]),
        ({"d": 5}, ["d = 5", "4"]),
    ],
)
def test_numbers_that_make_no_sense_are_refused(change, words) -> None:  # type: ignore[no-untyped-def]
    given = {"n": 6, "lam": 0.3, "Sigma": SPECTRUM, "w": LABELER, **change}
    with pytest.raises(InvalidSetting) as refusal:
        ridge().evaluate(**given)
    for word in words:
        assert word in str(refusal.value)


def test_a_missing_number_is_named() -> None:
    with pytest.raises(InvalidSetting, match="lam = None: expected a value for the symbol lambda"):
        ridge().evaluate(n=6, Sigma=SPECTRUM, w=LABELER)
