"""ONNX files opened: plain files of bounded size, their functions written out, their numbers as arrays."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from onnx import FunctionProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from netspec.backends.onnx.blocks.inlining import MOST_NODES
from netspec.backends.onnx.guard import read_model, read_place
from netspec.diagnostics.messages.importing import Unreadable
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.records import printable
from netspec.system.reading import open_regular, reading

Array = np.ndarray[Any, Any]
# Calls inside calls that functions may come to.
_DEEPEST = 128
# Types of numbers that a file may hold.
_KINDS = frozenset(
    getattr(TensorProto, word)
    for word in """
    FLOAT DOUBLE FLOAT16 BFLOAT16 INT64 INT32 INT16 INT8 INT4 UINT16 UINT8 UINT4 BOOL
    """.split()
)
# Types of which two numbers share a byte.
_HALVES = frozenset({TensorProto.INT4, TensorProto.UINT4})


def read_flat(path: Path) -> tuple[ModelProto, dict[str, Array]]:
    """The model at `path` with its functions written out, and the arrays of its initializers.

    Raises NetspecError for what is no plain file, holds no graph, or claims more than it has.
    """
    proto = read_model(path)
    if proto.functions:
        proto = _inlined(path, proto)
    if not proto.graph.node and not proto.graph.output:
        raise refused(path, "it holds no graph")
    if len(proto.graph.node) > MOST_NODES:
        raise refused(path, f"it has {len(proto.graph.node):,} nodes")
    if proto.graph.sparse_initializer:
        raise refused(path, "it holds sparse tensors")
    return proto, {tensor.name: _array(path, tensor) for tensor in proto.graph.initializer}


def refused(path: Path, reason: str) -> NetspecError:
    """What is raised of a file that cannot be read."""
    return NetspecError(Unreadable(str(path), reason))


def as_array(path: Path, tensor: TensorProto, called: str) -> Array:
    """The numbers of a tensor that stands in the file itself; raises NetspecError where it lies."""
    if tensor.data_location == TensorProto.EXTERNAL or tensor.HasField("segment"):
        raise refused(path, f"the numbers of {printable(called)} are not where they may be")
    _check_kind(path, tensor, called)
    count = math.prod(tensor.dims)
    item = helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
    if tensor.data_type in _HALVES:
        count = -(-count // 2)
    listed = len(tensor.float_data) + len(tensor.int64_data) + len(tensor.int32_data)
    listed += len(tensor.double_data)
    raw = len(tensor.raw_data)
    if (raw and (listed or raw != count * item)) or (not raw and listed != count):
        raise refused(path, f"{printable(called)} claims {count:,} numbers and has others")
    with reading(lambda reason: refused(path, reason)):
        return numpy_helper.to_array(tensor)


def _array(path: Path, tensor: TensorProto) -> Array:
    if tensor.data_location != TensorProto.EXTERNAL:
        return as_array(path, tensor, tensor.name)
    _check_kind(path, tensor, tensor.name)
    if tensor.data_type in _HALVES:
        raise refused(path, f"{printable(tensor.name)} holds a type of numbers that is not read")
    dtype = np.dtype(helper.tensor_dtype_to_np_dtype(tensor.data_type))
    place = read_place(path, tensor, dtype.itemsize)
    with reading(lambda reason: refused(path, reason)), open_regular(place.path) as file:
        file.seek(place.offset)
        data = file.read(place.length)
        return np.frombuffer(data, dtype.newbyteorder("<")).reshape(tuple(tensor.dims))


def _check_kind(path: Path, tensor: TensorProto, called: str) -> None:
    if tensor.data_type not in _KINDS:
        raise refused(path, f"{printable(called)} holds a type of numbers that is not read")
    if any(size < 0 for size in tensor.dims):
        raise refused(path, f"{printable(called)} has a negative size")


# --- functions


def _inlined(path: Path, proto: ModelProto) -> ModelProto:
    """The model with every call of its own functions written out; counted before any is."""
    with reading(lambda reason: refused(path, reason)):
        _check_functions(proto)
        from onnx import inliner

        found: ModelProto = inliner.inline_local_functions(proto)
    return found


def _check_functions(proto: ModelProto) -> None:
    """Raises ValueError where functions call themselves, or come to too many nodes."""
    functions = {(f.domain, f.name, f.overload): f for f in proto.functions}
    known: dict[tuple[str, str, str], tuple[int, int]] = {}
    under_way: set[tuple[str, str, str]] = set()

    def size(key: tuple[str, str, str], function: FunctionProto) -> tuple[int, int]:
        if key in known:
            return known[key]
        if key in under_way or len(under_way) >= _DEEPEST:
            raise ValueError(f"the function {key[1]} calls itself, or too deep")
        under_way.add(key)
        known[key] = total(function.node)
        under_way.discard(key)
        return known[key]

    def total(nodes: Any) -> tuple[int, int]:
        count, weight = 0, 0
        for node in nodes:
            key = (node.domain, node.op_type, node.overload)
            inner = size(key, functions[key]) if key in functions else (1, node.ByteSize())
            count, weight = count + inner[0], weight + inner[1]
            if count > MOST_NODES or weight > 2**28:
                raise ValueError(f"its functions come to more than {MOST_NODES:,} nodes")
        return count, weight

    total(proto.graph.node)


def attributes_of(path: Path, node: NodeProto) -> dict[str, Any]:
    """A node's attributes as Python has them; tensors as arrays. Graphs are left out."""
    found: dict[str, Any] = {}
    for item in node.attribute:
        if item.HasField("g") or item.graphs or item.tensors or item.ref_attr_name:
            continue
        if item.HasField("t"):
            found[item.name] = as_array(path, item.t, node.name)
            continue
        with reading(lambda reason: refused(path, reason)):
            value = helper.get_attribute_value(item)
        if isinstance(value, bytes):
            found[item.name] = value.decode("utf-8", "replace")
        elif not isinstance(value, int | float):
            items = (v.decode("utf-8", "replace") if isinstance(v, bytes) else v for v in value)
            found[item.name] = tuple(items)
        else:
            found[item.name] = value
    return found
