"""A population: where a share of the training data comes from, and what labels it."""

from typing import TYPE_CHECKING, Any

import equinox as eqx

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.fields import Scalar, real_field, require
from freeridge.theory.covariance import Covariance
from freeridge.theory.labeler import Labeler, as_labeler

# A labeler, or an array that the field converts to one: type checkers do not know converters.
if TYPE_CHECKING:
    LabelerField = Any
else:
    LabelerField = Labeler


class Population(eqx.Module):
    r"""Inputs $x \sim N(0, \Sigma)$ with labels $y = x^\top w + N(0, \sigma^2)$.

    Parameters
    ----------
    covariance : Covariance
        $\Sigma$, size $d \times d$.
    labeler : Labeler or array of shape (d,)
        $w$; an array is a fixed labeler.
    noise_variance : float
        $\sigma^2 \ge 0$.
    share : float
        $p$, its share of the training rows, in [0, 1]; the shares of a mixture sum to one. A population that
        is only tested on may leave it at 0.
    weight : float
        Factor of its rows in the training loss (weighted empirical risk minimisation); 1 for plain least
        squares.

    Examples
    --------
    >>> import freeridge as fr
    >>> d = 200
    >>> truth = fr.RandomVector(fr.Isotropic(d, 1 / d))
    >>> fr.Population(fr.Isotropic(d), truth, noise_variance=0.1, share=0.3).d
    200
    """

    covariance: Covariance
    labeler: LabelerField = eqx.field(converter=as_labeler)
    noise_variance: Scalar = real_field("noise_variance", default=0.0)
    share: Scalar = real_field("share", default=0.0)
    weight: Scalar = real_field("weight", default=1.0)

    def __check_init__(self) -> None:
        if not isinstance(self.covariance, Covariance):
            raise InvalidSetting("covariance", self.covariance, "a covariance such as Isotropic(d)")
        if self.labeler.fixed is not None:
            _same_dimension(self.covariance, len(self.labeler.fixed), self.labeler.fixed)
        for source in self.labeler.terms():
            _same_dimension(self.covariance, source.covariance.d, source)
        require("noise_variance", self.noise_variance, lambda v: v >= 0, "a finite number >= 0")
        require("share", self.share, lambda v: (v >= 0) & (v <= 1), "a share between 0 and 1")
        require("weight", self.weight, lambda v: v >= 0, "a finite number >= 0")

    @property
    def d(self) -> int:
        """Input dimension."""
        return self.covariance.d


def _same_dimension(covariance: Covariance, length: int, labeler: Any) -> None:
    if length != covariance.d:
        raise InvalidSetting("labeler", labeler, f"a vector of length {covariance.d}, that of the covariance")
