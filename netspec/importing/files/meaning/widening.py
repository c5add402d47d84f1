"""Half precision to single: every tensor of it is one in single, and casts between them are nothing.

A lone number that half precision rounded is read as what it was before: a number that formulas have, such
as the root of two, or the shortest decimal that rounds to it.
"""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import Any

import numpy as np
from onnx import GraphProto, NodeProto, TensorProto, helper, numpy_helper

from netspec.importing.files.meaning.parts import Array, Parts
from netspec.importing.files.reading import as_array

_WORDS: dict[int, str] = {TensorProto.FLOAT16: "fp16", TensorProto.BFLOAT16: "bf16"}
# Widths of heads, by whose roots scores are divided.
_WIDTHS = (8, 12, 16, 20, 24, 32, 40, 48, 56, 64, 72, 80, 96, 112, 128, 144, 160, 192, 256, 512)
# Attributes that say a type of numbers.
_TYPES = frozenset({"to", "dtype", "stash_type", "output_dtype"})


def is_half(kind: int) -> bool:
    """Whether a type of ONNX's is half precision."""
    return kind in _WORDS


def widened(parts: Parts) -> str:
    """Makes a model one in single precision, in place; which half it was in, `fp32` where in none."""
    found: Counter[str] = Counter()
    for name, array in parts.arrays.items():
        kind = helper.np_dtype_to_tensor_dtype(array.dtype)
        if is_half(kind):
            found[_WORDS[kind]] += array.size
            parts.arrays[name] = _single(array)
    found.update({_WORDS[said]: 0 for said in _widen_around(parts.proto.graph)})
    for node in parts.nodes:
        found.update({_WORDS[said]: 0 for said in _widen(parts, node)})
    return found.most_common(1)[0][0] if found else "fp32"


def _widen(parts: Parts, node: NodeProto) -> list[int]:
    """Makes what a node says of types single precision, in its graphs too; the types that it said."""
    found: list[int] = []
    for item in node.attribute:
        if item.name in _TYPES and is_half(item.i):
            found.append(item.i)
            item.i = TensorProto.FLOAT
        if item.HasField("t") and is_half(item.t.data_type):
            found.append(item.t.data_type)
            array = _single(as_array(parts.path, item.t, node.name))
            item.t.CopyFrom(numpy_helper.from_array(array, item.t.name))
        if item.HasField("g"):
            for tensor in item.g.initializer:
                if is_half(tensor.data_type):
                    found.append(tensor.data_type)
                    array = _single(as_array(parts.path, tensor, tensor.name))
                    tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
            found += _widen_around(item.g)
            for inner in item.g.node:
                found += _widen(parts, inner)
    return found


def _widen_around(graph: GraphProto) -> list[int]:
    """Makes the types of a graph's inputs and outputs single precision; those that were half."""
    found: list[int] = []
    for item in (*graph.input, *graph.output):
        kind = item.type.tensor_type.elem_type
        if is_half(kind):
            found.append(kind)
            item.type.tensor_type.elem_type = TensorProto.FLOAT
    return found


def _single(array: Array) -> Array:
    """The numbers in single precision; a lone one as it was before it was rounded."""
    wide = array.astype(np.float32)
    if array.size != 1 or not np.isfinite(wide).all():
        return wide
    value = float(wide.item())
    exact = _formulas(array.dtype).get(abs(value))
    if exact is None:
        exact = next(
            v
            for d in range(1, 18)
            if _rounded(v := float(f"{abs(value):.{d}g}"), array.dtype) == abs(value)
        )
    return np.full(array.shape, np.copysign(exact, value), np.float32)


@cache
def _formulas(dtype: np.dtype[Any]) -> dict[float, float]:
    """Numbers that formulas have, by what half precision makes of them."""
    found = [2**0.5, 2**-0.5, (2 / np.pi) ** 0.5, 0.044715, 1 / 3, 1 / 6, 1.702]
    found += [n**power for power in (-0.5, 0.5, -0.25, 0.25) for n in _WIDTHS]
    return {_rounded(value, dtype): value for value in reversed(found)}


def _rounded(value: float, dtype: np.dtype[Any]) -> float:
    with np.errstate(over="ignore"):
        return float(np.asarray(value).astype(dtype).astype(np.float32))
