"""The insides of blocks that a picture shows closed, each form of them once, for beside it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import takewhile
from re import sub

from netspec.draw.layout.parts import parts_card, parts_of
from netspec.draw.layout.pieces import PAD, Piece, width_of
from netspec.draw.layout.structural import Layout
from netspec.draw.metrics import wrapped
from netspec.draw.scene import SIZES
from netspec.draw.structure.choosing import telling
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
from netspec.draw.structure.forms import differing, form
from netspec.draw.structure.reading import flat_steps, structure
from netspec.draw.structure.words import plain
from netspec.draw.view import View

_NAMED, _MOST_LINES = 2, 3
_MOST_PARTS = 3
_LEAST = 170.0


def insides(layout: Layout, series: Series, room: int) -> tuple[list[Piece], list[str]]:
    """What blocks do that a layout shows closed, in the order of use, and names of those left out.

    Blocks that differ in more than numbers are shown apart. Those that would take more than `room`
    boxes together are left out.
    """
    return _Insides(layout, series).pieces(room)


def parts_shown(view: View) -> list[Piece]:
    """What operators with parts do, those of the same parts in other numbers once, for beside a net."""
    found: dict[object, list[Step]] = {}
    for step in flat_steps(view.graph):
        parts = parts_of(step)
        key = tuple((_numberless(p.text), p.like, p.reads, _numberless(p.each)) for p in parts)
        if parts:
            found.setdefault((step.node.op.spelling, key), []).append(step)
    kinds = Counter(alike[0].node.op.spelling for alike in found.values())
    pieces = []
    for alike in [*found.values()][:_MOST_PARTS]:
        step, word = alike[0], alike[0].node.op.spelling
        differ = len({tuple((p.text, p.each) for p in parts_of(step)) for step in alike}) > 1
        note = f"as in {step.node.path}" if kinds[word] > 1 or differ else ""
        note += "; elsewhere with other numbers" if differ else ""
        title = f"inside {plain(word)}"
        bare = parts_card(step, view, title)
        lines = wrapped(note, SIZES["note"], bare.w - 2 * PAD) if note else []
        pieces.append(parts_card(step, view, title, lines) if lines else bare)
    return pieces


def _numberless(text: str) -> str:
    """Words without their numbers: `2 heads` and `1 head` are alike."""
    return sub(r"[\d.,]+( \w+?)s?\b|[\d.]+", r"\1", text)


def _panel(block: Block) -> object:
    """Equal for blocks whose insides have one panel: blocks closed in it have their own."""
    return form(block, inner=False)


class _Insides:
    def __init__(self, layout: Layout, series: Series) -> None:
        view = layout.view
        # The figures that a picture shows closed blocks with are in the panels as well.
        opened = replace(view, depth=1, expand=(), only=None, first=False, wrappers=True)
        self.layout = replace(layout, view=opened)
        self.closed: dict[object, Block] = {}
        self.seen: set[object] = set()
        self.titles: dict[object, str] = {}
        # How the first of those differs that a panel shows several of.
        self.repeats: dict[object, str] = {}
        self.around = _around(series)
        drawn = list(_drawn(layout, series))
        shown = {_panel(block) for block, is_open in drawn if is_open}
        for block, is_open in drawn:
            if not is_open:
                self._add(block, shown)
        self.closed = {key: block for key, block in self.closed.items() if key not in shown}
        self.instances: dict[object, list[Block]] = {}
        self.forms: dict[str, set[object]] = {}
        for block in (
            blocks_of(structure(view.graph, telling=telling(view.graph))) if self.closed else ()
        ):
            self.instances.setdefault(_panel(block), []).append(block)
            self.forms.setdefault(block.call.block, set()).add(_panel(block))

    def _add(self, block: Block, shown: set[object]) -> None:
        """A closed block, and after it those that are closed inside of it."""
        key = _panel(block)
        whole = form(block)
        if key in self.closed or key in shown:
            if block.result and key in self.closed and not self.closed[key].result:
                # What it reads and gives has names.
                self.closed[key] = block
            if whole not in self.seen:
                self._add_inside(block, whole, shown)
            return
        title, only = block.call.block, block.only
        inner = only.element if isinstance(only, Repeat) else only
        if isinstance(inner, Block) and not {_panel(inner)} & {*self.closed, *shown}:
            # What holds nothing but another block is shown with what that does.
            shown.add(key)
            times = f" ×{only.count}" if isinstance(only, Repeat) else ""
            title, block, key = f"{title}: {inner.call.block}{times}", inner, _panel(inner)
            if isinstance(only, Repeat) and only.note:
                self.repeats[key] = only.note
                first = only.copies[0]
                if "first differs" in only.note and isinstance(first, Block):
                    self._add(first, shown)
        self.closed[key] = block
        self.titles[key] = f"inside {title}"
        self._add_inside(block, whole, shown)

    def _add_inside(self, block: Block, whole: object, shown: set[object]) -> None:
        """What is closed in a block, whose form is `whole`."""
        self.seen.add(whole)
        for inside, is_open in _drawn(self.layout.inside(), block.body):
            if is_open:
                shown.add(_panel(inside))
            else:
                self._add(inside, shown)

    def pieces(self, room: int) -> tuple[list[Piece], list[str]]:
        found: list[Piece] = []
        left_out: dict[str, None] = {}
        for key, block in self.closed.items():
            boxes = 1 + self.layout.inside().boxes(block.body)
            if boxes > room:
                left_out[block.call.block] = None
                continue
            room -= boxes
            found.append(self._panel(key, block))
        return found, list(left_out)

    def _panel(self, key: object, block: Block) -> Piece:
        title = self.titles[key]
        note = self._note(key, block)
        plain = self.layout.panel(block, title)
        if not note:
            return plain
        width = max(plain.w - 2 * PAD, _LEAST, width_of(title, "head"))
        for named in range(_NAMED, -1, -1):
            lines = wrapped(self._note(key, block, named), SIZES["note"], width)
            if len(lines) <= _MOST_LINES:
                break
        return self.layout.panel(block, title, "\n".join(lines))

    def _note(self, key: object, block: Block, named: int = _NAMED) -> str:
        """How the first of several differs, and which of the blocks of one name are meant."""
        return "; ".join(filter(None, (self.repeats.get(key), self._whose(key, block, named))))

    def _whose(self, key: object, block: Block, named: int) -> str:
        """Which of several blocks of one name it is, and what numbers differ in others like it.

        At most `named` of the others are named, the rest counted.
        """
        alike = self.instances.get(key, [block])
        unlike = differing(alike) if len(alike) > 1 else []
        names = [path for other in alike if (path := self._path(other)) != self._path(block)]
        listed = ", ".join(names[:named])
        if len(names) > named:
            more = f"{len(names) - named} more"
            listed += f" and {more}" if named else more
        elsewhere = f"with other {_listed(unlike)}" if unlike else ""
        if len(self.forms.get(block.call.block, ())) < 2:
            return f"as in {self._path(block)}; elsewhere {elsewhere}" if unlike else ""
        also = f"; also in {listed} {elsewhere}".rstrip() if names else ""
        return f"as in {self._path(block)}{also}"

    def _path(self, block: Block) -> str:
        """Where a block is, without the block that the whole picture is the inside of."""
        return block.path.removeprefix(self.around)


def _around(series: Series) -> str:
    """The path, with its dot, that everything in a series has in common."""
    paths = [n.path.split(".")[:-1] for item in series.items for n in nodes_of(item)]
    levels = takewhile(lambda parts: len(set(parts)) == 1, zip(*paths, strict=False))
    return "".join(f"{parts[0]}." for parts in levels)


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _drawn(layout: Layout, element: Element) -> Iterator[tuple[Block, bool]]:
    """Every block that a layout draws, and whether it is open, in the order of use."""
    match element:
        case Step():
            yield from ((block, False) for block in element.blocks)
        case Block():
            yield from _block(layout, element, layout.opens(element))
        case Repeat(element=Block() as block, copies=copies):
            first = copies[0] if copies else block
            assert isinstance(first, Block)
            is_open = layout.opens(element)
            # A first that is open too, but for what its note says, is shown where that says nothing.
            if (not is_open or "first differs" in element.note) and form(first) != form(block):
                yield first, False
            yield from _block(layout, block, is_open)
        case Repeat():
            yield from _drawn(layout, element.element)
        case Series():
            asides = dict(element.asides)
            for maker in element.makers:
                yield from _drawn(layout, maker)
            for i, item in enumerate(element.items):
                yield from _drawn(layout, item)
                if i in asides:
                    yield from _drawn(layout, asides[i])
        case Parallel():
            for branch in element.branches:
                yield from _drawn(layout, branch)
            if element.join is not None:
                yield from _drawn(layout, element.join)
        case Tangle():
            for item in element.items:
                yield from _drawn(layout, item)


def _block(layout: Layout, block: Block, is_open: bool) -> Iterator[tuple[Block, bool]]:
    if block.head and not is_open and isinstance(block.only, Block):
        # A head that is one block is that block.
        yield block.only, False
        return
    yield block, is_open
    if is_open:
        yield from _drawn(layout.inside(), block.body)
