"""What a net computes and which tensors it owns, without their sizes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from fractions import Fraction
from functools import cache, cached_property
from hashlib import blake2b
from typing import Any

from netspec.checkpoints.formats.tensors import Shape
from netspec.checkpoints.function import SYMMETRIC
from netspec.checkpoints.layers import plain
from netspec.foundation.records import record
from netspec.graph.checked import Graph, Node, Value
from netspec.ops.arranging.channels import Slice
from netspec.ops.arranging.shape import Flatten
from netspec.ops.declare.operator import Operator
from netspec.ops.declare.params import KnownParam, LayerParam, SchemeParam
from netspec.ops.elementwise.activation import Softmax
from netspec.ops.spatial.adaptive import AdaptiveAvgPool, AdaptiveMaxPool
from netspec.ops.spatial.conv import Conv, DepthwiseConv, TransposedConv
from netspec.ops.spatial.pool import AvgPool, GlobalAvgPool, GlobalMaxPool, MaxPool
from netspec.ops.vectors.linear import Linear

# Whole maps pooled, and the pool that it is on a map of a known size.
_GLOBAL: Mapping[type, type[Operator]] = {GlobalAvgPool: AvgPool, GlobalMaxPool: MaxPool}
_ADAPTIVE: Mapping[type, type[Operator]] = {
    AdaptiveAvgPool: GlobalAvgPool,
    AdaptiveMaxPool: GlobalMaxPool,
}
# What the tensors show already, what counts channels or a map's size, and what is for training only.
_LEFT_OUT = {
    "spatial": {"kernel", "stride", "pad", "dilation", "ceil"},
    "tensors": {"bias", "affine", "width", "rows", "multiplier"},
    "training": {"momentum", "rate", "drop_path", "global_share"},
    "shapes": {"keep", "shape"},
}
_UNREAD = frozenset().union(*_LEFT_OUT.values())
_RESIZING = ("upsample", "crop", "grid")


@record(slots=False)
class Step:
    """A node as it counts for the function: what it does itself, and a digest with all before it."""

    node: Node
    kind: str
    attributes: Mapping[str, Any]
    digest: str


@record(eq=False, slots=False)
class Outline:
    """A graph's function and tensors, without its training-only heads and dropout.

    Nor do a last softmax and a last average over places count.

    `sized` resolves what depends on the size of a map, so that a global pool is the window that
    covers it, and `tf_same` the padding that it comes to.
    """

    graph: Graph
    sized: bool = False

    @cached_property
    def tensors(self) -> str:
        """A digest of what layers there are: names, ranks and windows of their tensors.

        And how often each is used where that is not once: a net on several crops is no other net.
        """
        uses = Counter(node.owner for node in self.graph.nodes if node.head is None)
        rows = [
            repr(
                [(name, len(shape), shape[2:]) for name, shape in shapes]
                + _grouped(node)
                + ([f"x{uses[node.path]}"] if uses[node.path] > 1 else [])
            )
            for node, shapes in self._layers
        ]
        return _digest(sorted(rows))

    @cached_property
    def shapes(self) -> Counter[tuple[tuple[str, Shape], ...]]:
        """How many layers have which tensors; without the number of outputs of the last layer."""
        found = [shapes for _, shapes in self._layers]
        if found:
            found[-1] = tuple((name, shape[1:]) for name, shape in found[-1])
        return Counter(found)

    @property
    def function(self) -> str:
        """A digest of the operators with their attributes, and of how they are wired."""
        return _digest(self._run[1])

    @property
    def steps(self) -> tuple[Step, ...]:
        """The nodes that compute something, in the order they run."""
        return self._run[0]

    @cached_property
    def _run(self) -> tuple[tuple[Step, ...], tuple[str, ...]]:
        """The steps, and the digests of the outputs."""
        given = {node: str(number) for number, node in enumerate(self.graph.inputs)}
        values: dict[Value, str] = {}
        owners: dict[str, str] = {}
        found: list[Step] = []
        for node in self.graph.nodes:
            if node.head is not None:
                continue
            inputs = [values[value] for value in node.inputs]
            passed = self._passed(node)
            if passed is not None:
                values.update(dict.fromkeys(node.outputs, inputs[passed]))
                continue
            kind, attributes = self._does(node)
            does = "matrix" if _is_matrix(node, attributes) else [kind, sorted(attributes.items())]
            if isinstance(node.op, SYMMETRIC):
                inputs.sort()
            # Weights that are shared are told from others by where they are first used.
            origin = given.get(node, owners.get(node.owner, ""))
            digest = _digest([does, inputs, origin])
            owners.setdefault(node.path, digest)
            found.append(Step(node, kind, attributes, digest))
            values.update({value: f"{digest}.{value.index}" for value in node.outputs})
        ends = [output.value for output in self.graph.outputs]
        # The form of the answer: probabilities, and of a classifier applied to every window the mean.
        for form in (Softmax, GlobalAvgPool):
            ends = [v.node.inputs[0] if isinstance(v.node.op, form) else v for v in ends]
        return tuple(found), tuple(values[value] for value in ends)

    @cached_property
    def _layers(self) -> list[tuple[Node, tuple[tuple[str, Shape], ...]]]:
        found = []
        for node in self.graph.nodes:
            if node.head is None and node.owner == node.path:
                weights = node.op.weights(*node.input_types)
                shapes = tuple((w.name, plain(w.shape)) for w in weights if not w.known)
                if shapes:
                    found.append((node, shapes))
        return found

    def _passed(self, node: Node) -> int | None:
        """The input that a node hands on as it is, number by number."""
        if isinstance(node.op, Flatten):
            return 0
        same = isinstance(node.op, AdaptiveAvgPool | AdaptiveMaxPool)
        if self.sized and same and node.types[0].shape == node.input_types[0].shape:
            return 0
        return node.op.deployed()

    def _does(self, node: Node) -> tuple[str, dict[str, Any]]:
        """The word of a node's operator and what tells it from others of that word."""
        op, kind = node.op, type(node.op)
        found = {name: getattr(op, name) for name in _read(kind)}  # type: ignore[arg-type]
        fixed = {name: getattr(op, name) for name in _fixed(kind)}  # type: ignore[arg-type]
        found |= {name: value for name, value in fixed.items() if value is not None}
        if not node.inputs:
            return "input", {}
        if isinstance(op, Linear):
            seen = op.window(*node.input_types)
            covers = self.sized and set(node.types[0].spatial) <= {1}
            return kind.spelling, {"kernel": seen.kernel} if seen and not covers else {}
        if kind in _ADAPTIVE and set(_per_axis(op.size)) == {1}:  # type: ignore[attr-defined]
            kind, found = _ADAPTIVE[kind], {}
        if self.sized and kind in _GLOBAL:
            kind, map_ = _GLOBAL[kind], node.input_types[0].spatial
            found = {"kernel": map_, "pad": ((0, 0),) * len(map_)}
        window = self._window(node)
        if isinstance(op, Conv | DepthwiseConv):
            kind = Conv
            found["groups"] = "each" if "each" in _grouped(node) else found.get("groups", 1)
        found |= {name: value for name, value in window.items() if value is not None}
        if "count_pad" in found and not window.get("padded", True):
            del found["count_pad"]
        found.pop("padded", None)
        if isinstance(op, Slice) and op.axis == "channels":
            whole = node.input_types[0].channels
            if isinstance(whole, int):
                end = whole if op.end is None else op.end
                found |= {"start": str(Fraction(op.start, whole) % 1)}
                found |= {"end": str(Fraction(end, whole) if end > 0 else 1 + Fraction(end, whole))}
        if op.spelling in _RESIZING:
            found.pop("size", None)
        if self.sized:
            found["gives"] = str([[n for n in t.shape if n != 1] for t in node.types])
        return kind.spelling, found

    def _window(self, node: Node) -> dict[str, Any]:
        """The window that a node slides, what its map's size decides left as a word."""
        op = node.op
        window = op.window(*node.input_types)
        if window is None:
            return {}
        strided, wide = max(window.stride) > 1, max(window.kernel) > 1
        pads: Any = window.pads
        if not self.sized and getattr(op, "pad", 0) == "tf_same" and strided and wide:
            pads = "tf_same"
        ceil = window.ceil and strided
        covers = self.sized and set(node.types[0].spatial) <= {1}
        return {
            "kernel": window.kernel,
            "stride": None if covers else window.stride,
            "pad": pads,
            "dilation": window.dilation if set(window.dilation) != {1} else None,
            "ceil": ceil or None if not self.sized else None,
            "padded": ceil or pads == "tf_same" or any(map(any, pads)),
        }


