"""The explorer in a real browser: what a person does with it, and what the API says to the same fields."""

import csv
import io
import socket
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit
from urllib.request import Request, urlopen

import numpy as np
import pytest
from playwright.sync_api import Browser, BrowserContext, sync_playwright
from tests.explorer.browser import Screen, chromium, served

import freeridge as fr
from freeridge.settings import setting_class

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("explorer")


@pytest.fixture(scope="module")
def home(folder: Path) -> Iterator[str]:
    with served(folder) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium(), args=flags)
        yield opened
        opened.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    yield context
    context.close()


@pytest.fixture
def screen(context: BrowserContext, home: str) -> Iterator[Screen]:
    """A page; whatever is done to it, nothing leaves the machine and the console has no errors."""
    screen = Screen(context, home)
    yield screen
    assert {urlsplit(url).hostname for url in screen.requests if url.startswith("http")} == {"127.0.0.1"}
    assert not [line for line in screen.console if line.startswith("error")]


def _setting(folder: Path, n: float, noise: float = 0.5, scale: float = 2.0) -> Any:
    """By the API."""
    return setting_class("least_squares.py", folder)(fr.Isotropic(20, scale), n, noise)


def _is_the_curve_of(screen: Screen, folder: Path, **fields: float) -> None:
    x, y = screen.curve()
    places = [place for place in range(len(x)) if x[place] > 20][::25]
    expected = [float(_setting(folder, x[place], **fields).predict().risk) for place in places]
    np.testing.assert_allclose(y[places], expected, rtol=1e-9)


def test_a_slider_moves_the_curve(screen: Screen, folder: Path) -> None:
    screen.open()
    _is_the_curve_of(screen, folder)
    for _ in range(3):
        screen.slider("noise_variance").press("ArrowRight")
    screen.addressed(noise_variance="0.537032")
    assert screen.box("noise_variance").input_value() == "0.537032"
    _is_the_curve_of(screen, folder, noise=0.537032)
    # a number inside an expression, and the expression with it
    screen.slider("covariance.scale").press("ArrowRight")
    screen.addressed(covariance="Isotropic(20, scale=2.04174)")
    assert screen.box("covariance").input_value() == "Isotropic(20, scale=2.04174)"
    screen.choose("shown", "weights_error")
    screen.until(lambda: screen.trace()["name"] == "weights_error", "another quantity")
    x, y = screen.curve()
    expected = _setting(folder, x[50], 0.537032, 2.04174).predict().weights_error
    assert y[50] == pytest.approx(float(expected), rel=1e-9)


