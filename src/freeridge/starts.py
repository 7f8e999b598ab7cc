"""Where a setting starts when nothing is said: the example in its docstring, as a description.

The example is a doctest, so it runs; its first call of the class gives the fields, and the assignments before
it that the call refers to give the names.
"""

import ast
import doctest
import inspect
from collections.abc import Iterator

from freeridge.language import Description
from freeridge.parsing import parse
from freeridge.solvers.errors import InvalidSetting


def start_of(cls: type, name: str | None = None) -> Description:
    """The description that the docstring of a setting holds.

    Parameters
    ----------
    cls : type
        A setting.
    name : str, optional
        What the setting is called in the description; that of the class by default.

    Raises
    ------
    InvalidSetting
        When the docstring has no example that calls the class with fields.

    Examples
    --------
    >>> import freeridge as fr
    >>> start_of(fr.ModelCollapse).fields["covariance"]
    'PowerLaw(200, exponent=1.0)'
    """
    known: dict[str, str] = {}
    for statement in _statements(cls):
        calls = (node for node in ast.walk(statement) if isinstance(node, ast.Call))
        call = next((one for one in calls if _called(one) == cls.__name__), None)
        if call is not None:
            bound = inspect.signature(cls).bind(*call.args, **{str(k.arg): k.value for k in call.keywords})
            fields = {field: _written(node) for field, node in bound.arguments.items()}
            return Description(name or cls.__name__, let=_needed(known, fields), fields=fields)
        match statement:
            case ast.Assign(targets=[ast.Name(id=target)], value=value):
                known[target] = _written(value)
    expected = f"an example of the form >>> setting = {cls.__name__}(field=value, ...)"
    raise InvalidSetting(f"docstring of {cls.__name__}", inspect.getdoc(cls) or "", expected)


def _statements(cls: type) -> Iterator[ast.stmt]:
    for example in doctest.DocTestParser().get_examples(inspect.getdoc(cls) or ""):
        yield from parse(example.source).body


def _called(call: ast.Call) -> str:
    """The name of what is called, without that of its package."""
    return str(getattr(call.func, "attr", getattr(call.func, "id", "")))


def _written(node: ast.AST) -> str:
    """An expression as the command line has it: without the name of the package."""

    class Bare(ast.NodeTransformer):
        def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
            return ast.copy_location(ast.Name(node.attr), node)

    return ast.unparse(Bare().visit(node))


def _needed(known: dict[str, str], fields: dict[str, str]) -> dict[str, str]:
    """The names that the fields refer to, and those that these refer to, in the order of the docstring."""
    needed: set[str] = set()
    waiting = list(fields.values())
    while waiting:
        names = {node.id for node in ast.walk(parse(waiting.pop())) if isinstance(node, ast.Name)}
        fresh = names & set(known) - needed
        needed |= fresh
        waiting += [known[name] for name in fresh]
    return {name: text for name, text in known.items() if name in needed}
