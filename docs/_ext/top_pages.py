"""Links to pages at the top of the repository, as code hosts follow them, lead to copies on the site."""

import re

from sphinx.application import Sphinx

COPIES = {"README": "index", "CONTRIBUTING": "contributing", "CHANGELOG": "changelog"}


def to_copies(text: str, docname: str) -> str:
    """The text of a page with such links turned.

    Examples
    --------
    >>> to_copies("[how](../../CONTRIBUTING.md#checks)", "theory/mixture")
    '[how](../contributing.md#checks)'
    """
    up = "../" * docname.count("/")
    pattern = rf"\]\(\.\./{re.escape(up)}({'|'.join(COPIES)})\.md"
    return re.sub(pattern, lambda link: f"]({up}{COPIES[link[1]]}.md", text)


def _read(app: Sphinx, docname: str, source: list[str]) -> None:
    source[0] = to_copies(source[0], docname)


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("source-read", _read)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
