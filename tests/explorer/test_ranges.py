"""Ranges of sliders: within what the setting accepts, on a scale that fits."""

import numpy as np
import pytest

from freeridge.explorer.ranges import STEPS, Range, ranges_of
from freeridge.explorer.state import start
from freeridge.language import Description


def _collapse(**fields: str) -> dict[str, Range]:
    plain = {
        "covariance": "Isotropic(20)", "n": "40", "real_share": "0.5", "quality": "0.2",
        "noise_variance": "0.1", "ridge": "0.1",
    }  # fmt: skip
    return ranges_of(Description("ModelCollapse", fields=plain | fields))


@pytest.mark.parametrize(
    "name, value, expected",
    [
        ("real_share", "0.5", Range(0.0, 1.0, log=False, whole=False)),
        ("ridge", "0.1", Range(0.001, 10.0, log=True, whole=False)),
        ("ridge", "0.0", Range(0.0, 1.0, log=False, whole=False)),
        ("noise_variance", "1e-3", Range(1e-6, 1.0, log=True, whole=False)),
        ("quality", "1.0", Range(0.1, 10.0, log=True, whole=False)),
        ("n", "40", Range(1.0, 4000.0, log=True, whole=True)),
    ],
)
def test_range(name: str, value: str, expected: Range) -> None:
    assert _collapse(**{name: value})[name] == expected


def test_a_dimension_stays_near() -> None:
    assert _collapse()["covariance.d"] == Range(5.0, 80.0, log=False, whole=True)


def test_a_number_without_room_has_no_range() -> None:
    assert "population.share" not in ranges_of(start("GradientFlow").description)


@pytest.mark.parametrize("found", [Range(0.01, 100.0, True, False), Range(-1.0, 3.0, False, False)])
def test_position_and_value_are_inverse(found: Range) -> None:
    for value in np.linspace(found.low, found.high, 7):
        assert found.value(found.position(value)) == pytest.approx(value, rel=1e-12, abs=1e-15)
    assert found.value(found.position(found.high * 10)) == pytest.approx(found.high)
    assert found.value(found.position(found.low - 10)) == pytest.approx(found.low)


def test_whole_numbers_go_one_by_one_where_there_are_few() -> None:
    assert Range(1.0, 12.0, log=False, whole=True).step == 1.0
    assert Range(1.0, 1e4, log=True, whole=True).step == pytest.approx(4 / STEPS)
    assert Range(1.0, 1e4, log=True, whole=True).value(0.5) == 3.0
