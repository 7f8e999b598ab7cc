"""Command lines of a page: freeridge is run, the others are checked against the files that they are about."""

import importlib
import importlib.util
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.docs.blocks import ROOT, Block

from freeridge.cli import app

# Commands with one of these words are parsed only: they take minutes, or wait for a browser.
PARSED = {"explore", "figures", "--suite"}


def lines(block: Block) -> Iterator[tuple[str, str]]:
    """Every command of a block, and the output that a console shows below it."""
    text = block.text.replace("\\\n", " ")
    if block.kind == "console":
        first, *shown = re.split(r"^\$ ", text, flags=re.MULTILINE)
        assert not first and shown, f"{block}: a console begins with a prompt"
        for part in shown:
            command, _, output = part.partition("\n")
            yield command, output
        return
    for line in text.splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            yield line.strip(), ""


class Commands:
    """Runs command lines.

    Parameters
    ----------
    ask : function
        The command freeridge: from words to exit code, output and messages.
    """

    def __init__(self, ask: Any):
        self.ask = ask
        makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
        self.targets = set(re.findall(r"^(\w+):", makefile, re.MULTILINE))
        self.variables = set(re.findall(r"^(\w+) \?=", makefile, re.MULTILINE))
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        self.extras = set(project["optional-dependencies"])

    def run(self, command: str, shorter: str, idle: bool) -> str | None:
        """Check a line, with the shorter one for what is run; what it prints, if it is run as it stands."""
        printed = None
        for part, short in zip(_parts(command), _parts(shorter), strict=True):
            printed = self._run(part, short, idle)
        return printed if command == shorter else None

    def _run(self, words: list[str], shorter: list[str], idle: bool) -> str | None:
        program, *rest = words
        if program == "freeridge":
            app.parse_args(rest, exit_on_error=False, print_error=False)
            parsed = not PARSED.isdisjoint(rest) and "--list" not in rest
            return None if idle or parsed else self.freeridge(shorter[1:])
        checks = {
            **{"make": self._make, "pip": self._pip, "uv": self._uv, "pytest": self._pytest},
            **{"python": self._python, "python3": self._python, ".": self._source},
            **{"dask": self._dask},
        }
        checks[program](rest)
        return None

    def freeridge(self, words: list[str]) -> str:
        """What the command prints."""
        code, printed, said = self.ask(*words)
        assert code == 0, f"freeridge {shlex.join(words)}: {said}"
        return printed

    def _make(self, words: list[str]) -> None:
        for word in words:
            variable, equals, _ = word.partition("=")
            assert variable in (self.variables if equals else self.targets), f"make {word}"

    def _pip(self, words: list[str]) -> None:
        verb, *rest = words
        assert verb == "install", f"pip {verb}"
        for word in rest:
            match = re.fullmatch(r"(?:freeridge|\.)(?:\[(.*)\])?", word)
            assert word in ("-e", "--editable") or match, word
            assert not match or set((match[1] or "").split(",")) <= self.extras | {""}, word

    def _uv(self, words: list[str]) -> None:
        verb, *rest = words
        assert verb == "run", f"uv {verb}"
        while rest[0] == "--extra":
            assert rest[1] in self.extras, f"--extra {rest[1]}"
            rest = rest[2:]
        self._run(rest, rest, idle=True)

    def _python(self, words: list[str]) -> None:
        option, module, *_ = words
        assert option == "-m", f"python {option}"
        spec = importlib.util.find_spec(f"{module}.__main__") or importlib.util.find_spec(module)
        assert spec is not None and spec.origin is not None, module
        code = Path(spec.origin).read_text(encoding="utf-8")
        assert spec.name.endswith("__main__") or '__name__ == "__main__"' in code, module

    def _pytest(self, words: list[str]) -> None:
        for word in words:
            assert (ROOT / word).exists(), f"pytest {word}"

    def _dask(self, words: list[str]) -> None:
        """Parsed by dask itself; a scheduler and a worker wait for ever."""
        verb, *rest = words
        command = importlib.import_module(f"distributed.cli.dask_{verb}").main
        command.make_context(verb, rest)

    def _source(self, words: list[str]) -> None:
        assert words == [".venv/bin/activate"], words


def _parts(line: str) -> list[list[str]]:
    parts: list[list[str]] = [[]]
    for word in shlex.split(line, comments=True):
        if word == "&&":
            parts.append([])
        else:
            parts[-1].append(word)
    return parts
