"""The figure of the estimated shift, on a part of its grid."""

import numpy as np
import pytest

from freeridge.figures import pitfalls_shift as module
from freeridge.figures.record import Plan


@pytest.mark.slow
def test_the_theory_of_twins_is_drawn_through_its_simulation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PANELS", {"temperature": ((0.1, 1.0), [0.1, 1.0], [0.1, 1.0])})
    data = module.shift(Plan())
    assert np.all(data["temperature_twins_code"] == 0)
    line = data["temperature_twins_worst_group_error"].values[[0, -1]]
    mean, error = (
        data[f"temperature_twins_worst_group_error_{part}"].values for part in ("simulated", "standard_error")
    )
    assert np.all(np.abs(mean - line) < 5 * error)  # six draws: the bars themselves are rough
    figure = module.draw_shift(data)
    assert figure.axes[0].get_xlabel() and len(figure.axes) == 1
