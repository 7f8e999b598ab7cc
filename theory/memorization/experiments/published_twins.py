"""The shift as it is really estimated, by twins that flip labels, against its theory."""

from typing import Any

import numpy as np

from freeridge.solvers.fields import require_count
from freeridge.solvers.logistic_fit import fit_logistic
from freeridge.solvers.perceptron import Perceptron, uniform_perceptron
from freeridge.solvers.replicates import run_replicates
from freeridge.solvers.results import Estimate
from freeridge.theory.memorization.spurious_fit import draw, group_errors, worst_on_average
from freeridge.theory.memorization.training.course import Course
from freeridge.theory.memorization.training.shift import calibrated_shift
from freeridge.theory.memorization.training.twins import train_twins
from freeridge.theory.memorization.twins.twin_logistic import TwinLogistic

EPOCHS, RATE = 1000, 0.01  # of the published experiment


def published_twins(
    setting: TwinLogistic, key: Any, replicates: int = 10, *, epochs: int = EPOCHS, rate: float = RATE
) -> Estimate:
    """Twins as published, and a final model that is a minimiser, as in the theory.

    The twins are linear networks, trained by gradient descent on all rows for a number of epochs, without a
    penalty, with flipping of labels (:mod:`freeridge.theory.memorization.training.twins`). What differs from
    :class:`TwinLogistic` is in them alone; its ``twin_penalty`` plays no part.

    Parameters
    ----------
    setting : TwinLogistic
        The rows, the calibration and the final model.
    key : int or JAX key
        Seed.
    replicates : int
        At least 2.
    epochs : int
    rate : float
        Step size of the mean loss over all rows.

    Returns
    -------
    Estimate
        ``group_errors`` and ``worst_group_error`` of the final model on fresh rows; mean ``shifts`` of the
        rows of majority and minority; ``flipped``, the share of labels that twins have flipped in each
        group.

    Examples
    --------
    >>> import freeridge as fr
    >>> found = published_twins(fr.TwinLogistic(1.8, 0.01, 0.9, 5.0, 0.5, n=200), key=0, replicates=2)
    >>> bool(found.shifts[0] > 1.5), bool(found.shifts[1] < -1.5)
    (True, True)
    """
    require_count("epochs", epochs)
    plain = setting.perfect_signal()
    penalty, temperature, floor = float(setting.penalty), float(setting.temperature), float(setting.floor)
    law = (float(setting.spurious_scale), float(setting.feature_std), float(setting.noise))
    course = Course(epochs=epochs, rate=rate)

    def replicate(rng: np.random.Generator) -> dict[str, Any]:
        rows, groups = draw(plain, rng)
        labels = rng.integers(2, size=len(rows))
        signs = 2.0 * labels - 1.0

        def start(weights: np.random.Generator) -> Perceptron:
            return uniform_perceptron(weights, [rows.shape[1], 2], offsets=False)

        twins = train_twins(start, signs[:, None] * rows, labels, course, int(rng.integers(2**31)))
        shift = calibrated_shift(twins.held_out, labels, temperature, floor)
        own = signs * (shift[:, 1] - shift[:, 0])
        weights = fit_logistic(rows, penalty, own)
        flipped = twins.dynamic_labels != twins.labels
        return {
            "group_errors": group_errors(weights, *law),
            "shifts": [own[groups == group].mean() for group in (0, 1)],
            "flipped": [flipped[groups == group].mean() for group in (0, 1)],
        }

    found = worst_on_average(run_replicates(replicate, key, replicates))
    sizes = {"n": setting.n, "d": round(float(setting.phi) * setting.n)}
    return Estimate(found.mean, found.standard_error, len(found.values["shifts"]), sizes, found.values)
