"""What a file is found to take and give, without its weights being read."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest

from netspec.api.net import Net
from netspec.diagnostics.raised import NetspecError
from netspec.graph.checked import Graph
from netspec.serving.declared import declared
from netspec.serving.interface import Interface, Tensor, interface_of

X = Tensor("x", "TYPE_FP32", ("N", 3))
Y = Tensor("y", "TYPE_FP32", ("N", 2))


@pytest.fixture
def model(net: Callable[..., Graph], tmp_path: Path) -> Path:
    graph = net(
        "input a: 3xHxW\ninput b: T ids(7)\n{ | @a; gap | @b; embedding-3; gap }\nadd; fc-2"
    )
    return Net(graph).to_onnx(tmp_path / "m.onnx")


def test_it_is_what_onnx_reads(model: Path) -> None:
    proto = onnx.load(model).graph
    found = declared(model)
    assert (*found.inputs, *found.outputs) == (*proto.input, *proto.output)
    assert interface_of(model) == Interface(
        (
            Tensor("a", "TYPE_FP32", ("N", 3, "H", "W")),
            Tensor("b", "TYPE_INT64", ("N", "T")),
        ),
        (Tensor("output", "TYPE_FP32", ("N", 2)),),
    )


def test_weights_are_not_read(
    net: Callable[..., Graph], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Net(net("fc-1000", "1000")).to_onnx(tmp_path / "large.onnx")
    read = 0

    class Counting(io.FileIO):
        def read(self, size: int | None = -1) -> bytes:
            nonlocal read
            data = super().read(-1 if size is None else size)
            read += len(data)
            return data

    monkeypatch.setattr("netspec.serving.declared.open_regular", Counting)
    assert [item.name for item in declared(path).outputs] == ["output"]
    assert 0 < read < 10_000 < path.stat().st_size


def test_what_is_no_model_is_refused(model: Path, tmp_path: Path) -> None:
    whole = model.read_bytes()
    bad = tmp_path / "bad.onnx"
    for length in (*range(0, len(whole), 7), len(whole) - 1):
        bad.write_bytes(whole[:length])
        with pytest.raises(NetspecError, match="not ONNX"):
            interface_of(bad)
    for data in (b"\xff" * 50, b"hello, world", b"\x3b\x00", bytes(1000)):
        bad.write_bytes(data)
        with pytest.raises(NetspecError, match="not ONNX"):
            interface_of(bad)
    for path in (tmp_path, tmp_path / "nothing.onnx"):
        with pytest.raises(NetspecError):
            interface_of(path)


@pytest.mark.parametrize(
    ("inputs", "outputs", "why"),
    [
        ((X,), (Y,), ""),
        ((X, Tensor("b", "TYPE_INT64", ("N",))), (Y,), ""),
        ((Tensor("x", "TYPE_FP32", ("R", 5)),), (Tensor("y", "TYPE_FP32", ("R",)),), ""),
        ((X, Tensor("r", "TYPE_FP32", ("R", 5))), (Y,), "x has N rows and r has R"),
        ((X,), (Tensor("y", "TYPE_FP32", (1, 2)),), "y is 1"),
        ((Tensor("x", "TYPE_FP32", (4, 3)),), (Y,), "x is 4"),
        ((X,), (Tensor("y", "TYPE_FP32", ("4*N", 2)),), "y has 4*N"),
    ],
)
def test_when_requests_can_be_joined(
    inputs: tuple[Tensor, ...], outputs: tuple[Tensor, ...], why: str
) -> None:
    found = Interface(inputs, outputs)
    assert (found.alone == "") == (why == "")
    assert why in found.alone


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (Interface((X,), (Y,)), ""),
        (Interface((X,), (Tensor("y", "TYPE_FP32", ("M", 2)),)), ""),
        (Interface((X,), (Tensor("y", "TYPE_FP16", ("N", 2)),)), "would become TYPE_FP16 Nx2"),
        (Interface((X,), (Tensor("y", "TYPE_FP32", ("N", 3)),)), "would become TYPE_FP32 Nx3"),
        (Interface((X,), (Y, X)), "output x: TYPE_FP32 Nx3 is new"),
        (Interface((Y,), (Y,)), "input y: TYPE_FP32 Nx2 is new"),
        (Interface((), (Y,)), "input x: TYPE_FP32 Nx3 would be gone"),
    ],
)
def test_how_two_differ(other: Interface, said: str) -> None:
    difference = Interface((X,), (Y,)).difference(other)
    assert bool(difference) == bool(said)
    assert said in difference
