"""Larger and smaller maps by interpolation."""

from __future__ import annotations

from typing import Any

from netspec.diagnostics.messages.shapes import OutOfRange, WrongPartner
from netspec.diagnostics.raised import Rejection
from netspec.ops.declare.checks import need_partners, need_spatial, type_of
from netspec.ops.declare.geometry import every_axis
from netspec.ops.declare.interfaces import Builder, Operand, V
from netspec.ops.declare.operator import Operator
from netspec.ops.declare.params import choice, flag, per_axis
from netspec.ops.declare.reach import Reach, Unsupported, Upsampling
from netspec.sizes.dims import Dim
from netspec.sizes.shapes import TensorType

_TORCH_LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}


class Upsample(Operator):
    """Interpolation to `factor` times the size, to `size`, or to that of another tensor.

    (C, *sizes) to (C, *sizes'). `bilinear` is linear along every axis, whatever their number;
    `bicubic` is for two. As torch.nn.functional.interpolate computes it.
    """

    spelling = "upsample"
    arity = None
    sized_by = 1
    order = ("factor",)
    examples = (
        ("2x4x5", "upsample(2)"),
        ("2x4x5", "upsample(3x1, mode=bilinear)"),
        ("2x4x5", "upsample(2, mode=bilinear, align_corners=yes)"),
        ("2x4x5", "upsample(2, mode=bicubic)"),
        ("2x6x5", "upsample(size=7x3, mode=bilinear)"),
        ("2x20x26", "upsample(size=48x64)"),
        ("2x9x8", "upsample(size=4x5, mode=bicubic, antialias=yes)"),
        ("2x1x1", "upsample(size=3x4, mode=bilinear)"),
        ("2x1x5", "upsample(2, mode=bilinear)"),
        ("2x3x1", "upsample(3x2, mode=bicubic)"),
        ("2xHxW", "relu as x; gap(keep=yes); upsample(@x, mode=bilinear)"),
        ("3x5", "upsample(2, mode=bilinear)"),
        ("2x3x4x2", "upsample(2, mode=bilinear)"),
        ("2x7x9", "relu as x; maxpool2; upsample(@x)"),
    )

    factor: int | tuple[int, ...] | None = per_axis(None, doc="new size over old")
    size: int | tuple[int, ...] | None = per_axis(None, doc="new size")
    mode: str = choice("nearest", "bilinear", "bicubic", default="nearest", doc="interpolation")
    align_corners: bool = flag(False, doc="the corners' centres stay; not for nearest")
    antialias: bool = flag(False, doc="averages where the map shrinks; 2-D, not for nearest")

    def connect(self, wire: tuple[V, ...], references: tuple[V, ...]) -> tuple[V, ...]:
        if self.factor is not None and self.size is not None:
            raise Rejection(WrongPartner(self.spelling, "a factor or a size, not both"))
        sized = self.factor is not None or self.size is not None
        need_partners(self, wire, references, 0 if sized else 1)
        return (*wire, *references)

    def _factors(self, tensor: TensorType) -> tuple[int, ...] | None:
        if self.factor is None:
            return None
        return every_axis(self.factor, len(tensor.spatial), self.spelling, tensor)

    def _sizes(self, *inputs: TensorType) -> tuple[Dim, ...]:
        tensor = inputs[0]
        rank = need_spatial(self, tensor)
        if self.mode == "bicubic" or self.antialias:
            need_spatial(self, tensor, 2)
        factors = self._factors(tensor)
        if factors is not None:
            return tuple(size * f for size, f in zip(tensor.spatial, factors, strict=True))
        if self.size is not None:
            return every_axis(self.size, rank, self.spelling, tensor)
        need_spatial(self, inputs[1], rank)
        return inputs[1].spatial

    def infer(self, *inputs: TensorType) -> TensorType:
        for name in ("align_corners", "antialias"):
            if self.mode == "nearest" and getattr(self, name):
                allowed = "no with mode=nearest"
                raise Rejection(OutOfRange(self.spelling, name, allowed, "yes"))
        if self.align_corners and self.antialias:
            # Which centres an averaging window would have then, torch and ONNX disagree on.
            raise Rejection(OutOfRange(self.spelling, "align_corners", "no with antialias", "yes"))
        return inputs[0].with_shape(inputs[0].channels, *self._sizes(*inputs))

    def macs(self, *inputs: TensorType) -> Dim:
        return 0

    def reach(self, *inputs: TensorType) -> Reach:
        factors = self._factors(inputs[0])
        if factors is None:
            return Unsupported("the step between elements is not a whole number")
        if self.align_corners:
            return Unsupported("align_corners stretches the map by a fraction")
        # As the transposed convolution that computes the same.
        taps = {"nearest": 1, "bilinear": 2, "bicubic": 4}[self.mode]
        kernel = tuple(taps * f - (f % 2 if taps == 2 else 0) for f in factors)
        before = tuple((k - f + 1) // 2 for k, f in zip(kernel, factors, strict=True))
        return Upsampling(kernel, factors, before)

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        tensor = inputs[0]
        types = [type_of(x) for x in inputs]
        sizes, factors = self._sizes(*types), self._factors(types[0])
        if self.mode == "nearest":
            for axis, size in enumerate(sizes, 2):
                places = self._nearest(torch, tensor, axis, size)
                tensor = tensor.index_select(axis, places)
            return tensor
        interpolate = torch.nn.functional.interpolate
        mode = "bicubic" if self.mode == "bicubic" else _TORCH_LINEAR[len(sizes)]
        options = {"mode": mode, "align_corners": self.align_corners, "antialias": self.antialias}
        if factors is None:
            return interpolate(tensor, size=sizes, **options)
        return interpolate(tensor, scale_factor=tuple(map(float, factors)), **options)

    def _nearest(self, torch: Any, tensor: Any, axis: int, size: Any) -> Any:
        """Where each element comes from: in float32, whose rounding is part of torch's rule."""
        length, steps = tensor.shape[axis], torch.arange(size, device=tensor.device)
        if self.factor is not None:
            return steps // (size // length)
        ratio = torch.tensor(length, dtype=torch.float32, device=tensor.device) / size
        return (steps.float() * ratio).floor().long().clamp(max=length - 1)

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        types = [operand.type for operand in inputs]
        sizes, factors = self._sizes(*types), self._factors(types[0])
        spatial = types[0].spatial
        symbols = [s for s in (*spatial, *sizes) if not isinstance(s, int)]
        if self.antialias and not symbols and not graph.has("Resize with antialias"):
            return self._averaged(graph, inputs[0], sizes)
        # What is alone along an axis has no neighbours to lie between, and OpenCV reads some.
        if set(spatial) == {1} != set(sizes):
            return graph.node(
                "Expand", [inputs[0].name, self._places(graph, inputs, sizes, (1, 1))]
            )
        copies = [
            new if old == 1 and isinstance(new, int) else 1
            for old, new in zip(spatial, sizes, strict=True)
        ]
        name = inputs[0].name
        if set(copies) != {1}:
            name = graph.node("Expand", [name, graph.integers([1, 1, *copies])])
        if self.mode == "nearest" and factors is None:
            for axis in (i for i, count in enumerate(copies, 2) if count == 1):
                places = self._onnx_nearest(graph, inputs, axis, sizes[axis - 2])
                name = graph.node("Gather", [name, places], axis=axis)
            return name
        if len(sizes) != 2:
            graph.want("Resize of 1 or 3 axes")
        coordinates = "align_corners" if self.align_corners else "half_pixel"
        attributes = {
            "mode": {"bilinear": "linear", "bicubic": "cubic"}.get(self.mode, self.mode),
            "coordinate_transformation_mode": "asymmetric"
            if self.mode == "nearest"
            else coordinates,
            "nearest_mode": "floor",
            "cubic_coeff_a": -0.5 if self.antialias else -0.75,
            "exclude_outside": int(self.antialias),
            **({"antialias": 1} if self.antialias else {}),
        }
        if factors is not None:
            import numpy as np

            left = [
                factor if count == 1 else 1 for factor, count in zip(factors, copies, strict=True)
            ]
            scales = graph.constant(np.asarray([1, 1, *left], np.float32))
            return graph.node("Resize", [name, "", scales], **attributes)
        outer = graph.sizes(inputs[0].name, 0, 2)
        full = graph.node("Concat", [outer, self._places(graph, inputs, sizes)], axis=0)
        return graph.node("Resize", [name, "", "", full], **attributes)

    def _places(
        self,
        graph: Builder,
        inputs: tuple[Operand, ...],
        sizes: tuple[Dim, ...],
        before: tuple[int, ...] = (),
    ) -> str:
        """The name of a vector: these numbers, and the new sizes."""
        fixed = [size for size in sizes if isinstance(size, int)]
        if len(fixed) == len(sizes):
            return graph.integers([*before, *fixed])
        places = graph.sizes(inputs[1].name, 2)
        return graph.node("Concat", [graph.integers(before), places], axis=0) if before else places

    def _averaged(self, graph: Builder, operand: Operand, sizes: tuple[Any, ...]) -> str:
        """The interpolation that averages, as one product with a matrix for each axis."""
        name, rank = operand.name, len(sizes) + 2
        for axis, new in enumerate(sizes, 2):
            matrix = _weights(operand.type.shape[axis - 1], new, self.mode == "bicubic")
            name = graph.mapped(name, rank, axis, matrix)
        return name

    def _onnx_nearest(
        self, graph: Builder, inputs: tuple[Operand, ...], axis: int, size: Dim
    ) -> str:
        length = inputs[0].type.shape[axis - 1]
        if isinstance(length, int) and isinstance(size, int):
            return graph.constant(nearest_places(length, size))
        old = graph.size(inputs[0], axis)
        new = graph.integers([size]) if isinstance(size, int) else graph.size(inputs[1], axis)
        steps = (
            graph.integers(range(size)) if isinstance(size, int) else graph.steps(inputs[1], axis)
        )
        steps = graph.node("Cast", [steps], to=1)
        ratio = graph.node(
            "Div", [graph.node("Cast", [old], to=1), graph.node("Cast", [new], to=1)]
        )
        places = graph.node("Floor", [graph.node("Mul", [steps, ratio])])
        last = graph.node("Sub", [old, graph.integers([1])])
        return graph.node("Min", [graph.node("Cast", [places], to=7), last])


def nearest_places(old: int, new: int) -> Any:
    """Where each of `new` elements comes from among `old`, as torch rounds it in float32."""
    import numpy as np

    exact = np.arange(new, dtype=np.float32) * (np.float32(old) / np.float32(new))
    return np.minimum(np.floor(exact).astype(np.int64), old - 1)


def _weights(old: Any, new: Any, cubic: bool) -> Any:
    """The matrix (old, new) of an averaging interpolation along one axis, as torch has it.

    The kernel is stretched by the ratio where the map shrinks: a triangle, or Keys' cubic (1981) with
    a = -1/2.
    """
    import numpy as np

    ratio = max(1.0, old / new)
    support = (2 if cubic else 1) * ratio
    matrix = np.zeros((old, new))
    for i in range(new):
        centre = old / new * (i + 0.5)
        places = np.arange(
            max(0, int(centre - support + 0.5)), min(old, int(centre + support + 0.5))
        )
        x = np.abs((places + 0.5 - centre) / ratio)
        if cubic:
            near, far = (1.5 * x - 2.5) * x * x + 1, ((-0.5 * x + 2.5) * x - 4) * x + 2
            kernel = np.where(x < 1, near, np.where(x < 2, far, 0))
        else:
            kernel = np.maximum(0, 1 - x)
        matrix[places, i] = kernel / kernel.sum()
    return matrix
