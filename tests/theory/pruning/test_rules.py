"""Rules: their moments against brute force, breaks that are found, and bad input."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, special

import freeridge as fr
from freeridge.solvers.results import Code
from freeridge.theory.pruning.moments import Moments, moments_by_quadrature
from freeridge.theory.pruning.pruned_suite import RULES
from freeridge.theory.pruning.rules import chances_of


def brute(rule: fr.KeepRule, rho: float, flips: float) -> np.ndarray:
    """Moments in both coordinates, the inner integral in closed form for neither."""
    rest = np.sqrt(1.0 - rho**2)
    outer, outer_weights = np.polynomial.legendre.leggauss(10)
    inner, inner_weights = np.polynomial.legendre.leggauss(50)
    breaks = np.clip(np.asarray(rule.breaks()), -9, 9)
    edges = np.unique(np.concatenate([np.linspace(-9, 9, 61), breaks]))
    total = np.zeros(6)
    for low, high in zip(edges[:-1], edges[1:], strict=True):
        t = 0.5 * (low + high) + 0.5 * (high - low) * outer
        line = 0.5 * (high - low) * outer_weights * np.exp(-0.5 * t**2) / np.sqrt(2 * np.pi)
        border = np.clip(-rho / rest * t, -9, 9)
        for sign, start, stop in ((-1.0, -9.0 + 0 * t, border), (1.0, border, 9.0 + 0 * t)):
            a = 0.5 * (start + stop)[:, None] + 0.5 * (stop - start)[:, None] * inner
            mass = line[:, None] * 0.5 * (stop - start)[:, None] * inner_weights
            mass = mass * np.exp(-0.5 * a**2) / np.sqrt(2 * np.pi)
            for label, share in ((sign, 1.0 - flips), (-sign, flips)):
                kept = share * chances_of(rule, t, np.full(len(t), label))
                m = mass * kept[:, None]
                s = t[:, None]
                parts = (m, m * s * s, m * s * a, m * a * a, label * m * s, label * m * a)
                total += [float(part.sum()) for part in parts]
    return total


@eqx.filter_jit
def moments(rule: fr.KeepRule, rho: jax.Array, flips: jax.Array) -> Moments:
    return rule.moments(rho, flips)


@eqx.filter_jit
def quadrature(rule: fr.KeepRule, rho: jax.Array, flips: jax.Array) -> Moments:
    return moments_by_quadrature(rule.chance, rule.breaks(), rho, flips)


def six(found: Moments) -> np.ndarray:
    second = np.asarray(found.second)
    return np.array([found.share, second[0, 0], second[0, 1], second[1, 1], *np.asarray(found.labelled)])


@pytest.mark.parametrize("name", RULES)
def test_moments_of_every_rule(name: str) -> None:
    for rho, flips in ((0.6, 0.0), (-0.3, 0.2)):
        rule = RULES[name]()
        found = moments(rule, jnp.asarray(rho), jnp.asarray(flips))
        np.testing.assert_allclose(six(found), brute(rule, rho, flips), rtol=0, atol=1e-12)
        assert float(found.error) < 1e-12


@pytest.mark.parametrize("name", ["hard", "easy", "bands", "random"])
@pytest.mark.parametrize("rho", [-1.0, -0.9999, 0.0, 0.7, 0.999999, 1.0])
def test_closed_forms_are_the_quadrature(name: str, rho: float) -> None:
    rule, flips = RULES[name](), jnp.asarray(0.1)
    closed = moments(rule, jnp.asarray(rho), flips)
    summed = quadrature(rule, jnp.asarray(rho), flips)
    np.testing.assert_allclose(six(closed), six(summed), rtol=0, atol=1e-13)


def test_keeping_correct_rows_is_a_wedge() -> None:
    for rho in (-0.5, 0.0, 0.8):
        found = fr.KeepCorrect().moments(jnp.asarray(rho), jnp.zeros(()))
        assert float(found.share) == pytest.approx(1.0 - np.arccos(rho) / np.pi, rel=1e-13)
    # Of rows with a flipped label it keeps those that oracle and generator disagree on.
    noisy = fr.KeepCorrect().moments(jnp.asarray(0.8), jnp.asarray(1.0))
    assert float(noisy.share) == pytest.approx(np.arccos(0.8) / np.pi, rel=1e-13)


# A user's own rule, and its share with independent labels by other means.
OWN: dict[str, tuple[Callable[[Any, Any], Any], float]] = {
    "jump": (lambda t, y: abs(t) < 0.12345678901234, 2 * special.ndtr(0.12345678901234) - 1),
    "jumps by label": (lambda t, y: t * y > 1.7, special.ndtr(-1.7)),
    "kink": (
        lambda t, y: jnp.clip(1.0 - abs(t - 0.3), 0.0, 1.0),
        integrate.quad(
            lambda t: max(1 - abs(t - 0.3), 0) * np.exp(-t * t / 2) / np.sqrt(2 * np.pi),
            -0.7, 1.3, points=[0.3], epsabs=1e-14,
        )[0],
    ),
    "many jumps": (
        lambda t, y: jnp.floor(5.1 * t) % 2 == 0,
        sum(special.ndtr((2 * k + 1) / 5.1) - special.ndtr(2 * k / 5.1) for k in range(-30, 30)),
    ),
    "narrow": (lambda t, y: jnp.exp(-0.5 * (t / 0.05) ** 2), 1 / np.sqrt(1 + 400)),
    "constant": (lambda t, y: 0.3, 0.3),
}  # fmt: skip


@pytest.mark.parametrize("name", OWN)
def test_a_users_own_rule_to_ten_digits(name: str) -> None:
    function, share = OWN[name]
    setting = fr.PrunedClassifier(0.3, 0.1, 0.0, 0.0, keep=function)
    found = setting.predict()
    assert int(found.code) == Code.OK and float(found.residual) < 1e-10
    assert float(found.share) == pytest.approx(share, abs=1e-10)


def test_breaks_that_nobody_lists_are_noticed() -> None:
    class Unlisted(fr.KeepRule):
        def chance(self, score: Any, label: Any) -> Any:
            return jnp.where(abs(score) < 0.7071, 1.0, 0.0)

        def breaks(self) -> Any:
            return jnp.zeros(0)

    found = fr.PrunedClassifier(0.3, 0.1, keep=Unlisted()).predict()
    assert int(found.code) == Code.NOT_CERTIFIED and np.isnan(found.error)
    assert "breaks()" in found.message


BAD: dict[str, tuple[Callable[[], Any], str]] = {
    "no rule": (lambda: fr.PrunedClassifier(0.3, 0.1, keep="hard"), "keep = 'hard'"),
    "keeps nothing": (lambda: fr.PrunedClassifier(0.3, 0.1, keep=fr.KeepRandom(0)), "keeps rows"),
    "never keeps": (lambda: fr.PrunedClassifier(0.3, 0.1, keep=lambda t, y: t > 99), "keeps rows"),
    "NaN": (lambda: fr.PrunedClassifier(0.3, 0.1, keep=lambda t, y: 0 * t / 0), "keep = nan"),
    "a weight": (lambda: fr.PrunedClassifier(1, 0.1, keep=lambda t, y: jnp.exp(t**2)), "keep = "),
    "negative": (lambda: fr.PrunedClassifier(1, 0.1, keep=lambda t, y: 0.5 - y), r"label \+1"),
    "not a function of arrays": (
        lambda: fr.PrunedClassifier(0.3, 0.1, keep=lambda t, y: 1.0 if t > 0 else 0.0), "arrays of scores"
    ),
    "one argument": (lambda: fr.PrunedClassifier(0.3, 0.1, keep=lambda t: t > 0), "arrays of scores"),
    "wrong shape": (lambda: fr.PrunedClassifier(0.3, 0.1, keep=lambda t, y: t[:2] > 0), "one chance"),
    "fraction 0": (lambda: fr.KeepHard(0.0), "fraction = 0.0"),
    "fraction 2": (lambda: fr.KeepRandom(2), "fraction = 2"),
    "both": (lambda: fr.KeepHard(0.3, threshold=1.0), "either a fraction"),
    "neither": (lambda: fr.KeepEasy(), "either a fraction"),
    "negative threshold": (lambda: fr.KeepEasy(threshold=-1.0), "threshold = -1.0"),
    "edges": (lambda: fr.KeepTable([1.0, 0.0], [1, 1, 1]), "increasing"),
    "chances": (lambda: fr.KeepTable([0.0], [0.5, 1.5]), r"chances in \[0, 1\]"),
    "number of chances": (lambda: fr.KeepTable([0.0], [0.5]), "2 chances"),
    "focus": (lambda: fr.KeepSoft(-1.0), "focus = -1.0"),
    "scale": (lambda: fr.KeepSoft(1.0, scale=0.0), "scale = 0.0"),
    "weights": (lambda: fr.KeepMixture([fr.KeepHard(0.3), 1.0], [0.5, 0.4]), "sum of one"),
    "number of weights": (lambda: fr.KeepMixture([fr.KeepHard(0.3)], [0.5, 0.5]), "each of 1 rules"),
    "one rule": (lambda: fr.KeepMixture(fr.KeepHard(0.3), [1.0]), "a list of rules"),
    "no rule inside": (lambda: fr.KeepCorrect("hard"), "fraction = 'hard'"),
    "phi": (lambda: fr.PrunedClassifier(0.0, 0.1), "phi = 0.0"),
    "ridge": (lambda: fr.PrunedClassifier(0.3, -0.1), "ridge = -0.1"),
    "rho": (lambda: fr.PrunedClassifier(0.3, 0.1, rho=1.1), "rho = 1.1"),
    "rho_star": (lambda: fr.PrunedClassifier(0.3, 0.1, rho_star=-2), "rho_star = -2.0"),
    "no Gram matrix": (
        lambda: fr.PrunedClassifier(0.3, 0.1, 0.9, 0.9, 0.1), r"rho_oracle\^2 >= 0, from 0.62 to 1"
    ),
    "label noise": (lambda: fr.PrunedClassifier(0.3, 0.1, label_noise=1.5), "label_noise = 1.5"),
    "d": (lambda: fr.PrunedClassifier(0.3, 0.1, d=2), "3 dimensions"),
    "d beside a covariance": (lambda: fr.PrunedClassifier(1, 0.1, covariance=fr.Isotropic(9), d=9), "d = 9"),
    "no covariance": (lambda: fr.PrunedClassifier(0.3, 0.1, directions=np.eye(3)), "a covariance beside"),
    "directions and rho": (
        lambda: fr.PrunedClassifier(1, 0.1, 0.5, covariance=fr.Isotropic(3), directions=np.eye(3)), "both"
    ),
    "two directions": (
        lambda: fr.PrunedClassifier(1, 0.1, covariance=fr.Isotropic(3), directions=np.eye(2, 3)), "three"
    ),
    "a direction without variance": (
        lambda: fr.PrunedClassifier(
            0.3, 0.1, covariance=fr.Eigenvalues([1.0, 1.0, 0.0]), directions=np.eye(3)
        ), "annihilate"
    ),
    "float32": (lambda: fr.PrunedClassifier(np.float32(0.3), 0.1), "float64"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused(name: str) -> None:
    make, message = BAD[name]
    with pytest.raises(fr.InvalidSetting, match=message):
        make()


def test_nothing_kept_in_a_simulation_is_said() -> None:
    setting = fr.PrunedClassifier(5.0, 0.1, keep=fr.KeepEasy(1e-6), d=20)
    with pytest.raises(fr.InvalidSetting, match="none of 4 was kept"):
        setting.simulate(0, 2)
