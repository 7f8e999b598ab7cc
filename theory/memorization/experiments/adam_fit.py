"""Least squares by Adam, all rows in every step, until the loss is as small as it shall be.

Networks are in single precision: see :mod:`freeridge.solvers.perceptron`.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from freeridge.solvers.perceptron import Perceptron

CHUNK = 1000  # steps between two reports


class Fitted(NamedTuple):
    """A trained network, its mean squared error, and the steps it took."""

    network: Perceptron
    loss: float
    steps: int


class _State(NamedTuple):
    """Between two steps: loss and gradient are those of the network beside them."""

    network: Perceptron
    memory: Any
    loss: Float[Array, ""]
    slope: Perceptron
    step: Int[Array, ""]


def fit(
    network: Perceptron,
    inputs: Float[np.ndarray, "n d"],
    labels: Float[np.ndarray, " n"],
    *,
    rate: float,
    tolerance: float,
    epochs: int,
    chunk: int = CHUNK,
    report: Callable[[int], None] = lambda done: None,
) -> Fitted:
    """Least squares by Adam with all rows in every step, until the loss is below the tolerance.

    Steps are compiled in chunks, of which the outcome does not depend: the training ends at the first weights
    with a loss below the tolerance, and these are returned.

    Parameters
    ----------
    network : Perceptron
        Before training, with one output.
    inputs, labels : float32 array
    rate : float
        Step size.
    tolerance : float
        Of the mean squared error.
    epochs : int
        After which the training ends at the latest.
    chunk : int
        Steps between two calls of the report.
    report : callable
        Told the number of steps done.

    Raises
    ------
    ImportError
        When optax is not there.

    Examples
    --------
    >>> from freeridge.solvers.perceptron import uniform_perceptron
    >>> one = uniform_perceptron(np.random.default_rng(0), [1, 8, 1], activation="tanh")
    >>> x, y = np.ones((3, 1), np.float32), np.ones(3, np.float32)
    >>> found = fit(one, x, y, rate=1e-2, tolerance=1e-3, epochs=400)
    >>> found.loss < 1e-3, found.steps < 400
    (True, True)
    """
    rows = jnp.asarray(inputs), jnp.asarray(labels)
    memory = _adam(rate).init(network)
    state = _State(network, memory, *_loss_and_slope(network, *rows), jnp.zeros((), jnp.int32))
    enough = jnp.float32(tolerance)
    while not state.loss < enough and int(state.step) < epochs:
        end = min(int(state.step) + chunk, epochs)
        state = _steps(state, *rows, jnp.int32(end), enough, rate)
        report(int(state.step))
    return Fitted(state.network, float(state.loss), int(state.step))


@eqx.filter_jit
def _loss_and_slope(
    network: Perceptron, inputs: Float[Array, "n d"], labels: Float[Array, " n"]
) -> tuple[Float[Array, ""], Perceptron]:
    return jax.value_and_grad(lambda now: jnp.mean((now(inputs)[:, 0] - labels) ** 2))(network)


@eqx.filter_jit
def _steps(
    state: _State,
    inputs: Float[Array, "n d"],
    labels: Float[Array, " n"],
    end: Int[Array, ""],
    tolerance: Float[Array, ""],
    rate: float,
) -> _State:
    optimiser = _adam(rate)

    def step(now: _State) -> _State:
        with jax.numpy_dtype_promotion("standard"):  # optax multiplies its int32 counter by floats
            change, memory = optimiser.update(now.slope, now.memory)
        network = jax.tree.map(jnp.add, now.network, change)
        return _State(network, memory, *_loss_and_slope(network, inputs, labels), now.step + jnp.int32(1))

    # A loss that is not a number goes on to the last epoch.
    return jax.lax.while_loop(lambda now: ~(now.loss < tolerance) & (now.step < end), step, state)


def _adam(rate: float) -> Any:
    try:
        import optax
    except ImportError:
        raise ImportError("networks are trained with optax: pip install 'freeridge[train]'") from None
    return optax.adam(rate)
