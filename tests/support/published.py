"""Checkpoints that anyone can regenerate: the numbers of a tensor follow from its name."""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from support.places import DATA

from netspec.backends.onnx.compile import prepared
from netspec.backends.torch.modules import to_module
from netspec.diagnostics.limits import DEFAULT
from netspec.elaborate.build import build
from netspec.graph.checked import Graph
from netspec.syntax.files import read_spec
from netspec.weights.sources import WeightSource

# Of the logits' norm: what float32 may lose through the deepest of the networks.
TOLERANCE = 1e-4

FOLDER = DATA / "goldens"
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))


def values(key: str, shape: Sequence[int], gain: float = 1.0) -> np.ndarray:
    """The tensor called `key`: matrices and kernels that keep the variance through a ReLU, norms
    with gains around `gain` and statistics that differ from channel to channel.
    """
    noise = np.random.default_rng(zlib.crc32(key.encode())).standard_normal(shape, dtype=np.float32)
    leaf = key.rsplit(".", 1)[-1]
    if leaf == "running_var":
        return (1 + 0.1 * np.abs(noise)).astype(np.float32)
    if leaf in ("running_mean", "bias"):
        return (0.1 * noise).astype(np.float32)
    if len(shape) == 1:
        return (gain * (1 + 0.2 * noise)).astype(np.float32)
    return (noise * math.sqrt(2 / math.prod(shape[1:]))).astype(np.float32)


def values_of_today(key: str, shape: Sequence[int], gain: float = 1.0) -> np.ndarray:
    """The tensor called `key` of the networks in `goldens2/`: matrices and kernels that keep the variance."""
    noise = np.random.default_rng(zlib.crc32(key.encode())).standard_normal(shape, dtype=np.float32)
    leaf = key.rsplit(".", 1)[-1]
    if leaf == "running_var":
        return (1 + 0.1 * np.abs(noise)).astype(np.float32)
    if leaf == "running_mean" or "bias" in leaf:
        return (0.1 * noise).astype(np.float32)
    if len(shape) < 2:
        return (gain * (1 + 0.1 * noise)).astype(np.float32)
    return (noise / math.sqrt(max(1, math.prod(shape[1:])))).astype(np.float32)


def tolerance(recorded: dict[str, Any]) -> float:
    """How far an answer may be off, of its norm: little beside what other inputs do to it."""
    assert recorded["moved"] >= 1e-3, "what the network is asked hardly reaches its answer"
    return min(TOLERANCE, recorded["moved"] / 100)


def image_of(shape: Sequence[int]) -> np.ndarray:
    """The image that the networks were asked about, (1, *shape)."""
    return np.random.default_rng(0).standard_normal((1, *shape), dtype=np.float32)


def logits_of(graph: Graph, source: WeightSource, image: np.ndarray) -> np.ndarray:
    """What the deployed net answers through PyTorch, before a final softmax."""
    module = to_module(prepared(graph, logits=True), source).eval()
    with torch.no_grad():
        return module(torch.from_numpy(image)).numpy()[0]


def golden(name: str) -> dict[str, Any]:
    """What was recorded of a published network: its tensors, its input, its answer."""
    return json.loads((FOLDER / f"{name}.json").read_text())


def spec(name: str) -> Graph:
    """The shipped spec of that network."""
    return build(read_spec(golden(name)["spec"], DEFAULT))


def checkpoint(name: str, folder: Path) -> Path:
    """The network's checkpoint, written into `folder`."""
    path, recorded = folder / "checkpoint.npz", golden(name)
    gain = recorded["gain"]
    np.savez(path, **{key: values(key, shape, gain) for key, shape in recorded["tensors"]})
    return path


def meaningless(key: str) -> str:
    """The name with every word and number replaced by one that says nothing."""
    *components, leaf = key.split(".")
    coded = [
        f"{zlib.crc32(component.encode()):08x}".translate(_LETTERS) for component in components
    ]
    return ".".join([*coded, leaf])


_LETTERS = str.maketrans("0123456789abcdef", "ghijklmnopqrstuv")
