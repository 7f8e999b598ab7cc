"""One draw of the experiment: candidates, a verifier that looks at each, real logistic regression."""

from typing import NamedTuple

import numpy as np
from scipy.special import ndtr, owens_t

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.logistic_fit import fit_logistic
from freeridge.theory.pruning.verification.label_errors import LabelErrors

_CHUNK = 2**16  # candidates drawn at a time
_MOST = 10**9  # candidates drawn for one fit


class Trained(NamedTuple):
    """Weights, the first along the truth, and what they are worth."""

    weights: np.ndarray
    measured: dict[str, float]


def train_verified(
    rng: np.random.Generator, errors: LabelErrors, signal: float, d: int, rows: int, ridge: float
) -> Trained:
    """Generate and verify until there are enough rows, and fit.

    Candidates are drawn by the coordinates that decide on them; only kept rows get their other inputs. The
    accuracy is not counted on test samples: it is a normal probability given the weights.

    Parameters
    ----------
    rng : numpy.random.Generator
    errors : RandomErrors or LinearErrors
    signal, ridge : float
    d, rows : int

    Raises
    ------
    InvalidSetting
        When a billion candidates would not give enough rows.

    Examples
    --------
    >>> from freeridge.theory.pruning.verification.label_errors import RandomErrors
    >>> found = train_verified(np.random.default_rng(0), RandomErrors(0.2), 1.5, 20, 400, 0.01)
    >>> found.weights.shape, 0.85 < found.measured["accuracy"] < 0.94
    ((20,), True)
    """
    first = errors.draw(rng, signal, _CHUNK)
    share = np.mean(first.kept)
    if share * _MOST < rows:
        raise InvalidSetting(
            "errors", errors, f"a verifier that keeps more than {rows / _MOST:.1g} of all labels"
        )
    parts, count = [first.coordinates[first.kept]], int(np.sum(first.kept))
    while count < rows:
        more = errors.draw(rng, signal, _CHUNK)
        parts.append(more.coordinates[more.kept])
        count += len(parts[-1])
    informative = np.concatenate(parts)[:rows]
    noise = rng.standard_normal((rows, d - errors.coordinates))
    signed = np.concatenate([informative, noise], axis=1)  # the sign of pure noise does not matter
    weights = fit_logistic(signed, ridge)
    norm = float(np.linalg.norm(weights))
    cosine = float(weights[0]) / norm
    measured = {
        "accuracy": float(ndtr(signal * cosine)),
        "agreement": _agreement(signal, cosine),
        "cosine": cosine,
        "norm": norm,
        "train_loss": float(np.mean(np.logaddexp(0.0, -signed @ weights))),
        "kept": float(share),
        "wrong": float(np.mean(first.wrong[first.kept])),
    }
    return Trained(weights, measured)


def _agreement(signal: float, cosine: float) -> float:
    """By Owen's T function, independently of the theory's integral.

    P(both scores positive) with means (s, s c): Owen's formula for the bivariate normal distribution.
    """
    sine = np.sqrt(max(1.0 - cosine**2, 0.0))
    if sine == 0.0:
        return float(cosine > 0)
    # h = s and k = s c at correlation c: one of the two T functions has argument 0.
    one_side = owens_t(signal * cosine, sine / cosine) if cosine != 0.0 else 0.0
    differ = 2.0 * one_side if cosine > 0 else 1.0 + 2.0 * one_side
    return float(1.0 - differ) if cosine != 0.0 else 0.5
