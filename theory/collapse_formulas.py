r"""Closed forms of Strong Model Collapse (arXiv 2410.04840v2) as plain NumPy functions.

They are written from the paper, with its misprints corrected (``docs/errata.md``), and share nothing with the
general solver but the mathematics: the one scalar fixed point is bracketed and handed to SciPy. That makes
them an independent check of :class:`freeridge.theory.collapse.ModelCollapse`, and a quick way to a number.

One covariance for real and synthetic inputs; all matrices are diagonal in one basis and given by their
eigenvalues. Traces are $I_{ab} = \overline{\mathrm{tr}}\, \Sigma^a (\Sigma + \theta)^{-b}$, with
$\overline{\mathrm{tr}} = \mathrm{tr} / d$; $p_1$ is the real share, $p_2 = 1 - p_1$. Nothing below is a small
difference of large terms, so that a ridge of 1e-8, or 0, costs no digits.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.optimize import brentq

from freeridge.solvers.errors import InvalidSetting

Real = float | int


class Parts(NamedTuple):
    """The three parts of the test error: its sum is the risk on real data."""

    bias: float
    r"""$B$"""
    variance: float
    r"""$V$"""
    collapse: float
    r"""$\zeta$, the price of the difference between synthetic and real labelers."""


class Scalars(NamedTuple):
    """The scalars of Theorem 2; plain ridge has no features and $\\omega' = 0$."""

    theta: float
    sample_slack: float
    r"""$e = 1 - \phi\, I_{11}(\theta)$"""
    feature_slack: float
    r"""$\gamma \tau = \gamma - I_{11}(\theta)$; 1 for plain ridge, which has no such equation."""
    u: float
    omega: float
    r"""$\omega'$"""


def theorem_1(
    eigenvalues: Float[np.ndarray, " d"],
    n: Real,
    real_share: Real,
    ridge: Real,
    noise_variance: Real,
    signal: Float[np.ndarray, " d"],
    shift: Float[np.ndarray, " d"],
) -> Parts:
    r"""Theorem 1: plain ridge.

    With $\kappa - \lambda = \kappa\, \mathrm{df}_1(\kappa) / n$ (equation 7), $\mathrm{df}_k =
    \mathrm{tr}\, \Sigma^k (\Sigma + \kappa)^{-k}$ and
    $u = (\mathrm{df}_2 / n) / (1 - \mathrm{df}_2 / n)$ (equation 8),

    $$ B = \frac{\kappa^2\, \mathrm{tr}\, \Gamma \Sigma (\Sigma + \kappa)^{-2}}{1 - \mathrm{df}_2 / n},
    \qquad V = \sigma^2 u , $$
    $$ \zeta = p_2^2 (1 + p_1 u)\, \mathrm{tr}\, \Delta \Sigma^3 (\Sigma + \kappa)^{-2}
       + p_2 u\, \mathrm{tr}\, \Delta \Sigma (p_1 \Sigma + \kappa)^2 (\Sigma + \kappa)^{-2} . $$

    Correct as printed.

    Parameters
    ----------
    eigenvalues : array, shape (d,)
        Of $\Sigma$.
    n : float
        All rows.
    real_share : float
        $p_1$.
    ridge : float
        $\lambda \ge 0$.
    noise_variance : float
        $\sigma^2 = p_1 \sigma_1^2 + p_2 \sigma_2^2$.
    signal, shift : array, shape (d,)
        Eigenvalues of $\Gamma$ and $\Delta$.

    Examples
    --------
    >>> import numpy as np
    >>> ones = np.ones(50)
    >>> parts = theorem_1(ones, 200, 0.5, ridge=0.0, noise_variance=1.0, signal=ones / 50, shift=ones / 250)
    >>> round(parts.variance, 12), round(parts.collapse, 12)  # Corollary 1 at phi = 1/4
    (0.333333333333, 0.066666666667)
    """
    s = scalars(eigenvalues, n, ridge)
    return _assemble(s, eigenvalues, real_share, noise_variance, signal, shift)


