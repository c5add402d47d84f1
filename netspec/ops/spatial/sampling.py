"""Maps read between their elements, at places that are computed: `grid_sample`, and what makes grids.

`Lookup` is how ONNX is made to read so where it has no operator for it; others share it.
"""

from __future__ import annotations

from typing import Any

from netspec.diagnostics.messages.shapes import WrongPartner, WrongRank
from netspec.diagnostics.raised import Rejection
from netspec.ops.declare.checks import need_partners, need_spatial, type_of
from netspec.ops.declare.geometry import every_axis
from netspec.ops.declare.interfaces import Builder, Operand, V
from netspec.ops.declare.operator import Operator
from netspec.ops.declare.params import choice, flag, per_axis
from netspec.ops.declare.reach import EVERYWHERE, Reach
from netspec.sizes.conditions import equal
from netspec.sizes.dims import Dim
from netspec.sizes.shapes import TensorType

# The coefficient of cubic convolution (Keys 1981) as PyTorch and ONNX have it.
_CUBIC = -0.75


class Extent:
    """The size of a map along an axis in an ONNX graph; nodes are added for what is asked."""

    def __init__(self, graph: Builder, tensor: Operand, axis: int) -> None:
        self._graph, self._tensor, self._axis = graph, tensor, axis

    @property
    def whole(self) -> str:
        """The name of a vector of one integer."""
        return self._graph.size(self._tensor, self._axis)

    @property
    def size(self) -> str:
        """The name of the same as a number."""
        return self._number(0)

    @property
    def last(self) -> str:
        """The name of the place of the last element, a number."""
        return self._number(-1)

    @property
    def apart(self) -> str:
        """The name of how far the first and the last element lie apart, 1 where they are the same."""
        import numpy as np

        return self._graph.node("Max", [self.last, self._graph.constant(np.float32(1))])

    def _number(self, more: int) -> str:
        import numpy as np

        size = self._tensor.type.shape[self._axis - 1]
        if isinstance(size, int):
            return self._graph.constant(np.float32(size + more))
        found = self._graph.node("Cast", [self.whole], to=1)
        if more:
            found = self._graph.node("Add", [found, self._graph.constant(np.float32(more))])
        return found


class Lookup:
    """A batch of maps in an ONNX graph, read at computed places: rows of channels, one for each place.

    Places are numbers (height, then width) and images are integers, of any shapes that broadcast;
    what is read has the channels after their axes.
    """

    def __init__(self, graph: Builder, tensor: Operand, name: str = "", channels: str = "") -> None:
        """Of a tensor, or of its channels in groups of `channels`, which `name` then has as images."""
        self._graph = graph
        self.height, self.width = Extent(graph, tensor, 2), Extent(graph, tensor, 3)
        last = graph.node("Transpose", [name or tensor.name], perm=[0, 2, 3, 1])
        channels = channels or graph.size(tensor, 1)
        shape = graph.node("Concat", [graph.integers([-1]), channels], axis=0)
        self._rows = graph.node("Reshape", [last, shape])
        self._plane = graph.node("Mul", [self.height.whole, self.width.whole])

    def at(self, images: str, row: str, column: str) -> str:
        """The channels at whole places inside the map."""
        graph = self._graph
        row, column = (graph.node("Cast", [name], to=7) for name in (row, column))
        place = graph.node("Add", [graph.node("Mul", [row, self.width.whole]), column])
        place = graph.node("Add", [graph.node("Mul", [images, self._plane]), place])
        # What is no number becomes an integer below all: its weight keeps it no number.
        place = graph.node("Max", [place, graph.integers([0])])
        return graph.node("Gather", [self._rows, place], axis=0)

    def bilinear(self, images: str, row: str, column: str, *, zeros: bool) -> str:
        """The channels between the four elements around a place; beyond the border 0, or the border's."""
        rows = self._neighbours(row, self.height, zeros=zeros)
        return self.weighed(images, rows, self._neighbours(column, self.width, zeros=zeros))

    def weighed(
        self, images: str, rows: list[tuple[str, str]], columns: list[tuple[str, str]]
    ) -> str:
        """The sum over pairs of rows and columns, each a whole place inside and its weight."""
        graph, last = self._graph, self._graph.integers([-1])
        total = ""
        for row, of_row in rows:
            for column, of_column in columns:
                weight = graph.node("Unsqueeze", [graph.node("Mul", [of_row, of_column]), last])
                term = graph.node("Mul", [self.at(images, row, column), weight])
                total = graph.node("Add", [total, term]) if total else term
        return total

    def _neighbours(self, place: str, extent: Extent, *, zeros: bool) -> list[tuple[str, str]]:
        import numpy as np

        graph, one = self._graph, self._graph.constant(np.float32(1))
        before = graph.node("Floor", [place])
        share = graph.node("Sub", [place, before])
        found = [(before, graph.node("Sub", [one, share]))]
        found.append((graph.node("Add", [before, one]), share))
        return [self.inside(*pair, extent, zeros=zeros) for pair in found]

    def inside(self, place: str, weight: str, extent: Extent, *, zeros: bool) -> tuple[str, str]:
        """A whole place brought inside the map, and its weight; 0, with `zeros`, where it was not."""
        graph = self._graph
        held = self.clipped(place, extent)
        if not zeros:
            return held, weight
        was = graph.node("Cast", [graph.node("Equal", [place, held])], to=1)
        return held, graph.node("Mul", [weight, was]) if weight else was

    def clipped(self, place: str, extent: Extent) -> str:
        """The nearest place inside the map."""
        import numpy as np

        zero = self._graph.constant(np.float32(0))
        return self._graph.node("Min", [self._graph.node("Max", [place, zero]), extent.last])


