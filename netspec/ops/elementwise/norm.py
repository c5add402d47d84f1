"""Normalisation: by a batch's statistics, and by those of each sample alone.

ONNX Runtime's fused kernels compute a variance as E[x^2] - E[x]^2, which cancels where the mean is
large beside the deviation. Centring first costs one pass and makes them exact to float32.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from netspec.diagnostics.messages.shapes import NotDivisible, OutOfRange
from netspec.diagnostics.raised import Rejection
from netspec.ops.declare.checks import fixed_channels, need_spatial
from netspec.ops.declare.interfaces import Builder, Modules, Operand
from netspec.ops.declare.linear import (
    Constant,
    InverseRoot,
    Product,
    Scaling,
    Sum,
    Tensor,
    Vector,
)
from netspec.ops.declare.operator import Elementwise
from netspec.ops.declare.params import count, flag, real, scheme_of
from netspec.ops.declare.reach import EVERYWHERE, POINTWISE, Reach
from netspec.ops.declare.schemes import Constant as Everywhere
from netspec.ops.declare.schemes import Ones, Zeros
from netspec.ops.declare.weight import Scheme, Weight
from netspec.sizes.conditions import at_least
from netspec.sizes.shapes import TensorType, numel

# A channel that is constant has no variance: by 0, PyTorch makes it 0 and ONNX Runtime NaN.
_LEAST = 1e-12


class BatchNorm(Elementwise):
    """Batch normalisation over the channels, with running statistics when deployed.

    (C, *sizes) to the same shape.
    """

    spelling = "bn"
    aliases = ("batchnorm",)
    examples = (
        ("3x5x6", "bn"),
        ("4", "bn(eps=0.001)"),
        ("4x5", "bn(affine=no)"),
        ("2x3x3x3", "bn"),
    )

    eps: float = real(1e-5, low=0.0, doc="added to the variance")
    momentum: float = real(0.1, low=0.0, high=1.0, doc="weight of a new batch's statistics")
    affine: bool = flag(True, doc="has a trained scale and shift")
    init: Scheme | None = scheme_of(None, doc="initialisation of the scale; one by default")
    bias_init: Scheme | None = scheme_of(None, doc="initialisation of the shift; zero by default")

    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        shape = (fixed_channels(self.spelling, inputs[0]),)
        scale = Weight("weight", shape, self.init or Ones())
        trained = (scale, Weight("bias", shape, self.bias_init or Zeros()))
        return (*trained, *_running(shape)) if self.affine else _running(shape)

    def infer(self, *inputs: TensorType) -> TensorType:
        need_spatial(self, inputs[0], 0, 1, 2, 3)
        return super().infer(*inputs)

    def torch(self, modules: Modules, *inputs: TensorType) -> Any:
        rank = max(1, len(inputs[0].spatial))
        kind = getattr(modules.nn, f"BatchNorm{rank}d")
        channels = fixed_channels(self.spelling, inputs[0])
        return kind(channels, eps=self.eps, momentum=self.momentum, affine=self.affine)

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        import numpy as np

        channels = fixed_channels(self.spelling, inputs[0].type)
        if self.affine:
            scale, shift = graph.weight("weight"), graph.weight("bias")
        else:
            scale = graph.constant(np.ones(channels, np.float32))
            shift = graph.constant(np.zeros(channels, np.float32))
        names = [scale, shift, graph.weight("running_mean"), graph.weight("running_var")]
        return graph.node("BatchNormalization", [inputs[0].name, *names], epsilon=self.eps)

    def scaling(self, own: Mapping[str, Tensor], *inputs: TensorType) -> Scaling:
        return _by_running(own, self.eps)


class _SampleNorm(Elementwise):
    """Normalises each sample by statistics of its own, then scales each channel."""

    eps: float = real(1e-5, low=_LEAST, doc="added to the variance")
    affine: bool = flag(True, doc="has a trained scale and shift")
    init: Scheme | None = scheme_of(None, doc="initialisation of the scale; one by default")

    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        shape = (fixed_channels(self.spelling, inputs[0]),)
        return (Weight("weight", shape, self.init or Ones()),) if self.affine else ()

    def _centred(self, graph: Builder, name: str, axes: list[int]) -> str:
        mean = graph.reduce("ReduceMean", name, axes)
        return graph.node("Sub", [name, mean])


class _ShiftedNorm(_SampleNorm):
    """Normalises each sample by statistics of its own, then scales and shifts each channel."""

    bias_init: Scheme | None = scheme_of(None, doc="initialisation of the shift; zero by default")

    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        scale = super().weights(*inputs)
        return scale + tuple(
            Weight("bias", weight.shape, self.bias_init or Zeros()) for weight in scale
        )

    def _scale_and_shift(self, graph: Builder, tensor: TensorType) -> list[str]:
        """The names of the trained scale and shift, or of ones and zeros."""
        import numpy as np

        owned = {weight.name for weight in self.weights(tensor)}
        given = {"weight": np.ones, "bias": np.zeros}
        channels = fixed_channels(self.spelling, tensor)
        return [
            graph.weight(name) if name in owned else graph.constant(fill(channels, np.float32))
            for name, fill in given.items()
        ]


class _ChannelNorm(_SampleNorm):
    """Normalises over the channels at each position. What scales them may be kept from a number on."""

    offset: float = real(
        0.0, doc="what the trained scale is added to: 1 where it is kept from one on"
    )

    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        scale, *rest = super().weights(*inputs) or (None,)
        if scale is None:
            return ()
        if self.offset and self.init is None:
            scale = replace(scale, init=Everywhere(1 - self.offset))
        return (scale, *rest)

    def _scale(self, trained: Any) -> Any:
        """What channels are multiplied by, of the trained tensor; None without one."""
        return trained + self.offset if self.offset and trained is not None else trained

    def _added(self, graph: Builder, scale: str) -> str:
        """The name of what channels are multiplied by, of the trained tensor's."""
        import numpy as np

        if not (self.offset and self.affine):
            return scale
        return graph.node("Add", [scale, graph.constant(np.float32(self.offset))])


