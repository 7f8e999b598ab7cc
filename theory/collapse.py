"""Strong model collapse: ridge regression on real and synthetic data (arXiv 2410.04840)."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.fields import Scalar, ScalarOrPath, known, real_field, require
from freeridge.solvers.fixed_point import solve_fixed_point
from freeridge.solvers.results import Estimate, Prediction
from freeridge.theory.covariance import Covariance, Isotropic
from freeridge.theory.covariance_algebra import rank_of, reciprocal, scaled
from freeridge.theory.labeler import RandomVector
from freeridge.theory.mixture import RidgeMixture
from freeridge.theory.population import Population


class ModelCollapse(eqx.Module):
    r"""Training on a mixture of real and synthetic data, tested on real data.

    A share $p_1$ of the $n$ rows is real: $x \sim N(0, \Sigma)$, $y = x^\top w_1 + N(0, \sigma_1^2)$ with
    $w_1 \sim N(0, \Gamma)$. The rest is synthetic: the labeler is $w_2 = w_1 + \delta$, $\delta \sim N(0,
    \Delta)$ independent. In the limit $n, d, m \to \infty$ at fixed ratios the test risk is $B + V + \zeta$:
    Theorem 1 (plain ridge) and Theorem 2 (random projections) of the paper, with the misprints listed in
    ``docs/errata.md`` corrected. With one covariance, $T = \Sigma + \theta$, $e', \kappa'$ the
    amplifications of :mod:`freeridge.solvers.response` (the paper's $u$ and $\omega'$),

    $$ B = (1 + e')\, \theta^2\, \mathrm{tr}\, \Gamma \Sigma T^{-2} + \kappa'\, \mathrm{tr}\, \Gamma \Sigma^2
       T^{-2}, \qquad
       V = e' (p_1 \sigma_1^2 + p_2 \sigma_2^2), $$
    $$ \zeta = p_2^2 (1 + p_1 e')\, \mathrm{tr}\, \Delta \Sigma^3 T^{-2} + p_2^2 \kappa'\, \mathrm{tr}\,
       \Delta \Sigma^2 T^{-2}
       + p_2 e'\, \mathrm{tr}\, \Delta \Sigma (p_1 \Sigma + \theta)^2 T^{-2} . $$

    It is a view of :class:`RidgeMixture`, which also covers the general case computed here.

    Parameters
    ----------
    covariance : Covariance
        $\Sigma$, $d \times d$.
    n : float
        All training rows, real and synthetic.
    real_share : float
        $p_1$ in [0, 1].
    quality : float
        $c^2 \ge 0$, the test error of the synthetic labeler, $E (x^\top \delta)^2 = \mathrm{tr}\, \Sigma
        \Delta$: 0 is perfect.
    noise_variance : float
        $\sigma_1^2$ of real labels.
    ridge : float or array of shape (L,)
        $\lambda \ge 0$ of $\frac1n \sum_i (\cdot)^2 + \lambda |\cdot|^2$.
    features : float, optional
        $m$ random projections; None for plain ridge.
    signal : Covariance, optional
        $\Gamma$; $I / d$ by default.
    shift : Covariance, optional
        $\Delta / c^2$; $\Sigma^{-1} / \mathrm{rank}\, \Sigma$ by default, for which ``quality`` is the test
        error exactly. With another shift $\Delta = c^2 \cdot$ shift.
    synthetic_covariance : Covariance, optional
        Of synthetic inputs; that of real ones by default.
    synthetic_noise_variance : float, optional
        $\sigma_2^2$; that of real labels by default.
    mixing : float, optional
        $\alpha \in [0, 1]$: weighted training on $\frac{1 - \alpha}{n_1} \sum_{\text{real}} +
        \frac{\alpha}{n_2} \sum_{\text{synthetic}}$ (equation 16); None weighs all rows alike.

    Examples
    --------
    >>> import freeridge as fr
    >>> setting = fr.ModelCollapse(
    ...     fr.PowerLaw(200, exponent=1.0), n=400, real_share=0.8, quality=0.5, noise_variance=0.1,
    ...     ridge=0.001, features=300,
    ... )
    >>> prediction = setting.predict()
    >>> bool(prediction.collapse > setting.lower_bound() > 0.013), prediction.ok
    (True, True)

    Isotropic data without ridge have a closed form:

    >>> isotropic = fr.ModelCollapse(
    ...     fr.Isotropic(100), n=400, real_share=0.5, quality=0.2, noise_variance=1.0, ridge=0.0
    ... )
    >>> prediction = isotropic.predict()
    >>> phi = 0.25  # Corollary 1: phi / (1 - phi) + (p_2^2 + p_1 p_2 phi / (1 - phi)) c^2
    >>> abs(prediction.risk - (1 / 3 + (0.25 + 0.25 / 3) * 0.2)) < 1e-12
    Array(True, dtype=bool)

    References
    ----------
    E. Dohmatob, Y. Feng, A. Subramonian, J. Kempe, Strong Model Collapse, ICLR 2025, arXiv 2410.04840v2:
    Definition 1, Theorems 1 and 2, equation 16.
    """

    covariance: Covariance
    n: Scalar = real_field("n")
    real_share: Scalar = real_field("real_share")
    quality: Scalar = real_field("quality")
    noise_variance: Scalar = real_field("noise_variance")
    ridge: ScalarOrPath = real_field("ridge", dimensions=1)
    features: Scalar | None = real_field("features", default=None, optional=True)
    signal: Covariance | None = None
    shift: Covariance | None = None
    synthetic_covariance: Covariance | None = None
    synthetic_noise_variance: Scalar | None = real_field(
        "synthetic_noise_variance", default=None, optional=True
    )
    mixing: Scalar | None = real_field("mixing", default=None, optional=True)

    def __check_init__(self) -> None:
        if not isinstance(self.covariance, Covariance):
            raise InvalidSetting("covariance", self.covariance, "a covariance such as Isotropic(d)")
        require("real_share", self.real_share, lambda v: (v >= 0) & (v <= 1), "a share between 0 and 1")
        require("quality", self.quality, lambda v: v >= 0, "c^2, a finite number >= 0")
        require("noise_variance", self.noise_variance, lambda v: v >= 0, "a finite number >= 0")
        for name in ("signal", "shift", "synthetic_covariance"):
            other = getattr(self, name)
            if other is not None and (not isinstance(other, Covariance) or other.d != self.covariance.d):
                raise InvalidSetting(name, other, f"a covariance of dimension {self.covariance.d}")
        if self.synthetic_noise_variance is not None:
            require(
                "synthetic_noise_variance",
                self.synthetic_noise_variance,
                lambda v: v >= 0,
                "a finite number >= 0",
            )
        if self.mixing is not None:
            require("mixing", self.mixing, lambda v: (v >= 0) & (v <= 1), "a weight between 0 and 1")
            require(
                "real_share",
                self.real_share,
                lambda v: (v > 0) & (v < 1),
                "a share inside (0, 1) when mixing is given",
            )
        self.mixture()  # the view checks n, ridge and features

    def mixture(self) -> RidgeMixture:
        """The same problem as a mixture of two populations, real first."""
        d = self.covariance.d
        truth = RandomVector(Isotropic(d, 1.0 / d) if self.signal is None else self.signal)
        shift = self._default_shift() if self.shift is None else self.shift
        synthetic = truth + RandomVector(scaled(shift, self.quality))
        synthetic_share = 1.0 - self.real_share
        noise = (
            self.noise_variance if self.synthetic_noise_variance is None else self.synthetic_noise_variance
        )
        weights: tuple[Any, Any] = (1.0, 1.0)
        if self.mixing is not None:
            weights = ((1.0 - self.mixing) / self.real_share, self.mixing / synthetic_share)
        populations = (
            Population(self.covariance, truth, self.noise_variance, self.real_share, weights[0]),
            Population(
                self.synthetic_covariance or self.covariance, synthetic, noise, synthetic_share, weights[1]
            ),
        )
        return RidgeMixture(populations, self.n, self.ridge, self.features)

    def predict(self) -> Prediction:
        r"""``risk = bias + variance + collapse`` ($B + V + \zeta$) on real data in the high-dimensional
        limit.
        """
        found = self.mixture().predict()
        return Prediction(_named(found.quantities), found.residual, found.code)

    def simulate(
        self, key: Any, replicates: int = 20, *, progress: bool = False, precision: str = "float64"
    ) -> Estimate:
        """The same quantities measured on drawn data; see :meth:`RidgeMixture.simulate`."""
        found = self.mixture().simulate(key, replicates, progress=progress, precision=precision)
        means, errors, values = map(_named, (found.mean, found.standard_error, found.values))
        return Estimate(means, errors, found.replicates, found.sizes, values)

    def lower_bound(self) -> Float[Array, "*path"]:
        r"""Part of $\zeta$ that no amount of averaging removes: what $\delta$ leaves in the mean of the
        estimator.

        For one covariance it is $p_2^2\, \mathrm{tr}\, \Delta \Sigma^3 (\Sigma + \theta)^{-2}$ (after
        Theorem 2).

        Examples
        --------
        >>> import freeridge as fr
        >>> setting = fr.ModelCollapse(
        ...     fr.Isotropic(100), 400, real_share=0.5, quality=0.2, noise_variance=1.0, ridge=0.0
        ... )
        >>> round(float(setting.lower_bound()), 12)
        0.05
        """
        problem, joint, _ = self.mixture().limit()

        def at(ridge: Array) -> Array:
            here = eqx.tree_at(lambda p: p.ridge, problem, ridge)
            point = solve_fixed_point(here)
            errors = joint.errors(here.shares * point.x, point.theta)
            apart = errors.at[-1].set(0.0)
            return joint.labels.product(joint.test, apart, apart)

        return jnp.vectorize(at)(self.ridge)

    def optimal_mixing(self) -> tuple[float, Prediction]:
        r"""Weight $\alpha$ of the synthetic data with the smallest risk, and the prediction there.

        Examples
        --------
        Plenty of real data: synthetic data, however much of it, is best left alone.

        >>> import freeridge as fr
        >>> setting = fr.ModelCollapse(
        ...     fr.Isotropic(20), 20_000, real_share=0.5, quality=1.0, noise_variance=0.1, ridge=0.0
        ... )
        >>> alpha, best = setting.optimal_mixing()
        >>> alpha < 1e-3
        True
        """
        if self.ridge.ndim:
            raise InvalidSetting("ridge", known(self.ridge), "one number, not a path, to optimise the mixing")
        from scipy.optimize import minimize_scalar  # here: half a second that no prediction needs

        start = eqx.tree_at(lambda s: s.mixing, self, jnp.asarray(0.5), is_leaf=lambda leaf: leaf is None)

        def at(alpha: Any) -> Prediction:
            return eqx.tree_at(lambda s: s.mixing, start, jnp.asarray(alpha)).predict()

        grid = np.linspace(0.0, 1.0, 65)
        coarse = np.asarray(jax.vmap(lambda alpha: at(alpha).risk)(grid))
        best = int(np.nanargmin(coarse))
        bounds = (grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)])
        fine = minimize_scalar(
            lambda alpha: float(at(alpha).risk), bounds=bounds, method="bounded", options={"xatol": 1e-10}
        )
        # The minimum may sit at an end, which the bounded search only approaches.
        alpha = float(fine.x) if fine.fun < coarse[best] else float(grid[best])
        return alpha, at(alpha)

    def _default_shift(self) -> Covariance:
        return scaled(reciprocal(self.covariance), 1.0 / rank_of(self.covariance))


def _named(quantities: dict[str, Any]) -> dict[str, Any]:
    return {"collapse" if name == "mismatch" else name: value for name, value in quantities.items()}
