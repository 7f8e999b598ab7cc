"""Recipes: what is copied from the page, executed, gives the numbers on the screen."""

import csv
import io
import shlex
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.explorer.own import ALLOWED, SQUARES

from freeridge.explorer import screen as module
from freeridge.explorer.recipe import command, python
from freeridge.explorer.screen import Screen, compute
from freeridge.explorer.state import State, start, turned, with_axis
from freeridge.settings import settings


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POINTS", 5)
    monkeypatch.setattr(module, "SIDE", 9)
    module._curve.cache_clear()


def _small(name: str, **texts: str) -> State:
    state = start(name)
    fields = {**state.description.fields, **texts}
    return replace(state, description=replace(state.description, fields=fields))


CHEAP = {
    "several quantities": start("SpuriousRidge"),
    "many digits": replace(start("SpuriousRidge"), low=1 / 3, high=10 / 3),
    "whole numbers, in a file of your own": SQUARES,
    "inside an expression": with_axis(SQUARES, "covariance.scale"),
    "a dimension": replace(with_axis(SQUARES, "covariance.d"), low=5.0, high=8.0),
    "a diagram": replace(SQUARES, y="noise_variance"),
}
MANY = {  # a program for each dimension, or for an equation
    "a diagram over a dimension": replace(SQUARES, y="covariance.d"),
    "names": turned(with_axis(start("RidgeMixture"), "real_share"), {"d": "20", "error": "0.3"}),
    "a name that is a dimension": replace(
        with_axis(turned(start("RidgeMixture"), {"d": "6"}), "d"), low=5.0, high=7.0
    ),
}


def _same(found: Screen, recipe: str) -> None:
    """The values that a script leaves behind are those on the screen."""
    left: dict[str, Any] = {}
    with redirect_stdout(io.StringIO()):
        exec(compile(recipe, "recipe", "exec"), left)
    predictions: Any = left.get("curve", left.get("diagram"))
    if isinstance(predictions, list):
        flat = [one for row in predictions for one in (row if isinstance(row, list) else [row])]
        quantities = {name: np.array([one.quantities[name] for one in flat]) for name in flat[0].quantities}
    else:
        lanes = predictions.code.shape[: 2 if found.state.y else 1]
        quantities = {
            name: np.asarray(part).reshape(-1, *part.shape[len(lanes) :])
            for name, part in predictions.quantities.items()
        }
    if found.state.y:
        _close(module._flat(quantities)[found.shown[0]], found.z.ravel())
        return
    values = module._flat(quantities)
    assert sorted(values) == sorted(found.names)
    for name, expected in found.curves[0].values.items():
        _close(values[name], expected)


def _close(values: np.ndarray, expected: np.ndarray) -> None:
    """Where the screen has a gap the script has the number, or none, with its code."""
    shown = np.isfinite(expected)
    assert shown.any()
    np.testing.assert_allclose(np.asarray(values, float)[shown], expected[shown], rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("case", CHEAP)
def test_the_python_gives_the_numbers_of_the_screen(case: str) -> None:
    found = compute(CHEAP[case], {}, ALLOWED)
    _same(found, python(CHEAP[case], *found.points))


@pytest.mark.slow
@pytest.mark.parametrize("case", MANY)
def test_the_python_of_many_programs_gives_the_numbers_of_the_screen(case: str) -> None:
    found = compute(MANY[case], {}, ALLOWED)
    _same(found, python(MANY[case], *found.points))


@pytest.mark.slow
@pytest.mark.parametrize("name", settings())
def test_the_python_of_every_setting_gives_the_numbers_of_the_screen(name: str) -> None:
    found = compute(start(name), {}, ALLOWED)
    _same(found, python(start(name), *found.points))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ModelCollapse", "BiasAmplification", "MinorityGroups", "PrunedClassifier"])
def test_the_python_of_diagrams_gives_the_numbers_of_the_screen(name: str) -> None:
    state = replace(start(name), y="ridge")
    found = compute(state, {}, ALLOWED)
    _same(found, python(state, *found.points))


def test_defaults_are_not_spelt_out() -> None:
    assert "generations" not in python(start("ZipfTail")) and "generations" not in command(start("ZipfTail"))
    assert "generations=2" in python(_small("ZipfTail", generations="2"))


def _run(recipe: str, ask: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a shell would: the file that is written first, then the command."""
    monkeypatch.chdir(folder)
    if recipe.startswith("cat > setting.toml <<'END'\n"):
        text, _, recipe = recipe.partition(
            "\n",
        )[2].partition("\nEND\n")
        Path("setting.toml").write_text(text + "\n")
    program, *words = shlex.split(recipe.replace("\\\n", " "))
    assert program == "freeridge"
    code, _, err = ask(*words)
    assert code == 0, err


@pytest.mark.parametrize(
    "case", ["many digits", "whole numbers, in a file of your own", "inside an expression"]
)
def test_the_command_gives_the_numbers_of_the_screen(
    case: str, ask: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _gives(CHEAP[case], ask, tmp_path, monkeypatch)


@pytest.mark.slow
def test_the_command_of_names_gives_the_numbers_of_the_screen(
    ask: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _gives(with_axis(MANY["names"], "ridge"), ask, tmp_path, monkeypatch)


def _gives(state: State, ask: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = compute(state, {}, ALLOWED)
    _run(command(state, *found.points), ask, tmp_path, monkeypatch)
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    lines = (tmp_path / "curve.csv").read_text().splitlines()
    rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    (curve,) = found.curves
    np.testing.assert_allclose([float(row[state.x]) for row in rows], curve.x, rtol=1e-12)
    for name in found.shown:
        np.testing.assert_allclose([float(row[name]) for row in rows], curve.values[name], rtol=1e-9)


def test_the_command_of_a_diagram(ask: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from freeridge.solvers.storage import load_dataset

    state = CHEAP["a diagram"]
    found = compute(state, {}, ALLOWED)
    _run(command(state, *found.points), ask, tmp_path, monkeypatch)
    with load_dataset(tmp_path / "diagram.nc") as stored:
        z = stored["risk"].transpose("noise_variance", "n").to_numpy()
    np.testing.assert_allclose(z, found.z, rtol=1e-9)


def test_a_number_in_a_name_is_no_axis_of_a_sweep() -> None:
    words = command(MANY["names"])
    assert words.startswith("#") and "real_share" in words and "\n" not in words.strip()
