"""Monte Carlo of twins, the shift that they estimate, and the final model."""

from typing import TYPE_CHECKING, Any

import numpy as np

from freeridge.solvers.logistic_fit import fit_logistic
from freeridge.solvers.replicates import run_replicates
from freeridge.solvers.results import Estimate
from freeridge.theory.memorization.spurious_fit import draw, group_errors, worst_on_average
from freeridge.theory.memorization.spurious_law import of_groups
from freeridge.theory.memorization.training.shift import calibrated_shift, tempered_probabilities

if TYPE_CHECKING:
    from freeridge.theory.memorization.twins.twin_logistic import TwinLogistic


def simulate_twins(setting: "TwinLogistic", key: Any, replicates: int, *, progress: bool = False) -> Estimate:
    """See :meth:`TwinLogistic.simulate`."""
    plain = setting.perfect_signal()
    shares = np.array([float(setting.majority), 1.0 - float(setting.majority)])
    penalty, twin_penalty = float(setting.penalty), float(setting.penalty_of_twins)
    temperature, floor = float(setting.temperature), float(setting.floor)
    law = (float(setting.spurious_scale), float(setting.feature_std), float(setting.noise))

    def replicate(rng: np.random.Generator) -> dict[str, Any]:
        rows, _ = draw(plain, rng)
        first = rng.random(len(rows)) < 0.5
        twins = [fit_logistic(rows[half], twin_penalty) for half in (first, ~first)]
        held_out = np.where(first, rows @ twins[1], rows @ twins[0])  # signed by the label
        labels = (rng.random(len(rows)) < 0.5).astype(int)
        logits = held_out[:, None] * np.where(np.arange(2) == labels[:, None], 0.5, -0.5)
        shift = calibrated_shift(logits, labels, temperature, floor)
        own, other = (np.take_along_axis(shift, one[:, None], axis=1)[:, 0] for one in (labels, 1 - labels))
        weights = fit_logistic(rows, penalty, own - other)
        errors, noise = group_errors(weights, *law), np.linalg.norm(weights[2:])
        cosines = [weights[2:] @ twin[2:] / noise / np.linalg.norm(twin[2:]) for twin in twins]
        right = np.take_along_axis(tempered_probabilities(logits, temperature), labels[:, None], axis=1)
        return {
            **of_groups(errors, shares),
            "twin_errors": np.mean([group_errors(twin, *law) for twin in twins], axis=0),
            "core": weights[0],
            "spurious": weights[1],
            "noise_norm": noise,
            "overlap": np.mean(cosines),
            "reliability": right.mean(),
        }

    found = worst_on_average(run_replicates(replicate, key, replicates, progress=progress))
    sizes = {"n": setting.n, "d": round(float(setting.phi) * setting.n)}
    return Estimate(found.mean, found.standard_error, len(found.values["core"]), sizes, found.values)
