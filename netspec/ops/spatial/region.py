"""Pooling over regions of interest."""

from __future__ import annotations

from typing import Any

from netspec.diagnostics.messages.shapes import OutOfRange, WrongPartner
from netspec.diagnostics.raised import Rejection
from netspec.ops.declare.checks import need_partners, need_spatial, type_of
from netspec.ops.declare.geometry import every_axis
from netspec.ops.declare.interfaces import Builder, Operand, V
from netspec.ops.declare.operator import Operator
from netspec.ops.declare.params import per_axis, real
from netspec.ops.declare.plain import plain
from netspec.ops.declare.reach import EVERYWHERE, Reach
from netspec.sizes.conditions import at_least
from netspec.sizes.dims import Dim, substitute, symbols_of
from netspec.sizes.shapes import TensorType

# The largest value of a symbol in a map's size that tables are made for.
_LARGEST = 4096


def need_regions(op: Operator, wire: tuple[V, ...], references: tuple[V, ...]) -> tuple[V, ...]:
    """The map on the wire and the regions by reference; raises Rejection for anything else."""
    need_partners(op, wire, references, 1)
    if references[0].shape != (5,):
        expected = "regions of 5 numbers, as in `input rois: 5 batch(R=2000)`"
        raise Rejection(WrongPartner(op.spelling, expected))
    return (*wire, *references)


@plain
def roi_pool(
    torch: Any,
    x: Any,
    rois: Any,
    size: tuple[int, ...],
    scale: float,
) -> Any:
    """The maximum in each bin of each region, (R, C, *size): of two overlapping windows.

    Windows are as long as powers of two, of which there are so many along each axis as the map holds.
    """
    height, width = int(x.shape[2]), int(x.shape[3])
    levels = (height.bit_length(), width.bit_length())

    def table(tensor: Any, axis: int) -> list[Any]:
        # Level j holds at each place the maximum of the 2^j elements from there on.
        found = [tensor]
        length = tensor.shape[axis]
        for level in range(levels[axis - 1] - 1):
            step = min(2**level, length)
            last = found[-1]
            ahead = last.narrow(axis, step, length - step)
            kept = last.narrow(axis, 0, length - step)
            tail = last.narrow(axis, length - step, step)
            found.append(torch.cat([torch.maximum(kept, ahead), tail], axis))
        return found

    def bins(first: Any, last: Any, axis: int) -> list[Any]:
        # The two starts of each bin's lookups, their level, and whether it is empty.
        count, length = size[axis], (height, width)[axis]
        extent = (last - first + 1).clamp(min=1).unsqueeze(1) / count
        steps = torch.arange(count + 1, device=x.device, dtype=torch.float32)
        start = first.unsqueeze(1) + (steps[:-1] * extent).floor()
        end = first.unsqueeze(1) + (steps[1:] * extent).ceil()
        start, end = start.clamp(0, length).long(), end.clamp(0, length).long()
        powers = 2 ** torch.arange(1, max(2, length.bit_length()), device=x.device)
        level = ((end - start).unsqueeze(2) >= powers).sum(2)
        second = (end - 2**level).clamp(0, length - 1)
        return [start.clamp(0, length - 1), second, level, end <= start]

    tables = [table(row, 2) for row in table(x.permute(0, 2, 3, 1), 1)]
    flat = torch.stack([level for row in tables for level in row], 1).flatten(0, 3)
    # In float32 whatever the net's type, for Caffe's rounding is part of the rule.
    corners = rois[:, 1:].float() * scale
    whole = corners.abs().floor()
    rounded = corners.sign() * (whole + ((corners.abs() - whole) >= 0.5))
    image = rois[:, :1].long() * (levels[0] * levels[1])
    *y, y_level, y_empty = bins(rounded[:, 1], rounded[:, 3], 0)
    *x_starts, x_level, x_empty = bins(rounded[:, 0], rounded[:, 2], 1)
    base = ((image + y_level * levels[1]) * (height * width)).unsqueeze(2)
    base = base + (x_level * (height * width)).unsqueeze(1)
    found = [
        flat[base + (top * width).unsqueeze(2) + left.unsqueeze(1)]
        for top in y
        for left in x_starts
    ]
    best = found[0]
    for corner in found[1:]:
        best = torch.maximum(best, corner)
    empty = y_empty.unsqueeze(2) | x_empty.unsqueeze(1)
    return torch.where(empty.unsqueeze(3), 0, best).permute(0, 3, 1, 2)


