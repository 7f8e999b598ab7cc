"""Python's parser for several threads: that of Python 3.11 fails where two of them use it at once."""

import ast
from threading import Lock
from typing import Literal, overload

_TURN = Lock()


@overload
def parse(source: str) -> ast.Module: ...


@overload
def parse(source: str, mode: Literal["eval"]) -> ast.Expression: ...


def parse(source: str, mode: Literal["exec", "eval"] = "exec") -> ast.AST:
    """What :func:`ast.parse` gives, one call at a time.

    Python 3.11 counts the depth of the trees of all threads together, and stops with a SystemError when two
    windows of the explorer have theirs parsed at once.

    Examples
    --------
    >>> parse("2 * n", "eval").body.right.id
    'n'
    """
    with _TURN:
        return ast.parse(source, mode=mode)
