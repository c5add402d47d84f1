"""Pickles that are small and would take for ever: told from their opcodes."""

from __future__ import annotations

import io
import pickle
import pickletools
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from support.checkpoint_files import refusal, saved, state

from netspec.checkpoints import load
from netspec.checkpoints.formats.pickles import Costly, check_cost
from netspec.graph.checked import Graph

Built = Callable[..., Graph]

NET = "conv3-4; gap; fc-3"


def with_pickle(pickled: bytes, net: Graph, folder: Path) -> Path:
    """A checkpoint with another pickle in it."""
    path = folder / "made.pt"
    whole = saved(state(net), folder / "whole.pt")
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(path, "w") as made:
        for member in source.infolist():
            own = member.filename.endswith("data.pkl")
            made.writestr(member.filename, pickled if own else source.read(member))
    return path


def nested(depth: int) -> bytes:
    """A dict with a key that is a tuple of twice a tuple of twice a tuple, and so on."""
    twice = b"".join(b"h\0h\0\x86q\0" for _ in range(depth))
    return b"\x80\x02})q\0" + b"0" + twice + b"h\0K\1s."


HOSTILE = {
    "a key that takes 2^60 steps to hash": (nested(60), "too long to read"),
    "numbers that all have one hash": (
        b"\x80\x02}("
        + b"".join(b"\x8a\x0a" + (i * (2**61 - 1)).to_bytes(10, "little") + b"N" for i in range(2**12, 2**16))
        + b"u.",
        "too long to read",
    ),
    "as many bytes as a number says": (b"\x80\x02c__builtin__\nbytearray\nJ\0\0\0\x7f\x85R.", "bytearray"),
    "a name of a million letters": (b"\x80\x02c" + b"9" * 10**6 + b"\nx\n.", "which no tensor needs"),
    "a call of a text": (b"\x80\x02X\x40\x42\x0f\0" + b"9" * 10**6 + b")R.", "not named"),
    "a list made a set over and over": (
        b"\x80\x02](" + b"K\1" * 10**4 + b"eq\0c__builtin__\nset\nq\1" + b"h\1h\0\x85R0" * 10**4 + b".",
        "too long to read",
    ),
    "nothing on the stack": (b"\x80\x02R.", "broken"),
    "no end": (b"\x80\x02}", "broken"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_pickle_that_would_take_for_ever_is_refused(
    name: str, net: Built, tmp_path: Path
) -> None:
    pickled, reason = HOSTILE[name]
    graph = net(NET)
    assert reason in refusal(with_pickle(pickled, graph, tmp_path), graph)


def test_what_holds_itself_ends(net: Built, tmp_path: Path) -> None:
    graph = net(NET)
    held: dict[str, object] = {"epoch": 1}
    held["model"] = held["net"] = held
    torch.save(held, tmp_path / "w.pt")
    assert "no tensors" in refusal(tmp_path / "w.pt", graph)


def test_large_training_states_are_not_taken_for_hostile(net: Built, tmp_path: Path) -> None:
    graph = net(NET)
    more = {
        "state_dict": state(graph),
        "optimizer": {"state": {i: {"step": 2**70 + i, "betas": (0.9, 0.999)} for i in range(999)}},
        "history": [tuple(range(100)) for _ in range(300)],
        "config": "text " * 20_000,
        "seen": set(range(1000)),
    }
    torch.save(more, tmp_path / "w.pt")
    assert len(load(tmp_path / "w.pt", graph).pairs) == 4


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_the_cost_of_every_protocol_is_told(protocol: int) -> None:
    check_cost(pickle.dumps({"a": (1, 2, [3, "x"], {4: 5.0})}, protocol=protocol))
    deep: object = ()
    for _ in range(60):
        deep = (deep, deep)
    written = io.BytesIO()
    pickle.Pickler(written, protocol).dump([deep])
    assert len(list(pickletools.genops(written.getvalue()))) < 400
    with pytest.raises(Costly):
        check_cost(written.getvalue())
