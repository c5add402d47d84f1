"""Weights that let no mistake hide: every layer's values have size 1 and every layer matters.

Freshly initialised nets hide mistakes: their signal grows or dies with depth, their biases are zero
and their batch statistics trivial. Here biases, scales and statistics are random, and matrices and
statistics are fitted to what flows through them, layer by layer in one run.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from netspec.foundation.records import record
from netspec.graph.checked import Graph, Node
from netspec.verify.samples import sample_runs
from netspec.weights.seeded import draw
from netspec.weights.sources import Given, named_weights

if TYPE_CHECKING:
    import numpy as np

    from netspec.backends.torch.net import NetModule
    from netspec.ops.declare.weight import Weight
    from netspec.weights.sources import Array

# How weights are drawn, one way after the other, before a silent layer is taken for one that cannot
# speak: the spread of each layer's values, and whether each unit's mean is made positive.
_MANNERS = (
    (1.0, False),
    (1.0, True),
    (1.0, True),
    (0.5, True),
    (0.5, True),
    (0.25, True),
    (1.0, True),
    (0.25, False),
)
# Between the seeds of two draws, so that those of neighbouring seeds differ.
_STRIDE = 1_000_003
# A unit that is positive by less than this of the spread hardly lives.
_HARDLY = 0.05


@record
class Varied:
    """Initial weights whose constants vary: no bias is zero, no scale is one."""

    seed: int = 0

    def pieces(self, name: str, weight: Weight) -> Iterator[Array]:
        """Initial values from the seed; where a scheme fills with one value, noise around it."""
        constant = weight.init.constant()
        noise = _generator(self.seed, f"{name} varied")
        for piece in draw(weight, name, self.seed):
            if constant is None or weight.known:
                yield piece
                continue
            varied = noise.standard_normal(piece.size, dtype=piece.dtype)
            values = piece.clip(-1, 1) + 0.1 * varied
            yield abs(values) if name.endswith("running_var") else values


def _generator(seed: int, name: str) -> np.random.Generator:
    import numpy as np

    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def fitted(graph: Graph, seed: int = 0, reached: Callable[[str], None] | None = None) -> Given:
    """Such weights for a graph; on one machine the same seed gives the same weights.

    A narrow layer can be dead under one draw: it is drawn again, up to some times, and the draw
    with the fewest silent layers is taken. `reached` is called with each layer that starts to run.
    """
    import torch

    from netspec.verify.response import silent_layers

    runs = sample_runs(graph, seed)
    # Fitted to inputs it is verified on, so that what lives here lives there.
    inputs = max(runs, key=lambda run: run.batch).inputs
    every = [run.inputs for run in runs]
    best, fewest = None, len(graph.nodes) + 1
    for number, (size, positive) in enumerate(_MANNERS):
        module = _drawn(graph, _Draw(seed + number * _STRIDE, size, positive), inputs, reached)
        silent = len(silent_layers(module, graph, every))
        if silent < fewest:
            best, fewest = module, silent
        if not silent:
            break
    assert best is not None
    tensors = {**dict(best.named_parameters()), **dict(best.named_buffers())}
    return Given({name: tensors[name].detach().to(torch.float32) for name in named_weights(graph)})


@record
class _Draw:
    """One draw of weights: its seed, the spread of each layer's values, and which units to negate.

    A unit is negated where it is positive nowhere, or, if `positive`, where its mean is negative.
    """

    seed: int
    size: float
    positive: bool


def _drawn(
    graph: Graph,
    draw: _Draw,
    inputs: dict[str, np.ndarray[Any, Any]],
    reached: Callable[[str], None] | None,
) -> NetModule:
    """Runs the net once; each layer is fitted when it is reached, before what reads it runs."""
    import torch

    from netspec.backends.torch.modules import to_module
    from netspec.verify.numbers import announce, results

    module = to_module(graph, Varied(draw.seed)).eval()
    if reached is not None:
        announce(module, graph, reached)
    hooks = []
    for node in graph.nodes:
        if node.owner == node.path and node.op.weights(*node.input_types):
            hooks.append(_hook(module.get_submodule(node.path), node, draw))
    try:
        with torch.no_grad():
            results(module, graph, inputs)
    finally:
        for hook in hooks:
            if hook is not None:
                hook.remove()
    return module


def _hook(layer: Any, node: Node, draw: _Draw) -> Any:
    from torch import nn
    from torch.nn.modules.batchnorm import _NormBase
    from torch.nn.modules.conv import _ConvNd

    if any(weight.known for weight in node.op.weights(*node.input_types)):
        return None
    if isinstance(layer, _NormBase) and layer.running_mean is not None:
        return layer.register_forward_pre_hook(_Once(_fit_statistics, node.path, draw))
    if isinstance(layer, _ConvNd | nn.Linear):
        return layer.register_forward_hook(_Once(_fit_matrix, node.path, draw))
    return None


class _Once:
    """Calls a function the first time only: shared layers run more often than they are fitted."""

    def __init__(self, function: Any, name: str, draw: _Draw) -> None:
        self._function = function
        self._arguments = name, draw
        self._done = False

    def __call__(self, layer: Any, *tensors: Any) -> Any:
        if self._done:
            return None
        self._done = True
        return self._function(layer, *self._arguments, *tensors)


def _fit_statistics(layer: Any, name: str, draw: _Draw, inputs: tuple[Any, ...]) -> None:
    """Running statistics near those of what flows in, and each off by a random amount."""
    import torch

    (values,) = inputs
    axes = [axis for axis in range(values.ndim) if axis != 1]
    mean, variance = values.mean(axes), values.var(axes, unbiased=False)
    # A few samples say little of one channel; all channels together say more.
    variance = 0.5 * variance + 0.5 * variance.mean() + 1e-6
    random = _generator(draw.seed, f"{name} statistics")
    drawn = [torch.from_numpy(random.standard_normal(mean.numel(), "f")) for _ in range(2)]
    layer.running_mean.copy_(mean + 0.1 * variance.sqrt() * drawn[0])
    layer.running_var.copy_(variance * (0.8 + 0.2 * drawn[1].abs()))


def _fit_matrix(layer: Any, name: str, draw: _Draw, inputs: Any, output: Any) -> Any:
    """Scales the layer so that its outputs have the draw's spread, and negates units."""
    spread = output.std() / draw.size
    if not bool(spread > 1e-12):
        return None
    across = [axis for axis in range(output.ndim) if axis != 1]
    low = output.mean(across) if draw.positive else output.amax(across)
    # A unit that is positive nowhere passes nothing through a ReLU; nor does one that hardly is.
    factors = (1 - 2 * (low < _HARDLY * spread).to(output.dtype)) / spread
    _scale(layer, factors)
    if layer.bias is not None:
        layer.bias *= factors
    return output * factors.reshape(1, -1, *[1] * (output.ndim - 2))


def _scale(layer: Any, factors: Any) -> None:
    """Multiplies each unit's weights by its factor."""
    if getattr(layer, "transposed", False):
        # Inputs first: those of a group, then the units of the group.
        weight = layer.weight.unflatten(0, (layer.groups, -1))
        weight.mul_(factors.reshape(layer.groups, 1, -1, *[1] * (weight.ndim - 3)))
    else:
        layer.weight.mul_(factors.reshape(-1, *[1] * (layer.weight.ndim - 1)))
