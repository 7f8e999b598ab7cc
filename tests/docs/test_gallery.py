"""The pages of the gallery: one for every figure, and a site with a picture drawn for it."""

import importlib
import importlib.util
import re
import subprocess
import sys
from concurrent.futures import Future
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from freeridge.figures.catalogue import catalogue
from freeridge.figures.description import descriptions, introductions

DOCS = Path(__file__).parents[2] / "docs"
LINK = re.compile(r"\]\(([^)#:]+\.md)\)")


@pytest.fixture
def gallery(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(DOCS / "_ext")
    return importlib.import_module("gallery")


def test_every_figure_has_a_page(gallery: ModuleType, tmp_path: Path) -> None:
    gallery.write(catalogue(), tmp_path, None)
    assert len(list(tmp_path.glob("*.md"))) == len(catalogue()) == 53
    for entry in catalogue():
        text = (tmp_path / f"{entry.name}.md").read_text()
        paper, number = entry.paper.rsplit(", arXiv ", 1)
        assert paper in text and number in text and f"freeridge figures {entry.name} " in text
        assert entry.figure in text or entry.figure in ("none", "number unknown")
        words = descriptions()[entry.name]
        assert all(part in text for part in (words.parameters, words.chosen, words.see, words.bars))
        assert introductions()[number] in text
        assert entry.cost in text and "drawn by `make docs`" in text and "{image}" not in text
        # The source that is shown is there.
        for path, function in re.findall(r"\{literalinclude\} (\S+)\n.*\n:pyobject: (\w+)", text):
            assert f"\ndef {function}(" in (tmp_path / path).read_text()
        assert text.count("{literalinclude}") == 2


def test_links_lead_to_pages() -> None:
    texts = [*introductions().values()]
    for words in descriptions().values():
        texts += [words.parameters, words.chosen, words.see, words.bars, words.notes]
    links = {link for text in texts for link in LINK.findall(text)}
    assert len(links) > 15
    for link in links:
        assert link.removesuffix(".md") in descriptions() or (DOCS / "gallery" / link).exists(), link


def test_the_contents_list_all_figures(gallery: ModuleType, tmp_path: Path) -> None:
    gallery.write(catalogue(), tmp_path, None)
    text = (tmp_path / "contents.txt").read_text()
    for entry in catalogue():
        assert text.count(f"({entry.name}.md)") == text.count(f"\n{entry.name} <{entry.name}>\n") == 1
    assert text.count("\n## ") + text.startswith("## ") == len(introductions())


def test_pages_are_written_only_where_they_change(gallery: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "index.md").write_text("kept")
    (tmp_path / "figure-of-last-year.md").write_text("gone")
    entries = catalogue()[:2]
    gallery.write(entries, tmp_path, None)
    changed, kept = (tmp_path / f"{entry.name}.md" for entry in entries)
    before = kept.stat().st_mtime_ns
    changed.write_text("of another version")
    gallery.write(entries, tmp_path, None)
    assert kept.stat().st_mtime_ns == before and "What to see" in changed.read_text()
    assert {path.name for path in tmp_path.iterdir()} == {
        "index.md", "contents.txt", changed.name, kept.name
    }  # fmt: skip


def test_a_figure_that_fails_is_named_after_the_others(
    gallery: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    called = []

    class Here:
        """Calls at once, in this process."""

        def __init__(self, *settings: Any, **more: Any) -> None: ...
        def __enter__(self) -> "Here":
            return self

        def __exit__(self, *error: object) -> None: ...
        def submit(self, function: Any, name: str, *rest: Any) -> Future[None]:
            called.append(name)
            job: Future[None] = Future()
            if name == catalogue()[1].name:
                job.set_exception(ValueError("no such data"))
            else:
                job.set_result(None)
            return job

    monkeypatch.setattr(gallery, "ProcessPoolExecutor", Here)
    entries = catalogue()[:3]
    with pytest.raises(RuntimeError, match=f"{entries[1].name}: ValueError.*no such data"):
        gallery.draw(entries, tmp_path)
    assert sorted(called) == sorted(entry.name for entry in entries)
    assert "3 of 3" in capsys.readouterr().err


@pytest.mark.slow
def test_a_site_with_a_picture(tmp_path: Path) -> None:
    name, source = "tale-of-tails-12", tmp_path / "source"
    (source / "gallery").mkdir(parents=True)
    (source / "gallery" / "index.md").write_text((DOCS / "gallery" / "index.md").read_text())
    (source / "conf.py").write_text(
        f"import sys\nsys.path.insert(0, {str(DOCS / '_ext')!r})\n"
        "import jax\njax.config.update('jax_enable_x64', True)\n"
        "import gallery\neverything = gallery.catalogue()\n"
        f"gallery.catalogue = lambda: [entry for entry in everything if entry.name == {name!r}]\n"
        "extensions = ['myst_parser', 'gallery']\nmyst_enable_extensions = ['dollarmath']\n"
        "gallery_pictures = '../drawn'\n"
    )
    texts = [
        (DOCS / "gallery" / "index.md").read_text(),
        introductions()["2402.07043"],
        *vars(descriptions()[name]).values(),
    ]
    stubs = {source / "gallery" / link for text in texts for link in LINK.findall(text)}
    for stub in stubs:
        stub.resolve().parent.mkdir(exist_ok=True)
        stub.resolve().write_text("---\norphan: true\n---\n# Stub\n")
    (source / "index.md").write_text("# Site\n\n```{toctree}\ngallery/index\n```\n")
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-W",
        "-n",
        "-q",
        "-b",
        "html",
        str(source),
        str(tmp_path / "html"),
    ]
    first, again = (subprocess.run(command, capture_output=True, text=True) for _ in range(2))
    assert first.returncode == again.returncode == 0, first.stderr + again.stderr
    assert f"1 of 1: {name}" in first.stderr and "gallery" not in again.stderr
    page = (tmp_path / "html" / "gallery" / f"{name}.html").read_text()
    (picture,) = re.findall(rf'<img [^>]*src="\.\./_images/({name}\w*\.png)"', page)
    assert (tmp_path / "html" / "_images" / picture).read_bytes() == (
        tmp_path / "drawn" / f"{name}.png"
    ).read_bytes()
    assert "What to see" in page and "This picture: size quick" in page and "<details" in page
    assert f'href="{name}.html"' in (tmp_path / "html" / "gallery" / "index.html").read_text()
