"""One batched computation over all devices that JAX has in this process.

Lanes of a batch are independent, so each device gets an equal share of them and runs the whole program on it
by itself (:func:`jax.shard_map`). Nothing is exchanged, and no device waits in a loop for the slowest lane of
another, as it would if one loop were sharded. JAX decides which devices there are: GPUs, TPUs, or a processor
that is told to pose as several (``XLA_FLAGS=--xla_force_host_platform_device_count=4``), for tests.
"""

import os
import warnings
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from freeridge.solvers.errors import InvalidSetting

_AXIS = "lanes"


def device_count() -> int:
    """Devices of this process that a batch is spread over."""
    return len(jax.local_devices())


def rounded_up(lanes: int) -> int:
    """The next number of lanes that the devices can share equally.

    Examples
    --------
    >>> from freeridge.solvers.devices import device_count, rounded_up
    >>> rounded_up(7) % device_count()
    0
    """
    return -(-lanes // device_count()) * device_count()


def over_devices(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function of a batch so that every device runs it on its own share of the lanes.

    Parameters
    ----------
    function : callable
        Takes a pytree of arrays with the lanes first, and any number of further pytrees that all lanes share.
        Returns a pytree of arrays with the lanes first. It must be traceable, and sees as many lanes as one
        device gets.

    Returns
    -------
    callable
        The same function, compiled. With one device it is :func:`jax.jit` of it and nothing else. With
        several the number of lanes must be a multiple of theirs: see :func:`rounded_up`. Programs for batches
        of other sizes may round differently, so another number of devices may change the last digits.

    Examples
    --------
    >>> import jax
    >>> import numpy as np
    >>> from freeridge.solvers.devices import over_devices, rounded_up
    >>> lanes = np.linspace(0.0, 1.0, rounded_up(3))
    >>> over_devices(jax.vmap(lambda x: {"square": x**2}))(lanes)["square"].shape == lanes.shape
    True
    """
    if device_count() == 1:
        return jax.jit(function)
    mesh = _mesh()
    split, whole = NamedSharding(mesh, PartitionSpec(_AXIS)), NamedSharding(mesh, PartitionSpec())

    def shares(batch: Any, shared: tuple[Any, ...]) -> Any:
        return function(batch, *shared)

    compiled = jax.jit(
        jax.shard_map(
            shares,
            mesh=mesh,
            in_specs=(split.spec, whole.spec),
            out_specs=split.spec,
            check_vma=False,  # loops start from constants, which the check takes for values equal everywhere
        )
    )

    def call(batch: Any, *shared: Any) -> Any:
        for leaf in jax.tree.leaves(batch):
            lanes = np.shape(leaf)[0]
            if lanes % mesh.size:
                expected = f"a multiple of the {mesh.size} devices, such as {rounded_up(lanes)}"
                raise InvalidSetting("lanes", lanes, expected)
        return compiled(jax.device_put(batch, split), jax.device_put(shared, whole))

    return call


def on_every_device(tree: Any) -> Any:
    """Copy arrays to all devices, once, for calls that share them."""
    if device_count() == 1:
        return jax.device_put(tree)
    return jax.device_put(tree, NamedSharding(_mesh(), PartitionSpec()))


def _mesh() -> Mesh:
    devices = jax.local_devices()
    threads = int(os.environ.get("NPROC", os.cpu_count() or 1))
    if devices[0].platform == "cpu" and threads <= len(devices):
        # Each device holds a thread while its linear algebra waits for one of the same threads.
        warnings.warn(
            f"a processor that poses as {len(devices)} devices needs more threads than that, or JAX may wait "
            f"for ever in linear algebra: set NPROC={2 * len(devices)} and OPENBLAS_NUM_THREADS=1",
            RuntimeWarning,
            stacklevel=3,
        )
    return Mesh(np.array(devices), (_AXIS,))
