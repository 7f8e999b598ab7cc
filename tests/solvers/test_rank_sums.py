"""Sums over ranks: against mpmath, term by term, their derivatives, and what their error says."""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freeridge.solvers.rank_sums import power_integral, power_sum, rank_sum


def number(x: float) -> jax.Array:
    return jnp.asarray(float(x))


@jax.jit
def missed(
    beta: jax.Array, samples: jax.Array, first: jax.Array, last: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Sum of i^-beta (1 - i^-beta)^T, and its error."""

    def factor(u: jax.Array) -> jax.Array:
        return jnp.exp(samples * jnp.log1p(-jnp.minimum(jnp.exp(-beta * u), 1.0 - 2.0**-53)))

    reach = ((samples + 1.0) / 1e-17) ** (1.0 / beta)
    found = rank_sum(factor, beta, first, last, reach)
    return found.value, found.error


def oracle(beta: float, samples: float, first: int, last: float) -> float:
    """The same in 30 digits: 3,000 terms, and the formula of Euler and Maclaurin after them."""
    with mpmath.workdps(30):
        exponent = mpmath.mpf(beta)

        def term(i: mpmath.mpf) -> mpmath.mpf:
            power = i**-exponent
            return power * mpmath.exp(samples * mpmath.log1p(-power)) if i > 1 else mpmath.mpf(samples == 0)

        head = 3000
        if last < first + head:
            return float(mpmath.fsum(term(mpmath.mpf(i)) for i in range(first, int(last) + 1)))
        total = mpmath.fsum(term(mpmath.mpf(i)) for i in range(first, first + head))
        start = mpmath.mpf(first + head)
        reach = max((mpmath.mpf(samples + 1) * mpmath.mpf(10) ** 25) ** (1 / exponent), 2 * start)
        stop = min(mpmath.mpf(last), reach)
        lower, upper = mpmath.log(start), mpmath.log(stop)
        pieces = mpmath.linspace(lower, upper, int((upper - lower) / 0.4) + 3)
        total += mpmath.quad(lambda u: mpmath.exp(u) * term(mpmath.exp(u)), pieces)
        if last > reach:
            rest = 0 if last == np.inf else mpmath.mpf(last) ** (1 - exponent)
            total += (reach ** (1 - exponent) - rest) / (exponent - 1)
        for place, sign in ((start, 1), (mpmath.mpf(last), -1)):
            if place < reach:
                total += term(place) / 2 - sign * mpmath.diff(term, place) / 12
                total += sign * (mpmath.diff(term, place, 3) / 720 - mpmath.diff(term, place, 5) / 30240)
        return float(total)


@pytest.mark.parametrize(
    ("beta", "samples", "first", "last"),
    [
        (1.05, 1e15, 1, np.inf), (1.3, 1e12, 1, np.inf), (1.5, 10, 1, np.inf), (1.5, 1e8, 1, 1e6),
        (1.5, 1e5, 1001, np.inf), (2.0, 1e12, 1, np.inf), (2.0, 1e6, 501, 1e9), (3.0, 1e15, 1, np.inf),
        (3.0, 1e3, 1, 40), (5.0, 1e12, 1, np.inf), (1.2, 0, 1, 1e12), (8.0, 1e6, 1, np.inf),
    ],
)  # fmt: skip
def test_sums_have_ten_digits_and_more(beta: float, samples: float, first: int, last: float) -> None:
    value, error = missed(*map(number, (beta, samples, first, last)))
    true = oracle(beta, samples, first, last)
    assert abs(float(value) - true) <= 1e-13 * true
    assert abs(float(value) - true) <= float(error) + 4e-15 * true
    assert float(error) <= 1e-11 * true


@pytest.mark.parametrize("exponent", [1.001, 1.1, 1.5, 2.0, 4.0, 30.0])
def test_power_sums_are_the_zeta_function(exponent: float) -> None:
    one, end = number(1), number(np.inf)
    assert float(power_sum(number(exponent), one, end)) == pytest.approx(
        float(mpmath.zeta(exponent)), rel=1e-14
    )
    for first in (2, 40, 10**6, 10**15):
        tail = float(mpmath.zeta(exponent, first))
        assert float(power_sum(number(exponent), number(first), end)) == pytest.approx(tail, rel=1e-13)
    finite = float(mpmath.zeta(exponent) - mpmath.zeta(exponent, 1001))
    assert float(power_sum(number(exponent), one, number(1000))) == pytest.approx(finite, rel=1e-14)


def test_the_zeta_function_has_its_derivative() -> None:
    slope = jax.grad(lambda s: power_sum(s, number(1), number(np.inf)))(number(1.5))
    assert float(slope) == pytest.approx(float(mpmath.zeta(1.5, derivative=1)), rel=1e-13)


@given(first=st.integers(1, 2000), length=st.integers(0, 3000), exponent=st.floats(0.3, 4.0))
def test_finite_sums_are_sums(first: int, length: int, exponent: float) -> None:
    """Whether they are empty, inside the first ranks, or end just after them."""
    ranks = np.arange(first, first + length, dtype=float)
    found = power_sum(number(exponent), number(first), number(first + length - 1))
    assert float(found) == pytest.approx(float(np.sum(ranks**-exponent)), rel=1e-12, abs=1e-300)


def test_ranges_add_up() -> None:
    for edge in (1, 10, 159, 160, 161, 170, 5000, 10**7):
        inner, _ = missed(number(1.5), number(1e6), number(1), number(edge))
        outer, _ = missed(number(1.5), number(1e6), number(edge + 1), number(np.inf))
        whole, _ = missed(number(1.5), number(1e6), number(1), number(np.inf))
        assert float(inner + outer) == pytest.approx(float(whole), rel=1e-13)


def test_a_batch_is_a_loop_and_derivatives_are_differences() -> None:
    betas = jnp.array([1.2, 1.5, 3.0])
    batch = jax.vmap(lambda b: missed(b, number(1e4), number(1), number(np.inf))[0])(betas)
    for beta, value in zip(betas, batch, strict=True):
        alone = missed(beta, number(1e4), number(1), number(np.inf))[0]
        assert float(value) == pytest.approx(float(alone), rel=1e-14)

    def whole(beta: jax.Array, samples: jax.Array) -> jax.Array:
        return missed(beta, samples, number(1), number(np.inf))[0]

    at = (1.5, 1e4)
    slopes = jax.grad(whole, (0, 1))(*map(number, at))
    for place, slope in enumerate(slopes):
        step = 1e-5 * at[place]
        up, down = (
            whole(*(number(x + sign * step if i == place else x) for i, x in enumerate(at)))
            for sign in (1, -1)
        )
        assert float(slope) == pytest.approx(float(up - down) / (2 * step), rel=1e-7)


def test_the_integral_of_a_power_near_exponent_one() -> None:
    assert float(power_integral(number(1 + 1e-12), number(2), number(6))) == pytest.approx(
        np.log(3), rel=1e-9
    )
