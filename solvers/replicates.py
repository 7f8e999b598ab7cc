"""Seeded replicates of any random experiment: mean, standard error, every value; knows no theory.

Replicate r draws from its own stream, numpy.random.SeedSequence(entropy=key, spawn_key=(r,)), and runs with
one BLAS thread: the numbers are the same to the last bit for any number of workers, in any order.

Workers are threads. NumPy's products, eigendecompositions and random draws release Python's global lock,
threads share the inputs, and a script needs no ``if __name__ == "__main__"`` as it would with processes. The
functions of scipy.linalg keep the lock: a replicate that lives in them gains nothing from a second worker.
"""

import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from freeridge.solvers.cores import available_cores, one_blas_thread
from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.replicate_batches import generator_of, run_batches
from freeridge.solvers.workers import place

Key = Any  # int, sequence of ints, or JAX key: nothing here imports JAX before it is asked for


class Replicates(NamedTuple):
    """Outcome of a Monte Carlo run.

    Attributes
    ----------
    mean : dict of array
        Average over replicates, per quantity.
    standard_error : dict of array
        Standard deviation (divisor R - 1) over the square root of R.
    values : dict of array, shape (R, ...)
        Every replicate, in order.
    """

    mean: dict[str, np.ndarray]
    standard_error: dict[str, np.ndarray]
    values: dict[str, np.ndarray]


def run_replicates(
    replicate: Callable[[np.random.Generator], Mapping[str, Any]],
    key: Key,
    replicates: int,
    *,
    progress: bool = False,
    workers: int | None = None,
) -> Replicates:
    """Run a random experiment many times on the processor.

    Parameters
    ----------
    replicate : callable
        Takes a NumPy generator, returns named numbers or arrays, of the same shapes each time.
    key : int, sequence of int, or JAX key
        Seed. Equal keys give equal numbers.
    replicates : int
        R >= 2.
    progress : bool
        Show a progress bar on standard error.
    workers : int, optional
        Replicates at a time; by default the processors this process may use.

    Returns
    -------
    Replicates
        mean, standard_error and values, dictionaries with the names that `replicate` gave.

    Warns
    -----
    RuntimeWarning
        When interrupted (Ctrl-C) after at least 2 replicates: the finished ones are returned. Before that the
        KeyboardInterrupt is passed on.

    Notes
    -----
    The limit of one BLAS thread holds for the whole process while this runs. Inside
    :func:`freeridge.solvers.workers.on_workers` replicates are computed elsewhere, or kept as they finish.

    Examples
    --------
    >>> from freeridge.solvers.replicates import run_replicates
    >>> draw = lambda rng: {"square": rng.standard_normal() ** 2}
    >>> mean, error, values = run_replicates(draw, key=0, replicates=400)
    >>> abs(mean["square"] - 1) < 4 * error["square"]
    np.True_
    >>> values["square"].shape
    (400,)
    """
    _check_replicates(replicates)
    entropy = key_entropy(key)
    workers = available_cores() if workers is None else workers
    if isinstance(workers, bool) or not isinstance(workers, int | np.integer) or workers < 1:
        raise InvalidSetting("workers", workers, "a whole number >= 1, or None for one per processor")

    if place().apart:
        with _progress_bar(progress, replicates) as advance:
            return _collect(run_batches(replicate, entropy, replicates, workers, advance))

    def run(index: int) -> Mapping[str, Any]:
        return replicate(generator_of(entropy, index))

    finished: dict[int, Mapping[str, Any]] = {}
    with one_blas_thread, _progress_bar(progress, replicates) as advance:
        try:
            if min(workers, replicates) == 1:
                for index in range(replicates):
                    finished[index] = run(index)
                    advance(1)
            else:
                _run_threads(run, replicates, min(workers, replicates), finished, advance)
        except KeyboardInterrupt:
            _keep_or_raise(len(finished), replicates)
    return _collect([finished[index] for index in sorted(finished)])


