"""The structural layout: chains downwards, branches side by side, skips outside the boxes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import TypeVar

from netspec.draw.layout.abreast import folded_over
from netspec.draw.layout.arcs import chain_with_arcs
from netspec.draw.layout.branches import joined, output
from netspec.draw.layout.dense import dense_piece, growth
from netspec.draw.layout.lattice.drawn import lattice
from netspec.draw.layout.layered import layered
from netspec.draw.layout.parts import parts_card
from netspec.draw.layout.pieces import (
    PAD,
    ROW,
    Heading,
    Piece,
    Strip,
    bar,
    baseline,
    beside,
    chip,
    row,
    row_width,
    share_mark,
    stack,
    width_of,
)
from netspec.draw.layout.udrawn import u_piece
from netspec.draw.layout.ushape import u_shape
from netspec.draw.metrics import wrapped
from netspec.draw.scene import SIZES, Box, Group, Item, Words
from netspec.draw.structure.choosing import telling
from netspec.draw.structure.elements import (
    Block,
    Element,
    Omitted,
    Parallel,
    Port,
    Repeat,
    Series,
    Step,
    Tangle,
    begins,
    gives,
    nodes_of,
    reads,
)
from netspec.draw.structure.given import arguments
from netspec.draw.structure.labels import resolution, shape
from netspec.draw.view import View
from netspec.foundation.records import record
from netspec.graph.checked import Node
from netspec.graph.loops import loops
from netspec.sizes.dims import Dim

_LEAST = 200.0
T = TypeVar("T")


@record
class Layout:
    """Turns elements into pieces, for one view. `depth` counts the blocks around.

    What is `alone` is a picture of its own, from which nothing flows on. Tall cards have columns where it
    `turns`.
    """

    view: View
    depth: int = 0
    alone: bool = False
    turns: bool = False

    def inside(self) -> Layout:
        """The layout of what a block at this level holds."""
        return Layout(self.view, self.depth + 1, turns=self.turns)

    def panel(self, block: Block, title: str, note: str = "") -> Piece:
        """What a block does, as a picture of its own."""
        return self.block(block, block, 0.0, note=note, title=title)

    def maker(self, series: Series) -> Piece:
        """What makes tensors that are read by their names, as a card with these."""
        nodes = nodes_of(series)
        names = telling(self.view.graph).names
        made = [name for value, name in names.items() if value.node in nodes]
        last = ended(series.items[-1])
        inner = self.series(replace(series, items=(*series.items[:-1], last)))
        heading = Heading(", ".join(made), "", ())
        w, h = max(heading.w, inner.w) + 2 * PAD, heading.h + inner.h + PAD

        def draw(x: float, y: float) -> list[Item]:
            members = (
                Box(x, y, w, h, "block", "open", 8),
                *heading.draw(x, y, w),
                *inner.draw(x + (w - inner.w) / 2, y + heading.h),
            )
            return [Group(members, nodes[0].span, nodes[0].path, nodes=nodes)]

        return Piece(w, h, w / 2, draw)

    # --- elements

    def element(self, element: Element, width: float = 0.0) -> Piece:
        """The piece of one element; at the net's own level boxes are at least `width` wide."""
        return self._kept("element", element, width, lambda: self._element(element, width))

    def _kept(self, what: str, element: Element, choice: object, make: Callable[[], T]) -> T:
        """What is made of an element, once for all views with a memory that open the same in it."""
        if self.view.memory is None:
            return make()
        opened = self.view.opened_in(element)
        key = (what, element, choice, self.depth, self.alone, self.turns, opened)
        return self.view.kept(key, make)

    def _element(self, element: Element, width: float) -> Piece:
        match element:
            case Step() if self.view.is_shown(element):
                return parts_card(element, self.view, self.view.label(element))
            case Step():
                return row(element, self.view, width) if width else chip(element, self.view)
            case Block():
                return self.block(element, element, width)
            case Repeat():
                return self.repeat(element, width)
            case Series():
                return self.series(element)
            case Parallel():
                return self.parallel(element)
            case Tangle():
                return self._tangle(element)
            case Omitted():
                return self._omitted(element)
        return self.port(element)

    def _tangle(self, tangle: Tangle) -> Piece:
        hosts = {b: tangle.items[a] for a, b in tangle.edges if a >= 0}
        pieces = [
            self.head(item, hosts[i])
            if isinstance(item, Block) and item.head
            else spread(self.element(item), item)
            for i, item in enumerate(tangle.items)
        ]
        # Ports stand for what flows in, and what reads nothing begins by itself.
        first = {i for i, item in enumerate(tangle.items) if begins(item)}
        links = zip(tangle.edges, tangle.ports, strict=True)
        shown = [(edge, port) for edge, port in links if edge[0] >= 0 or edge[1] not in first]
        edges, ports = [edge for edge, _ in shown], [port for _, port in shown]
        return layered(pieces, edges, ports, tangle.entries, tangle.exits)

    def _omitted(self, omitted: Omitted) -> Piece:
        text = f"… {len(omitted.nodes):,} more layers …"
        w = width_of(text) + 20

        def draw(x: float, y: float) -> list[Item]:
            members = (
                Box(x, y, w, ROW, "leaf", "loop"),
                Words(x + w / 2, baseline(y, ROW), text, anchor="middle"),
            )
            first = omitted.nodes[0]
            return [Group(members, first.span, first.path, text, nodes=omitted.nodes)]

        return Piece(w, ROW, w / 2, draw)

    def boxes(self, element: Element) -> int:
        """How many boxes the element is drawn with."""
        match element:
            case Block():
                is_open = self._opens(element, element)
                return 1 + (self.inside().boxes(element.body) if is_open else 0)
            case Series():
                inside = sum(self.boxes(item) for item in (*element.items, *element.makers))
                return inside + sum(self.boxes(block) for _, block in element.asides)
            case Parallel():
                return 1 + sum(self.boxes(branch) for branch in element.branches)
            case Tangle():
                return sum(self.boxes(item) for item in element.items)
            case Repeat():
                grown = growth(element)
                return self.boxes(element.element) + (grown.shown if grown else 0)
        return 1

    def port(self, port: Port) -> Piece:
        """One of several tensors that flow into a block, as a small mark."""
        node = port.value.node
        return self._pin(port.name or f"input {port.number}", node)

    def _pin(self, text: str, node: Node) -> Piece:
        """The name of a tensor that flows into a block or out of it, and what makes it."""
        w = width_of(text, "note") + 14

        def draw(x: float, y: float) -> list[Item]:
            members: tuple[Item, ...] = (
                Box(x, y, w, 18, "leaf", "in", 9),
                Words(x + w / 2, baseline(y, 18, "note"), text, "note", "middle"),
            )
            return [Group(members, node.span, node.path, f"{text}: {node.path}")]

        return Piece(w, 18, w / 2, draw)

    def series(self, series: Series, *, turns: bool = False) -> Piece:
        """A series inside something else, as one piece; one that `turns` need not end below its beginning."""
        return self._kept("series", series, turns, lambda: self._series(series, turns))

    def _series(self, series: Series, turns: bool) -> Piece:
        if not series.items:
            return Piece(0, 0, 0, lambda x, y: [])
        found = lattice(series, self, self.view.graph, alone=self.alone)
        if found is not None:
            return found
        u = u_shape(series, self.view.graph)
        if u is not None:
            return u_piece(u, self, leaves=True)
        pieces = self.pieces(series)
        return (folded_over(pieces) if turns else None) or stack(pieces)

    def pieces(self, series: Series, width: float = 0.0, *, whole: bool = False) -> list[Piece]:
        """The pieces of a series: one for each item that no arc passes, one for what arcs join.

        From the end of a `whole` net nothing flows on.
        """
        series, left = run_on(series) if whole else (series, [])
        items = [
            ended(item) if whole and item is series.items[-1] else item for item in series.items
        ]
        each = [self.element(item, width) for item in items]
        shown = [self.maps(item) for item in series.items]
        for at, block in series.asides:
            host = series.items[at]
            boxed = isinstance(host, Step | Block | Repeat)
            last = whole and at + 1 == len(each)
            # What flows in and out does so at the box, however wide it is with what hangs off it.
            each[at] = beside(
                spread(each[at], host), self.head(block, host), boxed=boxed, last=last
            )
            shown[at] |= self.maps(block)
        for at in left:
            mark = output(nodes_of(series.items[at])[-1])
            each[at] = beside(each[at], mark, look="")
        for i, (before, item) in enumerate(pairwise(series.items), 1):
            if gives(before) > 1:
                each[i - 1 : i + 1] = spread(each[i - 1], before), spread(each[i], item)
        if series.items:
            # What a chain reads and gives side by side, its first and its last box do: others may be wider.
            each[0] = spread(each[0], series.items[0])
            each[-1] = spread(each[-1], series.items[-1])
        each = [
            replace(piece, strips=(Strip(0.0, piece.h, min(sizes) if len(sizes) == 1 else ""),))
            for piece, sizes in zip(each, shown, strict=True)
        ]
        found = []
        for start, end in _unpassed(len(each), series.arcs):
            inside = tuple((a - start, b - start) for a, b in series.arcs if start <= b < end + 1)
            if start + 1 == end and not inside:
                found.append(each[start])
            else:
                found.append(chain_with_arcs(each[start:end], inside))
        return found

    def maps(self, element: Element, copy: Element | None = None) -> frozenset[str]:
        """The resolutions of the maps that the boxes of an element give.

        `copy` is the first of those that the element stands for.
        """
        return self._kept("maps", element, copy, lambda: self._maps(element, copy))

    def _maps(self, element: Element, copy: Element | None) -> frozenset[str]:
        match element:
            case Step():
                found = {resolution(element.type)}
            case Block():
                found = {resolution(v.type) for v in element.closing} or {resolution(element.type)}
                if self._opens(element, copy or element):
                    found |= self.inside().maps(element.body)
            case Series():
                found = {size for item in element.items for size in self.maps(item)}
                found |= {size for _, block in element.asides for size in self.maps(block)}
            case Parallel():
                found = {size for branch in element.branches for size in self.maps(branch)}
                found |= self.maps(element.join) if element.join else set()
            case Tangle():
                found = {size for item in element.items for size in self.maps(item)}
            case Repeat(abreast=True):
                found = {size for copy in element.copies for size in self.maps(copy)}
            case Repeat():
                found = set(self.maps(element.element, element.copies[0]))
            case _:
                found = set()
        return frozenset(found - {""})

    def opens(self, element: Element) -> bool:
        """Whether an element is a block, or repeats of one, that is drawn open."""
        if not isinstance(element, Repeat):
            return isinstance(element, Block) and self._opens(element, element)
        block, first = element.element, (*element.copies, element.element)[0]
        if not isinstance(block, Block):
            return False
        return self._opens(block, first, abreast=element.abreast)

    def stretched(self, element: Element, h: float) -> Piece:
        """A closed block, or repeats of one, at least so high."""
        if isinstance(element, Repeat) and isinstance(element.element, Block):
            times = f" ×{element.count}"
            return self.block(element.element, element, 0.0, times, element.note, least=h - 6)
        assert isinstance(element, Block)
        return self.block(element, element, 0.0, least=h)

    def _opens(self, block: Block, copy: Element, *, abreast: bool = False) -> bool:
        """Whether a block is drawn open; `copy` is the first of those it stands for."""
        path = getattr(copy, "path", block.path)
        return self.view.is_open(block, path, self.depth, abreast=abreast)

    def head(self, block: Block, host: Element) -> Piece:
        """A training-only head, which says where inside of the element it hangs off it begins."""
        own, graph = set(nodes_of(host)), self.view.graph
        read = block.nodes[0].inputs[0].node
        ends = {output.value.node for output in graph.outputs}
        leaving = any(user not in own and user.head is None for user in graph.consumers[read])
        inside = not isinstance(host, Step) and not leaving and read not in ends
        return self.block(block, block, 0.0, note=f"reads {read.path}" if inside else "")

    def width(self, series: Series) -> float:
        """How wide the boxes of the net's own level are: as wide as its widest layer needs."""
        widths = [150.0]
        for item in run_on(series)[0].items:
            if isinstance(item, Step):
                widths.append(row_width(item, self.view))
            elif isinstance(item, Repeat) and isinstance(item.element, Step):
                widths.append(row_width(item.element, self.view, item))
        return min(max(widths), 340.0)

    # --- blocks

    def body(self, block: Block, element: Element) -> Piece:
        """What a block holds; `element` is all that it stands for."""
        grown = growth(element)
        if grown is None:
            return self.series(block.body, turns=self.turns and not block.result)
        first = self.series(grown.layers[0])
        return dense_piece(grown, first, bar(grown.join, self.view, first.w))

    def repeat(self, repeat: Repeat, width: float) -> Piece:
        """What is repeated, once, with how often."""
        times = f" ×{repeat.count}"
        match repeat.element:
            case Step() if self.view.is_shown(repeat.element):
                return self._framed(self.element(repeat.element), repeat, times.strip())
            case Step():
                if width:
                    return row(repeat.element, self.view, width, repeat)
                return chip(repeat.element, self.view, repeat)
            case Block():
                return self.block(repeat.element, repeat, width, times, repeat.note)
        inner = self.element(repeat.element)
        return self._framed(inner, repeat, f"×{repeat.count}")

    def _framed(self, inner: Piece, repeat: Repeat, title: str) -> Piece:
        heading = Heading(title, "", (repeat.note,) if repeat.note else ())
        side = max(0.0, heading.w - inner.w) / 2 + PAD
        w, h = inner.w + 2 * side, inner.h + heading.h + PAD

        def draw(x: float, y: float) -> list[Item]:
            nodes = nodes_of(repeat)
            members = (
                Box(x, y, w, h, "block", "loop", 8),
                *heading.draw(x, y, w),
                *inner.draw(x + side, y + heading.h),
            )
            return [Group(members, nodes[0].span, nodes[0].path, nodes=nodes)]

        return Piece(w, h, inner.axis + side, draw, lanes=inner.lanes, outs=inner.outs)

    def block(
        self,
        block: Block,
        element: Element,
        width: float,
        times: str = "",
        note: str = "",
        around: str = "",
        title: str = "",
        least: float = 0.0,
        within: Element | None = None,
    ) -> Piece:
        """A card: closed with its figures, or open with what it does, as always with a `title`.

        A closed one is at least `least` high. On the card of a block that holds nothing else, `element` is
        that block with its copies, and what is `within` it opens by itself.
        """
        if not times and (count := self._steps(block)) is not None:
            times, note = f" ×{count}", note or "one step; what it gives the next step starts from"
        shown_alone = bool(title)
        name = title or around + (block.call.block if times else self.view.called(block))
        lines = note.splitlines()
        if block.head:
            losses = {head.name: head.loss for head in self.view.graph.heads}
            lines.append(f"training only, loss × {losses[block.path]:g}")
        copies = element.copies if isinstance(element, Repeat) else ()
        alike = len({copy.type for copy in copies if isinstance(copy, Block)}) < 2
        one = alike and not block.closing
        figures = self.view.numbers(element, block.type if one else None)
        if block.closing and width and "shape" in self.view.show:
            lines.append(" · ".join(shape(value.type) for value in block.closing))
        is_open = shown_alone or self.opens(within or element)
        if is_open and not note:
            only = block.only
            if only is not None:
                return self._merged(block, element, only, width, name + times)
        inside = replace(self.inside(), alone=shown_alone)
        inner = inside.body(block, element) if is_open else None
        if inner is not None and block.result:
            inner = stack([inner, self._pin(block.result, block.own[-1])])
        if inner is None and not width and not block.head:
            # Inside another block, a closed one is as small as can be: its figures are in its hint.
            figures = ""
            given = block.is_named and not times
            name = around + (f"{block.name}: {block.call.block}" if given else block.call.block)
        title = name + times
        if inner is None and not block.head:
            wide = max(width - 2 * PAD, width_of(f"{title} {figures}", "head"), _LEAST)
            told = arguments([copy for copy in copies or [block] if isinstance(copy, Block)])
            read = self.view.told(element)
            told += [f"from {', '.join(read)}"] if read else []
            lines = [*wrapped(", ".join(told), SIZES["note"], wide), *lines] if told else lines
        # What is shown alone stands for all that use its weights.
        weights = "" if shown_alone else self.view.weights(element, block.path)
        lines += [weights] if weights and weights not in lines else []
        heading = Heading(title, figures, tuple(lines))
        w = max(width, heading.w + 2 * PAD)
        if inner is None:
            h = max(heading.h + 4, least)
            axis = w / 2
        else:
            w = max(w, inner.w + 2 * PAD)
            # Wires that leave side by side run to the frame.
            foot = PAD if len(inner.outs) == 1 else 0.0
            h, axis = heading.h + inner.h + foot, (w - inner.w) / 2 + inner.axis
        look = "head" if block.head else ("open" if inner else "shut")

        def draw(x: float, y: float) -> list[Item]:
            members: list[Item] = []
            if times:
                members += [Box(x + d, y + d, w, h, "stack", "", 8) for d in (6, 3)]
            members.append(Box(x, y, w, h, "block", look, 8))
            members += heading.draw(x, y, w)
            members += share_mark(block.path, self.view, x, y + 4, h - 8)
            if inner is not None:
                members += inner.draw(x + axis - inner.axis, y + heading.h)
            hint = self.view.hint(block.path, element, block.type)
            shown, span = tuple(members), block.call.span
            return [Group(shown, span, block.path, hint, block.call.block, nodes_of(element))]

        spare = 6.0 if times else 0.0
        outs = (0.0,) if inner is None else inner.outs
        piece = Piece(w + spare, h + spare, axis, draw, outs=outs)
        if inner is not None and isinstance(element, Repeat) and element.abreast:
            # All of them go in and out where the one does that is shown.
            lanes = spread(piece, block).lanes
            return replace(piece, lanes=lanes * element.count, outs=outs * element.count)
        return piece

    def _steps(self, block: Block) -> Dim | None:
        """How often the block of a recurrence runs that is not written out; None of other blocks."""
        found = (loop for loop in loops(self.view.graph) if loop.call is block.call)
        return next((loop.steps for loop in found), None)

    def _merged(
        self, block: Block, element: Element, only: Element, width: float, title: str
    ) -> Piece:
        """One card for a block and the only block in it: `stage2: bottleneck ×4`."""
        inside = self.inside()
        # The figures are those of all copies, of the outer block too.
        whole = element if isinstance(element, Repeat) else only
        if isinstance(only, Repeat):
            assert isinstance(only.element, Block)
            times = f" ×{only.count}"
            piece = inside.block(
                only.element, whole, width, times, only.note, f"{title}: ", within=only
            )
        else:
            assert isinstance(only, Block)
            piece = inside.block(only, whole, width, around=f"{title}: ", within=only)

        def draw(x: float, y: float) -> list[Item]:
            members = tuple(piece.draw(x, y))
            span, word = block.call.span, block.call.block
            return [Group(members, span, block.path, "", word, nodes_of(element))]

        return replace(piece, draw=draw)

    # --- branches

    def parallel(self, parallel: Parallel) -> Piece:
        """Branches side by side, joined in a circle or in a bar."""
        branches = [self.series(b) if b.items else None for b in parallel.branches]
        return joined(branches, parallel, self.view)


