"""What the loop of deliberate practice carries along, and the files it is taken up again from."""

import dataclasses
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from freeridge.solvers.checkpoints import load, save
from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.storage import provenance
from freeridge.theory.practice.classifier import Learner
from freeridge.theory.practice.generator import Generator

PRACTICE = "practice.json"  # says whose a folder is


class Examples(NamedTuple):
    """Inputs and their classes.

    Attributes
    ----------
    inputs : float32 array, shape (n, d)
    labels : int32 array, shape (n,)
    """

    inputs: Float[np.ndarray, "n d"]
    labels: Int[np.ndarray, " n"]


@dataclasses.dataclass(frozen=True)
class State:
    """The loop at one moment.

    Parameters
    ----------
    learner : Learner
    pool : Examples
        Everything that was generated, in the order of the rounds.
    waited, best : int, float
        Evaluations since the validation accuracy was last improved, and that accuracy.
    evaluated, samples, validation, loss : arrays, shape (evaluations,)
        Step, size of the pool, validation accuracy, and mean training loss since the evaluation before.
    asked, grown, entropy : arrays, shape (rounds,)
        Step at which examples were asked for, the size of the pool after it, and the mean entropy (nats) of
        the learner's answers to the new examples. The first round is the initial set.
    """

    learner: Learner
    pool: Examples
    waited: int = 0
    best: float = -1.0
    evaluated: Int[np.ndarray, " evaluations"] = dataclasses.field(
        default_factory=lambda: np.empty(0, np.int64)
    )
    samples: Int[np.ndarray, " evaluations"] = dataclasses.field(
        default_factory=lambda: np.empty(0, np.int64)
    )
    validation: Float[np.ndarray, " evaluations"] = dataclasses.field(default_factory=lambda: np.empty(0))
    loss: Float[np.ndarray, " evaluations"] = dataclasses.field(default_factory=lambda: np.empty(0))
    asked: Int[np.ndarray, " rounds"] = dataclasses.field(default_factory=lambda: np.empty(0, np.int64))
    grown: Int[np.ndarray, " rounds"] = dataclasses.field(default_factory=lambda: np.empty(0, np.int64))
    entropy: Float[np.ndarray, " rounds"] = dataclasses.field(default_factory=lambda: np.empty(0))

    @property
    def step(self) -> int:
        """Steps done."""
        return int(self.learner.step)

    @property
    def rounds(self) -> int:
        """Times that examples were asked for after the initial set; -1 before it."""
        return len(self.asked) - 1

    def with_examples(self, new: Examples, entropy: float) -> "State":
        """After a round: a larger pool, and patience from the beginning."""
        pool = Examples(*(np.concatenate(both) for both in zip(self.pool, new, strict=True)))
        return dataclasses.replace(
            self,
            pool=pool,
            waited=0,
            asked=np.append(self.asked, self.step),
            grown=np.append(self.grown, len(pool.labels)),
            entropy=np.append(self.entropy, entropy),
        )

    def with_evaluation(self, learner: Learner, loss: float, validation: float) -> "State":
        """After an evaluation: the counter starts again when the accuracy is the best so far."""
        better = validation > self.best
        return dataclasses.replace(
            self,
            learner=learner,
            waited=0 if better else self.waited + 1,
            best=max(self.best, validation),
            evaluated=np.append(self.evaluated, int(learner.step)),
            samples=np.append(self.samples, len(self.pool.labels)),
            validation=np.append(self.validation, validation),
            loss=np.append(self.loss, loss),
        )


class GeneratorFailed(RuntimeError):
    """A generator raised an error, or gave what are no examples; what was done until then is kept.

    Parameters
    ----------
    reason : str
    state : State
        Learner, pool and counters at that moment.
    """

    def __init__(self, reason: str, state: State) -> None:
        super().__init__(reason, state)
        self.reason, self.state = reason, state

    def __str__(self) -> str:
        done = f"{len(self.state.pool.labels)} examples, {self.state.step} steps"
        return f"the generator failed in round {self.state.rounds + 1} ({done}): {self.reason}"


def write(path: Path, state: State) -> None:
    """Save a state to a file that is whole or absent."""
    columns = {field.name: np.asarray(getattr(state, field.name)) for field in _columns()}
    save(path, state.learner, **columns, **{f"pool {k}": v for k, v in state.pool._asdict().items()})


def read(path: Path, like: Learner) -> State:
    """The state in such a file.

    Raises
    ------
    StorageError
        When it cannot be read or is of another experiment.
    """
    learner, columns = load(path, like)
    pool = Examples(columns["pool inputs"], columns["pool labels"])
    found: dict[str, Any] = {field.name: columns[field.name] for field in _columns()}
    return State(learner, pool, **{**found, "waited": int(found["waited"]), "best": float(found["best"])})


def described(generator: Generator) -> Any:
    """What a generator is, as far as it can be told: its fields, or the name of a class without any."""
    return provenance(generator) if dataclasses.is_dataclass(generator) else type(generator).__qualname__


def fitting(name: str, data: Examples, generator: Generator) -> Examples:
    """Data in single precision; what does not fit the generator is refused by its name."""
    inputs, labels = np.asarray(data.inputs), np.asarray(data.labels)
    if inputs.ndim != 2 or inputs.shape[1] != generator.dimension or not np.all(np.isfinite(inputs)):
        raise InvalidSetting(name, inputs, f"inputs of {generator.dimension} finite numbers, one row each")
    whole = labels.shape == (len(inputs),) and labels.dtype.kind in "iu" and labels.size > 0
    if not whole or labels.min() < 0 or labels.max() >= generator.classes:
        raise InvalidSetting(
            name, labels, f"a label from 0 to {generator.classes - 1} for each of the inputs"
        )
    return Examples(inputs.astype(np.float32), labels.astype(np.int32))


def _columns() -> list[Any]:
    """The fields of a state that are plain numbers."""
    return [field for field in dataclasses.fields(State) if field.name not in ("learner", "pool")]
