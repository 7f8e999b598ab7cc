"""A reader of the code in Markdown pages: every fenced and every indented block, with its kind and place."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[2]
# Pages that the builder of the site runs, or writes.
ELSEWHERE = ("docs/tutorials/", "docs/gallery/", "docs/_build/")
# Directives of MyST whose body is Markdown again.
PROSE = {
    f"{{{name}}}" for name in ("admonition", "dropdown", "important", "note", "seealso", "tip", "warning")
}


@dataclass(frozen=True)
class Block:
    """Code in a page: what follows the opening fence is its kind (``indented`` without a fence) and marks."""

    page: Path
    line: int  # of the page, where the text begins
    kind: str
    marks: tuple[str, ...]
    text: str
    below: bool  # nothing but empty lines between this block and the one before

    def __str__(self) -> str:
        return f"{name(self.page)}:{self.line} ({self.kind})"

    @property
    def placed(self) -> str:
        """The text on the lines that it has in the page: errors in it name the line of the page."""
        return "\n" * (self.line - 1) + self.text


def pages() -> list[Path]:
    """The pages whose blocks are tested here."""
    found = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [page for page in found if not name(page).startswith(ELSEWHERE)]


def name(page: Path) -> str:
    """Of a page, as one says it."""
    return page.relative_to(ROOT).as_posix() if page.is_relative_to(ROOT) else page.name


def read_blocks(page: Path) -> list[Block]:
    """All blocks of a page in their order."""
    return list(_blocks(page, page.read_text(encoding="utf-8"), 1))


def _blocks(page: Path, text: str, first: int) -> Iterator[Block]:
    lines, end = text.splitlines(), -1
    for token in MarkdownIt("commonmark").parse(text):
        if token.type not in ("fence", "code_block"):
            continue
        assert token.map is not None
        begin, below = token.map[0], end >= 0 and not "".join(lines[end : token.map[0]]).strip()
        end = token.map[1]
        kind, *marks = token.info.split() or [""]
        if token.type == "code_block":
            yield Block(page, first + begin, "indented", (), token.content, below)
        elif kind in PROSE:
            yield from _blocks(page, token.content, first + begin + 1)
        else:
            if kind == "{code-block}" and marks:
                kind, *marks = marks
            yield Block(page, first + begin + 1, kind, tuple(marks), token.content, below)
