"""Logistic regression on labels that a verifier let through: *Beyond Model Collapse* (arXiv 2406.07515)."""

from collections.abc import Mapping
from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr
from jaxtyping import Array, Float

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.fields import Scalar, known, real_field, require, require_count
from freeridge.solvers.logistic_limit import order_parameters
from freeridge.solvers.replicates import run_replicates
from freeridge.solvers.results import ADVICE, Code, Estimate, Prediction
from freeridge.theory.pruning.verification.label_errors import LabelErrors, RandomErrors
from freeridge.theory.pruning.verification.quadrant import sector_probability
from freeridge.theory.pruning.verification.training import train_verified

_CERTIFIED = 1e-8  # relative error of the weights up to which a prediction is given
_TIE = 1e-12  # weights this small, of what one row alone would give, point nowhere


class VerifiedPrediction(Prediction):
    """A prediction whose advice is about verified labels."""

    advice: ClassVar[Mapping[Code, str]] = ADVICE | {
        Code.INVALID: "a parameter is outside its range, or NaN; the setting built from it alone says which.",
        Code.NOT_CERTIFIED: (
            "the weights are known to less than 1e-8, so that nothing is given. They are too long for the "
            "quadrature: take a larger ridge, or simulate."
        ),
    }


class VerifiedLogistic(eqx.Module):
    r"""Logistic regression with a ridge on verified labels, two classes in Gaussian noise.

    Balanced classes $y = \pm 1$, inputs $x = y\, s\, w_* + N(0, I_d)$ with $|w_*| = 1$. Labels $y'$, of which
    some are wrong, pass a verifier (:mod:`freeridge.theory.pruning.verification.label_errors`), and the first
    $n$ rows that do are learned from:

    $$ \hat w = \arg\min_w \frac1n \sum_i \log\big( 1 + e^{-y'_i x_i^\top w} \big)
       + \frac\lambda2 |w|^2 . $$

    The theory is exact for $n, d \to \infty$ at fixed $d / n$, and for $n \to \infty$ at any $d$
    (:mod:`freeridge.solvers.logistic_limit`); $d / n$ counts the coordinates that carry no information. The
    accuracy on true labels is $\Phi(s \cos(\hat w, w_*))$, and $\Phi(s)$ is the best there is.

    Parameters
    ----------
    d : int
        Inputs, at least as many as the errors take: 1 for :class:`RandomErrors`, 3 for :class:`LinearErrors`.
    n : float
        Kept rows, above 0; infinite is a limit too. Whole in simulation.
    signal : float
        $s \ge 0$. In the paper's units, $x \mid y \sim N(y \tau w_*, I/d)$, $s = \tau \sqrt d$.
    ridge : float
        $\lambda > 0$; the paper's is $\lambda / d$ when its weights are those of x in its units.
    errors : RandomErrors or LinearErrors, optional
        Where wrong labels come from and how they are verified; no label is wrong when left out.

    Raises
    ------
    InvalidSetting
        For values outside these ranges.

    Examples
    --------
    >>> import freeridge as fr
    >>> setting = fr.VerifiedLogistic(
    ...     d=107, n=5000, signal=1.5516, ridge=0.01, errors=fr.RandomErrors(0.6, 1.0, 0.3)
    ... )
    >>> setting.predict().ok
    True

    Three labels in five are wrong. Without a verifier the learner is worse than chance; one that lets a third
    of the wrong labels through moves the breakdown point from 1/2 to 3/4:

    >>> from freeridge.theory.pruning.verification.label_errors import RandomErrors
    >>> for psi in (1.0, 1 / 3):
    ...     found = VerifiedLogistic(107, 5000, 1.5516, 0.01, RandomErrors(0.6, 1.0, psi)).predict()
    ...     print(round(float(found.accuracy), 4), found.ok)
    0.2012 True
    0.8727 True

    References
    ----------
    Y. Feng, E. Dohmatob, P. Yang, F. Charton, J. Kempe, Beyond Model Collapse: Scaling Up with Synthesized
    Data Requires Verification, ICLR 2025, arXiv 2406.07515: Theorem 4.2, Figure 3, Appendix E. The theory at
    finite $d / n$ is ours.
    """

    d: int = eqx.field(static=True)
    n: Scalar = real_field("n")
    signal: Scalar = real_field("signal")
    ridge: Scalar = real_field("ridge")
    errors: LabelErrors = eqx.field(default_factory=lambda: RandomErrors(0.0))

    def __check_init__(self) -> None:
        require_count("d", self.d)
        if not isinstance(self.errors, LabelErrors):
            raise InvalidSetting("errors", self.errors, "RandomErrors or LinearErrors")
        if self.d < self.errors.coordinates:
            raise InvalidSetting("d", self.d, f"at least {self.errors.coordinates} inputs for these errors")
        rows = known(self.n)
        if rows is not None and not rows > 0:
            raise InvalidSetting("n", rows.item(), "a number of rows above 0, or infinity")
        require("signal", self.signal, lambda v: v >= 0, "a finite number >= 0")
        require(
            "ridge", self.ridge, lambda v: v > 0, "a finite number > 0: without a ridge the weights diverge"
        )

    @property
    def best_accuracy(self) -> Float[Array, ""]:
        r"""$\Phi(s)$, of the best classifier."""
        return ndtr(self.signal)

    def predict(self) -> VerifiedPrediction:
        """Exact limits.

        Returns
        -------
        VerifiedPrediction
            ``accuracy`` on true labels; ``agreement``, how often the learner says what the best classifier
            says; ``cosine`` with the truth and ``norm`` of the weights; ``train_loss``, the mean logistic
            loss on training rows; ``kept``, the share of labels that pass the verifier, and ``wrong``, the
            share of wrong ones among them. Where the weights vanish, infinitely many rows at the breakdown
            point, the cosine is 0.
        """
        quantities, residual = _predict(self)
        bad = ~(residual <= _CERTIFIED)
        quantities = {name: jnp.where(bad, jnp.nan, value) for name, value in quantities.items()}
        code = jnp.where(bad, int(Code.NOT_CERTIFIED), int(Code.OK)).astype(jnp.int32)
        return VerifiedPrediction(quantities, residual, code)

    def simulate(self, key: Any, replicates: int = 20, *, progress: bool = False) -> Estimate:
        """Generate rows, verify them, and fit; what the weights are worth is then computed exactly.

        Parameters
        ----------
        key : int or JAX key
            Seed.
        replicates : int
            At least 2.
        progress : bool
            Show a progress bar.

        Returns
        -------
        Estimate
            The names of the prediction. ``kept`` and ``wrong`` are counted.

        Raises
        ------
        InvalidSetting
            When n is not a whole number, or hardly any label is kept.
        """
        require("n", self.n, lambda v: v == np.floor(v), "a whole number of rows to simulate")
        rows, signal, ridge = int(self.n), float(self.signal), float(self.ridge)

        def replicate(rng: np.random.Generator) -> dict[str, float]:
            return train_verified(rng, self.errors, signal, self.d, rows, ridge).measured

        mean, error, values = run_replicates(replicate, key, replicates, progress=progress)
        return Estimate(mean, error, replicates, {"n": rows, "d": self.d}, values)


