"""Deliberate practice: train; when accuracy stops improving, ask for what the learner is unsure of."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from freeridge.solvers.checkpoints import claim, stream
from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.fields import require_count
from freeridge.solvers.perceptron import Perceptron, normal_perceptron
from freeridge.solvers.replicates import key_entropy
from freeridge.solvers.storage import fingerprint, provenance
from freeridge.theory.practice.classifier import Course, accuracy, beginner, entropies, train
from freeridge.theory.practice.generator import Generator, Guidance
from freeridge.theory.practice.state import (
    PRACTICE,
    Examples,
    GeneratorFailed,
    State,
    described,
    fitting,
    read,
    write,
)

_WEIGHTS, _BATCHES, _EXAMPLES = 0, 1, 2  # streams of random numbers


class Outcome(NamedTuple):
    """What a run of the loop leaves.

    Attributes
    ----------
    record : xarray.Dataset
        See :meth:`DeliberatePractice.run`.
    classifier : Perceptron
        The learner after its last step.
    pool : Examples
        Everything that was generated, in the order of the rounds.
    """

    record: xr.Dataset
    classifier: Perceptron
    pool: Examples


class DeliberatePractice(eqx.Module):
    r"""The loop of deliberate practice.

    1. Ask the generator for $N$ examples and train on them.
    2. Every ``every`` steps, measure the accuracy on real validation data. A counter of evaluations starts
       again at every improvement.
    3. When it reaches the patience $T_{\max}$, ask for $P$ more examples, drawn from the generator tilted by
       the entropy of the learner's answer, $p(x \mid y)\, e^{\omega H(f(x))}$; add them to the pool, from
       which batches are drawn uniformly; start the counter again. At most $k$ times, and not once the rate
       has begun to fall.
    4. End with the cool-down of the rate.

    Classes are asked for in equal numbers. The number of steps is fixed, so that runs with other numbers of
    examples compare at equal compute; $k = 0$ is training on $N$ examples as they come.

    Parameters
    ----------
    course : Course
        How the learner is trained.
    initial, added : int
        $N$ and $P$.
    rounds : int
        $k$, at least 0.
    strength : float
        $\omega \ge 0$.
    patience : int
        $T_{\max}$, in evaluations.
    growth : int
        What the patience grows by at every round: 1 is the incremental schedule of the paper, 0 is fixed.
    every : int
        Steps between evaluations; divides those of the course.

    References
    ----------
    Improving the Scaling Laws of Synthetic Data with Deliberate Practice, Algorithm 1.
    """

    course: Course
    initial: int = eqx.field(static=True)
    added: int = eqx.field(static=True, default=1)
    rounds: int = eqx.field(static=True, default=0)
    strength: float = eqx.field(static=True, default=0.0)
    patience: int = eqx.field(static=True, default=1)
    growth: int = eqx.field(static=True, default=1)
    every: int = eqx.field(static=True, default=50)

    def __check_init__(self) -> None:
        for name in ("initial", "added", "patience", "every"):
            require_count(name, getattr(self, name))
        for name in ("rounds", "growth"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 0:
                raise InvalidSetting(name, value, "a whole number >= 0")
        if not isinstance(self.strength, int | float) or not 0 <= self.strength < np.inf:
            raise InvalidSetting("strength", self.strength, "a strength >= 0")
        if self.course.steps % self.every:
            raise InvalidSetting("every", self.every, f"a divisor of the {self.course.steps} steps")

    def run(
        self,
        generator: Generator,
        validation: Examples,
        test: Examples,
        key: Any,
        folder: str | os.PathLike[str] | None = None,
        *,
        progress: bool = False,
    ) -> Outcome:
        """Run the loop, or go on with the one that an earlier call left in the folder.

        Parameters
        ----------
        generator : Generator
        validation, test : Examples
            Real data; the test accuracy is measured once, at the end.
        key : int, sequence of int or JAX key
            Seed of the weights, of the batches and of the examples.
        folder : path, optional
            For the state after each round and at the end. It must be empty or of this very run.
        progress : bool
            A line on standard error at every round.

        Returns
        -------
        Outcome
            Its record has ``validation_accuracy``, ``samples`` and ``loss`` over the evaluations (``step``);
            ``asked_at``, ``samples_after`` and ``entropy`` of the new examples over the rounds, of which
            round 0 is the initial set; ``test_accuracy``, ``final_validation_accuracy``, and the costs
            ``generated`` (examples), ``gradients`` (examples times steps that the learner was trained on) and
            ``generator_evaluations``.

        Raises
        ------
        GeneratorFailed
            When the generator does. With a folder, the same call goes on from there, to the very numbers
            of an undisturbed run.
        InvalidSetting
            When the data do not fit the generator, or the folder holds something else.
        ImportError
            When optax is not there.
        KeyboardInterrupt
            With Ctrl-C; with a folder, the same call goes on from there.
        """
        validation = fitting("validation", validation, generator)
        test = fitting("test", test, generator)
        state, path = self._beginning(generator, key), None
        if folder is not None:
            path = Path(folder) / "state.npz"
            claim(path.parent / PRACTICE, self._description(generator, validation, test, key))
            if path.exists():
                state = read(path, state.learner)
        keep: Callable[[State], None] = (lambda now: None) if path is None else (lambda now: write(path, now))
        try:
            while state.step < self.course.steps:
                if self._is_due(state):
                    state = self._practise(state, generator, key)
                    keep(state)
                    if progress:
                        _say(state)
                state = self._advance(state, validation, key)
        finally:
            keep(state)  # also after Ctrl-C, or when the generator has failed
        return Outcome(self._record(state, generator, validation, test), state.learner.network, state.pool)

    def _beginning(self, generator: Generator, key: Any) -> State:
        """The learner before training, and an empty pool."""
        sequence = np.random.SeedSequence(key_entropy(key), spawn_key=(_WEIGHTS,))
        hidden = [self.course.width] * self.course.layers
        network = normal_perceptron(
            np.random.default_rng(sequence), [generator.dimension, *hidden, generator.classes]
        )
        nothing = Examples(np.empty((0, generator.dimension), np.float32), np.empty(0, np.int32))
        return State(beginner(self.course, network), nothing)

    def _is_due(self, state: State) -> bool:
        """Whether to ask for examples now."""
        if state.rounds < 0:
            return True
        patience = self.patience + self.growth * state.rounds
        open_still = state.rounds < self.rounds and state.step < self.course.stable_end
        return open_still and state.waited >= patience

    def _practise(self, state: State, generator: Generator, key: Any) -> State:
        """Ask for examples, and add them to the pool."""
        count = self.initial if state.rounds < 0 else self.added
        guided = state.rounds >= 0 and self.strength > 0
        guidance = Guidance(state.learner.network, self.strength) if guided else None
        labels = np.arange(count, dtype=np.int32) % np.int32(generator.classes)
        draw = jax.random.fold_in(stream(key, _EXAMPLES), state.rounds + 1)
        try:
            found = np.asarray(generator.sample(draw, jnp.asarray(labels), guidance), np.float32)
        except Exception as error:
            raise GeneratorFailed(f"{type(error).__name__}: {error}", state) from error
        if found.shape != (count, generator.dimension) or not np.all(np.isfinite(found)):
            wanted = f"{count} x {generator.dimension} finite numbers"
            raise GeneratorFailed(f"expected {wanted}, got an array of shape {found.shape}", state)
        entropy = float(np.mean(entropies(state.learner.network, found)))
        return state.with_examples(Examples(found, labels), entropy)

    def _advance(self, state: State, validation: Examples, key: Any) -> State:
        """Train until the next evaluation; what the batches are depends on the key, step and pool alone."""
        sequence = np.random.SeedSequence(key_entropy(key), spawn_key=(_BATCHES, state.step))
        shape = (self.every, self.course.batch)
        rows = np.random.default_rng(sequence).integers(0, len(state.pool.labels), shape)
        inputs, labels = state.pool
        learner, loss = train(state.learner, self.course, inputs[rows], labels[rows])
        return state.with_evaluation(learner, float(loss), accuracy(learner.network, *validation))

    def _description(
        self, generator: Generator, validation: Examples, test: Examples, key: Any
    ) -> dict[str, Any]:
        """What a folder is of."""
        return {
            **provenance(self, key),
            "generator": described(generator),
            "data": fingerprint(*validation, *test),
        }

    def _record(self, state: State, generator: Generator, validation: Examples, test: Examples) -> xr.Dataset:
        """The history and the final accuracies."""
        classifier = state.learner.network
        first = min(len(state.pool.labels), self.initial)
        more = len(state.pool.labels) - first
        evaluations = first * generator.cost(False) + more * generator.cost(self.strength > 0)
        return xr.Dataset(
            {
                "validation_accuracy": ("step", state.validation),
                "samples": ("step", state.samples),
                "loss": ("step", state.loss),
                "asked_at": ("round", state.asked),
                "samples_after": ("round", state.grown),
                "entropy": ("round", state.entropy),
                "final_validation_accuracy": accuracy(classifier, *validation),
                "test_accuracy": accuracy(classifier, *test),
                "generated": len(state.pool.labels),
                "gradients": state.step * self.course.batch,
                "generator_evaluations": evaluations,
            },
            coords={"step": state.evaluated, "round": np.arange(len(state.asked))},
            attrs={"parameters": provenance(self), "precision": "float32"},
        )


def _say(state: State) -> None:
    accuracy = f"{state.validation[-1]:.3f}" if len(state.validation) else "not yet measured"
    print(
        f"step {state.step}: {len(state.pool.labels)} examples, entropy of the new ones "
        f"{state.entropy[-1]:.3f}, validation accuracy {accuracy}",
        file=sys.stderr,
        flush=True,
    )
