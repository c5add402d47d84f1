"""Which layer of a file is which layer of a graph, from structure alone.

A file names its layers as a tree. The layers under one name run one after another, so they fill
an unbroken stretch of the graph's layers; which one follows from their shapes. What is sought is an
order of the children of every group in which the shapes come as they do in the graph. Children of
the same shapes can be exchanged: there the order of definition, the flow of data, numbers in names
and words such as `downsample` decide, and where nothing does, nothing is guessed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import accumulate, pairwise, takewhile

from netspec.checkpoints.evidence import hint
from netspec.checkpoints.modules import Item, Layer, Module
from netspec.checkpoints.names import continues, follows, natural, series

_STEPS = 200_000


@dataclass(frozen=True, slots=True)
class Match:
    """A layer of the file for a layer of the graph; `how` is `shape`, `order` or `words`."""

    layer: Layer
    module: Module
    how: str


@dataclass(frozen=True, slots=True)
class Doubt:
    """Layers of the file that could all stand where the graph has `layer`."""

    layer: Layer
    candidates: tuple[str, ...]


@dataclass
class _Choice:
    """A child placed at a position, and what else could have been."""

    item: Item
    start: int
    how: str
    rivals: list[Item]


@dataclass
class _Frame:
    """A position in a group, with the children still to be tried there."""

    start: int
    options: Iterator[_Choice]
    chosen: _Choice | None = None


@dataclass
class Arrangement:
    """Finds matches for the layers of a graph. `trusted`: the file is in order of definition."""

    layers: list[Layer]
    trusted: bool
    doubts: list[Doubt] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._codes: dict[object, int] = {}
        self._sizes: dict[int, tuple[int, int]] = {}
        self._classes: dict[int, int] = {}
        self._kept: list[Item] = []
        self._places: dict[tuple[int, int], list[tuple[Item, int, str]] | None] = {}
        self._steps = 0
        codes = (self._code(layer.signature) for layer in self.layers)
        self._sums = list(accumulate(codes, initial=0))

    def find(self, root: Item) -> list[Match] | None:
        """The matches in the graph's order; None where no order of the groups fits."""
        placed = self._place(root, 0)
        if placed is None:
            return None
        found = []
        for item, start, how in placed:
            assert item.module is not None
            found.append(Match(self.layers[start], item.module, how))
        if not self.trusted:
            self._doubt_torn_pairs(found)
        return found

    def _doubt_torn_pairs(self, matches: list[Match]) -> None:
        """Notes norms that the file keeps farther from their convolution than another like them."""
        norms: dict[object, list[Module]] = {}
        for match in matches:
            if _is_norm(match.layer):
                norms.setdefault(match.layer.signature, []).append(match.module)
        for index, match in enumerate(matches):
            if not _is_norm(match.layer) or match.layer.feeds != {index - 1}:
                continue
            feeder, module = matches[index - 1].module, match.module
            rivals = norms[match.layer.signature]
            nearest = max(rivals, key=lambda rival: _shared(feeder, rival))
            if _shared(feeder, nearest) > _shared(feeder, module):
                self.doubts.append(Doubt(match.layer, (module.name, nearest.name)))

    # --- what fits where

    def _code(self, key: object) -> int:
        """A number for a shape: sums of them tell multisets apart."""
        if key not in self._codes:
            count = len(self._codes) + 1
            self._codes[key] = (count * 0x9E3779B97F4A7C15 + count**3 * 0xBF58476D1CE4E5B9) % 2**89
        return self._codes[key]

    def _size(self, item: Item) -> tuple[int, int]:
        """How many layers the item has, and the sum of their codes."""
        key = id(item)
        if key not in self._sizes:
            codes = [self._code(module.signature) for module in item.modules()]
            self._sizes[key] = len(codes), sum(codes)
            self._kept.append(item)
        return self._sizes[key]

    def _class(self, item: Item) -> int:
        """Items of one class fit the same places."""
        key = id(item)
        if key not in self._classes:
            if item.module is not None:
                shape: object = item.module.signature
            else:
                shape = frozenset(Counter(self._class(child) for child in item.parts).items())
            self._classes[key] = self._code(("class", shape))
        return self._classes[key]

    def _fits(self, item: Item, start: int) -> bool:
        count, total = self._size(item)
        end = start + count
        return end < len(self._sums) and self._sums[end] - self._sums[start] == total

    def _place(self, item: Item, start: int) -> list[tuple[Item, int, str]] | None:
        """The item's layers from `start` on, each with its position; None where they do not fit."""
        if not self._fits(item, start):
            return None
        if item.module is not None:
            return [(item, start, "shape")]
        key = (id(item), start)
        if key not in self._places:
            self._places[key] = self._place_group(item, start)
        return self._places[key]

    def _place_group(self, group: Item, start: int) -> list[tuple[Item, int, str]] | None:
        children = group.parts
        while True:
            chosen = self._order(children, start)
            if chosen is not None:
                break
            dissolved = _dissolved(children, self._stray(children, start, self._size(group)[0]))
            if dissolved is None:
                return None
            children = dissolved
        chosen = self._closest_knit(chosen, children)
        found = []
        for choice in chosen:
            for item, place, how in self._place(choice.item, choice.start) or ():
                found.append((item, place, choice.how if choice.how != "shape" else how))
        self._judge(chosen, children)
        return found

    def _stray(self, children: list[Item], start: int, count: int) -> set[int]:
        """Groups that fit nowhere in the stretch, or all of them if each fits somewhere."""
        groups = [child for child in children if child.module is None]
        places = range(start, start + count)
        stray = {id(g) for g in groups if not any(self._place(g, place) for place in places)}
        return stray or {id(group) for group in groups}

    # --- an order of a group's children

    def _order(self, children: list[Item], start: int) -> list[_Choice] | None:
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
            position = frame.start + self._size(frame.chosen.item)[0]
            chosen = [f.chosen for f in frames if f.chosen]
            frames.append(_Frame(position, self._options(children, chosen, position)))
        return [frame.chosen for frame in frames if frame.chosen] if frames else None

    def _closest_knit(self, chosen: list[_Choice], children: list[Item]) -> list[_Choice]:
        """The order, or one with a group earlier where that leaves groups fewer entries."""
        for i, choice in enumerate(chosen):
            later = [
                c.item for c in chosen[i + 1 :] if self._class(c.item) != self._class(choice.item)
            ]
            for item in later:
                if item.module is not None and choice.item.module is not None:
                    continue
                other = self._with(item, i, chosen, children)
                if other is not None and self._looseness(other) < self._looseness(chosen):
                    return self._closest_knit(other, children)
        return chosen

    def _with(
        self, item: Item, at: int, chosen: list[_Choice], children: list[Item]
    ) -> list[_Choice] | None:
        """An order like this one up to a choice, which has another item in its place."""
        start = chosen[at].start
        if self._place(item, start) is None:
            return None
        used = {id(c.item) for c in chosen[:at]} | {id(item)}
        rest = [child for child in children if id(child) not in used]
        order = self._order(rest, start + self._size(item)[0])
        if order is None:
            return None
        return [*chosen[:at], _Choice(item, start, "shape", []), *order]

    def _looseness(self, choices: list[_Choice]) -> tuple[int, ...]:
        """What speaks against an order, the gravest first: how often it enters groups, how many
        norms stand in another group than what they follow, how many steps go back in the file or
        in a series, how many layers nothing of their own child feeds (one in each if it is a
        chain), how many layers something else feeds."""
        items = [
            item
            for choice in choices
            for item, _, _ in self._place(choice.item, choice.start) or ()
        ]
        paths = [item.module.components for item in items if item.module is not None]
        entered = sum(len(b) - _common_length(a, b) for a, b in pairwise(paths))
        torn = sum(
            _is_norm(self.layers[i]) and _common_length(a[:-1], b[:-1]) < max(len(a), len(b)) - 1
            for i, (a, b) in enumerate(pairwise(paths), choices[0].start + 1)
        )
        alone = touched = down = 0
        for choice in choices:
            end = choice.start + self._size(choice.item)[0]
            for layer in self.layers[choice.start : end]:
                own = {index for index in layer.feeds if choice.start <= index < end}
                alone += not own
                touched += own != layer.feeds
        last: dict[tuple[str, ...], tuple[str, int]] = {}
        for path, item in zip(paths, items, strict=True):
            for i, component in enumerate(path):
                label, order = last.get(path[:i], (component, item.order))
                if label != component:
                    down += order > item.order if self.trusted else series(label, component) == 1
                last[path[:i]] = component, item.order
        return entered, torn, down, alone, touched

    def _used(self, frames: list[_Frame]) -> frozenset[tuple[int, int]]:
        return frozenset(Counter(self._class(f.chosen.item) for f in frames if f.chosen).items())

    def _options(
        self, children: list[Item], chosen: list[_Choice], start: int
    ) -> Iterator[_Choice]:
        """What can come next, the likeliest of each class, the likeliest class first."""
        used = {id(choice.item) for choice in chosen}
        free = [child for child in children if id(child) not in used]
        able = [child for child in free if self._place(child, start) is not None]
        tried: set[int] = set()
        while able:
            best, how, rivals = self._best(able, free, chosen, start)
            if self._class(best) not in tried:
                tried.add(self._class(best))
                yield _Choice(best, start, how, rivals)
            able = [item for item in able if self._class(item) not in tried]

    def _best(
        self, able: list[Item], free: list[Item], chosen: list[_Choice], start: int
    ) -> tuple[Item, str, list[Item]]:
        """The likeliest of several, why, and the rivals that nothing speaks against."""
        if len(able) == 1:
            return able[0], "shape", []
        stretch = {id(i): self.layers[start : start + self._size(i)[0]] for i in able}
        hints = {id(item): hint(item, stretch[id(item)], start) for item in able}
        top = max(hints.values())
        left = [item for item in able if hints[id(item)] == top]
        if len(left) == 1:
            return left[0], "words", []
        feeders = [c.item.label for c in chosen if self._feeds(c, left, start)]
        left = _next_in_series(left, feeders)
        if self.trusted:
            return self._first_defined(left, chosen, start), "order", []
        first = [a for a in left if not any(series(b.label, a.label) == -1 for b in left)]
        preferences: tuple[Callable[[Item], bool], ...] = (
            lambda item: self._is_norm_here(item, start),
            lambda item: any(continues(label, item.label) for label in feeders),
            lambda item: self._starts_series(item, free, start),
        )
        for liked in preferences:
            if len(first) > 1:
                first = [item for item in first if liked(item)] or first
        best = min(first, key=lambda item: natural(item.label))
        return best, "order", [item for item in first if item is not best]

    def _first_defined(self, items: list[Item], chosen: list[_Choice], start: int) -> Item:
        """What is defined first, among what is defined after the layers that feed this place."""
        feeders = [c.item for c in chosen if self._feeds(c, items, start)]

        def against(item: Item) -> int:
            return sum(1 for f in feeders if f.family == item.family and f.order > item.order)

        return min(items, key=lambda item: (against(item), item.order))

    def _feeds(self, choice: _Choice, items: list[Item], start: int) -> bool:
        count = min(self._size(item)[0] for item in items)
        before = set().union(*(self.layers[i].feeds for i in range(start, start + count)))
        end = choice.start + self._size(choice.item)[0]
        return any(choice.start <= index < end for index in before)

    def _starts_series(self, item: Item, free: list[Item], start: int) -> bool:
        """Whether the next in the item's series has the shapes of what the graph has next."""
        end = start + self._size(item)[0]
        if end >= len(self.layers) or not any(start <= i < end for i in self.layers[end].feeds):
            return False
        return any(
            continues(item.label, other.label) and self._place(other, end) is not None
            for other in free
        )

    def _is_norm_here(self, item: Item, start: int) -> bool:
        """Whether it is one norm, where one stands that only layers without statistics feed."""
        layer = self.layers[start]
        plain = not any(_is_norm(self.layers[index]) for index in layer.feeds)
        return item.module is not None and _is_norm(layer) and start - 1 in layer.feeds and plain

    # --- what was only guessed

    def _judge(self, chosen: list[_Choice], children: list[Item]) -> None:
        """Notes the choices that only the alphabet decided, where another would fit as well."""
        for i, choice in enumerate(chosen):
            rivals = [r for r in choice.rivals if self._exchangeable(r, i, chosen, children)]
            if rivals:
                names = tuple(_full_name(item) for item in (choice.item, *rivals))
                self.doubts.append(Doubt(self.layers[choice.start], names))

    def _exchangeable(
        self, rival: Item, at: int, chosen: list[_Choice], children: list[Item]
    ) -> bool:
        if self._class(rival) == self._class(chosen[at].item):
            return True
        other = self._with(rival, at, chosen, children)
        return other is not None and self._looseness(other) <= self._looseness(chosen)


