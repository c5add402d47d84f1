"""A repository of models: versions are added whole, and what is there stays."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from support.triton_schema import parse

from netspec.analysis.preprocessing import preprocessings
from netspec.api.net import Net
from netspec.backends.images import normalised
from netspec.backends.onnx.options import FileOptions
from netspec.diagnostics.raised import NetspecError
from netspec.graph.checked import Graph
from netspec.serving import deploy as deploying
from netspec.serving.deploy import deploy
from netspec.serving.kserve import Service
from netspec.serving.pbtxt import untouched
from netspec.serving.settings import Serving
from netspec.weights.sources import Seeded

Nets = Callable[..., Graph]
TINY = "net tiny\ninput 3x8x8\nconv3-4(act=relu); gap\nfc-5; softmax"
IMAGES = """\
net two
preprocess image=photo, resize=11, crop=8, channels=bgr, range=(0, 255), mean=(104, 117, 123)
preprocess image=mask, mean=0.5, std=0.25
input photo: 3x8x8
input mask: 1xHxW
input numbers: 4
{ | @photo; conv3-8(act=relu); gap | @mask; maxpool2; gap | @numbers }
concat
fc-5
"""


def tree(root: Path) -> dict[str, str]:
    """Every file below a folder, and what it holds."""
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files
    }


def code(error: pytest.ExceptionInfo[NetspecError]) -> str:
    (diagnostic,) = error.value.diagnostics
    return diagnostic.code


def test_the_model_is_the_file_that_compile_writes(net: Nets, tmp_path: Path) -> None:
    graph = net(TINY)
    deployed = deploy(graph, tmp_path / "a" / "models", FileOptions(), Serving(), source=Seeded(3))
    Net(graph).to_onnx(tmp_path / "tiny.onnx", seed=3)
    model = tmp_path / "a" / "models" / "tiny" / "1" / "model.onnx"
    assert model.read_bytes() == (tmp_path / "tiny.onnx").read_bytes()
    assert [(m.name, m.version, m.batch) for m in deployed.models] == [("tiny", 1, 8)]


def test_a_net_that_is_deployed_anew_is_a_new_version(net: Nets, tmp_path: Path) -> None:
    before: dict[str, str] = {}
    for number in (1, 2, 3):
        serving = Serving(max_batch=number)
        deployed = deploy(net(TINY), tmp_path, FileOptions(), serving, source=Seeded(number))
        assert deployed.models[0].version == number
        now = tree(tmp_path)
        kept = {path: digest for path, digest in before.items() if path.endswith(".onnx")}
        assert kept.items() <= now.items()
        assert now.keys() - before.keys() >= {f"tiny/{number}/model.onnx"}
        assert parse((tmp_path / "tiny" / "config.pbtxt").read_text()).max_batch_size == number
        before = now
    assert len(set(before.values())) == 4
    (tmp_path / "tiny" / "7").mkdir()  # what somebody removed the file of counts all the same
    with pytest.raises(NetspecError, match=r"version 7 has no model\.onnx"):
        deploy(net(TINY), tmp_path, FileOptions(), Serving())


@pytest.mark.parametrize(
    ("other", "word"),
    [
        ("net tiny\ninput 3x9x9\nconv3-4; gap\nfc-5", "3x9x9"),
        ("net tiny\ninput 3x8x8\nconv3-4; gap\nfc-6", "Nx6"),
        ("net tiny\ninput photo: 3x8x8\nconv3-4; gap\nfc-5", "photo"),
        ("net tiny\ninput 3x8x8\nconv3-4; gap as means\nfc-5 as end\noutput end, means", "end"),
        ("net tiny\ninput 3xHxW\nconv3-4; gap\nfc-5", "NxHxW"),
    ],
)
def test_a_version_has_the_tensors_of_the_one_before(
    net: Nets, tmp_path: Path, other: str, word: str
) -> None:
    deploy(net(TINY), tmp_path, FileOptions(), Serving())
    before = tree(tmp_path)
    with pytest.raises(NetspecError) as error:
        deploy(net(other), tmp_path, FileOptions(), Serving(max_batch=3))
    assert code(error) == "NS651"
    assert word.split("x")[-1] in str(error.value)
    assert tree(tmp_path) == before
    assert not any(path.name.startswith(".ns-") for path in tmp_path.rglob("*"))
    deploy(net(other), tmp_path, FileOptions(), Serving(), name="tiny_2")


def test_sizes_may_get_other_symbols(net: Nets, tmp_path: Path) -> None:
    deploy(net("net m\ninput 3xHxW\ngap\nfc-5"), tmp_path, FileOptions(), Serving())
    deployed = deploy(net("net m\ninput 3xAxB\ngap\nfc-5"), tmp_path, FileOptions(), Serving())
    assert deployed.models[0].version == 2


def test_an_edited_configuration_is_not_lost(net: Nets, tmp_path: Path) -> None:
    deploy(net(TINY), tmp_path, FileOptions(), Serving())
    config = tmp_path / "tiny" / "config.pbtxt"
    config.write_text(config.read_text().replace("count: 1", "count: 4"))
    before = tree(tmp_path)
    with pytest.raises(NetspecError) as error:
        deploy(net(TINY), tmp_path, FileOptions(), Serving())
    assert code(error) == "NS652"
    assert tree(tmp_path) == before
    deploy(net(TINY), tmp_path, FileOptions(), Serving(max_batch=2), keep_config=True)
    assert before.items() < tree(tmp_path).items()
    config.unlink()
    deploy(net(TINY), tmp_path, FileOptions(), Serving(max_batch=2))
    assert untouched(config.read_text())
    assert parse(config.read_text()).max_batch_size == 2


def test_nothing_is_left_of_what_fails(net: Nets, tmp_path: Path) -> None:
    """A reader does not take the net: nothing new, in a new folder and in one that is there."""
    bad = net("net bad\npreprocess mean=0.5\ninput 3x8x8\nmaxpool2(dilation=2, pad=1)\ngap; fc-5")
    options = FileOptions(target="tensorrt10", preprocess=True)
    root = tmp_path / "new" / "models"
    with pytest.raises(NetspecError) as error:
        deploy(bad, root, options, Serving())
    assert code(error) == "NS614"
    assert not root.exists()
    deploy(bad, root, FileOptions(preprocess=True), Serving())
    before = tree(root)
    with pytest.raises(NetspecError):
        deploy(bad, root, options, Serving())
    assert tree(root) == before
    assert sorted(path.name for path in root.iterdir()) == ["bad", "bad_images", "bad_preprocess"]


def test_a_number_that_is_taken_meanwhile_stays_whose_it_is(
    net: Nets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compile_graph = deploying.compile_graph

    def slow(*args: Any, **named: Any) -> Any:
        written = compile_graph(*args, **named)
        other = tmp_path / "tiny" / "1"
        other.mkdir(parents=True)
        (other / "model.onnx").write_bytes(b"another's")
        return written

    monkeypatch.setattr(deploying, "compile_graph", slow)
    with pytest.raises(NetspecError) as error:
        deploy(net(TINY), tmp_path, FileOptions(), Serving())
    assert code(error) == "NS654"
    assert list(tree(tmp_path)) == ["tiny/1/model.onnx"]
    assert (tmp_path / "tiny" / "1" / "model.onnx").read_bytes() == b"another's"


def test_what_is_no_model_is_not_made_one(net: Nets, tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "todo.txt").write_text("x")
    (tmp_path / "file").write_text("x")
    before = tree(tmp_path)
    for name in ("notes", "file"):
        with pytest.raises(NetspecError) as error:
            deploy(net(TINY), tmp_path, FileOptions(), Serving(), name=name)
        assert code(error) == "NS654"
    with pytest.raises(NetspecError):
        deploy(net(TINY), tmp_path / "file", FileOptions(), Serving())
    assert tree(tmp_path) == before
    (tmp_path / "empty").mkdir()
    deploy(net(TINY), tmp_path, FileOptions(), Serving(), name="empty")
    for name in ("", ".hidden", "a/b", "..", "a b", "x" * 201):
        with pytest.raises(ValueError, match="name"):
            deploy(net(TINY), tmp_path, FileOptions(), Serving(), name=name)


def test_versions_that_are_to_be_served_are_there(net: Nets, tmp_path: Path) -> None:
    with pytest.raises(NetspecError, match="version 2 is to be served"):
        deploy(net(TINY), tmp_path, FileOptions(), Serving(versions="1,2"))
    deploy(net(TINY), tmp_path, FileOptions(), Serving(versions="1"))
    deploy(net(TINY), tmp_path, FileOptions(), Serving(versions="1,2"))


@pytest.mark.parametrize(
    ("flag", "serving"), [("max-batch", Serving(max_batch=2)), ("delay", Serving(delay=5))]
)
def test_requests_that_cannot_be_joined(
    net: Nets, tmp_path: Path, flag: str, serving: Serving
) -> None:
    graph = net(TINY)
    with pytest.raises(NetspecError) as error:
        deploy(graph, tmp_path, FileOptions(batch=4), serving)
    assert code(error) == "NS650"
    assert f"leave out --{flag}" in str(error.value)
    deploy(graph, tmp_path, FileOptions(batch=4), Serving())
    config = parse((tmp_path / "tiny" / "config.pbtxt").read_text())
    assert (config.max_batch_size, list(config.input[0].dims)) == (0, [4, 3, 8, 8])
    assert list(config.model_warmup[0].inputs["input"].dims) == [4, 3, 8, 8]


def through(root: Path, name: str, feeds: dict[str, Any]) -> dict[str, Any]:
    """What an ensemble makes of its inputs, by the maps of its configuration."""
    config = parse((root / name / "config.pbtxt").read_text())
    values = {item.name: feeds[item.name] for item in config.input}
    for step in config.ensemble_scheduling.step:
        assert step.model_version == -1
        numbers = [int(p.name) for p in (root / step.model_name).iterdir() if p.name.isdecimal()]
        path = root / step.model_name / str(max(numbers)) / "model.onnx"
        session = onnxruntime.InferenceSession(path)
        names = list(step.output_map)
        given = session.run(names, {key: values[step.input_map[key]] for key in step.input_map})
        values |= {step.output_map[key]: array for key, array in zip(names, given, strict=True)}
    return {item.name: values[item.name] for item in config.output}


@pytest.mark.parametrize("options", [FileOptions(), FileOptions(dtype="fp16", io="fp16")])
def test_an_ensemble_takes_pixels(net: Nets, tmp_path: Path, options: FileOptions) -> None:
    graph = net(IMAGES)
    given = FileOptions(preprocess=True, dtype=options.dtype, io=options.io)
    deployed = deploy(graph, tmp_path, given, Serving(delay=100))
    assert [m.name for m in deployed.models] == ["two", "two_preprocess", "two_images"]
    random = np.random.default_rng(0)
    kind = np.float16 if options.io == "fp16" else np.float32
    pixels = {
        "photo": random.integers(0, 256, (2, 8, 8, 3), np.uint8),
        "mask": random.integers(0, 256, (2, 6, 10, 1), np.uint8),
    }
    numbers = random.normal(size=(2, 4)).astype(kind)
    images = preprocessings(graph)
    plain = {name: normalised(pixels[name], images[name]).astype(kind) for name in pixels}
    session = onnxruntime.InferenceSession(tmp_path / "two" / "1" / "model.onnx")
    (expected,) = session.run(None, {**plain, "numbers": numbers})
    found = through(tmp_path, "two_images", {**pixels, "numbers": numbers})["output"]
    assert np.abs(found - expected).max() <= 1e-3 * np.abs(expected).max()
    config = parse((tmp_path / "two_images" / "config.pbtxt").read_text())
    assert [list(item.dims) for item in config.input] == [[8, 8, 3], [-1, -1, 1], [4]]
    assert [item.data_type for item in config.input][:2] == [2, 2]
    # A request waits for others before the net only.
    front = parse((tmp_path / "two_preprocess" / "config.pbtxt").read_text())
    assert front.dynamic_batching.max_queue_delay_microseconds == 0
    assert not front.HasField("optimization")


def test_what_prepares_pixels_has_a_new_version_only_if_it_is_another(
    net: Nets, tmp_path: Path
) -> None:
    def versions() -> Iterator[tuple[str, int | None]]:
        given = FileOptions(preprocess=True)
        yield from (
            (m.name, m.version) for m in deploy(net(text), tmp_path, given, Serving()).models
        )

    text = IMAGES
    assert list(versions()) == [("two", 1), ("two_preprocess", 1), ("two_images", 1)]
    assert list(versions()) == [("two", 2), ("two_preprocess", None), ("two_images", None)]
    text = IMAGES.replace("mean=0.5", "mean=0.25")
    assert list(versions()) == [("two", 3), ("two_preprocess", 2), ("two_images", None)]
    assert (tmp_path / "two_images" / "1" / ".keep").is_file()


def test_a_manifest_for_kserve(net: Nets, tmp_path: Path) -> None:
    service = Service("s3://bucket/models", "My_models.2")
    serving = Serving(device="cuda", gpus=(1,))
    deployed = deploy(net(TINY), tmp_path, FileOptions(), serving, service=service)
    assert deployed.manifest == tmp_path / "inferenceservice.yaml"
    seal, _, body = deployed.manifest.read_text().partition("\n")
    assert seal.startswith("# Written by netspec")
    assert body == MANIFEST
    deployed.manifest.write_text(body)
    with pytest.raises(NetspecError) as error:
        deploy(net(TINY), tmp_path, FileOptions(), serving, service=service)
    assert code(error) == "NS652"
    assert deployed.models[0].version == 1
    deploy(net(TINY), tmp_path, FileOptions(), Serving(), service=service, keep_config=True)
    assert deployed.manifest.read_text() == body


MANIFEST = """\
apiVersion: "serving.kserve.io/v1beta1"
kind: "InferenceService"
metadata:
  name: "my-models-2"
