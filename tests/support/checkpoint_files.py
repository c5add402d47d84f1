"""Files of weights as the tests write and read them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from netspec.backends.torch.modules import to_module
from netspec.checkpoints import load
from netspec.diagnostics.raised import NetspecError
from netspec.graph.checked import Graph
from netspec.weights.sources import Seeded, named_weights

KINDS = ("safetensors", "pt", "npz")


def saved(tensors: dict[str, torch.Tensor], path: Path) -> Path:
    """Writes tensors in the format of the path's suffix."""
    if path.suffix == ".safetensors":
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)
    elif path.suffix == ".pt":
        torch.save(tensors, path)
    else:
        np.savez(path, **{name: tensor.numpy() for name, tensor in tensors.items()})
    return path


def state(graph: Graph, seed: int = 5) -> dict[str, torch.Tensor]:
    """A state dict with no two tensors alike."""
    module = to_module(graph, Seeded(seed))
    random = torch.Generator().manual_seed(seed)
    return {
        name: torch.rand(tensor.shape, generator=random) + 0.5
        if tensor.is_floating_point()
        else tensor
        for name, tensor in module.state_dict().items()
    }


def read(loaded: Any, graph: Graph) -> dict[str, np.ndarray]:
    return {
        name: np.concatenate(list(loaded.source.pieces(name, weight))).reshape(weight.shape)
        for name, weight in named_weights(graph).items()
    }


def refusal(path: Path, graph: Graph, **options: Any) -> str:
    with pytest.raises(NetspecError) as caught:
        load(path, graph, **options)
    return str(caught.value)
