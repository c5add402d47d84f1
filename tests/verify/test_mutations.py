"""Every small corruption of a file is found, and placed in the layer that was corrupted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import ModelProto, NodeProto, helper, numpy_helper

from netspec.backends.onnx.file import write
from netspec.backends.onnx.lowering import lower
from netspec.graph.checked import Graph
from netspec.verify import verify_file
from netspec.verify.weights import fitted

Built = Callable[..., Graph]
Mutation = Callable[[ModelProto], None]

NETS = {
    "convolutions": "input 3x12x12\nconv3-4(pad=1, act=relu)\nconv3-4/2(pad=1, act=elu)\n"
    "maxpool2\nfc-4(act=tanh)\nfc-3",
    "normalised": "input 4x8x8\nconv3-4(bias=no); bn; relu6\ngroupnorm(2)\n"
    "lrn(3, alpha=0.5); leaky(0.2)\nconv1-3; hardsigmoid; gap; fc-2",
    "narrow": "input 16x6x6\nsqueeze_excite(16)\ngap; fc-2",
    "residual": "input 4x8x8\ndefault conv(pad=same, bias=no, norm=bn, act=relu)\n"
    "bottleneck(1)\ngap; fc-2",
    "pooled": "input 3x9x9\nconv3-3(pad=1); avgpool3/2(pad=1); prelu\n"
    "deconv2-2/2; selu; layernorm; fc-2",
    "recurrent": "input words: 4 ids(9)\nembedding-3\nlstm-2\ngru-2(last=yes)\nfc-2",
    "attention": "input words: 4 ids(9)\nembedding-4\nattention(2)\nlayernorm; gelu; fc-2",
}
# What stands for another activation, so that shapes stay.
OTHERS = {
    "Relu": "Abs",
    "Elu": "LeakyRelu",
    "Tanh": "Sigmoid",
    "Sigmoid": "Tanh",
    "LeakyRelu": "Elu",
    "HardSigmoid": "Tanh",
    "Selu": "Relu",
    "MaxPool": "AveragePool",
    "GlobalAveragePool": "GlobalMaxPool",
    "Add": "Sub",
    "Mul": "Add",
}
# Numbers in attributes that a translation can get wrong.
NUMBERS = ("epsilon", "alpha", "beta", "bias")


def mutations(model: ModelProto, paths: set[str]) -> Iterator[tuple[str, str, Mutation]]:
    """Each corruption: what it is, the layer it is in, and a function that does it."""

    def layer_of(name: str) -> str | None:
        parts = name.replace("/", ".").split(".")
        known = (".".join(parts[:n]) for n in range(len(parts), 0, -1))
        return next((path for path in known if path in paths), None)

    for tensor in model.graph.initializer:
        layer = layer_of(tensor.name)
        values = numpy_helper.to_array(tensor)
        if layer is None or values.dtype != np.float32:
            continue
        if values.size > 1 and np.ptp(values) > 0:
            yield f"two weights of {tensor.name} swapped", layer, _swapped(tensor.name)
        yield f"{tensor.name} off by a tenth", layer, _scaled(tensor.name)
    for index, node in enumerate(model.graph.node):
        layer = layer_of(node.name)
        if layer is None:
            continue
        # A softmax takes no notice of what is added to every key: no change of that Add shows.
        unseen = node.name == "attention1.add10"
        if node.op_type in OTHERS and not unseen:
            yield f"{node.name} is {OTHERS[node.op_type]}", layer, _other(index)
        for attribute in node.attribute:
            if attribute.name in NUMBERS:
                yield f"{attribute.name} of {node.name}", layer, _number(index, attribute.name)
            if attribute.name in ("pads", "strides"):
                yield f"{attribute.name} of {node.name}", layer, _window(index, attribute.name)


def _swapped(name: str) -> Mutation:
    def change(values: np.ndarray) -> None:
        flat = values.reshape(-1)
        low, high = flat.argmin(), flat.argmax()
        flat[[low, high]] = flat[[high, low]]

    return _changed(name, change)


def _scaled(name: str) -> Mutation:
    def change(values: np.ndarray) -> None:
        values *= 1.1

    return _changed(name, change)


def _changed(name: str, change: Callable[[np.ndarray], None]) -> Mutation:
    def mutate(model: ModelProto) -> None:
        tensor = next(t for t in model.graph.initializer if t.name == name)
        values = numpy_helper.to_array(tensor).copy()
        change(values)
        tensor.raw_data = values.tobytes()

    return mutate


def _other(index: int) -> Mutation:
    def mutate(model: ModelProto) -> None:
        node = model.graph.node[index]
        node.op_type = OTHERS[node.op_type]
        if node.op_type not in ("AveragePool", "Elu", "LeakyRelu"):
            del node.attribute[:]

    return mutate


def _attribute(node: NodeProto, name: str) -> onnx.AttributeProto:
    return next(a for a in node.attribute if a.name == name)


def _number(index: int, name: str) -> Mutation:
    def mutate(model: ModelProto) -> None:
        attribute = _attribute(model.graph.node[index], name)
        attribute.f = attribute.f + 1e-2 if name == "epsilon" else attribute.f * 1.5 + 0.1

    return mutate


def _window(index: int, name: str) -> Mutation:
    """Padding moved from one side to the other, or a stride of one more."""

    def mutate(model: ModelProto) -> None:
        attribute = _attribute(model.graph.node[index], name)
        values = list(attribute.ints)
        half = len(values) // 2
        if name == "strides":
            changed = [values[0] + 1, *values[1:]]
        else:
            changed = [
                values[0] + 1,
                *values[1:half],
                max(0, values[half] - 1),
                *values[half + 1 :],
            ]
        attribute.CopyFrom(helper.make_attribute(name, changed))

    return mutate


@pytest.mark.parametrize("name", NETS)
def test_corruptions_of_a_file_are_found_and_placed(name: str, net: Built, tmp_path: Path) -> None:
    assert_found(net(NETS[name]), tmp_path, every=8)


@pytest.mark.slow
@pytest.mark.parametrize("name", NETS)
def test_every_corruption_of_a_file_is_found_and_placed(
    name: str, net: Built, tmp_path: Path
) -> None:
    assert_found(net(NETS[name]), tmp_path)


def assert_found(graph: Graph, folder: Path, every: int = 1) -> None:
    """Each corruption, or each of so many, makes the outputs differ and its layer named."""
    source, path = fitted(graph), folder / "model.onnx"
    write(lower(graph), path, source)
    assert verify_file(graph, path, weights=source).ok
    sound = path.read_bytes()
    paths = {node.path for node in graph.nodes}
    found = list(mutations(onnx.load(path), paths))
    assert len(found) > 8
    missed = []
    for what, layer, mutate in found[::every]:
        model = ModelProto.FromString(sound)
        mutate(model)
        path.write_bytes(model.SerializeToString())
        report = verify_file(graph, path, weights=source)
        culprit = report.culprit.layer if report.culprit else None
        if report.agrees or culprit != layer:
            missed.append(f"{what}: agrees {report.agrees}, named {culprit}, not {layer}")
    assert not missed, "\n".join(missed)


@pytest.mark.parametrize(
    ("written", "run", "layer"),
    [
        ("conv3-4(pad=1); relu; fc-2", "conv3-4(pad=((0, 2), (2, 0))); relu; fc-2", "conv1"),
        ("conv3-4; leaky(0.2); fc-2", "conv3-4; leaky(0.1); fc-2", "leaky1"),
        ("conv3-4; bn; fc-2", "conv3-4; bn(eps=0.01); fc-2", "bn1"),
        ("conv3-4; lrn(5, alpha=0.5); fc-2", "conv3-4; lrn(3, alpha=0.5); fc-2", "lrn1"),
    ],
)
def test_another_module_than_the_file_was_written_from_is_found_and_placed(
    written: str, run: str, layer: str, net: Built, tmp_path: Path
) -> None:
    graph, other = net(written, "3x8x8"), net(run, "3x8x8")
    source, path = fitted(graph), tmp_path / "model.onnx"
    write(lower(graph), path, source)
    report = verify_file(other, path, weights=source)
    assert not report.agrees
    assert report.culprit is not None, report.text()
    assert report.culprit.layer == layer
