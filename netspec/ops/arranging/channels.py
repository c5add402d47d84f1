"""Elements cut, moved and added, without computing: split, slice, pick, flip, shuffle, pad_channels."""

from __future__ import annotations

from math import prod
from typing import Any

from netspec.diagnostics.messages.names import MissingArgument
from netspec.diagnostics.messages.shapes import NotDivisible, OutOfRange, WrongRank
from netspec.diagnostics.raised import Rejection
from netspec.ops.declare.checks import fixed_channels, type_of
from netspec.ops.declare.interfaces import Builder, Operand
from netspec.ops.declare.operator import Elementwise, Operator
from netspec.ops.declare.params import choice, count, integers
from netspec.ops.declare.reach import POINTWISE, Reach, Unsupported
from netspec.ops.declare.values import show
from netspec.ops.spatial.border import FAR, shifted
from netspec.sizes.conditions import at_least
from netspec.sizes.dims import Dim
from netspec.sizes.shapes import TensorType

# As many parts as equal ones may be.
_MOST_PARTS = 1024


class Split(Operator):
    """Cuts the channels into parts, equal ones or of the sizes given: one tensor becomes a bundle.

    (C, *sizes) to `parts` tensors of (C / parts, *sizes), or to one of each of the sizes.
    """

    spelling = "split"
    order = ("parts",)
    either = ("parts", "sizes")
    examples = (
        ("6x4x5", "split(3); concat"),
        ("6x4", "split(sizes=(1, 3, 2)); { | relu | tanh | identity }; concat"),
    )

    parts: int | None = count(None, low=2, high=1024, doc="how many equal parts")
    sizes: tuple[int, ...] | None = integers(None, doc="channels of each part, instead of `parts`")

    def _sizes(self, tensor: TensorType) -> tuple[int, ...]:
        """The channels of each part."""
        channels = fixed_channels(self.spelling, tensor)
        if self.sizes is None:
            if self.parts is None:
                raise Rejection(MissingArgument(self.spelling, "parts or sizes", self.usage()))
            if channels % self.parts:
                raise Rejection(NotDivisible(self.spelling, "channels", self.parts, channels))
            return (channels // self.parts,) * self.parts
        if min(self.sizes) < 1 or sum(self.sizes) != channels or len(self.sizes) > _MOST_PARTS:
            allowed = f"channels of at least 1 that are {channels} in all"
            raise Rejection(OutOfRange(self.spelling, "sizes", allowed, show(self.sizes)))
        return self.sizes

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        tensor = inputs[0]
        return tuple(tensor.with_shape(size, *tensor.spatial) for size in self._sizes(tensor))

    def macs(self, *inputs: TensorType) -> Dim:
        return 0

    def reach(self, *inputs: TensorType) -> Reach:
        return POINTWISE

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        if self.sizes is None:
            return torch.chunk(inputs[0], self.parts, dim=1)
        return torch.split(inputs[0], self.sizes, dim=1)

    def onnx(self, graph: Builder, *inputs: Operand) -> tuple[str, ...]:
        return graph.split(inputs[0].name, self._sizes(inputs[0].type), axis=1)


AXES = {"channels": 0, "depth": -3, "height": -2, "width": -1, "time": -1}


def _axis(op: Operator, name: str, tensor: TensorType) -> int:
    """The axis of a tensor that is called so; raises Rejection where it has none."""
    axis, rank = AXES[name], len(tensor.shape)
    if (axis < 0 and rank + axis < 1) or (name == "time" and rank != 2):
        raise Rejection(WrongRank(op.spelling, f"a tensor with {name}", str(tensor)))
    return axis % rank


class Slice(Operator):
    """Elements `start` to `end` along one axis, `end` excluded; negative ones count from the end.

    (C, *sizes) to the same with one size changed. `slice(0, 3)` takes the first three channels,
    `slice(-1, axis=time)` the last step. Of ids it gives ids: `slice(0, 1)` the first column of a table.
    """

    spelling = "slice"
    moves = True
    order = ("start", "end")
    examples = (
        ("6x4x5", "slice(1, 4)"),
        ("6x4x5", "slice(1, -1, step=2)"),
        ("6x9", "slice(-1, axis=time)"),
        ("6x4x5", "slice(1, axis=height)"),
        ("7", "slice(2, 5)"),
        ("4 ids(9)", "slice(1, 3); embedding-2"),
    )

    start: int = count(low=-(2**31), doc="the first")
    end: int | None = count(None, low=-(2**31), doc="the one after the last; none for all the rest")
    step: int = count(1, doc="distance of those taken")
    axis: str = choice(*AXES, default="channels", doc="along what")

    def infer(self, *inputs: TensorType) -> TensorType:
        tensor = inputs[0]
        axis = _axis(self, self.axis, tensor)
        size = tensor.shape[axis]
        first = self.start if self.start >= 0 else size + self.start
        last = size if self.end is None else self.end if self.end >= 0 else size + self.end
        if not (at_least(size, last) and at_least(last, first + 1) and at_least(first, 0)):
            piece = f"{self.start} to {show(self.end)}"
            allowed = f"within {size} {self.axis}"
            raise Rejection(OutOfRange(self.spelling, "the slice", allowed, piece))
        # Counted from the end on both sides, it is as long at every size of the tensor.
        ends = (self.end or 0) - self.start if self.start < 0 and (self.end or -1) < 0 else None
        length = ((last - first if ends is None else ends) + self.step - 1) // self.step
        return tensor.resized(axis, length)

    def macs(self, *inputs: TensorType) -> Dim:
        return 0

    def reach(self, *inputs: TensorType) -> Reach:
        axis, rank = _axis(self, self.axis, inputs[0]), len(inputs[0].spatial)
        if axis == 0:
            return POINTWISE
        start = self.start if self.start >= 0 else inputs[0].shape[axis] + self.start
        if not isinstance(start, int):
            return Unsupported("where the slice starts depends on the size of the input")
        before = tuple(-start if i == axis - 1 else 0 for i in range(rank))
        stride = tuple(self.step if i == axis - 1 else 1 for i in range(rank))
        return shifted(rank, before, stride)

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        axis = _axis(self, self.axis, type_of(inputs[0]))
        index: list[Any] = [slice(None)] * inputs[0].dim()
        index[axis + 1] = slice(self.start, self.end, self.step)
        return inputs[0][tuple(index)]

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        end = FAR if self.end is None else self.end
        bounds = (self.start, end, _axis(self, self.axis, inputs[0].type) + 1, self.step)
        return graph.node("Slice", [inputs[0].name, *(graph.integers([b]) for b in bounds)])


class Pick(Operator):
    """Elements of one axis in the order given, each as often as it is named: `pick((2, 0, 1))`.

    (C, *sizes) to the same with one size changed; negative places count from the end. Of ids it gives ids.
    """

    spelling = "pick"
    moves = True
    order = ("elements",)
    examples = (
        ("6x4x5", "pick((2, 0, 1))"),
        ("3x9", "pick((0, -1, 4, 4), axis=time)"),
        ("2x4x5", "pick([3], axis=height)"),
        ("4 ids(9)", "pick((3, 0)); embedding-2"),
    )

    elements: tuple[int, ...] = integers(doc="which, from 0")
    axis: str = choice(*AXES, default="channels", doc="along what")

    def infer(self, *inputs: TensorType) -> TensorType:
        tensor = inputs[0]
        axis = _axis(self, self.axis, tensor)
        size = tensor.shape[axis]
        least = max(-min(self.elements), max(self.elements) + 1)
        if not at_least(size, least):
            allowed = f"within {size} {self.axis}"
            raise Rejection(OutOfRange(self.spelling, "elements", allowed, show(self.elements)))
        return tensor.resized(axis, len(self.elements))

    def macs(self, *inputs: TensorType) -> Dim:
        return 0

    def reach(self, *inputs: TensorType) -> Reach:
        if _axis(self, self.axis, inputs[0]) == 0:
            return POINTWISE
        return Unsupported("places may be picked from anywhere")

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        axis = _axis(self, self.axis, type_of(inputs[0])) + 1
        size = inputs[0].shape[axis]
        places = torch.tensor([p % size for p in self.elements], device=inputs[0].device)
        return inputs[0].index_select(axis, places)

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        axis = _axis(self, self.axis, inputs[0].type) + 1
        size = inputs[0].type.shape[axis - 1]
        places = [p % size if isinstance(size, int) else p for p in self.elements]
        return graph.node("Gather", [inputs[0].name, graph.integers(places)], axis=axis)


class Flip(Elementwise):
    """The tensor mirrored along one axis: `flip` is the horizontal reflection of an image.

    (C, *sizes) to the same shape: the last element comes first.
    """

    spelling = "flip"
    order = ("axis",)
    examples = (
        ("3x4x5", "flip"),
        ("3x4x5", "flip(height)"),
        ("2x3x4x5", "flip(depth)"),
        ("6x9", "flip(time)"),
        ("7", "flip(channels)"),
        ("3xHxW", "conv3-2; flip"),
    )

    axis: str = choice(*AXES, default="width", doc="along what")

    def infer(self, *inputs: TensorType) -> TensorType:
        _axis(self, self.axis, inputs[0])
        return super().infer(*inputs)

    def reach(self, *inputs: TensorType) -> Reach:
        axis, rank = _axis(self, self.axis, inputs[0]), len(inputs[0].spatial)
        if axis == 0:
            return POINTWISE
        size = inputs[0].shape[axis]
        if not isinstance(size, int):
            return Unsupported("where a mirrored axis starts depends on the size of the input")
        before = tuple(1 - size if i == axis - 1 else 0 for i in range(rank))
        stride = tuple(-1 if i == axis - 1 else 1 for i in range(rank))
        return shifted(rank, before, stride)

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        return torch.flip(inputs[0], (_axis(self, self.axis, type_of(inputs[0])) + 1,))

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        bounds = (-1, -FAR, _axis(self, self.axis, inputs[0].type) + 1, -1)
        return graph.node("Slice", [inputs[0].name, *(graph.integers([b]) for b in bounds)])


class PadChannels(Operator):
    """Zero channels appended up to `width`: the shortcut of option A (He et al. 2016, section 4.1).

    (C, *sizes) to (width, *sizes).
    """

    spelling = "pad_channels"
    order = ("width",)
    examples = (("3x4x5", "pad_channels(8)"), ("3", "pad_channels(3)"), ("3x6", "pad_channels(4)"))

    width: int = count(doc="output channels")

    def _missing(self, tensor: TensorType) -> int:
        channels = fixed_channels(self.spelling, tensor)
        if channels > self.width:
            allowed = f"at least the {channels} channels that flow in"
            raise Rejection(OutOfRange(self.spelling, "width", allowed, self.width))
        return self.width - channels

    def infer(self, *inputs: TensorType) -> TensorType:
        self._missing(inputs[0])
        return inputs[0].with_shape(self.width, *inputs[0].spatial)

    def macs(self, *inputs: TensorType) -> Dim:
        return 0

    def reach(self, *inputs: TensorType) -> Reach:
        return POINTWISE

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        tensor = inputs[0]
        sides = [0, 0] * (tensor.dim() - 2)
        return torch.nn.functional.pad(tensor, [*sides, 0, self.width - tensor.shape[1]])

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        missing, rank = self._missing(inputs[0].type), len(inputs[0].type.spatial)
        return graph.pad(inputs[0].name, [(0, 0), (0, missing), *[(0, 0)] * rank])


class Shuffle(Elementwise):
    """Channel shuffle (Zhang et al. 2018): output channel i*groups + j is input channel j*n + i.

    (C, *sizes) to the same shape; C = groups * n.
    """

    spelling = "shuffle"
    order = ("groups",)
    examples = (("6x4x5", "shuffle(3)"), ("6x4", "shuffle(2)"))

    groups: int = count(doc="groups that are interleaved")

    def infer(self, *inputs: TensorType) -> TensorType:
        channels = fixed_channels(self.spelling, inputs[0])
        if channels % self.groups:
            raise Rejection(NotDivisible(self.spelling, "channels", self.groups, channels))
        return super().infer(*inputs)

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        tensor = inputs[0]
        grouped = tensor.unflatten(1, (self.groups, -1))
        return grouped.transpose(1, 2).flatten(1, 2)

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        # A gather of channels says the same, and OpenVINO misreads it between convolutions.
        tensor = inputs[0].type
        each = fixed_channels(self.spelling, tensor) // self.groups
        sizes = [size for size in tensor.spatial if isinstance(size, int)]
        flat = [prod(sizes)] if len(sizes) == len(tensor.spatial) else [-1]
        shape = graph.integers([0, self.groups, each, *flat])
        grouped = graph.node("Reshape", [inputs[0].name, shape])
        turned = graph.node("Transpose", [grouped], perm=[0, 2, 1, 3])
        return graph.node("Reshape", [turned, graph.shape(inputs[0])])