spec:
  predictor:
    model:
      modelFormat:
        name: "triton"
        version: "2"
      runtime: "kserve-tritonserver"
      protocolVersion: "v2"
      storageUri: "s3://bucket/models"
      resources:
        limits:
          nvidia.com/gpu: "2"
"""


@pytest.mark.parametrize(
    ("storage", "name"),
    [("bucket/models", "m"), ("ftp://x/y", "m"), ("s3://", "m"), ("s3://b/m", "___")],
)
def test_a_service_that_kserve_would_not_find(storage: str, name: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Service(storage, name).check()


@pytest.mark.parametrize(
    ("name", "called"),
    [("resnet50_v1_5", "resnet50-v1-5"), ("50nets", "net-50nets"), ("a" * 80, "a" * 63)],
)
def test_names_of_kubernetes(name: str, called: str) -> None:
    assert Service("s3://b", name).domain_name == called


def test_weights_beyond_one_file(
    net: Nets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The data file goes with the version, and is found from where the model is."""
    from netspec.backends.onnx import file

    write = file.write
    monkeypatch.setattr(file, "write", lambda *args, **named: write(*args, **named, limit=100))
    first = deploy(net(TINY), tmp_path, FileOptions(), Serving())
    deploy(net(TINY), tmp_path, FileOptions(), Serving(), source=Seeded(1))
    assert [path.is_file() for path in first.written.data] == [True]
    assert first.written.data[0].parent == tmp_path / "tiny" / "1"
    for number in ("1", "2"):
        folder = tmp_path / "tiny" / number
        assert len(list(folder.glob("model.onnx-*.data"))) == 1
        onnxruntime.InferenceSession(folder / "model.onnx")
        assert onnx.load(folder / "model.onnx").graph.initializer[0].raw_data


