"""Theory of verified labels against real logistic regression, z scores printed (pytest -s)."""

from typing import Any

import numpy as np
import pytest

from freeridge.solvers.agreement import validate
from freeridge.theory.pruning.verification.label_errors import LinearErrors, RandomErrors
from freeridge.theory.pruning.verification.retrained_logistic import RetrainedLogistic
from freeridge.theory.pruning.verification.verified_logistic import VerifiedLogistic

D, S = 300, 1.5
# Below, near and above the breakdown point; more and fewer rows than inputs; large and small ridges; oracle,
# good and bad verifiers, with shared mistakes, opposed ones and none; few and many real rows.
SETTINGS: dict[str, Any] = {
    "no verifier": VerifiedLogistic(D, 900, S, 0.05, RandomErrors(0.3)),
    "no errors, n < d": VerifiedLogistic(D, 150, S, 0.01, RandomErrors(0.0)),
    "oracle": VerifiedLogistic(D, 600, S, 0.02, RandomErrors(0.8, 1.0, 0.0)),
    "below breakdown": VerifiedLogistic(D, 1200, S, 0.1, RandomErrors(0.6, 0.9, 0.3)),
    "at breakdown": VerifiedLogistic(D, 600, S, 0.1, RandomErrors(0.75, 0.9, 0.3)),
    "above breakdown": VerifiedLogistic(D, 1200, S, 0.1, RandomErrors(0.9, 0.9, 0.3)),
    "bad verifier, n < d": VerifiedLogistic(D, 200, 2.0, 1.0, RandomErrors(0.4, 0.3, 0.9)),
    "linear oracle": VerifiedLogistic(D, 900, S, 0.02, LinearErrors(1.0, 0.0)),
    "linear, unverified": VerifiedLogistic(D, 600, S, 0.05, LinearErrors(0.8, None)),
    "linear, n < d": VerifiedLogistic(D, 150, S, 0.1, LinearErrors(0.9, 0.4)),
    "linear, shared": VerifiedLogistic(D, 900, S, 0.01, LinearErrors(1.0, 0.7, 0.8)),
    "linear, opposed": VerifiedLogistic(D, 600, 1.0, 0.3, LinearErrors(0.7, 1.2, -0.6)),
    "retrained": RetrainedLogistic(D, 450, 1500, S, 0.05, 0.2, np.pi / 12),
    "retrained, few real rows": RetrainedLogistic(D, 150, 600, S, 0.2, 1.0, 0.0),
}


# These compile nothing that another fast test does not.
FAST = ("no verifier", "no errors, n < d", "at breakdown")


def compare(name: str, replicates: int) -> None:
    agreement = validate(SETTINGS[name], replicates, (17, list(SETTINGS).index(name)))
    assert agreement.ok and set(agreement.theory) == set(SETTINGS[name].predict().quantities)
    # A share of exactly 0 or 1 does not vary: no score.
    found = {key: float(score) for key, score in agreement.scores.items() if not np.isnan(score)}
    print(f"{name:26s}" + "  ".join(f"{key} {score:+.2f}" for key, score in found.items()))
    assert max(map(abs, found.values())) < 3.0


@pytest.mark.parametrize("name", FAST)
def test_theory_is_what_is_measured(name: str) -> None:
    compare(name, 12)


@pytest.mark.slow
@pytest.mark.parametrize("name", SETTINGS)
def test_theory_is_what_many_replicates_measure(name: str) -> None:
    compare(name, 60)


def test_simulation_is_reproducible_and_counts_whole_rows() -> None:
    setting = VerifiedLogistic(40, 60, S, 0.1, LinearErrors(0.8, 0.2))
    one, other = setting.simulate(5, 3), setting.simulate(5, 3)
    assert one.mean == other.mean and one.sizes == {"n": 60, "d": 40}
    assert setting.simulate(6, 3).mean != one.mean
