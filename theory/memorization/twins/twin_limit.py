r"""The limit of training on shifts that twins have estimated: all order parameters, solved and certified.

Three models are learned by penalised logistic regression: twins $a$ and $b$, each on its half of the $n$
rows, and the final model $c$ on all rows, those of $a$'s half with the shift $s(t_b)$ of their margin under
$b$, and conversely. Write $F_k$ for $n$ times the force of a row on model $k$ (minus the derivative of its
loss): $2 \sigma(-p_a)$ on its own twin, 0 on the other, $\sigma(-p_c - s)$ on the final model. A field that
is added to the gradient of model $l$ moves the noise weights of $k$ by $G_{kl}$ times it, the noise weights
have products $R_{kl} = w_k^\top w_l$, and with $D_{kl} = E\, \partial F_k / \partial t_l$, $\Lambda$ the
penalties,

$$ G = (\Lambda - \sigma^2 D)^{-1}, \qquad R = \sigma^2 \phi\; G\, E[F F^\top]\, G^\top, \qquad
   \lambda_k u_k = E[F_k\, a] . $$

The twins have these equations to themselves, those of logistic regression on half of the rows, and are
independent but for the features. $G_{ca} \ne 0$: a twin moves the final model through the shifts. The
averages are over the margins of a row as if it were left out, normal in each group with covariance
$u_k^\top C u_l + \sigma^2 R_{kl}$, and a row moves its own margins by $\sigma^2 \phi\, G_{kl} F_l$
(:mod:`freeridge.theory.memorization.twins.twin_moments`).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from freeridge.solvers.adaptive_path import Newton, follow
from freeridge.solvers.logistic_limit import Clusters, OrderParameters, order_parameters
from freeridge.solvers.network import solve_pivoting
from freeridge.theory.memorization.twins.held_out_shift import HeldOutShift, calibrated
from freeridge.theory.memorization.twins.twin_moments import POINTS, Margins, Strengths, moments

_TRIES = 30  # places on the path from no shift to the whole


class TwinProblem(NamedTuple):
    """Numbers of the setting."""

    law: Clusters
    phi: Float[Array, ""]
    penalty: Float[Array, ""]
    twin_penalty: Float[Array, ""]
    noise: Float[Array, ""]
    temperature: Float[Array, ""]
    floor: Float[Array, ""]


class TwinLimit(NamedTuple):
    """Order parameters of the twins and of the final model."""

    twin: OrderParameters
    shift: HeldOutShift
    informative: Float[Array, " 2"]
    """$u_c$."""
    noise: Float[Array, ""]
    """$r_c$, the norm of the noise weights."""
    overlap: Float[Array, ""]
    """Cosine of the noise weights of the final model and of a twin."""
    residual: Float[Array, ""]
    """The last correction, from a finer quadrature."""


class _Twin(NamedTuple):
    """What the final model needs to know of a twin."""

    found: OrderParameters
    response: Float[Array, ""]
    """$G_{aa}$."""
    means: Float[Array, " groups"]
    along: Float[Array, ""]
    """$u_a^\\top C u_a$."""
    variance: Float[Array, ""]
    shift: HeldOutShift


def solve_twins(problem: TwinProblem) -> TwinLimit:
    """Solve the twins, then the final model on a path from no shift to the whole of it.

    Derivatives follow by the implicit function theorem, from a last step with a finer quadrature, which also
    is the residual.
    """
    x, jacobian = _solve(jax.lax.stop_gradient(problem))
    twin = _twin(problem)
    step = solve_pivoting(jacobian, _equations(x, problem, twin, POINTS[1]))
    residual = jnp.maximum(jnp.max(jnp.abs(step) / _scale(x)), twin.found.residual)
    x = x - step
    return TwinLimit(
        twin.found, twin.shift, x[:2], jnp.exp(x[3]), _overlap(x[4]), jax.lax.stop_gradient(residual)
    )


def _twin(problem: TwinProblem) -> _Twin:
    law, variance_of_noise = problem.law, problem.noise**2
    aspect = 2.0 * problem.phi
    found = order_parameters((law,) * 3, aspect, problem.twin_penalty, variance_of_noise)
    means = law.means @ found.informative
    along = found.informative @ law.covariance @ found.informative
    variance = along + variance_of_noise * found.noise**2
    shift = calibrated(law.weights, means, jnp.sqrt(variance), problem.temperature, problem.floor)
    return _Twin(found, found.strength / (aspect * variance_of_noise), means, along, variance, shift)


def _equations(
    x: Float[Array, " 6"],
    problem: TwinProblem,
    twin: _Twin,
    points: tuple[int, int, int],
    part: Float[Array, ""] | float = 1.0,
) -> Float[Array, " 6"]:
    r"""At $u_c$, $\log G_{cc}$, $\log r_c$, what stands for the cosine of $w_c$ and $w_a$, and
    $G_{ca} / G_{cc}$; with a part of the shift, or all of it.
    """
    law, phi, variance = problem.law, problem.phi, problem.noise**2
    u, response, r, overlap, through = x[:2], jnp.exp(x[2]), jnp.exp(x[3]), _overlap(x[4]), x[5]
    twin_u, twin_r = twin.found.informative, twin.found.noise
    around = phi * variance
    margins = Margins(
        twin.means,
        twin.variance,
        twin.along,
        law.means @ u,
        u @ law.covariance @ u + variance * r**2,
        twin_u @ law.covariance @ u + variance * overlap * r * twin_r,
    )
    strengths = Strengths(twin.found.strength, around * response, around * response * through)
    m = moments(law.weights, margins, strengths, twin.shift, points, part)
    # Stein's lemma: the features are correlated with all margins of the row.
    drift = law.covariance @ (u * m.by_final + twin_u * (m.by_own + m.by_other))
    pull = (law.weights * m.force) @ law.means + drift - problem.penalty * u
    # A row is in the half of either twin with probability 1/2, and its force on it is twice m_a.
    own, shared = 2.0 * m.twin_energy, m.shared_energy
    square = around * response**2 * (m.final_energy + 4.0 * through * shared + 2.0 * through**2 * own)
    product = around * twin.response * response * (shared + through * own)
    return jnp.concatenate(
        [
            -pull / (law.weights @ m.force),
            x[2:3] + jnp.log(problem.penalty - variance * m.by_final),
            x[3:4] - 0.5 * jnp.log(square),
            (overlap - product / (r * twin_r))[None],
            (through - 0.5 * variance * twin.response * (m.by_own + m.by_other))[None],
        ]
    )


def _overlap(x: Float[Array, ""]) -> Float[Array, ""]:
    """A cosine that noise weights can have with those of both twins, which are orthogonal."""
    return jnp.tanh(x) / jnp.sqrt(2.0)


def _solve(problem: TwinProblem) -> tuple[Float[Array, " 6"], Float[Array, "6 6"]]:
    twin = _twin(problem)
    law, variance = problem.law, problem.noise**2
    plain = order_parameters((law,) * 3, problem.phi, problem.penalty, variance)
    response = plain.strength / (problem.phi * variance)
    x = jnp.concatenate(
        [plain.informative, jnp.log(jnp.stack([response, plain.noise])), jnp.array([0.8, 0.0])]
    )

    def equations(x: Array, place: Array) -> Array:
        return _equations(x, problem, twin, POINTS[0], place)

    end = follow(equations, x, _NEWTON, steps=1, tries=_TRIES)
    return end.x, end.jacobian


def _scale(x: Float[Array, " 6"]) -> Float[Array, " 6"]:
    """What a change of the unknowns is measured by: the weights together, the others as they are."""
    size = jnp.sqrt(jnp.sum(x[:2] ** 2) + jnp.exp(2.0 * x[3]))
    return jnp.concatenate([jnp.ones(2) * size, jnp.ones(4)])


_NEWTON = Newton(_scale, last_step=1e-7, longest_step=0.5, steps=12)
