"""Logistic regression with a spurious feature, and noise to memorise: *The Pitfalls of Memorization*."""

from collections.abc import Mapping
from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.fields import Scalar, Vector, known, real_field, require, require_count
from freeridge.solvers.max_margin import separability
from freeridge.solvers.results import ADVICE, Code, Estimate, Prediction
from freeridge.theory.memorization.spurious_fit import simulate_spurious
from freeridge.theory.memorization.spurious_law import TRAININGS, Learned, Training, learned
from freeridge.theory.memorization.spurious_limit import SpuriousLimit, measures, solve

_CERTIFIED = 1e-8  # relative error of the weights up to which a prediction is given


class SpuriousPrediction(Prediction):
    """A prediction whose advice is about spurious features."""

    advice: ClassVar[Mapping[Code, str]] = ADVICE | {
        Code.DIVERGES: (
            "the training rows are separable and there is no penalty, so that no weights minimise the loss: "
            "they grow without bound in the direction of the largest margin. Given are the errors in that "
            "direction, and its weights scaled to margin one."
        ),
        Code.INVALID: "a parameter is outside its range, or NaN; the setting built from it alone says which.",
        Code.NOT_CERTIFIED: (
            "the weights are known to less than 1e-8, so that nothing is given: there is no penalty, and the "
            "setting is too close to the threshold of separability, or has no noise. Give a small penalty."
        ),
    }