def test_a_model_is_not_taken_for_an_ensemble(net: Nets, tmp_path: Path) -> None:
    deploy(net(TINY), tmp_path, FileOptions(), Serving(), name="two_images")
    deploy(net(TINY), tmp_path, FileOptions(), Serving(), name="three_preprocess")
    before = tree(tmp_path)
    for name in ("two", "three"):
        with pytest.raises(NetspecError):
            deploy(net(IMAGES), tmp_path, FileOptions(preprocess=True), Serving(), name=name)
    assert tree(tmp_path) == before
    deploy(net(IMAGES), tmp_path, FileOptions(preprocess=True), Serving(), name="four")
    with pytest.raises(NetspecError, match=r"no model\.onnx"):
        deploy(net(TINY), tmp_path, FileOptions(), Serving(), name="four_images")


def test_folders_that_were_there_stay(net: Nets, tmp_path: Path) -> None:
    bad = net("net bad\ninput 3x8x8\nmaxpool2(dilation=2, pad=1)\ngap; fc-5")
    (tmp_path / "empty").mkdir()
    for root in (tmp_path / "empty", tmp_path / "empty" / "a" / "b"):
        with pytest.raises(NetspecError):
            deploy(bad, root, FileOptions(target="tensorrt10"), Serving())
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]
    assert not list((tmp_path / "empty").iterdir())


