"""From the address to the inputs, from the inputs to the picture, and from the picture to the address.

The state is in the browser: in its address and in its inputs. The server remembers nothing but compiled
programs, running simulations, and which request of a window is its latest.
"""

import inspect
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dash import ALL, Dash, Input, Output, State, ctx, no_update
from dash.exceptions import PreventUpdate

from freeridge.explorer.moves import Control, Latest, moves_of, pick
from freeridge.explorer.page import expressions, is_like, slider_rows, sliders, text_rows, view
from freeridge.explorer.pictures import figure
from freeridge.explorer.recipe import command, python
from freeridge.explorer.screen import Points, Screen, compute
from freeridge.explorer.state import State as Shown
from freeridge.explorer.state import end_of_axis, ranges_for, read_query, start, with_axis
from freeridge.settings import setting_class
from freeridge.solvers.errors import InvalidSetting

_VIEW = (
    ("x", "options"), ("x", "value"), ("low", "value"), ("high", "value"), ("y", "options"), ("y", "value"),
    ("shown", "options"), ("shown", "value"), ("scale", "value"),
)  # fmt: skip
_SLIDERS, _NUMBERS, _TEXTS = ({"kind": kind, "name": ALL} for kind in ("slider", "number", "text"))


def connect_address(app: Dash, names: Mapping[str, str]) -> None:
    """What reads and writes the address."""

    @app.callback(
        Output("setting", "value"),
        Output("knobs", "children"),
        Output("texts", "children"),
        Output(_NUMBERS, "value", allow_duplicate=True),
        Output(_SLIDERS, "value", allow_duplicate=True),
        Output(_SLIDERS, "drag_value", allow_duplicate=True),
        Output(_TEXTS, "value", allow_duplicate=True),
        Output("about", "children"),
        Output("query", "data"),
        Output("problem", "data"),
        Output("kept", "data"),
        *(Output(*prop) for prop in _VIEW),
        Input("address", "search"),
        State("query", "data"),
        State("kept", "data"),
        prevent_initial_call="initial_duplicate",
    )
    def open_address(search: str | None, query: str | None, kept: str | None) -> Any:
        """Make the inputs from the address, unless they wrote it: they may have moved on since."""
        address = (search or "").removeprefix("?")
        if query is not None and address in (query, kept):
            raise PreventUpdate
        try:
            state, problem = read_query(address, names), ""
        except InvalidSetting as error:
            state, problem = read_query("", names), str(error)
        name = state.description.setting
        about = (inspect.getdoc(setting_class(name)) or "").partition("\n\n")[0].replace("$", "")
        old = None if query is None else read_query(query, names)
        parts = _contents(state, old, [len(held) for held in (ctx.outputs_list[3], ctx.outputs_list[6])])
        return (
            name,
            *parts,
            about.replace("\n", " "),
            state.query(),
            problem,
            "",
            *view(state),
        )

    @app.callback(
        Output("address", "search", allow_duplicate=True),
        Input("setting", "value"),
        State("query", "data"),
        prevent_initial_call=True,
    )
    def choose(setting: str, query: str | None) -> str:
        """Another setting begins where its docstring does."""
        if query is None or read_query(query, names).description.setting == setting:
            raise PreventUpdate
        return "?" + start(setting).query()

    @app.callback(
        Output("address", "search", allow_duplicate=True),
        Input(_TEXTS, "value"),
        Input("x", "value"),
        State("query", "data"),
        prevent_initial_call=True,
    )
    def rewrite(texts: list[str], x: str, query: str) -> str:
        """Another expression, or another axis, has other numbers: the inputs are made anew."""
        state = read_query(query, names)
        tables = {"let": dict(state.description.let), "fields": dict(state.description.fields)}
        for entry, text in zip(ctx.inputs_list[0], texts, strict=True):
            table, _, key = entry["id"]["name"].partition(".")
            tables[table][key] = text or ""
        state = replace(
            state, description=replace(state.description, let=tables["let"], fields=tables["fields"])
        )
        if x != state.x:
            state = replace(with_axis(state, x), y="" if state.y == x else state.y)
        if state.query() == query:
            raise PreventUpdate
        return "?" + state.query()

    @app.callback(
        Output("address", "search", allow_duplicate=True),
        Output("kept", "data", allow_duplicate=True),
        Input("query", "data"),
        State(_SLIDERS, "drag_value"),
        State(_SLIDERS, "value"),
        State("address", "search"),
        prevent_initial_call=True,
    )
    def keep_address(query: str, dragged: list[Any], places: list[Any], search: str | None) -> Any:
        """When a slider is let go, and not at each of its steps, which are no history to go back through."""
        under_hand = any(d is not None and d != place for d, place in zip(dragged, places, strict=True))
        if under_hand or (search or "").removeprefix("?") == query:
            raise PreventUpdate
        return "?" + query, query


