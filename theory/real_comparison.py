"""Predicted against measured errors of real models on real data, group by group, in one table."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.replicates import key_entropy
from freeridge.solvers.tables import aligned
from freeridge.theory.bias import BiasAmplification
from freeridge.theory.grouped_data import rows_by_group
from freeridge.theory.population import Population
from freeridge.theory.real_features import groups_from_data
from freeridge.theory.real_training import measure_group_risks, ridge_path, rows_taken


class ErrorPair(NamedTuple):
    """One line of a comparison; ``predicted`` is NaN where the prediction is not certified."""

    n: int
    features: int | None
    ridge: float
    model: str
    group: Any
    predicted: float
    measured: float
    standard_error: float

    @property
    def gap(self) -> float:
        """(predicted - measured) / measured."""
        return (self.predicted - self.measured) / self.measured

    @property
    def z(self) -> float:
        """(predicted - measured) / standard error."""
        return (self.predicted - self.measured) / self.standard_error


@dataclass(frozen=True)
class GroupComparison:
    """Predicted and measured mean squared errors on real labels; prints as a table.

    Parameters
    ----------
    rows : tuple of ErrorPair
        One per size, ridge, model (joint or own) and group; a DataFrame is made of them as they are.
    replicates : int
        Splits behind every measurement.
    """

    rows: tuple[ErrorPair, ...]
    replicates: int

    def __str__(self) -> str:
        head = ["model", "group", "n", "features", "ridge", "predicted", "measured", "std error", "gap", "z"]
        rows = [
            [
                row.model,
                str(row.group),
                str(row.n),
                "plain" if row.features is None else str(row.features),
                f"{row.ridge:g}",
                f"{row.predicted:.4f}",
                f"{row.measured:.4f}",
                f"{row.standard_error:.4f}",
                f"{row.gap:+.1%}",
                f"{row.z:+.1f}",
            ]
            for row in self.rows
        ]
        return f"{aligned(head, rows)}\n{self.replicates} splits of the data"


def compare_groups(
    inputs: Any,
    labels: Any,
    groups: Any,
    n: Any,
    ridge: Any,
    features: Any = None,
    *,
    populations: Sequence[Population] | None = None,
    replicates: int = 20,
    key: Any = 0,
    progress: bool = False,
) -> GroupComparison:
    """Predicted against measured test errors of every group, joint and own models.

    Parameters
    ----------
    inputs, labels, groups, ridge, replicates, key, progress
        As in :func:`measure_group_risks`.
    n, features : number, or sequence of numbers
        All combinations are compared.
    populations : sequence of Population, optional
        What the prediction is made from, in the sorted order of the group names; by default
        :func:`groups_from_data` of all rows. Their shares give way to those of the rows really drawn.

    Returns
    -------
    GroupComparison

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> x, group = rng.standard_normal((3000, 20)), np.arange(3000) % 2
    >>> y = x[:, 0] + rng.standard_normal(3000)
    >>> table = compare_groups(x, y, group, n=200, ridge=0.1, replicates=50)
    >>> [(row.model, row.group, abs(row.gap) < 0.05) for row in table.rows]
    [('joint', 0, True), ('joint', 1, True), ('own', 0, True), ('own', 1, True)]
    """
    pools = rows_by_group(inputs, labels, groups)
    if populations is None:
        populations = groups_from_data(inputs, labels, groups)
    if len(populations) != len(pools):
        raise InvalidSetting("populations", populations, f"one per group of the data, {len(pools)} in all")
    sizes = [
        (one, width)
        for one in (n if np.iterable(n) else [n])
        for width in (features if np.iterable(features) else [features])
    ]
    rows: list[ErrorPair] = []
    for place, (one, width) in enumerate(sizes):
        seed = (*key_entropy(key), place)
        measured = measure_group_risks(
            inputs, labels, groups, one, ridge, width, replicates, seed, progress=progress
        )
        drawn = np.array(rows_taken(one, pools)) / one
        known = [
            Population(p.covariance, p.labeler, p.noise_variance, share, p.weight)
            for p, share in zip(populations, drawn, strict=True)
        ]
        prediction = BiasAmplification(known, one, ridge, width).predict()
        noise = np.array([float(p.noise_variance) for p in known])
        for model, kind in (("joint", "group"), ("own", "own")):
            predicted = np.atleast_2d(np.asarray(prediction.quantities[f"{kind}_risks"]) + noise)
            found = np.atleast_2d(measured.mean[f"{kind}_errors"])
            error = np.atleast_2d(measured.standard_error[f"{kind}_errors"])
            rows += [
                ErrorPair(
                    one, width, float(value), model, pool.name,
                    float(predicted[i, s]), float(found[i, s]), float(error[i, s]),
                )
                for i, value in enumerate(ridge_path(ridge))
                for s, pool in enumerate(pools)
            ]  # fmt: skip
    return GroupComparison(tuple(rows), replicates)
