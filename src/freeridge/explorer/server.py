"""The server of the page: on this machine alone."""

import logging
import socket
import uuid
import webbrowser
from collections.abc import Sequence
from pathlib import Path
from threading import Timer
from typing import Any

import flask
from dash import Dash
from werkzeug.serving import make_server

from freeridge.explorer.actions import connect_downloads, connect_pins, connect_simulation
from freeridge.explorer.callbacks import connect_address, connect_picture
from freeridge.explorer.jobs import Jobs
from freeridge.explorer.page import layout
from freeridge.settings import setting_class, settings
from freeridge.solvers.errors import InvalidSetting

_LOOPBACK = "127.0.0.1"
_LAST_PORT = 65535
_HOSTS = {_LOOPBACK, "localhost"}


def make_app(files: Sequence[str], jobs: Jobs) -> Dash:
    """The application, with the settings of the library and those in files.

    Raises
    ------
    InvalidSetting
        When a file holds no setting.
    """
    for file in files:
        setting_class(file)
    names = {**settings(), **{file: file for file in files}}
    app = Dash(
        "freeridge", title="freeridge explorer", update_title="", serve_locally=True,
        assets_folder=str(Path(__file__).parent / "assets"), suppress_callback_exceptions=True,
    )  # fmt: skip

    @app.server.before_request
    def only_from_here() -> Any:
        """Refuse what a page from elsewhere sends under a name of its own that leads to this machine."""
        if flask.request.host.partition(":")[0] not in _HOSTS:
            flask.abort(403)

    app.layout = lambda: layout(uuid.uuid4().hex, names)
    connect_address(app, names)
    connect_picture(app, names)
    connect_pins(app, names)
    connect_simulation(app, names, jobs)
    connect_downloads(app, names)
    return app


def serve(files: Sequence[str], port: int, browser: bool) -> None:
    """Serve until interrupted.

    Parameters
    ----------
    files : sequence of str
        Python files with settings of your own.
    port : int
        0 for any that is free.
    browser : bool
        Open the page.

    Raises
    ------
    InvalidSetting
        When the port is taken.
    """
    if not 0 <= port <= _LAST_PORT:
        raise InvalidSetting("port", port, f"a whole number from 0, for any that is free, to {_LAST_PORT}")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    jobs = Jobs()
    app = make_app(files, jobs)
    try:
        listening = socket.create_server((_LOOPBACK, port))
    except OSError as error:
        raise InvalidSetting("port", port, f"a port that is free, or 0 for any; {error.strerror}") from None
    port = listening.getsockname()[1]
    server = make_server(_LOOPBACK, port, app.server, threaded=True, fd=listening.fileno())
    address = f"http://{_LOOPBACK}:{port}/"
    print(f"freeridge explorer at {address} (Ctrl-C ends it)", flush=True)
    if browser:
        Timer(0.5, webbrowser.open, [address]).start()
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        jobs.close()
        server.server_close()
        listening.close()