class LayerNorm(_ChannelNorm, _ShiftedNorm):
    """Layer normalisation (Ba et al. 2016) over the channels at each position, as ConvNeXt does.

    (C, *sizes) to the same shape. Over all of a map it is `groupnorm(1)`. With `offset=1` it multiplies by
    1 + weight, as Nemotron's.
    """

    spelling = "layernorm"
    examples = (
        ("5", "layernorm"),
        ("6x4x5", "layernorm(eps=1e-6)"),
        ("4x7", "layernorm(affine=no)"),
        ("4x7", "layernorm(bias=no)"),
        ("4x7", "layernorm(offset=1)"),
    )

    bias: bool = flag(True, doc="has a trained shift beside the trained scale")

    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        return super().weights(*inputs)[: 1 + self.bias]

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        last = inputs[0].movedim(1, -1)
        scale, shift = self._scale(weights.get("weight")), weights.get("bias")
        norm = torch.nn.functional.layer_norm(last, last.shape[-1:], scale, shift, self.eps)
        return norm.movedim(-1, 1)

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        tensor = inputs[0].type
        rank = len(tensor.shape)
        scale, shift = self._scale_and_shift(graph, tensor)
        name = self._centred(graph, inputs[0].name, [1])
        if rank > 1:
            name = graph.node("Transpose", [name], perm=[0, *range(2, rank + 1), 1])
        name = graph.layer_norm(name, self._added(graph, scale), shift, self.eps)
        if rank > 1:
            name = graph.node("Transpose", [name], perm=[0, rank, *range(1, rank)])
        return name


class RmsNorm(_ChannelNorm):
    """Division by the root mean square of the channels at each position (Zhang and Sennrich 2019).

    (C, *sizes) to the same shape. With `offset=1` it multiplies by 1 + weight, as Gemma's.
    """

    spelling = "rmsnorm"
    examples = (
        ("5", "rmsnorm"),
        ("6x4x5", "rmsnorm(eps=0.001)"),
        ("4x7", "rmsnorm(affine=no)"),
        ("4x7", "rmsnorm(offset=1)"),
    )

    eps: float = real(1e-6, low=_LEAST, doc="added to the mean square")
    affine: bool = flag(True, doc="has a trained scale")

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        last = inputs[0].movedim(1, -1)
        scale = self._scale(weights.get("weight"))
        return torch.nn.functional.rms_norm(last, last.shape[-1:], scale, self.eps).movedim(-1, 1)

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        import numpy as np

        name, rank = inputs[0].name, len(inputs[0].type.spatial)
        square = graph.node("Mul", [name, name])
        mean = graph.reduce("ReduceMean", square, [1])
        root = graph.node("Sqrt", [graph.node("Add", [mean, graph.constant(np.float32(self.eps))])])
        name = graph.node("Div", [name, root])
        if not self.affine:
            return name
        return graph.node("Mul", [name, self._added(graph, graph.channel_weight("weight", rank))])


class L2Norm(Elementwise):
    """Division by the length of the vector of channels at each position (Liu et al. 2015, ParseNet).

    x / max(|x|, eps), (C, *sizes) to the same shape. SSD's, with a trained scale, is
    `l2norm; affine(bias=no, init=20)`; a cosine is the product of two vectors so divided.
    """

    spelling = "l2norm"
    examples = (("5", "l2norm"), ("6x4x5", "l2norm; affine(bias=no, init=20)"), ("4x7", "l2norm"))

    eps: float = real(1e-12, low=0.0, doc="the smallest length that is divided by")

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        return torch.nn.functional.normalize(inputs[0], dim=1, eps=self.eps)

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        import numpy as np

        name = inputs[0].name
        length = graph.reduce("ReduceL2", name, [1])
        length = graph.node("Max", [length, graph.constant(np.float32(self.eps))])
        return graph.node("Div", [name, length])


