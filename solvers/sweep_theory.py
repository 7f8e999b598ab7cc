"""Predictions over a grid, compiled and in chunks: what a setting refuses is NaN with a code."""

import dataclasses
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.field_places import Place, locate, node_at, rebuild, rebuilt, with_leaves
from freeridge.solvers.results import Code, Prediction
from freeridge.solvers.storage import Parts
from freeridge.solvers.sweep_axes import Axis

Columns = dict[str, np.ndarray]
Bar = Callable[[str, int], Callable[[int], None]]


def predict_grid(tree: Any, grid: list[Axis], chunk: int, parts: Parts, bar: Bar) -> Columns:
    """All variables of the prediction, each with the axes of the grid in front."""
    outer = [axis for axis in grid if not axis.vectorised]
    inner = [axis for axis in grid if axis.vectorised]
    shape = [len(axis.values) for axis in [*outer, *inner]]
    lanes = int(np.prod([len(axis.values) for axis in inner], dtype=np.int64))
    advance = bar("theory", int(np.prod(shape, dtype=np.int64)))
    blocks: list[Columns | None] = []
    first_error: InvalidSetting | None = None
    for index, values in enumerate(itertools.product(*(axis.values for axis in outer))):
        try:
            block = rebuilt(tree, dict(zip((axis.place for axis in outer), values, strict=True)))
            blocks.append(_block(block, inner, min(chunk, lanes), lanes, f"theory-{index}", parts, advance))
        except InvalidSetting as error:
            first_error = first_error or error
            blocks.append(None)
            advance(lanes)
    if not any(blocks):
        assert first_error is not None
        raise first_error  # nothing could be computed at all: that is no lane but the request
    order = [[axis.name for axis in [*outer, *inner]].index(axis.name) for axis in grid]
    result = {}
    for name, stacked in stack_blocks(blocks, lanes).items():
        stacked = stacked.reshape(*shape, *stacked.shape[2:])
        result[name] = stacked.transpose(*order, *range(len(grid), stacked.ndim))
    return result


def stack_blocks(blocks: Sequence[Columns | None], lanes: int) -> Columns:
    """Blocks on top of each other; NaN, and the code INVALID, where one is missing or shorter than others."""
    result = {}
    for name, example in next(block for block in blocks if block).items():
        columns = [
            block[name] if block else np.empty((lanes,) + (0,) * (example.ndim - 1)) for block in blocks
        ]
        shape = np.max([column.shape for column in columns], axis=0)
        result[name] = np.full(
            (len(blocks), *shape), Code.INVALID if name == "code" else np.nan, dtype=example.dtype
        )
        for whole, column, block in zip(result[name], columns, blocks, strict=True):
            if block:
                whole[tuple(map(slice, column.shape))] = column
    return result


def _block(
    tree: Any,
    inner: list[Axis],
    size: int,
    lanes: int,
    name: str,
    parts: Parts,
    advance: Callable[[int], None],
) -> Columns:
    """Every lane of one setting, in chunks of one size."""
    places = [locate(tree, axis.name, axis.values).place for axis in inner]

    def lane(values: Float[Array, " axes"]) -> Prediction:
        setting, options = with_leaves(tree, places, list(values))
        prediction: Prediction = setting.predict(**options)
        return prediction

    # The setting is captured, not an argument: what is not swept stays known, as in one prediction.
    compiled = jax.jit(jax.vmap(lane))
    allowed = [_allowed(tree, place, axis.values, inner) for place, axis in zip(places, inner, strict=True)]
    chunks = []
    for start in range(0, lanes, size):
        lane_numbers = np.minimum(np.arange(start, start + size), lanes - 1)  # the last chunk is filled up
        index = np.unravel_index(lane_numbers, [len(axis.values) for axis in inner]) if inner else ()
        rows = (
            np.array([axis.labels[i] for axis, i in zip(inner, index, strict=True)])
            .reshape(len(inner), size)
            .T
        )
        valid = np.all([mask[i] for mask, i in zip(allowed, index, strict=True)], axis=0) & np.ones(
            size, bool
        )
        kept = min(size, lanes - start)

        def compute(rows: np.ndarray = rows, valid: np.ndarray = valid, kept: int = kept) -> Columns:
            return {column: value[:kept] for column, value in predict_chunk(compiled, rows, valid).items()}

        chunks.append(parts.get(f"{name}-{start // size}", compute))
        advance(kept)
    return {column: np.concatenate([one[column] for one in chunks]) for column in chunks[0]}


def predict_chunk(
    compiled: Callable[[Any], Prediction], rows: Float[np.ndarray, "lanes axes"], valid: np.ndarray
) -> Columns:
    """One compiled call; only what is certified, or infinite for a reason, leaves it as a number."""
    prediction = compiled(jnp.asarray(rows))
    code, residual = np.array(prediction.code), np.array(prediction.residual)
    code[~valid], residual[~valid] = Code.INVALID, np.nan
    quantities = {name: np.array(value) for name, value in prediction.quantities.items()}

    def per_lane(mask: np.ndarray) -> np.ndarray:
        return np.asarray(mask.reshape(len(mask), -1).any(axis=1))

    for value in quantities.values():
        unexplained = np.isnan(value) if value.shape == code.shape else per_lane(np.isnan(value))
        unexplained = unexplained.reshape(unexplained.shape + (1,) * (code.ndim - unexplained.ndim))
        code[unexplained & (code == Code.OK)] = Code.NOT_CERTIFIED
    bad = (code == Code.INVALID) | (code == Code.NOT_CERTIFIED)
    for value in quantities.values():
        value[bad if value.shape == code.shape else per_lane(bad)] = np.nan
    return {**quantities, "residual": residual, "code": code}


def _allowed(tree: Any, place: Place, values: Sequence[Any], inner: list[Axis]) -> np.ndarray:
    """Which values the object that holds the field accepts, when it is built with them.

    A value may be refused for its company alone: it counts as refused only when it is with the company of the
    base setting, and with the first and the last values of the other axes.
    """
    others = [axis for axis in inner if axis.place != place]
    corners = [{axis.place: axis.values[end] for axis in others} for end in (0, -1)] if others else []
    length = max(k for k in range(len(place)) if k == 1 or dataclasses.is_dataclass(node_at(tree, place[:k])))
    owner = node_at(tree, place[:length])

    def accepts(value: Any, company: Mapping[Place, Any]) -> bool:
        near = {one[length:]: other for one, other in company.items() if one[:length] == place[:length]}
        try:
            rebuild(owner, {**near, place[length:]: value}, {})
        except InvalidSetting:
            return False
        return True

    # What is right for the smallest and the largest number is right between them: building is slow.
    if accepts(min(values), {}) and accepts(max(values), {}):
        return np.ones(len(values), bool)
    return np.array([any(accepts(value, company) for company in [{}, *corners]) for value in values])
