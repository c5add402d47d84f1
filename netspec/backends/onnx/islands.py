"""What a model in half precision keeps in single: the steps and nodes whose numbers half cannot hold.

Half precision ends at 65,504, and below 6.1e-05 it loses digits until nothing is left at 6e-08. What
demands more is found by rules over the nodes themselves, by the weights, and by the values that samples
reach where they were measured. PyTorch's autocast keeps the same operators in float32.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from math import isfinite, prod

import numpy as np
from onnx import NodeProto, TensorProto, numpy_helper

from netspec.backends.onnx.kinds import Parts, followed, halves
from netspec.backends.onnx.model import Model
from netspec.backends.onnx.options import path_pattern
from netspec.backends.onnx.recurring.scans import stepwise
from netspec.diagnostics.messages.backends import NoSuchStep
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.source import Span
from netspec.diagnostics.suggest import closest
from netspec.foundation.records import record
from netspec.graph.checked import Node
from netspec.sizes.shapes import numel
from netspec.weights.sources import WeightSource

# The largest number of half precision, and the least that has all its digits.
LARGEST, LEAST = 65504.0, 2.0**-14
# Inputs other than the samples reach further: values up to this stay in half.
MARGIN = 4
# As many terms can be added up in half: beyond twice as many, adding 1 to their sum changes nothing.
_TERMS = 1024

# What an operator of ONNX computes inside, whatever it is given.
_INSIDE = {
    "Exp": "an exponential",
    "GroupNormalization": "a mean over a map",
    "InstanceNormalization": "a variance over a map",
    "Log": "a logarithm",
    "LogSoftmax": "a sum of exponentials",
    "Pow": "a power",
    "Reciprocal": "a quotient",
    "ReduceL2": "a sum of squares",
    "ReduceSumSquare": "a sum of squares",
    "Softmax": "a sum of exponentials",
    "Softplus": "an exponential",
}
# What half precision is for: a step that holds one keeps what it can in half.
_PRODUCTS = frozenset("Conv ConvTranspose GRU Gemm LSTM MatMul RNN".split())
_SUMS = frozenset({"ReduceMean", "ReduceSum"})

# The least and the largest value of a tensor on samples.
Range = tuple[float, float]


@record
class Island:
    """A step of the net that computes in single precision, and what demanded it.

    `operators` are ONNX's that do, where the step as a whole does not.
    """

    path: str
    span: Span
    reason: str
    operators: tuple[str, ...] = ()

    def __str__(self) -> str:
        part = f" ({', '.join(self.operators)} in it)" if self.operators else ""
        return f"{self.path}{part} at {self.span}: {self.reason}"


def islands(
    model: Model,
    graph: Parts,
    source: WeightSource,
    ranges: Mapping[str, Range],
    globs: Sequence[str] = (),
) -> tuple[frozenset[int], tuple[Island, ...]]:
    """The numbers of the nodes that compute in single precision, and the steps that they are of.

    `ranges` are those of tensors by name, empty where nothing was measured. `globs` name further steps
    or blocks by path; raises NetspecError for one that names none.
    """
    steps: dict[Node | None, list[tuple[int, NodeProto]]] = {}
    for number, node in enumerate(graph.nodes()):
        steps.setdefault(model.owners[number], []).append((number, node))
    asked = _asked([step for step in steps if step is not None], globs)
    demands = _Demands(model, graph, source, ranges)
    placing = _placing(steps)
    recurring = stepwise(model)
    wide: set[int] = set()
    found = []
    for step, nodes in steps.items():
        reasons = dict(demands.of(step, nodes))
        if step in placing:
            # What reads by places may have products of its own, as deformable convolution has.
            reads = step is not None and step.op.places
            own = (n for n, node in nodes if not (reads and node.op_type in _PRODUCTS))
            reasons = dict.fromkeys(own, placing[step]) | reasons
        whole = (asked.get(step, "") if step else "") or demands.of_weights(nodes)
        if any(not recurring.isdisjoint(node.output) for _, node in nodes):
            whole = whole or "what a recurrence carries on is rounded at every step"
        if reasons and not whole and not any(map(demands.multiplies, (n for _, n in nodes))):
            whole = next(iter(reasons.values()))
        reasons |= demands.of_values(nodes)
        chosen = [number for number, _ in nodes] if whole else list(reasons)
        wide.update(chosen)
        if step is not None and chosen:
            some = (
                {} if len(chosen) == len(nodes) else {n.op_type: 1 for i, n in nodes if i in chosen}
            )
            reason = whole or next(iter(reasons.values()))
            found.append(Island(step.path, step.span, reason, tuple(some)))
    return frozenset(wide), tuple(found)


def _placing(steps: Mapping[Node | None, list[tuple[int, NodeProto]]]) -> dict[Node, str]:
    """The steps that read by places in a map, and those that compute the places: half has not the digits.

    Back to the layer that they come from, which is in single too: it has few outputs, and so has its cost.
    """
    found = {
        step: "places in a map or an image" for step in steps if step is not None and step.op.places
    }
    todo = [step.inputs[number].node for step in found for number in step.op.places]
    while todo:
        step = todo.pop()
        if step in found or step not in steps:
            continue
        found[step] = "places follow from it"
        if not any(node.op_type in _PRODUCTS for _, node in steps[step]):
            todo += [value.node for value in step.inputs]
    return found


class _Demands:
    """Why a node of a model needs single precision."""

    def __init__(
        self, model: Model, graph: Parts, source: WeightSource, ranges: Mapping[str, Range]
    ) -> None:
        self._graph = graph
        self._wide = {name: reason for name, r in ranges.items() if (reason := _beyond(r, MARGIN))}
        self._weights = _weights(model, source)
        self._fixed = {tensor.name for tensor in graph.rest.initializer}
        self._constants = {
            tensor.name: reason
            for tensor in graph.rest.initializer
            if (reason := _constant(tensor))
        }

    def multiplies(self, node: NodeProto) -> bool:
        """Whether half precision is for a node: it multiplies by more than constants."""
        return node.op_type in _PRODUCTS and node.input[1] not in self._fixed

    def of(
        self, step: Node | None, nodes: list[tuple[int, NodeProto]]
    ) -> Iterator[tuple[int, str]]:
        """The nodes of a step that demand it by what they are, each with the reason."""
        for number, node in nodes:
            reason = _INSIDE.get(node.op_type, "")
            if not halves(self._graph, node):
                reason = f"ONNX has no {node.op_type} in half"
            if not reason and node.op_type == "Mul" and node.input[0] == node.input[1]:
                reason = "a square"
            if not reason and _terms(step, node) > _TERMS:
                reason = f"a sum of more than {_TERMS:,} values"
            reason = reason or next(
                (self._constants[n] for n in node.input if n in self._constants), ""
            )
            if reason:
                yield number, reason

    def of_weights(self, nodes: list[tuple[int, NodeProto]]) -> str:
        """What the weights that a step reads demand; empty where they fit."""
        names = (name for _, node in nodes for name in node.input)
        return next((self._weights[name] for name in names if name in self._weights), "")

    def of_values(self, nodes: list[tuple[int, NodeProto]]) -> dict[int, str]:
        """The nodes that read or make what half cannot hold, as it was measured."""
        found = {}
        for number, node in nodes:
            held = [self._wide[n] for n in (*node.output, *node.input) if n in self._wide]
            if held:
                found[number] = held[0]
        return found


def _terms(step: Node | None, node: NodeProto) -> float:
    """How many values a node adds up, infinity where that is open."""
    if node.op_type == "AveragePool":
        return float(prod(next(a.ints for a in node.attribute if a.name == "kernel_shape")))
    if node.op_type not in _SUMS or step is None:
        return 1
    into, out = (numel(tensor.shape) for tensor in (step.input_types[0], step.types[0]))
    return into / out if isinstance(into, int) and isinstance(out, int) else float("inf")


def _beyond(found: Range, margin: float = 1) -> str:
    """What of a range half precision cannot hold; empty where it can. Infinities are ones there too."""
    largest = max((abs(end) for end in found if isfinite(end)), default=0)
    if largest > LARGEST / margin:
        return f"values to {largest:.1e}"
    return f"no value above {largest:.1e}" if 0 < largest < LEAST else ""


def _constant(tensor: TensorProto) -> str:
    """What of a constant half precision cannot hold: any number beyond it, or one without its digits."""
    if tensor.data_type != TensorProto.FLOAT:
        return ""
    sizes = np.abs(numpy_helper.to_array(tensor))
    sizes = sizes[np.isfinite(sizes) & (sizes > 0)]
    if not sizes.size or (sizes.max() <= LARGEST and sizes.min() >= LEAST):
        return ""
    return f"the constant {sizes.max() if sizes.max() > LARGEST else sizes.min():.1e}"


def _weights(model: Model, source: WeightSource) -> dict[str, str]:
    """What half precision cannot hold of each weight."""
    found = {}
    for item in model.weights:
        largest = 0.0
        for piece in source.pieces(item.name, item.weight):
            if piece.size:
                largest = max(largest, float(np.max(piece)), -float(np.min(piece)))
        reason = _beyond((largest, largest)) if isfinite(largest) else "infinite values"
        if reason:
            found[item.name] = f"its {item.name.rpartition('.')[2]} has {reason}"
    return found


def _asked(steps: Sequence[Node], globs: Sequence[str]) -> dict[Node, str]:
    """The steps that are named by path globs: `*` is any part of a name, `**` any number of names."""
    found: dict[Node, str] = {}
    for glob in globs:
        pattern = re.compile(path_pattern(glob))
        named = [step for step in steps if pattern.match(step.path)]
        if not named:
            paths = {step.path for step in steps}
            blocks = {
                path.rsplit(".", n)[0] for path in paths for n in range(1, path.count(".") + 1)
            }
            near = closest(glob, paths | blocks)
            raise NetspecError(NoSuchStep(glob, f"did you mean {near}?" if near else ""), status=2)
        found |= {step: f"asked for by `{glob}`" for step in named if step not in found}
    return found


def floats(graph: Parts) -> list[str]:
    """The tensors of a model in single precision that hold numbers, inputs first."""
    kinds: dict[str, int] = {}
    for _ in followed(graph, range(len(graph)), kinds=kinds):
        pass
    return [name for name, kind in kinds.items() if kind == TensorProto.FLOAT]
