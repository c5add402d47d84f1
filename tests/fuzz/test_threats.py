"""Each way to do harm with a file, and what it meets: a message with its place and status.

The attacker writes the spec and what it imports, the weights, the ONNX file and its data, arrays,
and names; not the command line. What is bounded is counted: calls, bytes, nodes, never seconds.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import re
import resource
import signal
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from support.checkpoint_files import saved, state
from support.onnx_files import with_entry
from support.watching import Seen, at_most, watching

import netspec
from netspec.backends.onnx.data import data_files
from netspec.backends.onnx.file import write
from netspec.backends.onnx.lowering import lower
from netspec.backends.runtime import Session
from netspec.checkpoints import load
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.records import Diagnostic
from netspec.diagnostics.source import Source
from netspec.draw import draw
from netspec.elaborate.assemble import Assembler
from netspec.elaborate.build import build
from netspec.graph.checked import Graph
from netspec.passes.deploy import deploy
from netspec.syntax.files import read_file
from netspec.weights.sources import Seeded

Built = Callable[..., Graph]
NET = "input 3x8x8\nconv3-4(act=relu); gap; fc-5\n"
# What reading a short spec and telling what is wrong with it takes, with room.
FEW = 300_000


def refused(text: str, path: Path | None = None, calls: int = FEW) -> NetspecError:
    with pytest.raises(NetspecError) as caught, at_most(calls):
        build(Source("t.ns", text, str(path) if path else None))
    assert caught.value.status == 1
    assert len(str(caught.value)) <= 64 * 1024
    return caught.value


def first(error: NetspecError) -> tuple[str, str]:
    """The first message's code and place."""
    found = error.diagnostics[0]
    return found.code, str(found.span)


def only(error: NetspecError) -> Diagnostic:
    (found,) = error.diagnostics
    return found


def netspec_run(*arguments: str, cwd: Path, **more: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "netspec", *arguments]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, **more)
    assert "Traceback" not in done.stderr
    return done


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "net.onnx"
    netspec.load(NET).to_onnx(path)
    return path


@pytest.fixture
def external(tmp_path: Path) -> Path:
    path = tmp_path / "net.onnx"
    write(lower(deploy(build(Source("t.ns", NET)))), path, Seeded(), limit=1)
    return path


# --- 1 to 10: specs


@pytest.mark.parametrize("bracket", "([{")
def test_01_a_hundred_thousand_brackets(bracket: str) -> None:
    refused("input 3\nfc-3; fc-(")
    error = refused("input 3\nfc-3; fc-" + bracket * 100_000, calls=3_000_000)
    assert (error.diagnostics[-1].code, str(error.diagnostics[-1].span)) == ("NS402", "t.ns:2:74")


@pytest.mark.parametrize("kind", ["sparse", "endless"])
def test_02_a_file_that_is_too_large(kind: str, tmp_path: Path, monkeypatch: Any) -> None:
    path = Path("/dev/zero")
    if kind == "sparse":
        path = tmp_path / "big.ns"
        with path.open("wb") as file:
            file.truncate(100 * 2**20)
    asked: list[int] = []

    class Counting(io.FileIO):
        def readinto(self, buffer: Any) -> Any:
            asked.append(len(buffer))
            return super().readinto(buffer)

    def opened(handle: int, mode: str) -> Any:
        return io.BufferedReader(Counting(handle, mode), 1)

    monkeypatch.setattr("netspec.syntax.files.open", opened, raising=False)
    with pytest.raises(NetspecError) as caught:
        read_file(path)
    found = only(caught.value)
    assert (found.code, str(found.span)) == ("NS401", f"{path}:1:1")
    assert caught.value.status == 1
    assert sum(asked) <= 4 * 2**20 + 1


