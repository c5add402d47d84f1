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
from netspec.draw.structure.sharing import sharing
from netspec.draw.styles.assumed import Assumed
from netspec.draw.styles.volumes import words
from netspec.draw.styles.volumes.crossing import edges_of, is_open, leading_on
from netspec.draw.styles.volumes.growing import Growing
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
    Chain,
    Fork,
    Part,
    Sign,
    Source,
    Volume,
)
from netspec.draw.theme import SHARES
from netspec.draw.view import View
from netspec.graph.checked import Graph, Node
from netspec.ops.declare.source import Input

# Whether a block, on a path and inside so many others, is open.
Opens = Callable[[Block, str, int], bool]
# How many lines over the others can still be followed.
_MOST_OVER = 24


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
        self.assumed = Assumed(view.graph)
        self._names = _names(view.graph)
        calls = {call for node in view.graph.nodes if node.call for call in node.call.ancestors()}
        self._components = {call.component for call in calls}

    def chain(self, series: Series) -> Chain:
        """The series side by side, what flows in and out at pins where skips begin or end there."""
        return self._series(series, 0).chain()

    # --- chains

    def _series(self, series: Series, depth: int) -> Growing:
        out = Growing()
        for _, block in series.asides:
            self._heads.setdefault(block.nodes[0].inputs[0].node, []).append(block)
        first: list[int] = []
        given = [out.flow]
        for element in series.items:
            first.append(len(out.items))
            self._add(element, out, depth)
            given.append(out.flow)
        first.append(len(out.items))
        for a, b in series.arcs:
            out.pass_by(given[a + 1], first[b])
        return out

    def _add(self, element: Element, out: Growing, depth: int) -> None:
        match element:
            case Step():
                self._step(element, out, None)
            case Repeat() if resizes(element, self.assumed):
                for copy in element.copies:
                    self._add(copy, out, depth)
            case Repeat(element=Step() as step):
                self._step(step, out, element)
            case Block():
                self._block(element, out, None, depth)
            case Repeat(element=Block() as block):
                self._block(block, out, element, depth)
            case Repeat():
                inner = Growing()
                self._add(element.element, inner, depth)
                out.extend(inner, f"×{element.count}")
                self._others(element, depth)
            case Series():
                out.extend(self._series(element, depth))
            case Parallel():
                self._parallel(element, out, depth)
            case Tangle():
                self._tangle(element, out, depth)
            case _:
                _refuse(self.view)

    def _tangle(self, tangle: Tangle, out: Growing, depth: int) -> None:
        """What crosses, in the order of use; a connection to what is not next passes over the others."""
        graph = self.view.graph
        series = None if is_open(tangle, graph) else between_outputs(graph, tangle)
        if series is not None:
            out.extend(self._series(series, depth))
            return
        inner = self._row(tangle.items, edges_of(tangle), depth)
        if len(inner.arcs) > _MOST_OVER:
            _refuse(self.view)
        out.extend(inner)

    def _row(self, items: tuple[Element, ...], edges: list[tuple[int, int]], depth: int) -> Growing:
        """Items side by side that are connected by edges, -1 in and their number out."""
        out = Growing()
        given = [out.flow]

        def coming(to: int) -> frozenset[int]:
            return frozenset().union(*(given[a + 1] for a, b in edges if b == to))

        for i, item in enumerate(items):
            out.flow = coming(i)
            self._add(item, out, depth)
            given.append(out.flow)
        out.flow = coming(len(items)) or out.flow
        return out

    def _step(self, step: Step, out: Growing, repeat: Repeat | None) -> None:
        drawn = is_drawn(step.node)
        steps = [copy for copy in repeat.copies if isinstance(copy, Step)] if repeat else [step]
        for each in steps:
            self.told(each, drawn)
        if drawn:
            out.add(self._joined(step, repeat))
        self._hold(out, (node for each in steps for node in each.nodes))

    def _hold(self, out: Growing, nodes: Iterable[Node]) -> None:
        """Hangs the heads that read one of these nodes off the last item, which gives it."""
        for node in nodes:
            for block in self._heads.pop(node, ()):
                out.asides.append((max(out.flow), self._head(block)))

    def told(self, step: Step, drawn: bool = True) -> None:
        """Keeps account of a layer and of what is merged into it."""
        self.shown += step.nodes[:1] if drawn else ()
        self.omitted += step.nodes[1:] if drawn else step.nodes

    def _joined(self, step: Step, repeat: Repeat | None = None) -> Volume | Sign:
        if step.joins and step.node.op.spelling in SIGNS:
            return Sign(SIGNS[step.node.op.spelling], self.source(step, step))
        return self.volume(step, repeat)

    def _block(self, block: Block, out: Growing, repeat: Repeat | None, depth: int) -> None:
        if not any(map(is_drawn, block.nodes)):
            self.omitted += nodes_of(repeat or block)
            self._hold(out, nodes_of(repeat or block))
            return
        copies = repeat.copies if repeat else ()
        path = getattr(copies[0] if copies else block, "path", block.path)
        if not (self.opens(block, path, depth) and is_plain(block.body)):
            out.add(self._closed(block, repeat))
            self._hold(out, nodes_of(repeat or block))
            return
        inner = self._series(block.body, depth + 1)
        name = self._title(block) if not repeat else block.call.block + words.times(repeat.count)
        weights, shared = self._shared(block.path)
        note = repeat.note if repeat else ""
        out.extend(inner, ", ".join(filter(None, (name, note, weights))), shared)
        if repeat:
            self._others(repeat, depth)

    def _others(self, repeat: Repeat, depth: int) -> None:
        """Keeps account of the copies that the last one stands for."""
        period = len(repeat.copies) // repeat.count
        for copy in repeat.copies[:-period]:
            self._add(copy, Growing(), depth)

    def _title(self, block: Block) -> str:
        """The name that the author gave, where a number was added to tell several apart."""
        given, _, number = block.name.rpartition("_")
        return given if number.isdigit() and given in self._components else block.name

    def _parallel(self, parallel: Parallel, out: Growing, depth: int) -> None:
        if parallel.join is None and (live := leading_on(parallel, self.view.graph)) is not None:
            out.extend(self._row(parallel.branches, live, depth))
            return
        opened = [self._series(branch, depth) for branch in parallel.branches]
        full = [branch for branch in opened if branch.items]
        source, join = out.flow, parallel.join
        for branch in opened:
            if not branch.items:
                out.asides += [(max(source), head) for _, head in branch.asides]
        if len(full) == 1:
            out.extend(full[0])
        elif full:
            crossing = None
            if join is not None and is_towers(parallel) and len(full) == len(opened):
                crossing = self.source(join, join)
                self.told(join)
            rows = tuple(branch.chain() for branch in full)
            out.add(Fork(rows, crossing))
            if crossing is not None and join is not None:
                out.pending[out.last] = self._joined(join)
                self._hold(out, join.nodes)
                return
        # What leaves as an output on the way leads to nothing.
        if len(full) < len(opened) and (join is not None or parallel.closes):
            out.pass_by(source, len(out.items))
        if join is not None:
            self._step(join, out, None)

    # --- volumes

    def volume(self, step: Step, repeat: Repeat | None = None) -> Volume:
        """What a layer gives; `repeat` is the run of layers that it stands for."""
        whole = repeat or step
        copies = repeat.count if repeat else 1
        node = step.node
        graph, source = self.view.graph, self.source(step, whole)
        sizes = self.assumed.shape(step.type)
        parts = (Part(_channels(sizes), self.view.look(step, repeat), source),)
        is_input = isinstance(node.op, Input)
        weights, shared = self._shared(node.path)
        made = () if is_input else (*words.made(step, self.view, copies), *words.whose(weights))
        name = node.name if is_input else self._named(whole) or sharing(graph).name(node.path)
        return Volume(
            step.type,
            sizes[1:],
            parts,
            made,
            name,
            words.figures(self.view, nodes_of(whole)),
            "shape" in self.view.show,
            window(node, self.assumed),
            copies,
            reads=bool(data_inputs(node)),
            shared=shared,
        )

    def _shared(self, path: str) -> tuple[str, str]:
        """Whose weights a layer or a block uses, in words, and the colour of what shares them."""
        told, number = self.view.shared(path)
        return told, "" if number is None else f"share{number % SHARES}"

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
        sizes = self.assumed.shape(kind)
        parts = tuple(Part(share, look, source) for share in split or (_channels(sizes),))
        weights, shared = self._shared(block.path)
        named = words.made_by_block(self._title(block), repeat, block.call.block)
        made = (*named, *words.whose(weights))
        figures = words.figures(self.view, own_nodes_of(whole))
        sized = "shape" in self.view.show
        around = is_residual(last)
        return Volume(
            kind,
            sizes[1:],
            parts,
            made,
            figures=figures,
            sized=sized,
            copies=copies,
            around=around,
            shared=shared,
        )

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

    def source(self, element: Step | Block, whole: Element | None = None) -> Source:
        """The place of a layer or a block, and the hint of all that it stands for."""
        whole = whole or element
        if isinstance(element, Block):
            hint = self.view.hint(element.path, whole, element.type)
            return Source(element.call.span, element.path, hint)
        node = element.node
        return Source(node.span, node.path, self.view.hint(node.name, whole, element.type))


def _channels(sizes: tuple[int, ...]) -> int:
    return sizes[0] if sizes else 1


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
