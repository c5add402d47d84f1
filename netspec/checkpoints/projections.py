"""Queries, keys and values: projected one by one in a file, or together head by head."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from netspec.checkpoints.formats.tensors import Shape
from netspec.checkpoints.layers import Module, Signature, Tensor
from netspec.checkpoints.plan import ZEROS, Change, Pair
from netspec.diagnostics.messages.weights import JoinedOrder
from netspec.diagnostics.raised import NetspecError
from netspec.foundation.records import record
from netspec.graph.checked import Graph
from netspec.ops.vectors.attention import Attention

if TYPE_CHECKING:
    from netspec.checkpoints.files import Array

# GPT-NeoX, BLOOM and Falcon have it by head, other libraries not.
_EITHER = "query_key_value"

_PLACES = {
    **{"q": 0, "wq": 0, "query": 0, "queries": 0},
    **{"k": 1, "wk": 1, "key": 1, "keys": 1},
    **{"v": 2, "wv": 2, "value": 2, "values": 2},
}
_WORDS = re.compile(r"[_-]")


def joined(modules: Iterable[Module], wanted: Container[Signature]) -> list[Module]:
    """The layers, three of which become one where that is `wanted` and their names differ only in
    saying `query`, `key` and `value`. Their order does not count: libraries differ in it. Where only
    some have a bias, the others' are zeros.
    """
    found = list(modules)
    groups: dict[tuple[str, ...], dict[int, Module]] = {}
    for module in found:
        place, rest = _place(module.components)
        if place is not None:
            groups.setdefault(rest, {})[place] = module
    for group in groups.values():
        parts = [group[place] for place in sorted(group)]
        if len(parts) < 3 or len({_kernel(part) for part in parts}) > 1:
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


def _kernel(module: Module) -> Signature:
    return tuple(tensor for tensor in module.signature if tensor[0] != "bias")


def _together(parts: list[Module]) -> Module:
    """One layer: outputs of the parts one after another."""
    tensors = []
    for tensor in max(parts, key=lambda part: len(part.tensors)).tensors:
        names: list[str] = []
        for part in parts:
            names += next((t.names for t in part.tensors if t.role == tensor.role), (ZEROS,))
        shape = (len(parts) * tensor.shape[0], *tensor.shape[1:])
        tensors.append(Tensor(tensor.role, tuple(names), shape))
    name = " + ".join(part.name for part in parts)
    return Module(name, tuple(tensors), (*parts[0].components[:-1], "qkv"))


@record
class ByHead:
    """Takes rows that are queries, keys and values of one head after another, all queries first.

    `turn` is what else is to be done, before.
    """

    heads: int
    turn: Change | None = None

    def __call__(self, stored: Array, shape: Shape) -> Array:
        """The stored tensor, (heads x 3 x size, ...), as one of this shape, (3 x heads x size, ...)."""
        import numpy as np

        turned = self.turn(stored, shape) if self.turn else stored
        rows = turned.reshape(self.heads, 3, -1, *shape[1:])
        return np.ascontiguousarray(rows.swapaxes(0, 1)).reshape(shape)


def by_head(graph: Graph, pairs: Iterable[Pair], order: str | None) -> Iterator[Pair]:
    """The pairs, with joined projections taken head by head where `order` is `heads`.

    Raises NetspecError for a name that libraries give to both orders where `order` is not given.
    """
    heads = {
        f"{node.path}.{name}": node.op.heads
        for node in graph.nodes
        if isinstance(node.op, Attention)
        for name in ("in_proj_weight", "in_proj_bias")
    }
    for pair in pairs:
        if pair.ours in heads and len(pair.parts) == 1 and pair.how != "name":
            if order is None and heads[pair.ours] > 1 and _EITHER in pair.parts[0]:
                raise NetspecError(JoinedOrder(pair.parts[0]))
            if order == "heads":
                pair = replace(pair, turn=ByHead(heads[pair.ours], pair.turn))
        yield pair
