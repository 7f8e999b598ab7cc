"""Less is more, or more is more: where one rule of keeping rows takes over from another."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from freeridge.solvers.boundary import Boundary, Crossings, in_batches, trace_boundary, trace_crossings
from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.field_places import Place, with_leaves
from freeridge.solvers.results import Code
from freeridge.solvers.sweep_axes import make_grid
from freeridge.theory.pruning.pruned_classifier import PrunedClassifier

_SIDES = ("first", "second")


def curation_boundary(first: Any, second: Any, axes: Mapping[str, Any]) -> list[Boundary]:
    r"""Lines in the plane of two fields on which two settings have the same test error.

    $E_1 - E_2$ on a coarse grid says between which of its points the boundary passes; each vertex is then the
    root on its edge of the grid, found inside the edge and certified.

    Parameters
    ----------
    first, second : PrunedClassifier
        Such as one that keeps hard rows and one that keeps all, equal in everything else.
    axes : mapping of two field names to increasing values
        The coarse grid. ``"phi"`` or ``"keep.fraction"`` is that field of both settings,
        ``"first.keep.fraction"`` that of one of them.

    Returns
    -------
    list of Boundary
        ``points``, in the order of the axes, and ``error``, the largest distance of $E_1 / E_2$ from one on
        the line. Points at which a setting is refused or not certified bound nothing, and no more do those at
        which both are equal to rounding, such as rho = 0 without an oracle: lines end there.

    Raises
    ------
    InvalidSetting
        For settings or axes of another kind.

    Examples
    --------
    With ten rows per dimension and a perfect oracle, hard rows are better than as many easy ones only if the
    generator is good:

    >>> import numpy as np, freeridge as fr
    >>> from freeridge.theory.pruning.boundary import curation_boundary
    >>> hard, easy = (fr.PrunedClassifier(0.1, 1e-3, keep=rule(0.3)) for rule in (fr.KeepHard, fr.KeepEasy))
    >>> grid = {"rho": np.linspace(0.8, 1, 5), "rho_star": np.linspace(0.9, 1, 3)}
    >>> (line,) = curation_boundary(hard, easy, grid)
    >>> line.points[-1].round(4), line.error < 1e-10
    (array([0.9657, 1.    ]), True)
    """
    _require_settings(first, second)
    if len(axes) != 2:
        raise InvalidSetting("axes", list(axes), "two fields")
    grid = [increasing(name, values) for name, values in axes.items()]
    pair = _errors(first, second, [_places(first, second, *axis) for axis in axes.items()])
    return trace_boundary(in_batches(jax.jit(jax.vmap(pair))), grid)


def curation_crossings(
    first: Any, second: Any, field: str, values: Sequence[float] | np.ndarray
) -> Crossings:
    r"""All values of one field at which two settings change places.

    Parameters
    ----------
    first, second, field
        As in :func:`curation_boundary`.
    values : array
        Increasing: from the one end to the other, and between them a grid. Two crossings in one of its cells
        are found from the derivative of the difference, more than two can be missed.

    Returns
    -------
    Crossings
        ``points``, and in ``errors`` for each the distance of $E_1 / E_2$ from one.

    Examples
    --------
    More data turns the answer around: with few rows keep the easy ones, with many the hard ones.

    >>> import numpy as np, freeridge as fr
    >>> from freeridge.theory.pruning.boundary import curation_crossings
    >>> hard, easy = (fr.PrunedClassifier(1.0, 1e-3, keep=rule(0.3)) for rule in (fr.KeepHard, fr.KeepEasy))
    >>> found = curation_crossings(hard, easy, "phi", np.geomspace(0.01, 10, 33))
    >>> found.points.round(4), bool(hard.predict().error > easy.predict().error)
    (array([0.3084]), True)
    """
    _require_settings(first, second)
    grid = increasing(field, values)
    pair = _errors(first, second, [_places(first, second, field, values)])
    return trace_crossings(lambda value: pair(value[None]), grid)


def _require_settings(first: Any, second: Any) -> None:
    for name, setting in zip(_SIDES, (first, second), strict=True):
        if not isinstance(setting, PrunedClassifier):
            raise InvalidSetting(name, setting, "a PrunedClassifier")


def increasing(name: str, values: Any) -> Float[np.ndarray, " N"]:
    """The values of an axis as an array, or an error."""
    array = np.asarray(values)
    if array.dtype.kind not in "fiu" or array.ndim != 1 or len(array) < 2 or not np.all(np.diff(array) > 0):
        raise InvalidSetting(name, values, "two or more increasing numbers")
    return array.astype(np.float64)


def _places(
    first: PrunedClassifier, second: PrunedClassifier, name: str, values: Any
) -> tuple[list[Place], list[Place]]:
    """Where the field is in each of the settings; nowhere in the one that a name does not mean."""
    owner, _, inner = name.partition(".")
    meant = (owner,) if owner in _SIDES else _SIDES
    field = inner if owner in _SIDES else name
    places = []
    for side, setting in zip(_SIDES, (first, second), strict=True):
        here = make_grid((setting, {}), {field: values}) if side in meant else []
        places.append([axis.place for axis in here])
    return places[0], places[1]


def _errors(
    first: PrunedClassifier, second: PrunedClassifier, places: list[tuple[list[Place], list[Place]]]
) -> Callable[[Any], Array]:
    """Test error of each of the settings with other values in its fields."""

    def pair(values: Float[Array, " K"]) -> Float[Array, "2"]:
        errors = []
        for side, setting in enumerate((first, second)):
            changes = [(place, values[k]) for k, both in enumerate(places) for place in both[side]]
            tree = with_leaves(
                (setting, {}), [place for place, _ in changes], [value for _, value in changes]
            )
            found = tree[0].predict()
            errors.append(jnp.where(found.code == Code.OK, found.error, jnp.nan))
        return jnp.stack(errors)

    return pair
