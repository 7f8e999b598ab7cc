r"""Ridge regression on rows with a spurious feature: the closed form beside :class:`SpuriousLogistic`."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr
from jaxtyping import Array, Float

from freeridge.solvers.fields import Scalar, real_field, require, require_count
from freeridge.solvers.replicates import run_replicates
from freeridge.solvers.results import Code, Estimate, Prediction
from freeridge.theory.covariance import Dense
from freeridge.theory.memorization.spurious_fit import (
    draw,
    errors_in_training,
    group_errors,
    to_one_row,
    worst_on_average,
)
from freeridge.theory.memorization.spurious_law import SIGNS, of_groups
from freeridge.theory.memorization.spurious_logistic import SpuriousLogistic
from freeridge.theory.mixture import RidgeMixture
from freeridge.theory.population import Population

_CERTIFIED = 1e-11


class SpuriousRidge(eqx.Module):
    r"""Ridge regression of the label on a core feature, a spurious one, and noise.

    The rows are those of :class:`SpuriousLogistic`, and the weights

    $$ \hat w = \arg\min_w \frac1n \sum_i (y_i - x_i^\top w)^2 + \lambda |w|^2 . $$

    It is a mixture of two populations with one covariance of the noise, so that the fixed point of
    :class:`RidgeMixture` is one quadratic: with $\kappa = \lambda / e$, $\bar\mu$ the mean of the informative
    coordinates $a$ signed by the label and $\bar\Sigma$ their second moment,

    $$ e = 1 - \frac{\phi \sigma^2}{\sigma^2 + \kappa}, \qquad u = (\bar\Sigma + \kappa)^{-1} \bar\mu, \qquad
       r^2 = \frac{\phi \sigma^2\, E(1 - a^\top u)^2}{(\sigma^2 + \kappa)^2 e + \phi \sigma^2 \kappa} . $$

    A row trained on has $e$ times the residual that it had if it were left out. Without a ridge, with more
    rows than noise coordinates $e = 1 - \phi$ and $\kappa = 0$; with fewer $e = 0$ and $\kappa = \sigma^2
    (\phi - 1)$, and the weights of the smallest norm fit every row.

    Parameters
    ----------
    phi : float
        $\phi \ge 0$, noise coordinates per row; 0 is infinitely many rows.
    ridge : float
        $\lambda \ge 0$; 0 is the minimum-norm limit.
    majority : float
        $p$ in [0, 1].
    spurious_scale : float
        $\gamma \ge 0$.
    noise : float
        $\sigma \ge 0$.
    feature_std : float
        $\tau \ge 0$.
    n : int
        Rows of a simulation.

    Raises
    ------
    InvalidSetting
        For values outside these ranges.

    Examples
    --------
    More noise coordinates than rows and no ridge: every row is fitted exactly, and of the minority one in
    ten is wrong on fresh rows.

    >>> found = SpuriousRidge(1.8, 0.0, 0.9, 5.0, 0.5).predict()
    >>> print(found.group_errors.round(4), found.data_loss, found.ok)
    [0.0004 0.1011] 0.0 True
    """

    phi: Scalar = real_field("phi")
    ridge: Scalar = real_field("ridge")
    majority: Scalar = real_field("majority")
    spurious_scale: Scalar = real_field("spurious_scale")
    noise: Scalar = real_field("noise")
    feature_std: Scalar = real_field("feature_std", default=0.12)
    n: int = eqx.field(static=True, default=1000)

    def __check_init__(self) -> None:
        require("phi", self.phi, lambda v: v >= 0, "a finite number >= 0, noise coordinates per row")
        for name in ("ridge", "spurious_scale", "noise", "feature_std"):
            require(name, getattr(self, name), lambda v: v >= 0, "a finite number >= 0")
        require("majority", self.majority, lambda v: (v >= 0) & (v <= 1), "a share in [0, 1]")
        require_count("n", self.n)

    def predict(self) -> Prediction:
        r"""Exact limits.

        Returns
        -------
        Prediction
            The quantities of :meth:`SpuriousLogistic.predict`, the loss being the square $(y - x^\top w)^2$,
            and ``group_losses``, its mean on fresh rows of majority and minority. Where $\phi = 1$ and there
            is no ridge the code is ``DIVERGES``: the noise is infinite, and errors are one half.
        """
        return _predicted(self)

    def mixture(self, d: int) -> RidgeMixture:
        r"""The mixture of which this is the limit, with so many noise coordinates.

        A population has the second moments $\mu \mu^\top + C$ of its group, the labeler that predicts the
        label best from them, and what this leaves of the label as noise. Its risk and that noise make up
        ``group_losses``, up to multiples of $1 / d$.

        Parameters
        ----------
        d : int
            Noise coordinates; $\phi > 0$ then fixes the number of rows.

        Examples
        --------
        >>> setting = SpuriousRidge(0.5, 0.1, 0.9, 2.0, 1.0)
        >>> mixture = setting.mixture(50)
        >>> loss = mixture.predict(1).risk + mixture.populations[1].noise_variance
        >>> [round(float(value), 3) for value in (loss, setting.predict().group_losses[1])]
        [0.4, 0.355]
        """
        require_count("d", d)
        require("phi", self.phi, lambda v: v > 0, "a number > 0, for finitely many rows")
        spread = (self.feature_std * jnp.stack([jnp.ones(()), self.spurious_scale])) ** 2
        populations = []
        for sign, share in zip(SIGNS, (self.majority, 1.0 - self.majority), strict=True):
            mean = jnp.stack([jnp.ones(()), sign * self.spurious_scale])
            moments = jnp.outer(mean, mean) + jnp.diag(spread)
            covariance = jax.scipy.linalg.block_diag(moments, self.noise**2 * jnp.eye(d))
            along = jnp.linalg.pinv(moments, hermitian=True) @ mean
            left = jnp.maximum(1.0 - mean @ along, 0.0)
            populations.append(Population(Dense(covariance), jnp.pad(along, (0, d)), left, share))
        return RidgeMixture(populations, d / self.phi, self.ridge)

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
            The names of the prediction. The numbers of minority rows and of noise coordinates are rounded up
            or down at random so that their means are right. The standard error of ``train_errors`` is no
            less than one row in all replicates.
        """
        fields = (self.phi, self.ridge, self.majority, self.spurious_scale, self.noise)
        rows_of = SpuriousLogistic(*fields, feature_std=self.feature_std, n=self.n)
        ridge, share, scale, noise, std = (
            float(v) for v in (self.ridge, self.majority, self.spurious_scale, self.noise, self.feature_std)
        )
        shares = np.array([share, 1.0 - share])

        def replicate(rng: np.random.Generator) -> dict[str, Any]:
            rows, groups = draw(rows_of, rng)
            weights = _fit(rows, ridge)
            errors = group_errors(weights, scale, std, noise)
            core, spurious, rest = weights[0], weights[1], float(weights[2:] @ weights[2:])
            spread = std**2 * (core**2 + (scale * spurious) ** 2) + noise**2 * rest
            margins = rows @ weights
            loss = float(np.mean((1.0 - margins) ** 2))
            return {
                **of_groups(errors, shares),
                "group_losses": (1.0 - core - np.array(SIGNS) * scale * spurious) ** 2 + spread,
                **errors_in_training(margins, groups),
                "train_loss": loss + ridge * float(weights @ weights),
                "data_loss": loss,
                "core": core,
                "spurious": spurious,
                "noise_norm": np.sqrt(rest),
            }

        found = worst_on_average(to_one_row(run_replicates(replicate, key, replicates, progress=progress)))
        sizes = {"n": self.n, "d": round(float(self.phi) * self.n)}
        return Estimate(found.mean, found.standard_error, len(found.values["core"]), sizes, found.values)


