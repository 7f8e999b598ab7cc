r"""The largest eigenvalue of the training second moment in the limit: the edge of its spectrum.

Beyond the edge the fixed point of :mod:`freeridge.solvers.fixed_point` has a real solution at the negative
ridge $-h$: with $A = \sum_s p_s e_s \Sigma_s$ and $q = (h / \nu - A)^{-1}$,

$$ e_s = \frac{1}{1 - \phi\, \overline{\mathrm{tr}}\, \Sigma_s q}, \qquad \nu = \gamma +
   \overline{\mathrm{tr}}\, A q \quad (\text{plain ridge: } \nu = 1) . $$

The right sides are power series in $e$ and $\nu$ with non-negative coefficients: from $e = 1$, $\nu = \gamma$
Newton's method climbs to the smallest solution where there is one, and fails where there is none.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from freeridge.solvers.network import solve_pivoting
from freeridge.solvers.problem import MixtureProblem

_NEWTON_STEPS = 30
_HALVINGS = 44


@eqx.filter_jit
def largest_eigenvalue(problem: MixtureProblem) -> Float[Array, ""]:
    r"""Edge of the spectrum of $S^\top X^\top X S / n$, the ridge left out; relative accuracy 1e-7.

    Gradient descent with a step size below 2 over this plus the ridge converges, with a larger one it
    diverges. A few eigenvalues of a finite sample lie a little beyond the edge.

    Examples
    --------
    Marchenko and Pastur: $(1 + \sqrt{\phi})^2$.

    >>> import jax.numpy as jnp
    >>> from freeridge.solvers.spectra import Atoms
    >>> spectrum = Atoms(jnp.ones((1, 1)), jnp.array([100.0]), dimension=100)
    >>> problem = MixtureProblem(spectrum, jnp.ones(1), n=jnp.array(400.0), ridge=jnp.array(0.0))
    >>> round(float(largest_eigenvalue(problem)), 6)
    2.25
    """
    least = jnp.max(problem.shares * problem.spectrum.mean_eigenvalues)

    def outside(height: Array) -> Array:
        return _has_solution(problem, height)

    above = jax.lax.while_loop(lambda h: ~outside(h), lambda h: 2.0 * h, least)

    def halve(_: Array, bracket: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = bracket
        middle = jnp.sqrt(low * high)
        beyond = outside(middle)
        return jnp.where(beyond, low, middle), jnp.where(beyond, middle, high)

    return jax.lax.fori_loop(0, _HALVINGS, halve, (0.25 * least, above))[1]


def _has_solution(p: MixtureProblem, height: Array) -> Array:
    count = len(p.shares)
    gamma = jnp.ones(()) if p.features is None else p.features / p.spectrum.dimension

    def right_side(unknowns: Array) -> Array:
        e, slack = unknowns[:count], unknowns[count]
        weights = p.shares * e
        single = p.spectrum.traces(-weights, height / slack).single
        tail = gamma + (0.0 if p.features is None else weights @ single)
        return jnp.concatenate([1.0 / (1.0 - p.aspect * single), tail[None]])

    def climb(_: Array, unknowns: Array) -> Array:
        slope = jax.jacfwd(right_side)(unknowns)
        return unknowns + solve_pivoting(jnp.eye(count + 1) - slope, right_side(unknowns) - unknowns)

    first = jnp.concatenate([jnp.ones(count), gamma[None]])
    last = jax.lax.fori_loop(0, _NEWTON_STEPS, climb, first)
    resolvent = p.spectrum.resolvent(-p.shares * last[:count], height / last[count])
    positive = resolvent if resolvent.ndim == 1 else jnp.diag(resolvent)
    settled = jnp.max(jnp.abs(right_side(last) / last - 1.0)) < 1e-9
    # A solution with a negative e or resolvent belongs to a point inside the spectrum.
    return settled & jnp.all(positive > 0) & jnp.all(last >= first * (1.0 - 1e-9))