def connect_picture(app: Dash, names: Mapping[str, str]) -> None:
    """What draws."""
    latest = Latest()

    @app.callback(
        Output("graph", "figure"),
        Output("message", "children"),
        Output("status", "children"),
        Output("python", "children"),
        Output("command", "children"),
        Output("query", "data", allow_duplicate=True),
        Output(_NUMBERS, "value"),
        Output(_SLIDERS, "value"),
        Output(_SLIDERS, "drag_value"),
        Output(_TEXTS, "value"),
        Output("shown", "options", allow_duplicate=True),
        Output("problem", "data", allow_duplicate=True),
        Input(_SLIDERS, "drag_value"),
        Input(_SLIDERS, "value"),
        Input(_NUMBERS, "value"),
        Input("low", "value"),
        Input("high", "value"),
        Input("y", "value"),
        Input("shown", "value"),
        Input("scale", "value"),
        Input("simulated", "data"),
        State("window", "data"),
        State("query", "data"),
        State("problem", "data"),
        prevent_initial_call="initial_duplicate",
    )
    def draw(
        dragged: list[float | None], places: list[float], numbers: list[str], low: Any, high: Any, y: str,
        shown: list[str] | None, scale: str, simulated: Any, window: str, query: str | None, problem: str,
    ) -> Any:  # fmt: skip
        """Compute and draw what the inputs say; where that cannot be, the last picture stays."""
        if query is None:
            raise PreventUpdate
        request = latest.begin(window)
        with latest.turn(window):
            if latest.is_stale(window, request):
                raise PreventUpdate
            state = read_query(query, names)
            sliders = [entry["id"]["name"] for entry in ctx.inputs_list[0]]
            held = dict(zip(sliders, map(Control, dragged, places, numbers), strict=True))
            moves = moves_of(state, ranges_for(state), held)
            boxes, places = (pick(sliders, part, no_update) for part in (moves.boxes, moves.places))
            try:
                state = replace(
                    moves.apply(state), low=end_of_axis("from", low), high=end_of_axis("to", high),
                    y=y or "", scale=scale, shown=tuple(shown or ()),
                )  # fmt: skip
                screen = compute(state, points(simulated), names)
            except InvalidSetting as error:
                same = [[no_update] * len(held) for held in (sliders, sliders, ctx.outputs_list[9])]
                # What is in a box stays, and its slider where it was.
                return no_update, str(error), *[no_update] * 4, boxes, *same, no_update, no_update
            if state.query() != query:
                problem = ""  # it was about an address that has been left
            return (
                figure(screen), problem, _status(screen), python(state, *screen.points),
                command(state, *screen.points), state.query(), boxes, places, places,
                _texts(state, ctx.outputs_list[9]), screen.names, problem,
            )  # fmt: skip


def _contents(state: Shown, before: Shown | None, sizes: list[int]) -> tuple[Any, ...]:
    """Rows of sliders and of boxes, where there must be others, and what each holds where there need not."""
    rows, boxes = [no_update] * sizes[0], [no_update] * sizes[1]
    same_sliders, same_texts = is_like(state, before) if before else (False, False)
    numbers, places, texts = rows, rows, boxes
    if same_sliders:
        found = sliders(state)
        numbers = [knob.text(knob.value) for knob in found]
        places = [one.position(knob.value) for knob, one in found.items()]
    if same_texts:
        texts = [str(getattr(state.description, table)[key]) for table, key in expressions(state)]
    return (
        no_update if same_sliders else slider_rows(state), no_update if same_texts else text_rows(state),
        numbers, places, places, texts,
    )  # fmt: skip


def points(simulated: Any) -> dict[str, Points]:
    """Simulated points as the browser keeps them."""
    return {query: Points(**part) for query, part in (simulated or {}).items()}


def _texts(state: Shown, boxes: list[Any]) -> list[str]:
    """The expressions, in which a slider has turned a number."""
    names = [entry["id"]["name"].partition(".") for entry in boxes]
    return [str(getattr(state.description, table)[key]) for table, _, key in names]


def _status(screen: Screen) -> str:
    found = f"{screen.z.size} points" if screen.state.y else f"{len(screen.curves[0].x)} points"
    missing = [curve.label for curve in screen.curves[1:] if not set(screen.shown) <= set(curve.values)]
    other = f" Without {', '.join(screen.shown)}: {'; '.join(missing)}." if missing else ""
    return f"{found}, {screen.message}; computed in {1e3 * screen.seconds:.0f} ms.{other}"
