"""The dense linear algebra of the Monte Carlo, once on NumPy and once on JAX.

Both tables offer the same few products and the same two kinds of random draw, so that the mathematics above
them (`freeridge.solvers.ridge_modes`, `freeridge.solvers.ridge_path`) is written once.

On NumPy a product with a triangular matrix goes to BLAS through `freeridge.solvers.lapack`, which leaves
out the half that is zero and lets threads run side by side, as NumPy's own `matmul` and `standard_normal`
do. `left.T @ left` costs half of a product: NumPy hands it to BLAS `syrk`.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Num

from freeridge.solvers import lapack

Array = Any  # numpy.ndarray or jax.Array: nothing here imports JAX before it is asked for


class Kernels(NamedTuple):
    """Array namespace and the products that each backend does in its own way; `lower` is lower triangular."""

    xp: Any
    scale: Callable[[Array, Any], Array]  # matrix * by; may overwrite the matrix
    times: Callable[[Array, Array], Array]  # lower @ tall
    transposed_times: Callable[[Array, Array], Array]  # lower.T @ tall
    product: Callable[[Array, Array], Array]  # lower @ lower
    gram: Callable[[Array], Array]  # lower.T @ lower
    transposed_solve: Callable[[Array, Array], Array]  # inverse of lower.T, applied to tall
    eigh: Callable[[Array], tuple[Array, Array]]  # ascending eigenvalues, vectors; may overwrite the matrix


class Matrix(NamedTuple):
    """A matrix that knows whether it is lower triangular, and so which product is cheap."""

    entries: Array
    lower: bool

    def times(self, other: Array, kernels: Kernels) -> Array:
        """Product with a matrix or a vector."""
        if self.lower and other.ndim == 2:
            return kernels.times(self.entries, other)
        return self.entries @ other

    def transposed_times(self, other: Array, kernels: Kernels) -> Array:
        """Product of the transpose with a matrix or a vector."""
        if self.lower and other.ndim == 2:
            return kernels.transposed_times(self.entries, other)
        return self.entries.T @ other

    def product(self, other: "Matrix", kernels: Kernels) -> "Matrix":
        """Product with a matrix that may be triangular itself."""
        if not other.lower:
            return Matrix(self.times(other.entries, kernels), False)
        if self.lower:
            return Matrix(kernels.product(self.entries, other.entries), True)
        return Matrix(kernels.transposed_times(other.entries, self.entries.T).T, False)

    def gram(self, kernels: Kernels) -> Array:
        """Product of the transpose with the matrix."""
        return kernels.gram(self.entries) if self.lower else self.entries.T @ self.entries


class NumpyDraws:
    """Random matrices from a NumPy generator.

    Examples
    --------
    >>> import numpy as np
    >>> from freeridge.solvers.kernels import NumpyDraws
    >>> draws = NumpyDraws(np.random.default_rng(0), np.float64)
    >>> draws.lower(np.array([5.0, 4.0])).shape
    (2, 2)
    """

    def __init__(self, generator: np.random.Generator, dtype: type[np.floating[Any]]) -> None:
        self._generator = generator
        self._dtype: Any = dtype

    def normal(self, rows: int, columns: int) -> Float[np.ndarray, "rows columns"]:
        """Matrix of independent standard normal entries."""
        return self._generator.standard_normal((rows, columns), dtype=self._dtype)

    def lower(self, freedom: Num[np.ndarray, "d"]) -> Float[np.ndarray, "d d"]:
        """Lower triangular matrix, standard normal below the diagonal and chi(freedom) on it."""
        d = len(freedom)
        matrix = np.zeros((d, d), self._dtype)
        below = _below_diagonal(d)
        matrix[below] = self._generator.standard_normal(d * (d - 1) // 2, dtype=self._dtype)
        matrix[np.arange(d), np.arange(d)] = np.sqrt(self._generator.chisquare(freedom))
        return matrix


class JaxDraws:
    """Random matrices from a JAX key; usable under `jit` and `vmap`."""

    def __init__(self, key: Array, dtype: type[np.floating[Any]]) -> None:
        self._key = key
        self._dtype = dtype

    def normal(self, rows: int, columns: int) -> Array:
        """Matrix of independent standard normal entries."""
        import jax

        return jax.random.normal(self._next(), (rows, columns), self._dtype)

    def lower(self, freedom: Num[np.ndarray, "d"]) -> Array:
        """Lower triangular matrix, standard normal below the diagonal and chi(freedom) on it."""
        import jax
        import jax.numpy as jnp

        degrees = jnp.asarray(freedom, self._dtype)
        diagonal = jnp.sqrt(jax.random.chisquare(self._next(), degrees, dtype=self._dtype))
        return jnp.tril(self.normal(len(freedom), len(freedom)), -1) + jnp.diag(diagonal)

    def _next(self) -> Array:
        import jax

        self._key, key = jax.random.split(self._key)
        return key


Draws = NumpyDraws | JaxDraws


@lru_cache(maxsize=4)
def _below_diagonal(d: int) -> Bool[np.ndarray, "d d"]:
    return np.tri(d, k=-1, dtype=bool)


def _times(lower: Float[np.ndarray, "d d"], tall: Float[np.ndarray, "d k"]) -> Float[np.ndarray, "d k"]:
    result = tall.copy("K")
    lapack.triangular_times(lower, result)
    return result


def _transposed_times(
    lower: Float[np.ndarray, "d d"], tall: Float[np.ndarray, "d k"]
) -> Float[np.ndarray, "d k"]:
    result = tall.copy("K")
    lapack.triangular_times(lower, result, transposed=True)
    return result


def _product(left: Float[np.ndarray, "d d"], right: Float[np.ndarray, "d d"]) -> Float[np.ndarray, "d d"]:
    result = right.copy()
    lapack.triangular_product(left, result)
    return result


def _gram(lower: Float[np.ndarray, "d d"]) -> Float[np.ndarray, "d d"]:
    result = lower.copy()
    lapack.triangular_gram(result)
    lapack.mirror(result)
    return result


def _transposed_solve(
    lower: Float[np.ndarray, "d d"], tall: Float[np.ndarray, "d k"]
) -> Float[np.ndarray, "d k"]:
    result = tall.copy("K")
    lapack.triangular_solve(lower, result, transposed=True)
    return result


def _scale(matrix: Float[np.ndarray, "..."], by: Any) -> Float[np.ndarray, "..."]:
    matrix *= by
    return matrix


NUMPY = Kernels(np, _scale, _times, _transposed_times, _product, _gram, _transposed_solve, lapack.eigh)


@lru_cache(maxsize=1)
def jax_kernels() -> Kernels:
    """Table for accelerators: plain products, which they do faster than anything cut into blocks."""
    import jax.numpy as jnp
    from jax.scipy.linalg import solve_triangular

    return Kernels(
        xp=jnp,
        scale=lambda matrix, by: matrix * by,
        times=lambda lower, tall: lower @ tall,
        transposed_times=lambda lower, tall: lower.T @ tall,
        product=lambda left, right: left @ right,
        gram=lambda lower: lower.T @ lower,
        transposed_solve=lambda lower, tall: solve_triangular(lower, tall, lower=True, trans=1),
        eigh=jnp.linalg.eigh,
    )
