"""A setting at given ratios of its sizes: the axes of phase diagrams."""

import dataclasses
from typing import Any

import equinox as eqx

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.fields import Scalar, real_field, require
from freeridge.solvers.results import Estimate, Prediction


class AtRatios(eqx.Module):
    r"""A setting whose rows and features follow from ratios to its dimension $d$.

    $$ n = d / \phi, \qquad m = \psi\, n , $$

    so that $\phi = d / n$ and $\psi = m / n$ are fields like any other: they can be swept and differentiated.

    Parameters
    ----------
    setting : setting
        With fields ``n`` and ``features``: :class:`RidgeMixture`, :class:`ModelCollapse`,
        :class:`BiasAmplification`, ... Its own ``n`` is not used.
    phi : float
        $\phi > 0$.
    psi : float, optional
        $\psi > 0$; None leaves the features of the setting as they are.

    Examples
    --------
    >>> import freeridge as fr
    >>> setting = fr.AtRatios(
    ...     fr.ModelCollapse(fr.Isotropic(100), 400, 0.5, quality=0.2, noise_variance=1.0, ridge=0.001),
    ...     phi=0.25, psi=0.5,
    ... )
    >>> setting.predict().ok
    True
    >>> collapse = fr.ModelCollapse(fr.Isotropic(100), 400, 0.5, quality=0.2, noise_variance=1.0, ridge=0.0)
    >>> fr.AtRatios(collapse, phi=0.25).predict().risk == collapse.predict().risk
    Array(True, dtype=bool)
    >>> diagram = fr.sweep(fr.AtRatios(collapse, 0.25, 0.5), {"phi": [0.2, 0.5], "psi": [0.1, 0.9, 4.0]})
    >>> dict(diagram.sizes)
    {'phi': 2, 'psi': 3}
    """

    setting: Any
    phi: Scalar = real_field("phi")
    psi: Scalar | None = real_field("psi", default=None, optional=True)

    def __check_init__(self) -> None:
        if not all(hasattr(self.setting, name) for name in ("n", "features", "predict")):
            raise InvalidSetting("setting", self.setting, "a setting with rows n and features to choose")
        require("phi", self.phi, lambda v: v > 0, "d / n, a finite number > 0")
        if self.psi is not None:
            require("psi", self.psi, lambda v: v > 0, "features / n, a finite number > 0, or None")

    @property
    def d(self) -> int:
        """Input dimension."""
        return getattr(self.setting, "d", None) or self.setting.covariance.d

    def resolved(self) -> Any:
        """The setting with the sizes that the ratios give."""
        n = self.d / self.phi
        features = self.setting.features if self.psi is None else self.psi * n
        return dataclasses.replace(self.setting, n=n, features=features)

    def predict(self) -> Prediction:
        """What the setting predicts at these ratios."""
        return self.resolved().predict()

    def simulate(self, key: Any, replicates: int = 20, *, progress: bool = False) -> Estimate:
        """What the setting measures at these ratios; sizes that are not whole are refused, not rounded."""
        return self.resolved().simulate(key, replicates, progress=progress)