def images_of(graph: Builder, tensor: Operand, groups: int = 1) -> str:
    """The name of a vector: the numbers of a batch's images, or of groups of channels of each."""
    import numpy as np

    count = graph.sizes(tensor.name, 0, 1)
    if groups > 1:
        count = graph.node("Mul", [count, graph.integers([groups])])
    zero, one = (graph.constant(np.asarray(i, np.int64)) for i in (0, 1))
    return graph.node("Range", [zero, graph.node("Squeeze", [count]), one])


class GridSample(Operator):
    """A map read where a grid says: `grid_sample(@grid)`, the sampler of spatial transformers.

    (C, H, W) and a grid (2, H', W') to (C, H', W'). A grid holds x, then y: -1 is the left or upper
    edge and 1 the other, those of the outer pixels, or with `align` their centres. As
    `torch.nn.functional.grid_sample`.
    """

    spelling = "grid_sample"
    arity = 2
    places = (1,)
    order = ("mode", "padding")
    examples = (
        ("3x5x6", "conv3-2(pad=same) as grid; @input; grid_sample(@grid)"),
        ("image: 2x5x6\ninput grid: 2x3x4", "@image; grid_sample(@grid, nearest, border)"),
        ("image: 2xHxW\ninput grid: 2x4x3", "@image; grid_sample(@grid, bicubic, align=yes)"),
        ("2x4x5", "conv2-2; scaled(2) as grid; @input; grid_sample(@grid, padding=reflection)"),
    )

    mode: str = choice(
        "bilinear", "nearest", "bicubic", default="bilinear", doc="what lies between elements"
    )
    padding: str = choice(
        "zeros", "border", "reflection", default="zeros", doc="what lies beyond the border"
    )
    align: bool = flag(False, doc="-1 and 1 are the centres of the outer pixels, not their edges")

    def connect(self, wire: tuple[V, ...], references: tuple[V, ...]) -> tuple[V, ...]:
        need_partners(self, wire, references, 1)
        return (*wire, *references)

    def infer(self, *inputs: TensorType) -> TensorType:
        tensor, grid = inputs
        need_spatial(self, tensor, 2)
        if len(grid.shape) != 3 or not equal(grid.channels, 2):
            raise Rejection(WrongPartner(self.spelling, f"a grid of 2 channels, not {grid}"))
        if grid.batch != tensor.batch:
            raise Rejection(WrongPartner(self.spelling, "a grid for each sample"))
        return tensor.with_shape(tensor.channels, *grid.spatial)

    def macs(self, *inputs: TensorType) -> Dim:
        return 0

    def reach(self, *inputs: TensorType) -> Reach:
        return EVERYWHERE

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        grid = inputs[1].permute(0, 2, 3, 1)
        return torch.nn.functional.grid_sample(inputs[0], grid, self.mode, self.padding, self.align)

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        tensor, grid = inputs
        if graph.has("GridSample") and graph.has(f"GridSample by {self.mode}"):
            last = graph.node("Transpose", [grid.name], perm=[0, 2, 3, 1])
            return graph.grid_sample(tensor.name, last, self.mode, self.padding, self.align)
        lookup = Lookup(graph, tensor)
        images = graph.node("Unsqueeze", [images_of(graph, tensor), graph.integers([1, 2])])
        column, row = (
            graph.node("Squeeze", [name, graph.integers([1])])
            for name in graph.split(grid.name, [1, 1], axis=1)
        )
        rows = self._read(graph, lookup, row, lookup.height)
        columns = self._read(graph, lookup, column, lookup.width)
        found = lookup.weighed(images, rows, columns)
        return graph.node("Transpose", [found], perm=[0, 3, 1, 2])

    def _read(
        self, graph: Builder, lookup: Lookup, place: str, extent: Extent
    ) -> list[tuple[str, str]]:
        """The whole places along an axis that are read for a place of the grid, with their weights."""
        import numpy as np

        def number(value: float) -> str:
            return graph.constant(np.float32(value))

        zeros = self.padding == "zeros"
        place = graph.node("Add", [place, number(1)])
        if self.align:
            place = graph.node("Mul", [place, graph.node("Mul", [extent.last, number(0.5)])])
        else:
            place = graph.node("Sub", [graph.node("Mul", [place, extent.size]), number(1)])
            place = graph.node("Mul", [place, number(0.5)])
        if self.mode != "bicubic":
            place = self._held(graph, lookup, place, extent)
        if self.mode == "nearest":
            one = graph.node("Add", [graph.node("Mul", [place, number(0)]), number(1)])
            return [lookup.inside(graph.node("Round", [place]), one, extent, zeros=zeros)]
        before = graph.node("Floor", [place])
        share = graph.node("Sub", [place, before])
        if self.mode == "bilinear":
            weights = {0: graph.node("Sub", [number(1), share]), 1: share}
        else:
            weights = {tap: _cubic(graph, share, tap) for tap in (-1, 0, 1, 2)}
        found = []
        for tap, weight in weights.items():
            there = graph.node("Add", [before, number(tap)]) if tap else before
            if self.mode == "bicubic":
                there = self._held(graph, lookup, there, extent)
            found.append(lookup.inside(there, weight, extent, zeros=zeros))
        return found

    def _held(self, graph: Builder, lookup: Lookup, place: str, extent: Extent) -> str:
        """A place along an axis as the padding has it."""
        import numpy as np

        if self.padding == "zeros":
            return place
        if self.padding == "reflection":
            # A triangle wave between the mirrors, which are `span` apart, the first of them at `low`.
            low = graph.constant(np.float32(0.0 if self.align else -0.5))
            span = extent.apart if self.align else extent.size
            period = graph.node("Add", [span, span])
            place = graph.node("Abs", [graph.node("Sub", [place, low])])
            turns = graph.node("Floor", [graph.node("Div", [place, period])])
            place = graph.node("Sub", [place, graph.node("Mul", [turns, period])])
            place = graph.node("Min", [place, graph.node("Sub", [period, place])])
            place = graph.node("Add", [place, low])
            if self.align:
                return lookup.clipped(place, extent)
        return lookup.clipped(place, extent)


