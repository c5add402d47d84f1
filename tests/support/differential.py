"""One step run three ways: PyTorch in float32 and float64, and ONNX Runtime; and steps to run."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import torch
from onnx import numpy_helper

from netspec.backends.onnx.guard import ALLOWED
from netspec.backends.onnx.lowering import lower
from netspec.backends.onnx.recurring.scans import reads
from netspec.backends.onnx.recurring.stepwise import inner_nodes
from netspec.backends.onnx.targets import EVERY, Target, ir_version
from netspec.backends.torch.modules import to_module
from netspec.diagnostics.source import Source
from netspec.elaborate.build import build
from netspec.graph.checked import Graph, Node
from netspec.ops.declare.operator import Operator
from netspec.ops.declare.weight import Weight
from netspec.ops.registry import REGISTRY
from netspec.passes.deploy import deploy
from netspec.sizes.dims import substitute
from netspec.weights.seeded import draw

# Two inputs, and two outputs one of which the other reads.
PAIR = """
net pair
input left: 3x8x8
input right: 2x8x8
@left; conv1-4 as a
@right; conv1-4 as b
add(@a) as both
output both, a
"""

# The nets are tiny: threads would cost more than they save.
torch.set_num_threads(1)

OPERATORS = tuple(dict.fromkeys(REGISTRY.values()))
FORBIDDEN = {"auto_pad", "training_mode"}


def snippet(declared: str, step: str) -> Graph:
    """The graph of a step on an input declared so."""
    return build(Source("<step>", f"input {declared}\n{step}\n"))


# Building raises the recursion limit, which hypothesis minds when it happens inside a test.
snippet("1", "relu")


# --- numbers


@dataclass(frozen=True)
class Varied:
    """Weights that leave no mistake unseen: nothing is zero, one, or the same twice."""

    seed: int = 0

    def pieces(self, name: str, weight: Weight) -> Iterator[np.ndarray[Any, Any]]:
        if weight.known:
            yield from draw(weight, name, self.seed)
            return
        random = np.random.default_rng([self.seed, zlib.crc32(name.encode())])
        values = random.standard_normal(weight.size, dtype=np.float32)
        if name.endswith("running_var"):
            values = np.float32(0.5) + np.abs(values)
        elif len(weight.shape) > 1:
            values /= np.float32(np.sqrt(max(1, weight.fan_in)))
        yield values


# Larger inputs are not tried: a slice can ask for two billion steps.
_LARGEST = 4096


def legal(graph: Graph) -> list[dict[str, int]]:
    """Sizes for the symbols of a graph, two if it has any and its conditions allow."""
    if not graph.symbols:
        return [{}]
    found: list[dict[str, int]] = []
    for least in (9, 12):
        sizes = graph.legality.example(least)
        if sizes is not None and sizes not in found and max(sizes.values()) <= _LARGEST:
            found.append(sizes)
    return found


def inputs_for(graph: Graph, batch: int, sizes: dict[str, int], seed: int = 0) -> list[Any]:
    """Seeded arrays for the inputs of a graph."""
    random = np.random.default_rng([seed, batch])
    found = []
    for node in graph.inputs:
        tensor = node.types[0]
        leading = tensor.batch.rows(graph.nominal_sizes, batch)
        shape = (leading, *(substitute(dim, sizes) for dim in tensor.shape))
        if tensor.ids is not None:
            found.append(random.integers(0, tensor.ids, shape))
        elif node.path == "rois":
            found.append(regions(random, leading, batch, graph, sizes))
        else:
            found.append(random.standard_normal(shape, dtype=np.float32))
    return found


def regions(random: Any, count: int, batch: int, graph: Graph, sizes: dict[str, int]) -> Any:
    """Boxes inside the first image: batch index, then x1, y1, x2, y2."""
    images = [node.types[0].spatial for node in graph.inputs if len(node.types[0].spatial) == 2]
    height, width = (substitute(dim, sizes) for dim in images[0])
    corners = random.uniform(0, 1, (count, 2, 2)) * [width - 1, height - 1]
    corners = np.sort(corners, axis=1).reshape(count, 4)
    return np.column_stack([random.integers(0, batch, count), corners]).astype(np.float32)


def onnx_model(
    graph: Graph, source: Any, opset: int | None = None, target: Target = EVERY
) -> onnx.ModelProto:
    """The deployed graph as an ONNX model with its weights, checked in full."""
    model = lower(deploy(graph), opset=opset, target=target)
    proto = model.proto
    for item in model.weights:
        values = np.concatenate(list(source.pieces(item.name, item.weight)))
        array = values.reshape(item.weight.shape)
        proto.graph.initializer.append(numpy_helper.from_array(array, item.name))
    onnx.checker.check_model(proto, full_check=True)
    written = proto.opset_import[0].version
    assert opset in (None, written)
    assert [(o.domain, o.version) for o in proto.opset_import] == [("", written)]
    read = {name for node in proto.graph.node for name in reads(node)}
    assert {tensor.name for tensor in proto.graph.initializer} <= read, "nothing reads it"
    assert proto.ir_version == ir_version(written)
    for node in inner_nodes(proto.graph.node):
        assert node.op_type != "Dropout"
        assert node.op_type in ALLOWED, "netspec would not run its own model"
        assert not FORBIDDEN & {attribute.name for attribute in node.attribute}
    return proto


def session(proto: onnx.ModelProto) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    return ort.InferenceSession(proto.SerializeToString(), options)


@dataclass(frozen=True)
class Ran:
    """The outputs of each way, in order."""

    exact: list[np.ndarray[Any, Any]]
    torch: list[np.ndarray[Any, Any]]
    onnx: list[np.ndarray[Any, Any]]


class Net:
    """One graph with its weights, ready to run each way, written for each of some opsets."""

    def __init__(self, graph: Graph, seed: int = 0, opsets: Sequence[int | None] = (None,)) -> None:
        source = Varied(seed)
        self.graph = graph
        self.single = to_module(graph, source).eval()
        self.double = to_module(graph, source).eval().double()
        self.sessions = [session(onnx_model(graph, source, opset)) for opset in opsets]

    def run(self, arrays: list[Any]) -> Ran:
        """What each way makes of the arrays, the file at the first of the opsets."""
        return self.runs(arrays)[0]

    def runs(self, arrays: list[Any]) -> list[Ran]:
        """The same for each of the opsets."""
        tensors = [torch.from_numpy(array) for array in arrays]
        with torch.no_grad():
            single = self.single(*tensors)
            double = self.double(*[t.double() if t.is_floating_point() else t for t in tensors])
        named = dict(zip([node.path for node in self.graph.inputs], arrays, strict=True))
        found = []
        for each in self.sessions:
            feeds = {item.name: named[item.name] for item in each.get_inputs()}
            found.append(Ran(_listed(double), _listed(single), each.run(None, feeds)))
        return found


def _listed(outputs: Any) -> list[np.ndarray[Any, Any]]:
    found = outputs if isinstance(outputs, tuple) else (outputs,)
    return [tensor.numpy() for tensor in found]


def assert_agree(ran: Ran) -> None:
    """ONNX Runtime errs little beyond what PyTorch errs in float32, both against float64."""
    for exact, single, deployed in zip(ran.exact, ran.torch, ran.onnx, strict=True):
        assert deployed.dtype == single.dtype
        finite = np.isfinite(exact) & np.isfinite(single)
        assert np.array_equal(np.isfinite(deployed), finite)
        largest = np.max(np.abs(exact[finite]), initial=0)
        scale = largest if largest > 1e-6 else 1.0
        measure = np.max(np.abs(single[finite] - exact[finite]), initial=0) / scale
        error = np.max(np.abs(deployed[finite] - exact[finite]), initial=0) / scale
        assert error <= 32 * measure + 1e-5, f"{error} against PyTorch's {measure}"


def nodes_of(graph: Graph, kind: type[Operator]) -> list[Node]:
    return [node for node in graph.nodes if type(node.op) is kind]
