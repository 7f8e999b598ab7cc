r"""What the docstrings of freeridge need to be read by Sphinx.

Formulas stand between dollars, as on every page of the documentation, and become roles and directives here.
References to names that have no place on the site are checked to exist and stay plain text.
"""

import re
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from inspect import cleandoc
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

import freeridge

_DISPLAY = re.compile(r"^( *)\$\$(.+?)\$\$([.,;:]?)[ ]*$", re.MULTILINE | re.DOTALL)
_PAGE = re.compile(r"``docs/([\w/-]+)\.md``")
_TYPES = re.compile(r"(?<=^Returns\n-------\n).+$|(?<= : ).+$", re.MULTILINE)
# last names of all that the pages of the API document, and the names in full
_PLACES = {
    name.rpartition(".")[2]: name
    for page in (Path(__file__).parents[1] / "api").glob("*.md")
    for name in re.findall(r"^\.\. auto\w+:: ([\w.]+)", page.read_text(encoding="utf-8"), re.MULTILINE)
}
_CLASS = re.compile(rf"\b({'|'.join(name for name in _PLACES if name[0].isupper())})\b")
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
    return _CLASS.sub(lambda name: f":class:`~{_PLACES[name[0]]}`", types[0])


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


@cache
def _explained() -> list[object]:
    """Fields of named tuples that the docstring of their class explains."""
    found = map(_lookup, _PLACES.values())
    told = [cls for cls in found if hasattr(cls, "_fields") and "Attributes\n" in (cls.__doc__ or "")]
    return [vars(cls)[field] for cls in told for field in cls._fields]


def _skip(app: Sphinx, what: str, name: str, obj: object, skip: bool, options: Any) -> bool | None:
    return True if any(obj is field for field in _explained()) else None


def _lookup(dotted: str) -> object | None:
    parts = dotted.split(".")
    for split in range(len(parts), 0, -1):
        try:
            found: object = import_module(".".join(parts[:split]))
        except ImportError:
            continue
        for part in parts[split:]:
            found = getattr(found, part, None)
        return found
    return None


def _places(node: addnodes.pending_xref) -> list[str]:
    """Full names that a reference may mean, from inside the docstring that it stands in outwards."""
    target = node["reftarget"].lstrip("~")
    source = next((s for n in _upwards(node) if "docstring of " in (s := n.source or "")), "")
    inside = source.partition("docstring of ")[2].split(":")[0]
    owner, _, rest = inside.removeprefix("freeridge.").partition(".")
    if owner in freeridge._HOME:
        inside = ".".join(filter(None, [freeridge._HOME[owner], owner, rest]))
    parts = inside.split(".")
    return [target, *(f"{'.'.join(parts[:end])}.{target}" for end in range(len(parts), 0, -1))]


def _upwards(node: nodes.Node | None) -> Iterator[nodes.Node]:
    while node is not None:
        yield node
        node = node.parent


def _resolve(
    app: Sphinx, env: BuildEnvironment, node: addnodes.pending_xref, text: nodes.Element
) -> nodes.Element | None:
    """Lead a name at its home (``freeridge.theory.mixture.RidgeMixture``) to its place on the site; a name
    without one stays plain text if it exists at all.
    """
    if node.get("refdomain") != "py":
        return None
    python = env.domains.python_domain
    for dotted in _places(node):
        if not dotted.startswith(("freeridge.", "jax.")) or _lookup(dotted) is None:
            continue
        for public, module in freeridge._HOME.items():
            if f"{dotted}.".startswith(f"{module}.{public}."):
                dotted = "freeridge." + dotted.removeprefix(f"{module}.")
        if dotted in python.objects:
            return python.resolve_xref(env, node["refdoc"], app.builder, node["reftype"], dotted, node, text)
        return text
    return None


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("autodoc-process-docstring", _process, priority=400)  # before napoleon, which takes 500
    app.connect("autodoc-process-docstring", _plain, priority=600)
    app.connect("autodoc-process-signature", _without_arrays)
    app.connect("autodoc-skip-member", _skip)
    app.connect("missing-reference", _resolve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
