"""Ridge classifiers trained on the rows that a rule keeps: deliberate practice, curation and verification."""

from collections.abc import Mapping
from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.fields import Matrix, Scalar, known, real_field, require, require_count
from freeridge.solvers.results import ADVICE, Code, Estimate, Prediction
from freeridge.theory.covariance import Covariance
from freeridge.theory.pruning.directions import Plane, are_cosines, correlations_of, plane_of, require_gram
from freeridge.theory.pruning.label_rules import KeepIf
from freeridge.theory.pruning.pruned_limit import limit
from freeridge.theory.pruning.pruned_sampling import simulate_pruned
from freeridge.theory.pruning.rules import AnyRule, KeepRandom, KeepRule, require_rule

_CERTIFIED = 1e-10  # error of the moments of a rule up to which a number is given
_KEPT = 1e-30  # less than this share of the rows is none
_DIMENSION = 400  # of a simulation when nothing else gives one


class PrunedPrediction(Prediction):
    """A :class:`freeridge.solvers.results.Prediction` whose advice is about rules."""

    advice: ClassVar[Mapping[Code, str]] = ADVICE | {
        Code.INVALID: (
            "a parameter is outside its range, or the rule keeps no rows at these correlations (such as only "
            "correct ones of a generator that is always wrong). The setting built from these numbers alone "
            "says which."
        ),
        Code.NOT_CERTIFIED: (
            "the moments of the rule are not known to 1e-10: it jumps or bends where nobody says so. Make a "
            "function of your own a rule by KeepIf, which finds such places, or list them in breaks()."
        ),
    }


def _rule(value: Any) -> Any:
    return value if isinstance(value, KeepRule) or not callable(value) else KeepIf(value)


