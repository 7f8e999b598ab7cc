"""Settings at ratios: the same numbers as with the sizes written out."""

import numpy as np
import pytest

import freeridge as fr

D = 40
TRUTH = fr.RandomVector(fr.Isotropic(D, 1 / D))
GROUPS = [
    fr.Population(fr.PowerLaw(D, 1.0), TRUTH, 0.1, 0.75),
    fr.Population(fr.Isotropic(D), 0.5 * TRUTH, 0.4, 0.25),
]


@pytest.mark.slow
def test_sweeps_are_those_of_the_sizes() -> None:
    collapse = fr.ModelCollapse(fr.PowerLaw(D, 0.5), 1, 0.5, 0.2, 0.3, 0.1, features=7)
    phi, psi, ridge = [0.25, 2.0], [0.5, 3.0], [0.0, 0.1]
    grid = fr.sweep(fr.AtRatios(collapse, 1, 1), {"phi": phi, "psi": psi, "setting.ridge": ridge})
    wanted = fr.sweep(collapse, {"n": [160.0, 20.0], "features": [10.0, 60.0, 80.0, 480.0], "ridge": ridge})
    for i, n in enumerate((160.0, 20.0)):
        for j in range(2):
            features = psi[j] * n
            np.testing.assert_allclose(
                grid.risk.values[i, j], wanted.risk.sel(n=n, features=features), rtol=1e-11
            )


def test_features_stay_without_psi() -> None:
    setting = fr.BiasAmplification(GROUPS, n=1, ridge=0.1, features=24)
    assert setting.d == fr.AtRatios(setting, 0.5).d == D
    assert float(fr.AtRatios(setting, 0.5).resolved().n) == 80.0
    assert float(fr.AtRatios(setting, 0.5).resolved().features) == 24.0
    assert float(fr.AtRatios(setting, 0.5, 0.1).resolved().features) == 8.0


def test_simulation_has_the_sizes_and_rounds_none() -> None:
    setting = fr.AtRatios(fr.BiasAmplification(GROUPS, n=1, ridge=0.1), 0.5, 0.75)
    estimate = setting.simulate(1, 4)
    assert estimate.sizes == {"n": 80, "d": D, "features": 60}
    np.testing.assert_array_equal(estimate.add, setting.resolved().simulate(1, 4).add)
    for phi, psi in ((0.3, 1.0), (0.5, 0.333)):
        with pytest.raises(fr.InvalidSetting, match="whole number"):
            fr.AtRatios(setting.setting, phi, psi).simulate(1, 2)


def test_refused_at_the_door() -> None:
    setting = fr.BiasAmplification(GROUPS, n=1, ridge=0.1)
    for name, arguments in {
        "phi": (setting, 0.0),
        "psi": (setting, 1.0, -1.0),
        "setting": (GROUPS[0], 1.0),
    }.items():
        with pytest.raises(fr.InvalidSetting) as caught:
            fr.AtRatios(*arguments)
        assert caught.value.field == name
