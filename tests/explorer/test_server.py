"""The server: what it may be asked for, and by whom."""

import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.explorer.own import OWN

from freeridge.explorer.jobs import Jobs
from freeridge.explorer.server import make_app, serve
from freeridge.parsing import parse
from freeridge.solvers.errors import InvalidSetting


def test_only_names_of_this_machine_are_answered() -> None:
    client = make_app([OWN], Jobs()).server.test_client()
    answers = {
        host: client.get("/", headers={"Host": host}) for host in ("localhost:8050", "127.0.0.1", "a.org")
    }
    assert [answer.status_code for answer in answers.values()] == [200, 200, 403]
    for answer in answers.values():
        answer.close()


def test_a_file_without_a_setting_is_refused_at_the_start() -> None:
    with pytest.raises(InvalidSetting, match=r"nowhere\.py"):
        make_app(["nowhere.py"], Jobs())


def test_a_port_that_is_no_port_is_named() -> None:
    with pytest.raises(InvalidSetting, match="port = 70000"):
        serve([], 70000, browser=False)


def test_windows_parse_by_turns() -> None:
    """Python 3.11 alone raises SystemError here, now and then."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(4) as pool:
            texts = [f"PowerLaw({n}, exponent=[1.0, {n}])" for n in range(200)]
            trees = list(pool.map(lambda text: parse(text, "eval"), texts))
    finally:
        sys.setswitchinterval(interval)
    assert [tree.body.args[0].value for tree in trees] == list(range(200))  # type: ignore[attr-defined]
