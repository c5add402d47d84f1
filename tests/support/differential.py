"""One step run three ways: PyTorch in float32 and float64, and ONNX Runtime; and steps to run."""

from __future__ import annotations

import dataclasses
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import torch
from hypothesis import strategies as st
from onnx import numpy_helper

from netspec.backends.onnx.guard import ALLOWED
from netspec.backends.onnx.lowering import OPSET, lower
from netspec.backends.torch.modules import to_module
from netspec.diagnostics.limits import DEFAULT
from netspec.diagnostics.raised import Collector
from netspec.diagnostics.source import Source
from netspec.elaborate.build import build
from netspec.graph.checked import Graph, Node
from netspec.ops.declare.operator import Operator
from netspec.ops.declare.params import (
    Choice,
    Count,
    Flag,
    Integers,
    LayerParam,
    Padding,
    Param,
    PerAxis,
    Real,
    SchemeParam,
)
from netspec.ops.declare.weight import Weight
from netspec.ops.registry import REGISTRY
from netspec.passes.deploy import deploy
from netspec.sizes.dims import substitute
from netspec.syntax import ast
from netspec.syntax.parse import parse
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
        if weight.kind == "constant":
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
        leading = batch if tensor.batch == "N" else graph.nominal_sizes[tensor.batch]
        shape = (leading, *(substitute(dim, sizes) for dim in tensor.shape))
        if tensor.ids is not None:
            found.append(random.integers(0, tensor.ids, shape))
        elif node.path == "rois":
            found.append(regions(random, leading, batch, graph, sizes))
        else:
            found.append(random.standard_normal(shape, dtype=np.float32))
    return found


def regions(random: Any, count: int, batch: int, graph: Graph, sizes: dict[str, int]) -> Any:
    """Boxes inside the first input: batch index, then x1, y1, x2, y2."""
    height, width = (substitute(dim, sizes) for dim in graph.inputs[0].types[0].spatial)
    corners = random.uniform(0, 1, (count, 2, 2)) * [width - 1, height - 1]
    corners = np.sort(corners, axis=1).reshape(count, 4)
    return np.column_stack([random.integers(0, batch, count), corners]).astype(np.float32)


def onnx_model(graph: Graph, source: Any, opset: int = OPSET) -> onnx.ModelProto:
    """The deployed graph as an ONNX model with its weights, checked in full."""
    model = lower(deploy(graph), opset=opset)
    proto = model.proto
    for item in model.weights:
        values = np.concatenate(list(source.pieces(item.name, item.weight)))
        array = values.reshape(item.weight.shape)
        proto.graph.initializer.append(numpy_helper.from_array(array, item.name))
    onnx.checker.check_model(proto, full_check=True)
    assert [(o.domain, o.version) for o in proto.opset_import] == [("", opset)]
    assert proto.ir_version == 10
    for node in proto.graph.node:
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
    """One graph with its weights, ready to run each way."""

    def __init__(self, graph: Graph, seed: int = 0) -> None:
        source = Varied(seed)
        self.graph = graph
        self.single = to_module(graph, source).eval()
        self.double = to_module(graph, source).eval().double()
        self.session = session(onnx_model(graph, source))

    def run(self, arrays: list[Any]) -> Ran:
        tensors = [torch.from_numpy(array) for array in arrays]
        with torch.no_grad():
            single = self.single(*tensors)
            double = self.double(*[t.double() if t.is_floating_point() else t for t in tensors])
        names = [node.path for node in self.graph.inputs]
        wanted = {item.name for item in self.session.get_inputs()}
        feeds = {n: a for n, a in zip(names, arrays, strict=True) if n in wanted}
        return Ran(_listed(double), _listed(single), self.session.run(None, feeds))


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


# --- steps

FREE_SIZES = {0: [], 1: ["T"], 2: ["H", "W"], 3: ["D", "H", "W"]}
_LENGTHS = st.integers(1, 9)


def inputs_like(declared: str) -> st.SearchStrategy[str]:
    """Other inputs of an example's kind: other sizes or free ones, also on other axes."""
    match = re.fullmatch(r"([0-9]+)((?:x[0-9]+)*)", declared)
    if match is None:
        return st.just(declared)
    channels, axes = match[1], match[2].count("x")
    counts = st.sampled_from([channels, "1", "2", "3", "4", "6", "8"])
    ranks = st.sampled_from([axes, axes, axes, 1, 2, 3])
    spatial = ranks.flatmap(lambda rank: st.tuples(*[_LENGTHS] * rank))
    sized = st.builds(lambda c, s: "x".join(map(str, (c, *s))), counts, spatial)
    free = ranks.map(lambda rank: "x".join([channels, *FREE_SIZES[rank]]))
    return st.one_of(st.just(declared), sized, sized, free)


