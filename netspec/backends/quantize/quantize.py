"""A model in eight bits: ranges from samples, then as few steps left in fp32 as the output needs."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from netspec.analysis.costs import node_cost
from netspec.backends.observe import watched
from netspec.backends.onnx.rounding import Judged, Quantized
from netspec.backends.onnx.targets import target_named
from netspec.backends.quantize.flow import Flow, Work
from netspec.backends.quantize.nodes import Numbers, apart, written
from netspec.backends.quantize.plan import Plan, planned
from netspec.backends.quantize.spread import Scale, Spread
from netspec.backends.quantize.weights import Factors, factors
from netspec.backends.quantize.widths import widths
from netspec.diagnostics.messages.backends import BadInput, TargetLacks, TooCoarse
from netspec.diagnostics.raised import NetspecError
from netspec.foundation.records import record
from netspec.graph.loops import around
from netspec.sizes.dims import substitute

if TYPE_CHECKING:
    from netspec.backends.onnx.model import Model
    from netspec.graph.checked import Graph, Node
    from netspec.weights.sources import WeightSource

    Array = np.ndarray[Any, Any]
    Samples = list[Mapping[str, Array]]

# Each so many-th sample is judged on and no range is taken from it, up to a number of them: what the net
# will see reaches further than what was counted. Each step is judged alone on the first few.
_EVERY, _JUDGED, _ALONE = 4, 8, 2
# Where a size is a symbol, multiply-adds are told for the smallest legal one of at least this.
_SIZE = 64
_REASON = "there is no kernel of eight bits for"
_STEPWISE = "it runs at every step of a recurrence"


@record
class Quantization:
    """How a net is written in eight bits.

    `activations` is what tensors are of: `uint8`, with a zero point, or `int8`, symmetric, as TensorRT
    wants them; its parser takes no biases of int32, so those are fp32 then. `limit` is
    the largest integer of a weight: 127, or 63 where processors add pairs of products in 16 bits.
    Steps are kept in fp32 until the output has `decibels`, with at most `share` of the multiply-adds.
    """

    activations: str = "uint8"
    limit: int = 127
    decibels: float = 20.0
    share: float = 0.1

    @property
    def widens(self) -> bool:
        """Whether maps get channels of zeros where ONNX Runtime on a processor is faster for them."""
        return self.activations == "uint8"

    @staticmethod
    def for_reader(name: str | None, *, reduced: bool = False) -> Quantization:
        """How a net is written for a target of that name; `reduced` keeps weights to 7 bits for any.

        Raises NetspecError where it reads no eight bits.
        """
        target = target_named(name)
        if reason := target.lacks.get("QuantizeLinear"):
            raise NetspecError(TargetLacks(target.title, "QuantizeLinear", reason), status=2)
        return Quantization(target.activations, min(target.weights, 63 if reduced else 127))


def quantized(
    model: Model,
    graph: Graph,
    source: WeightSource,
    samples: Iterable[Mapping[str, Array]],
    how: Quantization,
    reached: Callable[[str, str], None] = lambda stage, layer: None,
) -> tuple[Model, WeightSource, Quantized]:
    """The model in eight bits, the source of its weights, and what came of it.

    `samples` are arrays by input name; each is read once. Every fourth is kept to judge by, and no range
    is taken from it; of less than four all serve for both.
    """
    work = _Work(model, graph, source, how, reached)
    work.calibrate(samples)
    return work.chosen()


def quantizing(
    samples: Iterable[Mapping[str, Array]],
    how: Quantization,
    *,
    strict: bool = False,
    reached: Callable[[str, str], None] = lambda stage, layer: None,
) -> Callable[[Model, Graph, WeightSource], tuple[Model, WeightSource, Quantized]]:
    """What `compile_graph` takes to write a file in eight bits.

    With `strict` it raises NetspecError where the output is not as good as `how` asks for.
    """

    def quantize(
        model: Model, graph: Graph, source: WeightSource
    ) -> tuple[Model, WeightSource, Quantized]:
        found = quantized(model, graph, source, samples, how, reached)
        told = found[2]
        if strict and not told.reached:
            raise NetspecError(TooCoarse(f"{told.decibels:.1f}", f"{told.wanted:g}"))
        return found

    return quantize


def decibels(exact: Array, rounded: Array) -> float:
    """Signal to noise, 10 log10(sum x^2 / sum (x - y)^2); infinite where nothing differs."""
    fine = np.isfinite(exact)
    a, b = exact[fine].astype(np.float64), rounded[fine].astype(np.float64)
    noise, signal = float(np.square(a - b).sum()), float(np.square(a).sum())
    if math.isnan(noise):
        return -math.inf
    if not noise:
        return math.inf
    return 10 * math.log10(signal / noise) if signal else -math.inf


class _Work:
    def __init__(
        self,
        model: Model,
        graph: Graph,
        source: WeightSource,
        how: Quantization,
        reached: Callable[[str, str], None],
    ) -> None:
        self.model, self.graph, self.source, self.how = model, graph, source, how
        self.reached = reached
        self.flow = Flow(model)
        self.plan = planned(self.flow)
        self.reasons: dict[Node, str] = {}
        self.factors: dict[Work, Factors] = {}
        for node in self.flow.nodes:
            if node in self.plan.working and node.multiplies:
                found = factors(self.flow, source, node)
                if found.finite:
                    self.factors[node] = found
                else:
                    self.reasons[node.step] = (
                        "its weights are not all finite numbers of a usual size"
                    )
        self.first: Samples = []
        self.kept: Samples = []
        self.exact: list[dict[str, Array]] = []
        self.count = 0
        self.apart = False
        self.spreads: dict[str, Spread] = {}

    # ranges

    def calibrate(self, samples: Iterable[Mapping[str, Array]]) -> None:
        """Runs the net in fp32 on every sample, and counts what each tensor holds or keeps its output."""
        names = self._sources()
        self.spreads = {name: Spread() for name in names}
        ends = self._ends()

        first: list[dict[str, Array]] = []

        def counted() -> Iterable[Mapping[str, Array]]:
            for sample in samples:
                self.count += 1
                if self._is_kept():
                    self.kept.append(sample)
                elif len(self.first) < _EVERY - 1:
                    self.first.append(sample)
                self.reached(f"calibrating on sample {self.count}", "")
                yield sample

        for arrays in watched(self.model, self.source, counted(), [*names, *ends]):
            outputs = {name: arrays[name] for name in ends}
            if len(self.exact) < len(self.kept):
                self.exact.append(outputs)
                continue
            if len(first) < len(self.first):
                first.append(outputs)
            for name in names:
                self.spreads[name].add(arrays[name])
        if not self.count:
            raise NetspecError(BadInput(self.flow.inputs[0], "there is no sample of it"), status=2)
        self.apart = bool(self.kept)
        if not self.apart:
            self.kept, self.exact = self.first, first

    def _is_kept(self) -> bool:
        """Whether the sample that comes is judged on."""
        return self.count % _EVERY == 0 and len(self.kept) < _JUDGED

    def _sources(self) -> list[str]:
        """The tensors whose numbers are new: those that were only moved have others' ranges."""
        made = [made for name in self.plan.groups for made in self.plan.made(name)]
        return list(dict.fromkeys(made))

    def _ends(self) -> list[str]:
        """What is judged: the outputs, and before a final softmax its input."""
        found = []
        for name in self.flow.outputs:
            maker = self.flow.makers.get(name)
            if maker is not None and maker.kind == "Softmax":
                name = str(maker.proto.input[0])
            found.append(name)
        return list(dict.fromkeys(found))

    def _numbers(self, plan: Plan) -> Numbers:
        """The scales of a plan's groups, and the factors of its nodes."""
        symmetric = self.how.activations == "int8"
        scales: dict[str, Scale] = {}
        for group, members in plan.members().items():
            spread = Spread()
            for name in dict.fromkeys(m for member in members for m in plan.made(member)):
                spread.join(self.spreads[name])
            scales[group] = spread.scale(symmetric=symmetric)
        return Numbers(scales, self.factors, self.how.limit, biases=not symmetric)

    # what stays in fp32

    def chosen(self) -> tuple[Model, WeightSource, Quantized]:
        """The model with as few steps in fp32 as its output needs.

        Steps are kept out in one of two orders, whichever serves better: the first of the net first,
        since what follows multiplies their noise, or by noise for each multiply-add.
        """
        costs = self._costs()
        noise = self._alone()
        alone = {node: noise[node] for node in costs if node in noise}
        exact: list[Node] = []
        found = self._judged(exact)
        if found < self.how.decibels:
            worst = sorted(alone, key=lambda node: -alone[node] / max(1, costs[node]))
            orders = [self._affordable(order, costs, alone) for order in (list(alone), worst)]
            exact, found = max(
                [(exact, found), *((order, self._judged(order)) for order in orders)],
                key=lambda pair: pair[1],
            )
            if found >= self.how.decibels:
                exact, found = self._fewest(exact, found)
        reasons = dict.fromkeys(exact, "the output needs it") | self.reasons
        model, source = self._written(exact)[:2]
        return model, source, self._told(found, alone, costs, reasons)

    def _affordable(
        self, order: list[Node], costs: Mapping[Node, int], alone: Mapping[Node, float]
    ) -> list[Node]:
        """The steps that fit into the share of fp32, one after the other."""
        left = sum(costs.values()) * self.how.share
        left -= sum(cost for node, cost in costs.items() if node not in alone)
        found = []
        for node in order:
            if costs[node] <= left:
                left -= costs[node]
                found.append(node)
        return found

    def _fewest(self, exact: list[Node], found: float) -> tuple[list[Node], float]:
        """The shortest start of a list of steps that is enough, by halving."""
        low, high = 0, len(exact)
        while high - low > 1:
            middle = (low + high) // 2
            judged = self._judged(exact[:middle])
            if judged >= self.how.decibels:
                high, found = middle, judged
            else:
                low = middle
        return exact[:high], found

    def _alone(self) -> dict[Node, float]:
        """The share of noise in each step's output when it alone is of eight bits.

        What is off in a channel on average goes into the bias (Nagel et al. 2019), but for constants':
        sums of squares stay sums, and are nowhere negative.
        """
        model, source, doubles = apart(
            self.model, self.flow, self.plan, self._numbers(self.plan), self.source
        )
        noise: dict[Node, float] = {}
        shifts: dict[Work, list[Array]] = {}
        names = [name for node, out in doubles.items() for name in (node.proto.output[0], out)]
        samples = self._announced("judging each step alone", self.first[:_ALONE])
        for arrays in watched(model, source, samples, names, optimize=False):
            for node, out in doubles.items():
                exact, rounded = arrays[node.proto.output[0]], arrays[out]
                found = 10 ** (-decibels(exact, rounded) / 10)
                noise[node.step] = max(noise.get(node.step, 0.0), found)
                shift = _shift(node, exact, rounded)
                if np.isfinite(shift).all():
                    shifts.setdefault(node, []).append(shift)
        for node, off in shifts.items():
            if node.kind != "MatMul" and not node.is_fixed:
                self.factors[node] = self.factors[node].shifted(np.mean(off, 0))
        return noise

    def _written(self, exact: Collection[Node]) -> tuple[Model, WeightSource, Plan]:
        plan = planned(self.flow, {*exact, *self.reasons})
        numbers = self._numbers(plan)
        if self.how.widens:
            numbers = replace(numbers, widths=widths(self.flow, plan))
        return (*written(self.model, self.flow, plan, numbers, self.source), plan)

    def _judged(self, exact: Collection[Node]) -> float:
        """The signal-to-noise ratio of the worst output with these steps in fp32."""
        model, source, plan = self._written(exact)
        rounded = plan.rounded()
        names = {
            end: f"{end}.dequantized" if end in rounded and end not in self.flow.outputs else end
            for end in self._ends()
        }
        samples = self._announced(f"judging with {len(exact)} steps in fp32", self.kept)
        runs = list(watched(model, source, samples, list(names.values()), optimize=False))
        return min(
            decibels(
                np.concatenate([run[end].reshape(-1) for run in self.exact]),
                np.concatenate([run[name].reshape(-1) for run in runs]),
            )
            for end, name in names.items()
        )

    def _announced(self, stage: str, samples: Samples) -> Iterator[Mapping[str, Array]]:
        for sample in samples:
            self.reached(stage, "")
            yield sample

    def _macs(self, node: Node) -> int:
        sizes = {**self.graph.nominal_sizes, **(self.graph.legality.example(_SIZE) or {})}
        found = substitute(node_cost(self.graph, node).macs, sizes)
        assert isinstance(found, int)
        return found

    def _costs(self) -> dict[Node, int]:
        """The multiply-adds of each step that has any, and of those that multiply by constants, none."""
        fixed = {node.step for node in self.plan.working if node.matrix and node.is_fixed}
        found = {node: self._macs(node) for node in self.graph.nodes}
        return {node: macs for node, macs in found.items() if macs or node in fixed}

    def _told(
        self,
        found: float,
        alone: Mapping[Node, float],
        costs: Mapping[Node, int],
        exact: Mapping[Node, str],
    ) -> Quantized:
        total = sum(costs.values()) or 1
        stepwise = around(self.graph)
        steps = []
        for node, macs in costs.items():
            known = alone.get(node)
            lacking = _STEPWISE if node in stepwise else f"{_REASON} {node.op.spelling}"
            reason = exact.get(node, "" if known is not None else lacking)
            ratio = None if known is None else (-10 * math.log10(known) if known else math.inf)
            steps.append(Judged(node.path, str(node.span), macs / total, ratio, reason))
        judged = len(self.kept) if self.apart else 0
        return Quantized(found, self.how.decibels, tuple(steps), self.count, judged)


def _shift(node: Work, exact: Array, rounded: Array) -> Array:
    """The mean error of each output channel."""
    axis = exact.ndim - 1 if node.kind in ("Gemm", "MatMul") else 1
    others = tuple(i for i in range(exact.ndim) if i != axis)
    return np.asarray((exact.astype("f8") - rounded).mean(others))
