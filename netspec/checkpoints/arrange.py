"""Which layer of a file is which layer of a graph, from structure alone.

A file names its layers as a tree. The layers under one name run one after another, so they fill
an unbroken stretch of the graph's layers; which one follows from their shapes. What is sought is an
order of the children of every group in which the shapes come as they do in the graph. Children of
the same shapes can be exchanged: there the order of definition, the flow of data, numbers in names
and words such as `downsample` decide, and where nothing does, nothing is guessed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import field
from typing import NamedTuple

from netspec.checkpoints.layers import Layer
from netspec.checkpoints.preference import Choice, Preference
from netspec.checkpoints.stretches import Stretches
from netspec.checkpoints.tree import Item
from netspec.checkpoints.weighing import Doubt, Looseness, Match, looseness, torn_pairs
from netspec.foundation.records import record

_STEPS = 200_000


class _Placed(NamedTuple):
    """A layer of the file at a position of the graph, and why."""

    item: Item
    start: int
    how: str


@record(slots=False)
class _Stretch:
    """Layers of the file from a position of the graph on, and what of it was only guessed."""

    placed: list[_Placed]
    doubts: list[Doubt] = field(default_factory=list)


@record(frozen=False, slots=False)
class _Frame:
    """A position in a group, with the children still to be tried there."""

    start: int
    options: Iterator[Choice]
    chosen: Choice | None = None


@record(frozen=False, slots=False)
class Arrangement:
    """Finds matches for the layers of a graph. `trusted`: the file is in order of definition."""

    layers: list[Layer]
    trusted: bool
    doubts: list[Doubt] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._stretches = Stretches(self.layers)
        self._preference = Preference(
            self.layers, self.trusted, self._stretches, self._is_placeable
        )
        self._places: dict[tuple[Item, int], _Stretch | None] = {}
        self._steps = 0

    def find(self, root: Item) -> list[Match] | None:
        """The matches in the graph's order; None where no order of the groups fits."""
        stretch = self._place(root, 0)
        if stretch is None:
            return None
        found = []
        for item, start, how in stretch.placed:
            assert item.module is not None
            found.append(Match(self.layers[start], item.module, how))
        self.doubts.extend(stretch.doubts)
        if not self.trusted:
            self.doubts.extend(torn_pairs(found))
        return found

    # --- where an item stands

    def _is_placeable(self, item: Item, start: int) -> bool:
        return self._place(item, start) is not None

    def _place(self, item: Item, start: int) -> _Stretch | None:
        """The item's layers from `start` on, each with its position; None where they do not fit."""
        if not self._stretches.fits(item, start):
            return None
        if item.module is not None:
            return _Stretch([_Placed(item, start, "shape")])
        key = (item, start)
        if key not in self._places:
            self._places[key] = self._place_group(item, start)
        return self._places[key]

    def _place_group(self, group: Item, start: int) -> _Stretch | None:
        children = group.parts
        while (chosen := self._order(children, start)) is None:
            stray = self._stray(children, start, self._stretches.count(group))
            if not stray:
                return None
            children = _dissolved(children, stray)
        chosen = self._closest_knit(chosen, children)
        found = _Stretch([], self._judge(chosen, children))
        for choice in chosen:
            if inner := self._place(choice.item, choice.start):
                found.doubts.extend(inner.doubts)
                for item, place, how in inner.placed:
                    why = choice.how if choice.how != "shape" else how
                    found.placed.append(_Placed(item, place, why))
        return found

    def _stray(self, children: list[Item], start: int, count: int) -> set[Item]:
        """Groups that fit nowhere in the stretch, or all of them if each fits somewhere."""
        groups = {child for child in children if child.module is None}
        places = range(start, start + count)
        fitting = {g for g in groups if any(self._is_placeable(g, place) for place in places)}
        return groups - fitting or groups

    # --- an order of a group's children

    def _order(self, children: list[Item], start: int) -> list[Choice] | None:
        """The children in an order that fits, the likeliest first; depth first, with a memory."""
        frames = [_Frame(start, self._options(children, [], start))]
        dead: set[frozenset[tuple[int, int]]] = set()
        while frames and len(frames) <= len(children):
            self._steps += 1
            if self._steps > _STEPS:
                return None
            frame = frames[-1]
            frame.chosen = next(frame.options, None)
            if frame.chosen is None:
                frames.pop()
                if frames:
                    dead.add(self._used(frames))
                continue
            if self._used(frames) in dead:
                continue
            position = frame.start + self._stretches.count(frame.chosen.item)
            chosen = [f.chosen for f in frames if f.chosen]
            frames.append(_Frame(position, self._options(children, chosen, position)))
        return [frame.chosen for frame in frames if frame.chosen] if frames else None

    def _used(self, frames: list[_Frame]) -> frozenset[tuple[int, int]]:
        kinds = Counter(self._stretches.kind(f.chosen.item) for f in frames if f.chosen)
        return frozenset(kinds.items())

    def _options(self, children: list[Item], chosen: list[Choice], start: int) -> Iterator[Choice]:
        """What can come next, the likeliest of each kind, the likeliest kind first."""
        used = {choice.item for choice in chosen}
        free = [child for child in children if child not in used]
        able = [child for child in free if self._is_placeable(child, start)]
        while able:
            best = self._preference.best(able, free, chosen, start)
            yield best
            kind = self._stretches.kind(best.item)
            able = [item for item in able if self._stretches.kind(item) != kind]

    # --- another order

    def _closest_knit(self, chosen: list[Choice], children: list[Item]) -> list[Choice]:
        """The order, or one with a group earlier where that leaves groups fewer entries."""
        kind = self._stretches.kind
        for i, choice in enumerate(chosen):
            later = [c.item for c in chosen[i + 1 :] if kind(c.item) != kind(choice.item)]
            for item in later:
                if item.module is not None and choice.item.module is not None:
                    continue
                other = self._with(item, i, chosen, children)
                if other is not None and self._looseness(other) < self._looseness(chosen):
                    return self._closest_knit(other, children)
        return chosen

    def _with(
        self, item: Item, at: int, chosen: list[Choice], children: list[Item]
    ) -> list[Choice] | None:
        """An order like this one up to a choice, which has another item in its place."""
        start = chosen[at].start
        if not self._is_placeable(item, start):
            return None
        used = {item, *(c.item for c in chosen[:at])}
        rest = [child for child in children if child not in used]
        order = self._order(rest, start + self._stretches.count(item))
        if order is None:
            return None
        return [*chosen[:at], Choice(item, start, "shape"), *order]

    def _looseness(self, choices: list[Choice]) -> Looseness:
        stretches = [self._place(choice.item, choice.start) for choice in choices]
        children = [[placed.item for placed in stretch.placed] for stretch in stretches if stretch]
        return looseness(self.layers, choices[0].start, children, self.trusted)

    def _judge(self, chosen: list[Choice], children: list[Item]) -> list[Doubt]:
        """The choices that only the alphabet decided, where another would fit as well."""
        found = []
        for i, choice in enumerate(chosen):
            rivals = [r for r in choice.rivals if self._exchangeable(r, i, chosen, children)]
            if rivals:
                names = tuple(_full_name(item) for item in (choice.item, *rivals))
                found.append(Doubt(self.layers[choice.start], names))
        return found

    def _exchangeable(
        self, rival: Item, at: int, chosen: list[Choice], children: list[Item]
    ) -> bool:
        if self._stretches.kind(rival) == self._stretches.kind(chosen[at].item):
            return True
        other = self._with(rival, at, chosen, children)
        return other is not None and self._looseness(other) <= self._looseness(chosen)


def _full_name(item: Item) -> str:
    return next(item.modules()).name if item.module else f"{next(item.modules()).name} ..."


def _dissolved(children: list[Item], stray: set[Item]) -> list[Item]:
    """The children with those of some groups in the groups' place."""
    found: list[Item] = []
    for child in children:
        if child not in stray:
            found.append(child)
            continue
        for part in child.parts:
            label = ".".join(p for p in (child.label, part.label) if p)
            found.append(Item(label, part.order, part.module, part.children, child))
    return found
