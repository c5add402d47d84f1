"""Archives of torch.export: read without torch's reader, and what a stranger may put into one."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from support.foreign_files import words
from support.watching import watching
from torch import nn
from torch.nn import functional as F

import netspec
from netspec.cli.main import main
from netspec.importing.archives import operators
from netspec.importing.opening import import_model

pytestmark = pytest.mark.filterwarnings("ignore")
MODEL = "models/model.json"
WEIGHTS = "data/weights/model_weights_config.json"


class Net(nn.Module):
    """Layers of several kinds, a size that follows from the batch, a constant, two outputs."""

    def __init__(self, heads: int = 2) -> None:
        super().__init__()
        self.conv, self.bn = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.heads = nn.MultiheadAttention(8, heads, batch_first=True) if heads else None
        self.norm, self.fc = nn.LayerNorm(8), nn.Linear(8, 5)
        self.register_buffer("factor", torch.full((8, 1, 1), 2.0), persistent=False)

    def forward(self, x: Any) -> Any:
        y = F.relu(self.bn(self.conv(x))) * self.factor * torch.tensor(0.5)
        y = F.max_pool2d(y, 2)[:, :, 1:]
        y = y.reshape(x.shape[0], 8, -1).transpose(1, 2)
        y = self.norm(y)
        y = y if self.heads is None else y + self.heads(y, y, y, need_weights=False)[0]
        return self.fc(y.mean(1)), torch.softmax(y, -1)


def saved(path: Path, module: nn.Module, *, free: bool = True, core: bool = False) -> Path:
    torch.manual_seed(0)
    shapes = ({0: torch.export.Dim("batch")},) if free else None
    example = (torch.randn(2, 3, 8, 8),)
    program = torch.export.export(module.eval(), example, dynamic_shapes=shapes)
    torch.export.save(program.run_decompositions() if core else program, path)
    return path


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The members of a good archive."""
    path = saved(tmp_path_factory.mktemp("archive") / "net.pt2", Net())
    with zipfile.ZipFile(path) as archive:
        return {m.filename: archive.read(m) for m in archive.infolist()}


