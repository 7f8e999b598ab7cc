"""Many comparisons of theory and simulation at once, each a piece that can be computed anywhere."""

from collections.abc import Callable, Mapping
from typing import Any

from freeridge.solvers.agreement import Agreement
from freeridge.solvers.parts import Columns
from freeridge.solvers.source_digest import library_digest
from freeridge.solvers.storage import fingerprint, versions
from freeridge.solvers.workers import Piece, compute_pieces, place

Comparison = tuple[Callable[..., Agreement], tuple[Any, ...]]


def compute_agreements(
    comparisons: Mapping[str, Comparison], *, progress: bool = False
) -> dict[str, Agreement]:
    """Every comparison, wherever :func:`freeridge.solvers.workers.on_workers` says, in the order given.

    Parameters
    ----------
    comparisons : dict
        By name: a function with its arguments.
    progress : bool
        Show a progress bar on standard error.
    """
    from rich.console import Console
    from rich.progress import track

    pieces = [Piece(name, _columns, comparison) for name, comparison in comparisons.items()]
    parts = place().parts(lambda: fingerprint(comparisons, versions(), place().device, library_digest()))
    computed = compute_pieces(pieces, parts, place().pool)
    finished = track(
        computed, "settings", total=len(pieces), console=Console(stderr=True), disable=not progress
    )
    found: dict[str, Agreement] = {}
    for piece, columns in finished:
        assert isinstance(columns, dict)
        found[piece.name] = Agreement.from_columns(columns)
    return {name: found[name] for name in comparisons}


def _columns(compare: Callable[..., Agreement], arguments: tuple[Any, ...]) -> Columns:
    return compare(*arguments).columns()
