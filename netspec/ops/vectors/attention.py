"""Attention over sequences."""

from __future__ import annotations

from typing import Any

from netspec.diagnostics.messages.shapes import NotDivisible, ShapesDiffer, WrongCount
from netspec.diagnostics.raised import Rejection
from netspec.ops.declare.checks import fixed_channels, need_spatial
from netspec.ops.declare.interfaces import Builder, Operand, V
from netspec.ops.declare.operator import Operator
from netspec.ops.declare.params import count, flag, scheme_of
from netspec.ops.declare.reach import EVERYWHERE, Reach
from netspec.ops.declare.schemes import Xavier, Zeros
from netspec.ops.declare.weight import Scheme, Weight
from netspec.sizes.dims import Dim
from netspec.sizes.shapes import TensorType


class Attention(Operator):
    """Multi-head attention (Vaswani et al. 2017): of the sequence to itself, or to `@memory`.

    (C, T), and memory (C, S), to (C, T). The tensors are those of torch.nn.MultiheadAttention:
    queries, keys and values projected together, then the output. Multiply-adds are those of the
    four projections, 2 (T + S) C^2, and those of the scores and weighted sums, 2 T S C.
    """

    spelling = "attention"
    arity = None
    order = ("heads",)
    examples = (
        ("8x5", "attention(2)"),
        ("6x4", "attention(3, causal=yes, bias=no)"),
        ("4x6", "relu as memory; slice(0, 3, axis=time); attention(2, @memory)"),
    )

    heads: int = count(1, doc="heads, each over channels / heads")
    causal: bool = flag(False, doc="a step sees no later step")
    bias: bool = flag(True, doc="the projections add trained values")
    init: Scheme | None = scheme_of(None, doc="initialisation of the matrices; xavier by default")

    def connect(self, wire: tuple[V, ...], references: tuple[V, ...]) -> tuple[V, ...]:
        if len(wire) != 1 or len(references) > 1:
            found = f"{len(wire)} tensors and {len(references)} references"
            raise Rejection(WrongCount(self.spelling, "a sequence, and at most one memory", found))
        return (*wire, *references)

    def infer(self, *inputs: TensorType) -> TensorType:
        for tensor in inputs:
            need_spatial(self, tensor, 1)
        channels = fixed_channels(self.spelling, inputs[0])
        if channels % self.heads:
            raise Rejection(NotDivisible(self.spelling, "channels", self.heads, channels))
        if (inputs[-1].channels, inputs[-1].batch) != (channels, inputs[0].batch):
            shapes = f"{inputs[0]} and {inputs[1]}"
            advice = "the memory has as many channels as the sequence, and the same batch"
            raise Rejection(ShapesDiffer(self.spelling, shapes, advice))
        return inputs[0].with_shape(*inputs[0].shape)

    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        size, init = fixed_channels(self.spelling, inputs[0]), self.init or Xavier()
        found = [
            Weight("in_proj_weight", (3 * size, size), init, "param", size, size),
            Weight("in_proj_bias", (3 * size,), Zeros()),
            Weight("out_proj.weight", (size, size), init, "param", size, size),
            Weight("out_proj.bias", (size,), Zeros()),
        ]
        return tuple(found if self.bias else found[::2])

    def macs(self, *inputs: TensorType) -> Dim:
        size = fixed_channels(self.spelling, inputs[0])
        steps, memory = inputs[0].spatial[0], inputs[-1].spatial[0]
        # The projections, then the scores and the sums they weigh.
        return (steps + memory) * (2 * size * size) + steps * memory * (2 * size)

    def reach(self, *inputs: TensorType) -> Reach:
        return EVERYWHERE

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        functions = torch.nn.functional
        matrices = weights["in_proj_weight"].chunk(3)
        biases = weights["in_proj_bias"].chunk(3) if self.bias else (None,) * 3
        sources = (inputs[0], inputs[-1], inputs[-1])
        query, key, value = (
            functions.linear(source.transpose(1, 2), matrix, bias)
            .unflatten(2, (self.heads, -1))
            .transpose(1, 2)
            for source, matrix, bias in zip(sources, matrices, biases, strict=True)
        )
        found = functions.scaled_dot_product_attention(query, key, value, is_causal=self.causal)
        joined = found.transpose(1, 2).flatten(2)
        out = functions.linear(joined, weights["out_proj.weight"], weights.get("out_proj.bias"))
        return out.transpose(1, 2)

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        size = fixed_channels(self.spelling, inputs[0].type)
        matrix = graph.node("Transpose", [graph.weight("in_proj_weight")], perm=[1, 0])
        matrices = graph.split(matrix, [size] * 3, axis=1)
        biases: tuple[str, ...] = ()
        if self.bias:
            biases = graph.split(graph.weight("in_proj_bias"), [size] * 3, axis=0)
        last = [graph.node("Transpose", [x.name], perm=[0, 2, 1]) for x in inputs]
        sources, parts = (last[0], last[-1], last[-1]), []
        split = graph.integers([0, 0, self.heads, size // self.heads])
        # Keys are turned for the product: (N, heads, channels, S).
        orders = ([0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3])
        for i in range(3):
            part = self._projected(graph, sources[i], matrices[i], biases[i] if biases else None)
            part = graph.node("Reshape", [part, split])
            parts.append(graph.node("Transpose", [part], perm=orders[i]))
        scores = graph.node(
            "MatMul", [graph.scaled(parts[0], (size // self.heads) ** -0.5), parts[1]]
        )
        if self.causal:
            scores = self._masked(graph, scores, inputs)
        found = graph.node("MatMul", [graph.node("Softmax", [scores], axis=-1), parts[2]])
        joined = graph.node("Transpose", [found], perm=[0, 2, 1, 3])
        joined = graph.node("Reshape", [joined, graph.integers([0, 0, size])])
        matrix = graph.node("Transpose", [graph.weight("out_proj.weight")], perm=[1, 0])
        bias = graph.weight("out_proj.bias") if self.bias else None
        out = self._projected(graph, joined, matrix, bias)
        return graph.node("Transpose", [out], perm=[0, 2, 1])

    def _projected(self, graph: Builder, name: str, matrix: str, bias: str | None) -> str:
        product = graph.node("MatMul", [name, matrix])
        return graph.node("Add", [product, bias]) if bias else product

    def _masked(self, graph: Builder, scores: str, inputs: tuple[Operand, ...]) -> str:
        """The scores with the least of all numbers above the diagonal.

        It is finite, since quantisation makes scales of what it sees, and replaces scores, since
        added to them it might not be.
        """
        import numpy as np

        step, seen = graph.steps(inputs[0], 2), graph.steps(inputs[-1], 2)
        later = graph.node("Greater", [seen, graph.node("Unsqueeze", [step, graph.integers([1])])])
        least = graph.constant(np.float32(np.finfo(np.float32).min))
        return graph.node("Where", [later, least, scores])
