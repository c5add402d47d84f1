"""Every kind of file that netspec reads besides specs, with what reads it: for mutants."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from support.checkpoint_files import read, saved, state

from netspec.backends.onnx.compile import compile_graph
from netspec.backends.runtime import InputInfo, Session
from netspec.checkpoints import load
from netspec.cli.shared.feeds import read_feed
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.source import Source
from netspec.elaborate.build import build

# Small, with two layers of a shape, a norm and names that structure must match.
_NET = "input 3x8x8\nconv3-4(norm=bn, bias=no, pad=same); conv3-4(pad=same); gap; fc-3"
GRAPH = build(Source("mutants.ns", _NET), {}, ())

Loader = Callable[[Path], Any]


def _weights(path: Path) -> None:
    read(load(path, GRAPH), GRAPH)


def _map(path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        load(saved(_foreign(), Path(folder) / "w.npz"), GRAPH, mapping=path)


def _feed(path: Path) -> None:
    read_feed(InputInfo("input", ("N", 3, 8, 8), "<f4"), str(path))


def _model(path: Path) -> None:
    session = Session(path)
    image = np.zeros((1, 3, 8, 8), np.float32)
    session.run({info.name: image for info in session.inputs})


def _foreign() -> dict[str, torch.Tensor]:
    """The net's tensors under names that are not its own."""
    layers: dict[str, str] = {}
    found = {}
    for name, tensor in state(GRAPH).items():
        layer, _, role = name.rpartition(".")
        found[f"body.{layers.setdefault(layer, str(len(layers)))}.{role}"] = tensor
    return found


def _written(kind: str, write: Callable[[Path], Any]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"whole.{kind}"
        write(path)
        return path.read_bytes()


def _packed(path: Path) -> None:
    np.savez_compressed(path, **{n: t.numpy() for n, t in _foreign().items()})


def _image(kind: str) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 11, 3), np.uint8)
    into = io.BytesIO()
    Image.fromarray(pixels).save(into, kind)
    return into.getvalue()


def _wrapped(path: Path) -> None:
    torch.save({"epoch": 3, "state_dict": _foreign(), "optimizer": {"betas": (0.9, 0.999)}}, path)


# The ending of each kind of file, whole ones of it, and what reads it.
KINDS: dict[str, tuple[tuple[bytes, ...], Loader]] = {
    "safetensors": (
        tuple(
            _written("safetensors", lambda p, t=t: saved(t, p)) for t in (state(GRAPH), _foreign())
        ),
        _weights,
    ),
    "pt": (
        (
            *(_written("pt", lambda p, t=t: saved(t, p)) for t in (state(GRAPH),)),
            _written("pt", _wrapped),
        ),
        _weights,
    ),
    "npz": (
        (_written("npz", lambda p: saved(_foreign(), p)), _written("npz", _packed)),
        _weights,
    ),
    "npy": (
        tuple(
            _written("npy", lambda p, a=a: np.save(p, a))
            for a in (np.zeros((2, 3, 8, 8), np.float32), np.asfortranarray(np.eye(3, dtype=">i2")))
        ),
        _feed,
    ),
    "onnx": ((_written("onnx", lambda p: compile_graph(GRAPH, p)),), _model),
    "png": ((_image("png"),), _feed),
    "jpg": ((_image("jpeg"),), _feed),
    "json": (
        tuple(
            json.dumps(names).encode()
            for names in ({"conv1": "body.0", "fc1": "body.3"}, {"fc*": "body.3*"})
        ),
        _map,
    ),
}


def read_mutant(kind: str, content: bytes, folder: Path) -> bool:
    """Whether such a file is loaded; False where it is refused. Anything else that is raised passes."""
    path = folder / f"mutant.{kind}"
    path.write_bytes(content)
    try:
        KINDS[kind][1](path)
    except NetspecError:
        return False
    return True
