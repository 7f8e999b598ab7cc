"""Guided examples by Metropolis-adjusted Langevin steps: the tilted law is exactly stationary."""

import math
from functools import partial
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.fields import known, require_count
from freeridge.theory.practice.generator import Guidance
from freeridge.theory.practice.generators.mixture_law import MixtureLaw

WISHED = 0.574  # acceptance at which Langevin proposals are most efficient in high dimension


class Draws(eqx.Module):
    r"""Guided examples, and how the chains that made them fared.

    Attributes
    ----------
    examples : float array of shape (n, d)
    acceptance : float array of shape (n,)
        Share of its Langevin proposals that each chain accepted after the warm-up; None without chains.
    keep : float array of shape (n,)
        Mean of $e^{\omega H} / C^\omega$ over the fresh draws that each chain was offered; None without
        chains. See :class:`Langevin` for what its mean over the examples of a class bounds.
    """

    examples: Float[Array, "n d"]
    acceptance: Float[Array, " n"] | None = None
    keep: Float[Array, " n"] | None = None


class Langevin(eqx.Module):
    r"""Metropolis-adjusted Langevin steps on the tilted law, each followed by the offer of a fresh draw.

    The target is $q(x) \propto p(x) e^{\omega H(f(x))}$ with a mixture $p$. A step picks a component $k$ of
    $p$, without looking at $x$, with $A = \Lambda_k^{1/2} Q_k^\top$ the coordinates in which it is white, and
    proposes

    $$ x' = x + A^\top \big( h\, A \nabla \log q(x) + \sqrt{2h}\, z \big), \qquad z \sim N(0, I_d), $$

    accepted by the rule of Metropolis and Hastings. Then $x'' \sim p$ is offered and taken with probability
    $\min(1, e^{\omega (H(f(x'')) - H(f(x)))})$. Both keep $q$. Langevin steps alone would leave the masses of
    separate components where they started. The offers bound what is left of the start, in total variation,

    $$ |\mathcal{L}(x_\text{steps}) - q| \le (1 - \kappa)^\text{steps}, \qquad
       \kappa = E_p[e^{\omega H}] / C^\omega, $$

    with $C$ classes of the learner, whatever the law and the learner are (Mengersen and Tweedie, Theorem
    2.1). ``keep`` of the draws, averaged over the examples of a class, estimates $\kappa$. Where the bound is
    not small, most often Langevin steps have done the work; but where a rare component alone is uncertain,
    more steps are needed.

    One step size $h$ serves all chains of a call. In the first half of the steps it follows their mean
    acceptance towards 0.574; in the second half it is fixed.

    Parameters
    ----------
    steps : int
        At least 2.

    Examples
    --------
    >>> Langevin().cost()
    121

    References
    ----------
    G. O. Roberts, J. S. Rosenthal, J. R. Stat. Soc. B 60 (1998) 255 (Langevin proposals, 0.574).
    K. L. Mengersen, R. L. Tweedie, Ann. Statist. 24 (1996) 101 (independent proposals).
    """

    steps: int = eqx.field(default=60, static=True)

    def __check_init__(self) -> None:
        require_count("steps", self.steps)
        if self.steps < 2:
            raise InvalidSetting("steps", self.steps, "at least 2: one to find the step size, one to use it")

    def cost(self) -> int:
        """Evaluations, with gradient, of the learner and of the score for one example."""
        return 1 + 2 * self.steps

    def draw(self, laws: MixtureLaw, key: Array, guidance: Guidance) -> Draws:
        """One guided example of each law, from a chain that starts at an unguided one.

        Parameters
        ----------
        laws : MixtureLaw
            Its arrays have a leading axis: one law for each example.
        key : JAX key
        guidance : Guidance

        Raises
        ------
        InvalidSetting
            When the learner answers with NaN or infinity, or its gradient does.
        """
        first, later = jax.random.split(key)
        return self.continued(laws, later, guidance, unguided(laws, first))

    def continued(
        self, laws: MixtureLaw, key: Array, guidance: Guidance, start: Float[Array, "n d"]
    ) -> Draws:
        """As :meth:`draw`, from chains that start anywhere."""
        draws, finite = _chains(laws, key, guidance, start, self.steps)
        require_finite_learner(finite)
        return draws


@eqx.filter_jit
def unguided(laws: MixtureLaw, key: Array) -> Float[Array, "n d"]:
    """One example of each law."""
    return jax.vmap(MixtureLaw.draw)(laws, jax.random.split(key, laws.means.shape[0]))


