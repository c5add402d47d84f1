"""Convolution whose taps move: deformable convolution."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from math import prod
from typing import Any

from netspec.diagnostics.messages.shapes import NotDivisible, WrongCount, WrongPartner
from netspec.diagnostics.raised import Rejection
from netspec.ops.declare.checks import fixed_channels, need_spatial, type_of
from netspec.ops.declare.geometry import Geometry
from netspec.ops.declare.interfaces import Builder, Modules, Operand, V
from netspec.ops.declare.linear import Linear, Tensor
from netspec.ops.declare.reach import EVERYWHERE, Reach
from netspec.ops.spatial.conv import Grouped
from netspec.ops.spatial.sampling import Lookup, images_of
from netspec.sizes.conditions import equal
from netspec.sizes.shapes import TensorType


class DeformableConv(Grouped):
    """Deformable convolution: `deformconv3-64(@offsets)` moves each tap at each place.

    (C, H, W), offsets (2 * G * taps, H', W') and, in version 2, a mask (G * taps, H', W') to
    (width, H', W'): Dai et al. 2017, Zhu et al. 2019. The offsets of a tap are y, then x, in elements;
    G groups of channels have taps of their own. A mask is what its step makes it: a sigmoid, or twice
    one. Defaults for `conv` apply. As `torchvision.ops.deform_conv2d`.
    """

    spelling = "deformconv"
    arity = None
    places = (1,)
    order = ("kernel", "width", "stride")
    defaults_of = "conv"
    examples = (
        ("3x6x7", "conv3-18(pad=1) as moved; @input; deformconv3-4(@moved, pad=1)"),
        (
            "4x7x6",
            "conv2-16/2 as moved; @input; conv2-8/2; sigmoid as mask; @input; "
            "deformconv2-6/2(@moved, @mask, pad=((0, 0), (0, 1)), groups=2, bias=no)",
        ),
        (
            "2xHxW",
            "conv3-36(pad=2, dilation=2) as moved; @input; "
            "deformconv3-3(@moved, pad=2, dilation=2)",
        ),
    )

    def connect(self, wire: tuple[V, ...], references: tuple[V, ...]) -> tuple[V, ...]:
        if len(wire) != 1:
            raise Rejection(WrongCount(self.spelling, "one tensor", f"{len(wire)} tensors"))
        if len(references) not in (1, 2):
            expected = "offsets by reference, and a mask if there is one"
            raise Rejection(WrongPartner(self.spelling, expected))
        return (*wire, *references)

    def _geometry(self, tensor: TensorType) -> Geometry:
        need_spatial(self, tensor, 2)
        return super()._geometry(tensor)

    def _offset_groups(self, *inputs: TensorType) -> int:
        """How many groups of channels have taps of their own: what the offsets' channels say."""
        taps = prod(self._geometry(inputs[0]).kernel)
        given = fixed_channels(self.spelling, inputs[1])
        if given % (2 * taps):
            raise Rejection(NotDivisible(self.spelling, "channels of offsets", 2 * taps, given))
        groups, channels = given // (2 * taps), fixed_channels(self.spelling, inputs[0])
        if channels % groups:
            raise Rejection(NotDivisible(self.spelling, "channels", groups, channels))
        return groups

    def infer(self, *inputs: TensorType) -> TensorType:
        found = super().infer(*inputs)
        taps = self._offset_groups(*inputs) * prod(self._geometry(inputs[0]).kernel)
        for what, tensor, channels in zip(
            ("offsets", "a mask"), inputs[1:], (2 * taps, taps), strict=False
        ):
            wanted = found.with_shape(channels, *found.spatial)
            if (
                len(tensor.shape) != 3
                or tensor.batch != found.batch
                or not all(equal(a, b) for a, b in zip(tensor.shape, wanted.shape, strict=True))
            ):
                raise Rejection(WrongPartner(self.spelling, f"{what} of {wanted}, not {tensor}"))
        return found

    def reach(self, *inputs: TensorType) -> Reach:
        return EVERYWHERE

    def linear(self, own: Mapping[str, Tensor], *inputs: TensorType) -> Linear | None:
        # Nothing can be folded into a layer whose window depends on the numbers.
        return None

    def torch(self, modules: Modules, *inputs: TensorType) -> Any:
        return modules.apply(self, *inputs)

    def _taps(self, window: Geometry, axis: int) -> list[int]:
        """Where each tap of a window lies from the window's start along an axis, padding counted."""
        places = product(*map(range, window.kernel))
        return [place[axis] * window.dilation[axis] - window.before[axis] for place in places]

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        tensor, offsets = inputs[:2]
        kinds = [type_of(tensor) for tensor in inputs]
        window, groups = self._geometry(kinds[0]), self._offset_groups(*kinds)
        taps, (height, width) = prod(window.kernel), offsets.shape[2:]
        moved = offsets.reshape(-1, taps, 2, height, width)
        grid = []
        for axis, places in ((1, width), (0, height)):
            start = torch.arange(places, device=tensor.device) * window.stride[axis]
            start = start.to(tensor.dtype).view((1, 1, places) if axis else (1, places, 1))
            tap = torch.tensor(self._taps(window, axis), device=tensor.device)
            place = moved[:, :, axis] + (start + tap.view(-1, 1, 1))
            # What grid_sample takes for the centre of a pixel.
            grid.append((2 * place + 1) / tensor.shape[2 + axis] - 1)
        grid = torch.stack(grid, -1).flatten(2, 3)
        grouped = tensor.reshape(-1, tensor.shape[1] // groups, *tensor.shape[2:])
        seen = torch.nn.functional.grid_sample(grouped, grid, align_corners=False)
        if len(inputs) > 2:
            seen = seen * inputs[2].reshape(-1, 1, taps, height * width)
        seen = seen.unflatten(3, (height, width)).unflatten(2, window.kernel)
        apart = seen.permute(0, 1, 4, 2, 5, 3).reshape(
            -1, tensor.shape[1], height * window.kernel[0], width * window.kernel[1]
        )
        return torch.nn.functional.conv2d(
            apart, weights["weight"], weights.get("bias"), window.kernel, groups=self.groups
        )

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        window = self._geometry(inputs[0].type)
        groups = self._offset_groups(*(operand.type for operand in inputs))
        kernel = graph.weight("weight")
        bias = [graph.weight("bias")] if self.bias else []
        if graph.has("DeformConv"):
            names = [inputs[0].name, kernel, inputs[1].name, *(bias or [""])]
            names += [operand.name for operand in inputs[2:]]
            return graph.node(
                "DeformConv",
                names if names[-1] else names[:-1],
                kernel_shape=list(window.kernel),
                strides=list(window.stride),
                dilations=list(window.dilation),
                pads=window.onnx_pads,
                group=self.groups,
                offset_group=groups,
            )
        # What the taps see, each window's side by side: a plain convolution steps from one to the next.
        return graph.node(
            "Conv",
            [self._apart(graph, window, groups, *inputs), kernel, *bias],
            kernel_shape=list(window.kernel),
            strides=list(window.kernel),
            dilations=[1, 1],
            pads=[0, 0, 0, 0],
            group=self.groups,
        )

    def _apart(self, graph: Builder, window: Geometry, groups: int, *inputs: Operand) -> str:
        """What the taps of each window see, as a map (C, H' * kernel, W' * kernel)."""
        import numpy as np

        tensor, offsets = inputs[:2]
        taps, channels = prod(window.kernel), fixed_channels(self.spelling, tensor.type)
        grouped = tensor.name
        if groups > 1:
            sizes = graph.sizes(tensor.name, 2)
            shape = graph.node("Concat", [graph.integers([-1, channels // groups]), sizes], axis=0)
            grouped = graph.node("Reshape", [grouped, shape])
        lookup = Lookup(graph, tensor, grouped, graph.integers([channels // groups]))
        images = images_of(graph, tensor, groups)
        images = graph.node("Unsqueeze", [images, graph.integers([1, 2, 3])])

        places = graph.sizes(offsets.name, 2)
        shape = graph.node("Concat", [graph.integers([-1, taps, 2]), places], axis=0)
        moved = graph.split(graph.node("Reshape", [offsets.name, shape]), [1, 1], axis=2)
        found = []
        for axis, name in enumerate(moved):
            name = graph.node("Squeeze", [name, graph.integers([2])])
            taps_along = np.array(self._taps(window, axis), np.float32).reshape(-1, 1, 1)
            start = self._starts(graph, window, offsets, axis)
            tap = graph.node("Add", [graph.constant(taps_along), start])
            found.append(graph.node("Add", [name, tap]))
        seen = lookup.bilinear(images, *found, zeros=True)
        if len(inputs) > 2:
            shape = graph.node("Concat", [graph.integers([-1, taps]), places], axis=0)
            mask = graph.node("Reshape", [inputs[2].name, shape])
            seen = graph.node("Mul", [seen, graph.node("Unsqueeze", [mask, graph.integers([4])])])
        height, width = (graph.size(offsets, axis) for axis in (2, 3))
        kernel, inner = graph.integers(window.kernel), graph.integers([channels // groups])
        whole = graph.node("Concat", [graph.integers([-1]), kernel, height, width, inner], axis=0)
        apart = graph.node("Reshape", [seen, whole])
        apart = graph.node("Transpose", [apart], perm=[0, 5, 3, 1, 4, 2])
        rows, columns = (
            graph.node("Mul", [size, graph.integers([taps_of])])
            for size, taps_of in zip((height, width), window.kernel, strict=True)
        )
        batch = graph.sizes(tensor.name, 0, 1)
        shape = graph.node("Concat", [batch, graph.integers([channels]), rows, columns], axis=0)
        return graph.node("Reshape", [apart, shape])

    def _starts(self, graph: Builder, window: Geometry, offsets: Operand, axis: int) -> str:
        """Where windows start along an axis, to be added to (taps, H', W')."""
        import numpy as np

        size, step = offsets.type.spatial[axis], window.stride[axis]
        shape = (1, -1, 1) if axis == 0 else (1, 1, -1)
        if isinstance(size, int):
            return graph.constant((np.arange(size) * step).astype(np.float32).reshape(shape))
        steps = graph.node("Cast", [graph.steps(offsets, axis + 2)], to=1)
        starts = graph.scaled(steps, step)
        return graph.node("Reshape", [starts, graph.integers(shape)])
