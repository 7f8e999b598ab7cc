"""What a command that makes an experiment in a folder answers."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from rich.table import Table


class Answer(NamedTuple):
    """The outcome of the command.

    Attributes
    ----------
    record : dict
        For ``--json``: parameters, seed, versions, results, and where the whole record is.
    table : rich.table.Table
        For people.
    """

    record: dict[str, Any]
    table: "Table"


def record_of(command: str, experiment: Any, key: int, out: Path, **results: Any) -> dict[str, Any]:
    """Results, with all that it takes to make them again.

    Parameters
    ----------
    command : str
    experiment : module
        Its fields are the parameters.
    key : int
        Seed.
    out : Path
        Folder of the experiment.
    **results
        By name.
    """
    from freeridge.solvers.storage import provenance, versions

    return {
        "command": command,
        "versions": versions(),
        "seed": key,
        "parameters": provenance(experiment),
        **results,
        "file": str(out / "record.nc"),
    }
