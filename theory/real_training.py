"""Models really trained on splits of a data set with groups, and their test errors."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.fields import as_real, require
from freeridge.solvers.replicates import run_replicates
from freeridge.solvers.results import Estimate
from freeridge.theory.experiment import whole
from freeridge.theory.grouped_data import GroupRows, rows_by_group


def measure_group_risks(
    inputs: Any,
    labels: Any,
    groups: Any,
    n: float | int,
    ridge: Any,
    features: float | int | None = None,
    replicates: int = 20,
    key: Any = 0,
    *,
    progress: bool = False,
) -> Estimate:
    r"""Train on drawn splits of the data, and measure the test error of every group on the rows left out.

    A split takes from every group its share of the n rows, rounded, without replacement: a row drawn twice
    would be a repetition that no new data has. The joint model is trained on all of them, the own model of a
    group on its rows alone, both as in :class:`RidgeMixture`: the same ridge, no intercept, the same random
    projections with entries $N(0, 1/d)$, drawn anew for each split.

    Parameters
    ----------
    inputs, labels, groups : arrays
        See :func:`freeridge.theory.real_features.estimate_groups`.
    n : int
        Whole number of rows to train on; every group must keep one to test on.
    ridge : float or array of shape (L,)
        $\lambda \ge 0$; 0 is the minimum-norm solution. One split serves a whole path.
    features : int, optional
        Number of random projections; None for plain ridge.
    replicates : int
        Splits, at least 2.
    key : int or JAX key
        Seed.
    progress : bool
        Show a progress bar.

    Returns
    -------
    Estimate
        ``group_errors`` and ``own_errors`` of shape (..., G), mean squared errors on real labels: risk plus
        noise variance. ``error_gap`` and ``own_error_gap`` are the errors of the last group minus those of
        the first. ``sizes`` has n, d, features and the rows that each group gave.

    Raises
    ------
    InvalidSetting
        When n leaves a group without a row to train or to test on, and for broken data.

    Notes
    -----
    Splits overlap, so the standard error is that of the splits of this data set, not of new data.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> x, group = rng.standard_normal((500, 10)), np.arange(500) % 2
    >>> errors = measure_group_risks(x, x[:, 0] + 0.1 * rng.standard_normal(500), group, n=100, ridge=1e-3)
    >>> errors.group_errors.round(2), errors.sizes["n of group 1"]
    (array([0.01, 0.01]), 50)
    """
    pools = rows_by_group(inputs, labels, groups)
    ridges = ridge_path(ridge)
    n = whole("n", as_real("n", n))
    m = None if features is None else whole("features", as_real("features", features))
    if m is not None and m < 1:
        raise InvalidSetting("features", m, "a number of random projections > 0, or None for plain ridge")
    counts = rows_taken(n, pools)
    d = pools[0].inputs.shape[1]

    def replicate(rng: np.random.Generator) -> dict[str, np.ndarray]:
        taken = [rng.permutation(len(pool.labels)) for pool in pools]
        rows = [pool.inputs[order[:k]] for pool, order, k in zip(pools, taken, counts, strict=True)]
        targets = [pool.labels[order[:k]] for pool, order, k in zip(pools, taken, counts, strict=True)]
        projection = None if m is None else rng.standard_normal((d, m)) / np.sqrt(d)
        joint = _fit(np.concatenate(rows), np.concatenate(targets), ridges, projection)
        errors = []
        for s, pool in enumerate(pools):
            rest = taken[s][counts[s] :]
            models = np.concatenate([joint, _fit(rows[s], targets[s], ridges, projection)], axis=1)
            wrong = pool.inputs[rest] @ models - pool.labels[rest, None]
            errors.append(np.mean(wrong**2, axis=0))
        both = np.stack(errors, axis=-1)
        group, own = both[: len(ridges)], both[len(ridges) :]
        return {
            "group_errors": group,
            "own_errors": own,
            "error_gap": group[:, -1] - group[:, 0],
            "own_error_gap": own[:, -1] - own[:, 0],
        }

    outcome = run_replicates(replicate, key, replicates, progress=progress)
    flat = np.ndim(ridge) == 0
    sizes = {"n": n, "d": d} | ({} if m is None else {"features": m})
    return Estimate(
        mean={name: value[0] if flat else value for name, value in outcome.mean.items()},
        standard_error={name: value[0] if flat else value for name, value in outcome.standard_error.items()},
        replicates=len(outcome.values["error_gap"]),
        sizes=sizes | {f"n of group {pool.name}": k for pool, k in zip(pools, counts, strict=True)},
    )


def ridge_path(ridge: Any) -> Float[np.ndarray, " L"]:
    """One ridge or several, as a list."""
    values = np.asarray(as_real("ridge", ridge))
    if values.ndim > 1 or values.size == 0:
        raise InvalidSetting("ridge", values, "a number or a list of numbers, not empty")
    require("ridge", values, lambda v: v >= 0, "finite numbers >= 0")
    return np.atleast_1d(values)


def rows_taken(n: int, pools: Sequence[GroupRows]) -> list[int]:
    """Rows of each group, n together: its share rounded down, and one more for the largest remainders."""
    exact = np.array([pool.share * n for pool in pools])
    counts = np.floor(exact).astype(int)
    short = n - int(counts.sum())
    counts[np.argsort(counts - exact, kind="stable")[:short]] += 1
    for count, pool in zip(counts, pools, strict=True):
        if not 0 < count < len(pool.labels):
            raise InvalidSetting(
                "n",
                n,
                f"a number of rows that leaves each group some to train and some to test on; of the "
                f"{len(pool.labels)} rows of group {pool.name!r} it takes {count}",
            )
    return [int(count) for count in counts]


def _fit(
    rows: Float[np.ndarray, "n d"],
    targets: Float[np.ndarray, " n"],
    ridges: Float[np.ndarray, " L"],
    projection: Float[np.ndarray, "d m"] | None,
) -> Float[np.ndarray, "d L"]:
    """Labelers that ridge regression finds, one per ridge, in the coordinates of the inputs."""
    seen = rows if projection is None else rows @ projection
    n, m = seen.shape
    gram = (seen @ seen.T if n < m else seen.T @ seen) / n
    one = np.eye(len(gram))

    def at(ridge: float) -> np.ndarray:
        if ridge == 0.0:
            return np.linalg.lstsq(seen, targets, rcond=None)[0]
        if n < m:
            return seen.T @ np.linalg.solve(gram + ridge * one, targets) / n
        return np.linalg.solve(gram + ridge * one, seen.T @ targets / n)

    found = np.stack([at(float(ridge)) for ridge in ridges], axis=1)
    return found if projection is None else projection @ found
