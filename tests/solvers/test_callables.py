"""Functions are told apart by what they do, and by everything that they reach, in any process."""

import functools
import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import jax
import numpy as np
import pytest

from freeridge.solvers.storage import fingerprint

SOURCE = '''
import dataclasses
import functools
import math

import numpy as np

LEVEL = 0.5
TABLE = np.arange(40.0)


class Rule:
    """A rule with a state."""

    def __init__(self, level):
        self.level = level

    def keep(self, score):
        return score > self.level


class Called(Rule):
    def __call__(self, score):
        return self.keep(score)


@dataclasses.dataclass(frozen=True)
class Frozen:
    level: float

    @property
    def twice(self):
        return 2 * self.level

    def predict(self, score):
        return self.twice * score

    def keep(self, score):
        return Rule(self.level).keep(score)


def of(level):
    return lambda score: score > level


def above(score, strict=True):
    # A comment is nothing that it does.
    return score > LEVEL if strict else score >= LEVEL


def through(score):
    return above(score) and score < TABLE[3]


def named(score):
    return score in {"easy", "hard", "right", "wrong", "all", "none"}


def factorial(n):
    return 1 if n == 0 else n * factorial(n - 1)


def even(n):
    return True if n == 0 else odd(n - 1)


def odd(n):
    return False if n == 0 else even(n - 1)


def outside(score):
    return math.erf(score) + np.sum(score)


partial = functools.partial(above, strict=False)
'''


def load(folder: Path, source: str) -> ModuleType:
    """The module with this source, under one name."""
    (folder / "rules.py").write_text(source)
    spec = importlib.util.spec_from_file_location("rules", folder / "rules.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


NAMES = ("above", "through", "named", "factorial", "even", "odd", "outside", "partial")


def marks(module: ModuleType) -> dict[str, str]:
    """Of everything in it."""
    found = {name: fingerprint(getattr(module, name)) for name in NAMES}
    return found | {
        "closure": fingerprint(module.of(1.0)),
        "method": fingerprint(module.Rule(1.0).keep),
        "object": fingerprint(module.Called(1.0)),
        "frozen": fingerprint(module.Frozen(1.0)),
    }


def test_the_same_source_is_the_same(tmp_path: Path) -> None:
    first = marks(load(tmp_path, SOURCE))
    assert first == marks(load(tmp_path, SOURCE))
    moved = SOURCE.replace("\nLEVEL", '\n\n"""Somewhere else."""\n\nLEVEL').replace(
        "A comment", "Another one"
    )
    assert first == marks(load(tmp_path, moved))
    assert len(set(first.values())) == len(first)


@pytest.mark.parametrize(
    ("before", "after", "changed"),
    [
        ("score > LEVEL if strict", "score < LEVEL if strict", {"above", "through", "partial"}),
        ("LEVEL = 0.5", "LEVEL = 0.25", {"above", "through", "partial"}),
        ("strict=True", "strict=None", {"above", "through", "partial"}),
        ("np.arange(40.0)", "np.arange(41.0)", {"through"}),
        ("TABLE[3]", "TABLE[4]", {"through"}),
        ('"none"', '"nothing"', {"named"}),
        ("n * factorial", "n + factorial", {"factorial"}),
        ("False if n == 0", "None if n == 0", {"even", "odd"}),
        ("math.erf", "math.erfc", {"outside"}),
        ("strict=False", "strict=0", {"partial"}),
        ("lambda score: score > level", "lambda score: score >= level", {"closure"}),
        ("score > self.level", "score >= self.level", {"method"}),
        ("self.keep(score)", "not self.keep(score)", {"object"}),
        ("self.twice * score", "self.twice + score", {"frozen"}),
        ("2 * self.level", "3 * self.level", {"frozen"}),
    ],
)
def test_what_is_changed_is_another_one(tmp_path: Path, before: str, after: str, changed: set[str]) -> None:
    first, second = marks(load(tmp_path, SOURCE)), marks(load(tmp_path, SOURCE.replace(before, after)))
    assert {name for name in first if first[name] != second[name]} == changed


def test_what_is_held_is_part_of_it(tmp_path: Path) -> None:
    rules = load(tmp_path, SOURCE)
    for make in (rules.of, rules.Called, lambda level: rules.Rule(level).keep):
        one, other, same = (fingerprint(make(level)) for level in (1.0, 2.0, 1.0))
        assert one == same != other
    arrays = [fingerprint(rules.of(np.arange(50.0) + shift)) for shift in (0, 1, 0)]
    assert arrays[0] == arrays[2] != arrays[1]


def test_what_is_compiled_is_what_it_compiles(tmp_path: Path) -> None:
    rules = load(tmp_path, SOURCE)
    compiled: Callable[[Any], Any] = jax.jit(rules.above)
    assert fingerprint(compiled) == fingerprint(rules.above) != fingerprint(jax.jit(rules.through))
    partials = [fingerprint(functools.partial(rules.of, level)) for level in (1.0, 2.0, 1.0)]
    assert partials[0] == partials[2] != partials[1]


@pytest.mark.slow
def test_another_process_finds_the_same(tmp_path: Path) -> None:
    """With another order in its sets."""
    here = marks(load(tmp_path, SOURCE))
    script = (
        "import json, sys; from pathlib import Path; from tests.solvers.test_callables import *\n"
        f"print(json.dumps(marks(load(Path({str(tmp_path)!r}), SOURCE))))"
    )
    root = Path(__file__).parents[2]
    for seed in ("1", "2", "3"):
        environment = {"PYTHONPATH": f"{root / 'src'}:{root}", "PYTHONHASHSEED": seed}
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, env=environment, check=True
        )
        assert json.loads(done.stdout) == here
