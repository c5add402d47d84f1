"""Sums that run along a sequence: what linear recurrences and state spaces are made of."""

from __future__ import annotations

from typing import Any

from netspec.diagnostics.messages.shapes import ShapesDiffer, WrongCount, WrongRank
from netspec.diagnostics.raised import Rejection
from netspec.ops.declare.interfaces import Builder, Operand
from netspec.ops.declare.operator import Operator
from netspec.ops.declare.plain import plain
from netspec.ops.declare.reach import EVERYWHERE, Reach
from netspec.sizes.conditions import at_least, equal
from netspec.sizes.dims import Dim, stretches
from netspec.sizes.shapes import TensorType

# A file doubles its steps so often where it holds for any length: enough for so many steps.
_LONGEST = 2**20


@plain
def running(torch: Any, x: Any, decay: Any) -> Any:
    """h_t = decay_t h_(t-1) + x_t along the last axis, by passes that each double what they reach."""
    step = 1
    while step < x.shape[-1]:
        x = x + decay * torch.nn.functional.pad(x[..., :-step], (step, 0))
        if decay.shape[-1] > 1:
            decay = decay * torch.nn.functional.pad(decay[..., :-step], (step, 0))
        else:
            decay = decay * decay
        step *= 2
    return x


class Scan(Operator):
    """A sum that runs along the last axis: `scan(@decay)` is h_t = decay_t h_(t-1) + x_t, from zero.

    (C, *sizes, T) to the same shape; the decay has that shape too, or 1 in place of sizes. It is the
    recurrence of state spaces and gated linear layers: S4D, Mamba (Gu and Dao 2023), RWKV, minGRU,
    one element at a time, so no multiply-adds count. Without a decay it is the cumulative sum. It is
    computed in log2(T) passes over all steps (Hillis and Steele 1986), whatever their number, up to
    2^20 where that is open; `slice(-1, axis=time)` is the last state.
    """

    spelling = "scan"
    arity = None
    batches = "broadcast"
    examples = (
        ("3x7", "scan"),
        ("3x7", "sigmoid as keep; @input; scan(@keep)"),
        ("2x3x5", "relu as x; gap(keep=yes); sigmoid as keep; @x; scan(@keep)"),
        ("4xT", "sigmoid as keep; @input; scan(@keep)"),
    )

    def infer(self, *inputs: TensorType) -> TensorType:
        tensor, *rest = inputs
        if len(tensor.shape) < 2:
            raise Rejection(WrongRank(self.spelling, "channels and time", str(tensor)))
        if len(rest) > 1:
            raise Rejection(WrongCount(self.spelling, "one decay", f"{len(rest)}"))
        for decay in rest:
            pairs = zip(tensor.shape, decay.shape, strict=False)
            if len(decay.shape) != len(tensor.shape) or not all(
                stretches(theirs) or equal(ours, theirs) for ours, theirs in pairs
            ):
                advice = "the decay has the sizes of what it keeps a share of, or 1 in their place"
                if any(size == 1 and not stretches(size) for size in decay.shape):
                    advice += ", where it is 1 whatever the size of the inputs"
                raise Rejection(ShapesDiffer(self.spelling, f"{tensor} and {decay}", advice))
        if rest and not at_least(_LONGEST, tensor.shape[-1]):
            advice = f"at most {_LONGEST} steps"
            raise Rejection(WrongRank(self.spelling, advice, str(tensor)))
        return tensor.with_shape(*tensor.shape)

    def macs(self, *inputs: TensorType) -> Dim:
        return 0

    def reach(self, *inputs: TensorType) -> Reach:
        return EVERYWHERE

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        x, *rest = inputs
        return running(torch, x, rest[0]) if rest else torch.cumsum(x, dim=-1)

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        import numpy as np

        name, (tensor, *rest) = inputs[0].name, inputs
        axis = len(tensor.type.shape)
        if not rest:
            along = graph.constant(np.asarray(axis, np.int64))
            return graph.node("CumSum", [name, along], exclusive=0, reverse=0)
        length, decay = tensor.type.shape[-1], rest[0].name
        varies = not stretches(rest[0].type.shape[-1])
        if not varies and not isinstance(length, int):
            # Doubled on past the last step it would grow without bound.
            sizes = graph.node(
                "Concat", [graph.integers([1] * axis), graph.size(tensor, axis)], axis=0
            )
            decay, varies = graph.node("Expand", [decay, sizes]), True
        step, longest = 1, length if isinstance(length, int) else _LONGEST
        while step < longest:
            before = _shifted(graph, name, tensor, step)
            name = graph.node("Add", [name, graph.node("Mul", [decay, before])])
            if step * 2 < longest:
                earlier = _shifted(graph, decay, tensor, step) if varies else decay
                decay = graph.node("Mul", [decay, earlier])
            step *= 2
        return graph.node("Identity", [name]) if name == inputs[0].name else name


def _shifted(graph: Builder, name: str, operand: Operand, step: int) -> str:
    """What stood so many steps before, zero before the first; `operand` is as long."""
    import numpy as np

    axis, length = len(operand.type.shape), operand.type.shape[-1]
    if isinstance(length, int):
        bounds = (0, length - step, axis)
        kept = graph.node("Slice", [name, *(graph.integers([bound]) for bound in bounds)])
        return graph.pad(kept, [(0, 0)] * axis + [(step, 0)])
    # More steps than there are would leave nothing to pad: the first is read instead, and hidden.
    far = graph.constant(np.asarray(step, np.int64))
    places = graph.steps(operand, axis)
    first = graph.constant(np.asarray(0, np.int64))
    read = graph.node("Max", [graph.node("Sub", [places, far]), first])
    before = graph.node("Gather", [name, read], axis=axis)
    seen = graph.node("GreaterOrEqual", [places, far])
    return graph.node("Where", [seen, before, graph.constant(np.float32(0))])
