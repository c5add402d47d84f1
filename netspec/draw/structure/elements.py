"""From the graph to what pictures show: chains, blocks, branches, skips, repeats.

The structure is read off the block calls that made each node and off the connections between them;
nothing is guessed from names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Union

from netspec.draw.structure.labels import data_inputs, is_join, is_minor
from netspec.graph.checked import Call, Graph, Node, Value
from netspec.sizes.shapes import TensorType


@dataclass(frozen=True, eq=False)
class Step:
    """One drawn layer: a node and the normalisation and activation merged into it."""

    nodes: tuple[Node, ...]

    @property
    def node(self) -> Node:
        return self.nodes[0]

    @property
    def type(self) -> TensorType:
        return self.nodes[-1].types[0]

    @property
    def joins(self) -> bool:
        return is_join(self.node)


@dataclass(frozen=True, eq=False)
class Block:
    """One call of a block with what it does inside."""

    call: Call
    path: str
    body: Series
    nodes: tuple[Node, ...]
    opening: tuple[TensorType, ...]

    @property
    def name(self) -> str:
        return self.path.rpartition(".")[2]

    @property
    def type(self) -> TensorType:
        return self.nodes[-1].types[0]

    @property
    def head(self) -> bool:
        """Whether it is a training-only head."""
        return self.nodes[0].head == self.path


@dataclass(frozen=True, eq=False)
class Series:
    """One element after another.

    `arcs` are further connections (from, to) that pass elements by, as indices of `items`; -1 is
    what flows in and `len(items)` what flows out. `asides` hang off an item: training-only heads.
    """

    items: tuple[Element, ...]
    arcs: tuple[tuple[int, int], ...] = ()
    asides: tuple[tuple[int, Block], ...] = ()


@dataclass(frozen=True, eq=False)
class Parallel:
    """Branches side by side; an empty one is a skip. `join` merges them where the graph does.

    `opens` is false where the branches start at the net's inputs, `closes` where they are outputs.
    """

    branches: tuple[Series, ...]
    join: Step | None
    opens: bool = True
    closes: bool = True


@dataclass(frozen=True, eq=False)
class Tangle:
    """Connections that are neither chains nor branches: edges between items, -1 in and n out."""

    items: tuple[Element, ...]
    edges: tuple[tuple[int, int], ...]


@dataclass(frozen=True, eq=False)
class Port:
    """One of several tensors that flow into a block."""

    number: int
    value: Value


@dataclass(frozen=True, eq=False)
class Repeat:
    """`element` n times over; `note` says how the first differs from it."""

    element: Element
    count: int
    note: str = ""
    copies: tuple[Element, ...] = ()


@dataclass(frozen=True, eq=False)
class Omitted:
    """What a picture of a very long chain leaves out."""

    nodes: tuple[Node, ...]


Element = Union[Step, Block, Series, Parallel, Tangle, Port, Repeat, Omitted]


def nodes_of(element: Element) -> tuple[Node, ...]:
    """The nodes an element draws, in order."""
    match element:
        case Step() | Block() | Omitted():
            return element.nodes
        case Series():
            aside = [n for _, block in element.asides for n in block.nodes]
            return (*(n for item in element.items for n in nodes_of(item)), *aside)
        case Parallel():
            inside = [n for branch in element.branches for n in nodes_of(branch)]
            return (*inside, *(element.join.nodes if element.join else ()))
        case Tangle():
            return tuple(n for item in element.items for n in nodes_of(item))
        case Repeat():
            return tuple(n for item in element.copies or (element.element,) for n in nodes_of(item))
    return ()


def blocks_of(element: Element) -> Iterator[Block]:
    """Every block in an element, those of the outer levels first."""
    level: list[Element] = [element]
    while level:
        inner: list[Element] = []
        for item in level:
            match item:
                case Block():
                    yield item
                    inner.append(item.body)
                case Series() | Tangle():
                    inner += item.items
                case Parallel():
                    inner += item.branches
                case Repeat():
                    inner.append(item.element)
        level = inner


def leaves_of(element: Element) -> Iterator[Step | Block]:
    """The layers and the blocks of one level, in no order."""
    match element:
        case Step() | Block():
            yield element
        case Series():
            for item in (*element.items, *(block for _, block in element.asides)):
                yield from leaves_of(item)
        case Parallel():
            for branch in element.branches:
                yield from leaves_of(branch)
            if element.join is not None:
                yield element.join
        case Tangle():
            for item in element.items:
                yield from leaves_of(item)


@lru_cache(maxsize=16)
def structure(graph: Graph) -> Series:
    """The whole net as a series of elements."""
    return _Reader(graph).series(None, graph.nodes)


@lru_cache(maxsize=16)
def flat_steps(graph: Graph) -> tuple[Step, ...]:
    """Every layer of the net as a step, blocks left out of account."""
    return tuple(step for step in _Reader(graph).steps() if isinstance(step, Step))


class _Reader:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    @cached_property
    def _uses(self) -> dict[Node, int]:
        """How many nodes and outputs read a node."""
        uses = dict.fromkeys(self.graph.nodes, 0)
        for node in self.graph.nodes:
            for source in {value.node for value in data_inputs(node)}:
                uses[source] += 1
        for output in self.graph.outputs:
            uses[output.value.node] += 1
        return uses

    @cached_property
    def _open_ended(self) -> frozenset[Call]:
        """Blocks that several tensors leave: their branches run on, so no box goes around them."""
        ends: dict[Call, set[Node]] = {}
        for node in self.graph.nodes:
            if node.head is None:
                around = set(node.call.ancestors()) if node.call else set()
                for value in data_inputs(node):
                    self._leave(value.node, around, ends)
        for output in self.graph.outputs:
            self._leave(output.value.node, set(), ends)
        return frozenset(call for call, nodes in ends.items() if len(nodes) > 1)

    @cached_property
    def _recursive(self) -> frozenset[str]:
        """Blocks that call themselves: they are one figure with all they call, without boxes."""
        found: set[str] = set()
        for call in {node.call for node in self.graph.nodes if node.call}:
            names = [c.block for c in call.ancestors()]
            found |= {name for name in names if names.count(name) > 1}
        return frozenset(found)

    def _leave(self, node: Node, around: set[Call], ends: dict[Call, set[Node]]) -> None:
        for call in node.call.ancestors() if node.call else ():
            if call in around:
                break
            ends.setdefault(call, set()).add(node)

    def series(self, container: Call | None, nodes: tuple[Node, ...]) -> Series:
        """What `container` (None for the net) does, as chains and branches."""
        from netspec.draw.structure.decompose import decompose

        children = self._children(container, nodes)
        return decompose(self.graph, children, self._arrivals(container, nodes))

    def _arrivals(self, container: Call | None, nodes: tuple[Node, ...]) -> tuple[Value, ...]:
        """The tensors that flow in from outside, each once."""
        if container is None:
            return ()
        inside = set(nodes)
        found = {v: None for n in nodes for v in data_inputs(n) if v.node not in inside}
        return tuple(found)

    def steps(self) -> list[Element]:
        return self._elements({node: [node] for node in self.graph.nodes})

    def _children(self, container: Call | None, nodes: tuple[Node, ...]) -> list[Element]:
        groups: dict[Call | Node, list[Node]] = {}
        for node in nodes:
            groups.setdefault(self._child(container, node) or node, []).append(node)
        return self._elements(groups)

    def _elements(self, groups: Mapping[Any, list[Node]]) -> list[Element]:
        """Calls as blocks, nodes as steps; what normalises or activates joins the step before."""
        found: list[Block | list[Node]] = []
        steps: dict[Node, list[Node]] = {}
        for key, members in groups.items():
            if isinstance(key, Call):
                found.append(self._block(key, tuple(members)))
                continue
            before = key.inputs[0].node if is_minor(key) else None
            step = steps.get(before) if before is not None and self._uses[before] == 1 else None
            if step is None or before is None or not before.inputs:
                step = []
                found.append(step)
            step.append(key)
            steps[key] = step
        return [item if isinstance(item, Block) else Step(tuple(item)) for item in found]

    def _block(self, call: Call, nodes: tuple[Node, ...]) -> Block:
        parts = [c.component for c in call.ancestors() if c.component is not None]
        path = ".".join(reversed(parts))
        opening = tuple(v.type for v in self._arrivals(call, nodes))
        return Block(call, path, self.series(call, nodes), nodes, opening)

    def _child(self, container: Call | None, node: Node) -> Call | None:
        """The block under `container` that holds the node; None where it is drawn by itself."""
        found = None
        for call in node.call.ancestors() if node.call else ():
            if call is container:
                break
            if call.component is None or call in self._open_ended:
                continue
            if call.block not in self._recursive:
                found = call
        return found
