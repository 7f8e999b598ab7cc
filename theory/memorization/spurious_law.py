r"""Rows with a core and a spurious feature, as learning sees them: the law of what the label signs.

A label $y = \pm 1$ has a core feature $y (1 + \tau g)$ and a spurious one $y s \gamma (1 + \tau g')$, $g$
and $g'$ standard normal, with $s = 1$ in the majority, a share $p$ of the rows, and $s = -1$ in the
minority. All else is noise. Signed by the label the informative coordinates are one of two normal clusters,
$N((1, \pm\gamma), \tau^2 \mathrm{diag}(1, \gamma^2))$."""

from typing import Any, Literal, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from freeridge.solvers.logistic_limit import Clusters

Training = Literal["erm", "memorisation-aware", "balanced", "subsampled"]
TRAININGS: tuple[Training, ...] = ("erm", "memorisation-aware", "balanced", "subsampled")
SIGNS = (1.0, -1.0)  # alignment of label and spurious feature: majority, minority


class Learned(NamedTuple):
    """What is learned from: the law of a row, and how many rows are used."""

    law: Clusters
    used: Float[Array, ""]
    """Share of the rows."""


def learned(
    majority: Float[Array, ""],
    spurious_scale: Float[Array, ""],
    feature_std: Float[Array, ""],
    shift: Float[Array, " 2"],
    training: Training,
) -> Learned:
    r"""The law under a way of training.

    - ``erm``: as it is;
    - ``memorisation-aware``: shifts $\log\frac{p}{1-p}$ of the majority and minus that of the minority are
      added, the log-odds of the label given the group, which perfect held-out predictions would find;
    - ``balanced``: a row counts one over twice the share of its group;
    - ``subsampled``: of the larger group as many rows are kept as there are of the smaller one.

    Examples
    --------
    >>> half = jnp.array(0.5)
    >>> kept = learned(jnp.array(0.9), half, half, jnp.zeros(2), "subsampled")
    >>> kept.law.weights, round(float(kept.used), 12)
    (Array([0.5, 0.5], dtype=float64), 0.2)
    """
    shares = jnp.stack([majority, 1.0 - majority])
    importances, used = jnp.ones(2), jnp.ones(())
    if training == "memorisation-aware":
        odds = jnp.log(majority) - jnp.log1p(-majority)
        shift = shift + jnp.stack([odds, -odds])
    elif training == "balanced":
        importances = 0.5 / shares
    elif training == "subsampled":
        used, shares = 2.0 * jnp.min(shares), 0.5 * jnp.ones(2)
    means = jnp.stack([jnp.ones(2), spurious_scale * jnp.array(SIGNS)], axis=1)
    covariance = jnp.diag(jnp.stack([feature_std**2, (spurious_scale * feature_std) ** 2]))
    return Learned(Clusters(shares, means, covariance, shift, importances), used)


def of_groups(errors: Float[Any, " 2"], shares: Float[Any, " 2"]) -> dict[str, Any]:
    """What is said of the errors of majority and minority on fresh rows, of one model or in the limit.

    Examples
    --------
    >>> found = of_groups(jnp.array([0.0, 0.5]), jnp.array([0.9, 0.1]))
    >>> {name: round(float(found[name]), 6) for name in list(found)[1:]}
    {'worst_group_error': 0.5, 'held_out_error': 0.05, 'balanced_error': 0.25}
    """
    return {
        "group_errors": errors,
        "worst_group_error": errors.max(),
        "held_out_error": shares @ errors,
        "balanced_error": errors.mean(),
    }
