"""The limit of logistic regression with a spurious feature: its parameters, and what they are worth."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.special import ndtr
from jaxtyping import Array, Bool, Float

from freeridge.solvers.logistic_limit import Clusters, OrderParameters, order_parameters
from freeridge.solvers.max_margin import max_margin, separability
from freeridge.theory.memorization.spurious_law import Learned, of_groups

_TINY = 1e-100  # a penalty that leads to the largest margin


class SpuriousLimit(NamedTuple):
    """Parameters of the learned weights, and what is known of them."""

    law: Clusters
    """Of the rows that are used."""
    order: OrderParameters
    noise: Float[Array, ""]
    """Standard deviation of a noise coordinate."""
    diverges: Bool[Array, ""]
    """Whether the weights grow without bound, and the parameters are those of the largest margin."""
    valid: Bool[Array, ""]

    @property
    def means(self) -> Float[Array, " 2"]:
        """Of the margin of a fresh row, by group."""
        return self.law.means @ self.order.informative

    @property
    def spread(self) -> Float[Array, ""]:
        """Standard deviation of the margin of a fresh row."""
        u, r = self.order.informative, self.order.noise
        return jnp.sqrt(u @ self.law.covariance @ u + (self.noise * r) ** 2)


@jax.jit
def solve(
    rows: Learned,
    phi: Float[Array, ""],
    penalty: Float[Array, ""],
    noise: Float[Array, ""],
    valid: Bool[Array, ""],
) -> SpuriousLimit:
    """Parameters of the minimiser, or without one of the largest margin.

    Parameters
    ----------
    rows : Learned
    phi, penalty, noise : scalar array
        Noise coordinates per row before any is dropped; the penalty; the deviation of a noise coordinate.
    valid : scalar bool array
        Whether all numbers are in their ranges; where they are not, nothing is solved.
    """
    # What is outside its range would keep its whole batch waiting: solve something easy in its place.
    law = jax.tree.map(lambda given, usual: jnp.where(valid, given, usual), rows.law, _easy())
    aspect, penalty, noise = (jnp.where(valid, v, 1.0) for v in (phi / rows.used, penalty, noise))
    edge = separability(law)
    diverges = (penalty == 0.0) & (noise > 0.0) & (aspect > edge.threshold)
    found = order_parameters((law,) * 3, aspect, jnp.where(diverges, _TINY, penalty), noise**2)
    # Where no margin is asked for, something that has one: derivatives of both branches must be finite.
    ratio = found.informative / jnp.where(diverges, noise * found.noise, 1.0)
    starts = jnp.stack([jnp.where(diverges, ratio, 0.0), edge.ratio])
    wide = max_margin(starts, law, jnp.where(diverges, aspect, 2.0), jnp.where(diverges, noise**2, 1.0))
    limit = OrderParameters(wide.informative, wide.noise, jnp.full((), jnp.inf), jnp.zeros(()), wide.residual)
    order = jax.tree.map(lambda a, b: jnp.where(diverges, a, b), limit, found)
    return SpuriousLimit(law, order, noise, diverges, valid)


def _easy() -> Clusters:
    return Clusters(jnp.full(2, 0.5), jnp.eye(2), jnp.eye(2), jnp.zeros(2), jnp.ones(2))


@jax.jit
def measures(
    limit: SpuriousLimit, penalty: Float[Array, ""], shares: Float[Array, " 2"]
) -> dict[str, Float[Array, "..."]]:
    """The quantities of a prediction; see :meth:`SpuriousLogistic.predict`.

    Parameters
    ----------
    limit : SpuriousLimit
    penalty : scalar array
    shares : array, shape (2,)
        Of the groups before rows are dropped.
    """
    found, diverges = limit.order, limit.diverges
    u, r = found.informative, found.noise
    group_errors = ndtr(-limit.means / limit.spread)
    # A margin in training is negative where it would be below this on a fresh row.
    strength = jnp.where(diverges, 1.0, found.strength) * limit.law.loss_weights()
    turned = -strength * jax.nn.sigmoid(-limit.law.loss_shifts())
    train_errors = jnp.where(diverges, 0.0, ndtr((turned - limit.means) / limit.spread))
    size = jnp.where(diverges, 0.0, 0.5 * penalty * (jnp.sum(u**2) + r**2))
    return {
        **of_groups(group_errors, shares),
        "train_errors": jnp.where(shares > 0.0, train_errors, jnp.nan),
        "train_loss": found.train_loss + size,
        "data_loss": found.train_loss,
        "core": u[0],
        "spurious": u[1],
        "noise_norm": r,
    }
