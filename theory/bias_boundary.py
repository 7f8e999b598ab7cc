"""Where amplification begins: the lines ADD = 1 in the plane of two fields, every vertex a certified root."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from freeridge.solvers.boundary import Boundary, in_batches, trace_boundary
from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.field_places import with_leaves
from freeridge.solvers.results import Code
from freeridge.solvers.sweep_axes import make_grid


def amplification_boundary(setting: Any, axes: Mapping[str, Any]) -> list[Boundary]:
    r"""Lines ADD = 1 over two numeric fields of a setting that predicts ODD and EDD.

    ODD - EDD on a coarse grid says between which of its points the boundary passes. Each vertex is then the
    root on its edge of the grid, in the logarithm of the field, found inside the edge and certified; only the
    topology is that of the grid: what is smaller than a cell can be missed.

    Parameters
    ----------
    setting : setting
        Such as ``AtRatios(BiasAmplification(...), phi, psi)``.
    axes : mapping of two field names to increasing positive values
        The coarse grid, at least two values of each.

    Returns
    -------
    list of Boundary
        Points without a certified, finite prediction bound nothing; a line is interrupted where a root is not
        certified.

    Examples
    --------
    >>> import numpy as np, freeridge as fr
    >>> from freeridge.theory.bias_boundary import amplification_boundary
    >>> d = 60
    >>> truth = fr.RandomVector(fr.Isotropic(d, 1 / d))
    >>> groups = [fr.Population(fr.Isotropic(d), truth, noise, share=0.5) for noise in (0.1, 0.5)]
    >>> setting = fr.AtRatios(fr.BiasAmplification(groups, n=1, ridge=0.1), phi=1)
    >>> lines = amplification_boundary(setting, {"phi": [0.1, 1, 4], "setting.ridge": [0.01, 0.1, 1]})
    >>> lines  # only the noise differs: one model for both groups is fair to them
    []

    References
    ----------
    The phase diagrams of arXiv 2410.17263; the line itself is not drawn there.
    """
    grid = make_grid((setting, {}), axes)
    if len(grid) != 2:
        raise InvalidSetting("axes", list(axes), "two fields")
    for axis in grid:
        values = np.asarray(axis.labels)
        increasing = axis.vectorised and len(values) >= 2 and np.all(np.diff(values) > 0) and values[0] > 0
        if not increasing:
            raise InvalidSetting(axis.name, values, "two or more increasing numbers > 0")
    places = [axis.place for axis in grid]

    def disparities(logs: Float[Array, "2"]) -> Array:
        setting_there, _ = with_leaves((setting, {}), places, list(jnp.exp(logs)))
        found = setting_there.predict()
        return jnp.where(found.code == Code.OK, jnp.stack([found.odd, found.edd]), jnp.nan)

    lines = trace_boundary(in_batches(jax.jit(jax.vmap(disparities))), [np.log(axis.labels) for axis in grid])
    return [Boundary(np.exp(line.points), line.error) for line in lines]
