"""Parts of maps in the batch come back as partitions of maps, whatever way they were folded."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from support import parted_nets as nets
from support.watching import at_most, counting
from torch import nn

import netspec
from netspec.importing.files.opened import open_file
from netspec.importing.imported import Imported, import_file
from netspec.importing.recognise.recognising import recognised

IMAGE, FRAMES = (3, 8, 8), (3, 3, 8, 8)
LAYER = ["layernorm", "attention", "add"]
SHIFTED = ["layernorm", "partition", "relative", "attention", "reassemble", "add"]
# Each net with its input and the steps after its stem, arrangements of single axes left out.
NETS: dict[str, tuple[nn.Module, tuple[int, ...], list[str]]] = {
    "windows": (nets.Shifted(shift=(0, 0), masked=False), IMAGE, SHIFTED),
    "shifted": (nets.Shifted(), IMAGE, SHIFTED),
    "oblong": (nets.Shifted((2, 3), (1, 1), (6, 12)), (3, 6, 12), SHIFTED),
    "two shifts": (nets.Shifted(shift=(1, 3)), IMAGE, SHIFTED),
    "one part along an axis": (nets.Shifted(shift=(2, 0), size=(8, 4)), (3, 8, 4), SHIFTED),
    "rolled only": (
        nets.Shifted(masked=False),
        IMAGE,
        ["layernorm", "roll", *SHIFTED[1:-1], "roll", "add"],
    ),
    "padded": (
        nets.Shifted(size=(6, 7)),
        (3, 6, 7),
        SHIFTED,
    ),
    "grid": (nets.Spaced(), IMAGE, ["partition", "attention", "reassemble", "add"]),
    "patches": (nets.Patches(), IMAGE, ["partition", *LAYER, "reassemble", "conv"]),
    "uneven patches": (nets.Patches(3), (3, 6, 9), ["partition", *LAYER, "reassemble", "conv"]),
    "columns and rows": (nets.Axial(), (3, 6, 5), ["partition", *LAYER, "reassemble"] * 2),
    "samples behind": (nets.Axial(True), (3, 6, 5), ["partition", *LAYER, "reassemble"] * 2),
    "frames": (
        nets.Frames(),
        (4, 3, 8, 8),
        ["partition", "conv", "relu", "gap", "reassemble", "gru", "slice", "fc"],
    ),
    "time and space": (
        nets.Divided(),
        FRAMES,
        ["partition", "conv", "reassemble", *["partition", *LAYER, "reassemble"] * 2, "gap"],
    ),
    "smaller parts": (nets.Convolved(), (3, 8, 12), ["partition", "conv", "relu", "reassemble"]),
    "both ways": (
        nets.Apart(),
        (3, 8, 6),
        ["partition", "partition", *LAYER, "reassemble", "reassemble"],
    ),
    "groups": (nets.Groups(), IMAGE, ["partition", "conv", "sigmoid", "mul", "reassemble"]),
    "cosine": (nets.Cosine(), IMAGE, ["attention", "gap"]),
    "by heads": (nets.ByHeads(), (3, 8, 6), ["attention", "relu"]),
    "merging": (nets.Merging(), (5, 6, 4), ["relu", "pixel_unshuffle"]),
}
_ARRANGED = {"transpose", "reshape", "sequence", "grid", "identity", "squeeze"}


def imported(
    module: nn.Module, shape: tuple[int, ...], path: Path, batch: int | None = None
) -> Imported:
    """The module by way of a file of torch's older exporter, its batch open where none is given."""
    path = path / "net.onnx"
    open_batch = {"x": {0: "batch"}} if batch is None else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module.eval(),
            (torch.randn(batch or 2, *shape),),
            str(path),
            dynamo=False,
            opset_version=17,
            input_names=["x"],
            dynamic_axes=open_batch,
        )
    return import_file(path)


def words(found: Imported) -> list[str]:
    return [n.op.spelling for n in found.graph.nodes[1:] if n.op.spelling not in _ARRANGED]


@pytest.mark.parametrize("name", NETS)
def test_parts_in_the_batch_are_partitions(name: str, tmp_path: Path) -> None:
    module, shape, steps = NETS[name]
    found = imported(module, shape, tmp_path)
    assert found.proof is not None
    assert found.proof.error < 1e-6
    assert words(found)[-len(steps) :] == steps
    assert len(words(found)) <= len(steps) + 1


@pytest.mark.parametrize("name", ["shifted", "patches", "samples behind", "time and space"])
@pytest.mark.parametrize("batch", [1, 2])
def test_the_batch_may_be_fixed(name: str, batch: int, tmp_path: Path) -> None:
    module, shape, steps = NETS[name]
    found = imported(module, shape, tmp_path, batch)
    assert found.proof is not None
    assert found.proof.batches == (batch,)
    assert words(found)[-len(steps) :] == steps


