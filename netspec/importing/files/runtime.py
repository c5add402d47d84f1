"""Operators of ONNX Runtime's own domain as ONNX's: what its optimisers make of several, taken apart again.

Those whose meaning is exact are here. Others stay as they are, and have no operator; what was laid out for
one machine is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from onnx import NodeProto, helper, numpy_helper

from netspec.importing.files.reading import Array

OWN = "com.microsoft"
# Domains whose tensors lie as one machine likes them.
LAID_OUT = frozenset({"com.microsoft.nchwc", "com.ms.internal.nhwc"})
# What its optimisers write in ONNX's own domain before ONNX has it, or never.
UNOFFICIAL = frozenset({"SimplifiedLayerNormalization"})
# Steps that a causal mask is written out for.
_LONGEST = 2**13
Shape = tuple[int, ...]


class Apart:
    """Writes the nodes that one stands for.

    `shape` says the sizes of a tensor where they are known, and `known` the numbers of a constant.
    """

    def __init__(
        self,
        node: NodeProto,
        shape: Callable[[str], Shape | None],
        fresh: Callable[[str], str],
        known: Callable[[str], Array | None] = lambda name: None,
    ) -> None:
        self.node, self.shape, self._fresh, self.known = node, shape, fresh, known
        self.made: list[NodeProto] = []
        self.given: Mapping[str, Any] = {
            a.name: helper.get_attribute_value(a) for a in node.attribute
        }

    def input(self, index: int) -> str:
        """The name of an input, empty where it is left out."""
        return self.node.input[index] if index < len(self.node.input) else ""

    def output(self, index: int) -> str:
        """The name of an output, empty where nothing reads it."""
        return self.node.output[index] if index < len(self.node.output) else ""

    def add(self, op: str, *inputs: str, to: str = "", **given: Any) -> str:
        """A node; the name of what it makes."""
        name = to or self._fresh(f"{self.node.output[0]}.{op.lower()}")
        made = helper.make_node(op, list(inputs), [name], name=self.node.name, **given)
        made.metadata_props.extend(self.node.metadata_props)
        self.made.append(made)
        return name

    def constant(self, array: Array) -> str:
        """A constant; its name."""
        return self.add("Constant", value=numpy_helper.from_array(array))

    def number(self, value: float) -> str:
        """A constant of one number in single precision; its name."""
        return self.constant(np.array(value, np.float32))

    def whole(self, values: list[int]) -> str:
        """A constant of whole numbers; its name."""
        return self.constant(np.array(values, np.int64))

    def text(self, name: str, default: str = "") -> str:
        """An attribute that is a word."""
        value = self.given.get(name, default)
        return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)

    def end(self, name: str, index: int = 0) -> None:
        """Gives what a node made for an output."""
        self.add("Identity", name, to=self.output(index))


def taken_apart(
    node: NodeProto, shape: Callable[[str], Shape | None], fresh: Callable[[str], str]
) -> list[NodeProto] | None:
    """The nodes of ONNX's own that one of ONNX Runtime's stands for; None where no rule says it."""
    rule = _RULES.get(node.op_type)
    if rule is None or not node.output or not node.output[0]:
        return None
    apart = Apart(node, shape, fresh)
    return apart.made if rule(apart) else None


# --- layers with what follows them


def _activated(apart: Apart, name: str, word: str, values: list[float], to: str) -> bool:
    """The activation that ends a fused layer."""
    if word in ("", "Identity"):
        apart.add("Identity", name, to=to)
    elif word in ("Relu", "Tanh", "Sigmoid", "Softplus"):
        apart.add(word, name, to=to)
    elif word == "LeakyRelu":
        apart.add(word, name, to=to, alpha=values[0] if values else 0.01)
    elif word == "HardSigmoid":
        alpha, beta = (*values, 0.2, 0.5)[:2] if len(values) == 2 else (0.2, 0.5)
        apart.add(word, name, to=to, alpha=alpha, beta=beta)
    elif word == "Clip" and len(values) == 2:
        bounds = [apart.number(value) for value in values]
        apart.add(word, name, *bounds, to=to)
    else:
        return False
    return True


def _conv(apart: Apart) -> bool:
    own = ("activation", "activation_params")
    given = {key: value for key, value in apart.given.items() if key not in own}
    name = apart.add("Conv", *(n for n in apart.node.input[:3]), **given)
    if apart.input(3):
        name = apart.add("Add", name, apart.input(3))
    values = list(apart.given.get("activation_params", ()))
    return _activated(apart, name, apart.text("activation"), values, apart.output(0))


def _gemm(apart: Apart) -> bool:
    plain = ("alpha", "beta", "transA", "transB")
    given = {key: value for key, value in apart.given.items() if key in plain}
    name = apart.add("Gemm", *apart.node.input, **given)
    values = [
        apart.given[f"activation_{k}"]
        for k in ("alpha", "beta")
        if f"activation_{k}" in apart.given
    ]
    return _activated(apart, name, apart.text("activation"), values, apart.output(0))


def _matmul(apart: Apart) -> bool:
    inputs = []
    for index, letter in enumerate("AB"):
        name, shape = apart.input(index), apart.shape(apart.input(index))
        swapped, batch = (apart.given.get(f"{word}{letter}") for word in ("trans", "transBatch"))
        rank = len(shape or ())
        if (swapped and rank < 2) or (batch and rank < 3):
            return False
        # The first axis behind those between it and the last.
        order = [*range(1, rank - 1), 0, rank - 1] if batch else [*range(rank)]
        order[-2:] = order[:-3:-1] if swapped else order[-2:]
        inputs.append(apart.add("Transpose", name, perm=order) if swapped or batch else name)
    name, alpha = apart.add("MatMul", *inputs), apart.given.get("alpha", 1.0)
    if alpha != 1:
        name = apart.add("Mul", name, apart.number(alpha))
    apart.end(name)
    return True


# --- activations


def _gelu(apart: Apart) -> bool:
    """Gelu, BiasGelu by the error function; FastGelu by tanh."""
    name = apart.input(0)
    if apart.input(1):
        name = apart.add("Add", name, apart.input(1))
    if apart.node.op_type == "FastGelu":
        return _tanh_gelu(apart, name)
    erf = apart.add("Erf", apart.add("Div", name, apart.number(2**0.5)))
    half = apart.add("Mul", name, apart.add("Add", erf, apart.number(1)))
    apart.add("Mul", half, apart.number(0.5), to=apart.output(0))
    return True


def _tanh_gelu(apart: Apart, name: str) -> bool:
    one, half = apart.number(1), apart.number(0.5)
    cube = apart.add("Mul", name, apart.add("Mul", name, name))
    inner = apart.add("Mul", apart.number(0.044715), cube)
    factor = apart.number((2 / np.pi) ** 0.5)
    tanh = apart.add("Tanh", apart.add("Mul", factor, apart.add("Add", name, inner)))
    apart.add("Mul", apart.add("Mul", name, half), apart.add("Add", tanh, one), to=apart.output(0))
    return True


def _quick_gelu(apart: Apart) -> bool:
    name, alpha = apart.input(0), apart.given.get("alpha", 1.702)
    inner = name if alpha == 1 else apart.add("Mul", name, apart.number(alpha))
    apart.add("Mul", name, apart.add("Sigmoid", inner), to=apart.output(0))
    return True


# --- normalisations


def _skip(apart: Apart) -> bool:
    """A sum, normalised: SkipLayerNormalization and the one without means."""
    simple = apart.node.op_type.startswith("SkipSimplified")
    name = apart.add("Add", apart.input(0), apart.input(1))
    beta, bias = ("" if simple else apart.input(3)), apart.input(3 if simple else 4)
    if bias:
        name = apart.add("Add", name, bias)
    if apart.output(1) or apart.output(2):
        return False
    if apart.output(3):
        apart.end(name, 3)
    given = {"epsilon": apart.given.get("epsilon", 1e-12), "axis": -1}
    if simple:
        _root_mean_square(apart, name, apart.input(2), given["epsilon"])
    else:
        inputs = [name, apart.input(2), *([beta] if beta else [])]
        apart.add("LayerNormalization", *inputs, to=apart.output(0), **given)
    return True


def _simplified(apart: Apart) -> bool:
    shape = apart.shape(apart.input(0))
    if (
        apart.output(1)
        or shape is None
        or apart.given.get("axis", -1) % len(shape) != len(shape) - 1
    ):
        return False
    epsilon = apart.given.get("epsilon", 1e-5)
    _root_mean_square(apart, apart.input(0), apart.input(1), epsilon)
    return True


def _root_mean_square(apart: Apart, name: str, scale: str, epsilon: float) -> None:
    square = apart.add("Mul", name, name)
    mean = apart.add("ReduceMean", square, axes=[-1], keepdims=1)
    root = apart.add("Sqrt", apart.add("Add", mean, apart.number(epsilon)))
    apart.add("Mul", apart.add("Div", name, root), scale, to=apart.output(0))


# --- attention


def _attention(apart: Apart) -> bool:
    """Attention with the layer that makes queries, keys and values: without masks and past."""
    if any(apart.node.input[3:]) or apart.output(1) or apart.given.get("do_rotary"):
        return False
    sizes = apart.given.get("qkv_hidden_sizes")
    name = apart.add("MatMul", apart.input(0), apart.input(1))
    if apart.input(2):
        name = apart.add("Add", name, apart.input(2))
    shape = apart.shape(apart.input(1))
    if shape is None or len(shape) != 2:
        return False
    ends = np.cumsum(sizes or [shape[1] // 3] * 3).tolist()
    starts = [0, *ends[:2]]
    parts = [_piece(apart, name, a, b) for a, b in zip(starts, ends, strict=True)]
    return _heads(apart, *parts)


def _many_heads(apart: Apart) -> bool:
    """MultiHeadAttention of three sequences: without masks and past."""
    if any(apart.node.input[4:]) or apart.output(1) or apart.output(2) or not apart.input(2):
        return False
    names = [apart.input(i) for i in range(3)]
    shapes = [apart.shape(name) for name in names]
    if any(shape is None or len(shape) != 3 for shape in shapes):
        return False
    bias, start = apart.input(3), 0
    for i, shape in enumerate(shapes):
        assert shape is not None
        if bias:
            own = _piece(apart, bias, start, start + shape[2], axis=0)
            names[i], start = apart.add("Add", names[i], own), start + shape[2]
    return _heads(apart, *names)


def _piece(apart: Apart, name: str, start: int, end: int, axis: int = -1) -> str:
    bounds = [apart.whole([value]) for value in (start, end, axis)]
    return apart.add("Slice", name, *bounds)


def _heads(apart: Apart, query: str, key: str, value: str) -> bool:
    heads = apart.given.get("num_heads")
    shape = apart.shape(apart.input(0))
    if not heads or shape is None or len(shape) != 3:
        return False
    apart_shape, whole = (
        apart.whole([0, 0, heads, -1]),
        apart.whole([0, 0, -1]),
    )
    perms = ([0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3])
    query, key, value = (
        apart.add("Transpose", apart.add("Reshape", name, apart_shape), perm=perm)
        for name, perm in zip((query, key, value), perms, strict=True)
    )
    scale = apart.given.get("scale", 0.0) or _root_of_width(apart, heads)
    if not scale:
        return False
    scores = apart.add("MatMul", apart.add("Mul", query, apart.number(scale)), key)
    if apart.given.get("unidirectional"):
        steps = shape[1]
        if steps > _LONGEST:
            return False
        mask = np.triu(np.full((steps, steps), -1e9, np.float32), 1)
        scores = apart.add("Add", scores, apart.constant(mask))
    found = apart.add("MatMul", apart.add("Softmax", scores, axis=-1), value)
    found = apart.add("Transpose", found, perm=[0, 2, 1, 3])
    apart.add("Reshape", found, whole, to=apart.output(0))
    return True


def _root_of_width(apart: Apart, heads: int) -> float:
    """One over the root of a head's width; 0 where that is not known."""
    if apart.node.op_type == "Attention":
        sizes, shape = apart.given.get("qkv_hidden_sizes"), apart.shape(apart.input(1))
        width = sizes[0] if sizes else (shape or (0, 0))[1] // 3
    else:
        width = (apart.shape(apart.input(0)) or (0, 0, 0))[2]
    return float((width // heads) ** -0.5) if width // heads else 0.0


_RULES: dict[str, Callable[[Apart], bool]] = {
    "FusedConv": _conv,
    "FusedGemm": _gemm,
    "FusedMatMul": _matmul,
    "TransposeMatMul": _matmul,
    "Gelu": _gelu,
    "BiasGelu": _gelu,
    "FastGelu": _gelu,
    "QuickGelu": _quick_gelu,
    "SkipLayerNormalization": _skip,
    "SkipSimplifiedLayerNormalization": _skip,
    "SimplifiedLayerNormalization": _simplified,
    "Attention": _attention,
    "MultiHeadAttention": _many_heads,
}
