"""Operators on integers as the operators that they stand for, between DequantizeLinear and QuantizeLinear.

These are ONNX's and those of ONNX Runtime's own domain, as `onnxruntime.quantization` writes them. What
rounds its input to the range at hand (dynamic quantisation) becomes the product of its input in single
precision: the rounding is no other than the one that is taken out elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from onnx import NodeProto, helper

from netspec.importing.files.meaning.parts import Parts, attribute, called, dequantized, node_like
from netspec.importing.files.reading import refused

# Operators of operands (tensor, scale, zero point), then the result's scale and zero point.
_OPERANDS = {
    "QLinearConv": ("Conv", 2),
    "QLinearMatMul": ("MatMul", 2),
    "QLinearAdd": ("Add", 2),
    "QLinearMul": ("Mul", 2),
    "QLinearSigmoid": ("Sigmoid", 1),
    "QLinearLeakyRelu": ("LeakyRelu", 1),
    "QLinearSoftmax": ("Softmax", 1),
    "QLinearGlobalAveragePool": ("GlobalAveragePool", 1),
    "QLinearAveragePool": ("AveragePool", 1),
    "QLinearReduceMean": ("ReduceMean", 1),
}
# Products that give whole numbers, to be scaled.
_DYNAMIC = frozenset({"MatMulInteger", "ConvInteger"})


def spelt_out(parts: Parts) -> None:
    """Puts operators of single precision in the place of those on integers, in the model."""
    _dynamic(parts)
    found: list[NodeProto] = []
    for node in parts.nodes:
        rule = _RULES.get(node.op_type)
        with parts.naming(node):
            found += rule(parts, node) if rule is not None else [node]
    parts.nodes = found
    parts.drop_unused()


# --- operators between roundings


def _operands(parts: Parts, node: NodeProto) -> list[NodeProto]:
    op, count = _OPERANDS[node.op_type]
    names = list(node.input)
    if attribute(node, "channels_last", 0):
        raise refused(
            parts.path,
            f"{called(node)} has its channels last, as one machine likes them: import the file before it",
        )
    triples = [(names[3 * i], names[3 * i + 1], names[3 * i + 2]) for i in range(count)]
    result, rest = names[3 * count : 3 * count + 2], names[3 * count + 2 :]
    axes = {"Conv": 0, "MatMul": -1}
    made, inputs = [], []
    for i, triple in enumerate(triples):
        read = _read(parts, node, triple, axes.get(op, 1) if i else 1)
        made.append(read)
        inputs.append(read.output[0])
    if op == "Conv" and rest and rest[0]:
        inputs.append(_bias(parts, node, rest[0], (names[1], names[4])))
    made += _rounded(parts, node, op, inputs, result)
    return made


def _gemm(parts: Parts, node: NodeProto) -> list[NodeProto]:
    """QGemm: its bias is in steps of both scales and alpha; without a scale it gives single precision."""
    a, b, (bias, *result) = node.input[:3], node.input[3:6], node.input[6:] or ("",)
    left = _read(parts, node, a, 1)
    right = _read(parts, node, b, 0 if attribute(node, "transB", 0) else 1)
    inputs = [left.output[0], right.output[0]]
    if bias:
        factor = attribute(node, "alpha", 1.0)
        inputs.append(_bias(parts, node, bias, (a[1], b[1]), factor))
    return [left, right, *_rounded(parts, node, "Gemm", inputs, result)]


def _concat(parts: Parts, node: NodeProto) -> list[NodeProto]:
    result, names = node.input[:2], list(node.input[2:])
    made = [_read(parts, node, names[i : i + 3], 1) for i in range(0, len(names) - 2, 3)]
    inputs = [read.output[0] for read in made]
    return made + _rounded(parts, node, "Concat", inputs, result)


def _read(parts: Parts, node: NodeProto, triple: Sequence[str], axis: int) -> NodeProto:
    """The node that gives an operand's numbers."""
    out = parts.fresh(f"{triple[0]}.numbers")
    inputs = [name for name in triple if name]
    return helper.make_node("DequantizeLinear", inputs, [out], name=node.name, axis=axis)


def _rounded(
    parts: Parts, node: NodeProto, op: str, inputs: Sequence[str], result: Sequence[str]
) -> list[NodeProto]:
    """The operator, and the rounding of what it gives where it has one."""
    leave = ("channels_last", "opset")
    if not result or not result[0]:
        return [node_like(node, op, inputs, node.output[0], leave=leave)]
    out = parts.fresh(f"{node.output[0]}.numbers")
    return [
        node_like(node, op, inputs, out, leave=leave),
        helper.make_node("QuantizeLinear", [out, *(n for n in result if n)], [node.output[0]]),
    ]


