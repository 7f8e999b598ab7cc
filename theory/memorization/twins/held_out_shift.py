r"""The shift as a function of the held-out margin, in the limit of many rows."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from freeridge.solvers.normal_rules import turning_rule

_POINTS = 401


class HeldOutShift(NamedTuple):
    r"""The calibrated shift of two balanced classes.

    With $P = 1 / (1 + e^{-t / \tau})$ the tempered probability of a row's own label at held-out margin $t$,
    and $\pi = E P$ how often it is right, the calibrated probability of the label is $q = P \pi + (1 - P)(1
    - \pi)$, and the shift of the margin

    $$ s(t) = \log\frac{q + \epsilon}{1 - q + \epsilon} . $$
    """

    temperature: Float[Array, ""]
    floor: Float[Array, ""]
    reliability: Float[Array, ""]
    r"""$\pi$."""

    def __call__(self, margin: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """The shift at held-out margins.

        Examples
        --------
        >>> shift = HeldOutShift(jnp.array(0.1), jnp.array(0.0), jnp.array(0.9))
        >>> jnp.exp(shift(jnp.array([-5.0, 0.0, 5.0]))).round(6)
        Array([0.111111, 1.      , 9.      ], dtype=float64)
        """
        right = jax.nn.sigmoid(margin / self.temperature)
        wrong = jax.nn.sigmoid(-margin / self.temperature)
        label = right * self.reliability + wrong * (1.0 - self.reliability)
        other = wrong * self.reliability + right * (1.0 - self.reliability)
        return jnp.log(label + self.floor) - jnp.log(other + self.floor)


def calibrated(
    weights: Float[Array, " groups"],
    means: Float[Array, " groups"],
    spread: Float[Array, ""],
    temperature: Float[Array, ""],
    floor: Float[Array, ""],
) -> HeldOutShift:
    """Calibrate on held-out margins that are normal in each group.

    Examples
    --------
    >>> zero, one = jnp.zeros(()), jnp.ones(())
    >>> float(calibrated(jnp.ones(1), jnp.zeros(1), one, one, zero).reliability.round(12))
    0.5
    """
    zero = jnp.zeros((len(means), 1))
    z, weight = turning_rule(means[:, None], spread + zero, (zero, zero), temperature, _POINTS)
    right = jax.nn.sigmoid((means[:, None] + spread * z) / temperature)
    return HeldOutShift(temperature, floor, weights @ jnp.sum(weight * right, axis=1))
