"""BLAS and LAPACK on NumPy arrays without Python's global lock, so that threads run side by side.

The functions of scipy.linalg keep the lock while they compute: two threads take turns. NumPy gives it up,
but has no product with a triangular matrix and no inverse of a positive definite one. SciPy hands out the
addresses of its routines, for Cython and whatever library it was built with, and a call through ctypes
gives up the lock.

Matrices are float32 or float64 and contiguous along one of their two axes; slices of them are too.
Triangles are lower ones, stored by rows, and nothing above the diagonal is read. LAPACK stores by columns:
it sees a matrix by rows as its transpose, a lower triangle as an upper one.

Where LAPACK solves with a triangle or works row by row inside one (`potrf`, `trtri`), or has nothing (the
product of two triangles), halves are taken until the rest is a product of triangles with rectangles.
"""

import ctypes
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from jaxtyping import Float

Square = Float[np.ndarray, "d d"]
Tall = Float[np.ndarray, "d k"]

_LEAF = 64  # rows that are not halved any more; measured flat between 48 and 96


def triangular_times(lower: Square, tall: Tall, transposed: bool = False) -> None:
    """tall becomes lower @ tall, or lower.T @ tall.

    Examples
    --------
    >>> import numpy as np
    >>> from freeridge.solvers.lapack import triangular_times
    >>> tall = np.eye(2)
    >>> triangular_times(np.array([[2.0, 9.0], [3.0, 5.0]]), tall)
    >>> tall
    array([[2., 0.],
           [3., 5.]])
    """
    _triangular("trmm", lower, tall, transposed)


def triangular_solve(lower: Square, tall: Tall, transposed: bool = False) -> None:
    """tall becomes the inverse of lower, or of lower.T, times tall."""
    _triangular("trsm", lower, tall, transposed)


def triangular_gram(lower: Square) -> None:
    """The lower triangle becomes that of lower.T @ lower."""
    _run("lauum", lower, "U", len(lower), lower, _layout(lower)[2], np.zeros(1, np.int64))


def triangular_inverse(lower: Square) -> None:
    """lower becomes its own inverse."""
    d = len(lower)
    if d <= _LEAF:
        _run("trtri", lower, "U", "N", d, lower, _layout(lower)[2], np.zeros(1, np.int64))
        return
    half = _half(d)
    head, corner, tail = lower[:half, :half], lower[half:, :half], lower[half:, half:]
    triangular_inverse(head)
    triangular_inverse(tail)
    _invert_corner(head, corner, tail)


def triangular_product(left: Square, right: Square) -> None:
    """The lower triangle of right becomes that of left @ right, of two lower triangles."""
    d = len(left)
    if d <= _LEAF:
        right[:] = np.tril(left) @ np.tril(right)
        return
    half = _half(d)
    triangular_product(left[half:, half:], right[half:, half:])
    corner = right[half:, :half]
    triangular_times(left[half:, half:], corner)
    other = left[half:, :half].copy()
    triangular_times(right[:half, :half], other.T, transposed=True)
    corner += other
    triangular_product(left[:half, :half], right[:half, :half])


def positive_inverse(symmetric: Square) -> bool:
    """The lower triangle of a matrix becomes that of its inverse; False if it is not positive definite.

    Examples
    --------
    >>> import numpy as np
    >>> from freeridge.solvers.lapack import mirror, positive_inverse
    >>> matrix = np.array([[2.0, 1.0], [1.0, 1.0]])
    >>> positive_inverse(matrix)
    True
    >>> mirror(matrix)
    >>> matrix.round(12)
    array([[ 1., -1.],
           [-1.,  2.]])
    """
    if not factor_inverse(symmetric):
        return False
    triangular_gram(symmetric)
    return True


def factor_inverse(symmetric: Square) -> bool:
    """The lower triangle becomes W, with W'W the inverse; False if the matrix is not positive definite."""
    d, step = len(symmetric), _layout(symmetric)[2]
    if d <= _LEAF:
        failed = np.zeros(1, np.int64)
        _run("potrf", symmetric, "U", d, symmetric, step, failed)
        if failed.any():
            return False
        triangular_inverse(symmetric)
        return True
    half = _half(d)
    head, corner, tail = symmetric[:half, :half], symmetric[half:, :half], symmetric[half:, half:]
    if not factor_inverse(head):
        return False
    triangular_times(head, corner.T)
    _run("syrk", symmetric, "U", "T", d - half, half, -1.0, corner, step, 1.0, tail, step)
    if not factor_inverse(tail):
        return False
    _invert_corner(head, corner, tail)
    return True


