"""What is added around a tensor or cut from it: pad, crop, subsample."""

from __future__ import annotations

from typing import Any

from netspec.diagnostics.messages.shapes import OutOfRange, WrongPartner
from netspec.diagnostics.raised import Rejection
from netspec.ops.declare.checks import need_partners, need_spatial, type_of
from netspec.ops.declare.geometry import (
    BORDERS,
    ONNX_BORDERS,
    Pair,
    check_border,
    every_axis,
    geometry,
    positive,
)
from netspec.ops.declare.interfaces import Builder, Operand, V
from netspec.ops.declare.operator import Operator
from netspec.ops.declare.params import amounts, choice, per_axis, real
from netspec.ops.declare.reach import Reach, Unsupported, Window
from netspec.sizes.conditions import at_least
from netspec.sizes.dims import Dim
from netspec.sizes.shapes import TensorType

FAR = 2**62


def _sides(op: Operator, tensor: TensorType, amount: Any) -> tuple[Pair, ...]:
    """(before, after) for each axis."""
    need_spatial(op, tensor)
    return geometry(op.spelling, tensor, 1, 1, amount).pads


def shifted(rank: int, before: tuple[int, ...], stride: tuple[int, ...] | None = None) -> Window:
    """The window of an operator that moves elements without mixing them."""
    ones = (1,) * rank
    return Window(ones, stride or ones, ones, before)


class Pad(Operator):
    """A border around the input: of zeros, of `value`, mirrored, of the edge repeated, or circular.

    (C, *sizes) to (C, *sizes'), sizes' = size + before + after.
    """

    spelling = "pad"
    order = ("amount",)
    examples = (
        ("2x5x6", "pad(2)"),
        ("2x5x6", "pad(((0, 1), (2, 0)), value=-1)"),
        ("2x5x6", "pad(2, mode=reflect)"),
        ("2x5", "pad(3, mode=replicate)"),
        ("2x3x4x5", "pad(1x0x2)"),
        ("2x5x6", "pad(((0, 5), (2, 1)), mode=circular)"),
    )

    amount: Any = amounts(doc="elements added on each side")
    mode: str = choice("constant", *BORDERS, default="constant", doc="what is added")
    value: float = real(0.0, doc="value of a constant border")

    def infer(self, *inputs: TensorType) -> TensorType:
        tensor = inputs[0]
        sides = _sides(self, tensor, self.amount)
        check_border(self.spelling, "amount", tensor, sides, self.mode)
        return tensor.with_shape(
            tensor.channels,
            *(size + sum(pair) for size, pair in zip(tensor.spatial, sides, strict=True)),
        )

    def macs(self, *inputs: TensorType) -> Dim:
        return 0

    def reach(self, *inputs: TensorType) -> Reach:
        before = tuple(b for b, _ in _sides(self, inputs[0], self.amount))
        return shifted(len(before), before)

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        tensor = inputs[0]
        sides = _sides(self, type_of(tensor), self.amount)
        flat = [side for pair in reversed(sides) for side in pair]
        if self.mode == "constant":
            return torch.nn.functional.pad(tensor, flat, value=self.value)
        return torch.nn.functional.pad(tensor, flat, mode=self.mode)

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        sides = ((0, 0), (0, 0), *_sides(self, inputs[0].type, self.amount))
        return graph.pad(inputs[0].name, sides, self.value, ONNX_BORDERS.get(self.mode, ""))


