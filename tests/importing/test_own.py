"""What netspec wrote comes back: the same operators, the same numbers, a fixed point of both ways."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.shelves import in_turn

import netspec
from netspec.importing.imported import Imported, import_file

NETS = [
    "lenet5",
    "resnet20_cifar",
    "shufflenet_v2_x0_5",
    "mobilenet_v3_small",
    "squeezenet1_0",
    "densenet40_12",
]
TEXTS = {
    "convolutions": "input 4x9x9; conv3-8/2(pad=1, dilation=1); dwconv3(pad=same); "
    "conv1x3-6(groups=2, bias=no)",
    "one axis": "input 4x12; conv3-8(pad=(0, 2)); maxpool2; gap; fc-3",
    "three axes": "input 2x4x5x6; conv3-4(pad=1); maxpool1x2x2; gap; fc-3",
    "transposed": "input 4x5x6; deconv3-6/2(pad=1, output_pad=1); upsample(2); "
    "upsample(2, mode=bilinear)",
    "pools": "input 3x9x9; maxpool3/2(pad=1); avgpool3/1(pad=1); "
    "avgpool2(pad=1, count_pad=no); lrn(3)",
    "responses": "input 6x5x5; lrn(4, alpha=0.5, k=2); lrn(2, alpha=0.5, average=no); lrn(3, beta=0.6); "
    "lrn(1, beta=1)",
    "responses of sequences": "input 7x4; lrn(3, beta=0.5); lrn(alpha=0.2)",
    "responses of many channels": "input 600x3x2; lrn(5, alpha=0.3); lrn(4)",
    "activations": "input 3x4; relu; sigmoid; tanh; softplus; softsign; selu; mish; "
    "hardswish; silu; hardsigmoid",
    "more activations": "input 3x4; relu6; leaky(0.2); elu(0.5); gelu; gelu(tanh); "
    "clip(-0.5, 1); prelu",
    "normalisations": "input 6x4x5; groupnorm(3); instancenorm; l2norm; rmsnorm; layernorm; bn",
    "attention": "input 8x5; layernorm; attention(2); fc-6(over=channels); rmsnorm",
    "attention apart": "input 8x2x3; conv1-8 as k; conv1-8 as q; attend(2, @k)",
    "causal": "input 8x6; attention(4, causal=yes, bias=no)",
    "gates": "input 8x4x4; mul { | identity | gap; fc-4(act=relu); fc-8(act=sigmoid) }",
    "branches": "input 4x6x6; concat { | conv1-4 | maxpool3/1(pad=1) | identity }; "
    "shuffle(2); split(2); add",
    "pieces": "input 6x8; slice(1, 5); slice(2, axis=time); pick((1, 0)); transpose",
    "maps": "input 8x4x6; sequence; lstm-8; grid(4x6); conv1-4; reshape(4x2x12); "
    "conv1-3; transpose((2, 0, 1)); conv1-2",
    "pixels": "input 8x4x6; pixel_shuffle(2); relu; pixel_unshuffle(2); "
    "pixel_shuffle(2, layout=rows)",
    "recurrences": "input 4x6; lstm-5; gru-3(bidirectional=yes); rnn-4; lstm-3(last=yes)",
    "words": "input 7 ids(11); embedding-6; position; token; layernorm",
    "numbers": "input 3x4; scaled(0.5, 2); square; affine; sqrt; exp; reciprocal",
}


def written(spec: str, path: Path, *, optimize: bool = True) -> Imported:
    netspec.load(spec).to_onnx(path, optimize=optimize)
    return import_file(path)


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_comes_back(name: str, tmp_path: Path) -> None:
    net = netspec.load(TEXTS[name])
    found = written(TEXTS[name], tmp_path / "net.onnx", optimize=False)
    assert found.proof is not None
    assert found.proof.error <= 1e-6
    words = [node.op.spelling for node in net.graph.nodes[1:]]
    assert [node.op.spelling for node in found.graph.nodes[1:]] == words
    again = written(found.text, tmp_path / "again.onnx", optimize=False)
    assert said(again) == said(found)


def said(found: Imported) -> list[tuple[type, dict[str, object]]]:
    """Operators and their parameters, in order."""
    return [(type(node.op), vars(node.op)) for node in found.graph.nodes]


@pytest.mark.parametrize(("name", "optimize"), in_turn(NETS))
def test_a_shipped_net_is_a_fixed_point(name: str, optimize: bool, tmp_path: Path) -> None:
    first = written(name, tmp_path / "net.onnx", optimize=optimize)
    assert first.proof is not None
    assert first.proof.exact
    again = written(first.text, tmp_path / "net2.onnx", optimize=False)
    assert again.proof is not None
    assert said(again) == said(first)


def test_blocks_as_functions_are_written_out(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    netspec.load("resnet20_cifar").to_onnx(path, blocks=True)
    plain = written("resnet20_cifar", tmp_path / "flat.onnx")
    assert said(import_file(path)) == said(plain)


def test_weights_are_those_of_the_file(tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    path, weights = tmp_path / "net.onnx", tmp_path / "w.safetensors"
    netspec.load("lenet5").to_onnx(path, seed=3)
    found = netspec.from_onnx(path)
    found.save_weights(weights)
    net = netspec.load(found.text)
    other = tmp_path / "other.onnx"
    net.to_onnx(other, weights=load_file(weights))
    import numpy as np

    from netspec.importing.proof import session_run

    image = {"input": np.random.default_rng(1).standard_normal((2, 1, 32, 32), np.float32)}
    (one,), (two,) = session_run(path, ["input"])(image), session_run(other, ["input"])(image)
    assert np.array_equal(one, two)


def test_a_net_without_a_finite_number_is_proven_by_its_nodes(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    netspec.load("input 3x4x4\nconv1-4; square; scaled(-1, -1); log; conv1-2\n").to_onnx(path)
    proof = import_file(path).proof
    assert proof is not None
    assert (proof.nodes, proof.error) == (True, 0)
    assert "no finite numbers; every node and constant is the file's" in str(proof)
