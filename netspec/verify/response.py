"""How far a net's outputs move when a layer's weights do: what agreement can prove of the layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from netspec.verify.numbers import TINY, error, outputs, results
from netspec.verify.report import Response

if TYPE_CHECKING:
    import numpy as np

    from netspec.backends.torch.net import NetModule
    from netspec.graph.checked import Graph

    Array = np.ndarray[Any, Any]

# Layers whose response is measured in any case, first to last.
_SHOWN = 5
# Layers that look silent and are changed in earnest; of more, the derivatives decide.
_TRIED = 20
# A derivative says what outputs do on average, in one direction: it must say so with a margin.
_CLEARLY = 1e-3
_CHANGE = 0.1


def responses(
    module: NetModule, graph: Graph, runs: Sequence[Mapping[str, Array]], *, shown: int = _SHOWN
) -> tuple[Response, ...]:
    """How the outputs respond to a change by a tenth: some layers', and all that look silent.

    Derivatives look at every layer. Those that seem silent are changed in earnest, on the inputs
    of one run after the other until one shows them.
    """
    layers = _layers(graph)
    estimates = _estimates(module, graph, runs[0], layers)
    silent = [path for path in layers if not estimates[path] >= _CLEARLY]
    measured = {*_spread(layers, shown), *_spread(silent, _TRIED)}
    before: dict[int, dict[str, Array]] = {}
    found = []
    for path in layers:
        if path in measured:
            found.append(_response(module, graph, runs, path, before))
        elif path in silent:
            found.append(Response(path, estimates[path]))
    return tuple(found)


def silent_layers(
    module: NetModule, graph: Graph, runs: Sequence[Mapping[str, Array]]
) -> tuple[str, ...]:
    """The layers that the outputs hardly respond to on any of the runs' inputs."""
    return tuple(r.layer for r in responses(module, graph, runs, shown=0) if r.silent)


def _layers(graph: Graph) -> list[str]:
    """Layers with weights of their own that are not fixed by the architecture."""
    return [
        node.path
        for node in graph.nodes
        if node.owner == node.path
        and any(weight.kind == "param" for weight in node.op.weights(*node.input_types))
    ]


def _weights(module: NetModule, path: str) -> list[torch.nn.Parameter]:
    """What is changed of a layer: its matrices, since a bias can move what they do not reach.

    Vectors where there is nothing else.
    """
    every = list(module.get_submodule(path).parameters())
    return [weight for weight in every if weight.ndim > 1] or every


def _spread(items: list[str], count: int) -> list[str]:
    """At most `count` of the items, evenly, the first and the last among them."""
    if len(items) <= count or count == 0:
        return items[:count]
    return [items[round(i * (len(items) - 1) / (count - 1))] for i in range(count)]


def _estimates(
    module: NetModule, graph: Graph, inputs: Mapping[str, Array], layers: list[str]
) -> dict[str, float]:
    """Each layer's response by one pass of derivatives, in a random direction of the outputs."""
    weights = {path: _weights(module, path) for path in layers}
    every = [weight for group in weights.values() for weight in group]
    if not every:
        return {}
    frozen = [weight for weight in every if not weight.requires_grad]
    for weight in frozen:
        weight.requires_grad_(True)
    random = torch.Generator().manual_seed(0)
    try:
        with torch.enable_grad():
            total = torch.zeros(())
            for result in results(module, graph, inputs):
                direction = torch.randn(result.shape, generator=random)
                largest = float(result.detach().abs().max()) if result.numel() else 0.0
                scale = max(largest, TINY) * max(1, result.numel()) ** 0.5
                total = total + (result * direction).sum() / scale
            if not total.requires_grad:
                return dict.fromkeys(layers, 0.0)
            found = torch.autograd.grad(total, every, allow_unused=True, materialize_grads=True)
    finally:
        for weight in frozen:
            weight.requires_grad_(False)
    moved = (_CHANGE * float((s * w.detach()).norm()) for s, w in zip(found, every, strict=True))
    return {path: max([next(moved) for _ in group]) for path, group in weights.items()}


def _response(
    module: NetModule,
    graph: Graph,
    runs: Sequence[Mapping[str, Array]],
    path: str,
    before: dict[int, dict[str, Array]],
) -> Response:
    """What a change by a tenth does, on the first run whose outputs show it."""
    random = torch.Generator().manual_seed(0)
    weights = _weights(module, path)
    saved = [weight.detach().clone() for weight in weights]
    changes = [1 + _CHANGE * torch.randn(weight.shape, generator=random) for weight in weights]
    most = 0.0
    for number, inputs in enumerate(runs):
        if number not in before:
            before[number] = outputs(module, graph, inputs)
        with torch.no_grad():
            for weight, change in zip(weights, changes, strict=True):
                weight.mul_(change)
        try:
            after = outputs(module, graph, inputs)
        finally:
            with torch.no_grad():
                for weight, value in zip(weights, saved, strict=True):
                    weight.copy_(value)
        most = max([most, *(error(after[n], value) for n, value in before[number].items())])
        if not Response(path, most).silent:
            break
    return Response(path, most)
