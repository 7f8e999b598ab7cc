"""Data of a figure: theory along curves, simulation at points, and what they were computed from.

Everything that a figure shows comes from here, and everything here from the settings: a figure computes
nothing of its own.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import xarray as xr

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.field_places import locate
from freeridge.solvers.source_digest import library_digest
from freeridge.solvers.storage import fingerprint, provenance, versions
from freeridge.solvers.sweep_simulation import REFUSED, simulate_point
from freeridge.solvers.sweeps import sweep
from freeridge.solvers.workers import Piece, compute_pieces, place

SIZES = ("quick", "paper")
SEED = 2410  # of every figure, so that two people get the same points

Axes = Mapping[str, Sequence[float] | np.ndarray]
Choice = TypeVar("Choice")


@dataclass(frozen=True)
class Plan:
    """How much a figure may compute, and whom it tells about its progress.

    Parameters
    ----------
    size : {"quick", "paper"}
        A few simulated points per curve, or the paper's dense grid.
    seed : int
        Of every simulation in the figure.
    report : callable
        Called with the number of simulated points done and the number in the part of the figure at hand.

    Examples
    --------
    >>> Plan("paper").choose(quick=3, paper=5)
    5
    """

    size: str = "quick"
    seed: int = SEED
    report: Callable[[int, int], None] = lambda done, total: None

    def __post_init__(self) -> None:
        if self.size not in SIZES:
            raise InvalidSetting("size", self.size, "one of " + ", ".join(SIZES))

    def choose(self, quick: Choice, paper: Choice) -> Choice:
        """One of two amounts, by the size."""
        return quick if self.size == "quick" else paper


def theory(setting: Any, axes: Axes) -> xr.Dataset:
    """Predictions on the product of the axes, with the result code and the residual of every point.

    Examples
    --------
    >>> import freeridge as fr
    >>> setting = fr.ModelCollapse(fr.Isotropic(100), 400, 0.5, quality=0.0, noise_variance=1.0, ridge=0.0)
    >>> theory(setting, {"quality": [0.0, 0.2]}).collapse.values.round(12)
    array([0.        , 0.06666667])
    """
    found = sweep(setting, axes)
    return found.drop_attrs()


def simulation(setting: Any, axes: Axes, plan: Plan, replicates: int, stream: int = 0) -> xr.Dataset:
    """Simulated mean and standard error on the product of the axes.

    The last axis, along which the points lie, gets ``_simulated`` after its name, for theory has more values
    of it. A point that cannot be drawn, such as one with half a row, is NaN.

    Parameters
    ----------
    setting : setting
        Fields are replaced by the values of the axes. A path, of the ridge or of the time, keeps its name.
    axes : mapping of str to sequence
        In order; the last one is the horizontal axis of the figure. Nested fields have dotted names.
    plan : Plan
    replicates : int
        Independent draws per point.
    stream : int
        Tells the simulations of one figure apart: equal streams and places share their random numbers.

    Examples
    --------
    >>> import freeridge as fr
    >>> setting = fr.ModelCollapse(fr.Isotropic(20), 100, 0.5, quality=0.1, noise_variance=1.0, ridge=0.1)
    >>> found = simulation(setting, {"n": [51.0, 100.0]}, Plan(), replicates=3)
    >>> found.risk_simulated.notnull().values
    array([False,  True])
    """
    names, values = list(axes), [np.asarray(axis, np.float64) for axis in axes.values()]
    shape = tuple(len(axis) for axis in values)
    columns: dict[str, np.ndarray] = {}
    tree: tuple[Any, dict[str, Any]] = (setting, {})
    pieces = []
    for point in np.ndindex(*shape):
        here = zip(names, values, point, strict=True)
        changes = {locate(tree, name, axis[i]).place: axis[i] for name, axis, i in here}
        # One stream per place on the horizontal axis: curves that differ in a label differ in that alone.
        seed = (plan.seed, stream, point[-1])
        arguments = (tree, changes, np.ones(1, bool), False, replicates, seed, ())
        pieces.append(Piece(f"simulation-{'-'.join(map(str, point))}", simulate_point, arguments, point))
    asked = [piece.arguments for piece in pieces]
    there = place()
    parts = there.parts(lambda: fingerprint(asked, versions(), there.device, library_digest()))
    for done, (piece, found) in enumerate(compute_pieces(pieces, parts, there.pool), start=1):
        assert isinstance(found, dict)
        plan.report(done, len(pieces))
        if REFUSED in found:
            continue
        for name, part in found.items():
            column = columns.setdefault(name, np.full(shape + np.shape(part), np.nan))
            column[piece.about] = part
    if not columns:
        raise InvalidSetting(
            "axes", {name: list(axis) for name, axis in axes.items()}, "at least one point that can be drawn"
        )
    dims = [*names[:-1], f"{names[-1]}_simulated"]
    coords = dict(zip(dims, values, strict=True))
    inner = ["index_0"]  # as sweeps name the axis of a quantity that is no number, such as the rounds
    for name, path in paths(setting).items():
        inner, coords[name] = [name, *inner], path
    return xr.Dataset(
        {name: ([*dims, *inner][: column.ndim], column) for name, column in columns.items()}, coords=coords
    )


def paths(setting: Any) -> dict[str, np.ndarray]:
    """The ridges, or the times, of a setting that is predicted at many of them at once.

    Examples
    --------
    >>> import freeridge as fr
    >>> group = fr.Population(fr.Isotropic(4), fr.RandomVector(fr.Isotropic(4)), 0.1, share=1.0)
    >>> paths(fr.AtRatios(fr.RidgeMixture([group], n=8, ridge=[0.1, 0.2]), phi=0.5))
    {'ridge': array([0.1, 0.2])}
    """
    inside = getattr(setting, "setting", setting)  # of a view at ratios
    found = {name: np.asarray(getattr(inside, name, 0.0), np.float64) for name in ("ridge", "time")}
    return {name: path for name, path in found.items() if path.ndim}


def record(
    parts: Mapping[str, Sequence[xr.Dataset]], settings: Mapping[str, Any], plan: Plan, **facts: Any
) -> xr.Dataset:
    """One dataset of several parts; the name of a part is put before the names of its quantities.

    Parameters
    ----------
    parts : mapping of str to sequence of Dataset
        Theory and simulation of each part. Coordinates of one name must agree; a part called ``""`` keeps its
        names.
    settings : mapping of str to setting
        What the parts were computed from; written to the attributes with the seed.
    plan : Plan
    **facts
        Further attributes, such as what had to be inferred.

    Examples
    --------
    >>> import freeridge as fr, xarray as xr
    >>> parts = {"clean": [xr.Dataset({"risk": ("n", [0.5])}, coords={"n": [10.0]})]}
    >>> found = record(parts, {"clean": fr.Isotropic(3)}, Plan())
    >>> list(found), found.attrs["size"]
    (['clean_risk'], 'quick')
    """
    renamed = [
        part.rename({str(name): f"{prefix}_{name}" for name in part.data_vars}) if prefix else part
        for prefix, group in parts.items()
        for part in group
    ]
    merged = xr.merge(renamed, join="exact", compat="no_conflicts", combine_attrs="drop")
    return merged.assign_attrs(
        parameters={name: provenance(setting) for name, setting in settings.items()},
        seed=plan.seed,
        size=plan.size,
        **facts,
    )
