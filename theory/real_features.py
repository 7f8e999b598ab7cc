r"""Populations estimated from real data, one per group: what a prediction on that data needs to know."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from freeridge.theory.covariance import Dense
from freeridge.theory.grouped_data import GroupRows, rows_by_group
from freeridge.theory.label_regression import Regression, regress
from freeridge.theory.labeler import RandomVector, as_labeler
from freeridge.theory.population import Population


class GroupEstimate(NamedTuple):
    r"""What the rows of one group say about it.

    Attributes
    ----------
    name : object
        Of the group.
    rows : int
        $N_s$.
    share : float
        $N_s / N$.
    mean : array, shape (d,)
        $\mu_s$ of the inputs.
    second_moment : array, shape (d, d)
        $C_s + \mu_s \mu_s^\top$, with $C_s$ the covariance, shrunk or not.
    shrinkage : float
        Weight of the target in $C_s$; 0 is the sample covariance.
    regression : Regression
        Labeler and noise.
    """

    name: Any
    rows: int
    share: float
    mean: Float[np.ndarray, " d"]
    second_moment: Float[np.ndarray, "d d"]
    shrinkage: float
    regression: Regression

    def population(self) -> Population:
        """The group as a population: labeler fixed at the posterior mean, plus a random one with the
        posterior covariance.
        """
        uncertain = RandomVector(Dense(self.regression.covariance))
        return Population(
            Dense(self.second_moment),
            as_labeler(self.regression.mean) + uncertain,
            self.regression.noise_variance,
            self.share,
        )


def estimate_groups(
    inputs: Any, labels: Any, groups: Any, *, shrink: bool | None = None
) -> tuple[GroupEstimate, ...]:
    r"""Second moment, labeler and noise of every group of a data set.

    *Inputs.* The theory is that of centred inputs and of models without an intercept, and it needs no more of
    a group than its second moment $E x x^\top = C + \mu \mu^\top$: a mean is one more direction of the
    covariance, of large variance. Do not centre the data unless the model trained on it sees them centred; a
    model with a (penalised) intercept is one with a column of ones.

    *Shrinkage.* The covariance of a group with fewer rows than columns is singular, and its eigenvalues are
    spread too wide; it is shrunk towards a multiple of the identity by the estimator of Ledoit and Wolf. The
    mean is not. Columns that are constant in the group, and repetitions of a column, say nothing new and
    have no part in it: the one keep their variance 0, the others stay equal.

    *Labels.* :func:`freeridge.theory.label_regression.regress`, on the rows of the group alone.

    Parameters
    ----------
    inputs : array or pandas.DataFrame, shape (N, d)
    labels : array, shape (N,)
    groups : array, shape (N,)
        Number or name of the group of each row.
    shrink : bool, optional
        True or False for all groups; by default those with at most d rows.

    Returns
    -------
    tuple of GroupEstimate
        In the sorted order of the group names; shares are those of the rows.

    Raises
    ------
    InvalidSetting
        See :func:`freeridge.theory.grouped_data.rows_by_group`.
    ImportError
        When a covariance is to be shrunk and scikit-learn is not there.

    References
    ----------
    O. Ledoit, M. Wolf, A well-conditioned estimator for large-dimensional covariance matrices, Journal of
    Multivariate Analysis 88 (2004). C. Louart, R. Couillet, Concentration of measure and large random
    matrices with an application to sample covariance matrices, arXiv 1805.08295 (the second moment is all
    that counts of inputs with a mean).

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> x = rng.standard_normal((600, 20)) + 1.0
    >>> group = np.arange(600) % 3 == 0
    >>> majority, minority = estimate_groups(x, x[:, 0] + 0.1 * rng.standard_normal(600), group)
    >>> minority.name, minority.rows, round(minority.regression.noise_variance, 3)
    (True, 200, 0.009)
    """
    return tuple(_estimate(group, shrink) for group in rows_by_group(inputs, labels, groups))


def groups_from_data(
    inputs: Any, labels: Any, groups: Any, *, shrink: bool | None = None
) -> tuple[Population, ...]:
    """The groups of a data set as populations, for :class:`BiasAmplification` and :class:`RidgeMixture`.

    Arguments and errors are those of :func:`estimate_groups`. A prediction is the risk on labels without
    noise; the mean squared error on real labels is larger by the noise variance of the group
    (:func:`freeridge.theory.real_comparison.compare_groups` sets one against the other).

    Examples
    --------
    >>> import numpy as np, freeridge as fr
    >>> from freeridge.theory.real_features import groups_from_data
    >>> rng = np.random.default_rng(0)
    >>> x = rng.standard_normal((600, 20))
    >>> group = np.where(np.arange(600) % 3, "majority", "minority")
    >>> y = np.where(group == "majority", x[:, 0], x[:, 1]) + 0.1 * rng.standard_normal(600)
    >>> prediction = fr.BiasAmplification(groups_from_data(x, y, group), n=90, ridge=0.1).predict()
    >>> prediction.ok, bool(prediction.group_risks[1] > prediction.group_risks[0])
    (True, True)
    """
    return tuple(estimate.population() for estimate in estimate_groups(inputs, labels, groups, shrink=shrink))


def _estimate(group: GroupRows, shrink: bool | None) -> GroupEstimate:
    rows, d = group.inputs.shape
    mean = group.inputs.mean(axis=0)
    shrinkage = 0.0
    if shrink or (shrink is None and rows <= d):
        covariance, shrinkage = _shrunk(group.inputs)
        second_moment = covariance + np.outer(mean, mean)
    else:
        # Not from its two parts: at ridge 0 a direction without any variance has to stay so.
        second_moment = group.inputs.T @ group.inputs / rows
    return GroupEstimate(
        group.name, rows, group.share, mean, second_moment, shrinkage, regress(group.inputs, group.labels)
    )


def _shrunk(inputs: Float[np.ndarray, "N d"]) -> tuple[Float[np.ndarray, "d d"], float]:
    """Covariance after Ledoit and Wolf of the columns that differ, and the weight of its target."""
    ledoit_wolf = _ledoit_wolf()
    d = inputs.shape[1]
    varies = np.flatnonzero(np.ptp(inputs, axis=0) > 0)
    if not len(varies):
        return np.zeros((d, d)), 0.0
    distinct, places = np.unique(inputs[:, varies], axis=1, return_inverse=True)
    found, shrinkage = ledoit_wolf(distinct)
    covariance = np.zeros((d, d))
    covariance[np.ix_(varies, varies)] = found[np.ix_(places.ravel(), places.ravel())]
    return covariance, float(shrinkage)


def _ledoit_wolf() -> Any:
    try:
        from sklearn.covariance import ledoit_wolf
    except ImportError:
        raise ImportError(
            "a group with no more rows than columns needs a shrunk covariance, by scikit-learn: "
            "pip install freeridge[data] (or shrink=False for the plain sample covariance)"
        ) from None
    return ledoit_wolf
