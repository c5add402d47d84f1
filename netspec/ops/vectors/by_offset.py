"""Scores of queries for how far away a key is: attention to relative positions."""

from __future__ import annotations

from math import prod
from typing import Any, cast

from netspec.diagnostics.messages.names import MissingArgument
from netspec.diagnostics.messages.shapes import (
    ElementsDiffer,
    NotDivisible,
    OutOfRange,
    ShapesDiffer,
    UnknownSize,
    WrongCount,
)
from netspec.diagnostics.raised import Rejection
from netspec.ops.declare.checks import fixed_channels, need_spatial
from netspec.ops.declare.interfaces import Builder, Operand, V
from netspec.ops.declare.operator import Operator
from netspec.ops.declare.params import count, flag, integers, per_axis, scheme_of
from netspec.ops.declare.reach import EVERYWHERE, Reach
from netspec.ops.declare.schemes import Gaussian
from netspec.ops.declare.weight import Scheme, Weight
from netspec.ops.vectors.offset_rows import (
    Axis,
    index_of,
    numbers,
    offsets_between,
    rows_of_offsets,
    scores_at,
)
from netspec.sizes.conditions import equal
from netspec.sizes.dims import Dim
from netspec.sizes.shapes import TensorType, numel

_NUMBERS = "it has a row for each offset, so sizes must be numbers"


