"""Sweeps: one setting over a product grid of its fields, compiled, in pieces, resumable; knows no theory.

Fields that hold numbers are swept by :func:`jax.vmap`, one box of the grid in one compiled call. Fields that
change the shape of the computation (a dimension, another covariance, None or a number) are an outer loop that
builds the setting anew. No lane can spoil another: what a setting refuses is NaN with a code. Pieces, boxes
of theory and points of simulation, are computed wherever :func:`on_workers` says.
"""

import inspect
import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from freeridge.solvers.errors import InvalidSetting, require_float64
from freeridge.solvers.fields import require_count
from freeridge.solvers.grids import InFile, InMemory, Region, Sink, open_grid
from freeridge.solvers.parts import Columns, Parts
from freeridge.solvers.replicates import key_entropy
from freeridge.solvers.results import ADVICE, Code
from freeridge.solvers.source_digest import code_digest
from freeridge.solvers.storage import StorageError, fingerprint, provenance, versions
from freeridge.solvers.sweep_axes import Axis, make_grid
from freeridge.solvers.sweep_simulation import REFUSED, path_axis, simulation_pieces
from freeridge.solvers.sweep_theory import Block, blocks_of, box_shape, theory_pieces
from freeridge.solvers.workers import Client, Piece, compute_pieces, on_workers, place

Bar = Callable[[str, int], Callable[[int], None]]


def sweep(
    setting: Any,
    axes: Mapping[str, Any],
    *,
    out: str | os.PathLike[str] | None = None,
    chunk: int = 2048,
    replicates: int | None = None,
    key: Any = 0,
    progress: bool = False,
    client: Client = None,
    workers: int | None = None,
    **options: Any,
) -> xr.Dataset:
    """Predict, and on request simulate, a setting at every point of a grid.

    Parameters
    ----------
    setting : setting
        Anything with ``predict`` (and ``simulate``), such as :class:`freeridge.RidgeMixture`.
    axes : mapping of str to sequence
        Values per field; the grid is their product. Nested fields have dotted names:
        ``"covariance.exponent"``, ``"populations.0.noise_variance"``. Values that are no numbers, such as
        ``[None, 100]`` or covariances, and fields that fix a shape, such as ``"covariance.d"``, cost a
        compilation each. A setting with a ridge path is swept over it.
    out : path, optional
        A ``.nc`` file for the result. Until it is complete, finished parts are kept in ``out + ".parts"``,
        where the same sweep finds them again after an interruption and goes on, with the same result to the
        last bit. The grid may be larger than the memory: it is written in parts, and what is returned reads
        the file when its numbers are used. A file of the same sweep that is there already is the result.
    chunk : int
        Points in one compiled call, and in one part: the most that are in memory at a time.
    replicates : int, optional
        Simulate as well, with this many replicates per point; a ridge axis is one path, from the same draws.
    key : int, sequence of int, or JAX key
        Seed of the simulation. Each point has its own, given by its place in the grid without the ridge.
    progress : bool
        Show progress bars on standard error.
    client, workers
        Where it is computed: a cluster, or processes of this machine (:func:`freeridge.on_workers`). Numbers
        do not depend on it.
    **options
        For ``predict`` and ``simulate``, such as ``test=1``.

    Returns
    -------
    xarray.Dataset
        The quantities of the prediction, ``residual`` and ``code`` (0 certified; the meanings are in the
        attributes), on coordinates named as the fields; with `replicates` also ``<quantity>_simulated`` and
        ``<quantity>_standard_error``. A point that is refused or not certified is NaN.

    Raises
    ------
    InvalidSetting
        When a field does not exist, an axis is empty, holds NaN or the wrong type, or no point at all can be
        computed.
    StorageError
        When a file cannot be written.
    WorkersLost
        When the scheduler is gone, or a part has killed every worker that took it.

    Examples
    --------
    >>> import freeridge as fr
    >>> truth = fr.RandomVector(fr.Isotropic(100, 0.01))
    >>> setting = fr.RidgeMixture([fr.Population(fr.Isotropic(100), truth, 0.1, share=1.0)], n=200, ridge=0.1)
    >>> grid = fr.sweep(setting, {"ridge": [0.0, 0.1, -1.0], "populations.0.noise_variance": [0.1, 0.2]})
    >>> dict(grid.sizes)
    {'ridge': 3, 'populations.0.noise_variance': 2}
    >>> grid.variance.sel(ridge=0.0).values.round(12)
    array([0.1, 0.2])
    >>> grid.code.values[:, 0]
    array([0, 0, 2], dtype=int32)
    """
    require_float64()
    require_count("chunk", chunk)
    if replicates is not None and not (isinstance(replicates, int | np.integer) and replicates >= 2):
        raise InvalidSetting("replicates", replicates, "a whole number >= 2, or None for theory alone")
    tree = (setting, _checked_options(setting, options, replicates))
    if "ridge" not in axes and np.ndim(getattr(setting, "ridge", 0.0)) == 1:
        axes = {**axes, "ridge": np.asarray(setting.ridge)}
    request = _Request(tree, make_grid(tree, axes), int(chunk), replicates, key)
    target, frame = _checked_target(out), request.frame()
    with on_workers(client, workers), _progress_bars(progress) as bar:
        if target is None:
            parts = place().parts(request.fingerprint)
            return request.run(parts, InMemory(request.shape), frame, bar)
        frame.attrs["fingerprint"] = request.fingerprint()
        if (finished := _finished(target, frame.attrs["fingerprint"])) is not None:
            return finished
        parts = Parts(f"{target}.parts", frame.attrs["fingerprint"])
        sink = InFile(target, request.shape, box_shape(request.grid, chunk), lambda: request.kept(parts))
        try:
            dataset = request.run(parts, sink, frame, bar)
        except KeyboardInterrupt:
            kept = f"interrupted: {parts.finished} finished parts are kept in {parts.folder}"
            print(f"{kept}; run the same sweep again to go on", file=sys.stderr)
            raise
        parts.remove()
        return dataset


