"""The best ridge: against a search of SciPy's, against its own neighbours, at kinks and at ends."""

import dataclasses
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize_scalar

import freeridge as fr
from freeridge.theory.bias_goals import GOALS

D = 40
LANES = 64


@cache
def setting_of(features: int | None) -> fr.BiasAmplification:
    truth = fr.RandomVector(fr.Isotropic(D, 1 / D))
    other = truth + fr.RandomVector(fr.PowerLaw(D, 0.5, trace=0.5))
    groups = [
        fr.Population(fr.PowerLaw(D, 1.0, trace=D), truth, 0.2, 0.7),
        fr.Population(fr.PowerLaw(D, 0.5, trace=D), other, 0.5, 0.3),
    ]
    return fr.BiasAmplification(groups, 60, 0.0, features)


@cache
def compiled(features: int | None) -> Any:
    setting = setting_of(features)

    def at(ridge: Any) -> fr.Prediction:
        return fr.BiasAmplification(setting.groups, setting.n, ridge, setting.features).predict()

    return jax.jit(jax.vmap(at))


def value_at(goal: str, logs: Any, features: int | None) -> Any:
    """The goal at logarithms of ridges."""
    found = compiled(features)(jnp.asarray(np.resize(np.exp(logs), LANES)))
    return np.asarray(jax.vmap(lambda p: GOALS[goal](p, jnp.array([0.7, 0.3])))(found))[: np.size(logs)]


def check(goal: str, features: int | None) -> None:
    ridge, best = setting_of(features).optimal_ridge(goal)
    assert best.ok
    smallest = float(GOALS[goal](best, jnp.array([0.7, 0.3])))
    logs = np.linspace(np.log(1e-7), np.log(1e3), LANES)
    if goal == "add":
        assert float(best.add) == pytest.approx(1.0, abs=1e-10) and 0 < ridge < 1.0
    else:
        coarse = value_at(goal, logs, features)
        k = int(np.argmin(coarse))
        search = minimize_scalar(
            lambda log: float(value_at(goal, log, features)[0]),
            bounds=(logs[k - 1], logs[k + 1]),
            method="bounded",
            options={"xatol": 1e-9},
        )
        assert np.log(ridge) == pytest.approx(search.x, abs=1e-6)  # half the digits: a parabola is flat
        assert smallest <= search.fun * (1 + 1e-14)
    around = value_at(goal, np.log(ridge) + np.array([-1e-4, 1e-4]), features)
    assert np.all(around > smallest)


@pytest.mark.slow
def test_worst_group_of_plain_ridge() -> None:
    check("worst_group_risk", None)


@pytest.mark.slow
@pytest.mark.parametrize("features", [None, 50])
@pytest.mark.parametrize("goal", list(GOALS))
def test_every_goal(goal: str, features: int | None) -> None:
    check(goal, features)


def test_two_groups_meet_at_a_kink() -> None:
    # One risk falls with the ridge, the other rises: the worst of both is smallest where they are equal.
    truth = fr.RandomVector(fr.Isotropic(D, 1 / D))
    groups = [
        fr.Population(fr.Isotropic(D), truth, 0.1, 0.8),
        fr.Population(fr.Isotropic(D), 0.0 * truth, 0.1, 0.2),
    ]
    setting = fr.BiasAmplification(groups, 400, 0.0)
    ridge, best = setting.optimal_ridge()
    assert ridge > 0.1 and float(best.odd) < 1e-12 < 1e-3 < float(best.edd)
    np.testing.assert_allclose(best.group_risks, best.worst_group_risk, rtol=1e-11)


@pytest.mark.slow
def test_ridge_zero_and_bounds_are_candidates() -> None:
    truth = fr.RandomVector(fr.Isotropic(D, 1 / D))
    groups = [fr.Population(fr.Isotropic(D, scale), truth, 0.0, 0.5) for scale in (1.0, 2.0)]
    setting = fr.BiasAmplification(groups, 60, 0.0)
    assert setting.optimal_ridge()[0] == 0.0  # nothing to average out
    ridge, best = setting.optimal_ridge(between=(0.1, 3.0))
    assert ridge == pytest.approx(0.1, rel=1e-14)
    assert setting.optimal_ridge(lambda p: -p.worst_group_risk, (0.1, 3.0))[0] == pytest.approx(3.0)


@pytest.mark.slow
def test_best_time_is_that_of_the_path() -> None:
    setting = setting_of(None)
    time, best = setting.optimal_time()
    times = time * np.exp(np.linspace(-0.5, 0.5, 21))
    path = fr.BiasAmplification(setting.groups, 60, 0.0, time=times).predict().worst_group_risk
    assert best.ok and int(np.argmin(path)) == 10
    assert float(best.worst_group_risk) == pytest.approx(float(path[10]), rel=1e-9)


@pytest.mark.parametrize(
    ("fields", "arguments", "name"),
    [
        ({}, {"goal": "fairness"}, "goal"),
        ({}, {"between": (1.0, 0.5)}, "between"),
        ({}, {"between": (-1.0, 0.5)}, "between"),
        ({}, {"between": (0.0, np.inf)}, "between"),
        ({"time": [1.0, 2.0]}, {}, "time"),
    ],
)
def test_refused(fields: Any, arguments: Any, name: str) -> None:
    setting = setting_of(None)
    with pytest.raises(fr.InvalidSetting) as caught:
        fr.BiasAmplification(setting.groups, 60, 0.0, **fields).optimal_ridge(**arguments)
    assert caught.value.field == name


def test_time_is_refused_where_it_has_no_derivative() -> None:
    setting = setting_of(None)
    cases: Any = (({"ridge": [0.1, 0.2]}, "ridge"), ({"time": 1.0, "step_size": 0.1}, "step_size"))
    for fields, name in cases:
        with pytest.raises(fr.InvalidSetting) as caught:
            dataclasses.replace(setting, **fields).optimal_time()
        assert caught.value.field == name