def _fit(rows: Float[np.ndarray, "n columns"], ridge: float) -> Float[np.ndarray, " columns"]:
    """Every label is one: the rows are signed."""
    n, columns = rows.shape
    if ridge == 0.0:
        return np.linalg.lstsq(rows, np.ones(n))[0]
    if columns > n:
        return np.linalg.solve(rows @ rows.T + n * ridge * np.eye(n), np.ones(n)) @ rows
    return np.linalg.solve(rows.T @ rows + n * ridge * np.eye(columns), rows.sum(axis=0))


class _Slacks(NamedTuple):
    """The fixed point."""

    kappa: Float[Array, ""]
    e: Float[Array, ""]
    room: Float[Array, ""]
    r"""$(\sigma^2 + \kappa)^2 e + \phi \sigma^2 \kappa$, zero only where the noise diverges."""
    residual: Float[Array, ""]


def _slacks(phi: Float[Array, ""], ridge: Float[Array, ""], variance: Float[Array, ""]) -> _Slacks:
    r"""$\kappa^2 + (\sigma^2 - \lambda - \phi \sigma^2) \kappa = \lambda \sigma^2$ and $\kappa e = \lambda$,
    neither root as a difference."""
    gap = ridge + (phi - 1.0) * variance
    square = gap**2 + 4.0 * ridge * variance
    some = square > 0.0
    large = 0.5 * (jnp.abs(gap) + jnp.where(some, jnp.sqrt(jnp.where(some, square, 1.0)), 0.0))
    below = jnp.where(some, large, 1.0)
    kappa = jnp.where(gap > 0.0, large, ridge * variance / below)
    seen = variance > 0.0
    slack = jnp.where(gap > 0.0, ridge / below, large / jnp.where(seen, variance, 1.0))
    e = jnp.where(seen, slack, 1.0)
    bottom = variance + kappa
    room = bottom**2 * e + phi * variance * kappa
    share = jnp.where(bottom > 0.0, variance / jnp.where(bottom > 0.0, bottom, 1.0), 0.0)
    return _Slacks(kappa, e, room, jnp.abs(e + phi * share - 1.0))


