"""Files in half precision: read as they are in single, weights in their own type, both compared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from onnx import TensorProto
from support.foreign_files import node, numbers, words, written

import netspec
from netspec.importing.imported import Imported, import_file
from netspec.importing.proof import session_run

HALF, BRAIN, FLOAT = TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.FLOAT
SPEC = "input 4x8x8; conv3-6(pad=1); bn; relu; gap; layernorm; fc-4; softmax"


def found(path: Path) -> Imported:
    made = import_file(path)
    assert made.proof is not None
    assert made.proof.error <= 1e-6
    return made


@pytest.mark.parametrize("io", ["fp16", "fp32"])
def test_our_own_comes_back_bit_for_bit(io: str, tmp_path: Path) -> None:
    path, weights, again = (tmp_path / name for name in ("net.onnx", "w.safetensors", "b.onnx"))
    netspec.load(SPEC).to_onnx(path, dtype="fp16", io=io, optimize=False)
    made = found(path)
    assert made.dtype == "fp16"
    assert made.proof is not None
    assert "widened from fp16" in str(made.proof)
    assert made.proof.apart is not None
    assert 0 <= (made.proof.apart.error or 0) < 2e-3
    made.save_weights(weights)
    netspec.load(made.text).to_onnx(again, dtype="fp16", io=io, optimize=False, weights=weights)
    image = {"x": numbers(2, 4, 8, 8)}
    (one,), (two,) = (session_run(file, ["input"])(image) for file in (path, again))
    assert np.array_equal(one, two)


def test_weights_are_in_half_where_that_holds_them(tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    path, weights = tmp_path / "net.onnx", tmp_path / "w.safetensors"
    kernel = numbers(5, 4, 3, 3).astype(np.float16)
    nodes = [
        node("Cast", ["x"], ["h"], to=HALF),
        node("Conv", ["h", "w"], ["c"]),
        node("Cast", ["c"], ["f"], to=FLOAT),
        node("GlobalAveragePool", ["f"], ["g"]),
        node("Flatten", ["g"], ["v"]),
        node("Gemm", ["v", "m"], ["y"], transB=1),
    ]
    made = found(written(path, nodes, {"w": kernel, "m": numbers(3, 5)}))
    assert words(made) == ["conv", "gap", "fc"]
    made.save_weights(weights)
    held = load_file(weights)
    assert {array.dtype.name for array in held.values()} == {"float16", "float32"}
    (same,) = (array for array in held.values() if array.dtype == np.float16)
    assert np.array_equal(same, kernel)


def test_bfloat16_is_read_where_nothing_runs_it(tmp_path: Path) -> None:
    path, weights = tmp_path / "net.onnx", tmp_path / "w.safetensors"
    arrays = {
        "w": numbers(5, 4, 3, 3).astype(ml_dtypes.bfloat16),
        "b": numbers(5).astype(ml_dtypes.bfloat16),
    }
    nodes = [node("Conv", ["x", "w", "b"], ["c"]), node("Relu", ["c"], ["y"])]
    made = found(written(path, nodes, arrays, kind=BRAIN, opset=22))
    assert (made.dtype, words(made)) == ("bf16", ["conv", "relu"])
    assert "is not known: ONNX Runtime does not run it" in str(made.proof)
    made.save_weights(weights)
    assert b'"dtype":"BF16"' in weights.read_bytes()
    assert b'"dtype":"F32"' not in weights.read_bytes()
    again = netspec.load(made.text).to_onnx(tmp_path / "again.onnx", weights=weights)
    assert again.exists()


def test_lone_numbers_are_what_they_were_before_rounding(tmp_path: Path) -> None:
    root = np.array(2**0.5, np.float16)
    assert float(root) != np.float32(2**0.5)
    nodes = [
        node("Div", ["x", "root"], ["a"]),
        node("Erf", ["a"], ["e"]),
        node("Add", ["e", "one"], ["p"]),
        node("Mul", ["x", "p"], ["m"]),
        node("Mul", ["m", "half"], ["g"]),
        node("Mul", ["g", "tenth"], ["y"]),
    ]
    arrays = {"root": root, "one": np.float16(1), "half": np.float16(0.5), "tenth": np.float16(0.1)}
    held: Any = {name: np.asarray(array) for name, array in arrays.items()}
    made = found(written(tmp_path / "net.onnx", nodes, held, kind=HALF))
    assert words(made) == ["gelu", "scaled"]
    assert "scaled(0.1)" in made.text


def test_half_precision_in_branches_and_constants(tmp_path: Path) -> None:
    from onnx import helper, numpy_helper

    three = numpy_helper.from_array(np.array(3, np.float16), "three")
    inner = helper.make_graph(
        [node("Mul", ["x", "three"], ["b"])],
        "then",
        [],
        [helper.make_tensor_value_info("b", HALF, None)],
        [three],
    )
    nodes = [
        node("Constant", [], ["is"], value=numpy_helper.from_array(np.array(True))),
        node("If", ["is"], ["c"], then_branch=inner, else_branch=inner),
        node("Constant", [], ["k"], value=numpy_helper.from_array(np.array(0.25, np.float16))),
        node("Add", ["c", "k"], ["y"]),
    ]
    made = found(written(tmp_path / "net.onnx", nodes, {}, kind=HALF))
    assert "scaled(3, 0.25)" in made.text


def test_what_half_precision_cannot_hold_is_no_proof(tmp_path: Path) -> None:
    nodes = [node("Mul", ["x", "k"], ["a"]), node("Mul", ["a", "k"], ["y"])]
    arrays = {"k": np.array(60000, np.float16)}
    path = written(tmp_path / "net.onnx", nodes, arrays, kind=HALF)
    with pytest.raises(netspec.NetspecError, match=r"NS803.*own outputs are inf"):
        import_file(path)


def test_a_part_of_a_file_in_half_is_proven_too(tmp_path: Path) -> None:
    nodes = [
        node("Conv", ["x", "w"], ["c"]),
        node("Det", ["c"], ["d"]),
        node("Relu", ["c"], ["y"]),
    ]
    arrays: dict[str, Any] = {"w": numbers(5, 4, 3, 3).astype(np.float16)}
    path = written(tmp_path / "net.onnx", nodes, arrays, kind=HALF, out=["y", "d"])
    made = import_file(path, partial=True)
    assert made.dtype == "fp16"
    assert made.proof is not None
    assert made.proof.error <= 1e-6
    assert "widened from fp16" in str(made.proof)
    assert "only parts of it were read" in str(made.proof)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_a_module_in_half_is_read_by_what_it_means(dtype: str) -> None:
    import torch
    from torch import nn

    torch.manual_seed(0)
    kind = getattr(torch, dtype)
    module = nn.Sequential(nn.Conv2d(3, 8, 3), nn.GELU(), nn.Flatten(), nn.Linear(288, 5))
    made = netspec.from_torch(module.to(kind), torch.randn(1, 3, 8, 8).to(kind))
    assert words(made) == ["conv", "gelu", "fc"]
    assert made.dtype == {"float16": "fp16", "bfloat16": "bf16"}[dtype]
    assert made.proof is not None
    assert made.proof.error <= 1e-6
    assert made.proof.apart is not None
    assert made.proof.apart.error is not None
    assert 0 < made.proof.apart.error < 0.02


@pytest.mark.parametrize("kind", [{"dtype": "fp16"}, {"quantize": "int8"}])
def test_the_command_says_what_was_compared_and_how_to_go_back(
    kind: dict[str, Any], tmp_path: Path
) -> None:
    import json

    from click.testing import CliRunner

    from netspec.cli.main import main

    path, weights = tmp_path / "net.onnx", tmp_path / "w.safetensors"
    samples = {"samples": [numbers(4, 4, 8, 8)]} if "quantize" in kind else {}
    netspec.load(SPEC).to_onnx(path, **kind, **samples)
    given = ["import", str(path), "-o", str(tmp_path / "n.ns"), "--weights-out", str(weights)]
    result = CliRunner().invoke(main, given)
    assert result.exit_code == 0, result.output
    said = "--dtype fp16" if "dtype" in kind else "--quantize int8"
    assert said in result.output
    assert "beside the file with" in result.output
    found = json.loads(CliRunner().invoke(main, [*given, "--json"]).stdout)
    assert found["dtype"] == kind.get("dtype", "fp32")
    assert found["quantized"] == ("quantize" in kind)
    assert found["proof"]["compared"].startswith("the file with")
    assert found["proof"]["file_error"] is not None
