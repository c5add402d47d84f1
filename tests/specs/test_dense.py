"""Classifiers applied to every window of an image, and ensembles of nets and crops, as specs."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from support.checkpoint_files import saved, state
from support.shelves import LECTURES, shipped
from torch import Tensor, nn

import netspec
from netspec.analysis.explain import explain
from netspec.backends.onnx.lowering import lower
from netspec.backends.torch.modules import to_module
from netspec.checkpoints import load
from netspec.diagnostics.raised import NetspecError
from netspec.diagnostics.source import Source
from netspec.elaborate.build import build
from netspec.graph.checked import Graph
from netspec.passes.deploy import deploy
from netspec.syntax.files import read_spec
from netspec.weights.sources import Seeded, named_weights

# Without padding: a window of the image is seen as that window alone would be.
UNPADDED = """\
net unpadded(dense=no)
input 2x18x18
default fc(over=channels if dense else all)
conv3-4(act=relu); maxpool2
conv3-5(act=relu)
fc-7(over=6 if dense else all, act=relu) as fc6
fc-6(act=relu) as fc7
fc-3 as fc8; if dense { gap }
"""
DENSE = """
    alexnet alexnet_no_conv3_conv4 alexnet_no_conv3_conv4_fc6_fc7 alexnet_no_fc6_fc7
    alexnet_no_fc7 alexnet_owt alexnet_two_gpu vgg11 vgg11_lrn vgg13 vgg13_5x5 vgg16 vgg16_bn
    vgg16_c vgg19 zfnet zfnet_paper
""".split()


def randomly(*shape: int, seed: int = 0) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape, dtype=np.float32))


def module(text: str, **settings: object) -> nn.Module:
    return netspec.load(text, **settings).to_torch(seed=3).eval()


def test_the_dense_form_answers_the_mean_of_the_classifier_on_every_window() -> None:
    classifier = module(UNPADDED).double()
    dense = module(UNPADDED, dense=True, input="2xHxW").double()
    image = randomly(2, 2, 24, 22).double()
    with torch.no_grad():
        # The net halves the image once.
        scores = [
            classifier(image[:, :, top : top + 18, left : left + 18])
            for top, left in product(range(0, 7, 2), range(0, 5, 2))
        ]
        torch.testing.assert_close(dense(image), torch.stack(scores).mean(0), rtol=1e-12, atol=0)


def test_the_dense_form_in_onnx_runtime_answers_at_every_size(tmp_path: Path) -> None:
    dense = netspec.load(UNPADDED, dense=True, input="2xHxW")
    path = dense.to_onnx(tmp_path / "dense.onnx", seed=3)
    for size in ((18, 18), (24, 22), (31, 19)):
        image = randomly(2, 2, *size)
        expected = module(UNPADDED, dense=True, input="2xHxW")(image).detach().numpy()
        (found,) = netspec_run(path, image)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def netspec_run(path: Path, image: Tensor) -> list[np.ndarray]:
    from onnxruntime import InferenceSession

    session = InferenceSession(path)
    return session.run(None, {session.get_inputs()[0].name: image.numpy()})


def test_a_smaller_image_than_the_classifiers_is_refused() -> None:
    dense = netspec.load("vgg16", dense=True, input="3xHxW")
    assert "legal sizes: H >= 224; W >= 224" in dense.summary().to_text()
    with pytest.raises(NetspecError, match="nearest to 3x223x400 that fit: 3x224x400"):
        netspec.load("vgg16", dense=True, input="3x223x400")


def test_the_shipped_classifiers_have_a_dense_form() -> None:
    found = [name for name in LECTURES if "dense" in dict(shipped(name).parameters)]
    assert sorted(found) == sorted([*DENSE, "vgg16_localization"])


@pytest.mark.parametrize("name", DENSE)
def test_a_dense_form_has_the_weights_and_the_answer_of_its_classifier(name: str) -> None:
    plain = shipped(name)
    own = named_weights(plain)
    for size in (plain.inputs[0].types[0].shape[1], 288, "H"):
        dense = build(read_spec(name), {"dense": True}, (f"3x{size}x{size}",))
        assert named_weights(dense) == own, size
        assert dense.outputs[0].value.shape == plain.outputs[0].value.shape == (1000,)


@pytest.mark.parametrize(
    "name",
    [
        "alexnet_no_fc6_fc7",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("alexnet", "vgg11", "vgg16_bn")),
    ],
)
def test_at_the_size_of_the_classifier_the_answer_is_the_classifiers(
    name: str, tmp_path: Path
) -> None:
    classifier = netspec.load(name)
    shape = classifier.graph.inputs[0].types[0].shape
    image = randomly(1, *map(int, shape))
    with torch.no_grad():
        expected = classifier.to_torch(seed=1).eval()(image).numpy()
        dense = netspec.load(name, dense=True, input="3xHxW")
        found = dense.to_torch(seed=1).eval()(image).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    (deployed,) = netspec_run(dense.to_onnx(tmp_path / "dense.onnx", seed=1), image)
    np.testing.assert_allclose(deployed, expected, rtol=1e-4)


@pytest.mark.parametrize("name", ["alexnet", "alexnet_no_fc7", "alexnet_no_fc6_fc7"])
def test_the_first_layer_of_what_is_left_of_a_classifier_is_the_one_with_the_window(
    name: str,
) -> None:
    graph = build(read_spec(name), {"dense": True})
    layers = [node.op for node in graph.nodes if node.inputs and node.op.spelling == "fc"]
    assert [layer.over for layer in layers] == [6, *["channels"] * (len(layers) - 1)]


# --- checkpoints


FORMS = [(False, True), (True, False)]


@pytest.mark.parametrize(("saved_as", "loaded_as"), FORMS)
@pytest.mark.parametrize("renamed", [False, True])
def test_a_checkpoint_of_one_form_loads_into_the_other(
    saved_as: bool, loaded_as: bool, renamed: bool, tmp_path: Path
) -> None:
    one = netspec.load(UNPADDED, dense=saved_as).graph
    other = netspec.load(UNPADDED, dense=loaded_as).graph
    tensors = state(one)
    stored = {
        f"net.{i}.{name.rpartition('.')[2]}" if renamed else name: tensor
        for (i, layer) in enumerate(dict.fromkeys(n.rpartition(".")[0] for n in tensors))
        for name, tensor in tensors.items()
        if name.rpartition(".")[0] == layer
    }
    loaded = load(saved(stored, tmp_path / "net.pt"), other)
    assert not loaded.warnings
    found = to_module(other, loaded.source).state_dict()
    assert found.keys() == tensors.keys()
    assert all(torch.equal(found[name], tensors[name]) for name in tensors)


def test_a_kernel_of_the_size_of_the_window_is_its_matrix(tmp_path: Path) -> None:
    """As in the authors' fully convolutional files."""
    graph = netspec.load(UNPADDED, dense=True, input="2xHxW").graph
    tensors = state(graph)
    kernels = {
        name: tensor.reshape(7, 5, 6, 6) if name == "fc6.weight" else tensor
        for name, tensor in tensors.items()
    }
    found = to_module(graph, load(saved(kernels, tmp_path / "net.pt"), graph).source).state_dict()
    assert all(torch.equal(found[name], tensors[name]) for name in tensors)


