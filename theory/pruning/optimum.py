r"""The best share of a family of rules, and the best rule of all that keep bands of the score.

The error depends on a rule through its moments alone, and they are linear in the chances $u$ to keep each
band, $M(u) = \sum_k u_k M_k$: the slope in the chance of band k, per row in it, is

$$ g_k = \frac{\nabla F(M) \cdot M_k}{p_k} , $$

$p_k$ the share of rows in the band. At a minimum a band with $g_k < 0$ is kept and one with $g_k > 0$ is
dropped, all of it: chances in between are left to bands through which a threshold of the score passes. With a
fixed share of kept rows the same is true of $g_k - \nu$, $\nu$ the multiplier of the share.
"""

from dataclasses import replace
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.special import ndtr, ndtri

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.minimise import minimise
from freeridge.solvers.projected import minimise_chances
from freeridge.solvers.results import Code
from freeridge.theory.pruning.directions import plane_of
from freeridge.theory.pruning.label_moments import moments_of_label_bands
from freeridge.theory.pruning.label_rules import KeepCorrect
from freeridge.theory.pruning.moments import Moments
from freeridge.theory.pruning.pruned_classifier import PrunedClassifier
from freeridge.theory.pruning.pruned_limit import limit
from freeridge.theory.pruning.rules import KeepRule, KeepTable

_LEAST = 1e-4  # share of rows kept, of those tried
_RANDOM = 5  # starts
_NOTHING = 1e-14  # share of rows in a band that does not count


class BestFraction(NamedTuple):
    r"""The best share of a family of rules.

    Attributes
    ----------
    fraction : float
        Share that is kept.
    error : float
        Test error there.
    slope : float
        $d \log E / d \log p$ there: 0 inside, negative where all is kept.
    setting : PrunedClassifier
        With that share.
    """

    fraction: float
    error: float
    slope: float
    setting: PrunedClassifier


def best_fraction(setting: PrunedClassifier, least: float = _LEAST) -> BestFraction:
    """The best share to keep for a rule with a fraction, such as KeepHard: of all shares in [least, 1].

    The derivative on 65 shares, equally spaced in the logarithm, shows the basins; see
    :func:`freeridge.solvers.minimise.minimise`.

    Parameters
    ----------
    setting : PrunedClassifier
        With a rule that has a fraction.
    least : float
        Smallest share, in (0, 1).

    Raises
    ------
    InvalidSetting
        For a rule without a fraction.

    Examples
    --------
    >>> import freeridge as fr
    >>> from freeridge.theory.pruning.optimum import best_fraction
    >>> found = best_fraction(fr.PrunedClassifier(phi=0.05, ridge=1e-3, keep=fr.KeepHard(0.3)))
    >>> round(found.fraction, 4), round(found.error, 4), abs(found.slope) < 1e-6
    (0.2696, 0.0197, True)
    """
    if getattr(setting.keep, "fraction", None) is None:
        raise InvalidSetting("keep", setting.keep, "a rule with a fraction, such as KeepHard(0.3)")
    if not 0 < least < 1:
        raise InvalidSetting("least", least, "a share in (0, 1)")

    def at(log: Any) -> PrunedClassifier:
        moved: PrunedClassifier = eqx.tree_at(lambda s: s.keep.fraction, setting, jnp.exp(log))
        return moved

    def log_error(log: Any) -> Array:
        return jnp.log(at(log).predict().error)

    # Of everything the last share is 1 to the last digit.
    best = min(minimise(log_error, float(np.log(least)), 0.0, ends=(0.0,)), 0.0)
    there = at(jnp.asarray(best))
    slope = jax.grad(log_error)(jnp.asarray(best))
    return BestFraction(float(np.exp(best)), float(there.predict().error), float(slope), there)


class BestRule(NamedTuple):
    r"""The best rule that keeps bands of the size of the score.

    Attributes
    ----------
    setting : PrunedClassifier
        With that rule.
    error : float
        Its test error.
    residual : float
        Of the first-order conditions, with the slopes of $\log E$; 0 at a local minimum.
    edges : array, shape (m,)
        Sizes of the score between the bands.
    right, wrong : array, shape (m + 1,)
        Chances from the band at the boundary outwards, of rows with the oracle's label and of others.
    errors : array
        Of all starts, increasing, before bands were exchanged.
    """

    setting: PrunedClassifier
    error: float
    residual: float
    edges: Float[np.ndarray, " m"]
    right: Float[np.ndarray, " m1"]
    wrong: Float[np.ndarray, " m1"]
    errors: Float[np.ndarray, " S"]


