r"""Labels that are wrong, and a verifier that lets some of them through: rates and the breakdown point.

A share $p$ of labels is wrong. The verifier keeps a right label with probability $\phi$ and a wrong one with
probability $\psi$; of what it keeps the share

$$ \tilde p = \frac{p\, \psi}{(1 - p)\, \phi + p\, \psi} $$

is wrong. Learning breaks down where that reaches one half: *Beyond Model Collapse* (arXiv 2406.07515).
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.fields import as_real, known, require

_PROBABILITY = "a probability, in [0, 1]"


class VerifierRates(NamedTuple):
    """How often labels are wrong, and how often right and wrong ones are kept."""

    error_rate: Float[Array, ""]
    """$p$."""
    keep_right: Float[Array, ""]
    r"""$\phi$."""
    keep_wrong: Float[Array, ""]
    r"""$\psi$."""

    @property
    def kept(self) -> Float[Array, ""]:
        """Share of all labels that is kept."""
        return (1.0 - self.error_rate) * self.keep_right + self.error_rate * self.keep_wrong

    @property
    def wrong(self) -> Float[Array, ""]:
        r"""$\tilde p$, the share of kept labels that is wrong."""
        return self.error_rate * self.keep_wrong / self.kept


def breakdown_point(keep_right: Any, keep_wrong: Any) -> Float[Array, "*shape"]:
    r"""The largest share of wrong labels that verification can repair.

    $$ p_* = \frac{1}{1 + \psi / \phi} = \frac{\phi}{\phi + \psi} $$

    With infinitely many kept labels, wrong independently of the inputs, a learner agrees with the best
    classifier everywhere if $p < p_*$ and nowhere if $p > p_*$.

    Parameters
    ----------
    keep_right, keep_wrong : float or array
        $\phi$ and $\psi$ in [0, 1], not both zero.

    Raises
    ------
    InvalidSetting
        Outside these ranges.

    Examples
    --------
    No verification, an oracle, and a verifier that lets one wrong label in five through:

    >>> [round(float(breakdown_point(1.0, psi)), 6) for psi in (1.0, 0.0, 0.2)]
    [0.5, 1.0, 0.833333]

    References
    ----------
    Y. Feng, E. Dohmatob, P. Yang, F. Charton, J. Kempe, Beyond Model Collapse: Scaling Up with Synthesized
    Data Requires Verification, ICLR 2025, arXiv 2406.07515: Theorem 4.2.
    """
    right, wrong = _rates(keep_right, keep_wrong)
    return right / (right + wrong)


def breakdown_band(
    margin: Any, keep_right: Any, keep_wrong: Any
) -> tuple[Float[Array, "*shape"], Float[Array, "*shape"]]:
    r"""The two shares of wrong labels between which a learner's success is not decided by a given margin.

    $$ p_-(t) = \frac{1 - t}{1 - t + (1 + t) \psi / \phi}, \qquad
       p_+(t) = \frac{1 + t}{1 + t + (1 - t) \psi / \phi} . $$

    At $p_\mp(t)$ right and wrong labels among the kept differ by $\pm t$: $1 - 2 \tilde p = \pm t$. Both
    are the breakdown point at $t = 0$.

    Parameters
    ----------
    margin : float or array
        $t \in [0, 1)$.
    keep_right, keep_wrong : float or array
        $\phi$ and $\psi$ in [0, 1], not both zero.

    Raises
    ------
    InvalidSetting
        Outside these ranges.

    Examples
    --------
    >>> low, high = breakdown_band(0.5, 1.0, 0.5)
    >>> round(float(low), 6), round(float(high), 6)
    (0.4, 0.857143)

    References
    ----------
    arXiv 2406.07515, Theorem E.3.
    """
    t = as_real("margin", margin)
    require("margin", t, lambda v: (v >= 0) & (v < 1), "a margin in [0, 1)")
    right, wrong = _rates(keep_right, keep_wrong)
    low = (1.0 - t) * right / ((1.0 - t) * right + (1.0 + t) * wrong)
    high = (1.0 + t) * right / ((1.0 + t) * right + (1.0 - t) * wrong)
    return low, high


def rates_of_similarity(keep: Any, similarity: Any) -> VerifierRates:
    r"""Rates of a verifier when a label is not right or wrong but similar to the truth to some degree.

    $$ p = 1 - E s, \qquad \phi = \frac{E[q s]}{1 - p}, \qquad \psi = \frac{E[q (1 - s)]}{p} . $$

    With similarities 0 and 1 these are the rates at which right and wrong labels are kept.

    Parameters
    ----------
    keep : array-like, shape (n,)
        $q$, whether each label is kept or with which probability.
    similarity : array-like, shape (n,)
        $s \in [0, 1]$; not all 0, not all 1.

    Raises
    ------
    InvalidSetting
        Outside these ranges, and for lists of different lengths.

    Examples
    --------
    >>> found = rates_of_similarity([1, 1, 0, 0], [1.0, 0.5, 0.5, 0.0])
    >>> [round(float(rate), 6) for rate in found]
    [0.5, 0.75, 0.25]
    >>> round(float(breakdown_point(found.keep_right, found.keep_wrong)), 6)
    0.75

    References
    ----------
    arXiv 2406.07515, Section 5.
    """
    q, s = as_real("keep", np.asarray(keep, np.float64)), as_real("similarity", similarity)
    if s.ndim != 1 or s.size == 0 or q.shape != s.shape:
        raise InvalidSetting("similarity", s, f"a list of numbers as long as keep, which has shape {q.shape}")
    require("keep", q, lambda v: (v >= 0) & (v <= 1), "probabilities, in [0, 1]")
    require("similarity", s, lambda v: (v >= 0) & (v <= 1), "similarities in [0, 1]")
    require(
        "similarity", jnp.mean(s), lambda v: (v > 0) & (v < 1), "labels some of which are right, some wrong"
    )
    wrong = jnp.mean(1.0 - s)
    return VerifierRates(wrong, jnp.mean(q * s) / jnp.mean(s), jnp.mean(q * (1.0 - s)) / wrong)


def _rates(keep_right: Any, keep_wrong: Any) -> tuple[Array, Array]:
    right, wrong = as_real("keep_right", keep_right), as_real("keep_wrong", keep_wrong)
    for name, value in (("keep_right", right), ("keep_wrong", wrong)):
        require(name, value, lambda v: (v >= 0) & (v <= 1), _PROBABILITY)
    total = known(right + wrong)
    if total is not None and not np.all(total > 0):
        raise InvalidSetting(
            "keep_wrong", keep_wrong, "keep_right or keep_wrong above 0: else nothing is kept"
        )
    return right, wrong
