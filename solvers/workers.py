"""Where the pieces of a long computation are computed: in this process, in others of this machine, or on a
cluster; and what happens when some of those are lost.

A piece is a function with its arguments: its numbers do not depend on where, in what order, or after how many
failures it is computed. Whatever is finished is kept before the next is waited for.
"""

import importlib
import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Executor, Future, wait
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any, NamedTuple

from freeridge.solvers.cores import alone, available_cores
from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.parts import Columns, Parts
from freeridge.solvers.source_digest import library_digest
from freeridge.solvers.storage import versions

Client = Any  # address, dask.distributed.Client, or concurrent.futures.Executor

_TRIES = 4  # of a piece whose worker dies, or fails for a reason that is not in the piece
_AHEAD = 2  # pieces sent per worker: one is computed, the next waits there
_FEWEST = 8  # pieces sent to a cluster, however few workers it has: more may be on their way
_ANSWER = 10.0  # seconds in which a scheduler answers
_AGAIN = "run the same again to go on"


class WorkersLost(ConnectionError):
    """What computed the pieces is gone; the message says where the finished ones are kept."""


class _OtherSoftware(RuntimeError):
    """Of a worker: no answer of a piece, as a setting that is refused may be."""


class Piece(NamedTuple):
    """A part of a computation: its name among the others, how it is computed, here or anywhere, and what the
    one who asks for it wants to know of it when it comes back.
    """

    name: str
    function: Callable[..., Columns]
    arguments: tuple[Any, ...]
    about: Any = None


class Pool:
    """Workers that take pieces.

    Parameters
    ----------
    executor : Executor
    room : callable
        How many pieces it takes at a time.
    renew : callable, optional
        Makes another executor when this one has broken.
    """

    def __init__(
        self,
        executor: Executor,
        room: Callable[[], int],
        renew: Callable[[], Executor] | None = None,
        remote: bool = True,
    ) -> None:
        self.executor, self.room, self.renew, self.remote = executor, room, renew, remote

    @cached_property
    def device(self) -> str:
        """What the workers compute on, as the first of them says."""
        if self.renew is not None or not self.remote:  # this machine
            return own_device()
        return self.executor.submit(own_device).result()

    def submit(self, piece: Piece) -> "Future[Columns]":
        """Send a piece on its way."""
        if not self.remote:
            return self.executor.submit(piece.function, *piece.arguments)
        import cloudpickle

        # As bytes: whoever opens them has switched double precision on before.
        return self.executor.submit(
            compute_there, (*_software(), self.device), cloudpickle.dumps((piece.function, piece.arguments))
        )


@dataclass(frozen=True)
class Place:
    """Where pieces are computed, and the folder for those that are finished."""

    pool: Pool | None = None
    folder: Path | None = None
    opened: list[Parts] = field(default_factory=list)

    @property
    def device(self) -> str:
        """What is computed on."""
        return own_device() if self.pool is None else self.pool.device

    @property
    def apart(self) -> bool:
        """Whether simulations are to be cut into pieces."""
        return self.pool is not None or self.folder is not None

    def parts(self, plan: Callable[[], str]) -> Parts:
        """Where the pieces of a plan are kept until all is done, given its fingerprint.

        Nothing is kept of what cannot be told from another computation.
        """
        if self.folder is None:
            return Parts(None, "")
        try:
            mark = plan()
        except InvalidSetting:
            return Parts(None, "")
        self.opened.append(Parts(self.folder, mark))
        return self.opened[-1]


_HERE = Place()
_PLACE: ContextVar[Place] = ContextVar("place", default=_HERE)


def place() -> Place:
    """Where the pieces of the computation at hand are computed."""
    return _PLACE.get()


