r"""The docstrings of freeridge as Sphinx reads them.

Formulas stand between dollars, as on every page of the documentation, and become roles and directives here.
So do names of types, and pages of the documentation.
"""

import re
from inspect import cleandoc
from typing import Any

from api_names import PLACES
from sphinx.application import Sphinx

_DISPLAY = re.compile(r"^( *)\$\$(.+?)\$\$([.,;:]?)[ ]*$", re.MULTILINE | re.DOTALL)
_PAGE = re.compile(r"``docs/([\w/-]+)\.md``")
_TYPES = re.compile(r"(?<=^Returns\n-------\n).+$|(?<= : ).+$", re.MULTILINE)
_CLASS = re.compile(rf"\b({'|'.join(name for name in PLACES if name[0].isupper())})\b")
_LITERAL_OR_INLINE = re.compile(r"(``.+?``|:\w+:`[^`]*`)|\$([^$`]+)\$", re.DOTALL)


def _display(match: re.Match[str]) -> str:
    indent, formula, stop = match.groups()
    lines = (formula.strip() + stop).splitlines()
    body = "\n".join(f"{indent}   {line.strip()}" for line in lines)
    return f"\n{indent}.. math::\n\n{body}\n"


def _inline(match: re.Match[str]) -> str:
    literal, formula = match.groups()
    if literal:
        return str(literal)
    # reStructuredText wants a role between spaces or punctuation; an escaped space stands for none
    text = match.string
    before = "" if match.start() == 0 or text[match.start() - 1] in " \n([{<-/:'\"" else "\\ "
    after = "" if match.end() == len(text) or text[match.end()] in " \n)]}>-/:.,;!?'\"" else "\\ "
    return f"{before}:math:`{' '.join(formula.split())}`{after}"


def _linked(types: re.Match[str]) -> str:
    return _CLASS.sub(lambda name: f":class:`~{PLACES[name[0]]}`", types[0])


def with_roles(docstring: str) -> str:
    """The docstring with formulas, types and pages as roles and directives, examples left alone."""
    paragraphs = re.split(r"(\n[ ]*\n)", docstring)
    for at, text in enumerate(paragraphs):
        if not text.lstrip().startswith(">>>"):
            text = _PAGE.sub(r":doc:`/\1`", _TYPES.sub(_linked, text))
            paragraphs[at] = _LITERAL_OR_INLINE.sub(_inline, _DISPLAY.sub(_display, text))
    return "".join(paragraphs)


def _process(app: Sphinx, what: str, name: str, obj: object, options: Any, lines: list[str]) -> None:
    lines[:] = with_roles("\n".join(lines)).split("\n")


def _plain(app: Sphinx, what: str, name: str, obj: object, options: Any, lines: list[str]) -> None:
    if what == "property":  # napoleon takes what stands before a colon for a type
        lines[:] = with_roles(cleandoc(obj.__doc__ or "")).split("\n")


def _without_arrays(
    app: Sphinx, what: str, name: str, obj: object, options: Any, signature: str | None, returns: str | None
) -> tuple[str | None, str | None]:
    """Defaults that are settings, ``KeepRandom()`` instead of ``KeepRandom(fraction=f64[])``."""
    return re.sub(r"\(\w+=f64\[\]\)", "()", signature or "") or None, returns


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("autodoc-process-docstring", _process, priority=400)  # before napoleon, which takes 500
    app.connect("autodoc-process-docstring", _plain, priority=600)
    app.connect("autodoc-process-signature", _without_arrays)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
