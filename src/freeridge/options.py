"""Options that several verbs of the command line share."""

import os
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from freeridge.solvers.cores import available_cores
from freeridge.solvers.errors import InvalidSetting

_REPLICATES = {"quick": 20, "paper": 200}
_SUFFIXES = {"out": (".json", ".csv", ".nc"), "plot": (".pdf", ".png", ".svg")}

Words = Annotated[str, Parameter(name="SETTING", allow_leading_hyphen=True)]
Flag = Annotated[bool, Parameter(negative="")]
Size = Literal["quick", "paper"]
LargeSize = Literal["quick", "paper", "large"]
Suite = Literal["mixture", "bias", "tails", "pruning", "spurious", "all"]


@Parameter(name="*")
@dataclass(frozen=True)
class Common:
    """Options of the verbs that take a setting.

    Parameters
    ----------
    test
        Population to test on: its number, or an expression such as "Population(...)".
    json
        Print JSON for machines instead of a table.
    out
        Write the answer to this file too: .json, .csv or .nc (NetCDF).
    plot
        Draw a ridge path or a sweep into this file: .pdf, .png or .svg.
    """

    test: str | None = None
    json: Flag = False
    out: Path | None = None
    plot: Path | None = None

    def check(self) -> None:
        """Refuse a place that cannot be written before an hour is spent on what goes there."""
        for name, suffixes in _SUFFIXES.items():
            path = getattr(self, name)
            if path is None:
                continue
            if path.suffix not in suffixes:
                raise InvalidSetting(
                    name, str(path), f"a file name that ends in one of {', '.join(suffixes)}"
                )
            existing = next(folder for folder in path.absolute().parents if folder.exists())
            if path.is_dir() or not existing.is_dir() or not os.access(existing, os.W_OK):
                raise InvalidSetting(name, str(path), "a file in a folder that can be written to")


@Parameter(name="*")
@dataclass(frozen=True)
class Checks:
    """Options of validate.

    Parameters
    ----------
    replicates
        Independent draws, at least 2; without it, --size says how many.
    key
        Seed: the same key gives the same numbers.
    size
        How much to simulate: 20 replicates (quick, the default) or 200 (paper). The suite of validate is full
        by default, and short in size quick; in size large it goes up to dimension 10,000.
    """

    replicates: int | None = None
    key: int = 0
    size: LargeSize | None = None

    @property
    def number(self) -> int:
        """Replicates to draw."""
        return _REPLICATES[self.size or "quick"] if self.replicates is None else self.replicates


@Parameter(name="*")
@dataclass(frozen=True)
class Draws(Checks):
    """Options of the other verbs that simulate.

    Parameters
    ----------
    size
        How much to simulate: 20 replicates (quick, the default) or 200 (paper).
    """

    size: Size | None = None


@Parameter(name="*")
@dataclass(frozen=True)
class Where:
    """Options of the verbs that may compute for long.

    Parameters
    ----------
    scheduler
        Compute on a cluster: the address of its dask scheduler, such as tcp://host:8786.
    workers
        Compute in this many processes; by default in this one, or where there is much to do in one per core.
    """

    scheduler: str | None = None
    workers: int | None = None

    def on_workers(self, much: bool, out: Path | None = None) -> AbstractContextManager[None]:
        """Where it is computed, and beside which file finished pieces are kept."""
        import jax

        from freeridge.solvers.workers import on_workers

        workers = self.workers
        # An accelerator is for one process: its memory is.
        if much and self.scheduler is None and workers is None and jax.default_backend() == "cpu":
            workers = available_cores()
        return on_workers(self.scheduler, workers, None if out is None else f"{out}.parts")


COMMON, CHECKS, DRAWS, WHERE = Common(), Checks(), Draws(), Where()  # as they are when none is given
