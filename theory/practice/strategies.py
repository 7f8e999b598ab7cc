"""Deliberate practice beside static generation and generate-then-prune, at equal data and equal compute.

All are the loop of :mod:`freeridge.theory.practice.loop` with other numbers:

- ``static``: all examples at once, as the generator gives them; no rounds;
- ``unguided``: in rounds, as the generator gives them: what the rounds do without the guidance;
- ``pruned``: one round in which the generator draws several times the examples wanted, unguided, and those of
  highest entropy under the learner trained on the initial set are kept (the oversampling of the paper);
- ``practised``: rounds of guided examples.

With equal numbers of steps all of them spend the same gradient evaluations on the learner.
"""

import sys
import warnings
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Float, Int

from freeridge.solvers.fields import require_count
from freeridge.solvers.parts import Parts
from freeridge.solvers.replicates import key_entropy
from freeridge.solvers.storage import fingerprint
from freeridge.theory.practice.generator import Generator, Guidance
from freeridge.theory.practice.loop import DeliberatePractice
from freeridge.theory.practice.state import Examples, described

STRATEGIES = ("static", "unguided", "pruned", "practised")


class Oversampling(eqx.Module):
    """Generate, then prune: where guidance is asked for, the most uncertain of several unguided examples.

    For each class as many as asked for are kept, so the classes stay balanced. The strength of the guidance
    plays no part.

    Parameters
    ----------
    generator : Generator
    ratio : int
        Examples drawn for each one that is kept.
    """

    generator: Generator
    ratio: int = eqx.field(static=True)

    def __check_init__(self) -> None:
        require_count("ratio", self.ratio)

    @property
    def dimension(self) -> int:
        """Numbers of an example."""
        return self.generator.dimension

    @property
    def classes(self) -> int:
        """Classes that can be asked for."""
        return self.generator.classes

    def cost(self, guided: bool) -> int:
        """Evaluations of the generator for an example that is kept."""
        return self.generator.cost(False) * (self.ratio if guided else 1)

    def sample(
        self, key: Array, labels: Int[Any, " n"], guidance: Guidance | None = None
    ) -> Float[Array, "n d"]:
        """One example for each label."""
        if guidance is None:
            return self.generator.sample(key, jnp.asarray(labels))
        wanted = np.asarray(labels)
        candidates = np.repeat(wanted, self.ratio)
        drawn = self.generator.sample(key, jnp.asarray(candidates))
        unsure = np.asarray(_entropies(guidance, drawn))
        kept = np.empty(len(wanted), np.int64)
        for name in np.unique(wanted):
            (here,), (places,) = np.nonzero(candidates == name), np.nonzero(wanted == name)
            kept[places] = here[np.argsort(-unsure[here], stable=True)[: len(places)]]
        return drawn[kept]


@eqx.filter_jit
def _entropies(guidance: Guidance, drawn: Float[Array, "n d"]) -> Float[Array, " n"]:
    return jax.vmap(guidance.entropy)(drawn)


class Run(eqx.Module):
    """One strategy at one number of examples.

    Parameters
    ----------
    strategy : str
        One of :data:`STRATEGIES`.
    practice : DeliberatePractice
    ratio : int
        Of the oversampling; 1 is none.
    """

    strategy: str = eqx.field(static=True)
    practice: DeliberatePractice
    ratio: int = eqx.field(static=True, default=1)

    @property
    def size(self) -> int:
        """Examples in the pool when every round was made."""
        return self.practice.initial + self.practice.rounds * self.practice.added

    def measure(
        self, generator: Generator, validation: Examples, test: Examples, key: Any
    ) -> dict[str, np.ndarray]:
        """Accuracies and costs of one run.

        Returns
        -------
        dict
            ``test_accuracy``, ``validation_accuracy``; ``samples`` that were trained on, ``generated`` (more
            when pruned), ``gradients``, ``generator_evaluations``; ``work``, the multiplications of both: an
            evaluation has as many as there are parameters, a gradient three times as many; ``entropy`` of the
            examples added, in nats, NaN without any.
        """
        source = Oversampling(generator, self.ratio) if self.ratio > 1 else generator
        record, classifier, _ = self.practice.run(source, validation, test, key)
        samples, added = int(record["generated"]), record["entropy"].values[1:]
        gradients, evaluations = int(record["gradients"]), int(record["generator_evaluations"])
        found = {
            "test_accuracy": record["test_accuracy"],
            "validation_accuracy": record["final_validation_accuracy"],
            "samples": samples,
            "generated": samples + (self.ratio - 1) * (samples - self.practice.initial),
            "gradients": gradients,
            "generator_evaluations": evaluations,
            "work": 3 * gradients * _parameters(classifier) + evaluations * _parameters(generator),
            "entropy": np.mean(added) if len(added) else np.nan,
        }
        return {name: np.asarray(value, np.float64) for name, value in found.items()}


