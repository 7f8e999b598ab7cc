"""The experiment on self-influence: what both trainings share, and what the shift changes."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from freeridge.solvers.errors import InvalidSetting
from freeridge.theory.memorization.experiments.influence import InfluenceExperiment
from freeridge.theory.memorization.row_laws import row_laws


@pytest.fixture(scope="module")
def found() -> xr.Dataset:
    return InfluenceExperiment(rows=120, dimension=216).run(key=0, replicates=2)


def test_what_is_recorded(found: xr.Dataset) -> None:
    assert found.sizes == {"training": 2, "replicate": 2, "row": 120}
    assert (~found.is_majority).sum("row").values.tolist() == [11, 11]
    assert (found.left_out_margins < found.margins).all()
    assert (found.exact > found.predicted).all() and (found.predicted > 0).all()
    erm = found.sel(training="ERM")
    assert np.array_equal(erm.exact, erm.plain)


def test_the_minority_is_memorised_and_the_shift_is_about_predictions(found: xr.Dataset) -> None:
    of_minority = found.where(~found.is_majority).mean(["replicate", "row"])
    of_majority = found.where(found.is_majority).mean(["replicate", "row"])
    assert (of_minority.exact > 20 * of_majority.exact).all()
    assert of_minority.margins.sel(training="ERM") > 0 > of_minority.left_out_margins.sel(training="ERM")
    assert of_minority.left_out_margins.sel(training="MAT") > 0
    ratio = of_minority.plain / of_majority.plain
    assert ratio.sel(training="MAT") < ratio.sel(training="ERM") / 5


@pytest.mark.parametrize(
    ("field", "value"), [("rows", 10), ("dimension", 1), ("noise", -0.1), ("penalty", 0.0)]
)
def test_bad_input(field: str, value: Any) -> None:
    with pytest.raises(InvalidSetting, match=field):
        InfluenceExperiment(**{field: value})


@pytest.mark.slow
def test_means_are_those_of_the_limit() -> None:
    setting = InfluenceExperiment()
    found = setting.run(key=1, replicates=8)
    scores = []
    for training, limit in setting.settings().items():
        laws = row_laws(limit, points=2001)
        for group, members in enumerate((found.is_majority, ~found.is_majority)):
            for name in ("predicted", "exact", "plain"):
                law = getattr(laws, name)
                mean = float(jnp.trapezoid(law.values[group], law.cumulative[group]))
                of_draws = found[name].sel(training=training).where(members).mean("row")
                error = float(of_draws.std(ddof=1)) / 8**0.5
                scores.append((float(of_draws.mean()) - abs(mean)) / error)
    assert np.max(np.abs(scores)) < 4, scores
