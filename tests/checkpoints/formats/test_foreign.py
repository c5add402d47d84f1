"""What strangers' files may not do: hang, fill memory, or pass a library's exception on."""

from __future__ import annotations

import json
import os
import resource
import struct
import zipfile
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from support.checkpoint_files import refusal, saved, state
from support.forked import Forks
from support.loaders import KINDS, read_mutant
from support.mutants import mutants

from netspec.checkpoints import load
from netspec.diagnostics.raised import NetspecError
from netspec.graph.checked import Graph

Built = Callable[..., Graph]

NET = "conv3-4; gap; fc-3"
TWINS = "input 4\nfc-4(bias=no); fc-4(bias=no)"


def named(names: list[str], path: Path, shape: tuple[int, ...] = (4, 4)) -> Path:
    """A safetensors file with tensors of one shape under these names."""
    size = 4 * int(np.prod(shape))
    entries = {
        name: {"dtype": "F32", "shape": shape, "data_offsets": [i * size, (i + 1) * size]}
        for i, name in enumerate(names)
    }
    header = json.dumps(entries).encode()
    numbers = np.random.default_rng(0).standard_normal(len(names) * size // 4).astype("f4")
    path.write_bytes(struct.pack("<Q", len(header)) + header + numbers.tobytes())
    return path


NAMES = {
    "one inside the other": ["a.w", "a.b.w"],
    "a hundred thousand levels": ["a." * 100_000 + "w", "b"],
    "five thousand digits": ["x" + "1" * 5000, "x" + "2" * 5000],
    "digits of other scripts": ["x.٣", "x.٤"],
    "superscripts": ["x²", "x³"],
    "nothing": ["", "."],
    "dots": ["..", "..."],
    "NUL": ["a\0b", "a\0c"],
    "half a character": ["a\ud800", "b"],
}


@pytest.mark.parametrize("names", NAMES.values(), ids=NAMES)
def test_names_that_nobody_gives_end_in_a_message(
    names: list[str], net: Built, tmp_path: Path
) -> None:
    assert "error[NS55" in refusal(named(names, tmp_path / "w.safetensors"), net(TWINS))


def test_the_own_file_of_an_attention_loads(net: Built, tmp_path: Path) -> None:
    graph = net("input 3xT; attention(1)")
    loaded = load(saved(state(graph), tmp_path / "w.safetensors"), graph)
    assert not loaded.initial
    assert not loaded.unused


def test_hundreds_of_layers_that_nothing_tells_apart_are_refused(
    net: Built, tmp_path: Path
) -> None:
    letters = np.random.default_rng(0).integers(97, 123, (300, 9))
    names = ["".join(map(chr, row)) for row in letters]
    graph = net("input 4\nfc-4(bias=no) x300")
    assert "NS553" in refusal(named(names, tmp_path / "w.safetensors"), graph)


# --- integers


@pytest.mark.parametrize("dtype", [torch.int8, torch.int64, torch.bool])
@pytest.mark.parametrize("kind", ["safetensors", "pt", "npz"])
@pytest.mark.parametrize("foreign", [False, True])
def test_integers_are_never_weights(
    dtype: torch.dtype, kind: str, foreign: bool, net: Built, tmp_path: Path
) -> None:
    graph = net(NET)
    tensors = {**state(graph), "fc1.weight": torch.ones((3, 4), dtype=dtype)}
    if foreign:
        tensors = {
            f"body.{i}.{n.rpartition('.')[2]}": t for i, (n, t) in enumerate(tensors.items())
        }
    message = refusal(saved(tensors, tmp_path / f"w.{kind}"), graph)
    assert "fc1.weight" in message


@pytest.mark.parametrize("made", [torch.ones((3, 4), dtype=torch.int64), np.ones((3, 4), np.bool_)])
def test_integers_in_a_state_dict_are_refused(made: object, net: Built) -> None:
    from netspec.api.net import Net

    graph = net(NET)
    with pytest.raises(NetspecError, match=r"NS563.*`fc1.weight`"):
        Net(graph).to_torch(weights={**state(graph), "fc1.weight": made})


# --- bombs


def archive(path: Path, content: bytes, packed: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", packed) as made:
        made.writestr("fc1.weight.npy", content)
    return path


def test_an_array_whose_header_is_a_bomb_is_refused(net: Built, tmp_path: Path) -> None:
    content = b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**30) + b" " * 2**26
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    message = refusal(archive(tmp_path / "w.npz", content), net(NET))
    assert "its header claims 1,073,741,824 bytes" in message
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**15


def test_an_archive_that_unpacks_to_too_much_is_refused(net: Built, tmp_path: Path) -> None:
    path = tmp_path / "w.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for i in range(5):
            made.writestr(f"{i}.npy", bytes(2**20))
        for member in made.infolist():
            member.file_size = 2**30
    assert "would unpack to 5,368,709,120 bytes" in refusal(path, net(NET))


def test_an_archive_packed_as_numpy_never_does_is_refused(net: Built, tmp_path: Path) -> None:
    path = archive(tmp_path / "w.npz", b"x", zipfile.ZIP_LZMA)
    assert "numpy never uses" in refusal(path, net(NET))


@pytest.mark.parametrize(
    "text",
    [
        "{'descr': '<f4', 'fortran_order': False, 'shape': (",
        "(" * 5000,
        "'" * 3,
        "\\N{",
        "{1:2}",
        "",
    ],
)
def test_a_broken_header_of_an_array_is_refused(text: str, net: Built, tmp_path: Path) -> None:
    content = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()
    assert "is no array" in refusal(archive(tmp_path / "w.npz", content), net(NET))


# --- what is no regular file


@pytest.mark.parametrize("kind", ["pipe", "folder", "device"])
@pytest.mark.parametrize(
    "words",
    [
        ("compile", "net.ns", "--weights", "in.pt"),
        ("compile", "net.ns", "--weights", "whole.npz", "--map", "in.json"),
        ("run", "net.ns", "in.npy"),
        ("run", "net.ns", "in.png"),
        ("run", "in.onnx"),
        ("bench", "in.onnx"),
    ],
    ids=" ".join,
)
def test_what_is_no_regular_file_is_refused_at_once(
    kind: str, words: tuple[str, ...], net: Built, forked: Forks, tmp_path: Path
) -> None:
    (tmp_path / "net.ns").write_text(f"input 3x8x8\n{NET}")
    saved(state(net(NET)), tmp_path / "whole.npz")
    place = tmp_path / next(word for word in words if word.startswith("in."))
    if kind == "pipe":
        os.mkfifo(place)
    elif kind == "folder":
        place.mkdir()
    else:
        place.symlink_to("/dev/zero")
    ended = forked.run(words, tmp_path)
    assert ended.status == 1
    assert "not a regular file" in ended.err
    assert len(ended.err.splitlines()) <= 2


# --- mutants


@pytest.mark.parametrize("kind", KINDS)
def test_mutants_are_loaded_or_refused(kind: str, tmp_path: Path) -> None:
    """Whatever else is raised fails; a crash ends the run."""
    read = 0
    for number, whole in enumerate(KINDS[kind][0]):
        assert read_mutant(kind, whole, tmp_path)
        read += sum(read_mutant(kind, m, tmp_path) for m in islice(mutants(whole, number), 60))
    # Mutants of which none is read would test little.
    assert read or kind == "json"
