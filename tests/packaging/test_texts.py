"""What is written for the Hub, MLflow and PyTorch is what their files are made of."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from safetensors.torch import load_file, save
from support.shelves import shipped

import netspec
from netspec.elaborate.build import build
from netspec.graph.checked import Graph
from netspec.packaging.config import config
from netspec.packaging.facts import facts
from netspec.packaging.hub import front_matter
from netspec.packaging.mlflow import mlflow_files
from netspec.packaging.spec import packaged
from netspec.packaging.state import write_state
from netspec.packaging.yaml import as_yaml
from netspec.syntax.files import read_spec
from netspec.weights.sources import Seeded

yaml = pytest.importorskip("yaml")


def told(name: str, **settings: Any) -> Any:
    return facts(build(read_spec(name), settings, expectations=False))


def front(name: str, **options: Any) -> dict[str, Any]:
    graph = build(read_spec(name), expectations=False)
    usual = {"name": name, "license": "mit", "trained": True}
    return front_matter(graph, facts(graph), **{**usual, **options})


# --- what is told of nets


@pytest.mark.parametrize(
    ("name", "task", "classes", "features"),
    [
        ("lenet5", "image-classification", 10, 84),
        ("vgg16", "image-classification", 1000, 4096),
        ("resnet50", "image-classification", 1000, 2048),
        ("nin", "image-classification", 1000, 1024),
        ("densenet121", "image-classification", 1000, 1024),
        ("fcn8s", "image-segmentation", 0, 0),
        ("vae", "", 0, 0),
        ("sentence_cnn", "", 2, 300),
        ("captioning", "", 0, 0),
        ("inception_naive", "", 0, 0),
    ],
)
def test_a_net_s_task_and_classes_follow_from_its_spec(
    name: str, task: str, classes: int, features: int
) -> None:
    found = told(name)
    assert (found.task, found.classes, found.features) == (task, classes, features)


def test_a_task_line_goes_before_what_figures_tell(net: Any) -> None:
    said = (
        'net a\ntask "Depth estimation"\nerror top1=3, on="x", source="y"\ninput 3x8x8\nconv3-8\n'
    )
    assert facts(net(said)).task == "depth-estimation"
    assert facts(net(said.replace("Depth estimation", "guessing"))).task == "image-classification"


# --- the card's front matter


def test_front_matter_is_yaml_of_the_hub_s_keys(written: Path) -> None:
    text = (written / "README.md").read_text()
    _, matter, body = text.split("---\n", 2)
    found = yaml.safe_load(matter)
    assert found["license"] == "mit"
    assert found["library_name"] == "onnx"
    assert found["pipeline_tag"] == "image-classification"
    assert set(found) == {"license", "library_name", "pipeline_tag", "tags"}
    assert body.lstrip().startswith("# small\n")


def test_metrics_and_data_sets_are_of_trained_weights_only() -> None:
    found = front("resnet18")
    assert found["datasets"] == ["imagenet-1k"]
    (entry,) = found["model-index"]
    for result in entry["results"]:
        assert result["task"] == {"type": "image-classification"}
        assert result["dataset"] == {"type": "imagenet-1k", "name": "ImageNet validation"}
        assert all(0 < metric["value"] < 100 for metric in result["metrics"])
        assert all("published: " in metric["name"] for metric in result["metrics"])
    assert not {"model-index", "datasets"} & front("resnet18", trained=False).keys()


def test_an_error_becomes_the_accuracy_that_it_leaves() -> None:
    values = [
        (metric["type"], metric["value"])
        for result in front("wrn50_2")["model-index"][0]["results"]
        for metric in result["metrics"]
    ]
    stated = re.findall(r"error top1=([\d.]+), top5=([\d.]+)", read_spec("wrn50_2").text)
    expected = [("accuracy", round(100 - float(x), 6)) for pair in stated for x in pair]
    assert values == expected != []


@pytest.mark.parametrize(
    ("license", "found"),
    [
        ("", {}),
        ("Apache-2.0", {"license": "apache-2.0"}),
        ("ResNet for friends!", {"license": "other", "license_name": "resnet-for-friends"}),
        ("other", {"license": "other"}),
    ],
)
def test_licences_are_the_hub_s_words(license: str, found: dict[str, str]) -> None:
    keys = {k: v for k, v in front("lenet5", license=license).items() if "license" in k}
    assert keys == found


def test_texts_of_a_spec_are_no_markup_and_no_yaml(net: Any) -> None:
    said = "<script>alert(1)</script> | **x** [y](z)"
    graph = net(f'net a\npaper "{said}"\ninput 3x8x8\nconv3-8\n')
    from netspec.packaging.card import Card

    spec = packaged(graph)
    report = {"files": {"onnx/model.onnx": {}}, "versions": {}}
    matter = {"license": "other", "license_name": 'a"\n---\nb: c \x85\u2028\U0001f600'}
    text = Card(graph, facts(graph), spec, "a", matter, "x", {}, report, "").text()
    assert said not in text.split("## Layers")[0]
    assert "<script>" not in text
    assert yaml.safe_load(text.split("---\n")[1].split("\n---\n")[0]) == matter


@pytest.mark.parametrize(
    "value",
    [
        {"a": 1, "b": None, "c": True, "d": 0.1, "e": "no", "f": "1.0", "g": "", "h": [], "i": {}},
        {"a": [1, [2, 3], {"b": [{"c": 1, "d": [{"e": {"f": "x: y # z"}}]}]}]},
        {"a": [{"pip": ["x==1", "y"]}, "z"], "b": {"c": {"d": {"e": 1}}}},
        {"a": "\n\t\\ \" ' \x00 \x7f \x85 \u2028 \ufeff \U0001f600 é ---"},
    ],
)
def test_yaml_reads_back(value: dict[str, Any]) -> None:
    assert yaml.safe_load(as_yaml(value)) == value


# --- MLflow


@pytest.mark.parametrize("name", ["lenet5", "captioning", "fast_rcnn", "gpt2", "vae", "c3d"])
def test_the_signature_is_that_of_the_file(name: str, tmp_path: Path) -> None:
    from netspec.backends.onnx.compile import prepared
    from netspec.backends.onnx.lowering import lower

    graph = build(read_spec(name), expectations=False)
    model = lower(prepared(graph))
    head = onnx.GraphProto.FromString(model.graph)
    about = yaml.safe_load(mlflow_files(facts(graph), "model.onnx", "0" * 64)["MLmodel"])
    for key, tensors in (("inputs", head.input), ("outputs", head.output)):
        said = json.loads(about["signature"][key])
        assert [item["name"] for item in said] == [item.name for item in tensors]
        for item, tensor in zip(said, tensors, strict=True):
            kind = tensor.type.tensor_type
            dtype = onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type)
            sizes = [d.dim_value if d.HasField("dim_value") else -1 for d in kind.shape.dim]
            assert item["tensor-spec"] == {"dtype": str(dtype), "shape": sizes}


def test_an_mlflow_model_names_files_that_are_there(written: Path) -> None:
    folder = written / "onnx"
    about = yaml.safe_load((folder / "MLmodel").read_text())
    function = about["flavors"]["python_function"]
    assert (folder / function["data"]).is_file()
    assert function["loader_module"] == "mlflow.onnx"
    conda = yaml.safe_load((folder / function["env"]["conda"]).read_text())
    virtual = yaml.safe_load((folder / function["env"]["virtualenv"]).read_text())
    wanted = (folder / "requirements.txt").read_text().split()
    assert conda["dependencies"][-1] == {"pip": wanted}
    assert virtual["dependencies"] == ["-r requirements.txt"]
    assert [line.partition("==")[0] for line in wanted] == [
        "mlflow",
        "numpy",
        "onnx",
        "onnxruntime",
    ]


# --- config.json


def test_config_says_how_the_net_is_built_and_of_what_kind_it_is(written: Path) -> None:
    said = json.loads((written / "config.json").read_text())
    assert said["model_type"] == "netspec"
    assert (said["architecture"], said["num_classes"], said["num_features"]) == ("small", 5, 8)
    assert said["netspec"]["spec"] == "small.ns"
    assert said["netspec"]["models"]["int8"] == "onnx/model_int8.onnx"
    assert all((written / name).is_file() for name in said["netspec"]["models"].values())
    assert said["netspec"]["pretrained_cfg"]["input_size"] == [3, 16, 16]
    # At the top it would be taken for a checkpoint of timm's.
    assert "pretrained_cfg" not in said


def test_a_net_that_is_no_classifier_has_no_classes() -> None:
    graph = shipped("captioning")
    said = config(
        graph, facts(graph), packaged(graph), labels=(), logits=False, models={}, weights=""
    )
    assert set(said) == {"model_type", "architecture", "netspec"}


# --- weights


SPECS = [
    "conv3-8(norm=bn); gap; fc-5",
    "freeze { conv3-8(pad=same, norm=bn) }; head aux(loss=0.3) { gap; fc-3 }; gap; fc-5",
    "conv3-3(pad=same) as a; relu; conv3-3(pad=same, weights=@a); gap; fc-2",
    "dwconv(fixed=[[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], bias=no); instancenorm(track=yes); gap",
    "reshape((3, 64)); lstm-6; layernorm; gap",
    "maxpool2; relu",
]


@pytest.mark.parametrize("text", SPECS)
def test_safetensors_are_the_state_dict_to_the_byte(text: str, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    graph = netspec.load(text, input="3x8x8").graph
    write_state(graph, Seeded(3), path)
    model = netspec.load(text, input="3x8x8").to_torch(seed=3)
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    assert path.read_bytes() == save(state, metadata={"format": "pt"})
    other = netspec.load(text, input="3x8x8").to_torch(seed=4)
    other.load_state_dict(load_file(path), strict=True)
    x = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(model.eval()(x), other.eval()(x))


def test_its_weights_are_those_of_its_onnx_files(graph: Graph, written: Path) -> None:
    from netspec.backends.runtime import Session
    from netspec.checkpoints import load

    module = netspec.load(str(written / "small.ns")).to_torch(
        weights=load(written / "model.safetensors", graph)
    )
    x = np.random.default_rng(0).standard_normal((3, 3, 16, 16), dtype=np.float32)
    with torch.no_grad():
        expected = module.eval()(torch.from_numpy(x)).numpy()
    for name, off in (("model", 1e-6), ("model_fp16", 1e-3), ("model_int8", 5e-2)):
        result = Session(written / "onnx" / f"{name}.onnx").run({"input": x})
        assert np.abs(result.outputs["output"] - expected).max() < off