@contextmanager
def on_workers(
    client: Client = None, workers: int | None = None, keep: str | os.PathLike[str] | None = None
) -> Iterator[None]:
    """Compute the pieces of sweeps, simulations and validations elsewhere, and keep those that are finished.

    Parameters
    ----------
    client : str, dask.distributed.Client or concurrent.futures.Executor, optional
        Address of a dask scheduler, such as ``"tcp://host:8786"``, a client of one, or any executor.
    workers : int, optional
        Without a client: processes of this machine, each with one core. None or 1 is this process.
    keep : path, optional
        Folder for finished pieces of simulations, found again by the same computation. A sweep with ``out``
        keeps its own.

    Raises
    ------
    InvalidSetting
        When no scheduler answers, or there is nothing that takes pieces.
    ImportError
        When dask.distributed is not installed.

    Examples
    --------
    >>> import freeridge as fr
    >>> from concurrent.futures import ThreadPoolExecutor
    >>> setting = fr.ModelCollapse(fr.Isotropic(20), 100, 0.5, quality=0.1, noise_variance=1.0, ridge=0.1)
    >>> with ThreadPoolExecutor(1) as executor, fr.on_workers(executor):
    ...     there = setting.simulate(key=1, replicates=4)
    >>> bool(there.risk == setting.simulate(key=1, replicates=4).risk)
    True
    """
    around = place()
    inherited = client is None and workers is None
    with nullcontext(around.pool) if inherited else _pool(client, workers) as pool:
        if keep is None:  # what is kept is for the one to remove who has named the folder
            with _at(replace(around, pool=pool)):
                yield
            return
        here = Place(pool, Path(keep))
        try:
            with _at(here):
                yield
        except KeyboardInterrupt:
            if finished := sum(parts.finished for parts in here.opened):
                print(f"interrupted: {finished} pieces are kept in {keep}; {_AGAIN}", file=sys.stderr)
            raise
    for parts in here.opened:  # the whole is there
        parts.remove()


def compute_pieces(
    pieces: Iterable[Piece],
    parts: Parts,
    pool: Pool | None,
    refusal: type[Exception] | tuple[type[Exception], ...] = (),
) -> Iterator[tuple[Piece, Columns | Exception]]:
    """Every piece with its columns, in the order in which they are found or finished.

    Parameters
    ----------
    pieces : iterable of Piece
        Taken one by one, as there is room: there may be very many.
    parts : Parts
        Where finished ones are kept, and found.
    pool : Pool or None
        None computes here.
    refusal : type of exception
        An answer of a piece as good as columns; any other exception ends the computation.
    """
    if pool is None:
        yield from _here(pieces, parts, refusal)
    else:
        yield from _there(pieces, parts, pool, refusal)


def compute_there(environment: tuple[str, ...], payload: bytes) -> Columns:
    """What a worker does with a piece: the same as would be done where it comes from."""
    import jax

    jax.config.update("jax_enable_x64", True)
    if (own := (*_software(), own_device())) != environment:
        pairs = zip(own, environment, strict=True)
        different = "; ".join(f"{here}, not {asked}" for here, asked in pairs if here != asked)
        raise _OtherSoftware(different)
    import cloudpickle

    function, arguments = cloudpickle.loads(payload)
    with alone():
        columns: Columns = function(*arguments)
    return columns


def _here(pieces: Iterable[Piece], parts: Parts, refusal: Any) -> Iterator[tuple[Piece, Columns | Exception]]:
    for piece in pieces:
        columns: Columns | Exception | None = parts.find(piece.name)
        if columns is None:
            try:
                with _at(_HERE):  # a piece is whole: what it calls is not cut into pieces again
                    columns = parts.keep(piece.name, piece.function(*piece.arguments))
            except refusal as error:
                columns = error
        yield piece, columns


def _there(
    pieces: Iterable[Piece], parts: Parts, pool: Pool, refusal: Any
) -> Iterator[tuple[Piece, Columns | Exception]]:
    pending: dict[Future[Columns], Piece] = {}
    tries: dict[str, int] = {}
    rest = iter(pieces)

    def send(piece: Piece) -> None:
        tries[piece.name] = tries.get(piece.name, 0) + 1
        try:
            future = pool.submit(piece)
        except Exception as error:  # of what has just been lost, with all that was sent before
            future = Future()
            future.set_exception(error)
        pending[future] = piece

    try:
        while True:
            while len(pending) < pool.room() and (piece := next(rest, None)) is not None:
                found = parts.find(piece.name)
                if found is not None:
                    yield piece, found
                    continue
                send(piece)
            if not pending:
                return
            for future in wait(pending, return_when=FIRST_COMPLETED).done:
                piece = pending.pop(future)
                try:
                    columns = future.result()
                except _OtherSoftware as error:
                    worker = f"a worker with other software ({error})"
                    raise InvalidSetting("client", worker, "the same on both sides") from error
                except refusal as error:
                    yield piece, error
                except (CancelledError, BrokenExecutor) as error:
                    lost = [piece, *pending.values()]
                    pending.clear()
                    if pool.renew is None or max(tries[one.name] for one in lost) >= _TRIES:
                        raise _lost(parts, error) from error
                    pool.executor = pool.renew()
                    for one in lost:
                        send(one)
                    break
                except Exception as error:
                    if type(error).__module__.startswith("distributed."):  # every worker that took it died
                        raise _lost(parts, error) from error
                    raise
                else:
                    yield piece, parts.keep(piece.name, columns)
    finally:
        for future in pending:
            future.cancel()


