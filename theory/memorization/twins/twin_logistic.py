"""Memorisation-aware training with the shift that twins really estimate, in the limit of many rows."""

from collections.abc import Mapping
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.scipy.special import ndtr
from jaxtyping import Array, Bool, Float

from freeridge.solvers.fields import Scalar, real_field, require, require_count
from freeridge.solvers.results import ADVICE, Code, Estimate, Prediction
from freeridge.theory.memorization.spurious_law import learned, of_groups
from freeridge.theory.memorization.spurious_logistic import SpuriousLogistic
from freeridge.theory.memorization.twins.twin_fit import simulate_twins
from freeridge.theory.memorization.twins.twin_limit import TwinLimit, TwinProblem, solve_twins

_CERTIFIED = 1e-6  # relative change by the last correction, up to which a prediction is given


class TwinPrediction(Prediction):
    """A prediction whose advice is about estimated shifts."""

    advice: ClassVar[Mapping[Code, str]] = ADVICE | {
        Code.INVALID: "a parameter is outside its range, or NaN; the setting built from it alone says which.",
        Code.NOT_CERTIFIED: (
            "the weights are known to less than 1e-6, so that nothing is given: take larger penalties, a "
            "higher temperature or a larger floor, or simulate."
        ),
    }


class TwinLogistic(eqx.Module):
    r"""Penalised logistic regression with shifts estimated by twins.

    Rows are those of :class:`SpuriousLogistic`. Each is given to one of two twins by a fair coin, and both
    are learned by logistic regression with a penalty $\lambda_0$ on their rows. The margin $t$ of a row
    under the twin that has not learned it is calibrated at a temperature $\tau$,

    $$ P = \frac{1}{1 + e^{-t / \tau}}, \quad \pi = \overline P, \quad q = P \pi + (1 - P)(1 - \pi), \quad
       s = \log\frac{q + \epsilon}{1 - q + \epsilon} , $$

    and the final model is learned from all rows with the loss $\log(1 + e^{-y x^\top w - s})$ and a penalty
    $\lambda$. A perfect signal would have $s = \pm\log\frac{p}{1-p}$ (:meth:`perfect_signal`).

    The limit $n, d \to \infty$ at fixed $\phi = d/n$ is exact, with all that makes the three models depend
    on each other (:mod:`freeridge.theory.memorization.twins.twin_limit`). It is that of the algorithm
    without its flipping of labels, and of minimisers rather than of training stopped early.

    Parameters
    ----------
    phi : float
        $\phi > 0$, noise coordinates per row.
    penalty : float
        $\lambda > 0$.
    majority : float
        $p$ in [0, 1].
    spurious_scale : float
        $\gamma \ge 0$.
    noise : float
        $\sigma > 0$.
    temperature : float
        $\tau > 0$; the published experiment has 0.1, of two logits whose difference is the margin.
    twin_penalty : float, optional
        $\lambda_0 > 0$; that of the final model when left out.
    feature_std : float
        Standard deviation of the features, as of :class:`SpuriousLogistic`.
    floor : float
        $\epsilon > 0$.
    n : int
        Rows of a simulation.

    Raises
    ------
    InvalidSetting
        For values outside these ranges.

    Examples
    --------
    The published experiment at a penalty of 0.01: as good as with a perfect signal, to three digits.

    >>> import freeridge as fr
    >>> setting = fr.TwinLogistic(1.8, 0.01, 0.9, 5.0, 0.5, temperature=0.1)
    >>> setting.predict().group_errors.round(4), setting.perfect_signal().predict().group_errors.round(4)
    (Array([0.0058, 0.0706], dtype=float64), Array([0.0056, 0.0705], dtype=float64))

    References
    ----------
    The Pitfalls of Memorization: When Memorization Hurts Generalization, ICLR 2025, arXiv 2412.07684, has the
    algorithm; the theory is ours.
    """

    phi: Scalar = real_field("phi")
    penalty: Scalar = real_field("penalty")
    majority: Scalar = real_field("majority")
    spurious_scale: Scalar = real_field("spurious_scale")
    noise: Scalar = real_field("noise")
    temperature: Scalar = real_field("temperature", default=0.1)
    twin_penalty: Scalar | None = real_field("twin_penalty", default=None, optional=True)
    feature_std: Scalar = real_field("feature_std", default=0.12)
    floor: Scalar = real_field("floor", default=1e-6)
    n: int = eqx.field(static=True, default=1000)

    def __check_init__(self) -> None:
        for name in ("phi", "penalty", "noise", "temperature", "floor"):
            require(name, getattr(self, name), lambda v: v > 0, "a finite number > 0")
        if self.twin_penalty is not None:
            require("twin_penalty", self.twin_penalty, lambda v: v > 0, "a finite number > 0, or none")
        for name in ("spurious_scale", "feature_std"):
            require(name, getattr(self, name), lambda v: v >= 0, "a finite number >= 0")
        require("majority", self.majority, lambda v: (v >= 0) & (v <= 1), "a share in [0, 1]")
        require_count("n", self.n)

    @property
    def penalty_of_twins(self) -> Float[Array, ""]:
        r"""$\lambda_0$, also where it was left out."""
        return self.penalty if self.twin_penalty is None else self.twin_penalty

    def perfect_signal(self) -> SpuriousLogistic:
        """The same rows and penalty, with the shifts that a perfect held-out signal gives."""
        return SpuriousLogistic(
            self.phi,
            self.penalty,
            self.majority,
            self.spurious_scale,
            self.noise,
            feature_std=self.feature_std,
            training="memorisation-aware",
            n=self.n,
        )

    def predict(self) -> TwinPrediction:
        """Exact limits.

        Returns
        -------
        TwinPrediction
            ``group_errors``, shares of wrong labels among fresh rows of majority and minority,
            ``worst_group_error``, ``held_out_error`` and ``balanced_error``, as of :class:`SpuriousLogistic`;
            ``twin_errors`` of the twins in the two groups; ``core``, ``spurious`` and ``noise_norm``, the
            weights; ``overlap``, the cosine of the noise weights with those of a twin; ``reliability``,
            $\\pi$. The residual is the last correction, from a finer quadrature.
        """
        quantities, residual, code = _predict(self)
        return TwinPrediction(quantities, residual, code)

    def simulate(self, key: Any, replicates: int = 20, *, progress: bool = False) -> Estimate:
        """Draw rows and coins, train twins and final model, and measure the same quantities.

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
            The names of the prediction. The shift is calibrated on the two classes of the drawn labels, by
            :func:`freeridge.theory.memorization.training.shift.calibrated_shift`.

        Raises
        ------
        InvalidSetting
            When a group would have less than one row.
        """
        return simulate_twins(self, key, replicates, progress=progress)


