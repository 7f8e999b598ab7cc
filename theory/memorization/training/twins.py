r"""Twins: two networks, each trained on a half of the data, that tell what is learned without memorising.

Every example is given to one of two networks by a fair coin. Both learn from theirs alone; the answer of the
other network is held out. So that what both have learned is not undone by examples that contradict it, labels
give way: after each step the label of an example becomes the class $k$ that its held-out answer $p$ names,
with probability

$$ \left(p_k - \frac1K\right) \frac{K}{K - 1} , $$

1 for an answer that is certain and 0 for one that knows nothing. Examples whose held-out answer is not their
own label are those that what was learned first gets wrong: the inferred minority.

References
----------
M. Pezeshki et al., Discovering environments with XRM, ICML 2024 (cross risk minimisation); The Pitfalls of
Memorization: When Memorization Hurts Generalization, ICLR 2025, whose algorithm begins with it.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from freeridge.solvers.checkpoints import stream
from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.fields import require_count
from freeridge.solvers.perceptron import Perceptron
from freeridge.solvers.replicates import key_entropy
from freeridge.theory.memorization.training.course import Course, stepped
from freeridge.theory.memorization.training.measures import named_classes
from freeridge.theory.memorization.training.objectives import cross_entropies
from freeridge.theory.memorization.training.rows import class_numbers, single_inputs

_WEIGHTS, _COINS, _BATCHES, _FLIPS = range(4)  # streams of random numbers


class Twins(NamedTuple):
    """Trained twins.

    Attributes
    ----------
    networks : Perceptron
        Both: the arrays have a leading axis of 2.
    first : bool array, shape (n,)
        Whether the example was given to the first of them.
    labels, dynamic_labels : int32 array, shape (n,)
        As given, and what they have become.
    held_out : float32 array, shape (n, classes)
        Logits of the network that has not learned the example. With steps on all examples these are the
        logits of the last step, before it, as in the published script; with batches those of the networks in
        the end.
    """

    networks: Perceptron
    first: Bool[np.ndarray, " n"]
    labels: Int[np.ndarray, " n"]
    dynamic_labels: Int[np.ndarray, " n"]
    held_out: Float[np.ndarray, "n classes"]

    @property
    def flip_rate(self) -> float:
        """Share of the labels that have become another one."""
        return float(np.mean(self.dynamic_labels != self.labels))

    @property
    def sound(self) -> bool:
        """Whether training stayed finite and every class has kept most of its labels: where one has not, the
        networks have talked each other into something, which is mostly that there is one class only, or that
        each class has the other's name.
        """
        kept = self.dynamic_labels == self.labels
        return bool(np.all(np.isfinite(self.held_out))) and all(
            np.mean(kept[self.labels == label]) > 0.5 for label in np.unique(self.labels)
        )

    @property
    def mistaken(self) -> Bool[np.ndarray, " n"]:
        """Inferred group of the examples: whether the held-out answer is not their label."""
        return np.argmax(self.held_out, axis=1) != self.labels

    def predictions(self, inputs: Any) -> Int[np.ndarray, "2 m"]:
        """Classes that each of the networks names."""
        return np.asarray(named_classes(_both(self.networks, jnp.asarray(single_inputs(inputs)))))

    def either_mistaken(self, inputs: Any, labels: Any) -> Bool[np.ndarray, " m"]:
        """Inferred group of examples that neither network was trained on: whether one of them is wrong."""
        numbers = class_numbers(labels, self.held_out.shape[1])
        return np.any(self.predictions(inputs) != numbers, axis=0)


def train_twins(
    start: Callable[[np.random.Generator], Perceptron],
    inputs: Any,
    labels: Any,
    course: Course,
    key: Any = 0,
    *,
    balanced: bool = False,
) -> Twins:
    r"""Train a pair of networks.

    Parameters
    ----------
    start : callable
        Makes a network before training from a NumPy generator; called twice.
    inputs : array, shape (n, d)
    labels : array, shape (n,)
        Classes, from 0; there are as many as the network has outputs, at least 2.
    course : Course
        The step size is that of the mean loss over *all* examples of a step, though each network sees the
        loss of its own alone.
    key : int, sequence of int or JAX key
        Seed of weights, coins, batches and flips.
    balanced : bool
        Loss: the mean over the examples, or the sum over the classes of the mean over the examples whose
        present label it is.

    Returns
    -------
    Twins

    Raises
    ------
    InvalidSetting
        For inputs that are not finite or labels that are no classes.

    Examples
    --------
    One of twenty labels contradicts the others; held out, it is not believed.

    >>> import numpy as np
    >>> from freeridge.solvers.perceptron import uniform_perceptron
    >>> inputs, labels = np.repeat([[-1.0], [1.0]], 10, axis=0), np.repeat([0, 1], 10)
    >>> labels[0] = 1
    >>> start = lambda rng: uniform_perceptron(rng, [1, 2])
    >>> twins = train_twins(start, inputs, labels, Course(epochs=200, rate=1.0), key=2)
    >>> np.flatnonzero(twins.mistaken).tolist(), twins.flip_rate
    ([0], 0.05)
    """
    matrix = single_inputs(inputs)
    rng = np.random.default_rng(np.random.SeedSequence(key_entropy(key), spawn_key=(_WEIGHTS,)))
    networks = jax.tree.map(lambda *pair: jnp.stack(pair), start(rng), start(rng))
    classes = networks.weights[-1].shape[-1]
    if classes < 2:
        raise InvalidSetting("start", start, "networks with an output for each of two or more classes")
    numbers = class_numbers(labels, classes)
    if len(numbers) != len(matrix):
        raise InvalidSetting("labels", labels, f"one for each of the {len(matrix)} rows of the inputs")
    first = jax.random.bernoulli(stream(key, _COINS), 0.5, (len(numbers),))
    course.make_optimiser()  # a missing optax is met here, not within JAX
    keys = (stream(key, _BATCHES), stream(key, _FLIPS))
    networks, dynamic, held_out = _run(
        networks, jnp.asarray(matrix), jnp.asarray(numbers), first, course, keys, balanced
    )
    return Twins(networks, np.asarray(first), numbers, np.asarray(dynamic), np.asarray(held_out))


def best_twins(
    start: Callable[[np.random.Generator], Perceptron],
    inputs: Any,
    labels: Any,
    course: Course,
    key: Any = 0,
    *,
    balanced: bool = False,
    runs: int = 1,
) -> Twins:
    """Train several pairs, and take the one that flipped the most labels.

    The published code does so too, but among all runs; here pairs that ran away (:attr:`Twins.sound`), which
    flip more labels than any, are taken when there are no others.

    Parameters
    ----------
    start, inputs, labels, course, balanced
        As in :func:`train_twins`.
    key : int, sequence of int or JAX key
        Run r is seeded with this and r.
    runs : int
    """
    require_count("runs", runs)
    entropy = key_entropy(key)
    found = [
        train_twins(start, inputs, labels, course, (*entropy, run), balanced=balanced) for run in range(runs)
    ]
    return max(found, key=lambda twins: (twins.sound, twins.flip_rate))


def flip_probability(held_out: Float[Array, "batch classes"]) -> Float[Array, " batch"]:
    """Probability with which a label becomes the class that the held-out answer names.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> flip_probability(jnp.array([[0.0, 0.0], [200.0, 0.0]], jnp.float32)).tolist()
    [0.0, 1.0]
    """
    classes = held_out.shape[1]
    surest = jnp.max(jax.nn.softmax(held_out, axis=1), axis=1)
    return jnp.clip((surest - 1 / classes) * classes / (classes - 1), 0.0, 1.0)


@jax.jit
def _both(networks: Perceptron, inputs: Array) -> Array:
    return jax.vmap(lambda network: network(inputs))(networks)


def _losses_of_step(logits: Array, labels: Array, balanced: bool) -> Array:
    losses = cross_entropies(logits, labels)
    if not balanced:
        return jnp.mean(losses)
    sizes = jnp.zeros(logits.shape[1], jnp.float32).at[labels].add(1.0)
    return jnp.sum(losses / sizes[labels])


@eqx.filter_jit
def _run(
    networks: Perceptron,
    inputs: Array,
    labels: Array,
    first: Array,
    course: Course,
    keys: tuple[Array, Array],
    balanced: bool,
) -> tuple[Perceptron, Array, Array]:
    """Networks, labels and held-out logits in the end."""
    optimiser, count = course.make_optimiser(), len(inputs)
    whole = course.is_whole(count)

    def taken(x: Array, own: Array, networks: Perceptron) -> tuple[Array, Array]:
        """Held-in and held-out logits."""
        one, other = _both(networks, x)
        mine = own[:, None]
        return jnp.where(mine, one, other), jnp.where(mine, other, one)

    def step(carry: Any, drawn: tuple[Array | None, Array]) -> tuple[Any, Array | None]:
        networks, memory, present = carry
        batch, uniform = drawn
        x, own, now = (
            (inputs, first, present) if batch is None else (inputs[batch], first[batch], present[batch])
        )

        def loss(networks: Perceptron) -> tuple[Array, Array]:
            held_in, held_out = taken(x, own, networks)
            return _losses_of_step(held_in, now, balanced), held_out

        (_, held_out), slope = jax.value_and_grad(loss, has_aux=True)(networks)
        networks, memory = stepped(networks, memory, optimiser, slope)
        flipped = jnp.where(uniform < flip_probability(held_out), named_classes(held_out), now)
        present = flipped if batch is None else present.at[batch].set(flipped)
        return (networks, memory, present), held_out if batch is None else None

    def epoch(carry: Any, number: Array) -> tuple[Any, None]:
        now, held_out = carry
        of_batches, of_flips = (jax.random.fold_in(key, number) for key in keys)
        if whole:
            now, held_out = step(now, (None, jax.random.uniform(of_flips, (count,), jnp.float32)))
        else:
            batches = course.batches(of_batches, count)
            uniforms = jax.random.uniform(of_flips, batches.shape, jnp.float32)
            now, _ = jax.lax.scan(step, now, (batches, uniforms))
        return (now, held_out), None

    begun = (networks, optimiser.init(networks), labels)
    nothing = jnp.zeros((count, networks.weights[-1].shape[-1]), jnp.float32)
    numbers = jnp.arange(course.epochs, dtype=jnp.int32)
    ((networks, _, present), held_out), _ = jax.lax.scan(epoch, (begun, nothing), numbers)
    return networks, present, held_out if whole else taken(inputs, first, networks)[1]
