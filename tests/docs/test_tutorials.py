"""The tutorials: each is listed, its cells compile, its pictures are described, and its cells run."""

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import matplotlib.pyplot as plt
import pytest
from tests.docs.blocks import ROOT, Block, read_blocks

FOLDER = ROOT / "docs" / "tutorials"
INDEX = FOLDER / "index.md"
PAGES = sorted(page for page in FOLDER.glob("*.md") if page != INDEX)
HEADER = re.compile(r"---\njupytext:\n.*\nkernelspec:\n.*\n  name: python3\n---\n\n# ", re.DOTALL)
METADATA = re.compile(r"\A---\n(.*?)^---\n", re.DOTALL | re.MULTILINE)


def cells(page: Path) -> list[Block]:
    """The cells of a page as they are written, metadata included."""
    return [block for block in read_blocks(page) if block.kind == "{code-cell}"]


def code(cell: Block) -> str:
    """A cell without its metadata, on the lines that it has in the page."""
    blank = METADATA.sub(lambda found: "\n" * found[0].count("\n"), cell.text)
    return dataclasses.replace(cell, text=blank).placed


def run(page: Path) -> None:
    """Run the cells of a page in one namespace, as the builder of the site does."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    jax.config.update("jax_enable_x64", False)  # the page asks for it
    with plt.rc_context():
        for cell in cells(page):
            exec(compile(code(cell), page.name, "exec", dont_inherit=True), namespace)
            plt.close("all")


@pytest.fixture
def page(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)  # read anew from the variable
    yield request.param
    plt.close("all")
    jax.config.update("jax_enable_x64", True)


def test_index_lists_every_page() -> None:
    text = INDEX.read_text(encoding="utf-8")
    linked = re.findall(r"^- \[.*?\]\((.*?)\.md\): \S", text, re.MULTILINE)
    (tree,) = [block.text for block in read_blocks(INDEX) if block.kind == "{toctree}"]
    assert linked == [line for line in tree.split() if not line.startswith(":")]
    assert sorted(linked) == [page.stem for page in PAGES]


@pytest.mark.parametrize("one", PAGES, ids=lambda page: page.stem)
def test_cells_are_well_formed(one: Path) -> None:
    text, found = one.read_text(encoding="utf-8"), cells(one)
    assert HEADER.match(text)
    assert len(found) == text.count("```{code-cell}") > 4
    assert 'jax.config.update("jax_enable_x64", True)' in found[0].text
    for cell in found:
        compile(code(cell), one.name, "exec", dont_inherit=True)
        if "plt.subplots" in cell.text:
            described = METADATA.match(cell.text)
            assert described and re.search(r'^    alt: "\w.{40,}"$', described[1], re.MULTILINE), str(cell)


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem, indirect=True)
def test_page_runs(page: Path) -> None:
    run(page)
