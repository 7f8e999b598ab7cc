"""Rules that look at the label as well, soft rules, mixtures of rules, and a user's own."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.fields import Scalar, Vector, real_field, require
from freeridge.theory.pruning.label_moments import moments_of_label_bands
from freeridge.theory.pruning.moments import Moments
from freeridge.theory.pruning.rule_breaks import find_breaks
from freeridge.theory.pruning.rules import AnyRule, AnyRules, Banded, KeepRandom, KeepRule, chances_of


def _rule_or_share(value: Any) -> Any:
    """A number is the chance of a random rule."""
    return value if isinstance(value, KeepRule) else KeepRandom(value)


class KeepCorrect(KeepRule):
    r"""Verification: judge by whether the oracle shares the label, $y t > 0$.

    Parameters
    ----------
    correct : KeepRule or float
        What rows with the oracle's label pass through; a number is a chance, 1 when left out.
    wrong : KeepRule or float
        What the other rows pass through; 0 when left out.

    Examples
    --------
    A verifier that lets one of ten wrong labels pass, and one that keeps correct rows only if they are hard:

    >>> import freeridge as fr
    >>> loose = fr.KeepCorrect(wrong=0.1)
    >>> strict = fr.KeepCorrect(fr.KeepHard(0.3))
    >>> setting = fr.PrunedClassifier(0.2, 0.01, rho=0.7, rho_star=0.9, keep=strict)
    >>> round(float(setting.predict().error), 4)
    0.3892
    """

    correct: AnyRule = eqx.field(converter=_rule_or_share, default=1.0)
    wrong: AnyRule = eqx.field(converter=_rule_or_share, default=0.0)

    def chance(self, score: Array, label: float | Array) -> Array:
        shared = score * label > 0
        return jnp.where(shared, self.correct.chance(score, label), self.wrong.chance(score, label))

    def breaks(self) -> Float[Array, " m"]:
        return jnp.concatenate([jnp.zeros(1), self.correct.breaks(), self.wrong.breaks()])

    def moments(self, rho_oracle: Float[Array, ""], flips: Array) -> Moments:
        if not (isinstance(self.correct, Banded) and isinstance(self.wrong, Banded)):
            return super().moments(rho_oracle, flips)
        edges = jnp.sort(jnp.clip(self.breaks(), -40.0, 40.0))
        ends = jnp.concatenate([jnp.array([-40.0]), edges, jnp.array([40.0])])
        middle = 0.5 * (ends[1:] + ends[:-1])
        chances = self.chance(middle, 1.0), self.chance(middle, -1.0)
        return moments_of_label_bands(edges, *chances, rho_oracle, flips)


class KeepSoft(KeepRule):
    r"""The soft family of the paper, from random to hard: $q(t) = \big( 4 \sigma(st) (1 - \sigma(st))
    \big)^\omega$.

    Parameters
    ----------
    focus : float
        $\omega \ge 0$: 0 keeps everything, large values the hardest rows only.
    scale : float
        $s > 0$, size of the logits of the oracle: $|w_o|_\Sigma$ in the paper.

    Examples
    --------
    >>> import freeridge as fr
    >>> round(float(fr.PrunedClassifier(0.2, 0.01, rho_star=0.8, keep=fr.KeepSoft(2.0)).predict().share), 4)
    0.7174

    References
    ----------
    Improving the Scaling Laws of Synthetic Data with Deliberate Practice, equation 30, which leaves the
    prefactor open: here the row on the boundary is always kept.
    """

    focus: Scalar = real_field("focus")
    scale: Scalar = real_field("scale", default=1.0)

    def __check_init__(self) -> None:
        require("focus", self.focus, lambda v: v >= 0, "a focus >= 0")
        require("scale", self.scale, lambda v: v > 0, "a scale > 0")

    def chance(self, score: Array, label: float | Array) -> Array:
        logit = self.scale * score
        return jnp.exp(
            self.focus * (jax.nn.log_sigmoid(logit) + jax.nn.log_sigmoid(-logit) + 2.0 * np.log(2.0))
        )

    def breaks(self) -> Float[Array, " m"]:
        # Smooth, but as narrow as its scale: panels that narrow as well.
        width = 1.0 / (self.scale * jnp.sqrt(1.0 + self.focus))
        steps = np.array([0.5, 1.0, 2.0, 3.0, 4.5, 6.0, 8.0, 12.0, 18.0, 27.0, 40.0])
        return width * np.concatenate([-steps[::-1], steps])


def _rules(value: Any) -> tuple[Any, ...]:
    if isinstance(value, KeepRule) or not isinstance(value, list | tuple):
        raise InvalidSetting("rules", value, "a list of rules")
    return tuple(map(_rule_or_share, value))


class KeepMixture(KeepRule):
    r"""For each row one of several rules, drawn at random: $q = \sum_k \pi_k q_k$.

    Parameters
    ----------
    rules : sequence of KeepRule
    weights : array
        $\pi_k \ge 0$, one per rule, with a sum of one.

    Examples
    --------
    Mostly hard rows, and some of all:

    >>> import freeridge as fr
    >>> rule = fr.KeepMixture([fr.KeepHard(0.2), fr.KeepRandom()], weights=[0.9, 0.1])
    >>> round(float(fr.PrunedClassifier(0.2, 0.01, rho_star=0.8, keep=rule).predict().share), 6)
    0.28
    """

    rules: AnyRules = eqx.field(converter=_rules)
    weights: Vector = real_field("weights", dimensions=1)

    def __check_init__(self) -> None:
        if self.weights.shape != (len(self.rules),):
            raise InvalidSetting("weights", self.weights, f"one weight for each of {len(self.rules)} rules")
        holds = "weights >= 0 with a sum of one"
        require("weights", self.weights, lambda v: (v >= 0) & (abs(v.sum() - 1.0) < 1e-9), holds)

    def chance(self, score: Array, label: float | Array) -> Array:
        parts = [w * rule.chance(score, label) for w, rule in zip(self.weights, self.rules, strict=True)]
        return jnp.sum(jnp.stack(parts), axis=0)

    def breaks(self) -> Float[Array, " m"]:
        return jnp.concatenate([rule.breaks() for rule in self.rules])

    def moments(self, rho_oracle: Float[Array, ""], flips: Array) -> Moments:
        # Linear in the rule: what has a closed form keeps it.
        parts = [rule.moments(rho_oracle, flips) for rule in self.rules]
        stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *parts)
        summed: Moments = jax.tree.map(lambda leaf: jnp.tensordot(self.weights, leaf, axes=1), stacked)
        return summed


class KeepIf(KeepRule):
    """A user's own rule: any function of score and label.

    Parameters
    ----------
    function : callable
        From an array of scores and the labels, +1.0 or -1.0, to chances in [0, 1], or True and False,
        elementwise; written with operators or with ``jax.numpy``. The labels may be one number.

    Notes
    -----
    Where it jumps or has a kink is found by bisection when the rule is made; what is narrower than 0.01 can
    be missed.

    Examples
    --------
    >>> import freeridge as fr
    >>> rule = fr.KeepIf(lambda score, label: (abs(score) < 1) & (score * label > -0.1))
    >>> fr.PrunedClassifier(0.2, 0.01, rho=0.9, rho_star=0.8, keep=rule).predict().ok
    True
    """

    function: Callable[[Array, Any], Any] = eqx.field(static=True)
    found: tuple[float, ...] = eqx.field(static=True)

    def __init__(self, function: Callable[[Array, Any], Any]) -> None:
        if not callable(function):
            raise InvalidSetting("keep", function, "a function of score and label")
        self.function = function
        self.found = ()
        self.found = find_breaks(self._evaluated)

    def _evaluated(self, scores: np.ndarray, label: float) -> np.ndarray:
        try:
            return chances_of(self, scores, np.full(len(scores), label))
        except InvalidSetting:
            raise
        except Exception as error:
            expected = "a function of arrays of scores and labels, with operators or jax.numpy"
            raise InvalidSetting("keep", self.function, f"{expected}; {error}") from None

    def chance(self, score: Array, label: float | Array) -> Array:
        answer = jnp.asarray(self.function(score, label))
        if jnp.issubdtype(answer.dtype, jnp.complexfloating) or answer.shape not in ((), score.shape):
            expected = f"one chance for each score, shape {score.shape}"
            raise InvalidSetting("keep", f"{answer.dtype} of shape {answer.shape}", expected)
        return jnp.broadcast_to(answer.astype(jnp.float64), score.shape)

    def breaks(self) -> Float[Array, " m"]:
        return jnp.asarray(self.found)
