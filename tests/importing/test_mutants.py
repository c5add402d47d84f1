"""Files of every kind with bytes changed, cut out and repeated: read or refused, never anything else."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from support.foreign_files import RUNTIME, node, numbers, written
from support.mutants import altered
from support.watching import counting

import netspec
from netspec.importing.files.meaning.meant import meant
from netspec.importing.files.reading import read_flat
from netspec.importing.imported import import_file

# A range from zero, one around it, and a kernel of eight bits.
BASE = {
    "s": np.array(0.02, np.float32),
    "z": np.array(0, np.uint8),
    "mid": np.array(120, np.uint8),
    "w": np.random.default_rng(1).integers(-64, 64, (5, 4, 3, 3)).astype(np.int8),
    "ws": np.linspace(0.001, 0.01, 5).astype(np.float32),
    "wz": np.zeros(5, np.int8),
}
SPEC = "input 4x8x8; conv3-6; relu; layernorm; gap; fc-4; softmax"


def half(path: Path) -> Path:
    netspec.load(SPEC).to_onnx(path, dtype="fp16", io="fp16")
    return path


def eight(path: Path) -> Path:
    nodes = [
        node("QuantizeLinear", ["x", "s", "mid"], ["q"]),
        node("DequantizeLinear", ["q", "s", "mid"], ["r"]),
        node("DequantizeLinear", ["w", "ws", "wz"], ["k"], axis=0),
        node("Conv", ["r", "k"], ["a"]),
        node("QuantizeLinear", ["a", "s", "z"], ["b"]),
        node("DequantizeLinear", ["b", "s", "z"], ["y"]),
    ]
    return written(path, nodes, BASE)


def integers(path: Path) -> Path:
    nodes = [
        node("QuantizeLinear", ["x", "s", "mid"], ["q"]),
        node("QLinearConv", ["q", "s", "mid", "w", "ws", "wz", "s", "z"], ["c"]),
        node("QLinearGlobalAveragePool", ["c", "s", "z", "s", "z"], ["g"], domain=RUNTIME),
        node("DequantizeLinear", ["g", "s", "z"], ["y"]),
    ]
    return written(path, nodes, BASE)


def as_it_comes(path: Path) -> Path:
    nodes = [
        node("DynamicQuantizeLinear", ["x"], ["q", "qs", "qz"]),
        node("MatMulInteger", ["q", "w", "qz", "wz"], ["i"]),
        node("Cast", ["i"], ["f"], to=1),
        node("Mul", ["qs", "ws"], ["fs"]),
        node("Mul", ["f", "fs"], ["y"]),
    ]
    arrays = {"w": BASE["w"].reshape(-1, 5), "ws": BASE["ws"], "wz": BASE["wz"]}
    return written(path, nodes, arrays, shape=["N", 36])


def optimised(path: Path) -> Path:
    nodes = [
        node("FusedConv", ["x", "w", "b"], ["c"], activation="Relu", domain=RUNTIME),
        node("QuickGelu", ["c"], ["y"], alpha=1.702, domain=RUNTIME),
    ]
    return written(path, nodes, {"w": numbers(4, 4, 3, 3), "b": numbers(4)})


def recurrent(path: Path) -> Path:
    nodes = [node("LSTM", ["x", "w", "r", "b", "", "h", "c"], ["y", "z"], hidden_size=4)]
    arrays = {"w": numbers(1, 16, 5), "r": numbers(1, 16, 4), "b": numbers(1, 32)}
    states = {"h": [1, "N", 4], "c": [1, "N", 4]}
    return written(path, nodes, arrays, shape=[6, "N", 5], out=["y", "z"], more=states)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("make", [half, eight, integers, as_it_comes, optimised, recurrent])
def test_mutants(make: Callable[[Path], Path], seed: int, tmp_path: Path) -> None:
    whole = make(tmp_path / "net.onnx").read_bytes()
    found = import_file(tmp_path / "net.onnx")
    assert found.proof is not None
    chance = random.Random(seed)
    path = tmp_path / "mutant.onnx"
    for _ in range(40):
        path.write_bytes(altered(whole, chance))
        try:
            import_file(path)
        except netspec.NetspecError as refusal:
            assert str(refusal)


def test_halves_of_special_numbers_are_kept(tmp_path: Path) -> None:
    specials = np.array([np.inf, -np.inf, 65504, -1e-7], np.float16)
    nodes = [node("Add", ["x", "b"], ["y"])]
    path = written(tmp_path / "net.onnx", nodes, {"b": specials.reshape(4, 1, 1)}, kind=10)
    found = import_file(path)
    (held,) = found.weights.values()
    assert np.array_equal(held.ravel(), specials.astype(np.float32))


def test_a_weight_said_over_and_over_is_refused(tmp_path: Path) -> None:
    nodes, total = [], "x"
    for i in range(24):
        nodes.append(node("DequantizeLinear", ["w", "s", "z"], [f"k{i}"]))
        nodes.append(node("Add", [total, f"k{i}"], [total := f"t{i}"]))
    arrays = {**BASE, "w": np.zeros(2**22, np.uint8)}
    path = written(tmp_path / "net.onnx", nodes, arrays, shape=["N", 2**22], out=[total])
    with pytest.raises(netspec.NetspecError, match="too many numbers"):
        import_file(path)


def test_blocks_longer_than_all_bounds(tmp_path: Path) -> None:
    nodes = [
        node("DequantizeLinear", ["w", "s", "z"], ["k"], axis=1, block_size=2**62),
        node("Conv", ["x", "k"], ["y"]),
    ]
    scales = np.full((5, 1, 3, 3), 0.01, np.float32)
    arrays = {**BASE, "s": scales, "z": np.zeros(scales.shape, np.int8)}
    found = import_file(written(tmp_path / "net.onnx", nodes, arrays, opset=21))
    (held,) = (array for array in found.weights.values() if array.ndim == 4)
    assert np.array_equal(held, BASE["w"].astype(np.float32) * np.float32(0.01))


def test_a_causal_mask_of_all_the_world_is_not_written_out(tmp_path: Path) -> None:
    made = node("Attention", ["x", "w"], ["y"], num_heads=2, unidirectional=1, domain=RUNTIME)
    path = written(tmp_path / "net.onnx", [made], {"w": numbers(8, 24)}, shape=["N", 2**20, 8])
    with pytest.raises(netspec.NetspecError, match="NS802"):
        import_file(path)


def test_a_file_is_gone_through_once_however_often_it_says_a_weight(tmp_path: Path) -> None:
    def calls(count: int) -> int:
        nodes, total = [node("QuantizeLinear", ["x", "s", "mid"], ["q"])], "x"
        given = ["q", "s", "mid", "w", "ws", "wz", "s", "mid"]
        for i in range(count):
            nodes.append(node("QLinearConv", given, [f"c{i}"]))
            nodes.append(node("DequantizeLinear", [f"c{i}", "s", "mid"], [f"k{i}"]))
            nodes.append(node("Add", [total, f"k{i}"], [total := f"t{i}"]))
        path = written(tmp_path / "net.onnx", nodes, BASE, out=[total])
        with counting() as work:
            assert meant(path, *read_flat(path)) is not None
        return work.calls

    assert calls(400) <= 4.5 * calls(100)
