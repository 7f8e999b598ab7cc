"""The record of the experiment: what was learned, over the examples seen."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Float, Int

from freeridge.theory.arithmetic.skills import learned, rule

if TYPE_CHECKING:
    from freeridge.theory.arithmetic.experiment import GCDExperiment


class Columns(NamedTuple):
    """Tests of one run, one row each.

    Attributes
    ----------
    examples : array, shape (rows,)
        Seen before the test.
    loss : array, shape (rows,)
        Mean over the steps since the last test.
    accuracy, answer : array, shape (rows, labels)
        See :class:`freeridge.theory.arithmetic.skills.Skills`.
    """

    examples: Int[np.ndarray, " rows"]
    loss: Float[np.ndarray, " rows"]
    accuracy: Float[np.ndarray, "rows labels"]
    answer: Int[np.ndarray, "rows labels"]

    @classmethod
    def empty(cls, labels: int) -> "Columns":
        """Before the first test."""
        return cls(np.empty(0, np.int64), np.empty(0), np.empty((0, labels)), np.empty((0, labels), np.int64))

    def with_row(
        self,
        examples: int,
        loss: float,
        accuracy: Float[np.ndarray, " labels"],
        answer: Int[np.ndarray, " labels"],
    ) -> "Columns":
        """With one more test."""
        return Columns(
            np.append(self.examples, examples),
            np.append(self.loss, loss),
            np.vstack([self.accuracy, accuracy]),
            np.vstack([self.answer, answer]),
        )


def assemble(
    experiment: "GCDExperiment",
    histories: Mapping[str, Columns],
    histograms: Mapping[str, Float[np.ndarray, " classes"]],
) -> xr.Dataset:
    """One dataset of all runs; what a run has not come to is NaN, its answer -1."""
    runs, labels = experiment.runs, experiment.labels
    times = np.arange(experiment.every, experiment.examples + 1, experiment.every)
    shape = (len(runs), len(times))
    accuracy, loss = np.full((*shape, labels), np.nan), np.full(shape, np.nan)
    answer = np.full((*shape, labels), -1, np.int64)
    count, follows = np.full(shape, np.nan), np.full(shape, np.nan)
    for row, name in enumerate(runs):
        if name not in histories:
            continue
        found = histories[name]
        rows = len(found.examples)
        accuracy[row, :rows], answer[row, :rows], loss[row, :rows] = found.accuracy, found.answer, found.loss
        for time in range(rows):
            known = learned(found.answer[time])
            count[row, time] = len(known)
            follows[row, time] = np.mean(found.answer[time] == rule(known, labels))
    nothing = np.full(labels + 1, np.nan)
    law = experiment.pairs.law()
    return xr.Dataset(
        {
            "accuracy": (("run", "examples", "divisor"), accuracy),
            "answer": (("run", "examples", "divisor"), answer),
            "loss": (("run", "examples"), loss),
            "learned": (("run", "examples"), count),
            "follows_rule": (("run", "examples"), follows),
            "histogram": (("run", "label"), np.stack([histograms.get(name, nothing) for name in runs])),
            "generator_histogram": ("label", histograms.get("generator", nothing)),
            "law": ("label", np.append(1.0 - law.sum(), law)),
        },
        coords={
            "run": list(runs),
            "share": ("run", np.array(experiment.true_shares)),
            "examples": times,
            "divisor": np.arange(1, labels + 1),
            "label": np.arange(labels + 1),
        },
        attrs={"precision": "float32", "generator_examples": experiment.generator},
    )


def learned_sets(data: xr.Dataset, run: str) -> list[list[int]]:
    """The divisors learned at each test of a run, as far as it has come."""
    here = data.sel(run=run).dropna("examples", subset=["loss"])
    return [learned(row) for row in here["answer"].values]


def first_learned(data: xr.Dataset, run: str) -> dict[int, int]:
    """Examples seen when a divisor first counted as learned, in that order."""
    found: dict[int, int] = {}
    for examples, known in zip(data["examples"].values, learned_sets(data, run), strict=False):
        for divisor in known:
            found.setdefault(divisor, int(examples))
    return found
