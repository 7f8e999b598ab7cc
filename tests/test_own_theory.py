"""A theory written as docs/how-to-add-a-theory.md says is everywhere, with nothing else touched."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import freeridge as fr
from freeridge.settings import is_setting, setting_class, settings
from freeridge.solvers.errors import InvalidSetting
from freeridge.starts import start_of

ROOT = Path(__file__).parents[1]
BOTH = "class A:\n  def predict(self): ...\n  def simulate(self, key): ...\n"
FIELDS = ("--d", 100, "--n", 200, "--noise-variance", 0.5)


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """The file of the page, in a folder that knows nothing of the library."""
    page = (ROOT / "docs" / "how-to-add-a-theory.md").read_text(encoding="utf-8")
    (source,) = re.findall(r"^```python file=least_squares.py\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    path = tmp_path / "least_squares.py"
    path.write_text(source, encoding="utf-8")
    return path


def test_a_file_is_a_setting_on_the_command_line(ask: Any, scratch: Path) -> None:
    code, answer, _ = ask("predict", scratch, *FIELDS, "--json")
    assert code == 0
    assert json.loads(answer)["result"] == {"risk": 0.5}
    words = (*FIELDS[:2], "--n", "100,200", *FIELDS[4:], "--json")
    code, answer, _ = ask("sweep", f"{scratch}:LeastSquares", *words)
    assert code == 0
    assert json.loads(answer)["result"]["risk"] == ["inf", 0.5]


def test_a_file_is_validated(ask: Any, scratch: Path) -> None:
    code, answer, _ = ask("validate", scratch, *FIELDS, "--replicates", 20, "--json")
    found = json.loads(answer)["result"]["risk"]
    assert code == 0
    exact = 0.5 * 100 / (200 - 100 - 1)
    assert abs(found["simulation"] - exact) < 4 * found["standard_error"]


def test_a_file_is_the_setting_of_a_toml_file_beside_it(ask: Any, scratch: Path) -> None:
    toml = scratch.with_suffix(".toml")
    toml.write_text('setting = "least_squares.py"\n[fields]\nd = 100\nn = 200\nnoise_variance = 0.5\n')
    code, answer, _ = ask("predict", toml, "--json")
    assert code == 0
    assert json.loads(answer)["result"] == {"risk": 0.5}


def test_a_file_is_in_the_explorer(scratch: Path) -> None:
    from freeridge.explorer.jobs import Jobs
    from freeridge.explorer.screen import compute
    from freeridge.explorer.server import make_app
    from freeridge.explorer.state import read_query

    with make_app([str(scratch)], Jobs()).server.test_client() as client:
        assert str(scratch) in json.dumps(client.get("/_dash-layout").get_json())
    allowed = {str(scratch): "", **settings()}
    state = read_query("", allowed)
    assert state.description.setting == str(scratch)
    assert state.x == "n"
    screen = compute(state, {}, allowed)
    curve = screen.curves[0]
    expected = [0.5 * 100 / (n - 100) if n > 100 else float("inf") for n in curve.x]
    assert screen.names == ["risk"]
    assert curve.values["risk"].tolist() == pytest.approx(expected)


@pytest.mark.slow
def test_a_file_in_the_folder_of_theories_has_a_name_everywhere(scratch: Path, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    for folder in ("src", "theory", "solvers", "figures"):
        shutil.copytree(ROOT / folder, tree / folder, symlinks=True)
    shutil.copy(scratch, tree / "theory" / "least_squares.py")
    environment = {**os.environ, "PYTHONPATH": str(tree / "src"), "XDG_CACHE_HOME": str(tmp_path / "cache")}

    def run(*words: object) -> str:
        command = [sys.executable, *map(str, words)]
        done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    words = ("LeastSquares", *FIELDS, "--json")
    assert json.loads(run("-m", "freeridge.cli", "predict", *words))["result"] == {"risk": 0.5}
    validated = json.loads(run("-m", "freeridge.cli", "validate", *words, "--replicates", 5))
    assert set(validated["result"]) == {"risk"}
    code = (
        "import freeridge as fr; from freeridge.explorer.state import start;"
        "print(fr.LeastSquares.__module__, 'LeastSquares' in dir(fr), start('LeastSquares').x)"
    )
    assert run("-c", f"import jax; jax.config.update('jax_enable_x64', True); {code}").split() == [
        "freeridge.theory.least_squares", "True", "n",
    ]  # fmt: skip


def test_every_setting_is_found_and_has_a_public_name() -> None:
    assert len(settings()) == 16
    for name, module in settings().items():
        assert fr._HOME[name] == module
        assert is_setting(name)


@pytest.mark.parametrize("name", settings())
def test_every_setting_starts_from_its_docstring(name: str) -> None:
    start = start_of(setting_class(name))
    setting = start.build(start.values(start.names()))
    assert type(setting).__name__ == name


@pytest.mark.parametrize(
    ("source", "name", "expected"),
    [
        (None, "none.py", "a readable Python file"),
        ("x = 1", "one.py", "has none"),
        (f"{BOTH}def (", "one.py", "a file in Python"),
        (BOTH, "one.py:Lasso", "in one.py: A"),
        (BOTH + BOTH.replace("A", "B"), "one.py", "one.py:A, one.py:B"),
        (f"1 / 0\n{BOTH}", "one.py", "line 1 .*ZeroDivisionError"),
    ],
)
def test_files_that_are_no_setting(tmp_path: Path, source: str | None, name: str, expected: str) -> None:
    if source is not None:
        (tmp_path / "one.py").write_text(source, encoding="utf-8")
    with pytest.raises(InvalidSetting, match=expected):
        setting_class(name, tmp_path)


def test_a_file_that_changes_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "one.py"
    path.write_text(f"{BOTH}  number = 1\n", encoding="utf-8")
    assert setting_class("one.py", tmp_path).number == 1  # type: ignore[attr-defined]
    path.write_text(f"{BOTH}  number = 2\n", encoding="utf-8")
    os.utime(path, ns=(1, 1))
    assert setting_class("one.py", tmp_path).number == 2  # type: ignore[attr-defined]


def test_a_docstring_without_an_example_says_so() -> None:
    with pytest.raises(InvalidSetting, match="an example of the form"):
        start_of(Path)
