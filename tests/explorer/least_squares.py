"""A theory of one's own in a file: it compiles and simulates in no time."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from freeridge import Isotropic, TwoAtoms
from freeridge.solvers.fields import real_field, require
from freeridge.solvers.replicates import run_replicates
from freeridge.solvers.results import Code, Estimate, Prediction


class LeastSquares(eqx.Module):
    """Least squares with more rows than inputs.

    Examples
    --------
    >>> setting = LeastSquares(Isotropic(20, scale=2.0), n=40, noise_variance=0.5)
    """

    covariance: Isotropic | TwoAtoms
    n: Float[Array, ""] = real_field("n")
    noise_variance: Float[Array, ""] = real_field("noise_variance")

    def __check_init__(self) -> None:
        require("n", self.n, lambda v: v >= 1, "a number of rows of at least 1")
        require("noise_variance", self.noise_variance, lambda v: v >= 0, "a finite number >= 0")

    def inverse(self) -> Array:
        """Mean of the inverse eigenvalues."""
        return jnp.mean(1 / self.covariance.coordinates())

    def predict(self) -> Prediction:
        """Test risk, and squared error of the weights, in the limit; at n < d there is no answer."""
        slack = self.n - self.covariance.d
        risk = jnp.where(
            slack > 0, self.noise_variance * self.covariance.d / jnp.where(slack > 0, slack, 1.0), jnp.inf
        )
        code = jnp.where(slack > 0, int(Code.OK), int(Code.DIVERGES))
        code = jnp.where(slack < 0, int(Code.NOT_CERTIFIED), code).astype(jnp.int32)
        quantities = {"risk": risk, "weights_error": risk * self.inverse()}
        return Prediction(quantities, jnp.zeros_like(risk), code)

    def simulate(self, key: Any, replicates: int = 20) -> Estimate:
        """On drawn inputs, averaged over the noise."""
        n, d, noise = round(float(self.n)), self.covariance.d, float(self.noise_variance)
        require("n", self.n, lambda v: v > d + 3, f"more rows than d + 3 = {d + 3}")

        def replicate(rng: np.random.Generator) -> dict[str, float]:
            risk = noise * np.sum(np.linalg.svd(rng.standard_normal((n, d)), compute_uv=False) ** -2.0)
            return {"risk": risk, "weights_error": risk * float(self.inverse())}

        mean, error, _ = run_replicates(replicate, key, replicates)
        return Estimate(mean, error, replicates, {"n": n, "d": d})
