"""How much of this machine a computation may use."""

import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock

from threadpoolctl import threadpool_limits

_ALONE: ContextVar[bool] = ContextVar("alone", default=False)


def available_cores() -> int:
    """Processors that this computation may use: one inside :func:`alone`, else those of the process."""
    if _ALONE.get():
        return 1
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def alone() -> Iterator[None]:
    """Take one core: there are as many computations beside this one as there are others.

    Examples
    --------
    >>> with alone():
    ...     available_cores()
    1
    """
    token = _ALONE.set(True)
    try:
        yield
    finally:
        _ALONE.reset(token)


class _OneBlasThread:
    """The limit holds for the whole process: the first who asks sets it, the last who leaves lifts it.

    OpenBLAS is controlled by the thread that limits it first, and nothing lifts that limit but this thread:
    whoever starts threads that compute takes the limit around them.
    """

    def __init__(self) -> None:
        self._lock, self._users = Lock(), 0
        self._limit: threadpool_limits | None = None

    def __enter__(self) -> None:
        # It has a BLAS of its own, and the limit is for those that are loaded by now.
        importlib.import_module("scipy.linalg")
        with self._lock:
            if self._users == 0:
                self._limit = threadpool_limits(1, user_api="blas").__enter__()
            self._users += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0 and self._limit is not None:
                self._limit.__exit__(None, None, None)
                self._limit = None


one_blas_thread = _OneBlasThread()
"""Products and decompositions by one thread, whose sums are then always taken in the same order."""
