"""Files of weights that are broken, cut short, of another kind, or made to do harm."""

from __future__ import annotations

import argparse
import io
import json
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.checkpoint_files import KINDS, read, refusal, saved, state

from netspec.backends.torch.modules import to_module
from netspec.checkpoints import load
from netspec.diagnostics.raised import NetspecError
from netspec.graph.checked import Graph
from netspec.weights.sources import Seeded

Built = Callable[..., Graph]

NET = """default conv(pad=same, bias=no, norm=bn, act=relu)
conv3-8; bottleneck(4)
gap; fc-10; softmax
"""


def test_a_pickle_that_runs_code_is_refused_and_nothing_runs(net: Built, tmp_path: Path) -> None:
    marker = tmp_path / "ran"

    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.system, (f"touch {marker}",)

    torch.save({"conv1.weight": Evil()}, tmp_path / "w.pt")
    assert "NS551" in refusal(tmp_path / "w.pt", net(NET))
    (tmp_path / "bare.pt").write_bytes(pickle.dumps(Evil(), protocol=2))
    assert "NS551" in refusal(tmp_path / "bare.pt", net(NET))
    assert not marker.exists()


def test_a_tensor_that_claims_more_than_the_file_holds_is_refused(
    net: Built, tmp_path: Path
) -> None:
    graph = net(NET)
    tensors = state(graph)
    huge = torch.zeros(1).as_strided((10**6, 10**6), (0, 0))
    torch.save({**tensors, "conv1.weight": huge}, tmp_path / "w.pt")
    message = refusal(tmp_path / "w.pt", graph)
    assert "NS552" in message
    assert "conv1.weight" in message


@pytest.mark.parametrize(
    ("tensor", "reason"),
    [
        (torch.eye(3).to_sparse(), "sparse"),
        (torch.zeros(3, dtype=torch.complex64), "complex"),
        (torch.zeros(3, device="meta"), "no numbers"),
    ],
)
def test_tensors_that_are_not_plain_numbers_are_refused(
    tensor: torch.Tensor, reason: str, net: Built, tmp_path: Path
) -> None:
    torch.save({**state(net(NET)), "conv1.weight": tensor}, tmp_path / "w.pt")
    assert reason in refusal(tmp_path / "w.pt", net(NET))


def test_a_deflated_checkpoint_is_refused_from_its_directory(net: Built, tmp_path: Path) -> None:
    torch.save(state(net(NET)), tmp_path / "w.pt")
    with (
        zipfile.ZipFile(tmp_path / "w.pt") as source,
        zipfile.ZipFile(tmp_path / "bomb.pt", "w", zipfile.ZIP_DEFLATED) as bomb,
    ):
        for member in source.infolist():
            bomb.writestr(member.filename, source.read(member))
    assert "compressed" in refusal(tmp_path / "bomb.pt", net(NET))


def raw_safetensors(path: Path, header: bytes, data: bytes = b"") -> Path:
    path.write_bytes(struct.pack("<Q", len(header)) + header + data)
    return path


def entry(shape: list[int], start: int, end: int, dtype: str = "F32") -> str:
    return json.dumps({"dtype": dtype, "shape": shape, "data_offsets": [start, end]})


@pytest.mark.parametrize(
    ("header", "data"),
    [
        (f'{{"conv1.weight": {entry([1], 0, 4)}, "conv1.weight": {entry([1], 0, 4)}}}', bytes(4)),
        (f'{{"conv1.weight": {entry([2], 0, 8)}, "b": {entry([2], 4, 12)}}}', bytes(12)),
        (f'{{"conv1.weight": {entry([0, 2**60], 0, 0)}, "b": {entry([2**60], 0, 4)}}}', bytes(4)),
        (f'{{"conv1.weight": {entry([1], 0, 4, "C64")}}}', bytes(4)),
        (f'{{"conv1.weight": {entry([4], 0, 4)}}}', bytes(4)),
        (f'{{"conv1.weight": {entry([1], 0, 4)}}}', b""),
        ('{"conv1.weight": 3}', b""),
        ("[" * 100_000, b""),
    ],
)
def test_a_crooked_safetensors_file_is_refused(
    header: str, data: bytes, net: Built, tmp_path: Path
) -> None:
    path = raw_safetensors(tmp_path / "w.safetensors", header.encode(), data)
    assert "NS55" in refusal(path, net(NET))