class RoiPool(Operator):
    """Max pooling of regions to a fixed size (Girshick 2015): `roipool7(@rois, scale=1/16)`.

    (C, H, W) and regions (5,) to (C, *kernel), one for each region: the output's batch is theirs.
    A region is the index of its image in the batch, then x1, y1, x2, y2 in pixels of the image,
    which `scale` takes to the map. Caffe's rule: corners rounded, halves away from zero, both
    ends inside; bins are cut off at the map's border, and an empty bin gives 0.

    A bin is a rectangle: its maximum is that of four overlapping rectangles whose sides are powers
    of two, looked up in tables of such maxima. So the work does not depend on the regions' sizes.
    """

    spelling = "roipool"
    arity = 2
    batches = "own"
    places = (1,)
    order = ("kernel", "scale")
    looks_back = True
    examples = (
        ("image: 3x11x14\ninput rois: 5 batch(R=4)", "@image; roipool3(@rois, scale=1/2)"),
        ("image: 2xHxW\ninput rois: 5 batch(R=4)", "@image; conv1-2; roipool2x3(@rois)"),
    )

    kernel: int | tuple[int, ...] = per_axis(doc="size of the output")
    scale: float = real(1.0, low=0.0, doc="size of the map over that of the image")

    def connect(self, wire: tuple[V, ...], references: tuple[V, ...]) -> tuple[V, ...]:
        return need_regions(self, wire, references)

    def _size(self, tensor: TensorType) -> tuple[int, ...]:
        rank = need_spatial(self, tensor, 2)
        return every_axis(self.kernel, rank, self.spelling, tensor)

    def _levels(self, tensor: TensorType) -> list[int]:
        """For each axis, how many powers of two a bin's length may reach."""
        found = []
        for size in tensor.spatial:
            largest = substitute(size, dict.fromkeys(symbols_of(size), _LARGEST))
            assert isinstance(largest, int)
            levels = largest.bit_length()
            if not at_least(2**levels, size):
                raise Rejection(OutOfRange(self.spelling, "the map", f"at most {2**levels}", size))
            found.append(levels)
        return found

    def infer(self, *inputs: TensorType) -> TensorType:
        size = self._size(inputs[0])
        self._levels(inputs[0])
        return inputs[1].with_shape(inputs[0].channels, *size)

    def macs(self, *inputs: TensorType) -> Dim:
        return 0

    def reach(self, *inputs: TensorType) -> Reach:
        return EVERYWHERE

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        return roi_pool(torch, *inputs, self._size(type_of(inputs[0])), self.scale)

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        # ONNX's MaxRoiPool rounds otherwise, and ONNX Runtime has none of the newer opsets.
        import numpy as np

        size, levels = self._size(inputs[0].type), self._levels(inputs[0].type)
        tensor = graph.node("Transpose", [inputs[0].name], perm=[0, 2, 3, 1])
        tables = []
        for row in self._onnx_table(graph, tensor, 1, levels[0]):
            for level in self._onnx_table(graph, row, 2, levels[1]):
                tables.append(graph.node("Unsqueeze", [level, graph.integers([1])]))
        channels = graph.size(inputs[0], 1)
        shape = graph.node("Concat", [graph.integers([-1]), channels], axis=0)
        flat = graph.node("Reshape", [graph.node("Concat", tables, axis=1), shape])

        columns = graph.split(inputs[1].name, [1] * 5, axis=1)
        x1, y1, x2, y2 = (self._onnx_rounded(graph, name) for name in columns[1:])
        height, width = graph.size(inputs[0], 2), graph.size(inputs[0], 3)
        y = self._onnx_bins(graph, y1, y2, size[0], height, levels[0])
        x = self._onnx_bins(graph, x1, x2, size[1], width, levels[1])
        plane = graph.node("Mul", [height, width])
        image = graph.node("Cast", [columns[0]], to=7)
        image = graph.node("Mul", [image, graph.integers([levels[0] * levels[1]])])
        row = graph.node("Mul", [y[2], graph.integers([levels[1]])])
        row = graph.node("Mul", [graph.node("Add", [image, row]), plane])
        down, right = graph.integers([2]), graph.integers([1])
        base = graph.node(
            "Add",
            [
                graph.node("Unsqueeze", [row, down]),
                graph.node("Unsqueeze", [graph.node("Mul", [x[2], plane]), right]),
            ],
        )
        corners = []
        for top in y[:2]:
            offset = graph.node("Unsqueeze", [graph.node("Mul", [top, width]), down])
            for left in x[:2]:
                place = graph.node("Add", [offset, graph.node("Unsqueeze", [left, right])])
                place = graph.node("Add", [base, place])
                corners.append(graph.node("Gather", [flat, place], axis=0))
        found = graph.node("Max", corners)
        empty = graph.node(
            "Or",
            [graph.node("Unsqueeze", [y[3], down]), graph.node("Unsqueeze", [x[3], right])],
        )
        empty = graph.node("Unsqueeze", [empty, graph.integers([3])])
        found = graph.node("Where", [empty, graph.constant(np.float32(0)), found])
        return graph.node("Transpose", [found], perm=[0, 3, 1, 2])

    def _onnx_table(self, graph: Builder, name: str, axis: int, levels: int) -> list[str]:
        import numpy as np

        found = [name]
        least = float(np.finfo(np.float32).min)
        for level in range(levels - 1):
            step = graph.integers([2**level])
            sides = [(0, 2**level if i == axis else 0) for i in range(4)]
            ahead = graph.pad(found[-1], sides, least)
            bounds = [step, graph.integers([2**62]), graph.integers([axis])]
            found.append(graph.node("Max", [found[-1], graph.node("Slice", [ahead, *bounds])]))
        return found

    def _onnx_rounded(self, graph: Builder, name: str) -> str:
        import numpy as np

        name = graph.node("Mul", [name, graph.constant(np.float32(self.scale))])
        size = graph.node("Abs", [name])
        whole = graph.node("Floor", [size])
        rest = graph.node("Sub", [size, whole])
        up = graph.node("GreaterOrEqual", [rest, graph.constant(np.float32(0.5))])
        size = graph.node("Add", [whole, graph.node("Cast", [up], to=1)])
        return graph.node("Mul", [graph.node("Sign", [name]), size])

    def _onnx_bins(
        self, graph: Builder, first: str, last: str, count: int, size: str, levels: int
    ) -> tuple[str, ...]:
        """As `_bins`; `first` and `last` are (R, 1)."""
        import numpy as np

        one, zero = graph.constant(np.float32(1)), graph.constant(np.float32(0))
        extent = graph.node("Add", [graph.node("Sub", [last, first]), one])
        extent = graph.node("Max", [extent, one])
        graph.want("Div rounded to nearest")
        extent = graph.node("Div", [extent, graph.constant(np.float32(count))])
        steps = np.arange(count + 1, dtype=np.float32)
        limit = graph.node("Cast", [size], to=1)
        edges = []
        for rounding, part in (("Floor", steps[:-1]), ("Ceil", steps[1:])):
            edge = graph.node(rounding, [graph.node("Mul", [graph.constant(part), extent])])
            edge = graph.node("Max", [graph.node("Add", [edge, first]), zero])
            edges.append(graph.node("Cast", [graph.node("Min", [edge, limit])], to=7))
        start, end = edges
        length = graph.node("Sub", [end, start])
        powers = graph.integers([2**level for level in range(levels)])
        reached = graph.node(
            "GreaterOrEqual", [graph.node("Unsqueeze", [length, graph.integers([2])]), powers]
        )
        counts = graph.node("Cast", [reached], to=7)
        level = graph.reduce("ReduceSum", counts, [2], keep=False)
        # Level 0 is reached by every bin that is not empty.
        level = graph.node(
            "Max", [graph.node("Sub", [level, graph.integers([1])]), graph.integers([0])]
        )
        second = graph.node("Sub", [end, graph.node("Gather", [powers, level], axis=0)])
        second = graph.node("Max", [second, graph.integers([0])])
        last_place = graph.node("Sub", [size, graph.integers([1])])
        start = graph.node("Min", [start, last_place])
        empty = graph.node("LessOrEqual", [length, graph.integers([0])])
        return start, second, level, empty
