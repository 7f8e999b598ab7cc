r"""Rules that keep rows by their score alone: random, hard, easy, or a table of bands.

A rule is the chance $q(t, y) \in [0, 1]$ to keep a row, of the oracle's score $t = x^\top w_o /
|w_o|_\Sigma$, which is standard normal, and of the label $y = \pm 1$. A chance of 0 or 1 decides; one in
between is drawn for each row by itself.
"""

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtri
from jaxtyping import Array, Float

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.fields import Scalar, Vector, known, real_field, require
from freeridge.theory.pruning.moments import FAR, Moments, moments_by_quadrature, moments_of_bands

_PIECE = 1 << 14  # rows judged at a time


class KeepRule(eqx.Module):
    """The chance to keep a row; a subclass gives it, and where it is not smooth."""

    @abstractmethod
    def chance(self, score: Array, label: float | Array) -> Array:
        """Chance to keep rows of these scores with a label +1 or -1, elementwise."""

    @abstractmethod
    def breaks(self) -> Float[Array, " m"]:
        """Scores at which the chance jumps or has a kink."""

    def moments(self, rho_oracle: Float[Array, ""], flips: Array) -> Moments:
        """What the theory needs; see :mod:`freeridge.theory.pruning.moments`."""
        return moments_by_quadrature(self.chance, self.breaks(), rho_oracle, flips)


# What a field that holds rules is given: numbers and functions too, which it converts. Type checkers do not
# know that.
if TYPE_CHECKING:
    AnyRule = Any
    AnyRules = Any
else:
    AnyRule = KeepRule
    AnyRules = tuple[KeepRule, ...]


class Banded(KeepRule):
    """A chance that depends on the band of the score alone."""

    @abstractmethod
    def bands(self) -> tuple[Float[Array, " m"], Float[Array, " m1"]]:
        """Increasing edges, and the chances below, between and above them."""

    def chance(self, score: Array, label: float | Array) -> Array:
        edges, chances = self.bands()
        return chances[jnp.searchsorted(edges, score)]

    def breaks(self) -> Float[Array, " m"]:
        return self.bands()[0]

    def moments(self, rho_oracle: Float[Array, ""], flips: Array) -> Moments:
        return moments_of_bands(*self.bands(), rho_oracle, flips)


class KeepRandom(Banded):
    """Keep each row with the same chance; all of them when left out.

    Examples
    --------
    >>> import freeridge as fr
    >>> fr.PrunedClassifier(phi=0.5, ridge=0.1, keep=fr.KeepRandom(0.3)).predict().share
    Array(0.3, dtype=float64)
    """

    fraction: Scalar = real_field("fraction", default=1.0)

    def __check_init__(self) -> None:
        require("fraction", self.fraction, lambda v: (v >= 0) & (v <= 1), "a chance in [0, 1]")

    def bands(self) -> tuple[Array, Array]:
        return jnp.zeros(0), self.fraction[None]


class _Threshold(Banded):
    r"""By the size of the score, with the threshold or the fraction that is kept.

    Parameters
    ----------
    fraction : float, optional
        Share of the rows that is kept, in (0, 1].
    threshold : float, optional
        $\xi \ge 0$ in its place.
    """

    fraction: Scalar | None = real_field("fraction", default=None, optional=True)
    threshold: Scalar | None = real_field("threshold", default=None, optional=True)

    def __check_init__(self) -> None:
        if (self.fraction is None) == (self.threshold is None):
            raise InvalidSetting(
                "threshold", self.threshold, "either a fraction to keep or a threshold, and not both"
            )
        if self.fraction is not None:
            require("fraction", self.fraction, lambda v: (v > 0) & (v <= 1), "a share to keep in (0, 1]")
        if self.threshold is not None:
            require("threshold", self.threshold, lambda v: v >= 0, "a threshold of the score >= 0")


class KeepHard(_Threshold):
    r"""Keep hard: the rows near the oracle's decision boundary, $|t| \le \xi$.

    Parameters
    ----------
    fraction : float, optional
        Share of the rows that is kept, in (0, 1]: $2 \Phi(\xi) - 1$.
    threshold : float, optional
        $\xi > 0$ in its place, in standard deviations of the score.

    Examples
    --------
    >>> import freeridge as fr
    >>> rule = fr.KeepHard(threshold=1.0)
    >>> round(float(fr.PrunedClassifier(phi=0.5, ridge=0.1, keep=rule).predict().share), 6)
    0.682689
    """

    def bands(self) -> tuple[Array, Array]:
        cut: Any = self.threshold if self.fraction is None else ndtri(0.5 + 0.5 * self.fraction)
        return jnp.stack([-cut, cut]), jnp.array([0.0, 1.0, 0.0])