def _tuples(value: st.SearchStrategy[str], rank: int) -> st.SearchStrategy[str]:
    return st.tuples(*[value] * max(rank, 1)).map(lambda items: f"[{', '.join(items)}]")


def _count(param: Count, rank: int) -> st.SearchStrategy[str]:
    high = min(param.high, param.low + 4)
    return st.integers(param.low, high).map(str)


def _real(param: Real, rank: int) -> st.SearchStrategy[str]:
    low, high = max(param.low, -2.0), min(param.high, 2.0)
    return st.floats(low, high).map(lambda value: f"{max(low, round(value, 3)):.6f}")


def _per_axis(param: PerAxis, rank: int) -> st.SearchStrategy[str]:
    size = st.integers(param.low, param.low + 3).map(str)
    return st.one_of(size, size, _tuples(size, rank))


def _padding(param: Padding, rank: int) -> st.SearchStrategy[str]:
    size = st.integers(0, 3).map(str)
    pair = st.tuples(size, size).map(lambda sides: f"({', '.join(sides)})")
    words = st.sampled_from(["same", "tf_same", "valid", "full"])
    return st.one_of(words, size, _tuples(size, rank), _tuples(pair, rank))


def _integers(param: Integers, rank: int) -> st.SearchStrategy[str]:
    row = st.lists(st.integers(0, 4).map(str), min_size=1, max_size=4)
    shown = row.map(lambda items: f"[{', '.join(items)}]")
    if not param.nested:
        return shown
    return st.lists(shown, min_size=1, max_size=4).map(lambda rows: f"[{', '.join(rows)}]")


STRATEGIES: dict[type[Param], Any] = {
    Choice: lambda param, rank: st.sampled_from(param.words),
    Count: _count,
    Flag: lambda param, rank: st.sampled_from(["yes", "no"]),
    Integers: _integers,
    LayerParam: lambda param, rank: st.sampled_from(["none", "relu", "leaky(0.1)", "bn"]),
    Padding: _padding,
    PerAxis: _per_axis,
    Real: _real,
    SchemeParam: lambda param, rank: st.sampled_from(["he", "gaussian(0.5)", "0.3"]),
}


@st.composite
def steps(draw: Any, kind: type[Operator]) -> tuple[str, str]:
    """An example of an operator with other parameters, often on another input."""
    declared, step = draw(st.sampled_from(kind.examples))
    declared = draw(inputs_like(declared))
    rank = declared.split()[0].count("x")
    chosen = {
        name: draw(STRATEGIES[type(param)](param, rank))
        for name, param in kind.params.items()
        if draw(st.booleans())
    }
    return declared, with_arguments(kind, step, chosen)


def with_arguments(kind: type[Operator], step: str, chosen: dict[str, str]) -> str:
    """The step with some of the operator's arguments replaced."""
    file = parse(Source("<step>", step), Collector(), DEFAULT)
    words = (kind.spelling, *kind.aliases)
    head = next(h for h in _heads(file.items) if _word(h) in words or h.word in words)
    references, given = _arguments(kind, step, head)
    named = [f"{name}={text}" for name, text in {**given, **chosen}.items()]
    start, end = head.extent
    if head.body is not None:
        end = step.index("{", head.word_extent[1])
    return f"{step[:start]}{kind.spelling}({', '.join(references + named)}){step[end:]}"


def _word(head: ast.Head) -> str:
    return head.word.rstrip("0123456789x")


def _arguments(kind: type[Operator], step: str, head: ast.Head) -> tuple[list[str], dict[str, str]]:
    """The tensors a call refers to, and its parameters by name, all as typed."""
    given = {}
    if "kernel" in kind.params and _word(head) != head.word:
        given["kernel"] = head.word[len(_word(head)) :]
    for name, short in (("width", head.width), ("stride", head.stride)):
        if short is not None:
            given[name] = step[slice(*short.extent)]
    references = []
    free = [name for name in kind.order if name not in given]
    for argument in head.arguments:
        text = step[slice(*argument.extent)]
        if isinstance(argument.value, ast.Reference):
            references.append(text)
        elif argument.name is None:
            given[free.pop(0)] = text
        else:
            given[argument.name] = text.partition("=")[2]
    return references, given


def _heads(tree: Any) -> Iterator[ast.Head]:
    if isinstance(tree, tuple | list):
        for item in tree:
            yield from _heads(item)
    elif dataclasses.is_dataclass(tree):
        if isinstance(tree, ast.Head):
            yield tree
        for field in dataclasses.fields(tree):
            yield from _heads(getattr(tree, field.name))


def nodes_of(graph: Graph, kind: type[Operator]) -> list[Node]:
    return [node for node in graph.nodes if type(node.op) is kind]
