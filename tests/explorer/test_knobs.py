"""Knobs: every number of a description with its place, and what becomes of others in these places."""

from dataclasses import replace

import pytest

from freeridge.explorer.knobs import Knob, accepts, built, knobs_of, moved
from freeridge.explorer.ranges import ranges_of
from freeridge.explorer.state import start
from freeridge.language import Description
from freeridge.settings import settings
from freeridge.solvers.errors import InvalidSetting

NAMED = Description(
    "RidgeMixture",
    let={"d": "20", "share": "0.25", "truth": "RandomVector(Isotropic(d, 1 / d))"},
    fields={
        "populations": "[Population(Isotropic(d, 2.0), truth, share=share), "
        "Population(PowerLaw(d, 1.5), truth + RandomVector(Isotropic(d, 0.1)), 0.3, share=1 - share)]",
        "n": "400",
        "ridge": "0.1",
    },
)


def _knob(description: Description, name: str) -> Knob:
    return next(knob for knob in knobs_of(description) if knob.name == name)


@pytest.mark.parametrize("name", settings())
def test_every_setting_starts_with_numbers_that_move(name: str) -> None:
    description = start(name).description
    description.build(description.values(description.names()))
    ranges = ranges_of(description)
    live = [knob.name for knob in knobs_of(description) if knob.live]
    assert any(one in ranges for one in live)
    for knob in knobs_of(description):
        if knob.name in ranges:
            found = ranges[knob.name]
            assert found.low <= knob.value <= found.high and found.low < found.high
            assert accepts(description, knob, found.low) and accepts(description, knob, found.high)


def test_names_say_where_a_number_stands() -> None:
    assert [(knob.name, knob.value) for knob in knobs_of(NAMED)] == [
        ("d", 20.0),
        ("share", 0.25),
        ("populations.0.covariance.scale", 2.0),
        ("populations.1.covariance.exponent", 1.5),
        ("populations.1.labeler.scale", 0.1),
        ("populations.1.noise_variance", 0.3),
        ("n", 400.0),
        ("ridge", 0.1),
    ]


def test_a_dimension_does_not_move_and_a_labeler_is_out_of_reach_of_a_sweep() -> None:
    assert [knob.name for knob in knobs_of(NAMED) if not knob.live] == ["d"]
    assert [knob.name for knob in knobs_of(NAMED) if not knob.reachable] == [
        *("d", "share", "populations.1.labeler.scale")
    ]


def test_terms_of_a_sum_are_numbered() -> None:
    terms = "RandomVector(Isotropic(5, 0.5)) + RandomVector(Isotropic(5, 0.2))"
    sums = replace(NAMED, fields={**NAMED.fields, "populations": f"[Population(Isotropic(5), {terms})]"})
    scales = [knob.name for knob in knobs_of(sums) if "scale" in knob.name]
    assert scales == ["populations.0.labeler.scale", "populations.0.labeler.scale (2)"]


@pytest.mark.parametrize("text", ["", "PowerLaw(", "Isotropic(1, 2, 3, 4)", "'text'", "é * 1.0", "True"])
def test_what_cannot_be_read_has_no_knobs(text: str) -> None:
    assert not knobs_of(Description("ModelCollapse", fields={"covariance": text}))


def test_several_numbers_of_one_text_move_at_once() -> None:
    texts = {
        "populations.0.covariance.scale": "10.25",
        "populations.1.covariance.exponent": "1e-3",
        "populations.1.noise_variance": "-4.0",
        "share": "1 / 3",
    }
    changed = moved(NAMED, {_knob(NAMED, name): text for name, text in texts.items()})
    assert changed.let["share"] == "1 / 3"
    assert changed.fields["populations"] == (
        "[Population(Isotropic(d, 10.25), truth, share=share), "
        "Population(PowerLaw(d, 1e-3), truth + RandomVector(Isotropic(d, 0.1)), -4.0, share=1 - share)]"
    )
    assert changed.fields["ridge"] == "0.1"


def test_numbers_are_built_in_place_of_their_placeholders() -> None:
    ridge, share = _knob(NAMED, "ridge"), _knob(NAMED, "share")
    held = moved(NAMED, {ridge: ridge.placeholder, share: share.placeholder})
    setting = built(held, {ridge.placeholder: 0.7, share.placeholder: 0.5})
    assert float(setting.ridge) == 0.7
    assert [float(one.share) for one in setting.populations] == [0.5, 0.5]


@pytest.mark.parametrize(
    "name, value, text",
    [
        *(("ridge", 1.0, "1.0"), ("ridge", -2.0, "-2.0"), ("ridge", 1e-7, "1e-07"), ("ridge", 1e7, "1e+07")),
        *(("ridge", 1 / 3, "0.333333"), ("n", 12.4, "12"), ("n", 1e7, "10000000")),
    ],
)
def test_a_decimal_stays_one_and_a_whole_number_too(name: str, value: float, text: str) -> None:
    knob = _knob(NAMED, name)
    assert knob.text(value) == text
    assert _knob(moved(NAMED, {knob: text}), name).whole == knob.whole


def test_a_number_that_the_setting_refuses_is_not_accepted() -> None:
    share, ridge = _knob(NAMED, "share"), _knob(NAMED, "ridge")
    assert accepts(NAMED, share, 1.0) and not accepts(NAMED, share, 1.1)
    assert accepts(NAMED, ridge, 0.0) and not accepts(NAMED, ridge, -0.1)


def test_an_unknown_setting_has_no_knobs() -> None:
    with pytest.raises(InvalidSetting, match="Nothing"):
        knobs_of(Description("Nothing"))
