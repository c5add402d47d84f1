"""What must hold of every net that is accepted, asked of a generated one."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from support.differential import Varied, inputs_for, legal
from support.generated_specs import Spec, spec
from support.meanings import says_itself

from netspec.analysis.costs import costs
from netspec.analysis.summary import summarize
from netspec.backends.onnx.compile import compile_graph
from netspec.backends.onnx.options import FileOptions
from netspec.backends.runtime import Session
from netspec.backends.switches import Switches
from netspec.backends.torch.modules import to_module
from netspec.diagnostics.source import Source
from netspec.draw import draw
from netspec.elaborate.build import build
from netspec.graph.checked import Graph
from netspec.graph.fitting import fitting
from netspec.passes.deploy import deploy
from netspec.passes.folding.fold import fold
from netspec.sizes.dims import substitute
from netspec.syntax.fmt import format_text
from netspec.weights.sources import named_weights

# One value that rounding upsets, as where two nearly equal numbers compete for a maximum, is no
# mistake: other numbers in the same net will not meet it again.
_CHANCES = 3
_DRAWN_EVERY = 8
# What is larger has lost its digits on the way, in every runtime.
_LARGEST = 1e12
# By how much ONNX Runtime blurs what these operators give, whatever its size: docs/upstream.md.
_BLURS = {"sigmoid": 2e-8, "rnn": 3e-7, "elu": 3e-8, "celu": 3e-8, "selu": 6e-8}
# Beside channels as large as this its `lrn` has lost the others' digits.
_LARGEST_BESIDE = 1e3
# Sizes of symbols up to here are run.
_LARGEST_SIZE = 64
# And nets of up to so many multiply-adds: attention over a volume has them by the square of its places.
_MOST_MACS = 4e9

_Arrays = list["np.ndarray[Any, Any]"]


@dataclass(frozen=True)
class Verdict:
    """What became of a seed's spec, `text`: of a net, `right`, or `wrong` with what does not hold.

    Of a mutant, `refused` with its first code, `ran`, `lost` a step without a word, or `wrong`.
    """

    seed: int
    kind: str
    detail: str = ""
    text: str = ""
    numbers: bool = True


def judge_net(seed: int, folder: Path) -> Verdict:
    """The generated net of a seed, compiled and run; files go to `folder` and away again."""
    made = spec(seed)
    try:
        numbers = _judge(made, folder)
    except Exception as error:  # whatever ends a run of a checked net is a fault
        return Verdict(seed, "wrong", f"{type(error).__name__}: {error}", made.text)
    return Verdict(seed, "right", text=made.text, numbers=numbers)


def _judge(made: Spec, folder: Path) -> bool:
    graph = made.graph
    keeps_meaning(made.text, graph)
    says_itself(graph)
    path = folder / f"{made.seed}.onnx"
    try:
        first = Ready(graph, made.seed, path)
        written = path.read_bytes()
        compile_graph(graph, path, FileOptions(optimize=first.optimize), source=Varied(made.seed))
        assert path.read_bytes() == written, "the same net gave other bytes"
        proto = onnx.load_model_from_string(written)
        onnx.checker.check_model(proto, full_check=True)
        if first.optimize:
            _filed(fold(deploy(graph)).graph, proto)
        else:
            counts_agree(graph, first.single, proto)
        numbers = runs_alike(first, path)
    finally:
        path.unlink(missing_ok=True)
    if made.seed % _DRAWN_EVERY == 0:
        assert draw([graph]) == draw([graph]), "the same net gave another picture"
    return numbers


def outline(graph: Graph) -> list[Any]:
    """All that a graph is but its text: equal for texts that mean the same."""
    nodes = [
        (n.path, repr(n.op), [(v.node.path, v.index) for v in n.inputs], n.types, n.owner, n.head, n.frozen)
        for n in graph.nodes
    ]  # fmt: skip
    ends = [(o.name, o.value.node.path, o.value.index) for o in (*graph.outputs, *graph.heads)]
    return [nodes, ends, [str(c) for c in graph.conditions], graph.legality.describe()]


def keeps_meaning(text: str, graph: Graph) -> None:
    """The canonical layout is a fixed point and describes the same net."""
    laid = format_text(text)
    assert format_text(laid) == laid, "the layout is no fixed point"
    assert outline(build(Source("<generated>", laid))) == outline(graph), (
        "the layout changed the net"
    )


def _filed(graph: Graph, proto: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    """The tensors in a file that was written of a graph: those of the graph, and all are read."""
    read = {name for node in proto.graph.node for name in node.input}
    stored = {tensor.name: tuple(tensor.dims) for tensor in proto.graph.initializer}
    assert stored.keys() <= read, f"nothing reads {sorted(stored.keys() - read)}"
    weights = named_weights(graph)
    filed = {name: size for name, size in stored.items() if name in weights}
    assert filed.keys() == weights.keys(), f"not in both: {filed.keys() ^ weights.keys()}"
    return filed


def counts_agree(graph: Graph, module: torch.nn.Module, proto: onnx.ModelProto) -> None:
    """Summary, module and file hold the same tensors, and the file none that nothing reads."""
    filed, weights = _filed(deploy(graph), proto), named_weights(deploy(graph))
    state = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    for name, weight in weights.items():
        if not weight.known:
            assert state.get(name) == filed[name], f"{name} is {filed[name]} and {state.get(name)}"
    total = costs(graph)
    elements = sum(int(np.prod(size)) for size in filed.values())
    assert total.stored == elements, f"{total.stored} counted, {elements} in the file"
    assert summarize(graph).params == total.params


class Ready:
    """One graph with the numbers of a seed, ready to run each way; every other one folded."""

    def __init__(self, graph: Graph, seed: int, path: Path) -> None:
        self.graph, self.seed = graph, seed
        source = Varied(seed)
        self.single = to_module(graph, source).eval()
        self.double = copy.deepcopy(self.single).double()
        self.optimize = seed % 2 == 0
        compile_graph(graph, path, FileOptions(optimize=self.optimize), source=source)
        self.session = Session(path, switches=Switches(threads=1), fitting=fitting(graph))

    def run(self, arrays: list[Any]) -> tuple[_Arrays, _Arrays, _Arrays]:
        """The outputs in double precision, in PyTorch and in ONNX Runtime."""
        tensors = [torch.from_numpy(array) for array in arrays]
        with torch.no_grad():
            ways = [
                self.double(*[t.double() if t.is_floating_point() else t for t in tensors]),
                self.single(*tensors),
            ]
        taken = {info.name for info in self.session.inputs}
        names = [node.path for node in self.graph.inputs]
        feeds = {n: a for n, a in zip(names, arrays, strict=True) if n in taken}
        outputs = self.session.run(feeds).outputs
        listed = [_listed(way) for way in ways]
        return listed[0], listed[1], [outputs[output.name] for output in self.graph.outputs]

    def blurred(self, arrays: list[Any]) -> _Arrays:
        """The outputs in double precision where all is blurred that ONNX Runtime is known to blur."""
        random = torch.Generator().manual_seed(self.seed)
        module = copy.deepcopy(self.double)
        for node in self.graph.nodes:
            if node.inputs and node.op.spelling in _BLURS:
                # `alpha` multiplies what was blurred.
                by = _BLURS[node.op.spelling] * max(1.0, getattr(node.op, "alpha", 1.0))
                blur = partial(_blur, random, by)
                module.get_submodule(node.path).register_forward_hook(blur)
            if node.inputs and node.op.spelling == "lrn":
                module.get_submodule(node.path).register_forward_hook(_lose)
        tensors = [torch.from_numpy(array) for array in arrays]
        with torch.no_grad():
            return _listed(module(*[t.double() if t.is_floating_point() else t for t in tensors]))


def _listed(found: Any) -> _Arrays:
    return [tensor.numpy() for tensor in (found if isinstance(found, tuple) else (found,))]


def _blur(random: torch.Generator, by: float, _module: Any, _inputs: Any, found: Any) -> Any:
    if isinstance(found, tuple):
        return tuple(_blur(random, by, None, None, tensor) for tensor in found)
    return found + by * (2 * torch.rand(found.shape, generator=random, dtype=found.dtype) - 1)


def _lose(_module: Any, inputs: Any, found: torch.Tensor) -> torch.Tensor:
    small = inputs[0].abs().amax(1, keepdim=True) < _LARGEST_BESIDE
    return found.where(small, torch.nan)


def runs_alike(first: Ready, path: Path, batches: tuple[int, ...] = (1, 3)) -> bool:
    """At each batch and at legal sizes; False where there are no numbers to compare."""
    graph, compared = first.graph, False
    macs = costs(graph).macs
    small = [
        sizes
        for sizes in legal(graph)
        if max(sizes.values(), default=0) <= _LARGEST_SIZE and substitute(macs, sizes) <= _MOST_MACS
    ]
    for batch, sizes in zip(batches, small * len(batches), strict=False):
        for chance in range(_CHANCES):
            ready = first if chance == 0 else Ready(graph, first.seed + chance, path)
            arrays = inputs_for(graph, batch, sizes, ready.seed)
            found = ready.run(arrays)
            error = _shapes(graph, found, batch, sizes)
            if not error and not _disagreement(found):
                break
            error = error or _disagreement(found, ready.blurred(arrays))
            if not error:
                break
        assert not error, f"at batch {batch}, {sizes}: {error}"
        compared |= all(np.isfinite(values).all() for values in found[0])
    return compared


def _shapes(graph: Graph, found: Any, batch: int, sizes: dict[str, int]) -> str:
    for output, *arrays in zip(graph.outputs, *found, strict=True):
        tensor = output.value.type
        leading = substitute(tensor.batch.rows(graph.nominal_sizes, batch), sizes)
        inferred = (leading, *(substitute(dim, sizes) for dim in tensor.shape))
        shapes = [array.shape for array in arrays]
        if shapes != [inferred] * 3:
            return f"{output.name} is {inferred} by its spec and {shapes} when run"
    return ""


def _disagreement(found: Any, blurred: _Arrays | None = None) -> str:
    """ONNX Runtime errs little beyond what PyTorch errs in float32, both against float64.

    Or beyond what `blurred` errs: numbers that this moves by a tenth are not compared.
    """
    for exact, single, deployed, near in zip(*found, blurred or found[0], strict=True):
        if deployed.dtype != single.dtype:
            return f"{deployed.dtype} and {single.dtype}"
        finite = np.isfinite(exact) & np.isfinite(single) & (np.abs(exact) < _LARGEST)
        with np.errstate(invalid="ignore"):
            finite &= np.abs(near - exact) <= 0.1 * np.abs(exact)
        if not np.isfinite(deployed[finite]).all():
            return "not finite in ONNX Runtime"
        scale = np.max(np.abs(exact[finite]), initial=0)
        scale = scale if scale > 1e-6 else 1.0
        measure = max(
            np.max(np.abs(way[finite] - exact[finite]), initial=0) / scale for way in (single, near)
        )
        error = np.max(np.abs(deployed[finite] - exact[finite]), initial=0) / scale
        # Sums grow with what a norm is over: so do roundings.
        many = 6e-8 * math.sqrt(exact[0].size)
        if not error <= 32 * measure + 1e-5 + many:
            return f"off by {error:.2g}, PyTorch by {measure:.2g}"
    return ""
