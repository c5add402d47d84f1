"""Elements chosen by their values: the largest, which those are, what stands there, and boxes that stay."""

from __future__ import annotations

from typing import Any

from netspec.diagnostics.messages.shapes import OutOfRange, WrongPartner, WrongRank
from netspec.diagnostics.raised import Rejection
from netspec.ops.declare.checks import fixed_channels, need_partners, need_spatial
from netspec.ops.declare.interfaces import Builder, Operand, V
from netspec.ops.declare.operator import Operator
from netspec.ops.declare.params import choice, count, flag, real
from netspec.ops.declare.plain import plain
from netspec.ops.declare.reach import EVERYWHERE, POINTWISE, Reach
from netspec.sizes.conditions import at_least, equal
from netspec.sizes.dims import Dim
from netspec.sizes.shapes import TensorType


class TopK(Operator):
    """The largest values of a vector, or of each row of a sequence, the largest first.

    (T,) to (count,), (C, T) to (C, count), of ids too. Of equal values the first comes first. `gather`
    takes what stands at the same places of another tensor: where a text ends whose last id is the largest
    (CLIP, Radford et al. 2021).
    """

    spelling = "topk"
    carried = 1
    moves = True
    order = ("count",)
    examples = (
        ("7", "topk(3)"),
        ("3x8", "topk(4, largest=no)"),
        ("2x6", "topk(6) as best; @input; gather(@best)"),
        ("7 ids(9)", "embedding-3 as x; @input; topk(1) as end; @x; gather(@end)"),
    )

    count: int = count(doc="how many are taken")
    largest: bool = flag(True, doc="takes the largest; no: the smallest, the smallest first")

    def infer(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        tensor = inputs[0]
        if len(tensor.shape) not in (1, 2):
            raise Rejection(WrongRank(self.spelling, "a vector or a sequence", str(tensor)))
        if not at_least(tensor.shape[-1], self.count):
            allowed = f"at most the {tensor.shape[-1]} there are"
            raise Rejection(OutOfRange(self.spelling, "count", allowed, self.count))
        places = tensor.with_shape(*tensor.shape[:-1], self.count)
        return tensor.resized(len(tensor.shape) - 1, self.count), places

    def macs(self, *inputs: TensorType) -> Dim:
        return 0

    def reach(self, *inputs: TensorType) -> Reach:
        return EVERYWHERE

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        # torch.topk leaves the order of equal values open.
        values, places = inputs[0].sort(dim=-1, descending=self.largest, stable=True)
        return values[..., : self.count], places[..., : self.count]

    def onnx(self, graph: Builder, *inputs: Operand) -> tuple[str, ...]:
        if not graph.is_read(1):
            graph.want("TopK without its places")
        names = [inputs[0].name, graph.integers([self.count])]
        return graph.nodes("TopK", names, 2, axis=-1, largest=int(self.largest), sorted=1)


class Gather(Operator):
    """What stands where `topk` found its values: `gather(@best)` of a tensor as long as it read.

    (T,) to (count,), (C, T) to (C, count). A vector's places, or those of a single row, are taken of
    all rows. With `rows=all` every row is read at the places of each of R rows, (C, T) to
    (C, R, count): the neighbours of R points, found in R rows of distances.
    """

    spelling = "gather"
    arity = 2
    sized_by = 1
    looks_back = True
    order = ("rows",)
    examples = (
        ("2x6", "topk(2) as best; @input; gather(@best)"),
        ("4x9", "conv1-1; topk(3) as best; @input; conv1-5; gather(@best)"),
        ("7", "sigmoid; topk(4, largest=no) as least; @input; gather(@least)"),
        ("3xT", "over_channels(mean); topk(2) as best; @input; gather(@best)"),
        (
            "3x8",
            "matmul { | transpose | identity }; topk(4) as near; @input; gather(@near, rows=all)",
        ),
    )

    rows: str = choice(
        "own",
        "all",
        default="own",
        doc="whose places a row is read at: its own, or those of all rows",
    )

    def connect(self, wire: tuple[V, ...], references: tuple[V, ...]) -> tuple[V, ...]:
        need_partners(self, wire, references, 1)
        found = references[0].node
        if not isinstance(found.op, TopK):
            raise Rejection(WrongPartner(self.spelling, "the name of a topk"))
        ours, theirs = wire[0].type, found.input_types[0]
        if self.rows == "all":
            fits = len(ours.shape) == len(theirs.shape) == 2 and ours.batch == theirs.batch
            if not fits or not equal(ours.shape[-1], theirs.shape[-1]):
                expected = f"a topk of rows of {ours.shape[-1]}, as {ours} has"
                raise Rejection(WrongPartner(self.spelling, expected))
            return wire[0], found.outputs[1]
        fits = (
            len(theirs.shape) <= len(ours.shape) <= 2
            and ours.batch == theirs.batch
            and equal(ours.shape[-1], theirs.shape[-1])
            and (not theirs.spatial or theirs.channels == 1 or theirs.channels == ours.channels)
        )
        if not fits:
            expected = f"a topk of rows like those of {ours}, or `rows=all`"
            raise Rejection(WrongPartner(self.spelling, expected))
        return wire[0], found.outputs[1]

    def infer(self, *inputs: TensorType) -> TensorType:
        if self.rows == "all":
            return inputs[0].with_shape(inputs[0].channels, *inputs[1].shape)
        return inputs[0].with_shape(*inputs[0].shape[:-1], inputs[1].shape[-1])

    def macs(self, *inputs: TensorType) -> Dim:
        return 0

    def reach(self, *inputs: TensorType) -> Reach:
        return EVERYWHERE

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        tensor, places = inputs
        if self.rows == "all":
            flat = places.flatten(1).unsqueeze(1).expand(-1, tensor.shape[1], -1)
            return tensor.gather(-1, flat).unflatten(-1, places.shape[1:])
        if places.dim() < tensor.dim():
            places = places.unsqueeze(1)
        rows = tensor.shape[:-1]
        return tensor.gather(-1, places.expand(*rows, places.shape[-1]))

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        tensor, places = inputs
        name, axis = places.name, len(tensor.type.shape)
        if self.rows == "all":
            channels, count = fixed_channels(self.spelling, tensor.type), places.type.shape[-1]
            assert isinstance(count, int)
            flat = graph.node("Reshape", [name, graph.integers([0, 1, -1])])
            all_rows = graph.node("Expand", [flat, graph.integers([1, channels, 1])])
            found = graph.node("GatherElements", [tensor.name, all_rows], axis=2)
            return graph.node("Reshape", [found, graph.integers([0, channels, -1, count])])
        if len(places.type.shape) < axis:
            name = graph.node("Unsqueeze", [name, graph.integers([1])])
        if axis == 2 and places.type.shape[:-1] != tensor.type.shape[:-1]:
            rows = graph.node(
                "Concat",
                [graph.integers([1]), graph.size(tensor, 1), graph.integers([1])],
                axis=0,
            )
            name = graph.node("Expand", [name, rows])
        return graph.node("GatherElements", [tensor.name, name], axis=axis)


class Hardmax(Operator):
    """1 for the largest channel of each place, or the `count` largest, 0 for the others.

    (C, *sizes) to the same shape; of equal values the first. Experts that a gate picks (Shazeer et
    al. 2017) are `mul { | softmax | hardmax(2) }`, the nearest code of a table (VQ-VAE, van den Oord
    et al. 2017) the product of the table and it. No gradient flows through.
    """

    spelling = "hardmax"
    order = ("count",)
    examples = (
        ("5x3", "mul { | softmax | hardmax(2) }"),
        ("4", "mul { | identity | hardmax }"),
        ("3xHxW", "add { | relu | hardmax }"),
    )

    count: int = count(1, doc="how many are 1")

    def infer(self, *inputs: TensorType) -> TensorType:
        channels = fixed_channels(self.spelling, inputs[0])
        if self.count > channels:
            allowed = f"at most the {channels} there are"
            raise Rejection(OutOfRange(self.spelling, "count", allowed, self.count))
        return inputs[0].with_shape(*inputs[0].shape)

    def macs(self, *inputs: TensorType) -> Dim:
        return 0

    def reach(self, *inputs: TensorType) -> Reach:
        return POINTWISE

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        places = inputs[0].detach().sort(dim=1, descending=True, stable=True)[1][:, : self.count]
        return torch.zeros_like(inputs[0]).scatter(1, places, 1.0)

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        import numpy as np

        name = inputs[0].name
        _, places = graph.nodes("TopK", [name, graph.integers([self.count])], 2, axis=1)
        zero, one = (graph.constant(np.float32(number)) for number in (0, 1))
        none = graph.node("Expand", [zero, graph.node("Shape", [name])])
        ones = graph.node("Expand", [one, graph.node("Shape", [places])])
        return graph.node("ScatterElements", [none, places, ones], axis=1)


@plain
def kept_boxes(torch: Any, boxes: Any, scores: Any, most: int, score: float, iou: float) -> Any:
    """Which boxes (N, classes, T) stay: each turn keeps the best of each class left.

    As many turns whatever the numbers are, so that what is traced holds for others.
    """
    first = torch.minimum(boxes[:, :2], boxes[:, 2:]).unsqueeze(2)
    last = torch.maximum(boxes[:, :2], boxes[:, 2:]).unsqueeze(2)
    first = first.expand(-1, -1, scores.shape[1], -1)
    last = last.expand(-1, -1, scores.shape[1], -1)
    area = (last - first).prod(1)
    left = scores > score
    kept = torch.zeros_like(left)
    for _ in range(min(most, scores.shape[2])):
        best = torch.where(left, scores, -1).argmax(2, keepdim=True)
        found = torch.zeros_like(left).scatter(2, best, left.gather(2, best))
        kept = kept | found
        corner = best.unsqueeze(1).expand(-1, 2, -1, -1)
        low = torch.maximum(first, first.gather(3, corner))
        high = torch.minimum(last, last.gather(3, corner))
        shared = (high - low).clamp(min=0).prod(1)
        overlap = shared / (area + area.gather(2, best) - shared)
        left = left & ~found & ~((overlap > iou) & found.any(2, keepdim=True))
    return kept


class NonMaxSuppression(Operator):
    """The boxes a detector ends in: `nms(@scores)` keeps of those that overlap the best of each class.

    Boxes (4, T), x1, y1, x2, y2, and scores (classes, T) to (6, most): x1, y1, x2, y2, score and class,
    best first; where fewer stay, zeros follow, and no box that stays has score 0. A box goes where its
    intersection over union with a better one of its class is above `iou`, and where its score is not
    above `score`: `torchvision.ops.batched_nms`. Of equal scores the first box comes first, of
    one box the first class. Corners may be in either order.
    """

    spelling = "nms"
    arity = 2
    places = (0,)
    order = ("iou", "score", "most")
    examples = (
        ("boxes: 4x9\ninput scores: 3x9", "@boxes; nms(@scores, iou=0.3, most=7)"),
        ("boxes: 4x3\ninput scores: 1x3", "@boxes; nms(@scores, score=0.2, most=5)"),
        ("boxes: 4xT\ninput scores: 2xT", "@boxes; nms(@scores, 0.1, most=4)"),
    )

    iou: float = real(0.5, low=0.0, high=1.0, doc="intersection over union that is still allowed")
    score: float = real(0.0, low=0.0, doc="what a score has to be above")
    most: int = count(100, high=2**16, doc="how many boxes are given, those that are none counted")

    def connect(self, wire: tuple[V, ...], references: tuple[V, ...]) -> tuple[V, ...]:
        need_partners(self, wire, references, 1)
        return (*wire, *references)

    def infer(self, *inputs: TensorType) -> TensorType:
        boxes, scores = inputs
        need_spatial(self, boxes, 1)
        if boxes.channels != 4:
            raise Rejection(WrongRank(self.spelling, "the 4 corners of boxes", str(boxes)))
        fits = len(scores.shape) == 2 and scores.batch == boxes.batch
        if not fits or not equal(scores.shape[1], boxes.shape[1]):
            expected = f"a score of each class for each of {boxes.shape[1]} boxes, not {scores}"
            raise Rejection(WrongPartner(self.spelling, expected))
        fixed_channels(self.spelling, scores)
        return boxes.with_shape(6, self.most)

    def macs(self, *inputs: TensorType) -> Dim:
        return 0

    def reach(self, *inputs: TensorType) -> Reach:
        return EVERYWHERE

    def compute(self, torch: Any, *inputs: Any, **weights: Any) -> Any:
        boxes, scores = inputs
        kept = kept_boxes(torch, boxes.detach(), scores.detach(), self.most, self.score, self.iou)
        # By boxes, then classes, so that of equal scores the first box comes first.
        ranked = torch.where(kept, scores, 0).transpose(1, 2).flatten(1)
        ranked = torch.nn.functional.pad(ranked, (0, max(0, self.most - ranked.shape[1])))
        best, places = ranked.sort(dim=1, descending=True, stable=True)
        best, places = best[:, None, : self.most], places[:, None, : self.most]
        box = (places // scores.shape[1]).clamp(max=boxes.shape[2] - 1)
        corners = boxes.gather(2, box.expand(-1, 4, -1))
        found = torch.cat([corners, best, (places % scores.shape[1]).to(boxes.dtype)], 1)
        return torch.where(best > 0, found, 0)

    def onnx(self, graph: Builder, *inputs: Operand) -> str:
        import numpy as np

        boxes, scores = inputs
        classes, zero = fixed_channels(self.spelling, scores.type), graph.constant(np.float32(0))
        limits = [graph.constant(np.asarray([x], np.float32)) for x in (self.iou, self.score)]
        turned = graph.node("Transpose", [boxes.name], perm=[0, 2, 1])
        picked = graph.node(
            "NonMaxSuppression", [turned, scores.name, graph.integers([self.most]), *limits]
        )
        # How many it finds depends on the numbers: their scores go where they were, zeros elsewhere.
        values = graph.node("GatherND", [scores.name, picked])
        none = graph.node("Expand", [zero, graph.node("Shape", [scores.name])])
        kept = graph.node("ScatterND", [none, picked, values])
        by_box = graph.node("Transpose", [kept], perm=[0, 2, 1])
        ranked = graph.node("Reshape", [by_box, graph.integers([0, -1])])
        boxes_given = boxes.type.shape[1]
        there = boxes_given * classes if isinstance(boxes_given, int) else 0
        if there < self.most:
            ranked = graph.pad(ranked, ((0, 0), (0, self.most - there)))
        best, places = graph.nodes(
            "TopK", [ranked, graph.integers([self.most])], 2, axis=1, largest=1, sorted=1
        )
        best, places = (
            graph.node("Unsqueeze", [name, graph.integers([1])]) for name in (best, places)
        )
        box = graph.node("Div", [places, graph.integers([classes])])
        last = graph.node("Sub", [graph.size(boxes, 2), graph.integers([1])])
        box = graph.node("Min", [box, last])
        box = graph.node("Expand", [box, graph.integers([1, 4, 1])])
        corners = graph.node("GatherElements", [boxes.name, box], axis=2)
        kind = graph.node("Mod", [places, graph.integers([classes])])
        found = graph.node("Concat", [corners, best, graph.node("Cast", [kind], to=1)], axis=1)
        stays = graph.node("Greater", [best, zero])
        return graph.node("Where", [stays, found, zero])
