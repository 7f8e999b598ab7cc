"""The runs of the experiment, one after the other, each taken up where its checkpoint left it."""

import os
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from freeridge.solvers import checkpoints
from freeridge.solvers.checkpoints import claim
from freeridge.solvers.replicates import key_entropy
from freeridge.solvers.storage import provenance, save_dataset
from freeridge.theory.arithmetic import learning
from freeridge.theory.arithmetic.learning import Learner, Lesson
from freeridge.theory.arithmetic.network import Network, initial
from freeridge.theory.arithmetic.record import Columns, assemble
from freeridge.theory.arithmetic.skills import in_words, learned, skills

if TYPE_CHECKING:
    from freeridge.theory.arithmetic.experiment import GCDExperiment

_STEPS = 250  # in one compiled call: short enough to be interrupted soon
_WEIGHTS, _EXAMPLES, _UNIFORM = 1, 2, 3  # streams of random numbers; 0 is that of the test pairs


def run_all(
    experiment: "GCDExperiment", folder: str | os.PathLike[str], key: Any, progress: bool
) -> xr.Dataset:
    """See :meth:`freeridge.theory.arithmetic.experiment.GCDExperiment.run`."""
    # A missing optax and a key that is none are met before anything is written.
    learning.adam(experiment.rate, experiment.warmup)
    key_entropy(key)
    place = Path(folder)
    claim(place / "experiment.json", provenance(experiment, key))
    report = _say if progress else lambda text: None
    try:
        for index in range(len(experiment.runs)):
            _make_run(experiment, place, key, index, report)
    except KeyboardInterrupt:
        if not _checkpoint(place, "clean").exists():
            raise
        warnings.warn(
            "interrupted: returning what is done; the same call goes on from there",
            RuntimeWarning,
            stacklevel=3,
        )
    found = _record(experiment, place, key)
    save_dataset(found, place / "record.nc")
    return found


def _make_run(
    experiment: "GCDExperiment", folder: Path, key: Any, index: int, report: Callable[[str], None]
) -> None:
    """Train one run to its end, testing and saving every so many examples."""
    name, share = experiment.runs[index], experiment.true_shares[index]
    unlearning = name == "unlearning"
    goal = experiment.generator if unlearning else experiment.examples
    start = _load(experiment, folder, "clean")[0].network if unlearning else _beginner(experiment, key)
    lesson = _lesson(experiment, share, start if name == "clean" else _teacher(experiment, folder))
    learner, history = learning.beginner(start, lesson), Columns.empty(experiment.labels)
    if _checkpoint(folder, name).exists():
        learner, history = _load(experiment, folder, name)
    test = experiment.pairs.stratified(key, experiment.each)
    # The same pairs in every run, after the same weights: runs differ in their labels alone.
    stream = checkpoints.stream(key, _EXAMPLES)
    while (done := int(learner.step) * experiment.batch) < goal:
        began = time.perf_counter()
        learner, loss = _advance(learner, lesson, stream, experiment.every // experiment.batch)
        answers = learning.predictions(learner.network, experiment.pairs, test)
        tested = skills(answers, experiment.labels)
        history = history.with_row(done + experiment.every, loss, *tested)
        if name == "clean" and done + experiment.every == experiment.generator:
            checkpoints.save(folder / "generator.npz", learner.network)
        checkpoints.save(_checkpoint(folder, name), learner, **history._asdict())
        pace = experiment.every / (time.perf_counter() - began)
        known = learned(tested.answer)
        report(
            f"{name}: {(done + experiment.every) / 1e6:.3f} of {goal / 1e6:.3f} M examples, loss {loss:.3f}, "
            f"{len(known)} divisors learned {in_words(known)}, {pace:.0f} examples/s"
        )


def _advance(learner: Learner, lesson: Lesson, stream: jax.Array, steps: int) -> tuple[Learner, float]:
    """So many steps, in calls that are short enough to be interrupted."""
    total = 0.0
    for start in range(0, steps, _STEPS):
        count = min(_STEPS, steps - start)
        learner, loss = learning.train(learner, lesson, stream, count)
        total += float(loss) * count
    return learner, total / steps


def _beginner(experiment: "GCDExperiment", key: Any) -> Network:
    """The network before training."""
    sequence = np.random.SeedSequence(key_entropy(key), spawn_key=(_WEIGHTS,))
    return initial(
        np.random.default_rng(sequence),
        base=experiment.base,
        length=2 * experiment.pairs.places,
        classes=experiment.labels + 1,
        width=experiment.width,
        layers=experiment.layers,
        heads=experiment.heads,
        hidden=experiment.hidden,
    )


def _teacher(experiment: "GCDExperiment", folder: Path) -> Network:
    network: Network = checkpoints.load(folder / "generator.npz", _like(experiment).network)[0]
    return network


def _load(experiment: "GCDExperiment", folder: Path, name: str) -> tuple[Learner, Columns]:
    learner, columns = checkpoints.load(_checkpoint(folder, name), _like(experiment))
    return learner, Columns(**columns)


def _like(experiment: "GCDExperiment") -> Learner:
    """The structure of a learner of this experiment, without numbers."""

    def make() -> Learner:
        network = _beginner(experiment, 0)
        return learning.beginner(network, _lesson(experiment, 1.0, network))

    like: Learner = jax.eval_shape(make)
    return like


def _lesson(experiment: "GCDExperiment", share: float, teacher: Network) -> Lesson:
    """What a run with this share of true labels is taught."""
    return Lesson(
        experiment.pairs, experiment.batch, experiment.rate, experiment.warmup, jnp.float32(share), teacher
    )


def _checkpoint(folder: Path, name: str) -> Path:
    return folder / f"{name.replace(' ', '-')}.npz"


def _record(experiment: "GCDExperiment", folder: Path, key: Any) -> xr.Dataset:
    """Everything that the checkpoints hold, and the answers of the networks to uniform pairs."""
    uniform = np.asarray(experiment.pairs.draw(checkpoints.stream(key, _UNIFORM), 2**16))

    def histogram(network: Network) -> np.ndarray:
        answers = learning.predictions(network, experiment.pairs, uniform)
        return np.bincount(answers, minlength=experiment.labels + 1) / len(uniform)

    histories, histograms = {}, {}
    for name in experiment.runs:
        if _checkpoint(folder, name).exists():
            learner, histories[name] = _load(experiment, folder, name)
            histograms[name] = histogram(learner.network)
    if (folder / "generator.npz").exists():
        histograms["generator"] = histogram(_teacher(experiment, folder))
    return assemble(experiment, histories, histograms).assign_attrs(parameters=provenance(experiment, key))


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
