"""A basis in which several matrices are diagonal, and the atoms that several diagonals share."""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from freeridge.solvers.fields import known

# Matrices commute when their off-diagonal entries in a common basis are this small relative to their largest
# entry.
_COMMUTES = 1e-11


def common_eigenvectors(matrices: Sequence[Any]) -> Array | None:
    """Eigenvectors shared by all matrices, or None: traced, or not commuting.

    Examples
    --------
    >>> import numpy as np
    >>> common_eigenvectors([np.eye(2), np.array([[0.0, 1.0], [1.0, 0.0]])]) is None
    False
    >>> common_eigenvectors([np.diag([1.0, 2.0]), np.array([[0.0, 1.0], [1.0, 0.0]])]) is None
    True
    """
    concrete = [known(m) for m in matrices]
    if any(m is None for m in concrete):
        return None
    scaled = [m / max(float(np.max(np.abs(m))), np.finfo(float).tiny) for m in concrete if m is not None]
    # Incommensurable weights: the sum has a degenerate eigenvalue only where all of them do.
    _, basis = np.linalg.eigh(sum(np.sqrt(k + 2.0) * m for k, m in enumerate(scaled)))
    for m in scaled:
        rotated = basis.T @ m @ basis
        if np.max(np.abs(rotated - np.diag(np.diag(rotated)))) > _COMMUTES * len(m):
            return None
    return jnp.asarray(basis)


def merged_ends(ends: Sequence[Any]) -> Any:
    """Union of the block ends of several spectra; with traced ends repeats stay, as blocks of no
    dimension.

    Examples
    --------
    >>> import numpy as np
    >>> merged_ends([np.array([1.0, 4.0]), np.array([2.0, 4.0])])
    array([1., 2., 4.])
    """
    if all(isinstance(e, np.ndarray) for e in ends):
        return np.unique(np.concatenate(ends))
    return jnp.sort(jnp.concatenate([jnp.asarray(e) for e in ends]))


def equal_columns(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where each distinct column stands first, in that order, and for every column which of these it equals.

    Examples
    --------
    >>> import numpy as np
    >>> equal_columns(np.array([[2.0, 1.0, 2.0], [3.0, 1.0, 3.0]]))
    (array([0, 1]), array([0, 1, 0]))
    """
    _, first, atom = np.unique(rows, axis=1, return_index=True, return_inverse=True)
    order = np.argsort(first)
    return first[order], np.argsort(order)[np.ravel(atom)]


def summed(values: Array, atom: np.ndarray, count: int) -> Array:
    """Sums along the last axis of what belongs to each atom.

    Examples
    --------
    >>> import jax.numpy as jnp, numpy as np
    >>> summed(jnp.array([1.0, 2.0, 4.0]), np.array([0, 1, 0]), 2)
    Array([5., 2.], dtype=float64)
    """
    return jnp.zeros((*values.shape[:-1], count)).at[..., atom].add(values)
