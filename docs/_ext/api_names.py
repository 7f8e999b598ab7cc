"""Names of the library on the site: where the ones of the API reference are, and what becomes of the others.

References to names that have no place on the site are checked to exist and stay plain text.
"""

import re
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

import freeridge

# Last names of all that the pages of the API document, and the names in full
PLACES = {
    name.rpartition(".")[2]: name
    for page in (Path(__file__).parents[1] / "api").glob("*.md")
    for name in re.findall(r"^\.\. auto\w+:: ([\w.]+)", page.read_text(encoding="utf-8"), re.MULTILINE)
}


@cache
def _explained() -> list[object]:
    """Fields of named tuples that the docstring of their class explains."""
    found = map(_lookup, PLACES.values())
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
    app.connect("autodoc-skip-member", _skip)
    app.connect("missing-reference", _resolve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