def test_a_server_never_sees_a_half(
    net: Nets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While models are written the repository holds folders of whole models only."""
    root, seen = tmp_path / "models", []
    compile_graph = deploying.compile_graph

    def watched(*args: Any, **named: Any) -> Any:
        written = compile_graph(*args, **named)
        for model in root.iterdir():
            assert not [path for path in model.iterdir() if path.name.startswith(".ns-")]
            numbers = [int(path.name) for path in model.iterdir() if path.name.isdecimal()]
            seen.append((model.name, numbers, (model / "config.pbtxt").is_file()))
        return written

    monkeypatch.setattr(deploying, "compile_graph", watched)
    options = FileOptions(preprocess=True)
    deploy(net(IMAGES), root, options, Serving())
    assert seen == []
    deploy(net(IMAGES), root, options, Serving())
    models = {("two", (1,), True), ("two_images", (1,), True), ("two_preprocess", (1,), True)}
    assert {(name, tuple(numbers), whole) for name, numbers, whole in seen} == models
    monkeypatch.setattr(os, "access", lambda *given: False)
    deploy(net(TINY), root, FileOptions(), Serving())
    assert (root / "tiny" / "1" / "model.onnx").is_file()


def test_sizes_that_depend_on_each_other(net: Nets, tmp_path: Path) -> None:
    """A model is warmed up at legal sizes; what prepares one image asks for nothing of the other."""
    graph = net(
        "net tied\npreprocess image=photo, mean=0.5\ninput photo: 3xHxW\ninput sketch: 3xKxL\n"
        "{ | @photo; maxpool2 | @sketch }; add; gap; fc-2"
    )
    deploy(graph, tmp_path, FileOptions(preprocess=True), Serving())
    for name in ("tied", "tied_preprocess"):
        session = onnxruntime.InferenceSession(tmp_path / name / "1" / "model.onnx")
        kinds = {item.name: item.type for item in session.get_inputs()}
        config = parse((tmp_path / name / "config.pbtxt").read_text())
        for sample in config.model_warmup:
            feeds = {
                key: np.zeros(
                    (sample.batch_size, *item.dims),
                    np.uint8 if kinds[key] == "tensor(uint8)" else np.float32,
                )
                for key, item in sample.inputs.items()
            }
            assert len(session.run(None, feeds)[0]) == sample.batch_size
    odd = np.zeros((1, 65, 64, 3), np.uint8)
    sketch = np.zeros((1, 3, 32, 32), np.float32)
    assert through(tmp_path, "tied_images", {"photo": odd, "sketch": sketch})["output"].shape == (
        1,
        2,
    )
