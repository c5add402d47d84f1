"""What a page tells of what is pointed at: windows, shapes and costs of layers, what a line carries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property

from netspec.draw.formats.connections import Connection
from netspec.draw.formats.states import Folded
from netspec.draw.structure.elements import Block, Step, blocks_of
from netspec.draw.structure.labels import data_inputs, human, label, shape, tag
from netspec.draw.structure.opening import spanned
from netspec.draw.structure.reading import flat_steps, structure
from netspec.draw.view import View
from netspec.foundation.records import record
from netspec.graph.checked import Node
from netspec.sizes.shapes import TensorType

# What is drawn once, by the path it is drawn with.
Copies = Mapping[str, Folded]


@record(eq=False, slots=False)
class Facts:
    """What there is to tell of one net's layers and blocks, by their paths."""

    view: View

    @cached_property
    def elements(self) -> dict[str, Step | Block]:
        """The layers and blocks by their paths, in the order of the graph."""
        found: dict[str, Step | Block] = {s.node.path: s for s in flat_steps(self.view.graph)}
        return found | {
            block.path: block for block in blocks_of(structure(self.view.graph), heads=True)
        }

    def of(self, path: str) -> str:
        """Lines on what is at a path: what it is, from which shape to which, what it costs."""
        element = self.elements.get(path)
        if element is None:
            return ""
        lines = self._block(element) if isinstance(element, Block) else self._step(element)
        return "\n".join(line for line in lines if line)

    def figures(self, path: str) -> str:
        """The shape and the cost of what is at a path, as its hint says them."""
        element = self.elements[path]
        return self.view.hint("", element, element.type).removeprefix(": ")

    def _step(self, step: Step) -> Iterator[str]:
        node = step.node
        yield label(node)
        yield _window(node)
        yield _shapes([value.type for value in data_inputs(node)], node.types)
        if len(step.nodes) > 1:
            yield "then " + ", ".join(tag(each) for each in step.nodes[1:])
        yield self._cost(step.nodes)
        if node.owner != node.path:
            yield f"uses the weights of {node.owner}"

    def _block(self, block: Block) -> Iterator[str]:
        yield f"block {block.call}"
        yield _shapes(block.opening, [block.type])
        yield self._cost(block.own)

    def _cost(self, nodes: tuple[Node, ...]) -> str:
        cost = self.view.cost(nodes)
        found = []
        if cost.params + cost.params_frozen:
            found.append(f"{cost.params + cost.params_frozen:,} parameters")
        if cost.params_frozen:
            found.append("frozen" if not cost.params else f"{cost.params_frozen:,} of them frozen")
        if cost.macs != 0:
            found.append(f"{human(cost.macs)} MACs")
        return " · ".join(found)

    # --- what a line carries

    def carried(self, connection: Connection, copies: Copies) -> str:
        """The shapes on a line, then where it comes from and where it leads."""
        sources, targets = connection.sources, connection.targets
        block = connection.around[-1] if connection.around else ""
        types = self._between(sources, targets, copies)
        for path in connection.around if sources else ():
            if path in copies and not self._holds(path, sources, copies):
                # All but the first copy read what the copy before gives.
                sources = (*sources, path)
                types += self._from_copy_to_copy(path, targets, copies)
        if not types and not targets and not block:
            types = [self.elements[path].type for path in sources if path in self.elements]
        elif not types:
            types = self._crossing(block, entering=not sources)
        shapes = " or ".join(dict.fromkeys(shape(kind) for kind in types))
        start = " and ".join(said(path, copies) for path in sources)
        end = " and ".join(said(path, copies) for path in targets)
        start = start or f"what enters {said(block, copies) or 'the net'}"
        end = end or f"what leaves {said(block, copies) or 'the net'}"
        return f"{shapes}\n{start} → {end}".strip()

    def _between(
        self, sources: Iterable[str], targets: Iterable[str], copies: Copies
    ) -> list[TensorType]:
        made = {node for path in sources for node in self.nodes(path, copies)}
        read = (v for path in targets for n in self.nodes(path, copies) for v in data_inputs(n))
        return [value.type for value in read if value.node in made]

    def _from_copy_to_copy(
        self, block: str, targets: Iterable[str], copies: Copies
    ) -> list[TensorType]:
        """What the copies of a block read of each other, where the line leads."""
        repeat = copies[block]
        each = repeat.nodes or [self._nodes.get(path, ()) for path in repeat.copies]
        home = {node: number for number, nodes in enumerate(each, 1) for node in nodes}
        read = (
            (home.get(node), value)
            for path in targets
            for node in self.nodes(path, copies)
            for value in data_inputs(node)
        )
        return [v.type for here, v in read if here and home.get(v.node, here) != here]

    def _crossing(self, block: str, *, entering: bool) -> list[TensorType]:
        """What flows into a block from outside, or out of it."""
        element = self.elements.get(block)
        if not isinstance(element, Block):
            return []
        return [*element.opening] if entering else [element.type]

    def _holds(self, block: str, paths: Iterable[str], copies: Copies) -> bool:
        """Whether any of these is in the copy that is drawn of a repeat."""
        inside = {node for nodes in copies[block].nodes for node in nodes}
        if not inside:
            return any(_is_in(block, path) for path in paths)
        return any(path != block and node in inside for path in paths for node in self._nodes[path])

    def nodes(self, path: str, copies: Copies) -> list[Node]:
        """The nodes of what is drawn at a path: in a repeat that is folded, those of every copy."""
        if path in copies and copies[path].nodes:
            return [node for nodes in copies[path].nodes for node in nodes]
        paths = [path]
        for shown, repeat in copies.items():
            if _is_in(shown, path) and not repeat.nodes:
                paths = [copy + p[len(shown) :] for p in paths for copy in repeat.copies]
        own = [node for p in paths for node in self._nodes.get(p, ())]
        return [same for node in own for same in _counterparts(node, copies)]

    @cached_property
    def _nodes(self) -> dict[str, list[Node]]:
        found: dict[str, list[Node]] = {}
        for path, element in self.elements.items():
            nodes = list(element.nodes)
            found |= {node.path: nodes for node in nodes} if isinstance(element, Step) else {}
            found[path] = nodes
        return found


