"""What a file says of itself: names and types of its tensors, and where its nodes come from."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto
from support.differential import (
    OPERATORS,
    Varied,
    inputs_for,
    legal,
    onnx_model,
    session,
    snippet,
)
from support.generated_specs import Spec
from support.generated_specs import spec as generated
from support.shelves import shelved, shipped

import netspec
from netspec.backends.onnx.compile import compile_graph, prepared
from netspec.backends.onnx.lowering import lower
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.source import Source
from netspec.elaborate.build import build
from netspec.graph.checked import Graph
from netspec.passes.deploy import deploy
from netspec.syntax.files import LIBRARY, shipped_folder, shown_place

# Each is grown once: several tests ask something of it.
SEEDS = range(40)


@cache
def spec(seed: int) -> Spec:
    return generated(seed)


EXAMPLES = [(kind.spelling, *example) for kind in OPERATORS for example in kind.examples]
DTYPES = {TensorProto.FLOAT: "float32", TensorProto.INT64: "int64", TensorProto.BOOL: "bool"}


def made(proto: onnx.ModelProto) -> list[str]:
    return [name for node in proto.graph.node for name in node.output]


def inner(proto: onnx.ModelProto) -> set[str]:
    return set(made(proto)) - {item.name for item in proto.graph.output}


def metadata(node: onnx.NodeProto) -> dict[str, str]:
    return {entry.key: entry.value for entry in node.metadata_props}


def of(text: str, source: str = "t.ns") -> onnx.ModelProto:
    return lower(deploy(build(Source(source, text)))).proto


# --- types


def types_that_lie(graph: Graph) -> list[str]:
    """The tensors that are not what the file says of them, on two batches and all sizes tried."""
    proto = onnx_model(graph, Varied())
    said = {item.name: item.type.tensor_type for item in proto.graph.value_info}
    assert said.keys() == inner(proto)
    if not said:
        return []
    names = sorted(said)
    proto.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    running = session(proto)
    wanted = {item.name for item in running.get_inputs()}
    wrong = []
    for batch in (2, 3):
        for sizes in legal(graph):
            arrays = inputs_for(graph, batch, sizes)
            feeds = {n.path: a for n, a in zip(graph.inputs, arrays, strict=True)}
            found = running.run(names, {n: a for n, a in feeds.items() if n in wanted})
            known: dict[str, int] = {}
            for item in proto.graph.input:
                match = zip(item.type.tensor_type.shape.dim, feeds[item.name].shape, strict=True)
                known |= {dim.dim_param: size for dim, size in match if dim.dim_param}
            for name, array in zip(names, found, strict=True):
                kind = said[name]
                shape = [dim.dim_value or dim.dim_param for dim in kind.shape.dim]
                agrees = DTYPES[kind.elem_type] == str(array.dtype)
                agrees = agrees and kind.HasField("shape") and len(shape) == array.ndim
                for size, actual in zip(shape, array.shape, strict=False):
                    # One name is one size, whatever tensor has it; an open size says nothing.
                    told = known.setdefault(size, actual) if isinstance(size, str) else size
                    agrees = agrees and (size == "" or told == actual)
                known.pop("", None)
                if not agrees:
                    wrong.append(f"{name}: {kind} is {array.dtype} {array.shape}")
    return wrong


@pytest.mark.parametrize("kind", OPERATORS, ids=lambda kind: kind.spelling)
def test_every_tensor_has_the_type_that_the_file_says(kind: Any) -> None:
    for declared, step in kind.examples:
        assert not types_that_lie(snippet(declared, step)), step


@pytest.mark.parametrize("seed", range(20))
def test_and_in_random_nets(seed: int) -> None:
    assert not types_that_lie(spec(seed).graph)


def test_a_size_without_a_name_is_open_and_never_the_size_of_another() -> None:
    # ONNX names what it cannot tell; a runtime gives tensors of equal names one piece of memory.
    for _, declared, step in EXAMPLES:
        graph = snippet(declared, step)
        proto = lower(deploy(graph)).proto
        known = {str(dim) for node in graph.nodes for kind in node.types for dim in kind.shape}
        known |= {str(kind.batch) for node in graph.nodes for kind in node.types}
        dims = [dim for item in proto.graph.value_info for dim in item.type.tensor_type.shape.dim]
        assert {dim.dim_param for dim in dims if dim.dim_param} <= known


def test_a_fixed_batch_is_fixed_inside_too() -> None:
    graph = snippet("4x6", "conv3-4(pad=1); layernorm; attention(2); gap")
    proto = lower(deploy(graph), batch=5).proto
    kinds = [item.type.tensor_type for item in proto.graph.value_info]
    assert not any(dim.dim_param for kind in kinds for dim in kind.shape.dim)


# --- names


def test_tensors_and_nodes_are_named_after_the_step_that_makes_them() -> None:
    proto = lower(prepared(shipped("resnet50"))).proto
    nodes = {node.name: node for node in proto.graph.node}
    conv = nodes["stage2.bottleneck1.conv2"]
    assert list(conv.output) == ["stage2.bottleneck1.conv2"]
    assert conv.input[0] == "stage2.bottleneck1.relu1"
    assert [list(node.output) for node in proto.graph.node][-1] == ["output"]
    assert inner(proto) | {proto.graph.node[-1].name} == set(nodes)


def test_what_stands_inside_a_step_is_named_by_it_the_operator_and_a_number() -> None:
    proto = of("input 4x6\nblock b { layernorm as norm }\nb as one\nrelu")
    assert [node.name for node in proto.graph.node] == [
        "one.norm.reducemean1",
        "one.norm.sub2",
        "one.norm.transpose3",
        "one.norm.layernormalization4",
        "one.norm",
        "relu1",
    ]
    assert made(proto)[:-1] == [node.name for node in proto.graph.node][:-1]


def test_further_values_of_a_step_are_numbered() -> None:
    pooled = of("input 2x4x4\nmaxpool2 as pool\nunpool(@pool)")
    assert [*pooled.graph.node[0].output] == ["pool", "pool.2"]
    parts = of("input 4x4\nsplit(2) as halves; { | relu | tanh }; add")
    assert [*parts.graph.node[0].output] == ["halves", "halves.2"]
    recurrent = of("input 3x5\nlstm-4 as memory")
    outputs = {node.op_type: [*node.output] for node in recurrent.graph.node}["LSTM"]
    assert outputs[1] == f"{outputs[0]}.2"


@pytest.mark.parametrize(
    ("text", "outputs"),
    [
        # An inline block's step may be called as an input is.
        ("inline block b { relu as x }\ninput x: 4\nb; tanh", 1),
        ("inline block b { conv3-4 as x }\ninput x: 4xT\nb; tanh", 1),
        # The steps of `output` itself, and of what is called so on the way.
        ("input 4\nrelu as relu2\nrelu as relu1\nrelu\noutput relu1, relu2", 2),
        ("input 4\nfc-4 as a; fc-4 as b; @a; relu\noutput b, a", 2),
        ("input 4\nbasic(4) as relu1; relu as y\noutput relu1, y", 2),
        ("input a: 4\nidentity as copy\n@a; relu as x\noutput copy, x", 2),
        (
            "input a: 4\nidentity as copy\n@a; identity as again\nfc-2 as b\noutput copy, again, b",
            3,
        ),
        ("input a: 4\nrelu as b; scaled(1) as c; scaled(1) as d\noutput d, b, c", 3),
        ("input int64: 4x6\nsplit(2) as d_int64_1; { | relu | tanh }; add; layernorm", 1),
    ],
)
def test_names_that_a_spec_gives_are_never_those_of_other_tensors(text: str, outputs: int) -> None:
    text = text.replace("basic(4) as relu1", "fc-4 as relu1")
    graph = build(Source("t.ns", text))
    proto = onnx_model(graph, Varied())
    assert_names_are_apart(proto)
    running = session(proto)
    feeds = {n.path: a for n, a in zip(graph.inputs, inputs_for(graph, 1, {"T": 7}), strict=True)}
    assert len(running.run(None, feeds)) == outputs


def assert_names_are_apart(proto: onnx.ModelProto) -> None:
    names = [*made(proto), *(item.name for item in proto.graph.input)]
    names += [tensor.name for tensor in proto.graph.initializer]
    assert len(set(names)) == len(names)
    nodes = [node.name for node in proto.graph.node]
    assert all(nodes)
    assert len(set(nodes)) == len(nodes)


def test_constants_are_named_by_what_they_hold() -> None:
    proto = of("input 6x4x4\nshuffle(3); scaled(0.5, -2); flip; fc-3; reshape(3x1x1); gap")
    names = {tensor.name for tensor in proto.graph.initializer}
    assert {"0d_float32_0p5", "0d_float32_-2p0", "1d_int64_0_3_1_1"} <= names
    held: dict[bytes, str] = {}
    other = of("input 6x4x4\nlayernorm; scaled(0.5); reshape(6x4x4); shuffle(2)")
    for tensor in (*proto.graph.initializer, *other.graph.initializer):
        key = tensor.raw_data + bytes(tensor.dims) + bytes([tensor.data_type])
        assert held.setdefault(key, tensor.name) == tensor.name
    assert len(set(held.values())) == len(held)


@pytest.mark.parametrize(
    "arrays",
    [
        (np.float32(0.0), np.float32(-0.0)),
        (np.float32(1), np.int64(1)),
        (np.int64(1), np.array([1])),
        (np.zeros((1, 9), np.float32), np.zeros((9, 1), np.float32), np.zeros(9, np.float32)),
        (np.float32(np.nan), np.frombuffer(b"\1\0\xc0\x7f", np.float32)[0]),
        (np.float32(0.1), np.nextafter(np.float32(0.1), np.float32(1))),
    ],
)
def test_unlike_constants_have_unlike_names(arrays: tuple[Any, ...]) -> None:
    from netspec.backends.onnx.constants import Constants

    constants = Constants()
    assert len({constants.add(array) for array in arrays}) == len(arrays)
    assert len(list(constants)) == len(arrays)


# --- an inserted step


def tensors(graph: Graph) -> dict[str, tuple[str, str, str, tuple[str, ...]]]:
    """What makes each tensor of a deployed net: node, operator, place in the spec's blocks, weights."""
    model = lower(deploy(graph))
    weights = {item.name for item in model.weights}
    return {
        name: (
            node.name,
            node.op_type,
            metadata(node)["pkg.torch.onnx.name_scopes"],
            tuple(read for read in node.input if read in weights),
        )
        for node in model.proto.graph.node
        for name in node.output
    }


