"""What lies above what: for each node the nearest that all ways into it pass.

A tensor that steps far apart read, as one that all layers of a net are conditioned on, would leave nothing
above them but what it and they come from. It is named once, and no way goes through it.
"""

from __future__ import annotations

from functools import reduce

from netspec.foundation.records import record
from netspec.graph.checked import Graph, Node
from netspec.importing.structure.ways import meet, operands, reached, read_by
from netspec.ops.declare.source import Input
from netspec.ops.vectors.sources import Source, reads_nothing

# Readers from which on a tensor may be one that steps far apart read; how many are tried, and named.
_READERS, _TRIED, _NAMED = 4, 4, 3
# How many times as long ways have to be without it.
_LONGER = 1.5


@record
class _Tree:
    """The node above each, how deep it lies, and those that come from named tensors alone.

    Such a `loose` node stands below what all its readers stand below.
    """

    above: dict[Node, Node | None]
    depth: dict[Node, int]
    loose: frozenset[Node]

    @property
    def length(self) -> int:
        """How much of the net stands in a row."""
        return sum(self.depth.values())


class Dominance:
    """The nodes of a graph in an `order` by wiring alone, each one's `rank` in it and the node `above` it.

    `starting` are the nodes that are made behind a node, for steps further on, or before all behind None.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.order = reached(graph)
        self.rank = {node: rank for rank, node in enumerate(self.order)}
        self.readers: dict[Node, list[Node]] = {node: [] for node in self.order}
        for node in self.order:
            for made in dict.fromkeys(value.node for value in operands(node)):
                self.readers[made].append(node)
        self.common = self._common()
        tree = self._tree(self.common)
        while beyond := self._beyond(tree):
            for node in beyond:
                del self.common[node]
            tree = self._tree(self.common)
        self.far: dict[Node, Node | None] = {}
        for _ in range(_NAMED):
            longer = self._longer(tree)
            if longer is None:
                break
            tree = longer
        self.above = tree.above
        behind = self.common | {node: tree.above[node] for node in self._early(tree)}
        behind |= {node: self._behind(node, tree, start) for node, start in self.far.items()}
        self.starting: dict[Node | None, list[Node]] = {}
        for node in sorted(behind, key=self.rank.__getitem__):
            if not isinstance(node.op, Input):
                self.starting.setdefault(behind[node], []).append(node)

    def _tree(self, named: dict[Node, Node | None]) -> _Tree:
        above: dict[Node, Node | None] = {}
        depth: dict[Node, int] = {}
        loose: set[Node] = set()
        for node in self.order:
            if node in named:
                continue
            read = [v.node for v in read_by(node) if not reads_nothing(v.node.op)]
            sources = [n for n in dict.fromkeys(read) if n not in named and n not in loose]
            if read and not sources:
                loose.add(node)
                continue
            found = sources[0] if sources else None
            for other in sources[1:]:
                found = meet(found, other, above, depth)
            above[node] = found
            depth[node] = 0 if found is None else depth[found] + 1
        for node in reversed(self.order):
            if node in loose:
                below = [above.get(reader) for reader in self.readers[node]]
                above[node] = _meeting(below, above, depth)
        return _Tree(above | named, depth, frozenset(loose))

    def _early(self, tree: _Tree) -> set[Node]:
        return {node for node in tree.loose if len(self.readers[node]) > 1}

    def _behind(self, node: Node, tree: _Tree, start: Node | None) -> Node | None:
        """The nearest node that lies above one and all that read it."""
        below = [start, *(tree.above[reader] for reader in self.readers[node])]
        return _meeting(below, tree.above, tree.depth)

    def _common(self) -> dict[Node, Node | None]:
        """Tensors of no input that several steps read, each behind what flows in where it is made."""
        found: dict[Node, Node | None] = {}
        for node in self.order:
            readers = self.readers[node]
            beside = [any(not isinstance(v.node.op, Source) for v in r.inputs) for r in readers]
            start = node.inputs[0].node if node.inputs else None
            shared = isinstance(node.op, Source) and len(readers) > 1 and all(beside)
            if shared and start is not None and not isinstance(start.op, Source):
                found[node] = start
        return found

    def _longer(self, tree: _Tree) -> _Tree | None:
        """The tree in which the tensor is named without which ways are longest, if much longer."""
        tried = [n for n in self.order if len(self.readers[n]) >= _READERS and n in tree.depth]
        tried.sort(key=lambda node: -len(self.readers[node]))
        best, most = None, tree.length * _LONGER
        for node in tried[:_TRIED]:
            far = self.far | {node: tree.above[node]}
            other = self._tree(self.common | far)
            if other.length > most:
                best, most, found = other, other.length, far
        if best is not None:
            self.far = found
        return best

    def _beyond(self, tree: _Tree) -> set[Node]:
        """Those of them that are read where what they are made behind has not been made."""
        found = set()
        for source, start in self.common.items():
            for reader in self.readers[source]:
                node: Node | None = reader
                while node is not None and node is not start:
                    node = tree.above[node]
                if node is not start:
                    found.add(source)
        return found


def _meeting(
    nodes: list[Node | None], above: dict[Node, Node | None], depth: dict[Node, int]
) -> Node | None:
    return reduce(lambda a, b: meet(a, b, above, depth), nodes) if nodes else None
