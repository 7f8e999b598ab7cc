r"""Closed forms of the infinite-width risks of a majority and a minority, as plain NumPy functions.

At infinite width the model is minimum-norm least squares on core and extraneous features
(:class:`freeridge.theory.minority.MinorityGroups`). Extraneous features of group $s$ take up to $d_s$ of its
$n_s$ rows and leave $r_s = \max(n_s - d_s, 0)$ for the core; $\rho = r_1 + r_2$ against $d_c$ decides:

- $\rho > d_c$, the core is identified (:func:`identified`): closed form for every core, and for every
  extraneous spectrum of a group with more rows than extraneous features; for one with fewer, closed form
  with one or two distinct eigenvalues.
- $\rho < d_c$, the model interpolates all rows (:func:`interpolating`): with isotropic blocks a quartic,
  which is a quadratic when their variances are equal. No closed form for other spectra.

Nothing here uses the solver. Derivations: ``docs/theory/minority.md``. Groups come as (majority, minority).
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from freeridge.solvers.errors import InvalidSetting

Real = float | int


class Risks(NamedTuple):
    """Test risks of the joint model at infinite width."""

    majority: float
    minority: float

    @property
    def gap(self) -> float:
        """Minority minus majority."""
        return self.minority - self.majority


class Block(NamedTuple):
    """Extraneous features of a group: distinct eigenvalues > 0 and the number of dimensions of each."""

    values: tuple[float, ...]
    counts: tuple[float, ...]

    @property
    def d(self) -> float:
        """Dimension."""
        return float(sum(self.counts))


def effective_ridge(block: Block, rows: Real) -> float:
    r"""The $\theta_s \ge 0$ at which the extraneous features of a group have as many degrees of freedom as
    rows.

    $$ \sum_j c_j \frac{\beta_j}{\beta_j + \theta_s} = n_s \quad (n_s < d_s), \qquad \theta_s = 0 \quad (n_s
       \ge d_s) , $$

    linear in $\theta_s$ for one eigenvalue and a quadratic for two; more have no closed form and are refused.

    Examples
    --------
    >>> effective_ridge(Block((2.0,), (30.0,)), rows=10)
    4.0
    >>> theta = effective_ridge(Block((2.0, 0.5), (10.0, 20.0)), rows=12)
    >>> round(10 * 2 / (2 + theta) + 20 * 0.5 / (0.5 + theta), 12)
    12.0
    """
    if rows >= block.d:
        return 0.0
    if len(block.values) == 1:
        return block.values[0] * (block.d - rows) / rows
    if len(block.values) > 2:
        raise InvalidSetting(
            "extraneous", block.values, "one or two distinct eigenvalues where rows are fewer than features"
        )
    (b1, b2), (c1, c2) = block.values, block.counts
    linear = rows * (b1 + b2) - c1 * b1 - c2 * b2
    product = rows * b1 * b2 * (block.d - rows)
    root = np.sqrt(linear**2 + 4.0 * product)
    # Of the two equal forms of the positive root, the one that adds.
    return float((root - linear) / (2.0 * rows) if linear < 0 else 2.0 * product / (rows * (root + linear)))


def identified(
    core_dimension: Real,
    extraneous: tuple[Block, Block],
    rows: tuple[Real, Real],
    noise: tuple[Real, Real],
    extraneous_signal: Real = 0.0,
) -> Risks:
    r"""Risks where the rows that extraneous features leave identify the core, $\rho > d_c$.

    The core may have any spectrum.

    With $\mathrm{df}_2 = \sum_j c_j \beta_j^2 / (\beta_j + \theta_s)^2$ of the block of group $s$ at its
    :func:`effective_ridge` ($\mathrm{df}_2 = d_s$ if $n_s > d_s$),

    $$ R_s = (1 + V_s) (C + b_s) + V_s \sigma_s^2, \qquad V_s = \frac{\mathrm{df}_2}{n_s - \mathrm{df}_2},
       \qquad b_s = \frac{g}{d_s} \sum_j \frac{c_j \beta_j \theta_s^2}{(\beta_j + \theta_s)^2}, $$
    $$ C = \frac{d_c}{\rho - d_c} \cdot \frac{r_1 \sigma_1^2 + r_2 \sigma_2^2}{\rho} . $$

    $C$ is what the core costs, the same for both groups; to the extraneous regression of a group it acts as
    label noise does.

    Parameters
    ----------
    core_dimension : float
        $d_c$, the rank of the core covariance.
    extraneous : two Blocks
        $B_1, B_2$.
    rows, noise : two numbers
        $n_1, n_2$ and $\sigma_1^2, \sigma_2^2$.
    extraneous_signal : float
        $g$.

    Examples
    --------
    Equal noise and the core signal alone: $R_s + \sigma^2 = (1 + V_s)(C + \sigma^2)$, so that the gap is
    $(V_2 - V_1)(C + \sigma^2)$.

    >>> block = Block((1.0,), (20.0,))
    >>> found = identified(40, (block, block), rows=(160, 40), noise=(0.3, 0.3))
    >>> round(found.gap, 12) == round((20 / 20 - 20 / 140) * (40 / 120 * 0.3 + 0.3), 12)
    True
    """
    left = [max(n - block.d, 0.0) for n, block in zip(rows, extraneous, strict=True)]
    total = sum(left)
    if total <= core_dimension:
        raise InvalidSetting(
            "rows", rows, f"more than {core_dimension:g} rows left for the core, not {total:g}"
        )
    core = core_dimension / (total - core_dimension) * np.dot(left, noise) / total
    risks = []
    for block, n, sigma in zip(extraneous, rows, noise, strict=True):
        values, counts = np.array(block.values), np.array(block.counts)
        theta = effective_ridge(block, n)
        degrees = float(counts @ (values / (values + theta)) ** 2)
        missed = extraneous_signal / block.d * float(counts @ (values * (theta / (values + theta)) ** 2))
        if n == block.d:
            risks.append(np.inf if core + missed + sigma > 0 else 0.0)
            continue
        variance = degrees / (n - degrees)
        risks.append(float((1.0 + variance) * (core + missed) + variance * sigma))
    return Risks(*risks)


def interpolating(
    core: Block,
    extraneous: tuple[Block, Block],
    rows: tuple[Real, Real],
    noise: tuple[Real, Real],
    extraneous_signal: Real = 0.0,
) -> Risks:
    r"""Risks where the model interpolates all rows, $\rho < d_c$.

    The blocks are isotropic, of variances $a$, $\beta_1$, $\beta_2$. With $Y = u_1 + u_2$ and $c = d_c a /
    (1 + a Y)$, each $u_s$ is the positive root of

    $$ c \beta_s u_s^2 + (c + (d_s - n_s) \beta_s) u_s = n_s , $$

    and what remains, $Y = d_c / c - 1 / a$, is the quartic $(L^2 - Q_1 - Q_2)^2 = 4 Q_1 Q_2$ in $c$ with
    $Q_s = (c / \beta_s + d_s - n_s)^2 + 4 c\, n_s / \beta_s$ and $L = 2 (d_c - c / a) + \sum_s (c / \beta_s +
    d_s - n_s)$: a quadratic for $a = \beta_1 = \beta_2$. The root is the one with $L = \sqrt{Q_1} +
    \sqrt{Q_2}$. Then, tested on group $t$,

    $$ (n_s - K_s) P_s - k_s (P_1 + P_2) = k_s + \delta_{st} K_s, \qquad
       k_s = \frac{d_c (a u_s)^2}{(1 + a Y)^2}, \quad
       K_s = \frac{d_s (\beta_s u_s)^2}{(1 + \beta_s u_s)^2}, $$
    $$ R_t = m_t + \sum_s P_s (m_s + \sigma_s^2), \qquad
       m_s = \frac{a}{(1 + a Y)^2} + \frac{g \beta_s}{(1 + \beta_s u_s)^2} . $$

    Parameters
    ----------
    core, extraneous : Block, two Blocks
        Of one eigenvalue each: $(a, d_c)$, $(\beta_s, d_s)$.
    rows, noise, extraneous_signal
        As in :func:`identified`.

    Examples
    --------
    Equal groups and equal variances: no gap.

    >>> block = Block((1.0,), (20.0,))
    >>> round(interpolating(Block((1.0,), (60.0,)), (block, block), rows=(30, 30), noise=(0.3, 0.3)).gap, 12)
    0.0
    """
    blocks = (core, *extraneous)
    if any(len(block.values) != 1 for block in blocks):
        raise InvalidSetting("blocks", blocks, "isotropic blocks: other spectra have no closed form")
    (a, b1, b2), (dc, d1, d2) = ([float(v[0]) for v in part] for part in zip(*blocks, strict=True))
    b, d, n = np.array([b1, b2]), np.array([d1, d2]), np.array(rows, dtype=float)
    left = float(np.sum(np.maximum(n - d, 0.0)))
    if left >= dc:
        raise InvalidSetting("rows", rows, f"fewer than {dc:g} rows left for the core, not {left:g}")
    rows_in_all = float(np.sum(n))
    u = _loads(dc / rows_in_all, b / a, d / rows_in_all, n / rows_in_all) / a
    reach = a * np.sum(u)
    seen, own = dc * (a * u / (1.0 + reach)) ** 2, d * (b * u / (1.0 + b * u)) ** 2
    missed = a / (1.0 + reach) ** 2 + extraneous_signal * b / (1.0 + b * u) ** 2
    matrix = np.diag(n - own) - seen[:, None]
    paid = np.linalg.solve(matrix, seen[:, None] + np.diag(own))
    return Risks(*(float(r) for r in missed + paid.T @ (missed + np.array(noise))))


def _loads(
    core: float, values: np.ndarray, dimensions: np.ndarray, rows: np.ndarray
) -> Float[np.ndarray, "2"]:
    """$u_1, u_2$ in units of the core variance, sizes in units of all rows."""
    lines = [np.poly1d([1.0 / b, e]) for b, e in zip(values, dimensions - rows, strict=True)]
    first, second = (
        line * line + np.poly1d([4.0 * r / b, 0.0]) for line, r, b in zip(lines, rows, values, strict=True)
    )
    both = np.poly1d([-2.0, 2.0 * core]) + lines[0] + lines[1]
    quartic = (both * both - first - second) ** 2 - 4.0 * first * second

    def loads(c: float) -> tuple[np.ndarray, np.ndarray]:
        """u at c, and its derivative."""
        linear = c / values + dimensions - rows
        root = np.sqrt(linear**2 + 4.0 * c * rows / values)
        # Of the two equal forms of the positive root, the one that adds.
        large = np.abs(linear) + root
        u = np.where(linear > 0, 2.0 * rows / (values * large), large / (2.0 * c))
        return u, -u * (1.0 + values * u) / (values * root)

    def excess(c: float) -> float:
        return float(np.sum(loads(c)[0])) - core / c + 1.0

    inside = [root.real for root in quartic.roots if 0.0 < root.real < core]
    c = min(inside, key=lambda root: abs(excess(root)))
    for _ in range(4):  # undoes the rounding of the quartic's coefficients
        slope = c * float(np.sum(loads(c)[1])) + core / c
        c *= float(np.exp(-excess(c) / slope))
    return loads(c)[0]