def theorem_2(
    eigenvalues: Float[np.ndarray, " d"],
    n: Real,
    features: Real,
    real_share: Real,
    ridge: Real,
    noise_variance: Real,
    signal: Float[np.ndarray, " d"],
    shift: Float[np.ndarray, " d"],
) -> Parts:
    r"""Theorem 2: random projections, equation 15 with two misprints corrected.

    With the scalars of :func:`scalars` and $T = \Sigma + \theta$,

    $$ B = (1 + u)\, \theta^2\, \mathrm{tr}\, \Gamma \Sigma T^{-2} + \omega'\, \mathrm{tr}\, \Gamma
    \Sigma^2 T^{-2}, \qquad
       V = \frac{\sigma^2}{n e} \big( \mathrm{tr}\, \Sigma^2 T^{-2} + (\omega' - \theta u)\, \mathrm{tr}\,
       \Sigma T^{-2} \big) = \sigma^2 u , $$
    $$ \zeta = p_2^2 (1 + p_1 u)\, \mathrm{tr}\, \Delta \Sigma^3 T^{-2} + p_2^2\, \omega'\, \mathrm{tr}\,
    \Delta \Sigma^2 T^{-2}
       + p_2 u\, \mathrm{tr}\, \Delta \Sigma (p_1 \Sigma + \theta)^2 T^{-2} . $$

    Misprints: the paper's $V$ lacks the factor $1 / n$, and its $\zeta$ has $p_2\, \omega'$ where $p_2^2\,
    \omega'$ is right.
    That $V$ is simply $\sigma^2 u$ follows from the first equation of Lemma 1 and $1 - \phi I_{11} = e$.

    Parameters
    ----------
    features : float
        $m$.
    eigenvalues, n, real_share, ridge, noise_variance, signal, shift
        As in :func:`theorem_1`.

    Examples
    --------
    Many projections are plain ridge with the penalty over $\gamma$:

    >>> import numpy as np
    >>> ones = np.ones(50)
    >>> wide = theorem_2(ones, 100, 5e9, 0.5, 1e7, noise_variance=1.0, signal=ones / 50, shift=ones / 50)
    >>> plain = theorem_1(ones, 100, 0.5, 0.1, noise_variance=1.0, signal=ones / 50, shift=ones / 50)
    >>> np.allclose(wide, plain, rtol=1e-7)
    True
    """
    s = scalars(eigenvalues, n, ridge, features)
    return _assemble(s, eigenvalues, real_share, noise_variance, signal, shift)


def _assemble(
    s: Scalars,
    eigenvalues: Float[np.ndarray, " d"],
    real_share: Real,
    noise_variance: Real,
    signal: Float[np.ndarray, " d"],
    shift: Float[np.ndarray, " d"],
) -> Parts:
    p1, p2 = real_share, 1.0 - real_share
    fraction = _fraction(eigenvalues, s.theta)
    kept, lost = fraction**2, _remainder(eigenvalues, s.theta) ** 2  # Sigma^2 T^-2 and theta^2 T^-2
    middle = (1.0 - p2 * fraction) ** 2  # (p1 Sigma + theta)^2 T^-2
    if not np.isfinite(s.u):
        # An interpolation threshold at ridge 0: what u and omega' multiply is infinite unless it is zero.
        amplified = (
            s.theta * signal.sum(),
            noise_variance,
            p2 * (shift * eigenvalues) @ middle * (p1 + s.theta),
        )
        finite = (0.0, 0.0, p2**2 * (shift * eigenvalues) @ kept)
        return Parts(*(np.inf if a > 0 else float(f) for a, f in zip(amplified, finite, strict=True)))
    bias = (1.0 + s.u) * (signal * eigenvalues) @ lost + s.omega * signal @ kept
    collapse = (
        p2**2 * ((1.0 + p1 * s.u) * (shift * eigenvalues) @ kept + s.omega * shift @ kept)
        + p2 * s.u * (shift * eigenvalues) @ middle
    )
    return Parts(float(bias), float(noise_variance * s.u), float(collapse))