def _cubic(graph: Builder, share: str, tap: int) -> str:
    """The weight of a neighbour in cubic convolution, at `tap` from the one before the place."""
    import numpy as np

    def polynomial(x: str, *coefficients: float) -> str:
        total = graph.constant(np.float32(coefficients[0]))
        for value in coefficients[1:]:
            total = graph.node("Mul", [total, x])
            total = graph.node("Add", [total, graph.constant(np.float32(value))])
        return total

    a = _CUBIC
    if tap in (-1, 0):
        distance = share if tap == 0 else graph.node("Add", [share, graph.constant(np.float32(1))])
    else:
        distance = graph.node("Sub", [graph.constant(np.float32(tap)), share])
    if tap in (0, 1):
        return polynomial(distance, a + 2, -(a + 3), 0, 1)
    return polynomial(distance, a, -5 * a, 8 * a, -4 * a)


class AffineGrid(Operator):
    """A grid from an affine map: `affine_grid(28x28)`, the generator of spatial transformers.

    (6,), the matrix of 2x3 by rows, to (2, H, W): x, then y, to read a map at (Jaderberg et al.
    2015). `affine_grid(@map)` gives a grid of a map's size. As `torch.nn.functional.affine_grid`.
    """

    spelling = "affine_grid"
    arity = None
    sized_by = 1
    order = ("size",)
    examples = (
        ("6", "affine_grid(4x5)"),
        ("6", "affine_grid(3x1, align=yes)"),
        ("3x5x6", "gap; fc-6; affine_grid(@input) as grid; @input; grid_sample(@grid)"),
    )

    size: int | tuple[int, ...] | None = per_axis(None, doc="height and width of the grid")
    align: bool = flag(False, doc="-1 and 1 are the centres of the outer pixels, not their edges")

    def connect(self, wire: tuple[V, ...], references: tuple[V, ...]) -> tuple[V, ...]:
        need_partners(self, wire, references, 0 if self.size is not None else 1)
        return (*wire, *references)

    def infer(self, *inputs: TensorType) -> TensorType:
        if len(inputs[0].shape) != 1 or not equal(inputs[0].channels, 6):
            raise Rejection(WrongRank(self.spelling, "the 6 numbers of a matrix", str(inputs[0])))
        return inputs[0].with_shape(2, *self._sizes(*inputs))

    def _sizes(self, *inputs: TensorType) -> tuple[Dim, ...]:
        if self.size is None:
            need_spatial(self, inputs[1], 2)
            return inputs[1].spatial
        like = inputs[0].with_shape(1, 1, 1)
        return every_axis(self.size, 2, self.spelling, like)

    def macs(self, *inputs: TensorType) -> Dim:
        return 0

    def reach(self, *inputs: TensorType) -> Reach:
        return EVERYWHERE

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        sizes = self._sizes(*(type_of(tensor) for tensor in inputs))
        # torch's own warns of grids of size 1.
        steps = [torch.arange(size, device=inputs[0].device) for size in sizes]
        y, x = (
            ((2 * step + (1 - size)).to(inputs[0].dtype)) / self._spread(size)
            for step, size in zip(steps, sizes, strict=True)
        )
        by_x, by_y, shift = inputs[0].view(-1, 2, 3, 1, 1).unbind(2)
        return by_x * x + by_y * y.unsqueeze(1) + shift

    def _spread(self, size: Any) -> Any:
        """What the distance of the outer elements, one less than their number, is divided by."""
        return max(size - 1, 1) if self.align else size

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        rows = graph.node("Reshape", [inputs[0].name, graph.integers([0, 2, 3, 1])])
        by_x, by_y, shift = graph.split(rows, [1, 1, 1], axis=2)
        y, x = (self._places(graph, inputs, axis) for axis in (0, 1))
        y = graph.node("Unsqueeze", [y, graph.integers([1])])
        total = graph.node("Add", [graph.node("Mul", [by_x, x]), graph.node("Mul", [by_y, y])])
        return graph.node("Add", [total, shift])

    def _places(self, graph: Builder, inputs: tuple[Operand, ...], axis: int) -> str:
        """The name of a vector: the places of a grid's elements along an axis before they move."""
        import numpy as np

        size = self._sizes(*(operand.type for operand in inputs))[axis]
        if isinstance(size, int):
            known = (np.arange(size) * 2.0 - (size - 1)) / self._spread(size)
            return graph.constant(known.astype(np.float32))
        extent = Extent(graph, inputs[1], axis + 2)
        two = graph.constant(np.float32(2))
        steps = graph.node("Cast", [graph.steps(inputs[1], axis + 2)], to=1)
        places = graph.node("Sub", [graph.node("Mul", [steps, two]), extent.last])
        spread = extent.apart if self.align else extent.size
        return graph.node("Div", [places, spread])
