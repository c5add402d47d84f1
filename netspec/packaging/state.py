"""The weights of a package: the state_dict of the net's PyTorch module, as safetensors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from netspec.checkpoints.formats.safetensors import Numbers, write_safetensors
from netspec.graph.checked import Graph
from netspec.system.atomic import replacing
from netspec.weights.sources import WeightSource, named_weights

if TYPE_CHECKING:
    from netspec.ops.declare.weight import Weight
    from netspec.weights.sources import Array


def write_state(graph: Graph, source: WeightSource, path: Path) -> None:
    """Writes what `net.to_torch(...)` has in its state_dict, heads and buffers included, whole or not at all.

    Names and shapes are asked of the module itself, without numbers; numbers pass from the source.
    """
    from netspec.backends.torch.modules import skeleton

    weights = named_weights(graph)
    tensors = {}
    for name, held in skeleton(graph).state_dict().items():
        shape = tuple(held.shape)
        if name in weights:
            tensors[name] = Numbers("F32", shape, _from(source, name, weights[name]))
        else:
            # The only whole number of a module: how many batches its statistics are of.
            tensors[name] = Numbers("I64", shape, _none_yet)
    with replacing(path) as file:
        write_safetensors(file, tensors, {"format": "pt"})


def _from(source: WeightSource, name: str, weight: Weight) -> Callable[[], Iterator[Array]]:
    return lambda: source.pieces(name, weight)


def _none_yet() -> Iterator[Array]:
    import numpy as np

    yield np.zeros(1, np.int64)