def parameters(found: Imported, word: str) -> list[dict[str, Any]]:
    return [
        {name: getattr(node.op, name) for name in node.op.params}
        for node in found.graph.nodes[1:]
        if node.op.spelling == word
    ]


def test_a_mask_of_a_rolled_map_is_its_shift(tmp_path: Path) -> None:
    module = nets.Shifted((2, 3), (1, 2), (6, 12))
    found = imported(module, (3, 6, 12), tmp_path)
    (part,) = parameters(found, "partition")
    assert (part["size"], part["shift"], part["spaced"]) == ((2, 3), (1, 2), False)
    tables = [array for name, array in found.weights.items() if name.endswith("bias_table")]
    assert len(tables) == 1
    np.testing.assert_array_equal(tables[0], module.table.detach().numpy())


def test_patches_are_told_by_their_number_where_that_stays(tmp_path: Path) -> None:
    module = nn.Sequential(nets.Patches(), nn.MaxPool2d(2), nn.Conv2d(4, 3, 1), nets.Patches())
    found = imported(module, (3, 16, 16), tmp_path)
    assert [p["by"] for p in parameters(found, "partition")] == [2, 2]
    alone = imported(nets.Patches(), (3, 16, 16), tmp_path)
    assert [p["size"] for p in parameters(alone, "partition")] == [8]


def test_another_mask_than_that_of_the_shift_is_refused(tmp_path: Path) -> None:
    module = nets.Shifted()
    module.mask[0, 0, 1] = -100.0
    with pytest.raises(netspec.NetspecError, match="differs from part to part") as caught:
        imported(module, IMAGE, tmp_path)
    assert caught.value.diagnostics[0].problem.code == "NS802"


def test_scores_that_are_no_table_of_offsets_are_kept(tmp_path: Path) -> None:
    module = nets.Shifted(shift=(0, 0), masked=False)
    module.index[0, 5] = 0
    found = imported(module, IMAGE, tmp_path)
    assert "parameter" in words(found)
    assert "relative" not in words(found)


@pytest.mark.parametrize(
    ("one", "other", "equation"),
    [
        ((2, 3, 4), (2, 5, 4), "bic,bjc->bij"),
        ((2, 3, 4), (2, 5, 4), "bic,bjc->bji"),
        ((2, 3, 4), (4, 6), "bic,co->bio"),
        ((2, 3, 4), (2, 4), "bic,bc->bi"),
        ((2, 3, 4, 5), (2, 6, 4, 5), "bhcd,bncd->bhn"),
        ((2, 4, 3), (2, 4, 5), "b c i, b c j"),
    ],
)
def test_a_product_by_einsum_is_one_of_matrices(
    one: tuple[int, ...], other: tuple[int, ...], equation: str
) -> None:

    from netspec.importing.files.einsum import as_products
    from netspec.importing.files.program import Array, Node

    random = np.random.default_rng(0)
    values: dict[str, Array] = {
        name: random.standard_normal(shape) for name, shape in (("a", one), ("b", other))
    }
    node = Node("Einsum", ("a", "b"), ("y",), {"equation": equation})
    shapes = {"a": one, "b": other}
    wanted = np.einsum(equation, values["a"], values["b"])
    nodes = as_products([node], {}, shapes)
    assert "Einsum" not in [n.op for n in nodes]
    # Rows by rows are no product of matrices.
    rows = wanted.ndim == 2 and len(other) == 2 and one[0] == other[0]
    assert sum(n.op == ("Mul" if rows else "MatMul") for n in nodes) == 1
    for made in nodes:
        read = [values[name] for name in made.inputs]
        if made.op == "Transpose":
            values[made.output] = read[0].transpose(made.get("perm"))
        elif made.op == "Reshape":
            values[made.output] = read[0].reshape(made.get("shape"))
        elif made.op == "ReduceSum":
            values[made.output] = read[0].sum(made.get("axes"))
        else:
            values[made.output] = read[0] * read[1] if rows else read[0] @ read[1]
    np.testing.assert_allclose(values["y"], wanted)


