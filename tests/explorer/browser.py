"""A server and a page for the tests in a browser."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import numpy as np
from playwright.sync_api import BrowserContext, Locator, Page

# A page answers within a second; on a machine that is busy with something else it may take long.
PATIENCE = 30_000


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The command, as one types it: where its page is, until the end of the test."""
    shutil.copy(Path(__file__).parent / "least_squares.py", folder)
    words = ["explore", "--port", "0", "--no-browser", "least_squares.py"]
    process = subprocess.Popen(
        [sys.executable, "-c", "import sys; from freeridge.cli import main; sys.exit(main())", *words],
        cwd=folder, env=os.environ | {"XDG_CACHE_HOME": str(folder)}, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with process:
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            found = re.search(r"http://127\.0\.0\.1:\d+/", line)
            assert found, f"no address in {line!r}"
            yield found[0]
        finally:
            process.terminate()


def chromium() -> str:
    """Where Chromium is."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    assert found, f"no {', '.join(names)} on the PATH: install one, or say CHROMIUM=/where/it/is"
    return found


class Screen:
    """A page of the explorer, by what a person sees of it."""

    def __init__(self, context: BrowserContext, home: str) -> None:
        self.page: Page = context.new_page()
        self.page.set_default_timeout(PATIENCE)
        self.home = home
        self.console: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda said: self.console.append(f"{said.type}: {said.text}"))
        self.page.on("pageerror", lambda error: self.console.append(f"error: {error}"))
        self.page.on("request", lambda request: self.requests.append(request.url))

    def open(self, query: str = "") -> "Screen":
        """Go to an address, and wait for its picture."""
        self.page.goto(f"{self.home}?{query}" if query else self.home)
        return self.drawn()

    def drawn(self) -> "Screen":
        self.page.wait_for_function("document.querySelector('.js-plotly-plot')?.data?.length > 0")
        self.page.wait_for_function("/ computed in /.test(document.querySelector('#status').innerText)")
        self.until(lambda: bool(self.address()), "an address")
        return self

    def until(self, condition: Callable[[], bool], words: str = "what was waited for") -> None:
        for _ in range(PATIENCE // 50):
            if condition():
                return
            self.page.wait_for_timeout(50)
        raise AssertionError(f"{words} does not come; message {self.message!r}, address {self.page.url}")

    def address(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.page.url).query, keep_blank_values=True))

    def addressed(self, **entries: str | None) -> None:
        """Wait for entries of the address."""
        self.until(
            lambda: all(self.address().get(k.replace("__", ".")) == v for k, v in entries.items()),
            f"{entries} in the address",
        )

    @property
    def message(self) -> str:
        return self.page.locator("#message").inner_text()

    def traces(self) -> int:
        return int(self.page.evaluate("document.querySelector('.js-plotly-plot').data.length"))

    def trace(self, number: int = 0) -> dict[str, Any]:
        """What is drawn: name, x, y, z, error bars."""
        found: dict[str, Any] = self.page.evaluate(
            """number => {
                const one = document.querySelector('.js-plotly-plot')._fullData[number];
                const row = v => v?.length === undefined ? v : Array.from(v);
                const plain = list => list ? Array.from(list, row) : null;
                return {name: one.name, x: plain(one.x), y: plain(one.y), z: plain(one.z),
                        custom: plain(one.customdata), error: plain(one.error_y?.array), mode: one.mode};
            }""",
            number,
        )
        return found

    def curve(self, number: int = 0) -> tuple[np.ndarray, np.ndarray]:
        found = self.trace(number)
        return np.array(found["x"], float), np.array(found["y"], float)

    def changed(self, before: np.ndarray) -> None:
        """Wait for another curve than this one."""
        self.until(lambda: not self.shows(before), "another curve")

    def shows(self, before: np.ndarray) -> bool:
        """Whether this is the curve, gaps included."""
        return np.array_equal(self.curve()[1], before, equal_nan=True)

    def group(self, name: str) -> Locator:
        return self.page.get_by_role("group", name=name, exact=True)

    def slider(self, name: str) -> Locator:
        return self.group(name).get_by_role("slider")

    def box(self, name: str) -> Locator:
        return self.page.get_by_label(name, exact=True).and_(self.page.locator("input"))

    def write(self, name: str, text: str) -> None:
        box = self.box(name)
        box.fill(text)
        box.press("Enter")

    def choose(self, name: str, option: str) -> None:
        """An option of a dropdown."""
        self.page.locator(f"#{name}").click()
        self.page.get_by_role("option", name=option, exact=True).click()
        if name == "shown":
            self.page.keyboard.press("Escape")

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)
