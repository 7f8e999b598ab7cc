"""Simulations over a grid, one call per point of it without the ridge, each with a seed of its own."""

import inspect
import itertools
import json
import warnings
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.field_places import Place, rebuilt
from freeridge.solvers.replicates import key_entropy
from freeridge.solvers.results import Code
from freeridge.solvers.storage import (
    Parts,
)
from freeridge.solvers.sweep_axes import Axis
from freeridge.solvers.sweep_theory import Bar, Columns, stack_blocks


def simulate_grid(
    tree: Any, grid: list[Axis], code: np.ndarray, replicates: int, key: Any, parts: Parts, bar: "Bar"
) -> Columns:
    """Means and standard errors, one call per point of the grid without the ridge."""
    ridge = next((k for k, axis in enumerate(grid) if axis.name == "ridge" and axis.vectorised), None)
    if ridge is not None and not _takes_path(tree, grid[ridge].place):
        ridge = None
    others = [k for k in range(len(grid)) if k != ridge]
    points = list(itertools.product(*(range(len(grid[k].values)) for k in others)))
    invalid = (code == Code.INVALID).reshape(*(len(axis.values) for axis in grid), -1).all(axis=-1)
    path = len(grid[ridge].values) if ridge is not None else 1
    invalid = invalid.transpose(*others, *([] if ridge is None else [ridge])).reshape(len(points), path)
    advance = bar("simulation", len(points))
    found: list[Columns] = []
    for number, point in enumerate(points):
        changes = {grid[k].place: grid[k].values[i] for k, i in zip(others, point, strict=True)}
        keep = ~invalid[number]
        if ridge is not None:
            changes[grid[ridge].place] = grid[ridge].labels[keep]

        def compute(
            changes: dict[Place, Any] = changes, keep: np.ndarray = keep, number: int = number
        ) -> Columns:
            return simulate_point(tree, changes, keep, ridge is not None, replicates, _seed(key, number))

        found.append(parts.get(f"simulation-{number}", compute) if keep.any() else {})
        advance(1)
    return _collect(found, grid, ridge, others)


def simulate_point(
    tree: Any, changes: Mapping[Place, Any], keep: np.ndarray, is_path: bool, replicates: int, seed: int
) -> Columns:
    """One simulation, NaN where the ridge is left out; or the reason why it was refused."""
    try:
        setting, options = rebuilt(tree, changes)
        simulated = inspect.signature(setting.simulate).parameters
        accepted = {name: value for name, value in options.items() if name in simulated}
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "interrupted", RuntimeWarning)
            estimate = setting.simulate(key=seed, replicates=replicates, **accepted)
    except InvalidSetting as error:
        return {"refused": np.array(str(error))}
    if estimate.replicates != replicates:
        raise KeyboardInterrupt  # a run that was cut short answers with fewer: not what this point is to hold
    columns = {}
    for ending, values in (("simulated", estimate.mean), ("standard_error", estimate.standard_error)):
        for name, value in values.items():
            trailing = np.shape(value)[1:] if is_path else np.shape(value)
            columns[f"{name}_{ending}"] = np.full((len(keep), *trailing), np.nan)
            columns[f"{name}_{ending}"][keep] = value
    return columns


def _collect(found: list[Columns], grid: list[Axis], ridge: int | None, others: list[int]) -> Columns:
    refused = Counter(str(one["refused"]) for one in found if "refused" in one)
    columns = [None if "refused" in one else one for one in found]
    if not any(columns):
        reason = next(iter(refused), "every point is outside its range")
        raise InvalidSetting("replicates", "simulation", f"a point that can be simulated; {reason}")
    order = [*others] if ridge is None else [*others, ridge]
    result = {}
    for name, stacked in stack_blocks(columns, 1 if ridge is None else len(grid[ridge].values)).items():
        trailing = stacked.shape[2:]
        stacked = stacked.reshape(*(len(grid[k].values) for k in order), *trailing)
        result[name] = stacked.transpose(*np.argsort(order), *range(len(grid), stacked.ndim))
    if refused:
        result["refused"] = np.array(json.dumps(refused))
    return result


def _takes_path(tree: Any, place: Place) -> bool:
    try:
        rebuilt(tree, {place: np.ones(2)})
    except InvalidSetting:
        return False
    return True


def _seed(key: Any, point: int) -> int:
    """Of its own for every point of the grid, in whatever order they are run."""
    state = np.random.SeedSequence(key_entropy(key), spawn_key=(point,)).generate_state(1, np.uint64)
    return int(state[0] >> np.uint64(1))
