"""The boundary ADD = 1: roots, not grid lines; no boundary at poles; closed forms."""

from typing import Any

import numpy as np
import pytest

import freeridge as fr
from freeridge.theory.bias_boundary import amplification_boundary

D = 40
TRUTH = fr.RandomVector(fr.Isotropic(D, 1 / D))


def one_shift(ridge: float = 0.0, features: float | None = None) -> fr.BiasAmplification:
    """Isotropic groups without noise in the one, whose labelers differ by a shift."""
    groups = [
        fr.Population(fr.Isotropic(D), TRUTH, 0.0, 0.75),
        fr.Population(fr.Isotropic(D), TRUTH + fr.RandomVector(fr.Isotropic(D, 0.5 / D)), 1.0, 0.25),
    ]
    return fr.BiasAmplification(groups, 1, ridge, features)


def test_closed_form_without_ridge() -> None:
    # Below interpolation ODD = |p_1^2 - p_2^2| c^2, EDD = s phi_2 / (1 - phi_2) with phi_2 = 4 phi.
    noise = np.array([0.5, 1.0, 3.0])
    (line,) = amplification_boundary(
        fr.AtRatios(one_shift(), 1.0),
        {"phi": np.linspace(0.005, 0.2, 9), "setting.groups.1.noise_variance": noise},
    )
    odd, (phi, variance) = 0.5 * 0.5, line.points.T
    np.testing.assert_allclose(variance * 4 * phi / (1 - 4 * phi), odd, rtol=1e-9)
    assert line.error <= 1e-10 and len(line.points) > 5
    assert phi.min() == pytest.approx(odd / 4 / (3 + odd)) and phi.max() == pytest.approx(
        odd / 4 / (0.5 + odd)
    )


@pytest.mark.slow
@pytest.mark.parametrize("ridge", [0.0, 0.05])
def test_every_vertex_is_a_root_and_poles_are_not(ridge: float) -> None:
    setting = fr.AtRatios(one_shift(ridge), 1.0, 1.0)
    grid = {"phi": np.geomspace(0.05, 10, 12), "psi": np.geomspace(0.1, 5.0, 11)}
    lines = amplification_boundary(setting, grid)
    assert lines and all(line.error <= 1e-10 for line in lines)
    for line in lines:
        for phi, psi in line.points[:: max(1, len(line.points) // 3)]:
            found = fr.AtRatios(setting.setting, phi, psi).predict()
            assert found.ok and float(found.add) == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize(
    ("axes", "name"),
    [
        ({"phi": [0.1, 1.0]}, "axes"),
        ({"phi": [0.1, 1.0], "psi": [1.0]}, "psi"),
        ({"phi": [1.0, 0.1], "psi": [1.0, 2.0]}, "phi"),
        ({"phi": [0.0, 0.1], "psi": [1.0, 2.0]}, "phi"),
        ({"phi": [0.1, 1.0], "shape": [1.0, 2.0]}, "shape"),
    ],
)
def test_refused(axes: Any, name: str) -> None:
    with pytest.raises(fr.InvalidSetting) as caught:
        amplification_boundary(fr.AtRatios(one_shift(), 1.0, 1.0), axes)
    assert caught.value.field == name
