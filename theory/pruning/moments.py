r"""Moments of the rows that a rule keeps: all that the theory asks of a rule.

In the plane of the oracle and the generator, whitened, let $a_1 = x^\top w_o$ be the score and $a_2$ the part
of the generator's score that is independent of it: the generator labels by the sign of $\rho_o a_1 +
\sqrt{1 - \rho_o^2}\, a_2$. Given the score $t$, the label is +1 with probability $\Phi(\tau t)$, $\tau =
\rho_o / \sqrt{1 - \rho_o^2}$, and

$$ E[a_2 1_{y = +1} \mid t] = \varphi(\tau t), \qquad
   E[a_2^2 1_{y = +1} \mid t] = \Phi(\tau t) - \tau t\, \varphi(\tau t) , $$

so that every moment of every rule q(score, label) is one integral over the score. For a rule of bands of the
score that integral has a closed form; for others it is summed by Gauss's rule on panels between the scores at
which the rule is not smooth, twice, and the difference is the estimate of its error.
"""

from collections.abc import Callable

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr
from jaxtyping import Array, Float

FAR = 9.0  # scores beyond have a mass of 2e-19
PANELS = np.linspace(-FAR, FAR, 13)
# Where the label turns from one sign to the other, in units of 1 / tau.
_TURNS = np.array([-9.0, -6.0, -4.0, -2.0, -1.0, 0.0, 1.0, 2.0, 4.0, 6.0, 9.0])
_RULES = tuple(np.polynomial.legendre.leggauss(order) for order in (20, 14))
_TINY = 1e-300

Rule = Callable[[Array, float], Array]  # chance to keep, of scores and one label


class Moments(eqx.Module):
    r"""What a rule keeps, in the plane of oracle and generator.

    Attributes
    ----------
    share : array
        $p = E\, q$, the share of rows that is kept.
    second : array, shape (2, 2)
        $E[q\, a a^\top]$.
    labelled : array, shape (2,)
        $E[q\, y\, a]$.
    error : array
        Estimated absolute error of the largest of them; 0 for closed forms.
    """

    share: Float[Array, ""]
    second: Float[Array, "2 2"]
    labelled: Float[Array, "2"]
    error: Float[Array, ""]


def root_of_rest(rho: Float[Array, ""]) -> Float[Array, ""]:
    r"""$\sqrt{1 - \rho^2}$, with derivative 0 and not NaN at $\pm 1$."""
    rest = (1.0 - rho) * (1.0 + rho)
    inside = rest > 0
    return jnp.where(inside, jnp.sqrt(jnp.where(inside, rest, 1.0)), 0.0)


def density(t: Array) -> Array:
    """Standard normal density."""
    return jnp.exp(-0.5 * t * t) / np.sqrt(2.0 * np.pi)


def moments_of_bands(
    edges: Float[Array, " m"], chances: Float[Array, " m1"], rho_oracle: Float[Array, ""], flips: Array
) -> Moments:
    r"""Closed form for a rule that keeps each band of the score with a chance of its own.

    Parameters
    ----------
    edges : array, shape (m,)
        Increasing scores between which the chance is constant.
    chances : array, shape (m + 1,)
        From the lowest band to the highest.
    rho_oracle : array
        $\rho_o$, cosine between oracle and generator.
    flips : array
        Share of labels that are flipped at random.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> everything = moments_of_bands(jnp.zeros(0), jnp.ones(1), jnp.array(0.6), jnp.array(0.0))
    >>> everything.labelled * jnp.sqrt(jnp.pi / 2)  # E[y a] is sqrt(2 / pi) times the generator
    Array([0.6, 0.8], dtype=float64)
    """
    # Beyond 38 the density is 0, and so is its product with the score, also with an infinite one.
    ends = jnp.concatenate([jnp.array([-40.0]), jnp.clip(edges, -40.0, 40.0), jnp.array([40.0])])
    rest = root_of_rest(rho_oracle)
    along = ends / jnp.maximum(rest, _TINY)
    turn = 2.0 * ndtr(rho_oracle * along) - 1.0
    low, high = ends[:-1], ends[1:]
    # Upper tails from above, where they keep their digits.
    mass = jnp.where(low > 0, ndtr(-low) - ndtr(-high), ndtr(high) - ndtr(low))
    spread = mass - jnp.diff(ends * density(ends))
    across = jnp.sqrt(2.0 / np.pi) * jnp.where(low > 0, -jnp.diff(ndtr(-along)), jnp.diff(ndtr(along)))
    toward = rho_oracle * across - jnp.diff(density(ends) * turn)
    share, first = chances @ mass, chances @ spread
    labelled = (1.0 - 2.0 * flips) * jnp.stack([chances @ toward, rest * (chances @ across)])
    return Moments(share, jnp.diag(jnp.stack([first, share])), labelled, jnp.zeros(()))


