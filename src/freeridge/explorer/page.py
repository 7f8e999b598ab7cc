"""What the page is made of; what happens on it is in ``callbacks``."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from dash import dcc, html

from freeridge.explorer.knobs import FIELD, NAME, Knob, knobs_of
from freeridge.explorer.ranges import Range
from freeridge.explorer.state import AUTOMATIC, SCALES, State, ranges_for, written

Component = Any  # dash has no types
# Nothing leaves this machine: there is no button that sends a chart away.
_AWAY = ["select2d", "lasso2d", "sendChartToCloud"]
_GRAPH: dict[str, Any] = {"displaylogo": False, "modeBarButtonsToRemove": _AWAY, "responsive": True}
_WAIT = "Computing. The first curve of a setting is compiled before: that takes seconds, or minutes."
_EMPTY: dict[str, Any] = {"data": [], "layout": {"xaxis": {"visible": False}, "yaxis": {"visible": False}}}


def layout(window: str, names: Mapping[str, str]) -> Component:
    """The page before its address is read.

    Parameters
    ----------
    window : str
        A name of this window, by which the server knows which of its requests is the latest.
    names : mapping of str to str
        Settings to choose from.
    """
    return html.Div(
        [
            dcc.Location(id="address", refresh=False),
            dcc.Store(id="window", data=window),
            dcc.Store(id="query"),
            dcc.Store(id="problem"),
            dcc.Store(id="kept"),  # the address that was written here last
            dcc.Store(id="job", storage_type="session"),
            dcc.Store(id="simulated", storage_type="session"),
            dcc.Interval(id="tick", interval=400),
            dcc.Download(id="file"),
            html.Header([html.H1("freeridge explorer"), html.P(id="about")]),
            html.Div(
                [
                    html.Section(
                        [
                            _labelled(
                                "Setting", "setting", dcc.Dropdown(list(names), id="setting", clearable=False)
                            ),
                            html.H2("Axes"),
                            _view(),
                            html.H2("Numbers"),
                            html.Div(id="knobs", className="knobs"),
                            html.Div(
                                [
                                    html.H2("Expressions"),
                                    html.P(
                                        "As on the command line. Enter takes a change over.", className="hint"
                                    ),
                                    html.Div(id="texts"),
                                ],
                                className="expressions",
                            ),
                        ],
                        className="panel",
                        **{"aria-label": "Fields"},
                    ),
                    html.Section([_picture(), _simulation(), _export()], className="result"),
                ],
                className="columns",
            ),
        ],
        className="page",
    )


def sliders(state: State) -> dict[Knob, Range]:
    """The numbers that can be moved."""
    ranges = ranges_for(state)
    return {knob: ranges[knob.name] for knob in knobs_of(state.description) if knob.name in ranges}


def expressions(state: State) -> list[tuple[str, str]]:
    """Tables and keys of the texts that are no mere number with a slider."""
    numbers = {(knob.table, knob.key) for knob in sliders(state) if knob.name == knob.key}
    tables = ((NAME, state.description.let), (FIELD, state.description.fields))
    return [(table, key) for table, held in tables for key in held if (table, key) not in numbers]


def is_like(state: State, before: State) -> tuple[bool, bool]:
    """Whether the sliders, and the boxes of expressions, are those of another state: then they stay where
    they are, with the focus in them, and only what they hold changes."""
    numbers, others = (
        [(knob.name, knob.live, found) for knob, found in sliders(one).items()] for one in (state, before)
    )
    return numbers == others, expressions(state) == expressions(before)


def slider_rows(state: State) -> list[Component]:
    """A slider for every number."""
    return [_slider(knob, found) for knob, found in sliders(state).items()]


def text_rows(state: State) -> list[Component]:
    """A box for every expression."""
    return [
        _text(table, key, str(getattr(state.description, table)[key])) for table, key in expressions(state)
    ]


def identity(kind: str, name: str) -> dict[str, str]:
    """The name of a component of which there are many."""
    return {"kind": kind, "name": name}


def _slider(knob: Knob, found: Range) -> Component:
    low, high = found.ends
    number = identity("number", knob.name)
    return html.Div(
        [
            html.Label(knob.name, htmlFor=_dom(number)),
            dcc.Input(
                id=number, type="text", inputMode="decimal", debounce=True, value=knob.text(knob.value),
                autoComplete="off",
            ),
            dcc.Slider(
                id=identity("slider", knob.name), min=low, max=high, step=found.step, marks=None,
                value=found.position(knob.value), updatemode="mouseup", allow_direct_input=False,
            ),
        ],
        className="knob" if knob.live else "knob slow",
        role="group",
        title="" if knob.live else "changes the size of the computation: redrawn when let go",
        **{"aria-label": knob.name},
    )  # fmt: skip


def _text(table: str, key: str, text: str) -> Component:
    box = identity("text", f"{table}.{key}")
    field = dcc.Input(id=box, type="text", debounce=True, value=text, spellCheck=False, autoComplete="off")
    return html.Div([html.Label(key, htmlFor=_dom(box)), field], className="text")


def _view() -> Component:
    """How to look at the numbers; what there is to choose from depends on the setting."""
    quantities = dcc.Dropdown([], [], id="shown", multi=True, placeholder="the first")
    ends = [
        _labelled(words, name, dcc.Input(id=name, type="text", inputMode="decimal", debounce=True))
        for words, name in (("from", "low"), ("to", "high"))
    ]
    return html.Div(
        [
            _labelled("Along the axis", "x", _choice("x")),
            html.Div(ends, className="pair"),
            _labelled("Phase diagram over", "y", _choice("y")),
            _labelled("Quantities", "shown", quantities),
            _labelled("Scale of the values", "scale", _choice("scale", SCALES, AUTOMATIC)),
        ],
        className="view",
    )  # fmt: skip


def view(state: State) -> tuple[Any, ...]:
    """Contents of the view: options and value of x, ends, options and value of y, quantities, scale.

    Which quantities there are is known with the first curve; until then those that are shown.
    """
    ranges = ranges_for(state)
    axes = [knob.name for knob in knobs_of(state.description) if knob.name in ranges]
    diagram = [{"label": "nothing: curves", "value": ""}, *axes]
    return (
        axes,
        state.x,
        written(state.low),
        written(state.high),
        diagram,
        state.y,
        list(state.shown),
        list(state.shown),
        state.scale,
    )


def _picture() -> Component:
    return html.Div(
        [
            html.Div(id="message", role="alert", className="message"),
            dcc.Loading(
                dcc.Graph(id="graph", figure=_EMPTY, config=_GRAPH, className="graph"),
                delay_show=400, show_initially=True, overlay_style={"visibility": "visible", "opacity": 0.6},
                custom_spinner=html.P(_WAIT, className="wait"),
            ),
            html.P(id="status", role="status", className="hint"),
            html.Div(
                [
                    html.Button("Pin curve", id="pin", title="Keep this curve to compare others with"),
                    html.Button("Remove pins", id="unpin"),
                ],
                className="buttons",
            ),
        ]
    )  # fmt: skip


def _simulation() -> Component:
    return html.Div(
        [
            html.H2("Simulation"),
            html.Div(
                [
                    html.Button("Simulate", id="simulate"),
                    html.Button("Cancel", id="cancel", disabled=True),
                    html.Progress(id="progress", value="0", max="1", **{"aria-label": "simulated points"}),
                    html.Span(id="progress-words", role="status", className="hint"),
                ],
                className="buttons",
            ),
        ]
    )


def _export() -> Component:
    downloads = [html.Button(kind.upper(), id=f"save-{kind}") for kind in ("png", "svg", "csv")]
    return html.Div(
        [
            html.H2("Take it with you"),
            html.Div([html.Span("Download"), *downloads], className="buttons"),
            _code("Python", "python"),
            _code("Command line", "command"),
        ]
    )


def _code(title: str, name: str) -> Component:
    return html.Details(
        [
            html.Summary(title),
            html.Div(
                [
                    dcc.Clipboard(target_id=name, title=f"Copy the {title}", className="copy"),
                    html.Pre(id=name, tabIndex="0", **{"aria-label": title}),
                ],
                className="code",
            ),
        ],
        open=name == "python",
    )


def _choice(name: str, options: Sequence[str] = (), value: str | None = None) -> Component:
    return dcc.Dropdown(list(options), value, id=name, clearable=False)


def _labelled(words: str, name: str, component: Component) -> Component:
    return html.Div([html.Label(words, htmlFor=name), component], className="labelled")


def _dom(name: dict[str, str]) -> str:
    """The identity of a component of many, as the browser has it."""
    return json.dumps(name, sort_keys=True, separators=(",", ":"))
