"""Accuracies of the benchmark over its seeds, and their differences to those of plain training."""

import numpy as np
import xarray as xr
from scipy.stats import t

from freeridge.solvers.errors import InvalidSetting

QUANTITIES = ("worst_group_accuracy", "mean_accuracy")


def compared(data: xr.Dataset, quantity: str = "worst_group_accuracy") -> xr.Dataset:
    r"""Means over the seeds, and paired differences.

    A seed has the same data, hyperparameters, initial weights and twins for all algorithms, so differences
    are taken seed by seed. Their interval is that of Student's t: the mean of S differences $\pm$ the 97.5 %
    point of S - 1 degrees of freedom times its standard error.

    Parameters
    ----------
    data : xarray.Dataset
        Of :meth:`freeridge.theory.memorization.subpopulations.experiment.SubpopulationBenchmark.run`.
    quantity : {"worst_group_accuracy", "mean_accuracy"}

    Returns
    -------
    xarray.Dataset
        Over (``algorithm``, ``selection``): ``mean`` and ``standard_error``; ``difference`` to ``erm`` of the
        same selection, from ``low`` to ``high`` (95 %). Errors and intervals of one seed are NaN.

    Examples
    --------
    >>> scores = [[[0.2, 0.4]], [[0.5, 0.8]]]
    >>> data = xr.Dataset(
    ...     {"worst_group_accuracy": (("algorithm", "selection", "seed"), scores)},
    ...     coords={"algorithm": ["erm", "mat"], "selection": ["true"]},
    ... )
    >>> found = compared(data).sel(algorithm="mat", selection="true")
    >>> round(found["difference"].item(), 6), round(found["high"].item() - found["low"].item(), 3)
    (0.35, 1.271)
    """
    if quantity not in QUANTITIES:
        raise InvalidSetting("quantity", quantity, "one of " + ", ".join(QUANTITIES))
    scores = data[quantity].transpose("algorithm", "selection", "seed")
    differences = scores - scores.sel(algorithm="erm", drop=True)
    difference = differences.mean("seed")
    width = _standard_error(differences) * t.ppf(0.975, max(scores.sizes["seed"] - 1, 1))
    return xr.Dataset(
        {
            "mean": scores.mean("seed"),
            "standard_error": _standard_error(scores),
            "difference": difference,
            "low": difference - width,
            "high": difference + width,
        }
    )


def _standard_error(values: xr.DataArray) -> xr.DataArray:
    count = values.sizes["seed"]
    return values.std("seed", ddof=1) / np.sqrt(count) if count > 1 else values.mean("seed") * np.nan