def test_03_repeats_eight_deep(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[object] = []
    add = Assembler.add

    def counting(self: Assembler, *arguments: Any, **named: Any) -> Any:
        built.append(arguments)
        return add(self, *arguments, **named)

    monkeypatch.setattr(Assembler, "add", counting)
    nested = "block r(body) { body x1000 }\n" + "r { " * 8 + "relu" + " }" * 8
    found = only(refused(f"input 3\n{nested}"))
    assert (found.code, str(found.span)) == ("NS404", "t.ns:3:1")
    assert f"{10**24:,}" in found.problem.headline
    assert built == []


def test_04_blocks_and_imports_in_a_circle(tmp_path: Path) -> None:
    blocks = "block a { b }\nblock b { a }\ninput 3\na\n"
    found = only(refused(blocks, calls=3_000_000))
    assert (found.code, str(found.span)) == ("NS405", "t.ns:2:11")
    assert "a -> b -> a" in found.problem.headline
    for name, other in (("ping", "pong"), ("pong", "ping")):
        (tmp_path / f"{name}.ns").write_text(f"import b from {other}\nblock b {{ relu }}\n")
    found = only(refused("import b from ping\ninput 3\nb\n", tmp_path / "t.ns"))
    assert found.code == "NS228"
    assert str(found.span).endswith("pong.ns:1:8")
    assert "ping -> pong -> ping" in found.problem.headline


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("../secret", "NS110"),
        ("/etc/passwd", "NS110"),
        ('"../secret.ns"', "NS110"),
        ("linked", "NS224"),
        ("pipe", "NS224"),
        ("folder", "NS224"),
    ],
)
def test_05_an_import_that_leads_elsewhere(name: str, code: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret.ns"
    secret.write_text("password hunter2\n")
    inside = tmp_path / "inside"
    (inside / "folder.ns").mkdir(parents=True)
    (inside / "linked.ns").symlink_to(secret)
    os.mkfifo(inside / "pipe.ns")
    with watching() as seen:
        error = refused(f"import {name}\ninput 3\nrelu\n", inside / "t.ns")
    assert error.diagnostics[0].code == code
    assert str(error.diagnostics[0].span).startswith("t.ns:1:")
    assert "hunter2" not in str(error)
    assert "root:" not in str(error)
    assert "secret.ns" not in seen.read_in(tmp_path)
    assert "passwd" not in {path.name for path in seen.read}


@pytest.mark.parametrize(
    ("step", "code", "says"),
    [
        (f"fc-{10**17}", "NS214", "from 1 to"),
        ("conv(kernel=9223372036854775808, width=4)", "NS104", "9223372036854775808"),
        ("conv3-(0-4)", "NS214", "got -4"),
        ("conv3-0", "NS214", "got 0"),
        ("conv0-3", "NS214", "got 0"),
        ("maxpool2/0", "NS214", "got 0"),
        ("fc-(10**18)", "NS214", "from 1 to"),
        ("fc-(2**63)", "NS216", "too large"),
    ],
)
def test_06_numbers_out_of_range(step: str, code: str, says: str) -> None:
    found = only(refused(f"input 3x8x8\n{step}\n"))
    assert found.code == code
    assert says in str(found.problem.headline)
    assert found.span is not None
    assert found.span.line == 2


@pytest.mark.parametrize(
    ("step", "code"),
    [
        ("dropout(1e999)", "NS104"),
        ("dropout(nan)", "NS202"),
        ("dropout(inf)", "NS202"),
        ("fc-" + "9" * 5000, "NS104"),
        ("fc-\u0663\u0664", "NS101"),
        ("fc-\uff14", "NS101"),
    ],
)
def test_07_what_is_no_number(step: str, code: str) -> None:
    error = refused(f"input 3x8x8\n{step}\n")
    assert error.diagnostics[0].code == code
    assert str(error.diagnostics[0].span).startswith("t.ns:2:")


@pytest.mark.parametrize(
    "char",
    ["\0", "\ufeff", "\u202e", "\u2066", "\ud800", "\u200b", "\x1b", "c\u043env"],
    ids=lambda char: "+".join(f"{ord(c):x}" for c in char),
)
def test_08_characters_that_hide_something(char: str) -> None:
    error = refused(f"input 3x8x8\nrelu; {char}\n")
    at = 7 + next(i for i, c in enumerate(char) if not c.isascii() or not c.isprintable())
    assert first(error) == ("NS101", f"t.ns:2:{at}")
    assert str(error).replace("\n", "").isprintable()


@pytest.mark.parametrize(
    ("data", "code", "place"),
    [
        (b"input 3\nrelu # caf\xe9", "NS102", ":2:11"),
        (b"input 3\n\xed\xa0\x80", "NS102", ":2:1"),
        (b"\xff\xfei\0", "NS102", ":1:1"),
        (b"input 3\rrelu", "NS101", ":1:8"),
    ],
    ids=["latin-1", "surrogate", "utf-16", "carriage return"],
)
def test_08_bytes_that_are_no_text(data: bytes, code: str, place: str, tmp_path: Path) -> None:
    path = tmp_path / "t.ns"
    path.write_bytes(data)
    with pytest.raises(NetspecError) as caught:
        build(read_file(path))
    assert first(caught.value) == (code, f"{path}{place}")
    path.write_bytes(b"input 3\r\nrelu\r\n")
    assert len(build(read_file(path)).nodes) == 2


def test_09_a_text_without_an_end() -> None:
    found = refused('input 3\npaper "' + "\\" * 100_000, calls=20_000).diagnostics[0]
    assert (found.code, str(found.span)) == ("NS103", "t.ns:2:7")


def test_10_fifty_thousand_mistakes() -> None:
    error = refused("input 3\n" + "rleu\n" * 50_000, calls=100_000_000)
    assert len(error.diagnostics) == 20
    assert error.more == 49_980
    assert {found.code for found in error.diagnostics} == {"NS201"}
    assert [found.span.line for found in error.diagnostics if found.span] == list(range(2, 22))
    assert len(str(error)) <= 64 * 1024


# --- 11 to 16: files of weights


def weights_refused(path: Path, graph: Graph, **options: Any) -> tuple[NetspecError, Seen]:
    before = files(path.parent)
    with watching() as seen, pytest.raises(NetspecError) as caught, at_most(FEW):
        load(path, graph, **options)
    assert caught.value.status == 1
    assert caught.value.diagnostics[0].code.startswith("NS55")
    named = caught.value.diagnostics[0].code in ("NS550", "NS555")  # which name tensors
    assert named or path.name in str(caught.value)
    assert len(str(caught.value)) <= 64 * 1024
    assert files(path.parent) == before
    assert seen.started == []
    return caught.value, seen


class _Evil:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.marker}",)


