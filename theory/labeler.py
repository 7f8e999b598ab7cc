"""Labelers: the vectors $w$ in $y = x^\\top w + $ noise, fixed or random, and their linear combinations."""

from abc import abstractmethod
from collections.abc import Mapping
from itertools import count
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import equinox as eqx
from jaxtyping import Array, Float

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.fields import as_real, known, require
from freeridge.theory.covariance import Covariance

# From a random start: a vector that comes from another process is none of those made in this one.
_identities = count(uuid4().int)


class Labeler(eqx.Module):
    """A vector $w$: independent random vectors with coefficients, plus a fixed part; labelers add, subtract
    and scale.
    """

    if TYPE_CHECKING:

        @property
        def fixed(self) -> Array | None:
            """Its fixed part."""

    else:
        fixed: eqx.AbstractVar[Float[Array, " d"] | None]

    @abstractmethod
    def terms(self) -> Mapping["RandomVector", Float[Array, ""]]:
        """Coefficient of each independent random vector."""

    def __add__(self, other: Any) -> "Labeler":
        return _combine(self, as_labeler(other))

    def __radd__(self, other: Any) -> "Labeler":
        return as_labeler(other) + self

    def __neg__(self) -> "Labeler":
        return -1.0 * self

    def __rsub__(self, other: Any) -> "Labeler":
        return as_labeler(other) - self

    def __sub__(self, other: Any) -> "Labeler":
        return self + (-1.0) * as_labeler(other)

    def __mul__(self, factor: Any) -> "Labeler":
        scale = as_real("factor", factor)
        if scale.ndim:
            raise InvalidSetting("factor", factor, "a number to scale the labeler with")
        terms = self.terms()
        fixed = None if self.fixed is None else scale * self.fixed
        return Combination(tuple(terms), tuple(scale * c for c in terms.values()), fixed)

    __rmul__ = __mul__
    __array_ufunc__ = None  # array + labeler is ours to answer, not NumPy's entry by entry


class Combination(Labeler):
    """A sum of scaled random vectors and a fixed vector; made by adding and scaling labelers."""

    sources: tuple["RandomVector", ...]
    coefficients: tuple[Float[Array, ""], ...]
    fixed: Float[Array, " d"] | None

    def terms(self) -> Mapping["RandomVector", Float[Array, ""]]:
        return dict(zip(self.sources, self.coefficients, strict=True))


class RandomVector(Labeler):
    r"""An independent zero-mean random labeler, $w \sim N(0, \Gamma)$; only the second moment matters.

    Two objects are independent, even with the same covariance; the same object used twice is the same vector.

    Parameters
    ----------
    covariance : Covariance
        $\Gamma$, $d \times d$. A signal of unit strength for unit isotropic inputs is ``Isotropic(d, 1 /
        d)``, since $E (x^\top w)^2 = \mathrm{tr}\, \Sigma \Gamma$.

    Examples
    --------
    A synthetic labeler that differs from the truth by an independent error:

    >>> import freeridge as fr
    >>> truth = fr.RandomVector(fr.Isotropic(100, 0.01))
    >>> synthetic = truth + fr.RandomVector(fr.Isotropic(100, 0.001))
    >>> len(synthetic.terms())
    2
    """

    covariance: Covariance
    identity: int = eqx.field(static=True)
    fixed: None

    def __init__(self, covariance: Covariance) -> None:
        if not isinstance(covariance, Covariance):
            raise InvalidSetting("covariance", covariance, "a covariance such as Isotropic(d, 1 / d)")
        self.covariance = covariance
        self.identity = next(_identities)
        self.fixed = None

    def terms(self) -> Mapping["RandomVector", Float[Array, ""]]:
        return {self: as_real("coefficient", 1.0)}

    def __hash__(self) -> int:
        return hash(self.identity)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RandomVector) and other.identity == self.identity


def as_labeler(value: Any) -> Labeler:
    """A labeler as it is, or a plain array of length d as a fixed labeler.

    Examples
    --------
    >>> as_labeler([1.0, 0.0]).fixed
    Array([1., 0.], dtype=float64)
    """
    if isinstance(value, Labeler):
        return value
    fixed = as_real("labeler", value)
    if fixed.ndim != 1:
        raise InvalidSetting(
            "labeler", value, "a vector of length d, a RandomVector, or a combination of these"
        )
    require("labeler", fixed, lambda v: True, "finite entries")
    return Combination((), (), fixed)


def _combine(first: Labeler, second: Labeler) -> Labeler:
    terms = dict(first.terms())
    for source, coefficient in second.terms().items():
        terms[source] = terms[source] + coefficient if source in terms else coefficient
    fixed = [labeler.fixed for labeler in (first, second) if labeler.fixed is not None]
    if len({vector.shape for vector in fixed}) > 1:
        raise InvalidSetting(
            "labeler", known(fixed[1]), f"a vector of length {len(fixed[0])} to add to the other"
        )
    total = None if not fixed else fixed[0] if len(fixed) == 1 else fixed[0] + fixed[1]
    return Combination(tuple(terms), tuple(terms.values()), total)
