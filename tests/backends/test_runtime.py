"""Running: what is loaded is checked first, what is fed is checked, the device is the one asked for."""

from __future__ import annotations

import os

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from support.onnx_files import with_entry

from netspec.backends import runtime, switches
from netspec.backends.onnx.compile import compile_graph
from netspec.backends.onnx.data import data_files
from netspec.backends.onnx.file import write
from netspec.backends.onnx.lowering import lower
from netspec.backends.runtime import Session, check_model
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.source import Source
from netspec.elaborate.build import build
from netspec.passes.deploy import deploy
from netspec.weights.sources import Seeded


@pytest.fixture
def graph():
    return build(Source("small.ns", "conv3-4(act=relu); gap; fc-5"), {}, ("3x8x8",))


@pytest.fixture
def model(graph, tmp_path):
    path = tmp_path / "net.onnx"
    compile_graph(graph, path)
    return path


@pytest.fixture
def external(graph, tmp_path):
    path = tmp_path / "net.onnx"
    write(lower(deploy(graph)), path, Seeded(), limit=1)
    return path


X = np.zeros((2, 3, 8, 8), np.float32)


def test_a_run_names_its_provider_and_its_outputs(model):
    result = Session(model).run({"input": X})
    assert result.provider == "CPUExecutionProvider"
    assert result.outputs["output"].shape == (2, 5)
    assert result.seconds > 0


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (None, "missing"),
        (np.zeros((3, 8, 8), np.float32), "3x8x8"),
        (np.zeros((1, 4, 8, 8), np.float32), "1x4x8x8"),
        (X.astype(">f4"), "byte order"),
        (X.astype(np.uint8), "uint8"),
        (X.astype(complex), "complex"),
        (X.astype(object), "it holds objects that are no numbers"),
        (X.astype("U1"), "it holds text, the model takes float32"),
        (np.array([b"x"]), "it holds bytes"),
    ],
)
def test_inputs_that_do_not_fit_are_refused_by_name(model, value, says):
    with pytest.raises(NetspecError, match="input `input`") as caught:
        Session(model).run({"input": value})
    assert says in str(caught.value)


def test_an_unknown_input_is_refused(model):
    with pytest.raises(NetspecError, match="the model has inputs input"):
        Session(model).run({"input": X, "image": X})


def test_fortran_order_and_double_precision_are_converted(model):
    plain = Session(model).run({"input": X + 1}).outputs["output"]
    for other in (np.asfortranarray(X + 1), (X + 1).astype(np.float64)):
        assert np.array_equal(Session(model).run({"input": other}).outputs["output"], plain)


def test_cuda_that_is_not_there_is_an_error_and_never_the_cpu(model):
    import onnxruntime as ort

    try:
        session = Session(model, device="cuda")
    except NetspecError as error:
        assert error.status == 4
        assert error.diagnostics[0].code in ("NS602", "NS603")
    else:
        assert session.provider == "CUDAExecutionProvider"
        assert "CUDAExecutionProvider" in ort.get_available_providers()


def test_an_unknown_device_is_a_usage_error(model):
    with pytest.raises(NetspecError, match="known devices") as caught:
        Session(model, device="tpu")
    assert caught.value.status == 2


# --- models that attack


def save(path, nodes, inputs=("x",), initializers=(), functions=()):
    value = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["N"]) for n in inputs]
    out = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    made = helper.make_graph(nodes, "g", value, out, initializer=list(initializers))
    opsets = [helper.make_opsetid("", 22)]
    proto = helper.make_model(made, opset_imports=opsets, functions=list(functions), ir_version=10)
    path.write_bytes(proto.SerializeToString())
    return path


def test_operators_netspec_does_not_write_are_refused(tmp_path):
    path = save(tmp_path / "m.onnx", [helper.make_node("Loop", ["x"], ["y"])])
    with pytest.raises(NetspecError, match="Loop"):
        Session(path)
    custom = [helper.make_node("Relu", ["x"], ["y"], domain="evil")]
    with pytest.raises(NetspecError, match="evil"):
        Session(save(tmp_path / "c.onnx", custom))


