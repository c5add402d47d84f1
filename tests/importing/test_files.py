"""Files of any opset and any maker: old spellings, what has no operator, what lies."""

from __future__ import annotations

import random
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnx import TensorProto, helper, numpy_helper
from support.mutants import altered

import netspec
from netspec.cli.main import main
from netspec.diagnostics.raised import NetspecError
from netspec.importing.files.opened import open_file
from netspec.importing.imported import import_file


def model(
    path: Path,
    nodes: list[Any],
    *,
    shape: tuple[Any, ...] = ("N", 4, 6, 6),
    out: int = 4,
    opset: int = 13,
    arrays: dict[str, np.ndarray[Any, Any]] | None = None,
) -> Path:
    tensors = [numpy_helper.from_array(a, n) for n, a in (arrays or {}).items()]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [None] * out)
    graph = helper.make_graph(nodes, "g", [x], [y], tensors)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    path.write_bytes(made.SerializeToString())
    return path


node = helper.make_node
KERNEL = np.random.default_rng(0).standard_normal((5, 4, 3, 3)).astype(np.float32)
LONG = np.int64


OLD = {
    "clip by attributes": (9, [node("Clip", ["x"], ["y"], min=0.0, max=6.0)], {}, ["relu6"]),
    "squeeze by attributes": (
        9,
        [node("GlobalAveragePool", ["x"], ["a"]), node("Squeeze", ["a"], ["y"], axes=[2, 3])],
        {},
        ["gap"],
    ),
    "slice by attributes": (
        9,
        [node("Slice", ["x"], ["y"], axes=[1], starts=[1], ends=[3])],
        {},
        ["slice"],
    ),
    "pad by attributes": (
        9,
        [
            node("Pad", ["x"], ["a"], pads=[0, 0, 1, 1, 0, 0, 1, 1], mode="constant", value=0.0),
            node("Conv", ["a", "w"], ["y"]),
        ],
        {"w": KERNEL},
        ["conv"],
    ),
    "same_upper": (
        9,
        [node("Conv", ["x", "w"], ["y"], auto_pad="SAME_UPPER", strides=[2, 2])],
        {"w": KERNEL},
        ["conv"],
    ),
    "upsample": (
        9,
        [node("Upsample", ["x", "s"], ["y"], mode="nearest")],
        {"s": np.float32([1, 1, 2, 2])},
        ["upsample"],
    ),
    "dropout": (
        9,
        [node("Relu", ["x"], ["a"]), node("Dropout", ["a"], ["y"], ratio=0.3)],
        {},
        ["relu"],
    ),
    "pad and pool": (
        13,
        [node("Pad", ["x", "p"], ["a"]), node("AveragePool", ["a"], ["y"], kernel_shape=[3, 3])],
        {"p": LONG([0, 0, 1, 1, 0, 0, 1, 1])},
        ["avgpool"],
    ),
    "shape arithmetic": (
        13,
        [
            node("Shape", ["x"], ["s"]),
            node("Gather", ["s", "zero"], ["b"], axis=0),
            node("Unsqueeze", ["b", "axis"], ["c"]),
            node("Concat", ["c", "rest"], ["t"], axis=0),
            node("Reshape", ["x", "t"], ["a"]),
            node("Gemm", ["a", "m"], ["y"], transB=1),
        ],
        {
            "zero": LONG(0),
            "axis": LONG([0]),
            "rest": LONG([-1]),
            "m": np.ones((3, 144), np.float32),
        },
        ["fc"],
    ),
}


def test_what_several_layers_turn_is_turned_once(tmp_path: Path) -> None:
    """Constants that are computed are bounded in all, and a hundred layers may share one large matrix."""
    nodes, name = [node("GlobalAveragePool", ["x"], ["a"]), node("Flatten", ["a"], ["b0"])], "b0"
    for i in range(40):
        nodes += [node("Transpose", ["w"], [f"t{i}"]), node("MatMul", [name, f"t{i}"], [f"m{i}"])]
        nodes.append(node("Relu", [f"m{i}"], [name := f"b{i + 1}"]))
    nodes += [node("Gemm", [name, "v"], ["y"])]
    arrays = {"w": np.random.default_rng(0).standard_normal((4, 4)), "v": np.ones((4, 2))}
    arrays = {key: array.astype(np.float32) for key, array in arrays.items()}
    path = model(tmp_path / "m.onnx", nodes, arrays=arrays, out=2)
    assert len({id(c) for n, c in open_file(path).program().constants.items() if n[0] == "t"}) == 1
    found = import_file(path)
    assert found.text.count("weights=@") <= 2


