"""Which ONNX files may be opened: what a file claims is checked before anything runs it."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable, Iterator, Sized
from itertools import chain
from math import prod
from pathlib import Path

from onnx import GraphProto, ModelProto, NodeProto, TensorProto

from netspec.backends.onnx.blocks.inlining import DOMAIN, check_functions, inlined_nodes
from netspec.backends.onnx.recurring.stepwise import bodies, check_scans, inner_nodes
from netspec.diagnostics.messages.backends import BadModel
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.records import printable
from netspec.foundation.records import record
from netspec.system.reading import MOST_AXES, open_regular, reading

# The operators netspec writes. Others, custom code among them, are not loaded, and of loops only a `Scan`
# whose body holds such operators.
ALLOWED = frozenset(
    """
    Abs Add And ArgMax AveragePool BatchNormalization Cast Ceil Celu Clip Concat ConstantOfShape Conv
    ConvTranspose Cos CumSum DeformConv DepthToSpace DequantizeLinear Div Elu Equal Erf Exp Expand
    Flatten Floor GRU Gather GatherElements GatherND Gelu Gemm GlobalAveragePool GlobalMaxPool Greater
    GreaterOrEqual GridSample GroupNormalization HardSigmoid HardSwish Identity InstanceNormalization
    LRN LSTM LayerNormalization LeakyRelu Less LessOrEqual Log LogSoftmax LpPool MatMul Max MaxPool
    MaxRoiPool MaxUnpool Mean Min Mish Mod Mul Neg NonMaxSuppression Not Or PRelu Pad Pow QuantizeLinear
    RMSNormalization RNN Range Reciprocal ReduceL2 ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum
    ReduceSumSquare Relu Reshape Resize RoiAlign Round ScatterElements ScatterND Selu Shape Sigmoid Sign
    Sin Slice Softmax Softplus Softsign Split Sqrt Squeeze Sub Sum Swish Tanh Tile TopK Transpose Trilu
    Unsqueeze Where
    """.split()
)
# Nodes of eight bits, and the integers that they may round to or read.
_ROUNDING = {
    "QuantizeLinear": (TensorProto.INT8, TensorProto.UINT8),
    "DequantizeLinear": (TensorProto.INT8, TensorProto.UINT8, TensorProto.INT32),
}
_ITEM_SIZE: dict[int, int] = {TensorProto.FLOAT: 4, TensorProto.INT64: 8, TensorProto.FLOAT16: 2}
_ITEM_SIZE |= {TensorProto.BOOL: 1, TensorProto.INT32: 4}
_ITEM_SIZE |= {TensorProto.INT8: 1, TensorProto.UINT8: 1}
# What protobuf can hold.
_LARGEST = 2**31 - 1


def check_model(path: Path) -> ModelProto:
    """The model at `path` without its external data, if it is one netspec would write.

    Its operators are netspec's, in functions of its own too, and its data files are plain files beside
    it, of the right size: checked before ONNX Runtime opens anything.
    """
    proto = read_model(path)
    with reading(lambda reason: _bad(path, reason)):
        check_functions(proto)
        check_scans(proto)
        nodes = list(inner_nodes(inlined_nodes(proto)))
    for node in chain(nodes, *(function.node for function in proto.functions)):
        if node.domain == DOMAIN:
            continue
        if node.domain not in ("", "ai.onnx") or node.op_type not in ALLOWED:
            domain = f"{node.domain}." if node.domain else ""
            raise _bad(path, f"it holds the operator {domain}{node.op_type}")
        if any(a.HasField("g") or a.graphs for a in node.attribute):
            raise _bad(path, f"the operator {node.op_type} holds a graph of its own")
        if any(
            a.tensors or a.HasField("sparse_tensor") or a.sparse_tensors for a in node.attribute
        ):
            raise _bad(path, f"the operator {node.op_type} holds a list of tensors")
        for attribute in node.attribute:
            if attribute.HasField("t"):
                _check_tensor(path, attribute.t, node.name)
    _check_rounding(path, nodes, proto.graph)
    if proto.training_info:
        raise _bad(path, "it holds a training step")
    if proto.graph.sparse_initializer:
        raise _bad(path, "it holds sparse tensors")
    for tensor in proto.graph.initializer:
        if tensor.data_location == TensorProto.EXTERNAL:
            read_place(path, tensor, _ITEM_SIZE.get(tensor.data_type, 0))
        else:
            _check_tensor(path, tensor, tensor.name)
    return proto


def _check_rounding(path: Path, nodes: Iterable[NodeProto], graph: GraphProto) -> None:
    """Holds quantisation to the form netspec writes: constant scales in fp32, integers that it has.

    A tensor is rounded to 8 bits by one scale, weights have one for each index of an axis.
    """
    kinds = {tensor.name: tensor.data_type for tensor in graph.initializer}
    for node in nodes:
        if node.op_type not in _ROUNDING:
            continue
        scale, zero = (kinds.get(name) for name in (*node.input[1:3], "", "")[:2])
        integers = _ROUNDING[node.op_type]
        rounded = kinds.get(node.input[0], zero) if node.input else None
        if (
            len(node.input) != 3
            or scale != TensorProto.FLOAT
            or zero not in integers
            or rounded != (zero if node.op_type == "DequantizeLinear" else rounded)
            or any(attribute.name != "axis" for attribute in node.attribute)
        ):
            raise _bad(path, f"{node.op_type} {printable(node.name)} is not as netspec writes it")


def _bad(path: Path, reason: str) -> NetspecError:
    return NetspecError(BadModel(str(path), reason))


def read_model(path: Path) -> ModelProto:
    """The model that a plain file holds, its names all text; raises NetspecError for anything else."""
    proto = ModelProto()
    with reading(lambda reason: _bad(path, reason)), open_regular(path) as file:
        if os.fstat(file.fileno()).st_size > _LARGEST:
            raise _bad(path, "it has more bytes than a model can have")
        data = file.read(_LARGEST)
    with reading(lambda reason: _bad(path, f"it is not ONNX ({reason})")):
        proto.ParseFromString(data)
        _check_text(proto)
        for function in proto.functions:
            _check_axes(function.node)
        _check_axes(proto.graph.node)
        _check_graph_axes(proto.graph)
    if not proto.HasField("graph") or not proto.opset_import:
        raise _bad(path, "it holds no graph")
    return proto


def _check_text(proto: ModelProto) -> None:
    """Raises ValueError for names that are no UTF-8: protobuf gives them as bytes."""
    graph = proto.graph
    inner = list(bodies(graph.node))
    nodes = list(chain(graph.node, *(part.node for part in (*proto.functions, *inner))))
    named = [item for body in inner for item in (*body.input, *body.output, *body.value_info)]
    named += [*graph.input, *graph.output, *graph.initializer, *nodes, *proto.functions]
    texts = [item.name for item in named]
    texts += [text for node in nodes for text in (*node.input, *node.output, node.op_type)]
    texts += [item.domain for item in (*nodes, *proto.opset_import, *proto.functions)]
    texts += [text for function in proto.functions for text in (*function.input, *function.output)]
    texts += [
        text
        for tensor in graph.initializer
        for entry in tensor.external_data
        for text in (entry.key, entry.value)
    ]
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("a name is no UTF-8")


def _check_axes(nodes: Iterable[NodeProto]) -> None:
    """Raises ValueError where a tensor in an attribute has more axes than any array."""
    for node in nodes:
        for attribute in node.attribute:
            for tensor in (attribute.t, *attribute.tensors):
                _refuse_axes(tensor.name or node.name, tensor.dims)
            for graph in (attribute.g, *attribute.graphs):
                _check_axes(graph.node)
                _check_graph_axes(graph)


def _check_graph_axes(graph: GraphProto) -> None:
    """Raises ValueError where a graph says of a tensor that it has more axes than any array."""
    for tensor in graph.initializer:
        _refuse_axes(tensor.name, tensor.dims)
    for item in chain(graph.input, graph.output, graph.value_info):
        _refuse_axes(item.name, item.type.tensor_type.shape.dim)


def _refuse_axes(name: str, sizes: Sized) -> None:
    if len(sizes) > MOST_AXES:
        raise ValueError(f"{printable(name)} has {len(sizes):,} axes")


def _check_tensor(path: Path, tensor: TensorProto, called: str) -> None:
    """Refuses a tensor whose numbers are not all in the model itself."""
    name, item = printable(called), _ITEM_SIZE.get(tensor.data_type)
    if tensor.data_location == TensorProto.EXTERNAL or tensor.HasField("segment"):
        raise _bad(path, f"the numbers of {name} are not where they may be")
    if item is None:
        raise _bad(path, f"{name} holds a type of numbers that netspec never writes")
    if any(size < 0 for size in tensor.dims):
        raise _bad(path, f"{name} has a negative size")
    count = prod(tensor.dims)
    raw = len(tensor.raw_data)
    listed = len(tensor.float_data) + len(tensor.int64_data) + len(tensor.int32_data)
    if (raw and (listed or raw != count * item)) or (not raw and listed != count):
        raise _bad(path, f"{name} claims {count:,} numbers and has others")


@record
class ModelFiles:
    """An ONNX file and the files beside it that hold its numbers, whoever wrote it.

    It is read each time they are asked for, so that it costs nothing where no file could be lost.
    """

    path: Path

    def __iter__(self) -> Iterator[Path]:
        yield self.path
        with contextlib.suppress(NetspecError):
            for tensor in read_model(self.path).graph.initializer:
                for entry in tensor.external_data:
                    if entry.key == "location":
                        yield self.path.parent / entry.value


@record
class Place:
    """Where the numbers of a tensor are: in this plain file, so many bytes from there."""

    path: Path
    offset: int
    length: int


def read_place(path: Path, tensor: TensorProto, item: int) -> Place:
    """The place of a tensor's numbers, of `item` bytes each, in a plain file beside its model.

    Raises NetspecError where it is no such file, or where the place is not of the tensor's size.
    """
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location = entries.get("location", "")
    name = printable(tensor.name)
    if (
        not location
        or location in (".", "..")
        or "\0" in location
        or "/" in location
        or "\\" in location
    ):
        raise _bad(path, f"the data of {name} is not in a plain file beside it")
    beside = path.parent / location
    try:
        info = beside.lstat()
    except OSError:
        raise _bad(path, f"its data file {printable(location)} is missing") from None
    if not stat.S_ISREG(info.st_mode) or info.st_nlink != 1:
        raise _bad(path, f"its data file {printable(location)} is a link or no regular file")
    offset, length = _whole(entries.get("offset", "0")), _whole(entries.get("length", ""))
    size = prod(tensor.dims) * item
    if offset is None or length is None or length != size or offset + length > info.st_size:
        raise _bad(path, f"the place of {name} in its data file is wrong")
    return Place(beside, offset, length)


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None
