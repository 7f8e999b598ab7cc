r"""How many digits of an answer rounding has left.

A pencil takes differences: $\mathrm{tr}\, X^\top X\, Q B Q$ at a small ridge is what is left of terms that
grow as the inverse of the ridge squared, and equations that hold to the last digit say nothing of it. So the
answer is computed once more with every operation off by a part in $10^{12}$, in a fixed pattern of signs and
sizes; the change, scaled down to the unit of rounding, is the error to expect.
"""

from collections.abc import Iterator
from itertools import cycle
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from freeridge.solvers.network import solve_pivoting
from freeridge.solvers.pencils.algebra import Entry, SectorAlgebra
from freeridge.solvers.pencils.solve import Solved
from freeridge.solvers.pencils.system import System

_PERTURBATION = 1e-12
_PATTERNS = 12
# The unit of rounding in float64, with a margin for one pattern being kinder than another.
_ROUNDING = 4 * 1.1e-16


class _Perturbed:
    """The arithmetic of a sector, each result off by a little."""

    def __init__(self, algebra: SectorAlgebra) -> None:
        self._algebra = algebra
        self._numbers = cycle([1.0 + _PERTURBATION * float(np.cos(1.7 * k)) for k in range(1, _PATTERNS)])
        self._arrays: dict[tuple[int, ...], Iterator[Array]] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._algebra, name)

    def _off(self, entry: Entry) -> Entry:
        """A number, each atom, or each row of a matrix off by its own part."""
        if jnp.ndim(entry) == 0:
            return entry * next(self._numbers)
        shape = (len(entry),) + (1,) * (jnp.ndim(entry) - 1)
        if shape not in self._arrays:
            # Made once for all operations: what JAX compiles grows with every one of them.
            places = jnp.arange(1.0 * len(entry)).reshape(shape)
            patterns = [1.0 + _PERTURBATION * jnp.cos(2.3 * places + 1.7 * k) for k in range(1, _PATTERNS)]
            self._arrays[shape] = cycle([p.astype(entry.dtype) for p in patterns])
        return entry * next(self._arrays[shape])

    def plus(self, left: Entry, right: Entry) -> Entry:
        return self._off(self._algebra.plus(left, right))

    def times(self, left: Entry, right: Entry) -> Entry:
        return self._off(self._algebra.times(left, right))

    def inverse(self, entry: Entry) -> Entry:
        return self._off(self._algebra.inverse(entry))


def rounding_errors(system: System, solved: Solved) -> dict[str, Float[Array, ""]]:
    """The absolute error to expect in each quantity from rounding, to an order of magnitude."""
    numbers = {name: jax.lax.stop_gradient(number) for name, number in system.numbers.items()}
    algebras = {d: jax.lax.stop_gradient(algebra) for d, algebra in system.algebras.items()}
    unknowns, matrices = jax.lax.stop_gradient((solved.unknowns, solved.matrices))
    exact = System(system.merged, numbers, algebras)
    noisy = System(system.merged, numbers, {d: _Perturbed(a) for d, a in algebras.items()})
    moved = unknowns
    for stage, matrix in zip(system.merged.all_stages, matrices, strict=True):
        places = jnp.array(stage)
        image = noisy.stage(moved, stage)(moved[places], jnp.ones(()))
        moved = moved.at[places].add(solve_pivoting(matrix, image - moved[places]))
    found, disturbed = exact.readout(unknowns), noisy.readout(moved)
    scale = _ROUNDING / _PERTURBATION
    return {name: jnp.abs(disturbed[name] - value) * scale for name, value in found.items()}