class GroupNorm(_ShiftedNorm):
    """Group normalisation (Wu and He 2018): over all positions of `groups` groups of channels.

    (C, *sizes) to the same shape.
    """

    spelling = "groupnorm"
    order = ("groups",)
    examples = (
        ("6x4x5", "groupnorm(3)"),
        ("4x7", "groupnorm(1, affine=no)"),
        ("8", "groupnorm(2)"),
        ("4x2x3x3", "groupnorm(4, eps=0.001)"),
    )

    groups: int = count(32, doc="groups of channels")

    def infer(self, *inputs: TensorType) -> TensorType:
        channels = fixed_channels(self.spelling, inputs[0])
        if channels % self.groups:
            raise Rejection(NotDivisible(self.spelling, "channels", self.groups, channels))
        _several(self.spelling, inputs[0], channels // self.groups)
        return super().infer(*inputs)

    def reach(self, *inputs: TensorType) -> Reach:
        return EVERYWHERE

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        scale, shift = weights.get("weight"), weights.get("bias")
        return torch.nn.functional.group_norm(inputs[0], self.groups, scale, shift, self.eps)

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        import numpy as np

        name, tensor = inputs[0].name, inputs[0].type
        grouped = graph.node("Reshape", [name, graph.integers([0, self.groups, -1])])
        # A group is a channel of instance normalisation, which every opset has. That of opset 18
        # scales groups, that of 21 channels.
        ones, zeros = np.ones(self.groups, np.float32), np.zeros(self.groups, np.float32)
        weights = [graph.constant(ones), graph.constant(zeros)]
        centred = self._centred(graph, grouped, [2])
        normal = graph.node("InstanceNormalization", [centred, *weights], epsilon=self.eps)
        normal = graph.node("Reshape", [normal, graph.shape(inputs[0])])
        if not self.affine:
            return normal
        rank = len(tensor.spatial)
        scaled = graph.node("Mul", [normal, graph.channel_weight("weight", rank)])
        return graph.node("Add", [scaled, graph.channel_weight("bias", rank)])


class InstanceNorm(_ShiftedNorm):
    """Instance normalisation (Ulyanov et al. 2016): over the positions of each channel.

    (C, *sizes) to the same shape; each channel needs more than one position. With `track` it keeps
    running statistics in training and normalises by those when deployed, as `bn` does.
    """

    spelling = "instancenorm"
    examples = (
        ("3x4x5", "instancenorm"),
        ("3x7", "instancenorm(affine=no)"),
        ("2x2x3x4", "instancenorm"),
        ("3x4x5", "instancenorm(track=yes)"),
        ("3x7", "instancenorm(track=yes, affine=no)"),
    )

    track: bool = flag(False, doc="has running statistics, which a deployed net uses")
    momentum: float = real(0.1, low=0.0, high=1.0, doc="weight of new statistics, where tracked")

    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        trained = super().weights(*inputs)
        if not self.track:
            return trained
        return trained + _running((fixed_channels(self.spelling, inputs[0]),))

    def infer(self, *inputs: TensorType) -> TensorType:
        need_spatial(self, inputs[0])
        _several(self.spelling, inputs[0], 1)
        return super().infer(*inputs)

    def reach(self, *inputs: TensorType) -> Reach:
        return POINTWISE if self.track else EVERYWHERE

    def torch(self, modules: Modules, *inputs: TensorType) -> Any:
        kind = getattr(modules.nn, f"InstanceNorm{len(inputs[0].spatial)}d")
        return kind(
            fixed_channels(self.spelling, inputs[0]),
            eps=self.eps,
            momentum=self.momentum,
            affine=self.affine,
            track_running_stats=self.track,
        )

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        tensor = inputs[0].type
        axes = list(range(2, len(tensor.shape) + 1))
        weights = self._scale_and_shift(graph, tensor)
        if self.track:
            running = [graph.weight("running_mean"), graph.weight("running_var")]
            names = [inputs[0].name, *weights, *running]
            return graph.node("BatchNormalization", names, epsilon=self.eps)
        centred = self._centred(graph, inputs[0].name, axes)
        return graph.node("InstanceNormalization", [centred, *weights], epsilon=self.eps)

    def scaling(self, own: Mapping[str, Tensor], *inputs: TensorType) -> Scaling | None:
        return _by_running(own, self.eps) if self.track else None


def _running(shape: tuple[int, ...]) -> tuple[Weight, ...]:
    """The running statistics of channels."""
    return (
        Weight("running_mean", shape, Zeros(), "statistic"),
        Weight("running_var", shape, Ones(), "statistic"),
    )


def _by_running(own: Mapping[str, Tensor], eps: float) -> Scaling:
    """The scale and shift that normalising by running statistics is, with those trained if any."""
    scale: Vector = InverseRoot(own["running_var"], eps)
    if "weight" in own:
        scale = Product((own["weight"], scale))
    centred = Product((Constant(-1.0), own["running_mean"], scale))
    return Scaling(scale, Sum((own["bias"], centred)) if "bias" in own else centred)


def _several(op: str, tensor: TensorType, channels: int) -> None:
    """Refuses statistics of a single value: its deviation is zero whatever it is."""
    values = numel(tensor.spatial) * channels
    if not at_least(values, 2):
        raise Rejection(OutOfRange(op, "values that share a statistic", "at least 2", values))
