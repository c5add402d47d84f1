"""Small models that claim much: refused before anything is multiplied, read or run."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from onnx import ModelProto, TensorProto, helper, numpy_helper
from support.foreign_files import node
from support.watching import at_most, counting

import netspec
from netspec.backends.runtime import Session
from netspec.cli.main import main
from netspec.diagnostics.raised import NetspecError
from netspec.importing.files.opened import open_file
from netspec.importing.imported import import_file
from netspec.importing.recognise.steps import Names

MANY = 100_000
# What reading a small model and refusing it takes, with room.
FEW = 150_000


def model(nodes: list[Any], constants: list[Any] = (), **given: Any) -> ModelProto:  # type: ignore[assignment]
    """A model of x (N, 3, 8, 8) and y; `given` are the sizes of x, or what else the graph says."""
    sizes = given.pop("sizes", ["N", 3, 8, 8])
    taken = [helper.make_tensor_value_info("x", TensorProto.FLOAT, sizes)]
    made = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    graph = helper.make_graph(nodes, "g", taken, made, list(constants), **given)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)


def claimed(*sizes: int) -> TensorProto:
    """A tensor without numbers that says it has these sizes."""
    return TensorProto(name="w", data_type=TensorProto.FLOAT, dims=sizes)


def _input() -> ModelProto:
    return model([node("Relu", ["x"], ["y"])], sizes=[2**62] * MANY)


def _said() -> ModelProto:
    said = helper.make_tensor_value_info("z", TensorProto.FLOAT, [2**62] * MANY)
    return model([node("Foo", ["x"], ["z"]), node("Relu", ["z"], ["y"])], value_info=[said])


def _initializer() -> ModelProto:
    return model([node("Add", ["x", "w"], ["y"])], [claimed(*[2**62] * MANY)])


def _attribute() -> ModelProto:
    constant = node("Constant", [], ["w"], value=claimed(*[2**62] * MANY))
    return model([constant, node("Add", ["x", "w"], ["y"])])


def _branch() -> ModelProto:
    inner = helper.make_graph(
        [node("Add", ["x", "w"], ["z"])],
        "b",
        [],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, None)],
        [claimed(*[2**62] * MANY)],
    )
    chosen = numpy_helper.from_array(np.array(True), "c")
    return model([node("If", ["c"], ["y"], then_branch=inner, else_branch=inner)], [chosen])


@pytest.mark.parametrize("make", [_input, _said, _initializer, _attribute, _branch])
def test_a_tensor_of_many_axes_is_refused_before_its_size_is_multiplied(
    make: Callable[[], ModelProto], tmp_path: Path
) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(make().SerializeToString())
    for read in (import_file, Session):
        with pytest.raises(NetspecError, match=f"has {MANY:,} axes"), at_most(FEW):
            read(path)


def test_sizes_of_many_axes_that_a_file_computes_are_refused(tmp_path: Path) -> None:
    sizes = numpy_helper.from_array(np.array([-1] + [1] * 3999), "s")
    path = tmp_path / "net.onnx"
    path.write_bytes(model([node("Reshape", ["x", "s"], ["y"])], [sizes]).SerializeToString())
    with pytest.raises(NetspecError, match="has 4,000 axes"), at_most(FEW):
        import_file(path)


def test_a_product_of_large_constants_is_not_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two nodes of 200 bytes would take minutes."""
    one = helper.make_tensor("v", TensorProto.FLOAT, [1], [1.0])
    nodes = [
        node("ConstantOfShape", ["s"], ["c"], value=one),
        node("MatMul", ["c", "c"], ["k"]),
        node("ReduceSum", ["k"], ["t"], keepdims=0),
        node("Add", ["x", "t"], ["y"]),
    ]
    sizes = numpy_helper.from_array(np.array([4096, 4096]), "s")
    path = tmp_path / "net.onnx"
    path.write_bytes(model(nodes, [sizes]).SerializeToString())
    from netspec.importing.files import specialise

    done: list[str] = []
    real = specialise.computed

    def noted(proto: Any, *more: Any) -> Any:
        done.append(proto.op_type)
        return real(proto, *more)

    monkeypatch.setattr(specialise, "computed", noted)
    assert "MatMul" in [item.op for item in open_file(path).program().nodes]
    assert "MatMul" not in done


