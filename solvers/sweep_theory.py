"""Predictions over boxes of a grid, compiled: what a setting refuses is NaN with a code."""

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from freeridge.solvers.devices import over_devices, rounded_up
from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.field_places import Place, locate, node_at, rebuild, rebuilt, with_leaves
from freeridge.solvers.parts import Columns
from freeridge.solvers.results import Code, Prediction
from freeridge.solvers.storage import fingerprint
from freeridge.solvers.sweep_axes import Axis
from freeridge.solvers.workers import Piece

_PROGRAMS = 32  # compiled ones that a process keeps


class Block(NamedTuple):
    """The part of a grid with one value on each axis that cannot be vectorised: a setting of its own.

    Attributes
    ----------
    tree : (setting, options) or InvalidSetting
        Why there is none.
    at : dict of int
        Place on those axes.
    allowed : dict of array
        For each of the other axes, which of its values the setting accepts.
    """

    tree: Any
    at: dict[str, int]
    allowed: dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Lanes:
    """A program for points of one block: the setting is captured, and the values of some fields are not.

    Equal marks are equal programs: a process compiles each once.
    """

    tree: Any
    names: tuple[str, ...]
    number: int
    mark: str

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Lanes) and self.mark == other.mark

    def __hash__(self) -> int:
        return hash(self.mark)


def blocks_of(tree: Any, grid: Sequence[Axis]) -> Iterator[Block]:
    """Every block of a grid, built and checked."""
    outer, inner = ([axis for axis in grid if axis.vectorised is kind] for kind in (False, True))
    for index in itertools.product(*(range(len(axis.values)) for axis in outer)):
        chosen = {axis.place: axis.values[i] for axis, i in zip(outer, index, strict=True)}
        there = dict(zip((axis.name for axis in outer), index, strict=True))
        try:
            built = rebuilt(tree, chosen)
            allowed = {axis.name: _allowed(built, axis, inner) for axis in inner}
        except InvalidSetting as error:
            yield Block(error, there, {})
        else:
            yield Block(built, there, allowed)


def theory_pieces(blocks: Iterable[Block], grid: Sequence[Axis], chunk: int) -> Iterator[Piece]:
    """The theory of every block in boxes of at most `chunk` points; they are about their regions."""
    inner = [axis for axis in grid if axis.vectorised]
    box = zip(box_shape(grid, chunk), grid, strict=True)
    sizes = [size for size, axis in box if axis.vectorised]
    number = int(np.prod(sizes, dtype=np.int64))
    for block in blocks:
        if isinstance(block.tree, InvalidSetting):
            continue
        names = tuple(axis.name for axis in inner)
        lanes = Lanes(block.tree, names, number, fingerprint(block.tree, names, number))
        starts = (range(0, len(axis.values), size) for axis, size in zip(inner, sizes, strict=True))
        for corner in itertools.product(*starts):
            part = {
                axis.name: slice(start, min(start + size, len(axis.values)))
                for axis, start, size in zip(inner, corner, sizes, strict=True)
            }
            region = tuple(part.get(axis.name) or _one(block.at[axis.name]) for axis in grid)
            values = tuple(axis.labels[part[axis.name]] for axis in inner)
            valid = tuple(block.allowed[axis.name][part[axis.name]] for axis in inner)
            name = "theory-" + "-".join(str(side.start) for side in region)
            shape = tuple(side.stop - side.start for side in region)
            yield Piece(name, predict_box, (lanes, values, valid, shape), region)


def box_shape(grid: Sequence[Axis], chunk: int) -> tuple[int, ...]:
    """Points on each axis of a box of at most `chunk`: whole axes from the last on, the next in equal cuts.

    Examples
    --------
    >>> axes = [Axis(name, (), list(range(length)), True, np.arange(length)) for name, length in
    ...         (("phi", 6), ("psi", 50), ("ridge", 4))]
    >>> box_shape(axes, 60)
    (1, 13, 4)
    """
    sizes, room = [], chunk
    for axis in reversed(grid):
        length = len(axis.values) if axis.vectorised else 1
        cuts = -(-length // max(room, 1))
        sizes.append(-(-length // cuts))
        room //= sizes[-1]
    return tuple(reversed(sizes))


def predict_box(
    lanes: Lanes, values: tuple[np.ndarray, ...], valid: tuple[np.ndarray, ...], shape: tuple[int, ...]
) -> Columns:
    """Theory at the product of some values, with the shape of the box in front."""
    mesh = np.meshgrid(*values, indexing="ij") if values else []
    accepted = np.ones([len(one) for one in values], bool)
    for mask in np.meshgrid(*valid, indexing="ij") if valid else []:
        accepted &= mask
    rows = np.stack([one.ravel() for one in mesh], axis=-1) if mesh else np.empty((1, 0))
    # The last point fills the call up.
    filled = np.minimum(np.arange(rounded_up(lanes.number)), len(rows) - 1)
    found = predict_chunk(_program(lanes), rows[filled], accepted.ravel()[filled])
    return {name: column[: len(rows)].reshape(*shape, *column.shape[1:]) for name, column in found.items()}


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


def _one(index: int) -> slice:
    return slice(index, index + 1)


@lru_cache(maxsize=_PROGRAMS)
def _program(lanes: Lanes) -> Callable[[Any], Prediction]:
    # Any value does to find a place: which fields there are is known by now.
    places = [locate(lanes.tree, name, None).place for name in lanes.names]

    def lane(values: Float[Array, " axes"]) -> Prediction:
        setting, options = with_leaves(lanes.tree, places, list(values))
        prediction: Prediction = setting.predict(**options)
        return prediction

    # The setting is captured, not an argument: what is not swept stays known, as in one prediction.
    return over_devices(jax.vmap(lane))


def _allowed(tree: Any, axis: Axis, inner: list[Axis]) -> np.ndarray:
    """Which values the object that holds the field accepts, when it is built with them.

    A value may be refused for its company alone: it counts as refused only when it is with the company of the
    base setting, and with the first and the last values of the other axes.
    """
    values, place = axis.values, locate(tree, axis.name, axis.values).place
    others = [(locate(tree, one.name, one.values).place, one.values) for one in inner if one is not axis]
    corners: list[dict[Place, Any]] = (
        [{where: company[end] for where, company in others} for end in (0, -1)] if others else []
    )
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
