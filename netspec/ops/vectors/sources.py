"""Tensors that come from no input: trained, given by value, or following from a size."""

from __future__ import annotations

from typing import Any, ClassVar

from netspec.diagnostics.messages.names import MissingArgument
from netspec.diagnostics.messages.shapes import NotDivisible
from netspec.diagnostics.raised import Rejection
from netspec.ops.declare.checks import fixed_channels, need_spatial, type_of
from netspec.ops.declare.interfaces import Builder, Operand, V
from netspec.ops.declare.known import Values
from netspec.ops.declare.operator import Operator
from netspec.ops.declare.params import choice, flag, known, per_axis, real, scheme_of
from netspec.ops.declare.plain import plain
from netspec.ops.declare.reach import Reach, Unsupported
from netspec.ops.declare.schemes import Gaussian
from netspec.ops.declare.weight import Scheme, Weight
from netspec.sizes.batch import SHARED
from netspec.sizes.dims import Dim
from netspec.sizes.shapes import TensorType


class Source(Operator):
    """An operator that reads of what flows in no number, at most its sizes."""

    sized_by: ClassVar[int | None] = 0

    def connect(self, wire: tuple[V, ...], references: tuple[V, ...]) -> tuple[V, ...]:
        return (*wire, *references)[:1]

    def macs(self, *inputs: TensorType) -> Dim:
        return 0

    def reach(self, *inputs: TensorType) -> Reach:
        return Unsupported("it comes from no input")


class Parameter(Source):
    """A trained tensor that is no layer's: queries, tokens, scalars. `frozen=yes` keeps it fixed.

    Anything to (*shape), the same for every sample: a merge takes it for each. What flows in is not
    read.
    """

    spelling = "parameter"
    order = ("shape",)
    examples = (
        ("3x4", "add { | identity | parameter(3x4) }"),
        ("6", "concat { | identity | parameter(2, init=ones) }"),
    )

    shape: int | tuple[int, ...] = per_axis(doc="its sizes")
    init: Scheme | None = scheme_of(None, doc="initialisation; gaussian(0.02) by default")

    def _sizes(self) -> tuple[int, ...]:
        return (self.shape,) if isinstance(self.shape, int) else self.shape

    def infer(self, *inputs: TensorType) -> TensorType:
        return TensorType(self._sizes(), SHARED)

    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        return (Weight("weight", self._sizes(), self.init or Gaussian(0.02)),)

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        # A view of a parameter wants a gradient wherever it is made; a copy does not.
        return weights["weight"].unsqueeze(0).clone()

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        return graph.node("Unsqueeze", [graph.weight("weight"), graph.integers([0])])


class Constant(Source):
    """A tensor given by value: `constant([[0, 1], [1, 0]])`, `constant(ones, shape=1x8x8)`.

    Anything to the shape of the lists, or to `shape`, along whose last axes the numbers are repeated;
    the same for every sample. It is not trained, is no parameter, and no file of weights need hold it.
    """

    spelling = "constant"
    order = ("value", "shape")
    examples = (
        ("2x3", "mul { | identity | constant([[1, 2, 3], [4, 5, 6]]) }"),
        ("3x4x4", "add { | identity | constant(0.5, shape=3) }"),
        ("3", "constant(ones, shape=2x3)"),
    )

    value: Scheme | None = known(
        None, doc="numbers in lists, one number, or a filter that is not drawn"
    )
    shape: int | tuple[int, ...] | None = per_axis(
        None, doc="its sizes; those of the lists by default"
    )

    def _sizes(self) -> tuple[int, ...]:
        if self.shape is not None:
            return (self.shape,) if isinstance(self.shape, int) else self.shape
        if not isinstance(self.value, Values):
            raise Rejection(MissingArgument(self.spelling, "shape", self.usage()))
        return self.value.shape

    def _value(self) -> Scheme:
        if self.value is None:
            raise Rejection(MissingArgument(self.spelling, "value", self.usage()))
        return self.value

    def infer(self, *inputs: TensorType) -> TensorType:
        self._value()
        return TensorType(self._sizes(), SHARED)

    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        shape = self._sizes()
        window = 0 if isinstance(self.value, Values) else len(shape) - 1
        return (Weight("value", shape, self._value(), "constant", window=window),)

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        return weights["value"].unsqueeze(0)

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        return graph.node("Unsqueeze", [graph.weight("value"), graph.integers([0])])