def moments_by_quadrature(
    rule: Rule, breaks: Float[Array, " m"], rho_oracle: Float[Array, ""], flips: Array
) -> Moments:
    r"""Any rule, by Gauss's rule of 20 points on each panel; of 14 points for the error.

    Parameters
    ----------
    rule : callable
        Chance to keep, of an array of scores and a label, +1.0 or -1.0.
    breaks : array, shape (m,)
        Scores at which it jumps or has a kink.
    rho_oracle, flips : array
        As in :func:`moments_of_bands`.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> agree = lambda score, label: jnp.where(score * label > 0, 1.0, 0.0)
    >>> found = moments_by_quadrature(agree, jnp.zeros(1), jnp.array(0.6), jnp.array(0.0))
    >>> round(float(found.share + jnp.arccos(0.6) / jnp.pi), 12), float(found.error) < 1e-13
    (1.0, True)
    """
    rest = jnp.maximum(root_of_rest(rho_oracle), _TINY)
    slope = rho_oracle / rest
    turns = _TURNS / jnp.maximum(jnp.abs(slope), _TINY)
    edges = jnp.sort(jnp.clip(jnp.concatenate([PANELS, turns, breaks]), -FAR, FAR))
    fine, coarse = (_sums(rule, edges, slope, flips, *nodes) for nodes in _RULES)
    p, s11, s12, s22, c1, c2 = fine
    return Moments(
        p,
        jnp.stack([jnp.stack([s11, s12]), jnp.stack([s12, s22])]),
        jnp.stack([c1, c2]),
        jnp.max(jnp.abs(fine - coarse)),
    )


def _sums(
    rule: Rule,
    edges: Float[Array, " K"],
    slope: Float[Array, ""],
    flips: Array,
    nodes: np.ndarray,
    weights: np.ndarray,
) -> Float[Array, "6"]:
    half, middle = 0.5 * jnp.diff(edges), 0.5 * (edges[1:] + edges[:-1])
    t = (middle[:, None] + half[:, None] * nodes).ravel()
    measure = (half[:, None] * weights).ravel() * density(t)
    kept, refused = rule(t, 1.0), rule(t, -1.0)
    # By the sign the generator gives, before it is flipped: chance to be kept, and the same times the label.
    plus, minus = (1.0 - flips) * kept + flips * refused, (1.0 - flips) * refused + flips * kept
    plus_label, minus_label = (1.0 - flips) * kept - flips * refused, flips * kept - (1.0 - flips) * refused
    turned = slope * t
    above, below, bell = ndtr(turned), ndtr(-turned), density(turned)
    shift = turned * bell
    return jnp.stack(
        [
            measure @ (plus * above + minus * below),
            (measure * t * t) @ (plus * above + minus * below),
            (measure * t) @ ((plus - minus) * bell),
            measure @ (plus * (above - shift) + minus * (below + shift)),
            (measure * t) @ (plus_label * above + minus_label * below),
            measure @ ((plus_label - minus_label) * bell),
        ]
    )
