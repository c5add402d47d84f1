"""Queries, keys and values: projected one by one in a file, or together head by head."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from netspec.checkpoints.formats.tensors import Shape
from netspec.checkpoints.joined import is_by_device, is_by_head
from netspec.checkpoints.layers import Module, Signature, Tensor
from netspec.checkpoints.names import PROJECTIONS
from netspec.checkpoints.plan import ZEROS, Change, Pair
from netspec.diagnostics.messages.weights import JoinedOrder
from netspec.diagnostics.raised import NetspecError
from netspec.foundation.records import record
from netspec.graph.checked import Graph
from netspec.ops.vectors.attention import Attention

if TYPE_CHECKING:
    from netspec.checkpoints.files import Array

# GPT-NeoX, BLOOM and Falcon have it by head, other libraries not; so has InternLM2, and gpt-fast not.
_EITHER = ("query_key_value", "wqkv")
# So has GPT-BigCode what GPT-2 has not, whose matrices have their outputs last; nanoGPT's have not.
_TURNED = ".c_attn."
# Layers called by numbers alone say no order.
_NUMBERS = re.compile(r"[\d.]*")
# How many devices made CodeGen's.
_DEVICES = 4
# The axes of a matrix. As the kernel of a 1x1 convolution timm has it by head in some nets of one
# family, and in others not.
_MATRIX = 2

# What libraries call them, and which of three each is.
_PLACES = {word: i for i, spellings in enumerate(PROJECTIONS.values()) for word in spellings}
# Keys and values in one, which stand at the keys' place.
_BOTH = "kv"
_PLACES[_BOTH] = _PLACES["key"]
_WORDS = re.compile(r"[_-]")


def joined(modules: Iterable[Module], wanted: Counter[Signature]) -> list[Module]:
    """The layers, three of which are joined where their names differ only in saying `query`, `key` and
    `value`, or two that say `q` and `kv`, and more of what they make are `wanted` than others are.
    Their order does not count: libraries differ in it.

    They become one layer, or their biases do where the kernels are not of one shape. Of the biases
    that some do not have, nothing is there or zeros.
    """
    found = _with_biases(list(modules), wanted)
    groups: dict[tuple[str, ...], dict[int, Module]] = {}
    for module in found:
        place, rest = _place(module.components)
        if place is not None:
            groups.setdefault(rest, {})[place] = module
    complete = [
        [group[place] for place in sorted(group)]
        for group in groups.values()
        if len(group) >= (2 if _says(group.get(_PLACES[_BOTH]), _BOTH) else 3)
    ]
    grouped = {part.name for parts in complete for part in parts}
    others = Counter(module.signature for module in found if module.name not in grouped)
    for parts in complete:
        for whole in _together(parts):
            if all(others[module.signature] < wanted[module.signature] for module in whole):
                first = min(found.index(part) for part in parts)
                found[first:first] = whole
                found = [module for module in found if module not in parts]
                break
    return found


def _with_biases(modules: list[Module], wanted: Container[Signature]) -> list[Module]:
    """The layers, a joined kernel without biases as one layer with those beside it that are one by one:
    BEiT's `qkv.weight`, `q_bias` and `v_bias`.
    """
    named = {module.components: module for module in modules}
    gone: list[Module] = []
    found = []
    for module in modules:
        *around, last = module.components
        beside = [named.get((*around, letter)) for letter in ("q", "k", "v")]
        biases = [part and part.tensor("bias") for part in beside]
        alone = all(part is None or len(part.tensors) == 1 for part in beside)
        if last == "qkv" and len(module.tensors) == 1 and alone and any(biases):
            size = (module.tensors[0].shape[0] // 3,)
            there = [bias for bias in biases if bias]
            filled = [bias or Tensor("bias", (ZEROS,), size) for bias in biases]
            for parts in (there, filled):
                whole = replace(module, tensors=(*module.tensors, _end_to_end(parts)))
                if whole.signature in wanted:
                    module, gone = whole, [*gone, *(part for part in beside if part)]
                    break
        found.append(module)
    return [module for module in found if module not in gone]


def _says(module: Module | None, word: str) -> bool:
    said = (_WORDS.split(c.lower()) for c in module.components) if module else ()
    return any(word in words for words in said)


def _place(components: tuple[str, ...]) -> tuple[int | None, tuple[str, ...]]:
    """Which of the three a layer is called, and what is left of its name."""
    for i in reversed(range(len(components))):
        words = _WORDS.split(components[i].lower())
        places = [word for word in words if word in _PLACES]
        if len(places) == 1:
            rest = "_".join(word for word in words if word not in _PLACES)
            return _PLACES[places[0]], (*components[:i], rest, *components[i + 1 :])
    return None, components


def _together(parts: list[Module]) -> Iterator[list[Module]]:
    """The layers that queries, keys and values may be in a net: outputs one after another."""
    biases = [part.tensor("bias") for part in parts]
    some = [bias for bias in biases if bias is not None]
    kernels = [replace(p, tensors=tuple(t for t in p.tensors if t.role != "bias")) for p in parts]
    if len({_reads(kernel) for kernel in kernels}) == 1:
        listed = zip(*(sorted(k.tensors, key=lambda t: t.role) for k in kernels), strict=True)
        whole = [_end_to_end(list(tensors)) for tensors in listed]
        yield [_named(parts, [*whole, *([_end_to_end(some)] if some else ())])]
        if some and len(some) < len(parts):
            zeros = [Tensor("bias", (ZEROS,), p.tensors[0].shape[:1]) for p in parts]
            filled = [bias or zero for bias, zero in zip(biases, zeros, strict=True)]
            yield [_named(parts, [*whole, _end_to_end(filled)])]
    if some:
        yield [*kernels, _named(parts, [_end_to_end(some)])]


def _reads(module: Module) -> Signature:
    """Roles and shapes, but for how many outputs there are."""
    return tuple((role, shape[1:]) for role, shape in module.signature)


def _end_to_end(tensors: list[Tensor]) -> Tensor:
    names = tuple(name for tensor in tensors for name in tensor.names)
    shape = (sum(tensor.shape[0] for tensor in tensors), *tensors[0].shape[1:])
    return Tensor(tensors[0].role, names, shape)


def _named(parts: list[Module], tensors: list[Tensor]) -> Module:
    name = " + ".join(part.name for part in parts)
    return Module(name, tuple(tensors), (*parts[0].components[:-1], "qkv"))


@record
class ByHead:
    """Takes rows that are queries, keys and values of one head after another, all queries first.

    Where several heads of queries share one of keys and values, those of them come together. `turn`
    is what else is to be done, before.
    """

    heads: int
    kv_heads: int
    turn: Change | None = None

    def __call__(self, stored: Array, shape: Shape) -> Array:
        """The stored tensor as one of this shape, rows first: `kv_heads` times the queries of one,
        its keys, its values.
        """
        import numpy as np

        turned = self.turn(stored, shape) if self.turn else stored
        share = self.heads // self.kv_heads
        rows = turned.reshape(self.kv_heads, share + 2, -1, *shape[1:])
        parts = (rows[:, :share], rows[:, share], rows[:, share + 1])
        return np.concatenate([part.reshape(-1, *shape[1:]) for part in parts])


@record
class ByDevice:
    """Takes rows that are queries, values and keys of one device after another, all queries first."""

    turn: Change | None = None

    def __call__(self, stored: Array, shape: Shape) -> Array:
        """The stored tensor as one of this shape."""
        import numpy as np

        turned = self.turn(stored, shape) if self.turn else stored
        rows = turned.reshape(_DEVICES, 3, -1, *shape[1:])
        return np.concatenate([rows[:, place].reshape(-1, *shape[1:]) for place in (0, 2, 1)])


def by_head(
    graph: Graph, pairs: Iterable[Pair], shapes: Mapping[str, Shape], order: str | None
) -> Iterator[Pair]:
    """The pairs, with joined projections taken head by head where `order` is `heads`, or, where it is
    not given, where the names around them say so.

    `shapes` are those of the file. Raises NetspecError for a name, or a shape, that libraries give to
    both orders where neither tells.
    """
    heads = {
        f"{node.path}.{name}": (node.op.heads, node.op.kv_heads or node.op.heads)
        for node in graph.nodes
        if isinstance(node.op, Attention)
        for name in ("in_proj_weight", "in_proj_bias")
    }
    listed = list(pairs)
    turned = {pair.parts[0].rpartition(".")[0] for pair in listed if pair.turn}
    for pair in listed:
        if pair.ours in heads and len(pair.parts) == 1 and pair.how != "name":
            if order is None and is_by_device(pair.parts[0], shapes):
                yield replace(pair, turn=ByDevice(pair.turn))
                continue
            said = is_by_head(pair.parts[0], shapes) if order is None else order == "heads"
            layer = pair.parts[0].rpartition(".")[0]
            either = any(word in layer for word in _EITHER) or bool(_NUMBERS.fullmatch(layer))
            either = either or len(shapes[pair.parts[0]]) > _MATRIX
            either = either or (f".{layer}.".endswith(_TURNED) and layer not in turned)
            if said is None and heads[pair.ours][1] > 1 and either:
                raise NetspecError(JoinedOrder(pair.parts[0]))
            if said:
                pair = replace(pair, turn=ByHead(*heads[pair.ours], pair.turn))
        yield pair
