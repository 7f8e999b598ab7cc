"""A classifier trained on real labels writes new ones; another learns from those that are verified."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from freeridge.solvers.fields import Scalar, real_field, require, require_count
from freeridge.solvers.replicates import run_replicates
from freeridge.solvers.results import Estimate
from freeridge.theory.pruning.verification.label_errors import LinearErrors, RandomErrors
from freeridge.theory.pruning.verification.training import train_verified
from freeridge.theory.pruning.verification.verified_logistic import VerifiedLogistic, VerifiedPrediction


class RetrainedLogistic(eqx.Module):
    r"""Retraining on a trained generator's labels, verified by a linear classifier: the paper's Figure 3.

    Logistic regression on $N_0$ real rows gives the generator $w_g$. It labels new inputs; those on which a
    verifier at the angle $\theta_v$ to the truth agrees are kept, and a new classifier learns from $n$ of
    them. Both fits are those of :class:`VerifiedLogistic`, and so is the theory, twice: the first gives the
    angle of the generator to the truth, which in high dimension is not random. The verifier errs in a
    direction of its own.

    Parameters
    ----------
    d : int
        Inputs, at least 3.
    real_rows : float
        $N_0$.
    n : float
        Verified rows; infinite is a limit too.
    signal : float
        $s$, as in :class:`VerifiedLogistic`.
    ridge, real_ridge : float
        Of the second fit and of the generator.
    verifier : float, optional
        $\theta_v$ in $[0, \pi]$; 0 is an oracle, None keeps everything.

    Raises
    ------
    InvalidSetting
        For values outside these ranges.

    Examples
    --------
    >>> setting = RetrainedLogistic(107, 300, 10_000, 1.5516, ridge=0.01, real_ridge=0.3, verifier=0.0)
    >>> found = setting.predict()
    >>> round(float(found.generator_accuracy), 4), round(float(found.accuracy), 4), found.ok
    (0.9225, 0.9374, True)

    References
    ----------
    arXiv 2406.07515, Section 5.1 and Figure 3. The theory is ours.
    """

    d: int = eqx.field(static=True)
    real_rows: Scalar = real_field("real_rows")
    n: Scalar = real_field("n")
    signal: Scalar = real_field("signal")
    ridge: Scalar = real_field("ridge")
    real_ridge: Scalar = real_field("real_ridge")
    verifier: Scalar | None = real_field("verifier", default=0.0, optional=True)

    def __check_init__(self) -> None:
        require_count("d", self.d)
        require("real_rows", self.real_rows, lambda v: v > 0, "a number of rows above 0")
        require("real_ridge", self.real_ridge, lambda v: v > 0, "a finite number > 0")
        self._second(LinearErrors(jnp.zeros(()), self.verifier))  # refuses what is wrong with the others

    def _first(self) -> VerifiedLogistic:
        return VerifiedLogistic(self.d, self.real_rows, self.signal, self.real_ridge)

    def _second(self, errors: LinearErrors) -> VerifiedLogistic:
        return VerifiedLogistic(self.d, self.n, self.signal, self.ridge, errors)

    def predict(self) -> VerifiedPrediction:
        """Exact limits.

        Returns
        -------
        VerifiedPrediction
            What :class:`VerifiedLogistic` gives for the second fit, and ``generator_accuracy`` and
            ``generator_cosine`` of the first.
        """
        first = self._first().predict()
        angle = jnp.arccos(jnp.clip(first.cosine, -1.0, 1.0))
        found = self._second(LinearErrors(angle, self.verifier)).predict()
        quantities = found.quantities | {
            "generator_accuracy": first.accuracy,
            "generator_cosine": first.cosine,
        }
        return VerifiedPrediction(
            quantities, jnp.maximum(first.residual, found.residual), jnp.maximum(first.code, found.code)
        )

    def simulate(self, key: Any, replicates: int = 20, *, progress: bool = False) -> Estimate:
        """Train the generator, label, verify, retrain.

        The generator's weights orthogonal to the truth point anywhere with equal probability, the verifier's
        in one direction: what they share is drawn from its law, which for many inputs is small.

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
            The names of the prediction.
        """
        for name in ("n", "real_rows"):
            require(
                name, getattr(self, name), lambda v: v == np.floor(v), "a whole number of rows to simulate"
            )
        signal = float(self.signal)
        first, second = (int(self.real_rows), float(self.real_ridge)), (int(self.n), float(self.ridge))

        def replicate(rng: np.random.Generator) -> dict[str, float]:
            generator = train_verified(rng, RandomErrors(0.0), signal, self.d, *first)
            cosine = generator.measured["cosine"]
            side = generator.weights[1:]
            shared = side[0] / np.linalg.norm(side)
            errors = LinearErrors(float(np.arccos(cosine)), self.verifier, shared)
            measured = train_verified(rng, errors, signal, self.d, *second).measured
            accuracy = generator.measured["accuracy"]
            return measured | {"generator_accuracy": accuracy, "generator_cosine": cosine}

        mean, error, values = run_replicates(replicate, key, replicates, progress=progress)
        sizes = {"real_rows": first[0], "n": second[0], "d": self.d}
        return Estimate(mean, error, replicates, sizes, values)
