"""Numbers behind docs/errata.md: each printed formula of Strong Model Collapse beside the corrected one
and a seeded simulation.

``python -m tests.theory.errata_cases`` prints the tables of the page (a few minutes); the tests run the
same cases smaller.
"""

from typing import Any, NamedTuple

import numpy as np

import freeridge as fr
from freeridge.solvers.replicates import Replicates, run_replicates
from freeridge.theory import collapse_formulas as closed
from freeridge.theory import collapse_mixing_formulas as mixing


class Case(NamedTuple):
    """One formula at one set of parameters."""

    name: str
    printed: float
    corrected: float
    solver: float
    simulated: float
    error: float

    @property
    def printed_off(self) -> float:
        """Distance of the printed value from the simulation, in standard errors."""
        return abs(self.printed - self.simulated) / self.error

    @property
    def corrected_off(self) -> float:
        """The same for the corrected value."""
        return abs(self.corrected - self.simulated) / self.error


def corollary_4(d: int, replicates: int, key: int) -> list[Case]:
    """Zeta without ridge at phi = 4, and at phi = 2, where misprint and correction meet."""
    cases = []
    for phi in (2, 4, 10):
        p2, quality = 0.5, 0.6
        printed = p2 * quality / phi**2 * (p2 * (phi - p2) / (phi - 1) + (phi - p2) ** 2)
        setting = fr.ModelCollapse(fr.Isotropic(d), d // phi, 1 - p2, quality, 0.1, ridge=0.0)
        corrected = closed.corollary_4(phi, 1 - p2, quality, 0.1).collapse
        cases.append(_case(f"phi = {phi}", "collapse", setting, printed, corrected, replicates, key))
    return cases


def theorem_2(d: int, replicates: int, key: int) -> list[Case]:
    """V without its factor 1/n, zeta with p_2 omega', and B with the printed omega' of Lemma 1, at three
    widths."""
    eigenvalues = np.asarray(fr.PowerLaw(d, 1.0, trace=4 * d).coordinates())
    n, p2, quality, noise, ridge = 2 * d // 3, 0.5, 0.5, 0.25, 0.2
    signal, shift = np.full(d, 1 / d), quality / d / eigenvalues
    cases = []
    for features in (d // 3, 2 * d // 3, 4 * d // 3):
        s = closed.scalars(eigenvalues, n, ridge, features)
        right = closed.theorem_2(eigenvalues, n, features, 1 - p2, ridge, noise, signal, shift)
        t = eigenvalues + s.theta
        i12, i22 = np.mean(eigenvalues / t**2), np.mean((eigenvalues / t) ** 2)
        bulk = np.sum((eigenvalues / t) ** 2) + (s.omega - s.theta * s.u) * np.sum(eigenvalues / t**2)
        variance = noise / s.sample_slack * bulk
        collapse = right.collapse + (p2 - p2**2) * s.omega * np.sum(shift * (eigenvalues / t) ** 2)
        bias = right.bias + s.omega * (i22 / i12 - 1.0) * np.sum(signal * (eigenvalues / t) ** 2)
        setting = fr.ModelCollapse(
            fr.PowerLaw(d, 1.0, trace=4 * d), n, 1 - p2, quality, noise, ridge, features=features
        )
        estimate, prediction = setting.simulate(key, replicates), setting.predict()
        for name, printed in (("variance", variance), ("collapse", collapse), ("bias", bias)):
            numbers = (printed, getattr(right, name), getattr(prediction, name), getattr(estimate, name))
            label = f"{name}, m/n = {features / n:g}"
            cases.append(_measured(label, numbers, estimate.standard_error[name]))
    return cases


def corollary_2(d: int, replicates: int, key: int) -> list[Case]:
    """Risk of weighted training at phi = 0.05."""
    phi, p1, quality, noise, synthetic = 0.05, 0.5, 0.25, 1.0, 0.1
    cases = []
    for alpha in (0.2, 0.5, 1.0):
        printed = (1 - p1) ** 2 * alpha**2 * quality
        printed += ((1 - alpha) * p1 * noise + alpha * (1 - p1) * synthetic) * phi
        corrected = mixing.mixing_small_aspect(phi, p1, quality, noise, synthetic, alpha)
        setting = fr.ModelCollapse(
            fr.Isotropic(d),
            round(d / phi),
            p1,
            quality,
            noise,
            0.0,
            synthetic_noise_variance=synthetic,
            mixing=alpha,
        )
        cases.append(_case(f"alpha = {alpha:g}", "risk", setting, printed, corrected, replicates, key))
    return cases


def _case(
    label: str,
    name: str,
    setting: fr.ModelCollapse,
    printed: float,
    corrected: float,
    replicates: int,
    key: int,
) -> Case:
    estimate, prediction = setting.simulate(key, replicates), setting.predict()
    numbers = (printed, corrected, getattr(prediction, name), getattr(estimate, name))
    return _measured(label, numbers, estimate.standard_error[name])


def _measured(label: str, numbers: tuple[Any, Any, Any, Any], error: Any) -> Case:
    printed, corrected, solver, simulated = map(float, numbers)
    return Case(label, printed, corrected, solver, simulated, float(error))


# --- the traces of appendices C and D: two different covariances, A = I / d, B = Sigma_1 ---


class _TwoCovariances(NamedTuple):
    d: int
    n: int
    m: int | None
    shares: tuple[float, float]
    ridge: float
    sigma: np.ndarray

    @property
    def phi(self) -> float:
        return self.d / self.n

    @property
    def gamma(self) -> float:
        return 1.0 if self.m is None else self.m / self.d


def _two_covariances(d: int, plain: bool) -> _TwoCovariances:
    first = np.asarray(fr.PowerLaw(d, 0.7, trace=d).coordinates())
    return _TwoCovariances(
        d, 3 * d // 2, None if plain else d // 2, (1 / 3, 2 / 3), 0.1, np.stack([first, first[::-1]])
    )


class _Solved(NamedTuple):
    """e_j, tau and K = gamma tau K_0 + ridge of the paper."""

    e: np.ndarray
    tau: float
    k0: np.ndarray
    k: np.ndarray


def _solve(c: _TwoCovariances) -> _Solved:
    """Damped iteration of the equations as printed; they are not in doubt."""
    e, tau = np.ones(2), 1.0
    shares = np.array(c.shares)
    for _ in range(1000):
        k0 = (shares * e) @ c.sigma
        k = c.gamma * tau * k0 + c.ridge
        target = 1 / (1 + c.phi * c.gamma * tau * np.mean(c.sigma / k, axis=1))
        new_tau = 1.0 if c.m is None else 1 / (1 + np.mean(k0 / k))
        e, tau = 0.5 * (e + target), 0.5 * (tau + new_tau)
    return _Solved(e, tau, k0, k)


def _second_order(c: _TwoCovariances, s: _Solved, source: float, power: float) -> tuple[np.ndarray, float]:
    """u_j and omega for B = Sigma_1; ``source`` multiplies B in L', ``power`` is that of omega in front of
    K_0^2 (0 as printed)."""
    plain = c.m is None
    lead, psi = (1.0, c.phi) if plain else (c.gamma * s.tau**2, c.phi * c.gamma)

    def image(u: np.ndarray, omega: float, inhomogeneous: float) -> np.ndarray:
        spread = (np.array(c.shares) * u) @ c.sigma + inhomogeneous * source * c.sigma[0]
        rows = psi * s.e**2 * np.mean(c.sigma * (lead * spread + omega) / s.k**2, axis=1)
        if plain:
            return np.append(rows, 0.0)
        ahead = omega if power else inhomogeneous
        return np.append(rows, s.tau**2 * np.mean((c.gamma * ahead * s.k0**2 + c.ridge**2 * spread) / s.k**2))

    columns = [image(row[:2], row[2], 0.0) for row in np.eye(3)]
    found = np.linalg.solve(np.eye(3) - np.stack(columns, axis=1), image(np.zeros(2), 0.0, 1.0))
    return found[:2], float(found[2])


def _r2(c: _TwoCovariances, s: _Solved, u: np.ndarray, source: float) -> float:
    """Limit of tr A Q B Q, plain ridge (equation 47)."""
    spread = (np.array(c.shares) * u) @ c.sigma + source * c.sigma[0]
    return float(np.mean(spread / s.k**2))


def _r3_2(c: _TwoCovariances, s: _Solved, u: np.ndarray, omega: float, own: int = 1) -> float:
    """Limit of tr A M_2 Q B Q M_2 (equations 48 and 124); ``own`` = 0 takes the indices that equation 48
    prints."""
    p, e, sigma, b = c.shares, s.e, c.sigma, c.sigma[0]
    lead, inner = (1.0, 1.0) if c.m is None else (c.gamma, c.gamma * s.tau**2)
    factor = lead * p[1] * e[1] ** 2 * (inner * (b + p[0] * u[0] * sigma[0]) + omega) * sigma[own]
    factor += u[own] * (c.gamma * s.tau * p[0] * e[0] * sigma[0] + c.ridge) ** 2
    return float(p[1] * np.mean(sigma[1] * factor / s.k**2))


def _r4_1(c: _TwoCovariances, s: _Solved, u: np.ndarray, omega: float, lead: float) -> float:
    """Limit of tr A M_1 Q B Q, random projections (equations 120 and 121, with ``lead`` in front of e_1
    B)."""
    p, e, sigma = c.shares, s.e, c.sigma
    d_1 = lead * s.tau**2 * e[0] * sigma[0] + e[0] * omega - c.ridge * s.tau * u[0]
    d_1 += c.gamma * s.tau**2 * p[1] * (e[0] * u[1] - e[1] * u[0]) * sigma[1]
    return float(c.gamma * p[0] * np.mean(sigma[0] * d_1 / s.k**2))


def _simulate_traces(c: _TwoCovariances, replicates: int, key: int) -> Replicates:
    counts = [round(p * c.n) for p in c.shares]

    def replicate(rng: np.random.Generator) -> dict[str, Any]:
        rows = [rng.standard_normal((k, c.d)) * np.sqrt(v) for k, v in zip(counts, c.sigma, strict=True)]
        moments = [x.T @ x / c.n for x in rows]
        s = np.eye(c.d) if c.m is None else rng.standard_normal((c.d, c.m)) / np.sqrt(c.d)
        q = s @ np.linalg.solve(s.T @ (moments[0] + moments[1]) @ s + c.ridge * np.eye(s.shape[1]), s.T)
        half = np.sqrt(c.sigma[0])[:, None] * q
        return {
            "r2": np.sum(half**2) / c.d,
            "r3_2": np.sum((half @ moments[1]) ** 2) / c.d,
            "r4_1": np.sum((half @ moments[0]) * half) / c.d,
        }

    return run_replicates(replicate, key, replicates)


def _by_solver(c: _TwoCovariances) -> dict[str, float]:
    """The same three traces from the general solver: they are the bias, the collapse and the variance of
    one setting."""
    first, second = (fr.Eigenvalues(v) for v in c.sigma)
    signal = fr.Isotropic(c.d, 1 / c.d)
    prediction = fr.ModelCollapse(
        first,
        c.n,
        c.shares[0],
        1.0,
        c.n / c.d,
        c.ridge,
        c.m,
        signal,
        signal,
        second,
        synthetic_noise_variance=0.0,
    ).predict()
    return {
        "r2": float(prediction.bias) / c.ridge**2,  # plain ridge only
        "r3_2": float(prediction.collapse),
        "r4_1": float(prediction.variance),
    }


def traces(d: int, replicates: int, key: int) -> list[Case]:
    """Equations 47, 48 (plain ridge), 117, 120, 121 and 124 (random projections)."""
    cases = []

    def add(label: str, name: str, printed: float, corrected: float) -> None:
        cases.append(Case(label, printed, corrected, solver[name], float(mean[name]), float(error[name])))

    c = _two_covariances(d, plain=True)
    (mean, error, _), solver, s = _simulate_traces(c, replicates, key), _by_solver(c), _solve(c)
    u, omega = _second_order(c, s, 1.0, 1.0)
    wrong, _ = _second_order(c, s, c.ridge, 1.0)
    add("eq. 47, tr A Q B Q", "r2", _r2(c, s, wrong, c.ridge), _r2(c, s, u, 1.0))
    add("eq. 48, tr A M_2 Q B Q M_2", "r3_2", _r3_2(c, s, u, omega, own=0), _r3_2(c, s, u, omega))

    c = _two_covariances(d, plain=False)
    (mean, error, _), solver, s = _simulate_traces(c, replicates, key), _by_solver(c), _solve(c)
    u, omega = _second_order(c, s, 1.0, 1.0)
    right = _r3_2(c, s, u, omega)
    add("eq. 117, tr A M_2 Q B Q M_2", "r3_2", _r3_2(c, s, *_second_order(c, s, 1.0, 0.0)), right)
    add("eqs. 120-121, tr A M_1 Q B Q", "r4_1", _r4_1(c, s, u, omega, 1.0), _r4_1(c, s, u, omega, c.gamma))
    add("eq. 124, tr A M_2 Q B Q M_2", "r3_2", c.gamma * right, right)
    return cases


if __name__ == "__main__":
    import jax

    jax.config.update("jax_enable_x64", True)
    print("| case | printed | corrected | solver | simulated | standard error |")
    for cases in (
        corollary_4(1200, 200, 1),
        theorem_2(600, 200, 2),
        corollary_2(400, 200, 3),
        traces(450, 200, 4),
    ):
        for case in cases:
            print(
                "| "
                + " | ".join([case.name, *(f"{value:.5g}" for value in case[1:5]), f"{case.error:.2g}"])
                + " |"
            )
