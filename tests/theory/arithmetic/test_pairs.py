"""Digits, divisors and their law."""

import math
from typing import Any

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freeridge.solvers.errors import InvalidSetting
from freeridge.theory.arithmetic.pairs import Pairs, mobius


@given(base=st.integers(2, 60), largest=st.integers(60, 10**6), data=st.data())
def test_digits_are_those_of_the_numbers(base: int, largest: int, data: Any) -> None:
    pairs = Pairs(base, largest, labels=10)
    operands = data.draw(st.lists(st.tuples(*[st.integers(1, largest)] * 2), min_size=1, max_size=5))
    digits = np.asarray(pairs.digits(np.array(operands, np.int32)))
    assert digits.shape == (len(operands), 2 * pairs.places) and digits.min() >= 0 and digits.max() < base
    assert base ** (pairs.places - 1) <= largest < base**pairs.places
    for row, pair in zip(digits.tolist(), operands, strict=True):
        for half, number in ((row[: pairs.places], pair[0]), (row[pairs.places :], pair[1])):
            value = 0
            for digit in half:
                value = value * base + digit
            assert value == number


def test_labels_are_greatest_common_divisors() -> None:
    pairs = Pairs(10, 999, labels=100)
    drawn = pairs.draw(jax.random.key(0), 2000)
    expected = [math.gcd(a, b) for a, b in np.asarray(drawn).tolist()]
    expected = [one if one <= 100 else 0 for one in expected]
    assert np.asarray(pairs.label(drawn)).tolist() == expected
    assert np.asarray(pairs.label(np.asarray(drawn))).tolist() == expected
    assert drawn.dtype == np.int32 and pairs.label(drawn).dtype == np.int32


def test_law_against_all_pairs() -> None:
    pairs = Pairs(7, 60, labels=60)
    counts = np.bincount(np.gcd.outer(np.arange(1, 61), np.arange(1, 61)).ravel(), minlength=61)[1:]
    np.testing.assert_allclose(pairs.law(), counts / 3600, rtol=1e-14)
    assert math.isclose(pairs.law().sum(), 1.0)


def test_law_is_the_inverse_square_for_large_operands() -> None:
    law = Pairs(2023, 10**6).law()
    k = np.arange(1, 101)
    # The remainder of the sum over floors is of order log(M) / M, relative to the law k^2 times as much.
    assert np.all(np.abs(law * k**2 * np.pi**2 / 6 - 1) < 2e-6 * k**2)


def test_drawn_pairs_are_uniform() -> None:
    pairs = Pairs(10, 999, labels=100)
    drawn = np.asarray(pairs.draw(jax.random.key(3), 200_000))
    assert drawn.min() == 1 and drawn.max() == 999
    assert abs(drawn.mean() - 500) < 4 * 999 / math.sqrt(12 * drawn.size)
    share = np.bincount(np.asarray(pairs.label(drawn)), minlength=101)[1:11] / len(drawn)
    law = pairs.law()[:10]
    assert np.all(np.abs(share - law) < 4 * np.sqrt(law * (1 - law) / len(drawn)))


def test_test_pairs_have_every_divisor_equally_often() -> None:
    pairs = Pairs(10, 999, labels=100)
    rows = pairs.stratified(5, each=7)
    assert np.gcd(rows[:, 0], rows[:, 1]).tolist() == np.repeat(np.arange(1, 101), 7).tolist()
    assert rows.min() >= 1 and rows.max() <= 999
    np.testing.assert_array_equal(rows, pairs.stratified(5, each=7))
    assert np.any(rows != pairs.stratified(6, each=7))
    # The operands of a divisor reach up to the largest multiple of it.
    assert pairs.stratified(5, each=4000)[-4000:].max() == 900


def test_mobius_is_the_inverse_of_one() -> None:
    values = mobius(200)
    sums = [sum(values[d - 1] for d in range(1, n + 1) if n % d == 0) for n in range(1, 201)]
    assert sums == [1, *[0] * 199]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"base": 1}, "base"),
        ({"base": 0}, "base"),
        ({"base": 10, "largest": 9}, "largest"),
        ({"base": 10, "largest": 2**31}, "largest"),
        ({"base": 10, "largest": 50, "labels": 51}, "labels"),
        ({"base": 10, "labels": 0}, "labels"),
    ],
)
def test_bad_pairs_are_refused(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidSetting) as caught:
        Pairs(**{"largest": 999, "labels": 100, **fields})
    assert caught.value.field == field