class Crop(Operator):
    """Cuts a piece out of a map.

    `crop(1)` takes one element off each side, as `pad(1)` adds one. `crop(@x)` gives the size of
    another tensor, from the centre, or from `offset`; `crop(size=10x12)` gives a fixed size.
    (C, *sizes) to (C, *sizes'). From the centre, an odd element is cut after.
    """

    spelling = "crop"
    arity = None
    sized_by = 1
    order = ("amount",)
    examples = (
        ("2x8x9", "crop(2)"),
        ("2x8x9", "crop(((0, 1), (3, 2)))"),
        ("2x8x9", "crop(size=5x4)"),
        ("2x9", "crop(size=5, offset=3)"),
        ("2x8x9", "relu as whole; maxpool2 as small; @whole; crop(@small, offset=3)"),
        ("2x9x8", "relu as whole; maxpool2 as small; @whole; crop(@small)"),
    )

    amount: Any = amounts(None, doc="elements cut from each side")
    size: int | tuple[int, ...] | None = per_axis(None, doc="size of what is kept")
    offset: int | tuple[int, ...] | None = per_axis(None, low=0, doc="its start; else centred")

    def connect(self, wire: tuple[V, ...], references: tuple[V, ...]) -> tuple[V, ...]:
        sized = self.amount is not None or self.size is not None
        need_partners(self, wire, references, 0 if sized else 1)
        if self.amount is not None and (self.size is not None or self.offset is not None):
            raise Rejection(WrongPartner(self.spelling, "an amount, or else a size and an offset"))
        return (*wire, *references)

    def _place(self, *inputs: TensorType) -> tuple[tuple[Dim, ...], tuple[Dim, ...]]:
        """Where the piece starts and its size, along each axis."""
        tensor = inputs[0]
        rank = need_spatial(self, tensor)
        if self.amount is not None:
            sides = _sides(self, tensor, self.amount)
            starts: tuple[Dim, ...] = tuple(before for before, _ in sides)
            spatial = zip(tensor.spatial, sides, strict=True)
            return starts, tuple(size - sum(pair) for size, pair in spatial)
        sizes: tuple[Dim, ...]
        if self.size is not None:
            sizes = every_axis(self.size, rank, self.spelling, tensor)
        else:
            need_spatial(self, inputs[1], rank)
            sizes = inputs[1].spatial
        if self.offset is not None:
            return every_axis(self.offset, rank, self.spelling, tensor), sizes
        pairs = zip(tensor.spatial, sizes, strict=True)
        return tuple((whole - size) // 2 for whole, size in pairs), sizes

    def infer(self, *inputs: TensorType) -> TensorType:
        tensor = inputs[0]
        starts, sizes = self._place(*inputs)
        positive(self.spelling, tensor, sizes)
        for whole, start, size in zip(tensor.spatial, starts, sizes, strict=True):
            # A centred piece fits where its size does.
            end = size if self.offset is None and self.amount is None else start + size
            if not at_least(whole, end):
                raise Rejection(OutOfRange(self.spelling, "what is kept", f"within {whole}", end))
        return tensor.with_shape(tensor.channels, *sizes)

    def macs(self, *inputs: TensorType) -> Dim:
        return 0

    def reach(self, *inputs: TensorType) -> Reach:
        starts, _ = self._place(*inputs)
        before = tuple(-start for start in starts if isinstance(start, int))
        if len(before) < len(starts):
            return Unsupported("where the piece starts depends on the size of the input")
        return shifted(len(before), before)

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        starts, sizes = self._place(*(type_of(x) for x in inputs))
        pieces = (slice(start, start + size) for start, size in zip(starts, sizes, strict=True))
        return inputs[0][(..., *pieces)]

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        starts, sizes = self._place(*(operand.type for operand in inputs))
        first = inputs[0].name
        axes = graph.integers(list(range(2, len(starts) + 2)))
        fixed = [start for start in starts if isinstance(start, int)]
        known = [size for size in sizes if isinstance(size, int)]
        if len(known) == len(sizes):
            size = graph.integers(known)
        elif self.amount is not None:
            after = [-a if a else FAR for _, a in _sides(self, inputs[0].type, self.amount)]
            return graph.node("Slice", [first, graph.integers(fixed), graph.integers(after), axes])
        else:
            size = graph.sizes(inputs[1].name, 2)
        if len(fixed) == len(starts):
            start = graph.integers(fixed)
        else:
            room = graph.node("Sub", [graph.sizes(first, 2), size])
            start = graph.node("Div", [room, graph.integers([2])])
        return graph.node("Slice", [first, start, graph.node("Add", [start, size]), axes])


class Subsample(Operator):
    """Every `step`-th element along each axis, from `offset` on: a 1x1 pooling.

    (C, *sizes) to (C, *sizes'), sizes' = ceil((size - offset) / step).
    """

    spelling = "subsample"
    order = ("step", "offset")
    examples = (
        ("2x7x8", "subsample(2)"),
        ("2x7x8", "subsample(2x3, offset=1)"),
        ("3x9", "subsample(4, 1)"),
        ("2x4x5x6", "subsample(2)"),
    )

    step: int | tuple[int, ...] = per_axis(doc="distance of the elements that are kept")
    offset: int | tuple[int, ...] = per_axis(0, low=0, doc="the first that is kept")

    def _steps(self, tensor: TensorType) -> tuple[tuple[int, ...], tuple[int, ...]]:
        rank = need_spatial(self, tensor)
        return (
            every_axis(self.step, rank, self.spelling, tensor),
            every_axis(self.offset, rank, self.spelling, tensor),
        )

    def infer(self, *inputs: TensorType) -> TensorType:
        tensor = inputs[0]
        steps, offsets = self._steps(tensor)
        sizes = []
        for size, step, offset in zip(tensor.spatial, steps, offsets, strict=True):
            if not at_least(size, offset + 1):
                raise Rejection(OutOfRange(self.spelling, "offset", f"below {size}", offset))
            sizes.append((size - offset - 1) // step + 1)
        return tensor.with_shape(tensor.channels, *sizes)

    def macs(self, *inputs: TensorType) -> Dim:
        return 0

    def reach(self, *inputs: TensorType) -> Reach:
        steps, offsets = self._steps(inputs[0])
        return shifted(len(steps), tuple(-offset for offset in offsets), steps)

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        steps, offsets = self._steps(type_of(inputs[0]))
        pairs = zip(offsets, steps, strict=True)
        return inputs[0][(..., *(slice(offset, None, step) for offset, step in pairs))]

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        steps, offsets = self._steps(inputs[0].type)
        rank = len(steps)
        bounds = (offsets, (FAR,) * rank, tuple(range(2, rank + 2)), steps)
        return graph.node("Slice", [inputs[0].name, *(graph.integers(b) for b in bounds)])
