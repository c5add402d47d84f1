"""Scan and Loop of files come back as recurrences, or are listed and cut as a whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from backends.test_scans import NETS as COMPILED
from elaborate.test_open_recurrences import NETS
from onnx import GraphProto, NodeProto, TensorProto, helper, numpy_helper
from support.onnx_files import scrambled

import netspec
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.source import Source
from netspec.elaborate.build import build
from netspec.graph.loops import loops
from netspec.graph.same import same
from netspec.importing.imported import Imported
from netspec.importing.structure.find import structured

FLOAT, INT, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL
node = helper.make_node
# What a file has no name for, or no longer: order of the operands of a sum, dropout, frozen weights.
OWN = {**{f"open {name}": text for name, text in NETS.items()}, **COMPILED}


def weights(*shape: int) -> np.ndarray[Any, Any]:
    return (np.random.default_rng(sum(shape)).standard_normal(shape) / 2).astype(np.float32)


def value(
    name: str, shape: Sequence[object] | None = None, kind: int = FLOAT
) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)  # type: ignore[arg-type]


def body(nodes: list[NodeProto], inputs: str, outputs: str) -> GraphProto:
    kinds = {"i": INT, "go": BOOL, "on": BOOL}
    given = [
        [value(n, [] if n in kinds else None, kinds.get(n, FLOAT)) for n in names.split()]
        for names in (inputs, outputs)
    ]
    return helper.make_graph(nodes, "body", *given)


def file(
    path: Path,
    nodes: list[NodeProto],
    inputs: Mapping[str, Sequence[object]],
    outputs: str,
    arrays: Mapping[str, Any],
    opset: int = 13,
) -> Path:
    tensors = [numpy_helper.from_array(np.asarray(a), n) for n, a in arrays.items()]
    given = [value(name, shape) for name, shape in inputs.items()]
    graph = helper.make_graph(nodes, "g", given, [value(n) for n in outputs.split()], tensors)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    path.write_bytes(made.SerializeToString())
    return path


def read(path: Path) -> Imported:
    found = netspec.from_onnx(path)
    assert found.proof is not None
    assert found.proof.exact
    return found


# h' = tanh(x w + h u), and twice that
CELL = [
    node("MatMul", ["x", "w"], ["p"]),
    node("MatMul", ["h", "u"], ["q"]),
    node("Add", ["p", "q"], ["r"]),
    node("Tanh", ["r"], ["h1"]),
    node("Add", ["h1", "h1"], ["y"]),
]
ARRAYS = {"w": weights(3, 4), "u": weights(4, 4)}
SCAN = body(CELL, "h x", "h1 y")


@pytest.mark.parametrize("name", NETS)
def test_structure_finds_the_same_net(name: str) -> None:
    graph = build(Source("<net>", NETS[name]), rolled=True)
    found = build(Source("<net>", structured(graph, {})), rolled=True)
    assert same(graph, found) is not None
    assert len(loops(graph)) == len(loops(found))


@pytest.mark.parametrize("name", [n for n in OWN if n != "open what training adds"])
def test_text_to_file_to_text_is_a_fixed_point(name: str, tmp_path: Path) -> None:
    """With the names of the file and without."""
    first, blind = tmp_path / "g.onnx", tmp_path / "blind" / "g.onnx"
    blind.parent.mkdir()
    netspec.load(OWN[name]).to_onnx(first)
    found = read(first)
    assert "for " in found.text
    netspec.load(found.text).to_onnx(first, optimize=False)
    assert netspec.from_onnx(first).text == found.text
    scrambled(first, blind)
    assert len(loops(read(blind).graph)) == len(loops(netspec.load(OWN[name]).graph))


@pytest.mark.parametrize("opset", [9, 11, 13, 21])
def test_a_scan_has_several_sequences_axes_and_directions(opset: int, tmp_path: Path) -> None:
    inner = body(
        [node("Concat", ["a", "b"], ["x"], axis=1), *CELL, node("Add", ["c", "h1"], ["c1"])],
        "h c a b",
        "h1 c1 y q",
    )
    scan = node(
        "Scan",
        ["h0", "c0", "s", "t"],
        ["hn", "cn", "ys", "qs"],
        body=inner,
        num_scan_inputs=2,
        scan_input_axes=[1, 2],
        scan_input_directions=[0, 1],
        scan_output_axes=[1, 2],
        scan_output_directions=[1, 0],
    )
    inputs = {"s": ["n", "t", 1], "t": ["n", 2, "t"], "h0": ["n", 4], "c0": ["n", 4]}
    found = read(file(tmp_path / "m.onnx", [scan], inputs, "hn cn ys qs", ARRAYS, opset))
    assert found.text.count("flip(time)") == 2
    assert len(loops(found.graph)) == 1
    assert "(T, 1)" in found.text


def test_time_may_come_first_and_a_state_may_start_from_zeros(tmp_path: Path) -> None:
    scan = node("Scan", ["h0", "x"], ["hn", "ys"], body=SCAN, num_scan_inputs=1)
    arrays = {**ARRAYS, "h0": np.zeros((2, 4), np.float32)}
    found = read(file(tmp_path / "m.onnx", [scan], {"x": [70, 2, 3]}, "ys", arrays))
    assert "constant(0, 4)" in found.text
    assert found.weights.keys() == {key for key in found.weights if "fc" in key}


def test_bodies_may_name_their_tensors_alike(tmp_path: Path) -> None:
    scans = [
        node("Scan", ["h0", "s"], ["hn", "ys"], body=SCAN, num_scan_inputs=1, scan_input_axes=[1],
             scan_output_axes=[1]),
        node("MatMul", ["ys", "v"], ["s2"]),
        node("Scan", ["hn", "s2"], ["p", "r"], body=SCAN, num_scan_inputs=1, scan_input_axes=[1]),
    ]  # fmt: skip
    arrays = {**ARRAYS, "v": weights(4, 3)}
    inputs = {"s": ["n", "t", 3], "h0": ["n", 4]}
    found = read(file(tmp_path / "m.onnx", scans, inputs, "p r", arrays))
    assert len(loops(found.graph)) == 2
    assert "weights=@" in found.text


def test_a_scan_that_carries_nothing_on_is_one_that_hands_on_what_nothing_reads(
    tmp_path: Path,
) -> None:
    inner = body([node("MatMul", ["x", "w"], ["y"])], "x", "y")
    scan = node("Scan", ["s"], ["ys"], body=inner, num_scan_inputs=1)
    found = read(file(tmp_path / "m.onnx", [scan], {"s": ["t", "n", 3]}, "ys", ARRAYS))
    assert "for " in found.text


def loop(nodes: list[NodeProto], outputs: str = "ys") -> list[NodeProto]:
    inner = body([*nodes, *CELL], "i go h", "go h1 y")
    return [
        node("Shape", ["s"], ["shape"]),
        node("Gather", ["shape", "one"], ["many"], axis=0),
        node("Loop", ["many", "", "h0"], ["hn", "ys"], body=inner, name="loop"),
    ]


LOOPED = {**ARRAYS, "one": np.int64(1), "axis": np.int64([1]), "four": np.int64(4)}


@pytest.mark.parametrize(
    ("taken", "words"),
    [
        ([node("Gather", ["s", "i"], ["x"], axis=1)], []),
        (
            [
                node("Unsqueeze", ["i", "zero"], ["j"]),
                node("Gather", ["s", "j"], ["z"], axis=1),
                node("Squeeze", ["z", "axis"], ["x"]),
            ],
            [],
        ),
        (
            [
                node("Sub", ["many", "i"], ["k"]),
                node("Sub", ["k", "one"], ["j"]),
                node("Gather", ["s", "j"], ["x"], axis=1),
            ],
            ["flip("],
        ),
    ],
)
def test_a_loop_over_the_steps_of_a_sequence_is_a_recurrence(
    taken: list[NodeProto], words: list[str], tmp_path: Path
) -> None:
    inputs = {"s": ["n", "t", 3], "h0": ["n", 4]}
    arrays = {**LOOPED, "zero": np.int64([0])}
    found = read(file(tmp_path / "m.onnx", loop(taken), inputs, "hn ys", arrays))
    assert len(loops(found.graph)) == 1
    assert "(T, 3)" in found.text
    assert all(word in found.text for word in words)


def test_a_loop_may_skip_steps_at_the_ends(tmp_path: Path) -> None:
    inner = body(
        [node("Add", ["i", "one"], ["j"]), node("Gather", ["s", "j"], ["x"], axis=1), *CELL],
        "i go h",
        "go h1 y",
    )
    nodes = [node("Loop", ["four", "", "h0"], ["hn", "ys"], body=inner)]
    inputs = {"s": ["n", 9, 3], "h0": ["n", 4]}
    found = read(file(tmp_path / "m.onnx", nodes, inputs, "hn ys", LOOPED))
    assert "slice(1, 5" in found.text


def test_a_list_that_a_loop_fills_is_what_all_steps_made(tmp_path: Path) -> None:
    inner = body(
        [
            node("Gather", ["s", "i"], ["x"], axis=1),
            *CELL,
            node("SequenceInsert", ["list", "y"], ["more"]),
            node("Identity", ["yes"], ["on"]),
        ],
        "i go h",
        "on h1",
    )
    sequence = helper.make_tensor_sequence_value_info
    inner.input.append(sequence("list", FLOAT, None))
    inner.output.append(sequence("more", FLOAT, None))
    nodes = [
        *loop([])[:2],
        node("SequenceEmpty", [], ["none"]),
        node("Loop", ["many", "yes", "h0", "none"], ["hn", "list"], body=inner),
        node("ConcatFromSequence", ["list"], ["stacked"], axis=1, new_axis=1),
        node("ConcatFromSequence", ["list"], ["joined"], axis=1),
    ]
    # The body's list may not be called as that outside.
    nodes[3].output[1] = nodes[4].input[0] = nodes[5].input[0] = "filled"
    inputs = {"s": ["n", 70, 3], "h0": ["n", 4]}
    path = tmp_path / "m.onnx"
    file(path, nodes, inputs, "hn stacked joined", {**LOOPED, "yes": np.asarray(True)})
    assert len(loops(read(path).graph)) == 1


def refine(passes: int) -> tuple[list[NodeProto], dict[str, Any]]:
    inner = body(
        [
            node("MatMul", ["h", "u"], ["q"]),
            node("Add", ["q", "s"], ["r"]),
            node("Relu", ["r"], ["h1"]),
        ],
        "i go h",
        "go h1",
    )
    arrays = {"u": ARRAYS["u"], "many": np.int64(passes)}
    return [node("Loop", ["many", "", "s"], ["y"], body=inner, name="refine")], arrays


def test_passes_over_no_tensor_are_written_out_where_they_are_few(tmp_path: Path) -> None:
    nodes, arrays = refine(3)
    found = read(file(tmp_path / "m.onnx", nodes, {"s": ["n", 4]}, "y", arrays))
    assert found.text.count("fc-4") == 3
    assert found.text.count("weights=@") == 2


def test_many_passes_over_no_tensor_are_listed(tmp_path: Path) -> None:
    nodes, arrays = refine(300)
    path = file(tmp_path / "m.onnx", nodes, {"s": ["n", 4]}, "y", arrays)
    with pytest.raises(NetspecError, match=r"Loop refine .*300 passes that goes over no tensor"):
        netspec.from_onnx(path)


def test_what_ends_when_numbers_say_so_is_listed(tmp_path: Path) -> None:
    nodes = [
        node("MatMul", ["h", "u"], ["q"]),
        node("ReduceSum", ["q"], ["sum"], keepdims=0),
        node("Less", ["sum", "k"], ["on"]),
    ]
    looped = node("Loop", ["", "yes", "s"], ["y"], body=body(nodes, "i go h", "on q"), name="until")
    arrays = {"u": ARRAYS["u"], "k": np.float32(3), "yes": np.asarray(True)}
    path = file(tmp_path / "m.onnx", [looped], {"s": ["n", 4]}, "y", arrays)
    with pytest.raises(NetspecError, match=r"Loop until .*ends when what it computes says so"):
        netspec.from_onnx(path)


def test_a_recurrence_is_cut_as_a_whole(tmp_path: Path) -> None:
    cell = [
        node("Shrink", ["x"], ["x1"], name="cut"),
        node("MatMul", ["x1", "w"], ["p"]),
        *CELL[1:],
    ]
    nodes = [
        node("Relu", ["s"], ["positive"]),
        node("Scan", ["h0", "positive"], ["hn", "ys"], body=body(cell, "h x", "h1 y"),
             num_scan_inputs=1, scan_input_axes=[1], name="scan"),
        node("MatMul", ["hn", "u"], ["z"]),
    ]  # fmt: skip
    path = file(tmp_path / "m.onnx", nodes, {"s": ["n", 6, 3], "h0": ["n", 4]}, "z", ARRAYS)
    with pytest.raises(NetspecError, match="Shrink cut"):
        netspec.from_onnx(path)
    found = netspec.from_onnx(path, partial=True)
    assert "input missing_scan: 4" in found.text
    assert "Shrink cut" in found.text
    assert "for " not in found.text
    assert found.proof is not None
    assert found.proof.parts


def test_a_state_of_each_sample_its_own_is_listed(tmp_path: Path) -> None:
    scan = node("Scan", ["h0", "x"], ["hn", "ys"], body=SCAN, num_scan_inputs=1, name="scan")
    arrays = {**ARRAYS, "h0": weights(2, 4)}
    path = file(tmp_path / "m.onnx", [scan], {"x": [70, 2, 3]}, "ys", arrays)
    with pytest.raises(NetspecError, match=r"Scan scan .*differs from sample to sample"):
        netspec.from_onnx(path)


def nested(depth: int, passes: int) -> tuple[NodeProto, dict[str, Any]]:
    inner = body([node("Relu", ["h"], ["h1"])], "i go h", "go h1")
    for _ in range(depth - 1):
        again = node("Loop", ["many", "", "h"], ["h1"], body=inner)
        inner = body([again], "i go h", "go h1")
    return node("Loop", ["many", "", "s"], ["y"], body=inner), {"many": np.int64(passes)}


def test_loops_in_loops_are_counted_before_they_are_written_out(tmp_path: Path) -> None:
    looped, arrays = nested(8, 60)
    path = file(tmp_path / "m.onnx", [looped], {"s": ["n", 4]}, "y", arrays)
    with pytest.raises(NetspecError, match="more than 20,000 nodes"):
        netspec.from_onnx(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda scan: scan.input.append("h0"),
        lambda scan: scan.attribute.pop(),
        lambda scan: scan.attribute[0].g.output.pop(),
        lambda scan: scan.attribute[0].g.node.pop(),
        lambda scan: scan.attribute.extend(
            [
                helper.make_attribute("scan_input_axes", [7]),
                helper.make_attribute("scan_output_axes", [9]),
            ]
        ),
        lambda scan: scan.attribute[0].g.input.pop(),
        lambda scan: scan.input.__setitem__(1, "nowhere"),
    ],
)
def test_a_loop_that_is_none_is_refused(change: Any, tmp_path: Path) -> None:
    scan = node("Scan", ["h0", "x"], ["hn", "ys"], body=SCAN, num_scan_inputs=1)
    change(scan)
    path = file(tmp_path / "m.onnx", [scan], {"x": [9, "n", 3], "h0": ["n", 4]}, "ys", ARRAYS)
    with pytest.raises(NetspecError):
        netspec.from_onnx(path)
