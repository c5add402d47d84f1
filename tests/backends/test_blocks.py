"""Blocks as functions of a file: each once, and what comes of a file is what the flat one gives."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from support.functions import compared, identities
from support.generated_specs import spec as generated

import netspec
from netspec.backends.onnx.blocks.functions import as_functions
from netspec.backends.onnx.blocks.inlining import inline, inlined_nodes
from netspec.backends.onnx.compile import compile_graph, optimized, prepared
from netspec.backends.onnx.lowering import lower
from netspec.backends.onnx.options import FileOptions
from netspec.backends.onnx.sizes import TooLarge, check_sizes
from netspec.backends.onnx.targets import TARGETS
from netspec.backends.runtime import Session
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.source import Source
from netspec.elaborate.build import build
from netspec.graph.checked import Graph
from netspec.syntax.files import shipped_names
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
    graph = netspec.load(name).graph
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
    "name", ["lenet5", "googlenet", "resnet20_cifar", "shufflenet_v2", "fractalnet20", "sentence_cnn"]
)
def test_shipped_nets_are_what_they_are_flat(name: str, tmp_path: Path) -> None:
    compared(netspec.load(name).graph, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", shipped_names())
def test_every_shipped_net_inlines_to_the_flat_one(name: str) -> None:
    graph = netspec.load(name).graph
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
    assert calls(proto) == [("t", "tower"), ("aux.down1", "down")]
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
    steps = ["conv3-4(pad=same)", "relu", "bn", "conv1-4(bias=no)", "tanh", "dwconv3(pad=same)", "affine"]
    lines = ["input 4x8x8", "default conv(init=he)"]
    known: list[str] = []

    def piece(deep: int = 0) -> str:
        kind = random.randrange(8)
        if kind < 3 and known:
            return random.choice(known) + random.choice(["", "", " x2", " x3", " x10" if deep == 0 and len(known) < 2 else ""])
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
    for seed in range(30):
        graph = net(drawn(seed))
        functions += len(compared(graph, tmp_path)[0].functions)
        functions += len(compared(graph, tmp_path, "b*", run=False)[0].functions)
        compared(graph, tmp_path, run=False, optimize=False)
    assert functions > 100


def test_generated_nets_of_the_whole_language(tmp_path: Path) -> None:
    found = 0
    for seed in range(12):
        found += len(compared(generated(seed).graph, tmp_path)[0].functions)
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
        Session(path, most=12_000).run({"input": np.zeros((1, 3, 16, 16), np.float32)})