def run_replicates_jax(
    replicate: Callable[..., Mapping[str, Any]],
    key: Key,
    replicates: int,
    *,
    arguments: Sequence[Any] = (),
    batch: int = 1,
    progress: bool = False,
) -> Replicates:
    """Run a random experiment many times with JAX, compiled, on all its devices.

    Parameters
    ----------
    replicate : callable
        Takes a JAX key and `arguments`, returns named arrays; must be traceable.
    key : int, sequence of int, or JAX key
        Seed. Replicate r gets `jax.random.fold_in` of it and r, on whichever device. The numbers differ from
        those of `run_replicates`.
    replicates : int
        R >= 2.
    arguments : sequence of pytree
        Arrays handed to `replicate`: large ones compile faster here than captured in its closure.
    batch : int
        Replicates of each device in one call (`vmap`). Another batch may change the last digits.
    progress : bool
        Show a progress bar on standard error.

    Returns
    -------
    Replicates
        As from `run_replicates`, with the same behaviour on Ctrl-C.

    Examples
    --------
    >>> import jax
    >>> from freeridge.solvers.replicates import run_replicates_jax
    >>> draw = lambda key: {"square": jax.random.normal(key) ** 2}
    >>> mean, error, values = run_replicates_jax(draw, key=0, replicates=400, batch=100)
    >>> abs(mean["square"] - 1) < 4 * error["square"]
    np.True_
    """
    import jax
    import jax.numpy as jnp

    from freeridge.solvers.devices import device_count, on_every_device, over_devices

    _check_replicates(replicates)
    if isinstance(batch, bool) or not isinstance(batch, int | np.integer) or batch < 1:
        raise InvalidSetting("batch", batch, "a whole number >= 1")
    data = np.random.SeedSequence(key_entropy(key)).generate_state(2, np.uint32)
    root = jax.random.wrap_key_data(jnp.asarray(data), impl="threefry2x32")
    share = min(batch, -(-replicates // device_count()))

    def run(indices: Any, *arrays: Any) -> Mapping[str, Any]:
        keys = jax.vmap(lambda index: jax.random.fold_in(root, index))(indices)
        # By default accelerators round the factors of float32 products, to 10 bits or 7.
        with jax.default_matmul_precision("highest"):
            if share == 1:  # a batch of one would send a matrix through the slower batched routines
                return {name: jnp.asarray(part)[None] for name, part in replicate(keys[0], *arrays).items()}
            return jax.vmap(lambda one: replicate(one, *arrays))(keys)

    compiled, shared = over_devices(run), on_every_device(tuple(arguments))
    finished: list[Mapping[str, Any]] = []
    with _progress_bar(progress, replicates) as advance:
        try:
            step = share * device_count()
            for start in range(0, replicates, step):
                # The last batch is filled up rather than compiled anew.
                parts = compiled(np.arange(start, start + step, dtype=np.uint32), *shared)
                kept = min(step, replicates - start)
                host = {name: np.asarray(part) for name, part in parts.items()}
                finished += [{name: part[i] for name, part in host.items()} for i in range(kept)]
                advance(kept)
        except KeyboardInterrupt:
            _keep_or_raise(len(finished), replicates)
    return _collect(finished)


def pick_backend(backend: str | None = None) -> str:
    """NumPy on a processor, JAX where it has an accelerator; JAX is not imported to find out.

    Examples
    --------
    >>> from freeridge.solvers.replicates import pick_backend
    >>> pick_backend("numpy")
    'numpy'
    """
    if backend in ("numpy", "jax"):
        return backend
    if backend is not None:
        raise InvalidSetting("backend", backend, "'numpy', 'jax', or None to choose by device")
    jax: Any = sys.modules.get("jax")
    return "jax" if jax is not None and jax.default_backend() != "cpu" else "numpy"


def key_entropy(key: Key) -> tuple[int, ...]:
    """Whole numbers >= 0 that seed a run, from an int, a sequence of ints or a JAX key.

    Examples
    --------
    >>> import jax
    >>> from freeridge.solvers.replicates import key_entropy
    >>> key_entropy(7), key_entropy([7, 1]), key_entropy(jax.random.key(7))
    ((7,), (7, 1), (0, 7))
    """
    expected = "a whole number >= 0, a non-empty sequence of them, or a JAX key"
    dtype = getattr(key, "dtype", None)
    if dtype is not None and not isinstance(dtype, np.dtype):
        # A new-style JAX key: whoever made it has imported JAX.
        key = sys.modules["jax"].random.key_data(key)
    parts = np.atleast_1d(np.asarray(key) if dtype is not None else np.array(key, dtype=object)).ravel()
    whole = all(isinstance(part, int | np.integer) and not isinstance(part, bool) for part in parts)
    if len(parts) == 0 or not whole or min(parts) < 0:
        raise InvalidSetting("key", key, expected)
    return tuple(int(part) for part in parts)


def _check_replicates(replicates: int) -> None:
    if isinstance(replicates, bool) or not isinstance(replicates, int | np.integer) or replicates < 2:
        raise InvalidSetting("replicates", replicates, "a whole number >= 2: one has no standard error")


def _run_threads(
    run: Callable[[int], Mapping[str, Any]],
    replicates: int,
    workers: int,
    finished: dict[int, Mapping[str, Any]],
    advance: Callable[[int], None],
) -> None:
    """Keep every worker busy with one replicate waiting; whatever finishes lands in `finished`."""
    indices = iter(range(replicates))
    pending: dict[Future[Mapping[str, Any]], int] = {}
    pool = ThreadPoolExecutor(workers, thread_name_prefix="replicate")

    def harvest(done: set[Future[Mapping[str, Any]]]) -> None:
        for future in done:
            finished[pending.pop(future)] = future.result()
            advance(1)

    try:
        while True:
            while len(pending) < 2 * workers and (index := next(indices, None)) is not None:
                pending[pool.submit(run, index)] = index
            if not pending:
                return
            harvest(wait(pending, return_when=FIRST_COMPLETED).done)
    except KeyboardInterrupt:
        # What waits is dropped, what runs is seen to its end and kept.
        pool.shutdown(wait=True, cancel_futures=True)
        harvest({future for future in pending if not future.cancelled() and future.exception() is None})
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _keep_or_raise(finished: int, replicates: int) -> None:
    if finished < 2:
        raise KeyboardInterrupt
    warnings.warn(
        f"interrupted: {finished} of {replicates} replicates are finished and used",
        RuntimeWarning,
        stacklevel=3,
    )


def _collect(finished: Sequence[Mapping[str, Any]]) -> Replicates:
    # In double precision, whatever a replicate computed in: averages of many single ones lose digits.
    values = {name: np.stack([np.asarray(one[name], np.float64) for one in finished]) for name in finished[0]}
    with np.errstate(invalid="ignore"):  # an infinite value has an undefined error, which is NaN
        mean = {name: np.asarray(value.mean(0)) for name, value in values.items()}
        error = {name: np.asarray(value.std(0, ddof=1) / len(value) ** 0.5) for name, value in values.items()}
    return Replicates(mean, error, values)


@contextmanager
def _progress_bar(show: bool, total: int) -> Iterator[Callable[[int], None]]:
    if not show:
        yield lambda count: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("replicates", total=total)
        yield lambda count: bar.advance(task, count)
