"""What a page tells of what is pointed at: windows, shapes and costs of layers and blocks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import field
from functools import cached_property

from netspec.draw.structure.elements import Block, Step, blocks_of
from netspec.draw.structure.labels import data_inputs, human, label, shape, tag
from netspec.draw.structure.reading import flat_steps, structure
from netspec.draw.view import View
from netspec.foundation.records import record
from netspec.graph.checked import Node, Value
from netspec.sizes.shapes import TensorType


@record(eq=False)
class Reading:
    """Nodes that are drawn as one, and what each of them reads."""

    nodes: frozenset[Node]
    reads: tuple[tuple[Node, Value], ...]


@record(eq=False, slots=False)
class Facts:
    """What there is to tell of one net's layers and blocks, by their paths."""

    view: View
    _readings: dict[tuple[Node, ...], Reading] = field(default_factory=dict)

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

    def reading(self, nodes: tuple[Node, ...]) -> Reading:
        """What nodes read, which pictures of one net ask for again and again."""
        if nodes not in self._readings:
            reads = tuple((node, value) for node in nodes for value in data_inputs(node))
            self._readings[nodes] = Reading(frozenset(nodes), reads)
        return self._readings[nodes]

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

    @cached_property
    def nodes(self) -> dict[str, list[Node]]:
        """The nodes of the layers and blocks, and of what is merged into layers, by their paths."""
        found: dict[str, list[Node]] = {}
        for path, element in self.elements.items():
            nodes = list(element.nodes)
            found |= {node.path: nodes for node in nodes} if isinstance(element, Step) else {}
            found[path] = nodes
        return found


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