@pytest.mark.parametrize("way", ["tensor", "bare", "npz"])
def test_11_a_pickle_that_runs_a_program(way: str, net: Built, tmp_path: Path) -> None:
    evil, path = _Evil(tmp_path / "ran"), tmp_path / ("w.npz" if way == "npz" else "w.pt")
    if way == "tensor":
        torch.save({"conv1.weight": evil}, path)
    elif way == "bare":
        path.write_bytes(pickle.dumps(evil, protocol=2))
    else:
        np.savez(path, **{"conv1.weight": np.array([evil], dtype=object)})
    weights_refused(path, net(NET))
    assert not evil.marker.exists()


def test_12_a_tensor_that_claims_what_the_file_has_not(net: Built, tmp_path: Path) -> None:
    huge = torch.zeros(1).as_strided((10**6, 10**6), (0, 0))
    torch.save({**state(net(NET)), "conv1.weight": huge}, tmp_path / "w.pt")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    error, _ = weights_refused(tmp_path / "w.pt", net(NET))
    assert only(error).code == "NS552"
    assert "conv1.weight" in str(error)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 512 * 1024


def test_13_a_deflated_archive(net: Built, tmp_path: Path, monkeypatch: Any) -> None:
    torch.save({"conv1.weight": torch.zeros(2**20)}, tmp_path / "plain.pt")
    with (
        zipfile.ZipFile(tmp_path / "plain.pt") as source,
        zipfile.ZipFile(tmp_path / "w.pt", "w", zipfile.ZIP_DEFLATED) as bomb,
    ):
        for member in source.infolist():
            bomb.writestr(member.filename, source.read(member))

    def never(*arguments: object, **named: object) -> None:
        raise AssertionError("something was unpacked")

    monkeypatch.setattr("torch.load", never)
    monkeypatch.setattr("zipfile.ZipFile.open", never)
    error, _ = weights_refused(tmp_path / "w.pt", net(NET))
    assert only(error).code == "NS551"
    assert "compressed" in str(error)