def _bias(
    parts: Parts, node: NodeProto, name: str, scales: Sequence[str], factor: float = 1.0
) -> str:
    """A bias of integers, in steps of the operands' scales, as an array in single precision."""
    array = parts.known(node, name, "a bias")
    one, other = (parts.known(node, scale, "a scale") for scale in scales)
    step = np.float32(factor) * one.astype(np.float32) * other.astype(np.float32)
    return parts.keep(f"{name}.numbers", dequantized(array, step, None, -1, 0))


# --- rounded to the range at hand


def _dynamic(parts: Parts) -> None:
    """Products of an input that is rounded to its own range: DynamicQuantizeLinear, a product, its scales."""
    readers, makers = parts.readers(), parts.makers()
    instead: dict[int, NodeProto] = {}
    for node in parts.nodes:
        if node.op_type not in _DYNAMIC or len(node.input) < 2:
            continue
        rounding = makers.get(node.input[0])
        cast = readers.get(node.output[0], [])
        scaled = readers.get(cast[0].output[0], []) if len(cast) == 1 else []
        if rounding is None or rounding.op_type != "DynamicQuantizeLinear" or len(scaled) != 1:
            continue
        scales = [makers.get(name) for name in scaled[0].input]
        factor = next((m for m in scales if m is not None and m.op_type == "Mul"), None)
        own = rounding.output[1]
        if scaled[0].op_type != "Mul" or factor is None or own not in factor.input:
            continue
        (scale,) = (n for n in factor.input if n != own) if len(set(factor.input)) == 2 else ("",)
        op = node.op_type.removesuffix("Integer")
        with parts.naming(node):
            axis = 0 if op == "Conv" else -1
            kernel = _weight(parts, node.input[1], scale, node.input[3:4], axis)
        if kernel is not None:
            made = node_like(node, op, [rounding.input[0], kernel], scaled[0].output[0])
            instead[id(scaled[0])] = made
    parts.nodes = [instead.get(id(node), node) for node in parts.nodes]


def _weight(parts: Parts, name: str, scale: str, zero: Sequence[str], axis: int) -> str | None:
    """The name of a weight's numbers; None where it is none."""
    integers, factor = parts.array(name), parts.array(scale)
    if integers is None or factor is None:
        return None
    offset = parts.array(zero[0]) if zero and zero[0] else None
    return parts.keep(f"{name}.numbers", dequantized(integers, factor, offset, axis, 0))


def _product(parts: Parts, node: NodeProto) -> list[NodeProto]:
    """DynamicQuantizeMatMul, and MatMulIntegerToFloat of an input that DynamicQuantizeLinear rounds."""
    names = [*node.input, *[""] * 7]
    data = names[0]
    if node.op_type == "MatMulIntegerToFloat":
        rounding = parts.before.get(data)
        if rounding is None or rounding.op_type != "DynamicQuantizeLinear":
            return [node]
        data, scale, zero, bias = rounding.input[0], names[3], names[5], names[6]
    else:
        scale, zero, bias = names[2:5]
    kernel = _weight(parts, names[1], scale, (zero,), -1)
    if kernel is None:
        return [node]
    if not bias:
        return [node_like(node, "MatMul", [data, kernel], node.output[0])]
    out = parts.fresh(f"{node.output[0]}.product")
    return [
        node_like(node, "MatMul", [data, kernel], out),
        helper.make_node("Add", [out, bias], list(node.output[:1])),
    ]


def _recurrence(parts: Parts, node: NodeProto) -> list[NodeProto]:
    """DynamicQuantizeLSTM: ONNX's, its matrices turned and of integers."""
    names = [*node.input, *[""] * 12]
    found = []
    for name, scale, zero in ((names[1], names[8], names[9]), (names[2], names[10], names[11])):
        integers = parts.known(node, name, "a weight")
        factor, offset = parts.known(node, scale, "a scale"), parts.array(zero)
        ways = integers.shape[0]
        each = [
            dequantized(
                integers[way],
                factor.reshape(ways, -1)[way],
                None if offset is None else offset.reshape(ways, -1)[way],
                1,
                0,
            ).T
            for way in range(ways)
        ]
        found.append(parts.keep(f"{name}.numbers", np.ascontiguousarray(np.stack(each))))
    made = helper.make_node("LSTM", [names[0], *found, *names[3:8]], list(node.output), node.name)
    made.attribute.extend(node.attribute)
    made.metadata_props.extend(node.metadata_props)
    return [made]


_RULES: dict[str, Callable[[Parts, NodeProto], list[NodeProto]]] = {
    **dict.fromkeys(_OPERANDS, _operands),
    "QGemm": _gemm,
    "QLinearConcat": _concat,
    "DynamicQuantizeMatMul": _product,
    "MatMulIntegerToFloat": _product,
    "DynamicQuantizeLSTM": _recurrence,
}
