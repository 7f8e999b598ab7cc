"""What is on the screen as a program: exact Python, and the command line where it has words for it."""

import ast
import inspect
import shlex
from collections.abc import Iterator, Mapping

import numpy as np

from freeridge.explorer.knobs import NAME, Knob, moved
from freeridge.explorer.ranges import ranges_of
from freeridge.explorer.state import State, is_whole, start, with_axis, written
from freeridge.expressions import CONSTRUCTORS
from freeridge.language import Description
from freeridge.parsing import parse
from freeridge.settings import setting_class, settings

POINTS, SIDE = 200, 48  # along a curve, and along a side of a phase diagram
_FUNCTIONS = {"linspace": "np.linspace", "logspace": "np.logspace", "load": "np.load", "inf": "np.inf"}


def axis_values(state: State, knob: Knob, points: int) -> np.ndarray:
    """The values of an axis: in decades where its knob moves in decades, whole where it is written so.

    Examples
    --------
    >>> from freeridge.explorer.state import start
    >>> tail = start("ZipfTail")
    >>> axis_values(tail, tail.knob("T"), 3)
    array([1.e+06, 1.e+08, 1.e+10])
    """
    low, high = ends(state, knob)
    values = np.geomspace(low, high, points) if in_decades(state, knob) else np.linspace(low, high, points)
    return np.unique(np.round(values)) if is_whole(state, knob) else values


def in_decades(state: State, knob: Knob) -> bool:
    """Whether an axis is logarithmic."""
    known = ranges_of(start(state.description.setting).description).get(knob.name)
    low, high = ends(state, knob)
    return bool(low > 0 and high > 4 * low and (known is None or known.log))


def ends(state: State, knob: Knob) -> tuple[float, float]:
    """Ends of an axis: those of the state, or the whole range of the second knob of a phase diagram."""
    other = state if knob.name == state.x else with_axis(state, knob.name)
    return other.low, other.high


def python(state: State, *points: int) -> str:
    """A script that computes what is on the screen, with so many points along each axis.

    Examples
    --------
    >>> from freeridge.explorer.state import start
    >>> "fr.ZipfTail(" in python(start("ZipfTail"))
    True
    """
    knobs = _knobs(state)
    names = _variables(state, knobs)
    # From the last to the first: an argument in place of each number.
    description = moved(state.description, names)
    inner = {knob.key for knob in knobs if knob.table == NAME and knob.name == knob.key}
    lines = [
        f"    {name} = {_code(str(text))}" for name, text in description.let.items() if name not in inner
    ]
    fields = [f"        {name}={_code(text)}," for name, text in _given(description).items()]
    arguments = list(names.values())
    called, preamble = _class_name(state)
    body = [
        "import jax", "import numpy as np", "", "import freeridge as fr", *preamble, "",
        'jax.config.update("jax_enable_x64", True)', "", "",
        f"def setting({', '.join(arguments)}):", *lines, f"    return {called}(", *fields, "    )", "", "",
    ]  # fmt: skip
    body += [f"{names[knob]} = {_axis(state, knob, count)}" for knob, count in _counted(knobs, points)]
    body += _computed(arguments, all(knob.live for knob in knobs))
    return "\n".join(body) + "\n"


def command(state: State, *points: int) -> str:
    """The same on the command line: a file where there are names, and nothing where sweep has no word."""
    knobs = _knobs(state)
    if not all(knob.reachable for knob in knobs):
        away = next(knob.name for knob in knobs if not knob.reachable)
        return f"# {away} stands in a name or a labeler, which sweep cannot vary: take the Python.\n"
    axes = {knob.name: _words(axis_values(state, knob, count)) for knob, count in _counted(knobs, points)}
    out = "--out diagram.nc" if state.y else "--plot curve.png --out curve.csv"
    fields = _given(state.description)
    if not state.description.let:
        words = [
            f"--{name.replace('_', '-')} {shlex.quote(text)}"
            for name, text in fields.items()
            if name not in axes
        ]
        words += [f"--{name.replace('_', '-')} {shlex.quote(text)}" for name, text in axes.items()]
        return " \\\n    ".join([f"freeridge sweep {state.description.setting}", *words, out]) + "\n"
    tables: list[tuple[str, Mapping[str, str]]] = [
        ("let", state.description.let), ("fields", fields), ("sweep", axes)
    ]  # fmt: skip
    text = [f'setting = "{state.description.setting}"']
    for name, table in tables:
        text += ["", f"[{name}]", *(f"{key} = {_toml(str(value))}" for key, value in table.items())]
    return "\n".join(["cat > setting.toml <<'END'", *text, "END", f"freeridge sweep setting.toml {out}", ""])


