"""The tutorial of the compiler prints what it says."""

import doctest
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "compiler-tutorial.md"
# Where the first part ends, which needs the least time.
REST = "## Random projections"
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def run(text: str) -> int:
    """Run all examples of a text, and count them."""
    # What an example prints ends at a blank line; here it also ends with its box.
    unfenced = re.sub(r"^```.*$", "", text, flags=re.MULTILINE)
    test = doctest.DocTestParser().get_doctest(unfenced, {"__name__": "__main__"}, PAGE.name, str(PAGE), 0)
    said: list[str] = []
    result = doctest.DocTestRunner(optionflags=FLAGS).run(test, out=said.append)
    assert not result.failed, "".join(said)
    return result.attempted


def test_first_part() -> None:
    first, rest = PAGE.read_text(encoding="utf-8").split(REST)
    assert rest
    assert run(first) > 20


@pytest.mark.slow
def test_whole_page() -> None:
    assert run(PAGE.read_text(encoding="utf-8")) > 80


@pytest.mark.slow
def test_command_line(ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    page = PAGE.read_text(encoding="utf-8")
    boxes = re.findall(r"^```console\n\$ freeridge (.*)\n([^`]*)```$", page, re.MULTILINE)
    assert boxes
    for command, printed in boxes:
        code, answer, _ = ask(*command.split())
        assert code == 0
        assert doctest.OutputChecker().check_output(printed, answer, FLAGS), answer
