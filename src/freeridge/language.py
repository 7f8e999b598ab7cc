"""Settings written as text: a small expression language, as in Python, and TOML files of such expressions.

An expression holds numbers, strings, lists, arithmetic, names defined before, and calls of the public
constructors; nothing else is evaluated, so a file from somebody else can be read without fear. The schema of
the files is in ``docs/command-line.md``.
"""

import ast
import difflib
import inspect
import math
import operator
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, get_args

import freeridge
from freeridge.solvers.errors import InvalidSetting

# The settings that the command line can build, by name: a new theory adds its class here.
SETTINGS = (
    "AtRatios",
    "BiasAmplification",
    "GradientFlow",
    "IterativeMixing",
    "MinorityGroups",
    "ModelCollapse",
    "RidgeMixture",
)
CONSTRUCTORS = (
    *("Dense", "DirectSum", "Eigenvalues", "Isotropic", "PowerLaw", "TwoAtoms", "from_data"),
    *("Population", "RandomVector", "groups_from_data"),
    *(
        "BiasAmplification",
        "MinorityGroups",
        "ModelCollapse",
        "RidgeMixture",
    ),  # inside AtRatios, GradientFlow
)
_FUNCTIONS = ("linspace", "load", "logspace")
_CONSTANTS = {"inf": math.inf, "nan": math.nan}
_OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
_TABLES = ("setting", "let", "fields", "sweep")
_LONGEST_POWER = 4096  # bits of a whole number: 9**9**9 would keep a machine busy for hours
_LONGEST_PATH = 1_000_000  # points of linspace and logspace


