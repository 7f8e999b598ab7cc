"""The laws against sums over Zipf ranks, their limits, their levels and crossovers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import gamma, zeta
from tests.theory.tails.curves.curve_cases import CASES, prefactor, zipf_error

from freeridge.solvers.errors import InvalidSetting
from freeridge.theory.tails.curves.laws import laws_of
from freeridge.theory.tails.curves.loss_curve import LossCurve
from freeridge.theory.tails.curves.shapes import (
    clean_shape,
    cut_shape,
    floor_shape,
    generations_shape,
    mixing_shape,
    recursion_shape,
)
from freeridge.theory.tails.zipf_tail import ZipfTail

BETAS = (1.3, 1.5, 2.0, 3.0)
T = np.geomspace(1e4, 1e12, 33)


def crossover(beta: float, k: int) -> float:
    """T_k of a cut after rank k: one over the probability half-way to the next."""
    return float(zeta(beta) * (k + 0.5) ** beta)


@pytest.mark.parametrize("beta", BETAS)
def test_shapes_are_what_sums_over_ranks_become(beta: float) -> None:
    c, A, T_k = 1 - 1 / beta, prefactor(beta), crossover(beta, 1000)
    shapes = {
        "clean": (zipf_error(T, beta), clean_shape(T, c)),
        "cut": (zipf_error(T, beta, k=1000, share=0.0), cut_shape(T, c, T_k)),
        "mixing": (zipf_error(T, beta, k=1000, share=0.02), mixing_shape(T, c, T_k, 0.02)),
        "one": (zipf_error(T, beta, lineage=(1, 1e5)), recursion_shape(T, c, 1e5, 1)),
        "four": (zipf_error(T, beta, lineage=(4, 1e5)), recursion_shape(T, c, 1e5, 4)),
    }
    for name, (exact, shape) in shapes.items():
        np.testing.assert_allclose(A * np.exp(shape), exact, rtol=2e-4, err_msg=name)


def test_shapes_are_those_of_the_exact_theory() -> None:
    """There the generator draws only the mass Z up to k, so the head is seen more often: A, T_k, pi move."""
    beta, c, k, share = 1.5, 1 / 3, 1000, 0.02
    risk = jax.jit(jax.vmap(lambda T: ZipfTail(beta=beta, T=T, k=k, real_share=share).predict().risk))
    mass = np.sum(np.arange(1, k + 1.0) ** -beta) / zeta(beta)
    Z = 1 / ((1 - share) / mass + share)
    shape = mixing_shape(T, c, Z * crossover(beta, k), Z * share)
    np.testing.assert_allclose(prefactor(beta) * Z**c * np.exp(shape), risk(jnp.asarray(T)), rtol=2e-4)


def test_exact_generations_become_the_law_of_many() -> None:
    T = np.geomspace(1e-3, 10, 20)  # in units of T_0 / n, n = 1e4
    exact = recursion_shape(T / 1e4, 0.5, 1.0, 10_000)
    np.testing.assert_allclose(exact, generations_shape(T / 1e4, 0.5, 2e-4), atol=1e-3)


def test_shapes_far_from_their_crossovers() -> None:
    c, small, large = 0.4, 1e-6, 1e9
    for shape in (
        floor_shape(small, c, 1.0),
        cut_shape(small, c, 1.0),
        generations_shape(small, c, 1.0),
        mixing_shape(small, c, 1.0, 0.01),
        mixing_shape(large, c, 1.0, 1.0 - 1e-12) + c * np.log(large / small),
        mixing_shape(large, c, 1.0, 0.01) + c * np.log(0.01 * large / small),
    ):
        assert shape == pytest.approx(clean_shape(small, c), abs=5e-3)
    assert floor_shape(large, c, 1.0) == pytest.approx(0.0, abs=1e-3)
    assert generations_shape(large, c, 1.0) == pytest.approx(0.0, abs=1e-8)
    assert recursion_shape(large, c, 1.0, 2) == pytest.approx(-c * np.log(1 - np.exp(-1)), abs=1e-8)
    assert np.exp(cut_shape(large, c, 1.0)) == pytest.approx(1 / gamma(c + 1), rel=1e-12)


@pytest.mark.parametrize("name", CASES)
def test_level_and_crossovers_are_where_the_curve_bends(name: str) -> None:
    case = CASES[name]
    truth = case.exact()[1]
    law = laws_of(LossCurve(E=case.columns["T"] ** -0.5, **case.columns), case.generations)[case.law]
    values = np.array(case.truth)
    if not law.plateau:
        assert name == "clean"
        return
    begin, level, *end = (truth[quantity] for quantity in law.plateau)
    sizes = {size: column.max()[None] for size, column in case.columns.items() if size != "T"}

    def error(T: float) -> float:
        return float(np.exp(law.log_error({"T": np.array([T]), **sizes}, values)[0]))

    if not end:
        assert error(1e25) == pytest.approx(level, rel=1e-4)
    else:
        # Far from both crossovers the plateau is at its level.
        wide = np.array([*values[:3], 1e-12])
        assert np.exp(law.log_error({"T": np.array([begin * 1e4])}, wide)[0]) == pytest.approx(
            level, rel=1e-2
        )
        assert error(1e4 * end[0]) < 0.1 * level and end[0] == pytest.approx(begin / 0.01)
    # Where it begins, the power law before it has come down to the order of the level.
    power = truth["A"] * begin ** -truth["c"]
    assert 0.7 < power / level < 1.01
    assert level < error(begin) * (1 + 1e-9) < 2.01 * level


def test_the_level_of_a_cut_is_the_mass_that_is_cut() -> None:
    for beta in BETAS:
        law = laws_of(LossCurve([1, 10], [1, 0.5]))["cut"]
        values = np.array([prefactor(beta), 1 - 1 / beta, crossover(beta, 1000)])
        mass = 1000.5 ** (1 - beta) / ((beta - 1) * zeta(beta))
        assert np.exp(law.derived["level"](values)) == pytest.approx(mass, rel=1e-9)


def test_the_line_of_a_law_and_back() -> None:
    law = laws_of(LossCurve([1, 10], [1, 0.5]))["mixing"]
    values = np.array([[2.0, 0.3, 50.0, 0.25], [1.0, 1.5, 5.0, 0.9]])
    np.testing.assert_allclose(law.from_line(law.to_line(values)), values, rtol=1e-12)
    outside = law.from_line(np.array([0.0, 0.0, 1e3, -1e3]))
    assert outside[2] == pytest.approx(1e7) and outside[3] == pytest.approx(1e-9)


def test_which_laws_there_are() -> None:
    both = LossCurve([1, 10], [1, 0.5], d=[4, 8], k=[1, 2])
    assert laws_of(both)["triplet"].names == ("A", "c", "B", "c_q", "C", "alpha")
    one = laws_of(LossCurve([1, 10], [1, 0.5], k=[1, 2]))["triplet"]
    assert one.names == ("A", "c", "C", "alpha") and one.equation == r"A T^{-c} + C k^{-\alpha}"
    assert "triplet" not in laws_of(LossCurve([1, 10], [1, 0.5]))
    with pytest.raises(InvalidSetting, match="generations = 0: expected a positive whole number"):
        laws_of(both, 0)
