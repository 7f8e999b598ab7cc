"""A sweep is a loop of predictions; no lane spoils another; what is done survives Ctrl-C."""

import itertools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

import freeridge as fr
from freeridge.solvers import sweep_simulation, sweep_theory
from freeridge.solvers.field_places import locate, with_leaves
from freeridge.solvers.results import Code, Estimate, Prediction
from freeridge.solvers.storage import StorageError, load_dataset

D = 20


def _mixture(d: int = D, **changes: Any) -> fr.RidgeMixture:
    truth = fr.RandomVector(fr.Isotropic(d, changes.pop("signal", 1 / d)))
    real = fr.Population(
        fr.PowerLaw(d, changes.pop("exponent", 1.0)), truth, changes.pop("noise", 0.1), share=0.6
    )
    error = fr.RandomVector(fr.Isotropic(d, 0.1 / d))
    synthetic = fr.Population(fr.Isotropic(d), truth + error, 0.1, share=0.4)
    return fr.RidgeMixture([real, synthetic], **{"n": 30.0, "ridge": 0.1, **changes})


class Quadratic(eqx.Module):
    """A setting that compiles at once: what a sweep does to it is what it does to any."""

    ridge: Any = eqx.field(converter=jnp.asarray)
    inner: "Inner"

    def predict(self, power: int = 2) -> Prediction:
        value = (self.ridge + self.inner.shift) ** power * self.inner.d
        missing = 0.0 if self.inner.scale is None else self.inner.scale
        code = jnp.where(jnp.isfinite(value), 0, int(Code.INVALID)).astype(jnp.int32)
        return Prediction({"risk": value + missing}, jnp.zeros_like(value), code)

    def simulate(self, key: Any, replicates: int = 2, power: int = 2) -> Estimate:
        draws = np.random.default_rng(key).standard_normal((replicates, *np.shape(self.ridge)))
        mean = np.asarray(self.predict(power).risk)
        return Estimate(
            {"risk": mean + draws.mean(0)}, {"risk": draws.std(0)}, replicates, {"d": self.inner.d}
        )


class Inner(eqx.Module):
    shift: Any = eqx.field(converter=jnp.asarray)
    d: int = eqx.field(static=True, default=3)
    scale: jax.Array | None = None

    def __check_init__(self) -> None:
        if not isinstance(self.shift, jax.core.Tracer) and self.shift < 0:
            raise fr.InvalidSetting("shift", float(self.shift), "a number >= 0")
        if self.d < 1:
            raise fr.InvalidSetting("d", self.d, "a number > 0")


def _quadratic() -> Quadratic:
    return Quadratic(0.5, Inner(1.0))


def test_grid_equals_a_loop_of_predictions() -> None:
    axes = {
        "populations.0.covariance.exponent": [0.5, 1.5],
        "features": [15.0, 40.0],
        "ridge": [0.0, 0.01, 1.0],
        "populations.0.labeler.covariance.scale": [0.05, 0.2],  # the vector is in both labelers
        "populations.0.noise_variance": [0.3],
    }
    grid = fr.sweep(_mixture(), axes, chunk=7, test=1)
    assert dict(grid.sizes) == {name: len(values) for name, values in axes.items()}
    for exponent, features, ridge, signal, noise in itertools.product(*axes.values()):
        setting = _mixture(exponent=exponent, features=features, ridge=ridge, signal=signal, noise=noise)
        point = dict(zip(axes, (exponent, features, ridge, signal, noise), strict=True))
        for name, value in setting.predict(test=1).quantities.items():
            np.testing.assert_allclose(grid[name].sel(point), value, rtol=1e-12, atol=1e-14)
    assert bool((grid.code == 0).all()) and float(grid.residual.max()) < 1e-11