def test_a_slider_under_the_hand_redraws_and_writes_the_address_when_it_is_let_go(
    screen: Screen, folder: Path
) -> None:
    screen.open()
    address, before, page = screen.page.url, screen.curve()[1], screen.page
    slider = screen.slider("noise_variance")
    slider.scroll_into_view_if_needed()
    place = slider.bounding_box()
    assert place
    x, y = place["x"] + place["width"] / 2, place["y"] + place["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    for step in range(1, 9):
        page.mouse.move(x + 4 * step, y)
    screen.changed(before)
    moved = screen.curve()[1]
    page.mouse.move(x + 60, y)
    screen.changed(moved)
    assert page.url == address
    page.mouse.up()
    screen.until(lambda: page.url != address, "the address")
    number = f"{10 ** float(str(slider.get_attribute('aria-valuenow'))):.6g}"
    screen.until(lambda: screen.box("noise_variance").input_value() == number, "the number in its box")
    screen.addressed(noise_variance=number)
    _is_the_curve_of(screen, folder, noise=float(number))


def test_a_number_is_typed_and_an_expression_edited(screen: Screen, folder: Path) -> None:
    screen.open()
    screen.write("noise_variance", "1 / 8")
    screen.addressed(noise_variance="0.125")
    _is_the_curve_of(screen, folder, noise=0.125)
    place = screen.slider("noise_variance").get_attribute("aria-valuenow")
    assert float(str(place)) == pytest.approx(np.log10(0.125))
    # a slider goes on from there, also after a whole number
    screen.write("noise_variance", "1")
    screen.addressed(noise_variance="1.0")
    screen.slider("noise_variance").press("ArrowLeft")
    screen.until(lambda: screen.box("noise_variance").input_value() == "0.977237", "a step down from 1")
    screen.write("covariance", "Isotropic(20, scale=1.5)")
    screen.addressed(covariance="Isotropic(20, scale=1.5)")
    screen.until(lambda: screen.box("covariance.scale").input_value() == "1.5", "the number in its box")
    assert screen.page.evaluate("document.activeElement.value") == "Isotropic(20, scale=1.5)"
    # a number along whose axis the curve goes: nothing moves but the address
    before = screen.curve()[1]
    screen.slider("n").press("ArrowRight")
    screen.slider("n").press("ArrowRight")
    screen.addressed(n="42")
    np.testing.assert_array_equal(screen.curve()[1], before)
    _is_the_curve_of(screen, folder, noise=0.977237)


def test_other_sliders_come_with_another_expression_and_the_back_button_undoes(
    screen: Screen, folder: Path
) -> None:
    screen.open("view.show=weights_error")
    before = screen.curve()[1]
    screen.write("covariance", "TwoAtoms(20, [1.0, 10.0], 0.5)")
    screen.slider("covariance.values.0").wait_for()
    screen.changed(before)
    assert screen.page.evaluate("document.activeElement.value") == "TwoAtoms(20, [1.0, 10.0], 0.5)"
    x, y = screen.curve()
    atoms = fr.TwoAtoms(20, [1.0, 10.0], 0.5)
    expected = setting_class("least_squares.py", folder)(atoms, x[90], 0.5).predict().weights_error
    assert y[90] == pytest.approx(float(expected), rel=1e-9)
    screen.page.go_back()
    screen.slider("covariance.scale").wait_for()
    screen.until(lambda: screen.shows(before), "the curve of before")
    assert screen.box("covariance").input_value() == "Isotropic(20, scale=2.0)"


def test_another_axis_a_diagram_and_several_quantities(screen: Screen, folder: Path) -> None:
    screen.open()
    screen.choose("x", "noise_variance")
    screen.addressed(**{"view.x": "noise_variance"})
    screen.until(lambda: screen.curve()[0][-1] == 5.0, "the other axis")
    x, y = screen.curve()
    expected = [float(_setting(folder, 40, value).predict().risk) for value in x[::50]]
    np.testing.assert_allclose(y[::50], expected, rtol=1e-9)
    screen.choose("shown", "risk")
    screen.choose("shown", "weights_error")
    screen.until(lambda: screen.traces() == 2, "two curves")
    assert [screen.trace(number)["name"] for number in (0, 1)] == ["risk", "weights_error"]
    np.testing.assert_allclose(screen.curve(1)[1], y / 2)
    screen.choose("y", "n")
    screen.until(lambda: screen.trace()["z"] is not None, "a diagram")
    found = screen.trace()
    for i, j in ((0, 20), (17, 25), (40, 30)):
        risk = _setting(folder, found["y"][j], found["x"][i]).predict().risk
        assert found["custom"][j][i] == pytest.approx(float(risk), rel=1e-9)


@pytest.mark.parametrize(
    "name, text, right",
    [
        ("noise_variance", "abc", "0.25"),
        ("noise_variance", "-1", "0.25"),
        ("covariance", "Isotropic(20,", "Isotropic(20, scale=2.5)"),
    ],
)
def test_bad_input_is_named_and_can_be_mended(screen: Screen, name: str, text: str, right: str) -> None:
    screen.open()
    screen.write(name, text)
    alert = screen.page.get_by_role("alert")
    screen.until(lambda: name in alert.inner_text(), "a message")
    assert text in alert.inner_text()
    assert screen.traces() == 1 and len(screen.curve()[0]) > 100
    screen.write(name, right)
    screen.until(lambda: alert.inner_text() == "", "no message")
    screen.addressed(**{name: right})
    before = screen.curve()[1]
    screen.slider("noise_variance").press("ArrowRight")
    screen.changed(before)


def test_an_address_with_nonsense_says_so_until_something_moves(screen: Screen) -> None:
    screen.open("colour=blue")
    screen.until(lambda: "colour" in screen.message, "a message")
    before = screen.curve()[1]
    screen.slider("noise_variance").press("ArrowRight")
    screen.changed(before)
    screen.until(lambda: screen.message == "", "no message")


def test_windows_do_not_disturb_each_other(browser: Browser, screen: Screen, home: str, folder: Path) -> None:
    other = browser.new_context()
    screens = [screen, Screen(screen.page.context, home), Screen(other, home)]
    queries = ("", "noise_variance=0.1", "n=50")
    names = ("noise_variance", "covariance.scale", "noise_variance")
    for one, query in zip(screens, queries, strict=True):
        one.open(query)
    for _ in range(4):  # by turns, without waiting for an answer
        for one, name in zip(screens, names, strict=True):
            one.page.evaluate(
                "name => document.querySelector(`[aria-label='${name}'] [role=slider]`).focus()", name
            )
            one.page.keyboard.press("ArrowRight")
    screens[0].addressed(noise_variance="0.549541", covariance=None, n=None)
    screens[1].addressed(noise_variance="0.1", covariance="Isotropic(20, scale=2.18776)", n=None)
    screens[2].addressed(noise_variance="0.549541", covariance=None, n="50")
    _is_the_curve_of(screens[0], folder, noise=0.549541)
    _is_the_curve_of(screens[1], folder, noise=0.1)
    other.close()


def test_a_reload_keeps_everything(screen: Screen, folder: Path) -> None:
    query = {
        "noise_variance": "0.25",
        "view.low": "25",
        "view.high": "60",
    }
    screen.open(urlencode(query))
    screen.button("Pin curve").click()
    screen.until(lambda: screen.traces() == 2, "a pin")
    screen.slider("noise_variance").press("ArrowRight")
    screen.until(lambda: "noise_variance = 0.25" in screen.trace(1)["name"], "what differs")
    screen.choose("shown", "weights_error")
    screen.choose("shown", "risk")
    screen.choose("scale", "logarithmic")
    screen.until(lambda: screen.traces() == 4, "two quantities")
    # a simulation: its progress, then its points with error bars
    screen.button("Simulate").click()
    words = screen.page.locator("#progress-words")
    screen.until(lambda: words.inner_text() == "9 of 9 points", "nine points")
    screen.until(lambda: screen.traces() == 6 and len(screen.trace(1)["x"]) == 9, "simulated points")
    points = next(
        one for one in map(screen.trace, range(6)) if one["mode"] == "markers" and "risk" in one["name"]
    )
    noise = float(screen.box("noise_variance").input_value())
    for n, mean, error in list(zip(points["x"], points["y"], points["error"], strict=True))[::4]:
        expected = _setting(folder, n, noise).simulate(0, 20)
        assert (mean, error) == (expected.mean["risk"], expected.standard_error["risk"])
    screen.addressed(view__scale="logarithmic")
    url, before = screen.page.url, [screen.trace(number) for number in range(6)]
    screen.page.reload()
    screen.drawn()
    screen.until(lambda: screen.traces() == 6, "all that was there")
    assert [screen.trace(number) for number in range(6)] == before and screen.page.url == url
    screen.button("Remove pins").click()
    screen.until(lambda: screen.traces() == 4, "no pin")


def test_a_simulation_is_cancelled_and_its_points_stay(screen: Screen) -> None:
    screen.open(urlencode({"covariance": "Isotropic(300)", "view.low": "900", "view.high": "1500"}))
    screen.button("Simulate").click()
    screen.until(lambda: screen.traces() == 2, "a simulated point")
    screen.button("Cancel").click()
    words = screen.page.locator("#progress-words")
    screen.until(lambda: words.inner_text().endswith("stopped"), "the end")
    kept = len(screen.trace(1)["x"])
    assert words.inner_text() == f"{kept} of 9 points; stopped" and kept < 9
    screen.until(lambda: screen.button("Simulate").is_enabled() and screen.button("Cancel").is_disabled())


def test_what_is_copied_and_downloaded_has_the_numbers(
    screen: Screen, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    screen.open()
    screen.page.get_by_title("Copy the Python").click()
    copied = ""

    def is_there() -> bool:
        nonlocal copied
        copied = screen.page.evaluate("navigator.clipboard.readText()")
        return "def setting(" in copied

    screen.until(is_there, "the Python in the clipboard")
    monkeypatch.chdir(folder)
    left: dict[str, Any] = {}
    with redirect_stdout(io.StringIO()):
        exec(compile(copied, "copied", "exec"), left)
    x, y = screen.curve()
    np.testing.assert_array_equal(left["n"], x)
    certified = left["curve"].code == 0
    np.testing.assert_allclose(left["curve"].risk[certified], y[certified], rtol=1e-9)
    begins = {"PNG": b"\x89PNG", "SVG": b"<?xml", "CSV": b"curve,kind,n,"}
    for kind, begin in begins.items():
        with screen.page.expect_download() as waiting:
            screen.button(kind).click()
        content = Path(waiting.value.path()).read_bytes()
        assert waiting.value.suggested_filename == f"least_squares.py.{kind.lower()}" and content.startswith(
            begin
        )
    rows = list(csv.DictReader(io.StringIO(content.decode())))
    assert [float(row["n"]) for row in rows] == x.tolist()
    written = np.array([float(row["risk"]) for row in rows])
    np.testing.assert_array_equal(written[certified], y[certified])


def test_the_keyboard_alone_will_do(screen: Screen) -> None:
    screen.open()
    page, seen = screen.page, []
    page.locator("body").press("Tab")
    for _ in range(40):
        found = page.evaluate(
            """() => {
                const one = document.activeElement;
                const style = getComputedStyle(one.closest('.dash-input-container') || one);
                const group = one.closest('[role=group]')?.ariaLabel;
                return [one.role || one.getAttribute('role') || one.tagName, one.id || group || one.innerText,
                        style.outlineStyle !== 'none' || style.boxShadow !== 'none'];
            }"""
        )
        seen.append(found)
        page.keyboard.press("Tab")
    names = [str(name) for _, name, _ in seen]
    for wanted in ("setting", "x", "low", "y", "shown", "scale", "pin", "simulate", "save-png", "python"):
        assert wanted in names, wanted
    assert {name for role, name, _ in seen if role == "slider"} == {
        "covariance.d",
        "covariance.scale",
        "n",
        "noise_variance",
    }
    assert not [one for one in seen if not one[2] and one[0] != "BODY"], "focus is not to be seen"


def test_a_narrow_window_has_all_of_it(browser: Browser, home: str) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 800})
    screen = Screen(context, home).open()
    assert screen.page.evaluate("document.documentElement.scrollWidth") <= 390
    for part in ("#setting", "#graph", "#pin", "#simulate", "#save-csv", "#python"):
        place = screen.page.locator(part).bounding_box()
        assert place and place["x"] >= 0 and place["x"] + place["width"] <= 390, part
    before = screen.curve()[1]
    screen.slider("noise_variance").press("ArrowRight")
    screen.changed(before)
    context.close()


def test_only_this_machine_is_answered(home: str) -> None:
    from urllib.error import HTTPError

    port = urlsplit(home).port
    with urlopen(Request(home, headers={"Host": f"localhost:{port}"})) as answer:
        assert answer.status == 200
    with pytest.raises(HTTPError) as caught:
        urlopen(Request(home, headers={"Host": f"elsewhere.org:{port}"}))
    with caught.value as answer:
        assert answer.code == 403
    with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.2", port or 0), timeout=5):
        pass
