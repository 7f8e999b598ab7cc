"""The commands fit, gcd and practice: what they answer, write and refuse."""

import json
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest

EXAMPLE = Path(__file__).parents[1] / "examples" / "loss-curve.csv"


def test_a_curve_is_fitted_written_and_drawn(ask: Any, tmp_path: Path) -> None:
    out, plot = tmp_path / "fit.json", tmp_path / "fit.png"
    code, text, said = ask("fit", EXAMPLE, "--out", out, "--plot", plot)
    assert (code, said) == (0, "") and "Past a plateau" in text
    record = json.loads(out.read_text())
    assert record["command"] == "fit" and record["versions"]["freeridge"] and record["file"] == str(EXAMPLE)
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_one_law_as_json(ask: Any) -> None:
    code, text, _ = ask("fit", EXAMPLE, "--law", "clean", "--json")
    assert code == 0 and json.loads(text)["result"]["law"] == "clean"


BAD: dict[str, tuple[str, list[str], str]] = {
    "missing error": ("T,E\n10,0.5\n20,\n30,0.3\n", [], "line 3"),
    "negative error": ("T,E\n10,0.5\n20,-0.1\n30,0.3\n", [], "-0.1"),
    "too few points": ("T,E\n10,0.5\n20,0.4\n", [], "at least 3 rows"),
    "not a number": ("T,E\n10,half\n20,0.1\n30,0.3\n", [], "half"),
    "unknown law": ("T,E\n10,0.5\n20,0.4\n30,0.3\n40,0.2\n", ["--law", "cubic"], "cubic"),
    "confidence": ("T,E\n10,0.5\n20,0.4\n30,0.3\n40,0.2\n", ["--confidence", "95"], "confidence"),
    "place of the answer": ("T,E\n10,0.5\n20,0.4\n30,0.3\n40,0.2\n", ["--out", "fit.csv"], ".json"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_curves_are_refused_in_one_line(ask: Any, tmp_path: Path, name: str) -> None:
    content, options, expected = BAD[name]
    file = tmp_path / "curve.csv"
    file.write_text(content)
    code, text, said = ask("fit", file, *options)
    assert (code, text) == (2, "") and said.count("\n") == 1 and expected in said


def test_a_file_that_is_not_there(ask: Any, tmp_path: Path) -> None:
    code, _, said = ask("fit", tmp_path / "none.csv")
    assert code == 2 and "none.csv" in said


def test_the_experiment_prints_a_table_or_json(
    ask: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from freeridge import arithmetic
    from freeridge.experiment_answers import Answer
    from freeridge.plotting import text_table

    found = Answer({"command": "gcd", "result": {}}, text_table(("run",), [{"run": "clean"}]))
    run = Mock(return_value=found)
    monkeypatch.setattr(arithmetic, "run_experiment", run)
    code, text, _ = ask("gcd", "--preset", "quick", "--out", tmp_path, "--base", 15, "--key", 3)
    assert code == 0 and "clean" in text
    assert run.call_args.args == ("quick", tmp_path, 3, 15)
    assert json.loads(ask("gcd", "--out", tmp_path, "--json")[1])["command"] == "gcd"


def test_practice_prints_a_table_or_json(ask: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from freeridge import practising
    from freeridge.experiment_answers import Answer
    from freeridge.plotting import text_table

    found = Answer({"command": "practice"}, text_table(("strategy",), [{"strategy": "static"}]))
    run = Mock(return_value=found)
    monkeypatch.setattr(practising, "run_experiment", run)
    code, text, _ = ask("practice", "--preset", "mixture", "--out", tmp_path, "--seeds", 3, "--key", 2)
    assert code == 0 and "static" in text
    assert run.call_args.args == ("mixture", tmp_path, 2, 3)
    assert json.loads(ask("practice", "--out", tmp_path, "--json")[1])["command"] == "practice"
    assert ask("practice", "--preset", "huge")[0] == 2


def test_what_is_missing_is_said_in_one_line(
    ask: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from freeridge import arithmetic

    missing = Mock(side_effect=ImportError("networks are trained with optax: pip install 'freeridge[train]'"))
    monkeypatch.setattr(arithmetic, "run_experiment", missing)
    code, text, said = ask("gcd", "--out", tmp_path)
    assert (code, text) == (2, "") and said.count("\n") == 1 and "freeridge[train]" in said


def test_a_tail_is_predicted_swept_and_validated(ask: Any) -> None:
    code, text, _ = ask("predict", "ZipfTail", "--beta", 1.5, "--T", "1e12", "--k", "1e6", "--json")
    found = json.loads(text)
    assert code == 0 and found["ok"] and found["parameters"] == {"beta": 1.5, "T": 1e12, "k": 1e6}
    assert np.isclose(found["result"]["risk"], found["result"]["tail_risk"])
    code, text, _ = ask("validate", "ZipfTail", "--beta", 1.5, "--T", 1000, "--replicates", 5)
    assert code == 0 and "largest |z|" in text
    code, _, said = ask("predict", "ZipfTail", "--beta", 1, "--T", 10)
    assert code == 2 and said.startswith("freeridge: beta = 1") and said.count("\n") == 1
