"""Merges: many tensors into one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from netspec.diagnostics.messages.shapes import ShapesDiffer
from netspec.diagnostics.raised import Rejection
from netspec.ops.declare.interfaces import Builder, Operand
from netspec.ops.declare.operator import Operator
from netspec.ops.declare.params import choice, real
from netspec.ops.declare.reach import POINTWISE, Reach
from netspec.sizes.batch import SAMPLES, common
from netspec.sizes.conditions import equal
from netspec.sizes.dims import Dim, stretches
from netspec.sizes.shapes import TensorType


def listed(inputs: tuple[TensorType, ...]) -> str:
    """The types as a message lists them: `3x4 and 3x5`."""
    return " and ".join(str(tensor) for tensor in inputs)


def meeting(one: Dim, other: Dim) -> Dim | None:
    """The size of an axis on which two tensors meet; one place is repeated. None where they cannot."""
    if stretches(one):
        return other
    return one if stretches(other) or equal(one, other) else None


class Merge(Operator):
    """Joins what the wire carries, or its branches."""

    arity: ClassVar[int | None] = None
    joins = True
    # Where a tensor of fewer axes than the others has its axes of one place: behind its own, or before.
    _filled_behind: ClassVar[bool] = True

    def infer(self, *inputs: TensorType) -> TensorType:
        return inputs[0].with_shape(*self._shape(inputs))

    def _shape(self, inputs: tuple[TensorType, ...]) -> tuple[Dim, ...]:
        raise NotImplementedError

    def macs(self, *inputs: TensorType) -> Dim:
        return 0

    def reach(self, *inputs: TensorType) -> Reach:
        return POINTWISE

    def _aligned(self, inputs: tuple[Any, ...]) -> list[Any]:
        """The tensors, all of as many axes."""
        rank = max(x.dim() for x in inputs)
        start = ... if self._filled_behind else slice(None)
        found = []
        for x in inputs:
            missing = (None,) * (rank - x.dim())
            found.append(x[(start, *missing)] if missing else x)
        return found

    def _aligned_names(self, graph: Builder, inputs: tuple[Operand, ...]) -> list[str]:
        """The names of the tensors, all of as many axes."""
        rank = max(len(operand.type.shape) for operand in inputs)
        names = []
        for operand in inputs:
            missing = rank - len(operand.type.shape)
            name = operand.name
            if missing:
                first = rank + 1 - missing if self._filled_behind else 1
                axes = graph.integers(list(range(first, first + missing)))
                name = graph.node("Unsqueeze", [name, axes])
            names.append(name)
        return names


class Concat(Merge):
    """Joins along the channels; other sizes must agree. `axis=time` joins along the last axis.

    (C1, *sizes), (C2, *sizes), ... to (C1 + C2 + ..., *sizes).
    """

    spelling = "concat"
    examples = (
        ("3x4x5", "concat { | conv1-2 | relu }"),
        ("3x4", "concat(axis=time) { | relu | sigmoid }"),
    )

    axis: str = choice("channels", "time", default="channels", doc="what is joined")

    def _axis(self, tensor: TensorType) -> int:
        return 0 if self.axis == "channels" else len(tensor.shape) - 1

    def _shape(self, inputs: tuple[TensorType, ...]) -> tuple[Dim, ...]:
        first = inputs[0]
        # A vector joined in time is one step.
        shapes = [self._stepped(tensor).shape for tensor in inputs]
        rank, axis = len(shapes[0]), self._axis(self._stepped(first))
        for shape in shapes:
            others = [i for i in range(rank) if i != axis]
            if len(shape) != rank or not all(equal(shapes[0][i], shape[i]) for i in others):
                advice = _cause(inputs) or "sizes must agree along every axis but the joined one"
                raise Rejection(ShapesDiffer(self.spelling, listed(inputs), advice))
        joined = sum((shape[axis] for shape in shapes[1:]), shapes[0][axis])
        return (*shapes[0][:axis], joined, *shapes[0][axis + 1 :])

    def _stepped(self, tensor: TensorType) -> TensorType:
        if self.axis == "time" and len(tensor.shape) == 1:
            return tensor.with_shape(tensor.shape[0], 1)
        return tensor

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        if self.axis == "channels":
            return torch.cat(inputs, dim=1)
        return torch.cat([x.unsqueeze(-1) if x.dim() == 2 else x for x in inputs], dim=-1)

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        names = []
        for operand in inputs:
            name = operand.name
            if self._stepped(operand.type) != operand.type:
                name = graph.node("Unsqueeze", [name, graph.integers([2])])
            names.append(name)
        axis = self._axis(self._stepped(inputs[0].type)) + 1
        return graph.node("Concat", names, axis=axis)


def _cause(inputs: tuple[TensorType, ...]) -> str:
    """What made maps differ, where their sizes tell: windows without padding, or a stride."""
    sizes = {tensor.spatial for tensor in inputs}
    if len({len(each) for each in sizes}) != 1 or len(sizes) != 2:
        return ""
    pairs = list(zip(*sizes, strict=True))
    if not all(isinstance(size, int) for pair in pairs for size in pair):
        return ""
    if all(large >= 2 * small - 1 for small, large in map(sorted, pairs)):
        return "one side has a larger stride than the other"
    return "a window without padding makes a map smaller, `pad=same` keeps its size"


class _Broadcasting(Merge):
    """Element by element; a vector of C applies to the C channels of a map."""

    batches = "broadcast"
    _torch: ClassVar[str]
    _onnx: ClassVar[str]

    def _shape(self, inputs: tuple[TensorType, ...]) -> tuple[Dim, ...]:
        shape = list(max(inputs, key=lambda tensor: len(tensor.shape)).shape)
        for tensor in inputs:
            for axis, size in enumerate(tensor.shape):
                met = meeting(shape[axis], size)
                if met is None:
                    raise Rejection(ShapesDiffer(self.spelling, listed(inputs), _cause(inputs)))
                shape[axis] = met
            if 1 < len(tensor.shape) < len(shape):
                raise Rejection(ShapesDiffer(self.spelling, listed(inputs)))
        return tuple(shape)

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        total, *others = self._aligned(inputs)
        for other in others:
            total = getattr(torch, self._torch)(total, other)
        return total

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        total, *others = self._aligned_names(graph, inputs)
        for other in others:
            total = graph.node(self._onnx, [total, other])
        return total


class Add(_Broadcasting):
    """Sum, element by element."""

    spelling = "add"
    aliases = ("sum",)
    examples = (
        ("3x4x5", "add { | conv1-3 | relu }"),
        ("3x4x5", "add { | relu | gap }"),
    )
    _torch, _onnx = "add", "Add"


class Mul(_Broadcasting):
    """Product, element by element."""

    spelling = "mul"
    examples = (
        ("3x4x5", "mul { | relu | gap; sigmoid }"),
        ("3x4", "mul { | relu | sigmoid }"),
    )
    _torch, _onnx = "mul", "Mul"


class Sub(_Broadcasting):
    """The first less the second, element by element."""

    spelling = "sub"
    arity = 2
    examples = (("3x4x5", "sub { | relu | sigmoid }"), ("3x4x5", "sub { | identity | gap }"))
    _torch, _onnx = "sub", "Sub"


class Div(_Broadcasting):
    """The first over the second, element by element: shunting inhibition (Fukushima 1980)."""

    spelling = "div"
    arity = 2
    examples = (("3x4x5", "div { | relu; scaled(1, 1) | sigmoid }"),)
    _torch, _onnx = "div", "Div"


class Maximum(_Broadcasting):
    """Maximum, element by element."""

    spelling = "maximum"
    examples = (("3x4x5", "maximum { | conv1-3 | relu }"),)
    _torch, _onnx = "maximum", "Max"


class Minimum(_Broadcasting):
    """Minimum, element by element."""

    spelling = "minimum"
    examples = (("3x4x5", "minimum { | conv1-3 | relu }"),)
    _torch, _onnx = "minimum", "Min"


class Mean(_Broadcasting):
    """Mean, element by element: FractalNet's join (Larsson et al. 2017).

    In training with `drop_path`, each sample loses each input with that probability, never all of
    them. In a share of the samples, `global_share`, every join of the net keeps the same single
    column instead: columns are counted from the last input, which is the deepest.
    """

    spelling = "mean"
    order = ("drop_path",)
    random = True
    examples = (
        ("3x4x5", "mean { | conv1-3 | relu | sigmoid }"),
        ("3x4x5", "mean(drop_path=0.15) { | conv1-3 | conv3-3(pad=1) }"),
    )
    _torch, _onnx = "add", "Add"

    drop_path: float = real(
        0.0, low=0.0, high=1.0, doc="probability of losing an input in training"
    )
    global_share: float = real(
        0.5, low=0.0, high=1.0, doc="samples that keep one column of the net"
    )

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        return super().compute(torch, *inputs) / len(inputs)

    def draws(self, *inputs: TensorType) -> tuple[str, ...]:
        if not self.drop_path or common(tensor.batch for tensor in inputs) != SAMPLES:
            return ()
        return ("global", *self._columns(len(inputs)))

    def _columns(self, count: int) -> list[str]:
        """The draw that ranks the column of each input, the deepest last."""
        return [f"column {depth}" for depth in reversed(range(count))]

    def train(self, torch: Any, draws: Mapping[str, Any], *inputs: Any, **weights: Any) -> Any:
        if not self.drop_path:
            return self.compute(torch, *inputs)
        stacked = torch.stack(torch.broadcast_tensors(*self._aligned(inputs)))
        rows = stacked.shape[1]
        if not draws:
            # What has other rows than samples, or stands alone, draws for itself.
            names = ("global", *self._columns(len(inputs)))
            draws = {name: torch.rand(rows, device=stacked.device) for name in names}
        kept = torch.where(
            draws["global"] < self.global_share,
            self._one_column(torch, draws, inputs),
            self._survivors(torch, len(inputs), rows, stacked.device),
        )
        mask = kept.to(stacked.dtype).reshape(*kept.shape, *((1,) * (stacked.dim() - 2)))
        return (stacked * mask).sum(0) / mask.sum(0)

    def _one_column(self, torch: Any, draws: Mapping[str, Any], inputs: tuple[Any, ...]) -> Any:
        """Which input each sample keeps, (inputs, samples), where a whole column is kept.

        The columns' ranks are drawn once for the net and each join keeps the first of its own, so
        that all joins on the column that ranks first agree on it without knowing of each other.
        """
        ranks = torch.stack([draws[name] for name in self._columns(len(inputs))])
        return self._only(torch, ranks.argmax(0), len(inputs))

    def _survivors(self, torch: Any, count: int, rows: Any, device: Any) -> Any:
        """Which inputs each sample keeps, (inputs, samples), each join for itself."""
        ranks = torch.rand(count, rows, device=device)
        return (ranks >= self.drop_path) | self._only(torch, ranks.argmax(0), count)

    def _only(self, torch: Any, index: Any, count: int) -> Any:
        return torch.nn.functional.one_hot(index, count).T.bool()

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        import numpy as np

        # No node `Mean`: ONNX Runtime has it on the CPU only.
        count = graph.constant(np.float32(len(inputs)))
        return graph.node("Div", [super().onnx(graph, *inputs), count])
