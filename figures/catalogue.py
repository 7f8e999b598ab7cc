"""The one function that computes, draws and saves the figures there are."""

import importlib
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import xarray as xr
from matplotlib.figure import Figure

from freeridge.figures.entries import catalogue as catalogue
from freeridge.figures.entry import Entry as Entry
from freeridge.figures.record import Plan
from freeridge.figures.style import look
from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.source_digest import code_digest, digest_files
from freeridge.solvers.storage import (
    StorageError,
    fingerprint,
    load_dataset,
    save_dataset,
    versions,
    write_atomically,
)
from freeridge.solvers.workers import Client, on_workers


def draw_figures(
    names: Sequence[str] = (),
    size: str = "quick",
    out: str | Path = Path("out/figures"),
    progress: bool = True,
    *,
    client: Client = None,
    workers: int | None = None,
) -> list[Path]:
    """Compute, draw and save figures: PDF, PNG, and NetCDF with every number that is drawn.

    Data that are there already, of the same figure, size, seed and code, are not computed again.

    Parameters
    ----------
    names : sequence of str
        From :func:`catalogue`; the main figures when empty.
    size : {"quick", "paper"}
        A few simulated points per curve, or as many as in the paper.
    out : path
        Folder for the files, made when it is not there.
    progress : bool
        Show a progress bar on standard error.
    client, workers
        Where sweeps and simulations are computed: a cluster, or processes of this machine
        (:func:`freeridge.on_workers`). Numbers do not depend on it.

    Returns
    -------
    list of Path
        The files, three per figure.

    Raises
    ------
    InvalidSetting
        For an unknown name or size.
    StorageError
        When the files cannot be written. No half-written file is left.
    KeyboardInterrupt
        When interrupted (Ctrl-C). Figures that are finished are kept, and the points of the one at hand, in a
        folder beside its data, where the same figure finds them.
    """
    plan = Plan(size)
    entries = _chosen(names)
    folder = Path(out)
    _require_writable(folder)
    files: list[Path] = []
    computed: dict[str, xr.Dataset] = {}
    with _bar(progress, len(entries)) as (say, advance), on_workers(client, workers):
        for entry in entries:
            with on_workers(keep=folder / f"{entry.name}.nc.parts"):
                data = _data(entry, plan, folder, computed, partial(_say_point, say, entry.name))
            say(f"{entry.name}: drawing")
            files += [folder / f"{entry.name}.nc", *_save_pictures(entry, data, folder)]
            advance()
    return files


def _chosen(names: Sequence[str]) -> list[Entry]:
    entries = {entry.name: entry for entry in catalogue()}
    for name in names:
        if name not in entries:
            raise InvalidSetting("figure", name, "one of " + ", ".join(entries))
    return [entries[name] for name in dict.fromkeys(names)] or [
        entry for entry in entries.values() if entry.main
    ]


def _say_point(say: Callable[[str], None], name: str, done: int, total: int) -> None:
    say(f"{name}: simulated {done} of {total} points")


def stored(entry: Entry, plan: Plan, folder: Path) -> xr.Dataset | None:
    """Data of a figure that are in the folder already, when they are of this size, seed and code."""
    path = folder / f"{entry.name}.nc"
    if not path.exists():
        return None
    try:
        found: xr.Dataset = load_dataset(path)
    except StorageError:
        return None  # harmed by something outside: computed anew
    return found if found.attrs.get("fingerprint") == _mark(entry, plan) else None


def _mark(entry: Entry, plan: Plan) -> str:
    """Fingerprint of everything that the data of a figure depend on."""
    # Figures of one kind are one function with the number of the figure filled in.
    kind, number = getattr(entry.compute, "func", entry.compute), getattr(entry.compute, "args", ())
    own = Path(importlib.import_module(kind.__module__).__file__ or "")
    # The files of a paper share settings: a name begins with that of the file they are in.
    shared = [path for path in sorted(own.parent.glob("*.py")) if own.stem.startswith(path.stem)]
    return fingerprint(
        kind.__qualname__,
        number,
        plan.size,
        plan.seed,
        versions(),
        code_digest(Plan),
        digest_files(shared),
    )


def _data(
    entry: Entry,
    plan: Plan,
    folder: Path,
    computed: dict[str, xr.Dataset],
    report: Callable[[int, int], None],
) -> xr.Dataset:
    """Data of a figure, from its file or another figure when those are of this very computation."""
    mark = _mark(entry, plan)
    about = {"paper": entry.paper, "figure": entry.figure, "shows": entry.shows, "fingerprint": mark}
    data = stored(entry, plan, folder)
    if data is not None and all(data.attrs[name] == value for name, value in about.items()):
        return data
    if data is None and mark not in computed:
        computed[mark] = _whole(entry.compute, Plan(plan.size, plan.seed, report))
    # Other words about the figure are no reason to compute it again.
    path = folder / f"{entry.name}.nc"
    save_dataset((computed[mark] if data is None else data).assign_attrs(about), path)
    return load_dataset(path)  # drawn from what is in the file, now as later


def _whole(compute: Callable[[Plan], xr.Dataset], plan: Plan) -> xr.Dataset:
    """Data of a computation that came to its end.

    Simulations that Ctrl-C ends early answer with what they have and a warning: in a file, such data would be
    taken for the whole later.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "interrupted", RuntimeWarning)
        try:
            return compute(plan)
        except RuntimeWarning as warning:
            if not str(warning).startswith("interrupted"):
                raise
            raise KeyboardInterrupt from None


def _save_pictures(entry: Entry, data: xr.Dataset, folder: Path) -> list[Path]:
    with look():
        picture = entry.draw(data)
        return [_save_picture(picture, folder / f"{entry.name}{suffix}") for suffix in (".pdf", ".png")]


def _save_picture(picture: Figure, path: Path) -> Path:
    # Without the date, equal figures are equal files.
    metadata: dict[str, Any] = {"CreationDate": None} if path.suffix == ".pdf" else {}
    return write_atomically(
        path, lambda temporary: picture.savefig(temporary, format=path.suffix[1:], metadata=metadata)
    )


def _require_writable(folder: Path) -> None:
    """Meet a folder that cannot be written to before the computation, not after it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise StorageError(f"cannot write {folder}: {error.strerror or error}") from error


@contextmanager
def _bar(show: bool, total: int) -> Iterator[tuple[Callable[[str], None], Callable[[], None]]]:
    if not show:
        yield lambda text: None, lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (BarColumn(20), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("starting", total=total)
        yield lambda text: bar.update(task, description=text), lambda: bar.advance(task)
