"""Every block of code in README.md and docs/ does what its page says.

A page is a session: its blocks run from top to bottom in one folder, with the examples at hand. What is slow
is compiled, or its arguments parsed, in the fast tests, and run by the slow ones.
"""

import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pytest
from tests.docs.blocks import ROOT, name, pages, read_blocks
from tests.docs.commands import Commands
from tests.docs.session import Session
from tests.docs.synopsis import verbs

# What costs more than a second or two of processor time with compiled programs at hand: every block of Python
# and every command that holds one of these, and with dots all that follows.
SLOW: dict[str, tuple[str, ...]] = {
    "README.md": (
        *("BiasAmplification(", "compare_groups(", "fr.derive(", "ZipfTail(", "PrunedClassifier("),
        *("GaussianMixture(", "SpuriousLogistic(", "freeridge validate", "freeridge derive", "freeridge fit"),
        *("freeridge gcd", "freeridge practice", "freeridge subpopulations", "freeridge figures"),
        *("phase-diagram", "tail-mixing", "curation.toml", "spurious-feature"),
    ),
    "docs/choosing.md": ("truth = ...",),
    "docs/cluster.md": ("here = fr.sweep...",),
    "docs/command-line.md": ("RidgeMixture", "BiasAmplification", "[symbols]"),
    "docs/compiler-tutorial.md": ("n_1, n_2, m = fr.dims...",),
    "docs/concepts.md": ("for _ in range(200)", "for d in (50, 100, 200)", "jax.grad(risk)"),
    "docs/errata.md": ("ZipfTail(", "PrunedClassifier("),
    "docs/figures.md": ("draw",),
    "docs/fitting.md": ("freeridge fit", "fit_curve"),
    "docs/memorisation-aware-training.md": ("fit(", "train("),
    "docs/practice.md": ("freeridge practice", "DeliberatePractice"),
    "docs/subpopulations.md": ("freeridge subpopulations",),
    "docs/theory/arithmetic.md": ("gcd",),
    "docs/theory/guided-generation.md": ("guided_test",),
    "docs/theory/real-features.md": ("compare_groups",),
}
PAGES = [page for page in pages() if read_blocks(page)]
LARGE = [page for page in PAGES if name(page) in SLOW]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A folder of its own, with what a clone has at hand; what is made there does not outlive it."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    yield
    for module in set(sys.modules) - before:
        if str(getattr(sys.modules[module], "__file__", None)).startswith(str(tmp_path)):
            del sys.modules[module]
    plt.close("all")


def run(page: Path, ask: Any, slow: tuple[str, ...]) -> None:
    """All blocks of a page, without what is slow."""
    session = Session(Commands(ask), slow)
    for block in read_blocks(page):
        session.run(block)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("page", PAGES, ids=name)
def test_page(page: Path, ask: Any) -> None:
    run(page, ask, SLOW.get(name(page), ()))


@pytest.mark.slow
@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("page", LARGE, ids=name)
def test_page_in_full(page: Path, ask: Any) -> None:
    run(page, ask, ())


def test_nothing_is_forgotten() -> None:
    """No page is lost, and what is slow exists."""
    assert {"README.md", "CONTRIBUTING.md", "docs/command-line.md"} <= {name(page) for page in PAGES}
    kinds = Counter(block.kind for page in PAGES for block in read_blocks(page))
    assert kinds["python"] > 20 and kinds["indented"] > 8 and kinds["pycon"] > 35 and kinds["toml"] > 2
    for page in SLOW:
        text = "\n".join(block.text for block in read_blocks(ROOT / page))
        assert all(phrase.removesuffix("...") in text for phrase in SLOW[page]), page


def test_the_tutorial_of_the_compiler() -> None:
    page = ROOT / "docs" / "compiler-tutorial.md"
    blocks = [block.text for block in read_blocks(page) if block.kind == "pycon"]
    rest = SLOW[name(page)][0].removesuffix("...")
    first = next(number for number, text in enumerate(blocks) if rest in text)
    examples = ["".join(part).count("\n>>> ") + len(part) for part in (blocks[:first], blocks)]
    assert examples[0] > 20 and examples[1] > 80


def test_every_verb_is_in_the_synopsis() -> None:
    synopsis = read_blocks(ROOT / "docs" / "command-line.md")[0]
    assert {line.split()[1] for line in synopsis.text.splitlines()} - {"--version"} == verbs()
