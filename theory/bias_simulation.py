"""Monte Carlo of group risks and their disparities, with the errors that shared draws call for."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from freeridge.solvers.replicates import key_entropy
from freeridge.solvers.results import Estimate

if TYPE_CHECKING:
    from freeridge.theory.gradient_flow import GradientFlow
    from freeridge.theory.mixture import RidgeMixture

    Model = RidgeMixture | GradientFlow

Values = Float[np.ndarray, "R *path G"]
Points = Float[np.ndarray, "*path"]
Measured = tuple[Points, Points]


def simulate_groups(
    joint: "Model", own: "Sequence[Model]", key: Any, replicates: int, *, progress: bool, precision: str
) -> Estimate:
    """Group risks, disparities and their standard errors; see :meth:`BiasAmplification.simulate`."""
    entropy = key_entropy(key)
    how: dict[str, Any] = {"progress": progress, "precision": precision}
    # One key: the same inputs and features, whatever the test population.
    tested = [joint.simulate(entropy, replicates, test=s, **how) for s in range(len(own))]
    alone = [model.simulate((*entropy, s + 1), replicates, **how) for s, model in enumerate(own)]
    if any(estimate.replicates != replicates for estimate in [*tested, *alone]):
        raise KeyboardInterrupt  # a run that was cut short has no draws to pair with those of the others
    values = {**_values("group", tested), **_values("own", alone)}
    measured = {name: _mean(value) for name, value in values.items()}
    joint_risks, own_risks = values["group_risks"], values["own_risks"]
    measured["odd"] = _absolute(_paired(joint_risks, *_extremes(joint_risks)))
    measured["edd"] = _absolute(_independent(own_risks, *_extremes(own_risks)))
    measured["add"] = _ratio(measured["odd"], measured["edd"])
    ends = np.full((*joint_risks.shape[1:-1], 1), -1), np.full((*joint_risks.shape[1:-1], 1), 0)
    measured["signed_odd"] = _paired(joint_risks, *ends)
    measured["signed_edd"] = _independent(own_risks, *ends)
    measured["signed_add"] = _ratio(measured["signed_odd"], measured["signed_edd"])
    measured["worst_group_risk"] = _mean(_of(joint_risks, _extremes(joint_risks)[0]))
    return Estimate(
        mean={name: mean for name, (mean, _) in measured.items()},
        standard_error={name: error for name, (_, error) in measured.items()},
        replicates=replicates,
        sizes=tested[0].sizes,
        values=values,
    )


def _values(kind: str, estimates: Sequence[Estimate]) -> Mapping[str, Values]:
    """Every replicate of the risks and of their two parts, groups last."""
    draws = [estimate.values for estimate in estimates]
    return {
        f"{kind}_risks": np.stack([one["risk"] for one in draws], axis=-1),
        f"{kind}_biases": np.stack([one["bias"] + one["mismatch"] for one in draws], axis=-1),
        f"{kind}_variances": np.stack([one["variance"] for one in draws], axis=-1),
    }


def _mean(values: Float[np.ndarray, "R *path"]) -> Measured:
    """Mean over replicates, and its standard error."""
    error = values.std(axis=0, ddof=1) / np.sqrt(len(values))
    return np.asarray(values.mean(axis=0)), np.asarray(error)


def _extremes(risks: Values) -> tuple[np.ndarray, np.ndarray]:
    """Groups with the largest and the smallest mean risk, at each point of the path; the last of equals is
    the largest.
    """
    means = risks.mean(axis=0)
    last = means.shape[-1] - 1
    return last - np.argmax(means[..., ::-1], axis=-1)[..., None], np.argmin(means, axis=-1)[..., None]


def _of(risks: Values, group: np.ndarray) -> Float[np.ndarray, "R *path"]:
    """The risk of one group, given for each point of the path."""
    return np.take_along_axis(risks, np.broadcast_to(group, (len(risks), *group.shape)), axis=-1)[..., 0]


def _paired(risks: Values, first: np.ndarray, second: np.ndarray) -> Measured:
    """Difference of two groups measured on the same draws."""
    return _mean(_of(risks, first) - _of(risks, second))


def _independent(risks: Values, first: np.ndarray, second: np.ndarray) -> Measured:
    """Difference of two groups measured on independent draws: errors add in squares; of a group with itself,
    none.
    """
    (one, one_error), (other, other_error) = _mean(_of(risks, first)), _mean(_of(risks, second))
    same = (first % risks.shape[-1] == second % risks.shape[-1])[..., 0]
    return np.asarray(one - other), np.where(same, 0.0, np.hypot(one_error, other_error))


def _absolute(measured: Measured) -> Measured:
    return np.asarray(np.abs(measured[0])), measured[1]


def _ratio(odd: Measured, edd: Measured) -> Measured:
    """Ratio of independent means and its error to first order; NaN where the denominator is zero."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(edd[0] == 0, np.nan, odd[0] / edd[0])
        return ratio, np.asarray(np.hypot(odd[1], ratio * edd[1]) / np.abs(edd[0]))
