"""Which ONNX files may be opened: what a file claims is checked before anything runs it."""

from __future__ import annotations

import stat
from pathlib import Path

from onnx import ModelProto, TensorProto

from netspec.diagnostics.messages.backends import BadModel
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.records import printable

# The operators netspec writes. Others, loops and custom code among them, are not loaded.
ALLOWED = frozenset(
    """
    Abs Add And ArgMax AveragePool BatchNormalization Cast Ceil Celu Clip Concat ConstantOfShape
    Conv ConvTranspose CumSum DepthToSpace Div Elu Equal Erf Exp Expand Flatten Floor GRU Gather
    GatherElements GatherND Gelu Gemm GlobalAveragePool GlobalMaxPool Greater GreaterOrEqual
    GroupNormalization HardSigmoid HardSwish Identity InstanceNormalization LRN LSTM
    LayerNormalization LeakyRelu Less LessOrEqual Log LogSoftmax LpPool MatMul Max MaxPool
    MaxRoiPool MaxUnpool Mean Min Mish Mod Mul Neg Not Or PRelu Pad Pow RMSNormalization RNN
    Range Reciprocal ReduceL2 ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum
    ReduceSumSquare Relu Reshape Resize Round ScatterElements ScatterND Selu Shape Sigmoid Sign
    Slice Softmax Softplus Softsign Split Sqrt Squeeze Sub Sum Swish Tanh Tile Transpose Trilu
    Unsqueeze Where
    """.split()
)
_ITEM_SIZE: dict[int, int] = {TensorProto.FLOAT: 4, TensorProto.INT64: 8, TensorProto.FLOAT16: 2}


def check_model(path: Path) -> ModelProto:
    """The model at `path` without its external data, if it is one netspec would write.

    Its operators are netspec's, and its data files are plain files beside it, of the right size:
    checked before ONNX Runtime opens anything.
    """
    proto = _read(path)
    for node in proto.graph.node:
        if node.domain not in ("", "ai.onnx") or node.op_type not in ALLOWED:
            domain = f"{node.domain}." if node.domain else ""
            raise _bad(path, f"it holds the operator {domain}{node.op_type}")
        if any(a.HasField("g") or a.graphs for a in node.attribute):
            raise _bad(path, f"the operator {node.op_type} holds a graph of its own")
    if proto.functions:
        raise _bad(path, "it defines functions")
    for tensor in proto.graph.initializer:
        if tensor.data_location == TensorProto.EXTERNAL:
            _check_external(path, tensor)
    return proto


def _bad(path: Path, reason: str) -> NetspecError:
    return NetspecError(BadModel(str(path), reason))


def _read(path: Path) -> ModelProto:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise _bad(path, "it is not a regular file")
        data = path.read_bytes()
    except OSError as error:
        raise _bad(path, error.strerror or "unreadable") from None
    proto = ModelProto()
    try:
        proto.ParseFromString(data)
    except Exception as error:  # protobuf's DecodeError, and UnicodeDecodeError from its strings
        raise _bad(path, f"it is not ONNX ({type(error).__name__})") from None
    if not proto.HasField("graph") or not proto.opset_import:
        raise _bad(path, "it holds no graph")
    return proto


def _check_external(path: Path, tensor: TensorProto) -> None:
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
    try:
        info = (path.parent / location).lstat()
    except OSError:
        raise _bad(path, f"its data file {printable(location)} is missing") from None
    if not stat.S_ISREG(info.st_mode) or info.st_nlink != 1:
        raise _bad(path, f"its data file {printable(location)} is a link or no regular file")
    offset, length = _whole(entries.get("offset", "0")), _whole(entries.get("length", ""))
    elements = 1
    for dim in tensor.dims:
        elements *= dim
    size = elements * _ITEM_SIZE.get(tensor.data_type, 0)
    if offset is None or length is None or length != size or offset + length > info.st_size:
        raise _bad(path, f"the place of {name} in its data file is wrong")


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None