def evaluate(
    text: str, names: Mapping[str, Any], name: str = "expression", folder: Path | None = None
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
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = error.msg if isinstance(error, SyntaxError) else str(error) or "nested too deeply"
        raise InvalidSetting(name, text, f"an expression in the syntax of Python; {reason}") from None
    try:
        return _Scope(text, names, name, folder or Path()).value(tree.body)
    except RecursionError:
        raise InvalidSetting(name, text, "an expression that is not nested so deeply") from None


@dataclass(frozen=True)
class _Scope:
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
        calls = ", ".join([*CONSTRUCTORS, *_FUNCTIONS])
        allowed = f"numbers, strings, lists, arithmetic, names of [let] and calls of {calls}"
        return self.refusal(f"{allowed}; not {found}")

    def look_up(self, name: str) -> Any:
        known = {**_CONSTANTS, **self.names}
        if name in CONSTRUCTORS or name in _FUNCTIONS:
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
        if called not in CONSTRUCTORS and called not in _FUNCTIONS:
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
        self.attempt(_require_scalars, [function, given])
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


@dataclass(frozen=True)
class Description:
    """A setting as it was written: the name of its class, and text or numbers for its fields.

    Examples
    --------
    >>> from pathlib import Path
    >>> half = Description("RidgeMixture", let={"d": 50}, fields={"n": "2 * d", "ridge": 0.1})
    >>> half.values(half.names())
    {'n': 100, 'ridge': 0.1}
    """

    setting: str
    let: Mapping[str, Any] = field(default_factory=dict)
    fields: Mapping[str, Any] = field(default_factory=dict)
    sweep: Mapping[str, Any] = field(default_factory=dict)
    folder: Path = Path()

    def names(self) -> dict[str, Any]:
        """Values of the table ``[let]``, each of which may refer to those before it."""
        known: dict[str, Any] = {}
        for name, written in self.let.items():
            if not name.isidentifier() or name in CONSTRUCTORS or name in _FUNCTIONS or name in _CONSTANTS:
                raise InvalidSetting("let", name, "a name of letters, digits and _ that is not taken")
            known[name] = self.read(name, written, known)
        return known

    def values(self, names: Mapping[str, Any], table: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Values of the fields, or of another table such as ``sweep``."""
        written = self.fields if table is None else table
        return {name: self.read(name, value, names) for name, value in written.items()}

    def record(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """What to keep beside an answer: numbers and lists of them as values, the rest as it was written."""
        kept = {name: values[name] if _is_plain(values[name]) else self.fields[name] for name in self.fields}
        return {"setting": self.setting, "parameters": kept} | ({"let": self.let} if self.let else {})

    def read(self, name: str, written: Any, names: Mapping[str, Any]) -> Any:
        """One value: strings are expressions, also inside lists."""
        if isinstance(written, str):
            return evaluate(written, names, name, self.folder)
        if isinstance(written, list):
            return [self.read(name, item, names) for item in written]
        if isinstance(written, bool | int | float):
            return written
        raise InvalidSetting(name, written, "a number, a list, or an expression in quotes")

    def build(self, values: Mapping[str, Any]) -> Any:
        """The setting with these values for its fields."""
        cls = getattr(freeridge, self.setting)
        known = list(inspect.signature(cls).parameters)
        for name in values:
            if name.partition(".")[0] not in known:
                raise unknown(name, self.fields.get(name), known, f"{self.setting} has the fields")
        plain = {name: value for name, value in values.items() if "." not in name}
        for name, parameter in inspect.signature(cls).parameters.items():
            if parameter.default is parameter.empty and name not in plain:
                raise InvalidSetting(name, None, f"a value: {self.setting} cannot do without {name}")
        setting = _construct(cls, plain, self.setting)
        for name, value in values.items():
            if "." in name:
                setting = _replaced(setting, name, name, value)
        return setting


def read_file(path: Path) -> Description:
    """The description that a TOML file holds.

    Broken TOML is refused with the file and the line, an unknown table or setting with those there are.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InvalidSetting("SETTING", str(path), f"a readable TOML file; {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise InvalidSetting("SETTING", str(path), f"a TOML file, text in UTF-8; {error.reason}") from None
    try:
        content = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        found = re.search(r"line (\d+)", str(error))
        lines = [*text.split("\n"), ""]
        line = int(found[1]) if found else len(lines) - 1
        written = lines[line - 1]
        raise InvalidSetting(f"{path}, line {line}", written, f"valid TOML; {error}") from None
    for name in content:
        if name not in _TABLES:
            raise unknown(name, content[name], _TABLES, f"{path} may hold")
    for name in _TABLES[1:]:
        if not isinstance(content.get(name, {}), dict):
            raise InvalidSetting(f"{name} in {path}", content[name], f"a table, headed by [{name}]")
    setting = content.get("setting")
    if setting not in SETTINGS:
        raise InvalidSetting(f"setting in {path}", setting, f"one of {', '.join(SETTINGS)}, in quotes")
    tables = {name: _flattened(content.get(name, {})) for name in _TABLES[1:]}
    return Description(setting, folder=path.parent, **tables)


def describe(words: Sequence[str]) -> Description:
    """The description on the command line: a name or a file, and fields that go before those of the file.

    Examples
    --------
    >>> describe(["ModelCollapse", "--real-share", "1 / 2"]).fields
    {'real_share': '1 / 2'}
    """
    places: list[str] = []
    fields: dict[str, str] = {}
    rest = iter(words)
    for word in rest:
        if not word.startswith("--"):
            places.append(word)
            continue
        name, given, value = word[2:].partition("=")
        name = name.replace("-", "_")
        if not given:
            value = next(rest, "--")
            if value.startswith("--"):
                raise InvalidSetting(name, None, f"a value after {word}")
        if name in fields:
            raise InvalidSetting(name, value, "one value for each field; a list is written with commas")
        fields[name] = value
    if len(places) != 1:
        raise InvalidSetting("SETTING", places, f"one of {', '.join(SETTINGS)}, or the path of one TOML file")
    place = places[0]
    if place in SETTINGS:
        return Description(place, fields=fields)
    if not place.endswith(".toml"):
        raise unknown("SETTING", place, SETTINGS, "it is the path of a .toml file, or one of")
    file = read_file(Path(place))
    kept = {name: axis for name, axis in file.sweep.items() if name not in fields}
    return replace(file, fields=dict(file.fields) | fields, sweep=kept)


def unknown(name: str, value: object, known: Iterable[str], owner: str) -> InvalidSetting:
    """The error for a name that is none of the known ones; points out the one that was probably meant.

    Examples
    --------
    >>> print(unknown("rigde", 0.1, ["n", "ridge"], "the fields are"))
    rigde = 0.1: expected a known name, perhaps ridge; the fields are n, ridge
    """
    known = list(known)
    close = [match for word in (name, str(value)) for match in difflib.get_close_matches(word, known, 1)]
    hint = f", perhaps {close[0]}" if close else ""
    return InvalidSetting(name, value, f"a known name{hint}; {owner} {', '.join(known)}")


def _require_scalars(cls: Any, values: Mapping[str, Any]) -> None:
    """Refuse a list in a field that is one number."""
    for name, field_ in getattr(cls, "__dataclass_fields__", {}).items():
        kinds = [getattr(kind, "dim_str", None) for kind in (field_.type, *get_args(field_.type))]
        value = values.get(name)
        if "" in kinds and (isinstance(value, list | tuple) or getattr(value, "ndim", False)):
            raise InvalidSetting(name, value, "one number; in a sweep a list is an axis")


def _construct(cls: type, values: Mapping[str, Any], name: str) -> Any:
    _require_scalars(cls, values)
    try:
        return cls(**values)
    except InvalidSetting:
        raise
    except (TypeError, ValueError) as error:
        raise InvalidSetting(name, ", ".join(values), f"fields that fit together; {error}") from None


def _replaced(owner: Any, rest: str, path: str, value: Any) -> Any:
    """The owner with one nested field replaced, built anew so that its checks run."""
    head, _, rest = rest.partition(".")
    if isinstance(owner, tuple):
        if not head.isdigit() or int(head) >= len(owner):
            raise InvalidSetting(path, head, f"a number from 0 to {len(owner) - 1} in this place")
        items = list(owner)
        items[int(head)] = _replaced(items[int(head)], rest, path, value) if rest else value
        return tuple(items)
    parameters = inspect.signature(type(owner)).parameters if hasattr(owner, "__dataclass_fields__") else {}
    # A labeler is one vector wherever it is used: replaced in one place, it would be two independent ones.
    if not parameters or hasattr(owner, "terms"):
        raise InvalidSetting(path, value, f"no dots below {type(owner).__name__}, which is given as a whole")
    if head not in parameters:
        raise unknown(path, value, parameters, f"{type(owner).__name__} has the fields")
    values = {name: getattr(owner, name) for name in parameters}
    values[head] = _replaced(values[head], rest, path, value) if rest else value
    return _construct(type(owner), values, path)


def _flattened(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Dotted keys, which TOML reads as nested tables, as dotted names again."""
    flat: dict[str, Any] = {}
    for name, value in table.items():
        path = f"{prefix}{name}"
        flat |= _flattened(value, f"{path}.") if isinstance(value, dict) else {path: value}
    return flat


def _is_plain(value: Any) -> bool:
    """Whether a value is a number, or a list or array of numbers: what a record can hold as it is."""
    if isinstance(value, list | tuple):
        return all(_is_plain(item) for item in value)
    return value is None or isinstance(value, bool | int | float) or type(value).__module__ == "numpy"
