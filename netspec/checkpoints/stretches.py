"""Which parts of a file's tree have the shapes of which stretch of a graph's layers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import accumulate

from netspec.checkpoints.layers import Layer
from netspec.checkpoints.tree import Item


class Stretches:
    """Tells shapes apart by numbers whose sums tell multisets of shapes apart."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        self._codes: dict[object, int] = {}
        self._sizes: dict[Item, tuple[int, int]] = {}
        self._classes: dict[Item, int] = {}
        self._sums = list(accumulate((self._code(x.signature) for x in layers), initial=0))

    def fits(self, item: Item, start: int) -> bool:
        """Whether the layers from `start` on have the item's shapes, in whatever order."""
        count, total = self._size(item)
        end = start + count
        return end < len(self._sums) and self._sums[end] - self._sums[start] == total

    def count(self, item: Item) -> int:
        """How many layers the item has."""
        return self._size(item)[0]

    def kind(self, item: Item) -> int:
        """Items of one kind, groups within groups, fit the same places."""
        if item not in self._classes:
            if item.module is not None:
                shape: object = item.module.signature
            else:
                shape = frozenset(Counter(self.kind(child) for child in item.parts).items())
            self._classes[item] = self._code(("kind", shape))
        return self._classes[item]

    def _size(self, item: Item) -> tuple[int, int]:
        if item not in self._sizes:
            codes = [self._code(module.signature) for module in item.modules()]
            self._sizes[item] = len(codes), sum(codes)
        return self._sizes[item]

    def _code(self, key: object) -> int:
        if key not in self._codes:
            count = len(self._codes) + 1
            self._codes[key] = (count * 0x9E3779B97F4A7C15 + count**3 * 0xBF58476D1CE4E5B9) % 2**89
        return self._codes[key]
