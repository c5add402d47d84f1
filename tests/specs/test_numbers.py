"""Every shipped net computes in ONNX Runtime what PyTorch and double precision compute.

Nets that end in global pooling run on smaller inputs than their papers': every layer is there, in
a fraction of the time. Nets that stay too large for that, that consist of another's steps or that take
seconds and have no step that smaller ones do not have, are checked in structure here, and run in full
under `pytest -m slow`.
"""

from __future__ import annotations

import onnx
import pytest
from onnx import TensorProto, helper
from support.shelves import shelved, shipped

from netspec.analysis.costs import costs
from netspec.backends.onnx.compile import prepared
from netspec.backends.onnx.lowering import lower
from netspec.diagnostics.raised import NetspecError
from netspec.elaborate.build import build
from netspec.graph.checked import Graph
from netspec.sizes.dims import substitute, symbols_of
from netspec.syntax.files import read_spec
from netspec.verify import verify

# Multiply-adds and parameters of what runs in seconds on two cores.
MACS, PARAMS = 1.3e9, 6e7
# What takes seconds all the same, and whose steps are in `resnet18`, `resnet20_cifar`, `shufflenet_v1`,
# `regnet_y_400mf`, `alexnet_two_gpu`, `nin`, `googlenet` and `mobilenet_v2`.
LIKE_OTHERS = {
    *("resnet34_a", "resnet50", "resnext50_32x4d", "se_resnet50"),
    *("alexnet", "vgg11", "vgg16_bn", "zfnet"),
    *("googlenet_bn", "inception_v3", "inception_v4", "mobilenet_v1"),
}


def reduced(name: str) -> Graph:
    """The net on the smallest input, from a quarter of its own upwards, that it takes."""
    whole = shipped(name)
    image = next((node for node in whole.inputs if len(node.types[0].shape) > 2), None)
    if image is None:
        return whole
    channels, *sizes = image.types[0].shape
    for quarters in (1, 2, 3):
        smaller = [max(1, int(size) * quarters // 4) for size in sizes]
        text = "x".join(map(str, (channels, *smaller)))
        try:
            return build(read_spec(name), {}, (f"{image.path}:{text}",))
        except NetspecError:
            continue
    return whole


def fits(name: str, graph: Graph) -> bool:
    total = costs(graph)
    # Of an open length, about what `verify` takes.
    macs = substitute(total.macs, dict.fromkeys(symbols_of(total.macs), 16))
    return name not in LIKE_OTHERS and macs <= MACS and total.params + total.params_frozen <= PARAMS


def check(graph: Graph) -> None:
    report = verify(graph)
    assert report.ok, report.text()


@pytest.mark.parametrize("name", shelved())
def test_a_shipped_net_is_what_onnx_infers_it_to_be(name):
    graph = prepared(shipped(name), heads=True)
    model = lower(graph)
    proto = model.proto
    for item in model.weights:
        value = helper.make_tensor_value_info(item.name, TensorProto.FLOAT, item.weight.shape)
        proto.graph.input.append(value)
    # What the file says of its tensors is left out: this asks ONNX alone.
    del proto.graph.value_info[:]
    outputs = [*(o.value for o in graph.outputs), *(h.value for h in graph.heads)]
    names = [value.name for value in proto.graph.output]
    del proto.graph.output[:]
    proto.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    inferred = onnx.shape_inference.infer_shapes(proto, strict_mode=True, data_prop=True)
    found = {value.name: value.type.tensor_type.shape for value in inferred.graph.output}
    for name, value in zip(names, outputs, strict=True):
        sizes = [dim.dim_value for dim in found[name].dim[1:]]
        expected = [substitute(dim, graph.nominal_sizes) for dim in value.shape]
        # Inference gives up (0) behind tables it cannot follow; it must not contradict.
        assert len(sizes) == len(expected)
        assert all(size in (0, want) for size, want in zip(sizes, expected, strict=True))


@pytest.mark.parametrize("name", shelved(blocks=False))
def test_a_shipped_net_agrees_with_double_precision(name):
    graph = reduced(name)
    if not fits(name, graph):
        pytest.skip("runs under `pytest -m slow`")
    check(graph)


@pytest.mark.slow
@pytest.mark.parametrize("name", shelved(blocks=False))
def test_a_large_net_agrees_with_double_precision(name):
    graph = reduced(name)
    if fits(name, graph):
        pytest.skip("runs in the plain suite")
    check(graph)
