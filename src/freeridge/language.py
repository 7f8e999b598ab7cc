"""Settings written as text: a small expression language, as in Python, and TOML files of such expressions.

An expression holds numbers, strings, lists, arithmetic, names defined before, and calls of the public
constructors; nothing else is evaluated, so a file from somebody else can be read without fear. The schema of
the files is in ``docs/command-line.md``.
"""

import inspect
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from freeridge.expressions import CONSTANTS, CONSTRUCTORS, FUNCTIONS, evaluate, require_scalars
from freeridge.settings import is_setting, setting_class, settings
from freeridge.solvers.errors import InvalidSetting, unknown

_TABLES = ("setting", "let", "fields", "sweep")


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
            if not name.isidentifier() or name in CONSTRUCTORS or name in FUNCTIONS or name in CONSTANTS:
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
        cls = setting_class(self.setting, self.folder)
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
    tables = read_tables(path, _TABLES)
    setting = tables.pop("setting", None)
    if not is_setting(setting):
        raise InvalidSetting(
            f"setting in {path}", setting, f"one of {', '.join(settings())}, or a .py file, in quotes"
        )
    return Description(setting, folder=path.parent, **tables)


def read_tables(path: Path, known: Sequence[str]) -> dict[str, Any]:
    """The tables of a TOML file, those that are left out empty; ``setting`` is a name and not a table."""
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
        if name not in known:
            raise unknown(name, content[name], known, f"{path} may hold")
    tables = [name for name in known if name != "setting"]
    for name in tables:
        if not isinstance(content.get(name, {}), dict):
            raise InvalidSetting(f"{name} in {path}", content[name], f"a table, headed by [{name}]")
    return {k: content[k] for k in ("setting",) if k in content} | {
        name: _flattened(content.get(name, {})) for name in tables
    }


def describe(words: Sequence[str]) -> Description:
    """The description on the command line: a name or a file, and fields that go before those of the file.

    Examples
    --------
    >>> describe(["ModelCollapse", "--real-share", "1 / 2"]).fields
    {'real_share': '1 / 2'}
    """
    places, fields = split_words(words)
    if len(places) != 1:
        raise InvalidSetting(
            "SETTING", places, f"one of {', '.join(settings())}, or the path of one TOML file or Python file"
        )
    place = places[0]
    if is_setting(place):
        return Description(place, fields=fields)
    if not place.endswith(".toml"):
        raise unknown("SETTING", place, settings(), "it is the path of a .toml or .py file, or one of")
    file = read_file(Path(place))
    kept = {name: axis for name, axis in file.sweep.items() if name not in fields}
    return replace(file, fields=dict(file.fields) | fields, sweep=kept)


def split_words(words: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Words of the command line as places, and fields with their values.

    Examples
    --------
    >>> split_words(["ridge.toml", "--lam", "1e-3", "--n=200"])
    (['ridge.toml'], {'lam': '1e-3', 'n': '200'})
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
    return places, fields


def _construct(cls: type, values: Mapping[str, Any], name: str) -> Any:
    require_scalars(cls, values)
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
