"""Trainings that can be stopped and taken up again: streams of random numbers, states in files, and folders
that belong to one experiment.
"""

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.replicates import key_entropy
from freeridge.solvers.storage import StorageError, write_atomically


def stream(key: Any, purpose: int) -> Array:
    """A JAX key for one purpose, from the key of the user and the number of the purpose."""
    sequence = np.random.SeedSequence(key_entropy(key), spawn_key=(purpose,))
    return jax.random.wrap_key_data(jnp.asarray(sequence.generate_state(2, np.uint32)), impl="threefry2x32")


def save(path: Path, state: Any, **columns: np.ndarray) -> None:
    """Write the arrays of a state, and columns beside them, to a file that is whole or absent."""
    leaves = {f"leaf {i}": np.asarray(leaf) for i, leaf in enumerate(jax.tree.leaves(state))}
    content = io.BytesIO()
    np.savez(content, allow_pickle=False, **leaves, **columns)
    write_atomically(path, lambda temporary: temporary.write_bytes(content.getvalue()))


def load(path: Path, like: Any) -> tuple[Any, dict[str, np.ndarray]]:
    """The state and the columns of such a file.

    Parameters
    ----------
    path : Path
    like : pytree
        A state of the same structure, for example of :func:`jax.eval_shape`.

    Raises
    ------
    StorageError
        When it cannot be read or holds another structure.
    """
    shapes, structure = jax.tree.flatten(like)
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
            found = {name: file[name] for name in file.files}
        leaves = [found.pop(f"leaf {i}") for i in range(len(shapes))]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise StorageError(f"cannot read {path}: not a whole checkpoint of this experiment") from error
    if any(leaf.shape != shape.shape for leaf, shape in zip(leaves, shapes, strict=True)):
        raise StorageError(f"cannot read {path}: not a checkpoint of this experiment")
    return jax.tree.unflatten(structure, [jnp.asarray(leaf) for leaf in leaves]), found


def claim(path: Path, description: Mapping[str, Any]) -> None:
    """Refuse the folder of another experiment; write into an empty one whose it is.

    Parameters
    ----------
    path : Path
        A file in the folder, for the description.
    description : mapping
        All that the results depend on, seed included, as it goes into JSON.

    Raises
    ------
    InvalidSetting
        When something else is in the folder.

    Examples
    --------
    >>> import tempfile
    >>> mark = Path(tempfile.mkdtemp()) / "experiment.json"
    >>> claim(mark, {"seeds": 3})
    >>> claim(mark, {"seeds": 3})  # goes on
    """
    folder, mine = path.parent, json.dumps(description, indent=2)
    if path.exists():
        if path.read_text() != mine:
            expected = "a new folder: this one holds another experiment, or another key's"
            raise InvalidSetting("folder", str(folder), expected)
    elif folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InvalidSetting("folder", str(folder), "a new or empty folder, or one of this experiment")
    else:
        write_atomically(path, lambda temporary: temporary.write_text(mine))