def test_bad_and_infinite_lanes_leave_the_others_alone() -> None:
    axes = {
        "n": [30.0, 20.0, 12.5, -3.0],
        "ridge": [0.0, -1.0, 0.1],
        "populations.0.noise_variance": [0.1, -0.1],
    }
    grid = fr.sweep(_mixture(), axes, replicates=40, key=1)
    good, bad = (grid.isel({"populations.0.noise_variance": k}) for k in (0, 1))
    np.testing.assert_array_equal(good.code.values, [[0, 2, 0], [1, 2, 0], [0, 2, 0], [2, 2, 2]])
    assert np.isinf(good.risk.values[1, 0])
    # Theory does not look at the sign of a noise variance; the population that is built with it does.
    np.testing.assert_array_equal(bad.code.values, Code.INVALID)
    for name in ("risk", "bias", "residual"):
        np.testing.assert_array_equal(np.isnan(grid[name].values), grid.code.values == Code.INVALID)
    assert "infinite" in json.loads(grid.code.attrs["meanings"])["1"]
    # Half a row cannot be drawn; what can be is, and says the same as theory.
    np.testing.assert_array_equal(
        np.isfinite(good.risk_simulated.values), [[1, 0, 1], [1, 0, 1], [0, 0, 0], [0, 0, 0]]
    )
    (reason,) = json.loads(grid.attrs["simulation_refused"])
    assert "whole number" in reason
    known = good.sel(n=30.0, ridge=0.1)
    assert abs(float((known.risk_simulated - known.risk) / known.risk_standard_error)) < 6.0


def test_a_path_in_the_setting_is_an_axis() -> None:
    setting = Quadratic([0.1, 1.0], Inner(1.0))
    grid = fr.sweep(setting, {"inner.shift": [0.0, 2.0]})
    assert grid.risk.dims == ("inner.shift", "ridge")
    np.testing.assert_allclose(grid.risk.sel({"inner.shift": 2.0}), 3 * np.array([2.1, 3.0]) ** 2, rtol=1e-15)


def test_static_and_object_axes_build_the_setting_anew() -> None:
    axes = {"ridge": [0.5, 1.0], "inner.d": [3, 0, 5], "inner.scale": [None, jnp.array(10.0)]}
    grid = fr.sweep(_quadratic(), axes, power=1)
    expected = [[[(r + 1.0) * d + s for s in (0.0, 10.0)] for d in (3, np.nan, 5)] for r in (0.5, 1.0)]
    np.testing.assert_array_equal(grid.risk.values, expected)
    np.testing.assert_array_equal(grid.code.values[:, 1], Code.INVALID)
    assert grid["inner.scale"].values.tolist() == ["None", "10"]
    assert grid["inner.d"].values.tolist() == [3, 0, 5]
    swapped = fr.sweep(_quadratic(), {"inner": [Inner(1.0), Inner(1.0, d=4)], "inner.shift": [0.0, 2.0]})
    np.testing.assert_array_equal(swapped.risk.values, [[0.75, 18.75], [1.0, 25.0]])


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ({"rigde": [0.1]}, r"rigde .* there is: ridge, inner\.shift, inner\.d, inner\.scale"),
        ({"inner.shfit": [0.1]}, r"inner\.shfit .* there is: inner\.shift, inner\.d, inner\.scale"),
        ({"inner.shift.deep": [0.1]}, r"inner\.shift\.deep"),
        ({"ridge": []}, "ridge .* at least one value"),
        ({"ridge": np.array([])}, "ridge .* at least one value"),
        ({"ridge": 0.1}, "ridge = 0.1: expected a list of values"),
        ({"ridge": "0.1"}, "ridge = '0.1': expected a list of values"),
        ({"ridge": [0.1, float("nan")]}, "ridge .* none of them NaN"),
        ({"ridge": np.array([0.1], np.float32)}, "ridge .* float64"),
        ({"ridge": ["large", 0.1]}, "ridge = 'large': expected real numbers"),
        ({"ridge": [True]}, "ridge = True: expected real numbers"),
        ({"ridge": [None, 0.1]}, "ridge = None: expected real numbers"),
        ({"inner.d": [2.5]}, r"inner\.d = 2\.5: expected whole numbers"),
        ({"inner": [1.0]}, r"inner = 1\.0: expected values that can stand for a Inner"),
        ({"inner.d": [0, -1]}, r"d = 0: expected a number > 0"),
        ({}, "axes"),
    ],
)
def test_what_cannot_be_swept_is_named(axes: Mapping[str, Any], message: str) -> None:
    with pytest.raises(fr.InvalidSetting, match=message):
        fr.sweep(_quadratic(), axes)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"chunk": 0}, "chunk = 0"),
        ({"replicates": 1}, "replicates = 1"),
        ({"precision": "float32"}, "precision = 'float32': expected no such option; there is: power"),
        ({"out": "risk.csv"}, r"out = 'risk\.csv': .*\.nc"),
    ],
)
def test_bad_requests_are_named(request_: dict[str, Any], message: str) -> None:
    with pytest.raises(fr.InvalidSetting, match=message):
        fr.sweep(_quadratic(), {"ridge": [0.1]}, **request_)