def _is_norm(module: Module) -> bool:
    return any(tensor.role == "running_mean" for tensor in module.tensors)


def _next_in_series(items: list[Item], feeders: list[str]) -> list[Item]:
    """The items without those of a series in which another comes right after what feeds them."""
    surest = {id(a): max((follows(f, a.label) for f in feeders), default=0) for a in items}
    return [
        a
        for a in items
        if not any(surest[id(b)] > surest[id(a)] and series(a.label, b.label) for b in items)
    ]


def _shared(first: Module, second: Module) -> int:
    """How many leading components of their groups two layers share."""
    return _common_length(first.components[:-1], second.components[:-1])


def _common_length(first: tuple[str, ...], second: tuple[str, ...]) -> int:
    pairs = zip(first, second, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _full_name(item: Item) -> str:
    return next(item.modules()).name if item.module else f"{next(item.modules()).name} ..."


def _dissolved(children: list[Item], stray: set[int]) -> list[Item] | None:
    """The children with those of some groups in the groups' place; None if there are no groups."""
    found: list[Item] = []
    for child in children:
        if id(child) in stray:
            for part in child.parts:
                label = ".".join(p for p in (child.label, part.label) if p)
                inner = Item(label, part.order, part.module, part.children, id(child))
                found.append(inner)
        else:
            found.append(child)
    return found if stray else None
