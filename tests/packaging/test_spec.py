"""The spec of a package builds the same net from there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from netspec.diagnostics.messages.packages import CannotPackage
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.source import Source
from netspec.elaborate.build import build
from netspec.graph.checked import Graph
from netspec.graph.same import same
from netspec.packaging.spec import built, packaged
from netspec.syntax.files import read_spec


def again(graph: Graph, folder: Path) -> Graph:
    spec = packaged(graph)
    spec.write(folder, graph)
    return built(folder, json.loads(json.dumps(spec.as_json())))


def test_what_it_imports_goes_along(graph: Graph, tmp_path: Path) -> None:
    assert same(graph, again(graph, tmp_path)) is not None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["parts.ns", "small.ns"]


@pytest.mark.parametrize(
    ("name", "settings", "inputs"),
    [
        ("lenet5", {}, ()),
        ("mobilenet_v1", {"alpha": 0.5}, ()),
        ("mobilenet_v1", {"alpha": 0.5}, ("3x160x160",)),
        ("resnet18", {}, ("3xHxW",)),
        ("convnext_small", {}, ()),
        ("swin_s", {}, ()),
        ("vgg16_transfer", {}, ()),
        ("bert_base", {"layers": "2", "n": "96"}, ()),
        ("fast_rcnn", {}, ()),
        ("captioning", {}, ()),
    ],
)
def test_settings_sizes_variations_and_several_inputs(
    name: str, settings: dict[str, object], inputs: tuple[str, ...], tmp_path: Path
) -> None:
    graph = build(read_spec(name), settings, inputs)
    other = again(graph, tmp_path)
    assert same(graph, other) is not None
    assert other.name == graph.name
    assert [node.path for node in other.nodes] == [node.path for node in graph.nodes]


def test_a_text_gets_the_name_of_its_net(tmp_path: Path) -> None:
    graph = build(Source("<text>", "conv3-8; gap; fc-3"), {}, ("3x9x9",))
    spec = packaged(graph)
    assert (spec.spec, spec.inputs) == ("net.ns", ("input:3x9x9",))
    assert same(graph, again(graph, tmp_path)) is not None


def test_a_file_with_an_unfit_name_gets_another(tmp_path: Path) -> None:
    path = tmp_path / "my net; rm -rf.ns"
    path.write_text("input 3x9x9\nconv3-8\n")
    assert packaged(build(read_spec(str(path)))).spec == "net.ns"


def test_the_arguments_of_load_build_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import netspec

    graph = build(read_spec("mobilenet_v1"), {"alpha": 0.5}, ("3x160x160",))
    spec = packaged(graph)
    spec.write(tmp_path, graph)
    monkeypatch.chdir(tmp_path)
    net = eval(f"netspec.load({spec.arguments()})", {"netspec": netspec})
    assert same(net.graph, graph) is not None


def test_what_would_build_another_net_is_refused(tmp_path: Path) -> None:
    """A file beside the spec that a shipped one imports by the same name takes its place there."""
    beside = tmp_path / "specs"
    beside.mkdir()
    (beside / "mine.ns").write_text("import vgg16_transfer\ninput 3x224x224\nvgg16_transfer\n")
    graph = build(read_spec(str(beside / "mine.ns")))
    folder = tmp_path / "package"
    folder.mkdir()
    assert same(graph, again(graph, folder)) is not None
    spec = packaged(graph)
    for name, other in (
        ("vgg16.ns", "net vgg16\ninput 3x224x224\nconv3-4; conv3-8 as pool5\n"),
        ("mine.ns", "input 3x224x224\nconv3-4\n"),
    ):
        changed = type(spec)({**spec.files, name: other}, spec.spec, spec.settings, spec.inputs)
        with pytest.raises(NetspecError) as caught:
            changed.write(folder, graph)
        if name == "mine.ns":
            assert isinstance(caught.value.diagnostics[0].problem, CannotPackage)


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.ns").write_text("import vgg16_transfer\nimport vgg16\ninput 3x8x8\nvgg16\n")
    (tmp_path / "vgg16.ns").write_text("net vgg16\ninput 3x8x8\nconv3-4\n")
    graph = build(read_spec(str(tmp_path / "mine.ns")))
    with pytest.raises(NetspecError) as caught:
        packaged(graph)
    assert "two files that it imports are called vgg16.ns" in str(caught.value)