def with_step(text: str, at: int) -> Graph | None:
    lines = text.splitlines()
    grown = "\n".join([*lines[:at], "sigmoid as inserted", *lines[at:]]) + "\n"
    try:
        return build(Source("<generated>", grown))
    except NetspecError:
        return None


def ends(graph: Graph) -> dict[str, str]:
    return {o.name: o.value.node.path for o in (*deploy(graph).outputs, *graph.heads)}


def test_an_inserted_step_renames_no_tensor_no_node_and_no_constant() -> None:
    compared = 0
    for seed in SEEDS:
        made = spec(seed)
        held = tensors(made.graph)
        random = Random(seed)
        lines = made.text.splitlines()
        steps = [
            i
            for i, line in enumerate(lines)
            if not re.match(r"(inline |block |input |output |default )", line)
        ]
        for at in random.sample(steps, min(3, len(steps))):
            grown = with_step(made.text, at)
            if grown is None or ends(grown) != ends(made.graph):
                continue
            found = tensors(grown)
            assert set(held) <= set(found), (seed, at)
            assert {name: found[name] for name in held} == held, (seed, at)
            assert set(found) - set(held) <= {"inserted"}, (seed, at)
            compared += 1
    assert compared > 50


def test_names_are_apart_in_random_nets_and_belong_to_their_steps() -> None:
    for seed in SEEDS:
        graph = deploy(spec(seed).graph)
        model = lower(graph)
        proto = model.proto
        for item in model.weights:
            proto.graph.initializer.add(name=item.name)
        assert_names_are_apart(proto)
        for node in graph.nodes:
            for value in node.outputs:
                if value in model.values:
                    assert model.values[value] in {*made(proto), *(n.path for n in graph.inputs)}
        paths = {node.path for node in graph.nodes}
        outputs = {item.name for item in proto.graph.output}
        for name in set(made(proto)) - outputs:
            plain = name.rstrip(".")
            assert any(plain == path or plain.startswith(f"{path}.") for path in paths), name
        # No step's path continues another's: what follows one is the step's own.
        assert not any(path.startswith(f"{other}.") for path in paths for other in paths)


