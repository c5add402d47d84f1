"""Windows that slide: what convolution, pooling, padding and receptive fields share."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from netspec.diagnostics.messages.shapes import (
    EmptyOutput,
    KernelTooLarge,
    OutOfRange,
    PadTooLarge,
    UnknownSize,
    WrongRank,
)
from netspec.diagnostics.raised import Rejection
from netspec.foundation.records import record
from netspec.ops.declare.reach import Window
from netspec.sizes.conditions import at_least
from netspec.sizes.dims import Dim
from netspec.sizes.shapes import TensorType

Pair = tuple[int, int]

# What a border holds where it is made of the tensor itself, as PyTorch calls it, and as ONNX does.
ONNX_BORDERS = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}
BORDERS = tuple(ONNX_BORDERS)


@record(slots=False)
class Geometry:
    """A sliding window over the spatial axes: one entry for each axis everywhere.

    `pads` are (before, after). `ceil` rounds the number of windows up, the last one starting inside
    the input or the padding before it, as Caffe and PyTorch do.
    """

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    pads: tuple[Pair, ...]
    ceil: bool = False

    @property
    def reach(self) -> tuple[int, ...]:
        """The dilated kernel's extent."""
        return tuple((k - 1) * d + 1 for k, d in zip(self.kernel, self.dilation, strict=True))

    @property
    def symmetric(self) -> bool:
        """Whether both sides of every axis are padded alike."""
        return all(before == after for before, after in self.pads)

    @property
    def before(self) -> tuple[int, ...]:
        """The padding before each axis."""
        return tuple(before for before, _ in self.pads)

    @property
    def after(self) -> tuple[int, ...]:
        """The padding after each axis."""
        return tuple(after for _, after in self.pads)

    @property
    def onnx_pads(self) -> list[int]:
        """The padding as ONNX has it: before every axis, then after."""
        return [*self.before, *self.after]

    @property
    def torch_pads(self) -> list[int]:
        """As `torch.nn.functional.pad` takes them: last axis first."""
        return [side for pair in reversed(self.pads) for side in pair]

    def window(self) -> Window:
        """The same as a window of receptive fields."""
        return Window(self.kernel, self.stride, self.dilation, self.before)

    def output(self, op: str, tensor: TensorType) -> tuple[Dim, ...]:
        """The sizes after sliding over `tensor`; raises Rejection where no window fits."""
        return tuple(self.count(op, tensor, axis, size) for axis, size in enumerate(tensor.spatial))

    def spare(self, op: str, tensor: TensorType) -> tuple[Dim, ...]:
        """What the last windows leave of the padded input, below zero where ceil mode overhangs."""
        counts = self.output(op, tensor)
        ends = (
            (count - 1) * stride + reach
            for count, stride, reach in zip(counts, self.stride, self.reach, strict=True)
        )
        sizes = zip(tensor.spatial, self.pads, ends, strict=True)
        return tuple(size + sum(pads) - end for size, pads, end in sizes)

    def spelt_out(self, op: str, tensor: TensorType) -> Geometry:
        """The same windows without rounding up, by more padding after: it is read in one way only.

        Where a size is known the padding ends with the last window. Elsewhere it is as much as makes
        rounding down give as many: a stride less one, and less than a window, so that none of them
        starts after the input.
        """
        if not self.ceil:
            return self
        pads = []
        spares = zip(self.spare(op, tensor), self.pads, self.reach, self.stride, strict=True)
        for spare, (before, after), reach, stride in spares:
            if isinstance(spare, int):
                pads.append((before, max(0, after - spare)))
            else:
                pads.append((before, min(after + stride, reach) - 1))
        return replace(self, pads=tuple(pads), ceil=False)

    def torch_ends(self, op: str, tensor: TensorType) -> list[int]:
        """What `torch.nn.functional.pad` brings the padded input with to where the windows end."""
        return [side for rest in reversed(self.spare(op, tensor)) for side in (0, -rest)]  # type: ignore[misc]

    def count(self, op: str, tensor: TensorType, axis: int, size: Dim) -> Dim:
        """How many windows there are along an axis of this size; raises Rejection where none."""
        before, after = self.pads[axis]
        reach, stride = self.reach[axis], self.stride[axis]
        padded = size + before + after
        if not at_least(padded, reach):
            raise Rejection(KernelTooLarge(op, reach, padded, axis + 1, str(tensor)))
        free = padded - reach
        if not self.ceil:
            return free // stride + 1
        if reach < stride + after:
            # The last window would start in the padding after the input: as many as start before.
            return (size + (before + stride - 1)) // stride
        return (free + (stride - 1)) // stride + 1


def every_axis(
    value: int | tuple[int, ...], rank: int, op: str, tensor: TensorType
) -> tuple[int, ...]:
    """One value for each axis; raises Rejection where a tuple has another length."""
    if isinstance(value, int):
        return (value,) * rank
    if len(value) != rank:
        raise Rejection(WrongRank(op, f"{len(value)} spatial axes", str(tensor)))
    return value


