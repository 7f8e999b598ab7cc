"""Expressions in the syntax of Python, of which only what a setting needs is evaluated."""

import ast
import inspect
import math
import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import freeridge
from freeridge.parsing import parse
from freeridge.solvers.errors import InvalidSetting

CONSTRUCTORS = (
    *("Dense", "DirectSum", "Eigenvalues", "Isotropic", "PowerLaw", "TwoAtoms", "from_data"),
    *("Population", "RandomVector", "groups_from_data"),
    *("LinearErrors", "RandomErrors"),
    *("KeepCorrect", "KeepEasy", "KeepHard", "KeepMixture", "KeepRandom", "KeepSoft", "KeepTable"),
    *(
        "BiasAmplification",
        "MinorityGroups",
        "ModelCollapse",
        "RidgeMixture",
    ),  # inside AtRatios, GradientFlow
)
FUNCTIONS = ("linspace", "load", "logspace")
CONSTANTS = {"inf": math.inf, "nan": math.nan}
_OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
_LONGEST_POWER = 4096  # bits of a whole number: 9**9**9 would keep a machine busy for hours
_LONGEST_PATH = 1_000_000  # points of linspace and logspace


def evaluate(
    text: str,
    names: Mapping[str, Any],
    name: str = "expression",
    folder: Path | None = None,
    scope: "type[Scope] | None" = None,
) -> Any:
    """The value of an expression, or an error that names it and says what is allowed.

    Parameters
    ----------
    text : str
    names : mapping
        Values that it may refer to.
    name : str
        What it is for, to be named in errors.
    folder : Path, optional
        Where ``load`` looks for files; the working directory by default.
    scope : type, optional
        What is evaluated, where that is more or less than in a setting.

    Examples
    --------
    >>> evaluate("[1 / 4, 2 * a]", {"a": 3})
    [0.25, 6]
    >>> evaluate("Isotropic(400, scale=a).d", {"a": 3}, "covariance")
    Traceback (most recent call last):
        ...
    freeridge.solvers.errors.InvalidSetting: covariance = 'Isotropic(400, scale=a).d': expected numbers,
    strings, lists, arithmetic, names of [let] and calls of Dense, ..., load, logspace; not Attribute
    """
    try:
        tree = parse(text.strip(), "eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = error.msg if isinstance(error, SyntaxError) else str(error) or "nested too deeply"
        raise InvalidSetting(name, text, f"an expression in the syntax of Python; {reason}") from None
    try:
        return (scope or Scope)(text, names, name, folder or Path()).value(tree.body)
    except RecursionError:
        raise InvalidSetting(name, text, "an expression that is not nested so deeply") from None


@dataclass(frozen=True)
class Scope:
    """Evaluates the nodes of one expression, and refuses by its name whatever is not on the list."""

    text: str
    names: Mapping[str, Any]
    name: str
    folder: Path

    def value(self, node: ast.AST) -> Any:
        match node:
            case ast.Constant(value=None | bool() | int() | float() | str()):
                return node.value
            case ast.Name(id=name):
                return self.look_up(name)
            case ast.UnaryOp(op=ast.USub() | ast.UAdd() as sign, operand=operand):
                factor = -1 if isinstance(sign, ast.USub) else 1
                return self.attempt(operator.mul, [factor, self.number(operand)])
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
                return self.arithmetic(op, self.number(left), self.number(right))
            case ast.List(elts=items):
                return [self.value(item) for item in items]
            case ast.Tuple(elts=items):
                return tuple(self.value(item) for item in items)
            case ast.Call(func=ast.Name(id=called), args=arguments, keywords=keywords):
                named = {keyword.arg: keyword.value for keyword in keywords}
                return self.call(called, arguments, named)
        raise self.not_allowed(type(node).__name__)

    def refusal(self, expected: str) -> InvalidSetting:
        return InvalidSetting(self.name, self.text, expected)

    def not_allowed(self, found: str) -> InvalidSetting:
        calls = ", ".join([*CONSTRUCTORS, *FUNCTIONS])
        allowed = f"numbers, strings, lists, arithmetic, names of [let] and calls of {calls}"
        return self.refusal(f"{allowed}; not {found}")

    def look_up(self, name: str) -> Any:
        known = {**CONSTANTS, **self.names}
        if name in CONSTRUCTORS or name in FUNCTIONS:
            raise self.refusal(f"{name} to be called, as in {name}(...)")
        if name not in known:
            raise self.refusal(f"a known name, not {name!r}: {', '.join(known)}; a text takes quotes")
        return known[name]

    def number(self, node: ast.AST) -> Any:
        """An operand: a list or a string would be repeated by a product, not scaled."""
        value = self.value(node)
        if value is None or isinstance(value, bool | str | list | tuple):
            raise self.refusal(f"arithmetic on numbers, arrays and labelers, not on {value!r:.40}")
        return value

    def arithmetic(self, op: ast.operator, left: Any, right: Any) -> Any:
        power = isinstance(op, ast.Pow) and isinstance(left, int) and isinstance(right, int)
        if power and left.bit_length() * right > _LONGEST_POWER:
            raise self.refusal("a number that can be computed")
        return self.attempt(_OPERATORS[type(op)], [left, right])

    def call(self, called: str, arguments: list[ast.expr], named: Mapping[str | None, ast.expr]) -> Any:
        if called not in CONSTRUCTORS and called not in FUNCTIONS:
            raise self.not_allowed(f"a call of {called}")
        if None in named:
            raise self.not_allowed("a dictionary of arguments")
        values = [self.value(argument) for argument in arguments]
        options = {str(name): self.value(value) for name, value in named.items()}
        function = getattr(freeridge, called) if called in CONSTRUCTORS else getattr(self, called)
        try:
            given = inspect.signature(function).bind(*values, **options).arguments
        except TypeError as error:
            raise self.refusal(f"the arguments that {called} takes; {error}") from None
        self.attempt(require_scalars, [function, given])
        return self.attempt(function, values, options)

    def attempt(
        self, function: Callable[..., Any], values: Iterable[Any], named: Mapping[str, Any] | None = None
    ) -> Any:
        try:
            return function(*values, **(named or {}))
        except InvalidSetting as error:
            # Of nested calls, the innermost knows the field; the name of the expression goes in front once.
            where = error.field if error.field.startswith(f"{self.name}: ") else f"{self.name}: {error.field}"
            raise InvalidSetting(where, error.value, error.expected) from None
        except (ArithmeticError, MemoryError, TypeError, ValueError) as error:
            raise self.refusal(f"a value that can be computed; {error}") from None

    def load(self, path: str) -> Any:
        """Numbers from a .npy or .csv file, beside the file that holds the expression."""
        import numpy as np

        if not isinstance(path, str) or Path(path).suffix not in (".npy", ".csv"):
            raise InvalidSetting("load", path, "the name of a .npy or .csv file, in quotes")
        try:
            if path.endswith(".npy"):
                return np.load(self.folder / path, allow_pickle=False)
            return np.loadtxt(self.folder / path, delimiter=",", ndmin=1)
        except (OSError, ValueError, EOFError) as error:
            reason = getattr(error, "strerror", None) or " ".join(str(error).split())
            raise InvalidSetting("load", path, f"a readable file of numbers; {reason}") from None

    def linspace(self, start: Any, stop: Any, num: Any = 50) -> Any:
        """Evenly spaced numbers, both ends included."""
        if isinstance(num, bool) or not isinstance(num, int) or not 1 <= num <= _LONGEST_PATH:
            raise InvalidSetting("num", num, f"a whole number of points from 1 to {_LONGEST_PATH}")
        import numpy as np

        return np.linspace(start, stop, num)

    def logspace(self, start: Any, stop: Any, num: Any = 50) -> Any:
        """Powers of ten, from 10**start to 10**stop."""
        return 10.0 ** self.linspace(start, stop, num)


def require_scalars(cls: Any, values: Mapping[str, Any]) -> None:
    """Refuse a list in a field that is one number."""
    for name, field_ in getattr(cls, "__dataclass_fields__", {}).items():
        kinds = [getattr(kind, "dim_str", None) for kind in (field_.type, *get_args(field_.type))]
        value = values.get(name)
        if "" in kinds and (isinstance(value, list | tuple) or getattr(value, "ndim", False)):
            raise InvalidSetting(name, value, "one number; in a sweep a list is an axis")
