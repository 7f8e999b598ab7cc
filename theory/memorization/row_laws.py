r"""Laws of single rows in the limit of :class:`SpuriousLogistic`: margins, and what a row has done for
itself.

The margin of a fresh row of a group is $t \sim N(m, s^2)$. That of a training row is what learning makes of
it, with $g$ the strength of :mod:`freeridge.solvers.logistic_limit` and a shift $s_g$ and a weight $\alpha$
in the loss: $p = t + g \alpha\, \sigma(-p - s_g)$, where $t$ is the margin that the row had if it were left
out. So the self-influence of a training row, by how much the loss would be higher on it without it, is

$$ \alpha \big[ \ell(t + s_g) - \ell(p + s_g) \big] , \qquad \text{to first order} \qquad
   \frac{g\, (\alpha \ell')^2}{1 + g \alpha \ell''} \quad \text{at } p + s_g . $$

All of these are monotone in $t$, which gives their densities.
"""

from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.special import ndtr
from jaxtyping import Array, Float

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.logistic_prox import loss, prox
from freeridge.theory.memorization.spurious_limit import SpuriousLimit

if TYPE_CHECKING:
    from freeridge.theory.memorization.spurious_logistic import SpuriousLogistic

_REACH = 7.0  # standard deviations of the margin of a fresh row


class Law(NamedTuple):
    """A law as a curve, for each of the two groups, majority first."""

    values: Float[Array, "2 points"]
    density: Float[Array, "2 points"]
    cumulative: Float[Array, "2 points"]
    """Probability of a value no larger."""


class RowLaws(NamedTuple):
    """Laws of a row, at as many points as were asked for."""

    held_out: Law
    """Margin of a fresh row, without shift."""
    train: Law
    """Margin of a training row, without shift."""
    exact: Law
    """Self-influence on the loss that is trained."""
    predicted: Law
    """Self-influence to first order."""
    plain: Law
    """Self-influence on the loss without shift and weight, which is that of the predictions."""


def row_laws(setting: "SpuriousLogistic", points: int = 401) -> RowLaws:
    """Densities of margins and self-influence.

    Parameters
    ----------
    setting : SpuriousLogistic
        With a minimiser: a penalty, or rows that are not separable.
    points : int
        On each curve.

    Raises
    ------
    InvalidSetting
        Where the weights diverge or are not certified.

    Examples
    --------
    Nearly four of five fresh rows of the minority are on the wrong side, and every training row on the right
    one; a row of the minority owes that to itself.

    >>> import freeridge as fr
    >>> laws = row_laws(fr.SpuriousLogistic(1.8, 0.01, 0.9, 5.0, 0.5))
    >>> wrong = [float(jnp.interp(0.0, law.values[1], law.cumulative[1])) for law in laws[:2]]
    >>> [round(share, 3) for share in wrong]
    [0.788, 0.0]
    """
    found = setting.predict()
    if not found.ok:
        raise InvalidSetting("setting", setting, f"one with a minimiser; {found.message}")
    return _laws(setting.limit(), points)


def _laws(limit: SpuriousLimit, points: int) -> RowLaws:
    z = jnp.linspace(-_REACH, _REACH, points)
    columns = (limit.means, limit.law.loss_shifts(), limit.order.strength * limit.law.loss_weights())
    importances = limit.law.loss_weights()

    def at(z: Array, mean: Array, shift: Array, strength: Array, weight: Array) -> tuple[Array, ...]:
        t = mean + limit.spread * z
        inside = prox(t + shift, strength)
        p, miss = inside - shift, jax.nn.sigmoid(-inside)
        bend = strength * miss * jax.nn.sigmoid(inside)
        exact = weight * (loss(t + shift) - loss(inside))
        return t, p, exact, weight * strength * miss**2 / (1.0 + bend), loss(t) - loss(p)

    def curves(*row: Array) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
        return jax.vmap(lambda z: jax.jvp(lambda z: at(z, *row), (z,), (jnp.ones(()),)))(z)

    values, slopes = jax.vmap(curves)(*columns, importances)
    normal = jnp.exp(-0.5 * z**2) / jnp.sqrt(2.0 * jnp.pi)
    laws = [
        Law(value, normal / jnp.abs(slope), jnp.where(slope > 0.0, ndtr(z), ndtr(-z)))
        for value, slope in zip(values, slopes, strict=True)
    ]
    return RowLaws(*laws)