@jax.jit
def _predicted(setting: SpuriousRidge) -> Prediction:
    p, scale, tau = setting.majority, setting.spurious_scale, setting.feature_std
    variance = setting.noise**2
    kappa, e, room, residual = _slacks(setting.phi, setting.ridge, variance)
    shares, signs = jnp.stack([p, 1.0 - p]), jnp.array(SIGNS)
    u = _informative(kappa, p, scale, tau)
    means = u[0] + signs * scale * u[1]
    own = tau**2 * (u[0] ** 2 + (scale * u[1]) ** 2)
    missed = shares @ (1.0 - means) ** 2 + own  # E (1 - a'u)^2
    diverges = (setting.ridge == 0.0) & (setting.phi == 1.0) & (variance > 0.0)
    square = setting.phi * variance * missed / jnp.where(room > 0.0, room, 1.0)
    square = jnp.where(diverges, jnp.inf, square)
    spread = jnp.sqrt(own + variance * square)
    group_losses = (1.0 - means) ** 2 + own + variance * square
    errors = ndtr(-means / spread)
    # A residual in training is e times that on the row left out: below one where that is below 1 / e.
    train_errors = jnp.where(e > 0.0, ndtr((1.0 - 1.0 / jnp.where(e > 0.0, e, 1.0) - means) / spread), 0.0)
    data_loss = jnp.where(e > 0.0, e**2 * (missed + variance * square), 0.0)
    valid = _valid(setting)
    code = jnp.where(diverges, int(Code.DIVERGES), int(Code.OK))
    code = jnp.where(residual <= _CERTIFIED, code, int(Code.NOT_CERTIFIED))
    code = jnp.where(valid, code, int(Code.INVALID)).astype(jnp.int32)
    quantities = {
        **of_groups(errors, shares),
        "group_losses": group_losses,
        "train_errors": jnp.where(shares > 0.0, train_errors, jnp.nan),
        "train_loss": data_loss + setting.ridge * (u @ u + square),
        "data_loss": data_loss,
        "core": u[0],
        "spurious": u[1],
        "noise_norm": jnp.where(square > 0.0, jnp.sqrt(jnp.where(square > 0.0, square, 1.0)), 0.0),
    }
    given = (code == Code.OK) | (code == Code.DIVERGES)
    return Prediction({k: jnp.where(given, v, jnp.nan) for k, v in quantities.items()}, residual, code)


def _informative(
    kappa: Float[Array, ""], p: Float[Array, ""], scale: Float[Array, ""], tau: Float[Array, ""]
) -> Float[Array, " 2"]:
    r"""$(\bar\Sigma + \kappa)^{-1} \bar\mu$ with all its digits; of the smallest norm where $\bar\Sigma$ is
    singular and $\kappa = 0$."""
    own, square, tilt = tau**2, scale**2, 2.0 * p - 1.0
    inside = (own + 2.0 * (1.0 - p)) * (own + 2.0 * p)  # (1 + tau^2)^2 - tilt^2
    determinant = square * inside + kappa * (1.0 + own) * (1.0 + square) + kappa**2
    regular = determinant > 0.0
    core = square * (own + 4.0 * p * (1.0 - p)) + kappa
    along = jnp.stack([core, scale * tilt * (own + kappa)]) / jnp.where(regular, determinant, 1.0)
    shortest = jnp.stack([jnp.ones(()), scale * tilt]) / ((1.0 + own) * (1.0 + square))
    return jnp.where(regular, along, shortest)


def _valid(setting: SpuriousRidge) -> Array:
    """What the door could not see because it was traced."""
    lengths = [setting.phi, setting.ridge, setting.spurious_scale, setting.noise, setting.feature_std]
    numbers = jnp.stack(lengths)
    share = setting.majority
    return jnp.all(jnp.isfinite(numbers) & (numbers >= 0.0)) & (share >= 0.0) & (share <= 1.0)