def test_a_matrix_with_outputs_last_is_turned_by_its_window(tmp_path: Path) -> None:
    graphs = [netspec.load(UNPADDED, dense=dense).graph for dense in (False, True)]
    tensors = state(graphs[0])
    stored = {}
    for name, tensor in tensors.items():
        if name == "fc6.weight":
            tensor = tensor.reshape(7, 5, 6, 6).permute(2, 3, 1, 0).reshape(-1, 7)
        elif tensor.ndim > 1:
            tensor = tensor.permute(*range(2, tensor.ndim), 1, 0)
        stored[name.replace("weight", "kernel")] = tensor
    path = saved(stored, tmp_path / "net.npz")
    for graph in graphs:
        found = to_module(graph, load(path, graph, layout="keras").source).state_dict()
        assert all(torch.equal(found[name], tensors[name]) for name in tensors)


# --- a fully connected layer is a convolution


def test_a_window_is_a_convolution_with_the_layers_matrix() -> None:
    window, kernel = (netspec.load(f"blocks/{n}") for n in ("fc_4096", "conv7x7_4096"))
    assert window.params == kernel.params == 102_760_448 + 4096
    assert window.summary().macs == kernel.summary().macs == 102_760_448
    small = {"c": 2, "size": 9}
    layer = netspec.load("blocks/fc_4096", **small).to_torch(seed=2)
    image = randomly(2, 2, 9, 9)
    matrix = layer.fc1.weight.reshape(4096, 2, 7, 7)
    expected = nn.functional.conv2d(image, matrix, layer.fc1.bias)
    torch.testing.assert_close(layer(image), expected)


# --- ensembles


def mirrored(net: nn.Module, image: Tensor) -> Tensor:
    return (net(image) + net(image.flip(-1))) / 2