@dataclass(frozen=True, eq=False)
class _Request:
    """What is asked for, checked: the pieces of theory and simulation that it takes."""

    tree: Any
    grid: list[Axis]
    chunk: int
    replicates: int | None
    key: Any

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(len(axis.values) for axis in self.grid)

    @cached_property
    def blocks(self) -> list[Block]:
        return list(blocks_of(self.tree, self.grid))

    def theory(self) -> Iterator[Piece]:
        return theory_pieces(self.blocks, self.grid, self.chunk)

    def simulation(self) -> Iterator[Piece]:
        if self.replicates is None:
            return iter(())
        return simulation_pieces(self.tree, self.blocks, self.grid, self.replicates, self.key)

    def fingerprint(self) -> str:
        """Of everything that the numbers depend on."""
        axes = [(axis.name, axis.values) for axis in self.grid]
        code = code_digest(type(self.tree[0]))
        return fingerprint(
            self.tree, axes, self.chunk, self.replicates, key_entropy(self.key),
            versions(), place().device, code,
        )  # fmt: skip

    def frame(self) -> xr.Dataset:
        """The result without its columns."""
        setting, options = self.tree
        attributes = {
            "parameters": json.dumps(provenance(setting, None if self.replicates is None else self.key)),
            "options": json.dumps(provenance(options)),
            "versions": json.dumps(versions()),
        }
        return xr.Dataset(coords={axis.name: axis.labels for axis in self.grid}, attrs=attributes)

    def kept(self, parts: Parts) -> Iterator[tuple[Region, Columns]]:
        """Finished boxes and points, one at a time."""
        for piece in chain(self.theory(), self.simulation()):
            columns = parts.find(piece.name)
            if columns is not None and REFUSED not in columns:
                yield piece.about, columns

    def run(self, parts: Parts, sink: Sink, frame: xr.Dataset, bar: Bar) -> xr.Dataset:
        """All pieces, wherever they are computed, put together."""
        points = int(np.prod(self.shape, dtype=np.int64))
        _predict(self.theory(), parts, sink, self.blocks, bar("theory", points))
        if self.replicates is not None:
            path = path_axis(self.tree, self.grid)
            of_a_piece = 1 if path is None else self.shape[path]
            advance = bar("simulation", points // of_a_piece)
            frame.attrs |= _simulate(self.simulation(), parts, sink, advance)
        return sink.dataset(frame, {"code": _MEANINGS})


def _predict(
    pieces: Iterator[Piece],
    parts: Parts,
    sink: Sink,
    blocks: Sequence[Block],
    advance: Callable[[int], None],
) -> None:
    """Theory of every box; when nothing can be computed it is no lane that is wrong but the request."""
    errors: list[Exception] = [block.tree for block in blocks if isinstance(block.tree, InvalidSetting)]
    for piece, found in compute_pieces(pieces, parts, place().pool, InvalidSetting):
        if isinstance(found, Exception):
            errors.append(found)
        else:
            sink.place(piece.about, found)
        advance(int(np.prod([side.stop - side.start for side in piece.about])))
    if not sink.names:
        raise errors[0]


def _simulate(
    pieces: Iterator[Piece], parts: Parts, sink: Sink, advance: Callable[[int], None]
) -> dict[str, str]:
    """Simulation of every point, and why some were refused."""
    refused: Counter[str] = Counter()
    before = len(sink.names)
    for piece, found in compute_pieces(pieces, parts, place().pool):
        assert isinstance(found, dict)
        if REFUSED in found:
            refused[str(found[REFUSED])] += 1
        else:
            sink.place(piece.about, found)
        advance(1)
    if len(sink.names) == before:
        reason = next(iter(refused), "every point is outside its range")
        raise InvalidSetting("replicates", "simulation", f"a point that can be simulated; {reason}")
    return {"simulation_refused": json.dumps(refused)} if refused else {}


def _checked_options(setting: Any, options: Mapping[str, Any], replicates: int | None) -> dict[str, Any]:
    """The options of predict and simulate; any other is a mistake to be told now."""
    if not hasattr(setting, "predict"):
        raise InvalidSetting("setting", setting, "a setting, such as RidgeMixture or ModelCollapse")
    verbs = [setting.predict] if replicates is None else [setting.predict, setting.simulate]
    known = {name for verb in verbs for name in inspect.signature(verb).parameters} - {
        "key",
        "replicates",
        "progress",
    }
    for name, value in options.items():
        if name not in known:
            raise InvalidSetting(
                name, value, f"no such option; there is: {', '.join(sorted(known)) or 'none'}"
            )
    return dict(options)


def _checked_target(out: Any) -> Path | None:
    if out is None:
        return None
    target = Path(out)
    if target.suffix != ".nc":
        raise InvalidSetting("out", str(out), "the name of a NetCDF file, ending in .nc")
    if target.is_dir():
        raise StorageError(f"cannot write {target}: it is a folder")
    return target


_MEANINGS = {
    "flag_values": np.array([int(code) for code in Code], np.int32),
    "flag_meanings": " ".join(code.name for code in Code),
    "meanings": json.dumps({int(code): ADVICE[code] for code in Code}),
}


def _finished(target: Path, mark: str) -> xr.Dataset | None:
    """The file, when it is there already and is of this very sweep."""
    if not target.exists():
        return None
    try:
        found = open_grid(target)
    except StorageError:
        return None  # something else, to be replaced
    return found if found.attrs.get("fingerprint") == mark else None


@contextmanager
def _progress_bars(show: bool) -> Iterator[Bar]:
    """A bar per stage, on standard error."""
    if not show:
        yield lambda stage, total: lambda count: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bars:

        def start(stage: str, total: int) -> Callable[[int], None]:
            task = bars.add_task(stage, total=total)
            return lambda count: bars.advance(task, count)

        yield start
