r"""The settings in which the theory of spurious features is held against simulation.

The measures of one fit fluctuate by a multiple of $1 / \sqrt n$ around a mean that lies off the limit by a
multiple of $1 / n$, so that with few replicates the standard error is the larger of the two, and nothing is
extrapolated. $n$ is the number of rows before any is dropped. There are more where training drops most of
them, where a group is small, and without a penalty, where that multiple is large.

A share is compared only where it can be: an error of 1e-6 on fresh rows is a tail of the weights, the mean of
20 fits says nothing of it, and an error of 1e-6 in training is none of the rows.
"""

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from freeridge.solvers.census import Census, require_size, validate_all
from freeridge.solvers.replicates import Key
from freeridge.solvers.results import Estimate, Prediction
from freeridge.theory.memorization.spurious_law import TRAININGS
from freeridge.theory.memorization.spurious_logistic import SpuriousLogistic

# Rows and replicates.
SIZES = {"full": (1000, 20), "quick": (300, 10)}
QUICK = ("erm", "memorisation-aware", "subsampled", "not separable, no penalty", "own shifts")
SHOWN = ("worst_group_error", "core", "noise_norm")

_SHARES = ("group_errors", "train_errors", "worst_group_error", "held_out_error", "balanced_error")
_RAREST = 2e-3  # share of rows that is compared


@dataclass(frozen=True)
class SpuriousCase:
    r"""A setting with a spurious feature at any number of rows.

    Parameters
    ----------
    phi, penalty, majority, spurious_scale, noise : float
    options : dict
        Other fields of :class:`SpuriousLogistic`.
    size : float
        How many times as many rows as others have.

    Examples
    --------
    >>> SpuriousCase(1.8, 0.01, options={"training": "balanced"}, size=2.0).build(1000).n
    2000
    """

    phi: float
    penalty: float
    majority: float = 0.9
    spurious_scale: float = 5.0
    noise: float = 0.5
    options: dict[str, Any] | None = None
    size: float = 1.0

    def build(self, n: int) -> SpuriousLogistic:
        """The setting with so many rows, times its size."""
        fields = (self.phi, self.penalty, self.majority, self.spurious_scale, self.noise)
        return SpuriousLogistic(*fields, **(self.options or {}), n=round(self.size * n))