class ByPlaces(nn.Module):
    """NesT's: parts in an axis behind the heads, and the heads inside of each channel."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.qkv, self.proj = nn.Conv2d(3, 8, 1), nn.Linear(8, 24), nn.Linear(8, 8)

    def forward(self, x: Any) -> Any:
        x = self.stem(x)
        n, c, height, width = x.shape
        y = x.view(n, c, height // 4, 4, width // 4, 4).permute(0, 2, 4, 3, 5, 1)
        y = y.reshape(n, -1, 16, c)
        parts, t = y.shape[1:3]
        q, k, v = self.qkv(y).reshape(n, parts, t, 3, 2, -1).permute(3, 0, 4, 1, 2, 5)
        seen = (q @ k.transpose(-2, -1) * 0.5).softmax(-1)
        y = y + self.proj((seen @ v).permute(0, 2, 3, 4, 1).reshape(n, parts, t, c))
        y = y.view(n, height // 4, width // 4, 4, 4, c).permute(0, 5, 1, 3, 2, 4)
        return y.reshape(n, c, height, width)


def test_channels_of_heads_are_put_in_order_in_the_layer_that_reads_them(tmp_path: Path) -> None:
    found = imported(ByPlaces(), IMAGE, tmp_path)
    assert words(found) == ["conv", "partition", "attention", "reassemble", "add"]
    assert "windows(4) { attention(2) }" in found.text


def test_work_grows_with_the_number_of_layers(tmp_path: Path) -> None:
    calls = []
    for count in (2, 8):
        module = nn.Sequential(*(nets.Shifted() for _ in range(count)))
        for layer in module[1:]:
            layer.stem = nn.Conv2d(8, 8, 1)
        imported(module, IMAGE, tmp_path)
        program = open_file(tmp_path / "net.onnx").program()
        with counting() as work:
            recognised(program, "net")
        calls.append(work.calls)
    assert calls[1] < 4.4 * calls[0]


def test_an_einsum_of_constants_is_computed_within_bounds(tmp_path: Path) -> None:
    def program(equation: str, *shapes: tuple[int, ...]) -> Any:
        arrays = {f"c{i}": np.ones(shape, np.float32) for i, shape in enumerate(shapes)}
        nodes = [
            helper.make_node("Einsum", list(arrays), ["e"], equation=equation),
            helper.make_node("Add", ["x", "e"], ["y"]),
        ]
        floats = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 4]) for name in "xy"]
        constants = [numpy_helper.from_array(array, name) for name, array in arrays.items()]
        graph = helper.make_graph(nodes, "net", floats[:1], floats[1:], constants)
        versions = [helper.make_opsetid("", 17)]
        onnx.save(helper.make_model(graph, opset_imports=versions, ir_version=8), path)
        return open_file(path).program()

    path = tmp_path / "net.onnx"
    found = program("i j, jk -> ik", (1, 3), (3, 4))
    assert [node.op for node in found.nodes] == ["Add"]
    with at_most(200_000):
        hostile = program("a,b,c,d,e->", *[(4096,)] * 5)
    assert [node.op for node in hostile.nodes] == ["Einsum", "Add"]


def test_a_border_that_makes_whole_parts_is_filled(tmp_path: Path) -> None:
    found = imported(nets.Shifted(size=(6, 7)), (3, 6, 7), tmp_path)
    assert [part["fill"] for part in parameters(found, "partition")] == [True]
    assert words(found)[-len(SHIFTED) :] == SHIFTED


def test_a_border_wider_than_a_part_stays_one(tmp_path: Path) -> None:
    module = nets.Shifted(shift=(0, 0), size=(6, 7), masked=False)
    module.whole = (12, 8)
    found = imported(module, (3, 6, 7), tmp_path)
    assert [part["fill"] for part in parameters(found, "partition")] == [False]
    assert "pad" in words(found)


def test_windows_of_our_own_come_back_to_the_bit(tmp_path: Path) -> None:
    text = "residual { layernorm; windows(4, shift=1) { attention(2, scores=relative(2)) } }"
    netspec.load(f"input 8x8x8\n{text}\n").to_onnx(tmp_path / "net.onnx")
    found = import_file(tmp_path / "net.onnx")
    assert found.proof is not None
    assert found.proof.exact
    assert text in found.text


def test_windows_are_attended_by_queries_that_are_tiled(tmp_path: Path) -> None:
    text = """input 8x4x6
conv1-8/2(act=relu) as query
@input; partition(2x3); conv1-16; split(2) as k, v
@query; { | identity | identity }; concat(axis=time); transpose((0, 2, 1))
{ | identity | identity }; concat(axis=time); transpose((0, 2, 1))
partition(2x3); attend(2, @k, @v, scores=relative(2)); reassemble(@input, 2x3)
"""
    netspec.load(text).to_onnx(tmp_path / "net.onnx")
    found = import_file(tmp_path / "net.onnx")
    assert found.proof is not None
    assert found.proof.exact
    assert "attend(2, " in found.text
    assert "relative(2)" in found.text


def test_scores_of_relative_places_stay_in_their_windows(tmp_path: Path) -> None:
    look = "fc-24(over=channels); split(3) as q, k, v; @q; relative_scores(2) as s; @q"
    text = f"windows(4, fill=yes) {{ {look}; attend(2, @k, @v, scores=@s) }}"
    netspec.load(f"input 8x6x7\n{text}\n").to_onnx(tmp_path / "net.onnx")
    found = import_file(tmp_path / "net.onnx")
    assert found.proof is not None
    assert found.proof.exact
    assert words(found).count("relative_scores") == 1
