"""Queries, keys and values that a file projects one by one, where a net projects them together."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable

from netspec.checkpoints.layers import Module, Signature, Tensor

_PLACES = {
    **{"q": 0, "wq": 0, "query": 0, "queries": 0},
    **{"k": 1, "wk": 1, "key": 1, "keys": 1},
    **{"v": 2, "wv": 2, "value": 2, "values": 2},
}
_WORDS = re.compile(r"[_-]")


def joined(modules: Iterable[Module], wanted: Container[Signature]) -> list[Module]:
    """The layers, three of which become one where that is `wanted` and their names differ only in
    saying `query`, `key` and `value`. Their order does not count: libraries differ in it.
    """
    found = list(modules)
    groups: dict[tuple[str, ...], dict[int, Module]] = {}
    for module in found:
        place, rest = _place(module.components)
        if place is not None:
            groups.setdefault(rest, {})[place] = module
    for group in groups.values():
        parts = [group[place] for place in sorted(group)]
        if len(parts) < 3 or len({part.signature for part in parts}) > 1:
            continue
        whole = _together(parts)
        if whole.signature in wanted:
            first = min(found.index(part) for part in parts)
            found[first] = whole
            found = [module for module in found if module not in parts]
    return found


def _place(components: tuple[str, ...]) -> tuple[int | None, tuple[str, ...]]:
    """Which of the three a layer is called, and what is left of its name."""
    for i in reversed(range(len(components))):
        words = _WORDS.split(components[i].lower())
        places = [word for word in words if word in _PLACES]
        if len(places) == 1:
            rest = "_".join(word for word in words if word not in _PLACES)
            return _PLACES[places[0]], (*components[:i], rest, *components[i + 1 :])
    return None, components


def _together(parts: list[Module]) -> Module:
    """One layer: outputs of the parts one after another."""
    tensors = []
    for tensor in parts[0].tensors:
        same = [next(t for t in part.tensors if t.role == tensor.role) for part in parts]
        shape = (len(parts) * tensor.shape[0], *tensor.shape[1:])
        names = tuple(name for t in same for name in t.names)
        tensors.append(Tensor(tensor.role, names, shape))
    name = " + ".join(part.name for part in parts)
    return Module(name, tuple(tensors), (*parts[0].components[:-1], "qkv"))