def _axis(state: State, knob: Knob, points: int) -> str:
    low, high = ends(state, knob)
    spread = "geomspace" if in_decades(state, knob) else "linspace"
    text = f"np.{spread}({written(low)}, {written(high)}, {points})"
    if not is_whole(state, knob):
        return text
    # A dimension is a whole number in Python too.
    return f"np.unique(np.round({text}))" if knob.live else f"np.unique(np.round({text})).astype(int)"


def _knobs(state: State) -> list[Knob]:
    return [state.knob(name) for name in (state.x, state.y) if name]


def _counted(knobs: list[Knob], points: tuple[int, ...]) -> Iterator[tuple[Knob, int]]:
    return zip(knobs, points or ((POINTS,) if len(knobs) == 1 else (SIDE, SIDE)), strict=True)


def _words(values: np.ndarray) -> str:
    """The values of an axis as an expression of the command line, with all their digits."""
    low, high, points = values[0], values[-1], len(values)
    if np.array_equal(np.linspace(low, high, points), values):
        return f"linspace({low:.17g}, {high:.17g}, {points})"
    if low > 0 and np.allclose(np.geomspace(low, high, points), values, rtol=1e-12):
        return f"logspace({np.log10(low):.17g}, {np.log10(high):.17g}, {points})"
    return ",".join(f"{value:.17g}" for value in values)


def _computed(arguments: list[str], live: bool) -> list[str]:
    call = ", ".join(arguments)
    if not live:
        loop = f"[setting({', '.join(f'{one}.item()' for one in arguments)}).predict()"
        if len(arguments) == 1:
            return [f"curve = {loop} for {arguments[0]} in {arguments[0]}]", "print(curve)"]
        return [
            f"diagram = [{loop} for {arguments[0]} in {arguments[0]}]",
            f"    for {arguments[1]} in {arguments[1]}]", "print(diagram)",
        ]  # fmt: skip
    predict = f"lambda {call}: setting({call}).predict()"
    if len(arguments) == 1:
        return [f"curve = jax.jit(jax.vmap({predict}))({call})", "print(curve)"]
    rows = f"jax.vmap({predict}, (0, None))"
    return [f"diagram = jax.jit(jax.vmap({rows}, (None, 0)))({call})", "print(diagram)"]


def _variables(state: State, knobs: list[Knob]) -> dict[Knob, str]:
    """Names of arguments: the last word of the knob, unless it is taken."""
    taken = set(state.description.let) | {"fr", "jax", "np", "setting"}
    names: dict[Knob, str] = {}
    for knob in knobs:
        word = next(w for w in reversed(knob.name.split(" ")[0].split(".")) if w.isidentifier())
        own = knob.table == NAME and knob.name == knob.key
        while not own and (word in taken or word in names.values()):
            word += "_"
        names[knob] = word
    return names


def _class_name(state: State) -> tuple[str, list[str]]:
    name = state.description.setting
    if name in settings():
        return f"fr.{name}", []
    cls = setting_class(name).__name__
    return cls, ["from freeridge.settings import setting_class", "", f"{cls} = setting_class({name!r})"]


def _given(description: Description) -> dict[str, str]:
    """The fields that are not at their defaults."""
    parameters = inspect.signature(setting_class(description.setting)).parameters
    defaults = {name: repr(one.default) for name, one in parameters.items() if one.default is not one.empty}
    fields = {name: str(text) for name, text in description.fields.items()}
    return {name: text for name, text in fields.items() if text != defaults.get(name)}


def _code(text: str) -> str:
    """An expression of the command line as Python has it."""

    class Prefixed(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.AST:
            name = f"fr.{node.id}" if node.id in CONSTRUCTORS else _FUNCTIONS.get(node.id, node.id)
            return ast.copy_location(ast.Name(name), node)

    return ast.unparse(Prefixed().visit(parse(text, "eval")))


def _toml(text: str) -> str:
    try:
        float(text)
    except ValueError:
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return text if text not in ("inf", "nan") else f'"{text}"'
