"""Attention of queries, keys and values that are there, without weights of its own."""

from __future__ import annotations

from typing import Any

from netspec.diagnostics.messages.shapes import NotDivisible, ShapesDiffer, WrongCount
from netspec.diagnostics.raised import Rejection
from netspec.ops.declare.checks import fixed_channels
from netspec.ops.declare.interfaces import Builder, Operand, V
from netspec.ops.declare.part import Part
from netspec.ops.declare.weight import Weight
from netspec.ops.vectors.heads import Heads, as_map
from netspec.sizes.conditions import equal
from netspec.sizes.dims import Dim
from netspec.sizes.shapes import TensorType, numel


class Attend(Heads):
    """Attention without weights: of queries to `@keys`, weighing `@values`; keys if they are not given.

    Queries (C, *sizes), keys (K, *memory) and values (V, *memory) to (V, *sizes) times the heads that
    share a head of values. Multiply-adds are those of the scores and of the weighted sums.
    """

    spelling = "attend"
    order = ("heads",)
    examples = (
        ("8x5", "relu as k; attend(2, @k)"),
        ("6x2x3", "conv1-6 as v; conv1-4 as k; attend(2, @k, @v, causal=yes)"),
        ("8xT", "relu as q; conv1-4 as k; @q; attend(4, @k, kv_heads=2, within=3)"),
        ("4x3", "relu as k; parameter(2x3x3) as s; @k; attend(2, @k, scores=@s, scale=1)"),
        ("6x5", "relu as k; attend(2, @k, softcap=0.5)"),
    )

    def connect(self, wire: tuple[V, ...], references: tuple[V, ...]) -> tuple[V, ...]:
        found = (*wire, *references)
        if len(found) == 1:
            found = found * 2
        if len(found) not in (2, 3):
            raise Rejection(
                WrongCount(self.spelling, "queries, keys and values", f"{len(found)} tensors")
            )
        return found if len(found) == 3 else (*found, found[1])

    def _widths(self, inputs: tuple[TensorType, ...]) -> tuple[int, int]:
        """Channels of one head of the queries, and of the values."""
        (query, key, value), _ = self.apart(inputs)
        sizes = [fixed_channels(self.spelling, tensor) for tensor in (query, key, value)]
        for size, heads in zip(sizes, (self.heads, *(self._shared_heads,) * 2), strict=True):
            if size % heads:
                raise Rejection(NotDivisible(self.spelling, "channels", heads, size))
        if sizes[0] // self.heads != sizes[1] // self._shared_heads:
            advice = "heads of queries and of keys are of one width"
            raise Rejection(ShapesDiffer(self.spelling, f"{query} and {key}", advice))
        return sizes[0] // self.heads, sizes[2] // self._shared_heads

    def infer(self, *inputs: TensorType) -> TensorType:
        self._check(self.spelling, inputs)
        (query, key, value), _ = self.apart(inputs)
        if not equal(numel(key.spatial), numel(value.spatial)):
            advice = "there is a value for each key"
            raise Rejection(ShapesDiffer(self.spelling, f"{key} and {value}", advice))
        channels = self._widths(inputs)[1] * self.heads
        return TensorType((channels, *query.spatial), query.batch)

    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        return self._regions(inputs[0])

    def macs(self, *inputs: TensorType) -> Dim:
        return self._products(inputs, *self._widths(inputs))

    def figure(self, *inputs: TensorType) -> tuple[Part, ...]:
        found = [Part(text, "input") for text in ("Q", "K", "V", *self.references())]
        last = self._compared(found, (0, 1, 2), inputs, self._scaling(self._widths(inputs)[0]))
        return (*found, Part("concat", "concat", (last,)))

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        plain, named = self.apart(inputs)
        heads = (self.heads, self._shared_heads, self._shared_heads)
        parts = [
            x.flatten(2).unflatten(1, (many, -1)).transpose(2, 3)
            for x, many in zip(plain, heads, strict=True)
        ]
        found = self._attended(torch, parts, named, weights.get("regions"), self.scale)
        return found.transpose(1, 2).unflatten(2, plain[0].shape[2:])

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        plain, _ = self.apart(inputs)
        width, value = self._widths(tuple(operand.type for operand in inputs))
        heads = (self.heads, self._shared_heads, self._shared_heads)
        parts = []
        for i, (operand, many) in enumerate(zip(plain, heads, strict=True)):
            shape = graph.integers([0, many, value if i == 2 else width, -1])
            part = graph.node("Reshape", [operand.name, shape])
            # Keys stay turned for the product.
            parts.append(part if i == 1 else graph.node("Transpose", [part], perm=[0, 1, 3, 2]))
        scale = self.scale if self.scale is not None else width**-0.5
        found = self._attended_onnx(graph, parts, inputs, scale)
        found = graph.node("Transpose", [found], perm=[0, 2, 1])
        return as_map(graph, found, value * self.heads, plain[0])
