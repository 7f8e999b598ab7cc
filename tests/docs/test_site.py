"""The site: every page has its place, every public name its entry, every link its target, and nothing comes
from outside.
"""

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from markdown_it import MarkdownIt
from playwright.sync_api import sync_playwright

import freeridge
from freeridge.figures.catalogue import catalogue

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
TOCTREE = re.compile(r"^```\{toctree\}\n(.*?)^```", re.MULTILINE | re.DOTALL)


def _pages() -> list[Path]:
    """All pages that are written by hand."""
    written = [page for page in DOCS.rglob("*.md") if "_build" not in page.parts]
    return [page for page in written if page.parent.name != "gallery" or page.name == "index.md"]


def _texts(page: Path) -> Iterator[Any]:
    for token in MarkdownIt("commonmark").enable("table").parse(page.read_text(encoding="utf-8")):
        yield from token.children or []


def _anchors(page: Path) -> set[str]:
    """Those of headings, as code hosts and MyST make them."""
    tokens = MarkdownIt("commonmark").parse(page.read_text(encoding="utf-8"))
    heads = [text.content for mark, text in pairwise(tokens) if mark.type == "heading_open"]
    names = [re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads]
    return {f"{name}-{n}" if n else name for name, times in Counter(names).items() for n in range(times)}


def test_every_page_is_in_one_table_of_contents() -> None:
    listed = Counter(
        (page.parent / f"{line}.md").resolve()
        for page in _pages()
        for body in TOCTREE.findall(page.read_text(encoding="utf-8"))
        for line in body.splitlines()
        if line and not line.startswith(":")
    )
    assert set(listed) == set(_pages()) - {DOCS / "index.md"}
    assert set(listed.values()) == {1}


def test_every_public_name_has_one_place_in_the_reference() -> None:
    text = "\n".join(page.read_text(encoding="utf-8") for page in (DOCS / "api").glob("*.md"))
    places = Counter(re.findall(r"^\.\. auto\w+:: freeridge\.([\w.]+)$", text, re.MULTILINE))
    assert {name for name in places if "." not in name} == set(freeridge._HOME)
    assert set(places.values()) == {1}


def test_every_link_leads_somewhere() -> None:
    generated = {DOCS / "gallery" / f"{entry.name}.md" for entry in catalogue()}
    dead = []
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *_pages()]:
        for token in _texts(page):
            link = unquote(str(token.attrGet("href") or token.attrGet("src") or ""))
            if token.type not in ("link_open", "image") or re.match(r"[a-z]+:", link):
                continue
            path, _, anchor = link.partition("#")
            target = (page.parent / path).resolve() if path else page
            there = target.exists() and (not anchor or anchor in _anchors(target))
            if not there and (anchor or target not in generated):
                dead.append(f"{page.relative_to(ROOT)}: {link}")
    assert not dead


@pytest.mark.parametrize(
    ("docstring", "read"),
    [
        (r"Row $i$ of $\Sigma$.", r"Row :math:`i` of :math:`\Sigma`."),
        ("The $n$th of\nthe $p$-values", "The :math:`n`\\ th of\nthe :math:`p`-values"),
        ("over\n\n  $$ a +\n     b $$.\n\nlines", "over\n\n\n  .. math::\n\n     a +\n     b.\n\n\nlines"),
        ("``$HOME`` costs ``$1``", "``$HOME`` costs ``$1``"),
        ('>>> print("$x$")\n$x$', '>>> print("$x$")\n$x$'),
        ("truth : RandomVector\n    True.", "truth : :class:`~freeridge.RandomVector`\n    True."),
        ("Returns\n-------\nEstimate", "Returns\n-------\n:class:`~freeridge.Estimate`"),
        ("derived in ``docs/solver.md``", "derived in :doc:`/solver`"),
    ],
)
def test_docstrings_become_what_sphinx_reads(
    docstring: str, read: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(DOCS / "_ext")
    assert import_module("docstrings").with_roles(docstring) == read


def test_links_to_pages_at_the_top_lead_to_their_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(DOCS / "_ext")
    to_copies = import_module("top_pages").to_copies
    assert to_copies("[a](../CONTRIBUTING.md), [b](x.md)", "solver") == "[a](contributing.md), [b](x.md)"
    assert to_copies("[a](../../CHANGELOG.md#b)", "theory/bias") == "[a](../changelog.md#b)"


@pytest.mark.parametrize(
    ("text", "loads"),
    [
        ('<a class="reference external" href="https://arxiv.org/abs/2410.04840">paper</a>', False),
        ('<script defer="defer" src="../_static/mathjax/tex-chtml.js"></script>', False),
        ('<link rel="canonical" href="https://example.test/">', False),
        ('<script async src="https://cdn.test/mathjax.js"></script>', True),
        ('<link href="//fonts.test/inter.css" rel="stylesheet"/>', True),
        ('<img alt="badge" src="http://badges.test/a.svg">', True),
        ("@font-face { src: url('https://fonts.test/inter.woff2'); }", True),
        ('@import "https://fonts.test/inter.css";', True),
    ],
)
def test_what_would_be_loaded_from_outside_is_found(
    text: str, loads: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(DOCS / "_ext")
    assert bool(import_module("offline").outside(text)) == loads


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site as ``make docs`` builds it, less the cells of tutorials and the pictures of the gallery."""
    copy = tmp_path_factory.mktemp("site")
    for path in ROOT.iterdir():
        if path.name not in ("docs", "out") and not path.name.startswith("."):
            (copy / path.name).symlink_to(path)
    shutil.copytree(DOCS, copy / "docs", ignore=shutil.ignore_patterns("_build", "__pycache__"))
    switches = ["-D", "nb_execution_mode=off", "-D", "gallery_draw=0"]
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-n", "-q", *switches, "docs", "html"]
    done = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-5000:]
    return copy / "html"


@pytest.mark.browser
def test_pages_read_from_a_folder_show_formulas_and_find_words(site: Path) -> None:
    names = ("chromium", "chromium-browser", "google-chrome")
    chromium = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=chromium,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        requests: list[str] = []
        page = browser.new_page()
        page.on("request", lambda request: requests.append(request.url))
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        for name in ("index", "theory/mixture", "api/ridge", "performance"):
            page.goto((site / f"{name}.html").as_uri())
            page.wait_for_selector("mjx-container")
            formulas = page.locator(".math").count()
            page.wait_for_function(f"document.querySelectorAll('.math mjx-container').length >= {formulas}")
            assert page.locator("mjx-merror").count() == 0
        page.goto((site / "search.html").as_uri() + "?q=interpolation")
        page.wait_for_selector("#search-results li a")
        browser.close()
    assert not errors
    assert not [url for url in requests if not url.startswith(("file:", "data:"))]
