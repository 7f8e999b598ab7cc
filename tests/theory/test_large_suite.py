"""The suite up to d = 10,000, at tiny dimension: what it compares, and that a run that is killed goes on."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import freeridge as fr
from freeridge.solvers.convergence_census import ConvergenceCensus
from freeridge.solvers.errors import InvalidSetting
from freeridge.solvers.results import Prediction
from freeridge.solvers.row_blocks import replicate_in_blocks
from freeridge.solvers.workers import on_workers
from freeridge.theory import large_suite
from freeridge.theory.large_suite import REGIMES, SIZES, run_large_suite

TINY = {10: 6, 20: 4, 40: 3}
NAME = "projected mix psi 1"
ONE = {NAME: REGIMES[NAME]}


@pytest.fixture
def no_theory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor the speed of the machine: both take seconds."""
    quantities = dict.fromkeys(("risk", "bias", "variance", "mismatch"), jnp.array(0.5))
    half = Prediction(quantities, jnp.array(0.0), jnp.array(0))
    monkeypatch.setattr(fr.RidgeMixture, "predict", lambda *_: half)
    monkeypatch.setattr(large_suite, "product_peak", lambda: 1e9)
    large_suite._peak.cache_clear()


def run(sizes: dict[int, int] = TINY, key: Any = 0) -> ConvergenceCensus:
    return run_large_suite(key, sizes=sizes, regimes=ONE)


def distances(census: ConvergenceCensus) -> dict[str, list[list[float]]]:
    found = census.convergences[NAME]
    return {name: [list(values) for values in one.distances] for name, one in found.items()}


def test_regimes_reach_the_largest_dimension() -> None:
    assert max(SIZES) == 10_000 and min(SIZES.values()) >= 2
    assert {np.sign(case.phi - 1) for case in REGIMES.values()} == {-1, 1}
    assert any(case.psi == 1 for case in REGIMES.values())
    assert any(min(case.shares) == 0.01 for case in REGIMES.values())
    for case in REGIMES.values():
        assert case.ridge >= 0.01 and not case.rotated
        for d in SIZES:
            # A share of one percent is rounded at the smallest dimensions, in theory and simulation alike.
            counts = [d / case.phi * share for share in case.shares if share > 0.01]
            assert counts == pytest.approx([round(count) for count in counts], abs=0.5)


@pytest.mark.usefixtures("no_theory")
def test_replicates_are_kept_and_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run()
    assert list(whole.convergences[NAME]) == ["risk", "bias", "variance", "mismatch"]
    assert {d: len(share) for d, share in whole.speed.items()} == TINY
    computed = []

    def count(*arguments: Any) -> Any:
        computed.append(arguments)
        if len(computed) == 8:
            raise KeyboardInterrupt
        return replicate_in_blocks(*arguments)

    monkeypatch.setattr(large_suite, "replicate_in_blocks", count)
    with pytest.raises(KeyboardInterrupt), on_workers(keep=tmp_path / "parts"):
        run()
    with on_workers(keep=tmp_path / "parts"):
        again = run()
        assert len(computed) == 8 + sum(TINY.values()) - 7
        run(key=1)  # another request finds nothing
        assert len(computed) == 8 + sum(TINY.values()) - 7 + sum(TINY.values())
    assert distances(again) == distances(whole)
    assert not (tmp_path / "parts").exists()


def test_bad_sizes_are_refused() -> None:
    for sizes in ({20: 4, 40: 4}, {40: 4, 20: 4, 80: 4}, {20: 4, 40: 4, 80: 1}):
        with pytest.raises(InvalidSetting, match="sizes"):
            run(sizes)
    with pytest.raises(InvalidSetting, match="size = 'quick'"):
        run_large_suite(0, "quick")


BAD: dict[str, tuple[tuple[str, ...], str]] = {
    "a setting": (("ZipfTail", "--beta", "1.5", "--T", "100"), "size = 'large'"),
    "another suite": (("--suite", "tails"), "suite = 'tails'"),
    "all suites": (("--suite", "all"), "suite = 'all'"),
    "replicates": (("--replicates", "4"), "replicates = '4'"),
    "a table": (("--out", "large.csv"), "out = 'large.csv'"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_makes_no_sense_is_refused(case: str, ask: Any) -> None:
    words, expected = BAD[case]
    code, out, err = ask("validate", "--size", "large", *words)
    assert (code, out) == (2, "") and expected in err and err.count("\n") == 1


def test_the_command_runs_it(ask: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked = []

    class Census:
        agrees = False

        def __str__(self) -> str:
            return "rates"

        def to_dict(self) -> dict[str, Any]:
            return {"agrees": False}

    def instead(*arguments: Any, **options: Any) -> Census:
        asked.append((arguments, options))
        return Census()

    monkeypatch.setattr(large_suite, "run_large_suite", instead)
    out = tmp_path / "large.json"
    assert ask("validate", "--size", "large", "--key", 5, "--out", out) == (1, "rates\n", "")
    assert asked == [((5, "large"), {"progress": True})]
    assert json.loads(out.read_text())["result"] == {"mixture": {"agrees": False}}


PROGRAM = """
import json, sys
from pathlib import Path
from freeridge.solvers.results import Prediction
from freeridge.solvers.row_blocks import replicate_in_blocks
from freeridge.solvers.workers import on_workers
from freeridge.theory import large_suite
large_suite.product_peak = lambda: 1e9
one = {"plain": large_suite.REGIMES["plain"]}
with on_workers(keep=sys.argv[1] + ".parts"):
    census = large_suite.run_large_suite(7, sizes={40: 6, 80: 5, 640: 40}, regimes=one)
    risk = census.convergences["plain"]["risk"]
    Path(sys.argv[1]).write_text(json.dumps([list(values) for values in risk.distances]))
"""


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_numbers(tmp_path: Path) -> None:
    def start(name: str) -> "subprocess.Popen[bytes]":
        return subprocess.Popen([sys.executable, "-c", PROGRAM, str(tmp_path / name)])

    undisturbed = start("whole.json")
    assert undisturbed.wait() == 0
    process, parts = start("killed.json"), tmp_path / "killed.json.parts"
    while not parts.exists() or len(list(parts.glob("*.npz"))) < 14:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    kept = {path: path.stat().st_mtime_ns for path in parts.glob("*.npz")}
    assert 14 <= len(kept) < 51 and not (tmp_path / "killed.json").exists()
    again = start("killed.json")
    while again.poll() is None:
        # What was finished is not computed again.
        now = {path: path.stat().st_mtime_ns for path in parts.glob("*.npz")} if parts.exists() else {}
        assert all(now[path] == kept[path] for path in now.keys() & kept.keys())
        time.sleep(0.05)
    # What the killed one was just writing may be left, under a name that nobody looks for.
    assert again.returncode == 0 and not list(parts.glob("plain-*"))
    assert (tmp_path / "killed.json").read_text() == (tmp_path / "whole.json").read_text()


@pytest.mark.slow
def test_all_regimes_agree_at_moderate_dimension() -> None:
    census = run_large_suite(1, sizes={100: 40, 200: 30, 400: 16})
    assert census.agrees, str(census)