def spurious_cases() -> dict[str, SpuriousCase]:
    """Named cases: every training, rows few and many, penalties from 1e-6 to 1 and none at all, noise weak
    and strong, groups from equal to one row in a hundred.

    Examples
    --------
    >>> len(spurious_cases())
    38
    """
    shifted, balanced, subsampled = ({"training": name} for name in TRAININGS[1:])
    wide = {"feature_std": 1.0}
    return {
        "erm": SpuriousCase(1.8, 0.01),
        "memorisation-aware": SpuriousCase(1.8, 0.01, options=shifted),
        "balanced": SpuriousCase(1.8, 0.01, options=balanced),
        "subsampled": SpuriousCase(1.8, 0.01, options=subsampled, size=3.0),
        "more rows, erm": SpuriousCase(0.5, 0.01, noise=1.0),
        "more rows, memorisation-aware": SpuriousCase(0.5, 0.01, noise=1.0, options=shifted),
        "more rows, balanced": SpuriousCase(0.5, 0.01, noise=1.0, options=balanced),
        "more rows, subsampled": SpuriousCase(0.5, 0.01, noise=1.0, options=subsampled, size=4.0),
        "most rows": SpuriousCase(0.05, 0.1, noise=2.0, size=2.0),
        "fewest rows, erm": SpuriousCase(4.0, 0.01, noise=1.0),
        "fewest rows, balanced": SpuriousCase(4.0, 0.01, noise=1.0, options=balanced),
        "weak noise": SpuriousCase(1.8, 0.01, noise=0.2),
        "strong noise, erm": SpuriousCase(1.8, 0.01, noise=2.0),
        "strong noise, memorisation-aware": SpuriousCase(1.8, 0.01, noise=2.0, options=shifted),
        "penalty 1": SpuriousCase(1.8, 1.0, noise=1.0, options=shifted),
        "penalty 1, erm": SpuriousCase(0.5, 1.0, 0.6, 2.0, 2.0),
        "penalty 1e-4": SpuriousCase(1.8, 1e-4, noise=1.0, options=balanced),
        "penalty 1e-6, erm": SpuriousCase(1.8, 1e-6, noise=1.0),
        "penalty 1e-6, memorisation-aware": SpuriousCase(1.0, 1e-6, noise=1.0, options=shifted),
        "not separable, no penalty": SpuriousCase(0.1, 0.0, 0.9, 2.0, 1.0, wide, 4.0),
        "not separable, memorisation-aware": SpuriousCase(0.1, 0.0, 0.9, 2.0, 1.0, wide | shifted, 4.0),
        "not separable, balanced": SpuriousCase(0.1, 0.0, 0.6, 2.0, 1.0, wide | balanced, 4.0),
        "not separable, subsampled": SpuriousCase(0.1, 0.0, 0.6, 2.0, 1.0, wide | subsampled, 4.0),
        "not separable, penalty 1e-6": SpuriousCase(0.12, 1e-6, 0.8, 3.0, 0.5, wide, 4.0),
        "separable, penalty 1e-3": SpuriousCase(1.0, 1e-3, 0.8, 3.0, 1.0, wide | shifted),
        "equal groups": SpuriousCase(0.5, 0.01, 0.5, 2.0, 1.5),
        "nearly equal groups, erm": SpuriousCase(0.5, 0.01, 0.6, 2.0, 1.5),
        "nearly equal groups, memorisation-aware": SpuriousCase(0.5, 0.01, 0.6, 2.0, 1.5, shifted),
        "nearly equal groups, subsampled": SpuriousCase(0.5, 0.01, 0.6, 2.0, 1.5, subsampled),
        "one in a hundred, erm": SpuriousCase(0.2, 0.01, 0.99, 2.0, 1.0, size=4.0),
        "one in a hundred, memorisation-aware": SpuriousCase(0.2, 0.01, 0.99, 2.0, 1.0, shifted, 4.0),
        "one in a hundred, balanced": SpuriousCase(0.2, 0.01, 0.99, 2.0, 1.0, balanced, 4.0),
        "no spurious feature": SpuriousCase(1.0, 0.05, 0.8, 0.0, 1.0),
        "weak spurious feature": SpuriousCase(1.0, 0.05, 0.8, 0.5, 1.0, shifted),
        "strong spurious feature": SpuriousCase(1.0, 0.05, 0.8, 10.0, 1.0),
        "narrow features": SpuriousCase(1.0, 0.01, 0.8, 3.0, 1.0, {"feature_std": 0.05}),
        "own shifts": SpuriousCase(1.0, 0.01, noise=1.0, options={"shift": (2.0, -2.0)}),
        "own shifts, memorisation-aware": SpuriousCase(
            1.0, 0.01, noise=1.0, options=shifted | {"shift": (-1.0, 3.0)}
        ),
    }


@dataclass(frozen=True)
class _Countable:
    """A setting, with shares NaN where they are too rare, or too common, to be compared."""

    setting: SpuriousLogistic

    def predict(self) -> Prediction:
        found = self.setting.predict()
        quantities = {
            name: _countable(value) if name in _SHARES else value for name, value in found.quantities.items()
        }
        return type(found)(quantities, found.residual, found.code)

    def simulate(self, key: Key, replicates: int, *, progress: bool = False) -> Estimate:
        return self.setting.simulate(key, replicates, progress=progress)


def _countable(share: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    return jnp.where((share >= _RAREST) & (share <= 1.0 - _RAREST), share, jnp.nan)


def run_spurious_suite(key: Key = 0, size: str = "full", *, progress: bool = False) -> Census:
    """Theory against simulation in every case.

    Parameters
    ----------
    key : int or JAX key
        Seed.
    size : {"full", "quick"}
        All settings, or a handful with fewer rows.
    progress : bool
        Show a progress bar on standard error.
    """
    require_size(size, SIZES)
    n, replicates = SIZES[size]
    cases = spurious_cases()
    chosen = list(cases) if size == "full" else QUICK
    settings = {name: _Countable(cases[name].build(n)) for name in chosen}
    return validate_all(settings, replicates, key, shown=SHOWN, progress=progress)
