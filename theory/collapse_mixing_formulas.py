r"""Closed forms of Strong Model Collapse on mixing (arXiv 2410.04840v2, Section 5 and Appendix B.2) as plain
functions.

The companion of :mod:`freeridge.theory.collapse_formulas`: weighted mixing for small $\phi$, iterative
mixing, and generations of self-labelling. Misprints are corrected (``docs/errata.md``).
"""

import numpy as np
from jaxtyping import Float

from freeridge.solvers.errors import InvalidSetting

Real = float | int


def mixing_small_aspect(
    phi: Real,
    real_share: Real,
    quality: Real,
    noise_variance: Real,
    synthetic_noise_variance: Real,
    mixing: Real,
) -> float:
    r"""Corollary 2, corrected and completed: risk of weighted training (equation 16) for small $\phi$,
    $\lambda \to 0$.

    $$ E \simeq \alpha^2 c^2 \Big( 1 + \phi\, \frac{(1 - \alpha)(1 + 2 p_2 - 3 \alpha)}{p_1 p_2} \Big)
       + \phi \Big( \frac{(1 - \alpha)^2 \sigma_1^2}{p_1} + \frac{\alpha^2 \sigma_2^2}{p_2} \Big) +
       O(\phi^2) . $$

    Misprint: the paper prints $p_2^2 \alpha^2 c^2 + ((1 - \alpha) p_1 \sigma_1^2 + \alpha p_2
    \sigma_2^2)\, \phi$, which does not reduce to
    Corollary 1 at equal weights, $\alpha = p_2$. The correction of order $\phi c^2$ inside the first
    bracket belongs to the
    order that the corollary claims.

    Examples
    --------
    At equal weights it is the expansion of Corollary 1:

    >>> from freeridge.theory.collapse_formulas import corollary_1
    >>> phi, exact = 1e-3, sum(corollary_1(1e-3, 0.7, 0.5, 0.1))
    >>> abs(mixing_small_aspect(phi, 0.7, 0.5, 0.1, 0.1, mixing=0.3) - exact) < phi**2
    True
    """
    p1, p2, alpha = real_share, 1.0 - real_share, mixing
    correction = (1.0 - alpha) * (1.0 + 2.0 * p2 - 3.0 * alpha) / (p1 * p2)
    noise = (1.0 - alpha) ** 2 * noise_variance / p1 + alpha**2 * synthetic_noise_variance / p2
    return alpha**2 * quality * (1.0 + phi * correction) + phi * noise


def optimal_mixing_small_aspect(
    phi: Real, real_share: Real, quality: Real, noise_variance: Real, synthetic_noise_variance: Real
) -> float:
    r"""Weight of the synthetic data with the smallest risk, for small $\phi$: Corollary 2, corrected.

    $$ \alpha^* \simeq \frac{\sigma_1^2 \phi / p_1}{c^2 + \sigma_1^2 \phi / p_1 + \sigma_2^2 \phi / p_2} , $$

    which tends to 0 with $\phi$: the paper prints a weight that tends to 1.

    Examples
    --------
    >>> round(optimal_mixing_small_aspect(0.01, 0.5, 0.1, 1.0, synthetic_noise_variance=1.0), 6)
    0.142857
    """
    real = noise_variance * phi / real_share
    synthetic = synthetic_noise_variance * phi / (1.0 - real_share)
    return real / (quality + real + synthetic)


def iterative_mixing(rounds: int, quality: Real, clean_error: Real, real_share: Real) -> float:
    r"""Corollary 3: error after training round after round on a mixture with the last model's labels.

    Each round turns $c_t^2$ into $c_{t+1}^2 = p_2^2 c_t^2 + E$ with $E = \sigma^2 \phi / (1 - \phi)$,
    leading order in $\phi$; after $t$ rounds

    $$ c_t^2 = p_2^{2t} c_0^2 + E\, \frac{1 - p_2^{2t}}{1 - p_2^2} , $$

    and $c_0^2 + t E$ without real data. The real rows are drawn anew every round.

    Parameters
    ----------
    rounds : int
        $t \ge 0$.
    quality : float
        $c_0^2$ of the first generator.
    clean_error : float
        $E$.
    real_share : float
        $p_1$.

    Examples
    --------
    >>> iterative_mixing(2, quality=1.0, clean_error=0.1, real_share=0.5)  # 1 -> 0.35 -> 0.1875
    0.1875
    """
    ratio = (1.0 - real_share) ** 2
    total = float(rounds) if ratio == 1.0 else (1.0 - ratio**rounds) / (1.0 - ratio)
    return ratio**rounds * quality + clean_error * total


def self_loops(aspects: Float[np.ndarray, " N"], noise_variances: Float[np.ndarray, " N"]) -> float:
    r"""Appendix B.2: quality $c^2$ of a labeler after $N$ generations of least squares, each on the last
    one's labels.

    $$ c^2 = \sum_l \sigma_l^2\, \frac{\phi_l}{1 - \phi_l} , $$

    with $\phi_l = d / n_l < 1$ and the shift $\Delta = (c^2 / d)\, \Sigma^{-1}$.

    Examples
    --------
    >>> import numpy as np
    >>> self_loops(np.full(3, 0.5), np.full(3, 0.1))  # errors add up
    0.30000000000000004
    """
    aspects = np.asarray(aspects, float)
    if not np.all((aspects > 0) & (aspects < 1)):
        raise InvalidSetting(
            "aspects", aspects, "numbers inside (0, 1): with fewer rows the labeler shrinks as well"
        )
    return float(np.sum(noise_variances * aspects / (1.0 - aspects)))
