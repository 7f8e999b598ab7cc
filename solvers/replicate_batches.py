"""Replicates in batches: on workers, or kept on the disk as they finish."""

import pickle
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import numpy as np

from freeridge.solvers.cores import one_blas_thread
from freeridge.solvers.parts import Columns
from freeridge.solvers.source_digest import library_digest
from freeridge.solvers.storage import fingerprint, versions
from freeridge.solvers.workers import Piece, Pool, compute_pieces, place

Replicate = Callable[[np.random.Generator], Mapping[str, Any]]

_BATCHES = 32  # at most, whatever the workers: another number of them finds the same batches


def generator_of(entropy: tuple[int, ...], index: int) -> np.random.Generator:
    """The stream of one replicate."""
    return np.random.default_rng(np.random.SeedSequence(entropy, spawn_key=(index,)))


def run_batches(
    replicate: Replicate,
    entropy: tuple[int, ...],
    replicates: int,
    threads: int,
    advance: Callable[[int], None],
) -> list[Mapping[str, Any]]:
    """All replicates in order, by what :func:`freeridge.solvers.workers.on_workers` says.

    Parameters
    ----------
    replicate : callable
        It travels to the workers with all that it holds.
    entropy : tuple of int
    replicates : int
    threads : int
        For batches that are computed here.
    advance : callable
        Told the number of replicates that have just been finished.
    """
    here = place()
    size = -(-replicates // _BATCHES)
    batches = [range(start, min(start + size, replicates)) for start in range(0, replicates, size)]
    pieces = [
        Piece(f"replicates-{batch.start}", _batch, (replicate, entropy, batch.start, batch.stop), len(batch))
        for batch in batches
    ]
    parts = here.parts(lambda: fingerprint(replicate, entropy, replicates, versions(), library_digest()))
    found: dict[str, Columns] = {}
    with ExitStack() as stack:
        pool = here.pool
        if pool is None or not _travels(replicate):
            stack.enter_context(one_blas_thread)
            executor = stack.enter_context(ThreadPoolExecutor(threads, thread_name_prefix="replicate"))
            pool = Pool(executor, lambda: threads + 1, remote=False)
        for piece, columns in compute_pieces(pieces, parts, pool):
            assert isinstance(columns, dict)
            found[piece.name] = columns
            advance(piece.about)
    return [
        {name: column[i] for name, column in found[piece.name].items()}
        for piece, batch in zip(pieces, batches, strict=True)
        for i in range(len(batch))
    ]


def _travels(replicate: Replicate) -> bool:
    """Whether it can be sent to another process; what holds a lock or a weak reference cannot."""
    import cloudpickle

    try:
        cloudpickle.dumps(replicate)
    except (TypeError, pickle.PicklingError):
        return False
    return True


def _batch(replicate: Replicate, entropy: tuple[int, ...], start: int, stop: int) -> Columns:
    with one_blas_thread:
        found = [replicate(generator_of(entropy, index)) for index in range(start, stop)]
    return {name: np.stack([np.asarray(one[name]) for one in found]) for name in found[0]}
