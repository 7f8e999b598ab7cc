"""Where amplification begins: the lines ADD = 1 in the plane of two fields, every vertex a certified root."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.field_places import with_leaves
from freeridge.solvers.results import Code
from freeridge.solvers.sweep_axes import make_grid

# Points of one compiled call.
_LANES = 512
# A vertex is kept when ADD is one to this. At a pole ODD - EDD changes sign as well, but has no root.
_MEETS = 1e-10


class Boundary(NamedTuple):
    """A polyline on which ADD = 1: its vertices, values of the two fields, and their largest |ADD - 1|.

    A closed line ends where it begins.
    """

    points: Float[np.ndarray, "V 2"]
    error: float


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

    @jax.jit
    @jax.vmap
    def compiled(logs: Float[Array, "2"]) -> Array:
        setting_there, _ = with_leaves((setting, {}), places, list(jnp.exp(logs)))
        found = setting_there.predict()
        return jnp.where(found.code == Code.OK, jnp.stack([found.odd, found.edd]), jnp.nan)

    def disparities(logs: Float[np.ndarray, "N 2"]) -> Float[np.ndarray, "N 2"]:
        """ODD and EDD; always as many points at a time, so that there is one compilation."""
        wanted = np.resize(np.arange(len(logs)), -(-len(logs) // _LANES) * _LANES)
        parts = [compiled(jnp.asarray(logs[part])) for part in wanted.reshape(-1, _LANES)]
        return np.concatenate(parts)[: len(logs)]

    logs = [np.log(axis.labels) for axis in grid]
    mesh = np.stack(np.meshgrid(*logs, indexing="ij"), axis=-1)
    gap = _gap(disparities(mesh.reshape(-1, 2))).reshape(mesh.shape[:2])
    lines = _edges(logs, gap)
    if not lines:
        return []
    roots = _roots(disparities, np.concatenate(lines))
    with np.errstate(divide="ignore", invalid="ignore"):
        odd, edd = disparities(roots).T
        errors = np.abs(odd / edd - 1.0)
    bounds = np.cumsum([len(line) for line in lines])[:-1]
    pieces = zip(np.split(np.exp(roots), bounds), np.split(errors, bounds), strict=True)
    return [boundary for points, error in pieces for boundary in _certified(points, error)]


def _gap(disparities: Float[np.ndarray, "N 2"]) -> Float[np.ndarray, " N"]:
    """ODD - EDD relative to their sum: the sign that matters, and never far from one in size."""
    odd, edd = disparities.T
    with np.errstate(divide="ignore", invalid="ignore"):
        return (odd - edd) / (odd + edd)


def _edges(logs: list[np.ndarray], gap: Float[np.ndarray, "X Y"]) -> list[Float[np.ndarray, "V 2 2"]]:
    """For each vertex of each line the two ends of its edge of the grid."""
    from contourpy import contour_generator  # here: only boundaries need it

    masked: Any = np.ma.masked_invalid(gap.T)
    generator = contour_generator(x=logs[0], y=logs[1], z=masked, line_type="Separate")
    lines = []
    for line in map(np.asarray, generator.lines(0.0)):
        index = np.stack([np.interp(line[:, k], logs[k], np.arange(len(logs[k]))) for k in (0, 1)], axis=1)
        nearest = np.rint(index).astype(int)
        first, second = nearest.copy(), nearest.copy()
        rows, moving = np.arange(len(line)), np.argmax(np.abs(index - nearest), axis=1)
        first[rows, moving] = np.floor(index[rows, moving])
        second[rows, moving] = np.ceil(index[rows, moving])
        ends = [np.stack([logs[k][end[:, k]] for k in (0, 1)], axis=1) for end in (first, second)]
        lines.append(np.stack(ends, axis=1))
    return lines


def _roots(disparities: Any, edges: Float[np.ndarray, "V 2 2"]) -> Float[np.ndarray, "V 2"]:
    """The root on each edge; its end where the edge has no length or no change of sign."""
    from scipy.optimize import elementwise

    start, step = edges[:, 0], edges[:, 1] - edges[:, 0]

    def gap(fraction: np.ndarray, number: np.ndarray) -> np.ndarray:
        return _gap(disparities(start[number] + fraction[:, None] * step[number]))

    number = np.arange(len(edges))
    found = elementwise.find_root(gap, (np.zeros(len(edges)), np.ones(len(edges))), args=(number,))
    return start + np.where(found.success, found.x, 0.0)[:, None] * step


def _certified(points: Float[np.ndarray, "V 2"], errors: Float[np.ndarray, " V"]) -> Iterator[Boundary]:
    """The stretches of a line whose vertices are all roots."""
    meets = np.concatenate([[False], errors <= _MEETS, [False]])
    for start, stop in np.flatnonzero(np.diff(meets)).reshape(-1, 2):
        if stop - start > 1:
            yield Boundary(points[start:stop], float(errors[start:stop].max()))