def _parameters(module: Any) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(module) if eqx.is_array(leaf))


def plan(
    practice: DeliberatePractice, sizes: Sequence[int], rounds: Sequence[int], ratio: int
) -> tuple[Run, ...]:
    """The runs of a comparison.

    Parameters
    ----------
    practice : DeliberatePractice
        The practised strategy; its number of rounds is replaced.
    sizes : sequence of int
        Numbers of examples of the static strategy.
    rounds : sequence of int
        Numbers of rounds of the strategies that have several; the pruned one gets as many examples at once.
    ratio : int
        Examples drawn for each one that is kept when pruned.
    """

    def changed(**fields: Any) -> DeliberatePractice:
        kept = {name: getattr(practice, name) for name in type(practice).__dataclass_fields__}
        return DeliberatePractice(**{**kept, **fields})

    return (
        *(Run("static", changed(initial=size, rounds=0)) for size in sizes),
        *(Run("unguided", changed(rounds=k, strength=0.0)) for k in rounds),
        *(Run("pruned", changed(rounds=1, added=k * practice.added), ratio) for k in rounds),
        *(Run("practised", changed(rounds=k)) for k in rounds),
    )


def compare(
    runs: Sequence[Run],
    generator: Generator,
    validation: Examples,
    test: Examples,
    key: Any,
    seeds: int,
    folder: Path | None = None,
    *,
    progress: bool = False,
) -> xr.Dataset:
    """Make all runs with all seeds.

    Seed by seed, so that an interrupted comparison (Ctrl-C) has all runs of some seeds: it warns and returns
    these. With a folder, finished runs are kept there and found again.

    Returns
    -------
    xarray.Dataset
        What :meth:`Run.measure` returns, over (``run``, ``seed``); coordinates ``strategy`` and ``size``.
    """
    require_count("seeds", seeds)
    parts = Parts(
        folder, fingerprint(tuple(runs), described(generator), *validation, *test, key_entropy(key))
    )
    rows: list[list[dict[str, np.ndarray]]] = []
    try:
        for seed in range(seeds):
            row = []
            for index, run in enumerate(runs):
                own = (*key_entropy(key), seed)
                made = partial(run.measure, generator, validation, test, own)
                row.append(parts.get(f"{run.strategy}-{run.size}-{index}-{seed}", made))
                if progress:
                    _say(run, seed, row[-1])
            rows.append(row)
    except KeyboardInterrupt:
        if not rows:
            raise
        warnings.warn(f"interrupted: {len(rows)} of {seeds} seeds are finished", RuntimeWarning, stacklevel=2)
    names = list(rows[0][0])
    return xr.Dataset(
        {name: (("run", "seed"), np.array([[one[name] for one in row] for row in rows]).T) for name in names},
        coords={
            "strategy": ("run", [run.strategy for run in runs]),
            "size": ("run", [run.size for run in runs]),
            "seed": np.arange(len(rows)),
        },
    )


def _say(run: Run, seed: int, found: dict[str, np.ndarray]) -> None:
    print(
        f"seed {seed}: {run.strategy}, {int(found['samples'])} examples, "
        f"validation accuracy {float(found['validation_accuracy']):.3f}",
        file=sys.stderr,
        flush=True,
    )
