"""Fields by their dotted names: finding them, and a setting with other values in them, checked or traced."""

import dataclasses
import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import equinox as eqx

from freeridge.solvers.errors import InvalidSetting

Place = tuple[str | int, ...]

# Setting and options travel together: a test population may share a random vector with the setting.
_SETTING = 0


class Located(NamedTuple):
    """Where a field is, what it holds, and what else it may hold."""

    place: Place
    current: Any
    static: bool
    optional: bool


def children_of(node: Any) -> dict[str | int, Any]:
    """Fields or entries of a node, by the key that leads to them."""
    if dataclasses.is_dataclass(node) and not isinstance(node, type):
        return {
            field.name: getattr(node, field.name)
            for field in dataclasses.fields(node)
            if field.name != "identity"
        }
    if isinstance(node, list | tuple):
        return dict(enumerate(node))
    return dict(node) if isinstance(node, dict) else {}


def _leaves(node: Any, name: str) -> Iterator[str]:
    children = children_of(node)
    if not children:
        yield name
    for key, child in children.items():
        yield from _leaves(child, f"{name}.{key}" if name else str(key))


def locate(tree: Any, name: Any, value: Any) -> Located:
    """The place of a field, or an error with those there are."""
    node, static, optional, above = tree[_SETTING], False, False, ""
    place: Place = (_SETTING,)
    for part in str(name).split("."):
        children = children_of(node)
        key: Any = int(part) if isinstance(node, list | tuple) and part.isdecimal() else part
        if key not in children:
            raise InvalidSetting(str(name), value, f"a field there is: {', '.join(_leaves(node, above))}")
        if dataclasses.is_dataclass(node):
            (field,) = [field for field in dataclasses.fields(node) if field.name == key]
            static, optional = static or bool(field.metadata.get("static")), field.default is None
        node, place, above = children[key], (*place, key), f"{above}.{part}" if above else part
    return Located(place, node, static, optional or node is None)


def node_at(node: Any, place: Place) -> Any:
    """What is at a place."""
    for key in place:
        node = getattr(node, str(key)) if dataclasses.is_dataclass(node) else node[key]
    return node


def _same_places(tree: Any, place: Place) -> list[Place]:
    """The place, and its like in every copy of a random vector that it lies in: copies are one vector."""
    for length in range(len(place)):
        node = node_at(tree, place[:length])
        if hasattr(node, "identity"):
            inner = place[length:]
            return [found + inner for found in _places_of(tree, node.identity, ())]
    return [place]


def _places_of(node: Any, identity: Any, place: Place) -> Iterator[Place]:
    if getattr(node, "identity", None) == identity:
        yield place
        return
    for key, child in children_of(node).items():
        yield from _places_of(child, identity, (*place, key))


def with_leaves(tree: Any, places: Sequence[Place], values: Sequence[Any]) -> Any:
    """Other leaves, unchecked: they may be traced."""
    pairs = [
        (one, value) for place, value in zip(places, values, strict=True) for one in _same_places(tree, place)
    ]
    if not pairs:
        return tree
    return eqx.tree_at(
        lambda t: [node_at(t, place) for place, _ in pairs],
        tree,
        [value for _, value in pairs],
        is_leaf=lambda x: x is None,
    )


def rebuilt(tree: Any, changes: Mapping[Place, Any]) -> Any:
    """The tree with other fields, every object on the way made anew, so that each checks itself."""
    everywhere = {one: value for place, value in changes.items() for one in _same_places(tree, place)}
    return rebuild(tree, everywhere, {})


def rebuild(node: Any, changes: Mapping[Place, Any], vectors: dict[Any, Any]) -> Any:
    """One node with other fields inside it; `vectors` keeps copies of one random vector the same."""
    if () in changes:
        node = changes[()]
        changes = {place: value for place, value in changes.items() if place}
    identity = getattr(node, "identity", None)
    if not changes or identity in vectors:
        return vectors.get(identity, node)
    inner: dict[str | int, dict[Place, Any]] = {}
    for place, value in changes.items():
        inner.setdefault(place[0], {})[place[1:]] = value
    children = children_of(node)
    children |= {key: rebuild(children[key], deeper, vectors) for key, deeper in inner.items()}
    if isinstance(node, dict):
        return children
    if isinstance(node, list | tuple):
        return type(node)(children.values())
    accepted = inspect.signature(type(node)).parameters
    made = type(node)(**{str(name): value for name, value in children.items() if name in accepted})
    if identity is not None:
        vectors[identity] = made
    return made