def require_finite_learner(finite: Bool[Array, ""]) -> None:
    """Refuse a learner that answered with NaN; under a transformation of JAX there is nothing to look at.

    Raises
    ------
    InvalidSetting
    """
    seen = known(finite)
    if seen is not None and not seen:
        raise InvalidSetting(
            "guidance.logits", "NaN or infinity", "a learner whose logits and gradients are finite numbers"
        )


def log_classes(guidance: Guidance, x: Float[Array, " d"]) -> float:
    """The largest entropy that the learner can have, log C."""
    return math.log(jax.eval_shape(guidance.logits, x).shape[0])


class _State(NamedTuple):
    """A chain: where it is, what is known there, and whether all the learner ever said was finite."""

    x: Float[Array, " d"]
    entropy: Float[Array, ""]
    log_density: Float[Array, ""]  # of the tilted law
    slope: Float[Array, " d"]
    finite: Bool[Array, ""]


def _state(law: MixtureLaw, guidance: Guidance, x: Float[Array, " d"]) -> _State:
    entropy, slope = jax.value_and_grad(guidance.entropy)(x)
    entropy = entropy.astype(x.dtype)  # the learner may be in single precision
    finite = jnp.isfinite(entropy) & jnp.all(jnp.isfinite(slope))
    log_density = law.log_density(x) + guidance.strength * entropy
    return _State(x, entropy, log_density, law.score(x) + guidance.strength * slope, finite)


def _choose(key: Array, log_ratio: Float[Array, ""], old: _State, new: _State) -> tuple[_State, Array]:
    """The new state with probability min(1, ratio), and that probability."""
    probability = jnp.exp(jnp.minimum(log_ratio, 0.0))
    taken = jax.random.uniform(key, dtype=probability.dtype) < probability
    chosen = jax.tree.map(partial(jnp.where, taken), new, old)
    return chosen._replace(finite=old.finite & new.finite), probability


def _step(
    law: MixtureLaw, guidance: Guidance, state: _State, key: Array, size: Float[Array, ""]
) -> tuple[_State, Array, Array]:
    """A Langevin step and the offer of a fresh draw; the probability of accepting the one, and the tilt of
    the other over its largest possible value.
    """
    pick, noise, accept, fresh, accept_fresh = jax.random.split(key, 5)
    component = jax.random.categorical(pick, law.log_weights)
    normal = jax.random.normal(noise, state.x.shape, state.x.dtype)
    move = size * law.root_transposed(component, state.slope) + jnp.sqrt(2 * size) * normal
    new = _state(law, guidance, state.x + law.root(component, move))
    back = move + size * law.root_transposed(component, new.slope)
    log_ratio = new.log_density - state.log_density
    log_ratio += 0.5 * jnp.sum(normal**2) - jnp.sum(back**2) / (4 * size)
    state, moved = _choose(accept, log_ratio, state, new)
    offer = _state(law, guidance, law.draw(fresh))
    state, _ = _choose(accept_fresh, guidance.strength * (offer.entropy - state.entropy), state, offer)
    return state, moved, jnp.exp(guidance.strength * (offer.entropy - log_classes(guidance, state.x)))


@eqx.filter_jit
def _chains(
    laws: MixtureLaw, key: Array, guidance: Guidance, start: Float[Array, "n d"], steps: int
) -> tuple[Draws, Bool[Array, ""]]:
    """All chains side by side, and whether all the learner said was finite."""
    count, dimension = start.shape
    warmup = steps // 2

    def step(now: tuple[_State, Array], index: Array) -> tuple[tuple[_State, Array], tuple[Array, Array]]:
        states, log_size = now
        keys = jax.random.split(jax.random.fold_in(key, index), count)
        advance = partial(_step, guidance=guidance, size=jnp.exp(log_size))
        states, moved, keep = jax.vmap(lambda law, state, key: advance(law, state=state, key=key))(
            laws, states, keys
        )
        # Steps of Robbins and Monro; those after the warm-up are of length zero.
        gain = jnp.where(index < warmup, 1 / jnp.sqrt(1.0 + index.astype(log_size.dtype)), 0.0)
        return (states, log_size + gain * (jnp.mean(moved) - WISHED)), (moved, keep)

    states = jax.vmap(lambda law, x: _state(law, guidance, x))(laws, start)
    log_size = jnp.asarray(-jnp.log(dimension) / 3, start.dtype)
    (states, _), (moved, keep) = jax.lax.scan(step, (states, log_size), jnp.arange(steps))
    draws = Draws(states.x, jnp.mean(moved[warmup:], axis=0), jnp.mean(keep, axis=0))
    return draws, jnp.all(states.finite)