def test_a_net_and_its_reflection_have_one_set_of_weights() -> None:
    text = "input 2x6x6\nblock small(n) { conv3-n; gap; fc-3; softmax }\nmirrored(small(4))\n"
    net = netspec.load(text)
    assert net.params == 4 * (2 * 9 + 1) + 3 * (4 + 1)
    ran = net.to_torch(seed=1).eval()
    image = randomly(2, 2, 6, 6)
    torch.testing.assert_close(ran(image), mirrored(ran.mirrored1.seen, image))


def owned(graph: Graph) -> dict[str, tuple[int, ...]]:
    """The shapes of what an ONNX file of the net holds."""
    return {item.name: item.weight.shape for item in lower(deploy(graph)).weights}


@pytest.mark.parametrize(
    ("name", "parts"),
    [("alexnet_ten_crops", ["alexnet_two_gpu"]), ("vgg_ensemble", ["vgg16", "vgg19"])],
)
def test_an_ensemble_stores_and_counts_the_weights_of_each_net_once(
    name: str, parts: list[str]
) -> None:
    graph = shipped(name)
    single = [named_weights(shipped(part)) for part in parts]
    shapes = sorted(weight.shape for weights in single for weight in weights.values())
    assert sorted(owned(graph).values()) == shapes
    assert sorted(weight.shape for weight in named_weights(graph).values()) == shapes


def ten_crops(small: bool) -> Graph:
    """The shipped spec, or the same crops of a net of two layers."""
    source = read_spec("alexnet_ten_crops")
    if not small:
        return build(source)
    lines = [line for line in source.text.splitlines() if not line.startswith("expect")]
    text = "\n".join(lines).replace(
        "import alexnet_two_gpu",
        "block alexnet_two_gpu(classes) { conv11-4/8(act=relu); fc-classes; softmax }",
    )
    return build(Source("small", text))


@pytest.mark.parametrize("small", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_ten_crops_are_the_corners_and_the_centre_and_their_reflections(small: bool) -> None:
    ensemble = to_module(ten_crops(small), Seeded(1)).eval()
    classifier = ensemble.centre.seen
    image = randomly(1, 3, 256, 256)
    corners = [*product((0, 29), (0, 29)), (14, 14)]
    crops = [image[:, :, top : top + 227, left : left + 227] for top, left in corners]
    with torch.no_grad():
        expected = sum(mirrored(classifier, crop) for crop in crops) / 5
        torch.testing.assert_close(ensemble(image), expected, rtol=1e-4, atol=1e-8)
    assert not torch.allclose(expected, classifier(crops[4]), rtol=1e-3)


@pytest.mark.slow
def test_the_ensemble_of_vggs_is_the_mean_of_both_and_of_their_reflections() -> None:
    ensemble = to_module(shipped("vgg_ensemble"), Seeded(1)).eval()
    image = randomly(1, 3, 256, 256)
    with torch.no_grad():
        nets = (ensemble.mirrored1.seen, ensemble.mirrored2.seen)
        expected = sum(mirrored(net, image) for net in nets) / 2
        torch.testing.assert_close(ensemble(image), expected, rtol=1e-4, atol=1e-8)


# --- what is said of a window


def test_a_window_is_told_in_summaries_pictures_and_explanations() -> None:
    net = netspec.load(UNPADDED, dense=True, input="2x24x22")
    layer = next(layer for layer in net.summary().layers if layer.path == "fc6")
    assert (layer.detail, layer.output) == ("6x6", (7, 4, 3))
    assert layer.macs == 4 * 3 * 7 * (5 * 6 * 6)
    assert ">6×6 fc 7" in str(net.draw())
    text = explain(netspec.load(UNPADDED, dense=True, input="2xHxW").graph, "fc6")
    assert "((floor(H/2) - 8) * (floor(W/2) - 8)) places * 7 outputs * 180 inputs" in text
    assert "8 + (6 - 1) * 2 = 18; stride 2 * 1 = 2; start 0 - 0 * 2 = 0, along each axis" in text


@pytest.mark.parametrize(
    ("text", "code", "says"),
    [
        ("input 5\nfc-2(over=3)", "NS301", "leave `over` out: a vector has no windows"),
        ("input 3x4x4\nfc-2(over=5)", "NS302", "nearest to 3x4x4 that fit: 3x5x5"),
        ("input 3x4x4\nfc-2(over=2x2x2)", "NS301", "takes 3 spatial axes"),
        ("input 3x4x4\nfc-2(over=0)", "NS214", "all, channels, integers of at least 1"),
        ("input 3x4x4\nfc-2(over=chanels)", "NS214", "try: `fc-2(over=channels)`"),
    ],
)
def test_a_window_that_does_not_fit_is_refused(text: str, code: str, says: str) -> None:
    with pytest.raises(NetspecError) as caught:
        netspec.load(text)
    assert code in str(caught.value)
    assert says in str(caught.value)
