"""Theory of spurious features against simulation; the whole suite takes minutes."""

import numpy as np
import pytest

from freeridge.solvers.errors import InvalidSetting
from freeridge.theory.memorization.spurious_law import TRAININGS
from freeridge.theory.memorization.spurious_suite import QUICK, SHOWN, run_spurious_suite, spurious_cases


def test_the_cases_are_what_the_suite_promises() -> None:
    settings = [case.build(1000) for case in spurious_cases().values()]
    assert len(settings) >= 32 and min(setting.n for setting in settings) >= 1000
    assert {setting.training for setting in settings} == set(TRAININGS)

    def ends(name: str) -> tuple[float, float]:
        numbers = [float(getattr(setting, name)) for setting in settings]
        return min(numbers), max(numbers)

    assert ends("phi") == (0.05, 4.0) and ends("penalty") == (0.0, 1.0) and ends("noise") == (0.2, 2.0)
    assert ends("majority") == (0.5, 0.99) and ends("spurious_scale") == (0.0, 10.0)
    assert ends("feature_std") == (0.05, 1.0)
    assert {1e-6, 0.0} <= {float(setting.penalty) for setting in settings}


def test_simulation_agrees() -> None:
    found = run_spurious_suite(3, "quick")
    assert found.agrees, found.table()
    assert set(found.agreements) == set(QUICK)
    with pytest.raises(InvalidSetting, match="size"):
        run_spurious_suite(0, "huge")


@pytest.mark.slow
@pytest.mark.parametrize("key", [0, 1])
def test_the_whole_suite_agrees(key: int) -> None:
    found = run_spurious_suite(key)
    print(found)
    assert found.agrees, found.table()
    z = np.concatenate([np.ravel(found.scores(name)[case]) for name in SHOWN for case in found.agreements])
    assert np.mean(np.abs(z[~np.isnan(z)]) > 3.0) < 0.02