def chain(count: int) -> ModelProto:
    """Layers in a row that the file calls nothing."""
    made = [f"t{i}" for i in range(count)]
    kinds = ("Relu", "Sigmoid", "Tanh")
    steps = zip(["x", *made], [*made[:-1], "y"], strict=False)
    return model([node(kinds[i % 3], [a], [b]) for i, (a, b) in enumerate(steps)])


def outputs(count: int) -> ModelProto:
    """Layers in a row, each an output."""
    made = [f"t{i}" for i in range(count)]
    steps = zip(["x", *made], made, strict=False)
    net = model([node("Relu", [a], [b]) for a, b in steps])
    del net.graph.output[:]
    net.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in made
    )
    return net


def dense(count: int) -> ModelProto:
    """Layers each of which reads the sum of all before it."""
    nodes = [node("Relu", ["x"], ["t0"])]
    for i in range(1, count):
        nodes.append(node("Sum", [f"t{j}" for j in range(i)], [f"s{i}"]))
        nodes.append(node("Relu", [f"s{i}"], [f"t{i}" if i < count - 1 else "y"]))
    return model(nodes)


@pytest.mark.parametrize(
    ("make", "sizes", "most"),
    [(chain, (400, 800), 2.4), (outputs, (80, 160), 2.4), (dense, (24, 48), 4.4)],
)
def test_importing_takes_work_by_what_the_file_holds(
    make: Callable[[int], ModelProto], sizes: tuple[int, int], most: float, tmp_path: Path
) -> None:
    """Twice the nodes take twice as much more; twice the layers that read all before, four times."""
    calls = []
    for size in (sizes[0], *sizes):  # the first time things are imported
        path = tmp_path / "net.onnx"
        path.write_bytes(make(size).SerializeToString())
        with counting() as done:
            import_file(path)
        calls.append(done.calls)
    assert calls[2] <= most * calls[1]


def test_a_name_that_is_taken_often_is_not_tried_again_from_the_start() -> None:
    """Steps without names of their own took a quarter of an hour for a hundred thousand."""
    names = Names(["relu_3"])
    assert [names.free([], "relu") for _ in range(4)] == ["relu", "relu_2", "relu_4", "relu_5"]
    with at_most(40_000):
        made = {names.free([], "relu") for _ in range(2_000)}
    assert len(made) == 2_000


def test_a_file_larger_than_a_model_can_be_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.touch()
    os.truncate(path, 5 * 2**30)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for read in (import_file, Session):
        with pytest.raises(NetspecError, match="more bytes than a model can have"):
            read(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024


def test_an_input_of_no_axes_gets_a_number(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(model([node("Relu", ["x"], ["y"])], sizes=[]).SerializeToString())
    done = CliRunner().invoke(main, ["run", str(path)])
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("y: ")


@pytest.mark.parametrize("version", [-3, 10_000, 2**62])
def test_an_opset_that_onnx_does_not_have_is_refused(version: int, tmp_path: Path) -> None:
    path, large = tmp_path / "m.onnx", model([node("Relu", ["x"], ["y"])])
    large.opset_import[0].version = version
    path.write_bytes(large.SerializeToString())
    with pytest.raises(NetspecError, match=f"NS801.*it says opset {version}: ONNX has 1 to"):
        import_file(path)


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_what_is_no_number_anywhere_proves_nothing(number: float, tmp_path: Path) -> None:
    weight = numpy_helper.from_array(np.full((4, 3, 1, 1), number, np.float32), "w")
    path = tmp_path / "m.onnx"
    nodes = [node("Conv", ["x", "w"], ["a"]), node("Abs", ["a"], ["y"])]
    path.write_bytes(model(nodes, [weight]).SerializeToString())
    with pytest.raises(NetspecError, match=r"NS828.*output is no finite number"):
        import_file(path)
    # Where some are numbers, the others are compared too.
    weight = np.full((4, 3, 1, 1), number, np.float32)
    weight[0] = 1
    path.write_bytes(model(nodes, [numpy_helper.from_array(weight, "w")]).SerializeToString())
    assert import_file(path).proof is not None


def test_what_is_a_number_above_zero_alone_is_proven_there(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    netspec.load("input 3x8x8\nlog; gsp; over_channels(sum)").to_onnx(path, optimize=False)
    found = import_file(path)
    assert found.proof is not None
    assert found.proof.error < 1e-6
