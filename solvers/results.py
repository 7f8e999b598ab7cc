"""What a setting answers: predictions with a certificate, estimates with an error bar."""

from collections.abc import Mapping
from enum import IntEnum
from typing import Any, ClassVar

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float, Inexact, Int, Num

from freeridge.solvers.errors import shorten


class Code(IntEnum):
    """How a point ended, from the mildest to the worst; :data:`ADVICE` has the sentence for each.

    The numbers are those of saved sweeps and stay as they are; the order of the names says what is worse.
    """

    OK = 0
    UNDEFINED = 4
    DIVERGES = 1
    INVALID = 2
    NOT_CERTIFIED = 3


ADVICE = {
    Code.OK: "certified",
    Code.UNDEFINED: (
        "the models of each group alone are equally good on their groups (EDD = 0), so that ADD, a ratio to "
        "EDD, is undefined and NaN. All other quantities are certified."
    ),
    Code.DIVERGES: (
        "the limit is infinite here: ridge 0 exactly at an interpolation threshold (n = features, or "
        "n = rank of the covariances). Use a positive ridge or move n or the number of features."
    ),
    Code.INVALID: (
        "a parameter is outside its range: n and features positive, ridge >= 0, shares >= 0 that sum to one, "
        "covariances not all zero, nothing NaN."
    ),
    Code.NOT_CERTIFIED: (
        "no solution with residual <= 1e-11 was found, so none is given. At ridge 0 with covariances of "
        "different null spaces that do not commute, give a small positive ridge; anywhere else this is a "
        "bug worth reporting with the setting."
    ),
}


def tally(codes: Int[np.ndarray, "..."]) -> tuple[bool, str]:
    """Whether all points ended well, and in a sentence how many did not.

    Examples
    --------
    >>> tally(np.array([0, 1, 1, 4]))
    (False, 'of 4 points 1 UNDEFINED, 2 DIVERGES; their code says which')
    """
    counts = {code.name: int(np.sum(codes == code)) for code in Code if code != Code.OK}
    bad = [f"{count} {name}" for name, count in counts.items() if count]
    return not bad, f"of {codes.size} points {', '.join(bad)}; their code says which" if bad else "certified"


class Prediction(eqx.Module):
    """Theory for one setting: named quantities, the residual that certifies them and a result code.

    Quantities are attributes: ``prediction.risk``. ``ok`` says whether every point is certified, ``message``
    is the advice for the worst code.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> print(Prediction({"risk": jnp.array([0.25, 0.5])}, jnp.array(1e-16), jnp.array(0)))
    risk = [0.25 0.5 ] (shape (2,), float64)
    residual 1.0e-16; certified
    """

    quantities: dict[str, Inexact[Array, "..."]]
    residual: Float[Array, "..."]
    code: Int[Array, "..."]
    advice: ClassVar[Mapping[Code, str]] = ADVICE

    def __getattr__(self, name: str) -> Any:
        return _named(self.quantities, name, "prediction")

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self.quantities]

    def __str__(self) -> str:
        """The values, the largest residual and the advice; under a transformation of JAX, what is known."""
        if any(isinstance(value, jax.core.Tracer) for value in jax.tree.leaves(self)):
            return repr(self)
        lines = [f"{name} = {shorten(np.asarray(value))}" for name, value in self.quantities.items()]
        return "\n".join([*lines, f"residual {np.max(self.residual):.1e}; {self.message}"])

    @property
    def ok(self) -> bool:
        """Whether every point is certified."""
        return bool(np.all(np.asarray(self.code) == Code.OK))

    @property
    def message(self) -> str:
        """Advice for the worst code."""
        found = np.unique(np.asarray(self.code))
        return self.advice[[code for code in Code if code in found][-1]]


class Estimate(eqx.Module):
    """Monte Carlo for one setting: means over replicates with standard errors, under the names of the
    prediction.

    ``values`` holds each replicate, replicates first, where the mean is one of independent replicates: what
    is measured on the same draws can be compared draw by draw.
    """

    mean: dict[str, Num[np.ndarray, "..."]]
    standard_error: dict[str, Num[np.ndarray, "..."]]
    replicates: int
    sizes: dict[str, int]
    values: dict[str, Num[np.ndarray, "..."]] = eqx.field(default_factory=dict)

    def __getattr__(self, name: str) -> Any:
        return _named(self.mean, name, "estimate")

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self.mean]

    def __str__(self) -> str:
        """Means and standard errors."""
        return "\n".join(
            f"{name} = {shorten(mean)} +- {shorten(self.standard_error[name])}"
            for name, mean in self.mean.items()
        )


def _named(quantities: Mapping[str, Any], name: str, kind: str) -> Any:
    if name.startswith("__") or name not in quantities:
        raise AttributeError(f"this {kind} has no quantity {name!r}; it has {', '.join(quantities)}")
    return quantities[name]