class PrunedClassifier(eqx.Module):
    r"""Test error of a ridge classifier trained on the rows that a rule keeps.

    Inputs are $x \sim N(0, \Sigma)$. A generator labels them, $y = \mathrm{sign}(x^\top w_g)$, an oracle
    scores them, $t = x^\top w_o / |w_o|_\Sigma$, and row i is kept, $q_i = 1$, with chance $q(t_i, y_i)$. The
    classifier is the sign of $x^\top \hat w$,

    $$ \hat w = \arg\min_w \frac1n \sum_{i=1}^n q_i (x_i^\top w - y_i)^2 + \lambda |w|^2 , $$

    and is tested against the truth $w_*$. For $n, d \to \infty$ with $d / n \to \phi$ all that counts of the
    rule are the moments $p = E q$, $E = E[q a a^\top]$, $c = E[q y a]$ in the plane of oracle and generator.
    Let $\kappa \ge 0$ and $e$ solve $\kappa e = \lambda$, $e = 1 - \phi\, \overline{\mathrm{tr}}\, P$, where
    $P = \Sigma (p \Sigma + \kappa)^{-1}$; whitened, $\hat v = \Sigma^{1/2} \hat w$ has the mean

    $$ \bar v = P B \big( I + (E - p I) B^\top P B \big)^{-1} c , $$

    B an orthonormal basis of the whitened plane, and around it a noise with

    $$ |\hat v - \bar v|^2 = \frac{\phi\, \overline{\mathrm{tr}}\, P^2}
       {1 - p \phi\, \overline{\mathrm{tr}}\, P^2} E \big[ q (y - z^\top \bar v)^2 \big] , $$

    so that the error is $\frac1\pi \arccos \big( v_*^\top \bar v / |\hat v| \big)$ with $v_*$ of length one.

    Parameters
    ----------
    phi : float
        $d / n > 0$; n counts the rows before any is dropped.
    ridge : float
        $\lambda \ge 0$; 0 is the limit, on both sides of interpolation at $\phi = p$.
    rho : float
        Quality of the generator, the cosine of $w_g$ and $w_*$ in the metric of $\Sigma$. An error of its
        labels of $\arccos(\rho) / \pi$.
    rho_star : float
        Quality of the oracle: the cosine of $w_o$ and $w_*$.
    rho_oracle : float, optional
        Cosine of $w_o$ and $w_g$ ($\rho_g$ in the companion paper). Left out it is $\rho \rho_*$: oracle and
        generator err independently.
    keep : KeepRule or callable
        Keeps every row when left out. A function of score and label becomes a
        :class:`~freeridge.theory.pruning.label_rules.KeepIf`.
    label_noise : float
        Share of training labels flipped at random before the rule sees them, in [0, 1].
    covariance : Covariance, optional
        $\Sigma$, isotropic when left out. The three directions are then random in its eigenbasis, with the
        correlations given.
    directions : array, shape (3, d), optional
        In place of the correlations: truth, generator and oracle themselves, in the coordinates of the
        covariance.
    d : int, optional
        Dimension of a simulation without a covariance, 400 when left out; theory is the same for all.

    Raises
    ------
    InvalidSetting
        For values outside these ranges, for correlations that no three directions have, and for a rule that
        keeps nothing or answers with what is no chance in [0, 1].

    Examples
    --------
    A generator that errs, and an oracle that keeps the easy third of its rows:

    >>> import freeridge as fr
    >>> setting = fr.PrunedClassifier(
    ...     phi=0.1, ridge=0.001, rho=0.8, rho_star=0.95, keep=fr.KeepEasy(0.3), label_noise=0.0
    ... )
    >>> setting.predict().ok
    True

    With a perfect generator and many rows it is best to keep the hard third, with a generator that errs
    the easy one.

    >>> for rule in (fr.KeepRandom(), fr.KeepHard(0.3), fr.KeepEasy(0.3)):
    ...     perfect = fr.PrunedClassifier(phi=0.05, ridge=1e-3, keep=rule).predict()
    ...     errs = fr.PrunedClassifier(phi=0.05, ridge=1e-3, rho=0.8, keep=rule).predict()
    ...     print(f"{float(perfect.error):.4f} {float(errs.error):.4f}")
    0.0546 0.2110
    0.0198 0.2230
    0.0642 0.1176

    References
    ----------
    Improving the Scaling Laws of Synthetic Data with Deliberate Practice, Theorem 1, corrected as in
    ``docs/errata.md``, and its extension to generators and oracles that err. Why Less is More (Sometimes),
    arXiv 2511.03492, Theorem 1. The derivation is in ``docs/theory/pruning.md``.
    """

    phi: Scalar = real_field("phi")
    ridge: Scalar = real_field("ridge")
    rho: Scalar = real_field("rho", default=1.0)
    rho_star: Scalar = real_field("rho_star", default=1.0)
    rho_oracle: Scalar | None = real_field("rho_oracle", default=None, optional=True)
    keep: AnyRule = eqx.field(converter=_rule, default=KeepRandom())
    label_noise: Scalar = real_field("label_noise", default=0.0)
    covariance: Covariance | None = None
    directions: Matrix | None = real_field("directions", default=None, optional=True, dimensions=2)
    d: int | None = eqx.field(static=True, default=None)

    def __check_init__(self) -> None:
        require("phi", self.phi, lambda v: v > 0, "a ratio d / n > 0")
        require("ridge", self.ridge, lambda v: v >= 0, "a finite number >= 0")
        require("label_noise", self.label_noise, lambda v: (v >= 0) & (v <= 1), "a share in [0, 1]")
        require_rule("keep", self.keep)
        if self.covariance is not None:
            if not isinstance(self.covariance, Covariance):
                raise InvalidSetting("covariance", self.covariance, "a covariance such as PowerLaw(400, 1.0)")
            if self.d is not None:
                raise InvalidSetting("d", self.d, "no d beside a covariance, which has its own")
        elif self.d is not None:
            require_count("d", self.d)
            if self.d < 3:
                raise InvalidSetting("d", self.d, "3 dimensions at least, one for each direction")
        if self.directions is None:
            require_gram(self.rho, self.rho_star, self.rho_oracle)
            return
        if self.covariance is None:
            raise InvalidSetting("directions", self.directions, "a covariance beside the directions")
        if any(known(v) is None or known(v) != 1.0 for v in (self.rho, self.rho_star)) or (
            self.rho_oracle is not None
        ):
            raise InvalidSetting("directions", self.directions, "either directions or correlations, not both")
        if self.directions.shape != (3, self.covariance.d):
            expected = f"three rows of {self.covariance.d} numbers: truth, generator, oracle"
            raise InvalidSetting("directions", self.directions, expected)
        correlations_of(self.directions, self.covariance)

    @property
    def dimension(self) -> int:
        """Dimension of a simulation."""
        return self.covariance.d if self.covariance is not None else self.d or _DIMENSION

    @property
    def correlations(self) -> tuple[Array, Array, Array]:
        r"""$\rho$, $\rho_*$ and $\rho_o$, the last of which may have been left out."""
        if self.directions is not None and self.covariance is not None:
            return correlations_of(self.directions, self.covariance)
        independent = self.rho * self.rho_star
        return self.rho, self.rho_star, independent if self.rho_oracle is None else self.rho_oracle

    def predict(self) -> PrunedPrediction:
        """The limit of many rows and dimensions.

        Returns
        -------
        PrunedPrediction
            ``error``, the share of test labels that are wrong; ``signal_error``, what would be left of it
            without the noise, and ``noise_error``, the rest; ``alignment``, the cosine of classifier and
            truth; ``share``, p. The residual is the larger of that of the fixed point and the estimated error
            of the moments. At ridge 0 and $\\phi = p$ the noise is infinite and the error one half.
        """
        return _predicted(self)

    def plane(self) -> Plane:
        """Oracle and generator, and where the truth lies to them."""
        return plane_of(self.correlations, self.directions, self.covariance)

    def simulate(self, key: Any, replicates: int = 20, *, progress: bool = False) -> Estimate:
        """Draw rows, keep some, train on them, and measure the same quantities.

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
            ``error``, ``alignment`` and ``share``; the error is that of the trained classifier on all test
            data, not on a sample of them. n is $d / \\phi$, rounded up or down at random so that its mean
            is right.
        """
        return simulate_pruned(self, key, replicates, progress=progress)


