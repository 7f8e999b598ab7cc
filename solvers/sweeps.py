"""Sweeps: one setting over a product grid of its fields, compiled, in chunks, resumable; knows no theory.

Fields that hold numbers are swept by :func:`jax.vmap`, one chunk of the flattened grid in one compiled call.
Fields that change the shape of the computation (a dimension, another covariance, None or a number) are an
outer loop that builds the setting anew. No lane can spoil another: what a setting refuses is NaN with a code.
"""

import inspect
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
import numpy as np
import xarray as xr

from freeridge.solvers.errors import InvalidSetting, require_float64
from freeridge.solvers.fields import require_count
from freeridge.solvers.replicates import key_entropy
from freeridge.solvers.results import ADVICE, Code
from freeridge.solvers.source_digest import code_digest
from freeridge.solvers.storage import (
    Parts,
    StorageError,
    fingerprint,
    provenance,
    save_dataset,
    versions,
)
from freeridge.solvers.sweep_axes import Axis, make_grid
from freeridge.solvers.sweep_simulation import simulate_grid
from freeridge.solvers.sweep_theory import Bar, Columns, predict_grid


def sweep(
    setting: Any,
    axes: Mapping[str, Any],
    *,
    out: str | os.PathLike[str] | None = None,
    chunk: int = 2048,
    replicates: int | None = None,
    key: Any = 0,
    progress: bool = False,
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
        last bit.
    chunk : int
        Points in one compiled call: the most that are in device memory at a time.
    replicates : int, optional
        Simulate as well, with this many replicates per point; a ridge axis is one path, from the same draws.
    key : int, sequence of int, or JAX key
        Seed of the simulation. Each point has its own, given by its place in the grid without the ridge.
    progress : bool
        Show progress bars on standard error.
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
    grid = make_grid(tree, axes)
    target = _checked_target(out)
    plan = (
        tree, [(axis.name, axis.values) for axis in grid], int(chunk), replicates, key_entropy(key),
        versions(), jax.default_backend(), code_digest(type(setting)),
    )  # fmt: skip
    parts = Parts(None if target is None else f"{target}.parts", fingerprint(*plan) if target else "")
    try:
        with _progress_bars(progress) as bar:
            result = predict_grid(tree, grid, chunk, parts, bar)
            if replicates is not None:
                result |= simulate_grid(tree, grid, result["code"], replicates, key, parts, bar)
    except KeyboardInterrupt:
        if target is not None:
            kept = f"interrupted: {parts.finished} finished parts are kept in {parts.folder}"
            print(f"{kept}; run the same sweep again to go on", file=sys.stderr)
        raise
    dataset = _dataset(tree, grid, result, None if replicates is None else key)
    if target is not None:
        save_dataset(dataset, target)
        parts.remove()
    return dataset


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


def _dataset(tree: Any, grid: list[Axis], result: Columns, seed: Any) -> xr.Dataset:
    setting, options = tree
    names = [axis.name for axis in grid]
    refused = result.pop("refused", None)
    trailing: dict[str, int] = {}
    variables = {}
    for name, column in result.items():
        extra = []
        for k, size in enumerate(column.shape[len(grid) :]):
            shared = f"index_{k}"
            extra.append(shared if trailing.setdefault(shared, size) == size else f"{name}_index_{k}")
        variables[name] = ([*names, *extra], column)
    dataset = xr.Dataset(variables, coords={axis.name: axis.labels for axis in grid})
    dataset["code"].attrs = {
        "flag_values": np.array([int(code) for code in Code], np.int32),
        "flag_meanings": " ".join(code.name for code in Code),
        "meanings": json.dumps({int(code): ADVICE[code] for code in Code}),
    }
    dataset.attrs = {
        "parameters": json.dumps(provenance(setting, seed)),
        "options": json.dumps(provenance(options)),
        "versions": json.dumps(versions()),
    }
    if refused is not None:
        dataset.attrs["simulation_refused"] = str(refused)
    return dataset


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
