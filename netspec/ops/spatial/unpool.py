"""Max-unpooling: values put back where a max pooling found them."""

from __future__ import annotations

from math import prod
from typing import Any

from netspec.diagnostics.messages.shapes import ShapesDiffer, WrongPartner
from netspec.diagnostics.raised import Rejection
from netspec.ops.declare.checks import need_partners
from netspec.ops.declare.interfaces import Builder, Operand, V
from netspec.ops.declare.operator import Operator
from netspec.ops.declare.reach import Reach, Unsupported
from netspec.ops.spatial.pool import MaxPool, wide_pads
from netspec.sizes.conditions import equal
from netspec.sizes.dims import Dim
from netspec.sizes.shapes import TensorType


class Unpool(Operator):
    """Max-unpooling (Zeiler et al. 2011): `unpool(@p1)` undoes the shape of the max pooling p1.

    Each value goes where that pooling found its maximum, zeros go everywhere else. Where windows
    overlap and one place was the maximum of several, the last of them in row-major order stays.
    (C, *sizes') to (C, *sizes), the size of the pooling's input.
    """

    spelling = "unpool"
    arity = 3
    sized_by = 1
    looks_back = True
    examples = (
        ("2x6x8", "maxpool2 as p; conv1-2; unpool(@p)"),
        ("2x7x9", "maxpool3/2(pad=1) as p; unpool(@p)"),
        ("2x8x6", "maxpool3/2(ceil=yes) as p; unpool(@p)"),
        ("2x6x6", "maxpool3/2(pad=((0, 1), (1, 2)), ceil=yes) as p; unpool(@p)"),
        ("3x9", "maxpool3/2(dilation=2) as p; relu; unpool(@p)"),
        ("2x4x5x6", "maxpool2 as p; unpool(@p)"),
    )

    def connect(self, wire: tuple[V, ...], references: tuple[V, ...]) -> tuple[V, ...]:
        need_partners(self, wire, references, 1)
        pool = references[0].node
        if not isinstance(pool.op, MaxPool):
            raise Rejection(WrongPartner(self.spelling, "the name of a maxpool"))
        if wide_pads(pool.op, pool.input_types[0]):
            raise Rejection(WrongPartner(self.spelling, "a maxpool that pads less than its kernel"))
        if len(wire[0].shape) != len(pool.types[0].shape) or not all(
            equal(ours, theirs)
            for ours, theirs in zip(wire[0].shape, pool.types[0].shape, strict=True)
        ):
            advice = "what is unpooled has the shape of what the pooling gave"
            shapes = f"{wire[0].type} and {pool.types[0]}"
            raise Rejection(ShapesDiffer(self.spelling, shapes, advice))
        return wire[0], pool.outputs[1], pool.inputs[0]

    def infer(self, *inputs: TensorType) -> TensorType:
        return inputs[0].with_shape(*inputs[2].shape)

    def macs(self, *inputs: TensorType) -> Dim:
        return 0

    def reach(self, *inputs: TensorType) -> Reach:
        return Unsupported("where values go depends on the numbers")

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        values, places, like = inputs
        planes = values.new_zeros(*values.shape[:2], prod(like.shape[2:]))
        filled = planes.scatter(2, places.flatten(2), values.flatten(2))
        return filled.unflatten(2, like.shape[2:])

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        # Not MaxUnpool, whose rule for sizes knows neither ceil mode nor dilation. The indices of
        # ONNX's MaxPool count through batch and channels: they are places in the flat tensor.
        import numpy as np

        values, places, like = (operand.name for operand in inputs)
        shape = graph.node("Shape", [like])
        everything = graph.node("ReduceProd", [shape], keepdims=1)
        zeros = graph.node("Expand", [graph.constant(np.zeros(1, np.float32)), everything])
        flat = graph.integers([-1])
        places = graph.node("Reshape", [places, flat])
        values = graph.node("Reshape", [values, flat])
        filled = graph.node("ScatterElements", [zeros, places, values], axis=0)
        return graph.node("Reshape", [filled, shape])