def test_an_operator_that_holds_a_graph_is_refused(tmp_path):
    inner = helper.make_graph([], "inner", [], [])
    node = helper.make_node("Relu", ["x"], ["y"], body=inner)
    with pytest.raises(NetspecError, match="graph of its own"):
        Session(save(tmp_path / "m.onnx", [node]))


def tensor(**fields):
    """Three numbers; `fields` say otherwise."""
    made = TensorProto(dims=[3], data_type=TensorProto.FLOAT, name="c", raw_data=bytes(12))
    for name, value in fields.items():
        if isinstance(value, list):
            getattr(made, name)[:] = value
        else:
            setattr(made, name, value)
    return made


def with_list(node):
    node.attribute.add(name="value", type=onnx.AttributeProto.TENSORS).tensors.append(tensor())


def with_sparse(node):
    found = onnx.AttributeProto.SPARSE_TENSOR
    node.attribute.add(name="value", type=found).sparse_tensor.dims.append(3)


def with_constant(node, **fields):
    node.op_type = "ConstantOfShape"
    node.attribute.add(name="value", type=onnx.AttributeProto.TENSOR).t.CopyFrom(tensor(**fields))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda m: with_list(m.graph.node[0]), "holds a list of tensors"),
        (lambda m: with_sparse(m.graph.node[0]), "holds a list of tensors"),
        (lambda m: m.functions.add(name="f", domain="d"), "not one of netspec's own"),
        (lambda m: m.training_info.add(), "holds a training step"),
        (lambda m: m.graph.sparse_initializer.add(), "holds sparse tensors"),
        (lambda m: with_constant(m.graph.node[0], data_location=1), "not where they may be"),
        (lambda m: with_constant(m.graph.node[0], data_type=14), "type of numbers"),
        (lambda m: m.graph.initializer.append(tensor(data_type=16)), "type of numbers"),
        (lambda m: m.graph.initializer.append(tensor(dims=[-3])), "negative size"),
        (lambda m: m.graph.initializer.append(tensor(dims=[4])), "claims 4 numbers and has"),
        (lambda m: m.graph.initializer.append(tensor(float_data=[1.0] * 3)), "claims 3 numbers"),
        (lambda m: m.graph.initializer.append(tensor(raw_data=b"")), "claims 3 numbers"),
    ],
)
def test_models_of_another_kind_are_refused(tmp_path, change, says):
    path = save(tmp_path / "m.onnx", [helper.make_node("Relu", ["x"], ["y"], name="r")])
    Session(path)
    proto = onnx.load(path)
    change(proto)
    path.write_bytes(proto.SerializeToString())
    with pytest.raises(NetspecError, match=says) as caught:
        Session(path)
    assert caught.value.diagnostics[0].code == "NS605"


def test_constants_inside_a_node_may_be_whole(tmp_path):
    node = helper.make_node("Relu", ["x"], ["y"])
    path = save(tmp_path / "m.onnx", [node], initializers=[tensor(), tensor(name="d", dims=[1, 3])])
    Session(path)


def test_names_that_are_no_text_are_refused(tmp_path):
    path = save(tmp_path / "m.onnx", [helper.make_node("Relu", ["x"], ["y"], name="QQQQ")])
    path.write_bytes(path.read_bytes().replace(b"QQQQ", b"\xff\xfe\xfd\xfc"))
    with pytest.raises(NetspecError, match="NS605"):
        Session(path)


def test_a_model_larger_than_any_is_refused(tmp_path, monkeypatch):
    from netspec.backends.onnx import guard

    path = save(tmp_path / "m.onnx", [helper.make_node("Relu", ["x"], ["y"])])
    monkeypatch.setattr(guard, "_LARGEST", 10)
    with pytest.raises(NetspecError, match="more bytes than a model can have"):
        Session(path)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00",
        b"not onnx at all",
        b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
        os.urandom(999),
    ],
)
def test_files_that_are_not_onnx_are_refused(tmp_path, data):
    path = tmp_path / "m.onnx"
    path.write_bytes(data)
    with pytest.raises(NetspecError) as caught:
        Session(path)
    assert caught.value.diagnostics[0].code in ("NS605", "NS603")


