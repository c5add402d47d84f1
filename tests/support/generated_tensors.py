"""A layer's tensors as a library stores them: their names' ends, and Keras' layout."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from support.generated_layers import Layer
from torch import Tensor, nn

_PARTS = {
    "letters": ("a", "b", "c", "d"),
    "sequential": ("0", "1", "2", "3"),
    "torch_nested": ("q_proj", "k_proj", "v_proj", "out_proj"),
}
_WORDS = ("query", "key", "value", "output")
_JOINED = {"letters": ("a", "b"), "sequential": ("0", "1"), "foreign": ("eins", "zwei")}


@dataclass
class Stored:
    """A tensor of a file: its name's end, the tensor, and what it is in the layer's module."""

    end: str
    tensor: Tensor
    leaf: str


def tensors_of(layer: Layer, module: nn.Module, scheme: str, attention: str) -> list[Stored]:
    """The tensors of a layer in a module's order."""
    held = {name: tensor.detach() for name, tensor in module.state_dict().items()}
    if layer.kind != "attention":
        return [Stored(f".{leaf}", tensor, leaf) for leaf, tensor in held.items()]
    if attention == "in_proj":
        return [Stored(f".{leaf}", tensor, leaf) for leaf, tensor in held.items()]
    found: list[Stored] = []
    if attention == "joined":
        into, out = _JOINED.get(scheme, ("qkv", "proj"))
        parts = [("in_proj_", into, 0), ("out_proj.", out, 0)]
        thirds = [held["in_proj_weight"]], [held["in_proj_bias"]]
    else:
        query, key, value, out = _PARTS.get(scheme, _WORDS)
        parts = [("in_proj_", name, i) for i, name in enumerate((query, key, value))]
        parts.append(("out_proj.", out, 0))
        thirds = held["in_proj_weight"].chunk(3), held["in_proj_bias"].chunk(3)
    for prefix, name, i in parts:
        for leaf, pieces in zip(("weight", "bias"), thirds, strict=True):
            tensor = pieces[i] if prefix == "in_proj_" else held[prefix + leaf]
            found.append(Stored(f".{name}.{leaf}", tensor, prefix + leaf))
    return found


def keras(layer: Layer, stored: Stored, suffix: str) -> Stored:
    """As Keras stores it: kernels with outputs last, maps flattened with channels last."""
    around, _, leaf = stored.end.rpartition(".")
    around = around.replace(".", "/")
    tensor = stored.tensor
    if layer.norm:
        leaf = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean",
                "running_var": "moving_variance"}[leaf]  # fmt: skip
    elif leaf == "weight":
        leaf = "depthwise_kernel" if layer.depthwise else "kernel"
        if layer.flat:
            tensor = tensor.unflatten(1, layer.flat).permute(2, 3, 1, 0).flatten(0, 2)
        elif tensor.dim() == 4:
            tensor = tensor.permute(2, 3, 0, 1) if layer.depthwise else tensor.permute(2, 3, 1, 0)
        else:
            tensor = tensor.T
    return Stored(f"{around}/{leaf}{suffix}", torch.clone(tensor.contiguous()), stored.leaf)
