r"""The interference in an associative memory, in the limit of many dimensions.

The score of a class is Gaussian noise, that of the right one shifted by the weight of the item. Let $M$ be
the largest score among the wrong classes and $\tau g$ the noise of the right one: an item of weight $x$ is
answered right with probability

$$ P(M < x + \tau g) = \int \Phi\Big(\frac{x - z}{\tau}\Big)\, dF(z), $$

$F$ the distribution function of $M$. The scales of the classes span orders of magnitude, so that F has
features on all of them, and either $\tau$ or F may be the sharper one. With F linear between the points of a
grid the integral is exact whatever $\tau$; the error of that, of second order in the step, is extrapolated
away.
"""

import jax
import jax.numpy as jnp
from jax.scipy.special import betaln
from jax.scipy.stats import norm
from jaxtyping import Array, Float

_CELLS = 128  # of the grid; a multiple of 4
_REACH = 9.0  # standard deviations at which a Gaussian ends
_COUNTS = 48  # places at which the law of a count is evaluated: each one where never seen is not excluded
_NEARLY_ZERO, _NEARLY_ONE = 1e-300, 1.0 - 2.0**-53
_BLOCK = 8  # items at a time: sweeps hold thousands of settings beside each other


def seen(trained: Float[Array, " N"], samples: Float[Array, ""] | None) -> Float[Array, " N"]:
    """Probability that an item is among the samples.

    Examples
    --------
    >>> seen(jnp.array([0.5, 0.5, 0.0]), jnp.array(2.0))
    Array([0.75, 0.75, 0.  ], dtype=float64)
    """
    present = (trained > 0).astype(jnp.float64)
    if samples is None:
        return present
    endless = jnp.isinf(samples)
    # Short of one, where the logarithm and its derivative end.
    found = -jnp.expm1(jnp.where(endless, 1.0, samples) * jnp.log1p(-jnp.minimum(trained, _NEARLY_ONE)))
    return jnp.where(endless, present, found)


def law_of_weights(
    trained: Float[Array, " N"], samples: Float[Array, ""] | None, weights: str
) -> tuple[Float[Array, "N R"], Float[Array, "N R"], Float[Array, " N"]]:
    """Values that the weight of each item takes, their probabilities, and its mean square.

    Counts are binomial, of mean t. All of them are taken up to t = 17. Beyond, no count is so small that the
    next one makes a difference of its own, and every s-th is enough: s is a fifth of a standard deviation, at
    which the sum over a smooth law is exact to all digits.
    """
    if weights == "thresholded":
        found = seen(trained, samples)
        return jnp.tile(jnp.array([0.0, 1.0]), (len(trained), 1)), jnp.stack([1.0 - found, found], 1), found
    if samples is None:
        return trained[:, None], jnp.ones((len(trained), 1)), trained**2
    endless = jnp.isinf(samples)
    total = jnp.where(endless, 1.0, samples)
    mean = jax.lax.stop_gradient(total * trained)  # where the law is evaluated is no part of it
    width = jnp.sqrt(mean * (1.0 - jax.lax.stop_gradient(trained)))
    start = jnp.maximum(jnp.floor(mean - 5.0 * width), 0.0)
    step = jnp.maximum(jnp.ceil((10.0 * width + 6.0) / _COUNTS), 1.0)
    counts = start[:, None] + step[:, None] * jnp.arange(_COUNTS, dtype=jnp.float64)
    rest = total - counts
    inside = rest >= 0.0
    rest = jnp.where(inside, rest, 0.0)
    chance = jnp.clip(trained, _NEARLY_ZERO, _NEARLY_ONE)[:, None]
    log_chance = counts * jnp.log(chance) + rest * jnp.log1p(-chance)
    log_chance = jnp.where(inside, log_chance - betaln(counts + 1.0, rest + 1.0), -jnp.inf)
    chances = jax.nn.softmax(log_chance, axis=1)
    squares = trained**2 + jnp.where(endless, 0.0, trained * (1.0 - trained) / total)
    return jnp.where(endless, trained[:, None], counts / total), chances, squares


