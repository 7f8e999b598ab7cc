"""What the buttons do: pins, simulations, downloads."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dash import Dash, Input, Output, State, ctx, dcc, no_update
from dash.exceptions import PreventUpdate

from freeridge.explorer.callbacks import points
from freeridge.explorer.jobs import Jobs
from freeridge.explorer.pictures import image
from freeridge.explorer.screen import compute
from freeridge.explorer.state import read_query
from freeridge.solvers.errors import InvalidSetting

_MOST_PINS = 6  # with the current one as many as there are colours
_MOST_KEPT = 8  # simulations that a window remembers


def connect_pins(app: Dash, names: Mapping[str, str]) -> None:
    """Pins are in the address, like everything else."""

    @app.callback(
        Output("address", "search", allow_duplicate=True),
        Input("pin", "n_clicks"),
        Input("unpin", "n_clicks"),
        State("query", "data"),
        prevent_initial_call=True,
    )
    def pin(pinned: int | None, unpinned: int | None, query: str | None) -> str:
        if query is None or not ctx.triggered_id:
            raise PreventUpdate
        state = read_query(query, names)
        here = state.query(pins=False)
        kept = [one for one in state.pins if one != here]
        pins = () if ctx.triggered_id == "unpin" else (*kept, here)[-_MOST_PINS:]
        if pins == state.pins or state.y:
            raise PreventUpdate
        return "?" + replace(state, pins=pins).query()


def connect_simulation(app: Dash, names: Mapping[str, str], jobs: Jobs) -> None:
    """A simulation runs in a process; a clock of the page asks how far it is."""

    @app.callback(
        Output("job", "data"),
        Output("tick", "disabled"),
        Output("progress-words", "children"),
        Input("simulate", "n_clicks"),
        State("query", "data"),
        prevent_initial_call=True,
    )
    def simulate(clicks: int | None, query: str | None) -> Any:
        if not clicks or query is None:
            raise PreventUpdate
        state = read_query(query, names)
        if state.y:
            return no_update, no_update, "a phase diagram has no points to simulate: choose curves"
        return jobs.start(state, names), False, "starting"

    @app.callback(Input("cancel", "n_clicks"), State("job", "data"), prevent_initial_call=True)
    def cancel(clicks: int | None, name: str | None) -> None:
        if name:
            jobs.stop(name)

    @app.callback(
        Output("simulated", "data"),
        Output("progress", "value"),
        Output("progress", "max"),
        Output("progress-words", "children", allow_duplicate=True),
        Output("tick", "disabled", allow_duplicate=True),
        Output("simulate", "disabled"),
        Output("cancel", "disabled"),
        Input("tick", "n_intervals"),
        State("job", "data"),
        State("simulated", "data"),
        prevent_initial_call=True,
    )
    def follow(ticks: int | None, name: str | None, simulated: Any) -> Any:
        job = jobs.get(name) if name else None
        if job is None:
            return no_update, "0", "1", "", True, False, True
        done = len(job.points) + len(job.refused)
        words = f"{len(job.points)} of {job.total} points"
        if job.refused:
            words += f"; refused: {job.refused[0]}"
        if not job.running and done < job.total:
            words += "; stopped"
        kept, found = dict(simulated or {}), job.as_points()._asdict()
        fresh = bool(job.points) and kept.get(job.curve) != found
        if fresh:
            kept.pop(job.curve, None)
            kept = dict([*kept.items(), (job.curve, found)][-_MOST_KEPT:])
        ended = not job.running
        return kept if fresh else no_update, str(done), str(job.total), words, ended, not ended, ended


def connect_downloads(app: Dash, names: Mapping[str, str]) -> None:
    """The picture in the style of the figures, and its numbers."""

    @app.callback(
        Output("file", "data"),
        Input("save-png", "n_clicks"),
        Input("save-svg", "n_clicks"),
        Input("save-csv", "n_clicks"),
        State("query", "data"),
        State("simulated", "data"),
        prevent_initial_call=True,
    )
    def save(png: int | None, svg: int | None, table: int | None, query: str | None, simulated: Any) -> Any:
        if query is None or not ctx.triggered_id:
            raise PreventUpdate
        kind = str(ctx.triggered_id).removeprefix("save-")
        state = read_query(query, names)
        try:
            screen = compute(state, points(simulated), names)
        except InvalidSetting:
            raise PreventUpdate from None  # the page says what is wrong
        name = f"{state.description.setting.rpartition(':')[2]}.{kind}"
        if kind == "csv":
            return dcc.send_string(screen.as_csv(), name)
        return dcc.send_bytes(image(screen, kind), name)
