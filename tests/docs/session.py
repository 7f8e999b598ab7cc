"""A page as a session: its blocks run from top to bottom, in one folder and one namespace of Python."""

import contextlib
import doctest
import io
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import yaml  # type: ignore[import-untyped]
from tests.docs.blocks import Block, name
from tests.docs.commands import Commands, lines
from tests.docs.outputs import claims, says
from tests.docs.synopsis import SYNOPSIS, check_synopsis

from freeridge.derivations import read_derivation
from freeridge.options import COMMON
from freeridge.tasks import read_task

FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
SHELL = {"bash", "console", "indented", "sh"}
# Right below code these are what the code prints.
OUTPUT = {"json", "latex", "text"}
# Blocks that hold nothing to run.
IDLE = {"bibtex", "latex", "text"} | {
    f"{{{name}}}" for name in ("bibliography", "eval-rst", "figure", "image", "include", "math", "toctree")
}
# What minutes would be spent on, and what is run in its place.
SHORTER = (
    (re.compile(r'GCDExperiment\("\w+"\)'), 'GCDExperiment("quick")'),
    (re.compile(r"(gcd|practice|subpopulations) --preset \S+"), r"\1 --preset quick"),
)
# What a page says of data of one's own.
DATA: dict[str, Callable[[np.random.Generator], np.ndarray]] = {
    "inputs.npy": lambda rng: rng.standard_normal((60, 5)),
    "labels.npy": lambda rng: rng.standard_normal(60),
    "groups.npy": lambda rng: np.arange(60) % 2,
}


class Session:
    """Runs blocks; what is slow is only compiled, or parsed, unless the session may take its time.

    A block that is marked with ``file=NAME`` behind its language is that file for all that follow.

    Parameters
    ----------
    commands : Commands
        Runs command lines.
    slow : tuple of str
        What a block of Python, or a command, holds that is left to a session with more time; with dots all
        that follows is left to it too.
    """

    def __init__(self, commands: Commands, slow: tuple[str, ...]):
        self.commands, self.slow = commands, slow
        self.printed: dict[int, list[str]] = {}
        self.namespace: dict[str, Any] = {"__name__": "__main__", "print": self._print}
        self.double = False  # as in a process that has just begun
        self.output: str | None = ""  # of the block before; None where it did not run

    def run(self, block: Block) -> None:
        """Check one block, by its kind."""
        try:
            self._run(block)
        except Exception as error:
            error.add_note(str(block))
            raise

    def _run(self, block: Block) -> None:
        for mark in () if block.kind.startswith("{") else block.marks:
            key, _, file = mark.partition("=")
            assert key == "file" and file, f"{block}: unknown mark {mark}"
            Path(file).write_text(block.text, encoding="utf-8")
        if block.below and block.kind in OUTPUT:
            assert self.output is None or says(block.text, self.output), f"{block}: printed {self.output}"
            return
        self.output = ""
        if block.kind == "python":
            self._script(block)
        elif block.kind == "pycon":
            self._examples(block)
        elif block.kind == "toml":
            self._toml(block)
        elif block.kind == "yaml":
            assert yaml.safe_load(block.text), f"{block}: empty"
        elif block.kind in SHELL and block.text.startswith("#!"):  # for a queue: read, not run
            subprocess.run(["bash", "-n"], input=block.text.encode(), check=True)
        elif block.kind in SHELL:
            self._shell(block)
        else:
            assert block.kind in IDLE, f"{block}: no test knows this kind of block"
            assert "code-block" not in block.text and ">>>" not in block.text, f"{block}: code inside"

    def _script(self, block: Block) -> None:
        code = compile(shorter(block.placed), name(block.page), "exec", dont_inherit=True)
        stated = list(claims(block))
        self.output = None
        if self._idle(block.text):
            return
        said = io.StringIO()
        with self._as_started(), contextlib.redirect_stdout(said):
            exec(code, self.namespace)
        self.output = said.getvalue()
        for line, values in stated:
            printed = self.printed.get(line, [])
            holds = len(values) == len(printed) and all(map(says, values, printed))
            assert holds, f"{name(block.page)}:{line}: said {values}, printed {printed}"

    def _idle(self, text: str) -> bool:
        found = [phrase for phrase in self.slow if phrase.removesuffix("...") in text]
        if any(phrase.endswith("...") for phrase in found):
            self.slow = ("",)
        return bool(found)

    def _print(self, *values: Any, **options: Any) -> None:
        said = io.StringIO()
        print(*values, **{"file": said} | options)
        self.printed.setdefault(sys._getframe(1).f_lineno, []).append(said.getvalue())
        print(said.getvalue(), end="")

    def _examples(self, block: Block) -> None:
        test = doctest.DocTestParser().get_doctest(block.placed, {}, name(block.page), str(block.page), 0)
        assert test.examples, f"{block}: no examples"
        if self._idle(block.text):
            return
        test.globs, said = self.namespace, []  # type: ignore[var-annotated]
        with self._as_started():
            result = doctest.DocTestRunner(optionflags=FLAGS).run(test, out=said.append, clear_globs=False)
        assert not result.failed, "".join(said)

    @contextlib.contextmanager
    def _as_started(self) -> Iterator[None]:
        """Single precision until the page asks for float64, as in a process of its own."""
        jax.config.update("jax_enable_x64", self.double)
        try:
            yield
        finally:
            self.double = jax.dtypes.canonicalize_dtype("float64") == "float64"
            jax.config.update("jax_enable_x64", True)

    def _toml(self, block: Block) -> None:
        content = tomllib.loads(block.text)
        for file in re.findall(r"load\('(.*?)'\)", block.text):
            np.save(file, DATA[file](np.random.default_rng(0)))
        Path("page.toml").write_text(block.text, encoding="utf-8")
        derives, sweeps = "symbols" in content, "sweep" in content
        if self._idle(block.text) and derives:
            read_derivation(["page.toml"]).traces()
        elif self._idle(block.text):
            read_task(["page.toml"], COMMON, swept=sweeps)
        else:
            for verb in ["derive"] if derives else ["predict"] + ["sweep"] * sweeps:
                self.commands.freeridge([verb, "page.toml"])

    def _shell(self, block: Block) -> None:
        synopsis = []
        for command, expected in lines(block):
            if SYNOPSIS.match(command):
                synopsis.append(command)
                continue
            printed = self.commands.run(command, shorter(command), idle=self._idle(command))
            self.output = None if printed is None or self.output is None else self.output + printed
            if expected and printed is not None:
                assert says(expected, printed), f"{block}: {command}\nprinted {printed}"
        check_synopsis(synopsis)


def shorter(text: str) -> str:
    """The text, with what would take minutes exchanged."""
    for pattern, words in SHORTER:
        text = pattern.sub(words, text)
    return text
