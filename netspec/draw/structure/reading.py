"""From the graph to what pictures show.

The structure is read off the block calls that made each node and off the connections between them;
nothing is guessed from names.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property, lru_cache
from itertools import groupby
from typing import Any

from netspec.draw.structure.decompose import decompose
from netspec.draw.structure.elements import Block, Element, Repeat, Series, Step
from netspec.draw.structure.labels import data_inputs, is_minor
from netspec.graph.checked import Call, Graph, Node, Value


def structure(graph: Graph, passes: frozenset[str] = frozenset()) -> Series:
    """The whole net as a series of elements.

    Recurrences are drawn once, but for those whose first pass's path is in `passes`.
    """
    return _structure(graph, passes)


@lru_cache(maxsize=16)
def _structure(graph: Graph, passes: frozenset[str]) -> Series:
    return _Reader(graph, passes).series(None, graph.nodes)


@lru_cache(maxsize=16)
def flat_steps(graph: Graph) -> tuple[Step, ...]:
    """Every layer of the net as a step, blocks left out of account."""
    return tuple(step for step in _Reader(graph).steps() if isinstance(step, Step))


class _Reader:
    def __init__(self, graph: Graph, passes: frozenset[str] = frozenset()) -> None:
        self.graph = graph
        self.passes = passes

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
        several = (call for call, nodes in ends.items() if len(nodes) > 1)
        return frozenset(call for call in several if not call.recurrent)

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
        items = (item if isinstance(item, Block) else Step(tuple(item)) for item in found)
        runs = (tuple(run) for _, run in groupby(items, key=_recurring))
        return [item for run in runs for item in self._recurrence(run)]

    def _recurrence(self, run: tuple[Element, ...]) -> tuple[Element, ...]:
        """The passes of a recurrence as one element: the first, whose weights they all use."""
        first = run[0]
        if len(run) == 1 or (isinstance(first, Block) and first.path in self.passes):
            return run
        return (Repeat(first, len(run), "", run),)

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


def _recurring(item: Element) -> object:
    """Equal for the passes of one recurrence, and for nothing else."""
    if isinstance(item, Block) and item.call.recurrent:
        return item.call.parent, item.call.span
    return item
