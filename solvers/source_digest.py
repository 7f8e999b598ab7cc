"""What code does, as a hash: results of other code are not taken for results of this one."""

import ast
import hashlib
import importlib
import sys
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

_WITH_DOCSTRING = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def code_digest(kind: type) -> str:
    """Hash of the theories and solvers, and of the file that defines a setting of one's own.

    Examples
    --------
    >>> len(code_digest(Path))
    64
    """
    own = getattr(sys.modules.get(kind.__module__), "__file__", None)
    return hashlib.sha256((library_digest() + _digest_of(own)).encode()).hexdigest()


def library_digest() -> str:
    """Hash of the theories and solvers alone."""
    return _digest(_home())


def digest_files(paths: Iterable[Path]) -> str:
    """Hash of what some Python files do: other comments and docstrings leave it as it is."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.name.encode() + without_words(path.read_text(encoding="utf-8")).encode())
    return digest.hexdigest()


def without_words(source: str) -> str:
    """A program without comments, docstrings and layout.

    Examples
    --------
    >>> without_words("def f(x):\\n    'Doubles.'\\n    return 2*x  # twice") == without_words(
    ...     "def f(x):\\n    return 2 * x"
    ... )
    True
    """
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, _WITH_DOCSTRING) and ast.get_docstring(node, clean=False) is not None:
            del node.body[0]
    return ast.dump(tree)


def _home() -> Path:
    return Path(importlib.import_module("freeridge").__file__ or "").parent


@lru_cache(maxsize=2)
def _digest(home: Path) -> str:
    return digest_files(
        path for part in ("theory", "solvers") for path in sorted((home / part).glob("**/*.py"))
    )


@lru_cache(maxsize=8)
def _digest_of(own: str | None) -> str:
    return digest_files([Path(own)] if own is not None and own.endswith(".py") else [])
