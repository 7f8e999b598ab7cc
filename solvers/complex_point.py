r"""The fixed point of a ridge mixture at complex ridges, followed along a path in the upper half plane.

The equations are those of :mod:`freeridge.solvers.newton`, holomorphic in the ridge away from the negative
real axis, where the spectrum is. From a real solution Newton's method follows them from one node of a
contour (:mod:`freeridge.solvers.contours`) to the next. That it stayed on the right branch is checked: for
$\mathrm{Im}\, \lambda > 0$ it is the one with $0 \le \arg e_s \le \arg \lambda$, and the same for both slacks
and for the effective ridge $\kappa$.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

from freeridge.solvers.fixed_point import MixtureProblem, solve_fixed_point
from freeridge.solvers.network import solve_grounded

_MAX_STEPS = 30
# One more step follows, so that rounding is reached from here.
_LAST_STEP = 1e-6
# Rounding may turn an argument of 0 or of arg(ridge) this far outside.
_BESIDE = 1e-6


class ComplexPoints(eqx.Module):
    """Solutions at the nodes, and what certifies them."""

    y: Complex[Array, "*nodes G"]
    r"""$y_s = e_s / \kappa$."""
    kappa: Complex[Array, "*nodes"]
    """Effective ridge."""
    feature_slack: Complex[Array, "*nodes"]
    r"""$\nu = \gamma - \eta$; 1 for plain ridge."""
    residual: Float[Array, "*nodes"]
    """Largest relative residual; infinite where the branch is wrong."""

    def conjugate(self) -> "ComplexPoints":
        """The solutions at the conjugate ridges."""
        return ComplexPoints(
            jnp.conj(self.y), jnp.conj(self.kappa), jnp.conj(self.feature_slack), self.residual
        )


def solve_complex_points(problem: MixtureProblem, nodes: Complex[Array, " nodes"]) -> ComplexPoints:
    """Solve a mixture at ridge + node for every node of a path that starts next to the positive real axis.

    Differentiable once in every numeric field, and safe under :func:`jax.vmap`.

    Examples
    --------
    Isotropic inputs: $y$ solves the quadratic of Marchenko and Pastur.

    >>> import jax.numpy as jnp
    >>> from freeridge.solvers.spectra import Atoms
    >>> spectrum = Atoms(jnp.ones((1, 1)), jnp.array([100.0]), dimension=100)
    >>> problem = MixtureProblem(spectrum, jnp.ones(1), n=jnp.array(200.0), ridge=jnp.array(0.0))
    >>> ridge = jnp.array([1.0 + 0.1j, 1.0 + 1.0j])
    >>> y = solve_complex_points(problem, ridge).y[:, 0]
    >>> bool(jnp.max(jnp.abs(y * (ridge + 0.5 / (1 + y)) - 1)) < 1e-14)
    True
    """
    ridges = problem.ridge.astype(complex) + nodes
    fixed, where = jax.lax.stop_gradient((problem, ridges))
    start = solve_fixed_point(eqx.tree_at(lambda p: p.ridge, fixed, jnp.abs(where[0])))
    first = (start.x / start.theta).astype(complex)

    def follow(y: Array, ridge: Array) -> tuple[Array, Array]:
        y = _newton(_as_complex(fixed), ridge, y)
        return y, y

    _, solutions = jax.lax.scan(follow, first, where)
    return jax.vmap(_polished, in_axes=(None, 0, 0))(
        _as_complex(problem), ridges, jax.lax.stop_gradient(solutions)
    )


def _as_complex(problem: MixtureProblem) -> MixtureProblem:
    return jax.tree.map(lambda leaf: leaf.astype(complex), problem)


def _newton(p: MixtureProblem, ridge: Complex[Array, ""], y: Complex[Array, " G"]) -> Complex[Array, " G"]:
    def advance(state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        y, _, count = state
        step = _evaluate(p, ridge, y)[0]
        return y * jnp.exp(step), jnp.max(jnp.abs(step)), count + 1

    def goes_on(state: tuple[Array, Array, Array]) -> Array:
        return (state[1] > _LAST_STEP) & (state[2] < _MAX_STEPS)

    return jax.lax.while_loop(goes_on, advance, (y, jnp.asarray(jnp.inf), jnp.zeros((), jnp.int32)))[0]


def _polished(p: MixtureProblem, ridge: Complex[Array, ""], y: Complex[Array, " G"]) -> ComplexPoints:
    """One more step of Newton from a solution: its derivative is that of the implicit function."""
    y = y * jnp.exp(_evaluate(p, ridge, y)[0])
    _, ratio, kappa, sample, feature = _evaluate(p, ridge, y)
    residual = jnp.max(jnp.abs(ratio - 1.0))
    inside = jnp.concatenate([y * kappa, jnp.stack([kappa, sample, feature])])
    angle, most = jnp.angle(inside), jnp.angle(ridge)
    right = jnp.all((angle >= -_BESIDE) & (angle <= most + _BESIDE))
    return ComplexPoints(y, kappa, feature, jnp.where(right, residual, jnp.inf))


def _evaluate(p: MixtureProblem, ridge: Array, y: Array) -> tuple[Array, Array, Array, Array, Array]:
    """Newton step in log y, the equations (all ones at a solution), kappa and the slacks."""
    weights = p.shares * y
    total = jnp.sum(weights)
    sample, feature, follow = _slacks(p, ridge, total)
    kappa = sample / total
    traces = p.spectrum.traces(weights, jnp.ones((), complex))
    level = kappa + p.aspect * traces.single
    ratio = y * level
    conductance = (p.aspect * traces.pair + kappa * (1.0 - follow) / total) * weights
    step = solve_grounded(conductance, p.aspect * traces.squared + kappa * follow, -level * jnp.log(ratio))
    return step, ratio, kappa, sample, feature


def _slacks(p: MixtureProblem, ridge: Array, total: Array) -> tuple[Array, Array, Array]:
    """As :func:`freeridge.solvers.problem.slacks_of`; of the two roots, the one whose argument is between 0
    and that of the ridge, for it is the sum of two such numbers. Next to the negative axis, beyond the
    spectrum, it is nearly positive, and a step of Newton may leave it slightly below.
    """
    if p.features is None:
        one = jnp.ones((), complex)
        return ridge * total, one, one
    gap = (p.n - p.features) / p.n
    product = ridge * p.aspect * total
    root = jnp.sqrt(gap**2 + 4.0 * product)
    root = jnp.where(jnp.real(root * jnp.conj(ridge**0.4)) < 0, -root, root)
    up, down = 0.5 * (root + gap), 0.5 * (root - gap)
    # Of each pair of roots take the one that adds, and the other from the product.
    adds = jnp.abs(up) >= jnp.abs(down)
    sample = jnp.where(adds, up, product / jnp.where(adds, 1.0, down))
    scaled = jnp.where(adds, product / jnp.where(adds, up, 1.0), down)
    return sample, scaled / p.aspect, scaled / (sample + scaled)
