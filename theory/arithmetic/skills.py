r"""Which divisors a network has learned, and the rule its answers follow.

A network that can tell divisibility by some numbers only, the learned divisors $L \ni 1$, does best to answer

$$ \hat g = \max \{ l \in L : l \mid g \} . $$

Trained networks do: $L$ is made of the products of prime powers, first of those that divide a power of the
base and can be read from the last digits, later of small primes.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from freeridge.solvers.errors import InvalidSetting


class Skills(NamedTuple):
    """What a network answers on a test set with every divisor equally often.

    Attributes
    ----------
    accuracy : array, shape (..., labels)
        Share of right answers per divisor 1, 2, ...
    answer : array, shape (..., labels)
        The most frequent answer per divisor.
    """

    accuracy: Float[np.ndarray, " labels"]
    answer: Int[np.ndarray, " labels"]


def skills(answers: Int[np.ndarray, " rows"], labels: int) -> Skills:
    """Accuracy and most frequent answer per divisor.

    Parameters
    ----------
    answers : array
        Predicted labels on the rows of :meth:`freeridge.theory.arithmetic.pairs.Pairs.stratified`.
    labels : int
        Number of divisors in it.

    Examples
    --------
    >>> skills(np.array([1, 1, 2, 1, 1, 1]), labels=3)
    Skills(accuracy=array([1. , 0.5, 0. ]), answer=array([1, 1, 1]))
    """
    if labels < 1 or len(answers) % labels:
        raise InvalidSetting("answers", len(answers), f"as many rows for each of {labels} divisors")
    table = answers.reshape(labels, -1)
    right = np.arange(1, labels + 1)[:, None]
    answer = np.array([np.argmax(np.bincount(row)) for row in table])
    return Skills(np.mean(table == right, axis=1), answer)


def learned(answer: Int[np.ndarray, " labels"]) -> list[int]:
    """The divisors that count as learned: the most frequent answer to their pairs is right.

    Examples
    --------
    >>> learned(np.array([1, 2, 1, 2, 5]))
    [1, 2, 5]
    """
    return (np.flatnonzero(answer == np.arange(1, len(answer) + 1)) + 1).tolist()


def rule(known: Iterable[int], labels: int) -> Int[np.ndarray, " labels"]:
    """The largest learned divisor that divides each of 1, 2, ..., labels; 1 always counts as learned.

    Examples
    --------
    >>> rule([1, 2, 4, 5, 10], labels=12)
    array([ 1,  2,  1,  4,  5,  2,  1,  4,  1, 10,  1,  4])
    """
    numbers = np.arange(1, labels + 1)
    found = np.ones(labels, np.int64)
    for divisor in sorted(known):
        if not 1 <= divisor <= labels:
            raise InvalidSetting("known", divisor, f"divisors from 1 to {labels}")
        found[numbers % divisor == 0] = divisor
    return found


def factors(number: int) -> dict[int, int]:
    """Primes of a number and their powers.

    Examples
    --------
    >>> factors(360)
    {2: 3, 3: 2, 5: 1}
    """
    found: dict[int, int] = {}
    prime = 2
    while number > 1:
        if prime * prime > number:
            prime = number
        while number % prime == 0:
            found[prime] = found.get(prime, 0) + 1
            number //= prime
        prime += 1
    return found


def prime_powers(known: Iterable[int]) -> dict[int, list[int]]:
    """The powers of each prime that are among the learned divisors.

    Examples
    --------
    >>> prime_powers([1, 2, 4, 5, 10, 20])
    {2: [2, 4], 5: [5]}
    """
    found: dict[int, list[int]] = {}
    for divisor in sorted(known):
        powers = factors(divisor)
        if len(powers) == 1:
            found.setdefault(next(iter(powers)), []).append(divisor)
    return dict(sorted(found.items()))


def products(powers: dict[int, list[int]], labels: int) -> list[int]:
    """All products of one power (or none) of each prime, up to `labels`: what knowing the powers amounts to.

    Examples
    --------
    >>> products({2: [2, 4], 5: [5]}, labels=100)
    [1, 2, 4, 5, 10, 20]
    """
    found = [1]
    for chosen in powers.values():
        found = [one * power for one in found for power in [1, *chosen]]
    return sorted(one for one in found if one <= labels)


def in_words(known: Iterable[int]) -> str:
    """The learned divisors as a product of sets, as in the tables of the paper.

    Examples
    --------
    >>> in_words([1, 2, 4, 5, 10, 20])
    '{1,2,4}{1,5}'
    """
    sets = ["{" + ",".join(map(str, [1, *powers])) + "}" for powers in prime_powers(known).values()]
    return "".join(sets) or "{1}"


def readable(base: int, labels: int) -> list[int]:
    """The divisors that last digits tell: those that divide a power of the base.

    Examples
    --------
    >>> readable(10, labels=20)
    [1, 2, 4, 5, 8, 10, 16, 20]
    """
    own = set(factors(base))
    return [k for k in range(1, labels + 1) if set(factors(k)) <= own]
