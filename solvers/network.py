"""Small linear systems without LAPACK: grounded networks, and elimination with pivoting.

Grounded networks are the linear systems behind every derivative of the theory, solved without a subtraction.
Linearising the fixed point of a ridge mixture always gives the equations of an electrical network: one node
per population (and one for the penalty), non-negative conductances between nodes, non-negative conductances
to the ground. Near interpolation the grounds vanish and a general solver loses every digit; the elimination
below only adds, multiplies and divides non-negative numbers, so a non-negative source gives potentials with
full *relative* accuracy however close to singular the network is. It is the algorithm of Grassmann, Taksar
and Heyman (1985) for Markov chains, with sources.
"""

import jax.numpy as jnp
from jaxtyping import Array, Inexact


def solve_grounded(
    conductance: Inexact[Array, "nodes nodes"],
    ground: Inexact[Array, " nodes"],
    source: Inexact[Array, " nodes"],
) -> Inexact[Array, " nodes"]:
    r"""Potentials of a grounded network.

    Solves, for every node $a$,

    $$ g_a v_a + \sum_{b \ne a} N_{ab} (v_a - v_b) = f_a . $$

    Parameters
    ----------
    conductance : array, shape (nodes, nodes)
        $N_{ab} \ge 0$; need not be symmetric, the diagonal is ignored.
    ground : array, shape (nodes,)
        $g_a \ge 0$.
    source : array, shape (nodes,)
        $f_a$; with $f \ge 0$ every potential is accurate to a few units in its last place.

    All three may be complex, as they are for training stopped early; accuracy is then what elimination gives.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> N = jnp.array([[0.0, 1.0], [1.0, 0.0]])
    >>> v = solve_grounded(N, jnp.array([1e-30, 0.0]), jnp.array([0.0, 1.0]))
    >>> bool(abs(v[1] - v[0] - 1.0) < 1e30 * 1e-15), bool(abs(v[0] / 1e30 - 1.0) < 1e-15)
    (True, True)

    References
    ----------
    W. K. Grassmann, M. I. Taksar and D. P. Heyman, Regenerative analysis and steady state distributions for
    Markov chains, Operations Research 33 (1985).
    """
    nodes = len(ground)
    # Scalars, not slices of arrays: under vmap each becomes one contiguous vector over the batch.
    n = [[conductance[a, b] for b in range(nodes)] for a in range(nodes)]
    g = [ground[a] for a in range(nodes)]
    f = [source[a] for a in range(nodes)]
    pivot = [g[0]] * nodes
    for k in reversed(range(1, nodes)):
        pivot[k] = g[k] + sum(n[k][:k])
        for a in range(k):
            through = n[a][k] / pivot[k]
            g[a] = g[a] + through * g[k]
            f[a] = f[a] + through * f[k]
            for b in range(k):
                if b != a:
                    n[a][b] = n[a][b] + through * n[k][b]
    potential = [f[0] / g[0]]
    for k in range(1, nodes):
        inflow = f[k] + sum(n[k][b] * potential[b] for b in range(k))
        potential.append(inflow / pivot[k])
    return jnp.stack(potential)


def solve_pivoting(matrix: Inexact[Array, "k k"], source: Inexact[Array, " k"]) -> Inexact[Array, " k"]:
    """Gaussian elimination with partial pivoting, unrolled; for systems of a few unknowns in large batches.

    LAPACK costs ten times more on batches of such systems, and batched calls to it can hang JAX on two cores.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> solve_pivoting(jnp.array([[0.0, 2.0], [1.0, 1.0]]), jnp.array([2.0, 3.0]))
    Array([2., 1.], dtype=float64)
    """
    size = len(source)
    for k in range(size):
        pivot = k + jnp.argmax(jnp.abs(matrix[k:, k]))
        order = jnp.arange(size)
        order = jnp.where(order == k, pivot, jnp.where(order == pivot, k, order))
        matrix, source = matrix[order], source[order]
        factors = jnp.where(jnp.arange(size) == k, 0.0, matrix[:, k] / matrix[k, k])
        matrix, source = matrix - jnp.outer(factors, matrix[k]), source - factors * source[k]
    return source / jnp.diag(matrix)