def geometry(
    op: str,
    tensor: TensorType,
    kernel: int | tuple[int, ...],
    stride: int | tuple[int, ...] = 1,
    pad: Any = 0,
    dilation: int | tuple[int, ...] = 1,
    ceil: bool = False,
) -> Geometry:
    """The window over `tensor`, every parameter resolved for each axis."""
    rank = len(tensor.spatial)
    kernels = every_axis(kernel, rank, op, tensor)
    strides = every_axis(stride, rank, op, tensor)
    dilations = every_axis(dilation, rank, op, tensor)
    reach = tuple((k - 1) * d + 1 for k, d in zip(kernels, dilations, strict=True))
    pads = _pads(op, tensor, pad, reach, strides)
    return Geometry(kernels, strides, dilations, pads, ceil)


def _pads(
    op: str,
    tensor: TensorType,
    pad: Any,
    reach: tuple[int, ...],
    strides: tuple[int, ...],
) -> tuple[Pair, ...]:
    rank = len(reach)
    if pad == "valid":
        return ((0, 0),) * rank
    if pad == "same":
        return tuple(((r - 1) // 2, r // 2) for r in reach)
    if pad == "full":
        return tuple((r - 1, r - 1) for r in reach)
    if pad == "tf_same":
        sizes = zip(tensor.spatial, reach, strides, strict=True)
        return tuple(_tf_same(op, tensor, size, r, s) for size, r, s in sizes)
    if isinstance(pad, int):
        return ((pad, pad),) * rank
    if rank == 1 and len(pad) == 2 and all(isinstance(side, int) for side in pad):
        pad = (pad,)
    if len(pad) != rank:
        raise Rejection(WrongRank(op, f"{len(pad)} spatial axes", str(tensor)))
    return tuple(p if isinstance(p, tuple) else (p, p) for p in pad)


def _tf_same(op: str, tensor: TensorType, size: Dim, reach: int, stride: int) -> Pair:
    """TensorFlow's SAME: ceil(size / stride) windows, the odd pixel after."""
    if isinstance(size, int):
        total = max((-(-size // stride) - 1) * stride + reach - size, 0)
    elif stride == 1:
        total = reach - 1
    else:
        advice = "pad=tf_same with a stride depends on the size; use pad=same"
        raise Rejection(UnknownSize(op, str(tensor), advice))
    return total // 2, total - total // 2


# Beyond so many windows along an axis shorter than the dilation, a pooling is refused unseen; where
# the axis is a symbol, with a dilation beyond so many sizes.
_MANY_WINDOWS = 2**16
_MANY_SIZES = 256


def refuse_empty_windows(op: str, window: Geometry, tensor: TensorType) -> None:
    """Refuses pooling windows that hold padding only: their maximum or mean would be of nothing."""
    for axis, (size, reach) in enumerate(zip(tensor.spatial, window.reach, strict=True)):
        pad, dilation = max(window.pads[axis]), window.dilation[axis]
        empty = pad >= reach
        if not empty and pad and dilation > 1 and not (isinstance(size, int) and size >= dilation):
            # A window that steps over the input has taps further apart than the input is long.
            if not isinstance(size, int) and dilation > _MANY_SIZES:
                advice = "which windows hold padding only depends on the size here"
                raise Rejection(UnknownSize(op, str(tensor), advice))
            shorter = (size,) if isinstance(size, int) else range(1, dilation)
            held = tuple(n for n in shorter if not _steps_over(op, window, tensor, axis, n))
            empty = not at_least(size, dilation, held)
        if empty:
            raise Rejection(PadTooLarge(op, pad, reach))


def _steps_over(op: str, window: Geometry, tensor: TensorType, axis: int, size: int) -> bool:
    """Whether some window has no tap inside an axis of this size, shorter than the dilation."""
    stride, dilation, before = window.stride[axis], window.dilation[axis], window.pads[axis][0]
    if size + sum(window.pads[axis]) < window.reach[axis]:
        return False
    count = window.count(op, tensor, axis, size)
    assert isinstance(count, int)
    if count > _MANY_WINDOWS:
        return True
    starts = range(-before, -before + count * stride, stride)
    # The first tap at or after 0 is the only one that can be inside.
    return any(max(start, start % dilation) >= size for start in starts)


def positive(op: str, tensor: TensorType, shape: tuple[Dim, ...]) -> tuple[Dim, ...]:
    """The shape, if every size in it is at least 1."""
    if not all(at_least(size, 1) for size in shape):
        raise Rejection(EmptyOutput(op, str(tensor), "x".join(map(str, shape))))
    return shape


def check_border(
    op: str, what: str, tensor: TensorType, sides: tuple[Pair, ...], mode: str
) -> None:
    """Refuses a border, the operator's parameter `what`, of more than the tensor has to fill it."""
    spare = {"reflect": 1, "circular": 0}.get(mode)
    if spare is None:
        return
    for size, pair in zip(tensor.spatial, sides, strict=True):
        if not at_least(size, max(pair) + spare):
            allowed = (
                f"below the size {size}, which is mirrored"
                if spare
                else f"at most the size {size}, which is repeated"
            )
            raise Rejection(OutOfRange(op, what, allowed, max(pair)))