def test_a_safetensors_header_of_2_to_the_63_is_refused(net: Built, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(struct.pack("<Q", 2**63) + b"{}")
    assert "claims" in refusal(path, net(NET))


def test_python_objects_in_npz_are_refused(net: Built, tmp_path: Path) -> None:
    path = tmp_path / "w.npz"
    np.savez(path, **{"conv1.weight": np.array([{}], dtype=object)})
    assert "Python objects" in refusal(path, net(NET))


@pytest.mark.parametrize("content", [b"", b"hello world, not weights", b"PK\x03\x04 broken"])
def test_what_is_no_file_of_weights_is_refused(content: bytes, net: Built, tmp_path: Path) -> None:
    path = tmp_path / "w.bin"
    path.write_bytes(content)
    assert "NS551" in refusal(path, net(NET))
    assert "NS551" in refusal(tmp_path / "missing.pt", net(NET))


def test_a_mutated_file_is_read_or_refused(net: Built, tmp_path: Path) -> None:
    graph = net("conv3-4; gap; fc-3")
    random = np.random.default_rng(0)
    for kind in KINDS:
        whole = bytearray(saved(state(graph), tmp_path / f"w.{kind}").read_bytes())
        for _ in range(60):
            mutated = bytearray(whole)
            for place in random.integers(0, min(len(whole), 600), 3):
                mutated[place] = random.integers(0, 256)
            path = tmp_path / f"mutated.{kind}"
            path.write_bytes(mutated)
            try:
                read(load(path, graph), graph)
            except NetspecError:
                continue


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_file_cut_short_is_refused_as_a_whole(
    kind: str, share: float, net: Built, tmp_path: Path
) -> None:
    graph = net(NET)
    whole = saved(state(graph), tmp_path / f"w.{kind}").read_bytes()
    path = tmp_path / f"cut.{kind}"
    path.write_bytes(whole[: int(share * len(whole))])
    assert "NS551" in refusal(path, graph)


def test_objects_in_a_checkpoint_are_named_and_not_made(net: Built, tmp_path: Path) -> None:
    graph = net(NET)
    path = tmp_path / "w.pt"
    torch.save({"model": state(graph), "args": argparse.Namespace(lr=0.1)}, path)
    message = refusal(path, graph)
    assert "`argparse.Namespace`" in message
    assert "state_dict" in message
    torch.save(to_module(graph, Seeded(0)), path)
    message = refusal(path, graph)
    assert "only running code would make" in message
    assert "weights_only" not in message
    assert "\\x1b" not in message


def test_a_checkpoint_of_before_zip_archives_says_how_to_save_it_again(
    net: Built, tmp_path: Path
) -> None:
    graph = net(NET)
    torch.save(state(graph), tmp_path / "w.pt", _use_new_zipfile_serialization=False)
    assert "torch.save" in refusal(tmp_path / "w.pt", graph)


def header(shape: tuple[int, ...]) -> bytes:
    buffer = io.BytesIO()
    about = {"descr": "<f4", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(buffer, about)
    return buffer.getvalue()


@pytest.mark.parametrize("shape", [(10, 16), (2**20, 2**20), (-1, 8)])
def test_an_array_of_npz_with_fewer_numbers_than_it_claims_is_refused(
    shape: tuple[int, ...], net: Built, tmp_path: Path
) -> None:
    graph = net(NET)
    path = saved(state(graph), tmp_path / "w.npz")
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(tmp_path / "lie.npz", "w") as lie:
        for member in source.namelist():
            content = header(shape) + bytes(4) if "fc1.weight" in member else source.read(member)
            lie.writestr(member, content)
    assert "fc1.weight" in refusal(tmp_path / "lie.npz", graph)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_true_or_false_is_no_weight(kind: str, net: Built, tmp_path: Path) -> None:
    graph = net(NET)
    tensors = {**state(graph), "fc1.bias": torch.ones(10, dtype=torch.bool)}
    message = refusal(saved(tensors, tmp_path / f"w.{kind}"), graph)
    assert "`fc1.bias` holds BOOL" in message


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_too_large_for_single_precision_are_told_as_infinite(
    kind: str, net: Built, tmp_path: Path
) -> None:
    graph = net(NET)
    tensors = state(graph)
    tensors["fc1.bias"] = torch.full((10,), 1e300, dtype=torch.float64)
    (warning,) = load(saved(tensors, tmp_path / f"w.{kind}"), graph).warnings
    assert "10 weights" in warning.problem.headline


def test_keras_own_files_say_how_to_save_them(net: Built, tmp_path: Path) -> None:
    graph = net(NET)
    (tmp_path / "w.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(64))
    assert "np.savez" in refusal(tmp_path / "w.h5", graph)
    with zipfile.ZipFile(tmp_path / "w.keras", "w") as archive:
        archive.writestr("metadata.json", "{}")
        archive.writestr("model.weights.h5", "")
    assert "np.savez" in refusal(tmp_path / "w.keras", graph)


@pytest.mark.parametrize("kind", ["pt", "npz"])
def test_a_file_without_tensors_is_refused(kind: str, net: Built, tmp_path: Path) -> None:
    assert "no tensors" in refusal(saved({}, tmp_path / f"w.{kind}"), net(NET))
