"""Blocks as functions of a file: each once, and what comes of a file is what the flat one gives."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from support.functions import compared, identities
from support.generated_specs import spec as generated
from support.shelves import shelved, shipped

import netspec
from netspec.backends.onnx.blocks.functions import as_functions
from netspec.backends.onnx.blocks.inlining import inline, inlined_nodes
from netspec.backends.onnx.compile import compile_graph, optimized, prepared
from netspec.backends.onnx.lowering import lower
from netspec.backends.onnx.options import FileOptions
from netspec.backends.onnx.sizes import TooLarge, check_sizes
from netspec.backends.onnx.targets import TARGETS
from netspec.backends.runtime import Session
from netspec.diagnostics.limits import Limits
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.source import Source
from netspec.elaborate.build import build
from netspec.graph.checked import Graph
from netspec.verify.samples import sample_inputs
from netspec.weights.sources import Seeded

NET = """input 3x16x16
block unit(n, s=1) { conv3-n(stride=s, pad=same, bias=no); bn; relu; conv3-n(pad=same, bias=no); bn }
block stage(n) { unit(n, s=2); residual { unit(n) }; residual { unit(n) } }
conv3-8(pad=same)
stage(8)
stage(12)
gap; fc-10; softmax
"""


def net(text: str) -> Graph:
    return build(Source("t.ns", text))


def grouped(graph: Graph, *globs: str) -> tuple[onnx.ModelProto, Any]:
    model, blocks = as_functions(lower(optimized(prepared(graph)).graph), graph.name, globs)
    return model.proto, blocks


def calls(proto: onnx.ModelProto) -> list[tuple[str, str]]:
    return [(node.name, node.op_type) for node in proto.graph.node if node.domain == "netspec"]


def said(node: onnx.NodeProto) -> dict[str, str]:
    return {entry.key: entry.value for entry in node.metadata_props}


# --- which blocks


@pytest.mark.parametrize(
    ("name", "top", "functions"),
    [("resnet50", 23, 3), ("densenet121", 20, 5), ("nasnet_large", 30, 40)],
)
def test_a_deep_net_is_a_page(name: str, top: int, functions: int) -> None:
    graph = shipped(name)
    proto, blocks = grouped(graph)
    assert len(proto.graph.node) == blocks.top <= top
    assert len(proto.functions) == len(blocks.functions) <= functions
    assert blocks.flat == len(lower(optimized(prepared(graph)).graph).proto.graph.node)
    assert blocks.flat == len([n for n in inlined_nodes(proto) if n.domain == ""])


def test_blocks_of_one_body_share_a_function_whatever_their_widths() -> None:
    proto, blocks = grouped(net(NET))
    assert [(one.name, one.nodes, one.calls) for one in blocks.functions] == [
        ("unit", 3, 2),
        ("unit.2", 3, 4),
        ("stage", 5, 2),
    ]
    assert calls(proto) == [("stage1", "stage"), ("stage2", "stage")]
    (stage,) = [one for one in proto.functions if one.name == "stage"]
    assert [node.name for node in stage.node] == ["unit1", "unit2", "add1", "unit3", "add2"]
    assert stage.doc_string == "stage(8) at t.ns:5:1, and 1 more"
    assert all(not name.startswith("stage") for node in stage.node for name in node.input)


def test_what_only_lists_calls_of_a_block_is_read_as_it_stands() -> None:
    few = "input 3x8x8\nblock b { conv3-3(pad=same); relu }\nblock s(n) { b x(n) }\n"
    proto, _ = grouped(net(few + "s(8); gap; fc-2\n"))
    assert [name for name, _ in calls(proto)] == [f"s1.b{i}" for i in range(1, 9)]
    proto, _ = grouped(net(few + "s(9); gap; fc-2\n"))
    assert calls(proto) == [("s1.b1-b9", "b.x9")]
    (call,) = [node for node in proto.graph.node if node.domain]
    assert said(call)["netspec.repeat"] == "9"
    assert said(call)["namespace"] == "s1"


def test_a_block_of_one_node_is_that_node() -> None:
    proto, blocks = grouped(net("input 3x8x8\nblock b { conv3-3 }\nb; b; gap; fc-2\n"))
    assert not proto.functions
    assert blocks.top == blocks.flat
    assert [opset.domain for opset in proto.opset_import] == [""]


@pytest.mark.parametrize(
    ("globs", "expected"),
    [
        (("unit",), [f"stage{s}.unit{u}" for s in (1, 2) for u in (1, 2, 3)]),
        (("stage2",), ["stage2"]),
        (("stage1.**",), ["stage1"]),
        (("*.unit2",), ["stage1.unit2", "stage2.unit2"]),
        (("s*", "unit"), ["stage1", "stage2"]),
    ],
)
def test_globs_name_blocks_by_path_or_by_what_they_are(
    globs: tuple[str, ...], expected: list[str], tmp_path: Path
) -> None:
    proto, _ = compared(net(NET), tmp_path, *globs)
    assert [name for name, _ in calls(proto)] == expected


@pytest.mark.parametrize(
    ("glob", "advice"), [("unti", "did you mean `unit`"), ("zzzzzz", "its blocks are stage, unit")]
)
def test_a_glob_that_names_nothing_is_refused(glob: str, advice: str) -> None:
    with pytest.raises(NetspecError, match=f"NS645.*\n.*{advice}"):
        grouped(net(NET), "unit", glob)
    with pytest.raises(NetspecError, match="the net has no blocks"):
        grouped(net("input 3\nfc-2\n"), glob)


def test_places_hold_of_every_call_that_shares_a_function() -> None:
    proto, _ = grouped(net(NET))
    for function in proto.functions:
        for node in function.node:
            assert said(node).keys() == {"netspec.source"}
    top = {node.name: said(node) for node in proto.graph.node}
    assert top["stage2"] == {
        "namespace": "",
        "netspec.source": "t.ns:6:1",
        "netspec.call": "stage(12)",
        "pkg.torch.onnx.class_hierarchy": "['t', 'stage']",
        "pkg.torch.onnx.name_scopes": "['', 'stage2']",
    }
    # Steps that are given in braces stand where the block is called: elsewhere for each call.
    text = "input 3x8x8\nblock w(body) { conv1-3; body }\nw { relu; tanh }\nw { relu; tanh }\n"
    proto, _ = grouped(net(text))
    (function,) = proto.functions
    assert [said(node) for node in function.node] == [{"netspec.source": "t.ns:2:17"}, {}, {}]


# --- the same numbers, and the flat file's nodes again


@pytest.mark.parametrize(
    "name",
    ["lenet5", "googlenet", "resnet20_cifar", "shufflenet_v2", "fractalnet20", "sentence_cnn"],
)
def test_shipped_nets_are_what_they_are_flat(name: str, tmp_path: Path) -> None:
    compared(shipped(name), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", shelved())
def test_every_shipped_net_inlines_to_the_flat_one(name: str) -> None:
    graph = shipped(name)
    flat = lower(optimized(prepared(graph)).graph).proto
    proto, _ = grouped(graph)
    plain = inline(proto)
    known = {item.name for item in plain.graph.initializer}
    for model in (plain, flat):
        for name in {n for node in model.graph.node for n in node.input} - known:
            if all(name not in node.output for node in model.graph.node):
                model.graph.initializer.add(name=name)
    assert identities(plain) == identities(flat)


@pytest.mark.parametrize(
    "options",
    [
        {"opset": 13},
        {"opset": 22, "batch": 2},
        {"optimize": False, "logits": True},
        {"dtype": "fp16", "fp32": ("stage1.unit2.conv1",)},
        {"taps": ("stage1.unit2.relu1", "stage2")},
    ],
    ids=lambda options: "-".join(options),
)
def test_other_options_see_flat_nodes(options: dict[str, Any], tmp_path: Path) -> None:
    named = options.get("dtype") != "fp16"
    run = "batch" not in options
    proto, _ = compared(net(NET), tmp_path, run=run, named=named, **options)
    assert proto.functions
    assert proto.ir_version >= 8


def test_a_tap_is_one_output_more_of_its_own_block(tmp_path: Path) -> None:
    proto, _ = compared(net(NET), tmp_path, "unit", taps=("stage1.unit2.relu1",))
    (tapped,) = [node for node in proto.graph.node if "stage1.unit2.relu1" in node.output]
    assert (tapped.name, len(tapped.output)) == ("stage1.unit2", 2)
    assert tapped.op_type not in {n.op_type for n in proto.graph.node if n.name != tapped.name}


def test_eight_bits_are_in_the_functions(tmp_path: Path) -> None:
    from netspec.backends.quantize.quantize import Quantization, quantizing

    graph = net(NET)
    stage = quantizing([sample_inputs(graph, seed=i) for i in range(2)], Quantization())
    proto, _ = compared(graph, tmp_path, named=False, quantize=stage)
    inner = {node.op_type for function in proto.functions for node in function.node}
    assert {"QuantizeLinear", "DequantizeLinear"} <= inner
    Session(tmp_path / "blocks.onnx").run(sample_inputs(graph))


def test_pixels_heads_symbols_and_references(tmp_path: Path) -> None:
    graph = net(
        """net twins
