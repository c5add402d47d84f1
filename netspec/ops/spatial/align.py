"""Regions of interest read between the elements of a map."""

from __future__ import annotations

from typing import Any

from netspec.diagnostics.messages.shapes import OutOfRange
from netspec.diagnostics.raised import Rejection
from netspec.ops.declare.checks import need_spatial, type_of
from netspec.ops.declare.geometry import every_axis
from netspec.ops.declare.interfaces import Builder, Operand, V
from netspec.ops.declare.operator import Operator
from netspec.ops.declare.params import count, flag, per_axis, real
from netspec.ops.declare.reach import EVERYWHERE, Reach
from netspec.ops.spatial.region import need_regions
from netspec.ops.spatial.sampling import Extent, Lookup
from netspec.sizes.dims import Dim
from netspec.sizes.shapes import TensorType


class RoiAlign(Operator):
    """Means over regions of values between a map's elements (He et al. 2017): `roialign7(@rois)`.

    (C, H, W) and regions (5,) to (C, *kernel), one for each region: the output's batch is theirs.
    A region is the index of its image in the batch, then x1, y1, x2, y2 in pixels of the image,
    which `scale` takes to the map. Each bin is the mean of `samples` x `samples` bilinear values; one
    more than a pixel outside the map is 0. As `torchvision.ops.roi_align`, whose detectors take
    2 samples and `aligned=no`: corners are then centres of pixels, and a region is 1 wide at least.
    """

    spelling = "roialign"
    arity = 2
    batches = "own"
    places = (1,)
    order = ("kernel", "scale", "samples")
    looks_back = True
    examples = (
        ("image: 3x11x14\ninput rois: 5 batch(R=4)", "@image; roialign3(@rois, scale=1/2)"),
        ("image: 2xHxW\ninput rois: 5 batch(R=4)", "@image; conv1-2; roialign2x3(@rois, 0.7)"),
        (
            "image: 2x9x8\ninput rois: 5 batch(R=4)",
            "@image; roialign2(@rois, samples=3, aligned=yes)",
        ),
    )

    kernel: int | tuple[int, ...] = per_axis(doc="size of the output")
    scale: float = real(1.0, low=0.0, doc="size of the map over that of the image")
    samples: int = count(2, low=0, high=64, doc="samples of a bin along each axis")
    aligned: bool = flag(False, doc="corners are between pixels: half a pixel less, and any width")

    def connect(self, wire: tuple[V, ...], references: tuple[V, ...]) -> tuple[V, ...]:
        return need_regions(self, wire, references)

    def infer(self, *inputs: TensorType) -> TensorType:
        if not self.samples:
            # torchvision's sampling_ratio=0 takes as many as a bin has pixels, another number for
            # each region: no table of sizes holds that.
            allowed = "at least 1; as many as each region has pixels is another number for each"
            raise Rejection(OutOfRange(self.spelling, "samples", allowed, 0))
        return inputs[1].with_shape(inputs[0].channels, *self._size(inputs[0]))

    def _size(self, tensor: TensorType) -> tuple[int, ...]:
        rank = need_spatial(self, tensor, 2)
        return every_axis(self.kernel, rank, self.spelling, tensor)

    def macs(self, *inputs: TensorType) -> Dim:
        return 0

    def reach(self, *inputs: TensorType) -> Reach:
        return EVERYWHERE

    def _steps(self, bins: int) -> list[float]:
        """Where the samples of all bins lie, as shares of a region's extent."""
        count = bins * self.samples
        return [(i + 0.5) / count for i in range(count)]

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        tensor, rois = inputs
        size = every_axis(self.kernel, 2, self.spelling, type_of(inputs[0]))
        height, width = tensor.shape[2:]
        images = rois[:, 0].long()[:, None, None]
        corners = rois[:, 1:] * self.scale - (0.5 if self.aligned else 0.0)
        y = self._read(torch, corners[:, 1], corners[:, 3], size[0], height)
        x = self._read(torch, corners[:, 0], corners[:, 2], size[1], width)
        last = tensor.permute(0, 2, 3, 1)
        terms = []
        for row, of_row in y:
            for column, of_column in x:
                weight = (of_row[:, :, None] * of_column[:, None, :]).unsqueeze(3)
                terms.append(last[images, row[:, :, None], column[:, None, :]] * weight)
        split = (
            sum(terms[1:], terms[0])
            .unflatten(2, (size[1], self.samples))
            .unflatten(1, (size[0], self.samples))
        )
        return split.mean((2, 4)).permute(0, 3, 1, 2)

    def _read(
        self, torch: Any, first: Any, last: Any, bins: int, size: int
    ) -> tuple[tuple[Any, Any], ...]:
        """The elements (R, samples) before and after each sample along an axis, and their weights."""
        steps = torch.tensor(self._steps(bins), dtype=first.dtype, device=first.device)
        extent = last - first if self.aligned else (last - first).clamp(min=1)
        place = first[:, None] + steps * extent[:, None]
        seen = ((place >= -1) & (place <= size)).to(place.dtype)
        place = place.clamp(0, size - 1)
        before = place.floor()
        share = place - before
        after = (before + 1).clamp(max=size - 1)
        return (before.long(), (1 - share) * seen), (after.long(), share * seen)

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        tensor, rois = inputs
        size = self._size(tensor.type)
        image, corners = graph.split(rois.name, [1, 4], axis=1)
        if graph.has("RoiAlign") and not (
            self.aligned and not graph.has("RoiAlign by half pixels")
        ):
            index = graph.node("Cast", [graph.node("Squeeze", [image, graph.integers([1])])], to=7)
            # Where there is the choice, it is said; before, corners are centres of pixels.
            word = "half_pixel" if self.aligned else "output_half_pixel"
            said = graph.has("RoiAlign by half pixels")
            more = {"coordinate_transformation_mode": word} if said else {}
            return graph.node(
                "RoiAlign",
                [tensor.name, corners, index],
                output_height=size[0],
                output_width=size[1],
                sampling_ratio=self.samples,
                spatial_scale=float(self.scale),
                mode="avg",
                **more,
            )
        return self._written_out(graph, tensor, image, corners, size)

    def _written_out(
        self, graph: Builder, tensor: Operand, image: str, corners: str, size: tuple[int, ...]
    ) -> str:
        import numpy as np

        lookup = Lookup(graph, tensor)
        images = graph.node("Unsqueeze", [graph.node("Cast", [image], to=7), graph.integers([2])])
        corners = graph.scaled(corners, self.scale)
        if self.aligned:
            corners = graph.node("Sub", [corners, graph.constant(np.float32(0.5))])
        x1, y1, x2, y2 = graph.split(corners, [1] * 4, axis=1)
        rows, of_rows = self._places(graph, lookup, y1, y2, size[0], lookup.height)
        columns, of_columns = self._places(graph, lookup, x1, x2, size[1], lookup.width)
        down, right = graph.integers([2]), graph.integers([1])
        rows, of_rows = (graph.node("Unsqueeze", [name, down]) for name in (rows, of_rows))
        columns, of_columns = (
            graph.node("Unsqueeze", [name, right]) for name in (columns, of_columns)
        )
        found = lookup.bilinear(images, rows, columns, zeros=False)
        seen = graph.node("Mul", [of_rows, of_columns])
        found = graph.node("Mul", [found, graph.node("Unsqueeze", [seen, graph.integers([3])])])
        split = [0, size[0], self.samples, size[1], self.samples]
        channels = graph.size(tensor, 1)
        shape = graph.node("Concat", [graph.integers(split), channels], axis=0)
        bins = graph.reduce("ReduceMean", graph.node("Reshape", [found, shape]), [2, 4], keep=False)
        return graph.node("Transpose", [bins], perm=[0, 3, 1, 2])

    def _places(
        self, graph: Builder, lookup: Lookup, first: str, last: str, bins: int, extent: Extent
    ) -> tuple[str, str]:
        """Where samples lie along an axis, brought inside the map, and 1 for those that are seen."""
        import numpy as np

        one = graph.constant(np.float32(1))
        length = graph.node("Sub", [last, first])
        if not self.aligned:
            length = graph.node("Max", [length, one])
        steps = graph.constant(np.array(self._steps(bins), np.float32))
        place = graph.node("Add", [first, graph.node("Mul", [length, steps])])
        after = graph.node("GreaterOrEqual", [place, graph.constant(np.float32(-1))])
        before = graph.node("LessOrEqual", [place, extent.size])
        seen = graph.node("Cast", [graph.node("And", [after, before])], to=1)
        return lookup.clipped(place, extent), seen
