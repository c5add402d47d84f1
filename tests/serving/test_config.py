"""The text of a configuration: by Triton's schema, and what the ONNX file has."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from google.protobuf.text_format import ParseError
from support.shelves import shipped
from support.triton_schema import parse

from netspec.backends.onnx.compile import prepared
from netspec.backends.onnx.lowering import lower
from netspec.backends.onnx.options import FileOptions
from netspec.graph.checked import Graph
from netspec.serving.config import model_config
from netspec.serving.declared import Declared
from netspec.serving.deploy import deploy
from netspec.serving.interface import interface
from netspec.serving.pbtxt import Word, entries, sealed, text, untouched
from netspec.serving.settings import Serving
from netspec.syntax.files import shipped_names

TYPES = {"FLOAT": "TYPE_FP32", "INT64": "TYPE_INT64", "UINT8": "TYPE_UINT8", "FLOAT16": "TYPE_FP16"}
# Nets that take regions beside an image, which are no rows of a batch.
ALONE = {
    "fast_rcnn",
    "fasterrcnn_resnet50_fpn",
    "keypointrcnn_resnet50_fpn",
    "maskrcnn_resnet50_fpn",
}
LENET5 = """\
name: "lenet5"
backend: "onnxruntime"
default_model_filename: "model.onnx"
max_batch_size: 8
input {
  name: "input"
  data_type: TYPE_FP32
  dims: [ 1, 32, 32 ]
}
output {
  name: "output"
  data_type: TYPE_FP32
  dims: [ 10 ]
  label_filename: "output_labels.txt"
}
version_policy {
  latest {
    num_versions: 1
  }
}
instance_group {
  count: 1
  kind: KIND_AUTO
}
dynamic_batching { }
model_warmup {
  name: "1 rows"
  batch_size: 1
  inputs {
    key: "input"
    value {
      data_type: TYPE_FP32
      dims: [ 1, 32, 32 ]
      zero_data: true
    }
  }
}
model_warmup {
  name: "8 rows"
  batch_size: 8
  inputs {
    key: "input"
    value {
      data_type: TYPE_FP32
      dims: [ 1, 32, 32 ]
      zero_data: true
    }
  }
}
"""


def test_the_text_of_a_net(tmp_path: Path) -> None:
    deploy(shipped("lenet5"), tmp_path, FileOptions(), Serving())
    written = (tmp_path / "lenet5" / "config.pbtxt").read_text()
    assert written == sealed(LENET5)
    assert (tmp_path / "lenet5" / "output_labels.txt").read_text().split() == list("0123456789")
    assert sorted(p.name for p in (tmp_path / "lenet5").iterdir()) == [
        "1",
        "config.pbtxt",
        "output_labels.txt",
    ]


def agrees(graph: Graph, batch: int, config: object, file: onnx.GraphProto) -> None:
    """Holds a configuration to the file that it is for, by other code than what made it."""
    for declared, said in ((file.input, config.input), (file.output, config.output)):  # type: ignore[attr-defined]
        assert [item.name for item in declared] == [item.name for item in said]
        for item, tensor in zip(declared, said, strict=True):
            kind = item.type.tensor_type
            word = onnx.TensorProto.DataType.Name(kind.elem_type)
            enum = tensor.DESCRIPTOR.fields_by_name["data_type"].enum_type
            assert enum.values_by_number[tensor.data_type].name == TYPES[word]
            sizes = [dim.dim_value or -1 for dim in kind.shape.dim]
            assert sizes[0] == -1 if batch else True
            dims = list(tensor.reshape.shape if tensor.HasField("reshape") else tensor.dims)
            assert ([-1] if batch else []) + dims == sizes, item.name
            assert all(dim == -1 or dim >= 1 for dim in tensor.dims)
            assert len(tensor.dims) >= 1


def of_shipped(name: str) -> None:
    graph = shipped(name)
    model = lower(prepared(graph))
    file = onnx.GraphProto.FromString(model.graph)
    found = interface(Declared(tuple(file.input), tuple(file.output)))
    batch = 0 if found.alone else 8
    assert (batch == 0) == (name in ALONE)
    example = graph.legality.example(64)
    assert example is not None
    sizes = {"N": 1, **graph.nominal_sizes, **example}
    config = parse(text(model_config(name, found, Serving(), batch=batch, labels={}, sizes=sizes)))
    agrees(graph, batch, config, file)
    assert [sample.batch_size for sample in config.model_warmup] == ([1, 8] if batch else [1])
    for sample in config.model_warmup:
        assert set(sample.inputs) == {item.name for item in file.input}
        for item in config.input:
            given = list(sample.inputs[item.name].dims)
            assert all(
                size == dim or (dim == -1 and size >= 1)
                for size, dim in zip(given, item.dims, strict=True)
            )
            assert sample.inputs[item.name].data_type == item.data_type


@pytest.mark.parametrize("name", [*list(shipped_names())[::24], *sorted(ALONE), "gpt2", "vae"])
def test_what_a_configuration_says_is_what_the_file_has(name: str) -> None:
    of_shipped(name)


@pytest.mark.slow
def test_every_shipped_net_has_a_configuration() -> None:
    for name in shipped_names():
        of_shipped(name)


@pytest.mark.parametrize(
    ("spec", "batch", "inputs", "outputs"),
    [
        ("input x: 8; fc-1; reshape([])", 8, [[8]], [[1]]),
        ("input x: 4; add { | fc-3 | parameter(3) as bias }; output bias", 0, [[-1, 4]], [[1, 3]]),
        ("input x: 5 batch(R=20); fc-3", 8, [[5]], [[3]]),
        ("input x: T ids(9); embedding-4; gap; fc-2", 8, [[-1]], [[2]]),
        ("input x: 4xHxW; conv3-2", 8, [[4, -1, -1]], [[2, -1, -1]]),
    ],
)
def test_sizes_that_are_not_the_batch(
    net: Callable[..., Graph],
    tmp_path: Path,
    spec: str,
    batch: int,
    inputs: list[list[int]],
    outputs: list[list[int]],
) -> None:
    graph = net(spec.replace("; ", "\n"))
    deployed = deploy(graph, tmp_path, FileOptions(), Serving(), name="net")
    config = parse((tmp_path / "net" / "config.pbtxt").read_text())
    assert config.max_batch_size == batch == deployed.models[0].batch
    assert [list(item.dims) for item in config.input] == inputs
    assert [list(item.dims) for item in config.output] == outputs
    agrees(graph, batch, config, onnx.load(tmp_path / "net" / "1" / "model.onnx").graph)
    assert config.HasField("dynamic_batching") == (batch > 1)


def test_what_is_asked_of_the_server(net: Callable[..., Graph], tmp_path: Path) -> None:
    serving = Serving(
        max_batch=16,
        preferred=(4, 16),
        delay=250,
        device="cuda",
        gpus=(0, 2),
        instances=3,
        versions="1,3",
        warm_up=False,
        parameters={"intra_op_thread_count": "2"},
        accelerators={"tensorrt": {"precision_mode": "FP16"}, "cuda": {"gpu_mem_limit": "9"}},
    )
    found = interface(Declared(*_tensors(net("fc-2", "8"))))
    config = parse(text(model_config("m", found, serving, batch=16, labels={}, sizes={})))
    assert list(config.dynamic_batching.preferred_batch_size) == [4, 16]
    assert config.dynamic_batching.max_queue_delay_microseconds == 250
    (group,) = config.instance_group
    assert (group.count, list(group.gpus), group.kind) == (3, [0, 2], 1)
    assert list(config.version_policy.specific.versions) == [1, 3]
    assert not config.model_warmup
    assert config.parameters["intra_op_thread_count"].string_value == "2"
    providers = config.optimization.execution_accelerators.gpu_execution_accelerator
    assert {item.name: dict(item.parameters) for item in providers} == {
        "tensorrt": {"precision_mode": "FP16"},
        "cuda": {"use_tf32": "0", "gpu_mem_limit": "9"},
    }


def _tensors(graph: Graph) -> tuple[tuple[onnx.ValueInfoProto, ...], ...]:
    file = onnx.GraphProto.FromString(lower(graph).graph)
    return tuple(file.input), tuple(file.output)


@pytest.mark.parametrize(
    ("versions", "policy"),
    [("latest", {"latest": 1}), ("latest:3", {"latest": 3}), ("all", {"all": 0})],
)
def test_which_versions_are_served(
    net: Callable[..., Graph], versions: str, policy: dict[str, int]
) -> None:
    found = interface(Declared(*_tensors(net("fc-2", "8"))))
    serving = Serving(versions=versions)
    said = parse(text(model_config("m", found, serving, batch=8, labels={}, sizes={})))
    (word,) = policy
    assert said.version_policy.HasField(word)
    if word == "latest":
        assert said.version_policy.latest.num_versions == policy[word]


def test_messages_as_text() -> None:
    message = {
        "name": 'a "quote", a \\ and a\nline: ü',
        "max_batch_size": 8,
        "version_policy": {"all": {}},
        "input": [{"name": "x", "data_type": Word("TYPE_BOOL"), "dims": (1, -1)}],
        "output": [],
        "parameters": entries({"k": {"string_value": "\x00\x7f"}}),
        "model_warmup": [{"inputs": entries({"x": {"zero_data": True, "dims": []}})}],
    }
    config = parse(text(message))
    assert config.name == message["name"]
    assert config.version_policy.HasField("all")
    assert list(config.input[0].dims) == [1, -1]
    assert config.parameters["k"].string_value == "\x00\x7f"
    assert config.model_warmup[0].inputs["x"].zero_data


def test_the_schema_refuses_what_is_misspelt() -> None:
    """The parser that these tests hold configurations to can fail."""
    parse(LENET5)
    for good, bad in {
        "max_batch_size": "max_batchsize",
        "TYPE_FP32": "TYPE_FLOAT32",
        "max_batch_size: 8": 'max_batch_size: "8"',
        "kind: KIND_AUTO\n}": "kind: KIND_AUTO\n",
        "zero_data: true": "zero_data: yes",
    }.items():
        with pytest.raises(ParseError):
            parse(LENET5.replace(good, bad))


def test_an_edit_is_seen() -> None:
    whole = sealed(LENET5)
    assert untouched(whole)
    assert parse(whole) == parse(LENET5)
    for edited in (whole + "\n", whole.replace("8", "9", 1), LENET5, "", whole.replace("#", "##")):
        assert not untouched(edited)