def best_rule(
    setting: PrunedClassifier,
    bands: Any = 40,
    *,
    share: float | None = None,
    labels: bool = False,
    key: int = 0,
) -> BestRule:
    """The rule with the smallest test error of all that keep bands of the size of the score.

    Parameters
    ----------
    setting : PrunedClassifier
        Its own rule does not matter.
    bands : int or array
        How many, each with as many rows as any other, or their edges: increasing positive scores.
    share : float, optional
        Of rows kept, in (0, 1); chosen as well when left out.
    labels : bool
        Whether the rule may see if the oracle shares the label: then rows of a band that do and rows that do
        not have a chance each.
    key : int
        Seed of five random starts, beside those at all stretches of fifths of the rows.

    Returns
    -------
    BestRule
        The best of the local minima found, which no change of one or two bands to the other side improves.
        Bands are all kept or all dropped but for the few through which a threshold passes.

    Raises
    ------
    InvalidSetting
        For bands or a share of another kind.

    Examples
    --------
    A perfect generator and oracle, and many rows: rows at much the same distance from the boundary, for the
    labels of those are linear in the score.

    >>> import freeridge as fr
    >>> from freeridge.theory.pruning.optimum import best_rule
    >>> found = best_rule(fr.PrunedClassifier(phi=0.01, ridge=1e-3), bands=10)
    >>> found.right, found.residual < 1e-9
    (array([0., 0., 0., 0., 1., 0., 0., 0., 0., 0.]), True)
    """
    edges = _edges(bands)
    if share is not None and not 0 < share < 1:
        raise InvalidSetting("share", share, "a share to keep in (0, 1), or None")
    count = len(edges) + 1
    cosines = setting.correlations
    plane = plane_of(cosines, setting.directions, setting.covariance)

    def split(chances: Array) -> tuple[Array, Array]:
        return (chances[:count], chances[count:]) if labels else (chances, chances)

    def moments(chances: Array) -> Moments:
        right, wrong = split(chances)
        whole = jnp.concatenate([-edges[::-1], jnp.zeros(1), edges])
        up, down = jnp.concatenate([wrong[::-1], right]), jnp.concatenate([right[::-1], wrong])
        return moments_of_label_bands(whole, up, down, cosines[2], setting.label_noise)

    # Linear: one number each for every band.
    parts: Moments = jax.jit(jax.jacfwd(moments))(jnp.zeros(count * (1 + labels)))
    masses = np.asarray(parts.share)
    present = masses > _NOTHING

    def everywhere(chances: Array) -> Array:
        return jnp.zeros(len(masses)).at[np.flatnonzero(present)].set(chances)

    def log_error(chances: Array) -> Array:
        kept: Moments = jax.tree.map(lambda part: part @ everywhere(chances), parts)
        found = limit(setting.phi, setting.ridge, kept, plane, setting.covariance)
        error = jnp.arctan2(found.miss, found.signal)
        return jnp.where(found.code == Code.OK, jnp.log(error), jnp.nan)

    sizes = np.concatenate([[0.0], edges, [np.inf]])
    starts = _starts(2.0 * ndtr(0.5 * (sizes[1:] + sizes[:-1])) - 1.0, labels, key)
    found = minimise_chances(log_error, starts[:, present], masses[present], share)
    right, wrong = (np.asarray(part) for part in split(everywhere(jnp.asarray(found.point))))
    best = replace(setting, keep=_rule(edges, right, wrong, labels))
    errors = np.exp(found.values) / np.pi
    prediction = best.predict()
    return BestRule(best, float(prediction.error), found.residual, edges, right, wrong, errors)


def _edges(bands: Any) -> Float[np.ndarray, " m"]:
    if isinstance(bands, int | np.integer) and not isinstance(bands, bool) and bands >= 2:
        return np.asarray(ndtri(0.5 + 0.5 * np.arange(1, bands) / bands))
    edges = np.asarray(bands)
    if edges.dtype.kind not in "fiu" or edges.ndim != 1 or not np.all(np.diff(edges, prepend=0.0) > 0):
        raise InvalidSetting("bands", bands, "two bands or more, or increasing positive edges of them")
    return edges.astype(np.float64)


def _starts(inside: Float[np.ndarray, " m1"], labels: bool, key: int) -> Float[np.ndarray, "S K"]:
    """All stretches of fifths of the rows, from hard to easy ones, and random chances; with labels mostly of
    rows with the oracle's.
    """
    cuts = np.arange(6) / 5.0
    stretches = [(inside >= low) & (inside <= high) for low in cuts for high in cuts if low < high]
    rng = np.random.default_rng(key)
    chances = np.concatenate([np.array(stretches) * 1.0, rng.random((_RANDOM, len(inside)))])
    return np.concatenate([chances, 0.1 * chances], axis=1) if labels else chances


def _rule(
    edges: Float[np.ndarray, " m"],
    right: Float[np.ndarray, " m1"],
    wrong: Float[np.ndarray, " m1"],
    labels: bool,
) -> KeepRule:
    def table(chances: np.ndarray) -> KeepTable:
        both = np.concatenate([chances[:0:-1], chances])
        return KeepTable(np.concatenate([-edges[::-1], edges]), both)

    return KeepCorrect(table(right), table(wrong)) if labels else table(right)