@plain
def waves(
    torch: Any,
    tensor: Any,
    rank: int,
    half: int,
    base: float,
    halves: bool = False,
    normalised: bool = False,
    offsets: bool = False,
) -> Any:
    """Sines and cosines of the places of (N, C, *sizes): (1, C, *sizes).

    Each of `rank` axes has `half` of either, of wavelengths that grow to `base` times 2 pi.
    They take turns, or stand in `halves`; `normalised`, an axis is one turn; of `offsets` they are of
    the steps from a place back to another, (1, C, 2 T - 1), most first.
    """
    last = half - 1 if halves and half > 1 else half
    rates = [base ** (-i / last) for i in range(half)]
    each = torch.tensor(rates, dtype=torch.float64, device=tensor.device).unsqueeze(1)
    sizes = [tensor.shape[2 + axis] for axis in range(rank)]
    planes = []
    for axis, size in enumerate(sizes):
        places = torch.arange(size, dtype=torch.float64, device=tensor.device)
        if offsets:
            places = torch.cat([places.flip(0), -places[1:]])
        if normalised:
            places = (places + 1) * (2 * torch.pi) / (size + 1e-6)
        angles = each * places
        parts = torch.stack([angles.sin(), angles.cos()], 0 if halves else 1)
        if offsets:
            return parts.flatten(0, 1).to(tensor.dtype).unsqueeze(0)
        wide = [1] * rank
        wide[axis] = size
        planes.append(parts.flatten(0, 1).reshape(-1, *wide).expand(-1, *sizes))
    return torch.cat(planes).to(tensor.dtype).unsqueeze(0)


