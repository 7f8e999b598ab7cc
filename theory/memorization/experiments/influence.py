"""Self-influence by group: rows of the majority and of the minority, before and after the shift."""

from typing import Any

import equinox as eqx
import numpy as np
import xarray as xr

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.fields import as_real, require, require_count
from freeridge.solvers.logistic_fit import fit_logistic
from freeridge.solvers.replicates import run_replicates
from freeridge.solvers.storage import provenance
from freeridge.theory.memorization.experiments.self_influence import SelfInfluence, self_influence
from freeridge.theory.memorization.experiments.spurious_rows import FEATURE_STD, SPURIOUS_SCALE, draw_rows
from freeridge.theory.memorization.spurious_law import Training
from freeridge.theory.memorization.spurious_logistic import SpuriousLogistic

MAJORITY = 0.9
TRAININGS: dict[str, Training] = {"ERM": "erm", "MAT": "memorisation-aware"}


class InfluenceExperiment(eqx.Module):
    r"""Self-influence in penalised logistic regression on the rows of the interpretable experiment.

    Without a shift (ERM), and with the shift of memorisation-aware training when the held-out signal is
    perfect (MAT): $\log(p / (1 - p))$ for the majority, of share $p$, and minus that for the minority.

    Parameters
    ----------
    rows, dimension : int
        As in the interpretable experiment; two of the dimensions are features.
    noise : float
        $\sigma_\epsilon$.
    penalty : float
        $\lambda > 0$.

    Examples
    --------
    >>> found = InfluenceExperiment(rows=40, dimension=72).run(key=0)
    >>> found.exact.dims, bool((found.exact > found.predicted).all())
    (('replicate', 'training', 'row'), True)
    """

    rows: int = eqx.field(static=True, default=1000)
    dimension: int = eqx.field(static=True, default=1800)
    noise: float = eqx.field(static=True, default=0.5)
    penalty: float = eqx.field(static=True, default=0.01)

    def __check_init__(self) -> None:
        for name in ("rows", "dimension"):
            require_count(name, getattr(self, name))
        if self.rows < 11:
            raise InvalidSetting("rows", self.rows, "at least 11 rows, of which one is of the minority")
        if self.dimension < 2:
            raise InvalidSetting("dimension", self.dimension, "at least the 2 features")
        require("noise", as_real("noise", self.noise), lambda v: v >= 0, "a finite number >= 0")
        require("penalty", as_real("penalty", self.penalty), lambda v: v > 0, "a finite number > 0")

    def settings(self) -> dict[str, SpuriousLogistic]:
        """Both trainings as settings of the theory, with the share of the majority that is drawn.

        Examples
        --------
        >>> erm, mat = InfluenceExperiment().settings().values()
        >>> round(float(erm.majority), 12), mat.training
        (0.901, 'memorisation-aware')
        """
        share = 1.0 - int((1.0 - MAJORITY) * self.rows) / self.rows
        noise_coordinates = (self.dimension - 2) / self.rows
        return {
            name: SpuriousLogistic(
                noise_coordinates,
                self.penalty,
                share,
                SPURIOUS_SCALE,
                self.noise,
                feature_std=FEATURE_STD,
                training=training,
                n=self.rows,
            )
            for name, training in TRAININGS.items()
        }

    def run(self, key: Any = 0, replicates: int = 2, *, progress: bool = False) -> xr.Dataset:
        """Fit both, and leave each row out in turn.

        Parameters
        ----------
        key : int, sequence of int or JAX key
        replicates : int
            Independent draws of the rows, at least 2; both trainings have the same.
        progress : bool
            Show a progress bar.

        Returns
        -------
        xarray.Dataset
            Over (``replicate``, ``training``, ``row``), what
            :class:`freeridge.theory.memorization.experiments.self_influence.SelfInfluence` has;
            ``is_majority`` over (``replicate``, ``row``).
        """
        found = run_replicates(self._one, key, replicates, progress=progress).values
        groups = found.pop("is_majority") > 0
        return xr.Dataset(
            {name: (("replicate", "training", "row"), values) for name, values in found.items()}
            | {"is_majority": (("replicate", "row"), groups)},
            coords={"training": list(TRAININGS)},
            attrs={"parameters": provenance(self, key)},
        )

    def _one(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        drawn = draw_rows(rng, self.rows, self.dimension, MAJORITY, self.noise)
        signed = drawn.inputs.astype(np.float64) * (1.0 - 2.0 * drawn.labels)[:, None]
        share = drawn.majority.mean()
        shift = np.where(drawn.majority, 1.0, -1.0) * np.log(share / (1.0 - share))
        both = [
            self_influence(signed, shifts, self.penalty, fit_logistic(signed, self.penalty, shifts))
            for shifts in (np.zeros(self.rows), shift)
        ]
        columns = dict(zip(SelfInfluence._fields, map(np.stack, zip(*both, strict=True)), strict=True))
        return {**columns, "is_majority": drawn.majority}
