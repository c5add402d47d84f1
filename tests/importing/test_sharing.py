"""Weights that several steps use come back as `weights=@name`, of a step or of a whole call."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

import netspec
from netspec.graph.same import same
from netspec.importing.imported import Imported, import_file

node = helper.make_node
BLOCKS = """
block down(n) { residual { conv3-n/2(pad=same, norm=bn, act=relu); conv3-n(pad=same, norm=bn) }; relu }
block unit(n, s=1) { residual { conv3-n/s(pad=same, act=relu); conv3-n(pad=same) }; relu }
block layer { residual { layernorm; attention(2) }; residual { layernorm; mlp(24) } }
block twice { conv3-8(pad=same, act=relu) as k; conv3-8(pad=same, act=relu, weights=@k); conv1-8 }
block tower(n) { conv3-8(pad=same, act=relu) x2; conv3-n(pad=same) }
block whole(n) { down(n); down(2*n); gap; fc-4 }
"""
PAIR = "input a: 8x16x16\ninput b: 8x16x16\n"
ONE = "input 8x16x16\n"
TEXTS = {
    "calls": PAIR + "sub { | @a; whole(8) as left | @b; whole(8, weights=@left) }",
    "repeats": ONE + "unit(8) as first; unit(8, weights=@first) x3; gap; fc-3",
    "behind strides": ONE + "unit(16, 2); unit(16) as f; unit(16, weights=@f) x3; gap",
    "layers": "input 16xT\nlayer as first; layer(weights=@first) x4; layernorm",
    "inside": ONE + "residual { twice } x3; gap; fc-3",
    "rates": ONE + "add { | conv3-8(pad=1) as k | conv3-8(pad=2, dilation=2, weights=@k) }",
    "strides": ONE + "conv3-8(pad=same) as k; relu; conv3-8/2(pad=same, weights=@k)",
    "levels": ONE
    + "conv3-8(pad=same) as p; conv3-8/2(pad=same) as q; @p; tower(6) as h\n"
    + "@q; tower(6, weights=@h) as g\noutput h, g",
    "norms apart": PAIR
    + "add { | @a; conv3-8(pad=same) as c; bn; relu | @b; conv3-8(pad=same, weights=@c); bn; relu }",
    "tables": "input T ids(100)\nembedding-16 as e; attention(2)\n"
    + "layernorm; fc-100(over=channels, bias=no, weights=@e)",
    "states": "input a: 8xT\ninput b: 8xT\nadd { | @a; lstm-16 as l | @b; lstm-16(weights=@l) }",
    "in turn": ONE + "tower(8) as f; tower(8) as g; tower(8, weights=@f); tower(8, weights=@g)",
    "crossed": ONE
    + "conv3-8(pad=same) as a; relu; conv3-8(pad=same) as b; relu\n"
    + "conv3-8(pad=same, weights=@b); relu; conv3-8(pad=same, weights=@a)",
    "groups": PAIR
    + "add { | @a; conv1-8 as c; groupnorm(4) as g | @b; conv1-8(weights=@c); groupnorm(4, weights=@g) }",
    "slopes": PAIR + "mul { | @a; conv3-4(act=prelu) as p | @b; conv3-4(act=prelu, weights=@p) }",
}


def read(text: str, tmp_path: Path) -> tuple[netspec.Net, Imported]:
    net, path = netspec.load(f"{BLOCKS}\n{text}"), tmp_path / "m.onnx"
    net.to_onnx(path, optimize=False)
    return net, import_file(path)


@pytest.mark.parametrize("name", TEXTS)
def test_the_files_own_weights_are_shared_as_they_were(name: str, tmp_path: Path) -> None:
    net, found = read(TEXTS[name], tmp_path)
    assert found.text.count("weights=@") <= TEXTS[name].count("weights=@") + BLOCKS.count(
        "weights=@"
    )
    assert same(net.graph, found.graph) is not None
    assert found.proof is not None
    assert found.proof.exact
    held = sum(array.size for array in found.weights.values())
    assert held == sum(p.numel() for p in net.to_torch().state_dict().values() if p.ndim)


@pytest.mark.parametrize("name", ["calls", "repeats", "layers", "in turn"])
def test_whole_calls_are_said_to_share(name: str, tmp_path: Path) -> None:
    assert "(weights=@" in read(TEXTS[name], tmp_path)[1].text.replace("(8, ", "(")


def model(path: Path, nodes: list[Any], arrays: dict[str, Any]) -> Path:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4, 8, 8])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    tensors = [numpy_helper.from_array(np.asarray(a), n) for n, a in arrays.items()]
    graph = helper.make_graph(nodes, "g", [x], [y], tensors)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(made.SerializeToString())
    return path


def two(path: Path, mine: Any, other: Any, **named: Any) -> str:
    """The spec of two convolutions with these kernels, which may be one tensor."""
    nodes = [
        node("Conv", ["x", "k"], ["a"], pads=[1, 1, 1, 1], **named),
        node("Relu", ["a"], ["b"]),
        node("Conv", ["b", "k" if other is None else "o"], ["c"], pads=[1, 1, 1, 1], **named),
        node("Sigmoid", ["c"], ["y"]),
    ]
    arrays = {"k": mine} if other is None else {"k": mine, "o": other}
    return import_file(model(path / "m.onnx", nodes, arrays)).text


KERNEL = np.random.default_rng(0).normal(size=(4, 4, 3, 3)).astype(np.float32)
BLUR = np.tile(np.outer([1, 2, 1], [1, 2, 1]).astype(np.float32) / 16, (4, 1, 1, 1))


def test_one_tensor_and_two_with_the_same_numbers_are_one_weight(tmp_path: Path) -> None:
    assert "weights=@" in two(tmp_path, KERNEL, None)
    assert "weights=@" in two(tmp_path, KERNEL, KERNEL.copy())


def test_another_number_is_another_weight(tmp_path: Path) -> None:
    other = KERNEL.copy()
    other[3, 3, 2, 2] += 1
    assert "weights=@" not in two(tmp_path, KERNEL, other)


def test_patterns_that_any_layer_may_have_are_no_shared_weights(tmp_path: Path) -> None:
    assert "weights=@" not in two(tmp_path, BLUR, BLUR.copy(), group=4)
    assert "weights=@" not in two(tmp_path, 0 * KERNEL, 0 * KERNEL)


def normed(path: Path, second: str, arrays: dict[str, Any]) -> str:
    """The spec of the same kernel twice, each time a norm behind it: of `s`, and of this scale."""
    zeros, halves = np.zeros(4, np.float32), np.full(4, 0.5, np.float32)
    nodes = [
        node("Conv", ["x", "k"], ["a"], pads=[1, 1, 1, 1]),
        node("InstanceNormalization", ["a", "s", "zero"], ["b"]),
        node("Relu", ["b"], ["c"]),
        node("Conv", ["c", "k"], ["d"], pads=[1, 1, 1, 1]),
        node("InstanceNormalization", ["d", second, "zero"], ["y"]),
    ]
    held = {"k": KERNEL, "s": halves, "zero": zeros, **arrays}
    return import_file(model(path / "m.onnx", nodes, held)).text


def test_norms_as_they_start_are_shared_where_a_file_has_one_tensor_for_both(
    tmp_path: Path,
) -> None:
    halves = np.full(4, 0.5, np.float32)
    assert normed(tmp_path, "s", {}).count("weights=@") == 1  # the call of both
    apart = normed(tmp_path, "t", {"t": halves})
    assert apart.count("weights=@") == 1
    assert apart.count("instancenorm") == 2


def test_modules_that_are_called_twice(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)

    class Pair(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            conv, norm = torch.nn.Conv2d(3, 8, 3, padding=1, bias=False), torch.nn.BatchNorm2d(8)
            torch.nn.init.uniform_(norm.weight, 0.5, 1.5)
            pool, fc = torch.nn.AdaptiveAvgPool2d(1), torch.nn.Linear(8, 4)
            self.one = torch.nn.Sequential(
                conv, norm, torch.nn.ReLU(), pool, torch.nn.Flatten(), fc
            )

        def forward(self, a: Any, b: Any) -> Any:
            return (self.one(a) - self.one(b)).abs()

    example = (torch.randn(2, 3, 12, 12), torch.randn(2, 3, 12, 12))
    found = netspec.from_torch(Pair().eval(), example)
    assert found.text.count("conv3-8") == 1
    assert "(weights=@" in found.text
    assert sum(a.size for k, a in found.weights.items() if k.endswith("weight")) < 8 * 27 + 50
