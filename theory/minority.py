"""Minority groups: a core block shared by both groups, and an extraneous block of its own for each."""

import dataclasses
from typing import Any

import equinox as eqx

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.fields import Scalar, ScalarOrPath, real_field, require
from freeridge.solvers.results import Estimate, Prediction
from freeridge.theory.bias import BiasAmplification
from freeridge.theory.covariance import Diagonal, Isotropic
from freeridge.theory.covariance_algebra import DirectSum
from freeridge.theory.labeler import RandomVector
from freeridge.theory.population import Population


class MinorityGroups(eqx.Module):
    r"""A majority and a minority that share core features and have extraneous features of their own.

    The $d = d_c + d_1 + d_2$ inputs are a core block and one extraneous block for each group, on which the
    other group vanishes:

    $$ \Sigma_1 = \Sigma_c \oplus B_1 \oplus 0, \qquad \Sigma_2 = \Sigma_c \oplus 0 \oplus B_2 . $$

    A share $p$ of the $n$ rows belongs to the minority, group 2: $n_2 = p n$, $n_1 = (1 - p) n$. Both groups
    have one labeler, $y = x^\top w + N(0, \sigma_s^2)$, $w = w_c \oplus v_1 \oplus v_2$ with independent
    parts, $w_c \sim N(0, I / d_c)$ and $v_s \sim N(0, g I / d_s)$: unit length on the core, $E |v_s|^2 = g$
    on each extraneous block. With $g = 0$ extraneous features are worthless, and the model has to find that
    out. It is a view of :class:`BiasAmplification` with the groups (majority, minority).

    Training is ridge regression, plain or on $m$ random projections. As $m \to \infty$ at a fixed ridge the
    model becomes plain ridge regression with the penalty $\lambda d / m \to 0$, the minimum-norm solution
    (:meth:`infinite_width`). With $r_s = \max(n_s - d_s, 0)$ rows left for the core by the extraneous
    features of group $s$ and $\rho = r_1 + r_2 > d_c$ its risks are explicit,

    $$ R_s = (1 + V_s) \Big( \frac{d_c}{\rho - d_c}\, \frac{r_1 \sigma_1^2 + r_2 \sigma_2^2}{\rho} + b_s
       \Big) + V_s \sigma_s^2 , $$

    where $V_s$ and $b_s$ belong to the extraneous block alone: :mod:`freeridge.theory.minority_formulas`,
    derived in ``docs/theory/minority.md``, which answers when the gap $R_2 - R_1$ does not vanish with width.

    Parameters
    ----------
    core : Diagonal
        $\Sigma_c$, of dimension $d_c$: any of the diagonal covariances.
    extraneous : Diagonal
        $B_1$, and $B_2$ unless that is given.
    n : float
        All training rows.
    minority_share : float
        $p$, inside (0, 1).
    noise_variance : float
        $\sigma_1^2$, and $\sigma_2^2$ unless that is given.
    ridge : float or array of shape (L,)
        $\lambda \ge 0$ of $\frac1n \sum_i (\cdot)^2 + \lambda |\cdot|^2$; an array is a path.
    features : float, optional
        $m$ random projections; None for plain ridge.
    minority_noise_variance : float, optional
        $\sigma_2^2$.
    minority_extraneous : Diagonal, optional
        $B_2$; its dimension $d_2$ need not be $d_1$.
    extraneous_signal : float
        $g \ge 0$.

    Examples
    --------
    The minority has hardly more rows than extraneous features; with infinite width that costs it most:

    >>> import freeridge as fr
    >>> setting = fr.MinorityGroups(
    ...     fr.Isotropic(50), fr.Isotropic(50), n=600, minority_share=0.1, noise_variance=0.5, ridge=0.1,
    ...     features=250,
    ... )
    >>> narrow = setting.predict()
    >>> from freeridge.theory.minority_formulas import Block, identified
    >>> block = Block((1.0,), (50.0,))
    >>> wide = identified(50, (block, block), rows=(540, 60), noise=(0.5, 0.5))
    >>> round(float(narrow.gap), 4), round(wide.gap, 4), narrow.ok
    (0.1551, 2.7211, True)

    References
    ----------
    A. Subramonian, S. J. Bell, L. Sagun, E. Dohmatob, An Effective Theory of Bias Amplification, ICLR 2025,
    arXiv 2410.17263, the section on minority-group bias (known to us second-hand: our parametrisation). Core
    and spurious features: S. Sagawa, A. Raghunathan, P. W. Koh, P. Liang, An Investigation of Why
    Overparameterization Exacerbates Spurious Correlations, ICML 2020; F. Khani, P. Liang, Removing Spurious
    Features can Hurt Accuracy and Affect Groups Disproportionately, FAccT 2021.
    """

    core: Diagonal
    extraneous: Diagonal
    n: Scalar = real_field("n")
    minority_share: Scalar = real_field("minority_share")
    noise_variance: Scalar = real_field("noise_variance")
    ridge: ScalarOrPath = real_field("ridge", dimensions=1)
    features: Scalar | None = real_field("features", default=None, optional=True)
    minority_noise_variance: Scalar | None = real_field(
        "minority_noise_variance", default=None, optional=True
    )
    minority_extraneous: Diagonal | None = None
    extraneous_signal: Scalar = real_field("extraneous_signal", default=0.0)

    def __check_init__(self) -> None:
        for name in ("core", "extraneous", "minority_extraneous"):
            block = getattr(self, name)
            if not isinstance(block, Diagonal) and (name != "minority_extraneous" or block is not None):
                raise InvalidSetting(name, block, "a diagonal covariance such as Isotropic(d)")
        require("minority_share", self.minority_share, lambda v: (v > 0) & (v < 1), "a share inside (0, 1)")
        require("noise_variance", self.noise_variance, lambda v: v >= 0, "a finite number >= 0")
        if self.minority_noise_variance is not None:
            require(
                "minority_noise_variance",
                self.minority_noise_variance,
                lambda v: v >= 0,
                "a finite number >= 0",
            )
        require("extraneous_signal", self.extraneous_signal, lambda v: v >= 0, "a finite number >= 0")
        self.amplification()  # the view checks n, ridge and features

    @property
    def d(self) -> int:
        """Input dimension: the core and both extraneous blocks."""
        return self.core.d + sum(block.d for block in self._extraneous())

    def amplification(self) -> BiasAmplification:
        """The same problem as groups, the majority first."""
        first, second = self._extraneous()
        labels = [Isotropic(block.d, self.extraneous_signal / block.d) for block in (first, second)]
        truth = RandomVector(DirectSum([Isotropic(self.core.d, 1.0 / self.core.d), *labels]))
        inputs = (
            DirectSum([self.core, first, Isotropic(second.d, 0.0)]),
            DirectSum([self.core, Isotropic(first.d, 0.0), second]),
        )
        noise = self.noise_variance if self.minority_noise_variance is None else self.minority_noise_variance
        groups = (
            Population(inputs[0], truth, self.noise_variance, 1.0 - self.minority_share),
            Population(inputs[1], truth, noise, self.minority_share),
        )
        return BiasAmplification(groups, self.n, self.ridge, self.features)

    def predict(self) -> Prediction:
        """All that :meth:`BiasAmplification.predict` gives, and ``gap``.

        ``gap`` is the risk of the joint model on the minority minus that on the majority, its
        ``signed_odd``.
        """
        found = self.amplification().predict()
        return Prediction(found.quantities | {"gap": found.signed_odd}, found.residual, found.code)

    def simulate(
        self, key: Any, replicates: int = 20, *, progress: bool = False, precision: str = "float64"
    ) -> Estimate:
        """The same quantities measured on drawn data; see :meth:`BiasAmplification.simulate`."""
        found = self.amplification().simulate(key, replicates, progress=progress, precision=precision)
        return dataclasses.replace(
            found,
            mean=found.mean | {"gap": found.mean["signed_odd"]},
            standard_error=found.standard_error | {"gap": found.standard_error["signed_odd"]},
        )

    def infinite_width(self) -> "MinorityGroups":
        r"""The setting that $m \to \infty$ leads to at every fixed ridge: no projections and no ridge.

        A wide model is closer to plain ridge with the penalty $\lambda d / m$; both differ from it by terms
        of order $1 / m$, unless the limit is at a threshold.
        """
        return dataclasses.replace(self, features=None, ridge=0.0)

    def _extraneous(self) -> tuple[Diagonal, Diagonal]:
        return (
            self.extraneous,
            self.extraneous if self.minority_extraneous is None else self.minority_extraneous,
        )