def _entry(shape: list[int], start: int, end: int, dtype: str = "F32") -> str:
    return json.dumps({"dtype": dtype, "shape": shape, "data_offsets": [start, end]})


@pytest.mark.parametrize(
    ("header", "data", "says"),
    [
        (f'{{"w": {_entry([1], 0, 4)}, "w": {_entry([1], 0, 4)}}}', 4, "`w` is there twice"),
        (f'{{"w": {_entry([2], 0, 8)}, "b": {_entry([2], 4, 12)}}}', 12, ""),
        (f'{{"w": {_entry([0, 2**60], 0, 0)}, "b": {_entry([2**60], 0, 4)}}}', 4, ""),
        (f'{{"w": {_entry([1], 0, 4, "C64")}}}', 4, ""),
        (f'{{"w": {_entry([2], 0, 8, "F64")}}}', 8, ""),
        (f'{{"w": {_entry([4], 0, 4)}}}', 4, ""),
    ],
    ids=["twice", "overlap", "2**60", "unknown type", "wrong type", "too few"],
)
def test_14_a_safetensors_header_that_lies(
    header: str, data: int, says: str, net: Built, tmp_path: Path
) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header.encode() + bytes(data))
    error, _ = weights_refused(path, net(NET))
    assert says in str(error)


def test_14_a_safetensors_header_of_2_to_the_63(net: Built, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(struct.pack("<Q", 2**63) + b"{}")
    error, _ = weights_refused(path, net(NET))
    assert "claims 9223372036854775808 bytes" in str(error)


def test_15_weights_that_do_not_fit(net: Built, tmp_path: Path) -> None:
    graph = net("default conv(pad=same)\nconv3-4 x25\ngap; fc-5\n")
    tensors = state(graph)
    for i in range(1, 24):
        del tensors[f"conv{i}.weight"]
    tensors.update({f"other{i}.weight": torch.zeros(3) for i in range(23)})
    tensors["fc1.weight"] = torch.zeros(2, 2)
    path = saved(tensors, tmp_path / "w.npz")
    error, _ = weights_refused(path, graph)
    assert "fc1.weight is 2x2, not 5x4" in str(error)
    assert "other19.weight" in str(error)
    assert "other21.weight" not in str(error)
    (tmp_path / "net.ns").write_text("input 3x32x32\n" + graph.source.text)
    before = files(tmp_path)
    done = netspec_run("compile", "net.ns", "--weights", "w.npz", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("error[NS550]")
    assert files(tmp_path) == before


def test_16_weights_that_are_not_finite(net: Built, tmp_path: Path) -> None:
    graph = net(NET)
    tensors = state(graph)
    tensors["conv1.weight"][0, 0, 0, :2] = torch.tensor([float("nan"), float("inf")])
    path = saved(tensors, tmp_path / "w.safetensors")
    (warning,) = load(path, graph).warnings
    assert warning.warning
    assert "2 weights" in warning.problem.headline
    error, _ = weights_refused(path, graph, strict=True)
    assert only(error).code == "NS555"


# --- 17 to 19: ONNX files


def model_refused(path: Path, code: str = "NS605") -> tuple[NetspecError, Seen]:
    before = files(path.parent)
    with watching() as seen, pytest.raises(NetspecError) as caught, at_most(FEW):
        Session(path)
    assert only(caught.value).code == code
    assert path.name in str(caught.value)
    assert caught.value.status == 1
    assert files(path.parent) == before
    assert seen.started == []
    return caught.value, seen


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("location", "../secret"),
        ("location", "/etc/passwd"),
        ("location", "inner/secret"),
        ("location", "secret\0x"),
        ("offset", "-5"),
        ("offset", str(2**64)),
        ("length", "4"),
        ("length", str(2**62)),
    ],
)
def test_17_data_outside_the_file(key: str, value: str, external: Path) -> None:
    with_entry(external, key, value)
    _, seen = model_refused(external)
    assert {path.name for path in seen.read if path.suffix != ".py"} <= {"net.onnx"}


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_17_data_behind_a_link(link: Any, external: Path, tmp_path: Path) -> None:
    (data,) = data_files(external)
    data.rename(tmp_path / "elsewhere")
    link(tmp_path / "elsewhere", data)
    _, seen = model_refused(external)
    assert "elsewhere" not in seen.read_in(tmp_path)
    assert data.name not in seen.read_in(tmp_path)


