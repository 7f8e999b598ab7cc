"""Function fitting: the stop is exact, the seeds are shared, and the three kinds of memorisation are seen."""

from typing import Any

import jax
import numpy as np
import pytest

from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.perceptron import Perceptron, uniform_perceptron
from freeridge.theory.memorization.experiments.adam_fit import fit
from freeridge.theory.memorization.experiments.good_bad_ugly import FunctionFit, target

SMALL: dict[str, Any] = {"scales": (0.0, 0.5), "rows": 5, "extra": 3, "width": 12, "epochs": 150}


def _network() -> Perceptron:
    return uniform_perceptron(np.random.default_rng(1), [1, 8, 1], activation="tanh")


ROWS = np.linspace(-1, 1, 6, dtype=np.float32)[:, None], np.linspace(-0.5, 0.4, 6, dtype=np.float32) ** 2


def test_the_end_does_not_depend_on_the_chunks() -> None:
    done: list[int] = []
    runs = [
        fit(_network(), *ROWS, rate=1e-2, tolerance=1e-3, epochs=500, chunk=chunk, report=done.append)
        for chunk in (7, 500)
    ]
    assert runs[0].steps == runs[1].steps == done[-1] < 500
    assert done[:3] == [7, 14, 21]
    for one, other in zip(*(jax.tree.leaves(run.network) for run in runs), strict=True):
        assert np.array_equal(one, other)
    # The first weights below the tolerance: those one step before were not.
    before = fit(_network(), *ROWS, rate=1e-2, tolerance=0.0, epochs=runs[0].steps - 1)
    assert runs[0].loss < 1e-3 <= before.loss


def test_the_last_epoch_ends_it_and_a_loss_at_the_edge_is_no_loop() -> None:
    assert fit(_network(), *ROWS, rate=1e-2, tolerance=0.0, epochs=13, chunk=5).steps == 13
    start = fit(_network(), *ROWS, rate=1e-2, tolerance=1e9, epochs=13)
    assert start.steps == 0
    # Above the loss in double precision, equal to it in single.
    edge = fit(_network(), *ROWS, rate=1e-2, tolerance=start.loss * (1 + 1e-10), epochs=2)
    assert edge.steps > 0


def test_adam_as_it_is_written() -> None:
    """Ten steps against the formulas of Kingma and Ba in double precision, on a line through the origin."""
    line = uniform_perceptron(np.random.default_rng(0), [1, 1], offsets=False)
    w, m, v = float(line.weights[0][0, 0]), 0.0, 0.0
    for step in range(1, 11):
        slope = float(np.mean(2 * (w * ROWS[0][:, 0] - ROWS[1]) * ROWS[0][:, 0]))
        m, v = 0.9 * m + 0.1 * slope, 0.999 * v + 0.001 * slope**2
        w -= 0.01 * (m / (1 - 0.9**step)) / ((v / (1 - 0.999**step)) ** 0.5 + 1e-8)
    found = fit(line, *ROWS, rate=0.01, tolerance=0.0, epochs=10)
    assert float(found.network.weights[0][0, 0]) == pytest.approx(w, rel=1e-5)


def test_what_is_recorded() -> None:
    found = FunctionFit(**SMALL).run(key=3, seeds=2)
    again = FunctionFit(**SMALL).run(key=3, seeds=1)
    assert np.array_equal(found.prediction.isel(seed=0), again.prediction.isel(seed=0))
    assert found.x_row.values[[0, -1]].tolist() == [-1.5, 1.5]
    assert not np.array_equal(found.y_row[0], found.y_row[1])
    assert np.all(np.abs(found.y_row - target(found.x_row.values)) < 5 * 0.08)
    assert (found.steps == 150).all()
    # Without further inputs the curve is smooth through its rows; with them it jumps there, and there alone.
    jumps = np.abs(np.diff(found.prediction, axis=-1))
    rows = np.linspace(0, 999, 5).astype(int)[1:-1]
    elsewhere = np.delete(jumps, [0, 998, *rows, *rows - 1], axis=-1)
    assert np.all(jumps[0, :, rows] < 0.01) and np.all(elsewhere < 0.01)
    assert np.all(jumps[1][:, rows].max(axis=1) > 0.02)


def test_a_beginner_is_that_of_the_paper() -> None:
    network = FunctionFit().beginner(0)
    assert [weight.shape for weight in network.weights] == [(31, 300), (300, 300), (300, 1)]
    assert network.activation == "tanh" and network.offsets is not None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("rows", 1001),
        ("rows", 0),
        ("rate", 0.0),
        ("label_noise", -1.0),
        ("tolerance", float("nan")),
        ("scales", ()),
        ("scales", (0.1, -0.1)),
        ("epochs", 0),
    ],
)
def test_bad_input(field: str, value: Any) -> None:
    with pytest.raises(InvalidSetting, match=field):
        FunctionFit(**{field: value})


def test_without_optax(no_optax: None) -> None:
    with pytest.raises(ImportError, match=r"freeridge\[train\]"):
        FunctionFit(**SMALL).run()


@pytest.mark.slow
def test_good_bad_and_ugly() -> None:
    found = FunctionFit().run(key=0, seeds=2)
    assert (found.loss < 1e-6).all() and (found.steps < 100_000).all()
    good, bad, ugly = found.deviation.mean("seed").values
    assert good < bad and ugly < bad
    # Names of the rows are what the noisy labels are learned by: the network is done sooner.
    assert (found.steps.sel(scale=1e-3) < found.steps.sel(scale=0.0)).all()
