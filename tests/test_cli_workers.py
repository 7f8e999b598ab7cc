"""Where the command computes, what it keeps beside its answer, and what it says when that is not there."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from freeridge import ZipfTail, cli
from freeridge.solvers import agreements, workers
from freeridge.solvers.parts import Columns, Parts
from freeridge.solvers.storage import load_dataset
from freeridge.theory.tails import hutter_suite

TAIL = ["ZipfTail", "--beta", "1.5", "--k", "20"]


def _interrupt_after(monkeypatch: pytest.MonkeyPatch, number: int | None) -> list[str]:
    """Count comparisons of a suite, and press Ctrl-C after some of them."""
    done: list[str] = []

    def counted(compare: Any, arguments: Any) -> Columns:
        if len(done) == number:
            raise KeyboardInterrupt
        done.append(str(compare))
        columns: Columns = compare(*arguments).columns()
        return columns

    monkeypatch.setattr(agreements, "_columns", counted)
    return done


def test_a_suite_goes_on_where_it_was(ask: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few = {f"{T} samples": ZipfTail(1.5, T, k=20) for T in (50, 60, 70, 80, 90)}
    monkeypatch.setattr(hutter_suite, "settings", lambda: few)
    out = tmp_path / "tails.json"
    words = ["validate", "--suite", "tails", "--size", "quick", "--out", out]
    with monkeypatch.context() as patch:
        _interrupt_after(patch, 3)
        code, _, err = ask(*words)
    assert code == 130 and "3 pieces are kept in" in err and not out.exists()
    assert len(list((tmp_path / "tails.json.parts").iterdir())) == 3
    with monkeypatch.context() as patch:
        done = _interrupt_after(patch, None)
        assert ask(*words)[0] == 0
    whole = json.loads(out.read_text())
    assert len(done) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["tails.json"]
    assert json.loads(ask(*words[:-2], "--json")[1])["result"] == whole["result"]  # without a file: the same


def test_draws_are_kept_beside_the_answer(ask: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["validate", *TAIL, "--T", "100", "--replicates", "40", "--key", "3", "--json"]
    plain = json.loads(ask(*words)[1])
    kept: list[str] = []
    keep = Parts.keep

    def noted(self: Any, name: str, part: Any) -> Columns:
        kept.append(name)
        return keep(self, name, part)

    monkeypatch.setattr(Parts, "keep", noted)
    found = json.loads(ask(*words, "--out", tmp_path / "answer.json")[1])
    assert found == plain and len(kept) == 20
    assert [path.name for path in tmp_path.iterdir()] == ["answer.json"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--workers", "0"], "workers = 0: expected a whole number >= 1"),
        (["--workers", "2", "--scheduler", "tcp://127.0.0.1:9"], "workers = 2: expected no client beside it"),
        (["--scheduler", "nowhere"], "scheduler = 'nowhere': expected the address of a dask scheduler"),
        (["--scheduler", "tcp://127.0.0.1:9"], "expected the address of a dask scheduler that answers"),
    ],
)
def test_what_cannot_be_reached_is_named(
    ask: Any, monkeypatch: pytest.MonkeyPatch, words: list[str], message: str
) -> None:
    monkeypatch.setattr(workers, "_ANSWER", 0.2)
    code, out, err = ask("sweep", *TAIL, "--T", "100,200", *words)
    assert (code, out) == (cli.USER_ERROR, "") and message in err and err.count("\n") == 1


def test_many_points_are_not_printed_beside_their_file(
    ask: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "_MOST_SHOWN", 2)
    out = tmp_path / "tail.nc"
    code, text, _ = ask("sweep", *TAIL, "--T", "100,200,300", "--out", out)
    assert (code, text) == (0, f"3 points are in {out}\n")
    assert np.isfinite(load_dataset(out).risk).all()


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        ["validate", "--suite", "tails", "--size", "quick"],
        ["validate", "ModelCollapse", "--covariance", "Isotropic(20)", "--n", "40", "--real-share", "0.5"]
        + ["--quality", "0.2", "--noise-variance", "0.1", "--ridge", "0.1", "--replicates", "50"],
        ["sweep", *TAIL, "--T", "100,200,300", "--replicates", "5"],
    ],
)
def test_two_processes_answer_the_same(ask: Any, words: list[str]) -> None:
    alone, both = (json.loads(ask(*words, "--json", *more)[1]) for more in ([], ["--workers", "2"]))
    assert alone == both
