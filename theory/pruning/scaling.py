"""Error against the number of rows, generated or kept: curves and their local exponents."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Float

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.field_places import locate, with_leaves
from freeridge.solvers.fields import require_count
from freeridge.solvers.results import Code
from freeridge.theory.pruning.pruned_classifier import PrunedClassifier


def curation_curve(setting: Any, n: Any, d: int | None = None) -> xr.Dataset:
    r"""Test error against rows generated and rows kept, and how fast it falls.

    Parameters
    ----------
    setting : PrunedClassifier
        Everything but $\phi$, which is d / n.
    n : array
        Rows before any is dropped, increasing.
    d : int, optional
        Dimension; that of the setting when left out.

    Returns
    -------
    xarray.Dataset
        Over ``n``: all quantities of the prediction; ``kept``, the rows kept, $p n$; ``exponent``, $-d \log E
        / d \log n$ by differentiation, the same against rows generated and kept, for p does not depend on n;
        ``residual`` and ``code``. A point that is not certified is NaN.

    Raises
    ------
    InvalidSetting
        For rows that are no increasing positive numbers.

    Examples
    --------
    Without errors in any labels a constant share of hard rows leaves the law as it is, 1/2, and makes the
    error smaller:

    >>> import freeridge as fr
    >>> from freeridge.theory.pruning.scaling import curation_curve
    >>> for rule in (fr.KeepRandom(), fr.KeepHard(0.2)):
    ...     curve = curation_curve(fr.PrunedClassifier(1.0, 0.0, keep=rule), [1e5, 1e7], d=512)
    ...     print(curve.error.values.round(5), curve.exponent.values.round(3))
    [0.01724 0.00172] [0.502 0.5  ]
    [0.00436 0.00043] [0.513 0.5  ]
    """
    rows = np.asarray(n)
    if rows.dtype.kind not in "fiu" or rows.ndim != 1 or not np.all(np.diff(rows, prepend=0.0) > 0):
        raise InvalidSetting("n", n, "increasing numbers of rows > 0")
    if not isinstance(setting, PrunedClassifier):
        raise InvalidSetting("setting", setting, "a PrunedClassifier")
    dimension = setting.dimension if d is None else d
    require_count("d", dimension)
    place = locate((setting,), "phi", rows).place

    def at(log_n: Float[Array, ""]) -> tuple[Array, Any]:
        (there,) = with_leaves((setting,), [place], [dimension * jnp.exp(-log_n)])
        found = there.predict()
        return jnp.log(found.error), found

    slopes, found = jax.jit(jax.vmap(jax.grad(at, has_aux=True)))(jnp.log(jnp.asarray(rows, jnp.float64)))
    exponent = jnp.where(found.code == Code.OK, -slopes, jnp.nan)
    columns = {**found.quantities, "kept": rows * found.share, "exponent": exponent}
    columns |= {"residual": found.residual, "code": found.code}
    return xr.Dataset(
        {name: ("n", np.asarray(column)) for name, column in columns.items()},
        coords={"n": rows.astype(np.float64)},
    )