# --- places


# Places among the whole batch's, a padding, and ranges as long as an open length, through which ONNX's
# rules forget sizes.
OPEN = {
    *(
        "deconvnet",
        "fast_rcnn",
        "bert_base",
        "bert_large",
        "gpt2",
        "gpt2_medium",
        "gpt2_large",
        "gpt2_xl",
    ),
    *("tinyllama", "t5_small_encoder", "t5_base_encoder", "t5_large_encoder", "conformer_large"),
    "luong_attention",
}


@pytest.mark.parametrize("name", shelved())
def test_a_shipped_nets_file_says_where_every_node_is_from_and_the_shape_of_every_tensor(
    name: str,
) -> None:
    graph = prepared(shipped(name))
    model = lower(graph).proto
    said = {item.name: item.type.tensor_type for item in model.graph.value_info}
    assert said.keys() == inner(model)
    assert all(kind.HasField("shape") for kind in said.values())
    dims = [dim for kind in said.values() for dim in kind.shape.dim]
    assert any(not dim.dim_value and not dim.dim_param for dim in dims) == (name in OPEN)
    texts = {
        file: (folder / file).read_text().splitlines()
        for folder in (shipped_folder(), LIBRARY.parent)
        for file in {shown_place(node.span).rsplit(":", 2)[0] for node in graph.nodes}
        if (folder / file).is_file()
    }
    steps = {node.path: node for node in graph.nodes}
    for proto in model.graph.node:
        said_by = metadata(proto)
        scopes = ast.literal_eval(said_by["pkg.torch.onnx.name_scopes"])
        classes = ast.literal_eval(said_by["pkg.torch.onnx.class_hierarchy"])
        node = steps[scopes[-1]]
        components = node.path.split(".")[:-1]
        assert said_by["namespace"] == "/".join(components)
        assert scopes == [
            "",
            *(".".join(components[: i + 1]) for i in range(len(components))),
            node.path,
        ]
        assert len(classes) == len(scopes)
        assert (classes[0], classes[-1]) == (graph.name, node.op.spelling)
        # The text that is pointed at is there.
        file, line, column = said_by["netspec.source"].rsplit(":", 2)
        start = texts[file][int(line) - 1][int(column) - 1 :]
        assert start.startswith(node.span.text.splitlines()[0])