def _interrupt_at(monkeypatch: pytest.MonkeyPatch, name: str, last: int | None) -> list[int]:
    """Count the calls of a step of the sweep, and press Ctrl-C after some of them."""
    calls: list[int] = []
    module = sweep_theory if name == "predict_chunk" else sweep_simulation
    step = getattr(module, name)

    def counted(*arguments: Any) -> Any:
        if len(calls) == last:
            raise KeyboardInterrupt
        calls.append(1)
        return step(*arguments)

    monkeypatch.setattr(module, name, counted)
    return calls


@pytest.mark.parametrize("step", ["predict_chunk", "simulate_point"])
def test_interrupted_and_resumed_is_bit_identical(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], step: str
) -> None:
    axes = {"inner.shift": np.linspace(0.1, 2.0, 5), "ridge": [0.3, -0.7], "inner.scale": [1.0]}
    arguments: dict[str, Any] = {"chunk": 3, "replicates": 3, "key": 5}
    undisturbed = fr.sweep(_quadratic(), axes, **arguments)
    out = tmp_path / "risk.nc"
    with monkeypatch.context() as patch:
        _interrupt_at(patch, step, 2)
        with pytest.raises(KeyboardInterrupt):
            fr.sweep(_quadratic(), axes, out=out, **arguments)
    message = capsys.readouterr().err
    assert "run the same sweep again to go on" in message and message.count("\n") == 1
    assert not out.exists()
    finished = sorted(path.name for path in (tmp_path / "risk.nc.parts").iterdir())
    assert len(finished) == (2 if step == "predict_chunk" else 5 + 2)

    with monkeypatch.context() as patch:
        chunks, points = (
            _interrupt_at(patch, "predict_chunk", None),
            _interrupt_at(patch, "simulate_point", None),
        )
        with pytest.raises(KeyboardInterrupt):  # another sweep finds nothing to use
            _interrupt_at(patch, "predict_chunk", 0)
            fr.sweep(_quadratic(), axes, out=out, **{**arguments, "key": 6})
        assert sorted(path.name for path in (tmp_path / "risk.nc.parts").iterdir()) == finished
        assert not chunks

    with monkeypatch.context() as patch:
        chunks, points = (
            _interrupt_at(patch, "predict_chunk", None),
            _interrupt_at(patch, "simulate_point", None),
        )
        resumed = fr.sweep(_quadratic(), axes, out=out, **arguments)
        assert (len(chunks), len(points)) == ((3, 5) if step == "predict_chunk" else (0, 3))
    del resumed.attrs["fingerprint"]
    xr.testing.assert_identical(resumed, undisturbed)
    assert load_dataset(out).fingerprint and load_dataset(out).drop_attrs().identical(
        undisturbed.drop_attrs()
    )
    assert [path.name for path in tmp_path.iterdir()] == ["risk.nc"]


