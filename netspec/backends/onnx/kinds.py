"""The types of a model's tensors, followed node by node by what ONNX says of each operator.

No operator is named here but those that say the type of their result themselves.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from functools import cache

from onnx import GraphProto, NodeProto, TensorProto, defs

from netspec.backends.onnx.model import Model
from netspec.foundation.records import record

FLOAT, HALF = TensorProto.FLOAT, TensorProto.FLOAT16
_NODE = 1
_KINDS = {
    "tensor(float)": FLOAT,
    "tensor(float16)": HALF,
    "tensor(int64)": TensorProto.INT64,
    "tensor(int32)": TensorProto.INT32,
    "tensor(bool)": TensorProto.BOOL,
}


class Parts:
    """A model's encoded graph in parts: its nodes, decoded one at a time, and what is around them."""

    def __init__(self, model: Model) -> None:
        self._nodes: list[memoryview] = []
        rest = []
        for number, whole, inner in _fields(memoryview(model.graph)):
            if number == _NODE:
                self._nodes.append(inner)
            else:
                rest.append(bytes(whole))
        self.rest = GraphProto.FromString(b"".join(rest))
        self.opset = next(o.version for o in model.head.opset_import if o.domain == "")
        # Numbers that are there in either precision: constants and weights.
        self.numbers = {t.name for t in self.rest.initializer if t.data_type == FLOAT}
        self.numbers |= {item.name for item in model.weights}

    def __len__(self) -> int:
        return len(self._nodes)

    def nodes(self) -> Iterator[NodeProto]:
        """The nodes in order."""
        for encoded in self._nodes:
            yield NodeProto.FromString(encoded)

    def given(self, floats: int) -> dict[str, int]:
        """The types of what is there before any node: inputs, where numbers are `floats`, and integers."""
        kinds = {t.name: t.data_type for t in self.rest.initializer if t.name not in self.numbers}
        for item in self.rest.input:
            kind = item.type.tensor_type.elem_type
            kinds[item.name] = floats if kind == FLOAT else kind
        return kinds


@record
class Typed:
    """A node of a model: the type that each of its inputs is read as, None for as it is; what it makes."""

    node: NodeProto
    number: int
    read: tuple[int | None, ...]
    made: tuple[int, ...]


def followed(
    graph: Parts, wide: Container[int], *, inputs: int = FLOAT, kinds: dict[str, int] | None = None
) -> Iterator[Typed]:
    """Each node with its types, where those whose numbers are in `wide` compute in single precision.

    The others compute in half where ONNX lets them, but for places: what comes from integers alone, as a
    place in a map does, is beyond half's whole numbers soon. `kinds` is filled with the type that each
    tensor has where it is made.
    """
    kinds = {} if kinds is None else kinds
    kinds |= graph.given(inputs)
    places: set[str] = set()
    for number, node in enumerate(graph.nodes()):
        types = _types(node.op_type, graph.opset, node.domain)
        floats = [n for n in node.input if n in graph.numbers or kinds.get(n) in (FLOAT, HALF)]
        values = [name for name in floats if name not in graph.numbers]
        placed = bool(values) and all(name in places for name in values)
        own = FLOAT if number in wide or placed or not types.halves else HALF
        bound: dict[str, int] = {}
        read: list[int | None] = []
        for index, name in enumerate(node.input):
            formal, kind = types.input(index), kinds.get(name)
            if name in floats and node.op_type != "Cast":
                kind = _KINDS.get(formal, own)
            read.append(kind if name in floats and node.op_type != "Cast" else None)
            if name and kind is not None:
                bound.setdefault(formal, kind)
        said = _said(node, own)
        made = tuple(types.output(i, bound, said) for i in range(len(node.output)))
        if placed or (node.op_type == "Cast" and not floats):
            places.update(
                name for name, kind in zip(node.output, made, strict=True) if kind == FLOAT
            )
        kinds.update(zip(node.output, made, strict=True))
        yield Typed(node, number, tuple(read), made)


def _said(node: NodeProto, own: int) -> int | None:
    """The type that a node itself says of its result."""
    if node.op_type == "Cast":
        return next(int(a.i) for a in node.attribute if a.name == "to")
    if node.op_type == "ConstantOfShape":
        return next((a.t.data_type for a in node.attribute if a.name == "value"), own)
    return None


def halves(graph: Parts, node: NodeProto) -> bool:
    """Whether ONNX has a node's operator in half precision."""
    return _types(node.op_type, graph.opset, node.domain).halves


@record
class _Types:
    """What ONNX says of an operator's types, by the words of its schema."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    variadic: bool
    allowed: dict[str, tuple[str, ...]]

    def input(self, index: int) -> str:
        """The word for the type of an input."""
        last = len(self.inputs) - 1
        return self.inputs[min(index, last) if self.variadic else index]

    @property
    def halves(self) -> bool:
        """Whether ONNX has the operator in half precision."""
        kinds = [self.allowed[word] for word in self.inputs if word in self.allowed]
        return all("tensor(float16)" in kind for kind in kinds if "tensor(float)" in kind)

    def output(self, index: int, bound: dict[str, int], said: int | None) -> int:
        """The type of an output, where words are bound to these types."""
        word = self.outputs[min(index, len(self.outputs) - 1)]
        if word in bound:
            return bound[word]
        only = self.allowed.get(word, (word,))
        if len(only) > 1 and said is not None:
            return said
        return _KINDS["tensor(int64)" if "tensor(int64)" in only else only[0]]


@cache
def _types(op_type: str, opset: int, domain: str) -> _Types:
    schema = defs.get_schema(op_type, opset, domain)
    several = defs.OpSchema.FormalParameterOption.Variadic
    return _Types(
        tuple(item.type_str for item in schema.inputs),
        tuple(item.type_str for item in schema.outputs),
        any(item.option == several for item in schema.inputs),
        {c.type_param_str: tuple(c.allowed_type_strs) for c in schema.type_constraints},
    )


def _fields(data: memoryview) -> Iterator[tuple[int, memoryview, memoryview]]:
    """The fields of an encoded message: number, whole and content; all a graph's have a length."""
    at = 0
    while at < len(data):
        start = at
        tag, at = _varint(data, at)
        length, at = _varint(data, at)
        yield tag >> 3, data[start : at + length], data[at : at + length]
        at += length


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at