@pytest.mark.parametrize(
    ("kernel", "given"),
    [
        (3, {"output_shape": [12, 12]}),
        (4, {"output_shape": [13, 13], "auto_pad": "SAME_UPPER"}),
        (3, {"output_shape": [12, 12], "auto_pad": "SAME_LOWER"}),
        (3, {"auto_pad": "SAME_UPPER"}),
        (4, {"auto_pad": "SAME_LOWER"}),
        (3, {"output_shape": [14, 14]}),
        (3, {"output_shape": [13, 12], "dilations": [2, 2]}),
    ],
)
def test_what_is_cut_off_follows_from_the_size_of_an_output(
    kernel: int, given: dict[str, Any], tmp_path: Path
) -> None:
    arrays = {"w": np.random.default_rng(1).standard_normal((4, 5, kernel, kernel))}
    arrays["w"] = arrays["w"].astype(np.float32)
    nodes = [node("ConvTranspose", ["x", "w"], ["y"], strides=[2, 2], **given)]
    found = import_file(model(tmp_path / "m.onnx", nodes, opset=11, arrays=arrays))
    assert found.proof is not None
    assert found.proof.exact
    assert [n.op.spelling for n in found.graph.nodes[1:]] == ["deconv"]


@pytest.mark.parametrize("name", OLD)
def test_spellings_of_exporters(name: str, tmp_path: Path) -> None:
    opset, nodes, arrays, words = OLD[name]
    found = import_file(model(tmp_path / "m.onnx", nodes, opset=opset, arrays=arrays))
    assert found.proof is not None
    assert found.proof.error <= 1e-6
    assert [n.op.spelling for n in found.graph.nodes[1:]] == words


def test_what_has_no_operator_is_listed_and_nothing_written(tmp_path: Path) -> None:
    nodes = [
        node("Relu", ["x"], ["a"], name="first"),
        node("Det", ["a"], ["b"], name="odd"),
        node("Relu", ["b"], ["y"], name="last"),
    ]
    path, out = model(tmp_path / "m.onnx", nodes, out=2), tmp_path / "m.ns"
    result = CliRunner().invoke(main, ["import", str(path), "-o", str(out)])
    assert result.exit_code == 1
    assert isinstance(result.exception, netspec.NetspecError | SystemExit)
    assert not out.exists()
    with pytest.raises(netspec.NetspecError, match=r"1 of 3 nodes .* Det odd \(no operator\)"):
        import_file(path)


def test_a_misread_node_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from netspec.importing.recognise import elementwise

    path = model(tmp_path / "m.onnx", [node("Relu", ["x"], ["y"])])
    monkeypatch.setitem(elementwise._UNARY, "Relu", lambda node: ("sigmoid",))
    with pytest.raises(netspec.NetspecError, match="computes otherwise"):
        import_file(path)


def test_a_long_mean_is_proven_and_one_that_lost_a_row_is_not(tmp_path: Path) -> None:
    """ONNX Runtime's own is off by more than eight roundings of its inputs: those average out."""
    nodes = [node("Relu", ["x"], ["a"]), node("GlobalAveragePool", ["a"], ["y"])]
    path = model(tmp_path / "m.onnx", nodes, shape=("N", 2, 400, 400))
    proof = import_file(path).proof
    assert proof is not None
    assert proof.error > 1e-6

    def lost(feeds: Mapping[str, Any]) -> list[Any]:
        (x,) = feeds.values()
        return [np.maximum(x[:, :, 1:], 0).mean((2, 3), keepdims=True)]

    with pytest.raises(netspec.NetspecError, match="computes otherwise"):
        import_file(path, run=lost)


