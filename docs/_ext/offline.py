"""The site needs no network: a build fails when a page or a style would load something from outside."""

import re
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

# What a browser loads by itself; links that a reader follows may lead outside.
_LOADED = re.compile(
    r"""<(?:script|img|source|iframe|audio|video|embed)\b[^>]*?\ssrc=["']?(?:https?:)?//[^"'\s>]*|"""
    r"""<link\b(?=[^>]*\brel=["']?(?:stylesheet|preload|prefetch|preconnect|modulepreload|icon))"""
    r"""[^>]*?\shref=["']?(?:https?:)?//[^"'\s>]*|"""
    r"""(?:\burl\(|@import\s)\s*["']?(?:https?:)?//[^"'\s)]*""",
    re.IGNORECASE,
)


def outside(text: str) -> list[str]:
    """What a page or a style sheet would load from outside.

    Examples
    --------
    >>> outside('<a href="https://arxiv.org">a link</a> <script src="_static/doctools.js"></script>')
    []
    >>> outside('<link rel="stylesheet" href="//fonts.test/a.css">')
    ['<link rel="stylesheet" href="//fonts.test/a.css']
    """
    return _LOADED.findall(text)


def _check(app: Sphinx, error: Exception | None) -> None:
    if error is not None or app.builder.format != "html":
        return
    for ending in ("*.html", "*.css"):
        for path in Path(app.outdir).rglob(ending):
            if found := outside(path.read_text(encoding="utf-8")):
                raise ExtensionError(f"{path.name} loads from outside: {', '.join(found)}")


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("build-finished", _check, priority=900)  # after all that copies files
    return {"parallel_read_safe": True, "parallel_write_safe": True}
