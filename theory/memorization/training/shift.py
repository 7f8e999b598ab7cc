r"""The calibrated shift: how well the label of an example can be told without having memorised it.

Held-out logits $z_i$ are those of a network that has not learned the label of example $i$. Their
probabilities at temperature $\tau$, and the frequencies with which the labels go with them,

$$ P_{ik} = \mathrm{softmax}(z_i / \tau)_k, \qquad
   J_{ky} = \frac1n \sum_{i : y_i = y} P_{ik}, \qquad
   p(y \mid k) = \frac{J_{ky}}{\sum_{y'} J_{ky'}}, $$

give the calibrated probability of a label and the shift

$$ p_i(y) = \sum_k P_{ik}\, p(y \mid k), \qquad s_{iy} = \log(p_i(y) + \epsilon) . $$
"""

from typing import Any

import numpy as np
from jaxtyping import Float

from freeridge.solvers.errors import InvalidSetting
from freeridge.theory.memorization.training.rows import class_numbers


def calibrated_shift(
    held_out: Any, labels: Any, temperature: Any, floor: Any = 1e-6
) -> Float[np.ndarray, "n classes"]:
    r"""Shift of the logits of every class, for every example, in double precision.

    Parameters
    ----------
    held_out : array, shape (n, classes)
        $z$, finite.
    labels : array, shape (n,)
        $y$, from 0 to classes - 1.
    temperature : float
        $\tau > 0$. The smaller, the more a prediction counts as certain: as $\tau \to 0$ only the class that
        is named matters, and the shift is the logarithm of how often each label goes with that name.
    floor : float
        $\epsilon > 0$, which bounds the shift below: a label that never goes with a prediction would have a
        shift of minus infinity.

    Returns
    -------
    array, shape (n, classes)
        $s$, between $\log \epsilon$ and $\log(1 + \epsilon)$.

    Raises
    ------
    InvalidSetting
        For logits that are not finite, labels that are no classes, a temperature or floor that is not
        positive.

    Notes
    -----
    A class that no example is predicted to have has a row of zeros in $J$, and none in what is mixed: its
    $p(y \mid k)$ is multiplied by $P_{ik} = 0$ and taken as 0.

    Examples
    --------
    Nine of ten are right where either class is named, and the mistakes are as certain as the rest:

    >>> import numpy as np
    >>> labels = np.repeat([0, 1], 10)
    >>> named = labels.copy(); named[[0, 10]] = [1, 0]
    >>> np.exp(calibrated_shift(np.eye(2)[named], labels, temperature=0.01))[[0, 1]].round(3)
    array([[0.1, 0.9],
           [0.9, 0.1]])
    """
    logits = np.asarray(held_out)
    if logits.ndim != 2 or logits.dtype.kind not in "fiu" or not np.all(np.isfinite(logits)):
        raise InvalidSetting("held_out", held_out, "finite logits, one row per example")
    numbers = class_numbers(labels, logits.shape[1])
    if len(numbers) != len(logits):
        raise InvalidSetting("labels", labels, f"one label for each of the {len(logits)} rows of held_out")
    require_positive("temperature", temperature)
    require_positive("floor", floor)
    answers = tempered_probabilities(logits, temperature)
    joint = answers.T @ np.eye(logits.shape[1])[numbers] / len(numbers)
    total = joint.sum(axis=1, keepdims=True)
    given_answer = np.divide(joint, total, out=np.zeros_like(joint), where=total > 0)
    return np.log(answers @ given_answer + floor)


def tempered_probabilities(logits: Any, temperature: float) -> Float[np.ndarray, "n classes"]:
    r"""Probabilities $\mathrm{softmax}(z / \tau)$ in double precision, without overflow at any temperature.

    Examples
    --------
    >>> import numpy as np
    >>> tempered_probabilities(np.array([[1e30, 0.0, 1e30]]), temperature=1e-300)
    array([[0.5, 0. , 0.5]])
    """
    given = np.asarray(logits, np.float64)
    with np.errstate(over="ignore", under="ignore"):
        weights = np.exp((given - given.max(axis=1, keepdims=True)) / temperature)
    return weights / weights.sum(axis=1, keepdims=True)


def require_positive(name: str, value: Any) -> None:
    """Refuse what is no finite number > 0."""
    if not isinstance(value, int | float | np.number) or not np.isfinite(value) or value <= 0:
        raise InvalidSetting(name, value, "a finite number > 0")
