"""Settings as text: the same as in Python, nothing beyond the list, errors that say what would be right."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import freeridge as fr
from freeridge.expressions import evaluate
from freeridge.language import Description, describe, read_file
from freeridge.solvers.errors import InvalidSetting


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 1e-3),
        (" -2 ** 2 + 7 // 2 % 2 ", -3),
        ("1e-3,1e-2", (1e-3, 1e-2)),
        ("[1, [2, None], True]", [1, [2, None], True]),
        ("a / 4", 0.5),
        ("'text'", "text"),
        ("-inf", -np.inf),
    ],
)
def test_values_are_those_of_python(text: str, value: object) -> None:
    assert evaluate(text, {"a": 2}) == value


def test_constructors_take_arguments_by_place_and_by_name() -> None:
    law = evaluate("PowerLaw(3, exponent=1, trace=2 * t)", {"t": 1.5})
    np.testing.assert_allclose(law.coordinates(), fr.PowerLaw(3, 1.0, trace=3.0).coordinates())


def test_labelers_share_the_vectors_that_have_a_name() -> None:
    truth = evaluate("RandomVector(Isotropic(5, 1 / 5))", {})
    other = evaluate("2 * truth + RandomVector(Isotropic(5)) - 0.5 * truth", {"truth": truth})
    assert float(other.terms()[truth]) == 1.5
    assert len(other.terms()) == 2


def test_paths() -> None:
    np.testing.assert_allclose(evaluate("linspace(0, 1, 3)", {}), [0.0, 0.5, 1.0])
    np.testing.assert_allclose(evaluate("logspace(-2, 0, num=3)", {}), [0.01, 0.1, 1.0])


def test_arrays_are_loaded_from_beside_the_file(tmp_path: Path) -> None:
    np.save(tmp_path / "w.npy", np.arange(3.0))
    (tmp_path / "c.csv").write_text("2,1\n1,2\n")
    np.testing.assert_array_equal(evaluate("load('w.npy')", {}, folder=tmp_path), np.arange(3.0))
    assert evaluate("Dense(load('c.csv'))", {}, folder=tmp_path).d == 2


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').getcwd()",
        "().__class__",
        "open('x')",
        "print",
        "Isotropic",
        "Isotropic(3).d",
        "[1][0]",
        "{1: 2}",
        "{1}",
        "lambda: 1",
        "[x for x in [1]]",
        "f'{1}'",
        "b'1'",
        "1j",
        "...",
        "1 if 1 else 2",
        "1 < 2",
        "not 1",
        "~1",
        "1 << 2",
        "(x := 1)",
        "x = 1",
        "Isotropic(*[3])",
        "Isotropic(**{})",
        "9**9**9",
        "[0] * 10**9",
        "'a' * 10**9",
        "None + 1",
        "1 / 0",
        "2.0**5000",
        "linspace(0, 1, 10**12)",
        "linspace(0, 'a')",
        "(" * 500,
        "-" * 100_000 + "1",
        "\0",
        "",
        "1 +",
        "9" * 5000,
        "Isotropic()",
        "Isotropic(3, 1, 2)",
        "Isotropic(3, size=2)",
        "Isotropic(2.5)",
        "Isotropic(3, [1, 2])",
        "Eigenvalues([1], multiplicities='a')",
        "Population(Isotropic(3), [1, 2])",
        "load('secret.txt')",
        "load(3)",
        "load('absent.npy')",
        "load('absent.csv')",
    ],
)
def test_everything_else_is_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidSetting) as caught:
        evaluate(text, {}, "ridge")
    assert caught.value.field.startswith("ridge")
    assert "expected" in str(caught.value)


def test_refusal_shows_the_expression_and_what_is_allowed() -> None:
    with pytest.raises(InvalidSetting) as caught:
        evaluate("exec('1')", {}, "ridge")
    message = str(caught.value)
    assert message.startswith("ridge = \"exec('1')\": expected numbers, strings, lists, arithmetic")
    assert "Isotropic" in message and "load" in message and message.endswith("not a call of exec")


def test_pickles_are_not_opened(tmp_path: Path) -> None:
    np.save(tmp_path / "object.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(InvalidSetting, match="allow_pickle"):
        evaluate("load('object.npy')", {}, folder=tmp_path)


def test_single_precision_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "single.npy", np.eye(2, dtype=np.float32))
    with pytest.raises(InvalidSetting, match="float64"):
        evaluate("Dense(load('single.npy'))", {}, "covariance", tmp_path)


def _built(description: Description) -> Any:
    return description.build(description.values(description.names()))


TOML = """
setting = "RidgeMixture"
[let]
d = 10
truth = "RandomVector(Isotropic(d, 1 / d))"
[fields]
n = "2 * d"
ridge = 0.1
populations = ["Population(Isotropic(d), truth, 0.1, 0.5)", "Population(Isotropic(d), 2 * truth, 0.1, 0.5)"]
populations.1.noise_variance = 0.3
[sweep]
ridge = [0.1, 0.2]
populations.0.noise_variance = "linspace(0, 1, 3)"
"""


def test_a_file_is_a_setting(tmp_path: Path) -> None:
    path = tmp_path / "mixture.toml"
    path.write_text(
        TOML.replace("populations.1", '"populations.1').replace("variance = 0.3", 'variance" = 0.3')
    )
    description = read_file(path)
    setting = _built(description)
    first, second = setting.populations
    assert list(first.labeler.terms()) == list(second.labeler.terms())
    assert [float(p.noise_variance) for p in setting.populations] == [0.1, 0.3]
    assert list(description.sweep) == ["ridge", "populations.0.noise_variance"]
    assert description.record(description.values(description.names()))["parameters"]["n"] == 20


def test_words_go_before_the_file(tmp_path: Path) -> None:
    path = tmp_path / "mixture.toml"
    path.write_text("\n".join(line for line in TOML.splitlines() if not line.startswith("populations.1")))
    description = describe(
        [str(path), "--ridge=0.5", "--populations.0.noise-variance", "0.7", "--n", "-d + 50"]
    )
    setting = _built(description)
    assert float(setting.ridge) == 0.5 and float(setting.n) == 40
    assert float(setting.populations[0].noise_variance) == 0.7
    assert not description.sweep


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('setting = "RidgeMixture"\n[fields\nn = 3', "line 2 = '[fields': expected valid TOML"),
        ('setting = "RidgeMixture', "line 1"),
        ("[fields]\nn = 1", "setting in"),
        ('setting = "Ridge"', "expected one of AssociativeMemory, AtRatios, BiasAmplification"),
        ('setting = "RidgeMixture"\n[field]\nn = 1', "perhaps fields"),
        ('setting = "RidgeMixture"\nfields = 3', "headed by [fields]"),
        ('setting = "RidgeMixture"\n[fields]\nrigde = 1', "perhaps ridge"),
        ('setting = "RidgeMixture"\n[fields]\nn = 1', "cannot do without populations"),
        ('setting = "RidgeMixture"\n[fields]\nn = 1979-05-27', "an expression in quotes"),
        ('setting = "RidgeMixture"\n[let]\nload = 1', "not taken"),
        ('setting = "RidgeMixture"\n[let]\na = "b"\nb = 1', "a known name, not 'b'"),
        ('setting = "RidgeMixture"\n[fields]\nn = [1, 2]\nridge = 1\npopulations = []', "one number"),
        ('setting = "RidgeMixture"\n[fields]\nn = 1\nridge = 1\npopulations = 3', "fields that fit together"),
    ],
)
def test_broken_files(tmp_path: Path, text: str, expected: str) -> None:
    path = tmp_path / "broken.toml"
    path.write_text(text)
    with pytest.raises(InvalidSetting) as caught:
        _built(read_file(path))
    assert expected in str(caught.value)


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_unreadable_files(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "file.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InvalidSetting, match="file.toml"):
        read_file(path)


COLLAPSE = (
    "ModelCollapse --covariance PowerLaw(9,1) --n 9 --real-share 0.5 --quality 1 --noise-variance 1 --ridge 0"
)


def test_dotted_fields_are_checked_like_any_other() -> None:
    setting = _built(describe([*COLLAPSE.split(), "--covariance.exponent", "0.5"]))
    assert float(setting.covariance.exponent) == 0.5
    for word, value, expected in [
        ("--covariance.trace", "-1", "trace = -1.0: expected a finite number > 0"),
        ("--covariance.scale", "1", "PowerLaw has the fields d, exponent, trace"),
        ("--covariance.d.e", "1", "given as a whole"),
    ]:
        with pytest.raises(InvalidSetting) as caught:
            _built(describe([*COLLAPSE.split(), word, value]))
        assert expected in str(caught.value)


def test_one_population_of_a_shared_labeler_cannot_be_changed_alone() -> None:
    words = [
        "RidgeMixture",
        "--n",
        "9",
        "--ridge",
        "1",
        "--populations",
        "[Population(Isotropic(3), RandomVector(Isotropic(3)), 0, 1)]",
    ]
    for place, expected in [("0.labeler.covariance.scale", "as a whole"), ("4.share", "from 0 to 0")]:
        with pytest.raises(InvalidSetting, match=expected):
            _built(describe([*words, f"--populations.{place}", "1"]))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], "or the path of one TOML file"),
        (["RidgeMixture", "ModelCollapse"], "or the path of one TOML file"),
        (["RidgeMixtrue"], "perhaps RidgeMixture"),
        (["RidgeMixture", "--n"], "a value after --n"),
        (["RidgeMixture", "--n", "--ridge", "1"], "a value after --n"),
        (["RidgeMixture", "--n", "1", "--n", "2"], "one value for each field"),
    ],
)
def test_words_that_make_no_setting(words: list[str], expected: str) -> None:
    with pytest.raises(InvalidSetting) as caught:
        describe(words)
    assert expected in str(caught.value)
