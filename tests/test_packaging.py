"""A wheel holds all three packages, whatever kind of source tree it is built from."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from importlib import import_module
from pathlib import Path

import pytest

import freeridge

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("theory", "solvers", "figures")
FILES = ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE")


@pytest.mark.parametrize("folder", FOLDERS)
def test_package_is_the_folder_at_the_top(folder: str) -> None:
    package = import_module(f"freeridge.{folder}")
    assert package.__file__ is not None
    assert Path(package.__file__).resolve() == ROOT / folder / "__init__.py"


def test_citation_names_this_version() -> None:
    found = re.search(r"^version: (\S+)$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.MULTILINE)
    assert found is not None
    assert found[1] == freeridge.__version__


def copy_of_the_tree(target: Path, links: bool) -> Path:
    """Copy what packaging reads; without links their place is taken by text files, as git leaves them."""
    junk = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for folder in ("src", *FOLDERS):
        shutil.copytree(ROOT / folder, target / folder, symlinks=True, ignore=junk)
    for file in FILES:
        shutil.copy(ROOT / file, target)
    for folder in FOLDERS:
        link = target / "src" / "freeridge" / folder
        link.unlink()
        if links:
            link.symlink_to(Path("..", "..", folder), target_is_directory=True)
        else:
            link.write_text(f"../../{folder}", encoding="utf-8")
    # A subpackage with data, to see that both are found at any depth.
    inner = target / "solvers" / "inner"
    inner.mkdir()
    (inner / "__init__.py").write_text("", encoding="utf-8")
    (inner / "example.toml").write_text("", encoding="utf-8")
    return target


def build(tree: Path, *options: str) -> list[Path]:
    """Run the build front end without isolation, so that no package index is needed."""
    command = [sys.executable, "-m", "build", "--no-isolation", *options, str(tree)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return sorted((tree / "dist").iterdir())


def modules_of(tree: Path) -> set[str]:
    """Every module that the wheel must hold, as paths inside the wheel."""
    source = tree / "src"
    inside = {
        path.relative_to(source).as_posix()
        for pattern in ("*.py", "explorer/*.py")
        for path in (source / "freeridge").glob(pattern)
    }
    for folder in FOLDERS:
        inside |= {f"freeridge/{path.relative_to(tree).as_posix()}" for path in (tree / folder).rglob("*.py")}
    return inside


@pytest.mark.slow
@pytest.mark.parametrize("links", [True, False], ids=["links", "text files"])
@pytest.mark.parametrize("options", [["--wheel"], []], ids=["from the tree", "through an sdist"])
def test_wheel_holds_and_imports_all_packages(tmp_path: Path, links: bool, options: list[str]) -> None:
    tree = copy_of_the_tree(tmp_path, links)
    wheel = next(path for path in build(tree, *options) if path.suffix == ".whl")
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        archive.extractall(site)
    assert {name for name in names if name.endswith(".py")} == modules_of(tree)
    data = ("py.typed", "solvers/inner/example.toml", "explorer/assets/explorer.css")
    assert {f"freeridge/{name}" for name in data} <= names

    code = "import freeridge.theory, freeridge.solvers.inner, freeridge.solvers.errors, freeridge.figures"
    code += "; print(freeridge.__file__, freeridge.__version__)"
    found = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.split() == [str(site / "freeridge" / "__init__.py"), freeridge.__version__]
