r"""Contours in the plane of the ridge: training for a time as a sum of ridge estimators.

Gradient descent on $\frac1n |X S \eta - Y|^2 + \lambda |\eta|^2$ from $\eta = 0$ is linear in the data. With
$H = S^\top M S + \lambda$ and $b = S^\top X^\top Y / n$, after time $t$ of the flow $\dot\eta = b - H \eta$
(half the gradient), and after $k$ steps of size $\alpha$ of the same,

$$ \eta_t = \frac{1 - e^{-t H}}{H}\, b, \qquad \eta_k = \frac{1 - (1 - \alpha H)^k}{H}\, b . $$

Both are inverse transforms: $\eta = \frac{1}{2 \pi i} \oint f(z)\, (H + z)^{-1} b\; dz / z$ with $f(z) =
e^{t z}$ or $(1 + \alpha z)^k$ around $z = 0$ and the spectrum of $-H$. Discretised, training for a time is a
sum, with complex weights, of ridge estimators of complex ridges $\lambda + z$. By symmetry the nodes of the
upper half plane are enough.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float, Int

# Several times share the nodes of a window when the largest is at most _RATIO times the smallest.
_RATIO = 10.0
_NODES = 32
# Of one time by itself fewer nodes reach the same accuracy.
_NODES_ALONE = 16
# Steps: below this number a circle around all eigenvalues is exact to rounding with few nodes.
_FEW_STEPS = 34
_CIRCLE, _RADIUS = 192, 1.2
_RATIO_OF_STEPS, _NODES_OF_STEPS = 2.0, 20
# Points between the two loops around the slow modes (1 - a h near 1) and the oscillating ones (near -1).
_BRIDGE = 8


class Contours(NamedTuple):
    """Nodes of a few windows of times, and for each time its window and the weights there.

    The estimator at a time is $2\\, \\mathrm{Re} \\sum_k$ weight times the ridge estimator at ridge + node.
    """

    nodes: Complex[Array, "windows nodes"]
    """From next to the positive real axis onwards, each near the one before it."""
    weights: Complex[Array, "times nodes"]
    window: Int[np.ndarray, " times"]


def flow_contours(times: Float[Array, " times"], known: Float[np.ndarray, " times"] | None) -> Contours:
    r"""Hyperbolas for the gradient flow, several times each when they are known.

    Quadrature errors of the weights are below 2e-11 of the largest filter, $t$; a time of 0 has no weight.

    Parameters
    ----------
    times : array, shape (T,)
        Times >= 0.
    known : NumPy array or None
        The same while they are not traced.

    Examples
    --------
    >>> import jax.numpy as jnp, numpy as np
    >>> times = np.array([0.5, 2.0])
    >>> contours = flow_contours(jnp.asarray(times), times)
    >>> one = contours.nodes[contours.window]  # of an eigenvalue 3: (1 - exp(-3 t)) / 3
    >>> found = 2.0 * jnp.real(jnp.sum(contours.weights / (3.0 + one), axis=1))
    >>> bool(np.allclose(found, (1 - np.exp(-3 * times)) / 3, rtol=0, atol=1e-10))
    True

    References
    ----------
    J. A. C. Weideman and L. N. Trefethen, Parabolic and hyperbolic contours for computing the Bromwich
    integral, Mathematics of Computation 76 (2007).
    """
    positive = jnp.where(times > 0, times, 1.0)
    if known is None:
        last, window, shape = positive, np.arange(len(times)), _hyperbola(_NODES_ALONE, 1.0)
    else:
        window, ends = _windows(np.where(known > 0, known, np.max(known) or 1.0), _RATIO)
        last, shape = jnp.asarray(ends), _hyperbola(_NODES, _RATIO)
    nodes = jnp.asarray(shape.nodes) / last[:, None].astype(complex)
    decay = jnp.exp(nodes[window] * positive[:, None].astype(complex))
    weights = jnp.where(times[:, None] > 0, decay * shape.steps / shape.nodes, 0.0)
    return Contours(nodes, weights, window)


def descent_contours(steps: Float[np.ndarray, " times"], size: Float[Array, ""]) -> Contours:
    r"""Contours for gradient descent with a step size, numbers of steps known and whole.

    With $s = 1 + \alpha z$ the integrand is $s^k$ and the spectrum lies in $(-1, 1)$ for a stable step. Few
    steps: a circle. Many: two hyperbolas in $\log s$, one around the slow modes and its mirror image around
    those that change sign at every step.

    Examples
    --------
    >>> import jax.numpy as jnp, numpy as np
    >>> for k in (3.0, 50.0):  # eigenvalue 1.2, step 0.9
    ...     found = descent_contours(np.array([k]), jnp.array(0.9))
    ...     one = 2.0 * jnp.real(jnp.sum(found.weights / (1.2 + found.nodes)))
    ...     print(bool(abs(one - (1 - (1 - 0.9 * 1.2) ** k) / 1.2) < 1e-12))
    True
    True
    """
    few = steps < _FEW_STEPS
    window, ends = _windows(np.where(few, np.inf, steps), _RATIO_OF_STEPS)
    contours = [_circle() if np.isinf(end) else _loops(end) for end in ends]
    length = max(len(one.points) for one in contours)
    # Shorter contours stay at their last node, where they have no weight.
    points = np.stack([np.pad(one.points, (0, length - len(one.points)), mode="edge") for one in contours])
    moves = np.stack([np.pad(one.moves, (0, length - len(one.moves))) for one in contours])[window]
    # dz / z = ds / (s - 1)
    here = points[window]
    weights = np.where(steps[:, None] > 0, np.exp(steps[:, None] * np.log(here)) * moves / (here - 1.0), 0.0)
    return Contours(jnp.asarray(points - 1.0) / size.astype(complex), jnp.asarray(weights), window)


class _Shape(NamedTuple):
    nodes: np.ndarray
    """For a window that ends at time 1."""
    steps: np.ndarray
    """dz / (2 pi i) between nodes."""


def _hyperbola(count: int, ratio: float) -> _Shape:
    """Nodes in the upper half plane of the hyperbola that is best for times from 1 / ratio to 1."""
    angles = np.linspace(0.25 * np.pi, 0.5 * np.pi, 2002)[1:-1]
    span = np.arccosh(
        ((np.pi - 2 * angles) * ratio + 4 * angles - np.pi) / ((4 * angles - np.pi) * np.sin(angles))
    )
    best = int(np.argmax((np.pi**2 - 2 * np.pi * angles) / span))
    angle, width = angles[best], span[best] / count
    scale = (4 * np.pi * angle - np.pi**2) / span[best] * count
    place = 1j * (np.arange(count) + 0.5) * width - angle
    return _Shape(scale * (1 + np.sin(place)), scale * np.cos(place) * width / (2 * np.pi))


class _Steps(NamedTuple):
    """A contour in s."""

    points: np.ndarray
    moves: np.ndarray
    """ds / (2 pi i) between points."""


def _circle() -> _Steps:
    """Upper half of a circle around all of (-1, 1)."""
    points = _RADIUS * np.exp(2j * np.pi * (np.arange(_CIRCLE // 2) + 0.5) / _CIRCLE)
    return _Steps(points, points / _CIRCLE)


def _loops(steps: float) -> _Steps:
    """Two loops, for numbers of steps up to the given one, with points without weight between."""
    shape = _hyperbola(_NODES_OF_STEPS, _RATIO_OF_STEPS)
    right = np.exp(shape.nodes / steps)
    moves = right * shape.steps / steps
    last = right[-1]
    arc = np.linspace(np.angle(last), np.pi - np.angle(last), _BRIDGE + 2)[1:-1]
    bridge = np.abs(last) * np.exp(1j * arc)
    # The loop on the left is the mirror image, run through the other way round.
    return _Steps(
        np.concatenate([right, bridge, -np.conj(right[::-1])]),
        np.concatenate([moves, np.zeros(_BRIDGE), -np.conj(moves[::-1])]),
    )


def _windows(times: Float[np.ndarray, " times"], ratio: float) -> tuple[np.ndarray, np.ndarray]:
    """Window of each time, and the last time of each window."""
    window, ends = np.zeros(len(times), int), list[float]()
    for i in np.argsort(-times, kind="stable"):
        if not ends or times[i] * ratio < ends[-1]:
            ends.append(float(times[i]))
        window[i] = len(ends) - 1
    return window, np.asarray(ends)