def risk(
    tested: Float[Array, " N"],
    points: Float[Array, "N R"],
    chances: Float[Array, "N R"],
    squares: Float[Array, " N"],
    d: Float[Array, ""],
    classes: int,
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Mean probability of a wrong answer, and its change when the quadrature is half as fine: some ten times
    the error of the finer one.
    """
    labels = jnp.arange(len(tested)) % classes
    power = jax.ops.segment_sum(squares, labels, classes)
    variance = (power + (jnp.sum(power) - power) / d) / d
    grid, fine, coarse = largest_of_others(jnp.sqrt(variance))
    # Never zero, though rounding may say so where one item is all of its class and the others are empty.
    own = jnp.sqrt(jnp.maximum(variance[labels] - squares / d, jnp.sum(power) / d**2 * 1e-12))

    def wrong(item: tuple[Array, Array, Array, Array]) -> Float[Array, "2"]:
        place, chance, width, label = item
        values = jnp.stack([beats(place, width, grid, table[label]) for table in (fine, coarse)])
        return 1.0 - values @ chance

    parts = jax.lax.map(wrong, (points, chances, own, labels), batch_size=_BLOCK)
    best, rough = tested @ parts
    return jnp.maximum(best, 0.0), jnp.abs(best - rough)


def mean_excess(squares: Float[Array, " N"], classes: int, power: Float[Array, ""]) -> Float[Array, ""]:
    r"""Mean over the classes f of $E (X_+)^c$, $X = \max_{y \ne f} Q_y g_y - Q_f g_f$."""
    widths = jnp.sqrt(jax.ops.segment_sum(squares, jnp.arange(len(squares)) % classes, classes))
    grid, table, _ = largest_of_others(widths)
    # E (X_+)^c is the integral of P(X > v^(1/c)) over v; the midpoint rule, P being flat at both ends of v.
    end = (grid[-1] + _REACH * jnp.max(widths)) ** power
    middle = (jnp.arange(_CELLS, dtype=jnp.float64) + 0.5) / _CELLS * end
    excess = jax.lax.map(
        lambda item: jnp.mean(1.0 - beats(middle ** (1.0 / power), item[0], grid, item[1])), (widths, table)
    )
    return end * jnp.mean(excess)


def largest_of_others(
    widths: Float[Array, " m"],
) -> tuple[Float[Array, " K"], Float[Array, "m K"], Float[Array, "m K"]]:
    """The law of the largest Gaussian among all classes but one, as bends of its distribution function.

    Returns
    -------
    grid : array of shape (K,)
        Denser near zero, where the narrow classes are.
    fine, coarse : array of shape (m, K)
        Row f: change of slope at each point, extrapolated from steps h and 2h, and from 2h and 4h.
    """
    least, most = jnp.min(widths), jnp.max(widths)
    end = jnp.arcsinh(_REACH * most / least)
    grid = least * jnp.sinh(end * jnp.linspace(-1.0, 1.0, _CELLS + 1))
    logs = norm.logcdf(grid / widths[:, None])
    distribution = jnp.exp(jnp.sum(logs, axis=0) - logs)
    bends = [_bends(grid, distribution, stride) for stride in (1, 2, 4)]
    return grid, (4.0 * bends[0] - bends[1]) / 3.0, (4.0 * bends[1] - bends[2]) / 3.0


def _bends(grid: Float[Array, " K"], distribution: Float[Array, "m K"], stride: int) -> Float[Array, "m K"]:
    slopes = jnp.diff(distribution[:, ::stride], axis=1) / jnp.diff(grid[::stride])
    return (
        jnp.zeros_like(distribution).at[:, ::stride].set(jnp.diff(jnp.pad(slopes, ((0, 0), (1, 1))), axis=1))
    )


def beats(
    places: Float[Array, " R"], width: Float[Array, ""], grid: Float[Array, " K"], bends: Float[Array, " K"]
) -> Float[Array, " R"]:
    """P(M < x + width g) for each place x.

    The integral of Phi((x - z) / width) from z up is width psi((x - z) / width), psi(t) = t Phi(t) + phi(t).
    """
    # Beyond the grid the answer is one; nearer places lose fewer digits.
    capped = jnp.minimum(places, grid[-1] + _REACH * width)
    t = (capped[:, None] - grid) / width
    return width * ((t * norm.cdf(t) + norm.pdf(t)) @ bends)