def written(path: Path, members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def changed(
    members: dict[str, bytes], name: str, change: Callable[[Any], None]
) -> dict[str, bytes]:
    """The members with the JSON of one changed."""
    full = next(full for full in members if full.endswith(name))
    said = json.loads(members[full])
    change(said)
    return {**members, full: json.dumps(said).encode()}


@pytest.mark.parametrize("core", [False, True])
def test_an_archive_is_read_and_proven(core: bool, tmp_path: Path) -> None:
    found = import_model(saved(tmp_path / "first.pt2", Net(0 if core else 2), core=core))
    assert found.proof is not None
    assert found.proof.batches == (1, 3)
    assert found.proof.outputs == 2
    assert found.proof.error < 1e-5
    said = words(found)
    assert {"conv", "relu", "maxpool", "slice", "layernorm", "fc", "softmax"} <= set(said)
    assert ("attention" in said) or core
    assert found.graph.name == "first"


def test_a_fixed_batch_stays_fixed(tmp_path: Path) -> None:
    found = import_model(saved(tmp_path / "net.pt2", nn.Sequential(nn.Conv2d(3, 4, 3)), free=False))
    assert found.proof is not None
    assert found.proof.batches == (2,)


def test_the_library_and_the_command_read_it(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    path, out = saved(tmp_path / "net.pt2", module), tmp_path / "net.ns"
    result = CliRunner().invoke(main, ["import", str(path), "-o", str(out)])
    assert result.exit_code == 0, result.output
    assert "conv3-4; relu" in out.read_text()
    again = netspec.from_torch(torch.export.export(module, (torch.zeros(1, 3, 8, 8),)))
    assert netspec.from_torch(path).text.split("\n")[1:] == again.text.split("\n")[1:]
    with pytest.raises(TypeError, match="needs an example"):
        netspec.from_torch(module)


def test_weights_are_those_of_the_module(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3))
    found = import_model(saved(tmp_path / "net.pt2", module))
    weight = next(array for array in found.weights.values() if array.ndim == 4)
    assert torch.equal(torch.from_numpy(weight.copy()), module[0].weight)


def test_archives_before_torch_2_8(whole: dict[str, bytes], tmp_path: Path) -> None:
    def held(tensors: dict[str, Any]) -> bytes:
        file = io.BytesIO()
        torch.save(tensors, file)
        return file.getvalue()

    program = torch.export.load(written(tmp_path / "new.pt2", whole))
    old = {
        "serialized_exported_program.json": whole["net/models/model.json"],
        "serialized_state_dict.pt": held(dict(program.state_dict)),
        "serialized_constants.pt": held(dict(program.constants)),
        "serialized_example_inputs.pt": held({}),
        "version": ".".join(map(str, torch._export.serde.schema.SCHEMA_VERSION)).encode(),
    }
    found = import_model(written(tmp_path / "net.pt2", old))
    assert found.text == import_model(written(tmp_path / "net.pt2", whole)).text


def test_every_operator_of_the_list_is_one_of_torch_s() -> None:
    for name in operators._ATEN | set(operators._own(torch)):
        overload = getattr(torch.ops.aten, name).overloads()[0]
        assert operators.callable_of(torch, f"torch.ops.aten.{name}.{overload}") is not None, name


def test_no_operator_of_the_list_takes_files_or_chance() -> None:
    for name in operators._ATEN | set(operators._own(torch)):
        for overload in getattr(torch.ops.aten, name).overloads():
            schema = getattr(getattr(torch.ops.aten, name), overload)._schema
            kinds = {str(argument.type) for argument in schema.arguments}
            # An order of products is called a path too: numbers.
            words = {argument.name for argument in schema.arguments if "str" in str(argument.type)}
            assert not words & {"filename", "path", "file"}, name
            assert not any("Generator" in kind for kind in kinds) or name == "dropout", name


# --- strangers


class Evil:
    def __reduce__(self) -> Any:
        return (_ran, ())


def _ran() -> None:
    raise AssertionError("an archive ran code")


CODE = "__import__('netspec').ran_by_an_archive()"


def node(said: Any, number: int = 0) -> Any:
    return said["graph_module"]["graph"]["nodes"][number]


def retarget(target: str) -> Callable[[Any], None]:
    return lambda said: node(said, 1).update(target=target)


def with_argument(value: Any) -> Callable[[Any], None]:
    def change(said: Any) -> None:
        node(said, 1)["inputs"][0]["arg"] = value

    return change


def of_weight(**given: Any) -> Callable[[Any], None]:
    def change(said: Any) -> None:
        entry = said["config"]["conv.weight"]
        for key, value in given.items():
            (entry if key in entry else entry["tensor_meta"])[key] = value

    return change


def sizes(*values: int) -> list[dict[str, int]]:
    return [{"as_int": value} for value in values]


def widened_input(said: Any) -> None:
    said["graph_module"]["graph"]["tensor_values"]["x"]["sizes"][2:] = sizes(2**20, 2**20)


def far_expanded(said: Any) -> None:
    graph = said["graph_module"]["graph"]
    names = [{"name": "self", "arg": {"as_tensor": {"name": "x"}}, "kind": 1}]
    names.append({"name": "repeats", "arg": {"as_ints": [2**20, 1, 2**10, 1]}, "kind": 1})
    call = {"target": "torch.ops.aten.repeat.default", "inputs": names, "metadata": {}}
    graph["nodes"].insert(0, {**call, "outputs": [{"as_tensor": {"name": "huge"}}]})


def large_sizes(said: Any) -> None:
    graph, before = said["graph_module"]["graph"], {"as_int": 2**62}
    for i in range(40):
        arguments = [before, before]
        inputs = [
            {"name": n, "arg": {"as_sym_int": a}, "kind": 1}
            for n, a in zip("ab", arguments, strict=True)
        ]
        made = {"as_name": f"n{i}"}
        graph["nodes"].append(
            {"target": "_operator.mul", "inputs": inputs, "outputs": [{"as_sym_int": made}]}
        )
        before = made  # fmt: skip


HOSTILE: dict[str, tuple[str, Callable[[Any], None], str]] = {
    "a target that runs": (MODEL, retarget("os.system"), "not among the operators"),
    "a target of Python": (MODEL, retarget("builtins.eval"), "not among the operators"),
    "an operator that reads files": (
        MODEL,
        retarget("torch.ops.aten.from_file.default"),
        "not among the operators",
    ),
    "an operator of others": (
        MODEL,
        retarget("torch.ops.evil.run.default"),
        "not among the operators",
    ),
    "an attribute of operators": (
        MODEL,
        retarget("torch.ops.aten.__class__.__init__"),
        "not among the operators",
    ),
    "a power of sizes": (MODEL, retarget("_operator.pow"), "not among the operators"),
    "no target": (MODEL, retarget(""), "not among the operators"),
    "a target that is no text": (MODEL, lambda s: node(s).update(target=["a"]), "its call 1"),
    "an object": (
        MODEL,
        with_argument({"as_custom_obj": {"name": "x", "class_fqn": "os.system"}}),
        "of the kind as_custom_obj",
    ),
    "an operator as an argument": (
        MODEL,
        with_argument({"as_operator": "os.system"}),
        "of the kind as_operator",
    ),
    "a graph inside": (MODEL, with_argument({"as_graph": {"name": "g"}}), "of the kind as_graph"),
    "a text": (MODEL, with_argument({"as_string": CODE}), "no argument's word"),
    "a number beyond all": (MODEL, with_argument({"as_int": 10**4000}), "whole number"),
    "a truth for a number": (MODEL, with_argument({"as_int": True}), "whole number"),
    "two kinds at once": (MODEL, with_argument({"as_int": 1, "as_bool": True}), "too many values"),
    "what nothing made": (
        MODEL,
        with_argument({"as_tensor": {"name": "lost"}}),
        "which nothing made",
    ),
    "an object among the inputs": (
        MODEL,
        lambda s: s["graph_module"]["signature"]["input_specs"].insert(
            0, {"custom_obj": {"arg": {"name": "o"}, "custom_obj_name": "o"}}
        ),
        "it holds a custom_obj",
    ),
    "a weight that changes": (
        MODEL,
        lambda s: s["graph_module"]["signature"]["output_specs"].insert(
            0, {"buffer_mutation": {"arg": {"name": "x"}, "buffer_name": "factor"}}
        ),
        "changes what it holds",
    ),
    "a large input": (MODEL, widened_input, "sizes that are none"),
    "a large tensor": (MODEL, far_expanded, "numbers"),
    "large sizes": (MODEL, large_sizes, "beyond all bounds"),
    "no graph": (MODEL, lambda s: s.pop("graph_module"), "graph_module"),
    "a pickled weight": (WEIGHTS, of_weight(use_pickle=True), "pickled"),
    "another member": (WEIGHTS, of_weight(path_name="../../models/model.json"), "has no"),
    "an absolute member": (WEIGHTS, of_weight(path_name="/etc/passwd"), "has no"),
    "more numbers than there are": (WEIGHTS, of_weight(sizes=sizes(800, 3, 3, 3)), "claims more"),
    "repeated numbers": (
        WEIGHTS,
        of_weight(sizes=sizes(2**40, 1), strides=sizes(0, 1)),
        "claims more",
    ),
    "numbers before the first": (
        WEIGHTS,
        of_weight(storage_offset={"as_int": -4}),
        "sizes are none",
    ),
    "numbers beyond the last": (
        WEIGHTS,
        of_weight(storage_offset={"as_int": 10**6}),
        "claims more",
    ),
    "a type that there is not": (WEIGHTS, of_weight(dtype=99), "KeyError"),
    "no weights": (WEIGHTS, lambda s: s["config"].pop("conv.weight"), "are not there"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_texts_are_refused(name: str, whole: dict[str, bytes], tmp_path: Path) -> None:
    member, change, reason = HOSTILE[name]
    path = written(tmp_path / "net.pt2", changed(whole, member, change))
    with pytest.raises(netspec.NetspecError, match=rf"(?s)NS801.*{reason}"):
        import_model(path)


def test_expressions_are_not_evaluated(
    whole: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(netspec, "ran_by_an_archive", _ran, raising=False)

    def change(said: Any) -> None:
        graph = said["graph_module"]["graph"]
        for values in (graph["tensor_values"], graph["sym_int_values"]):
            for meta in values.values():
                for size in meta.get("sizes", [meta]):
                    if "as_expr" in size:
                        size["as_expr"]["expr_str"] = CODE
        said["guards_code"] = [CODE]
        said["range_constraints"] = {CODE: {"min_val": 0, "max_val": None}}

    found = import_model(written(tmp_path / "net.pt2", changed(whole, MODEL, change)))
    assert found.proof is not None


def test_pickles_are_not_loaded(whole: dict[str, bytes], tmp_path: Path) -> None:
    evil = pickle.dumps(Evil())
    inputs = next(name for name in whole if "sample_inputs" in name)
    found = import_model(written(tmp_path / "net.pt2", {**whole, inputs: evil}))
    assert found.proof is not None
    file = io.BytesIO()
    torch.save({"conv.weight": Evil()}, file)
    old = {
        "serialized_exported_program.json": whole["net/models/model.json"],
        "serialized_state_dict.pt": file.getvalue(),
        "serialized_constants.pt": b"",
        "version": b"8.20",
    }
    with pytest.raises(netspec.NetspecError, match="only running code would make"):
        import_model(written(tmp_path / "old.pt2", old))


def damaged(whole: dict[str, bytes], folder: Path) -> Iterator[tuple[Path, str]]:
    model = "net/models/model.json"
    yield written(folder / "a.pt2", whole, zipfile.ZIP_DEFLATED), "compressed|claim more"
    bomb = {**whole, "net/data/weights/weight_0": bytes(2**26)}
    yield written(folder / "b.pt2", bomb, zipfile.ZIP_DEFLATED), "compressed|claim more"
    yield written(folder / "c.pt2", {**whole, model: b"[" * 10**6}), "nested too deep|not JSON"
    yield written(folder / "d.pt2", {**whole, model: b'{"a": 1'}), "not JSON"
    yield written(folder / "e.pt2", {**whole, model: b"[1, 2]"}), "indices must be|cannot be read"
    yield written(folder / "f.pt2", {k: v for k, v in whole.items() if k != model}), "has no models"
    yield written(folder / "g.pt2", {"../../x": b"1"}), "no archive of torch.export"
    data = (folder / "d.pt2").read_bytes()
    (folder / "h.pt2").write_bytes(data[: len(data) // 2])
    yield folder / "h.pt2", "broken archive"
    lying = bytearray(written(folder / "i.pt2", whole).read_bytes())
    at = lying.rindex(b"PK\x01\x02")
    lying[at + 20 : at + 28] = (2**31).to_bytes(4, "little") * 2
    (folder / "i.pt2").write_bytes(lying)
    yield folder / "i.pt2", "claim more bytes"
    with zipfile.ZipFile(folder / "j.pt2", "w") as archive:
        for _ in range(2):
            archive.writestr(model, whole[model])
    yield folder / "j.pt2", "twice"


def test_damaged_archives_are_refused(whole: dict[str, bytes], tmp_path: Path) -> None:
    for path, reason in damaged(whole, tmp_path):
        with pytest.raises(netspec.NetspecError, match=rf"NS801.*({reason})"):
            import_model(path)


def test_an_archive_has_no_sizes_of_its_own_to_set(whole: dict[str, bytes], tmp_path: Path) -> None:
    with pytest.raises(netspec.NetspecError, match="NS815"):
        import_model(written(tmp_path / "net.pt2", whole), sizes={"H": 3})


def test_no_plain_file_is_no_archive(tmp_path: Path) -> None:
    with pytest.raises(netspec.NetspecError):
        import_model(tmp_path)
    with pytest.raises(netspec.NetspecError):
        import_model(tmp_path / "missing.pt2")


def test_an_archive_is_opened_once_however_many_members(
    whole: dict[str, bytes], tmp_path: Path
) -> None:
    path = written(tmp_path / "net.pt2", whole)
    with watching() as seen:
        import_model(path)
    assert len([read for read in seen.read if read.name == path.name]) <= 2


class Steps(nn.Module):
    """Calls that modules make beside layers."""

    def __init__(self, step: Callable[[nn.Module, Any], Any]) -> None:
        super().__init__()
        self.conv, self.step = nn.Conv2d(3, 8, 3, padding=1), step
        self.normed = nn.utils.parametrizations.weight_norm(nn.Conv2d(8, 4, 1))
        self.cell, self.fc = nn.GRUCell(8, 8), nn.Linear(8, 6)
        self.places = nn.Linear(8, 6)
        nn.init.normal_(self.places.weight, std=0.01)

    def forward(self, x: Any) -> Any:
        return self.step(self, self.conv(x))


def _warped(net: Any, y: Any) -> Any:
    places = net.places(y.mean((2, 3))).view(-1, 2, 3)
    return F.grid_sample(
        y, F.affine_grid(places, y.shape, align_corners=False), align_corners=False
    )


def _turned(net: Any, y: Any) -> Any:
    state = torch.zeros(y.shape[0], 8)
    for number in range(3):
        state = net.cell(y[:, :, number].mean(-1), state)
    return state


CALLS: dict[str, tuple[Callable[[Any, Any], Any], str]] = {
    "weight norm": (lambda net, y: net.normed(y), "conv1-4"),
    "cells": (_turned, "weights=@"),
    "index": (lambda net, y: y[:, [3, 1, 0, 2]], "pick((3, 1, 0, 2))"),
    "einsum": (lambda net, y: torch.einsum("bchw,bdhw->bcd", y, y), "matmul"),
    "movedim": (lambda net, y: net.fc(y.movedim(1, -1)).movedim(-1, 1), "fc-6(over=channels)"),
    "warp": (_warped, "affine_grid(8)"),
    "top": (lambda net, y: y.mean((2, 3)).topk(3, 1)[0], "topk(3)"),
    "made": (lambda net, y: y * torch.linspace(0, 1, 8), "parameter"),
    "logarithm": (lambda net, y: F.logsigmoid(y) + torch.log1p(y.abs()), "log"),
}


@pytest.mark.parametrize("name", CALLS)
def test_calls_of_torch_are_read(name: str, tmp_path: Path) -> None:
    step, word = CALLS[name]
    found = import_model(saved(tmp_path / "net.pt2", Steps(step)))
    assert found.proof is not None
    assert word in found.text


def test_what_torch_cannot_write_is_told_and_nothing_printed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = saved(tmp_path / "net.pt2", Steps(lambda net, y: torch.expm1(y)))
    with pytest.raises(netspec.NetspecError, match="expm1"):
        import_model(path)
    assert capfd.readouterr() == ("", "")