def test_blocks_of_other_files_are_pointed_at_where_they_stand(tmp_path: Path) -> None:
    (tmp_path / "units.ns").write_text("block unit {\n  conv3-4\n}\n")
    (tmp_path / "net.ns").write_text("import unit from units\ninput 3x9x9\nunit\n  relu\n")
    net = netspec.load(tmp_path / "net.ns")
    nodes = lower(net.graph).proto.graph.node
    assert [metadata(node)["netspec.source"] for node in nodes] == ["units.ns:2:3", "net.ns:4:3"]


def test_a_file_is_the_same_wherever_it_is_compiled_and_names_no_folder(tmp_path: Path) -> None:
    home = tmp_path / "home" / "someone"
    home.mkdir(parents=True)
    (home / "net.ns").write_text("input 3x9x9\nresidual { conv3-C(pad=1) }\n")
    program = "import sys, netspec; netspec.load(sys.argv[1]).to_onnx(sys.argv[2], optimize=False)"
    found = []
    for number, (folder, spec_path) in enumerate(
        [(home, "net.ns"), (tmp_path, str(home / "net.ns"))]
    ):
        target = tmp_path / f"{number}.onnx"
        command = [sys.executable, "-c", program, spec_path, str(target)]
        path = str(Path(netspec.__file__).parent.parent)
        subprocess.run(command, cwd=folder, check=True, env={**os.environ, "PYTHONPATH": path})
        found.append(target.read_bytes())
    assert found[0] == found[1]
    for folder in (b"someone", b"home/", os.fsencode(Path(netspec.__file__).parent)):
        assert folder not in found[0]
    assert b"net.ns:2:12" in found[0]
    assert b"library/residual.ns" in found[0]


def test_a_shipped_spec_given_by_its_path_gives_the_same_file(tmp_path: Path) -> None:
    name = "blocks/basic"
    named, by_path = tmp_path / "a.onnx", tmp_path / "b.onnx"
    compile_graph(shipped(name), named)
    compile_graph(netspec.load(shipped_folder() / f"{name}.ns").graph, by_path)
    assert named.read_bytes() == by_path.read_bytes()


@pytest.mark.parametrize("opset", [13, 17, 22])
def test_nodes_have_metadata_at_every_opset(opset: int) -> None:
    proto = lower(snippet("3x4x4", "relu; maxpool2"), opset=opset).proto
    assert all(node.metadata_props for node in proto.graph.node)
    assert len(proto.graph.value_info) == 1
    onnx.checker.check_model(proto)


def test_what_refuses_illegal_sizes_says_so_and_belongs_to_the_input() -> None:
    proto = of("input image: 3xHxW\nconv3-4; maxpool2; upsample(2); relu")
    check = [node for node in proto.graph.node if node.name.startswith("legal sizes")]
    names = [node.name for node in check]
    assert names[-1] == "legal sizes: H >= 4; W >= 4"
    # All that leads to it, each by a name of its own.
    assert {name for node in check for name in node.input} >= {
        node.output[0] for node in check[:-1]
    }
    assert [*check] == [*proto.graph.node][: len(check)]
    assert names[:-1] == [f"legal sizes {i + 1}" for i in range(len(names) - 1)]
    assert {node.op_type for node in check} >= {"Shape", "Gather"}
    assert metadata(check[0])["netspec.source"] == "t.ns:1:1"
    assert all(name.startswith("image.") for node in check for name in node.output)
    (added,) = (node for node in proto.graph.node if node.name == "image.legal")
    assert [*added.output] == ["image.legal"]
