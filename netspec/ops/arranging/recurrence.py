"""A recurrence over steps whose number need not be known: where its braces begin and end.

`for x_t in @x { ... }` is three kinds of nodes around those of its braces, which stand for one step: what
gives them the step and the states, what takes the states of the next step, and what joins what the steps
made. No spec calls them, so they have no words of their own.
"""

from __future__ import annotations

from typing import Any, ClassVar

from netspec.diagnostics.messages.shapes import WrongRank
from netspec.diagnostics.raised import Rejection
from netspec.ops.arranging.steps import one_step, time_axis
from netspec.ops.declare.interfaces import Builder, Operand
from netspec.ops.declare.operator import Operator
from netspec.ops.declare.reach import Reach, Unsupported
from netspec.sizes.conditions import at_least
from netspec.sizes.dims import Dim
from netspec.sizes.shapes import TensorType

# A map of three axes over time is the largest sequence.
_MOST_AXES = 4


class _Unnamed:
    """What a summary calls an operator that no spec calls: words are taken from the class itself only."""

    spelling: ClassVar[str]


class _EachWord(_Unnamed):
    spelling = "each"


class _LastWord(_Unnamed):
    spelling = "last"


class _AllWord(_Unnamed):
    spelling = "all"


class _Around(Operator):
    """What the three share: they move tensors."""

    arity = None
    batches = "own"
    moves = True

    def macs(self, *inputs: TensorType) -> Dim:
        return 0


class Each(_EachWord, _Around):
    """Begins a recurrence: takes the sequence and the states it starts from, gives a step and its states.

    (C, T, *sizes) and any number of tensors to (C, *sizes) and these. Of ids (T,) a step is one id.
    """

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        sequence, *states = inputs
        axis = time_axis(sequence)
        if not axis < len(sequence.shape) <= _MOST_AXES:
            raise Rejection(WrongRank("for", "a sequence: channels, then time", str(sequence)))
        at_least(sequence.shape[axis], 1)
        return (one_step(sequence), *states)

    def reach(self, *inputs: TensorType) -> Reach:
        return Unsupported("a step has no axis of time")

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        """The first step: what runs all of them is `netspec.backends.torch.net`."""
        axis = min(2, len(inputs[0].shape) - 1)
        return (inputs[0].select(axis, 0), *inputs[1:])

    def onnx(self, graph: Builder, *inputs: Operand) -> tuple[str, ...]:
        """The first step, in plain operators: `netspec.backends.onnx.recurring.scans` makes a loop of it."""
        import numpy as np

        first = graph.constant(np.asarray(0, np.int64))
        axis = 1 + time_axis(inputs[0].type)
        step = graph.node("Gather", [inputs[0].name, first], axis=axis)
        return (step, *(graph.node("Identity", [state.name]) for state in inputs[1:]))


class Last(_LastWord, _Around):
    """Ends a recurrence: takes what flows into the next step, and the step; gives what the last one gave."""

    sized_by = -1

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        return inputs[:-1]

    def reach(self, *inputs: TensorType) -> Reach:
        return Unsupported("what is carried on over time sees a number of steps that is not known")

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        return tuple(inputs[:-1])

    def onnx(self, graph: Builder, *inputs: Operand) -> tuple[str, ...]:
        return tuple(graph.node("Identity", [state.name]) for state in inputs[:-1])


class All(_AllWord, _Around):
    """Joins what the steps of a recurrence made, along time.

    Takes the tensor of a step, the sequence, and what flows out of the last step: (C, *sizes) to
    (C, T, *sizes). So nothing of a recurrence is read without what its states go through.
    """

    sized_by = 1

    def infer(self, *inputs: TensorType) -> TensorType:
        made, sequence, _ = inputs
        if not made.shape or len(made.shape) >= _MOST_AXES:
            raise Rejection(
                WrongRank("for", "a name for a vector or a map in its braces", str(made))
            )
        steps = sequence.shape[time_axis(sequence)]
        return TensorType((made.shape[0], steps, *made.shape[1:]), made.batch, made.ids)

    def reach(self, *inputs: TensorType) -> Reach:
        return Unsupported("what is stacked has no axis of time")

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        made, sequence, _ = inputs
        steps = sequence.shape[min(2, len(sequence.shape) - 1)]
        return made.unsqueeze(2).expand(*made.shape[:2], steps, *made.shape[2:])

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        """What the first step made, as often as there are steps."""
        made, sequence, _ = inputs
        column = graph.node("Unsqueeze", [made.name, graph.integers([2])])
        sizes = [graph.integers([1, 1]), graph.size(sequence, 1 + time_axis(sequence.type))]
        if rest := len(made.type.shape) - 1:
            sizes.append(graph.integers([1] * rest))
        return graph.node("Expand", [column, graph.node("Concat", sizes, axis=0)])
