"""Ridge mixtures trained for a time: exact risk of gradient flow and of gradient descent."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from freeridge.solvers.contours import Contours, descent_contours, flow_contours
from freeridge.solvers.edge import largest_eigenvalue
from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.fields import Scalar, ScalarOrPath, known, real_field, require
from freeridge.solvers.results import Code, Estimate, Prediction
from freeridge.theory.experiment import simulate_mixture
from freeridge.theory.flow_risk import flow_risk_of
from freeridge.theory.mixture import RidgeMixture
from freeridge.theory.population import Population


class GradientFlow(eqx.Module):
    r"""A ridge mixture trained by gradient flow, or gradient descent, from zero and stopped at a time.

    With the rows, features and penalty of a :class:`RidgeMixture`, $b = S^\top X^\top Y / n$ and $H =
    S^\top X^\top X S / n + \lambda$,

    $$ \dot\eta = b - H \eta, \qquad \hat w_t = S \eta_t = S\, \frac{1 - e^{-t H}}{H}\, b , $$

    half the gradient of the objective: time is measured such that an eigenvalue $h$ is learned after $1/h$.
    With a step size $\alpha$ it is $\eta \leftarrow \eta + \alpha (b - H \eta)$ and the time is $\alpha$
    times the number of steps. In the limit $n, d, m \to \infty$ the risk is exact at every time, with its
    parts: a contour integral makes the estimator a sum of ridge estimators at complex ridges
    (:mod:`freeridge.solvers.contours`), and the covariance of two of them has a closed form
    (:mod:`freeridge.solvers.cross_response`). The derivation is in ``docs/theory/gradient-flow.md``. Ridge
    regression with $\lambda + 1/t$ is only an approximation to it.

    Parameters
    ----------
    mixture : RidgeMixture
        With one ridge, 0 included; plain or with random projections.
    time : float or array of shape (T,)
        $t \ge 0$. Many times cost little more than one: they share their nodes.
    step_size : float, optional
        $\alpha > 0$ of gradient descent, below 2 over the largest eigenvalue of $H$: a larger one diverges,
        and the prediction is NaN with the code INVALID. Times are then known whole multiples of it. None is
        the gradient flow.

    Examples
    --------
    >>> import freeridge as fr
    >>> d = 100
    >>> truth = fr.RandomVector(fr.Isotropic(d, 1 / d))
    >>> population = fr.Population(fr.Isotropic(d), truth, noise_variance=0.5, share=1.0)
    >>> mixture = fr.RidgeMixture([population], n=200, ridge=0.0)
    >>> fr.GradientFlow(mixture, time=2.0).predict().risk.round(4)
    Array(0.2912, dtype=float64)

    A path of times starts at the risk of zero and ends at that of least squares:

    >>> fr.GradientFlow(mixture, time=[0.0, 2.0, 1e4]).predict().risk.round(4)
    Array([1.    , 0.2912, 0.5   ], dtype=float64)

    References
    ----------
    A. Ali, J. Z. Kolter and R. J. Tibshirani, A continuous-time view of early stopping for least squares
    regression, AISTATS 2019 (one population; ridge $1/t$ as an approximation).
    """

    mixture: RidgeMixture
    time: ScalarOrPath = real_field("time", dimensions=1)
    step_size: Scalar | None = real_field("step_size", default=None, optional=True)

    def __check_init__(self) -> None:
        if not isinstance(self.mixture, RidgeMixture):
            raise InvalidSetting("mixture", self.mixture, "a RidgeMixture")
        if self.mixture.ridge.ndim:
            raise InvalidSetting("ridge", known(self.mixture.ridge), "one number when training takes time")
        require("time", self.time, lambda v: v >= 0, "a finite time >= 0")
        if self.step_size is not None:
            require("step_size", self.step_size, lambda v: v > 0, "a finite step size > 0")
            self._steps()

    @property
    def d(self) -> int:
        """Input dimension."""
        return self.mixture.d

    def predict(self, test: int | Population = 0) -> Prediction:
        """As :meth:`RidgeMixture.predict`, at every time."""
        problem, joint, noise = self.mixture.limit(test)
        found = flow_risk_of(problem, joint, noise, self._contours())
        if self.step_size is not None:
            stable = self.step_size * (largest_eigenvalue(problem) + problem.ridge) < 2.0
            found = _only_if(stable, found)
        return found if self.time.ndim else jax.tree.map(lambda values: values[0], found)

    def simulate(
        self,
        key: Any,
        replicates: int = 20,
        test: int | Population = 0,
        *,
        progress: bool = False,
        precision: str = "float64",
    ) -> Estimate:
        """The same quantities measured on drawn data at every time; see :meth:`RidgeMixture.simulate`."""
        return simulate_mixture(
            self.mixture,
            self.mixture.test_population(test),
            key,
            replicates,
            time=self.time,
            step_size=self.step_size,
            progress=progress,
            precision=precision,
        )

    def _contours(self) -> Contours:
        times = jnp.atleast_1d(self.time)
        if self.step_size is not None:
            return descent_contours(self._steps(), self.step_size)
        now = known(self.time)
        return flow_contours(times, None if now is None else np.atleast_1d(now))

    def _steps(self) -> np.ndarray:
        """Number of steps at each time."""
        assert self.step_size is not None
        time, size = known(self.time), known(self.step_size)
        if time is None or size is None:
            raise InvalidSetting(
                "time", self.time, "known times and step size: gradient descent counts steps"
            )
        steps = np.atleast_1d(time) / size
        if np.any(np.abs(steps - np.round(steps)) > 1e-6 * np.maximum(steps, 1.0)):
            raise InvalidSetting("time", time, f"whole multiples of the step size, {float(size):.6g}")
        return np.asarray(np.round(steps))


def _only_if(stable: Array, found: Prediction) -> Prediction:
    return Prediction(
        {name: jnp.where(stable, value, jnp.nan) for name, value in found.quantities.items()},
        jnp.where(stable, found.residual, jnp.nan),
        jnp.where(stable, found.code, Code.INVALID),
    )