def eigh(symmetric: Square) -> tuple[Float[np.ndarray, "d"], Square]:
    """Ascending eigenvalues and eigenvectors in columns; the matrix is overwritten.

    Examples
    --------
    >>> import numpy as np
    >>> from freeridge.solvers.lapack import eigh
    >>> eigh(np.diag([3.0, 2.0]))
    (array([2., 3.]), array([[0., 1.],
           [1., 0.]]))
    """
    d = len(symmetric)
    entries, by_rows, step = _layout(symmetric)
    values, work = np.empty(d, symmetric.dtype), np.empty(1 + 6 * d + 2 * d * d, symmetric.dtype)
    whole, failed = np.empty(3 + 5 * d, np.int64), np.zeros(1, np.int64)
    _run("syevd", symmetric, "V", "L", d, entries, step, values, work, len(work), whole, len(whole), failed)
    if failed.any():
        raise np.linalg.LinAlgError("Eigenvalues did not converge")
    return values, symmetric.T if by_rows else symmetric


def mirror(lower: Square) -> None:
    """The upper triangle becomes the transpose of the lower one."""
    above = np.arange(_LEAF)[:, None] < np.arange(_LEAF)
    for start in range(0, len(lower), _LEAF):
        stop = min(start + _LEAF, len(lower))
        block = lower[start:stop, start:stop]
        np.copyto(block, block.T, where=above[: stop - start, : stop - start])
        lower[start:stop, stop:] = lower[stop:, start:stop].T


def _invert_corner(
    head: Float[np.ndarray, "h h"], corner: Float[np.ndarray, "t h"], tail: Float[np.ndarray, "t t"]
) -> None:
    """The corner of the inverse of a triangle, given the inverses of its other two blocks."""
    triangular_times(tail, corner)
    triangular_times(head, corner.T, transposed=True)
    np.negative(corner, out=corner)


def _half(d: int) -> int:
    """About half, a multiple of the leaf."""
    return -(-d // (2 * _LEAF)) * _LEAF


def _triangular(name: str, lower: Square, tall: Tall, transposed: bool) -> None:
    entries, by_rows, step = _layout(tall)
    # Stored by rows, tall is to LAPACK its transpose, and a factor on its left is one on its right.
    side, sizes = ("R", tall.shape[::-1]) if by_rows else ("L", tall.shape)
    letter = "T" if transposed == by_rows else "N"
    _run(name, tall, side, "U", letter, "N", *sizes, 1.0, lower, _layout(lower)[2], entries, step)


def _layout(matrix: Tall) -> tuple[Tall, bool, int]:
    """The matrix, whether it is stored by rows, and how many entries lie between two of them."""
    by_rows = matrix.strides[1] == matrix.itemsize
    across = 0 if by_rows else 1
    return matrix, by_rows, max(matrix.strides[across] // matrix.itemsize, matrix.shape[1 - across])


def _run(name: str, like: np.ndarray, *arguments: Any) -> None:
    function, integer = _routine(("d" if like.dtype == np.float64 else "s") + name)
    real = ctypes.c_double if like.dtype == np.float64 else ctypes.c_float
    held: list[Any] = []
    for one in arguments:
        if isinstance(one, str):
            held.append(ctypes.c_char_p(one.encode()))
        elif isinstance(one, np.ndarray):
            held.append(ctypes.c_void_p(one.ctypes.data))
        else:
            held.append(ctypes.byref(real(one) if isinstance(one, float) else integer(one)))
    function(*held)


@lru_cache(maxsize=64)
def _routine(name: str) -> tuple[Callable[..., None], Any]:
    """A routine, and its type of whole numbers, which depends on the library."""
    from scipy.linalg import cython_blas, cython_lapack

    module = cython_blas if name in cython_blas.__pyx_capi__ else cython_lapack
    capsule, api = module.__pyx_capi__[name], ctypes.pythonapi
    signature = ctypes.PYFUNCTYPE(ctypes.c_char_p, ctypes.py_object)(("PyCapsule_GetName", api))(capsule)
    pointer = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(
        ("PyCapsule_GetPointer", api)
    )(capsule, signature)
    return ctypes.CFUNCTYPE(None)(pointer), ctypes.c_int if b" int *" in signature else ctypes.c_int64