def test_a_simulation_cut_short_is_no_finished_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        Quadratic, "simulate", lambda self, key, replicates: Estimate({}, {}, replicates - 1, {})
    )
    with pytest.raises(KeyboardInterrupt):
        fr.sweep(_quadratic(), {"ridge": [0.1]}, replicates=3, out=tmp_path / "risk.nc")
    (part,) = (tmp_path / "risk.nc.parts").iterdir()
    assert part.name.startswith("theory-")


def test_simulation_of_a_point_does_not_depend_on_the_others() -> None:
    axes = {"inner.shift": [1.0, -1.0, 2.0], "inner.d": [2, 3], "ridge": [0.1, 0.2]}
    grid = fr.sweep(_quadratic(), axes, replicates=4)
    np.testing.assert_array_equal(np.isnan(grid.risk_simulated.values), np.isnan(grid.risk.values))
    assert bool((grid.code.sel({"inner.shift": -1.0}) == Code.INVALID).all())
    noise = (grid.risk_simulated - grid.risk).values[[0, 2]].ravel()
    assert len(set(noise.round(12))) == noise.size
    np.testing.assert_array_equal(
        fr.sweep(_quadratic(), axes, replicates=4, chunk=1).risk_simulated, grid.risk_simulated
    )


class Rounds(eqx.Module):
    """As many answers as rounds, one ridge at a time."""

    ridge: Any = eqx.field(converter=jnp.asarray)
    rounds: int = eqx.field(static=True)

    def __check_init__(self) -> None:
        if self.ridge.ndim:
            raise fr.InvalidSetting("ridge", self.ridge, "one number")

    def predict(self) -> Prediction:
        risk = self.ridge * jnp.arange(1.0, self.rounds + 1)
        return Prediction({"risk": risk}, jnp.zeros(()), jnp.zeros((), jnp.int32))

    def simulate(self, key: Any, replicates: int = 2) -> Estimate:
        risk = np.asarray(self.predict().risk)
        return Estimate({"risk": risk}, {"risk": np.full_like(risk, key)}, replicates, {})


def test_answers_of_different_length_are_filled_up_with_nan() -> None:
    grid = fr.sweep(Rounds(1.0, 2), {"ridge": [1.0, 2.0], "rounds": [1, 3]}, replicates=2)
    expected = np.array([[[1.0, np.nan, np.nan], [1.0, 2.0, 3.0]], [[2.0, np.nan, np.nan], [2.0, 4.0, 6.0]]])
    np.testing.assert_array_equal(grid.risk.values, expected)
    np.testing.assert_array_equal(grid.risk_simulated.values, expected)
    assert len(set(grid.risk_standard_error.values[:, :, 0].ravel())) == 4
    assert bool((grid.code == 0).all()) and grid.risk.dims == ("ridge", "rounds", "index_0")


def test_an_unwritable_place_is_met_before_the_computation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    calls = _interrupt_at(monkeypatch, "predict_chunk", None)
    with pytest.raises(StorageError, match="cannot write"):
        fr.sweep(_quadratic(), {"ridge": [0.1]}, out=tmp_path / "file" / "risk.nc")
    assert not calls


def test_progress_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    fr.sweep(_quadratic(), {"ridge": [0.1, 0.2]}, replicates=2, progress=True)
    captured = capsys.readouterr()
    assert not captured.out and "theory" in captured.err and "simulation" in captured.err


def test_gradients_pass_through_the_replacement_of_fields() -> None:
    places = [locate((_quadratic(), {}), name, 0.0).place for name in ("ridge", "inner.scale")]

    def risk(values: jax.Array) -> jax.Array:
        setting, _ = with_leaves((_quadratic(), {}), places, list(values))
        found: jax.Array = setting.predict().risk
        return found

    gradient = jax.jit(jax.vmap(jax.grad(risk)))(jnp.array([[0.5, 1.0], [2.0, 7.0]]))
    np.testing.assert_allclose(gradient, [[9.0, 1.0], [18.0, 1.0]], rtol=1e-15)
