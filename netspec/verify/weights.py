"""Weights that let no mistake hide: every layer's values have size 1 and every layer matters.

Freshly initialised nets hide mistakes: their signal grows or dies with depth, their biases are zero
and their batch statistics trivial. Here biases, scales and statistics are random, and matrices and
statistics are fitted to what flows through them, layer by layer in one run.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from netspec.foundation.records import record
from netspec.graph.checked import Graph, Node
from netspec.verify.samples import sample_inputs
from netspec.weights.seeded import draw
from netspec.weights.sources import Given, named_weights

if TYPE_CHECKING:
    import numpy as np

    from netspec.backends.torch.layers import NetModule
    from netspec.ops.declare.weight import Weight
    from netspec.weights.sources import Array

_BATCH = 2


@record
class Varied:
    """Initial weights whose constants vary: no bias is zero, no scale is one."""

    seed: int = 0

    def pieces(self, name: str, weight: Weight) -> Iterator[Array]:
        """Initial values from the seed; where a scheme fills with one value, noise around it."""
        constant = weight.init.constant()
        noise = _generator(self.seed, f"{name} varied")
        for piece in draw(weight, name, self.seed):
            if constant is None or weight.kind == "constant":
                yield piece
                continue
            varied = noise.standard_normal(piece.size, dtype=piece.dtype)
            values = piece.clip(-1, 1) + 0.1 * varied
            yield abs(values) if name.endswith("running_var") else values


def _generator(seed: int, name: str) -> np.random.Generator:
    import numpy as np

    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def fitted(graph: Graph, seed: int = 0) -> Given:
    """Such weights for a graph; on one machine the same seed gives the same weights."""
    import torch

    from netspec.backends.torch.modules import to_module

    module = to_module(graph, Varied(seed)).eval()
    _fit(module, graph, seed)
    tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    return Given({name: tensors[name].detach().to(torch.float32) for name in named_weights(graph)})


def _fit(module: NetModule, graph: Graph, seed: int) -> None:
    """Runs the net once; each layer is fitted when it is reached, before what reads it runs."""
    import torch

    hooks = []
    for node in graph.nodes:
        if node.owner == node.path and node.op.weights(*node.input_types):
            hooks.append(_hook(module.get_submodule(node.path), node, seed))
    inputs = sample_inputs(graph, batch=_BATCH, seed=seed + 1000)
    try:
        with torch.no_grad():
            module(*[torch.from_numpy(array) for array in inputs.values()])
    finally:
        for hook in hooks:
            if hook is not None:
                hook.remove()


def _hook(layer: Any, node: Node, seed: int) -> Any:
    from torch import nn
    from torch.nn.modules.batchnorm import _BatchNorm
    from torch.nn.modules.conv import _ConvNd

    if isinstance(layer, _BatchNorm):
        return layer.register_forward_pre_hook(_Once(_fit_statistics, node.path, seed))
    if isinstance(layer, _ConvNd | nn.Linear):
        return layer.register_forward_hook(_Once(_fit_matrix, node.path, seed))
    return None


class _Once:
    """Calls a function the first time only: shared layers run more often than they are fitted."""

    def __init__(self, function: Any, name: str, seed: int) -> None:
        self._function = function
        self._arguments = name, seed
        self._done = False

    def __call__(self, layer: Any, *tensors: Any) -> Any:
        if self._done:
            return None
        self._done = True
        return self._function(layer, *self._arguments, *tensors)


def _fit_statistics(layer: Any, name: str, seed: int, inputs: tuple[Any, ...]) -> None:
    """Running statistics near those of what flows in, and each off by a random amount."""
    import torch

    (values,) = inputs
    axes = [axis for axis in range(values.ndim) if axis != 1]
    mean, variance = values.mean(axes), values.var(axes, unbiased=False)
    # A few samples say little of one channel; all channels together say more.
    variance = 0.5 * variance + 0.5 * variance.mean() + 1e-6
    random = _generator(seed, f"{name} statistics")
    drawn = [torch.from_numpy(random.standard_normal(mean.numel(), "f")) for _ in range(2)]
    layer.running_mean.copy_(mean + 0.1 * variance.sqrt() * drawn[0])
    layer.running_var.copy_(variance * (0.8 + 0.2 * drawn[1].abs()))


def _fit_matrix(layer: Any, name: str, seed: int, inputs: Any, output: Any) -> Any:
    """Scales the layer so that its outputs have variance 1."""
    spread = output.std()
    if not bool(spread > 1e-12):
        return None
    layer.weight /= spread
    if layer.bias is not None:
        layer.bias /= spread
    return output / spread