def _lost(parts: Parts, error: BaseException) -> WorkersLost:
    kept = "nothing is kept" if parts.folder is None else f"{parts.finished} are kept in {parts.folder}"
    by_a_worker = isinstance(error, BrokenExecutor) or type(error).__name__ == "KilledWorker"
    reason = str(error).split("\n")[0] if by_a_worker else "the scheduler is gone"
    return WorkersLost(f"workers are lost: {reason}. Of the finished pieces {kept}; {_AGAIN}")


@contextmanager
def _at(there: Place) -> Iterator[None]:
    token = _PLACE.set(there)
    try:
        yield
    finally:
        _PLACE.reset(token)


@contextmanager
def _pool(client: Client, workers: int | None) -> Iterator[Pool | None]:
    if client is not None and workers is not None:
        raise InvalidSetting("workers", workers, "no client beside it: the client has its workers")
    if isinstance(client, str):
        with _connected(client) as connected:
            yield _cluster(connected)
    elif isinstance(client, Executor):
        own: Any = getattr(client, "num_workers", None) or getattr(client, "_max_workers", available_cores())
        yield Pool(client, lambda: _AHEAD * own)
    elif client is not None:
        if not hasattr(client, "get_executor"):
            expected = "the address of a dask scheduler, a dask.distributed.Client, or an Executor"
            raise InvalidSetting("client", client, expected)
        yield _cluster(client)
    else:
        if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
            raise InvalidSetting("workers", workers, "a whole number >= 1")
        if workers == 1:
            yield None
        else:
            with _processes(workers) as pool:
                yield pool


@contextmanager
def _connected(address: str) -> Iterator[Any]:
    try:
        dask: Any = importlib.import_module("distributed")
    except ImportError as error:
        raise ImportError(
            "a scheduler takes dask.distributed: pip install 'freeridge[distributed]'"
        ) from error
    try:
        client: Any = dask.Client(address, timeout=_ANSWER, set_as_default=False)
    except (OSError, ValueError) as error:
        expected = "the address of a dask scheduler that answers, such as tcp://host:8786"
        raise InvalidSetting("scheduler", address, expected) from error
    # That a scheduler is gone is said in one line, by us.
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)
    try:
        yield client
    finally:
        client.close(timeout=_ANSWER)


def _cluster(client: Any) -> Pool:
    def room() -> int:
        try:
            return max(_FEWEST, _AHEAD * sum(client.nthreads().values()))
        except Exception:  # of a client that loses its scheduler: what has been sent tells what became of it
            return _FEWEST

    return Pool(client.get_executor(pure=False, retries=_TRIES - 1), room)


@contextmanager
def _processes(count: int) -> Iterator[Pool]:
    """Processes of one thread each, so that as many as there are cores do not get in each other's way."""
    import jax
    from loky import ProcessPoolExecutor

    one = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "NPROC": "1", "JAX_ENABLE_X64": "1"}
    one["LOKY_MAX_MEMORY_LEAK_SIZE"] = "1e18"  # compiled programs that stay are no leak
    options: Any = jax.config
    cache_folder = options.jax_compilation_cache_dir
    if cache_folder:
        shortest = options.jax_persistent_cache_min_compile_time_secs
        one |= {
            "JAX_COMPILATION_CACHE_DIR": str(cache_folder),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": str(shortest),
        }

    def start() -> Executor:
        executor: Executor = ProcessPoolExecutor(count, env=one, initializer=_ignore_interrupts)
        return executor

    pool = Pool(start(), lambda: _AHEAD * count, start)
    try:
        yield pool
    finally:
        pool.executor.shutdown(wait=False, kill_workers=True)  # type: ignore[call-arg]


def _ignore_interrupts() -> None:
    """Ctrl-C is for the process that waits: it ends the others."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)


def own_device() -> str:
    """What this process computes on: the kind and number of JAX's devices."""
    import jax

    return f"{jax.default_backend()} x {jax.local_device_count()}"


@cache
def _software() -> tuple[str, ...]:
    """What numbers depend on beside the piece and the device."""
    named = [f"{name} {version}" for name, version in versions().items()]
    return (*named, f"source {library_digest()[:12]}")
