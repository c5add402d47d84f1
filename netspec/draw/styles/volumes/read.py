"""From the structure of a net to its volumes: what is a slab, what is not drawn and is said.

A layer that keeps the size, as an activation or a norm, is no volume. A closed block is one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from netspec.diagnostics.messages.draw import CannotDraw
from netspec.diagnostics.raised import NetspecError
from netspec.draw.layout.pieces import SIGNS
from netspec.draw.structure.decompose import between_outputs
from netspec.draw.structure.elements import (
    Block,
    Element,
    Parallel,
    Repeat,
    Series,
    Step,
    Tangle,
    nodes_of,
    own_nodes_of,
)
from netspec.draw.structure.labels import data_inputs
from netspec.draw.styles.volumes import words
from netspec.draw.styles.volumes.kinds import (
    is_drawn,
    is_plain,
    is_residual,
    is_towers,
    resizes,
    shares,
    window,
)
from netspec.draw.styles.volumes.parts import (
    Bracket,
    Chain,
    Fork,
    Item,
    Part,
    Pin,
    Sign,
    Source,
    Volume,
)
from netspec.draw.view import View
from netspec.graph.checked import Graph, Node
from netspec.ops.declare.source import Input
from netspec.sizes.shapes import TensorType

# Whether a block, on a path and inside so many others, is open.
Opens = Callable[[Block, str, int], bool]


class Reader:
    """Makes the chain of a series.

    `shown` are the nodes that something drawn stands for, `omitted` those that keep the size and have
    no volume, `closed` the blocks that are one, by their names.
    """

    def __init__(self, view: View, opens: Opens) -> None:
        self.view = view
        self.opens = opens
        self.shown: list[Node] = []
        self.omitted: list[Node] = []
        self.closed: dict[str, None] = {}
        # Training-only heads by what they read, until that is drawn.
        self._heads: dict[Node, list[Block]] = {}
        self._names = _names(view.graph)
        calls = {call for node in view.graph.nodes if node.call for call in node.call.ancestors()}
        self._components = {call.component for call in calls}

    def chain(self, series: Series) -> Chain:
        """The series side by side, what flows in and out at pins where skips begin or end there."""
        return _with_pins(self._series(series, 0))

    # --- chains

    def _series(self, series: Series, depth: int) -> _Open:
        out = _Open()
        for _, block in series.asides:
            self._heads.setdefault(block.nodes[0].inputs[0].node, []).append(block)
        first: list[int] = []
        last: list[int] = [out.last]
        for element in series.items:
            first.append(len(out.items))
            self._add(element, out, depth)
            last.append(out.last)
        first.append(len(out.items))
        out.arcs += [(last[a + 1], first[b]) for a, b in series.arcs]
        return out

    def _add(self, element: Element, out: _Open, depth: int) -> None:
        match element:
            case Step():
                self._step(element, out, None)
            case Repeat() if resizes(element):
                for copy in element.copies:
                    self._add(copy, out, depth)
            case Repeat(element=Step() as step):
                self._step(step, out, element)
            case Block():
                self._block(element, out, None, depth)
            case Repeat(element=Block() as block):
                self._block(block, out, element, depth)
            case Repeat():
                assert isinstance(element.element, Series)
                out.extend(self._series(element.element, depth), f"×{element.count}")
                self._others(element, depth)
            case Series():
                out.extend(self._series(element, depth))
            case Parallel():
                self._parallel(element, out, depth)
            case Tangle() if (series := between_outputs(self.view.graph, element)) is not None:
                out.extend(self._series(series, depth))
            case _:
                _refuse(self.view)

    def _step(self, step: Step, out: _Open, repeat: Repeat | None) -> None:
        drawn = is_drawn(step.node)
        steps = [copy for copy in repeat.copies if isinstance(copy, Step)] if repeat else [step]
        for each in steps:
            self.told(each, drawn)
        if drawn:
            out.items.append(self._joined(step, repeat))
        self._hold(out, (node for each in steps for node in each.nodes))

    def _hold(self, out: _Open, nodes: Iterable[Node]) -> None:
        """Hangs the heads that read one of these nodes off the last item, which gives it."""
        for node in nodes:
            for block in self._heads.pop(node, ()):
                out.asides.append((out.last, self._head(block)))

    def told(self, step: Step, drawn: bool = True) -> None:
        """Keeps account of a layer and of what is merged into it."""
        self.shown += step.nodes[:1] if drawn else ()
        self.omitted += step.nodes[1:] if drawn else step.nodes

    def _joined(self, step: Step, repeat: Repeat | None = None) -> Volume | Sign:
        if step.joins and step.node.op.spelling in SIGNS:
            return Sign(SIGNS[step.node.op.spelling], self.source(step, step))
        return self.volume(step, repeat)

    def _block(self, block: Block, out: _Open, repeat: Repeat | None, depth: int) -> None:
        if not any(map(is_drawn, block.nodes)):
            self.omitted += nodes_of(repeat or block)
            self._hold(out, nodes_of(repeat or block))
            return
        copies = repeat.copies if repeat else ()
        path = getattr(copies[0] if copies else block, "path", block.path)
        if not (self.opens(block, path, depth) and is_plain(block.body)):
            out.items.append(self._closed(block, repeat))
            self._hold(out, nodes_of(repeat or block))
            return
        inner = self._series(block.body, depth + 1)
        name = self._title(block) if not repeat else block.call.block + words.times(repeat.count)
        note = f", {repeat.note}" if repeat and repeat.note else ""
        out.extend(inner, name + note)
        if repeat:
            self._others(repeat, depth)

    def _others(self, repeat: Repeat, depth: int) -> None:
        """Keeps account of the copies that the last one stands for."""
        period = len(repeat.copies) // repeat.count
        for copy in repeat.copies[:-period]:
            self._add(copy, _Open(), depth)

    def _title(self, block: Block) -> str:
        """The name that the author gave, where a number was added to tell several apart."""
        given, _, number = block.name.rpartition("_")
        return given if number.isdigit() and given in self._components else block.name

    def _parallel(self, parallel: Parallel, out: _Open, depth: int) -> None:
        opened = [self._series(branch, depth) for branch in parallel.branches]
        full = [branch for branch in opened if branch.items]
        source, join = out.last, parallel.join
        for branch in opened:
            if not branch.items:
                out.asides += [(source, head) for _, head in branch.asides]
        if len(full) == 1:
            out.extend(full[0])
        elif full:
            crossing = None
            if join is not None and is_towers(parallel) and len(full) == len(opened):
                crossing = self.source(join, join)
                self.told(join)
            rows = tuple(_with_pins(branch) for branch in full)
            out.items.append(Fork(rows, crossing))
            if crossing is not None and join is not None:
                out.pending[out.last] = self._joined(join)
                self._hold(out, join.nodes)
                return
        # What leaves as an output on the way leads to nothing.
        if len(full) < len(opened) and (join is not None or parallel.closes):
            out.arcs.append((source, len(out.items)))
        if join is not None:
            self._step(join, out, None)

    # --- volumes

    def volume(self, step: Step, repeat: Repeat | None = None) -> Volume:
        """What a layer gives; `repeat` is the run of layers that it stands for."""
        whole = repeat or step
        copies = repeat.count if repeat else 1
        node = step.node
        source = self.source(step, whole)
        parts = (Part(self._channels(step.type), self.view.look(step, repeat), source),)
        is_input = isinstance(node.op, Input)
        made = () if is_input else words.made(step, self.view, copies)
        name = node.name if is_input else self._named(whole)
        return Volume(
            step.type,
            parts,
            made,
            name,
            words.figures(self.view, nodes_of(whole)),
            "shape" in self.view.show,
            window(node),
            copies,
            reads=bool(data_inputs(node)),
        )

    def _named(self, whole: Step | Repeat) -> str:
        """The names given to the layers that a slab stands for."""
        steps = whole.copies if isinstance(whole, Repeat) else (whole,)
        given = [self._names[n] for step in steps for n in nodes_of(step) if n in self._names]
        return ", ".join(given) if len(given) < 3 else f"{given[0]} to {given[-1]}"

    def _closed(self, block: Block, repeat: Repeat | None) -> Volume:
        """A block as one volume: a slab for each branch that its end lays together."""
        self.closed.setdefault(block.call.block)
        whole = repeat or block
        self.shown += nodes_of(whole)
        copies = repeat.count if repeat else 1
        kind = block.type
        look = self._heat(block)
        source = self.source(block, whole)
        last = block.body.items[-1] if block.body.items else None
        split = shares(last, kind)
        channels = self._channels(kind)
        parts = tuple(Part(share, look, source) for share in split or (channels,))
        made = words.made_by_block(self._title(block), repeat, block.call.block)
        figures = words.figures(self.view, own_nodes_of(whole))
        sized = "shape" in self.view.show
        around = is_residual(last)
        return Volume(kind, parts, made, "", figures, sized, None, copies, around)

    def _head(self, block: Block) -> Volume:
        """A training-only head, closed whatever is asked for."""
        volume = self._closed(block, None)
        losses = {head.name: head.loss for head in self.view.graph.heads}
        loss = f"training only, loss × {losses[block.path]:g}"
        return replace(volume, made=(), name=block.name, figures=(*volume.figures, loss))

    def _heat(self, block: Block) -> str:
        if self.view.heat is None:
            return "head" if block.head else "shut"
        hottest = max(nodes_of(block), key=lambda node: self.view.weight((node,)))
        return self.view.look(Step((hottest,)))

    def _channels(self, kind: TensorType) -> int:
        sizes = [self.view.graph.nominal(size) for size in kind.shape]
        if not all(isinstance(size, int) for size in sizes):
            reason = f"slabs have sizes that are numbers, and {words.size(kind)} has not"
            raise NetspecError(CannotDraw(reason, "give --input, or draw it with --style fold"))
        return int(str(sizes[0])) if sizes else 1

    def source(self, element: Step | Block, whole: Element | None = None) -> Source:
        """The place of a layer or a block, and the hint of all that it stands for."""
        whole = whole or element
        if isinstance(element, Block):
            hint = self.view.hint(element.path, whole, element.type)
            return Source(element.call.span, element.path, hint)
        node = element.node
        return Source(node.span, node.path, self.view.hint(node.name, whole, element.type))


class _Open:
    """A chain that is being made; -1 is what flows in."""

    def __init__(self) -> None:
        self.items: list[Item] = []
        self.arcs: list[tuple[int, int]] = []
        self.brackets: list[Bracket] = []
        self.asides: list[tuple[int, Volume]] = []
        # The joins of forks that are drawn only where nothing follows to read all branches.
        self.pending: dict[int, Volume | Sign] = {}

    @property
    def last(self) -> int:
        return len(self.items) - 1

    def extend(self, other: _Open, title: str = "") -> None:
        """Another chain behind this one, under a bracket where it has a title."""
        at = len(self.items)
        if title and other.items:
            self.brackets.append(Bracket(at, at + len(other.items), title))
        self.items += other.items
        self.arcs += [(at + a, at + b) for a, b in other.arcs]
        self.brackets += [Bracket(at + b.first, at + b.end, b.title) for b in other.brackets]
        self.asides += [(at + i, volume) for i, volume in other.asides]
        self.pending |= {at + i: join for i, join in other.pending.items()}


def _with_pins(open_: _Open) -> Chain:
    """The chain, with a pin before or behind it where an arc begins or ends there."""
    items = list(open_.items)
    if open_.last in open_.pending:
        fork = items[-1]
        assert isinstance(fork, Fork)
        items[-1:] = [Fork(fork.rows), open_.pending[open_.last]]
    arcs = dict.fromkeys(open_.arcs)
    asides = [i for i, _ in open_.asides]
    before = 1 if any(i < 0 for i in (*asides, *(a for a, _ in arcs))) else 0
    if any(b >= len(items) for _, b in arcs):
        items.append(Pin())
    if before:
        items.insert(0, Pin())
    return Chain(
        tuple(items),
        tuple((a + before, b + before) for a, b in arcs),
        tuple(Bracket(b.first + before, b.end + before, b.title) for b in open_.brackets),
        tuple((i + before, volume) for i, volume in open_.asides),
    )


def _names(graph: Graph) -> dict[Node, str]:
    """The names given with `as` outside blocks, by the layers whose volumes they name."""
    found: dict[Node, str] = {}
    for name, values in graph.names.items():
        node = values[0].node if len(values) == 1 else None
        while node is not None and not is_drawn(node):
            node = node.inputs[0].node
        if node is not None and "." not in node.path:
            found.setdefault(node, name)
    return found


def _refuse(view: View) -> None:
    reason = f"branches of {view.graph.name} cross, and slabs side by side do not show how"
    raise NetspecError(CannotDraw(reason, "draw it with --style fold"))
