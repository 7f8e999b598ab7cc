"""What counts as learned, and the rule that the answers follow, on answers written by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freeridge.solvers.errors import InvalidSetting
from freeridge.theory.arithmetic.skills import (
    factors,
    in_words,
    learned,
    prime_powers,
    products,
    readable,
    rule,
    skills,
)


def test_accuracy_and_most_frequent_answer() -> None:
    answers = np.array([1, 1, 1, 2, 2, 1, 1, 1, 1, 4, 4, 2])  # three rows for each of 1, 2, 3 and 4
    found = skills(answers, labels=4)
    assert found.accuracy.tolist() == [1.0, 2 / 3, 0.0, 2 / 3]
    assert found.answer.tolist() == [1, 2, 1, 4]
    assert learned(found.answer) == [1, 2, 4]


@given(st.sets(st.integers(1, 60)))
def test_rule_gives_the_largest_learned_divisor(known: set[int]) -> None:
    expected = [max([1, *(k for k in known if n % k == 0)]) for n in range(1, 61)]
    assert rule(known, 60).tolist() == expected


@given(st.integers(1, 10**6))
def test_factors_multiply_to_the_number(number: int) -> None:
    found = factors(number)
    assert math.prod(prime**power for prime, power in found.items()) == number
    assert all(prime > 1 and all(prime % d for d in range(2, math.isqrt(prime) + 1)) for prime in found)


def test_sets_of_the_paper() -> None:
    # Table 1: base, learned sets, how many divisors up to 100 they make.
    table = [
        (10, {2: [2, 4, 8, 16], 5: [5, 25]}, 13),
        (420, {2: [2, 4, 8, 16], 3: [3, 9], 5: [5, 25], 7: [7]}, 38),
        (2017, {2: [2], 3: [3]}, 4),
        (2023, {2: [2, 4], 3: [3], 7: [7], 17: [17]}, 16),
    ]
    for _, powers, count in table:
        found = products(powers, 100)
        assert len(found) == count
        assert prime_powers(found) == powers
    assert in_words(products({2: [2, 4], 5: [5]}, 100)) == "{1,2,4}{1,5}"
    assert in_words([1]) == "{1}"


@pytest.mark.parametrize("base", [6, 10, 12, 2023])
def test_readable_divisors_divide_a_power_of_the_base(base: int) -> None:
    assert readable(base, 100) == [k for k in range(1, 101) if base**7 % k == 0]


def test_bad_input_is_refused() -> None:
    with pytest.raises(InvalidSetting, match="rows for each of 3 divisors"):
        skills(np.array([1, 2, 3, 1]), labels=3)
    with pytest.raises(InvalidSetting, match="divisors from 1 to 10"):
        rule([1, 11], labels=10)
