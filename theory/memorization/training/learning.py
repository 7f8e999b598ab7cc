"""The trainer: minimise an objective over a perceptron, record what is asked for, keep the best.

Networks are trained in single precision. What an epoch draws depends on the key and its number alone.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from freeridge.solvers.checkpoints import stream
from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.fields import require_count
from freeridge.solvers.perceptron import Perceptron
from freeridge.theory.memorization.training.course import Course, stepped
from freeridge.theory.memorization.training.objectives import Objective, ShiftedCrossEntropy
from freeridge.theory.memorization.training.rows import single_inputs

_BATCHES = 0  # stream of random numbers


class Trained(NamedTuple):
    """A trained network, and how it came to be.

    Attributes
    ----------
    network : Perceptron
        At the chosen checkpoint.
    last : Perceptron
        After the last epoch.
    chosen : int
        Epochs that the chosen one was trained for.
    epochs : int array, shape (checkpoints,)
        Epochs done at each checkpoint: the first is 0, the last all of them.
    record : dict of array, shape (checkpoints, ...)
        What was measured, under ``<name of the measure>_<name of the metric>``.
    losses : array, shape (epochs,)
        Mean loss over the steps of every epoch, each before its step.
    state : pytree
        Of the objective, in the end.
    """

    network: Perceptron
    last: Perceptron
    chosen: int
    epochs: np.ndarray
    record: dict[str, np.ndarray]
    losses: np.ndarray
    state: Any


def train(
    network: Perceptron,
    inputs: Any,
    rows: Any,
    course: Course,
    key: Any = 0,
    *,
    objective: Objective | None = None,
    measures: Mapping[str, Callable[[Perceptron], Mapping[str, Array]]] | None = None,
    every: int = 1,
    select: str | None = None,
) -> Trained:
    """Train a network.

    Parameters
    ----------
    network : Perceptron
        Before training.
    inputs : array, shape (n, d)
    rows : pytree of array
        What the objective knows of the examples, n entries in each array; labels, shift and weights for the
        usual one, as made by :func:`freeridge.theory.memorization.training.rows.shifted_rows`.
    course : Course
    key : int, sequence of int or JAX key
        Seed of the batches; nothing is drawn when every step is on all examples.
    objective : Objective, optional
        :class:`ShiftedCrossEntropy` unless given; :mod:`freeridge.theory.memorization.training.objectives`
        says how to write another.
    measures : mapping of callable, optional
        Each takes the network and returns named arrays; it must be traceable. An equinox module, such as
        :class:`freeridge.theory.memorization.training.measures.GroupAccuracy`, is compiled once for all data
        of one shape, a function once for each function.
    every : int
        Epochs between checkpoints.
    select : str, optional
        Name in the record of the number that is largest at the checkpoint to keep: early stopping. Of equal
        ones the latest is kept, of those with NaN none; the network before training is no candidate. Without
        it the network after the last epoch is kept.

    Returns
    -------
    Trained

    Raises
    ------
    InvalidSetting
        For inputs that are not finite, rows of another number, a name that is not in the record.
    ImportError
        When the optimiser is AdamW and optax is not there.

    Examples
    --------
    >>> import numpy as np
    >>> from freeridge.solvers.perceptron import uniform_perceptron
    >>> from freeridge.theory.memorization.training.rows import shifted_rows
    >>> inputs, labels = np.array([[-1.0], [1.0], [2.0]]), np.array([0, 1, 1])
    >>> start = uniform_perceptron(np.random.default_rng(0), [1, 2])
    >>> found = train(start, inputs, shifted_rows(labels, 2), Course(epochs=200, rate=0.5))
    >>> np.argmax(found.network(inputs), axis=1).tolist(), found.epochs.tolist()[-1]
    ([0, 1, 1], 200)
    """
    require_count("every", every)
    matrix = single_inputs(inputs)
    if any(np.shape(leaf)[:1] != (len(matrix),) for leaf in jax.tree.leaves(rows)):
        raise InvalidSetting("rows", rows, f"arrays with an entry for each of the {len(matrix)} examples")
    course.make_optimiser()  # a missing optax is met here, not within JAX
    named = _Named(dict(measures or {}))
    numbers = sorted(name for name, part in jax.eval_shape(named, network).items() if part.shape == ())
    if select is not None and select not in numbers:
        raise InvalidSetting(
            "select", select, "a number that is measured: " + (", ".join(numbers) or "none is")
        )
    data, given = jax.tree.map(jnp.asarray, (matrix, rows))
    used = ShiftedCrossEntropy() if objective is None else objective
    found = _run(network, data, given, course, stream(key, _BATCHES), used, named, jnp.int32(every), select)
    (last, state), best, record, losses = found
    due = np.append(np.arange(0, course.epochs, every), course.epochs)
    chosen = course.epochs if select is None or int(best.epoch) < 0 else int(best.epoch)
    return Trained(
        last if chosen == course.epochs else best.network,
        last,
        chosen,
        due,
        {name: np.asarray(values)[due] for name, values in record.items()},
        np.asarray(losses),
        jax.tree.map(np.asarray, state),
    )


class _Named(eqx.Module):
    """All measures, under one name each."""

    measures: dict[str, Any]

    def __call__(self, network: Perceptron) -> dict[str, Array]:
        found = {name: measure(network) for name, measure in self.measures.items()}
        return {f"{name}_{metric}": part for name in found for metric, part in found[name].items()}


class _Best(NamedTuple):
    value: Array
    epoch: Array
    network: Perceptron

    def against(self, found: Mapping[str, Array], select: str | None, epoch: Array, now: Perceptron) -> Any:
        """The better of this and the network after so many epochs."""
        if select is None:
            return self
        value = found[select].astype(jnp.float32)
        better = (value >= self.value) & (epoch > 0)
        return jax.tree.map(lambda a, b: jnp.where(better, a, b), _Best(value, epoch, now), self)


@eqx.filter_jit
def _run(
    alone: Perceptron,
    inputs: Array,
    rows: Any,
    course: Course,
    key: Array,
    objective: Any,
    measure: _Named,
    every: Array,
    select: str | None,
) -> Any:
    """Network and state in the end, the best, the record at every epoch (with gaps), the losses.

    Inside, the arrays of a network have a leading axis of 1: XLA then computes the gradient of a wide linear
    layer on a processor four to six times faster (it keeps the transpose of the weights), others as fast.
    """
    optimiser, count = course.make_optimiser(), len(inputs)

    def step(now: Any, batch: Array | None) -> tuple[Any, Array]:
        network, memory, state = now
        data = (inputs, rows) if batch is None else jax.tree.map(lambda part: part[batch], (inputs, rows))

        def loss(network: Perceptron) -> tuple[Array, Any]:
            return objective(jax.vmap(lambda one: one(data[0]))(network)[0], data[1], state)

        (value, state), slope = jax.value_and_grad(loss, has_aux=True)(network)
        return (*stepped(network, memory, optimiser, slope), state), value

    def checked(number: Array, network: Perceptron, best: _Best) -> tuple[Any, _Best]:
        network = jax.tree.map(lambda part: part[0], network)
        found = measure(network)
        return found, best.against(found, select, number, network)

    def skipped(number: Array, network: Perceptron, best: _Best) -> tuple[Any, _Best]:
        shapes = jax.eval_shape(measure, alone)
        return jax.tree.map(lambda part: jnp.zeros(part.shape, part.dtype), shapes), best

    def epoch(carry: Any, number: Array) -> tuple[Any, Any]:
        now, best = carry
        found, best = jax.lax.cond(number % every == 0, checked, skipped, number, now[0], best)
        if course.is_whole(count):
            now, loss = step(now, None)
        else:
            now, losses = jax.lax.scan(step, now, course.batches(jax.random.fold_in(key, number), count))
            loss = jnp.mean(losses)
        return (now, best), (found, loss)

    one = jax.tree.map(lambda part: part[None], alone)
    begun = (one, optimiser.init(one), objective.begin())
    nothing = _Best(jnp.float32(-jnp.inf), jnp.int32(-1), alone)
    numbers = jnp.arange(course.epochs, dtype=jnp.int32)
    (now, best), (record, losses) = jax.lax.scan(epoch, (begun, nothing), numbers)
    final, best = checked(jnp.int32(course.epochs), now[0], best)
    whole = jax.tree.map(lambda parts, part: jnp.concatenate([parts, part[None]]), record, final)
    return (jax.tree.map(lambda part: part[0], now[0]), now[2]), best, whole, losses
