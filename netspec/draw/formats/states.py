"""The pictures that a reader of a page gets to: one for each set of what is open.

What is open is written as signs: `*bottleneck` are all blocks of a name, `.stage2.bottleneck1` is one
alone, and `×stage2.bottleneck1` a repeat that is shown copy by copy.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import field, replace
from heapq import heappop, heappush

from netspec.draw.scene import Scene
from netspec.draw.structure.elements import (
    Block,
    Element,
    Parallel,
    Repeat,
    Series,
    Step,
    Tangle,
    blocks_of,
    nodes_of,
)
from netspec.draw.structure.opening import (
    CLOSED,
    Opening,
    apart,
    copies_of,
    key_of,
    path_of,
    runs,
)
from netspec.draw.structure.reading import structure
from netspec.draw.styles.flow import flow, is_one
from netspec.draw.styles.flow import outline as flow_outline
from netspec.draw.styles.fold import MOST_BOXES, folded, on_screen, outline
from netspec.draw.view import View
from netspec.foundation.records import record
from netspec.graph.checked import Node

ALL, ALONE, COPIES = "*", ".", "×"
MOST_WORK = 16_000
# What a picture costs beside its boxes: to lay out a graph takes Graphviz far longer.
_EACH = {"fold": 60, "flow": 500}
_ASKED = 10

Signs = frozenset[str]


@record
class Folded:
    """A repeat that is drawn once, or the part of one: what it is known by, and its copies' paths.

    `nodes` are those of each copy where the copies have no path of their own, steps that follow each other.
    """

    key: str
    copies: tuple[str, ...]
    nodes: tuple[tuple[Node, ...], ...] = ()


@record
class State:
    """A picture, what is open in it, and the names of the blocks that it shows; `folded` are the
    repeats that it shows once, by the path they are drawn with.
    """

    open: Signs
    scene: Scene
    folded: dict[str, Folded]
    names: tuple[str, ...]


@record
class _Seen:
    """What a picture shows: the signs that can change it, the repeats, and how many boxes."""

    names: dict[str, None] = field(default_factory=dict)
    alone: dict[str, str] = field(default_factory=dict)
    copies: dict[str, None] = field(default_factory=dict)
    folded: dict[str, Folded] = field(default_factory=dict)
    boxes: list[int] = field(default_factory=lambda: [0])

    @property
    def signs(self) -> Signs:
        """Every sign that means something here."""
        return _signs(ALL, self.names) | _signs(ALONE, self.alone) | _signs(COPIES, self.copies)


@record
class Place:
    """Where a block occurs: inside blocks of these names, in a training head or not."""

    around: Signs
    head: bool


def states(view: View, style: str) -> list[State]:
    """The pictures that clicks lead to, the one that is shown at first before all others.

    Next come those that let every block be opened, whatever else has to close for it, then the
    nearest: the last ones are left out where there is not room for all.
    """
    return _Search(view, style).states()


class _Search:
    def __init__(self, view: View, style: str) -> None:
        self.view, self.style = view, style
        self.draw: Callable[[View], Scene] = flow if style == "flow" else folded
        self.places = _places(outline(view.graph))
        self.blocks = list(blocks_of(structure(view.graph), heads=True))
        self.counts = Counter(block.call.block for block in self.blocks)
        # What is repeated, by the path that a copy begins with: its length and what it is known by.
        self.known: dict[str, dict[int, str]] = {}
        self._learn(CLOSED)

    def states(self) -> list[State]:
        first = self._pruned(self._start())
        chains = {p.around | {name} for name, found in self.places.items() for p in found}
        order = [
            first,
            Signs(),
            self._pruned(_signs(ALL, self.places)),
            *(_signs(ALL, chain) for chain in sorted(chains, key=lambda c: (len(c), *sorted(c)))),
        ]
        waiting = [(i - len(order), sorted(signs)) for i, signs in enumerate(order)]
        found: dict[Signs, State] = {}
        met = set(order)
        work = 0
        while waiting and work < MOST_WORK:
            signs = Signs(heappop(waiting)[1])
            seen, work = self._seen(signs), work + _ASKED
            # What is in a closed block, or does not differ from what is drawn around it, says nothing.
            kept = signs & seen.signs
            boxes = seen.boxes[0]
            if found and (kept in found or boxes > MOST_BOXES or work + boxes > MOST_WORK):
                continue
            if kept != signs:
                seen = self._seen(kept)
            work += boxes + _EACH[self.style]
            found[kept] = State(kept, self.draw(self._opened(kept)), seen.folded, tuple(seen.names))
            nearby = self._nearby(kept, seen) - met
            met |= nearby
            for after in nearby:
                heappush(waiting, (_far(after, first), sorted(after)))
        return list(found.values())

    def _nearby(self, signs: Signs, seen: _Seen) -> set[Signs]:
        """What one click leads to: a name, a block alone, or a repeat is opened or closed."""
        found = {signs ^ {ALL + name} for name in seen.names}
        found |= {signs ^ {COPIES + key} for key in seen.copies}
        for path, name in seen.alone.items():
            found.add((signs - {ALL + name}) ^ {ALONE + path})
        return found

    def _opened(self, signs: Signs) -> View:
        opening = Opening(*(_words(kind, signs) for kind in (ALL, ALONE, COPIES)))
        return replace(self.view, only=opening)

    def _pruned(self, signs: Signs) -> Signs:
        return signs & self._seen(signs).signs

    def _start(self) -> Signs:
        """What the view opens, or what fits one screen, by the depth that blocks are at."""
        own = self.view.opening
        only = {b.path: b.call.block for b in self.blocks if self.counts[b.call.block] == 1}
        names = own.names | {only[path] for path in own.paths if path in only}
        alone = own.paths - only.keys()
        asked = _signs(ALL, names) | _signs(ALONE, alone) | _signs(COPIES, own.repeats)
        deepest = max((len(p.around) + 1 for ps in self.places.values() for p in ps), default=0)
        if self.view.depth is not None or self.style == "flow":
            whole = self.view.depth is None
            signs = asked | self._above(deepest if whole else self.view.depth or 0, heads=whole)
            return signs if self._seen(signs).boxes[0] <= MOST_BOXES else Signs()
        for depth in range(deepest, 0, -1):
            signs = asked | self._above(depth)
            small = self._seen(signs).boxes[0] <= MOST_BOXES
            if small and on_screen(folded(self._opened(signs))):
                return signs
        return asked

    def _above(self, depth: int, *, heads: bool = False) -> Signs:
        inside = (
            name
            for name, places in self.places.items()
            for p in places
            if (heads or not p.head) and len(p.around) < depth
        )
        return _signs(ALL, inside)

    # --- what a picture shows

    def _learn(self, opening: Opening) -> None:
        for run in runs(apart(self.view.graph, opening)):
            for copy in copies_of(run.repeat):
                self.known.setdefault(path_of(copy[0]), {}).setdefault(len(copy), run.key)

    def _seen(self, signs: Signs) -> _Seen:
        view = self._opened(signs)
        opening = replace(view.opening, names=frozenset())
        if opening.repeats:
            self._learn(replace(opening, paths=frozenset()))
        found = _Seen()
        if self.style == "flow":
            self._see(flow_outline(view), view, found)
        else:
            self._see(outline(view.graph, opening), view, found)
        return found

    def _see(self, element: Element, view: View, found: _Seen) -> None:
        found.boxes[0] += not isinstance(element, Series | Tangle | Repeat)
        match element:
            case Block():
                name = element.call.block
                found.names[name] = None
                if self.counts[name] > 1:
                    found.alone.setdefault(element.path, name)
                if view.is_open(element, element.path, 0):
                    self._see(element.body, view, found)
            case Repeat():
                self._see_repeat(element, view, found)
            case Series():
                aside = (block for _, block in element.asides)
                for item in (*element.items, *aside, *element.makers):
                    self._see(item, view, found)
            case Tangle():
                for item in element.items:
                    self._see(item, view, found)
            case Parallel():
                for branch in element.branches:
                    self._see(branch, view, found)
        if isinstance(element, Step | Block | Parallel):
            self._see_copy(element, view, found)

    def _see_repeat(self, repeat: Repeat, view: View, found: _Seen) -> None:
        if self.style == "flow" and not is_one(repeat, view.graph):
            for copy in repeat.copies:
                self._see(copy, view, found)
            return
        inner, copies = repeat.element, copies_of(repeat)
        self._see(inner, view, found)
        head, size = copies[0][0], len(copies[0])
        shown = path_of(inner if isinstance(inner, Step | Block) else head)
        if isinstance(inner, Block) and found.alone.pop(inner.path, ""):
            found.alone[path_of(head)] = inner.call.block
        key = self.known.get(path_of(head), {}).get(size, "")
        if key:
            found.copies[key] = None
        paths = tuple(path_of(copy[0]) for copy in copies)
        several = not isinstance(inner, Step | Block)
        nodes = tuple(tuple(n for item in copy for n in nodes_of(item)) for copy in copies)
        found.folded[shown] = Folded(key or key_of(repeat), paths, nodes if several else ())

    def _see_copy(self, element: Element, view: View, found: _Seen) -> None:
        """What is a copy of a repeat that is open can be folded again."""
        for key in self.known.get(path_of(element), {}).values():
            if key in view.opening.repeats:
                found.copies[key] = None


def _far(a: Signs, b: Signs) -> int:
    """How far one picture is from another: blocks of a name are opened sooner than single ones."""
    return sum(1 if sign[0] == ALL else 2 for sign in a ^ b)


def _signs(kind: str, words: Iterable[str]) -> Signs:
    return frozenset(kind + word for word in words)


def _words(kind: str, signs: Signs) -> Signs:
    return frozenset(sign[1:] for sign in signs if sign[0] == kind)


def _places(series: Series) -> dict[str, list[Place]]:
    """Where the blocks of each name occur."""
    found: dict[str, dict[Place, None]] = {}

    def visit(element: Element, around: Signs, head: bool) -> None:
        match element:
            case Block():
                name = element.call.block
                found.setdefault(name, {})[Place(around, head)] = None
                visit(element.body, around | {name}, head)
            case Series():
                for item in (*element.items, *element.makers):
                    visit(item, around, head)
                for _, aside in element.asides:
                    visit(aside, around, True)
            case Tangle():
                for item in element.items:
                    visit(item, around, head)
            case Parallel():
                for branch in element.branches:
                    visit(branch, around, head)
            case Repeat():
                visit(element.element, around, head)

    visit(series, Signs(), False)
    return {name: list(places) for name, places in found.items()}