def test_truncated_and_mutated_models_never_get_past_as_a_foreign_error(model):
    whole = model.read_bytes()
    random = np.random.default_rng(0)
    for _ in range(60):
        data = bytearray(whole[: random.integers(1, len(whole) + 1)])
        for place in random.integers(0, len(data), 3):
            data[place] = random.integers(0, 256)
        model.write_bytes(bytes(data))
        try:
            Session(model).run({"input": X})
        except NetspecError as error:
            assert error.diagnostics


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("location", "../net.data"),
        ("location", "/etc/passwd"),
        ("location", "missing.data"),
        ("location", ""),
        ("location", "."),
        ("location", ".."),
        ("offset", "-5"),
        ("offset", "18446744073709551616"),
        ("offset", "abc"),
        ("length", "4"),
        ("length", "9999999999"),
    ],
)
def test_data_that_is_not_where_it_may_be_is_refused(external, key, value):
    check_model(external)
    with_entry(external, key, value)
    with pytest.raises(NetspecError) as caught:
        check_model(external)
    assert caught.value.diagnostics[0].code == "NS605"


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_data_behind_a_link_is_refused(external, link, tmp_path):
    (data,) = data_files(external)
    moved = tmp_path / "elsewhere"
    data.rename(moved)
    link(moved, data)
    with pytest.raises(NetspecError, match="link"):
        check_model(external)


def test_a_name_that_ends_in_a_nul_is_refused(external):
    (data,) = data_files(external)
    with_entry(external, "location", f"{data.name}\0x")
    with pytest.raises(NetspecError, match="plain file beside it"):
        check_model(external)


@pytest.mark.parametrize(
    ("inputs", "kinds", "attributes"),
    [
        (["x", "s"], {}, {}),
        (["x", "x", "z"], {}, {}),
        (["x", "s", "z"], {"s": TensorProto.FLOAT16}, {}),
        (["x", "s", "z"], {"z": TensorProto.INT32}, {}),
        (["x", "s", "z"], {}, {"block_size": 2}),
        (["x", "s", "z"], {}, {"saturate": 0}),
    ],
)
def test_rounding_is_run_only_as_netspec_writes_it(inputs, kinds, attributes, tmp_path):
    constants = {"s": TensorProto.FLOAT, "z": TensorProto.UINT8}
    tensors = [
        helper.make_tensor(name, kinds.get(name, kind), [], [1]) for name, kind in constants.items()
    ]
    for given, more, fits in ((inputs, attributes, False), (["x", "s", "z"], {}, True)):
        held = (
            tensors
            if not fits
            else [helper.make_tensor(name, kind, [], [1]) for name, kind in constants.items()]
        )
        nodes = [
            helper.make_node("QuantizeLinear", given, ["q"], **more),
            helper.make_node("DequantizeLinear", ["q", "s", "z"], ["y"]),
        ]
        graph = helper.make_graph(
            nodes,
            "g",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 3])],
            held,
        )
        path = tmp_path / "m.onnx"
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)
        path.write_bytes(made.SerializeToString())
        if fits:
            assert Session(path).run({"x": np.full((1, 3), 2.2, "f4")}).outputs["y"].max() == 2
        else:
            with pytest.raises(NetspecError, match=r"NS605.*QuantizeLinear.*as netspec writes"):
                Session(path)


@pytest.mark.parametrize(
    ("words", "exact"),
    [("flags : avx2 avx512_vnni", None), ("flags: avx_vnni", None), ("flags : avx2", "1")],
)
def test_sums_of_integers_are_made_exact_where_the_processor_does_not(monkeypatch, words, exact):
    class Info:
        def __init__(self, path: str) -> None:
            assert path == "/proc/cpuinfo"

        def read_text(self) -> str:
            return words

    monkeypatch.setattr(switches, "Path", Info)
    options = runtime._options(switches.DEFAULTS)
    try:
        found = options.get_session_config_entry("session.x64quantprecision")
    except RuntimeError:
        found = None
    assert found == exact
