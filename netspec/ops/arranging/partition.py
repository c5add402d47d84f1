"""Maps cut into parts that stand in the batch, put together again, and rolled."""

from __future__ import annotations

from typing import Any

from netspec.diagnostics.messages.names import MissingArgument
from netspec.diagnostics.messages.shapes import (
    OutOfRange,
    PartsDoNotFit,
    ShapesDiffer,
    UnknownSize,
)
from netspec.diagnostics.raised import Rejection
from netspec.ops.declare.checks import need_partners, need_spatial, type_of
from netspec.ops.declare.filling import filled, filled_onnx, fits
from netspec.ops.declare.geometry import every_axis
from netspec.ops.declare.interfaces import Builder, Operand, V
from netspec.ops.declare.operator import Operator
from netspec.ops.declare.params import flag, integers, per_axis
from netspec.ops.declare.reach import Reach, Unsupported
from netspec.sizes.batch import Cut
from netspec.sizes.conditions import equal
from netspec.sizes.dims import Dim
from netspec.sizes.shapes import TensorType


def rolled(graph: Builder, name: str, axis: int, at: str) -> str:
    """The name of a tensor rolled back along an axis: what stood at `at`, a vector of one, is first."""
    zero, along = graph.integers([0]), graph.integers([axis])
    first = graph.node("Slice", [name, at, graph.integers([2**62]), along])
    last = graph.node("Slice", [name, zero, at, along])
    return graph.node("Concat", [first, last], axis=axis)


