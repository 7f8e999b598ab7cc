"""The command line on expressions: equations, numbers, checks, and what it refuses."""

import json
from pathlib import Path
from typing import Any

import pytest

import freeridge as fr
from freeridge.derivations import read_derivation

EXAMPLE = Path(__file__).parents[1] / "examples" / "random-projections.toml"

RESOLVENT = """
[symbols]
n = "dimension"
d = "dimension"
lam = "scalar('lambda')"
X = "gaussian(n, d, variance=1 / n)"
Q = "(X.T @ X + lam).inv()"

[traces]
value = "normalized_trace(Q)"

[let]
rows = 40

[values]
n = "rows"
d = 20
lam = 0.5
"""


@pytest.fixture
def resolvent(tmp_path: Path) -> Path:
    path = tmp_path / "resolvent.toml"
    path.write_text(RESOLVENT)
    return path


def test_equations_and_numbers(ask: Any, resolvent: Path, tmp_path: Path) -> None:
    out = tmp_path / "answer.json"
    code, text, err = ask("derive", resolvent, "--out", out)
    assert (code, err) == (0, "")
    assert "e = 1/(phi/(e + lambda) + 1)" in text and "value = 0.8284271247" in text
    record = json.loads(out.read_text())
    assert record["result"]["value"] == pytest.approx(2 * (2**0.5 - 1), rel=1e-12)
    assert record["ok"] and record["values"] == {"n": "rows", "d": 20, "lam": 0.5}
    assert record["let"] == {"rows": 40} and "freeridge" in record["versions"]


def test_numbers_on_the_command_line_go_first(ask: Any, resolvent: Path) -> None:
    code, text, _ = ask("derive", resolvent, "--lam", "2 * rows", "--json")
    record = json.loads(text)
    assert code == 0 and record["latex"].startswith(r"\begin{aligned}")
    assert record["result"]["value"] == pytest.approx(1 / 80, rel=0.02)


def test_latex_and_simulation(ask: Any, resolvent: Path) -> None:
    code, text, err = ask("derive", resolvent, "--latex", "--validate", "--replicates", 20, "--key", 3)
    assert (code, err) == (0, "")
    assert r"\frac{\phi}{e + \lambda}" in text
    assert "20 replicates at each size" in text and "std error" in text


def test_without_values_only_the_equations_are_given(ask: Any, tmp_path: Path) -> None:
    path = tmp_path / "equations.toml"
    path.write_text(RESOLVENT.partition("[let]")[0])
    code, text, _ = ask("derive", path)
    assert code == 0 and text.strip().endswith("value = 1/(e + lambda)")


def test_a_point_without_a_certificate_says_so(ask: Any, resolvent: Path) -> None:
    code, text, err = ask("derive", resolvent, "--lam", "-0.1")
    assert code == 0 and "value = nan" in text
    assert "no number is given" in err


def test_the_example_holds_what_it_says() -> None:
    traces = read_derivation([str(EXAMPLE)]).traces()
    assert set(traces) == {"bias", "variance"}
    assert "e, tau" in str(fr.derive(traces).system_of_equations.unknowns[:2])[1:-1]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("Q = ", 'Q = "X @ X"\nR = '), ["Q", "inner dimensions", "X (n x d)"]),
        (("normalized_trace(Q)", "normalised_trace(Q)"), ["normalised_trace", "perhaps normalized_trace"]),
        (("normalized_trace(Q)", "Q.shape"), ["value", "not Attribute"]),
        (("normalized_trace(Q)", "trace((X.T @ X).inv())"), ["without the Gaussians", "ridge"]),
        (("[traces]", "[trace]"), ["trace", "perhaps traces"]),
        (('value = "', 'value = 3 # "'), ["value = 3", "in quotes"]),
        (("X = ", "trace = "), ["symbols = 'trace'", "not taken"]),
        (("d = 20", "p = 20"), ["p = 20", "one of the symbols"]),
        (("lam = 0.5", "lam = -inf"), ["lam = -inf", "finite"]),
    ],
)
def test_mistakes_are_named(ask: Any, resolvent: Path, change: tuple[str, str], words: list[str]) -> None:
    text = resolvent.read_text()
    assert change[0] in text
    resolvent.write_text(text.replace(*change, 1))
    code, _, err = ask("derive", resolvent)
    assert code == 2 and "Traceback" not in err
    for word in words:
        assert word in err


def test_one_file_is_asked_for(ask: Any, resolvent: Path, tmp_path: Path) -> None:
    assert ask("derive")[0] == 2
    assert ask("derive", resolvent, resolvent)[0] == 2
    assert "readable TOML file" in ask("derive", tmp_path / "nothing.toml")[2]
    assert "ends in .json" in ask("derive", resolvent, "--out", tmp_path / "a.csv")[2]
