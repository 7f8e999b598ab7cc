"""How many fewer examples a strategy needs than static generation, with an error bar over the seeds."""

from typing import NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Float, Int

from freeridge.solvers.errors import InvalidSetting
from freeridge.theory.practice.strategies import STRATEGIES

_DRAWS = 1000


class Saving(NamedTuple):
    """Examples saved.

    Attributes
    ----------
    samples, accuracy : array, shape (sizes,)
        Means over the seeds, of the strategy.
    factors : array, shape (sizes,)
        Examples that static generation needs for that accuracy, over those of the strategy.
    low, high : array, shape (sizes,)
        Between which 95 % of the factors lie when the seeds are drawn again with replacement.
    beyond : bool array, shape (sizes,)
        The accuracy is above that of all static sizes: the factor, counted with the largest size, is a lower
        bound.
    overall : float
        Geometric mean of the factors.
    overall_low, overall_high : float
        The same 95 % of it.
    """

    samples: Float[np.ndarray, " sizes"]
    accuracy: Float[np.ndarray, " sizes"]
    factors: Float[np.ndarray, " sizes"]
    low: Float[np.ndarray, " sizes"]
    high: Float[np.ndarray, " sizes"]
    beyond: np.ndarray
    overall: float
    overall_low: float
    overall_high: float


def saving(
    data: xr.Dataset, strategy: str = "practised", *, quantity: str = "test_accuracy", cost: str = "samples"
) -> Saving:
    """Compare a strategy with static generation at equal accuracy.

    The static curve is the mean over seeds at each size, made monotone by its running maximum (more examples
    of the same law do no harm; what falls is noise), and interpolated linearly in the logarithm of the cost.

    Parameters
    ----------
    data : xarray.Dataset
        Of :func:`freeridge.theory.practice.strategies.compare`, with two seeds or more.
    strategy : str
    quantity : str
        ``test_accuracy`` or ``validation_accuracy``.
    cost : str
        What is compared: ``samples``, ``generated`` or ``generator_evaluations``.

    Examples
    --------
    Accuracies of static runs at 100, 200 and 400 examples, and the best of them with 100 practised ones.

    >>> accuracy = [[0.8, 0.8], [0.9, 0.9], [0.95, 0.95], [0.95, 0.95]]
    >>> data = xr.Dataset(
    ...     {
    ...         "test_accuracy": (("run", "seed"), accuracy),
    ...         "samples": (("run", "seed"), [[100.0] * 2, [200.0] * 2, [400.0] * 2, [100.0] * 2]),
    ...     },
    ...     coords={"strategy": ("run", ["static"] * 3 + ["practised"])},
    ... )
    >>> round(saving(data).overall, 12)
    4.0
    """
    if strategy not in STRATEGIES:
        raise InvalidSetting("strategy", strategy, "one of " + ", ".join(STRATEGIES))
    static = data["strategy"].values == "static"
    own = data["strategy"].values == strategy
    accuracy, costs = data[quantity].values, data[cost].values
    seeds = accuracy.shape[1]
    if seeds < 2 or not own.any() or static.sum() < 2:
        raise InvalidSetting(
            "data", list(data.sizes.items()), "two seeds or more, two static sizes or more, and the strategy"
        )

    def measured(picked: Int[np.ndarray, " seeds"]) -> tuple[np.ndarray, ...]:
        score, spent = accuracy[:, picked].mean(1), costs[:, picked].mean(1)
        order = np.argsort(spent[static])
        rising = np.maximum.accumulate(score[static][order])
        # Where the curve is flat, the fewest examples that reach the accuracy: no advantage for the strategy.
        first = np.append(True, np.diff(rising) > 0)
        needed = np.exp(np.interp(score[own], rising[first], np.log(spent[static][order][first])))
        return spent[own], score[own], needed / spent[own], score[own] > rising[-1]

    samples, scores, factors, beyond = measured(np.arange(seeds))
    rng = np.random.default_rng(0)  # part of the definition of the error bar, not of the experiment
    again = np.array([measured(picked)[2] for picked in rng.integers(0, seeds, (_DRAWS, seeds))])
    low, high = np.quantile(again, (0.025, 0.975), axis=0)
    means = np.exp(np.log(again).mean(1))
    least, most = np.quantile(means, (0.025, 0.975))
    overall = float(np.exp(np.log(factors).mean()))
    return Saving(samples, scores, factors, low, high, beyond, overall, float(least), float(most))
