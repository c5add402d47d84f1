"""What attention adds to its scores by where a query and a key stand."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from netspec.diagnostics.messages.names import MissingArgument
from netspec.diagnostics.messages.shapes import ElementsDiffer, OutOfRange, UnknownSize, WrongRank
from netspec.diagnostics.raised import Rejection
from netspec.foundation.records import record
from netspec.ops.declare.checks import fixed_channels, need_spatial, type_of
from netspec.ops.declare.interfaces import Builder, Operand
from netspec.ops.declare.operator import Operator
from netspec.ops.declare.params import choice, count, flag, per_axis, scheme_of
from netspec.ops.declare.plain import plain
from netspec.ops.declare.reach import Reach, Unsupported
from netspec.ops.declare.schemes import Gaussian
from netspec.ops.declare.weight import Scheme, Weight
from netspec.ops.vectors.heads import distance
from netspec.ops.vectors.sources import Source
from netspec.sizes.batch import SHARED
from netspec.sizes.dims import Dim
from netspec.sizes.shapes import TensorType, numel

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[tuple[int, ...], np.dtype[np.float32]]
    Index = np.ndarray[tuple[int, ...], np.dtype[np.int64]]


@plain
def pair_index(torch: Any, size: tuple[int, ...], tokens: int = 0) -> Any:
    """For each place and each other of a map, the number of their offset: (places, places).

    Offsets of (2 h - 1, 2 w - 1) are counted row by row. Of a token before them, to all,
    from all and to itself are three more.
    """
    count, rows = 1, 1
    for length in size:
        count, rows = count * length, rows * (2 * length - 1)
    places, step = torch.arange(count), 1
    found = torch.zeros((count, count), dtype=torch.int64)
    for length in reversed(size):
        at = places % length
        found = found + (at[:, None] - at + length - 1) * step
        places, step = places // length, step * (2 * length - 1)
    if not tokens:
        return found
    index = torch.full((count + 1, count + 1), rows + 1, dtype=torch.int64)
    index[1:, 1:] = found
    index[0] = rows
    index[0, 0] = rows + 2
    return index


@plain
def offset_table(torch: Any, sizes: tuple[int, ...], log: bool) -> Any:
    """Offsets along each axis from -1 to 1: (2 h - 1, 2 w - 1, axes)."""
    steps = [torch.arange(1 - n, n, dtype=torch.float64) for n in sizes]
    axes = [at / max(1, n - 1) for at, n in zip(steps, sizes, strict=True)]
    found = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1)
    if log:
        found = torch.sign(found) * torch.log2(1 + 8 * torch.abs(found)) / 3
    return found


def _fixed(op: str, tensor: TensorType, sizes: tuple[Dim, ...]) -> tuple[int, ...]:
    found = tuple(size for size in sizes if isinstance(size, int))
    if len(found) != len(sizes):
        advice = "it has a value for each offset, so sizes must be numbers"
        raise Rejection(UnknownSize(op, str(tensor), advice))
    return found


@plain
def near_buckets(torch: Any, side: int, most: int) -> Any:
    """The bucket, of so many of a side, of each distance up to `most` (Raffel et al. 2020).

    Half of them have one distance each, the others ever more.
    """
    exact, wide = side // 2, side - side // 2
    starts = [exact * (most / exact) ** (k / wide) for k in range(1, wide)]
    found, far = list(range(exact)), 0
    for away in range(exact, most + 1):
        # Where distances are powers, starts are whole: no rounding may take one past them.
        while far < len(starts) and starts[far] <= away * (1 + 1e-9):
            far += 1
        found.append(exact + far)
    return torch.asarray(found)


@plain
def head_slopes(torch: Any, heads: int) -> Any:
    """What each head takes off for a step (Press et al. 2022)."""
    lower = 2 ** (heads.bit_length() - 1)
    found = [2 ** (-8 * i / lower) for i in range(1, lower + 1)]
    more = [2 ** (-8 * i / (2 * lower)) for i in range(1, 2 * lower + 1, 2)]
    return torch.asarray(found + more[: heads - lower], dtype=torch.float64)


class Relative(Source):
    """Trained values for each offset between two places, to be added to attention's scores.

    (C, *sizes), of which only the sizes are read, to (heads, T, T), T the number of places, the same
    for every sample: `attention(8, scores=relative(8))`. The table has a row for each offset, (2 h - 1)
    (2 w - 1) of them, and a column for each head (Swin, Liu et al. 2021). Of a sequence that is a map
    row by row, `size` is the map's; `tokens=1` before it has three rows more (BEiT, Bao et al. 2022).

    With `buckets` offsets share rows: half of a side's buckets have one each, the others ever more, up
    to `most` steps away (T5, Raffel et al. 2020). Sides differ, unless it is `causal`.
    """

    spelling = "relative"
    order = ("heads",)
    examples = (
        ("4x2x3", "relu as x; relative(2) as b; @x; attention(2, scores=@b)"),
        ("4x7", "relative(2, size=2x3, tokens=1)"),
        ("4xT", "relative(2, buckets=6, most=9)"),
    )

    heads: int = count(doc="heads of the attention")
    size: int | tuple[int, ...] | None = per_axis(None, doc="sizes of the map, for a sequence")
    tokens: int = count(0, low=0, high=1, doc="tokens before the map's first place")
    buckets: int | None = count(None, low=4, doc="rows that offsets share; one for each by default")
    most: int = count(128, doc="steps away from which on all are in one bucket")
    causal: bool = flag(False, doc="only steps before count, so all buckets are theirs")
    init: Scheme | None = scheme_of(None, doc="initialisation; gaussian(0.02) by default")

    def _map(self, tensor: TensorType) -> tuple[int, ...]:
        if self.size is None:
            if self.tokens:
                raise Rejection(MissingArgument(self.spelling, "size", self.usage()))
            return _fixed(self.spelling, tensor, tensor.spatial)
        size = (self.size,) if isinstance(self.size, int) else self.size
        if numel(tensor.spatial) != prod(size) + self.tokens:
            wanted = f"{prod(size) + self.tokens} places"
            raise Rejection(ElementsDiffer(self.spelling, str(tensor), wanted))
        return size

    def infer(self, *inputs: TensorType) -> TensorType:
        tensor = inputs[0]
        need_spatial(self, tensor)
        if self.buckets is None:
            self._map(tensor)
        else:
            need_spatial(self, tensor, 1)
            exact = self._side() // 2
            if self.most <= exact:
                raise Rejection(OutOfRange(self.spelling, "most", f"over {exact}", self.most))
        places = numel(tensor.spatial)
        return TensorType((self.heads, places, places), SHARED)

    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        if self.buckets is not None:
            rows, name = self.buckets, "relative_attention_bias.weight"
        else:
            rows = prod(2 * size - 1 for size in self._map(inputs[0])) + 3 * self.tokens
            name = "relative_position_bias_table"
        return (Weight(name, (rows, self.heads), self.init or Gaussian(0.02)),)

    def _side(self) -> int:
        """Buckets of one side."""
        assert self.buckets is not None
        return self.buckets if self.causal else self.buckets // 2

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        tensor = inputs[0]
        (table,) = weights.values()
        if self.buckets is None:
            size = self._map(type_of(tensor))
            index = pair_index(torch, size, self.tokens).to(tensor.device)
        else:
            steps = torch.arange(tensor.shape[2], device=tensor.device)
            away = steps - steps.unsqueeze(1)
            near = near_buckets(torch, self._side(), self.most).to(tensor.device)
            if self.causal:
                index = near[(-away).clamp(0, self.most)]
            else:
                index = near[away.abs().clamp(max=self.most)] + (away > 0) * self._side()
        return table[index].permute(2, 0, 1).unsqueeze(0)

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        tensor = inputs[0]
        (weight,) = self.weights(tensor.type)
        if self.buckets is None:
            import numpy as np

            index = graph.constant(pair_index(np, self._map(tensor.type), self.tokens))
        else:
            index = self._buckets(graph, tensor)
        rows = graph.node("Gather", [graph.weight(weight.name), index], axis=0)
        found = graph.node("Transpose", [rows], perm=[2, 0, 1])
        return graph.node("Unsqueeze", [found, graph.integers([0])])

    def _buckets(self, graph: Builder, tensor: Operand) -> str:
        import numpy as np

        away = _away(graph, tensor)
        far, near = (
            graph.constant(np.asarray(self.most, np.int64)),
            graph.constant(near_buckets(np, self._side(), self.most)),
        )
        if self.causal:
            zero = graph.constant(np.asarray(0, np.int64))
            before = graph.node("Max", [graph.node("Neg", [away]), zero])
            return graph.node("Gather", [near, graph.node("Min", [before, far])], axis=0)
        steps = graph.node("Cast", [distance(graph, away)], to=7)
        bucket = graph.node("Gather", [near, graph.node("Min", [steps, far])], axis=0)
        later = graph.node("Greater", [away, graph.constant(np.asarray(0, np.int64))])
        later = graph.node("Cast", [later], to=7)
        side = graph.constant(np.asarray(self._side(), np.int64))
        return graph.node("Add", [bucket, graph.node("Mul", [later, side])])


def _away(graph: Builder, tensor: Operand) -> str:
    """How many steps each key is after each query, (T, T) of int64."""
    steps = graph.steps(tensor, 2)
    return graph.node("Sub", [steps, graph.node("Unsqueeze", [steps, graph.integers([1])])])


class Alibi(Source):
    """The distance between two steps, less and less of it from head to head (Press et al. 2022).

    (C, T), of which only T is read, to (heads, T, T), the same for every sample: minus the slope of a
    head times the steps between a query and a key. Slopes are 2^(-8 i / heads), i from 1; where heads
    are no power of two, those of the next lower one and then every other of twice as many.
    """

    spelling = "alibi"
    order = ("heads",)
    examples = (
        ("4x5", "relu as x; alibi(2) as b; @x; attention(2, causal=yes, scores=@b)"),
        ("6xT", "alibi(3)"),
    )

    heads: int = count(high=4096, doc="heads of the attention")

    def infer(self, *inputs: TensorType) -> TensorType:
        need_spatial(self, inputs[0], 1)
        steps = inputs[0].spatial[0]
        return TensorType((self.heads, steps, steps), SHARED)

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        tensor = inputs[0]
        steps = torch.arange(tensor.shape[2], device=tensor.device)
        away = (steps - steps.unsqueeze(1)).abs()
        each = head_slopes(torch, self.heads).to(tensor.device)
        return (away * -each.view(-1, 1, 1)).to(tensor.dtype).unsqueeze(0)

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        import numpy as np

        away = distance(graph, _away(graph, inputs[0]))
        each = -head_slopes(np, self.heads).astype(np.float32).reshape(1, -1, 1, 1)
        return graph.node("Mul", [graph.constant(each), away])


@record(slots=False)
class OffsetTable(Scheme):
    """Offsets along each axis from -1 to 1, (2 h - 1, 2 w - 1, axes); `log` spaces them as Swin V2."""

    log: bool

    @property
    def drawn(self) -> bool:
        return False

    def piece(self, weight: Weight, random: np.random.Generator, start: int, size: int) -> Array:
        import numpy as np

        found = offset_table(np, self._sizes(weight), self.log)
        whole: Array = found.astype(np.float32).reshape(-1)
        return whole[start : start + size]

    def computed(self, torch: Any, weight: Weight) -> Any:
        return offset_table(torch, self._sizes(weight), self.log).float()

    @staticmethod
    def _sizes(weight: Weight) -> tuple[int, ...]:
        return tuple((size + 1) // 2 for size in weight.shape[:-1])


class Offsets(Source):
    """How far each place lies from another, from -1 to 1 along each axis: what a table is computed of.

    (C, *sizes), of which only the sizes are read, to (axes, 2 h - 1, 2 w - 1), the same for every
    sample. `log` spaces them by sign(x) log2(1 + 8 |x|) / 3 (Liu et al. 2022, Swin V2). Not trained;
    a file of weights that has a table of other numbers is taken at its word.
    """

    spelling = "offsets"
    order = ("spacing",)
    examples = (
        ("4x2x3", "relu as x; offsets; conv1-2; pairwise as b; @x; attention(2, scores=@b)"),
        ("4x3x3", "offsets(log); conv1-2(act=relu)"),
    )

    spacing: str = choice("linear", "log", default="linear", doc="how offsets are spaced")

    def infer(self, *inputs: TensorType) -> TensorType:
        need_spatial(self, inputs[0])
        sizes = _fixed(self.spelling, inputs[0], inputs[0].spatial)
        return TensorType((len(sizes), *(2 * size - 1 for size in sizes)), SHARED)

    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        sizes = _fixed(self.spelling, inputs[0], inputs[0].spatial)
        scheme = OffsetTable(self.spacing == "log")
        shape = (*(2 * size - 1 for size in sizes), len(sizes))
        return (Weight("coords_table", shape, scheme, "default"),)

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        return weights["coords_table"].movedim(-1, 0).unsqueeze(0)

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        rank = len(inputs[0].type.spatial)
        table = graph.node("Transpose", [graph.weight("coords_table")], perm=[rank, *range(rank)])
        return graph.node("Unsqueeze", [table, graph.integers([0])])


class Pairwise(Operator):
    """A value for each offset as one for each pair of places: what `offsets` and layers after it give.

    (heads, 2 h - 1, 2 w - 1) to (heads, T, T), T = h w.
    """

    spelling = "pairwise"
    examples = (("2x3x5", "pairwise"), ("3x7", "pairwise"))

    def _size(self, tensor: TensorType) -> tuple[int, ...]:
        need_spatial(self, tensor)
        sizes = _fixed(self.spelling, tensor, tensor.spatial)
        if not all(size % 2 for size in sizes):
            raise Rejection(WrongRank(self.spelling, "odd sizes, one for each offset", str(tensor)))
        return tuple((size + 1) // 2 for size in sizes)

    def infer(self, *inputs: TensorType) -> TensorType:
        places = prod(self._size(inputs[0]))
        return inputs[0].with_shape(inputs[0].channels, places, places)

    def macs(self, *inputs: TensorType) -> Dim:
        return 0

    def reach(self, *inputs: TensorType) -> Reach:
        return Unsupported("pairs of places are no places")

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        tensor = inputs[0]
        index = pair_index(torch, self._size(type_of(tensor))).to(tensor.device)
        return tensor.flatten(2)[:, :, index]

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        import numpy as np

        channels = fixed_channels(self.spelling, inputs[0].type)
        flat = graph.node("Reshape", [inputs[0].name, graph.integers([0, channels, -1])])
        return graph.node(
            "Gather", [flat, graph.constant(pair_index(np, self._size(inputs[0].type)))], axis=2
        )
