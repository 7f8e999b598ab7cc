"""Which of several rules is best, over two fields, and the lines on which the lead changes hands."""

import itertools
from collections.abc import Mapping
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Float

from freeridge.solvers.boundary import Boundary, Values, in_batches, trace_boundary
from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.field_places import Place, locate, with_leaves
from freeridge.solvers.results import Code
from freeridge.solvers.sweeps import sweep
from freeridge.theory.pruning.boundary import increasing
from freeridge.theory.pruning.pruned_classifier import PrunedClassifier

_TIE = 1e-12  # relative difference up to which the earlier rule has the lead


class PhaseLine(NamedTuple):
    """A line between the regions in which each of two rules is the best of all."""

    first: str
    second: str
    boundary: Boundary


def curation_phases(
    settings: Mapping[str, PrunedClassifier], axes: Mapping[str, Any], *, chunk: int = 4096
) -> xr.Dataset:
    """The best of several rules at every point of a grid.

    Parameters
    ----------
    settings : mapping of str to PrunedClassifier
        Two or more, that differ in the rule.
    axes : mapping of field names to values
        As in :func:`freeridge.sweep`, fields that all settings have.
    chunk : int
        Points in one compiled call: what bounds the memory.

    Returns
    -------
    xarray.Dataset
        ``error``, ``residual`` and ``code`` over rule and axes; ``best``, the number of the best rule, the
        first of those that tie, and -1 where a rule is not certified; ``gain``, by what factor its error is
        below that of the next.

    Examples
    --------
    >>> import freeridge as fr
    >>> from freeridge.theory.pruning.phases import curation_phases
    >>> rules = {"hard": fr.KeepHard(0.3), "easy": fr.KeepEasy(0.3)}
    >>> settings = {name: fr.PrunedClassifier(0.1, 1e-3, keep=rule) for name, rule in rules.items()}
    >>> curation_phases(settings, {"rho": [0.8, 1.0], "rho_star": [0.9, 1.0]}).best.values
    array([[1, 1],
           [0, 0]])
    """
    if len(settings) < 2:
        raise InvalidSetting("settings", list(settings), "two settings or more")
    found = [sweep(setting, axes, chunk=chunk) for setting in settings.values()]
    parts = [one[["error", "residual", "code"]] for one in found]
    stacked = xr.concat(parts, "rule", combine_attrs="drop").assign_coords(rule=list(settings))
    certified = (stacked.code == Code.OK).all("rule")
    error = stacked.error.fillna(np.inf)
    ordered = np.sort(error.values, axis=0)
    leads = error <= ordered[0] * (1.0 + _TIE)
    best = leads.argmax("rule").where(certified, -1).astype(np.int64)
    with np.errstate(invalid="ignore", divide="ignore"):
        gain = certified.copy(data=ordered[1] / ordered[0]).where(certified)
    return stacked.assign(best=best, gain=gain).assign_attrs(best=", ".join(settings))


def phase_lines(settings: Mapping[str, PrunedClassifier], axes: Mapping[str, Any]) -> list[PhaseLine]:
    """The lines on which the lead changes hands: boundaries of two rules where no third is better.

    Parameters
    ----------
    settings : mapping of str to PrunedClassifier
    axes : mapping of two field names to increasing values
        The coarse grid of :func:`freeridge.theory.pruning.boundary.curation_boundary`.

    Examples
    --------
    Between hard and easy there is a region in which it is best to keep all:

    >>> import numpy as np, freeridge as fr
    >>> from freeridge.theory.pruning.phases import phase_lines
    >>> rules = {"all": fr.KeepRandom(), "hard": fr.KeepHard(0.3), "easy": fr.KeepEasy(0.3)}
    >>> settings = {name: fr.PrunedClassifier(0.1, 1e-3, keep=rule) for name, rule in rules.items()}
    >>> lines = phase_lines(settings, {"rho": np.linspace(0.5, 1, 9), "rho_star": np.linspace(0.5, 1, 9)})
    >>> sorted({(line.first, line.second) for line in lines})
    [('all', 'easy'), ('all', 'hard')]
    """
    names = list(settings)
    grid = [increasing(field, values) for field, values in axes.items()]
    if len(grid) != 2:
        raise InvalidSetting("axes", list(axes), "two fields")
    places = tuple(
        tuple(locate((one,), field, values).place for field, values in axes.items())
        for one in settings.values()
    )
    errors = in_batches(lambda points: _errors(tuple(settings.values()), places, points))
    mesh = np.stack(np.meshgrid(*grid, indexing="ij"), axis=-1)
    leader = np.argmin(np.nan_to_num(errors(mesh.reshape(-1, 2)), nan=np.inf), axis=1)
    lines = []
    for one, two in _neighbours(leader.reshape(mesh.shape[:2])):
        for boundary in trace_boundary(_columns(errors, one, two), grid):
            here = errors(boundary.points)
            # Where one of the others is not certified nobody has the lead.
            leading = np.all(here >= here[:, [one]] * (1.0 - _TIE), axis=1)
            ends = np.flatnonzero(np.diff(np.concatenate([[False], leading, [False]])))
            for start, stop in ends.reshape(-1, 2):
                if stop - start > 1:
                    part = Boundary(boundary.points[start:stop], boundary.error)
                    lines.append(PhaseLine(names[one], names[two], part))
    return lines


def _columns(errors: Values, one: int, two: int) -> Values:
    return lambda points: errors(points)[:, [one, two]]


def _neighbours(leader: np.ndarray) -> list[tuple[int, int]]:
    """Pairs of rules that lead at points of one cell of the grid."""
    corners = [leader[:-1, :-1], leader[1:, :-1], leader[:-1, 1:], leader[1:, 1:]]
    pairs = {
        (int(min(a, b)), int(max(a, b)))
        for first, second in itertools.combinations(corners, 2)
        for a, b in zip(first.ravel(), second.ravel(), strict=True)
        if a != b
    }
    return sorted(pairs)


@eqx.filter_jit
def _errors(
    settings: tuple[PrunedClassifier, ...], places: tuple[tuple[Place, ...], ...], points: Float[Array, "N 2"]
) -> Float[Array, "N R"]:
    """Errors of all settings at points of the plane, NaN where they are not certified."""

    def at(values: Float[Array, "2"]) -> Float[Array, " R"]:
        errors = []
        for setting, place in zip(settings, places, strict=True):
            (there,) = with_leaves((setting,), place, list(values))
            found = there.predict()
            errors.append(jnp.where(found.code == Code.OK, found.error, jnp.nan))
        return jnp.stack(errors)

    return jax.vmap(at)(points)
