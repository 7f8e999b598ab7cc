"""What is compared: five ways to train one network, with random hyperparameters that all of them share."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.fields import require_count
from freeridge.solvers.perceptron import Perceptron
from freeridge.solvers.replicates import key_entropy
from freeridge.theory.grouped_data import GroupedData
from freeridge.theory.memorization.subpopulations.balancing import balanced_rows, balanced_weights
from freeridge.theory.memorization.subpopulations.group_dro import GroupDRO, LabelsAndGroups
from freeridge.theory.memorization.training.course import Course
from freeridge.theory.memorization.training.learning import Trained, train
from freeridge.theory.memorization.training.rows import shifted_rows
from freeridge.theory.memorization.training.shift import calibrated_shift

ALGORITHMS = ("erm", "mat", "group-dro", "weighted", "subsampled")
KNOWS_GROUPS = ("group-dro", "weighted", "subsampled")
_DRAWS, _SUBSET = 20, 21  # streams of random numbers


class Draw(NamedTuple):
    """Hyperparameters of one training.

    Attributes
    ----------
    rate, decay : float
        Step size and weight decay of gradient descent.
    temperature : float
        Of the held-out answers; only memorisation-aware training has it.
    eta : float
        Step size of the weights of the groups; only group DRO has it.
    """

    rate: float
    decay: float
    temperature: float
    eta: float


def random_draws(
    key: Any,
    count: int,
    *,
    rates: tuple[float, float],
    decays: tuple[float, float],
    temperatures: tuple[float, ...],
) -> tuple[Draw, ...]:
    r"""Hyperparameters at random.

    Parameters
    ----------
    key : int, sequence of int or JAX key
    count : int
    rates, decays : pair of float
        Between which they are drawn, uniform in the logarithm; $\eta = 10^{U(-3, -1)}$, as in the experiments
        of the paper.
    temperatures : sequence of float
        One of these; which there are changes nothing else.

    Examples
    --------
    >>> ranges = dict(rates=(1e-3, 1e-1), decays=(1e-4, 1e-2))
    >>> first, second = random_draws(0, 2, **ranges, temperatures=(0.001, 0.01, 0.1))
    >>> 1e-3 < first.rate < 1e-1, first.rate == second.rate, second.temperature in (0.001, 0.01, 0.1)
    (True, False, True)
    >>> random_draws(0, 2, **ranges, temperatures=(1.0,))[1].eta == second.eta
    True
    """
    require_count("count", count)
    for name, ends in (("rates", rates), ("decays", decays)):
        if len(ends) != 2 or not 0 < ends[0] <= ends[1] < np.inf:
            raise InvalidSetting(name, ends, "two positive numbers, the smaller first")
    if not temperatures or not all(0 < one < np.inf for one in temperatures):
        raise InvalidSetting("temperatures", temperatures, "one or more positive numbers")
    rng = np.random.default_rng(np.random.SeedSequence(key_entropy(key), spawn_key=(_DRAWS,)))

    def between(low: float, high: float) -> float:
        return float(np.exp(rng.uniform(np.log(low), np.log(high))))

    return tuple(
        Draw(
            rate=between(*rates),
            decay=between(*decays),
            temperature=float(temperatures[int(rng.random() * len(temperatures))]),
            eta=between(1e-3, 1e-1),
        )
        for _ in range(count)
    )


def train_algorithm(
    algorithm: str,
    data: GroupedData,
    draw: Draw,
    start: Perceptron,
    course: Course,
    key: Any,
    *,
    held_out: Any,
    groups: int,
    measures: Mapping[str, Callable[..., Any]],
    every: int,
) -> Trained:
    r"""Train by one of the algorithms.

    - ``erm``: mean cross entropy over all rows; knows no groups.
    - ``mat``: the same of logits shifted by what held-out answers tell of the label; knows no groups.
    - ``group-dro``: :class:`freeridge.theory.memorization.subpopulations.group_dro.GroupDRO`.
    - ``weighted``: rows weighted so that groups weigh the same.
    - ``subsampled``: as many rows of each group as the smallest has.

    Parameters
    ----------
    algorithm : str
        One of :data:`ALGORITHMS`; those in :data:`KNOWS_GROUPS` are told the groups of the training rows.
    data : GroupedData
        Training rows.
    draw : Draw
    start : Perceptron
    course : Course
        Its step size and decay are those of the draw.
    key : int, sequence of int or JAX key
        Seed of the batches, and of the subset.
    held_out : array, shape (n, classes)
        Logits of twins.
    groups : int
        Number of groups.
    measures, every
        As in :func:`freeridge.theory.memorization.training.learning.train`.
    """
    if algorithm not in ALGORITHMS:
        raise InvalidSetting("algorithm", algorithm, "one of " + ", ".join(ALGORITHMS))
    inputs, labels, members = data
    classes, count = np.shape(held_out)[1], len(labels)
    options: dict[str, Any] = {"measures": measures, "every": every}
    if algorithm == "group-dro":
        rows = LabelsAndGroups(labels, members)
        return train(start, inputs, rows, course, key, objective=GroupDRO(groups, draw.eta), **options)
    # Arrays also where they change nothing: all algorithms share one compiled program.
    shift, weights = np.zeros((count, classes)), np.ones(count)
    if algorithm == "mat":
        shift = calibrated_shift(held_out, labels, draw.temperature)
    elif algorithm == "weighted":
        weights = balanced_weights(members)
    elif algorithm == "subsampled":
        rng = np.random.default_rng(np.random.SeedSequence(key_entropy(key), spawn_key=(_SUBSET,)))
        kept = balanced_rows(members, rng, count)
        inputs, labels = inputs[kept], labels[kept]
    rows_ = shifted_rows(labels, classes, shift=shift, weights=weights)
    return train(start, inputs, rows_, course, key, **options)
