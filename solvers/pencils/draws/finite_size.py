"""Theory of an expression against draws of it at growing size."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from freeridge.solvers.agreement import Agreement
from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.pencils.derive import Equations
from freeridge.solvers.pencils.draws.convergence import Convergence
from freeridge.solvers.pencils.draws.sampling import simulate_scaled
from freeridge.solvers.pencils.values import read_numbers
from freeridge.solvers.replicates import Key, key_entropy

# Theory below this part of the largest quantity is zero up to rounding, and does not grow.
_ROUNDING = 1e-13


def validate(
    equations: Equations,
    scales: Sequence[Any] = (1, 2, 4),
    replicates: int = 40,
    key: Key = 0,
    *,
    progress: bool = False,
    **values: Any,
) -> Convergence:
    r"""Theory and simulation of traces of an expression at growing size.

    Parameters
    ----------
    equations : Equations
    scales : sequence of int
        At least two, increasing. At scale $f$ every dimension is multiplied by $f$, every eigenvalue repeated
        $f$ times, a dense matrix is its Kronecker product with $I_f$, and vectors are repeated and divided by
        $\sqrt f$. Scalars stay: scales that belong to the size are written with dimensions, ``1 / n``.
    replicates : int
        At each size, at least 2.
    key : int, sequence of int, or JAX key
        Seed; each size has draws of its own.
    progress : bool
        Show a progress bar on standard error for each size.
    **values
        As in :meth:`Equations.evaluate`, of the smallest size; dimensions are whole numbers.

    Returns
    -------
    Convergence
        Disagreement raises nothing: read ``extrapolated.z`` or print it.

    Raises
    ------
    InvalidSetting
        When a dimension is not a whole number, or a value is refused.

    Warns
    -----
    RuntimeWarning
        When interrupted (Ctrl-C) at the second size or later: larger ones are left out.

    Examples
    --------
    >>> import freeridge as fr
    >>> from freeridge.solvers.pencils.draws.finite_size import validate
    >>> n, d = fr.dims("n d")
    >>> X, lam = fr.gaussian("X", n, d, variance=1 / n), fr.scalar("lambda")
    >>> eq = fr.derive(fr.normalized_trace((X.T @ X + lam).inv()))
    >>> print(validate(eq, (1, 2, 4), replicates=400, n=20, d=10, lam=0.1))
    quantity   d   n    theory  simulation  std error      z
    value     10  20  1.483315    1.562579    1.0e-02  +7.94
    value     20  40  1.483315    1.525084    4.6e-03  +9.15
    value     40  80  1.483315    1.502801    2.3e-03  +8.54
    400 replicates at each size; without the part of order 1/size:
    quantity                 gap  extrapolated  std error      z
    value     size^-1.01 +- 0.12      1.480519    6.5e-03  -0.43
    largest |z| 0.43
    """
    whole = all(isinstance(scale, int | np.integer) and scale >= 1 for scale in scales)
    if not whole or len(scales) < 2 or any(np.diff(scales) <= 0):
        raise InvalidSetting("scales", scales, "at least two increasing whole numbers, such as (1, 2, 4)")
    given = read_numbers(equations.symbols, values)
    points: list[Agreement] = []
    theories: list[dict[str, Any]] = []
    for scale in scales:
        # Repeated eigenvalues are one atom: only the dimensions themselves change.
        sized = {d.name: scale * given.scalars[d.name] for d in equations.symbols.dimensions}
        evaluation = equations.evaluate_numbers(given._replace(scalars={**given.scalars, **sized}))
        estimate = simulate_scaled(
            equations, given, int(scale), [*key_entropy(key), int(scale)], replicates, progress=progress
        )
        theories.append({name: np.asarray(value) for name, value in evaluation.quantities.items()})
        theory = _real_parts(theories[-1])
        points.append(
            Agreement(
                theory,
                _real_parts(estimate.mean),
                _real_parts(estimate.standard_error),
                estimate.replicates,
                estimate.sizes,
                {q: np.asarray(estimate.replicates - 1.0) for q in theory},
                float(evaluation.residual),
                evaluation.ok,
                evaluation.message,
            )
        )
        if estimate.replicates < replicates:
            if len(points) < 2:
                raise KeyboardInterrupt
            warnings.warn(f"interrupted: scales up to {scale} are used", RuntimeWarning, stacklevel=2)
            break
    return Convergence(tuple(points), tuple(map(int, scales[: len(points)])), _growth(theories))


def _real_parts(values: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Complex quantities as two real ones."""
    found: dict[str, np.ndarray] = {}
    for name, value in values.items():
        if np.iscomplexobj(value):
            found |= {f"{name}.real": np.asarray(value.real), f"{name}.imag": np.asarray(value.imag)}
        else:
            found[name] = np.asarray(value)
    return found


def _growth(theories: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Of the modulus, for each real quantity."""
    first = theories[0]
    zero = _ROUNDING * np.max(np.abs(list(first.values())))
    found: dict[str, Any] = {}
    for name, start in first.items():
        moduli = np.abs([theory[name] for theory in theories])
        growth = moduli / moduli[0] if moduli[0] > zero else np.ones(len(theories))
        # Both parts of a complex quantity grow alike.
        found[name] = growth * (1 + 1j) if np.iscomplexobj(start) else growth
    return _real_parts(found)
