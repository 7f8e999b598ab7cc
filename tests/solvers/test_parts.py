"""The same computation finds its finished parts, also in another process; a changed one does not."""

import dataclasses
import importlib.util
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from tests.solvers.cluster import ROOT, Notes, Watched

import freeridge as fr
from freeridge.solvers import sweep_simulation, sweep_theory
from freeridge.solvers.parts import Parts
from freeridge.solvers.source_digest import _digest_of

RULE = """
import dataclasses
from typing import Any

import equinox as eqx
import jax.numpy as jnp

from freeridge.solvers.results import Estimate, Prediction

LEVEL = 0.5


def rule(x):
    return x > LEVEL


class Threshold:
    def __init__(self, level):
        self.level = level

    def keep(self, x):
        return x > self.level


class Ruled(eqx.Module):
    x: Any = eqx.field(converter=jnp.asarray)
    keep: Any = eqx.field(static=True)

    def predict(self):
        risk = jnp.where(self.keep(self.x), 1.0, 0.0)
        return Prediction({"risk": risk}, jnp.zeros_like(risk), jnp.zeros((), jnp.int32))
"""


class Stop(BaseException):
    """Instead of computing anything."""


@pytest.fixture
def nothing_is_computed(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From now on."""

    def stop(*_: Any) -> None:
        raise Stop

    def begin() -> None:
        monkeypatch.setattr(sweep_theory, "predict_chunk", stop)
        monkeypatch.setattr(sweep_simulation, "simulate_point", stop)

    return begin


def _rules(folder: Path, source: str) -> ModuleType:
    (folder / "ruled.py").write_text(source)
    spec = importlib.util.spec_from_file_location("ruled", folder / "ruled.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["ruled"] = module
    spec.loader.exec_module(module)
    return module


def _sweep(out: Path, setting: Any = None, **changes: Any) -> Any:
    axes = {"x": [0.0, 1.0, 2.0], "ridge": [0.1, 1.0]}
    request: dict[str, Any] = {"axes": axes, "chunk": 4, "replicates": 3, "key": 5, "out": out} | changes
    return fr.sweep(Watched(1.0, 0.5) if setting is None else setting, **request)


def _keep_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sweep whose parts stay: as if it were killed when all but the file is there."""
    monkeypatch.setattr("freeridge.solvers.parts.Parts.remove", lambda self: None)


def test_a_changed_sweep_does_not_find_the_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, notes: Notes, nothing_is_computed: Callable[[], None]
) -> None:
    notes.open.touch()
    _keep_all(monkeypatch)
    out = tmp_path / "risk.nc"
    first = _sweep(out).load()
    first.close()
    out.unlink()
    nothing_is_computed()
    again = _sweep(out)
    assert again.identical(first)
    again.close()
    changes: list[dict[str, Any]] = [
        {"axes": {"x": [0.0, 1.0, 2.5], "ridge": [0.1, 1.0]}},
        {"axes": {"x": [0.0, 1.0], "ridge": [0.1, 1.0]}},
        {"axes": {"ridge": [0.1, 1.0], "x": [0.0, 1.0, 2.0]}},
        {"chunk": 3},
        {"key": 6},
        {"replicates": 4},
    ]
    for change in changes:
        with pytest.raises(Stop):
            _sweep(out, **change)
    # A file of the same sweep is the result; one of another is replaced, but not before there is a new one.
    assert _sweep(out).identical(first)
    with pytest.raises(Stop):
        _sweep(out, key=6)
    assert out.exists()