class RelativeScores(Operator):
    """What queries score by how far away a key is: query times a vector for each offset.

    Queries (C, *sizes) to (heads, T, S), to be added to attention's scores: `@q; attend(8, @k, @v,
    scores=relative_scores(8))`. A table of (2 T - 1, C / heads) is trained for each axis of a map, and
    what they give is added up (Srinivas et al. 2021, BoTNet; Li et al. 2022, MViTv2, whose keys are
    pooled to `keys`; SAM). Or the vectors are given, `relative_scores(8, @rows)`, one sequence for each
    axis, of C channels or of C / heads for all heads: made of waves in Transformer-XL (Dai et al.
    2019). Rows are of key less query, least first; `back`, of query less key.

    Of a sequence that is a map row by row, `size` is the map's; `tokens` before it score 0. With `far`,
    of sequences, offsets past it have its row (Shaw et al. 2018), 2 far + 1 rows, or one less where
    they are given. With `most` half of `far` offsets have a row each, the others ever more, up to
    `most` steps away (He et al. 2021, DeBERTa).
    """

    spelling = "relative_scores"
    arity = None
    batches = "broadcast"
    order = ("heads",)
    examples = (
        ("8x2x3", "relu as q; relative_scores(2) as s; @q; attend(2, @q, scores=@s)"),
        ("6x9", "relative_scores(3, back=yes, far=(4, 2))"),
        ("4x2x6", "relative_scores(2, keys=1x2, back=yes)"),
        ("4x7", "relative_scores(1, size=2x3, tokens=1)"),
        ("4x5", "waves(offsets=yes) as p; @input; relative_scores(2, @p)"),
        ("6x25", "parameter(6x16) as p; @input; relative_scores(2, @p, far=8, most=20)"),
    )

    heads: int = count(doc="heads of the attention")
    size: int | tuple[int, ...] | None = per_axis(None, doc="sizes of the map, for a sequence")
    tokens: int = count(0, low=0, doc="tokens before the map's first place")
    keys: int | tuple[int, ...] | None = per_axis(
        None, doc="sizes of the map that keys are of; the queries' by default"
    )
    back: bool = flag(False, doc="rows are of query less key, not of key less query")
    far: tuple[int, ...] | None = integers(
        None, doc="steps away from which on all have one row; or (before, after)"
    )
    most: int | None = count(None, doc="with `far`, steps away up to which offsets share rows")
    init: Scheme | None = scheme_of(None, doc="initialisation; gaussian(0.02) by default")

    def connect(self, wire: tuple[V, ...], references: tuple[V, ...]) -> tuple[V, ...]:
        if len(wire) != 1:
            raise Rejection(WrongCount(self.spelling, "one tensor", f"{len(wire)} tensors"))
        return (*wire, *references)

    # --- the axes

    def _places(self, tensor: TensorType) -> tuple[Dim, ...]:
        """Sizes of the map or sequence that queries are of, without tokens."""
        need_spatial(self, tensor)
        if self.size is None:
            if self.tokens:
                raise Rejection(MissingArgument(self.spelling, "size", self.usage()))
            return tensor.spatial
        size = self._sizes(self.size, 1)
        if not equal(numel(tensor.spatial), prod(size) + self.tokens):
            wanted = f"{prod(size) + self.tokens} places"
            raise Rejection(ElementsDiffer(self.spelling, str(tensor), wanted))
        return size

    def _axes(self, *inputs: TensorType) -> tuple[Axis, ...]:
        query, *tables = inputs
        steps = self._places(query)
        fixed = all(isinstance(size, int) for size in steps)
        if not fixed and (len(steps) > 1 or self.keys is not None):
            raise Rejection(UnknownSize(self.spelling, str(query), _NUMBERS))
        seen = steps
        if self.keys is not None:
            seen = self._sizes(self.keys, len(steps))
        if len(seen) != len(steps) or (tables and len(tables) != len(steps)):
            many = len(seen) if len(seen) != len(steps) else len(tables)
            raise Rejection(WrongCount(self.spelling, f"{len(steps)} axes", f"{many}"))
        found: list[Axis] = []
        for axis, (one, other) in enumerate(zip(steps, seen, strict=True)):
            rows = self._far_rows(bool(tables)) if self.far else (self._longer(one, other) * 2 - 1,)
            found.append(
                Axis(one, other, self._rows(tables[axis], rows, query) if tables else rows[0])
            )
        return tuple(found)

    def _far_rows(self, given: bool) -> tuple[Dim, ...]:
        """How many rows there may be where offsets past `far` share one."""
        assert self.far
        one = sum(self.far) + 1 if len(self.far) > 1 else 2 * self.far[0] + 1
        if len(self.far) > 1:
            return (one,)
        return (one - 1,) if self.most else (one, one - 1) if given else (one,)

    def _longer(self, steps: Dim, seen: Dim) -> Dim:
        """The more of places of queries and of keys; raises Rejection unless it is a multiple."""
        if not isinstance(steps, int) or not isinstance(seen, int):
            return steps
        small, large = sorted((steps, seen))
        if large % small:
            raise Rejection(NotDivisible(self.spelling, "places of an axis", small, large))
        return large

    def _rows(self, table: TensorType, rows: tuple[Dim, ...], query: TensorType) -> Dim:
        """Rows of a table that is given; raises Rejection where it has none for each offset."""
        need_spatial(self, table, 1)
        width = self._width(query)
        there = [many for many in rows if equal(table.spatial[0], many)]
        if not there or table.channels not in (width, width * self.heads):
            expected = " or ".join(f"{width * self.heads}x{many}, {width}x{many}" for many in rows)
            raise Rejection(
                ShapesDiffer(self.spelling, f"{query} and {table}", f"its rows are {expected}")
            )
        return there[0]

    def _width(self, tensor: TensorType) -> int:
        """Channels of a head."""
        channels = fixed_channels(self.spelling, tensor)
        if channels % self.heads:
            raise Rejection(NotDivisible(self.spelling, "channels", self.heads, channels))
        return channels // self.heads

    # --- hooks

    def infer(self, *inputs: TensorType) -> TensorType:
        self._width(inputs[0])
        self._check_far(len(self._places(inputs[0])))
        axes = self._axes(*inputs)
        if len(inputs) == 1 and not all(isinstance(axis.rows, int) for axis in axes):
            raise Rejection(UnknownSize(self.spelling, str(inputs[0]), _NUMBERS))
        shape = [self.heads]
        for sizes in ([axis.steps for axis in axes], [axis.seen for axis in axes]):
            shape.append(numel(tuple(sizes)) + self.tokens)  # type: ignore[arg-type]
        return TensorType(tuple(shape), inputs[0].batch)

    def _check_far(self, axes: int) -> None:
        """Refuses bounds on offsets that are none."""
        if self.far is None:
            if self.most is not None:
                raise Rejection(MissingArgument(self.spelling, "far", self.usage()))
            return
        if axes > 1 or self.keys is not None or self.tokens:
            raise Rejection(OutOfRange(self.spelling, "far", "none but of a sequence", self.far))
        if len(self.far) > 2 or min(self.far) < 1:
            raise Rejection(OutOfRange(self.spelling, "far", "one or two from 1 on", self.far))
        if self.most is not None and (len(self.far) > 1 or not 4 <= self.far[0] < self.most):
            raise Rejection(OutOfRange(self.spelling, "most", "over far, one from 4 on", self.most))

    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        if len(inputs) > 1:
            return ()
        axes, width = self._axes(*inputs), self._width(inputs[0])
        names = {1: ("",), 2: ("_h", "_w"), 3: ("_t", "_h", "_w")}[len(axes)]
        init = self.init or Gaussian(0.02)
        return tuple(
            Weight(f"rel_pos{name}", (axis.rows, width), init)  # type: ignore[arg-type]
            for name, axis in zip(names, axes, strict=True)
        )

    def macs(self, *inputs: TensorType) -> Dim:
        axes = self._axes(*inputs)
        places = numel(tuple(axis.steps for axis in axes))
        total: Dim = 0
        for axis in axes:
            total = total + places * fixed_channels(self.spelling, inputs[0]) * axis.rows
        return total

    def reach(self, *inputs: TensorType) -> Reach:
        return EVERYWHERE

    # --- torch

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        query, *tables = inputs
        if not tables:
            tables = [table.transpose(0, 1).unsqueeze(0) for table in weights.values()]
        split = query.flatten(2)[:, :, self.tokens :].unflatten(1, (self.heads, -1)).transpose(2, 3)
        sizes = self._pairs(query.shape[2:])
        rank, found = len(sizes), cast(Any, None)
        for number, table in enumerate(tables):
            shared = 1 if table.shape[1] == split.shape[3] else self.heads
            scores = split @ table.unflatten(1, (shared, -1))
            if rank > 1:
                scores = scores.unflatten(2, tuple(steps for steps, _ in sizes))
                scores = scores.movedim(2 + number, -2)
            steps, seen = sizes[number]
            away = self._away(torch, steps, seen, table)
            scores = scores_at(torch, scores, away, table.shape[2])
            if rank > 1:
                wide = [1] * rank
                wide[number] = seen
                scores = scores.movedim(-2, 2 + number).unflatten(-1, tuple(wide))
            found = scores if found is None else found + scores
        if rank > 1:
            found = found.flatten(2, 1 + rank).flatten(3)
        if self.tokens:
            found = torch.nn.functional.pad(found, (self.tokens, 0, self.tokens, 0))
        return found

    def _pairs(self, spatial: tuple[Any, ...]) -> list[tuple[Any, Any]]:
        """Places of queries and of keys along each axis, of sizes that torch has."""
        steps = tuple(spatial) if self.size is None else self._sizes(self.size, 1)
        seen = steps if self.keys is None else self._sizes(self.keys, len(steps))
        return list(zip(steps, seen, strict=True))

    @staticmethod
    def _sizes(given: int | tuple[int, ...], axes: int) -> tuple[int, ...]:
        """Sizes that are said, one for all axes where it is one number."""
        return (given,) * axes if isinstance(given, int) else given

    def _away(self, torch: Any, steps: Any, seen: Any, table: Any) -> Any:
        """The row of each query and key along an axis, (steps, seen)."""
        query, key = (torch.arange(many, device=table.device) for many in (steps, seen))
        away = offsets_between(torch, query, key, self.back)
        if self.far is None:
            return away - (away[0, -1] if self.back else away[-1, 0])
        before = self.far[0]
        after = table.shape[2] - 1 - before
        rows = rows_of_offsets(torch, before, after, self.most or 0).to(table.device)
        limit = len(rows) // 2
        return rows[away.clamp(-limit, limit) + limit]

    # --- ONNX

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        query, *given = inputs
        axes = self._axes(*(operand.type for operand in inputs))
        width, rank = self._width(query.type), len(axes)
        split = graph.node("Reshape", [query.name, graph.integers([0, self.heads, width, -1])])
        if self.tokens:
            first, last = graph.integers([self.tokens]), graph.integers([2**31 - 1])
            split = graph.node("Slice", [split, first, last, graph.integers([3])])
        split = graph.node("Transpose", [split], perm=[0, 1, 3, 2])
        names = [weight.name for weight in self.weights(*(operand.type for operand in inputs))]
        found = ""
        for number in range(rank):
            if given:
                table = given[number]
                shared = 1 if table.type.channels == width else self.heads
                shape = graph.integers([0, shared, width, -1])
                rows = graph.node("Reshape", [table.name, shape])
            else:
                rows = graph.node("Transpose", [graph.weight(names[number])], perm=[1, 0])
            scores = graph.node("MatMul", [split, rows])
            scores = self._picked(graph, scores, query, axes, number)
            found = scores if not found else graph.node("Add", [found, scores])
        if rank > 1:
            places = [prod(sizes) for sizes in zip(*map(numbers, axes), strict=True)][:2]
            found = graph.node("Reshape", [found, graph.integers([0, self.heads, *places])])
        if self.tokens:
            found = graph.pad(found, [(0, 0), (0, 0), (self.tokens, 0), (self.tokens, 0)])
        return found

    def _picked(
        self, graph: Builder, scores: str, query: Operand, axes: tuple[Axis, ...], number: int
    ) -> str:
        """Scores by row of an axis, (N, heads, T, rows), by the key's place there.

        (N, heads, *sizes, places of keys along each axis), 1 along the others.
        """
        index = index_of(graph, query, axes[number], self.back, self.far, self.most or 0)
        rank = len(axes)
        if rank == 1:
            flat = graph.node("Reshape", [scores, graph.integers([0, self.heads, -1])])
            return graph.node("Gather", [flat, index], axis=2)
        sizes = [steps for steps, _, _ in map(numbers, axes)]
        steps, seen, rows = numbers(axes[number])
        others = [size for axis, size in enumerate(sizes) if axis != number]
        order = [0, 1, *(2 + axis for axis in range(rank) if axis != number), 2 + number, 2 + rank]
        shape = graph.integers([0, self.heads, *sizes, rows])
        scores = graph.node("Transpose", [graph.node("Reshape", [scores, shape])], perm=order)
        flat = graph.integers([0, self.heads, *others, steps * rows])
        scores = graph.node("Gather", [graph.node("Reshape", [scores, flat]), index], axis=1 + rank)
        scores = graph.node("Transpose", [scores], perm=[order.index(i) for i in range(3 + rank)])
        wide = [seen if axis == number else 1 for axis in range(rank)]
        return graph.node("Reshape", [scores, graph.integers([0, self.heads, *sizes, *wide])])
