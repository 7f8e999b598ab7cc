"""The face of the package: cheap to import, and every public name is there."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from jaxtyping import TypeCheckError

import freeridge
from freeridge.solvers.errors import InvalidSetting


def test_import_leaves_heavy_packages_alone() -> None:
    code = "import sys, freeridge; print(sorted({'jax', 'numpy', 'scipy', 'matplotlib'} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize("name", freeridge.__all__)
def test_public_name_resolves(name: str) -> None:
    value = getattr(freeridge, name)
    assert name in dir(freeridge)
    assert getattr(value, "__name__", name) == name


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'lasso'"):
        freeridge.lasso  # noqa: B018


def test_type_checkers_see_the_names_that_exist_at_run_time() -> None:
    assert freeridge.__file__ is not None
    tree = ast.parse(Path(freeridge.__file__).read_text(encoding="utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    declared = {alias.name: node.module for node in imports for alias in node.names if alias.asname}
    assert declared == freeridge._HOME


def test_annotations_are_checked_at_run_time_under_pytest() -> None:
    with pytest.raises(TypeCheckError):
        InvalidSetting(3, 0, "a name in the first place")  # type: ignore[arg-type]
