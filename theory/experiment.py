"""The experiment behind a mixture: whole numbers of rows, arrays for the populations, and its Monte Carlo."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.fields import known
from freeridge.solvers.results import Estimate
from freeridge.solvers.ridge_path import LabelSource, RidgeExperiment, simulate_ridge_path
from freeridge.theory.covariance import Covariance, Dense, Diagonal, TwoAtoms
from freeridge.theory.population import Population

if TYPE_CHECKING:
    from freeridge.theory.mixture import RidgeMixture


def simulate_mixture(
    setting: "RidgeMixture",
    test: Population,
    key: Any,
    replicates: int,
    *,
    time: Any = None,
    step_size: Any = None,
    progress: bool = False,
    precision: str = "float64",
) -> Estimate:
    """Monte Carlo of a mixture, trained to convergence or stopped at times; see
    :meth:`RidgeMixture.simulate`.
    """
    experiment = experiment_of(setting, test)
    # One ridge or time is a number, a path an array, as in the prediction.
    shape = np.shape(setting.ridge)
    if time is not None:
        shape = np.shape(time)
        step = None if step_size is None else float(step_size)
        experiment = replace(experiment, times=np.atleast_1d(np.asarray(time)), step_size=step)
    outcome = simulate_ridge_path(experiment, key, replicates, precision=precision, progress=progress)
    sizes = {"n": experiment.samples, "d": experiment.dimension}
    if experiment.features is not None:
        sizes["features"] = experiment.features
    return Estimate(
        mean={name: value.reshape(shape) for name, value in outcome.mean.items()},
        standard_error={name: value.reshape(shape) for name, value in outcome.standard_error.items()},
        replicates=len(outcome.values["risk"]),
        sizes=sizes,
        values={name: value.reshape(len(value), *shape) for name, value in outcome.values.items()},
    )


def experiment_of(setting: "RidgeMixture", test: Population) -> RidgeExperiment:
    """A mixture as plain arrays; refuses what cannot be drawn, such as half a row."""
    n = whole("n", setting.n)
    weights = np.array([float(p.weight) for p in setting.populations])
    shares = [float(p.share) for p in setting.populations]
    labelers = [p.labeler for p in setting.populations]
    sources = dict.fromkeys(source for labeler in [*labelers, test.labeler] for source in labeler.terms())
    fixed = [labeler.fixed for labeler in [*labelers, test.labeler]]
    return RidgeExperiment(
        factors=tuple(
            np.sqrt(w) * factor(p.covariance) for w, p in zip(weights, setting.populations, strict=True)
        ),
        counts=tuple(whole("share * n", share * n) for share in shares),
        noise_variances=weights * np.array([float(p.noise_variance) for p in setting.populations]),
        ridges=np.atleast_1d(np.asarray(setting.ridge)),
        test=moment(test.covariance),
        sources=tuple(
            LabelSource(
                train=np.array([float(labeler.terms().get(source, 0.0)) for labeler in labelers]),
                test=float(test.labeler.terms().get(source, 0.0)),
                moment=moment(source.covariance),
            )
            for source in sources
        ),
        fixed=None
        if all(w is None for w in fixed)
        else np.stack([np.zeros(setting.d) if w is None else np.asarray(w) for w in fixed], axis=1),
        features=None if setting.features is None else whole("features", setting.features),
    )


def whole(name: str, value: Any) -> int:
    """A size that simulation can draw.

    Examples
    --------
    >>> whole("n", 200.0)
    200
    >>> whole("share * n", 12.5)
    Traceback (most recent call last):
        ...
    freeridge.solvers.errors.InvalidSetting: share * n = 12.5: expected a whole number to simulate; theory
    takes any
    """
    number = known(value)
    if number is None or number.ndim != 0:
        raise InvalidSetting(name, value, "one whole number to simulate")
    nearest = round(float(number))
    if abs(float(number) - nearest) > 1e-6 * max(1.0, abs(nearest)):
        raise InvalidSetting(name, float(number), "a whole number to simulate; theory takes any")
    return nearest


def moment(covariance: Covariance) -> np.ndarray:
    """Covariance as an array: its diagonal, or the matrix."""
    if isinstance(covariance, Dense):
        return np.asarray(covariance.matrix)
    assert isinstance(covariance, Diagonal)
    if isinstance(covariance, TwoAtoms):
        whole("fraction * d", float(covariance.fraction) * covariance.d)
    return np.asarray(covariance.coordinates())


def factor(covariance: Covariance) -> np.ndarray:
    """F with F F' the covariance: a vector for a diagonal one."""
    values = moment(covariance)
    if values.ndim == 1:
        return np.sqrt(values)
    eigenvalues, vectors = np.linalg.eigh(values)
    return vectors * np.sqrt(np.maximum(eigenvalues, 0.0))
