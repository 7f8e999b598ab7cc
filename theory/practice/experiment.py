"""The shipped experiment: deliberate practice beside static generation and generate-then-prune."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from freeridge.solvers.checkpoints import claim, stream
from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.fields import preset_fields, require_count
from freeridge.solvers.storage import provenance, save_dataset
from freeridge.theory.practice.classifier import Course, adamw, entropies
from freeridge.theory.practice.generator import Guidance
from freeridge.theory.practice.loop import DeliberatePractice
from freeridge.theory.practice.sources import DigitsSource, MixtureSource
from freeridge.theory.practice.state import PRACTICE
from freeridge.theory.practice.strategies import Run, compare, plan

_SHOWN = 20  # stream of random numbers
_QUICK = Course(steps=100, batch=32, rate=2e-3, width=32)
_LEARNER = Course(steps=4000, batch=64, rate=2e-3, smoothing=0.1)
_PLAIN = Course(steps=2000, batch=64, rate=2e-3)

PRESETS: dict[str, dict[str, Any]] = {
    # Seconds: every part is run, nothing is shown.
    "quick": {
        "source": DigitsSource(Course(200, 64, 2e-3, cooldown=0.5, width=32, layers=2), steps=5),
        "practice": DeliberatePractice(_QUICK, initial=20, added=20, strength=16.0, every=10, growth=0),
        "sizes": (20, 60),
        "rounds": (1, 2),
        "ratio": 2,
        "seeds": 2,
    },
    # Minutes on two cores.
    "digits": {
        "source": DigitsSource(Course(4000, 128, 1e-3, warmup=0.05, cooldown=0.5, width=192, layers=3)),
        "practice": DeliberatePractice(_LEARNER, initial=100, added=100, strength=1.0, every=25, growth=0),
        "sizes": (100, 200, 400, 800, 1600, 3200, 6400),
        "rounds": (1, 3, 7, 15),
        "ratio": 4,
        "seeds": 8,
    },
    # The same with a learner whose labels are not smoothed: weaker throughout, but guided further.
    "digits-plain": {
        "source": DigitsSource(Course(4000, 128, 1e-3, warmup=0.05, cooldown=0.5, width=192, layers=3)),
        "practice": DeliberatePractice(_PLAIN, initial=100, added=100, strength=16.0, every=25, growth=0),
        "sizes": (100, 200, 400, 800, 1600, 3200, 6400),
        "rounds": (1, 3, 7, 15),
        "ratio": 4,
        "seeds": 8,
    },
    "mixture": {
        "source": MixtureSource(),
        "practice": DeliberatePractice(_LEARNER, initial=100, added=100, strength=1.0, every=25, growth=0),
        "sizes": (100, 200, 400, 800, 1600, 3200, 6400),
        "rounds": (1, 3, 7, 15),
        "ratio": 4,
        "seeds": 5,
    },
}


class PracticeExperiment(eqx.Module):
    r"""Accuracy against the number of generated examples, for four strategies and several seeds.

    The strategies are those of :mod:`freeridge.theory.practice.strategies`. All of them train a learner for
    the same number of steps, on examples of one generator alone, and are measured on real data that the
    generator has not seen.

    The generator is made once and shared by all seeds, as it is given in practice: error bars are those of
    the generated examples, of the weights and of the batches, not of the generator or of the test data.

    Parameters
    ----------
    preset : {"quick", "digits", "digits-plain", "mixture"}
        Where fields that are not given are taken from.
    source : DigitsSource or MixtureSource
        Generator and real data.
    practice : DeliberatePractice
        The practised strategy, its number of rounds aside.
    sizes : sequence of int
        Numbers of examples of the static strategy.
    rounds : sequence of int
        Numbers of rounds of the other strategies.
    ratio : int
        Examples drawn for each one that is kept when pruned.
    seeds : int

    Examples
    --------
    >>> [run.size for run in PracticeExperiment("digits", sizes=[100, 400], rounds=[3]).runs]
    [100, 400, 400, 400, 400]

    References
    ----------
    Improving the Scaling Laws of Synthetic Data with Deliberate Practice, Figures 4, 5 and 9.
    """

    source: DigitsSource | MixtureSource
    practice: DeliberatePractice
    sizes: tuple[int, ...] = eqx.field(static=True)
    rounds: tuple[int, ...] = eqx.field(static=True)
    ratio: int = eqx.field(static=True)
    seeds: int = eqx.field(static=True)

    def __init__(self, preset: str = "digits", **changes: Any) -> None:
        for name, value in preset_fields(PRESETS, preset, changes).items():
            setattr(self, name, value)
        self.sizes, self.rounds = _increasing("sizes", self.sizes), _increasing("rounds", self.rounds)

    def __check_init__(self) -> None:
        require_count("seeds", self.seeds)
        if isinstance(self.ratio, bool) or not isinstance(self.ratio, int) or self.ratio < 2:
            raise InvalidSetting("ratio", self.ratio, "a whole number >= 2: one prunes nothing")

    @property
    def runs(self) -> tuple[Run, ...]:
        """What is run with every seed."""
        return plan(self.practice, self.sizes, self.rounds, self.ratio)

    def run(
        self, folder: str | os.PathLike[str] | None = None, key: Any = 0, *, progress: bool = False
    ) -> xr.Dataset:
        """Make the generator and all runs, or go on with those that an earlier call left in the folder.

        Parameters
        ----------
        folder : path, optional
            For the generator, the finished runs and ``record.nc``. It must be empty or of this experiment.
        key : int, sequence of int or JAX key
            Seed of the split of the data, of the generator and of all runs.
        progress : bool
            A line on standard error at every run.

        Returns
        -------
        xarray.Dataset
            See :func:`freeridge.theory.practice.strategies.compare`.

        Raises
        ------
        InvalidSetting
            When the folder holds another experiment or was seeded otherwise.
        ImportError
            When optax, or for the digits scikit-learn, is not there.

        Warns
        -----
        RuntimeWarning
            When interrupted (Ctrl-C): what is done is returned, and the same call goes on from there.
        """
        adamw(self.practice.course)  # a missing optax is met before anything is written
        place = None if folder is None else Path(folder)
        if place is not None:
            claim(place / PRACTICE, provenance(self, key))
        source = self.source.make(key, place)
        found = compare(
            self.runs, *source, key, self.seeds, None if place is None else place / "runs", progress=progress
        ).assign_attrs(parameters=provenance(self, key), precision="float32")
        if place is not None:
            save_dataset(found, place / "record.nc")
        return found


def guided_examples(
    experiment: PracticeExperiment,
    strengths: Sequence[float],
    each: int,
    key: Any = 0,
    folder: str | os.PathLike[str] | None = None,
) -> xr.Dataset:
    """What guidance of different strengths makes of the same noise.

    The learner is trained on the initial set alone; for each class ``each`` examples are drawn, with the same
    key for every strength.

    Returns
    -------
    xarray.Dataset
        ``examples`` over (``strength``, ``example``, ``coordinate``); over the first two, the ``entropy`` of
        the learner's answer in nats, and whether it names the class asked for, ``agrees``; coordinate
        ``label``.
    """
    require_count("each", each)
    source = experiment.source.make(key, None if folder is None else Path(folder))
    (start,) = plan(experiment.practice, [experiment.practice.initial], [], 1)
    network = start.practice.run(*source, key).classifier
    labels = np.repeat(np.arange(source.generator.classes, dtype=np.int32), each)
    draw = stream(key, _SHOWN)
    examples = np.stack(
        [
            np.asarray(source.generator.sample(draw, jnp.asarray(labels), Guidance(network, float(strength))))
            for strength in strengths
        ]
    ).astype(np.float32)
    answers = np.stack([np.argmax(jax.vmap(network)(jnp.asarray(one)), axis=1) for one in examples])
    return xr.Dataset(
        {
            "examples": (("strength", "example", "coordinate"), examples),
            "entropy": (("strength", "example"), np.stack([entropies(network, one) for one in examples])),
            "agrees": (("strength", "example"), answers == labels),
        },
        coords={"strength": np.asarray(strengths, np.float64), "label": ("example", labels)},
    )


def _increasing(name: str, values: Any) -> tuple[int, ...]:
    """Different positive whole numbers, in order."""
    given = [values] if isinstance(values, int) else list(values)
    for value in given:
        require_count(name, value)
    if not given or sorted(set(given)) != given:
        raise InvalidSetting(name, values, "one or more positive whole numbers, each larger than the last")
    return tuple(int(value) for value in given)
