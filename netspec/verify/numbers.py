"""A module run on arrays by name, and how far arrays are apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from netspec.ops.declare.source import Input

if TYPE_CHECKING:
    from netspec.graph.checked import Graph

    Array = np.ndarray[Any, Any]

# Reference values smaller than this are nothing but rounding.
TINY = 1e-6


def results(module: Any, graph: Graph, inputs: Mapping[str, Array]) -> tuple[torch.Tensor, ...]:
    """The outputs in order; derivatives are kept where the caller has them on."""
    # A net whose kernels are all given has no parameters, and buffers in its precision.
    held = chain(module.parameters(), module.buffers())
    dtype = next((t.dtype for t in held if t.is_floating_point()), torch.float32)
    tensors = []
    for node in graph.inputs:
        tensor = torch.from_numpy(inputs[node.path])
        tensors.append(tensor.to(dtype) if tensor.is_floating_point() else tensor)
    found = module(*tensors)
    return found if isinstance(found, tuple) else (found,)


def outputs(module: Any, graph: Graph, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """The outputs by name."""
    with torch.no_grad():
        tensors = results(module, graph, inputs)
    names = [output.name for output in graph.outputs]
    return {name: tensor.numpy() for name, tensor in zip(names, tensors, strict=True)}


def announce(module: Any, graph: Graph, reached: Callable[[str], None]) -> None:
    """Calls `reached` with the path of each layer that starts to run."""

    def telling(path: str) -> Callable[..., None]:
        return lambda *_: reached(path)

    for node in graph.nodes:
        if not isinstance(node.op, Input):
            module.get_submodule(node.path).register_forward_pre_hook(telling(node.path))


def error(found: Array, reference: Array) -> float:
    """The largest difference over the reference's largest value; infinite where shapes differ."""
    if found.shape != reference.shape:
        return float("inf")
    if found.size == 0:
        return 0.0
    # Two infinities differ by no number, which counts as infinitely far.
    with np.errstate(invalid="ignore"):
        difference = np.abs(found.astype(np.float64) - reference.astype(np.float64))
    worst = float(difference.max())
    if not np.isfinite(worst):
        return float("inf")
    return worst / max(float(np.abs(reference).max()), TINY)
