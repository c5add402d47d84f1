"""Metadata written into a file that is there: one entry for each key, the rest untouched, or nothing."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

import netspec
from netspec.backends.onnx.file import write_metadata
from netspec.diagnostics.raised import NetspecError


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return netspec.load("conv3-4; gap; fc-5", input="3x8x8").to_onnx(tmp_path / "net.onnx")


def said(path: Path) -> dict[str, str]:
    entries = [(entry.key, entry.value) for entry in onnx.load(path).metadata_props]
    assert len(dict(entries)) == len(entries)
    return dict(entries)


def test_entries_are_added_and_replaced(model: Path) -> None:
    before, graph = said(model), onnx.load(model).graph
    write_metadata(model, {"a": "1", "b": "ß"})
    write_metadata(model, {"a": "2" * 10_000})
    assert said(model) == {**before, "a": "2" * 10_000, "b": "ß"}
    assert onnx.load(model).graph == graph


def test_the_same_entries_give_the_same_bytes(model: Path) -> None:
    write_metadata(model, {"a": "1"})
    once = model.read_bytes()
    write_metadata(model, {"a": "1"})
    assert model.read_bytes() == once


@pytest.mark.parametrize("share", [0.3, 0.999])
def test_a_file_cut_short_is_left_as_it_is(model: Path, share: float) -> None:
    whole = model.read_bytes()
    cut = whole[: int(share * len(whole))]
    model.write_bytes(cut)
    with pytest.raises(ValueError, match="ends"):
        write_metadata(model, {"a": "1"})
    assert model.read_bytes() == cut
    assert [path.name for path in model.parent.iterdir()] == [model.name]


@pytest.mark.parametrize("data", [b"\x0b", b"\xff" * 20, b"\x08", b"\x0a\xff\xff\xff\xff\x0f"])
def test_what_is_no_protobuf_is_left_as_it_is(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"ends|kind|no end"):
        write_metadata(path, {"a": "1"})
    assert path.read_bytes() == data


def test_fields_of_every_kind_are_kept(tmp_path: Path) -> None:
    """A number, eight bytes, bytes and four bytes, under numbers that ONNX does not use."""
    path = tmp_path / "net.onnx"
    data = (
        b"\xc8\x3e\x96\x01" + b"\xc9\x3e" + bytes(8) + b"\xca\x3e\x03abc" + b"\xcd\x3e" + bytes(4)
    )
    path.write_bytes(data)
    write_metadata(path, {"a": "1"})
    assert path.read_bytes().startswith(data)
    assert said(path) == {"a": "1"}


def test_a_file_where_none_may_be_written_is_left_as_it_is(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = model.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", str(model))

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(NetspecError, match="No space left"):
        write_metadata(model, {"a": "1"})
    assert model.read_bytes() == before
    assert [path.name for path in model.parent.iterdir()] == [model.name]