def _is_in(block: str, path: str) -> bool:
    return path == block or path.startswith(f"{block}.")


def _counterparts(node: Node, copies: Copies) -> list[Node]:
    """A node of a copy of steps that follow each other, and those in its place in the other copies."""
    for repeat in copies.values():
        for nodes in repeat.nodes:
            if node in nodes:
                place = nodes.index(node)
                return [other[place] for other in repeat.nodes if len(other) == len(nodes)]
    return [node]


def said(path: str, copies: Copies) -> str:
    """A path, with the first copy of what is drawn once: `bottleneck1…3.conv2`."""
    if path in copies and (nodes := copies[path].nodes):
        return f"{nodes[0][0].path}…{nodes[-1][-1].path}"
    for shown, repeat in copies.items():
        if _is_in(shown, path) and shown in repeat.copies and not repeat.nodes:
            return spanned(repeat.copies[0], shown) + path[len(shown) :]
    return path


def _shapes(read: Iterable[TensorType], made: Iterable[TensorType]) -> str:
    arriving = " + ".join(shape(kind) for kind in read)
    leaving = " + ".join(shape(kind) for kind in made)
    return f"{arriving} → {leaving}" if arriving else leaving


def _window(node: Node) -> str:
    """The kernel, stride, padding and dilation of a layer that has a window, and its groups."""
    window = node.op.window(*node.input_types) if node.inputs else None
    if window is None:
        return ""
    sides = [str(a) if a == b else f"{a} before, {b} after" for a, b in window.pads]
    found = [f"kernel {'×'.join(map(str, window.kernel))}", f"stride {_sizes(window.stride)}"]
    found.append(f"padding {_sizes(sides)}")
    if set(window.dilation) != {1}:
        found.append(f"dilation {_sizes(window.dilation)}")
    groups = node.op.__dict__.get("groups", 1)
    if groups != 1:
        found.append(f"{groups} groups")
    return " · ".join(found)


def _sizes(sizes: Sequence[object]) -> str:
    return str(sizes[0]) if len(set(sizes)) == 1 else "×".join(map(str, sizes))
