"""PyTorch in double and in single precision against ONNX Runtime, value by value."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from netspec.backends.torch.modules import to_module
from netspec.graph.checked import Graph, Node, Value
from netspec.verify.report import Case, Response

if TYPE_CHECKING:
    from netspec.weights.sources import WeightSource

    Array = np.ndarray[Any, Any]

# Measured on 6,000 random nets: rounding stays below this, mistakes in meaning are 1e-2 and more.
_TIMES, _PLUS = 32.0, 1e-5
_TF32_PLUS = 1e-2
# Reference values smaller than this are nothing but rounding.
_TINY = 1e-6


class Reference:
    """The net in PyTorch, in single and in double precision, with the same weights."""

    def __init__(self, graph: Graph, source: WeightSource) -> None:
        self.graph = graph
        self.single = to_module(graph, source).eval()
        self.double = copy.deepcopy(self.single).double()

    def outputs(self, inputs: Mapping[str, Array]) -> tuple[dict[str, Array], dict[str, Array]]:
        """The outputs by name, in double and in single precision."""
        names = [output.name for output in self.graph.outputs]
        return self._run(self.double, inputs, names), self._run(self.single, inputs, names)

    def _run(self, module: Any, inputs: Mapping[str, Array], names: list[str]) -> dict[str, Array]:
        found = _call(module, self.graph, inputs)
        tensors = found if isinstance(found, tuple) else (found,)
        return {n: t.numpy() for n, t in zip(names, tensors, strict=True)}

    def values(
        self, inputs: Mapping[str, Array], nodes: Iterable[Node]
    ) -> tuple[dict[Value, Array], dict[Value, Array]]:
        """What the nodes compute, in double and in single precision."""
        wanted = list(nodes)
        return (
            _recorded(self.double, self.graph, inputs, wanted),
            _recorded(self.single, self.graph, inputs, wanted),
        )

    def responses(self, inputs: Mapping[str, Array], count: int = 5) -> tuple[Response, ...]:
        """How the outputs respond to a change by a tenth in some layers, first to last."""
        before = self.outputs(inputs)[1]
        return tuple(
            Response(path, self._response(inputs, path, before))
            for path in _spread(_layers(self.graph), count)
        )

    def _response(self, inputs: Mapping[str, Array], path: str, before: dict[str, Array]) -> float:
        random = torch.Generator().manual_seed(0)
        weights = [
            w for w in self.single.get_submodule(path).parameters(recurse=False) if w.ndim > 1
        ]
        weights = weights or [w for w in self.single.get_submodule(path).parameters() if w.ndim > 1]
        saved = [weight.detach().clone() for weight in weights]
        with torch.no_grad():
            for weight in weights:
                weight.mul_(1 + 0.1 * torch.randn(weight.shape, generator=random))
        try:
            after = self._run(self.single, inputs, list(before))
        finally:
            with torch.no_grad():
                for weight, value in zip(weights, saved, strict=True):
                    weight.copy_(value)
        return max(error(after[name], before[name]) for name in before)


def _call(module: Any, graph: Graph, inputs: Mapping[str, Array]) -> Any:
    dtype = next((p.dtype for p in module.parameters()), torch.float32)
    tensors = []
    for node in graph.inputs:
        tensor = torch.from_numpy(inputs[node.path])
        tensors.append(tensor.to(dtype) if tensor.is_floating_point() else tensor)
    with torch.no_grad():
        return module(*tensors)


def _recorded(
    module: Any, graph: Graph, inputs: Mapping[str, Array], nodes: list[Node]
) -> dict[Value, Array]:
    found: dict[Value, Array] = {}

    def recorder(node: Node) -> Any:
        def record(_module: Any, _inputs: Any, result: Any) -> None:
            results = result if isinstance(result, tuple | list) else (result,)
            for i, tensor in enumerate(results):
                if tensor is not None:
                    found[Value(node, i)] = tensor.numpy().copy()

        return record

    hooks = [module.get_submodule(n.path).register_forward_hook(recorder(n)) for n in nodes]
    try:
        _call(module, graph, inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return found


def _layers(graph: Graph) -> list[str]:
    """Layers with matrices of their own."""
    return [
        node.path
        for node in graph.nodes
        if node.owner == node.path
        and any(w.kind == "param" and len(w.shape) > 1 for w in node.op.weights(*node.input_types))
    ]


def _spread(items: list[str], count: int) -> list[str]:
    """At most `count` of the items, evenly, the first and the last among them."""
    if len(items) <= count:
        return items
    return [items[round(i * (len(items) - 1) / (count - 1))] for i in range(count)]


def error(found: Array, reference: Array) -> float:
    """The largest difference over the reference's largest value; infinite where shapes differ."""
    if found.shape != reference.shape:
        return float("inf")
    if found.size == 0:
        return 0.0
    difference = np.abs(found.astype(np.float64) - reference.astype(np.float64))
    worst = float(difference.max())
    if not np.isfinite(worst):
        return float("inf")
    return worst / max(float(np.abs(reference).max()), _TINY)


def allowed(torch_error: float, *, tf32: bool = False) -> float:
    """How far ONNX Runtime may be off, given how far PyTorch is in single precision."""
    return _TIMES * torch_error + (_TF32_PLUS if tf32 else _PLUS)


def cases(
    reference: Reference,
    found: Mapping[str, Array],
    inputs: Mapping[str, Array],
    batch: int,
    seed: int,
    *,
    tf32: bool = False,
) -> list[Case]:
    """One case for each output."""
    double, single = reference.outputs(inputs)
    made = []
    for name, values in double.items():
        torch_error = error(single[name], values)
        scale = float(np.abs(values).max()) if values.size else 0.0
        limit = allowed(torch_error, tf32=tf32)
        off = error(found[name], values) if name in found else float("inf")
        made.append(Case(name, batch, seed, scale, off, torch_error, limit))
    return made