class _Parting(Operator):
    """What cutting and putting together have in common: which parts there are."""

    order = ("size",)
    either = ("size", "by")

    size: int | tuple[int, ...] | None = per_axis(None, doc="sizes of a part")
    by: int | tuple[int, ...] | None = per_axis(
        None, doc="parts along each axis, instead of `size`"
    )
    spaced: bool = flag(False, doc="the places of a part lie apart, a step of each part in turn")
    shift: int | tuple[int, ...] = per_axis(
        0, low=0, doc="how far the map is rolled back first, where an axis has more than one part"
    )
    fill: bool = flag(
        False, doc="zeros after the last places make whole parts, and are cut off again"
    )

    def _given(self, tensor: TensorType) -> tuple[int, ...]:
        """Sizes of a part, or how many there are, for each axis."""
        rank, given = need_spatial(self, tensor), self.size if self.size is not None else self.by
        if given is None:
            raise Rejection(MissingArgument(self.spelling, "size", self.usage()))
        return every_axis(given, rank, self.spelling, tensor)

    def _cut(self, tensor: TensorType) -> Cut:
        places, numbers = tensor.spatial, self._given(tensor)
        counts, sizes = [], []
        for place, number in zip(places, numbers, strict=True):
            if not self.fill and not equal(place // number * number, place):
                raise Rejection(PartsDoNotFit(self.spelling, place, number))
            other = (place + number - 1) // number if self.fill else place // number
            counts.append(other if self.size is not None else number)
            sizes.append(other if self.size is None else number)
        shift = self._shift(tensor, counts, sizes)
        return Cut(places, tuple(counts), tuple(sizes), self.spaced, shift)

    def _shift(self, tensor: TensorType, counts: list[Dim], sizes: list[Dim]) -> tuple[int, ...]:
        """How far each axis is rolled back; nothing where none is."""
        given = every_axis(self.shift, len(counts), self.spelling, tensor)
        if not any(given):
            return ()
        found = []
        for step, count, size in zip(given, counts, sizes, strict=True):
            if not isinstance(count, int) or not isinstance(size, int):
                advice = "a shifted map has another region at its end, so its size must be a number"
                raise Rejection(UnknownSize(self.spelling, str(tensor), advice))
            if step >= size:
                raise Rejection(OutOfRange(self.spelling, "shift", f"less than {size}", step))
            found.append(step if count > 1 else 0)
        return tuple(found) if any(found) else ()

    def macs(self, *inputs: TensorType) -> Dim:
        return 0

    def reach(self, *inputs: TensorType) -> Reach:
        return Unsupported("what a place sees depends on the part that it is in")

    def _numbers(self, tensor: Any) -> tuple[list[int], list[int], list[int]]:
        """Parts along each axis, places of a part, and the shift, for a batch of torch's."""
        cut = self._cut(type_of(tensor))
        counts, parts = (list(dims) for dims in (cut.counts, cut.size))
        return counts, parts, list(cut.shift)  # type: ignore[return-value]

    def _lengths(
        self, graph: Builder, whole: Operand, dims: tuple[Dim, ...], others: tuple[Dim, ...]
    ) -> list[str]:
        """Vectors of one: for each axis a number of parts or places, whose product with the other is
        the map's size.
        """
        found = []
        for axis, (dim, other) in enumerate(zip(dims, others, strict=True)):
            if isinstance(dim, int):
                found.append(graph.integers([dim]))
            else:
                assert isinstance(other, int)
                length = graph.size(whole, axis + 2)
                if self.fill:
                    length = graph.node("Add", [length, graph.integers([other - 1])])
                found.append(graph.node("Div", [length, graph.integers([other])]))
        return found

    def _filled(self, tensor: TensorType) -> bool:
        """Whether a map needs zeros, as far as is known."""
        return self.fill and not fits(tensor.spatial, self._given(tensor))

    def _pairs(self, counts: list[Any], sizes: list[Any]) -> list[Any]:
        """The axes of a map, each as parts and places in the order they lie in."""
        pairs = zip(counts, sizes, strict=True)
        return [
            i for count, size in pairs for i in ((size, count) if self.spaced else (count, size))
        ]


class Partition(_Parting):
    """Cuts a map into parts that stand in the batch: what follows sees each part alone.

    (C, *sizes) to (C, *part), with as many rows as a map has parts: windows of `size` neighbours, or
    with `spaced` every part takes places that lie as far apart as there are parts (the grids of MaxViT,
    Tu et al. 2022). After `shift` (Swin, Liu et al. 2021) the last windows hold places of both ends of
    the map: `attention` then keeps them apart. Sizes are multiples of a part's, or `fill` makes them so.
    `reassemble` puts the map together; `windows` does both.
    """

    spelling = "partition"
    examples = (
        ("2x4x6", "partition(2)"),
        ("2xHxW", "relu as x; partition(2); conv3-3(pad=1); reassemble(@x, 2)"),
        ("2x6", "relu as x; partition(3, spaced=yes); bn; reassemble(@x, 3, spaced=yes)"),
        ("2x4x6", "partition((2, 3), shift=1); attention(2)"),
        ("2x3xW", "relu as x; partition(2, fill=yes); conv1-3; reassemble(@x, 2, fill=yes)"),
    )

    def infer(self, *inputs: TensorType) -> TensorType:
        tensor, cut = inputs[0], self._cut(inputs[0])
        return TensorType((tensor.channels, *cut.size), tensor.batch.cut(cut))

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        tensor = inputs[0]
        counts, sizes, shift = self._numbers(tensor)
        rank = len(sizes)
        if self.fill:
            tensor = filled(torch, tensor, self._given(type_of(tensor)))
        if shift:
            tensor = tensor.roll([-step for step in shift], list(range(2, 2 + rank)))
        tensor = tensor.reshape(*tensor.shape[:2], *self._pairs(counts, sizes))
        first, second = range(2, 2 + 2 * rank, 2), range(3, 3 + 2 * rank, 2)
        parts, places = (second, first) if self.spaced else (first, second)
        return tensor.permute(0, *parts, 1, *places).flatten(0, rank)

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        tensor, name = inputs[0], inputs[0].name
        graph.want("parts in the batch")
        rank = len(tensor.type.spatial)
        cut = self._cut(tensor.type)
        counts = self._lengths(graph, tensor, cut.counts, cut.size)
        sizes = self._lengths(graph, tensor, cut.size, cut.counts)
        if self.fill:
            name = filled_onnx(graph, tensor, self._given(tensor.type))
        for axis, step in enumerate(cut.shift):
            if step:
                name = rolled(graph, name, axis + 2, graph.integers([step]))
        channels = graph.size(tensor, 1)
        zeros = graph.integers([0, 0])
        shape = graph.node("Concat", [zeros, *self._pairs(counts, sizes)], axis=0)
        name = graph.node("Reshape", [name, shape])
        first, second = range(2, 2 + 2 * rank, 2), range(3, 3 + 2 * rank, 2)
        parts, places = (second, first) if self.spaced else (first, second)
        name = graph.node("Transpose", [name], perm=[0, *parts, 1, *places])
        shape = graph.node("Concat", [graph.integers([-1]), channels, *sizes], axis=0)
        return graph.node("Reshape", [name, shape])


class Reassemble(_Parting):
    """Puts the parts of a map together again: `reassemble(@x, 7)` after `partition(7)` of x.

    (D, *part), and x (C, *sizes) for its sizes, to (D, *sizes). A part may have changed its size, and a
    vector is a part of one place, where the map was not shifted.
    """

    spelling = "reassemble"
    arity = 2
    batches = "own"
    sized_by = 1
    examples = (
        ("2x4x6", "relu as x; partition(2); conv1-3; reassemble(@x, 2)"),
        ("2x4x6", "relu as x; partition(by=2); gap; reassemble(@x, by=2)"),
        ("2x4x6", "relu as x; partition(2, shift=1); conv1-3; reassemble(@x, 2, shift=1)"),
    )

    def connect(self, wire: tuple[V, ...], references: tuple[V, ...]) -> tuple[V, ...]:
        need_partners(self, wire, references, 1)
        return (*wire, *references)

    def infer(self, *inputs: TensorType) -> TensorType:
        parts, whole = inputs
        cut = self._cut(whole)
        if parts.batch != whole.batch.cut(cut):
            advice = "the first is not of parts that the second was cut into in this way"
            raise Rejection(ShapesDiffer(self.spelling, f"{parts} and {whole}", advice))
        if parts.spatial and len(parts.spatial) != len(cut.size):
            advice = "a part keeps its axes, or has become a vector"
            raise Rejection(ShapesDiffer(self.spelling, f"{parts} and {whole}", advice))
        if parts.spatial == cut.size:
            return TensorType((parts.channels, *cut.places), whole.batch)
        if cut.shift or self._filled(whole):
            advice = f"parts of a {'shifted' if cut.shift else 'filled'} map keep their size"
            raise Rejection(ShapesDiffer(self.spelling, f"{parts} and {whole}", advice))
        sizes = parts.spatial or (1,) * len(cut.counts)
        spatial = (count * size for count, size in zip(cut.counts, sizes, strict=True))
        return TensorType((parts.channels, *spatial), whole.batch)

    def _order(self, rank: int) -> list[int]:
        """From (N, *counts, C, *sizes) to (N, C, and both of each axis as they lie)."""
        counts, sizes = range(1, 1 + rank), range(2 + rank, 2 + 2 * rank)
        return [0, 1 + rank, *self._pairs(list(counts), list(sizes))]

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        tensor, whole = inputs
        counts, _, shift = self._numbers(whole)
        rank = len(counts)
        sizes = tensor.shape[2:] if tensor.dim() > 2 else (1,) * rank
        tensor = tensor.reshape(-1, *counts, tensor.shape[1], *sizes).permute(*self._order(rank))
        ends = (count * size for count, size in zip(counts, sizes, strict=True))
        tensor = tensor.reshape(*tensor.shape[:2], *ends)
        tensor = tensor.roll(shift, list(range(2, 2 + rank))) if shift else tensor
        return tensor[(..., *(slice(size) for size in whole.shape[2:]))] if self.fill else tensor

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        parts, whole = inputs
        cut = self._cut(whole.type)
        counts, rank = self._lengths(graph, whole, cut.counts, cut.size), len(cut.counts)
        sizes = [graph.size(parts, axis + 2) for axis in range(len(parts.type.spatial))]
        sizes = sizes or [graph.integers([1])] * rank
        channels = graph.size(parts, 1)
        shape = graph.node("Concat", [graph.integers([-1]), *counts, channels, *sizes], axis=0)
        name = graph.node("Reshape", [parts.name, shape])
        name = graph.node("Transpose", [name], perm=self._order(rank))
        ends = [graph.node("Mul", pair) for pair in zip(counts, sizes, strict=True)]
        shape = graph.node("Concat", [graph.integers([0, 0]), *ends], axis=0)
        name = graph.node("Reshape", [name, shape])
        for axis, step in enumerate(cut.shift):
            many, size = cut.counts[axis], cut.size[axis]
            assert isinstance(many, int)
            assert isinstance(size, int)
            if step:
                name = rolled(graph, name, axis + 2, graph.integers([many * size - step]))
        if self._filled(whole.type):
            axes = graph.integers(list(range(2, 2 + rank)))
            places = [place for place in cut.places if isinstance(place, int)]
            known = len(places) == rank
            end = graph.integers(places) if known else graph.sizes(whole.name, 2)
            name = graph.node("Slice", [name, graph.integers([0] * rank), end, axes])
        return name


class Roll(Operator):
    """Moves a map along its axes, what leaves at one end coming in at the other: `roll((2, -1))`.

    (C, *sizes) to the same shape: what was at place i is at place i + steps.
    """

    spelling = "roll"
    order = ("steps",)
    examples = (("2x5", "roll(2)"), ("2x3x4", "roll((1, -2))"), ("2xHxW", "roll((-1, 1))"))

    steps: tuple[int, ...] = integers(doc="how far along each axis")

    def _steps(self, tensor: TensorType) -> tuple[int, ...]:
        rank = need_spatial(self, tensor)
        return every_axis(
            self.steps if len(self.steps) > 1 else self.steps[0], rank, self.spelling, tensor
        )

    def infer(self, *inputs: TensorType) -> TensorType:
        self._steps(inputs[0])
        return inputs[0].with_shape(*inputs[0].shape)

    def macs(self, *inputs: TensorType) -> Dim:
        return 0

    def reach(self, *inputs: TensorType) -> Reach:
        return Unsupported("what leaves at one end comes in at the other")

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        rank = inputs[0].dim() - 2
        steps = self.steps * rank if len(self.steps) == 1 else self.steps
        return inputs[0].roll(steps, list(range(2, 2 + rank)))

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        name = inputs[0].name
        for axis, step in enumerate(self._steps(inputs[0].type)):
            size = inputs[0].type.spatial[axis]
            if isinstance(size, int):
                if step % size:
                    name = rolled(graph, name, axis + 2, graph.integers([-step % size]))
            elif step:
                length = graph.size(inputs[0], axis + 2)
                at = graph.node("Mod", [graph.integers([-step]), length])
                name = rolled(graph, name, axis + 2, at)
        return name