@eqx.filter_jit
def _predict(setting: VerifiedLogistic) -> tuple[dict[str, Float[Array, ""]], Float[Array, ""]]:
    signal, errors = setting.signal, setting.errors
    aspect = (setting.d - errors.coordinates) / setting.n
    laws = (errors.law(signal, 0), errors.law(signal, 1), errors.law(signal, 2))
    found = order_parameters(laws, aspect, setting.ridge)
    along = found.informative[0]
    square = jnp.sum(found.informative**2) + found.noise**2
    somewhere = square > (_TIE * (1.0 + signal)) ** 2
    norm = jnp.sqrt(jnp.where(somewhere, square, 1.0))
    cosine = jnp.where(somewhere, along / norm, 0.0)
    rates = errors.rates(signal)
    quantities = {
        "accuracy": ndtr(signal * cosine),
        "agreement": agreement(signal, cosine),
        "cosine": cosine,
        "norm": jnp.where(somewhere, norm, 0.0),
        "train_loss": found.train_loss,
        "kept": rates.kept,
        "wrong": rates.wrong,
    }
    return quantities, found.residual


def agreement(signal: Float[Array, ""], cosine: Float[Array, ""]) -> Float[Array, ""]:
    """How often a linear classifier at this cosine to the best one says the same as it.

    Examples
    --------
    >>> [round(float(agreement(jnp.array(1.5), jnp.array(c))), 12) for c in (1.0, 0.0, -1.0)]
    [1.0, 0.5, 0.0]
    """
    # Only rounding leaves [-1, 1]; at its ends the sine has no derivative, and needs none.
    inside = jnp.abs(cosine) < 1.0
    sine = jnp.where(inside, jnp.sqrt(jnp.where(inside, 1.0 - cosine**2, 1.0)), 0.0)
    angle, mean = jnp.arctan2(sine, cosine), jnp.stack([signal, jnp.zeros(())])
    return sector_probability(mean, angle) + sector_probability(-mean, angle)