@pytest.mark.parametrize(
    ("make", "before", "after"),
    [
        (lambda rules: rules.rule, "x > LEVEL", "x >= LEVEL"),
        (lambda rules: rules.rule, "LEVEL = 0.5", "LEVEL = 0.6"),
        (lambda rules: rules.Threshold(0.5).keep, "x > self.level", "x < self.level"),
        (lambda rules: rules.rule, "1.0, 0.0)", "2.0, 0.0)"),  # of the theory itself
        (lambda rules: rules.rule, "\nLEVEL", "\n# A comment changes nothing.\nLEVEL"),
    ],
)
def test_a_changed_rule_does_not_find_the_parts(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    nothing_is_computed: Callable[[], None],
    make: Callable[[ModuleType], Any],
    before: str,
    after: str,
) -> None:
    monkeypatch.setitem(sys.modules, "ruled", None)  # and gone afterwards
    _keep_all(monkeypatch)
    axes, out = {"x": [0.0, 1.0]}, tmp_path / "risk.nc"

    def run(source: str) -> Any:
        rules = _rules(tmp_path, source)
        _digest_of.cache_clear()  # as in another process: a source is read once
        return fr.sweep(rules.Ruled(0.0, make(rules)), axes, out=out)

    run(RULE).close()
    out.unlink()
    nothing_is_computed()
    if "comment" in after:
        run(RULE.replace(before, after)).close()
    else:
        with pytest.raises(Stop):
            run(RULE.replace(before, after))


def test_another_object_of_a_bound_method_does_not_find_the_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nothing_is_computed: Callable[[], None]
) -> None:
    monkeypatch.setitem(sys.modules, "ruled", None)
    _keep_all(monkeypatch)
    rules, axes, out = _rules(tmp_path, RULE), {"x": [0.0, 1.0]}, tmp_path / "risk.nc"
    fr.sweep(rules.Ruled(0.0, rules.Threshold(0.5).keep), axes, out=out).close()
    out.unlink()
    nothing_is_computed()
    fr.sweep(rules.Ruled(0.0, rules.Threshold(0.5).keep), axes, out=out).close()
    with pytest.raises(Stop):
        fr.sweep(rules.Ruled(0.0, rules.Threshold(0.6).keep), axes, out=out)


def test_harmed_parts_are_computed_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, notes: Notes
) -> None:
    notes.open.touch()
    with monkeypatch.context() as patch:
        _keep_all(patch)
        first = _sweep(tmp_path / "risk.nc").load()
    parts = sorted((tmp_path / "risk.nc.parts").iterdir())  # three of simulation, then two of theory
    assert len(parts) == 2 + 3
    parts[0].write_bytes(parts[0].read_bytes()[:100])
    parts[1].write_bytes(b"")
    content = bytearray(parts[3].read_bytes())
    content[200] ^= 1  # one bit of a number
    parts[3].write_bytes(content)
    (tmp_path / "risk.nc").unlink()
    notes.forget()
    assert _sweep(tmp_path / "risk.nc").identical(first)
    assert notes.begun().total() == 2
    assert not (tmp_path / "risk.nc.parts").exists()


def test_a_file_that_is_no_result_is_replaced(tmp_path: Path, notes: Notes) -> None:
    notes.open.touch()
    out = tmp_path / "risk.nc"
    out.write_text("notes of somebody")
    assert dict(_sweep(out).sizes) == {"x": 3, "ridge": 2}
    other = _sweep(out, dataclasses.replace(Watched(1.0, 0.5)), key=6)
    assert other.identical(_sweep(out, key=6))
    np.testing.assert_array_equal(other.risk, _sweep(out).risk)


@pytest.mark.slow
def test_another_process_finds_the_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, notes: Notes
) -> None:
    notes.open.touch()
    with monkeypatch.context() as patch:
        _keep_all(patch)
        first = _sweep(tmp_path / "risk.nc").load()
    first.close()
    (tmp_path / "risk.nc").unlink()
    notes.forget()
    script = (
        "from pathlib import Path; from tests.solvers.test_parts import _sweep\n"
        f"_sweep(Path({str(tmp_path / 'risk.nc')!r}))"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=ROOT)
    assert notes.begun().total() == 0
    assert _sweep(tmp_path / "risk.nc").identical(first)


def test_what_a_killed_process_had_begun_to_write_goes_with_the_rest(tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    parts = Parts(folder, "plan")
    parts.keep("first", {"risk": np.ones(2)})
    (kept,) = folder.iterdir()
    (folder / f".{kept.stem}-0123abc.npz").write_bytes(b"half")
    parts.remove()
    assert not folder.exists()
    other = Parts(folder, "plan")
    other.keep("first", {"risk": np.ones(2)})
    (folder / ".of-another-plan-0123abc.npz").write_bytes(b"half")
    other.remove()
    assert [path.name for path in folder.iterdir()] == [".of-another-plan-0123abc.npz"]
