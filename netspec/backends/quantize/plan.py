"""Which nodes compute in eight bits, which tensors are of eight bits, and which share a scale.

Three kinds of nodes can: those that multiply by a weight, arithmetic that ONNX Runtime has kernels
of eight bits for, and what only moves numbers. The first are quantised unless their step is kept
out; the others where they lie between tensors of eight bits. Everything else stays in fp32.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from onnx import helper

from netspec.backends.quantize.flow import Flow, Work
from netspec.foundation.merging import Merged
from netspec.foundation.records import record

if TYPE_CHECKING:
    from netspec.graph.checked import Node

# Gives numbers of its first input, or of all of them, and no others; zero may come in between.
_MOVES = frozenset(
    """
    Concat DepthToSpace Expand Flatten Gather GatherElements Identity MaxPool Pad Reshape Resize Slice
    Split Squeeze Tile Transpose Unsqueeze
    """.split()
)
_ARITHMETIC = frozenset(
    """
    Add AveragePool BatchNormalization GlobalAveragePool LeakyRelu Mul ReduceMean Sigmoid
    """.split()
)
# What a product's own kernel does at its end, or is no more than the lowest of eight bits.
_CLIPS = frozenset({"Clip", "Relu"})


@record
class Plan:
    """What becomes of a model.

    `working` are the nodes that compute in eight bits; `groups` has each tensor of eight bits with
    the one whose scale it has; `fused` has the clip that ends a node, if one does; `moved` has, for
    each tensor that holds others' numbers, those others.
    """

    working: frozenset[Work]
    groups: Mapping[str, str]
    fused: Mapping[Work, Work]
    moved: Mapping[str, tuple[str, ...]]

    def made(self, name: str) -> tuple[str, ...]:
        """The tensors whose numbers a tensor holds: itself, unless they were only moved."""
        if name not in self.moved:
            return (name,)
        return tuple(dict.fromkeys(made for of in self.moved[name] for made in self.made(of)))

    def rounded(self) -> set[str]:
        """The tensors of eight bits that come out of nodes of eight bits: nobody has them exactly."""
        makers = {*self.working, *(self.fused[n] for n in self.working if n in self.fused)}
        return {name for node in makers for name in node.proto.output if name in self.groups}

    def members(self) -> dict[str, list[str]]:
        """The tensors of each scale, by the one that it is named after."""
        found: dict[str, list[str]] = {}
        for name, group in self.groups.items():
            found.setdefault(group, []).append(name)
        return found


def products(flow: Flow) -> list[Work]:
    """The nodes that multiply by a weight and can do it in eight bits."""
    return [node for node in flow.nodes if node.matrix is not None]


def planned(flow: Flow, exact: Collection[Node] = ()) -> Plan:
    """The plan that keeps these steps of the net in fp32."""
    return _Planner(flow, exact).plan()


class _Planner:
    def __init__(self, flow: Flow, exact: Collection[Node]) -> None:
        self.flow = flow
        self.products = {node for node in products(flow) if node.step not in exact}
        self.fused: dict[Work, Work] = {}
        for node in flow.nodes:
            if node.matrix is not None or node.kind in _ARITHMETIC:
                clip = self._clip(node)
                if clip is not None:
                    self.fused[node] = clip
        self.before = {clip: node for node, clip in self.fused.items()}
        self.ties = {n: ties for n in flow.nodes if (ties := self._ties(n))}
        self.arithmetic = {n: operands for n in flow.nodes if (operands := self._operands(n))}
        self.eight: set[str] = set()

    def plan(self) -> Plan:
        for node in self.products:
            self.eight.add(node.proto.input[0])
            if node.kind == "Conv":
                # The runtime's kernel gives eight bits and nothing else.
                self.eight.add(self._result(node))
        before = -1
        while before != len(self.eight):
            before = len(self.eight)
            self._spread()
        working = {node for node in self.flow.nodes if self._works(node)}
        moved = {out: ties for n, ties in self.ties.items() for out in n.proto.output}
        return Plan(frozenset(working), self._groups(working), self.fused, moved)

    def _spread(self) -> None:
        """One round: what reads or gives tensors of eight bits, and is made for it, joins."""
        for node in reversed(self.flow.nodes):
            if node in self.arithmetic:
                operands = self.arithmetic[node]
                # Two tensors in fp32 are not rounded where their sum can be.
                joins = len(operands) == 1 or self.eight & set(operands)
                if joins and self._result(node) in self.eight:
                    self.eight.update(operands)
            elif node in self.ties:
                # What moves numbers in fp32 does so before they are rounded: pooling is faster there.
                into = self.ties[node]
                if self.eight & set(node.proto.output) and any(map(self._can_round, into)):
                    self.eight.update(into)
        for node in self.flow.nodes:
            if node in self.ties and all(map(self._rounded, self.ties[node])):
                self.eight.update(node.proto.output)

    def _can_round(self, name: str) -> bool:
        """Whether a tensor can come out of a node of eight bits."""
        maker = self._owner(name)
        if maker in self.ties:
            return any(map(self._can_round, self.ties[maker]))
        return maker in self.products or maker in self.arithmetic

    def _owner(self, name: str) -> Work | None:
        """The node that makes a tensor, before the clip that ends it if one does."""
        maker = self.flow.makers.get(name)
        return None if maker is None else self.before.get(maker, maker)

    def _rounded(self, name: str) -> bool:
        """Whether a tensor comes out of a node of eight bits, and so costs no accuracy as one."""
        owner = self._owner(name)
        return name in self.eight and owner is not None and self._works(owner)

    def _works(self, node: Work) -> bool:
        if node in self.products:
            return True
        if node in self.arithmetic:
            return self._result(node) in self.eight and self.eight >= set(self.arithmetic[node])
        if node in self.ties:
            return self.eight >= {*self.ties[node], *node.proto.output}
        return False

    def _result(self, node: Work) -> str:
        return str(self.fused.get(node, node).proto.output[0])

    def _clip(self, node: Work) -> Work | None:
        """The clip that is all that reads a node's output."""
        name = node.proto.output[0]
        readers = self.flow.readers.get(name, [])
        if len(readers) != 1 or name in self.flow.outputs or readers[0].kind not in _CLIPS:
            return None
        clip = readers[0]
        if clip.kind == "Clip":
            low = self.flow.constants.get(clip.proto.input[1])
            if low is None or low != 0:
                return None
        return clip

    def _ties(self, node: Work) -> tuple[str, ...]:
        """The inputs whose numbers a node passes on."""
        if node.kind not in _MOVES or not _passes(self.flow, node):
            return ()
        names = node.proto.input if node.kind == "Concat" else node.proto.input[:1]
        return () if any(map(self.flow.is_constant, names)) else tuple(names)

    def _operands(self, node: Work) -> tuple[str, ...]:
        if node.kind not in _ARITHMETIC:
            return ()
        if node.kind == "BatchNormalization":
            whole = all(name in self.flow.weights for name in node.proto.input[3:])
            ranked = self.flow.ranks.get(node.proto.input[0], 0) > 2
            return tuple(node.proto.input[:1]) if whole and ranked else ()
        if node.kind == "ReduceMean":
            return tuple(node.proto.input[:1]) if _pools(self.flow, node) else ()
        names = tuple(node.proto.input)
        return () if any(map(self.flow.is_constant, names)) else names

    def _positive(self) -> set[str]:
        """The tensors that hold no negative number, as clips make them."""
        found = {clip.proto.output[0] for clip in self.fused.values()}
        for node in self.flow.nodes:
            if node in self.ties and found >= set(self.ties[node]):
                found.update(node.proto.output)
        return found

    def _groups(self, working: set[Work]) -> dict[str, str]:
        """Each tensor of eight bits with the first of those that numbers are moved between."""
        moved = Merged[str]()
        # What is never negative has eight bits for the rest: the clip that made it so then costs
        # nothing. Among others it keeps a scale of its own, which a concatenation reads by a table.
        positive = self._positive()
        for node in self.flow.nodes:
            if node in working and node in self.ties:
                out = str(node.proto.output[0])
                tied = [name for name in self.ties[node] if (name in positive) == (out in positive)]
                for name in (*tied, *node.proto.output[1:]):
                    moved.join(name, out)
        made = [*self.flow.inputs, *(n for node in self.flow.nodes for n in node.proto.output)]
        # Named after the first that is made.
        names: dict[str, str] = {}
        return {
            name: names.setdefault(moved.root(name), name) for name in made if name in self.eight
        }


def _pools(flow: Flow, node: Work) -> bool:
    """Whether a mean is that of each channel of a map: average pooling of all of it."""
    rank = flow.ranks.get(node.proto.input[0], 0)
    # Their place in the node depends on the opset.
    axes = [list(a.ints) for a in node.proto.attribute if a.name == "axes"]
    axes += [
        flow.constants[name].tolist() for name in node.proto.input[1:] if name in flow.constants
    ]
    return rank > 3 and bool(axes) and sorted(axes[0]) == list(range(2, rank))


def _passes(flow: Flow, node: Work) -> bool:
    """Whether a node that can move numbers only does so as it is set."""
    values: dict[str, Any] = {a.name: helper.get_attribute_value(a) for a in node.proto.attribute}
    if node.kind == "Resize":
        return bool(values.get("mode", b"nearest") == b"nearest")
    if node.kind == "Pad" and values.get("mode", b"constant") == b"constant":
        given = node.proto.input[2:3]
        if given and given[0]:
            return given[0] in flow.constants and not flow.constants[given[0]].any()
    return True