@cache
def _read(kind: type[Operator]) -> tuple[str, ...]:
    """The parameters that say what an operator computes, apart from its window."""
    return tuple(
        name
        for name, param in kind.params.items()
        if name not in _UNREAD and not isinstance(param, SchemeParam | KnownParam | LayerParam)
    )


@cache
def _fixed(kind: type[Operator]) -> tuple[str, ...]:
    """The parameters that say what tensors hold that are not trained: part of the function."""
    return tuple(name for name, param in kind.params.items() if isinstance(param, KnownParam))


def _is_matrix(node: Node, attributes: Mapping[str, Any]) -> bool:
    """Whether a layer is a matrix at every place: fully connected, or a window of one element."""
    if isinstance(node.op, Linear):
        return set(attributes.get("kernel", ())) <= {1}
    if not isinstance(node.op, Conv) or "fixed" in attributes:
        return False
    sizes = {*attributes["kernel"], *attributes.get("stride", ()), attributes["groups"]}
    return sizes == {1} and not any(map(any, attributes["pad"]))


def _grouped(node: Node) -> list[str]:
    """`each` where every channel is convolved apart, `groups` where groups of them are."""
    if isinstance(node.op, DepthwiseConv):
        return ["each"]
    groups = node.op.groups if isinstance(node.op, Conv | TransposedConv) else 1
    if groups == 1:
        return []
    return ["each" if groups == node.input_types[0].channels else "groups"]


def _per_axis(size: int | tuple[int, ...]) -> tuple[int, ...]:
    return size if isinstance(size, tuple) else (size,)


def _digest(value: object) -> str:
    return blake2b(repr(value).encode(), digest_size=8).hexdigest()
