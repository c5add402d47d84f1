"""Units of one width, the first with a stride, as the library's `stage`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from netspec.importing.structure.terms import Chain, Item, bound
from netspec.importing.structure.unify import UNSAID, Block
from netspec.ops.declare.values import Layer

STAGE = "stage"
_STRIDE = 2
BLOCK = Block(STAGE, [("unit", None), ("n", None), ("count", None), ("s", (_STRIDE,))], None)


def staged(chains: Iterable[Chain], blocks: Mapping[str, Block]) -> bool:
    """Rewrites chains; whether something was.

    A unit takes width and stride first, and has no stride by default.
    """
    found = False
    for chain in chains:
        items: list[Item] = []
        for item in chain.items:
            stage = _joined(items[-1], item, blocks) if items else None
            if stage is not None:
                items[-1] = stage
                found = True
            else:
                items.append(item)
        chain.items = items
    return found


def alone(item: Item, blocks: Mapping[str, Block]) -> Item | None:
    """Units without a stride as a stage."""
    if item.times == 1 or not _unit(item, blocks):
        return None
    return _stage(blocks[item.word], item, item, item.times, 1)


def _joined(first: Item, rest: Item, blocks: Mapping[str, Block]) -> Item | None:
    if first.word != rest.word or not _unit(rest, blocks) or first.times != 1:
        return None
    same = first.values[0] == rest.values[0] and first.values[2:] == rest.values[2:]
    if not same or first.label is not None or not isinstance(rest.times, int):
        return None
    return _stage(blocks[rest.word], first, rest, rest.times + 1, first.values[1])


def _unit(item: Item, blocks: Mapping[str, Block]) -> bool:
    """Whether a step is a call that a stage makes after its first."""
    block = blocks.get(item.word)
    if block is None or item.word == STAGE or len(block.parameters) < 2:
        return False
    slots = [name for name, _ in block.parameters[:2]]
    plain = not any(map(bound, item.values[2:]))
    return slots == ["n", "s"] and block.parameters[1][1] == (1,) and item.values[1] == 1 and plain


def _stage(block: Block, first: Item, rest: Item, count: Any, stride: Any) -> Item:
    said = tuple(
        (name, value)
        for (name, default), value in zip(block.parameters[2:], rest.values[2:], strict=True)
        if value is not UNSAID and (default is None or value != default[0])
    )
    return Item(
        STAGE,
        tuple(name for name, _ in BLOCK.parameters),
        (Layer(rest.word, (), said), rest.values[0], count, stride),
        start=first.start,
        result=rest.result,
        nodes=first.nodes if first is rest else first.nodes + rest.nodes,
        label=rest.label,
        single=first.single,
    )
