r"""Pairs of integers written in a base, and their greatest common divisor: the data of the GCD task.

Operands are uniform on $1, \ldots, M$. For large $M$ the greatest common divisor $g$ of two of them has

$$ P(g = k) \simeq \frac{6}{\pi^2 k^2}, $$

a Zipf law of exponent 2, exactly

$$ P(g = k) = \frac{1}{M^2} \sum_{j \le M / k} \mu(j) \lfloor M / (jk) \rfloor^2 , $$

with the Möbius function: the rare divisors are the tail of the data.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.fields import require_count
from freeridge.solvers.replicates import key_entropy

LARGEST = 2**31 - 1  # what an operand may be: everything here is in 32-bit integers


class Pairs(eqx.Module):
    r"""Pairs of operands, their digits and their label.

    Parameters
    ----------
    base : int
        $B \ge 2$.
    largest : int
        $M \ge B$: operands are uniform on $1, \ldots, M$.
    labels : int
        The largest divisor with a label of its own. Label 0 stands for every larger one.

    Examples
    --------
    >>> import numpy as np
    >>> pairs = Pairs(base=10, largest=999, labels=100)
    >>> pairs.digits(np.array([[12, 305]])), pairs.label(np.array([[12, 305], [400, 202], [999, 999]]))
    (array([[0, 1, 2, 3, 0, 5]]...), array([1, 2, 0]...))

    References
    ----------
    F. Charton, Can transformers learn the greatest common divisor?, arXiv 2308.15594; A Tale of Tails, arXiv
    2402.07043, section 6.
    """

    base: int = eqx.field(static=True)
    largest: int = eqx.field(static=True)
    labels: int = eqx.field(static=True, default=100)

    def __check_init__(self) -> None:
        for name in ("base", "largest", "labels"):
            require_count(name, getattr(self, name))
        if self.base < 2:
            raise InvalidSetting("base", self.base, "a base >= 2")
        if not self.base <= self.largest <= LARGEST:
            raise InvalidSetting(
                "largest", self.largest, f"an operand between the base {self.base} and 2^31 - 1"
            )
        if self.labels > self.largest:
            raise InvalidSetting(
                "labels", self.labels, f"at most {self.largest}: no operand has a larger divisor"
            )

    @property
    def places(self) -> int:
        """Digits of an operand, leading zeros included."""
        count, reach = 1, self.base
        while reach <= self.largest:
            count, reach = count + 1, reach * self.base
        return count

    def draw(self, key: Array, count: int) -> Int[Array, "count 2"]:
        """Independent uniform pairs."""
        return jax.random.randint(key, (count, 2), 1, self.largest + 1, jnp.int32)

    def digits(self, operands: Any) -> Int[Any, "count length"]:
        """Digits of both operands, the most significant first: ``length`` is twice ``places``."""
        powers = np.array([self.base**place for place in reversed(range(self.places))], np.int32)
        written = operands[:, :, None] // powers % np.int32(self.base)
        return written.reshape(len(operands), 2 * self.places)

    def label(self, operands: Any) -> Int[Any, " count"]:
        """The greatest common divisor, or 0 where it is larger than ``labels``."""
        numbers = jnp if isinstance(operands, jax.Array) else np
        divisor = numbers.gcd(operands[:, 0], operands[:, 1])
        return numbers.where(divisor <= self.labels, divisor, numbers.zeros_like(divisor))

    def law(self) -> Float[np.ndarray, " labels"]:
        """Exact probability of each divisor 1, ..., ``labels``.

        Examples
        --------
        >>> law = Pairs(base=10, largest=10**6).law()
        >>> [round(float(p), 6) for p in law[:3] * np.arange(1, 4) ** 2]  # 6 / pi^2 = 0.607927
        [0.607927, 0.607928, 0.607927]
        """
        signs = mobius(self.largest)
        largest = np.int64(self.largest)  # the sums of squares leave 32 bits
        terms = [
            signs[: largest // k] * (largest // (k * np.arange(1, largest // k + 1))) ** 2
            for k in range(1, self.labels + 1)
        ]
        return np.array([term.sum() for term in terms]) / float(largest) ** 2

    def stratified(self, key: Any, each: int) -> Int[np.ndarray, "rows 2"]:
        """Test pairs with every divisor 1, ..., ``labels`` equally often.

        A pair of divisor $k$ is $k$ times a pair of coprime numbers up to $M / k$, uniform among these.

        Parameters
        ----------
        key : int, sequence of int or JAX key
            Seed.
        each : int
            Pairs per divisor; the divisor $k$ has rows ``(k - 1) * each`` to ``k * each - 1``.
        """
        rng = np.random.default_rng(np.random.SeedSequence(key_entropy(key), spawn_key=(0,)))
        return np.concatenate([k * _coprime(rng, self.largest // k, each) for k in range(1, self.labels + 1)])


def _coprime(rng: np.random.Generator, largest: int, count: int) -> Int[np.ndarray, "count 2"]:
    """Uniform pairs of coprime numbers: about 61 % of the drawn ones are, so a few rounds are enough."""
    kept = np.empty((0, 2), np.int32)
    while len(kept) < count:
        drawn = rng.integers(1, largest + 1, (2 * count, 2), dtype=np.int32)
        kept = np.concatenate([kept, drawn[np.gcd(drawn[:, 0], drawn[:, 1]) == 1]])
    return kept[:count]


def mobius(largest: int) -> Int[np.ndarray, " largest"]:
    r"""The Möbius function at $1, \ldots, n$.

    Examples
    --------
    >>> mobius(10)
    array([ 1, -1, -1,  0, -1,  1, -1,  0,  0,  1])
    """
    values = np.ones(largest + 1, np.int64)
    composite = np.zeros(largest + 1, bool)
    for prime in range(2, largest + 1):
        if composite[prime]:
            continue
        composite[2 * prime :: prime] = True
        values[prime::prime] *= -1
        values[prime**2 :: prime**2] = 0
    return values[1:]
