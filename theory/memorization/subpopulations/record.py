"""The record of one seed of the benchmark: what was measured, and what selection makes of it."""

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from freeridge.theory.memorization.subpopulations.algorithms import Draw
from freeridge.theory.memorization.subpopulations.data import SubpopulationData
from freeridge.theory.memorization.subpopulations.selection import best_checkpoint, mean_accuracy, worst_group

# Accuracies of the validation data by which each selection goes.
SELECTIONS = {"true": "validation", "inferred": "inferred"}


def seed_record(
    data: SubpopulationData,
    draws: Sequence[Draw],
    twins: Mapping[str, np.ndarray],
    accuracies: Mapping[str, Mapping[str, np.ndarray]],
    every: int,
) -> xr.Dataset:
    """Described in :class:`freeridge.theory.memorization.subpopulations.experiment.SubpopulationBenchmark`.

    Parameters
    ----------
    data : SubpopulationData
    draws : sequence of Draw
    twins : dict of array
        Of :meth:`freeridge.theory.memorization.subpopulations.trials.Trial.twins`.
    accuracies : dict of dict of array
        Of every algorithm, from
        :meth:`freeridge.theory.memorization.subpopulations.trials.Trial.accuracies`.
    every : int
        Epochs between checkpoints.
    """
    rows = data.counts("test").ravel()
    algorithms, measured = list(accuracies), list(accuracies.values())
    shape = (len(algorithms), len(SELECTIONS))
    worst, mean = np.empty(shape), np.empty(shape)
    draw, epoch = np.empty(shape, np.int64), np.empty(shape, np.int64)
    for place in np.ndindex(*shape):
        here = measured[place[0]]
        best = best_checkpoint(here[list(SELECTIONS.values())[place[1]]])
        worst[place], mean[place] = worst_group(here["test"][best]), mean_accuracy(here["test"][best], rows)
        draw[place], epoch[place] = best[0], every * (best[1] + 1)
    chosen = ("algorithm", "selection")
    inner = ("algorithm", "draw", "epoch")
    parts = {name: np.stack([one[name] for one in measured]) for name in measured[0]}
    return xr.Dataset(
        {
            "worst_group_accuracy": (chosen, worst),
            "mean_accuracy": (chosen, mean),
            "chosen_draw": (chosen, draw),
            "chosen_epoch": (chosen, epoch),
            **{
                f"{name}_accuracy": ((*inner, "group"), parts[name])
                for name in ("train", "validation", "test")
            },
            "inferred_accuracy": ((*inner, "inferred_group"), parts["inferred"]),
            "held_out_error": ("group", _error_by_group(data, twins["mistaken"])),
            "test_rows": ("group", rows),
            "flip_rate": ("draw", twins["flip_rate"]),
            **{name: ("draw", [getattr(one, name) for one in draws]) for name in Draw._fields},
        },
        coords={
            "algorithm": algorithms,
            "selection": list(SELECTIONS),
            "epoch": every * np.arange(1, parts["test"].shape[2] + 1),
            "group": list(data.group_names),
            "inferred_group": [
                f"{label}, {told}" for label in data.label_names for told in ("right", "wrong")
            ],
        },
    )


def _error_by_group(data: SubpopulationData, mistaken: np.ndarray) -> np.ndarray:
    """Share of the training rows of each group, NaN of an empty one."""
    groups, count = data.train.groups, len(data.group_names)
    sizes = np.bincount(groups, minlength=count)
    wrong = np.bincount(groups, weights=mistaken, minlength=count)
    return np.divide(wrong, sizes, out=np.full(count, np.nan), where=sizes > 0)
