r"""Averages over a row of the final training, given the joint law of its three margins.

A row has a margin under each of two twins and the final model: $t_a$ under the twin that is trained on it and
$t_c$ under the final model, both as if it were left out, and $t_b$ under the twin that is not. They are
normal in each group. Learning turns them into

$$ p_a = t_a + g_a \sigma(-p_a), \qquad
   p_c = t_c + g_c \sigma(-p_c - s(t_b)) + 2 g_{ca} \sigma(-p_a) , $$

the last term because the row moves its own twin, with it the shifts of the other half of the rows, and with
these the final model.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from freeridge.solvers.logistic_prox import prox
from freeridge.solvers.normal_rules import proximal_rule, turning_rule
from freeridge.theory.memorization.twins.held_out_shift import HeldOutShift

POINTS = ((96, 44, 48), (144, 68, 64))
"""Of three nested rules, for margins under the other twin, the own twin, and the final model: to solve, and
to certify."""
_PIECE = 12  # nodes at a time
_FELT = 6.0  # standard deviations beyond which 1e-9 of the margins have the other sign


class Margins(NamedTuple):
    """Joint law of the margins of a row, by group."""

    twin_means: Float[Array, " groups"]
    twin_variance: Float[Array, ""]
    twin_covariance: Float[Array, ""]
    """Of the margins under the two twins."""
    final_means: Float[Array, " groups"]
    final_variance: Float[Array, ""]
    final_covariance: Float[Array, ""]
    """Of the margin under the final model with that under either twin."""


class Strengths(NamedTuple):
    """How much a row moves its own margins."""

    twin: Float[Array, ""]
    """$g_a$, of the twin on its own half."""
    final: Float[Array, ""]
    """$g_c$."""
    through: Float[Array, ""]
    """$g_{ca}$, of the final model through a twin."""


class Moments(NamedTuple):
    r"""Averages, with $m_a = \sigma(-p_a)$ and $m_c = \sigma(-p_c - s)$."""

    force: Float[Array, "*groups"]
    """$E m_c$; where groups are averaged, in each of them."""
    by_final: Float[Array, ""]
    r"""$E\, \partial m_c / \partial t_c$."""
    by_own: Float[Array, ""]
    r"""$E\, \partial m_c / \partial t_a$."""
    by_other: Float[Array, ""]
    r"""$E\, \partial m_c / \partial t_b$."""
    final_energy: Float[Array, ""]
    """$E m_c^2$."""
    shared_energy: Float[Array, ""]
    """$E m_a m_c$."""
    twin_energy: Float[Array, ""]
    """$E m_a^2$."""


def moments(
    weights: Float[Array, " groups"],
    margins: Margins,
    strengths: Strengths,
    shift: HeldOutShift,
    points: tuple[int, int, int],
    part: Float[Array, ""] | float = 1.0,
) -> Moments:
    """All averages, by three nested quadratures in each group.

    Parameters
    ----------
    weights : array, shape (groups,)
    margins : Margins
    strengths : Strengths
    shift : HeldOutShift
    points : tuple of int
        Of :data:`POINTS`.
    part : float
        What the shift is multiplied by.
    """

    def partial_shift(t: Array) -> Array:
        return part * shift(t)

    def by_group(twin: Array, final: Array) -> Moments:
        return _in_group(twin, final, margins, strengths, partial_shift, shift.temperature, points)

    found = jax.vmap(by_group)(margins.twin_means, margins.final_means)
    return jax.tree.map(lambda values: weights @ values, found)._replace(force=found.force)


def _in_group(
    twin: Float[Array, ""],
    final: Float[Array, ""],
    margins: Margins,
    strengths: Strengths,
    shift: Callable[[Array], Array],
    temperature: Float[Array, ""],
    points: tuple[int, int, int],
) -> Moments:
    """Over the margin under the other twin, with nodes where the shift changes sign if margins come there."""
    root = jnp.sqrt(margins.twin_variance)
    turn = jnp.where(jnp.abs(twin) < _FELT * root, 0.0, 10.0 * _FELT * root)[None]
    z, weight = turning_rule(twin[None], root[None], (turn, turn), temperature, points[0])

    def at(t_b: Array) -> Moments:
        return _given_other(t_b, twin, final, margins, strengths, shift, points[1:])

    # In pieces: all nodes at once would need hundreds of megabytes.
    found = jax.lax.map(at, twin + root * z, batch_size=_PIECE)
    return jax.tree.map(lambda values: weight @ values, found)


def _given_other(
    t_b: Float[Array, ""],
    twin: Float[Array, ""],
    final: Float[Array, ""],
    margins: Margins,
    strengths: Strengths,
    shift: Callable[[Array], Array],
    points: tuple[int, int],
) -> Moments:
    """Over the margins under the own twin and the final model, given that under the other twin."""
    variance, across = margins.twin_variance, margins.twin_covariance
    mean_a = twin + across / variance * (t_b - twin)
    root_a = jnp.sqrt(variance - across**2 / variance)
    z, weight_a = proximal_rule(mean_a[None], root_a[None], strengths.twin[None], points[0])
    t_a = mean_a + root_a * z
    p_a = prox(t_a, strengths.twin)
    m_a = jax.nn.sigmoid(-p_a)
    bend_a = m_a * jax.nn.sigmoid(p_a)
    # By symmetry the margin under the final model regresses equally on either.
    slope = margins.final_covariance / (variance + across)
    root_c = jnp.sqrt(margins.final_variance - 2.0 * slope * margins.final_covariance)
    s, s_slope = jax.value_and_grad(shift)(t_b)
    mean_c = final + slope * (t_a + t_b - 2.0 * twin) + 2.0 * strengths.through * m_a + s
    z, weight_c = proximal_rule(mean_c[:, None], root_c[None, None], strengths.final[None, None], points[1])
    p_c = prox(mean_c[:, None] + root_c * z, strengths.final)  # with the shift in it
    m_c = jax.nn.sigmoid(-p_c)
    bend_c = m_c * jax.nn.sigmoid(p_c)
    force = jnp.sum(weight_c * m_c, axis=1)
    bent = jnp.sum(weight_c * bend_c / (1.0 + strengths.final * bend_c), axis=1)
    moved_a = 2.0 * strengths.through * bend_a / (1.0 + strengths.twin * bend_a)
    return Moments(
        force=weight_a @ force,
        by_final=-weight_a @ bent,
        by_own=weight_a @ (bent * moved_a),
        by_other=-weight_a @ bent * s_slope,
        final_energy=weight_a @ jnp.sum(weight_c * m_c**2, axis=1),
        shared_energy=weight_a @ (force * m_a),
        twin_energy=weight_a @ m_a**2,
    )
