"""The nodes of a model gathered into calls: each scope's into one, where no cycle comes of it.

A value may leave a block, pass a node outside and come back, by a reference: as one node the block
would wait for itself. It then stays as it is, and the blocks inside it still become calls.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import field

from onnx import NodeProto

from netspec.backends.onnx.blocks.scopes import Scope, Scopes
from netspec.backends.onnx.recurring.scans import reads
from netspec.foundation.records import record


@record(eq=False, frozen=False)
class Item:
    """A node, or all that a scope holds: `proto` or `items`.

    `reads` and `makes` are the names that it has from outside and gives outside, each once, in order;
    `uses` counts how often the nodes in it read each name. `slot` is its place in the order.
    """

    reads: tuple[str, ...]
    makes: tuple[str, ...]
    uses: Counter[str]
    slot: int
    proto: NodeProto | None = None
    index: int = -1
    scope: Scope | None = None
    items: list[Item] = field(default_factory=list)

    @property
    def size(self) -> int:
        """How many nodes of the model are in it."""
        return 1 if self.proto is not None else sum(item.size for item in self.items)


class Grouping:
    """The items of a model in an order in which each is made before it is read.

    `wanted` says of a scope and what it would hold whether it becomes one item. `refused` are the scopes
    that stay flat because a call of them would wait for itself.
    """

    def __init__(
        self,
        nodes: Sequence[NodeProto],
        outputs: Iterable[str],
        scopes: Scopes,
        wanted: Callable[[Scope, Sequence[Item]], bool],
    ) -> None:
        self._uses: Counter[str] = Counter(outputs)
        self._slots: list[Item | None] = []
        self.refused: list[Scope] = []
        held: dict[Scope | None, list[Item]] = {}
        for index, (proto, scope) in enumerate(zip(nodes, scopes.of, strict=True)):
            uses = Counter(filter(None, reads(proto)))
            made = tuple(filter(None, proto.output))
            item = Item(tuple(uses), made, uses, index, proto=proto, index=index)
            self._uses.update(uses)
            self._slots.append(item)
            held.setdefault(scope, []).append(item)
        for scope in scopes:
            items = sorted(held.pop(scope, ()), key=lambda item: item.slot)
            if items and wanted(scope, items):
                items = self._gathered(scope, items)
            held.setdefault(scope.within, []).extend(items)

    @property
    def items(self) -> list[Item]:
        """What is at the top of the model."""
        return [item for item in self._slots if item is not None]

    def _gathered(self, scope: Scope, items: list[Item]) -> list[Item]:
        """The scope as one item in the place of its own, or those where that cannot be."""
        low, high = items[0].slot, items[-1].slot
        window = [item for item in self._slots[low : high + 1] if item is not None]
        order = _apart(window, items) if len(window) > len(items) else ([], [])
        if order is None:
            self.refused.append(scope)
            return items
        whole = self._whole(scope, items)
        earlier, later = order
        filled = [*earlier, whole, *later]
        for slot, item in enumerate(filled, low):
            self._slots[slot], item.slot = item, slot
        self._slots[low + len(filled) : high + 1] = [None] * (high + 1 - low - len(filled))
        return [whole]

    def _whole(self, scope: Scope, items: list[Item]) -> Item:
        uses: Counter[str] = Counter()
        for item in items:
            uses.update(item.uses)
        made = dict.fromkeys(name for item in items for name in item.makes)
        given = tuple(name for name in made if self._uses[name] > uses[name])
        read = dict.fromkeys(name for item in items for name in item.reads)
        outside = tuple(name for name in read if name not in made)
        kept = Counter({name: uses[name] for name in (*outside, *given) if name in uses})
        return Item(outside, given, kept, items[0].slot, scope=scope, items=items)


def _apart(window: list[Item], items: list[Item]) -> tuple[list[Item], list[Item]] | None:
    """Of what stands between some items: what can come before all of them, and what after.

    None where something would have to do both.
    """
    inside = set(items)
    ours: set[str] = set()
    after: set[str] = set()
    earlier: list[Item] = []
    later: list[Item] = []
    for item in window:
        waits = not after.isdisjoint(item.reads)
        if item in inside:
            if waits:
                return None
            ours.update(item.makes)
        elif waits or not ours.isdisjoint(item.reads):
            later.append(item)
            after.update(item.makes)
        else:
            earlier.append(item)
    return earlier, later
