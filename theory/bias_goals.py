"""The ridge, or the training time, that serves a goal on groups best."""

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.fields import known
from freeridge.solvers.minimise import minimise
from freeridge.solvers.results import Prediction

if TYPE_CHECKING:
    from freeridge.theory.bias import BiasAmplification

# What is made small, from a prediction and the shares of the groups.
GOALS: dict[str, Callable[[Prediction, Array], Array]] = {
    "worst_group_risk": lambda prediction, shares: prediction.worst_group_risk,
    "mean_risk": lambda prediction, shares: shares @ prediction.group_risks,
    "odd": lambda prediction, shares: prediction.odd,
    "add": lambda prediction, shares: jnp.abs(prediction.odd - prediction.edd),
}
Goal = str | Callable[[Prediction], Any]


def optimise(
    setting: "BiasAmplification", field: str, goal: Goal, between: tuple[float, float] | None
) -> tuple[float, Prediction]:
    """Value of a field (the ridge or the time) with the smallest goal; see
    :meth:`BiasAmplification.optimal_ridge`.
    """
    if isinstance(goal, str):
        if goal not in GOALS:
            raise InvalidSetting("goal", goal, f"one of {', '.join(GOALS)}, or a function of the prediction")
        named = GOALS[goal]
        shares = jnp.stack([group.share for group in setting.groups])
    low, high = _scales(setting)[field]
    first, last = (0.0, high) if between is None else _checked(field, between)
    # Below every scale of the problem nothing moves any more: one grid point there stands for all down to 0.
    low = first if first > 0 else min(low, 1e-3 * last)

    def prediction_at(value: Any) -> Prediction:
        changes: dict[str, Any] = {field: value}
        return dataclasses.replace(setting, **changes).predict()

    def at(log: Array) -> Any:
        prediction = prediction_at(jnp.exp(log))
        return named(prediction, shares) if isinstance(goal, str) else goal(prediction)

    with np.errstate(divide="ignore"):
        ends = (float(np.log(first)), float(np.log(last)))
    best = float(np.exp(minimise(at, float(np.log(low)), float(np.log(last)), ends)))
    return best, prediction_at(best)


def require_numbers(setting: "BiasAmplification", *fields: str) -> None:
    """Refuse paths of what is held fixed or chosen."""
    for name in fields:
        value = getattr(setting, name)
        if value is not None and value.ndim:
            raise InvalidSetting(name, known(value), "one number, not a path, to optimise")


def _checked(field: str, between: tuple[float, float]) -> tuple[float, float]:
    ends = np.asarray(between, float)
    if ends.shape != (2,) or not np.all(np.isfinite(ends)) or not 0 <= ends[0] < ends[1]:
        raise InvalidSetting("between", between, f"the smallest and the largest {field}, 0 <= low < high")
    return float(ends[0]), float(ends[1])


def _scales(setting: "BiasAmplification") -> dict[str, tuple[float, float]]:
    """Ridges from where nothing moves any more to where nothing is learned, and times the other way round.

    The eigenvalues of the problem are about the mean eigenvalue of the groups, times d / n where rows are few
    and m / d where features are many.
    """
    problem, _, _ = setting.mixture().limit()
    mean = float(problem.shares @ problem.spectrum.mean_eigenvalues)
    features = setting.d if setting.features is None else float(setting.features)
    top = mean * max(1.0, setting.d / float(setting.n)) * max(1.0, features / setting.d)
    return {"ridge": (1e-8 * mean, 1e4 * top), "time": (1e-4 / top, 1e8 / mean)}
