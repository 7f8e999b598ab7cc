"""Inverses of dense matrices that JAX can batch and differentiate."""

import jax
import jax.numpy as jnp
import jax.scipy.linalg as jsl
from jaxtyping import Array, Inexact


@jax.custom_jvp
def inverse_symmetric(matrix: Inexact[Array, "k k"]) -> Inexact[Array, "k k"]:
    """The inverse of a positive definite matrix, or of a complex symmetric one.

    Examples
    --------
    >>> inverse_symmetric(2.0 * jnp.eye(1))
    Array([[0.5]], dtype=float64)
    """
    return _symmetric(matrix)


@jax.custom_jvp
def inverse_general(matrix: Inexact[Array, "k k"]) -> Inexact[Array, "k k"]:
    """The inverse of any square matrix.

    Examples
    --------
    >>> inverse_general(-2.0 * jnp.eye(1))
    Array([[-0.5]], dtype=float64)
    """
    return _general(matrix)


@inverse_symmetric.defjvp
def _symmetric_jvp(primals, tangents):  # type: ignore[no-untyped-def]
    inverse = inverse_symmetric(primals[0])
    return inverse, -inverse @ tangents[0] @ inverse


@inverse_general.defjvp
def _general_jvp(primals, tangents):  # type: ignore[no-untyped-def]
    inverse = inverse_general(primals[0])
    return inverse, -inverse @ tangents[0] @ inverse


# One factorisation at a time, also under vmap: batched LAPACK can hang JAX 0.10 on two cores, and gains
# nothing at these sizes.
@jax.custom_batching.sequential_vmap  # type: ignore[untyped-decorator]
def _symmetric(matrix: Inexact[Array, "k k"]) -> Inexact[Array, "k k"]:
    if jnp.iscomplexobj(matrix):
        return jnp.linalg.inv(matrix)  # symmetric, not Hermitian
    return jsl.cho_solve(jsl.cho_factor(matrix), jnp.eye(len(matrix)))


@jax.custom_batching.sequential_vmap  # type: ignore[untyped-decorator]
def _general(matrix: Inexact[Array, "k k"]) -> Inexact[Array, "k k"]:
    return jnp.linalg.inv(matrix)