@eqx.filter_jit
def _predicted(setting: PrunedClassifier) -> PrunedPrediction:
    """All numbers of a prediction, compiled."""
    cosines, flips = setting.correlations, setting.label_noise
    moments = setting.keep.moments(cosines[2], flips)
    found = limit(setting.phi, setting.ridge, moments, setting.plane(), setting.covariance)
    residual = jnp.maximum(found.residual, moments.error)
    # What the door could not see because it was traced.
    valid = are_cosines(*cosines) & (flips >= 0) & (flips <= 1) & (found.code != Code.INVALID)
    valid &= (moments.share > _KEPT) & (moments.share < 1.0 + _CERTIFIED)
    code = jnp.where(residual <= _CERTIFIED, int(Code.OK), int(Code.NOT_CERTIFIED))
    code = jnp.where(valid, code, int(Code.INVALID)).astype(jnp.int32)
    error = jnp.arctan2(found.miss, found.signal) / np.pi
    signal_error = jnp.arctan2(found.clean_miss, found.signal) / np.pi
    quantities = {
        "error": error,
        "signal_error": signal_error,
        "noise_error": error - signal_error,
        "alignment": found.signal / jnp.hypot(found.signal, found.miss),
        "share": moments.share,
    }
    ok = code == Code.OK
    quantities = {name: jnp.where(ok, value, jnp.nan) for name, value in quantities.items()}
    return PrunedPrediction(quantities, residual, code)
