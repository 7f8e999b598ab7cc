"""Monte Carlo of classifiers trained on the rows that a rule keeps."""

from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.replicates import run_replicates
from freeridge.solvers.results import Estimate
from freeridge.theory.pruning.directions import eigenbasis
from freeridge.theory.pruning.rules import chances_of

if TYPE_CHECKING:
    from freeridge.theory.pruning.pruned_classifier import PrunedClassifier


def simulate_pruned(
    setting: "PrunedClassifier", key: Any, replicates: int, *, progress: bool = False
) -> Estimate:
    """Only kept rows are drawn in all their dimensions: first come the three coordinates that labels and
    scores depend on, then the rest of what is kept. See :meth:`PrunedClassifier.simulate`.
    """
    d, ridge = setting.dimension, float(setting.ridge)
    rows, flips = d / float(setting.phi), float(setting.label_noise)
    rho_oracle = float(setting.correlations[2])
    rest = np.sqrt(max(1.0 - rho_oracle**2, 0.0))
    values = None if setting.covariance is None else np.asarray(eigenbasis(setting.covariance)[0])
    plane = setting.plane()
    given = None if plane.basis is None else np.asarray(plane.basis)
    truth = np.asarray(plane.truth)

    def replicate(rng: np.random.Generator) -> dict[str, float]:
        n = max(int(np.floor(rows + rng.random())), 1)
        inner = rng.standard_normal((n, 3))
        labels = np.where(rho_oracle * inner[:, 0] + rest * inner[:, 1] > 0, 1.0, -1.0)
        labels *= np.where(rng.random(n) < flips, -1.0, 1.0)
        kept = rng.random(n) < chances_of(setting.keep, inner[:, 0], labels)
        if not np.any(kept):
            raise InvalidSetting("keep", setting.keep, f"a rule that keeps rows: none of {n} was kept")
        inner, labels = inner[kept], labels[kept]
        if values is None:  # the three directions are the first coordinates
            features = np.concatenate([inner, rng.standard_normal((len(inner), d - 3))], axis=1)
            estimate = ridge_fit(features, labels, ridge * n)
            signal = truth @ estimate[:3]
        else:
            basis = _random_basis(rng, np.sqrt(values)) if given is None else given
            outer = rng.standard_normal((len(inner), d))
            # A direction that is in the plane of the others has no vector of its own.
            outer += (inner - outer @ basis.T) @ basis
            estimate = np.sqrt(values) * ridge_fit(outer * np.sqrt(values), labels, ridge * n)
            signal = truth @ basis @ estimate
        alignment = signal / np.linalg.norm(estimate)
        miss = np.sqrt(max(estimate @ estimate - signal**2, 0.0))
        error = np.arctan2(miss, signal) / np.pi
        return {"error": error, "alignment": alignment, "share": kept.mean()}

    mean, error, found = run_replicates(replicate, key, replicates, progress=progress)
    sizes = {"n": round(rows), "d": d}
    return Estimate(mean, error, len(found["error"]), sizes, found)


def ridge_fit(
    rows: Float[np.ndarray, "n d"], labels: Float[np.ndarray, " n"], penalty: float
) -> Float[np.ndarray, " d"]:
    r"""$\arg\min_w |X w - y|^2 + \lambda |w|^2$, at 0 that of the smallest norm.

    Examples
    --------
    >>> import numpy as np
    >>> ridge_fit(np.eye(2, 3), np.ones(2), 0.0).round(6)
    array([1., 1., 0.])
    """
    n, d = rows.shape
    if penalty == 0.0:
        return np.linalg.lstsq(rows, labels, rcond=None)[0]
    if n < d:
        return rows.T @ np.linalg.solve(rows @ rows.T + penalty * np.eye(n), labels)
    return np.linalg.solve(rows.T @ rows + penalty * np.eye(d), rows.T @ labels)


def _random_basis(rng: np.random.Generator, roots: Float[np.ndarray, " d"]) -> Float[np.ndarray, "3 d"]:
    """Three random directions, whitened and then made orthonormal: correlations are exact in each draw."""
    return np.linalg.qr((rng.standard_normal((3, len(roots))) * roots).T)[0].T
