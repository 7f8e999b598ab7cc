"""Limits known in closed form, or as the root of one polynomial or monotone function, by NumPy and SciPy
alone.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy.optimize import brentq


def root(function: Callable[[float], float], low: float, high: float) -> float:
    """To the last digits."""
    return float(brentq(function, low, high, xtol=1e-300, rtol=4 * np.finfo(float).eps, maxiter=1000))


def marchenko_pastur(phi: float, ridge: Any) -> tuple[Any, Any]:
    """Normalised traces of the inverse of X'X + ridge and of its square, for entries of variance 1/n and
    phi = d/n; the ridge is minus a spectral parameter off the spectrum.
    """
    slope = ridge + 1.0 - phi
    # The root that is 1/ridge at infinity; of the two forms the one without cancellation.
    distance = np.sqrt(ridge + (1 - phi**0.5) ** 2 + 0j) * np.sqrt(ridge + (1 + phi**0.5) ** 2 + 0j)
    above = abs(slope + distance) > abs(slope - distance)
    trace = 2.0 / (slope + distance) if above else (distance - slope) / (2.0 * phi * ridge)
    square = trace * (1.0 + phi * trace) / distance
    return (trace, square) if isinstance(ridge, complex) else (trace.real, square.real)


def resolvent(phi: float, eigenvalues: Any, ridge: float) -> tuple[float, float]:
    """Normalised traces of Q and of Sigma Q for Q the inverse of X'X + ridge and rows of covariance Sigma."""
    values = np.asarray(eigenvalues)
    low, high = 1e-14, ridge + phi * float(np.mean(values)) + 1e-12
    kappa = root(lambda k: k - ridge - phi * k * float(np.mean(values / (values + k))), low, high)
    return kappa / ridge * float(np.mean(1 / (values + kappa))), kappa / ridge * float(
        np.mean(values / (values + kappa))
    )


def fuss_catalan(factors: int, ridge: float) -> float:
    """The normalised trace of the inverse of P'P + ridge for P a product of square Gaussians."""
    coefficients = np.zeros(factors + 2)
    coefficients[0], coefficients[-2], coefficients[-1] = 1 / ridge, 1.0, -1.0
    roots = np.roots(coefficients)
    (positive,) = roots[(abs(roots.imag) < 1e-12) & (roots.real > 0)].real
    return float(positive / ridge)


def wishart_sum(variances: Sequence[float], aspects: Sequence[float], ridge: float) -> float:
    """The normalised trace of the inverse of a sum of Wisharts plus ridge: by their R-transforms."""

    def equation(m: float) -> float:
        terms = (a / (1 + a * phi * m) for a, phi in zip(variances, aspects, strict=True))
        return m * (ridge + sum(terms)) - 1.0

    return root(equation, 0.0, 1 / ridge)


def wigner(eigenvalues: Sequence[float], variance: float, z: complex) -> complex:
    """The normalised trace of the inverse of H + A - z, H a Wigner matrix of semicircle variance: the root of
    Pastur's equation, cleared of fractions, in the upper half-plane.
    """
    values, counts = np.unique(eigenvalues, return_counts=True)
    # With u = z + variance m: m = mean of 1 / (a - u).
    factors = [np.poly1d([-1.0, a]) for a in values]
    every = np.poly1d([1.0])
    for factor in factors:
        every = every * factor
    parts = np.poly1d([0.0])
    for factor, count in zip(factors, counts / len(eigenvalues), strict=True):
        parts = parts + count * (every / factor)[0]
    roots = (np.poly1d([1.0, -z]) * every - variance * parts).roots
    traces = (roots - z) / variance
    (trace,) = traces[traces.imag > 1e-9]
    return complex(trace)


def two_layers(phi: float, gamma: float, kappa: float, ridge: float) -> float:
    """The normalised trace of M Q through projections S1 and S2, by S-transforms; all isotropic, gamma = m/d,
    kappa = k/m.
    """

    def equation(eta: float) -> float:
        left = (1 - eta / gamma) * (1 - eta) * (kappa - eta / gamma) * (1 - phi * eta)
        return left - ridge * eta / gamma

    return root(equation, 0.0, min(1.0, gamma, gamma * kappa, 1 / phi))