def _model(path: Path, nodes: list[Any], constants: tuple[Any, ...] = ()) -> Path:
    taken = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N"])]
    made = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    graph = helper.make_graph(nodes, "g", taken, made, initializer=list(constants))
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)
    path.write_bytes(proto.SerializeToString())
    return path


def test_18_a_loop_and_foreign_code(tmp_path: Path) -> None:
    for node in (
        helper.make_node("Loop", ["x"], ["y"]),
        helper.make_node("If", ["x"], ["y"]),
        helper.make_node("Relu", ["x"], ["y"], domain="evil"),
        helper.make_node("Relu", ["x"], ["y"], body=helper.make_graph([], "inner", [], [])),
    ):
        model_refused(_model(tmp_path / "m.onnx", [node]))


def test_18_a_small_file_that_takes_all_memory(tmp_path: Path) -> None:
    size = onnx.numpy_helper.from_array(np.asarray([2**40], np.int64), "s")
    node = helper.make_node("ConstantOfShape", ["s"], ["y"])
    path = _model(tmp_path / "m.onnx", [node], (size,))
    model_refused(path)


def test_18_memory_that_is_not_there_is_a_message(tmp_path: Path) -> None:
    size = onnx.numpy_helper.from_array(np.asarray([2**40], np.int64), "s")
    node = helper.make_node("ConstantOfShape", ["s"], ["y"])
    _model(tmp_path / "m.onnx", [node], (size,))
    np.save(tmp_path / "x.npy", np.zeros(3, np.float32))
    before = files(tmp_path)
    done = netspec_run("run", "m.onnx", "x.npy", cwd=tmp_path)
    assert done.returncode in (1, 4)
    assert re.search(r"NS60[35]", done.stderr)
    assert "m.onnx" in done.stderr
    assert files(tmp_path) == before


@pytest.mark.parametrize("share", [0.02, 0.3, 0.9, 0.999])
def test_19_a_model_cut_short(share: float, model: Path) -> None:
    whole = model.read_bytes()
    model.write_bytes(whole[: int(share * len(whole))])
    before = files(model.parent)
    with pytest.raises(NetspecError) as caught, at_most(FEW):
        Session(model)
    assert only(caught.value).code in ("NS603", "NS605")
    assert caught.value.status in (1, 4)
    assert "net.onnx" in str(caught.value)
    assert files(model.parent) == before


# A signal would end the process, so the mutants run in another one.
_MUTANTS = """
import sys, numpy as np
from pathlib import Path
from netspec.backends.runtime import Session
from netspec.backends.switches import Switches
from netspec.diagnostics.raised import NetspecError
path = Path("net.onnx")
whole, random = path.read_bytes(), np.random.default_rng(1)
x = {"input": np.zeros((1, 3, 8, 8), np.float32)}
for _ in range(400):
    data = bytearray(whole)
    for place in random.integers(0, len(data), random.integers(1, 5)):
        data[place] = random.integers(0, 256)
    path.write_bytes(bytes(data))
    try:
        Session(path, switches=Switches(threads=1)).run(x)
    except NetspecError as error:
        assert error.diagnostics[0].code in ("NS603", "NS604", "NS605"), error
"""


