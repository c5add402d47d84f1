"""Which of several parts of a file comes next in a graph, where shapes allow more than one."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from netspec.checkpoints.layers import Layer
from netspec.checkpoints.names import continues, follows, natural, series
from netspec.checkpoints.stretches import Stretches
from netspec.checkpoints.tree import Item
from netspec.foundation.records import record

_WORDS = re.compile(r"[a-z]+")
_SHORTCUT = {"downsample", "shortcut", "skip", "proj", "projection"}
_PREVIOUS = {"prev", "previous"}


@record(slots=False)
class Choice:
    """An item placed at a position, why (`shape`, `order` or `words`), and what else could be."""

    item: Item
    start: int
    how: str
    rivals: tuple[Item, ...] = ()


@record(slots=False)
class Preference:
    """Chooses by words, by what feeds a place, by the order in the file and by series in names.

    `trusted`: the file is in order of definition. `placeable` says whether an item can stand at a
    position.
    """

    layers: Sequence[Layer]
    trusted: bool
    stretches: Stretches
    placeable: Callable[[Item, int], bool]

    def best(self, able: list[Item], free: list[Item], chosen: list[Choice], start: int) -> Choice:
        """The likeliest of those `able` to stand at `start`, after those `chosen` before.

        Its rivals are those that nothing speaks against; `free` are all that are still to place.
        """
        if len(able) == 1:
            return Choice(able[0], start, "shape")
        hints = {item: self._hint(item, start) for item in able}
        top = max(hints.values())
        left = [item for item in able if hints[item] == top]
        if len(left) == 1:
            return Choice(left[0], start, "words")
        feeders = [c.item for c in chosen if self._feeds(c, left, start)]
        left = _next_in_series(left, feeders)
        if self.trusted:
            return Choice(_first_defined(left, feeders), start, "order")
        first = [a for a in left if not any(series(b.label, a.label) == -1 for b in left)]
        preferences: tuple[Callable[[Item], bool], ...] = (
            lambda item: self._is_norm_here(item, start),
            lambda item: any(continues(feeder.label, item.label) for feeder in feeders),
            lambda item: self._starts_series(item, free, start),
        )
        for liked in preferences:
            if len(first) > 1:
                first = [item for item in first if liked(item)] or first
        best = min(first, key=lambda item: natural(item.label))
        return Choice(best, start, "order", tuple(item for item in first if item is not best))

    def _hint(self, item: Item, start: int) -> int:
        """1 where the item's own name says what the graph says of the place, -1 where else."""
        words = set(_WORDS.findall(item.label.lower()))
        layers = self.layers[start : start + self.stretches.count(item)]
        found = 0
        if words & _SHORTCUT:
            found += 1 if all(layer.is_shortcut for layer in layers) else -1
        if any("pool" in word for word in words):
            found += 1 if layers[0].after_pool else -1
        if words & _PREVIOUS:
            found += 1 if start - 1 not in layers[0].feeds else -1
        return found

    def _feeds(self, choice: Choice, items: list[Item], start: int) -> bool:
        count = min(map(self.stretches.count, items))
        before = set().union(*(self.layers[i].feeds for i in range(start, start + count)))
        end = choice.start + self.stretches.count(choice.item)
        return any(choice.start <= index < end for index in before)

    def _starts_series(self, item: Item, free: list[Item], start: int) -> bool:
        """Whether the next in the item's series has the shapes of what the graph has next."""
        end = start + self.stretches.count(item)
        if end >= len(self.layers) or not any(start <= i < end for i in self.layers[end].feeds):
            return False
        return any(
            continues(item.label, other.label) and self.placeable(other, end) for other in free
        )

    def _is_norm_here(self, item: Item, start: int) -> bool:
        """Whether it is one norm, where one stands that only layers without statistics feed."""
        layer = self.layers[start]
        plain = not any(self.layers[index].is_norm for index in layer.feeds)
        return item.module is not None and layer.is_norm and start - 1 in layer.feeds and plain


def _next_in_series(items: list[Item], feeders: list[Item]) -> list[Item]:
    """The items without those of a series in which another comes right after what feeds them."""
    surest = {a: max((follows(f.label, a.label) for f in feeders), default=0) for a in items}
    return [
        a
        for a in items
        if not any(surest[b] > surest[a] and series(a.label, b.label) for b in items)
    ]


def _first_defined(items: list[Item], feeders: list[Item]) -> Item:
    """What is defined first, among what is defined after the layers that feed this place."""

    def against(item: Item) -> int:
        return sum(1 for f in feeders if f.family == item.family and f.order > item.order)

    return min(items, key=lambda item: (against(item), item.order))