class KeepEasy(_Threshold):
    r"""Keep easy: the rows far from the oracle's decision boundary, $|t| > \xi$.

    Parameters
    ----------
    fraction : float, optional
        Share of the rows that is kept, in (0, 1]: $2 \Phi(-\xi)$.
    threshold : float, optional
        $\xi \ge 0$ in its place.

    Examples
    --------
    >>> import freeridge as fr
    >>> rule = fr.KeepEasy(threshold=1.0)
    >>> round(float(fr.PrunedClassifier(phi=0.5, ridge=0.1, keep=rule).predict().share), 6)
    0.317311
    """

    def bands(self) -> tuple[Array, Array]:
        # The lower quantile keeps its digits where few rows are kept.
        cut: Any = self.threshold if self.fraction is None else -ndtri(0.5 * self.fraction)
        return jnp.stack([-cut, cut]), jnp.array([1.0, 0.0, 1.0])


class KeepTable(Banded):
    """Keep each band of the score with a chance of its own.

    Parameters
    ----------
    edges : array, shape (m,)
        Increasing scores.
    chances : array, shape (m + 1,)
        In [0, 1], of the bands below, between and above the edges.

    Examples
    --------
    Hard rows, but not the very hardest:

    >>> import freeridge as fr
    >>> rule = fr.KeepTable([-1, -0.2, 0.2, 1], [0, 1, 0.5, 1, 0])
    >>> fr.PrunedClassifier(phi=0.5, ridge=0.1, keep=rule).predict().ok
    True
    """

    edges: Vector = real_field("edges", dimensions=1)
    chances: Vector = real_field("chances", dimensions=1)

    def __check_init__(self) -> None:
        if self.edges.ndim != 1:
            raise InvalidSetting("edges", self.edges, "a list of increasing scores")
        if self.chances.shape != (len(self.edges) + 1,):
            raise InvalidSetting("chances", self.chances, f"{len(self.edges) + 1} chances, one for each band")
        require("edges", self.edges, lambda v: np.diff(v) > 0, "increasing scores")
        require("chances", self.chances, lambda v: (v >= 0) & (v <= 1), "chances in [0, 1]")

    def bands(self) -> tuple[Array, Array]:
        return self.edges, self.chances


def chances_of(
    rule: KeepRule, scores: Float[np.ndarray, " n"], labels: Float[np.ndarray, " n"]
) -> Float[np.ndarray, " n"]:
    """Chances to keep rows; always as many at a time, so that there is one compilation.

    Examples
    --------
    >>> chances_of(KeepHard(threshold=1.0), np.array([0.5, 1.5]), np.ones(2))
    array([1., 0.])
    """
    shape = (-(-len(scores) // _PIECE), _PIECE)
    pieces = zip(np.resize(scores, shape), np.resize(labels, shape), strict=True)
    found = [np.asarray(_compiled(rule, jnp.asarray(t), jnp.asarray(y))) for t, y in pieces]
    return np.concatenate(found)[: len(scores)]


@eqx.filter_jit
def _compiled(rule: KeepRule, scores: Array, labels: Array) -> Array:
    return rule.chance(scores, labels)


def require_rule(name: str, rule: Any) -> None:
    """Refuse what is no rule, keeps nothing, or answers with what is no chance; traced rules pass.

    Examples
    --------
    >>> require_rule("keep", KeepRandom(0.0))
    Traceback (most recent call last):
        ...
    freeridge.solvers.errors.InvalidSetting: keep = 'KeepRandom': expected a rule that keeps rows
    """
    if not isinstance(rule, KeepRule):
        raise InvalidSetting(name, rule, "a rule such as KeepHard(0.3), or a function of score and label")
    if any(known(leaf) is None for leaf in jax.tree.leaves(eqx.filter(rule, eqx.is_array))):
        return
    # Known numbers stay known, whatever is being traced around them.
    with jax.ensure_compile_time_eval():
        _require_chances(name, rule)


def _require_chances(name: str, rule: KeepRule) -> None:
    # Every band has a point: scores on a grid, and the middle between any two breaks.
    grid = np.unique(np.concatenate([np.linspace(-FAR, FAR, 2001), np.asarray(rule.breaks())]))
    scores = np.concatenate([grid, 0.5 * (grid[1:] + grid[:-1])])
    largest = 0.0
    for label in (1.0, -1.0):
        chances = chances_of(rule, scores, np.full(len(scores), label))
        wrong = ~((chances >= 0.0) & (chances <= 1.0))
        if np.any(wrong):
            score, chance = scores[np.argmax(wrong)], chances[np.argmax(wrong)]
            raise InvalidSetting(
                name, float(chance), f"a chance in [0, 1] for score {score:.6g} and label {label:+.0f}"
            )
        largest = max(largest, float(np.max(chances)))
    if largest == 0.0:
        raise InvalidSetting(name, type(rule).__name__, "a rule that keeps rows")
