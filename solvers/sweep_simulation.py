"""Simulations over a grid, one piece per point of it without the ridge, each with a seed of its own."""

import inspect
import itertools
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.field_places import Place, rebuilt
from freeridge.solvers.parts import Columns
from freeridge.solvers.replicates import key_entropy
from freeridge.solvers.sweep_axes import Axis
from freeridge.solvers.sweep_theory import Block
from freeridge.solvers.workers import Piece

REFUSED = "refused"  # the column with the reason why a point cannot be simulated


def path_axis(tree: Any, grid: Sequence[Axis]) -> int | None:
    """The axis whose values share their draws: the ridge, where the setting takes a path."""
    ridge = next((k for k, axis in enumerate(grid) if axis.name == "ridge" and axis.vectorised), None)
    if ridge is None:
        return None
    try:
        rebuilt(tree, {grid[ridge].place: np.ones(2)})
    except InvalidSetting:
        return None
    return ridge


def simulation_pieces(
    tree: Any, blocks: Iterable[Block], grid: Sequence[Axis], replicates: int, key: Any
) -> Iterator[Piece]:
    """The simulations of every block, but for points whose fields refuse their values; they are about their
    regions.
    """
    path = path_axis(tree, grid)
    others = [k for k in range(len(grid)) if k != path]
    sizes = [len(grid[k].values) for k in others]
    inner = [grid[k] for k in others if grid[k].vectorised]
    for block in blocks:
        if isinstance(block.tree, InvalidSetting):
            continue
        keep = np.ones(1, bool) if path is None else block.allowed[grid[path].name]
        for corner in itertools.product(*(np.flatnonzero(block.allowed[axis.name]) for axis in inner)):
            if not keep.any():
                continue
            index = block.at | {axis.name: int(i) for axis, i in zip(inner, corner, strict=True)}
            changes = {grid[k].place: grid[k].values[index[grid[k].name]] for k in others}
            shape = [1] * len(grid)
            if path is not None:
                changes[grid[path].place] = grid[path].labels[keep]
                shape[path] = len(keep)
            region = tuple(
                slice(None) if k == path else slice(index[axis.name], index[axis.name] + 1)
                for k, axis in enumerate(grid)
            )
            number = int(np.ravel_multi_index([index[grid[k].name] for k in others], sizes)) if others else 0
            arguments = (tree, changes, keep, path is not None, replicates, _seed(key, number), tuple(shape))
            yield Piece(f"simulation-{number}", simulate_point, arguments, region)


def simulate_point(
    tree: Any,
    changes: Mapping[Place, Any],
    keep: np.ndarray,
    is_path: bool,
    replicates: int,
    seed: Any,
    shape: tuple[int, ...],
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
        return {REFUSED: np.array(str(error))}
    if estimate.replicates != replicates:
        raise KeyboardInterrupt  # a run that was cut short answers with fewer: not what this point is to hold
    columns = {}
    for ending, values in (("simulated", estimate.mean), ("standard_error", estimate.standard_error)):
        for name, value in values.items():
            trailing = np.shape(value)[1:] if is_path else np.shape(value)
            column = np.full((len(keep), *trailing), np.nan)
            column[keep] = value
            columns[f"{name}_{ending}"] = column.reshape((*shape, *trailing))
    return columns


def _seed(key: Any, point: int) -> int:
    """Of its own for every point of the grid, in whatever order they are run."""
    state = np.random.SeedSequence(key_entropy(key), spawn_key=(point,)).generate_state(1, np.uint64)
    return int(state[0] >> np.uint64(1))
