"""The settings there are: public classes of ``freeridge.theory`` with ``predict`` and ``simulate``.

Nothing is registered: a file that is put into ``theory/`` is on the command line and in the explorer. One
elsewhere is named by its path, ``least_squares.py``, or ``least_squares.py:LeastSquares`` of several.
"""

import ast
import importlib.util
import inspect
import sys
from functools import lru_cache
from importlib import import_module
from pathlib import Path

from freeridge.parsing import parse
from freeridge.solvers.errors import InvalidSetting, unknown

_VERBS = ("predict", "simulate")


@lru_cache(maxsize=1)
def settings() -> dict[str, str]:
    """Names of the library's own settings, in the order of the alphabet, with the module of each.

    Files are read and not imported, which would take seconds.

    Examples
    --------
    >>> settings()["ModelCollapse"]
    'freeridge.theory.collapse'
    """
    root = Path(__file__).parent / "theory"
    found: dict[str, str] = {}
    for path in sorted(root.rglob("*.py")):
        module = ".".join(["freeridge.theory", *path.relative_to(root).with_suffix("").parts])
        found |= dict.fromkeys(settings_in(path.read_text(encoding="utf-8")), module)
    return dict(sorted(found.items()))


def settings_in(source: str) -> list[str]:
    """Names of the public classes in a Python file that define both verbs.

    Examples
    --------
    >>> settings_in("class Both:\\n  def predict(self): ...\\n  def simulate(self, key): ...")
    ['Both']
    """
    if not all(f"def {verb}(" in source for verb in _VERBS):
        return []
    classes = [node for node in parse(source).body if isinstance(node, ast.ClassDef)]
    return [
        one.name
        for one in classes
        if not one.name.startswith("_")
        and {node.name for node in one.body if isinstance(node, ast.FunctionDef)}.issuperset(_VERBS)
    ]


def is_setting(name: object) -> bool:
    """Whether a text names a setting: one of the library's, or a Python file.

    Examples
    --------
    >>> [is_setting(name) for name in ("ZipfTail", "mine.py:Lasso", "ridge.toml", 3)]
    [True, True, False, False]
    """
    return isinstance(name, str) and (name in settings() or name.partition(":")[0].endswith(".py"))


def setting_class(name: str, folder: Path = Path()) -> type:
    """The class of a setting by its name, or by the path of its file, relative to a folder.

    Raises
    ------
    InvalidSetting
        When there is no such name or file, when the file has no setting or several and none is named, and
        when it cannot be imported.
    """
    if name in settings():
        found: type = getattr(import_module(settings()[name]), name)
        return found
    path, _, wanted = name.partition(":")
    if not path.endswith(".py"):
        raise unknown("SETTING", name, settings(), "it is the path of a .py file, or one of")
    return _class_in((folder / path).resolve(), wanted, name)


def _class_in(path: Path, wanted: str, name: str) -> type:
    try:
        names = settings_in(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidSetting("SETTING", name, f"a readable Python file; {error.strerror}") from None
    except (SyntaxError, ValueError) as error:
        raise InvalidSetting("SETTING", name, f"a file in Python; {error}") from None
    if wanted and wanted not in names:
        raise unknown("SETTING", name, names, f"settings, classes with predict and simulate, in {path.name}:")
    if not wanted and len(names) != 1:
        held = ", ".join(f"{path.name}:{one}" for one in names) or "none"
        raise InvalidSetting(
            "SETTING", name, f"a file with one class that predicts and simulates; has {held}"
        )
    found: type = getattr(_imported(path), wanted or names[0])
    return found


def _imported(path: Path) -> object:
    """The file as a module, run once for each of its versions."""
    module_name = f"freeridge_file_{path.stem}_{abs(hash((path, path.stat().st_mtime_ns)))}"
    if module_name in sys.modules:
        return sys.modules[module_name]
    specification = importlib.util.spec_from_file_location(module_name, path)
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[module_name] = module  # dataclasses look their module up while they are made
    try:
        specification.loader.exec_module(module)
    except Exception as error:
        del sys.modules[module_name]
        line = next((f.lineno for f in reversed(inspect.trace()) if f.filename == str(path)), "?")
        reason = f"{type(error).__name__}: {error}"
        raise InvalidSetting(
            f"{path.name}, line {line}", path.stem, f"a file that can be run; {reason}"
        ) from error
    import cloudpickle

    # Other processes have no module of this name: its classes travel with what is in them.
    cloudpickle.register_pickle_by_value(module)
    return module