class SpuriousLogistic(eqx.Module):
    r"""Penalised logistic regression on a core feature, a spurious one, and noise.

    A row of label $y = \pm 1$ is

    $$ x = \big( y (1 + \tau g),\; y s \gamma (1 + \tau g'),\; \sigma z \big), \qquad
       g, g' \sim N(0, 1), \quad z \sim N(0, I_d) , $$

    with $s = 1$ for the majority, a share $p$ of the $n$ rows, and $s = -1$ for the minority. The weights are

    $$ \hat w = \arg\min_w \frac1n \sum_i \log\big( 1 + e^{-y_i x_i^\top w - s_{g(i)}} \big)
       + \frac\lambda2 |w|^2 , $$

    with a shift $s_g$ of the logit in each group: $0$ is empirical risk minimisation (ERM). For $n, d \to
    \infty$ at fixed $\phi = d/n$ the weights $u$ on the two features and the norm $r$ of all others are
    those of :mod:`freeridge.solvers.logistic_limit`, and a group's error is $P(a^\top u + \sigma r G < 0)$,
    $a$ the features signed by the label. The spurious feature is worth learning for the minority only as
    long as the noise does not allow to memorise it.

    Parameters
    ----------
    phi : float
        $\phi \ge 0$, noise coordinates per row; 0 is infinitely many rows.
    penalty : float
        $\lambda \ge 0$; the loss is a mean over the rows that are used.
    majority : float
        $p$ in [0, 1]. At 0 and 1 one group is empty, and only ERM is possible.
    spurious_scale : float
        $\gamma \ge 0$.
    noise : float
        $\sigma \ge 0$, the standard deviation of a noise coordinate.
    shift : (float, float)
        Of the logit in the loss, majority and minority.
    feature_std : float
        $\tau \ge 0$.
    training : {"erm", "memorisation-aware", "balanced", "subsampled"}
        ``memorisation-aware`` adds the shifts $\pm\log\frac{p}{1-p}$, the log-odds of the label given the
        group: memorisation-aware training with a perfect held-out signal. ``balanced`` weights the groups
        equally, ``subsampled`` drops rows of the larger one until they are equal.
    n : int
        Rows of a simulation, before any is dropped.

    Raises
    ------
    InvalidSetting
        For values outside these ranges.

    Examples
    --------
    The published experiment at a penalty of 0.01:

    >>> import freeridge as fr
    >>> setting = fr.SpuriousLogistic(
    ...     phi=1.8, penalty=0.01, majority=0.9, spurious_scale=5.0, noise=0.5, feature_std=0.12,
    ...     training="erm",
    ... )
    >>> setting.predict().group_errors.round(4)
    Array([0.    , 0.7881], dtype=float64)

    No training row is wrong, and ERM gets four in five of the minority wrong on fresh rows:

    >>> for training in ("erm", "memorisation-aware"):
    ...     found = fr.SpuriousLogistic(1.8, 0.01, 0.9, 5.0, 0.5, training=training).predict()
    ...     print(found.group_errors.round(4), found.train_errors.round(4), found.ok)
    [0.     0.7881] [0. 0.] True
    [0.0056 0.0705] [0. 0.] True

    References
    ----------
    R. Bayat, M. Pezeshki, E. Dohmatob, D. Lopez-Paz, P. Vincent, The Pitfalls of Memorization: When
    Memorization Hurts Generalization, ICLR 2025, arXiv 2412.07684, has the experiment and the algorithm; the
    theory is ours.
    """

    phi: Scalar = real_field("phi")
    penalty: Scalar = real_field("penalty")
    majority: Scalar = real_field("majority")
    spurious_scale: Scalar = real_field("spurious_scale")
    noise: Scalar = real_field("noise")
    shift: Vector = real_field("shift", default=(0.0, 0.0), dimensions=1)
    feature_std: Scalar = real_field("feature_std", default=0.12)
    training: Training = eqx.field(static=True, default="erm")
    n: int = eqx.field(static=True, default=1000)

    def __check_init__(self) -> None:
        require("phi", self.phi, lambda v: v >= 0, "a finite number >= 0, noise coordinates per row")
        for name in ("penalty", "spurious_scale", "noise", "feature_std"):
            require(name, getattr(self, name), lambda v: v >= 0, "a finite number >= 0")
        require("majority", self.majority, lambda v: (v >= 0) & (v <= 1), "a share in [0, 1]")
        if self.shift.shape != (2,):
            raise InvalidSetting("shift", self.shift, "two logit shifts, majority and minority")
        require(
            "shift",
            self.shift,
            lambda v: True,
            "finite shifts: at probability 0 of its label the loss of a row is infinite; the published "
            "algorithm adds 1e-6 to the probability, a shift of -13.8",
        )
        if self.training not in TRAININGS:
            raise InvalidSetting("training", self.training, "one of " + ", ".join(TRAININGS))
        require_count("n", self.n)
        share = known(self.majority)
        if self.training != "erm" and share is not None and share in (0.0, 1.0):
            expected = (
                f"a share strictly between 0 and 1: an empty group leaves nothing to {self.training} training"
            )
            raise InvalidSetting("majority", share.item(), expected)

    def learned(self) -> Learned:
        """Law of the rows that are used, with their shifts and weights in the loss, and their share."""
        return learned(self.majority, self.spurious_scale, self.feature_std, self.shift, self.training)

    def separability_threshold(self) -> Float[Array, ""]:
        r"""The $\phi$ from which on the training rows are separable, with noise of any size.

        Examples
        --------
        >>> import freeridge as fr
        >>> setting = fr.SpuriousLogistic(1.8, 0.0, 0.9, 5.0, 0.5, feature_std=1.0)
        >>> round(float(setting.separability_threshold()), 6)
        0.207876
        """
        law, used = self.learned()
        return separability(law).threshold * used

    @property
    def separable(self) -> Bool[Array, ""]:
        """Whether the training rows are separable, so that without a penalty the weights diverge."""
        return (self.phi > self.separability_threshold()) & (self.noise > 0)

    def predict(self) -> SpuriousPrediction:
        r"""Exact limits.

        Returns
        -------
        SpuriousPrediction
            ``group_errors``, shares of wrong labels among fresh rows of majority and minority, and
            ``worst_group_error``, the larger; ``held_out_error``, on fresh rows as in training, and
            ``balanced_error``, on as many of each group. ``train_errors`` of the two groups, NaN of an empty
            one; ``train_loss``, the value of the objective, penalty included, and ``data_loss`` without it.
            ``core`` and ``spurious``, the weights $u$ on the two features, and ``noise_norm``, $r$.

            Without a penalty and with separable rows the code is ``DIVERGES`` and all is that of the largest
            margin, with losses 0.
        """
        found = self.limit()
        shares = jnp.stack([self.majority, 1.0 - self.majority])
        certified = found.valid & (found.order.residual <= _CERTIFIED)
        code = jnp.where(found.diverges, int(Code.DIVERGES), int(Code.OK))
        code = jnp.where(certified, code, jnp.where(found.valid, int(Code.NOT_CERTIFIED), int(Code.INVALID)))
        quantities = {
            name: jnp.where(certified, value, jnp.nan)
            for name, value in measures(found, self.penalty, shares).items()
        }
        return SpuriousPrediction(quantities, found.order.residual, code.astype(jnp.int32))

    def simulate(self, key: Any, replicates: int = 20, *, progress: bool = False) -> Estimate:
        r"""Draw rows, fit, and measure; what the weights are worth on fresh rows is computed exactly.

        Parameters
        ----------
        key : int or JAX key
            Seed; the same key gives the same numbers, whatever the number of cores.
        replicates : int
            At least 2.
        progress : bool
            Show a progress bar.

        Returns
        -------
        Estimate
            The names of the prediction. Of the ``n`` rows, $p n$ are of the majority, and there are $\phi
            n$ noise coordinates, each rounded up or down at random so that its mean is right. The standard
            error of ``train_errors`` is no less than one row in all replicates.

        Raises
        ------
        InvalidSetting
            When a group would have less than one row.
        """
        return simulate_spurious(self, key, replicates, progress=progress)

    def limit(self) -> SpuriousLimit:
        """Parameters of the minimiser, or where there is none of the largest margin."""
        return solve(self.learned(), self.phi, self.penalty, self.noise, self._valid())

    def _valid(self) -> Bool[Array, ""]:
        """What the door could not see because it was traced."""
        p = self.majority
        inside = (p >= 0) & (p <= 1) if self.training == "erm" else (p > 0) & (p < 1)
        lengths = jnp.stack([self.phi, self.penalty, self.spurious_scale, self.noise, self.feature_std])
        numbers = jnp.isfinite(lengths) & (lengths >= 0.0)
        return inside & jnp.all(numbers) & jnp.all(jnp.isfinite(self.shift))
