"""Ridge regression on a mixture of populations: the one theorem behind the model-collapse and
bias-amplification settings.
"""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.fields import Scalar, ScalarOrPath, known, real_field, require
from freeridge.solvers.fixed_point import MixtureProblem
from freeridge.solvers.results import Estimate, Prediction
from freeridge.theory.experiment import simulate_mixture
from freeridge.theory.joint import Joint, join
from freeridge.theory.population import Population
from freeridge.theory.risk import risk_of


def _as_tuple(populations: Any) -> tuple[Any, ...]:
    if isinstance(populations, Population):
        raise InvalidSetting("populations", populations, "a list of populations, [Population(...), ...]")
    return tuple(populations)


class RidgeMixture(eqx.Module):
    r"""Ridge regression trained on several populations, with or without random projections.

    Row $i$ of the $n$ training rows comes from population $s$ with share $p_s$: $x \sim N(0, \Sigma_s)$,
    $y = x^\top w_s + N(0, \sigma_s^2)$. The estimator is $\hat w = S \hat\eta$ with

    $$ \hat\eta = \arg\min_\eta \frac1n \sum_i a_{s(i)} (x_i^\top S \eta - y_i)^2 + \lambda |\eta|^2 , $$

    $S = I_d$ for plain ridge, or $d \times m$ with iid $N(0, 1/d)$ entries for random projections. In the
    limit $n, d, m \to \infty$ at fixed $\phi = d/n$, $\gamma = m/d$, with $\bar w$ the mean of $\hat w$, the
    risk on a test population $(\Sigma, w)$ is a sum of non-negative terms,

    $$ E (x^\top \hat w - x^\top w)^2 = |\bar w - w|_\Sigma^2 + \kappa' |\bar w|^2 + \sum_s p_s e_s' \big(
       |\bar w - w_s|_{\Sigma_s}^2 + \sigma_s^2 \big), $$

    with the fixed point of :mod:`freeridge.solvers.fixed_point` and its amplifications
    (:mod:`freeridge.solvers.response`). The derivation is in ``docs/theory/mixture.md``.

    Parameters
    ----------
    populations : sequence of Population
        Shares sum to one.
    n : float
        Training rows, $n > 0$; any real number in theory, a whole number in simulation.
    ridge : float or array of shape (L,)
        $\lambda \ge 0$; 0 is the minimum-norm limit. An array is a path: predictions and simulations have
        its shape.
    features : float, optional
        $m > 0$, the number of random projections; None for plain ridge.

    Examples
    --------
    >>> import freeridge as fr
    >>> d = 200
    >>> truth = fr.RandomVector(fr.Isotropic(d, 1 / d))
    >>> real_share = 0.7
    >>> real = fr.Population(fr.Isotropic(d), truth, noise_variance=0.1, share=real_share)
    >>> error = 0.1
    >>> labeler = truth + fr.RandomVector(fr.Isotropic(d, error / d))
    >>> synthetic = fr.Population(fr.Isotropic(d, 2.0), labeler, noise_variance=0.1, share=1 - real_share)
    >>> prediction = fr.RidgeMixture([real, synthetic], n=400, ridge=0.05).predict()
    >>> round(float(prediction.risk), 6), prediction.ok
    (0.103625, True)

    References
    ----------
    E. Dohmatob, Y. Feng, A. Subramonian, J. Kempe, Strong Model Collapse, arXiv 2410.04840 (two populations,
    Theorems 1 and 2). A. Subramonian, S. Bell, L. Sagun, E. Dohmatob, An Effective Theory of Bias
    Amplification, arXiv 2410.17263.
    """

    populations: Sequence[Population] = eqx.field(converter=_as_tuple)
    n: Scalar = real_field("n")
    ridge: ScalarOrPath = real_field("ridge", dimensions=1)
    features: Scalar | None = real_field("features", default=None, optional=True)

    def __check_init__(self) -> None:
        if not self.populations or not all(isinstance(p, Population) for p in self.populations):
            raise InvalidSetting("populations", self.populations, "at least one Population")
        if len({p.d for p in self.populations}) > 1:
            raise InvalidSetting(
                "populations", [p.d for p in self.populations], "covariances of one dimension"
            )
        shares = [known(p.share) for p in self.populations]
        if all(share is not None for share in shares):
            total = float(sum(share.item() for share in shares if share is not None))
            if abs(total - 1.0) > 1e-9:
                raise InvalidSetting(
                    "share", [float(p.share) for p in self.populations], f"a sum of one, not {total:.12g}"
                )
        require("n", self.n, lambda v: v > 0, "a number of training rows > 0")
        require("ridge", self.ridge, lambda v: v >= 0, "a finite number >= 0")
        if self.features is not None:
            require(
                "features",
                self.features,
                lambda v: v > 0,
                "a number of random projections > 0, or None for plain ridge",
            )

    @property
    def d(self) -> int:
        """Input dimension."""
        return self.populations[0].d

    def predict(self, test: int | Population = 0) -> Prediction:
        """Risk in the high-dimensional limit, certified.

        Parameters
        ----------
        test : int or Population
            Which population to test on: an index among the training populations, or another population (its
            covariance and labeler count; the noise of test labels is not part of the risk).

        Returns
        -------
        Prediction
            ``risk = bias + variance + mismatch``: ``variance`` is the part owed to label noise, ``bias``
            what would be left without noise if every training labeler were the test labeler, ``mismatch``
            the part owed to the difference of labelers (with correlated labelers it can be negative).
        """
        return risk_of(*self.limit(test))

    def limit(self, test: int | Population = 0) -> tuple[MixtureProblem, Joint, Float[Array, " G"]]:
        """What the prediction is computed from: the fixed-point problem, the joint basis, and the weighted
        noise variances.

        In the joint basis labelers are the differences to the test labeler, and last the test labeler itself.
        """
        target = self.test_population(test)
        joint = join(
            [p.covariance for p in self.populations],
            target.covariance,
            [*(p.labeler - target.labeler for p in self.populations), target.labeler],
        )
        weights = jnp.stack([p.weight for p in self.populations])
        spectrum = joint.spectrum.rescaled(weights)
        shares = jnp.stack([p.share for p in self.populations])
        problem = MixtureProblem(spectrum, shares, self.n, self.ridge, self.features)
        noise = weights * jnp.stack([p.noise_variance for p in self.populations])
        return problem, eqx.tree_at(lambda j: j.spectrum, joint, spectrum), noise

    def simulate(
        self,
        key: Any,
        replicates: int = 20,
        test: int | Population = 0,
        *,
        progress: bool = False,
        precision: str = "float64",
    ) -> Estimate:
        """Train on drawn data and measure the same quantities, label noise and random labelers averaged
        exactly.

        Parameters
        ----------
        key : int or JAX key
            Seed; the same key gives the same numbers, whatever the number of cores.
        replicates : int
            Independent draws of the inputs (and projections), at least 2.
        test : int or Population
            As in :meth:`predict`.
        progress : bool
            Show a progress bar.
        precision : {"float64", "float32"}
            float32 is faster and leaves relative errors of about 1e-4 far from thresholds, more near them.

        Returns
        -------
        Estimate
        """
        return simulate_mixture(
            self, self.test_population(test), key, replicates, progress=progress, precision=precision
        )

    def test_population(self, test: int | Population) -> Population:
        """The population named by an index, or the one given."""
        if isinstance(test, Population):
            if test.d != self.d:
                raise InvalidSetting(
                    "test", test.d, f"a population of dimension {self.d}, that of the training data"
                )
            return test
        if (
            isinstance(test, bool)
            or not isinstance(test, int | np.integer)
            or not 0 <= test < len(self.populations)
        ):
            raise InvalidSetting(
                "test", test, f"a Population or an index from 0 to {len(self.populations) - 1}"
            )
        return self.populations[test]
