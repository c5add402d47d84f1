"""Whether two graphs compute the same, and which of their nodes are each other's.

Names, blocks, defaults, how weights start and the order of branches that do not depend on each other
are no difference. Windows count as what they come to: `pad=same` of a 3x3 kernel is `pad=1`.
"""

from __future__ import annotations

from collections.abc import Iterator

from netspec.graph.checked import Graph, Node, Value
from netspec.ops.declare.operator import Operator
from netspec.ops.declare.params import LayerParam, Reference, SchemeParam
from netspec.ops.declare.source import Input
from netspec.ops.vectors.sources import reads_nothing
from netspec.sizes.shapes import TensorType

# What a resolved window says; other parameters of an operator count as they are.
WINDOW = frozenset({"kernel", "stride", "pad", "dilation"})
# Merges of two whose operands may change places: to the bit.
_COMMUTING = frozenset({"add", "mul", "maximum", "minimum", "mean"})


def same(a: Graph, b: Graph) -> dict[str, str] | None:
    """The paths of `b`'s nodes by those of `a`'s, if both graphs compute the same; None if not.

    They do where the same operators with the same parameters stand in the same wiring, inputs and
    outputs in order, weights shared and steps frozen alike. Nodes that nothing reads are left out.
    The operands of a commutative merge of two may change places. Time is linear in the nodes: pairs
    are followed from the outputs, and each node has one. Where the operands of a merge look the
    same, they are taken in order, so that of graphs with such symmetries some may be told apart
    that are the same; never the other way round.
    """
    if len(a.inputs) != len(b.inputs) or len(a.outputs) != len(b.outputs):
        return None
    heads = {head.name: head for head in b.heads}
    if len(a.heads) != len(heads):
        return None
    ends = [(x.value, y.value) for x, y in zip(a.outputs, b.outputs, strict=True)]
    for head in a.heads:
        other = heads.get(head.name)
        if other is None or other.loss != head.loss:
            return None
        ends.append((head.value, other.value))
    pairing = _Pairing(a, b)
    if not pairing.inputs(a.inputs, b.inputs) or not pairing.follow(ends):
        return None
    return pairing.paths()


def meaning(op: Operator, inputs: tuple[TensorType, ...]) -> tuple[object, ...]:
    """What an operator computes of inputs of these types, as a value that can be compared."""
    window = op.window(*inputs)
    said = tuple(
        (name, getattr(op, name))
        for name, param in op.params.items()
        if name not in op.follows
        and (name != "over" or inputs[0].spatial)  # all of a vector are its channels
        and not isinstance(param, SchemeParam)
        and (window is None or name not in WINDOW)
        and (isinstance(param, Reference) or not isinstance(param, LayerParam))
    )
    return op.spelling, window, said


class _Pairing:
    """Pairs of nodes, each found from one that reads it."""

    def __init__(self, a: Graph, b: Graph) -> None:
        self.pairs: dict[Node, Node] = {}
        self.taken: dict[Node, Node] = {}
        known: dict[object, int] = {}
        self.forms = {**_forms(a, known), **_forms(b, known)}

    def inputs(self, mine: tuple[Node, ...], others: tuple[Node, ...]) -> bool:
        for x, y in zip(mine, others, strict=True):
            if x.types[0] != y.types[0]:
                return False
            self.pairs[x], self.taken[y] = y, x
        return True

    def follow(self, ends: list[tuple[Value, Value]]) -> bool:
        waiting = list(ends)
        while waiting:
            x, y = waiting.pop()
            if x.index != y.index:
                return False
            if x.node in self.pairs or y.node in self.taken:
                if self.pairs.get(x.node) is not y.node:
                    return False
                continue
            if not self._alike(x.node, y.node):
                return False
            self.pairs[x.node], self.taken[y.node] = y.node, x.node
            if reads_nothing(x.node.op):
                continue
            waiting += zip(x.node.inputs, self._operands(x.node, y.node), strict=True)
        owners = {(x.owner, y.owner) for x, y in self.pairs.items()}
        return len(owners) == len(dict(owners)) == len({mine for _, mine in owners})

    def paths(self) -> dict[str, str]:
        return {x.path: y.path for x, y in self.pairs.items()}

    def _alike(self, x: Node, y: Node) -> bool:
        return (
            self.forms[x] == self.forms[y]
            and x.types == y.types
            and (x.frozen == y.frozen or not x.op.weights(*x.input_types))
            and x.head == y.head
        )

    def _operands(self, x: Node, y: Node) -> tuple[Value, ...]:
        if not _commutes(x):
            return y.inputs
        (first, second), (left, right) = x.inputs, y.inputs
        straight = self._similar(first, left) and self._similar(second, right)
        crossed = self._similar(first, right) and self._similar(second, left)
        paired = (
            self.pairs.get(first.node) is right.node or self.pairs.get(second.node) is left.node
        )
        return (right, left) if crossed and (paired or not straight) else y.inputs

    def _similar(self, x: Value, y: Value) -> bool:
        """Whether values may be each other's: of several outputs each is another."""
        return self.forms[x.node] == self.forms[y.node] and x.index == y.index


def _commutes(node: Node) -> bool:
    return node.op.spelling in _COMMUTING and len(node.inputs) == 2


def _forms(graph: Graph, known: dict[object, int]) -> dict[Node, int]:
    """For each node a number, the same for nodes that compute the same up to weights."""
    found: dict[Node, int] = {}
    places = {node: place for place, node in enumerate(graph.inputs)}
    for node in graph.nodes:
        if isinstance(node.op, Input):
            found[node] = known.setdefault(("input", places[node]), len(known))
            continue
        given = () if reads_nothing(node.op) else node.inputs
        read: Iterator[tuple[int, int]] = ((found[v.node], v.index) for v in given)
        inputs = tuple(sorted(read)) if _commutes(node) else tuple(read)
        key = (meaning(node.op, node.input_types), inputs)
        found[node] = known.setdefault(key, len(known))
    return found