def run_on(series: Series) -> tuple[Series, list[int]]:
    """A net that gives outputs on its way as one chain, and which of its items give them."""
    left = []
    while (rest := _behind_output(series)) is not None:
        before = series.items[:-1]
        count = len(before)
        left.append(count - 1)
        series = replace(
            series,
            items=(*before, *rest.items),
            arcs=(*series.arcs, *((count + a, count + b) for a, b in rest.arcs)),
            asides=(*series.asides, *((count + at, block) for at, block in rest.asides)),
        )
    return series, left


def _behind_output(series: Series) -> Series | None:
    """What follows in a chain after the last box that gives an output too; None where it ends otherwise."""
    if len(series.items) < 2:
        return None
    *_, before, last = series.items
    if not isinstance(last, Parallel) or not last.opens or last.closes:
        return None
    on = [branch for branch in last.branches if branch.items]
    boxed = isinstance(before, Step | Block) and gives(before) == 1
    return on[0] if boxed and len(on) == 1 and len(last.branches) == 2 else None


def ended(element: Element) -> Element:
    """What a net ends with: of a tangle no line leads on."""
    if not isinstance(element, Tangle):
        return element
    links = [*zip(element.edges, element.ports, strict=True)]
    kept = [(edge, port) for edge, port in links if edge[1] != len(element.items)]
    edges, ports = (tuple(part) for part in zip(*kept, strict=True)) if kept else ((), ())
    return replace(element, edges=edges, ports=ports)


def _unpassed(count: int, arcs: tuple[tuple[int, int], ...]) -> list[tuple[int, int]]:
    """Ranges of items such that every arc starts and ends in one."""
    bound = [False] * (count + 1)
    for a, b in arcs:
        for i in range(max(a, 0), min(b, count - 1)):
            bound[i] = True
    found, start = [], 0
    for i in range(count):
        if not bound[i]:
            found.append((start, i + 1))
            start = i + 1
    return found


def spread(piece: Piece, element: Element) -> Piece:
    """A piece with a place for each tensor that flows in, and for each that flows out."""
    if isinstance(element, Tangle):
        return piece
    lanes = piece.lanes if len(piece.lanes) == reads(element) else _even(piece, reads(element))
    outs = piece.outs if len(piece.outs) == gives(element) else _even(piece, gives(element))
    return replace(piece, lanes=lanes, outs=outs)


def _even(piece: Piece, count: int) -> tuple[float, ...]:
    """Places along a side of a piece, from its axis."""
    if count == 1:
        return (0.0,)
    return tuple(piece.w * (k + 0.5) / count - piece.axis for k in range(count))