def scalars(
    eigenvalues: Float[np.ndarray, " d"], n: Real, ridge: Real, features: Real | None = None
) -> Scalars:
    r"""Scalars of Theorem 2: Lemma 2 for $(\theta, e, \tau)$, Lemma 1 (corrected) for $(u, \omega')$.

    $$ \lambda = (\gamma - I_{11})(1 - \phi I_{11})\, \theta, \qquad
       u = \frac{\phi z}{D}, \quad \omega' = \frac{\theta^2 I_{12}}{D}, \quad z = I_{22} (\gamma - I_{22})
       + \theta^2 I_{12}^2, \quad
       D = \gamma - \phi z - I_{22} . $$

    Misprint: the paper has $I_{22}$ in the numerator of $\omega'$. At ridge 0, $I_{11} = \min(\gamma,
    1/\phi, \mathrm{rank}/d)$.

    Examples
    --------
    >>> import numpy as np
    >>> found = scalars(np.ones(100), n=50, ridge=0.0)
    >>> round(found.theta, 12), round(found.u, 12)
    (1.0, 1.0)

    Notes
    -----
    The two slacks solve a quadratic once $\theta$ is known, $e^2 + (\phi \gamma - 1) e = \phi \lambda /
    \theta$, and in them
    $D = (\gamma \tau) e + \theta I_{12} (e + \phi \gamma \tau)$ is a sum of non-negative terms.
    """
    d = len(eigenvalues)
    phi, gamma = d / n, np.inf if features is None else features / d
    theta, sample, feature = _fixed_point(np.asarray(eigenvalues, float), phi, gamma, float(ridge))
    fraction = _fraction(eigenvalues, theta)
    i22 = float(np.mean(fraction**2))
    cross = float(np.mean(fraction * _remainder(eigenvalues, theta)))  # theta I_12
    if features is None:
        denominator = sample + phi * cross
        return Scalars(theta, sample, feature, _ratio(phi * i22, denominator), 0.0)
    denominator = feature * sample + cross * (sample + phi * feature)
    z = i22 * (feature + cross) + cross**2
    return Scalars(
        theta,
        sample,
        feature,
        _ratio(phi * z, denominator),
        _ratio(theta * cross, denominator) if cross else 0.0,
    )


def _fixed_point(
    eigenvalues: Float[np.ndarray, " d"], phi: Real, gamma: float, ridge: Real
) -> tuple[float, float, float]:
    """Solution theta and both slacks; the balance below falls from +inf to a negative number as theta
    grows."""
    plain = bool(np.isinf(gamma))
    rank = float(np.mean(eigenvalues > 0))
    ceiling = min(1.0 / phi, gamma)
    if ridge == 0.0 and rank <= ceiling:
        return 0.0, 1.0 - phi * rank, 1.0 if plain else gamma - rank

    def slacks(theta: float) -> tuple[float, float]:
        if plain:
            return ridge / theta, 1.0
        gap, product = 1.0 - phi * gamma, phi * ridge / theta
        large = 0.5 * (abs(gap) + np.sqrt(gap**2 + 4.0 * product))
        small = product / large if large > 0 else 0.0
        return (large, small / phi) if gap >= 0 else (small, large / phi)

    def balance(log_theta: float) -> float:
        theta = float(np.exp(log_theta))
        sample, feature = slacks(theta)
        eta = float(np.mean(_fraction(eigenvalues, theta)))
        # Of the two equal forms, the one in the slack that may be small.
        return (sample + phi * eta - 1.0) if phi * gamma >= 1.0 else (feature + eta - gamma) / gamma

    positive = eigenvalues[eigenvalues > 0]
    low = np.log(min(positive)) - 1.0 if ridge == 0.0 else np.log(ridge if plain else ridge / gamma) - 1.0
    high = np.log(max(positive) * (1.0 + phi)) + 1.0
    while balance(high) > 0:
        high += 1.0
    while balance(low) < 0:
        low -= 1.0
    theta = float(np.exp(brentq(balance, low, high, xtol=1e-15, rtol=8.9e-16, maxiter=500)))
    return theta, *slacks(theta)


def _fraction(eigenvalues: Float[np.ndarray, " d"], theta: float) -> Float[np.ndarray, " d"]:
    """Eigenvalues of $\\Sigma (\\Sigma + \\theta)^{-1}$; at theta = 0 the projection on the range."""
    return np.where(eigenvalues > 0, eigenvalues / np.where(eigenvalues > 0, eigenvalues + theta, 1.0), 0.0)


def _remainder(eigenvalues: Float[np.ndarray, " d"], theta: float) -> Float[np.ndarray, " d"]:
    """Eigenvalues of $\\theta (\\Sigma + \\theta)^{-1}$, one minus the above without the subtraction."""
    return np.where(eigenvalues > 0, theta / np.where(eigenvalues > 0, eigenvalues + theta, 1.0), 1.0)


def _ratio(numerator: float, denominator: float) -> float:
    return float(numerator / denominator) if denominator > 0 else float(np.inf)


