"""The address of the page: it holds the whole state, and nothing that an address must not hold."""

from dataclasses import replace
from pathlib import Path
from urllib.parse import urlencode

import pytest

from freeridge.explorer.state import (
    LOGARITHMIC,
    State,
    is_whole,
    ranges_for,
    read_query,
    start,
    turned,
    with_axis,
)  # fmt: skip
from freeridge.settings import settings
from freeridge.solvers.errors import InvalidSetting

ALLOWED = settings()
COLLAPSE = start("ModelCollapse")


def _with_field(state: State, name: str, text: str) -> State:
    description = state.description
    return replace(state, description=replace(description, fields={**description.fields, name: text}))


@pytest.mark.parametrize("name", settings())
def test_the_start_of_a_setting_is_its_name(name: str) -> None:
    assert start(name).query() == f"setting={name}"
    assert read_query(start(name).query(), ALLOWED) == start(name)


def test_an_empty_address_is_the_first_setting() -> None:
    assert read_query("", ALLOWED) == read_query("?", ALLOWED) == COLLAPSE


def test_a_file_of_your_own_comes_first(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text((Path(__file__).parents[2] / "src/freeridge/theory/tails/zipf_tail.py").read_text())
    state = read_query("", {**ALLOWED, str(file): ""})
    assert state.description.setting == str(file) and state.x == "T"


@pytest.mark.parametrize(
    "state",
    [
        turned(COLLAPSE, {"ridge": "0.25", "n": "17", "covariance.exponent": "1.125"}),
        _with_field(COLLAPSE, "features", "None"),
        _with_field(COLLAPSE, "covariance", "TwoAtoms(200, [1.0, 10.0], 0.5)"),
        _with_field(COLLAPSE, "covariance", "PowerLaw(&=+%20 é '\"#?;"),
        _with_field(COLLAPSE, "mixing", ""),
        with_axis(COLLAPSE, "ridge"),
        # the ends of another axis that are those of the first one
        replace(with_axis(COLLAPSE, "ridge"), low=COLLAPSE.low, high=COLLAPSE.high),
        replace(COLLAPSE, low=0.1234567890123456, high=1e6 / 3),
        replace(COLLAPSE, y="ridge", scale=LOGARITHMIC, shown=("risk",)),
        replace(COLLAPSE, shown=("risk", "bias"), pins=(COLLAPSE.query(), with_axis(COLLAPSE, "n").query())),
        replace(COLLAPSE, pins=("setting=ZipfTail&beta=1.2", "setting=AtRatios&setting=x")),
        turned(start("RidgeMixture"), {"real_share": "0.125", "d": "60", "real.noise_variance": "2.0"}),
        # its field is called setting
        turned(start("AtRatios"), {"setting.n": "50", "phi": "0.5"}),
    ],
    ids=range(13),
)
def test_an_address_holds_all_of_a_state(state: State) -> None:
    assert read_query(state.query(), ALLOWED) == state
    assert read_query(f"?{state.query()}", ALLOWED).query() == state.query()
    assert read_query(state.query(pins=False), ALLOWED) == replace(state, pins=())


@pytest.mark.parametrize(
    "query, words",
    [
        ("setting=Lasso", ["setting", "Lasso", "ModelCollapse"]),
        ("setting=ZipfTail&lam=1", ["lam", "ZipfTail", "beta"]),
        ("nonsense", ["nonsense", "covariance"]),
        ("view.x=lam", ["axis", "lam", "ridge"]),
        ("view.zoom=2", ["view.zoom"]),
        ("view.scale=cubic", ["scale", "cubic", "logarithmic"]),
        ("view.low=abc", ["low", "abc", "number"]),
        ("view.high=nan", ["high", "nan", "number"]),
        ("let.d=3", ["let.d"]),
    ],
)
def test_nonsense_is_named(query: str, words: list[str]) -> None:
    with pytest.raises(InvalidSetting) as caught:
        read_query(query, ALLOWED)
    assert all(word in str(caught.value) for word in words)


def test_an_address_cannot_run_a_file(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    file = tmp_path / "other.py"
    file.write_text(
        f"open({str(trace)!r}, 'w')\nclass A:\n  def predict(self): ...\n  def simulate(self): ...\n"
    )
    for name in (str(file), f"{file}:A", f"../{file.name}"):
        with pytest.raises(InvalidSetting, match="settings are"):
            read_query(urlencode({"setting": name}), ALLOWED)
    assert not trace.exists()


def test_ranges_stay_while_numbers_move_and_come_with_new_ones() -> None:
    assert ranges_for(turned(COLLAPSE, {"ridge": "0.5", "n": "9"})) == ranges_for(COLLAPSE)
    atoms = ranges_for(_with_field(COLLAPSE, "covariance", "TwoAtoms(200, [1.0, 10.0], 0.5)"))
    assert set(atoms) - set(ranges_for(COLLAPSE)) == {
        *("covariance.values.0", "covariance.values.1", "covariance.fraction")
    }


def test_the_first_axis_is_a_number_of_its_own() -> None:
    assert (start("AtRatios").x, start("GradientFlow").x, COLLAPSE.x) == ("phi", "mixture.n", "n")


def test_an_axis_has_the_range_of_its_slider() -> None:
    away = with_axis(turned(COLLAPSE, {"ridge": "7.0"}), "ridge")
    found = ranges_for(COLLAPSE)["ridge"]
    assert (away.x, away.low, away.high) == ("ridge", found.low, found.high)


def test_a_number_that_began_as_a_decimal_is_one() -> None:
    one = _with_field(COLLAPSE, "covariance", "PowerLaw(200, exponent=1)")
    knob = one.knob("covariance.exponent")
    assert knob.whole and not is_whole(one, knob)
    assert is_whole(one, one.knob("n"))


def test_a_curve_is_named_by_what_it_goes_through() -> None:
    """Not by how it is shown, nor by where on its axis the slider is."""
    name = COLLAPSE.curve()
    shown = replace(
        COLLAPSE, low=1.0, scale=LOGARITHMIC, shown=("bias",), y="ridge", pins=("setting=ZipfTail",)
    )
    assert shown.curve() == turned(COLLAPSE, {"n": "17"}).curve() == name
    assert len({name, with_axis(COLLAPSE, "ridge").curve(), turned(COLLAPSE, {"ridge": "0.5"}).curve()}) == 3
