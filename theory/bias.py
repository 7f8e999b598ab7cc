"""Bias amplification: one model for all groups against a model for each (arXiv 2410.17263)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.fields import Scalar, ScalarOrPath, known, real_field, require
from freeridge.solvers.results import Code, Estimate, Prediction
from freeridge.theory.bias_goals import Goal, optimise, require_numbers
from freeridge.theory.bias_simulation import simulate_groups
from freeridge.theory.mixture import RidgeMixture
from freeridge.theory.population import Population

if TYPE_CHECKING:
    from freeridge.theory.gradient_flow import GradientFlow

# Risks are certified to about 1e-11: a smaller difference of two of them, relatively, is rounding.
_ROUNDING = 1e-11


def _as_groups(groups: Any) -> tuple[Any, ...]:
    if isinstance(groups, Population):
        raise InvalidSetting("groups", groups, "a list of populations, [Population(...), ...]")
    return tuple(groups)


class BiasAmplification(eqx.Module):
    r"""Disparity of test risks between groups, for the model of all groups and for the models of each.

    Group $s$ is a population with share $p_s$ of the $n$ training rows, $x \sim N(0, \Sigma_s)$, $y = x^\top
    w_s + N(0, \sigma_s^2)$. The joint model is trained on all rows, the own model of group $s$ on its $n_s =
    p_s n$ rows alone, with the same ridge, the same number of features $m$, the same training time. Their
    risks $R_s$ (joint) and $R_s^{\mathrm{own}}$ on group $s$ are those of :class:`RidgeMixture`; their biases
    are what is left without label noise. With two groups the paper's disparities are

    $$ \mathrm{ODD} = |E R_2 - E R_1|, \qquad \mathrm{EDD} = |E R_2^{\mathrm{own}} - E R_1^{\mathrm{own}}|,
       \qquad \mathrm{ADD} = \mathrm{ODD} / \mathrm{EDD}, $$

    observed, expected, and amplified where ADD > 1: the joint model then treats the groups more unequally
    than their own difficulty explains. With more groups a disparity is the largest risk minus the smallest.
    Beside them stand signed disparities, last group minus first.

    Parameters
    ----------
    groups : sequence of Population
        Every share is positive and they sum to one. A weight counts in the joint and in the own model.
    n : float
        All training rows.
    ridge : float or array of shape (L,)
        $\lambda \ge 0$; 0 is the minimum-norm limit. An array is a path.
    features : float, optional
        $m$ random projections; None for plain ridge.
    time : float or array of shape (T,), optional
        Train by gradient flow up to this time (:class:`GradientFlow`) instead of to the end. An array is a
        path, and then the ridge is one number.
    step_size : float, optional
        Train by gradient descent with this step size; time is the step size times the number of steps.

    Examples
    --------
    A minority that is harder to learn; one model for both makes it worse than its own model would:

    >>> import freeridge as fr
    >>> d = 100
    >>> truth = fr.RandomVector(fr.Isotropic(d, 1 / d))
    >>> difference = 0.5
    >>> minority_share = 0.2
    >>> other = truth + fr.RandomVector(fr.Isotropic(d, difference / d))
    >>> majority = fr.Population(fr.Isotropic(d), truth, noise_variance=0.1, share=1 - minority_share)
    >>> minority = fr.Population(fr.Isotropic(d, 0.5), other, noise_variance=0.1, share=minority_share)
    >>> prediction = fr.BiasAmplification([majority, minority], n=1000, ridge=1e-3).predict()
    >>> prediction.group_risks.round(4), prediction.own_risks.round(4)
    (Array([0.0229, 0.2031], dtype=float64), Array([0.0142, 0.0985], dtype=float64))
    >>> round(float(prediction.add), 3), prediction.ok
    (2.14, True)

    Notes
    -----
    When the own models are equally good, EDD is zero and ADD is undefined: it is NaN, with the code
    ``Code.UNDEFINED``. At a threshold (ridge 0 with rows, or rows of a group, as many as features or
    dimensions) risks are infinite and the code is ``Code.DIVERGES``: a disparity of one infinite and one
    finite risk is infinite, that of two infinite risks NaN, as is a ratio of two infinite disparities.

    Shares can be swept and differentiated like every other field; where they do not sum to one the point is
    invalid, so that sweeping one share alone leaves a single point.

    References
    ----------
    A. Subramonian, S. J. Bell, L. Sagun, E. Dohmatob, An Effective Theory of Bias Amplification, ICLR 2025,
    arXiv 2410.17263: EDD, ODD and ADD are defined there; we know the definitions second-hand. The general
    theorem behind the risks is derived in ``docs/theory/mixture.md``.
    """

    groups: Sequence[Population] = eqx.field(converter=_as_groups)
    n: Scalar = real_field("n")
    ridge: ScalarOrPath = real_field("ridge", dimensions=1)
    features: Scalar | None = real_field("features", default=None, optional=True)
    time: ScalarOrPath | None = real_field("time", default=None, optional=True, dimensions=1)
    step_size: Scalar | None = real_field("step_size", default=None, optional=True)

    def __check_init__(self) -> None:
        if not self.groups or not all(isinstance(group, Population) for group in self.groups):
            raise InvalidSetting("groups", self.groups, "at least one Population")
        for group in self.groups:
            require("share", group.share, lambda v: v > 0, "a positive share: each group trains a model")
        if self.time is None and self.step_size is not None:
            raise InvalidSetting("step_size", known(self.step_size), "a training time to go with it")
        self._trained(self.mixture())  # they check the rest

    @property
    def d(self) -> int:
        """Input dimension."""
        return self.groups[0].d

    def mixture(self) -> RidgeMixture:
        """What the joint model is trained on."""
        return RidgeMixture(self.groups, self.n, self.ridge, self.features)

    def alone(self, s: int) -> RidgeMixture:
        """What the own model of group s is trained on: its own rows."""
        group = self.groups[s]
        only = eqx.tree_at(lambda p: p.share, group, jnp.ones(()))
        return RidgeMixture([only], group.share * self.n, self.ridge, self.features)

    def predict(self) -> Prediction:
        """All risks and disparities in the high-dimensional limit, certified.

        Returns
        -------
        Prediction
            ``group_risks``, ``group_biases``, ``group_variances`` of the joint model and ``own_risks``,
            ``own_biases``, ``own_variances`` of the own models, of shape (..., G) with the path in front;
            ``odd``, ``edd``, ``add``, their signed versions ``signed_odd``, ``signed_edd``, ``signed_add``
            (last group minus first), and ``worst_group_risk``, the largest of the group risks, of the shape
            of the path. The residual is the largest of all solves, the code the worst.
        """
        joint = self._trained(self.mixture())
        models = [joint.predict(test=s) for s in range(len(self.groups))]
        own = [self._trained(self.alone(s)).predict() for s in range(len(self.groups))]
        quantities = {**_risks("group", models), **_risks("own", own)}
        group_risks, own_risks = quantities["group_risks"], quantities["own_risks"]
        signed_odd, odd = _disparities(group_risks)
        signed_edd, edd = _disparities(own_risks)
        add, undefined = _ratio(odd, edd, own_risks)
        signed_add, signed_undefined = _ratio(signed_odd, signed_edd, own_risks)
        quantities |= {
            "odd": odd,
            "edd": edd,
            "add": add,
            "signed_odd": signed_odd,
            "signed_edd": signed_edd,
            "signed_add": signed_add,
            "worst_group_risk": jnp.max(group_risks, axis=-1),
        }
        # Every code of a solve is worse, the larger it is.
        code = jnp.max(jnp.stack([model.code for model in [*models, *own]]), axis=0)
        code = jnp.where((undefined | signed_undefined) & (code == Code.OK), Code.UNDEFINED, code)
        residual = jnp.max(jnp.stack([model.residual for model in [*models, *own]]), axis=0)
        return Prediction(quantities, residual, code.astype(jnp.int32))

    def simulate(
        self, key: Any, replicates: int = 20, *, progress: bool = False, precision: str = "float64"
    ) -> Estimate:
        """The same quantities measured on drawn data: n, and the rows of each group, are whole numbers.

        The joint model is tested on all groups with the same draws, and the standard error of ODD is that of
        differences draw by draw; own models have draws of their own. Disparities are differences of means:
        where the true one vanishes against its standard error, its absolute value is too large on average.
        Other arguments and the averages over labels are those of :meth:`RidgeMixture.simulate`.
        """
        joint = self._trained(self.mixture())
        own = [self._trained(self.alone(s)) for s in range(len(self.groups))]
        return simulate_groups(joint, own, key, replicates, progress=progress, precision=precision)

    def optimal_ridge(
        self, goal: Goal = "worst_group_risk", between: tuple[float, float] | None = None
    ) -> tuple[float, Prediction]:
        r"""Ridge that serves a goal best, by the derivative of the goal through the solver.

        The derivative with respect to $\log \lambda$ on a grid of 65 ridges shows the basins; in each its
        change of sign is enclosed down to rounding, at kinks of a maximum or an absolute value as well. The
        best of all basins and of both ends wins, ridge 0 among them.

        Parameters
        ----------
        goal : str or function
            What is made small: ``"worst_group_risk"``; ``"mean_risk"``, weighted by the shares; ``"odd"``;
            ``"add"``, $|\mathrm{ODD} - \mathrm{EDD}|$, which is zero where ADD = 1; or a number as a function
            of the prediction, differentiable by JAX.
        between : (low, high), optional
            Smallest and largest ridge; by default from 0 to $10^4$ times the largest scale of the problem.

        Returns
        -------
        (float, Prediction)
            The ridge and the prediction there: whether ADD = 1 was reached is to be read from its ``add``.

        Examples
        --------
        >>> import freeridge as fr
        >>> d = 100
        >>> truth = fr.RandomVector(fr.Isotropic(d, 1 / d))
        >>> group = fr.Population(fr.Isotropic(d), truth, noise_variance=0.5, share=1.0)
        >>> ridge, best = fr.BiasAmplification([group], n=200, ridge=0.0).optimal_ridge()
        >>> round(ridge, 8)  # one isotropic group: noise variance times d / n
        0.25
        """
        require_numbers(self, "time")
        return optimise(self, "ridge", goal, between)

    def optimal_time(
        self, goal: Goal = "worst_group_risk", between: tuple[float, float] | None = None
    ) -> tuple[float, Prediction]:
        """Training time that serves a goal best: early stopping; see :meth:`optimal_ridge`.

        By default between 0, where the model is zero, and a time at which nothing moves any more. For the
        gradient flow: gradient descent stops at whole steps, between which there is no derivative.
        """
        if self.step_size is not None:
            raise InvalidSetting(
                "step_size", known(self.step_size), "None, the gradient flow, to optimise time"
            )
        require_numbers(self, "ridge")
        return optimise(self, "time", goal, between)

    def _trained(self, mixture: RidgeMixture) -> "RidgeMixture | GradientFlow":
        if self.time is None:
            return mixture
        from freeridge.theory.gradient_flow import GradientFlow  # here: most settings train to the end

        return GradientFlow(mixture, self.time, self.step_size)


def _risks(kind: str, predictions: Sequence[Prediction]) -> dict[str, Array]:
    """Risks with their two parts, groups last."""

    def bias_of(one: Prediction) -> Array:
        parts = jnp.stack([one.bias, one.mismatch])
        return jnp.where(jnp.any(jnp.isinf(parts), axis=0), jnp.inf, jnp.sum(parts, axis=0))

    return {
        f"{kind}_risks": jnp.stack([one.risk for one in predictions], axis=-1),
        f"{kind}_biases": jnp.stack([bias_of(one) for one in predictions], axis=-1),
        f"{kind}_variances": jnp.stack([one.variance for one in predictions], axis=-1),
    }


def _disparities(risks: Float[Array, "*path G"]) -> tuple[Array, Array]:
    """Last minus first, and largest minus smallest."""
    return risks[..., -1] - risks[..., 0], jnp.max(risks, axis=-1) - jnp.min(risks, axis=-1)


def _ratio(odd: Array, edd: Array, own_risks: Float[Array, "*path G"]) -> tuple[Array, Array]:
    """ODD / EDD, and where it is undefined because EDD is zero up to rounding."""
    undefined = (jnp.abs(edd) <= _ROUNDING * jnp.max(own_risks, axis=-1)) & jnp.isfinite(edd)
    # Divided by one there, or the NaN would reach the gradients of everything else.
    return jnp.where(undefined, jnp.nan, odd / jnp.where(undefined, 1.0, edd)), undefined
