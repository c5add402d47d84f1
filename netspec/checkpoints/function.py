"""Whether two ways of giving a net its weights make the same function."""

from __future__ import annotations

from collections.abc import Mapping

from netspec.graph.checked import Graph, Node
from netspec.ops.arranging.merge import Add, Maximum, Mean, Minimum, Mul

# Merges that do not ask which of their inputs is which.
SYMMETRIC = (Add, Mul, Mean, Maximum, Minimum)


class Functions:
    """Tells functions of a net apart by which tensors it has: what can be exchanged counts once."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._numbers: dict[object, int] = {}
        self._owners: dict[Node, tuple[str, ...]] = {
            node: tuple(f"{node.owner}.{w.name}" for w in node.op.weights(*node.input_types))
            for node in graph.nodes
        }

    def number(self, taken: Mapping[str, object]) -> int:
        """The same for the same function; `taken` is what each tensor of the net is taken from."""
        values: dict[Node, int] = {}
        for node in self._graph.nodes:
            own = tuple(taken.get(name, name) for name in self._owners[node])
            inputs = [(values[value.node], value.index) for value in node.inputs]
            if isinstance(node.op, SYMMETRIC):
                inputs.sort()
            given = node.path if not node.inputs else ""
            values[node] = self._number((type(node.op), node.op, given, own, tuple(inputs)))
        ends = [end.value for end in self._graph.outputs] + [h.value for h in self._graph.heads]
        return self._number(tuple((values[end.node], end.index) for end in ends))

    def _number(self, key: object) -> int:
        return self._numbers.setdefault(key, len(self._numbers))