def isotropic(
    phi: Real, ridge: Real, real_share: Real, quality: Real, noise_variance: Real, signal: Real = 1.0
) -> Parts:
    r"""Theorem 1 for $\Sigma = I$, $\Gamma = (r^2/d) I$, $\Delta = (c^2/d) I$: $\kappa$ is the root of a
    quadratic.

    $$ \kappa - \lambda = \frac{\kappa \phi}{1 + \kappa}, \quad u = \frac{\phi}{(1 + \kappa)^2 - \phi}, \quad
       B = \frac{\kappa^2 r^2}{(1 + \kappa)^2 - \phi}, \quad V = \sigma^2 u, \quad
       \zeta = \frac{p_2 (1 + p_1 u) + (p_1 + \kappa)^2 u}{(1 + \kappa)^2}\, p_2 c^2 . $$

    Correct as printed. ``quality`` is $c^2$, ``signal`` is $r^2$.

    Examples
    --------
    >>> isotropic(phi=2.0, ridge=0.0, real_share=1.0, quality=0.3, noise_variance=1.0)
    Parts(bias=0.5, variance=1.0, collapse=0.0)
    """
    p1, p2 = real_share, 1.0 - real_share
    excess = ridge + phi - 1.0
    root = np.sqrt(excess**2 + 4.0 * ridge)
    # Of the two equal forms of the positive root, the one that adds.
    kappa = 0.5 * (excess + root) if excess >= 0 else 2.0 * ridge / (root - excess)
    # (1 + kappa)^2 - phi = (1 + kappa)(1 + kappa - phi) + kappa phi, and kappa (1 + kappa - phi) = ridge
    # (1 + kappa).
    slack = ridge * (1.0 + kappa) / kappa if kappa > 0 else 1.0 - phi
    denominator = (1.0 + kappa) * slack + kappa * phi
    u = _ratio(phi, denominator)
    if not np.isfinite(u):
        return Parts(
            0.0, np.inf if noise_variance > 0 else 0.0, np.inf if p1 * p2 * quality > 0 else p2**2 * quality
        )
    collapse = (p2 * (1.0 + p1 * u) + (p1 + kappa) ** 2 * u) * p2 * quality / (1.0 + kappa) ** 2
    return Parts(float(kappa**2 * signal / denominator), float(noise_variance * u), float(collapse))


def corollary_1(phi: Real, real_share: Real, quality: Real, noise_variance: Real) -> Parts:
    r"""Corollary 1: more rows than inputs, $\phi < 1$, and $\lambda \to 0$.

    $$ B = 0, \qquad V = \sigma^2 \frac{\phi}{1 - \phi}, \qquad \zeta = \Big( p_2^2 + p_1 p_2 \frac{\phi}{1
    - \phi} \Big) c^2 . $$

    Correct as printed, and exact for every invertible $\Sigma$ with $c^2 = \mathrm{tr}\, \Sigma \Delta$
    (the paper states it for
    the isotropic case).

    Examples
    --------
    >>> corollary_1(phi=0.5, real_share=0.5, quality=1.0, noise_variance=0.1)
    Parts(bias=0.0, variance=0.1, collapse=0.5)
    """
    if not 0 < phi < 1:
        raise InvalidSetting("phi", phi, "a number inside (0, 1); corollary_4 is for phi > 1")
    u, p2 = phi / (1.0 - phi), 1.0 - real_share
    return Parts(0.0, noise_variance * u, (p2**2 + real_share * p2 * u) * quality)


def corollary_4(
    phi: Real, real_share: Real, quality: Real, noise_variance: Real, signal: Real = 1.0
) -> Parts:
    r"""Corollary 4: fewer rows than inputs, $\phi > 1$, isotropic, $\lambda \to 0$; $\zeta$ corrected.

    $$ B = r^2 \Big( 1 - \frac1\phi \Big), \qquad V = \frac{\sigma^2}{\phi - 1}, \qquad
       \zeta = \frac{p_2 c^2}{\phi^2} \Big[ \frac{p_2 (\phi - p_2)}{\phi - 1} + \frac{(\phi - p_2)^2}{\phi
       - 1} \Big]
             = \frac{p_2 c^2}{\phi} \cdot \frac{\phi - p_2}{\phi - 1} . $$

    Misprint: the paper lacks the denominator of the second term. With it the collapse decays as $p_2 c^2 /
    \phi$ for large
    $\phi$, instead of tending to $p_2 c^2$.

    Examples
    --------
    >>> round(corollary_4(phi=4.0, real_share=0.5, quality=0.6, noise_variance=0.1).collapse, 12)
    0.0875
    """
    if not phi > 1:
        raise InvalidSetting("phi", phi, "a number > 1; corollary_1 is for phi < 1")
    p2 = 1.0 - real_share
    collapse = p2 * quality / phi * (phi - p2) / (phi - 1.0)
    return Parts(signal * (1.0 - 1.0 / phi), noise_variance / (phi - 1.0), collapse)
