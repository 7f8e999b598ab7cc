r"""Rows with a core feature, a stronger spurious one, and many inputs of noise.

A label $y \in \{0, 1\}$ is a fair coin, and

$$ x = \big(\, (0.12\, g - 1)(2y - 1),\; \gamma\, a\, (0.12\, g' - 1)(2y - 1),\; \sigma_\epsilon z \,\big),
   \qquad g, g' \sim N(0, 1),\; z \sim N(0, I) : $$

both features are negative when $y = 1$. In the majority $a = 1$; in a minority of exactly
$\lfloor (1 - \mathrm{majority})\, n \rfloor$ rows chosen at random $a = -1$. Groups are told by the signs
of the features, as published.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

FEATURE_STD = 0.12
SPURIOUS_SCALE = 5.0


class SpuriousRows(NamedTuple):
    """Inputs in single precision, labels, and which rows are of the majority."""

    inputs: Float[np.ndarray, "n d"]
    labels: Int[np.ndarray, " n"]
    majority: Bool[np.ndarray, " n"]


def draw_rows(
    rng: np.random.Generator, rows: int, dimension: int, majority: float, noise: float
) -> SpuriousRows:
    r"""Rows of two features and dimension - 2 inputs of noise.

    Whatever the noise, equal generators give the same features, labels and $z$.

    Parameters
    ----------
    rng : numpy.random.Generator
    rows, dimension : int
    majority : float
        In [0, 1]; the size of the minority is rounded down in double precision, which makes 99 rows of 1000
        at 0.9, not 100.
    noise : float
        $\sigma_\epsilon$.

    Examples
    --------
    >>> found = draw_rows(np.random.default_rng(0), 1000, 3, majority=0.9, noise=0.0)
    >>> int((~found.majority).sum()), found.inputs.shape, found.inputs.dtype
    (99, (1000, 3), dtype('float32'))
    >>> bool(np.all((found.inputs[:, 0] < 0) == (found.labels == 1)))
    True
    """
    labels = rng.integers(0, 2, rows)
    sign = 2.0 * labels - 1.0
    core, spurious = (FEATURE_STD * rng.standard_normal((2, rows)) - 1.0) * sign
    spurious[rng.permutation(rows)[: int((1.0 - majority) * rows)]] *= -1.0
    inputs = np.empty((rows, dimension), np.float32)
    inputs[:, 0], inputs[:, 1] = core, SPURIOUS_SCALE * spurious
    inputs[:, 2:] = np.float32(noise) * rng.standard_normal((rows, dimension - 2), np.float32)
    return SpuriousRows(inputs, labels, core * spurious > 0)