def branching(path: Path, condition: Any, *, then: list[Any] | None = None) -> Path:
    """A file with an `If` whose branches square and negate, or square and do `then`."""
    y = helper.make_tensor_value_info("b", TensorProto.FLOAT, None)
    z = helper.make_tensor_value_info("c", TensorProto.FLOAT, None)
    first = helper.make_graph(then or [node("Mul", ["a", "a"], ["b"])], "then", [], [y])
    last = helper.make_graph([node("Mul", ["a", "minus"], ["c"])], "else", [], [z])
    last.initializer.append(numpy_helper.from_array(np.float32(-1), "minus"))
    nodes = [
        node("Relu", ["x"], ["a"]),
        *condition,
        node("If", ["is"], ["y"], then_branch=first, else_branch=last),
    ]
    arrays = {"at": LONG(1), "four": LONG(4), "five": LONG(5)}
    return model(path, nodes, arrays=arrays)


def channels_are(number: str) -> list[Any]:
    return [
        node("Shape", ["x"], ["s"]),
        node("Gather", ["s", "at"], ["n"], axis=0),
        node("Equal", ["n", number], ["is"]),
    ]


@pytest.mark.parametrize(("number", "word"), [("four", "square"), ("five", "scaled")])
def test_the_branch_that_sizes_choose_is_read(number: str, word: str, tmp_path: Path) -> None:
    found = import_file(branching(tmp_path / "m.onnx", channels_are(number)))
    assert found.proof is not None
    assert found.proof.exact
    assert [n.op.spelling for n in found.graph.nodes[1:]] == ["relu", word]


@pytest.mark.parametrize(
    ("condition", "then", "reason"),
    [
        ([node("Shape", ["x"], ["is"])], None, "can only convert an array of size 1|size 1"),
        (
            [node("ReduceSum", ["x"], ["t"], keepdims=0), node("Greater", ["t", "t"], ["is"])],
            None,
            "ReduceSum .* and 2 that read what it makes",
        ),
        (channels_are("four"), [node("Mul", ["a", "lost"], ["b"])], "what nothing made"),
        (channels_are("four"), [node("Mul", ["a", "a"], ["a"])], "made twice"),
        (channels_are("four"), [node("Mul", ["a", "a"], ["other"])], "nothing makes b"),
    ],
)
def test_branches_that_lie_or_depend_on_values_are_refused(
    condition: Any, then: Any, reason: str, tmp_path: Path
) -> None:
    path = branching(tmp_path / "m.onnx", condition, then=then)
    with pytest.raises(netspec.NetspecError, match=reason):
        import_file(path)


def test_constants_that_would_be_large_are_refused(tmp_path: Path) -> None:
    nodes = [node("ConstantOfShape", ["s"], ["c"]), node("Add", ["x", "c"], ["y"])]
    path = model(tmp_path / "m.onnx", nodes, arrays={"s": LONG([2**20, 2**10])})
    with pytest.raises(netspec.NetspecError, match="NS801"):
        open_file(path).program()


@pytest.mark.parametrize(
    ("op", "first", "words"),
    [
        ("Mul", True, ["parameter", "mul"]),
        ("Sub", False, ["parameter", "sub"]),
        ("Div", True, ["parameter", "div"]),
    ],
)
def test_a_constant_that_repeats_the_tensor_is_a_parameter(
    op: str, first: bool, words: list[str], tmp_path: Path
) -> None:
    array = np.random.default_rng(2).uniform(1, 2, (4, 1, 5)).astype(np.float32)
    pair = ["a", "k"] if first else ["k", "a"]
    nodes = [node("GlobalAveragePool", ["x"], ["a"]), node(op, pair, ["y"])]
    found = import_file(model(tmp_path / "m.onnx", nodes, arrays={"k": array}))
    assert [n.op.spelling for n in found.graph.nodes[-2:]] == words
    assert found.graph.nodes[-1].types[0].shape == (4, 1, 5)
    assert found.proof is not None


def test_a_constant_that_differs_from_sample_to_sample_is_refused(tmp_path: Path) -> None:
    array = np.random.default_rng(2).uniform(1, 2, (2, 4, 6, 6)).astype(np.float32)
    path = model(tmp_path / "m.onnx", [node("Mul", ["x", "k"], ["y"])], arrays={"k": array})
    with pytest.raises(netspec.NetspecError, match="differs from sample to sample"):
        import_file(path)


@pytest.mark.parametrize(
    ("op", "words"),
    [
        ("ReduceSumSquare", ["square", "over_channels"]),
        ("ReduceL1", ["abs", "over_channels"]),
        ("ReduceL2", ["square", "over_channels", "sqrt"]),
    ],
)
def test_norms_are_sums(op: str, words: list[str], tmp_path: Path) -> None:
    path = model(tmp_path / "m.onnx", [node(op, ["x"], ["y"], axes=[1])], opset=13)
    found = import_file(path)
    assert [n.op.spelling for n in found.graph.nodes[1:]] == words
    assert found.proof is not None


