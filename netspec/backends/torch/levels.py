"""A graph as the levels of its paths: blocks in blocks, and what each reads and gives."""

from __future__ import annotations

from dataclasses import field
from hashlib import sha256

from netspec.foundation.records import record
from netspec.graph.checked import Call, Graph, Node, Value
from netspec.ops.declare.source import Input
from netspec.passes.rewrite import needed


class Outputs:
    """Which outputs of an operator are read, by number."""

    def __init__(self, read: frozenset[int]) -> None:
        self._read = read

    def is_read(self, index: int) -> bool:
        """Whether anything reads this output of the operator."""
        return index in self._read

    @property
    def several(self) -> bool:
        """Whether all outputs are given, in a tuple, or the first alone."""
        return any(self._read - {0})


@record(frozen=False, eq=False, slots=False)
class Level:
    """A block that is called: its nodes and blocks in order, by name. The net is one without `call`."""

    kind: str
    definition: str
    path: str = ""
    call: Call | None = None
    items: dict[str, Node | Level] = field(default_factory=dict)

    def nodes(self) -> list[Node]:
        """Every node in it, in order."""
        found: list[Node] = []
        for item in self.items.values():
            found.extend(item.nodes() if isinstance(item, Level) else [item])
        return found


class Levels:
    """The levels of a graph: `root` is the net.

    `training` are the nodes of training-only heads into which no output looks.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.ends = {output.value for output in graph.outputs} | {h.value for h in graph.heads}
        seen = needed([output.value for output in graph.outputs])
        self.training = {node for node in graph.nodes if node.head is not None and node not in seen}
        self._readers: dict[Value, set[Node]] = {}
        for node in graph.nodes:
            for value in node.inputs:
                self._readers.setdefault(value, set()).add(node)
        self.root = self._tree()

    def _tree(self) -> Level:
        root = Level(self.graph.name, _digest(self.graph.source.name, self.graph.source.text))
        for node in self.graph.nodes:
            if isinstance(node.op, Input):
                continue
            level = root
            *around, name = node.path.split(".")
            blocks = [call for call in node.call.ancestors() if call.component] if node.call else []
            for component, call in zip(around, reversed(blocks), strict=True):
                path = f"{level.path}.{component}" if level.path else component
                below = Level(call.block, _defined(call), path, call)
                found = level.items.setdefault(component, below)
                assert isinstance(found, Level)
                level = found
            level.items[name] = node
        return root

    def boundary(self, level: Level) -> tuple[list[Value], list[Value]]:
        """What a block reads from outside, and what is read of it outside, each in order."""
        nodes = level.nodes()
        inside = set(nodes)
        reads = {value: None for node in nodes for value in node.inputs if value.node not in inside}
        writes = [
            value
            for node in nodes
            for value in node.outputs
            if value in self.ends or self._readers.get(value, set()) - inside
        ]
        return list(reads), writes

    def read(self, node: Node) -> frozenset[int]:
        """Which outputs of the node anything reads; of one output it does not matter."""
        values = enumerate(node.outputs)
        return frozenset(i for i, v in values if v in self._readers or v in self.ends)

    def gives(self, node: Node) -> list[Value]:
        """The outputs that the node's module gives: the first alone where no other is read."""
        return list(node.outputs if any(self.read(node) - {0}) else node.outputs[:1])


def _defined(call: Call) -> str:
    """What tells the block that is called from others of its name: its file and its text."""
    assert call.definition is not None
    return _digest(call.definition.source.name, call.definition.text)


def _digest(*texts: str) -> str:
    return sha256("\0".join(texts).encode()).hexdigest()[:16]
