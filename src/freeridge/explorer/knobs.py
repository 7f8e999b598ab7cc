"""Every number that stands in a description is a knob: where it stands, and what moves with it."""

import ast
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import freeridge
from freeridge.expressions import CONSTRUCTORS
from freeridge.language import Description
from freeridge.parsing import parse
from freeridge.settings import setting_class
from freeridge.solvers.errors import InvalidSetting

NAME, FIELD = "let", "fields"  # the two tables of a description


@dataclass(frozen=True)
class Knob:
    """A number in the text of a description.

    Parameters
    ----------
    name : str
        Where it stands, in words: ``ridge``, ``covariance.exponent``, ``populations.0.noise_variance``.
    table, key : str
        The text that holds it: of a name or of a field.
    start, end : int
        Its place in this text.
    value : float
    whole : bool
        Written as a whole number.
    live : bool
        Whether it moves inside one compiled program; a dimension does not.
    reachable : bool
        Whether a sweep finds it under its name: not in a name of [let], not inside a labeler.
    """

    name: str
    table: str
    key: str
    start: int
    end: int
    value: float
    whole: bool
    live: bool
    reachable: bool

    @property
    def placeholder(self) -> str:
        """What stands for the number while it moves."""
        return f"_{self.table}_{self.key}_{self.start}"

    def text(self, value: float) -> str:
        """A value as it is written into the description: a decimal stays one, also where it is whole."""
        if self.whole:
            return str(round(value))
        text = f"{float(value):.6g}"
        return f"{text}.0" if text.removeprefix("-").isdigit() else text


def knobs_of(description: Description) -> list[Knob]:
    """The knobs of a description, names first; numbers in a text that cannot be read are none.

    Examples
    --------
    >>> mixture = Description("ModelCollapse", fields={"covariance": "PowerLaw(50, 1.0)", "n": "200"})
    >>> [(knob.name, knob.value, knob.live) for knob in knobs_of(mixture)]
    [('covariance.d', 50.0, False), ('covariance.exponent', 1.0, True), ('n', 200.0, True)]
    """
    cls = setting_class(description.setting, description.folder)
    found: list[Knob] = []
    for table, texts in ((NAME, description.let), (FIELD, description.fields)):
        for key, text in texts.items():
            for path, node, static, labeler in _numbers(str(text), key, cls if table == FIELD else None):
                value = ast.literal_eval(node)
                whole = isinstance(value, int)
                start, end = node.col_offset, node.end_col_offset or 0
                # A name that is a whole number may be a dimension, which fixes the shape of a program.
                live = not (whole and table == NAME and path == key) if static is None else not static
                reachable = table == FIELD and not labeler
                found.append(Knob(path, table, key, start, end, float(value), whole, live, reachable))
    return _told_apart(found)


def moved(description: Description, values: Mapping[Knob, str]) -> Description:
    """The description with other texts in the places of some knobs."""
    tables = {NAME: dict(description.let), FIELD: dict(description.fields)}
    for knob in sorted(values, key=lambda knob: -knob.start):  # from the end: places before it stay right
        text = str(tables[knob.table][knob.key])
        tables[knob.table][knob.key] = text[: knob.start] + values[knob] + text[knob.end :]
    return replace(description, let=tables[NAME], fields=tables[FIELD])


def built(description: Description, numbers: Mapping[str, Any]) -> Any:
    """The setting, with values for the placeholders in its texts: numbers, or traced ones."""
    known = dict(numbers)
    for name, text in description.let.items():
        known[name] = description.read(name, text, known)
    return description.build(description.values(known))


def accepts(description: Description, knob: Knob, value: float) -> bool:
    """Whether the setting can be built with this number in the place of a knob."""
    changed = moved(description, {knob: knob.text(value)})
    try:
        built(changed, {})
    except InvalidSetting:
        return False
    return True


def _numbers(text: str, key: str, cls: type | None) -> Iterator[tuple[str, ast.expr, bool | None, bool]]:
    """Numbers that are a text, an entry of a list, or an argument of a call: with their path, whether they
    are static (None: nobody says), and whether they lie in a labeler. Those in arithmetic are constants."""
    try:
        tree = parse(text, "eval").body
    except (SyntaxError, ValueError):
        return
    if text == text.strip() and text.isascii():  # places are counted in bytes
        yield from _below(tree, key, _is_static(cls, key) if cls else None, False)


def _below(
    node: ast.expr, path: str, static: bool | None, labeler: bool
) -> Iterator[tuple[str, ast.expr, bool | None, bool]]:
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            yield path, node, static, labeler
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float())):
            yield path, node, static, labeler
        case ast.List(elts=items) | ast.Tuple(elts=items):
            for place, item in enumerate(items):
                yield from _below(item, f"{path}.{place}", static, labeler)
        case ast.BinOp(left=left, right=right):
            for side in (left, right):
                if not isinstance(side, ast.Constant | ast.UnaryOp):
                    yield from _below(side, path, None, labeler)
        case ast.Call(func=ast.Name(id=called)) if called in CONSTRUCTORS:
            constructor = getattr(freeridge, called)
            for name, argument in _arguments(constructor, node):
                inside = labeler or called == "RandomVector"
                below = path if called == "RandomVector" else f"{path}.{name}"
                yield from _below(argument, below, _is_static(constructor, name), inside)


def _arguments(constructor: Callable[..., Any], call: ast.Call) -> list[tuple[str, ast.expr]]:
    try:
        named = {str(keyword.arg): keyword.value for keyword in call.keywords}
        return list(inspect.signature(constructor).bind(*call.args, **named).arguments.items())
    except TypeError:
        return []  # what is wrong with the call is said when it is built


def _is_static(owner: Any, name: str) -> bool | None:
    field = getattr(owner, "__dataclass_fields__", {}).get(name)
    return None if field is None else bool(field.metadata.get("static"))


def _told_apart(knobs: list[Knob]) -> list[Knob]:
    """Terms of a sum have one path: number them."""
    seen: dict[str, int] = {}
    result = []
    for knob in knobs:
        seen[knob.name] = seen.get(knob.name, 0) + 1
        result.append(
            knob if seen[knob.name] == 1 else replace(knob, name=f"{knob.name} ({seen[knob.name]})")
        )
    return result