def test_19_a_model_with_other_bytes(model: Path) -> None:
    command = [sys.executable, "-c", _MUTANTS]
    done = subprocess.run(command, cwd=model.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# --- 20, 21, 25: names and pictures


@pytest.mark.parametrize("name", ['<IMG SRC="/etc/passwd">', "a\\", "a:b", '"];evil', "\x1b]0;x"])
def test_20_names_that_mean_something_elsewhere(name: str) -> None:
    error = refused(f"input 3\nrelu as {name}\n")
    assert str(error.diagnostics[0].span).startswith("t.ns:2:")
    assert str(error).replace("\n", "").isprintable()


def test_20_dot_has_the_nodes_and_edges_of_the_graph() -> None:
    graph = build(Source("t.ns", "input 3x8x8\nadd { | conv1-3 | relu } as digraph\nconv3-4\n"))
    text = str(draw([graph], format="dot", style="flow"))
    assert len(re.findall(r"^  n\d+ \[", text, re.M)) == len(graph.nodes)
    edges = sum(len(node.inputs) for node in graph.nodes)
    assert len(re.findall(r"^  n\d+ -> n\d+ \[", text, re.M)) == edges
    assert len(text.splitlines()) == len(graph.nodes) + edges + 4
    assert "label=<" not in text


def test_20_text_from_a_spec_is_text_in_every_picture() -> None:
    text = 'net evil\npaper "<script>alert(1)</script> ]]> & <IMG SRC=x>"\n' + NET
    graph = build(Source("<IMG SRC=x>", text))
    for picture in (draw([graph]), draw([graph], format="html")):
        assert "<script>alert" not in str(picture)
        assert "<IMG" not in str(picture)


def children() -> set[str]:
    """The processes that this one has started and that have not ended."""
    listed = Path(f"/proc/self/task/{os.getpid()}/children")
    return set(listed.read_text().split()) if listed.exists() else set()


@pytest.mark.parametrize("style", ["flow", pytest.param("fold", marks=pytest.mark.slow), "columns"])
def test_21_a_picture_of_many_thousand_layers(style: str) -> None:
    layers = 49_000 if style == "fold" else 5_000
    graph = build(Source("t.ns", "input 3x8x8\n" + "relu; tanh\n" * layers))
    before = children()
    try:
        drawn = str(draw([graph], style=style))
    except NetspecError as error:
        assert only(error).code in ("NS621", "NS622")
    else:
        assert len(drawn) < 2**20
    assert children() <= before


def test_21_a_layout_that_takes_too_long_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = tmp_path / "dot"
    slow.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nexec sleep 600\n")
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr("netspec.draw.layout.dot.SECONDS", 1)
    from netspec.draw.layout.diagram import Diagram, Shape
    from netspec.draw.layout.dot import place

    with pytest.raises(NetspecError) as caught:
        place([Diagram((Shape(10, 10, (), ()),), ())])
    assert only(caught.value).code == "NS623"
    assert caught.value.status == 4
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_25_terminal_escapes_are_printed_as_text(net: Built, tmp_path: Path, model: Path) -> None:
    tensors = {**state(net(NET)), "\x1b]0;owned\x07": torch.zeros(3)}
    error, _ = weights_refused(saved(tensors, tmp_path / "w.pt"), net(NET))
    assert str(error).replace("\n", "").isprintable()
    proto = onnx.load(model)
    proto.graph.node[0].op_type = "\x1b]0;owned\x07"
    model.write_bytes(proto.SerializeToString())
    error, _ = model_refused(model)
    assert str(error).replace("\n", "").isprintable()
    (tmp_path / "t.ns").write_bytes(b'input 3\npaper "\x1b]0;owned\x07"\n')
    done = netspec_run("check", "t.ns", cwd=tmp_path)
    assert done.returncode == 1
    assert (done.stdout + done.stderr).replace("\n", "").isprintable()


# --- 22: where files are written


def test_22_an_output_that_is_a_link_or_a_folder(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("old")
    (tmp_path / "net.onnx").symlink_to(tmp_path / "precious")
    netspec.load(NET).to_onnx(tmp_path / "net.onnx")
    assert (tmp_path / "precious").read_text() == "old"
    assert not (tmp_path / "net.onnx").is_symlink()
    (tmp_path / "folder.onnx").mkdir()
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(NetspecError) as caught:
        netspec.load(NET).to_onnx(tmp_path / "folder.onnx")
    assert only(caught.value).code == "NS504"
    assert sorted(os.listdir(tmp_path)) == before


@pytest.mark.parametrize("why", ["read-only", "full"])
def test_22_an_output_that_cannot_be_written(why: str, tmp_path: Path) -> None:
    (tmp_path / "alexnet.onnx").write_text("old")
    if why == "read-only":
        if os.geteuid() == 0:
            pytest.skip("the superuser may write anywhere")
        tmp_path.chmod(0o500)
        done = netspec_run("compile", "alexnet", cwd=tmp_path)
        tmp_path.chmod(0o700)
    else:
        limit = (2**20, 2**20)
        done = netspec_run(
            "compile",
            "alexnet",
            cwd=tmp_path,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit),
        )
    assert done.returncode == 1
    assert "NS504" in done.stderr
    assert "alexnet.onnx" in done.stderr
    assert files(tmp_path) == {"alexnet.onnx": b"old"}


@pytest.mark.parametrize("after", [1, 4096, 100_000, 600_000])
def test_22_killed_at_any_byte(after: int, tmp_path: Path) -> None:
    """The process ends itself by SIGKILL when so many bytes are in its temporary file."""
    script = (
        "import os, signal, sys, netspec\n"
        "from netspec.weights.sources import Seeded\n"
        "count = 0\n"
        "pieces = Seeded.pieces\n"
        "def dying(self, name, weight):\n"
        "    global count\n"
        "    for piece in pieces(self, name, weight):\n"
        "        count += piece.nbytes\n"
        f"        if count >= {after}: os.kill(os.getpid(), signal.SIGKILL)\n"
        "        yield piece\n"
        "Seeded.pieces = dying\n"
        f"netspec.load({NET.replace('fc-5', 'fc-512; fc-512')!r}).to_onnx('net.onnx')\n"
    )
    (tmp_path / "net.onnx").write_text("old")
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert (tmp_path / "net.onnx").read_text() == "old"
    for stray in tmp_path.glob(".ns-*.tmp"):
        os.utime(stray, (0, 0))
    netspec.load(NET).to_onnx(tmp_path / "net.onnx")
    assert os.listdir(tmp_path) == ["net.onnx"]


# --- 23, 24: running


def test_23_a_device_that_is_not_there(model: Path) -> None:
    import onnxruntime as ort

    before = files(model.parent)
    done = netspec_run("run", "net.onnx", "--device", "cuda", cwd=model.parent)
    assert files(model.parent) == before
    if done.returncode == 0:
        assert "CUDAExecutionProvider" in ort.get_available_providers()
        assert "CUDAExecutionProvider" in done.stderr
    else:
        assert done.returncode == 4
        assert "NS602" in done.stderr or "NS603" in done.stderr
        assert "CPUExecutionProvider" not in done.stderr
        assert done.stdout == ""


@pytest.mark.parametrize("how", ["object", "big-endian", "rank", "cut", "huge header", "text"])
def test_24_an_array_that_lies(how: str, model: Path) -> None:
    folder = model.parent
    path, marker = folder / "x.npy", folder / "ran"
    if how == "object":
        np.save(path, np.array([_Evil(marker)], dtype=object))
    elif how == "big-endian":
        np.save(path, np.zeros((1, 3, 8, 8), ">f4"))
    elif how == "rank":
        np.save(path, np.zeros((8, 8), np.float32))
    elif how == "huge header":
        about = repr({"descr": "<f4", "fortran_order": False, "shape": (2**40, 3, 8, 8)}).ljust(
            90_000
        )
        path.write_bytes(b"\x93NUMPY\x02\0" + struct.pack("<I", len(about)) + about.encode())
    else:
        np.save(path, np.zeros((1, 3, 8, 8), np.float32))
        path.write_bytes(path.read_bytes()[:200] if how == "cut" else b"not an array")
    before = files(folder)
    done = netspec_run("run", "net.onnx", "x.npy", cwd=folder)
    assert done.returncode == 1
    assert "error[NS604]: input `input`: " in done.stderr
    assert files(folder) == before
    assert not marker.exists()
