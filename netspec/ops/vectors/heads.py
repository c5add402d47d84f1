"""What attention is made of: heads that compare queries with keys and weigh values.

Operators that project what they compare, and those that compare what they are given, share it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING, Any

from netspec.diagnostics.messages.shapes import NotDivisible, ShapesDiffer
from netspec.diagnostics.raised import Rejection
from netspec.foundation.records import record
from netspec.ops.declare.checks import need_spatial
from netspec.ops.declare.interfaces import Builder, Operand
from netspec.ops.declare.operator import Operator
from netspec.ops.declare.params import count, flag, real, reference
from netspec.ops.declare.part import Part
from netspec.ops.declare.plain import plain
from netspec.ops.declare.reach import EVERYWHERE, Reach
from netspec.ops.declare.weight import Scheme, Weight
from netspec.sizes.batch import Cut
from netspec.sizes.conditions import equal
from netspec.sizes.dims import Dim
from netspec.sizes.shapes import TensorType, numel

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[tuple[int, ...], np.dtype[np.float32]]

_BOOL, _FLOAT, _INT = 9, 1, 7


@record(slots=False)
class Regions(Scheme):
    """For each part of a shifted map, in which of its regions each place lies: (parts, places).

    Rolling the map brought both ends of each axis into its last parts.
    """

    counts: tuple[int, ...]
    size: tuple[int, ...]
    shift: tuple[int, ...]

    @property
    def drawn(self) -> bool:
        return False

    def piece(self, weight: Weight, random: np.random.Generator, start: int, size: int) -> Array:
        import numpy as np

        whole: Array = regions(np, self.counts, self.size, self.shift).astype(np.float32)
        return whole.reshape(-1)[start : start + size]

    def computed(self, torch: Any, weight: Weight) -> Any:
        return regions(torch, self.counts, self.size, self.shift)


@plain
def regions(
    torch: Any, counts: tuple[int, ...], size: tuple[int, ...], shift: tuple[int, ...]
) -> Any:
    """For each part of a shifted map, the regions its places are in: (parts, places)."""
    rank, parts = len(size), 1
    found = torch.zeros((*counts, *size))
    for axis in range(rank):
        along = torch.zeros((counts[axis], size[axis]))
        if shift[axis]:
            along[-1, size[axis] - shift[axis] :] = 1
        wide = [1] * (2 * rank)
        wide[axis], wide[rank + axis] = counts[axis], size[axis]
        found, parts = 2 * found + along.reshape(wide), parts * counts[axis]
    return found.reshape(parts, -1)


def shifted(tensor: TensorType) -> Cut | None:
    """The cut that the tensor is a part of, where its map was shifted."""
    last = tensor.batch.cuts[-1] if tensor.batch.cuts else None
    return last if last is not None and last.shift else None


class Heads(Operator):
    """Base of the operators that attend."""

    arity = None
    batches = "broadcast"

    heads: int = count(1, doc="heads")
    kv_heads: int | None = count(
        None, doc="heads of keys and values, each for several of queries; as many by default"
    )
    causal: bool = flag(False, doc="a step sees no later step")
    within: int | None = count(None, doc="a step sees only those less than so many steps away")
    scale: float | None = real(
        None, doc="what scores are multiplied by; 1 / sqrt(width of a head) by default"
    )
    softcap: float | None = real(
        None, low=1e-6, doc="scores s become softcap * tanh(s / softcap) before others (Gemma 2)"
    )
    scores: bool = reference(
        doc="added to the scores: (heads, T, S), or (1, T, S) or (T, S) for all heads"
    )
    mask: bool = reference(ids=True, doc="0 where a step is not seen: (S,), or (T, S)")

    @property
    def _shared_heads(self) -> int:
        return self.kv_heads or self.heads

    def _check(self, op: str, inputs: tuple[TensorType, ...]) -> tuple[Dim, Dim]:
        """Steps of the queries and of the keys; raises Rejection where the rest does not fit them."""
        plain, named = self.apart(inputs)
        for tensor in plain:
            need_spatial(self, tensor)
        if self.heads % self._shared_heads:
            raise Rejection(NotDivisible(op, "heads", self._shared_heads, self.heads))
        steps, seen = numel(plain[0].spatial), numel(plain[-1].spatial)
        if "scores" in named:
            shape = named["scores"].shape
            *heads, rows, columns = (1, 1, *shape)[-3:] if len(shape) > 1 else (0, 0, 0)
            fits = heads[0] in (1, self.heads) and len(shape) < 4
            if not fits or not equal(rows, steps) or not equal(columns, seen):
                expected = f"scores are ({self.heads}, {steps}, {seen}), or the same for all heads"
                raise Rejection(ShapesDiffer(op, f"{plain[0]} and {named['scores']}", expected))
        if "mask" in named:
            shape = named["mask"].shape
            wanted = (steps, seen)[-len(shape) :] if 0 < len(shape) < 3 else None
            if wanted is None or not all(map(equal, shape, wanted)):
                expected = (
                    f"a mask is ({seen},), one for each step that is seen, or ({steps}, {seen})"
                )
                raise Rejection(ShapesDiffer(op, f"{plain[0]} and {named['mask']}", expected))
        cut = shifted(plain[0])
        if cut is not None and (steps, seen) != (numel(cut.size),) * 2:
            expected = (
                f"in a shifted part attention is of its {numel(cut.size)} places to each other"
            )
            raise Rejection(ShapesDiffer(op, f"{plain[0]} and {plain[-1]}", expected))
        return steps, seen

    def _regions(self, tensor: TensorType) -> tuple[Weight, ...]:
        """The tensor that says which places of a part may see each other, where not all do."""
        cut = shifted(tensor)
        if cut is None:
            return ()
        counts, size = (tuple(map(int, dims)) for dims in (cut.counts, cut.size))  # type: ignore[arg-type]
        scheme = Regions(counts, size, cut.shift)
        return (Weight("regions", (prod(counts), prod(size)), scheme, "constant"),)

    def _products(self, inputs: tuple[TensorType, ...], head: int, value: int) -> Dim:
        """Multiply-adds of the scores and of the sums that they weigh, for heads of these widths."""
        plain, _ = self.apart(inputs)
        steps, seen = numel(plain[0].spatial), numel(plain[-1].spatial)
        return steps * seen * (self.heads * (head + value))

    def reach(self, *inputs: TensorType) -> Reach:
        return EVERYWHERE

    @property
    def _each(self) -> str:
        """How many heads there are, in words."""
        found = "1 head" if self.heads == 1 else f"{self.heads} heads"
        shared = self._shared_heads
        return found if shared == self.heads else f"{found}, {shared} for K and V"

    def _scaling(self, width: int) -> str:
        """What scores of heads so wide are multiplied by, in words after others."""
        if self.scale is None:
            return f", / √{width}"
        return "" if self.scale == 1 else f", × {self.scale:g}"

    def _compared(
        self, parts: list[Part], sides: Sequence[int], inputs: Sequence[TensorType], scale: str
    ) -> int:
        """Adds what is done with queries, keys and values, parts of these numbers; gives the last's.

        After Vaswani et al. 2017, Figure 2.
        """

        def then(text: str, like: str, *reads: int) -> int:
            parts.append(Part(text, like, reads, self._each))
            return len(parts) - 1

        plain, named = self.apart(inputs)
        other = dict(zip(named, range(len(plain), len(inputs)), strict=True))
        query, key, value = sides
        last = then(f"matmul QK{scale}", "matmul", query, key)
        if self.softcap is not None:
            last = then(f"tanh, at most {self.softcap:g}", "tanh", last)
        if "scores" in other:
            last = then("add", "add", last, other["scores"])
        hidden = ["later steps"] if self.causal else []
        hidden += [f"steps {self.within} or more away"] if self.within is not None else []
        hidden += ["other regions"] if shifted(plain[0]) is not None else []
        if hidden or "mask" in other:
            masks = [other["mask"]] if "mask" in other else []
            last = then(" ".join(["mask", ", ".join(hidden)]).strip(), "mask", last, *masks)
        return then("matmul with V", "matmul", then("softmax", "softmax", last), value)

    # --- torch: queries (N, heads, T, D), keys and values (N, shared heads, S, D)

    def _attended(
        self,
        torch: Any,
        parts: Sequence[Any],
        named: Mapping[str, Any],
        regions: Any,
        scale: float | None,
    ) -> Any:
        """What each query reads, (N, T, heads * D); `regions` as the weight of that name, or None."""
        query, key, value = parts
        groups = self.heads // self._shared_heads
        if groups > 1:
            key, value = (x.repeat_interleave(groups, dim=1) for x in (key, value))
        alone = not named and regions is None and self.softcap is None
        causal = self.causal and self.within is None and alone
        added = None if causal else self._added(torch, query, key, named)
        if regions is not None:
            query, key, value = (x.unflatten(0, (-1, len(regions))) for x in (query, key, value))
            if added is None:
                added = query.new_zeros(1, 1, 1, 1, 1)
            else:
                many = added.shape[0] > 1
                added = added.unflatten(0, (-1, len(regions))) if many else added.unsqueeze(1)
            apart = regions.unsqueeze(2) != regions.unsqueeze(1)
            added = added.masked_fill(apart.unsqueeze(1), torch.finfo(query.dtype).min)
        if scale is not None and scale <= 0:
            # What torch hides it hides before it scales.
            query, scale = query * scale, 1.0
        if self.softcap is None:
            found = torch.nn.functional.scaled_dot_product_attention(
                query, key, value, attn_mask=added, is_causal=causal, scale=scale
            )
        else:
            scale = query.shape[-1] ** -0.5 if scale is None else scale
            scores = query @ key.transpose(-2, -1) * (scale / self.softcap)
            scores = scores.tanh() * self.softcap
            found = (scores if added is None else scores + added).softmax(-1) @ value
        found = found if regions is None else found.flatten(0, 1)
        return found.transpose(1, 2).flatten(2)

    def _added(self, torch: Any, query: Any, key: Any, named: Mapping[str, Any]) -> Any:
        """What is added to the scores, (N or 1, heads or 1, T, S); None if nothing is."""
        added = None
        if "scores" in named:
            added = named["scores"].to(query.dtype)
            added = added.unsqueeze(1) if added.dim() == 3 else added
        step = torch.arange(query.shape[2], device=query.device).unsqueeze(1)
        seen = torch.arange(key.shape[2], device=query.device)
        hidden = [seen > step] if self.causal else []
        if self.within is not None:
            hidden.append((seen - step).abs() >= self.within)
        if "mask" in named:
            mask = named["mask"] == 0
            hidden.append(mask[:, None, None] if mask.dim() == 2 else mask[:, None])
        for there in hidden:
            added = query.new_zeros(1, 1, 1, 1) if added is None else added
            added = added.masked_fill(there, torch.finfo(query.dtype).min)
        return added

    # --- ONNX: the same shapes

    def _attended_onnx(
        self,
        graph: Builder,
        parts: Sequence[str],
        inputs: tuple[Operand, ...],
        scale: float,
    ) -> str:
        """The name of (N, T, heads * D) for queries, keys turned for the product, and values."""
        plain, named = self.apart(inputs)
        query, key, value = parts
        groups = self.heads // self._shared_heads
        query = graph.scaled(query, scale)
        if groups > 1:
            key, value = (self._repeated(graph, name, groups) for name in (key, value))
        scores = graph.node("MatMul", [query, key])
        if self.softcap is not None:
            scores = graph.node("Tanh", [graph.scaled(scores, 1 / self.softcap)])
            scores = graph.scaled(scores, self.softcap)
        if "scores" in named:
            added = named["scores"].name
            if len(named["scores"].type.shape) == 2:
                added = graph.node("Unsqueeze", [added, graph.integers([1])])
            scores = graph.node("Add", [scores, added])
        for hidden in self._hidden_onnx(graph, plain, named):
            scores = self._without(graph, scores, hidden)
        if shifted(plain[0].type) is not None:
            scores = self._apart_onnx(graph, scores, plain[0])
        found = graph.node("MatMul", [graph.node("Softmax", [scores], axis=-1), value])
        joined = graph.node("Transpose", [found], perm=[0, 2, 1, 3])
        return graph.node("Reshape", [joined, graph.integers([0, 0, -1])])

    def _repeated(self, graph: Builder, name: str, groups: int) -> str:
        """Heads of keys or values, each as often as queries have heads of it."""
        heads = [i // groups for i in range(self.heads)]
        return graph.node("Gather", [name, graph.integers(heads)], axis=1)

    def _without(self, graph: Builder, scores: str, hidden: str) -> str:
        """The scores with the least of all numbers where `hidden` is.

        It is finite, since quantisation makes scales of what it sees, and replaces scores, since
        added to them it might not be.
        """
        import numpy as np

        least = graph.constant(np.float32(np.finfo(np.float32).min))
        return graph.node("Where", [hidden, least, scores])

    def _hidden_onnx(
        self, graph: Builder, plain: tuple[Operand, ...], named: dict[str, Operand]
    ) -> list[str]:
        import numpy as np

        found = []
        if self.causal or self.within is not None:
            step, seen = _places(graph, plain[0]), _places(graph, plain[-1])
            step = graph.node("Unsqueeze", [step, graph.integers([1])])
            if self.causal:
                found.append(graph.node("Greater", [seen, step]))
            if self.within is not None:
                away = distance(graph, graph.node("Sub", [seen, step]))
                limit = graph.constant(np.float32(self.within - 1))
                found.append(graph.node("Greater", [away, limit]))
        if "mask" in named:
            mask = named["mask"]
            kind = np.int64 if mask.type.ids is not None else np.float32
            hidden = graph.node("Equal", [mask.name, graph.constant(np.asarray(0, kind))])
            axes = [1, 2] if len(mask.type.shape) == 1 else [1]
            found.append(graph.node("Unsqueeze", [hidden, graph.integers(axes)]))
        return found

    def _apart_onnx(self, graph: Builder, scores: str, tensor: Operand) -> str:
        """The scores without those of places that lie in different regions."""
        cut = shifted(tensor.type)
        assert cut is not None
        regions = graph.weight("regions")
        rows = graph.node("Unsqueeze", [regions, graph.integers([1, 3])])
        columns = graph.node("Unsqueeze", [regions, graph.integers([1, 2])])
        apart = graph.node("Not", [graph.node("Equal", [rows, columns])])
        parts, places = int(cut.parts), int(numel(cut.size))  # type: ignore[arg-type]
        split = graph.integers([-1, parts, self.heads, places, places])
        scores = graph.node("Reshape", [scores, split])
        scores = self._without(graph, scores, apart)
        return graph.node("Reshape", [scores, graph.integers([-1, self.heads, places, places])])


def as_map(graph: Builder, name: str, channels: int, like: Operand) -> str:
    """The name of a sequence of (N, channels, T) as a map of the sizes of another."""
    if len(like.type.spatial) == 1:
        return name
    if all(isinstance(size, int) for size in like.type.spatial):
        shape = graph.integers([0, channels, *map(int, like.type.spatial)])  # type: ignore[arg-type]
    else:
        ends = [graph.integers([0, channels]), graph.sizes(like.name, 2)]
        shape = graph.node("Concat", ends, axis=0)
    return graph.node("Reshape", [name, shape])


def distance(graph: Builder, away: str) -> str:
    """The name of steps between two places, of float32: OpenCV has no absolute value of integers."""
    return graph.node("Abs", [graph.node("Cast", [away], to=1)])


def _places(graph: Builder, operand: Operand) -> str:
    """A vector of int64: the places of a map or sequence, counted row by row."""
    import numpy as np

    if len(operand.type.spatial) == 1:
        return graph.steps(operand, 2)
    size = numel(operand.type.spatial)
    if isinstance(size, int):
        return graph.integers(range(size))
    zero, one = (graph.constant(np.asarray(i, np.int64)) for i in (0, 1))
    sizes = graph.sizes(operand.name, 2)
    many = graph.reduce("ReduceProd", sizes, [0], keep=False)
    return graph.node("Range", [zero, many, one])