def separable(phi: float, rows: Any, columns: Any, ridge: float) -> tuple[float, float]:
    """Normalised traces of the inverses of X'X + ridge and XX' + ridge for rows and columns with covariances
    of these eigenvalues.
    """
    rows, columns = np.asarray(rows), np.asarray(columns)

    def seen(a: float) -> float:
        return phi * float(np.mean(columns / (ridge + a * columns)))

    a = root(lambda a: a - float(np.mean(rows / (1 + rows * seen(a)))), 1e-12, float(np.mean(rows)) + 1.0)
    inverse = float(np.mean(1 / (ridge + a * columns)))
    return inverse, float(np.mean(1 / (ridge * (1 + rows * seen(a)))))


def noisy_signal(eigenvalues: Any, variance: float, ridge: float) -> float:
    """The normalised trace of the inverse of (A + Z)'(A + Z) + ridge, all square: Dozier and Silverstein."""
    squares = np.asarray(eigenvalues) ** 2

    def equation(m: float) -> float:
        t = 1 + variance * m
        return m - float(np.mean(1 / (squares / t + ridge * t)))

    return root(equation, 0.0, 1 / ridge)


def inside_inverse(phi: float, psi: float, inner: float, ridge: float) -> float:
    """The normalised trace of the inverse of X'X + (Y'Y + inner)^-1 + ridge, isotropic."""

    def equation(m: float) -> float:
        c = ridge + 1 / (1 + phi * m)
        return m - (1 - marchenko_pastur(psi, inner + 1 / c)[0] / c) / c

    return root(equation, 0.0, 1 / ridge)


def spiked(m: Any, strength: float, norm: float, overlap: float) -> Any:
    """The quadratic form of v in the inverse of X'X + strength w w' - z, from m without the spike; w has norm
    1, v a squared norm and an overlap with w.
    """
    return m * norm - strength * (m * overlap) ** 2 / (1 + strength * m)


def mixture_traces(
    covariances: Sequence[np.ndarray],
    weight: np.ndarray,
    shares: Sequence[float],
    phi: float,
    gamma: float | None,
    ridge: float,
) -> dict[str, float]:
    """Six traces of ridge on two populations, plain (gamma None) or through random projections: the fixed
    point by iteration, and Q Sigma_1 Q as minus the derivative of Q when t Sigma_1 is added to the sample
    covariance, by an imaginary t too small to be seen in the real part.
    """
    step = 1e-30
    size = len(weight)
    e, tau = np.ones(2, complex), 1.0 + 0j

    def mean(matrix: np.ndarray) -> complex:
        return complex(np.trace(matrix)) / size

    for _ in range(20_000):
        A = (
            sum(p * x * S for p, x, S in zip(shares, e, covariances, strict=True))
            + 1j * step * covariances[0]
        )
        scale = 1.0 if gamma is None else gamma * tau
        Q = scale * np.linalg.inv(scale * A + ridge * np.eye(size))
        before = np.array([*e, tau])
        e = 1 / (1 + phi * np.array([mean(S @ Q) for S in covariances]))
        tau = 1 / (1 + mean(A @ Q) / scale)
        after = np.array([*e, tau])
        change = after - before
        if np.all(abs(change.real) <= 1e-16 * abs(after)) and np.all(abs(change.imag) <= 1e-16 * step):
            break
    one = [p * x * S for p, x, S in zip(shares, e, covariances, strict=True)]
    alone = shares[0] * (1 - e[0]) * covariances[0]
    across, within = mean(one[1] @ Q @ one[0] @ weight), mean((one[0] @ Q @ one[0] + alone) @ weight)
    return {
        "first": mean(Q @ one[0] @ weight).real,
        "second": across.real,
        "same": within.real,
        "response": -mean(one[0] @ Q).imag / step,
        "across": -across.imag / step,
        "within": -within.imag / step,
    }