@eqx.filter_jit
def _predict(setting: TwinLogistic) -> tuple[dict[str, Array], Array, Array]:
    valid = _valid(setting)
    # What is outside its range would keep its whole batch waiting: solve something easy in its place.
    safe = jax.tree.map(lambda given: jnp.where(valid, given, 0.5), setting)
    law = learned(safe.majority, safe.spurious_scale, safe.feature_std, jnp.zeros(2), "erm").law
    numbers = (safe.phi, safe.penalty, safe.penalty_of_twins, safe.noise, safe.temperature, safe.floor)
    found: TwinLimit = solve_twins(TwinProblem(law, *numbers))

    def errors(u: Array, r: Array) -> Array:
        return ndtr(-(law.means @ u) / jnp.sqrt(u @ law.covariance @ u + (safe.noise * r) ** 2))

    shares = jnp.stack([safe.majority, 1.0 - safe.majority])
    quantities = {
        **of_groups(errors(found.informative, found.noise), shares),
        "twin_errors": errors(found.twin.informative, found.twin.noise),
        "core": found.informative[0],
        "spurious": found.informative[1],
        "noise_norm": found.noise,
        "overlap": found.overlap,
        "reliability": found.shift.reliability,
    }
    certified = valid & (found.residual <= _CERTIFIED)
    bad = jnp.where(valid, int(Code.NOT_CERTIFIED), int(Code.INVALID))
    code = jnp.where(certified, int(Code.OK), bad).astype(jnp.int32)
    quantities = {name: jnp.where(certified, value, jnp.nan) for name, value in quantities.items()}
    return quantities, found.residual, code


def _valid(setting: TwinLogistic) -> Bool[Array, ""]:
    """What the door could not see because it was traced."""
    positive = jnp.stack(
        [
            setting.phi,
            setting.penalty,
            setting.penalty_of_twins,
            setting.noise,
            setting.temperature,
            setting.floor,
        ]
    )
    lengths = jnp.stack([setting.spurious_scale, setting.feature_std])
    finite = jnp.all(jnp.isfinite(positive)) & jnp.all(jnp.isfinite(lengths))
    share = (setting.majority >= 0.0) & (setting.majority <= 1.0)
    return finite & jnp.all(positive > 0.0) & jnp.all(lengths >= 0.0) & share
