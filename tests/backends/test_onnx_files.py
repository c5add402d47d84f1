"""ONNX files are whole, small in memory, and the same bytes every time."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import onnx
import pytest
from support.shelves import shipped

from netspec.backends.onnx.compile import compile_graph
from netspec.backends.onnx.data import data_files
from netspec.backends.onnx.file import write
from netspec.backends.onnx.lowering import lower
from netspec.backends.onnx.options import FileOptions
from netspec.backends.runtime import Session
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.source import Source
from netspec.elaborate.build import build
from netspec.passes.deploy import deploy
from netspec.system.atomic import replacing, sweep
from netspec.weights.sources import Given, Seeded, named_weights

SMALL = "conv3-8(norm=bn, act=relu); maxpool2; dropout; fc-10; softmax"


def small(text: str = SMALL):
    return build(Source("small.ns", text), {}, ("3x8x8",))


def sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_same_spec_and_seed_give_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        compile_graph(small(), tmp_path / f"{name}.onnx", source=Seeded(3))
    assert sha(tmp_path / "a.onnx") == sha(tmp_path / "b.onnx")


def test_another_process_with_another_hash_seed_gives_the_same_bytes(tmp_path):
    for seed in ("1", "2"):
        subprocess.run(
            [sys.executable, "-m", "netspec", "compile", "-q", "googlenet", "-o", f"{seed}.onnx"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
        )
    assert sha(tmp_path / "1.onnx") == sha(tmp_path / "2.onnx")


def test_another_seed_gives_other_weights(tmp_path):
    compile_graph(small(), tmp_path / "a.onnx", source=Seeded(0))
    compile_graph(small(), tmp_path / "b.onnx", source=Seeded(1))
    assert sha(tmp_path / "a.onnx") != sha(tmp_path / "b.onnx")


def test_the_streamed_file_is_what_protobuf_itself_would_write(tmp_path):
    path = tmp_path / "net.onnx"
    compile_graph(small(), path)
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    again = onnx.ModelProto.FromString(model.SerializeToString())
    assert again == model
    assert {tensor.name for tensor in model.graph.initializer} >= {"conv1.weight", "fc1.bias"}


def test_the_file_states_its_spec_and_its_versions(tmp_path):
    path = tmp_path / "net.onnx"
    compile_graph(small(), path)
    model = onnx.load(path)
    about = {item.key: item.value for item in model.metadata_props}
    assert about["netspec.spec"] == SMALL
    assert about["netspec.spec_sha256"] == hashlib.sha256(SMALL.encode()).hexdigest()
    assert model.ir_version == 8
    assert [(o.domain, o.version) for o in model.opset_import] == [("", 17)]


def test_the_batch_is_symbolic_on_every_input_and_output_and_can_be_fixed():
    model = lower(deploy(small())).proto
    sizes = [v.type.tensor_type.shape.dim[0] for v in (*model.graph.input, *model.graph.output)]
    assert [size.dim_param for size in sizes] == ["N", "N"]
    fixed = lower(deploy(small()), batch=4).proto
    sizes = [v.type.tensor_type.shape.dim[0] for v in (*fixed.graph.input, *fixed.graph.output)]
    assert [size.dim_value for size in sizes] == [4, 4]


def test_what_acts_in_training_only_is_not_deployed():
    model = lower(deploy(shipped("googlenet"))).proto
    assert [output.name for output in model.graph.output] == ["output"]
    assert "Dropout" not in {node.op_type for node in model.graph.node}
    with_heads = lower(deploy(shipped("googlenet"), heads=True)).proto
    assert [output.name for output in with_heads.graph.output] == ["output", "aux1", "aux2"]


@pytest.mark.parametrize("opset", [12, 27])
def test_opsets_outside_13_to_26_are_refused(opset):
    with pytest.raises(NetspecError, match="13 to 26"):
        lower(deploy(small()), opset=opset)


@pytest.mark.parametrize("opset", [13, 14, 15, 17, 20, 23, 26])
def test_every_opset_offered_runs(opset, tmp_path):
    path = tmp_path / "net.onnx"
    compile_graph(small(), path, FileOptions(opset=opset))
    x = np.ones((2, 3, 8, 8), np.float32)
    assert Session(path).run({"input": x}).outputs["output"].shape == (2, 10)


# --- large models: weights beside the model


def external(path: Path, seed: int = 0) -> None:
    write(lower(deploy(small())), path, Seeded(seed), limit=100)


def test_weights_over_the_limit_go_to_one_data_file_named_by_its_hash(tmp_path):
    path = tmp_path / "big.onnx"
    external(path)
    (data,) = data_files(path)
    assert data.name == f"big.onnx-{sha(data)[:16]}.data"
    tensors = onnx.load(path, load_external_data=False).graph.initializer
    offsets = [int(e.value) for t in tensors for e in t.external_data if e.key == "offset"]
    assert offsets
    assert all(offset % 64 == 0 for offset in offsets)
    onnx.checker.check_model(os.fspath(path), full_check=True)


def test_both_forms_run_alike(tmp_path):
    external(tmp_path / "big.onnx")
    compile_graph(small(), tmp_path / "one.onnx", FileOptions(optimize=False))
    x = np.random.default_rng(0).standard_normal((2, 3, 8, 8), dtype=np.float32)
    runs = [
        Session(tmp_path / f"{n}.onnx").run({"input": x}).outputs["output"] for n in ("big", "one")
    ]
    assert np.array_equal(*runs)


def test_writing_again_leaves_one_data_file_and_no_stray(tmp_path):
    path = tmp_path / "big.onnx"
    external(path, 0)
    (first,) = data_files(path)
    external(path, 1)
    (second,) = data_files(path)
    assert first != second
    assert sorted(os.listdir(tmp_path)) == sorted(["big.onnx", second.name])


def test_the_data_of_another_model_beside_it_stays(tmp_path):
    external(tmp_path / "big.onnx")
    external(tmp_path / "bigger.onnx")
    external(tmp_path / "big.onnx", 1)
    assert len(list(data_files(tmp_path / "bigger.onnx"))) == 1


# --- whole or not at all


class Failing(Seeded):
    """A source of weights that fails after the first tensors."""

    def pieces(self, name, weight):
        if name == "fc1.weight":
            raise KeyboardInterrupt
        return super().pieces(name, weight)


@pytest.mark.parametrize("limit", [100, 10**9])
def test_an_interrupted_write_leaves_the_old_file(tmp_path, limit):
    path = tmp_path / "net.onnx"
    write(lower(deploy(small())), path, Seeded(0), limit=limit)
    before = {name: sha(tmp_path / name) for name in os.listdir(tmp_path)}
    with pytest.raises(KeyboardInterrupt):
        write(lower(deploy(small())), path, Failing(1), limit=limit)
    assert {name: sha(tmp_path / name) for name in os.listdir(tmp_path)} == before


def test_kill_9_at_any_moment_leaves_the_old_file_or_the_new_one(tmp_path):
    path = tmp_path / "net.onnx"
    command = [sys.executable, "-m", "netspec", "compile", "-q", "resnet50", "-o", os.fspath(path)]
    subprocess.run([*command, "--seed", "0"], check=True, capture_output=True)
    old = sha(path)
    subprocess.run([*command, "--seed", "1"], check=True, capture_output=True)
    new = sha(path)
    for delay in (0.25, 0.45, 0.55, 0.65, 0.8):
        process = subprocess.Popen([*command, "--seed", "0"], stdout=subprocess.DEVNULL)
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert sha(path) in (old, new)
    for stray in tmp_path.glob(".ns-*.tmp"):
        os.utime(stray, (0, 0))
    sweep(tmp_path)
    assert os.listdir(tmp_path) == ["net.onnx"]


def test_a_folder_in_the_way_is_an_error(tmp_path):
    (tmp_path / "net.onnx").mkdir()
    with pytest.raises(NetspecError, match="folder"):
        compile_graph(small(), tmp_path / "net.onnx")


def test_a_link_in_the_way_is_replaced_and_its_target_is_not_touched(tmp_path):
    target = tmp_path / "precious"
    target.write_text("keep me")
    (tmp_path / "net.onnx").symlink_to(target)
    compile_graph(small(), tmp_path / "net.onnx")
    assert target.read_text() == "keep me"
    assert not (tmp_path / "net.onnx").is_symlink()


def test_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(NetspecError, match="cannot write"):
        compile_graph(small(), tmp_path / "nowhere" / "net.onnx")


def test_a_full_disk_is_an_error_and_leaves_the_old_file():
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full here")
    with pytest.raises(OSError, match="No space"), full.open("wb", buffering=0) as file:
        file.write(b"x")


def test_an_os_error_while_writing_leaves_the_old_file(tmp_path):
    path = tmp_path / "net.onnx"
    path.write_text("old")

    def fill() -> None:
        with replacing(path) as file:
            file.write(b"new")
            raise OSError(28, "No space left on device")

    with pytest.raises(NetspecError, match="No space left"):
        fill()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["net.onnx"]


def test_the_file_has_the_permissions_the_umask_gives(tmp_path):
    compile_graph(small(), tmp_path / "net.onnx")
    umask = os.umask(0)
    os.umask(umask)
    assert (tmp_path / "net.onnx").stat().st_mode & 0o777 == 0o666 & ~umask


# --- memory and weights


def test_compiling_holds_neither_the_weights_nor_the_file_in_memory(tmp_path):
    """VGG-16 is 528 MiB, its largest tensor 392 MiB; compile may add 256 MiB to that."""
    # Not getrusage: its peak is handed on from the process that started this one.
    status = Path("/proc/self/status")
    if not status.exists():
        pytest.skip("needs /proc")
    code = (
        "from netspec.cli.main import main\n"
        "main(['compile', '-q', 'vgg16'], standalone_mode=False)\n"
        f"status = open('{status}').read()\n"
        "print(status.partition('VmHWM:')[2].split()[0])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    peak = int(done.stdout.split()[-1]) * 1024
    assert (tmp_path / "vgg16.onnx").stat().st_size > 500 * 2**20
    assert peak < (392 + 256) * 2**20


def test_given_weights_are_written_bit_for_bit(tmp_path):
    graph = small()
    random = np.random.default_rng(0)
    tensors = {n: random.random(w.shape, np.float32) for n, w in named_weights(graph).items()}
    path = tmp_path / "net.onnx"
    compile_graph(graph, path, FileOptions(optimize=False), source=Given(tensors))
    for tensor in onnx.load(path).graph.initializer:
        if tensor.name in tensors:
            assert np.array_equal(onnx.numpy_helper.to_array(tensor), tensors[tensor.name])