preprocess range=(0, 255)
input 3xHxW
block down { conv3-8(pad=1); relu; maxpool2 }
block tower { down; down; conv3-8(pad=same) as low; relu; concat { | identity | @low } }
tower as t
head aux(loss=0.3) { down; gap; fc-4; softmax }
concat { | identity | @t.low }
gap; fc-5
"""
    )
    proto, _ = compared(graph, tmp_path, heads=True)
    assert calls(proto) == [("t", "tower"), ("aux", "aux")]
    paths = tmp_path / "flat.onnx", tmp_path / "blocks.onnx"
    for path, blocks in zip(paths, (None, ()), strict=True):
        compile_graph(graph, path, FileOptions(preprocess=True, blocks=blocks))
    pixels = {"input": np.random.default_rng(0).integers(0, 255, (2, 32, 32, 3), np.uint8)}
    flat, nested = (Session(path).run(pixels).outputs for path in paths)
    assert flat.keys() == nested.keys()
    assert all((flat[name] == nested[name]).all() for name in flat)
    with pytest.raises(NetspecError, match="NS60"):
        Session(paths[1]).run({"input": pixels["input"][:, :3]})


def drawn(seed: int) -> str:
    """A net of blocks in blocks, repeats, references into them and branches, drawn at random."""
    random = Random(seed)
    steps = [
        "conv3-4(pad=same)",
        "relu",
        "bn",
        "conv1-4(bias=no)",
        "tanh",
        "dwconv3(pad=same)",
        "affine",
    ]
    lines = ["input 4x8x8", "default conv(init=he)"]
    known: list[str] = []

    def piece(deep: int = 0) -> str:
        kind = random.randrange(8)
        if kind < 3 and known:
            return random.choice(known) + random.choice(
                ["", "", " x2", " x3", " x10" if deep == 0 and len(known) < 2 else ""]
            )
        if kind == 3 and deep < 2:
            return f"add {{ | identity | {some(deep + 1)} }}"
        if kind == 4 and deep < 2:
            return f"residual {{ {some(deep + 1)} }}"
        return random.choice(steps)

    def some(deep: int = 0) -> str:
        return "; ".join(piece(deep) for _ in range(random.randint(1, 4)))

    for number in range(random.randint(1, 4)):
        body = some()
        lines.append(f"block b{number} {{ {body} }}")
        known.append(f"b{number}")
    for number in range(random.randint(2, 5)):
        lines.append(f"{random.choice(known)} as s{number}")
        if number and random.random() < 0.5:
            lines.append(f"add {{ | identity | @s{random.randrange(number)} }}")
        lines.append(some())
    return "\n".join([*lines, "gap; fc-3", ""])


def test_nets_drawn_at_random(tmp_path: Path) -> None:
    functions = 0
    for seed in range(25):
        try:
            graph = build(Source("t.ns", drawn(seed)), limits=Limits(nodes=120))
        except NetspecError:  # too long for a test
            continue
        functions += len(compared(graph, tmp_path)[0].functions)
        functions += len(compared(graph, tmp_path, "b*", run=False)[0].functions)
        compared(graph, tmp_path, run=False, optimize=False)
    assert functions > 40


def test_generated_nets_of_the_whole_language(tmp_path: Path) -> None:
    found = 0
    for seed in range(48):
        found += len(compared(generated(seed).graph, tmp_path)[0].functions)
        if found and seed >= 11:
            break
    assert found


def test_what_comes_back_into_a_block_leaves_it_flat() -> None:
    graph = net("input 4\nblock b { fc-4; relu; fc-4; relu }\nb; tanh; b; fc-2\n")
    model = lower(optimized(prepared(graph)).graph)
    owners = list(model.owners)
    outside = next(owner for owner in owners if owner and owner.path == "tanh1")
    # The second node of the first block as if it stood outside.
    owners[1] = outside
    broken, blocks = as_functions(replace(model, owners=tuple(owners)), "t")
    assert blocks.refused == ("b1",)
    assert [name for name, _ in calls(broken.proto)] == ["b2"]
    assert "b1 stays flat: it reads what it gives" in blocks.text()
    # What only hangs on it, or only leads to it, is put after or before.
    for index in (0, 3):
        owners = list(model.owners)
        owners[index] = outside
        apart, blocks = as_functions(replace(model, owners=tuple(owners)), "t")
        assert not blocks.refused
        plain, flat = inline(apart.proto), model.proto
        for proto in (plain, flat):
            proto.graph.initializer.extend(
                onnx.TensorProto(name=item.name) for item in model.weights
            )
        assert identities(plain) == identities(flat)


def test_the_same_options_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        compile_graph(net(NET), tmp_path / name, FileOptions(blocks=()))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


# --- who reads it


@pytest.mark.parametrize("target", TARGETS)
def test_programs_that_read_no_functions_get_none(target: str, tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    if TARGETS[target].functions:
        netspec.load(NET).to_onnx(path, target=target, blocks=True)
        assert onnx.load(path).functions
    else:
        with pytest.raises(NetspecError, match=f"NS614.*{TARGETS[target].title}.*functions"):
            netspec.load(NET).to_onnx(path, target=target, blocks=True)
        assert not path.exists()


def test_verification_looks_into_functions(tmp_path: Path) -> None:
    from netspec.verify.proof import verify_file

    graph, path = net(NET.replace("; softmax", "")), tmp_path / "net.onnx"
    options = FileOptions(blocks=())
    compile_graph(graph, path, options)
    assert verify_file(graph, path, weights=Seeded(), options=options).agrees
    model = onnx.load(path)
    for item in model.graph.initializer:
        if item.name == "stage2.unit2.conv1.weight":
            values = numpy_helper.to_array(item)
            item.CopyFrom(numpy_helper.from_array(-values, item.name))
    path.write_bytes(model.SerializeToString())
    report = verify_file(graph, path, weights=Seeded(), options=options)
    assert not report.agrees
    assert report.culprit is not None
    assert report.culprit.layer.startswith("stage2.unit2.")


def test_sizes_are_told_of_what_functions_compute(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    netspec.load(NET).to_onnx(path, blocks=True)
    proto = inline(onnx.load(path))
    assert not proto.functions
    assert [opset.domain for opset in proto.opset_import] == [""]
    shapes = {"input": (1, 3, 16, 16)}
    check_sizes(proto, 2**24, shapes)
    with pytest.raises(TooLarge):
        check_sizes(proto, 2**10, shapes)
    with pytest.raises(NetspecError, match=r"NS605.*stage1.*--max-bytes"):
        Session(path, most=10_000).run({"input": np.zeros((1, 3, 16, 16), np.float32)})


# --- files that others wrote


def function(name: str, nodes: list[Any], **more: Any) -> onnx.FunctionProto:
    found = helper.make_function(
        "netspec", name, ["a"], ["b"], nodes, [helper.make_opsetid("", 17), OURS]
    )
    for field, value in more.items():
        setattr(found, field, value)
    return found


OURS = helper.make_opsetid("netspec", 1)


def call(kind: str, source: str = "a", target: str = "b", **more: Any) -> onnx.NodeProto:
    return helper.make_node(kind, [source], [target], domain="netspec", **more)


def relu(source: str = "a", target: str = "b", **more: Any) -> onnx.NodeProto:
    return helper.make_node("Relu", [source], [target], **more)


def written(path: Path, functions: list[onnx.FunctionProto], top: str = "f") -> Path:
    values = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["N"]) for name in "xy"]
    graph = helper.make_graph([call(top, "x", "y", name="top")], "g", values[:1], values[1:])
    proto = helper.make_model(
        graph, functions=functions, opset_imports=[helper.make_opsetid("", 17), OURS], ir_version=8
    )
    path.write_bytes(proto.SerializeToString())
    return path


def referring() -> onnx.NodeProto:
    node = relu()
    node.attribute.add(name="alpha", ref_attr_name="alpha", type=onnx.AttributeProto.FLOAT)
    return node


def doubling(deep: int, times: int = 2) -> list[onnx.FunctionProto]:
    names = [f"f{i}" for i in range(deep)]
    found = [function("f0", [relu()])]
    for inner, name in pairwise(names):
        ends = ["a", *(f"v{i}" for i in range(1, times)), "b"]
        nodes = [call(inner, *pair) for pair in pairwise(ends)]
        found.append(function(name, nodes))
    return found


def test_a_file_of_ones_own_runs(tmp_path: Path) -> None:
    session = Session(written(tmp_path / "m.onnx", [function("f", [relu()])]))
    assert session.run({"x": np.array([-1, 2], np.float32)}).outputs["y"].tolist() == [0, 2]
    Session(written(tmp_path / "m.onnx", doubling(9), "f8"))


@pytest.mark.parametrize(
    ("functions", "says"),
    [
        ([], "calls the function f, which is not there"),
        ([function("f", [relu()], domain="")], "not one of netspec's own"),
        ([function("f", [relu()], domain="evil")], "not one of netspec's own"),
        ([function("f", [relu()], overload="two")], "not one of netspec's own"),
        ([function("f", [relu()]), function("f", [relu()])], "not one of netspec's own"),
        ([function("f", [call("f")])], "calls the function f, which is not there before it"),
        ([function("f", [call("g")]), function("g", [call("f")])], "which is not there before it"),
        ([function("f", [helper.make_node("Loop", ["a"], ["b"])])], "holds the operator Loop"),
        ([function("f", [relu(domain="evil")])], r"holds the operator evil\.Relu"),
        (
            [function("f", [relu()]), function("idle", [relu(domain="evil")])],
            r"holds the operator evil\.Relu",
        ),
        (
            [function("f", [relu(body=helper.make_graph([], "inner", [], []))])],
            "holds a graph of its own",
        ),
        ([function("f", [referring()])], "reads an attribute of a function"),
        ([function("f", [relu("x")])], "reads what is not there"),
        ([function("f", [relu("a", "c")])], "does not make what it gives"),
        ([function("f", [relu(), relu()])], "makes b twice"),
        ([function("f", [relu("a", "a"), relu()])], "makes a twice"),
        ([function("g", [relu()]), function("f", [call("g", more=1)])], "not as netspec writes it"),
        ([function("g", [relu()]), function("f", [call("g", "")])], "not as netspec writes it"),
    ],
)
def test_functions_of_another_kind_are_refused(
    functions: list[onnx.FunctionProto], says: str, tmp_path: Path
) -> None:
    with pytest.raises(NetspecError, match=f"NS605.*{says}"):
        Session(written(tmp_path / "m.onnx", functions))


def test_inputs_attributes_and_opsets_of_functions_are_as_netspec_writes_them(
    tmp_path: Path,
) -> None:
    def refused(says: str, change: Any) -> None:
        made = function("f", [relu()])
        change(made)
        with pytest.raises(NetspecError, match=f"NS605.*{says}"):
            Session(written(tmp_path / "m.onnx", [made]))

    refused("takes 2 and gives 1", lambda f: f.input.append("c"))
    refused("have no names of their own", lambda f: f.input.append("a"))
    refused("have no names of their own", lambda f: f.input.append(""))
    refused("has more than inputs and outputs", lambda f: f.attribute.append("alpha"))
    refused("has more than inputs and outputs", lambda f: f.value_info.add(name="b"))
    refused("is for another opset", lambda f: f.opset_import.add(domain="other", version=1))


@pytest.mark.parametrize(
    ("functions", "says"),
    [
        (doubling(60), r"come to [\d,]+ nodes"),
        (doubling(4, 1000), r"come to [\d,]+ nodes"),
        (doubling(200, 1), "calls 129 deep"),
    ],
)
def test_calls_that_double_are_counted_before_anything_is_written_out(
    functions: list[onnx.FunctionProto], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from netspec.backends.onnx import guard

    monkeypatch.setattr(guard, "inlined_nodes", None)
    monkeypatch.setattr("netspec.backends.runtime.ort.InferenceSession", None)
    with pytest.raises(NetspecError, match=f"NS605.*{says}"):
        Session(written(tmp_path / "m.onnx", functions, functions[-1].name))


def test_functions_without_nodes_count_too(tmp_path: Path) -> None:
    empty = helper.make_function("netspec", "f0", [], [], [], [helper.make_opsetid("", 17)])
    functions = [empty]
    for i in range(1, 30):
        inner = helper.make_node(f"f{i - 1}", [], [], domain="netspec")
        opsets = [helper.make_opsetid("", 17), OURS]
        functions.append(helper.make_function("netspec", f"f{i}", [], [], [inner, inner], opsets))
    functions.append(function("f", [helper.make_node("f29", [], [], domain="netspec"), relu()]))
    with pytest.raises(NetspecError, match=r"NS605.*come to [\d,]+ nodes"):
        Session(written(tmp_path / "m.onnx", functions))


def test_long_names_do_not_grow_with_the_calls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from netspec.backends.onnx.blocks import inlining

    monkeypatch.setattr(inlining, "MOST_BYTES", 2**20)
    functions = doubling(8)
    for made in functions:
        for node in made.node:
            node.name = "n" * 1000
    with pytest.raises(NetspecError, match=r"NS605.*come to more than 1,048,576 bytes"):
        Session(written(tmp_path / "m.onnx", functions, "f7"))


def test_what_a_function_makes_of_a_size_is_told_before_it_runs(tmp_path: Path) -> None:
    size = helper.make_node("Constant", [], ["s"], value_ints=[2**40])
    path = written(tmp_path / "m.onnx", [function("f", [size, relu()])])
    with pytest.raises(NetspecError, match=r"NS605.*holds the operator Constant"):
        Session(path)
    node = helper.make_node("ConstantOfShape", ["a"], ["b"])
    path = written(tmp_path / "m.onnx", [function("f", [node])])
    proto = onnx.load(path)
    proto.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.INT64
    proto.graph.node[0].input[0] = "size"
    proto.graph.initializer.append(helper.make_tensor("size", onnx.TensorProto.INT64, [1], [2**40]))
    path.write_bytes(proto.SerializeToString())
    with pytest.raises(NetspecError, match=r"NS605.*ConstantOfShape.* would make"):
        Session(path)