class Waves(Source):
    """Sines and cosines of the places, of growing wavelength: `add { | identity | waves }`.

    (C, *sizes), of which only the sizes are read, to the same shape, the same for every sample.
    Channels are shared out among the axes, the first first. `interleaved` puts each sine before its
    cosine (Vaswani et al. 2017, 3.5; wavelengths from 2 pi to below `base` times that), `halves` all
    sines before all cosines with the last at `base` (Tensor2Tensor; Whisper, Radford et al. 2022).
    `normalised` counts places from 1 and takes an axis for one turn (DETR, Carion et al. 2020).
    With `offsets`, (C, T) to (C, 2 T - 1): of the steps from each place back to another, most first,
    for `relative_scores` (Transformer-XL, Dai et al. 2019).
    """

    spelling = "waves"
    examples = (
        ("4x6", "add { | identity | waves }"),
        ("6xT", "add { | identity | waves(layout=halves) }"),
        ("8x3x4", "add { | identity | waves(normalised=yes) }"),
        ("6x5", "waves(offsets=yes)"),
    )
    either = ("normalised", "offsets")

    base: float = real(10000.0, low=1.0, doc="growth of the wavelengths")
    layout: str = choice(
        "interleaved", "halves", default="interleaved", doc="order of the channels"
    )
    normalised: bool = flag(False, doc="an axis is one turn, whatever its size")
    offsets: bool = flag(False, doc="of steps between two places, not of places")

    def _half(self, tensor: TensorType) -> int:
        rank, channels = need_spatial(self, tensor), fixed_channels(self.spelling, tensor)
        if channels % (2 * rank):
            raise Rejection(NotDivisible(self.spelling, "channels", 2 * rank, channels))
        return channels // (2 * rank)

    def infer(self, *inputs: TensorType) -> TensorType:
        half = self._half(inputs[0])
        if self.offsets:
            need_spatial(self, inputs[0], 1)
            return TensorType((2 * half, inputs[0].spatial[0] * 2 - 1), SHARED)
        return TensorType(inputs[0].shape, SHARED)

    def _rates(self, half: int) -> list[float]:
        """Radians a step of each pair of channels."""
        last = half - 1 if self.layout == "halves" and half > 1 else half
        return [self.base ** (-i / last) for i in range(half)]

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        tensor = inputs[0]
        half = self._half(type_of(tensor))
        halves = self.layout == "halves"
        rank, normalised = tensor.dim() - 2, self.normalised
        return waves(torch, tensor, rank, half, self.base, halves, normalised, self.offsets)

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        kind = inputs[0].type
        half, rank = self._half(kind), len(kind.spatial)
        planes = []
        for axis in range(rank):
            parts = self._angles(graph, inputs[0], axis, half)
            wide = [1] * rank
            if rank > 1:
                wide[axis] = -1
                parts = graph.node("Reshape", [parts, graph.integers([2 * half, *wide])])
                shape = graph.node(
                    "Concat", [graph.integers([2 * half]), _sizes(graph, inputs[0])], axis=0
                )
                parts = graph.node("Expand", [parts, shape])
            planes.append(parts)
        whole = planes[0] if rank == 1 else graph.node("Concat", planes, axis=0)
        return graph.node("Unsqueeze", [whole, graph.integers([0])])

    def _angles(self, graph: Builder, operand: Operand, axis: int, half: int) -> str:
        """Sines and cosines along an axis, (2 * half, size): numbers where the size is one."""
        import numpy as np

        rates, size = np.array(self._rates(half)), operand.type.spatial[axis]
        order = int(self.layout == "interleaved")
        if isinstance(size, int):
            known = np.arange(size, dtype=np.float64)
            if self.offsets:
                known = np.arange(size - 1, -size, -1, dtype=np.float64)
            if self.normalised:
                known = (known + 1) * (2 * np.pi) / (size + 1e-6)
            turns = rates[:, None] * known
            waves = np.stack([np.sin(turns), np.cos(turns)], order)
            return graph.constant(waves.reshape(2 * half, -1).astype(np.float32))
        places = graph.steps(operand, axis + 2)
        if self.offsets:
            one, most = graph.integers([1]), graph.integers([2**31 - 1])
            last = graph.node("Sub", [graph.size(operand, axis + 2), one])
            later = graph.node("Neg", [graph.node("Slice", [places, one, most])])
            places = graph.node("Concat", [graph.node("Sub", [last, places]), later], axis=0)
        places = graph.node("Cast", [places], to=1)
        if self.normalised:
            turn = graph.node("Cast", [graph.size(operand, axis + 2)], to=1)
            turn = graph.node("Add", [turn, graph.constant(np.float32(1e-6))])
            places = graph.node("Add", [places, graph.constant(np.float32(1))])
            places = graph.node("Mul", [places, graph.constant(np.float32(2 * np.pi))])
            places = graph.node("Div", [places, turn])
        places = graph.node("Unsqueeze", [places, graph.integers([0])])
        angles = graph.node("Mul", [graph.constant(rates[:, None].astype(np.float32)), places])
        parts = [
            graph.node("Unsqueeze", [graph.node(word, [angles]), graph.integers([order])])
            for word in ("Sin", "Cos")
        ]
        both = graph.node("Concat", parts, axis=order)
        return graph.node("Reshape", [both, graph.integers([2 * half, -1])])


def _sizes(graph: Builder, operand: Operand) -> str:
    """A vector of the sizes of a map."""
    if all(isinstance(size, int) for size in operand.type.spatial):
        return graph.integers([size for size in operand.type.spatial if isinstance(size, int)])
    return graph.sizes(operand.name, 2)


class Repeat(Operator):
    """A tensor that is one for all samples, once for each of `@x`'s: it stands before what needs that.

    (*sizes) to (*sizes), with the rows of the other tensor. It is put in by itself.
    """

    spelling = "expand"
    arity = 2
    batches = "own"
    sized_by = 1
    examples = (("3x4", "relu as x; parameter(3x4); expand(@x)"),)

    def infer(self, *inputs: TensorType) -> TensorType:
        return TensorType(inputs[0].shape, inputs[1].batch)

    def macs(self, *inputs: TensorType) -> Dim:
        return 0

    def reach(self, *inputs: TensorType) -> Reach:
        return Unsupported("it comes from no input")

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        tensor, like = inputs
        return tensor.expand(like.shape[0], *tensor.shape[1:])

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        ones = graph.integers([1] * len(inputs[0].type.shape))
        shape = graph.node("Concat", [graph.sizes(inputs[1].name, 0, 1), ones], axis=0)
        return graph.node("Expand", [inputs[0].name, shape])


def reads_nothing(op: Operator) -> bool:
    """Whether an operator gives the same whatever flows in, sizes too."""
    return isinstance(op, Parameter | Constant)