def test_a_mean_over_one_channel_is_nothing(tmp_path: Path) -> None:
    nodes = [node("ReduceMean", ["x"], ["a"], axes=[1]), node("Relu", ["a"], ["y"])]
    found = import_file(model(tmp_path / "m.onnx", nodes, shape=("N", 1, 6, 6)))
    assert [n.op.spelling for n in found.graph.nodes[1:]] == ["relu"]
    assert found.proof is not None


def test_a_convolution_of_a_constant_is_a_constant(tmp_path: Path) -> None:
    numbers = np.random.default_rng(1).standard_normal
    arrays = {
        "map": numbers((1, 3, 6, 6)).astype(np.float32),
        "kernel": numbers((4, 3, 3, 3)).astype(np.float32),
    }
    nodes = [
        node("Conv", ["map", "kernel"], ["a"], pads=[1, 1, 1, 1]),
        node("Add", ["x", "a"], ["y"]),
    ]
    found = import_file(model(tmp_path / "m.onnx", nodes, arrays=arrays))
    assert [n.op.spelling for n in found.graph.nodes[1:]] == ["unit_bias"]
    assert found.proof is not None


def test_functions_that_call_themselves_are_refused(tmp_path: Path) -> None:
    path = model(tmp_path / "m.onnx", [node("f", ["x"], ["y"], domain="d")])
    proto = onnx.load(path)
    opsets = [helper.make_opsetid("", 13), helper.make_opsetid("d", 1)]
    proto.functions.append(
        helper.make_function("d", "f", ["x"], ["y"], [node("f", ["x"], ["y"], domain="d")], opsets)
    )
    for i in range(40):
        calls = [node(f"g{i - 1}" if i else "f", ["x"], [f"t{k}"], domain="d") for k in range(2)]
        body = [*calls, node("Add", ["t0", "t1"], ["y"])]
        proto.functions.append(helper.make_function("d", f"g{i}", ["x"], ["y"], body, opsets))
    proto.opset_import.append(helper.make_opsetid("d", 1))
    path.write_bytes(proto.SerializeToString())
    with pytest.raises(netspec.NetspecError, match="calls itself"):
        open_file(path).program()
    del proto.functions[0]
    proto.functions.insert(
        0, helper.make_function("d", "f", ["x"], ["y"], [node("Relu", ["x"], ["y"])], opsets)
    )
    proto.graph.node[0].op_type = "g39"
    path.write_bytes(proto.SerializeToString())
    with pytest.raises(netspec.NetspecError, match="more than"):
        open_file(path).program()


@pytest.mark.parametrize("seed", range(8))
def test_mutated_files_are_read_or_refused(seed: int, tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    netspec.load("input 4x8x8; conv3-6; layernorm; shuffle(2); gap; fc-4; softmax").to_onnx(path)
    whole = path.read_bytes()
    chance = random.Random(seed)
    for _ in range(40):
        path.write_bytes(altered(whole, chance))
        try:
            import_file(path)
        except netspec.NetspecError as refusal:
            assert str(refusal)


@pytest.mark.parametrize(
    ("factor", "off", "proven"), [(1e4, 2e-4, True), (1e4, 5e-2, False), (10.0, 2e-4, False)]
)
def test_a_net_is_as_near_as_its_own_rounding_or_refused(
    factor: float, off: float, proven: bool, tmp_path: Path
) -> None:
    nodes = [helper.make_node("Mul", ["x", "f"], ["a"]), helper.make_node("Sin", ["a"], ["y"])]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 8])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 8])
    held = numpy_helper.from_array(np.float32(factor), "f")
    graph = helper.make_graph(nodes, "g", [x], [y], [held])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    (tmp_path / "m.onnx").write_bytes(made.SerializeToString())

    def run(feeds: Any) -> Any:
        return [np.sin(feeds["x"] * np.float32(factor)) + np.float32(off)]

    with nullcontext() if proven else pytest.raises(NetspecError, match="NS803"):
        found = import_file(tmp_path / "m.onnx", run=run)
        assert found.proof is not None
        assert found.proof.error > 1e-4
