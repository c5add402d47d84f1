"""How far the values of a lowered model reach on samples, through ONNX Runtime."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from onnx import AttributeProto, GraphProto

from netspec.backends.onnx.compile import Unmeasured
from netspec.backends.onnx.islands import floats
from netspec.backends.onnx.kinds import Parts
from netspec.backends.onnx.model import Model
from netspec.backends.onnx.recurring.scans import inside
from netspec.diagnostics.raised import NetspecError

if TYPE_CHECKING:
    import numpy as np

    from netspec.backends.onnx.compile import Measure
    from netspec.weights.sources import WeightSource

    Array = np.ndarray[Any, Any]


def measuring(samples: Iterable[Mapping[str, Array]]) -> Measure:
    """What measures a model's values on samples; it raises Unmeasured where ONNX Runtime cannot."""

    def measure(model: Model, source: WeightSource) -> dict[str, tuple[float, float]]:
        try:
            return extremes(model, source, samples)
        except NetspecError as refusal:
            raise Unmeasured(refusal.diagnostics[0].problem.headline) from None

    return measure


def extremes(
    model: Model, source: WeightSource, samples: Iterable[Mapping[str, Array]], *, threads: int = 0
) -> dict[str, tuple[float, float]]:
    """The least and the largest value on samples of each tensor of a model in single precision.

    The file that is run reduces each tensor where it is made, so that no more values stand in memory
    than in any run of the net. Empty without samples.
    """
    # It imports ONNX Runtime, without which there is nothing to measure and files are still written.
    from netspec.backends.observe import watched

    graph = Parts(model)
    stepwise = inside(model)
    names = [name for name in floats(graph) if name not in stepwise]
    mark = "range"
    while any(name.startswith(mark) for name in names):
        mark += "_"
    rest = GraphProto()
    for i, name in enumerate(names):
        for reduce in ("ReduceMin", "ReduceMax"):
            node = rest.node.add(op_type=reduce, name=f"{mark}{i}.{reduce}", input=[name])
            node.attribute.append(AttributeProto(name="keepdims", type=AttributeProto.INT, i=0))
            node.output.append(node.name)
    found: dict[str, tuple[float, float]] = {}
    reducing = replace(model, graph=model.graph + rest.SerializeToString())
    ends = [node.name for node in rest.node]
    for arrays in watched(reducing, source, samples, ends, threads=threads):
        for name, low, high in zip(names, ends[::2], ends[1::2], strict=True):
            reach = float(arrays[low]), float(arrays[high])
            least, largest = found.get(name, reach)
            found[name] = min(least, reach[0]), max(largest, reach[1])
    return found
