"""Monte Carlo of logistic regression with a spurious feature."""

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import ndtr

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.logistic_fit import fit_hard_margin, fit_logistic
from freeridge.solvers.replicates import Replicates, run_replicates
from freeridge.solvers.results import Estimate
from freeridge.theory.memorization.spurious_law import SIGNS, of_groups

if TYPE_CHECKING:
    from freeridge.theory.memorization.spurious_logistic import SpuriousLogistic


class Drawn(NamedTuple):
    """Training rows signed by their label, the core and the spurious feature first, and their groups."""

    rows: Float[np.ndarray, "n columns"]
    groups: np.ndarray
    """0 is the majority, 1 the minority."""


def simulate_spurious(
    setting: "SpuriousLogistic", key: Any, replicates: int, *, progress: bool = False
) -> Estimate:
    """See :meth:`SpuriousLogistic.simulate`."""
    shares = np.array([float(setting.majority), 1.0 - float(setting.majority)])
    law = setting.learned().law
    shifts, importances = np.asarray(law.loss_shifts()), np.asarray(law.loss_weights())
    penalty, noise = float(setting.penalty), float(setting.noise)
    wide = penalty == 0.0 and bool(setting.separable)

    def replicate(rng: np.random.Generator) -> dict[str, Any]:
        rows, groups = draw(setting, rng)
        row_shifts, row_importances = shifts[groups], importances[groups]
        fitted = (rows, penalty, row_shifts, row_importances)
        weights = fit_hard_margin(rows) if wide else fit_logistic(*fitted)
        margins = rows @ weights
        loss = 0.0 if wide else float(np.mean(row_importances * np.logaddexp(0.0, -margins - row_shifts)))
        objective = 0.0 if wide else loss + 0.5 * penalty * float(weights @ weights)
        errors = group_errors(weights, float(setting.spurious_scale), float(setting.feature_std), noise)
        return {
            **of_groups(errors, shares),
            **errors_in_training(margins, groups),
            "train_loss": objective,
            "data_loss": loss,
            "core": weights[0],
            "spurious": weights[1],
            "noise_norm": np.linalg.norm(weights[2:]),
        }

    found = worst_on_average(to_one_row(run_replicates(replicate, key, replicates, progress=progress)))
    sizes = {"n": setting.n, "d": round(float(setting.phi) * setting.n)}
    return Estimate(found.mean, found.standard_error, len(found.values["core"]), sizes, found.values)


def errors_in_training(margins: Float[np.ndarray, " n"], groups: np.ndarray) -> dict[str, list[Any]]:
    """Of a replicate: ``train_errors`` by group, NaN without rows, and ``rows``, how many there are."""
    wrong = [margins[groups == group] < 0 for group in (0, 1)]
    shares = [float(np.mean(part)) if len(part) else float("nan") for part in wrong]
    return {"train_errors": shares, "rows": [len(part) for part in wrong]}


def to_one_row(found: Replicates) -> Replicates:
    """With a standard error of ``train_errors`` of at least one row in all replicates, and without ``rows``:
    where no row is wrong, that says no more than that less than one of them is.

    Examples
    --------
    >>> values = {"train_errors": np.zeros((2, 2)), "rows": np.full((2, 2), 50)}
    >>> to_one_row(Replicates({}, {"train_errors": np.zeros(2)}, values)).standard_error["train_errors"]
    array([0.01, 0.01])
    """
    rows = found.values["rows"].sum(axis=0)
    resolution = np.divide(1.0, rows, out=np.full(2, np.nan), where=rows > 0)
    error = np.maximum(found.standard_error["train_errors"], resolution)
    mean, errors, values = ({k: v for k, v in part.items() if k != "rows"} for part in found)
    return Replicates(mean, errors | {"train_errors": error}, values)


def worst_on_average(found: Replicates) -> Replicates:
    """With ``worst_group_error``: that of the group that is worse on average. The worse group of each fit
    would be worse still.

    Examples
    --------
    >>> errors = {"group_errors": np.array([0.1, 0.2])}
    >>> worst_on_average(Replicates(errors, errors, errors)).mean["worst_group_error"]
    array(0.2)
    """
    worst = int(np.argmax(found.mean["group_errors"]))
    with_worst = ({**part, "worst_group_error": part["group_errors"][..., worst]} for part in found)
    return Replicates(*with_worst)


def draw(setting: "SpuriousLogistic", rng: np.random.Generator) -> Drawn:
    """Training rows, after those that the training drops."""
    share = float(setting.majority)
    if any(0.0 < part * setting.n < 1.0 for part in (share, 1.0 - share)):
        raise InvalidSetting("n", setting.n, "at least one row of each group that is not empty")
    scale, std = float(setting.spurious_scale), float(setting.feature_std)
    minority = int((1.0 - share) * setting.n + rng.random())
    groups = np.repeat([0, 1], [setting.n - minority, minority])
    if setting.training == "subsampled":
        counts = np.full(2, min(minority, setting.n - minority))
        groups = np.repeat([0, 1], counts)
    features = 1.0 + std * rng.standard_normal((len(groups), 2))
    features[:, 1] *= scale * np.array(SIGNS)[groups]
    columns = int(float(setting.phi) * setting.n + rng.random())
    noise = float(setting.noise) * rng.standard_normal((len(groups), columns))
    return Drawn(np.concatenate([features, noise], axis=1), groups)


def group_errors(
    weights: Float[np.ndarray, " columns"], spurious_scale: float, feature_std: float, noise: float
) -> Float[np.ndarray, " 2"]:
    """Errors of majority and minority on fresh rows, exact given the weights.

    Examples
    --------
    The core feature alone, eight standard deviations from the boundary; then the spurious one alone.

    >>> group_errors(np.array([1.0, 0.0, 0.0]), 5.0, 0.125, 1.0).round(12)
    array([0., 0.])
    >>> group_errors(np.array([0.0, 1.0, 0.0]), 5.0, 0.125, 1.0).round(12)
    array([0., 1.])
    """
    core, spurious = weights[0], spurious_scale * weights[1]
    spread = np.hypot(feature_std * np.hypot(core, spurious), noise * np.linalg.norm(weights[2:]))
    return ndtr(-(core + np.array(SIGNS) * spurious) / spread)
