"""The order in which a library defines a network's layers, and whether a file can then be read.

What a library makes a module of is a `Group` with a kind. Its members are the layers and modules
under it, in the order they run; a library may list them in another order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from support.generated_layers import Group, Layer, Node, Step, layers

RULES = ("norms_last", "norms_first", "shortcut_first", "head_first")


def members(block: Group, inlined: Iterable[str] = ()) -> list[Node]:
    """Layers, steps and modules directly in a module, in the order they run."""
    found: list[Node] = []
    for part in block.parts:
        if isinstance(part, Group) and (not part.kind or part.kind in inlined):
            found += members(part, inlined)
        else:
            found.append(part)
    return found


def is_group(node: Node, kind: str) -> bool:
    """Whether a member is a module of a kind."""
    return isinstance(node, Group) and node.kind == kind


def _is_norm(node: Node) -> bool:
    return isinstance(node, Layer) and node.norm


_KEYS: dict[str, tuple[str, Callable[[Node], bool]]] = {
    "norms_last": ("unit", _is_norm),
    "norms_first": ("unit", lambda node: not _is_norm(node)),
    "shortcut_first": ("unit", lambda node: not is_group(node, "shortcut")),
    "head_first": ("net", lambda node: not is_group(node, "head")),
}


def listed(block: Group, found: list[Node], rule: str) -> list[Node]:
    """Members, without steps, in the order a library with such a rule defines them."""
    kept = [member for member in found if not isinstance(member, Step)]
    kind, key = _KEYS.get(rule, ("", None))
    return sorted(kept, key=key) if key and block.kind == kind else kept


@dataclass
class Place:
    """A layer with the labels of the modules around it and its own."""

    layer: Layer
    labels: tuple[str, ...] = ()
    norm_beside: bool = field(default=False)


def readable(net: Group, places: list[Place], *, nested: bool, telling: frozenset[str]) -> bool:
    """Whether layers of one shape are listed in the order that the spec has them in.

    A norm counts as of another shape where another convolution stands right before it in a module
    of its own; layers in a role that their names tell (`telling`) do not count.
    """
    rank = {id(layer): i for i, layer in enumerate(layers(net, text=True))}
    told = {id(layer) for layer in layers(net) if layer.role in telling}
    last: dict[object, int] = {}
    before: Layer | None = None
    for place in places:
        layer = place.layer
        beside = nested and layer.norm_of is not None and layer.norm_of is before
        before = layer
        if id(layer) in told:
            continue
        of = layer.norm_of.shapes if beside and layer.norm_of else None
        key = (layer.shapes, of)
        if rank[id(layer)] < last.get(key, -1):
            return False
        last[key] = rank[id(layer)]
    return True
